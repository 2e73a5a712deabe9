"""What each row contributes to a metric: the closed form behind its interval, and behind that of a gain over another model.

A metric that is a smooth function of means over rows is, up to terms of order 1/n, its value plus the mean of its rows'
influences (Hampel 1974; Efron 1982: the infinitesimal jackknife). Their spread gives the standard error that resampling
rows would give, in one pass. A gain's are the differences, row by row: the pairing is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aims_mlflow.intervals import skewed_mean, student_t
from aims_mlflow.measuring.scores.scoring import Answers

if TYPE_CHECKING:
    import numpy as np

Scale = Literal["mean", "loss", "root", "share of", "logit"]


@dataclass(frozen=True)
class Influence:
    """A metric by its rows: its value, each row's influence (n,) with mean 0, and the scale on which its interval is even.

    Scales: ``mean`` a mean over rows; ``loss`` one of skewed rows; ``root`` the square root of one; ``share of`` one minus a
    ratio of two means (R2); ``logit`` an area between 0 and 1. ``cases`` are those of the rarest class where it, not the rows,
    says how well the error is known.
    """

    value: float
    rows: np.ndarray
    scale: Scale
    method: str
    cases: int | None = None

    @property
    def error(self) -> float:
        """The standard error of the value."""
        n = len(self.rows)
        return math.sqrt(float((self.rows**2).sum()) / (n * (n - 1))) if n > 1 else math.nan

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the interval on the metric's scale; None without spread, where it would claim certainty.

        Student's t; of losses, and of the squares under a root, Hall's (1992) transformed t, because they are skewed.
        """
        value, error = self.value, self.error
        if not error > 0:
            return None
        if self.scale == "loss":
            return skewed_mean(self.rows + value, level)
        if self.scale == "root":
            squares = skewed_mean(self.rows * 2 * value + value**2, level)
            return None if squares is None else (math.sqrt(max(0.0, squares[0])), math.sqrt(squares[1]))
        t = student_t(level, max(1, (self.cases or len(self.rows)) - 1))
        if self.scale == "mean":
            return value - t * error, value + t * error
        if self.scale == "share of":
            left, half = 1 - value, t * error / (1 - value) if value < 1 else math.nan
            return (1 - left * math.exp(half), 1 - left * math.exp(-half)) if half < 700 else None
        if not 0 < value < 1:
            return None
        logit, half = math.log(value / (1 - value)), t * error / (value * (1 - value))
        low, high = (1 / (1 + math.exp(-max(-700.0, min(700.0, logit + sign * half)))) for sign in (-1, 1))
        return low, high


def influence(base: str, answers: Answers) -> Influence | None:
    """Return the influences on a metric, by its function's name; None where the metric has no such form.

    Row means: absolute and squared errors, deviances, log loss, Brier score, and roots of them (Hall's t). ``1 - a/b`` (R2 and
    its kin): delta method on the log of the ratio; the baseline inside b is at its optimum, so its own error is of second
    order. Area under the ROC curve: DeLong's (1988) placements; average precision: its own functional derivative, on the logit
    scale as Boyd, Eng and Page (2013) advise.
    """
    if answers.kind == "regression":
        return _of_numbers(base, answers)
    if answers.score is None:
        return None
    if base in ("roc_auc_score", "average_precision_score"):
        return _of_areas(base, answers)
    return _of_probabilities(base, answers)


def _mean(rows: np.ndarray) -> Influence:
    value = float(rows.mean())
    return Influence(value, rows - value, "loss", "hall's transformed t")


def _root(rows: np.ndarray) -> Influence | None:
    value = math.sqrt(float(rows.mean()))
    return Influence(value, (rows - value**2) / (2 * value), "root", "hall's transformed t of the square") if value > 0 else None


def _one_minus(above: np.ndarray, below: np.ndarray) -> Influence | None:
    """Return the influences on 1 - mean(above)/mean(below)."""
    scale = float(below.mean())
    if not scale > 0:
        return None
    ratio = float(above.mean()) / scale
    return Influence(1 - ratio, -(above - ratio * below) / scale, "share of", "delta method, log of the ratio")


def _of_numbers(base: str, answers: Answers) -> Influence | None:
    import numpy as np

    y, p = answers.y_true, answers.y_pred
    error = y - p
    means: dict[str, Callable[[], np.ndarray]] = {
        "mean_absolute_error": lambda: abs(error),
        "mean_squared_error": lambda: error**2,
        "mean_absolute_percentage_error": lambda: abs(error) / np.maximum(abs(y), np.finfo(np.float64).eps),
        "mean_pinball_loss": lambda: abs(error) / 2,
        "mean_squared_log_error": lambda: (np.log1p(y) - np.log1p(p)) ** 2,
        "mean_poisson_deviance": lambda: 2 * (np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / p), 0) - error),
        "mean_gamma_deviance": lambda: 2 * (np.log(p / y) + y / p - 1),
    }
    if base in means:
        return _mean(means[base]())
    if base == "root_mean_squared_error":
        return _root(error**2)
    if base == "root_mean_squared_log_error":
        return _root((np.log1p(y) - np.log1p(p)) ** 2)
    if base == "r2_score":
        return _one_minus(error**2, (y - y.mean()) ** 2)
    if base == "explained_variance_score":
        return _one_minus((error - error.mean()) ** 2, (y - y.mean()) ** 2)
    if base == "d2_absolute_error_score":
        return _one_minus(abs(error), abs(y - np.median(y)))
    return None


def _of_probabilities(base: str, answers: Answers) -> Influence | None:
    import numpy as np

    if base in ("log_loss", "d2_log_loss_score"):
        rows = own_log_loss(answers)
        return _mean(rows) if base == "log_loss" else _one_minus(rows, -np.log(_own(answers, _shares(answers))))
    if base in ("brier_score_loss", "d2_brier_score"):
        rows = _squared(answers, np.asarray(answers.score))
        return _mean(rows) if base == "brier_score_loss" else _one_minus(rows, _squared(answers, _shares(answers)))
    return None


def own_log_loss(answers: Answers) -> np.ndarray:
    """Return each row's log loss (n,): minus the log of the probability that its own label was given."""
    import numpy as np

    score = np.asarray(answers.score)
    own = _own(answers, score / score.sum(axis=1, keepdims=True) if score.ndim == 2 else score)
    found: np.ndarray = -np.log(np.clip(own, np.finfo(score.dtype).eps, 1 - np.finfo(score.dtype).eps))
    return found


def _own(answers: Answers, score: np.ndarray) -> np.ndarray:
    """Return the probability (n,) that was given to each row's own label; ``score`` may be one row for all."""
    import numpy as np

    if np.asarray(answers.score).ndim == 1:
        return np.where(answers.y_true == 1, score, 1 - score)
    places = np.searchsorted(answers.classes, answers.y_true)
    return np.asarray(np.broadcast_to(score, (answers.n, len(answers.classes)))[np.arange(answers.n), places])


def _shares(answers: Answers) -> np.ndarray:
    """Return the share of the positive label (a single number), or of each class (classes,)."""
    import numpy as np

    if np.asarray(answers.score).ndim == 1:
        return np.asarray(answers.y_true.mean())
    return np.bincount(np.searchsorted(answers.classes, answers.y_true), minlength=len(answers.classes)) / answers.n


def _squared(answers: Answers, score: np.ndarray) -> np.ndarray:
    """Return each row's Brier score (n,): the squared error of the positive label, or summed over the classes."""
    import numpy as np

    if np.asarray(answers.score).ndim == 1:
        return np.asarray((answers.y_true - score) ** 2)
    said = np.array(np.broadcast_to(score, (answers.n, len(answers.classes))), dtype=float)
    said[np.arange(answers.n), np.searchsorted(answers.classes, answers.y_true)] -= 1
    return np.asarray((said**2).sum(axis=1))


def _of_areas(base: str, answers: Answers) -> Influence | None:
    """Return the influences on an area of a binary score, or on the mean of each class against the rest."""
    import numpy as np

    score = np.asarray(answers.score)
    columns = [(answers.y_true == 1, score)] if score.ndim == 1 else []
    columns += [(answers.y_true == one, score[:, at]) for at, one in enumerate(answers.classes) if score.ndim == 2]
    if any(not positive.any() or positive.all() for positive, _ in columns):
        return None
    ranked = [Ranked(positive, column) for positive, column in columns]
    parts = [one.area_influence() if base == "roc_auc_score" else one.precision_influence() for one in ranked]
    several = "" if len(parts) == 1 else ", macro average"
    method = ("delong" if base == "roc_auc_score" else "influence, logit scale") + several
    cases = min(min(one.m, one.n) for one in ranked)
    return Influence(float(np.mean([a for a, _ in parts])), np.mean([i for _, i in parts], axis=0), "logit", method, cases)


class Ranked:
    """A score in ascending order, equal ones in one run, with what was counted up to the end of each run."""

    def __init__(self, positive: np.ndarray, score: np.ndarray) -> None:
        """Sort once. ``positive``: booleans, (n,), of both kinds; ``score``: (n,)."""
        import numpy as np

        self.order = np.argsort(score, kind="stable")
        ends = np.append(np.diff(score[self.order]) != 0, True)
        last = np.flatnonzero(ends)
        self.positive = positive[self.order]
        self.run = np.cumsum(ends) - ends
        self.hits = np.cumsum(self.positive)[last]
        self.others = last + 1 - self.hits
        self.gained, self.lost = np.diff(self.hits, prepend=0), np.diff(self.others, prepend=0)
        self.m, self.n = int(self.hits[-1]), int(self.others[-1])

    def area(self) -> tuple[float, np.ndarray]:
        """Return the area under the ROC curve and DeLong's (1988) placement of each row (n,), in ascending order of score.

        A positive's is the share of negatives that it beats, a negative's the share of positives that beat it; ties half.
        """
        import numpy as np

        above, below = (self.others - self.lost / 2) / self.n, 1 - (self.hits - self.gained / 2) / self.m
        return float((self.gained * above).sum() / self.m), np.where(self.positive, above[self.run], below[self.run])

    def area_variance(self, area: float, place: np.ndarray) -> float:
        """Return DeLong's variance of the area; infinite with a single case of a class."""
        if min(self.m, self.n) < 2:
            return math.inf
        spread = (place - area) ** 2
        positives = float(spread[self.positive].sum())
        return positives / (self.m - 1) / self.m + (float(spread.sum()) - positives) / (self.n - 1) / self.n

    def precision(self) -> float:
        """Return the average precision."""
        hits, seen = self._from_the_top()
        return float((self.gained * hits / seen).sum() / self.m)

    def _from_the_top(self) -> tuple[np.ndarray, np.ndarray]:
        """Return positives and rows that score at least as high as each run."""
        hits = self.m - self.hits + self.gained
        return hits, hits + self.n - self.others + self.lost

    def in_row_order(self, values: np.ndarray) -> np.ndarray:
        """Return values (n,) of the ranked rows in the order the rows were given in."""
        import numpy as np

        found = np.empty(len(values))
        found[self.order] = values
        return found

    def area_influence(self) -> tuple[float, np.ndarray]:
        """Return the area and each row's influence on it (n,), in the rows' own order."""
        import numpy as np

        area, place = self.area()
        rows = (place - area) * (self.m + self.n) / np.where(self.positive, self.m, self.n)
        return area, self.in_row_order(rows)

    def precision_influence(self) -> tuple[float, np.ndarray]:
        """Return the average precision and each row's influence on it (n,), in the rows' own order.

        AP = E[y T(s)/G(s)] / pi with G(s) the share of rows that score at least s, T(s) that of positives, pi the share of
        positives. A row (y, s) moves it by its own term, by what it adds to T and G at every threshold up to s, and by pi.
        """
        import numpy as np

        hits, seen = self._from_the_top()
        precision, value = hits / seen, self.precision()
        adds, takes = np.cumsum(self.gained / seen), np.cumsum(self.gained * precision / seen)
        own = np.where(self.positive, (precision + adds)[self.run] - value, 0.0)
        return value, self.in_row_order((own - takes[self.run]) * (self.m + self.n) / self.m)


def area_influence(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve and each row's influence on it (n,), whose mean square over n is its variance.

    These are DeLong's (1988) placements, centred and scaled to the share of the row's class.

    Args:
        positive: booleans, (n,), of both kinds.
        score: (n,).
    """
    return Ranked(positive, score).area_influence()
