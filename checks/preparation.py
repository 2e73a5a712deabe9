"""Preparation (A.7.6): the steps from raw data to model input, and whether they learnt from the training data alone."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from aims_mlflow.describing import class_name, parameters
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Coverage, Measure
from aims_mlflow.measuring.frames.digest_chain import follow
from aims_mlflow.measuring.frames.steps import (
    Step,
    column_names_of,
    costly,
    counted_rows,
    learns,
    model_input,
    refitted_alike,
    steps_of,
    unwrapped,
)
from aims_mlflow.observation import Observation, PreparationStep
from aims_mlflow.registry import check

MOST_ROWS = 200_000
"""Training rows beyond which steps are not fitted again: only the number of rows they were fitted on is compared."""

MOST_ROWS_COSTLY = 5_000
"""The same for steps whose cost grows faster than the rows."""

SECONDS = 20.0
"""Time after which no further step is fitted again: the check must never cost more than the training."""

METRICS = (
    "steps_recorded",
    "steps_declared",
    "steps_verified",
    "steps_unverified",
    "fitted_on_other_data",
    "rows_dropped",
    "rows_added",
    "digest_gaps",
)


@dataclass
class _Verified:
    """What fitting the steps again has shown, by step name."""

    alike: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@check("preparation", controls=["A.7.6"], objectives=["C.2.3"], metrics=METRICS)
def preparation(seen: Observation) -> CheckResult:
    """Record the steps of a scikit-learn model and those that were declared, and fit each again on the train data.

    ``fitted_on_other_data`` counts the steps whose learnt attributes are not those that fitting on the train data gives (nor on
    train and validation data together). It has no value where a model has steps that learn and none could be verified. What was
    declared with ``run.preparation(...)`` is taken as said; where frames were shown with it, ``rows_dropped`` and ``rows_added``
    sum what the steps did, and ``digest_gaps`` counts where one step does not begin with a frame that another ended with, or the
    last one does not end with data of this run.
    """
    estimator = seen.model.estimator if seen.model is not None else None
    steps = steps_of(estimator) if estimator is not None else ()
    declared = seen.run.preparation
    recorded = len(steps) + len(declared)
    found = _verify(seen, estimator, steps)
    if not recorded:
        found.notes.append(
            "no step is known: a model that is a Pipeline shows its own; say others with run.preparation(...), "
            "even that the raw columns are used as they are"
        )
    if declared:
        found.notes.append(f"{len(declared)} steps were declared by the training code; what they learnt from cannot be verified")
    chain = follow(declared, {role: dataset.fingerprint.sha256 for role, dataset in seen.datasets.items()})
    found.notes += [f"a gap in the preparation: {gap}; show each step its frames, before and after" for gap in chain.gaps]
    checked = len(found.alike) + len(found.different)
    unknown = not checked and bool(found.unverified)
    return CheckResult(
        check="preparation",
        measures=(
            Measure.counted("steps_recorded", recorded, n=recorded),
            Measure.counted("steps_declared", len(declared), n=recorded),
            Measure.counted("steps_verified", len(found.alike), n=recorded),
            Measure.counted("steps_unverified", len(found.unverified) + len(declared), n=recorded),
            Measure(name="fitted_on_other_data", value=None, n=0, unit="count")
            if unknown
            else Measure.counted("fitted_on_other_data", len(found.different), n=checked),
            *_rows(declared),
            *([Measure.counted("digest_gaps", len(chain.gaps), n=chain.links)] if chain.links else []),
        ),
        facts={
            "steps": _described(seen, estimator, steps),
            "declared": [_told(step) for step in declared],
            "fitted_on_other_data": [*found.different],
            "digest_gaps": [*chain.gaps],
            "reaches": [*dict.fromkeys(chain.reached)],
            "steps_unverified": [*found.unverified],
        },
        notes=tuple(found.notes),
        # A step that cannot be verified is told by steps_unverified and a note; it is not held against the run.
        coverage=Coverage(asked=(*found.alike, *found.different), evaluated=(*found.alike, *found.different)),
        subjects=_subjects(seen),
    )


def _rows(declared: Sequence[PreparationStep]) -> list[Measure]:
    """Sum the rows that the steps dropped and added, over those that showed frames which can be compared."""
    counted = [(step.dropped, step.added) for step in declared if step.dropped is not None and step.added is not None]
    if not counted:
        return []
    dropped, added = (sum(one[side] for one in counted) for side in (0, 1))
    return [Measure.counted("rows_dropped", dropped, n=len(counted)), Measure.counted("rows_added", added, n=len(counted))]


def _told(step: PreparationStep) -> JsonValue:
    """Return a declared step: its words, which say why, and what it did to the frame where that was shown."""
    told: dict[str, JsonValue] = {"words": step.words}
    for when, frame in (("before", step.before), ("after", step.after)):
        if frame is not None:
            told[when] = {"rows": frame.rows, "columns": len(frame.columns), "sha256": frame.sha256}
    if step.before is not None and step.after is not None:
        first, last = step.before.columns, step.after.columns
        told["columns_added"] = [name for name in last if name not in first]
        told["columns_removed"] = [name for name in first if name not in last]
        told |= {"rows_dropped": step.dropped, "rows_added": step.added}
    return told


def _subjects(seen: Observation) -> tuple[Any, ...]:
    data = (seen.datasets["train"].subject,) if "train" in seen.datasets else ()
    return (*data, *(seen.model.subjects if seen.model is not None else ()))


def _described(seen: Observation, estimator: Any, steps: tuple[Step, ...]) -> list[JsonValue]:
    """Return each step with its class, the columns it is given, and the settings that are not its class's defaults.

    Settings are written as ``describing.parameters`` allows: a value that could hold data is withheld.
    """
    inner = None if seen.model is None else replace(seen.model, estimator=unwrapped(estimator))
    settings = {} if inner is None else parameters(seen.with_model(inner)) or {}
    columns = _columns(seen, estimator)
    made: list[JsonValue] = []
    for step in steps:
        own = {key: settings.get(f"{step.name}__{key}", "withheld") for key in _changed(step.transformer)}
        made.append(
            {
                "name": step.name,
                "class": step.kind if step.transformer is None else class_name(step.transformer),
                "columns": _listed(step, columns),
                "settings": {**own},
            }
        )
    return made


def _listed(step: Step, columns: tuple[str, ...]) -> JsonValue:
    try:
        names = column_names_of(step, columns)
    except (IndexError, TypeError, ValueError):
        names = None
    return "what an earlier step made" if names is None else [*names]


def _columns(seen: Observation, estimator: Any) -> tuple[str, ...]:
    """Return the names of the model's input columns, as far as they stand in the train data."""
    named = getattr(unwrapped(estimator), "feature_names_in_", None)
    if named is not None:
        return tuple(str(name) for name in named)
    if seen.model is not None and seen.model.features:
        return seen.model.features
    return _raw_features(seen)


def _raw_features(seen: Observation) -> tuple[str, ...]:
    data = seen.system.data
    if data.features is not None:
        return data.features
    left_out = {seen.system.task.target, *data.sensitive_columns}
    train = seen.datasets.get("train")
    return tuple(name for name in train.fingerprint.columns if name not in left_out) if train is not None else ()


def _changed(transformer: Any) -> list[str]:
    """Return the names of the parameters that differ from the class's defaults."""
    if transformer is None or not hasattr(transformer, "get_params"):
        return []
    defaults = inspect.signature(type(transformer)).parameters
    changed = []
    for name, value in transformer.get_params(deep=False).items():
        default = defaults[name].default if name in defaults else inspect.Parameter.empty
        same = value is default or (type(value) is type(default) and isinstance(value, str | int | float | tuple) and value == default)
        if not same:
            changed.append(name)
    return changed


def _verify(seen: Observation, estimator: Any, steps: tuple[Step, ...]) -> _Verified:
    """Sort the steps into those that are what the train data give, those that are not, and those that cannot be told."""
    found = _Verified()
    if not steps:
        return found
    try:
        frame = seen.dataset("train").frame
    except CannotMeasure as problem:
        return _all_unverified(found, steps, f"no step could be verified: {problem.what}")
    if len(frame) > MOST_ROWS:
        return _by_count(found, steps, len(frame))
    candidates = list(_candidates(seen))
    inputs = [(said, model_input(rows, unwrapped(estimator), _columns(seen, estimator)), rows) for said, rows in candidates]
    if inputs[0][1] is None:
        return _all_unverified(
            found, steps, "no step could be verified: the train data do not have the columns that the model was fitted on"
        )
    end = time.monotonic() + SECONDS
    for step in steps:
        if time.monotonic() > end or (len(frame) > MOST_ROWS_COSTLY and costly(step)):
            found.unverified.append(step.name)
            found.notes.append(f"{step.name} was not verified: to fit it again would take too long")
        else:
            _verify_one(found, step, inputs, seen.system.task.target)
    return found


def _verify_one(found: _Verified, step: Step, inputs: list[tuple[str, Any, Any]], target: str) -> None:
    """Fit one step again on each candidate in turn, until one gives what the step holds."""
    fitted_on, alike = "", None
    for candidate, data, rows in inputs:
        labels = rows[target] if target in rows.columns else None
        fitted_on, alike = candidate, None if data is None else refitted_alike(step, data, labels)
        if alike is not False:
            break
    if alike is None:
        found.unverified.append(step.name)
        found.notes.append(
            f"{step.name} could not be verified: fitting it again need not give the same (its kind, or no fixed random_state)"
        )
    elif alike and fitted_on != "train and test":
        found.alike.append(step.name)
        if fitted_on != "train":
            found.notes.append(f"{step.name} was fitted on {fitted_on} data together")
    else:
        found.different.append(step.name)
        whence = "on train and test data together" if alike else "on other data than the train data that were handed over"
        fix = 'fit it on the train data only, or hand over the frame it was fitted on: run.data(frame, role="train")'
        found.notes.append(f"{step.name} was fitted {whence}: {fix}")


def _candidates(seen: Observation) -> Iterator[tuple[str, Any]]:
    """Yield what a step may have been fitted on: rightly (train, train and validation), or wrongly (train and test)."""
    import pandas as pd

    train = seen.datasets["train"].frame
    yield "train", train
    for other in ("validation", "test"):
        if other in seen.datasets and len(seen.datasets[other].frame):
            yield f"train and {other}", pd.concat([train, seen.datasets[other].frame], ignore_index=True)


def _all_unverified(found: _Verified, steps: tuple[Step, ...], note: str) -> _Verified:
    found.unverified += [step.name for step in steps if learns(step)]
    found.alike += [step.name for step in steps if not learns(step)]
    found.notes.append(note)
    return found


def _by_count(found: _Verified, steps: tuple[Step, ...], rows: int) -> _Verified:
    """Compare only how many rows each step was fitted on: more than the train data have is certainly other data."""
    found.notes.append(f"the train data have more than {MOST_ROWS} rows: steps are verified by the number of rows they were fitted on only")
    for step in steps:
        count = counted_rows(step.transformer)
        if not learns(step) or count == rows:
            found.alike.append(step.name)
        else:
            (found.unverified if count is None or count < rows else found.different).append(step.name)
    return found
