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
from aims_mlflow.measuring.group_rates import RATES, class_measures, count_table, disparity_measures, rate_measures, share, size_measures

ORACLES: dict[str, Any] = {
    "selection_rate": fair.selection_rate,
    "true_positive_rate": fair.true_positive_rate,
    "false_positive_rate": fair.false_positive_rate,
    "true_negative_rate": fair.true_negative_rate,
    "false_negative_rate": fair.false_negative_rate,
    "precision": sk.precision_score,
    "accuracy_score": sk.accuracy_score,
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
    assert {m.ci_method for m in found} == {"newcombe, extreme pair", "mover, extreme pair"}


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


def test_each_class_is_looked_at_against_the_rest() -> None:
    random = np.random.default_rng(0)
    codes, y_true, y_pred = random.integers(0, 3, 900), random.integers(0, 4, 900), random.integers(0, 4, 900)
    found = {(m.name, m.group): m for m in class_measures(codes, 3, y_true, y_pred, 4)}
    oracle = [fair.demographic_parity_difference(y_true == c, y_pred == c, sensitive_features=codes) for c in range(4)]
    assert [found["class_selection_rate_difference", f"class {c + 1}"].value for c in range(4)] == pytest.approx(oracle, abs=1e-12)
    worst = found["selection_rate_difference_class_max", None]
    assert worst.value == pytest.approx(max(oracle), abs=1e-12)
    assert worst.ci_low is not None
    assert worst.ci_high is not None
    assert worst.ci_low <= max(oracle) <= worst.ci_high
    odds = [fair.equal_opportunity_difference(y_true == c, y_pred == c, sensitive_features=codes) for c in range(4)]
    assert found["true_positive_rate_difference_class_max", None].value == pytest.approx(max(odds), abs=1e-12)


def test_a_class_that_a_group_lacks_leaves_the_worst_class_open() -> None:
    found = {m.name: m.value for m in class_measures(np.array([0, 0, 1, 1]), 2, np.array([0, 1, 0, 0]), np.array([0, 1, 0, 0]), 2)}
    assert found["true_positive_rate_difference_class_max"] is None
    assert found["selection_rate_difference_class_max"] == 0.5
