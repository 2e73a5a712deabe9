"""One-feature models: leaks score near 1, noise and identifiers like guessing; scikit-learn's scores are the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from aims_mlflow.measuring.frames.single_features import MOST_ROWS, area, drawn, r_squared, ranked, rows_for, score

N = 2000
RANDOM = np.random.default_rng(0)
Y = RANDOM.integers(0, 2, 2 * N)
THREE = RANDOM.integers(0, 3, 2 * N)
PRICE = np.exp(2 * RANDOM.normal(size=2 * N))
NOISE = RANDOM.normal(size=2 * N)


def scored(column: Any, y: Any = Y, classes: int | None = 2) -> float | None:
    series = pd.Series(column)
    return score(series[:N], series[N:].reset_index(drop=True), y[:N], y[N:], classes)


@pytest.mark.parametrize(
    ("column", "y", "classes"),
    [
        pytest.param(Y, Y, 2, id="a copy"),
        pytest.param(7 - 3.0 * Y, Y, 2, id="shifted and turned"),
        pytest.param(Y + NOISE * 0.1, Y, 2, id="with noise"),
        pytest.param(np.where(Y == 1, "yes", "no"), Y, 2, id="as text"),
        pytest.param(Y == 1, Y, 2, id="as truth"),
        pytest.param(np.where(Y == 1, NOISE, np.nan), Y, 2, id="missing where negative"),
        pytest.param(np.where(Y == 1, "x", None), Y, 2, id="a category missing where negative"),
        pytest.param(np.abs(NOISE) * np.where(Y == 1, 1, -1), Y, 2, id="its sign"),
        pytest.param((THREE - 1) ** 2 * 10 + THREE, THREE, 3, id="three classes out of order"),
        pytest.param(pd.Timestamp("2026") + pd.to_timedelta(Y, unit="D"), Y, 2, id="a date"),
        pytest.param(2 * PRICE + 1, PRICE, None, id="a price in other units"),
        pytest.param(np.log(PRICE), PRICE, None, id="the logarithm of a price"),
        pytest.param(1e9 + Y, Y, 2, id="beyond 32-bit precision"),
        pytest.param(np.where(Y == 1, np.inf, 1e300), Y, 2, id="huge and infinite"),
    ],
)
def test_a_target_in_disguise_is_found(column: Any, y: Any, classes: int | None) -> None:
    asked = np.concatenate([ranked(y[:N], y[:N]), ranked(y[N:], y[:N])]) if classes is None else y
    value = scored(column, asked, classes)
    assert value is not None
    assert value >= 0.99


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(np.arange(2 * N), id="row number"),
        pytest.param([f"id-{at}" for at in range(2 * N)], id="identifier"),
        pytest.param(NOISE, id="noise"),
        pytest.param(RANDOM.choice(["a", "b"], 2 * N), id="unrelated category"),
        pytest.param(np.ones(2 * N), id="constant"),
    ],
)
def test_what_knows_nothing_scores_like_guessing(column: Any) -> None:
    value = scored(column)
    assert value is not None
    assert 0.4 < value < 0.6
    regression = scored(column, NOISE[::-1].copy(), None)
    assert regression is not None
    assert regression < 0.5


def test_a_column_of_other_things_has_no_score() -> None:
    assert scored([[1], [2]] * N) is None
    assert scored([None] * 2 * N) is None
    assert score(pd.Series([1] * N), pd.Series(["a"] * N), Y[:N], Y[N:], 2) is None


def test_classes_that_the_test_rows_lack_are_not_scored() -> None:
    test = np.where(THREE[N:] == 2, 1, THREE[N:])
    column = pd.Series(THREE)
    assert score(column[:N], pd.Series(test), THREE[:N], test, 3) == 1
    assert score(column[:N], pd.Series([1] * 10), THREE[:N], np.ones(10, dtype=int), 3) is None


def test_few_rows_are_used_and_of_each_class_as_many() -> None:
    y = np.array([0] * 99_000 + [1] * 1_000)
    rows = drawn(y, 4000, 2)
    assert np.bincount(y[rows]).tolist() == [2000, 1000]
    assert (np.diff(rows) > 0).all()
    assert (drawn(y, 4000, 2) == rows).all()
    assert len(drawn(NOISE, 100, None)) == 100
    assert drawn(Y[:50], 100, 2).tolist() == list(range(50))
    assert [rows_for(columns) for columns in (0, 20, 100, 5000)] == [MOST_ROWS, MOST_ROWS, 2000, 1000]


@settings(max_examples=80)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_scores_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    y, said = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]) / 6
    if 0 < y.sum() < len(y):
        assert area(y, said) == pytest.approx(roc_auc_score(y, said))
        assert r_squared(y.astype(float), said) == pytest.approx(r2_score(y.astype(float), said))
    else:
        assert r_squared(y.astype(float), said) is None


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_ranks_rise_with_the_numbers_and_lie_between_0_and_1(values: list[float]) -> None:
    ranks = ranked(np.array(values), np.array(values))
    assert ((ranks > 0) & (ranks < 1)).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(ranks[order]) >= 0).all()
