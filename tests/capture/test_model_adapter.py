"""Objects and URIs as models: which is one, which columns it takes, what it says."""

# ruff: noqa: ARG002 - models under test ignore what they are given

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from aims_mlflow.capture import model_adapter
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.system import System

Task = System.model_validate(
    {
        "version": 1,
        "system": {"id": "small"},
        "task": {"kind": "binary_classification", "target": "credit_risk", "positive_label": 1},
        "data": {"roles": {"test": "test"}, "sensitive": ("sex", "age_group")},
    }
)


class Predicts:
    def predict(self, frame: Any) -> Any:
        return frame["x"]


class Pair(NamedTuple):
    score: float
    model: Any


MODEL = Predicts()


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (MODEL, MODEL),
        (None, None),
        (0.5, None),
        ("done", None),
        ("models:/credit/7", "models:/credit/7"),
        ("runs:/abc/model", "runs:/abc/model"),
        ((0.5, "models:/m-1"), "models:/m-1"),
        (Pair(0.5, MODEL), MODEL),
        ({"report": "x", "model": MODEL}, MODEL),
        (Predicts, None),
        (SimpleNamespace(model_uri="models:/m-1"), None),
    ],
    ids=["object", "None", "number", "word", "version", "run", "tuple", "named tuple", "dict", "a class", "somebody else's model_uri"],
)
def test_the_model_in_what_was_returned(returned: Any, found: Any) -> None:
    assert model_adapter.find_model(returned) is found or model_adapter.find_model(returned) == found


def test_features_are_the_models_else_the_files_else_the_rest(fitted: Any) -> None:
    own = model_adapter.feature_columns(fitted.pipeline, Task, fitted.test)
    assert own == tuple(fitted.pipeline.feature_names_in_)
    declared = Task.model_copy(update={"data": Task.data.model_copy(update={"features": ("job", "housing")})})
    assert model_adapter.feature_columns(MODEL, declared, fitted.test) == ("job", "housing")
    rest = model_adapter.feature_columns(MODEL, Task, fitted.test)
    assert rest is not None
    assert not {"credit_risk", "sex", "age_group"} & set(rest)
    assert model_adapter.feature_columns(MODEL, Task, None) is None


def test_a_sklearn_model_answers_as_itself(fitted: Any) -> None:
    model = model_adapter.from_object(fitted.pipeline, Task, fitted.test)
    features = list(fitted.pipeline.feature_names_in_)
    assert (model.predict(fitted.test) == fitted.pipeline.predict(fitted.test[features])).all()
    assert model.predict_proba is not None
    assert (model.predict_proba(fitted.test) == fitted.pipeline.predict_proba(fitted.test[features])).all()
    assert model.classes == tuple(fitted.pipeline.classes_.tolist())
    assert model.flavour == "sklearn"


def test_a_model_fitted_on_an_array_is_asked_with_one(fitted: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    columns = ("duration_in_month", "age_in_years")
    declared = Task.model_copy(update={"data": Task.data.model_copy(update={"features": columns})})
    plain = LogisticRegression().fit(fitted.train[list(columns)].to_numpy(), fitted.train["credit_risk"])
    model = model_adapter.from_object(plain, declared, fitted.test)
    assert len(model.predict(fitted.test)) == len(fitted.test)  # sklearn would warn of names, and warnings are errors here


def test_columns_that_are_not_there_are_named(fitted: Any) -> None:
    model = model_adapter.from_object(fitted.pipeline, Task, fitted.test)
    with pytest.raises(CannotMeasure, match=r"2 of the model's .* housing, job"):
        model.predict(fitted.test.drop(columns=["job", "housing"]))


def test_the_frame_is_not_changed_by_a_model_that_writes_into_it(fitted: Any) -> None:
    class Careless:
        def predict(self, frame: Any) -> Any:
            frame["job"] = "x"
            return [1] * len(frame)

    before = fitted.test.copy(deep=True)
    model_adapter.from_object(Careless(), Task, fitted.test).predict(fitted.test)
    assert fitted.test.equals(before)


def test_models_are_the_same_if_they_say_the_same(fitted: Any) -> None:
    one = model_adapter.from_object(fitted.pipeline, Task, fitted.test)

    class Contrary:
        feature_names_in_ = fitted.pipeline.feature_names_in_

        def predict(self, frame: Any) -> Any:
            return 1 - fitted.pipeline.predict(frame)

    class Raises:
        def predict(self, frame: Any) -> Any:
            raise RuntimeError

    assert model_adapter.same(one, one, fitted.test)
    assert not model_adapter.same(one, model_adapter.from_object(Contrary(), Task, fitted.test), fitted.test)
    assert not model_adapter.same(one, model_adapter.from_object(Raises(), Task, fitted.test), fitted.test)
    assert not model_adapter.same(one, one, None)
    assert not model_adapter.same(one, one, fitted.test.head(0))
