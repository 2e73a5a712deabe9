"""When one requirement is at least as strict as another that asks the same, and which ones every run is asked anyway."""

from __future__ import annotations

from typing import Literal

from aims_mlflow.disparity import MINIMUM_N
from aims_mlflow.evidence import Severity
from aims_mlflow.judging import DEFAULT_SCOPES
from aims_mlflow.judging.questions import STANDING, Standing
from aims_mlflow.system import Requirement

Kind = Literal["min", "max", "equals", "whole"]

_WEIGHT = {Severity.MINOR: 0, Severity.MAJOR: 1, Severity.CRITICAL: 2}


def kind_of(requirement: Requirement) -> Kind:
    """Return which kind of bound it has; ``whole`` where an expectation or a suite must be met in full."""
    if requirement.min is not None:
        return "min"
    if requirement.max is not None:
        return "max"
    return "whole" if requirement.equals is None else "equals"


def covers(general: Requirement, special: Requirement) -> bool:
    """Return whether ``special`` asks the same question as ``general``, of the same or of a part of what that is asked of."""
    same = (general.check, general.metric, kind_of(general)) == (special.check, special.metric, kind_of(special))
    return same and _scope(general).items() <= _scope(special).items()


def looser(own: Requirement, floor: Requirement) -> str:
    """Return in which way ``own`` is less strict than ``floor``, which covers it; "" where it is at least as strict."""
    if floor.min is not None and own.min is not None and own.min < floor.min:
        return f"{own.bound} is looser than {floor.bound}"
    if floor.max is not None and own.max is not None and own.max > floor.max:
        return f"{own.bound} is looser than {floor.bound}"
    if floor.equals is not None and own.equals != floor.equals:
        return f"{own.bound} is another bound than {floor.bound}"
    if _WEIGHT[own.severity] < _WEIGHT[floor.severity]:
        return f"severity {own.severity.value} is lighter than {floor.severity.value}"
    if _least(own) < _least(floor):
        return f"a minimum_n of {_least(own)} is fewer than {_least(floor)}"
    return ""


def asked_anyway(requirement: Requirement) -> Standing | None:
    """Return the question that every run is asked and that this requirement could take the place of, or None.

    Such a requirement is never inherited: standing questions know roles and controls that it does not, so taking their place
    could ask less.
    """
    kind = kind_of(requirement)
    for row in STANDING:
        same_kind = kind != "whole" and getattr(row, kind) is not None
        if (row.check, row.metric) == (requirement.check, requirement.metric) and (same_kind or kind == "equals"):
            return row
    return None


def as_asked(requirement: Requirement, standing: Standing) -> bool:
    """Return whether the requirement has the very bound of the standing question."""
    return (requirement.min, requirement.max, requirement.equals) == (standing.min, standing.max, standing.equals)


def _scope(requirement: Requirement) -> dict[str, str]:
    return {**DEFAULT_SCOPES.get(requirement.check, {}), **requirement.scope}


def _least(requirement: Requirement) -> int:
    return requirement.minimum_n or MINIMUM_N
