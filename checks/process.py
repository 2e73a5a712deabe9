"""Process (A.6.1.3): whether a gate stands before deployment, and whether every check that a requirement names can run at all."""

from __future__ import annotations

from aims_mlflow import registry
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Subject
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check


@check("process", controls=["A.6.1.3"], metrics=("gate_declared", "checks_not_run"))
def process(seen: Observation) -> CheckResult:
    """Count the aliases and stages that the gate protects, and the checks asked for that nobody has registered.

    A registered check that has nothing to say is judged with the requirement itself; one that is not registered is never
    run, which only shows here.
    """
    gate, code = seen.system.gate, seen.run.code
    protected = sorted({name.strip().casefold() for name in gate.protects if name.strip()})
    named = sorted({r.check for r in seen.system.requirements})
    known = registry.checks()
    not_run = [name for name in named if name not in known]
    notes = [] if code.reference else ["the code that trained the model is not known by a commit or a released package"]
    if not gate.trusted_keys:
        notes.append("the gate trusts any key: gate.trusted_keys is empty")
    return CheckResult(
        check="process",
        measures=(Measure.counted("gate_declared", len(protected)), Measure.counted("checks_not_run", len(not_run), n=len(named))),
        facts={
            "protects": [*protected],
            "policy_sha256": seen.system.sha256,
            "trusted_keys": len(gate.trusted_keys),
            "inconclusive": gate.inconclusive,
            "max_age_days": gate.max_age_days,
            "checks_asked_for": [*named],
            "checks_not_run": [*not_run],
            "code": {"kind": code.kind, "reference": code.reference, "dirty": code.dirty},
        },
        notes=tuple(notes),
        coverage=Coverage(asked=tuple(named), evaluated=tuple(name for name in named if name in known)),
        subjects=(Subject(kind="system", name=seen.system.id, sha256=seen.system.sha256),),
    )
