from __future__ import annotations

import numpy as np
import pytest

from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.resampling import bootstrap, drawn, ends, mean_of, resamples


@pytest.mark.parametrize(("n", "times"), [(1, 1000), (20_000, 1000), (40_000, 500), (10_000_000, 100)])
def test_large_data_have_fewer_resamples_but_never_few(n: int, times: int) -> None:
    assert resamples(n) == times


def test_every_resample_draws_n_rows_and_the_same_ones_each_time() -> None:
    first, second = (np.concatenate(list(drawn(5000))) for _ in range(2))
    assert first.shape == (1000, 5000)
    assert (first.sum(axis=1) == 5000).all()
    assert (first == second).all()
    assert first.var() == pytest.approx(1, abs=0.01)


def test_the_interval_of_a_mean_is_the_one_of_plain_resampling() -> None:
    rows = np.random.default_rng(3).exponential(size=300)
    found = bootstrap({"mean": mean_of(rows)}, 300)["mean"]
    assert found is not None
    random = np.random.default_rng(9)
    plain = [rows[random.integers(0, 300, 300)].mean() for _ in range(4000)]
    assert found == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.03)


def test_no_width_and_no_values_give_no_interval() -> None:
    assert ends(np.ones(100)) is None
    assert ends(np.array([np.nan] * 6 + [1.0] * 47 + [2.0] * 47)) is None
    assert ends(np.array([np.inf] + [1.0] * 49 + [2.0] * 50)) == (1.0, 2.0)
    assert bootstrap({}, 10) == {}
    assert bootstrap({"constant": mean_of(np.zeros(10))}, 10) == {"constant": None}


def test_the_method_says_how_many() -> None:
    assert resampling.method(100) == "bootstrap, 1000 resamples"
