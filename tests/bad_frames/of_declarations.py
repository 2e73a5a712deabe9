"""System files that ask what cannot be answered: unknown names, strengths and bounds of the wrong kind, columns that are not there."""

from __future__ import annotations

from typing import Any

from .given import Case, Given, Spoil
from .spoiling import declares, requires

CHECKS = [
    "acquisition",
    "baseline",
    "characteristics",
    "design",
    "documentation",
    "drift",
    "fairness",
    "leakage",
    "lineage",
    "objectives",
    "overlap",
    "performance",
    "personal_data",
    "preparation",
    "process",
    "provenance",
    "quality",
    "representativeness",
    "robustness",
    "specification",
    "upstream",
]


def asked(name: str, concern: str, check: str, metric: str = "", **scope: Any) -> Case:
    """Return the case of one more requirement, whose bound any number would meet."""
    bound = {} if "expectation" in scope or "suite" in scope else {"metric": metric, "max": 1e9}
    return Case(name, requires({"check": check, **bound, **scope}), (concern,))


def not_null(column: str, **more: Any) -> dict[str, Any]:
    return {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": column, **more}}


TOGETHER = (
    *(asked(f"a metric that {check} does not have", f"{check}.no_such_measure", check, "no_such_measure") for check in CHECKS),
    Case(
        "a check that nobody has",
        requires({"check": "no.such", "metric": "a", "min": 0}),
        ("no.such", "process.checks_not_run", "specification"),
    ),
    asked("performance of a regression", "performance.r2_score", "performance", "r2_score"),
    asked("errors of a regression by group", "fairness.mean_absolute_error", "fairness", "mean_absolute_error_difference", column="g"),
    asked("a ratio with an upper bound", "fairness.accuracy_score_ratio", "fairness", "accuracy_score_ratio", column="g"),
    asked(
        "a worst group with a bound on the wrong side",
        "fairness.accuracy_score_group_min",
        "fairness",
        "accuracy_score_group_min",
        column="g",
    ),
    asked("a column nobody declared as sensitive", "fairness@column=k]", "fairness", "demographic_parity_difference", column="k"),
    asked("a sensitive column that is not there", "fairness@column=gg]", "fairness", "demographic_parity_difference", column="gg"),
    asked("a crossing with itself", "fairness@column=g & g]", "fairness", "demographic_parity_difference", column="g & g"),
    asked(
        "fairness on data not seen",
        "fairness@dataset=validation",
        "fairness",
        "demographic_parity_difference",
        column="g",
        dataset="validation",
    ),
    asked("a perturbation that nobody knows", "robustness@=nosie", "robustness", "flip_rate", perturbation="nosie"),
    asked("noise of no strength", "robustness@strength=0]", "robustness", "accuracy_drop", perturbation="numeric_noise", strength=0),
    asked("noise of endless strength", "robustness@1e+300", "robustness", "accuracy_drop", perturbation="numeric_noise", strength=1e300),
    asked("an invariance with a strength", "robustness@repeat, strength", "robustness", "flip_rate", perturbation="repeat", strength=1),
    asked("a search of endless strength", "robustness@1e+299", "robustness", "flip_success_share", perturbation="search", strength=1e299),
    asked("a slice nobody could find in so few rows", "robustness@worst_slice", "robustness", "accuracy_score", perturbation="worst_slice"),
    asked(
        "a unit error of no factor",
        "robustness@unit_error, strength=0]",
        "robustness",
        "accuracy_drop",
        perturbation="unit_error",
        strength=0,
    ),
    asked("robustness on data not seen", "robustness@validation", "robustness", "flip_rate", perturbation="repeat", dataset="validation"),
    asked("robustness of a regression", "robustness.r2_drop", "robustness", "r2_drop", perturbation="numeric_noise", strength=0.1),
    asked("performance on data not seen", "performance@validation", "performance", "accuracy_score", dataset="validation"),
    asked("a gain on data not seen", "baseline@validation", "baseline", "accuracy_score_gain", dataset="validation"),
    asked("a gain of a regression", "baseline.r2_score_gain", "baseline", "r2_score_gain"),
    asked("drift from itself", "drift@reference=test", "drift", "drifted_columns_share", dataset="test", reference="test"),
    asked("drift from data not seen", "drift@reference=reference", "drift", "drifted_columns_share", reference="reference"),
    asked("drift of a column that is not there", "drift@column=xx", "drift", "distance", column="xx"),
    asked("drift of free text", "drift@column=note", "drift", "distance", column="note"),
    asked("overlap of data with themselves", "overlap@test,test", "overlap", "shared_rows", datasets=["test", "test"]),
    asked("overlap of one dataset", "overlap.shared_rows[datasets=test]", "overlap", "shared_rows", datasets=["test"]),
    asked("overlap with data not seen", "overlap@train,validation", "overlap", "shared_rows", datasets=["train", "validation"]),
    asked("leakage between data and themselves", "leakage@test,test", "leakage", "near_duplicate_rows", datasets=["test", "test"]),
    asked("leakage from data not seen", "leakage@train,validation", "leakage", "near_duplicate_rows", datasets=["train", "validation"]),
    asked("leakage through a column that is not there", "leakage@column=xx", "leakage", "single_feature_score", column="xx"),
    asked("the order of a column that is not there", "leakage.out_of_order_rows[column=xx", "leakage", "out_of_order_rows", column="xx"),
    asked("quality of data not seen", "quality@validation", "quality", "completeness", dataset="validation"),
    asked("quality of a column that is not there", "quality@column=xx", "quality", "completeness", column="xx"),
    asked("characteristics of data not seen", "characteristics@validation", "characteristics", "completeness", dataset="validation"),
    asked("personal data in data not seen", "personal_data@validation", "personal_data", "suspected_columns", dataset="validation"),
    asked("a population nobody declared", "representativeness@column=k]", "representativeness", "smallest_ratio", column="k"),
    asked(
        "a population in data not seen",
        "representativeness@validation",
        "representativeness",
        "smallest_ratio",
        column="g",
        dataset="validation",
    ),
    asked("an expectation that nobody knows", "quality@expect_nothing", "quality", expectation={"type": "expect_nothing"}),
    asked("an expectation of a column that is not there", "quality@not_be_null:xx", "quality", expectation=not_null("xx")),
    asked("an expectation that any data meet", "quality@not_be_null:z:", "quality", expectation=not_null("z", mostly=0)),
    asked("an expectation of a kind of value", "quality@not_be_null:k:", "quality", expectation=not_null("k", mostly="most")),
    asked("a suite that is not there", "quality@nowhere", "quality", suite="nowhere.json"),
)
"""Cases of one requirement each. They do not touch one another, so that they are asked of one run."""


def shares(column: str = "g", **groups: float) -> Spoil:
    """Declare another population, and ask about it."""

    def spoil(given: Given) -> None:
        declares(data_populations=[{"column": column, "shares": groups}])(given)
        requires({"check": "representativeness", "column": column, "metric": "total_variation", "max": 1})(given)

    return spoil


CASES = (
    Case("the target among the sensitive columns and the features", declares(data_sensitive=["y"], data_features=["y"]), ("fairness",)),
    Case("a favourable label that nobody has", declares(task_favourable_label=7), ("fairness",)),
    Case("a favourable label of another type", declares(task_favourable_label="0"), ("fairness",)),
    Case("a target nobody has", declares(task_target="nobody"), ("performance", "fairness", "robustness", "baseline", "leakage.leaking")),
    Case(
        "a declared digest that is another",
        declares(data_sources={"train": {"uri": "https://example.org/data", "sha256": "0" * 64}}),
        ("provenance.digest_mismatch[dataset=train]", "acquisition", "lineage.broken_links"),
    ),
    Case("nothing declared of the source", declares(data_sources={}), ("acquisition",)),
    Case(
        "a role that was declared and not seen",
        declares(data_roles={"train": "a", "test": "b", "validation": "c"}),
        ("provenance.roles_missing",),
    ),
    Case("no population", declares(data_populations=[]), ("representativeness",)),
    Case("a population of people who are not in the data", shares(up=0.5, down=0.5), ("representativeness.absent_groups",)),
    Case("a population of a column that is not there", shares("town", left=0.5, right=0.5), ("representativeness",)),
    Case("a population of numbers without bins", shares("x", left=0.5, right=0.5), ("representativeness@column=x",)),
    Case("a time column that is not there", declares(data_time="nowhen"), ("leakage.out_of_order", "characteristics.currentness")),
    Case("a time column of free text", declares(data_time="note"), ("leakage.out_of_order", "characteristics.currentness")),
    Case("a time column of fractions", declares(data_time="x"), ("characteristics.currentness",)),
    Case("no time column", declares(data_time=""), ("leakage.out_of_order", "characteristics.currentness")),
    Case("every column immutable", declares(robustness_immutable=["x", "z", "k"]), ("robustness.flip_success_share",)),
    Case("units of a column that is not there", declares(robustness_units={"nobody": [10.0]}), ()),
    Case("swaps of columns that are not there", declares(robustness_swaps=[["nobody", "noone"]]), ()),
    Case("ranges of a text column", declares(robustness_ranges={"k": [0.0, 1.0]}), ()),
)
