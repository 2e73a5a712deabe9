"""What a preparation step did to a frame: counted by content, whatever the order; no value kept, no frame changed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.capture.steps import as_frame, step_between
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import fingerprint

RAW = pd.DataFrame({"income": [1.0, None, 3.0, 3.0], "town": ["a", "b", "secret-town", "secret-town"]})


def test_dropped_rows_are_counted_and_both_frames_are_known_by_content() -> None:
    after = RAW.dropna().reset_index(drop=True)
    step = step_between("drop rows without income", RAW, after)
    assert (step.dropped, step.added) == (1, 0)
    assert step.before is not None
    assert step.after is not None
    assert (step.before.rows, step.after.rows) == (4, 3)
    assert (step.before.sha256, step.after.sha256) == (fingerprint(RAW).sha256, fingerprint(after).sha256)
    assert "secret-town" not in json.dumps(dataclasses.asdict(step))


@pytest.mark.parametrize(
    ("after", "dropped", "added"),
    [
        (RAW.iloc[::-1], 0, 0),
        (RAW.iloc[:3], 1, 0),  # one of two equal rows
        (pd.concat([RAW, RAW.iloc[:1]]), 0, 1),
        (RAW.assign(new=1), 0, 0),  # over the columns that both have
        (RAW[["income"]].fillna(0.0), 1, 1),
        (pd.DataFrame({"other": [1]}), None, None),
        (RAW.iloc[:0], 4, 0),
    ],
    ids=["reversed", "one of two equal rows", "repeated", "new column", "filled in", "nothing in common", "none left"],
)
def test_rows_are_compared_by_what_they_hold(after: Any, dropped: int | None, added: int | None) -> None:
    step = step_between("x", RAW, after)
    assert (step.dropped, step.added) == (dropped, added)


def test_one_frame_tells_only_what_it_is() -> None:
    step = step_between("made by the supplier", None, RAW)
    assert step.before is None
    assert step.after is not None
    assert (step.dropped, step.added) == (None, None)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(CannotMeasure, match="not a pandas DataFrame"):
        step_between("x", as_frame([1, 2]), RAW)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_what_is_dropped_and_added_accounts_for_every_row(first: list[int], last: list[int]) -> None:
    before, after = (pd.DataFrame({"a": pd.Series(values, dtype="int64")}) for values in (first, last))
    step = step_between("x", before, after)
    assert step.dropped is not None
    assert step.added is not None
    assert len(first) - step.dropped + step.added == len(last)
    assert step.dropped == sum(max(0, first.count(v) - last.count(v)) for v in range(4))
