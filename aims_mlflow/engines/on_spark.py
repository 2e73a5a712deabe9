"""What runs inside Spark: sums of rows, counts of their keys, and the rows that were drawn; only these come back to the driver.

Functions for the workers close over numpy, pyarrow and blake3 alone, and are sent by value with the module that writes rows: the
workers need not have this package. The session, its settings and the user's frame are not touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from aims_mlflow.engines import canonical, chances, drawing
from aims_mlflow.engines.drawing import Plan
from aims_mlflow.engines.frames import Frame

_SUMS = "n long, lanes binary, bad string"
_KEYS = "key long"
_COUNTED = "key long, n long, different long"


@contextlib.contextmanager
def _sent_by_value() -> Iterator[None]:
    """Let pyspark send our two modules with the functions that use them."""
    from pyspark import cloudpickle as sending  # pyright: ignore[reportMissingImports] # an extra

    cloudpickle: Any = sending
    ours: list[Any] = [canonical, chances]
    before = [module for module in ours if module.__name__ in cloudpickle.cloudpickle.list_registry_pickle_by_value()]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in ours:
            if module not in before:
                cloudpickle.unregister_pickle_by_value(module)


def summed(frame: Frame) -> tuple[int, Any]:
    """Return the number of rows and the sum of their lanes: one job, one row of 2 KiB from each partition."""
    import numpy as np

    from aims_mlflow.errors import CannotMeasure

    with _sent_by_value():
        table = frame.plain.mapInArrow(_sums_of(_order(frame)), _SUMS).toArrow()
    bad = next((text for text in table.column("bad").to_pylist() if text), None)
    if bad is not None:
        raise CannotMeasure(
            f"a column of the Spark frame holds cells without bytes of their own to digest ({bad})",
            fix="store text, numbers, dates or lists of them, or drop the column",
        )
    total = np.zeros(canonical.LANES, dtype=np.uint64)
    for lanes in table.column("lanes").to_pylist():
        total += np.frombuffer(lanes, dtype="<u8")
    return sum(table.column("n").to_pylist()), total


def drawn(frame: Frame, plan: Plan) -> tuple[Any, int]:
    """Return the sample as an Arrow table, and how many different contents the rows have: two jobs, or one where all are taken."""
    import numpy as np
    from pyspark.sql.types import LongType, StructField, StructType  # pyright: ignore[reportMissingImports] # an extra

    order = _order(frame)
    with _sent_by_value():
        keyed = frame.plain.mapInArrow(_keys_of(order), _KEYS)
        counted = keyed.groupBy("key").count().withColumnRenamed("count", "n")
        found = counted.mapInArrow(_chosen(0.0 if plan.whole else plan.chance, plan.seed), _COUNTED).toArrow()
        different = sum(found.column("different").to_pylist())
        if plan.whole:
            return drawing.in_order(frame.given.toArrow(), plan.seed), different
        is_key = np.asarray(found.column("different").to_numpy()) == 0
        keys = found.column("key").to_numpy()[is_key].astype(np.int64).view(np.uint64)
        place = np.argsort(keys)
        keys, counts = keys[place], found.column("n").to_numpy()[is_key][place]
        times = drawing.copies(keys, counts, plan)
        wanted = keys[times > 0]
        shape = StructType([*frame.plain.schema.fields, StructField("key", LongType())])
        # Each partition sends its own first row of a content; the engine keeps one of them.
        table = frame.plain.mapInArrow(_rows_of(order, wanted), shape).dropDuplicates(["key"]).toArrow()
    here = table.column("key").to_numpy().astype(np.int64).view(np.uint64)
    rows = table.drop_columns(["key"]).rename_columns(list(frame.schema.columns))
    return drawing.arranged(rows, here, times[np.searchsorted(keys, here)], plan.seed), different


def keyed(frame: Frame, columns: Collection[str]) -> Any:
    """Return the row keys over some columns as a Spark frame of one column, ``key``; nothing is computed yet."""
    order = [at for at in _order(frame) if frame.schema.columns[at] in columns]
    with _sent_by_value():
        return frame.plain.select(*(f"c{at}" for at in order)).mapInArrow(_keys_of([*range(len(order))]), _KEYS)


def different_rows(frame: Frame, columns: Collection[str]) -> int:
    """Return how many different contents the rows have in some columns: one query."""
    return int(keyed(frame, columns).distinct().count())


def compared(first: Any, second: Any) -> tuple[int, int, int]:
    """Return how many rows of the second stand in the first, how many it has, and how many contents one has more often: one query.

    Both are Spark frames of ``key`` and ``n``, how often it stands there.
    """
    from pyspark.sql import functions as f  # pyright: ignore[reportMissingImports] # an extra

    zero = f.lit(0).cast("long")
    sides = first.select("key", f.col("n").alias("a"), zero.alias("b")).union(second.select("key", zero.alias("a"), f.col("n").alias("b")))
    each = sides.groupBy("key").agg(f.sum("a").alias("a"), f.sum("b").alias("b"))
    asked = (f.sum(f.when(f.col("a") > 0, f.col("b"))), f.sum("b"), f.sum(f.when(f.col("a") != f.col("b"), 1)))
    row = each.agg(*(f.coalesce(one, zero).alias(f"c{at}") for at, one in enumerate(asked))).toArrow().to_pylist()[0]
    return int(row["c0"]), int(row["c1"]), int(row["c2"])


def _order(frame: Frame) -> list[int]:
    """Return the positions of the columns in the order of their names."""
    columns = frame.schema.columns
    return sorted(range(len(columns)), key=lambda at: columns[at])


def _sums_of(order: list[int]) -> Callable[[Any], Iterator[Any]]:
    def sums(batches: Any) -> Iterator[Any]:
        import numpy as np
        import pyarrow as pa

        total, rows, bad = np.zeros(canonical.LANES, dtype=np.uint64), 0, ""
        for batch in batches:
            rows += batch.num_rows
            try:
                total += canonical.row_lanes([batch.column(at) for at in order])
            except canonical.NoBytes as error:
                bad = str(error)
        yield pa.RecordBatch.from_pydict({"n": [rows], "lanes": [total.astype("<u8").tobytes()], "bad": [bad]})

    return sums


def _keys_of(order: list[int]) -> Callable[[Any], Iterator[Any]]:
    def keys(batches: Any) -> Iterator[Any]:
        import numpy as np
        import pyarrow as pa

        for batch in batches:
            found = canonical.row_keys([batch.column(at) for at in order])
            yield pa.RecordBatch.from_pydict({"key": pa.array(found.view(np.int64))})

    return keys


def _chosen(chance: float, seed: int) -> Callable[[Any], Iterator[Any]]:
    """Return what gives the keys that are drawn, each with its count, and a row with how many there were."""

    def chosen(batches: Any) -> Iterator[Any]:
        import numpy as np
        import pyarrow as pa

        for batch in batches:
            keys, counts = batch.column(0).to_numpy(), batch.column(1).to_numpy()
            if chance:
                kept = chances.is_drawn(keys.view(np.uint64), counts, chance, seed)
                keys, counts = keys[kept], counts[kept]
            else:
                keys, counts = keys[:0], counts[:0]
            size = len(keys)
            yield pa.RecordBatch.from_pydict(
                {
                    "key": pa.array(np.append(keys, 0), pa.int64()),
                    "n": pa.array(np.append(counts, 0), pa.int64()),
                    "different": pa.array([0] * size + [batch.num_rows], pa.int64()),
                }
            )

    return chosen


def _rows_of(order: list[int], wanted: Any) -> Callable[[Any], Iterator[Any]]:
    """Return what gives one row of each wanted key (sorted) that the partition has, and the key."""

    def rows(batches: Any) -> Iterator[Any]:
        import numpy as np
        import pyarrow as pa

        still = np.ones(len(wanted), dtype=bool)
        for batch in batches:
            keys = canonical.row_keys([batch.column(at) for at in order])
            found = chances.first_of_each(keys, wanted, still)
            if len(found):
                taken = batch.take(pa.array(found))
                held = [*taken.columns, pa.array(keys[found].view(np.int64))]
                yield pa.RecordBatch.from_arrays(held, names=[*taken.schema.names, "key"])

    return rows
