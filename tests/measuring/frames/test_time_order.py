"""The order of rows in time, however times are stored; what cannot be compared is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.frames.time_order import Order, compared, times_of

DAYS = pd.Series(pd.date_range("2026-01-01", periods=10, freq="D"))


def framed(column: Any) -> pd.DataFrame:
    return pd.DataFrame({"t": column})


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(lambda s: s, id="datetime"),
        pytest.param(lambda s: s.dt.tz_localize("Europe/Berlin"), id="zoned"),
        pytest.param(lambda s: s.dt.strftime("%Y-%m-%d"), id="text"),
        pytest.param(lambda s: s.dt.strftime("%Y-%m-%dT%H:%M:%SZ"), id="zoned text"),
        pytest.param(lambda s: s.dt.strftime("%Y-%m-%d").astype("category"), id="category of text"),
        pytest.param(lambda s: s.dt.date.astype(object), id="dates"),
        pytest.param(lambda s: s.dt.to_period("D"), id="periods"),
        pytest.param(lambda s: s.astype("int64"), id="numbers"),
        pytest.param(lambda s: s.astype("datetime64[ms]"), id="other unit"),
    ],
)
def test_rows_are_told_from_later_ones(stored: Any) -> None:
    assert compared(framed(stored(DAYS[:6])), framed(stored(DAYS[6:])), "t", ("train", "test")) == Order(0, 0, 0, 4)
    assert compared(framed(stored(DAYS[:6])), framed(stored(DAYS[4:])), "t", ("train", "test")) == Order(1, 1, 2, 6)


def test_offsets_of_summer_and_winter_are_instants() -> None:
    winter, summer = framed(["2026-01-01T00:30+01:00", "2026-07-01T00:30+02:00"]), framed(["2026-06-30T22:30Z"])
    assert compared(winter, summer, "t", ("train", "test")) == Order(0, 1, 1, 1)
    berlin = framed(DAYS.dt.tz_localize("Europe/Berlin"))
    assert compared(berlin, framed(DAYS.dt.tz_localize("Asia/Tokyo")), "t", ("train", "test")).before == 10


@pytest.mark.parametrize(
    ("earlier", "later", "said"),
    [
        pytest.param(DAYS, [None, "2026-02-01"], "1 rows have no time", id="missing"),
        pytest.param(DAYS, DAYS.dt.tz_localize("UTC"), "of two kinds", id="with and without a zone"),
        pytest.param(DAYS, DAYS.astype("int64"), "of two kinds", id="times and numbers"),
        pytest.param(DAYS, ["2026-01-01T00:00Z", "2026-01-02T00:00"], "some have none", id="mixed within"),
        pytest.param(DAYS, ["31.01.2026", "01.02.2026"], "cannot be read", id="not ISO 8601"),
        pytest.param(DAYS, ["soon", "later"], "cannot be read", id="words"),
        pytest.param([1.0, np.inf], [2.0, 3.0], "infinite", id="infinite"),
        pytest.param(DAYS, [True, False], "holds no times", id="truth values"),
        pytest.param(DAYS, [[1], [2]], "holds no times", id="lists"),
        pytest.param([date(2026, 1, 1), date(9999, 12, 31)], [None, None], "no time", id="all missing"),
    ],
)
def test_what_cannot_be_compared_is_refused_without_quoting_it(earlier: Any, later: Any, said: str) -> None:
    with pytest.raises(CannotMeasure, match=said) as refused:
        compared(framed(earlier), framed(later), "t", ("train", "test"))
    assert refused.value.fix
    assert "31.01" not in str(refused.value)
    assert "soon" not in str(refused.value)
    assert refused.value.state == "error"


def test_an_absent_column_is_refused_and_numbers_are_no_dates() -> None:
    with pytest.raises(CannotMeasure, match="not in the test data"):
        compared(framed(DAYS), pd.DataFrame({"u": [1]}), "t", ("train", "test"))
    assert times_of(framed([1, 2]), "t", "train") is None
    found = times_of(framed(DAYS), "t", "train")
    assert found is not None
    assert found.max() == DAYS.max()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_counts_are_those_of_comparing_one_by_one(first: list[int], second: list[int]) -> None:
    found = compared(framed([DAYS[at] for at in first]), framed([DAYS[at] for at in second]), "t", ("train", "test"))
    assert found.before == sum(at < max(first) for at in second)
    assert found.tied == sum(at == max(first) for at in second)
    assert found.early == sum(at >= min(second) for at in first)
    assert found.rows == len(second)
