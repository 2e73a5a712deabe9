"""Resampling of rows, for statistics that have no interval in closed form: all of them on the same draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 1000
FEWEST = 100
DRAWN_AT_MOST = 20_000_000
"""Rows drawn in all resamples together: beyond 20,000 rows there are fewer resamples, but never under ``FEWEST``."""

SAMPLED = 10_000
"""Rows up to which a statistic without weights is called on resamples; of more rows, on resamples of a seeded sample."""

CALLED = 400
"""Resamples on which such a statistic is called: its end points' own error is then a tenth of the interval's width."""

_AT_ONCE = 2_000_000
_SEED = 0
_DEFINED = 0.95

Weighted = Callable[["np.ndarray"], "np.ndarray"]
"""Takes how often each row was drawn, (resamples, n), and returns the statistic of each resample, (resamples,)."""


def resamples(n: int) -> int:
    """Return how many resamples are drawn of ``n`` rows."""
    return max(FEWEST, min(RESAMPLES, DRAWN_AT_MOST // max(n, 1)))


def drawn(n: int) -> Iterator[np.ndarray]:
    """Yield how often each of ``n`` rows is drawn with replacement, in chunks (some resamples, n); the seed is fixed."""
    import numpy as np

    random, left = np.random.default_rng(_SEED), resamples(n)
    while left > 0:
        some = min(left, max(1, _AT_ONCE // n))
        rows = random.integers(0, n, size=(some, n)) + np.arange(some)[:, None] * n
        yield np.bincount(rows.ravel(), minlength=some * n).reshape(some, n).astype(float)
        left -= some


def bootstrap(statistics: Mapping[str, Weighted], n: int, level: float = 0.95) -> dict[str, tuple[float, float] | None]:
    """Return the percentile bootstrap interval (Efron 1979) of each statistic over ``n`` rows, all on the same draws.

    None where a statistic is not finite on more than 5 % of the resamples, or the same on all of them: an interval without
    width would claim a certainty that the rows do not give.
    """
    import numpy as np

    found: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    if not statistics:
        return {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for weights in drawn(n):
            for name, statistic in statistics.items():
                found[name].append(statistic(weights))
    return {name: ends(np.concatenate(parts), level) for name, parts in found.items()}


def ends(values: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentiles that enclose ``level`` of the resampled values; None as in ``bootstrap``."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if len(finite) < _DEFINED * len(values):
        return None
    low, high = (float(q) for q in np.quantile(finite, [(1 - level) / 2, (1 + level) / 2]))
    return (low, high) if high > low else None


def by_calls(statistic: Callable[[np.ndarray], float | None], n: int, level: float = 0.95) -> tuple[float, float, str] | None:
    """Return the percentile bootstrap interval of a statistic of row positions (m,), with its method.

    Beyond ``SAMPLED`` rows a seeded sample of them is resampled, and its interval, about the statistic of all rows, shrunk by the
    root of what it is of them (m out of n bootstrap, Bickel, Götze and van Zwet 1997): right for what settles at the rate of
    the root of n. None as in ``bootstrap``.

    Args:
        statistic: takes positions of rows, and returns its value on them; None where it is not defined.
        n: how many rows there are.
        level: two-sided confidence.
    """
    import numpy as np

    random, m = np.random.default_rng(_SEED), min(n, SAMPLED)
    sample = np.arange(n) if m == n else np.sort(random.choice(n, m, replace=False))
    values = [statistic(sample[random.integers(0, m, m)]) for _ in range(CALLED)]
    found = ends(np.array([math.nan if v is None else v for v in values]), level)
    if found is None or m == n:
        return None if found is None else (*found, f"bootstrap, {CALLED} resamples")
    whole, part, shrunk = statistic(np.arange(n)), statistic(sample), math.sqrt(m / n)
    if whole is None or part is None:
        return None
    low, high = (whole + (end - part) * shrunk for end in found)
    return low, high, f"bootstrap, {CALLED} resamples of {m} rows, scaled to {n}"


def mean_of(rows: np.ndarray) -> Weighted:
    """Return the weighted mean of a per-row quantity (n,)."""
    return lambda weights: weights @ rows / weights.sum(axis=1)


def method(n: int) -> str:
    """Return how the interval is named: bootstrap, with the number of resamples."""
    return f"bootstrap, {resamples(n)} resamples"
