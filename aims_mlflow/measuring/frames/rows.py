"""Hashes of the rows of a frame, by which equal rows are found in two frames or in one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aims_mlflow.fingerprint import as_arrow, cells_as_text
from aims_mlflow.observation import Observation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def row_hashes(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return one 128-bit hash per row over ``columns``, as an array of shape (rows, 2), dtype uint64.

    Equal rows have equal hashes, whichever dtypes hold them: 1, 1.0 and True are one value, text is text however it is
    stored, an instant is an instant in any unit, missing is missing. Unequal rows collide with a chance of about
    rows^2 / 2^129 (below 1e-24 for ten million rows), which is taken as never. Not meant to withstand an attacker.

    A row's hash is the sum (modulo 2^64) of what its cells add (``cell_hashes``), so one column can be taken out of it again.

    Raises:
        CannotMeasure: a column of arbitrary Python objects.
    """
    import numpy as np

    hashes = np.zeros((2, len(frame)), dtype=np.uint64)
    for position, name in enumerate(columns):
        for half, values in enumerate(cell_hashes(frame[name], name, position)):
            hashes[half] += values
    return np.ascontiguousarray(hashes.T)


def cell_hashes(column: pd.Series[Any], name: str, position: int) -> Iterator[np.ndarray]:
    """Yield what each cell of the column at ``position`` adds to the two halves of its row's hash (rows,), dtype uint64."""
    import numpy as np

    for half, values in enumerate(_cell_hashes(column, name)):
        # A different odd number per column and half: swapped values in two columns give another sum.
        factor = int(hashlib.sha256(f"aims-row/{half}/{position}".encode()).hexdigest()[:16], 16) | 1
        yield _mixed(values ^ np.uint64(factor)) * np.uint64(factor)


def hashes_of(seen: Observation, role: str, columns: tuple[str, ...]) -> np.ndarray:
    """Return ``row_hashes`` of the data in ``role``, worked out once for all checks that ask for the same columns."""
    key = f"row hashes of {role}: {columns!r}"
    if key not in seen.kept:
        seen.kept[key] = row_hashes(seen.dataset(role).frame, columns)
    found: np.ndarray = seen.kept[key]
    return found


def row_ids(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Return an integer for each row of each frame, the same for equal rows over ``columns``, counted from 0 without gaps."""
    return ids_of([row_hashes(frame, columns) for frame in frames])


def drawn_by_content(hashes: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return the positions of ``most`` rows (all, where there are fewer), drawn without replacement and each with the same chance.

    Which rows are drawn, and their order, follow from their content and the seed alone: the same rows give the same sample in any
    order, and so on any engine. Equal rows cannot be told apart: of each the first, second, … copy is drawn or not by itself.

    Args:
        hashes: ``row_hashes`` of the rows, (rows, 2).
        most: how many.
        seed: an integer from 0 on.
    """
    import numpy as np

    (ids,) = ids_of([hashes])
    order = np.argsort(ids, kind="stable")
    copy = (np.arange(len(ids)) - np.searchsorted(ids[order], ids[order])).astype(np.uint64)  # the first, second, ... of equal rows
    start = np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    lots = _mixed(_mixed(hashes[order, 0] + start) ^ _mixed(hashes[order, 1] + _mixed(copy + np.uint64(1))))
    chosen: np.ndarray = order[np.argsort(lots, kind="stable")[:most]]
    return chosen


def ids_of(hashes: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return an integer for each hash, (rows, 2) each, the same for equal ones, counted from 0 without gaps."""
    import numpy as np

    together = np.concatenate(hashes)
    order = np.lexsort((together[:, 1], together[:, 0]))
    arranged = together[order]
    fresh = np.ones(len(together), dtype=bool)
    fresh[1:] = (arranged[1:] != arranged[:-1]).any(axis=1)
    ids = np.empty(len(together), dtype=np.int64)
    ids[order] = np.cumsum(fresh) - 1
    return tuple(np.split(ids, np.cumsum([len(one) for one in hashes])[:-1]))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return the values under the finaliser of SplitMix64 (Steele et al. 2014), a bijection of 64-bit numbers."""
    import numpy as np

    mixed = values.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _cell_hashes(column: pd.Series[Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two 64-bit hashes of each cell, the same for the same value in any dtype; numbers stand for themselves."""
    import numpy as np
    import pandas as pd
    from pandas.api import types

    missing = column.isna().to_numpy(dtype=bool)
    kind = types.infer_dtype(column, skipna=True) if column.dtype == object else ""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        first, second = (np.append(h, np.uint64(0))[codes] for h in _cell_hashes(pd.Series(column.cat.categories), name))
    elif types.is_bool_dtype(column.dtype) or types.is_integer_dtype(column.dtype) or (kind in ("boolean", "integer") and _fits(column)):
        wide = np.uint64 if str(column.dtype).lower().startswith("u") else np.int64
        known = np.zeros(len(column), dtype=wide)
        known[~missing] = column[~missing].to_numpy(dtype=wide)
        first = second = known.view(np.uint64)
    elif types.is_float_dtype(column.dtype) or kind in ("floating", "mixed-integer-float"):
        first = second = _numbers(column.to_numpy(dtype=np.float64, na_value=np.nan))
    elif types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        first = second = _instants(column, name)
    else:
        texts: Any = (
            column if kind in ("", "string", "empty") and _is_text(column) else pd.Series(cells_as_text(column, name), dtype=object)
        )
        cells = texts.to_numpy(dtype=object, na_value="")
        codes, uniques = pd.factorize(cells)
        try:
            first, second = (half[codes] for half in _text_hashes(uniques))
        except UnicodeEncodeError:
            first, second = (half[codes] for half in _text_hashes(np.array([_written(one) for one in uniques], dtype=object)))
    if missing.any():
        first, second = (np.where(missing, np.uint64(0x9E3779B97F4A7C15), half) for half in (first, second))
    return first, second


def _text_hashes(uniques: np.ndarray) -> list[np.ndarray]:
    """Return two 64-bit hashes of each text; raises UnicodeEncodeError where UTF-8 cannot hold one."""
    import pandas as pd

    return [pd.util.hash_array(uniques, hash_key=key, categorize=False) for key in ("aims-row-hash-01", "aims-row-hash-02")]


def _written(cell: Any) -> Any:
    """Return a cell as it can be hashed: text that UTF-8 cannot hold (half a surrogate pair) as its code points."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return f"\0{cell.encode('utf-8', 'surrogatepass').hex()}"
    except AttributeError:
        return cell
    return cell


def _fits(column: pd.Series[Any]) -> bool:
    return all(-(2**63) <= int(cell) < 2**63 for cell in column.dropna())


def _is_text(column: pd.Series[Any]) -> bool:
    import pandas as pd

    return column.dtype == object or pd.api.types.is_string_dtype(column.dtype)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Return floats as 64 bits: a whole number as the integer it equals, any other as its own bits, scrambled."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        integers = values.astype(np.int64)
        whole = (integers == values) & (np.abs(values) < 2.0**63)
    if whole.all():
        return integers.view(np.uint64)
    return np.where(whole, integers.view(np.uint64), ~_mixed(values.view(np.uint64)))


def _instants(column: pd.Series[Any], name: str) -> np.ndarray:
    """Return instants and durations as nanoseconds modulo 2^64, so that the unit does not matter."""
    import numpy as np
    import pyarrow as pa

    array, _ = as_arrow(column, name)
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[array.type.unit]
    return np.asarray(array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64) * np.uint64(factor))
