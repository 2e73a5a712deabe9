"""Every check is compared with libraries in this folder, or stands in a table that says why not and who recomputes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aims_mlflow import registry

HERE = Path(__file__).parent

COMPARED = {
    "fairness": "test_fairness.py",
    "performance": "test_performance.py",
    "baseline": "test_performance.py",
    "quality": "test_data.py",
    "overlap": "test_data.py",
    "drift": "test_data.py",
    "robustness": "test_robustness.py",
}
"""Check -> the test here that asserts that every metric name of it was compared."""

WITHOUT = {
    "acquisition": "counts fields that a person has left out of aims.yaml",
    "characteristics": "no library has ISO/IEC 5259-2: shares, an evenness and Simpson's index, recomputed from counts",
    "design": "counts fields of the run that are empty",
    "documentation": "counts fields of the model card that are empty",
    "leakage": "no library has near duplicates so defined, or a held-out score of each feature alone: recomputed pair by pair",
    "lineage": "counts links between MLflow's own records",
    "objectives": "counts requirements",
    "personal_data": "patterns of our own, declared as a heuristic",
    "preparation": "counts steps, and rows before and after",
    "process": "counts requirements and checks",
    "provenance": "counts datasets, rows and columns",
    "representativeness": "no library compares with declared shares: ratios and total variation, recomputed from counts",
    "specification": "counts requirements",
    "upstream": "counts models and files that this one was made from",
}
"""Ours, no library has them: why, each with tests of its own in tests/checks/."""


def test_every_check_is_compared_or_says_why_not() -> None:
    own = {name for name, check in registry.checks().items() if check.measure.__module__.startswith("aims_mlflow.checks.")}
    assert own == set(COMPARED) | set(WITHOUT)
    assert not set(COMPARED) & set(WITHOUT)


@pytest.mark.parametrize("name", COMPARED)
def test_what_is_compared_is_compared_in_full(name: str) -> None:
    written = (HERE / COMPARED[name]).read_text()
    assert f'registry.get("{name}")' in written or f"import METRICS, {name}" in written
    assert "== set(" in written


@pytest.mark.parametrize("name", WITHOUT)
def test_what_is_not_compared_has_tests_of_its_own(name: str) -> None:
    own = HERE.parent / "checks" / f"test_{name}.py"
    assert own.exists()
    assert own.read_text().count("\ndef test_") >= 3
