"""Distances between two samples of one column, as Evidently computes them, and how uncertain they are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 200
"""Bootstrap resamples behind an interval: the relative error of a standard error is then about 5 % (1 / sqrt(2 * 200))."""

MOST_BINS = 1_000
"""Distinct values beyond which resampling works on quantile bins of the pooled sample instead of the values themselves."""

BRIDGES = 500
"""Sample paths behind what chance gives a numeric column: the 97.5 % quantile is then known to about 5 % of itself."""

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


def by_chance(reference: np.ndarray, current: np.ndarray, *, numeric: bool) -> float:
    """Return the distance that two samples of one and the same distribution, of these sizes, keep within in 97.5 of 100 cases.

    Categories: of n and m rows in k categories, 8 n m / (n + m) times the squared Jensen-Shannon distance goes to chi-squared with
    k - 1 degrees of freedom. Numbers: sqrt(n m / (n + m)) times the Wasserstein distance goes to the area under the absolute value
    of a Brownian bridge, run over the quantiles of the pooled sample (del Barrio, Giné and Matrán 1999).

    Args:
        reference: numbers, or category codes (integers from 0).
        current: the same of the other sample.
        numeric: normed Wasserstein distance; else Jensen-Shannon.
    """
    import numpy as np
    from scipy.special import chdtri

    rate, pooled = 1 / len(reference) + 1 / len(current), np.concatenate([reference, current])
    if not numeric:
        return float(np.sqrt(rate / 8 * chdtri(max(1, len(np.unique(pooled)) - 1), 0.025)))
    bridges = _bridges()
    steps = bridges.shape[1] + 1
    apart = np.diff(np.quantile(pooled, (np.arange(steps) + 0.5) / steps))
    return float(np.quantile(bridges @ apart, 0.975) * np.sqrt(rate) / max(float(reference.std()), 0.001))


@cache
def _bridges() -> np.ndarray:
    """Return absolute values of Brownian bridges at the inner points of an even grid, of shape (BRIDGES, MOST_BINS - 1)."""
    import numpy as np

    walks = np.random.default_rng(0).standard_normal((BRIDGES, MOST_BINS)).cumsum(axis=1) / np.sqrt(MOST_BINS)
    ends = np.arange(1, MOST_BINS) / MOST_BINS
    return np.asarray(np.abs(walks[:, :-1] - walks[:, -1:] * ends))


def draws(rows: int, *, seed: int) -> np.ndarray:
    """Return how often each row is drawn in each of ``RESAMPLES`` resamples, of shape (rows, RESAMPLES), dtype float32.

    Poisson(1) weights (their chances rounded to 16 bits): the bootstrap of rows without its fixed total, which shares do not
    notice. All columns of a frame are resampled by the same weights, so that what moves together is drawn together.
    Source: Hanley and MacGibbon 2006.
    """
    import numpy as np

    tickets = np.random.default_rng(seed).integers(0, 2**16, size=(rows, RESAMPLES), dtype=np.uint16)
    return _poisson_by_ticket()[tickets]


@cache
def _poisson_by_ticket() -> np.ndarray:
    """Return which of the Poisson(1) counts each of 65,536 equally likely tickets stands for."""
    import math

    import numpy as np

    chances = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])
    return np.searchsorted(chances, (np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


Side = tuple["np.ndarray", "np.ndarray"]
"""The known values of a sample, of shape (known,), and the rows they stand in, of shape (known,)."""


def resampled(reference: Side, current: Side, drawn: tuple[np.ndarray, np.ndarray], *, numeric: bool) -> np.ndarray:
    """Return the distance in each resample, of shape (RESAMPLES,); resamples that left a side empty are NaN.

    Args:
        reference: numbers, or category codes (integers from 0), and their rows.
        current: the same of the other sample.
        drawn: how often each row of the one and of the other sample is drawn, of shape (rows, RESAMPLES).
        numeric: normed Wasserstein distance; else Jensen-Shannon.
    """
    import numpy as np

    known = (reference[0], current[0])
    places: tuple[np.ndarray, ...]
    if not numeric:
        places, values = known, np.arange(int(max(side.max() for side in known)) + 1)
    else:
        pooled = np.concatenate(known)
        values, held = np.unique(pooled, return_inverse=True)
        if len(values) > MOST_BINS:
            edges = np.unique(np.quantile(pooled, np.linspace(0, 1, MOST_BINS + 1)))
            values = (edges[1:] + edges[:-1]) / 2
            held = np.clip(np.searchsorted(edges, pooled, side="right") - 1, 0, len(values) - 1)
        places = (held[: len(known[0])], held[len(known[0]) :])
    rows = (reference[1], current[1])
    counts = [_counted(*one, weights, len(values)) for one, weights in zip(zip(places, rows, strict=True), drawn, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return _wasserstein(values, *counts) if numeric else _jensen_shannon(*counts)


def _counted(places: np.ndarray, rows: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return the weights of each resample added up by place, of shape (RESAMPLES, size); whole numbers, exact up to 2^24."""
    import numpy as np
    from scipy.sparse import csr_matrix

    member = csr_matrix((np.ones(len(places), dtype=np.float32), (places, rows)), shape=(size, len(weights)))
    return np.asarray(member @ weights, dtype=float).T


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
