"""Every type of expectation that Great Expectations answers on a frame, met and not met: its own answer is the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import aims_mlflow.data
from aims_mlflow.measuring.expectations.evaluating import evaluate
from aims_mlflow.system import Expectation

TYPES = json.loads((Path(aims_mlflow.data.__file__).parent / "expectation_types.json").read_text())["types"]
N = 200


def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    days = pd.date_range("2026-01-01", periods=N, freq="D")
    return pd.DataFrame(
        {
            "id": np.arange(N),
            "a": random.normal(50, 10, N).round(1),
            "gap": np.where(np.arange(N) % 10 == 0, np.nan, np.arange(N) * 1.0),
            "k": random.choice(["x", "y", "z"], N, p=[0.5, 0.3, 0.2]),
            "k2": random.choice(["x", "y"], N),
            "down": -np.arange(N),
            "text_when": days.strftime("%Y-%m-%d"),
            "json": ['{"n": 1}'] * N,
            "bad_json": ['{"n": "one"}'] * (N - 1) + ["{"],
            "b": np.arange(N) + 1,
            "same": np.arange(N),
            "codes": ["AB-1"] * (N - 3) + ["?"] * 3,
        }
    )


COLUMNS = [*frame().columns]
MET_AND_NOT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "expect_column_distinct_values_to_be_in_set": (
        {"column": "k", "value_set": ["x", "y", "z", "w"]},
        {"column": "k", "value_set": ["x", "y"]},
    ),
    "expect_column_distinct_values_to_contain_set": ({"column": "k", "value_set": ["x"]}, {"column": "k", "value_set": ["w"]}),
    "expect_column_distinct_values_to_equal_set": ({"column": "k", "value_set": ["x", "y", "z"]}, {"column": "k", "value_set": ["x"]}),
    "expect_column_kl_divergence_to_be_less_than": (
        {"column": "k", "partition_object": {"values": ["x", "y", "z"], "weights": [0.5, 0.3, 0.2]}, "threshold": 0.1},
        {"column": "k", "partition_object": {"values": ["x", "y", "z"], "weights": [0.02, 0.03, 0.95]}, "threshold": 0.1},
    ),
    "expect_column_max_to_be_between": ({"column": "id", "min_value": 199, "max_value": 199}, {"column": "id", "max_value": 10}),
    "expect_column_mean_to_be_between": ({"column": "a", "min_value": 40, "max_value": 60}, {"column": "a", "min_value": 60}),
    "expect_column_median_to_be_between": ({"column": "a", "min_value": 40, "max_value": 60}, {"column": "a", "max_value": 10}),
    "expect_column_min_to_be_between": ({"column": "id", "min_value": 0, "max_value": 0}, {"column": "id", "min_value": 1}),
    "expect_column_most_common_value_to_be_in_set": ({"column": "k", "value_set": ["x"]}, {"column": "k", "value_set": ["z"]}),
    "expect_column_pair_values_a_to_be_greater_than_b": ({"column_A": "b", "column_B": "id"}, {"column_A": "id", "column_B": "b"}),
    "expect_column_pair_values_to_be_equal": ({"column_A": "id", "column_B": "same"}, {"column_A": "id", "column_B": "b"}),
    "expect_column_pair_values_to_be_in_set": (
        {"column_A": "k", "column_B": "k2", "value_pairs_set": [["x", "x"], ["x", "y"], ["y", "x"], ["y", "y"], ["z", "x"], ["z", "y"]]},
        {"column_A": "k", "column_B": "k2", "value_pairs_set": [["x", "x"]]},
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": (
        {"column": "gap", "min_value": 0.9},
        {"column": "gap", "min_value": 0.95},
    ),
    "expect_column_proportion_of_unique_values_to_be_between": ({"column": "id", "min_value": 1}, {"column": "k", "min_value": 0.5}),
    "expect_column_quantile_values_to_be_between": (
        {"column": "id", "quantile_ranges": {"quantiles": [0.25, 0.75], "value_ranges": [[40, 60], [140, 160]]}},
        {"column": "id", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]}},
    ),
    "expect_column_stdev_to_be_between": ({"column": "a", "min_value": 5, "max_value": 15}, {"column": "a", "max_value": 1}),
    "expect_column_sum_to_be_between": ({"column": "id", "min_value": 19900, "max_value": 19900}, {"column": "id", "max_value": 1}),
    "expect_column_to_exist": ({"column": "a"}, {"column": "nowhere"}),
    "expect_column_type_to_be": ({"column": "a", "type_": "float64"}, {"column": "a", "type_": "int64"}),
    "expect_column_unique_value_count_to_be_between": ({"column": "k", "min_value": 3, "max_value": 3}, {"column": "k", "max_value": 2}),
    "expect_column_value_lengths_to_be_between": ({"column": "k", "min_value": 1, "max_value": 1}, {"column": "codes", "min_value": 2}),
    "expect_column_value_lengths_to_equal": ({"column": "k", "value": 1}, {"column": "codes", "value": 4}),
    "expect_column_value_z_scores_to_be_less_than": (
        {"column": "a", "threshold": 6, "double_sided": True},
        {"column": "a", "threshold": 1, "double_sided": True},
    ),
    "expect_column_values_to_be_between": ({"column": "id", "min_value": 0, "max_value": 199}, {"column": "id", "max_value": 100}),
    "expect_column_values_to_be_dateutil_parseable": ({"column": "text_when"}, {"column": "codes"}),
    "expect_column_values_to_be_decreasing": ({"column": "down"}, {"column": "id"}),
    "expect_column_values_to_be_in_set": ({"column": "k", "value_set": ["x", "y", "z"]}, {"column": "k", "value_set": ["x"]}),
    "expect_column_values_to_be_in_type_list": (
        {"column": "a", "type_list": ["float64", "int64"]},
        {"column": "a", "type_list": ["int64"]},
    ),
    "expect_column_values_to_be_increasing": ({"column": "id"}, {"column": "down"}),
    "expect_column_values_to_be_json_parseable": ({"column": "json"}, {"column": "bad_json"}),
    "expect_column_values_to_be_null": ({"column": "gap", "mostly": 0.1}, {"column": "gap"}),
    "expect_column_values_to_be_of_type": ({"column": "a", "type_": "float64"}, {"column": "a", "type_": "int64"}),
    "expect_column_values_to_be_unique": ({"column": "id"}, {"column": "k"}),
    "expect_column_values_to_match_json_schema": (
        {"column": "json", "json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        {"column": "json", "json_schema": {"type": "object", "properties": {"n": {"type": "string"}}}},
    ),
    "expect_column_values_to_match_regex": ({"column": "k", "regex": "^[xyz]$"}, {"column": "codes", "regex": "^AB"}),
    "expect_column_values_to_match_regex_list": (
        {"column": "k", "regex_list": ["^x$", "^[yz]$"], "match_on": "any"},
        {"column": "k", "regex_list": ["^x$"]},
    ),
    "expect_column_values_to_match_strftime_format": (
        {"column": "text_when", "strftime_format": "%Y-%m-%d"},
        {"column": "text_when", "strftime_format": "%d.%m.%Y"},
    ),
    "expect_column_values_to_not_be_in_set": ({"column": "k", "value_set": ["w"]}, {"column": "k", "value_set": ["x"]}),
    "expect_column_values_to_not_be_null": ({"column": "gap", "mostly": 0.9}, {"column": "gap"}),
    "expect_column_values_to_not_be_outliers": (
        {"column": "id", "method": "iqr", "multiplier": 3},
        {"column": "a", "method": "std", "multiplier": 0.5},
    ),
    "expect_column_values_to_not_match_regex": ({"column": "k", "regex": "w"}, {"column": "codes", "regex": "[?]"}),
    "expect_column_values_to_not_match_regex_list": ({"column": "k", "regex_list": ["w", "v"]}, {"column": "k", "regex_list": ["x"]}),
    "expect_compound_columns_to_be_unique": ({"column_list": ["id", "k"]}, {"column_list": ["k", "k2"]}),
    "expect_multicolumn_sum_to_equal": ({"column_list": ["id", "down"], "sum_total": 0}, {"column_list": ["id", "b"], "sum_total": 0}),
    "expect_multicolumn_values_to_be_equal": ({"column_list": ["id", "same"]}, {"column_list": ["id", "b"]}),
    "expect_select_column_values_to_be_unique_within_record": ({"column_list": ["b", "down"]}, {"column_list": ["k", "k2"]}),
    "expect_table_column_count_to_be_between": ({"min_value": 5, "max_value": 50}, {"max_value": 3}),
    "expect_table_column_count_to_equal": ({"value": len(COLUMNS)}, {"value": 3}),
    "expect_table_columns_to_match_ordered_list": ({"column_list": COLUMNS}, {"column_list": ["a"]}),
    "expect_table_columns_to_match_set": ({"column_set": ["a", "id"], "exact_match": False}, {"column_set": ["a"], "exact_match": True}),
    "expect_table_row_count_to_be_between": ({"min_value": 1, "max_value": 200}, {"max_value": 199}),
    "expect_table_row_count_to_equal": ({"value": 200}, {"value": 1}),
}
IN_SQL = [
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern_list",
    "unexpected_rows_expectation",
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
]
CASES = [
    pytest.param(type_, kwargs, met, id=f"{type_}-{'met' if met else 'not met'}")
    for type_, two in MET_AND_NOT.items()
    for kwargs, met in zip(two, (True, False), strict=True)
]


def test_every_type_is_in_the_table() -> None:
    assert sorted([*MET_AND_NOT, *IN_SQL]) == sorted(TYPES)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What we say of all of them, and what Great Expectations says of them as a suite of its own."""
    import warnings

    asked = [(type_, kwargs) for type_, two in MET_AND_NOT.items() for kwargs in two]
    ours = evaluate(frame(), [Expectation(type=type_, kwargs=kwargs) for type_, kwargs in asked])
    with warnings.catch_warnings():  # Great Expectations' own imports and calls warn of deprecations
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        context = gx.get_context(mode="ephemeral")
        asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
        batch = asset.add_batch_definition_whole_dataframe("w").get_batch({"dataframe": frame()})
        configured = [ExpectationConfiguration(type=t, kwargs=dict(k), meta={"at": at}) for at, (t, k) in enumerate(asked)]
        suite = gx.ExpectationSuite(name="s", expectations=[one.to_domain_obj() for one in configured])
        found = batch.validate(suite).results
    theirs = sorted(found, key=lambda one: one.expectation_config.meta["at"])
    return {repr(one): both for one, both in zip(asked, zip(ours, theirs, strict=True), strict=True)}


@pytest.mark.parametrize(("type_", "kwargs", "met"), CASES)
def test_our_answer_is_great_expectations_own(answers: Any, type_: str, kwargs: dict[str, Any], met: bool) -> None:
    ours, theirs = answers[repr((type_, kwargs))]
    assert ours.problem is None
    assert ours.met is met
    assert bool(theirs.success) is met
    counted = {key: theirs.result[key] for key in ("element_count", "unexpected_count", "missing_count") if key in theirs.result}
    assert dict(ours.counts or {}) == (counted if "element_count" in counted else {})


@pytest.mark.parametrize("type_", IN_SQL)
def test_what_is_answered_in_sql_only_is_an_error_that_says_so(type_: str) -> None:
    (outcome,) = evaluate(frame(), [Expectation(type=type_, kwargs={"column": "k"})])
    assert outcome.met is None
    assert outcome.problem is not None
    assert "in SQL only" in outcome.problem.what


CONDITIONS = [
    pytest.param({"row_condition": 'k == "x"', "condition_parser": "pandas"}, id="pandas"),
    pytest.param({"row_condition": 'col("k") == "x"', "condition_parser": "great_expectations"}, id="great_expectations"),
    pytest.param({"row_condition": {"type": "comparison", "column": {"name": "k"}, "operator": "==", "parameter": "x"}}, id="object"),
]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("mostly", "met"), [(1.0, False), (0.3, True)])
def test_row_conditions_and_mostly(condition: dict[str, Any], mostly: float, met: bool) -> None:
    data = frame()
    chosen = data[data["k"] == "x"]
    asked = Expectation.model_validate(
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "k2", "value_set": ["x"], "mostly": mostly, **condition},
            "meta": {"notes": "kept for people"},
        }
    )
    (outcome,) = evaluate(data, [asked])
    assert outcome.met is met
    assert dict(outcome.counts or {}) == {
        "element_count": len(chosen),
        "unexpected_count": int((chosen["k2"] != "x").sum()),
        "missing_count": 0,
    }
