"""The overlap check: rows that two datasets share; pandas' merge is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.registry import get


def measured(seen: Any) -> dict[str, Any]:
    return {result.scope["datasets"]: result for result in get("overlap").run(seen)}


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


def test_a_clean_split_shares_nothing(seen_of: Any) -> None:
    result = measured(seen_of())["train,test"]
    assert values(result) == {"shared_rows": 0, "shared_share": 0, "identical": 0}
    assert result.measure("shared_share").n == 400
    assert len(result.coverage.evaluated) == 23
    assert result.notes == ()


@pytest.mark.parametrize(
    "stored", [lambda f: f, lambda f: f.astype({"credit_amount": float, "sex": "category"}), lambda f: f[f.columns[::-1]]]
)
def test_shared_rows_are_counted_as_a_merge_counts_them(seen_of: Any, german: Any, stored: Any) -> None:
    test = pd.concat([german[590:900], german[595:597]], ignore_index=True)
    result = measured(seen_of(frames={"train": german[:600], "test": stored(test)}))["train,test"]
    merged = test.reset_index().merge(german[:600].drop_duplicates(), on=list(german.columns))["index"].nunique()
    assert values(result) == {"shared_rows": merged, "shared_share": merged / 312, "identical": 0}
    assert merged == 12
    assert "12 rows of the test data stand in the train data too" in result.notes[0]


def test_the_same_rows_in_another_order_are_identical(seen_of: Any, german: Any) -> None:
    result = measured(seen_of(frames={"train": german, "test": german.sample(frac=1, random_state=1)}))["train,test"]
    assert values(result) == {"shared_rows": 1000, "shared_share": 1, "identical": 1}
    more = measured(seen_of(frames={"train": german, "test": pd.concat([german, german[:1]])}))["train,test"]
    assert values(more)["identical"] == 0


def test_a_label_that_differs_makes_another_row(seen_of: Any, german: Any) -> None:
    flipped = german.assign(credit_risk=3 - german["credit_risk"])
    assert measured(seen_of(frames={"train": german, "test": flipped}))["train,test"].measure("shared_rows").value == 0


def test_missing_values_equal_each_other(seen_of: Any, german: Any) -> None:
    german.loc[:, "purpose"] = None
    german["age_in_years"] = np.where(german.index % 2, german["age_in_years"], np.nan)
    result = measured(seen_of(frames={"train": german, "test": german[:10]}))["train,test"]
    assert result.measure("shared_rows").value == 10


def test_every_pair_that_is_asked_for_is_measured(seen_of: Any, german: Any) -> None:
    asked = [
        {"check": "overlap", "datasets": pair, "metric": "shared_rows", "max": 0} for pair in (["test", "train"], ["train", "validation"])
    ]
    found = measured(seen_of(frames={"validation": german[:50]}, requirements=tuple(asked)))
    assert list(found) == ["train,test", "test,train", "train,validation"]
    assert found["test,train"].measure("shared_rows").n == 600
    assert found["train,validation"].measure("shared_rows").value > 0


@pytest.mark.parametrize(
    ("frames", "state", "said"),
    [
        ({"test": None}, "missing", "no test data"),
        ({"test": pd.DataFrame({"a": []})}, "error", "zero rows"),
        ({"test": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "error", "duplicate column names"),
        ({"test": pd.DataFrame([[1, 2]])}, "error", "not strings"),
        ({"test": pd.DataFrame({"a": [1], "sex": ["male"]})}, "error", "different columns"),
        ({"test": pd.DataFrame(index=range(3)), "train": pd.DataFrame(index=range(3))}, "error", "no columns"),
        ({"test": pd.DataFrame({"a": [object()]}), "train": pd.DataFrame({"a": [object()]})}, "error", "column 'a'"),
    ],
)
def test_what_cannot_be_compared_is_a_problem(seen_of: Any, frames: Any, state: str, said: str) -> None:
    result = measured(seen_of(frames=frames))["train,test"]
    assert result.problem.state == state
    assert said in result.problem.reason
    assert result.problem.fix
    assert result.measures == ()


def test_a_dataset_is_not_compared_with_itself(seen_of: Any) -> None:
    asked = ({"check": "overlap", "datasets": ["train", "train"], "metric": "shared_rows", "max": 0},)
    assert measured(seen_of(requirements=asked))["train,train"].problem.state == "error"
