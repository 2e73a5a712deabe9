"""From a measure and its tolerance to a likelihood: Pr(indicator beyond tolerance | data), never a probability of harm.

Fairness disparities: Monte Carlo over the groups' posterior rates (``disparity.probability_beyond``). Full counts: the
quantity is known, so p is 0 or 1. Other measures with an interval: normal, with the half-width on the side of the
tolerance as so many standard errors. A measure without interval or count gives no probability: none is invented.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

from aims_mlflow.disparity import DISPARITIES, disparity_verdict, probability_beyond
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.intervals import wilson
from aims_mlflow.judging.bounds import IMPLICIT_METRIC
from aims_mlflow.records.risk_words import Grade, Likelihood, LikelihoodClass
from aims_mlflow.system import Requirement

LIMITS: tuple[tuple[float, LikelihoodClass], ...] = ((0.10, "L1"), (0.33, "L2"), (0.66, "L3"), (0.90, "L4"))
"""Upper limits of the classes in the terms of the IPCC's uncertainty guidance (2010); L5 above the last."""

DRAWS = 20_000
"""Monte Carlo draws for disparities: standard error of p at most 0.0036."""

FAINT = 1e-12
"""Rounding of floats, below which a value meets its bound."""


def likelihood_class(p: float) -> LikelihoodClass:
    """Return the class of a probability: L1 < .10, L2 < .33, L3 < .66, L4 < .90, else L5."""
    for limit, name in LIMITS:
        if p < limit:
            return name
    return "L5"


def unknown(reason: str, evidence_ids: tuple[str, ...] = ()) -> Likelihood:
    """Return a likelihood that nothing supports; the reason says what is missing."""
    return Likelihood(reason=reason, evidence_ids=evidence_ids)


def certain(happened: bool, reason: str, evidence_ids: tuple[str, ...]) -> Likelihood:
    """Return the likelihood of what has been looked at in full: it is so (1, L5) or it is not (0, L1)."""
    return _made(float(happened), None, "deterministic: everything there was to count has been counted", reason, evidence_ids, "exact")


def of_requirement(requirement: Requirement, result: CheckResult, *, minimum_n: int, evidence_ids: tuple[str, ...]) -> Likelihood:
    """Return Pr(the requirement's measure lies beyond its bound | the result).

    Args:
        requirement: with its one bound; a quality expectation or suite asks that its whole share is met.
        result: what was measured, within the requirement's scope.
        minimum_n: rows (per group) below which the grade is weak.
        evidence_ids: what the likelihood cites.
    """
    metric = requirement.metric or IMPLICIT_METRIC
    if result.problem is not None:
        return unknown(f"not measured: {result.problem.reason}", evidence_ids)
    if metric in DISPARITIES:
        rates = {rate: result.groups(rate) for rate in (*DISPARITIES[metric].rates, "group_size")}
        return _of_disparity(metric, rates, requirement, minimum_n, evidence_ids)
    everybody = result.measure(metric)
    measures = {"": everybody} if everybody is not None else result.groups(metric)
    chances = {group: _of_measure(m, requirement, minimum_n, evidence_ids) for group, m in measures.items()}
    if not chances:
        return unknown(f"{metric} was not measured", evidence_ids)
    worst = max(chances, key=lambda group: 2.0 if chances[group].p is None else chances[group].p or 0.0)
    found = chances[worst]
    return (
        found.model_copy(update={"reason": f"the worst of {len(chances)} groups: {worst}; {found.reason}".rstrip("; ")}) if worst else found
    )


def of_drift(requirement: Requirement, pair: CheckResult, columns: Sequence[CheckResult], *, evidence_ids: tuple[str, ...]) -> Likelihood:
    """Return Pr(share of drifted columns lies beyond its bound | the columns' bootstrap intervals).

    A column has drifted where its distance lies beyond the check's threshold: its probability comes from the distance's own
    bootstrap interval. The number of drifted columns is then Poisson-binomial, columns taken as independent. A p-value is not
    used. Falls back on the share's own interval where the columns have none.
    """
    chances = [_drifted(one) for one in columns]
    whole = pair.measure(requirement.metric)
    known = [p for p in chances if p is not None]
    if pair.problem is not None or requirement.max is None or whole is None or not known or len(known) != whole.n:
        return of_requirement(requirement, pair, minimum_n=1, evidence_ids=evidence_ids)
    most = requirement.max * (len(known) if requirement.metric == "drifted_columns_share" else 1)
    at_most = [1.0]  # at_most[k]: Pr(exactly k columns have drifted)
    for p in known:
        at_most = [a * (1 - p) + b * p for a, b in zip([*at_most, 0.0], [0.0, *at_most], strict=True)]
    beyond = sum(share for k, share in enumerate(at_most) if k > most + FAINT)
    p = min(1.0, max(0.0, beyond))
    method = (
        f"number of drifted columns among {len(known)}, each with the probability that its bootstrap interval gives "
        "(Poisson-binomial, columns taken as independent)"
    )
    return _made(p, None, method, "drift is a warning, not a loss of accuracy", evidence_ids, "estimated")


def _drifted(column: CheckResult) -> float | None:
    """Return Pr(the column's distance lies beyond the check's threshold), by its bootstrap standard error."""
    measure, threshold = column.measure("distance"), column.facts.get("threshold")
    if measure is None or measure.value is None or measure.ci_high is None or not isinstance(threshold, (int, float)):
        return None
    z = NormalDist().inv_cdf((1 + measure.ci_level) / 2)
    error = (measure.ci_high - measure.value) / z
    return float(measure.value > threshold) if error <= 0 else 1 - NormalDist(measure.value, error).cdf(threshold)


def _of_measure(measure: Measure, requirement: Requirement, minimum_n: int, evidence_ids: tuple[str, ...]) -> Likelihood:
    if measure.value is None:
        return unknown(f"{measure.name} is not defined on these data", evidence_ids)
    if measure.exact:
        return _of_count(measure, requirement, evidence_ids)
    return _of_interval(measure, requirement, minimum_n, evidence_ids)


def _of_disparity(
    metric: str, rates: Mapping[str, Mapping[str, Measure]], requirement: Requirement, minimum_n: int, evidence_ids: tuple[str, ...]
) -> Likelihood:
    ratio = DISPARITIES[metric].kind == "ratio"
    bound = requirement.min if ratio else requirement.max
    if bound is None:
        return unknown(f"the bound of {metric} does not say which way is worse: give {'min' if ratio else 'max'}", evidence_ids)
    p = probability_beyond(metric, rates, bound, draws=DRAWS)
    if p is None:
        return unknown(f"{metric} has no distribution here: fewer than two groups, or a group without cases", evidence_ids)
    ends = wilson(round(p * DRAWS), DRAWS)
    small = disparity_verdict(metric, rates, bound, minimum_n).untestable or {}
    method = (
        f"share of {DRAWS:,} draws from the groups' posterior rates (Beta, Jeffreys' prior) in which the disparity lies "
        "beyond the tolerance; "
        "range: simulation error (Wilson, 95 %)"
    )
    reason = f"{', '.join(small)} too small to be judged; the widest gap among noisy groups leans to the worse side" if small else ""
    return _made(p, ends, method, reason, evidence_ids, "weak" if small else "estimated")


def _of_count(measure: Measure, requirement: Requirement, evidence_ids: tuple[str, ...]) -> Likelihood:
    value = measure.value if measure.value is not None else math.nan
    met = _meets(value, requirement)
    return certain(not met, f"counted: {value:g}, asked: {requirement.bound}", evidence_ids)


def _meets(value: float, requirement: Requirement) -> bool:
    if requirement.min is not None:
        return value >= requirement.min
    if requirement.max is not None:
        return value <= requirement.max
    return abs(value - (1.0 if requirement.equals is None else requirement.equals)) <= FAINT


def _of_interval(measure: Measure, requirement: Requirement, minimum_n: int, evidence_ids: tuple[str, ...]) -> Likelihood:
    """Return the normal approximation to the sampling distribution that the interval summarises."""
    bound = requirement.max if requirement.min is None else requirement.min
    value, low, high = measure.value, measure.ci_low, measure.ci_high
    if bound is None:
        return unknown("an exact value is asked of a measure that has an interval: no probability follows", evidence_ids)
    if value is None or low is None or high is None:
        return unknown("the measure has no interval, and a single value says nothing on how likely it is", evidence_ids)
    z = NormalDist().inv_cdf((1 + measure.ci_level) / 2)
    towards, away = (value - low, high - value) if bound < value else (high - value, value - low)
    beyond_is_low = requirement.min is not None

    def p_with(half: float) -> float:
        if half <= 0:
            return float(not _meets(value, requirement))
        below = NormalDist().cdf((bound - value) * z / half)
        return below if beyond_is_low else 1 - below

    p, other = p_with(towards), p_with(away)
    weak = measure.n is not None and measure.n < minimum_n
    method = (
        f"normal approximation from the two-sided {measure.ci_level:.0%} interval ({measure.ci_method or 'method not named'}), "
        "half-width towards the tolerance; range: the same with the other half-width"
    )
    return _made(
        p,
        (min(p, other), max(p, other)),
        method,
        f"n={measure.n}, below {minimum_n}" if weak else "",
        evidence_ids,
        "weak" if weak else "estimated",
    )


def _made(p: float, ends: tuple[float, float] | None, method: str, reason: str, evidence_ids: tuple[str, ...], grade: Grade) -> Likelihood:
    low, high = ends if ends is not None else (p, p)
    return Likelihood(
        class_=likelihood_class(p),
        p=p,
        p_low=max(0.0, min(low, p)),
        p_high=min(1.0, max(high, p)),
        method=method,
        reason=reason,
        evidence_ids=evidence_ids,
        evidence_grade=grade,
    )
