"""Models of other libraries, each by a way in: xgboost by the decorator, its booster by assessment, lightgbm by autologging."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.bundle import Bundle
from aims_mlflow.store import Store

KEPT = ("performance", "fairness", "robustness", "lineage", "design")
EVERY = registry.checks()

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about type hints, integer columns and pickles
    "ignore::FutureWarning",
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)


@pytest.fixture(autouse=True)
def _few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "checks", lambda: {name: EVERY[name] for name in KEPT})


@pytest.fixture
def system(system: Any) -> Any:
    """The small system; few queries for the search."""
    return system.model_copy(update={"robustness": type(system.robustness)(queries=100)})


def measured(bundle: Bundle, flavour: str) -> None:
    """Assert that a bundle has performance, fairness, robustness and lineage of a model, and the manifest of its files."""
    assert bundle.complete
    assert bundle.model is not None
    assert bundle.model.flavour == flavour
    assert "MLmodel" in bundle.model.files
    by_check: dict[str, list[Any]] = {}
    for result in bundle.results:
        by_check.setdefault(result.check, []).append(result)
    assert by_check["performance"][0].measure("accuracy_score").value > 0.8
    assert set(by_check["fairness"][0].groups("selection_rate")) == {"a", "b"}
    noise = [r for r in by_check["robustness"] if r.scope.get("perturbation") == "numeric_noise" and "strength" in r.scope]
    assert noise
    assert all(r.problem is None and r.measure("accuracy_drop").ci_low is not None for r in noise)
    (lineage,) = by_check["lineage"]
    assert any("model" in edge[0] or "model" in edge[1] for edge in lineage.facts["edges"])


def test_an_xgboost_classifier_that_is_tracked(store: Store, system: Any, frames: Any, evidence: Any) -> None:
    from xgboost import XGBClassifier

    seen = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        seen.append(aims.active_run().run_id)
        return XGBClassifier(n_estimators=5, random_state=0).fit(train[["x", "z"]], train["y"])

    assert isinstance(train(frames.train, frames.test), XGBClassifier)
    bundle = evidence(store, seen[0])
    measured(bundle, "xgboost")
    assert "model.ubj" in bundle.model.files
    (design,) = [r for r in bundle.results if r.check == "design"]
    assert design.facts["algorithm"] == "xgboost.sklearn.XGBClassifier"


def test_an_xgboost_booster_behind_a_pyfunc_that_is_assessed(store: Store, system: Any, frames: Any) -> None:
    import mlflow
    import xgboost
    from mlflow.pyfunc import PythonModel

    from aims_mlflow.assessment import assess

    class Cut(PythonModel):
        """A booster gives probabilities: where to cut is the model's own to say."""

        def __init__(self, booster: Any) -> None:
            self.booster = booster

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - MLflow's form
            return (self.booster.predict(xgboost.DMatrix(model_input[["x", "z"]])) > 0.5).astype(int)

    booster = xgboost.train({"objective": "binary:logistic", "seed": 0}, xgboost.DMatrix(frames.train[["x", "z"]], frames.train["y"]), 5)
    with mlflow.start_run():
        uri = mlflow.pyfunc.log_model(name="model", python_model=Cut(booster), pip_requirements=["xgboost-cpu"]).model_uri
    bundle = assess(uri, {"test": frames.test, "train": frames.train}, system=system).bundle
    measured(bundle, "python_function")
    assert bundle.run.kind == "assessment"


def test_a_booster_alone_is_refused_for_its_probabilities_and_passes_nothing(store: Store, system: Any, frames: Any, evidence: Any) -> None:
    import xgboost

    seen = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        seen.append(aims.active_run().run_id)
        return xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(train[["x", "z"]], train["y"]), 5)

    train(frames.train, frames.test)
    bundle = evidence(store, seen[0])
    (performance,) = [r for r in bundle.results if r.check == "performance"]
    assert "probabilities instead of labels" in performance.problem.reason
    assert performance.measures == ()


@pytest.fixture
def autologged(system: Any) -> Iterator[None]:
    aims.autolog(system)
    yield
    aims.autolog(disable=True)


@pytest.mark.usefixtures("autologged")
def test_a_lightgbm_classifier_that_is_logged(store: Store, frames: Any, evidence: Any) -> None:
    import mlflow
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=5, random_state=0, verbose=-1).fit(frames.train[["x", "z"]], frames.train["y"])
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frames.train, targets="y"), context="train")
        mlflow.log_input(mlflow.data.from_pandas(frames.test, targets="y"), context="test")
        mlflow.lightgbm.log_model(model, name="model", pip_requirements=["lightgbm"])
    measured(evidence(store, run.info.run_id), "lightgbm")
