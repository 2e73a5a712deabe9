"""Distances between two samples of one column, as Evidently computes them, and how uncertain they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 200
"""Bootstrap resamples behind an interval: the relative error of a standard error is then about 5 % (1 / sqrt(2 * 200))."""

MOST_BINS = 1_000
"""Distinct values beyond which resampling works on quantile bins of the pooled sample instead of the values themselves."""

Z95 = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


def wasserstein_normed(reference: np.ndarray, current: np.ndarray) -> float:
    """Return the first Wasserstein distance of two samples of numbers over the standard deviation of ``reference``.

    Unit: standard deviations (at least 0.001 is divided by, as Evidently does). Source: Evidently 0.7
    ``_wasserstein_distance_norm``; scipy.stats.wasserstein_distance.
    """
    import numpy as np

    values = np.unique(np.concatenate([reference, current]))
    counts = [np.bincount(np.searchsorted(values, sample), minlength=len(values))[None, :] for sample in (reference, current)]
    return float(_wasserstein(values, *counts)[0])


def jensen_shannon(reference: np.ndarray, current: np.ndarray) -> float:
    """Return the Jensen-Shannon distance (natural logarithm) of two samples of category codes (integers from 0).

    Between 0 and sqrt(ln 2) = 0.833. Source: Evidently 0.7 ``_jensenshannon``; scipy.spatial.distance.jensenshannon.
    """
    import numpy as np

    size = int(max(reference.max(), current.max())) + 1
    return float(_jensen_shannon(*(np.bincount(sample, minlength=size)[None, :] for sample in (reference, current)))[0])


def draws(rows: int, *, seed: int) -> np.ndarray:
    """Return how often each row is drawn in each of ``RESAMPLES`` resamples, of shape (RESAMPLES, rows), dtype uint8.

    Poisson(1) weights: the bootstrap of rows without its fixed total, which shares do not notice. All columns of a frame are
    resampled by the same weights, so that what moves together is drawn together. Source: Hanley and MacGibbon 2006.
    """
    import numpy as np

    return np.random.default_rng(seed).poisson(1.0, size=(RESAMPLES, rows)).astype(np.uint8)


def resampled(reference: np.ndarray, current: np.ndarray, drawn: tuple[np.ndarray, np.ndarray], *, numeric: bool) -> np.ndarray:
    """Return the distance in each resample, of shape (RESAMPLES,); resamples that left a side empty are NaN.

    Args:
        reference: numbers, or category codes (integers from 0).
        current: the same of the other sample.
        drawn: how often each value of ``reference`` and of ``current`` is drawn, of shape (RESAMPLES, values).
        numeric: normed Wasserstein distance; else Jensen-Shannon.
    """
    import numpy as np

    places: tuple[np.ndarray, ...]
    if not numeric:
        places, values = (reference, current), np.arange(int(max(reference.max(), current.max())) + 1)
    else:
        values = np.unique(np.concatenate([reference, current]))
        if len(values) > MOST_BINS:
            edges = np.unique(np.quantile(np.concatenate([reference, current]), np.linspace(0, 1, MOST_BINS + 1)))
            values = (edges[1:] + edges[:-1]) / 2
            places = tuple(np.clip(np.searchsorted(edges, side, side="right") - 1, 0, len(values) - 1) for side in (reference, current))
        else:
            places = tuple(np.searchsorted(values, side) for side in (reference, current))
    counts = [_counted(place, weights, len(values)) for place, weights in zip(places, drawn, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return _wasserstein(values, *counts) if numeric else _jensen_shannon(*counts)


def _counted(places: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return the weights of each resample added up by place, of shape (RESAMPLES, size)."""
    import numpy as np

    order = np.argsort(places, kind="stable")
    present, starts = np.unique(places[order], return_index=True)
    counts = np.zeros((len(weights), size), dtype=np.int64)
    counts[:, present] = np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.int64)
    return counts


def _wasserstein(values: np.ndarray, reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Return the normed distance of each row of counts (shape (draws, values)): the area between the distribution functions."""
    import numpy as np

    shares = [counts / counts.sum(axis=1, keepdims=True) for counts in (reference, current)]
    gap = np.abs(np.cumsum(shares[0] - shares[1], axis=1)[:, :-1])
    mean = shares[0] @ values
    spread = np.sqrt(np.maximum((shares[0] * (values[None, :] - mean[:, None]) ** 2).sum(axis=1), 0.0))
    return np.asarray((gap @ np.diff(values)) / np.maximum(spread, 0.001))


def _jensen_shannon(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Return the distance of each row of counts (shape (draws, categories))."""
    import numpy as np

    shares = [counts / counts.sum(axis=1, keepdims=True) for counts in (reference, current)]
    middle = (shares[0] + shares[1]) / 2
    logs = [share * np.log(np.divide(share, middle, out=np.ones_like(share), where=share > 0)) for share in shares]
    return np.asarray(np.sqrt(np.maximum((logs[0] + logs[1]).sum(axis=1) / 2, 0.0)))
