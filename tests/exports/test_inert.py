"""Texts made harmless, and taken back exactly."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aims_mlflow.exports.inert import (
    FORMULA_STARTS,
    cell,
    figure,
    json_bytes,
    markup,
    path_part,
    read_cell,
    stamp,
    token,
)
from aims_mlflow.exports.risk_xlsx import fitting

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=80)
WITHOUT_CONTROLS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\t\n\r"), max_size=80)
"""A reader may drop a control character at the end of a line."""


class Rendered(HTMLParser):
    """The text of a rendered page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        del attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(text: str) -> Rendered:
    """Render as a generous reader does: raw HTML allowed."""
    return Rendered(MarkdownIt("commonmark", {"html": True}).render(text))


def test_markup_of_a_hostile_text_is_that_text_and_nothing_else(hostile: str) -> None:
    written = markup(hostile)
    assert "\n" not in written
    shown = rendered(written)
    assert shown.tags == ["p"]
    assert shown.text.removesuffix("\n") == hostile


@given(WITHOUT_CONTROLS)
def test_markup_reads_back(text: str) -> None:
    shown = rendered(markup(text))
    assert set(shown.tags) <= {"p"}
    assert shown.text.removesuffix("\n") == text


@given(TEXTS)
def test_a_cell_is_no_formula_and_reads_back(text: str) -> None:
    written = cell(text)
    assert not written.startswith(FORMULA_STARTS)
    assert read_cell(written) == text


@given(TEXTS)
def test_a_cell_of_a_workbook_reads_back(text: str) -> None:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.utils.escape import unescape

    written = fitting(text)
    assert not ILLEGAL_CHARACTERS_RE.search(written)
    assert read_cell(unescape(written)) == text


def test_a_cell_that_is_too_long_says_so() -> None:
    written = fitting("=" + "x" * 40_000)
    assert len(written) == 32_767
    assert written.endswith("the record has it all)")


@settings(max_examples=50)
@given(st.recursive(TEXTS | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_json_reads_back_and_has_no_markup(content: object) -> None:
    written = json_bytes(content)
    assert json.loads(written) == content
    assert not re.search(rb"[<>&]", written)


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\u2028", "\ufeff", "\u2066"], ids=["override", "zero", "line", "mark", "isolate"])
def test_json_escapes_what_turns_a_line_or_is_not_seen(hidden: str) -> None:
    assert hidden.encode() not in json_bytes({hidden: hidden})


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_bytes(float("nan"))


@given(TEXTS)
def test_a_part_of_a_path_is_one(text: str) -> None:
    written = path_part(text)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,140}", written)
    assert not written.startswith((".", "-"))


@pytest.mark.parametrize("name", ["run", "a" * 32, "loans-3-champion-20260310T093000.000000Z"])
def test_a_part_of_a_path_that_is_safe_stays(name: str) -> None:
    assert path_part(name) == name
    assert path_part(f"{name}.dsse.json", ".dsse.json") == f"{name}.dsse.json"


def test_different_texts_are_different_parts_and_keep_their_ending() -> None:
    texts = [f"{'m' * 200}-{n}.dsse.json" for n in range(3)] + ["a/b.dsse.json", "a\\b.dsse.json", "..dsse.json"]
    written = [path_part(text, ".dsse.json") for text in texts]
    assert len(set(written)) == len(texts)
    assert all(name.endswith(".dsse.json") for name in written)


@given(TEXTS)
def test_a_token_is_one_line_with_something_on_it(text: str) -> None:
    written = token(text)
    assert written == written.strip() != ""
    assert len(written.splitlines()) == 1


def test_times_and_numbers() -> None:
    assert stamp(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01T12:00:00Z"
    assert stamp(datetime(2026, 3, 1, 12)) == "2026-03-01T12:00:00Z"  # noqa: DTZ001 - a time without a zone is the case
    assert stamp(date(2026, 3, 1)) == "2026-03-01T00:00:00Z"
    assert (figure(None), figure(0.1), figure(1)) == ("unknown", "0.1", "1.0")
