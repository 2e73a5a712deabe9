"""The slice of the data on which a model does worst: found on one half of the rows, measured on the other.

A slice that is searched for and measured on the same rows looks worse than it is: among thousands of slices one is bad by
chance, and that one would be picked. Rows that had no part in the choice are as good as new ones (sample splitting, Cox 1975),
so that the interval on them means what it says. What is searched are single columns and pairs (Slice Finder, Chung et al. 2019;
SliceLine, Sagadeeva and Boehm 2021). Slices are named by rank, never by value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import newcombe_difference, wilson
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.frames.columns import instants, kind_of, numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS_AT_LEAST = 100
"""Rows that a slice must have in the half where it is looked for: below, one slice or another is always bad."""

ROWS_AT_MOST = 50_000
"""Rows that are searched and measured; of more, a seeded sample."""

RANKS_AT_MOST = 20
"""Categories of a column that are slices of their own, by how frequent they are; the others are one."""

PAIRED_AT_MOST = 30
"""Columns that are crossed with one another: those with the worst slices of their own."""

WORST_SHARE = 0.1
"""The share of rows over which ``loss_cvar`` is the mean loss."""

_FOUND_AT = NormalDist().inv_cdf(0.95)
_Z = NormalDist().inv_cdf(0.975)
_QUARTERS = {
    (0, 1): "lowest quarter",
    (1, 2): "second quarter",
    (2, 3): "third quarter",
    (3, 4): "highest quarter",
    (0, 2): "lowest half",
    (1, 3): "middle half",
    (2, 4): "highest half",
    (0, 3): "lowest three quarters",
    (1, 4): "highest three quarters",
}
MISSING = "missing"


@dataclass(frozen=True)
class Cut:
    """A column cut into slices: each row's position (n,) in ``names``, -1 where it is in none."""

    column: str
    codes: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Slice:
    """A slice by name, and its rows as booleans (n,)."""

    name: str
    inside: np.ndarray


@dataclass(frozen=True)
class Search:
    """What a search went through: slices with enough rows, slices left out for having too few, columns, and the worst one."""

    searched: int
    too_small: int
    columns: int
    worst: Slice


def cut(column: pd.Series[Any], reference: pd.Series[Any]) -> Cut | None:
    """Return the slices of a column: quarters of numbers and times, categories by frequency, missing cells; None without two.

    Args:
        column: the rows to be cut (n,).
        reference: the rows (any number) from which quantiles and frequencies are taken.
    """
    name, kind = str(column.name), kind_of(column)
    if kind in ("number", "time") and kind_of(reference) == kind:
        of = numbers if kind == "number" else instants
        return _by_quarter(name, of(column), of(reference))
    return _by_rank(name, column, reference) if kind == "category" else None


def _by_quarter(name: str, values: np.ndarray, reference: np.ndarray) -> Cut | None:
    import numpy as np

    known = reference[np.isfinite(reference)]
    if not len(known):
        return None
    edges = np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf")  # values that occur, so that ties fall on one side
    inner = np.unique(edges)
    # Equal edges leave fewer bands, each named by the quarters it spans: [0, 0, 5] gives lowest half, third and highest quarter.
    ends = [0, *(int(np.searchsorted(edges, edge, side="right")) for edge in inner), 4]
    codes = np.searchsorted(inner, values, side="left")
    names = [_QUARTERS.get((begin, end), "") for begin, end in pairwise(ends)]
    codes = np.where(np.isnan(values), len(names), codes)
    return _compact(name, codes, [*names, MISSING])


def _by_rank(name: str, column: pd.Series[Any], reference: pd.Series[Any]) -> Cut | None:
    import numpy as np
    import pandas as pd

    try:
        counts = reference.value_counts()
        ranks = {value: rank for rank, value in enumerate(counts.index[counts > 0][:RANKS_AT_MOST])}
        codes, uniques = pd.factorize(column, use_na_sentinel=True)
        table = np.array([*(ranks.get(value, RANKS_AT_MOST) for value in uniques), RANKS_AT_MOST + 1])
    except TypeError:  # cells that are not single values
        return None
    names = [_ordinal(rank + 1) for rank in range(RANKS_AT_MOST)]
    return _compact(name, table[codes], [*names, "rarer ones", MISSING])


def _ordinal(rank: int) -> str:
    ending = "th" if 10 < rank % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return "most frequent" if rank == 1 else f"{rank}{ending} most frequent"


def _compact(name: str, codes: np.ndarray, names: list[str]) -> Cut | None:
    import numpy as np

    used, compact = np.unique(codes, return_inverse=True)
    return Cut(name, compact, tuple(f"{name}: {names[at]}" for at in used)) if len(used) > 1 else None


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows the slice is looked for on, and which it is measured on: a seeded split, positions in order."""
    import numpy as np

    order = np.random.default_rng(0).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def worst_slice(cuts: list[Cut], loss: np.ndarray, looked_on: np.ndarray) -> Search:
    """Return the slice whose mean loss is surely the highest: the highest lower 95 % bound, on the rows looked on.

    Args:
        cuts: columns cut into slices, over all rows (n,).
        loss: one a row (n,): 0 or 1, or an absolute error.
        looked_on: positions of the rows that the choice may be made on.

    Raises:
        CannotMeasure: no slice has enough rows.
    """
    import numpy as np

    own = loss[looked_on]
    binary = bool(np.isin(own, (0, 1)).all())
    singles: list[Bounded] = [((one,), *_bounds(one.codes[looked_on], own, len(one.names), binary)) for one in cuts]
    worst_first = sorted(range(len(cuts)), key=lambda at: -float(singles[at][1].max(initial=-math.inf)))
    crossed = [cuts[at] for at in sorted(worst_first[:PAIRED_AT_MOST])]
    found: list[tuple[float, list[tuple[Cut, int]]]] = []
    searched = too_small = 0
    for parts, bounds, small in (*singles, *_pairs(crossed, looked_on, own, binary)):
        fit = np.isfinite(bounds)
        searched, too_small = searched + int(fit.sum()), too_small + small
        if fit.any():
            at = np.unravel_index(int(bounds.argmax()), [len(one.names) for one in parts])
            found.append((float(bounds.max()), [(one, int(place)) for one, place in zip(parts, at, strict=True)]))
    if not found:
        raise CannotMeasure(
            f"no slice has {ROWS_AT_LEAST} rows in the half of {len(looked_on)} rows that it is looked for on",
            fix="test on more rows, or drop the requirement",
        )
    _, places = max(found, key=lambda one: one[0])  # of equals the first, so a single column before a pair
    inside = np.logical_and.reduce([one.codes == at for one, at in places])
    return Search(searched, too_small, len(cuts), Slice(" & ".join(one.names[at] for one, at in places), inside))


Bounded = tuple[tuple[Cut, ...], "np.ndarray", int]
"""Columns, the lower bounds of the mean loss of their slices, and how many of these are too small."""


def _pairs(crossed: list[Cut], looked_on: np.ndarray, loss: np.ndarray, binary: bool) -> Iterator[Bounded]:
    codes = {one.column: one.codes[looked_on] for one in crossed}
    for one, other in combinations(crossed, 2):
        both = codes[one.column] * len(other.names) + codes[other.column]
        yield (one, other), *_bounds(both, loss, len(one.names) * len(other.names), binary)


def _bounds(codes: np.ndarray, loss: np.ndarray, k: int, binary: bool) -> tuple[np.ndarray, int]:
    """Return the lower bounds (k,) of the slices' mean loss, minus infinity where they are too small, and how many are."""
    import numpy as np

    counts = np.bincount(codes, minlength=k)
    sums = np.bincount(codes, weights=loss, minlength=k)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / counts
        if binary:  # Wilson's lower end
            z2 = _FOUND_AT**2
            middle, half = mean + z2 / (2 * counts), _FOUND_AT * np.sqrt(mean * (1 - mean) / counts + z2 / (4 * counts**2))
            low = (middle - half) / (1 + z2 / counts)
        else:
            squares = np.bincount(codes, weights=loss**2, minlength=k) / counts
            low = mean - _FOUND_AT * np.sqrt(np.maximum(squares - mean**2, 0) / counts)
    return np.where(counts >= ROWS_AT_LEAST, low, -np.inf), int(((counts > 0) & (counts < ROWS_AT_LEAST)).sum())


def measures_of(found: Slice, loss: np.ndarray, measured_on: np.ndarray, *, regression: bool) -> list[Measure]:
    """Return what the slice loses against everybody, on the rows it was not found on; n are the slice's own rows.

    The accuracy's drop is (1 - f) times that between the rest and the slice, f being the slice's share of the rows, which is
    taken as it is: Newcombe's (1998) interval between the two, times 1 - f. The error's growth: normal, by each row's influence.
    """
    inside, own = found.inside[measured_on], loss[measured_on]
    n, size = len(own), int(inside.sum())
    names = ("mean_absolute_error_increase",) if regression else ("accuracy_drop", "accuracy_score")
    if size == 0:
        return [Measure(name=name, value=None, n=0) for name in names]
    gap = float(own[inside].mean() - own.mean())
    if regression:
        influence = inside * (own - own[inside].mean()) * n / size - (own - own.mean())
        half = _Z * float(influence.std(ddof=1)) / math.sqrt(n)
        if not half > 0:
            return [Measure(name=names[0], value=gap, n=size)]
        return [Measure(name=names[0], value=gap, ci_low=gap - half, ci_high=gap + half, ci_method="normal, by influence", n=size)]
    right = size - int(own[inside].sum())
    others_right, others, rest = n - size - int(own[~inside].sum()), n - size, 1 - size / n
    low, high = (rest * end for end in newcombe_difference(others_right, others, right, size))
    method = "newcombe, rest against slice, times the share of the rest"
    least, most = wilson(right, size)
    return [
        Measure(name=names[0], value=gap, ci_low=low, ci_high=high, ci_method=method, n=size),
        Measure(name=names[-1], value=right / size, ci_low=least, ci_high=most, ci_method="wilson", n=size, count=right),
    ]


def cvar(loss: np.ndarray) -> Measure:
    """Return the mean of the worst tenth of the losses (n,): conditional value at risk (Rockafellar and Uryasev 2000).

    Interval: bootstrap up to 2,000 rows; beyond, the normal limit, by the influence of each row: what it adds beyond the quantile.
    """
    import numpy as np

    n, ordered = len(loss), np.sort(loss)[::-1]
    value = float(_tails(np.ones((1, n)), ordered)[0])
    if n <= 2_000:
        ends = resampling.bootstrap({"": lambda weights: _tails(weights, ordered)}, n)[""]
        method = resampling.method(n)
    else:
        quantile = float(np.quantile(loss, 1 - WORST_SHARE))
        influence = np.maximum(loss - quantile, 0) / WORST_SHARE
        half = _Z * float(influence.std(ddof=1)) / math.sqrt(n)
        ends, method = ((value - half, value + half) if half > 0 else None), "normal, by influence"
    if ends is None:
        return Measure(name="loss_cvar", value=value, n=n)
    return Measure(name="loss_cvar", value=value, ci_low=ends[0], ci_high=ends[1], ci_method=method, n=n)


def _tails(weights: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Return the mean of the worst tenth in each resample (resamples,), the row on the edge counted in part."""
    import numpy as np

    room = WORST_SHARE * len(ordered)
    before = np.cumsum(weights, axis=1) - weights
    taken = np.clip(room - before, 0, weights)
    return np.asarray(taken @ ordered / room)
