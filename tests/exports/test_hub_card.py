"""The Hub's model card: huggingface_hub reads it, the bytes are the same without it, and the run's card is shown only if it holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.exports import Material, make
from aims_mlflow.exports.hub_card import metadata
from aims_mlflow.exports.material import Material as Made
from aims_mlflow.model_card import CARD_PATH


def written(about: Material) -> str:
    return make("model-card", about).content.decode()


def test_huggingface_hub_reads_it(any_material: Material) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard(written(any_material))
    assert card.data.to_dict() == metadata(any_material)
    assert card.text.strip().startswith("# Model card:")


def test_it_is_the_same_without_huggingface_hub(any_material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = written(any_material)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert written(any_material) == with_it


def test_metadata_that_the_hub_refuses_is_an_error(about: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.exports.hub_card.metadata", lambda _: {"model-index": [{"name": "x", "results": [{}]}]})
    with pytest.raises(ConfigurationError, match="refuses the metadata"):
        written(about)


def test_results_are_the_bundles_with_their_intervals(about: Material) -> None:
    results = metadata(about)["model-index"][0]["results"]
    test = next(r for r in results if r["dataset"]["name"] == "test")
    auc = next(m for m in test["metrics"] if m["type"] == "performance.roc_auc_score")
    assert (auc["value"], auc["args"]["low"], auc["args"]["high"], auc["args"]["state"]) == (0.8, 0.78, 0.82, "pass")


def test_what_is_unknown_comes_first_and_the_licence_is(about: Material) -> None:
    text = written(about)
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "unknown"
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## What is unknown or open",
        "## Evidence by control",
        "## Measures",
        "## Risks",
        "## Declared and recorded by the run",
    ]
    for item in about.record.open_items:
        assert f"- {item.weight}: " in text


def test_the_card_of_the_run_is_shown_below_with_its_digest(about: Material) -> None:
    text = written(about)
    assert "### Model card: golden" in text
    assert "\n# not a heading\n" in text, "what stands between fences stays as it is"


@pytest.mark.parametrize(
    ("card", "why"), [(None, "it is not there"), (b"# Another card", "it was changed afterwards")], ids=["gone", "changed"]
)
def test_a_card_that_does_not_hold_is_not_shown(about: Material, card: bytes | None, why: str) -> None:
    files = {path: content for path, content in about.files.items() if not path.endswith(Path(CARD_PATH).name)}
    if card is not None and about.version is not None:
        files[f"{about.version.run_id}/{CARD_PATH}"] = card
    text = written(Made(about.record, about.read, files))
    assert f"is not shown, since {why}" in text
    assert "Another card" not in text


def test_nothing_known_is_said_so(made: Any) -> None:
    text = written(made.nothing(known=False))
    assert "| none was measured | unknown |" in text
    assert text.count("| missing | no run has left evidence |") == 38
