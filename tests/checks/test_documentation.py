"""The documentation check: what the card leaves empty, and that it speaks of exactly the model's files."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from aims_mlflow.checks.documentation import documentation
from aims_mlflow.model_card import model_card


def test_a_whole_card(observe: Any) -> None:
    seen = observe()
    result = documentation(seen)
    assert {m.name: m.value for m in result.measures} == {"empty_fields": 0, "card_matches_model": 1}
    assert result.facts["card_sha256"] == hashlib.sha256(model_card(seen).encode()).hexdigest()
    assert result.subjects == seen.model.subjects


@pytest.mark.parametrize(
    ("change", "empty"),
    [
        ({"declared": {"system.purpose": ""}}, "purpose"),
        ({"declared": {"system.intended_uses": ["TBD"]}}, "intended uses"),
        ({"declared": {"system.prohibited_uses": []}}, "prohibited uses"),
        ({"declared": {"system.owner": None}}, "owner contact"),
        ({"declared": {"system.owner": {"name": "Somebody"}}}, "owner contact"),
        ({"model": {"estimator": None}}, "algorithm"),
        ({"roles": ("test",)}, "training data"),
        ({"model": {"files": {}}}, "model digest"),
    ],
)
def test_an_empty_field_is_named(observe: Any, change: dict[str, Any], empty: str) -> None:
    result = documentation(observe(**change))
    assert result.facts["empty_fields"] == [empty]
    assert result.measure("empty_fields").value == 1


@pytest.mark.parametrize("model", [None, {"files": {}}], ids=["no model", "no files"])
def test_without_files_a_match_has_no_value(observe: Any, model: Any) -> None:
    result = documentation(observe(model=model))
    assert result.measure("card_matches_model").value is None
    assert "cannot be compared" in result.notes[0]


@pytest.mark.parametrize(
    "path", ["back\\slash", "line\nbreak", "carriage\rreturn", "two  spaces", "`back` ```ticks```", "näme", "a" * 64 + "  x"]
)
def test_odd_file_names_are_told_apart(observe: Any, path: str) -> None:
    result = documentation(observe(model={"files": {path: (1, "c" * 64), "MLmodel": (2, "d" * 64)}}))
    assert result.measure("card_matches_model").value == 1
