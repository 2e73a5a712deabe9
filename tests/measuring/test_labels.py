from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.labels import UNKNOWN, Labels, kind_of, labels_of, plain, together

SAME: list[tuple[Any, Any]] = [
    (1, True),
    (1, 1.0),
    (1, np.int8(1)),
    (1, np.float32(1)),
    (0, np.bool_(False)),
    ("a", np.str_("a")),
    (2.5, np.float64(2.5)),
]
DIFFERENT: list[tuple[Any, Any]] = [(1, "1"), (1, 2), (True, "True"), ("a", "A"), (1, 1.5)]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_labels_that_mean_the_same_have_one_code(one: Any, other: Any) -> None:
    assert labels_of([one]).code(other) == 0
    assert labels_of([one]).codes([other]).tolist() == [0]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_labels_that_mean_something_else_are_unknown(one: Any, other: Any) -> None:
    assert labels_of([one]).code(other) == UNKNOWN
    assert labels_of([one]).codes([other]).tolist() == [UNKNOWN]


@pytest.mark.parametrize("dtype", ["int64", "float32", "bool", "boolean", "Int8", "object", "category"])
def test_codes_do_not_hang_on_the_dtype(dtype: str) -> None:
    column = pd.Series([1, 0, 1]).astype(dtype)
    assert Labels((0, 1)).codes(column).tolist() == [1, 0, 1]


def test_a_missing_label_is_unknown_and_no_label() -> None:
    assert labels_of(["b", None, "a"]).known == ("a", "b")
    assert Labels(("a", "b")).codes(["b", None]).tolist() == [1, UNKNOWN]


def test_labels_are_ordered_and_united() -> None:
    assert together([labels_of([3, 1]), labels_of([2.0, 1])]).known == (1, 2, 3)


@pytest.mark.parametrize(
    ("labels", "kind"), [(["a", "b"], "text"), ([1, 2.5, True], "numbers"), (["a", 1], "mixed"), ([b"a"], "other"), ([], "mixed")]
)
def test_kinds(labels: list[Any], kind: str) -> None:
    assert kind_of(labels) == kind


def test_lists_are_no_labels() -> None:
    with pytest.raises(CannotMeasure, match="not single values"):
        labels_of([[1], [2]])


@given(st.lists(st.one_of(st.integers(-3, 3), st.booleans(), st.sampled_from(["a", "1", ""]), st.just(2.5)), min_size=1))
def test_every_label_finds_itself(values: list[Any]) -> None:
    column = pd.Series(values, dtype=object)
    labels = labels_of(column)
    assert [labels.known[code] for code in labels.codes(column)] == [plain(value) for value in values]
