"""Representativeness (A.7.4, A.5.4): the groups in the data against their declared shares in the population."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.intervals import wilson
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check
from aims_mlflow.system import BinnedColumn, Population

DEFAULT_ROLE = "train"
"""The data that should stand for the population: what the model learns from."""

DECLARE = "add to data in aims.yaml: populations: [{column: <column>, shares: {<group>: 0.5, <group>: 0.5}, source: <where from>}]"

METRICS = (
    "smallest_ratio",
    "total_variation",
    "group_share",
    "absent_groups",
    "undeclared_groups",
    "undeclared_rows",
    "undeclared_rows_share",
)


@check("representativeness", controls=["A.7.4", "A.5.4"], objectives=["C.2.5"], metrics=METRICS)
def representativeness(seen: Observation) -> Iterator[CheckResult]:
    """Compare every declared population with the train data, and with the data in each role that a requirement names.

    Where no population is declared the check has nothing to say, and says so; that is held against a run only where a
    requirement asks for it.
    """
    asked = seen.asked("representativeness")
    populations = {one.column: one for one in seen.system.data.populations}
    roles = tuple(dict.fromkeys([DEFAULT_ROLE, *(r.dataset for r in asked if r.dataset)]))
    for role in roles:
        for column in dict.fromkeys([*populations, *(r.column for r in asked if r.column and r.dataset in ("", role))]):
            scope = {"dataset": role, "column": column}
            try:
                yield _compared(seen, role, column, populations.get(column), scope)
            except CannotMeasure as problem:
                yield CheckResult(check="representativeness", scope=scope, problem=Problem.of(problem))
    if not populations:
        reason = "no population is declared, so it cannot be said whom the data stand for"
        yield CheckResult(check="representativeness", problem=Problem(state="missing", reason=reason, fix=DECLARE))


def _compared(seen: Observation, role: str, column: str, population: Population | None, scope: dict[str, str]) -> CheckResult:
    """Measure one column of one dataset against its declared population.

    Shares are of all rows: those of groups that the declaration lacks, or without a group, count as ``undeclared_rows``.
    """
    if population is None:
        raise CannotMeasure(f"no population is declared for {column!r}", state="missing", fix=DECLARE)
    dataset = seen.dataset(role)
    declared = population.shares
    counts, names, missing = _counted(seen, role, column)
    rows = len(dataset.frame)
    strangers = {label: count for label, count in counts.items() if label not in declared}
    absent = [label for label, share in declared.items() if share > 0 and not counts.get(label)]
    undeclared = sum(strangers.values()) + missing
    asked = {label: share for label, share in declared.items() if share > 0}
    sensitive = column in seen.system.data.sensitive_columns
    facts: dict[str, JsonValue] = {
        "declared": {**declared},
        "source": population.source,
        "absent_groups": [*absent],
        "undeclared_groups": [names[label] for label in strangers] if sensitive else len(strangers),
        "rows_without_group": missing,
    }
    return CheckResult(
        check="representativeness",
        scope=scope,
        measures=(
            *_distances(counts, missing, rows, asked),
            Measure.counted("absent_groups", len(absent), n=len(asked)),
            Measure.counted("undeclared_groups", len(strangers), n=len(counts)),
            Measure.counted("undeclared_rows", undeclared, n=rows),
            Measure(name="undeclared_rows_share", value=undeclared / rows, count=undeclared, n=rows, ci_method=FULL_COUNT, unit="share"),
            *(_group_share(names.get(label, label), counts.get(label, 0), rows) for label in declared),
        ),
        facts=facts,
        notes=tuple(_said(absent, len(strangers), undeclared, missing)),
        coverage=Coverage(asked=(column,), evaluated=(column,)),
        subjects=(dataset.subject,),
    )


def _counted(seen: Observation, role: str, column: str) -> tuple[dict[str, int], dict[str, str], int]:
    """Return the rows of each group by its own name, the names that may be written, and the rows without a group."""
    from aims_mlflow.measuring.groups.grouping import groups_of

    frame = seen.dataset(role).frame
    if column not in column_names(frame):
        raise CannotMeasure(f"the column {column!r} is not in the {role} data", fix="keep it in the frame, or correct data.populations")
    known = frame.loc[frame[column].notna(), [column]]
    if known.empty:
        raise CannotMeasure(f"every value of {column!r} is missing in the {role} data", fix="fill it, or correct data.populations")
    bins = [one for one in seen.system.data.sensitive if isinstance(one, BinnedColumn) and one.column == column]
    groups = groups_of(known, bins[0] if bins else column, fewest=1)
    counts = dict(zip(groups.labels, groups.sizes, strict=True))
    return counts, dict(zip(groups.labels, groups.names, strict=True)), len(frame) - len(known)


def _distances(counts: dict[str, int], missing: int, rows: int, asked: dict[str, float]) -> Iterator[Measure]:
    from aims_mlflow.measuring.groups.population import RESAMPLES, smallest_ratio, total_variation

    value, low, high = smallest_ratio([counts.get(label, 0) for label in asked], rows, list(asked.values()))
    how = f"Wilson score of each group, Bonferroni over {len(asked)} groups"
    yield Measure(name="smallest_ratio", value=value, ci_low=low, ci_high=high, ci_method=how, n=rows, unit="ratio")
    # Rows without a group are a group of their own, of which the population has none; "" is no declared name.
    value, low, high = total_variation({**counts, **({"": missing} if missing else {})}, asked)
    how = f"triangle inequality, {RESAMPLES} multinomial samples"
    yield Measure(name="total_variation", value=value, ci_low=low, ci_high=high, ci_method=how, n=rows, unit="share")


def _group_share(name: str, count: int, rows: int) -> Measure:
    low, high = wilson(count, rows)
    return Measure(
        name="group_share",
        value=count / rows,
        ci_low=low,
        ci_high=high,
        ci_method="Wilson score",
        count=count,
        n=rows,
        group=name,
        unit="share",
    )


def _said(absent: list[str], strangers: int, undeclared: int, missing: int) -> Iterator[str]:
    if absent:
        yield f"declared groups without any row: {', '.join(absent)}"
    if undeclared:
        yield (
            f"{undeclared} rows belong to none of the declared groups ({strangers} groups of other names, {missing} rows without a group): "
            "declare their share, or correct the groups' names under data.populations"
        )
