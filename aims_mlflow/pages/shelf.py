"""Which systems there are, and what MLflow says of each now: its newest record's runs, its other runs, its registered models.

Everything is read once, and from then on what is new: one look at 200 systems with 10,000 runs asks for the record runs, and for
what began, ended or changed since the last look. Tags say where to look, for counting and finding; they decide nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aims_mlflow.bundle import RECORD_TAG, experiment_of
from aims_mlflow.pages.addresses import is_system
from aims_mlflow.pages.readers import Reader
from aims_mlflow.records.publishing import NEWEST
from aims_mlflow.store import RunView, Store

OVERLAP = timedelta(minutes=10)
"""How far before the last look what is new is looked for again: clocks differ."""

WHOLE = timedelta(hours=1)
"""After so long everything is read again, so that what was deleted, or written with an old time, is noticed."""


@dataclass(frozen=True)
class Ran:
    """One run of a system, as far as pages count it."""

    system: str
    experiment_id: str
    last: datetime
    counts: bool = field(metadata={"says": "whether it is an attempt, rather than a record, a review or a monitoring run"})


@dataclass(frozen=True)
class Holding:
    """What MLflow has of one system."""

    system: str
    home: str = ""
    records: tuple[RunView, ...] = ()
    runs: tuple[Ran, ...] = ()
    versions: Mapping[str, datetime] = field(default_factory=dict)
    models: frozenset[str] = frozenset()

    def runs_since(self, moment: datetime) -> int:
        """Return how many runs began or ended after that."""
        return sum(r.last > moment for r in self.runs)

    def versions_since(self, moment: datetime) -> int:
        """Return how many versions were registered after that."""
        return sum(created > moment for created in self.versions.values())

    def may_be_read(self, reader: Reader, models: frozenset[str] = frozenset()) -> bool:
        """Return whether a reader may see this system: they may read all its registered models; where none is, its experiments.

        Args:
            reader: who asks.
            models: further models of the system, as its record names them.
        """
        every = self.models | models
        if every:
            return all(reader.may_read_model(name) for name in sorted(every))
        homes = {self.home} if self.home else {r.experiment_id for r in self.runs}
        return bool(homes) and all(reader.may_read_experiment(one) for one in sorted(homes))


class Shelf:
    """All systems of a store. Safe to be asked by several threads.

    Args:
        store: the MLflow that is read.
        now: the clock.
        patience: how long what was seen counts as new enough; none: it is looked at again each time.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], patience: timedelta = timedelta()) -> None:
        self._store, self._now, self._patience = store, now, patience
        self._turn = threading.Lock()
        self._runs: dict[str, Ran] = {}
        self._versions: dict[tuple[str, str], tuple[str, str, datetime]] = {}
        self._whole: datetime | None = None
        self._looked: datetime | None = None
        self._seen: Mapping[str, Holding] = {}

    def look(self) -> Mapping[str, Holding]:
        """Return every system by its id, in the order of ids; raises StoreError where MLflow does not answer."""
        with self._turn:
            began = self._now()
            if self._looked is None or not self._looked <= began < self._looked + self._patience:
                self._look(began)
                self._looked = began
            return self._seen

    def _look(self, began: datetime) -> None:
        since = None
        if self._whole is not None and self._looked is not None and self._whole <= began < self._whole + WHOLE:
            since = self._looked - OVERLAP
        else:
            self._runs, self._versions, self._whole = {}, {}, began
        for run in self._store.all_systems_runs(since):
            self._runs[run.run_id] = _ran(run)
        for version in self._store.all_systems_versions(since):
            self._versions[version.name, version.version] = (version.tags["aims.system"], version.uri, version.created)
        self._seen = self._gathered()

    def _gathered(self) -> dict[str, Holding]:
        prefix = experiment_of("")
        homes = {name.removeprefix(prefix): id_ for name, id_ in self._store.experiments_like(f"{prefix}%").items()}
        by_home = {id_: system for system, id_ in homes.items() if is_system(system)}
        records: dict[str, list[RunView]] = {}
        if by_home:
            for run in self._store.marked_runs(RECORD_TAG, NEWEST, tuple(by_home)):
                records.setdefault(by_home[run.experiment_id], []).append(run)
        runs: dict[str, list[Ran]] = {}
        for ran in self._runs.values():
            if ran.counts:
                runs.setdefault(ran.system, []).append(ran)
        versions: dict[str, dict[str, datetime]] = {}
        models: dict[str, set[str]] = {}
        for (name, _), (system, uri, created) in self._versions.items():
            versions.setdefault(system, {})[uri] = created
            models.setdefault(system, set()).add(name)
        return {
            system: Holding(
                system,
                homes.get(system, ""),
                tuple(records.get(system, ())),
                tuple(runs.get(system, ())),
                versions.get(system, {}),
                frozenset(models.get(system, ())),
            )
            for system in sorted({*records, *runs, *versions})
            if is_system(system)
        }


def _ran(run: RunView) -> Ran:
    return Ran(run.tags["aims.system"], run.experiment_id, max(run.started, run.finished or run.started), RECORD_TAG not in run.tags)
