"""Every performance metric and every gain over a baseline, by name, against scikit-learn's own functions and scorers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from aims_mlflow import registry
from aims_mlflow.checks.performance import performance
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR, NAMES, OF_LABELS, OF_NUMBERS, OF_SCORES, SCORERS

from .cases import CASES, Case
from .fairness import OF_SCORES as BY_HAND
from .test_fairness import same

LOSSES = {"hamming_loss", "zero_one_loss", "brier_score_loss", "log_loss", CALIBRATION_ERROR} | {
    name for name in OF_NUMBERS if "error" in name or "deviance" in name or "loss" in name
} - {"d2_absolute_error_score"}
"""Functions of which less is better: the rest of scikit-learn's are named _score, and its scorers are all better when higher."""

OURS = {CALIBRATION_ERROR: "no library has ten bins of equal mass: regrouped by pandas"}


def names_of(kind: str) -> tuple[str, ...]:
    if kind == "regression":
        return (*OF_NUMBERS, *SCORERS["regression"])
    return (*OF_LABELS, *OF_SCORES, CALIBRATION_ERROR, *SCORERS["classification"])


def sklearns(case: Case, model: Any, name: str) -> float | None:
    """Return scikit-learn's value of a function of predictions or, by its own scorer, of the fitted model; None: it is not defined."""
    said = np.asarray(model.predict(case.x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UndefinedMetricWarning)
        try:
            found = float(_taken(case, model, name, said))
        except (UndefinedMetricWarning, ValueError, TypeError):
            return None
    return found if np.isfinite(found) else None


def _taken(case: Case, model: Any, name: str, said: np.ndarray) -> float:
    function: Callable[..., float] | None = getattr(sk, name, None)
    if case.kind == "regression":
        return function(case.y, said) if name in OF_NUMBERS and function else sk.get_scorer(name)(model, case.x, case.y)
    several = case.kind == "multiclass_classification"
    proba = model.predict_proba(case.x)
    score, labels = (proba if several else proba[:, 1]), list(model.classes_)
    if name == CALIBRATION_ERROR:
        if several:
            raise ValueError
        return BY_HAND[name][0](case.y, score)
    if name in OF_LABELS and function:
        averaged = name in ("f1_score", "jaccard_score", "precision_score", "recall_score")
        return function(case.y, said, **({"average": "macro", "zero_division": 0} if averaged and several else {}))
    if name in OF_SCORES and function:
        bare = {"average_precision_score"} | (set() if several else {"roc_auc_score", "brier_score_loss"})
        options: dict[str, Any] = {} if name in bare else {"labels": labels}
        return function(case.y, score, **options, **({"multi_class": "ovr"} if name == "roc_auc_score" and several else {}))
    if name == "average_precision" and several:  # the scorer's own choice is decision_function, which ranks each class otherwise
        return sk.make_scorer(sk.average_precision_score, response_method="predict_proba")(model, case.x, case.y)
    return sk.get_scorer(name)(model, case.x, case.y)


@pytest.mark.parametrize("name", CASES)
def test_usual_metrics_are_scikit_learns(name: str) -> None:
    case = CASES[name]()
    (found,) = performance(case.observation())
    for measure in found.measures:
        expected = float(len(case.test)) if measure.name == "rows" else sklearns(case, case.model, measure.name)
        assert expected is not None
        assert same(measure.value, expected), measure.name


def test_every_metric_by_name_is_scikit_learns_own_and_every_gain_the_difference_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "CALLED", 3)  # points are compared, not intervals: these take minutes
    compared: set[str] = set()
    gained: set[str] = set()
    for make in (CASES["breast_cancer"], CASES["wine"], CASES["diabetes"]):
        case = make()
        names = names_of(case.kind)
        asked = [{"check": "performance", "metric": name, "min": 0} for name in names]
        asked += [{"check": "baseline", "metric": f"{name}_gain", "min": 0} for name in names]
        seen = case.observation(asked)
        (found,), (against,) = registry.get("performance").run(seen), registry.get("baseline").run(seen)
        for name in names:
            new, old = (sklearns(case, model, name) for model in (case.model, case.earlier))
            value = found.measure(name)
            assert value is not None
            assert same(value.value, new), (case.name, name)
            gain = None if new is None or old is None else (old - new if name in LOSSES else new - old)
            told = against.measure(f"{name}_gain")
            assert told is not None
            assert same(told.value, gain), (case.name, f"{name}_gain")
            compared |= {name} if new is not None else set()
            gained |= {name} if gain is not None else set()
    assert compared == gained == set(NAMES), "a metric that nothing was compared with"
