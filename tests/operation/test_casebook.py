"""The casebook in a real MLflow: events are added, signed and linked, and what somebody does to them shows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from aims_mlflow.bundle import RECORD_TAG, experiment_of
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import canonical
from aims_mlflow.operation.casebook import BOOK, HEAD, Casebook
from aims_mlflow.operation.cases import Case, CaseEvent, event_path
from aims_mlflow.operation.nonconformities import act, add_cause, close, open_nonconformity, reopen, review
from aims_mlflow.signing import new_key, sign, verify
from aims_mlflow.store import Store


@pytest.fixture
def book(mlflow_home: str) -> Casebook:
    return Casebook("small", Store())


def opened(book: Casebook) -> Case:
    return open_nonconformity(book, by="Operator", what="the log was off for a week", due=date(2026, 1, 31))


def files(book: Casebook, case: Case) -> dict[str, Path]:
    """Return digest -> file of each event, where the artifacts of the test's MLflow lie."""
    return {k.sha256: next(Path().rglob(f"{k.sha256}.dsse.json")) for k in case.events}


def test_a_case_from_its_opening_to_its_end(book: Casebook) -> None:
    case = opened(book)
    assert (case.state, case.due, case.overdue(date(2026, 2, 1))) == ("open", date(2026, 1, 31), True)
    assert add_cause(book, case.id, by="Operator", what="a full disk").state == "open"
    assert act(book, case.id, by="Operator", what="more disk", due=date(2026, 3, 1)).state == "acted"
    assert review(book, case.id, by="Auditor", what="looked at the log", effective=False).state == "open"
    assert act(book, case.id, by="Operator", what="an alarm").state == "acted"
    assert review(book, case.id, by="Auditor", what="looked again", effective=True).state == "reviewed"
    closed = close(book, case.id, by="Auditor", what="whole for a month", without_evidence="no run measures it")
    assert (closed.state, closed.due) == ("closed", date(2026, 3, 1))
    assert reopen(book, case.id, by="Auditor", what="off again").state == "open"
    (listed,) = book.cases("nonconformity")
    assert [k.event.kind for k in listed.events] == ["opened", "cause", "action", "reviewed", "action", "reviewed", "closed", "reopened"]
    assert all(k.key_ids for k in listed.events)
    assert [k.event.parents for k in listed.events[1:]] == [(k.sha256,) for k in listed.events[:-1]]


def test_it_stands_in_the_systems_experiment_and_is_no_attempt(book: Casebook) -> None:
    case = opened(book)
    (run,) = book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'")
    assert run.experiment_id == book.store.experiment(experiment_of("small"))
    assert (run.status, run.tags["aims.system"]) == ("FINISHED", "small")
    assert run.tags[HEAD + case.id] == case.events[-1].sha256
    opened(book)
    assert len(list(book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'"))) == 1


@pytest.mark.parametrize("case_id", ["nc-000000000000", "in-000000000000", "", "../../x", "nc-0' or 1=1"])
def test_a_case_that_is_not_there(book: Casebook, case_id: str) -> None:
    opened(book)
    with pytest.raises(ConfigurationError, match="has no"):
        book.case(case_id)
    assert Casebook("other", book.store).cases("nonconformity") == ()


def test_reading_makes_nothing(book: Casebook) -> None:
    assert book.cases("incident") == ()
    assert list(book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'")) == []


def test_a_closed_case_takes_no_action_and_an_open_one_is_not_reopened(book: Casebook) -> None:
    case = opened(book)
    with pytest.raises(ConfigurationError, match="is open"):
        reopen(book, case.id, by="a", what="b")
    close(book, case.id, by="a", what="b", without_evidence="c")
    for refused in (act, add_cause):
        with pytest.raises(ConfigurationError, match="is closed"):
            refused(book, case.id, by="a", what="b")


@pytest.mark.parametrize(("by", "what"), [("", "x"), ("x", ""), ("  ", "x"), ("x", "\n")])
def test_nobody_and_nothing_is_refused(book: Casebook, by: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match="who and what"):
        open_nonconformity(book, by=by, what=what)


class TestTampering:
    def test_an_edited_event_leaves_the_case_broken(self, book: Casebook) -> None:
        case = act(book, opened(book).id, by="a", what="b")
        path = files(book, case)[case.events[1].sha256]
        path.write_bytes(path.read_bytes().replace(b'"keyid"', b'"keyid "'))
        found = book.case(case.id)
        assert (found.state, found.open, found.unacted) == ("broken", True, True)

    def test_an_event_that_is_taken_away_from_the_end_shows(self, book: Casebook) -> None:
        case = close(book, opened(book).id, by="a", what="b", without_evidence="c")
        case = reopen(book, case.id, by="a", what="not so")
        files(book, case)[case.events[-1].sha256].unlink()
        found = book.case(case.id)
        assert found.state == "broken"
        assert "gone" in found.problems[0]
        assert book.cases("nonconformity")[0].state == "broken"

    def test_a_case_whose_folder_is_gone_shows(self, book: Casebook) -> None:
        case = opened(book)
        files(book, case)[case.events[0].sha256].unlink()
        assert [c.state for c in book.cases("nonconformity")] == ["broken"]
        assert book.case(case.id).open

    def test_an_event_of_another_case_or_system_is_not_taken(self, book: Casebook) -> None:
        one, other = opened(book), opened(book)
        run = next(iter(book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'")))
        for event in (other.events[0].event, one.events[0].event.model_copy(update={"system_id": "other"})):
            envelope = sign(canonical(event.statement()))
            path = event_path(one.id, verify(envelope).sha256)
            book.store.write(run.run_id, path, envelope)
            assert book.case(one.id).state == "broken"
            next(p for p in Path().rglob(path.rpartition("/")[2]) if p.parent.name == one.id).unlink()
            assert book.case(one.id).state == "open"

    def test_what_is_no_event_is_passed_over(self, book: Casebook) -> None:
        case = opened(book)
        run = next(iter(book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'")))
        book.store.write(run.run_id, f"nonconformities/{case.id}/notes.txt", b"hello")
        assert book.case(case.id).state == "open"

    def test_a_hint_that_is_no_hint_is_passed_over(self, book: Casebook) -> None:
        case = opened(book)
        run = next(iter(book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'")))
        book.store.log(run.run_id, tags={f"{HEAD}nonsense": "x", f"{HEAD}{case.id}": "../../etc/passwd"})
        assert book.case(case.id).state == "open"

    def test_a_key_that_the_policy_does_not_trust_writes_nothing(
        self, book: Casebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusted = new_key(tmp_path / "governance.pem")
        strict = Casebook("small", book.store, trusted=(trusted.id,))
        with pytest.raises(ConfigurationError, match="would not count"):
            opened(strict)
        assert strict.cases("nonconformity") == ()
        monkeypatch.setenv("AIMS_SIGNING_KEY", str(trusted.path))
        assert opened(strict).state == "open"
        monkeypatch.delenv("AIMS_SIGNING_KEY")
        forged = opened(book)
        assert strict.case(forged.id).state == "broken"


def test_what_two_write_at_once_is_joined_by_the_next(book: Casebook) -> None:
    case = opened(book)
    first = case.events[0]
    run = next(iter(book.store.runs(f"tags.`{RECORD_TAG}` = '{BOOK}'")))
    for who in ("a", "b"):
        event = CaseEvent(
            case=case.id,
            system_id="small",
            kind="cause",
            time=datetime.now(UTC),
            by=who,
            what="x",
            collector="test",
            parents=(first.sha256,),
        )
        envelope = sign(canonical(event.statement()))
        book.store.write(run.run_id, event_path(case.id, verify(envelope).sha256), envelope)
    assert len(book.case(case.id).heads) == 2
    joined = act(book, case.id, by="c", what="y")
    assert len(joined.events[-1].event.parents) == 2
    assert (joined.state, joined.problems) == ("acted", ())


def test_what_is_written_is_a_signed_statement(book: Casebook) -> None:
    case = opened(book)
    content = files(book, case)[case.events[0].sha256].read_bytes()
    statement = json.loads(verify(content).payload)
    assert statement["predicateType"] == "urn:aims-mlflow:nonconformity-event:v1"
    assert statement["predicate"]["by"] == "Operator"
