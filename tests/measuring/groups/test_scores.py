from __future__ import annotations

import fairlearn.metrics as fair
import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import delong
from aims_mlflow.measuring.groups.scores import GAP, SCORE_MEASURES, Scores
from aims_mlflow.measuring.scores.calibration import error_of
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR
from aims_mlflow.worst_group import worst_measures


def sample(n: int = 600, groups: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, n).round(2)
    return random.integers(0, groups, n), random.uniform(size=n) < score, score


def by_name(codes: np.ndarray, positive: np.ndarray, score: np.ndarray) -> dict[tuple[str, str | None], Measure]:
    names = [str(at) for at in range(int(codes.max()) + 1)]
    return {(m.name, m.group): m for m in Scores(positive, score).measures(codes, names)}


def test_every_group_has_the_libraries_values_and_intervals() -> None:
    codes, positive, score = sample()
    found = by_name(codes, positive, score)
    assert {name for name, _ in found} == set(SCORE_MEASURES)
    for group in range(3):
        y, s = positive[codes == group].astype(int), score[codes == group]
        area = found["roc_auc_score", str(group)]
        assert (area.value, area.ci_low, area.ci_high) == pytest.approx(delong(y, s), abs=1e-12)
        assert found["log_loss", str(group)].value == pytest.approx(sk.log_loss(y, s), abs=1e-12)
        assert found["brier_score_loss", str(group)].value == pytest.approx(sk.brier_score_loss(y, s), abs=1e-12)
        assert found[CALIBRATION_ERROR, str(group)].value == pytest.approx(error_of(y, s), abs=1e-12)
        gap = found[GAP, str(group)]
        assert gap.value == pytest.approx(s.mean() - y.mean(), abs=1e-12)
        ends = stats.t.interval(0.95, len(y) - 1, (s - y).mean(), stats.sem(s - y))
        assert (gap.ci_low, gap.ci_high) == pytest.approx(ends, abs=1e-12)
        assert all(found[name, str(group)].n == len(y) for name in SCORE_MEASURES)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 20)), min_size=20, max_size=80))
@settings(max_examples=10, deadline=None)
def test_the_worst_group_is_fairlearns(drawn: list[tuple[int, bool, int]]) -> None:
    rows = np.array(drawn, dtype=int)
    _, codes = np.unique(rows[:, 0], return_inverse=True)
    positive, score = rows[:, 1] == 1, rows[:, 2] / 20
    groups = [positive[codes == g] for g in range(int(codes.max()) + 1)]
    if len(groups) < 2 or any(g.all() or not g.any() for g in groups):
        return
    worst = {m.name: m.value for m in worst_measures(by_name(codes, positive, score).values())}
    theirs = {
        name: getattr(fair, name)(positive, score, sensitive_features=codes) for name in ("roc_auc_score_group_min", "log_loss_group_max")
    }
    assert worst["roc_auc_score_group_min"] == pytest.approx(theirs["roc_auc_score_group_min"], abs=1e-12)
    assert worst["log_loss_group_max"] == pytest.approx(theirs["log_loss_group_max"], abs=1e-12)


def test_a_group_with_one_outcome_has_no_area() -> None:
    codes, positive, score = sample()
    positive[codes == 1] = True
    found = by_name(codes, positive, score)
    assert found["roc_auc_score", "1"].value is None
    assert found["log_loss", "1"].value is not None


def test_scores_that_only_rank_are_ranked_and_not_calibrated() -> None:
    codes, positive, score = sample()
    found = by_name(codes, positive, score * 7 - 3)
    assert {name for name, _ in found} == {"roc_auc_score"}
    assert found["roc_auc_score", "0"].value == by_name(codes, positive, score)["roc_auc_score", "0"].value


def test_a_group_that_is_promised_too_much_is_seen() -> None:
    codes, positive, score = sample(4000, 2)
    tilted = np.where(codes == 1, np.clip(score + 0.15, 0, 1), score)
    found = by_name(codes, positive, tilted)
    assert (found[GAP, "1"].ci_low or 0) > 0.1
    assert (found[CALIBRATION_ERROR, "1"].ci_low or 0) > 0.05
    assert found[CALIBRATION_ERROR, "0"].ci_low == 0
