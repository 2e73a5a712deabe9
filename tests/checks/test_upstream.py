"""The check of what was taken over: models by digest, and what can no longer be known of them."""

from __future__ import annotations

from typing import Any

import pytest

from aims_mlflow.checks.upstream import METRICS, upstream
from aims_mlflow.observation import Code, Parent
from aims_mlflow.registry import checks
from aims_mlflow.unknowns import unknowns

ASSESSED: dict[str, Any] = {"kind": "assessment", "recorded_by": "r0", "recorded_data": {}}


def values(result: Any) -> dict[str, float | None]:
    return {m.name: m.value for m in result.measures}


def test_a_training_run_without_parents_took_nothing_over(observe: Any) -> None:
    result = upstream(observe())
    assert values(result) == {"upstream_models": 0, "upstream_undigested": 0}
    assert result.notes == ()
    assert result.facts["kind"] == "training"


def test_every_parent_is_named_and_those_without_a_digest_are_counted(observe: Any) -> None:
    parents = (Parent("https://user:secret@hub.example.org/bert?token=x", "base model"), Parent("models:/m-1", "tuned from", "a" * 64))
    result = upstream(observe(run={"parents": parents}))
    assert values(result) == {"upstream_models": 2, "upstream_undigested": 1}
    assert result.facts["upstream_undigested"] == ["https://hub.example.org/bert"]
    assert "secret" not in result.model_dump_json()


def test_an_assessed_model_is_named_with_the_digest_of_its_files(observe: Any) -> None:
    result = upstream(observe(run=ASSESSED))
    (taken,) = result.facts["models"]
    assert (taken["uri"], taken["relation"], taken["run"]) == ("models:/m-0123", "assessed", "r0")
    assert len(taken["sha256"]) == 64
    assert values(result)["upstream_undigested"] == 0


def test_an_assessed_model_without_files_has_no_digest(observe: Any) -> None:
    assert values(upstream(observe(run=ASSESSED, model={"files": {}})))["upstream_undigested"] == 1


def test_the_data_are_compared_with_what_was_recorded_by_whole_digests_only(observe: Any) -> None:
    seen = observe()
    train = seen.datasets["train"].fingerprint.sha256
    recorded = {"train": train, "test": "f" * 64, "validation": "e" * 64}
    result = upstream(observe(run=ASSESSED | {"recorded_data": recorded}))
    assert result.facts["data_as_recorded"] == ["train"]
    assert result.facts["data_not_as_recorded"] == ["test"]
    assert result.measure("data_not_as_recorded").value == 1
    assert any("the test data are not those that run r0 recorded" in note for note in result.notes)
    short = upstream(observe(run=ASSESSED | {"recorded_data": {"train": "1a2b3c"}}))
    assert (short.facts["data_as_recorded"], short.facts["data_not_as_recorded"]) == ([], [])


GONE = {
    "training data": ({}, {"roles": ("test",)}),
    "code": ({"code": Code("unknown")}, {}),
    "packages": ({"packages": {}}, {}),
    "hardware": ({"hardware": {}}, {}),
    "seed": ({"seeds": {}}, {"model": {"estimator": None}}),
    "parameters": ({"params": {}}, {"model": {"estimator": None}}),
    "preparation": ({"preparation": ()}, {"model": {"estimator": None}}),
}


@pytest.mark.parametrize("what", list(GONE))
@pytest.mark.parametrize("by", ["r0", ""], ids=["recorded", "not recorded"])
def test_each_thing_that_is_gone_is_said_with_its_reason_and_its_fix(observe: Any, what: str, by: str) -> None:
    run, more = GONE[what]
    seen = observe(run=ASSESSED | {"recorded_by": by} | run, **more)
    found = {one.what: one for one in unknowns(seen)}
    assert found[what].reason
    assert found[what].fix
    result = upstream(seen)
    assert what in result.facts["unknown_facts"]
    assert result.measure("unknown_facts").value == len(found)
    assert ("run r0" in found[what].reason) == (by == "r0") or what == "training data"


def test_a_training_run_has_no_unknowns_of_this_kind(observe: Any) -> None:
    for run, more in GONE.values():
        assert unknowns(observe(run=run, **more)) == ()


def test_a_commit_without_word_on_its_work_tree_is_half_known(observe: Any) -> None:
    (code,) = [one for one in unknowns(observe(run=ASSESSED | {"code": Code("git", "c" * 40, None)})) if one.what == "code"]
    assert "not whether anything differed" in code.reason
    assert not [one for one in unknowns(observe(run=ASSESSED | {"code": Code("distribution", "loans==1.0")})) if one.what == "code"]
    assert not [one for one in unknowns(observe(run=ASSESSED | {"code": Code("git", "c" * 40, True)})) if one.what == "code"]


def test_it_serves_the_suppliers_control_and_lists_its_metrics() -> None:
    known = checks()["upstream"]
    assert known.controls == ("A.10.3",)
    assert known.metric_names() == METRICS
