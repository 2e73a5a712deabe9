"""The order of rows in time: test rows that are not later than the train rows they are to be told from.

A model that will be asked about the future is tested on the future: rows of the test data that are as old as the train data
let it look ahead (temporal leakage; Kapoor and Narayanan 2023, L3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.frames.columns import kind_of, numbers

if TYPE_CHECKING:
    import pandas as pd

_ZONED = r"(?:[zZ]|[+-]\d{2}:?\d{2})$"


@dataclass(frozen=True)
class Order:
    """How the rows of a later frame stand to an earlier one: how many are before its latest row, how many at the same time.

    ``early``: rows of the earlier frame that are not before the earliest row of the later one.
    """

    before: int
    tied: int
    early: int
    rows: int


def compared(earlier: pd.DataFrame, later: pd.DataFrame, column: str, roles: tuple[str, str]) -> Order:
    """Return how the rows of ``later`` stand to those of ``earlier`` by the time in ``column``.

    Raises:
        CannotMeasure: no such column, a missing or unreadable time, times with and without a zone, or of two kinds.
    """
    sides = [_times(frame, column, role) for frame, role in zip((earlier, later), roles, strict=True)]
    if sides[0][1] != sides[1][1]:
        raise CannotMeasure(
            f"the times in {column!r} are of two kinds: {sides[0][1]} in the {roles[0]} data, {sides[1][1]} in the {roles[1]} data",
            fix="convert both columns to one kind, with a time zone in both or in neither",
        )
    (first, _), (second, _) = sides
    latest, earliest = first.max(), second.min()
    return Order(int((second < latest).sum()), int((second == latest).sum()), int((first >= earliest).sum()), len(second))


def times_of(frame: pd.DataFrame, column: str, role: str) -> pd.Series[Any] | None:
    """Return the times in a column as instants (pandas, UTC where they have a zone), None where they are plain numbers.

    Raises:
        CannotMeasure: as ``compared``.
    """
    values, kind = _times(frame, column, role)
    return None if kind == "numbers" else values


def _times(frame: pd.DataFrame, column: str, role: str) -> tuple[Any, str]:
    """Return the times, and what they are: numbers, times without a zone, or times with one (then in UTC)."""
    import numpy as np
    import pandas as pd

    where = f"column {column!r} of the {role} data"
    if column not in frame.columns:
        raise CannotMeasure(f"the time column {column!r} is not in the {role} data", fix="keep it in the frame, or correct data.time")
    values = frame[column]
    missing = int(values.isna().sum())
    if missing:
        fix = "fill in when each row happened, or drop the rows of unknown time"
        raise CannotMeasure(f"{missing} rows have no time", where=where, fix=fix)
    kind = kind_of(values)
    if kind == "number":
        held = numbers(values)
        if not np.isfinite(held).all():
            raise CannotMeasure("some times are infinite", where=where, fix="correct them")
        return held, "numbers"
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.dt.to_timestamp(), "times without a zone"
    if kind not in ("time", "category") or pd.api.types.is_bool_dtype(values.dtype):
        raise CannotMeasure(f"a column of dtype {values.dtype} holds no times", where=where, fix="give it pandas' datetime dtype")
    return _parsed(values, where)


def _parsed(values: pd.Series[Any], where: str) -> tuple[Any, str]:
    """Return the times of a column of datetimes, dates, or text as ISO 8601 writes it."""
    import pandas as pd

    fix = "give the column pandas' datetime dtype: pd.to_datetime(column, format=...)"
    try:
        if pd.api.types.is_string_dtype(values.dtype) or pd.api.types.infer_dtype(values) == "string":
            texts = values.astype(str).str.strip()
            zoned = texts.str.contains(_ZONED, regex=True) & texts.str.contains(":", regex=False)
            if zoned.any() and not zoned.all():
                both = "write all of them with one, or none"
                raise CannotMeasure("some times have a time zone and some have none", where=where, fix=both)
            parsed: Any = pd.to_datetime(texts, format="ISO8601", utc=bool(zoned.all()))
        else:
            parsed = pd.to_datetime(values.astype(object) if values.dtype == "category" else values, cache=False)
    except (ValueError, TypeError, OverflowError):  # their messages quote the value
        raise CannotMeasure("some times cannot be read (text is read as ISO 8601, such as 2026-01-31)", where=where, fix=fix) from None
    if parsed.isna().any():
        raise CannotMeasure("some times cannot be read", where=where, fix=fix)
    zone = getattr(parsed.dt, "tz", None)
    return (parsed.dt.tz_convert("UTC"), "times with a zone") if zone is not None else (parsed, "times without a zone")
