"""The test-result attestation: signed by our key, about the bundle's subjects, and passed only where everything gated is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import State
from aims_mlflow.exports import Material, make
from aims_mlflow.exports.in_toto import DETAILS, statement
from aims_mlflow.signing import signing_key, verify


def written(about: Material) -> tuple[Any, tuple[str, ...]]:
    held = verify(make("in-toto-test-result", about).content)
    return json.loads(held.payload), held.key_ids


def test_it_is_signed_by_the_key_of_this_machine(about: Material) -> None:
    content, keys = written(about)
    assert keys == (signing_key().id,)
    assert content == json.loads(json.dumps(statement(about)))


def test_its_shape_is_the_specs(about: Material) -> None:
    content, _ = written(about)
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    predicate = content["predicate"]
    assert set(predicate) == {"result", "configuration", "passedTests", "warnedTests", "failedTests", DETAILS}
    assert predicate["result"] in ("PASSED", "WARNED", "FAILED")
    assert all(isinstance(name, str) for key in ("passedTests", "warnedTests", "failedTests") for name in predicate[key])
    assert all(set(c) & {"uri", "digest", "content"} for c in predicate["configuration"]), "a descriptor says what it describes"
    assert ":" in DETAILS, "extensions are named by a type URI"


def test_it_is_about_the_models_files_and_the_data(about: Material) -> None:
    assert about.bundle is not None
    assert statement(about)["subject"] == about.bundle.statement()["subject"]


def test_each_test_has_one_verdict_and_a_name_of_its_own(about: Material) -> None:
    predicate = statement(about)["predicate"]
    names = [name for key in ("passedTests", "warnedTests", "failedTests") for name in predicate[key]]
    assert len(names) == len(set(names)) == 38 + len(about.evidence)
    assert sorted(names) == sorted(t["name"] for t in predicate[DETAILS]["tests"])


def test_what_is_missing_or_fails_under_the_gate_has_failed(about: Material) -> None:
    predicate = statement(about)["predicate"]
    assert predicate["result"] == "FAILED"
    for line in about.lines:
        verdict = next(t["verdict"] for t in predicate[DETAILS]["tests"] if t["name"] == f"control {line.control} {line.title}")
        if line.state is State.PASS:
            assert verdict == "passed"
        elif line.gated and line.state not in (State.WAIVED, State.NOT_APPLICABLE):
            assert verdict == "failed", line.control
        else:
            assert verdict == "warned", line.control
    assert any("robustness.accuracy_drop" in name for name in predicate["failedTests"])


@pytest.mark.parametrize(
    ("states", "result"),
    [
        ((State.PASS, State.PASS), "PASSED"),
        ((State.PASS, State.WAIVED), "WARNED"),
        ((State.PASS, State.INCONCLUSIVE), "FAILED"),
        ((State.PASS, State.MISSING), "FAILED"),
        ((State.PASS, State.STALE), "FAILED"),
        ((State.FAIL, State.PASS), "FAILED"),
    ],
    ids=["all-pass", "one-waived", "one-undecided", "one-missing", "one-stale", "one-fails"],
)
def test_the_result_is_the_worst_of_what_is_gated(about: Material, states: tuple[State, ...], result: str) -> None:
    from dataclasses import replace

    version = about.version
    assert version is not None
    assert about.seen is not None
    lines = tuple(line.model_copy(update={"gated": True, "state": s}) for line, s in zip(version.lines, states, strict=False))
    record = about.record.model_copy(update={"versions": (version.model_copy(update={"lines": lines}),)})
    read = replace(about.read, counted=replace(about.seen, judged=()))
    assert statement(Material(record, read))["predicate"]["result"] == result


def test_without_evidence_it_is_about_the_system_file_and_has_failed(made: Any) -> None:
    content = statement(made.nothing())
    assert content["subject"] == [{"name": "system/golden", "digest": {"sha256": made.system().sha256}}]
    assert content["predicate"]["result"] == "FAILED"


def test_with_nothing_to_be_about_it_is_refused(made: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing has a digest.*Fix: pass the system file"):
        make("in-toto-test-result", made.nothing(known=False))
