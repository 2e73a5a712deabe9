"""A model on trial: the same rows asked again, as they are and disturbed, and what became of its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.labels import Labels
from aims_mlflow.measuring.perturbations import spreads
from aims_mlflow.measuring.predicting import answer, feature_frame, one_a_row, positive_score, truth, understood
from aims_mlflow.observation import Model, Observation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS_AT_MOST = 50_000
"""Rows that are put on trial; of more, a seeded sample."""

STACKED_AT_MOST = 200_000
"""Rows that go into one call of predict."""

REFUSALS = (ValueError, TypeError)
"""Exceptions, besides MLflow's own, by which a model refuses its input; any other one is a crash."""


@dataclass(frozen=True)
class Trial:
    """Rows on trial: the model's columns, the truth (n,) as codes or floats, and the model's undisturbed answers (n,)."""

    model: Model
    seen: Observation
    frame: pd.DataFrame
    y_true: np.ndarray
    labels: Labels | None
    clean: np.ndarray
    spread: Mapping[str, float]
    spread_from: str
    rows_given: int

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.frame)

    def ask(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the answers (rows,) to a frame as codes (unknown labels: -1) or floats; raises what the model raises."""
        values = one_a_row(self.model.predict(frame.copy()), len(frame), frame)
        if self.labels is not None:
            return self.labels.codes(values)
        import numpy as np
        import pandas as pd

        return np.asarray(pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan))

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the positive label's scores (rows,) of a binary model; raises what the model raises."""
        if self.model.predict_proba is None:
            raise CannotMeasure("the model gives no probabilities")
        return positive_score(self.model.predict_proba(frame.copy()), self.model.classes, len(frame), self.seen)


@dataclass
class Outcome:
    """What became of some copies: answers (copies, n), or how many were refused or crashed the model, by exception type."""

    answers: np.ndarray | None = None
    refused: int = 0
    crashed: int = 0
    raised: set[str] = field(default_factory=set)


def on_trial(seen: Observation, role: str) -> Trial:
    """Return the trial of the seen model on the data in ``role``.

    Raises:
        CannotMeasure: no model or data, or what ``Observation.predictions`` raises.
    """
    import numpy as np

    if seen.model is None:
        raise CannotMeasure(
            "no model was seen in this run, and given predictions cannot be asked again",
            state="missing",
            fix="return the model from the tracked function, or call run.model(model)",
        )
    y_true, labels = truth(seen, role)
    frame = feature_frame(seen, role)
    rows_given = len(frame)
    if rows_given > ROWS_AT_MOST:
        rows = np.sort(np.random.default_rng(0).choice(rows_given, ROWS_AT_MOST, replace=False))
        frame, y_true = frame.iloc[rows].reset_index(drop=True), y_true[rows]
    said = answer("predict", seen.model.predict, frame)
    clean = understood(one_a_row(said, len(frame), frame), labels, seen)
    train = seen.datasets.get("train")
    has_train = train is not None and role != "train" and len(train.frame) > 0 and train.frame.columns.is_unique
    reference = train.frame[[c for c in train.frame.columns if c in frame.columns]] if train is not None and has_train else frame
    spread = {name: size for name, size in spreads(reference, frame).items() if name in frame.columns}
    return Trial(seen.model, seen, frame, y_true, labels, clean, spread, "train" if has_train else role, rows_given)


def stacked(ask: Callable[[pd.DataFrame], np.ndarray], copies: Sequence[Callable[[], pd.DataFrame]], n: int) -> Outcome:
    """Ask about every copy of ``n`` rows, several copies in one call within ``STACKED_AT_MOST`` rows.

    Copies are made when their turn comes. A call that raises counts all of its copies as refused or crashed; answers are kept
    only where every copy was answered.
    """
    import numpy as np
    import pandas as pd

    outcome, answers = Outcome(), []
    together = max(1, STACKED_AT_MOST // max(n, 1))
    for start in range(0, len(copies), together):
        made = [copy() for copy in copies[start : start + together]]
        try:
            answers.append(ask(pd.concat(made, ignore_index=True)).reshape(len(made), n))
        except Exception as error:
            outcome.raised.add(type(error).__name__)
            if refuses(error):
                outcome.refused += len(made)
            else:
                outcome.crashed += len(made)
    if not outcome.raised:
        outcome.answers = np.concatenate(answers)
    return outcome


def refuses(error: Exception) -> bool:
    """Whether an exception is a refusal of the input rather than a crash; MLflow's is known by name, as it is not imported here."""
    return isinstance(error, REFUSALS) or any(base.__name__ == "MlflowException" for base in type(error).__mro__)


def differs(trial: Trial, answers: np.ndarray, clean: Any) -> np.ndarray:
    """Return where answers differ: other labels, or numbers that are not equal within a relative 1e-6."""
    import numpy as np

    if trial.labels is not None:
        return np.asarray(answers != clean)
    return np.asarray(~np.isclose(answers, clean, rtol=1e-6, atol=1e-9))
