"""What controls ask of every run, whether or not the system file says so; and what they ask of a person or of a later phase.

A declared critical requirement on the same check, metric and kind of bound takes the place of the standing one: the bound is
then the organisation's own, and stands in the bundle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from aims_mlflow.evidence import CheckResult, Severity, State
from aims_mlflow.system import ROLES, Requirement, System

Of = Literal["run", "each role", "each acquired role", "each learning role", "train and test"]


@dataclass(frozen=True)
class Standing:
    """One question that every run is asked.

    ``unmet`` is the state where the bound is missed: FAIL where something is wrong, MISSING where something is not there.
    ``of`` says of what it is asked: the run, or each data role. ``attestable``: a person's word for the control stands in
    where the check looked and found nothing (MISSING); never where it found something wrong, or was not run.
    """

    controls: tuple[str, ...]
    check: str
    metric: str
    asks: str
    fix: str
    unmet: State = State.FAIL
    min: float | None = None
    max: float | None = None
    equals: float | None = None
    of: Of = "run"
    attestable: bool = False

    def requirement(self, scope: dict[str, str] | None = None) -> Requirement:
        """Return the question as a requirement, asked of ``scope``."""
        at = scope or {}
        return Requirement(
            check=self.check,
            metric=self.metric,
            dataset=at.get("dataset", ""),
            datasets=tuple(at["datasets"].split(",")) if "datasets" in at else (),
            min=self.min,
            max=self.max,
            equals=self.equals,
            because=self.asks,
        )


_SOURCES = (
    "fill in data.sources.<role> in aims.yaml (uri, licence, owner, acquired, collection, legal_basis, personal_data, special_categories)"
)
_GIVE = 'pass each frame as the argument that data.roles names for it, or call run.data(frame, role="...")'
_M = State.MISSING

STANDING: tuple[Standing, ...] = (
    Standing(
        ("A.6.1.2",), "objectives", "requirements_declared", "objectives become requirements", "add requirements to aims.yaml", _M, min=1
    ),
    Standing(
        ("A.6.1.2",),
        "objectives",
        "requirements_dated_after_result",
        "requirements come before results",
        "train again under the requirements as they now stand, or correct their `declared` dates in aims.yaml",
        max=0,
    ),
    Standing(
        ("A.6.1.2",),
        "objectives",
        "objectives_without_requirement",
        "every Annex C objective that applies has a requirement",
        "add a requirement that serves the objective (or set `objective: C.2.x` on one) in aims.yaml",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.1.3",),
        "process",
        "gate_declared",
        "a gate stands before deployment",
        "name aliases under gate.protects in aims.yaml",
        _M,
        min=1,
    ),
    Standing(
        ("A.6.1.3",),
        "process",
        "checks_not_run",
        "every check that is asked for can run",
        "install the check, or correct its name in aims.yaml",
        max=0,
    ),
    Standing(
        ("A.6.2.2",),
        "specification",
        "requirements_without_test",
        "every requirement has a test",
        "correct the requirement's check or metric in aims.yaml",
        max=0,
    ),
    Standing(
        ("A.6.2.2",),
        "specification",
        "undeclared_fields",
        "purpose and uses are written down",
        "fill in system.purpose, system.intended_uses and system.prohibited_uses in aims.yaml",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.2.3", "A.4.4", "A.4.5"),
        "design",
        "undocumented_fields",
        "the model can be built again",
        "let the run log what is named (parameters, features, packages, seed)",
        _M,
        max=0,
    ),
    Standing(("A.6.2.3",), "design", "code_unknown", "the code is known", "train from a git checkout or an installed package", max=0),
    Standing(("A.6.2.3",), "design", "code_dirty", "the code is committed", "commit the changes, then train again", max=0),
    Standing(
        ("A.7.5", "A.6.2.3"),
        "lineage",
        "broken_links",
        "the chain from source to model has no gap",
        "pass the training data and the model to the run, and train from known code",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.2.7", "A.8.2"),
        "documentation",
        "empty_fields",
        "the model card is filled in",
        "fill in what the model card leaves empty, under system in aims.yaml",
        _M,
        max=0,
    ),
    Standing(
        ("A.6.2.7", "A.8.2"),
        "documentation",
        "card_matches_model",
        "the model card is of this model",
        "train again, so that the card is written anew",
        equals=1,
    ),
    Standing(
        ("A.7.3",), "acquisition", "undeclared_fields", "where the data came from is declared", _SOURCES, _M, max=0, of="each acquired role"
    ),
    Standing(("A.7.2", "A.4.3"), "provenance", "roles_missing", "every declared role was seen", _GIVE, _M, max=0),
    Standing(
        ("A.7.5", "A.7.2", "A.4.3"), "provenance", "fingerprinted", "the data are known by content", _GIVE, _M, equals=1, of="each role"
    ),
    Standing(
        ("A.7.5", "A.4.3"),
        "provenance",
        "source_declared",
        "the first hop is declared",
        "declare data.sources.<role>.uri in aims.yaml",
        _M,
        equals=1,
        of="each learning role",
    ),
    Standing(
        ("A.7.5",),
        "provenance",
        "digest_mismatch",
        "the data are those that were declared",
        "find out why the data differ, or correct data.sources.<role>.sha256 in aims.yaml",
        max=0,
        of="each role",
    ),
    Standing(
        ("A.7.4",),
        "quality",
        "all_null_columns",
        "no column is empty",
        "repair or drop the empty columns before training",
        max=0,
        of="each role",
    ),
    Standing(
        ("A.7.2", "A.6.2.4"),
        "overlap",
        "shared_rows",
        "nothing is tested on what it was trained on",
        "split the data so that no row stands in both",
        max=0,
        of="train and test",
    ),
    Standing(
        ("A.7.2", "A.6.2.4"),
        "overlap",
        "identical",
        "test data are not the training data",
        "pass held-out data as test",
        max=0,
        of="train and test",
    ),
    Standing(
        ("A.7.6",),
        "preparation",
        "steps_recorded",
        "the steps from raw data to model input are recorded",
        'pass a pipeline, call run.preparation("...") for each step, or attest A.7.6 in aims.yaml',
        _M,
        min=1,
        attestable=True,
    ),
    Standing(
        ("A.7.6",),
        "preparation",
        "fitted_on_other_data",
        "what learns from data learnt from training data only",
        "fit every step on the training data only; where a run cannot see what a step learnt from, attest A.7.6 in aims.yaml",
        max=0,
        attestable=True,
    ),
)
"""The whole table (CONTROLS.md, columns PASS / FAIL / MISSING)."""

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
        for scope in _scopes(row.of, roles):
            requirement = row.requirement(scope)
            if not any(_replaces(declared, requirement) for declared in system.requirements):
                asked.append((row, requirement))
    return tuple(asked)


def _scopes(of: Of, roles: list[str]) -> list[dict[str, str]]:
    if of == "run":
        return [{}]
    if of == "train and test":
        return [{"datasets": "train,test"}]
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
