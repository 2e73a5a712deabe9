from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aims_mlflow.measuring.scores.scoring import (
    ALIASES,
    CALIBRATION_ERROR,
    DEFAULTS,
    LOSSES,
    NAMES,
    NOT_SCORED,
    OF_LABELS,
    OF_NUMBERS,
    OF_SCORES,
    SCORERS,
    Answers,
)

KINDS = {"binary_classification": load_breast_cancer, "multiclass_classification": load_wine, "regression": load_diabetes}


@cache
def trained(kind: str) -> tuple[Any, np.ndarray, np.ndarray]:
    x, y = KINDS[kind](return_X_y=True)
    x = x[:, :3]  # few columns: a model that makes mistakes
    model = make_pipeline(StandardScaler(), LinearRegression() if kind == "regression" else LogisticRegression()).fit(x[::2], y[::2])
    return model, x[1::2], y[1::2]


def answers(kind: str) -> Answers:
    model, x, y = trained(kind)
    if kind == "regression":
        return Answers(kind, y, model.predict(x), None, ())
    score = model.predict_proba(x)
    return Answers(
        kind, y, model.predict(x), score[:, 1] if kind == "binary_classification" else score, tuple(int(c) for c in model.classes_)
    )


SCORED = [(kind, name) for kind in KINDS for name in SCORERS["regression" if kind == "regression" else "classification"]]


@pytest.mark.parametrize(("kind", "name"), SCORED)
@pytest.mark.filterwarnings("ignore")  # scikit-learn's own scorers warn where a metric is not for the task
def test_every_scorer_gives_what_scikit_learn_gives(kind: str, name: str) -> None:
    model, x, y = trained(kind)
    try:
        oracle = sk.get_scorer(name)(model, x, y)
    except ValueError:
        oracle = None
    if (kind, name) == ("binary_classification", "top_k_accuracy"):
        oracle = None  # among the best two of two is always right: scikit-learn gives 1 and warns
    if (kind, name) == ("multiclass_classification", "average_precision"):
        oracle = sk.average_precision_score(y, model.predict_proba(x))  # the scorer would ask for decision_function, which MLflow has not
    found = answers(kind).value(name)
    if oracle is None or not np.isfinite(oracle):
        assert found is None
    else:
        assert found == pytest.approx(oracle, abs=1e-12)


FUNCTIONS = [("regression", name) for name in OF_NUMBERS] + [
    ("binary_classification", name) for name in (*OF_LABELS, *OF_SCORES) if name != "top_k_accuracy_score"
]


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
def test_every_function_gives_what_scikit_learn_gives(kind: str, name: str) -> None:
    model, x, y = trained(kind)
    said = model.predict_proba(x)[:, 1] if name in OF_SCORES else model.predict(x)
    assert answers(kind).value(name) == pytest.approx(getattr(sk, name)(y, said), abs=1e-12)


MULTICLASS: dict[str, dict[str, Any]] = {
    "accuracy_score": {},
    "balanced_accuracy_score": {},
    "cohen_kappa_score": {},
    "f1_score": {"average": "macro"},
    "hamming_loss": {},
    "jaccard_score": {"average": "macro"},
    "matthews_corrcoef": {},
    "precision_score": {"average": "macro"},
    "recall_score": {"average": "macro"},
    "zero_one_loss": {},
    "log_loss": {},
    "top_k_accuracy_score": {},
    "roc_auc_score": {"multi_class": "ovr"},
    "average_precision_score": {},
    "brier_score_loss": {},
}


@pytest.mark.parametrize("name", MULTICLASS)
def test_multiclass_functions_are_scikit_learns_macro_averages(name: str) -> None:
    model, x, y = trained("multiclass_classification")
    said = model.predict_proba(x) if name in OF_SCORES else model.predict(x)
    assert answers("multiclass_classification").value(name) == pytest.approx(getattr(sk, name)(y, said, **MULTICLASS[name]), abs=1e-12)


def test_names_are_scikit_learns() -> None:
    scorers = set(sk.get_scorer_names())
    assert {*SCORERS["classification"], *SCORERS["regression"]} <= scorers
    assert all(inspect.isfunction(getattr(sk, name)) for name in (*OF_LABELS, *OF_SCORES, *OF_NUMBERS))
    assert {name for names in DEFAULTS.values() for name in names} <= set(NAMES)
    assert {base for table in ALIASES.values() for base in table.values()} <= set(NAMES)


SCORER_NAMES = sorted(sk.get_scorer_names())


@pytest.mark.parametrize("name", SCORER_NAMES)
def test_every_scorer_of_scikit_learn_is_measured_or_listed_with_the_reason(name: str) -> None:
    if name in NOT_SCORED:
        assert name not in NAMES
        assert all(NOT_SCORED[name] == answers(kind).why_not(name) for kind in KINDS)
        return
    assert name in NAMES
    fits = [kind for kind in KINDS if answers(kind).value(name) is not None]
    regression = name in SCORERS["regression"]
    assert fits
    assert all((kind == "regression") == regression for kind in fits)
    only_binary = ("f1", "precision", "recall", "jaccard", "roc_auc", "positive_likelihood_ratio", "neg_negative_likelihood_ratio")
    only_several = ("top_k_accuracy",)
    expected = {"regression"} if regression else {"binary_classification", "multiclass_classification"}
    expected -= {"multiclass_classification"} if name in only_binary else {"binary_classification"} if name in only_several else set()
    assert set(fits) == expected


@pytest.mark.parametrize("name", sorted(LOSSES - {CALIBRATION_ERROR}))
def test_losses_are_those_that_scikit_learn_negates_or_that_are_none_at_best(name: str) -> None:
    kind = "regression" if name in OF_NUMBERS else "binary_classification"
    given = answers(kind)
    best = Answers(given.kind, given.y_true, given.y_true, None if given.score is None else given.y_true.astype(float), given.classes)
    worst, perfect = given.value(name), best.value(name)
    assert worst is not None
    assert perfect is not None
    assert worst > perfect
    assert perfect == pytest.approx(0, abs=1e-9)


def binary(y: list[int], p: list[int], score: list[float] | None = None) -> Answers:
    return Answers("binary_classification", np.array(y), np.array(p), None if score is None else np.array(score), (0, 1))


UNDEFINED: list[tuple[Answers, str, str]] = [
    (binary([1, 1], [1, 1], [0.5, 0.6]), "roc_auc_score", "same truth"),
    (binary([1, 1], [1, 1], [0.5, 0.6]), "roc_auc", "same truth"),
    (binary([0, 0], [0, 0], [0.5, 0.6]), "average_precision_score", "same truth"),
    (binary([1, 1], [1, 1]), "balanced_accuracy_score", "same truth"),
    (binary([1, 1], [1, 1]), "matthews_corrcoef", "same truth"),
    (binary([0, 1], [0, 1]), "roc_auc_score", "no probabilities"),
    (binary([0, 1], [0, 1]), "log_loss", "no probabilities"),
    (binary([0, 1], [0, 1], [-3.0, 2.0]), "brier_score_loss", "not probabilities"),
    (binary([0, 1], [0, 1], [-3.0, 2.0]), CALIBRATION_ERROR, "not probabilities"),
    (binary([0, 1], [0, 0]), "precision_score", ""),
    (binary([0, 0], [0, 1]), "recall_score", ""),
    (binary([0, 0], [0, 0]), "f1_score", ""),
    (binary([0, 0], [0, 0]), "jaccard_score", ""),
    (binary([0, 1], [0, 1]), "r2_score", "not a metric"),
    (binary([0, 1], [0, 1]), "accuracy_scroe", "not a metric"),
    (Answers("regression", np.ones(3), np.zeros(3), None, ()), "r2_score", "same truth"),
    (Answers("regression", -np.ones(3), np.arange(3), None, ()), "mean_squared_log_error", ""),
    (Answers("regression", np.ones(3), np.zeros(3), None, ()), "accuracy_score", "not a metric"),
]


@pytest.mark.parametrize(("given", "name", "why"), UNDEFINED)
def test_what_is_not_defined_has_no_value(given: Answers, name: str, why: str) -> None:
    assert given.value(name) is None
    assert why in given.why_not(name)


def test_scores_that_only_rank_still_rank() -> None:
    assert binary([0, 1, 0], [0, 1, 0], [-3.0, 2.0, -1.0]).value("roc_auc_score") == 1.0
