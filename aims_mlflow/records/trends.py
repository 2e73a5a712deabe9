"""Which way measures and risks went over a period: what stood before it, what came in it, and whether that is better or worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from aims_mlflow.evidence import WORST_FIRST, State
from aims_mlflow.pictures.words import number
from aims_mlflow.records.accepting import RISING
from aims_mlflow.records.parts import Part
from aims_mlflow.records.plan_words import ObjectiveRecord, Point, Series
from aims_mlflow.records.review_words import MeasureTrend, RiskTrend, Way
from aims_mlflow.records.risk_words import Level, RiskRecord, Step
from aims_mlflow.scorecard import words


def day_of(moment: datetime) -> date:
    """Return the day of a moment in UTC; a time without a zone is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date()


def measure_trends(objectives: Iterable[ObjectiveRecord], begin: date, end: date) -> tuple[MeasureTrend, ...]:
    """Return how each declared requirement that serves an objective went over a period; those without a value in it are left out."""
    served: dict[tuple[str, str], tuple[Series, list[str]]] = {}
    for one in objectives:
        for series in one.series:
            served.setdefault((series.requirement, str(sorted(series.scope.items()))), (series, []))[1].append(one.objective)
    found = [_measure(", ".join(ids), series, begin, end) for series, ids in served.values()]
    return tuple(one for one in found if one is not None)


def _measure(objective: str, series: Series, begin: date, end: date) -> MeasureTrend | None:
    before = [p for p in series.points if day_of(p.measured) < begin]
    within = [p for p in series.points if begin <= day_of(p.measured) <= end]
    if not within:
        return None
    first = before[-1] if before else within[0] if len(within) > 1 else None
    last = within[-1]
    way, sentence = way_of(first, last, least=series.least, exactly=series.exactly)
    cited = (*(first.evidence_ids if first else ()), *last.evidence_ids)
    return MeasureTrend(
        requirement=series.requirement,
        objective=objective,
        bound=series.bound,
        first=first,
        last=last,
        values=len(within),
        way=way,
        sentence=sentence,
        evidence_ids=tuple(dict.fromkeys(cited)),
    )


def way_of(first: Point | None, last: Point, *, least: float | None, exactly: float | None) -> tuple[Way, str]:
    """Return which way a measure went, in a word and in a sentence. Values whose intervals overlap are called as they were.

    Args:
        first: where it stood; None: it was not measured.
        last: where it stands.
        least: the bound, where more is better.
        exactly: the bound, where nearer is better.
    """
    if first is None:
        return "new", f"first measured: {_value(last)}"
    told = f"{_value(first)} -> {_value(last)}"
    if first.value is None or last.value is None:
        return "not known", told
    order = WORST_FIRST.index
    if first.state is not last.state and {first.state, last.state} <= {State.PASS, State.FAIL}:
        return ("better" if order(last.state) > order(first.state) else "worse"), told
    if first.value != last.value and (_unsure(first) or _unsure(last)):
        return "not known", f"{told}; too few cases to say"
    if not _apart(first, last):
        return "as it was", f"{told}; the intervals overlap" if first.value != last.value else told
    if exactly is not None:
        nearer = abs(last.value - exactly) < abs(first.value - exactly)
        return ("better" if nearer else "worse"), told
    up = last.value > first.value
    return ("better" if up == (least is not None) else "worse"), told


def _unsure(point: Point) -> bool:
    """Return whether a value has no interval because there were too few cases for one; a full count needs none."""
    return point.state is State.INCONCLUSIVE and (point.low is None or point.high is None)


def _apart(first: Point, last: Point) -> bool:
    low = max(_end(first, low=True), _end(last, low=True))
    high = min(_end(first, low=False), _end(last, low=False))
    return low > high


def _end(point: Point, *, low: bool) -> float:
    end = point.low if low else point.high
    value = point.value if end is None else end
    return 0.0 if value is None else value


def _value(point: Point) -> str:
    ends = f" ({number(point.low)} to {number(point.high)})" if point.low is not None and point.high is not None else ""
    return f"{number(point.value)}{ends}, {words(point.state)}" if point.value is not None else f"no value, {words(point.state)}"


def risk_trends(entries: Iterable[RiskRecord], parts: Sequence[Part], begin: date, end: date) -> tuple[RiskTrend, ...]:
    """Return how each entry of the register went over a period, by today's criteria; the highest now first.

    Args:
        entries: the register of today.
        parts: what was taken of every version.
        begin: the first day of the period.
        end: its last day.
    """
    steps = [part.steps for part in sorted(parts, key=_measured) if part.registered and part.steps]
    found = [_risk(one, steps, begin, end) for one in entries]
    return tuple(one for one in found if one is not None)


def _measured(part: Part) -> datetime:
    when = part.version.measured or part.version.created
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _risk(entry: RiskRecord, steps: Sequence[Mapping[str, Step]], begin: date, end: date) -> RiskTrend | None:
    own = [s[entry.risk_id] for s in steps if entry.risk_id in s]
    before = next((s for s in reversed(own) if day_of(s.measured) < begin), None)
    within = [s for s in own if begin <= day_of(s.measured) <= end]
    if not within and before is None:
        return None
    after = within[-1] if within else None
    way: Way
    if after is None and before is not None:
        way, sentence = "as it was", f"{_level(before.level)}; no version was measured in the period"
    elif before is None and after is not None:
        way, sentence = "new", f"{_level(after.level)} on {after.version}"
    else:
        way, sentence = _moved(before, after)
    cited = (*(before.evidence_ids if before else ()), *(after.evidence_ids if after else ()))
    return RiskTrend(
        risk_id=entry.risk_id,
        event=entry.event,
        before=before.level if before else None,
        after=after.level if after else None,
        way=way,
        sentence=sentence,
        evidence_ids=tuple(dict.fromkeys(cited)),
    )


def _moved(before: Step | None, after: Step | None) -> tuple[Way, str]:
    if before is None or after is None:
        return "not known", "not known"
    told = f"{_level(before.level)} on {before.version} -> {_level(after.level)} on {after.version}"
    if Level.UNDETERMINED in (before.level, after.level) and before.level is not after.level:
        return "not known", told
    distance = RISING.index(after.level) - RISING.index(before.level)
    return ("worse" if distance > 0 else "better" if distance < 0 else "as it was"), told


def _level(level: Level) -> str:
    return level.value.replace("_", " ")
