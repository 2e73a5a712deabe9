"""A batch of production data as it is handed over: rows, the outcomes where they are known, predictions where they were kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.assessment import read_table
from aims_mlflow.errors import ConfigurationError, nearest
from aims_mlflow.system import System

if TYPE_CHECKING:
    import pandas as pd

    Table = str | os.PathLike[str] | pd.DataFrame


@dataclass(frozen=True)
class Batch:
    """Production rows in a frame of our own: with the target where ``labelled``, without predictions, scores and key."""

    frame: pd.DataFrame
    labelled: bool
    predictions: Any = None
    scores: Any = None
    notes: tuple[str, ...] = field(default=())


def read_batch(
    data: Table, system: System, *, labels: Table | None = None, target: str = "", key: str = "", predictions: str = "", scores: str = ""
) -> Batch:
    """Return the batch; nothing about it is guessed. The caller's frame is not changed.

    Args:
        data: the rows: a file (CSV, Parquet, Feather, JSON lines) or a frame.
        system: names the target.
        labels: the outcomes, one a row of the data: in the column of the target's name, or in the only column besides the key.
        target: the column of the data that holds the outcomes, where it is not called as the system file calls it.
        key: a column of data and labels by which they are matched; without one, row by row.
        predictions: the column of the data that holds what the model had answered.
        scores: the column that holds the positive label's probability.

    Raises:
        ConfigurationError: a file that cannot be read, no rows, a column that is not there or stands for two things, labels of other rows.
    """
    frame = _table(data, "data")
    if len(frame) == 0:
        raise ConfigurationError(
            "the production data have no rows", where=_where(data), fix="give a batch with rows: nothing shows nothing"
        )
    taken = [name for name in (target, key, predictions, scores) if name]
    for name in taken:
        _column(frame, name, "production data")
    if len(set(taken)) < len(taken):
        raise ConfigurationError(
            "one column is named for two things", fix="name a column of its own for each of target, key and predictions"
        )
    notes: list[str] = []
    said, likely = (frame[name] if name else None for name in (predictions, scores))
    frame = frame.drop(columns=[name for name in (predictions, scores) if name])
    frame, labelled = _labelled(frame, system, labels, target, key, notes)
    if key:
        frame = frame.drop(columns=key)
    return Batch(frame, labelled, said, likely, tuple(notes))


def _labelled(
    frame: pd.DataFrame, system: System, labels: Table | None, target: str, key: str, notes: list[str]
) -> tuple[pd.DataFrame, bool]:
    """Return the frame with the outcomes in the target's column, and whether there are any."""
    name = system.task.target
    if target and target != name:
        if name in frame.columns:
            what = f"the data have both {target!r}, given as the target, and {name!r}, the target by the system file"
            raise ConfigurationError(what, fix="leave one of the two columns out")
        frame = frame.rename(columns={target: name})
    there = name in frame.columns
    if labels is None:
        if there and not target:
            notes.append(f"the outcomes are those in the column {name!r} of the data")
        return frame, there
    if there:
        raise ConfigurationError(
            f"the data hold {name!r} already, and labels are given besides", fix="leave out --labels, or that column of the data"
        )
    table = _table(labels, "labels")
    column = _label_column(table, name, key)
    if key:
        return frame.assign(**{name: _matched(frame[key], table, key, column)}), True
    if len(table) != len(frame):
        raise ConfigurationError(
            f"there are {len(table)} labels for {len(frame)} rows",
            where=_where(labels),
            fix="give one label a row, in the rows' order; or name a column that both files have: --key COLUMN",
        )
    notes.append("the labels were matched row by row; that they are in the rows' order cannot be seen (a key column would show it)")
    return frame.assign(**{name: table[column].to_numpy()}), True


def _label_column(table: pd.DataFrame, name: str, key: str) -> str:
    if key:
        _column(table, key, "labels")
    if name in table.columns:
        return name
    others = [str(column) for column in table.columns if column != key]
    if len(others) == 1:
        return others[0]
    raise ConfigurationError(
        f"which of the {len(others)} columns of the labels is the outcome cannot be told",
        fix=f"call it {name!r}, as the system file does, or keep that column alone",
    )


def _matched(wanted: pd.Series[Any], table: pd.DataFrame, key: str, column: str) -> Any:
    """Return the labels in the order of the rows; every row must have exactly one."""
    problem = next(_mismatches(wanted, table[key]), "")
    if problem:
        fix = "give each row a key of its own and each key one label; monitor rows whose outcome is known as a batch of their own"
        raise ConfigurationError(f"labels and rows do not match by the column {key!r}: {problem}", fix=fix)
    return table.set_index(key)[column].reindex(wanted).to_numpy()


def _mismatches(wanted: pd.Series[Any], given: pd.Series[Any]) -> Iterator[str]:
    for side, keys in (("rows", wanted), ("labels", given)):
        if keys.isna().any():
            yield f"{int(keys.isna().sum())} {side} have no key"
        if keys.duplicated().any():
            yield f"{int(keys.duplicated().sum())} keys stand twice among the {side}"
    without = int((~wanted.isin(given)).sum())
    if without:
        yield f"{without} of {len(wanted)} rows have no label"


def _table(given: Table, what: str) -> pd.DataFrame:
    import pandas as pd

    if isinstance(given, str | os.PathLike):
        return read_table(given)
    if not isinstance(given, pd.DataFrame):
        converted = getattr(given, "to_pandas", None)
        if not callable(converted):
            raise ConfigurationError(f"the {what} are a {type(given).__name__}, not a table", fix="give a file or a pandas DataFrame")
        given = converted()
    if not isinstance(given, pd.DataFrame) or not given.columns.is_unique:
        raise ConfigurationError(f"the {what} are no table with column names of their own", fix="give a DataFrame with unique columns")
    return given.reset_index(drop=True)


def _column(table: pd.DataFrame, name: str, what: str) -> None:
    if name not in table.columns:
        raise ConfigurationError(f"the {what} have no column {name!r}", fix=nearest(name, map(str, table.columns)))


def _where(given: Any) -> str:
    return str(given) if isinstance(given, str | os.PathLike) else ""
