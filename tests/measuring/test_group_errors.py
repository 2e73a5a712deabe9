from __future__ import annotations

import fairlearn.metrics as fair
import numpy as np
import pytest
from scipy import stats

from aims_mlflow.measuring.group_errors import error_measures


def sample(seed: int = 0, n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.normal(size=n)
    return random.integers(0, 3, n), y, y + random.normal(0.1, 0.5, n)


def test_values_are_fairlearns_and_intervals_scipys() -> None:
    codes, y_true, y_pred = sample()
    found = {(m.name, m.group): m for m in error_measures(codes, ["a", "b", "c"], y_true, y_pred)}
    worst = found["mean_absolute_error_group_max", None]
    assert worst.value == pytest.approx(fair.mean_absolute_error_group_max(y_true, y_pred, sensitive_features=codes), abs=1e-12)
    errors = [abs(y_true - y_pred)[codes == g] for g in range(3)]
    means = [e.mean() for e in errors]
    gap = found["mean_absolute_error_difference", None]
    assert gap.value == pytest.approx(max(means) - min(means), abs=1e-12)
    assert gap.n == min(map(len, errors))
    one = stats.t.interval(0.95, len(errors[0]) - 1, means[0], stats.sem(errors[0]))
    assert (found["mean_absolute_error", "a"].ci_low, found["mean_absolute_error", "a"].ci_high) == pytest.approx(one, abs=1e-12)
    highest = max(stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95).high for a in errors for b in errors if a is not b)
    assert gap.ci_high == pytest.approx(highest, abs=1e-12)
    assert found["mean_residual", "b"].value == pytest.approx((y_true - y_pred)[codes == 1].mean(), abs=1e-12)
    assert found["mean_residual", "b"].value < 0


def test_a_small_group_keeps_the_gap_open() -> None:
    codes, y_true, y_pred = sample()
    codes[:] = (np.arange(300) % 2) * (np.arange(300) >= 6) + 2 * (np.arange(300) < 6)
    found = {m.name: m for m in error_measures(codes, ["a", "b", "few"], y_true, y_pred) if m.group is None}
    pair = {m.name: m for m in error_measures(codes[6:], ["a", "b"], y_true[6:], y_pred[6:]) if m.group is None}
    high, without = found["mean_absolute_error_difference"].ci_high, pair["mean_absolute_error_difference"].ci_high
    assert high is not None
    assert without is not None
    assert high > without


@pytest.mark.parametrize("case", ["one row", "no error"])
def test_without_spread_there_is_no_interval(case: str) -> None:
    codes, y_true, y_pred = sample()
    if case == "one row":
        codes = np.where(np.arange(300) == 0, 0, 1)
    else:
        y_pred = y_true
    for measure in error_measures(codes, ["a", "b", "c"][: int(codes.max()) + 1], y_true, y_pred):
        if measure.group is None:
            assert measure.ci_low is None
            assert measure.value is not None
