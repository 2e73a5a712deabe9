"""Provenance (A.7.5): what every dataset is, by a digest of its whole content, and whether that is what was declared."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from aims_mlflow.describing import address, said, source_of
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Dataset, Observation
from aims_mlflow.registry import check

DECLARED_ROLES = ("train", "validation")
"""Roles whose source must be declared: what the model learns from. Test data are usually split off from it."""

ALWAYS = ("train", "test")
"""Roles that every run must show."""

LATER = ("production",)
"""Roles that no training run can show: their data come after deployment."""

METRICS = ("fingerprinted", "source_declared", "digest_mismatch", "rows", "columns", "roles_missing", "roles_seen")


@check("provenance", controls=["A.7.5", "A.7.2", "A.4.3"], objectives=["C.2.1"], metrics=METRICS)
def provenance(seen: Observation) -> Iterator[CheckResult]:
    """Measure, for each dataset seen, whether its content is known by digest and is what was declared; then which roles are missing.

    ``digest_mismatch`` counts two disagreements: the declared ``source.sha256`` is another one, and the frame's content is no
    longer what it was when it was handed over (its fingerprint is taken again here).
    """
    for dataset in seen.datasets.values():
        yield _traced(seen, dataset)
    yield _inventory(seen)


def _traced(seen: Observation, dataset: Dataset) -> CheckResult:
    role = dataset.role
    try:
        seen.dataset(role)
        now = fingerprint(dataset.frame)
    except CannotMeasure as problem:
        return CheckResult(check="provenance", scope={"dataset": role}, problem=Problem.of(problem))
    then = dataset.fingerprint
    source = source_of(seen, role)
    changed = now.sha256 != dataset.frame_sha256
    disagrees = bool(source.sha256) and source.sha256 != then.sha256
    notes = [dataset.note] if dataset.note else []
    if changed:
        parts = _changed_columns(then.column_digests, now.column_digests)
        notes.append(f"the frame was changed in place after it was handed over ({parts}): pass a copy, or change a copy")
    if disagrees:
        notes.append(f"the content is not what data.sources.{role}.sha256 declares: use the declared data, or declare these")
    measures = [
        Measure.counted("fingerprinted", 1, n=1),
        Measure.counted("digest_mismatch", int(changed) + int(disagrees), n=1 + bool(source.sha256)),
        Measure.counted("rows", then.rows),
        Measure.counted("columns", len(then.columns)),
    ]
    if role in DECLARED_ROLES:
        declared = said(source.uri)
        measures.append(Measure.counted("source_declared", int(declared), n=1))
        if not declared:
            notes.append(f"nobody has said where the data came from: add uri under data.sources.{role}")
    facts: dict[str, JsonValue] = {
        "digest_mismatch": [*(["the frame as it was handed over"] if changed else []), *(["the declared sha256"] if disagrees else [])],
        "algorithm": then.algorithm,
        "sha256": then.sha256,
        "columns": [{"name": name, "dtype": then.dtypes[name], "sha256": then.column_digests.get(name, "")} for name in then.columns],
        "declared_sha256": source.sha256,
        "uri": address(source.uri),
        "derived_from": [address(parent) for parent in source.derived_from],
    }
    return CheckResult(
        check="provenance",
        scope={"dataset": role},
        measures=tuple(measures),
        facts=facts,
        notes=tuple(notes),
        coverage=Coverage(asked=then.columns, evaluated=then.columns),
        subjects=(dataset.subject,),
    )


def _changed_columns(then: object, now: object) -> str:
    before = dict(then) if isinstance(then, dict) else {}
    after = dict(now) if isinstance(now, dict) else {}
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f"columns {', '.join(names)}" if names else "the order or number of its rows"


def _inventory(seen: Observation) -> CheckResult:
    """Measure which of the roles that a training run must show were not seen."""
    declared = [role for role in seen.system.data.roles if role not in LATER]
    wanted = list(dict.fromkeys([*ALWAYS, *declared]))
    missing = [role for role in wanted if role not in seen.datasets]
    notes = [f"no {role} data was seen: {seen.how_to_give(role)}" for role in missing]
    notes += [f"{role} data come after deployment; this run is not asked for them" for role in LATER if role in seen.system.data.roles]
    facts: dict[str, JsonValue] = {"roles_missing": [*missing], "roles_seen": [*seen.datasets]}
    ranks = seen.run.ranks
    if ranks is not None:
        facts |= {"processes": ranks.of, "processes_silent": [*ranks.silent]}
        if ranks.silent:
            few = ", ".join(str(number) for number in ranks.silent[:8])
            notes.append(
                f"{len(ranks.silent)} of {ranks.of} processes that trained together did not say what data they were given (ranks {few}): "
                "call the tracked function on each, with AIMS_HOME in a folder that they share"
            )
    return CheckResult(
        check="provenance",
        measures=(
            Measure.counted("roles_missing", len(missing), n=len(wanted)),
            Measure.counted("roles_seen", len(seen.datasets)),
        ),
        facts=facts,
        notes=tuple(notes),
        coverage=Coverage(asked=tuple(wanted), evaluated=tuple(role for role in wanted if role not in missing)),
        subjects=tuple(dataset.subject for dataset in seen.datasets.values()),
    )
