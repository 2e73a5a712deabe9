from __future__ import annotations

import numpy as np
import pytest

from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.resampling import bootstrap, by_calls, drawn, ends, mean_of, resamples


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


def test_a_statistic_that_is_called_has_the_interval_of_resampled_rows() -> None:
    rows = np.random.default_rng(3).normal(size=900)
    found = by_calls(lambda at: float(rows[at].mean()), 900)
    assert found is not None
    assert found[2] == "bootstrap, 400 resamples"
    assert found[1] - found[0] == pytest.approx(2 * 1.96 * rows.std() / 30, rel=0.15)


def test_beyond_ten_thousand_rows_a_sample_is_resampled_and_scaled_about_the_whole() -> None:
    rows = np.random.default_rng(3).normal(size=40_000)
    found = by_calls(lambda at: float(rows[at].mean()), 40_000)
    assert found is not None
    assert found[2] == "bootstrap, 400 resamples of 10000 rows, scaled to 40000"
    assert found[1] - found[0] == pytest.approx(2 * 1.96 * rows.std() / 200, rel=0.15)
    assert (found[0] + found[1]) / 2 == pytest.approx(rows.mean(), abs=0.002)
    assert by_calls(lambda _: None, 10) is None
    assert by_calls(lambda at: None if len(at) > 10_000 else float(rows[at].mean()), 40_000) is None
