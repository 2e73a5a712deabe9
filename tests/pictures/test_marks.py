"""Scales, axes and letters: round numbers around all there is, and text that never runs beyond its room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.pictures.lettering import lines_of, width, xml
from aims_mlflow.pictures.marks import FARTHEST, Scale, ends_of, ticks_of
from aims_mlflow.pictures.words import number

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("numbers", "ends"),
    [
        ([0.2, 0.8], (0, 1)),
        ([0.01, 0.02], (0, 0.02)),
        ([-0.013, 0.06], (-0.02, 0.06)),
        ([0.0], (-0.5, 0.5)),
        ([], (0, 1)),
        ([120, 180], (120, 180)),
        ([3.0, 40.0], (0, 40)),
    ],
    ids=lambda x: str(x),
)
def test_the_ends_of_an_axis_are_round(numbers: list[float], ends: tuple[float, float]) -> None:
    assert ends_of(numbers) == pytest.approx(ends)


@given(st.lists(finite, max_size=6))
def test_every_number_within_reach_lies_on_the_axis(numbers: list[float]) -> None:
    low, high = ends_of(numbers)
    assert low < high
    scale = Scale(low, high, 0, 100)
    for x in numbers:
        assert 0 <= scale.at(x) <= 100
        if abs(x) <= FARTHEST:
            assert scale.beyond(x) == 0
    ticks = ticks_of(low, high)
    assert 2 <= len(ticks) <= 12
    assert all(low - 1e-6 * (high - low) <= t <= high + 1e-6 * (high - low) for t in ticks)


@given(finite, finite)
def test_more_lies_farther_right(one: float, other: float) -> None:
    scale = Scale(*ends_of([one, other]), 0, 100)
    assert (scale.at(one) <= scale.at(other)) or one > other


@given(st.text(max_size=300), st.floats(40, 400), st.integers(1, 4))
def test_lines_fit_and_are_not_too_many(text: str, room: float, most: int) -> None:
    lines = lines_of(text, room, 12, most=most)
    assert len(lines) <= most
    assert all(width(line, 12) <= room for line in lines)


def test_what_fits_is_whole_and_what_does_not_says_so() -> None:
    assert lines_of("share of the group", 400, 12) == ["share of the group"]
    cut = lines_of("number_of_people_being_liable_to_provide_maintenance_for", 150, 12, most=2)
    assert len(cut) == 2
    assert cut[1].endswith("…")
    assert lines_of("a b", 400, 12) == ["a b"]
    assert "".join(lines_of("one two three four five six seven", 60, 12, most=9)).replace(" ", "") == "onetwothreefourfivesixseven"


def test_wide_letters_count_as_wide() -> None:
    assert width("日本", 10) > 20
    assert width("MM", 10) > width("ii", 10)
    assert width("ab", 10, bold=True) > width("ab", 10)


def test_text_is_fit_for_xml() -> None:
    assert xml('<a b="c">&\'') == "&lt;a b=&#34;c&#34;&gt;&amp;&#39;"
    assert xml("a\x00b\ufffec\u202ed") == "a\\u0000bc\\u202ed"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.04549, "0.0455"),
        (1234.4, "1,234"),
        (123.4, "123"),
        (7.0, "7"),
        (1e300, "1e+300"),
        (5e-324, "4.94e-324"),
        (None, "?"),
    ],
    ids=str,
)
def test_numbers_as_people_read_them(x: float | None, words: str) -> None:
    assert number(x) == words
