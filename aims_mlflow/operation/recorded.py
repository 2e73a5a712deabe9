"""What the evidence of a model's training recorded of its data: no rows, but columns, kinds, filled cells, groups and selection rates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.capture.making import source_run
from aims_mlflow.errors import ConfigurationError, StoreError, VerificationError
from aims_mlflow.gate import file_differences
from aims_mlflow.pointing import evidence_run
from aims_mlflow.signing import open_bundle

if TYPE_CHECKING:
    from aims_mlflow.evidence import CheckResult
    from aims_mlflow.signing import Trust
    from aims_mlflow.store import Store, VersionView
    from aims_mlflow.system import System

LEARNT_FROM = ("train", "reference", "test")
"""The roles in which the data that production is compared with are looked for, in this order."""

_KINDS = {
    "number": re.compile(r"u?int|double|float|halffloat|decimal|bool"),
    "text": re.compile(r"string|large_string|utf8"),
    "time": re.compile(r"timestamp|date|time|duration"),
}


@dataclass(frozen=True)
class Recorded:
    """What is known of the data that a model learnt from and was tested on.

    ``kinds``: column -> number, text, time or other; ``missing``: column -> empty cells of ``rows``. ``digests``: role -> column ->
    sha256. ``chosen``: on how many of how many test rows the favourable outcome was predicted. ``groups``: sensitive column -> group ->
    test rows. ``why``: what kept the evidence from being found or believed; ``changed``: what differs between the model's files now
    and then.
    """

    run_id: str = ""
    role: str = ""
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    chosen: tuple[int, int] | None = None
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    why: str = ""
    changed: str = ""


def what_was_recorded(uri: str, version: VersionView | None, system: System, trust: Trust, store: Store) -> Recorded:
    """Return what the signed evidence of the model recorded; with ``why`` where there is none to believe.

    Raises:
        ConfigurationError: the evidence is of another system.
        StoreError: MLflow does not answer.
    """
    run = source_run(uri, store) if version is None else None
    run_id = evidence_run(store, version) if version is not None else (run.run_id if run else "")
    if not run_id:
        return Recorded(why="no run is known that made the model")
    try:
        content = store.read(run_id, BUNDLE_PATH)
    except StoreError:
        return Recorded(why=f"run {run_id} has left no evidence")
    try:
        bundle, verified = open_bundle(content, trusted=system.gate.trusted_keys, keyring=trust.keyring())
    except VerificationError as error:
        return Recorded(why=f"the evidence of run {run_id} cannot be believed: {error.what}")
    unknown = trust.blocker(verified, "evidence", bundle.run.finished, dated=bundle.run.finished)
    if unknown is not None:
        return Recorded(why=f"the evidence of run {run_id} cannot be believed: {unknown.reason}")
    if bundle.run.run_id != run_id or bundle.run.kind == "monitoring":
        return Recorded(why=f"the evidence in run {run_id} is not of the training")
    if bundle.system_id != system.id:
        raise ConfigurationError(
            f"the model's evidence is of the system {bundle.system_id!r}, the system file of {system.id!r}",
            fix="pass the system file of the system that is in operation",
        )
    found = facts_of(bundle)
    if bundle.model is None:
        return Recorded(run_id=run_id, why=f"the evidence of run {run_id} is of no model")
    changed = file_differences(bundle.model, store.model_files(version or uri))
    return Recorded(**{**vars(found), "changed": changed})


def facts_of(bundle: Bundle) -> Recorded:
    """Return what a bundle says of its data."""
    known = {data.role: data for data in bundle.datasets}
    role = next((one for one in LEARNT_FROM if one in known), "")
    if not role:
        return Recorded(run_id=bundle.run.run_id, why="the evidence of the training names no data")
    data = known[role]
    quality = {r.scope["dataset"]: r for r in bundle.results if r.check == "quality" and set(r.scope) == {"dataset"}}
    told = quality[role].facts.get("missing_by_column") if role in quality and quality[role].problem is None else None
    missing = {column: int(told.get(column, 0)) for column in data.columns} if isinstance(told, dict) else {}  # type: ignore[arg-type]
    return Recorded(
        run_id=bundle.run.run_id,
        role=role,
        columns=data.columns,
        kinds={column: kind_of(dtype) for column, dtype in zip(data.columns, data.dtypes, strict=True)},
        missing=missing,
        rows=data.rows,
        digests={r.scope["dataset"]: _digests(r.facts) for r in bundle.results if r.check == "provenance" and "dataset" in r.scope},
        chosen=chosen_of(bundle.results, "test"),
        groups=groups_of(bundle.results, "test"),
    )


def chosen_of(results: Sequence[CheckResult], role: str) -> tuple[int, int] | None:
    """Return on how many of how many rows of a role the favourable outcome was predicted, from the rates of groups; None: not known."""
    for result in results:
        if result.check == "fairness" and result.scope.get("dataset") == role and " & " not in result.scope.get("column", " & "):
            rates = result.groups("selection_rate").values()
            if rates and all(m.count is not None and m.n for m in rates):
                return sum(m.count or 0 for m in rates), sum(m.n or 0 for m in rates)
    return None


def groups_of(results: Sequence[CheckResult], role: str) -> dict[str, dict[str, int]]:
    """Return how many rows of a role each group of each sensitive column has; empty where that is not known."""
    sizes: dict[str, dict[str, int]] = {}
    for result in results:
        column = result.scope.get("column", "")
        if result.check == "fairness" and result.scope.get("dataset") == role and column and " & " not in column:
            counted = {g: int(m.value) for g, m in result.groups("group_size").items() if m.value is not None}
            if counted:
                sizes[column] = counted
    return sizes


def kind_of(dtype: str) -> str:
    """Return what a column of a canonical dtype holds: number (truth values too), text, time, nothing or other."""
    inner = re.sub(r"^(object|category)<(.*)>$", r"\2", dtype)
    if inner == "null":
        return "nothing"
    return next((kind for kind, pattern in _KINDS.items() if pattern.match(inner)), "other")


def _digests(facts: Mapping[str, Any]) -> dict[str, str]:
    listed = facts.get("columns")
    columns = listed if isinstance(listed, list) else []
    return {str(one["name"]): str(one["sha256"]) for one in columns if isinstance(one, dict) and {"name", "sha256"} <= set(one)}
