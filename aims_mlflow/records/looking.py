"""Look at MLflow for a record: every run counted, every version read, or, where an earlier summary left its memory, what is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aims_mlflow.bundle import ASSESSMENT, BUNDLE_PATH, RECORD_TAG
from aims_mlflow.decision import VersionFacts
from aims_mlflow.errors import StoreError
from aims_mlflow.evidence import LETS_THROUGH
from aims_mlflow.judging import gated_controls
from aims_mlflow.pointing import evidence_run
from aims_mlflow.records.memory import REREAD, Kept, Memory, RunRow, hints_of, holds, judged_by, keep
from aims_mlflow.records.parts import DETAILED, light, part_of
from aims_mlflow.records.reading import Declared, Read, Seen, counted, see
from aims_mlflow.records.words import RunCounts
from aims_mlflow.store import RunView, Store, VersionView

OVERLAP = timedelta(days=1)
"""How far before the last look runs are looked at again: clocks differ, and evidence can come after the run's end."""

TRIED = 30
"""Newest runs with evidence, from which no version was registered, that are read; earlier ones are counted only."""


@dataclass(frozen=True)
class Looked:
    """What was found: all that a record is made of, and what the next summary may know of it."""

    read: Read
    memory: Memory


def look(store: Store, said: Declared, now: datetime, memory: Memory | None = None) -> Looked:
    """Read MLflow for a record; writes nothing.

    Without a memory everything is read. With one, runs that have changed since are, and every version of which something has:
    its registration, its run, its index, the system file, a date. The version that the record is about is always read.

    Raises:
        StoreError: MLflow did not answer.
    """
    began = datetime.now(UTC)
    fresh = memory is not None and memory.whole <= memory.looked <= began < memory.whole + REREAD
    rows, gone = _changed(store, memory) if memory is not None and fresh else _every(store, said.system.id, memory)
    reader = _Reader(store, said, now, memory.parts if memory is not None and fresh else (), rows)
    views = _views(store, said)
    chosen = counted(views, said.system.gate.protects)
    for view in views:
        reader.version(view, chosen=view is chosen)
    registered = len(reader.kept)
    for row in _tried(store, rows, {k.part.run_id for k in reader.kept}, at_least_one=not views):
        reader.run(row, chosen=not views and reader.counted is None)
    read = Read(
        said,
        tuple(reader.seen[:registered]) if views else tuple(filter(None, [reader.counted])),
        reader.counted,
        count(rows.values(), {k.part.run_id: k.part.let_through for k in reader.kept}, gone=len(gone)),
        now,
        parts=tuple(k.part for k in reader.kept),
    )
    kept = [k if at < DETAILED else k.model_copy(update={"part": light(k.part)}) for at, k in enumerate(reader.kept)]
    whole = memory.whole if memory is not None and fresh else began
    remembered = Memory(system_id=said.system.id, looked=began, whole=whole, runs=tuple(rows.values()), gone=gone, parts=tuple(kept))
    return Looked(read, remembered)


def count(rows: Iterable[RunRow], judged: Mapping[str, bool], *, gone: int = 0) -> RunCounts:
    """Count a system's runs, and how many it took until one was let through.

    A run that was read was let through if its evidence, judged by the system file at hand, says so, or the gate did; of the
    others the index tag is read, for counting only: nothing is decided by it.

    Args:
        rows: every run of the system.
        judged: run id: whether it was let through, for runs that were read.
        gone: runs that were counted once and cannot be found any more.
    """
    ordered = sorted(rows, key=lambda r: (r.started, r.run_id))
    let_through = {state.value for state in LETS_THROUGH}
    passes = [judged.get(r.run_id, r.state in let_through) for r in ordered]
    first = passes.index(True) + 1 if True in passes else None
    finished = sum(r.status == "FINISHED" for r in ordered)
    running = sum(r.status in ("RUNNING", "SCHEDULED") for r in ordered)
    deleted = sum(r.lifecycle != "active" for r in ordered)
    failed = len(ordered) - finished - running
    many = "1 run" if len(ordered) == 1 else f"{len(ordered)} runs"
    lost = f", {deleted} of all deleted since" if deleted else ""
    lost += f", {gone} more that an earlier record counted and that cannot be found any more" if gone else ""
    passed = f"attempt {first} was the first to be let through" if first else "none has been let through yet"
    return RunCounts(
        runs=len(ordered),
        finished=finished,
        failed=failed,
        running=running,
        deleted=deleted,
        gone=gone,
        attempts_until_pass=first,
        sentence=f"{many}: {finished} finished, {failed} failed or killed, {running} not ended{lost}; {passed}.",
    )


class _Reader:
    """Reads versions and runs, or takes what is remembered of them where it still holds."""

    def __init__(self, store: Store, said: Declared, now: datetime, known: Iterable[Kept], rows: Mapping[str, RunRow]) -> None:
        self.store, self.said, self.now, self.rows = store, said, now, rows
        self.by, self.gated = judged_by(said), gated_controls(said.system)
        self.known = {k.part.version.uri: k for k in known}
        self.seen: list[Seen] = []
        self.kept: list[Kept] = []
        self.counted: Seen | None = None

    def version(self, view: VersionView, *, chosen: bool) -> None:
        """Take one version; ``chosen``: it is the one that the record is about, and is read whatever is remembered."""
        runs = [self.rows.get(id_) for id_ in (view.run_id, view.tags.get(ASSESSMENT, "").strip())]
        hints = hints_of(view.source, view.stage, view.run_id, view.aliases, *map(_hint, runs), tags=view.tags)
        if not chosen and self._remembered(view.uri, hints):
            return
        run_id = evidence_run(self.store, view)
        facts = VersionFacts(name=view.name, version=view.version, source=view.source, run_id=run_id)
        seen = see(self.store, self.said, facts, view, self._run(run_id), self.now, hash_files=chosen)
        self._take(seen, hints, chosen=chosen)

    def run(self, row: RunRow, *, chosen: bool) -> None:
        """Take one run from which no version was registered."""
        hints = hints_of(_hint(row))
        if not chosen and self._remembered(f"runs:/{row.run_id}", hints):
            return
        facts = VersionFacts(name="run", version=row.run_id, run_id=row.run_id, run_status=row.status)
        seen = see(self.store, self.said, facts, None, _view(row), self.now, hash_files=False)
        self._take(seen, hints, chosen=chosen)

    def _remembered(self, uri: str, hints: str) -> bool:
        known = self.known.get(uri)
        if known is None or not holds(known, hints, self.by, self.now):
            return False
        if len(self.kept) < DETAILED and not known.part.version.lines:  # it was one of the older ones
            return False
        self.kept.append(known)
        return True

    def _take(self, seen: Seen, hints: str, *, chosen: bool) -> None:
        self.seen.append(seen)
        self.kept.append(keep(self.said, seen, part_of(self.said, seen, self.gated, self.now), hints, self.by))
        if chosen:
            self.counted = seen

    def _run(self, run_id: str) -> RunView | None:
        if run_id in self.rows:
            return _view(self.rows[run_id])
        try:
            return self.store.run(run_id) if run_id else None
        except StoreError:
            return None


def _every(store: Store, system_id: str, memory: Memory | None) -> tuple[dict[str, RunRow], tuple[str, ...]]:
    """Return every run of the system by id, and those that a memory knows and MLflow does not any more."""
    rows = {run.run_id: _row(run) for run in store.system_runs(system_id) if RECORD_TAG not in run.tags}
    known = (*memory.gone, *(row.run_id for row in memory.runs)) if memory is not None else ()
    return rows, tuple(sorted({run_id for run_id in known if run_id not in rows}))


def _changed(store: Store, memory: Memory) -> tuple[dict[str, RunRow], tuple[str, ...]]:
    """Return the runs that a memory knows, with those that have changed since, and which of them are deleted now."""
    rows = {row.run_id: row for row in memory.runs}
    for run in store.changed_runs(memory.system_id, memory.looked - OVERLAP):
        if RECORD_TAG not in run.tags:
            rows[run.run_id] = _row(run)
    deleted = {run.run_id: _row(run) for run in store.deleted_runs(memory.system_id) if RECORD_TAG not in run.tags}
    restored = {i: r.model_copy(update={"lifecycle": "active"}) for i, r in rows.items() if r.lifecycle != "active" and i not in deleted}
    return {**rows, **restored, **deleted}, tuple(i for i in memory.gone if i not in rows)


def _views(store: Store, said: Declared) -> list[VersionView]:
    """Return every version of the system, newest first."""
    views = {v.uri: v for v in store.system_versions(said.system.id)}
    if said.system.system.model:
        views |= {v.uri: v for v in store.versions(said.system.system.model)}
    return sorted(views.values(), key=lambda v: (v.created, v.name, int(v.version)), reverse=True)


def _tried(store: Store, rows: Mapping[str, RunRow], taken: set[str], *, at_least_one: bool) -> Iterator[RunRow]:
    """Yield the newest finished runs that left evidence and made no version; ``at_least_one``: whatever their index says."""
    newest = sorted(rows.values(), key=lambda r: (r.started, r.run_id), reverse=True)
    finished = [r for r in newest if r.status == "FINISHED" and r.lifecycle == "active" and r.run_id not in taken]
    first = next((r for r in finished if r.bundle or _has_bundle(store, r.run_id)), None) if at_least_one else None
    if first is not None:
        yield first
    yield from [r for r in finished if r.bundle and r is not first][: TRIED - (first is not None)]


def _has_bundle(store: Store, run_id: str) -> bool:
    return BUNDLE_PATH in store.artifacts(run_id, str(Path(BUNDLE_PATH).parent))


def _row(run: RunView) -> RunRow:
    tags = run.tags
    return RunRow(
        run_id=run.run_id,
        started=run.started,
        status=run.status,
        lifecycle=run.lifecycle,
        state=tags.get("aims.state", ""),
        bundle=tags.get("aims.bundle", ""),
    )


def _view(row: RunRow) -> RunView:
    return RunView(
        run_id=row.run_id, experiment_id="", status=row.status, started=row.started, finished=None, lifecycle=row.lifecycle, tags={}
    )


def _hint(row: RunRow | None) -> tuple[str, ...]:
    return () if row is None else (row.status, row.lifecycle, row.bundle)
