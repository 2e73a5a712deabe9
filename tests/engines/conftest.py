"""The same rows on every engine: one Spark session for all tests, and a table with a column of every kind."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

ENGINES = ("pandas", "polars", "polars lazy", "pyarrow", "pyarrow dataset", "duckdb", "spark")
ROWS = 600
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pyspark leave a socket to the garbage collector, which it does with every frame that it collects."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A local Spark with two workers and little memory, whose time zone is none of ours."""
    pytest.importorskip("pyspark", reason="pyspark is not installed here: the extra spark, and Java 17")
    from pyspark.sql import SparkSession

    before = {name: os.environ.get(name) for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")}
    os.environ.update(PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable)
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "700m",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # queries of a few rows: compiling costs more
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "America/Los_Angeles",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.python.worker.reuse": "true",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    builder = SparkSession.builder.master("local[2]").appName("aims-tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    session.range(2).mapInArrow(lambda batches: batches, "id long").groupBy("id").count().toArrow()  # starts the workers
    yield session
    session.stop()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def made(rows: int = ROWS) -> pa.Table:
    """A table with a column of every kind; some rows stand in it several times."""
    utc, start = dt.UTC, dt.datetime(2020, 2, 28, 23, 59, 59)  # noqa: DTZ001 - a clock without a zone is what is tried
    at = [row % 400 for row in range(rows)]
    columns: dict[str, Any] = {
        "number": pa.array([None if k % 7 == 0 else k - 9 for k in at], pa.int32()),
        "fraction": pa.array([None if k % 5 == 0 else [float("nan"), -0.0, 0.0, 2.0, 0.1][k % 5] + k // 50 * 0.3 for k in at]),
        "text": pa.array([["a", "longer than eight bytes", "ü", None, ""][k % 5] for k in at]),
        "truth": pa.array([[True, False, None][k % 3] for k in at]),
        "day": pa.array([dt.date(2020, 1, 1) + dt.timedelta(k) for k in at]),
        "instant": pa.array([start.replace(tzinfo=utc) + dt.timedelta(hours=k) for k in at], pa.timestamp("us", tz="UTC")),
        "clock": pa.array([start + dt.timedelta(microseconds=k) for k in at], pa.timestamp("us")),
        "money": pa.array([Decimal(k) / 4 for k in at], pa.decimal128(9, 2)),
        "sex": pa.array([["female", "male"][k % 2] for k in at]),
        "label": pa.array([k * 7 % 3 == 0 for k in at]).cast(pa.int64()),
    }
    return pa.table(columns)


def on(engine: str, table: pa.Table, folder: Path, spark: Any = None) -> Any:
    """The rows of a table as a frame of an engine."""
    if engine == "pandas":
        return table.to_pandas()
    if engine == "pyarrow":
        return table
    if engine.startswith("polars"):
        import polars as pl

        frame: Any = pl.from_arrow(table)
        return frame.lazy() if engine.endswith("lazy") else frame
    if engine == "duckdb":
        import duckdb

        return duckdb.connect().from_arrow(table)
    import pyarrow.dataset as ds

    place = folder / f"rows-{abs(hash((table.num_rows, str(table.schema), table.slice(0, 5).to_pydict().__repr__())))}"
    if not place.exists():
        ds.write_dataset(table, place, format="parquet", max_rows_per_file=200, max_rows_per_group=100)
    return ds.dataset(place) if engine == "pyarrow dataset" else spark.read.parquet(str(place))


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """The rows as Arrow has them."""
    return made()


@pytest.fixture(params=ENGINES, ids=[name.replace(" ", "-") for name in ENGINES])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
def frame(engine: str, table: pa.Table, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """The same rows on each engine in turn."""
    return on(engine, table, tmp_path, request.getfixturevalue("spark") if engine == "spark" else None)
