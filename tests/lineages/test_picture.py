"""The lineage as a picture and as data: what is committed, what is said in words, and nothing beyond the sheet."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aims_mlflow.evidence import digest
from aims_mlflow.lineages import Edge, Lineage, Node
from aims_mlflow.lineages.picture import svg

GOLDEN = Path(__file__).parents[1] / "golden"


def lineage(*edges: tuple[str, str, str, str, str], notes: tuple[str, ...] = ()) -> Lineage:
    names = dict.fromkeys(name for edge in edges for name in edge[:2])
    nodes = tuple(
        Node(
            id=name,
            kind=name.partition(":")[0],
            label=name.partition(":")[2],
            sha256=digest(name) if name.startswith(("dataset", "model")) else "",
            note="holds champion" if name == "version:models:/credit/7" else "",
        )
        for name in names
    )
    links = tuple(Edge.model_validate(dict(zip(("start", "end", "kind", "strength", "why"), edge, strict=True))) for edge in edges)
    return Lineage(asked="models:/credit@champion", subject="version:models:/credit/7", nodes=nodes, edges=links, notes=notes)


EXAMPLE = lineage(
    (
        "source:https://example.org/loans.csv",
        "dataset:train",
        "source of train",
        "weak",
        "by the address only; declare the source's sha256",
    ),
    ("dataset:train", "run:0123456789abcdef0123456789abcdef", "train data", "strong", "by the digest of its whole content"),
    ("code:git:7e3d93a5a6e7d709fc3c6cfa00314b0734d450ec", "run:0123456789abcdef0123456789abcdef", "code", "strong", "by commit"),
    ("hardware:cores 2", "run:0123456789abcdef0123456789abcdef", "hardware", "noted", "by description, for information"),
    ("run:0123456789abcdef0123456789abcdef", "model:models:/m-1", "model", "strong", "by the digests of all its files"),
    ("version:models:/base/1", "model:models:/m-1", "tuned from", "broken", "its files are not those that the run saw"),
    ("model:models:/m-1", "version:models:/credit/7", "registered as", "strong", "its files are those that were evaluated"),
    notes=("The evidence of run 0123456789abcdef0123456789abcdef is signed by a key that nobody vouched for (55022ef07cbb).",),
)


def test_the_picture_is_what_is_committed(read: Any) -> None:
    made = svg(EXAMPLE)
    read(made, plain=12.0)
    path = GOLDEN / "pictures" / "lineage.svg"
    if os.environ.get("AIMS_GOLDEN") == "write":
        path.write_text(made)
    assert made == path.read_text()
    assert svg(EXAMPLE) == made


def test_the_data_are_what_is_committed() -> None:
    """The stable form that docs/lineage.md describes: a change here is a change for whoever reads it."""
    made = EXAMPLE.model_dump_json(indent=2) + "\n"
    path = GOLDEN / "lineage.json"
    if os.environ.get("AIMS_GOLDEN") == "write":
        path.write_text(made)
    assert made == path.read_text()
    content = json.loads(made)
    assert list(content) == ["format", "asked", "subject", "nodes", "edges", "notes", "counts", "whole"]
    assert content["counts"] == {"strong": 4, "weak": 1, "broken": 1, "noted": 1}
    assert content["whole"] is False


def test_strength_stands_in_words_and_not_by_colour_alone(read: Any) -> None:
    picture = read(svg(EXAMPLE), plain=12.0)
    written = [text.text for text in picture.texts]
    assert [written.count(word) for word in ("strong", "weak", "broken", "noted")] == [4, 1, 1, 1]
    assert picture.count("path", "weak") == picture.count("path", "broken") == 1
    for edge in EXAMPLE.edges:
        assert f"{edge.kind}, {edge.strength}, {edge.why}." in picture.description()
    assert "Broken links" in written
    assert "Weak links" in written
    assert picture.title() == "Lineage of models:/credit@champion"


HOSTILE = ["<script>alert(1)</script>", '"><svg onload=alert(1)>', "]]><![CDATA[", "\x00\u202etxt.exe", "x" * 9_000, "日本語 " * 60]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_shown_and_does_nothing(read: Any, text: str) -> None:
    made = svg(
        lineage(
            ("dataset:" + text, "run:r", text, "weak", text), ("run:r", "version:models:/credit/7", "model", "strong", text), notes=(text,)
        )
    )
    picture = read(made, plain=12.0)
    assert "<script" not in made
    assert "alert" not in text or "alert(1)" in picture.words


def test_sixty_data_sets_are_readable(read: Any) -> None:
    edges = [(f"dataset:role {i} of a rather long name", "run:r", f"data {i}", "strong", "by digest") for i in range(60)]
    picture = read(svg(lineage(*edges, ("run:r", "version:models:/credit/7", "model", "strong", ""))), plain=12.0)
    assert picture.height < 60 * 90 + 400


keys = st.sampled_from([f"{kind}:{name}" for kind in ("dataset", "run", "model", "version") for name in "abc"])
strengths = st.sampled_from(["strong", "weak", "broken", "noted"])
links = st.tuples(keys, keys, st.text(max_size=30), strengths, st.text(max_size=60))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(links, max_size=14, unique_by=lambda e: e[:3]))
def test_any_lineage_stays_on_its_sheet(read: Any, edges: list[tuple[str, str, str, str, str]]) -> None:
    made = lineage(*edges, ("model:a", "version:models:/credit/7", "registered as", "strong", ""))
    picture = read(svg(made), plain=12.0)
    assert picture.count("rect") == len(made.nodes) + 1
