from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.measuring import trials
from aims_mlflow.measuring.trials import refuses, stacked


def frames(count: int, n: int) -> list[Any]:
    return [partial(pd.DataFrame, {"x": np.full(n, float(at))}) for at in range(count)]


@pytest.mark.parametrize(("most", "calls"), [(1000, 1), (20, 3), (10, 5), (1, 5)])
def test_copies_are_stacked_within_the_bound_and_answers_come_back_by_copy(monkeypatch: pytest.MonkeyPatch, most: int, calls: int) -> None:
    monkeypatch.setattr(trials, "STACKED_AT_MOST", most)
    asked: list[int] = []

    def ask(frame: pd.DataFrame) -> np.ndarray:
        asked.append(len(frame))
        return frame["x"].to_numpy()

    outcome = stacked(ask, frames(5, 10), 10)
    assert len(asked) == calls
    assert max(asked) <= max(most, 10)
    assert outcome.answers is not None
    assert outcome.answers.tolist() == [[float(at)] * 10 for at in range(5)]


@pytest.mark.parametrize(("error", "refused"), [(ValueError, 5), (TypeError, 5), (KeyError, 0), (MemoryError, 0)])
def test_refusals_and_crashes_are_told_apart(error: type[Exception], refused: int) -> None:
    def fails(_: Any) -> Any:
        raise error("canary")

    outcome = stacked(fails, frames(5, 10), 10)
    assert outcome.answers is None
    assert (outcome.refused, outcome.crashed) == (refused, 5 - refused)
    assert outcome.raised == {error.__name__}


def test_one_call_that_fails_leaves_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "STACKED_AT_MOST", 10)

    def ask(frame: pd.DataFrame) -> np.ndarray:
        if frame["x"].iloc[0] == 3:
            raise ValueError("canary")
        return frame["x"].to_numpy()

    outcome = stacked(ask, frames(5, 10), 10)
    assert (outcome.answers, outcome.refused) == (None, 1)


def test_mlflows_exception_is_a_refusal_by_its_name() -> None:
    class MlflowException(Exception):
        pass

    class Schema(MlflowException):
        pass

    assert refuses(Schema())
    assert not refuses(RuntimeError())
