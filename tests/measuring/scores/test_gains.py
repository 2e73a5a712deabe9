from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import tango_difference, wilson
from aims_mlflow.measuring.scores.gains import GAINS, gains
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR, DEFAULTS, LOSSES, NAMES, Answers


def binary(n: int = 400, seed: int = 0, noise: float = 0.1) -> tuple[Answers, Answers]:
    """Two models of the same rows, the second noisier."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=n)
    y = (random.uniform(size=n) < 1 / (1 + np.exp(-2 * truth))).astype(int)
    scores = [1 / (1 + np.exp(-2 * truth - random.normal(0, 10 * noise, n))), 1 / (1 + np.exp(-truth + random.normal(0, 1, n)))]
    return tuple(Answers("binary_classification", y, (s > 0.5).astype(int), s, (0, 1)) for s in scores)  # type: ignore[return-value]


def several(n: int = 300, seed: int = 0) -> tuple[Answers, Answers]:
    random = np.random.default_rng(seed)
    names = np.array(["a", "b", "c"])
    y = random.integers(0, 3, n)
    scores = [random.dirichlet([1, 1, 1], n) + weight * np.eye(3)[y] for weight in (0.5, 0.3)]
    scores = [s / s.sum(axis=1, keepdims=True) for s in scores]
    return tuple(  # type: ignore[return-value]
        Answers("multiclass_classification", names[y], names[s.argmax(axis=1)], s, ("a", "b", "c")) for s in scores
    )


def numbers(n: int = 300, seed: int = 0) -> tuple[Answers, Answers]:
    random = np.random.default_rng(seed)
    y = random.normal(5, 1, n)
    return tuple(Answers("regression", y, y + random.normal(0, s, n), None, ()) for s in (0.4, 0.7))  # type: ignore[return-value]


def by_name(pair: tuple[Answers, Answers], *names: str) -> dict[str, Measure]:
    return {m.name: m for m in gains(*pair, names)}


PAIRS = {"binary_classification": binary(), "multiclass_classification": several(), "regression": numbers()}
ASKED = [(kind, name) for kind in PAIRS for name in DEFAULTS[kind]] + [
    ("binary_classification", "cohen_kappa_score"),
    ("binary_classification", "neg_log_loss"),
    ("multiclass_classification", "recall_weighted"),
    ("regression", "median_absolute_error"),
    ("regression", "neg_mean_absolute_error"),
]


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_a_gain_is_the_difference_that_is_better_above_zero_with_a_paired_interval(kind: str, name: str) -> None:
    new, old = PAIRS[kind]
    found = by_name((new, old), name)[f"{name}_gain"]
    values = new.value(name), old.value(name)
    assert values[0] is not None
    assert values[1] is not None
    assert found.value == pytest.approx((values[1] - values[0]) if name in LOSSES else values[0] - values[1], abs=1e-12)
    assert found.value > 0 or name == CALIBRATION_ERROR
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low <= found.value <= found.ci_high
    back = by_name((old, new), name)[f"{name}_gain"]
    assert back.value == pytest.approx(-found.value, abs=1e-12)
    width = found.ci_high - found.ci_low
    assert (-(back.ci_high or 0), -(back.ci_low or 0)) == pytest.approx((found.ci_low, found.ci_high), abs=0.1 * width)


SLOW = (CALIBRATION_ERROR, "neg_log_loss", "balanced_accuracy_score", "log_loss", "precision_score", "recall_score", "recall_weighted")
"""Left out of the comparison with plain resampling: it calls scikit-learn hundreds of times."""


@pytest.mark.parametrize(("kind", "name"), [a for a in ASKED if a[1] not in SLOW])
def test_the_interval_is_that_of_resampling_both_on_the_same_rows(kind: str, name: str) -> None:
    new, old = PAIRS[kind]
    random = np.random.default_rng(11)
    plain = []
    for _ in range(100):
        rows = random.integers(0, new.n, new.n)
        way = -1 if name in LOSSES else 1
        plain.append(way * ((new.rows(rows).value(name) or 0) - (old.rows(rows).value(name) or 0)))
    ends = np.quantile(plain, [0.025, 0.975])
    found = by_name((new, old), name)[f"{name}_gain"]
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(ends), abs=0.35 * (ends[1] - ends[0]))


def test_pairing_makes_the_interval_narrower_than_two_models_apart() -> None:
    new, _ = binary(2000)
    random = np.random.default_rng(3)
    near = np.clip(np.asarray(new.score) + random.normal(0, 0.02, 2000), 0.01, 0.99)
    old = Answers(new.kind, new.y_true, (near > 0.5).astype(int), near, (0, 1))
    for name in ("roc_auc_score", "log_loss", "average_precision_score", "f1_score"):
        found, alone = by_name((new, old), name)[f"{name}_gain"], by_name(binary(2000), name)[f"{name}_gain"]
        assert (found.ci_high or 0) - (found.ci_low or 0) < 0.5 * ((alone.ci_high or 0) - (alone.ci_low or 0))


@pytest.mark.parametrize("kind", PAIRS)
def test_the_same_answers_gain_nothing_and_are_not_certain(kind: str) -> None:
    new, _ = PAIRS[kind]
    for name, found in by_name((new, new), *DEFAULTS[kind]).items():
        assert found.value == 0
        assert found.ci_low is not None, name
        assert found.ci_high is not None
        assert found.ci_low < 0 < found.ci_high
        assert found.ci_high < (0.2 if kind != "regression" else 0.1), name


def test_with_more_equal_rows_less_is_left_open() -> None:
    names = ("accuracy_score", "roc_auc_score", "log_loss", "f1_score", CALIBRATION_ERROR)
    few, many = (by_name((binary(n)[0], binary(n)[0]), *names) for n in (200, 5000))
    for name, found in many.items():
        assert 0 < (found.ci_high or 0) < (few[name].ci_high or 0) / 10
        assert (found.ci_high or 0) < 0.01
    assert few["accuracy_score_gain"].ci_high == pytest.approx(wilson(0, 200)[1], abs=1e-9)
    assert few["roc_auc_score_gain"].ci_high == pytest.approx(wilson(0, 200)[1] * 2, rel=0.6)


def test_few_rows_that_differ_leave_room_for_more() -> None:
    new, _ = binary(1000)
    score, said = np.array(new.score), new.y_pred.copy()
    score[:2], said[:2] = 1 - score[:2], 1 - said[:2]
    old = Answers(new.kind, new.y_true, said, score, (0, 1))
    found = by_name((new, old), "roc_auc_score", "accuracy_score", "f1_score", "log_loss")
    for one in found.values():
        assert (one.ci_high or 0) - (one.ci_low or 0) > 0.005
        assert (one.ci_low or 0) < 0 < (one.ci_high or 0)


def test_scores_that_order_the_rows_alike_gain_no_area_and_are_not_certain() -> None:
    new, _ = binary(1000)
    squeezed = Answers(new.kind, new.y_true, new.y_pred, np.asarray(new.score) ** 2, (0, 1))
    for name, found in by_name((new, squeezed), "roc_auc_score", "average_precision_score").items():
        assert found.value == pytest.approx(0, abs=1e-12), name
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert -0.05 < found.ci_low < 0 < found.ci_high < 0.05


def test_shares_have_tangos_interval_and_recall_is_taken_on_positives() -> None:
    new, old = PAIRS["binary_classification"]
    found = by_name((new, old), "accuracy_score", "zero_one_loss", "recall_score")
    right = new.y_true == new.y_pred, old.y_true == old.y_pred
    won, lost = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    for name in ("accuracy_score_gain", "zero_one_loss_gain"):
        assert (found[name].ci_low, found[name].ci_high) == pytest.approx(tango_difference(won, lost, new.n), abs=1e-12)
        assert found[name].n == new.n
    assert found["recall_score_gain"].n == int(new.y_true.sum())


def test_what_has_no_honest_interval_has_none() -> None:
    found = by_name(PAIRS["regression"], "max_error")["max_error_gain"]
    assert found.value is not None
    assert found.ci_low is None


def test_what_either_cannot_say_has_no_value() -> None:
    new, old = PAIRS["binary_classification"]
    mute = Answers(old.kind, old.y_true, old.y_pred, None, (0, 1))
    for pair in ((new, mute), (mute, new)):
        found = by_name(pair, "roc_auc_score", "accuracy_score", "r2_score")
        assert found["roc_auc_score_gain"].value is None
        assert found["r2_score_gain"].value is None
        assert found["accuracy_score_gain"].value is not None


rows = st.lists(st.tuples(*[st.booleans()] * 3, st.integers(0, 8), st.integers(0, 8)), min_size=2, max_size=40)


@given(rows)
@settings(max_examples=20, deadline=None)
def test_no_frame_makes_a_certain_or_a_broken_interval(drawn: list[tuple[Any, ...]]) -> None:
    y, new, old, first, second = np.array(drawn, dtype=int).T
    pair = [Answers("binary_classification", y, p, s / 8, (0, 1)) for p, s in ((new, first), (old, second))]
    for found in gains(pair[0], pair[1], DEFAULTS["binary_classification"]):
        if found.ci_low is not None:
            assert found.value is not None
            assert found.ci_high is not None
            assert found.ci_low <= found.value <= found.ci_high
            assert found.ci_low < found.ci_high


def test_every_metric_has_a_gain() -> None:
    assert tuple(f"{name}_gain" for name in NAMES) == GAINS
