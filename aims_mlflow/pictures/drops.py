"""Robustness as forest plots: what is lost at each strength of a perturbation, with intervals, the bound, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.pictures.naming import asked_of, file_name, limits_of, spaced
from aims_mlflow.pictures.words import Figure, Limit, Panel, Row, number
from aims_mlflow.system import Requirement

CHECK = "robustness"
UNASKED = ("accuracy_drop", "mean_absolute_error_increase", "r2_drop", "roc_auc_drop", "flip_rate")
"""What is shown besides what is asked for: the first of these that was measured."""

UNITS = {
    "accuracy_drop": "accuracy undisturbed minus disturbed, as a share; above 0 is worse",
    "flip_rate": "share of answers that change",
    "roc_auc_drop": "area under the ROC curve undisturbed minus disturbed; above 0 is worse",
    "r2_drop": "R squared undisturbed minus disturbed; above 0 is worse",
    "mean_absolute_error_increase": "growth of the mean absolute error, in the target's unit; above 0 is worse",
    "mean_absolute_change": "mean absolute change of the answer, in the target's unit",
    "calibration_error_increase": "calibration error disturbed minus undisturbed; above 0 is worse",
    "accuracy_retention": "share of the undisturbed accuracy that is kept over all strengths",
    "flip_success_share": "share of the rows for which an input within the bounds changed the answer",
}

SLICE = "accuracy of all rows minus that of the slice, as a share; above 0 is worse"

ABOUT = {
    "search": "What a search within declared bounds found; that it found none is no proof that there is none",
    "worst_slice": "The rows on which the model does worst, found on one half of the data and measured on the other",
}
"""What is looked at, where it is not the same rows disturbed."""

WORST_COLUMN = "worst_column_"
"""Before the name of a metric: that of the column whose damage does most."""

ALWAYS_SAID = ("rejected_share", "crashed_share", "silently_wrong_share")
"""Shares that are said whatever they are, in this order; others where they are above zero."""

MOST_NOTES = 4
"""Notes of the results that are written below a figure."""

MOST_ROWS = 40
"""Results shown in one figure; a perturbation has a few strengths, so this is a fuse."""


def robustness_figures(results: Iterable[CheckResult], requirements: Sequence[Requirement]) -> list[Figure]:
    """Return one figure for each dataset and perturbation, with all strengths (or columns, or whatever else tells results apart)."""
    together: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        if result.check == CHECK:
            together.setdefault((result.scope.get("dataset", ""), result.scope.get("perturbation", "")), []).append(result)
    return [_figure(role, name, sorted(found, key=_strength), requirements) for (role, name), found in together.items()]


def _figure(role: str, name: str, results: Sequence[CheckResult], requirements: Sequence[Requirement]) -> Figure:
    asked = {result.id: asked_of(result, requirements) for result in results}
    shown = results[:MOST_ROWS]
    metrics = _metrics(shown, [r.metric for result in shown for r in asked[result.id]])
    panels = [_panel(name, metric, shown, asked, first=at == 0) for at, metric in enumerate(metrics)]
    if not panels:
        panels = [Panel(title="Nothing was measured", rows=tuple(Row(label=_label(r), remark=_remark(r, "")) for r in shown))]
    left = len(results) - len(shown)
    notes = list(dict.fromkeys(note for result in shown for note in result.notes))
    return Figure(
        check=CHECK,
        name=file_name(*filter(None, (role, name))) or "all",
        title=f"Robustness to {spaced(name) or 'what was tried'} on {role or 'the'} data",
        about=f"{ABOUT.get(name, 'The same rows, as they are and disturbed')}; the line is the 95 % interval, n the rows.",
        panels=tuple(panels),
        notes=(*notes[:MOST_NOTES], *((f"And {left} more, which are not shown.",) if left else ())),
        requirements=tuple(dict.fromkeys(r.id for found in asked.values() for r in found)),
        evidence_ids=tuple(result.id for result in shown),
    )


def _metrics(results: Sequence[CheckResult], wanted: Sequence[str]) -> list[str]:
    """Return what to show: what is asked, the first of ``UNASKED`` (with its worst column), and one for each result without these."""
    measured = [{m.name: m for m in result.measures} for result in results]
    first = next((metric for metric in UNASKED if any(metric in found for found in measured)), None)
    chosen = [*wanted, *([first, f"{WORST_COLUMN}{first}"] if first else [])]
    for result, found in zip(results, measured, strict=True):
        if result.problem is None and not set(found) & set(chosen):
            chosen += sorted(found, key=lambda name: found[name].ci_low is None)[:1]
    known = {name for found in measured for name in found} | set(wanted)
    return [name for name in dict.fromkeys(chosen) if name in known]


def _panel(name: str, metric: str, results: Sequence[CheckResult], asked: dict[str, tuple[Requirement, ...]], *, first: bool) -> Panel:
    """Return the panel of one metric: a row for each result that has it, was asked for it, or (in the first panel) says why not."""
    rows: list[Row] = []
    for result in results:
        limits, measure, groups = limits_of(asked[result.id], metric), result.measure(metric), result.groups(metric)
        remark = _remark(result, metric) if first or (result.problem and limits) else ""
        if measure is not None or limits or (first and result.problem):
            rows.append(_row(_label(result), measure, limits, remark))
        rows += [_row(f"{_label(result)}, {group}", m, limits, "") for group, m in list(groups.items())[:MOST_ROWS]]
    shared = rows[0].limits if rows and all(row.limits == rows[0].limits for row in rows) else ()
    if shared:
        rows = [row.model_copy(update={"limits": ()}) for row in rows]
    unit = SLICE if name == "worst_slice" and metric == "accuracy_drop" else UNITS.get(metric.removeprefix(WORST_COLUMN), "")
    return Panel(title=spaced(metric), unit=unit, rows=tuple(rows[:MOST_ROWS]), limits=shared)


def _row(label: str, measure: Measure | None, limits: tuple[Limit, ...], remark: str) -> Row:
    if measure is None:
        return Row(label=label, limits=limits, remark="; ".join(filter(None, ("not measured", remark))))
    return Row(
        label=label,
        value=measure.value,
        low=measure.ci_low,
        high=measure.ci_high,
        n=measure.n,
        limits=limits,
        remark="; ".join(filter(None, ("full count" if measure.exact else "", remark))),
    )


def _label(result: CheckResult) -> str:
    """Return what tells a result from the others of its figure: its strength, or whatever else its scope says."""
    rest = ", ".join(f"{key} {value}" for key, value in sorted(result.scope.items()) if key not in ("dataset", "perturbation"))
    return rest or ("the slice" if result.scope.get("perturbation") == "worst_slice" else "all rows")


def _remark(result: CheckResult, metric: str) -> str:
    """Return the shares that the model refused, crashed on and so on, and why nothing was measured."""
    everybody = [m for m in result.measures if m.name.endswith("_share") and m.group is None and m.name != metric]
    shares = {m.name: m.value for m in everybody if m.value is not None and 0 <= m.value <= 1 and not m.name.startswith(WORST_COLUMN)}
    order = [*(name for name in ALWAYS_SAID if name in shares), *(n for n, share in shares.items() if share and n not in ALWAYS_SAID)]
    said = ", ".join(f"{spaced(name.removesuffix('_share'))} {number(shares[name] * 100)} %" for name in order)
    return "; ".join(filter(None, (said, result.problem.reason if result.problem else "")))


def _strength(result: CheckResult) -> tuple[float, str]:
    try:
        return float(result.scope.get("strength", "0")), ""
    except ValueError:
        return 0.0, result.scope["strength"]
