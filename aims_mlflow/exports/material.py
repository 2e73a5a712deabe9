"""What every export is made of: the record of a system, and the verified bundle and judged evidence of the version it is about."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Literal
from uuid import UUID, uuid5

from aims_mlflow import controls as catalogue
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.decision import VersionFacts
from aims_mlflow.errors import StoreError, UnknownNameError
from aims_mlflow.evidence import CheckResult, Evidence, State
from aims_mlflow.judging import gated_controls
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.promotion import DECISIONS
from aims_mlflow.records.parts import part_of
from aims_mlflow.records.reading import Read, Seen, clock, declared, see
from aims_mlflow.records.summary import gather, make_record
from aims_mlflow.records.words import CoverageLine, MeasureShown, SystemRecord, VersionRecord
from aims_mlflow.store import Store
from aims_mlflow.system import System

NAMESPACE = UUID("5b0a3c1e-6a2f-5d0b-9d59-4a1f6c1d42a1")
"""The root of every identifier that an export makes: the same thing has the same identifier in every export."""

Files = Literal["none", "card", "all"]
"""What an export asks for besides the record: nothing, the model card of its version, or all bundles, cards and decisions and the log."""


@dataclass(frozen=True, eq=False, repr=False)
class Material:
    """A record and what it was made from.

    ``files`` are artifacts of runs by ``<run id>/<path>``, ``ledger`` the registry's log by path, where an export asked for them.
    """

    record: SystemRecord
    read: Read
    files: Mapping[str, bytes] = field(default_factory=dict)
    ledger: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def system(self) -> System | None:
        """The system as it is declared; None where no system file was found."""
        return self.read.said.system if self.read.said.known else None

    @property
    def seen(self) -> Seen | None:
        """The version that the export is about, as it was read; None where there is none."""
        return self.read.counted

    @property
    def bundle(self) -> Bundle | None:
        """Its evidence, where it can be believed."""
        return self.seen.bundle if self.seen else None

    @property
    def version(self) -> VersionRecord | None:
        """The version as the record has it."""
        return self.record.counted

    @cached_property
    def evidence(self) -> Mapping[str, Evidence]:
        """Every piece of evidence on the version by its id, missing ones too."""
        return {e.id: e for e in self.seen.judged} if self.seen else {}

    @cached_property
    def evidence_uuids(self) -> Mapping[str, str]:
        """Evidence id -> UUID: the same in every record for the same question on the same version."""
        asked: Counter[tuple[str, str]] = Counter()
        made = {}
        for id_, one in self.evidence.items():
            key = (one.kind, one.requirement)
            made[id_] = self.id_of("evidence", self.record.version, *key, *([str(asked[key])] if asked[key] else []))
            asked[key] += 1
        return made

    def uuids(self, cited: Iterable[str]) -> list[str]:
        """Return the UUIDs of those of the cited ids that are evidence on the version, each once."""
        return list(dict.fromkeys(self.evidence_uuids[i] for i in cited if i in self.evidence_uuids))

    @property
    def name(self) -> str:
        """What people call the system."""
        return self.record.system.name or self.record.system.id

    @property
    def lines(self) -> tuple[CoverageLine, ...]:
        """One line for each of the 38 controls; all of them missing where there is no version."""
        if self.version is not None:
            return self.version.lines
        why = "no run has left evidence"
        return tuple(CoverageLine(control=c.id, title=c.title, state=State.MISSING, reason=why) for c in catalogue.controls())

    def measures_of(self, evidence: Evidence) -> tuple[MeasureShown, ...]:
        """Return the measures that a declared requirement was judged by, those on groups too."""
        if evidence.kind != "declared":
            return ()
        return tuple(m for m in self.record.measures if m.requirement == evidence.requirement)

    def results(self, check: str) -> tuple[CheckResult, ...]:
        """Return what a check measured in the version's run, problems left out."""
        return tuple(r for r in self.bundle.results if r.check == check and r.problem is None) if self.bundle else ()

    def fact(self, check: str, name: str) -> object:
        """Return a fact that a check noted in the version's run; None where it noted none."""
        return next((r.facts[name] for r in self.results(check) if r.facts.get(name) not in (None, "", [], {})), None)

    def id_of(self, *names: str) -> str:
        """Return the UUID (version 5) of something of this system's. It follows from the names alone."""
        return str(uuid5(NAMESPACE, "\x1f".join((self.record.system.id, *names))))

    def file(self, run_id: str, path: str) -> bytes | None:
        """Return an artifact of a run, byte for byte; None where it is not there, or was not asked for."""
        return self.files.get(f"{run_id}/{path}")


def collect(
    system: System | str | os.PathLike[str],
    *,
    version: str | None = None,
    store: Store | None = None,
    today: date | None = None,
    files: Files = "none",
) -> Material:
    """Read MLflow anew, judge by the system file at hand, and return what exports are made of. Writes nothing.

    Args:
        system: a System, the path of a system file, or a system's id, as ``aims.summarise`` takes it.
        version: a version's number, or ``models:/NAME/NUMBER``; default: the one that the record is about.
        store: the MLflow to read; default: MLflow's own settings.
        today: the day of the record; default: now.
        files: which artifacts of runs to read.

    Raises:
        ConfigurationError: the system file cannot be used, or there is no such version.
        StoreError: MLflow cannot be read.
    """
    said = declared(system)
    store = store or Store()
    store.require()
    record, read = gather(said, store, clock(today))
    if version is not None:
        read = _about(_chosen(version, read.versions), read, store)
        record = make_record(read)
    if files == "none":
        return Material(record, read)
    every = files == "all"
    runs = [v.run_id for v in record.versions if every or v.counted]
    return Material(record, read, _artifacts(runs, store, every=every), _ledger(store, record.made) if every else {})


def _ledger(store: Store, now: datetime) -> dict[str, bytes]:
    from aims_mlflow.exports.log_copy import log_copy

    return log_copy(store, now)


def _chosen(version: str, seen: Iterable[Seen]) -> Seen:
    """Return the version that was asked for."""
    every = tuple(v for v in seen if v.view is not None)
    found = [v for v in every if version in (v.version, v.uri)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownNameError(
            f"{len(found)} registered models of this system have a version {version}", fix=f"name one: {', '.join(v.uri for v in found)}"
        )
    raise UnknownNameError.among("version", version, [v.version for v in every])


def _about(chosen: Seen, read: Read, store: Store) -> Read:
    """Return what was read, with that version in the place of the one that counts: the model's files are hashed again."""
    seen = _hashed(chosen, read, store)
    part = part_of(read.said, seen, gated_controls(read.said.system), read.now)
    parts = tuple(part if one.version.uri == seen.uri else one for one in read.parts)
    return replace(read, counted=seen, versions=tuple(seen if v is chosen else v for v in read.versions), parts=parts)


def _hashed(chosen: Seen, read: Read, store: Store) -> Seen:
    if chosen.view is None or chosen.hashed:
        return chosen
    try:
        run = store.run(chosen.run_id) if chosen.run_id else None
    except StoreError:  # the run cannot be found: the record says so
        run = None
    facts = VersionFacts(name=chosen.name, version=chosen.version, source=chosen.view.source, run_id=chosen.run_id)
    return see(store, read.said, facts, chosen.view, run, read.now, hash_files=True)


def _artifacts(runs: Iterable[str], store: Store, *, every: bool) -> dict[str, bytes]:
    """Return artifacts of the runs by ``<run id>/<path>``; what is not there is left out."""
    found: dict[str, bytes] = {}
    for run_id in dict.fromkeys(filter(None, runs)):
        there = _listed(store, run_id, "aims")
        paths = [path for path in (BUNDLE_PATH, CARD_PATH) if path in there] if every else [CARD_PATH] * (CARD_PATH in there)
        paths += _listed(store, run_id, DECISIONS) if every else []
        found |= {f"{run_id}/{path}": store.read(run_id, path) for path in paths}
    return found


def _listed(store: Store, run_id: str, folder: str) -> list[str]:
    try:
        return sorted(store.artifacts(run_id, folder))
    except StoreError:  # the run is gone for good; the record says so
        return []
