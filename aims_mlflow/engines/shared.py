"""Rows that two datasets share, counted over all rows of both by the 64-bit keys of their content, whichever engine holds them.

Where one is on Spark, Spark counts: a union of keys, grouped, in one query. Elsewhere the keys stand in temporary files since the
sample was drawn, bucket by bucket in order, and are gone through side by side.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aims_mlflow.engines import canonical
from aims_mlflow.engines.content import written
from aims_mlflow.engines.frames import Frame
from aims_mlflow.errors import AimsError, CannotMeasure

if TYPE_CHECKING:
    from aims_mlflow.engines.drawing import Tally
    from aims_mlflow.observation import Dataset

KEYS_SENT_AT_MOST = 1_000_000
"""Different rows of a dataset of this process whose keys are sent to Spark: 16 MB."""

BY_KEYS = "all rows were compared by 64-bit keys of their content: a row that another one is taken for is possible, and hardly ever happens"

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Shared:
    """How many of the second dataset's ``rows`` stand in the first, and whether both hold the same rows equally often."""

    shared: int
    rows: int
    identical: bool


def shared_rows(first: Dataset, second: Dataset, columns: Collection[str]) -> Shared:
    """Return how many rows of the second dataset equal some row of the first in all of ``columns``, the columns of both.

    Raises:
        CannotMeasure: cells without bytes of their own, too many rows to send to Spark, or an engine that failed (or is closed).
    """
    try:
        spark = next((one.held for one in (first, second) if _stands_on_spark(one)), None)
        if spark is None:
            found = _here(tally_of(first, columns), tally_of(second, columns))
        else:
            from aims_mlflow.engines.on_spark import compared

            found = _shared(*compared(*(_on_spark(one, columns, spark.sparkSession) for one in (first, second))))
    except AimsError:
        raise
    except Exception as error:
        log.warning("rows could not be compared over all of them: %s: %s", type(error).__name__, error)
        raise CannotMeasure(
            f"the engine that holds them failed ({type(error).__name__})",
            fix="keep it open until the run is over; the log of the training process has the exception's own text",
        ) from None
    rows = second.whole.rows if second.whole is not None else len(second.frame)
    if found.rows != rows:
        raise CannotMeasure(
            f"the {second.role} data had {rows} rows when they were taken and {found.rows} when they were compared",
            fix="pass data that stand still until the run is over: a table's snapshot, or files that nobody writes to",
        )
    return found


def tally_of(dataset: Dataset, columns: Collection[str]) -> Tally:
    """Return the keys of all rows of a dataset over ``columns``, counted: those that were kept, or read anew. Not for Spark."""
    whole = dataset.whole
    if whole is not None and whole.tally is not None and set(whole.missing) == set(columns):
        return whole.tally
    return tallied(Frame.of(dataset.frame if whole is None or whole.complete else dataset.held), columns)


def tallied(frame: Frame, columns: Collection[str]) -> Tally:
    """Return the keys of all rows of a frame over ``columns``, counted: they are read once. Not for Spark."""
    from aims_mlflow.engines.drawing import Tally

    tally = Tally()
    for batch in frame.batches(tuple(sorted(columns))):
        with written(frame):
            keys = canonical.row_keys(batch.columns)
        tally.put(keys)
    return tally


def _stands_on_spark(dataset: Dataset) -> bool:
    """Return whether Spark has to count: a frame of Spark that was read whole is here."""
    return dataset.whole is not None and not dataset.whole.complete and dataset.whole.engine == "spark"


def _shared(shared: int, rows: int, otherwise: int) -> Shared:
    return Shared(shared, rows, otherwise == 0)


def _here(first: Tally, second: Tally) -> Shared:
    import numpy as np

    shared, rows, identical = 0, 0, True
    for (known, often), (keys, counts) in zip(first.counted(), second.counted(), strict=True):
        shared += int(counts[np.isin(keys, known, assume_unique=True)].sum())
        rows += int(counts.sum())
        identical = identical and np.array_equal(known, keys) and np.array_equal(often, counts)
    return Shared(shared, rows, bool(identical))


def _on_spark(dataset: Dataset, columns: Collection[str], session: Any) -> Any:
    """Return the keys of a dataset as a Spark frame of ``key`` and ``n``; those of this process are sent, where they are not too many."""
    if _stands_on_spark(dataset):
        from pyspark.sql import functions as f  # pyright: ignore[reportMissingImports] # an extra

        from aims_mlflow.engines.on_spark import keyed

        return keyed(Frame.of(dataset.held), columns).withColumn("n", f.lit(1).cast("long"))
    import numpy as np
    import pyarrow as pa

    parts = list(tally_of(dataset, columns).counted())
    if sum(len(keys) for keys, _ in parts) > KEYS_SENT_AT_MOST:
        raise CannotMeasure(
            f"the {dataset.role} data, in the memory of this process, have more than {KEYS_SENT_AT_MOST} different rows to send to Spark",
            fix="pass both datasets as Spark frames",
        )
    keys, counts = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    return session.createDataFrame(pa.table({"key": keys.view(np.int64), "n": counts}))
