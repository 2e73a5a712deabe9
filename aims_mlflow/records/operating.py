"""What is known of a system in operation, in the record: the looks at production data (A.6.2.6, A.6.2.8), nonconformities and incidents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from aims_mlflow.errors import AimsError
from aims_mlflow.evidence import digest
from aims_mlflow.judging.lines import control_lines
from aims_mlflow.records.due import Dated, owner_of
from aims_mlflow.records.plan_words import CaseRecord, CaseShown
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.words import Source
from aims_mlflow.store import Store

if TYPE_CHECKING:
    from aims_mlflow.operation.cases import Case
    from aims_mlflow.operation.standing import InOperation

NONE = "none recorded: nobody has opened a nonconformity or an incident of this system (aims monitor, aims nonconformity, aims incident)"


@dataclass(frozen=True)
class Operation:
    """What the record says of operation, and what its citations stand for. ``known`` None: it could not be read."""

    cases: CaseRecord
    sources: tuple[Source, ...] = ()
    known: InOperation | None = None

    def dated(self, said: Declared) -> Iterator[Dated]:
        """Yield what is due of open cases."""
        for one in self.cases.found:
            if one.open and one.due is not None:
                what = f"The {one.sort} {one.id} is to be closed: {one.what}"
                yield Dated(one.sort, what, one.due, owner_of(said), one.fix, one.evidence_ids)

    def on(self, said: Declared, seen: Seen, now: datetime) -> Seen:
        """Return a version as it stands with what looks at it in operation say; these two controls only, nothing of its training."""
        if self.known is None or seen.view is None or seen.bundle is None or seen.bundle.model is None:
            return seen
        files = {path: (file.size, file.sha256) for path, file in seen.bundle.model.files.items()}
        own = {"run_id": seen.run_id, "time": seen.bundle.run.finished}  # what rests on no look at all has the same id in every record
        found = tuple(e if e.run_id != "none" else e.model_copy(update=own) for e in self.known.evidence(seen.name, files))
        named, concerned = {e.requirement for e in found}, {c for e in found for c in e.controls}
        judged = (*(e for e in seen.judged if e.requirement not in named), *found)
        anew = {line.control: line for line in control_lines(said.system, judged, seen.bundle.results, today=now.date())}
        lines = tuple(anew[line.control] if line.control in concerned else line for line in seen.lines)
        return replace(seen, judged=judged, lines=lines)


UNREAD = Operation(CaseRecord(known=False, reason="nobody has looked"))


def operation_of(store: Store, said: Declared, now: datetime) -> Operation:
    """Return what MLflow holds of a system in operation, cases newest first; where it cannot be read, why."""
    from aims_mlflow.operation.standing import in_operation

    try:
        known = in_operation(said.system, store, trust=said.trust, now=now)
    except AimsError as error:
        return Operation(CaseRecord(known=False, reason=f"nothing of operation could be read: {error.what}"))
    shown = tuple(_shown(case, said.system.id) for case in (*known.cases, *known.incidents))
    record = CaseRecord(known=True, reason="" if shown else NONE, found=shown)
    return Operation(record, tuple(_source(said, one) for one in shown), known if said.known else None)


FIXES: dict[str, str] = {
    "nonconformity": "act on it (aims nonconformity act {0} {1}), and close it with evidence that it worked",
    "incident": "tell those who have to know (aims incident tell {0} {1}), and close it (aims incident close {0} {1})",
}


def _shown(case: Case, system_id: str) -> CaseShown:
    events = [kept.event for kept in case.events]
    first = case.first
    done = [f"{e.time:%Y-%m-%d} {e.by}: {e.what}" for e in events if e.kind in ("cause", "action", "reviewed", "told")]
    closing = next((e for e in reversed(events) if e.kind == "closed"), None) if case.state == "closed" else None
    proof = closing.evidence if closing else None
    sort: Literal["incident", "nonconformity"] = "incident" if case.id.startswith("in-") else "nonconformity"
    return CaseShown(
        id=case.id,
        sort=sort,
        state=case.state,
        open=case.open,
        what=first.what if first else "its events cannot be read",
        opened=first.time if first else None,
        opened_by=first.by if first else "",
        requirement=case.breach.requirement if case.breach else "",
        model=(case.breach.model if case.breach else "") or (first.incident.model if first and first.incident else ""),
        due=case.due,
        actions=tuple(done),
        closed=closing.time if closing else None,
        closed_by=closing.by if closing else "",
        closed_with=f"run {proof.run_id}, bundle {proof.bundle_sha256[:16]}" if proof else closing.without_evidence if closing else "",
        problems=case.problems,
        fix=FIXES[sort].format(system_id, case.id) if case.open else "",
        evidence_ids=("c-" + digest([case.id, *case.heads])[:16],),
    )


def _source(said: Declared, one: CaseShown) -> Source:
    folder = "incidents" if one.sort == "incident" else "nonconformities"
    return Source(
        id=one.evidence_ids[0],
        kind="case",
        title=f"{one.sort} {one.id}",
        reason=f"{one.state}; its signed events",
        where=f"experiment aims/{said.system.id}, artifacts {folder}/{one.id}",
    )
