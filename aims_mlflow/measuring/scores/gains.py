"""What one model gains over another on the same rows, metric by metric, with paired intervals: above zero is better."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from aims_mlflow.disparity import MINIMUM_CASES
from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import student_t, tango_difference, wilson
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.scores import calibration
from aims_mlflow.measuring.scores.influence import Influence
from aims_mlflow.measuring.scores.intervals import NO_INTERVAL, Tallied, fewest_cases
from aims_mlflow.measuring.scores.scoring import ALIASES, CALIBRATION_ERROR, LOSSES, NAMES, OF_LABELS, Answers
from aims_mlflow.measuring.scores.tables import WIDEST, draws_of, posterior, statistic_of

if TYPE_CHECKING:
    import numpy as np

GAIN = "_gain"
GAINS = tuple(f"{name}{GAIN}" for name in NAMES)
"""Every gain that a requirement may ask for: a metric's name and ``_gain``."""

_LEVEL = 0.95
_ROUNDING = 1e-9
_OF_HITS = ("accuracy_score", "zero_one_loss", "hamming_loss")

Ends = tuple[float, float, str]
"""low, high, method."""


def gains(new: Answers, old: Answers, names: Iterable[str]) -> list[Measure]:
    """Return ``<name>_gain`` for each metric: new less old, of a loss old less new, with a paired 95 % interval.

    Tango's (1998) score interval for shares of the same rows; paired DeLong for the area under the ROC curve; the posterior of the
    joint table (truth x new x old) for what a confusion table determines; the row by
    row differences of influences for means and what follows from them; else scikit-learn's function called on resampled rows.

    Two models that give the same answers on these rows need not be the same. So where fewer than ten rows differ, the
    interval is at least as wide as Wilson's upper limit for the share of rows that may differ allows, times the furthest that
    a row moves the metric. A metric that is not defined for either has no value.

    Args:
        new: truths and predictions of the model that is judged.
        old: of the model it is compared with, on the same rows in the same order.
        names: scikit-learn's names, without ``_gain``.
    """
    both = _Both(new, old)
    return [both.measure(name) for name in dict.fromkeys(names)]


class _Both:
    """Two models' answers on the same rows."""

    def __init__(self, new: Answers, old: Answers) -> None:
        self.new, self.old, self.n = new, old, new.n
        self.tallied = Tallied(new), Tallied(old)

    def measure(self, name: str) -> Measure:
        base = ALIASES[self.new.kind].get(name, name)
        values = [one.value(name, base) for one in self.tallied]
        if values[0] is None or values[1] is None:
            return Measure(name=f"{name}{GAIN}", value=None, n=self.n)
        way = -1 if name in LOSSES else 1
        value = way * (values[0] - values[1])
        found = None if base in NO_INTERVAL else self._interval(base)
        n = self.cases[0] if base == "recall_score" and found is not None and self._binary else self.n
        if found is None:
            return Measure(name=f"{name}{GAIN}", value=value, n=n)
        low, high, method = found
        flipped = (way == -1) != (base != name and name.startswith("neg_"))
        low, high = (-high, -low) if flipped else (low, high)
        return Measure(name=f"{name}{GAIN}", value=value, ci_low=min(low, value), ci_high=max(high, value), ci_method=method, n=n)

    @property
    def _binary(self) -> bool:
        return self.new.kind == "binary_classification"

    @cached_property
    def cases(self) -> tuple[int, int]:
        """Rows of the positive label and of the rarest class."""
        return int((self.new.y_true == 1).sum()), fewest_cases(self.new)

    def _interval(self, base: str) -> Ends | None:
        """Return the interval of new less old."""
        if self.new.kind != "regression" and (base in _OF_HITS or (base == "recall_score" and self._binary)):
            low, high = self._of_hits(base == "recall_score")
            return (low, high, "tango, paired") if base in ("accuracy_score", "recall_score") else (-high, -low, "tango, paired")
        joint = self._of_counts(base)
        if joint is not None:
            return joint
        if base == CALIBRATION_ERROR:
            return self._widened(self._of_bins(), base, self.differing(base))
        new, old = (one.influence(base) for one in self.tallied)
        if new is None or old is None:
            return self._widened(self._by_calls(base), base, self.differing(base))
        # Scores that differ may order the rows alike: then few rows, or none, move the metric.
        apart = abs(new.rows - old.rows)
        moved = int((apart > _ROUNDING * max(1.0, float(abs(new.rows).max()))).sum())
        found = self._of_areas() if base == "roc_auc_score" and self._binary else self._of_influences(new, old)
        return self._widened(found, base, min(moved, self.differing(base)))

    def _of_hits(self, positives_only: bool) -> tuple[float, float]:
        won, lost, n = self.discordant(positives_only)
        return tango_difference(won, lost, n, _LEVEL)

    def discordant(self, positives_only: bool = False) -> tuple[int, int, int]:
        """Return on how many rows only the new model is right, only the old one, and of how many rows."""
        asked = self.new.y_true == 1 if positives_only else self.new.y_true == self.new.y_true
        new, old = ((one.y_pred == one.y_true) & asked for one in (self.new, self.old))
        return int((new & ~old).sum()), int((old & ~new).sum()), int(asked.sum())

    def _of_counts(self, base: str) -> Ends | None:
        """Draw the table (truth x new x old) from its posterior: what was never seen is not impossible (``score_tables``)."""
        import numpy as np

        statistic, table = statistic_of(base, self.new.kind), self.table
        if statistic is None or table is None:
            return None

        def gained(draws: np.ndarray) -> np.ndarray:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(statistic(draws.sum(axis=3)) - statistic(draws.sum(axis=2)))

        times = draws_of(table.size)
        found = resampling.ends(gained(posterior(table, times)))
        return None if found is None else (*found, f"paired dirichlet posterior, vague prior, {times} draws")

    @cached_property
    def table(self) -> np.ndarray | None:
        """The counts (truth, new, old); None for a regression, or of too many classes."""
        import numpy as np

        if self.new.kind == "regression":
            return None
        codes, k = np.concatenate([self.new.y_true, self.new.y_pred, self.old.y_pred]), 2
        if not self._binary:
            labels, codes = np.unique(codes, return_inverse=True)
            k = len(labels)
        if k**3 > WIDEST:
            return None
        y, new, old = codes.reshape(3, -1)
        return np.bincount((y * k + new) * k + old, minlength=k**3).reshape(k, k, k)

    def _of_bins(self) -> Ends | None:
        """Resample (bin of the new score x bin of the old one x outcome)."""
        import numpy as np

        scores = [np.asarray(one.score) for one in (self.new, self.old)]
        bins = [calibration.bins_of(score) for score in scores]
        drawn = calibration.gaps_drawn(bins[0] * calibration.BINS + bins[1], scores, self.new.y_true)
        cells = np.arange(drawn[0].shape[1])
        errors = []
        for of_cell, gaps in zip((cells // calibration.BINS, cells % calibration.BINS), drawn, strict=True):
            errors.append(np.abs(gaps @ np.eye(calibration.BINS)[of_cell]).sum(axis=1) / self.n)
        found = resampling.ends(errors[0] - errors[1])
        return None if found is None else (*found, f"paired bins x outcomes, {resampling.RESAMPLES} resamples")

    def _of_areas(self) -> Ends:

        positive = self.new.y_true == 1
        ranked = [one.ranked for one in self.tallied]
        places = [one.area() for one in ranked]
        apart = ranked[0].in_row_order(places[0][1]) - ranked[1].in_row_order(places[1][1])
        parts = apart[positive], apart[~positive]
        variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else math.inf for part in parts)
        half, gain = student_t(_LEVEL, max(1, self.cases[1] - 1)) * math.sqrt(variance), places[0][0] - places[1][0]
        return max(-1.0, gain - half), min(1.0, gain + half), "paired delong"

    def _of_influences(self, new: Influence, old: Influence) -> Ends:
        rows, gain = new.rows - old.rows, new.value - old.value
        error = Influence(gain, rows, "mean", "").error
        half = student_t(_LEVEL, max(1, (new.cases or self.n) - 1)) * error if error > 0 else 0.0
        return gain - half, gain + half, "paired student t" if new.scale == "loss" else "paired influence"

    def _by_calls(self, base: str) -> Ends | None:
        def gained(rows: np.ndarray) -> float | None:
            new, old = self.new.rows(rows).value(base), self.old.rows(rows).value(base)
            return None if new is None or old is None else new - old

        found = resampling.by_calls(gained, self.n)
        return None if found is None else (found[0], found[1], f"paired {found[2]}")

    def differing(self, base: str) -> int:
        """Return on how many rows the answers that the metric reads differ."""
        if base in OF_LABELS or self.new.kind == "regression" or statistic_of(base, self.new.kind) is not None:
            return int((self.new.y_pred != self.old.y_pred).sum())
        new, old = self.new.score, self.old.score
        if new is None or old is None or new.shape != old.shape:
            return self.n
        apart = new != old
        return int((apart if apart.ndim == 1 else apart.any(axis=1)).sum())

    def _reach(self, base: str) -> float:
        """Return how far one row's whole change moves the metric, times n: the widest range of influences that was seen."""
        if base == CALIBRATION_ERROR:
            return 1.0
        found = [one for tallied in self.tallied if (one := tallied.influence(base)) is not None]
        seen = max((float(one.rows.max() - one.rows.min()) for one in found), default=0.0)
        return max(seen, self.n / self.cases[1]) if any(one.scale == "logit" for one in found) else seen

    def _widened(self, found: Ends | None, base: str, few: int) -> Ends | None:
        """Return the interval, where few rows differ widened by what the rows leave open; None where it has no width then."""
        if few >= MINIMUM_CASES:
            return found if found is not None and found[1] > found[0] else None
        room = (wilson(few, self.n, _LEVEL)[1] - few / self.n) * self._reach(base)
        low, high, method = found or (0.0, 0.0, "no row differs")
        middle = (low + high) / 2
        low, high = min(low, middle - room), max(high, middle + room)
        return (low, high, f"{method}, and wilson for the share of rows that may differ") if high > low else None
