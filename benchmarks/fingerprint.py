"""Fingerprint of a frame of mixed dtypes, against MLflow's dataset object and against sha256 of the bare buffers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from aims_mlflow.fingerprint import Fingerprint, fingerprint
from benchmarks.comparing import Comparison
from benchmarks.data import mixed


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield both: 1,000,000 x 20."""
    import mlflow.data

    rows = 20_000 if quick else 1_000_000
    frame = mixed(rows)

    def dataset() -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's advice on whole numbers that may miss
            made: dict[str, Any] = mlflow.data.from_pandas(frame, source="benchmark.csv").to_dict()
        return made

    def agree(theirs: dict[str, Any], ours: Fingerprint) -> str:
        assert int(ours.rows) == rows
        assert len(ours.columns) == 20
        changed = frame.copy()
        changed.loc[rows - 1, "int0"] += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            same = mlflow.data.from_pandas(changed, source="benchmark.csv").digest == theirs["digest"]
        assert same, "MLflow's digest has begun to see every row: say so in docs/benchmarks.md"
        assert fingerprint(changed).sha256 != ours.sha256
        assert fingerprint(frame.copy()).sha256 == ours.sha256
        return (
            "not comparable: MLflow's digest covers 10,000 rows (asserted: a change in the last row leaves it as it is, and changes ours)"
        )

    name = f"fingerprint, {rows:,} x 20 mixed"
    yield Comparison(name, "`mlflow.data.from_pandas(...).to_dict()`", dataset, lambda: fingerprint(frame), agree, "less", 20)
    yield Comparison(name, "raw sha256 of the buffers", lambda: raw(frame), lambda: fingerprint(frame), agree_raw, "of", 2.5)


def raw(frame: pd.DataFrame) -> list[str]:
    """Return the sha256 of the memory of every column as it lies there: numpy's, Arrow's for text, the codes of categories."""
    return [_raw(frame[name]) for name in frame.columns]


def _raw(column: pd.Series[Any]) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return hashlib.sha256(np.ascontiguousarray(column.cat.codes.to_numpy())).hexdigest()
    if pd.api.types.is_string_dtype(column.dtype):
        hasher = hashlib.sha256()
        array = pa.array(column)
        for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            for held in chunk.buffers():
                if held is not None:
                    hasher.update(held)
        return hasher.hexdigest()
    return hashlib.sha256(np.ascontiguousarray(column.to_numpy()).view(np.uint8)).hexdigest()


def agree_raw(theirs: list[str], ours: Fingerprint) -> str:
    """Compare how many columns were read; raw digests depend on dtypes' memory and are another number by design."""
    assert len(theirs) == len(ours.column_digests) == 20
    return "not comparable: raw bytes differ where content does not (missing values, chunks, widths of codes)"
