"""Personal data (A.7.4, A.7.3): columns that look like personal data, against what is declared. A heuristic, and said to be one."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from aims_mlflow.describing import source_of, source_role
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.measuring.frames.personal_patterns import CELLS, SEED, Suspicion, suspicions
from aims_mlflow.observation import Dataset, Observation
from aims_mlflow.registry import check

HEURISTIC = (
    "a heuristic: patterns in column names and in a sample of cells, which miss personal data (names in free text, anything encoded) "
    "and suspect some columns wrongly; it neither shows that data are personal nor that they are not"
)

METRICS = ("suspected_columns", "columns_scanned", "undeclared_suspected_columns")


@check("personal_data", controls=["A.7.4", "A.7.3"], objectives=["C.2.7"], metrics=METRICS)
def personal_data(seen: Observation) -> Iterator[CheckResult]:
    """Look for columns that may hold personal data, in every dataset seen: a heuristic.

    ``suspected_columns`` counts them; ``undeclared_suspected_columns`` counts them where the data are not declared to hold
    personal data, and is 0 where they are.
    """
    for role, dataset in seen.datasets.items():
        try:
            seen.dataset(role)
            yield _scanned(seen, dataset)
        except CannotMeasure as problem:
            yield CheckResult(check="personal_data", scope={"dataset": role}, problem=Problem.of(problem))
    for requirement in seen.asked("personal_data"):
        if requirement.dataset and requirement.dataset not in seen.datasets:
            try:
                seen.dataset(requirement.dataset)
            except CannotMeasure as problem:
                yield CheckResult(check="personal_data", scope=requirement.scope, problem=Problem.of(problem))
    if not seen.datasets:
        reason = "no data were seen in this run"
        fix = "pass the frames that data.roles names"
        yield CheckResult(check="personal_data", problem=Problem(state="missing", reason=reason, fix=fix))


def _scanned(seen: Observation, dataset: Dataset) -> CheckResult:
    columns = column_names(dataset.frame)
    found = {name: kinds for name in columns if (kinds := suspicions(dataset.frame[name], name))}
    declared = source_of(seen, source_role(seen, dataset.role)).personal_data
    undeclared = 0 if declared else len(found)
    facts: dict[str, JsonValue] = {
        "suspected": {name: [_fact(one) for one in kinds] for name, kinds in found.items()},
        "declared_personal_data": declared,
        "cells_per_column": CELLS,
        "seed": SEED,
        "how": HEURISTIC,
    }
    return CheckResult(
        check="personal_data",
        scope={"dataset": dataset.role},
        measures=(
            Measure.counted("suspected_columns", len(found), n=len(columns)),
            Measure.counted("columns_scanned", len(columns), n=len(columns)),
            Measure.counted("undeclared_suspected_columns", undeclared, n=len(columns)),
        ),
        facts={**facts, "undeclared_suspected_columns": [*found] if undeclared else []},
        notes=(HEURISTIC, *_said(dataset.role, list(found), declared)),
        coverage=Coverage(asked=columns, evaluated=columns),
        subjects=(dataset.subject,),
    )


def _fact(suspicion: Suspicion) -> dict[str, JsonValue]:
    share: dict[str, JsonValue] = {} if suspicion.share is None else {"share": suspicion.share}
    return {"kind": suspicion.kind, "by": suspicion.by, **share}


def _said(role: str, found: list[str], declared: bool | None) -> Iterator[str]:
    if found and not declared:
        said = "declared not to hold personal data" if declared is False else "not declared to hold personal data, or not to"
        yield (
            f"the {role} data are {said}, and {len(found)} columns are suspected of it ({', '.join(found[:10])}): drop or pseudonymise "
            f"them, or declare data.sources.{role}.personal_data: true in aims.yaml"
        )
    elif declared and not found:
        yield f"the {role} data are declared to hold personal data; no column is suspected of it, which shows nothing"
