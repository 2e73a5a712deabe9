from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.intervals import delong
from aims_mlflow.measuring.scores.influence import Ranked, area_influence, influence
from aims_mlflow.measuring.scores.scoring import Answers


def binary(n: int = 90, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, n).round(2)  # rounded: equal scores happen
    y = (random.uniform(size=n) < score).astype(int)
    return Answers("binary_classification", y, (score > 0.5).astype(int), score, (0, 1))


def several(n: int = 90, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    score = random.dirichlet([1, 1, 1], n)
    y = np.array([random.choice(3, p=row) for row in score])
    names = np.array(["a", "b", "c"])
    return Answers("multiclass_classification", names[y], names[score.argmax(axis=1)], score, ("a", "b", "c"))


def numbers(n: int = 90, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    y = random.gamma(2, size=n)
    return Answers("regression", y, y * random.uniform(0.7, 1.3, n) + 0.1, None, ())


OF_PROBABILITIES = ("log_loss", "brier_score_loss", "d2_log_loss_score", "d2_brier_score", "roc_auc_score", "average_precision_score")
OF_NUMBERS = (
    *("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score", "explained_variance_score"),
    *("d2_absolute_error_score", "mean_absolute_percentage_error", "mean_pinball_loss", "mean_poisson_deviance"),
    *("mean_gamma_deviance", "mean_squared_log_error", "root_mean_squared_log_error"),
)
CASES = [(of, name) for of in (binary, several) for name in OF_PROBABILITIES] + [(numbers, name) for name in OF_NUMBERS]


@pytest.mark.parametrize(("of", "name"), CASES, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_influences_give_scikit_learns_value_and_the_jackknifes_error(of: object, name: str) -> None:
    answers: Answers = of()  # type: ignore[operator]
    found = influence(name, answers)
    assert found is not None
    assert found.value == pytest.approx(answers.value(name), abs=1e-12)
    assert found.rows.mean() == pytest.approx(0, abs=1e-9)
    left_out = np.array([answers.rows(np.delete(np.arange(answers.n), at)).value(name) for at in range(answers.n)], dtype=float)
    jackknife = np.sqrt((answers.n - 1) / answers.n * ((left_out - left_out.mean()) ** 2).sum())
    assert found.error == pytest.approx(jackknife, rel=0.2 if found.scale == "share of" else 0.1)  # a ratio has second-order terms
    assert np.corrcoef(left_out, found.rows)[0, 1] < -0.98


def test_there_is_no_influence_on_what_is_no_smooth_function_of_means() -> None:
    assert influence("median_absolute_error", numbers()) is None
    assert influence("roc_auc_score", Answers("binary_classification", np.array([0, 1]), np.array([0, 1]), None, (0, 1))) is None
    alike = Answers("binary_classification", np.ones(5, int), np.ones(5, int), np.linspace(0, 1, 5), (0, 1))
    assert influence("roc_auc_score", alike) is None


ranked_rows = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=4, max_size=60)


@given(ranked_rows)
@settings(max_examples=100, deadline=None)
def test_one_sorting_gives_delongs_and_scikit_learns_areas(drawn: list[tuple[bool, int]]) -> None:
    y, score = np.array([d[0] for d in drawn]), np.array([d[1] for d in drawn], dtype=float)
    if y.all() or not y.any():
        return
    ranked = Ranked(y, score)
    area, place = ranked.area()
    theirs, _, _ = delong(y.astype(int), score)
    assert area == pytest.approx(theirs, abs=1e-12)
    assert area == pytest.approx(sk.roc_auc_score(y, score), abs=1e-12)
    assert ranked.precision() == pytest.approx(sk.average_precision_score(y, score), abs=1e-12)
    above = ranked.in_row_order(place)
    if 2 <= y.sum() <= len(y) - 2:
        variance = sum(above[part].var(ddof=1) / part.sum() for part in (y, ~y))
        assert ranked.area_variance(area, place) == pytest.approx(variance, abs=1e-12)
    else:
        assert ranked.area_variance(area, place) == float("inf")


def test_area_influences_add_up_to_delongs_variance() -> None:
    answers = binary(200)
    assert answers.score is not None
    area, rows = area_influence(answers.y_true == 1, answers.score)
    ranked = Ranked(answers.y_true == 1, answers.score)
    assert (rows**2).sum() / 200**2 == pytest.approx(ranked.area_variance(*ranked.area()), rel=0.03)
    assert area == pytest.approx(ranked.area()[0])
