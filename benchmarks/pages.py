"""The pages of many systems: the inventory and one system's page, cold and warm, against the search for all their runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from aims_mlflow.bundle import experiment_of
from aims_mlflow.pages.addresses import Address, system
from aims_mlflow.pages.site import Page, Site
from aims_mlflow.records import sealing
from aims_mlflow.records.summary import summarise
from aims_mlflow.server.inside import Inside
from aims_mlflow.store import Store
from benchmarks.comparing import Comparison
from benchmarks.rollup import filled
from benchmarks.track import store as fresh_store

METRICS = 10
"""Metrics that each copied run keeps: a tracked run has up to 200, which the search reads and the pages do not."""


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield four: 200 systems with a record each and 10,000 runs, sqlite, in this process, so that the store's own work is counted."""
    systems, every = (4, 40) if quick else (200, 10_000)
    with fresh_store() as folder:
        first = grown(folder, systems, every // systems)
        uri = _uri()

        def search() -> int:
            return sum(1 for _ in Store().runs("tags.`aims.system` LIKE '%'"))

        def cold(address: Address) -> Callable[[], Page]:
            return lambda: Site(Inside(uri, uri)).page(address)

        def warm(address: Address) -> Callable[[], Page]:
            site = Site(Inside(uri, uri))

            def look() -> Page:
                _touch(first)
                return site.page(address)

            site.page(address)
            return look

        def agree(found: int, page: Page) -> str:
            assert found >= every
            assert page.status == 200
            assert page.html.count('href="systems/') >= systems or first in page.html
            return f"yes: {systems:,} systems, every run counted, each record's signature verified; {len(page.html) / 1000:,.0f} kB"

        name, instead = f"{systems:,} systems, {every:,} runs", "`search_runs` for all their runs"
        yield Comparison(f"inventory, {name}: first look", instead, search, cold(Address()), agree, "of", 3)
        yield Comparison(f"inventory, {name}: after one new run", instead, search, warm(Address()), agree, "of", 0.1)
        yield Comparison(f"page of a system, {name}: first look", instead, search, cold(system(first)), agree, "of", 3)
        yield Comparison(f"page of a system, {name}: after one new run", instead, search, warm(system(first)), agree, "of", 0.1)


def _uri() -> str:
    import mlflow

    return str(mlflow.get_tracking_uri())


def _touch(system_id: str) -> None:
    """Let one of a system's runs begin now."""
    now = int(time.time() * 1000)
    oldest = "select runs.run_uuid from runs join tags using (run_uuid) where key = 'aims.system' and value = ? order by start_time limit 1"
    with sqlite3.connect(_uri().removeprefix("sqlite:///")) as database:
        database.execute(f"update runs set start_time = ?, end_time = ? where run_uuid = ({oldest})", (now - 1, now, system_id))  # noqa: S608
    database.close()


def grown(folder: Path, systems: int, each: int) -> str:
    """Fill the store: one system by our own means, the others by copying its rows and signing its record for them; return its id."""
    world = filled(folder, each, each, 2, 2)
    summarise(world.system, store=world.store)
    first = world.system.id
    with sqlite3.connect(world.database) as database:
        model = _Model(database, first)
        for n in range(1, systems):
            model.copy(folder, f"system-{n}")
    database.close()
    return first


class _Model:
    """All rows of one system, and copies of them for other systems, with ids of their own and a record that is signed for them."""

    def __init__(self, database: sqlite3.Connection, system_id: str) -> None:
        self.database, self.system_id = database, system_id
        self.home = _rows(database, "experiments", "name = ?", experiment_of(system_id))[0]
        owned = "run_uuid in (select run_uuid from tags where key = 'aims.system' and value = ?)"
        self.runs = _rows(database, "runs", owned, system_id)
        self.of_run = {
            run["run_uuid"]: {
                "tags": _rows(database, "tags", "run_uuid = ?", run["run_uuid"]),
                "latest_metrics": _rows(database, "latest_metrics", "run_uuid = ?", run["run_uuid"])[:METRICS],
            }
            for run in self.runs
        }
        tables = ("registered_models", "model_versions", "model_version_tags")
        self.registry = {table: _rows(database, table, "name = ?", system_id) for table in tables}
        self.next = max(int(row["experiment_id"]) for row in _rows(database, "experiments", "1 = 1"))

    def copy(self, folder: Path, new: str) -> None:
        """Copy everything for another system."""
        self.next += 1
        place = (folder / new).as_uri()
        home = {**self.home, "experiment_id": self.next, "name": experiment_of(new), "artifact_location": place}
        made: dict[str, list[dict[str, Any]]] = {"experiments": [home], "runs": [], "tags": [], "latest_metrics": []}
        for run in self.runs:
            run_id = uuid4().hex
            at_home = run["experiment_id"] == self.home["experiment_id"]
            there = {"experiment_id": self.next, "artifact_uri": f"{place}/{run_id}/artifacts"} if at_home else {}
            made["runs"].append({**run, "run_uuid": run_id, **there})
            for table, rows in self.of_run[run["run_uuid"]].items():
                made[table] += [{**row, "run_uuid": run_id, **_renamed(row, new)} for row in rows]
            if at_home:
                self._record(Path(run["artifact_uri"].removeprefix("file://")), folder / new / run_id / "artifacts", new, run_id)
        for table, rows in self.registry.items():
            made[table] = [{**row, "name": new, **_renamed(row, new)} for row in rows]
        for table, rows in made.items():
            _put(self.database, table, rows)

    def _record(self, source: Path, target: Path, new: str, run_id: str) -> None:
        record = (source / sealing.RECORD).read_bytes().replace(f'"{self.system_id}"'.encode(), f'"{new}"'.encode())
        sealed = sealing.seal(record, new, run_id)
        assert sealed is not None
        (target / sealing.RECORD).parent.mkdir(parents=True)
        (target / sealing.RECORD).write_bytes(record)
        (target / sealing.PATH).write_bytes(sealed)


def _renamed(row: dict[str, Any], new: str) -> dict[str, Any]:
    return {"value": new} if row.get("key") == "aims.system" else {}


def _rows(database: sqlite3.Connection, table: str, where: str, *given: str) -> list[dict[str, Any]]:
    found = database.execute(f"select * from {table} where {where}", given)  # noqa: S608 - names of ours
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _put(database: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        into = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"  # noqa: S608 - names of ours
        database.executemany(into, [list(row.values()) for row in rows])
