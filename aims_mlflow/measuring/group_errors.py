"""Errors of groups in a regression: mean absolute error and mean residual by group, and the gaps between groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from aims_mlflow.evidence import Measure

if TYPE_CHECKING:
    import numpy as np

ERRORS = ("mean_absolute_error", "mean_residual")
"""Measures of a group: mean of |y - y_hat|, and of y - y_hat (positive: predicted too low), in the target's unit."""

ERROR_GAPS = ("mean_absolute_error_group_max", "mean_absolute_error_difference", "mean_residual_difference")
"""Measures over all groups: fairlearn's worst group, and the largest differences between two groups."""

LEVEL = 0.95


def error_measures(codes: np.ndarray, names: Sequence[str], y_true: np.ndarray, y_pred: np.ndarray) -> list[Measure]:
    """Return ``ERRORS`` of every group and ``ERROR_GAPS``, from arrays (n,).

    Intervals of means are Student's t, of differences Welch's (1947): closed forms, of the same first-order accuracy as the
    percentile bootstrap. An interval over all groups or pairs has as its upper end the highest of theirs (an
    intersection-union bound) and as its lower end the highest after Bonferroni. A group of one row, or errors that are all
    alike, give no interval. ``n`` of a gap is the smallest group's rows.
    """
    made: list[Measure] = []
    residual = y_true - y_pred
    for name, rows in (("mean_absolute_error", abs(residual)), ("mean_residual", residual)):
        groups = [_Mean(rows[codes == at]) for at in range(len(names))]
        made += [_of_group(name, mean, group) for mean, group in zip(groups, names, strict=True)]
        if name == "mean_absolute_error":
            made.append(_group_max(groups))
        made.append(_difference(f"{name}_difference", groups))
    return made


class _Mean:
    """Mean, squared standard error and size of a sample."""

    def __init__(self, values: np.ndarray) -> None:
        self.n = len(values)
        self.mean = float(values.mean())
        self.squared_error = float(values.var(ddof=1)) / self.n if self.n > 1 else math.nan

    def interval(self, level: float) -> tuple[float, float]:
        half = _t(level, self.n - 1) * math.sqrt(self.squared_error)
        return self.mean - half, self.mean + half


def _t(level: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def _certain(groups: Sequence[_Mean]) -> bool:
    """Whether no interval can be given: a group of one row, or errors without any spread."""
    return any(not g.squared_error > 0 for g in groups)


def _of_group(name: str, group: _Mean, label: str) -> Measure:
    if _certain([group]):
        return Measure(name=name, value=group.mean, n=group.n, group=label)
    low, high = group.interval(LEVEL)
    low = max(0.0, low) if name == "mean_absolute_error" else low
    return Measure(name=name, value=group.mean, ci_low=low, ci_high=high, ci_method="student t", n=group.n, group=label)


def _group_max(groups: Sequence[_Mean]) -> Measure:
    name, value, n = "mean_absolute_error_group_max", max(g.mean for g in groups), min(g.n for g in groups)
    if _certain(groups):
        return Measure(name=name, value=value, n=n)
    high = max(g.interval(LEVEL)[1] for g in groups)
    low = max(0.0, *(g.interval(1 - (1 - LEVEL) / len(groups))[0] for g in groups))
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method="student t, all groups", n=n)


def _difference(name: str, groups: Sequence[_Mean]) -> Measure:
    means = [g.mean for g in groups]
    value, n = max(means) - min(means), min(g.n for g in groups)
    if _certain(groups):
        return Measure(name=name, value=value, n=n)
    pairs = list(permutations(groups, 2))
    high = max(_welch(a, b, LEVEL)[1] for a, b in pairs)
    low = max(0.0, *(_welch(a, b, 1 - (1 - LEVEL) / len(pairs))[0] for a, b in pairs))
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method="welch, all pairs", n=n)


def _welch(one: _Mean, other: _Mean, level: float) -> tuple[float, float]:
    both = one.squared_error + other.squared_error
    freedom = both**2 / (one.squared_error**2 / (one.n - 1) + other.squared_error**2 / (other.n - 1))
    half = _t(level, freedom) * math.sqrt(both)
    return one.mean - other.mean - half, one.mean - other.mean + half
