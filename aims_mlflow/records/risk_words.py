"""The words of the risk register, named as ISO 31000 and ISO/IEC 23894 name them. Every claim cites evidence."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator

from aims_mlflow.evidence import State, Word

LIKELIHOOD_SENTENCE = (
    "Likelihood is the probability, given the data at hand, that an indicator lies beyond its declared tolerance. "
    "It is not the chance that someone is harmed."
)
"""Printed in every record and beside every risk matrix."""

LikelihoodClass = Literal["L1", "L2", "L3", "L4", "L5"]
ConsequenceClass = Literal["C1", "C2", "C3", "C4", "C5"]
CLASSES: tuple[ConsequenceClass, ...] = ("C1", "C2", "C3", "C4", "C5")
Probability = Annotated[float, Field(ge=0, le=1)]
Grade = Literal["exact", "estimated", "weak", "none"]


class Level(StrEnum):
    """How high a risk is, rising. What is not known stands above everything that is."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    VERY_HIGH = "very_high"
    UNDETERMINED = "undetermined"


class RiskState(StrEnum):
    """Whether a risk entry may be called assessed."""

    ASSESSED = "assessed"
    UNKNOWN = "unknown"
    STALE = "stale"


class Likelihood(Word):
    """Pr(indicator beyond tolerance | data) and its class; ``p`` None where nothing supports a probability.

    ``p_low`` and ``p_high`` are how far ``p`` moves with the method (simulation error, shape of the interval); ``method``
    names both. ``evidence_grade``: exact (a full count), estimated (a sample, with its interval), weak (below the minimum
    n), none.
    """

    class_: LikelihoodClass | None = Field(default=None, validation_alias=AliasChoices("class_", "class"), serialization_alias="class")
    p: Probability | None = None
    p_low: Probability | None = None
    p_high: Probability | None = None
    method: str = ""
    reason: str = Field(default="", description="why there is no probability, or what it rests on")
    evidence_ids: tuple[str, ...] = ()
    evidence_grade: Grade = "none"


class Indicator(Word):
    """One measured quantity against its declared tolerance."""

    requirement: str
    metric: str
    scope: dict[str, str]
    tolerance: str = Field(description="the bound in words, such as 'at least 0.8'")
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    state: State
    reason: str
    likelihood: Likelihood


class ExcessDecisions(Word):
    """How many more adverse decisions a year a group gets at the upper end of its gap: group size x gap."""

    party: str
    column: str
    group: str
    group_size: float = Field(ge=0, description="people a year")
    size_source: str = Field(description="how the group's size is known")
    gap: float = Field(description="the gap as measured")
    gap_high: float = Field(description="upper end of its two-sided 95 % interval")
    decisions: float = Field(ge=0, description="group size x upper end of the gap, a year")
    method: str
    evidence_ids: tuple[str, ...]


class ConsequenceRecord(Word):
    """How bad it would be: the class that a named person set, raised where the evidence asks for it, never lowered."""

    class_: ConsequenceClass | None = Field(default=None, validation_alias=AliasChoices("class_", "class"), serialization_alias="class")
    declared: ConsequenceClass | None = Field(default=None, description="the class as the person set it")
    party: str = ""
    dimension: str = ""
    rationale: str = ""
    set_by: str = ""
    set_at: date | None = None
    excess: tuple[ExcessDecisions, ...] = ()
    reason: str = Field(default="", description="why it was raised, why it could not be looked at, or why it is not known")
    evidence_ids: tuple[str, ...] = ()


class TreatmentAction(Word):
    """What is done about a risk, by whom and until when."""

    option: str
    action: str
    control_id: str | None = None
    due: date | None = None
    owner: str
    status: str
    done_on: date | None = None
    overdue: bool = False


class Residual(Word):
    """The risk after a treatment; only from evidence that was collected after the treatment was done."""

    likelihood: Likelihood
    consequence: ConsequenceRecord
    level: Level
    level_range: tuple[Level, Level]
    after_evidence_ids: tuple[str, ...]
    reason: str


class Acceptance(Word):
    """Who accepted the risk as it stands, up to which level, and until when. Only what ``holds`` covers the entry as it reads now."""

    by: str
    at: date
    rationale: str
    expires: date
    basis: Literal["acceptance", "waiver"] = Field(
        default="waiver", description="an acceptance of the risk itself, or a waiver of its evidence"
    )
    up_to: Level | None = Field(default=None, description="the highest level that was accepted; null: none was named")
    holds: bool = True
    reason: str = Field(default="", description="why it does not cover the entry as it reads now")
    evidence_ids: tuple[str, ...] = ()


class Step(Word):
    """What the entry read on another version, by the criteria of today."""

    version: str
    run_id: str
    measured: datetime
    likelihood: LikelihoodClass | None
    p: Probability | None
    consequence: ConsequenceClass | None = None
    level: Level
    evidence_ids: tuple[str, ...]


class RiskRecord(Word):
    """One entry of the risk register."""

    risk_id: str
    system_id: str
    model_version: str
    risk_source: tuple[str, ...] = Field(description="Annex C risk sources (C.3.x)")
    objective: tuple[str, ...] = Field(description="Annex C objectives (C.2.x)")
    event: str
    cause: str
    consequence_description: str
    parties: tuple[str, ...]
    existing_controls: tuple[str, ...] = Field(description="controls whose evidence passes and bears on this risk")
    likelihood: Likelihood
    consequence: ConsequenceRecord
    level: Level
    level_range: tuple[Level, Level]
    state: RiskState
    state_reason: str = ""
    fix: str = ""
    criteria_ref: str
    owner: str
    treatment: str
    treatment_actions: tuple[TreatmentAction, ...] = ()
    residual: Residual | None = None
    residual_reason: str = ""
    acceptance: Acceptance | None = None
    review_due: date | None = None
    history: tuple[Step, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    evidence_ids: tuple[str, ...]


class NotRaised(Word):
    """A risk that was looked for and that the evidence does not show."""

    risk_source: tuple[str, ...]
    objective: tuple[str, ...]
    event: str
    reason: str
    evidence_ids: tuple[str, ...]


class RiskRegister(Word):
    """Every risk entry of a system, highest first; what is undetermined stands above all."""

    sentence: str = LIKELIHOOD_SENTENCE
    highest: Level
    entries: tuple[RiskRecord, ...]
    not_raised: tuple[NotRaised, ...] = ()
    criteria_ref: str
    criteria_adopted_by: str = ""
    criteria_adopted_on: date | None = None
    matrix: dict[LikelihoodClass, tuple[Level, ...]]
    matrix_source: Literal["default", "system file"] = "default"
    notes: tuple[str, ...] = ()

    @field_validator("matrix")
    @classmethod
    def _is_whole(cls, matrix: dict[LikelihoodClass, tuple[Level, ...]]) -> dict[LikelihoodClass, tuple[Level, ...]]:
        if any(len(row) != len(CLASSES) for row in matrix.values()):
            raise ValueError("a row of the matrix has not one level for each consequence class")
        return matrix
