"""What declared expectations ask about: the data quality characteristic (ISO/IEC 5259-2) of each type of Great Expectations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aims_mlflow.system import Expectation

RULED: tuple[str, ...] = (
    "accuracy",
    "completeness",
    "consistency",
    "currentness",
    "precision",
    "balance",
    "diversity",
    "representativeness",
    "similarity",
    "timeliness",
)
"""The characteristics that rules about values can ask about."""

_TYPES: dict[str, tuple[str, ...]] = {
    "completeness": (
        "expect_column_to_exist",
        "expect_column_values_to_be_null",
        "expect_column_values_to_not_be_null",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
    ),
    "accuracy": (  # of form (patterns, sets, lengths), and of range (bounds and outliers: the risk of inaccuracy)
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_equal_set",
        "expect_column_max_to_be_between",
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_min_to_be_between",
        "expect_column_most_common_value_to_be_in_set",
        "expect_column_quantile_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_match_json_schema",
        "expect_column_values_to_match_like_pattern",
        "expect_column_values_to_match_like_pattern_list",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_match_strftime_format",
        "expect_column_values_to_not_be_in_set",
        "expect_column_values_to_not_be_outliers",
        "expect_column_values_to_not_match_like_pattern",
        "expect_column_values_to_not_match_like_pattern_list",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_not_match_regex_list",
    ),
    "consistency": (  # between columns, of types and schema, and of records that should not occur twice (uniqueness)
        "expect_column_pair_values_a_to_be_greater_than_b",
        "expect_column_pair_values_to_be_equal",
        "expect_column_pair_values_to_be_in_set",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_type_to_be",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_be_unique",
        "expect_compound_columns_to_be_unique",
        "expect_multicolumn_sum_to_equal",
        "expect_multicolumn_values_to_be_equal",
        "expect_query_results_to_match_comparison",
        "expect_select_column_values_to_be_unique_within_record",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
        "expect_table_row_count_to_equal_other_table",
        "unexpected_rows_expectation",
    ),
    "diversity": ("expect_column_unique_value_count_to_be_between", "expect_column_distinct_values_to_contain_set"),
    "representativeness": ("expect_column_kl_divergence_to_be_less_than",),
}
_CHARACTERISTIC = {type_: characteristic for characteristic, types in _TYPES.items() for type_ in types}
_ENDS = ("expect_column_max_to_be_between", "expect_column_min_to_be_between", "expect_column_values_to_be_between")


def characteristic_of(expectation: Expectation, times: Collection[str] = ()) -> str:
    """Return the characteristic that an expectation asks about; "" for a type that is not Great Expectations' own.

    What its author says counts before its type: ``meta: {characteristic: precision}``. A bound on the values of one of the
    columns ``times`` asks how current they are. A share of unique values asks about consistency (uniqueness), never about
    balance: balance is of classes.
    """
    said: Any = (expectation.meta or {}).get("characteristic")
    if isinstance(said, str) and said in RULED:
        return said
    if expectation.type in _ENDS and expectation.kwargs.get("column") in times:
        return "currentness"
    return _CHARACTERISTIC.get(expectation.type, "")
