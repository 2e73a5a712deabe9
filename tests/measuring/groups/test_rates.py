from __future__ import annotations

import warnings
from typing import Any

import fairlearn.metrics as fair
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.disparity import DISPARITIES
from aims_mlflow.measuring.groups.rates import (
    RATES,
    count_table,
    disparity_measures,
    mean_measures,
    rate_measures,
    share,
    size_measures,
)

ORACLES: dict[str, Any] = {
    "selection_rate": fair.selection_rate,
    "true_positive_rate": fair.true_positive_rate,
    "false_positive_rate": fair.false_positive_rate,
    "true_negative_rate": fair.true_negative_rate,
    "false_negative_rate": fair.false_negative_rate,
    "precision": sk.precision_score,
    "accuracy_score": sk.accuracy_score,
    "zero_one_loss": sk.zero_one_loss,
}

rows = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=12, max_size=60)


def arrays(drawn: list[tuple[int, bool, bool]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = np.array(drawn, dtype=int).T
    return found[0], found[1], found[2]


@given(rows, st.sampled_from([name for name in DISPARITIES if hasattr(fair, name)]))
@settings(max_examples=60, deadline=None)  # fairlearn takes about 20 ms for each value
def test_rates_and_disparities_are_fairlearns(drawn: list[tuple[int, bool, bool]], asked: str) -> None:
    groups, y_true, y_pred = arrays(drawn)
    present, codes = np.unique(groups, return_inverse=True)
    table = count_table(codes, len(present), y_true, y_pred)
    names = [str(g) for g in present]
    measures = rate_measures(table, names)
    for measure in measures:
        inside = codes == names.index(str(measure.group))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn about groups without a denominator
            oracle = ORACLES[measure.name](y_true[inside], y_pred[inside])
        if measure.value is None:
            assert measure.n == 0
            continue
        assert measure.value == pytest.approx(oracle, abs=1e-12)
        assert measure.ci_low is not None
        assert measure.ci_high is not None
        assert measure.ci_low <= measure.value <= measure.ci_high
    if len(present) < 2:
        return
    for found in disparity_measures(measures):
        if found.value is None or found.name != asked:
            continue
        assert found.value == pytest.approx(getattr(fair, asked)(y_true, y_pred, sensitive_features=groups), abs=1e-12)
        assert found.ci_low is not None
        assert found.ci_low <= found.value + 1e-12
        assert found.ci_high is None or found.value <= found.ci_high + 1e-12


def test_every_disparity_is_measured_and_named() -> None:
    random = np.random.default_rng(1)
    codes, y_true, y_pred = random.integers(0, 3, 600), random.integers(0, 2, 600), random.integers(0, 2, 600)
    found = disparity_measures(rate_measures(count_table(codes, 3, y_true, y_pred), ["a", "b", "c"]))
    assert [m.name for m in found] == list(DISPARITIES)
    assert {m.ci_method for m in found} == {"newcombe, all pairs", "mover, all pairs"}


def test_with_many_equal_groups_the_interval_still_holds_what_is_true() -> None:
    """The pair with the largest gap was picked out of many: its own interval would leave 0 out in one draw of five."""
    random, held = np.random.default_rng(3), 0
    codes = np.repeat(np.arange(4), 200)
    for _ in range(300):
        table = count_table(codes, 4, np.zeros(800, int), (random.random(800) < 0.3).astype(int))
        (found,) = disparity_measures(rate_measures(table, list("abcd")), ["demographic_parity_difference"])
        held += found.ci_low == 0
    assert held >= 285  # of 300, at a coverage of 97 %


def test_a_group_without_positives_has_no_rate_and_no_disparity() -> None:
    table = np.array([[[5, 5], [0, 0]], [[4, 1], [1, 9]]])
    measures = rate_measures(table, ["a", "b"])
    by_name = {(m.name, m.group): m for m in measures}
    assert by_name["true_positive_rate", "a"].value is None
    found = {m.name: m.value for m in disparity_measures(measures)}
    assert found["equal_opportunity_difference"] is None
    assert found["equalized_odds_difference"] is None
    assert found["demographic_parity_difference"] is not None


def test_sizes_are_full_counts() -> None:
    table = count_table(np.array([0, 0, 1]), 2, np.array([1, 0, 1]), np.array([1, 1, 0]))
    found = {(m.name, m.group): m.value for m in size_measures(table, ["a", "b"])}
    assert found == {
        ("group_size", "a"): 2,
        ("group_size", "b"): 1,
        ("group_positives", "a"): 1,
        ("group_positives", "b"): 1,
        ("group_negatives", "a"): 1,
        ("group_negatives", "b"): 0,
    }


def test_a_share_of_nothing_has_no_value() -> None:
    assert share("x", 0, 0).value is None
    assert share("x", 1, 4, group="g").value == 0.25
    assert set(RATES) == set(ORACLES)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_f1_and_balanced_accuracy_are_scikit_learns_with_intervals_around_them(drawn: list[tuple[int, bool, bool]]) -> None:
    groups, y_true, y_pred = arrays(drawn)
    present, codes = np.unique(groups, return_inverse=True)
    for measure in mean_measures(count_table(codes, len(present), y_true, y_pred), [str(g) for g in present]):
        truth, said = (side[groups == int(measure.group or 0)] for side in (y_true, y_pred))
        assert measure.n == len(truth)
        if measure.name == "f1_score":
            defined, oracle = bool((truth | said).any()), sk.f1_score(truth, said, zero_division=0)
        else:
            defined = len(set(truth)) == 2
            oracle = np.mean([(said == truth)[truth == one].mean() for one in (0, 1)]) if defined else None
        assert (measure.value is not None) == defined
        if defined:
            assert measure.value == pytest.approx(oracle, abs=1e-12)
            assert measure.ci_low is not None
            assert measure.ci_high is not None
            assert 0 <= measure.ci_low <= measure.value <= measure.ci_high <= 1
            assert measure.ci_low < measure.ci_high


@pytest.mark.parametrize("name", ["f1_score", "balanced_accuracy_score"])
def test_their_intervals_are_those_of_resampling_rows(name: str) -> None:
    random = np.random.default_rng(5)
    y_true = random.integers(0, 2, 400)
    y_pred = np.where(random.uniform(size=400) < 0.8, y_true, 1 - y_true)
    found = next(m for m in mean_measures(count_table(np.zeros(400, int), 1, y_true, y_pred), ["all"]) if m.name == name)
    drawn = [random.integers(0, 400, 400) for _ in range(400)]
    plain = np.quantile([getattr(sk, name)(y_true[at], y_pred[at]) for at in drawn], [0.025, 0.975])
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(plain), abs=0.2 * (plain[1] - plain[0]))
