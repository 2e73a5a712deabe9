"""Risk criteria, consequences and treatments, and what only a person can say about impact."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from aims_mlflow.system.parts import ControlId, ObjectiveId, Part, Text

Confidence = Literal["low", "medium", "high"]


class Adoption(Part):
    """Who adopted something, and when."""

    adopted_by: Text = Field(description="the person or the role")
    adopted_on: date = Field(description="the day, as 2026-01-31")


class Consequence(Part):
    """How bad it would be, as a named person sees it."""

    objective: ObjectiveId = Field(description="the Annex C objective that suffers, such as C.2.5")
    party: Text = Field(description="whom it hits: a name under system.affected_parties")
    dimension: str = Field(default="", description="rights, health, money, safety, environment, ...")
    class_: int = Field(alias="class", ge=1, le=5, description="consequence class 1 (slight) to 5 (grave)")
    rationale: str = Field(default="", description="why this class")
    irremediability: str = Field(default="", description="whether, how and how soon the harm can be undone")
    confidence: Confidence | None = Field(default=None, description="how sure whoever set the class is: low, medium or high")
    set_by: Text = Field(description="who says so")
    set_on: date = Field(description="when, as 2026-01-31")


class Treatment(Part):
    """What is done about a risk."""

    objective: ObjectiveId = Field(description="the Annex C objective whose risk is treated")
    option: Literal["avoid", "modify", "share", "retain", "remove_source"] = Field(description="the treatment option, in ISO 31000's words")
    action: Text = Field(description="what is done")
    owner: Text = Field(description="who does it")
    due: date | None = Field(default=None, description="by when, as 2026-01-31")
    status: Literal["planned", "in_progress", "done"] = Field(default="planned", description="how far it is")
    done_on: date | None = Field(default=None, description="when it was done; residual risk comes from evidence after this day")
    control: ControlId | None = Field(default=None, description="the Annex A control it belongs to")


class RiskAcceptance(Part):
    """A named person takes a risk as it stands, up to a level and for a time. What is undetermined cannot be accepted."""

    objective: ObjectiveId | None = Field(default=None, description="accepts every entry of this objective; or name one entry by risk")
    risk: Annotated[str, Field(pattern=r"^R-[0-9a-f]{8}$")] | None = Field(
        default=None, description="accepts one entry of the register, by its id, such as R-1a2b3c4d"
    )
    up_to: Literal["low", "moderate", "high", "very_high"] = Field(description="the highest level that is accepted")
    rationale: Text = Field(description="why it is accepted")
    by: Text = Field(description="who accepts it")
    on: date = Field(description="when, as 2026-01-31")
    expires: date = Field(description="the last day on which it counts")

    @model_validator(mode="after")
    def _names_one(self) -> RiskAcceptance:
        if (self.objective is None) == (self.risk is None):
            raise ValueError("an acceptance names an objective or one risk; give objective: C.2.x or risk: R-...")
        if self.expires < self.on:
            raise ValueError("it expires before it was given; correct one of the two dates")
        return self


class Breakpoints(Part):
    """From how many excess adverse decisions a consequence is at least of a class: class -> number, rising."""

    excess_adverse_decisions: dict[Annotated[int, Field(ge=2, le=5)], Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="consequence class 2 to 5: number of excess adverse decisions a year from which it is at least that",
    )

    @model_validator(mode="after")
    def _numbers_rise(self) -> Breakpoints:
        numbers = [number for _, number in sorted(self.excess_adverse_decisions.items())]
        if numbers != sorted(set(numbers)):
            raise ValueError("the numbers do not rise with the class; give a higher class a higher number")
        return self


class Risk(Part):
    """Risk criteria, consequences and treatments."""

    criteria: Adoption | None = Field(default=None, description="who adopted the risk criteria; without it no record reads ASSESSED")
    matrix: dict[Literal["L1", "L2", "L3", "L4", "L5"], tuple[Literal["low", "moderate", "high", "very_high"], ...]] | None = Field(
        default=None, description="null: the default table; else likelihood -> five levels, for C1 to C5"
    )
    consequences: tuple[Consequence, ...] = Field(
        default=(), description="how bad it would be, per objective and party, set by named people"
    )
    breakpoints: Breakpoints = Field(default=Breakpoints(), description="numbers from which evidence raises a consequence")
    treatments: tuple[Treatment, ...] = Field(default=(), description="what is done about the risks")
    acceptances: tuple[RiskAcceptance, ...] = Field(default=(), description="which risks named people accept as they stand, and until when")
    owners: dict[ObjectiveId, Text] = Field(
        default_factory=dict, description="objective: who owns its risks; default: the owner of the system"
    )
    review_due: date | None = Field(default=None, description="by when the risks are assessed again, as 2026-01-31")

    @model_validator(mode="after")
    def _matrix_is_whole(self) -> Risk:
        if self.matrix is not None and (len(self.matrix) != 5 or any(len(row) != 5 for row in self.matrix.values())):
            raise ValueError("the matrix is not whole; give the five rows L1 to L5 with five levels each")
        return self


class Answer(Part):
    """A person's answer to one question of the impact record."""

    text: Text = Field(description="the answer")
    by: Text = Field(description="who gives it")
    on: date = Field(description="when, as 2026-01-31")
    not_applicable: bool = Field(default=False, description="the question does not apply, and the text says why")


class DeclaredImpact(Part):
    """One benefit or harm for one party, as a named person sees it; also what follows where the system fails or is misused."""

    party: Text = Field(description="whom it touches: a name under system.affected_parties")
    kind: Literal["benefit", "harm"] = Field(description="benefit or harm")
    arises_from: Literal["use", "failure", "misuse"] = Field(default="use", description="normal use, a failure, or misuse")
    dimension: str = Field(default="", description="rights, health, money, safety, environment, ...")
    description: Text = Field(description="what follows for the party")
    scale: int | None = Field(default=None, ge=1, le=5, description="how much it weighs: 1 (slight) to 5 (grave, or great)")
    affected: int | None = Field(default=None, ge=0, description="how many people a year; default: the size of the party")
    affected_source: str = Field(default="", description="where that number comes from")
    irremediability: str = Field(default="", description="whether, how and how soon a harm can be undone")
    confidence: Confidence | None = Field(default=None, description="how sure whoever says it is: low, medium or high")
    by: Text = Field(description="who says so")
    on: date = Field(description="when, as 2026-01-31")


class Impact(Part):
    """What only a person can say, under ISO/IEC 42005's headings."""

    answers: dict[str, Answer] = Field(default_factory=dict, description="question: answer, such as benefits, harms, misuse")
    impacts: tuple[DeclaredImpact, ...] = Field(default=(), description="benefits and harms, one by one, beside risk.consequences")
    review_due: date | None = Field(default=None, description="by when the impact is assessed again, as 2026-01-31")
