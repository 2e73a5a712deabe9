"""Results that were measured on a sample, said over again: exact where the engine counted all rows, approximate where it did not.

A check counts what it is shown and calls that a full count. Of a sample it is none. So, for a result about data of which the checks
saw a sample:

- what the engine has counted over all rows takes the place of what was counted on the sample, and is exact; so is what the check
  itself had counted by the engine, and named in the fact ``over_all_rows``;
- how many rows there were to judge a model on stays as it is: that many were looked at;
- an interval stays as it is: the rows of the sample were drawn alike, and its n is theirs;
- of rows that were found (shared rows, near duplicates), there are at least so many: an interval that is open above;
- any other full count is one no more, and has no interval, so that nothing passes or fails by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from aims_mlflow.engines.whole import OVER_ALL_ROWS, Counts, Whole
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Measure
from aims_mlflow.system import BinnedColumn, System

ON_A_SAMPLE = "approximate: counted on a sample"
"""The ``ci_method`` of what was a full count of a sample's rows."""

AT_LEAST = "approximate: at least as many as in a sample"

NOT_OF_ROWS = frozenset(
    [
        "acquisition",
        "design",
        "documentation",
        "lineage",
        "objectives",
        "process",
        "provenance",
        "specification",
        "upstream",
        "capture",
        "attestation",
    ]
)
"""Checks that look at no cells: what they say of a frame comes from its fingerprint and declarations."""

OF_MODELS = frozenset({"performance", "fairness", "baseline", "robustness"})
SIZES = frozenset({"rows", "group_size", "group_positives", "group_negatives", "positives", "negatives"})
"""What says how much a measure of a model was taken on."""

OF_COLUMNS = frozenset(
    {"columns", "columns_evaluated", "columns_scanned", "features_scored", "characteristics", "steps_recorded", "steps_declared"}
)
"""Counts of columns and steps: a sample has them all."""

FOUND = frozenset({"shared_rows", "near_duplicate_rows", "edited_rows", "noisy_rows", "conflicting_label_rows", "out_of_order_rows"})
"""Counts of rows with a flaw: there are at least as many among all rows."""


def restated(result: CheckResult, wholes: Mapping[str, Whole], system: System) -> CheckResult:
    """Return a result as it may be said of data that were seen by a sample; results about other data come back as they are.

    Args:
        result: as the check gave it.
        wholes: data role -> what is known of all its rows, for those that were not seen whole.
        system: the system, for its target and sensitive columns.
    """
    about = _roles(result) or (list(wholes) if result.measures else [])  # one that does not say may be about any of them
    roles = [role for role in about if role in wholes and not wholes[role].complete]
    counted = result.facts.get(OVER_ALL_ROWS)
    names: frozenset[Any] = frozenset(counted if isinstance(counted, list) else ())
    if not roles or (counted is not None and all(m.name in names for m in result.measures)):
        return result
    seen: dict[str, JsonValue] = {
        role: {"engine": one.engine, "rows": one.sample_rows, "of": one.rows, "seed": one.seed}
        for role, one in ((role, wholes[role]) for role in roles)
    }
    facts: dict[str, JsonValue] = {**result.facts, "sample": seen}
    if result.check in NOT_OF_ROWS or (result.problem is not None and not result.measures):
        return result.model_copy(update={"facts": facts}) if result.check in NOT_OF_ROWS else _noted(result, roles, wholes, facts, ())
    exact = _exact(result, wholes[roles[0]], system) if len(roles) == 1 and set(result.scope) <= {"dataset", "column"} else {}
    measures = [
        exact.get((m.name, m.group)) or (m if m.name in names else _approximate(result.check, m))
        for m in result.measures
        if not _replaced(m, exact)
    ]
    there = {(m.name, m.group) for m in measures}
    measures += [m for key, m in exact.items() if key not in there]
    facts |= _facts(result, wholes[roles[0]]) if exact else {}
    known = dict.fromkeys([*(name for name, _ in exact), *(m.name for m in measures if m.name in names)])
    return _noted(result.model_copy(update={"measures": tuple(measures)}), roles, wholes, facts, tuple(known))


def _roles(result: CheckResult) -> list[str]:
    """Return the data roles that a result is about."""
    scope = result.scope
    named = [scope.get("dataset", ""), scope.get("reference", ""), *scope.get("datasets", "").split(",")]
    subjects = [subject.name for subject in result.subjects if subject.kind == "dataset"]
    return list(dict.fromkeys(name for name in (*named, *subjects) if name))


def _replaced(measure: Measure, exact: Mapping[tuple[str, str | None], Measure]) -> bool:
    """Return whether a group's size on the sample gives way to those of all rows: groups may be others, or named otherwise."""
    return measure.group is not None and (measure.name, measure.group) not in exact and any(name == measure.name for name, _ in exact)


def _approximate(check: str, measure: Measure) -> Measure:
    if not measure.exact or measure.name in OF_COLUMNS or (check in OF_MODELS and measure.name in SIZES):
        return measure
    if measure.name in FOUND and measure.value is not None:
        return measure.model_copy(update={"ci_method": AT_LEAST, "ci_low": measure.value})
    return measure.model_copy(update={"ci_method": ON_A_SAMPLE})


def _noted(
    result: CheckResult, roles: list[str], wholes: Mapping[str, Whole], facts: dict[str, JsonValue], exact: tuple[str, ...]
) -> CheckResult:
    notes = [f"approximate: the {role} data were seen by {wholes[role].said}" for role in roles]
    if exact:
        notes.append(f"exact, counted over all rows by the engine: {', '.join(exact)}")
    if any(m.ci_method == AT_LEAST for m in result.measures):
        notes.append("rows were compared only where both were drawn: of what was found there is at least as much among all rows")
    if result.check == "preparation":
        notes.append("the steps were fitted again on the sample only: that they learnt something else from all rows says nothing")
    return result.model_copy(update={"facts": facts, "notes": (*result.notes, *notes)})


# --- what the engine has counted ----------------------------------------------------------------------------------------------


def _exact(result: CheckResult, whole: Whole, system: System) -> dict[tuple[str, str | None], Measure]:
    """Return the measures that are known exactly, by name and group."""
    column = result.scope.get("column", "")
    if result.check == "quality" and not column:
        made = [*_table(whole), *_balance(whole, system)]
    elif result.check == "quality":
        made = [*_one_column(result, whole, column), *_groups(whole, column, system)]
    elif result.check == "characteristics" and not column:
        made = [*_content(whole), *_evenness(result, whole, system)]
    else:
        made = []
    return {(m.name, m.group): m for m in made}


def _share(name: str, count: int, n: int) -> Measure:
    return Measure(name=name, value=count / n if n else None, count=count, n=n, ci_method=FULL_COUNT, unit="share")


def _empty(whole: Whole) -> list[str]:
    return [name for name, count in whole.missing.items() if count == whole.rows]


def _table(whole: Whole) -> Iterator[Measure]:
    columns, missing, empty = len(whole.missing), sum(whole.missing.values()), _empty(whole)
    cells, repeated = whole.rows * columns, whole.rows - whole.different
    yield Measure.counted("rows", whole.rows)
    yield Measure.counted("columns", columns)
    yield _share("completeness", cells - missing, cells)
    yield Measure.counted("missing_cells", missing, n=cells)
    yield Measure.counted("duplicate_rows", repeated, n=whole.rows)
    yield _share("duplicate_share", repeated, whole.rows)
    yield Measure.counted("all_null_columns", len(empty), n=columns)
    yield Measure.counted("constant_columns", len(whole.constant), n=columns)


def _balance(whole: Whole, system: System) -> Iterator[Measure]:
    from aims_mlflow.measuring.labels import plain

    target = system.task.target
    if target not in whole.missing or target in _empty(whole):
        return
    yield Measure.counted("missing_labels", whole.missing[target], n=whole.rows)
    counts = _labels(whole, system)
    if not counts:
        return
    yield Measure.counted("classes", len(counts))
    yield _share("minority_share", min(counts.values()), sum(counts.values()))
    positive = plain(system.task.positive_label)
    if system.task.kind == "binary_classification" and positive in counts:
        yield _share("positive_share", counts[positive], sum(counts.values()))


def _labels(whole: Whole, system: System) -> Counts:
    """Return the rows of each label, missing ones left out; nothing for a regression, or where the labels were too many to count."""
    from aims_mlflow.measuring.labels import plain

    found: dict[Any, int] = {}
    for value, count in whole.values.get(system.task.target, {}).items() if system.task.kind != "regression" else ():
        if value is not None:
            found[plain(value)] = found.get(plain(value), 0) + count
    return found


def _one_column(result: CheckResult, whole: Whole, column: str) -> Iterator[Measure]:
    if column in whole.missing and result.measure("completeness") is not None:
        yield _share("completeness", whole.rows - whole.missing[column], whole.rows)
        yield Measure.counted("missing_cells", whole.missing[column], n=whole.rows)


def _groups(whole: Whole, column: str, system: System) -> Iterator[Measure]:
    """Yield the sizes of the groups of a sensitive column, grouped as the checks group them."""
    import numpy as np
    import pandas as pd

    from aims_mlflow.measuring.groups.grouping import DISCLOSURE_MINIMUM, groups_of

    declared: dict[str, str | BinnedColumn] = {one if isinstance(one, str) else one.column: one for one in system.data.sensitive}
    counts = {value: count for value, count in whole.values.get(column, {}).items() if value is not None}
    if column not in declared or not counts:
        return
    # Each value as often as it takes to see whether its group is too small to be named; the sizes are then the engine's.
    times = [min(count, DISCLOSURE_MINIMUM) for count in counts.values()]
    try:
        groups = groups_of(pd.DataFrame({column: pd.Series(list(counts)).repeat(times)}), declared[column])
    except CannotMeasure:
        return
    first = np.cumsum([0, *times[:-1]])
    sizes = [int(size) for size in np.bincount(groups.codes[first], weights=list(counts.values()), minlength=len(groups))]
    yield Measure.counted("groups", len(groups), n=whole.rows)
    yield Measure.counted("missing_group", whole.missing[column], n=whole.rows)
    yield Measure.counted("smallest_group", min(sizes), n=whole.rows)
    for name, size in zip(groups.names, sizes, strict=True):
        yield Measure.counted("group_size", size, n=whole.rows, group=name)


def _content(whole: Whole) -> Iterator[Measure]:
    cells = whole.rows * len(whole.missing)
    yield _share("completeness", cells - sum(whole.missing.values()), cells)
    yield _share("row_uniqueness", whole.different, whole.rows)


def _evenness(result: CheckResult, whole: Whole, system: System) -> Iterator[Measure]:
    from aims_mlflow.measuring.frames.whole import evenness

    counts = list(_labels(whole, system).values())
    if counts and result.measure("balance") is not None:
        yield Measure(name="balance", value=evenness(counts), ci_method=FULL_COUNT, n=sum(counts), unit="share")
        yield _share("minority_share", min(counts), sum(counts))


def _facts(result: CheckResult, whole: Whole) -> dict[str, JsonValue]:
    """Return the facts that name what was counted over all rows."""
    if result.check != "quality" or "column" in result.scope:
        return {}
    return {
        "all_null_columns": [*_empty(whole)],
        "constant_columns": [*whole.constant],
        "missing_by_column": {name: count for name, count in whole.missing.items() if count},
    }
