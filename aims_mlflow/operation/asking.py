"""What is asked of production data: the requirements as they read in operation, and what cannot be asked for want of input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aims_mlflow.disparity import DISPARITIES
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import Severity
from aims_mlflow.judging.standing import expanded
from aims_mlflow.measuring.expectations.evaluating import read_suite
from aims_mlflow.system import Expectation, Requirement, System
from aims_mlflow.unknowns import Unknown

if TYPE_CHECKING:
    from aims_mlflow.bundle import Bundle

PRODUCTION, REFERENCE = "production", "reference"

CONTROLS = ("A.6.2.6", "A.6.2.8")
"""What monitoring is evidence for: operation and monitoring, and the event log."""

ALSO_ASKED: Mapping[str, tuple[str, ...]] = {
    "performance": ("", "test"),
    "fairness": ("", "test"),
    "drift": ("", "test"),
    "quality": ("", "train", "test"),
}
"""Checks whose requirements hold in operation, too: on which data role they must be declared. Quality is asked of what a model is fed,
as it was of what it learnt from. Robustness, overlap and the like are about the model or its training; they are asked of production
data only where a requirement names the role production."""

SELECTION = frozenset({"selection_rate", "group_size"})
"""Fairness measures that predictions show by themselves, without labels."""

OF_LABELS = frozenset({"positive_share", "minority_share", "classes", "missing_labels"})
"""Quality measures of the target."""

NO_LABELS = "give the outcomes when they are known: --labels FILE, or --target COLUMN where the data hold them"
NO_REFERENCE = "give the frame to compare with, as a rule the training data: --reference FILE"


@dataclass(frozen=True)
class Asked:
    """What one look at production data asks.

    ``judged`` is the system with what is asked of production as its requirements; ``looking`` asks besides for what is only shown.
    ``origins``: id of what is asked -> id of the requirement as a training run is judged by it. ``unknown``: critical requirements
    that cannot be looked at without labels or a reference, with what to do.
    """

    judged: System
    looking: System
    origins: Mapping[str, str]
    unknown: tuple[Unknown, ...]


def asked_of_production(system: System, *, labels: bool, reference: bool) -> Asked:
    """Return what is asked of production data.

    A requirement on the role production stands as it is, and replaces one on another role that asks the same.

    Args:
        system: the policy.
        labels: whether the outcomes are known.
        reference: whether there is a frame to compare with.
    """
    asked: list[Requirement] = []
    origins: dict[str, str] = {}
    unknown: dict[str, Unknown] = {}
    for declared, moved in _moved(system):
        wants = _wants(moved, system)
        if (wants == "labels" and not labels) or (wants == REFERENCE and not reference):
            if moved.severity is Severity.CRITICAL:
                unknown.setdefault(moved.id, _unknown(moved, wants))
            continue
        parts = [moved] if labels else _without_target(moved, system)
        for one in parts:
            origins.setdefault(one.id, declared.id)
        asked += [one for one in parts if one not in asked]
        if not labels and moved.suite and parts != [moved] and moved.severity is Severity.CRITICAL:
            unknown.setdefault(moved.id, Unknown(moved.id, f"what the suite asks of {system.task.target} needs labels", NO_LABELS))
    of_baseline = any(r.check == "baseline" for r in asked)
    identity = system.system if of_baseline else system.system.model_copy(update={"baseline": ""})
    gate = system.gate.model_copy(update={"controls": CONTROLS})
    judged = system.model_copy(update={"requirements": tuple(asked), "gate": gate, "system": identity})
    shown = tuple(_shown(system, labels=labels, reference=reference))
    looking = judged.model_copy(update={"requirements": (*asked, *shown)})
    return Asked(judged, looking, origins, tuple(unknown.values()))


def asked_in(system: System, bundle: Bundle) -> Asked:
    """Return what is asked of the production data that a monitoring run has seen, by the system file at hand."""
    labels = any(d.role == PRODUCTION and system.task.target in d.columns for d in bundle.datasets)
    return asked_of_production(system, labels=labels, reference=any(d.role == REFERENCE for d in bundle.datasets))


def _moved(system: System) -> Iterator[tuple[Requirement, Requirement]]:
    """Yield each requirement that holds in operation, as declared and as it reads there."""
    every = expanded(system)
    own = [r for r in every if r.dataset == PRODUCTION]
    for declared in own:
        yield declared, _restated(declared)
    said = [_question(_restated(r)) for r in own]
    for declared in every:
        if declared.dataset == PRODUCTION or declared.dataset not in ALSO_ASKED.get(declared.check, ()):
            continue
        moved = _restated(declared)
        if _question(moved) not in said:
            yield declared, moved


def _restated(requirement: Requirement) -> Requirement:
    against = {"reference": REFERENCE} if requirement.check == "drift" else {}
    return requirement.model_copy(update={"dataset": PRODUCTION, **against})


def _question(requirement: Requirement) -> tuple[str, bool, bool, bool]:
    """Return what a requirement asks, whatever its bound."""
    return requirement.id, requirement.min is not None, requirement.max is not None, requirement.equals is not None


def _wants(requirement: Requirement, system: System) -> str:
    """Return what must be given so that a requirement can be looked at: ``labels``, ``reference`` or nothing."""
    if requirement.check == "drift":
        return REFERENCE
    if requirement.check == "performance" or (requirement.check == "fairness" and not _shows_in_predictions(requirement.metric)):
        return "labels"
    if requirement.check == "fairness" and system.task.kind == "regression":
        return "labels"
    if requirement.check == "quality":
        target = system.task.target
        of_target = requirement.metric in OF_LABELS or requirement.column == target
        if of_target or (requirement.expectation is not None and _names(requirement.expectation, target)):
            return "labels"
    return ""


def _shows_in_predictions(metric: str) -> bool:
    return metric in SELECTION or (metric in DISPARITIES and set(DISPARITIES[metric].rates) <= SELECTION)


def _names(expectation: Expectation, column: str) -> bool:
    """Return whether an expectation is about a column."""
    for key, value in expectation.kwargs.items():
        if key.startswith("column") and (value == column or (isinstance(value, list) and column in value)):
            return True
    return False


def _without_target(requirement: Requirement, system: System) -> list[Requirement]:
    """Return a suite that asks something of the target as its other expectations, one by one; everything else as it is."""
    if not requirement.suite:
        return [requirement]
    try:
        suite = read_suite(requirement.suite, system.base_dir)
    except CannotMeasure:  # the check says so
        return [requirement]
    kept = [one for one in suite.expectations if not _names(one, system.task.target)]
    if len(kept) == len(suite.expectations):
        return [requirement]
    return [requirement.model_copy(update={"suite": "", "expectation": one}) for one in kept]


def _unknown(requirement: Requirement, wants: str) -> Unknown:
    if wants == REFERENCE:
        return Unknown(requirement.id, "it compares rows, and no frame to compare with was given", NO_REFERENCE)
    return Unknown(requirement.id, "it needs the outcomes, and no labels were given", NO_LABELS)


def _shown(system: System, *, labels: bool, reference: bool) -> Iterator[Requirement]:
    """Yield questions that make the checks measure what nobody has set a bound for; they are never judged."""
    if labels:
        usual = "r2_score" if system.task.kind == "regression" else "accuracy_score"
        yield Requirement(check="performance", metric=usual, dataset=PRODUCTION, min=0, severity=Severity.MINOR)
    if labels or system.task.kind != "regression":
        yield Requirement(check="fairness", metric="group_size", dataset=PRODUCTION, min=0, severity=Severity.MINOR)
    if reference:
        yield Requirement(
            check="drift", metric="drifted_columns_share", dataset=PRODUCTION, reference=REFERENCE, max=1, severity=Severity.MINOR
        )
