"""One measure against one bound: a state from the conservative end of its interval, never from the point."""

from __future__ import annotations

import math

from aims_mlflow.disparity import CASES, FURTHEST_TIMES, MINIMUM_CASES, MINIMUM_N, Verdict
from aims_mlflow.evidence import Measure, State
from aims_mlflow.system import Requirement

IMPLICIT_METRIC = "met_share"
"""What a quality expectation or suite is asked: the share of it that is met, and all of it must be."""

LEAST_LEVEL = 0.9
"""Narrowest two-sided interval that can decide: its ends are one-sided 95 % bounds."""

SLACK = 1e-12
"""Rounding of floats that ``equals`` forgives."""

CONDITIONAL = frozenset({*CASES, "recall_score", "precision_score", "recall_score_gain"})
"""Measures whose n counts cases (positives, negatives, selected), not rows."""

_OF_BOTH = ("roc_auc_score", "average_precision_score", "balanced_accuracy_score", "f1_score", "matthews_corrcoef", "cohen_kappa_score")
OF_BOTH_CLASSES = frozenset({*_OF_BOTH, "jaccard_score", *(f"{name}_gain" for name in (*_OF_BOTH, "precision_score"))})
"""Measures of rows that need cases of both classes: with fewer than ten of either their intervals cannot be relied on."""

OF_COLUMNS = frozenset({"drifted_columns_share", "drifted_columns"})
"""Measures whose n counts columns: what must be enough is the rows."""

MAY_COUNT_NONE = frozenset({"objectives", "process", "specification", "lineage", "provenance"})
"""Checks whose n counts requirements or links: that there are none is a question of its own in the standing table."""

WAIVE = "or record a waiver for this requirement in aims.yaml under waivers"


def measure_verdict(
    requirement: Requirement,
    measure: Measure,
    *,
    about: str = "",
    minimum_n: int = MINIMUM_N,
    rows: int | None = None,
    cases: int | None = None,
) -> Verdict:
    """Judge one measure: PASS when the conservative end of its interval meets the bound, FAIL when the other end misses it.

    An exact measure (``FULL_COUNT``) is compared as it is; ``equals`` forgives 1e-12. Anything else needs an interval of at
    least 90 % and ``minimum_n`` rows; where n counts cases (recall, precision and other conditional rates) and the rows are
    known, ten cases and ``minimum_n`` rows.

    Args:
        requirement: with its one bound; without any, 1 is asked (a quality expectation or suite).
        measure: what was measured.
        about: what it is about, for the reason.
        minimum_n: rows below which nothing is decided.
        rows: how many rows there were, for measures whose n counts something else.
        cases: how many cases the rarer class had, where that is known.
    """
    title, value, low, high = f"{measure.name}{about}", measure.value, measure.ci_low, measure.ci_high
    asked = f"asked: {requirement.bound}"
    if value is None:
        return Verdict(State.ERROR, f"{title} is not defined on these data; {asked}", "look at the notes of the check for the reason")
    if measure.exact:
        if measure.n == 0 and requirement.check not in MAY_COUNT_NONE:
            return Verdict(State.ERROR, f"{title} was taken on nothing (n=0); {asked}", "give the check something to count")
        state = State.PASS if _meets(requirement, value, value) else State.FAIL
        fix = "" if state is State.PASS else f"mend what was counted, {WAIVE}"
        return Verdict(state, f"{title} is {value:.6g} (full count), {asked}", fix, value)
    if low is None and high is None:
        reason = f"{title} is {value:.4g}, but it has no interval, so nothing follows from it (no interval); {asked}"
        return Verdict(State.INCONCLUSIVE, reason, f"give the measure an interval in its check, {WAIVE}", value)
    if low is not None and high is not None and low > high:
        return Verdict(State.ERROR, f"{title} has an interval whose ends are the wrong way round; {asked}", "mend the check", value)
    ends = " to ".join("unbounded" if end is None else f"{end:.4g}" for end in (low, high))
    reason = f"{title} is {value:.4g} ({measure.ci_level * 100:g} % interval {ends}, n={measure.n}), {asked}"
    if measure.ci_level < LEAST_LEVEL:
        return Verdict(State.INCONCLUSIVE, f"{reason}; an interval below 90 % decides nothing", "give the measure a 95 % interval", value)
    small = _too_small(measure, minimum_n, rows, cases)
    if small:
        return Verdict(State.INCONCLUSIVE, f"{reason}; {small}", f"test on more rows, {WAIVE}", value, low, high)
    if _meets(requirement, low, high):
        return Verdict(State.PASS, reason, "", value, low, high)
    if _misses(requirement, low, high):
        return Verdict(State.FAIL, reason, f"improve the model or its data, {WAIVE}", value, low, high)
    return Verdict(State.INCONCLUSIVE, reason, _more_rows(requirement, measure), value, low, high)


def _meets(requirement: Requirement, low: float | None, high: float | None) -> bool:
    if requirement.min is not None:
        return low is not None and low >= requirement.min
    if requirement.max is not None:
        return high is not None and high <= requirement.max
    wanted = 1.0 if requirement.equals is None else requirement.equals
    return low is not None and high is not None and abs(low - wanted) <= SLACK and abs(high - wanted) <= SLACK


def _misses(requirement: Requirement, low: float | None, high: float | None) -> bool:
    if requirement.min is not None:
        return high is not None and high < requirement.min
    if requirement.max is not None:
        return low is not None and low > requirement.max
    wanted = 1.0 if requirement.equals is None else requirement.equals
    return (low is not None and low > wanted + SLACK) or (high is not None and high < wanted - SLACK)


def _too_small(measure: Measure, minimum_n: int, rows: int | None, cases: int | None) -> str:
    """Return why too little was looked at, or nothing."""
    if measure.n is None:
        return "on how many rows is not recorded"
    counts_rows = rows is None or measure.name not in CONDITIONAL | OF_COLUMNS
    seen = measure.n if rows is None or counts_rows else rows
    fewest = measure.n if measure.name in CONDITIONAL else cases if measure.name in OF_BOTH_CLASSES else None
    if fewest is not None and fewest < MINIMUM_CASES:
        return f"{fewest} cases are fewer than the {MINIMUM_CASES} asked for"
    return f"{seen} rows are fewer than the {minimum_n} asked for" if seen < minimum_n else ""


def _more_rows(requirement: Requirement, measure: Measure) -> str:
    """Return about how many rows would decide, were the value to stay: an interval's width shrinks with the root of n."""
    bound = requirement.max if requirement.min is None else requirement.min
    value, n = measure.value, measure.n
    if bound is None or value is None or n is None:
        return f"ask for min or max: a sample cannot show that a value is exactly so, {WAIVE}"
    if measure.name in OF_COLUMNS:
        return f"compare more rows, or mend the columns that lie furthest apart, {WAIVE}"
    end = measure.ci_low if value > bound else measure.ci_high
    ratio = float("inf") if end is None or value == bound else abs((value - end) / (value - bound))
    if ratio > math.sqrt(FURTHEST_TIMES):
        return f"the value is too near the bound to be decided by more rows: improve the model, {WAIVE}"
    likely = "" if _meets(requirement, value, value) else ", most likely as a failure: improve the model"
    return f"about {max(int(n * ratio**2) + 1, n + 1):,} rows (now {n:,}) would decide it{likely}, {WAIVE}"
