"""Strict YAML: what is read means what YAML 1.2 says, and everything doubtful is refused with its place."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.system_file import strict_yaml
from aims_mlflow.system_file.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_MISTAKES, MAX_VALUES, Refused, decode, read


def plain(text: str) -> Any:
    node, mistakes = read(text)
    assert not mistakes, mistakes
    assert node is not None
    return node.plain()


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("on: yes", {"on": "yes"}),
        ("a: no\nb: off\nc: y", {"a": "no", "b": "off", "c": "y"}),
        ("a: true\nb: False", {"a": True, "b": False}),
        ("a: 'true'\nb: \"1\"", {"a": "true", "b": "1"}),
        ("a: 1\nb: -2\nc: +3\nd: 0", {"a": 1, "b": -2, "c": 3, "d": 0}),
        ("a: 1.5\nb: 1e3\nc: .5\nd: 1_000", {"a": 1.5, "b": 1000.0, "c": 0.5, "d": "1_000"}),
        ("a: 0x1f\nb: 0o17", {"a": 31, "b": 15}),
        ("a: 2026-01-10\nb: 12:30:45", {"a": "2026-01-10", "b": "12:30:45"}),
        ("a:\nb: ~\nc: null", {"a": None, "b": None, "c": None}),
        ("{3: 50, true: 1, null: 2}", {"3": 50, "true": 1, "null": 2}),
        ("- a\n- [b, {c: d}]", ["a", ["b", {"c": "d"}]]),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("\ufeffa: é 😀", {"a": "é 😀"}),
        ("---\na: 1\n...\n", {"a": 1}),
        ('"<<": 1', {"<<": 1}),
    ],
)
def test_what_is_read(text: str, meaning: Any) -> None:
    assert plain(text) == meaning


def test_the_example_file_reads_as_pyyaml_reads_it_but_for_dates_and_keys(example_text: str) -> None:
    def simple(value: Any) -> Any:
        if isinstance(value, dict):
            return {{True: "on"}.get(k, str(k)) if k is True else str(k): simple(v) for k, v in value.items()}
        if isinstance(value, list):
            return [simple(v) for v in value]
        return value.isoformat() if hasattr(value, "isoformat") else value

    assert plain(example_text) == simple(yaml.safe_load(example_text))


@pytest.fixture
def example_text() -> str:
    from pathlib import Path

    return (Path(__file__).parents[1] / "data" / "aims.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: &x 1", "1:4", "anchor &x"),
        ("a: 1\nb: *x", "2:4", "alias *x"),
        ("a: 1\n*x : 2", "2:1", "alias *x"),
        ("a: !!python/object/apply:os.system ['true']", "1:4", "tag tag:yaml.org,2002:python/object/apply:o"),
        ("a: ! b", "1:4", "tag ! is not accepted"),
        ("a: 1\nb: 2\na: 3", "3:1", "a second time (first at 1:1)"),
        ("<<: {a: 1}", "1:1", "merge key"),
        ("a: .nan", "1:4", "not a number that can be compared"),
        ("a: -.inf", "1:4", "not a number that can be compared"),
        ("a: 1e999", "1:4", "too large"),
        ("a: 007", "1:4", "two ways"),
        ("a: " + "9" * 5000, "1:4", "more than 18 digits"),
        ("? ''\n: 1", "1:3", "a key is empty"),
        ("%YAML 1.1\n---\na: 1", "1:1", "directives"),
    ],
)
def test_what_is_noted(text: str, place: str, words: str) -> None:
    _, mistakes = read(text)
    assert str(mistakes[0].place) == place
    assert words in mistakes[0].what
    assert mistakes[0].fix


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: [1, 2", "2:1", "not YAML"),
        ("a: b: c", "1:5", "not YAML"),
        ("a: 1\n---\nb: 2", "2:1", "second document"),
        ("a: 1\nb: \x00", "2:4", "U+0000"),
        ("a: \x1b[2J", "1:4", "U+001B"),
        ("a: \u202eb", "1:4", "U+202E"),
        ("a: b\u2028c: d", "1:5", "U+2028"),
        ('a: "\\0"', "1:4", "U+0000"),
        ('a: "\\u202e"', "1:4", "U+202E"),
        ("[a]: 1", "1:1", "a key cannot be"),
        ("a: " + "[" * 1000, f"1:{MAX_DEPTH + 3}", "deeper than 20 levels"),
        ("\n".join(" " * n + "a:" for n in range(600)), "21:21", "deeper than 20 levels"),
        ("[" + "a," * MAX_VALUES + "]", f"1:{2 * MAX_VALUES}", "more than 5,000 values"),
    ],
)
def test_what_is_refused(text: str, place: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        read(text)
    assert words in caught.value.mistakes[-1].what
    assert str(caught.value.mistakes[-1].place) == place


def test_bytes_that_are_not_utf8_are_refused_with_their_place() -> None:
    with pytest.raises(Refused) as caught:
        decode("a: 1\nb: ü".encode("latin-1"))
    assert str(caught.value.mistakes[0].place) == "2:4"
    assert "UTF-8" in caught.value.mistakes[0].what
    assert decode(b"\xef\xbb\xbfa: 1") == "a: 1"


def test_after_a_hundred_mistakes_reading_stops() -> None:
    with pytest.raises(Refused) as caught:
        read("a: 1\n" * 50_000)
    assert len(caught.value.mistakes) == MAX_MISTAKES + 1


@pytest.mark.parametrize(
    "content", ["x" * 10_000_000, "a: b\n" * 2_000_000, "é" * (MAX_BYTES // 2 + 1)], ids=["line", "lines", "two bytes"]
)
def test_a_long_text_never_reaches_the_parser(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_yaml, "_LOADER", None)
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as caught:
            read(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "it was not read" in caught.value.mistakes[0].what
    assert peak < 50_000_000


HOSTILE = {
    "brackets": "[" * (MAX_BYTES - 10),
    "braces": "{" * (MAX_BYTES - 10),
    "dashes": "- " * 120_000,
    "questions": "? " * 120_000,
    "quotes": '"' * (MAX_BYTES - 10),
    "values": "[" + "a," * 120_000 + "]",
    "duplicates": "a: 1\n" * 50_000,
    "anchors": "[" + "&a b," * 40_000 + "]",
    "tags": "[" + "!a b," * 40_000 + "]",
    "long key": "a" * 200_000 + ": 1",
    "long text": "a: '" + "b" * 200_000 + "'",
    "long number": "a: " + "1" * 200_000,
    "long exponent": "a: 1e" + "1" * 200_000,
    "laughs": "a: &a [b,b]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_little_memory(name: str) -> None:
    tracemalloc.start()
    try:
        try:
            _, mistakes = read(HOSTILE[name])
        except Refused as refused:
            mistakes = refused.mistakes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mistakes or name == "long text"
    assert peak < 50_000_000
    assert all(len(str(mistake)) < 1_000 for mistake in mistakes)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc: #-'\"é", max_size=9)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc: 1", min_size=1, max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(trees)
def test_what_pyyaml_writes_is_read_back(tree: Any) -> None:
    node, mistakes = read(yaml.safe_dump(tree, allow_unicode=True))
    assert not mistakes
    assert node is not None
    assert node.plain() == tree
