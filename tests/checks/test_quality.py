"""The quality check: expectations asked of data, and our own counts; pandas and Great Expectations are the oracles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.registry import get
from aims_mlflow.system import Expectation, expectation_id

BETWEEN: dict[str, Any] = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "age_in_years", "min_value": 18, "max_value": 60},
}


def results(seen: Any) -> list[Any]:
    return list(get("quality").run(seen))


def at(seen: Any, **scope: str) -> Any:
    (found,) = [result for result in results(seen) if result.scope == scope]
    return found


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures if measure.group is None}


def asking(expectation: dict[str, Any] = BETWEEN, dataset: str = "train") -> dict[str, Any]:
    return {"check": "quality", "expectation": expectation, **({"dataset": dataset} if dataset else {})}


def suite(folder: Path, *expectations: Any) -> dict[str, Any]:
    (folder / "s.json").write_text(json.dumps({"name": "s", "expectations": list(expectations)}))
    return {"check": "quality", "dataset": "train", "suite": "s.json"}


def test_our_own_measures_are_those_of_pandas(seen_of: Any, german: Any) -> None:
    german.loc[:99, "purpose"] = None
    german.loc[::3, "credit_amount"] = np.nan
    german["empty"], german["one"], german["nearly"] = np.nan, "x", ["x"] * 999 + ["y"]
    frame = pd.concat([german, german[:7], german[:7]])
    found = at(seen_of(frames={"train": frame}), dataset="train")
    cells = frame.shape[0] * frame.shape[1]
    missing = int(frame.isna().sum().sum())
    assert values(found) == {
        "rows": 1014,
        "columns": 26,
        "completeness": (cells - missing) / cells,
        "missing_cells": missing,
        "duplicate_rows": frame.duplicated().sum(),
        "duplicate_share": frame.duplicated().mean(),
        "all_null_columns": 1,
        "constant_columns": 1,
        "missing_labels": 0,
        "classes": 2,
        "minority_share": (frame["credit_risk"] == 2).mean(),
        "positive_share": (frame["credit_risk"] == 1).mean(),
    }
    assert found.facts["all_null_columns"] == ["empty"]
    assert found.facts["constant_columns"] == ["one"]
    assert all(measure.exact for measure in found.measures)


@pytest.mark.parametrize(
    ("task", "column", "expected"),
    [
        (
            {"positive_label": "yes"},
            ["yes", "no", "no", None] * 250,
            {"positive_share": 1 / 3, "minority_share": 1 / 3, "classes": 2, "missing_labels": 250},
        ),
        ({"positive_label": True}, [True, False, False, False] * 250, {"positive_share": 0.25, "classes": 2}),
        ({"kind": "multiclass_classification", "positive_label": None}, ["a", "b", "c", "c"] * 250, {"minority_share": 0.25, "classes": 3}),
        ({"kind": "regression", "positive_label": None}, [1.5, 2.5, 3.5, np.nan] * 250, {"missing_labels": 250}),
    ],
)
def test_the_balance_of_labels(seen_of: Any, german: Any, task: Any, column: Any, expected: Any) -> None:
    found = values(at(seen_of(frames={"train": german.assign(credit_risk=column)}, task=task), dataset="train"))
    assert {name: found[name] for name in expected} == expected
    assert ("positive_share" in found) == ("positive_share" in expected)


def test_groups_are_counted_and_small_ones_withheld(seen_of: Any, german: Any) -> None:
    german["sex"] = ["Zorglub"] * 3 + ["female"] * 400 + ["male"] * 587 + [None] * 10
    found = at(seen_of(frames={"train": german}), dataset="train", column="sex")
    assert values(found) == {"groups": 3, "missing_group": 10, "smallest_group": 3}
    assert {name: measure.value for name, measure in found.groups("group_size").items()} == {
        "withheld-1 (under 10 rows)": 3,
        "female": 400,
        "male": 587,
    }
    assert "10 rows have no group" in found.notes[0]
    assert "Zorglub" not in found.model_dump_json()


def test_binned_sensitive_columns_are_counted_by_bin(seen_of: Any, german: Any) -> None:
    found = at(
        seen_of(frames={"train": german}, data={"sensitive": [{"column": "age_in_years", "bins": [25, 40]}]}),
        dataset="train",
        column="age_in_years",
    )
    ages = german["age_in_years"]
    sizes = [measure.value for measure in found.groups("group_size").values()]
    assert sizes == [(ages < 25).sum(), ((ages >= 25) & (ages < 40)).sum(), (ages >= 40).sum()]


@pytest.mark.parametrize(
    ("change", "column", "said"),
    [
        (lambda f: f.drop(columns="sex"), "sex", "not in the train data"),
        (lambda f: f.assign(sex=None), "sex", "every value of the sensitive column 'sex' is missing"),
        (lambda f: f.assign(sex="x"), "sex", "single group"),
        (lambda f: f.drop(columns="credit_risk"), "credit_risk", "target 'credit_risk' is not in the train data"),
        (lambda f: f.assign(credit_risk=np.nan), "credit_risk", "every value of the target"),
        (lambda f: f.assign(credit_risk="good"), "credit_risk", "none of the 1 labels"),
    ],
)
def test_columns_that_cannot_be_used_are_problems(seen_of: Any, german: Any, change: Any, column: str, said: str) -> None:
    found = at(seen_of(frames={"train": change(german)}), dataset="train", column=column)
    assert found.problem.state == "error"
    assert said in found.problem.reason
    assert found.problem.fix
    assert "good" not in found.model_dump_json()


def test_production_data_may_come_without_labels(seen_of: Any, german: Any) -> None:
    seen = seen_of(frames={"production": german.drop(columns="credit_risk")})
    assert {"dataset": "production", "column": "credit_risk"} not in [result.scope for result in results(seen)]


def test_a_column_that_a_requirement_names_is_measured(seen_of: Any, german: Any) -> None:
    german.loc[:249, "purpose"] = None
    asked = {"check": "quality", "dataset": "train", "column": "purpose", "metric": "completeness", "min": 0.9}
    assert values(at(seen_of(frames={"train": german}, requirements=(asked,)), dataset="train", column="purpose")) == {
        "completeness": 0.75,
        "missing_cells": 250,
    }


def test_an_expectation_is_answered_in_counts(seen_of: Any, german: Any) -> None:
    german.loc[:4, "age_in_years"] = None
    found = at(
        seen_of(frames={"train": german}, requirements=(asking(),)), dataset="train", expectation=expectation_id(Expectation(**BETWEEN))
    )
    outside = int((german["age_in_years"] > 60).sum())
    assert values(found) == {"met_share": 0, "element_count": 1000, "unexpected_count": outside, "missing_count": 5}
    assert found.coverage.left_out == ()
    assert "60" not in json.dumps(found.facts)


def test_an_expectation_without_a_dataset_is_asked_of_all(seen_of: Any) -> None:
    found = [r for r in results(seen_of(requirements=(asking(dataset=""),))) if "expectation" in r.scope]
    assert [r.scope["dataset"] for r in found] == ["train", "test"]


def test_a_suite_is_summed_up_exactly(seen_of: Any, tmp_path: Path) -> None:
    exists = {"type": "expect_column_to_exist", "kwargs": {"column": "sex"}}
    found = at(
        seen_of(requirements=(suite(tmp_path, BETWEEN, exists, {**exists, "kwargs": {"column": "no"}}),), folder=tmp_path),
        dataset="train",
        suite="s.json",
    )
    assert values(found) == {"met_share": 1 / 3, "expectations_evaluated": 3, "expectations_failed": 2}
    assert found.measure("met_share").count == 1
    assert [one["met"] for one in found.facts["expectations"]] == [False, True, False]
    assert found.problem is None


def test_a_suite_with_one_unanswered_expectation_has_no_answer(seen_of: Any, tmp_path: Path) -> None:
    exists = {"type": "expect_column_to_exist", "kwargs": {"column": "sex"}}
    absent = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "sexx"}}
    found = at(seen_of(requirements=(suite(tmp_path, exists, absent),), folder=tmp_path), dataset="train", suite="s.json")
    assert found.problem.state == "error"
    assert "1 of 2 expectations could not be evaluated" in found.problem.reason
    assert "did you mean 'sex'" in found.problem.fix
    assert len(found.coverage.left_out) == 1
    assert found.measure("expectations_evaluated").value == 1


@pytest.mark.parametrize(
    ("requirement", "scope", "state", "said"),
    [
        (
            {"check": "quality", "dataset": "train", "suite": "absent.json"},
            {"dataset": "train", "suite": "absent.json"},
            "error",
            "is not there",
        ),
        (
            asking(dataset="validation"),
            {"dataset": "validation", "expectation": expectation_id(Expectation(**BETWEEN))},
            "missing",
            "no validation data",
        ),
        (
            {"check": "quality", "dataset": "validation", "metric": "completeness", "min": 1},
            {"dataset": "validation"},
            "missing",
            "no validation data",
        ),
    ],
)
def test_what_was_asked_and_is_not_there_is_a_problem(
    seen_of: Any, tmp_path: Path, requirement: Any, scope: Any, state: str, said: str
) -> None:
    found = at(seen_of(requirements=(requirement,), folder=tmp_path), **scope)
    assert found.problem.state == state
    assert said in found.problem.reason
    assert found.problem.fix


def test_an_empty_suite_is_missing(seen_of: Any, tmp_path: Path) -> None:
    found = at(seen_of(requirements=(suite(tmp_path),), folder=tmp_path), dataset="train", suite="s.json")
    assert (found.problem.state, found.measures) == ("missing", ())


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"a": []}), "zero rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names"),
        (pd.DataFrame([[1, 2]], columns=[0, 1]), "not strings"),
    ],
)
def test_bad_frames_are_problems(seen_of: Any, frame: Any, said: str) -> None:
    found = at(seen_of(frames={"test": frame}, requirements=(asking(dataset="test"),)), dataset="test")
    assert said in found.problem.reason
    assert found.problem.state == "error"


def test_without_data_the_check_is_missing(seen_of: Any) -> None:
    found = at(seen_of(frames={"train": None, "test": None}))
    assert found.problem.state == "missing"


def test_a_library_that_cannot_be_imported_is_a_problem(seen_of: Any, monkeypatch: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "great_expectations.validator.validator", None)
    found = at(seen_of(requirements=(asking(),)), dataset="train", expectation=expectation_id(Expectation(**BETWEEN)))
    assert "cannot be imported" in found.problem.reason
    assert "pip install" in found.problem.fix


def test_the_users_frame_is_not_changed(seen_of: Any, german: Any, tmp_path: Path) -> None:
    before = german.copy(deep=True)
    results(seen_of(frames={"train": german}, requirements=(asking(), suite(tmp_path, BETWEEN)), folder=tmp_path))
    pd.testing.assert_frame_equal(german, before)
