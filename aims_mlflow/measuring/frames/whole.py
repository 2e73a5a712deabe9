"""Counts over a whole dataset that several checks name: missing cells, duplicate rows, labels. Each is taken once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aims_mlflow.fingerprint import column_names
from aims_mlflow.observation import Observation

if TYPE_CHECKING:
    import pandas as pd


def missing_cells(seen: Observation, role: str) -> dict[str, int]:
    """Return how many cells of each column of the data in ``role`` are missing."""
    key = f"missing cells of {role}"
    if key not in seen.kept:
        frame = seen.dataset(role).frame
        seen.kept[key] = {name: int(frame[name].isna().sum()) for name in column_names(frame)}
    found: dict[str, int] = seen.kept[key]
    return found


def duplicate_rows(seen: Observation, role: str) -> int:
    """Return how many rows of the data in ``role`` equal an earlier one in every column, as ``DataFrame.duplicated`` counts them."""
    from aims_mlflow.measuring.frames.rows import hashes_of, ids_of

    key = f"duplicate rows of {role}"
    if key not in seen.kept:
        columns = column_names(seen.dataset(role).frame)
        (ids,) = ids_of([hashes_of(seen, role, columns)])
        seen.kept[key] = len(ids) - int(ids.max(initial=-1) + 1)
    found: int = seen.kept[key]
    return found


def label_counts(column: pd.Series[Any]) -> list[int]:
    """Return how many rows each label of a target has, missing ones left out; raises CannotMeasure for cells that are no labels."""
    import numpy as np

    from aims_mlflow.measuring.labels import labels_of

    labels = labels_of(column.to_numpy())
    codes = labels.codes(column.to_numpy())
    return [int(count) for count in np.bincount(codes[codes >= 0], minlength=len(labels.known))]


def evenness(counts: Sequence[int]) -> float | None:
    """Return Shannon's entropy of the counts over that of equal ones (Pielou 1966): 1 where all are alike, towards 0 where one rules.

    None where fewer than two are above 0: then there is nothing to be even.
    """
    present = [count for count in counts if count > 0]
    if len(present) < 2:
        return None
    rows = sum(present)
    entropy = -sum(count / rows * math.log(count / rows) for count in present)
    return min(1.0, entropy / math.log(len(present)))
