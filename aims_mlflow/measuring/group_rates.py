"""Rates of groups from one count table (group x truth x prediction), and fairlearn's disparities between them with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from aims_mlflow.disparity import DISPARITIES, disparity_value
from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import mover_ratio, newcombe_difference, wilson

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
}
"""Rate -> the cells counted, and the cells they are counted among; "positive" is the outcome people want."""

SIZES = ("group_size", "group_positives", "group_negatives")
"""Counts of each group: rows, and rows with and without the outcome people want."""

CLASS_MEASURES = (
    "class_selection_rate_difference",
    "class_true_positive_rate_difference",
    "selection_rate_difference_class_max",
    "true_positive_rate_difference_class_max",
)
"""One-vs-rest measures of multiclass tasks: per class (its group is "class 1", in the order of the labels), and the worst class."""


def count_table(codes: np.ndarray, groups: int, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the counts, shape (groups, 2, 2): group, truth, prediction, from arrays (n,) of group codes and 0/1."""
    import numpy as np

    cells = codes.astype(np.int64) * 4 + y_true.astype(np.int64) * 2 + y_pred.astype(np.int64)
    return np.bincount(cells, minlength=groups * 4).reshape(groups, 2, 2)


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


def share(name: str, count: int, n: int, *, group: str | None = None) -> Measure:
    """Return a proportion as a measure with Wilson's 95 % interval; without a denominator it has no value."""
    if n == 0:
        return Measure(name=name, value=None, n=0, count=0, group=group)
    low, high = wilson(count, n)
    return Measure(name=name, value=count / n, ci_low=low, ci_high=high, ci_method="wilson", n=n, count=count, group=group)


def disparity_measures(measures: Iterable[Measure], names: Iterable[str] = tuple(DISPARITIES)) -> list[Measure]:
    """Return the disparities whose group rates are among ``measures``.

    Values are fairlearn's (``between_groups``). The interval is that of the pair of groups that carries the value: Newcombe
    (1998) for differences, MOVER (Donner and Zou 2012) for ratios; it takes that pair as given, so it is a description, and the
    verdict on a requirement looks at all pairs instead. ``n`` is the smallest group's rows (of the rate's denominator).
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
    for rate in rates:
        ordered = sorted(by_rate[rate].values(), key=lambda m: m.value or 0.0)
        least, most = ordered[0], ordered[-1]
        own = disparity_value(f"{rate}_{kind}", by_rate)
        if own != value:
            continue
        counts = (least.count or 0, least.n or 0, most.count or 0, most.n or 0)
        low, high = mover_ratio(*counts) if kind == "ratio" else newcombe_difference(*counts[2:], *counts[:2])
        method = "mover, extreme pair" if kind == "ratio" else "newcombe, extreme pair"
        return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method=method, n=smallest)
    return Measure(name=name, value=value, n=smallest)


def class_measures(codes: np.ndarray, groups: int, y_true: np.ndarray, y_pred: np.ndarray, classes: int) -> list[Measure]:
    """Return ``CLASS_MEASURES`` from arrays (n,) of group codes and class codes: each class against the rest.

    The worst class's interval covers every class and pair of groups: its upper end is the highest of Newcombe's upper ends
    (an intersection-union bound), its lower end the highest lower end after Bonferroni.
    """
    tables = [count_table(codes, groups, y_true == one, y_pred == one) for one in range(classes)]
    made = []
    for rate in ("selection_rate", "true_positive_rate"):
        per_class = [[m for m in rate_measures(table, [str(g) for g in range(groups)]) if m.name == rate] for table in tables]
        found = [disparity_measures(shares, [f"{rate}_difference"])[0] for shares in per_class]
        made += [m.model_copy(update={"name": f"class_{rate}_difference", "group": f"class {at}"}) for at, m in enumerate(found, start=1)]
        made.append(_worst_class(f"{rate}_difference_class_max", found, per_class))
    return made


def _worst_class(name: str, found: list[Measure], per_class: list[list[Measure]]) -> Measure:
    values = [m.value for m in found]
    smallest = min(m.n or 0 for m in found)
    known = [v for v in values if v is not None]
    if len(known) != len(values):
        return Measure(name=name, value=None, n=smallest)
    pairs = [(a.count or 0, a.n or 0, b.count or 0, b.n or 0) for shares in per_class for a, b in permutations(shares, 2)]
    high = max(newcombe_difference(*pair)[1] for pair in pairs)
    low = max(newcombe_difference(*pair, 1 - 0.05 / len(pairs))[0] for pair in pairs)
    return Measure(name=name, value=max(known), ci_low=max(0.0, low), ci_high=high, ci_method="newcombe, all pairs and classes", n=smallest)
