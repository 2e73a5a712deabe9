"""The marks of every picture: a scale, and on it an axis, the side that meets what is asked, an interval, its point and the lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aims_mlflow.pictures.words import Limit, Row

FARTHEST = 1e12
"""Numbers beyond this, either way, are drawn at the end of their axis with an arrow; their words say what they are."""

STEPS = 4
"""About so many steps between the numbers on an axis."""


@dataclass(frozen=True)
class Scale:
    """Where numbers stand across a picture: ``low`` at ``left``, ``high`` at ``right``; what lies beyond stands at the end."""

    low: float
    high: float
    left: float
    right: float

    def at(self, number: float) -> float:
        """Return where a number stands, rounded to a tenth."""
        share = (min(FARTHEST, max(-FARTHEST, number)) - self.low) / (self.high - self.low)
        return round(self.left + (self.right - self.left) * min(1.0, max(0.0, share)), 1)

    def beyond(self, number: float) -> int:
        """Return -1 where a number lies before the axis, 1 where it lies behind, else 0."""
        slack = (self.high - self.low) * 1e-9
        return -1 if number < self.low - slack else 1 if number > self.high + slack else 0


def ends_of(numbers: Iterable[float], most: float | None = None) -> tuple[float, float]:
    """Return the ends of an axis: 0 to 1 where everything lies in it and reaches beyond its half, else round numbers around all.

    Where ``most`` is given the axis ends there, whatever lies beyond.
    """
    near = [x for x in numbers if abs(x) <= FARTHEST]
    within = [x if most is None else min(x, most) for x in near] or [0.0, 1.0]
    low, high = min(within), max(within)
    if low >= 0.0 and 0.5 < high <= 1.0:
        return 0.0, 1.0
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        pad = 0.5 * max(abs(low), abs(high)) or 0.5
        low, high = low - pad, high + pad
    if 0.0 <= low <= 0.5 * high:
        low = 0.0
    if high <= 0.0 and high >= 0.5 * low:
        high = 0.0
    step = _step(high - low)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def ticks_of(low: float, high: float) -> list[float]:
    """Return the numbers to write on an axis from ``low`` to ``high``."""
    step = _step(high - low)
    first = math.ceil(low / step - 1e-6)
    return [at * step if at else 0.0 for at in range(first, math.floor(high / step + 1e-6) + 1)]


def numbers_of(rows: Sequence[Row], limits: Sequence[Limit] = ()) -> list[float]:
    """Return every number that an axis under these rows and lines has to hold."""
    found = [x for row in rows for x in (row.value, row.low, row.high, *(limit.value for limit in row.limits))]
    return [x for x in (*found, *(limit.value for limit in limits)) if x is not None]


def strip(row: Row, limits: Sequence[Limit], scale: Scale, middle: float) -> Iterator[str]:
    """Yield the marks of one row as SVG elements, around the height ``middle``: 18 high, as wide as the scale."""
    lines = (*limits, *row.limits)
    met = _met(lines, scale)
    if met is not None:
        yield f'<rect class="met" x="{_n(met[0])}" y="{_n(middle - 8)}" width="{_n(max(0.0, met[1] - met[0]))}" height="16"/>'
    yield _line("axis", scale.left, middle, scale.right, middle)
    for limit in lines:
        yield _line("bound", scale.at(limit.value), middle - 9, scale.at(limit.value), middle + 9)
    beyond = {scale.beyond(x): x for x in (row.low, row.high, row.value) if x is not None and scale.beyond(x)}
    if row.low is not None and row.high is not None:
        begin, close = sorted((scale.at(row.low), scale.at(row.high)))
        yield _line("interval", begin, middle, close, middle)
        for end in (row.low, row.high):
            if not scale.beyond(end):
                yield _line("end", scale.at(end), middle - 5, scale.at(end), middle + 5)
    yield from (_arrow(scale, x, middle) for x in beyond.values())
    if row.value is not None and not scale.beyond(row.value):
        yield f'<circle class="{"point small" if row.small else "point"}" cx="{_n(scale.at(row.value))}" cy="{_n(middle)}" r="4.5"/>'


def _met(limits: Sequence[Limit], scale: Scale) -> tuple[float, float] | None:
    """Return the stretch of the axis on which every line is met, or None where nothing is asked or nothing meets it."""
    if not limits:
        return None
    begin = max((scale.at(x.value) for x in limits if x.side != "most"), default=scale.left)
    end = min((scale.at(x.value) for x in limits if x.side != "least"), default=scale.right)
    return (begin, end) if begin <= end else None


def _arrow(scale: Scale, number: float, middle: float) -> str:
    """Return an arrow at the end of the axis: what is meant lies beyond."""
    tip, back = (scale.right, -7) if number > scale.low else (scale.left, 7)
    points = f"{_n(tip)},{_n(middle)} {_n(tip + back)},{_n(middle - 5)} {_n(tip + back)},{_n(middle + 5)}"
    return f'<polygon class="beyond" points="{points}"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _n(x: float) -> str:
    """Return a coordinate: a tenth of a unit at most, without a sign on zero."""
    return f"{round(x, 1) + 0.0:g}"


def _step(span: float) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) that goes about ``STEPS`` times into ``span``."""
    rough = span / STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if rough <= step * power * (1 + 1e-9))
