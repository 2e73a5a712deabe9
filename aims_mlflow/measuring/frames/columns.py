"""What a column holds, and its values as numbers: what distances and one-feature models are taken on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Kind = Literal["number", "category", "time", "other"]


def kind_of(column: pd.Series[Any]) -> Kind:
    """Return whether a column holds numbers, categories (text, truth values, categoricals), times, or something else.

    Columns of Python objects are told by what stands in them; one without any value is "other".
    """
    import pandas as pd
    from pandas.api import types

    if isinstance(column.dtype, pd.CategoricalDtype) or types.is_bool_dtype(column.dtype):
        return "category"
    if types.is_complex_dtype(column.dtype):
        return "other"
    if types.is_numeric_dtype(column.dtype):
        return "number"
    if types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.PeriodDtype):
        return "time"
    held = types.infer_dtype(column, skipna=True)
    kinds: dict[str, Kind] = {"string": "category", "boolean": "category", "integer": "number", "floating": "number"}
    times = ("datetime", "datetime64", "date", "period")
    return "time" if held in times else kinds.get(held, "number" if held == "mixed-integer-float" else "other")


def numbers(column: pd.Series[Any]) -> np.ndarray:
    """Return a column of numbers as floats (n,), NaN where missing; a new array, or a view that must not be written to."""
    import numpy as np

    values: np.ndarray = column.to_numpy(dtype=float, na_value=np.nan)
    return values


def instants(column: pd.Series[Any]) -> np.ndarray:
    """Return a column of times as seconds since 1970 (n,), NaN where missing; a time without a zone counts as UTC."""
    import numpy as np
    import pandas as pd

    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    times: Any = pd.to_datetime(column, utc=True, cache=False).dt.as_unit("us")
    seconds: np.ndarray = times.astype("int64").to_numpy().astype(float) / 1e6
    seconds[times.isna().to_numpy()] = np.nan
    return seconds
