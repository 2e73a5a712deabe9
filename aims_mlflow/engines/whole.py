"""What is known of all rows of a frame of which the checks see a sample: counts that the engine made, and how the sample was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.engines.counting import distinct, group_counts, label_counts, rows_and_missing
from aims_mlflow.engines.frames import Frame
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import Fingerprint, fingerprint
from aims_mlflow.system import System

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.engines.drawing import Tally

Counts = Mapping[Any, int]

OVER_ALL_ROWS = "over_all_rows"
"""The fact of a result about data that the checks see by a sample: the names of its measures that were counted over all rows."""


@dataclass(frozen=True)
class Whole:
    """Counts over all rows of a frame, exact, and the sample that stands for it elsewhere.

    ``missing`` is column -> missing cells, ``different`` how many different rows there are, ``constant`` the columns with one value
    only and none missing; ``values`` is column -> value -> rows, missing ones under None, for the target and the sensitive columns
    (one of too many values is not there). Values stay in memory.
    """

    engine: str
    rows: int
    missing: Mapping[str, int]
    different: int
    sample_rows: int
    seed: int
    sample_sha256: str
    constant: tuple[str, ...] = ()
    values: Mapping[str, Counts] = field(default_factory=dict)
    tally: Tally | None = field(default=None, compare=False, repr=False)
    """The keys of all rows with their counts, where this process has counted them: not of Spark."""

    @property
    def complete(self) -> bool:
        """Whether the sample is all there is, so that whatever is measured on it is exact."""
        return self.sample_rows == self.rows

    @property
    def said(self) -> str:
        """How the sample came to be, in words."""
        if self.complete:
            return f"all {self.rows} rows were read from {self.engine}, in the order that their content and seed {self.seed} give"
        return (
            f"a sample of {self.sample_rows} of {self.rows} rows, each drawn with the same chance by its content and seed {self.seed}, "
            f"from {self.engine}"
        )


@dataclass(frozen=True)
class Gathered:
    """A frame's sample as pandas, the fingerprint of all its rows, and what is known of them."""

    sample: pd.DataFrame
    fingerprint: Fingerprint
    whole: Whole


def gather(frame: Frame, system: System, *, size: int, seed: int) -> Gathered:
    """Return what the evidence needs of a frame that the checks do not see whole.

    The engine does: rows and missing cells (1 query), the sum of all rows (1), counts of rows by content and the rows drawn (2),
    values of the target and the sensitive columns (1), and for each column that is constant in the sample whether it is (1 each).

    Raises:
        CannotMeasure: no proper columns, cells without bytes of their own. What the engine raises passes.
    """
    from aims_mlflow.engines.drawing import Plan

    rows, missing = rows_and_missing(frame)
    plan = Plan(rows, size, seed)
    found, table, different, tally = _on_spark(frame, plan) if frame.engine == "spark" else _here(frame, plan)
    if found.rows != rows:
        raise CannotMeasure(
            f"the {frame.engine} frame had {rows} rows when they were counted and {found.rows} when they were read",
            fix="pass data that stand still while they are read: a table's snapshot, a cached frame, or files that nobody writes to",
        )
    sample = as_pandas(table)
    empty = {name: counted.total for name, counted in missing.items()}
    values = {} if plan.whole else _values(frame, system)
    constant = () if plan.whole else tuple(name for name in _suspects(sample, empty) if distinct(frame, name) == 1)
    digest = fingerprint(sample).sha256
    whole = Whole(frame.engine, rows, empty, different, len(sample), seed, digest, constant=constant, values=values, tally=tally)
    return Gathered(sample, found, whole)


def as_pandas(table: Any) -> pd.DataFrame:
    """Return an Arrow table as pandas, its memory shared where pandas can (numbers without missing ones)."""
    frame: pd.DataFrame = table.to_pandas(split_blocks=True)
    return frame


def _here(frame: Frame, plan: Any) -> tuple[Fingerprint, Any, int, Tally | None]:
    from aims_mlflow.engines.content import finished, summed_here
    from aims_mlflow.engines.drawing import Tally, drawn_here

    tally = Tally()
    found = finished(frame, *summed_here(frame, tally.put))
    return found, *drawn_here(frame, tally, plan), tally


def _on_spark(frame: Frame, plan: Any) -> tuple[Fingerprint, Any, int, Tally | None]:
    from aims_mlflow.engines.content import content_fingerprint
    from aims_mlflow.engines.on_spark import drawn

    return content_fingerprint(frame), *drawn(frame, plan), None


def _values(frame: Frame, system: System) -> dict[str, Counts]:
    """Count the values of the target and the sensitive columns: all at once, or, where they are too many together, one by one."""
    target = () if system.task.kind == "regression" else (system.task.target,)
    wanted = tuple(dict.fromkeys(name for name in (*target, *system.data.sensitive_columns) if name in frame.schema.columns))
    if not wanted:
        return {}
    try:
        together = group_counts(frame, wanted)
    except CannotMeasure:
        return {name: counts for name in wanted if (counts := _few(frame, name)) is not None}
    found: dict[str, dict[Any, int]] = {name: {} for name in wanted}
    for key, count in together.items():
        for name, value in zip(wanted, key, strict=True):
            found[name][value] = found[name].get(value, 0) + count
    return dict(found)


def _few(frame: Frame, name: str) -> Counts | None:
    try:
        return label_counts(frame, name)
    except CannotMeasure:  # too many values to be groups
        return None


def _suspects(sample: pd.DataFrame, missing: Mapping[str, int]) -> list[str]:
    """Return the columns that show one value in the sample, and none missing anywhere: they may be constant."""
    found = []
    for name in sample.columns:
        if missing[name]:
            continue
        try:
            few = sample[name].nunique(dropna=True) <= 1
        except TypeError:  # lists and the like
            few = bool(sample[name].astype(str).nunique() <= 1)
        if few:
            found.append(name)
    return found


Again = Callable[[], str]
"""Looks at a frame again and returns the digest of its content as it is now."""
