"""Pictures of measures as inline SVG: the interval, the point, the threshold and the side on which it is met. No text of anybody's."""

from __future__ import annotations

from markupsafe import Markup

from aims_mlflow.records.words import MeasureShown

WIDTH, HEIGHT = 320, 40
_LEFT, _RIGHT, _MIDDLE = 8, 312, 16


def axis_of(rows: list[MeasureShown]) -> tuple[float, float]:
    """Return the ends of a common axis: 0 to 1 where everything lies in it, else what holds all ends and bounds, with a margin."""
    numbers = [x for r in rows for x in (r.value, r.low, r.high, r.least, r.most, r.exactly) if x is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    if low >= 0 and high <= 1 and high > 0.5:
        return 0.0, 1.0
    margin = (high - low or abs(high) or 1.0) * 0.15
    return (0.0 if 0 <= low <= margin else low - margin), high + margin


def interval_svg(shown: MeasureShown, axis: tuple[float, float]) -> Markup:
    """Return the picture of one measure on an axis (low, high); its words are in the aria-label, of numbers only."""
    low, high = axis
    span = (high - low) or 1.0

    def at(x: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, (x - low) / span)), 1)

    parts = [f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>']
    bound = next((b for b in (shown.least, shown.most, shown.exactly) if b is not None), None)
    if bound is not None:
        begin, end = (
            (at(bound), _RIGHT) if shown.least is not None else (_LEFT, at(bound)) if shown.most is not None else (at(bound), at(bound))
        )
        parts.append(f'<rect class="met" x="{begin}" y="6" width="{round(max(0.0, end - begin), 1)}" height="20"/>')
    if shown.low is not None and shown.high is not None:
        parts.append(f'<line class="interval" x1="{at(shown.low)}" x2="{at(shown.high)}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>')
        parts += [f'<line class="end" x1="{at(e)}" x2="{at(e)}" y1="{_MIDDLE - 5}" y2="{_MIDDLE + 5}"/>' for e in (shown.low, shown.high)]
    if bound is not None:
        parts.append(f'<line class="bound" x1="{at(bound)}" x2="{at(bound)}" y1="3" y2="29"/>')
        parts.append(f'<text class="tick bound-tick" x="{at(bound)}" y="38" text-anchor="middle">{number(bound)}</text>')
    if shown.value is not None:
        parts.append(f'<circle class="point" cx="{at(shown.value)}" cy="{_MIDDLE}" r="4.5"/>')
    ticks = [(low, "start", _LEFT), (high, "end", _RIGHT)]
    parts += [
        f'<text class="tick" x="{x}" y="38" text-anchor="{anchor}">{number(value)}</text>'
        for value, anchor, x in ticks
        if bound is None or abs(at(bound) - x) > 34
    ]
    body = Markup("".join(parts))  # noqa: S704 - numbers and our own names only
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, in_numbers(shown), body
    )


def in_numbers(shown: MeasureShown) -> str:
    """Return the measure in numbers: value, interval, n."""
    if shown.value is None:
        return "not known"
    ends = f" ({number(shown.low)} to {number(shown.high)})" if shown.low is not None and shown.high is not None else ""
    n = f", n = {shown.n:,}" if shown.n is not None else ""
    return f"{number(shown.value)}{ends}{n}"


def number(x: float | None) -> str:
    """Return a number as people read it: three significant digits, none of them lost on small counts."""
    if x is None:
        return "?"
    return f"{x:,.0f}" if x == int(x) and abs(x) >= 1 else f"{x:.3g}"
