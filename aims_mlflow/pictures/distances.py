"""Drift as a forest plot: each column's distance with its interval and the threshold of drifted, and the share that requirements bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aims_mlflow.evidence import CheckResult
from aims_mlflow.pictures.naming import asked_of, file_name, limits_of, spaced
from aims_mlflow.pictures.words import Figure, Limit, Panel, Row, number
from aims_mlflow.system import Requirement

CHECK = "drift"
UNASKED = "drifted_columns_share"
MOST_ROWS = 40
"""Columns shown; of more, those that lie farthest."""

FARTHEST = 5
"""The axis of distances ends at so many times the threshold at most."""


def drift_figures(results: Iterable[CheckResult], requirements: Sequence[Requirement]) -> list[Figure]:
    """Return one figure for each pair of datasets: the share of drifted columns, and the columns one by one, farthest first."""
    together: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        if result.check == CHECK:
            together.setdefault((result.scope.get("dataset", ""), result.scope.get("reference", "")), []).append(result)
    return [_figure(pair, found, requirements) for pair, found in together.items()]


def _figure(pair: tuple[str, str], results: Sequence[CheckResult], requirements: Sequence[Requirement]) -> Figure:
    whole = [r for r in results if "column" not in r.scope]
    asked = tuple(dict.fromkeys(r for result in results for r in asked_of(result, requirements)))
    columns = sorted((r for r in results if "column" in r.scope), key=_farthest_first)
    notes = [f"Not measured as a whole: {r.problem.reason}" for r in whole if r.problem]
    how = "How far each column lies from the reference; the line is the 95 % interval, n the rows of the smaller side." if columns else ""
    left = len(columns) - MOST_ROWS
    notes += [f"And {left} more columns, none of them farther than these."] if left > 0 else []
    panels = [panel for result in whole for panel in _share(result, asked)]
    panels += [_columns(columns[:MOST_ROWS], requirements)] if columns else []
    return Figure(
        check=CHECK,
        name=file_name(*filter(None, pair)) or "all",
        title=f"Drift of {pair[0] or 'the'} data against {pair[1] or 'the reference'}",
        about=" ".join([how, *(f"Asked: {spaced(r.metric)} {r.bound}." for r in asked if r.metric)]).strip(),
        panels=tuple(panels),
        notes=tuple(notes),
        requirements=tuple(r.id for r in asked),
        evidence_ids=tuple(r.id for r in whole) or tuple(r.id for r in columns[:1]),
    )


def _share(result: CheckResult, asked: Sequence[Requirement]) -> list[Panel]:
    """Return a panel for each metric of the whole pair that is asked for; the share of drifted columns where none is."""
    metrics = [r.metric for r in asked if result.measure(r.metric) is not None] or [UNASKED]
    panels = []
    for metric in dict.fromkeys(metrics):
        measure = result.measure(metric)
        if measure is None:
            continue
        row = Row(label="all columns together", value=measure.value, low=measure.ci_low, high=measure.ci_high, n=measure.n)
        panels.append(
            Panel(
                title=spaced(metric), unit="share of the columns" if metric == UNASKED else "", rows=(row,), limits=limits_of(asked, metric)
            )
        )
    return panels


def _columns(columns: Sequence[CheckResult], requirements: Sequence[Requirement]) -> Panel:
    rows, thresholds = [], set()
    for result in columns:
        measure, threshold = result.measure("distance"), result.facts.get("threshold")
        if isinstance(threshold, int | float):
            thresholds.add(float(threshold))
        limits = limits_of(asked_of(result, requirements), "distance")
        remark = result.problem.reason if result.problem else ""
        if measure is None:
            rows.append(Row(label=result.scope["column"], limits=limits, remark=remark or "not compared"))
            continue
        rows.append(
            Row(
                label=result.scope["column"],
                value=measure.value,
                low=measure.ci_low,
                high=measure.ci_high,
                n=measure.n,
                limits=limits,
                remark=remark,
            )
        )
    words = "a column beyond this counts as drifted"
    lines = tuple(Limit(value=t, side="most", words=words) for t in sorted(thresholds))
    most = FARTHEST * max(thresholds) if thresholds and max(thresholds) > 0 else None
    arrow = f"; beyond {number(most)} an arrow points" if most else ""
    methods = sorted({str(r.facts["method"]) for r in columns if "method" in r.facts})
    by = f" by {' and '.join(methods)}" if methods else ""
    unit = f"distance{by}: numbers in standard deviations, categories from 0 to 1{arrow}"
    return Panel(title="Distance of each column", unit=unit, rows=tuple(rows), limits=lines, most=most)


def _farthest_first(result: CheckResult) -> tuple[bool, float, str]:
    measure = result.measure("distance")
    value = measure.value if measure is not None else None
    return (value is not None, -(value or 0.0), result.scope["column"])
