"""How much the spool may hold, and for how long: what has arrived makes room, what has not arrived is never deleted for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from aims_mlflow.errors import SpoolFullError
from aims_mlflow.settings import SPOOL_BYTES, SPOOL_DAYS

DRAFT, GONE = ".draft-", ".gone-"
"""What the names of folders begin with that are not in the spool: being written, and arrived and being deleted."""

ABANDONED = 86_400.0
"""Seconds. No parcel takes a day to write: a draft that is older was left by a process that died, and nobody was told that it is kept."""


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
    most, overdue_after = int(SPOOL_BYTES.value()), SPOOL_DAYS.value() * 86_400.0
    held = size(folder)
    for path in leftovers(folder):
        overdue = _age(path) > overdue_after
        may_go = path.name.startswith(GONE) or _age(path) > ABANDONED
        if may_go and (overdue or held + needed > most):
            freed = size(path)
            shutil.rmtree(path, ignore_errors=True)
            held -= freed - size(path)
    if held + needed > most:
        raise SpoolFullError(
            f"the spool holds {held} bytes that have not reached MLflow, {needed} more are too many: {most} may be there",
            where=str(folder),
            fix=f"send them with `aims sync`, or set {SPOOL_BYTES.name} to more",
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
