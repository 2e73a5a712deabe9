"""Quality (A.7.4): what Great Expectations says of each dataset, and its completeness, duplicates, balance and group sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.observation import Dataset, Observation
from aims_mlflow.registry import check
from aims_mlflow.system import BinnedColumn, Expectation, expectation_id

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.measuring.expectations.evaluating import Outcome, Suite

UNLABELLED = ("production", "reference")
"""Roles whose data may come without the target."""

METRICS = (
    "met_share",
    "expectations_evaluated",
    "expectations_failed",
    "element_count",
    "unexpected_count",
    "missing_count",
    "rows",
    "columns",
    "completeness",
    "missing_cells",
    "duplicate_rows",
    "duplicate_share",
    "all_null_columns",
    "constant_columns",
    "missing_labels",
    "classes",
    "minority_share",
    "positive_share",
    "group_size",
    "groups",
    "smallest_group",
    "missing_group",
)


@check("quality", controls=["A.7.4"], objectives=["C.2.3"], metrics=METRICS)
def quality(seen: Observation) -> Iterator[CheckResult]:
    """Measure every dataset seen, and evaluate the expectations asked of it. A question about data that were not seen is a problem."""
    for role, dataset in seen.datasets.items():
        try:
            seen.dataset(role)
            column_names(dataset.frame)
        except CannotMeasure as problem:
            yield CheckResult(check="quality", scope={"dataset": role}, problem=Problem.of(problem))
        else:
            yield _table(seen, dataset)
            yield from _columns(seen, dataset)
            yield from _expected(seen, dataset)
    yield from _unseen(seen)


def _share(name: str, count: int, n: int) -> Measure:
    """Return an exact share; without a denominator it is not defined."""
    return Measure(name=name, value=count / n if n else None, count=count, n=n, ci_method=FULL_COUNT, unit="share")


# --- our own measures -------------------------------------------------------------------------------------------------------


def _table(seen: Observation, dataset: Dataset) -> CheckResult:
    """Measure the whole frame, and the balance of its labels where it has them."""
    from aims_mlflow.measuring.frames.whole import duplicate_rows, missing_cells

    frame, columns = dataset.frame, column_names(dataset.frame)
    rows = len(frame)
    missing = missing_cells(seen, dataset.role)
    empty = [name for name in columns if missing[name] == rows]
    constant = [name for name in columns if not missing[name] and _is_constant(frame[name], name)]
    duplicates = duplicate_rows(seen, dataset.role)
    cells = rows * len(columns)
    measures = [
        Measure.counted("rows", rows),
        Measure.counted("columns", len(columns)),
        _share("completeness", cells - sum(missing.values()), cells),
        Measure.counted("missing_cells", sum(missing.values()), n=cells),
        Measure.counted("duplicate_rows", duplicates, n=rows),
        _share("duplicate_share", duplicates, rows),
        Measure.counted("all_null_columns", len(empty), n=len(columns)),
        Measure.counted("constant_columns", len(constant), n=len(columns)),
    ]
    facts: dict[str, JsonValue] = {"all_null_columns": [*empty], "constant_columns": [*constant]}
    facts["missing_by_column"] = {name: count for name, count in missing.items() if count}
    target = seen.system.task.target
    if target in columns and target not in empty:
        measures += _balance(seen, frame[target])
    return CheckResult(
        check="quality",
        scope={"dataset": dataset.role},
        measures=tuple(measures),
        facts=facts,
        coverage=Coverage(asked=columns, evaluated=columns),
        subjects=(dataset.subject,),
    )


def _is_constant(column: pd.Series[Any], name: str) -> bool:
    """Return whether a column without missing values holds one value only; most columns show that they do not at once."""
    from aims_mlflow.measuring.frames.rows import row_hashes

    for part in (column.iloc[:1000], column):
        hashes = row_hashes(part.to_frame(), (name,))
        if (hashes != hashes[:1]).any():
            return False
    return True


def _balance(seen: Observation, column: pd.Series[Any]) -> Iterator[Measure]:
    """Measure how a target's labels are spread; a regression's target has none."""
    from aims_mlflow.measuring.frames.whole import label_counts
    from aims_mlflow.measuring.labels import labels_of, plain

    task = seen.system.task
    yield Measure.counted("missing_labels", int(column.isna().sum()), n=len(column))
    if task.kind == "regression":
        return
    counts, labels = label_counts(column), labels_of(column.to_numpy())
    yield Measure.counted("classes", len(counts))
    yield _share("minority_share", min(counts), sum(counts))
    if task.kind == "binary_classification" and plain(task.positive_label) in labels.known:
        yield _share("positive_share", counts[labels.code(task.positive_label)], sum(counts))


def _columns(seen: Observation, dataset: Dataset) -> Iterator[CheckResult]:
    """Measure the sensitive columns, those that a requirement names, and report a target that cannot be used."""
    role, names = dataset.role, column_names(dataset.frame)
    scope = {"dataset": role}
    sensitive: dict[str, str | BinnedColumn] = {one if isinstance(one, str) else one.column: one for one in seen.system.data.sensitive}
    asked = [r.column for r in seen.asked("quality") if r.column and r.metric and r.dataset in ("", role)]
    for name in dict.fromkeys([*sensitive, *asked]):
        try:
            if name not in names:
                raise CannotMeasure(
                    f"the column {name!r} is not in the {role} data", fix=f"keep {name!r} in the frame, or ask nothing of it"
                )
            sizes, notes = _group_sizes(dataset.frame, sensitive[name]) if name in sensitive else ([], [])
            measures = [*(_one_column(dataset, name) if name in asked else ()), *sizes]
        except CannotMeasure as problem:
            yield CheckResult(check="quality", scope={**scope, "column": name}, problem=Problem.of(problem))
        else:
            yield CheckResult(
                check="quality",
                scope={**scope, "column": name},
                measures=tuple(measures),
                notes=tuple(notes),
                coverage=Coverage(asked=(name,), evaluated=(name,)),
                subjects=(dataset.subject,),
            )
    found = _target_problem(seen, dataset, names)
    if found is not None and seen.system.task.target not in (*sensitive, *asked):
        yield CheckResult(check="quality", scope={**scope, "column": seen.system.task.target}, problem=Problem.of(found))


def _one_column(dataset: Dataset, name: str) -> list[Measure]:
    rows, missing = len(dataset.frame), int(dataset.frame[name].isna().sum())
    return [_share("completeness", rows - missing, rows), Measure.counted("missing_cells", missing, n=rows)]


def _group_sizes(frame: pd.DataFrame, sensitive: str | BinnedColumn) -> tuple[list[Measure], list[str]]:
    """Count the rows of each group of a sensitive column; a row without a group is counted apart."""
    from aims_mlflow.measuring.groups.grouping import groups_of

    column = frame[sensitive if isinstance(sensitive, str) else sensitive.column]
    known = column[column.notna()]
    if known.empty:
        raise CannotMeasure(
            f"every value of the sensitive column {column.name!r} is missing", fix="fill it, or take it out of data.sensitive"
        )
    groups, missing = groups_of(known.to_frame(), sensitive), len(column) - len(known)
    measures = [
        Measure.counted("groups", len(groups), n=len(column)),
        Measure.counted("missing_group", missing, n=len(column)),
        Measure.counted("smallest_group", min(groups.sizes), n=len(column)),
        *(Measure.counted("group_size", size, n=len(column), group=name) for name, size in zip(groups.names, groups.sizes, strict=True)),
    ]
    return measures, [f"{missing} rows have no group, since their {column.name} is missing"] if missing else []


def _target_problem(seen: Observation, dataset: Dataset, names: tuple[str, ...]) -> CannotMeasure | None:
    """Return why the target of a dataset cannot be used, or None."""
    from aims_mlflow.measuring.labels import labels_of, plain

    task, role = seen.system.task, dataset.role
    if task.target not in names:
        if role in UNLABELLED:
            return None
        return CannotMeasure(f"the target {task.target!r} is not in the {role} data", fix="keep it in the frame, or correct task.target")
    column = dataset.frame[task.target]
    if column.isna().all():
        return CannotMeasure(f"every value of the target {task.target!r} is missing in the {role} data", fix="pass data with labels")
    if task.kind != "binary_classification":
        return None
    try:
        known = labels_of(column.to_numpy()).known
    except CannotMeasure as problem:
        return problem
    if plain(task.positive_label) in known:
        return None
    what = f"task.positive_label is none of the {len(known)} labels of {task.target!r} in the {role} data"
    return CannotMeasure(what, fix="write it as it stands in the data, quotes included: 1 is a number, '1' is text")


# --- Great Expectations -----------------------------------------------------------------------------------------------------


def _expected(seen: Observation, dataset: Dataset) -> Iterator[CheckResult]:
    """Evaluate every expectation and suite asked of a dataset, all of them in one pass."""
    from aims_mlflow.measuring.expectations.asked import answers

    scope, found = {"dataset": dataset.role}, answers(seen, dataset.role)
    for path, problem in found.unreadable.items():
        yield CheckResult(check="quality", scope={**scope, "suite": path}, problem=Problem.of(problem))
    for name, (expectation, outcome) in found.single.items():
        yield _over(_one(dataset, expectation, {**scope, "expectation": name}, outcome), whole=found.over_all_rows)
    for path, (suite, outcomes) in found.suites.items():
        yield _over(_suite(dataset, suite, {**scope, "suite": path}, outcomes), whole=found.over_all_rows)


def _over(result: CheckResult, *, whole: bool) -> CheckResult:
    """Name the measures in the facts where the engine that holds the data counted all rows for them."""
    if not whole:
        return result
    names: list[JsonValue] = [m.name for m in result.measures]
    return result.model_copy(update={"facts": {**result.facts, OVER_ALL_ROWS: names}})


def _one(dataset: Dataset, expectation: Expectation, scope: dict[str, str], outcome: Outcome) -> CheckResult:
    name = scope["expectation"]
    if outcome.problem is not None:
        return CheckResult(
            check="quality", scope=scope, coverage=Coverage(asked=(name,)), subjects=(dataset.subject,), problem=Problem.of(outcome.problem)
        )
    counts = outcome.counts or {}
    return CheckResult(
        check="quality",
        scope=scope,
        measures=(
            Measure.counted("met_share", int(bool(outcome.met)), n=1, unit="share"),
            *(Measure.counted(key, count) for key, count in counts.items()),
        ),
        facts={"type": expectation.type},
        coverage=Coverage(asked=(name,), evaluated=(name,)),
        subjects=(dataset.subject,),
    )


def _suite(dataset: Dataset, suite: Suite, scope: dict[str, str], outcomes: list[Outcome]) -> CheckResult:
    """Sum a suite up. One expectation without an answer leaves the suite without one: the rest may not pass for the whole."""
    names = [expectation_id(one) for one in suite.expectations]
    answered = [outcome for outcome in outcomes if outcome.problem is None]
    met = sum(bool(outcome.met) for outcome in answered)
    facts: dict[str, JsonValue] = {
        "sha256": suite.sha256,
        "expectations": [
            {"expectation": name, "met": outcome.met, "problem": "" if outcome.problem is None else outcome.problem.what}
            for name, outcome in zip(names, outcomes, strict=True)
        ],
    }
    problem = None
    if len(answered) < len(outcomes):
        first = next(Problem.of(outcome.problem) for outcome in outcomes if outcome.problem is not None)
        reason = f"{len(outcomes) - len(answered)} of {len(outcomes)} expectations could not be evaluated; the first: {first.reason}"
        problem = Problem(state=first.state, reason=reason, fix=first.fix)
    return CheckResult(
        check="quality",
        scope=scope,
        measures=(
            _share("met_share", met, len(answered)),
            Measure.counted("expectations_evaluated", len(answered), n=len(outcomes)),
            Measure.counted("expectations_failed", len(answered) - met, n=len(answered)),
        ),
        facts=facts,
        coverage=Coverage(asked=tuple(names), evaluated=tuple(name for name, o in zip(names, outcomes, strict=True) if o.problem is None)),
        subjects=(dataset.subject,),
        problem=problem,
    )


def _unseen(seen: Observation) -> Iterator[CheckResult]:
    """Report what was asked of data that were not seen."""
    for requirement in seen.asked("quality"):
        if requirement.dataset and requirement.dataset not in seen.datasets:
            try:
                seen.dataset(requirement.dataset)
            except CannotMeasure as problem:
                yield CheckResult(check="quality", scope=requirement.scope, problem=Problem.of(problem))
    if not seen.datasets:
        reason = "no data were seen in this run"
        yield CheckResult(check="quality", problem=Problem(state="missing", reason=reason, fix="pass the frames that data.roles names"))
