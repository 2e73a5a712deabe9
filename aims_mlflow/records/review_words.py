"""The words of a management review's input (clause 9.3): what happened in a period, and what it led to. Every claim cites evidence."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from aims_mlflow.evidence import State, Word
from aims_mlflow.records.plan_words import CaseShown, DueItem, Point
from aims_mlflow.records.risk_words import Level
from aims_mlflow.records.words import GateWord, OpenItem, RunCounts, Source, SystemFacts

Way = Literal["better", "worse", "as it was", "new", "not known"]
"""Which way something went over the period; ``not known`` where it is unknown at one of its ends."""


class MeasureTrend(Word):
    """A declared requirement over the period: the value before or at its begin, and the last one in it."""

    requirement: str
    objective: str = Field(description="the objectives it serves")
    bound: str
    first: Point | None = Field(default=None, description="the last value before the period; else the first one in it")
    last: Point | None = None
    values: int = Field(ge=0, description="values in the period")
    way: Way
    sentence: str
    evidence_ids: tuple[str, ...] = ()


class RiskTrend(Word):
    """A risk over the period: what it read on the last version before it, and on the last one in it."""

    risk_id: str
    event: str
    before: Level | None = None
    after: Level | None = None
    way: Way
    sentence: str
    evidence_ids: tuple[str, ...] = ()


class Change(Word):
    """Something that was changed in the period: by whom, when, and what."""

    on: date
    kind: Literal["version", "system file", "attestation", "waiver", "acceptance", "treatment", "consequence", "requirement"]
    what: str
    by: str = ""
    evidence_ids: tuple[str, ...] = ()


class Decided(Word):
    """A decision of the period: the gate's on a version, or a person's."""

    at: datetime | None = None
    on: date
    what: str
    by: str = ""
    gate: GateWord | None = None
    evidence_ids: tuple[str, ...] = ()


class VersionResult(Word):
    """What the evidence of a version says that was measured in the period, judged by the system file at hand."""

    uri: str
    measured: datetime
    state: State
    counts: str = Field(description="how many controls of A.6 and A.7 are in which state, in words")
    decision: str
    evidence_ids: tuple[str, ...] = ()


class Unsaid(Word):
    """What clause 9.3 asks for and no run can tell; where a person has said it, what they said."""

    topic: str
    said: str = ""
    by: str = ""
    fix: str = ""
    evidence_ids: tuple[str, ...] = ()


class ReviewRecord(Word):
    """The input of a management review for a period: actions, results, trends, nonconformities, changes and decisions."""

    format: Literal["aims-mlflow review input 1"] = "aims-mlflow review input 1"
    made: datetime
    collector: str
    system: SystemFacts
    begin: date
    end: date
    version: str = Field(description="URI of the version that the system's record is about today")
    state: State
    highest_risk: Level
    earlier_actions: tuple[DueItem, ...] = Field(default=(), description="actions of earlier reviews that are not done")
    done_actions: tuple[str, ...] = Field(default=(), description="actions of earlier reviews that were done in the period")
    results: tuple[VersionResult, ...] = ()
    runs: RunCounts
    measures: tuple[MeasureTrend, ...] = ()
    risks: tuple[RiskTrend, ...] = ()
    cases_reason: str = Field(default="", description="why no case is listed, where none is")
    opened: tuple[CaseShown, ...] = ()
    closed: tuple[CaseShown, ...] = ()
    still_open: tuple[CaseShown, ...] = ()
    changes: tuple[Change, ...] = ()
    decisions: tuple[Decided, ...] = ()
    due: tuple[DueItem, ...] = Field(default=(), description="what was overdue at the end of the period, or falls due soon after")
    to_do: tuple[OpenItem, ...] = Field(default=(), description="what blocks or is unknown today: opportunities to improve")
    unsaid: tuple[Unsaid, ...] = Field(default=(), description="what only people can say")
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    def json_bytes(self) -> bytes:
        """Return the review's input as indented JSON, as ``review.json`` holds it."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()
