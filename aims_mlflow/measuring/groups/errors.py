"""Errors of groups in a regression: absolute and squared errors, residuals and R2 by group, and the gaps between groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import student_t
from aims_mlflow.measuring.scores.influence import Influence, influence
from aims_mlflow.measuring.scores.scoring import Answers

if TYPE_CHECKING:
    import numpy as np

OF_ROWS = ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score")
ERRORS = (*OF_ROWS, "mean_residual", "mean_prediction")
"""Measures of a group, in the target's unit or its square; ``mean_residual`` is of y - y_hat (positive: predicted too low)."""

_COMPARED = ("mean_absolute_error", "root_mean_squared_error", "mean_residual", "mean_prediction")
ERROR_GAPS = tuple(f"{name}_difference" for name in _COMPARED)
"""The largest differences between two groups."""

LEVEL = 0.95


def error_measures(codes: np.ndarray, names: Sequence[str], y_true: np.ndarray, y_pred: np.ndarray) -> list[Measure]:
    """Return ``ERRORS`` of every group and ``ERROR_GAPS``, from arrays (n,).

    Intervals of losses and their roots are Hall's (1992), of other means Student's t, of R2 by the delta method (``influence``),
    of differences Welch's (1947):
    closed forms, of the same first-order accuracy as the percentile bootstrap. The interval of a largest difference has as its
    upper end the highest of the pairs' (an intersection-union bound) and as its lower end the highest after Bonferroni. A group
    of one row, or errors that are all alike, give no interval. ``n`` of a gap is the smallest group's rows.
    """
    own = [Answers("regression", y_true[codes == at], y_pred[codes == at], None, ()) for at in range(len(names))]
    found: dict[str, list[Influence | None]] = {name: [influence(name, group) for group in own] for name in OF_ROWS}
    found["mean_residual"] = [_mean(group.y_true - group.y_pred) for group in own]
    found["mean_prediction"] = [_mean(group.y_pred) for group in own]
    made = [_of_group(name, *one) for name, parts in found.items() for one in zip(parts, own, names, strict=True)]
    return [*made, *(_difference(f"{name}_difference", found[name], own) for name in _COMPARED)]


def _mean(rows: np.ndarray) -> Influence:
    value = float(rows.mean())
    return Influence(value, rows - value, "mean", "student t")


def _of_group(name: str, found: Influence | None, own: Answers, group: str) -> Measure:
    value, ends = own.value(name) if name in OF_ROWS else found.value if found else None, found.interval(LEVEL) if found else None
    if value is None or found is None or ends is None:
        return Measure(name=name, value=value, n=own.n, group=group)
    low = max(0.0, ends[0]) if name.endswith("error") else ends[0]
    return Measure(name=name, value=value, ci_low=low, ci_high=ends[1], ci_method=found.method, n=own.n, group=group)


def _difference(name: str, found: Sequence[Influence | None], own: Sequence[Answers]) -> Measure:
    n = min(group.n for group in own)
    values = [0.0 if one is None else one.value for one in found]  # a root of nothing has no influences
    value = max(values) - min(values)
    groups = [one for one in found if one is not None and one.error > 0]
    if len(groups) < len(found):
        return Measure(name=name, value=value, n=n)
    pairs = list(permutations(groups, 2))
    high = max(_welch(a, b, LEVEL)[1] for a, b in pairs)
    low = max(0.0, *(_welch(a, b, 1 - (1 - LEVEL) * 2 / len(pairs))[0] for a, b in pairs))
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method="welch, all pairs", n=n)


def _welch(one: Influence, other: Influence, level: float) -> tuple[float, float]:
    squared, rows = (one.error**2, other.error**2), (len(one.rows), len(other.rows))
    freedom = sum(squared) ** 2 / sum(s**2 / (n - 1) for s, n in zip(squared, rows, strict=True))
    half = student_t(level, freedom) * math.sqrt(sum(squared))
    return one.value - other.value - half, one.value - other.value + half
