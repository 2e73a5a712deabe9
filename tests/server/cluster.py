"""A PostgreSQL of our own, in a folder and on a socket of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None where it is not installed."""
    debian = next((p for p in sorted(Path("/usr/lib/postgresql").glob("*/bin")) if (p / "initdb").exists()), None)
    found = shutil.which("initdb")
    return debian or (Path(found).resolve().parent if found else None)


class Cluster:
    """A PostgreSQL that runs from ``start`` to ``stop``. ``safe``: it waits for the disk, as one that is meant to be used does."""

    def __init__(self, programs: Path, *, safe: bool = False) -> None:
        self.programs, self.safe = programs, safe
        self.folder = Path(tempfile.mkdtemp(prefix="aims-pg-"))
        self.uri = f"postgresql+psycopg2://aims@/{{}}?host={self.folder}"
        """In which a database's name is to be put."""
        who: dict[str, Any] = {}
        if os.getuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        env = {**os.environ, "HOME": str(self.folder)}
        self._how: dict[str, Any] = {"cwd": self.folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": env, **who}

    def start(self) -> Cluster:
        """Make it and start it."""
        self._do("initdb", "-U", "aims", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        return self.up()

    def up(self) -> Cluster:
        """Start it again."""
        settings = f"-k {self.folder} -c listen_addresses= -c fsync={'on' if self.safe else 'off'} -c max_connections=200"
        self._do("pg_ctl", "-l", self.folder / "log", "-o", settings, "-w", "start")
        return self

    def down(self) -> None:
        """Stop it as its administrator does: connections are cut, what was committed is kept."""
        self._do("pg_ctl", "-m", "fast", "-w", "stop")

    def stop(self) -> None:
        """Stop it at once and remove it."""
        subprocess.run([self.programs / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop"], check=False, **self._how)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, program: str, *arguments: object) -> None:
        ran = subprocess.run([self.programs / program, "-D", self.folder / "data", *map(str, arguments)], **self._how)
        if ran.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program}: {ran.stdout!r}\n{log.read_text() if log.exists() else ''}")
