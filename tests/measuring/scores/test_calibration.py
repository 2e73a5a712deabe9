from __future__ import annotations

import numpy as np
import pytest

from aims_mlflow.measuring.scores.calibration import error_of, gaps_drawn, interval


def calibrated(n: int, seed: int = 0, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.beta(2, 3, n)
    return (random.uniform(size=n) < np.clip(score + tilt * (score - 0.4), 0, 1)).astype(int), score


def test_the_error_is_the_mean_gap_of_bins_of_equal_mass() -> None:
    y, score = calibrated(1000)
    order = np.argsort(score)
    oracle = sum(abs(score[part].mean() - y[part].mean()) * len(part) for part in np.array_split(order, 10)) / 1000
    assert error_of(y, score) == pytest.approx(oracle, abs=1e-12)
    shuffled = np.random.default_rng(0).permutation(1000)
    assert error_of(y[shuffled], score[shuffled]) == pytest.approx(oracle, abs=1e-12)
    assert error_of(y, np.full(1000, 0.25)) == pytest.approx(abs(0.25 - y.mean()), abs=1e-12)


def test_resampled_gaps_are_those_of_resampled_rows() -> None:
    y, score = calibrated(400)
    cells = (score > 0.4).astype(int)
    (drawn,) = gaps_drawn(cells, [score], y)
    random = np.random.default_rng(1)
    plain = np.array([np.bincount(cells[at], weights=(score - y)[at], minlength=2) for at in random.integers(0, 400, (2000, 400))])
    assert drawn.mean(axis=0) == pytest.approx(plain.mean(axis=0), abs=1.2)
    assert np.cov(drawn.T) == pytest.approx(np.cov(plain.T), rel=0.2, abs=4)


def test_a_calibrated_model_is_not_failed_by_chance_and_a_tilted_one_is_found() -> None:
    ends = [interval(*calibrated(300, seed)) for seed in range(60)]
    assert all(found is not None for found in ends)
    assert sum(found[0] > 0 for found in ends if found) <= 4
    assert np.mean([error_of(*calibrated(300, seed)) for seed in range(60)]) > 0.05  # the value leans upward: the truth is 0
    tilted = interval(*calibrated(3000, tilt=0.8))
    assert tilted is not None
    assert tilted[0] > 0.05


def test_bins_without_a_positive_are_noisy_too() -> None:
    """Of a calibrated model of rare outcomes most bins hold none, and yet it must not be failed."""
    low = []
    for seed in range(100):
        random = np.random.default_rng(seed)
        score = random.beta(1, 19, 60)
        found = interval((random.uniform(size=60) < score).astype(int), score)
        low.append(found is not None and found[0] > 0)
    assert sum(low) <= 5


@pytest.mark.parametrize("tilt", [0.0, 0.4])
@pytest.mark.parametrize("n", [100, 1000])
def test_the_upper_end_is_rarely_below_the_truth(n: int, tilt: float) -> None:
    truth = error_of(*calibrated(400_000, 7, tilt))
    missed = [found[1] < truth for seed in range(60) if (found := interval(*calibrated(n, seed, tilt))) is not None]
    assert len(missed) == 60
    assert sum(missed) <= 3


def test_without_spread_there_is_no_interval() -> None:
    y = np.array([0, 1] * 50)
    assert interval(y, y.astype(float)) is None
