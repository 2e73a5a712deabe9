"""What a preparation step did to a frame: sizes, columns and digests before and after, and how many rows it dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.measuring.frames.rows import row_ids
from aims_mlflow.observation import FrameFacts, PreparationStep

if TYPE_CHECKING:
    import pandas as pd


def as_frame(given: Any) -> Any:
    """Return what was given as a pandas DataFrame where it can be one (``to_pandas``); else as it is."""
    as_pandas: Any = getattr(given, "to_pandas", None)
    return as_pandas() if callable(as_pandas) and not hasattr(given, "iloc") else given


def step_between(words: str, before: pd.DataFrame | None, after: pd.DataFrame | None) -> PreparationStep:
    """Return the step that made ``after`` from ``before``; neither frame is changed or kept.

    Raises:
        CannotMeasure: a frame has no fingerprint.
    """
    first, last = (None if frame is None else _facts(frame) for frame in (before, after))
    dropped, added = _moved(before, after) if before is not None and after is not None else (None, None)
    return PreparationStep(words, first, last, dropped, added)


def _facts(frame: pd.DataFrame) -> FrameFacts:
    found = fingerprint(frame)
    return FrameFacts(found.rows, found.columns, found.sha256)


def _moved(before: pd.DataFrame, after: pd.DataFrame) -> tuple[int | None, int | None]:
    """Return how many rows were dropped and added, by the content of the columns that both frames have, whatever their order.

    None, None where there is no such column, or its cells have no content of their own.
    """
    import numpy as np

    shared = [name for name in before.columns if name in after.columns]
    if not shared:
        return None, None
    try:
        first, last = row_ids((before, after), shared)
    except CannotMeasure:
        return None, None
    size = int(max(first.max(initial=-1), last.max(initial=-1))) + 1
    change = np.bincount(first, minlength=size) - np.bincount(last, minlength=size)
    return int(change[change > 0].sum()), int(-change[change < 0].sum())
