"""Specification (A.6.2.2): whether every requirement has a test that can answer it, and what the system is for is written down."""

from __future__ import annotations

from aims_mlflow import registry
from aims_mlflow.describing import said
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Subject
from aims_mlflow.observation import Observation
from aims_mlflow.registry import Check, check
from aims_mlflow.system import Requirement


@check("specification", controls=["A.6.2.2"], metrics=("requirements_without_test", "undeclared_fields"))
def specification(seen: Observation) -> CheckResult:
    """Count the requirements whose check or metric nobody knows, and the fields of the specification that are empty.

    The fields are purpose, intended_uses, prohibited_uses and requirements: without a requirement there is nothing to
    test, which must not read as everything tested.
    """
    declared = seen.system.system
    asked = seen.system.requirements
    known = registry.checks()
    orphans = [r.id for r in asked if not has_test(r, known.get(r.check))]
    fields = {
        "purpose": said(declared.purpose),
        "intended_uses": any(said(use) for use in declared.intended_uses),
        "prohibited_uses": any(said(use) for use in declared.prohibited_uses),
        "requirements": bool(asked),
    }
    undeclared = [name for name, filled in fields.items() if not filled]
    return CheckResult(
        check="specification",
        measures=(
            Measure.counted("requirements_without_test", len(orphans), n=len(asked)),
            Measure.counted("undeclared_fields", len(undeclared), n=len(fields)),
        ),
        facts={
            "requirements": {r.id: f"{r.check}.{r.metric or 'met_share'}" for r in asked if r.id not in orphans},
            "requirements_without_test": [*orphans],
            "undeclared_fields": [*undeclared],
        },
        coverage=Coverage(asked=tuple(r.id for r in asked), evaluated=tuple(r.id for r in asked if r.id not in orphans)),
        subjects=(Subject(kind="system", name=seen.system.id, sha256=seen.system.sha256),),
    )


def has_test(requirement: Requirement, test: Check | None) -> bool:
    """Return whether the check is known and measures what the requirement asks; an expectation or a suite is quality's own."""
    if test is None:
        return False
    if requirement.expectation is not None or requirement.suite:
        return test.name == "quality"
    return requirement.metric in test.metric_names()
