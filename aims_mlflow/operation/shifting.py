"""How far production data lie from what training recorded: columns, kinds, filled cells, groups and predictions; no rows are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import JsonValue

from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem, Subject
from aims_mlflow.intervals import newcombe_difference
from aims_mlflow.operation.asking import PRODUCTION
from aims_mlflow.operation.recorded import Recorded, chosen_of, groups_of, kind_of

if TYPE_CHECKING:
    from aims_mlflow.observation import Observation

NAME = "monitor"
"""The check name of what monitoring itself measures."""

LEVEL = 0.95
METHOD = "Newcombe's interval of the difference of two shares, Bonferroni's over those of its kind"

SHIFTS = ("completeness_shift", "group_share_shift", "selection_rate_shift")
"""Measures of how far a share lies from what was recorded; each is judged by ``operation.largest_shift`` where that is declared."""


def shift(seen: Observation, results: Sequence[CheckResult], known: Recorded, read: Sequence[str]) -> Iterator[CheckResult]:
    """Compare the production data with what was recorded.

    Args:
        seen: with the data in the role production, if they could be taken.
        results: what the other checks have measured of them.
        known: what was recorded.
        read: the columns that must be there: what the model reads and the sensitive ones.
    """
    data = seen.datasets.get(PRODUCTION)
    scope = {"dataset": PRODUCTION}
    if data is None:
        refused = seen.refused.get(PRODUCTION)
        reason = f"the production data could not be taken{f': {refused.what}' if refused else ''}"
        yield CheckResult(check=NAME, scope=scope, problem=Problem(state="error", reason=reason, fix=refused.fix if refused else ""))
        return
    kinds = {name: kind_of(dtype) for name, dtype in data.fingerprint.dtypes.items()}
    empty = _missing(results)
    rows = data.fingerprint.rows
    absent = [name for name in read if name not in kinds]
    compared = [name for name in read if name in kinds and name in known.kinds and _says(known, name) and empty.get(name, 0) < rows]
    turned = [name for name in compared if kinds[name] != known.kinds[name]]
    facts: dict[str, JsonValue] = {
        "recorded_by": known.run_id,
        "recorded_role": known.role,
        "columns_missing": [*absent],
        "kinds_changed": [f"{name}: {known.kinds[name]} then, {kinds[name]} now" for name in turned],
        "columns_added": [name for name in kinds if known.columns and name not in known.columns],
    }
    measures = [
        Measure.counted("rows", rows),
        Measure.counted("columns_missing", len(absent), n=len(read)),
        *([Measure.counted("kinds_changed", len(turned), n=len(compared))] if compared else []),
    ]
    if known.run_id and not known.why:
        measures.append(Measure.counted("model_files_changed", int(bool(known.changed)), n=1))
        facts["model_files_changed"] = [known.changed] if known.changed else []
    notes = [known.why] if known.why else []
    subjects: tuple[Subject, ...] = (data.subject, *(seen.model.subjects if seen.model else ()))
    yield CheckResult(
        check=NAME,
        scope=scope,
        measures=tuple(measures),
        facts=facts,
        notes=tuple(notes),
        coverage=Coverage(asked=tuple(read), evaluated=tuple(name for name in read if name in kinds)),
        subjects=subjects,
    )
    for one in (*_filled(known, compared, empty, rows), *_grouped(known, results), *_chosen(known, results)):
        yield one.model_copy(update={"subjects": (data.subject,)})


def reference_result(seen: Observation, known: Recorded, digests: Mapping[str, str]) -> CheckResult:
    """Say whether the frame to compare with is one that the training recorded, column by column.

    Args:
        seen: with the data in the roles production and reference.
        known: what was recorded.
        digests: column -> sha256 of the reference.
    """
    scope = {"dataset": "reference"}
    given, batch = seen.datasets.get("reference"), seen.datasets.get(PRODUCTION)
    if given is None:
        refused = seen.refused.get("reference")
        reason = f"the reference could not be taken{f': {refused.what}' if refused else ''}"
        return CheckResult(check=NAME, scope=scope, problem=Problem(state="error", reason=reason, fix=refused.fix if refused else ""))
    if batch is not None and (
        given.fingerprint.sha256 == batch.fingerprint.sha256 or _same_content(digests, batch.fingerprint.column_digests)
    ):
        reason = "the reference holds the same rows as the production data, so that nothing could have drifted"
        return CheckResult(
            check=NAME, scope=scope, problem=Problem(state="error", reason=reason, fix="give the training data as reference")
        )
    best = max(((sum(digests.get(c) == d for c, d in of.items()), len(of), role) for role, of in known.digests.items()), default=(0, 0, ""))
    facts: dict[str, JsonValue] = {"recorded_role": best[2] if best[0] else "", "columns_as_recorded": best[0], "columns_recorded": best[1]}
    return CheckResult(
        check=NAME,
        scope=scope,
        measures=(Measure.counted("reference_known", int(0 < best[0] == best[1]), n=1),),
        facts=facts,
        subjects=(given.subject,),
    )


def _same_content(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether the columns that two frames share are the same, all of them, and there are any."""
    shared = set(one) & set(other)
    return bool(shared) and all(one[name] == other[name] for name in shared)


def _says(known: Recorded, name: str) -> bool:
    """Whether a recorded column had any value, so that its dtype says what it holds."""
    return known.kinds[name] != "nothing" and (not known.missing or known.missing.get(name, 0) < known.rows)


def _missing(results: Sequence[CheckResult]) -> dict[str, int]:
    """Return how many cells of each column are empty, as the quality check counted them; a full column is not named."""
    for result in results:
        told = result.facts.get("missing_by_column")
        if result.check == "quality" and result.scope == {"dataset": PRODUCTION} and isinstance(told, dict):
            return {name: count for name, count in told.items() if isinstance(count, int)}
    return {}


def _share_shift(name: str, now: tuple[int, int], then: tuple[int, int], family: int, group: str | None = None) -> Measure:
    """Return how far a share lies from what it was, with an interval that holds for all of its family together."""
    value = abs(now[0] / now[1] - then[0] / then[1])
    low, high = newcombe_difference(*now, *then, 1 - (1 - LEVEL) / max(family, 1))
    near = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    far = max(abs(low), abs(high), value)
    return Measure(name=name, value=value, ci_low=min(near, value), ci_high=far, ci_method=METHOD, n=min(now[1], then[1]), group=group)


def _filled(known: Recorded, names: Sequence[str], empty: Mapping[str, int], rows: int) -> Iterator[CheckResult]:
    if not known.missing or not known.rows or not rows:
        return
    for name in names:
        now, then = (rows - empty.get(name, 0), rows), (known.rows - known.missing.get(name, 0), known.rows)
        scope = {"dataset": PRODUCTION, "column": name}
        yield CheckResult(check=NAME, scope=scope, measures=(_share_shift("completeness_shift", now, then, len(names)),))


def _grouped(known: Recorded, results: Sequence[CheckResult]) -> Iterator[CheckResult]:
    for column, now in groups_of(results, PRODUCTION).items():
        then = known.groups.get(column, {})
        names = sorted({*now, *then})
        rows, before = sum(now.values()), sum(then.values())
        if not then or not rows or not before or any(name.startswith("withheld-") for name in names):
            continue  # groups too small to be named cannot be told from each other
        measures = tuple(
            _share_shift("group_share_shift", (now.get(g, 0), rows), (then.get(g, 0), before), len(names), group=g) for g in names
        )
        yield CheckResult(check=NAME, scope={"dataset": PRODUCTION, "column": column}, measures=measures)


def _chosen(known: Recorded, results: Sequence[CheckResult]) -> Iterator[CheckResult]:
    now = chosen_of(results, PRODUCTION)
    if now is not None and known.chosen is not None:
        measure = _share_shift("selection_rate_shift", now, known.chosen, 1)
        yield CheckResult(check=NAME, scope={"dataset": PRODUCTION}, measures=(measure,))
