"""From evidence to one line a control: the worst of its critical evidence, waivers applied, what is not there named.

Waivers are applied here and not when evidence is judged: the same evidence serves several controls, and a waiver holds for
the one control it names. Removing evidence never makes a line let a model through that it stopped before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pydantic import Field

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Evidence, Severity, State, Word, worst
from aims_mlflow.judging.bounds import IMPLICIT_METRIC
from aims_mlflow.judging.persons import Asked, attestation_line, lapsed_waiver, waiver_of
from aims_mlflow.judging.standing import DECLARATION, LATER, RUN_ALONE, expanded
from aims_mlflow.system import Requirement, System, Waiver

LISTED = 3
"""How many further pieces of evidence a reason names."""

NO_EVIDENCE_FIX = "train under @aims.track, so that the checks of this control run"


class ControlLine(Word):
    """What the evidence says of one control: its state, the reason, what to do, and the ids of the critical evidence."""

    control: str
    title: str
    state: State
    reason: str
    fix: str = ""
    evidence: tuple[str, ...] = Field(default=(), description="ids of the critical evidence that the state rests on")
    waived: tuple[str, ...] = Field(default=(), description="ids of the evidence that a waiver lets through under this control")


@dataclass(frozen=True)
class _Piece:
    """One thing that bears on a control: a piece of evidence as it counts here, or that there is none."""

    state: State
    reason: str
    fix: str = ""
    evidence: Evidence | None = None
    waiver: Waiver | None = None

    @property
    def words(self) -> str:
        named = f" (requirement {self.evidence.requirement})" if self.evidence and self.evidence.kind != "attestation" else ""
        return self.reason + named


def control_lines(
    system: System, evidence: Sequence[Evidence], results: Sequence[CheckResult] | None = None, *, today: date
) -> tuple[ControlLine, ...]:
    """Return one line for each of the 38 controls, in the standard's order.

    The state is the worst of the control's critical evidence and of what a person must say; a control without evidence is
    MISSING. A person's word never makes up for what was measured, nor for what was not. That a control does not apply counts
    only where nothing speaks against it and every check that could have spoken gave its result.

    Args:
        system: whose waivers and requirements count.
        evidence: as ``judge`` gives it.
        results: where given, evidence that rests on any other result reads ERROR.
        today: the day on which waivers must hold.
    """
    there = None if results is None else {result.id for result in results}
    questions = {requirement.id: requirement for requirement in expanded(system, results or ())}
    lines = []
    for control in catalogue.controls():
        own = [e for e in evidence if control.id in e.controls]
        pieces = [_waived(piece, system, control.id, questions, today) for piece in _pieces(control.id, own, there)]
        lines.append(_line(control.id, control.title, pieces, own))
    return tuple(lines)


def _pieces(control: str, own: Sequence[Evidence], there: set[str] | None) -> list[_Piece]:
    """Return everything that bears on the state of a control, raw."""
    measured = [_counted(e, there) for e in _answered(control, own) if e.kind != "attestation" and e.severity is Severity.CRITICAL]
    said = {e.state: e for e in own if e.kind == "attestation"}
    excused = said.get(State.NOT_APPLICABLE)
    note = ""
    if excused is not None:
        if all(_can_be_excused(piece) for piece in measured):
            return [_Piece(State.NOT_APPLICABLE, excused.reason, evidence=excused)]
        note = f"; {excused.reason}, but the evidence does not bear it out"
        measured = [replace(p, reason=p.reason + note) if p.state is not State.PASS else p for p in measured]
    if not measured and control.startswith(("A.6.", "A.7.")):
        measured.append(_Piece(State.MISSING, "there is no evidence", NO_EVIDENCE_FIX))
    if control in RUN_ALONE:
        return measured
    word = said.get(State.PASS) or said.get(State.MISSING)
    if word is None:
        reason = "only a named person can say this" if not measured else "a named person must speak for this control, too"
        return [*measured, _Piece(State.MISSING, f"{reason}, and nobody has{note}", attestation_line(control))]
    if word.state is State.PASS and control in LATER:
        also = f"; {word.reason}, which alone is not enough"
        measured = [replace(p, reason=p.reason + also) if p.state is State.MISSING else p for p in measured]
    return [*measured, _Piece(word.state, word.reason, word.fix, word)]


def _answered(control: str, own: Sequence[Evidence]) -> list[Evidence]:
    """Leave out that a later phase has not spoken yet where it has."""
    later = LATER.get(control)
    if later is None or not any(e.requirement == later.requirement and e.state is not State.MISSING for e in own):
        return list(own)
    return [e for e in own if e.requirement != later.requirement or e.state is not State.MISSING]


def _counted(evidence: Evidence, there: set[str] | None) -> _Piece:
    if there is not None and not set(evidence.results) <= there:
        reason = "the evidence rests on results that are not there"
        return _Piece(State.ERROR, reason, "train again, so that evidence and results belong together", evidence)
    fix = evidence.fix or ("" if evidence.state in LETS_THROUGH else NO_EVIDENCE_FIX)
    return _Piece(evidence.state, evidence.reason, fix, evidence)


def _can_be_excused(piece: _Piece) -> bool:
    """Return whether a piece lets "not applicable" stand: it passes, or a check looked and found nothing there.

    What was simply not run does not: else leaving out a check would be a way to be excused from what it found.
    """
    evidence = piece.evidence
    if evidence is None or piece.state is State.PASS:
        return True
    asks_no_check = evidence.requirement.endswith(f".{DECLARATION}") or evidence.requirement in {p.requirement for p in LATER.values()}
    return piece.state is State.MISSING and (bool(evidence.results) or asks_no_check)


def _asked(piece: _Piece, questions: Mapping[str, Requirement]) -> Asked | None:
    """Return what a piece is about, in a waiver's words."""
    evidence = piece.evidence
    if evidence is None:
        return None
    requirement = questions.get(evidence.requirement)
    if requirement is None or requirement.check != evidence.check:
        metric = evidence.requirement.removeprefix(f"{evidence.check}.").split("[")[0]
        return Asked(evidence.check, metric, "", evidence.requirement)
    column = requirement.column
    if requirement.expectation is not None and isinstance(requirement.expectation.kwargs.get("column"), str):
        column = str(requirement.expectation.kwargs["column"])
    return Asked(evidence.check, requirement.metric or IMPLICIT_METRIC, column, evidence.requirement)


def _waived(piece: _Piece, system: System, control: str, questions: Mapping[str, Requirement], today: date) -> _Piece:
    if piece.state in LETS_THROUGH:
        return piece
    asked = _asked(piece, questions)
    waiver = waiver_of(system, control, asked, today)
    if waiver is not None:
        leave = f"waived until {waiver.expires.isoformat()} by {waiver.approved_by} ({waiver.reason})"
        reason = f"{leave}; it was {piece.state.value}: {piece.reason}"
        return replace(piece, state=State.WAIVED, reason=reason, fix="", waiver=waiver)
    lapsed = lapsed_waiver(system, control, asked, today)
    if lapsed is not None:
        return replace(piece, reason=f"{piece.reason}; the waiver by {lapsed.approved_by} expired on {lapsed.expires.isoformat()}")
    return piece


def _line(control: str, title: str, pieces: Sequence[_Piece], own: Sequence[Evidence]) -> ControlLine:
    state = worst(tuple(piece.state for piece in pieces))
    deciding = [piece for piece in pieces if piece.state is state]
    if state is State.PASS:
        measured = [p for p in pieces if p.evidence is not None and p.evidence.kind != "attestation"]
        words = [f"{len(measured)} of {len(measured)} questions are answered with a pass"] if measured else []
        reason = "; ".join([*words, *(p.reason for p in pieces if p not in measured)])
    else:
        others = [p for p in pieces if p is not deciding[0] and p.state not in (State.PASS, State.NOT_APPLICABLE)]
        reason = deciding[0].words + _others(others)
    light = [e for e in own if e.severity is not Severity.CRITICAL and e.state is not State.PASS]
    if light:
        named = ", ".join(f"{e.requirement} {e.state.value}" for e in light[:LISTED])
        reason += f"; shown but not counted, because not critical: {named}" + (
            f" and {len(light) - LISTED} more" if len(light) > LISTED else ""
        )
    return ControlLine(
        control=control,
        title=title,
        state=state,
        reason=reason,
        fix="" if state in LETS_THROUGH else deciding[0].fix,
        evidence=tuple(p.evidence.id for p in pieces if p.evidence is not None),
        waived=tuple(p.evidence.id for p in pieces if p.waiver is not None and p.evidence is not None),
    )


def _others(pieces: Sequence[_Piece]) -> str:
    if not pieces:
        return ""
    named = ", ".join(f"{p.evidence.requirement if p.evidence else 'attestation'} {p.state.value}" for p in pieces[:LISTED])
    return f"; and {len(pieces)} more: {named}" + (", ..." if len(pieces) > LISTED else "")
