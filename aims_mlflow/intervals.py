"""Intervals and tests for counts, ranks and resampled statistics: what a number from a sample can say.

All ``level`` arguments are two-sided confidence levels. A one-sided 95 % bound is the matching end of the two-sided
90 % interval: pass ``one_sided(0.95)``. Only the standard library is imported here; numpy and scipy load where they are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_NORMAL = NormalDist()
_FURTHEST = 38.0  # standard errors; beyond it the normal tail underflows to zero
UNDEFINED_SHARE = 0.05
"""Above this share of resamples on which a statistic is not defined, its bootstrap interval is not given."""


def one_sided(confidence: float) -> float:
    """Return the two-sided level whose ends are one-sided bounds of this ``confidence`` (0.95 -> 0.90)."""
    if not 0.5 < confidence < 1:
        raise ValueError(f"a one-sided confidence lies between 0.5 and 1, not {confidence}")
    return 2 * confidence - 1


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    return -_NORMAL.inv_cdf((1 - level) / 2)


def _wilson(count: float, n: float, z: float) -> tuple[float, float]:
    if n < 0 or not 0 <= count <= n:
        raise ValueError(f"a proportion needs 0 <= count <= n, not {count} of {n}")
    if n == 0:
        return 0.0, 1.0
    share, z2 = count / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the edges the end is exactly the point; rounding must neither leave [0, 1] nor cross the point.
    low = 0.0 if count == 0 else min(max(0.0, middle - half), share)
    high = 1.0 if count == n else max(min(1.0, middle + half), share)
    return low, high


def wilson(count: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's (1927) score interval for a proportion, without continuity correction.

    ``n`` of zero says nothing: (0, 1). Raises ValueError unless 0 <= count <= n.
    """
    return _wilson(count, n, _z(level))


def jeffreys(count: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Jeffreys interval: quantiles of Beta(count + 1/2, n - count + 1/2).

    The lower end is 0 where nothing was counted and the upper end 1 where everything was (Brown, Cai and DasGupta 2001).
    """
    from scipy.special import betaincinv

    if n < 0 or not 0 <= count <= n:
        raise ValueError(f"a proportion needs 0 <= count <= n, not {count} of {n}")
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count + 0.5, n - count + 0.5, tail))
    high = 1.0 if count == n else float(betaincinv(count + 0.5, n - count + 0.5, 1 - tail))
    return low, high


def _newcombe(x1: float, n1: float, x2: float, n2: float, z: float) -> tuple[float, float]:
    if n1 == 0 or n2 == 0:
        return -1.0, 1.0
    p1, p2 = x1 / n1, x2 / n2
    (l1, u1), (l2, u2) = _wilson(x1, n1, z), _wilson(x2, n2, z)
    low = p1 - p2 - math.hypot(p1 - l1, u2 - p2)
    high = p1 - p2 + math.hypot(u1 - p1, p2 - l2)
    return max(-1.0, low), min(1.0, high)


def newcombe_difference(x1: float, n1: float, x2: float, n2: float, level: float = 0.95) -> tuple[float, float]:
    """Return Newcombe's (1998, method 10) hybrid score interval for p1 - p2 of independent proportions.

    An ``n`` of zero says nothing: (-1, 1).
    """
    return _newcombe(x1, n1, x2, n2, _z(level))


def tango_difference(won: int, lost: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Tango's (1998) score interval for the difference of two paired proportions, (won - lost) / n.

    With no discordant pair at all its ends are those of Wilson's for 0 of n, on both sides: that n pairs agree does not say
    that all would.

    Args:
        won: pairs in which only the first is true.
        lost: pairs in which only the second is.
        n: all pairs; zero says nothing: (-1, 1).
        level: two-sided confidence.
    """
    if min(won, lost) < 0 or won + lost > n:
        raise ValueError(f"discordant pairs must be among the {n} pairs, not {won} and {lost}")
    if n == 0:
        return -1.0, 1.0

    def score(delta: float) -> float:
        b, c = -won - lost + (2 * n - won + lost) * delta, -lost * delta * (1 - delta)
        share = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)  # most likely share of lost pairs, given the difference
        variance = n * (2 * share + delta * (1 - delta))
        ahead = won - lost - n * delta
        return 0.0 if ahead == 0 else ahead / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, ahead)

    z, point = _z(level), (won - lost) / n
    ends = []
    for far in (-1.0, 1.0):
        within, beyond = point, far
        for _ in range(60):
            middle = (within + beyond) / 2
            within, beyond = (middle, beyond) if abs(score(middle)) <= z else (within, middle)
        ends.append(beyond)
    return ends[0], ends[1]


def _mover(x1: float, n1: float, x2: float, n2: float, z: float) -> tuple[float, float | None]:
    if n1 == 0 or n2 == 0:
        return 0.0, None
    p1, p2 = x1 / n1, x2 / n2
    (l1, u1), (l2, u2) = _wilson(x1, n1, z), _wilson(x2, n2, z)
    product = p1 * p2
    # Donner and Zou's lower end, multiplied out by its conjugate: the same number, without their 0/0 at u2 = 2 p2.
    lower = l1 * (2 * p1 - l1)
    root = math.sqrt(max(0.0, product * product - lower * u2 * (2 * p2 - u2)))
    low = lower / (product + root) if lower > 0 else 0.0
    under = l2 * (2 * p2 - l2)
    if under <= 0:
        return low, None
    root = math.sqrt(max(0.0, product * product - under * u1 * (2 * p1 - u1)))
    return low, (product + root) / under


def mover_ratio(x1: float, n1: float, x2: float, n2: float, level: float = 0.95) -> tuple[float, float | None]:
    """Return the MOVER interval (Donner and Zou 2012) from Wilson's limits for p1 / p2 of independent proportions.

    The upper end is None where it is unbounded: nothing counted in the second group. With nothing counted in either the
    interval is (0, None): the ratio can be anything.
    """
    return _mover(x1, n1, x2, n2, _z(level))


def ratio_below_p(x1: float, n1: float, x2: float, n2: float, bound: float) -> float:
    """Return the one-sided p-value against p1 / p2 >= ``bound``, by inverting the upper end of ``mover_ratio``.

    1.0 where the point itself is not below the bound (the exact p-value is then above one half and decides nothing).
    """

    def still_within(z: float) -> bool:
        high = _mover(x1, n1, x2, n2, z)[1]
        return high is None or high >= bound

    return _inverted(still_within)


def difference_above_p(x1: float, n1: float, x2: float, n2: float, bound: float) -> float:
    """Return the one-sided p-value against p1 - p2 <= ``bound``, by inverting the lower end of ``newcombe_difference``.

    1.0 where the point itself is not above the bound.
    """
    return _inverted(lambda z: _newcombe(x1, n1, x2, n2, z)[0] <= bound)


def _inverted(still_within: Callable[[float], bool]) -> float:
    """Return the upper tail beyond the smallest z at which a limit reaches back to the bound."""
    near, far = 1e-9, _FURTHEST
    if still_within(near):
        return 1.0
    if not still_within(far):
        return 0.0
    for _ in range(45):
        middle = (near + far) / 2
        if still_within(middle):
            far = middle
        else:
            near = middle
    return _NORMAL.cdf(-far)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's (1979) step-down adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return tuple(adjusted)


def delong(y_true: Any, score: Any, level: float = 0.95) -> tuple[float, float, float]:
    """Return the area under the ROC curve and its interval, (auc, low, high).

    The variance is DeLong's (1988), by midranks (Sun and Xu 2014: O(n log n)); the interval is taken on the logit
    scale, so it stays in (0, 1), with Student's t for the cases of the rarer class less one, because the variance is
    estimated from so few of them (benchmarks/coverage.py: with ten cases the normal quantile covers 91 %, this one 95 %);
    its end on the side of one half is a score interval (``area_interval``).
    Where that variance is zero (perfect separation, or a constant score) DeLong's interval would be a point and claim
    certainty: then the interval is Wilson's for min(positives, negatives), because that many disjoint positive-negative
    pairs are independent trials of "the positive scores higher".

    Args:
        y_true: shape (n,), 0 or 1.
        score: shape (n,), finite; higher means more likely 1.
        level: two-sided confidence.

    Raises:
        ValueError: no positives or no negatives, labels other than 0 and 1, or scores that are not finite.
    """
    import numpy as np
    from scipy.stats import rankdata

    truth, scores = np.asarray(y_true), np.asarray(score, dtype=float)
    if truth.shape != scores.shape or truth.ndim != 1:
        raise ValueError("y_true and score must be one-dimensional and of one length")
    if not np.isin(truth, (0, 1)).all() or not np.isfinite(scores).all():
        raise ValueError("y_true must hold 0 and 1 only, and score finite numbers only")
    positive, negative = scores[truth == 1], scores[truth == 0]
    m, n = len(positive), len(negative)
    if m == 0 or n == 0:
        raise ValueError("the area under the ROC curve needs positives and negatives")
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n  # for each positive: share of negatives it beats, ties half
    below = 1 - (ranks[m:] - rankdata(negative)) / m  # for each negative: share of positives that beat it
    auc = float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
    spread = [float(part.var(ddof=1)) / len(part) if len(part) > 1 else math.inf for part in (above, below)]
    return auc, *area_interval(auc, sum(spread), m, n, level)


AREA_METHOD = "delong, score end"
"""What ``area_interval`` is called where its interval is shown."""

_PSEUDO_CASES = 50
"""How many cases of the rarer class the model's variance of an area counts for, beside the cases that were seen."""


def area_interval(area: float, variance: float, positives: int, negatives: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of an area under the ROC curve from DeLong's variance, as ``delong`` says; infinite: (0, 1).

    The end on the side of one half is a score interval (Newcombe 2006, part 2): it lies where the area found would just be
    possible, given the variance *there*. That variance has Hanley and McNeil's (1982) form; its size is DeLong's, drawn towards
    Hanley and McNeil's own where that is larger, the more so the fewer the cases. A few cases of a very good score that happen
    to hold none of its rare failures make DeLong's variance far too small just when the area was found too high: at a true 0.98
    its plain interval lies above the truth in 9 % of draws with 50 positives among 1,000, in 20 % with 20 of a wider spread, and
    ``at least`` would be passed by accident. This one does in at most 4 % (benchmarks/coverage.py).
    """
    rarer = min(positives, negatives)
    if variance < 1e-20 or area in (0.0, 1.0):
        return wilson(area * rarer, rarer, level)
    if math.isinf(variance):
        return 0.0, 1.0
    if area < 0.5:
        low, high = area_interval(1 - area, variance, negatives, positives, level)
        return 1 - high, 1 - low
    quantile = student_t(level, rarer - 1)
    logit, error = math.log(area / (1 - area)), math.sqrt(variance) / (area * (1 - area))
    return _area_score_end(area, variance, positives, negatives, quantile), _expit(logit + quantile * error)


def _area_score_end(area: float, variance: float, positives: int, negatives: int, quantile: float) -> float:
    """Return the smallest area from which the one found lies at most ``quantile`` standard errors away."""
    from scipy.optimize import root_scalar

    def expected(true: float) -> float:
        """Hanley and McNeil's (1982) variance of an area, for scores that are exponential in both classes."""
        both, pair = true / (2 - true), 2 * true**2 / (1 + true)
        spread = true * (1 - true) + (positives - 1) * (both - true**2) + (negatives - 1) * (pair - true**2)
        return max(0.0, spread) / (positives * negatives)

    rarer, size = min(positives, negatives), variance / expected(area)
    size = (rarer * size + _PSEUDO_CASES * max(1.0, size)) / (rarer + _PSEUDO_CASES)
    return float(root_scalar(lambda true: area - true - quantile * math.sqrt(size * expected(true)), bracket=(0.0, area)).root)


def student_t(level: float, freedom: float) -> float:
    """Return the two-sided quantile of Student's t: what a standard error that was itself estimated is multiplied by."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def skewed_mean(rows: Any, level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of a mean of skewed rows, such as losses: Hall's (1992) transformed t, by Student's quantile.

    Losses have a long tail to the right. Student's t and the percentile bootstrap then miss the truth above the interval far
    more often than below it, so that "at most" is passed too easily; the cubic transformation takes the skewness out.

    Args:
        rows: numbers, shape (n,).
        level: two-sided confidence.

    Returns:
        (low, high), or None for fewer than two rows or rows that are all alike: an interval without width would claim certainty.
    """
    import numpy as np

    values = np.asarray(rows, dtype=float)
    n = len(values)
    if n < 2 or not float(values.max() - values.min()) > 0:
        return None
    mean, spread = float(values.mean()), float(values.std())
    if not spread > 0:
        return None
    skewness = float((((values - mean) / spread) ** 3).mean())
    bend, shift = skewness / (3 * math.sqrt(n)), skewness / (6 * math.sqrt(n))

    def straight(bent: float) -> float:
        return bent - shift if abs(bend) < 1e-9 else (math.cbrt(1 + 3 * bend * (bent - shift)) - 1) / bend

    error, quantile = spread / math.sqrt(n - 1), student_t(level, n - 1)
    low, high = mean - straight(quantile) * error, mean - straight(-quantile) * error
    return min(low, mean), max(high, mean)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def paired_bootstrap(
    statistic: Callable[..., float], arrays: Sequence[Any], *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Return the percentile bootstrap interval (Efron 1979) of ``statistic(*arrays)``, the same rows drawn from every array.

    Args:
        statistic: takes the resampled arrays and returns one number.
        arrays: numpy arrays of one length n on the first axis.
        resamples: how many times rows are drawn.
        seed: the same seed gives the same interval.
        level: two-sided confidence.

    Returns:
        (low, high), or (None, None) where the statistic is not finite on more than 5 % of the resamples.

    Raises:
        ValueError: arrays of different lengths, or without rows.
    """
    import numpy as np

    columns = [np.asarray(a) for a in arrays]
    lengths = {len(c) for c in columns}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError("the arrays must have one length, and at least one row")
    n, draw = lengths.pop(), np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        rows = draw.integers(0, n, n)
        values[i] = statistic(*(c[rows] for c in columns))
    return _percentiles(values, level)


def multinomial_bootstrap(
    counts: Any, statistic: Callable[[Any], Any], *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Return the bootstrap interval of a statistic of counts: the row bootstrap at a fraction of its cost.

    Args:
        counts: integers of any shape, such as (group, y, y_hat); their sum is the number of rows.
        statistic: takes all draws at once, shape (resamples, then the shape of counts), and returns shape (resamples,).
        resamples: how many draws.
        seed: the same seed gives the same interval.
        level: two-sided confidence.

    Returns:
        (low, high), or (None, None) where the statistic is not finite on more than 5 % of the draws.

    Raises:
        ValueError: nothing counted.
    """
    import numpy as np

    table = np.asarray(counts, dtype=np.int64)
    total = int(table.sum())
    if total <= 0 or (table < 0).any():
        raise ValueError("the counts must be non-negative and not all zero")
    draws = np.random.default_rng(seed).multinomial(total, (table / total).ravel(), size=resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(statistic(draws.reshape(resamples, *table.shape)), dtype=float)
    return _percentiles(values, level)


def _percentiles(values: np.ndarray, level: float) -> tuple[float | None, float | None]:
    import numpy as np

    finite = values[np.isfinite(values)]
    if len(finite) < (1 - UNDEFINED_SHARE) * len(values):
        return None, None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
