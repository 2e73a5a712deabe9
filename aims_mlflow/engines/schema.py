"""The columns of a frame in our words: the canonical dtype of each, and what kind of values it holds, as pandas would have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import _dtype as canonical_dtype
from aims_mlflow.fingerprint import _is_text as can_be_written
from aims_mlflow.measuring.frames.columns import Kind


@dataclass(frozen=True)
class Schema:
    """The columns of a frame, in order; ``dtypes`` and ``kinds`` are one a column, ``floating`` tells which can hold NaN."""

    columns: tuple[str, ...]
    dtypes: tuple[str, ...]
    kinds: tuple[Kind, ...]
    floating: tuple[bool, ...]


def schema_of(arrow: Any) -> Schema:
    """Return the columns of an Arrow schema.

    Raises:
        CannotMeasure: no columns, or names that are there twice or cannot be written.
    """
    names = tuple(arrow.names)
    checked_names(names)
    types = [_in_utc(_storage(field.type)) for field in arrow]
    kinds: tuple[Kind, ...] = tuple(kind_of_type(one) for one in types)
    return Schema(names, tuple(canonical_dtype(one) for one in types), kinds, tuple(_is_floating(one) for one in types))


def checked_names(names: tuple[str, ...]) -> None:
    """Raise CannotMeasure unless there are names, each once, that UTF-8 can hold."""
    if not names:
        raise CannotMeasure("the data have no columns", fix="pass a frame with columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CannotMeasure(f"duplicate column names: {', '.join(twice)}", fix="rename them: each column needs a name of its own")
    garbled = [position for position, name in enumerate(names) if not can_be_written(name)]
    if garbled:
        raise CannotMeasure(
            f"{len(garbled)} of {len(names)} column names cannot be written as UTF-8 (first at position {garbled[0]})",
            fix="rename them: half a surrogate pair comes of text that was decoded wrongly",
        )


def kind_of_type(kind: Any) -> Kind:
    """Return what an Arrow type holds, in the words of ``columns.kind_of`` for the pandas column that Arrow makes of it."""
    import pyarrow as pa

    types: Any = pa.types
    if types.is_dictionary(kind) or types.is_boolean(kind) or canonical_dtype(kind) == "string":
        return "category"
    if types.is_integer(kind) or types.is_floating(kind):
        return "number"
    return "time" if types.is_timestamp(kind) or types.is_date(kind) else "other"


def _storage(kind: Any) -> Any:
    import pyarrow as pa

    return _storage(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _is_floating(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind))


def _in_utc(kind: Any) -> Any:
    """Return the type with its time zone called UTC, whatever the engine calls it: the instants are the same."""
    import pyarrow as pa

    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz is not None else kind
