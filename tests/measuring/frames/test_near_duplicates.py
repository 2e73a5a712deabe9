"""Near duplicates: planted ones are found, honest data hold none, and a search of all pairs is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.frames.near_duplicates import MOST_WITHIN, TOLERANCE, NearDuplicates, near_duplicates
from aims_mlflow.measuring.frames.rows import row_hashes


def honest(rows: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{at}": random.normal(size=rows) for at in range(5)})
    frame["kind"], frame["sex"] = random.choice(["a", "b", "c"], rows), random.choice(["f", "m"], rows)
    frame["y"] = random.integers(0, 2, rows)
    return frame


def looked(first: pd.DataFrame, second: pd.DataFrame, target: str = "y") -> NearDuplicates:
    columns = list(second.columns)
    return near_duplicates(first, second, columns, target, (row_hashes(first, columns), row_hashes(second, columns)))


def by_pairs(first: pd.DataFrame, second: pd.DataFrame) -> tuple[list[bool], list[bool]]:
    """Compare every pair of rows: the definition, word for word."""
    tolerance = {c: TOLERANCE * (first[c].quantile(0.75) - first[c].quantile(0.25)) for c in first if first[c].dtype.kind in "fi"}
    edited, noisy = [], []
    for _, row in second.iterrows():
        same = [(first[c] == row[c]) | (first[c].isna() & pd.isna(row[c])) for c in second]
        agreeing = pd.concat(same, axis=1).sum(axis=1)
        near = [
            ((first[c].astype(float) - float(row[c])).abs() <= tolerance[c]) | (first[c].isna() & pd.isna(row[c]))
            if tolerance.get(c)
            else same[at]
            for at, c in enumerate(second)
        ]
        exact = bool((agreeing == second.shape[1]).any())
        edited.append(not exact and bool((agreeing == second.shape[1] - 1).any()))
        noisy.append(not exact and bool(pd.concat(near, axis=1).all(axis=1).any()))
    return edited, noisy


def test_honest_data_hold_none() -> None:
    frame = honest(3000)
    found = looked(frame[:2000], frame[2000:])
    assert not found.near.any()
    assert not found.exact.any()
    assert not found.within.any()
    assert found.conflicting is not None
    assert not found.conflicting.any()
    assert found.compared == tuple(frame.columns)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(lambda f: f.assign(x2=f["x2"] + 100), "edited", id="one number"),
        pytest.param(lambda f: f.assign(kind="z"), "edited", id="one category"),
        pytest.param(lambda f: f.assign(x0=np.nan), "edited", id="one cell lost"),
        pytest.param(lambda f: f.assign(y=1 - f["y"]), "edited", id="the label"),
        pytest.param(lambda f: f.assign(**{c: f[c] + 0.005 for c in f if c.startswith("x")}), "noisy", id="a little noise everywhere"),
        pytest.param(lambda f: f.assign(**{c: f[c].astype("float32") for c in f if c.startswith("x")}), "noisy", id="other precision"),
    ],
)
def test_planted_copies_are_found(change: Any, kind: str) -> None:
    frame = honest(1200)
    train, test = frame[:1000], frame[1000:]
    found = looked(train, pd.concat([change(train[:7]), test]))
    assert getattr(found, kind).tolist() == [True] * 7 + [False] * 200
    assert found.near.sum() == 7


def test_exact_copies_are_left_to_their_own_measure() -> None:
    frame = honest(500)
    found = looked(frame[:400], pd.concat([frame[:5], frame[400:]]))
    assert found.exact.sum() == 5
    assert not found.near.any()


def test_a_copy_with_a_new_identifier_is_found() -> None:
    frame = honest(1500)
    first, second = frame[:1200].assign(key=range(1200)), frame[1200:].assign(key=range(5000, 5300))
    copied = first[:4].assign(key=range(9000, 9004), x0=lambda f: f["x0"] + 50)
    found = looked(first, pd.concat([copied, second]))
    assert found.identifiers == ("key",)
    assert found.edited.tolist() == [True] * 4 + [False] * 300
    text = looked(first.assign(key=first["key"].map(str)), pd.concat([copied, second]).assign(key=lambda f: f["key"].map(str)))
    assert text.identifiers == ("key",)


def test_rows_with_other_labels_conflict() -> None:
    frame = honest(300)
    train, test = frame[:200], frame[200:]
    found = looked(train, pd.concat([train[:3].assign(y=1 - train["y"][:3]), train[3:5], test]))
    assert found.conflicting is not None
    assert found.conflicting.tolist() == [True] * 3 + [False] * 102
    both = pd.concat([train, train[:1].assign(y=1 - train["y"][:1])])
    assert looked(both, train[:1]).conflicting is not None
    assert looked(both, train[:1]).conflicting.tolist() == [True]  # type: ignore[union-attr]
    assert looked(train, test, target="absent").conflicting is None


def test_what_chance_gives_shows_within_the_first_frame() -> None:
    random = np.random.default_rng(0)
    coarse = pd.DataFrame({f"c{at}": random.integers(0, 3, 2000) for at in range(6)})
    found = looked(coarse[:1500], coarse[1500:], "none")
    assert found.within.mean() > 0.9
    assert (found.near | found.exact).mean() > 0.9
    large = pd.DataFrame({f"x{at}": random.normal(size=MOST_WITHIN + 5000) for at in range(3)})
    assert len(looked(large[:-100], large[-100:], "none").within) == MOST_WITHIN


def test_missing_and_infinite_numbers_must_stand_alike() -> None:
    frame = honest(400)
    train, test = frame[:300].copy(), frame[:3].copy()
    train.loc[0, "x1"] = test.loc[0, "x1"] = np.nan
    train.loc[1, "x1"] = test.loc[1, "x1"] = np.inf
    test[["x0", "x2"]] += 0.001
    test.loc[2, "x1"] = np.nan
    assert looked(train, test).noisy.tolist() == [True, True, False]


@pytest.mark.parametrize("name", ["load_wine", "load_breast_cancer", "load_diabetes"])
def test_real_data_split_at_random_hold_none(name: str) -> None:
    import sklearn.datasets

    frame = getattr(sklearn.datasets, name)(as_frame=True).frame.sample(frac=1, random_state=0)
    cut = int(0.7 * len(frame))
    assert not looked(frame[:cut], frame[cut:], "target").near.any()


def test_too_few_columns_say_nothing() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with pytest.raises(CannotMeasure, match="2 columns are too few"):
        looked(frame, frame, "none")


cells = st.one_of(st.none(), st.integers(0, 2).map(float), st.floats(0, 1, width=16))


@settings(max_examples=12)
@given(
    rows=st.lists(st.tuples(cells, cells, st.sampled_from("ab"), st.integers(0, 1)), min_size=6, max_size=25),
    cut=st.integers(2, 4),
    shift=st.sampled_from([0.0, 1e-5, 0.5]),
)
def test_it_is_what_comparing_all_pairs_gives(rows: Any, cut: int, shift: float) -> None:
    frame = pd.DataFrame(rows, columns=["p", "q", "kind", "y"]).astype({"p": float, "q": float})
    first, second = frame[cut:], pd.concat([frame[:cut], frame[cut : cut + 2].assign(p=lambda f: f["p"] + shift)])
    before = (first.copy(), second.copy())
    found = looked(first, second)
    edited, noisy = by_pairs(first, second)
    assert found.edited.tolist() == edited
    assert found.noisy.tolist() == noisy
    pd.testing.assert_frame_equal(first, before[0])
    pd.testing.assert_frame_equal(second, before[1])
