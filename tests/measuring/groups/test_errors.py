from __future__ import annotations

from typing import Any

import fairlearn.metrics as fair
import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from aims_mlflow.intervals import skewed_mean
from aims_mlflow.measuring.groups.errors import ERROR_GAPS, ERRORS, OF_ROWS, error_measures


def sample(seed: int = 0, n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.normal(size=n)
    return random.integers(0, 3, n), y, y + random.normal(0.1, 0.5, n)


def test_values_are_fairlearns_and_intervals_scipys() -> None:
    codes, y_true, y_pred = sample()
    found = {(m.name, m.group): m for m in error_measures(codes, ["a", "b", "c"], y_true, y_pred)}
    assert {name for name, group in found if group} == set(ERRORS)
    assert {name for name, group in found if group is None} == set(ERROR_GAPS)
    errors = [abs(y_true - y_pred)[codes == g] for g in range(3)]
    means = [e.mean() for e in errors]
    gap = found["mean_absolute_error_difference", None]
    assert gap.value == pytest.approx(max(means) - min(means), abs=1e-12)
    assert gap.n == min(map(len, errors))
    one = found["mean_absolute_error", "a"]
    assert (one.ci_low, one.ci_high) == pytest.approx(skewed_mean(errors[0]), abs=1e-12)
    residuals = (y_true - y_pred)[codes == 0]
    plain = stats.t.interval(0.95, len(residuals) - 1, residuals.mean(), stats.sem(residuals))
    assert (found["mean_residual", "a"].ci_low, found["mean_residual", "a"].ci_high) == pytest.approx(plain, abs=1e-12)
    highest = max(stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95).high for a in errors for b in errors if a is not b)
    assert gap.ci_high == pytest.approx(highest, abs=1e-12)
    assert found["mean_residual", "b"].value == pytest.approx((y_true - y_pred)[codes == 1].mean(), abs=1e-12)
    assert found["mean_residual", "b"].value < 0
    assert found["mean_prediction", "c"].value == pytest.approx(fair.mean_prediction(y_true[codes == 2], y_pred[codes == 2]), abs=1e-12)


@pytest.mark.parametrize("name", OF_ROWS)
def test_each_group_has_scikit_learns_value_with_an_interval_around_it(name: str) -> None:
    codes, y_true, y_pred = sample(1)
    for measure in error_measures(codes, ["0", "1", "2"], y_true, y_pred):
        if measure.name == name:
            inside = codes == int(str(measure.group))
            assert measure.value == pytest.approx(getattr(sk, name)(y_true[inside], y_pred[inside]), abs=1e-12)
            assert measure.ci_low is not None
            assert measure.ci_high is not None
            assert measure.ci_low < measure.value < measure.ci_high
            assert measure.ci_method


def test_a_small_group_keeps_the_gap_open() -> None:
    codes, y_true, y_pred = sample()
    codes[:] = (np.arange(300) % 2) * (np.arange(300) >= 6) + 2 * (np.arange(300) < 6)
    found = {m.name: m for m in error_measures(codes, ["a", "b", "few"], y_true, y_pred) if m.group is None}
    pair = {m.name: m for m in error_measures(codes[6:], ["a", "b"], y_true[6:], y_pred[6:]) if m.group is None}
    high, without = found["mean_absolute_error_difference"].ci_high, pair["mean_absolute_error_difference"].ci_high
    assert high is not None
    assert without is not None
    assert high > without


def spread_out(case: str) -> tuple[Any, Any, Any]:
    codes, y_true, y_pred = sample()
    if case == "one row":
        return np.where(np.arange(300) == 0, 0, 1), y_true, y_pred
    return (codes, y_true, y_true) if case == "no error" else (codes, np.ones(300), np.full(300, 0.5))


@pytest.mark.parametrize("case", ["one row", "no error", "all alike"])
def test_without_spread_there_is_no_interval(case: str) -> None:
    codes, y_true, y_pred = spread_out(case)
    found = [m for m in error_measures(codes, ["a", "b", "c"][: int(codes.max()) + 1], y_true, y_pred) if m.group is None]
    for measure in found:
        if measure.name != "mean_prediction_difference" or case != "no error":  # predictions themselves are spread out
            assert measure.ci_low is None
        assert measure.value is not None


def test_r2_of_a_group_whose_truths_are_alike_has_no_value() -> None:
    codes, y_true, y_pred = sample()
    y_true[codes == 1] = 2.0
    found = {m.group: m for m in error_measures(codes, ["a", "b", "c"], y_true, y_pred) if m.name == "r2_score"}
    assert found["b"].value is None
    assert found["a"].value is not None
