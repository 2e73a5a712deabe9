"""Performance (A.6.2.4): scikit-learn's metrics of the model's predictions, with intervals, and the calibration of its scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import JsonValue

from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Measure, Problem
from aims_mlflow.measuring import asking
from aims_mlflow.measuring.counting import all_rows
from aims_mlflow.measuring.predicting import predictions
from aims_mlflow.measuring.scores.calibration import LEANS_UPWARD
from aims_mlflow.measuring.scores.intervals import NO_INTERVAL, measured
from aims_mlflow.measuring.scores.scoring import ALIASES, CALIBRATION_ERROR, DEFAULTS, NAMES, Answers, needs_no_score
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check

NAME = "performance"


@check(NAME, controls=["A.6.2.4"], metrics=NAMES)
def performance(seen: Observation) -> Iterator[CheckResult]:
    """Measure the task's usual metrics and those that requirements ask for, on test and the data they name."""
    for role in asking.roles(seen, NAME):
        try:
            yield _on(seen, role)
        except CannotMeasure as problem:
            yield CheckResult(check=NAME, scope={"dataset": role}, problem=Problem.of(problem))


def _on(seen: Observation, role: str) -> CheckResult:
    scope = {"dataset": role}
    kind = seen.system.task.kind
    answers = Answers.of(predictions(seen, role), kind)
    names = (*DEFAULTS[kind], *asking.metrics(seen, NAME, scope))
    measures = measured(answers, names)
    whole, said = all_rows(seen, role)
    rows, counted = answers.n, {}
    if whole is not None:
        rows = int(whole.weights.sum())
        of_all = replace(Answers.of(predictions(whole.seen, role), kind), score=None, weights=whole.weights)
        counted = {m.name: m for m in measured(of_all, [name for name in names if needs_no_score(name, kind)])}
        measures = [counted.get(m.name, m) for m in measures]
    unsure = [m.name for m in measures if m.value is not None and m.ci_low is None]
    notes = [f"{m.name} has no value: {answers.why_not(m.name) or 'it is not defined on these data'}." for m in measures if m.value is None]
    reasons = {name: NO_INTERVAL[base] for name in unsure for base in [ALIASES[kind].get(name, name)] if base in NO_INTERVAL}
    notes += [f"{name} has no interval: {reason}." for name, reason in reasons.items()]
    if left := [name for name in unsure if name not in reasons]:
        notes.append(f"Without an interval, because the rows are all alike in it, or too few: {', '.join(left)}.")
    if any(m.name == CALIBRATION_ERROR and m.value is not None for m in measures):
        notes.append(f"{CALIBRATION_ERROR}: {LEANS_UPWARD}.")
    notes += said
    if kind == "multiclass_classification":
        notes.append("f1, precision, recall and jaccard are macro averages, roc_auc_score is one-vs-rest.")
    facts: dict[str, JsonValue] = {}
    if kind != "regression":
        facts = {"classes": len(answers.classes), "scores": answers.score is not None}
    return CheckResult(
        check=NAME,
        scope=scope,
        measures=(*measures, Measure.counted("rows", rows, n=rows)),
        facts={**facts, **({OVER_ALL_ROWS: [*counted, "rows"]} if whole is not None else {})},
        notes=tuple(notes),
        subjects=asking.subjects(seen, role),
    )
