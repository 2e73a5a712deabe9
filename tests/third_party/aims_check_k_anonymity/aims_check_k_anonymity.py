"""k-anonymity (A.7.4): how many people share each combination of the columns by which somebody could be recognised."""

from __future__ import annotations

from collections.abc import Iterator

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check

NAME = "privacy.k_anonymity"
DEFAULT_ROLE = "train"
BETWEEN = " & "
"""Stands between the names of several columns, as in the system file's ``column: age & town``."""


@check(NAME, controls=["A.7.4"], objectives=["C.2.7"], metrics=["smallest_class", "classes", "unique_rows", "unique_share"], seconds=60)
def k_anonymity(seen: Observation) -> Iterator[CheckResult]:
    """Count the rows of each equivalence class (Sweeney 2002) over the quasi-identifiers, in the train data or those asked about.

    Quasi-identifiers are the columns that a requirement names (``column: age & town``), else the declared sensitive columns, all of
    them together. ``smallest_class`` is k, ``unique_rows`` are alone in theirs. A missing cell is a value like any other.
    """
    questions = [(r.dataset or DEFAULT_ROLE, r.column) for r in seen.asked(NAME)]
    for role, column in dict.fromkeys([(DEFAULT_ROLE, ""), *questions]):
        names = tuple(column.split(BETWEEN)) if column else seen.system.data.sensitive_columns
        scope = {"dataset": role, **({"column": column} if column else {})}
        try:
            yield _counted(seen, role, names, scope)
        except CannotMeasure as problem:
            yield CheckResult(check=NAME, scope=scope, problem=Problem.of(problem))


def _counted(seen: Observation, role: str, names: tuple[str, ...], scope: dict[str, str]) -> CheckResult:
    dataset = seen.dataset(role)  # raises CannotMeasure where there are no such data, or no rows
    if not names:
        raise CannotMeasure(
            "no quasi-identifier is named",
            state="missing",
            fix="write column: <one> & <other> in the requirement, or declare data.sensitive",
        )
    absent = [name for name in names if name not in column_names(dataset.frame)]
    if absent:
        raise CannotMeasure(
            f"{len(absent)} of {len(names)} quasi-identifiers are not in the {role} data: {', '.join(absent)}",
            fix="correct column in the requirement, or keep the columns in the frame",
        )
    try:
        sizes = dataset.frame.groupby(list(names), dropna=False, observed=True, sort=False).size()
    except TypeError:
        raise CannotMeasure("a quasi-identifier holds cells that cannot be compared, such as lists", fix="give single values") from None
    rows, unique = int(sizes.sum()), int((sizes == 1).sum())
    return CheckResult(
        check=NAME,
        scope=scope,
        measures=(
            Measure.counted("smallest_class", int(sizes.min()), n=rows),
            Measure.counted("classes", len(sizes), n=rows),
            Measure.counted("unique_rows", unique, n=rows),
            Measure(name="unique_share", value=unique / rows, count=unique, n=rows, ci_method=FULL_COUNT, unit="share"),
        ),
        facts={"quasi_identifiers": [*names]},
        notes=(f"{unique} rows are alone in their class: anybody who knows these columns of a person finds the row",) if unique else (),
        coverage=Coverage(asked=names, evaluated=names),
        subjects=(dataset.subject,),
    )
