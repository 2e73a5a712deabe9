"""The objectives check: what it counts, what a person's statement leaves out, and requirements that come after their result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aims_mlflow.checks.objectives import objectives, objectives_of
from aims_mlflow.system import Requirement

FAIRNESS = {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8}
NOT_APPLICABLE = {"control": "A.6.1.2", "by": "Chief risk officer", "on": "2026-01-01", "not_applicable": True}


def test_counts_what_is_declared(observe: Any) -> None:
    result = objectives(observe())
    assert {m.name: m.value for m in result.measures} == {
        "requirements_declared": 3,
        "requirements_dated_after_result": 0,
        "objectives_without_requirement": 0,
    }
    assert all(m.exact for m in result.measures)
    assert result.facts["requirements"][0] == "fairness.demographic_parity_ratio[column=sex]"
    assert "2 of 3 requirements have no date" in result.notes[0]


def test_no_requirement_at_all_leaves_every_objective_open(observe: Any) -> None:
    result = objectives(observe(declared={"requirements": []}))
    assert result.measure("requirements_declared").value == 0
    assert result.facts["objectives_without_requirement"] == ["C.2.3", "C.2.5", "C.2.8"]


def test_leaving_the_sensitive_columns_out_is_no_way_around_fairness(observe: Any) -> None:
    result = objectives(observe(declared={"requirements": [], "data.sensitive": []}))
    assert result.facts["objectives_without_requirement"] == ["C.2.3", "C.2.5", "C.2.8"]


@pytest.mark.parametrize(
    ("declared", "late"),
    [("2026-02-28", 0), ("2026-03-01", 0), ("2026-03-02", 0), ("2026-03-03", 1), ("2099-01-01", 1), (None, 0)],
)
def test_a_date_after_the_run_began_is_counted(observe: Any, declared: str | None, late: int) -> None:
    result = objectives(observe(declared={"requirements": [{**FAIRNESS, "declared": declared}]}))
    assert result.measure("requirements_dated_after_result").value == late
    assert len(result.facts["requirements_dated_after_result"]) == late


@pytest.mark.parametrize(
    ("started", "late"),
    [
        (datetime(2026, 3, 1, 9, 59, tzinfo=UTC), 1),  # the first of March everywhere
        (datetime(2026, 3, 1, 10, tzinfo=UTC), 0),  # already the second on Kiritimati
        (datetime(2026, 3, 1, 5, tzinfo=timezone(timedelta(hours=-5))), 0),
        (datetime(2026, 3, 1, 14, 59, tzinfo=timezone(timedelta(hours=5))), 1),
        (datetime(2026, 3, 1, 9, 59), 1),  # noqa: DTZ001 - a time without a zone is UTC
    ],
)
def test_a_date_is_late_where_it_is_late_everywhere(observe: Any, started: datetime, late: int) -> None:
    seen = observe(declared={"requirements": [{**FAIRNESS, "declared": "2026-03-02"}]}, run={"started": started})
    assert objectives(seen).measure("requirements_dated_after_result").value == late


@pytest.mark.parametrize(
    ("statement", "more", "left"),
    [
        ("C.2.8 does not apply: no perturbation is possible.", {}, ["C.2.3", "C.2.5"]),
        ("Neither C.2.8 nor C.2.5 applies", {}, ["C.2.3"]),
        ("C.2.80 is no objective, C.2.8.1 neither", {}, ["C.2.3", "C.2.5", "C.2.8"]),
        ("C.2.8", {"on": "2026-03-03"}, ["C.2.3", "C.2.5", "C.2.8"]),
        ("C.2.8", {"expires": "2026-02-28"}, ["C.2.3", "C.2.5", "C.2.8"]),
        ("C.2.8", {"expires": "2026-03-01"}, ["C.2.3", "C.2.5"]),
        ("C.2.8", {"not_applicable": False}, ["C.2.3", "C.2.5", "C.2.8"]),
        ("C.2.8", {"control": "A.6.2.2"}, ["C.2.3", "C.2.5", "C.2.8"]),
    ],
)
def test_a_signed_statement_leaves_an_objective_out(observe: Any, statement: str, more: dict[str, Any], left: list[str]) -> None:
    seen = observe(declared={"requirements": [], "attestations": [{**NOT_APPLICABLE, "statement": statement, **more}]})
    result = objectives(seen)
    assert result.facts["objectives_without_requirement"] == left
    assert result.measure("objectives_without_requirement").value == len(left)


@pytest.mark.parametrize(
    ("requirement", "served"),
    [
        (FAIRNESS, "C.2.5"),
        ({**FAIRNESS, "objective": "C.2.7"}, "C.2.7"),
        ({"check": "drift", "metric": "drifted_columns_share", "max": 0.2}, "C.2.3"),
        ({"check": "robustness", "metric": "accuracy_drop", "max": 0.2}, "C.2.8"),
    ],
)
def test_a_requirement_serves_its_own_objective_else_that_of_its_check(requirement: dict[str, Any], served: str) -> None:
    assert served in objectives_of(Requirement.model_validate(requirement))


def test_a_requirement_of_an_unknown_check_serves_nothing() -> None:
    assert objectives_of(Requirement(check="fairnes", metric="demographic_parity_ratio", min=0.8)) == ()
