"""The model card: every line labelled, the same bytes from the same run, nothing of the data, and markup that stays dead."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.model_card import REQUIRED, as_text, card_files, card_sections, empty_fields, model_card
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts

SECTIONS = ["What is unknown", "Identity", "Use", "People", "Data", "Making", "Evaluation", "Files of the model (measured)"]


@pytest.fixture
def seen(example_system: Any, fitted: Any) -> Observation:
    """What was seen of a run on the German credit data."""
    features = tuple(fitted.pipeline.feature_names_in_)
    return Observation(
        system=example_system,
        datasets={
            "train": Dataset("train", fitted.train, fingerprint(fitted.train)),
            "test": Dataset("test", fitted.test, fingerprint(fitted.test)),
        },
        run=RunFacts(
            "0123456789abcdef",
            datetime(2026, 3, 1, tzinfo=UTC),
            Code("git", "c0ffee", False, "d" * 64, "train:main"),
            packages={"scikit-learn": "1.9.1", "pandas": "3.0.6"},
            hardware={"cores": 2},
        ),
        model=Model(
            fitted.pipeline.predict,
            features,
            estimator=fitted.pipeline,
            flavour="sklearn",
            serialization="skops",
            uri="models:/m-0123",
            files={"MLmodel": (10, "a" * 64), "data/model.skops": (20, "b" * 64)},
        ),
    )


def test_every_section_and_every_required_field_is_there(seen: Observation) -> None:
    card = model_card(seen)
    assert re.findall(r"^## (.+)$", card, flags=re.MULTILINE) == SECTIONS
    assert empty_fields(seen) == ()
    assert all(f"**{name}** (measured)" in card or f"**{name}** (declared)" in card for name in REQUIRED)


def test_every_field_is_measured_declared_or_unknown(seen: Observation) -> None:
    fields = [field for section in card_sections(seen) for field in section.fields]
    assert len({field.name for field in fields}) == len(fields)
    assert all((field.label == "unknown") is (not field.values) for field in fields)
    labels = re.findall(r"^- \*\*.+?\*\* \((\w+)\):", model_card(seen), flags=re.MULTILINE)
    assert labels == [field.label for field in fields]


def test_what_is_unknown_stands_first(seen: Observation) -> None:
    first = model_card(seen).split("## Identity")[0]
    unknown = [field.name for section in card_sections(seen) for field in section.fields if field.label == "unknown"]
    assert "limits of deployment" in unknown
    assert re.findall(r"^- (.+)$", first, flags=re.MULTILINE) == unknown


def test_the_same_run_gives_the_same_bytes(seen: Observation) -> None:
    shuffled = replace(
        seen,
        datasets=dict(reversed(seen.datasets.items())),
        run=replace(seen.run, packages=dict(reversed(seen.run.packages.items()))),
    )
    assert model_card(seen) == model_card(shuffled)


def test_test_data_borrow_the_source_of_the_train_data(seen: Observation) -> None:
    assert "**source of the test data** (declared): as of the training data: https://archive.ics.uci.edu/dataset/144" in model_card(seen)


def test_a_run_that_saw_nothing_says_so(seen: Observation) -> None:
    bare = Observation(seen.system, {}, RunFacts("r1", datetime(2026, 3, 1, tzinfo=UTC), Code("unknown")))
    card = model_card(bare)
    assert empty_fields(bare) == ("algorithm", "training data", "model digest")
    assert "No file of a logged model was seen (unknown)." in card
    assert card_files(card) == {}


def test_no_value_of_the_data_stands_in_the_card(seen: Observation) -> None:
    card = model_card(seen)
    categories = {
        str(v) for c in seen.datasets["train"].frame.select_dtypes(exclude="number") for v in seen.datasets["train"].frame[c].unique()
    }
    assert "A92" in categories
    assert not [
        value for value in categories if re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", card) and value not in ("male", "female")
    ]
    assert "female" not in card


def test_sha256sum_reads_the_manifest(seen: Observation, tmp_path: Path) -> None:
    import hashlib

    files = {"MLmodel": b"one", "two  spaces": b"two", "back\\slash": b"three"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    model = replace(seen.model, files={name: (len(c), hashlib.sha256(c).hexdigest()) for name, c in files.items()})
    card = model_card(seen.with_model(model))
    (tmp_path / "manifest").write_text(card.split("```sha256\n")[1].split("```")[0], encoding="utf-8")
    done = subprocess.run(["sha256sum", "--strict", "-c", "manifest"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert card_files(card) == {name: sha256 for name, (_, sha256) in model.files.items()}


HOSTILE = [
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[link](javascript:alert(1))",
    "line\n\n# heading",
    "- list",
    "1. list",
    "> quote",
    "**bold** __bold__ ~~gone~~ `code`",
    "| a | b |",
    "[x]: http://evil.example",
    "&lt;",
    "\u202egnp.exe",
    "{{ seen }} {% raw %}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_is(seen: Observation, text: str) -> None:
    from mistune import html  # a Markdown reader that Great Expectations brings along

    identity = seen.system.system.model_copy(update={"name": text, "purpose": text, "intended_uses": (text, text)})
    card = model_card(replace(seen, system=seen.system.model_copy(update={"system": identity})))
    page = str(html(card))
    assert re.findall(r"^## (.+)$", card, flags=re.MULTILINE) == SECTIONS
    assert not re.search(r"<(script|img|a|table|blockquote|del)\b", page)
    assert len(re.findall(r"<h1", page)) == 1
    assert "\u202e" not in card


@settings(deadline=None)  # machines of CI are busy
@given(st.text(max_size=80))
def test_escaped_text_is_one_line_and_loses_no_visible_character(text: str) -> None:
    escaped = as_text(text)
    assert len(escaped.splitlines()) <= 1
    assert [c for c in escaped if c not in "\\ "] == [c for c in text if c.isprintable() and not c.isspace() and c != "\\"]


@settings(deadline=None)  # machines of CI are busy
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.just((1, "a" * 64)), max_size=4))
def test_any_manifest_is_read_back(files: dict[str, tuple[int, str]]) -> None:
    from aims_mlflow.model_card import _manifest_lines

    lines = _manifest_lines(Model(lambda frame: frame, None, files=files))
    assert card_files("\n".join(lines)) == {path: sha256 for path, (_, sha256) in files.items()}
