"""The pictures of the record's page: the bar of each measure and the figures, both made of the same marks."""

from __future__ import annotations

from markupsafe import Markup

from aims_mlflow.pictures import Figure
from aims_mlflow.pictures.drawing import svg
from aims_mlflow.pictures.marks import Scale, ends_of, numbers_of, strip
from aims_mlflow.pictures.words import Limit, Row, in_numbers, number
from aims_mlflow.records.plan_words import Point
from aims_mlflow.records.words import MeasureShown

WIDTH, HEIGHT = 320, 40
_LEFT, _RIGHT, _MIDDLE = 8, 312, 16
_TICK_ROOM = 34

__all__ = ["figure_svg", "in_figures", "interval_svg", "number", "point_numbers"]


def interval_svg(shown: MeasureShown) -> Markup:
    """Return the bar of one measure on an axis of its own: numbers only, no text of anybody's."""
    row = _row(shown)
    scale = Scale(*ends_of(numbers_of([row])), _LEFT, _RIGHT)
    parts = list(strip(row, (), scale, _MIDDLE))
    places = [scale.at(limit.value) for limit in row.limits]
    parts += [_tick(limit.value, at, "middle", " bound-tick") for limit, at in zip(row.limits, places, strict=True)]
    ends = ((scale.low, _LEFT, "start"), (scale.high, _RIGHT, "end"))
    parts += [_tick(value, x, anchor) for value, x, anchor in ends if all(abs(at - x) > _TICK_ROOM for at in places)]
    body = Markup("".join(parts))  # noqa: S704 - numbers and our own names only
    words = in_numbers(row)
    return Markup('<svg class="plot bar" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(WIDTH, HEIGHT, words, body)


def in_figures(shown: MeasureShown) -> str:
    """Return the measure in numbers: value, interval, n."""
    return "not known" if shown.value is None else in_numbers(_row(shown))


def point_numbers(point: Point) -> str:
    """Return a value of a series in numbers: value, interval, n."""
    return "not known" if point.value is None else in_numbers(Row(label="", value=point.value, low=point.low, high=point.high, n=point.n))


def figure_svg(figure: Figure) -> Markup:
    """Return a figure as an element of the page."""
    return Markup(svg(figure, alone=False))  # noqa: S704 - drawing escapes every text


def _row(shown: MeasureShown) -> Row:
    bounds = (("least", shown.least), ("most", shown.most), ("exactly", shown.exactly))
    limits = tuple(Limit.model_validate({"value": bound, "side": side}) for side, bound in bounds if bound is not None)
    return Row(label="", value=shown.value, low=shown.low, high=shown.high, n=shown.n, limits=limits)


def _tick(value: float, x: float, anchor: str, kind: str = "") -> str:
    return f'<text class="tick{kind}" x="{x:g}" y="38" text-anchor="{anchor}">{number(value)}</text>'
