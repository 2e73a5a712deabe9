"""What a frame is, and its columns in our words."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from aims_mlflow.engines.frames import Frame, engine_of
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.frames.columns import kind_of


def test_each_engine_is_known_by_its_own_frames(engine: str, frame: Any) -> None:
    assert engine_of(frame) == engine
    assert Frame.of(frame).in_memory == (engine in ("pandas", "polars", "pyarrow"))


@pytest.mark.parametrize("other", [[1, 2], {"a": [1]}, "frame", None, pa.array([1])], ids=["list", "dict", "text", "none", "array"])
def test_what_is_no_frame_is_said_to_be_none(other: Any) -> None:
    assert engine_of(other) is None
    with pytest.raises(CannotMeasure, match="no frame that is known"):
        Frame.of(other)


def test_a_record_batch_is_a_table(table: pa.Table) -> None:
    assert Frame.of(table.to_batches()[0]).schema == Frame.of(table).schema


def test_the_columns_are_of_the_kinds_that_pandas_gives(frame: Any, table: pa.Table) -> None:
    schema = Frame.of(frame).schema
    as_pandas = table.to_pandas()
    assert schema.columns == tuple(table.column_names)
    assert dict(zip(schema.columns, schema.kinds, strict=True)) == {name: kind_of(as_pandas[name]) for name in as_pandas}


def test_the_dtypes_have_the_same_names(engine: str, frame: Any) -> None:
    schema = Frame.of(frame).schema
    dtypes = dict(zip(schema.columns, schema.dtypes, strict=True))
    assert dtypes["instant"] == "timestamp[us, tz=UTC]"
    assert dtypes["text"] == "string"
    assert dtypes["fraction"] == "double"
    assert dtypes["number"] == ("double" if engine == "pandas" else "int32")  # pandas has no missing integers


@pytest.mark.parametrize(
    ("table", "told"),
    [(pa.table({}), "no columns"), (pa.table([[1], [2]], names=["a", "a"]), "duplicate column names: a")],
    ids=["no columns", "twice the same name"],
)
def test_columns_without_proper_names_are_refused(table: pa.Table, told: str) -> None:
    with pytest.raises(CannotMeasure, match=told):
        _ = Frame.of(table).schema


def test_batches_hold_all_rows_and_only_what_is_asked_for(engine: str, frame: Any, table: pa.Table) -> None:
    if engine == "spark":
        with pytest.raises(TypeError):
            list(Frame.of(frame).batches())
        return
    batches = list(Frame.of(frame).batches(("label", "sex")))
    assert sum(batch.num_rows for batch in batches) == table.num_rows
    assert {tuple(batch.schema.names) for batch in batches} == {("label", "sex")}


def test_reading_half_of_a_relation_leaves_the_connection_free() -> None:
    """DuckDB refuses other work on a connection while a result is not fetched to its end."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("create table numbers as select range n from range(300000)")
    batches: Any = Frame.of(connection.table("numbers")).batches()
    next(batches)
    batches.close()
    assert connection.execute("select count(*) from numbers").fetchall() == [(300_000,)]
