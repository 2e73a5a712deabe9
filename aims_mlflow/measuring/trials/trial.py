"""A model on trial: the same rows asked again, as they are and disturbed, and what became of its answers.

Disturbed copies go to the model stacked, several in one call, within a bound on rows and on cells, so that memory does not grow
with their number. A refusal (the model says no to the input) is told apart from a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.answers import one_a_row, positive_score
from aims_mlflow.measuring.labels import UNKNOWN, Labels
from aims_mlflow.measuring.predicting import answer, feature_frame, predictions, truth, understood
from aims_mlflow.measuring.trials.perturbations import Changed, changed_in, spreads, with_columns
from aims_mlflow.observation import Model, Observation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger("aims_mlflow")

ROWS_AT_MOST = 10_000
"""Rows that are put on trial; of more, a seeded sample."""

ROWS_AT_LEAST = 1_000
"""Rows that are put on trial however many columns they have."""

STACKED_AT_MOST = 50_000
"""Rows that go into one call of predict."""

CELLS_AT_MOST = 5_000_000
"""Cells on trial (beyond ``ROWS_AT_LEAST`` rows), and in one call of predict: about 40 MB of numbers."""

SAMPLE_SEED = 0

REFUSALS = (ValueError, TypeError)
"""Exceptions, besides MLflow's own, by which a model refuses its input; any other one is a crash."""


class DoesNotApply(CannotMeasure):
    """A test that these columns, or this task, give nothing to do: no fault of the model, and left out unless it was asked for."""


@dataclass(frozen=True)
class Said:
    """What a model said of some rows: codes of labels (unknown and missing: -1) or floats, and which answers are no answer.

    ``blank`` (rows,) marks missing labels and numbers that are not finite.
    """

    answers: np.ndarray
    blank: np.ndarray

    def at(self, rows: slice) -> Said:
        """Return what was said of some of the rows."""
        return Said(self.answers[rows], self.blank[rows])


@dataclass(frozen=True)
class Trial:
    """Rows on trial: the model's columns, the truth (n,) as codes or floats, and the model's undisturbed answers (n,).

    ``score`` are the undisturbed scores (n,) of the positive label, None where there are none (no binary task, no probabilities).
    ``reference`` are the rows from which ranges, spreads and known categories are taken: the train data where they were seen.
    """

    model: Model
    seen: Observation
    frame: pd.DataFrame
    y_true: np.ndarray
    labels: Labels | None
    clean: np.ndarray
    score: np.ndarray | None
    reference: pd.DataFrame
    reference_role: str
    spread: Mapping[str, float]
    rows_given: int

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.frame)

    def rows(self, positions: np.ndarray | None) -> pd.DataFrame:
        """Return rows by position, numbered from 0; None: all of them."""
        return self.frame if positions is None else self.frame.iloc[positions].reset_index(drop=True)

    def ask(self, frame: pd.DataFrame) -> Said:
        """Return what the model says of a frame, which is its own to keep; raises what the model raises."""
        import numpy as np
        import pandas as pd

        values = one_a_row(self.model.predict(frame), len(frame), frame)
        if self.labels is not None:
            codes = self.labels.codes(values)
            return Said(codes, np.asarray((codes == UNKNOWN) & pd.isna(values)))
        numbers = np.asarray(pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float, na_value=np.nan))
        return Said(numbers, ~np.isfinite(numbers))

    def scored(self, frame: pd.DataFrame) -> Said:
        """Return the positive label's scores of a frame; raises what the model raises."""
        import numpy as np

        if self.model.predict_proba is None:
            raise CannotMeasure("the model gives no probabilities")
        given = np.array(self.model.predict_proba(frame), dtype=float)
        blank = ~np.isfinite(given) if given.ndim == 1 else ~np.isfinite(given).all(axis=1)
        given[blank] = 0.0 if given.ndim == 1 else 1 / given.shape[1]  # what stands there is not looked at
        return Said(positive_score(given, self.model.classes, len(frame), self.seen), np.asarray(blank))


@dataclass(frozen=True)
class Copy:
    """Rows (positions; None: all) in a disturbed form: ``change`` takes them as they are and gives the columns that differ.

    ``group`` names what was disturbed where that is one column or pair, ``seed`` the seed where chance had a part.
    """

    change: Callable[[pd.DataFrame], Changed]
    rows: np.ndarray | None = None
    group: str = ""
    seed: int | None = None

    def size(self, n: int) -> int:
        """Return its number of rows, where there are ``n`` in all."""
        return n if self.rows is None else len(self.rows)


@dataclass
class Reply:
    """What became of one copy of ``rows`` (positions): what was said, or the type of what was raised.

    ``changed`` counts the cells that differ, of ``touched``. ``score`` are the scores of some of the rows, ``scored`` (positions),
    where they were asked for and given.
    """

    copy: Copy
    rows: np.ndarray
    changed: int
    touched: int = 0
    said: Said | None = None
    refused: bool = False
    raised: str = ""
    score: Said | None = None
    scored: np.ndarray | None = None

    @property
    def fate(self) -> str:
        """What became of it, in a word."""
        return "answered" if self.said is not None else "rejected" if self.refused else "crashed"


def on_trial(seen: Observation, role: str) -> Trial:
    """Return the trial of the seen model on the data in ``role``.

    Raises:
        CannotMeasure: no model or data, or what ``predicting.predict_on`` raises.
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
    rows_given, rows = len(frame), None
    most = min(ROWS_AT_MOST, max(ROWS_AT_LEAST, CELLS_AT_MOST // max(frame.shape[1], 1)))
    if rows_given > most:
        rows = np.sort(np.random.default_rng(SAMPLE_SEED).choice(rows_given, most, replace=False))
        frame, y_true = frame.iloc[rows].reset_index(drop=True), y_true[rows]
    clean = understood(one_a_row(answer("predict", seen.model.predict, frame), len(frame), frame), labels, seen)
    train = seen.datasets.get("train")
    reference, reference_role = frame, role
    if train is not None and role != "train" and len(train.frame) > 0 and train.frame.columns.is_unique:
        reference, reference_role = train.frame[[c for c in train.frame.columns if c in frame.columns]], "train"
    spread = {name: size for name, size in spreads(reference, frame).items() if name in frame.columns}
    trial = Trial(seen.model, seen, frame, y_true, labels, clean, None, reference, reference_role, spread, rows_given)
    return replace(trial, score=_clean_score(trial, role, rows))


def _clean_score(trial: Trial, role: str, rows: np.ndarray | None) -> np.ndarray | None:
    """Return the undisturbed scores of a binary model, those that other checks made where there are any; None without probabilities."""
    import numpy as np

    if trial.labels is None or trial.model.predict_proba is None or trial.seen.system.task.kind != "binary_classification":
        return None
    try:
        known: np.ndarray | None = None if role in trial.seen.given_predictions else predictions(trial.seen, role).score
        if known is not None and known.min() >= 0 and known.max() <= 1:
            return known if rows is None else np.asarray(known[rows])
    except CannotMeasure as problem:
        log.debug("the model's own predictions cannot be used: %s", problem.what)
    try:
        said = trial.scored(trial.frame.copy())
    except Exception:  # it answers in labels, and that is what is put on trial; the performance check says what its scores lack
        return None
    usable = not said.blank.any() and said.answers.min() >= 0 and said.answers.max() <= 1
    return said.answers if usable else None


def stacked(trial: Trial, copies: Sequence[Copy], scored: int | None = 0) -> list[Reply]:
    """Ask about every copy, several in one call, and return what became of each.

    Copies are made when their turn comes, and only those whose columns have the same dtypes go together. Where a call of
    several raises, each of its copies is asked alone, so that one that is refused does not speak for the others.

    Args:
        trial: the model and the undisturbed rows.
        copies: at least one.
        scored: of how many rows in all the scores are asked for, too, spread evenly over the copies; None: of every row.
    """
    share = scored and max(1, scored // len(copies))
    replies: list[Reply] = []
    for batch in _batches(copies, trial):
        made = [_made(trial, copy) for copy in batch]
        alike: dict[tuple[Any, ...], list[tuple[Reply, pd.DataFrame]]] = {}
        for one in made:
            alike.setdefault(tuple(one[1].dtypes), []).append(one)
        for together in alike.values():
            _answered(trial, together, share)
        replies += [reply for reply, _ in made]
    return replies


def _batches(copies: Sequence[Copy], trial: Trial) -> Iterator[list[Copy]]:
    """Yield copies that fit into one call; one that does not fit goes alone, and in parts."""
    most, batch, size = _rows_at_once(trial), list[Copy](), 0
    for copy in copies:
        rows = copy.size(trial.n)
        if batch and size + rows > most:
            yield batch
            batch, size = [], 0
        batch.append(copy)
        size += rows
    if batch:
        yield batch


def _rows_at_once(trial: Trial) -> int:
    return max(1, min(STACKED_AT_MOST, CELLS_AT_MOST // max(trial.frame.shape[1], 1)))


def _made(trial: Trial, copy: Copy) -> tuple[Reply, pd.DataFrame]:
    import numpy as np

    before = trial.rows(copy.rows)
    columns = copy.change(before)
    rows = np.arange(trial.n) if copy.rows is None else copy.rows
    changed = sum(changed_in(before[name], column) for name, column in columns.items())
    return Reply(copy, rows, changed, len(rows) * len(columns)), with_columns(before, columns)


def _answered(trial: Trial, together: list[tuple[Reply, pd.DataFrame]], share: int | None) -> None:
    """Ask about copies of the same dtypes in one call, and write what became of each into its reply."""
    import pandas as pd

    stack = pd.concat([frame for _, frame in together], ignore_index=True)
    begins, some = 0, []
    for at, (reply, _) in enumerate(together):
        some.append(begins + _spread_out(len(reply.rows), share, at))
        begins += len(reply.rows)
    wanted = _take(stack, some) if trial.score is not None and share != 0 else None  # before the model can lay hands on the stack
    try:
        said = in_parts(trial.ask, stack, trial)
    except Exception as error:
        if len(together) > 1:
            for one in together:
                _answered(trial, [one], share)
            return
        together[0][0].raised, together[0][0].refused = type(error).__name__, refuses(error)
        return
    scores = None if wanted is None else _scores(trial, wanted)
    begins = given = 0
    for (reply, _), positions in zip(together, some, strict=True):
        ends = begins + len(reply.rows)
        reply.said = said.at(slice(begins, ends))
        if scores is not None:
            reply.scored, reply.score = reply.rows[positions - begins], scores.at(slice(given, given + len(positions)))
        begins, given = ends, given + len(positions)


def _spread_out(rows: int, share: int | None, start: int) -> np.ndarray:
    """Return every k-th of ``rows`` positions, at most ``share`` of them; copies that start elsewhere reach other rows."""
    import numpy as np

    step = 1 if share is None else max(1, -(-rows // max(share, 1)))
    return np.arange(start % min(step, rows), rows, step)


def _take(stack: pd.DataFrame, some: list[np.ndarray]) -> pd.DataFrame:
    import numpy as np

    return stack.iloc[np.concatenate(some)].reset_index(drop=True)


def _scores(trial: Trial, frame: pd.DataFrame) -> Said | None:
    try:
        return in_parts(trial.scored, frame, trial)
    except Exception:  # the labels are what is on trial; that there are no scores shows in the measure that is not there
        return None


def in_parts(ask: Callable[[pd.DataFrame], Said], frame: pd.DataFrame, trial: Trial) -> Said:
    """Ask about a frame in calls within the bounds; raises what the model raises."""
    import numpy as np

    most = _rows_at_once(trial)
    if len(frame) <= most:
        return ask(frame)
    parts = [ask(frame.iloc[at : at + most].reset_index(drop=True)) for at in range(0, len(frame), most)]
    return Said(np.concatenate([p.answers for p in parts]), np.concatenate([p.blank for p in parts]))


def refuses(error: Exception) -> bool:
    """Whether an exception is a refusal of the input rather than a crash; MLflow's is known by name, as it is not imported here."""
    return isinstance(error, REFUSALS) or any(base.__name__ == "MlflowException" for base in type(error).__mro__)


def differs(trial: Trial, answers: np.ndarray, clean: Any) -> np.ndarray:
    """Return where answers differ: other labels, or numbers that are not equal within a relative 1e-6."""
    import numpy as np

    if trial.labels is not None:
        return np.asarray(answers != clean)
    return np.asarray(~np.isclose(answers, clean, rtol=1e-6, atol=1e-9))
