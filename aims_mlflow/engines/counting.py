"""Counts over all rows of a frame, made by its own engine through narwhals: rows, missing cells, groups, different values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aims_mlflow.engines.frames import Frame
from aims_mlflow.errors import CannotMeasure

GROUPS_AT_MOST = 10_000
"""Groups beyond which they are not counted: the columns name rows, not groups."""

_COUNT = "__aims_rows"


@dataclass(frozen=True)
class Missing:
    """Cells of one column without a value: nulls, and floats that are no number. To pandas they are one."""

    null: int
    nan: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.null + self.nan


def rows_and_missing(frame: Frame) -> tuple[int, dict[str, Missing]]:
    """Return the number of rows, and the missing cells of each column: one query, or one job."""
    if frame.engine == "pyarrow dataset":
        return _of_batches(frame)
    import narwhals as nw

    schema = frame.schema
    asked = [nw.len().alias("rows")]
    for at, floating in enumerate(schema.floating):
        asked.append(nw.col(f"c{at}").is_null().cast(nw.Int64).sum().alias(f"null{at}"))
        if floating:
            asked.append(nw.col(f"c{at}").is_nan().cast(nw.Int64).sum().alias(f"nan{at}"))
    row = _collected(_lazy(frame).select(*asked))[0]
    counted = {name: Missing(int(row[f"null{at}"] or 0), int(row.get(f"nan{at}") or 0)) for at, name in enumerate(schema.columns)}
    return int(row["rows"]), counted


def group_counts(frame: Frame, columns: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """Return how many rows each combination of values of ``columns`` has, such as group, y and y_hat: one query, or one job.

    A missing value, NaN too, is None.

    Raises:
        CannotMeasure: no such column, or more than ``GROUPS_AT_MOST`` combinations.
    """
    _require(frame, columns)
    import narwhals as nw

    found: dict[tuple[Any, ...], int] = {}
    if frame.engine == "pyarrow dataset":
        import pyarrow as pa

        for batch in frame.batches(tuple(columns)):
            _add(found, group_counts(Frame(pa.Table.from_batches([batch]), "pyarrow"), columns))
        return found
    names = [f"c{frame.schema.columns.index(column)}" for column in columns]
    grouped = _lazy(frame).select(*names).group_by(*names).agg(nw.len().alias(_COUNT)).head(GROUPS_AT_MOST + 1)
    for row in _collected(grouped):
        _add(found, {tuple(_plain(row[name]) for name in names): int(row[_COUNT])})
    return found


def label_counts(frame: Frame, column: str) -> dict[Any, int]:
    """Return how many rows each value of a column has; missing ones are None. Raises as ``group_counts`` does."""
    return {key: count for (key,), count in group_counts(frame, (column,)).items()}


def distinct(frame: Frame, column: str) -> int:
    """Return how many different values a column has, exactly, missing ones left out. One column at a time: it can be dear."""
    _require(frame, (column,))
    import narwhals as nw

    if frame.engine == "pyarrow dataset":
        import pyarrow as pa

        seen: Any = None
        for batch in frame.batches((column,)):
            new = pa.chunked_array([batch.column(0).unique()])
            seen = new if seen is None else pa.chunked_array([*seen.chunks, *new.chunks]).unique()
            seen = seen if isinstance(seen, pa.ChunkedArray) else pa.chunked_array([seen])
        return 0 if seen is None else distinct(Frame(pa.table({column: seen}), "pyarrow"), column)
    at = frame.schema.columns.index(column)
    lazy = _lazy(frame).select(f"c{at}").drop_nulls()
    if frame.schema.floating[at]:
        lazy = lazy.filter(~nw.col(f"c{at}").is_nan())
    return int(_collected(lazy.unique().select(nw.len().alias(_COUNT)))[0][_COUNT])


def _lazy(frame: Frame) -> Any:
    """Return the frame as narwhals asks it, with its columns named c0, c1, ...

    Of pandas it is the Arrow table: pandas does not tell null from NaN, and what Arrow makes of it has only nulls.
    """
    import narwhals as nw

    return nw.from_native(frame.plain).lazy()


def _collected(lazy: Any) -> list[dict[str, Any]]:
    """Return the few rows that a query gives."""
    found: list[dict[str, Any]] = lazy.collect("pyarrow").to_native().to_pylist()
    return found


def _require(frame: Frame, columns: Sequence[str]) -> None:
    gone = [name for name in columns if name not in frame.schema.columns]
    if gone:
        raise CannotMeasure(
            f"the columns {', '.join(gone)} are not in the data", fix="keep them in the frame, or correct their names in the system file"
        )


def _plain(value: Any) -> Any:
    return None if value is None or value != value else value


def _add(found: dict[tuple[Any, ...], int], more: Mapping[tuple[Any, ...], int]) -> None:
    for key, count in more.items():
        found[key] = found.get(key, 0) + count
    if len(found) > GROUPS_AT_MOST:
        raise CannotMeasure(
            f"there are more than {GROUPS_AT_MOST} different combinations to count", fix="declare columns of fewer, larger groups"
        )


def _of_batches(frame: Frame) -> tuple[int, dict[str, Missing]]:
    import pyarrow as pa

    rows, found = 0, dict.fromkeys(frame.schema.columns, Missing(0, 0))
    for batch in frame.batches():
        count, missing = rows_and_missing(Frame(pa.Table.from_batches([batch]), "pyarrow"))
        rows += count
        found = {name: Missing(had.null + missing[name].null, had.nan + missing[name].nan) for name, had in found.items()}
    return rows, found
