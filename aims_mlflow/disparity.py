"""Disparities between groups: fairlearn's point values from group counts, and verdicts that know their uncertainty.

A disparity is the largest gap between any two groups in one rate, or in several: as a difference (0 is equal) or as a ratio
(1 is equal). Names and point values are fairlearn's with ``method="between_groups"``. Groups without a denominator (no
positives for a true positive rate) have no rate here; fairlearn reads such a rate as 0.

The verdict looks at all ordered pairs of groups. PASS: in every pair the one-sided 95 % bound stays within the requirement
(an intersection-union test, Berger 1982: no correction is needed). FAIL: in some pair, Bonferroni-Holm corrected over all
testable pairs, the other bound lies beyond it. Else INCONCLUSIVE. The ends of ``Verdict`` are these two bounds: each holds
with 95 % confidence for the disparity itself, whichever pair it is that carries it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from aims_mlflow.evidence import Measure, State
from aims_mlflow.intervals import difference_above_p, holm, mover_ratio, newcombe_difference, one_sided, ratio_below_p

CONFIDENCE = 0.95
"""One-sided confidence of each bound (DESIGN: Judging)."""

MINIMUM_N = 100
"""Rows per group below which nothing is decided, unless a requirement says otherwise."""

MINIMUM_CASES = 10
"""Cases in a group below which a conditional rate (of positives, negatives or selected) decides nothing."""

FURTHEST_TIMES = 100
"""Beyond this many times the rows at hand, "more rows" is no advice."""

UPWARD_BIAS = "The point value is the largest of several noisy gaps and so leans to the worse side."
"""To be said wherever a disparity's point value over three or more groups is shown."""

Groups = Mapping[str, Measure]
Rates = Mapping[str, Groups]


@dataclass(frozen=True)
class Disparity:
    """Which group rates a disparity compares, and how."""

    rates: tuple[str, ...]
    kind: Literal["difference", "ratio"]


CASES: dict[str, str] = {
    "true_positive_rate": "positives",
    "false_negative_rate": "positives",
    "false_positive_rate": "negatives",
    "true_negative_rate": "negatives",
    "precision": "selected cases",
}
"""Rates taken on a part of the group, and what that part is called."""

_FAMILIES: dict[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "selection_rate": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "true_positive_rate": ("true_positive_rate",),
    "true_negative_rate": ("true_negative_rate",),
    "false_positive_rate": ("false_positive_rate",),
    "false_negative_rate": ("false_negative_rate",),
    "precision": ("precision",),
    "accuracy_score": ("accuracy_score",),
    "zero_one_loss": ("zero_one_loss",),
}

DISPARITIES: dict[str, Disparity] = {
    f"{family}_{kind}": Disparity(rates, kind) for family, rates in _FAMILIES.items() for kind in ("difference", "ratio")
}
"""Every disparity by fairlearn's name; ``precision_*`` (predictive parity) has no fairlearn function of its own."""


@dataclass(frozen=True)
class Verdict:
    """What the numbers say about one bound: state, reason and fix in words, the value and its two bounds.

    ``p`` is the smallest Holm-adjusted p-value against "within the bound", ``worst`` the pairs that carry a FAIL, or the
    pair with the largest gap; ``untestable`` the groups that are too small, with why.
    """

    state: State
    reason: str
    fix: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    worst: tuple[tuple[str, str], ...] = ()
    untestable: Mapping[str, str] | None = None


@dataclass(frozen=True)
class _Pair:
    """One ordered pair of groups in one rate: first against second."""

    rate: str
    first: str
    second: str
    counts: tuple[int, int, int, int]

    def bounds(self, kind: str, confidence: float) -> tuple[float, float | None]:
        level = one_sided(confidence)
        return mover_ratio(*self.counts, level) if kind == "ratio" else newcombe_difference(*self.counts, level)

    def p_value(self, kind: str, bound: float) -> float:
        return ratio_below_p(*self.counts, bound) if kind == "ratio" else difference_above_p(*self.counts, bound)

    def words(self) -> str:
        x1, n1, x2, n2 = self.counts
        return f"{self.rate} {self.first} {x1 / n1:.3g} (n={n1}) against {self.second} {x2 / n2:.3g} (n={n2})"


def disparity_value(name: str, groups: Rates) -> float | None:
    """Return fairlearn's value of the disparity ``name`` from the group measures of its rates.

    None where it is not defined: fewer than two groups, a group without a rate, or a ratio of nothing to nothing. As in
    fairlearn, ``equalized_odds_ratio`` rests on the true positive rate alone where no group has any false positive.

    Raises:
        KeyError: the name is not one of ``DISPARITIES``.
    """
    disparity = DISPARITIES[name]
    found: list[float | None] = []
    for rate in disparity.rates:
        shares = [m.value for m in groups.get(rate, {}).values()]
        known = [s for s in shares if s is not None]
        if len(known) < 2 or len(known) != len(shares):
            return None
        if disparity.kind == "difference":
            found.append(max(known) - min(known))
        else:
            found.append(min(known) / max(known) if max(known) > 0 else None)
    defined = [f for f in found if f is not None]
    if found[0] is None or not defined:
        return None
    return max(defined) if disparity.kind == "difference" else min(defined)


def disparity_verdict(name: str, groups: Rates, bound: float, minimum_n: int = MINIMUM_N, *, by: str = "") -> Verdict:
    """Judge the disparity ``name`` against ``bound``: a ratio must be at least it, a difference at most it.

    Args:
        name: one of ``DISPARITIES``.
        groups: rate -> group -> its measure, with ``count`` and ``n``; beside the disparity's rates, ``group_size`` (value or
            n: rows) where it is known.
        bound: the requirement.
        minimum_n: rows per group below which nothing is decided; conditional rates also need ten cases.
        by: the column, for the reason.

    Returns:
        PASS, FAIL or INCONCLUSIVE as the module says; MISSING without any group; ERROR for a single group, for measures
        without counts, and where the disparity is not defined though the groups are large enough.

    Raises:
        KeyError: the name is not one of ``DISPARITIES``.
    """
    disparity = DISPARITIES[name]
    title = f"{name} by {by}" if by else name
    refused = _refused(disparity, groups, title)
    if refused is not None:
        return refused
    untestable, pairs = _testable(disparity, groups, minimum_n)
    value = disparity_value(name, groups)
    asked = f"asked: at {'least' if disparity.kind == 'ratio' else 'most'} {bound:g}"
    small = "; ".join(f"{group} {why}" for group, why in untestable.items())
    if not pairs:
        return Verdict(
            State.INCONCLUSIVE,
            f"{title} cannot be decided: fewer than two groups are large enough ({small}); {asked}",
            _more_of(untestable),
            value=value,
            untestable=untestable,
        )
    if value is None and not untestable:
        return Verdict(
            State.ERROR,
            f"{title} is not defined: no group has any case of it, so there is nothing to compare; {asked}",
            "look at the predictions: a model that gives everybody the same outcome has no ratio between groups",
        )
    low, high = _bounds(disparity.kind, pairs)
    p_values = holm([pair.p_value(disparity.kind, bound) for pair in pairs])
    failing = high < bound if disparity.kind == "ratio" else low > bound
    within = low >= bound if disparity.kind == "ratio" else high <= bound
    state = State.FAIL if failing else State.PASS if within and not untestable else State.INCONCLUSIVE
    worst = _worst(pairs, p_values, failing, disparity.kind)
    seen = f"{title} is " + (f"{value:.3g}" if value is not None else "not known for every group")
    among = " among the groups that are large enough" if untestable else ""
    reason = f"{seen} (95 % bounds {low:.3g} and {high:.3g}{among}), {asked}; largest gap: {worst[0].words()}"
    if untestable:
        reason += f"; too small to decide: {small}"
    if state is not State.PASS and len({p.first for p in pairs} | set(untestable)) > 2:
        reason += f". {UPWARD_BIAS}"
    fix = "" if state is State.PASS else _fix(state, disparity.kind, bound, pairs, untestable, within)
    return Verdict(state, reason, fix, value, low, high, min(p_values), tuple((p.first, p.second) for p in worst), untestable)


def _refused(disparity: Disparity, groups: Rates, title: str) -> Verdict | None:
    """Return the verdict on input that no disparity can be taken of."""

    def no(state: State, why: str, fix: str) -> Verdict:
        return Verdict(state, f"{title} cannot be judged: {why}", fix)

    for rate in disparity.rates:
        found = groups.get(rate, {})
        if not found:
            return no(State.MISSING, f"there is no {rate} of any group", "give test data that hold the sensitive column")
        if set(found) != set(groups[disparity.rates[0]]):
            return no(State.ERROR, "its rates cover different groups", "measure every rate on the same groups")
        if len(found) < 2:
            return no(State.ERROR, "there is a single group, so nothing to compare it with", "use test data that hold at least two groups")
        if not all(map(_counted, found.values())):
            return no(
                State.ERROR, f"the counts of {rate} are not there or do not give its value", "give each group measure its count and n"
            )
    return None


def _counted(measure: Measure) -> bool:
    """Return whether a group measure is the share its own counts give."""
    if measure.count is None or measure.n is None or measure.count > measure.n:
        return False
    if measure.n == 0:
        return measure.value is None
    return measure.value is not None and abs(measure.value - measure.count / measure.n) <= 1e-9


def _testable(disparity: Disparity, groups: Rates, minimum_n: int) -> tuple[dict[str, str], list[_Pair]]:
    """Return the groups that are too small, with why, and the ordered pairs of those that are not, over all rates."""
    untestable: dict[str, str] = {}
    pairs: list[_Pair] = []
    for rate in disparity.rates:
        large: dict[str, tuple[int, int]] = {}
        for group, measure in groups[rate].items():
            n = measure.n or 0
            rows = _rows(groups, group, rate)
            if rows is None:
                untestable.setdefault(group, "is of unknown size")
            elif rows < minimum_n:
                untestable.setdefault(group, f"has n={rows}, asked: {minimum_n}")
            elif rate in CASES and n < MINIMUM_CASES:
                untestable.setdefault(group, f"has {n} {CASES[rate]}, asked: {MINIMUM_CASES}")
            elif n == 0:
                untestable.setdefault(group, "has no rows")
            else:
                large[group] = (measure.count or 0, n)
        pairs += [_Pair(rate, one, other, (*large[one], *large[other])) for one, other in permutations(large, 2)]
    return untestable, pairs


def _rows(groups: Rates, group: str, rate: str) -> int | None:
    """Return the rows of a group: its group_size, a rate taken on all of it, or its positives and negatives together."""
    size = groups.get("group_size", {}).get(group)
    if size is not None and (size.n is not None or size.value is not None):
        return size.n if size.value is None else int(size.value)
    if rate not in CASES:
        return groups[rate][group].n
    for whole in ("selection_rate", "accuracy_score"):
        found = groups.get(whole, {}).get(group)
        if found is not None and found.n is not None:
            return found.n
    parts = {CASES[r]: m[group].n for r, m in groups.items() if r in CASES and group in m}
    positives, negatives = parts.get("positives"), parts.get("negatives")
    return None if positives is None or negatives is None else positives + negatives


def _bounds(kind: str, pairs: list[_Pair]) -> tuple[float, float]:
    """Return the two 95 % bounds of the disparity, within what a disparity can be.

    On the side that a PASS leans on every pair's own bound counts; on the side of a FAIL the bound is Bonferroni's over all
    pairs (Holm's first step), because one of many pairs is picked out.
    """
    corrected = 1 - (1 - CONFIDENCE) / len(pairs)
    plain = [pair.bounds(kind, CONFIDENCE) for pair in pairs]
    strict = [pair.bounds(kind, corrected) for pair in pairs]
    if kind == "ratio":
        return min(1.0, *(low for low, _ in plain)), min(1.0, *(high for _, high in strict if high is not None))
    return max(0.0, *(low for low, _ in strict)), max(0.0, *(high for _, high in plain if high is not None))


def _worst(pairs: list[_Pair], p_values: tuple[float, ...], failing: bool, kind: str) -> list[_Pair]:
    """Return the pairs beyond the bound after Holm's correction, largest gap first; else the one with the largest gap."""

    def gap(pair: _Pair) -> float:
        x1, n1, x2, n2 = pair.counts
        if kind == "difference":
            return x2 / n2 - x1 / n1
        return (x1 / n1) / (x2 / n2) if x2 else float("inf")

    ordered = sorted(zip(pairs, p_values, strict=True), key=lambda item: gap(item[0]))
    beyond = [pair for pair, p in ordered if failing and p <= 1 - CONFIDENCE]
    return beyond or [ordered[0][0]]


def _more_of(untestable: Mapping[str, str]) -> str:
    return f"test on more rows of {', '.join(untestable)}, or record a waiver for this requirement in aims.yaml under waivers"


def _fix(state: State, kind: str, bound: float, pairs: list[_Pair], untestable: Mapping[str, str], within: bool) -> str:
    """Return what can be done about a verdict that is not PASS."""
    waive = "record a waiver for this requirement in aims.yaml under waivers"
    if state is State.FAIL:
        return f"lower the disparity, or {waive}"
    if untestable and within:
        return _more_of(untestable)
    more = f"{_more_of(untestable)}; also " if untestable else ""
    times, meets = _times(kind, bound, pairs)
    if times > FURTHEST_TIMES:
        return f"{more}the value is too near the bound to be decided by more rows: lower the disparity, or {waive}"
    outlook = "would decide it" if meets else "would decide it, most likely as a failure: lower the disparity"
    return f"{more}about {max(times, 1.1):.1f} times as many test rows in each group {outlook}; or {waive}"


def _times(kind: str, bound: float, pairs: list[_Pair]) -> tuple[float, bool]:
    """Return by what about the rows must grow until the points as they are would decide, and whether they meet the bound.

    Widths shrink with the root of n. A pair beyond the bound is enough to fail; to pass, every pair must come within.
    """
    to_pass: list[float] = []
    to_fail: list[float] = []
    for pair in pairs:
        x1, n1, x2, n2 = pair.counts
        if kind == "ratio" and x2 == 0:
            continue
        point = (x1 / n1) / (x2 / n2) if kind == "ratio" else x1 / n1 - x2 / n2
        meets = point >= bound if kind == "ratio" else point <= bound
        low, high = pair.bounds(kind, CONFIDENCE if meets else 1 - (1 - CONFIDENCE) / len(pairs))
        end = low if (kind == "ratio") == meets else high
        if end is not None:
            (to_pass if meets else to_fail).append(_squared(kind, point, end, bound))
    return (min(to_fail), False) if to_fail else (max(to_pass, default=float("inf")), True)


def _squared(kind: str, point: float, end: float, bound: float) -> float:
    """Return (half-width / distance to the bound) squared; ratios are measured on the log scale, where their intervals are even."""
    if point == bound:
        return float("inf")
    if kind == "ratio" and min(point, end, bound) > 0:
        return (math.log(point / end) / math.log(point / bound)) ** 2
    return ((point - end) / (point - bound)) ** 2


def probability_beyond(name: str, groups: Rates, bound: float, *, draws: int = 20_000, seed: int = 0) -> float | None:
    """Return Pr(the disparity lies beyond ``bound`` | the counts), for the likelihood of a risk entry.

    Each group's rate has the posterior Beta(count + 1/2, n - count + 1/2) (Jeffreys' prior), independent between groups and
    rates; Monte Carlo with a fixed seed, standard error at most 0.0036 at 20,000 draws. Beyond: a ratio below the bound, a
    difference above it. None where a group has no cases or there are fewer than two groups: unknown is not low.
    """
    import numpy as np

    disparity = DISPARITIES[name]
    if _refused(disparity, groups, name) is not None or any(not m.n for rate in disparity.rates for m in groups[rate].values()):
        return None
    random = np.random.default_rng(seed)
    beyond = np.zeros(draws, dtype=bool)
    for rate in disparity.rates:
        counts = np.array([(m.count or 0, m.n or 0) for m in groups[rate].values()], dtype=float)
        shares = random.beta(counts[:, 0] + 0.5, counts[:, 1] - counts[:, 0] + 0.5, size=(draws, len(counts)))
        least, most = shares.min(axis=1), shares.max(axis=1)
        beyond |= least < bound * most if disparity.kind == "ratio" else most - least > bound
    return float(beyond.mean())
