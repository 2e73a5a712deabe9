from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aims_mlflow.measuring.trials.perturbations import PERTURBATIONS, changed_cells, emptied, held, spreads

NUMERIC = ["int8", "uint8", "int64", "uint64", "float32", "float64", "Int64", "Float64", "int64[pyarrow]", "double[pyarrow]"]


def mixed() -> pd.DataFrame:
    n = 200
    columns: dict[str, Any] = {dtype: pd.Series(np.arange(n) % 100).astype(dtype) for dtype in NUMERIC}
    columns["bool"] = np.arange(n) % 2 == 0
    columns["text"] = ["a", "b"] * (n // 2)
    columns["object"] = pd.Series(["a", None] * (n // 2), dtype=object)
    columns["category"] = pd.Categorical(["a", "b"] * (n // 2))
    columns["time"] = pd.date_range("2020-01-01", periods=n)
    return pd.DataFrame(columns)


def copy(name: str, frame: pd.DataFrame, strength: float, seed: int = 0) -> pd.DataFrame:
    return PERTURBATIONS[name].copy(name, frame, strength, spreads(frame), seed)


def test_noise_moves_numbers_only_and_keeps_their_dtype() -> None:
    frame = mixed()
    noisy = copy("numeric_noise", frame, 0.5)
    assert (noisy.dtypes == frame.dtypes).all()
    for name in frame.columns:
        moved = changed_cells(frame[[name]], noisy[[name]])
        assert moved > 100 if name in NUMERIC else moved == 0
    assert noisy["uint8"].max() <= 255


def test_noise_is_as_strong_as_asked() -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(5, 3, 20_000)})
    moved = copy("numeric_noise", frame, 0.2)["x"] - frame["x"]
    low, high = np.quantile(frame["x"], [0.25, 0.75])
    assert moved.std() == pytest.approx(0.2 * (high - low), rel=0.03)
    assert moved.mean() == pytest.approx(0, abs=0.02)


def test_missing_empties_at_the_rate_asked() -> None:
    frame = mixed()
    emptied = copy("missing", frame, 0.2)
    fresh = int(emptied.isna().sum().sum() - frame.isna().sum().sum())
    assert changed_cells(frame, emptied) == fresh
    assert emptied.isna().mean().drop("object").mean() == pytest.approx(0.2, abs=0.02)
    assert emptied["int64"].dtype == "float64"
    assert emptied["Int64"].dtype == "Int64"


def test_missing_in_a_nullable_column_stays_missing_under_noise() -> None:
    frame = pd.DataFrame({"x": pd.array([1, None, 30, 400], dtype="Int64"), "y": [1.0, np.nan, 3.0, 9.0]})
    noisy = copy("numeric_noise", frame, 0.5)
    assert noisy["x"].isna().tolist() == noisy["y"].isna().tolist() == [False, True, False, False]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_frame_stays_as_it_was_and_a_seed_gives_the_same_copy(name: str) -> None:
    frame = mixed()
    before = frame.copy(deep=True)
    pd.testing.assert_frame_equal(copy(name, frame, 0.2), copy(name, frame, 0.2))
    pd.testing.assert_frame_equal(frame, before)
    assert changed_cells(copy(name, frame, 0.2), copy(name, frame, 0.2, seed=1)) > 0


def test_spread_is_the_interquartile_range_or_what_stands_in() -> None:
    frame = pd.DataFrame({"x": np.arange(101.0), "mostly": [0] * 96 + [9] * 5, "flat": 1, "nan": np.nan, "flag": True, "text": "a"})
    found = spreads(frame)
    assert set(found) == {"x", "mostly"}
    assert found["x"] == 50
    assert found["mostly"] == pytest.approx(1.349 * frame["mostly"].std(ddof=0))
    assert spreads(frame[["x"]], frame)["mostly"] == found["mostly"]


@given(hnp.arrays(st.sampled_from(["int8", "uint16", "int32", "int64", "float32"]), st.integers(5, 40)), st.floats(0.01, 50))
@settings(max_examples=80, deadline=None)
def test_noise_never_raises_nor_leaves_the_dtype(values: np.ndarray, strength: float) -> None:
    frame = pd.DataFrame({"x": values})
    with np.errstate(all="ignore"):
        noisy = copy("numeric_noise", frame, strength)
    assert noisy["x"].dtype == values.dtype
    assert len(noisy) == len(frame)


@pytest.mark.parametrize("kind", sorted(PERTURBATIONS))
def test_columns_may_be_called_after_anything_pandas_uses(kind: str) -> None:
    frame = pd.DataFrame({name: np.arange(50.0) for name in ("self", "index", "columns", "copy", "inplace")})
    changed = PERTURBATIONS[kind].copy(kind, frame, 0.2, spreads(frame), seed=0)
    assert list(changed.columns) == list(frame.columns)
    assert not changed["self"].equals(frame["self"])
    assert frame["self"].tolist() == list(np.arange(50.0))


@pytest.mark.parametrize("name", mixed().columns)
def test_emptied_cells_are_those_that_mask_gives(name: str) -> None:
    column, where = mixed()[name], np.random.default_rng(0).random(200) < 0.3
    pd.testing.assert_series_equal(emptied(column, where), column.mask(where), check_names=False)
    assert emptied(column, np.ones(200, dtype=bool)).isna().all()


@pytest.mark.parametrize("dtype", NUMERIC)
@pytest.mark.parametrize("value", [-1e30, -3.4, 0.0, 7.6, 1e30])
def test_numbers_are_held_in_the_columns_own_dtype(dtype: str, value: float) -> None:
    column = pd.Series([1, 2, 3]).astype(dtype)
    kept = held(column, np.full(3, value))
    assert kept.dtype == column.dtype
    if abs(value) < 1e20:
        least = 0 if dtype.startswith("uint") else -128
        assert kept.to_numpy(dtype=float) == pytest.approx(max(least, np.rint(value) if "int" in dtype.lower() else value), rel=1e-6)


def test_missing_numbers_stay_missing_where_the_dtype_can_hold_them() -> None:
    for dtype in ("float64", "Int64", "Float64", "int64[pyarrow]"):
        column = pd.Series(pd.array([1, None, 3], dtype="Int64")).astype(dtype)
        assert held(column, np.array([2.0, np.nan, 4.0])).isna().tolist() == [False, True, False]
