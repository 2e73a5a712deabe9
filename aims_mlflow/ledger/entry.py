"""The words of the log: one entry, what it tells of, and how it stands as a signed statement under the digest of its bytes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from aims_mlflow.bundle import STATEMENT_TYPE
from aims_mlflow.decision import GateDecision
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import State, Word, canonical, digest, same

ENTRY_TYPE = "urn:aims-mlflow:log-entry:v1"
"""The predicate type of a signed log entry."""

FOLDER = "log"
"""The artifact folder of the log's run in which the entries stand."""

MOST_PARENTS = 64
"""Heads that one entry takes up at most: what parallel writers leave at once. The next entry takes up the others."""

SHA256 = r"^[0-9a-f]{64}$"

Kind = Literal["decision", "denial", "rollback", "withdrawal", "waiver", "bypass", "export"]
"""``decision``: the gate let a version through. ``denial``: it did not, or could not decide. ``rollback``: what an entry let
through was taken back, or could not be done. ``withdrawal``: a protected alias was deleted, or a version left a protected stage.
``waiver``: somebody let something through by name outside a decision. ``bypass``: an audit found an alias that no decision
covers. ``export``: the log was copied out."""

OF_THE_GATE: frozenset[str] = frozenset({"decision", "denial", "rollback"})
"""The kinds whose entry holds a decision of the gate's; all others hold facts."""

_PATH = re.compile(rf"{FOLDER}/([0-9a-f]{{2}})/([0-9a-f]{{64}})\.dsse\.json")


class Strict(Word):
    """A word that takes no type for another: the number "1" is no 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Facts(Strict):
    """What an entry tells that is no decision of the gate's. Names, digests and reasons only."""

    model: str = Field(default="", description="the registered model's name")
    version: str = Field(default="", description="the number of its version")
    alias: str = Field(default="", description="the alias it is about, as it is written in the registry")
    stage: str = Field(default="", description="the stage it is about")
    system_id: str = ""
    run_id: str = ""
    model_sha256: str = Field(default="", description="digest of the manifest of the model's files as they were found")
    code: str = Field(default="", description="for machines: what kind of finding this was")
    reason: str = ""
    control: str = Field(default="", description="the control that a waiver is about")
    approved_by: str = ""
    expires: str = Field(default="", description="ISO date")
    heads: tuple[str, ...] = Field(default=(), description="the heads that an export held")


class Waived(Word):
    """A waiver that a decision used: which control, what was let through, and why in the gate's words."""

    control: str
    evidence: tuple[str, ...]
    reason: str


class Entry(Strict):
    """One entry of the log. Its ``parents`` are the digests of all heads that its writer saw, so that entries hold each other."""

    registry: str = Field(pattern=r"^[0-9a-f]{32}$", description="the id of the registry whose log this is")
    sequence: int = Field(ge=1, description="1 + the highest of the parents; two writers at once may give the same")
    parents: tuple[str, ...] = Field(default=(), max_length=MOST_PARENTS, description="sha256 of the parents' envelopes, sorted")
    kind: Kind
    time: datetime
    actor: str = Field(description="who asked for it")
    collector: str = Field(description="name and version of the package that wrote it")
    content_sha256: str = Field(pattern=SHA256, description="digest of the decision's statement, or of the facts")
    decision: GateDecision | None = None
    facts: Facts | None = None
    undoes: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="of a rollback: the entry whose decision it takes back")

    @model_validator(mode="after")
    def _holds_together(self) -> Entry:
        if (self.decision is not None) != (self.kind in OF_THE_GATE) or (self.facts is None) == (self.decision is None):
            raise ValueError("an entry holds a decision of the gate's, or facts, as its kind says")
        if self.decision is not None and self.decision.allowed != (self.kind == "decision"):
            raise ValueError("an entry of the kind decision lets through, a denial and a rollback do not")
        if bool(self.undoes) != (self.kind == "rollback"):
            raise ValueError("a rollback names the entry that it takes back, and nothing else does")
        if list(self.parents) != sorted(set(self.parents)) or not all(re.fullmatch(SHA256, p) for p in self.parents):
            raise ValueError("parents are sha256 digests, sorted, each once")
        if (self.sequence == 1) != (not self.parents):
            raise ValueError("the first entry has no parents, every other one has")
        if self.time.tzinfo is None:
            raise ValueError("the time has a zone")
        return self

    @model_validator(mode="after")
    def _is_of_what_it_holds(self) -> Entry:
        if self.content_sha256 != content_digest(self.decision or self.facts or Facts()):
            raise ValueError("content_sha256 is not the digest of what the entry holds")
        return self

    @property
    def waivers(self) -> tuple[Waived, ...]:
        """The waivers that the decision rests on."""
        lines = self.decision.lines if self.decision else ()
        return tuple(
            Waived(control=line.control, evidence=line.waived, reason=line.reason)
            for line in lines
            if line.waived or line.state is State.WAIVED
        )

    @property
    def about(self) -> tuple[str, str, str]:
        """The registered model's name, the version and the alias or stage; "" for what the entry does not speak of."""
        if self.decision is not None:
            asked = self.decision.model.removeprefix("models:/")
            name, _, version = (asked.partition("@")[0], "", "") if "@" in asked else asked.rpartition("/")
            return name, version, self.decision.alias or ""
        facts = self.facts or Facts()
        return facts.model, facts.version, facts.alias or facts.stage

    def statement(self) -> dict[str, Any]:
        """Return the in-toto Statement: its subjects are what the entry holds and the entries it follows, by their digests."""
        subjects: list[dict[str, Any]] = [{"name": self.kind, "digest": {"sha256": self.content_sha256}}]
        subjects += [{"name": entry_path(parent), "digest": {"sha256": parent}} for parent in self.parents]
        return {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": ENTRY_TYPE, "predicate": self.model_dump(mode="json")}

    @classmethod
    def from_statement(cls, statement: Any) -> Entry:
        """Read an entry back; raises VerificationError where it is not a Statement of ours or its parts contradict each other."""
        fix = "pass the log entry as aims wrote it"
        if not isinstance(statement, dict) or statement.get("predicateType") != ENTRY_TYPE:
            raise VerificationError(f"the payload is not a Statement with the predicate type {ENTRY_TYPE}", fix=fix)
        try:
            entry = cls.model_validate_json(canonical(statement.get("predicate")))
        except (ValidationError, ValueError):
            raise VerificationError(f"the log entry does not have the shape of {ENTRY_TYPE}", fix=fix) from None
        if not same(entry.statement(), statement):
            raise VerificationError("the log entry's subjects are not those it speaks of, or a value is of another type", fix=fix)
        return entry


def content_digest(content: GateDecision | Facts) -> str:
    """Return the sha256 of what an entry holds: of a decision's statement (its payload), or of the facts."""
    return digest(content.statement() if isinstance(content, GateDecision) else content.model_dump(mode="json"))


def entry_path(sha256: str) -> str:
    """Return where the entry of that digest stands among the artifacts of the log's run."""
    return f"{FOLDER}/{sha256[:2]}/{sha256}.dsse.json"


def path_digest(path: str) -> str | None:
    """Return the digest that an artifact's path claims; None where the path is not that of an entry."""
    found = _PATH.fullmatch(path)
    return found[2] if found and found[2].startswith(found[1]) else None
