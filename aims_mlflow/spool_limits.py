"""How much the spool may hold, and for how long: what has arrived makes room, what has not arrived is never deleted for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aims_mlflow.errors import SpoolFullError

BYTES = "AIMS_SPOOL_BYTES"
DAYS = "AIMS_SPOOL_DAYS"

DEFAULT_BYTES = 2 * 2**30
"""2 GiB. A run of the demo makes 0.6 MB, so over three thousand wait through a long outage, and no home directory is filled unseen."""

DEFAULT_DAYS = 30.0
"""A month: longer than a server is down, and short enough that somebody still knows what the run was."""

DRAFT, GONE = ".draft-", ".gone-"
"""What the names of folders begin with that are not in the spool: being written, and arrived and being deleted."""

ABANDONED = 86_400.0
"""Seconds. No parcel takes a day to write: a draft that is older was left by a process that died, and nobody was told that it is kept."""


@dataclass(frozen=True)
class Limits:
    """What the spool may hold in bytes, and after how many days what waits there is overdue. ``wrong``: settings that are no number."""

    bytes: int = DEFAULT_BYTES
    days: float = DEFAULT_DAYS
    wrong: tuple[str, ...] = ()


def limits() -> Limits:
    """Return the limits as they are set. One that is no positive number is passed over: it must not cost a run its evidence."""
    wrong: list[str] = []

    def number(name: str, default: float) -> float:
        given = os.environ.get(name, "").strip()
        if not given:
            return default
        try:
            value = float(given)
        except ValueError:
            value = 0.0
        if 0 < value < float("inf"):
            return value
        wrong.append(name)
        return default

    most, days = number(BYTES, DEFAULT_BYTES), number(DAYS, DEFAULT_DAYS)
    return Limits(int(most), days, tuple(wrong))


def size(folder: Path) -> int:
    """Return how many bytes the files in a folder and below have; what vanishes meanwhile counts nothing."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(here, name)).st_size
            except OSError:
                continue
    return total


def leftovers(folder: Path) -> list[Path]:
    """Return what is not in the spool any more, or never was, the oldest first: folders being written, or being deleted."""
    found: list[tuple[float, Path]] = []
    for path in _folders(folder):
        if path.name.startswith((DRAFT, GONE)):
            try:
                found.append((path.stat().st_mtime, path))
            except OSError:
                continue
    return [path for _, path in sorted(found)]


def make_room(folder: Path, needed: int) -> None:
    """See that ``needed`` bytes more are within the quota; delete what may be deleted, and nothing that has not arrived.

    What has arrived, and what dead processes left half-written, goes when it is older than ``AIMS_SPOOL_DAYS``, and before
    that where room is needed. Processes that write at the same moment may pass the quota by what they write then.

    Raises:
        SpoolFullError: there is no room.
    """
    set_to = limits()
    held = size(folder)
    for path in leftovers(folder):
        overdue = _age(path) > set_to.days * 86_400.0
        may_go = path.name.startswith(GONE) or _age(path) > ABANDONED
        if may_go and (overdue or held + needed > set_to.bytes):
            freed = size(path)
            shutil.rmtree(path, ignore_errors=True)
            held -= freed - size(path)
    if held + needed > set_to.bytes:
        raise SpoolFullError(
            f"the spool holds {held} bytes that have not reached MLflow, {needed} more are too many: {set_to.bytes} may be there",
            where=str(folder),
            fix=f"send them with `aims sync`, or set {BYTES} to more",
        )


def _folders(folder: Path) -> Iterator[Path]:
    try:
        yield from [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:  # there is no spool yet; what is wrong with it is said when it is written
        return


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
