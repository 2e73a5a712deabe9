"""A record in the order and the groups in which its pages show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import WORST_FIRST, State, digest
from aims_mlflow.pictures import Figure
from aims_mlflow.pictures.words import Limit, Panel, Row
from aims_mlflow.records.plan_words import DRAFT_SENTENCE, ObjectiveRecord, Series
from aims_mlflow.records.review_words import ReviewRecord
from aims_mlflow.records.risk_words import CLASSES, ConsequenceClass, Level, LikelihoodClass, RiskRecord
from aims_mlflow.records.words import AnswerState, CoverageLine, MeasureShown, Question, SystemRecord

WEIGHTS = {
    "broken": ("Broken", "what does not hold and is not used"),
    "blocks": ("Blocks", "what stands between this version and promotion"),
    "unknown": ("Unknown", "what nobody has said or measured"),
    "due": ("Due", "what ends or is late"),
    "gap": ("Gaps", "what is missing where no gate looks"),
    "note": ("To note", "what a reader should know besides"),
}
"""The kinds of open items, in the order in which to read them, and what they mean."""

VERSIONS = 12
"""Versions whose controls are shown side by side; the record has them all."""

DRAWN = 12
"""Values of a series that its picture shows; the table beside it has them all."""


def view(record: SystemRecord) -> dict[str, Any]:
    """Return what the templates of a record use: the record, and its lines in the order and the groups in which to show them."""
    counted = record.counted
    lines = counted.lines if counted else ()
    near = [line for line in lines if line.control.startswith(("A.6.", "A.7."))]
    rest = [line for line in lines if line not in near]
    shown = record.versions[:VERSIONS]
    return {
        "r": record,
        "counted": counted,
        "near": near,
        "rest": rest,
        "rest_groups": _by_group(rest),
        "shown_versions": shown,
        "states_of": {v.id: {line.control: line.state for line in v.lines} for v in shown},
        "open_groups": [(WEIGHTS[w], list(items)) for w, items in groupby(record.open_items, key=lambda i: i.weight)],
        "blocking": sum(i.weight in ("broken", "blocks") for i in record.open_items),
        "due_now": [d for d in record.due if d.soon],
        "due_later": [d for d in record.due if not d.soon],
        "overdue": sum(d.overdue for d in record.due),
        "draft_sentence": DRAFT_SENTENCE,
        "included": [a for a in record.applicability if a.included],
        "excluded": [a for a in record.applicability if not a.included],
        "included_groups": [(n, list(g)) for n, g in groupby((a for a in record.applicability if a.included), key=lambda a: a.group)],
        "justified": sum(bool(a.justified_by) for a in record.applicability),
        "declared_objectives": list(_declared(record)),
        "other_objectives": [o for o in record.objectives if o.standing != "declared"],
        "unknown": record.impact.having(AnswerState.UNKNOWN),
        "answered": _by_heading([q for q in record.impact.questions if q.state is not AnswerState.UNKNOWN]),
        "matrix": _matrix(record),
        "undetermined": [(n, e) for n, e in enumerate(record.risks.entries, 1) if e.level is Level.UNDETERMINED],
        "classes": CLASSES,
        "measures": list(_measures(record)),
        "objectives": {o.id: o.title for o in catalogue.objectives()},
        "risk_sources": {s.id: s.title for s in catalogue.risk_sources()},
        "all_states": list(WORST_FIRST),
        "Level": Level,
        "State": State,
    }


def review_view(review: ReviewRecord) -> dict[str, Any]:
    """Return what the templates of a management review's input use: the review, what went worse first."""
    order = ("worse", "not known", "new", "better", "as it was")
    return {
        "v": review,
        "measures": sorted(review.measures, key=lambda m: (order.index(m.way), m.requirement)),
        "risks": sorted(review.risks, key=lambda t: order.index(t.way)),
        "worse": sum(m.way == "worse" for m in review.measures) + sum(t.way == "worse" for t in review.risks),
        "overdue": sum(d.overdue for d in review.due) + sum(d.overdue for d in review.earlier_actions),
    }


def _by_group(lines: Iterable[CoverageLine]) -> list[tuple[str, list[CoverageLine]]]:
    groups = {c.id: f"{c.group} {c.group_title}" for c in catalogue.controls()}
    return [(name, list(found)) for name, found in groupby(lines, key=lambda line: groups.get(line.control, "of another catalogue"))]


def _by_heading(questions: Iterable[Question]) -> list[tuple[str, list[Question]]]:
    found: dict[str, list[Question]] = {}
    for one in questions:
        found.setdefault(f"{one.clause} {one.heading}".strip(), []).append(one)
    return list(found.items())


def _matrix(record: SystemRecord) -> list[tuple[LikelihoodClass, list[tuple[ConsequenceClass, Level, list[tuple[int, RiskRecord]]]]]]:
    """Return the rows L5 to L1: the class, and for each C1 to C5 the level and the entries that stand there."""
    rows = []
    for likelihood, levels in sorted(record.risks.matrix.items(), reverse=True):
        cells = [
            (
                c,
                level,
                [(n, e) for n, e in enumerate(record.risks.entries, 1) if (e.likelihood.class_, e.consequence.class_) == (likelihood, c)],
            )
            for c, level in zip(CLASSES, levels, strict=True)
        ]
        rows.append((likelihood, cells))
    return rows


def _measures(record: SystemRecord) -> Iterator[tuple[str, list[tuple[MeasureShown, list[Figure]]], list[Figure], list[Figure]]]:
    """Yield each check: its measured requirements with the pictures that show them, these pictures, and those of the rest."""
    rows: dict[str, list[tuple[MeasureShown, list[Figure]]]] = {}
    for one in sorted((m for m in record.measures if m.bound), key=lambda m: m.check):
        shown = [f for f in record.figures if f.check == one.check and one.requirement in f.requirements and _about(f, one)]
        rows.setdefault(one.check, []).append((one, shown))
    for check in sorted({*rows, *(f.check for f in record.figures)}):
        own = [f for f in record.figures if f.check == check]
        yield check, rows.get(check, []), [f for f in own if f.requirements], [f for f in own if not f.requirements]


def _about(figure: Figure, one: MeasureShown) -> bool:
    """Return whether a figure is drawn from a result that the measure rests on."""
    return bool(set(figure.evidence_ids) & set(one.evidence_ids))


def _declared(record: SystemRecord) -> Iterator[tuple[ObjectiveRecord, list[tuple[Series, Figure | None]]]]:
    """Yield the objectives that something is asked for, each series with its picture; a picture is drawn once in a page."""
    drawn: set[str] = set()
    for one in record.objectives:
        if one.standing != "declared":
            continue
        shown: list[tuple[Series, Figure | None]] = []
        for series in one.series:
            figure = over_time(series)
            shown.append((series, figure if figure is not None and figure.id not in drawn else None))
            drawn.update([figure.id] if figure is not None else [])
        yield one, shown


def over_time(series: Series) -> Figure | None:
    """Return the newest values of a series as a picture, newest first; None where there are fewer than two."""
    newest = [p for p in reversed(series.points) if p.value is not None][:DRAWN]
    if len(newest) < 2:
        return None
    bounds = (("least", series.least), ("most", series.most), ("exactly", series.exactly))
    limits = tuple(Limit.model_validate({"value": bound, "side": side}) for side, bound in bounds if bound is not None)
    rows = tuple(Row(label=_label(p.version, p.measured), value=p.value, low=p.low, high=p.high, n=p.n) for p in newest)
    more = f"; the newest {DRAWN} of {len(series.points)}" if len(series.points) > len(newest) else ""
    return Figure(
        check="objective",
        name=digest([series.requirement, series.scope])[:12],
        title=f"{series.metric} over time",
        about=f"What versions and runs gave, newest first{more}.",
        panels=(Panel(title=series.requirement, rows=rows, limits=limits),),
        requirements=(series.requirement,),
        evidence_ids=tuple(dict.fromkeys(i for p in newest for i in p.evidence_ids)),
    )


def _label(uri: str, measured: datetime) -> str:
    kind, _, rest = uri.partition(":/")
    name = f"version {rest.rpartition('/')[2]}" if kind == "models" else f"run {rest.removeprefix('/')[:8]}"
    return f"{name}, {measured:%Y-%m-%d}"
