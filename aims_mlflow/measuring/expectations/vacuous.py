"""Expectations that any data meet: Great Expectations calls each of them a success, and nothing has been asked."""

from __future__ import annotations

from typing import Any

from aims_mlflow.system import Expectation

_EMPTY: dict[str, str] = {
    "expect_column_values_to_not_be_in_set": "value_set",
    "expect_column_distinct_values_to_contain_set": "value_set",
    "expect_column_values_to_be_in_type_list": "type_list",
    "expect_table_columns_to_match_ordered_list": "column_list",
    "expect_column_values_to_match_regex": "regex",
    "expect_column_values_to_match_json_schema": "json_schema",
    "expect_column_kl_divergence_to_be_less_than": "threshold",
}
"""The argument without which, or with nothing in it, an expectation is always met. (A threshold of 0 is not nothing.)"""

_NEVER_BELOW_ZERO = (
    "expect_table_row_count_to_be_between",
    "expect_table_column_count_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_value_lengths_to_be_between",
    "expect_column_stdev_to_be_between",
)
_SHARES = ("expect_column_proportion_of_unique_values_to_be_between", "expect_column_proportion_of_non_null_values_to_be_between")
_SAME = ("expect_column_pair_values_to_be_equal",)


def asks_nothing(one: Expectation) -> bool:
    """Return whether any data meet an expectation as it is written: a share of none (``mostly`` 0), no bound, an empty set."""
    kwargs = one.kwargs
    if _below(kwargs.get("mostly"), 0) or (one.type in _EMPTY and kwargs.get(_EMPTY[one.type]) in (None, "", [], {})):
        return True
    if one.type == "expect_table_columns_to_match_set":
        return not kwargs.get("column_set") and kwargs.get("exact_match") is False
    if one.type in _SAME:
        return kwargs.get("column_A") == kwargs.get("column_B")
    if one.type == "expect_column_quantile_values_to_be_between":
        return not _asked_quantiles(kwargs.get("quantile_ranges"))
    return one.type.endswith("_to_be_between") and not _bounded(one)


def _bounded(one: Expectation) -> bool:
    """Return whether a range leaves anything out: counts and spreads are never below 0, shares lie between 0 and 1."""
    low, high = one.kwargs.get("min_value"), one.kwargs.get("max_value")
    if one.type in (*_NEVER_BELOW_ZERO, *_SHARES) and not one.kwargs.get("strict_min"):
        low = None if _below(low, 0) else low
    if one.type in _SHARES and not one.kwargs.get("strict_max"):
        high = None if isinstance(high, int | float) and high >= 1 else high
    return low is not None or high is not None


def _below(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and value <= most


def _asked_quantiles(ranges: Any) -> bool:
    listed = ranges.get("value_ranges") if isinstance(ranges, dict) else None
    return isinstance(listed, list) and any(isinstance(one, list) and any(end is not None for end in one) for one in listed)
