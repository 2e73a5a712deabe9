"""What is open, in the order in which to do it, with who and how: broken, blocking, unknown, due, other gaps, and what to note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aims_mlflow.evidence import LETS_THROUGH
from aims_mlflow.gate import KEY_BLOCKERS, NOT_ABOUT_THIS
from aims_mlflow.records.due import owner_of
from aims_mlflow.records.plan_words import CaseRecord, DueItem
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import Level, RiskRegister, RiskState
from aims_mlflow.records.words import AnswerState, ImpactRecord, OpenItem, RunCounts
from aims_mlflow.scorecard import words
from aims_mlflow.signing import Verified

DOES_NOT_HOLD = KEY_BLOCKERS | {"bad_bundle", "other_system", "other_run", "other_model", "no_model_files"}
"""Blockers under which there is evidence, and it cannot be believed of this version."""

WEIGHTS = ("broken", "blocks", "unknown", "due", "gap", "note")


def open_items(
    said: Declared,
    seen: Seen | None,
    broken: Sequence[OpenItem],
    gated: Sequence[str],
    risks: RiskRegister,
    impact: ImpactRecord,
    due: Sequence[DueItem],
    cases: CaseRecord,
    runs: RunCounts,
) -> tuple[OpenItem, ...]:
    """Return everything that is open, in the order in which to read and to do it: the gap report.

    Args:
        said: the system file.
        seen: the version that the record is about; None where there is none.
        broken: what does not hold, of every version.
        gated: the controls that the gate looks at.
        risks: the risk register.
        impact: the impact record.
        due: everything with a date.
        cases: nonconformities and incidents.
        runs: how many runs it took.
    """
    items = [
        *broken,
        *_file(said),
        *_gate(said, seen, gated),
        *_cases(cases),
        *_risks(risks),
        *_questions(impact),
        *_due(due),
        *_gaps(said, seen, gated),
        *_notes(said, seen, risks, runs),
    ]
    named = [item if item.who or item.weight == "note" else item.model_copy(update={"who": _who(item, said)}) for item in items]
    return tuple(sorted(named, key=lambda i: WEIGHTS.index(i.weight)))


def _who(item: OpenItem, said: Declared) -> str:
    """Return who has to act: whoever stands behind the requirements of a control, else the owner of the system."""
    owners = {r.owner for r in said.system.requirements if r.owner and r.id in item.what + item.why}
    return ", ".join(sorted(owners)) or owner_of(said)


def broken_items(one: Seen) -> Iterator[OpenItem]:
    """Yield what does not hold of one version: its evidence, or a decision that was recorded."""
    for blocker in one.gate.blockers:
        if blocker.code in DOES_NOT_HOLD and one.bundle is None:
            yield OpenItem(
                weight="broken",
                what=f"{one.uri}: its evidence does not hold, and none of it is used here",
                why=blocker.reason,
                fix=blocker.fix,
                evidence_ids=(one.id,),
            )
            break
    for recorded in one.decisions:
        if recorded.problem:
            yield OpenItem(
                weight="broken",
                what=f"{one.uri}: a recorded decision does not hold",
                why=f"{recorded.path}: {recorded.problem}",
                fix="find out who changed the artifact, then let the gate decide again",
                evidence_ids=(one.id,),
            )


def _file(said: Declared) -> Iterator[OpenItem]:
    if not said.known:
        yield OpenItem(
            weight="blocks",
            what="The system file is missing: whatever it would declare is unknown here",
            why=said.where,
            fix=f"pass it (--system FILE), or put {said.system.id}.yaml into the directory AIMS_POLICY_DIR",
        )


def _gate(said: Declared, seen: Seen | None, gated: Sequence[str]) -> Iterator[OpenItem]:
    if seen is None:
        yield OpenItem(
            weight="blocks",
            what="No run has left evidence, and no model version is registered",
            fix="run the training under @aims.track and register its model",
        )
        return
    if not said.known:
        return
    for blocker in seen.gate.blockers:
        if blocker.code not in NOT_ABOUT_THIS or blocker.code in ("no_run", "no_bundle"):
            yield OpenItem(weight="blocks", what=f"{seen.uri}: {blocker.reason}", fix=blocker.fix, evidence_ids=(seen.id,))
    for line in seen.lines:
        if line.control in gated and line.state not in LETS_THROUGH:
            yield OpenItem(
                weight="blocks",
                what=f"{line.control} {line.title}: evidence is {words(line.state)}",
                why=line.reason,
                fix=line.fix,
                control=line.control,
                evidence_ids=line.evidence or (seen.id,),
            )


def _gaps(said: Declared, seen: Seen | None, gated: Sequence[str]) -> Iterator[OpenItem]:
    """Yield what is missing, failing or undecided of controls that no gate looks at."""
    for line in seen.lines if said.known and seen is not None else ():
        if line.control not in gated and line.state not in LETS_THROUGH:
            yield OpenItem(
                weight="gap",
                what=f"{line.control} {line.title}: evidence is {words(line.state)}",
                why=line.reason,
                fix=line.fix,
                control=line.control,
                evidence_ids=line.evidence or (seen.id,) if seen is not None else (),
            )


def _cases(cases: CaseRecord) -> Iterator[OpenItem]:
    for one in cases.found:
        if one.problems:
            yield OpenItem(
                weight="broken",
                what=f"The {one.sort} {one.id} cannot be believed as it stands",
                why="; ".join(one.problems),
                fix="find out who changed its events; it counts as open",
                evidence_ids=one.evidence_ids,
            )
        elif one.open and one.due is None:
            yield OpenItem(
                weight="due",
                what=f"The {one.sort} {one.id} is {one.state}: {one.what}",
                fix=one.fix,
                evidence_ids=one.evidence_ids,
            )


def _risks(risks: RiskRegister) -> Iterator[OpenItem]:
    for entry in risks.entries:
        if entry.level is Level.UNDETERMINED:
            missing = [entry.likelihood.reason] if entry.likelihood.class_ is None else []
            missing += [entry.consequence.reason] if entry.consequence.class_ is None else []
            yield OpenItem(
                weight="unknown",
                what=f"Risk {entry.risk_id} is undetermined: {entry.event}",
                why="; ".join(missing),
                fix=entry.fix,
                who=entry.owner,
                evidence_ids=entry.evidence_ids,
            )
        elif entry.state is not RiskState.ASSESSED and entry.state_reason:
            yield OpenItem(
                weight="unknown",
                what=f"Risk {entry.risk_id} is not assessed: {entry.event}",
                why=entry.state_reason,
                who=entry.owner,
                evidence_ids=entry.evidence_ids,
            )
        if entry.acceptance is not None and not entry.acceptance.holds:
            yield OpenItem(
                weight="unknown",
                what=f"Risk {entry.risk_id} is not accepted as it reads now: {entry.event}",
                why=f"{entry.acceptance.by} on {entry.acceptance.at}: {entry.acceptance.reason}",
                fix="treat it, or let a named person accept it as it reads now (risk.acceptances)",
                who=entry.owner,
                evidence_ids=tuple(dict.fromkeys((*entry.acceptance.evidence_ids, *entry.evidence_ids))),
            )


def _questions(impact: ImpactRecord) -> Iterator[OpenItem]:
    unanswered = impact.having(AnswerState.UNKNOWN)
    if unanswered:
        yield OpenItem(
            weight="unknown",
            what=f"{len(unanswered)} of {len(impact.questions)} questions of the impact record have no answer",
            why=", ".join(q.key.replace("_", " ") for q in unanswered),
            fix="add under impact.answers:  <key>: {text: …, by: …, on: YYYY-MM-DD}",
        )
    for one in impact.impacts:
        if one.state is AnswerState.UNKNOWN:
            yield OpenItem(
                weight="unknown",
                what=f"Nobody has said what follows for {one.party}",
                fix="add an entry under risk.consequences",
                evidence_ids=one.evidence_ids,
            )


def _due(due: Sequence[DueItem]) -> Iterator[OpenItem]:
    for one in due:
        if one.soon:
            yield OpenItem(weight="due", what=one.what, why=_when(one), fix=one.fix, who=one.who, evidence_ids=one.evidence_ids)


def _when(one: DueItem) -> str:
    """Say when something ends or is due, and how far off that is."""
    if one.overdue:
        return f"{'ended on' if one.ends else 'overdue since'} {one.due}, {-one.days_left} days ago"
    return f"{'ends on' if one.ends else 'due on'} {one.due}, in {one.days_left} days"


def _notes(said: Declared, seen: Seen | None, risks: RiskRegister, runs: RunCounts) -> Iterator[OpenItem]:
    if said.known and not said.system.gate.trusted_keys and seen is not None and isinstance(seen.verification, Verified):
        kind = " (the development key of this machine)" if seen.verification.development else ""
        yield OpenItem(
            weight="note",
            what="A signature by any key counts",
            why=f"gate.trusted_keys is empty; this evidence is signed by {seen.verification.key_ids[0][:16]}…{kind}",
            fix="name the keys that count under gate.trusted_keys",
            evidence_ids=said.citation,
        )
    if seen is not None and seen.bundle is not None and said.known and seen.bundle.policy_sha256 != said.system.sha256:
        yield OpenItem(
            weight="note",
            what="The run was judged by another version of the system file",
            why=f"then {seen.bundle.policy_sha256[:12]}, now {said.system.sha256[:12]}; everything here is judged again by the one at hand",
            evidence_ids=said.citation,
        )
    if runs.failed or runs.deleted or runs.running or runs.gone:
        yield OpenItem(weight="note", what="Not every attempt is there to be looked at", why=runs.sentence)
    for note in risks.notes:
        yield OpenItem(weight="note", what=note, evidence_ids=said.citation)
