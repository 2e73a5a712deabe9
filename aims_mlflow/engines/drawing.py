"""A seeded, bounded sample of the rows of a frame, the same for the same rows whatever their order and the engine's partitions.

Every row is drawn with the same chance, independently of the others (Poisson sampling). Equal rows cannot be told apart, so it is
drawn how many of them are in the sample: of ``m`` equal rows as many as the quantile of the binomial distribution (m, chance) at
the uniform number that their content and the seed give. Which rows are drawn is thus known from their content alone.

Two passes: the first counts how often each content stands in the frame (by 64-bit keys, sorted bucket by bucket in temporary files
beyond some size: 8 bytes a row, hashes and no values), the second fetches the rows that were drawn.
"""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aims_mlflow.engines import canonical, chances
from aims_mlflow.engines.content import written
from aims_mlflow.engines.frames import Frame

BUCKETS = 64
IN_MEMORY_BYTES = 1 << 20
"""Bytes of a bucket that stay in memory; what is more goes to a temporary file."""


@dataclass(frozen=True)
class Plan:
    """What is drawn: about ``size`` of ``rows`` rows, at most that, with ``seed``."""

    rows: int
    size: int
    seed: int

    @property
    def whole(self) -> bool:
        """Whether all rows are taken."""
        return self.rows <= self.size

    @property
    def chance(self) -> float:
        """The chance of a row to be drawn: so that more than ``size`` are drawn in 1 of 30,000 seeds (the last ones are dropped)."""
        return 1.0 if self.whole else max(self.size - 4.0 * self.size**0.5, 0.5 * self.size) / self.rows


def copies(keys: Any, counts: Any, plan: Plan) -> Any:
    """Return how many rows are drawn of each of the contents that ``chances.is_drawn`` gave (n,); they add up to ``plan.size`` at most."""
    import numpy as np
    from scipy.stats import binom

    drawn = np.ones(len(keys), dtype=np.int64)
    several = np.asarray(counts) > 1
    if several.any():
        found = binom.ppf(chances.uniform(keys, plan.seed)[several], np.asarray(counts)[several], plan.chance)
        drawn[several] = np.maximum(found.astype(np.int64), 1)
    order = np.argsort(chances.mixed(keys, plan.seed + 1), kind="stable")
    allowed = np.minimum(np.cumsum(drawn[order]), plan.size)
    drawn[order] = np.diff(allowed, prepend=0)
    return drawn


def arranged(table: Any, keys: Any, times: Any, seed: int) -> Any:
    """Return the rows of an Arrow table, each ``times`` its number, in the order that their keys (n,) and the seed give."""
    import numpy as np

    order = np.argsort(chances.mixed(keys, seed), kind="stable")
    return table.take(np.repeat(order, np.asarray(times)[order]))


class Tally(contextlib.AbstractContextManager["Tally"]):
    """How often each row key stands in a frame: keys are put in as they come, in buckets, and counted bucket by bucket.

    What is counted can be asked for again, until the tally is closed or nobody has it any more; its files go with it.
    """

    def __init__(self) -> None:
        self._files: list[Any] = [_file(IN_MEMORY_BYTES) for _ in range(BUCKETS)]
        self._sizes: list[int] = []
        self._close = weakref.finalize(self, _closed, self._files)

    def __exit__(self, *_: object) -> None:
        """Throw the keys away."""
        self._close()

    def put(self, keys: Any) -> None:
        """Put row keys (n,) in; none after they have been counted."""
        import numpy as np

        place = (keys >> np.uint64(58)).astype(np.int64)
        order = np.argsort(place, kind="stable")
        ends = np.cumsum(np.bincount(place, minlength=BUCKETS))
        for bucket, part in zip(self._files, np.split(keys[order], ends[:-1]), strict=True):
            if len(part):
                bucket.write(part.tobytes())

    def counted(self) -> Iterator[tuple[Any, Any]]:
        """Yield the different keys, sorted, and how often each was put in, bucket by bucket."""
        import numpy as np

        if not self._sizes:
            self._pack()
        (packed,), at = self._files, 0
        for size in self._sizes:
            packed.seek(at)
            at += 16 * size
            yield np.frombuffer(packed.read(8 * size), np.uint64), np.frombuffer(packed.read(8 * size), np.int64)

    def _pack(self) -> None:
        """Count the buckets and write what was counted into one file: open files are dear where a tally is kept."""
        import numpy as np

        packed = _file(BUCKETS * IN_MEMORY_BYTES)
        for bucket in self._files:
            bucket.seek(0)
            keys, counts = np.unique(np.frombuffer(bucket.read(), dtype=np.uint64), return_counts=True)
            bucket.close()
            packed.write(keys.tobytes() + counts.astype(np.int64).tobytes())
            self._sizes.append(len(keys))
        self._files[:] = [packed]


def _file(in_memory: int) -> Any:
    return tempfile.SpooledTemporaryFile(max_size=in_memory, prefix="aims-keys-")


def _closed(files: list[Any]) -> None:
    for file in files:
        file.close()


def drawn_here(frame: Frame, tally: Tally, plan: Plan) -> tuple[Any, int]:
    """Return the sample as an Arrow table, and how many different contents the frame's rows have. Not for Spark."""
    import numpy as np

    different, keys, counts = 0, [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for some, often in tally.counted():
        different += len(some)
        if not plan.whole:
            chosen = chances.is_drawn(some, often, plan.chance, plan.seed)
            keys.append(some[chosen])
            counts.append(often[chosen])
    if plan.whole:
        return _whole(frame, plan.seed), different
    wanted = np.concatenate(keys)  # sorted: the buckets are ranges of keys, in order
    times = copies(wanted, np.concatenate(counts), plan)
    table, found = _fetched(frame, wanted[times > 0])
    return arranged(table, found, times[np.searchsorted(wanted, found)], plan.seed), different


def in_order(table: Any, seed: int) -> Any:
    """Return all rows of an Arrow table in the order that their content and the seed give."""
    import numpy as np

    keys = canonical.row_keys([table.column(name) for name in sorted(table.column_names)])
    return arranged(table, keys, np.ones(len(keys), dtype=np.int64), seed)


def _whole(frame: Frame, seed: int) -> Any:
    import pyarrow as pa

    if frame.in_memory:
        return frame.table  # its order is the user's
    batches = list(frame.batches())
    return in_order(pa.Table.from_batches(batches) if batches else frame.arrow_schema.empty_table(), seed)


def _fetched(frame: Frame, wanted: Any) -> tuple[Any, Any]:
    """Return one row of each wanted content as an Arrow table, and their keys (n,)."""
    import numpy as np
    import pyarrow as pa

    found, keys, still = [], [np.empty(0, np.uint64)], np.ones(len(wanted), dtype=bool)
    order = sorted(frame.schema.columns)
    for batch in frame.batches():
        with written(frame):
            here = canonical.row_keys([batch.column(name) for name in order])
        rows = chances.first_of_each(here, wanted, still)
        if len(rows):
            found.append(batch.take(pa.array(rows)))
            keys.append(here[rows])
    table = pa.Table.from_batches(found) if found else frame.arrow_schema.empty_table()
    return table, np.concatenate(keys)
