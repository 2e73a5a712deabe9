"""Reads drawn SVG back: well-formed, without anything active, every coordinate on the sheet, no text over another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from aims_mlflow.pictures.lettering import width

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "title", "desc", "style", "rect", "line", "circle", "polygon", "path", "text", "g"}
ATTRIBUTES = {
    *("class", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "width", "height", "points", "d", "fill", "text-anchor"),
    *("id", "role", "viewBox", "aria-labelledby", "aria-describedby"),
}
SIZES = {"title": 16.0, "tick": 11.0, "bound-tick": 11.0, "kind": 10.5, "small": 10.5, "word": 10.5}
"""Font sizes by class, the largest of the two style sheets."""


@dataclass(frozen=True)
class Written:
    """A text where it stands: left end, right end and baseline, by the estimate that layouts go by."""

    text: str
    left: float
    right: float
    baseline: float


@dataclass(frozen=True)
class Drawn:
    """A picture as it was read."""

    root: ElementTree.Element
    width: float
    height: float
    texts: tuple[Written, ...]

    @property
    def words(self) -> str:
        """All that is written in it, in order."""
        return " ".join(t.text for t in self.texts)

    def count(self, tag: str, kind: str = "") -> int:
        """Return how many elements there are of a tag, and of a class."""
        return sum(not kind or kind in e.get("class", "").split() for e in self.root.iter(SVG + tag))

    def title(self) -> str:
        """What it is called."""
        return self.root.findtext(f"{SVG}title") or ""

    def description(self) -> str:
        """What it says to those who cannot see it."""
        return self.root.findtext(f"{SVG}desc") or ""


def read(svg: str | bytes, *, plain: float = 13.0, small: float = 12.0) -> Drawn:
    """Read a picture and assert what holds of every one."""
    text = svg.decode() if isinstance(svg, bytes) else svg
    root = ElementTree.fromstring(text)  # noqa: S314 - our own bytes, which this tests
    assert root.tag == SVG + "svg"
    assert root.get("role") == "img"
    x, y, wide, high = (float(n) for n in str(root.get("viewBox")).split())
    assert (x, y) == (0, 0)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert {root.get("aria-labelledby"), root.get("aria-describedby")} == set(ids)
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in SHAPES
        assert set(element.keys()) <= ATTRIBUTES
    style = root.findtext(f"{SVG}style") or ""
    assert "url(" not in style
    assert "@import" not in style
    assert "var(" not in style
    _on_the_sheet(root, wide, high)
    return Drawn(root, wide, high, _texts(root, wide, plain, small))


def _on_the_sheet(root: ElementTree.Element, wide: float, high: float) -> None:
    limits = {"x": wide, "x1": wide, "x2": wide, "cx": wide, "y": high, "y1": high, "y2": high, "cy": high}
    for element in root.iter():
        for name, most in limits.items():
            value = element.get(name)
            assert value is None or 0 <= float(value) <= most, (element.attrib, wide, high)
        for pair in (element.get("points") or "").split():
            px, py = (float(n) for n in pair.split(","))
            assert 0 <= px <= wide
            assert 0 <= py <= high
        assert not re.search(r"nan|inf", element.get("d") or "")
        if element.tag == SVG + "rect":
            assert float(element.get("x", "0")) + float(element.get("width", "0")) <= wide
            assert float(element.get("width", "0")) >= 0


def _texts(root: ElementTree.Element, wide: float, plain: float, small: float) -> tuple[Written, ...]:
    found = []
    for element in root.iter(SVG + "text"):
        kind = (element.get("class") or "").split()
        size = small if kind == ["remark"] else next((SIZES[k] for k in kind if k in SIZES), plain)
        run = width(element.text or "", size, bold=False)
        x, y = float(element.get("x", "0")), float(element.get("y", "0"))
        left = {"start": x, "middle": x - run / 2, "end": x - run}[element.get("text-anchor", "start")]
        found.append(Written(element.text or "", left, left + run, y))
    for one in found:
        assert one.left >= -0.1, one
        assert one.right <= wide + 0.1, one
    ordered = sorted(found, key=lambda t: t.baseline)
    for at, one in enumerate(ordered):
        for other in ordered[at + 1 :]:
            if other.baseline - one.baseline >= 10:
                break
            assert one.right <= other.left + 0.1 or other.right <= one.left + 0.1, (one, other)
    return tuple(found)
