"""The scorecard: what is open first, short enough for MLflow, and harmless whatever a name says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.evidence import State
from aims_mlflow.scorecard import LIMIT, MARKS, counts, plain, scorecard, shortened, visible, words


@dataclass(frozen=True)
class Line:
    control: str
    title: str = "A title"
    state: State = State.PASS
    reason: str = "because"


def test_every_state_has_a_mark_and_words() -> None:
    assert set(MARKS) == set(State)
    assert len({words(state) for state in State}) == len(State)
    assert not any("compliant" in words(state) for state in State)


def test_worst_comes_first_and_passing_in_one_line() -> None:
    card = scorecard([Line("A.6.1.2"), Line("A.7.4", state=State.MISSING), Line("A.7.5", state=State.FAIL, reason="digest differs")])
    assert card.index("A.7.5") < card.index("A.7.4")
    assert "| ✗ failing | digest differs |" in card
    assert "Passing: A.6.1.2." in card


def test_other_controls_are_counted_only() -> None:
    card = scorecard([Line("A.6.1.2"), Line("A.2.2", state=State.MISSING, reason="nobody said")])
    assert "**Other controls**: 1 missing" in card
    assert "nobody said" not in card


def test_no_lines_is_said() -> None:
    assert "**Evidence**: none" in scorecard([])


def test_counts_lead_with_what_passes() -> None:
    assert counts([Line("A.7.4", state=State.FAIL), Line("A.7.5"), Line("A.7.6")]) == "2 passing, 1 failing"


@pytest.mark.parametrize("length", [10, 1_000, 100_000])
def test_it_is_never_longer_than_its_limit(length: int) -> None:
    lines = [Line(f"A.7.{i}", title="t" * length, state=State.FAIL, reason="r" * length) for i in range(2, 7)]
    assert len(scorecard(lines, heading="h" * length, facts=[("f", "v" * length)])) <= LIMIT


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[a](javascript:x)", "\\[a\\](javascript&#58;x)"),
        ("![x](http://e.org)", "!\\[x\\](http&#58;//e.org)"),
        ("a | b\n# c", "a \\| b \\# c"),
        ("`code` *b* _i_", "\\`code\\` \\*b\\* \\_i\\_"),
        ("\u202egpj.exe", "\\\\u202egpj.exe"),
    ],
)
def test_markup_is_shown_and_does_nothing(text: str, harmless: str) -> None:
    assert plain(text) == harmless


@given(st.text())
def test_plain_text_stays_on_one_line_without_tags(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    assert "\r" not in shown
    assert "<" not in shown


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), max_size=50))
def test_ordinary_text_is_visible_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_a_cut_is_seen() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abc", 4) == "abc"
