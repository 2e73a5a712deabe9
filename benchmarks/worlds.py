"""Worlds whose true values are known: populations to draw samples from, for the simulations of intervals and verdicts.

The values come from closed forms or from integrals over a fine grid; those of several classes from a hundred
thousand rows of each, whose own error (about 0.001) is small against the intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, ndtr, softmax
from scipy.stats import norm
from sklearn.metrics import log_loss, roc_auc_score

from aims_mlflow.measuring.scores.scoring import Answers

APART = 1.5
"""How far the scores' means of positives and negatives lie apart, in standard deviations: an area of 0.86."""

_GRID = np.linspace(-9, 9, 180_001)
_OF_EACH = 100_000


@dataclass(frozen=True)
class Scores:
    """A binary classifier. Positives' and negatives' x are normal, ``apart`` standard deviations from one another.

    The score is the true probability of the positive label given x (plus ``noise``, which is part of x), on the logit scale
    ``stretch`` times that plus ``shift``: (1, 0) is a calibrated model. What scores above the rate is predicted positive.
    """

    rate: float
    apart: float = APART
    stretch: float = 1.0
    shift: float = 0.0
    noise: float = 0.0

    def answers(self, n: int, random: np.random.Generator) -> Answers:
        """Draw ``n`` rows."""
        return self._said(*self.drawn(n, random))

    def pair(self, other: Scores, n: int, random: np.random.Generator) -> tuple[Answers, Answers]:
        """Draw ``n`` rows, answered by this model and by another one that sees them through noise of its own."""
        y, x = self.drawn(n, random)
        return self._said(y, x), other._said(y, x + random.normal(size=n) * other.noise)

    def drawn(self, n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw truths and x, (n,) each."""
        y = (random.random(n) < self.rate).astype(int)
        return y, random.normal(size=n) + (y - 0.5) * self.apart

    def _said(self, y: np.ndarray, x: np.ndarray) -> Answers:
        return Answers("binary_classification", y, (x > 0).astype(int), expit(self.stretch * self._logit(x) + self.shift), (0, 1))

    def _logit(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(math.log(self.rate / (1 - self.rate)) + self.apart * x / (1 + self.noise**2))

    @property
    def _spread(self) -> float:
        return math.sqrt(1 + self.noise**2)

    @cached_property
    def cells(self) -> np.ndarray:
        """Shares of (truth, prediction), shape (2, 2)."""
        caught = float(ndtr(self.apart / 2 / self._spread))
        return np.array([[caught, 1 - caught], [1 - caught, caught]]) * np.array([[1 - self.rate], [self.rate]])

    @cached_property
    def truths(self) -> dict[str, float]:
        """The metrics of the population, by scikit-learn's names."""
        of_classes = [norm.pdf(_GRID, side * self.apart / 2, self._spread) for side in (-1, 1)]
        weights = np.array([(1 - self.rate) * of_classes[0], self.rate * of_classes[1]]) * (_GRID[1] - _GRID[0])
        every, posterior = weights.sum(axis=0), weights[1] / weights.sum(axis=0)
        score = expit(self.stretch * self._logit(_GRID) + self.shift)
        above = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
        deciles = np.minimum((np.cumsum(every) * 10).astype(int), 9)
        return {
            **of_cells(self.cells),
            "roc_auc_score": float(ndtr(self.apart / math.sqrt(2) / self._spread)),
            "average_precision_score": float((weights[1] * above[1] / above.sum(axis=0)).sum() / self.rate),
            "log_loss": float(-(weights[1] * np.log(score) + weights[0] * np.log1p(-score)).sum()),
            "brier_score_loss": float((weights[1] * (1 - score) ** 2 + weights[0] * score**2).sum()),
            "expected_calibration_error": float(np.abs(np.bincount(deciles, weights=every * (score - posterior))).sum()),
        }


def of_cells(cells: np.ndarray) -> dict[str, float]:
    """Return the metrics that a table of shares (truth, prediction) determines."""
    (tn, fp), (fn, tp) = cells.tolist()
    hits, chance = tp + tn, (tp + fp) * (tp + fn) + (tn + fp) * (tn + fn)
    return {
        "accuracy_score": hits,
        "precision_score": tp / (tp + fp),
        "recall_score": tp / (tp + fn),
        "f1_score": 2 * tp / (2 * tp + fp + fn),
        "balanced_accuracy_score": (tp / (tp + fn) + tn / (tn + fp)) / 2,
        "cohen_kappa_score": (hits - chance) / (1 - chance),
        "matthews_corrcoef": (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
    }


@dataclass(frozen=True)
class Classes:
    """A calibrated classifier of three classes, the rarest with share ``rate``; x is normal about the class's own corner."""

    rate: float

    @property
    def shares(self) -> np.ndarray:
        """The classes' shares, (3,)."""
        return np.array([self.rate, 0.6 * (1 - self.rate), 0.4 * (1 - self.rate)])

    def answers(self, n: int, random: np.random.Generator) -> Answers:
        """Draw ``n`` rows."""
        return self._said(random.choice(3, n, p=self.shares), random)

    def _said(self, y: np.ndarray, random: np.random.Generator) -> Answers:
        score = softmax(APART * (random.normal(size=(len(y), 3)) + APART * np.eye(3)[y]) + np.log(self.shares), axis=1)
        return Answers("multiclass_classification", y, score.argmax(axis=1), score, (0, 1, 2))

    @cached_property
    def truths(self) -> dict[str, float]:
        """The metrics of a large population, of as many rows of each class, weighted by the classes' shares."""
        said = self._said(np.repeat([0, 1, 2], _OF_EACH), np.random.default_rng(4))
        weights = self.shares[said.y_true]
        cells = np.bincount(said.y_true * 3 + said.y_pred, weights=weights).reshape(3, 3) / weights.sum()
        hits, truths, predicted = np.diag(cells), cells.sum(axis=1), cells.sum(axis=0)
        return {
            "balanced_accuracy_score": float((hits / truths).mean()),
            "f1_score": float((2 * hits / (truths + predicted)).mean()),
            "precision_score": float((hits / predicted).mean()),
            "recall_score": float((hits / truths).mean()),
            "log_loss": float(log_loss(said.y_true, said.score, sample_weight=weights)),
            "roc_auc_score": float(roc_auc_score(said.y_true, said.score, multi_class="ovr", sample_weight=weights)),
        }


@dataclass(frozen=True)
class Numbers:
    """A regression: the truth is a standard normal, the prediction lies off by normal or Laplace errors of ``spread``."""

    laplace: bool = False
    spread: float = 0.6

    def answers(self, n: int, random: np.random.Generator) -> Answers:
        """Draw ``n`` rows."""
        said = random.normal(size=n)
        return Answers("regression", said + self.errors(n, random), said, None, ())

    def errors(self, n: int, random: np.random.Generator) -> np.ndarray:
        """Draw errors (n,)."""
        return random.laplace(size=n) * self.spread / math.sqrt(2) if self.laplace else random.normal(size=n) * self.spread

    @cached_property
    def truths(self) -> dict[str, float]:
        """The metrics of the population."""
        scale = self.spread / math.sqrt(2)
        absolute = scale if self.laplace else self.spread * math.sqrt(2 / math.pi)
        median = scale * math.log(2) if self.laplace else self.spread * float(norm.ppf(0.75))
        return {
            "mean_absolute_error": absolute,
            "median_absolute_error": median,
            "mean_squared_error": self.spread**2,
            "root_mean_squared_error": self.spread,
            "r2_score": 1 - self.spread**2 / (1 + self.spread**2),
        }

    def increase_under(self, noise: float) -> float:
        """Return by how much the mean absolute error grows where normal noise of this standard deviation is added to each error."""
        scale = self.spread / math.sqrt(2)
        density = np.exp(-np.abs(_GRID) / scale) / (2 * scale) if self.laplace else norm.pdf(_GRID, scale=self.spread)
        folded = 2 * noise * norm.pdf(_GRID / noise) + _GRID * (1 - 2 * ndtr(-_GRID / noise))  # mean of |error + noise|
        return float((density * (folded - np.abs(_GRID))).sum() * (_GRID[1] - _GRID[0]))
