from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import skewed_mean
from aims_mlflow.measuring.labels import Labels
from aims_mlflow.measuring.scores.calibration import error_of
from aims_mlflow.measuring.trials.paired import BOOTSTRAP_AT_MOST, Paired
from aims_mlflow.measuring.trials.trial import Copy, Reply, Said, Trial
from aims_mlflow.observation import Model


def trial(n: int, seed: int = 0, score: np.ndarray | None = None, *, regression: bool = False) -> Trial:
    random = np.random.default_rng(seed)
    truth = random.normal(size=n) if regression else (random.random(n) < (0.5 if score is None else score)).astype(int)
    clean = truth + random.normal(0, 0.1, n) if regression else np.where(random.random(n) < 0.8, truth, 1 - truth)
    frame = pd.DataFrame({"x": np.arange(n)})
    labels = None if regression else Labels((0, 1))
    return Trial(Model(lambda f: f, ("x",)), None, frame, truth, labels, clean, score, frame, "test", {}, n)  # type: ignore[arg-type]


def reply(answers: Any, rows: np.ndarray | None = None, group: str = "", score: Any = None, blank: Any = None) -> Reply:
    rows = np.arange(len(answers)) if rows is None else rows
    empty = np.zeros(len(answers), dtype=bool) if blank is None else np.asarray(blank)
    scored = None if score is None else Said(np.asarray(score), np.zeros(len(score), dtype=bool))
    return Reply(Copy(lambda _: {}, rows, group), rows, len(rows), len(rows), Said(np.asarray(answers), empty), score=scored, scored=rows)


def refused(n: int, group: str = "", *, crash: bool = False) -> Reply:
    return Reply(Copy(lambda _: {}, None, group), np.arange(n), n, n, None, refused=not crash, raised="KeyError" if crash else "ValueError")


def named(measures: list[Measure]) -> dict[str, Measure]:
    return {m.name: m for m in measures}


@given(st.integers(5, 60), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=60)
def test_losses_are_means_over_copies_and_rows(n: int, copies: int, seed: int) -> None:
    one, random = trial(n, seed), np.random.default_rng(seed)
    answers = random.integers(-1, 2, (copies, n))
    found = named(Paired(one).losses([reply(row) for row in answers]))
    hits = (one.clean == one.y_true).mean()
    assert found["accuracy_drop"].value == pytest.approx(hits - (answers == one.y_true).mean())
    assert found["flip_rate"].value == pytest.approx((answers != one.clean).mean())
    for m in found.values():
        assert m.n == n
        assert m.value is not None
        assert m.ci_low is None or m.ci_low - 1e-9 <= m.value <= (m.ci_high or 0) + 1e-9


def test_a_row_asked_more_often_weighs_no_more_and_counts_once() -> None:
    one = trial(100)
    wrong, right = 1 - one.clean, one.clean
    found = named(
        Paired(one).losses([reply(wrong[:10], np.arange(10)), reply(wrong[:10], np.arange(10)), reply(right[10:], np.arange(10, 100))])
    )
    assert found["flip_rate"].value == pytest.approx(0.1)
    assert found["flip_rate"].n == 100


def test_shares_are_skewed_and_drops_are_not() -> None:
    """Flips lie at zero for most rows: the interval is Hall's; a drop can go either way: Student's."""
    one, random = trial(120), np.random.default_rng(1)
    flips = np.where(random.random(120) < 0.1, 1.0, 0.0)
    found = Paired(one).mean("flip_rate", flips, 0.0)
    assert (found.ci_low, found.ci_high) == pytest.approx(skewed_mean(flips))
    assert "hall" in str(found.ci_method)
    lost = flips * random.choice([-1.0, 1.0], 120)
    found = Paired(one).mean("accuracy_drop", lost, -1.0)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(ttest_1samp(lost, 0).confidence_interval(0.95)))
    nearly = np.r_[np.ones(119), 0.0]
    assert Paired(one).mean("flip_rate", nearly, 0.0).ci_high == 1.0


def test_rows_that_are_all_alike_leave_room_for_doubt() -> None:
    one = trial(200)
    found = named(Paired(one).losses([reply(one.clean)]))
    for name in ("accuracy_drop", "flip_rate", "non_finite_share"):
        assert found[name].value == 0
        assert found[name].ci_high is not None
        assert 0 < found[name].ci_high < 0.03


def test_silently_wrong_is_answered_and_was_right_before() -> None:
    one = trial(100)
    was_right = one.clean == one.y_true
    found = named(Paired(one).silent([reply(1 - one.clean), refused(100), refused(100, crash=True)]))
    assert found["silent_accept_share"].value == pytest.approx(1 / 3)
    assert found["silently_wrong_share"].value == pytest.approx(was_right.mean() / 3)
    no_label = named(Paired(one).silent([reply(np.full(100, -1), blank=np.ones(100, dtype=bool))]))
    assert no_label["silently_wrong_share"].value == 0  # a missing answer is seen, if anybody looks
    number = trial(100, regression=True)
    away = number.clean + np.sign(number.clean - number.y_true)
    assert named(Paired(number).silent([reply(away)]))["silently_wrong_share"].value == 1
    assert named(Paired(number).silent([reply(number.clean * (1 + 1e-12))]))["silently_wrong_share"].value == 0
    assert named(Paired(number).silent([reply(number.y_true)]))["silently_wrong_share"].value == 0


def test_the_worst_column_is_bounded_by_all_columns_above_and_corrected_below() -> None:
    one = trial(1000)
    random = np.random.default_rng(1)
    replies = [
        reply(np.where(random.random(1000) < share, 1 - one.clean, one.clean), group=f"c{at}") for at, share in enumerate((0.3, 0.1, 0.28))
    ]
    found = named(Paired(one).worst(replies))
    columns = [named(Paired(one).losses([r]))["flip_rate"] for r in replies]
    worst = found["worst_column_flip_rate"]
    assert worst.value == max(c.value or 0 for c in columns)
    assert worst.ci_high == pytest.approx(max(c.ci_high or 0 for c in columns), abs=0.005)
    assert worst.ci_low is not None
    assert worst.ci_low < max(c.ci_low or 0 for c in columns) + 0.005
    facts = Paired(one).by([*replies, refused(1000, "c3")], lambda r: r.copy.group)
    assert facts["c3"] == {"rejected": 1}
    assert facts["c0"]["flip_rate"] == pytest.approx(columns[0].value, abs=1e-6)


def test_the_worst_of_equal_columns_is_covered_though_it_leans_upward() -> None:
    covered = 0
    for seed in range(60):
        one, random = trial(400, seed), np.random.default_rng(seed + 1000)
        replies = [reply(np.where(random.random(400) < 0.2, 1 - one.clean, one.clean), group=f"c{at}") for at in range(12)]
        worst = named(Paired(one).worst(replies))["worst_column_flip_rate"]
        assert worst.ci_low is not None
        assert worst.ci_high is not None
        covered += worst.ci_low <= 0.2 <= worst.ci_high
    assert covered >= 55


@pytest.mark.parametrize("n", [300, BOOTSTRAP_AT_MOST + 500])
def test_the_growth_of_the_calibration_error_is_covered(n: int) -> None:
    random = np.random.default_rng(7)
    big = random.random(400_000)  # a calibrated score, and the same pushed towards the ends
    truth_big = (random.random(400_000) < big).astype(int)
    grown = error_of(truth_big, _pushed(big)) - error_of(truth_big, big)
    covered, width = 0, []
    for seed in range(40):
        score = np.random.default_rng(seed + 100).random(n)
        one = trial(n, seed, score)
        (found,) = Paired(one).calibration([reply(one.clean, score=_pushed(score))])
        assert found.ci_low is not None
        assert found.ci_high is not None
        covered += found.ci_low <= grown <= found.ci_high
        width.append(found.ci_high - found.ci_low)
    assert covered >= 34
    assert np.mean(width) < 6 / np.sqrt(n)


def _pushed(score: np.ndarray) -> np.ndarray:
    return np.clip((score - 0.5) * 1.8 + 0.5, 0, 1)


def test_scores_that_did_not_move_leave_room_for_doubt_and_bad_ones_no_measure() -> None:
    score = np.random.default_rng(0).random(200)
    one = trial(200, 0, score)
    (found,) = Paired(one).calibration([reply(one.clean, score=score)])
    assert found.value == 0
    assert found.ci_high is not None
    assert 0 < found.ci_high < 0.05
    assert Paired(one).calibration([reply(one.clean, score=score + 1)]) == []
    assert Paired(one).calibration([reply(one.clean)]) == []
    assert Paired(trial(200)).calibration([reply(one.clean, score=score)]) == []


def test_draws_are_made_once_for_each_number_of_rows_and_few_are_kept() -> None:
    paired = Paired(trial(50))
    assert paired.drawn(50) is paired.drawn(50)
    for n in (10, 20, 30, 40):
        assert paired.drawn(n).shape == (1000, n)
        assert (paired.drawn(n).sum(axis=1) == n).all()
    assert len(paired._draws) == 3


def test_a_ratio_has_the_interval_of_its_rows() -> None:
    random = np.random.default_rng(0)
    for n in (500, 5000):
        below = (random.random(n) < 0.8).astype(float)
        above = below * random.random(n)
        one = Paired(trial(n)).ratio("r", above, below)
        assert one.value == pytest.approx(above.sum() / below.sum())
        assert one.ci_low is not None
        assert one.ci_low < 0.5 < (one.ci_high or 0)
