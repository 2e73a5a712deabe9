"""The evaluator ``aims`` of ``mlflow.models.evaluate``: by URI, loaded, as a function, and of predictions made elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns
    "ignore::FutureWarning",
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)


@pytest.fixture
def uri(store: Store, frames: Any) -> str:
    """A model that some run has logged, with a signature."""
    import mlflow
    from sklearn.linear_model import LogisticRegression

    features = frames.train[["x", "z"]]
    model = LogisticRegression().fit(features, frames.train["y"])
    with mlflow.start_run():
        signature = mlflow.models.infer_signature(features, model.predict(features))
        return str(mlflow.sklearn.log_model(model, name="model", pip_requirements=[], signature=signature).model_uri)


def evaluate(model: Any, frame: Any, system: Any, **config: Any) -> Any:
    import mlflow

    more = {"predictions": config.pop("predictions")} if "predictions" in config else {}
    return mlflow.models.evaluate(
        model, frame, targets="y", model_type="classifier", evaluators="aims", evaluator_config={"system": system, **config}, **more
    )


def bundle_of(result: Any) -> Any:
    return open_bundle(result.artifacts["aims_bundle"].content)[0]


@pytest.mark.parametrize("form", ["uri", "loaded", "version"])
def test_a_logged_model_is_assessed_as_it_is_logged(store: Store, system: Any, frames: Any, uri: str, form: str) -> None:
    import mlflow

    model: Any = uri
    if form == "loaded":
        model = mlflow.pyfunc.load_model(uri)
    elif form == "version":
        model = store.register(uri, "loans", run_id=store.model_run(uri)).uri
    result = evaluate(model, frames.test, system, train=frames.train)
    bundle = bundle_of(result)
    assert bundle.complete
    assert bundle.model.uri == uri
    assert bundle.run.kind == "assessment"
    assert {d.role: d.columns for d in bundle.datasets} == {"train": ("x", "z", "g", "y"), "test": ("x", "z", "g", "y")}
    assert set(bundle.model.files) == set(store.model_files(uri))


def test_the_result_has_metrics_that_thresholds_hold_for(store: Store, system: Any, frames: Any, uri: str) -> None:
    import mlflow
    from mlflow.models import MetricThreshold
    from mlflow.models.evaluation.validation import ModelValidationFailedException

    result = evaluate(uri, frames.test, system)
    (accuracy,) = [m for r in bundle_of(result).results if r.check == "performance" for m in r.measures if m.name == "accuracy_score"]
    assert result.metrics["aims.performance.accuracy_score"] == accuracy.value
    reached = MetricThreshold(threshold=accuracy.value, greater_is_better=True)
    mlflow.validate_evaluation_results({"aims.performance.accuracy_score": reached}, result)
    missed = MetricThreshold(threshold=accuracy.value + 1e-6, greater_is_better=True)
    with pytest.raises(ModelValidationFailedException):
        mlflow.validate_evaluation_results({"aims.performance.accuracy_score": missed}, result)


def test_the_result_can_be_saved_and_read_back(store: Store, system: Any, frames: Any, uri: str, tmp_path: Any) -> None:
    from mlflow.models import EvaluationResult

    result = evaluate(uri, frames.test, system)
    result.save(str(tmp_path / "saved"))
    again = EvaluationResult.load(str(tmp_path / "saved"))
    assert again.artifacts["aims_bundle"].content == result.artifacts["aims_bundle"].content
    assert again.metrics == result.metrics


def test_the_bundle_goes_into_the_active_run_and_a_second_one_into_a_child(store: Store, system: Any, frames: Any, uri: str) -> None:
    import mlflow

    with mlflow.start_run() as run:
        first = bundle_of(evaluate(uri, frames.test, system))
        second = bundle_of(evaluate(uri, frames.test, system, role="validation"))
    assert first.run.run_id == run.info.run_id
    assert second.run.run_id != run.info.run_id
    assert store.run(second.run.run_id).tags["mlflow.parentRunId"] == run.info.run_id
    assert [d.role for d in second.datasets] == ["validation"]
    assert {store.run(b.run.run_id).status for b in (first, second)} == {"FINISHED"}


def test_in_a_run_that_logs_for_itself_the_bundle_is_a_childs(store: Store, system: Any, frames: Any, uri: str, evidence: Any) -> None:
    import mlflow

    aims.autolog(system)
    try:
        with mlflow.start_run() as run:
            mlflow.log_input(mlflow.data.from_pandas(frames.train, targets="y"), context="train")
            inner = bundle_of(evaluate(uri, frames.test, system))
    finally:
        aims.autolog(disable=True)
    assert store.run(inner.run.run_id).tags["mlflow.parentRunId"] == run.info.run_id
    assert [d.role for d in evidence(store, run.info.run_id).datasets] == ["train"]


def test_a_model_that_the_run_has_logged_is_no_assessment(store: Store, system: Any, frames: Any) -> None:
    import mlflow
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(frames.train[["x", "z"]], frames.train["y"])
    with mlflow.start_run():
        uri = mlflow.sklearn.log_model(model, name="model", pip_requirements=[]).model_uri
        bundle = bundle_of(evaluate(uri, frames.test[["x", "z", "y"]], system, register="loans"))
    assert bundle.run.kind == "training"
    assert [v.run_id for v in store.versions("loans")] == [bundle.run.run_id]


def test_a_function_is_logged_and_measured(store: Store, system: Any, frames: Any) -> None:
    bundle = bundle_of(evaluate(lambda frame: (frame["x"] > 0).astype(int), frames.test, system))
    assert bundle.model.files
    (accuracy,) = [m.value for r in bundle.results if r.check == "performance" for m in r.measures if m.name == "accuracy_score"]
    assert accuracy == 1.0


def test_predictions_in_a_column_are_measured_without_a_model(store: Store, system: Any, frames: Any) -> None:
    said = frames.test.assign(said=(frames.test["x"] > 0).astype(int), score=frames.test["x"].rank(pct=True))
    bundle = bundle_of(evaluate(None, said, system, predictions="said", scores="score"))
    assert bundle.model is None
    assert bundle.datasets[0].columns == ("x", "z", "g", "y")
    (result,) = [r for r in bundle.results if r.check == "performance"]
    assert result.measure("accuracy_score").value == 1.0
    assert result.measure("roc_auc_score").value == 1.0


def test_the_target_goes_last_where_no_other_frame_says_where_it_stood(store: Store, system: Any, frames: Any, uri: str) -> None:
    moved = frames.test[["y", "x", "z", "g"]]
    assert bundle_of(evaluate(uri, moved, system)).datasets[0].columns == ("x", "z", "g", "y")
    together = bundle_of(evaluate(uri, moved, system, train=frames.train[["y", "x", "z", "g"]]))
    assert {d.columns for d in together.datasets} == {("y", "x", "z", "g")}


def test_a_regressor(store: Store, system: Any, frames: Any) -> None:
    import mlflow

    task = system.task.model_copy(update={"kind": "regression", "positive_label": None, "target": "z"})
    regression = system.model_copy(update={"task": task})
    result = mlflow.models.evaluate(
        lambda frame: frame["x"],
        frames.test,
        targets="z",
        model_type="regressor",
        evaluators="aims",
        evaluator_config={"system": regression},
    )
    assert "aims.performance.r2_score" in result.metrics


def test_nobody_who_did_not_ask_for_it_gets_it(system: Any) -> None:
    from mlflow.models.evaluation.base import resolve_evaluators_and_configs

    for config, wanted in (({}, False), ({"system": system}, True), ({"aims": {"system": system}}, True)):
        names = {one.name for one in resolve_evaluators_and_configs(None, config, "classifier")}
        assert ("aims" in names) is wanted
        assert names - {"aims"}


def test_asked_for_by_name_without_a_system_it_refuses(store: Store, frames: Any, uri: str) -> None:
    import mlflow

    with pytest.raises(ConfigurationError, match="which system") as caught:
        mlflow.models.evaluate(uri, frames.test, targets="y", model_type="classifier", evaluators="aims")
    assert "evaluator_config" in caught.value.fix


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ({"role": "tset"}, UnknownNameError, "tset"),
        ({"scores": "nowhere"}, UnknownNameError, "nowhere"),
        ({"system": "nowhere.yaml"}, ConfigurationError, "nowhere.yaml"),
    ],
    ids=["role", "scores", "system"],
)
def test_what_is_wrong_in_the_configuration_is_said(
    store: Store, system: Any, frames: Any, uri: str, config: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate(uri, frames.test, config.pop("system", system), **config)


def test_a_frame_under_a_name_that_is_no_role_is_refused(store: Store, system: Any, frames: Any, uri: str) -> None:
    with pytest.raises(UnknownNameError, match="trian"):
        evaluate(uri, frames.test, system, trian=frames.train)
    with pytest.raises(ConfigurationError, match="given twice"):
        evaluate(uri, frames.test, system, test=frames.train)


def test_a_model_type_that_is_not_the_systems_task_is_refused(store: Store, system: Any, frames: Any, uri: str) -> None:
    import mlflow

    with pytest.raises(ConfigurationError, match="the system file says binary_classification"):
        mlflow.models.evaluate(
            uri, frames.test, targets="y", model_type="regressor", evaluators="aims", evaluator_config={"system": system}
        )
