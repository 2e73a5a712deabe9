"""The characteristics check: the whole table for each dataset, measured where something can be, honest where it cannot."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from aims_mlflow.measuring.expectations.quality_model import CHARACTERISTICS, NO_MEASURE
from aims_mlflow.registry import get
from aims_mlflow.system import Expectation, expectation_id

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
BETWEEN = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age_in_years", "min_value": 18, "max_value": 60}}
FILLED = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "sex"}}
ABSENT = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "nowhere"}}


def results(seen: Any) -> list[Any]:
    return list(get("characteristics").run(seen))


def at(seen: Any, role: str = "train") -> Any:
    (found,) = [result for result in results(seen) if result.scope == {"dataset": role}]
    return found


def rows(result: Any) -> dict[str, dict[str, Any]]:
    return {row["characteristic"]: row for row in result.facts["characteristics"]}


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


def test_every_characteristic_stands_there_once_for_each_dataset(seen_of: Any) -> None:
    for found in results(seen_of()):
        names = [row["characteristic"] for row in found.facts["characteristics"]]
        assert names == [one.name for one in CHARACTERISTICS]
        assert len(set(names)) == 23
        assert values(found)["characteristics"] == 23
    assert [result.scope["dataset"] for result in results(seen_of())] == ["train", "test"]


def test_each_row_says_how_or_why_not(seen_of: Any) -> None:
    for row in rows(at(seen_of())).values():
        assert (row["how"] == NO_MEASURE) == bool(row["why"])
        assert row["group"]
    measured = [name for name, row in rows(at(seen_of())).items() if row["how"] != NO_MEASURE]
    assert measured == ["completeness", "consistency", "traceability", "auditability", "balance", "diversity", "similarity"]
    assert values(at(seen_of()))["characteristics_measured"] == len(measured)


def test_measures_are_those_of_pandas_and_scipy(seen_of: Any, german: Any) -> None:
    german.loc[:99, "purpose"] = None
    frame = pd.concat([german, german[:50]])
    found = at(seen_of(frames={"train": frame}))
    shares = frame["credit_risk"].value_counts(normalize=True)
    texts = [name for name in frame if frame[name].dtype == "str" or frame[name].dtype == object]
    differ = [1 - sum(c * (c - 1) for c in frame[n].value_counts()) / (frame[n].count() * (frame[n].count() - 1)) for n in texts]
    expected = {
        "completeness": frame.notna().to_numpy().mean(),
        "row_uniqueness": 1 - frame.duplicated().mean(),
        "balance": entropy(shares, base=2),
        "minority_share": shares.min(),
        "diversity": np.mean(differ),
    }
    assert {name: values(found)[name] for name in expected} == pytest.approx(expected)
    assert rows(found)["completeness"]["measures"] == [{"measure": "completeness", "value": expected["completeness"]}]


@pytest.mark.parametrize(
    ("stored", "days"),
    [
        pytest.param(lambda at: pd.Timestamp(at).tz_localize(None), 3, id="without a zone"),
        pytest.param(lambda at: pd.Timestamp(at), 3, id="with a zone"),
        pytest.param(lambda at: at.isoformat(), 3, id="text"),
        pytest.param(lambda at: pd.Timestamp(at).tz_localize(None) + timedelta(days=3, hours=5), 0, id="another zone's clock"),
        pytest.param(lambda at: pd.Timestamp(at) + timedelta(days=4), None, id="after the run"),
        pytest.param(lambda _: "gestern", None, id="words"),
        pytest.param(lambda _: 20260301, None, id="numbers"),
        pytest.param(lambda _: None, None, id="missing"),
    ],
)
def test_the_age_of_the_newest_row(seen_of: Any, german: Any, stored: Any, days: int | None) -> None:
    german["when"] = stored(STARTED - timedelta(days=3, hours=1))
    found = at(seen_of(frames={"train": german}, data={"time": "when"}))
    assert values(found)["currentness_days"] == days
    assert rows(found)["currentness"]["how"] != NO_MEASURE
    assert (days is None) == any("cannot be said" in note for note in found.notes)
    assert [value for value in ("2026-02", "gestern", "20260301") if value in found.model_dump_json()] == []


def test_without_a_time_column_currentness_says_what_to_declare(seen_of: Any) -> None:
    assert "data.time" in rows(at(seen_of()))["currentness"]["why"]


@pytest.mark.parametrize(
    ("task", "column", "balance"),
    [
        pytest.param({}, [1, 2] * 500, 1.0, id="even"),
        pytest.param({}, [1] * 1000, None, id="one label"),
        pytest.param(
            {"kind": "multiclass_classification", "positive_label": None},
            ["a", "b", "c", "c"] * 250,
            entropy([1, 1, 2], base=3),
            id="three",
        ),
    ],
)
def test_the_balance_of_labels_is_of_classes(seen_of: Any, german: Any, task: Any, column: Any, balance: float | None) -> None:
    found = at(seen_of(frames={"train": german.assign(credit_risk=column)}, task=task))
    assert values(found)["balance"] == (None if balance is None else pytest.approx(balance))
    assert (balance is None) == any("fewer than two" in note for note in found.notes)


def test_a_regression_has_no_balance(seen_of: Any) -> None:
    found = at(seen_of(task={"kind": "regression", "positive_label": None}))
    assert "balance" not in values(found)
    assert "no labels" in rows(found)["balance"]["why"]


def test_declared_rules_stand_at_their_characteristic(seen_of: Any, tmp_path: Path) -> None:
    marked = {
        "type": "expect_column_values_to_match_regex",
        "kwargs": {"column": "purpose", "regex": "A"},
        "meta": {"characteristic": "precision"},
    }
    (tmp_path / "s.json").write_text(json.dumps({"name": "s", "expectations": [FILLED, marked, {"type": "expect_my_own", "kwargs": {}}]}))
    asked = ({"check": "quality", "dataset": "train", "expectation": BETWEEN}, {"check": "quality", "dataset": "train", "suite": "s.json"})
    seen = seen_of(requirements=asked, folder=tmp_path)
    found = at(seen)
    assert values(found)["accuracy_rules_met"] == 0
    assert values(found)["completeness_rules_met"] == 1
    assert values(found)["precision_rules_met"] == 1
    assert rows(found)["accuracy"]["rules"] == [expectation_id(Expectation.model_validate(BETWEEN))]
    assert rows(found)["precision"]["how"].startswith("by declared rules only")
    assert found.facts["rules_not_classified"][0].startswith("expect_my_own:")
    assert rows(at(seen, "test"))["accuracy"]["how"] == NO_MEASURE


def test_a_rule_without_an_answer_leaves_its_share_unsaid(seen_of: Any) -> None:
    asked = tuple({"check": "quality", "dataset": "train", "expectation": one} for one in (FILLED, ABSENT))
    found = at(seen_of(requirements=asked))
    assert values(found)["completeness_rules_met"] is None
    assert any("1 of 2 rules about completeness could not be evaluated" in note for note in found.notes)


def test_great_expectations_is_asked_once_for_both_checks(seen_of: Any, monkeypatch: Any) -> None:
    from aims_mlflow.measuring.expectations import asked as asked_expectations

    calls: list[int] = []
    evaluate = asked_expectations.evaluate
    monkeypatch.setattr(asked_expectations, "evaluate", lambda frame, asked: calls.append(len(asked)) or evaluate(frame, asked))
    seen = seen_of(requirements=({"check": "quality", "dataset": "train", "expectation": BETWEEN},))
    results(seen)
    get("quality").run(seen)
    assert calls == [1]


def test_a_suite_that_cannot_be_read_is_said(seen_of: Any, tmp_path: Path) -> None:
    found = at(seen_of(requirements=({"check": "quality", "suite": "absent.json"},), folder=tmp_path))
    assert any("absent.json" in note for note in found.notes)


def test_declared_populations_are_pointed_to(seen_of: Any) -> None:
    declared = {"populations": [{"column": "sex", "shares": {"female": 0.5, "male": 0.5}}]}
    assert rows(at(seen_of()))["representativeness"]["how"] == NO_MEASURE
    assert "representativeness.smallest_ratio" in rows(at(seen_of(data=declared)))["representativeness"]["elsewhere"]


@pytest.mark.parametrize(
    ("frames", "scope", "state"),
    [
        pytest.param({"train": pd.DataFrame({"a": []})}, {"dataset": "train"}, "error", id="no rows"),
        pytest.param({"train": pd.DataFrame([[1, 2]], columns=["a", "a"])}, {"dataset": "train"}, "error", id="names twice"),
        pytest.param({"train": None, "test": None}, {}, "missing", id="no data"),
    ],
)
def test_what_cannot_be_looked_at_is_a_problem(seen_of: Any, frames: Any, scope: Any, state: str) -> None:
    (found,) = [result for result in results(seen_of(frames=frames)) if result.scope == scope]
    assert found.problem.state == state
    assert found.measures == ()


def test_no_cell_is_written_and_no_frame_changed(seen_of: Any, german: Any, tmp_path: Path) -> None:
    german.loc[0, "purpose"] = "Zorglub"
    german["when"] = pd.date_range("1877-03-04", periods=1000)
    before = german.copy(deep=True)
    asked = {"check": "quality", "dataset": "train", "expectation": {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "max_value": 48151623}}}
    written = at(seen_of(frames={"train": german}, data={"time": "when"}, requirements=(asked,))).model_dump_json()
    assert [value for value in ("Zorglub", "1877", "48151623") if value in written] == []
    pd.testing.assert_frame_equal(german, before)
