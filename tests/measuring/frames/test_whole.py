"""Counts of a whole dataset; pandas and scipy are the oracles, and each is taken once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.measuring.frames.whole import duplicate_rows, evenness, label_counts, missing_cells
from aims_mlflow.observation import Code, Dataset, Observation, RunFacts
from aims_mlflow.system import System


def seen_with(frame: Any) -> Observation:
    content = {
        "version": 1,
        "system": {"id": "s"},
        "task": {"kind": "regression", "target": "y"},
        "data": {"roles": {"train": "train"}},
    }
    run = RunFacts(run_id="r", started=datetime(2026, 3, 1, tzinfo=UTC), code=Code("unknown"))
    return Observation(System.model_validate(content), {"train": Dataset("train", frame, fingerprint(frame))}, run)


def test_counts_are_pandas_own_and_kept(german: Any) -> None:
    german.loc[:9, "purpose"] = None
    frame = pd.concat([german, german[:7]])
    seen = seen_with(frame)
    assert missing_cells(seen, "train") == frame.isna().sum().to_dict()
    assert duplicate_rows(seen, "train") == frame.duplicated().sum() == 7
    assert len(seen.kept) == 3
    assert missing_cells(seen, "train") is missing_cells(seen, "train")


def test_labels_are_counted_without_the_missing_ones() -> None:
    assert sorted(label_counts(pd.Series(["a", "b", "a", None]))) == [1, 2]
    assert label_counts(pd.Series([None, None], dtype=object)) == []
    with pytest.raises(CannotMeasure):
        label_counts(pd.Series([[1], [2]]))


@given(st.lists(st.integers(0, 50), max_size=8))
def test_evenness_is_pielous(counts: list[int]) -> None:
    present = [count for count in counts if count]
    if len(present) < 2:
        assert evenness(counts) is None
    else:
        assert evenness(counts) == pytest.approx(entropy(present, base=len(present)))
        assert evenness([present[0]] * 3) == pytest.approx(1)
