from __future__ import annotations

import fairlearn.metrics as fair
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import newcombe_difference
from aims_mlflow.measuring.groups.classes import CLASS_MEASURES, MACRO_MEASURES, class_measures, class_table, macro_measures


def sample(n: int = 900, groups: int = 3, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y_true = random.integers(0, classes, n)
    return random.integers(0, groups, n), y_true, np.where(random.uniform(size=n) < 0.6, y_true, random.integers(0, classes, n))


def measured(codes: np.ndarray, y_true: np.ndarray, y_pred: np.ndarray) -> dict[tuple[str, str | None], Measure]:
    table = class_table(codes, int(codes.max()) + 1, y_true, y_pred, int(max(y_true.max(), y_pred.max())) + 1)
    return {(m.name, m.group): m for m in class_measures(table)}


ORACLES = {
    "selection_rate": fair.selection_rate_difference,
    "true_positive_rate": fair.true_positive_rate_difference,
    "false_positive_rate": fair.false_positive_rate_difference,
}


@pytest.mark.parametrize("rate", ORACLES)
def test_each_class_is_looked_at_against_the_rest(rate: str) -> None:
    codes, y_true, y_pred = sample()
    found = measured(codes, y_true, y_pred)
    oracle = [ORACLES[rate](y_true == c, y_pred == c, sensitive_features=codes) for c in range(4)]
    assert [found[f"class_{rate}_difference", f"class {c + 1}"].value for c in range(4)] == pytest.approx(oracle, abs=1e-12)
    assert found[f"{rate}_difference_class_max", None].value == pytest.approx(max(oracle), abs=1e-12)
    assert found[f"{rate}_difference_class_mean", None].value == pytest.approx(np.mean(oracle), abs=1e-12)
    assert {name for name, _ in found} == set(CLASS_MEASURES)
    for measure in found.values():
        assert measure.value is not None
        assert measure.ci_low is not None
        assert measure.ci_high is not None
        assert 0 <= measure.ci_low <= measure.value <= measure.ci_high
        assert measure.ci_method


def test_a_class_of_two_groups_has_newcombes_interval() -> None:
    codes, y_true, y_pred = sample(groups=2)
    found = measured(codes, y_true, y_pred)["class_selection_rate_difference", "class 2"]
    counts = [(int((y_pred[codes == g] == 1).sum()), int((codes == g).sum())) for g in (0, 1)]
    highs = [newcombe_difference(*a, *b)[1] for a, b in (counts, counts[::-1])]
    assert found.ci_high == pytest.approx(max(highs), abs=1e-12)
    lows = [newcombe_difference(*a, *b, 0.975)[0] for a, b in (counts, counts[::-1])]
    assert found.ci_low == pytest.approx(max(0.0, *lows), abs=1e-12)


def test_a_class_that_a_group_lacks_leaves_the_worst_class_open() -> None:
    found = measured(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0]), np.array([0, 1, 0, 0]))
    assert found["true_positive_rate_difference_class_max", None].value is None
    assert found["true_positive_rate_difference_class_mean", None].value is None
    assert found["selection_rate_difference_class_max", None].value == 0.5


def test_equal_groups_do_not_reach_a_mean_gap_by_chance() -> None:
    lows = [measured(*sample(300, seed=seed))["selection_rate_difference_class_mean", None].ci_low for seed in range(15)]
    assert lows.count(0.0) >= 13


rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 3)), min_size=6, max_size=60)


@given(rows)
@settings(max_examples=15, deadline=None)
@pytest.mark.filterwarnings("ignore")  # scikit-learn about classes without a case
def test_macro_averages_are_scikit_learns_on_the_groups_rows(drawn: list[tuple[int, int, int]]) -> None:
    codes, y_true, y_pred = np.array(drawn).T
    used, codes = np.unique(codes, return_inverse=True)
    for measure in macro_measures(class_table(codes, len(used), y_true, y_pred, 4), [str(at) for at in range(len(used))]):
        inside = codes == int(str(measure.group))
        more = {} if measure.name == "balanced_accuracy_score" else {"average": "macro", "zero_division": 0}
        oracle = getattr(sk, measure.name)(y_true[inside], y_pred[inside], **more)
        assert measure.value == pytest.approx(oracle, abs=1e-12)
    assert set(MACRO_MEASURES) == {"balanced_accuracy_score", "f1_score", "precision_score", "recall_score"}
