"""The words of the records: impact record, and the system record that holds it and the risk register. Every claim cites evidence.

Field names of impacts follow ISO/IEC 42005. A citation is an id that stands in
``SystemRecord.sources``: ``e-`` evidence, ``r-`` check result, ``s-`` the system file, ``b-`` a bundle, ``v-`` a model version,
``c-`` a nonconformity or an incident.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from aims_mlflow.evidence import State, Word
from aims_mlflow.pictures import Figure
from aims_mlflow.records.plan_words import Applicability, CaseRecord, DueItem, ObjectiveRecord, PlannedTreatment
from aims_mlflow.records.risk_words import LIKELIHOOD_SENTENCE, ConsequenceClass, Level, RiskRegister

WARNING_DAYS = 30
"""How many days before its date something is shown as due, where nothing else is said."""

CITATION_SENTENCE = "Ids in brackets are the evidence a line rests on; each is listed under Sources with the run and the file it stands in."


class AnswerState(StrEnum):
    """Whether a question of the impact record has an answer."""

    ANSWERED = "answered"
    UNKNOWN = "unknown"
    NA = "not_applicable"


class Question(Word):
    """One question of the impact record. ``clause`` points into ISO/IEC 42005 (from memory of the text: a pointer, not a finding)."""

    key: str = Field(description="the key under impact.answers in the system file")
    clause: str
    heading: str
    question: str
    state: AnswerState
    answer: str = ""
    answered_by: str = ""
    answered_on: date | None = None
    basis: Literal["person", "system file", "evidence", "none"] = "none"
    fix: str = ""
    evidence_ids: tuple[str, ...] = ()


class Impact(Word):
    """One impact on one party. What nobody has said is UNKNOWN, never guessed."""

    state: AnswerState
    party: str
    is_vulnerable: bool | None = None
    harm_or_benefit: Literal["harm", "benefit"]
    dimension: str = ""
    description: str = ""
    arises_from: Literal["use", "failure", "misuse"] = "use"
    scale: ConsequenceClass | None = None
    affected: int | None = Field(default=None, description="how many people a year")
    affected_source: str = ""
    irremediability: str = ""
    evidence_ids: tuple[str, ...] = ()
    answered_by: str = ""
    answered_on: date | None = None
    confidence: str = ""
    unknown: tuple[str, ...] = Field(default=(), description="fields that nobody has answered")


class ImpactRecord(Word):
    """The impact record under ISO/IEC 42005's headings; unanswered questions first."""

    system: str
    version: str
    trigger: str
    assessor: str
    assessed_on: date | None
    review_due: date | None = Field(default=None, description="by when it is assessed again, as a person set it")
    questions: tuple[Question, ...]
    impacts: tuple[Impact, ...]

    def having(self, state: AnswerState) -> tuple[Question, ...]:
        """Return the questions in that state."""
        return tuple(q for q in self.questions if q.state is state)


class CoverageLine(Word):
    """What the evidence says about one control."""

    control: str
    title: str
    state: State
    reason: str
    fix: str = ""
    gated: bool = False
    evidence_ids: tuple[str, ...] = ()


class GateWord(Word):
    """One decision of the gate's that is kept, signed, with the run: who asked, for which alias, and what it said."""

    time: datetime
    verdict: str
    allowed: bool
    alias: str = ""
    actor: str = ""
    reasons: tuple[str, ...] = Field(default=(), description="what stopped it, where something did")
    path: str = Field(description="the artifact that holds the signed decision")
    evidence_ids: tuple[str, ...] = ()


class VersionRecord(Word):
    """One model version (or, where nothing is registered, one run) and what its evidence says."""

    id: str
    name: str
    version: str
    uri: str
    run_id: str
    created: datetime
    aliases: tuple[str, ...] = ()
    counted: bool = Field(default=False, description="whether this is the version that the record is about")
    state: State
    verified: bool
    verification: str = Field(description="what became of the bundle's signature and digests")
    bundle_sha256: str = ""
    key_ids: tuple[str, ...] = ()
    policy_sha256: str = ""
    measured: datetime | None = None
    decision: str = "no decision is recorded"
    decisions: tuple[GateWord, ...] = Field(default=(), description="every decision on it that holds, oldest first")
    read: datetime | None = Field(default=None, description="when its bundle was last read and verified; null: as this record was made")
    lines: tuple[CoverageLine, ...] = ()
    evidence_ids: tuple[str, ...] = ()


class RunCounts(Word):
    """How many runs it took. Failed, killed and deleted ones count."""

    runs: int = Field(ge=0)
    finished: int = Field(ge=0)
    failed: int = Field(ge=0)
    running: int = Field(ge=0)
    deleted: int = Field(ge=0)
    gone: int = Field(default=0, ge=0, description="runs that an earlier record counted and that cannot be found any more")
    attempts_until_pass: int | None = Field(default=None, description="runs up to and with the first that was let through; None: none yet")
    sentence: str


class MeasureShown(Word):
    """A measured requirement with its interval, as the page draws it."""

    check: str
    requirement: str
    metric: str
    scope: dict[str, str]
    objectives: tuple[str, ...] = ()
    group: str | None = None
    value: float | None
    low: float | None
    high: float | None
    method: str = ""
    n: int | None = None
    bound: str = ""
    least: float | None = None
    most: float | None = None
    exactly: float | None = None
    state: State | None = None
    reason: str = ""
    evidence_ids: tuple[str, ...]


class PersonsWord(Word):
    """A waiver or an attestation, and how long it holds."""

    kind: Literal["waiver", "attestation"]
    control: str
    about: str
    text: str
    by: str
    on: date
    expires: date | None = None
    expired: bool = False
    days_left: int | None = None
    evidence_ids: tuple[str, ...] = ()


class OpenItem(Word):
    """What is open, in the order in which to do it: what blocks comes first. ``weight`` orders them."""

    weight: Literal["broken", "blocks", "unknown", "due", "gap", "note"]
    what: str
    why: str = ""
    fix: str = ""
    who: str = Field(default="", description="who has to do it; where nobody is named, that")
    control: str = Field(default="", description="the control that it is about, where it is about one")
    evidence_ids: tuple[str, ...] = ()


class Source(Word):
    """What a citation stands for, and where to find it."""

    id: str
    kind: Literal["evidence", "result", "system file", "bundle", "version", "run", "case"]
    title: str
    state: State | None = None
    reason: str = ""
    where: str = Field(description="URI of the run, the artifact, the version or the file")
    rests_on: tuple[str, ...] = Field(default=(), description="ids of the sources it was judged from")


class SystemFacts(Word):
    """What the system file declares of the system; empty where it does not, or where there is no file."""

    id: str
    name: str = ""
    owner: str = ""
    contact: str = ""
    purpose: str = ""
    intended_uses: tuple[str, ...] = ()
    prohibited_uses: tuple[str, ...] = ()
    policy: str = Field(description="where the system file was found, or that there is none")
    policy_sha256: str = ""
    evidence_ids: tuple[str, ...] = ()


class SystemRecord(Word):
    """Everything that is known, and not known, of one AI system. Unknown and open things come first."""

    format: Literal["aims-mlflow system record 1"] = "aims-mlflow system record 1"
    made: datetime
    collector: str
    open_items: tuple[OpenItem, ...]
    system: SystemFacts
    version: str = Field(description="URI of the version that the record is about, or of its run; empty where there is none")
    state: State
    decision: str
    highest_risk: Level
    runs: RunCounts
    due: tuple[DueItem, ...] = Field(default=(), description="everything with a date, overdue first")
    warning_days: int = Field(default=WARNING_DAYS, description="how many days before its date something is shown as due")
    impact: ImpactRecord
    risks: RiskRegister
    cases: CaseRecord = Field(default=CaseRecord(known=False, reason="nobody has looked"), description="nonconformities and incidents")
    treatments: tuple[PlannedTreatment, ...] = Field(default=(), description="the treatment plan, overdue first")
    objectives: tuple[ObjectiveRecord, ...] = Field(default=(), description="the eleven objectives of Annex C, with measures over time")
    applicability: tuple[Applicability, ...] = Field(default=(), description="draft of the statement of applicability: all 38 controls")
    measures: tuple[MeasureShown, ...] = ()
    figures: tuple[Figure, ...] = Field(default=(), description="what the page draws of fairness, robustness and drift, in numbers")
    persons_words: tuple[PersonsWord, ...] = ()
    versions: tuple[VersionRecord, ...] = ()
    sources: tuple[Source, ...] = ()
    how_to_read: tuple[str, ...] = (LIKELIHOOD_SENTENCE, CITATION_SENTENCE)

    @property
    def counted(self) -> VersionRecord | None:
        """The version that the record is about."""
        return next((v for v in self.versions if v.counted), None)

    def json_bytes(self) -> bytes:
        """Return the record as indented JSON, as ``record.json`` holds it."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()
