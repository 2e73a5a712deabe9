"""Groups of people: the rows of a frame by a declared sensitive column, by its bins, or by several columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import column_names
from aims_mlflow.measuring.labels import kind_of, plain
from aims_mlflow.system import BinnedColumn

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DISCLOSURE_MINIMUM = 10
"""Rows below which a group's name is withheld, because it could point at persons: our own choice."""

NUMERIC_AT_MOST = 20
"""Distinct values up to which a numeric column counts as groups without declared bins."""

GROUPS_AT_MOST = 100
"""Groups beyond which a column is an identifier rather than a grouping, and nothing can be compared."""

BETWEEN = " & "
"""Stands between the names of crossed columns, and between those of crossed groups."""


@dataclass(frozen=True)
class Grouping:
    """Rows by group: ``codes`` (n,) is each row's position in ``names``; ``names`` may be written, small groups' are withheld.

    ``labels`` are the groups' own names, whatever their size: they stay in memory.
    """

    column: str
    codes: np.ndarray
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.names)


def groups_of(frame: pd.DataFrame, sensitive: str | BinnedColumn, *, fewest: int = 2, weights: np.ndarray | None = None) -> Grouping:
    """Return the groups of a declared sensitive column, ``fewest`` at least; the frame is not changed.

    A column of text, booleans, categories or few whole numbers gives one group a value; a numeric one with more than
    ``NUMERIC_AT_MOST`` values, or with a fraction, needs declared bins, whose names are their edges: a number with a
    fraction is a measurement of somebody, however many rows hold it, and is never written as a name. With ``weights`` (n,) a row
    of the frame stands for so many.

    Raises:
        CannotMeasure: no such column, missing values, no bins, a single group, more than ``GROUPS_AT_MOST`` groups.
    """
    column = sensitive if isinstance(sensitive, str) else sensitive.column
    present = column_names(frame)
    where = f"sensitive column {column!r}"
    if column not in present:
        raise CannotMeasure(
            f"column {column!r} is not in the data",
            where=f"{len(present)} columns",
            fix="pass the frame with this column, or correct data.sensitive",
        )
    values = frame[column]
    empty = int(values.isna().sum() if weights is None else weights[values.isna().to_numpy()].sum())
    if empty:
        raise CannotMeasure(
            f"the sensitive column {column!r} has {empty} missing values",
            where=where,
            fix="give people of unknown group a value of their own (such as 'unknown'): leaving them out would hide them",
        )
    codes, labels = _by_value(values, where) if isinstance(sensitive, str) else _by_bin(values, sensitive.bins, where)
    return _checked(column, codes, labels, where, fewest, weights)


def crossed(groupings: Sequence[Grouping], weights: np.ndarray | None = None) -> Grouping:
    """Return the groups of several groupings of the same rows at once: column "a & b", groups "x & y", empty ones left out.

    Raises:
        CannotMeasure: more than ``GROUPS_AT_MOST`` groups.
    """
    import numpy as np

    column = BETWEEN.join(grouping.column for grouping in groupings)
    codes = np.zeros(len(groupings[0].codes), dtype=np.int64)
    labels: list[str] = [""]
    for grouping in groupings:
        codes = codes * len(grouping) + grouping.codes
        labels = [f"{left}{BETWEEN}{right}" if left else right for left in labels for right in grouping.labels]
        used, codes = np.unique(codes, return_inverse=True)
        labels = [labels[at] for at in used]
    return _checked(column, codes, tuple(labels), f"columns {column}", weights=weights)


def crossings(columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return which columns are to be crossed: all pairs, and all of them together where there are more than two."""
    pairs: list[tuple[str, ...]] = list(combinations(columns, 2))
    return pairs if len(columns) <= 2 else [*pairs, tuple(columns)]


def _checked(
    column: str, codes: np.ndarray, labels: tuple[str, ...], where: str, fewest: int = 2, weights: np.ndarray | None = None
) -> Grouping:
    import numpy as np

    if len(labels) < fewest:
        raise CannotMeasure(
            f"column {column!r} has a single group, so there is nothing to compare",
            where=where,
            fix="measure on data that hold at least two groups",
        )
    if len(labels) > GROUPS_AT_MOST:
        raise CannotMeasure(
            f"column {column!r} has {len(labels)} groups, more than {GROUPS_AT_MOST}",
            where=where,
            fix="declare a column of fewer, larger groups",
        )
    if len(set(labels)) != len(labels):
        raise CannotMeasure(
            f"column {column!r} has groups of the same name", where=where, fix="give each group its own name, without ' & ' in it"
        )
    sizes = tuple(int(size) for size in np.bincount(codes, weights, minlength=len(labels)))
    return Grouping(column, codes, _written(labels, sizes), sizes, labels)


def _written(labels: tuple[str, ...], sizes: tuple[int, ...]) -> tuple[str, ...]:
    small = [at for at, size in enumerate(sizes) if size < DISCLOSURE_MINIMUM]
    withheld = {at: f"withheld-{number} (under {DISCLOSURE_MINIMUM} rows)" for number, at in enumerate(small, start=1)}
    return tuple(withheld.get(at, label) for at, label in enumerate(labels))


def _by_value(values: pd.Series[Any], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    import numpy as np
    import pandas as pd

    try:
        codes, uniques = pd.factorize(values)
        labels = [plain(label) for label in uniques]
    except TypeError:
        raise CannotMeasure("the cells are not single values", where=where, fix="declare a column of text, numbers or booleans") from None
    if len(labels) > NUMERIC_AT_MOST and not isinstance(labels[0], str) and not isinstance(values.dtype, pd.CategoricalDtype):
        raise CannotMeasure(
            f"{where} has {len(labels)} different values and no bins",
            where=f"dtype {values.dtype}",
            fix=f"declare bins, such as sensitive: [{{column: {values.name}, bins: [25, 40, 60]}}], or another column of groups",
        )
    if any(isinstance(label, float) and not label.is_integer() for label in labels):
        raise CannotMeasure(
            f"{where} holds numbers with a fraction and no bins",
            where=f"dtype {values.dtype}",
            fix=f"declare bins, such as sensitive: [{{column: {values.name}, bins: [25, 40, 60]}}], or another column of groups",
        )
    if labels and kind_of(labels) == "mixed":
        raise CannotMeasure("the groups' names are of several types", where=where, fix="convert the column to text")
    texts = [str(bool(label)) if values.dtype == bool or str(values.dtype) == "boolean" else str(label) for label in labels]
    order = sorted(range(len(labels)), key=lambda at: (0, labels[at], "") if isinstance(labels[at], int | float) else (1, 0, texts[at]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], tuple(texts[at] for at in order)


def _by_bin(values: pd.Series[Any], edges: tuple[float, ...], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    import numpy as np
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        raise CannotMeasure(f"bins are declared for a column of dtype {values.dtype}", where=where, fix="drop the bins, or give numbers")
    inner = [f"{low:g} to under {high:g}" for low, high in pairwise(edges)]
    names = [f"under {edges[0]:g}", *inner, f"{edges[-1]:g} and over"]
    used, codes = np.unique(np.searchsorted(edges, values.to_numpy(dtype=float), side="right"), return_inverse=True)
    return codes, tuple(names[at] for at in used)
