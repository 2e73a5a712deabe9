"""A figure as SVG: rows one below the other, so that it can be read on a telephone; real text, plain shapes, no colour alone.

Every picture is ``WIDTH`` units wide. The same figure gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aims_mlflow.pictures import marks
from aims_mlflow.pictures.lettering import lines_of, width, xml
from aims_mlflow.pictures.words import Figure, Limit, Panel, Row, in_numbers, limit_words, number
from aims_mlflow.scorecard import visible

WIDTH = 360
"""Units across. At 375 px a unit is about a pixel, so that text of 12 units can be read there."""

EDGE = 10
TEXT, SMALL, TICK, HEAD = 13.0, 12.0, 11.0, 15.0
"""Font sizes: labels, remarks and numbers, axis, title."""

SHOWN_WIDTH = 440
"""Pixels across where nobody says otherwise."""

LIGHT: Mapping[str, str] = {
    "ink": "#1e2428",
    "soft": "#565f66",
    "line": "#c9c6bd",
    "card": "#ffffff",
    "fail": "#8c1c13",
    "pass-bg": "#d9ecdd",
}
"""The colours of a picture that stands alone; in a page they are the page's own, by the same names."""

RULES = """
.plot { max-width: 100%; height: auto; display: block; }
.plot text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--ink); }
.plot .title { font-size: 15px; font-weight: 600; } .plot .head { font-weight: 600; }
.plot .remark { font-size: 12px; fill: var(--soft); } .plot .tick { font-size: 11px; fill: var(--soft); }
.plot .axis { stroke: var(--line); stroke-width: 2; } .plot .met { fill: var(--pass-bg); }
.plot .interval { stroke: var(--ink); stroke-width: 3; } .plot .end { stroke: var(--ink); stroke-width: 2; }
.plot .point, .plot .beyond { fill: var(--ink); } .plot .small { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
.plot .bound { stroke: var(--fail); stroke-width: 2; stroke-dasharray: 4 2; } .plot .bound-tick { fill: var(--fail); font-weight: 600; }
"""
"""How the marks look; the page's style sheet takes these rules as they are."""


@dataclass
class Sheet:
    """What has been drawn so far, and how far down it reaches."""

    parts: list[str] = field(default_factory=list)
    y: float = 4.0

    def say(self, text: str, kind: str, size: float, *, bold: bool = False, most: int = 3, room: float = WIDTH - 2 * EDGE) -> None:
        """Write a text over the whole width, on as many lines as it takes, up to ``most``."""
        for line in lines_of(text, room, size, bold=bold, most=most):
            self.y += size + 3
            self.write(line, EDGE, self.y, kind)

    def write(self, text: str, x: float, y: float, kind: str, anchor: str = "start") -> None:
        """Write one line of text at a place."""
        end = f' text-anchor="{anchor}"' if anchor != "start" else ""
        name = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{name} x="{x:g}" y="{round(y, 1):g}"{end}>{xml(text)}</text>')


def svg(figure: Figure, *, alone: bool = True) -> str:
    """Return the figure as SVG: a file that needs nothing else (``alone``), or an element of a page that has ``RULES``."""
    sheet = Sheet()
    if alone:  # a page says it above the picture
        sheet.say(figure.title, "title", HEAD, bold=True)
    if figure.about:
        sheet.say(figure.about, "remark", SMALL, most=4)
    for panel in figure.panels:
        _panel(sheet, panel)
    if figure.notes:
        sheet.y += 5
    for note in figure.notes:
        sheet.say(note, "remark", SMALL, most=6)
    height = round(sheet.y + 8)
    body = "".join(sheet.parts)
    names = f'aria-labelledby="{xml(figure.id)}-t" aria-describedby="{xml(figure.id)}-d"'
    words = f'<title id="{xml(figure.id)}-t">{xml(figure.title)}</title><desc id="{xml(figure.id)}-d">{xml(described(figure))}</desc>'
    if not alone:
        return f'<svg class="plot" width="{SHOWN_WIDTH}" viewBox="0 0 {WIDTH} {height}" role="img" {names}>{words}{body}</svg>'
    shown = round(height * SHOWN_WIDTH / WIDTH)
    start = f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" width="{SHOWN_WIDTH}" height="{shown}" viewBox="0 0 {WIDTH} {height}"'
    ground = f'<rect x="0" y="0" width="{WIDTH}" height="{height}" fill="{LIGHT["card"]}"/>'
    return f'{start} role="img" {names}>{words}<style>{in_colours(RULES)}</style>{ground}{body}</svg>\n'


def in_colours(rules: str) -> str:
    """Return style rules with the colours of ``LIGHT`` in place of a page's names, for readers that do not know such names."""
    return re.sub(r"var\(--([a-z-]+)\)", lambda found: LIGHT[found[1]], rules)


def described(figure: Figure) -> str:
    """Return all that the figure shows in words and numbers, for those who cannot see it."""
    said = [figure.about] if figure.about else []
    for panel in figure.panels:
        said.append(f"{panel.title}:" + (f" asked: {_asked(panel.limits)}." if panel.limits else ""))
        said += [f"{_described(row)}." for row in panel.rows]
    return " ".join((*said, *figure.notes))[:20_000]


def _described(row: Row) -> str:
    asked = f"asked: {_asked(row.limits)}" if row.limits else ""
    return "; ".join(filter(None, (f"{row.label}: {in_numbers(row)}", asked, row.remark)))


def _asked(limits: Sequence[Limit]) -> str:
    return ", ".join(limit_words(limit) for limit in limits)


def _panel(sheet: Sheet, panel: Panel) -> None:
    sheet.y += 7
    sheet.say(panel.title, "head", TEXT, bold=True)
    if panel.limits:
        sheet.say(f"asked: {_asked(panel.limits)}", "remark", SMALL)
    ends = marks.ends_of(marks.numbers_of(panel.rows, panel.limits), panel.most)
    scale = marks.Scale(*ends, EDGE + 5, WIDTH - EDGE - 5)
    for row in panel.rows:
        _row(sheet, row, panel.limits, scale)
    if any(row.value is not None or row.limits for row in panel.rows):
        _axis(sheet, panel, scale)


def _row(sheet: Sheet, row: Row, limits: Sequence[Limit], scale: marks.Scale) -> None:
    """Draw a row: label and numbers on one line where both fit, the strip below, then the remark."""
    words, label = in_numbers(row), visible(row.label)
    sheet.y += 6
    if width(label, TEXT) + width(words, SMALL) + 12 > WIDTH - 2 * EDGE:
        sheet.say(label, "", TEXT, most=2)
        label = ""
    sheet.y += TEXT + 3
    if label:
        sheet.write(label, EDGE, sheet.y, "")
    sheet.write(words, WIDTH - EDGE, sheet.y, "remark", "end")
    if row.value is not None or row.limits:
        sheet.y += 15
        sheet.parts += marks.strip(row, limits, scale, sheet.y)
        sheet.y += 9
    asked = f"asked: {_asked(row.limits)}" if row.limits else ""
    for text in filter(None, (asked, row.remark)):
        sheet.say(text, "remark", SMALL)


def _axis(sheet: Sheet, panel: Panel, scale: marks.Scale) -> None:
    """Write the numbers of the axis, and what it counts."""
    sheet.y += 14
    last = float("-inf")
    for tick in marks.ticks_of(scale.low, scale.high):
        text, x = number(tick), scale.at(tick)
        half = width(text, TICK) / 2
        x = min(max(x, EDGE + half), WIDTH - EDGE - half)
        if x - half > last + 6:
            sheet.write(text, round(x, 1), sheet.y, "tick", "middle")
            last = x + half
    if panel.unit:
        sheet.say(panel.unit, "remark", SMALL)
