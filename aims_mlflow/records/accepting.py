"""Who accepted a risk, by an acceptance up to a level or by a waiver of its evidence, and whether that covers it as it reads now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from aims_mlflow.judging.bounds import IMPLICIT_METRIC
from aims_mlflow.judging.persons import Asked, waiver_of
from aims_mlflow.records.hazards import Hazard, questions
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import Acceptance, Level
from aims_mlflow.system import RiskAcceptance, Waiver

RISING: tuple[Level, ...] = tuple(Level)
"""The levels, rising; what is undetermined stands above very high."""


def acceptance_of(said: Declared, seen: Seen | None, hazard: Hazard, risk_id: str, level: Level, today: date) -> Acceptance | None:
    """Return who accepted an entry of the register, or None.

    An acceptance of the risk goes before a waiver of its evidence, even where it does not cover the entry as it reads now: that its
    evidence is let through accepts no risk that somebody has limited. Of several acceptances, one that covers it goes first. What
    has ended, or is dated in the future, counts as nobody's word.
    """
    found = [*_given(said, hazard, risk_id, level, today), *_waived(said, seen, hazard, today)]
    return min(found, key=lambda a: (a.basis != "acceptance", not a.holds, -a.expires.toordinal()), default=None)


def fits(given: RiskAcceptance, risk_id: str, objectives: tuple[str, ...]) -> bool:
    """Return whether an acceptance is about an entry."""
    return given.risk == risk_id if given.risk is not None else given.objective in objectives


def _given(said: Declared, hazard: Hazard, risk_id: str, level: Level, today: date) -> Iterator[Acceptance]:
    for one in said.system.risk.acceptances:
        if not fits(one, risk_id, hazard.objectives) or not one.on <= today <= one.expires:
            continue
        up_to = Level(one.up_to)
        reason = ""
        if level is Level.UNDETERMINED:
            reason = "the level is not known, and what is not known cannot be accepted"
        elif RISING.index(level) > RISING.index(up_to):
            reason = f"it was accepted up to {_words(up_to)}, and it reads {_words(level)} now"
        yield Acceptance(
            by=one.by,
            at=one.on,
            rationale=one.rationale,
            expires=one.expires,
            basis="acceptance",
            up_to=up_to,
            holds=not reason,
            reason=reason,
            evidence_ids=said.citation,
        )


def _waived(said: Declared, seen: Seen | None, hazard: Hazard, today: date) -> Iterator[Acceptance]:
    """Yield the unexpired waiver that lets this hazard's evidence through under some control; the first to end, of several."""
    waiver = min((w for w in _waivers(said, seen, hazard, today) if w is not None), key=lambda w: w.expires, default=None)
    if waiver is not None:
        yield Acceptance(by=waiver.approved_by, at=waiver.on, rationale=waiver.reason, expires=waiver.expires, evidence_ids=said.citation)


def _waivers(said: Declared, seen: Seen | None, hazard: Hazard, today: date) -> Iterator[Waiver | None]:
    if seen is None or not any(line.waived for line in seen.lines):
        return
    own = {e.id: e for e in hazard.evidence}
    asked = questions(said, seen)
    for line in seen.lines:
        for id_ in line.waived:
            if id_ in own:
                requirement = asked.get(own[id_].requirement)
                metric = (requirement.metric or IMPLICIT_METRIC) if requirement else ""
                column = requirement.column if requirement else ""
                yield waiver_of(said.system, line.control, Asked(own[id_].check, metric, column, own[id_].requirement), today)


def _words(level: Level) -> str:
    return level.value.replace("_", " ")
