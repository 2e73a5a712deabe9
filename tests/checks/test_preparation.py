"""The preparation check: steps as they stand in the model, and what they were fitted on."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from aims_mlflow.checks import preparation as module
from aims_mlflow.observation import FrameFacts, PreparationStep
from aims_mlflow.registry import get

NUMERIC = ["duration_in_month", "credit_amount", "age_in_years"]


def measured(seen: Any) -> Any:
    (found,) = get("preparation").run(seen)
    return found


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


def scaled(frame: Any) -> Any:
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression()).fit(frame[NUMERIC], frame["credit_risk"])


def test_the_steps_of_a_pipeline_fitted_on_the_train_data(seen_of: Any, fitted: Any) -> None:
    found = measured(seen_of(frames={"train": fitted.train, "test": fitted.test}, estimator=fitted.pipeline))
    assert values(found) == {
        "steps_recorded": 2,
        "steps_declared": 0,
        "steps_verified": 2,
        "steps_unverified": 0,
        "fitted_on_other_data": 0,
    }
    assert [step["name"] for step in found.facts["steps"]] == ["prepare__numeric", "prepare__categorical"]
    assert found.facts["steps"][0]["class"] == "sklearn.preprocessing.StandardScaler"
    assert found.facts["steps"][1]["settings"] == {"handle_unknown": "ignore"}
    assert "credit_amount" in found.facts["steps"][0]["columns"]
    assert found.problem is None
    assert found.notes == ()


@pytest.mark.parametrize(
    ("fitted_on", "different", "said"),
    [
        ("train", 0, None),
        ("train and validation", 0, "fitted on train and validation data together"),
        ("train and test", 2, "fitted on train and test data together"),
        ("test", 2, "fitted on other data than the train data"),
        ("half", 2, "or hand over the frame it was fitted on"),
    ],
)
def test_what_the_steps_were_fitted_on(seen_of: Any, german: Any, fitted_on: str, different: int, said: str | None) -> None:
    roles = {"train": german[:500], "validation": german[500:700], "test": german[700:]}
    known = {**roles, "half": german[:250]}
    model = scaled(pd.concat([known[role] for role in fitted_on.split(" and ")]))
    found = measured(seen_of(frames=roles, estimator=model))
    assert values(found)["fitted_on_other_data"] == different
    assert found.measure("fitted_on_other_data").n == 2
    assert found.facts["fitted_on_other_data"] == ["simpleimputer", "standardscaler"][: different or 0]
    assert said is None or any(said in note for note in found.notes)


def test_no_estimator_and_nothing_declared_records_no_step(seen_of: Any, german: Any) -> None:
    for estimator in (None, LogisticRegression().fit(german[NUMERIC], german["credit_risk"])):
        found = measured(seen_of(estimator=estimator))
        assert values(found)["steps_recorded"] == 0
        assert "run.preparation(" in found.notes[0]


def test_declared_steps_are_recorded_and_not_verified(seen_of: Any) -> None:
    found = measured(seen_of(preparation=("dropped rows without income", "logarithm of income")))
    assert values(found) == {
        "steps_recorded": 2,
        "steps_declared": 2,
        "steps_verified": 0,
        "steps_unverified": 2,
        "fitted_on_other_data": 0,
    }
    assert found.facts["declared"] == [{"words": "dropped rows without income"}, {"words": "logarithm of income"}]
    assert "cannot be verified" in found.notes[0]


@pytest.mark.parametrize("frames", [{"train": None}, {"train": pd.DataFrame({"a": []})}, {"train": pd.DataFrame({"a": [1]})}])
def test_where_nothing_could_be_verified_there_is_no_number(seen_of: Any, german: Any, frames: Any) -> None:
    found = measured(seen_of(frames=frames, estimator=scaled(german)))
    assert values(found) == {
        "steps_recorded": 2,
        "steps_declared": 0,
        "steps_verified": 0,
        "steps_unverified": 2,
        "fitted_on_other_data": None,
    }
    assert found.measure("fitted_on_other_data").n == 0
    assert "no step could be verified" in found.notes[0]


def test_a_pipeline_fitted_on_an_array_is_verified_by_the_declared_features(seen_of: Any, german: Any) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(german[:600][NUMERIC].to_numpy(), german[:600]["credit_risk"])
    seen = seen_of(frames={"train": german[:600]}, estimator=model, features=tuple(NUMERIC))
    assert values(measured(seen))["steps_verified"] == 1


@pytest.mark.parametrize(("fitted_rows", "expected"), [(600, (1, 0, 1)), (1000, (0, 1, 1)), (300, (0, 0, 2))])
def test_large_data_are_verified_by_the_number_of_rows(
    seen_of: Any, german: Any, monkeypatch: Any, fitted_rows: int, expected: Any
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 500)
    found = values(measured(seen_of(frames={"train": german[:600]}, estimator=scaled(german[:fitted_rows]))))
    told = (found["steps_verified"], found["fitted_on_other_data"], found["steps_unverified"])
    assert told == (expected[0], expected[1] if expected[0] or expected[1] else None, expected[2])


@pytest.mark.parametrize(("limit", "value"), [("MOST_ROWS_COSTLY", 100), ("SECONDS", -1.0)])
def test_what_would_take_too_long_is_not_verified(seen_of: Any, german: Any, monkeypatch: Any, limit: str, value: float) -> None:
    monkeypatch.setattr(module, limit, value)
    model = make_pipeline(KNNImputer(), LogisticRegression()).fit(german[:600][NUMERIC], german[:600]["credit_risk"])
    found = measured(seen_of(frames={"train": german[:600]}, estimator=model))
    assert values(found)["steps_unverified"] == 1
    assert any("too long" in note for note in found.notes)


def test_settings_that_hold_data_and_names_made_of_categories_are_not_written(seen_of: Any, german: Any) -> None:
    german["purpose"] = ["Zorglub", "Tromblon"] * 500
    columns = ColumnTransformer(
        [
            ("fill", SimpleImputer(strategy="constant", fill_value=48_151_623), NUMERIC),
            ("encode", OneHotEncoder(categories=[["Tromblon", "Zorglub"]], sparse_output=False), ["purpose"]),
        ]
    ).set_output(transform="pandas")
    model = Pipeline([("columns", columns), ("scale", StandardScaler()), ("model", LogisticRegression(max_iter=500))])
    model.fit(german[:600][[*NUMERIC, "purpose"]], german[:600]["credit_risk"])
    found = measured(seen_of(frames={"train": german[:600]}, estimator=model))
    assert values(found)["steps_verified"] == 3
    text = found.model_dump_json()
    assert "Zorglub" not in text
    assert "48151623" not in text
    assert found.facts["steps"][0]["settings"] == {"fill_value": "withheld", "strategy": "constant"}
    assert found.facts["steps"][2]["columns"] == "what an earlier step made"


def framed(name: str, rows: int = 10, columns: tuple[str, ...] = ("a", "b")) -> FrameFacts:
    return FrameFacts(rows, columns, name)


def test_rows_dropped_and_why_stand_in_the_record(seen_of: Any, german: Any) -> None:
    train = seen_of(frames={"train": german[:600]}).datasets["train"].fingerprint.sha256
    steps = (
        PreparationStep("drop rows without income", framed("a" * 64, 1000), framed("b" * 64, 900), dropped=120, added=20),
        PreparationStep("derive the age group", framed("b" * 64, 900), framed(train, 600, ("a", "c")), dropped=None, added=None),
        PreparationStep("scale by hand"),
    )
    found = measured(seen_of(frames={"train": german[:600]}, preparation=steps))
    assert {name: values(found)[name] for name in ("rows_dropped", "rows_added", "digest_gaps")} == {
        "rows_dropped": 120,
        "rows_added": 20,
        "digest_gaps": 0,
    }
    assert found.measure("digest_gaps").n == 2
    assert found.facts["reaches"] == ["train"]
    assert found.facts["declared"][0]["words"] == "drop rows without income"
    assert found.facts["declared"][0]["rows_dropped"] == 120
    assert found.facts["declared"][1]["columns_added"] == ["c"]
    assert found.facts["declared"][1]["columns_removed"] == ["b"]
    assert found.facts["declared"][2] == {"words": "scale by hand"}


def test_a_dropped_digest_is_a_gap(seen_of: Any) -> None:
    steps = (PreparationStep("clean", framed("a" * 64), framed("b" * 64)), PreparationStep("split", framed("c" * 64), framed("d" * 64)))
    found = measured(seen_of(preparation=steps))
    assert values(found)["digest_gaps"] == 2
    assert found.facts["digest_gaps"][0].startswith("step 2 begins with a frame")
    assert sum("a gap in the preparation" in note for note in found.notes) == 2


def test_words_alone_make_no_chain_and_no_number(seen_of: Any) -> None:
    found = values(measured(seen_of(preparation=("drop rows",))))
    assert not {"digest_gaps", "rows_dropped", "rows_added"} & set(found)


def test_an_encoder_that_saw_the_test_labels_is_caught(seen_of: Any, german: Any) -> None:
    def model(frame: Any) -> Any:
        columns = ColumnTransformer([("encode", TargetEncoder(), ["purpose", "housing"]), ("scale", StandardScaler(), NUMERIC)])
        return Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=500))]).fit(frame, frame["credit_risk"])

    frames = {"train": german[:600], "test": german[600:]}
    assert values(measured(seen_of(frames=frames, estimator=model(german[:600]))))["fitted_on_other_data"] == 0
    caught = measured(seen_of(frames=frames, estimator=model(german)))
    assert caught.facts["fitted_on_other_data"] == ["columns__encode", "columns__scale"]
    assert sum("fitted on train and test data together" in note for note in caught.notes) == 2


def test_neither_model_nor_frames_are_changed(seen_of: Any, fitted: Any) -> None:
    seen = seen_of(frames={"train": fitted.train, "test": fitted.test}, estimator=fitted.pipeline)
    before, said = fitted.train.copy(deep=True), fitted.pipeline.predict_proba(fitted.test)
    held = json.dumps(sorted(vars(fitted.pipeline.named_steps["prepare"])))
    measured(seen)
    pd.testing.assert_frame_equal(fitted.train, before)
    assert (fitted.pipeline.predict_proba(fitted.test) == said).all()
    assert json.dumps(sorted(vars(fitted.pipeline.named_steps["prepare"]))) == held
