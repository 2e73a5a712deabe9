"""What pages cost, counted in statements and in records read, never in seconds (benchmarks/pages.py has those); and that none is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.pages.addresses import Address, system
from aims_mlflow.pages.site import Site
from aims_mlflow.records import sealing
from aims_mlflow.server.inside import Inside
from aims_mlflow.store import connection

from .world import World, at_home, rolled


@pytest.fixture
def own(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same systems in a database of the test's own; artifacts stay where they are."""
    monkeypatch.setenv("AIMS_HOME", str(world.home))
    shutil.copy(world.folder / "mlflow.db", tmp_path / "mlflow.db")
    (tmp_path / "home").symlink_to(world.home)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return World(tmp_path, Inside(uri, uri), dict(world.versions))


@contextmanager
def counting(store: Any) -> Iterator[list[str]]:
    """Write down the statements that the store's databases are asked."""
    from sqlalchemy import event

    asked: list[str] = []

    def hear(*given: Any) -> None:
        asked.append(given[2])

    engines = {id(e): e for e in (store._tracking.engine, store._registry.engine)}.values()
    for engine in engines:
        event.listen(engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", hear)


def more_systems(own: World, many: int) -> None:
    """Give further systems a run each, without a record."""
    with at_home(own):
        for n in range(many):
            own.store.create_run("tests", "training", {"aims.system": f"further-{n}"})


def test_the_second_inventory_asks_as_little_whatever_there_is(own: World) -> None:
    counts = []
    for many in (0, 40):
        more_systems(own, many)
        site = Site(own.store)
        site.page(Address())
        with counting(own.store) as asked:
            site.page(Address())
        counts.append(len(asked))
    assert counts[1] <= counts[0]


def test_the_second_inventory_reads_no_record_that_has_not_changed(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    first = own.store.read
    monkeypatch.setattr(own.store, "read", lambda run_id, path: read.append(path) or first(run_id, path))
    site = Site(own.store)
    before = site.page(Address())
    assert read.count(sealing.RECORD) == 5
    read.clear()
    assert site.page(Address()) == before
    assert read == []
    with at_home(own):
        rolled.World(own.store, own.folder).version(loans := rolled.make_system())
        own.record(loans)
    assert site.page(Address()) != before
    assert read.count(sealing.RECORD) >= 1


def test_no_paging_limit_drops_a_system(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    more_systems(own, 7)
    whole = Site(own.store).page(Address())
    monkeypatch.setattr(connection, "PAGE", 2)
    assert Site(own.store).page(Address()) == whole
    assert all(f"systems/further-{n}/" in whole.html for n in range(7))


def test_the_server_s_way_to_the_runs_finds_those_that_mlflow_s_search_finds(own: World) -> None:
    from aims_mlflow.store import Store

    plain = Store(own.database, own.database)
    found = {r.run_id: r for r in own.store.all_systems_runs()}
    searched = {r.run_id: r for r in plain.all_systems_runs()}
    assert found.keys() == searched.keys()
    for run_id, one in found.items():
        other = searched[run_id]
        assert (one.experiment_id, one.started, one.finished, one.lifecycle) == (
            other.experiment_id,
            other.started,
            other.finished,
            other.lifecycle,
        )
        assert dict(one.tags) == {key: value for key, value in other.tags.items() if key in ("aims.system", "aims.record")}
    since = sorted(r.started for r in found.values())[len(found) // 2]
    new = {r.run_id for r in own.store.all_systems_runs(since)}
    assert new == {r.run_id for r in plain.all_systems_runs(since)}
    assert new < found.keys()


def test_a_page_of_one_system_opens_no_other_record(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(own.store)
    read: list[str] = []
    first = own.store.read
    monkeypatch.setattr(own.store, "read", lambda run_id, path: read.append(run_id) or first(run_id, path))
    assert site.page(system("loans")).status == 200
    assert len(set(read)) == 1
