"""The words of cases: nonconformities (clause 10.2) and incidents (A.8.4) as signed events, and the state that follows from them.

A case is nothing but its events. Each names the events it follows by the digests of their envelopes; the state is a fold over them,
in which whatever cannot be believed leaves the case open.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from aims_mlflow.bundle import STATEMENT_TYPE
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import Word, canonical, digest, same
from aims_mlflow.signing import Role

NONCONFORMITY_TYPE = "urn:aims-mlflow:nonconformity-event:v1"
INCIDENT_TYPE = "urn:aims-mlflow:incident-event:v1"
"""The predicate types of a case's signed events."""

FOLDERS: Mapping[str, str] = {"nonconformity": "nonconformities", "incident": "incidents"}
"""Sort of case -> artifact folder of the run that keeps them; each case has a folder of its own in it."""

TYPES: Mapping[str, str] = {"nonconformity": NONCONFORMITY_TYPE, "incident": INCIDENT_TYPE}

MOST_PARENTS = 64
"""Events that one event follows at most: what parallel writers leave at once."""

SHA256 = r"^[0-9a-f]{64}$"
CASE_ID = r"^(nc|in)-[0-9a-f]{12}$"
_PATH = re.compile(r"(nonconformities|incidents)/((?:nc|in)-[0-9a-f]{12})/([0-9a-f]{64})\.dsse\.json")

Said = Annotated[str, Field(min_length=1, max_length=10_000)]

EventKind = Literal["opened", "breached", "cause", "action", "reviewed", "told", "closed", "reopened"]
"""``opened``: somebody, or a breach, opened the case. ``breached``: the same breach was seen again. ``cause``: why it came about.
``action``: what was done. ``reviewed``: whether that worked. ``told``: who was told. ``closed`` and ``reopened``."""

CaseState = Literal["open", "acted", "reviewed", "closed", "broken"]
"""``open``: nothing was done yet. ``acted``: an action was taken. ``reviewed``: and found to work. ``broken``: its
events cannot be believed."""


class Strict(Word):
    """A word that takes no type for another."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Cited(Strict):
    """Evidence that an event rests on: a run, the digest of its bundle's envelope, and which requirement said what there."""

    run_id: Said
    bundle_sha256: str = Field(pattern=SHA256)
    requirement: str = ""
    state: str = ""


class Breach(Strict):
    """A critical requirement that failed on production data, as it was asked then. No value of the data."""

    requirement: Said
    declared: str = Field(default="", description="id of the requirement in the system file that asks it; empty: a standing question")
    minimum: float | None = None
    maximum: float | None = None
    exactly: float | None = None
    minimum_n: int | None = None
    reason: str = ""
    model: str = Field(default="", description="models:/NAME/VERSION, or the logged model where no version was named")
    evidence_id: str = ""


class Told(Strict):
    """Who was told of an incident, and when."""

    who: Said
    on: date


class Incident(Strict):
    """What an incident is about. ``affected``: parties as the system file declares them."""

    severity: Literal["minor", "major", "critical"]
    since: date
    affected: tuple[str, ...] = ()
    model: str = ""


class CaseEvent(Strict):
    """One thing that happened to a case: who says what, when, after which events, and what it rests on."""

    case: str = Field(pattern=CASE_ID)
    system_id: str
    kind: EventKind
    time: datetime
    by: Said
    what: Said
    parents: tuple[Annotated[str, Field(pattern=SHA256)], ...] = Field(default=(), max_length=MOST_PARENTS)
    collector: str
    evidence: Cited | None = None
    without_evidence: str = Field(default="", max_length=10_000, description="why a case was closed without evidence; empty otherwise")
    breach: Breach | None = None
    incident: Incident | None = None
    told: Told | None = None
    due: date | None = Field(default=None, description="by when the case is to be closed")
    effective: bool | None = Field(default=None, description="reviewed: whether the action worked")

    @model_validator(mode="after")
    def _holds_together(self) -> CaseEvent:
        if self.time.tzinfo is None:
            raise ValueError("the time has a zone")
        if list(self.parents) != sorted(set(self.parents)):
            raise ValueError("parents are sorted, each once")
        if self.kind == "closed" and self.sort == "nonconformity" and (self.evidence is None) == (not self.without_evidence):
            raise ValueError("a nonconformity is closed with evidence, or with the reason why there is none")
        if self.without_evidence and self.kind != "closed":
            raise ValueError("only a closing says why there is no evidence")
        if (self.effective is not None) != (self.kind == "reviewed") or (self.told is not None) != (self.kind == "told"):
            raise ValueError("a review says whether the action worked, and only it; likewise who was told")
        if (self.breach is not None) and (self.evidence is None or self.kind not in ("opened", "breached", "reopened")):
            raise ValueError("a breach rests on the evidence of a run")
        if self.kind == "opened" and self.sort == "incident" and self.incident is None:
            raise ValueError("an incident says how severe it is and since when")
        return self

    @property
    def sort(self) -> str:
        """``nonconformity`` or ``incident``."""
        return "nonconformity" if self.case.startswith("nc-") else "incident"

    @property
    def role(self) -> Role:
        """What a key must be trusted for to sign it: a breach is found by whoever monitors, all else is a person's word."""
        return "attestation" if self.breach is None else "evidence"

    def statement(self) -> dict[str, Any]:
        """Return the in-toto Statement: its subjects are the event and the events it follows, by their digests."""
        predicate = self.model_dump(mode="json")
        subjects: list[dict[str, Any]] = [{"name": f"{self.case}/{self.kind}", "digest": {"sha256": digest(predicate)}}]
        subjects += [{"name": event_path(self.case, parent), "digest": {"sha256": parent}} for parent in self.parents]
        if self.evidence is not None:
            subjects.append({"name": f"runs/{self.evidence.run_id}", "digest": {"sha256": self.evidence.bundle_sha256}})
        return {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": TYPES[self.sort], "predicate": predicate}

    @classmethod
    def from_statement(cls, statement: Any) -> CaseEvent:
        """Read an event back; raises VerificationError where it is no Statement of ours or its parts contradict each other."""
        fix = "pass the event as aims wrote it"
        if not isinstance(statement, dict) or statement.get("predicateType") not in TYPES.values():
            raise VerificationError("the payload is no event of a nonconformity or an incident", fix=fix)
        try:
            event = cls.model_validate_json(canonical(statement.get("predicate")))
        except (ValidationError, ValueError):
            raise VerificationError(f"the event does not have the shape of {statement['predicateType']}", fix=fix) from None
        if not same(event.statement(), statement):
            raise VerificationError("the event's subjects are not those it speaks of, or a value is of another type", fix=fix)
        return event


@dataclass(frozen=True)
class Kept:
    """An event as it stands in its folder, under the digest of its bytes."""

    sha256: str
    event: CaseEvent
    key_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A case as its events tell it, oldest first. ``problems``: what of it cannot be believed, or is gone."""

    id: str
    events: tuple[Kept, ...]
    problems: tuple[str, ...] = ()

    @property
    def state(self) -> CaseState:
        """What follows from the events; ``broken`` where some cannot be believed, which counts as open."""
        state: CaseState = "open"
        for one in self.events:
            state = _after(state, one.event)
        return "broken" if self.problems or not self.events else state

    @property
    def open(self) -> bool:
        """Whether the case still asks for something to be done."""
        return self.state != "closed"

    @property
    def unacted(self) -> bool:
        """Whether nobody has done anything about it since it was opened, or opened again."""
        return self.state in ("open", "broken")

    @property
    def first(self) -> CaseEvent | None:
        """The event that opened the case."""
        return next((k.event for k in self.events if k.event.kind == "opened"), self.events[0].event if self.events else None)

    @property
    def last(self) -> CaseEvent | None:
        """The last event."""
        return self.events[-1].event if self.events else None

    @property
    def breaches(self) -> tuple[CaseEvent, ...]:
        """The events that tell of a breach."""
        return tuple(k.event for k in self.events if k.event.breach is not None)

    @property
    def breach(self) -> Breach | None:
        """The requirement that was breached, as it was asked when it was last seen to be."""
        return self.breaches[-1].breach if self.breaches else None

    @property
    def due(self) -> date | None:
        """By when it is to be closed."""
        return next((k.event.due for k in reversed(self.events) if k.event.due is not None), None)

    def overdue(self, today: date) -> bool:
        """Whether it is open and should not be any more."""
        return self.open and self.due is not None and self.due < today

    @property
    def heads(self) -> tuple[str, ...]:
        """The digests of the events that no other follows yet."""
        followed = {parent for k in self.events for parent in k.event.parents}
        return tuple(sorted(k.sha256 for k in self.events if k.sha256 not in followed))


def _after(state: CaseState, event: CaseEvent) -> CaseState:
    """Return the state after an event. What was seen to breach again after it was closed is open again."""
    if event.kind in ("opened", "reopened"):
        return "open"
    if event.kind == "breached":
        return "open" if state in ("closed", "reviewed") else state
    if state == "closed":
        return state
    if event.kind == "action":
        return "acted"
    if event.kind == "reviewed":
        return "reviewed" if event.effective else "open"
    return "closed" if event.kind == "closed" else state


def case_of(case_id: str, kept: Iterable[Kept], problems: Sequence[str] = (), hinted: Iterable[str] = ()) -> Case:
    """Return the case that the events make.

    Args:
        case_id: its id.
        kept: its events, in any order, each verified.
        problems: what of its folder could not be believed.
        hinted: digests that an index names as its newest events; one that is not there was taken away.
    """
    by_digest = {k.sha256: k for k in kept}
    found = list(problems)
    named = {parent for k in by_digest.values() for parent in k.event.parents} | set(hinted)
    gone = named - set(by_digest)
    if gone:
        found.append(f"{len(gone)} of its events are gone ({', '.join(sorted(g[:12] for g in gone)[:5])})")
    ordered = tuple(_in_order(by_digest))
    if ordered and not any(k.event.kind == "opened" for k in ordered):
        found.append("the event that opened it is gone")
    return Case(case_id, ordered, tuple(found))


def _in_order(by_digest: Mapping[str, Kept]) -> Iterator[Kept]:
    """Yield the events, those they follow first; of two that know nothing of each other a breach comes last, so that it counts."""
    waiting = dict(by_digest)
    while waiting:
        ready = [k for k in waiting.values() if not set(k.event.parents) & set(waiting)] or list(waiting.values())
        yield waiting.pop(min(ready, key=_place).sha256)


def _place(kept: Kept) -> tuple[bool, bool, datetime, str]:
    event = kept.event
    return event.kind != "opened", event.kind in ("breached", "reopened"), event.time, kept.sha256


def breach_case_id(system_id: str, model: str, requirement: str) -> str:
    """Return the id of the nonconformity that a breach belongs to: the same requirement of the same model has one case.

    Args:
        system_id: the system.
        model: the registered model's name, or the logged model's URI.
        requirement: the id of what was breached.
    """
    return "nc-" + digest({"system": system_id, "model": model, "requirement": requirement})[:12]


def new_case_id(sort: str, system_id: str, by: str, what: str, time: datetime) -> str:
    """Return the id of a case that a person opens."""
    prefix = "nc" if sort == "nonconformity" else "in"
    return f"{prefix}-{digest({'system': system_id, 'by': by, 'what': what, 'time': time.isoformat()})[:12]}"


def event_path(case_id: str, sha256: str) -> str:
    """Return where an event stands among the artifacts of the run that keeps the cases."""
    return f"{FOLDERS['nonconformity' if case_id.startswith('nc-') else 'incident']}/{case_id}/{sha256}.dsse.json"


def path_parts(path: str) -> tuple[str, str] | None:
    """Return the case and the digest that an artifact's path claims; None where it is not that of an event."""
    found = _PATH.fullmatch(path)
    if found is None or FOLDERS["nonconformity" if found[2].startswith("nc-") else "incident"] != found[1]:
        return None
    return found[2], found[3]


def envelope_digest(envelope: bytes) -> str:
    """Return the digest under which an event's envelope stands."""
    return hashlib.sha256(envelope).hexdigest()


def due_after(time: datetime, days: int) -> date:
    """Return the day by which a case that was opened at ``time`` is to be closed."""
    return (time + timedelta(days=days)).date()
