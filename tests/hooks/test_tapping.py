"""What is wrapped of MLflow: once, undone, passing everything through; and that the listener's trouble is its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.data.dataset import Dataset
from mlflow.utils.autologging_utils.client import MlflowAutologgingQueueingClient

from aims_mlflow.hooks import tapping
from aims_mlflow.hooks.tapping import Logged

pytestmark = pytest.mark.filterwarnings(
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)

WRAPPED = [
    (MlflowClient, "create_run"),
    (MlflowClient, "log_inputs"),
    (MlflowClient, "log_outputs"),
    (MlflowClient, "set_terminated"),
    (MlflowAutologgingQueueingClient, "log_inputs"),
    (Dataset, "_to_mlflow_entity"),
]


class Heard:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def begun(self, run_id: str, server: str) -> None:
        self.told.append(("begun", run_id, server))

    def data(self, run_id: str, logged: Logged) -> None:
        self.told.append(("data", run_id, logged.context, "by itself" if logged.automatic else "by hand"))

    def model(self, run_id: str) -> None:
        self.told.append(("model", run_id))

    def ended(self, run_id: str, status: str) -> None:
        self.told.append(("ended", run_id, status))


class Failing(Heard):
    """A listener that raises whatever it is told."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("begun", "data", "model", "ended"):
            raise ValueError(name)
        return super().__getattribute__(name)


@pytest.fixture(autouse=True)
def _untapped() -> Iterator[None]:
    yield
    tapping.untap()


def originals() -> list[Any]:
    return [getattr(owner, name) for owner, name in WRAPPED]


def test_it_wraps_once_and_puts_back_what_was_there() -> None:
    before = originals()
    tapping.tap(Heard())
    wrapped = originals()
    assert all(a is not b for a, b in zip(before, wrapped, strict=True))
    tapping.tap(Heard())
    assert originals() == wrapped
    tapping.untap()
    assert originals() == before


def test_what_somebody_else_has_wrapped_meanwhile_stays() -> None:
    before = MlflowClient.set_terminated
    tapping.tap(Heard())
    ours = MlflowClient.set_terminated

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    try:
        MlflowClient.set_terminated = theirs
        tapping.untap()
        assert MlflowClient.set_terminated is theirs
    finally:
        MlflowClient.set_terminated = before


def test_a_run_is_told_from_its_beginning_to_its_end(mlflow_home: str, frames: Any) -> None:
    import mlflow

    heard = Heard()
    tapping.tap(heard)
    with mlflow.start_run() as run:
        assert mlflow.log_input(mlflow.data.from_pandas(frames.train), context="fit") is None
    run_id = run.info.run_id
    assert heard.told == [("begun", run_id, mlflow_home), ("data", run_id, "fit", "by hand"), ("ended", run_id, "FINISHED")]


def test_the_client_is_followed_as_the_fluent_functions_are(mlflow_home: str, frames: Any) -> None:
    import mlflow
    from mlflow.entities import DatasetInput, InputTag

    heard = Heard()
    tapping.tap(heard)
    client = MlflowClient()
    run_id = client.create_run("1").info.run_id
    one = DatasetInput(mlflow.data.from_pandas(frames.train)._to_mlflow_entity(), [InputTag("mlflow.data.context", "test")])
    client.log_inputs(run_id=run_id, datasets=[one])
    client.log_inputs(run_id, [one])
    client.set_terminated(run_id, status="KILLED")
    assert heard.told[1:] == [("data", run_id, "test", "by hand"), ("ended", run_id, "KILLED")]


def test_what_mlflow_raises_passes_and_an_end_is_told_all_the_same(mlflow_home: str) -> None:
    from mlflow.exceptions import MlflowException

    heard = Heard()
    tapping.tap(heard)
    with pytest.raises(MlflowException):
        MlflowClient().log_inputs("0" * 32, [])
    with pytest.raises(MlflowException):
        MlflowClient().set_terminated("0" * 32)
    assert heard.told == [("ended", "0" * 32, "FINISHED")]


def test_a_listener_that_raises_is_a_warning(mlflow_home: str, frames: Any, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow

    tapping.tap(Failing())
    with caplog.at_level(logging.WARNING, "aims_mlflow"), mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(frames.train), context="train")
    assert MlflowClient().get_run(run.info.run_id).info.status == "FINISHED"
    assert [r.message for r in caplog.records if r.name == "aims_mlflow"] == ["aims could not follow a run: ValueError"] * 3
