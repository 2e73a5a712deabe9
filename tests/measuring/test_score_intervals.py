from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import delong, wilson
from aims_mlflow.measuring.score_intervals import _OF_BINARY_TABLE, _OF_TABLE, _confusion, area_influence, measured
from aims_mlflow.measuring.scoring import CALIBRATION_ERROR, DEFAULTS, NAMES, Answers


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


@pytest.mark.parametrize("answers", [binary(), several()], ids=lambda a: a.kind)
def test_what_a_confusion_table_determines_is_scikit_learns_value(answers: Answers) -> None:
    table = _confusion(answers)
    assert table is not None
    statistics = _OF_BINARY_TABLE if answers.kind == "binary_classification" else _OF_TABLE
    for name, statistic in statistics.items():
        if answers.kind == "multiclass_classification" or name not in ("recall_score", "precision_score"):  # there they are shares
            assert statistic(table[None]).tolist() == pytest.approx([answers.value(name)], abs=1e-12)


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
    assert "approximate" in str(found["precision_score"].ci_method)


def test_the_area_of_a_binary_score_has_delongs_interval() -> None:
    answers = binary()
    found = by_name(answers, "roc_auc_score", "roc_auc")
    area, low, high = delong(answers.y_true, answers.score)
    for measure in found.values():
        assert (measure.value, measure.ci_low, measure.ci_high) == pytest.approx((area, low, high), abs=1e-12)


def test_influences_add_up_to_delongs_variance() -> None:
    answers = binary(120)
    assert answers.score is not None
    positive = answers.y_true == 1
    area, influence = area_influence(positive, answers.score)
    assert area == pytest.approx(sk.roc_auc_score(answers.y_true, answers.score), abs=1e-12)
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    left_out = [sk.roc_auc_score(np.delete(answers.y_true, i), np.delete(answers.score, i)) for i in range(120)]
    jackknife = 119 / 120 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum()
    assert (influence**2).sum() / 120**2 == pytest.approx(jackknife, rel=0.05)


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
