"""Objectives (A.6.1.2): which Annex C objectives have a requirement, and whether every requirement was there before its result."""

from __future__ import annotations

from collections.abc import Mapping

from aims_mlflow import registry
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Subject
from aims_mlflow.judging.persons import excluded_objectives, latest_local_date
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check
from aims_mlflow.system import Requirement

SERVED_BY: Mapping[str, tuple[str, ...]] = {
    "C.2.3": ("quality", "drift", "overlap"),
    "C.2.5": ("fairness",),
    "C.2.8": ("robustness",),
}
"""The objectives that a run can measure, and our own checks that serve each; a check may name further ones when it is registered."""

ALWAYS = tuple(SERVED_BY)
"""The objectives that every system is asked about."""


@check(
    "objectives",
    controls=["A.6.1.2"],
    metrics=("requirements_declared", "requirements_dated_after_result", "objectives_without_requirement"),
)
def objectives(seen: Observation) -> CheckResult:
    """Count the declared requirements, those dated after the run began, and the applicable objectives without one.

    A date in the file is local to whoever wrote it: it is late where it lies after the day on which the run began everywhere.
    C.2.3 (quality of data), C.2.5 (fairness) and C.2.8 (robustness) always apply: leaving the sensitive columns out is no way
    around fairness. An objective can be left out by a person: an attestation for A.6.1.2 with ``not_applicable: true`` whose
    statement names it.
    """
    system = seen.system
    today = latest_local_date(seen.run.started)
    asked = system.requirements
    late = [r.id for r in asked if r.declared is not None and r.declared > today]
    undated = [r.id for r in asked if r.declared is None]

    not_applicable = excluded_objectives(system, by=today, on=seen.run.started.date())
    excluded = [objective for objective in ALWAYS if objective in not_applicable]
    served = {objective: [r.id for r in asked if objective in objectives_of(r)] for objective in ALWAYS}
    without = [objective for objective in ALWAYS if not served[objective] and objective not in excluded]
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
            Measure.counted("objectives_without_requirement", len(without), n=len(ALWAYS)),
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
        coverage=Coverage(asked=ALWAYS, evaluated=tuple(o for o in ALWAYS if o not in without)),
        subjects=(Subject(kind="system", name=system.id, sha256=system.sha256),),
    )


def objectives_of(requirement: Requirement) -> tuple[str, ...]:
    """Return the Annex C objectives a requirement serves: its own, else those of its check."""
    if requirement.objective is not None:
        return (requirement.objective,)
    known = registry.checks().get(requirement.check)
    own = {objective for objective, names in SERVED_BY.items() if requirement.check in names}
    return tuple(sorted(own | set(known.objectives if known else ())))
