"""However a training's process ends: what was captured arrives, marked incomplete, and nothing incomplete passes the gate."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from aims_mlflow import journal, sending, spool
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.promotion import examine
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import RunView, Store
from aims_mlflow.system import System
from tests.full import part
from tests.reliability.dying import DECLARED, Nursery

KILLS = part(200, 50)
SEED = 20_261_122
SYSTEM = System.model_validate(DECLARED)


class Home(NamedTuple):
    """An MLflow and a home of their own, in a folder."""

    folder: Path
    store: Store
    environment: dict[str, str]

    @classmethod
    def at(cls, uri: str, folder: Path) -> Home:
        """Return the home of a test, with the environment for its processes."""
        environment = {"AIMS_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": uri}
        return cls(folder, Store(), {**environment, "MLFLOW_EXPERIMENT_NAME": "tests"})

    @property
    def runs(self) -> list[RunView]:
        return list(self.store.runs(""))

    def evidence(self, run_id: str) -> Bundle | None:
        """Return the bundle of a run as it stands in MLflow, verified; None where there is none."""
        if BUNDLE_PATH not in self.store.artifacts(run_id, "aims"):
            return None
        return open_bundle(self.store.read(run_id, BUNDLE_PATH))[0]


@pytest.fixture(scope="module")
def nursery() -> Nursery:
    return Nursery()


@pytest.fixture
def home(mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("AIMS_HOME", str(tmp_path / "home"))
    yield Home.at(mlflow_home, tmp_path)
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


def gate(home: Home) -> list[str]:
    """Return what the gate says of every version there is."""
    return [examine(one.uri, "champion", SYSTEM, home.store).decision.verdict for one in home.store.versions("loans")]


def sent(home: Home) -> list[str]:
    """Send what waits; return what went wrong."""
    return [one.problem for one in sending.replay(home.store) if one.problem]


@pytest.mark.parametrize("death", ["is_killed", "is_terminated", "leaves"])
def test_what_was_captured_is_sent_and_marked_incomplete(death: str, home: Home, nursery: Nursery) -> None:
    process, *_ = nursery.born(home.environment, home.folder, death)
    process.join()
    assert process.exitcode != 0
    (run,) = home.runs
    assert run.status == "RUNNING"
    assert spool.pending() == []
    assert [journal.is_dead(one) for one in journal.ongoing(spool.folder())] == [True]
    assert sent(home) == []
    (run,) = home.runs
    assert run.status == "KILLED"
    assert run.tags["aims.state"] != "pass"
    bundle = home.evidence(run.run_id)
    assert bundle is not None
    assert (bundle.complete, bundle.run.outcome, [one.role for one in bundle.datasets]) == (False, "died", ["train", "test"])
    assert "killed" in next(one.problem.reason for one in bundle.results if one.problem is not None)
    assert journal.ongoing(spool.folder()) == []
    assert sent(home) == []
    client = MlflowClient()  # a version that the function had registered itself before it died, or that somebody makes of the run now
    client.log_text(run.run_id, "a model", "model/MLmodel")
    client.create_registered_model("loans")
    client.create_model_version("loans", f"{client.get_run(run.run_id).info.artifact_uri}/model", run.run_id)
    (version,) = home.store.versions("loans")
    decision = examine(version.uri, "champion", SYSTEM, home.store).decision
    assert decision.verdict != "allowed"
    assert "incomplete" in {one.code for one in decision.blockers}


def test_a_bundle_that_had_arrived_is_not_replaced_by_what_was_known_before(home: Home, nursery: Nursery) -> None:
    """A process that dies between its bundle and the end of its journal; a tag that says so alone proves nothing."""
    process, *_ = nursery.born(home.environment, home.folder, "is_killed")
    process.join()
    (run,) = home.runs
    home.store.log(run.run_id, tags={"aims.bundle": "0" * 64})
    journals = home.folder / "journals"
    shutil.copytree(spool.folder(), journals)
    assert sent(home) == []
    arrived = home.store.read(run.run_id, BUNDLE_PATH)
    assert open_bundle(arrived)[0].run.outcome == "died"
    shutil.copytree(journals, spool.folder(), dirs_exist_ok=True)
    assert sent(home) == []
    assert home.store.read(run.run_id, BUNDLE_PATH) == arrived
    assert journal.ongoing(spool.folder()) == []


def test_an_interrupted_one_says_so_itself(home: Home, nursery: Nursery) -> None:
    process, *_ = nursery.born(home.environment, home.folder, "is_interrupted")
    process.join()
    (run,) = home.runs
    bundle = home.evidence(run.run_id)
    assert run.status == "KILLED"
    assert bundle is not None
    assert (bundle.complete, bundle.run.outcome) == (False, "raised KeyboardInterrupt")
    assert journal.ongoing(spool.folder()) == []


def test_of_a_fork_one_process_makes_the_evidence(home: Home, nursery: Nursery) -> None:
    process, *_ = nursery.born(home.environment, home.folder, "forks_and_both_go_on")
    process.join()
    assert process.exitcode == 0
    (run,) = home.runs
    bundle = home.evidence(run.run_id)
    assert bundle is not None
    assert bundle.complete
    assert run.status == "FINISHED"
    assert gate(home) == ["allowed"]


def test_one_that_goes_on_is_left_alone(home: Home, nursery: Nursery) -> None:
    process, _, may_go = nursery.born(home.environment, home.folder, "hangs")
    mark = home.folder / "in the middle"
    while not mark.exists():
        assert process.is_alive()
        process.join(0.05)
    (folder,) = journal.ongoing(spool.folder())
    assert not journal.is_dead(folder)
    assert sent(home) == []
    assert journal.ongoing(spool.folder()) == [folder]
    may_go.set()
    process.join()
    (run,) = home.runs
    bundle = home.evidence(run.run_id)
    assert bundle is not None
    assert bundle.complete
    assert journal.ongoing(spool.folder()) == []


def on_disk(home: Home) -> dict[str, bytes]:
    """Return the bundle of each parcel that a disk had whole when its process was killed: run -> statement or envelope."""
    found: dict[str, bytes] = {}
    for entry in spool.pending():
        parcel = entry.read()
        found[parcel.run_id] = parcel.files.get(BUNDLE_PATH) or parcel.files[spool.UNSIGNED]
    return found


def test_kills_at_any_moment_lose_nothing_that_was_on_disk(home: Home, nursery: Nursery) -> None:
    """The moments are drawn between the first breath and somewhat after a whole run would have ended."""
    process, ready, _ = nursery.born(home.environment, home.folder)
    ready.wait()
    began = time.monotonic()
    process.join()
    whole = time.monotonic() - began
    drawn = random.Random(SEED)  # noqa: S311 - moments, not secrets
    outcomes: dict[str, int] = {}
    seen = {run.run_id for run in home.runs}
    for _ in range(KILLS):
        process, ready, _ = nursery.born(home.environment, home.folder)
        ready.wait()
        process.join(drawn.uniform(0.0, 1.05 * whole))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        kept = on_disk(home)
        assert sent(home) == []
        assert journal.ongoing(spool.folder()) == []
        assert spool.pending() == []
        new = [run for run in home.runs if run.run_id not in seen]
        assert len(new) <= 1
        for run in new:
            seen.add(run.run_id)
            bundle = home.evidence(run.run_id)
            if run.run_id in kept:
                assert bundle is not None
                if b'"payload"' in kept[run.run_id]:
                    assert home.store.read(run.run_id, BUNDLE_PATH) == kept[run.run_id]
            assert bundle is None or bundle.run.run_id == run.run_id
            state = "no evidence" if bundle is None else bundle.run.outcome if not bundle.complete else "complete"
            outcomes[state] = outcomes.get(state, 0) + 1
            if state == "complete":
                assert run.tags["aims.bundle"] == hashlib.sha256(home.store.read(run.run_id, BUNDLE_PATH)).hexdigest()
        outcomes["no run"] = outcomes.get("no run", 0) + (not new)
    print(f"{KILLS} kills within {whole:.1f} s: {outcomes}")  # noqa: T201 - the figure, shown by -s
    allowed = 0
    for version in home.store.versions("loans"):
        decision = examine(version.uri, "champion", SYSTEM, home.store).decision
        bundle = home.evidence(version.run_id)
        if decision.verdict == "allowed":
            allowed += 1
            assert bundle is not None
            assert bundle.complete
            assert bundle.run.outcome == "finished"
    assert allowed >= 1
