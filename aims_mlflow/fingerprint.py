"""Content digests: of a frame (whole content, column by column) and of the files of a model.

The algorithm ``aims-arrow-sha256-v1``, for one column:

1. The column becomes one Arrow array (chunks combined, offset zero). Its *dtype* is the name of the Arrow type:
   ``int64``, ``double``, ``bool``, ``timestamp[us, tz=UTC]``, ``decimal128(9, 2)``. Two columns have the same dtype where
   these names are the same, so ``int64`` and pandas' ``Int64`` are one dtype, and ``int64`` and ``int32`` are two. Every way
   to hold text (pandas ``str``, ``string``, object of str, Arrow ``string`` and ``large_string``) is ``string``. A
   categorical is ``category<string, ordered>`` and so on; other object columns are ``object<...>``.
2. Missing is missing: NaN, None, NA and NaT are one and the same, held in the validity bitmap; the values beneath are zeroed.
3. sha256 over: dtype, number of rows, number of missing values, the bitmap (only where something is missing), the buffers.
   Text: 64-bit lengths as offsets from zero, then UTF-8 bytes. Bool: bits. Everything else: its little-endian fixed width.
   A categorical: its categories (sorted where they are unordered), then the codes. Lists: lengths, then their items.

The frame's digest is the sha256 of the canonical JSON of the algorithm's name, the number of rows, and name, dtype and digest
of each column in order. The order of rows and columns counts; the index does not, so a reset index changes nothing.
-0.0 and 0.0 are different content, and so are two neighbouring floats: read CSV with float_precision="round_trip" where its
fractions must come back to the last bit (pandas' default parser may miss it). The same bytes, hashed raw, take about half as long.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure, VerificationError
from aims_mlflow.evidence import digest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ALGORITHM = "aims-arrow-sha256-v1"
"""The name of the algorithm, which changes whenever a digest would."""

_CELLS: tuple[type, ...] = (str, bytes, bool, int, float, complex, Decimal, datetime, date, time, timedelta)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """What a frame's content is: ``sha256`` (64 hex digits) over everything, and the same column by column."""

    sha256: str
    algorithm: str
    rows: int
    columns: tuple[str, ...]
    dtypes: Mapping[str, str] = field(default_factory=dict)
    column_digests: Mapping[str, str] = field(default_factory=dict)


def fingerprint(frame: pd.DataFrame) -> Fingerprint:
    """Return the fingerprint of the whole frame. The frame is not changed and, where its memory allows, not copied.

    Raises:
        CannotMeasure: not a pandas DataFrame, duplicate or non-string column names, or a column whose cells have no
            deterministic bytes (arbitrary Python objects); the message names the column and the fix.
    """
    columns = column_names(frame)
    dtypes: dict[str, str] = {}
    digests: dict[str, str] = {}
    for position, name in enumerate(columns):
        dtypes[name], digests[name] = _column(frame.iloc[:, position], name)
    listing = [[name, dtypes[name], digests[name]] for name in columns]
    whole = digest({"algorithm": ALGORITHM, "rows": len(frame), "columns": listing})
    return Fingerprint(whole, ALGORITHM, len(frame), columns, dtypes, digests)


def column_names(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the frame's column names; raises CannotMeasure unless they are strings that can be written, each once."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        kind = f"{type(frame).__module__}.{type(frame).__name__}"
        raise CannotMeasure(f"the data is a {kind}, not a pandas DataFrame", fix="pass a pandas DataFrame (such as .to_pandas())")
    strangers = [position for position, name in enumerate(frame.columns) if not isinstance(name, str)]
    if strangers:
        raise CannotMeasure(
            f"{len(strangers)} of {frame.shape[1]} column names are not strings (first at position {strangers[0]})",
            fix="name them: frame.columns = [str(name) for name in frame.columns]",
        )
    garbled = [position for position, name in enumerate(frame.columns) if not _is_text(name)]
    if garbled:
        raise CannotMeasure(
            f"{len(garbled)} of {frame.shape[1]} column names cannot be written as UTF-8 (first at position {garbled[0]})",
            fix="rename them: half a surrogate pair comes of text that was decoded wrongly",
        )
    if not frame.columns.is_unique:
        twice = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
        raise CannotMeasure(
            f"duplicate column names: {', '.join(twice)}",
            fix="rename or drop them, such as frame.loc[:, ~frame.columns.duplicated()]",
        )
    return tuple(str(name) for name in frame.columns)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def manifest(folder: str | os.PathLike[str]) -> dict[str, tuple[int, str]]:
    """Return every file below ``folder``: relative POSIX path, in order -> (size in bytes, sha256 in 64 hex digits).

    Raises:
        VerificationError: no such folder, or something in it is neither a plain file nor a folder (a symbolic link can
            point anywhere and change after it was looked at), or has a name that is not UTF-8.
    """
    top = Path(folder)
    if not top.is_dir():
        raise VerificationError("the model's folder is not there", where=str(folder), fix="pass the folder the model was saved to")
    found: dict[str, tuple[int, str]] = {}
    for here, folders, files in os.walk(top, followlinks=False):
        for name in (*folders, *files):
            path = Path(here) / name
            relative = path.relative_to(top).as_posix()
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a plain file"
                raise VerificationError(f"{relative!r} is {kind}", where=str(folder), fix="save the model again, with plain files only")
            if not relative.isprintable():
                raise VerificationError(f"the file name {relative!r} is not plain text", where=str(folder), fix="rename the file")
            if stat.S_ISREG(mode):
                found[relative] = _file(path)
    return dict(sorted(found.items()))


def _file(path: Path) -> tuple[int, str]:
    """Return size and sha256 of a file that is read once, so that both are of the same bytes."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
    size, hasher = 0, hashlib.sha256()
    with os.fdopen(os.open(path, flags), "rb") as file:
        while block := file.read(_BLOCK):
            size += len(block)
            hasher.update(block)
    return size, hasher.hexdigest()


def _column(column: pd.Series[Any], name: str) -> tuple[str, str]:
    """Return the canonical dtype and the digest (64 hex digits) of one column."""
    array, dtype = as_arrow(column, name)
    hasher = hashlib.sha256()
    hasher.update(f"{ALGORITHM}\0{dtype}\0".encode())
    try:
        _feed(hasher, array)
    except NotImplementedError:
        raise _refused(name, dtype) from None
    return dtype, hasher.hexdigest()


def _refused(name: str, dtype: str) -> CannotMeasure:
    return CannotMeasure(
        f"column {name!r} (dtype {dtype}) holds cells without bytes of their own to digest",
        fix=f"store text, numbers, dates or lists of them, such as frame[{name!r}] = frame[{name!r}].astype('str'), or drop the column",
    )


def as_arrow(column: pd.Series[Any], name: str) -> tuple[Any, str]:
    """Return the column as one Arrow array, and its canonical dtype."""
    import pandas as pd
    import pyarrow as pa

    source: Any = column
    if isinstance(column.dtype, pd.SparseDtype):
        source = source.sparse.to_dense()
    plain_object = source.dtype == object
    kind = pd.api.types.infer_dtype(source, skipna=True) if plain_object else ""
    if kind.startswith("mixed"):
        # Arrow would make one number of 1 and 1.0, a list in no particular order of a set, and a crash of a list that holds
        # itself: cells are told apart instead.
        return pa.array(cells_as_text(source, name), pa.large_string()), "object<mixed>"
    try:
        array = pa.array(source, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError, OverflowError):
        if not plain_object:
            raise _refused(name, str(column.dtype)) from None
        return pa.array(cells_as_text(source, name), pa.large_string()), "object<mixed>"
    if isinstance(array, pa.ChunkedArray):
        array = _one_chunk(array)
    dtype = str(column.dtype) if isinstance(array.type, pa.BaseExtensionType) else _dtype(array.type)
    return array, f"object<{dtype}>" if plain_object and dtype != "string" else dtype


def _one_chunk(array: Any) -> Any:
    """Return a chunked array as one, copied only where there are several chunks."""
    import pyarrow as pa

    if array.num_chunks == 1:
        return array.chunk(0)
    if pa.types.is_dictionary(array.type):
        array = array.unify_dictionaries()
    if pa.types.is_string(array.type):
        array = array.cast(pa.large_string())  # 32-bit offsets cannot hold more than 2 GiB in one chunk
    return array.combine_chunks()


def cells_as_text(column: pd.Series[Any], name: str) -> list[str | None]:
    """Return the cells of a column as text that tells their types apart; raises CannotMeasure for arbitrary objects."""
    try:
        return [_cell_text(cell) for cell in column.tolist()]
    except (NotImplementedError, RecursionError):  # arbitrary objects; a list that holds itself
        raise _refused(name, str(column.dtype)) from None


def _cell_text(cell: Any) -> str | None:
    """Return one cell as text, None where it is missing; raises NotImplementedError for an object without content of its own."""
    import numpy as np
    import pandas as pd

    cell = cell.tolist() if isinstance(cell, np.generic | np.ndarray) else cell
    if isinstance(cell, dict):
        cell = sorted(cell.items())
    if isinstance(cell, list | tuple):
        return f"[{', '.join(str(_cell_text(item)) for item in cell)}]"
    if isinstance(cell, _CELLS) or (cell is not pd.NaT and isinstance(cell, pd.Period | pd.Interval)):
        return None if cell != cell else f"{type(cell).__name__}:{cell!r}"
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    raise NotImplementedError


def _dtype(kind: Any) -> str:
    """Return the canonical name of an Arrow type."""
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view":
        return "string"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "binary"
    if pa.types.is_dictionary(kind):
        return f"category<{_dtype(kind.value_type)}{', ordered' if kind.ordered else ''}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_dtype(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{kind.field(i).name}: {_dtype(kind.field(i).type)}' for i in range(kind.num_fields))}>"
    return str(kind)


def _feed(hasher: Any, array: Any) -> None:
    """Feed the canonical bytes of an Arrow array; raises NotImplementedError for a type that has none."""
    import numpy as np
    import pyarrow as pa

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        _feed(hasher, array.storage)
        return
    if str(kind) == "string_view":
        array, kind = array.cast(pa.large_string()), pa.large_string()
    missing = array.is_null(nan_is_null=pa.types.is_floating(kind)).to_numpy(zero_copy_only=False)
    count = int(np.count_nonzero(missing))
    hasher.update(len(array).to_bytes(8, "little") + count.to_bytes(8, "little"))
    if count:
        hasher.update(np.packbits(~missing, bitorder="little"))
    if pa.types.is_null(kind):
        return
    if pa.types.is_dictionary(kind):
        _feed_categories(hasher, array)
    elif pa.types.is_boolean(kind):
        bits = array.to_numpy(zero_copy_only=False) if not count else array.fill_null(False).to_numpy(zero_copy_only=False)
        hasher.update(np.packbits(bits, bitorder="little"))
    elif any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)):
        _feed_texts(hasher, array, missing if count else None)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = _compute().list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        hasher.update(np.ascontiguousarray(lengths, dtype="<i8"))
        _feed(hasher, array.flatten())
    elif pa.types.is_struct(kind):
        for child in array.flatten():
            _feed(hasher, child)
    else:
        _feed_fixed(hasher, array, missing if count else None)


def _feed_fixed(hasher: Any, array: Any, missing: np.ndarray | None) -> None:
    """Feed values of a fixed width, zero where missing: straight from Arrow's buffer where nothing is missing."""
    import numpy as np

    try:
        width = array.type.bit_width // 8
    except ValueError:
        raise NotImplementedError from None
    if width == 0 or sys.byteorder != "little":
        raise NotImplementedError
    held = array.buffers()[1]
    if held is None or len(array) == 0:
        return
    view = memoryview(held)[array.offset * width : (array.offset + len(array)) * width]
    if missing is None:
        hasher.update(view)
        return
    cells = np.frombuffer(view, dtype=f"V{width}").copy()
    cells[missing] = b"\0" * width
    hasher.update(cells.view(np.uint8))


def _feed_texts(hasher: Any, array: Any, missing: np.ndarray | None) -> None:
    """Feed offsets from zero (64-bit), then the bytes; nothing stands under a missing value."""
    import numpy as np
    import pyarrow as pa

    text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    if len(array) == 0:
        return
    small = pa.types.is_string(array.type) or pa.types.is_binary(array.type)
    offsets = _offsets(array, small)
    if missing is not None and np.diff(offsets)[missing].any():
        array = array.cast(pa.large_string() if text else pa.large_binary()).fill_null("" if text else b"")
        offsets = _offsets(array, small=False)
    held = array.buffers()[2]
    start, stop = int(offsets[0]), int(offsets[-1])
    hasher.update(np.ascontiguousarray(offsets - start if start else offsets, dtype="<i8"))
    if held is not None and stop > start:
        hasher.update(memoryview(held)[start:stop])


def _offsets(array: Any, small: bool) -> np.ndarray:
    import numpy as np

    whole = np.frombuffer(array.buffers()[1], dtype=np.int32 if small else np.int64)
    return whole[array.offset : array.offset + len(array) + 1]


def _feed_categories(hasher: Any, array: Any) -> None:
    """Feed the categories (sorted where their order means nothing), then each row's code as 64 bits, zero where missing."""
    import numpy as np

    kinds = array.dictionary
    codes = array.indices.fill_null(0).to_numpy(zero_copy_only=False).astype("<i8")
    if not array.type.ordered and len(kinds):
        order = _sorted(kinds)
        place = np.empty(len(kinds), dtype="<i8")
        place[order.to_numpy()] = np.arange(len(kinds))
        codes, kinds = place[codes], kinds.take(order)
        codes[array.is_null().to_numpy(zero_copy_only=False)] = 0
    _feed(hasher, kinds)
    hasher.update(np.ascontiguousarray(codes))


def _sorted(kinds: Any) -> Any:
    """Return the positions that sort the categories; those of a type without an order stay as they stand."""
    import pyarrow as pa

    try:
        return _compute().sort_indices(kinds)
    except pa.ArrowNotImplementedError:
        return pa.array(range(len(kinds)), pa.uint64())


def _compute() -> Any:
    """Return Arrow's functions, which it makes at import, where no type checker sees them."""
    import pyarrow.compute

    return pyarrow.compute
