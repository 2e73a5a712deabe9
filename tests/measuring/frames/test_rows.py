"""Hashes and numbers of rows; pandas is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.frames.rows import drawn_by_content, row_hashes, row_ids

ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, -0.0, 1.0, 0.5, float("nan"), 2.0**60]),
        st.sampled_from(["", "a", "b", None]),
        st.booleans(),
        st.integers(-2, 2),
    ),
    min_size=1,
    max_size=12,
)


def framed(rows: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["x", "s", "b", "n"])
    frame["k"] = frame["s"].astype("category")
    frame["t"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(frame["n"], unit="h")
    return frame


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_duplicates_are_those_that_pandas_finds(rows: list[Any]) -> None:
    frame = framed(rows)
    (ids,) = row_ids((frame,), list(frame.columns))
    assert len(frame) - (ids.max() + 1) == frame.duplicated().sum()
    assert sorted(set(ids.tolist())) == list(range(ids.max() + 1))


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS)
def test_shared_rows_are_those_that_a_merge_finds(one: list[Any], other: list[Any]) -> None:
    left, right = framed(one), framed(other)
    columns = ["x", "s", "b", "n"]
    ours = np.isin(*reversed(row_ids((left, right), columns)))
    merged = right[columns].reset_index().merge(left[columns].drop_duplicates(), on=columns)
    assert ours.sum() == merged["index"].nunique()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [1.0, 2.0]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan]),
        ([True, False], [1, 0]),
        (pd.Series([True, None], dtype=object), pd.Series([True, None], dtype="boolean")),
        (pd.Series(["a", None], dtype=object), pd.Series(["a", None], dtype="category")),
        (pd.Series(["a", None], dtype="str"), pd.Series(["a", None], dtype="string[pyarrow]")),
        (pd.Series([3, 1]), pd.Series([3, 1], dtype="category")),
        (pd.to_datetime(["2020-01-01"]).astype("datetime64[s]"), pd.to_datetime(["2020-01-01"]).astype("datetime64[ns]")),
        (pd.Series([2**40], dtype="uint64"), pd.Series([2**40], dtype="int64[pyarrow]")),
    ],
)
def test_the_same_value_in_another_dtype_is_the_same(one: Any, other: Any) -> None:
    hashes = [row_hashes(pd.DataFrame({"c": column}), ["c"]) for column in (one, other)]
    assert np.array_equal(*hashes)


def test_neighbouring_numbers_text_and_columns_are_told_apart() -> None:
    frame = pd.DataFrame({"a": [2**53, 2**53 + 1, 1, 2], "b": ["1", "2", "x", "y"]})
    assert len(np.unique(row_hashes(frame, ["a"]), axis=0)) == 4
    swapped = pd.DataFrame({"a": [1, 2], "b": [2, 1]})
    assert row_ids((swapped,), ["a", "b"])[0].max() == 1
    text, number = pd.DataFrame({"c": ["1"]}), pd.DataFrame({"c": [1]})
    assert not np.array_equal(row_hashes(text, ["c"]), row_hashes(number, ["c"]))


def test_every_bit_of_a_million_hashes_is_used() -> None:
    hashes = row_hashes(pd.DataFrame({"a": np.arange(100_000), "b": np.zeros(100_000)}), ["a", "b"])
    assert hashes.shape == (100_000, 2)
    assert len(np.unique(hashes[:, 0])) == len(np.unique(hashes[:, 1])) == 100_000
    bits = np.unpackbits(hashes.view(np.uint8), axis=1).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 0.01


def test_objects_are_refused() -> None:
    with pytest.raises(CannotMeasure, match="column 'c'"):
        row_hashes(pd.DataFrame({"c": [object()]}), ["c"])


def drawn(frame: pd.DataFrame, most: int, seed: int = 0) -> pd.DataFrame:
    return frame.iloc[drawn_by_content(row_hashes(frame, [*frame.columns]), most, seed)].reset_index(drop=True)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 12), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_rows_that_are_drawn_do_not_depend_on_their_order(rows: list[Any], most: int, seed: int, random: Any) -> None:
    frame = framed(rows)
    turned = [*range(len(frame))]
    random.shuffle(turned)
    one, other = drawn(frame, most, seed), drawn(frame.iloc[turned], most, seed)
    assert len(one) == min(most, len(frame))
    assert (row_hashes(one, [*one.columns]) == row_hashes(other, [*other.columns])).all()
    assert len(set(drawn_by_content(row_hashes(frame, [*frame.columns]), most, seed))) == len(one)


def test_each_row_is_drawn_with_the_same_chance_and_each_copy_of_equal_rows_too() -> None:
    """Over 400 seeds a row is drawn 100 times, give or take 8.7 (binomial); equal rows come as a hypergeometric draw has them."""
    frame = pd.DataFrame({"x": [*range(60), *[1000] * 40]})
    seeds, most = 400, 25
    times, copies = np.zeros(60), []
    for seed in range(seeds):
        found = drawn(frame, most, seed)["x"]
        copies.append(int((found == 1000).sum()))
        times[found[found < 60]] += 1
    assert abs(times.mean() - 100) < 5 * 8.7 / np.sqrt(60)
    assert 6.5 < times.std() < 11
    expected = hypergeom(100, 40, most)
    assert abs(np.mean(copies) - expected.mean()) < 5 * expected.std() / np.sqrt(seeds)
    assert 0.8 < np.std(copies) / expected.std() < 1.2
