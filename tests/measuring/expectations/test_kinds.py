"""Every type of expectation asks about one characteristic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import aims_mlflow.data
from aims_mlflow.measuring.expectations.kinds import RULED, characteristic_of
from aims_mlflow.measuring.expectations.quality_model import CHARACTERISTICS
from aims_mlflow.system import Expectation

TYPES = json.loads((Path(aims_mlflow.data.__file__).parent / "expectation_types.json").read_text())["types"]


def test_every_type_has_a_characteristic_of_the_standard() -> None:
    found = {characteristic_of(Expectation(type=one)) for one in TYPES}
    assert found <= set(RULED) <= {one.name for one in CHARACTERISTICS}
    assert characteristic_of(Expectation(type="expect_something_of_my_own")) == ""


@pytest.mark.parametrize(
    ("type_", "more", "characteristic"),
    [
        ("expect_column_values_to_not_be_null", {}, "completeness"),
        ("expect_column_values_to_match_regex", {}, "accuracy"),
        ("expect_column_values_to_match_regex", {"meta": {"characteristic": "precision"}}, "precision"),
        ("expect_column_values_to_match_regex", {"meta": {"characteristic": "beauty"}}, "accuracy"),
        ("expect_compound_columns_to_be_unique", {}, "consistency"),
        ("expect_column_proportion_of_unique_values_to_be_between", {}, "consistency"),
        ("expect_column_max_to_be_between", {"kwargs": {"column": "when"}}, "currentness"),
        ("expect_column_max_to_be_between", {"kwargs": {"column": "price"}}, "accuracy"),
        ("expect_column_unique_value_count_to_be_between", {}, "diversity"),
        ("expect_column_kl_divergence_to_be_less_than", {}, "representativeness"),
    ],
    ids=lambda value: str(value),
)
def test_what_is_asked_about(type_: str, more: dict[str, Any], characteristic: str) -> None:
    assert characteristic_of(Expectation.model_validate({"type": type_, **more}), {"when"}) == characteristic
