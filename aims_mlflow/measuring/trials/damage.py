"""Damage to one column at a time, as real data suffer it: out of range, an unknown category, a wrong unit, swapped, empty.

A test of what the model lets through: the minimum functionality and directional tests of Ribeiro et al. (2020, CheckList)
and the faults that data validation looks for (Breck et al. 2019), asked of the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from aims_mlflow.measuring.frames.columns import kind_of, numbers
from aims_mlflow.measuring.trials.perturbations import Changed, emptied, held, is_number, number_dtype
from aims_mlflow.measuring.trials.trial import Copy, DoesNotApply, Trial

if TYPE_CHECKING:
    import pandas as pd

PAIRS_AT_MOST = 8
"""Pairs of neighbouring columns that are swapped where none are declared."""

COLUMNS_AT_MOST = 50
"""Columns that are damaged, one at a time; of more, a seeded sample."""

DAMAGED_AT_MOST = 6_000
"""Rows that are asked about in all copies of one kind of damage together, within ``COPY_AT_LEAST``."""

COPY_AT_LEAST = 100
COPY_AT_MOST = 2_000
"""Rows of one damaged copy: enough for a rate, few enough that a hundred copies are still asked in one breath."""

SEEDS = 5
"""Disturbed copies of every row, where chance has a part in them: the least number that the design asks for."""

NEW_CATEGORY = "aims-unseen-category"


@dataclass(frozen=True)
class Damaged:
    """One column or pair, and how it is damaged; ``seed`` where chance has a part."""

    group: str
    change: Callable[[pd.DataFrame], Changed]
    seed: int | None = None


@dataclass(frozen=True)
class Found:
    """What there is to damage: the ways, the columns or pairs that somebody declared and that are not there, and of how many."""

    damaged: tuple[Damaged, ...]
    declared: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    candidates: int = 0


@dataclass(frozen=True)
class Damage:
    """A kind of damage: default strengths (none: it has no strength), the largest, and what it finds to do."""

    find: Callable[[Trial, float], Found]
    nothing: str
    strengths: tuple[float, ...] = ()
    strongest: float = 0.0
    of: str = "column"


def copies_of(trial: Trial, found: Found) -> list[Copy]:
    """Return one copy for each way, each of its own rows as far as there are enough: a row damaged once says more than one twice."""
    import numpy as np

    ways = len(found.damaged)
    size = min(trial.n, COPY_AT_MOST, max(COPY_AT_LEAST, DAMAGED_AT_MOST // ways))
    order = np.random.default_rng(0).permutation(trial.n)
    if size == trial.n:
        return [Copy(one.change, None, one.group, one.seed) for one in found.damaged]
    rows = [np.sort(np.take(order, np.arange(at * size, (at + 1) * size), mode="wrap")) for at in range(ways)]
    return [Copy(one.change, own, one.group, one.seed) for one, own in zip(found.damaged, rows, strict=True)]


def _some(names: list[str]) -> list[str]:
    """Return the names, or a seeded sample of many, in their order."""
    import numpy as np

    if len(names) <= COLUMNS_AT_MOST:
        return names
    taken = np.random.default_rng(0).choice(len(names), COLUMNS_AT_MOST, replace=False)
    return [names[at] for at in np.sort(taken)]


def _numeric(trial: Trial) -> list[str]:
    return [str(name) for name in trial.frame.columns if is_number(trial.frame[name])]


def known_range(trial: Trial, name: str) -> tuple[float, float] | None:
    """Return the declared range of a numeric column, else what the reference rows show; None where they show nothing."""
    import numpy as np

    declared = trial.seen.system.robustness.ranges.get(name)
    if declared is not None:
        return declared
    column = trial.reference[name] if name in trial.reference.columns and is_number(trial.reference[name]) else trial.frame[name]
    values = numbers(column)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else None


# --- the kinds ----------------------------------------------------------------------------------------------------------


def _out_of_range(trial: Trial, strength: float) -> Found:
    names = [name for name in _numeric(trial) if known_range(trial, name) is not None]
    ways = [way for name in _some(names) for way in _beyond(trial, name, strength)]
    return Found(tuple(ways), candidates=len(names))


def _beyond(trial: Trial, name: str, strength: float) -> Iterator[Damaged]:
    """Yield both sides, as far as the column's dtype can hold them: below a uint8 of zero there is nothing."""
    import numpy as np

    low, high = known_range(trial, name) or (0.0, 0.0)
    own = number_dtype(trial.frame[name])
    whole = own.kind in "iu"
    limits: Any = np.iinfo(own.name) if whole else np.finfo(own)
    below, above = low - strength * (high - low), high + strength * (high - low)
    below, above = (np.floor(below), np.ceil(above)) if whole else (below, above)
    if high > low and below >= float(limits.min):
        yield Damaged(name, partial(_filled, name, float(below)))
    if high > low and above < float(limits.max):
        yield Damaged(name, partial(_filled, name, float(above)))


def _filled(name: str, value: float, frame: pd.DataFrame) -> Changed:
    import numpy as np

    return {name: held(frame[name], np.full(len(frame), value))}


def _unseen_category(trial: Trial, _: float) -> Found:
    names = [str(name) for name in trial.frame.columns if _categorical(trial.frame[name])]
    return Found(tuple(Damaged(name, partial(_renamed, name, _token(trial, name))) for name in _some(names)), candidates=len(names))


def _categorical(column: pd.Series[Any]) -> bool:
    """Whether a column can hold a category that was never seen: text, or a categorical of text or numbers."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        kinds = column.dtype.categories
        return len(kinds) > 0 and (kind_of(pd.Series(kinds)) == "number" or pd.api.types.infer_dtype(kinds) == "string")
    return pd.api.types.infer_dtype(column, skipna=True) == "string"


def _token(trial: Trial, name: str) -> Any:
    """Return a value of the column's kind that neither the reference nor the rows on trial hold."""
    import pandas as pd

    known: set[Any] = set()
    for frame in (trial.frame, trial.reference):
        if name in frame.columns:
            column = frame[name]
            known |= set(column.dtype.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna().unique())
    if known and not any(isinstance(one, str) for one in known):
        return max(known) + 1
    token = NEW_CATEGORY
    while token in known:
        token += "-"
    return token


def _renamed(name: str, token: Any, frame: pd.DataFrame) -> Changed:
    import numpy as np
    import pandas as pd

    kind = frame[name].dtype
    if not isinstance(kind, pd.CategoricalDtype):
        return {name: pd.Series([token] * len(frame), dtype=kind, index=frame.index)}
    wider = pd.CategoricalDtype([*kind.categories, token], ordered=kind.ordered)
    codes = np.full(len(frame), len(kind.categories))
    return {name: pd.Series(pd.Categorical.from_codes(codes, dtype=wider), index=frame.index)}


def _unit_error(trial: Trial, factor: float) -> Found:
    declared = trial.seen.system.robustness.units
    numeric = _numeric(trial)
    names = [name for name in numeric if factor in declared.get(name, (factor,))]
    said = tuple(name for name, factors in declared.items() if factor in factors)
    ways = tuple(Damaged(name, partial(_scaled, name, factor)) for name in _some(names))
    return Found(ways, said, tuple(name for name in said if name not in numeric), len(names))


def _scaled(name: str, factor: float, frame: pd.DataFrame) -> Changed:
    import numpy as np

    with np.errstate(over="ignore"):
        return {name: held(frame[name], numbers(frame[name]) * factor)}


def _swapped_columns(trial: Trial, _: float) -> Found:
    declared = trial.seen.system.robustness.swaps
    present = [str(name) for name in trial.frame.columns]
    if declared:
        there = [(one, other) for one, other in declared if one in present and other in present]
        said = tuple(_pair(*pair) for pair in declared)
        pairs, absent = there, tuple(_pair(*pair) for pair in declared if pair not in there)
    else:
        pairs = [(one, other) for one, other in pairwise(present) if _alike(trial.frame[one], trial.frame[other])]
        said, absent = (), ()
    taken = pairs if declared or len(pairs) <= PAIRS_AT_MOST else [pairs[at * len(pairs) // PAIRS_AT_MOST] for at in range(PAIRS_AT_MOST)]
    ways = tuple(Damaged(_pair(*pair), partial(_exchanged, *pair)) for pair in taken)
    return Found(ways, said, absent, len(pairs))


def _pair(one: str, other: str) -> str:
    return f"{one} <-> {other}"


def _alike(one: pd.Series[Any], other: pd.Series[Any]) -> bool:
    """Whether two columns hold the same kind of thing, so that nobody notices when they change places."""
    import pandas as pd

    if is_number(one) and is_number(other):
        return pd.api.types.is_integer_dtype(one.dtype) == pd.api.types.is_integer_dtype(other.dtype)
    if pd.api.types.is_bool_dtype(one.dtype) or pd.api.types.is_bool_dtype(other.dtype):
        return one.dtype == other.dtype
    return kind_of(one) == kind_of(other) != "other" and kind_of(one) != "number"


def _exchanged(one: str, other: str, frame: pd.DataFrame) -> Changed:
    return {one: frame[other].rename(one), other: frame[one].rename(other)}


def _missing_column(trial: Trial, strength: float) -> Found:
    names = [str(name) for name in trial.frame.columns]
    seeds: tuple[int | None, ...] = (None,) if strength >= 1 else tuple(range(SEEDS))
    ways = tuple(Damaged(name, partial(_emptied, name, strength, seed), seed) for name in _some(names) for seed in seeds)
    return Found(ways, candidates=len(names))


def _emptied(name: str, strength: float, seed: int | None, frame: pd.DataFrame) -> Changed:
    import numpy as np

    if seed is None:
        return {name: emptied(frame[name], np.ones(len(frame), dtype=bool))}
    return {name: emptied(frame[name], np.random.default_rng(seed).random(len(frame)) < strength)}


DAMAGES: dict[str, Damage] = {
    "out_of_range": Damage(_out_of_range, "no numeric column with a range", (1.0,), 1e6),
    "unseen_category": Damage(_unseen_category, "no column of text or categories"),
    "unit_error": Damage(_unit_error, "no numeric column with this factor", (10.0, 1000.0), 1e12),
    "swapped_columns": Damage(_swapped_columns, "no two neighbouring columns of the same kind", of="column pair"),
    "missing_column": Damage(_missing_column, "no column", (1.0,), 1.0),
}
"""Each copy damages all its rows in one column (or pair).

``out_of_range``: cells are min - k x range, or max + k x range, of the reference rows or of ``robustness.ranges``; the strength
is k; two copies a column. ``unseen_category``: cells are a text, or a category, that no data hold. ``unit_error``: numbers times a
factor, the strength: 10 and 1000, or what ``robustness.units`` says of the column. ``swapped_columns``: two columns' cells change
places: ``robustness.swaps``, else neighbours of the same kind. ``missing_column``: cells are empty at a rate, the strength; 1: all.
"""


def find(trial: Trial, name: str, strength: float) -> Found:
    """Return what there is to damage; raises DoesNotApply where that is nothing."""
    kind = DAMAGES[name]
    found = kind.find(trial, strength)
    if not found.damaged:
        absent = f"; declared, but not among the columns: {', '.join(found.absent)}" if found.absent else ""
        raise DoesNotApply(f"the model reads {kind.nothing}, so {name} has nothing to damage{absent}", fix="drop the requirement")
    return found
