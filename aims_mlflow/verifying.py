"""Verify one signed file, whichever it is: a bundle, a decision, an entry of the log, an event of a case. Offline; nothing is decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from aims_mlflow.bundle import Bundle
from aims_mlflow.decision import DECISION_TYPE, Blocker, GateDecision
from aims_mlflow.errors import VerificationError
from aims_mlflow.gate import file_differences
from aims_mlflow.ledger.entry import ENTRY_TYPE, Entry
from aims_mlflow.operation.cases import TYPES, CaseEvent
from aims_mlflow.signing import Role, Trust, Verified, strict_json, verify

Kind = Literal["bundle", "decision", "log entry", "case event"]

ROLE_OF: dict[Kind, Role] = {"bundle": "evidence", "decision": "decision", "log entry": "decision"}
"""What a key must be trusted for to sign each kind. An event of a case says so itself."""


@dataclass(frozen=True)
class Checked:
    """A signed file that holds: what it is, what it says in a sentence, and who has signed it."""

    kind: Kind
    content: Bundle | GateDecision | Entry | CaseEvent
    verified: Verified
    said: str
    time: datetime
    system: str = ""
    run: str = ""

    @property
    def role(self) -> Role:
        """What a key must be trusted for to sign it."""
        return self.content.role if isinstance(self.content, CaseEvent) else ROLE_OF[self.kind]

    def blocker(self, trust: Trust, at: datetime, role: Role | None = None) -> Blocker | None:
        """Say why none of the signatures counts by the list of keys, or None; ``role``: what for, if not what the file is."""
        return trust.blocker(self.verified, role or self.role, at, dated=self.time)


def checked(envelope: bytes, *, keys: Iterable[str] = (), trust: Trust | None = None) -> Checked:
    """Verify the envelope of a bundle, decision, log entry or event of a case, and read it.

    Args:
        envelope: the bytes of the file.
        keys: only signatures by these key ids count; none: any key's.
        trust: a list with the public keys of signatures that carry none. Whether they count is another question: ``Checked.blocker``.

    Raises:
        VerificationError: it does not hold, or is none of the four.
    """
    verified = verify(envelope, trusted=keys, keyring=trust.keyring() if trust else None)
    statement = strict_json(verified.payload, "payload")
    kind = statement.get("predicateType") if isinstance(statement, dict) else None
    if kind == DECISION_TYPE:
        decision = GateDecision.from_statement(statement)
        return Checked("decision", decision, verified, decision.summary(), decision.time, decision.system_id or "", decision.run_id)
    if kind == ENTRY_TYPE:
        entry = Entry.from_statement(statement)
        name, version, alias = entry.about
        about = f" of {name}/{version}" if name and version else f" of {name}" if name else ""
        said = f"{entry.kind}{about}{f' as {alias}' if alias else ''}, number {entry.sequence}, after {len(entry.parents)} others"
        held = entry.decision or entry.facts
        return Checked("log entry", entry, verified, said, entry.time, (held.system_id if held else "") or "", held.run_id if held else "")
    if kind in TYPES.values():
        event = CaseEvent.from_statement(statement)
        said = f"{event.sort} {event.case}: {event.kind} by {event.by}, after {len(event.parents)} others"
        return Checked("case event", event, verified, said, event.time, event.system_id, event.evidence.run_id if event.evidence else "")
    bundle = Bundle.from_statement(statement)
    said = f"{len(bundle.results)} results, {'complete' if bundle.complete else 'NOT complete'}, the run {bundle.run.outcome}"
    return Checked("bundle", bundle, verified, said, bundle.run.finished, bundle.system_id, bundle.run.run_id)


def compare_model(found: Checked, folder: Path) -> int:
    """Return how many files a model has, of which each is the one that the bundle is about.

    Raises:
        VerificationError: files were changed, added, taken away, renamed or linked, each by name; or the file is about no model.
    """
    from aims_mlflow.fingerprint import manifest

    bundle = found.content
    if not isinstance(bundle, Bundle) or bundle.model is None or not bundle.model.files:
        raise VerificationError(f"the {found.kind} is about no model files, so there is nothing to compare", fix="pass the bundle of a run")
    present = manifest(folder)
    differences = file_differences(bundle.model, present)
    if differences:
        what = f"the model's files are not those that were evaluated: {differences}"
        raise VerificationError(what, where=str(folder), fix="find out who changed them")
    return len(present)
