"""The worst slice and the worst tenth of a model's answers on one dataset, as one result: from predictions alone, given or asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Measure, Problem
from aims_mlflow.measuring import asking
from aims_mlflow.measuring.predicting import feature_frame, predictions
from aims_mlflow.measuring.scores.influence import own_log_loss
from aims_mlflow.measuring.scores.scoring import Answers
from aims_mlflow.measuring.trials import slices
from aims_mlflow.observation import Observation, Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SLICE = "worst_slice"
TAIL = "loss_cvar"
"""The mean loss of the worst tenth of the rows: log loss where there are probabilities, absolute error in a regression."""


def sliced(seen: Observation, check: str, scope: dict[str, str], asked: tuple[str, ...]) -> CheckResult:
    """Return the result for the data in ``scope["dataset"]``; ``asked`` are the metrics that must be in it.

    Raises:
        CannotMeasure: no data, or no predictions on them.
    """
    role = scope["dataset"]
    said = predictions(seen, role)
    rows, given = _sample(len(said.y_true)), len(said.y_true)
    regression = seen.system.task.kind == "regression"
    loss = abs(said.y_true - said.y_pred)[rows] if regression else (said.y_true != said.y_pred)[rows].astype(float)
    notes = [] if len(rows) == given else [f"Measured on a seeded sample of {len(rows)} of {given} rows."]
    facts: dict[str, Any] = {"rows": len(rows), "rows_given": given, "sample_seed": 0, "split_seed": 0}
    looked_on, measured_on = slices.halves(len(rows))
    measures: list[Measure] = []
    problem = None
    try:
        cuts, reference = _cuts(seen, role, rows)
        found = slices.worst_slice(cuts, loss, looked_on)
        measures += slices.measures_of(found.worst, loss, measured_on, regression=regression)
        facts |= {
            "slice": found.worst.name,
            "slice_rows": int(found.worst.inside[measured_on].sum()),
            "slices_searched": found.searched,
            "slices_too_small": found.too_small,
            "columns": found.columns,
            "looked_for_on": len(looked_on),
            "measured_on": len(measured_on),
            "ranks_from": reference,
        }
        notes.append(f"{found.worst.name}: found among {found.searched:,} slices on one half of the rows, measured on the other.")
        notes += [f"{found.too_small:,} slices have under {slices.ROWS_AT_LEAST} rows and were not looked at."] if found.too_small else []
    except CannotMeasure as nothing:
        notes.append(f"No slice: {nothing.what}.")
        problem = Problem.of(nothing) if set(asked) - {TAIL} else None
    losses = loss if regression else _log_losses(said, seen.system.task.kind)
    measures += [] if losses is None else [slices.cvar(losses if regression else losses[rows])]
    unmeasured = asking.undefined(asked, measures)
    notes += [f"{m.name} has no value: there is no slice, or it is not a measure of this task." for m in unmeasured]
    return CheckResult(
        check=check,
        scope=scope,
        measures=(*measures, *unmeasured),
        facts=facts,
        notes=tuple(notes),
        subjects=asking.subjects(seen, role),
        problem=problem,
    )


def _sample(n: int) -> np.ndarray:
    import numpy as np

    if n <= slices.ROWS_AT_MOST:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, slices.ROWS_AT_MOST, replace=False))


def _cuts(seen: Observation, role: str, rows: np.ndarray) -> tuple[list[slices.Cut], str]:
    """Return the model's columns and the sensitive ones, cut into slices by the ranks of the train data (else of these), and which."""
    frame = feature_frame(seen, role)
    own = seen.dataset(role).frame
    columns: dict[str, pd.Series[Any]] = {str(name): frame[name] for name in frame.columns}
    columns |= {name: own[name].reset_index(drop=True) for name in seen.system.data.sensitive_columns if name in own.columns}
    train = seen.datasets.get("train")
    ranked = train.frame if train is not None and role != "train" and len(train.frame) and train.frame.columns.is_unique else None
    cuts = []
    for name, column in columns.items():
        reference = ranked[name] if ranked is not None and name in ranked.columns else column
        made = slices.cut(column.iloc[rows], reference)
        cuts += [made] if made is not None else []
    return cuts, role if ranked is None else "train"


def _log_losses(said: Predictions, kind: str) -> np.ndarray | None:
    """Return each row's log loss (n,); None without probabilities."""
    import numpy as np

    if said.score is None or said.score.min() < 0 or said.score.max() > 1:
        return None
    if kind == "multiclass_classification" and not set(np.unique(said.y_true).tolist()) <= set(said.classes):
        return None
    return own_log_loss(Answers.of(said, kind))
