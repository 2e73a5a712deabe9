"""Counts over all rows: the same on every engine, and the same as pandas has them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from aims_mlflow.engines import counting
from aims_mlflow.engines.frames import Frame
from aims_mlflow.errors import CannotMeasure

from .conftest import on


def test_rows_and_missing_cells(engine: str, frame: Any, table: pa.Table) -> None:
    rows, missing = counting.rows_and_missing(Frame.of(frame))
    as_pandas = table.to_pandas()
    assert rows == table.num_rows
    assert {name: found.total for name, found in missing.items()} == as_pandas.isna().sum().to_dict()
    if engine != "pandas":  # there null and NaN are one
        assert missing["fraction"].null == table.column("fraction").null_count
    assert all(found.nan == 0 for name, found in missing.items() if name != "fraction")


def test_groups_are_counted_in_one_query(frame: Any, table: pa.Table) -> None:
    wanted = Counter(zip(*(table.column(name).to_pylist() for name in ("sex", "truth", "label")), strict=True))
    assert counting.group_counts(Frame.of(frame), ("sex", "truth", "label")) == dict(wanted)


def test_labels_are_counted_missing_ones_apart(frame: Any, table: pa.Table) -> None:
    assert counting.label_counts(Frame.of(frame), "text") == dict(Counter(table.column("text").to_pylist()))


def test_null_and_nan_are_one_missing_group(frame: Any, table: pa.Table) -> None:
    counts = counting.label_counts(Frame.of(frame), "fraction")
    assert counts[None] == int(table.to_pandas()["fraction"].isna().sum())
    assert all(key is None or key == key for key in counts)


@pytest.mark.parametrize("column", ["number", "fraction", "text", "day", "money"])
def test_different_values_are_counted_exactly(column: str, frame: Any, table: pa.Table) -> None:
    assert counting.distinct(Frame.of(frame), column) == table.to_pandas()[column].nunique()


def test_names_that_mean_something_to_sql_mean_nothing(engine: str, table: pa.Table, tmp_path: Path, request: Any) -> None:
    from aims_mlflow.engines.content import content_fingerprint

    names = ["a.b", 'e"f', "g h", "count", "rows", "null0", "ü", "key", "n", "len"]
    odd = table.rename_columns(names)
    given = on(engine, odd, tmp_path, request.getfixturevalue("spark") if engine == "spark" else None)
    if engine == "spark":
        names[-1] = "c`d"
        given, odd = given.toDF(*names), odd.rename_columns(names)
    frame = Frame.of(given)
    assert counting.rows_and_missing(frame)[0] == table.num_rows
    assert len(counting.group_counts(frame, ("a.b", "ü"))) == len(counting.group_counts(Frame.of(table), ("number", "clock")))
    assert counting.distinct(frame, "a.b") == counting.distinct(Frame.of(table), "number")
    assert content_fingerprint(frame).sha256 == content_fingerprint(odd).sha256


def test_too_many_groups_are_refused(frame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "GROUPS_AT_MOST", 20)
    with pytest.raises(CannotMeasure, match="more than 20"):
        counting.group_counts(Frame.of(frame), ("day",))


def test_a_column_that_is_not_there_is_named(frame: Any) -> None:
    for count in (counting.label_counts, counting.distinct):
        with pytest.raises(CannotMeasure, match="nowhere are not in the data"):
            count(Frame.of(frame), "nowhere")
