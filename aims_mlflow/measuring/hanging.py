"""A model that hangs is waited for once: whoever asks it next is told so at once, instead of waiting for it again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aims_mlflow.errand import doing
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.observation import Model

if TYPE_CHECKING:
    import pandas as pd

Ask = Callable[["pd.DataFrame"], Any]


def waited_for_once(model: Model) -> Model:
    """Return the model so that it raises CannotMeasure where an earlier errand (a check that was left behind) still waits for it.

    Checks run one after the other: a question that is open while another errand asks is one that nobody waits for any more.
    """
    waiting = _Waiting()
    proba = model.predict_proba
    return replace(model, predict=waiting.with_(model.predict), predict_proba=None if proba is None else waiting.with_(proba))


class _Waiting:
    """Which errands wait for the model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._askers: list[object] = []

    def with_(self, ask: Ask) -> Ask:
        def asked(frame: pd.DataFrame) -> Any:
            asker = doing.get()
            with self._lock:
                if any(other is not asker for other in self._askers):
                    raise CannotMeasure(
                        "the model had not answered when the time of an earlier check was over, and is not asked again",
                        where="the model's predict",
                        fix="see why predict does not come back on the data of this run, or ask it elsewhere and give the predictions",
                    )
                self._askers.append(asker)
            try:
                return ask(frame)
            finally:
                with self._lock:
                    self._askers.remove(asker)

        return asked
