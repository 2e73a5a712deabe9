from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aims_mlflow import registry
from aims_mlflow.checks.performance import performance
from aims_mlflow.evidence import CheckResult
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR, DEFAULTS
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System

LOADERS = {"binary_classification": load_breast_cancer, "multiclass_classification": load_wine, "regression": load_diabetes}


def see(
    kind: str, frames: dict[str, pd.DataFrame], model: Model | None, *requirements: dict[str, Any], target: str = "target", **task: Any
) -> Observation:
    content = {
        "version": 1,
        "system": {"id": "s"},
        "task": {"kind": kind, "target": target, **task},
        "data": {"roles": {role: role for role in frames}},
        "requirements": [{"check": "performance", **r} for r in requirements],
    }
    datasets = {role: Dataset(role, frame, fingerprint(frame)) for role, frame in frames.items()}
    return Observation(System.model_validate(content), datasets, RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), model)


def trained(kind: str, *requirements: dict[str, Any], names: Any = None) -> tuple[Observation, Any]:
    frame = LOADERS[kind](as_frame=True).frame
    if names is not None:
        frame["target"] = frame["target"].map(dict(enumerate(names)))
    train, test = frame.iloc[::2], frame.iloc[1::2]
    features = list(frame.columns[:4])
    model = make_pipeline(StandardScaler(), LinearRegression() if kind == "regression" else LogisticRegression())
    model.fit(train[features], train["target"])
    proba, classes = (None, ()) if kind == "regression" else (model.predict_proba, tuple(model.classes_))
    task = {"positive_label": names[1] if names is not None else 1} if kind == "binary_classification" else {}
    return see(
        kind, {"train": train, "test": test}, Model(model.predict, tuple(features), proba, classes, model), *requirements, **task
    ), model


def only(seen: Observation) -> CheckResult:
    (result,) = performance(seen)
    return result


@pytest.mark.parametrize("names", [None, (2, 1), ("no", "yes"), (True, False)])
def test_binary_values_are_scikit_learns_however_the_labels_are_spelled(names: Any) -> None:
    seen, model = trained("binary_classification", names=names)
    test = seen.datasets["test"].frame
    positive = 1 if names is None else names[1]
    y, p = (test["target"] == positive).astype(int), (model.predict(test[list(seen.model.features)]) == positive).astype(int)  # type: ignore[union-attr, arg-type]
    score = model.predict_proba(test[list(model.feature_names_in_)])[:, list(model.classes_).index(positive)]
    found = only(seen)
    for name in ("accuracy_score", "balanced_accuracy_score", "f1_score", "precision_score", "recall_score"):
        assert found.measure(name).value == pytest.approx(getattr(sk, name)(y, p), abs=1e-12)  # type: ignore[union-attr]
    for name in ("roc_auc_score", "average_precision_score", "brier_score_loss", "log_loss"):
        assert found.measure(name).value == pytest.approx(getattr(sk, name)(y, score), abs=1e-12)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", LOADERS)
def test_the_defaults_of_the_task_are_measured_with_their_subjects(kind: str) -> None:
    seen, _ = trained(kind)
    found = only(seen)
    assert found.scope == {"dataset": "test"}
    assert [m.name for m in found.measures] == [*DEFAULTS[kind], "rows"]
    assert all(m.value is not None and m.n for m in found.measures)
    assert found.subjects == (seen.datasets["test"].subject,)
    assert found.problem is None


def test_what_requirements_ask_is_measured_where_they_ask_it() -> None:
    asked = ({"metric": "cohen_kappa_score", "min": 0}, {"metric": "neg_log_loss", "min": -1, "dataset": "train"})
    seen, _ = trained("binary_classification", *asked)
    test, train = performance(seen)
    assert (test.scope, train.scope) == ({"dataset": "test"}, {"dataset": "train"})
    assert test.measure("cohen_kappa_score") is not None
    assert test.measure("neg_log_loss") is None
    assert train.measure("neg_log_loss") is not None


def test_what_cannot_be_taken_stands_without_a_value_and_a_note() -> None:
    seen, model = trained("binary_classification", {"metric": "r2_score", "min": -9}, {"metric": "roc_auc_score", "min": 0})
    found = only(seen.with_model(Model(model.predict, tuple(model.feature_names_in_))))
    for name, why in (("r2_score", "not a metric for binary"), ("roc_auc_score", "gives no probabilities")):
        assert found.measure(name).value is None  # type: ignore[union-attr]
        assert any(name in note and why in note for note in found.notes)


def test_the_model_is_asked_once_for_all_checks() -> None:
    seen, model = trained("binary_classification")
    calls: list[int] = []

    def predict(frame: pd.DataFrame) -> Any:
        calls.append(len(frame))
        return model.predict(frame)

    seen = seen.with_model(Model(predict, tuple(model.feature_names_in_)))
    only(seen)
    only(seen)
    assert len(calls) == 1


def test_no_data_and_no_model_are_missing_and_the_rest_is_an_error() -> None:
    seen, model = trained("binary_classification", {"metric": "accuracy_score", "min": 0, "dataset": "validation"})
    test, validation = performance(seen.with_model(Model(lambda _: [0], tuple(model.feature_names_in_))))
    assert test.problem is not None
    assert test.problem.state == "error"
    assert validation.problem is not None
    assert validation.problem.state == "missing"
    assert validation.scope == {"dataset": "validation"}
    assert test.problem.fix
    assert validation.problem.fix


def test_a_metric_nobody_knows_is_not_among_the_names() -> None:
    names = registry.get("performance").metric_names()
    assert "roc_auc_score" in names
    assert "roc_auc_scroe" not in names


def test_what_has_no_interval_says_why() -> None:
    seen, _ = trained("regression", {"metric": "max_error", "max": 1e6})
    found = only(seen)
    assert any("max_error has no interval" in note and "tail" in note for note in found.notes)
    perfect = see("regression", {"test": seen.datasets["test"].frame}, Model(lambda f: f["target"], ("target",)))
    assert any("all alike" in note and "mean_absolute_error" in note for note in only(perfect).notes)


def test_a_hundred_thousand_rows_take_no_resampling_of_rows() -> None:
    random = np.random.default_rng(0)
    score = random.uniform(size=100_000)
    frame = pd.DataFrame({"x": score, "target": (random.uniform(size=100_000) < score).astype(int)})
    model = Model(lambda f: (f["x"] > 0.5).astype(int), ("x",), lambda f: np.column_stack([1 - f["x"], f["x"]]), (0, 1))
    found = only(see("binary_classification", {"test": frame}, model, positive_label=1))
    methods = {m.name: str(m.ci_method) for m in found.measures}
    drawn = {name for name, method in methods.items() if "resamples" in method or "draws" in method}
    assert drawn == {"balanced_accuracy_score", "f1_score", CALIBRATION_ERROR}  # all of them from counts
    assert not any("bootstrap" in method for method in methods.values())
    assert any(CALIBRATION_ERROR in note and "leans upward" in note for note in found.notes)
