from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.measuring.trials import trial as trials
from aims_mlflow.measuring.trials.perturbations import spreads
from aims_mlflow.measuring.trials.trial import Copy, Reply, Trial, refuses, stacked
from aims_mlflow.observation import Model


def trial(predict: Callable[[pd.DataFrame], Any], n: int = 10, proba: Any = None, **more: Any) -> Trial:
    frame = pd.DataFrame({"x": np.arange(float(n)), "k": np.arange(n)}).assign(**more)
    score = None if proba is None else np.asarray(proba(frame))
    model = Model(predict, tuple(frame.columns), proba)
    y = np.zeros(n)
    return Trial(model, None, frame, y, None, y, score, frame, "test", spreads(frame), n)  # type: ignore[arg-type]


def filled(name: str, value: Any, frame: pd.DataFrame) -> dict[str, Any]:
    return {name: pd.Series([value] * len(frame))}


def constant(count: int, rows: np.ndarray | None = None) -> list[Copy]:
    return [Copy(partial(filled, "x", float(at)), rows, f"c{at}") for at in range(count)]


def said(reply: Reply) -> list[float]:
    assert reply.said is not None
    return reply.said.answers.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("most", "calls"), [(1000, 1), (20, 3), (10, 5), (7, 10)])
def test_copies_are_stacked_within_the_bound_and_answers_come_back_by_copy(monkeypatch: pytest.MonkeyPatch, most: int, calls: int) -> None:
    monkeypatch.setattr(trials, "STACKED_AT_MOST", most)
    asked: list[int] = []

    def predict(frame: pd.DataFrame) -> Any:
        asked.append(len(frame))
        return frame["x"] * 100 + frame["k"]

    replies = stacked(trial(predict), constant(5))
    assert len(asked) == calls
    assert max(asked) <= most
    assert [said(r) for r in replies] == [[at * 100.0 + k for k in range(10)] for at in range(5)]


def test_cells_are_bounded_as_rows_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "CELLS_AT_MOST", 16)
    asked: list[int] = []

    def predict(frame: pd.DataFrame) -> Any:
        asked.append(frame.size)
        return frame["k"]

    replies = stacked(trial(predict), constant(2))
    assert max(asked) <= 16
    assert said(replies[1]) == list(range(10))


def test_only_copies_of_the_same_dtypes_go_together() -> None:
    seen: list[Any] = []

    def predict(frame: pd.DataFrame) -> Any:
        seen.append(tuple(frame.dtypes.astype(str)))
        return frame["x"]

    whole, text = Copy(partial(filled, "k", 1)), Copy(partial(filled, "k", 0.5))
    stacked(trial(predict), [whole, text, whole, text])
    assert seen == [("float64", "int64"), ("float64", "float64")]


@pytest.mark.parametrize(
    ("error", "fate"), [(ValueError, "rejected"), (TypeError, "rejected"), (KeyError, "crashed"), (MemoryError, "crashed")]
)
def test_refusals_and_crashes_are_told_apart_and_each_copy_speaks_for_itself(error: type[Exception], fate: str) -> None:
    def predict(frame: pd.DataFrame) -> Any:
        if (frame["x"] == 3).all() or ((frame["x"] == 3).any() and frame["x"].nunique() > 1):
            raise error("canary")
        return frame["x"]

    replies = stacked(trial(predict), constant(5))
    assert [r.fate for r in replies] == ["answered"] * 3 + [fate, "answered"]
    assert [r.raised for r in replies if r.raised] == [error.__name__]
    assert said(replies[4]) == [4.0] * 10


def test_several_types_of_exceptions_are_each_named() -> None:
    def predict(frame: pd.DataFrame) -> Any:
        raise (ValueError if (frame["x"] < 2).all() else KeyError)("canary")

    assert {r.raised: r.fate for r in stacked(trial(predict), constant(4))} == {"ValueError": "rejected", "KeyError": "crashed"}


def test_a_copy_is_of_the_rows_it_names_and_counts_what_it_changed() -> None:
    rows = np.array([7, 2])
    (reply,) = stacked(trial(lambda f: f["k"]), constant(1, rows))
    assert said(reply) == [7.0, 2.0]
    assert (reply.changed, reply.touched) == (2, 2)


@pytest.mark.parametrize(("most", "scored"), [(None, 10), (10, 5), (4, 2), (1, 1)])
def test_scores_are_of_the_rows_that_are_said(most: int | None, scored: int) -> None:
    one = trial(lambda f: f["x"], proba=lambda f: f["k"] / 10)
    one = Trial(**{**one.__dict__, "seen": None, "model": Model(one.model.predict, ("x", "k"), lambda f: (f["k"] / 10).to_numpy())})
    for reply in stacked(one, constant(2), most):
        assert reply.score is not None
        assert reply.scored is not None
        assert len(reply.scored) == scored
        assert reply.score.answers.tolist() == (reply.scored / 10).tolist()


def test_scores_that_raise_leave_the_labels() -> None:
    one = trial(lambda f: f["x"], proba=lambda f: f["k"] / 10)
    one = Trial(**{**one.__dict__, "model": Model(one.model.predict, ("x", "k"), lambda _: 1 / 0)})
    assert all(r.score is None and r.said is not None for r in stacked(one, constant(2), None))


def test_what_is_no_answer_is_blank() -> None:
    (reply,) = stacked(trial(lambda f: [None, np.inf, "text", *f["k"][3:]]), constant(1))
    assert reply.said is not None
    assert reply.said.blank.tolist() == [True] * 3 + [False] * 7


def test_the_model_may_spoil_what_it_is_given() -> None:
    def vandal(frame: pd.DataFrame) -> Any:
        answers = frame["k"].copy()
        frame["k"] = -1
        frame.drop(columns="x", inplace=True)
        return answers

    one = trial(vandal)
    before = one.frame.copy(deep=True)
    assert [said(r) for r in stacked(one, constant(2))] == [list(range(10))] * 2
    pd.testing.assert_frame_equal(one.frame, before)


def test_mlflows_exception_is_a_refusal_by_its_name() -> None:
    class MlflowException(Exception):
        pass

    class Schema(MlflowException):
        pass

    assert refuses(Schema())
    assert not refuses(RuntimeError())
