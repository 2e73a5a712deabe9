"""The columns: links go to the right, boxes never overlap, and circles end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.lineages.layers import BETWEEN, Place, placed


def of(*links: str) -> dict[str, Place]:
    pairs = [(link[0], link[1]) for link in links]
    keys = dict.fromkeys(key for pair in pairs for key in pair)
    return dict(placed(dict.fromkeys(keys, 50.0), pairs).boxes)


def test_what_comes_first_stands_left() -> None:
    boxes = of("sd", "dr", "cr", "rm", "mv")
    assert [boxes[key].column for key in "sdcrmv"] == [0, 1, 1, 2, 3, 4]


def test_a_long_link_passes_between_the_boxes() -> None:
    places = placed(dict.fromkeys("abcd", 50.0), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")])
    way = places.ways["a", "d"]
    assert [p.column for p in way] == [0, 1, 2, 3]
    assert all(p.key is None for p in way[1:-1])


def test_links_that_go_straight_are_straight() -> None:
    boxes = of("ab", "bc", "cd")
    assert len({box.middle for box in boxes.values()}) == 1


def test_nothing_and_one_box() -> None:
    assert placed({}, []).columns == 1
    assert placed({"a": 40.0}, [("a", "a")]).height == 40.0


keys = st.sampled_from("abcdefghij")


@given(st.lists(st.tuples(keys, keys), max_size=25), st.lists(st.floats(20, 200), min_size=10, max_size=10))
def test_any_graph_is_placed(links: list[tuple[str, str]], heights: list[float]) -> None:
    sizes = dict(zip("abcdefghij", heights, strict=True))
    made = placed(sizes, links)
    columns: dict[int, list[Place]] = {}
    for place in {id(p): p for way in [*made.ways.values(), *((b,) for b in made.boxes.values())] for p in way}.values():
        columns.setdefault(place.column, []).append(place)
        assert -0.01 <= place.top <= made.height - place.height + 0.01
        assert 0 <= place.column < made.columns
    for column in columns.values():
        ordered = sorted(column, key=lambda p: p.top)
        for one, other in pairwise(ordered):
            assert one.top + one.height + BETWEEN <= other.top + 0.01
    forward = sum(made.boxes[a].column < made.boxes[b].column for a, b in made.ways)
    backward = [(a, b) for a, b in made.ways if made.boxes[a].column > made.boxes[b].column]
    assert forward + len(backward) + sum(made.boxes[a].column == made.boxes[b].column for a, b in made.ways) == len(made.ways)
    acyclic = all(a < b for a, b in made.ways)
    if acyclic:
        assert not backward
        assert forward == len(made.ways)
    assert placed(sizes, links).height == made.height
