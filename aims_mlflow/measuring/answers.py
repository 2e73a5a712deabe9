"""A model's answers as arrays: one value a row, and probabilities by class, whatever shape they came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.labels import Labels, plain
from aims_mlflow.observation import Observation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may lie from 1: single-precision models and rounded outputs do."""


def one_a_row(said: Any, rows: int, frame: pd.DataFrame | None = None) -> np.ndarray:
    """Return a model's answer as an array (rows,): from an array, a list, a Series, or a frame or array of one column.

    Rows are matched by position; only a Series that carries ``frame``'s own index in another order is put back into the
    frame's order.

    Raises:
        CannotMeasure: another number of rows, or more than one value a row.
    """
    import numpy as np
    import pandas as pd

    if isinstance(said, pd.DataFrame) and said.shape[1] == 1:
        said = said.iloc[:, 0]
    if isinstance(said, pd.Series):
        said = _in_order(said, frame)
    extended = isinstance(said, pd.Series | pd.Index | pd.api.extensions.ExtensionArray)
    values: np.ndarray = said.to_numpy() if extended else _array(said)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.ravel()
    if values.ndim != 1:
        raise CannotMeasure(
            f"the model returned {values.ndim} dimensions instead of one value a row",
            fix="predict must return one label (or number) a row; probabilities belong into predict_proba",
        )
    if len(values) != rows:
        raise CannotMeasure(f"the model returned {len(values)} predictions for {rows} rows", fix="predict must return one value a row")
    return np.asarray(values)


def positive_score(score: Any, classes: tuple[Any, ...], rows: int, seen: Observation) -> np.ndarray:
    """Return the positive label's score (rows,) from scores (rows,) or (rows, classes); raises CannotMeasure where it cannot be told."""
    values = _array(score, "probabilities")
    if values.ndim == 2 and (values.shape[1] > 1 or classes):
        columns = [plain(label) for label in classes]
        wanted = plain(seen.system.task.positive_label)
        if len(classes) != values.shape[1] or columns.count(wanted) != 1:
            raise CannotMeasure(
                f"predict_proba gave {values.shape[1]} columns, {len(classes)} classes: which is the positive label's is not known",
                fix="give the model classes_ in the order of its columns, each once, spelled as in the target",
            )
        values = values[:, columns.index(wanted)]
    return _finite_score(one_a_row(values, rows))


def class_scores(score: Any, classes: tuple[Any, ...], labels: Labels, y_true: np.ndarray) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Return scores (rows, classes) and their classes, in the labels' order; raises CannotMeasure where shape or classes do not fit."""
    values = _array(score, "probabilities")
    columns = tuple(plain(label) for label in classes)
    known = _hashable(columns)
    if values.shape != (len(y_true), len(columns)) or len(known) != len(columns) or not set(labels.known) <= known:
        raise CannotMeasure(
            f"predict_proba gave an array of shape {values.shape} for {len(y_true)} rows and {len(columns)} classes",
            fix="give one column for each class, with classes_ in their order, each once, spelled as in the target",
        )
    order = sorted(range(len(columns)), key=lambda at: labels.code(columns[at]))
    return _finite_score(values[:, order]), tuple(columns[at] for at in order)


def _finite_score(values: np.ndarray) -> np.ndarray:
    import numpy as np

    numbers = as_floats(values)
    if numbers is None:
        raise CannotMeasure("scores are not numbers", where="predict_proba", fix="return probabilities as floats")
    if not np.isfinite(numbers).all():
        raise CannotMeasure(
            f"{int((~np.isfinite(numbers)).sum())} scores are missing or infinite", where="predict_proba", fix="mend the model's scores"
        )
    return numbers


def sound_probabilities(score: Any) -> Any:
    """Return probabilities (rows, classes) as they are; raises CannotMeasure where a row of them does not sum to 1.

    Scores beyond 0 to 1 are no probabilities: they rank, and what needs probabilities has no value on them.
    """
    import numpy as np

    values = as_floats(_array(score, "probabilities"))
    if values is not None and values.ndim == 2 and values.shape[1] > 1 and values.size and values.min() >= 0 and values.max() <= 1:
        wrong = int((np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE).sum())
        if wrong:
            raise CannotMeasure(
                f"the probabilities of {wrong} of {len(values)} rows do not sum to 1",
                where="predict_proba",
                fix="return the probability of every class, in the order of classes_",
            )
    return score


def _array(said: Any, what: str = "predictions") -> np.ndarray:
    """Return an answer as an array; raises CannotMeasure where its rows are of uneven length, or it is nothing that has rows."""
    import numpy as np

    try:
        return np.asarray(said)
    except (TypeError, ValueError):
        fix = "return an array with one value (or one column a class) a row"
        raise CannotMeasure(f"the model's {what} are no array", fix=fix) from None


def as_floats(values: np.ndarray) -> np.ndarray | None:
    """Return the values as floats; None for text, complex numbers and whatever else is no number."""
    if values.dtype.kind not in "fiubO" or (values.dtype == object and any(isinstance(one, str | bytes) for one in values.ravel())):
        return None
    try:
        numbers: np.ndarray = values.astype(float)
    except (TypeError, ValueError):
        return None
    return numbers


def _hashable(labels: tuple[Any, ...]) -> set[Any]:
    """Return the labels as a set; none where they are not single values."""
    try:
        return set(labels)
    except TypeError:
        return set()


def _in_order(said: pd.Series[Any], frame: pd.DataFrame | None) -> pd.Series[Any]:
    import pandas as pd

    if frame is None or len(said) != len(frame) or said.index.equals(frame.index) or said.index.equals(pd.RangeIndex(len(said))):
        return said
    if frame.index.is_unique and said.index.is_unique and set(said.index) == set(frame.index):
        return said.reindex(frame.index)
    return said
