"""Which rows a seed draws, by the 64-bit keys of their content and how often each stands in the frame.

Sent to the engine's own workers as it stands, like ``canonical``: it imports nothing of this package.
"""

from __future__ import annotations

from typing import Any


def uniform(keys: Any, seed: int) -> Any:
    """Return a number in (0, 1) for each row key, by the seed."""
    import numpy as np

    return ((mixed(keys, seed) >> np.uint64(11)).astype(float) + 0.5) / 2.0**53


def mixed(keys: Any, seed: int) -> Any:
    """Return the keys under SplitMix64 (Steele et al. 2014), started at the seed: a bijection, so equal ranks mean equal keys."""
    import numpy as np

    with np.errstate(over="ignore"):
        found = np.asarray(keys, dtype=np.uint64) + np.uint64(((seed + 1) * 0x9E3779B97F4A7C15) % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
        return found ^ (found >> np.uint64(31))


def is_drawn(keys: Any, counts: Any, chance: float, seed: int) -> Any:
    """Return of which contents, standing so often in the frame, at least one row is drawn."""
    import numpy as np

    return uniform(keys, seed) > np.exp(np.asarray(counts, dtype=float) * np.log1p(-chance))


def first_of_each(keys: Any, wanted: Any, still: Any) -> Any:
    """Return the positions of the first row of each wanted key (sorted) that is ``still`` to be found, and mark it as found."""
    import numpy as np

    if not len(wanted):
        return np.empty(0, dtype=np.int64)
    place = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    rows = np.flatnonzero((wanted[place] == keys) & still[place])
    rows = rows[np.unique(place[rows], return_index=True)[1]]
    still[place[rows]] = False
    return rows
