"""A server that accepts and then hangs: the training waits for the budget, gets its result, and the evidence is on disk."""

# ruff: noqa: ARG005 - the functions under test take arguments for their names

from __future__ import annotations

import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow import spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.system import System


@pytest.fixture
def silent(mlflow_home: str) -> Iterator[str]:
    """MLflow at a server that accepts a connection and then says nothing."""
    import mlflow

    with socket.create_server(("127.0.0.1", 0)) as made:
        uri = f"http://127.0.0.1:{made.getsockname()[1]}"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        yield uri
        mlflow.set_tracking_uri(mlflow_home)
        mlflow.set_registry_uri(mlflow_home)


def test_a_server_that_hangs_costs_the_training_its_budget_and_no_evidence(
    silent: str, system: System, frames: Any, threshold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aims.track(system)(lambda train, test: threshold)(*frames)  # imports what is imported only once
    monkeypatch.setenv("AIMS_BUDGET_SECONDS", "1")
    calls: list[float] = []

    def train(train: Any, test: Any) -> Any:
        calls.append(monotonic())
        return threshold

    began = monotonic()
    assert aims.track(system)(train)(*frames) is threshold
    assert len(calls) == 1
    assert calls[0] - began < 15  # before the training; MLflow alone would take minutes
    assert monotonic() - began < 30
    assert [BUNDLE_PATH in entry.read().files for entry in spool.pending()] == [True, True]
