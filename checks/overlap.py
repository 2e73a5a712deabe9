"""Overlap (A.7.2, A.6.2.4): rows that one dataset shares with another, such as test rows the model has been trained on."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from aims_mlflow.engines.shared import BY_KEYS, Shared, shared_rows
from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import column_names
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check

ALWAYS = ("train", "test")
"""The pair that every run is asked about."""


@check("overlap", controls=["A.7.2", "A.6.2.4"], objectives=["C.2.3"], metrics=("shared_rows", "shared_share", "identical"))
def overlap(seen: Observation) -> Iterator[CheckResult]:
    """Count the rows that each asked pair of datasets shares, over all columns, target included; order of columns aside."""
    pairs = [ALWAYS, *(tuple(r.datasets) for r in seen.asked("overlap") if r.datasets)]
    for pair in dict.fromkeys(pairs):
        scope = {"datasets": ",".join(pair)}
        try:
            yield _shared(seen, pair, scope)
        except CannotMeasure as problem:
            yield CheckResult(check="overlap", scope=scope, problem=Problem.of(problem))


def _shared(seen: Observation, pair: tuple[str, ...], scope: dict[str, str]) -> CheckResult:
    """Count the rows of the second dataset that stand in the first.

    ``shared_rows`` counts rows of the second that equal some row of the first in every column, each as often as it stands in
    the second; ``shared_share`` is their share of its rows; ``identical`` is 1 where both hold the same rows equally often,
    in any order.
    """
    if len(pair) != 2 or pair[0] == pair[1]:
        raise CannotMeasure("overlap is asked of two different data roles", fix="write datasets: [train, test]")
    first, second = (seen.dataset(role) for role in pair)
    columns = column_names(second.frame)
    different = sorted(set(columns).symmetric_difference(column_names(first.frame)))
    if different:
        raise CannotMeasure(
            f"the {pair[0]} and {pair[1]} data have different columns ({len(different)} stand in one only: {', '.join(different[:10])})",
            fix="pass both frames with the same columns, target included",
        )
    if not columns:
        raise CannotMeasure("the data have no columns", fix="pass frames with columns")
    found, facts, notes = _counted(seen, pair, columns)
    where = f"{found.shared} rows of the {pair[1]} data stand in the {pair[0]} data too"
    if found.shared:
        notes = (f"{where}: drop them from one, or let a named waiver say why equal rows are different cases", *notes)
    return CheckResult(
        check="overlap",
        scope=scope,
        measures=(
            Measure.counted("shared_rows", found.shared, n=found.rows),
            Measure(
                name="shared_share", value=found.shared / found.rows, count=found.shared, n=found.rows, ci_method=FULL_COUNT, unit="share"
            ),
            Measure.counted("identical", int(found.identical), n=1),
        ),
        facts=facts,
        notes=notes,
        coverage=Coverage(asked=columns, evaluated=columns),
        subjects=(first.subject, second.subject),
    )


def _counted(seen: Observation, pair: tuple[str, ...], columns: tuple[str, ...]) -> tuple[Shared, dict[str, JsonValue], tuple[str, ...]]:
    """Count on the frames, or, where they are samples, over all rows; what cannot be, on the samples after all."""
    import numpy as np

    from aims_mlflow.measuring.frames.rows import hashes_of, ids_of

    first, second = (seen.dataset(role) for role in pair)
    notes: tuple[str, ...] = ()
    if any(one.whole is not None and not one.whole.complete for one in (first, second)):
        try:
            names: list[JsonValue] = ["shared_rows", "shared_share", "identical"]
            return shared_rows(first, second, columns), {OVER_ALL_ROWS: names}, (BY_KEYS,)
        except CannotMeasure as problem:
            notes = (f"the rows were not compared over all of them: {problem.what}",)
    known, asked = ids_of([hashes_of(seen, role, columns) for role in pair])
    often = np.bincount(known, minlength=len(known) + len(asked))
    same = np.array_equal(often, np.bincount(asked, minlength=len(often)))
    return Shared(int(np.count_nonzero(often[asked])), len(asked), bool(same)), {}, notes
