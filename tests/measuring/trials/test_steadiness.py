from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.evidence import Measure
from aims_mlflow.measuring.trials.paired import Paired
from aims_mlflow.measuring.trials.perturbations import spreads
from aims_mlflow.measuring.trials.steadiness import INVARIANCES, SINGLE_ROWS, asked, counts
from aims_mlflow.measuring.trials.trial import DoesNotApply, Trial
from aims_mlflow.observation import Model


def frame(n: int = 60) -> pd.DataFrame:
    at = np.arange(n)
    columns: dict[str, Any] = {
        "f": at / 7.0,
        "f32": (at / 3).astype("float32"),
        "Float": pd.array([None, *(at[1:] / 7)], dtype="Float64"),
        "double": pd.Series(at / 7).astype("double[pyarrow]"),
        "i": at,
        "big": at + 2**60,
        "Int": pd.array([None, *at[1:]], dtype="Int64"),
        "arrow": pd.Series(at).astype("int64[pyarrow]"),
        "text": "a",
        "flag": at % 2 == 0,
    }
    return pd.DataFrame(columns)


def trial(predict: Any, data: pd.DataFrame | None = None) -> Trial:
    data = frame() if data is None else data
    clean = np.asarray(predict(data.copy()), dtype=float)
    model = Model(predict, tuple(data.columns))
    return Trial(model, None, data, clean, None, clean, None, data, "test", spreads(data), len(data))  # type: ignore[arg-type]


def named(one: Trial, name: str) -> dict[str, Measure]:
    return {m.name: m for m in counts(Paired(one), asked(one, name, 0)[0])}


@pytest.mark.parametrize("name", INVARIANCES)
def test_a_steady_model_stays_the_same_and_every_row_is_counted(name: str) -> None:
    found = named(trial(lambda f: f["i"] * 2), name)
    for measure in ("flip_rate", "mean_absolute_error_increase", "max_absolute_change"):
        assert found[measure].exact
        assert found[measure].value == 0
        assert found[measure].n == (SINGLE_ROWS if name == "batch_of_one" else 60)


def test_float32_rounds_and_keeps_the_dtype_and_small_changes_are_told_from_other_answers() -> None:
    seen: list[pd.DataFrame] = []

    def predict(data: pd.DataFrame) -> Any:
        seen.append(data)
        return data["f"]

    found = named(trial(predict), "float32")
    assert (seen[-1].dtypes == frame().dtypes).all()
    assert seen[-1]["f"].tolist() == frame()["f"].astype("float32").astype(float).tolist()
    assert seen[-1]["Float"].isna().tolist() == frame()["Float"].isna().tolist()
    assert found["flip_rate"].value == 0  # within the tolerance of 1e-6
    assert 0 < (found["max_absolute_change"].value or 0) < 1e-6
    sharp = trial(lambda data: (data["f"] * 7 == np.arange(len(data))).astype(float))
    assert (named(sharp, "float32")["flip_rate"].value or 0) > 0.2


def test_whole_numbers_as_floats_keep_their_value_and_too_large_ones_are_left() -> None:
    seen: list[pd.DataFrame] = []

    def predict(data: pd.DataFrame) -> Any:
        seen.append(data)
        return data["i"]

    named(trial(predict), "int_as_float")
    assert [str(seen[-1][name].dtype) for name in ("i", "big", "Int", "arrow")] == ["float64", "int64", "Float64", "double[pyarrow]"]
    assert seen[-1]["i"].tolist() == list(range(60))


@pytest.mark.parametrize(("error", "fate"), [(ValueError, "rejected"), (KeyError, "crashed")])
@pytest.mark.parametrize("name", ["batch_of_one", "int_as_float"])
def test_a_refusal_is_told_from_a_crash(name: str, error: type[Exception], fate: str) -> None:
    def predict(data: pd.DataFrame) -> Any:
        if len(data) == 1 or data["i"].dtype == float:
            raise error("canary")
        return data["i"]

    (reply,) = asked(trial(predict), name, 0)
    assert (reply.fate, reply.raised) == (fate, error.__name__)
    assert counts(Paired(trial(predict)), reply) == []


@pytest.mark.parametrize("name", ["float32", "int_as_float"])
def test_nothing_to_change_says_so(name: str) -> None:
    with pytest.raises(DoesNotApply):
        asked(trial(lambda data: [1.0] * len(data), pd.DataFrame({"half": [0.5, 1.5] * 9, "text": "a"})), name, 0)


def test_the_users_frame_is_not_changed() -> None:
    one, before = trial(lambda f: f["i"]), frame()
    for name in INVARIANCES:
        asked(one, name, 0)
    pd.testing.assert_frame_equal(one.frame, before)
