"""The risk register: hazards become entries with a level by lookup table, a treatment, what remains, and who accepted it.

Unknown is not low: a missing likelihood or consequence gives UNDETERMINED, which stands above very high. The roll-up is the
maximum. A residual risk comes only from evidence collected after the treatment was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from aims_mlflow.evidence import Evidence, State, digest
from aims_mlflow.records.accepting import RISING, acceptance_of
from aims_mlflow.records.consequence import consequence_of, excess_decisions, highest_class, what_to_declare
from aims_mlflow.records.hazards import Hazard, Hazards, find_hazards
from aims_mlflow.records.likelihood import likelihood_class
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import (
    CLASSES,
    Acceptance,
    ConsequenceClass,
    ConsequenceRecord,
    Level,
    Likelihood,
    LikelihoodClass,
    Residual,
    RiskRecord,
    RiskRegister,
    RiskState,
    Step,
    TreatmentAction,
)
from aims_mlflow.system import Treatment

__all__ = ["DEFAULT_MATRIX", "RISING", "highest", "level_of", "matrix_of", "risk_register", "steps_of"]

Matrix = dict[LikelihoodClass, tuple[Level, ...]]

_L, _M, _H, _V = Level.LOW, Level.MODERATE, Level.HIGH, Level.VERY_HIGH

DEFAULT_MATRIX: Matrix = {
    "L1": (_L, _L, _L, _M, _H),
    "L2": (_L, _L, _M, _M, _H),
    "L3": (_L, _M, _M, _H, _V),
    "L4": (_L, _M, _H, _H, _V),
    "L5": (_M, _M, _H, _V, _V),
}
"""The level for each likelihood (rows) and consequence C1 to C5 (columns): a lookup table, never a product."""


def level_of(matrix: Matrix, likelihood: LikelihoodClass | None, consequence: ConsequenceClass | None) -> Level:
    """Return the level; UNDETERMINED where either class is not known."""
    if likelihood is None or consequence is None:
        return Level.UNDETERMINED
    return matrix[likelihood][CLASSES.index(consequence)]


def highest(levels: Sequence[Level]) -> Level:
    """Return the maximum, never a mean; nothing at all is undetermined."""
    return max(levels, key=RISING.index, default=Level.UNDETERMINED)


def matrix_of(said: Declared) -> Matrix:
    """Return the organisation's own table, or the default one."""
    own = said.system.risk.matrix
    return DEFAULT_MATRIX if own is None else {row: tuple(Level(one) for one in levels) for row, levels in own.items()}


def risk_register(
    said: Declared, seen: Seen | None, past: Sequence[Mapping[str, Step]], now: datetime, hazards: Hazards | None = None
) -> RiskRegister:
    """Return the register as the evidence of one version shows it, highest level first.

    Args:
        said: the system file.
        seen: the version the record is about; None where there is none.
        past: what the entries read on other versions (``steps_of``), newest first, for the history of each entry.
        now: the time of the record.
        hazards: what ``find_hazards`` gives for that version, where it is at hand.
    """
    hazards = find_hazards(said, seen, now.date()) if hazards is None else hazards
    entries = [_entry(said, seen, hazard, past, now) for hazard in hazards.found]
    entries.sort(key=lambda e: (-RISING.index(e.level), -(e.likelihood.p if e.likelihood.p is not None else 2), e.risk_id))
    adoption = said.system.risk.criteria
    return RiskRegister(
        highest=highest([e.level for e in entries]),
        entries=tuple(entries),
        not_raised=hazards.not_raised,
        criteria_ref=_criteria(said),
        criteria_adopted_by=adoption.adopted_by if adoption else "",
        criteria_adopted_on=adoption.adopted_on if adoption else None,
        matrix=matrix_of(said),
        matrix_source="default" if said.system.risk.matrix is None else "system file",
        notes=hazards.notes,
    )


def _criteria(said: Declared) -> str:
    adoption = said.system.risk.criteria
    table = "default level table" if said.system.risk.matrix is None else "level table of the system file"
    return f"{table}, adopted by {adoption.adopted_by} on {adoption.adopted_on}" if adoption else f"{table}, adopted by nobody"


def _entry(said: Declared, seen: Seen | None, hazard: Hazard, past: Sequence[Mapping[str, Step]], now: datetime) -> RiskRecord:
    matrix = matrix_of(said)
    consequence, unseen = _consequence(said, hazard)
    level = level_of(matrix, hazard.likelihood.class_, consequence.class_)
    spread = _level_range(matrix, hazard.likelihood, consequence, highest_class(said, consequence, unseen))
    treatments = tuple(t for t in said.system.risk.treatments if t.objective in hazard.objectives)
    id_ = _risk_id(said, hazard)
    acceptance = acceptance_of(said, seen, hazard, id_, level, now.date())
    state, why = _state(said, seen, hazard, level)
    residual, residual_reason = _residual(seen, hazard, consequence, level, spread, treatments)
    cited = tuple(
        dict.fromkeys(
            (
                *(e.id for e in hazard.evidence),
                *(r.id for r in hazard.results),
                *hazard.likelihood.evidence_ids,
                *consequence.evidence_ids,
                *hazard.cited,
            )
        )
    )
    return RiskRecord(
        risk_id=id_,
        system_id=said.system.id,
        model_version=seen.uri if seen else "",
        risk_source=hazard.sources,
        objective=hazard.objectives,
        event=hazard.event,
        cause=hazard.cause,
        consequence_description=_description(consequence),
        parties=_parties(said, hazard),
        existing_controls=_existing(seen, hazard.evidence),
        likelihood=hazard.likelihood,
        consequence=consequence,
        level=level,
        level_range=spread,
        state=state,
        state_reason=why,
        fix=_fix(said, hazard, consequence),
        criteria_ref=_criteria(said),
        owner=_owner(said, hazard),
        treatment=", ".join(dict.fromkeys(t.option.replace("_", " ") for t in treatments)),
        treatment_actions=tuple(_action(t, now.date()) for t in treatments),
        residual=residual,
        residual_reason=residual_reason,
        acceptance=acceptance,
        review_due=_review_due(said, seen, treatments, acceptance),
        history=tuple(steps[id_] for steps in past if id_ in steps),
        indicators=hazard.indicators,
        evidence_ids=cited,
    )


def _fix(said: Declared, hazard: Hazard, consequence: ConsequenceRecord) -> str:
    """Return what would make the level known, or what the evidence asks for."""
    parts = [hazard.fix] if hazard.fix and hazard.likelihood.class_ is None else []
    parts += [what_to_declare(hazard.objectives)] if consequence.class_ is None and said.known else []
    return "; ".join(parts) or hazard.fix


def _risk_id(said: Declared, hazard: Hazard) -> str:
    """Return an id that stays the same over versions and over what is measured."""
    return "R-" + digest([said.system.id, hazard.kind, list(hazard.key)])[:8]


def _consequence(said: Declared, hazard: Hazard) -> tuple[ConsequenceRecord, str]:
    """Return the consequence, and why its breakpoints could not be looked at (or "")."""
    if hazard.kind != "fairness":
        return consequence_of(said, hazard.objectives, (), ""), ""
    excess, unseen = excess_decisions(said, hazard.results)
    return consequence_of(said, hazard.objectives, excess, unseen), unseen


def _description(consequence: ConsequenceRecord) -> str:
    if not consequence.party:
        return "nobody has said what follows for whom"
    return f"{consequence.party}: {consequence.dimension or 'dimension not said'}; {consequence.rationale or 'no rationale given'}"


def _parties(said: Declared, hazard: Hazard) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(c.party for c in said.system.risk.consequences if c.objective in hazard.objectives))
    return named or tuple(p.name for p in said.system.system.affected_parties)


def _existing(seen: Seen | None, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Return the controls that the evidence bears on and whose own evidence passes."""
    if seen is None:
        return ()
    passing = {line.control for line in seen.lines if line.state is State.PASS}
    return tuple(dict.fromkeys(c for e in evidence for c in e.controls if c in passing))


def _level_range(
    matrix: Matrix, likelihood: Likelihood, consequence: ConsequenceRecord, highest_c: ConsequenceClass
) -> tuple[Level, Level]:
    """Return the lowest and the highest level that the range of p, and what is not known, allow."""
    low: LikelihoodClass = "L1" if likelihood.p_low is None else likelihood_class(likelihood.p_low)
    high: LikelihoodClass = "L5" if likelihood.p_high is None else likelihood_class(likelihood.p_high)
    lowest_c: ConsequenceClass = consequence.class_ or "C1"
    rows = sorted(matrix)
    classes = rows[rows.index(low) : rows.index(high) + 1]
    ends = [level_of(matrix, row, c) for row in classes for c in CLASSES if lowest_c <= c <= highest_c]
    return min(ends, key=RISING.index), max(ends, key=RISING.index)


def _state(said: Declared, seen: Seen | None, hazard: Hazard, level: Level) -> tuple[RiskState, str]:
    stale = seen is not None and any(b.code == "stale" for b in seen.gate.blockers)
    if stale or any(e.state is State.STALE for e in hazard.evidence):
        return RiskState.STALE, "the evidence is older than the policy allows"
    if level is Level.UNDETERMINED:
        return RiskState.UNKNOWN, "likelihood or consequence is not known"
    if said.system.risk.criteria is None:
        return RiskState.UNKNOWN, "nobody has adopted the risk criteria (risk.criteria: adopted_by, adopted_on)"
    return RiskState.ASSESSED, ""


def _action(treatment: Treatment, today: date) -> TreatmentAction:
    return TreatmentAction(
        option=treatment.option,
        action=treatment.action,
        control_id=treatment.control,
        due=treatment.due,
        owner=treatment.owner,
        status=treatment.status,
        done_on=treatment.done_on,
        overdue=treatment.status != "done" and treatment.due is not None and treatment.due < today,
    )


def _residual(
    seen: Seen | None,
    hazard: Hazard,
    consequence: ConsequenceRecord,
    level: Level,
    spread: tuple[Level, Level],
    treatments: Sequence[Treatment],
) -> tuple[Residual | None, str]:
    """Return what remains after treatment, or why nothing can be said of it."""
    if not treatments:
        return None, "no treatment is declared"
    open_ = [t for t in treatments if t.status != "done"]
    done = [t.done_on for t in treatments if t.done_on is not None and t.status == "done"]
    if open_ or not done:
        return (
            None,
            f"{len(open_)} of {len(treatments)} treatments not done yet" if open_ else "no treatment says when it was done (done_on)",
        )
    last = max(done)
    if seen is None or seen.bundle is None or not hazard.evidence or _utc(seen.bundle.run.started).date() <= last:
        return None, f"no evidence yet from after {last}, when the treatment was done"
    return (
        Residual(
            likelihood=hazard.likelihood,
            consequence=consequence,
            level=level,
            level_range=spread,
            after_evidence_ids=tuple(e.id for e in hazard.evidence),
            reason=f"measured by a run that started on {_utc(seen.bundle.run.started).date()}, after the treatment of {last}",
        ),
        "",
    )


def _review_due(said: Declared, seen: Seen | None, treatments: Sequence[Treatment], acceptance: Acceptance | None) -> date | None:
    """Return the first day on which something about the entry ends: the evidence, a treatment's term, the acceptance, the assessment."""
    days = [t.due for t in treatments if t.due is not None and t.status != "done"]
    days += [said.system.risk.review_due] if said.system.risk.review_due is not None else []
    if seen is not None and seen.bundle is not None:
        days.append(_utc(seen.bundle.run.finished).date() + timedelta(days=said.system.gate.max_age_days))
    if acceptance is not None:
        days.append(acceptance.expires)
    return min(days, default=None)


def steps_of(said: Declared, seen: Seen, hazards: Hazards) -> dict[str, Step]:
    """Return what each entry reads on one version, by today's criteria: risk id -> step; nothing where there is no evidence to believe."""
    if seen.bundle is None:
        return {}
    matrix = matrix_of(said)
    steps = {}
    for one in hazards.found:
        consequence, _ = _consequence(said, one)
        steps[_risk_id(said, one)] = Step(
            version=seen.uri,
            run_id=seen.run_id,
            measured=_utc(seen.bundle.run.finished),
            likelihood=one.likelihood.class_,
            p=one.likelihood.p,
            consequence=consequence.class_,
            level=level_of(matrix, one.likelihood.class_, consequence.class_),
            evidence_ids=tuple(dict.fromkeys((*(e.id for e in one.evidence), *one.likelihood.evidence_ids))),
        )
    return steps


def _owner(said: Declared, hazard: Hazard) -> str:
    """Return who owns the risk: whom the system file names for its objectives, else the owner of the system."""
    owners = said.system.risk.owners
    own = tuple(dict.fromkeys(owners[o] for o in hazard.objectives if o in owners))
    return ", ".join(own) or (said.system.system.owner.name if said.system.system.owner else "")


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
