"""Fairness as forest plots: each group's rate with its interval and n, the line that a requirement draws among them, and the gap itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aims_mlflow.disparity import DISPARITIES, MINIMUM_N, Verdict, disparity_verdict
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.pictures.naming import asked_of, file_name, limits_of, spaced
from aims_mlflow.pictures.words import Figure, Limit, Panel, Row, number
from aims_mlflow.system import Requirement
from aims_mlflow.worst_group import WORST

Kind = Literal["difference", "ratio", "worst", "furthest", "own"]
"""How a metric follows from the groups: a gap, the worst group, the one furthest from zero, or each group's own measure."""

CHECK = "fairness"
UNASKED = ("selection_rate", "accuracy_score", "mean_absolute_error")
"""What is shown of a result that nothing is asked of: the first of these that was measured."""

MOST_ROWS = 40
"""Groups shown on one axis; of more, those with the lowest and the highest rates."""

GAPS: Mapping[str, Kind] = {"_difference": "difference", "_ratio": "ratio", "_group_min": "worst", "_group_max": "worst"}
"""Endings of metrics over all groups: what stands before them is the measure of each group."""

LESS_IS_BETTER = ("false_", "error", "loss", "gap")
"""Parts of the names of measures of which the lowest is the best."""

NOT_A_VERDICT = "A verdict comes from all pairs of groups together, never from whether one group's interval meets the line."


@dataclass
class _Rate:
    """One measure of groups, with the lines that requirements draw among them."""

    name: str
    limits: list[Limit] = field(default_factory=list)


def fairness_figures(results: Iterable[CheckResult], requirements: Sequence[Requirement]) -> list[Figure]:
    """Return one figure for each fairness result: a dataset, and a column or a crossing of several."""
    return [_figure(result, asked_of(result, requirements)) for result in results if result.check == CHECK]


def _figure(result: CheckResult, asked: Sequence[Requirement]) -> Figure:
    column, role = result.scope.get("column", ""), result.scope.get("dataset", "")
    others = {key: value for key, value in sorted(result.scope.items()) if key not in ("dataset", "column")}
    notes = [f"Not measured: {result.problem.reason}"] if result.problem else []
    panels: list[Panel] = []
    if result.problem is None:
        small = _untestable(result, asked)
        rates, gaps = _asked_for(result, asked, small)
        panels = [_groups(result, rate, small) for rate in rates]
        panels += [Panel(title="Between the groups", unit="share or ratio", rows=tuple(gaps))] if gaps else []
        notes += [NOT_A_VERDICT] if any(rate.limits for rate in rates) else []
    return Figure(
        check=CHECK,
        name=file_name(role, column, *others.values()),
        title=", ".join((f"Fairness by {column or 'group'} on {role or 'the'} data", *(f"{k} {v}" for k, v in others.items()))),
        about="Each group's rate: the dot is the value, the line its 95 % interval, n the cases it was taken on." if panels else "",
        panels=tuple(panels),
        notes=tuple(notes),
        requirements=tuple(r.id for r in asked),
        evidence_ids=(result.id,),
    )


def _untestable(result: CheckResult, asked: Sequence[Requirement]) -> dict[str, str]:
    """Return the groups about which nothing can be decided, and why."""
    listed, sizes = result.facts.get("untestable"), result.groups("group_size")
    found = {}
    for group in listed if isinstance(listed, list) else []:
        rows = sizes[str(group)].value if str(group) in sizes else None
        few = rows is not None and rows < MINIMUM_N
        found[str(group)] = f"has n={number(rows)}, asked: {MINIMUM_N}" if few else "has too few positives or negatives"
    for requirement in asked:
        found |= (_verdict(result, requirement).untestable or {}) if _by_groups(result, requirement.metric) else {}
    return found


def _by_groups(result: CheckResult, metric: str) -> bool:
    return metric in DISPARITIES and bool(result.groups(DISPARITIES[metric].rates[0]))


def _verdict(result: CheckResult, requirement: Requirement) -> Verdict:
    bound = next((b for b in (requirement.min, requirement.max, requirement.equals) if b is not None), 0.0)
    return disparity_verdict(requirement.metric, _by_name(result), bound, requirement.minimum_n or MINIMUM_N)


def _by_name(result: CheckResult) -> dict[str, dict[str, Measure]]:
    return {name: result.groups(name) for name in dict.fromkeys(m.name for m in result.measures if m.group is not None)}


def _asked_for(result: CheckResult, asked: Sequence[Requirement], small: Mapping[str, str]) -> tuple[list[_Rate], list[Row]]:
    """Return the rates to show, with their lines, and the rows of what is asked between the groups."""
    rates: dict[str, _Rate] = {}
    gaps: list[Row] = []
    for requirement in asked:
        names = _rates_of(result, requirement.metric)
        for name in names:
            rate = rates.setdefault(name, _Rate(name))
            rate.limits += [limit for limit in _lines(result, requirement, name, small) if limit not in rate.limits]
        if names != (requirement.metric,):
            gaps.append(_gap(result, requirement))
    if not rates:
        first = next((name for name in UNASKED if result.groups(name)), None) or next((m.name for m in result.measures if m.group), None)
        rates = {first: _Rate(first)} if first else {}
    return list(rates.values()), gaps


def _rates_of(result: CheckResult, metric: str) -> tuple[str, ...]:
    """Return the measures of groups that a metric is made of, or the metric itself where groups have it."""
    if _by_groups(result, metric):
        return DISPARITIES[metric].rates
    if metric in WORST:
        return tuple(name for name in WORST[metric].measures if result.groups(name))[:1]
    if result.groups(metric):
        return (metric,)
    base = next((metric.removesuffix(end) for end in GAPS if metric.endswith(end)), "")
    return (base,) if base and result.groups(base) else ()


def _kind(result: CheckResult, metric: str) -> Kind:
    if _by_groups(result, metric):
        return DISPARITIES[metric].kind
    if metric in WORST:
        return "furthest" if WORST[metric].kind == "furthest" else "worst"
    ending: Kind | None = next((kind for end, kind in GAPS.items() if metric.endswith(end)), None)
    return ending if ending is not None and not result.groups(metric) else "own"


def _lines(result: CheckResult, requirement: Requirement, rate: str, small: Mapping[str, str]) -> tuple[Limit, ...]:
    """Return the lines that a requirement draws among the groups' own values; none where it draws none.

    A ratio is taken of, and a difference to, the highest of the groups that are large enough to decide; where less is better
    the lowest, and the line lies above it. Either way a group beyond the line is one whose gap to that group is too wide.
    """
    kind, least, most = _kind(result, requirement.metric), requirement.min, requirement.max
    if kind == "furthest" and most is not None:
        return Limit(value=-most, side="least"), Limit(value=most, side="most")
    if kind in ("own", "worst", "furthest"):
        return limits_of((requirement,), requirement.metric)
    known = {g: m.value for g, m in result.groups(rate).items() if m.value is not None}
    testable = {g: v for g, v in known.items() if g not in small} or known
    if not testable:
        return ()
    down = any(part in rate for part in LESS_IS_BETTER)
    best = (min if down else max)(testable, key=lambda g: testable[g])
    end, side = testable[best], "most" if down else "least"
    words = f"{number(end)}, {'lowest' if down else 'highest'}: {best}"
    found: tuple[float, str] | None = None
    if kind == "ratio" and least is not None and (least > 0 or not down):
        found = (end / least, f"{words}; divided by {number(least)}") if down else (end * least, f"{number(least)} times {words}")
    if kind == "difference" and most is not None:
        found = (end + most, f"{words}; plus {number(most)}") if down else (end - most, f"{words}; less {number(most)}")
    return () if found is None else (Limit.model_validate({"value": found[0], "side": side, "words": found[1]}),)


def _gap(result: CheckResult, requirement: Requirement) -> Row:
    """Return the row of what is asked between the groups: its value, the ends that decide, and the bound."""
    measure = result.measure(requirement.metric)
    value, low, high = (measure.value, measure.ci_low, measure.ci_high) if measure else (None, None, None)
    remark = ""
    if _by_groups(result, requirement.metric):
        verdict = _verdict(result, requirement)
        low, high = verdict.low, verdict.high
        decided = low is not None and high is not None
        remark = "the ends are the one-sided 95 % bounds that decide" if decided else "too few cases for bounds that could decide"
        value = verdict.value if value is None else value
    limits = limits_of((requirement,), requirement.metric)
    n = measure.n if measure else None
    return Row(label=spaced(requirement.metric), value=value, low=low, high=high, n=n, limits=limits, remark=remark)


def _groups(result: CheckResult, rate: _Rate, small: Mapping[str, str]) -> Panel:
    """Return the panel of one rate: a row for each group."""
    found = result.groups(rate.name)
    left = max(0, len(found) - MOST_ROWS)
    if left:
        ordered = sorted(found, key=lambda g: (found[g].value is None, found[g].value or 0.0))
        kept = {*ordered[: MOST_ROWS // 2], *ordered[-MOST_ROWS // 2 :]}
        found = {g: m for g, m in found.items() if g in kept}
    rows = [_group(group, measure, small) for group, measure in found.items()]
    rows += [Row(label=f"and {left} groups between these, which are not shown")] if left else []
    return Panel(title=spaced(rate.name), unit=_unit(rate.name), rows=tuple(rows), limits=tuple(rate.limits))


def _group(group: str, measure: Measure, small: Mapping[str, str]) -> Row:
    why = f"too small to decide{f': {small[group]}' if small[group] else ''}" if group in small else ""
    return Row(label=group, value=measure.value, low=measure.ci_low, high=measure.ci_high, n=measure.n, small=group in small, remark=why)


def _unit(rate: str) -> str:
    return {
        "selection_rate": "share of the group that is predicted to get the favourable outcome",
        "true_positive_rate": "share of those who should get the favourable outcome that are predicted to",
        "false_positive_rate": "share of those who should not get the favourable outcome that are predicted to",
        "true_negative_rate": "share of those who should not get the favourable outcome that are predicted not to",
        "false_negative_rate": "share of those who should get the favourable outcome that are predicted not to",
        "precision": "share of those predicted to get the favourable outcome that should",
        "accuracy_score": "share of the group that is predicted rightly",
        "mean_absolute_error": "mean absolute error, in the target's unit",
        "mean_residual": "mean of truth minus prediction, in the target's unit",
    }.get(rate, spaced(rate))
