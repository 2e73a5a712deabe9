"""Parquet data larger than memory: the decorator on a pyarrow Dataset, a polars LazyFrame and a DuckDB relation, under 2 GB.

Each engine runs in a process of its own, which is ended as soon as it has more than 2 GB of its own resident (RssAnon, looked at ten times
a second). Pages of mapped files are not counted: the kernel takes them back whenever somebody needs the memory. Limits on what is reserved
are unfair: RLIMIT_AS counts mapped files, and RLIMIT_DATA the arenas of allocators, which DuckDB and polars reserve for each thread and
never touch.
``AIMS_OUTOFCORE_GB`` sets the size of the data in GB, 10 by default; they stand in a temporary folder until the end, in
``AIMS_OUTOFCORE_FOLDER`` where that is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.comparing import resident, spent

SIZE, FOLDER, ONLY = "AIMS_OUTOFCORE_GB", "AIMS_OUTOFCORE_FOLDER", "AIMS_OUTOFCORE_ENGINES"
GB, QUICK_GB = 10.0, 0.02
LIMIT = 2 * 10**9
"""Bytes that each process may have resident of its own."""

LOOK = 0.1
"""Seconds between two looks at what a process has resident."""

FILES = 8
FRACTIONS, WHOLE, TEXTS = 9, 5, 4
TEXT = 100
"""Characters of each text."""

ROWS_A_GROUP = 65_536
POOL = 20_000
"""Different values of each text."""

HEAD = "| Engine | Rows | Bytes in Parquet | Processor | Clock | Peak, resident | Evidence |\n|---|---|---|---|---|---|---|"


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table, one engine a line."""
    size = QUICK_GB if quick else float(os.environ.get(SIZE, GB))
    yield HEAD
    with tempfile.TemporaryDirectory(dir=os.environ.get(FOLDER)) as made:
        folder = Path(made, "data")
        rows = written(folder, int(size * 1e9))
        stands = sum(file.stat().st_size for file in folder.iterdir())
        for engine in (os.environ.get(ONLY) or ",".join(ENGINES)).split(","):
            yield _line(engine, rows, stands, _in_a_child(engine, folder, rows))
    yield ""
    yield (
        f"20 columns ({FRACTIONS} fractions, {WHOLE} whole numbers, {TEXTS} texts of {TEXT} characters, a group, a target) in {FILES} "
        f"files, in row groups of {ROWS_A_GROUP:,} rows, neither compressed nor in dictionaries. A process that has more than "
        f"{LIMIT / 1e9:g} GB of its own resident is ended; mapped files do not count."
    )


def _line(engine: str, rows: int, stands: int, told: Mapping[str, Any]) -> str:
    took = [f"{told['cpu']:,.0f} s", f"{told['wall']:,.0f} s", f"{told['peak'] / 1e6:,.0f} MB"] if "peak" in told else ["-", "-", "-"]
    return f"| {engine} | {rows:,} | {stands / 1e9:.2f} GB | {' | '.join(took)} | {told['said']} |"


def _in_a_child(engine: str, folder: Path, rows: int) -> Mapping[str, Any]:
    """Run one engine in a process of its own; what it says."""
    command = [sys.executable, "-m", "benchmarks.outofcore", engine, str(folder)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=out, stderr=err)  # noqa: S603 - our own words
        peak = 0
        while child.poll() is None and peak <= LIMIT:
            time.sleep(LOOK)
            peak = max(peak, resident(child.pid, "RssAnon"))
        beyond = peak > LIMIT
        if beyond:
            child.kill()
        child.wait()
        for file in (out, err):
            file.seek(0)
        if beyond:
            return {"said": f"ended: it had more than {LIMIT / 1e9:g} GB resident"}
        if child.returncode:
            last = (err.read().strip().splitlines() or [f"ended by signal {-child.returncode}"])[-1]
            return {"said": f"failed: {last[:120]}"}
        told: dict[str, Any] = json.loads(out.read().splitlines()[-1])
    assert told["rows"] == rows, told
    return {**told, "peak": peak}


def written(folder: Path, size: int) -> int:
    """Write about ``size`` bytes of Parquet in batches; return the number of rows."""
    import pyarrow.parquet as pq

    folder.mkdir()
    a_row = 8 * (FRACTIONS + WHOLE) + (TEXT + 4) * TEXTS + 10 + 8
    groups = max(size // a_row // ROWS_A_GROUP, 1)
    files, rows = min(FILES, groups), 0
    for file in range(files):
        many = groups // files + (file < groups % files)
        batches = (batch(file * 100_000 + at) for at in range(many))
        with pq.ParquetWriter(folder / f"part-{file}.parquet", batch(0, 1).schema, compression="none", use_dictionary=False) as writer:
            for one in batches:
                writer.write_batch(one, row_group_size=ROWS_A_GROUP)
                rows += one.num_rows
    return rows


def batch(seed: int, rows: int = ROWS_A_GROUP) -> pa.RecordBatch:
    """Return one row group of made-up rows."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"fraction{at}": random.normal(at, 1, rows) for at in range(FRACTIONS)}
    columns["fraction0"] = pa.array(columns["fraction0"], mask=random.random(rows) < 0.02)
    columns |= {f"whole{at}": random.integers(0, 10 ** (at + 2), rows) for at in range(WHOLE)}
    for at in range(TEXTS):
        pool = pa.array([f"{at}-{value:07d}-".ljust(TEXT, "abcdefghij"[at]) for value in range(POOL)])
        columns[f"text{at}"] = pool.take(pa.array(random.integers(0, POOL, rows)))
    columns["sex"] = pa.array(np.array(["female", "male"])[random.integers(0, 2, rows)])
    columns["paid"] = random.integers(0, 2, rows)
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})


def _dataset(folder: Path) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(folder)


def _lazy(folder: Path) -> Any:
    import polars as pl

    return pl.scan_parquet(folder / "*.parquet")


def _relation(folder: Path) -> Any:
    import duckdb

    settings = {"memory_limit": "1GB", "threads": "2", "preserve_insertion_order": "false", "temp_directory": str(folder.parent / "spill")}
    return duckdb.connect(config=settings).from_parquet(str(folder / "*.parquet"))


ENGINES: dict[str, Callable[[Path], Any]] = {"pyarrow Dataset": _dataset, "polars LazyFrame": _lazy, "DuckDB relation": _relation}
"""How the data are opened; DuckDB with the limit that one would give it beside other work."""

CONTENT: dict[str, Any] = {
    "version": 1,
    "system": {"id": "outofcore"},
    "task": {"kind": "binary_classification", "target": "paid", "positive_label": 1},
    "data": {"roles": {"train": "train"}, "sensitive": ["sex"]},
    "requirements": [
        {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.9},
        {"check": "quality", "dataset": "train", "metric": "duplicate_rows", "max": 0},
        {"check": "quality", "dataset": "train", "metric": "minority_share", "min": 0.4},
    ],
}


def _child(engine: str, folder: Path) -> None:
    """Run the decorator over the data in this process, and print what it took."""
    import aims_mlflow as aims
    from aims_mlflow.system import System
    from benchmarks.track import last_bundle
    from benchmarks.track import store as fresh_store

    @aims.track(System.model_validate(CONTENT))
    def train(train: Any) -> None:
        """Nothing is fitted: what the evidence costs is measured."""

    with fresh_store(), spent() as took:
        train(ENGINES[engine](folder))
        bundle = last_bundle()
    (data,) = bundle.datasets
    asked = [e for e in bundle.evidence if e.kind == "declared"]
    said = f"{sum(e.state.value == 'pass' for e in asked)} of {len(asked)} requirements pass, over all rows; {data.algorithm}"
    print(json.dumps({"rows": data.rows, "cpu": took.cpu, "wall": took.wall, "said": said}))


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
