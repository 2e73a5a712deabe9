"""Shares against a population: scipy's distance is the oracle, and intervals cover what is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cityblock

from aims_mlflow.measuring.groups.population import smallest_ratio, total_variation


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), min_size=2, max_size=6).filter(lambda rows: sum(r[0] for r in rows)))
def test_points_and_intervals(rows: list[tuple[int, int]]) -> None:
    counts, weights = [row[0] for row in rows], np.array([row[1] for row in rows], dtype=float)
    declared = (weights / weights.sum()).tolist()
    n = sum(counts)
    value, low, high = total_variation({str(at): c for at, c in enumerate(counts)}, {str(at): s for at, s in enumerate(declared)})
    assert value == pytest.approx(cityblock(np.array(counts) / n, declared) / 2)
    assert 0 <= low <= value <= high <= 1
    assert high > low
    ratio, lowest, highest = smallest_ratio(counts, n, declared)
    assert ratio == pytest.approx(min(c / n / s for c, s in zip(counts, declared, strict=True)))
    assert 0 <= lowest <= ratio <= highest
    assert highest > lowest


def test_groups_that_one_side_lacks_count_in_full() -> None:
    assert total_variation({"a": 50, "stranger": 50}, {"a": 0.5, "b": 0.5})[0] == pytest.approx(0.5)
    assert total_variation({"a": 50, "b": 50}, {"a": 0.4975, "b": 0.4975})[0] == pytest.approx(0)
    assert smallest_ratio([50, 0], 100, [0.5, 0.5])[:2] == (0, 0)


@pytest.mark.parametrize(("groups", "rows"), [(2, 100), (2, 1000), (8, 300)])
@pytest.mark.parametrize("even", [True, False], ids=["as declared", "another truth"])
def test_the_intervals_cover_the_truth(groups: int, rows: int, even: bool) -> None:
    random = np.random.default_rng(0)
    declared = np.ones(groups) / groups
    truth = declared if even else random.dirichlet(np.full(groups, 5.0))
    covered = np.zeros(2)
    for _ in range(150):
        counts = random.multinomial(rows, truth).tolist()
        _, low, high = total_variation({str(at): c for at, c in enumerate(counts)}, {str(at): s for at, s in enumerate(declared)})
        _, lowest, highest = smallest_ratio(counts, rows, declared.tolist())
        covered += (low <= np.abs(truth - declared).sum() / 2 <= high, lowest <= (truth / declared).min() <= highest)
    assert (covered / 150 > 0.9).all()
