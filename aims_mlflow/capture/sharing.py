"""What the other ranks of a training were given: each tells rank 0 through a folder that they share, digests and counts only.

``AIMS_HOME/ranks/<training>/<rank>.json`` is written by every rank but the first when it is given data, and read by rank 0 when
the run is over. Nobody waits for anybody: gradients that are shared have brought the ranks together by then.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from aims_mlflow.capture.intake import Intake
from aims_mlflow.capture.ranks import Rank
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.observation import Dataset
from aims_mlflow.signing import home
from aims_mlflow.system import ROLES, Source, System
from aims_mlflow.system.parts import RoleName

log = logging.getLogger("aims_mlflow")

KEPT_SECONDS = 7 * 24 * 3600.0
"""After how long what a rank has told, and nobody has read, is removed."""

LARGEST = 1 << 20
"""Bytes of what one rank tells, at most."""

_calls: Counter[str] = Counter()
_counting = threading.Lock()


class Given(BaseModel):
    """What a rank was given in one role; the digest is "" where it could not be taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rows: int = Field(ge=0)
    algorithm: str
    sha256: str


class Told(BaseModel):
    """All that one rank has told: data role -> what it was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rank: int = Field(ge=1)
    datasets: dict[RoleName, Given]


@dataclass(frozen=True)
class Meeting:
    """The folder in which the ranks of one training meet, and which of them this process is."""

    folder: Path
    rank: Rank

    def tell(self, datasets: Mapping[RoleName, Given]) -> None:
        """Write what this rank was given, in place of what it told before. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        told = Told(rank=self.rank.number, datasets=dict(datasets))
        draft = self.folder / f".{self.rank.number}-{secrets.token_hex(4)}"
        draft.write_text(told.model_dump_json())
        draft.replace(self.folder / f"{self.rank.number}.json")

    def heard(self) -> dict[int, Told]:
        """Return rank -> what it has told. One that cannot be read is as good as silent, and is named in the log."""
        found = {}
        for number in range(1, self.rank.of):
            path = self.folder / f"{number}.json"
            try:
                if path.stat().st_size <= LARGEST:
                    found[number] = Told.model_validate_json(path.read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                log.warning("what rank %d was given could not be read: %s", number, type(error).__name__)
        return {number: told for number, told in found.items() if told.rank == number}

    def end(self) -> None:
        """Remove the folder, and those of trainings that nobody came back to."""
        shutil.rmtree(self.folder, ignore_errors=True)
        long_ago = time.time() - KEPT_SECONDS
        with contextlib.suppress(OSError):
            for path in self.folder.parent.iterdir():
                if path.stat().st_mtime < long_ago:
                    shutil.rmtree(path, ignore_errors=True)


def meeting(here: Rank, name: str) -> Meeting:
    """Return where the ranks of this call of ``name`` meet.

    They find each other by what their launcher told all of them, by the name, and by how often it was called before.
    """
    with _counting:
        _calls[name] += 1
        words = (*_launch(), str(here.of), name, str(_calls[name]))
    return Meeting(home() / "ranks" / hashlib.sha256("\0".join(words).encode()).hexdigest()[:32], here)


def _launch() -> tuple[str, ...]:
    """Return what the ranks of one launch have in common, and no two launches at one time: torchrun, Open MPI; else their parent."""
    env = os.environ
    if env.get("MASTER_ADDR") and env.get("MASTER_PORT"):
        names = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")
        return tuple(env.get(name, "") for name in names)
    if env.get("PMIX_NAMESPACE"):
        return (env["PMIX_NAMESPACE"],)
    return socket.gethostname(), str(os.getppid())


class Share(Intake):
    """What a rank other than the first takes: data, of which it keeps digests and tells them. Nothing else; it holds no frame."""

    def __init__(self, system: System, place: Meeting) -> None:
        super().__init__(system)
        self._place = place
        self._given: dict[RoleName, Given] = {}

    def data(self, frame: Any, role: str, source: str | Source | None = None, note: str = "") -> None:
        """Fingerprint a frame and tell rank 0; raises as ``Intake.data`` does, and OSError where the folder cannot be written."""
        given = Given(rows=0, algorithm="", sha256="")
        try:
            super().data(frame, role, source, note)
            found = self._seen.pop(role).dataset.fingerprint
            given = Given(rows=found.rows, algorithm=found.algorithm, sha256=found.sha256)
        finally:
            if role in ROLES:
                self._given[cast("RoleName", role)] = given
                self._place.tell(self._given)


def unlike(datasets: Mapping[str, Dataset], heard: Mapping[int, Told]) -> dict[str, CannotMeasure]:
    """Return role -> why evidence cannot be about the data in it: another rank was given other ones than rank 0.

    Such a training has learned from rows that rank 0 never saw, so what is measured here would be of a part.
    """
    found: dict[str, CannotMeasure] = {}
    for role in dict.fromkeys(role for told in heard.values() for role in told.datasets):
        given = {number: told.datasets[role] for number, told in heard.items() if role in told.datasets}
        own = datasets.get(role)
        others = [number for number, one in given.items() if own is None or not one.sha256 or one.sha256 != own.fingerprint.sha256]
        if not others:
            continue
        rows = ", ".join(f"rank {number}: {given[number].rows:,}" for number in others[:8])
        mine = "none" if own is None else f"{own.fingerprint.rows:,} rows"
        found[role] = CannotMeasure(
            f"{len(others)} of the other ranks were given other {role} data than rank 0 ({mine}; {rows}), and nothing here has seen those",
            fix=f"pass the same whole {role} frame on every rank, and let each take its share inside the function",
        )
    return found
