"""Characteristics (A.7.4): the data quality characteristics of ISO/IEC 5259-2, each with its measure or with who must say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.measuring.expectations.kinds import RULED, characteristic_of
from aims_mlflow.measuring.expectations.quality_model import CHARACTERISTICS, NO_MEASURE, Characteristic
from aims_mlflow.observation import Dataset, Observation
from aims_mlflow.registry import check
from aims_mlflow.system import expectation_id

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.measuring.expectations.evaluating import Outcome

MOST_CATEGORIES_SHARE = 0.5
"""Share of distinct values beyond which a column of text is no category but an identifier or free text (as drift has it)."""

FURTHEST_ZONE = timedelta(hours=14)
"""How far a local time can lie ahead of UTC."""

METRICS = (
    "completeness",
    "row_uniqueness",
    "currentness_days",
    "balance",
    "minority_share",
    "diversity",
    "characteristics",
    "characteristics_measured",
    *(f"{name}_rules_met" for name in RULED),
)


@dataclass
class _Found:
    """What is known of one dataset: measures by characteristic, rules by characteristic, and why something is not measured."""

    measures: dict[str, list[Measure]] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)
    unclassified: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    over_all_rows: list[JsonValue] = field(default_factory=list)

    def add(self, characteristic: str, measure: Measure) -> None:
        self.measures.setdefault(characteristic, []).append(measure)


@check("characteristics", controls=["A.7.4"], objectives=["C.2.3"], metrics=METRICS)
def characteristics(seen: Observation) -> Iterator[CheckResult]:
    """Give the table of ISO/IEC 5259-2 for every dataset seen: no characteristic is left out, none is made up."""
    for role, dataset in seen.datasets.items():
        try:
            seen.dataset(role)
            yield _table(seen, dataset)
        except CannotMeasure as problem:
            yield CheckResult(check="characteristics", scope={"dataset": role}, problem=Problem.of(problem))
    for requirement in seen.asked("characteristics"):
        if requirement.dataset and requirement.dataset not in seen.datasets:
            try:
                seen.dataset(requirement.dataset)
            except CannotMeasure as problem:
                yield CheckResult(check="characteristics", scope=requirement.scope, problem=Problem.of(problem))
    if not seen.datasets:
        reason, fix = "no data were seen in this run", "pass the frames that data.roles names"
        yield CheckResult(check="characteristics", problem=Problem(state="missing", reason=reason, fix=fix))


def _table(seen: Observation, dataset: Dataset) -> CheckResult:
    found = _Found()
    columns = column_names(dataset.frame)
    _of_content(seen, dataset, found)
    _of_time(seen, dataset, found)
    _of_labels(seen, dataset, found)
    _of_categories(seen, dataset, found)
    _of_rules(seen, dataset, found)
    rows = [_row(seen, one, found) for one in CHARACTERISTICS]
    table: list[JsonValue] = [*rows]
    measured = sum(row["how"] != NO_MEASURE for row in rows)
    return CheckResult(
        check="characteristics",
        scope={"dataset": dataset.role},
        measures=(
            *(measure for measures in found.measures.values() for measure in measures),
            Measure.counted("characteristics", len(rows), n=len(rows)),
            Measure.counted("characteristics_measured", measured, n=len(rows)),
        ),
        facts={
            "characteristics": table,
            "rules_not_classified": [*found.unclassified],
            **({OVER_ALL_ROWS: found.over_all_rows} if found.over_all_rows else {}),
        },
        notes=tuple(found.notes),
        coverage=Coverage(asked=columns, evaluated=columns),
        subjects=(dataset.subject,),
    )


def _row(seen: Observation, one: Characteristic, found: _Found) -> dict[str, JsonValue]:
    """Return one row of the table: what is measured with its value, the declared rules, where else to look, or why nothing is."""
    measures, rules = found.measures.get(one.name, []), found.rules.get(one.name, [])
    elsewhere = () if one.name == "representativeness" and not seen.system.data.populations else one.elsewhere
    automatic = bool(measures or rules) or bool(one.how and elsewhere and (not one.otherwise or one.name == "representativeness"))
    values: list[JsonValue] = [{"measure": measure.name, "value": measure.value} for measure in measures]
    return {
        "characteristic": one.name,
        "group": one.group,
        "how": (one.how or "by declared rules only") if automatic else NO_MEASURE,
        "measures": values,
        "rules": [*rules],
        "elsewhere": [*elsewhere],
        "why": "" if automatic else one.otherwise,
    }


def _share(name: str, count: int, n: int) -> Measure:
    return Measure(name=name, value=count / n if n else None, count=count, n=n, ci_method=FULL_COUNT, unit="share")


def _of_content(seen: Observation, dataset: Dataset, found: _Found) -> None:
    """Measure completeness (cells that are not missing) and uniqueness (rows that repeat no earlier row)."""
    from aims_mlflow.measuring.frames.whole import duplicate_rows, missing_cells

    missing, rows = missing_cells(seen, dataset.role), len(dataset.frame)
    cells = rows * len(missing)
    found.add("completeness", _share("completeness", cells - sum(missing.values()), cells))
    found.add("consistency", _share("row_uniqueness", rows - duplicate_rows(seen, dataset.role), rows if cells else 0))


def _of_time(seen: Observation, dataset: Dataset, found: _Found) -> None:
    """Measure how many days lay between the newest row and the start of the run. No date is written."""
    from aims_mlflow.measuring.frames.time_order import times_of

    column = seen.system.data.time
    if not column:
        return
    try:
        times = times_of(dataset.frame, column, dataset.role)
        if times is None:
            raise CannotMeasure("numbers have an order, but no date", where=f"column {column!r} of the {dataset.role} data")
        newest: Any = times.max()
        zoned = newest.tzinfo is not None
        age = seen.run.started - (newest.to_pydatetime() if zoned else newest.to_pydatetime().replace(tzinfo=UTC))
        if age < (timedelta(0) if zoned else -FURTHEST_ZONE):
            raise CannotMeasure("the newest row is dated after the start of the run", where=f"column {column!r} of the {dataset.role} data")
    except CannotMeasure as problem:
        found.add("currentness", Measure(name="currentness_days", value=None, n=len(dataset.frame), unit="days"))
        found.notes.append(f"how current the data are cannot be said: {Problem.of(problem).reason}")
        return
    days = max(0, math.floor(age / timedelta(days=1)))
    found.add("currentness", Measure.counted("currentness_days", days, n=len(dataset.frame), unit="days"))


def _of_labels(seen: Observation, dataset: Dataset, found: _Found) -> None:
    """Measure how even the labels are; a single label has no evenness, and a regression no labels."""
    from aims_mlflow.measuring.frames.whole import evenness, label_counts

    target = seen.system.task.target
    if seen.system.task.kind == "regression" or target not in dataset.frame.columns:
        return
    counts = label_counts(dataset.frame[target])
    even = evenness(counts)
    if even is None:
        found.notes.append("the balance of the labels is not defined: the data hold fewer than two")
    found.add("balance", Measure(name="balance", value=even, ci_method=FULL_COUNT, n=sum(counts), unit="share"))
    if counts:
        found.add("balance", _share("minority_share", min(counts), sum(counts)))


def _of_categories(seen: Observation, dataset: Dataset, found: _Found) -> None:
    """Measure the chance that two different rows differ in a column of categories, the mean over such columns but the target."""
    from aims_mlflow.measuring.frames.columns import kind_of

    chances = []
    for name in column_names(dataset.frame):
        column = dataset.frame[name]
        if name != seen.system.task.target and kind_of(column) == "category":
            chance = _differing(column)
            if chance is not None:
                chances.append(chance)
    if chances:
        mean = sum(chances) / len(chances)
        found.add("diversity", Measure(name="diversity", value=mean, ci_method=FULL_COUNT, n=len(dataset.frame), unit="probability"))


def _differing(column: pd.Series[Any]) -> float | None:
    """Return Simpson's (1949) index, 1 - sum of c (c - 1) / (n (n - 1)); None for an identifier, free text, or fewer than two values."""
    counts = column.value_counts().to_numpy()
    n = int(counts.sum())
    if n < 2 or (counts > 0).sum() > max(20, MOST_CATEGORIES_SHARE * n):
        return None
    return 1 - float((counts * (counts - 1.0)).sum()) / (n * (n - 1))


def _of_rules(seen: Observation, dataset: Dataset, found: _Found) -> None:
    """Sort the declared expectations by what they ask about, and measure the share of each kind that is met."""
    from aims_mlflow.measuring.expectations.asked import answers
    from aims_mlflow.measuring.frames.columns import kind_of

    answered = answers(seen, dataset.role)
    if not (answered.single or answered.suites or answered.unreadable):
        return
    times = {name for name in column_names(dataset.frame) if kind_of(dataset.frame[name]) == "time"} | {seen.system.data.time} - {""}
    outcomes: dict[str, dict[str, Outcome]] = {}
    for expectation, outcome in answered.all():
        name, kind = expectation_id(expectation), characteristic_of(expectation, times)
        if not kind:
            found.unclassified.append(name)
        else:
            outcomes.setdefault(kind, {})[name] = outcome
    for kind, asked in outcomes.items():
        found.rules[kind] = list(asked)
        unanswered = sum(outcome.problem is not None for outcome in asked.values())
        measure = _share(f"{kind}_rules_met", sum(bool(outcome.met) for outcome in asked.values()), len(asked))
        if unanswered:
            found.notes.append(f"{unanswered} of {len(asked)} rules about {kind} could not be evaluated, so what share is met is not said")
            measure = Measure(name=measure.name, value=None, n=len(asked), unit="share")
        found.add(kind, measure)
        if answered.over_all_rows:
            found.over_all_rows.append(measure.name)
    for path in answered.unreadable:
        found.notes.append(f"the suite {path!r} could not be read, so its rules stand nowhere in this table")
