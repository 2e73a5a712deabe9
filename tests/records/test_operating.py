"""Operation in the record: cases with what is due of them, and what looks at the version in use say, read as it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.evidence import State
from aims_mlflow.operation import Casebook, act, open_incident, open_nonconformity
from aims_mlflow.operation.standing import InOperation, Look
from aims_mlflow.records.operating import UNREAD, Operation, operation_of
from aims_mlflow.records.review import management_review
from aims_mlflow.records.sources import cited_by
from aims_mlflow.records.summary import summarise

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
def book(world: Any) -> Casebook:
    return Casebook("loans", world.store)


def test_open_cases_are_listed_due_and_to_do_with_their_sources(world: Any, make: Any, book: Casebook) -> None:
    late = open_nonconformity(book, by="Ada", what="the gap is too wide", due=TODAY - timedelta(days=3))
    done = open_nonconformity(book, by="Ada", what="labels were late", due=TODAY + timedelta(days=90))
    act(book, done.id, by="Bea", what="a daily feed")
    incident = open_incident(book, make.system(), by="Cy", what="a wrong letter", severity="minor", since=TODAY, affected=("applicants",))
    record = summarise(make.system(), store=world.store, write=False)
    assert {c.id: c.state for c in record.cases.found} == {late.id: "open", done.id: "acted", incident.id: "open"}
    overdue = next(d for d in record.due if late.id in d.what)
    assert (overdue.overdue, overdue.kind, overdue.who) == (True, "nonconformity", "Head of credit (owner of the system)")
    assert next(i for i in record.open_items if late.id in i.what).weight == "due"
    assert any("a daily feed" in a for c in record.cases.found for a in c.actions)
    assert set(cited_by(record)) <= {s.id for s in record.sources}
    assert {s.kind for s in record.sources} >= {"case"}
    review = management_review(make.system(), TODAY, TODAY, store=world.store, write=False)
    assert {c.id for c in review.opened} == {c.id for c in review.still_open} == {late.id, done.id, incident.id}
    assert review.closed == ()


def test_a_case_that_was_tampered_with_comes_first(world: Any, make: Any, book: Casebook) -> None:
    case = open_nonconformity(book, by="Ada", what="the gap is too wide")
    (run,) = world.store.system_runs("loans")
    folder: Path = world.artifact(run.run_id, f"nonconformities/{case.id}")
    events = list(folder.glob("*.dsse.json"))
    assert len(events) == 1
    events[0].write_bytes(events[0].read_bytes().replace(b'"sig":"', b'"sig":"AA', 1))
    record = summarise(make.system(), store=world.store, write=False)
    assert record.open_items[0].weight == "broken"
    assert case.id in record.open_items[0].what
    assert record.cases.found[0].open


def test_none_is_said_with_the_reason(world: Any, make: Any) -> None:
    found = operation_of(world.store, make.declared(), NOW).cases
    assert (found.known, found.found) == (True, ())
    assert found.reason.startswith("none recorded")
    assert not UNREAD.cases.known


def test_looks_at_the_version_in_use_take_the_place_of_what_training_could_not_say(make: Any, seen: Any) -> None:
    system = make.system()
    version = replace(seen(system), view=object())
    before = {line.control: line for line in version.lines}
    bundle = make.bundle(system, (), run_id="1" * 32, model=version.bundle.model)
    monitored = bundle.model_copy(update={"run": bundle.run.model_copy(update={"kind": "monitoring"})})
    known = InOperation(system, NOW, looks=(Look("1" * 32, monitored, "c" * 64),))
    after = Operation(UNREAD.cases, known=known).on(make.declared(system), version, NOW)
    lines = {line.control: line for line in after.lines}
    assert {c for c in lines if lines[c] != before[c]} == {"A.6.2.6", "A.6.2.8"}
    assert lines["A.6.2.6"].state is State.MISSING
    assert "no look has come to an answer" in lines["A.6.2.6"].reason
    assert [e.run_id for e in after.judged if e.requirement == "monitor.looked"] == ["1" * 32]
    assert Operation(UNREAD.cases).on(make.declared(system), version, NOW) is version
