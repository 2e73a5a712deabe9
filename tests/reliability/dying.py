"""A training in a process of its own that dies where it is told to. It is forked off a server that has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.system import System

PRELOADED = [
    "mlflow",
    "mlflow.sklearn",
    "pandas",
    "skops.io",
    "sklearn.linear_model",
    "aims_mlflow.recorder",
    "aims_mlflow.sending",
    "fairlearn.metrics",
]

CHECKS = ("performance", "provenance", "quality", "leakage")

DECLARED: dict[str, Any] = {
    "version": 1,
    "system": {"id": "small", "model": "loans", "affected_parties": [{"name": "applicants"}]},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["g"]},
    "requirements": [
        {"check": "performance", "metric": "accuracy_score", "min": 0.5},
        {"check": "quality", "dataset": "train", "column": "y", "metric": "completeness", "min": 1},
    ],
    "gate": {"controls": ["A.7.4"]},
}
"""A system whose gate a run that ends well passes, so that a closed gate says something."""


def drawn(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "g": np.where(np.arange(rows) % 2, "a", "b"), "y": (x > 0).astype(int)})


def fitted(train: pd.DataFrame) -> Any:
    return LogisticRegression(random_state=0).fit(train[["x", "z"]].to_numpy(), train["y"])


def ends_well(_: Event) -> None:
    """Go on to the end."""


def is_killed(_: Event) -> None:
    """Die as by ``kill -9``, or when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def is_terminated(_: Event) -> None:
    """Die as by ``kill``, or when a scheduler takes the machine back."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()


def leaves(_: Event) -> None:
    """End the process past everything that Python would still do."""
    os._exit(3)


def is_interrupted(_: Event) -> None:
    """Be told by Ctrl-C to stop."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def forks_and_both_go_on(_: Event) -> None:
    """Fork, and let both processes come to the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads: that is what is tried
        child = os.fork()
    if child:
        os.waitpid(child, 0)


def hangs(may_go: Event) -> None:
    """Wait until somebody says so."""
    may_go.wait()


MIDDLE: dict[str, Callable[[Event], None]] = {
    one.__name__: one for one in (ends_well, is_killed, is_terminated, leaves, is_interrupted, forks_and_both_go_on, hangs)
}
"""What happens in the middle of the training."""


def train_here(environment: Mapping[str, str], folder: str, middle: str, ready: Event, may_go: Event) -> None:
    """Track one training in this process."""
    os.environ.update(environment)
    os.chdir(folder)
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    mlflow.set_registry_uri(environment["MLFLOW_TRACKING_URI"])
    every = registry.checks()
    registry.checks = lambda: {name: every[name] for name in CHECKS if name in every}  # type: ignore[assignment]  # few, so that many can die
    train, test = drawn(300, 0), drawn(200, 1)
    ready.set()

    @aims.track(System.model_validate(DECLARED))
    def training(train: pd.DataFrame, test: pd.DataFrame) -> Any:
        model = fitted(train)
        if middle == "hangs":
            (Path(folder) / "in the middle").touch()
        MIDDLE[middle](may_go)
        return model

    training(train, test)


class Nursery:
    """Makes processes that train, quickly: what they import is imported once."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    def born(self, environment: Mapping[str, str], folder: Path, middle: str = "ends_well") -> tuple[ForkServerProcess, Event, Event]:
        """Start a training; returns its process, the event that it is about to begin, and the one that lets a hanging one go on."""
        ready, may_go = self.context.Event(), self.context.Event()
        return self.start(train_here, dict(environment), str(folder), middle, ready, may_go), ready, may_go

    def start(self, do: Callable[..., None], *arguments: Any) -> ForkServerProcess:
        """Start a process that does it."""
        process = self.context.Process(target=do, args=arguments)
        process.start()
        return process
