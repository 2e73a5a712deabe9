"""Calibration of a binary score: the expected calibration error, its bins, and an interval that knows that it leans upward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aims_mlflow.measuring import resampling

if TYPE_CHECKING:
    import numpy as np

BINS = 10
LEANS_UPWARD = "ten bins of equal mass; it leans upward in small samples, so the lower end of its interval is less all of that noise"
"""To be said wherever an expected calibration error is shown."""

_SEED = 0


def bins_of(score: np.ndarray) -> np.ndarray:
    """Return the bin of each score (n,): ten of equal mass, equal scores always together."""
    import numpy as np

    edges = np.quantile(score, np.arange(1, BINS) / BINS)
    return np.searchsorted(np.unique(edges), score, side="right")


def error_of(y_true: np.ndarray, score: np.ndarray) -> float:
    """Return the expected calibration error: mean over rows of |mean score - share of positives| of their bin.

    Bins of equal mass are less biased than those of equal width (Naeini et al. 2015; Roelofs et al. 2022).

    Args:
        y_true: 0 or 1, (n,).
        score: probabilities, (n,).
    """
    return _error(bins_of(score), y_true, score)


def _error(bins: np.ndarray, y_true: np.ndarray, score: np.ndarray) -> float:
    import numpy as np

    return float(np.abs(np.bincount(bins, weights=score - y_true)).sum() / len(score))


def interval(y_true: np.ndarray, score: Any) -> tuple[float, float, str] | None:
    """Return the 95 % interval of ``error_of`` with its method; None where all resamples are alike.

    Resampled are the counts of (bin x outcome), which is the row bootstrap of the outcomes; the scores' sum within a cell,
    which hardly varies, is drawn from its normal limit. An error that is a sum of absolute values leans upward: in the sample
    by chance, in a resample once more. So the upper end, the percentile, lies further out than need be, and a requirement "at
    most" is passed by no lean. The lower end is the value less the 97.5 % quantile of the bins' noise, taken absolutely and
    added up: by the triangle inequality the error in the population is at least that, whatever it is, so that chance alone
    does not fail a calibrated model. That noise is drawn bin by bin with the share of positives pulled inward by Jeffreys' half
    row: a bin without any positive would else have none.
    """
    import numpy as np

    said = np.asarray(score)
    bins = bins_of(said)
    value = _error(bins, y_true, said)
    (draws,) = gaps_drawn(bins, [said], y_true)
    ends = resampling.ends(np.abs(draws).sum(axis=1) / len(said))
    if ends is None:
        return None
    noise = float(np.quantile(_noise(bins, y_true), 0.975)) / len(said)
    return max(0.0, value - noise), max(ends[1], value), f"bins x outcomes, {resampling.RESAMPLES} resamples; low end less all noise"


def _noise(bins: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """Return how far the bins' positives lie from what was expected, absolutely and added up, in each resample (resamples,)."""
    import numpy as np

    rows = np.bincount(bins)
    share = (np.bincount(bins, weights=y_true) + 0.5) / (rows + 1)
    drawn = np.random.default_rng(_SEED).binomial(rows, share, size=(resampling.RESAMPLES, len(rows)))
    return np.asarray(np.abs(drawn - rows * share).sum(axis=1))


def gaps_drawn(cells: np.ndarray, scores: Sequence[np.ndarray], y_true: np.ndarray) -> list[np.ndarray]:
    """Return, for each score, the sum of score less outcome in every cell (resamples, cells), all on the same draws.

    Args:
        cells: the cell of each row (n,): a bin, or a crossing of the scores' bins.
        scores: probabilities, each (n,).
        y_true: 0 or 1, (n,).
    """
    import numpy as np

    n = len(y_true)
    both = cells * 2 + y_true
    counts = np.bincount(both, minlength=2 * int(cells.max()) + 2)
    random, filled = np.random.default_rng(_SEED), np.maximum(counts, 1)
    drawn = random.multinomial(n, counts / n, size=resampling.RESAMPLES).astype(float)
    found = []
    for score in scores:
        mean = np.bincount(both, weights=score, minlength=len(counts)) / filled
        spread = np.sqrt(np.maximum(0.0, np.bincount(both, weights=score**2, minlength=len(counts)) / filled - mean**2))
        sums = drawn * mean + np.sqrt(drawn) * spread * random.standard_normal(drawn.shape)
        found.append(sums[:, ::2] + sums[:, 1::2] - drawn[:, 1::2])
    return found
