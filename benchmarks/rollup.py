"""The roll-up of a system with many runs: the first summary against the search for its runs, the next one against the first."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from aims_mlflow.bundle import BUNDLE_PATH, Bundle, DatasetSummary, FileDigest, ModelSummary, RunSummary
from aims_mlflow.evidence import CheckResult, Measure, digest
from aims_mlflow.judging import judge
from aims_mlflow.records.summary import summarise
from aims_mlflow.records.words import SystemRecord
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import System
from benchmarks.comparing import Comparison
from benchmarks.track import store as fresh_store

VERSIONS = 5
"""Registered versions; each is read in the first summary."""

TRIED = 30
"""Newest runs with evidence and without a version; a summary reads no more of them than this."""

METRICS = 200
"""Metrics of each of the system's runs: what a tracked run has of ours (``METRICS_AT_MOST``)."""

CONTENT: dict[str, Any] = {
    "version": 1,
    "system": {"id": "rolled-up", "owner": {"name": "owner"}, "purpose": "p", "affected_parties": [{"name": "people", "size": 1000}]},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["sex"]},
    "requirements": [
        {"check": "performance", "metric": "accuracy_score", "min": 0.7, "declared": "2026-01-01", "objective": "C.2.8"},
        {
            "check": "robustness",
            "perturbation": "numeric_noise",
            "strength": 0.1,
            "metric": "accuracy_drop",
            "max": 0.05,
            "declared": "2026-01-01",
        },
        {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.99, "declared": "2026-01-01"},
    ],
    "gate": {"max_age_days": 3650},
}


@dataclass
class World:
    """A sqlite MLflow with the runs of one system among many others."""

    store: Store
    system: System
    folder: Path
    database: Path
    template: str
    waiting: Iterator[str]

    def reveal(self) -> None:
        """Let one more run with evidence, which was laid up before, be the system's: as if it had just ended."""
        now = int(time.time() * 1000)
        run_id = next(self.waiting)
        with sqlite3.connect(self.database) as database:
            database.execute("update runs set start_time = ?, end_time = ? where run_uuid = ?", (now - 1000, now, run_id))
            database.execute("insert into tags (key, value, run_uuid) values ('aims.system', ?, ?)", (self.system.id, run_id))
        database.close()


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield both: 1,000 runs of the system among 10,000, sqlite in this process, so that the store's own work is counted too."""
    own, every, versions, tried = (10, 30, 2, 2) if quick else (1_000, 10_000, VERSIONS, TRIED)
    with fresh_store() as folder:
        world = filled(folder, own, every, versions, tried)
        client = _client()
        experiments = [e.experiment_id for e in client.search_experiments()]

        def search() -> int:
            found, token = 0, None
            while True:
                page = client.search_runs(experiments, f"tags.`aims.system` = '{world.system.id}'", max_results=1000, page_token=token)
                found, token = found + len(page), page.token
                if not token:
                    return found

        def first() -> SystemRecord:
            return summarise(world.system, store=Store(), fresh=True)

        def following() -> SystemRecord:
            world.reveal()
            return summarise(world.system, store=Store())

        def agree_first(found: int, record: SystemRecord) -> str:
            records = sum(1 for _ in world.store.runs("tags.`aims.record` LIKE '%'"))
            assert record.runs.runs in (found, found - records, found - records + 1), (found, records, record.runs)
            assert len(record.versions) == versions
            return f"yes: every run counted; ours also reads {versions} versions and {tried} runs with evidence, and writes the record"

        def agree_next(before: SystemRecord, record: SystemRecord) -> str:
            assert record.runs.runs > own
            assert {v.uri for v in record.versions} == {v.uri for v in before.versions}
            full = summarise(world.system, store=Store(), fresh=True, write=False)
            remembered = summarise(world.system, store=Store(), write=False)
            assert _told(full) == _told(remembered)
            return "yes: the same record as one that reads everything again"

        name = f"roll-up, {own:,} runs of a system among {every:,}"
        yield Comparison(f"{name}: first", "`search_runs`, filtered, alone", search, first, agree_first, "of", 3)
        yield Comparison(f"{name}: after one new run", "the first summary", first, following, agree_next, "of", 0.1)


def _told(record: SystemRecord) -> Any:
    """Return what a record says, without when it was made."""
    told = record.model_dump(mode="json", exclude={"made"})
    for version in told["versions"]:
        version.pop("read")
    return told


def filled(folder: Path, own: int, every: int, registered: int, tried: int) -> World:
    """Fill the store: versions and runs with signed evidence by our own means, the rest by copying rows."""
    import mlflow

    client = _client()
    system = System.model_validate(CONTENT)
    store = Store()
    experiment = client.create_experiment("trainings", artifact_location=(folder / "artifacts").as_uri())
    database = Path(mlflow.get_tracking_uri().removeprefix("sqlite:///"))
    days = count(1)
    versions = [_run(store, client, system, experiment, next(days)) for _ in range(registered)]
    for run_id, uri in versions:
        store.register(uri, "rolled-up", run_id=run_id, tags={"aims.system": system.id})
    for _ in range(tried):
        _run(store, client, system, experiment, next(days))
    waiting = [_run(store, client, system, experiment, 1)[0] for _ in range(min(16, tried))]
    with sqlite3.connect(database) as open_database:
        for run_id in waiting:
            open_database.execute("delete from tags where key = 'aims.system' and run_uuid = ?", (run_id,))
        _copy(open_database, versions[0][0], own - registered - tried, days)
        _copy(open_database, versions[0][0], every - own, days, ours=False)
    open_database.close()
    return World(store, system, folder, database, versions[0][0], iter(waiting))


def _client() -> Any:
    import mlflow

    return mlflow.MlflowClient()


def _run(store: Store, client: Any, system: System, experiment: str, days_ago: int) -> tuple[str, str]:
    """Make a run with a model, metrics, tags and signed evidence, as a tracked training leaves them; return its id and its model."""
    from mlflow.entities import Metric, RunTag

    ended = datetime.now(UTC) - timedelta(days=days_ago)
    run_id = client.create_run(experiment, start_time=_ms(ended) - 60_000).info.run_id
    logged = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    place = Path(str(logged.artifact_location).removeprefix("file://"))
    place.mkdir(parents=True)
    (place / "MLmodel").write_text(f"run_id: {run_id}\n")
    client.finalize_logged_model(logged.model_id, "READY")
    uri = f"models:/{logged.model_id}"
    files = {path: FileDigest(size=size, sha256=sha256) for path, (size, sha256) in store.model_files(uri).items()}
    envelope = seal_bundle(made_bundle(system, run_id, ended, ModelSummary(uri=uri, flavour="sklearn", files=files), days_ago))
    store.write(run_id, BUNDLE_PATH, envelope)
    tags = {"aims.system": system.id, "aims.state": "fail", "aims.bundle": sha256_of(envelope), "mlflow.note.content": "x" * 2_000}
    tags |= {f"aims.A.{n}": "missing" for n in range(20)}
    metrics = [Metric(f"aims.check.measure_{n}", n / 7, 0, 0) for n in range(METRICS)]
    client.log_batch(run_id, metrics=metrics, tags=[RunTag(k, v) for k, v in tags.items()])
    client.set_terminated(run_id, "FINISHED", end_time=_ms(ended))
    return run_id, uri


def made_bundle(system: System, run_id: str, ended: datetime, model: ModelSummary | None, seed: int) -> Bundle:
    """Return the evidence of a run, with about as many results as the checks leave of a table of twenty columns."""
    results = _results(seed)
    started = ended - timedelta(minutes=1)
    return Bundle(
        collector="aims-mlflow benchmark",
        system_id=system.id,
        policy_sha256=system.sha256,
        run=RunSummary(run_id=run_id, started=started, finished=ended, outcome="finished"),
        model=model,
        datasets=tuple(
            DatasetSummary(
                role=role, sha256=digest([role, seed]), algorithm="sha256", rows=1000, columns=("x", "y"), dtypes=("float64", "int64")
            )
            for role in ("train", "test")
        ),
        requirements=(),
        results=results,
        evidence=judge(system, results, run_id=run_id, started=started, now=ended),
        complete=True,
    )


def _results(seed: int) -> tuple[CheckResult, ...]:
    """Return about as many results and measures as the checks leave of a table of twenty columns."""

    def measured(name: str, value: float) -> Measure:
        return Measure(name=name, value=value, ci_low=value - 0.02, ci_high=value + 0.02, ci_method="bootstrap", n=1000)

    drop = 0.01 + seed % 7 / 1000
    made = [CheckResult(check="performance", scope={"dataset": "test"}, measures=(measured("accuracy_score", 0.8 - drop),))]
    made += [
        CheckResult(
            check="robustness",
            scope={"dataset": "test", "perturbation": "numeric_noise", "strength": str(strength / 10)},
            measures=tuple(measured(name, drop) for name in ("accuracy_drop", "flip_rate", "silently_wrong_share")),
        )
        for strength in range(1, 31)
    ]
    made += [
        CheckResult(
            check="drift",
            scope={"dataset": "test", "reference": "train", "column": f"x{column}"},
            measures=(measured("distance", 0.03),),
            facts={"threshold": 0.1},
        )
        for column in range(20)
    ]
    made += [
        CheckResult(
            check="quality",
            scope={"dataset": role},
            measures=(
                Measure(name="completeness", value=1.0, ci_method="full count", n=1000),
                Measure.counted("all_null_columns", 0, n=20),
            ),
        )
        for role in ("train", "test")
    ]
    return tuple(made)


def _copy(database: sqlite3.Connection, template: str, many: int, days: Iterator[int], *, ours: bool = True) -> None:
    """Copy a run's rows ``many`` times, one a day back into the past; where not ``ours``, without our tags and most metrics."""
    columns = {table: [row[1] for row in database.execute(f"pragma table_info({table})")] for table in ("runs", "tags", "latest_metrics")}
    (run,) = database.execute(f"select {', '.join(columns['runs'])} from runs where run_uuid = ?", (template,)).fetchall()  # noqa: S608
    rows = {
        t: database.execute(f"select {', '.join(columns[t])} from {t} where run_uuid = ?", (template,)).fetchall()  # noqa: S608
        for t in ("tags", "latest_metrics")
    }
    if not ours:
        rows["tags"] = [row for row in rows["tags"] if not str(row[columns["tags"].index("key")]).startswith("aims.")]
        rows["latest_metrics"] = rows["latest_metrics"][:10]
    made: dict[str, list[tuple[Any, ...]]] = {"runs": [], "tags": [], "latest_metrics": []}
    for _ in range(many):
        new, ended = uuid4().hex, _ms(datetime.now(UTC) - timedelta(days=next(days) if ours else 1))
        made["runs"].append(_with(columns["runs"], run, {"run_uuid": new, "start_time": ended - 60_000, "end_time": ended}))
        for table in ("tags", "latest_metrics"):
            kept = [row for row in rows[table] if row[0] != "aims.bundle"]  # its copies have no evidence of their own
            made[table] += [_with(columns[table], row, {"run_uuid": new}) for row in kept]
    for table, found in made.items():
        database.executemany(f"insert into {table} ({', '.join(columns[table])}) values ({', '.join('?' * len(columns[table]))})", found)  # noqa: S608


def _with(columns: list[str], row: tuple[Any, ...], values: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(values.get(name, value) for name, value in zip(columns, row, strict=True))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def sha256_of(content: bytes) -> str:
    """Return the sha256 of bytes, as the tag ``aims.bundle`` has it."""
    return hashlib.sha256(content).hexdigest()
