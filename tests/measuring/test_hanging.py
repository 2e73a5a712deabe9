"""A model that hangs costs one check its time; one that answers is asked by all."""

from __future__ import annotations

from threading import Event
from typing import Any

import pandas as pd
import pytest

from aims_mlflow.errand import Errand
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.hanging import waited_for_once
from aims_mlflow.observation import Model

FRAME = pd.DataFrame({"x": [1, 2]})


def test_only_the_first_waits(request: pytest.FixtureRequest) -> None:
    go, began = Event(), Event()
    request.addfinalizer(go.set)

    def hang(frame: pd.DataFrame) -> Any:
        began.set()
        go.wait()
        return frame["x"]

    model = waited_for_once(Model(predict=hang, features=("x",), predict_proba=lambda frame: frame["x"]))
    first = Errand(lambda: model.predict(FRAME), "first")
    assert began.wait(30)
    for ask in (model.predict, model.predict_proba):
        assert ask is not None
        second = Errand(lambda ask=ask: ask(FRAME), "second")  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert second.wait(30)
        with pytest.raises(CannotMeasure, match="had not answered when the time of an earlier check was over"):
            second.result()
    go.set()
    assert list(first.result()) == [1, 2]
    assert list(Errand(lambda: model.predict(FRAME), "third").result()) == [1, 2]


def test_one_that_raises_may_be_asked_again() -> None:
    def refuse(frame: pd.DataFrame) -> Any:
        raise ValueError("no")

    model = waited_for_once(Model(predict=refuse, features=("x",)))
    assert model.predict_proba is None
    for name in ("first", "second"):
        with pytest.raises(ValueError, match="no"):
            Errand(lambda: model.predict(FRAME), name).result()


def test_one_errand_may_ask_within_its_own_question() -> None:
    """A model that asks itself, as one that stacks others may."""
    inner: list[Any] = []
    model = waited_for_once(Model(predict=lambda frame: inner[0](frame) if len(frame) == 2 else frame["x"], features=("x",)))
    inner.append(lambda frame: model.predict(frame.iloc[:1]))
    assert list(Errand(lambda: model.predict(FRAME), "one").result()) == [1]
