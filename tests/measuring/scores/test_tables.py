from __future__ import annotations

import numpy as np
import pytest

from aims_mlflow.measuring.scores.scoring import OF_LABELS, SCORERS, Answers
from aims_mlflow.measuring.scores.tables import by_counts, posterior, statistic_of, table_of


def labelled(classes: int, n: int = 300, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    said = np.where(random.uniform(size=n) < 0.7, y, random.integers(0, classes, n))
    kind = "binary_classification" if classes == 2 else "multiclass_classification"
    return Answers(kind, y, said, None, tuple(range(classes)))


NAMES = (*OF_LABELS, *(n for n in SCORERS["classification"] if not n.startswith(("roc", "d2", "neg_b", "neg_l", "top", "average"))))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_the_table_gives_scikit_learns_value(name: str, classes: int) -> None:
    answers = labelled(classes)
    from aims_mlflow.measuring.scores.scoring import ALIASES

    base, value, table = ALIASES[answers.kind].get(name, name), answers.value(name), table_of(answers)
    statistic = statistic_of(base, answers.kind)
    assert table is not None
    if value is None:
        assert statistic is None or classes > 2
        return
    assert statistic is not None
    assert statistic(table[None].astype(float)).tolist() == pytest.approx([value], abs=1e-12)


def test_what_is_no_function_of_the_table_has_none() -> None:
    assert statistic_of("roc_auc_score", "binary_classification") is None
    assert statistic_of("accuracy_score", "regression") is None
    assert table_of(Answers("regression", np.ones(2), np.ones(2), None, ())) is None
    many = Answers("multiclass_classification", np.arange(200), np.arange(200), None, ())
    assert table_of(many) is None


def test_where_all_draws_are_alike_the_prior_keeps_the_interval_open() -> None:
    statistic = statistic_of("f1_score", "binary_classification")
    assert statistic is not None
    found = by_counts(np.array([[50, 0], [0, 50]]), {"f1_score": statistic})["f1_score"]
    assert found is not None
    assert found[0] < 0.99
    assert "prior" in found[2]


def test_a_rare_class_that_is_nearly_always_recognised_is_not_taken_for_certain() -> None:
    """The bootstrap of 10 positives, all of them found, never misses one: its lower end would lie above the truth in half of all draws."""
    statistic = statistic_of("balanced_accuracy_score", "binary_classification")
    assert statistic is not None
    truth, random, above = (0.93 + 0.93) / 2, np.random.default_rng(2), {"posterior": 0, "bootstrap": 0}
    for _ in range(200):
        table = random.multinomial(200, [0.95 * 0.93, 0.95 * 0.07, 0.05 * 0.07, 0.05 * 0.93]).reshape(2, 2)
        found = by_counts(table, {"": statistic}, 400)[""]
        assert found is not None
        above["posterior"] += found[0] > truth
        plain = random.multinomial(200, table.ravel() / 200, size=400).reshape(-1, 2, 2)
        above["bootstrap"] += np.nanquantile(statistic(plain), 0.025) > truth
    assert above["posterior"] <= 10 < 40 <= above["bootstrap"]


def test_a_class_that_is_no_rows_truth_has_none_in_the_draws() -> None:
    table = np.array([[30, 5, 2], [4, 40, 0], [0, 0, 0]])
    draws = posterior(table, 300)
    assert draws[:, 2].sum() == 0
    assert (draws[:, :2, 2] > 0).all()  # though predicted it may be
    statistic = statistic_of("balanced_accuracy_score", "multiclass_classification")
    assert statistic is not None
    found = by_counts(table, {"": statistic})[""]
    assert found is not None
    assert found[0] < (30 / 37 + 40 / 44) / 2 < found[1]


@pytest.mark.parametrize("classes", [2, 12])
def test_a_vague_prior_adds_few_rows_however_many_cells(classes: int) -> None:
    shares = posterior(np.full((classes, classes), 0), 200)
    assert shares.sum(axis=(1, 2)) == pytest.approx(1)
    table = np.eye(classes, dtype=int) * 50
    wrong = 1 - np.einsum("bii->bi", posterior(table, 500)).sum(axis=1)
    assert 0 < wrong.mean() < 3 / (50 * classes)
