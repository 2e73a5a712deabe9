"""Distances: Evidently's and scipy's numbers are the oracles, simulation that of the standard errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import poisson, wasserstein_distance

from aims_mlflow.measuring.frames.distances import RESAMPLES, by_chance, draws, jensen_shannon, resampled, wasserstein_normed

SAMPLES = [
    (np.random.default_rng(0).normal(size=600), np.random.default_rng(1).normal(0.2, 2, size=400)),
    (np.random.default_rng(2).integers(0, 5, 50).astype(float), np.random.default_rng(3).integers(0, 4, 900).astype(float)),
    (np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.0])),
    (np.array([1.0, 1.0, 1.0]), np.array([2.0])),
    (np.array([1e9, 2e9]), np.array([-1e9, 0.0, 5e9])),
]


@pytest.mark.parametrize(("reference", "current"), SAMPLES)
def test_the_normed_wasserstein_distance_is_scipys_over_the_references_deviation(reference: Any, current: Any) -> None:
    expected = wasserstein_distance(reference, current) / max(reference.std(), 0.001)
    assert wasserstein_normed(reference, current) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_jensen_shannon_distance_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, current = rng.integers(0, 6, 300), rng.integers(0, 4 + seed, 200)
    shares = [np.bincount(sample, minlength=10) / len(sample) for sample in (reference, current)]
    assert jensen_shannon(reference, current) == pytest.approx(jensenshannon(*shares), abs=1e-12)
    assert jensen_shannon(reference, reference) == pytest.approx(0, abs=1e-7)
    assert jensen_shannon(np.zeros(5, dtype=int), np.ones(5, dtype=int)) == pytest.approx(np.sqrt(np.log(2)))


def standard_error(reference: Any, current: Any, *, numeric: bool, seed: int) -> float:
    drawn = (draws(len(reference), seed=2 * seed), draws(len(current), seed=2 * seed + 1))
    return float(resampled(whole(reference), whole(current), drawn, numeric=numeric).std(ddof=1))


def whole(sample: Any) -> tuple[Any, Any]:
    return sample, np.arange(len(sample))


def test_a_row_is_drawn_as_a_poisson_variable_of_mean_one_says() -> None:
    drawn = draws(20_000, seed=3)
    assert drawn.shape == (20_000, RESAMPLES)
    for count in range(7):
        assert (drawn == count).mean() == pytest.approx(poisson.pmf(count, 1), abs=4 * np.sqrt(0.25 / drawn.size) + 2**-16)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.03


def test_missing_values_leave_their_row_out() -> None:
    reference, current = np.array([1.0, 5.0, 2.0, 9.0]), np.array([4.0, 4.5, 6.0])
    drawn = draws(5, seed=1), draws(3, seed=2)
    rows = np.array([0, 1, 3, 4])
    by_hand = resampled(whole(reference), whole(current), (drawn[0][rows], drawn[1]), numeric=True)
    assert np.array_equal(resampled((reference, rows), whole(current), drawn, numeric=True), by_hand, equal_nan=True)


def test_a_resample_is_the_distance_of_the_rows_it_drew() -> None:
    rng = np.random.default_rng(8)
    reference, current = rng.normal(size=30), rng.normal(1, 1, size=20)
    codes = rng.integers(0, 4, 30), rng.integers(0, 3, 20)
    drawn = draws(30, seed=1), draws(20, seed=2)
    found = (
        resampled(whole(reference), whole(current), drawn, numeric=True),
        resampled(whole(codes[0]), whole(codes[1]), drawn, numeric=False),
    )
    for b in range(0, RESAMPLES, 50):
        often = [weights[:, b].astype(int) for weights in drawn]
        repeated = np.repeat(reference, often[0]), np.repeat(current, often[1])
        assert found[0][b] == pytest.approx(wasserstein_normed(*repeated))
        repeated_codes = np.repeat(codes[0], often[0]), np.repeat(codes[1], often[1])
        assert found[1][b] == pytest.approx(jensen_shannon(*repeated_codes), abs=1e-7)


@pytest.mark.parametrize("numeric", [True, False])
def test_the_standard_error_is_the_spread_of_the_distance_over_new_samples(numeric: bool) -> None:
    rng = np.random.default_rng(5)

    def drawn() -> tuple[Any, Any]:
        if numeric:
            return rng.normal(size=500), rng.normal(0.5, 1, size=300)
        return rng.choice(4, 500, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(4, 300, p=[0.1, 0.2, 0.3, 0.4])

    distance = wasserstein_normed if numeric else jensen_shannon
    spread = np.std([distance(*drawn()) for _ in range(300)])
    error = np.mean([standard_error(*drawn(), numeric=numeric, seed=seed) for seed in range(20)])
    assert error == pytest.approx(spread, rel=0.2)


def test_many_values_are_resampled_in_bins_with_the_same_result() -> None:
    rng = np.random.default_rng(6)
    reference, current = rng.normal(size=3_000), rng.normal(0.3, 1, size=3_000)
    rounded = standard_error(np.round(reference, 2), np.round(current, 2), numeric=True, seed=1)
    assert standard_error(reference, current, numeric=True, seed=1) == pytest.approx(rounded, rel=0.2)


SAME: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "few values": lambda rng, n: rng.integers(0, 3, n) * 10.0,
    "nearly constant": lambda rng, n: (rng.random(n) < 0.03) * 1.0,
    "categories": lambda rng, n: rng.choice(5, n, p=[0.5, 0.3, 0.1, 0.07, 0.03]),
}


@pytest.mark.parametrize("name", SAME)
def test_two_samples_of_one_distribution_keep_within_what_chance_gives(name: str) -> None:
    rng, numeric, beyond = np.random.default_rng(8), name != "categories", 0
    for _ in range(400):
        reference, current = SAME[name](rng, 150), SAME[name](rng, 80)
        distance = (wasserstein_normed if numeric else jensen_shannon)(reference, current)
        beyond += distance > by_chance(reference, current, numeric=numeric)
    assert beyond <= 24  # 10 are expected; more than 24 of 400 have a chance of 1 in 20,000


def test_chance_gives_less_the_more_rows_there_are_and_never_nothing() -> None:
    rng = np.random.default_rng(9)
    for numeric, draw in ((True, SAME["normal"]), (False, SAME["categories"])):
        found = [by_chance(draw(rng, n), draw(rng, n), numeric=numeric) for n in (50, 200, 800)]
        assert found[0] > 1.7 * found[1] > 2.9 * found[2] > 0
    assert by_chance(np.zeros(5, dtype=int), np.zeros(5, dtype=int), numeric=False) > 0


def test_the_seed_decides() -> None:
    reference, current = SAMPLES[0]
    errors = [standard_error(reference, current, numeric=True, seed=seed) for seed in (1, 1, 2)]
    assert errors[0] == errors[1] != errors[2]
