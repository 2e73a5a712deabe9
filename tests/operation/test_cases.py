"""The words of cases: what an event must say, the state that follows from events in any order, and that doubt leaves a case open."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import canonical
from aims_mlflow.operation.cases import (
    Breach,
    Case,
    CaseEvent,
    Cited,
    EventKind,
    Kept,
    breach_case_id,
    case_of,
    event_path,
    new_case_id,
    path_parts,
)

THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
CASE = "nc-0123456789ab"
CITED = Cited(run_id="r", bundle_sha256="0" * 64)


def event(kind: EventKind, hours: float = 0, parents: tuple[str, ...] = (), **more: Any) -> CaseEvent:
    given_: dict[str, Any] = {"without_evidence": "known"} if kind == "closed" and "evidence" not in more else {}
    if kind == "reviewed":
        given_["effective"] = True
    return CaseEvent.model_validate(
        {
            "case": CASE,
            "system_id": "small",
            "kind": kind,
            "time": THEN + timedelta(hours=hours),
            "by": "somebody",
            "what": "something",
            "collector": "test",
            "parents": tuple(sorted(parents)),
            **given_,
            **more,
        }
    )


_digests = (f"{number:064x}" for number in itertools.count(1))


def chain(*events: CaseEvent) -> list[Kept]:
    """Link the events, each to the one before."""
    kept: list[Kept] = []
    for one in events:
        parents = (kept[-1].sha256,) if kept else ()
        kept.append(Kept(next(_digests), one.model_copy(update={"parents": parents})))
    return kept


def case(*events: CaseEvent) -> Case:
    return case_of(CASE, chain(*events))


def breached(hours: float, kind: EventKind = "breached") -> CaseEvent:
    return event(kind, hours, breach=Breach(requirement="q"), evidence=CITED)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([event("opened")], "open"),
        ([event("opened"), event("cause", 1)], "open"),
        ([event("opened"), event("action", 1)], "acted"),
        ([event("opened"), event("action", 1), breached(2)], "acted"),
        ([event("opened"), event("action", 1), event("reviewed", 2)], "reviewed"),
        ([event("opened"), event("action", 1), event("reviewed", 2, effective=False)], "open"),
        ([event("opened"), event("action", 1), event("reviewed", 2), breached(3)], "open"),
        ([event("opened"), event("action", 1), event("closed", 2)], "closed"),
        ([event("opened"), event("closed", 1), event("action", 2)], "closed"),
        ([event("opened"), event("closed", 1), breached(2)], "open"),
        ([event("opened"), event("closed", 1), event("reopened", 2)], "open"),
        ([event("opened"), event("closed", 1), event("reopened", 2), event("action", 3), event("closed", 4)], "closed"),
        ([event("action")], "broken"),
        ([], "broken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(e.kind for e in value) or "none",
)
def test_the_state_follows_from_the_events(events: list[CaseEvent], state: str) -> None:
    found = case(*events)
    assert found.state == state
    assert found.open == (state != "closed")


def test_the_order_in_which_events_are_read_does_not_matter() -> None:
    kept = chain(event("opened"), event("action", 1), event("closed", 2), event("reopened", 3))
    states = {case_of(CASE, order).state for order in itertools.permutations(kept)}
    assert states == {"open"}


def test_what_is_taken_away_from_the_middle_leaves_the_case_broken() -> None:
    kept = chain(event("opened"), event("action", 1), event("closed", 2))
    for gone in (0, 1):
        found = case_of(CASE, [k for at, k in enumerate(kept) if at != gone])
        assert found.state == "broken"
        assert found.unacted


def test_what_is_taken_away_from_the_end_shows_by_the_hint() -> None:
    kept = chain(event("opened"), event("closed", 1), event("reopened", 2))
    assert case_of(CASE, kept[:2]).state == "closed"
    assert case_of(CASE, kept[:2], hinted=[kept[2].sha256]).state == "broken"


def test_of_a_closing_and_a_breach_that_know_nothing_of_each_other_the_breach_counts() -> None:
    opened, action = chain(event("opened"), event("action", 1))
    closing = Kept(next(_digests), event("closed", 9, (action.sha256,)))
    breach = Kept(next(_digests), breached(2).model_copy(update={"parents": (action.sha256,)}))
    assert case_of(CASE, [opened, action, closing, breach]).state == "open"


def test_two_who_open_at_once_open_one_case() -> None:
    found = case_of(CASE, [Kept(next(_digests), event("opened")), Kept(next(_digests), event("opened", 1))])
    assert (found.state, found.problems) == ("open", ())
    assert len(found.heads) == 2


KINDS: list[EventKind] = ["opened", "breached", "cause", "action", "reviewed", "closed", "reopened"]


@settings(max_examples=200)
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=8), at=st.integers(0, 8))
def test_a_further_breach_never_closes_a_case(kinds: list[EventKind], at: int) -> None:
    events = [event("opened"), *(breached(n + 1) if k == "breached" else event(k, n + 1) for n, k in enumerate(kinds))]
    before = case(*events)
    place = 1 + min(at, len(kinds))
    after = case(*events[:place], breached(place), *events[place:])
    assert after.open or not before.open
    assert case(*events, breached(99)).open


@settings(max_examples=100)
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=6), gone=st.data())
def test_no_event_can_be_taken_away_to_close_a_case(kinds: list[EventKind], gone: st.DataObject) -> None:
    kept = chain(event("opened"), *(breached(n + 1) if k == "breached" else event(k, n + 1) for n, k in enumerate(kinds)))
    left = gone.draw(st.sets(st.sampled_from(kept), max_size=len(kept)))
    whole, part = case_of(CASE, kept), case_of(CASE, left, hinted=[kept[-1].sha256])
    assert part.open or not whole.open


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "closed"},
        {"kind": "closed", "evidence": CITED, "without_evidence": "x"},
        {"kind": "action", "without_evidence": "x"},
        {"kind": "reviewed"},
        {"kind": "action", "effective": True},
        {"kind": "opened", "breach": Breach(requirement="q")},
        {"kind": "told"},
        {"kind": "opened", "case": "in-0123456789ab"},
        {"kind": "opened", "case": "nc-1"},
        {"kind": "opened", "by": ""},
        {"kind": "opened", "what": ""},
        {"kind": "opened", "time": datetime(2026, 1, 1)},  # noqa: DTZ001 - without a zone: that is what is refused
        {"kind": "opened", "parents": ("0" * 64, "0" * 64)},
        {"kind": "opened", "more": 1},
    ],
    ids=lambda wrong: "-".join(map(str, wrong)),
)
def test_an_event_that_says_too_little_or_too_much_is_none(wrong: dict[str, Any]) -> None:
    whole = {"case": CASE, "system_id": "s", "time": THEN, "by": "a", "what": "b", "collector": "c"}
    with pytest.raises(ValidationError):
        CaseEvent.model_validate(whole | wrong)


def test_a_statement_reads_back_and_an_altered_one_does_not() -> None:
    one = breached(1, "opened").model_copy(update={"parents": ("a" * 64,), "due": date(2026, 6, 1)})
    statement = one.statement()
    assert CaseEvent.from_statement(statement) == one
    assert {s["name"] for s in statement["subject"]} == {f"{CASE}/opened", event_path(CASE, "a" * 64), "runs/r"}
    for key, value in (("by", "another"), ("parents", []), ("kind", "closed"), ("time", "x")):
        predicate = statement["predicate"] | {key: value}
        with pytest.raises(VerificationError):
            CaseEvent.from_statement(statement | {"predicate": predicate})
    for other in (None, {}, {**statement, "predicateType": "urn:other"}, {**statement, "subject": []}):
        with pytest.raises(VerificationError):
            CaseEvent.from_statement(other)


@pytest.mark.parametrize(
    "text",
    ["<script>", "=1+1", "\u202egnp.exe", "x" * 10_000, '"}{"', "\x1b[31m"],
    ids=["script", "formula", "rtl", "long", "json", "ansi"],
)
def test_hostile_words_are_kept_as_they_are(text: str) -> None:
    one = event("opened", by=text, what=text)
    assert CaseEvent.from_statement(one.statement()).what == text
    assert canonical(one.statement())


def test_ids_are_those_of_what_they_are_about() -> None:
    assert breach_case_id("s", "m", "q") == breach_case_id("s", "m", "q")
    assert len({breach_case_id(*parts) for parts in itertools.product("ab", repeat=3)}) == 8
    assert new_case_id("incident", "s", "a", "b", THEN).startswith("in-")


@pytest.mark.parametrize(
    "path",
    ["x", "incidents/nc-0123456789ab/" + "0" * 64 + ".dsse.json", f"nonconformities/{CASE}/../../x", f"nonconformities/{CASE}/0.dsse.json"],
)
def test_a_path_that_is_no_events(path: str) -> None:
    assert path_parts(path) is None
    assert path_parts(event_path(CASE, "0" * 64)) == (CASE, "0" * 64)
