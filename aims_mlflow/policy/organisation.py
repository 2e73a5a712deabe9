"""The organisation file's words: what every AI system of an organisation inherits and may tighten, never loosen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from aims_mlflow.evidence import digest
from aims_mlflow.system import ControlId, Part, Person, Requirement, Text, TierName
from aims_mlflow.system.gating import refuse_latest

Declarable = Literal[
    "system.owner",
    "system.purpose",
    "system.intended_uses",
    "system.prohibited_uses",
    "system.affected_parties",
    "system.deployment",
    "system.model",
    "system.baseline",
    "data.sensitive",
    "data.sources",
    "data.populations",
    "requirements",
    "risk.criteria",
    "risk.consequences",
    "impact.answers",
]
"""What an organisation can oblige its systems to declare, by its path in the system file."""

PROTECTED: tuple[str, ...] = ("champion", "production")
"""The aliases and stages that are protected where nobody says which."""

SystemId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$", description="a system's id, as in system.id of its system file")]


class OrganisationPart(BaseModel):
    """Base of every part of the organisation file, as strict as the parts of the system file."""

    model_config = Part.model_config


class About(OrganisationPart):
    """Whose organisation file it is."""

    name: str = Field(default="", description="the organisation, or the part of it that this file is for")
    owner: Person | None = Field(default=None, description="who answers for this file")


class SharedGate(OrganisationPart):
    """What the gate asks of every system beyond its own file. A key that is left out asks nothing more."""

    protects: tuple[Text, ...] | None = Field(
        default=None, description="aliases and stages protected for every system, besides those of its own file"
    )
    controls: tuple[ControlId, ...] = Field(default=(), description="controls that are gated for every system, besides the eleven")
    inconclusive: Literal["block", "allow"] | None = Field(
        default=None, description="block: undecided evidence blocks, whatever a system's own file says; allow: that file decides"
    )
    max_age_days: int | None = Field(
        default=None, ge=1, description="most days that evidence may be old; a smaller number of a system's own holds"
    )
    trusted_keys: tuple[Text, ...] = Field(
        default=(), description="key ids; where a system's own file names keys, too, only those that both name are trusted"
    )

    longest_waiver_days: int | None = Field(
        default=None, ge=0, description="most days that a waiver of a system's own may last; 0: it may have none"
    )

    _no_latest = field_validator("protects")(refuse_latest)


class Tier(OrganisationPart):
    """What is asked of the systems of a tier, and of every higher one."""

    gate: SharedGate = Field(default=SharedGate(), description="what the gate asks of this tier")
    requirements: tuple[Requirement, ...] = Field(default=(), description="requirements that every system of this tier inherits")
    must_declare: tuple[Declarable, ...] | None = Field(
        default=None, description="keys of the system file that must say something; null: the built-in list of this tier (docs/policy.md)"
    )
    narrow_controls: tuple[ControlId, ...] | None = Field(
        default=None, min_length=1, description="tier low only: gate these controls in the place of the eleven"
    )


class Tiers(OrganisationPart):
    """The three tiers. A higher one asks all that the lower ones ask."""

    low: Tier = Field(default=Tier(), description="little is at stake: experiments, internal tools without people behind the rows")
    limited: Tier = Field(default=Tier(), description="something is at stake, and it can be put right")
    high: Tier = Field(default=Tier(), description="rights, health, money or safety of people are at stake")

    @model_validator(mode="after")
    def _only_low_is_narrowed(self) -> Tiers:
        for name, tier in (("limited", self.limited), ("high", self.high)):
            if tier.narrow_controls is not None:
                raise ValueError(f"narrow_controls stands under {name}, but only the tier low can be narrowed; remove it there")
        return self

    def of(self, name: TierName) -> Tier:
        """Return the tier of this name."""
        return {"low": self.low, "limited": self.limited, "high": self.high}[name]


class Organisation(OrganisationPart):
    """What every AI system of an organisation inherits."""

    version: Literal[1] = Field(description="the version of this format: 1")
    organisation: About = Field(default=About(), description="whose file this is")
    unlisted_models: Literal["block", "allow"] = Field(
        default="block", description="registered models that no system file names: blocked, or left alone by the gate"
    )
    default_tier: TierName = Field(default="high", description="the tier of a system that neither this file nor its own gives one")
    systems: dict[SystemId, TierName] = Field(
        default_factory=dict, description="system id: its tier, which the system's own file can raise and not lower"
    )
    gate: SharedGate = Field(default=SharedGate(), description="what the gate asks of every system")
    requirements: tuple[Requirement, ...] = Field(default=(), description="requirements that every system inherits")
    tiers: Tiers = Field(default=Tiers(), description="what is asked besides, by how much is at stake")

    @property
    def sha256(self) -> str:
        """The digest of the whole file's content."""
        return digest(self.model_dump(mode="json", by_alias=True))

    @property
    def protects(self) -> tuple[str, ...]:
        """The aliases and stages that are protected for every model."""
        return self.gate.protects or PROTECTED
