"""The acquisition check: what is declared of each source, field by field."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from aims_mlflow.checks.acquisition import FIELDS, acquisition
from aims_mlflow.system import Source


def by_role(seen: Any) -> dict[str, Any]:
    return {result.scope["dataset"]: result for result in acquisition(seen)}


def test_everything_is_declared_and_the_test_data_borrow_it(observe: Any) -> None:
    results = by_role(observe())
    assert [r.measure("undeclared_fields").value for r in results.values()] == [0, 0]
    assert results["train"].notes == ()
    assert "train data counts for them" in results["test"].notes[0]
    assert results["test"].facts["declared_under"] == "data.sources.train"


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(observe: Any, field: str) -> None:
    result = by_role(observe(declared={f"data.sources.train.{field}": None}))["train"]
    assert result.facts["undeclared_fields"] == [field]
    assert result.measure("undeclared_fields").value == 1
    assert result.coverage.left_out == (field,)


@pytest.mark.parametrize("text", ["", "  ", "TODO", "tbd.", "?", "Unknown"])
def test_a_placeholder_declares_nothing(observe: Any, text: str) -> None:
    result = by_role(observe(declared={"data.sources.train.licence": text}))["train"]
    assert result.facts["undeclared_fields"] == ["licence"]


@pytest.mark.parametrize("flag", ["personal_data", "special_categories"])
def test_no_is_an_answer(observe: Any, flag: str) -> None:
    result = by_role(observe(declared={f"data.sources.train.{flag}": False}))["train"]
    assert result.measure("undeclared_fields").value == 0


def test_nothing_declared_is_everything_undeclared(observe: Any) -> None:
    results = by_role(observe(declared={"data.sources": {}}))
    assert [r.measure("undeclared_fields").value for r in results.values()] == [len(FIELDS)] * 2


def test_the_other_roles_do_not_borrow(observe: Any) -> None:
    results = by_role(observe(roles=("train", "validation", "reference", "production")))
    assert {role: r.measure("undeclared_fields").value for role, r in results.items()} == {"train": 0, "validation": 8, "reference": 8}


def test_without_train_data_something_is_missing(observe: Any) -> None:
    results = by_role(observe(roles=("test",)))
    assert results["train"].problem.state == "missing"
    assert "run.data" in results["train"].problem.fix
    assert results["train"].measures == ()


def test_what_was_said_in_the_run_completes_and_precedes_the_file(observe: Any) -> None:
    seen = observe(given={"train": Source(uri="s3://other/place", licence="MIT"), "test": Source(acquired=date(2026, 1, 1))})
    results = by_role(seen)
    assert results["train"].measure("undeclared_fields").value == 0
    assert results["train"].facts["licence"] == "MIT"
    assert "another address" in results["train"].notes[0]
    assert results["test"].measure("undeclared_fields").value == len(FIELDS) - 1
