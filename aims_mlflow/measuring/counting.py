"""Predictions that the engine counted over all rows, as an observation of one row for each combination, and how often it stands there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.observation import Observation

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class AllRows:
    """What was seen, with each combination of groups, truth and prediction as one row that stands for ``weights`` (n,) rows."""

    seen: Observation
    weights: np.ndarray


def all_rows(seen: Observation, role: str) -> tuple[AllRows | None, tuple[str, ...]]:
    """Return the counts over all rows of the data in ``role``, where the engine made them, and what is to be said about them.

    Raises:
        CannotMeasure: rows without a target.
    """
    counted = seen.counted.get(role)
    if counted is None:
        return None, ()
    if isinstance(counted, CannotMeasure):
        return None, (f"predictions were not counted over all rows: {counted.what}",)
    target = seen.system.task.target
    if target in counted.frame.columns:
        empty = int(counted.weights[counted.frame[target].isna().to_numpy()].sum())
        if empty:
            raise CannotMeasure(
                f"the target has {empty} missing values",
                where=f"column {target} of the {role} data",
                fix="drop the rows without a known outcome, or label them",
            )
    data = replace(seen.datasets[role], frame=counted.frame, whole=None, held=None)
    given = {**seen.given_predictions, role: counted.labels}
    return AllRows(replace(seen, datasets={**seen.datasets, role: data}, given_predictions=given), counted.weights), ()
