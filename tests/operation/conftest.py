"""A model trained under the tracker once, in a sqlite MLflow of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.store import Store
from aims_mlflow.system import System

from .world import CHECKS, DECLARED, TEST, TRAIN, World, fit


@pytest.fixture(scope="package")
def _operated(_mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:

    here = tmp_path_factory.mktemp("operated")
    shutil.copy(_mlflow_template, here / "mlflow.db")
    uri = f"sqlite:///{here / 'mlflow.db'}"
    every = registry.checks()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)  # artifacts of new experiments lie in the working directory
        patch.setenv("AIMS_HOME", str(here / "home"))
        patch.setattr(registry, "checks", lambda: {name: every[name] for name in CHECKS})
        _use(uri)
        system = System.model_validate(DECLARED)
        aims.track(system, register="loans")(fit)(TRAIN, TEST)
        store = Store()
        (version,) = store.versions("loans")
        yield World(store, system, version.source, version.run_id, Casebook(system.id, store))


@pytest.fixture
def world(_operated: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The MLflow of these tests, with a trained model, and few checks."""
    import mlflow

    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in CHECKS if name in every})
    _use(_operated.store.tracking_uri)  # a test with an MLflow of its own may have come between
    monkeypatch.chdir(Path(mlflow.get_tracking_uri().removeprefix("sqlite:///")).parent)
    return _operated


def _use(uri: str) -> None:
    """Make this MLflow the one that is used."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment("training")
