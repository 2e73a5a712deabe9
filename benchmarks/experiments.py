"""The intervals that are simulated: for each a world to draw samples from, what is true in it, and the code that is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np

from aims_mlflow.evidence import Measure
from aims_mlflow.measuring.frames import distances
from aims_mlflow.measuring.groups.classes import class_measures, class_table
from aims_mlflow.measuring.groups.errors import error_measures
from aims_mlflow.measuring.groups.population import smallest_ratio, total_variation
from aims_mlflow.measuring.groups.rates import disparity_measures, rate_measures
from aims_mlflow.measuring.scores.gains import gains
from aims_mlflow.measuring.scores.intervals import measured
from aims_mlflow.measuring.trials.paired import Paired
from aims_mlflow.worst_group import worst_measures
from benchmarks.worlds import Classes, Numbers, Scores

SIZES = (50, 200, 1000)
RATES = (0.05, 0.1, 0.2, 0.5)

Ends = tuple[float | None, float | None]
Sample = Mapping[str, tuple[Ends | None, str]]
"""Measure -> its interval (None: none was given), and its method."""


@dataclass(frozen=True)
class Experiment:
    """Intervals to be tried: ``sample(world, n, random)`` draws one data set and gives its intervals, ``truths`` what is true.

    ``worlds`` are the rates, or names. ``share`` of the replications are run (slow ones fewer).
    """

    name: str
    sample: Callable[[Any, int, np.random.Generator], Sample]
    truths: Callable[[Any], Mapping[str, float]]
    worlds: tuple[float | str, ...] = RATES
    sizes: tuple[int, ...] = SIZES
    share: float = 1.0


def _ends(measures: list[Measure]) -> Sample:
    """Return the intervals of measures; a measure of a group stands under its own and the group's name."""
    found: dict[str, tuple[Ends | None, str]] = {}
    for one in measures:
        name = one.name if one.group is None else f"{one.name} of {one.group}"
        none = one.ci_low is None and one.ci_high is None
        found[name] = (None if none else (one.ci_low, one.ci_high), one.ci_method or "")
    return found


def experiments() -> Iterator[Experiment]:
    """Yield what is simulated: performance, gains, groups, robustness, drift, representativeness."""
    yield from _performance()
    yield from _gains()
    yield from _groups()
    yield from _robustness()
    yield from _drift()
    yield from _populations()


OF_TABLES = ("precision_score", "recall_score", "f1_score", "balanced_accuracy_score", "cohen_kappa_score", "matthews_corrcoef")
OF_SCORES = ("roc_auc_score", "average_precision_score", "log_loss", "brier_score_loss")
CALIBRATION = "expected_calibration_error"


def _performance() -> Iterator[Experiment]:
    def of(made: Callable[[Any], Any], names: tuple[str, ...]) -> dict[str, Any]:
        world = cache(made)
        return {
            "sample": lambda key, n, random: _ends(measured(world(key).answers(n, random), names)),
            "truths": lambda key: {name: world(key).truths[name] for name in names},
        }

    yield Experiment("AUC 0.86", **of(lambda rate: Scores(rate), (*OF_TABLES, *OF_SCORES)), share=0.5)
    sharp = ("f1_score", "balanced_accuracy_score", "matthews_corrcoef", "roc_auc_score", "average_precision_score")
    yield Experiment("AUC 0.98", **of(lambda rate: Scores(rate, apart=3.0), sharp), share=0.5)
    yield Experiment("calibrated", **of(lambda rate: Scores(rate), (CALIBRATION,)), share=0.5)
    yield Experiment("scores too extreme", **of(lambda rate: Scores(rate, stretch=1.5, shift=0.4), (CALIBRATION, "log_loss")), share=0.5)
    several = ("balanced_accuracy_score", "f1_score", "precision_score", "recall_score", "roc_auc_score", "log_loss")
    yield Experiment("three classes, the rarest at", **of(lambda rate: Classes(rate), several), worlds=(0.05, 0.2), share=0.25)
    numbers = ("mean_absolute_error", "median_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score")
    yield Experiment("errors", **of(lambda kind: Numbers(kind == "Laplace"), numbers), worlds=("normal", "Laplace"), share=0.5)


def _gains() -> Iterator[Experiment]:
    names = ("f1_score", "balanced_accuracy_score", "roc_auc_score", "average_precision_score", "log_loss", CALIBRATION)
    worlds = cache(lambda rate: (Scores(rate), Scores(rate, noise=0.7)))

    def sample(rate: float, n: int, random: np.random.Generator) -> Sample:
        new, old = worlds(rate)
        return _ends(gains(*new.pair(old, n, random), names))

    def truths(rate: float) -> Mapping[str, float]:
        new, old = (one.truths for one in worlds(rate))
        losses = ("log_loss", CALIBRATION)
        return {f"{name}_gain": (old[name] - new[name]) if name in losses else new[name] - old[name] for name in names}

    yield Experiment("over a noisier model", sample, truths, share=0.15)


def _groups() -> Iterator[Experiment]:
    """Groups of ``n`` rows each."""

    def gaps(shares: Callable[[float], tuple[float, ...]]) -> dict[str, Any]:
        def sample(rate: float, n: int, random: np.random.Generator) -> Sample:
            table = np.array([[[n - x, x], [0, 0]] for x in random.binomial(n, shares(rate))])
            return _ends(disparity_measures(rate_measures(table, [str(at) for at in range(len(table))]), list(truths(rate))))

        def truths(rate: float) -> Mapping[str, float]:
            own = shares(rate)
            return {"demographic_parity_difference": max(own) - min(own), "demographic_parity_ratio": min(own) / max(own)}

        return {"sample": sample, "truths": truths}

    yield Experiment("two groups, ratio 0.8", **gaps(lambda rate: (0.8 * rate, rate)), share=0.5)
    yield Experiment("four groups, one at 0.8", **gaps(lambda rate: (0.8 * rate, rate, rate, rate)), share=0.5)
    yield Experiment("four equal groups", **gaps(lambda rate: (rate,) * 4), share=0.5)

    def classes(rate: float, n: int, random: np.random.Generator) -> Sample:
        y = random.choice(3, 2 * n, p=(rate, 0.6 * (1 - rate), 0.4 * (1 - rate)))
        codes, said = np.repeat([0, 1], n), np.where(random.random(2 * n) < 0.7, y, random.integers(0, 3, 2 * n))
        return _ends(class_measures(class_table(codes, 2, y, said, 3)))

    worst = ("selection_rate_difference_class_max", "true_positive_rate_difference_class_max")
    yield Experiment("two equal groups, three classes", classes, lambda _: dict.fromkeys(worst, 0.0), worlds=(0.05, 0.2), share=0.25)

    def errors(kind: str, n: int, random: np.random.Generator) -> Sample:
        worlds = [Numbers(kind == "Laplace", spread) for spread in (0.6, 0.6, 0.8)]
        rows = np.concatenate([one.errors(n, random) for one in worlds])
        found = error_measures(np.repeat([0, 1, 2], n), ("a", "b", "c"), rows, np.zeros(3 * n))
        return _ends([*found, *worst_measures(found)])

    def of_errors(kind: str) -> Mapping[str, float]:
        plain, wide = (Numbers(kind == "Laplace", spread).truths["mean_absolute_error"] for spread in (0.6, 0.8))
        gaps = {"mean_absolute_error_difference": wide - plain, "mean_residual_difference": 0.0}
        return {"mean_absolute_error of a": plain, "mean_residual of a": 0.0, "mean_absolute_error_group_max": wide, **gaps}

    yield Experiment("three groups, errors", errors, of_errors, worlds=("normal", "Laplace"), share=0.5)


def _robustness() -> Iterator[Experiment]:
    """A share of the rows is shaken by five copies, each of which flips the answer in half of them; the model is right in 8 of 10."""
    paired = cache(lambda: Paired(cast("Any", None)))

    def sample(rate: float, n: int, random: np.random.Generator) -> Sample:
        shaken = np.where(random.random(n) < rate, random.binomial(5, 0.5, n) / 5, 0.0)
        right = random.random(n) < 0.8
        lost = np.where(right, shaken, -shaken)
        return _ends([paired().mean("flip_rate", shaken, 0.0), paired().mean("accuracy_drop", lost, -1.0)])

    yield Experiment("share of rows shaken", sample, lambda rate: {"flip_rate": rate / 2, "accuracy_drop": 0.3 * rate}, share=0.5)

    def grown(kind: str, n: int, random: np.random.Generator) -> Sample:
        errors = Numbers(kind == "Laplace").errors(n, random)
        noisy = errors + random.normal(size=(5, n)) * 0.6
        return _ends([paired().mean("mean_absolute_error_increase", abs(noisy).mean(axis=0) - abs(errors))])

    def truths(kind: str) -> Mapping[str, float]:
        return {"mean_absolute_error_increase": Numbers(kind == "Laplace").increase_under(0.6)}

    kinds = ("normal", "Laplace")
    yield Experiment("errors", grown, truths, worlds=kinds, share=0.5)


def _drift() -> Iterator[Experiment]:
    """Both frames have ``n`` rows; what is compared is the distance of the populations."""
    from aims_mlflow.checks.drift import PER_COLUMN, _Pair, _uncertain

    def ends(pair: Any, name: str, distance: float) -> Sample:
        (column,), _ = _uncertain(pair, {name: distance}, 0)
        return {"distance": ((column.low, column.high), PER_COLUMN)}

    def numeric(shift: float, n: int, random: np.random.Generator) -> Sample:
        sides = random.normal(size=n), random.normal(size=n) + float(shift)
        pair = _Pair({"x": True}, {"x": sides[0]}, {"x": sides[1]}, {"x": (np.arange(n), np.arange(n))}, (n, n))
        return ends(pair, "x", distances.wasserstein_normed(*sides))

    def of_categories(moved: float) -> tuple[np.ndarray, np.ndarray]:
        before = np.array([0.4, 0.3, 0.2, 0.1])
        return before, before + np.array([-1, 0, 0, 1]) * float(moved)

    def categorical(moved: float, n: int, random: np.random.Generator) -> Sample:
        sides = [random.choice(4, n, p=shares) for shares in of_categories(moved)]
        pair = _Pair({"x": False}, {"x": sides[0]}, {"x": sides[1]}, {"x": (np.arange(n), np.arange(n))}, (n, n))
        return ends(pair, "x", distances.jensen_shannon(*sides))

    def jensen_shannon(moved: float) -> float:
        before, after = of_categories(moved)
        middle = (before + after) / 2
        return math.sqrt(sum(float((side * np.log(side / middle)).sum()) for side in (before, after)) / 2)

    shifts, moves = (0.0, 0.1, 0.3), (0.0, 0.1, 0.2)
    yield Experiment("Wasserstein, mean shifted by", numeric, lambda shift: {"distance": float(shift)}, worlds=shifts, share=0.25)
    yield Experiment("Jensen-Shannon, share moved", categorical, lambda by: {"distance": jensen_shannon(by)}, worlds=moves, share=0.25)


def _populations() -> Iterator[Experiment]:
    """Four groups; the rarest has the rate, and is declared to have a quarter more."""

    def shares(rate: float) -> tuple[list[float], list[float]]:
        others = [0.5, 0.3, 0.2]
        return [rate, *((1 - rate) * o for o in others)], [1.25 * rate, *((1 - 1.25 * rate) * o for o in others)]

    def sample(rate: float, n: int, random: np.random.Generator) -> Sample:
        truth, declared = shares(rate)
        counts = random.multinomial(n, truth).tolist()
        ratio = smallest_ratio(counts, n, declared)
        apart = total_variation(dict(zip("abcd", counts, strict=True)), dict(zip("abcd", declared, strict=True)))
        return {"smallest_ratio": (ratio[1:], "wilson, bonferroni"), "total_variation": (apart[1:], "multinomial, triangle inequality")}

    def truths(rate: float) -> Mapping[str, float]:
        pairs = list(zip(*shares(rate), strict=True))
        return {"smallest_ratio": min(a / b for a, b in pairs), "total_variation": sum(abs(a - b) for a, b in pairs) / 2}

    yield Experiment("a group's share", sample, truths, share=0.25)
