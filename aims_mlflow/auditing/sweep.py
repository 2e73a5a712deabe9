"""The audit of a registry: the log, all that is protected, every run of every system, and whether they agree. Reads, unless asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aims_mlflow.auditing.agreement import agreement
from aims_mlflow.auditing.aliases import BYPASSES, Book, bypass_facts, holders, judged, unheld
from aims_mlflow.auditing.entries import brief
from aims_mlflow.auditing.pinning import cut, export, pin, pinned
from aims_mlflow.auditing.protecting import Protecting, protecting
from aims_mlflow.auditing.remembering import OVERLAP, Memory, Settled, recalled, remember
from aims_mlflow.auditing.runs import (
    Left,
    accounted,
    attempts,
    gone,
    is_attempt,
    left_by,
    looked_for,
    named_only,
    never_tagged,
    still_tagged,
    trimmed,
)
from aims_mlflow.auditing.words import Audit, Held, WaiverUse, ordered
from aims_mlflow.decision import manifest_digest
from aims_mlflow.errors import ConfigurationError, StoreError, VerificationError
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


@dataclass
class _Looked:
    """The runs that were read, those that were only remembered, what the former have left, and what was said of each."""

    read: list[RunView]
    kept: list[Settled]
    left: dict[str, Left]
    said: dict[str, list[Finding]] = field(default_factory=dict)

    def attempts(self) -> list[RunView]:
        """Return the runs that count as attempts."""
        found = [run for run in self.read if is_attempt(run, self.left[run.run_id])]
        return found + [one.view() for one in self.kept if one.attempt]


def audit(
    names: Sequence[str] = (),
    *,
    store: Store | None = None,
    record: bool = False,
    heads: Path | None = None,
    export_to: Path | None = None,
    memory: Path | None = None,
    now: datetime | None = None,
) -> Audit:
    """Look at a registry as it is now, and say what nothing proves.

    Args:
        names: registered models to look at, with the runs of their systems; default: all. The log is walked as a whole.
        store: the MLflow to look at; default: MLflow's own settings.
        record: write the bypasses that were found to the log, each once, and name its heads anew.
        heads: a file outside MLflow with the heads of the log: compared with, then written, unless the log was cut.
        export_to: a folder to copy the log to.
        memory: a file outside MLflow with the runs and the entries of the log of which an earlier audit had nothing left to say: they
            are not read again, for a week at most. Read, then written. For the whole registry only.
        now: the auditor's time; default: now.

    Raises:
        StoreError: MLflow did not answer, or has no model of one of the names: nothing can be said.
        ConfigurationError: the heads file or the memory cannot be used, or a file not be written; or there is no key to sign a record with.
    """
    store = store or Store()
    store.require()
    if memory and names:
        raise ConfigurationError("the memory is of the whole registry", fix="leave the names out, or --memory")
    before = pinned(heads) if heads else None
    policy = protecting()
    now, models = now or datetime.now(UTC), store.registered(names)
    remembered = recalled(memory, store, policy.trust, now) if memory else None
    known = remembered.known(_held(models, policy)) if remembered else {}
    seen = _Seen(store, policy, walk(store, trust=policy.trust, known=known, keep=brief), models, now)
    seen.findings += [*policy.findings, *seen.log.findings, *(cut(before, seen.log) if before else ())]
    entries = _about(seen.log.entries, names)
    book = Book.of(seen.log.entries)
    _look_at_aliases(seen, book)
    looked = _look_at_runs(seen, entries, names, remembered, known)
    differ = list(agreement(seen.log.entries, entries, looked.left))
    seen.findings += differ
    after = _recorded(seen) if record else seen.log
    if export_to:
        export(export_to, walk(store, trust=policy.trust), seen.now)
    if heads and not any(f.code in ("tail_cut", "log_replaced") for f in seen.findings):
        pin(heads, after, seen.now)
    same = sum(known.get(one.sha256) is one for one in seen.log.entries)
    if memory:
        remember(memory, store, policy.trust, seen.now, remembered, looked.kept, looked.read, looked.left, _said(looked, differ), entries)
    return Audit(
        time=seen.now,
        registry=seen.log.registry,
        models=len(seen.models),
        runs=len(looked.read) + len(looked.kept),
        entries=len(seen.log.entries),
        heads=seen.log.heads,
        held=tuple(seen.held),
        attempts=attempts(seen.models, looked.attempts(), book),
        waivers=_waivers(entries),
        findings=ordered(seen.findings),
        notes=(policy.said, *((remembered.said(len(looked.kept), same),) if remembered is not None else ())),
    )


def _about(entries: Sequence[Logged], names: Sequence[str]) -> tuple[Logged, ...]:
    """Return the entries about these models; all of them where none is named."""
    wanted = set(names)
    return tuple(one for one in entries if not wanted or one.entry.about[0] in wanted)


def _held(models: Sequence[Registered], policy: Protecting) -> set[tuple[str, str, str]]:
    """Return what is protected now, as entries are about it: model, version, alias or stage."""
    return {(held.model, held.version, held.holder) for model in models for held, _ in holders(model, policy.protects(model.name))}


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


def _look_at_runs(
    seen: _Seen, entries: Sequence[Logged], names: Sequence[str], memory: Memory | None, known: Mapping[str, Logged]
) -> _Looked:
    """Read the runs of the systems, and those that the log names; say what is to be said of each."""
    store = seen.store
    of_runs = [(one.entry.decision, one.sha256) for one in entries if one.entry.decision]
    logged = {decision.run_id: sha256 for decision, sha256 in of_runs if decision.run_id}
    if memory is None:
        runs, kept = _runs(seen, entries, names), list[Settled]()
    else:
        runs, kept = _new_runs(store, memory, {one.entry.decision.run_id for one in _changed(entries, known, memory) if one.entry.decision})
    settled = {one.run_id for one in kept}
    looked = _Looked(runs, kept, left_by(store, runs, seen.policy.trust))
    for run in runs:
        looked.said[run.run_id] = list(accounted(run, looked.left[run.run_id], seen.now))
    seen.findings += [finding for said in looked.said.values() for finding in said]
    seen.findings += [finding for one in kept for finding in one.findings]
    asked = {run_id: sha256 for run_id, sha256 in logged.items() if run_id not in settled}
    named = named_only(looked.left, {run.run_id for run in runs}, asked)
    there = looked_for(store, named)
    untouched = still_tagged(there, settled) | never_tagged(there, named, [decision for decision, _ in of_runs])
    seen.findings += gone({run_id: by for run_id, by in named.items() if run_id not in untouched}, there)
    looked.left |= left_by(store, [run for run_id, run in there.items() if run_id in asked], seen.policy.trust)
    return looked


def _changed(entries: Iterable[Logged], known: Mapping[str, Logged], memory: Memory) -> Iterator[Logged]:
    """Yield the entries that were read, and those that an earlier audit had read and that were not found as they were."""
    same = {one.sha256 for one in entries if known.get(one.sha256) is one}
    yield from (one for one in entries if one.sha256 not in same)
    yield from (one.logged() for one in memory.entries if one.sha256 not in same)


def _new_runs(store: Store, memory: Memory, decided: set[str]) -> tuple[list[RunView], list[Settled]]:
    """Return the runs that are to be read: new, deleted, unsettled or with a decision that is not as it was; and those that are not."""
    found = {run.run_id: run for run in store.all_systems_runs(memory.looked - OVERLAP)}
    found |= {run.run_id: run for run in store.all_systems_deleted()}
    again = {*memory.open, *(one.run_id for one in memory.settled if one.run_id in decided)}
    found |= {run_id: run for run_id, run in looked_for(store, again - set(found)).items() if run.tags.get("aims.system")}
    return trimmed(found.values()), [one for one in memory.settled if one.run_id not in found and one.run_id not in again]


def _runs(seen: _Seen, entries: Sequence[Logged], names: Sequence[str]) -> list[RunView]:
    """Return the runs of the systems that are looked at: of all, or of those that speak for the models that were named."""
    if not names:
        return trimmed(seen.store.runs("tags.`aims.system` != ''"))
    systems = {seen.policy.systems[name] for name in names if name in seen.policy.systems}
    systems |= {one.entry.decision.system_id for one in entries if one.entry.decision and one.entry.decision.system_id}
    systems |= {view.tags["aims.system"] for model in seen.models for view in model.versions if view.tags.get("aims.system")}
    found = {run.run_id: run for system in sorted(systems) for run in trimmed(seen.store.system_runs(system))}
    return list(found.values())


def _said(looked: _Looked, differ: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return what was said of each run that was read, with what the log and its decisions tell otherwise."""
    said = {run_id: list(looked.said.get(run_id, ())) for run_id in looked.left}
    for finding in differ:
        run_id = finding.where.removeprefix("run ").partition(",")[0]
        said.setdefault(run_id, []).append(finding)
    return said


def _recorded(seen: _Seen) -> Walk:
    """Write the bypasses to the log that it does not have yet, after all heads that the walk has found; return the log as it is then."""
    ledger = Ledger(seen.store)
    if seen.log.begun:
        ledger.merge(seen.log)
    there = recorded_facts(seen.log.entries, "bypass")
    for facts in seen.bypasses:
        if content_digest(facts) not in there:
            ledger.append("bypass", facts, actor="aims audit")
    return walk(seen.store, trust=seen.policy.trust, known={one.sha256: one for one in seen.log.entries if one.believed}, keep=brief)


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
