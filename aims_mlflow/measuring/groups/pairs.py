"""The furthest end of the intervals of all pairs of groups, at once: Newcombe's for differences, MOVER for ratios of proportions."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Side = Literal["low", "high"]


def wilson_limits(counted: np.ndarray, among: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return proportions with Wilson's (1927) limits, each of the shape of the counts; nothing to count among: 0, 0 and nearly 1."""
    import numpy as np

    z2, n = NormalDist().inv_cdf((1 + level) / 2) ** 2, np.maximum(among, 1)
    share = counted / n
    middle, half = (share + z2 / (2 * n)) / (1 + z2 / n), np.sqrt(z2 * share * (1 - share) / n + z2**2 / (4 * n**2)) / (1 + z2 / n)
    return share, np.clip(middle - half, 0, share), np.clip(middle + half, share, 1)


def furthest_difference(counted: np.ndarray, among: np.ndarray, level: float, side: Side) -> float:
    """Return the highest upper or lower end of Newcombe's (1998, method 10) intervals for p1 - p2 over all ordered pairs of groups.

    Args:
        counted: cases, (groups, ...); further axes are compared each with itself.
        among: those they are counted among, of the same shape, all above 0.
        level: two-sided confidence of each interval.
        side: which end.
    """
    import numpy as np

    share, low, high = (part[:, None] for part in wilson_limits(counted, among, level))
    other, other_low, other_high = (part[None, :, 0] for part in (share, low, high))
    room = np.hypot(high - share, other - other_low) if side == "high" else -np.hypot(share - low, other_high - other)
    ends = share - other + room
    ends[np.arange(len(ends)), np.arange(len(ends))] = -1.0
    return float(ends.max())


def furthest_ratio(counted: np.ndarray, among: np.ndarray, level: float, side: Side) -> float:
    """Return the lowest upper or lower end of the MOVER intervals (Donner and Zou 2012) for p1 / p2 over all ordered pairs of groups.

    As ``intervals.mover_ratio``, one pair at a time; an unbounded upper end is infinite. Args as ``furthest_difference``, one axis.
    """
    import numpy as np

    share, low, high = (part[:, None] for part in wilson_limits(counted, among, level))
    other, other_low, other_high = (part[None, :, 0] for part in (share, low, high))
    product = share * other
    if side == "low":
        lower = low * (2 * share - low)
        root = np.sqrt(np.maximum(0.0, product**2 - lower * other_high * (2 * other - other_high)))
        ends = np.divide(lower, product + root, out=np.zeros_like(product), where=lower > 0)
    else:
        under = np.broadcast_to(other_low * (2 * other - other_low), product.shape)
        root = np.sqrt(np.maximum(0.0, product**2 - under * high * (2 * share - high)))
        ends = np.divide(product + root, under, out=np.full_like(product, np.inf), where=under > 0)
    ends[np.arange(len(ends)), np.arange(len(ends))] = np.inf
    return float(ends.min())
