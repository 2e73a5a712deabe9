"""How often the verdicts are wrong, on groups and models whose truth is known, through the code that judges.

Three worlds for each requirement: what it asks holds with room to spare, holds exactly (on the bound, where a mistake of either
kind is likeliest), and does not hold. Beside each verdict stands what the point value alone would say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from aims_mlflow.disparity import MINIMUM_N, disparity_value, disparity_verdict
from aims_mlflow.evidence import Measure, State
from aims_mlflow.intervals import wilson
from aims_mlflow.judging.bounds import measure_verdict
from aims_mlflow.measuring.groups.rates import share
from aims_mlflow.measuring.scores.intervals import measured
from aims_mlflow.system import Requirement
from benchmarks.worlds import Scores

SIZES = (100, 200, 1000, 5000)
GROUPS = (2, 4, 8)
RATES = (0.1, 0.2, 0.5)
REPLICATIONS = 2_000
SEED = 20_260_302

HEAD = (
    *("Requirement", "Groups", "n", "Rate"),
    *("holds: PASS / FAIL / open", "point fails"),
    *("on the bound: PASS / FAIL / open", "point passes"),
    *("does not hold: PASS / FAIL / open", "point passes"),
)


@dataclass(frozen=True)
class Outcome:
    """Shares of the draws of one world: each state, and how often the point value alone meets the bound."""

    passed: float
    failed: float
    point_passed: float
    replications: int

    def words(self) -> str:
        """Return PASS / FAIL / open (INCONCLUSIVE), in percent."""
        return " / ".join(f"{100 * part:.1f}" for part in (self.passed, self.failed, 1 - self.passed - self.failed))


@dataclass(frozen=True)
class Row:
    """One requirement in its three worlds; ``n`` are rows (of each group, where there are groups)."""

    asked: str
    groups: int | None
    n: int
    rate: float | None
    holds: Outcome
    bound: Outcome
    not_held: Outcome

    @property
    def wrong(self) -> float:
        """Return how often the verdict is wrong at most: on the bound (PASS; and FAIL), PASS where it does not hold, FAIL where it does."""
        return max(self.bound.passed, self.bound.failed, self.not_held.passed, self.holds.failed)


def report(quick: bool = False) -> Iterator[str]:
    """Yield the lines of the Markdown table, each as soon as it is known, and below it the worst of them."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|" + "---|" * len(HEAD)
    found = []
    for row in rows(quick):
        found.append(row)
        yield line(row)
    passed, failed = max(found, key=lambda r: r.bound.passed), max(found, key=lambda r: r.bound.failed)
    yield ""
    for word, worst, rate in (("PASS", passed, passed.bound.passed), ("FAIL", failed, failed.bound.failed)):
        groups = f", {worst.groups} groups" if worst.groups else ""
        at = f", rate {worst.rate:g}" if worst.rate else ""
        error = 100 * math.sqrt(rate * (1 - rate) / worst.bound.replications) if worst.bound.replications else 0.0
        sure = f" (Monte Carlo error {error:.1f})" if error else " (exact)"
        yield f"Most {word} on the bound: {100 * rate:.1f} %{sure}, {worst.asked}{groups}, n = {worst.n:,}{at}."


def rows(quick: bool = False) -> Iterator[Row]:
    """Measure every row; ``quick`` takes few replications of the smallest sizes, to see that it works."""
    replications, sizes, groups, rates = (20, SIZES[:1], GROUPS[:1], RATES[-1:]) if quick else (REPLICATIONS, SIZES, GROUPS, RATES)
    for world in (_selection, _odds):
        for k, n, rate in product(groups, sizes, rates):
            yield world(k, n, rate, replications)
    for n in sizes:
        yield _accuracy(n)
    for n, rate in product(sizes, rates):
        yield _area(n, rate, replications)


def line(row: Row) -> str:
    """Return one line of the table."""
    start = (row.asked, str(row.groups or "-"), f"{row.n:,}", "-" if row.rate is None else f"{row.rate:g}")
    points = (max(0.0, 1 - row.holds.point_passed), row.bound.point_passed, row.not_held.point_passed)
    worlds = (row.holds, row.bound, row.not_held)
    told = (cell for world, point in zip(worlds, points, strict=True) for cell in (world.words(), f"{100 * point:.1f}"))
    return "| " + " | ".join((*start, *told)) + " |"


# --- gaps between groups ----------------------------------------------------------------------------------------------------

Draw = Callable[[np.random.Generator], list[Measure]]
"""Draws the group measures of one data set."""


def _selection(groups: int, n: int, rate: float, replications: int) -> Row:
    """Four-fifths: all groups are selected at the rate; one of them at 0.8 times it; at 0.6 times it."""

    def of(ratio: float) -> Draw:
        def draw(random: np.random.Generator) -> list[Measure]:
            counts = random.binomial(n, [ratio * rate, *[rate] * (groups - 1)])
            return [share("selection_rate", int(count), n, group=str(at)) for at, count in enumerate(counts)]

        return draw

    return _gaps("demographic_parity_ratio", 0.8, groups, n, rate, [of(1.0), of(0.8), of(0.6)], replications)


def _odds(groups: int, n: int, rate: float, replications: int) -> Row:
    """Equalized odds: the rate is that of positives; 80 % of them are found in every group; in one 70 %; in one 55 %."""

    def of(gap: float) -> Draw:
        def draw(random: np.random.Generator) -> list[Measure]:
            positives = random.binomial(n, rate, groups)
            caught = random.binomial(positives, [0.8 - gap, *[0.8] * (groups - 1)])
            alarms = random.binomial(n - positives, 0.2)
            measures = [Measure.counted("group_size", n, n=n, group=str(at)) for at in range(groups)]
            for at, (count, hits, false) in enumerate(zip(positives, caught, alarms, strict=True)):
                measures.append(share("true_positive_rate", int(hits), int(count), group=str(at)))
                measures.append(share("false_positive_rate", int(false), int(n - count), group=str(at)))
            return measures

        return draw

    return _gaps("equalized_odds_difference", 0.1, groups, n, rate, [of(0.0), of(0.1), of(0.25)], replications)


def _gaps(name: str, bound: float, groups: int, n: int, rate: float, draws: Sequence[Draw], replications: int) -> Row:
    ratio = name.endswith("ratio")
    outcomes = []
    for at, draw in enumerate(draws):
        random, states, points = np.random.default_rng([SEED, groups, n, int(100 * rate), at, ratio]), [], []
        for _ in range(replications):
            by_rate: dict[str, dict[str, Measure]] = {}
            for measure in draw(random):
                by_rate.setdefault(measure.name, {})[str(measure.group)] = measure
            value = disparity_value(name, by_rate)
            points.append(value is not None and (value >= bound if ratio else value <= bound))
            states.append(disparity_verdict(name, by_rate, bound).state)
        outcomes.append(_outcome(states, points))
    return Row(f"{name} {'>=' if ratio else '<='} {bound:g}", groups, n, rate, *outcomes)


def _outcome(states: Sequence[State], points: Sequence[bool]) -> Outcome:
    n = len(states)
    return Outcome(states.count(State.PASS) / n, states.count(State.FAIL) / n, sum(points) / n, n)


# --- a measure against a bound ----------------------------------------------------------------------------------------------


def _requirement(metric: str, bound: float) -> Requirement:
    return Requirement.model_validate({"check": "performance", "metric": metric, "min": bound, "declared": "2026-01-01"})


def _accuracy(n: int) -> Row:
    """Accuracy of at least 0.8, where it is 0.85, 0.8 and 0.75: summed up over all counts."""
    asked, counts = _requirement("accuracy_score", 0.8), np.arange(n + 1)
    ends = [wilson(int(count), n) for count in counts]
    states = np.array([_judged(asked, count / n, *own, n) for count, own in zip(counts.tolist(), ends, strict=True)])
    outcomes = []
    for truth in (0.85, 0.8, 0.75):
        chances = binom.pmf(counts, n, truth)
        parts = (states == State.PASS, states == State.FAIL, counts / n >= 0.8)
        outcomes.append(Outcome(*(float(chances[part].sum()) for part in parts), 0))
    return Row("accuracy_score >= 0.8 (exact)", None, n, None, *outcomes)


def _judged(asked: Requirement, value: float, low: float, high: float, n: int) -> str:
    measure = Measure(name="accuracy_score", value=value, ci_low=low, ci_high=high, ci_method="wilson", n=n)
    return measure_verdict(asked, measure, minimum_n=MINIMUM_N, rows=n).state


def _area(n: int, rate: float, replications: int) -> Row:
    """Area under the ROC curve of at least 0.8, where it is 0.85, 0.8 and 0.75."""
    asked, outcomes = _requirement("roc_auc_score", 0.8), []
    for at, truth in enumerate((0.85, 0.8, 0.75)):
        world, random = Scores(rate, apart=math.sqrt(2) * float(ndtri(truth))), np.random.default_rng([SEED, n, int(100 * rate), at])
        states, points = [], []
        for _ in range(replications):
            answers = world.answers(n, random)
            (area,) = measured(answers, ["roc_auc_score"])
            cases = int(min(answers.y_true.sum(), n - answers.y_true.sum()))
            states.append(measure_verdict(asked, area, rows=n, cases=cases).state)
            points.append(area.value is not None and area.value >= 0.8)
        outcomes.append(_outcome(states, points))
    return Row("roc_auc_score >= 0.8", None, n, rate, *outcomes)
