"""A black-box search for the nearest changed answer: which rows flip within a small ball of allowed changes, and how near.

Only answers are asked for, as in HopSkipJump (Chen et al. 2020): corners of the ball at random and against one another; then
towards where answers flipped, which all rows of one class share; then along the line back to the row, to the boundary. Columns
keep their type, their range and their known categories, and some do not change at all, as in TabularBench (Simonetto et al.
2024). Simpler than either: what is found is a real flip, and that nothing is found says little of a stronger search.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import wilson
from aims_mlflow.measuring.frames.columns import kind_of, numbers
from aims_mlflow.measuring.trials.damage import known_range
from aims_mlflow.measuring.trials.perturbations import is_number, number_dtype, shifted, with_columns
from aims_mlflow.measuring.trials.trial import DoesNotApply, Trial, in_parts, refuses

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SEED = 0
QUERIES_A_ROW = 10
"""How many queries there are for each row that is tried."""

TRIED_AT_MOST = 1_000
EXPLORED = 0.6
"""The share of the queries that looks for flips before any of them is brought nearer."""

TRIES = 4
ROUNDS = 16
POINTS = 7
"""Points on the line between a row and its flip that are asked about at once."""

NEAR_ENOUGH = 0.01
"""Where a line has been searched to this share of its length, it is let be."""


@dataclass(frozen=True)
class Ball:
    """What a search may change: numbers by up to ``radius`` times their spread, and one category at a time to a known one.

    ``down`` and ``up`` (rows, numbers) are how far each cell may go; ``known`` holds the categories of each column.
    """

    rows: np.ndarray
    radius: float
    numbers: tuple[str, ...]
    spread: np.ndarray
    whole: np.ndarray
    down: np.ndarray
    up: np.ndarray
    known: dict[str, pd.Series[Any]]
    fixed: tuple[str, ...]

    def moved(self, rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return how far cells go, (m, numbers), when ``steps`` of -1 to 1 of the radius are asked; whole numbers stay whole."""
        import numpy as np

        asked = np.clip(steps * self.radius * self.spread, self.down[rows], self.up[rows])
        return np.asarray(np.where(self.whole, np.trunc(asked), asked))

    def distance(self, moves: np.ndarray, category: np.ndarray) -> np.ndarray:
        """Return the largest move, in spreads; a changed category counts as the whole radius."""
        import numpy as np

        far = np.max(abs(moves) / self.spread, axis=1, initial=0.0)
        return np.where(category >= 0, self.radius, far)


@dataclass
class Flips:
    """What a search has found so far: for each row the nearest flip (moves, which category column, -1: none), and the queries spent."""

    moves: np.ndarray
    category: np.ndarray
    distance: np.ndarray
    near: np.ndarray
    """How far along the line, 0 to 1, no flip is known."""

    spent: int = 0
    learned: dict[int, np.ndarray] = field(default_factory=dict)
    """For each label the sum of steps that flipped it, less those that did not: an estimate of the way out."""

    known: dict[int, Counter[tuple[int, int]]] = field(default_factory=dict)
    """For each label how often a category (its column, its place among the known ones) flipped it."""

    @property
    def found(self) -> np.ndarray:
        """Which rows have flipped."""
        import numpy as np

        return np.asarray(np.isfinite(self.distance))


def immutable(trial: Trial) -> tuple[str, ...]:
    """Return the columns that a search leaves alone: those declared so, and every sensitive one.

    Another answer for another sex is a question of fairness, and its answer would hide what this one asks.
    """
    system = trial.seen.system
    fixed = {*system.robustness.immutable, *system.data.sensitive_columns}
    return tuple(str(name) for name in trial.frame.columns if name in fixed)


def ball(trial: Trial, radius: float, rows: np.ndarray) -> Ball:
    """Return what may be changed in these rows (positions); raises DoesNotApply where that is nothing."""
    import numpy as np

    fixed = immutable(trial)
    free = [str(name) for name in trial.frame.columns if name not in fixed]
    names = tuple(name for name in free if name in trial.spread and is_number(trial.frame[name]))
    known = {name: kinds for name in free if name not in names and (kinds := _known(trial, name)) is not None}
    if not names and not known:
        raise DoesNotApply("every column that the model reads is immutable, or holds one value only", fix="drop the requirement")
    spread = np.array([trial.spread[name] for name in names])
    whole = np.array([number_dtype(trial.frame[name]).kind in "iu" for name in names], dtype=bool)
    cells = np.column_stack([numbers(trial.frame[name])[rows] for name in names]) if names else np.empty((len(rows), 0))
    least, most = np.array([known_range(trial, name) or (np.nan, np.nan) for name in names]).reshape(-1, 2).T
    # A cell that lies beyond the range already need not move back, but moves no further out; one that is missing stays so.
    down = np.nan_to_num(np.clip(least - cells, -radius * spread, 0.0))
    up = np.nan_to_num(np.clip(most - cells, 0.0, radius * spread))
    return Ball(rows, radius, names, spread, whole, down, up, known, fixed)


def _known(trial: Trial, name: str) -> pd.Series[Any] | None:
    """Return the categories of a column that the reference rows hold and its dtype can; None where there are not two."""
    import pandas as pd

    column = trial.frame[name]
    if kind_of(column) != "category" or name not in trial.reference.columns:
        return None
    try:
        known = trial.reference[name].dropna().drop_duplicates()
        if isinstance(column.dtype, pd.CategoricalDtype):
            known = known[known.isin(column.dtype.categories)]
        known = known.astype(column.dtype).reset_index(drop=True)
    except (TypeError, ValueError):  # the reference holds the column as something else
        return None
    return known if len(known) > 1 else None


def search(trial: Trial, radius: float, queries: int) -> tuple[list[Measure], dict[str, Any]]:
    """Return the measures and the facts of a search with at most so many queries; raises CannotMeasure.

    Measures: ``flip_success_share``, of the rows tried (answered rightly, a seeded choice) those that flipped, Wilson's interval;
    ``median_flip_distance`` of those that flipped, in interquartile ranges, the interval from order statistics.
    """
    import numpy as np

    if trial.labels is None:
        raise DoesNotApply("a search looks for another label, and a regression has none", fix="drop the requirement")
    right = np.flatnonzero(trial.clean == trial.y_true)
    tried = min(len(right), max(1, queries // QUERIES_A_ROW), TRIED_AT_MOST)
    if not tried:
        raise CannotMeasure("no row is answered rightly, so there is no right answer to flip", fix="train a model that answers some rows")
    random = np.random.default_rng(SEED)
    space = ball(trial, radius, np.sort(random.choice(right, tried, replace=False)))
    flips = Flips(np.zeros((tried, len(space.numbers))), np.full(tried, -1), np.full(tried, np.inf), np.zeros(tried))
    _explore(trial, space, flips, int(EXPLORED * queries), random)
    _approach(trial, space, flips, queries)
    _explore(trial, space, flips, queries, random)
    _approach(trial, space, flips, queries)
    return _measures(flips), {
        "queries": flips.spent,
        "queries_allowed": queries,
        "epsilon": radius,
        "unit": "interquartile ranges",
        "rows_tried": tried,
        "flips": int(flips.found.sum()),
        "flips_by_a_category": int((flips.category[flips.found] >= 0).sum()),
        "seed": SEED,
        "numbers_moved": list(space.numbers),
        "categories_changed": list(space.known),
        "immutable": list(space.fixed),
        "ranges_declared": sorted(name for name in trial.seen.system.robustness.ranges if name in space.numbers),
    }


def _explore(trial: Trial, space: Ball, flips: Flips, until: int, random: np.random.Generator) -> None:
    """Try corners of the ball on every row that has not flipped, until so many queries are spent or all rows have."""
    import numpy as np

    for turn in range(ROUNDS):
        left = np.flatnonzero(~flips.found)
        tries = min(TRIES, (until - flips.spent) // len(left)) if len(left) else 0
        if tries < 1:
            return
        rows = np.repeat(left, tries)
        steps = _steps(trial, space, flips, rows, tries, random, learn=turn > 0 or flips.spent > 0)
        category, choice = _categories(trial, space, flips, rows, tries, random)
        moves = space.moved(rows, steps)
        flipped = _flipped(trial, space, flips, rows, moves, category, choice)
        _learn(trial, space, flips, rows, steps, flipped, category, choice)
        far = space.distance(moves, category)
        for at in np.flatnonzero(flipped)[np.argsort(far[flipped] + (category[flipped] >= 0), kind="stable")]:
            row = rows[at]
            if not np.isfinite(flips.distance[row]):
                flips.moves[row], flips.category[row], flips.distance[row] = moves[at], category[at], far[at]


def _steps(
    trial: Trial, space: Ball, flips: Flips, rows: np.ndarray, tries: int, random: np.random.Generator, *, learn: bool
) -> np.ndarray:
    """Return corners (m, numbers): of each row's tries, two opposite ones at a time; later, first those that flipped its class."""
    import numpy as np

    signs = random.choice([-1.0, 1.0], size=(len(rows), len(space.numbers)))
    turn = np.arange(len(rows)) % tries
    signs[1:] = np.where((turn[1:] % 2 == 1)[:, None], -signs[:-1], signs[1:])
    if learn:
        labels = trial.clean[space.rows[rows]]
        for label, sums in flips.learned.items():
            own = np.flatnonzero((labels == label) & (turn != 2))
            towards = np.where(sums == 0, signs[own], np.sign(sums))
            stray = (random.random(towards.shape) < 0.2) & (turn[own] > 0)[:, None]
            signs[own] = np.where(stray, -towards, towards)
    return signs


def _categories(
    trial: Trial, space: Ball, flips: Flips, rows: np.ndarray, tries: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each try which category column changes (-1: none) and to which of its categories: the last two of four tries.

    The last of them takes what has flipped its label most often so far.
    """
    import numpy as np

    category, choice = np.full(len(rows), -1), np.zeros(len(rows), dtype=int)
    if not space.known:
        return category, choice
    sizes, turn = np.array([len(kinds) for kinds in space.known.values()]), np.arange(len(rows)) % tries
    change = (turn >= TRIES // 2) | (not space.numbers)
    category[change] = random.integers(0, len(sizes), int(change.sum()))
    choice[change] = random.integers(0, sizes[category[change]])
    labels = trial.clean[space.rows[rows]]
    for label, counts in flips.known.items():
        own = change & (turn == tries - 1) & (labels == label)
        (category[own], choice[own]), _ = counts.most_common(1)[0]
    return category, choice


def _learn(
    trial: Trial,
    space: Ball,
    flips: Flips,
    rows: np.ndarray,
    steps: np.ndarray,
    flipped: np.ndarray,
    category: np.ndarray,
    choice: np.ndarray,
) -> None:
    """Add what was seen to the estimate of the way out of each label: HopSkipJump's, over all its rows."""
    labels = trial.clean[space.rows[rows]]
    for label in set(labels[flipped].tolist()):
        own = labels == label
        flips.learned[label] = flips.learned.get(label, 0.0) + (flipped[own] - flipped[own].mean()) @ steps[own]
        by = own & flipped & (category >= 0)
        if by.any():
            flips.known.setdefault(label, Counter()).update(zip(category[by].tolist(), choice[by].tolist(), strict=True))


def _approach(trial: Trial, space: Ball, flips: Flips, queries: int) -> None:
    """Ask along the line from each row to its flip, without its changed category, and keep the nearest point that flips."""
    import numpy as np

    for _ in range(ROUNDS):
        rows = np.flatnonzero(flips.found & (flips.near < 1 - NEAR_ENOUGH))
        left = (queries - flips.spent) // len(rows) if len(rows) else 0
        if left < 1:
            return
        each = min(POINTS, max(1, left // 2))  # half of what is left: a second look at a tenth of the line says more than a first
        parts = np.arange(1, each + 1) / (each + (flips.category[rows] < 0)[:, None])  # by a category: up to the whole line
        along = flips.near[rows][:, None] + parts * (1 - flips.near[rows])[:, None]
        asked = np.repeat(rows, each)
        steps = along.ravel()[:, None] * flips.moves[asked]
        moves = np.where(space.whole, np.trunc(steps), steps)
        none = np.full(len(asked), -1)
        flipped = _flipped(trial, space, flips, asked, moves, none, none).reshape(len(rows), each)
        _keep_nearest(space, flips, rows, along, moves.reshape(len(rows), each, -1), flipped)


def _keep_nearest(space: Ball, flips: Flips, rows: np.ndarray, along: np.ndarray, moves: np.ndarray, flipped: np.ndarray) -> None:
    """Move each flip to the first point that flipped; what lies before that is where the next round looks."""
    import numpy as np

    for at, row in enumerate(rows):
        first = int(flipped[at].argmax()) if flipped[at].any() else len(flipped[at])
        before = float(along[at, first - 1]) if first else float(flips.near[row])
        if first == len(flipped[at]):  # only with the category, or only at the end of the line
            flips.near[row] = 1.0 if flips.category[row] >= 0 else before
            continue
        flips.moves[row], flips.category[row] = moves[at, first], -1
        flips.distance[row] = space.distance(moves[at, first : first + 1], np.array([-1]))[0]
        flips.near[row] = before / along[at, first] if along[at, first] > 0 else 1.0


def _flipped(
    trial: Trial, space: Ball, flips: Flips, rows: np.ndarray, moves: np.ndarray, category: np.ndarray, choice: np.ndarray
) -> np.ndarray:
    """Return which of these changed rows (m,) get another label; raises CannotMeasure where the model raises."""
    import numpy as np

    flips.spent += len(rows)
    try:
        said = in_parts(trial.ask, changed_rows(trial.frame, space, rows, moves, category, choice), trial)
    except Exception as error:
        raise CannotMeasure(
            f"the model {'rejects' if refuses(error) else 'crashes on'} rows within {space.radius:g} interquartile ranges of real ones "
            f"({type(error).__name__})",
            fix="declare the columns' ranges in the system file under robustness.ranges, or those that never change under immutable",
        ) from None
    return np.asarray((said.answers != trial.clean[space.rows[rows]]) & ~said.blank)


def changed_rows(
    frame: pd.DataFrame, space: Ball, rows: np.ndarray, moves: np.ndarray, category: np.ndarray, choice: np.ndarray
) -> pd.DataFrame:
    """Return rows of the ball (m positions in it) with numbers moved and one category column each set to a known one."""
    made = frame.iloc[space.rows[rows]].reset_index(drop=True)
    columns = {name: shifted(made[name], moves[:, at]) for at, name in enumerate(space.numbers) if moves[:, at].any()}
    for at, (name, known) in enumerate(space.known.items()):
        own = category == at
        if own.any():
            column = made[name].copy()
            column[own] = known.take(choice[own]).array
            columns[name] = column
    return with_columns(made, columns)


def _measures(flips: Flips) -> list[Measure]:
    import numpy as np

    tried, found = len(flips.distance), int(flips.found.sum())
    low, high = wilson(found, tried)
    share = Measure(name="flip_success_share", value=found / tried, ci_low=low, ci_high=high, ci_method="wilson", n=tried, count=found)
    if not found:
        return [share, Measure(name="median_flip_distance", value=None, n=0)]
    ordered = np.sort(flips.distance[flips.found])
    ends = _median_ends(found)
    middle = Measure(name="median_flip_distance", value=float(np.median(ordered)), n=found, unit="iqr")
    if ends is None or ordered[ends[0]] == ordered[ends[1]]:
        return [share, middle]
    between = {"ci_low": float(ordered[ends[0]]), "ci_high": float(ordered[ends[1]]), "ci_method": "order statistics"}
    return [share, middle.model_copy(update=between)]


def _median_ends(n: int) -> tuple[int, int] | None:
    """Return the ranks (from 0) between which the median lies with 95 %, whatever the distribution; None for too few."""
    from scipy.stats import binom

    k = int(binom.ppf(0.025, n, 0.5))
    return (k - 1, n - k) if k >= 1 else None
