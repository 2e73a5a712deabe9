"""The figures of docs/reliability.md, taken and printed there by one command, ``make figures``.

``python -m tests.reliability.figures kills soak`` takes some of them.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
PYTEST = ("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider")
STRACE = ("strace", "-f", "-qq", "-e", "trace=connect,execve", "-o")
HERE = "127."


@dataclass(frozen=True)
class Figure:
    """A command of this Python, and which of the lines that it prints are the figure."""

    name: str
    command: tuple[str, ...]
    lines: Callable[[str], Sequence[str]]
    settings: dict[str, str] = field(default_factory=lambda: {"AIMS_TESTS_FULL": "1"})
    traced: bool = False
    """Whether ``strace`` looks on, in a folder of its own; the lines are found in what it has seen."""


def matching(pattern: str) -> Callable[[str], list[str]]:
    """Return what finds the lines in which a pattern stands, from there on."""

    def found(said: str) -> list[str]:
        return [line[match.start() :] for line in said.splitlines() if (match := re.search(pattern, line))]

    return found


def table(said: str) -> list[str]:
    """Return all that a benchmark prints."""
    return said.strip().splitlines()


def connections(traced: str) -> list[str]:
    """Say how many connections there were, and which of them left this machine; nothing where no program was traced."""
    if "execve(" not in traced:
        return []
    addresses = re.findall(r'inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"', traced)
    left = sorted({address for address in addresses if not address.startswith(HERE) and address != "::1"})
    return [f"{len(addresses)} connections over IP, outside this machine: {', '.join(left) or 'none'}"]


FIGURES = (
    Figure("kills", (*PYTEST, "tests/reliability/test_deaths.py", "-k", "any_moment"), matching(r"\d+ kills within")),
    Figure("faults", (*PYTEST, "tests/reliability/test_faults.py"), matching(r"\d+ (passed|failed).* in ")),
    Figure("histories", (*PYTEST, "tests/reliability/test_histories.py", "-k", "whatever"), matching(r"\d+ histories of")),
    Figure("soak", ("-m", "benchmarks", "soak"), table),
    Figure("restart", ("-m", "benchmarks", "soak"), table, {"AIMS_SOAK_RESTART": "1", "AIMS_SOAK_MINUTES": "2"}),
    Figure("mutants", ("-m", "tests.mutation", "--sample", "400"), matching(r"\d+ of \d+ died")),
    Figure("fuzzing", ("-m", "tests.fuzzing", "--minutes", "60"), table),
    Figure("connections", ("-m", "aims_mlflow.cli", "demo"), connections, {}, traced=True),
    Figure("server", ("-m", "tests.server.started"), connections, {"PYTHONPATH": str(ROOT)}, traced=True),
)


def taken(figure: Figure) -> tuple[list[str], bool]:
    """Take a figure; returns its lines, and whether the command ended as it should."""
    if figure.traced and shutil.which(STRACE[0]) is None:
        return [f"not taken: {STRACE[0]} is not installed"], False
    began, load = time.monotonic(), os.getloadavg()[0]
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"COLUMNS": "1000"} | figure.settings
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace")
        command = [*((*STRACE, str(trace)) if figure.traced else ()), sys.executable, *figure.command]
        where = folder if figure.traced else ROOT
        ran = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, errors="replace", check=False)
        found = list(figure.lines(trace.read_text(errors="replace") if figure.traced else ran.stdout))
    sound = not ran.returncode and bool(found)
    if not sound:
        which = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]  # pytest's own summary
        said = "; ".join(which)[:2000] or (ran.stdout + ran.stderr).strip()[-300:]
        found += [f"**failed** with exit code {ran.returncode}: {said}"]
    took = f"Taken on {datetime.now(UTC):%Y-%m-%d} in {(time.monotonic() - began) / 60:.0f} min, load {load:.1f} before it began."
    return [*found, "", took], sound


def written(page: str, name: str, lines: Sequence[str]) -> str:
    """Return a page with the lines between the marks of a figure, in place of what was there.

    Raises:
        ValueError: the page has no such marks.
    """
    marks = f"<!-- figure {name} -->", f"<!-- end of {name} -->"
    start, end = page.find(marks[0]), page.find(marks[1])
    if min(start, end) < 0:
        raise ValueError(f"there is no place for {name} between {marks[0]} and {marks[1]}")
    return "\n".join([page[: start + len(marks[0])], *lines, page[end:]])


def machine() -> list[str]:
    """Say on what the figures are taken."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.+)", information)
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("mlflow", "scikit-learn", "hypothesis"))
    what = model.group(1) if model else platform.machine()
    return [f"{cores} cores ({what}), {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, {libraries}."]


def main(names: Sequence[str]) -> int:
    """Take the figures of these names, or all; 1 where one could not be taken."""
    known = {figure.name: figure for figure in FIGURES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such figure: {', '.join(unknown)}; there are {', '.join(known)}")
    well = True
    for name in names or known:
        lines, sound = taken(known[name])
        well = well and sound
        page = written(PAGE.read_text(encoding="utf-8"), "machine", machine())
        PAGE.write_text(written(page, name, lines), encoding="utf-8")
        print("\n".join([f"{name}:", *lines, ""]), flush=True)  # noqa: T201 - a program
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
