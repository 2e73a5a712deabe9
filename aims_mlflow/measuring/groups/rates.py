"""Rates of groups from one count table (group x truth x prediction), and fairlearn's disparities between them with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aims_mlflow.disparity import DISPARITIES, disparity_value
from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import wilson
from aims_mlflow.measuring.groups.pairs import furthest_difference, furthest_ratio

if TYPE_CHECKING:
    import numpy as np

RATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "selection_rate": (("tp", "fp"), ("tp", "fp", "fn", "tn")),
    "true_positive_rate": (("tp",), ("tp", "fn")),
    "false_positive_rate": (("fp",), ("fp", "tn")),
    "true_negative_rate": (("tn",), ("fp", "tn")),
    "false_negative_rate": (("fn",), ("tp", "fn")),
    "precision": (("tp",), ("tp", "fp")),
    "accuracy_score": (("tp", "tn"), ("tp", "fp", "fn", "tn")),
    "zero_one_loss": (("fp", "fn"), ("tp", "fp", "fn", "tn")),
}
"""Rate -> the cells counted, and the cells they are counted among; "positive" is the outcome people want."""

SIZES = ("group_size", "group_positives", "group_negatives")
"""Counts of each group: rows, and rows with and without the outcome people want."""

LEVEL = 0.95
"""Two-sided confidence of every interval here."""

_METHODS = {"difference": "newcombe, all pairs", "ratio": "mover, all pairs"}

MEANS_OF_RATES = ("balanced_accuracy_score", "f1_score")
"""Measures of each group that two rates determine."""


def count_table(codes: np.ndarray, groups: int, y_true: np.ndarray, y_pred: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the counts, shape (groups, 2, 2): group, truth, prediction, from arrays (n,) of group codes and 0/1.

    With ``weights`` (n,) a row stands for so many.
    """
    import numpy as np

    cells = codes.astype(np.int64) * 4 + y_true.astype(np.int64) * 2 + y_pred.astype(np.int64)
    return np.bincount(cells, weights, minlength=groups * 4).astype(np.int64).reshape(groups, 2, 2)


def size_measures(table: np.ndarray, names: Sequence[str]) -> list[Measure]:
    """Return ``SIZES`` of every group, as full counts."""
    columns = {"group_size": table.sum(axis=(1, 2)), "group_positives": table[:, 1].sum(axis=1), "group_negatives": table[:, 0].sum(axis=1)}
    return [
        Measure.counted(kind, int(counts[at]), n=int(columns["group_size"][at]), group=name)
        for kind, counts in columns.items()
        for at, name in enumerate(names)
    ]


def rate_measures(table: np.ndarray, names: Sequence[str]) -> list[Measure]:
    """Return ``RATES`` of every group with count, n and Wilson's (1927) 95 % interval.

    A rate without a denominator (no positives, for a true positive rate) has no value; scikit-learn and fairlearn say 0.
    """
    cells = {"tn": table[:, 0, 0], "fp": table[:, 0, 1], "fn": table[:, 1, 0], "tp": table[:, 1, 1]}
    made = []
    for rate, (counted, among) in RATES.items():
        made += [
            share(rate, sum(int(cells[c][at]) for c in counted), sum(int(cells[c][at]) for c in among), group=name)
            for at, name in enumerate(names)
        ]
    return made


def mean_measures(table: np.ndarray, names: Sequence[str]) -> list[Measure]:
    """Return ``MEANS_OF_RATES`` of every group, with closed-form intervals; scikit-learn's values where they are defined.

    Balanced accuracy is the mean of two independent rates: MOVER (Zou and Donner 2008) of Wilson's limits. F1 is 2J/(1+J) of
    Jaccard's J, the share of hits among rows that are positive or predicted so: Wilson's limits of J, transformed.
    """
    made = []
    for at, name in enumerate(names):
        (tn, fp), (fn, tp) = table[at].tolist()
        made.append(_balanced(tp, fp, fn, tn, name))
    for at, name in enumerate(names):
        (tn, fp), (fn, tp) = table[at].tolist()
        hits = share("f1_score", tp, tp + fp + fn, group=name)
        ends = {key: 2 * end / (1 + end) for key in ("value", "ci_low", "ci_high") for end in [getattr(hits, key)] if end is not None}
        method = "wilson of jaccard, transformed" if ends else None
        made.append(Measure(name="f1_score", n=tp + fp + fn + tn, group=name, ci_method=method, **{"value": None, **ends}))
    return made


def _balanced(tp: int, fp: int, fn: int, tn: int, group: str) -> Measure:
    name, n = "balanced_accuracy_score", tp + fp + fn + tn
    if tp + fn == 0 or tn + fp == 0:
        return Measure(name=name, value=None, n=n, group=group)
    rates = [(tp / (tp + fn), *wilson(tp, tp + fn)), (tn / (tn + fp), *wilson(tn, tn + fp))]
    value = sum(rate for rate, _, _ in rates) / 2
    down, up = (math.hypot(*(rate[0] - rate[end] for rate in rates)) / 2 for end in (1, 2))
    return Measure(name=name, value=value, ci_low=value - down, ci_high=value + up, ci_method="mover of wilson", n=n, group=group)


def share(name: str, count: int, n: int, *, group: str | None = None) -> Measure:
    """Return a proportion as a measure with Wilson's 95 % interval; without a denominator it has no value."""
    if n == 0:
        return Measure(name=name, value=None, n=0, count=0, group=group)
    low, high = wilson(count, n)
    return Measure(name=name, value=count / n, ci_low=low, ci_high=high, ci_method="wilson", n=n, count=count, group=group)


def disparity_measures(measures: Iterable[Measure], names: Iterable[str] = tuple(DISPARITIES)) -> list[Measure]:
    """Return the disparities whose group rates are among ``measures``.

    Values are fairlearn's (``between_groups``). Intervals are Newcombe's (1998) for differences and MOVER (Donner and Zou 2012)
    for ratios, over all pairs of groups: the end on the side of equality is the furthest of them, Bonferroni's over the pairs,
    because the pair that carries the value was picked out of many (four equal groups: the extreme pair's own interval leaves 0
    out in a fifth of draws); the other end is the furthest of the plain ones. ``n`` is the smallest group's rows (of the rate's
    denominator).
    """
    by_rate: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        if measure.group is not None:
            by_rate.setdefault(measure.name, {})[measure.group] = measure
    return [_disparity(name, by_rate) for name in names if all(rate in by_rate for rate in DISPARITIES[name].rates)]


def _disparity(name: str, by_rate: dict[str, dict[str, Measure]]) -> Measure:
    kind, rates = DISPARITIES[name].kind, DISPARITIES[name].rates
    value = disparity_value(name, by_rate)
    smallest = min((m.n or 0 for rate in rates for m in by_rate[rate].values()), default=0)
    if value is None:
        return Measure(name=name, value=None, n=smallest)
    low, high = _ends(kind, [[(m.count or 0, m.n) for m in by_rate[rate].values() if m.n] for rate in rates], value)
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method=_METHODS[kind], n=smallest)


def _ends(kind: str, rates: Sequence[Sequence[tuple[int, int]]], value: float) -> tuple[float, float]:
    """Return the 95 % interval of a disparity from the counts of every group in each of its rates."""
    import numpy as np

    pairs = sum(math.comb(len(groups), 2) for groups in rates)  # either way round: a two-sided interval counts both tails
    strict, tables = 1 - (1 - LEVEL) / pairs, [np.array(groups).T for groups in rates if len(groups) > 1]
    if kind == "ratio":
        low = min(furthest_ratio(counted, among, LEVEL, "low") for counted, among in tables)
        high = min(furthest_ratio(counted, among, strict, "high") for counted, among in tables)
        return min(value, low), max(value, min(1.0, high))
    low = max(furthest_difference(counted, among, strict, "low") for counted, among in tables)
    high = max(furthest_difference(counted, among, LEVEL, "high") for counted, among in tables)
    return min(value, max(0.0, low)), max(value, high)
