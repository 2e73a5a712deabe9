"""The AI objectives: what is asked for each objective of Annex C, and what was measured of it over the versions and runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State, worst
from aims_mlflow.judging.persons import excluded_objectives, latest_local_date
from aims_mlflow.records.hazards import questions
from aims_mlflow.records.parts import Part
from aims_mlflow.records.plan_words import ObjectiveRecord, Point, Series
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.words import MeasureShown
from aims_mlflow.scorecard import words
from aims_mlflow.system import Requirement

MOST_POINTS = 60
"""Newest values of a series that are kept."""

Key = tuple[str, tuple[tuple[str, str], ...]]


def objectives(said: Declared, seen: Seen | None, parts: Sequence[Part], now: datetime) -> tuple[ObjectiveRecord, ...]:
    """Return the eleven objectives in the standard's order, each with the series of what its requirements measured, oldest first.

    All values are judged by the system file at hand, whatever was asked when they were measured.

    Args:
        said: the system file.
        seen: the version that the record is about; None where there is none.
        parts: what was taken of every version and run.
        now: the time of the record.
    """
    series = _series(said, seen, parts)
    excluded = excluded_objectives(said.system, by=latest_local_date(now), on=now.date())
    return tuple(
        _objective(one, [s for objective, s in series if objective == one.id], said, seen, now.date(), excluded)
        for one in catalogue.objectives()
    )


def _objective(
    one: catalogue.Objective, series: Sequence[Series], said: Declared, seen: Seen | None, today: date, excluded: frozenset[str]
) -> ObjectiveRecord:
    if not series:
        return ObjectiveRecord(
            objective=one.id,
            title=one.title,
            standing="excluded" if one.id in excluded else "nothing asked",
            reason=_excuse(one.id, said, today) if one.id in excluded else f"no requirement serves it (add one with objective: {one.id})",
            evidence_ids=said.citation,
        )
    own = [e for e in seen.judged if one.id in e.objectives and e.kind == "declared"] if seen is not None else []
    critical = [e for e in own if e.severity == "critical"] or own
    state = worst(tuple(e.state for e in critical)) if critical else None
    many = f"{len(series)} measured requirement{'s' if len(series) > 1 else ''}"
    return ObjectiveRecord(
        objective=one.id,
        title=one.title,
        standing="declared",
        state=state,
        reason=f"{many}; on the version of this record: {words(state)}" if state is not None else f"{many}; there is no version to look at",
        series=tuple(series),
        evidence_ids=tuple(dict.fromkeys((*(e.id for e in own), *said.citation))),
    )


def _excuse(objective: str, said: Declared, today: date) -> str:
    for one in said.system.attestations:
        if one.control == "A.6.1.2" and one.not_applicable and objective in one.statement and (one.expires is None or one.expires >= today):
            return f"excluded by {one.by} on {one.on}: {one.statement}"
    return "excluded"


def _series(said: Declared, seen: Seen | None, parts: Sequence[Part]) -> list[tuple[str, Series]]:
    """Return each requirement's series with the objectives it serves; what is asked and was never measured has no points."""
    asked = questions(said, seen) if seen is not None else {r.id: r for r in said.system.requirements}
    newest = sorted(parts, key=lambda p: (p.version.measured or p.version.created, p.version.created), reverse=True)
    found: dict[Key, list[tuple[Part, MeasureShown]]] = {}
    for part in newest:
        for shown in part.measures:
            found.setdefault((shown.requirement, tuple(sorted(shown.scope.items()))), []).append((part, shown))
    made: list[tuple[str, Series]] = []
    for (id_, _), members in found.items():
        shown = members[0][1]
        one = _made(shown, asked.get(id_), said, tuple(reversed(list(_points(members[:MOST_POINTS])))))
        made += [(objective, one) for objective in shown.objectives]
    return sorted(made, key=lambda pair: (pair[1].check, pair[1].requirement, sorted(pair[1].scope.items())))


def _points(members: Sequence[tuple[Part, MeasureShown]]) -> Iterator[Point]:
    for part, shown in members:
        yield Point(
            version=part.version.uri,
            run_id=part.run_id,
            measured=_utc(part.version.measured or part.version.created),
            value=shown.value,
            low=shown.low,
            high=shown.high,
            n=shown.n,
            state=shown.state or State.MISSING,
            evidence_ids=shown.evidence_ids,
        )


def _made(shown: MeasureShown, asked: Requirement | None, said: Declared, points: tuple[Point, ...]) -> Series:
    more = {"severity": asked.severity, "because": asked.because, "owner": asked.owner, "declared": asked.declared} if asked else {}
    return Series.model_validate(
        {
            "requirement": shown.requirement,
            "check": shown.check,
            "metric": shown.metric,
            "scope": dict(shown.scope),
            "bound": shown.bound,
            "least": shown.least,
            "most": shown.most,
            "exactly": shown.exactly,
            "points": points,
            "evidence_ids": said.citation,
            **more,
        }
    )


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
