"""What the gate protects, and what people attest and waive."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from aims_mlflow.system.parts import ControlId, Part, Text


def refuse_latest(protects: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the aliases; raises ValueError where one is ``latest``, which moves with every registration and cannot be gated."""
    if any(name.strip().casefold() == "latest" for name in protects or ()):
        raise ValueError("the alias latest moves with every registration and cannot be protected; protect an alias that people set")
    return protects


class Gate(Part):
    """What the gate protects and how strict it is."""

    protects: tuple[Text, ...] = Field(default=("champion", "production"), description="aliases and stages, compared case-folded")
    controls: tuple[ControlId, ...] | None = Field(
        default=None, description="null: every A.6/A.7 control that can have evidence before deployment"
    )
    inconclusive: Literal["block", "allow"] = Field(default="block", description="what undecided evidence does")
    max_age_days: int = Field(default=30, ge=1, description="evidence older than this is stale")
    trusted_keys: tuple[Text, ...] = Field(default=(), description="key ids; empty: any key, and the decision says so")

    _no_latest = field_validator("protects")(refuse_latest)


class Attestation(Part):
    """A person's word where a run cannot tell."""

    control: ControlId = Field(description="the Annex A control it is about, such as A.6.2.2")
    statement: Text = Field(description="what is attested, in a sentence")
    by: Text = Field(description="who attests it")
    on: date = Field(description="when, as 2026-01-31")
    reference: str = Field(default="", description="the document it rests on")
    expires: date | None = Field(default=None, description="the last day on which it counts")
    not_applicable: bool = Field(default=False, description="the control does not apply to this system, and the statement says why")


class Waiver(Part):
    """Lets one requirement or control through, by name, for a time; shown wherever it applies."""

    control: ControlId = Field(description="the Annex A control that is waived; the keys below narrow it to one check or requirement")
    check: str = Field(default="", description="only evidence of this check")
    metric: str = Field(default="", description="only evidence about this metric")
    column: str = Field(default="", description="only evidence about this column")
    requirement: str = Field(default="", description="the id of one requirement, as the gate prints it")
    reason: Text = Field(description="why it is let through")
    approved_by: Text = Field(description="who answers for that")
    on: date = Field(description="when it was given, as 2026-01-31")
    expires: date = Field(description="the last day on which it counts")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Waiver:
        if self.expires < self.on:
            raise ValueError("it expires before it was given; correct one of the two dates")
        return self
