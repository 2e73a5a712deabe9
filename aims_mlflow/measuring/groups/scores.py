"""Scores by group: how well they order and how well they are calibrated (Pleiss et al. 2017), for each group of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import AREA_METHOD, area_interval, skewed_mean, student_t
from aims_mlflow.measuring.scores import calibration
from aims_mlflow.measuring.scores.influence import Ranked
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR

if TYPE_CHECKING:
    import numpy as np

GAP = "mean_calibration_gap"
LOSSES_OF_ROWS = ("log_loss", "brier_score_loss", GAP)
SCORE_MEASURES = ("roc_auc_score", *LOSSES_OF_ROWS, CALIBRATION_ERROR)
"""Measures of each group from its scores. ``mean_calibration_gap`` is the mean score less the share of positives, signed: above
zero the group is promised more than it gets. All on the favourable outcome: its probability, and whether it came."""


class Scores:
    """The scores of all rows, sorted once for every grouping of them."""

    def __init__(self, positive: np.ndarray, score: np.ndarray) -> None:
        """Take booleans (n,): the favourable outcome came; and its score (n,)."""
        import numpy as np

        self.order = np.argsort(score, kind="stable")
        self.positive, self.score = positive[self.order], score[self.order]
        self.probabilities = bool(len(score)) and bool(self.score[0] >= 0 and self.score[-1] <= 1)
        self._rows = self._losses() if self.probabilities else {}

    def _losses(self) -> dict[str, np.ndarray]:
        import numpy as np

        eps = np.finfo(self.score.dtype).eps
        own = np.clip(np.where(self.positive, self.score, 1 - self.score), eps, 1 - eps)
        return {"log_loss": -np.log(own), "brier_score_loss": (self.score - self.positive) ** 2, GAP: self.score - self.positive}

    def measures(self, codes: np.ndarray, names: Sequence[str]) -> list[Measure]:
        """Return ``SCORE_MEASURES`` of every group; without probabilities only how well the scores order.

        Intervals: DeLong's for the area under the ROC curve, Hall's t for losses, Student's for the gap, for the calibration error its
        own (``calibration.interval``). A group with one outcome only has no area.

        Args:
            codes: the group of each row, (n,), in the rows' own order.
            names: of the groups.
        """
        import numpy as np

        made: dict[str, list[Measure]] = {name: [] for name in SCORE_MEASURES}
        sorted_codes = codes[self.order]
        if len(names) < 2**15:
            sorted_codes = sorted_codes.astype(np.int16)  # sorted by radix
        by_group = np.argsort(sorted_codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))
        for name, rows in zip(names, np.split(by_group, ends[:-1]), strict=True):
            positive, score = self.positive[rows], self.score[rows]
            made["roc_auc_score"].append(_area(positive, score, name))
            if self.probabilities:
                for loss in LOSSES_OF_ROWS:
                    made[loss].append(_mean(loss, self._rows[loss][rows], name))
                made[CALIBRATION_ERROR].append(_calibration(positive, score, name))
        return [measure for measures in made.values() for measure in measures]


def _area(positive: np.ndarray, score: np.ndarray, group: str) -> Measure:
    name, n = "roc_auc_score", len(score)
    if not positive.any() or positive.all():
        return Measure(name=name, value=None, n=n, group=group)
    ranked = Ranked(positive, score)
    area, place = ranked.area()
    low, high = area_interval(area, ranked.area_variance(area, place), ranked.m, ranked.n)
    return Measure(name=name, value=area, ci_low=low, ci_high=high, ci_method=AREA_METHOD, n=n, group=group)


def _mean(name: str, rows: np.ndarray, group: str) -> Measure:
    n, value = len(rows), float(rows.mean())
    error = float(rows.std(ddof=1)) / n**0.5 if n > 1 else 0.0
    if not error > 0:
        return Measure(name=name, value=value, n=n, group=group)
    half = student_t(0.95, n - 1) * error
    low, high, method = value - half, value + half, "student t"
    if name != GAP:
        low, high = skewed_mean(rows) or (low, high)
        low, method = max(0.0, low), "hall's transformed t"
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method=method, n=n, group=group)


def _calibration(positive: np.ndarray, score: np.ndarray, group: str) -> Measure:
    import numpy as np

    outcome = positive.astype(np.int64)
    value = calibration.error_of(outcome, score)
    low, high, method = calibration.interval(outcome, score) or (None, None, None)
    return Measure(name=CALIBRATION_ERROR, value=value, ci_low=low, ci_high=high, ci_method=method, n=len(score), group=group)
