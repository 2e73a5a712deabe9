"""Groups in tasks of several classes: each class against the rest, the worst class, the mean over classes, and macro averages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aims_mlflow.evidence import Measure
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.groups.pairs import furthest_difference
from aims_mlflow.measuring.scores.tables import Statistic, by_counts, draws_of, statistic_of

if TYPE_CHECKING:
    import numpy as np

RATES_OF_CLASSES = ("selection_rate", "true_positive_rate", "false_positive_rate")
"""Rates that are taken of each class against the rest."""

CLASS_MEASURES = tuple(
    name
    for rate in RATES_OF_CLASSES
    for name in (f"class_{rate}_difference", f"{rate}_difference_class_max", f"{rate}_difference_class_mean")
)
"""One-vs-rest: fairlearn's difference for each class (its group is "class 1", in the order of the labels), the worst class's,
and the mean over classes."""

MACRO_MEASURES = ("balanced_accuracy_score", "f1_score", "precision_score", "recall_score")
"""Scikit-learn's macro averages over the classes, of each group."""

_LEVEL = 0.95
_AT_ONCE = 2_000_000
_CELLS = 3_000_000
_SEED = 0


def class_table(
    codes: np.ndarray, groups: int, y_true: np.ndarray, y_pred: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the counts (groups, classes, classes) of group, truth and prediction, from arrays (n,) of codes, ``weights`` rows each."""
    import numpy as np

    cells = (codes.astype(np.int64) * classes + y_true) * classes + y_pred
    return np.bincount(cells, weights, minlength=groups * classes**2).astype(np.int64).reshape(groups, classes, classes)


def macro_measures(table: np.ndarray, names: Sequence[str]) -> list[Measure]:
    """Return ``MACRO_MEASURES`` of every group from its confusion table, resampled for the interval.

    Averages run over the classes that the group has or is predicted to have, as scikit-learn's do on the group's rows.
    """
    statistics: dict[str, Statistic] = {}
    for name in MACRO_MEASURES:
        found = statistic_of(name, "multiclass_classification")
        if found is not None:
            statistics[name] = found
    made = []
    for own, group in zip(table, names, strict=True):
        intervals = by_counts(own, statistics, draws_of(table.size, _CELLS))
        for name, statistic in statistics.items():
            low, high, method = intervals[name] or (None, None, None)
            value = float(statistic(own[None])[0])
            made.append(Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method=method, n=int(own.sum()), group=group))
    return made


def class_measures(table: np.ndarray) -> list[Measure]:
    """Return ``CLASS_MEASURES`` from the counts (groups, classes, classes).

    A class's interval covers every pair of groups, the worst class's every class and pair: the upper end is the highest of
    Newcombe's upper ends (an intersection-union bound), the lower end the highest lower end after Bonferroni. The mean over
    classes is resampled: its upper end is the percentile, which leans upward as the largest gap does; its lower end is the
    value less the 97.5 % quantile of the range of the noise, which bounds it whatever the truth (triangle inequality).
    """
    made, whole = [], {rate: _Counts.of(table, rate) for rate in RATES_OF_CLASSES}
    gaps: dict[str, list[np.ndarray]] = {rate: [] for rate in whole}
    noise: dict[str, list[np.ndarray]] = {rate: [] for rate in whole}
    for draws in _drawn(table):
        for rate, counts in whole.items():
            found = _Counts.of(draws, rate).shares()
            gaps[rate].append(_range(found).mean(axis=1))
            noise[rate].append(_range(found - counts.shares()).mean(axis=1))
    for rate, counts in whole.items():
        made += [_of_class(f"class_{rate}_difference", counts, [at], f"class {at + 1}") for at in range(table.shape[1])]
        made.append(_of_class(f"{rate}_difference_class_max", counts, list(range(table.shape[1])), None))
        made.append(_mean(f"{rate}_difference_class_mean", counts, gaps[rate], noise[rate]))
    return made


def _range(shares: np.ndarray) -> np.ndarray:
    """Return the widest difference between two groups, of shares (..., groups, classes)."""
    import numpy as np

    return np.asarray(np.ptp(shares, axis=-2))


@dataclass(frozen=True)
class _Counts:
    """Cases that a rate counts, and those it counts them among, (..., groups, classes)."""

    counted: np.ndarray
    among: np.ndarray

    @classmethod
    def of(cls, tables: np.ndarray, rate: str) -> _Counts:
        """Take a rate's counts from tables (..., groups, truth, prediction)."""
        import numpy as np

        truths, said = tables.sum(axis=-1), tables.sum(axis=-2)
        rows = truths.sum(axis=-1, keepdims=True)
        hits = np.diagonal(tables, axis1=-2, axis2=-1)
        if rate == "selection_rate":
            return cls(said, np.broadcast_to(rows, said.shape))
        return cls(hits, truths) if rate == "true_positive_rate" else cls(said - hits, rows - truths)

    def shares(self) -> np.ndarray:
        """Return the rates (..., groups, classes); NaN where there is nothing to count among."""
        import numpy as np

        return np.where(self.among > 0, self.counted / np.where(self.among > 0, self.among, 1), np.nan)


def _of_class(name: str, counts: _Counts, classes: list[int], group: str | None) -> Measure:
    some = _Counts(counts.counted[:, classes], counts.among[:, classes])
    smallest = int(some.among.min())
    if smallest == 0:
        return Measure(name=name, value=None, n=smallest, group=group)
    gaps = _range(some.shares())
    pairs = math.comb(len(some.among), 2) * len(classes)
    high = furthest_difference(some.counted, some.among, _LEVEL, "high")
    low = max(0.0, furthest_difference(some.counted, some.among, 1 - (1 - _LEVEL) / pairs, "low"))
    method = "newcombe, all pairs" if group else "newcombe, all pairs and classes"
    return Measure(name=name, value=float(gaps.max()), ci_low=low, ci_high=high, ci_method=method, n=smallest, group=group)


def _mean(name: str, counts: _Counts, gaps: Sequence[np.ndarray], noise: Sequence[np.ndarray]) -> Measure:
    import numpy as np

    smallest = int(counts.among.min())
    if smallest == 0:
        return Measure(name=name, value=None, n=smallest)
    value, ends = float(_range(counts.shares()).mean()), resampling.ends(np.concatenate(gaps))
    if ends is None:
        return Measure(name=name, value=value, n=smallest)
    low = value - float(np.nanquantile(np.concatenate(noise), (1 + _LEVEL) / 2))
    method = f"multinomial, {sum(map(len, gaps))} resamples; low end less all noise"
    return Measure(name=name, value=value, ci_low=max(0.0, low), ci_high=max(ends[1], value), ci_method=method, n=smallest)


def _drawn(table: np.ndarray) -> Iterator[np.ndarray]:
    """Yield resampled tables (some resamples, groups, classes, classes), never many cells at once."""
    import numpy as np

    random, n = np.random.default_rng(_SEED), int(table.sum())
    left = draws_of(table.size, _CELLS)
    while left > 0:
        some = min(left, max(1, _AT_ONCE // table.size))
        yield random.multinomial(n, table.ravel() / n, size=some).reshape(some, *table.shape)
        left -= some
