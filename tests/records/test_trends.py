"""Which way things went: a change is one only where the intervals say so, and unknown is neither better nor worse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from aims_mlflow.evidence import State
from aims_mlflow.records.plan_words import ObjectiveRecord, Point, Series
from aims_mlflow.records.risk_words import Level, Step
from aims_mlflow.records.trends import _risk, day_of, measure_trends

BEGIN, END = date(2026, 4, 1), date(2026, 6, 30)


def point(day: str, value: float | None, half: float | None = 0.01, state: State = State.PASS) -> Point:
    ends = {} if half is None or value is None else {"low": value - half, "high": value + half}
    return Point(
        version=f"models:/loans/{day}",
        run_id=day,
        measured=datetime.fromisoformat(f"{day}T12:00"),
        value=value,
        state=state,
        evidence_ids=(f"e-{day}",),
        **ends,
    )


def series(*points: Point, **bound: Any) -> Series:
    return Series(
        requirement="q", check="performance", metric="m", scope={}, bound="at least 0.5", points=points, **(bound or {"least": 0.5})
    )


def trend(*points: Point, **bound: Any) -> Any:
    one = ObjectiveRecord(objective="C.2.5", title="t", standing="declared", reason="", series=(series(*points, **bound),))
    other = one.model_copy(update={"objective": "C.2.8"})
    found = measure_trends([one, other], BEGIN, END)
    assert len(found) <= 1, "a requirement that serves two objectives is told once"
    return found[0] if found else None


BEFORE, EARLY, LATE, AFTER = "2026-03-31", "2026-04-01", "2026-06-30", "2026-07-01"


@pytest.mark.parametrize(
    ("points", "bound", "way"),
    [
        ([point(BEFORE, 0.6), point(LATE, 0.7)], {"least": 0.5}, "better"),
        ([point(BEFORE, 0.7), point(LATE, 0.6)], {"least": 0.5}, "worse"),
        ([point(BEFORE, 0.6), point(LATE, 0.7)], {"most": 0.9}, "worse"),
        ([point(BEFORE, 0.7), point(LATE, 0.6)], {"most": 0.9}, "better"),
        ([point(BEFORE, 0.6, 0.1), point(LATE, 0.7, 0.1)], {"least": 0.5}, "as it was"),
        ([point(BEFORE, 0.6, 0.1, State.FAIL), point(LATE, 0.7, 0.1)], {"least": 0.5}, "better"),
        ([point(BEFORE, 0.7, 0.1), point(LATE, 0.6, 0.1, State.FAIL)], {"least": 0.5}, "worse"),
        ([point(BEFORE, 2.0, None), point(LATE, 1.0, None)], {"exactly": 1.0}, "better"),
        ([point(BEFORE, 1.0, None), point(LATE, 0.0, None)], {"exactly": 1.0}, "worse"),
        ([point(BEFORE, None), point(LATE, 0.7)], {"least": 0.5}, "not known"),
        ([point(LATE, 0.7)], {"least": 0.5}, "new"),
        ([point(EARLY, 0.6), point(LATE, 0.7)], {"least": 0.5}, "better"),
        ([point(BEFORE, 0.6), point(EARLY, 0.9), point(LATE, 0.6)], {"least": 0.5}, "as it was"),
    ],
    ids=range(13),
)
def test_which_way_a_measure_went(points: list[Point], bound: dict[str, float], way: str) -> None:
    found = trend(*points, **bound)
    assert found.way == way, found.sentence
    assert set(found.evidence_ids) <= {i for p in points for i in p.evidence_ids}
    assert found.evidence_ids
    assert found.objective == "C.2.5, C.2.8"


def test_what_lies_outside_the_period_does_not_count() -> None:
    assert trend(point(BEFORE, 0.6), point(AFTER, 0.7)) is None
    found = trend(point(BEFORE, 0.6), point(LATE, 0.6), point(AFTER, 0.9))
    assert (found.last.version, found.values) == (f"models:/loans/{LATE}", 1)


def step(day: str, level: Level) -> dict[str, Step]:
    made = Step(
        version=day,
        run_id=day,
        measured=datetime.fromisoformat(f"{day}T12:00+00:00"),
        likelihood="L1",
        p=0.05,
        level=level,
        evidence_ids=(f"e-{day}",),
    )
    return {"R-1": made}


class Entry:
    """As much of a risk entry as the trend looks at."""

    risk_id, event = "R-1", "something happens"


@pytest.mark.parametrize(
    ("steps", "way"),
    [
        ([step(BEFORE, Level.LOW), step(LATE, Level.HIGH)], "worse"),
        ([step(BEFORE, Level.HIGH), step(LATE, Level.LOW)], "better"),
        ([step(BEFORE, Level.LOW), step(EARLY, Level.HIGH), step(LATE, Level.LOW)], "as it was"),
        ([step(BEFORE, Level.UNDETERMINED), step(LATE, Level.LOW)], "not known"),
        ([step(BEFORE, Level.LOW), step(LATE, Level.UNDETERMINED)], "not known"),
        ([step(BEFORE, Level.UNDETERMINED), step(LATE, Level.UNDETERMINED)], "as it was"),
        ([step(LATE, Level.LOW)], "new"),
        ([step(BEFORE, Level.LOW)], "as it was"),
    ],
    ids=range(8),
)
def test_which_way_a_risk_went(steps: list[dict[str, Step]], way: str) -> None:
    found = _risk(Entry(), steps, BEGIN, END)  # type: ignore[arg-type]  # see Entry
    assert found is not None
    assert found.way == way
    assert found.evidence_ids


def test_a_risk_that_no_version_showed_has_no_trend() -> None:
    assert _risk(Entry(), [step(AFTER, Level.LOW)], BEGIN, END) is None  # type: ignore[arg-type]  # see Entry


def test_days_are_days_in_utc() -> None:
    assert day_of(datetime(2026, 4, 1, 23, 30)) == date(2026, 4, 1)  # noqa: DTZ001 - naive, as a bundle may have it
    assert day_of(datetime.fromisoformat("2026-04-02T01:00+02:00").astimezone(UTC)) == date(2026, 4, 1)
