"""The canonical bytes of rows, whichever engine holds them, and what they add to a sum of rows (``aims-rows-lthash-blake3-v1``).

One cell is a tag (1 byte) and a payload (8 bytes, little-endian); cells that do not fit carry 32 bytes more:

========================================  ====  ========================================  =====================
cell                                      tag   payload                                   32 bytes more
========================================  ====  ========================================  =====================
missing: null, None, NA, NaT, NaN         0     0
truth value                               b     0 or 1
number, whole and within int64            i     int64
number, any other that is a double        f     the double's bits (so that -0.0 is not 0)
number, any other (decimal, uint64)       d     length of its shortest decimal writing    BLAKE3 of it
instant (with a time zone)                t     microseconds of UTC since 1970
date, or time without a zone              n     microseconds since 1970 (a date: 0:00)
the same, finer than microseconds         T, N  nanoseconds
time of day; duration                     h, u  nanoseconds
text of up to 8 bytes of UTF-8            16+l  the bytes (l: how many)
longer text; bytes                        s, y  length                                    BLAKE3 of them
list, struct, map, Python object          o     length of its canonical writing           BLAKE3 of it
========================================  ====  ========================================  =====================

So 1, 1.0 and an int8 are one number, text is text and a category its value, and a date is the midnight that pandas makes of it.
A row is its cells in the order of the sorted column names, then the 32 bytes more of those that have them, in the same order.

The row's bytes go through BLAKE3, which gives as many bytes as are asked for: 2,048 of them are 256 lanes of 64 bits. The lanes of
all rows are added, lane by lane, modulo 2^64. A sum has no order, can be taken in parts, and counts a row as often as it stands.
The construction is AdHash/LtHash of Bellare and Micciancio (1997, "A new paradigm for collision-free hashing"), of 16,384 bits as in
Lewi, Kim, Maykov and Weis (2019, "Securing update propagation with homomorphic hashing"). Those have 1,024 lanes of 16 bits, where
65,536 copies of a row vanish; ours are wider instead. A sum of 256 bits would not do: rows that add up to a wanted sum are found
with 2^31 steps (Wagner 2002, "A generalized birthday problem"), and with fewer where rows may be repeated.

This module is sent to the engine's own workers as it stands: it imports nothing of this package, only numpy, pyarrow and blake3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LANES = 256
"""Lanes of 64 bits in a sum."""

ROWS_AT_ONCE = 16_384
"""Rows whose bytes stand in memory at a time."""

_SUMMED_AT_ONCE = 128  # they stay in the processor's cache
_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}

Cells = tuple[Any, Any, Any, Any]
"""Tags (n,) uint8, payloads (n,) uint64, and, where some cells need them, 32 bytes more (n, 32) and which cells those are (n,)."""


class NoBytes(ValueError):
    """A column holds cells without bytes of their own; the message is its Arrow type."""


def row_lanes(columns: Sequence[Any]) -> Any:
    """Return the sum (256,) uint64 of the lanes of all rows.

    Args:
        columns: the columns as Arrow arrays of one length, in the order of their sorted names.
    """
    return row_lanes_and_keys(columns)[0]


def row_lanes_and_keys(columns: Sequence[Any]) -> tuple[Any, Any]:
    """Return the sum of the lanes (256,) and the key of each row (n,), both uint64; a row's key is its first lane."""
    import numpy as np
    from blake3 import blake3

    total, keys = np.zeros(LANES, dtype=np.uint64), [np.empty(0, dtype=np.uint64)]
    for rows in _written(columns):
        for start in range(0, len(rows), _SUMMED_AT_ONCE):
            hashed = b"".join([blake3(row).digest(length=8 * LANES) for row in rows[start : start + _SUMMED_AT_ONCE]])
            part = np.frombuffer(hashed, dtype="<u8").reshape(-1, LANES)
            total += part.sum(axis=0, dtype=np.uint64)
            keys.append(part[:, 0].copy())
    return total, np.concatenate(keys)


def row_keys(columns: Sequence[Any]) -> Any:
    """Return the key of each row (n,) uint64: the same for equal rows, and for unequal ones but for a chance of rows^2 / 2^65."""
    import numpy as np
    from blake3 import blake3

    parts = [np.frombuffer(b"".join([blake3(row).digest(length=8) for row in rows]), dtype="<u8") for rows in _written(columns)]
    return np.concatenate([np.empty(0, dtype=np.uint64), *parts])


def _written(columns: Sequence[Any]) -> Any:
    """Yield the canonical bytes of the rows, some thousand at a time, as lists."""
    size = len(columns[0]) if columns else 0
    for start in range(0, size, ROWS_AT_ONCE):
        yield _rows([column.slice(start, ROWS_AT_ONCE) for column in columns])


def _rows(columns: Sequence[Any]) -> list[Any]:
    import numpy as np

    cells = [cells_of(column) for column in columns]
    longer = [cell for cell in cells if cell[2] is not None]
    count, fixed = len(columns[0]), 9 * len(cells)
    width = fixed + 32 * len(longer)
    matrix = np.empty((count, width), dtype=np.uint8)
    fields = [field for at in range(len(cells)) for field in ((f"tag{at}", "u1"), (f"payload{at}", "<u8"))]
    records = matrix.view(np.dtype(fields + [(f"more{at}", "V32") for at in range(len(longer))]))[:, 0]
    for at, (tags, payloads, _, _) in enumerate(cells):
        records[f"tag{at}"], records[f"payload{at}"] = tags, payloads
    for at, (_, _, more, _) in enumerate(longer):
        records[f"more{at}"] = np.ascontiguousarray(more).view("V32")[:, 0]
    if all(has.all() for _, _, _, has in longer):
        whole = matrix.tobytes()
        return [whole[at : at + width] for at in range(0, count * width, width)]
    kept = np.ones((count, width), dtype=bool)
    lengths = np.full(count, fixed, dtype=np.int64)
    for at, (_, _, _, has) in enumerate(longer):
        kept[:, fixed + 32 * at : fixed + 32 * (at + 1)] = has[:, None]
        lengths += 32 * has
    whole = matrix[kept].tobytes()
    ends = np.cumsum(lengths).tolist()
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def cells_of(array: Any) -> Cells:
    """Return the cells of one Arrow array; raises NoBytes for a type that has none."""
    import numpy as np
    import pyarrow as pa

    types: Any = pa.types
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
        if isinstance(array, pa.ChunkedArray):  # several chunks that one array cannot hold
            array = pa.concat_arrays(array.chunks)
    while isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    kind = array.type
    if types.is_null(kind):
        return np.zeros(len(array), np.uint8), np.zeros(len(array), np.uint64), None, None
    if types.is_boolean(kind):
        return _fixed(array, b"b", array.cast(pa.uint8()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64))
    if types.is_integer(kind):
        return _integers(array)
    if types.is_floating(kind):
        return _floats(array)
    if types.is_date(kind) or types.is_timestamp(kind):
        return _instants(array)
    if types.is_time(kind) or types.is_duration(kind):
        wide = array.cast(pa.int32()).cast(pa.int64()) if types.is_time32(kind) else array.cast(pa.int64())
        values = _filled(wide) * np.int64(_NANOS[kind.unit])
        return _fixed(array, b"h" if types.is_time(kind) else b"u", values.view(np.uint64))
    return _by_value(array)


def _missing(array: Any) -> Any:
    return array.is_null().to_numpy(zero_copy_only=False)


def _filled(array: Any) -> Any:
    """Return an Arrow array of numbers as numpy's, zero where missing."""
    return (array.fill_null(0) if array.null_count else array).to_numpy(zero_copy_only=False)


def _fixed(array: Any, tag: Any, payloads: Any) -> Cells:
    """Return cells of one tag (or an array of tags), 0 where missing."""
    import numpy as np

    tags = np.full(len(array), ord(tag), dtype=np.uint8) if isinstance(tag, bytes) else tag
    if array.null_count:
        missing = _missing(array)
        payloads = np.where(missing, np.uint64(0), payloads)
        tags = np.where(missing, np.uint8(0), tags)
    return tags, payloads, None, None


def _integers(array: Any) -> Cells:
    import numpy as np
    import pyarrow as pa

    if array.type != pa.uint64():
        return _fixed(array, b"i", _filled(array).astype(np.int64).view(np.uint64))
    values = _filled(array)
    if not (values >> np.uint64(63)).any():
        return _fixed(array, b"i", values)
    return _by_value(array)


def _floats(array: Any) -> Cells:
    import numpy as np

    values = _filled(array).astype(np.float64)
    with np.errstate(invalid="ignore"):
        integers = values.astype(np.int64)
        whole = (integers == values) & (np.abs(values) < 2.0**63) & ~((values == 0) & np.signbit(values))
    missing = np.isnan(values)
    if array.null_count:
        missing |= _missing(array)
    payloads = np.where(whole, integers.view(np.uint64), values.view(np.uint64))
    tags = np.where(whole, np.uint8(ord("i")), np.uint8(ord("f")))
    payloads[missing], tags[missing] = 0, 0
    return tags, payloads, None, None


def _instants(array: Any) -> Cells:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_date(array.type):
        days = _filled(array.cast(pa.date32()).cast(pa.int32())).astype(np.int64)
        return _fixed(array, b"n", (days * np.int64(86_400_000_000)).view(np.uint64))
    zoned, unit = array.type.tz is not None, array.type.unit
    values = _filled(array.cast(pa.int64()))
    if unit != "ns":
        factor = np.int64(_MICROS[unit])
        if len(values) and np.abs(values).max() > np.iinfo(np.int64).max // factor:
            raise NoBytes(f"{array.type}, with times outside the range of microseconds")
        return _fixed(array, b"t" if zoned else b"n", (values * factor).view(np.uint64))
    micros, rest = np.divmod(values, np.int64(1000))
    if not rest.any():
        return _fixed(array, b"t" if zoned else b"n", micros.view(np.uint64))
    plain, fine = (b"t", b"T") if zoned else (b"n", b"N")
    tags = np.where(rest == 0, np.uint8(ord(plain)), np.uint8(ord(fine)))
    return _fixed(array, tags, np.where(rest == 0, micros, values).view(np.uint64))


def _by_value(array: Any) -> Cells:
    """Return the cells of text, bytes, decimals, nested values and categories: each different value is written once."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        codes, values = array.indices, array.dictionary
        while isinstance(values.type, pa.BaseExtensionType):
            values = values.storage
    else:
        try:
            coded = array.dictionary_encode()
            codes, values = coded.indices, coded.dictionary
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, AttributeError):
            codes, values = pa.array(range(len(array)), pa.int64()), array
    if not _one_by_one(values.type):
        tags, payloads, more, has = cells_of(values)
    else:
        tags, payloads, more, has = _each(values)
    places = np.where(_missing(codes), len(values), _filled(codes).astype(np.int64)) if codes.null_count else _filled(codes)
    tags, payloads = np.append(tags, np.uint8(0))[places], np.append(payloads, np.uint64(0))[places]
    if more is None or not has.any():
        return tags, payloads, None, None
    return tags, payloads, np.vstack([more, np.zeros((1, 32), np.uint8)])[places], np.append(has, False)[places]


def _one_by_one(kind: Any) -> bool:
    """Return whether values of a type are written one by one; the rest have cells of a fixed width."""
    import pyarrow as pa

    types: Any = pa.types
    fixed = (types.is_null, types.is_boolean, types.is_floating, types.is_date, types.is_timestamp, types.is_time, types.is_duration)
    return kind == pa.uint64() or not (types.is_integer(kind) or any(test(kind) for test in fixed))


def _each(values: Any) -> Cells:
    """Return the cells of different values, each written by itself."""
    import numpy as np
    import pyarrow as pa
    from blake3 import blake3

    types: Any = pa.types
    text = types.is_string(values.type) or types.is_large_string(values.type) or str(values.type) == "string_view"
    count = len(values)
    tags, payloads = np.zeros(count, np.uint8), np.zeros(count, np.uint64)
    more, has = np.zeros((count, 32), np.uint8), np.zeros(count, bool)
    for at, value in enumerate(values.to_pylist()):
        if value is None:
            continue
        tag, held = (b"s", value.encode("utf-8", "surrogatepass")) if text else _value(value)
        if tag == b"s" and len(held) <= 8:
            tags[at], payloads[at] = 16 + len(held), int.from_bytes(held, "little")
        elif tag in b"if":
            tags[at], payloads[at] = ord(tag), int.from_bytes(held, "little")
        else:
            tags[at], payloads[at], has[at] = ord(tag), len(held), True
            more[at] = np.frombuffer(blake3(held).digest(), np.uint8)
    return tags, payloads, more, has


def _value(value: Any) -> tuple[bytes, bytes]:
    """Return the tag of one value, and its payload or what stands behind it."""
    from decimal import Decimal

    if isinstance(value, bytes):
        return b"y", value
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return _number(value)
    return b"o", _nested(value).encode("utf-8", "surrogatepass")


def _number(value: Any) -> tuple[bytes, bytes]:
    """Return a number that is held as a decimal or a wide integer."""
    import struct
    from decimal import Decimal

    exact = Decimal(value)
    whole = exact == exact.to_integral_value()
    if whole and -(2**63) <= exact < 2**63:
        return b"i", int(exact).to_bytes(8, "little", signed=True)
    if whole and Decimal(float(exact)) == exact:
        return b"f", struct.pack("<d", float(exact))
    sign, digits, exponent = exact.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    return b"d", f"{'-' if sign else ''}{short}e{int(exponent) + len(text) - len(short)}".encode()


def _nested(value: Any) -> str:
    """Return a nested value in words that tell its parts apart, types of numbers aside."""
    from decimal import Decimal

    if value is None or value != value:
        return "-"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_nested(key)}:{_nested(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_nested(item) for item in value) + "]"
    if isinstance(value, bool):
        return f"b{value}"
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 2**63 and str(value) != "-0.0"):
        return f"f{value!r}"
    if isinstance(value, int | float):
        return f"i{int(value)}"
    if isinstance(value, Decimal):
        tag, held = _number(value)
        return f"i{int(value)}" if tag == b"i" else f"{tag.decode()}{held.hex()}"
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if isinstance(value, bytes):
        return f"y{value.hex()}"
    return f"{type(value).__name__}:{value!s}"
