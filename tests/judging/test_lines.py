"""One line a control, from evidence made by hand: which piece decides, what is named besides, and whose ids the line cites."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from aims_mlflow.evidence import CheckResult, Evidence, Severity, State
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.judging.persons import attestation_line
from aims_mlflow.system import System

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
P, F, M, U = State.PASS, State.FAIL, State.MISSING, State.INCONCLUSIVE


def system(**more: object) -> System:
    task = {"kind": "regression", "target": "y"}
    return System.model_validate({"version": 1, "system": {"id": "s"}, "task": task, "data": {"roles": {"train": "t"}}, **more})


def piece(requirement: str, state: State, control: str = "A.6.2.4", **more: object) -> Evidence:
    content = {"kind": "standing", "severity": Severity.CRITICAL, "reason": f"why {requirement}", "fix": f"mend {requirement}"}
    check = requirement.partition(".")[0]
    return Evidence.model_validate(
        {"check": check, "requirement": requirement, "controls": (control,), "state": state, "run_id": "r", "time": NOW, "collector": "c"}
        | content
        | more
    )


def word(state: State, control: str, reason: str = "said", fix: str = "") -> Evidence:
    return piece(f"attestation[{control}]", state, control, kind="attestation", reason=reason, fix=fix, check="attestation")


def line(control: str, *evidence: Evidence, of: System | None = None, results: tuple[CheckResult, ...] | None = None) -> ControlLine:
    lines = control_lines(of or system(), evidence, results, today=NOW.date())
    return next(one for one in lines if one.control == control)


def test_a_pass_counts_its_questions_and_cites_them() -> None:
    one, two = piece("a.m", P), piece("b.m", P)
    found = line("A.6.2.4", one, two)
    assert (found.state, found.reason, found.fix) == (P, "2 of 2 questions are answered with a pass", "")
    assert (found.evidence, found.waived) == ((one.id, two.id), ())


def test_the_worst_piece_decides_and_the_others_are_named() -> None:
    pieces = [piece("a.m", P), piece("b.m", U), piece("c.m", F), piece("d.m", M), piece("e.m", F), piece("f.m", M)]
    found = line("A.6.2.4", *pieces)
    assert (found.state, found.fix) == (F, "mend c.m")
    assert found.reason == "why c.m (requirement c.m); and 4 more: b.m inconclusive, d.m missing, e.m fail, ..."
    assert found.evidence == tuple(p.id for p in pieces)
    assert line("A.6.2.4", pieces[2]).reason == "why c.m (requirement c.m)"
    three = line("A.6.2.4", *pieces[:4], pieces[5])
    assert three.reason == "why c.m (requirement c.m); and 3 more: b.m inconclusive, d.m missing, f.m missing"


def test_what_is_not_critical_is_named_and_counts_for_nothing() -> None:
    light = [piece(f"{name}.m", F, severity=Severity.MINOR) for name in "bcde"]
    found = line("A.6.2.4", piece("a.m", P), *light)
    assert found.state is P
    assert found.reason.endswith("; shown but not counted, because not critical: b.m fail, c.m fail, d.m fail and 1 more")
    assert found.evidence == (piece("a.m", P).id,)
    few = line("A.6.2.4", piece("a.m", P), *light[:3], piece("f.m", P, severity=Severity.MINOR))
    assert few.reason.endswith("; shown but not counted, because not critical: b.m fail, c.m fail, d.m fail")


def test_a_control_of_which_nothing_is_known_says_what_to_do() -> None:
    empty = line("A.6.2.4")
    assert (empty.state, empty.reason, empty.evidence) == (M, "there is no evidence", ())
    assert "@aims.track" in empty.fix
    asked = line("A.5.4")
    assert (asked.state, asked.reason) == (M, "only a named person can say this, and nobody has")
    assert asked.fix == attestation_line("A.5.4")
    both = line("A.6.1.2", piece("a.m", P, "A.6.1.2"))
    assert (both.state, both.reason) == (M, "a named person must speak for this control, too, and nobody has")
    assert both.fix == attestation_line("A.6.1.2")


def test_a_persons_word_stands_beside_what_was_measured_and_is_cited() -> None:
    measured, said = piece("a.m", P, "A.6.1.2"), word(P, "A.6.1.2", "attested by the owner")
    found = line("A.6.1.2", measured, said)
    assert (found.state, found.reason) == (P, "1 of 1 questions are answered with a pass; attested by the owner")
    assert found.evidence == (measured.id, said.id)
    unheard = word(M, "A.6.1.2", "no attestation counts", "add one")
    missing = line("A.6.1.2", measured, unheard)
    assert (missing.state, missing.reason, missing.fix) == (M, "no attestation counts", "add one")
    failing = line("A.6.1.2", piece("a.m", F, "A.6.1.2"), unheard)
    assert failing.reason == "why a.m (requirement a.m); and 1 more: attestation[A.6.1.2] missing"


def test_a_run_that_speaks_alone_is_not_helped_by_a_word() -> None:
    found = line("A.6.2.4", piece("a.m", F), word(P, "A.6.2.4"))
    assert (found.state, found.evidence) == (F, (piece("a.m", F).id,))


@pytest.mark.parametrize(
    ("measured", "state"),
    [
        ((), State.NOT_APPLICABLE),
        ((piece("a.m", P, "A.10.3"),), State.NOT_APPLICABLE),
        ((piece("a.m", M, "A.10.3", results=("x",)),), State.NOT_APPLICABLE),
        ((piece("a.requirement_declared", M, "A.10.3"),), State.NOT_APPLICABLE),
        ((piece("gate.decision", M, "A.10.3"),), State.NOT_APPLICABLE),
        ((piece("a.m", M, "A.10.3"),), M),
        ((piece("a.m", F, "A.10.3", results=("x",)),), F),
        ((piece("a.m", P, "A.10.3"), piece("b.m", F, "A.10.3")), F),
    ],
    ids=["nothing", "pass", "looked", "not-declared", "later", "not-run", "fail", "pass-and-fail"],
)
def test_not_applicable_stands_where_nothing_speaks_against_it(measured: tuple[Evidence, ...], state: State) -> None:
    said = word(State.NOT_APPLICABLE, "A.10.3", "declared not applicable by the owner")
    found = line("A.10.3", *measured, said)
    assert found.state is state
    if state is State.NOT_APPLICABLE:
        assert (found.evidence, found.fix) == ((said.id,), "")
        assert found.reason == "declared not applicable by the owner"
    else:
        assert "declared not applicable by the owner, but the evidence does not bear it out" in found.reason


def test_evidence_that_rests_on_what_is_not_there_is_an_error() -> None:
    there = CheckResult(check="a", scope={"dataset": "test"})
    sound, hollow = piece("a.m", P, results=(there.id,)), piece("a.m", P, results=(there.id, "gone"))
    assert line("A.6.2.4", sound, results=(there,)).state is P
    assert line("A.6.2.4", hollow, results=None).state is P
    found = line("A.6.2.4", hollow, results=(there,))
    assert (found.state, found.evidence) == (State.ERROR, (hollow.id,))
    assert found.reason == "the evidence rests on results that are not there (requirement a.m)"


def test_a_later_phase_that_has_spoken_takes_the_place_of_what_was_said_until_then() -> None:
    until, spoken = piece("gate.decision", M, "A.6.2.5"), piece("gate.decision", P, "A.6.2.5", kind="declared")
    said = word(P, "A.6.2.5", "approved by the owner")
    assert line("A.6.2.5", until, spoken, said).state is P
    assert line("A.6.2.5", until, spoken, said).evidence == (spoken.id, said.id)
    alone = line("A.6.2.5", until, said)
    assert alone.state is M
    assert alone.reason == "why gate.decision; approved by the owner, which alone is not enough (requirement gate.decision)"
    assert line("A.6.2.5", piece("b.m", M, "A.6.2.5"), spoken, said).state is M


WAIVER = {"control": "A.6.2.4", "reason": "few cases", "approved_by": "the officer", "on": "2026-02-01", "expires": "2026-03-01"}


def test_a_waiver_lets_a_piece_through_and_is_cited() -> None:
    failing, passing = piece("a.m", F), piece("b.m", P)
    found = line("A.6.2.4", failing, passing, of=system(waivers=[WAIVER | {"check": "a"}]))
    assert (found.state, found.fix) == (State.WAIVED, "")
    assert found.reason == "waived until 2026-03-01 by the officer (few cases); it was fail: why a.m (requirement a.m)"
    assert (found.evidence, found.waived) == ((failing.id, passing.id), (failing.id,))
    other = line("A.6.2.4", failing, passing, of=system(waivers=[WAIVER | {"check": "b"}]))
    assert (other.state, other.waived) == (F, ())


def test_a_waiver_that_has_lapsed_is_told() -> None:
    lapsed = WAIVER | {"check": "a", "expires": date(2026, 2, 28).isoformat()}
    found = line("A.6.2.4", piece("a.m", F), of=system(waivers=[lapsed]))
    assert (found.state, found.waived) == (F, ())
    assert found.reason == "why a.m; the waiver by the officer expired on 2026-02-28 (requirement a.m)"


@pytest.mark.parametrize(
    ("named", "fits"),
    [
        ({"check": "quality", "metric": "completeness", "column": "age"}, True),
        ({"requirement": "quality.completeness[dataset=train, column=age]"}, True),
        ({"check": "quality", "metric": "completeness", "column": "sex"}, False),
        ({"check": "quality", "metric": "uniqueness"}, False),
    ],
    ids=["all", "by-id", "another-column", "another-metric"],
)
def test_a_waiver_knows_what_a_declared_requirement_asks(named: dict[str, str], fits: bool) -> None:
    asked = {"check": "quality", "dataset": "train", "metric": "completeness", "column": "age", "min": 0.9}
    of = system(requirements=[asked], waivers=[WAIVER | named])
    (requirement,) = of.requirements
    found = line("A.6.2.4", piece(requirement.id, F, check="quality", kind="declared"), of=of)
    assert (found.state is State.WAIVED) is fits


def test_a_waiver_knows_what_a_standing_question_asks() -> None:
    failing = piece("leakage.leaking_features[dataset=test, reference=train]", F)
    for named in ({"check": "leakage", "metric": "leaking_features"}, {"requirement": failing.requirement}, {}):
        assert line("A.6.2.4", failing, of=system(waivers=[WAIVER | named])).state is State.WAIVED
    for named in ({"metric": "out_of_order_rows"}, {"column": "x"}, {"requirement": "leakage.leaking_features"}):
        assert line("A.6.2.4", failing, of=system(waivers=[WAIVER | named])).state is F
