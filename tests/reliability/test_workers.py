"""Many processes: each run has one bundle, of its own data; processes that train together make one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aims_mlflow.bundle import Bundle
from aims_mlflow.evidence import CheckResult
from aims_mlflow.fingerprint import fingerprint
from tests.full import FULL, part
from tests.reliability import working
from tests.reliability.dying import Nursery, drawn
from tests.reliability.test_deaths import Home, gate, sent

MANY = part(16, 4)


@pytest.fixture(scope="module")
def nursery() -> Nursery:
    return Nursery()


@pytest.fixture
def home(mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("AIMS_HOME", str(tmp_path / "home"))
    return Home.at(mlflow_home, tmp_path)


def bundles(home: Home) -> list[Bundle]:
    """Return the bundles of all runs; each speaks of its run."""
    found = []
    for run in home.runs:
        bundle = home.evidence(run.run_id)
        assert bundle is not None
        assert bundle.run.run_id == run.run_id
        assert run.status == "FINISHED"
        assert bundle.complete
        found.append(bundle)
    return found


def test_of_many_processes_each_has_the_evidence_of_its_own_data(home: Home, nursery: Nursery) -> None:
    together = nursery.context.Barrier(MANY)
    processes = [nursery.start(working.trains, home.environment, str(home.folder), seed, together) for seed in range(MANY)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sent(home) == []
    trained_on = sorted(next(one.sha256 for one in bundle.datasets if one.role == "train") for bundle in bundles(home))
    assert trained_on == sorted(fingerprint(drawn(300, seed)).sha256 for seed in range(MANY))
    assert len(home.store.versions("loans")) == MANY


def trained_together(home: Home, nursery: Nursery, *seeds: int) -> Bundle:
    """Return the one bundle of ranks that trained together, each given data of its seed."""
    pytest.importorskip("torch")
    ranks = [
        nursery.start(working.trains_with_others, home.environment, str(home.folder), rank, len(seeds), seed)
        for rank, seed in enumerate(seeds)
    ]
    for process in ranks:
        process.join()
        assert process.exitcode == 0
    assert len({(home.folder / f"trained {rank}").read_text() for rank in range(len(seeds))}) == 1
    assert not any((home.folder / "home" / "ranks").iterdir())
    (bundle,) = bundles(home)
    return bundle


def said_of(bundle: Bundle, scope: dict[str, str]) -> CheckResult:
    (found,) = [one for one in bundle.results if one.check == "provenance" and one.scope == scope]
    return found


def test_ranks_that_train_together_make_one_bundle(home: Home, nursery: Nursery) -> None:
    bundle = trained_together(home, nursery, 0, 0)
    (train,) = [one for one in bundle.datasets if one.role == "train"]
    assert train.sha256 == fingerprint(drawn(300, 0)).sha256
    assert said_of(bundle, {}).facts["processes_silent"] == []
    assert said_of(bundle, {}).facts["processes"] == 2


def test_what_other_ranks_were_given_is_never_passed_over(home: Home, nursery: Nursery) -> None:
    bundle = trained_together(home, nursery, 0, 1)
    problem = said_of(bundle, {"dataset": "train"}).problem
    assert problem is not None
    assert "rank 1: 300" in problem.reason
    assert "train" not in {one.role for one in bundle.datasets}
    assert said_of(bundle, {"dataset": "test"}).problem is None
    on_train = [one for one in bundle.results if one.scope.get("dataset") == "train"]
    assert all(one.problem is not None for one in on_train), on_train
    assert gate(home) == ["denied"]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"] if FULL else ["loky"])
def test_workers_of_joblib_are_part_of_the_run_that_they_work_for(backend: str, home: Home, nursery: Nursery) -> None:
    process = nursery.start(working.trains_with_joblib, home.environment, str(home.folder), backend)
    process.join()
    assert process.exitcode == 0
    assert len(bundles(home)) == 1
