"""A record as files: JSON for machines, Markdown, and one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import WORST_FIRST, State
from aims_mlflow.pictures import Figure
from aims_mlflow.pictures.drawing import RULES
from aims_mlflow.records.consequence import CLASSES
from aims_mlflow.records.pictures import figure_svg, in_figures, interval_svg, number
from aims_mlflow.records.risk_words import ConsequenceClass, Level, Likelihood, LikelihoodClass, RiskRecord
from aims_mlflow.records.words import AnswerState, CoverageLine, MeasureShown, Question, SystemRecord
from aims_mlflow.scorecard import MARKS, counts_of, plain, visible, words

WEIGHTS = {
    "broken": ("Broken", "evidence that does not hold and is not used"),
    "blocks": ("Blocks", "what stands between this version and promotion"),
    "unknown": ("Unknown", "what nobody has said or measured"),
    "due": ("Due", "what ends or is late"),
    "note": ("To note", "what a reader should know besides"),
}
"""The kinds of open items, in the order in which to read them, and what they mean."""

VERSIONS = 12
"""Versions whose controls are shown side by side; the record has them all."""

LEVEL_MARKS = {Level.LOW: "▁", Level.MODERATE: "▃", Level.HIGH: "▅", Level.VERY_HIGH: "▇", Level.UNDETERMINED: "?"}


class Raw(str):
    """Markdown of our own making, which is not escaped again."""

    __slots__ = ()


def files_of(record: SystemRecord) -> dict[str, bytes]:
    """Return the record as files: name -> content."""
    return {"record.json": record.json_bytes(), "record.md": markdown(record).encode(), "record.html": html(record).encode()}


def html(record: SystemRecord) -> str:
    """Return the record as one self-contained HTML page. Every text of somebody's is escaped."""
    css = Markup(_template("style.css") + RULES)  # noqa: S704 - our own files
    return _html().from_string(_template("system.html.j2")).render(css=css, **_view(record))


def markdown(record: SystemRecord) -> str:
    """Return the record as Markdown. Every text of somebody's is escaped, line breaks included."""
    made = _markdown().from_string(_template("system.md.j2")).render(**_view(record))
    return "\n".join(line.rstrip() for line in made.splitlines()).strip() + "\n"


def _template(name: str) -> str:
    return resources.files("aims_mlflow.records.templates").joinpath(name).read_text(encoding="utf-8")


@cache
def _html() -> Environment:
    made = Environment(
        loader=BaseLoader(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= _FILTERS
    return made


@cache
def _markdown() -> Environment:
    made = Environment(
        loader=BaseLoader(),
        autoescape=False,  # noqa: S701 - this is Markdown: every value is escaped for it by finalize
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_as_markdown,
    )
    made.filters |= _FILTERS | {"cite": lambda ids: Raw(_cited(ids))}
    return made


def _shown(value: Any) -> Any:
    """Spell out characters that change what a reader sees; autoescape does the rest."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else visible(value) if isinstance(value, str) else value


def _as_markdown(value: Any) -> Any:
    if isinstance(value, Raw) or not isinstance(value, str):
        return "" if value is None else value
    return plain(value)


def _cited(ids: Iterable[str]) -> str:
    given = list(ids)
    shown = ", ".join(f"`{i}`" for i in given[:6])
    return f" [{shown}{f' and {len(given) - 6} more' if len(given) > 6 else ''}]" if given else ""


def _view(record: SystemRecord) -> dict[str, Any]:
    """Return what the templates use."""
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


def _by_group(lines: Iterable[CoverageLine]) -> list[tuple[str, list[CoverageLine]]]:
    groups = {c.id: f"{c.group} {c.group_title}" for c in catalogue.controls()}
    return [(name, list(found)) for name, found in groupby(lines, key=lambda line: groups[line.control])]


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


def _when(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def _percent(value: float | None) -> str:
    """Return a probability as people read it: never 0 % or 100 %, which is for what has been counted (``_chance``)."""
    if value is None:
        return "unknown"
    return "under 1 %" if value < 0.01 else "over 99 %" if value > 0.99 else f"{value * 100:.0f} %"


def _chance(likelihood: Likelihood) -> str:
    """Return the probability of a likelihood; only what has been counted in full is certain."""
    if likelihood.evidence_grade == "exact" and likelihood.p is not None:
        return f"certain ({likelihood.p:.0%})"
    return _percent(likelihood.p)


def _spaced(value: object) -> str:
    return str(getattr(value, "value", value)).replace("_", " ")


def _scope(scope: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in scope.items())


_FILTERS: dict[str, Any] = {
    "words": words,
    "mark": lambda state: MARKS[state],
    "level_mark": lambda level: LEVEL_MARKS[level],
    "spaced": _spaced,
    "when": _when,
    "percent": _percent,
    "chance": _chance,
    "number": number,
    "in_numbers": in_figures,
    "bar": interval_svg,
    "picture": figure_svg,
    "scope": _scope,
    "counts": lambda lines: counts_of(line.state for line in lines),
}
