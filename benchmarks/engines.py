"""The same frame on each engine: what its counts, its fingerprint and its quality cost, how they grow, and Great Expectations alone.

Each measurement is made in a process of its own, so that its peak of memory is its own. ``AIMS_ENGINES_ROWS`` sets the rows of the
larger frame (1,000,000 by default; 10000000 for the large one), ``AIMS_ENGINES`` names the engines, ``AIMS_ENGINES_TIMES`` says how
often each is measured (3): the same seconds differ by a fifth and more from one process to the next, so that one ratio says little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import on_spark
from benchmarks.comparing import children, resident, spent

ROWS, QUICK = 1_000_000, 4_000
SIZE, ONLY, TIMES = "AIMS_ENGINES_ROWS", "AIMS_ENGINES", "AIMS_ENGINES_TIMES"

GROWTH = 2.2
"""At most so many times the processor time for twice the rows; what an empty frame costs (imports, Java's start) is not counted."""

HEAD = (
    "| Engine | Rows | Counts, fingerprint, sample | Quality with 32 expectations | Great Expectations alone | Spark jobs | Peak | "
    "Twice the rows |\n|---|---|---|---|---|---|---|---|"
)


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table, one engine and size a line."""
    rows = QUICK if quick else int(os.environ.get(SIZE, ROWS))
    yield HEAD
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for many in (rows // 2, rows):
            write(folder / str(many), many)
        for engine in (os.environ.get(ONLY) or ",".join(ENGINES)).split(","):
            if engine == "Spark" and not on_spark.installed():
                yield "| Spark | - | not measured: pyspark is not installed | - | - | - | - | - |"
                continue
            pairs = [
                [_in_a_child(engine, folder / str(many), many) for many in (rows // 2, rows)]
                for _ in range(1 if quick else int(os.environ.get(TIMES, 3)))
            ]
            halves, wholes = ([pair[at] for pair in pairs] for at in (0, 1))
            yield _line(engine, _middle(halves), "-")
            yield _line(engine, _middle(wholes), _growth(halves, wholes))
    yield ""
    yield (
        "Processor seconds (seconds by the clock), with those of Java and Python below the process; libraries are imported before. "
        f"Counts: rows, missing cells, duplicates, labels, groups. Twice the rows: at most {GROWTH:g} times. Peak: resident, Java's apart."
    )


def _middle(told: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the measurement whose counts took the median time; the first that failed, where one did."""
    failed = [one for one in told if "counts" not in one]
    return failed[0] if failed else sorted(told, key=lambda one: one["counts"][0])[len(told) // 2]


def _growth(halves: Sequence[Mapping[str, Any]], wholes: Sequence[Mapping[str, Any]]) -> str:
    """Say how many times as much counts and fingerprint take for twice the rows: by the medians, and the least and most of any pair."""
    if any("counts" not in one for one in (*halves, *wholes)):
        return "-"
    half, whole = (median(one["counts"][0] for one in told) for told in (halves, wholes))
    pairs = [w["counts"][0] / h["counts"][0] for h, w in zip(halves, wholes, strict=True)]
    spread = f" (of {len(pairs)} pairs {min(pairs):.2f} to {max(pairs):.2f})" if len(pairs) > 1 else ""
    return f"{whole / half:.2f}x" + ("" if whole / half <= GROWTH else " (missed)") + spread


def _line(engine: str, told: Mapping[str, Any], growth: str) -> str:
    if "counts" not in told:
        return f"| {engine} | {told['rows']:,} | {told['said']} | - | - | - | - | - |"

    def took(name: str) -> str:
        return f"{told[name][0]:.1f} s ({told[name][1]:.1f})" if told.get(name) else "-"

    alone = took("alone") + (f", ours {told['quality'][0] / told['alone'][0]:.2f}x" if told.get("alone") else "")
    jobs = f"{told['jobs'][0]} and {told['jobs'][1]}" if told.get("jobs") else "-"
    peak = " and ".join(f"{one / 1e6:,.0f} MB" for one in told["peak"])
    return f"| {engine} | {told['rows']:,} | {took('counts')} | {took('quality')} | {alone} | {jobs} | {peak} | {growth} |"


def _in_a_child(engine: str, file: Path, rows: int) -> Mapping[str, Any]:
    command = [sys.executable, "-m", "benchmarks.engines", engine, str(file)]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)  # noqa: S603 - our own words
    if ran.returncode:
        return {"rows": rows, "said": f"failed: {(ran.stderr.strip().splitlines() or [str(ran.returncode)])[-1][:120]}"}
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert told["rows"] == rows, told
    return told


def write(folder: Path, rows: int) -> None:
    """Write the applicants of the other rows as Parquet, some hundred thousand at a time, no two parts alike."""
    from benchmarks.data import applicants

    folder.mkdir()
    part = applicants(min(rows, 500_000))
    for at, start in enumerate(range(0, rows, len(part))):
        made = part.iloc[: rows - start].assign(x11=part["x11"] + at)
        made.to_parquet(folder / f"part-{at}.parquet", row_group_size=65_536)


def _pandas(folder: Path, _: ExitStack) -> Any:
    import pandas as pd

    return pd.read_parquet(folder)


def _table(folder: Path, _: ExitStack) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(folder).to_table()


def _dataset(folder: Path, _: ExitStack) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(folder)


def _lazy(folder: Path, _: ExitStack) -> Any:
    import polars as pl

    return pl.scan_parquet(folder / "*.parquet")


def _relation(folder: Path, _: ExitStack) -> Any:
    import duckdb

    return duckdb.connect().from_parquet(str(folder / "*.parquet"))


def _spark(folder: Path, stack: ExitStack) -> Any:
    spark = stack.enter_context(on_spark.session())
    spark.range(10).count()  # its start is not what is measured
    return spark.read.parquet(str(folder))


ENGINES: dict[str, Callable[[Path, ExitStack], Any]] = {
    "pandas": _pandas,
    "pyarrow Table": _table,
    "pyarrow Dataset": _dataset,
    "polars LazyFrame": _lazy,
    "DuckDB relation": _relation,
    "Spark": _spark,
}


def _child(engine: str, folder: Path) -> None:
    """Take a frame and ask its quality in this process, and print what it took."""
    from aims_mlflow.observation import Code, Observation, RunFacts
    from aims_mlflow.registry import get
    from benchmarks.data import applicants
    from benchmarks.observing import observation, system
    from benchmarks.quality import validated

    with ExitStack() as stack:
        suite = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        declared, check = system(suite), get("quality")
        check.run(observation(declared, {"train": applicants(500)}))  # imports Great Expectations
        frame = ENGINES[engine](folder, stack)
        jobs = [_jobs(frame)]
        with spent() as counts:
            dataset = _taken(frame, declared)
        jobs.append(_jobs(frame))
        seen = Observation(declared, {"train": dataset}, RunFacts("benchmark", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), None)
        with spent() as quality:
            results = check.run(seen)
        jobs.append(_jobs(frame))
        assert all(r.problem is None for r in results), [r.problem for r in results]
        peak = [resident(os.getpid(), "VmHWM"), *([max(resident(pid, "VmHWM") for pid in children())] if engine == "Spark" else [])]
        alone = None
        if engine in ("pandas", "Spark"):
            with spent() as alone:
                validated(frame)
        told = {
            "rows": dataset.whole.rows if dataset.whole else len(dataset.frame),
            "counts": (counts.cpu, counts.wall),
            "quality": (quality.cpu, quality.wall),
            "alone": (alone.cpu, alone.wall) if alone else None,
            "jobs": (jobs[1] - jobs[0], jobs[2] - jobs[1]) if engine == "Spark" else None,
            "peak": peak,
        }
    print(json.dumps(told))


def _taken(frame: Any, declared: Any) -> Any:
    """Return a frame as a run takes it."""
    from aims_mlflow.capture.intake import Intake

    intake = Intake(declared)
    intake.data(frame, "train")
    return intake._seen["train"].dataset


def _jobs(frame: Any) -> int:
    """Return how many jobs a Spark session has run; 0 for any other engine."""
    spark = getattr(frame, "sparkSession", None)
    return int(spark.sparkContext._jsc.sc().statusStore().jobsList(None).size()) if spark is not None else 0


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
