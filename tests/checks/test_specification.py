"""The specification check: requirements that no test answers, and fields that nobody has filled."""

from __future__ import annotations

from typing import Any

import pytest

from aims_mlflow.checks.specification import has_test, specification
from aims_mlflow.registry import Check
from aims_mlflow.system import Requirement

KNOWN = {"check": "lineage", "metric": "broken_links", "max": 0}


def test_every_requirement_has_a_test(observe: Any) -> None:
    result = specification(observe(declared={"requirements": [KNOWN]}))
    assert {m.name: m.value for m in result.measures} == {"requirements_without_test": 0, "undeclared_fields": 0}
    assert result.facts["requirements"] == {"lineage.broken_links": "lineage.broken_links"}


@pytest.mark.parametrize(
    "orphan",
    [{**KNOWN, "check": "linage"}, {**KNOWN, "metric": "broken_link"}],
    ids=["unknown check", "unknown metric"],
)
def test_an_orphan_is_named(observe: Any, orphan: dict[str, Any]) -> None:
    result = specification(observe(declared={"requirements": [KNOWN, orphan]}))
    assert result.measure("requirements_without_test").value == 1
    assert result.facts["requirements_without_test"] == [f"{orphan['check']}.{orphan['metric']}"]
    assert result.coverage.left_out == tuple(result.facts["requirements_without_test"])


def test_a_quality_requirement_is_tested_by_its_expectation_or_suite() -> None:
    quality = Check("quality", lambda _: (), ("A.7.4",), metrics=("met_share",))
    expectation = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}}
    assert has_test(Requirement.model_validate({"check": "quality", "expectation": expectation}), quality)
    assert has_test(Requirement(check="quality", suite="suite.json"), quality)
    assert not has_test(Requirement(check="quality", suite="suite.json"), None)
    assert not has_test(Requirement(check="quality", metric="nothing", max=0), quality)


def test_metric_names_may_come_from_a_function() -> None:
    test = Check("mine", lambda _: (), ("A.7.4",), metrics=lambda: ("one", "two"))
    assert has_test(Requirement(check="mine", metric="two", max=0), test)
    assert not has_test(Requirement(check="mine", metric="three", max=0), test)


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("system.purpose", "", "purpose"),
        ("system.purpose", " TODO ", "purpose"),
        ("system.intended_uses", [], "intended_uses"),
        ("system.intended_uses", ["..."], "intended_uses"),
        ("system.prohibited_uses", None, "prohibited_uses"),
        ("requirements", [], "requirements"),
    ],
)
def test_an_empty_field_is_named(observe: Any, path: str, value: Any, name: str) -> None:
    result = specification(observe(declared={"requirements": [KNOWN], path: value}))
    assert result.facts["undeclared_fields"] == [name]
    assert result.measure("undeclared_fields").value == 1


def test_nothing_required_does_not_read_as_everything_tested(observe: Any) -> None:
    result = specification(observe(declared={"requirements": []}))
    assert result.measure("undeclared_fields").value == 1
    assert result.measure("requirements_without_test").n == 0
