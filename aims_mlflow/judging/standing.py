"""Which questions a run is asked and of what: the standing ones, the declared ones, and those left to a person or a later phase.

A declared critical requirement on the same check, metric and kind of bound takes the place of the standing one: the bound is
then the organisation's own, and stands in the bundle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aims_mlflow.evidence import CheckResult, Severity
from aims_mlflow.judging.questions import STANDING, Of, Standing
from aims_mlflow.system import ROLES, Requirement, System

RUN_ALONE: frozenset[str] = frozenset({"A.6.2.3", "A.6.2.4", "A.6.2.7", "A.7.2", "A.7.3", "A.7.4", "A.7.5", "A.7.6"})
"""The controls that a run can show by itself. Every other one needs a named person's attestation besides, or instead."""

DECLARATION = "requirement_declared"
"""Metric of the standing question whether a check has a critical requirement at all: without one a run can only look well."""


@dataclass(frozen=True)
class LaterPhase:
    """A control whose evidence comes after training: who will give it (``check`` and ``requirement``), and what to say until then."""

    check: str
    requirement: str
    reason: str
    fix: str


LATER: dict[str, LaterPhase] = {
    "A.6.2.5": LaterPhase(
        "gate",
        "gate.decision",
        "deployment comes later: a training run cannot show it, the gate's decision at promotion does",
        "promote with `aims promote MODEL_URI ALIAS`, and attest A.6.2.5 (release approval) in aims.yaml",
    ),
    "A.6.2.6": LaterPhase(
        "monitor",
        "monitor.looked",
        "operation and monitoring come later: a training run cannot show them",
        "monitor the deployed model (`aims monitor`), and attest A.6.2.6 (who watches and who answers) in aims.yaml",
    ),
    "A.6.2.8": LaterPhase(
        "event_log",
        "event_log.complete",
        "event logs of operation come later: a training run cannot show them",
        "log the deployed model's events, and attest A.6.2.8 (what is logged and for how long) in aims.yaml",
    ),
}

GATED: tuple[str, ...] = (
    "A.6.1.2",
    "A.6.1.3",
    "A.6.2.2",
    "A.6.2.3",
    "A.6.2.4",
    "A.6.2.7",
    "A.7.2",
    "A.7.3",
    "A.7.4",
    "A.7.5",
    "A.7.6",
)
"""The controls of A.6 and A.7 that can have evidence before deployment: what the gate looks at by default."""


def gated_controls(system: System) -> tuple[str, ...]:
    """Return the controls that the gate looks at: gate.controls, or the eleven that can have evidence before deployment."""
    return GATED if system.gate.controls is None else tuple(dict.fromkeys(system.gate.controls))


def expected_roles(system: System, results: Sequence[CheckResult]) -> tuple[str, ...]:
    """Return the data roles that evidence is asked of: those the system file declares, and those that any result speaks of.

    Production data come after deployment: they are asked for only where a result speaks of them.
    """
    seen = {r.scope["dataset"] for r in results if "dataset" in r.scope}
    return tuple(role for role in ROLES if role in seen or (role in system.data.roles and role != "production"))


def expanded(system: System, results: Sequence[CheckResult] = ()) -> tuple[Requirement, ...]:
    """Return the declared requirements, one for each thing they are asked of.

    Fairness without a column is asked of every sensitive column, quality without a dataset of every role that the system file
    declares or a result speaks of. So each is judged, cited and waived by an id of its own.
    """
    roles = expected_roles(system, results)
    made: list[Requirement] = []
    for requirement in system.requirements:
        if requirement.check == "fairness" and not requirement.column and system.data.sensitive_columns:
            made += [requirement.model_copy(update={"column": column}) for column in system.data.sensitive_columns]
        elif requirement.check == "quality" and not requirement.dataset and roles:
            made += [requirement.model_copy(update={"dataset": role}) for role in roles]
        else:
            made.append(requirement)
    return tuple(made)


def standing_requirements(system: System, results: Sequence[CheckResult]) -> tuple[tuple[Standing, Requirement], ...]:
    """Return every standing question with the requirement that asks it, once for each role it is asked of.

    What a critical declared requirement asks in the same way (check, metric, kind of bound, at most the same scope) is left
    to that one.
    """
    roles = ["train", "test", *(role for role in expected_roles(system, results) if role not in ("train", "test"))]
    asked = []
    for row in STANDING:
        for scope in _scopes(row.of, roles, system.data.time, results):
            requirement = row.requirement(scope)
            if not any(_replaces(declared, requirement) for declared in system.requirements):
                asked.append((row, requirement))
    return tuple(asked)


def _scopes(of: Of, roles: list[str], time: str, results: Sequence[CheckResult]) -> list[dict[str, str]]:
    """Return of what a question is asked; nothing, where it is about what was neither declared nor shown."""
    later = [role for role in ("test", "validation") if role in roles]
    shown = any(r.check == "preparation" and r.measure("digest_gaps") for r in results)
    taken = [r.measure("upstream_models") for r in results if r.check == "upstream"]
    fixed: dict[Of, list[dict[str, str]]] = {
        "run": [{}],
        "train and test": [{"datasets": "train,test"}],
        "test after train": [{"dataset": "test", "reference": "train"}],
        "train and what follows it": [{"datasets": f"train,{role}", "column": time} for role in later if time],
        "steps that were shown": [{}] if shown else [],
        "models that were taken over": [{}] if any(one is not None and one.value for one in taken) else [],
    }
    if of in fixed:
        return fixed[of]
    among = {
        "each role": ROLES,
        "each acquired role": ("train", "validation", "test", "reference"),
        "each learning role": ("train", "validation"),
    }
    return [{"dataset": role} for role in roles if role in among[of]]


def _replaces(declared: Requirement, standing: Requirement) -> bool:
    same_kind = any(getattr(declared, kind) is not None and getattr(standing, kind) is not None for kind in ("min", "max", "equals"))
    return (
        declared.severity is Severity.CRITICAL
        and (declared.check, declared.metric) == (standing.check, standing.metric)
        and (same_kind or declared.equals is not None)
        and declared.scope.items() <= standing.scope.items()
    )


NOBODY = (
    "name under data.sensitive the columns that tell groups of people apart; where outcomes touch nobody, "
    "add to attestations in aims.yaml: - "
    "{control: A.6.1.2, not_applicable: true, statement: C.2.5 does not apply because <why>, by: <name or role>, on: <date>}"
)
"""What to do about fairness where no sensitive column is declared."""


def to_declare(system: System, excluded: Collection[str] = ()) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return the checks that must have a critical requirement, with the controls that ask it and what to add to aims.yaml.

    Leaving sensitive columns out is no way around fairness: where a system's outcomes touch nobody, a person says so.

    Args:
        system: the declaration.
        excluded: Annex C objectives that a person has declared not applicable; without C.2.5 nothing is asked of fairness.
    """
    metric = {"binary_classification": "roc_auc_score", "multiclass_classification": "balanced_accuracy_score", "regression": "r2_score"}
    gap, bound = ("mean_absolute_error_difference", "max") if system.task.kind == "regression" else ("demographic_parity_ratio", "min")
    drop = "r2_drop" if system.task.kind == "regression" else "accuracy_drop"
    lines: dict[str, tuple[tuple[str, ...], str]] = {
        "performance": (("A.6.2.4",), f"{{check: performance, metric: {metric[system.task.kind]}, min: <bound>, because: <why>}}"),
        "robustness": (
            ("A.6.2.4",),
            f"{{check: robustness, perturbation: numeric_noise, strength: 0.1, metric: {drop}, max: <bound>, because: <why>}}",
        ),
        "quality": (("A.7.4",), "{check: quality, dataset: train, suite: <path of a Great Expectations suite>}"),
    }
    declared = {check: (controls, f"add to requirements in aims.yaml: - {line}") for check, (controls, line) in lines.items()}
    if "C.2.5" not in excluded:
        column = next(iter(system.data.sensitive_columns), "<column>")
        line = f"add to requirements in aims.yaml: - {{check: fairness, metric: {gap}, column: {column}, {bound}: <bound>, because: <why>}}"
        declared["fairness"] = (("A.6.2.4", "A.5.4"), line if system.data.sensitive_columns else f"{NOBODY}; else {line}")
    return declared
