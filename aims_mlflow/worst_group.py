"""The worst group: fairlearn's group_min and group_max from the groups' own measures, and verdicts group by group.

A requirement on a measure of groups holds where every group meets it. PASS: each group's 95 % interval meets the bound (an
intersection-union test, Berger 1982: no correction is needed). FAIL: in some group the other end misses it, Bonferroni corrected
over the groups that are large enough, because the worst of several is picked out. Else INCONCLUSIVE; so, too, where a group is
below the minimum, and none fails. The smallest of several noisy values leans to the worse side: the verdict rests on no point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from aims_mlflow.disparity import CASES, CONFIDENCE, MINIMUM_CASES, MINIMUM_N, Rates, Verdict
from aims_mlflow.evidence import Measure, State
from aims_mlflow.intervals import one_sided, wilson

LEANS = "The worst of several noisy groups leans to the worse side."
"""To be said wherever a worst group's point value is shown."""


@dataclass(frozen=True)
class Worst:
    """Of which group measure (the first that was taken) it is the lowest, the highest, or the one furthest from zero."""

    measures: tuple[str, ...]
    kind: Literal["min", "max", "furthest"]

    @property
    def way(self) -> Literal["min", "max"]:
        """Which bound a requirement on it must give."""
        return "min" if self.kind == "min" else "max"


WORST: dict[str, Worst] = {
    "accuracy_score_group_min": Worst(("accuracy_score",), "min"),
    "balanced_accuracy_score_group_min": Worst(("balanced_accuracy_score",), "min"),
    "f1_score_group_min": Worst(("f1_score",), "min"),
    "precision_score_group_min": Worst(("precision_score", "precision"), "min"),
    "recall_score_group_min": Worst(("recall_score", "true_positive_rate"), "min"),
    "roc_auc_score_group_min": Worst(("roc_auc_score",), "min"),
    "r2_score_group_min": Worst(("r2_score",), "min"),
    "zero_one_loss_group_max": Worst(("zero_one_loss",), "max"),
    "log_loss_group_max": Worst(("log_loss",), "max"),
    "brier_score_loss_group_max": Worst(("brier_score_loss",), "max"),
    "expected_calibration_error_group_max": Worst(("expected_calibration_error",), "max"),
    "mean_calibration_gap_group_max": Worst(("mean_calibration_gap",), "furthest"),
    "mean_absolute_error_group_max": Worst(("mean_absolute_error",), "max"),
    "mean_squared_error_group_max": Worst(("mean_squared_error",), "max"),
    "root_mean_squared_error_group_max": Worst(("root_mean_squared_error",), "max"),
    "mean_residual_group_max": Worst(("mean_residual",), "furthest"),
}
"""Every worst-group measure, by fairlearn's name where it has one; brier, root mean squared, and what is about calibration or
residuals, is ours. ``furthest``: the largest size, whatever the sign."""

OF_BOTH_CLASSES = frozenset(
    {"balanced_accuracy_score", "f1_score", "roc_auc_score", "log_loss", "brier_score_loss"}
    | {"expected_calibration_error", "mean_calibration_gap"}
)
"""Group measures of binary tasks that need cases of both outcomes in each group."""


def worst_measures(measures: Iterable[Measure]) -> list[Measure]:
    """Return the worst-group measures that can be taken of ``measures``; one with an undefined group has no value.

    The interval holds for the worst group, whichever it is: its cautious end is the outermost of the groups' 95 % ends, its
    other end the same after Bonferroni. ``n`` is the smallest group's.
    """
    by_name: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        if measure.group is not None:
            by_name.setdefault(measure.name, {})[measure.group] = measure
    return [_of_all(name, found) for name in WORST if len(found := groups_of_worst(name, by_name)) > 1]


def groups_of_worst(name: str, groups: Rates) -> Mapping[str, Measure]:
    """Return the group measures that ``name`` is the worst of; empty where none was taken."""
    return next((groups[one] for one in WORST[name].measures if groups.get(one)), {})


def worst_value(name: str, groups: Rates) -> float | None:
    """Return fairlearn's group_min or group_max of the group measures; None without groups, or where one is undefined."""
    values = [m.value for m in groups_of_worst(name, groups).values()]
    known = [v for v in values if v is not None]
    if not known or len(known) != len(values):
        return None
    kind = WORST[name].kind
    return min(known) if kind == "min" else max(known) if kind == "max" else max(abs(v) for v in known)


def _of_all(name: str, groups: Mapping[str, Measure]) -> Measure:
    found = list(groups.values())
    value = worst_value(name, {found[0].name: groups})
    smallest = min((m.n or 0 for m in found), default=0)
    ends = [(_ends(m), _ends(m, len(found))) for m in found]
    if value is None or any(a is None or b is None for a, b in ends):
        return Measure(name=name, value=value, n=smallest)
    plain, strict = [a for a, _ in ends if a is not None], [b for _, b in ends if b is not None]
    kind = WORST[name].kind
    if kind == "min":
        low, high = min(low for low, _ in plain), min(high for _, high in strict)
    elif kind == "max":
        low, high = max(low for low, _ in strict), max(high for _, high in plain)
    else:
        low, high = max(max(0.0, low, -high) for low, high in strict), max(max(-low, high) for low, high in plain)
    method = f"{found[0].ci_method}, all groups"
    return Measure(name=name, value=value, ci_low=min(low, value), ci_high=max(high, value), ci_method=method, n=smallest)


def _ends(measure: Measure, groups: int = 1) -> tuple[float, float] | None:
    """Return a group measure's own interval, or the one whose ends are one-sided bounds Bonferroni corrected over ``groups``.

    Shares are Wilson's at that level. Other intervals are stretched on either side by the ratio of the normal quantiles, which
    is exact for Student's t of many rows.
    """
    value, low, high = measure.value, measure.ci_low, measure.ci_high
    if value is not None and measure.exact:
        return value, value
    if value is None or low is None or high is None:
        return None
    if groups == 1:
        return low, high
    level = max(one_sided(1 - (1 - CONFIDENCE) / groups), measure.ci_level)
    if measure.ci_method == "wilson" and measure.count is not None and measure.n:
        return wilson(measure.count, measure.n, level)
    stretch = NormalDist().inv_cdf((1 + level) / 2) / NormalDist().inv_cdf((1 + measure.ci_level) / 2)
    return value - (value - low) * stretch, value + (high - value) * stretch


def worst_verdict(
    name: str,
    measure: str,
    groups: Rates,
    *,
    least: float | None = None,
    most: float | None = None,
    minimum_n: int = MINIMUM_N,
    by: str = "",
) -> Verdict:
    """Judge a measure group by group: in every group it must be at least ``least`` and at most ``most``.

    Args:
        name: what is asked, for the reason: a worst-group measure, or a group measure itself.
        measure: the group measure that is looked at.
        groups: measure -> group -> its measure; beside the one asked, ``group_size``, ``group_positives`` and
            ``group_negatives`` where they are known.
        least: the lowest that any group may have.
        most: the highest that any group may have.
        minimum_n: rows per group below which nothing is decided; measures of cases also need ten of them.
        by: the column, for the reason.

    Returns:
        PASS, FAIL or INCONCLUSIVE as the module says; MISSING without any group, ERROR for a single one and where a group that
        is large enough has no value.
    """
    title, found = (f"{name} by {by}" if by else name), groups.get(measure, {})
    asked = "asked: " + " and ".join(f"at {way} {bound:g}" for way, bound in (("least", least), ("most", most)) if bound is not None)
    if not found:
        return Verdict(State.MISSING, f"{title} cannot be judged: no group has a {measure}; {asked}", "look at the notes of the check")
    if len(found) < 2:
        fix = "use test data with at least two groups"
        return Verdict(State.ERROR, f"{title} cannot be judged: there is a single group; {asked}", fix)
    small = {group: why for group, m in found.items() if (why := _too_small(groups, m, group, minimum_n))}
    large = {group: m for group, m in found.items() if group not in small}
    empty = [group for group, m in large.items() if m.value is None]
    if empty:
        reason = f"{title} is not defined for {', '.join(empty)}; {asked}"
        return Verdict(State.ERROR, reason, "look at the notes of the check for the reason", untestable=small)
    own = {group: _ends(m) for group, m in large.items()}
    strict = {group: _ends(m, len(large)) for group, m in large.items()}
    small |= {group: "has no interval" for group, ends in own.items() if ends is None}
    failing = [group for group, ends in strict.items() if ends is not None and _misses(ends, least, most)]
    within = all(_meets(ends, least, most) for ends in own.values() if ends is not None)
    state = State.FAIL if failing else State.PASS if within and not small else State.INCONCLUSIVE
    known = {group: m for group, m in found.items() if m.value is not None}
    among = {group: known[group] for group in failing} or known
    if not among:
        reason = f"{title} cannot be decided: {_listed(small)}; {asked}"
        return Verdict(State.INCONCLUSIVE, reason, _more_rows(small), untestable=small)
    worst = min(among, key=lambda group: _slack(among[group].value or 0.0, least, most))
    low, high = _ends(found[worst]) or (None, None)
    reason = f"{title}, worst for {worst}: {_words(found[worst])}; {asked} of each of {len(found)} groups"
    reason += f"; missed by {', '.join(failing)}" if len(failing) > 1 else ""
    reason += f"; too small to decide: {_listed(small)}" if small else ""
    reason += f". {LEANS}" if state is not State.PASS and len(found) > 2 else ""
    waive = "record a waiver for this requirement in aims.yaml under waivers"
    fix = "" if state is State.PASS else f"improve it for {', '.join(failing)}, or {waive}"
    if state is State.INCONCLUSIVE:
        fix = _more_rows(small or {worst: ""})
    return Verdict(state, reason, fix, found[worst].value, low, high, untestable=small)


def _too_small(groups: Rates, measure: Measure, group: str, minimum_n: int) -> str:
    """Return why nothing can be decided about a group, or nothing."""
    if measure.exact:
        return ""
    size = groups.get("group_size", {}).get(group)
    rows = size.value if size is not None and size.value is not None else None if measure.name in CASES else measure.n
    if rows is None:
        return "is of unknown size"
    if rows < minimum_n:
        return f"has n={int(rows)}, asked: {minimum_n}"
    if measure.name in CASES and (measure.n or 0) < MINIMUM_CASES:
        return f"has {measure.n or 0} {CASES[measure.name]}, asked: {MINIMUM_CASES}"
    for part in ("positives", "negatives"):
        cases = groups.get(f"group_{part}", {}).get(group)
        if measure.name in OF_BOTH_CLASSES and cases is not None and (cases.value or 0) < MINIMUM_CASES:
            return f"has {int(cases.value or 0)} {part}, asked: {MINIMUM_CASES}"
    return ""


def _meets(ends: tuple[float, float], least: float | None, most: float | None) -> bool:
    return (least is None or ends[0] >= least) and (most is None or ends[1] <= most)


def _misses(ends: tuple[float, float], least: float | None, most: float | None) -> bool:
    return (least is not None and ends[1] < least) or (most is not None and ends[0] > most)


def _slack(value: float, least: float | None, most: float | None) -> float:
    """Return how far inside its bounds a value lies."""
    return min(value - least if least is not None else float("inf"), most - value if most is not None else float("inf"))


def _words(measure: Measure) -> str:
    if measure.exact or measure.ci_low is None or measure.ci_high is None:
        return f"{measure.value:.4g} ({'full count' if measure.exact else 'no interval'})"
    return f"{measure.value:.4g} ({measure.ci_level * 100:g} % interval {measure.ci_low:.4g} to {measure.ci_high:.4g}, n={measure.n})"


def _listed(small: Mapping[str, str]) -> str:
    return "; ".join(f"{group} {why}" for group, why in small.items())


def _more_rows(groups: Mapping[str, str]) -> str:
    return f"test on more rows of {', '.join(groups)}, or record a waiver for this requirement in aims.yaml under waivers"
