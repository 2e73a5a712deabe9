"""The words of the gate: what stops a version, what the registry says of it, and the decision with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from aims_mlflow.bundle import STATEMENT_TYPE
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import LETS_THROUGH, Evidence, State, Subject, Word, canonical, collector, digest, same
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.system import System

DECISION_TYPE = "urn:aims-mlflow:decision:v1"
"""The predicate type of a signed decision."""

Files = Mapping[str, tuple[int, str]]
"""The manifest of a model's files: relative path -> (bytes, sha256)."""

BlockerCode = Literal[
    "no_policy",
    "no_system",
    "no_answer",
    "no_version",
    "no_run",
    "no_bundle",
    "bad_bundle",
    "missing_key",
    "unknown_key",
    "revoked_key",
    "expired_key",
    "wrong_role",
    "no_model_files",
    "other_system",
    "other_run",
    "other_model",
    "not_training",
    "run_not_finished",
    "incomplete",
    "no_test_data",
    "stale",
    "clock",
    "no_controls",
    "model_changed",
    "no_log",
]


class Blocker(Word):
    """A reason to stop a model version that no single control can give. ``code`` is for machines."""

    code: BlockerCode
    reason: str
    fix: str = ""


class VersionFacts(Word):
    """What the registry says about the version: which it is and where it came from. ``run_status`` None: there is no such run."""

    name: str
    version: str
    source: str = ""
    run_id: str = ""
    run_status: str | None = None
    run_deleted: bool = False

    @property
    def uri(self) -> str:
        """``models:/NAME/VERSION``."""
        return f"models:/{self.name}/{self.version}"


class GateDecision(Word):
    """Whether a model version may be promoted, with the reason per control and the digests of all it rests on.

    ``decided`` False means that the gate could not decide, which blocks as a no does. ``lines`` has one line for each
    control that the policy gates. ``model_sha256`` is the digest of the manifest of the model's files as the gate found them.
    """

    allowed: bool
    decided: bool = True
    model: str = Field(description="models:/NAME/VERSION, or what was asked for where there is none")
    alias: str | None = None
    system_id: str | None = None
    run_id: str = ""
    lines: tuple[ControlLine, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[str, ...] = ()
    evidence_time: datetime | None = Field(default=None, description="when the run that gave the evidence ended")
    key_ids: tuple[str, ...] = Field(default=(), description="keys whose signatures on the bundle hold and count")
    policy_sha256: str | None = None
    bundle_sha256: str | None = None
    model_sha256: str | None = None
    time: datetime
    collector: str
    actor: str = Field(default="", description="who promoted; empty where nothing was asked to change")
    replaced: str | None = Field(default=None, description="the version that held the alias before: the one to go back to")

    @model_validator(mode="after")
    def _yes_is_consistent(self) -> GateDecision:
        if self.allowed and (self.blockers or not self.lines or not self.decided):
            raise ValueError("a decision that allows has lines, no blocker, and was decided")
        if self.allowed and any(line.state not in (*LETS_THROUGH, State.INCONCLUSIVE) for line in self.lines):
            raise ValueError("a decision that allows has no line that stops")
        return self

    @property
    def verdict(self) -> Literal["allowed", "denied", "undecided"]:
        """The decision in a word."""
        if not self.decided:
            return "undecided"
        return "allowed" if self.allowed else "denied"

    @property
    def exit_code(self) -> int:
        """0 yes, 1 no, 2 could not decide."""
        return {"allowed": 0, "denied": 1, "undecided": 2}[self.verdict]

    @property
    def stopping(self) -> tuple[ControlLine, ...]:
        """The lines whose state alone would stop the version, whatever the policy says of undecided evidence."""
        return tuple(line for line in self.lines if line.state not in LETS_THROUGH)

    def summary(self) -> str:
        """Return the verdict and its first reasons in one sentence."""
        to = f" as {self.alias}" if self.alias else ""
        if self.allowed:
            return f"{self.model} may be promoted{to}: {len(self.lines)} controls have the evidence that the policy asks for"
        reasons = [b.reason for b in self.blockers] or [f"{line.control} {line.state.value}: {line.reason}" for line in self.stopping]
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        said = "may not be promoted" if self.decided else "could not be decided on, and is not promoted"
        return f"{self.model} {said}{to}: {'; '.join(reasons[:3])}{more}"

    def text(self) -> str:
        """Return the whole decision as plain text."""
        rows = [f"{self.verdict.upper()}: {self.summary()}", f"run {self.run_id or 'none'}, at {self.time.isoformat(timespec='seconds')}"]
        for blocker in self.blockers:
            rows.append(f"  BLOCKED  {blocker.reason}")
            rows += [f"           do: {blocker.fix}"] if blocker.fix else []
        for line in self.lines:
            rows.append(f"  {line.state.value.upper():<14} {line.control:<8} {line.title}: {line.reason}")
            rows += [f"                 do: {line.fix}"] if line.fix and line.state not in LETS_THROUGH else []
        rows += [f"  note: {note}" for note in self.notes]
        return "\n".join(rows)

    def evidence(self) -> Evidence | None:
        """Return what an allowed promotion is evidence of (A.6.2.5, deployment); None for any other decision."""
        if not self.allowed or not self.alias:
            return None
        back = f"the version before it was {self.replaced}" if self.replaced else "no version held the alias before"
        return Evidence(
            check="gate",
            requirement="gate.decision",
            kind="standing",
            controls=("A.6.2.5",),
            subjects=(Subject(kind="model", name=self.model, sha256=self.model_sha256),) if self.model_sha256 else (),
            state=State.PASS,
            reason=f"{self.model} became {self.alias} by a signed decision of the gate, with the model's files as evaluated; {back}",
            run_id=self.run_id,
            time=self.time,
            collector=self.collector,
        )

    def statement(self) -> dict[str, Any]:
        """Return the decision as an in-toto Statement about the model, the bundle and the policy, by their digests."""
        known = {self.model: self.model_sha256, "bundle": self.bundle_sha256, f"policy/{self.system_id}": self.policy_sha256}
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in known.items() if sha256],
            "predicateType": DECISION_TYPE,
            "predicate": self.model_dump(mode="json"),
        }

    @classmethod
    def from_statement(cls, statement: Any) -> GateDecision:
        """Read a decision back; raises VerificationError where it is not a Statement of ours or speaks of other subjects."""
        fix = "pass the decision as aims wrote it"
        if not isinstance(statement, dict) or statement.get("predicateType") != DECISION_TYPE:
            raise VerificationError(f"the payload is not a Statement with the predicate type {DECISION_TYPE}", fix=fix)
        try:
            decision = cls.model_validate_json(canonical(statement.get("predicate")))
        except ValueError as error:  # pydantic's is one
            own = [e["msg"] for e in error.errors() if e["type"] == "value_error"] if isinstance(error, ValidationError) else []
            said = f"contradicts itself: {own[0].removeprefix('Value error, ')}" if own else f"does not have the shape of {DECISION_TYPE}"
            raise VerificationError(f"the decision {said}", fix=fix) from None
        if not same(decision.statement(), statement):
            raise VerificationError("the decision's subjects are not those it speaks of, or a value is of another type", fix=fix)
        return decision


def undecided(model: str, blocker: Blocker, *, now: datetime, alias: str | None = None, system: System | None = None) -> GateDecision:
    """Return the decision of a gate that could not look: it blocks."""
    return GateDecision(
        allowed=False,
        decided=False,
        model=model,
        alias=alias,
        system_id=system.id if system else None,
        blockers=(blocker,),
        policy_sha256=system.sha256 if system else None,
        time=now,
        collector=collector(),
    )


def manifest_digest(files: Files) -> str:
    """Return one sha256 for all files of a model: that of the canonical JSON of path -> [bytes, sha256]."""
    return digest({path: list(entry) for path, entry in files.items()})
