"""The catalogue: complete, in order, and with guidance in whole sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aims_mlflow import controls as catalogue
from aims_mlflow.errors import UnknownNameError

LIFE_CYCLE_AND_DATA = [
    *("A.6.1.2", "A.6.1.3"),
    *("A.6.2.2", "A.6.2.3", "A.6.2.4", "A.6.2.5", "A.6.2.6", "A.6.2.7", "A.6.2.8"),
    *("A.7.2", "A.7.3", "A.7.4", "A.7.5", "A.7.6"),
]


def test_the_catalogue_is_complete() -> None:
    assert len(catalogue.controls()) == len(set(catalogue.control_ids())) == 38
    assert catalogue.objective_ids() == tuple(f"C.2.{n}" for n in range(1, 12))
    assert catalogue.risk_source_ids() == tuple(f"C.3.{n}" for n in range(1, 8))
    assert {c.id.partition(".")[0] for c in catalogue.clauses()} == {"4", "5", "6", "7", "8", "9", "10"}


def test_controls_stand_in_the_order_of_the_standard() -> None:
    as_numbers = [[int(part) for part in id_[2:].split(".")] for id_ in catalogue.control_ids()]
    assert as_numbers == sorted(as_numbers)


@pytest.mark.parametrize(
    ("group", "many"),
    [("A.2", 3), ("A.3", 2), ("A.4", 5), ("A.5", 4), ("A.6.1", 2), ("A.6.2", 7), ("A.7", 5), ("A.8", 4), ("A.9", 3), ("A.10", 3)],
)
def test_each_group_has_its_controls(group: str, many: int) -> None:
    assert sum(c.group == group for c in catalogue.controls()) == many


def test_ids_for_other_tools_follow_from_the_control_id() -> None:
    for one in catalogue.controls():
        assert one.oscal_id == one.id.lower()
        assert one.urn.endswith(":" + one.id.lower())


@pytest.mark.parametrize("id_", LIFE_CYCLE_AND_DATA)
def test_the_fourteen_say_what_a_run_shows_and_a_person_must_say(id_: str) -> None:
    said = catalogue.control(id_).guidance
    for text in (said.shows, said.person, said.passes, said.fails, said.missing, said.auditor):
        assert len(text.split()) >= 5
    assert said.told_by != "person"


def test_life_cycle_and_data_controls_are_fourteen() -> None:
    assert [i for i in catalogue.control_ids() if i.startswith(("A.6.", "A.7."))] == LIFE_CYCLE_AND_DATA


def test_guidance_is_in_whole_sentences_and_claims_nothing() -> None:
    for one in catalogue.controls():
        for text in (one.guidance.shows, one.guidance.person, one.guidance.passes, one.guidance.fails, one.guidance.missing):
            assert text[0].isupper(), one.id
            assert text.endswith("."), one.id
        everything = " ".join(str(v) for v in vars(one.guidance).values())
        assert not re.search(r"complian", everything, re.IGNORECASE), one.id


@pytest.mark.parametrize("id_", ["A.2.2", "A.2.3", "A.2.4", "A.3.2", "A.3.3", "A.8.3", "A.8.5", "A.10.2", "A.10.4"])
def test_what_only_a_person_can_tell_is_marked_so(id_: str) -> None:
    assert catalogue.control(id_).guidance.told_by == "person"


@pytest.mark.parametrize("id_", ["A.6.2.5", "A.6.2.6", "A.6.2.8"])
def test_what_a_training_run_can_never_pass_is_marked_so(id_: str) -> None:
    assert catalogue.control(id_).guidance.told_by == "later phase"
    assert "a training run alone can never say this" in catalogue.control(id_).guidance.missing


def test_the_crosswalk_marks_what_is_official() -> None:
    a43 = catalogue.control("A.4.3")
    assert [str(p) for p in a43.nist] == ["MAP 2.1*", "MAP 2.3", "MAP 4.1"]
    official = {(c.id, p.id) for c in (*catalogue.controls(), *catalogue.clauses()) for p in c.nist if p.official}
    assert ("A.6.2.7", "MAP 2.2") in official
    assert ("6.1.2", "MAP 1.5") in official
    assert ("A.6.2.4", "MEASURE 2.11") not in official
    assert not any(p.official for c in catalogue.controls() for p in (*c.eu_ai_act, *c.iso))


def test_every_place_that_the_crosswalk_names_exists() -> None:
    known = {*catalogue.control_ids(), *(c.id for c in catalogue.clauses())}
    assert {id_ for row in catalogue._crosswalk() for id_ in row["for"]} <= known
    assert {id_ for c in catalogue.controls() for id_ in c.clauses} <= known


@pytest.mark.parametrize(
    ("find", "name", "near"),
    [(catalogue.control, "A.7.44", "A.7.4"), (catalogue.objective, "C.2.55", "C.2.5"), (catalogue.risk_source, "C.3.9", "C.3.")],
)
def test_an_unknown_id_names_the_nearest(find: object, name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=re.escape(near)) as caught:
        find(name)  # type: ignore[operator]
    assert name in caught.value.what


def test_titles_are_found_by_id() -> None:
    assert catalogue.objective("C.2.5").title == "Fairness"
    assert catalogue.risk_source("C.3.7").title == "Technology readiness"
    assert catalogue.control("A.7.5").title == "Data provenance"


def test_the_documentation_holds_the_catalogue() -> None:
    text = (Path(__file__).parents[1] / "docs" / "controls.md").read_text(encoding="utf-8")
    for one in catalogue.controls():
        assert one.title in text, one.id
        assert one.guidance.shows in text, one.id
        assert one.guidance.person in text, one.id
    for id_ in LIFE_CYCLE_AND_DATA:
        said = catalogue.control(id_).guidance
        assert all(words in text for words in (said.passes, said.fails, said.missing, said.auditor)), id_
