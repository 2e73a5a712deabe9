"""A record as files: JSON for machines, Markdown, and one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from aims_mlflow.pictures.drawing import RULES
from aims_mlflow.records.pictures import figure_svg, in_figures, interval_svg, number, point_numbers
from aims_mlflow.records.review_words import ReviewRecord
from aims_mlflow.records.risk_words import Level, Likelihood
from aims_mlflow.records.viewing import review_view, view
from aims_mlflow.records.words import SystemRecord
from aims_mlflow.scorecard import MARKS, counts_of, plain, visible, words

LEVEL_MARKS = {Level.LOW: "▁", Level.MODERATE: "▃", Level.HIGH: "▅", Level.VERY_HIGH: "▇", Level.UNDETERMINED: "?"}

_WHERE: ContextVar[Callable[[str], str]] = ContextVar("where a cited id leads", default="#{}".format)


class Raw(str):
    """Markdown of our own making, which is not escaped again."""

    __slots__ = ()


def files_of(record: SystemRecord) -> dict[str, bytes]:
    """Return the record as files: name -> content."""
    return {"record.json": record.json_bytes(), "record.md": markdown(record).encode(), "record.html": html(record).encode()}


def review_files(review: ReviewRecord) -> dict[str, bytes]:
    """Return the input of a management review as files: name -> content."""
    content = review_view(review)
    return {
        "review.json": review.json_bytes(),
        "review.md": text("review.md.j2", content).encode(),
        "review.html": page("review.html.j2", content).encode(),
    }


def html(record: SystemRecord, **links: str) -> str:
    """Return the record as one self-contained HTML page. Every text of somebody's is escaped.

    Args:
        record: the record.
        links: ``home`` and ``up``, where the page stands among others that it leads back to.
    """
    return page("system.html.j2", view(record) | links)


def markdown(record: SystemRecord) -> str:
    """Return the record as Markdown. Every text of somebody's is escaped, line breaks included."""
    return text("system.md.j2", view(record))


def page(template: str, content: Mapping[str, Any], *, made: Environment | None = None, css: str = "") -> str:
    """Return a template of ours as a self-contained HTML page. Every text of somebody's is escaped.

    Args:
        template: its name.
        content: what it shows.
        made: an environment of ``environment``; default: the records' own.
        css: rules that come after the records' own.
    """
    rules = Markup(_template("style.css") + RULES + css)  # noqa: S704 - our own files
    return (made or _html()).get_template(template).render(css=rules, **content)


def text(template: str, content: Mapping[str, Any]) -> str:
    """Return a template of ours as Markdown. Every text of somebody's is escaped, line breaks included."""
    made = _markdown().get_template(template).render(**content)
    return "\n".join(line.rstrip() for line in made.splitlines()).strip() + "\n"


def _template(name: str) -> str:
    return resources.files("aims_mlflow.records.templates").joinpath(name).read_text(encoding="utf-8")


@contextmanager
def citing(where: Callable[[str], str]) -> Iterator[None]:
    """Let the ids that are cited lead to where ``where`` says, as long as this lasts: the pages share the records' templates."""
    token = _WHERE.set(where)
    try:
        yield
    finally:
        _WHERE.reset(token)


def environment(read: Callable[[str], str | None]) -> Environment:
    """Return an environment for HTML: every value escaped, every name known, our filters.

    Args:
        read: returns the text of a template by its name, or None for one of the records' own.
    """
    made = Environment(
        loader=FunctionLoader(lambda name: read(name) or _template(name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= _FILTERS
    return made


@cache
def _html() -> Environment:
    return environment(lambda _: None)


@cache
def _markdown() -> Environment:
    made = Environment(
        loader=FunctionLoader(_template),
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
    "source": lambda id_: _WHERE.get()(id_),
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
    "point_numbers": point_numbers,
    "scope": _scope,
    "counts": lambda lines: counts_of(line.state for line in lines),
}
