"""Expectations that any data meet: Great Expectations calls them met, whatever the data; the next stricter one is asked."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from aims_mlflow.measuring.expectations.evaluating import evaluate
from aims_mlflow.measuring.expectations.vacuous import asks_nothing
from aims_mlflow.system import Expectation

NOTHING: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 9, "mostly": 0}),
    ("expect_column_values_to_not_be_in_set", {"column": "k", "value_set": []}),
    ("expect_column_distinct_values_to_contain_set", {"column": "k", "value_set": []}),
    ("expect_column_values_to_be_in_type_list", {"column": "k", "type_list": None}),
    ("expect_table_columns_to_match_ordered_list", {"column_list": None}),
    ("expect_table_columns_to_match_set", {"column_set": [], "exact_match": False}),
    (
        "expect_column_kl_divergence_to_be_less_than",
        {"column": "k", "partition_object": {"values": ["x"], "weights": [1]}, "threshold": None},
    ),
    (
        "expect_column_quantile_values_to_be_between",
        {"column": "a", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, None]]}},
    ),
    ("expect_column_values_to_match_json_schema", {"column": "j", "json_schema": {}}),
    ("expect_column_values_to_match_regex", {"column": "k", "regex": ""}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "a"}),
    ("expect_table_row_count_to_be_between", {"min_value": 0}),
    ("expect_column_unique_value_count_to_be_between", {"column": "k", "min_value": 0}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "k", "min_value": 0, "max_value": 1}),
    ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "k", "min_value": 0}),
    ("expect_column_value_lengths_to_be_between", {"column": "k", "min_value": 0}),
    ("expect_column_mean_to_be_between", {"column": "a"}),
]
SOMETHING: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 0, "mostly": 0.1}),
    ("expect_column_values_to_not_be_in_set", {"column": "k", "value_set": ["x"]}),
    ("expect_table_columns_to_match_set", {"column_set": []}),
    ("expect_column_kl_divergence_to_be_less_than", {"column": "k", "threshold": 0}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "b"}),
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_table_row_count_to_be_between", {"min_value": 0, "strict_min": True}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "k", "min_value": 0, "max_value": 1, "strict_max": True}),
    ("expect_column_values_to_be_between", {"column": "a", "min_value": 0}),
    ("expect_column_mean_to_be_between", {"column": "a", "max_value": 0}),
    ("expect_column_values_to_be_in_set", {"column": "k", "value_set": []}),
    ("expect_column_values_to_be_unique", {"column": "k"}),
]


def named(case: tuple[str, dict[str, Any]]) -> str:
    return f"{case[0]}{sorted(case[1].items())}".replace(" ", "")


@pytest.mark.parametrize("case", NOTHING, ids=named)
def test_what_asks_nothing_is_an_error(case: tuple[str, dict[str, Any]]) -> None:
    asked = Expectation(type=case[0], kwargs=case[1])
    assert asks_nothing(asked)
    frame = pd.DataFrame({"a": [1.0, 2.0], "k": ["x", "y"], "j": ["{}", "{}"]})
    (outcome,) = evaluate(frame, [asked])
    assert outcome.met is None
    assert outcome.problem is not None
    assert "asks nothing" in outcome.problem.what


@pytest.mark.parametrize("case", SOMETHING, ids=named)
def test_what_data_can_miss_is_asked(case: tuple[str, dict[str, Any]]) -> None:
    assert not asks_nothing(Expectation(type=case[0], kwargs=case[1]))
