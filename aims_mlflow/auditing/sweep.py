"""The audit of a registry: the log, all that is protected, every run of every system, and whether they agree. Reads, unless asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aims_mlflow.auditing.agreement import agreement
from aims_mlflow.auditing.aliases import BYPASSES, Book, bypass_facts, holders, judged, unheld
from aims_mlflow.auditing.pinning import cut, export, pin, pinned
from aims_mlflow.auditing.protecting import Protecting, protecting
from aims_mlflow.auditing.runs import Left, accounted, attempts, gone, is_attempt, left_by, looked_for, named_only
from aims_mlflow.auditing.words import Audit, Held, WaiverUse, ordered
from aims_mlflow.decision import manifest_digest
from aims_mlflow.errors import StoreError, VerificationError
from aims_mlflow.ledger import Facts, Finding, Ledger, Logged, Walk, walk
from aims_mlflow.ledger.entry import content_digest
from aims_mlflow.ledger.writing import recorded_facts
from aims_mlflow.store import Registered, RunView, Store, VersionView


@dataclass
class _Seen:
    """What an audit has read, and what it has found in it."""

    store: Store
    policy: Protecting
    log: Walk
    models: list[Registered]
    now: datetime
    findings: list[Finding] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    bypasses: list[Facts] = field(default_factory=list)


def audit(
    names: Sequence[str] = (),
    *,
    store: Store | None = None,
    record: bool = False,
    heads: Path | None = None,
    export_to: Path | None = None,
    now: datetime | None = None,
) -> Audit:
    """Look at a registry as it is now, and say what nothing proves.

    Args:
        names: registered models to look at, with the runs of their systems; default: all. The log is walked as a whole.
        store: the MLflow to look at; default: MLflow's own settings.
        record: write the bypasses that were found to the log, each once, and name its heads anew.
        heads: a file outside MLflow with the heads of the log: compared with, then written, unless the log was cut.
        export_to: a folder to copy the log to.
        now: the auditor's time; default: now.

    Raises:
        StoreError: MLflow did not answer, or has no model of one of the names: nothing can be said.
        ConfigurationError: the heads file cannot be used, or a file not be written; or there is no key to sign a record with.
    """
    store = store or Store()
    store.require()
    before = pinned(heads) if heads else None
    policy = protecting()
    seen = _Seen(store, policy, walk(store, trust=policy.trust), store.registered(names), now or datetime.now(UTC))
    seen.findings += [*policy.findings, *seen.log.findings, *(cut(before, seen.log) if before else ())]
    entries = _about(seen.log.entries, names)
    book = Book.of(seen.log.entries)
    _look_at_aliases(seen, book)
    runs, left = _look_at_runs(seen, entries, names)
    seen.findings += agreement(seen.log.entries, entries, left)
    counted = [run for run in runs if is_attempt(run, left[run.run_id])]
    after = _recorded(seen) if record else seen.log
    if export_to:
        export(export_to, after, seen.now)
    if heads and not any(f.code in ("tail_cut", "log_replaced") for f in seen.findings):
        pin(heads, after, seen.now)
    return Audit(
        time=seen.now,
        registry=seen.log.registry,
        models=len(seen.models),
        runs=len(runs),
        entries=len(seen.log.entries),
        heads=seen.log.heads,
        held=tuple(seen.held),
        attempts=attempts(seen.models, counted, book),
        waivers=_waivers(entries),
        findings=ordered(seen.findings),
        notes=(policy.said,),
    )


def _about(entries: Sequence[Logged], names: Sequence[str]) -> tuple[Logged, ...]:
    """Return the entries about these models; all of them where none is named."""
    wanted = set(names)
    return tuple(one for one in entries if not wanted or one.entry.about[0] in wanted)


def _look_at_aliases(seen: _Seen, book: Book) -> None:
    files = _hashing(seen.store)
    for model in seen.models:
        for held, view in holders(model, seen.policy.protects(model.name)):
            found, finding = judged(held, view, book, files)
            seen.held.append(found)
            if finding is None:
                continue
            seen.findings.append(finding)
            if finding.code in BYPASSES:
                seen.bypasses.append(bypass_facts(held, finding, files(view) if view else ""))
    seen.findings += unheld(seen.models, book, seen.policy.protects)


def _hashing(store: Store) -> Callable[[VersionView], str]:
    """Return a function that hashes the files of a version's model, those of each source once."""
    known: dict[str, str] = {}

    def files(view: VersionView) -> str:
        if view.source not in known:
            try:
                known[view.source] = manifest_digest(store.model_files(view))
            except (StoreError, VerificationError):
                known[view.source] = ""
        return known[view.source]

    return files


def _look_at_runs(seen: _Seen, entries: Sequence[Logged], names: Sequence[str]) -> tuple[list[RunView], dict[str, Left]]:
    """Read the runs of the systems, and those that the log names; say what is to be said of each."""
    store = seen.store
    runs = _runs(seen, entries, names)
    known = {run.run_id for run in runs}
    logged = {one.entry.decision.run_id: one.sha256 for one in entries if one.entry.decision and one.entry.decision.run_id}
    left = left_by(store, runs, seen.policy.trust)
    for run in runs:
        seen.findings += accounted(run, left[run.run_id], seen.policy.trust, seen.now)
    named = named_only(left, known, logged)
    there = looked_for(store, named)
    seen.findings += gone(named, there)
    left |= left_by(store, [run for run_id, run in there.items() if run_id in logged], seen.policy.trust)
    return runs, left


def _runs(seen: _Seen, entries: Sequence[Logged], names: Sequence[str]) -> list[RunView]:
    """Return the runs of the systems that are looked at: of all, or of those that speak for the models that were named."""
    if not names:
        return list(seen.store.runs("tags.`aims.system` != ''"))
    systems = {seen.policy.systems[name] for name in names if name in seen.policy.systems}
    systems |= {one.entry.decision.system_id for one in entries if one.entry.decision and one.entry.decision.system_id}
    systems |= {view.tags["aims.system"] for model in seen.models for view in model.versions if view.tags.get("aims.system")}
    found = {run.run_id: run for system in sorted(systems) for run in seen.store.system_runs(system)}
    return list(found.values())


def _recorded(seen: _Seen) -> Walk:
    """Write the bypasses to the log that it does not have yet, after all heads that the walk has found; return the log as it is then."""
    ledger = Ledger(seen.store)
    if seen.log.begun:
        ledger.merge(seen.log)
    there = recorded_facts(seen.log.entries, "bypass")
    for facts in seen.bypasses:
        if content_digest(facts) not in there:
            ledger.append("bypass", facts, actor="aims audit")
    return walk(seen.store, trust=seen.policy.trust)


def _waivers(entries: Sequence[Logged]) -> tuple[WaiverUse, ...]:
    made = []
    for one in entries:
        name, version, holder = one.entry.about
        if one.entry.kind == "decision":
            made += [
                WaiverUse(model=name, version=version, holder=holder, entry=one.sha256, time=one.entry.time, waived=waived)
                for waived in one.entry.waivers
            ]
    return tuple(made)
