"""Perturbed copies of a frame: noise on numbers, missing cells. The frame itself is never changed."""

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
Perturbing = Callable[["pd.DataFrame", float, Spread, "np.random.Generator"], "pd.DataFrame"]


@dataclass(frozen=True)
class Perturbation:
    """A way to disturb a frame: default strengths, the largest strength it can take, and the function."""

    strengths: tuple[float, ...]
    strongest: float
    perturb: Perturbing
    numeric_only: bool = False

    def copy(self, name: str, frame: pd.DataFrame, strength: float, spread: Spread, seed: int) -> pd.DataFrame:
        """Return a perturbed copy; the same name and seed draw the same disturbance at every strength."""
        import numpy as np

        return self.perturb(frame, strength, spread, np.random.default_rng([seed, zlib.crc32(name.encode())]))


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
        if column is None or not _is_number(column):
            continue
        values = column.to_numpy(dtype=float, na_value=np.nan)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [0.25, 0.75])
            spread = float(high - low) or NORMAL_IQR * float(values.std())
            if np.isfinite(spread) and spread > 0:
                found[str(name)] = spread
    return found


def changed_cells(frame: pd.DataFrame, perturbed: pd.DataFrame) -> int:
    """Return how many cells differ; missing in both is no difference."""
    import numpy as np
    import pandas as pd

    count = 0
    for name in frame.columns:
        before, after = frame[name], perturbed[name]
        if all(isinstance(kind, np.dtype) and kind.kind in "iufb" for kind in (before.dtype, after.dtype)):
            old, new = before.to_numpy(), after.to_numpy()
            count += int(((old != new) & ~((old != old) & (new != new))).sum())
            continue
        there, left = before.notna().to_numpy(), after.notna().to_numpy()
        both = there & left
        if before.dtype == after.dtype and isinstance(before.dtype, pd.StringDtype | pd.CategoricalDtype):
            # Compared as they are held: text as Python objects takes as long as the model takes to predict.
            differ = both & pd.Series(before.array != after.array).to_numpy(dtype=bool, na_value=False)
        else:
            differ = np.zeros(len(frame), dtype=bool)
            differ[both] = before.to_numpy(dtype=object)[both] != after.to_numpy(dtype=object)[both]
        count += int(((there & ~left) | differ).sum())
    return count


def _is_number(column: pd.Series[Any]) -> bool:
    import pandas as pd

    kind = column.dtype
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) and not pd.api.types.is_complex_dtype(kind)


def _noisy(frame: pd.DataFrame, strength: float, spread: Spread, random: np.random.Generator) -> pd.DataFrame:
    moved = {}
    for name in frame.columns:
        draws = random.standard_normal(len(frame))  # drawn for every column: no column's noise hangs on what the others are
        if name in spread and _is_number(frame[name]):
            moved[name] = _shifted(frame[name], strength * spread[name] * draws)
    return _with(frame, moved)


def _shifted(column: pd.Series[Any], by: np.ndarray) -> pd.Series[Any]:
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
    whole = pd.api.types.is_integer_dtype(kind)
    values = column.to_numpy(dtype=float, na_value=np.nan) + (np.rint(by) if whole else by)
    return pd.Series(pd.array(values, dtype="Float64"), index=column.index).astype(kind)


def _emptied(frame: pd.DataFrame, strength: float, _: Spread, random: np.random.Generator) -> pd.DataFrame:
    """Null cells at random; whole numbers become floats, because their dtype has no missing value."""
    return _with(frame, {name: frame[name].mask(random.random(len(frame)) < strength) for name in frame.columns})


PERTURBATIONS: dict[str, Perturbation] = {
    "numeric_noise": Perturbation((0.05, 0.1, 0.2, 0.5), 100.0, _noisy, numeric_only=True),
    "missing": Perturbation((0.05, 0.1, 0.2), 1.0, _emptied),
}
"""``numeric_noise``: x + strength x IQR x N(0, 1), on all numeric columns at once. ``missing``: each cell null at this rate."""


def _with(frame: pd.DataFrame, columns: dict[str, pd.Series[Any]]) -> pd.DataFrame:
    """Return a copy with these columns; not by ``assign``, whose own arguments a column may be called after."""
    made = frame.copy(deep=False)
    for name, column in columns.items():
        made[name] = column
    return made
