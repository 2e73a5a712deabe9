"""Intervals of performance metrics: in closed form where there is one, from resampled counts or rows where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import AREA_METHOD, area_interval, wilson
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.scores import calibration
from aims_mlflow.measuring.scores.influence import Influence, Ranked, influence
from aims_mlflow.measuring.scores.influence import area_influence as area_influence
from aims_mlflow.measuring.scores.scoring import ALIASES, CALIBRATION_ERROR, LOSSES, TAKES_NO_WEIGHTS, Answers
from aims_mlflow.measuring.scores.tables import by_counts, statistic_of, table_of

if TYPE_CHECKING:
    import numpy as np

NO_INTERVAL: dict[str, str] = {
    "max_error": "the largest error of a sample says nothing on how large it can be: no interval holds without a model of the tail",
}
"""Metrics that have no honest interval, and why: a requirement on one stays undecided."""

_LEVEL = 0.95

_AREAS = frozenset({"roc_auc_score", "average_precision_score"})

_COUNTED: dict[str, tuple[tuple[str, str], ...]] = {
    "accuracy_score": (("tp tn", "tp fp fn tn"),),
    "balanced_accuracy_score": (("tp", "tp fn"), ("tn", "tn fp")),
    "f1_score": (("tp tp", "tp tp fp fn"),),
    "precision_score": (("tp", "tp fp"),),
    "recall_score": (("tp", "tp fn"),),
}
"""Binary metric -> the shares (above, below) that it is the mean of, as sums of the four counts."""


def measured(answers: Answers, names: Iterable[str]) -> list[Measure]:
    """Return the metrics by name with 95 % intervals; one that is not defined has no value.

    Wilson for shares of rows (and for precision: given how many rows are predicted positive, its count is binomial); DeLong for
    the area under the ROC curve; the posterior of the confusion table for what that determines; each row's influence for means, their
    roots and ratios, and average precision; order statistics for a median; bins and outcomes resampled for the calibration
    error; for the rest scikit-learn's function called on resampled rows.
    """
    wanted = {name: ALIASES[answers.kind].get(name, name) for name in dict.fromkeys(names)}
    data = Tallied(answers)
    values = {name: data.value(name, base) for name, base in wanted.items()}
    known = {base: data.interval(base) for base in dict.fromkeys(base for name, base in wanted.items() if values[name] is not None)}
    return [_measure(name, base, values[name], answers, known.get(base)) for name, base in wanted.items()]


Interval = tuple[float, float, str, int | None, int | None]
"""low, high, method, and where the metric is a share its count and n."""


def _measure(name: str, base: str, value: float | None, answers: Answers, interval: Interval | None) -> Measure:
    if value is None or interval is None:
        return Measure(name=name, value=value, n=answers.n)
    low, high, method, count, n = interval
    if base != name and name.startswith("neg_"):
        low, high = -high, -low
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method=method, n=answers.n if n is None else n, count=count)


class Tallied:
    """The answers, and what several metrics need of them, worked out once: counts, one sorting, influences."""

    def __init__(self, answers: Answers) -> None:
        """Take the answers; nothing is worked out before it is asked for."""
        self.answers = answers
        self._influences: dict[str, Influence | None] = {}

    @cached_property
    def table(self) -> np.ndarray | None:
        """The confusion table; None for a regression, or of too many classes."""
        return table_of(self.answers)

    @cached_property
    def ranked(self) -> Ranked:
        """A binary score in order."""
        import numpy as np

        return Ranked(self.answers.y_true == 1, np.asarray(self.answers.score))

    def value(self, name: str, base: str) -> float | None:
        """Return the metric's value: from counts and one sorting where scikit-learn's own would count and sort again."""
        answers = self.answers
        if answers.weights is not None and base in TAKES_NO_WEIGHTS and not answers.why_not(name):
            return self._of_table(base)
        if answers.kind != "binary_classification" or answers.why_not(name) or (base != name and name.startswith("neg_")):
            return answers.value(name)
        if base in _AREAS:
            return self.ranked.area()[0] if base == "roc_auc_score" else self.ranked.precision()
        if base not in _COUNTED or self.table is None:
            return answers.value(name)
        (tn, fp), (fn, tp) = self.table.tolist()
        cells: dict[str, int] = {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
        parts = [[sum(cells[cell] for cell in side.split()) for side in sides] for sides in _COUNTED[base]]
        return None if any(below == 0 for _, below in parts) else float(sum(above / below for above, below in parts) / len(parts))

    def _of_table(self, base: str) -> float | None:
        """Return a metric's value from the counts."""
        import numpy as np

        statistic = statistic_of(base, self.answers.kind)
        if statistic is None or self.table is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            found = float(statistic(self.table[None])[0])
        return found if np.isfinite(found) else None

    def influence(self, base: str) -> Influence | None:
        """Return the influences on a metric that has a value, or None where it has no such form."""
        if base not in self._influences:
            if base in _AREAS and self.answers.kind == "binary_classification" and self.answers.score is not None:
                area = base == "roc_auc_score"
                found = self.ranked.area_influence() if area else self.ranked.precision_influence()
                method, cases = "delong" if area else "influence, logit scale", min(self.ranked.m, self.ranked.n)
                self._influences[base] = Influence(*found, "logit", method, cases)
            else:
                self._influences[base] = influence(base, self.answers)
        return self._influences[base]

    def interval(self, base: str) -> Interval | None:
        """Return the interval of a metric that has a value; None where there is none to be had."""
        if base in NO_INTERVAL:
            return None
        counted = self._share(base)
        if counted is not None:
            count, n, method = counted
            return *wilson(count, n), method, count, n
        if base == "roc_auc_score" and self.answers.kind == "binary_classification":
            area, place = self.ranked.area()
            variance = self.ranked.area_variance(area, place)
            return *area_interval(area, variance, self.ranked.m, self.ranked.n), AREA_METHOD, None, None
        statistic = statistic_of(base, self.answers.kind)
        if statistic is not None and self.table is not None:
            return _open(by_counts(self.table, {base: statistic})[base])
        if base == CALIBRATION_ERROR:
            return _open(calibration.interval(self.answers.y_true, self.answers.score))
        if base == "median_absolute_error":
            return _open(_median(abs(self.answers.y_true - self.answers.y_pred)))
        return self._by_influence(base)

    def _share(self, base: str) -> tuple[int, int, str] | None:
        """Return count, n and method of a metric that is a share of rows."""
        answers = self.answers
        if answers.kind == "regression":
            return None
        if base in ("accuracy_score", "zero_one_loss", "hamming_loss"):
            right = answers.y_true == answers.y_pred
            each = right if answers.weights is None else answers.weights[right]
            hits = int(each.sum()) if self.table is None else int(self.table.trace())
            return hits if base == "accuracy_score" else answers.n - hits, answers.n, "wilson"
        if base in ("top_k_accuracy_score", "top_k_accuracy"):
            return round((answers.value(base) or 0.0) * answers.n), answers.n, "wilson"
        if answers.kind == "binary_classification" and self.table is not None and base in ("recall_score", "precision_score"):
            (_, over), (missed, caught) = self.table.tolist()
            return caught, caught + (missed if base == "recall_score" else over), "wilson"
        return None

    def _by_influence(self, base: str) -> Interval | None:
        if self.answers.weights is not None:  # there are no rows to resample
            return None
        answers, found = self.answers, self.influence(base)
        if found is None:
            return _open(resampling.by_calls(lambda rows: answers.rows(rows).value(base), answers.n))
        ends = found.interval(_LEVEL)
        if ends is not None:
            return (max(0.0, ends[0]) if base in LOSSES else ends[0]), ends[1], found.method, None, None
        if found.scale == "logit":  # a perfect order, or none at all: every case of the rarer class is a trial of it
            cases = fewest_cases(answers)
            return *wilson(found.value * cases, cases), "wilson, cases of the rarest class", None, None
        return None


def fewest_cases(answers: Answers) -> int:
    """Return how many rows the rarest class has, or (two classes) the rarer one."""
    import numpy as np

    return int(np.unique(answers.y_true, return_counts=True)[1].min())


def _open(found: tuple[float, float, str] | None) -> Interval | None:
    return None if found is None else (*found, None, None)


def _median(rows: np.ndarray) -> tuple[float, float, str] | None:
    """Return the exact interval of a median: two order statistics, by the binomial distribution of rows below it."""
    import numpy as np
    from scipy.special import bdtr

    n = len(rows)
    under = np.arange(n // 2)
    tail = under[bdtr(under, n, 0.5) <= (1 - _LEVEL) / 2] if n else under
    if not len(tail):
        return None
    ordered, at = np.sort(rows), int(tail[-1])
    low, high = float(ordered[at]), float(ordered[n - 1 - at])
    return (low, high, "order statistics") if high > low else None
