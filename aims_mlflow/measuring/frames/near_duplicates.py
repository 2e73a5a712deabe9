"""Near duplicates: rows of one frame that are a row of another in all but a little.

Two rows are near duplicates where they

- agree on every compared column but one, whatever that one holds (a copy with one edited cell), or
- agree on every column that is no number, and differ by at most 1 % of the column's interquartile range (of the first
  frame) in every number (a copy with added noise).

Exact duplicates are left out: they have a measure of their own. Identifiers - columns of text or whole numbers in which no
value occurs twice - are not compared, since a copied row often gets a new one. Where the interquartile range is 0 numbers must
be equal. Both searches go through all rows of both frames: the first by hashes with one column taken out, the second by a k-d
tree (Maneewongvatana and Mount 1999, scipy's) under the largest of the columns' differences.

The definition is ours. That "all but a little" needs a distance per kind of column, scaled by the column's own spread, is
Gower's (1971) idea; that duplicates across a split are leakage stands in the taxonomy of Kapoor and Narayanan (2023), L1.4.
Rows of few or coarse columns are alike by chance; how many of the first frame's own rows have a near duplicate among the rest of
them says how often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.frames.columns import Kind, kind_of, numbers
from aims_mlflow.measuring.frames.rows import cell_hashes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TOLERANCE = 0.01
"""Difference of two numbers, in interquartile ranges, up to which they are nearly the same: our own choice."""

FEWEST_COLUMNS = 3
"""Compared columns below which "all but one column" says nothing."""

MOST_WITHIN = 10_000
"""Rows of the first frame that are looked up among the rest of them, to say how often rows are alike by chance."""

SEED = 0

_IDENTIFIERS = {"category": 50, "number": 1000}
"""Rows (of both frames together) from which a column without any repeated value is an identifier."""

_APART = 4.0
_LOOK = 1000


@dataclass(frozen=True)
class NearDuplicates:
    """What was found, one truth value a row of the second frame (m,).

    ``exact``: equal to a row of the first frame in every column. ``edited`` and ``noisy``: near duplicates of the two kinds, exact
    ones left out. ``within``: the same of distinct rows of the first frame and the rest of them, a seeded sample of at most
    ``MOST_WITHIN``. ``conflicting``: equal to some row in every compared column but the target, which differs; None without a target.
    """

    exact: np.ndarray
    edited: np.ndarray
    noisy: np.ndarray
    within: np.ndarray
    conflicting: np.ndarray | None
    compared: tuple[str, ...]
    identifiers: tuple[str, ...]

    @property
    def near(self) -> np.ndarray:
        """Which rows are near duplicates of either kind."""
        either: np.ndarray = self.edited | self.noisy
        return either


@dataclass
class _Sides:
    """What the search works on: hashes of the compared cells of both frames, first then second, and the numbers."""

    rows: tuple[int, int]
    whole: np.ndarray
    equal: np.ndarray
    scaled: list[np.ndarray] = field(default_factory=list)
    cells: dict[str, np.ndarray] = field(default_factory=dict)


def near_duplicates(
    first: pd.DataFrame, second: pd.DataFrame, columns: Sequence[str], target: str, hashes: tuple[np.ndarray, np.ndarray]
) -> NearDuplicates:
    """Return which rows of ``second`` are near duplicates of a row of ``first``; neither frame is changed.

    Args:
        first: the frame that is looked into, such as the train data.
        second: the frame whose rows are looked up.
        columns: names that both frames have, target included where there is one.
        target: the column whose value may conflict.
        hashes: ``row_hashes`` of both frames over ``columns``.

    Raises:
        CannotMeasure: fewer than three columns to compare, or a column of arbitrary Python objects.
    """
    import numpy as np
    import pandas as pd

    exact = _isin(hashes[1][:, 0], hashes[0][:, 0]) & _isin(hashes[1][:, 1], hashes[0][:, 1])
    sides, identifiers = _prepared(first, second, columns)
    compared = tuple(sides.cells)
    if len(compared) < FEWEST_COLUMNS:
        raise CannotMeasure(
            f"{len(compared)} columns are too few to tell near duplicates from rows that are alike by chance "
            f"({FEWEST_COLUMNS} are needed, identifiers aside)",
            fix="pass frames with more columns",
        )
    distinct = np.flatnonzero(~pd.DataFrame(hashes[0]).duplicated().to_numpy())
    looked = _drawn(len(distinct))
    edited, edited_within = _edited(sides, distinct, looked)
    noisy, noisy_within = _noisy(sides, distinct, looked)
    return NearDuplicates(
        exact=exact,
        edited=edited & ~exact,
        noisy=noisy & ~exact,
        within=np.asarray(edited_within | noisy_within),
        conflicting=_conflicting(sides, target),
        compared=compared,
        identifiers=identifiers,
    )


def _isin(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    import pandas as pd

    found: np.ndarray = pd.Series(values).isin(among).to_numpy()
    return found


def _prepared(first: pd.DataFrame, second: pd.DataFrame, columns: Sequence[str]) -> tuple[_Sides, tuple[str, ...]]:
    """Hash every compared column once, and scale those that hold numbers by their tolerance."""
    import numpy as np

    n = (len(first), len(second))
    sides = _Sides(n, np.zeros(sum(n), dtype=np.uint64), np.zeros(sum(n), dtype=np.uint64))
    identifiers = []
    for position, name in enumerate(columns):
        pair = (first[name], second[name])
        cells = np.concatenate([next(iter(cell_hashes(column, name, position))) for column in pair])
        kinds: set[Kind] = {kind_of(column) for column in pair}
        if _identifies(cells, pair, kinds):
            identifiers.append(name)
            continue
        sides.cells[name] = cells
        sides.whole += cells
        scaled = _scaled(pair) if kinds == {"number"} else None
        if scaled is None:
            sides.equal += cells
        else:
            # Missing and infinite numbers must stand at the same places; then they are no distance apart.
            finite = np.isfinite(scaled)
            if not finite.all():
                sides.equal += np.where(finite, np.uint64(0), cells)
                scaled[~finite] = 0.0
            sides.scaled.append(scaled)
    return sides, tuple(identifiers)


def _identifies(cells: np.ndarray, pair: tuple[pd.Series[Any], pd.Series[Any]], kinds: set[Kind]) -> bool:
    """Return whether no value of the column occurs twice, and it is of a kind of which that says something."""
    import pandas as pd
    from pandas.api import types

    fewest = min((_IDENTIFIERS.get(kind, len(cells) + 1) for kind in kinds), default=0)
    if len(cells) < fewest or (kinds == {"number"} and not all(types.is_integer_dtype(column.dtype) for column in pair)):
        return False
    return all(not pd.Series(part).duplicated().any() for part in (cells[:_LOOK], cells[: len(pair[0])], cells[len(pair[0]) :]))


def _scaled(pair: tuple[pd.Series[Any], pd.Series[Any]]) -> np.ndarray | None:
    """Return the numbers of both frames in units of the tolerance; None where the interquartile range is 0 or unknown."""
    import numpy as np

    values = [numbers(column) for column in pair]
    known = values[0][np.isfinite(values[0])]
    if not len(known):
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        unit = TOLERANCE * (high - low)
        if not unit > 0 or not np.isfinite(unit):
            return None
        scaled: np.ndarray = (np.concatenate(values) - middle) / unit
    return scaled


def _edited(sides: _Sides, distinct: np.ndarray, looked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of the second frame agree with one of the first on all columns but one.

    Also the same of the distinct rows of the first that are ``looked`` up among the rest of them.
    """
    import numpy as np
    import pandas as pd

    n = sides.rows[0]
    found, within = np.zeros(sides.rows[1], dtype=bool), np.zeros(len(looked), dtype=bool)
    for cells in sides.cells.values():
        rest = sides.whole - cells
        found |= _isin(rest[n:], rest[:n])
        known = rest[:n][distinct]
        alike = known[_isin(known, known[looked])]  # each of them at least once
        within |= _isin(known[looked], alike[pd.Series(alike).duplicated().to_numpy()])
    return found, within


def _drawn(rows: int) -> np.ndarray:
    import numpy as np

    return np.arange(rows) if rows <= MOST_WITHIN else np.random.default_rng(SEED).choice(rows, MOST_WITHIN, replace=False)


def _noisy(sides: _Sides, distinct: np.ndarray, looked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of the second frame lie within the tolerance of one of the first.

    Also the same of the distinct rows of the first that are ``looked`` up among the rest of them.
    """
    import numpy as np
    import pandas as pd
    from scipy.spatial import KDTree

    n = sides.rows[0]
    found, within = np.zeros(sides.rows[1], dtype=bool), np.zeros(len(looked), dtype=bool)
    if not sides.scaled or not len(distinct):
        return found, within
    # Rows that differ where nothing may differ are put further apart than the tolerance reaches.
    kinds, _ = pd.factorize(sides.equal)
    points = np.column_stack([kinds * _APART, *sides.scaled])
    # Equal points once: many of them would make the tree a list. They are told apart by identifiers only.
    known = distinct[~pd.Series(sides.whole[:n][distinct]).duplicated().to_numpy()]
    tree = KDTree(points[known], balanced_tree=False, compact_nodes=False)
    reach: Mapping[str, Any] = {"p": np.inf, "distance_upper_bound": 1.0 + 1e-6}
    asked = np.flatnonzero(_isin(kinds[n:], kinds[:n]))
    if len(asked):
        found[asked] = np.isfinite(tree.query(points[n:][asked], k=1, **reach)[0])
    if len(known) > 1:
        within = np.isfinite(tree.query(points[distinct[looked]], k=2, **reach)[0][:, 1])
    return found, within


def _conflicting(sides: _Sides, target: str) -> np.ndarray | None:
    """Return which rows of the second frame have the columns of a row of the first, but another target."""
    import numpy as np
    import pandas as pd

    if target not in sides.cells:
        return None
    n = sides.rows[0]
    columns, _ = pd.factorize(sides.whole - sides.cells[target])
    rows, _ = pd.factorize(sides.whole)
    alike = np.bincount(columns[:n], minlength=int(columns.max(initial=0)) + 1)
    same = np.bincount(rows[:n], minlength=int(rows.max(initial=0)) + 1)
    conflicting: np.ndarray = alike[columns[n:]] > same[rows[n:]]
    return conflicting
