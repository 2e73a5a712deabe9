"""Which requirements hold in operation, how they read there, and what cannot be asked without labels or a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.operation.asking import Asked, asked_of_production
from aims_mlflow.system import System

from .world import DECLARED


def asked(*requirements: dict[str, Any], labels: bool = True, reference: bool = True, folder: Path | None = None) -> Asked:
    system = System.model_validate(DECLARED | {"requirements": list(requirements)}).at(folder)
    return asked_of_production(system, labels=labels, reference=reference)


def ids(found: Asked) -> list[str]:
    return [r.id for r in found.judged.requirements]


FILLED = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}}
OF_TARGET = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "y"}}


@pytest.mark.parametrize(
    ("requirement", "read"),
    [
        ({"check": "performance", "metric": "f1_score", "min": 0}, "performance.f1_score[dataset=production]"),
        ({"check": "performance", "metric": "f1_score", "dataset": "test", "min": 0}, "performance.f1_score[dataset=production]"),
        ({"check": "performance", "metric": "f1_score", "dataset": "validation", "min": 0}, None),
        (
            {"check": "fairness", "metric": "demographic_parity_ratio", "min": 0},
            "fairness.demographic_parity_ratio[dataset=production, column=g]",
        ),
        (
            {"check": "drift", "dataset": "test", "reference": "train", "metric": "drifted_columns", "max": 0},
            "drift.drifted_columns[dataset=production, reference=reference]",
        ),
        (
            {"check": "drift", "dataset": "production", "reference": "train", "metric": "drifted_columns", "max": 0},
            "drift.drifted_columns[dataset=production, reference=reference]",
        ),
        ({"check": "drift", "dataset": "validation", "reference": "train", "metric": "drifted_columns", "max": 0}, None),
        (
            {"check": "quality", "dataset": "train", "metric": "completeness", "column": "x", "min": 1},
            "quality.completeness[dataset=production, column=x]",
        ),
        ({"check": "robustness", "metric": "accuracy_drop", "perturbation": "missing", "max": 0}, None),
        ({"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 0}, None),
        ({"check": "k_anonymity", "metric": "k", "min": 5}, None),
        ({"check": "k_anonymity", "metric": "k", "dataset": "production", "min": 5}, "k_anonymity.k[dataset=production]"),
    ],
    ids=lambda value: (
        None if value is None else value if isinstance(value, str) else "-".join(map(str, value.values())).replace("[", "").replace("]", "")
    ),
)
def test_how_a_requirement_reads_in_operation(requirement: dict[str, Any], read: str | None) -> None:
    assert ids(asked(requirement)) == ([] if read is None else [read])


def test_quality_of_every_role_is_asked_of_production_once() -> None:
    found = asked({"check": "quality", "expectation": FILLED})
    assert len(found.judged.requirements) == 1
    assert found.origins[ids(found)[0]].startswith("quality[dataset=train, ")


def test_what_names_production_stands_in_place_of_what_asks_the_same_elsewhere() -> None:
    own = {"check": "performance", "metric": "f1_score", "dataset": "production", "min": 0.5}
    found = asked({"check": "performance", "metric": "f1_score", "min": 0.9}, own)
    assert [r.min for r in found.judged.requirements] == [0.5]
    both = asked({"check": "performance", "metric": "f1_score", "max": 0.99}, own)
    assert [(r.min, r.max) for r in both.judged.requirements] == [(0.5, None), (None, 0.99)]


@pytest.mark.parametrize(
    ("requirement", "wants"),
    [
        ({"check": "performance", "metric": "f1_score", "min": 0}, "labels"),
        ({"check": "fairness", "metric": "equalized_odds_difference", "max": 0}, "labels"),
        ({"check": "fairness", "metric": "demographic_parity_difference", "max": 0}, ""),
        ({"check": "fairness", "metric": "selection_rate", "min": 0}, ""),
        ({"check": "quality", "metric": "positive_share", "min": 0}, "labels"),
        ({"check": "quality", "metric": "completeness", "column": "y", "min": 1}, "labels"),
        ({"check": "quality", "expectation": OF_TARGET}, "labels"),
        ({"check": "quality", "expectation": FILLED}, ""),
        ({"check": "drift", "metric": "drifted_columns", "max": 0}, "reference"),
    ],
    ids=["performance", "odds", "parity", "selection", "balance", "target", "expectation on target", "expectation", "drift"],
)
def test_what_needs_labels_or_a_reference_is_unknown_without(requirement: dict[str, Any], wants: str) -> None:
    whole = asked(requirement)
    assert len(whole.judged.requirements) == 1
    assert whole.unknown == ()
    without = asked(requirement, labels=False, reference=False)
    assert bool(without.unknown) == bool(wants)
    assert (ids(without) == []) == bool(wants)
    if wants:
        assert f"--{wants}" in without.unknown[0].fix


def test_what_is_not_critical_is_not_named_as_unknown() -> None:
    found = asked({"check": "performance", "metric": "f1_score", "min": 0, "severity": "minor"}, labels=False)
    assert found.unknown == ()


def test_a_suite_that_asks_of_the_target_is_asked_without_it(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps({"name": "s", "expectations": [FILLED, OF_TARGET]}))
    requirement = {"check": "quality", "dataset": "train", "suite": "suite.json"}
    assert ids(asked(requirement, folder=tmp_path)) == ["quality[dataset=production, suite=suite.json]"]
    without = asked(requirement, labels=False, folder=tmp_path)
    assert len(ids(without)) == 1
    assert "expect_column_values_to_not_be_null:x" in ids(without)[0]
    assert [one.what for one in without.unknown] == ["quality[dataset=production, suite=suite.json]"]
    assert without.origins[ids(without)[0]] == "quality[dataset=train, suite=suite.json]"


def test_a_suite_that_is_gone_is_still_asked(tmp_path: Path) -> None:
    found = asked({"check": "quality", "suite": "gone.json"}, labels=False, folder=tmp_path)
    assert ids(found) == ["quality[dataset=production, suite=gone.json]"]


def test_what_is_only_shown_is_never_judged() -> None:
    found = asked()
    assert found.judged.requirements == ()
    assert {r.check for r in found.looking.requirements} == {"performance", "fairness", "drift"}
