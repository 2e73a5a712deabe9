"""Objectives (A.6.1.2): which Annex C objectives have a requirement, and whether every requirement was there before its result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from aims_mlflow import registry
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Subject
from aims_mlflow.judging.persons import latest_local_date
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check
from aims_mlflow.system import Requirement

SERVED_BY: Mapping[str, tuple[str, ...]] = {
    "C.2.3": ("quality", "drift", "overlap"),
    "C.2.5": ("fairness",),
    "C.2.8": ("robustness",),
}
"""The objectives that a run can measure, and our own checks that serve each; a check may name further ones when it is registered."""


@check(
    "objectives",
    controls=["A.6.1.2"],
    metrics=("requirements_declared", "requirements_dated_after_result", "objectives_without_requirement"),
)
def objectives(seen: Observation) -> CheckResult:
    """Count the declared requirements, those dated after the run began, and the applicable objectives without one.

    A date in the file is local to whoever wrote it: it is late where it lies after the day on which the run began everywhere.
    C.2.3 (quality of data) and C.2.8 (robustness) always apply, C.2.5 (fairness) where sensitive columns are declared. An
    objective can be left out by a person: an attestation for A.6.1.2 with ``not_applicable: true`` whose statement names it.
    """
    system = seen.system
    today = latest_local_date(seen.run.started)
    asked = system.requirements
    late = [r.id for r in asked if r.declared is not None and r.declared > today]
    undated = [r.id for r in asked if r.declared is None]

    applicable = ["C.2.3", *(["C.2.5"] if system.data.sensitive else []), "C.2.8"]
    excluded = _excluded(seen, applicable, today)
    served = {objective: [r.id for r in asked if objective in objectives_of(r)] for objective in applicable}
    without = [objective for objective in applicable if not served[objective] and objective not in excluded]
    notes = []
    if undated:
        notes.append(f"{len(undated)} of {len(asked)} requirements have no date of their own: the time the file was loaded counts")
    if excluded:
        notes.append(f"left out by a person's signed statement: {', '.join(excluded)}")
    return CheckResult(
        check="objectives",
        measures=(
            Measure.counted("requirements_declared", len(asked)),
            Measure.counted("requirements_dated_after_result", len(late), n=len(asked)),
            Measure.counted("objectives_without_requirement", len(without), n=len(applicable)),
        ),
        facts={
            "requirements": [r.id for r in asked],
            "requirements_dated_after_result": [*late],
            "undated": [*undated],
            "objectives": {objective: [*ids] for objective, ids in served.items()},
            "objectives_without_requirement": [*without],
            "objectives_excluded": [*excluded],
        },
        notes=tuple(notes),
        coverage=Coverage(asked=tuple(applicable), evaluated=tuple(o for o in applicable if o not in without)),
        subjects=(Subject(kind="system", name=system.id, sha256=system.sha256),),
    )


def objectives_of(requirement: Requirement) -> tuple[str, ...]:
    """Return the Annex C objectives a requirement serves: its own, else those of its check."""
    if requirement.objective is not None:
        return (requirement.objective,)
    known = registry.checks().get(requirement.check)
    own = {objective for objective, names in SERVED_BY.items() if requirement.check in names}
    return tuple(sorted(own | set(known.objectives if known else ())))


def _excluded(seen: Observation, applicable: list[str], today: date) -> list[str]:
    """Return the applicable objectives that an unexpired attestation names as not applicable."""
    statements = [
        a.statement
        for a in seen.system.attestations
        if a.control == "A.6.1.2" and a.not_applicable and a.on <= today and (a.expires is None or a.expires >= seen.run.started.date())
    ]
    named = {objective for text in statements for objective in re.findall(r"\bC\.2\.\d{1,2}(?!\d|\.\d)", text)}
    return [objective for objective in applicable if objective in named]
