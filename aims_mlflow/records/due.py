"""What is due: the treatment plan, and everything in the record that has a date, overdue first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from aims_mlflow.records.plan_words import DueItem, DueKind, PlannedTreatment
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import RiskRecord
from aims_mlflow.records.words import PersonsWord
from aims_mlflow.system import Treatment

NOBODY = "nobody is named (system.owner)"


ENDING: frozenset[DueKind] = frozenset({"waiver", "attestation", "acceptance", "evidence"})
"""What stops counting on its day, where the others have to be done by it."""


@dataclass(frozen=True)
class Dated:
    """Something with a date, before the day of the record is known."""

    kind: DueKind
    what: str
    due: date
    who: str
    fix: str
    evidence_ids: tuple[str, ...]
    warning: int | None = None
    """Days of warning, where they are fewer than usual."""


def owner_of(said: Declared) -> str:
    """Return the owner of the system as the one who has to act where nobody else is named."""
    owner = said.system.system.owner
    return f"{owner.name} (owner of the system)" if owner else NOBODY


def treatment_plan(said: Declared, risks: Sequence[RiskRecord], today: date) -> tuple[PlannedTreatment, ...]:
    """Return every declared treatment with the risks that it is for: overdue first, then by date, what is done last."""
    planned = [_planned(said, one, risks, today) for one in said.system.risk.treatments]
    return tuple(sorted(planned, key=lambda p: (p.status == "done", not p.overdue, p.due or date.max, p.action)))


def _planned(said: Declared, one: Treatment, risks: Sequence[RiskRecord], today: date) -> PlannedTreatment:
    own = [r for r in risks if one.objective in r.objective]
    remains = [
        f"{r.risk_id}: {r.residual.level.value.replace('_', ' ')}" if r.residual else f"{r.risk_id}: {r.residual_reason}" for r in own
    ]
    is_open = one.status != "done"
    return PlannedTreatment(
        action=one.action,
        option=one.option,
        objective=one.objective,
        control=one.control,
        owner=one.owner,
        due=one.due,
        status=one.status,
        done_on=one.done_on,
        overdue=is_open and one.due is not None and one.due < today,
        days_left=(one.due - today).days if is_open and one.due is not None else None,
        risk_ids=tuple(r.risk_id for r in own),
        remains="; ".join(remains) or f"no risk of {one.objective} stands in the register",
        evidence_ids=tuple(dict.fromkeys((*said.citation, *(i for r in own if r.residual for i in r.residual.after_evidence_ids)))),
    )


def due_items(
    said: Declared,
    seen: Seen | None,
    spoken: Sequence[PersonsWord],
    others: Sequence[Dated],
    today: date,
    warning_days: int,
) -> tuple[DueItem, ...]:
    """Return everything that has a date, overdue first, then the nearest.

    Args:
        said: the system file.
        seen: the version that the record is about; None where there is none.
        spoken: attestations and waivers.
        others: what has dates elsewhere, such as nonconformities.
        today: the day of the record.
        warning_days: how many days before its date something counts as due soon.
    """
    found = [*_treatments(said), *_words(spoken), *_acceptances(said), *_evidence(said, seen), *_reviews(said), *others]
    return tuple(sorted((_item(one, today, warning_days) for one in found), key=lambda i: (i.due, i.kind, i.what)))


def _treatments(said: Declared) -> Iterator[Dated]:
    for one in said.system.risk.treatments:
        if one.due is not None and one.status != "done":
            fix = "do it and set status: done and done_on, or set a new date"
            yield Dated("treatment", f"{one.action} ({one.objective})", one.due, one.owner, fix, said.citation)


def _words(spoken: Sequence[PersonsWord]) -> Iterator[Dated]:
    for word in spoken:
        if word.expires is not None:
            what = f"The {word.kind} on {word.control} by {word.by}: {word.text}"
            yield Dated(word.kind, what, word.expires, word.by, f"renew it or take it out of {word.kind}s", word.evidence_ids)


def _acceptances(said: Declared) -> Iterator[Dated]:
    for one in said.system.risk.acceptances:
        what = f"The acceptance of {one.risk or one.objective} up to {one.up_to.replace('_', ' ')} by {one.by}: {one.rationale}"
        fix = "accept the risk again, treat it, or take the acceptance out of risk.acceptances"
        yield Dated("acceptance", what, one.expires, one.by, fix, said.citation)


def _evidence(said: Declared, seen: Seen | None) -> Iterator[Dated]:
    if seen is None or seen.bundle is None:
        return
    finished = seen.bundle.run.finished
    day = (finished if finished.tzinfo else finished.replace(tzinfo=UTC)).astimezone(UTC).date()
    ends = day + timedelta(days=said.system.gate.max_age_days)
    what = f"The evidence of {seen.uri} is of {day} and counts for {said.system.gate.max_age_days} days (gate.max_age_days)"
    cited = (seen.id, *((seen.bundle_id,) if seen.bundle_id else ()))
    quarter = max(1, said.system.gate.max_age_days // 4)  # evidence that counts for a month would be due from its first day
    yield Dated("evidence", what, ends, owner_of(said), "run the training again", cited, quarter)


def _reviews(said: Declared) -> Iterator[Dated]:
    who = owner_of(said)
    if said.system.risk.review_due is not None:
        fix = "assess them and set risk.review_due anew"
        yield Dated("risk review", "The risks are assessed again", said.system.risk.review_due, who, fix, said.citation)
    if said.system.impact.review_due is not None:
        fix = "assess it and set impact.review_due anew"
        yield Dated("impact review", "The impact is assessed again", said.system.impact.review_due, who, fix, said.citation)
    newest = max(said.system.reviews, key=lambda r: r.on, default=None)
    if newest is not None and newest.next_due is not None:
        what = f"The management review after that of {newest.on} is held"
        fix = "hold it (aims summarise --review) and write it under reviews"
        yield Dated("management review", what, newest.next_due, newest.by, fix, said.citation)
    for review in said.system.reviews:
        for action in review.actions:
            if action.due is not None and action.status != "done":
                what = f"{action.action} (review of {review.on})"
                yield Dated("action", what, action.due, action.owner, "do it and set status: done", said.citation)


def _item(one: Dated, today: date, warning_days: int) -> DueItem:
    left = (one.due - today).days
    return DueItem(
        kind=one.kind,
        what=one.what,
        due=one.due,
        days_left=left,
        overdue=left < 0,
        ends=one.kind in ENDING,
        soon=left <= min(warning_days, warning_days if one.warning is None else one.warning),
        who=one.who,
        fix=one.fix,
        evidence_ids=one.evidence_ids,
    )
