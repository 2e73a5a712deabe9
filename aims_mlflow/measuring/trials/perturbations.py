"""Perturbed copies of a frame: noise on numbers, missing cells. The frame itself is never changed.

Noise at several strengths is how Hendrycks and Dietterich (2019, "Benchmarking neural network robustness to common corruptions
and perturbations") test pictures; on tables it is the statistical testing of ISO/IEC TR 24029-1.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NORMAL_IQR = 1.349
"""The interquartile range of a normal distribution in standard deviations."""

Spread = Mapping[str, float]
Changed = dict[str, "pd.Series[Any]"]
"""The columns of a copy that were touched, by name."""

Perturbing = Callable[["pd.DataFrame", float, Spread, "np.random.Generator"], Changed]


@dataclass(frozen=True)
class Perturbation:
    """A way to disturb a frame: default strengths, the largest strength it can take, and the function."""

    strengths: tuple[float, ...]
    strongest: float
    perturb: Perturbing
    numeric_only: bool = False

    def changes(self, name: str, frame: pd.DataFrame, strength: float, spread: Spread, seed: int) -> Changed:
        """Return the perturbed columns; the same name and seed draw the same disturbance at every strength."""
        import numpy as np

        return self.perturb(frame, strength, spread, np.random.default_rng([seed, zlib.crc32(name.encode())]))

    def copy(self, name: str, frame: pd.DataFrame, strength: float, spread: Spread, seed: int) -> pd.DataFrame:
        """Return a perturbed copy, with the columns that ``changes`` gives."""
        return with_columns(frame, self.changes(name, frame, strength, spread, seed))


def spreads(frame: pd.DataFrame, fallback: pd.DataFrame | None = None) -> dict[str, float]:
    """Return each numeric column's interquartile range, from ``fallback`` where ``frame`` does not have the column.

    Where the range is zero (most cells alike) the standard deviation stands in, scaled as in a normal distribution; columns
    without any spread are left out, and so are booleans.
    """
    import numpy as np

    found = {}
    names = dict.fromkeys([*frame.columns, *(fallback.columns if fallback is not None else ())])
    for name in names:
        column = frame[name] if name in frame.columns else fallback[name] if fallback is not None else None
        if column is None or not is_number(column):
            continue
        values = column.to_numpy(dtype=float, na_value=np.nan)
        values = values[np.isfinite(values)]
        if len(values):
            with np.errstate(invalid="ignore", over="ignore"):  # numbers near the largest have no spread that can be told
                low, high = np.quantile(values, [0.25, 0.75])
                spread = float(high - low) or NORMAL_IQR * float(values.std())
            if np.isfinite(spread) and spread > 0:
                found[str(name)] = spread
    return found


def changed_cells(frame: pd.DataFrame, perturbed: pd.DataFrame) -> int:
    """Return how many cells differ; missing in both is no difference."""
    return sum(changed_in(frame[name], perturbed[name]) for name in frame.columns)


def changed_in(before: pd.Series[Any], after: pd.Series[Any]) -> int:
    """Return how many cells of a column differ; missing in both is no difference."""
    import numpy as np
    import pandas as pd

    if all(isinstance(kind, np.dtype) and kind.kind in "iufb" for kind in (before.dtype, after.dtype)):
        old, new = before.to_numpy(), after.to_numpy()
        return int((old != new).sum()) - int(((old != old) & (new != new)).sum())
    there, left = before.notna().to_numpy(), after.notna().to_numpy()
    both = there & left
    if before.dtype == after.dtype and isinstance(before.dtype, pd.StringDtype | pd.CategoricalDtype):
        # Compared as they are held: text as Python objects takes as long as the model takes to predict.
        differ = both & pd.Series(before.array != after.array).to_numpy(dtype=bool, na_value=False)
    else:
        differ = np.zeros(len(before), dtype=bool)
        old, new = (column.to_numpy(dtype=object)[both] for column in (before, after))
        try:
            differ[both] = old != new
        except ValueError:  # cells that are arrays have no single answer to whether they differ
            differ[both] = [not np.array_equal(one, other) for one, other in zip(old, new, strict=True)]
    return int(((there & ~left) | differ).sum())


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds real numbers; booleans are not numbers."""
    import pandas as pd

    kind = column.dtype
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) and not pd.api.types.is_complex_dtype(kind)


def _noisy(frame: pd.DataFrame, strength: float, spread: Spread, random: np.random.Generator) -> Changed:
    moved = {}
    for name in frame.columns:
        draws = random.standard_normal(len(frame))  # drawn for every column: no column's noise hangs on what the others are
        if name in spread and is_number(frame[name]):
            moved[name] = shifted(frame[name], strength * spread[name] * draws)
    return moved


def shifted(column: pd.Series[Any], by: np.ndarray) -> pd.Series[Any]:
    """Return the column moved by ``by``, of the same dtype; whole numbers stay whole and within their dtype."""
    import numpy as np
    import pandas as pd

    kind = column.dtype
    if isinstance(kind, np.dtype):
        if kind.kind == "f":
            return pd.Series((column.to_numpy() + by).astype(kind), index=column.index)
        room = np.iinfo(kind.name)
        steps = np.clip(np.rint(by), -(2.0**62), 2.0**62).astype(np.int64)
        moved = column.to_numpy().astype(np.int64) + steps
        return pd.Series(np.clip(moved, room.min, min(room.max, 2**63 - 1)).astype(kind), index=column.index)
    steps = np.rint(by) if pd.api.types.is_integer_dtype(kind) else by
    return held(column, column.to_numpy(dtype=float, na_value=np.nan) + steps)


def number_dtype(column: pd.Series[Any]) -> np.dtype[Any]:
    """Return the numpy dtype of a numeric column, or of what its nullable dtype holds."""
    import numpy as np

    kind: Any = column.dtype
    own: np.dtype[Any] = np.dtype(getattr(kind, "numpy_dtype", getattr(kind, "subtype", kind)))
    return own


def held(column: pd.Series[Any], values: np.ndarray) -> pd.Series[Any]:
    """Return ``values`` (n,), floats, as a column of ``column``'s own dtype: whole numbers stay whole and within their dtype.

    NaN is missing where the dtype is nullable, and stays NaN in floats; in a dtype without missing values there must be none.
    """
    import numpy as np
    import pandas as pd

    kind, own = column.dtype, number_dtype(column)
    if isinstance(kind, pd.SparseDtype):
        dense = held(pd.Series(np.asarray(column), index=column.index), values)
        return dense.astype(pd.SparseDtype(own, kind.fill_value))
    if own.kind == "f":
        with np.errstate(over="ignore"):
            cast = values.astype(own)
        return pd.Series(cast if kind == own else pd.array(cast.astype(float), dtype="Float64"), index=column.index).astype(kind)
    room = np.iinfo(own.name)
    # The float below 2^63 or 2^64: the limits themselves are not floats, and a cast beyond them is not defined.
    most = float(room.max) if room.bits < 64 else np.nextafter(float(room.max), 0)
    whole = np.clip(np.rint(values), float(room.min), most)
    if kind == own:
        return pd.Series(whole.astype(own), index=column.index)
    return pd.Series(pd.array(whole, dtype="Float64"), index=column.index).astype(kind)


def _emptied(frame: pd.DataFrame, strength: float, _: Spread, random: np.random.Generator) -> Changed:
    """Null cells at random; whole numbers become floats, because their dtype has no missing value."""
    return {name: emptied(frame[name], random.random(len(frame)) < strength) for name in frame.columns}


def emptied(column: pd.Series[Any], where: np.ndarray) -> pd.Series[Any]:
    """Return the column with missing cells where ``where`` (n,) says so: what ``mask`` gives, sooner for floats and text."""
    import numpy as np
    import pandas as pd

    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        values = column.to_numpy(copy=True)
        values[where] = np.nan
        return pd.Series(values, index=column.index)
    if isinstance(column.dtype, pd.StringDtype):
        taken: Any = column.array.take(np.where(where, -1, np.arange(len(column))), allow_fill=True)
        return pd.Series(taken, index=column.index)
    return column.mask(where)


PERTURBATIONS: dict[str, Perturbation] = {
    "numeric_noise": Perturbation((0.05, 0.1, 0.2, 0.5), 100.0, _noisy, numeric_only=True),
    "missing": Perturbation((0.05, 0.1, 0.2), 1.0, _emptied),
}
"""``numeric_noise``: x + strength x IQR x N(0, 1), on all numeric columns at once. ``missing``: each cell null at this rate."""


def with_columns(frame: pd.DataFrame, columns: Changed) -> pd.DataFrame:
    """Return a copy with these columns; not by ``assign``, whose own arguments a column may be called after."""
    made = frame.copy(deep=False)
    for name, column in columns.items():
        made[name] = column
    return made
