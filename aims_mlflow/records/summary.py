"""The summariser: all runs and versions of a system rolled up into one record, with every claim citing its evidence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import collector
from aims_mlflow.judging import gated_controls
from aims_mlflow.pictures import figures
from aims_mlflow.records.applicability import applicability
from aims_mlflow.records.due import due_items, treatment_plan
from aims_mlflow.records.impact import impact_record
from aims_mlflow.records.looking import Looked, look
from aims_mlflow.records.measured import measures_of
from aims_mlflow.records.memory import Memory, recalled
from aims_mlflow.records.objectives import objectives
from aims_mlflow.records.openitems import open_items
from aims_mlflow.records.operating import UNREAD, operation_of
from aims_mlflow.records.pages import files_of
from aims_mlflow.records.parts import DETAILED, Part, decision_of, part_of, state_of, version_record
from aims_mlflow.records.publishing import newest_records, publish
from aims_mlflow.records.reading import Declared, Read, Seen, clock, declared
from aims_mlflow.records.risk import risk_register
from aims_mlflow.records.sources import cited_by, sources_of
from aims_mlflow.records.spoken import persons_words
from aims_mlflow.records.words import WARNING_DAYS, SystemFacts, SystemRecord, VersionRecord
from aims_mlflow.store import Store
from aims_mlflow.system import System


def summarise(
    system: System | str | os.PathLike[str],
    *,
    store: Store | None = None,
    write: bool = True,
    out: Path | None = None,
    today: date | None = None,
    warning_days: int = WARNING_DAYS,
    fresh: bool = False,
) -> SystemRecord:
    """Roll everything that MLflow holds of a system into its impact and risk records.

    The version that holds a protected alias counts, else the newest; the others are listed. Evidence whose signature or
    digests do not hold is reported first and not used. All evidence is judged again by the system file at hand.

    What an earlier summary read is not read again as long as nothing about it has changed, for a week at most.

    Args:
        system: a System, the path of a system file, or a system's id (looked up in ``AIMS_POLICY_DIR``, then ``./aims.yaml``;
            without a file, whatever the file would declare is unknown).
        store: the MLflow to read; default: MLflow's own settings.
        write: whether the record is written to MLflow (run, artifacts, tags, descriptions).
        out: a directory that gets ``record.json``, ``record.md`` and ``record.html`` as well.
        today: the day of the record; default: now. For another day everything is read, and nothing is remembered.
        warning_days: how many days before its date something is shown as due.
        fresh: read everything again, whatever is remembered.

    Raises:
        ConfigurationError: the system file cannot be used, or the name is neither a file nor an id.
        StoreError: MLflow cannot be read or written.
    """
    said = declared(system)
    store = store or Store()
    store.require()
    remembered = None if fresh or today is not None else recalled(store, said.system.id, newest_records(store, said.system.id))
    looked = gathered(said, store, clock(today), remembered, warning_days)
    record = make_record(looked.read)
    files = files_of(record) if write or out is not None else {}
    if out is not None:
        write_files(files, Path(out))
    if write:
        publish(record, looked.read, store, looked.memory if today is None else None, files)
    return record


def gather(said: Declared, store: Store, now: datetime, *, warning_days: int = WARNING_DAYS) -> tuple[SystemRecord, Read]:
    """Read all that MLflow holds of a system and make the record; remembers nothing, writes nothing."""
    read = gathered(said, store, now, None, warning_days).read
    return make_record(read), read


def gathered(said: Declared, store: Store, now: datetime, memory: Memory | None, warning_days: int) -> Looked:
    """Read what a record is made of, and the cases; with a memory, only what is new. Writes nothing."""
    looked = look(store, said, now, memory)
    operation = operation_of(store, said, now)
    read = looked.read
    counted = None if read.counted is None else operation.on(said, read.counted, now)
    versions = tuple(counted if one is read.counted and counted is not None else one for one in read.versions)
    return replace(looked, read=replace(read, counted=counted, versions=versions, operation=operation, warning_days=warning_days))


def make_record(read: Read) -> SystemRecord:
    """Return the record of what was read. Pure."""
    said, seen, today = read.said, read.counted, read.now.date()
    gated = gated_controls(said.system)
    parts = read.parts or tuple(part_of(said, v, gated, read.now) for v in read.versions)
    others = [p for p in parts if seen is None or p.version.id != seen.id]
    operation = read.operation or UNREAD
    risks = risk_register(said, seen, [p.steps for p in others if p.registered], read.now)
    impact = impact_record(said, seen, risks.entries)
    spoken = persons_words(said, seen, today)
    due = due_items(said, seen, spoken, tuple(operation.dated(said)), today, read.warning_days)
    broken = [item for part in parts for item in part.broken]
    record = SystemRecord(
        made=read.now,
        collector=collector(),
        open_items=open_items(said, seen, broken, gated, risks, impact, due, operation.cases, read.runs),
        system=_facts(said),
        version=seen.uri if seen else "",
        state=state_of(seen, gated),
        decision=decision_of(seen),
        highest_risk=risks.highest,
        runs=read.runs,
        due=due,
        warning_days=read.warning_days,
        impact=impact,
        risks=risks,
        cases=operation.cases,
        treatments=treatment_plan(said, risks.entries, today),
        objectives=objectives(said, seen, parts, read.now),
        applicability=applicability(said, seen, gated, risks.entries, read.now),
        measures=measures_of(said, seen),
        figures=figures(seen.bundle.results, said.system.requirements) if seen is not None and seen.bundle is not None else (),
        persons_words=spoken,
        versions=tuple(_listed(read, seen, parts, gated)),
    )
    known = (*operation.sources, *(source for part in others for source in part.sources))
    read_now = (seen,) if seen is not None else ()
    return record.model_copy(update={"sources": sources_of(said, read_now, cited_by(record), known)})


def _listed(read: Read, seen: Seen | None, parts: Sequence[Part], gated: Sequence[str]) -> Iterator[VersionRecord]:
    """Yield the versions as the record lists them; where none is registered, the run that it is about."""
    for at, part in enumerate(p for p in parts if p.registered or (seen is not None and p.version.id == seen.id)):
        if seen is not None and part.version.id == seen.id:  # as it stands with what is known of operation
            yield version_record(seen, gated, read.now).model_copy(update={"counted": True})
        else:
            yield part.version if at < DETAILED else part.version.model_copy(update={"lines": ()})


def _facts(said: Declared) -> SystemFacts:
    about = said.system.system
    return SystemFacts(
        id=about.id,
        name=about.name,
        owner=about.owner.name if about.owner else "",
        contact=about.owner.contact if about.owner else "",
        purpose=about.purpose,
        intended_uses=about.intended_uses,
        prohibited_uses=about.prohibited_uses,
        policy=said.where,
        policy_sha256=said.system.sha256 if said.known else "",
        evidence_ids=said.citation,
    )


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder, made where it is not there; raises ConfigurationError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigurationError(
            f"the record cannot be written: {error.strerror}", where=str(folder), fix="choose a directory you may write to"
        ) from None
