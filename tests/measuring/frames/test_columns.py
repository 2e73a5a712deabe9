"""What a column holds, told whatever dtype it is stored in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.measuring.frames.columns import instants, kind_of, numbers


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        pytest.param(pd.Series([1, 2]), "number", id="int"),
        pytest.param(pd.Series([1.5, None]), "number", id="float"),
        pytest.param(pd.Series([1, None], dtype="Int64"), "number", id="nullable"),
        pytest.param(pd.Series([1, 2.5], dtype=object), "number", id="object of numbers"),
        pytest.param(pd.Series([True, False]), "category", id="bool"),
        pytest.param(pd.Series([True, None], dtype=object), "category", id="object of bool"),
        pytest.param(pd.Series(["a", None]), "category", id="text"),
        pytest.param(pd.Series(["a", "b"], dtype=object), "category", id="object of text"),
        pytest.param(pd.Series([1, 2], dtype="category"), "category", id="categorical of numbers"),
        pytest.param(pd.Series(pd.date_range("2026", periods=2)), "time", id="datetime"),
        pytest.param(pd.Series(pd.date_range("2026", periods=2, tz="UTC")), "time", id="zoned"),
        pytest.param(pd.Series([date(2026, 1, 1)], dtype=object), "time", id="dates"),
        pytest.param(pd.Series([datetime(2026, 1, 1, tzinfo=UTC)], dtype=object), "time", id="datetimes"),
        pytest.param(pd.Series(pd.period_range("2026", periods=2, freq="M")), "time", id="period"),
        pytest.param(pd.Series([1 + 2j]), "other", id="complex"),
        pytest.param(pd.Series([Decimal(1)]), "other", id="decimal"),
        pytest.param(pd.Series([[1], [2]]), "other", id="lists"),
        pytest.param(pd.Series(["a", 1], dtype=object), "other", id="mixed"),
        pytest.param(pd.Series([None, None], dtype=object), "other", id="nothing"),
        pytest.param(pd.Series([], dtype=float), "number", id="no rows"),
    ],
)
def test_kinds(column: Any, kind: str) -> None:
    assert kind_of(column) == kind


def test_numbers_and_instants_keep_missing_values() -> None:
    assert np.array_equal(numbers(pd.Series([1, None], dtype="Int64")), [1, np.nan], equal_nan=True)
    seconds = instants(pd.Series(pd.to_datetime(["1970-01-01T00:01", None])))
    assert np.array_equal(seconds, [60, np.nan], equal_nan=True)
    assert instants(pd.Series(pd.period_range("1970-02", periods=1, freq="M")))[0] == 31 * 86_400
    zoned = pd.Series(pd.to_datetime(["1970-01-01T01:00+01:00"]))
    assert instants(zoned)[0] == 0
