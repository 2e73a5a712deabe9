"""What the policy protects, as an audit asks it: the policy folder, else ``./aims.yaml``, else what is protected where nobody says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.ledger import Finding
from aims_mlflow.policy.choosing import POLICY_FILE, policy_at
from aims_mlflow.policy.folder import Policies
from aims_mlflow.policy.organisation import PROTECTED
from aims_mlflow.signing import Trust


@dataclass(frozen=True)
class Protecting:
    """What is protected, and whose keys count. ``systems``: registered model -> the system that speaks for it."""

    protects: Callable[[str], frozenset[str]]
    trust: Trust = field(default_factory=Trust)
    systems: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    said: str = ""


def protecting() -> Protecting:
    """Read the policy that an audit goes by. What cannot be used is a finding, and protects the most that can be meant."""
    folder = os.environ.get("AIMS_POLICY_DIR")
    if folder:
        return _of_folder(Policies.read(folder))
    findings: list[Finding] = []
    names, systems = frozenset(a.casefold() for a in PROTECTED), {}
    said = f"no policy is at hand: {' and '.join(PROTECTED)} of every registered model are taken for protected"
    if Path(POLICY_FILE).is_file():
        try:
            system = policy_at(POLICY_FILE).system
        except ConfigurationError as error:
            findings.append(_broken(error))
        else:
            names |= {a.casefold() for a in system.gate.protects}
            systems = {system.system.model: system.id} if system.system.model else {}
            said = f"the policy is ./{POLICY_FILE} ({system.id}); set AIMS_POLICY_DIR to the gate's own folder"
    return Protecting(lambda _: names, Trust(), systems, tuple(findings), said)


def _of_folder(found: Policies) -> Protecting:
    broken = [*found.broken, *found.refused.values()]
    systems = {file.system.system.model: file.system.id for file in found.systems if file.system.system.model}
    said = f"the policy is {found.folder}; models that no system names are {'blocked' if found.unlisted == 'block' else 'left alone'}"
    if not found.trust.keys:
        said += "; there is no keys.yaml, so that a signature by any key counts"
    return Protecting(found.protects, found.trust, systems, tuple(_broken(error) for error in broken), said)


def _broken(error: ConfigurationError) -> Finding:
    return Finding(code="policy_broken", severity="critical", what=error.what, where=error.where, fix=error.fix or "see aims validate")
