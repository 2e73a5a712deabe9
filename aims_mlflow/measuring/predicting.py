"""What a model says on a dataset, beside the truth: the right columns in, one label, number and score a row out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aims_mlflow.describing import features
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import column_names
from aims_mlflow.measuring.answers import as_floats, class_scores, one_a_row, positive_score, sound_probabilities
from aims_mlflow.measuring.labels import UNKNOWN, Labels, kind_of, labels_of, plain, together
from aims_mlflow.observation import Model, Observation, Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger("aims_mlflow")

LARGEST = 1e100
"""Numbers beyond which squared errors, their variances and their sums come to the end of double precision."""

NAMED_AT_MOST = 10
"""How many column names a message lists."""


def predictions(seen: Observation, role: str = "test") -> Predictions:
    """Return the model's predictions on the data in ``role``, made once for all checks; raises as ``predict_on`` does."""
    key = f"predictions on {role}"
    if key not in seen.kept:
        try:
            seen.kept[key] = predict_on(seen, role)
        except CannotMeasure as problem:
            seen.kept[key] = problem
    found: Predictions | CannotMeasure = seen.kept[key]
    if isinstance(found, CannotMeasure):
        raise found
    return found


def predict_on(seen: Observation, role: str) -> Predictions:
    """Return what was predicted on the data in ``role``: predictions that were given, else the model's own.

    Given predictions are labels (numbers, for a regression), or ``(labels, score)``, or a mapping with ``labels`` and
    ``score``; a binary score is the positive label's, one a row, a multiclass score is (n, classes) in the order of the
    mapping's ``classes``.

    Raises:
        CannotMeasure: see ``Observation.predictions``.
    """
    y_true, labels = truth(seen, role)
    given = _given(seen, role)
    if given is not None:
        frame = seen.datasets[role].frame
        said, score, classes = unpacked(given)
        score = None if score is None else sound_probabilities(score)
    else:
        model = _model(seen)
        frame = feature_frame(seen, role)
        said = answer("predict", model.predict, frame)
        proba = model.predict_proba if labels is not None else None
        score = None if proba is None else sound_probabilities(answer("predict_proba", proba, frame))
        classes = model.classes
    y_pred = understood(one_a_row(said, len(y_true), frame), labels, seen)
    if labels is None:
        return Predictions(y_true, y_pred, None)
    if seen.system.task.kind == "binary_classification":
        return Predictions(y_true, y_pred, None if score is None else positive_score(score, classes, len(y_true), seen), (0, 1))
    if score is None:
        return Predictions(spelled(y_true, labels), spelled(y_pred, labels), None, labels.known)
    values, columns = class_scores(score, classes, labels, y_true)
    return Predictions(spelled(y_true, labels), spelled(y_pred, labels), values, columns)


def said_on(seen: Observation, role: str) -> tuple[np.ndarray, Labels]:
    """Return what was predicted on the data in ``role``, where nobody knows the truth yet: codes (n,) and the labels they stand for.

    Raises:
        CannotMeasure: no such data or model, a regression, or labels that do not fit the task as it was declared.
    """
    task = seen.system.task
    if task.kind == "regression":
        raise CannotMeasure(f"the {role} data have no labels", state="missing", fix="measure again when the outcomes are known")
    given = _given(seen, role)
    frame = seen.dataset(role).frame if given is not None else feature_frame(seen, role)
    said = unpacked(given)[0] if given is not None else answer("predict", _model(seen).predict, frame)
    values = one_a_row(said, len(frame), frame)
    declared = [one for one in (task.positive_label, task.favourable_label) if one is not None]
    known = list(seen.model.classes) if seen.model is not None and len(seen.model.classes) else None
    labels = labels_of(known) if known else together([labels_of(values), labels_of(declared)])
    strange = [one for one in declared if labels.code(one) == UNKNOWN]
    if strange or labels.kind in ("mixed", "other") or (task.kind == "binary_classification" and len(labels.known) > 2):
        raise CannotMeasure(
            f"the predictions are not the labels that the system file declares ({labels.kind}, {len(labels.known)} different)",
            where=f"predictions on the {role} data",
            fix="write task.positive_label as the model predicts it, of the same type, or give labels instead of probabilities",
        )
    return understood(values, labels, seen), labels


def truth(seen: Observation, role: str) -> tuple[np.ndarray, Labels | None]:
    """Return the target (n,) of the data in ``role`` and its labels: codes of the labels, or floats and None for a regression.

    Binary: the labels stand in the order (negative, positive), so that a code is 1 for the positive label. Labels known
    to the model or to the data in other roles count too, where they fit: a small test set need not hold them all.

    Raises:
        CannotMeasure: no such data or column, missing values, labels that do not fit the task as it was declared.
    """
    column = _target(seen, role)
    where = f"column {column.name} of the {role} data"
    empty = int(column.isna().sum())
    if empty:
        raise CannotMeasure(
            f"the target has {empty} missing values", where=where, fix="drop the rows without a known outcome, or label them"
        )
    if seen.system.task.kind == "regression":
        return _numbers(column, f"the target is not numeric ({column.dtype})", where), None
    labels = _known_labels(seen, column)
    if labels.kind in ("mixed", "other"):
        raise CannotMeasure(
            "the target's labels are not all text, or all numbers or booleans", where=where, fix="convert the column to one type"
        )
    if seen.system.task.kind == "binary_classification":
        labels = _binary(seen, labels_of(column), labels, f"{where}, dtype {column.dtype}")
    return labels.codes(column), labels


def favourable_code(seen: Observation, role: str) -> int | None:
    """Return the code, in ``truth``'s labels, of the outcome people want; None where no label was declared.

    Raises:
        CannotMeasure: the declared label is none of the target's.
    """
    wanted = seen.system.task.favourable
    _, labels = truth(seen, role)
    if wanted is None or labels is None:
        return None
    code = labels.code(wanted)
    if code == UNKNOWN:
        raise CannotMeasure(
            "task.favourable_label is none of the target's labels",
            where=f"column {seen.system.task.target} of the {role} data",
            fix="write task.favourable_label as the outcome people want stands in the data",
        )
    return code


def feature_frame(seen: Observation, role: str) -> pd.DataFrame:
    """Return a copy of the columns that the model reads from the data in ``role``, with rows numbered from 0.

    The columns are the model's own (``feature_names_in_``, signature) where known, else the declared ``data.features``,
    else every column but the target and the sensitive ones.

    Raises:
        CannotMeasure: columns that are not there, or none left; duplicate or non-string names.
    """
    frame = seen.dataset(role).frame
    present = column_names(frame)
    left_out = {seen.system.task.target, *seen.system.data.sensitive_columns}
    wanted = features(seen) or tuple(name for name in present if name not in left_out)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise CannotMeasure(
            f"{len(missing)} of the {len(wanted)} columns that the model reads are not in the data: {named(missing)}",
            where=f"{role} data",
            fix="pass the frame with the model's columns, or correct data.features in the system file",
        )
    if not wanted:
        raise CannotMeasure("no feature column is left to predict from", where=f"{role} data", fix="list them in data.features")
    return frame[list(wanted)].reset_index(drop=True)


def understood(values: np.ndarray, labels: Labels | None, seen: Observation) -> np.ndarray:
    """Return predictions (n,) as codes of ``labels``, or as floats where ``labels`` is None.

    Raises:
        CannotMeasure: missing or infinite predictions, labels that the target does not have, probabilities instead of labels.
    """
    import pandas as pd

    if labels is None:
        return _numbers(pd.Series(values), "the model's predictions are not numbers", "predictions")
    empty = int(pd.isna(values).sum())
    if empty:
        raise CannotMeasure(
            f"{empty} of {len(values)} predictions are missing", where="predictions", fix="the model must return a label a row"
        )
    codes = labels.codes(values)
    strange = int((codes == UNKNOWN).sum())
    if not strange:
        return codes
    if seen.system.task.kind == "binary_classification" and _look_like_probabilities(values):
        raise CannotMeasure(
            "the model returned what looks like probabilities instead of labels",
            where="predictions",
            fix="return labels as they stand in the target: the cut-off is a decision of yours and is never guessed",
        )
    raise CannotMeasure(
        f"{strange} of {len(values)} predictions are labels that the target does not have "
        f"(predictions are {_kind(values)}, the target's labels are {labels.kind})",
        where="predictions",
        fix="return the labels as they stand in the target, of the same type",
    )


def spelled(codes: np.ndarray, labels: Labels) -> np.ndarray:
    """Return the labels that the codes stand for, as an array of text or numbers."""
    import numpy as np

    spelling: np.ndarray = np.array(labels.known)
    return np.asarray(spelling[codes])


def named(columns: list[str]) -> str:
    """Return column names as a list in words, the first few of many."""
    shown = ", ".join(columns[:NAMED_AT_MOST])
    return shown if len(columns) <= NAMED_AT_MOST else f"{shown} and {len(columns) - NAMED_AT_MOST} more"


def _given(seen: Observation, role: str) -> Any:
    """Return the predictions that were given for the data in ``role``, or None; raises CannotMeasure where they could not be taken."""
    given = seen.given_predictions.get(role)
    if isinstance(given, CannotMeasure):
        raise given
    return given


def _model(seen: Observation) -> Model:
    if seen.model is None:
        raise CannotMeasure(
            "no model was seen in this run",
            state="missing",
            fix="return the model from the tracked function, or call run.model(model) or run.predictions(role, values)",
        )
    return seen.model


def answer(method: str, function: Any, frame: pd.DataFrame) -> Any:
    """Return what a method of the model gives for a copy of the frame; raises CannotMeasure with the type of what it raises."""
    try:
        return function(frame.copy())
    except (Exception, SystemExit) as error:  # a model that ends the process must not end the user's
        log.warning("the model's %s raised %s: %s", method, type(error).__name__, error)
        raise CannotMeasure(
            f"the model's {method} raised {type(error).__name__}",
            where=f"{len(frame)} rows, {frame.shape[1]} columns",
            fix="call it on this frame yourself; the text of the exception is in the log of the training process (it may quote data)",
        ) from None


def unpacked(given: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """Return (labels, score, classes) of predictions that were given."""
    if isinstance(given, dict):
        strangers = sorted(str(key) for key in given if key not in ("labels", "score", "classes"))
        if strangers or "labels" not in given:
            raise CannotMeasure("given predictions have other keys than labels, score and classes", fix='give {"labels": …, "score": …}')
        classes = given.get("classes")
        return given["labels"], given.get("score"), () if classes is None else tuple(classes)
    if isinstance(given, tuple) and len(given) == 2 and all(hasattr(part, "__len__") and not isinstance(part, str) for part in given):
        return given[0], given[1], ()
    return given, None, ()


def _target(seen: Observation, role: str) -> pd.Series[Any]:
    frame = seen.dataset(role).frame
    present = column_names(frame)
    target = seen.system.task.target
    if target not in present:
        raise CannotMeasure(
            f"the target {target!r} is not in the data",
            where=f"{role} data, {len(present)} columns",
            fix="pass the frame with the target in it, or correct task.target in the system file",
        )
    column: pd.Series[Any] = frame[target]
    return column


def _known_labels(seen: Observation, column: pd.Series[Any]) -> Labels:
    own = labels_of(column)
    others = [
        labels_of(data.frame[column.name])
        for data in seen.datasets.values()
        if column.name in data.frame.columns and data.frame.columns.is_unique and data.frame[column.name].dtype == column.dtype
    ]
    known = together([own, *others])
    classes = labels_of(list(seen.model.classes)) if seen.model is not None and len(seen.model.classes) else own
    return together([known, classes]) if set(own.known) <= set(classes.known) else known


def _binary(seen: Observation, present: Labels, labels: Labels, where: str) -> Labels:
    """Return the labels in the order (negative, positive)."""
    wanted = plain(seen.system.task.positive_label)
    if len(labels.known) > 2:
        raise CannotMeasure(
            f"a binary target has {len(labels.known)} labels",
            where=where,
            fix="declare task.kind: multiclass_classification, or keep two labels",
        )
    if present.code(wanted) == UNKNOWN:
        told = f"it was declared as {kind_of([wanted])}, the labels in the data are {present.kind}"
        raise CannotMeasure(
            f"the positive label is not in the data ({told})"
            if kind_of([wanted]) != present.kind
            else "the positive label is not in the data",
            where=where,
            fix="write task.positive_label as it stands in the data, of the same type (quotes make it text)",
        )
    others = tuple(label for label in labels.known if label != wanted)
    return Labels((*(others or (_Absent(),)), wanted))


class _Absent:
    """Stands for the negative label where no data hold one: equal to nothing."""


def _numbers(column: pd.Series[Any], otherwise: str, where: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    fits = (
        column.map(lambda cell: not isinstance(cell, str)).all() if column.dtype == object else pd.api.types.is_numeric_dtype(column.dtype)
    )
    if not fits or pd.api.types.is_complex_dtype(column.dtype):
        raise CannotMeasure(otherwise, where=where, fix="give numbers")
    try:
        values: np.ndarray = column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise CannotMeasure(otherwise, where=where, fix="give numbers") from None
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise CannotMeasure(f"{wrong} of {len(values)} values are missing or infinite", where=where, fix="give finite numbers, one a row")
    if len(values) and np.abs(values).max() > LARGEST:
        raise CannotMeasure("there are numbers so large that their squares overflow", where=where, fix="give them in another unit")
    return values


def _look_like_probabilities(values: np.ndarray) -> bool:
    import numpy as np

    numbers = as_floats(values)
    return numbers is not None and bool(((numbers >= 0) & (numbers <= 1)).all() and (numbers != np.round(numbers)).any())


def _kind(values: np.ndarray) -> str:
    return labels_of(values[:1000]).kind
