"""Risk criteria, consequences and treatments, and what only a person can say about impact."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from aims_mlflow.system.parts import ControlId, ObjectiveId, Part, Text


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


class Impact(Part):
    """What only a person can say, under ISO/IEC 42005's headings."""

    answers: dict[str, Answer] = Field(default_factory=dict, description="question: answer, such as benefits, harms, misuse")
