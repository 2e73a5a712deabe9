from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import delong, wilson
from aims_mlflow.measuring.scores.intervals import NO_INTERVAL, measured
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR, DEFAULTS, NAMES, Answers


def binary(n: int = 400, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, n).round(2)  # rounded: equal scores happen
    y = (random.uniform(size=n) < score).astype(int)
    return Answers("binary_classification", y, (score > 0.5).astype(int), score, (0, 1))


def several(n: int = 300, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    score = random.dirichlet([1, 1, 1], n)
    y = np.array([random.choice(3, p=row) for row in score])
    names = np.array(["a", "b", "c"])
    return Answers("multiclass_classification", names[y], names[score.argmax(axis=1)], score, ("a", "b", "c"))


def numbers(n: int = 300, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    y = random.normal(size=n)
    return Answers("regression", y, y + random.normal(0, 0.5, n), None, ())


def by_name(answers: Answers, *names: str) -> dict[str, Measure]:
    return {m.name: m for m in measured(answers, names)}


@pytest.mark.parametrize("answers", [binary(), several(), numbers()], ids=lambda a: a.kind)
def test_every_default_has_a_value_inside_its_interval(answers: Answers) -> None:
    found = measured(answers, DEFAULTS[answers.kind])
    assert [m.name for m in found] == list(DEFAULTS[answers.kind])
    for measure in found:
        assert measure.value is not None
        assert measure.ci_low is not None
        assert measure.ci_high is not None
        assert measure.ci_method
        if measure.name != CALIBRATION_ERROR:  # it leans upward, in resamples still more
            assert measure.ci_low <= measure.value <= measure.ci_high


RESAMPLED: list[tuple[Answers, str, Any]] = [
    (binary(), "f1_score", lambda a: sk.f1_score(a.y_true, a.y_pred)),
    (binary(), "balanced_accuracy_score", lambda a: sk.balanced_accuracy_score(a.y_true, a.y_pred)),
    (binary(), "brier_score_loss", lambda a: sk.brier_score_loss(a.y_true, a.score)),
    (binary(), "log_loss", lambda a: sk.log_loss(a.y_true, a.score)),
    (binary(), "average_precision_score", lambda a: sk.average_precision_score(a.y_true, a.score)),
    (binary(), "roc_auc_score", lambda a: sk.roc_auc_score(a.y_true, a.score)),
    (several(), "f1_score", lambda a: sk.f1_score(a.y_true, a.y_pred, average="macro")),
    (several(), "log_loss", lambda a: sk.log_loss(a.y_true, a.score)),
    (several(), "roc_auc_score", lambda a: sk.roc_auc_score(a.y_true, a.score, multi_class="ovr")),
    (numbers(), "mean_absolute_error", lambda a: sk.mean_absolute_error(a.y_true, a.y_pred)),
    (numbers(), "root_mean_squared_error", lambda a: sk.root_mean_squared_error(a.y_true, a.y_pred)),
    (numbers(), "r2_score", lambda a: sk.r2_score(a.y_true, a.y_pred)),
    (numbers(), "median_absolute_error", lambda a: sk.median_absolute_error(a.y_true, a.y_pred)),
]


@pytest.mark.parametrize(("answers", "name", "statistic"), RESAMPLED, ids=lambda v: getattr(v, "kind", v if isinstance(v, str) else ""))
def test_intervals_are_those_of_resampling_rows_with_scikit_learns_own_function(answers: Answers, name: str, statistic: Any) -> None:
    random = np.random.default_rng(11)
    plain = [statistic(answers.rows(random.integers(0, answers.n, answers.n))) for _ in range(150)]
    found = by_name(answers, name)[name]
    width = np.quantile(plain, 0.975) - np.quantile(plain, 0.025)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.3 * width)


def test_shares_of_rows_have_wilsons_interval_with_count_and_n() -> None:
    answers = binary()
    hit, caught = answers.y_true == answers.y_pred, (answers.y_true == 1) & (answers.y_pred == 1)
    shares = {
        "accuracy_score": (hit.sum(), answers.n),
        "zero_one_loss": ((~hit).sum(), answers.n),
        "recall_score": (caught.sum(), answers.y_true.sum()),
        "precision_score": (caught.sum(), answers.y_pred.sum()),
    }
    found = by_name(answers, *shares)
    for name, (count, n) in shares.items():
        assert (found[name].count, found[name].n) == (count, n)
        assert (found[name].ci_low, found[name].ci_high) == pytest.approx(wilson(int(count), int(n)))
    assert {found[name].ci_method for name in shares} == {"wilson"}


def test_the_area_of_a_binary_score_has_delongs_interval() -> None:
    answers = binary()
    found = by_name(answers, "roc_auc_score", "roc_auc")
    area, low, high = delong(answers.y_true, answers.score)
    for measure in found.values():
        assert (measure.value, measure.ci_low, measure.ci_high) == pytest.approx((area, low, high), abs=1e-12)


def test_a_negative_scorer_is_the_loss_turned_round() -> None:
    found = by_name(numbers(), "mean_absolute_error", "neg_mean_absolute_error")
    loss, turned = found["mean_absolute_error"], found["neg_mean_absolute_error"]
    assert loss.value is not None
    assert loss.ci_low is not None
    assert loss.ci_high is not None
    assert (turned.value, turned.ci_low, turned.ci_high) == (-loss.value, -loss.ci_high, -loss.ci_low)


def test_a_model_without_a_mistake_is_not_certain() -> None:
    y = np.array([0, 1] * 50)
    perfect = Answers("binary_classification", y, y, np.where(y == 1, 0.9, 0.1), (0, 1))
    found = by_name(perfect, "accuracy_score", "f1_score", "balanced_accuracy_score", "roc_auc_score", "average_precision_score")
    for measure in found.values():
        assert measure.value == 1.0
        assert measure.ci_low is None or measure.ci_low < 0.999
    exact = Answers("regression", np.arange(9.0), np.arange(9.0), None, ())
    assert by_name(exact, "mean_absolute_error")["mean_absolute_error"].ci_low is None


@pytest.mark.parametrize("answers", [binary(), several(60), numbers()], ids=lambda a: a.kind)
def test_what_is_not_for_the_task_has_no_value_and_no_interval(answers: Answers) -> None:
    foreign = [name for name in NAMES if answers.value(name) is None]
    assert foreign
    assert all(m.value is None and m.ci_low is None for m in measured(answers, foreign))


def test_the_same_data_give_the_same_numbers() -> None:
    assert measured(binary(), DEFAULTS["binary_classification"]) == measured(binary(), DEFAULTS["binary_classification"])


tables = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 8)), min_size=2, max_size=50)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_values_from_counts_and_one_sorting_are_scikit_learns(drawn: list[tuple[bool, bool, int]]) -> None:
    y, p, score = np.array(drawn, dtype=int).T
    answers = Answers("binary_classification", y, p, score / 8, (0, 1))
    names = (*DEFAULTS["binary_classification"], "roc_auc", "f1", "average_precision", "neg_brier_score", "precision")
    for name, found in by_name(answers, *names).items():
        oracle = answers.value(name)
        assert (found.value is None) == (oracle is None)
        assert found.value == (None if oracle is None else pytest.approx(oracle, abs=1e-12))
        if found.ci_low is not None and found.value is not None and found.ci_high is not None:
            assert found.ci_low < found.ci_high
            assert found.ci_low - 1e-12 <= found.value <= found.ci_high + 1e-12


def test_the_median_has_order_statistics_that_cover() -> None:
    random = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        error = random.exponential(size=80)
        found = by_name(Answers("regression", error, np.zeros(80), None, ()), "median_absolute_error")["median_absolute_error"]
        covered.append((found.ci_low or 0) <= np.log(2) <= (found.ci_high or 0))
    assert 0.93 <= np.mean(covered) <= 0.995
    assert (
        by_name(Answers("regression", np.arange(4.0), np.zeros(4), None, ()), "median_absolute_error")["median_absolute_error"].ci_low
        is None
    )


def test_the_largest_error_of_a_sample_has_no_interval() -> None:
    found = by_name(numbers(), "max_error", "neg_max_error")
    assert all(m.value is not None and m.ci_low is None for m in found.values())
    assert set(NO_INTERVAL) <= set(NAMES)


@pytest.mark.parametrize("answers", [binary(), several(), numbers()], ids=lambda a: a.kind)
def test_what_has_a_value_has_an_interval_with_its_method(answers: Answers) -> None:
    slow = {"roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr_weighted"}
    for measure in measured(answers, [name for name in NAMES if name not in slow]):
        if measure.value is not None and measure.name.removeprefix("neg_") not in NO_INTERVAL:
            assert measure.ci_low is not None, measure.name
            assert measure.ci_high is not None
            assert measure.ci_low < measure.ci_high
            assert measure.ci_method
            assert measure.n


@pytest.mark.parametrize("name", ["average_precision_score", "roc_auc_score"])
def test_a_perfect_order_of_several_classes_is_not_certain_either(name: str) -> None:
    y = np.array(["a", "b", "c"] * 40)
    perfect = Answers("multiclass_classification", y, y, (y[:, None] == np.array(["a", "b", "c"])) * 1.0, ("a", "b", "c"))
    found = by_name(perfect, name)[name]
    assert found.value == 1
    assert found.ci_low is not None
    assert found.ci_low < 0.95
