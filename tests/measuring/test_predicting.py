from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.measuring.predicting import favourable_code, feature_frame, predict_on, truth
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System

CANARY = "canary-4711"


def see(frame: Any, predict: Any = None, *, proba: Any = None, classes: Any = (), features: Any = None, **more: Any) -> Observation:
    task = {"kind": more.pop("kind", "binary_classification"), "target": "y", **more.pop("task", {})}
    if task["kind"] == "binary_classification":
        task.setdefault("positive_label", 1)
    data = {"roles": {"test": "test"}, "sensitive": ["sex"], **more.pop("data", {})}
    system = System.model_validate({"version": 1, "system": {"id": "s"}, "task": task, "data": data})
    frames = {"test": frame, **more.pop("frames", {})}
    datasets = {role: Dataset(role, f, Fingerprint("0" * 64, "none", len(f), ())) for role, f in frames.items()}
    model = None if predict is None else Model(predict, features, proba, tuple(classes))
    return Observation(system, datasets, RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), model, more.pop("given", {}))


def table(labels: Any, **columns: Any) -> pd.DataFrame:
    n = len(labels)
    return pd.DataFrame({"x": np.arange(n, dtype=float), "z": 1, "sex": ["f", "m"] * (n // 2) + ["f"] * (n % 2), **columns, "y": labels})


def says(answer: Any) -> Any:
    return lambda _: answer


CODINGS: list[tuple[Any, Any, Any]] = [
    ([0, 1, 1, 0], 1, [0, 1, 0, 0]),
    ([0, 1, 1, 0], True, np.array([False, True, False, False])),
    ([False, True, True, False], 1, [0.0, 1.0, 0.0, 0.0]),
    ([2, 1, 1, 2], 1, [2, 1, 2, 2]),
    ([2.0, 1.0, 1.0, 2.0], 1, np.array([2, 1, 2, 2], dtype=np.int8)),
    (["no", "yes", "yes", "no"], "yes", ["no", "yes", "no", "no"]),
    (["no", "yes", "yes", "no"], "yes", pd.Categorical(["no", "yes", "no", "no"])),
    (["1", "2", "2", "1"], "2", np.array(["1", "2", "1", "1"])),
    (pd.array([0, 1, 1, 0], dtype="Int64"), 1.0, pd.Series([0, 1, 0, 0], dtype="boolean")),
]


@pytest.mark.parametrize(("labels", "positive", "answers"), CODINGS)
def test_binary_labels_become_0_and_1(labels: Any, positive: Any, answers: Any) -> None:
    found = predict_on(see(table(labels), says(answers), task={"positive_label": positive}), "test")
    assert found.y_true.tolist() == [0, 1, 1, 0]
    assert found.y_pred.tolist() == [0, 1, 0, 0]
    assert found.score is None


SHAPES: list[Any] = [
    [1, 0, 0, 1],
    (1, 0, 0, 1),
    np.array([[1], [0], [0], [1]]),
    pd.Series([1, 0, 0, 1], index=[9, 8, 7, 6]),
    pd.DataFrame({"prediction": [1, 0, 0, 1]}),
    pd.Index([1, 0, 0, 1]),
    pd.Series([0, 0, 1, 1], index=[1, 2, 0, 3]),
]


@pytest.mark.parametrize("answers", SHAPES)
def test_every_shape_of_an_answer_is_understood_in_row_order(answers: Any) -> None:
    frame = table([1, 0, 0, 1]).set_axis([5, 3, 2, 7])
    assert predict_on(see(frame, says(answers)), "test").y_pred.tolist() == [1, 0, 0, 1]


def test_positions_count_where_the_frame_was_shuffled() -> None:
    frame = table([1, 0, 0, 1]).set_axis([3, 1, 0, 2])
    found = predict_on(see(frame, lambda f: pd.Series((f["x"] > 1).astype(int).to_numpy())), "test")
    assert found.y_pred.tolist() == [0, 0, 1, 1]
    named = pd.Series([1, 0, 1, 0], index=[3, 0, 2, 1])
    assert predict_on(see(frame, given={"test": named}), "test").y_pred.tolist() == [1, 0, 0, 1]


BAD: dict[str, tuple[Observation, str]] = {
    "zero rows": (see(table([]), says([])), "zero rows"),
    "no data": (see(table([0, 1]), says([0, 1]), frames={}), "no train data"),
    "target absent": (see(table([0, 1]).drop(columns="y"), says([0, 1])), "'y' is not in the data"),
    "target missing values": (see(table([0.0, 1.0, None]), says([0, 1, 1])), "1 missing values"),
    "target all NaN": (see(table([np.nan, np.nan]), says([0, 1])), "2 missing values"),
    "three labels": (see(table([0, 1, 7]), says([0, 1, 1])), "3 labels"),
    "positive label absent": (see(table([0, 2]), says([0, 2])), "positive label is not in the data"),
    "positive label is text": (
        see(table([0, 1]), says([0, 1]), task={"positive_label": "1"}),
        "declared as text, the labels in the data are numbers",
    ),
    "positive label is a number": (see(table(["0", "1"]), says(["0", "1"])), "declared as numbers, the labels in the data are text"),
    "labels of two types": (see(table(pd.Series([1, "1"], dtype=object)), says([1, 1])), "not all text"),
    "labels are lists": (see(table(pd.Series([[1], [2]], dtype=object)), says([1, 1])), "not single values"),
    "duplicate columns": (see(table([0, 1]).set_axis(["x", "x", "sex", "y"], axis=1), says([0, 1])), "duplicate column names"),
    "names that are not text": (see(table([0, 1]).set_axis([0, 1, "sex", "y"], axis=1), says([0, 1])), "not strings"),
    "a frame that is none": (see([1, 2], says([0, 1])), "not a pandas DataFrame"),
    "features missing": (see(table([0, 1]), says([0, 1]), features=("x", "age", "job")), "2 of the 3 columns that the model reads"),
    "declared features missing": (see(table([0, 1]), says([0, 1]), data={"features": ["nope"]}), "nope"),
    "no features": (see(table([0, 1])[["y", "sex"]], says([0, 1])), "no feature column"),
    "no model": (see(table([0, 1])), "no model"),
    "wrong length": (see(table([0, 1]), says([1])), "1 predictions for 2 rows"),
    "two columns": (see(table([0, 1]), says(np.zeros((2, 2)))), "2 dimensions"),
    "two columns in a frame": (see(table([0, 1]), says(pd.DataFrame({"a": [0, 1], "b": [0, 1]}))), "2 dimensions"),
    "a single number": (see(table([0, 1]), says(1)), "0 dimensions"),
    "None": (see(table([0, 1]), says(None)), "0 dimensions"),
    "a mapping": (see(table([0, 1]), says({"predictions": [0, 1]})), "0 dimensions"),
    "NaN answers": (see(table([0, 1]), says([0, np.nan])), "1 of 2 predictions are missing"),
    "None answers": (see(table(["a", "b"]), says(["a", None]), task={"positive_label": "a"}), "1 of 2 predictions are missing"),
    "other labels": (see(table([0, 1]), says([0, 5])), "1 of 2 predictions are labels that the target does not have"),
    "answers as text": (see(table([0, 1]), says(["0", "1"])), "predictions are text, the target's labels are numbers"),
    "labels 0/1 for 1/2": (see(table([1, 2]), says([0, 1]), classes=(0, 1)), "labels that the target does not have"),
    "probabilities": (see(table([0, 1]), says([0.2, 0.9])), "looks like probabilities"),
    "probabilities for text": (see(table(["a", "b"]), says([0.2, 0.9]), task={"positive_label": "a"}), "looks like probabilities"),
    "classes unknown": (see(table([0, 1]), says([0, 1]), proba=says(np.full((2, 2), 0.5))), "0 classes"),
    "classes of another spelling": (
        see(table([0, 1]), says([0, 1]), proba=says(np.full((2, 2), 0.5)), classes=("a", "b")),
        "positive label",
    ),
    "NaN scores": (see(table([0, 1]), says([0, 1]), proba=says(np.full((2, 2), np.nan)), classes=(0, 1)), "2 scores are missing"),
    "scores too few": (see(table([0, 1]), says([0, 1]), proba=says(np.full((1, 2), 0.5)), classes=(0, 1)), "1 predictions for 2 rows"),
    "scores that do not sum to one": (
        see(table([0, 1]), says([0, 1]), proba=says([[0.2, 0.4], [0.5, 0.5]]), classes=(0, 1)),
        "probabilities of 1 of 2 rows do not sum to 1",
    ),
    "a class twice": (see(table([0, 1]), says([0, 1]), proba=says(np.full((2, 2), 0.5)), classes=(1, 1)), "which is the positive"),
    "scores of uneven length": (see(table([0, 1]), says([0, 1]), proba=says([[1], [0, 1]]), classes=(0, 1)), "probabilities are no array"),
    "complex scores": (see(table([0, 1]), says([0, 1]), proba=says(np.full((2, 2), 0.5j)), classes=(0, 1)), "not numbers"),
    "numbers written as text": (see(table([0, 1]), says([0, 1]), proba=says(np.full((2, 2), "0.5")), classes=(0, 1)), "not numbers"),
    "answers of uneven length": (see(table([0, 1]), says([[0], [0, 1]])), "predictions are no array"),
    "complex answers": (see(table([0, 1]), says([0j, 1j])), "labels that the target does not have"),
    "scores as text": (see(table([0, 1]), says([0, 1]), proba=says(np.array([["a", "b"]] * 2)), classes=(0, 1)), "not numbers"),
    "regression on text": (see(table(["1", "2"]), says([1, 2]), kind="regression"), "not numeric"),
    "regression infinite": (see(table([1.0, np.inf]), says([1, 2]), kind="regression"), "1 of 2 values are missing or infinite"),
    "regression answers NaN": (see(table([1.0, 2.0]), says([1, np.nan]), kind="regression"), "missing or infinite"),
    "regression answers text": (see(table([1.0, 2.0]), says(["1", "2"]), kind="regression"), "not numbers"),
    "regression answers complex": (see(table([1.0, 2.0]), says([1j, 2]), kind="regression"), "not numbers"),
    "regression on numbers without a square": (see(table([1.0, 1e200]), says([1, 2]), kind="regression"), "so large"),
    "regression answers without a square": (see(table([1.0, 2.0]), says([1e200, 2]), kind="regression"), "so large"),
    "given: strange keys": (see(table([0, 1]), given={"test": {"y_hat": [0, 1]}}), "other keys"),
    "given: too few": (see(table([0, 1]), given={"test": [1]}), "1 predictions for 2 rows"),
    "multiclass scores without classes": (
        see(table(["a", "b", "c"]), given={"test": (["a", "b", "c"], np.eye(3))}, kind="multiclass_classification"),
        "0 classes",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_said_with_the_fix(case: str) -> None:
    seen, words = BAD[case]
    with pytest.raises(CannotMeasure, match=words) as raised:
        predict_on(seen, "train" if case == "no data" else "test")
    assert raised.value.fix
    assert raised.value.state == ("missing" if case in ("no data", "no model") else "error")


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, ZeroDivisionError])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_what_a_model_raises_is_named_by_its_type_only(error: type[Exception], method: str) -> None:
    def fails(_: Any) -> Any:
        raise error(CANARY)

    seen = see(table([0, 1]), fails) if method == "predict" else see(table([0, 1]), says([0, 1]), proba=fails)
    with pytest.raises(CannotMeasure, match=f"{method} raised {error.__name__}") as raised:
        predict_on(seen, "test")
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize("labels", [[CANARY, "b", "c"], [CANARY, "b"], [4711, 4712]])
def test_no_message_quotes_a_label(labels: list[Any]) -> None:
    with pytest.raises(CannotMeasure) as raised:
        predict_on(see(table(labels), says(labels), task={"positive_label": 1}), "test")
    assert "4711" not in str(raised.value)


def test_the_positive_column_of_the_scores_is_picked_by_the_classes() -> None:
    scores = np.array([[0.9, 0.1], [0.3, 0.7]])
    for classes, wanted in (((1, 2), [0.9, 0.3]), ((2, 1), [0.1, 0.7])):
        found = predict_on(see(table([1, 2]), says([1, 2]), proba=says(scores), classes=classes), "test")
        assert found.score is not None
        assert found.score.tolist() == wanted


def test_given_predictions_come_before_the_model() -> None:
    frame = table([0, 1, 1])
    for given in ([0, 1, 0], {"labels": [0, 1, 0]}):
        found = predict_on(see(frame, says([1, 1, 1]), given={"test": given}), "test")
        assert found.y_pred.tolist() == [0, 1, 0]
    for given in (([0, 1, 0], [0.1, 0.8, 0.4]), {"labels": [0, 1, 0], "score": [0.1, 0.8, 0.4]}):
        found = predict_on(see(frame, given={"test": given}), "test")
        assert found.score is not None
        assert found.score.tolist() == [0.1, 0.8, 0.4]


def test_the_model_reads_its_own_columns_else_the_declared_else_all_but_target_and_sensitive() -> None:
    frame = table([0, 1])
    assert list(feature_frame(see(frame, says([0, 1]), features=("sex", "x")), "test")) == ["sex", "x"]
    assert list(feature_frame(see(frame, says([0, 1]), data={"features": ["z"]}), "test")) == ["z"]
    assert list(feature_frame(see(frame, says([0, 1])), "test")) == ["x", "z"]


def test_a_model_that_changes_its_input_changes_a_copy() -> None:
    def vandal(frame: pd.DataFrame) -> Any:
        frame["x"] = 99
        frame.loc[:, "z"] = -1
        return [0, 1]

    frame = table([0, 1])
    before = frame.copy(deep=True)
    predict_on(see(frame, vandal), "test")
    pd.testing.assert_frame_equal(frame, before)


def test_labels_known_elsewhere_count() -> None:
    small, whole = table([1, 1]), table([0, 1])
    assert predict_on(see(small, says([0, 1]), classes=(0, 1)), "test").y_pred.tolist() == [0, 1]
    assert predict_on(see(small, says([0, 1]), frames={"train": whole}), "test").y_pred.tolist() == [0, 1]
    with pytest.raises(CannotMeasure, match="does not have"):
        predict_on(see(small, says([0, 1])), "test")


def test_multiclass_labels_stand_as_in_the_data() -> None:
    scores = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]])
    seen = see(table(["c", "a", "b"]), says(["c", "a", "a"]), proba=says(scores), classes=("b", "a", "c"), kind="multiclass_classification")
    found = predict_on(seen, "test")
    assert found.y_true.tolist() == ["c", "a", "b"]
    assert found.y_pred.tolist() == ["c", "a", "a"]
    assert found.classes == ("a", "b", "c")
    assert found.score is not None
    assert found.score[0].tolist() == [0.3, 0.2, 0.5]


def test_the_favourable_outcome_is_looked_up() -> None:
    frame = table(["good", "bad"])
    task = {"positive_label": "bad"}
    assert favourable_code(see(frame, task=task), "test") == 1
    assert favourable_code(see(frame, task={**task, "favourable_label": "good"}), "test") == 0
    with pytest.raises(CannotMeasure, match="none of the target's labels"):
        favourable_code(see(frame, task={**task, "favourable_label": "Good"}), "test")


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # MLflow about its own classes, when it is imported
def test_the_german_pipeline_and_an_mlflow_pyfunc_say_the_same(fitted: Any, tmp_path: Any) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn

    mlflow.sklearn.save_model(fitted.pipeline, str(tmp_path / "m"), serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    features = tuple(fitted.pipeline.feature_names_in_)
    frame = fitted.test.rename(columns={"credit_risk": "y"})
    own = predict_on(
        see(frame, fitted.pipeline.predict, proba=fitted.pipeline.predict_proba, classes=fitted.pipeline.classes_, features=features),
        "test",
    )
    other = predict_on(see(frame, loaded.predict, features=features), "test")
    assert own.y_pred.tolist() == other.y_pred.tolist() == (fitted.pipeline.predict(fitted.test) == 1).astype(int).tolist()
    assert own.y_true.tolist() == (fitted.test["credit_risk"] == 1).astype(int).tolist()
    assert truth(see(frame, says(None)), "test")[1] is not None
