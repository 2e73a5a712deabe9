"""The digest of a frame's whole content: equal wherever the same rows are, other where one cell is."""

# ruff: noqa: DTZ001 - times without a zone are what is tried

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.engines import canonical
from aims_mlflow.engines.content import ALGORITHM, content_fingerprint
from aims_mlflow.errors import CannotMeasure

from .conftest import made, on

COLUMNS = tuple(made().column_names)


def digest(frame: Any) -> str:
    return content_fingerprint(frame).sha256


def test_it_is_the_same_on_every_engine(frame: Any, table: pa.Table) -> None:
    found = content_fingerprint(frame)
    assert found.sha256 == digest(table)
    assert found.algorithm == ALGORITHM
    assert (found.rows, set(found.columns)) == (table.num_rows, set(COLUMNS))


def test_it_is_known() -> None:
    """A digest that was written once must be found again for ever."""
    assert digest(made()) == "46002d8cf99ec76a4c00b4ac0ccbc07a86ca89bf94139bb86e85c19c47d92a25"


@pytest.mark.parametrize("column", COLUMNS)
def test_one_changed_cell_changes_it(column: str, table: pa.Table) -> None:
    values = table.column(column).to_pylist()
    at = next(row for row, value in enumerate(values) if value is not None and value == value and row > 300)
    old = values[at]
    values[at] = not old if isinstance(old, bool) else old + "x" if isinstance(old, str) else _next(old)
    changed = table.set_column(COLUMNS.index(column), column, pa.array(values, table.schema.field(column).type))
    assert digest(changed) != digest(table)


def _next(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value + (dt.timedelta(microseconds=1) if isinstance(value, dt.datetime) else dt.timedelta(1))
    return np.nextafter(value, 9.0) if isinstance(value, float) else value + (Decimal("0.01") if isinstance(value, Decimal) else 1)


def test_one_changed_cell_changes_it_on_each_engine(engine: str, table: pa.Table, tmp_path: Path, request: Any) -> None:
    values = table.column("number").to_pylist()
    values[-1] = 12345
    changed = table.set_column(0, "number", pa.array(values, pa.int32()))
    spark = request.getfixturevalue("spark") if engine == "spark" else None
    assert digest(on(engine, changed, tmp_path, spark)) == digest(changed) != digest(table)


def test_partitions_and_order_do_not_matter_to_spark(spark: Any, table: pa.Table, tmp_path: Path) -> None:
    frame = on("spark", table, tmp_path, spark)
    shuffled = frame.select(*reversed(frame.columns)).repartition(3, "sex", "day")
    assert digest(shuffled) == digest(frame.coalesce(1)) == digest(table)


# What is one content, and what is two


def one(values: list[Any], kind: Any = None) -> str:
    return digest(pa.table({"x": pa.array(values, kind)}))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1, None], pa.int8()), pa.array([1, None], pa.int64())),
        (pa.array([1, 2], pa.uint64()), pa.array([1.0, 2.0], pa.float32())),
        (pa.array([2**63], pa.uint64()), pa.array([2.0**63])),
        (pa.array([Decimal("1.50"), Decimal(2)]), pa.array([Decimal("1.5000"), Decimal("2.0000")])),
        (pa.array([Decimal(7)]), pa.array([7])),
        (pa.array([float("nan"), None]), pa.array([None, None], pa.float64())),
        (pa.array([None, None]), pa.array([None, None], pa.string())),
        (pa.array(["a", None, "bb" * 9]), pa.array(["a", None, "bb" * 9]).dictionary_encode()),
        (pa.array(["a", "bb" * 9], pa.string()), pa.array(["a", "bb" * 9], pa.large_string())),
        (pa.array([dt.date(1969, 5, 1)]), pa.array([dt.datetime(1969, 5, 1)], pa.timestamp("s"))),
        (pa.array([10**6], pa.timestamp("us", "UTC")), pa.array([1], pa.timestamp("s", "Europe/Vienna"))),
        (pa.array([10**9 + 1000], pa.timestamp("ns")), pa.array([10**6 + 1], pa.timestamp("us"))),
        (pa.array([[1, 2], None]), pa.array([[1.0, 2.0], None])),
        (pa.array([b"ab"]), pa.array([b"ab"], pa.binary(2))),
        (pa.array([dt.timedelta(seconds=1)], pa.duration("s")), pa.array([dt.timedelta(seconds=1)], pa.duration("ns"))),
    ],
    ids=lambda array: str(array.type).replace(" ", ""),
)
def test_one_content_in_two_types(first: Any, second: Any) -> None:
    assert digest(pa.table({"x": first})) == digest(pa.table({"x": second}))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([0.0]), pa.array([-0.0])),
        (pa.array([0.1]), pa.array([np.nextafter(0.1, 1)])),
        (pa.array([0.1]), pa.array([0.1], pa.float32())),
        (pa.array([1]), pa.array([True])),
        (pa.array([1]), pa.array(["1"])),
        (pa.array([""]), pa.array([None], pa.string())),
        (pa.array([b"a"]), pa.array(["a"])),
        (pa.array([2**63], pa.uint64()), pa.array([2**63 + 1], pa.uint64())),
        (pa.array([2**53]), pa.array([2**53 + 1])),
        (pa.array([0], pa.timestamp("us", "UTC")), pa.array([0], pa.timestamp("us"))),
        (pa.array([1], pa.timestamp("ns")), pa.array([2], pa.timestamp("ns"))),
        (pa.array(["a" * 8]), pa.array(["a" * 9])),
        (pa.array(["a"]), pa.array(["a\0"])),
        (pa.array([["a,b"]]), pa.array([["a", "b"]])),
        (pa.array([float("inf")]), pa.array([float("-inf")])),
    ],
    ids=lambda array: str(array.type).replace(" ", ""),
)
def test_two_contents(first: Any, second: Any) -> None:
    assert digest(pa.table({"x": first})) != digest(pa.table({"x": second}))


def test_names_count_and_their_order_does_not() -> None:
    table = pa.table({"a": [1, 2], "b": [3, 4]})
    assert digest(table.select(["b", "a"])) == digest(table)
    assert digest(table.rename_columns(["b", "a"])) != digest(table)
    assert digest(table.rename_columns(["a", "c"])) != digest(table)


def test_duplicates_count() -> None:
    """Two equal rows are not none (as under exclusive or), and 65,536 are not none (as with lanes of 16 bits)."""
    assert len({one([7] * times + [8]) for times in (0, 1, 2, 3)}) == 4
    assert one([7] * 65_536 + [8] * 4) != one([9] * 65_536 + [8] * 4)


def test_swapped_cells_of_two_rows_change_it() -> None:
    assert digest(pa.table({"a": [1, 2], "b": [3, 4]})) != digest(pa.table({"a": [1, 2], "b": [4, 3]}))


def test_zero_rows_have_a_digest_of_their_own() -> None:
    assert one([], pa.int64()) != one([0])


def test_objects_of_several_types_are_told_apart() -> None:
    mixed = digest(pd.DataFrame({"x": pd.Series([1, "1", None], dtype=object)}))
    assert mixed != digest(pd.DataFrame({"x": pd.Series(["1", "1", None], dtype=object)}))
    assert mixed != digest(pd.DataFrame({"x": ["int:1", "str:'1'", None]}))
    with pytest.raises(CannotMeasure, match="without bytes of their own"):
        digest(pd.DataFrame({"x": [object()]}))


def test_times_beyond_microseconds_are_refused() -> None:
    with pytest.raises(CannotMeasure, match="outside the range of microseconds"):
        digest(pa.table({"x": pa.array([2**62], pa.timestamp("s"))}))


cells = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([-0.0, 0.5, 1e300, float("nan"), float("inf"), 2.0**63]))
texts = st.one_of(st.none(), st.sampled_from(["", "a", "12345678", "123456789", "ü" * 9]), st.text(max_size=12))
rows = st.lists(st.tuples(cells, texts, st.booleans() | st.none()), min_size=1, max_size=30)


def tabled(drawn: list[tuple[Any, ...]]) -> pa.Table:
    number, text, truth = zip(*drawn, strict=True)
    floats = pa.array([None if one is None else float(one) for one in number], pa.float64())
    return pa.table({"number": floats, "text": pa.array(text, pa.string()), "truth": pa.array(truth, pa.bool_())})


@given(drawn=rows, random=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_any_permutation_in_any_parts_is_the_same(drawn: list[tuple[Any, ...]], random: Any) -> None:
    shuffled = random.sample(drawn, len(drawn))
    cuts = sorted(random.sample(range(len(drawn) + 1), 2)) if len(drawn) > 1 else [0, 1]
    parts = [part for part in (shuffled[: cuts[0]], shuffled[cuts[0] : cuts[1]], shuffled[cuts[1] :]) if part]
    assert digest(pa.concat_tables([tabled(part) for part in parts])) == digest(tabled(drawn))
    assert digest(tabled(shuffled).to_pandas()) == digest(tabled(drawn))


@given(drawn=rows, data=st.data())
@settings(max_examples=60)
def test_any_changed_cell_any_row_more_or_less_is_other(drawn: list[tuple[Any, ...]], data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, len(drawn) - 1)), data.draw(st.integers(0, 2))
    other = list(drawn[row])
    other[column] = {0: 77.25, 1: "another one, longer", 2: None if other[2] is not None else True}[column]
    changed = [*drawn[:row], tuple(other), *drawn[row + 1 :]]
    digests = [digest(tabled(one)) for one in (drawn, changed, [*drawn, drawn[row]])]
    assert len(set(digests)) == 3


@given(drawn=rows)
@settings(max_examples=30)
def test_polars_and_duckdb_give_the_same(drawn: list[tuple[Any, ...]]) -> None:
    import duckdb
    import polars as pl

    table = tabled(drawn)
    with duckdb.connect() as connection:
        assert digest(connection.from_arrow(table)) == digest(pl.from_arrow(table)) == digest(table)


def test_a_row_is_written_the_same_whatever_stands_beside_it() -> None:
    """A column with long text in one batch and without in another writes the same rows: parts are cut anywhere."""
    texts = ["short", None, "a text of more than eight bytes", "x"]
    together = canonical.row_keys([pa.array(texts), pa.array([1, 2, 3, None])])
    apart = [
        canonical.row_keys([pa.array([text], pa.string()), pa.array([n], pa.int16())])[0]
        for text, n in zip(texts, [1, 2, 3, None], strict=True)
    ]
    assert together.tolist() == apart


def test_the_workers_need_not_have_this_package(tmp_path: Path) -> None:
    """What is sent to them runs where ``aims_mlflow`` cannot be imported."""
    pytest.importorskip("pyspark", reason="pyspark is not installed here: the extra spark, and Java 17")
    from pyspark import cloudpickle

    from aims_mlflow.engines import on_spark

    batch = made(50).select(["number", "text"]).to_batches()[0]
    with on_spark._sent_by_value():
        works = [on_spark._sums_of([0, 1]), on_spark._keys_of([0, 1]), on_spark._chosen(0.5, 1)]
        works.append(on_spark._rows_of([0, 1], np.unique(canonical.row_keys(batch.columns))))
        (tmp_path / "sent").write_bytes(cloudpickle.dumps((works, batch)))
    script = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "aims_mlflow":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from pyspark import cloudpickle
works, batch = cloudpickle.loads(open(sys.argv[1], "rb").read())
sums, keys = list(works[0]([batch])), list(works[1]([batch]))
import pyarrow as pa
list(works[2]([pa.RecordBatch.from_arrays([keys[0].column(0), pa.array([1] * batch.num_rows)], names=["key", "n"])]))
assert sum(part.num_rows for part in works[3]([batch])) == len(set(keys[0].column(0).to_pylist()))
print(sums[0].column(0)[0], not any(name.startswith("aims_mlflow") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "sent")], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == ["50", "True"], done.stderr
