"""The leakage check: planted leaks of each kind are counted, honest data give none, and nothing passes that was not looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.judging import judge
from aims_mlflow.registry import get

PAIR = {"datasets": "train,test"}
SINGLE = {"dataset": "test", "reference": "train"}


def results(seen: Any) -> list[Any]:
    return list(get("leakage").run(seen))


def at(seen: Any, **scope: str) -> Any:
    (found,) = [result for result in results(seen) if result.scope == scope]
    return found


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


def judged(seen: Any) -> dict[str, str]:
    evidence = judge(seen.system, results(seen), run_id="r", started=seen.run.started, now=datetime(2026, 3, 2, tzinfo=UTC))
    return {one.requirement: str(one.state) for one in evidence if one.check == "leakage" and one.kind == "declared"}


# --- near duplicates ----------------------------------------------------------------------------------------------------


def test_a_clean_split_has_none(seen_of: Any, german: Any) -> None:
    found = at(seen_of(frames={"train": german[:600], "test": german[600:]}), **PAIR)
    assert values(found) | {"near_duplicate_share_within": 0} == {
        "near_duplicate_rows": 0,
        "near_duplicate_share": 0,
        "edited_rows": 0,
        "noisy_rows": 0,
        "near_duplicate_share_within": 0,
        "conflicting_label_rows": 0,
    }
    assert found.coverage.left_out == ()
    assert found.notes == ()


def test_near_copies_are_counted_and_exact_ones_are_not(seen_of: Any, german: Any) -> None:
    train, test = german[:600], german[600:]
    edited = train[:5].assign(age_in_years=lambda f: f["age_in_years"] + 1)
    flipped = train[10:13].assign(credit_risk=lambda f: 3 - f["credit_risk"])
    seen = seen_of(frames={"train": train, "test": pd.concat([test, edited, flipped, train[20:22]])})
    found = at(seen, **PAIR)
    assert values(found)["near_duplicate_rows"] == 8
    assert values(found)["conflicting_label_rows"] == 3
    assert found.measure("near_duplicate_share").n == 410
    assert found.measure("near_duplicate_share").count == 8
    assert "8 rows of the test data are nearly a row of the train data" in found.notes[0]


def test_every_pair_that_is_asked_for_is_looked_at(seen_of: Any, german: Any) -> None:
    asked = {"check": "leakage", "metric": "near_duplicate_rows", "datasets": ["train", "validation"], "max": 0}
    seen = seen_of(frames={"train": german[:600], "validation": german[:50].assign(duration_in_month=99)}, requirements=(asked,))
    assert at(seen, datasets="train,validation").measure("near_duplicate_rows").value == 50
    assert judged(seen) == {"leakage.near_duplicate_rows[datasets=train,validation]": "fail"}


@pytest.mark.parametrize(
    ("frames", "state", "said"),
    [
        pytest.param({"test": None}, "missing", "no test data", id="none"),
        pytest.param({"test": pd.DataFrame({"a": []})}, "error", "zero rows", id="no rows"),
        pytest.param({"test": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "error", "duplicate column names", id="twice"),
        pytest.param({"test": pd.DataFrame({"a": [1]})}, "error", "different columns", id="other columns"),
        pytest.param({"test": pd.DataFrame({"a": [1]}), "train": pd.DataFrame({"a": [1]})}, "error", "too few", id="one column"),
    ],
)
def test_what_cannot_be_compared_is_a_problem(seen_of: Any, frames: Any, state: str, said: str) -> None:
    found = at(seen_of(frames=frames), **PAIR)
    assert found.problem.state == state
    assert said in found.problem.reason
    assert found.problem.fix
    assert found.measures == ()


def test_a_dataset_is_not_compared_with_itself(seen_of: Any) -> None:
    asked = {"check": "leakage", "metric": "near_duplicate_rows", "datasets": ["train", "train"], "max": 0}
    assert at(seen_of(requirements=(asked,)), datasets="train,train").problem.state == "error"


# --- single features ----------------------------------------------------------------------------------------------------


def test_honest_features_do_not_leak(seen_of: Any) -> None:
    found = at(seen_of(), **SINGLE)
    assert values(found) == {"leaking_features": 0, "features_scored": 20}
    assert found.measure("leaking_features").exact
    assert found.facts["rows"] == {"train": 600, "test": 400, "seed": 0}
    assert found.coverage.left_out == ()


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda y: y, id="a copy"),
        pytest.param(lambda y: 100 - 7 * y, id="a shifted copy"),
        pytest.param(lambda y: y.map({1: "paid", 2: "lost"}), id="the outcome in words"),
        pytest.param(lambda y: y.where(y == 2), id="known only after a loss"),
    ],
)
def test_a_feature_that_gives_the_target_away_is_named(seen_of: Any, german: Any, leak: Any) -> None:
    german["later"] = leak(german["credit_risk"])
    german["key"] = [f"case-{at}" for at in range(1000)]
    german["number"] = range(1000)
    seen = seen_of(frames={"train": german[:600], "test": german[600:]})
    found = at(seen, **SINGLE)
    assert values(found) == {"leaking_features": 1, "features_scored": 23}
    assert found.facts["leaking_features"] == ["later"]
    assert at(seen, **SINGLE, column="later").measure("single_feature_score").value >= 0.99
    assert "later alone predicts the target" in found.notes[0]


def test_only_features_of_the_model_count(seen_of: Any, german: Any) -> None:
    german["later"] = german["credit_risk"]
    frames = {"train": german[:600], "test": german[600:]}
    declared = seen_of(frames=frames, data={"features": ["age_in_years", "purpose"]})
    assert values(at(declared, **SINGLE)) == {"leaking_features": 0, "features_scored": 2}
    sensitive = seen_of(frames=frames, data={"sensitive": ["later"]})
    assert values(at(sensitive, **SINGLE))["leaking_features"] == 0


def test_a_feature_that_is_asked_about_is_scored_by_name(seen_of: Any) -> None:
    asked = {"check": "leakage", "metric": "single_feature_score", "column": "age_in_years", "max": 0.9}
    score = at(seen_of(requirements=(asked,)), **SINGLE, column="age_in_years").measure("single_feature_score")
    assert 0.4 < score.value < 0.7
    assert score.n == 400


def test_a_feature_that_is_not_there_or_holds_lists_is_left_out_in_the_open(seen_of: Any, german: Any) -> None:
    german["nested"] = [[1]] * 1000
    seen = seen_of(frames={"train": german[:600], "test": german[600:]}, data={"features": ["age_in_years", "nested", "absent"]})
    assert at(seen, **SINGLE).coverage.left_out == ("nested", "absent")


@pytest.mark.parametrize(
    ("task", "target", "leaks"),
    [
        pytest.param(
            {"kind": "regression", "positive_label": None}, lambda f: f["credit_amount"] * 1.1, ["credit_amount"], id="regression"
        ),
        pytest.param(
            {"kind": "multiclass_classification", "positive_label": None}, lambda f: f["housing"], ["housing"], id="three classes"
        ),
    ],
)
def test_other_tasks(seen_of: Any, german: Any, task: Any, target: Any, leaks: list[str]) -> None:
    german["credit_risk"] = target(german)
    found = at(seen_of(frames={"train": german[:600], "test": german[600:]}, task=task), **SINGLE)
    assert found.facts["leaking_features"] == leaks


@pytest.mark.parametrize("rows", [12, 20])
def test_too_few_rows_decide_nothing(seen_of: Any, german: Any, rows: int) -> None:
    asked = {"check": "leakage", "metric": "leaking_features", "max": 0}
    seen = seen_of(frames={"train": german[:600], "test": german[600 : 600 + rows]}, requirements=(asked,))
    measure = at(seen, **SINGLE).measure("leaking_features")
    assert (measure.ci_low, measure.ci_high) == (0, 20)
    assert judged(seen) == {"leakage.leaking_features": "inconclusive"}


@pytest.mark.parametrize(
    ("frames", "state", "said"),
    [
        pytest.param(lambda f: f.drop(columns="credit_risk"), "error", "target", id="no target"),
        pytest.param(lambda f: f.assign(credit_risk=np.nan), "error", "missing", id="no labels"),
        pytest.param(lambda f: f.assign(credit_risk=1), "error", "", id="one label"),
        pytest.param(lambda f: f[:0], "error", "zero rows", id="no rows"),
    ],
)
def test_a_target_that_cannot_be_used_is_a_problem_or_undecided(seen_of: Any, german: Any, frames: Any, state: str, said: str) -> None:
    found = at(seen_of(frames={"train": german[:600], "test": frames(german[600:])}), **SINGLE)
    if found.problem is None:
        assert not found.measure("leaking_features").exact
    else:
        assert found.problem.state == state
        assert said in found.problem.reason


# --- the order of time --------------------------------------------------------------------------------------------------


def dated(german: Any) -> Any:
    return german.assign(when=pd.date_range("2020-01-01", periods=1000, freq="D"))


def test_time_is_looked_at_only_where_it_is_declared(seen_of: Any, german: Any) -> None:
    frames = {"train": dated(german)[:600], "test": dated(german)[600:]}
    assert not any("column" in result.scope for result in results(seen_of(frames=frames)))
    found = at(seen_of(frames=frames, data={"time": "when"}), **PAIR, column="when")
    assert values(found) == {"out_of_order_rows": 0, "out_of_order_share": 0, "tied_rows": 0, "early_rows": 0}


def test_rows_out_of_order_are_counted_and_ties_named(seen_of: Any, german: Any) -> None:
    frame = dated(german)
    frames = {"train": frame[:600], "validation": frame[599:700], "test": frame[590:]}
    seen = seen_of(frames=frames, data={"time": "when"})
    assert values(at(seen, **PAIR, column="when")) == {
        "out_of_order_rows": 10,
        "out_of_order_share": 10 / 410,
        "tied_rows": 1,
        "early_rows": 10,
    }
    assert values(at(seen, datasets="train,validation", column="when"))["tied_rows"] == 1
    assert "10 of 410 rows of the test data are not later" in at(seen, **PAIR, column="when").notes[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda f: f.drop(columns="when"), "not in the test data", id="absent"),
        pytest.param(lambda f: f.assign(when=pd.NaT), "have no time", id="missing"),
        pytest.param(lambda f: f.assign(when="soon"), "cannot be read", id="words"),
        pytest.param(lambda f: f.assign(when=f["when"].dt.tz_localize("UTC")), "of two kinds", id="zone"),
    ],
)
def test_times_that_cannot_be_compared_are_errors(seen_of: Any, german: Any, change: Any, said: str) -> None:
    frame = dated(german)
    seen = seen_of(frames={"train": frame[:600], "test": change(frame[600:])}, data={"time": "when"})
    found = at(seen, **PAIR, column="when")
    assert found.problem.state == "error"
    assert said in found.problem.reason
    assert "2020" not in found.model_dump_json()


def test_time_that_is_asked_for_and_not_declared_is_missing(seen_of: Any) -> None:
    asked = {"check": "leakage", "metric": "out_of_order_rows", "datasets": ["train", "test"], "max": 0}
    seen = seen_of(requirements=(asked,))
    assert judged(seen) == {"leakage.out_of_order_rows[datasets=train,test]": "missing"}
    problems = [result.problem for result in results(seen) if result.problem is not None]
    assert [problem.fix for problem in problems] == ["add to data in aims.yaml: time: <column>"]


# --- for all of them ----------------------------------------------------------------------------------------------------


def test_no_cell_is_written_and_no_frame_changed(seen_of: Any, german: Any) -> None:
    german = dated(german)
    german["note"] = [f"Zorglub {at}" for at in range(1000)]
    german["paid_back"] = np.where(german["credit_risk"] == 1, 48_151.623, 42.108)
    train, test = german[:600], pd.concat([german[600:], german[:3].assign(age_in_years=1877)])
    before = (train.copy(deep=True), test.copy(deep=True))
    written = "".join(result.model_dump_json() for result in results(seen_of(frames={"train": train, "test": test}, data={"time": "when"})))
    assert [value for value in ("Zorglub", "48151", "42.108", "1877", "2020-") if value in written] == []
    pd.testing.assert_frame_equal(train, before[0])
    pd.testing.assert_frame_equal(test, before[1])


@settings(max_examples=15)
@given(planted=st.integers(0, 30), noise=st.floats(0, 0.003), seed=st.integers(0, 5))
def test_at_least_the_planted_copies_are_found(planted: int, noise: float, seed: int) -> None:
    from aims_mlflow.measuring.frames.near_duplicates import near_duplicates
    from aims_mlflow.measuring.frames.rows import row_hashes

    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(200, 4)), columns=list("abcd")).assign(k=random.choice(["x", "y"], 200))
    copies = frame[:planted].copy()
    copies[list("abcd")] += noise * random.choice([-1, 1], (planted, 4))
    test = pd.concat([copies, frame[150:]])
    columns = list(frame.columns)
    found = near_duplicates(frame[:150], test, columns, "k", (row_hashes(frame[:150], columns), row_hashes(test, columns)))
    assert (found.near | found.exact)[:planted].all()
    assert found.near.sum() + found.exact.sum() >= planted
