"""What the tests of the hooks share: a small system, small frames, and few checks, since every call measures."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, NamedTuple

import pytest

from aims_mlflow import registry
from aims_mlflow.store import Store
from aims_mlflow.system import System

KEPT = ("performance", "provenance")


class Frames(NamedTuple):
    """A train and a test frame with a numeric feature, a group and a binary target."""

    train: Any
    test: Any


@pytest.fixture(autouse=True, scope="session")
def _imported() -> None:
    """Import MLflow's model rooms once: they warn about their own type hints, which as an error would break the import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("mlflow.pyfunc")
        importlib.import_module("mlflow.sklearn")


@pytest.fixture(autouse=True)
def _few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only two checks run: tests of the recorder measure the whole."""
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in KEPT if name in every})


@pytest.fixture
def system() -> System:
    """A system with train and test data."""
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": "small"},
            "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
            "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ("g",)},
            "requirements": [{"check": "performance", "metric": "accuracy_score", "min": 0.5}],
        }
    )


@pytest.fixture
def frames() -> Frames:
    """200 rows to train on, 100 to test on."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)

    def drawn(rows: int) -> pd.DataFrame:
        x = random.normal(size=rows)
        return pd.DataFrame({"x": x, "z": random.normal(size=rows), "g": random.choice(["a", "b"], rows), "y": (x > 0).astype(int)})

    return Frames(drawn(200), drawn(100))


@pytest.fixture
def store(mlflow_home: str) -> Store:
    """The fresh sqlite MLflow."""
    return Store()


class Threshold:
    """The smallest model: positive above zero. It pickles by reference, and needs no fitting."""

    def __init__(self, column: str = "x") -> None:
        self.feature_names_in_ = [column]
        self.classes_ = [0, 1]

    def predict(self, frame: Any) -> Any:
        return (frame[self.feature_names_in_[0]] > 0).astype(int).to_numpy()


@pytest.fixture
def threshold() -> Threshold:
    """A model that needs no fitting."""
    return Threshold()


def evidence_of(store: Store, run_id: str) -> Any:
    """Return the verified bundle of a run."""
    from aims_mlflow.bundle import BUNDLE_PATH
    from aims_mlflow.signing import open_bundle

    return open_bundle(store.read(run_id, BUNDLE_PATH))[0]


@pytest.fixture
def evidence() -> Any:
    """``evidence(store, run_id)`` gives the verified bundle of a run."""
    return evidence_of
