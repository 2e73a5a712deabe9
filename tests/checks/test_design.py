"""The design check: which parts are recorded, whether the code is known, and that no value of the data is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from aims_mlflow.checks.design import design
from aims_mlflow.observation import Code


def undocumented(seen: Any) -> list[str]:
    return list(design(seen).facts["undocumented_fields"])


def test_everything_is_recorded(observe: Any) -> None:
    result = design(observe())
    assert {m.name: m.value for m in result.measures} == {"undocumented_fields": 0, "code_unknown": 0, "code_dirty": 0}
    assert result.facts["algorithm"] == "sklearn.pipeline.Pipeline > sklearn.linear_model.LogisticRegression"
    assert result.facts["signature"] == {"age": "int64", "income": "double"}
    assert result.facts["parameters"]["model__solver"] == "lbfgs"
    assert [s.kind for s in result.subjects] == ["model", "model", "code"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"model": None}, ["algorithm", "flavour", "parameters", "features", "signature", "seed"]),
        ({"model": {"estimator": None}}, ["algorithm", "parameters", "seed"]),
        ({"model": {"flavour": ""}}, ["flavour"]),
        ({"model": {"features": None}}, ["features", "signature"]),
        ({"model": {"features": ("age", "height")}}, ["signature"]),
        ({"run": {"packages": {}}}, ["packages"]),
        ({"run": {"hardware": {}}}, ["hardware"]),
        ({"roles": ()}, ["signature"]),
    ],
)
def test_what_is_missing_is_named(observe: Any, change: dict[str, Any], names: list[str]) -> None:
    assert undocumented(observe(**change)) == names


def test_the_run_can_say_what_a_uri_cannot(observe: Any) -> None:
    seen = observe(
        model={"estimator": None}, run={"params": {"algorithm": "xgboost.XGBClassifier", "eta": "0.1"}, "seeds": {"argument.seed": "7"}}
    )
    result = design(seen)
    assert result.facts["undocumented_fields"] == []
    assert result.facts["algorithm"] == "xgboost.XGBClassifier"


@pytest.mark.parametrize(
    ("estimator", "seeds", "known"),
    [
        (LogisticRegression(), {}, True),  # lbfgs draws nothing
        (LogisticRegression(solver="saga"), {}, False),
        (LogisticRegression(solver="saga", random_state=0), {}, True),
        (GaussianNB(), {}, True),
        (RandomForestClassifier(), {}, False),
        (RandomForestClassifier(random_state=3), {"estimator.random_state": "3"}, True),
        (RandomForestClassifier(random_state=np.random.RandomState(3)), {}, False),  # its state is not known any more
        (RandomForestClassifier(), {"argument.seed": "3"}, True),
        (RandomForestClassifier(), {"PYTHONHASHSEED": "0"}, False),
        (
            Pipeline([("a", RandomForestClassifier(random_state=1)), ("b", RandomForestClassifier())]),
            {"estimator.a__random_state": "1"},
            False,
        ),
        (object(), {}, False),
        (object(), {"random_state": "1"}, True),
    ],
)
def test_the_seed_is_known_or_not_needed(observe: Any, estimator: Any, seeds: dict[str, str], known: bool) -> None:
    assert ("seed" not in undocumented(observe(model={"estimator": estimator}, run={"seeds": seeds}))) is known


@pytest.mark.parametrize(
    ("code", "unknown", "dirty"),
    [
        (Code("git", "c0ffee", False), 0, 0),
        (Code("git", "c0ffee", True), 0, 1),
        (Code("git", "c0ffee", None), 0, None),
        (Code("git", "", False), 1, None),
        (Code("distribution", "credit==1.0"), 0, 0),
        (Code("distribution", "credit==1.0", True), 0, 1),
        (Code("unknown", source_sha256="e" * 64), 1, None),
    ],
)
def test_code_is_known_and_clean(observe: Any, code: Code, unknown: int, dirty: int | None) -> None:
    result = design(observe(run={"code": code}))
    assert result.measure("code_unknown").value == unknown
    assert result.measure("code_dirty").value == dirty
    if dirty is None:
        assert result.notes


def test_no_value_of_the_data_is_written(observe: Any) -> None:
    canaries = ["Zanzibar", "918273645", "1907-04-05"]
    steps = ColumnTransformer(
        [
            ("encode", OneHotEncoder(categories=[["Zanzibar", "other"]]), ["age"]),
            ("fill", SimpleImputer(strategy="constant", fill_value=918273645), ["income"]),
            ("text", SimpleImputer(strategy="constant", fill_value="Zanzibar"), ["income"]),
        ]
    )
    model = Pipeline([("prepare", steps), ("model", LogisticRegression(class_weight={918273645: 2}))])
    params = {"country": "Zanzibar", "since": "1907-04-05", "fill_value": "918273645", "solver": "lbfgs", "C": "1.5"}
    written = design(observe(model={"estimator": model}, run={"params": params})).model_dump_json()
    assert not [canary for canary in canaries if canary in written]
    assert '"run:solver":"lbfgs"' in written
    assert '"run:C":"1.5"' in written
    assert '"run:country":"withheld"' in written


def test_a_pickle_is_said(observe: Any) -> None:
    assert any("pickle" in note for note in design(observe(model={"serialization": "cloudpickle"})).notes)


class Refuses:
    """An estimator whose get_params raises."""

    def get_params(self) -> dict[str, Any]:
        raise RuntimeError("not today")


def test_an_estimator_that_does_not_tell_is_undocumented(observe: Any) -> None:
    assert undocumented(observe(model={"estimator": Refuses()})) == ["parameters", "seed"]


def test_code_that_no_record_names_is_missing_in_an_assessment_and_no_failure(observe: Any) -> None:
    documented, code = design(observe(run={"kind": "assessment", "recorded_by": "r0", "code": Code("unknown")}))
    assert [m.name for m in documented.measures] == ["undocumented_fields"]
    assert {m.name: m.value for m in code.measures} == {"code_unknown": None, "code_dirty": None}
    assert code.problem.state == "missing"
    assert "as recorded by run r0" in " ".join(documented.notes)


def test_code_that_is_recorded_and_clean_is_known_in_an_assessment(observe: Any) -> None:
    result = design(observe(run={"kind": "assessment", "recorded_by": "r0"}))
    assert {m.name: m.value for m in result.measures} == {"undocumented_fields": 0, "code_unknown": 0, "code_dirty": 0}
