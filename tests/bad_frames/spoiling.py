"""Ways to spoil what a run is given: its frames, its model's answers, its predictions, its system file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .given import KINDS, Given, Spoil, says, scores


def on(role: str, change: Callable[[pd.DataFrame], Any]) -> Spoil:
    """Replace one frame."""

    def spoil(given: Given) -> None:
        given.frames[role] = change(given.frames[role])

    return spoil


def on_both(change: Callable[[pd.DataFrame], Any]) -> Spoil:
    """Replace the train and the test frame."""
    return all_of(on("train", change), on("test", change))


def all_of(*spoils: Spoil) -> Spoil:
    """Do several things."""

    def spoil(given: Given) -> None:
        for one in spoils:
            one(given)

    return spoil


def filled(column: str, cells: Callable[[int], Any]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Put a cell of its own into every row of a column, from the row's number."""
    return lambda frame: put(frame, column, pd.Series([cells(at) for at in range(len(frame))], index=frame.index, dtype=object))


def put(frame: pd.DataFrame, column: str, values: Any) -> pd.DataFrame:
    """Return a copy with a column replaced or added."""
    made = frame.copy()
    made[column] = values
    return made


def asks(**parts: Any) -> Spoil:
    """Give the model other parts, such as ``predict``."""

    def spoil(given: Given) -> None:
        given.model = None if given.model is None else replace(given.model, **parts)

    return spoil


def says_instead(answer: Callable[[np.ndarray, pd.DataFrame], Any]) -> Spoil:
    """Let the model answer something else, made from its sound answer and the frame."""

    def spoil(given: Given) -> None:
        task = next(name for name, kind in KINDS.items() if kind == given.declared["task"]["kind"])
        asks(predict=lambda frame: answer(says(task, frame), frame))(given)

    return spoil


def scores_instead(answer: Callable[[np.ndarray], Any]) -> Spoil:
    """Let the model give other probabilities, made from its sound ones."""

    def spoil(given: Given) -> None:
        task = next(name for name, kind in KINDS.items() if kind == given.declared["task"]["kind"])
        asks(predict_proba=lambda frame: answer(scores(task, frame)))(given)

    return spoil


def declares(**parts: Any) -> Spoil:
    """Write something else into the system file: ``task_positive_label="1"`` is task.positive_label."""

    def spoil(given: Given) -> None:
        for path, value in parts.items():
            above, _, key = path.partition("_")
            given.declared[above][key] = value

    return spoil


def requires(*more: Mapping[str, Any]) -> Spoil:
    """Ask for something besides."""

    def spoil(given: Given) -> None:
        given.declared["requirements"] += [dict(one) for one in more]

    return spoil


def predicted(role: str, values: Callable[[np.ndarray], Any]) -> Spoil:
    """Give predictions that were made elsewhere, instead of a model."""

    def spoil(given: Given) -> None:
        task = next(name for name, kind in KINDS.items() if kind == given.declared["task"]["kind"])
        given.predictions[role] = values(says(task, given.frames["test"]))

    return spoil
