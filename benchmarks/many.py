"""A store of 200 systems that grows from 1,000 to 100,000 runs: what a search, a summary, the pages and an audit cost at each size.

Runs are written straight into the tables of MLflow's sqlite backend, as MLflow writes them, each with its tags, its metrics and its
signed evidence among its artifacts. The store's work is done in this process, so that it is counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from aims_mlflow.auditing import audit
from aims_mlflow.auditing.words import Audit
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.pages.addresses import Address
from aims_mlflow.pages.addresses import system as page_of
from aims_mlflow.pages.site import Site
from aims_mlflow.records.summary import summarise
from aims_mlflow.server.inside import Inside
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import Store
from aims_mlflow.store.connection import Connection
from aims_mlflow.system import System
from benchmarks.pages import grown
from benchmarks.rollup import CONTENT, made_bundle, sha256_of
from benchmarks.track import store as fresh_store

SIZES, QUICK = (1_000, 10_000, 100_000), (40, 80)
SYSTEMS, FEW = 200, 4
"""Systems in the store, and how many with --quick."""

METRICS = 10
"""Metrics of each run; a tracked run has up to 200, which only searches read."""

CONTROLS = 20
"""Controls whose state a run has as tags."""

TIMES = 3
"""Each cost is the median of so many; what takes longer than ``LONG`` seconds is measured once."""

LONG = 5.0


@dataclass(frozen=True)
class Cost:
    """What something took: seconds of processor time, and calls of ours to MLflow."""

    seconds: float
    calls: int


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table of growth, one row for each thing that is asked, one column for each size."""
    sizes, systems = (QUICK, FEW) if quick else (SIZES, SYSTEMS)
    with fresh_store() as folder:
        world = World(folder, grown(folder, systems, sizes[0] // systems))
        found: dict[str, list[Cost]] = {}
        for size in sizes:
            world.grow(systems, size)
            for name, cost in costs(world):
                found.setdefault(name, []).append(cost)
    yield f"| {systems} systems, runs: | " + " | ".join(f"{size:,}" for size in sizes) + " | at the most runs, in searches |"
    yield "|" + "---|" * (len(sizes) + 2)
    searched = {"one": found[ONE][-1].seconds, "all": found[ALL][-1].seconds}
    for name, row in found.items():
        of = "all" if name in (ALL, INVENTORY, FIRST_PAGE, AUDIT) else "one"
        cells = [f"{_seconds(cost.seconds)}, {cost.calls} calls" for cost in row]
        yield f"| {name} | {' | '.join(cells)} | {row[-1].seconds / searched[of]:.2f} of {of} |"
    yield ""
    yield (
        f"Processor seconds of this process, the sqlite store's work included, and calls of ours to MLflow. {METRICS} metrics a run. "
        "The last column: in how many of the two searches in the first rows, of one system's runs or of all systems' runs."
    )


ONE = "search of one system's runs"
ALL = "search of all systems' runs"
FIRST = "summary of one system: first"
NEXT = "the same after one new run"
INVENTORY = "inventory page: first look"
SECOND_INVENTORY = "the same page after one new run"
FIRST_PAGE = "a system's page: first look"
SECOND_PAGE = "that page after one new run"
AUDIT = "audit: first"
AGAIN = "audit --memory after one new run"


def costs(world: World) -> Iterator[tuple[str, Cost]]:
    """Yield what each thing costs in a store as it stands."""
    system, uri = world.system, world.uri
    yield ONE, taken(lambda: sum(1 for _ in Store().system_runs(system.id)))
    yield ALL, taken(lambda: sum(1 for _ in Store().runs("tags.`aims.system` != ''")))
    yield FIRST, taken(lambda: summarise(system, store=Store(), fresh=True))
    yield NEXT, taken(lambda: summarise(system, store=Store()), before=world.begin)
    for first, second, address in ((INVENTORY, SECOND_INVENTORY, Address()), (FIRST_PAGE, SECOND_PAGE, page_of(system.id))):
        site = Site(Inside(uri, uri))
        yield first, taken(lambda a=address: Site(Inside(uri, uri)).page(a))  # type: ignore[misc]  # a lambda with a default
        site.page(address)
        yield second, taken(lambda a=address, s=site: s.page(a), before=world.begin)  # type: ignore[misc]  # as above
    memory = world.folder / "audited.json"
    memory.unlink(missing_ok=True)
    yield AUDIT, taken(lambda: _looked(audit(store=Store(), memory=memory)), before=lambda: memory.unlink(missing_ok=True))
    yield AGAIN, taken(lambda: _looked(audit(store=Store(), memory=memory)), before=world.begin)


def _looked(found: Audit) -> Audit:
    assert not [f for f in found.findings if f.severity == "critical"], found.findings[:3]
    return found


def taken(do: Callable[[], object], *, before: Callable[[], object] = bool) -> Cost:
    """Return what something costs; ``before`` is done first, each time, and is not counted."""
    seconds: list[float] = []
    calls = 0
    while len(seconds) < TIMES and not (seconds and seconds[0] > LONG):
        before()
        with counting() as counted:
            started = time.process_time()
            do()
            seconds.append(time.process_time() - started)
        calls = counted[0]
    return Cost(statistics.median(seconds), calls)


class counting:  # noqa: N801 - used as a function
    """Count the calls to MLflow that our stores make while the block runs."""

    def __enter__(self) -> list[int]:
        """Begin."""
        self.counted = [0]
        call = Connection._call

        def counted(connection: Connection, what: str, do: Callable[[], Any], **how: bool) -> Any:
            self.counted[0] += 1
            return call(connection, what, do, **how)

        self.patched = patch.object(Connection, "_call", counted)
        self.patched.start()
        return self.counted

    def __exit__(self, *_: object) -> None:
        """End."""
        self.patched.stop()


@dataclass
class World:
    """A store in which each system gets runs with evidence until there are enough of them."""

    folder: Path
    system_id: str
    there: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import mlflow

        self.uri = str(mlflow.get_tracking_uri())
        self.system = System.model_validate(CONTENT)
        client = mlflow.MlflowClient()
        self._forget_copies()
        self.experiment = client.create_experiment("many", artifact_location=(self.folder / "many").as_uri())
        self.template = made_bundle(self.system, "0" * 32, datetime.now(UTC), None, 1)
        self.template = self.template.model_copy(update={"results": self.template.results[:4], "evidence": self.template.evidence[:3]})

    def _forget_copies(self) -> None:
        """Take the copied runs away from the systems: their evidence is another system's. Their records stay."""
        from sqlalchemy import create_engine, text

        engine = create_engine(self.uri)
        with engine.begin() as connection:
            trainings = "select run_uuid from runs join experiments using (experiment_id) where experiments.name = 'trainings'"
            own = "value = :own and run_uuid in (select run_uuid from tags where key = 'aims.bundle')"
            of_copies = f"key = 'aims.system' and not ({own}) and run_uuid in ({trainings})"
            connection.execute(text(f"delete from tags where {of_copies}"), {"own": self.system_id})  # noqa: S608 - as above
        engine.dispose()

    def grow(self, systems: int, every: int) -> None:
        """Add runs, as many to each system, one after the other into a year that ended two days ago."""
        names = [self.system_id, *(f"system-{n}" for n in range(1, systems))]
        year = timedelta(days=365) / (every // systems + 1)
        for name in names:
            missing = every // systems - self.there.get(name, 0)
            ended = datetime.now(UTC) - timedelta(days=2)
            self._add([(name, ended - year * n) for n in range(missing)])
            self.there[name] = every // systems

    def begin(self) -> None:
        """Let one more run of the first system end now."""
        self._add([(self.system_id, datetime.now(UTC))])

    def _add(self, runs: list[tuple[str, datetime]]) -> None:
        """Write runs as MLflow does, and their evidence."""
        from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlRun, SqlTag
        from sqlalchemy import create_engine, insert

        rows: dict[Any, list[Mapping[str, Any]]] = {SqlRun: [], SqlTag: [], SqlMetric: [], SqlLatestMetric: []}
        for name, ended in runs:
            run_id = uuid4().hex
            place = self.folder / "many" / run_id / "artifacts"
            envelope = seal_bundle(self._bundle(name, run_id, ended))
            (place / BUNDLE_PATH).parent.mkdir(parents=True)
            (place / BUNDLE_PATH).write_bytes(envelope)
            at = int(ended.timestamp() * 1000)
            run = {"run_uuid": run_id, "name": "trained", "experiment_id": int(self.experiment), "user_id": "somebody"}
            run |= {"source_type": "LOCAL", "source_name": "train.py", "entry_point_name": "", "status": "FINISHED"}
            run |= {"start_time": at - 60_000, "end_time": at, "lifecycle_stage": "active", "artifact_uri": place.as_uri()}
            rows[SqlRun].append(run)
            tags = {"aims.system": name, "aims.state": "fail", "aims.bundle": sha256_of(envelope), "mlflow.note.content": "x" * 500}
            tags |= {f"aims.A.{n}": "missing" for n in range(CONTROLS)} | {"mlflow.runName": "trained", "mlflow.user": "somebody"}
            rows[SqlTag] += [{"key": key, "value": value, "run_uuid": run_id} for key, value in tags.items()]
            for n in range(METRICS):
                metric = {"key": f"aims.check.measure_{n}", "value": n / 7, "timestamp": at, "step": 0, "is_nan": False, "run_uuid": run_id}
                rows[SqlMetric].append(metric)
                rows[SqlLatestMetric].append(metric)
        engine = create_engine(self.uri)
        with engine.begin() as connection:
            for table, made in rows.items():
                if made:
                    connection.execute(insert(table), made)
        engine.dispose()

    def _bundle(self, system_id: str, run_id: str, ended: datetime) -> Bundle:
        run = self.template.run.model_copy(update={"run_id": run_id, "started": ended - timedelta(minutes=1), "finished": ended})
        return self.template.model_copy(update={"system_id": system_id, "run": run})


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s"
