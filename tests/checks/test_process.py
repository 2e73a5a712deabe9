"""The process check: what the gate protects, and checks that nobody has registered."""

from __future__ import annotations

from typing import Any

import pytest

from aims_mlflow.checks.process import process
from aims_mlflow.observation import Code


@pytest.mark.parametrize(
    ("protects", "counted"),
    [(["champion", "production"], 2), (["Champion", "champion "], 1), ([], 0), ([" "], 0)],
)
def test_counts_what_the_gate_protects(observe: Any, protects: list[str], counted: int) -> None:
    result = process(observe(declared={"gate.protects": protects}))
    assert result.measure("gate_declared").value == counted
    assert len(result.facts["protects"]) == counted


def test_a_check_that_nobody_registered_is_counted_once(observe: Any) -> None:
    unknown = {"check": "fairnes", "metric": "demographic_parity_ratio", "min": 0.8}
    known = {"check": "lineage", "metric": "broken_links", "max": 0}
    result = process(observe(declared={"requirements": [unknown, {**unknown, "metric": "other"}, known]}))
    assert result.measure("checks_not_run").value == 1
    assert result.facts["checks_not_run"] == ["fairnes"]
    assert result.coverage.left_out == ("fairnes",)


def test_says_which_policy_and_which_code(observe: Any) -> None:
    seen = observe()
    result = process(seen)
    assert result.facts["policy_sha256"] == seen.system.sha256 == result.subjects[0].sha256
    assert result.facts["code"] == {"kind": "git", "reference": "c0ffee", "dirty": False}
    assert not any("code" in note for note in result.notes)


def test_unknown_code_is_said(observe: Any) -> None:
    result = process(observe(run={"code": Code("unknown")}))
    assert any("code that trained the model is not known" in note for note in result.notes)


def test_trusting_any_key_is_said(observe: Any) -> None:
    assert any("any key" in note for note in process(observe()).notes)
    assert not any("any key" in note for note in process(observe(declared={"gate.trusted_keys": ["k1"]})).notes)
