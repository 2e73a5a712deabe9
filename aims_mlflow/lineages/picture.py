"""A lineage as SVG: boxes in columns, links with their strength in words, and below them why the weak and broken ones are so.

The file needs nothing else; the same lineage gives the same bytes. Every text is real text, escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aims_mlflow.lineages.layers import Place, Placed, placed
from aims_mlflow.lineages.words import STRENGTHS, Edge, Lineage, Node
from aims_mlflow.pictures.drawing import LIGHT, in_colours
from aims_mlflow.pictures.lettering import cut, lines_of, xml
from aims_mlflow.scorecard import visible

BOX, GAP, EDGE = 196.0, 132.0, 16.0
"""Width of a box, room between columns, and margin of the sheet."""

LABEL = 92.0
"""Room for the words of a link, right of where it starts."""

PORT = 28.0
"""Height that a link's words take."""

PAD, LINE, SMALL = 8.0, 15.0, 13.0

RULES = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--ink); }
.title { font-size: 16px; font-weight: 600; } .kind, .small { font-size: 10.5px; fill: var(--soft); } .head { font-weight: 600; }
.box { fill: var(--card); stroke: var(--soft); stroke-width: 1; } .asked { stroke: var(--ink); stroke-width: 3; }
.lost { stroke: var(--fail); stroke-dasharray: 2 3; stroke-width: 2; }
.link { fill: none; stroke: var(--ink); stroke-width: 1.6; } .weak { stroke-dasharray: 7 4; }
.broken { stroke: var(--fail); stroke-dasharray: 2 3; stroke-width: 2.4; } .noted { stroke: var(--line); }
.word { font-size: 10.5px; } .word-broken { fill: var(--fail); font-weight: 700; } .word-weak { font-weight: 600; }
"""

PAGE_RULES = re.sub(
    r"[^{}]+(?={)", lambda found: ", ".join(f".lineage {one.strip()}" for one in found[0].split(",")), RULES + ".tip { fill: var(--ink); }"
)
"""The same rules for a picture within a page, for nothing else in it."""


@dataclass(frozen=True)
class Box:
    """What stands in a box: its kind, its lines, and how high that is."""

    kind: str
    lines: tuple[str, ...]
    small: tuple[str, ...]
    height: float


def svg(lineage: Lineage, *, alone: bool = True) -> str:
    """Return the lineage as SVG: a file that needs nothing else (``alone``), or an element of a page that has ``PAGE_RULES``."""
    starts: dict[str, int] = {}
    for edge in lineage.edges:
        starts[edge.start] = starts.get(edge.start, 0) + 1
    boxes = {node.id: _box(node, starts.get(node.id, 0)) for node in lineage.nodes}
    places = placed({key: box.height for key, box in boxes.items()}, [(e.start, e.end) for e in lineage.edges])
    back = any(way[0].column >= way[-1].column for way in places.ways.values())  # links that close a circle need room on the right
    width = max(2 * EDGE + places.columns * BOX + (places.columns - 1 + back) * GAP, 420.0)
    parts: list[str] = []
    y = EDGE
    for line in lines_of(f"Lineage of {lineage.asked}", width - 2 * EDGE, 16, bold=True, most=2):
        y += 20
        parts.append(_text(line, EDGE, y, "title"))
    y += 18
    parts.append(_text(in_words(lineage), EDGE, y, "small"))
    top = y + 18
    parts += _links(lineage.edges, places, top, f'fill="{LIGHT["ink"]}"' if alone else 'class="tip"')
    lost = {e.start for e in lineage.of("broken")}
    parts += [part for node in lineage.nodes for part in _drawn(node, boxes[node.id], places.boxes[node.id], top, lineage, lost)]
    below = _Below(top + places.height + 12, width - 2 * EDGE, [])
    _reasons(below, lineage)
    height = round(below.y + EDGE)
    if not alone:
        head = f'<svg class="lineage" width="{width:g}" height="{height}" viewBox="0 0 {width:g} {height}" role="img"'
        words = f'<title id="lineage-t">Lineage of {xml(lineage.asked)}</title><desc id="lineage-d">{xml(described(lineage))}</desc>'
        return f'{head} aria-labelledby="lineage-t" aria-describedby="lineage-d">{words}{"".join(parts)}{"".join(below.parts)}</svg>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height}" viewBox="0 0 {width:g} {height}" role="img"'
    words = f'<title id="t">Lineage of {xml(lineage.asked)}</title><desc id="d">{xml(described(lineage))}</desc>'
    ground = f'<rect x="0" y="0" width="{width:g}" height="{height}" fill="{LIGHT["card"]}"/>'
    style = f"<style>{in_colours(RULES)}</style>"
    return f'{head} aria-labelledby="t" aria-describedby="d">{words}{style}{ground}{"".join(parts)}{"".join(below.parts)}</svg>\n'


def in_words(lineage: Lineage) -> str:
    """Return how many links hold how, in a sentence."""
    counts = ", ".join(f"{lineage.counts[s]} {s}" for s in STRENGTHS if lineage.counts[s])
    return f"{len(lineage.edges)} links: {counts or 'none'}. " + ("No link is broken." if lineage.whole else "The lineage is broken.")


def described(lineage: Lineage) -> str:
    """Return all links in words, for those who cannot see the picture."""
    names = {node.id: f"{node.kind} {node.label}" for node in lineage.nodes}
    said = [f"{names[e.start]} to {names[e.end]}: {e.kind}, {e.strength}, {e.why}." for e in lineage.edges]
    return " ".join((in_words(lineage), *said, *lineage.notes))[:50_000]


def _box(node: Node, starts: int) -> Box:
    room = BOX - 2 * PAD
    lines = lines_of(node.label, room, 12, most=3) or ["(no name)"]
    small = [f"sha256 {node.sha256[:16]}…"] if node.sha256 else []
    small += lines_of(node.note, room, 10.5, most=2)
    height = 2 * PAD + SMALL + len(lines) * LINE + len(small) * SMALL
    return Box(node.kind, tuple(lines), tuple(small), max(height, starts * PORT))


def _drawn(node: Node, box: Box, place: Place, top: float, lineage: Lineage, lost: set[str]) -> list[str]:
    x, y = _left(place), top + place.top
    kind = "box asked" if node.id == lineage.subject else "box lost" if node.id in lost and node.kind in ("evidence", "run") else "box"
    parts = [f'<rect class="{kind}" x="{x:g}" y="{_n(y)}" width="{BOX:g}" height="{_n(box.height)}" rx="5"/>']
    y += PAD + 9
    asked = ", asked about" if node.id == lineage.subject else ""
    parts.append(_text(f"{box.kind}{asked}", x + PAD, y, "kind"))
    for line in box.lines:
        y += LINE
        parts.append(_text(line, x + PAD, y, ""))
    for line in box.small:
        y += SMALL
        parts.append(_text(line, x + PAD, y, "small"))
    return [f"<g><title>{xml(visible(node.label))}{f', sha256 {node.sha256}' if node.sha256 else ''}</title>", *parts, "</g>"]


def _links(edges: Sequence[Edge], places: Placed, top: float, tip: str) -> list[str]:
    """Draw the links, their kind above the line and their strength below it, where each leaves its box."""
    leaving = _ports(edges, places, at_start=True)
    arriving = _ports(edges, places, at_start=False)
    parts: list[str] = []
    for at, edge in enumerate(edges):
        if edge.start == edge.end:
            continue
        way = places.ways[edge.start, edge.end]
        x, y = _left(way[0]) + BOX, top + leaving[at]
        path = [f"M{x:g} {_n(y)}", f"H{x + LABEL:g}"]
        here = (x + LABEL, y)
        for place in way[1:]:
            last = place is way[-1]
            there = (_left(place), top + (arriving[at] if last else place.middle))
            half = (here[0] + there[0]) / 2
            path.append(f"C{half:g} {_n(here[1])} {half:g} {_n(there[1])} {there[0]:g} {_n(there[1])}")
            if not last:
                path.append(f"H{there[0] + BOX:g}")
            here = (there[0] + BOX, there[1])
        parts.append(f'<path class="link {edge.strength}" d="{" ".join(path)}"/>')
        at_end = (_left(way[-1]), top + arriving[at])
        parts.append(f'<path d="M{at_end[0]:g} {_n(at_end[1])} l-7 -3.5 v7 z" {tip}/>')
        parts.append(_text(cut(visible(edge.kind), LABEL - 8, 10.5), x + 6, y - 4, "word"))
        parts.append(_text(edge.strength, x + 6, y + 11, f"word word-{edge.strength}"))
    return parts


def _ports(edges: Sequence[Edge], places: Placed, *, at_start: bool) -> dict[int, float]:
    """Return the height at which each edge leaves its box, or arrives: side by side, in the order of where they go."""
    groups: dict[str, list[int]] = {}
    for at, edge in enumerate(edges):
        groups.setdefault(edge.start if at_start else edge.end, []).append(at)
    found: dict[int, float] = {}
    for key, group in groups.items():
        place = places.boxes[key]
        step = place.height / len(group)
        for position, at in enumerate(sorted(group, key=lambda at: _beside(edges[at], places, at_start=at_start))):
            found[at] = place.top + step * (position + 0.5)
    return found


def _beside(edge: Edge, places: Placed, *, at_start: bool) -> float:
    """Return the height of the next place on an edge's way, seen from its start or from its end."""
    way = places.ways.get((edge.start, edge.end), ())
    return (way[1] if at_start else way[-2]).middle if len(way) > 1 else 0.0


@dataclass
class _Below:
    """What is written below the picture."""

    y: float
    room: float
    parts: list[str]

    def say(self, text: str, kind: str = "", *, most: int = 4) -> None:
        for line in lines_of(text, self.room, 12, bold=kind == "head", most=most):
            self.y += LINE + 1
            self.parts.append(_text(line, EDGE, self.y, kind))


def _reasons(below: _Below, lineage: Lineage) -> None:
    """Write why links are broken or weak, and the notes."""
    names = {node.id: visible(node.label)[:80] for node in lineage.nodes}
    for strength in ("broken", "weak"):
        edges = [e for e in lineage.edges if e.strength == strength]
        if edges:
            below.y += 6
            below.say(f"{strength.capitalize()} links", "head")
        for edge in edges:
            below.say(f"{edge.kind}: {names[edge.start]} to {names[edge.end]}: {edge.why}")
    if lineage.notes:
        below.y += 6
        below.say("Notes", "head")
    for note in lineage.notes:
        below.say(note)


def _left(place: Place) -> float:
    return EDGE + place.column * (BOX + GAP)


def _text(text: str, x: float, y: float, kind: str) -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:g}" y="{_n(y)}">{xml(text)}</text>'


def _n(x: float) -> str:
    return f"{round(x, 1) + 0.0:g}"
