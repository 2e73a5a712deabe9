"""Predictions that stand in columns of the data they were made on: told apart from the data, and counted over all rows by the engine.

Checks see the data without these columns, and what is in them as predictions that were given. Of data that are seen by a sample,
the sample has them too; and how many rows each combination of groups, truth and prediction has is counted by the engine, in one
query, for whatever follows from such counts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aims_mlflow.engines.frames import Frame
from aims_mlflow.engines.whole import Whole, as_pandas
from aims_mlflow.errors import AimsError, CannotMeasure
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Counted, Dataset
from aims_mlflow.system import System

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class PredictionColumns:
    """The names of the columns that hold predicted labels (or numbers), and scores; "" where there are none."""

    labels: str
    scores: str = ""

    @classmethod
    def of(cls, labels: Any, scores: Any) -> PredictionColumns:
        """Return two names as columns; raises CannotMeasure where one is a name and the other is not."""
        if not isinstance(labels, str) or not isinstance(scores, str | None):
            raise CannotMeasure(
                "predictions are the name of a column, and scores are none (or the other way round)",
                fix='give both as columns of the data: run.predictions("test", "prediction", scores="score"), or both as arrays',
            )
        return cls(labels, scores or "")

    @property
    def names(self) -> tuple[str, ...]:
        """The columns there are, each once."""
        return tuple(dict.fromkeys(name for name in (self.labels, self.scores) if name))


def apart(dataset: Dataset, columns: PredictionColumns, system: System) -> tuple[Dataset, Any, Counted | CannotMeasure | None]:
    """Return a dataset without its columns of predictions, the predictions, and the counts over all rows.

    The counts are None where the checks see all rows, or the task has no labels; CannotMeasure says why they could not be had.

    Raises:
        CannotMeasure: no such column, one that is more than a prediction, missing predictions, or an engine that failed.
    """
    _usable(dataset, columns, system)
    frame, others = dataset.frame, [name for name in dataset.frame.columns if name not in columns.names]
    given: Any = frame[columns.labels] if not columns.scores else (frame[columns.labels], frame[columns.scores])
    shown: pd.DataFrame = frame[others]
    digest, whole = fingerprint(shown).sha256, dataset.whole
    try:
        if whole is not None:
            whole = replace(_without(dataset, whole, others), sample_sha256=digest)
        counts = _counts(dataset, columns, system)
    except AimsError:
        raise
    except Exception as error:
        log.warning("the predictions on the %s data could not be counted: %s: %s", dataset.role, type(error).__name__, error)
        raise CannotMeasure(
            f"the engine that holds the {dataset.role} data failed when predictions were counted ({type(error).__name__})",
            fix="keep it open until the run is over; the log of the training process has the exception's own text",
        ) from None
    return replace(dataset, frame=shown, whole=whole, shown_sha256=digest), given, counts


def resolved(
    datasets: Mapping[str, Dataset], given: Mapping[str, Any], system: System
) -> tuple[dict[str, Dataset], dict[str, Any], dict[str, Counted | CannotMeasure]]:
    """Return datasets, predictions and counts with every name of a column replaced by what is in it, or why it cannot be."""
    shown, said, counted = dict(datasets), dict(given), {}
    for role, columns in given.items():
        if not isinstance(columns, PredictionColumns):
            continue
        if role not in datasets:  # whoever asks is told that there are no data
            del said[role]
            continue
        try:
            shown[role], said[role], counts = apart(datasets[role], columns, system)
        except CannotMeasure as problem:
            said[role] = problem
        else:
            if counts is not None:
                counted[role] = counts
    return shown, said, counted


def _usable(dataset: Dataset, columns: PredictionColumns, system: System) -> None:
    where, present = f"predictions on the {dataset.role} data", [str(name) for name in dataset.frame.columns]
    for name in columns.names:
        if name not in present:
            raise CannotMeasure(
                f"the column {name!r} of predictions is not in the data", where=where, fix="write the name as it stands in the frame"
            )
        if name in (system.task.target, system.data.time, *system.data.sensitive_columns, *(system.data.features or ())):
            raise CannotMeasure(
                f"the column {name!r} of predictions is declared as something else in the system file",
                where=where,
                fix="give the column that the model's answers stand in",
            )
    if dataset.whole is None:
        return
    for name, what in ((columns.labels, "predictions"), (columns.scores, "scores")):
        if dataset.whole.missing.get(name):
            raise CannotMeasure(
                f"{dataset.whole.missing[name]} of {dataset.whole.rows} {what} are missing",
                where=where,
                fix="the model must answer every row",
            )


def _without(dataset: Dataset, whole: Whole, columns: list[str]) -> Whole:
    """Return what is known of all rows, without some columns: different rows are counted anew."""
    kept = {name: count for name, count in whole.missing.items() if name in columns}
    constant = tuple(name for name in whole.constant if name in columns)
    if whole.engine == "spark" and not whole.complete:
        from aims_mlflow.engines.on_spark import different_rows

        return replace(whole, missing=kept, constant=constant, different=different_rows(Frame.of(dataset.held), columns))
    from aims_mlflow.engines.shared import tallied

    tally = tallied(Frame.of(dataset.frame if whole.complete else dataset.held), columns)
    different = sum(len(keys) for keys, _ in tally.counted())
    return replace(whole, missing=kept, constant=constant, different=different, tally=tally)


def _counts(dataset: Dataset, columns: PredictionColumns, system: System) -> Counted | CannotMeasure | None:
    """Count groups by truth by prediction over all rows: one query."""
    if dataset.whole is None or dataset.whole.complete or system.task.kind == "regression":
        return None
    import numpy as np
    import pyarrow as pa

    from aims_mlflow.engines.counting import group_counts

    frame = Frame.of(dataset.held)
    asked = dict.fromkeys((*system.data.sensitive_columns, system.task.target))
    names = [*(name for name in asked if name in frame.schema.columns), columns.labels]
    try:
        found = group_counts(frame, names)
    except CannotMeasure as problem:  # too many combinations
        return problem
    rows = sum(found.values())
    if rows != dataset.whole.rows:
        raise CannotMeasure(
            f"the {frame.engine} frame had {dataset.whole.rows} rows when it was taken and {rows} when predictions were counted",
            fix="pass data that stand still until the run is over: a table's snapshot, or files that nobody writes to",
        )
    types = {name: frame.arrow_schema.field(name).type for name in names}
    cells = zip(*found, strict=True) if found else [()] * len(names)
    table = as_pandas(pa.table({name: pa.array(list(values), types[name]) for name, values in zip(names, cells, strict=True)}))
    return Counted(table.drop(columns=columns.labels), table[columns.labels], np.array(list(found.values()), dtype=np.int64))
