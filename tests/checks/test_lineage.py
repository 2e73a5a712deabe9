"""The lineage check: strong, weak and broken hops."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from aims_mlflow.checks.lineage import lineage
from aims_mlflow.observation import Code, Parent
from aims_mlflow.system import Source

SHA = "e" * 64


def kinds(result: Any, strength: str) -> list[str]:
    return [edge[2] for edge, s in zip(result.facts["edges"], result.facts["strength"], strict=True) if s == strength]


def test_a_whole_run(observe: Any) -> None:
    seen = observe()
    result = lineage(seen)
    assert {m.name: m.value for m in result.measures} == {"broken_links": 0, "weak_links": 1, "links": 7}
    assert kinds(result, "strong") == ["test data", "train data", "code", "packages", "seed", "model"]
    assert kinds(result, "weak") == ["source of train"]
    assert kinds(result, "noted") == ["hardware"], "the machine counts for nothing"
    assert len(result.facts["why"]) == len(result.facts["edges"]) == len(result.facts["strength"])
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
    assert [edge[2] for edge in result.facts["broken_edges"]] == [broken]
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
    parents = (
        Parent("models:/base/3"),
        Parent("models:/base/4", sha256=SHA),
        Parent(f"hf://base@{SHA}", "base model"),
        Parent("hf://user:secret@base?token=secret", "distilled from"),
    )
    result = lineage(observe(run={"parents": parents, "registered": "loans"}, given=given))
    models = {"code", "model", "origin of train", "packages", "seed", "test data", "train data"}
    assert sorted(kinds(result, "strong")) == sorted([*models, "tuned from", "base model"])
    assert sorted(kinds(result, "weak")) == ["distilled from", "origin of train", "registered as", "source of train", "tuned from"]
    assert [edge[0] for edge in result.facts["edges"] if edge[2] == "tuned from"] == [
        "model:models:/base/3",
        f"model:models:/base/4@sha256:{SHA}",
    ]
    assert "secret" not in result.model_dump_json()


def test_packages_are_known_by_the_digest_of_their_list(observe: Any) -> None:
    def node(packages: dict[str, str]) -> str:
        edges = lineage(observe(run={"packages": packages})).facts["edges"]
        return next(str(edge[0]) for edge in edges if edge[2] == "packages")

    assert node({"a": "1", "b": "2"}) == node({"b": "2", "a": "1"})
    assert node({"a": "1", "b": "2"}) == f"packages:2 imported@sha256:{sha256(b'a==1' + bytes([10]) + b'b==2').hexdigest()}"
    assert node({"a": "1", "(whole environment)": "sha256:x"}).startswith("packages:1 imported@")
    assert node({"a": "1"}) != node({"a": "2"})


def test_what_is_not_known_of_the_environment_is_weak_and_breaks_nothing(observe: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier

    result = lineage(observe(run={"packages": {}, "hardware": {}}, model={"estimator": RandomForestClassifier()}))
    assert kinds(result, "weak") == ["source of train", "packages", "seed"]
    assert result.measure("broken_links").value == 0
    assert kinds(result, "noted") == []


def test_a_known_seed_is_named(observe: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier

    edges = lineage(observe(model={"estimator": RandomForestClassifier(random_state=7)})).facts["edges"]
    assert next(edge[0] for edge in edges if edge[2] == "seed") == "seed:estimator.random_state=7"


def test_an_assessment_does_not_claim_to_have_made_the_model(observe: Any) -> None:
    result = lineage(observe(run={"kind": "assessment"}))
    assert "model" not in kinds(result, "strong")
    assert "assessed model" in kinds(result, "strong")
    assert "training run" in kinds(result, "weak")
    assert result.measure("broken_links").value == 0


def test_secrets_in_addresses_are_not_written(observe: Any) -> None:
    given = {
        "train": Source(uri="https://me:secret@example.org/loans?token=secret#secret"),
        "test": Source(uri="jdbc:pg://u:secret@h/d;password=secret"),
    }
    result = lineage(observe(given=given))
    assert "secret" not in result.model_dump_json()
    assert any(edge[0] == "source:https://example.org/loans" for edge in result.facts["edges"])
