"""The disk under the spool: how much is free, and whether what is written, synced and renamed there is kept."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from aims_mlflow import spool, spool_limits
from aims_mlflow.diagnosing.words import Finding, State
from aims_mlflow.settings import SPOOL_BYTES

TOO_FEW = 100 * 2**20
"""Free bytes below which it is a problem: room for some 160 runs of the demo (0.6 MB each), for fewer of a larger system."""


def look() -> list[Finding]:
    """Look at the disk where the spool is, or will be. A folder of a few bytes is written there, and taken away again."""
    place = _nearest(spool.folder())
    return [*_free(place), *_trial(place)]


def _nearest(place: Path) -> Path:
    """Return the folder, or the nearest above it that is there: nothing is made where there is nothing yet."""
    place = place.absolute()
    return next((one for one in (place, *place.parents) if one.exists()), place)


def _free(place: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(place).free
    said = f"{free} bytes are free where the spool is"
    left = int(SPOOL_BYTES.value()) - spool_limits.size(spool.folder())
    if free < TOO_FEW:
        yield _found("free", "problem", said, place, "free some space, or set AIMS_HOME to another disk")
    elif free < left:
        what = f"{said}, fewer than its quota leaves ({left}): the disk is full before the quota is"
        yield _found("free", "note", what, place, f"free some space, or set {SPOOL_BYTES.name} to less")
    else:
        yield _found("free", "ok", said, place)


def _trial(place: Path) -> Iterator[Finding]:
    try:
        spool.try_disk(place)
    except OSError as error:
        known = error.errno is not None
        name = errno.errorcode.get(error.errno, "") if known and error.errno else ""
        what = f"what is written, synced and renamed there is refused: {error.strerror or type(error).__name__} {name}".rstrip()
        fix = "set AIMS_HOME to a folder on a local disk that you may write to; until then no run can keep its evidence"
        yield _found("trial", "problem", what, place, fix)
        return
    yield _found("trial", "ok", "write, fsync and rename work there", place)


def _found(code: str, state: State, what: str, where: Path, fix: str = "") -> Finding:
    return Finding(area="disk", code=code, state=state, what=what, where=str(where), fix=fix)
