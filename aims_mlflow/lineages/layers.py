"""Where the boxes of a lineage stand: in columns from what was there first to what was made of it, without overlap.

The method is Sugiyama's (1981) in its plain form: columns by the longest way to the end, order within them by barycentres, long
links led through empty places. Graphs here are small and nearly trees; a graph library would bring more than it saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 6
"""Passes of ordering and of straightening; more change nothing on graphs of this kind."""

BETWEEN = 16.0
"""Room between boxes, one above the other."""

THREAD = 14.0
"""Height of the empty place through which a long link passes."""


@dataclass
class Place:
    """A box or (``key`` None) a place a long link passes through: column from the left, upper end and height in units."""

    key: str | None
    column: int
    height: float
    top: float = 0.0
    before: list[Place] = field(default_factory=list, repr=False)
    after: list[Place] = field(default_factory=list, repr=False)

    @property
    def middle(self) -> float:
        """The height at which links meet it."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Placed:
    """The boxes by id, and each link as the places it passes from start to end."""

    boxes: Mapping[str, Place]
    ways: Mapping[tuple[str, str], tuple[Place, ...]]
    columns: int
    height: float


def placed(heights: Mapping[str, float], links: Sequence[tuple[str, str]]) -> Placed:
    """Place boxes of these heights so that every link goes to the right.

    Args:
        heights: id -> height of its box, in the order in which they are met.
        links: (start, end), each of them in ``heights``; a link that closes a circle is led back as it comes.
    """
    pairs = [pair for pair in dict.fromkeys(links) if pair[0] != pair[1]]
    forward = _without_circles(list(heights), pairs)
    depth = _depths(list(heights), forward)
    last = max(depth.values(), default=0)
    boxes = {key: Place(key, last - depth[key], height) for key, height in heights.items()}
    columns: list[list[Place]] = [[] for _ in range(last + 1)]
    for place in boxes.values():
        columns[place.column].append(place)
    ways: dict[tuple[str, str], tuple[Place, ...]] = {}
    for start, end in pairs:
        between: list[Place] = []
        if (start, end) in forward:
            between = [Place(None, at, THREAD) for at in range(boxes[start].column + 1, boxes[end].column)]
        way = (boxes[start], *between, boxes[end])
        ways[start, end] = way
        for one in between:
            columns[one.column].append(one)
        if (start, end) in forward:
            for one, other in pairwise(way):
                one.after.append(other)
                other.before.append(one)
    _order(columns)
    _straighten(columns)
    top = min((p.top for column in columns for p in column), default=0.0)
    for column in columns:
        for place in column:
            place.top -= top
    return Placed(boxes, ways, last + 1, max((p.top + p.height for column in columns for p in column), default=0.0))


def _without_circles(keys: Sequence[str], pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the links without those that lead back to where a walk along them came from."""
    after: dict[str, list[str]] = {key: [] for key in keys}
    for start, end in pairs:
        after[start].append(end)
    kept: set[tuple[str, str]] = set()
    done: set[str] = set()
    for key in keys:
        walk, on_way = [(key, iter(after[key]))], {key}
        while walk and key not in done:
            here, rest = walk[-1]
            following = next(rest, None)
            if following is None:
                walk.pop()
                on_way.discard(here)
                done.add(here)
            elif following not in on_way:
                kept.add((here, following))
                if following not in done:
                    walk.append((following, iter(after[following])))
                    on_way.add(following)
    return kept


def _depths(keys: Sequence[str], pairs: set[tuple[str, str]]) -> dict[str, int]:
    """Return how many links the longest way from each box to an end has."""
    depth = dict.fromkeys(keys, 0)
    for _ in keys:  # as many rounds as the longest way can have links
        changed = False
        for start, end in pairs:
            if depth[start] <= depth[end]:
                depth[start], changed = depth[end] + 1, True
        if not changed:
            break
    return depth


def _order(columns: Sequence[list[Place]]) -> None:
    """Order each column by the middle of what its boxes are linked to, from either side in turn."""

    def sort(column: list[Place], neighbours: str) -> None:
        rank = {id(p): at for other in columns for at, p in enumerate(other)}
        here = {id(p): at for at, p in enumerate(column)}

        def middle(place: Place) -> float:
            linked: list[Place] = getattr(place, neighbours)
            return sum(rank[id(p)] for p in linked) / len(linked) if linked else here[id(place)]

        column.sort(key=lambda p: (middle(p), here[id(p)]))

    for _ in range(SWEEPS):
        for column in reversed(columns):
            sort(column, "after")
        for column in columns:
            sort(column, "before")
    for column in reversed(columns):
        sort(column, "after")


def _straighten(columns: Sequence[list[Place]]) -> None:
    """Give each box its height on the sheet: near what it is linked to, in its order, without overlap."""
    for column in columns:
        _stack(column, [0.0] * len(column))
    for _ in range(SWEEPS):
        for neighbours, some in (("after", reversed(columns)), ("before", columns)):
            for column in some:
                _stack(column, [_wanted(place, neighbours) for place in column])


def _wanted(place: Place, neighbours: str) -> float:
    """Return where a box would like its upper end."""
    linked: list[Place] = getattr(place, neighbours)
    return sum(p.middle for p in linked) / len(linked) - place.height / 2 if linked else place.top


def _stack(column: Sequence[Place], wanted: Sequence[float]) -> None:
    """Place a column's boxes as near as they can be to where they want to be; runs of touching boxes move together."""
    runs: list[tuple[float, list[Place]]] = []  # (upper end, boxes)
    for place, top in zip(column, wanted, strict=True):
        runs.append((top, [place]))
        while len(runs) > 1 and runs[-2][0] + _tall(runs[-2][1]) + BETWEEN > runs[-1][0]:
            lower, upper = runs.pop(), runs.pop()
            share = len(lower[1]) / (len(lower[1]) + len(upper[1]))
            gap = _tall(upper[1]) + BETWEEN
            runs.append((upper[0] * (1 - share) + (lower[0] - gap) * share, [*upper[1], *lower[1]]))
    for top, places in runs:
        for place in places:
            place.top = top
            top += place.height + BETWEEN


def _tall(places: Sequence[Place]) -> float:
    return sum(p.height for p in places) + BETWEEN * (len(places) - 1)
