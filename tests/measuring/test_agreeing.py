"""Given predictions beside a model: kept where the model says the same, refused where it does not, or cannot be asked."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring import agreeing
from aims_mlflow.measuring.agreeing import ROWS, held_to_the_model
from aims_mlflow.measuring.predicting import predict_on
from aims_mlflow.observation import Counted, Observation

from .test_predicting import see, table

N = 3000
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=N)
Y = (X + RANDOM.normal(size=N) > 0).astype(int)
FRAME = table(Y, x=X)
FITTED = LogisticRegression().fit(FRAME[["x"]], Y)
LABELS = FITTED.predict(FRAME[["x"]])
PROBA = FITTED.predict_proba(FRAME[["x"]])


def held(said: Any, frame: pd.DataFrame = FRAME, model: Any = FITTED, **more: Any) -> Any:
    """Return what becomes of predictions on the test data."""
    options: dict[str, Any] = {
        "proba": getattr(model, "predict_proba", None),
        "classes": getattr(model, "classes_", ()),
        "features": ("x",),
    }
    seen = see(frame, getattr(model, "predict", model), given={"test": said}, **options | more)
    return held_to_the_model(seen).given_predictions["test"]


THREE = LogisticRegression().fit(FRAME[["x"]], np.digitize(X, [-1, 1]))

SAME: dict[str, Any] = {
    "an array": LABELS,
    "a list": LABELS.tolist(),
    "booleans": LABELS == 1,
    "a series in another order": pd.Series(LABELS).sample(frac=1, random_state=0),
    "labels and scores": (LABELS, PROBA[:, 1]),
    "scores of single precision": (LABELS, PROBA[:, 1].astype(np.float32)),
    "scores of both classes": {"labels": LABELS, "score": PROBA[:, ::-1], "classes": [1, 0]},
}


@pytest.mark.parametrize("said", SAME.values(), ids=SAME.keys())
def test_what_the_model_says_is_kept(said: Any) -> None:
    assert held(said) is said


OTHER: dict[str, tuple[Any, str]] = {
    "the truth itself": (Y, "of 1000 predictions that were given for the test data are not the model's own"),
    "another cut-off": ((PROBA[:, 1] > 0.6).astype(int), "predictions that were given"),
    "text": (LABELS.astype(str), "1000 of 1000 predictions"),
    "scores of another model": ((LABELS, PROBA[:, 1] ** 2), "the scores of"),
    "scores turned round": ((LABELS, PROBA[:, 0]), "the scores of"),
    "scores that are text": ((LABELS, ["high"] * N), "scores are not numbers"),
    "missing ones": (np.where(np.arange(N) % 2, LABELS, np.nan), "predictions that were given"),
    "one too few": (LABELS[:-1], "2999 predictions for 3000 rows"),
    "no labels": ([[1]] * (N - 1) + [[1, 2]], "no array"),
    "another key": ({"labels": LABELS, "points": Y}, "other keys than"),
}


@pytest.mark.parametrize(("said", "told"), OTHER.values(), ids=OTHER.keys())
def test_what_it_does_not_say_is_refused(said: Any, told: str) -> None:
    refused = held(said)
    assert isinstance(refused, CannotMeasure)
    assert refused.state == "error"
    assert told in refused.what


@drawn(st.floats(0.02, 1), st.integers(0, 2**32 - 1))
def test_two_in_a_hundred_that_differ_are_found(share: float, seed: int) -> None:
    """The chance to miss 2 % among 1,000 rows is 2 in a billion."""
    turned = np.random.default_rng(seed).random(N) < share
    assert isinstance(held(np.where(turned, 1 - LABELS, LABELS)), CannotMeasure) == (turned.mean() > 0)


def test_of_few_rows_every_one_counts() -> None:
    few, said = FRAME.head(ROWS), LABELS[:ROWS].copy()
    assert held(said, few) is said
    said[417] = 1 - said[417]
    assert "1 of 1000 predictions" in held(said, few).what


def test_numbers_may_differ_by_what_single_precision_loses() -> None:
    options: dict[str, Any] = {"kind": "regression", "proba": None, "classes": ()}
    for size in (1e-9, 1.0, 1e9):
        own, frame = X * size, table(X * size, x=X)

        def twice(asked: pd.DataFrame, size: float = size) -> Any:
            return asked["x"].to_numpy() * size

        assert held(own.astype(np.float32), frame, twice, **options) is not None
        assert not isinstance(held(own.astype(np.float32), frame, twice, **options), CannotMeasure)
        assert isinstance(held(own * 1.01, frame, twice, **options), CannotMeasure)
        assert isinstance(held(["many"] * N, frame, twice, **options), CannotMeasure)


def test_scores_of_many_classes_are_compared_class_by_class() -> None:
    frame, options = table(np.digitize(X, [-1, 1]), x=X), {"kind": "multiclass_classification"}
    said, proba = THREE.predict(frame[["x"]]), THREE.predict_proba(frame[["x"]])
    turned = {"labels": said, "score": proba[:, [2, 0, 1]], "classes": [2, 0, 1]}
    assert held(turned, frame, THREE, **options) is turned
    assert isinstance(held({**turned, "classes": [0, 1, 2]}, frame, THREE, **options), CannotMeasure)
    assert "shape" in held({**turned, "classes": [0, 1]}, frame, THREE, **options).what


def raises(_: Any) -> Any:
    raise ValueError("a value")


def leaves(_: Any) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("model", "more", "told"),
    [
        (raises, {}, "raised ValueError"),
        (leaves, {}, "raised SystemExit"),
        (FITTED, {"features": ("x", "income")}, "are not in the data: income"),
        (lambda _: object(), {}, "dimensions instead of one value a row"),
    ],
    ids=["raises", "ends the process", "reads other columns", "says nothing of use"],
)
def test_a_model_that_cannot_be_asked_proves_nothing(model: Any, more: dict[str, Any], told: str) -> None:
    refused = held(LABELS, model=model, **more)
    assert isinstance(refused, CannotMeasure)
    assert told in refused.what


def test_a_model_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreeing, "SECONDS", 0.05)
    over = threading.Event()
    refused = held(LABELS, model=lambda _: over.wait())
    over.set()
    assert "took longer than 0.05 s for 1000 rows" in refused.what


def test_without_a_row_to_compare_nothing_is_believed() -> None:
    assert "no row to ask it about" in held([], FRAME.head(0)).what


def test_scores_that_the_model_does_not_give_are_refused() -> None:
    assert "whose they are cannot be told" in held((LABELS, PROBA[:, 1]), proba=None).what


def test_without_a_model_they_stand_as_they_are() -> None:
    seen = see(FRAME, given={"test": Y})
    assert held_to_the_model(seen) is seen


def test_of_a_model_in_operation_what_was_served_counts() -> None:
    seen = see(FRAME, FITTED.predict, features=("x",), given={"test": Y})
    served = replace(seen, run=replace(seen.run, kind="monitoring"))
    assert held_to_the_model(served) is served


def test_nothing_is_measured_on_what_was_refused_and_counts_go_too() -> None:
    counts = Counted(FRAME, pd.Series(Y), np.ones(N))
    seen: Observation = replace(see(FRAME, FITTED.predict, features=("x",), given={"test": Y}), counted={"test": counts})
    after = held_to_the_model(seen)
    assert after.counted == {}
    with pytest.raises(CannotMeasure, match="not the model's own"):
        predict_on(after, "test")
