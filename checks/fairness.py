"""Fairness (A.6.2.4, A.5.4): rates and errors of the groups of every sensitive column and crossing, and the gaps between them.

A binary task is judged on the outcome people want: truth and prediction are recoded so that ``task.favourable_label`` is
the positive one. ``selection_rate`` is then the share that is predicted to get it, a false negative a refusal of someone who
should have got it. Multiclass tasks are recoded likewise where a favourable label is declared; every class is also looked
at against the rest. Regressions have errors by group.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import JsonValue

from aims_mlflow.disparity import DISPARITIES, MINIMUM_CASES, MINIMUM_N, UPWARD_BIAS
from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure, nearest
from aims_mlflow.evidence import CheckResult, Measure, Problem
from aims_mlflow.measuring import asking
from aims_mlflow.measuring.counting import all_rows
from aims_mlflow.measuring.groups.classes import CLASS_MEASURES, MACRO_MEASURES, class_measures, class_table, macro_measures
from aims_mlflow.measuring.groups.errors import ERROR_GAPS, ERRORS, error_measures
from aims_mlflow.measuring.groups.grouping import BETWEEN, Grouping, crossed, crossings, groups_of
from aims_mlflow.measuring.groups.rates import (
    MEANS_OF_RATES,
    RATES,
    SIZES,
    count_table,
    disparity_measures,
    mean_measures,
    rate_measures,
    share,
    size_measures,
)
from aims_mlflow.measuring.groups.scores import SCORE_MEASURES, Scores
from aims_mlflow.measuring.predicting import favourable_code, predictions, said_on, truth
from aims_mlflow.measuring.scores.calibration import LEANS_UPWARD
from aims_mlflow.measuring.scores.scoring import CALIBRATION_ERROR
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check
from aims_mlflow.worst_group import WORST, worst_measures

if TYPE_CHECKING:
    import numpy as np

NAME = "fairness"
UNLABELLED = ("production",)
"""Roles whose data may come without the target: then only what the predictions themselves show is measured."""
CLASSES_AT_MOST = 50
"""Classes beyond which one-vs-rest measures are left out."""

METRICS = tuple(
    dict.fromkeys(
        [
            *(*SIZES, *RATES, *MEANS_OF_RATES, *SCORE_MEASURES, *DISPARITIES, *WORST),
            *(*MACRO_MEASURES, *CLASS_MEASURES, *ERRORS, *ERROR_GAPS),
        ]
    )
)

NOT_MEASURED: dict[str, str] = {
    "MetricFrame": "not a measure: the frame that fairlearn keeps groups and metrics in",
    "make_derived_metric": "not a measure: it makes one",
    "plot_model_comparison": "not a measure: a picture",
    "plot_roc_curve_by_group": "not a measure: a picture",
    "count": "measured as group_size",
}
"""What fairlearn.metrics exports and is no measure here, and why; the rest is measured under fairlearn's name."""


@dataclass(frozen=True)
class Outcomes:
    """Truth and prediction of one dataset as arrays (n,): class codes, or floats for a regression; scores where there are any.

    ``y_true`` is None where nobody knows the truth yet.
    """

    y_true: np.ndarray | None
    y_pred: np.ndarray
    classes: int = 0
    wanted: int | None = None
    scores: Scores | None = None
    facts: Mapping[str, str | int] | None = None
    weights: np.ndarray | None = None
    """How many rows each of them stands for, where the engine counted all of them; the scores are of a sample then."""


@check(NAME, controls=["A.6.2.4", "A.5.4"], objectives=["C.2.5"], metrics=METRICS)
def fairness(seen: Observation) -> Iterator[CheckResult]:
    """Measure every sensitive column, the crossings of several, and what requirements name, on test and the data they name."""
    if not seen.system.data.sensitive:
        raise CannotMeasure(
            "no sensitive column is declared, so no group of people can be looked at",
            state="missing",
            fix="list the columns that name groups of people under data.sensitive, such as sensitive: [sex, age_group]",
        )
    for role in asking.roles(seen, NAME):
        yield from _on(seen, role)


def _on(seen: Observation, role: str) -> Iterator[CheckResult]:
    columns = _columns(seen, role)
    try:
        outcomes = _outcomes(seen, role)
        whole, notes = all_rows(seen, role)
        if whole is not None:
            outcomes = replace(_outcomes(whole.seen, role), scores=outcomes.scores, weights=whole.weights)
    except CannotMeasure as problem:
        yield from (_failed(role, column, problem) for column in columns)
        return
    for column, parts in columns.items():
        scope = {"dataset": role, "column": column}
        try:
            if whole is None:
                grouping = _grouping(seen, role, column, parts)
                found = _measured(seen, role, scope, outcomes, grouping, _scored(outcomes, grouping, grouping))
            else:
                grouping = _grouping(whole.seen, role, column, parts, whole.weights)
                found = _over_all_rows(seen, role, scope, outcomes, grouping, parts)
            yield found.model_copy(update={"notes": (*found.notes, *notes)}) if notes else found
        except CannotMeasure as problem:
            yield _failed(role, column, problem)


def _over_all_rows(
    seen: Observation, role: str, scope: dict[str, str], outcomes: Outcomes, grouping: Grouping, parts: tuple[str, ...]
) -> CheckResult:
    """Measure on counts over all rows, and of the sample what needs scores; the facts name what is of all rows."""
    scored: list[Measure] = []
    if outcomes.scores is not None:
        with contextlib.suppress(CannotMeasure):  # fewer groups in the sample than in the data: then no group has scores
            scored = _scored(outcomes, _grouping(seen, role, scope["column"], parts), grouping)
    found = _measured(seen, role, scope, outcomes, grouping, scored)
    of_sample = {m.name for m in scored}
    of_sample |= {name for name, one in DISPARITIES.items() if of_sample & {*one.rates}}
    of_sample |= {m.name for m in worst_measures(scored)}
    names: list[JsonValue] = [*dict.fromkeys(m.name for m in found.measures if m.name not in of_sample)]
    return found.model_copy(update={"facts": {**found.facts, OVER_ALL_ROWS: names}})


def _scored(outcomes: Outcomes, seen: Grouping, named: Grouping) -> list[Measure]:
    """Return what is measured of scores in the groups that are seen, under the names that they have in another grouping."""
    if outcomes.scores is None:
        return []
    names = dict(zip(named.labels, named.names, strict=True))
    made = outcomes.scores.measures(seen.codes, [names[label] for label in seen.labels])
    unseen = [names[label] for label in named.labels if label not in seen.labels]
    return [*made, *(Measure(name=one, value=None, n=0, group=group) for one in dict.fromkeys(m.name for m in made) for group in unseen)]


def _columns(seen: Observation, role: str) -> dict[str, tuple[str, ...]]:
    """Return what is to be measured: the name of the column or crossing -> the declared columns it is made of (none: unknown)."""
    declared = seen.system.data.sensitive_columns
    wanted: dict[str, tuple[str, ...]] = {one: (one,) for one in declared}
    if seen.system.data.intersections:
        wanted |= {BETWEEN.join(parts): parts for parts in crossings(declared)}
    for requirement in seen.asked(NAME):
        if requirement.column and (requirement.dataset or asking.DEFAULT_ROLE) == role:
            parts = (requirement.column,) if requirement.column in declared else tuple(requirement.column.split(BETWEEN))
            known = all(part in declared for part in parts) and len(set(parts)) == len(parts)
            wanted.setdefault(requirement.column, parts if known else ())
    return wanted


def _grouping(seen: Observation, role: str, column: str, parts: tuple[str, ...], weights: np.ndarray | None = None) -> Grouping:
    frame = seen.dataset(role).frame
    if not parts:
        there = "is not in the data" if column not in frame.columns else "is not declared as sensitive"
        raise CannotMeasure(
            f"column {column!r} {there}",
            fix=f"declare it under data.sensitive, or correct the requirement ({nearest(column, seen.system.data.sensitive_columns)})",
        )
    specs = {(spec if isinstance(spec, str) else spec.column): spec for spec in seen.system.data.sensitive}
    groupings = [groups_of(frame, specs[part], weights=weights) for part in parts]
    return groupings[0] if len(groupings) == 1 else crossed(groupings, weights)


def _outcomes(seen: Observation, role: str) -> Outcomes:
    if role in UNLABELLED and role in seen.datasets and seen.system.task.target not in seen.datasets[role].frame.columns:
        return _unlabelled(seen, role)
    made = predictions(seen, role)
    _, labels = truth(seen, role)
    if labels is None:
        return Outcomes(made.y_true, made.y_pred)
    wanted = favourable_code(seen, role)
    if seen.system.task.kind == "binary_classification":
        # The score is the positive label's; what is judged is the outcome people want.
        score = made.score if made.score is None or wanted == 1 else _turned(made.score)
        scores = None if score is None else Scores(made.y_true == wanted, score)
        outcome = "the positive label" if wanted == 1 else "the other label than the positive one"
        return Outcomes(made.y_true, made.y_pred, 2, wanted, scores, {"favourable_outcome": outcome})
    y_true = labels.codes(made.y_true)
    scores = None
    if made.score is not None and wanted is not None:
        scores = Scores(y_true == wanted, made.score[:, made.classes.index(labels.known[wanted])])
    return Outcomes(y_true, labels.codes(made.y_pred), len(labels.known), wanted, scores)


def _unlabelled(seen: Observation, role: str) -> Outcomes:
    """Return what was predicted on data without labels: enough for selection rates, and for nothing else."""
    said, labels = said_on(seen, role)
    if seen.system.task.favourable is None:
        raise CannotMeasure("which outcome people want is not declared", state="missing", fix="declare task.favourable_label")
    wanted = labels.code(seen.system.task.favourable)
    return Outcomes(None, said, len(labels.known), wanted, None, {"labels": "none: only what the predictions themselves show is measured"})


def _turned(score: np.ndarray) -> np.ndarray:
    """Return the other label's score: one less the probability, or, of what only ranks, the negative."""
    return 1 - score if score.min() >= 0 and score.max() <= 1 else -score


def _measured(
    seen: Observation, role: str, scope: dict[str, str], outcomes: Outcomes, grouping: Grouping, scored: list[Measure]
) -> CheckResult:
    measures = _measures(seen, outcomes, grouping, scored)
    untestable = _untestable(measures)
    unmeasured = asking.undefined(asking.metrics(seen, NAME, scope), measures)
    undefined = sorted({m.name for m in measures if m.value is None and m.group is None})
    notes = [f"Over {len(grouping)} groups. {UPWARD_BIAS}"] if len(grouping) > 2 else []
    if any(m.name == CALIBRATION_ERROR for m in measures):
        notes.append(f"{CALIBRATION_ERROR}: {LEANS_UPWARD}.")
    if untestable:
        notes.append(f"Too small to decide anything about: {', '.join(untestable)}.")
    if undefined:
        notes.append(f"Not defined, because a group has no case to take it on, or nobody has it: {', '.join(undefined)}.")
    if unmeasured:
        names = ", ".join(m.name for m in unmeasured)
        needs = "it needs task.favourable_label, or probabilities of the model"
        notes.append(f"Not a measure of this task ({seen.system.task.kind}), or {needs}: {names}.")
    return CheckResult(
        check=NAME,
        scope=scope,
        measures=(*measures, *unmeasured),
        facts={**(outcomes.facts or {}), "groups": len(grouping), "untestable": list(untestable)},
        notes=tuple(notes),
        subjects=asking.subjects(seen, role),
    )


def _measures(seen: Observation, outcomes: Outcomes, grouping: Grouping, scored: list[Measure]) -> list[Measure]:
    y_true, y_pred, names, weights = outcomes.y_true, outcomes.y_pred, grouping.names, outcomes.weights
    if y_true is None:
        chosen = y_pred == outcomes.wanted
        counts = count_table(grouping.codes, len(grouping), chosen, chosen, weights)[:, 1, 1].tolist()
        rates = [share("selection_rate", c, size, group=g) for g, size, c in zip(names, grouping.sizes, counts, strict=True)]
        return [*_sizes(grouping), *rates, *disparity_measures(rates)]
    if seen.system.task.kind == "regression":
        measures = [*_sizes(grouping), *error_measures(grouping.codes, names, y_true, y_pred)]
        return [*measures, *worst_measures(measures)]
    if outcomes.wanted is not None:
        table = count_table(grouping.codes, len(grouping), y_true == outcomes.wanted, y_pred == outcomes.wanted, weights)
        measures = [*size_measures(table, names), *rate_measures(table, names)]
        measures += mean_measures(table, names) if outcomes.classes == 2 else []
    else:
        measures = _sizes(grouping)
    if outcomes.classes > 2 or outcomes.wanted is None:
        measures = [m for m in measures if m.name not in ("accuracy_score", "zero_one_loss")]
        measures += _of_classes(outcomes, y_true, grouping)
    measures += scored
    return [*measures, *disparity_measures(measures), *worst_measures(measures)]


def _sizes(grouping: Grouping) -> list[Measure]:
    return [Measure.counted("group_size", size, n=size, group=g) for g, size in zip(grouping.names, grouping.sizes, strict=True)]


def _of_classes(outcomes: Outcomes, y_true: np.ndarray, grouping: Grouping) -> list[Measure]:
    """Return what is measured over all classes: hits of each group, macro averages, and each class against the rest."""
    hit = y_true == outcomes.y_pred
    right = count_table(grouping.codes, len(grouping), hit, hit, outcomes.weights)[:, 1, 1].tolist()
    each = list(zip(grouping.names, grouping.sizes, right, strict=True))
    made = [share("accuracy_score", count, size, group=g) for g, size, count in each]
    made += [share("zero_one_loss", size - count, size, group=g) for g, size, count in each]
    if outcomes.classes > CLASSES_AT_MOST:
        return made
    table = class_table(grouping.codes, len(grouping), y_true, outcomes.y_pred, outcomes.classes, outcomes.weights)
    return [*made, *macro_measures(table, grouping.names), *class_measures(table)]


def _untestable(measures: list[Measure]) -> dict[str, None]:
    """Return the groups below the default minima, in their order: too few rows, positives or negatives."""
    least = {"group_size": MINIMUM_N, "group_positives": MINIMUM_CASES, "group_negatives": MINIMUM_CASES}
    return {m.group: None for m in measures if m.group and m.value is not None and m.value < least.get(m.name, float("-inf"))}


def _failed(role: str, column: str, problem: CannotMeasure) -> CheckResult:
    reason = f"{problem.what} ({problem.where})" if problem.where else problem.what
    return CheckResult(
        check=NAME,
        scope={"dataset": role, "column": column},
        problem=Problem(state=problem.state, reason=reason, fix=problem.fix),
    )
