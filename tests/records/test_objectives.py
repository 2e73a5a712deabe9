"""The AI objectives over time: every value of every version, as its bundle has it, judged by today's file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State
from aims_mlflow.judging import gated_controls
from aims_mlflow.records.objectives import MOST_POINTS, objectives
from aims_mlflow.records.parts import Part, part_of
from aims_mlflow.records.plan_words import ObjectiveRecord
from aims_mlflow.records.viewing import DRAWN, over_time

NOW = datetime.now(UTC)


def part(said: Any, seen: Any, number: int) -> Part:
    return part_of(said, replace(seen, uri=f"models:/loans/{number}", version=str(number)), gated_controls(said.system), NOW)


def found(make: Any, seen: Any, drops: list[float], system: Any = None) -> dict[str, ObjectiveRecord]:
    said = make.declared(system)
    days = [NOW - timedelta(days=len(drops) - at) for at in range(len(drops))]
    versions = [seen(said.system, make.results(make.robustness(d)), started=day) for d, day in zip(drops, days, strict=True)]
    parts = [part(said, one, at + 1) for at, one in enumerate(versions)]
    made = objectives(said, versions[-1] if versions else None, list(reversed(parts)), NOW)
    assert [o.objective for o in made] == [o.id for o in catalogue.objectives()]
    return {o.objective: o for o in made}


def test_the_values_are_the_bundles_oldest_first(make: Any, seen: Any) -> None:
    robust = found(make, seen, [0.2, 0.01, 0.03])["C.2.8"]
    series = next(s for s in robust.series if s.metric == "accuracy_drop")
    assert [(p.version, p.value) for p in series.points] == [("models:/loans/1", 0.2), ("models:/loans/2", 0.01), ("models:/loans/3", 0.03)]
    assert [p.state for p in series.points] == [State.FAIL, State.PASS, State.PASS]
    assert [(p.low, p.high, p.n) for p in series.points][1] == (0.0, 0.02, 1000)
    assert (series.bound, series.most, str(series.declared)) == ("at most 0.05", 0.05, "2026-01-10")
    measured = [p.measured for p in series.points]
    assert measured == sorted(measured)
    assert all(p.evidence_ids for p in series.points)


def test_a_disparity_shows_the_bounds_that_decide(make: Any, seen: Any) -> None:
    (series,) = found(make, seen, [0.01])["C.2.5"].series
    (point,) = series.points
    assert point.low is not None
    assert point.high is not None
    assert point.low < (point.value or 0) <= point.high


def test_what_nothing_is_asked_of_says_so_and_how_to_ask(make: Any, seen: Any) -> None:
    privacy = found(make, seen, [0.01])["C.2.7"]
    assert (privacy.standing, privacy.state, privacy.series) == ("nothing asked", None, ())
    assert "objective: C.2.7" in privacy.reason


def test_a_person_may_exclude_an_objective(make: Any, seen: Any) -> None:
    given = {"control": "A.6.1.2", "statement": "C.2.4 does not matter here", "by": "Board", "on": "2026-01-01", "not_applicable": True}
    climate = found(make, seen, [0.01], make.system(attestations=[given]))["C.2.4"]
    assert climate.standing == "excluded"
    assert "Board" in climate.reason
    ended = {**given, "expires": "2026-01-02"}
    assert found(make, seen, [0.01], make.system(attestations=[ended]))["C.2.4"].standing == "nothing asked"


def test_the_state_is_the_worst_critical_one_of_the_version_at_hand(make: Any, seen: Any) -> None:
    assert found(make, seen, [0.01, 0.2])["C.2.8"].state is State.FAIL
    assert found(make, seen, [0.2, 0.01])["C.2.8"].state is not State.FAIL


def test_nothing_measured_yet_is_no_error(make: Any, seen: Any) -> None:
    made = found(make, seen, [])
    assert {o.standing for o in made.values()} == {"nothing asked"}


def test_long_series_keep_the_newest(make: Any, seen: Any) -> None:
    said = make.declared()
    version = seen(said.system)
    parts = [part(said, version, at) for at in range(3)]
    many = [
        p.model_copy(update={"version": p.version.model_copy(update={"measured": NOW - timedelta(days=d)})})
        for d in range(30)
        for p in parts
    ]
    made = {o.objective: o for o in objectives(said, version, many, NOW)}
    series = made["C.2.8"].series[-1]
    assert len(series.points) == MOST_POINTS
    assert max(p.measured for p in series.points) == NOW
    picture = over_time(series)
    assert picture is not None
    assert len(picture.panels[0].rows) == DRAWN
    assert "the newest 12 of 60" in picture.about
