"""How the groups of a sample stand to their declared shares in the population: ratios, total variation, and their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aims_mlflow.intervals import wilson

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
SEED = 0


def smallest_ratio(counts: Sequence[int], rows: int, declared: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Return the smallest share of a sample over its declared share, with the ends of its interval.

    Each group has Wilson's (1927) interval at the level of Bonferroni's correction for as many groups, so all of them hold
    together; the smallest of the lower and the smallest of the upper ends then enclose the smallest true ratio.

    Args:
        counts: rows of each declared group.
        rows: rows of the sample, those of other groups and of none included; above 0.
        declared: share of each group in the population; all above 0.
        level: two-sided confidence.
    """
    each = 1 - (1 - level) / len(counts)
    ends = [wilson(count, rows, each) for count in counts]
    ratios = [count / rows / share for count, share in zip(counts, declared, strict=True)]
    low, high = (min(end[side] / share for end, share in zip(ends, declared, strict=True)) for side in (0, 1))
    return min(ratios), low, high


def total_variation(counts: Mapping[str, int], declared: Mapping[str, float], level: float = 0.95) -> tuple[float, float, float]:
    """Return the total variation distance (half the sum of the absolute differences of the shares), with the ends of its interval.

    The distance between sample and declaration differs from that between the truth and the declaration by at most the distance
    between sample and truth (triangle inequality). How large that is, is drawn: the 95 % quantile over multinomial samples from
    the observed shares (plus half a row a group, so that a group without rows is not taken for impossible). So the interval is
    never too narrow near 0, where a percentile bootstrap of a distance is biased upward.

    Args:
        counts: rows of every group, declared or not; together above 0.
        declared: share of each declared group in the population; groups that are not here have 0. They are scaled to sum to 1.
        level: two-sided confidence.
    """
    import numpy as np

    groups = list(dict.fromkeys([*counts, *declared]))
    seen: np.ndarray = np.array([counts.get(group, 0) for group in groups], dtype=float)
    asked = np.array([declared.get(group, 0.0) for group in groups]) / sum(declared.values())
    rows = int(seen.sum())
    value = float(np.abs(seen / rows - asked).sum() / 2)
    smoothed = (seen + 0.5) / (rows + len(groups) / 2)
    samples = np.random.default_rng(SEED).multinomial(rows, smoothed, size=RESAMPLES) / rows
    reach = float(np.quantile(np.abs(samples - smoothed).sum(axis=1) / 2, level))
    return value, max(0.0, value - reach), min(1.0, value + reach)
