"""The lineage check: strong, weak and broken hops."""

from __future__ import annotations

from typing import Any

import pytest

from aims_mlflow.checks.lineage import lineage
from aims_mlflow.observation import Code
from aims_mlflow.system import Source

SHA = "e" * 64


def kinds(result: Any, strength: str) -> list[str]:
    return [edge[2] for edge, s in zip(result.facts["edges"], result.facts["strength"], strict=True) if s == strength]


def test_a_whole_run(observe: Any) -> None:
    seen = observe()
    result = lineage(seen)
    assert {m.name: m.value for m in result.measures} == {"broken_links": 0, "weak_links": 1, "links": 5}
    assert kinds(result, "strong") == ["test data", "train data", "code", "model"]
    assert kinds(result, "weak") == ["source of train"]
    digest = seen.datasets["train"].fingerprint.sha256
    assert [f"dataset:train@sha256:{digest}", "run:r1", "train data"] in result.facts["edges"]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"roles": ("test",)}, "train data"),
        ({"model": None}, "model"),
        ({"model": {"files": {}}}, "model"),
        ({"run": {"code": Code("unknown")}}, "code"),
        ({"declared": {"data.sources": {"train": {"uri": "s3://b/k", "sha256": SHA}}}}, "source of train"),
    ],
    ids=["no train data", "no model", "no files", "no code", "digest differs"],
)
def test_a_broken_hop_is_counted_and_named(observe: Any, change: dict[str, Any], broken: str) -> None:
    result = lineage(observe(**change))
    assert result.measure("broken_links").value == 1
    assert result.facts["broken_links"][0].startswith(f"{broken}: ")
    assert broken not in [edge[2] for edge in result.facts["edges"]]
    assert broken in result.coverage.left_out


@pytest.mark.parametrize(
    ("code", "strength"),
    [
        (Code("git", "c0ffee", False), "strong"),
        (Code("git", "c0ffee", True), "weak"),
        (Code("git", "c0ffee", None), "weak"),
        (Code("distribution", "credit==1.0"), "weak"),
        (Code("unknown", source_sha256=SHA), "weak"),
    ],
)
def test_how_strong_the_code_holds(observe: Any, code: Code, strength: str) -> None:
    result = lineage(observe(run={"code": code}))
    assert "code" in kinds(result, strength)
    assert result.measure("broken_links").value == 0


def test_a_source_with_the_right_digest_is_strong(observe: Any) -> None:
    digest = observe().datasets["train"].fingerprint.sha256
    result = lineage(observe(declared={"data.sources.train.sha256": digest}))
    assert "source of train" in kinds(result, "strong")


def test_parents_versions_and_origins(observe: Any) -> None:
    given = {"train": Source(uri="s3://bucket/key", derived_from=(f"sha256:{SHA}", "a spreadsheet"))}
    seen = observe(run={"parents": ("models:/base/3", f"hf://base@{SHA}"), "registered": "loans"}, given=given)
    result = lineage(seen)
    assert sorted(kinds(result, "strong")) == ["code", "model", "origin of train", "test data", "train data", "tuned from"]
    assert sorted(kinds(result, "weak")) == ["origin of train", "registered as", "source of train", "tuned from"]


def test_secrets_in_addresses_are_not_written(observe: Any) -> None:
    given = {
        "train": Source(uri="https://me:secret@example.org/loans?token=secret#secret"),
        "test": Source(uri="jdbc:pg://u:secret@h/d;password=secret"),
    }
    result = lineage(observe(given=given))
    assert "secret" not in result.model_dump_json()
    assert any(edge[0] == "source:https://example.org/loans" for edge in result.facts["edges"])
