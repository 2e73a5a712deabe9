"""Rows that two datasets share, over all rows, wherever they stand: the same as pandas finds when it looks at them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from aims_mlflow import registry
from aims_mlflow.engines import shared
from aims_mlflow.engines.frames import Frame
from aims_mlflow.engines.restating import AT_LEAST, restated
from aims_mlflow.engines.shared import Shared, shared_rows
from aims_mlflow.engines.whole import Whole, as_pandas
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.judging.bounds import measure_verdict
from aims_mlflow.observation import Code, Dataset, Observation, RunFacts
from aims_mlflow.system import Requirement, System

from .conftest import made, on

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BIG = ("polars", "polars lazy", "pyarrow", "pyarrow dataset", "duckdb", "spark")
PAIRS = [(name, name) for name in BIG] + [("duckdb", "spark"), ("pandas", "polars lazy")]


def of(role: str, given: Any) -> Dataset:
    """The data as they are taken, with ten rows for a sample; pandas is seen whole."""
    frame = Frame.of(given)
    if frame.engine == "pandas":
        return Dataset(role, given, fingerprint(given))
    shown = as_pandas(made(10))
    rows = given.count() if frame.engine == "spark" else sum(batch.num_rows for batch in frame.batches())
    tally = None if frame.engine == "spark" else shared.tallied(frame, frame.schema.columns)
    whole = Whole(frame.engine, rows, dict.fromkeys(frame.schema.columns, 0), 400, 10, 0, "", tally=tally)
    return Dataset(role, shown, fingerprint(shown), whole=whole, held=given)


def second(table: pa.Table) -> pa.Table:
    """200 rows that the first has not but for 30 of them, two of which are equal."""
    kept = table.slice(0, 30).take(pa.array([*range(29), 0]))
    other = table.slice(0, 170)
    column = other.schema.get_field_index("label")
    return pa.concat_tables([kept, other.set_column(column, "label", pa.array([7] * 170))])


@pytest.mark.parametrize("pair", PAIRS, ids=[" and ".join(pair).replace(" ", "-") for pair in PAIRS])
def test_they_are_counted_over_all_rows(pair: tuple[str, str], table: pa.Table, tmp_path: Path, request: Any) -> None:
    spark = request.getfixturevalue("spark") if "spark" in pair else None
    sides = [on(engine, side, tmp_path, spark) for engine, side in zip(pair, (table, second(table)), strict=True)]
    first, other = (of(role, side) for role, side in zip(("train", "test"), sides, strict=True))
    assert shared_rows(first, other, table.column_names) == Shared(30, 200, identical=False)
    if "spark" not in pair:
        assert shared_rows(other, first, table.column_names).rows == 600
        assert shared_rows(first, first, table.column_names) == Shared(600, 600, identical=True)
        without = [name for name in table.column_names if name != "label"]
        assert shared_rows(first, other, without).shared == 200  # read anew: other columns than those that were kept


def test_the_same_rows_in_another_order_are_identical_on_spark_too(spark: Any, table: pa.Table, tmp_path: Path) -> None:
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    first, other = of("train", on("spark", table, tmp_path, spark)), of("test", shuffled.to_pandas())
    assert shared_rows(first, other, table.column_names) == Shared(600, 600, identical=True)


def overlap_of(system: System, train: Dataset, test: Dataset) -> CheckResult:
    seen = Observation(system, {"train": train, "test": test}, RunFacts("run", AT, Code("unknown")))
    (result,) = registry.get("overlap").run(seen)
    return restated(result, {one.role: one.whole for one in (train, test) if one.whole is not None}, system)


def test_a_requirement_can_be_met_and_missed(table: pa.Table, example_system: System) -> None:
    system = example_system.model_copy(update={"requirements": ()})
    asked = Requirement(check="overlap", metric="shared_rows", max=0)
    train = of("train", table)
    for test, state, count in ((second(table).slice(30), "pass", 0), (second(table), "fail", 30)):
        result = overlap_of(system, train, of("test", test))
        measure = result.measure("shared_rows")
        assert measure is not None
        assert (measure.value, measure.exact, measure_verdict(asked, measure).state.value) == (count, True, state)
        assert shared.BY_KEYS in result.notes
        assert "sample" not in result.facts


def test_an_engine_that_is_closed_leaves_the_samples(table: pa.Table, example_system: System) -> None:
    """Nothing was kept of one of them, and it cannot be read: what the samples share is the least there is."""
    import duckdb

    connection = duckdb.connect()
    relation = connection.from_arrow(table)
    train, test = of("train", table), of("test", relation)
    assert test.whole is not None
    object.__setattr__(test.whole, "tally", None)
    connection.close()
    result = overlap_of(example_system.model_copy(update={"requirements": ()}), train, test)
    measure = result.measure("shared_rows")
    assert measure is not None
    assert measure.ci_method == AT_LEAST
    assert any("not compared over all of them: the engine that holds them failed" in note for note in result.notes)


def test_data_that_did_not_stand_still_are_not_said_to_be_counted(table: pa.Table) -> None:
    first, other = of("train", table), of("test", second(table))
    assert other.whole is not None
    object.__setattr__(other.whole, "rows", 201)
    with pytest.raises(CannotMeasure, match="had 201 rows when they were taken and 200 when they were compared"):
        shared_rows(first, other, table.column_names)


def test_too_many_rows_are_not_sent_to_spark(spark: Any, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "KEYS_SENT_AT_MOST", 399)
    with pytest.raises(CannotMeasure, match="more than 399 different rows to send to Spark"):
        shared_rows(of("train", on("spark", table, tmp_path, spark)), of("test", table.to_pandas()), table.column_names)


def test_a_tally_can_be_asked_twice_and_goes_with_whoever_has_it() -> None:
    frame = Frame.of(made())
    tally = shared.tallied(frame, frame.schema.columns)
    first, again = ([(keys.tolist(), counts.tolist()) for keys, counts in tally.counted()] for _ in range(2))
    assert first == again
    assert sum(sum(counts) for _, counts in first) == 600
    (packed,) = files = tally._files
    assert not packed.closed
    del tally
    assert files[0].closed
