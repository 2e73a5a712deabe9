"""What is open in a record, heaviest first: what is broken, what blocks, what nobody knows, what falls due, what to note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from aims_mlflow.evidence import LETS_THROUGH
from aims_mlflow.gate import NOT_ABOUT_THIS
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import Level, RiskRegister, RiskState
from aims_mlflow.records.words import AnswerState, ImpactRecord, OpenItem, PersonsWord, RunCounts
from aims_mlflow.scorecard import words
from aims_mlflow.signing import Verified

SOON = timedelta(days=60)
"""How long before it ends a waiver or an attestation is shown as due."""

WEIGHTS = ("broken", "blocks", "unknown", "due", "note")


def open_items(
    said: Declared,
    seen: Seen | None,
    versions: Sequence[Seen],
    gated: Sequence[str],
    risks: RiskRegister,
    impact: ImpactRecord,
    spoken: Sequence[PersonsWord],
    runs: RunCounts,
    today: date,
) -> tuple[OpenItem, ...]:
    """Return everything that is open, in the order in which to read it."""
    items = [
        *_broken(versions),
        *_file(said),
        *_gate(said, seen, gated),
        *_risks(risks),
        *_questions(impact),
        *_due(spoken, risks, today),
        *_notes(said, seen, risks, runs),
    ]
    return tuple(sorted(items, key=lambda i: WEIGHTS.index(i.weight)))


def _broken(versions: Sequence[Seen]) -> Iterator[OpenItem]:
    for one in versions:
        for blocker in one.gate.blockers:
            if blocker.code in ("bad_bundle", "other_system", "other_run", "other_model", "no_model_files") and one.bundle is None:
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
                evidence_ids=line.evidence or (seen.id,),
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
                evidence_ids=entry.evidence_ids,
            )
        elif entry.state is not RiskState.ASSESSED and entry.state_reason:
            yield OpenItem(
                weight="unknown",
                what=f"Risk {entry.risk_id} is not assessed: {entry.event}",
                why=entry.state_reason,
                evidence_ids=entry.evidence_ids,
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


def _due(spoken: Sequence[PersonsWord], risks: RiskRegister, today: date) -> Iterator[OpenItem]:
    for word in spoken:
        if word.expires is not None and word.expires <= today + SOON:
            ended = "has ended" if word.expired else "ends"
            yield OpenItem(
                weight="due",
                what=f"The {word.kind} on {word.control} by {word.by} {ended} on {word.expires}",
                why=word.text,
                fix=f"renew it or take it out of {word.kind}s",
                evidence_ids=word.evidence_ids,
            )
    for action, entry in {(a.action, a.due): (a, e) for e in risks.entries for a in e.treatment_actions if a.overdue}.values():
        yield OpenItem(
            weight="due",
            what=f"A treatment is overdue since {action.due}: {action.action}",
            why=f"owner: {action.owner}",
            fix="do it, or set a new date under risk.treatments",
            evidence_ids=entry.evidence_ids,
        )


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
    if runs.failed or runs.deleted or runs.running:
        yield OpenItem(weight="note", what="Not every attempt is there to be looked at", why=runs.sentence)
    for note in risks.notes:
        yield OpenItem(weight="note", what=note, evidence_ids=said.citation)
