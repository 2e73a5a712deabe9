"""Models and given predictions: too few answers, too many, of the wrong kind, none, or never the same twice."""

# ruff: noqa: ARG005 - functions in tables take arguments for their form

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.observation import Parent

from .given import CANARY, Case, Given, Spoil
from .of_rows import PREDICTED
from .spoiling import all_of, asks, predicted, says_instead, scores_instead

SCORED = (
    "performance.roc_auc_score",
    "baseline.roc_auc_score",
    "performance.log_loss",
    "performance.brier",
    "performance.expected_calibration",
)
PROBABILITIES = SCORED[2:]
ANSWERED = ("performance", "fairness", "baseline")
"""What is measured on predictions that were given, where nobody asks a model again."""


def no_model(given: Given) -> None:
    """Train nothing, and predict nothing elsewhere."""
    given.model = None
    given.predictions.clear()


def raises(error: Callable[[], BaseException]) -> Spoil:
    """Let predict raise."""

    def predict(_: Any) -> Any:
        raise error()

    return asks(predict=predict)


def scores_raise(_: Any) -> Any:
    """Raise where probabilities are asked for."""
    raise RuntimeError(f"{CANARY}-score")


def mutates(said: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    """Answer well, and leave the frame it was handed in ruins."""
    frame["x"] = 0.0
    frame["more"] = f"{CANARY}-more"
    frame.drop(columns=["z", "k"], inplace=True)
    frame.drop(index=frame.index[1:], inplace=True)
    return said


def never_the_same() -> Spoil:
    """Answer otherwise at each call."""
    calls = itertools.count()
    return says_instead(lambda said, _: np.random.default_rng(next(calls)).integers(0, 2, len(said)))


def sees_the_batch(said: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    """Answer by where a row stands among the others."""
    return (frame["x"].rank(pct=True) > 0.5).astype(int).to_numpy()


def stranger(given: Given) -> None:
    """Train the steps of the model on data that were not handed over."""
    from sklearn.base import clone

    assert given.model is not None
    frame = given.frames["test"].assign(z=lambda f: f["z"] + 5)
    fresh: Any = clone(given.model.estimator)
    asks(estimator=fresh.fit(frame[["x", "z", "k"]], frame["y"]))(given)


def earlier(change: Callable[[Any], Any]) -> Spoil:
    """Compare with another baseline."""

    def spoil(given: Given) -> None:
        given.baseline = change(given.baseline)

    return spoil


def tuned_from_a_name(given: Given) -> None:
    """Know the model that this one was made from by its name only."""
    given.run["parents"] = (Parent("models:/base/1"),)


CASES = (
    Case("no model and no predictions", no_model, (*PREDICTED, "lineage.broken_links", "documentation.card_matches_model", "design")),
    Case("a model that was not logged", asks(files={}, uri=""), ("documentation.card_matches_model", "lineage.broken_links")),
    Case("a row too few", says_instead(lambda said, _: said[:-1]), PREDICTED),
    Case("a row too many", says_instead(lambda said, _: np.append(said, 0)), PREDICTED),
    Case("a single answer", says_instead(lambda said, _: said[:1]), PREDICTED),
    Case("no answer", says_instead(lambda said, _: said[:0]), PREDICTED),
    Case("None", says_instead(lambda *_: None), PREDICTED),
    Case("NaN", says_instead(lambda said, _: np.full(len(said), np.nan)), PREDICTED),
    Case("a NaN among the answers", says_instead(lambda said, _: np.where(np.arange(len(said)) == 3, np.nan, said)), PREDICTED),
    Case("a None among the answers", says_instead(lambda said, _: [None, *said[1:]]), PREDICTED),
    Case("an NA among the answers", says_instead(lambda said, _: pd.array([pd.NA, *said[1:]], dtype="Int64")), PREDICTED),
    Case("text for numbers", says_instead(lambda said, _: said.astype(str)), PREDICTED),
    Case("bytes for numbers", says_instead(lambda said, _: said.astype("S1")), PREDICTED),
    Case("probabilities for labels", says_instead(lambda said, f: np.where(f["x"].to_numpy() > 0, 0.7, 0.3)), PREDICTED),
    Case("columns of probabilities for labels", says_instead(lambda said, _: np.column_stack([1 - said, said])), PREDICTED),
    Case("three dimensions", says_instead(lambda said, _: said.reshape(-1, 1, 1)), PREDICTED),
    Case("rows and columns swapped", says_instead(lambda said, _: said.reshape(1, -1)), PREDICTED),
    Case("a frame of two columns", says_instead(lambda said, _: pd.DataFrame({"a": said, "b": said})), PREDICTED),
    Case("rows of uneven length", says_instead(lambda said, _: [[one] * (1 + at % 2) for at, one in enumerate(said)]), PREDICTED),
    Case("a list in each row", says_instead(lambda said, _: pd.Series([[one] for one in said])), PREDICTED),
    Case("a generator", says_instead(lambda said, _: (one for one in said)), PREDICTED),
    Case("an iterator over nothing", says_instead(lambda *_: iter(())), PREDICTED),
    Case("a dict", says_instead(lambda said, _: {"labels": said}), PREDICTED),
    Case("a set", says_instead(lambda said, _: set(said)), PREDICTED),
    Case("a string", says_instead(lambda said, _: "".join(map(str, said))), PREDICTED),
    Case("a number", says_instead(lambda *_: 1), PREDICTED),
    Case("a function", says_instead(lambda *_: len), PREDICTED),
    Case("a sparse column", says_instead(lambda said, _: sparse.csr_matrix(said.reshape(-1, 1))), PREDICTED),
    Case("complex numbers", says_instead(lambda said, _: said * 1j), PREDICTED),
    Case("dates", says_instead(lambda said, _: pd.to_datetime(pd.Series(said), unit="D")), PREDICTED),
    Case("infinite answers", says_instead(lambda said, _: np.where(said, np.inf, -np.inf)), PREDICTED),
    Case("labels nobody has", says_instead(lambda said, _: said + 40), PREDICTED),
    Case("labels as signs", says_instead(lambda said, _: 2 * said - 1), PREDICTED),
    Case("positions counted from one", says_instead(lambda said, _: said + 1), PREDICTED),
    Case("its own answer of words", says_instead(lambda said, _: np.where(said, f"{CANARY}-yes", f"{CANARY}-no")), PREDICTED),
    Case(
        "the same for everybody",
        says_instead(lambda said, _: np.zeros_like(said)),
        ("performance.precision", "fairness.demographic_parity_ratio", "fairness.precision"),
    ),
    Case(
        "answers that change",
        never_the_same(),
        ("robustness.flip_rate[perturbation=repeat]", "robustness.flip_rate[perturbation=row_order]"),
    ),
    Case("answers that depend on the batch", says_instead(sees_the_batch), ("robustness.flip_rate[perturbation=batch_of_one]",)),
    Case("a model that ruins its frame", says_instead(mutates), ()),
    Case("predict raises ValueError", raises(lambda: ValueError(f"could not convert {CANARY}-value")), PREDICTED),
    Case("predict raises KeyError", raises(lambda: KeyError(f"{CANARY}-key")), PREDICTED),
    Case("predict raises an error without text", raises(AssertionError), PREDICTED),
    Case("predict raises StopIteration", raises(StopIteration), PREDICTED),
    Case("predict raises RecursionError", raises(RecursionError), PREDICTED),
    Case("predict raises MemoryError", raises(MemoryError), PREDICTED),
    Case("predict ends the process", raises(lambda: SystemExit(3)), PREDICTED),
    Case("predict is no function", asks(predict=7), PREDICTED),
    Case("predict takes nothing", asks(predict=list), PREDICTED),
    Case("a column too few of probabilities", scores_instead(lambda p: p[:, :1]), SCORED),
    Case("a column too many of probabilities", scores_instead(lambda p: np.column_stack([p, p[:, 0]])), SCORED),
    Case("a row too few of probabilities", scores_instead(lambda p: p[:-1]), SCORED),
    Case("a row too many of probabilities", scores_instead(lambda p: np.vstack([p, p[:1]])), SCORED),
    Case("probabilities in one row", scores_instead(lambda p: p.T), SCORED),
    Case("probabilities that do not sum to one", scores_instead(lambda p: p * 0.5), PROBABILITIES),
    Case("probabilities in per cent", scores_instead(lambda p: p * 100), PROBABILITIES),
    Case("negative probabilities", scores_instead(lambda p: p - 0.5), PROBABILITIES),
    Case("NaN probabilities", scores_instead(lambda p: p * np.nan), SCORED),
    Case("a NaN probability", scores_instead(lambda p: np.where(np.arange(len(p))[:, None] == 3, np.nan, p)), SCORED),
    Case("infinite probabilities", scores_instead(lambda p: p * np.inf), SCORED),
    Case("probabilities as text", scores_instead(lambda p: p.astype(str)), SCORED),
    Case("words for probabilities", scores_instead(lambda p: np.full(p.shape, f"{CANARY}-likely")), SCORED),
    Case("no probabilities", scores_instead(lambda _: None), SCORED),
    Case("a number for probabilities", scores_instead(lambda _: 0.5), SCORED),
    Case("a generator of probabilities", scores_instead(lambda p: (row for row in p)), SCORED),
    Case("probabilities in rows of uneven length", scores_instead(lambda p: [[0.5] * (1 + at % 2) for at in range(len(p))]), SCORED),
    Case("predict_proba raises", asks(predict_proba=scores_raise), SCORED),
    Case("the same probability for everybody", scores_instead(lambda p: np.full(p.shape, 0.5)), ()),
    Case("complex probabilities", scores_instead(lambda p: p * 1j), SCORED),
    Case("no classes for two columns", asks(classes=()), SCORED),
    Case("classes of text", asks(classes=("0", "1")), SCORED),
    Case("three classes for two columns", asks(classes=(0, 1, 2)), SCORED),
    Case("one class twice", asks(classes=(1, 1)), SCORED),
    Case("classes that are lists", asks(classes=([0], [1])), SCORED),
    Case("classes nobody has", asks(classes=(7, 8)), SCORED),
    Case("steps fitted on other data", stranger, ("preparation.fitted_on_other_data",)),
    Case("an estimator that is no estimator", asks(estimator="model"), ()),
    Case("no names of features", asks(features=()), ()),
    Case("a feature twice", asks(features=("x", "x", "k")), ()),
    Case("the target as feature", asks(features=("x", "y")), ()),
    Case("a model it was made from, without a digest", tuned_from_a_name, ("upstream.upstream_undigested",)),
    Case("no baseline", earlier(lambda _: None), ("baseline",)),
    Case(
        "a baseline that was not loaded",
        earlier(lambda _: CannotMeasure("the baseline could not be loaded", fix="register it")),
        ("baseline",),
    ),
    Case("a baseline that raises", earlier(lambda model: replace(model, predict=None)), ("baseline",)),
    Case("a baseline with a row too few", earlier(lambda model: replace(model, predict=lambda f: [0] * (len(f) - 1))), ("baseline",)),
    Case("a baseline of other labels", earlier(lambda model: replace(model, predict=lambda f: ["no"] * len(f))), ("baseline",)),
    Case("a baseline of other columns", earlier(lambda model: replace(model, features=("x", "nobody"))), ("baseline",)),
    Case("a baseline without probabilities", earlier(lambda model: replace(model, predict_proba=None)), ("baseline.roc_auc_score_gain",)),
    # predictions that were made elsewhere
    Case("a given row too few", predicted("test", lambda said: said[:-1]), ANSWERED),
    Case("a given row too many", predicted("test", lambda said: np.append(said, 0)), ANSWERED),
    Case("given NaN", predicted("test", lambda said: said * np.nan), ANSWERED),
    Case("given text", predicted("test", lambda said: said.astype(str)), ANSWERED),
    Case("a given number", predicted("test", lambda _: 1), ANSWERED),
    Case("given words", predicted("test", lambda _: f"{CANARY}-given"), ANSWERED),
    Case("given a frame of two columns", predicted("test", lambda said: pd.DataFrame({"a": said, "b": said})), ANSWERED),
    Case("given other keys", predicted("test", lambda said: {"label": said}), ANSWERED),
    Case("given a score without labels", predicted("test", lambda said: {"score": said}), ANSWERED),
    Case("given scores for fewer rows", predicted("test", lambda said: (said, said[:-1])), SCORED),
    Case("given scores of NaN", predicted("test", lambda said: (said, said * np.nan)), SCORED),
    Case("given scores beyond one", predicted("test", lambda said: (said, said * 7.0)), PROBABILITIES),
    Case("given columns of scores without classes", predicted("test", lambda said: (said, np.column_stack([1 - said, said]))), SCORED),
    Case("given labels of uneven length", predicted("test", lambda said: [[one] * (1 + at % 2) for at, one in enumerate(said)]), ANSWERED),
    Case(
        "given predictions and nothing to ask again",
        all_of(no_model, predicted("test", lambda said: said)),
        ("robustness@numeric_noise", "robustness@search"),
    ),
    # multiclass
    Case("a label the classes do not have, multiclass", says_instead(lambda said, _: said + 7), PREDICTED, "multiclass"),
    Case("text for numbers, multiclass", says_instead(lambda said, _: said.astype(str)), PREDICTED, "multiclass"),
    Case("probabilities for labels, multiclass", says_instead(lambda said, _: np.eye(3)[said]), PREDICTED, "multiclass"),
    Case("a column too few, multiclass", scores_instead(lambda p: p[:, :2]), SCORED[:3], "multiclass"),
    Case("probabilities that do not sum to one, multiclass", scores_instead(lambda p: p * 0.5), SCORED[:3], "multiclass"),
    Case("negative probabilities, multiclass", scores_instead(lambda p: p - 0.5), SCORED[:3], "multiclass"),
    Case("one column of probabilities, multiclass", scores_instead(lambda p: p[:, 0]), SCORED[:3], "multiclass"),
    Case("no classes, multiclass", asks(classes=()), SCORED[:3], "multiclass"),
    Case("a class twice, multiclass", asks(classes=(0, 1, 1)), SCORED[:3], "multiclass"),
    # regression
    Case("text for numbers, regression", says_instead(lambda said, _: said.astype(str)), PREDICTED, "regression"),
    Case("words for numbers, regression", says_instead(lambda said, _: np.full(len(said), f"{CANARY}-much")), PREDICTED, "regression"),
    Case(
        "a NaN among the answers, regression",
        says_instead(lambda said, _: np.where(np.arange(len(said)) == 3, np.nan, said)),
        PREDICTED,
        "regression",
    ),
    Case("infinite answers, regression", says_instead(lambda said, _: said * np.inf), PREDICTED, "regression"),
    Case("complex answers, regression", says_instead(lambda said, _: said * 1j), PREDICTED, "regression"),
    Case("answers in two columns, regression", says_instead(lambda said, _: np.column_stack([said, said])), PREDICTED, "regression"),
    Case(
        "answers whose square overflows, regression",
        says_instead(lambda said, _: said * 1e200),
        ("performance.root_mean_squared", "performance.r2"),
        "regression",
    ),
    Case("dates for numbers, regression", says_instead(lambda said, _: pd.to_datetime(pd.Series(said), unit="D")), PREDICTED, "regression"),
    Case("truth values for numbers, regression", says_instead(lambda said, _: said > 0), (), "regression"),
)
