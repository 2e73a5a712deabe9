"""Drift (A.7.4, A.6.2.6): how far a dataset's columns lie from a reference's, by Evidently, with intervals."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from aims_mlflow.describing import features
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.observation import Dataset, Observation
from aims_mlflow.registry import check

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ALWAYS = ("test", "train")
"""The dataset and the reference that every run is asked about."""

METHODS = {True: "wasserstein", False: "jensenshannon"}
"""Evidently's method for numeric columns (True) and for the others."""

THRESHOLD = 0.1
"""Evidently's default threshold of both methods, in standard deviations and as a distance."""

MOST_ROWS = 20_000
"""Rows of a frame beyond which a sample is taken; its error is then far below the threshold."""

LARGEST = 1e100
"""Numbers beyond which a standard deviation comes to the end of double precision."""

ROUNDING = 1e-9
"""How far our distance may lie from Evidently's."""

SEED = 0
"""The seed of the sample and of the resampling."""

PER_COLUMN = "point -/+ 1.96 bootstrap standard errors (200 resamples), low end less the lean, 0 where chance may give the distance"
OVERALL = "bootstrap of rows, all columns together, each distance centred at its point (200 resamples)"

log = logging.getLogger("aims_mlflow")


@dataclass
class _Pair:
    """Two frames made ready: one array of numbers or category codes a column and side, missing values left out."""

    numeric: dict[str, bool] = field(default_factory=dict)
    reference: dict[str, np.ndarray] = field(default_factory=dict)
    current: dict[str, np.ndarray] = field(default_factory=dict)
    rows: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    sizes: tuple[int, int] = (0, 0)
    unusable: list[str] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    infinite: list[str] = field(default_factory=list)


@check(
    "drift",
    controls=["A.7.4", "A.6.2.6"],
    objectives=["C.2.3", "C.2.8"],
    metrics=("drifted_columns_share", "drifted_columns", "columns_evaluated", "rows", "distance"),
)
def drift(seen: Observation) -> Iterator[CheckResult]:
    """Measure the drift of test against train, and of each pair that a requirement names; first a pair, then its columns."""
    asked = [(r.dataset or ALWAYS[0], r.reference or ALWAYS[1]) for r in seen.asked("drift")]
    for role, reference in dict.fromkeys([ALWAYS, *asked]):
        scope = {"dataset": role, "reference": reference}
        try:
            yield from _compared(seen, seen.dataset(role), seen.dataset(reference), scope)
        except CannotMeasure as problem:
            yield CheckResult(check="drift", scope=scope, problem=Problem.of(problem))


def _compared(seen: Observation, current: Dataset, reference: Dataset, scope: dict[str, str]) -> Iterator[CheckResult]:
    """Measure one pair. The count is Evidently's; the intervals are ours.

    ``n`` is the rows behind the least known column (of the smaller frame, missing values aside): what the uncertainty hangs on.
    """
    if current.role == reference.role:
        raise CannotMeasure("a dataset cannot drift from itself", fix="name another data role as reference")
    pair = _ready(seen, current, reference)
    columns = tuple(pair.numeric)
    if not columns:
        raise CannotMeasure("there is no numeric or categorical column to compare", fix="pass frames with such columns")
    distances = {name: _distance(pair, name) for name in columns}
    drifted = _drifted(pair, distances)
    columns_, (fewest, most) = _uncertain(pair, distances, drifted)
    rows = min(column.n for column in columns_)
    asked = (*columns, *pair.unusable)
    facts: dict[str, JsonValue] = {
        "threshold": THRESHOLD,
        "methods": {"numeric": METHODS[True], "categorical": METHODS[False]},
        "excluded_columns": {**pair.excluded},
        "drifted_columns": [name for name in columns if distances[name] >= THRESHOLD],
        "rows": _rows(current, reference),
        "seed": SEED,
    }
    yield CheckResult(
        check="drift",
        scope=scope,
        measures=(
            Measure(
                name="drifted_columns_share",
                value=drifted / len(columns),
                ci_low=fewest / len(columns),
                ci_high=most / len(columns),
                ci_method=OVERALL,
                n=rows,
                unit="share",
            ),
            Measure(
                name="drifted_columns",
                value=drifted,
                ci_low=fewest,
                ci_high=most,
                ci_method=OVERALL,
                n=rows,
                unit="count",
            ),
            Measure.counted("columns_evaluated", len(columns), n=len(asked)),
            Measure.counted("rows", rows),
        ),
        facts=facts,
        notes=tuple(_notes(pair, current, reference)),
        coverage=Coverage(asked=asked, evaluated=columns),
        subjects=(current.subject, reference.subject),
        problem=_left_out(pair, scope),
    )
    for column in columns_:
        yield column.result(scope, (current, reference))
    for name in pair.unusable:
        yield CheckResult(check="drift", scope={**scope, "column": name}, problem=_left_out(pair, scope))


@dataclass(frozen=True)
class _Column:
    """One compared column: its distance, and the ends of its interval."""

    name: str
    method: str
    distance: float
    low: float
    high: float
    n: int

    def result(self, scope: Mapping[str, str], datasets: tuple[Dataset, Dataset]) -> CheckResult:
        measure = Measure(name="distance", value=self.distance, ci_low=self.low, ci_high=self.high, ci_method=PER_COLUMN, n=self.n)
        return CheckResult(
            check="drift",
            scope={**scope, "column": self.name},
            measures=(measure,),
            facts={"method": self.method, "threshold": THRESHOLD},
            coverage=Coverage(asked=(self.name,), evaluated=(self.name,)),
            subjects=tuple(dataset.subject for dataset in datasets),
        )


def _uncertain(pair: _Pair, distances: Mapping[str, float], drifted: int) -> tuple[list[_Column], tuple[float, float]]:
    """Return each column with its interval, and the interval of how many lie beyond the threshold.

    Resampled distances lie too high, because a distance cannot be negative; so only their spread is taken, around the point. The
    sample's own distance leans upward likewise, the more the nearer the truth is to 0: the lower end is less what resampling adds
    on average, and 0 where two samples of one distribution may well lie so far apart.
    """
    import numpy as np

    from aims_mlflow.measuring.frames.distances import Z95, by_chance, draws, resampled

    weights = [draws(size, seed=SEED + side) for side, size in enumerate(pair.sizes)]
    columns, beyond = [], []
    for name, distance in distances.items():
        rows = pair.rows[name]
        reference, current = (pair.reference[name], rows[0]), (pair.current[name], rows[1])
        spread = resampled(reference, current, (weights[0], weights[1]), numeric=pair.numeric[name])
        around, lean = distance + spread - np.nanmean(spread), max(0.0, float(np.nanmean(spread)) - distance)
        error = float(np.nanstd(spread, ddof=1))
        chance = distance <= by_chance(reference[0], current[0], numeric=pair.numeric[name])
        low, high = 0.0 if chance else max(0.0, distance - lean - Z95 * error), distance + Z95 * error
        columns.append(_Column(name, METHODS[pair.numeric[name]], distance, low, high, min(len(rows[0]), len(rows[1]))))
        beyond.append(np.where(np.isnan(around), True, around > THRESHOLD))
    ends = np.quantile(np.sum(beyond, axis=0), [0.025, 0.975])
    return columns, (float(min(ends[0], drifted)), float(max(ends[1], drifted)))


def _ready(seen: Observation, current: Dataset, reference: Dataset) -> _Pair:
    """Sort the columns into compared, unusable (asked for, but not comparable) and excluded (no dtype that can drift)."""
    pair = _Pair()
    here, there = column_names(current.frame), column_names(reference.frame)
    frames = [_sampled(seen, dataset) for dataset in (reference, current)]
    pair.sizes = (len(frames[0]), len(frames[1]))
    operated = "production" in (current.role, reference.role)
    read = {*(features(seen) or (*here, *there)), *seen.system.data.sensitive_columns}
    for name in dict.fromkeys([*there, *here]):
        if name not in here or name not in there:
            if name == seen.system.task.target and operated:
                pair.excluded[name] = "the target, which production data do not have yet"
            elif operated and name not in read:
                pair.excluded[name] = "in one frame only, and the model does not read it"
            else:
                pair.unusable.append(name)
            continue
        _add(pair, name, *(frame[name] for frame in frames))
    return pair


def _sampled(seen: Observation, dataset: Dataset) -> pd.DataFrame:
    """Return the rows that are compared: drawn by their content, so that they are the same on every engine, where it can be hashed."""
    from aims_mlflow.measuring.frames.rows import drawn_by_content, hashes_of

    frame = dataset.frame
    if len(frame) <= MOST_ROWS:
        return frame
    try:
        hashes = hashes_of(seen, dataset.role, tuple(sorted(column_names(frame))))
    except CannotMeasure:  # cells that are arbitrary objects: such columns are not compared, and rows are drawn by their places
        return frame.sample(MOST_ROWS, random_state=SEED)
    return frame.iloc[drawn_by_content(hashes, MOST_ROWS, SEED)]


def _add(pair: _Pair, name: str, reference: pd.Series[Any], current: pd.Series[Any]) -> None:
    """Make one column ready, or say why not."""
    import numpy as np
    import pandas as pd

    kinds = {_kind(column) for column in (reference, current) if not column.isna().all()}
    if reference.isna().all() or current.isna().all():
        pair.unusable.append(name)
    elif kinds == {"number"}:
        sides = [column.to_numpy(dtype=float, na_value=np.nan) for column in (reference, current)]
        if any(np.isinf(side).any() for side in sides):
            pair.infinite.append(name)
        finite = [np.flatnonzero(np.isfinite(side)) for side in sides]
        if not all(len(rows) and np.abs(side[rows]).max() <= LARGEST for side, rows in zip(sides, finite, strict=True)):
            pair.unusable.append(name)
            return
        pair.numeric[name] = True
        pair.rows[name] = (finite[0], finite[1])
        pair.reference[name], pair.current[name] = (side[rows] for side, rows in zip(sides, finite, strict=True))
    elif kinds == {"category"}:
        together = pd.concat([column.astype(object) for column in (reference, current)], ignore_index=True)
        codes, categories = pd.factorize(together, use_na_sentinel=True)
        if len(categories) > max(20, (codes >= 0).sum() / 2):
            pair.excluded[name] = "an identifier or free text: more than half of its values are different"
            return
        sides = [codes[: len(reference)], codes[len(reference) :]]
        pair.numeric[name] = False
        pair.rows[name] = (np.flatnonzero(sides[0] >= 0), np.flatnonzero(sides[1] >= 0))
        pair.reference[name], pair.current[name] = (side[side >= 0] for side in sides)
    elif len(kinds) > 1:
        pair.unusable.append(name)
    else:
        pair.excluded[name] = f"dtype {current.dtype}: neither numbers nor categories"


def _kind(column: pd.Series[Any]) -> str:
    """Return whether a column holds numbers, categories (text, truth values, categoricals) or something else."""
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(column.dtype):
        return "category"
    if types.is_numeric_dtype(column.dtype):
        return "other" if types.is_complex_dtype(column.dtype) else "number"
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    held = types.infer_dtype(column, skipna=True)
    return {"string": "category", "boolean": "category", "integer": "number", "floating": "number"}.get(held, "other")


def _distance(pair: _Pair, name: str) -> float:
    from aims_mlflow.measuring.frames.distances import jensen_shannon, wasserstein_normed

    return (wasserstein_normed if pair.numeric[name] else jensen_shannon)(pair.reference[name], pair.current[name])


def _drifted(pair: _Pair, distances: Mapping[str, float]) -> int:
    """Return Evidently's count of drifted columns.

    Evidently sees numbers and category codes, never the categories. An explicit definition names every column: without one it
    drops those that it does not know in silence. The distances are our own, which equal Evidently's (asking it for each would
    cost twice as long, for its charts); where the two count differently, neither is believed.

    Raises:
        CannotMeasure: Evidently cannot be imported, raised, or counts otherwise.
    """
    definition_, dataset_, report_, count_ = _library()
    names = {name: f"c{position}" for position, name in enumerate(pair.numeric)}
    numeric = [short for name, short in names.items() if pair.numeric[name]]
    others = [short for name, short in names.items() if not pair.numeric[name]]
    methods: dict[str, Any] = {"num_method": METHODS[True], "cat_method": METHODS[False]}
    limits: dict[str, Any] = {"num_threshold": THRESHOLD, "cat_threshold": THRESHOLD}
    definition = definition_(numerical_columns=numeric, categorical_columns=others)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sides = [dataset_.from_pandas(_framed(side, names), data_definition=definition) for side in (pair.current, pair.reference)]
            answer = report_([count_(columns=[*numeric, *others], **methods, **limits)]).run(*sides).dict()["metrics"][0]["value"]
        counted, share = int(answer["count"]), float(answer["share"])
    except Exception as error:  # its messages can quote values
        log.warning("Evidently raised %s: %s", type(error).__name__, error)
        raise CannotMeasure(f"Evidently raised {type(error).__name__}", fix="its message is in the log of the training process") from None
    ours = [sum(distance >= THRESHOLD + slack for distance in distances.values()) for slack in (ROUNDING, -ROUNDING)]
    if not ours[0] <= counted <= ours[1] or abs(share - counted / len(names)) > ROUNDING:
        raise CannotMeasure("Evidently counts other columns as drifted than their distances say", fix="install evidently>=0.7.20,<0.8")
    return counted


def _framed(side: Mapping[str, np.ndarray], names: Mapping[str, str]) -> pd.DataFrame:
    """Return a side as one frame; columns of unequal length (missing values were left out) are filled up with NaN."""
    import pandas as pd

    return pd.DataFrame({short: pd.Series(side[name]) for name, short in names.items()})


def _library() -> tuple[Any, Any, Any, Any]:
    """Import Evidently (about 5 s the first time); raises CannotMeasure where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from evidently import DataDefinition, Report
            from evidently import Dataset as EvidentlyDataset
            from evidently.metrics import DriftedColumnsCount
    except Exception as error:
        log.warning("Evidently cannot be imported: %s", error)
        fix = 'install versions that go together: pip install "evidently>=0.7.20,<0.8" "pandas<3.1"'
        raise CannotMeasure("Evidently cannot be imported", fix=fix) from None
    return DataDefinition, EvidentlyDataset, Report, DriftedColumnsCount


def _left_out(pair: _Pair, scope: Mapping[str, str]) -> Problem | None:
    if not pair.unusable:
        return None
    names, (role, reference) = ", ".join(pair.unusable), (scope["dataset"], scope["reference"])
    why = f"in one frame only, empty, of two kinds of dtype, or of numbers beyond {LARGEST:g}"
    return Problem(
        state="error",
        reason=f"{len(pair.unusable)} columns cannot be compared ({why}): {names}",
        fix=f"make the {role} and the {reference} data have the same columns, with values and of the same dtypes",
    )


def _rows(current: Dataset, reference: Dataset) -> JsonValue:
    return {dataset.role: {"seen": len(dataset.frame), "compared": min(len(dataset.frame), MOST_ROWS)} for dataset in (current, reference)}


def _notes(pair: _Pair, current: Dataset, reference: Dataset) -> Iterator[str]:
    for name, why in pair.excluded.items():
        yield f"not compared: {name} ({why})"
    for name in pair.infinite:
        yield f"infinite values of {name} were left out"
    for dataset in (current, reference):
        if len(dataset.frame) > MOST_ROWS:
            yield f"of the {dataset.role} data a random sample of {MOST_ROWS} of {len(dataset.frame)} rows was compared (seed {SEED})"
    yield "missing values were left out: a change in how many are missing is no drift here, but shows in quality's completeness"
