"""The effective policy as rows for people and machines: what is asked, and where each line comes from."""

from __future__ import annotations

from typing import NamedTuple

from aims_mlflow.judging.standing import gated_controls
from aims_mlflow.policy.effective import Policy
from aims_mlflow.policy.folder import Policies
from aims_mlflow.system import Requirement


class PolicyLine(NamedTuple):
    """One line of a policy: its name, what it says, and where it comes from."""

    line: str
    value: str
    origin: str


def policy_lines(policy: Policy) -> tuple[PolicyLine, ...]:
    """Return every line of a policy that has an origin, in the order of a system file."""
    gate = policy.system.gate
    values: dict[str, str] = {
        "tier": policy.tier or "",
        "gate.protects": ", ".join(gate.protects),
        "gate.controls": ", ".join(gated_controls(policy.system)),
        "gate.inconclusive": gate.inconclusive,
        "gate.max_age_days": str(gate.max_age_days),
        "gate.trusted_keys": ", ".join(gate.trusted_keys) or "any key",
    }
    for requirement in policy.system.requirements:
        values[_name(requirement, values)] = _asks(requirement)
    for one in policy.system.attestations:
        values[f"attestation[{one.control}]"] = f"by {one.by}" + (f", until {one.expires.isoformat()}" if one.expires else "")
    for waiver in policy.system.waivers:
        values[f"waiver[{waiver.control}]"] = f"by {waiver.approved_by}, until {waiver.expires.isoformat()}: {waiver.reason}"
    return tuple(PolicyLine(line, values.get(line, ""), origin) for line, origin in policy.origins.items())


def notes_on(policies: Policies) -> tuple[str, ...]:
    """Return what is accepted in a policy folder and yet looks like a slip."""
    found: list[str] = []
    file = policies.organisation
    known = {one.system.id for one in policies.systems}
    for name in file.organisation.systems if file else ():
        if name not in known:
            found.append(f"{file.line('systems', name) if file else ''}: no system file here declares the system {name}")
    nameless = [one.name for one in policies.systems if not one.system.system.model]
    if nameless and policies.unlisted == "allow":
        said = "name no model (system.model), so any model could be theirs: unlisted models are judged, not left alone"
        found.append(f"{', '.join(nameless)}: {said}")
    return tuple(found)


def _name(requirement: Requirement, taken: dict[str, str]) -> str:
    return requirement.id if requirement.id not in taken else f"{requirement.id} {requirement.bound}"


def _asks(requirement: Requirement) -> str:
    least = f", at least {requirement.minimum_n} rows" if requirement.minimum_n else ""
    return f"{requirement.bound} ({requirement.severity.value}{least})"
