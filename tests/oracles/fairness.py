"""What fairlearn and scikit-learn say of the groups of a case: every name that the fairness check writes, worked out apart from it.

A value that the libraries give by convention where there is no denominator (0 for a true positive rate without positives) is
no value here: ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import fairlearn.metrics as fair
import numpy as np
import pandas as pd
import sklearn.metrics as sk

Metric = Callable[[np.ndarray, np.ndarray], float]


Defined = Callable[[np.ndarray, np.ndarray], bool]
Table = dict[str, tuple[Metric, Defined]]


@dataclass(frozen=True)
class Answered:
    """Truths, predictions and scores of some rows, and the group of each.

    ``y`` and ``p`` are as they stand; ``wanted`` is the favourable label (None: there is none), ``score`` its probability.
    ``by_name`` makes every aggregate by fairlearn's function of that name; else all of them come from one MetricFrame a table,
    which is what these functions make, every time anew. ``quick`` makes no MetricFrame: rates are taken of scikit-learn's
    confusion matrix of each group, other metrics by the libraries' functions, and gaps are the largest less the smallest.
    """

    kind: str
    y: np.ndarray
    p: np.ndarray
    groups: pd.Series[Any]
    score: np.ndarray | None = None
    wanted: Any = None
    classes: tuple[Any, ...] = ()
    by_name: bool = True
    quick: bool = False
    kept: dict[Any, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return id(self)

    @property
    def outcomes(self) -> tuple[np.ndarray, np.ndarray]:
        """Truths and predictions as 1 (favourable) and 0."""
        return (self.y == self.wanted).astype(int), (self.p == self.wanted).astype(int)

    def all_defined(self, defined: Defined, y: np.ndarray, p: np.ndarray) -> None:
        """Raise Undefined where a group has no such value."""
        if "rows" not in self.kept:
            self.kept["rows"] = [(self.groups == one).to_numpy() for one in self.groups.unique()]
        if not all(defined(y[rows], p[rows]) for rows in self.kept["rows"]):
            raise Undefined

    def frame(self, table: Table, y: np.ndarray, p: np.ndarray, label: Any) -> fair.MetricFrame:
        """Return fairlearn's MetricFrame of all metrics of a table, made once (for each label that is set against the rest)."""
        if (id(table), label) not in self.kept:
            functions = {name: _or_nan(*metric) for name, metric in table.items()}
            self.kept[id(table), label] = fair.MetricFrame(metrics=functions, y_true=y, y_pred=p, sensitive_features=self.groups)
        return self.kept[id(table), label]

    def each(self, table: Table, name: str, y: np.ndarray, p: np.ndarray, label: Any) -> list[float]:
        """Return a metric of every group."""
        if not self.quick:
            return [float(v) for v in self.frame(table, y, p, label).by_group[name]]
        self.all_defined(table[name][1], y, p)
        return [self.quickly(table, name, y, p, rows, (label, at)) for at, rows in enumerate(self.kept["rows"])]

    def quickly(self, table: Table, name: str, y: np.ndarray, p: np.ndarray, rows: np.ndarray, key: Any) -> float:
        """Return a metric of some rows without fairlearn's overhead."""
        if (id(table), name, key) not in self.kept:
            if name in OF_MATRIX and any(table is one for one in (OF_OUTCOMES, OF_CLASSES, OF_TWO)):
                if ("matrix", key) not in self.kept:
                    self.kept["matrix", key] = sk.confusion_matrix(y[rows], p[rows], labels=[0, 1]).ravel().tolist()
                above, below = (sum(self.kept["matrix", key][cell] for cell in cells) for cells in OF_MATRIX[name])
                self.kept[id(table), name, key] = above / (below or 1)
            else:
                self.kept[id(table), name, key] = float(table[name][0](y[rows], p[rows]))
        return float(self.kept[id(table), name, key])


def _or_nan(function: Metric, defined: Defined) -> Metric:
    """Return a metric that is NaN where it is not defined, so that it does not raise among others."""
    return lambda y, p: function(y, p) if defined(y, p) else float("nan")


def _ece(y: np.ndarray, score: np.ndarray) -> float:
    """Ours, no library has it: ten bins between the deciles of the scores, equal scores together.

    A score lies above a decile if it is at least the next of the sorted scores, (n - 1) k / 10 rounded up: no float decides.
    """
    ordered, n = np.sort(score), len(score)
    edges = {ordered[-(-(n - 1) * k // 10)] for k in range(1, 10)}
    bins = sum((score >= edge).astype(int) for edge in edges)
    return sum(abs(float((score - y)[bins == one].sum())) for one in set(np.asarray(bins).tolist())) / n


def _has(*kinds: int) -> Defined:
    return lambda y, _: all((y == kind).any() for kind in kinds)


def _any_predicted(y: np.ndarray, p: np.ndarray) -> bool:
    return bool((p == 1).any())


def _always(y: np.ndarray, p: np.ndarray) -> bool:
    return True


OF_OUTCOMES: Table = {
    "group_size": (lambda y, p: float(fair.count(y, p)), _always),
    "group_positives": (lambda y, _: float((y == 1).sum()), _always),
    "group_negatives": (lambda y, _: float((y == 0).sum()), _always),
    "selection_rate": (fair.selection_rate, _always),
    "true_positive_rate": (fair.true_positive_rate, _has(1)),
    "false_negative_rate": (fair.false_negative_rate, _has(1)),
    "false_positive_rate": (fair.false_positive_rate, _has(0)),
    "true_negative_rate": (fair.true_negative_rate, _has(0)),
    "precision": (lambda y, p: sk.precision_score(y, p, zero_division=0), _any_predicted),
}
"""On the favourable outcome, 1 or 0: what fairlearn or scikit-learn says, and where it is defined."""

OF_CLASSES: Table = {name: OF_OUTCOMES[name] for name in ("selection_rate", "true_positive_rate", "false_positive_rate")}
"""On each class against the rest."""

OF_TWO: Table = {
    "accuracy_score": (sk.accuracy_score, _always),
    "zero_one_loss": (sk.zero_one_loss, _always),
    "balanced_accuracy_score": (sk.balanced_accuracy_score, _has(0, 1)),
    "f1_score": (lambda y, p: sk.f1_score(y, p, zero_division=0), lambda y, p: bool((y + p > 0).any())),
}

OF_SEVERAL: Table = {
    "accuracy_score": (sk.accuracy_score, _always),
    "zero_one_loss": (sk.zero_one_loss, _always),
    "balanced_accuracy_score": (lambda y, p: sk.recall_score(y, p, labels=np.unique(y), average="macro", zero_division=0), _always),
    **{
        f"{name}_score": (lambda y, p, name=name: getattr(sk, f"{name}_score")(y, p, average="macro", zero_division=0), _always)
        for name in ("f1", "precision", "recall")
    },
}
"""On all classes of a multiclass task."""

OF_SCORES: Table = {
    "roc_auc_score": (sk.roc_auc_score, _has(0, 1)),
    "log_loss": (lambda y, s: sk.log_loss(y, s, labels=[0, 1]), _always),
    "brier_score_loss": (lambda y, s: sk.brier_score_loss(y, s, pos_label=1, labels=[0, 1]), _always),
    "mean_calibration_gap": (lambda y, s: float(np.mean(s) - np.mean(y)), _always),
    "expected_calibration_error": (_ece, _always),
}

OF_NUMBERS: Table = {
    "group_size": (lambda y, p: float(fair.count(y, p)), _always),
    "mean_absolute_error": (sk.mean_absolute_error, _always),
    "mean_squared_error": (sk.mean_squared_error, _always),
    "root_mean_squared_error": (sk.root_mean_squared_error, _always),
    "r2_score": (sk.r2_score, lambda y, _: bool(len(np.unique(y)) > 1)),
    "mean_residual": (lambda y, p: float(np.mean(y - p)), _always),
    "mean_prediction": (fair.mean_prediction, _always),
}

OURS = {
    "group_positives": "fairlearn counts rows, not outcomes: counted by numpy",
    "group_negatives": "the same",
    "mean_calibration_gap": "fairlearn has no calibration by group (Pleiss et al. 2017): two means",
    "expected_calibration_error": "no library has ten bins of equal mass: regrouped by pandas",
    "mean_residual": "fairlearn has no residuals: one mean",
}
"""Group measures that no library gives, why, and how they are worked out here."""


TN, FP, FN, TP = range(4)
OF_MATRIX: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "group_size": ((TN, FP, FN, TP), ()),
    "group_positives": ((FN, TP), ()),
    "group_negatives": ((TN, FP), ()),
    "selection_rate": ((FP, TP), (TN, FP, FN, TP)),
    "true_positive_rate": ((TP,), (FN, TP)),
    "false_negative_rate": ((FN,), (FN, TP)),
    "false_positive_rate": ((FP,), (TN, FP)),
    "true_negative_rate": ((TN,), (TN, FP)),
    "precision": ((TP,), (FP, TP)),
    "accuracy_score": ((TN, TP), (TN, FP, FN, TP)),
    "zero_one_loss": ((FP, FN), (TN, FP, FN, TP)),
    "f1_score": ((TP, TP), (TP, TP, FP, FN)),
}
"""Which cells of a confusion matrix (scikit-learn's, in its order) stand above and below; none below: a count."""


class Undefined(Exception):
    """The value is not defined on these rows."""


def fairness_of(answered: Answered, name: str, group: str | None) -> float | None:
    """Return what the libraries say of a measure of one group, of one class, or of all groups; None: not defined.

    Raises:
        KeyError: no oracle knows the name.
    """
    try:
        return _value(answered, name, group)
    except Undefined:
        return None


def _value(answered: Answered, name: str, group: str | None) -> float:
    if name.startswith("class_"):
        at = int(str(group).removeprefix("class ")) - 1
        return _one_vs_rest(answered, name.removeprefix("class_"), answered.classes[at])
    if group is not None:
        return _of_group(answered, name, (answered.groups == group).to_numpy())
    for ending, pick in (("_class_max", max), ("_class_mean", lambda found: sum(found) / len(found))):
        if name.endswith(ending):
            return float(pick([_one_vs_rest(answered, name.removesuffix(ending), one) for one in answered.classes]))
    return _of_all(answered, name)


def _one_vs_rest(answered: Answered, gap: str, label: Any) -> float:
    y, p = (answered.y == label).astype(int), (answered.p == label).astype(int)
    return _gap(answered, gap, gap.removesuffix("_difference"), (OF_CLASSES, y, p), label)


def _taken(answered: Answered, name: str) -> tuple[Table, np.ndarray, np.ndarray]:
    """Return the table that a metric stands in, and the truths and answers that it is of."""
    if answered.kind == "regression":
        return OF_NUMBERS, answered.y, answered.p
    if name == "group_size" or (answered.wanted is not None and name in OF_OUTCOMES):
        return OF_OUTCOMES, *answered.outcomes
    if name in OF_SCORES and answered.score is not None and answered.wanted is not None:
        return OF_SCORES, answered.outcomes[0], answered.score
    if answered.kind == "binary_classification":
        return OF_TWO, *answered.outcomes
    return OF_SEVERAL, answered.y, answered.p


def _of_group(answered: Answered, name: str, rows: np.ndarray) -> float:
    table, y, p = _taken(answered, name)
    function, defined = table[name]
    if not defined(y[rows], p[rows]):
        raise Undefined
    return answered.quickly(table, name, y, p, rows, rows.tobytes()) if answered.quick else float(function(y[rows], p[rows]))


ODDS = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}


def _of_all(answered: Answered, name: str) -> float:
    """Return fairlearn's own aggregate."""
    base, _, how = name.rpartition("_")
    if base in ODDS:
        return _odds(answered, name, ODDS[base], how)
    if how in ("difference", "ratio"):
        return _gap(answered, name, base, _taken(answered, base), None)
    base = base.removesuffix("_group")
    if answered.kind == "binary_classification":
        base = {"precision_score": "precision", "recall_score": "true_positive_rate"}.get(base, base)
    table, y, p = _taken(answered, base)
    answered.all_defined(table[base][1], y, p)
    if answered.quick:
        own = answered.each(table, base, y, p, None)
        return max(map(abs, own)) if base in ("mean_residual", "mean_calibration_gap") else min(own) if how == "min" else max(own)
    frame = answered.frame(table, y, p, None)
    if base in ("mean_residual", "mean_calibration_gap"):
        return float(frame.by_group[base].abs().max())
    if answered.by_name and hasattr(fair, name) and answered.kind != "multiclass_classification":
        return float(getattr(fair, name)(y, p, sensitive_features=answered.groups))
    return float((frame.group_min() if how == "min" else frame.group_max())[base])


def _odds(answered: Answered, name: str, rates: tuple[str, ...], how: str) -> float:
    y, p = answered.outcomes
    gaps = []
    for at, rate in enumerate(rates):
        try:
            gaps.append(_gap(answered, f"{rate}_{how}", rate, (OF_OUTCOMES, y, p), None))
        except _NobodyHasIt:
            if at == 0:  # where nobody is a false positive, fairlearn's equalized odds ratio rests on true positives
                raise
    if answered.by_name:
        return float(getattr(fair, name)(y, p, sensitive_features=answered.groups))
    return max(gaps) if how == "difference" else min(gaps)


class _NobodyHasIt(Undefined):
    """No group has any case of it: a ratio of nothing to nothing."""


def _gap(answered: Answered, name: str, base: str, taken: tuple[Table, np.ndarray, np.ndarray], label: Any) -> float:
    table, y, p = taken
    answered.all_defined(table[base][1], y, p)
    own = answered.each(table, base, y, p, label)
    if name.endswith("_ratio") and max(own) == 0:
        raise _NobodyHasIt
    if answered.quick:
        return max(own) - min(own) if name.endswith("_difference") else min(own) / max(own)
    frame = answered.frame(table, y, p, label)
    if answered.by_name and hasattr(fair, name):
        return float(getattr(fair, name)(y, p, sensitive_features=answered.groups))
    return float((frame.difference() if name.endswith("_difference") else frame.ratio())[base])
