"""The words of what is planned and due: applicability, objectives over time, treatments, dates. Every claim cites evidence."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field, model_validator

from aims_mlflow.evidence import Severity, State, Word

DRAFT_SENTENCE = (
    "A draft: every control of Annex A counts as included unless a named person has given a reason why it does not apply. "
    "The status says what the evidence shows, not that a control is in force."
)
"""Printed over every statement of applicability."""


class Applicability(Word):
    """One control in the statement of applicability: included, or excluded by a named person's reason, and what its evidence says."""

    control: str
    title: str
    group: str = Field(description="the control's group in Annex A, such as A.7 Data for AI systems")
    included: bool
    justification: str = Field(description="why it is included or excluded; where nobody has said why, that")
    justified_by: str = Field(default="", description="the named person whose reason it is; empty: nobody has given one")
    justified_on: date | None = None
    until: date | None = Field(default=None, description="the last day on which the exclusion holds")
    reasons: tuple[str, ...] = Field(default=(), description="what else speaks for it: the gate, a treatment, risks its evidence bears on")
    risk_ids: tuple[str, ...] = Field(default=(), description="entries of the risk register that its evidence or a treatment bears on")
    state: State
    status: str = Field(description="why the evidence is in that state, in words")
    fix: str = ""
    evidence_ids: tuple[str, ...] = ()


class Point(Word):
    """One value of a series: from which version or run, and its state against what is asked today."""

    version: str = Field(description="URI of the model version; of the run where none was registered from it")
    run_id: str
    measured: datetime
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    state: State
    evidence_ids: tuple[str, ...]


class Series(Word):
    """A declared requirement that serves an objective, and what was measured of it over time, oldest first."""

    requirement: str
    check: str
    metric: str
    scope: dict[str, str]
    bound: str
    least: float | None = None
    most: float | None = None
    exactly: float | None = None
    severity: Severity = Severity.CRITICAL
    because: str = ""
    owner: str = ""
    declared: date | None = None
    points: tuple[Point, ...] = ()
    evidence_ids: tuple[str, ...] = Field(default=(), description="where the requirement is declared")


class ObjectiveRecord(Word):
    """An Annex C objective: what is asked for it, and what was measured over time."""

    objective: str
    title: str
    standing: Literal["declared", "excluded", "nothing asked"]
    state: State | None = Field(default=None, description="the worst of its critical evidence on the version that counts")
    reason: str
    series: tuple[Series, ...] = ()
    evidence_ids: tuple[str, ...] = ()


class PlannedTreatment(Word):
    """One action of the treatment plan, by whom and until when, and the risks that it is for."""

    action: str
    option: str
    objective: str
    control: str | None = None
    owner: str
    due: date | None = None
    status: str
    done_on: date | None = None
    overdue: bool = False
    days_left: int | None = None
    risk_ids: tuple[str, ...] = ()
    remains: str = Field(description="what remains of these risks, from evidence after it was done; or why that is not known")
    evidence_ids: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_by_how_much(self) -> PlannedTreatment:
        if self.overdue and self.days_left is None:
            raise ValueError("overdue by nobody knows how many days")
        return self


DueKind = Literal[
    "treatment",
    "waiver",
    "attestation",
    "acceptance",
    "evidence",
    "risk review",
    "impact review",
    "management review",
    "action",
    "nonconformity",
    "incident",
]


class DueItem(Word):
    """Something with a date: what falls due or ends, when, and who has to do what. Overdue first."""

    kind: DueKind
    what: str
    due: date
    days_left: int = Field(description="by the record's own day; below zero: overdue by so many days")
    overdue: bool
    ends: bool = Field(default=False, description="it stops counting after that day, rather than having to be done by it")
    soon: bool = Field(description="overdue, or due within the record's days of warning")
    who: str
    fix: str
    evidence_ids: tuple[str, ...] = ()


class CaseShown(Word):
    """A nonconformity (clause 10.2) or an incident (A.8.4), as its signed events tell it."""

    id: str
    sort: Literal["nonconformity", "incident"]
    state: str = Field(description="open, acted, reviewed, closed, or broken where its events cannot be believed")
    open: bool
    what: str
    opened: datetime | None = None
    opened_by: str = ""
    requirement: str = Field(default="", description="the requirement that was breached, where one was")
    model: str = ""
    due: date | None = None
    actions: tuple[str, ...] = Field(default=(), description="what was done, oldest first, with who says so")
    closed: datetime | None = None
    closed_by: str = ""
    closed_with: str = Field(default="", description="what shows that it worked, or why there is no evidence of it")
    problems: tuple[str, ...] = ()
    fix: str = Field(default="", description="what to do about it, where it is open")
    evidence_ids: tuple[str, ...] = ()


class CaseRecord(Word):
    """The nonconformities and incidents of a system, newest first; or why nothing is known of any."""

    known: bool
    reason: str
    found: tuple[CaseShown, ...] = ()
