"""The impact record: every heading asked, only what somebody said or what was measured answered, unknown first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.records.impact import QUESTIONS, impact_record
from aims_mlflow.records.reading import Declared
from aims_mlflow.records.words import AnswerState, Question


def question(key: str, system: Any, seen: Any = None, *, known: bool = True) -> Question:
    found = impact_record(Declared(system, known, "aims.yaml"), seen, ())
    return next(q for q in found.questions if q.key == key)


def test_every_heading_is_asked_about() -> None:
    assert {q.clause for q in QUESTIONS} == {
        *("6.2", "6.3", "6.4", "6.5", "6.6", "6.7", "6.8", "6.9"),
        *("5.4", "5.6", "5.7", "5.9", "5.10", "5.11", "5.12"),
    }
    assert len({q.key for q in QUESTIONS}) == len(QUESTIONS)


def test_without_a_file_and_a_version_nothing_is_answered(make: Any) -> None:
    found = impact_record(Declared(make.system(), False, "none"), None, ())
    answered = [q.key for q in found.having(AnswerState.ANSWERED)]
    assert answered == ["benefits"], "a stand-in has no answers; this one has the one it was given"


def test_unknown_comes_first_and_says_what_to_add(make: Any) -> None:
    states = [q.state for q in impact_record(make.declared(), None, ()).questions]
    assert states == sorted(states, key=[AnswerState.UNKNOWN, AnswerState.ANSWERED, AnswerState.NA].index)
    assert "misuse: {text" in question("misuse", make.system()).fix


def test_a_persons_answer_carries_their_name(make: Any) -> None:
    found = question("benefits", make.system())
    assert (found.state, found.answer, found.answered_by, found.basis) == (
        AnswerState.ANSWERED,
        "Faster decisions",
        "Product owner",
        "person",
    )
    assert found.evidence_ids[0].startswith("s-")


def test_a_person_may_say_that_it_does_not_apply(make: Any) -> None:
    said = {"impact": {"answers": {"society": {"text": "internal tool", "by": "Owner", "on": "2026-01-01", "not_applicable": True}}}}
    assert question("society", make.system(**said)).state is AnswerState.NA


def test_a_persons_answer_goes_before_a_declaration(make: Any) -> None:
    said = {"impact": {"answers": {"purpose": {"text": "by hand", "by": "Owner", "on": "2026-01-01"}}}}
    assert question("purpose", make.system()).basis == "system file"
    assert question("purpose", make.system(**said)).answer == "by hand"


def test_an_answer_to_a_question_of_ones_own_is_kept(make: Any) -> None:
    said = {"impact": {"answers": {"union_view": {"text": "agreed", "by": "Works council", "on": "2026-01-01"}}}}
    found = question("union_view", make.system(**said))
    assert (found.heading, found.answer) == ("Further answers", "agreed")


@pytest.mark.parametrize("key", ["data", "data_quality", "disparity", "algorithm", "version"])
def test_evidence_answers_with_ids_that_resolve(make: Any, seen: Any, key: str) -> None:
    version = seen(make.system())
    found = question(key, make.system(), version)
    assert (found.state, found.basis) == (AnswerState.ANSWERED, "evidence")
    known = {e.id for e in version.judged} | set(version.results) | {version.id, version.bundle_id, *make.declared().citation}
    assert set(found.evidence_ids) <= known
    assert found.evidence_ids


def test_each_consequence_is_an_impact_and_each_silent_party_an_unknown_one(make: Any) -> None:
    parties = [{"name": "applicants", "size": 10, "source": "files", "vulnerable": False}, {"name": "guarantors"}]
    found = impact_record(make.declared(make.system(system={"affected_parties": parties})), None, ()).impacts
    assert (found[0].party, found[0].state) == ("guarantors", AnswerState.UNKNOWN)
    assert {"scale", "number affected", "vulnerability", "irremediability"} <= set(found[0].unknown)
    harms = [i for i in found if i.party == "applicants"]
    assert {(i.scale, i.affected, i.answered_by, i.harm_or_benefit) for i in harms} == {("C3", 10, "Head of credit", "harm")}
    assert found[-1].harm_or_benefit == "benefit"


DECLARED = {"party": "applicants", "kind": "benefit", "description": "faster", "by": "Owner", "on": "2026-02-01"}


def test_declared_impacts_stand_beside_consequences_with_every_field(make: Any) -> None:
    harm = {
        **DECLARED,
        "kind": "harm",
        "arises_from": "failure",
        "dimension": "money",
        "scale": 4,
        "affected": 12,
        "affected_source": "complaints",
        "irremediability": "can be paid back",
        "confidence": "low",
    }
    found = impact_record(make.declared(make.system(impact={"impacts": [harm, DECLARED]})), None, ()).impacts
    failure = next(i for i in found if i.arises_from == "failure")
    assert (failure.scale, failure.affected, failure.affected_source) == ("C4", 12, "complaints")
    assert (failure.irremediability, failure.confidence, failure.unknown) == ("can be paid back", "low", ())
    (good,) = [i for i in found if i.harm_or_benefit == "benefit"]
    assert (good.party, good.affected, good.affected_source) == ("applicants", 10_000, "applications in 2025"), "else the party's size"
    assert "irremediability" not in good.unknown, "nobody asks whether good can be undone"
    assert {"dimension", "scale", "confidence"} <= set(good.unknown)


def test_a_party_with_a_declared_impact_is_spoken_for(make: Any) -> None:
    silent = {"risk": {"consequences": []}}
    assert next(i.state for i in impact_record(make.declared(make.system(**silent)), None, ()).impacts) is AnswerState.UNKNOWN
    spoken = make.system(**silent, impact={"impacts": [DECLARED]})
    assert {i.state for i in impact_record(make.declared(spoken), None, ()).impacts} == {AnswerState.ANSWERED}


def test_each_consequence_says_for_itself_whether_it_can_be_undone_and_how_sure_it_is(make: Any) -> None:
    one = {"objective": "C.2.5", "party": "applicants", "class": 3, "set_by": "Head", "set_on": "2026-01-15"}
    sure = {**one, "irremediability": "by appeal", "confidence": "high"}
    mixed = make.system(risk={"consequences": [sure, {**one, "objective": "C.2.8"}]})
    harms = [i for i in impact_record(make.declared(mixed), None, ()).impacts if i.harm_or_benefit == "harm"]
    assert [(i.irremediability, i.confidence) for i in harms] == [("by appeal", "high"), ("", "")]
    assert question("irremediability", mixed).state is AnswerState.UNKNOWN, "one of them does not say"
    whole = make.system(risk={"consequences": [sure]})
    assert question("irremediability", whole).answer == "applicants: by appeal"
    assert question("confidence", whole).answer == "applicants: high"


@pytest.mark.parametrize(("arises_from", "key"), [("failure", "failures"), ("misuse", "misuse"), ("use", "harms")])
def test_declared_impacts_answer_the_questions_they_are_about(make: Any, arises_from: str, key: str) -> None:
    harm = {**DECLARED, "kind": "harm", "arises_from": arises_from, "description": "a wrong refusal"}
    found = question(key, make.system(impact={"impacts": [harm]}))
    assert (found.state, found.basis) == (AnswerState.ANSWERED, "system file")
    assert "applicants: a wrong refusal (by Owner)" in found.answer


def test_the_day_of_the_next_assessment_is_told(make: Any) -> None:
    system = make.system(impact={"review_due": "2027-01-01"})
    assert str(impact_record(make.declared(system), None, ()).review_due) == "2027-01-01"
    assert question("timing", system).answer == "assessed again by 2027-01-01"


def test_the_documentation_lists_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")
    assert [q.key for q in QUESTIONS if f"`{q.key}`" not in text and q.key != "version"] == []
