"""Robustness (A.6.2.4): how the model's answers hold when its input is disturbed, reordered, repeated or given row by row.

Statistical testing in the sense of ISO/IEC TR 24029-1, which is written for neural networks; for other models it is an analogy.
Refused (the model says no to the input), crashed and silently wrong answers are told apart. Every number is conditional on
five seeds; intervals are over rows, paired: the same rows undisturbed and disturbed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from aims_mlflow.errors import CannotMeasure, nearest
from aims_mlflow.evidence import CheckResult, Measure, Problem
from aims_mlflow.intervals import wilson
from aims_mlflow.measuring import asking, resampling
from aims_mlflow.measuring.perturbations import PERTURBATIONS, changed_cells
from aims_mlflow.measuring.score_intervals import area_influence
from aims_mlflow.measuring.trials import Outcome, Trial, differs, on_trial, stacked
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NAME = "robustness"
SEEDS = 5
"""Disturbed copies of every row: the least number that the design asks for."""

SINGLE_ROWS = 25
"""Rows that are asked about one by one."""

BOOTSTRAP_AT_MOST = 2_000
"""Rows up to which a mean's interval is bootstrapped; beyond, the normal limit of the same bootstrap."""

INVARIANCES = ("row_order", "repeat", "batch_of_one")
"""Changes that must not change any answer: rows in another order, the same call again, one row at a time."""

SHARES = ("rejected_share", "crashed_share", "changed_share")
METRICS = (
    *("accuracy_drop", "flip_rate", "roc_auc_drop"),
    *("mean_absolute_error_increase", "mean_absolute_change", "r2_drop"),
    *SHARES,
)
"""What a requirement may ask for. Drops are undisturbed minus disturbed: above zero is worse. Mean absolute ... are for regressions."""

Wanted = tuple[str, float | None]


@check(NAME, controls=["A.6.2.4"], objectives=["C.2.8"], metrics=METRICS)
def robustness(seen: Observation) -> Iterator[CheckResult]:
    """Measure every perturbation at its default strengths and those asked for, on test and the data that requirements name."""
    for role in asking.roles(seen, NAME):
        wanted = _wanted(seen, role)
        try:
            trial = on_trial(seen, role)
        except CannotMeasure as problem:
            yield from (_failed(_scope(role, one), problem) for one in wanted)
            continue
        for one in wanted:
            try:
                yield _measured(trial, role, one)
            except CannotMeasure as problem:
                yield _failed(_scope(role, one), problem)


def _wanted(seen: Observation, role: str) -> list[Wanted]:
    """Return (perturbation, strength) of the defaults, then of the requirements."""
    wanted: list[Wanted] = [(name, strength) for name, kind in PERTURBATIONS.items() for strength in kind.strengths]
    wanted += [(name, None) for name in INVARIANCES]
    for requirement in seen.asked(NAME):
        if (requirement.dataset or asking.DEFAULT_ROLE) != role:
            continue
        known = requirement.perturbation in PERTURBATIONS
        if requirement.strength is not None:
            names = [requirement.perturbation] if requirement.perturbation else list(PERTURBATIONS)
            wanted += [(name, requirement.strength) for name in names]
        elif requirement.perturbation and not known:
            wanted.append((requirement.perturbation, None))
    return list({tuple(_scope(role, one).items()): one for one in wanted}.values())


def _scope(role: str, wanted: Wanted) -> dict[str, str]:
    name, strength = wanted
    return {"dataset": role, "perturbation": name} | ({} if strength is None else {"strength": f"{strength:g}"})


def _measured(trial: Trial, role: str, wanted: Wanted) -> CheckResult:
    name, strength = wanted
    scope = _scope(role, wanted)
    if name in INVARIANCES and strength is None:
        return _result(trial, scope, *_invariant(trial, name), copies=1)
    kind = PERTURBATIONS.get(name)
    if kind is None or strength is None:
        if name in INVARIANCES:
            raise CannotMeasure(f"perturbation {name!r} has no strength", fix="leave strength out of the requirement")
        raise CannotMeasure(f"unknown perturbation {name!r}", fix=nearest(name, [*PERTURBATIONS, *INVARIANCES]))
    if not 0 < strength <= kind.strongest:
        raise CannotMeasure(
            f"{name} at strength {strength:g} " + ("changes nothing" if strength == 0 else f"is beyond {kind.strongest:g}"),
            fix=f"ask for a strength above 0 and at most {kind.strongest:g}, such as {kind.strengths[1]:g}",
        )
    if kind.numeric_only and not trial.spread:
        raise CannotMeasure(
            "the model reads no numeric column with any spread, so there is nothing to add noise to", fix="drop the requirement"
        )
    copies = [partial(kind.copy, name, trial.frame, strength, trial.spread, seed) for seed in range(SEEDS)]
    cells = SEEDS * trial.n * (len(trial.spread) if kind.numeric_only else trial.frame.shape[1])
    changed: list[int] = []

    def counted(copy: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        made = copy()
        changed.append(changed_cells(trial.frame, made))
        return made

    outcome = stacked(trial.ask, [partial(counted, copy) for copy in copies], trial.n)
    if not sum(changed):
        raise CannotMeasure(
            f"{name} at strength {strength:g} changed no cell of {trial.n} rows", fix="ask for more strength, or give more rows"
        )
    measures = [] if outcome.answers is None else _drops(trial, outcome.answers)
    if outcome.answers is not None and "roc_auc_drop" in asking.metrics(trial.seen, NAME, scope):
        measures += _area_drop(trial, stacked(trial.score, copies, trial.n))
    measures.append(_counted("changed_share", sum(changed) / cells, cells))
    return _result(trial, scope, outcome, measures, copies=SEEDS)


def _result(trial: Trial, scope: dict[str, str], outcome: Outcome, measures: list[Measure], *, copies: int) -> CheckResult:
    counted = {"rejected_share": outcome.refused / copies, "crashed_share": outcome.crashed / copies}
    measures = [*measures, *(_counted(name, share, copies) for name, share in counted.items())]
    asked = asking.metrics(trial.seen, NAME, scope)
    unmeasured = asking.undefined(asked, measures)
    notes = [] if trial.n == trial.rows_given else [f"Measured on a seeded sample of {trial.n} of {trial.rows_given} rows."]
    notes += [f"{m.name} has no value: the model did not answer, or it is not a measure of this task." for m in unmeasured]
    problem = None
    if outcome.answers is None and not (asked and set(asked) <= set(SHARES)):  # that it refuses may be the very thing that was asked
        problem = _refusal(scope["perturbation"], outcome)
    elif trial.labels is None and any(m.value is None for m in measures):
        problem = Problem(state="error", reason="the model answers disturbed input with numbers that are not finite", fix="mend the model")
    return CheckResult(
        check=NAME,
        scope=scope,
        measures=(*measures, *unmeasured),
        facts={"copies": copies, "rows": trial.n, "spread_from": trial.spread_from, "raised": [*sorted(outcome.raised)]},
        notes=tuple(notes),
        subjects=asking.subjects(trial.seen, scope["dataset"]),
        problem=problem,
    )


def _refusal(name: str, outcome: Outcome) -> Problem:
    what = {"missing": "missing values", "numeric_noise": "noise on its numbers"}.get(name, f"the same rows under {name}")
    verb = "crashes on" if outcome.crashed else "rejects"
    fix = "put an imputer into the pipeline" if name == "missing" else "call predict on such rows yourself"
    return Problem(
        state="error",
        reason=f"the model {verb} {what} ({', '.join(sorted(outcome.raised))}), so its answers cannot be compared",
        fix=f"{fix}; where a refusal is the right answer, ask for rejected_share at this strength instead, or record a waiver",
    )


def _drops(trial: Trial, answers: np.ndarray) -> list[Measure]:
    """Return the measures of disturbed answers (copies, n) against the undisturbed ones, paired by row."""
    import numpy as np

    if trial.labels is not None:
        hit = (trial.clean == trial.y_true).astype(float)
        lost = hit - (answers == trial.y_true).mean(axis=0)
        return [_mean("accuracy_drop", lost, -1.0), _mean("flip_rate", (answers != trial.clean).mean(axis=0), 0.0)]
    if not np.isfinite(answers).all():
        return [Measure(name=name, value=None, n=trial.n) for name in ("mean_absolute_error_increase", "mean_absolute_change", "r2_drop")]
    grown = abs(trial.y_true - answers).mean(axis=0) - abs(trial.y_true - trial.clean)
    moved = abs(answers - trial.clean).mean(axis=0)
    return [_mean("mean_absolute_error_increase", grown), _mean("mean_absolute_change", moved), _r2_drop(trial, answers)]


def _mean(name: str, rows: np.ndarray, least: float | None = None) -> Measure:
    """Return the mean of a per-row quantity (n,) with its interval over rows; ``least`` to 1 is its range, where it has one.

    Where all rows are alike the bootstrap has no width. Then the share of rows that could be otherwise has Wilson's upper end
    for none of n, and the interval is what such rows could at most do.
    """
    n, value = len(rows), float(rows.mean())
    if rows.min() == rows.max():
        if least is None:
            return Measure(name=name, value=value, n=n)
        other = wilson(0, n)[1]
        low, high = value - other * (value - least), value + other * (1 - value)
        return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method="wilson, no row was different", n=n)
    if n <= BOOTSTRAP_AT_MOST:
        ends = resampling.bootstrap({name: resampling.mean_of(rows)}, n)[name]
        return _with(name, value, ends, f"paired {resampling.method(n)}", n)
    half = 1.959963984540054 * float(rows.std(ddof=1)) / math.sqrt(n)
    return _with(name, value, (value - half, value + half), "paired normal", n)


def _r2_drop(trial: Trial, answers: np.ndarray) -> Measure:
    import numpy as np

    centred = trial.y_true - trial.y_true.mean()
    if not (centred != 0).any():
        return Measure(name="r2_drop", value=None, n=trial.n)
    grown = ((trial.y_true - answers) ** 2).mean(axis=0) - (trial.y_true - trial.clean) ** 2

    def statistic(weights: np.ndarray) -> np.ndarray:
        spread = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(axis=1)
        return np.asarray(weights @ grown / spread)

    value = float(grown.sum() / (centred**2).sum())
    ends = resampling.bootstrap({"r2_drop": statistic}, trial.n)["r2_drop"]
    return _with("r2_drop", value, ends, f"paired {resampling.method(trial.n)}", trial.n)


def _area_drop(trial: Trial, scored: Outcome) -> list[Measure]:
    """Return how much area under the ROC curve is lost; the interval from DeLong's placements, paired by row."""
    import numpy as np

    positive = trial.y_true == 1
    if scored.answers is None or positive.all() or not positive.any():
        return []
    area, influence = area_influence(positive, trial.score(trial.frame))
    parts = [area_influence(positive, row) for row in scored.answers]
    value = area - float(np.mean([a for a, _ in parts]))
    spread = influence - np.mean([i for _, i in parts], axis=0)
    half = 1.959963984540054 * math.sqrt(float((spread**2).sum())) / trial.n
    return [_with("roc_auc_drop", value, (value - half, value + half) if half > 0 else None, "paired delong", trial.n)]


def _with(name: str, value: float, ends: tuple[float, float] | None, method: str, n: int) -> Measure:
    if ends is None:
        return Measure(name=name, value=value, n=n)
    return Measure(name=name, value=value, ci_low=ends[0], ci_high=ends[1], ci_method=method, n=n)


def _invariant(trial: Trial, name: str) -> tuple[Outcome, list[Measure]]:
    """Return what became of the answers under a change that must not change them: full counts over the rows asked."""
    import numpy as np

    random = np.random.default_rng(0)
    if name == "batch_of_one":
        rows = np.sort(random.choice(trial.n, min(SINGLE_ROWS, trial.n), replace=False))
        outcome = _one_by_one(trial, rows)
    else:
        rows = random.permutation(trial.n) if name == "row_order" else np.arange(trial.n)
        outcome = stacked(trial.ask, [lambda: _taken(trial.frame, rows)], trial.n)
    if outcome.answers is None:
        return outcome, []
    answers, clean, y_true = outcome.answers[0], trial.clean[rows], trial.y_true[rows]
    flipped = _counted("flip_rate", float(differs(trial, answers, clean).mean()), len(rows))
    if trial.labels is not None:
        lost = float((clean == y_true).mean() - (answers == y_true).mean())
        return outcome, [flipped, _counted("accuracy_drop", lost, len(rows))]
    if not np.isfinite(answers).all():
        return outcome, [flipped, Measure(name="mean_absolute_error_increase", value=None, n=len(rows))]
    grown = float((abs(y_true - answers) - abs(y_true - clean)).mean())
    return outcome, [flipped, _counted("mean_absolute_error_increase", grown, len(rows))]


def _one_by_one(trial: Trial, rows: np.ndarray) -> Outcome:
    import numpy as np

    asked = [stacked(trial.ask, [partial(_taken, trial.frame, rows[at : at + 1])], 1) for at in range(len(rows))]
    raised = {name for one in asked for name in one.raised}
    answers = [one.answers[0, 0] for one in asked if one.answers is not None]
    complete = np.array([answers]) if len(answers) == len(rows) else None
    return Outcome(complete, int(any(one.refused for one in asked)), int(any(one.crashed for one in asked)), raised)


def _taken(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    return frame.iloc[rows].reset_index(drop=True)


def _counted(name: str, value: float, n: int) -> Measure:
    return Measure.counted(name, value, n=n, unit="share")


def _failed(scope: dict[str, str], problem: CannotMeasure) -> CheckResult:
    reason = f"{problem.what} ({problem.where})" if problem.where else problem.what
    return CheckResult(check=NAME, scope=scope, problem=Problem(state=problem.state, reason=reason, fix=problem.fix))
