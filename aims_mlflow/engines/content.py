"""The digest of a frame's whole content that is the same on every engine, in any order of rows and columns, however it is parted.

This is a second kind of fingerprint, beside the ordered one of ``aims_mlflow.fingerprint``, and named so in the evidence: what the
cells are, how rows are written and why their sum is hard to forge is told in ``aims_mlflow.engines.canonical``. The digest is the
sha256 of the canonical JSON of the algorithm's name, the number of rows, the sorted column names and the sha256 of the sum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from aims_mlflow.engines import canonical
from aims_mlflow.engines.frames import Frame
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import digest
from aims_mlflow.fingerprint import Fingerprint

ALGORITHM = "aims-rows-lthash-blake3-v1"
"""The name of the algorithm, which changes whenever a digest would. Neither the order of rows nor that of columns counts."""

KeysSeen = Callable[[Any], None]


def content_fingerprint(given: Any) -> Fingerprint:
    """Return the fingerprint of the whole content of a frame of any engine; the frame is not changed.

    On Spark it is one job: each partition gives one sum of 2 KiB. Elsewhere the rows are read in batches, so that memory is bounded.

    Raises:
        CannotMeasure: no frame, no proper column names, or a column whose cells have no bytes of their own.
    """
    frame = given if isinstance(given, Frame) else Frame.of(given)
    if frame.engine == "spark":
        from aims_mlflow.engines.on_spark import summed

        return finished(frame, *summed(frame))
    return finished(frame, *summed_here(frame))


def summed_here(frame: Frame, keys_seen: KeysSeen | None = None) -> tuple[int, Any]:
    """Return the number of rows and the sum of their lanes, read in batches; ``keys_seen`` is given the rows' keys (n,) of each."""
    import numpy as np

    total, rows, order = np.zeros(canonical.LANES, dtype=np.uint64), 0, tuple(sorted(frame.schema.columns))
    for batch in frame.batches(order):
        with written(frame):
            lanes, keys = canonical.row_lanes_and_keys(batch.columns)
        total += lanes
        rows += batch.num_rows
        if keys_seen is not None:
            keys_seen(keys)
    return rows, total


def finished(frame: Frame, rows: int, lanes: Any) -> Fingerprint:
    """Return the fingerprint of a frame whose rows add up to ``lanes``."""
    columns = frame.schema.columns
    state = hashlib.sha256(lanes.astype("<u8").tobytes()).hexdigest()
    whole = digest({"algorithm": ALGORITHM, "rows": rows, "columns": sorted(columns), "sum": state})
    return Fingerprint(whole, ALGORITHM, rows, columns, dict(zip(columns, frame.schema.dtypes, strict=True)))


class written:  # noqa: N801 - a context manager, used as a verb
    """Turns a type without bytes, met while rows are written, into CannotMeasure."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Say what cannot be written, and how to mend it."""
        if isinstance(error, canonical.NoBytes):
            raise CannotMeasure(
                f"a column of the {self._frame.engine} frame holds cells without bytes of their own to digest ({error})",
                fix="store text, numbers, dates or lists of them, or drop the column",
            ) from None
