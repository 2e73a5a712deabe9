"""Leakage (A.7.2, A.6.2.4): near duplicates across the split, a target that one feature gives away, and test rows out of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from aims_mlflow.describing import features
from aims_mlflow.disparity import MINIMUM_CASES
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.intervals import wilson
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check

PAIR = ("train", "test")
"""The pair that every run is asked about."""

LEAKS = 0.99
"""Held-out score of a single feature (area under the ROC curve, or R squared) from which it leaks the target: our own convention."""

FEWEST_ROWS = 20
"""Test rows of a regression below which a score of one feature says nothing."""

METRICS = (
    "near_duplicate_rows",
    "near_duplicate_share",
    "edited_rows",
    "noisy_rows",
    "near_duplicate_share_within",
    "conflicting_label_rows",
    "leaking_features",
    "features_scored",
    "single_feature_score",
    "out_of_order_rows",
    "out_of_order_share",
    "tied_rows",
    "early_rows",
)


@check("leakage", controls=["A.7.2", "A.6.2.4"], objectives=["C.2.3"], metrics=METRICS)
def leakage(seen: Observation) -> Iterator[CheckResult]:
    """Look for the ways in which test data can be known to a model before it is tested.

    Three kinds of results: near duplicates with scope {datasets}, single features with {dataset, reference} and one more for
    each that leaks or is asked about by {column}, and the order of time with {datasets, column} where ``data.time`` is declared.
    """
    asked = [tuple(r.datasets) for r in seen.asked("leakage") if r.datasets and not r.metric.startswith(("out_of", "tied", "early"))]
    for pair in dict.fromkeys([PAIR, *asked]):
        scope = {"datasets": ",".join(pair)}
        try:
            yield _near(seen, pair, scope)
        except CannotMeasure as problem:
            yield CheckResult(check="leakage", scope=scope, problem=Problem.of(problem))
    try:
        yield from _single(seen)
    except CannotMeasure as problem:
        yield CheckResult(check="leakage", scope={"dataset": "test", "reference": "train"}, problem=Problem.of(problem))
    yield from _in_time(seen)


# --- near duplicates ----------------------------------------------------------------------------------------------------


def _near(seen: Observation, pair: tuple[str, ...], scope: dict[str, str]) -> CheckResult:
    """Count the rows of the second dataset that are a row of the first in all but a little, exact duplicates left out.

    ``edited_rows`` agree on all columns but one, ``noisy_rows`` differ in numbers by at most 1 % of the interquartile range;
    ``near_duplicate_share_within`` is the share of the first dataset's rows that have one among the rest of it: rows that are
    alike by chance. ``conflicting_label_rows`` have a row of the first in every column but the target.
    """
    from aims_mlflow.measuring.frames.near_duplicates import MOST_WITHIN, SEED, TOLERANCE, near_duplicates
    from aims_mlflow.measuring.frames.rows import hashes_of

    if len(pair) != 2 or pair[0] == pair[1]:
        raise CannotMeasure("near duplicates are asked of two different data roles", fix="write datasets: [train, test]")
    first, second = (seen.dataset(role) for role in pair)
    columns, others = column_names(second.frame), column_names(first.frame)
    different = sorted(set(columns).symmetric_difference(others))
    if different:
        raise CannotMeasure(
            f"the {pair[0]} and {pair[1]} data have different columns ({len(different)} stand in one only: {', '.join(different[:10])})",
            fix="pass both frames with the same columns, target included",
        )
    target = seen.system.task.target
    hashes = (hashes_of(seen, pair[0], columns), hashes_of(seen, pair[1], columns))
    found = near_duplicates(first.frame, second.frame, columns, target, hashes)
    n, near = len(found.exact), int(found.near.sum())
    alike, looked = int(found.within.sum()), len(found.within)
    conflicting = None if found.conflicting is None else int(found.conflicting.sum())
    notes = [f"not compared, since no value of them occurs twice: {', '.join(found.identifiers)}"] if found.identifiers else []
    if near:
        notes.append(
            f"{near} rows of the {pair[1]} data are nearly a row of the {pair[0]} data; of the {pair[0]} data's own rows "
            f"{alike / looked:.2%} have a near duplicate among the rest of them, which is what chance would give"
            if looked
            else f"{near} rows of the {pair[1]} data are nearly a row of the {pair[0]} data"
        )
    return CheckResult(
        check="leakage",
        scope=scope,
        measures=(
            Measure.counted("near_duplicate_rows", near, n=n),
            Measure(name="near_duplicate_share", value=near / n, count=near, n=n, ci_method=FULL_COUNT, unit="share"),
            Measure.counted("edited_rows", int(found.edited.sum()), n=n),
            Measure.counted("noisy_rows", int(found.noisy.sum()), n=n),
            _share("near_duplicate_share_within", alike, looked, sampled=looked == MOST_WITHIN),
            Measure(name="conflicting_label_rows", value=None, unit="count")
            if conflicting is None
            else Measure.counted("conflicting_label_rows", conflicting, n=n),
        ),
        facts={
            "tolerance": TOLERANCE,
            "columns_compared": len(found.compared),
            "identifiers": [*found.identifiers],
            "rows_looked_up_within": {"rows": looked, "seed": SEED},
        },
        notes=tuple(notes),
        coverage=Coverage(asked=columns, evaluated=(*found.compared, *found.identifiers)),
        subjects=(first.subject, second.subject),
    )


def _share(name: str, count: int, n: int, *, sampled: bool) -> Measure:
    if not n or not sampled:
        return Measure(name=name, value=count / n if n else None, count=count, n=n, ci_method=FULL_COUNT, unit="share")
    low, high = wilson(count, n)
    return Measure(name=name, value=count / n, ci_low=low, ci_high=high, ci_method="Wilson score", count=count, n=n, unit="share")


# --- a single feature that gives the target away ------------------------------------------------------------------------


def _single(seen: Observation) -> Iterator[CheckResult]:
    """Score each feature alone: fitted on train rows, scored on test rows; ``leaking_features`` counts those of at least 0.99."""
    import numpy as np

    from aims_mlflow.measuring.frames.single_features import SEED, drawn, ranked, rows_for, score
    from aims_mlflow.measuring.predicting import truth

    train, test = (seen.dataset(role) for role in PAIR)
    (y_train, labels), (y_test, told) = truth(seen, "train"), truth(seen, "test")
    if labels is not None and told is not None and labels.known != told.known:
        raise CannotMeasure("the target has other labels in the test than in the train data", fix="spell the labels alike in both")
    if labels is not None and not np.isin(y_test, y_train).any():
        raise CannotMeasure("no label of the test data is in the train data", fix="spell the labels alike in both")
    names = _features(seen)
    there = [name for name in names if name in train.frame.columns and name in test.frame.columns]
    classes, most = None if labels is None else len(labels.known), rows_for(len(there))
    rows = drawn(y_train, most, classes), drawn(y_test, most, classes)
    y = y_train[rows[0]], y_test[rows[1]]
    if classes is None:
        y = ranked(y[0], y[0]), ranked(y[1], y[0])
    scores = {n: score(train.frame[n].iloc[rows[0]], test.frame[n].iloc[rows[1]], *y, classes) for n in there}
    scored = {name: value for name, value in scores.items() if value is not None}
    leaks = [name for name, value in scored.items() if value >= LEAKS]
    scope = {"dataset": "test", "reference": "train"}
    few = len(y[1]) < FEWEST_ROWS if classes is None else _rarest(np.bincount(y[1], minlength=classes)) < MINIMUM_CASES
    subjects = (train.subject, test.subject)
    yield CheckResult(
        check="leakage",
        scope=scope,
        measures=(
            Measure(
                name="leaking_features",
                value=len(leaks),
                ci_low=0,
                ci_high=len(names),
                ci_method="none: too few test rows to tell",
                n=len(y[1]),
                unit="count",
            )
            if few
            else Measure.counted("leaking_features", len(leaks), n=len(scored)),
            Measure.counted("features_scored", len(scored), n=len(names)),
        ),
        facts=_scored(leaks, {"train": len(y[0]), "test": len(y[1]), "seed": SEED}, classes),
        notes=tuple(_said(leaks, few=few)),
        coverage=Coverage(asked=tuple(names), evaluated=tuple(scored)),
        subjects=subjects,
    )
    asked = {r.column for r in seen.asked("leakage") if r.column}
    for name in [name for name in names if name in asked or name in leaks]:
        value = scores.get(name)
        yield CheckResult(
            check="leakage",
            scope={**scope, "column": name},
            measures=(Measure(name="single_feature_score", value=value, n=len(y[1]), unit="auc" if classes else "r2"),),
            notes=() if value is not None else (f"{name} holds neither numbers, times nor categories, or is in one frame only",),
            subjects=subjects,
        )


def _rarest(counts: Any) -> int:
    """Return the size of the rarer side that decides: of two classes the smaller, of more the smallest that occurs."""
    present = [int(count) for count in counts if count]
    return min(present) if len(present) > 1 else 0


def _features(seen: Observation) -> tuple[str, ...]:
    """Return the columns that the model reads: its own, the declared ones, or all but the target and the sensitive ones."""
    left_out = {seen.system.task.target, *seen.system.data.sensitive_columns}
    present = column_names(seen.dataset("train").frame)
    names = features(seen) or tuple(name for name in present if name not in left_out)
    if not names:
        raise CannotMeasure("no feature column is left to look at", fix="list them in data.features")
    return names


def _scored(leaks: list[str], rows: dict[str, int], classes: int | None) -> dict[str, JsonValue]:
    area = "area under the ROC curve"
    how = "R squared of the target's ranks" if classes is None else area if classes == 2 else f"{area}, one against the rest, mean"
    return {"leaking_features": [*leaks], "score": how, "leaks_from": LEAKS, "rows": {**rows}}


def _said(leaks: list[str], *, few: bool) -> Iterator[str]:
    if few:
        yield "too few test rows (of the rarest class, or in all) to tell whether a feature gives the target away"
    for name in leaks:
        yield (
            f"{name} alone predicts the target almost without error: leave it out if it is known only after the outcome, "
            "or let a named person say why it is known before"
        )


# --- the order of time --------------------------------------------------------------------------------------------------


def _in_time(seen: Observation) -> Iterator[CheckResult]:
    """Count the rows of test (and validation) data that are not later than the latest train row."""
    column = seen.system.data.time
    asked = [r for r in seen.asked("leakage") if r.metric.startswith(("out_of", "tied", "early"))]
    pairs = [("train", role) for role in ("validation", "test") if role in seen.datasets or role == "test"] if column else []
    for pair in dict.fromkeys([*pairs, *(tuple(r.datasets) or PAIR for r in asked)]):
        scope = {"datasets": ",".join(pair), **({"column": column} if column else {})}
        try:
            yield _ordered(seen, pair, column, scope)
        except CannotMeasure as problem:
            yield CheckResult(check="leakage", scope=scope, problem=Problem.of(problem))


def _ordered(seen: Observation, pair: tuple[str, ...], column: str, scope: dict[str, str]) -> CheckResult:
    from aims_mlflow.measuring.frames.time_order import compared

    if not column:
        raise CannotMeasure(
            "which column holds the time of a row is not declared", state="missing", fix="add to data in aims.yaml: time: <column>"
        )
    if len(pair) != 2 or pair[0] == pair[1]:
        raise CannotMeasure("the order of time is asked of two different data roles", fix="write datasets: [train, test]")
    first, second = (seen.dataset(role) for role in pair)
    found = compared(first.frame, second.frame, column, (pair[0], pair[1]))
    late, n = found.before + found.tied, found.rows
    notes = []
    if late:
        notes.append(
            f"{late} of {n} rows of the {pair[1]} data are not later than the latest row of the {pair[0]} data ({found.tied} of them "
            f"at the same time as it), and {found.early} rows of the {pair[0]} data are not before the earliest row of the {pair[1]} "
            "data: split the data between two points in time"
        )
    return CheckResult(
        check="leakage",
        scope=scope,
        measures=(
            Measure.counted("out_of_order_rows", late, n=n),
            Measure(name="out_of_order_share", value=late / n, count=late, n=n, ci_method=FULL_COUNT, unit="share"),
            Measure.counted("tied_rows", found.tied, n=n),
            Measure.counted("early_rows", found.early, n=len(first.frame)),
        ),
        notes=tuple(notes),
        coverage=Coverage(asked=(column,), evaluated=(column,)),
        subjects=(first.subject, second.subject),
    )
