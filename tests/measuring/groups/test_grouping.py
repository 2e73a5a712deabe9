from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.groups.grouping import DISCLOSURE_MINIMUM, crossed, crossings, groups_of
from aims_mlflow.system import BinnedColumn


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


NAMED: list[tuple[Any, list[str]]] = [
    (["m", "f"], ["f", "m"]),
    ([2, 1], ["1", "2"]),
    ([10.0, 9.0], ["9", "10"]),
    ([True, False], ["False", "True"]),
    (pd.array([True, False], dtype="boolean"), ["False", "True"]),
    (pd.Categorical(["b", "a"], categories=["a", "b", "unused"]), ["a", "b"]),
]


@pytest.mark.parametrize(("pair", "names"), NAMED)
def test_values_become_groups_in_order(pair: Any, names: list[str]) -> None:
    column = pd.concat([pd.Series(pair)] * 10, ignore_index=True)
    found = groups_of(frame(g=column), "g")
    assert list(found.names) == names
    assert found.sizes == (10, 10)
    assert found.codes[:2].tolist() == [1, 0]


def test_small_groups_have_no_name() -> None:
    values = ["large"] * 10 + ["Jane Doe"] * 9 + ["tiny"]
    found = groups_of(frame(g=values), "g")
    assert found.names == ("withheld-1 (under 10 rows)", "large", "withheld-2 (under 10 rows)")
    assert found.sizes == (9, 10, 1)


def test_bins_cut_where_they_were_declared() -> None:
    ages = [24.9, 25, 39, 40, 90] * 10
    found = groups_of(frame(age=ages), BinnedColumn(column="age", bins=(25, 40)))
    assert found.names == ("under 25", "25 to under 40", "40 and over")
    assert found.codes[:5].tolist() == [0, 1, 1, 2, 2]


def test_crossing_names_pairs_of_groups_and_leaves_out_empty_ones() -> None:
    data = frame(a=["x", "x", "y"] * 10, b=["u", "v", "v"] * 10, c=[0, 1, 1] * 10)
    parts = [groups_of(data, name) for name in "abc"]
    assert [" & ".join(c) for c in crossings(["a", "b", "c"])] == ["a & b", "a & c", "b & c", "a & b & c"]
    assert crossings(["a"]) == []
    both = crossed(parts[:2])
    assert (both.column, both.names) == ("a & b", ("x & u", "x & v", "y & v"))
    assert both.codes[:3].tolist() == [0, 1, 2]
    assert crossed(parts).names == ("x & u & 0", "x & v & 1", "y & v & 1")


def test_names_are_withheld_in_a_crossing_by_its_own_cells() -> None:
    data = frame(a=["x"] * 30 + ["y"] * 30, b=(["u"] * 28 + ["v"] * 2) + (["u"] * 15 + ["v"] * 15))
    assert crossed([groups_of(data, "a"), groups_of(data, "b")]).names == ("x & u", "withheld-1 (under 10 rows)", "y & u", "y & v")


BAD: list[tuple[Any, Any, str]] = [
    ({"h": [1, 2]}, "g", "is not in the data"),
    ({"g": ["a", None, "b"]}, "g", "1 missing values"),
    ({"g": [np.nan, np.nan]}, "g", "2 missing values"),
    ({"g": ["a", "a"]}, "g", "single group"),
    ({"g": []}, "g", "single group"),
    ({"g": list(range(21))}, "g", "21 different values and no bins"),
    ({"g": [0.5, 0.25] * 50}, "g", "a fraction and no bins"),
    ({"g": pd.array([1.5, 2.0], "Float64")}, "g", "a fraction and no bins"),
    ({"g": pd.date_range("2020-01-01", periods=30)}, "g", "30 different values and no bins"),
    ({"g": [f"person {n}" for n in range(101)]}, "g", "101 groups"),
    ({"g": pd.Series([1, "1"], dtype=object)}, "g", "several types"),
    ({"g": pd.Series([[1], [2]], dtype=object)}, "g", "not single values"),
    ({"g": ["a", "b"]}, BinnedColumn(column="g", bins=(1,)), "bins are declared"),
    ({"g": [True, False]}, BinnedColumn(column="g", bins=(1,)), "bins are declared"),
    ({"g": [1, 2]}, BinnedColumn(column="g", bins=(5,)), "single group"),
]


@pytest.mark.parametrize(("columns", "spec", "words"), BAD)
def test_what_is_no_grouping_is_said_with_the_fix(columns: Any, spec: Any, words: str) -> None:
    with pytest.raises(CannotMeasure, match=words) as raised:
        groups_of(frame(**columns), spec)
    assert raised.value.fix
    assert "person" not in str(raised.value)


def test_crossed_groups_of_one_name_are_refused() -> None:
    data = frame(a=["x & y", "x"] * 10, b=["z", "y & z"] * 10)
    with pytest.raises(CannotMeasure, match="same name"):
        crossed([groups_of(data, "a"), groups_of(data, "b")])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), min_size=8, max_size=80))
def test_every_row_is_in_one_group_and_no_small_one_is_named(rows: list[tuple[str, int]]) -> None:
    data = pd.DataFrame(rows, columns=["a", "b"])
    if data["a"].nunique() < 2 or data["b"].nunique() < 2:
        return
    found = crossed([groups_of(data, "a"), groups_of(data, "b")])
    truth = data.groupby(["a", "b"]).size()
    assert sorted(found.sizes) == sorted(truth)
    for code, name, size in zip(range(len(found)), found.names, found.sizes, strict=True):
        assert (found.codes == code).sum() == size
        assert name.startswith("withheld") == (size < DISCLOSURE_MINIMUM)
        if size >= DISCLOSURE_MINIMUM:
            left, right = name.split(" & ")
            assert truth[(left, int(right))] == size
