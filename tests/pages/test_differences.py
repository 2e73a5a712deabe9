"""What is different between two versions: every measure side by side in words, states, risks, controls and what they were made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aims_mlflow.evidence import State
from aims_mlflow.pages import addresses
from aims_mlflow.pages.comparing import _moved, _way, _word, compare
from aims_mlflow.pages.live import Live, look_at
from aims_mlflow.pages.opening import Opened
from aims_mlflow.pages.site import Page, Site
from aims_mlflow.records.risk_words import Level
from aims_mlflow.records.words import MeasureShown

from . import world as worlds
from .reading import Seen, read


@contextmanager
def at_hand(system: Any) -> Iterator[None]:
    """Let a system file be at hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aims_mlflow.pages.opening.declared", lambda _: worlds.rolled.make_declared(system))
        yield


@pytest.fixture(scope="module")
def pair(world: worlds.World) -> tuple[Page, Page]:
    """The loans' second version beside its first, and the other way round."""
    with worlds.at_home(world), at_hand(worlds.loans()):
        site, (first, last) = Site(world.store), world.versions["loans"]
        return site.page(addresses.difference("loans", first, last)), site.page(addresses.difference("loans", last, first))


@pytest.fixture(scope="module")
def seen(pair: tuple[Page, Page]) -> Seen:
    return read(pair[0].html)


def test_every_measure_stands_side_by_side_in_words(seen: Seen) -> None:
    assert "demographic parity ratio, column sex 0.968 → 0.658, passing → failing" in seen.text
    assert "accuracy drop, perturbation numeric_noise, strength 0.1 0.01 → 0.06" in seen.text


def test_states_that_turned_and_risks_that_are_open_again_are_named(seen: Seen) -> None:
    words = seen.text[seen.text.index("In words") : seen.text.index("Every requirement with a number")]
    assert "risk reopened" in words
    assert "A.5.4" in seen.text[seen.text.index("Controls whose evidence reads otherwise") :]


def test_the_other_way_round_what_went_worse_went_better(pair: tuple[Page, Page]) -> None:
    there, back = (read(page.html).text for page in pair)
    assert "0.658 → 0.968, failing → passing" in back
    assert back.count("risk closed") == there.count("risk reopened") > 0


def test_both_numbers_are_those_of_their_bundles(seen: Seen, world: worlds.World) -> None:
    from aims_mlflow.bundle import BUNDLE_PATH
    from aims_mlflow.signing import open_bundle

    known: set[float] = set()
    values: list[tuple[float | None, float | None]] = []
    bundles = [open_bundle(world.store.read(v.run_id, BUNDLE_PATH))[0] for v in world.store.versions("loans")]
    first, last = ({(r.check, str(r.scope), m.name, m.group): m for r in b.results for m in r.measures} for b in bundles)
    for key in first.keys() & last.keys():
        if first[key].value != last[key].value:
            values.append((first[key].value, last[key].value))
    shown = {float(value) for value, _ in seen.values}
    assert values
    assert all(x is None or x in shown for both in values for x in both)
    assert known <= shown


def shown_as(
    value: float | None, low: float | None = None, high: float | None = None, state: State = State.PASS, **more: Any
) -> MeasureShown:
    ends: dict[str, Any] = {"check": "c", "requirement": "c.m", "metric": "m", "scope": {}, "evidence_ids": ("e-1",), "bound": "at most 1"}
    return MeasureShown(value=value, low=low, high=high, state=state, **{"most": 1.0, **ends, **more})


WAYS = {
    "intervals apart, upwards, at most": (shown_as(0.1, 0.05, 0.15), shown_as(0.3, 0.25, 0.35), "worse"),
    "intervals apart, downwards, at most": (shown_as(0.3, 0.25, 0.35), shown_as(0.1, 0.05, 0.15), "better"),
    "intervals apart, upwards, at least": (
        shown_as(0.1, 0.05, 0.15, least=0.0, most=None),
        shown_as(0.3, 0.25, 0.35, least=0.0, most=None),
        "better",
    ),
    "intervals overlap": (shown_as(0.1, 0.05, 0.25), shown_as(0.2, 0.15, 0.3), "as it was"),
    "state turned": (shown_as(0.1, 0.05, 0.25), shown_as(0.2, 0.15, 0.3, State.FAIL), "worse"),
    "full counts": (shown_as(0.0), shown_as(2.0), "worse"),
    "too few cases for an interval": (shown_as(0.9, state=State.INCONCLUSIVE), shown_as(0.8, state=State.INCONCLUSIVE), "not known"),
    "no value": (shown_as(0.9), shown_as(None, state=State.MISSING), "not known"),
    "measured for the first time": (None, shown_as(0.9), "new"),
    "not measured any more": (shown_as(0.9), None, "not known"),
}


@pytest.mark.parametrize("name", WAYS)
def test_which_way_a_measure_went(name: str) -> None:
    older, newer, way = WAYS[name]
    assert _way(older, newer) == way


@pytest.mark.parametrize(
    ("older", "newer", "word"),
    [
        (Level.LOW, Level.HIGH, "reopened"),
        (Level.MODERATE, Level.UNDETERMINED, "reopened"),
        (Level.VERY_HIGH, Level.MODERATE, "closed"),
        (Level.UNDETERMINED, Level.LOW, "closed"),
        (Level.LOW, Level.MODERATE, "rose"),
        (Level.VERY_HIGH, Level.HIGH, "fell"),
        (Level.HIGH, Level.UNDETERMINED, "not known any more"),
        (Level.UNDETERMINED, Level.HIGH, "known now"),
        (None, Level.LOW, "not read on the older one"),
        (Level.LOW, None, "not read on the newer one"),
    ],
)
def test_what_a_risk_is_said_to_have_done(older: Level | None, newer: Level | None, word: str) -> None:
    assert _word(older, newer) == word


def test_a_list_says_what_it_gained_and_lost() -> None:
    assert _moved(["a", "b"], ["b", "c", "d"]) == "added: c, d; gone: a"
    assert _moved(["a"], ["a"]) == ""


@pytest.fixture
def lives(world: worlds.World) -> Iterator[tuple[Opened, Live, Live]]:
    from datetime import UTC, datetime

    from aims_mlflow.pages.opening import Desk, said_of
    from aims_mlflow.pages.shelf import Shelf

    with worlds.at_home(world), at_hand(worlds.loans()):
        now = datetime.now(UTC)
        holding = Shelf(world.store, lambda: now).look()["loans"]
        opened = Desk(world.store).open("loans", holding.records, now)
        assert isinstance(opened, Opened)
        first, last = (next(v for v in opened.record.versions if v.id == id_) for id_ in world.versions["loans"])
        yield opened, *(look_at(world.store, said_of("loans")[0], opened.record, v, now) for v in (first, last))


def test_a_version_is_not_different_from_itself(lives: tuple[Opened, Live, Live]) -> None:
    opened, first, _ = lives
    shown = opened.record.versions[-1]
    found = compare(opened.record, first, first, shown, shown, ({}, {}))
    assert not [m for m in found.measures if m.way != "as it was"]
    assert (found.numbers, found.states, found.risks, found.made) == ((), (), (), ())


def test_parameters_are_by_mlflows_word(lives: tuple[Opened, Live, Live]) -> None:
    opened, first, last = lives
    before, after = opened.record.versions[-1], opened.record.versions[0]
    found = compare(opened.record, first, last, before, after, ({"depth": "3", "seed": "1"}, {"depth": "5", "seed": "1"}))
    changed = {m.what: (m.older, m.newer, m.note) for m in found.made}
    assert changed["MLflow parameter depth"] == ("3", "5", "by MLflow's word")
    assert "MLflow parameter seed" in found.same


def test_where_no_system_file_is_at_hand_the_bundle_tells_what_was_asked(world: worlds.World) -> None:
    from aims_mlflow.bundle import AskedFor
    from aims_mlflow.pages.live import told_by

    system = worlds.loans()
    asked = tuple(AskedFor(id=r.id, bound=r.bound, severity=r.severity, declared="2026-01-10") for r in system.requirements)
    bundle = worlds.rolled.make_bundle(system).model_copy(update={"requirements": asked})
    told = told_by(bundle)
    assert {id_: (r.min, r.max, r.equals) for id_, r in told.items()} == {r.id: (r.min, r.max, r.equals) for r in system.requirements}
    assert told_by(bundle.model_copy(update={"requirements": ()})) == {}


def test_a_control_is_lost_where_it_would_not_let_the_version_through_any_more(lives: tuple[Opened, Live, Live]) -> None:
    opened = lives[0]
    one = opened.record.versions[0]
    passing = next(line for line in one.lines if line.state is State.PASS)
    failing = one.model_copy(update={"lines": tuple(x.model_copy(update={"state": State.FAIL}) if x is passing else x for x in one.lines)})
    nothing = Live(None, lives[1].said)
    lost = compare(opened.record, nothing, nothing, one, failing, ({}, {})).states
    assert [(s.control, s.lost, s.gained) for s in lost] == [(passing.control, True, False)]
    gained = compare(opened.record, nothing, nothing, failing, one, ({}, {})).states
    assert [(s.control, s.lost, s.gained) for s in gained] == [(passing.control, False, True)]
