"""Trainings that several processes take part in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import mlflow
import pandas as pd
from joblib.externals.loky import get_reusable_executor

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.system import System
from tests.reliability.dying import CHECKS, DECLARED, drawn, fitted

SYSTEM = System.model_validate(DECLARED)


def at_home(environment: Mapping[str, str], folder: str) -> None:
    """Use the MLflow and the home of a test in this process."""
    os.environ.update(environment)
    os.chdir(folder)
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    mlflow.set_registry_uri(environment["MLFLOW_TRACKING_URI"])
    every = registry.checks()
    if len(every) > len(CHECKS):
        registry.checks = lambda: {name: every[name] for name in CHECKS}  # type: ignore[assignment]  # few: it is about processes


@aims.track(SYSTEM)
def training(train: pd.DataFrame, test: pd.DataFrame) -> Any:
    """Fit a model on ``train``."""
    return fitted(train)


def trains(environment: Mapping[str, str], folder: str, seed: int, together: Any) -> None:
    """Train on data of its own, at the same moment as others."""
    at_home(environment, folder)
    frames = drawn(300, seed), drawn(200, 1)
    together.wait()
    training(*frames)


def trains_with_others(environment: Mapping[str, str], folder: str, rank: int, of: int, seed: int) -> None:
    """Train one model with other processes, as torchrun starts them: the gradients are shared, here the mean of the labels."""
    import torch
    import torch.distributed as ranks

    at_home({**environment, "RANK": str(rank), "WORLD_SIZE": str(of)}, folder)

    @aims.track(SYSTEM)
    def together(train: pd.DataFrame, test: pd.DataFrame) -> Any:
        ranks.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=of)
        own = train.iloc[rank::of]
        mean = torch.tensor([float(own["y"].mean())])
        ranks.all_reduce(mean)
        aims.active_run().preparation("rows are split among the processes")
        Path(folder, f"trained {rank}").write_text(str(float(mean)))
        return fitted(train)

    together(drawn(300, seed), drawn(200, 100))
    ranks.destroy_process_group()


def trains_with_joblib(environment: Mapping[str, str], folder: str, backend: str) -> None:
    """Fit parts of one model in worker processes."""
    at_home(environment, folder)
    train, test = drawn(300, 0), drawn(200, 1)

    @aims.track(SYSTEM)
    def together(train: pd.DataFrame, test: pd.DataFrame) -> Any:
        parts = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(fitted)(train.iloc[at::2]) for at in range(2))
        return parts[0]

    together(train, test)
    if backend == "loky":
        get_reusable_executor().shutdown()  # its workers wait five minutes for more work
