"""The system file's words: one AI system as it is declared in ``aims.yaml``, typed, every key with its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from aims_mlflow.evidence import digest
from aims_mlflow.system.data import BinnedColumn, Data, Population, Source
from aims_mlflow.system.gating import Attestation, Gate, Waiver
from aims_mlflow.system.identity import Identity, Party, Person, Task
from aims_mlflow.system.operation import Operation
from aims_mlflow.system.parts import ROLES, TIERS, ControlId, Label, ObjectiveId, Part, RoleName, Text, TierName
from aims_mlflow.system.requirement import Expectation, Requirement, expectation_id
from aims_mlflow.system.review import Review, ReviewAction
from aims_mlflow.system.risk import (
    Adoption,
    Answer,
    Breakpoints,
    Consequence,
    DeclaredImpact,
    Impact,
    Risk,
    RiskAcceptance,
    Treatment,
)
from aims_mlflow.system.trial import Robustness

__all__ = [
    "ROLES",
    "TIERS",
    "Adoption",
    "Answer",
    "Attestation",
    "BinnedColumn",
    "Breakpoints",
    "Consequence",
    "ControlId",
    "Data",
    "DeclaredImpact",
    "Expectation",
    "Gate",
    "Identity",
    "Impact",
    "Label",
    "ObjectiveId",
    "Operation",
    "Part",
    "Party",
    "Person",
    "Population",
    "Requirement",
    "Review",
    "ReviewAction",
    "Risk",
    "RiskAcceptance",
    "Robustness",
    "RoleName",
    "Source",
    "System",
    "Task",
    "Text",
    "TierName",
    "Treatment",
    "Waiver",
    "expectation_id",
]


class System(Part):
    """One AI system, for the people who answer for it and for the gate."""

    version: Literal[1] = Field(description="the version of this format: 1")
    system: Identity = Field(description="what the system is, whose it is, and what it is for")
    task: Task = Field(description="what the model predicts")
    data: Data = Field(description="which data play which role, which columns are sensitive, where the data came from")
    requirements: tuple[Requirement, ...] = Field(default=(), description="what is asked of the checks: metric and bound")
    robustness: Robustness = Field(default=Robustness(), description="what robustness tests may assume about the columns")
    gate: Gate = Field(default=Gate(), description="what the gate protects and how strict it is")
    risk: Risk = Field(default=Risk(), description="risk criteria, consequences and treatments")
    impact: Impact = Field(default=Impact(), description="what only a person can say about the system's impact")
    operation: Operation | None = Field(default=None, description="what is asked once the model is in operation; null: nothing is declared")
    attestations: tuple[Attestation, ...] = Field(default=(), description="a person's word where a run cannot tell")
    waivers: tuple[Waiver, ...] = Field(default=(), description="what is let through, by name, for a time")
    reviews: tuple[Review, ...] = Field(default=(), description="what management reviews decided and asked for")

    _base_dir: Path | None = PrivateAttr(default=None)

    @property
    def base_dir(self) -> Path | None:
        """The folder of the system file, beside which suites are read; None where there is no file. Not in dumps or the digest."""
        return self._base_dir

    def at(self, base_dir: Path | None) -> System:
        """Return the same declaration as it reads from the folder ``base_dir``."""
        moved = self.model_copy()
        moved._base_dir = base_dir
        return moved

    @property
    def id(self) -> str:
        """The system's id, as in the tag ``aims.system``."""
        return self.system.id

    @property
    def sha256(self) -> str:
        """The digest of the whole declaration: which policy something was judged by."""
        return digest(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """The whole declaration as it is digested: ``sha256`` is that of its canonical JSON."""
        content = self.model_dump(mode="json", by_alias=True)
        if self.system.tier is None:  # a declaration that says no tier has the digest that it had before there were tiers
            del content["system"]["tier"]
        if self.operation is None:  # likewise
            del content["operation"]
        for where, names in _LATER.items():  # likewise
            for part in _parts(content, where):
                for name in names:
                    if not part[name]:
                        del part[name]
        return content


_LATER: dict[tuple[str, ...], tuple[str, ...]] = {
    (): ("reviews",),
    ("risk",): ("acceptances", "owners", "review_due"),
    ("risk", "consequences"): ("irremediability", "confidence"),
    ("impact",): ("impacts", "review_due"),
}
"""Keys that came later, by where they stand: empty ones are left out of the digest, so that older declarations keep theirs."""


def _parts(content: dict[str, Any], where: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the part of a declaration at ``where``, or each of them where it is a list."""
    found: Any = content
    for name in where:
        found = found[name]
    return list(found) if isinstance(found, list) else [found]
