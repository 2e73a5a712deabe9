"""Predictions that were given beside a model are held against what the model itself says: evidence is about the model that is promoted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aims_mlflow.errand import Errand
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.answers import as_floats, one_a_row, positive_score
from aims_mlflow.measuring.labels import labels_of, together
from aims_mlflow.measuring.predicting import answer, feature_frame, unpacked
from aims_mlflow.observation import Model, Observation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS = 1000
"""How many rows of a dataset the model is asked about, drawn with a fixed seed. Where all agree, fewer than 3 in 1,000 of the others do
not, at 95 % confidence (the rule of three; Hanley and Lippman-Hand, 1983)."""

SEED = 0

SECONDS = 60.0
"""How long the model may take for them."""

TOLERANCE = 1e-4
"""How far numbers and scores may lie apart, in parts of themselves or of their mean size: single precision stays well below."""

FIX = "give what this model says on these rows; wrap a cut-off of your own, or steps before the model, in the model that is logged"


def held_to_the_model(seen: Observation) -> Observation:
    """Return what was seen, with given predictions that are not the model's own replaced by the reason why nothing is measured on them.

    Predictions without a model stand as they are, and so do those of a model in operation, where what was served is what counts.
    """
    model = seen.model
    if model is None or seen.run.kind == "monitoring":
        return seen
    refused: dict[str, CannotMeasure] = {}
    for role, given in seen.given_predictions.items():
        if role not in seen.datasets or isinstance(given, CannotMeasure):
            continue
        try:
            _compare(seen, model, role, given)
        except CannotMeasure as problem:
            refused[role] = problem
        except Exception as error:  # whatever objects were given, or the model gave
            refused[role] = _unasked(role, f"comparing raised {type(error).__name__}")
    if not refused:
        return seen
    counted = {role: counts for role, counts in seen.counted.items() if role not in refused}
    return replace(seen, given_predictions={**seen.given_predictions, **refused}, counted=counted)


def _compare(seen: Observation, model: Model, role: str, given: Any) -> None:
    """Raise CannotMeasure where the model says something else, or cannot be asked."""
    frame = seen.datasets[role].frame
    if not len(frame):  # counts over all rows must not pass where no row was compared
        raise _unasked(role, "there is no row to ask it about")
    said, score, classes = unpacked(given)
    values = one_a_row(said, len(frame), frame)
    rows = _drawn(len(frame))
    try:
        asked = feature_frame(seen, role).iloc[rows].reset_index(drop=True)
    except CannotMeasure as problem:
        raise _unasked(role, problem.what) from None
    own = one_a_row(_asked(role, "predict", model.predict, asked), len(rows), asked)
    different = _different(values[rows], own, seen)
    if different:
        raise _other(role, f"{different} of {len(rows)} predictions")
    if score is None or seen.system.task.kind == "regression":
        return
    if model.predict_proba is None:
        raise CannotMeasure(
            f"scores were given for the {role} data, and the model gives none: whose they are cannot be told",
            where=f"predictions on the {role} data",
            fix="give labels only, or a model with predict_proba",
        )
    proba = _asked(role, "predict_proba", model.predict_proba, asked)
    apart = _apart(_scores(score, classes, len(frame), seen)[rows], _scores(proba, model.classes, len(rows), seen))
    if apart:
        raise _other(role, f"the scores of {apart} of {len(rows)} rows")


def _drawn(rows: int) -> np.ndarray:
    import numpy as np

    return np.sort(np.random.default_rng(SEED).choice(rows, size=min(rows, ROWS), replace=False))


def _asked(role: str, method: str, function: Any, frame: pd.DataFrame) -> Any:
    """Return what the model says, within ``SECONDS``; raises CannotMeasure where it does not."""
    errand = Errand(lambda: answer(method, function, frame), "aims-agreement")
    if not errand.wait(SECONDS):
        raise _unasked(role, f"its {method} took longer than {SECONDS:g} s for {len(frame)} rows")
    try:
        return errand.result()
    except CannotMeasure as problem:
        raise _unasked(role, problem.what) from None


def _different(given: np.ndarray, own: np.ndarray, seen: Observation) -> int:
    """Return how many labels are not the same, or numbers not nearly so."""
    if seen.system.task.kind == "regression":
        return _apart(given, own)
    labels = together([labels_of(given), labels_of(own)])
    return int((labels.codes(given) != labels.codes(own)).sum())


def _apart(given: np.ndarray, own: np.ndarray) -> int:
    """Return how many rows of numbers are not nearly the same; all of them where they are no numbers, or of another shape."""
    import numpy as np

    left, right = as_floats(given), as_floats(own)
    if left is None or right is None or left.shape != right.shape:
        return len(given)
    size = float(np.abs(right[np.isfinite(right)]).mean()) if np.isfinite(right).any() else 0.0
    close = np.isclose(left, right, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)
    return int((~close.reshape(len(given), -1).all(axis=1)).sum())


def _scores(score: Any, classes: tuple[Any, ...], rows: int, seen: Observation) -> np.ndarray:
    """Return scores (rows,) of the positive label, or (rows, classes) in the order of the labels; raises CannotMeasure."""
    import numpy as np

    if seen.system.task.kind == "binary_classification":
        return positive_score(score, classes, rows, seen)
    values = np.asarray(score)
    labels = labels_of(list(classes))
    if values.shape != (rows, len(labels.known)) or len(classes) != len(labels.known):
        raise CannotMeasure(
            f"scores have the shape {values.shape} for {rows} rows and {len(classes)} classes", fix="give one column a class"
        )
    columns: np.ndarray = values[:, np.argsort(labels.codes(list(classes)))]
    return columns


def _unasked(role: str, why: str) -> CannotMeasure:
    what = f"predictions were given for the {role} data, and the model could not be asked whether it says the same: {why}"
    return CannotMeasure(what, where=f"predictions on the {role} data", fix=FIX)


def _other(role: str, what: str) -> CannotMeasure:
    return CannotMeasure(
        f"{what} that were given for the {role} data are not the model's own", where=f"predictions on the {role} data", fix=FIX
    )
