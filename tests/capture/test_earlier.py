"""The runs that a bundle names as earlier: the system's latest, deleted ones too, and never at the cost of waiting."""

from __future__ import annotations

import threading
from typing import Any

import mlflow
import pytest

from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH, MOST_EARLIER, RECORD_TAG
from aims_mlflow.capture.earlier import Earlier
from aims_mlflow.recorder import Recorder
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import RunView, Store
from aims_mlflow.system import System


@pytest.fixture
def store(mlflow_home: str) -> Store:
    return Store(mlflow_home)


def run(store: Store, system: str = "golden", **tags: str) -> str:
    return store.create_run("tests", None, {"aims.system": system, **tags})


def test_they_are_the_systems_latest_runs_deleted_ones_too(store: Store) -> None:
    first, other = run(store), run(store, "another")
    record = run(store, **{RECORD_TAG: "newest"})
    deleted = run(store)
    mlflow.MlflowClient().delete_run(deleted)
    own = run(store)
    found = Earlier(store, "golden", own).ids(60)
    assert set(found) == {first, deleted}
    assert other not in found
    assert record not in found


def test_no_more_than_so_many_are_named_and_the_newest(store: Store) -> None:
    many = [run(store) for _ in range(MOST_EARLIER + 3)]
    found = Earlier(store, "golden", "").ids(60)
    started = {one: store.run(one).started for one in many}
    assert len(found) == MOST_EARLIER
    assert min(started[one] for one in found) >= max(started[one] for one in many if one not in found)


class Slow(Store):
    """A server that answers when it is allowed to."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.may = threading.Event()

    def latest_runs(self, system_id: str, limit: int) -> list[RunView]:
        self.may.wait(60)
        return super().latest_runs(system_id, limit)


def test_nobody_waits_for_a_slow_server(mlflow_home: str, store: Store) -> None:
    one = run(store)
    slow = Slow(mlflow_home)
    asked = Earlier(slow, "golden", "")
    assert asked.ids(0.01) == ()
    slow.may.set()
    assert asked.ids(60) == (one,)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the probe of a closed port
def test_a_server_that_is_down_leaves_it_empty() -> None:
    assert Earlier(Store("http://127.0.0.1:9"), "golden", "").ids(60) == ()


def test_a_bundle_names_the_run_before_it(store: Store, example_system: System, fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in ("provenance", "objectives")})

    def recorded(outcome: str) -> str:
        recorder = Recorder(example_system, store=store, run_id=run(store, example_system.id))
        recorder.data(fitted.train, "train")
        recorder.finish(outcome=outcome)
        return recorder.run_id

    first, second = recorded("raised ValueError"), recorded("raised ValueError")
    assert [open_bundle(store.read(one, BUNDLE_PATH))[0].run.earlier for one in (first, second)] == [(), (first,)]
