"""The statement of applicability, as a draft: all 38 controls, included unless a named person has said why one does not apply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State
from aims_mlflow.judging import judge
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.judging.persons import OBJECTIVE, latest_local_date
from aims_mlflow.records.plan_words import Applicability
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import RiskRecord
from aims_mlflow.system import Attestation

NOBODY = "nobody has excluded it, and nobody has said why it is included"


def applicability(
    said: Declared, seen: Seen | None, gated: Sequence[str], risks: Sequence[RiskRecord], now: datetime
) -> tuple[Applicability, ...]:
    """Return the draft: one entry for each control of Annex A, in the standard's order.

    A control is excluded only where its line reads not applicable, which takes a named person's statement in the system file
    that nothing measured speaks against. A statement that has ended, or that the evidence does not bear out, excludes nothing.

    Args:
        said: the system file.
        seen: the version that the record is about; None where there is none.
        gated: the controls that the gate looks at.
        risks: the entries of the risk register.
        now: the time of the record.
    """
    lines = {line.control: line for line in (seen.lines if seen is not None else _unread(said, now))}
    return tuple(_entry(control, lines[control.id], said, gated, risks, now) for control in catalogue.controls())


def _unread(said: Declared, now: datetime) -> tuple[ControlLine, ...]:
    """Return the lines where no run has left anything: what people have said."""
    evidence = judge(said.system, (), run_id="none", started=now, now=now) if said.known else ()
    lines = control_lines(said.system, evidence, (), today=now.date())
    return tuple(line.model_copy(update={"evidence": ()}) for line in lines)  # of no run: nobody could look it up


def _entry(
    control: catalogue.Control, line: ControlLine, said: Declared, gated: Sequence[str], risks: Sequence[RiskRecord], now: datetime
) -> Applicability:
    statements = [a for a in said.system.attestations if a.control == control.id]
    excused = _latest(a for a in statements if _excludes(a) and _holds(a, now)) if line.state is State.NOT_APPLICABLE else None
    stated = _latest(a for a in statements if not a.not_applicable and _holds(a, now))
    reason = excused or stated
    bears_on = tuple(r.risk_id for r in risks if control.id in _controls_of(r, line))
    return Applicability(
        control=control.id,
        title=control.title,
        group=f"{control.group} {control.group_title}",
        included=excused is None,
        justification=_words(reason) if reason else NOBODY,
        justified_by=reason.by if reason else "",
        justified_on=reason.on if reason else None,
        until=excused.expires if excused else None,
        reasons=tuple(_reasons(control.id, gated, bears_on, risks, [a for a in statements if _excludes(a) and a is not excused], now)),
        risk_ids=bears_on,
        state=line.state,
        status=line.reason,
        fix=line.fix,
        evidence_ids=(*line.evidence, *(said.citation if reason else ())),
    )


def _excludes(one: Attestation) -> bool:
    """Return whether an attestation speaks of the whole control: one for A.6.1.2 that names objectives excludes these only."""
    return one.not_applicable and not (one.control == "A.6.1.2" and OBJECTIVE.search(one.statement))


def _holds(one: Attestation, now: datetime) -> bool:
    return one.on <= latest_local_date(now) and (one.expires is None or one.expires >= now.date())


def _latest(found: Iterable[Attestation]) -> Attestation | None:
    return max(found, key=lambda a: a.on, default=None)


def _words(reason: Attestation) -> str:
    return f"{reason.statement} [{reason.reference}]" if reason.reference else reason.statement


def _controls_of(risk: RiskRecord, line: ControlLine) -> set[str]:
    """Return the controls that a risk asks for: those of its treatments, and this one where the risk cites its evidence."""
    treated = {a.control_id for a in risk.treatment_actions if a.control_id}
    return treated | ({line.control} if set(line.evidence) & set(risk.evidence_ids) else set())


def _reasons(
    control: str, gated: Sequence[str], bears_on: Sequence[str], risks: Sequence[RiskRecord], claims: Sequence[Attestation], now: datetime
) -> Iterable[str]:
    if control in gated:
        yield "the gate looks at it before a promotion"
    for risk in risks:
        yield from (f"treats {risk.risk_id}: {a.action}" for a in risk.treatment_actions if a.control_id == control)
    if bears_on:
        yield f"evidence or treatments of it bear on {', '.join(bears_on)}"
    for one in claims:
        why = "the evidence does not bear it out" if _holds(one, now) else "that does not hold on the day of this record"
        yield f"{one.by} said on {one.on} that it does not apply ({one.statement}); {why}"
