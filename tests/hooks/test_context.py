"""The handle of the tracked run: outside it warns, inside it tells, and it never raises."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow.hooks.context import TrackedRun, active_run
from aims_mlflow.store import Store
from aims_mlflow.system import System


def test_outside_a_tracked_function_the_handle_warns_and_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "aims_mlflow"):
        run = active_run()
        run.data(None, "train")  # type: ignore[arg-type]  # whatever it is given
        run.model(None)
        run.predictions("test", [])
        run.attest("A.6.2.2", by="me", statement="so it is")
        run.preparation("scaled")
        run.parent("models:/m-1")
    assert run.run_id == ""
    assert len(caplog.records) == 6
    assert all("@aims.track" in r.message for r in caplog.records)


def test_the_face_has_it() -> None:
    assert aims.active_run is active_run


def test_what_the_handle_is_told_is_in_the_evidence(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    @aims.track(system)
    def train() -> str:
        run = aims.active_run()
        run.data(frames.train, "train", source="s3://bucket/train.parquet")
        run.data(frames.test, role="test")
        run.model(threshold, name="cutoff")
        run.attest("A.6.2.2", by="Head of credit", statement="The requirements were approved", reference="doc/7")
        return run.run_id

    run_id = train()
    bundle = evidence(store, run_id)
    assert {d.role: d.source for d in bundle.datasets} == {"train": "s3://bucket/train.parquet", "test": ""}
    assert bundle.model.uri.startswith("models:/m-")
    assert [(a.control, a.by) for a in bundle.attestations] == [("A.6.2.2", "Head of credit")]
    assert any(e.kind == "attestation" and "A.6.2.2" in e.controls for e in bundle.evidence)


def test_predictions_made_elsewhere_are_measured(system: System, frames: Any, store: Store, evidence: Any) -> None:
    @aims.track(system)
    def train(train: Any, test: Any) -> str:
        aims.active_run().predictions("test", test["y"].to_numpy())
        return aims.active_run().run_id

    bundle = evidence(store, train(*frames))
    performance = next(r for r in bundle.results if r.check == "performance" and r.scope.get("dataset") == "test")
    accuracy = performance.measure("accuracy_score")
    assert accuracy is not None
    assert accuracy.value == 1.0


def test_what_cannot_be_taken_is_a_warning_and_incomplete_evidence(
    system: System, frames: Any, threshold: Any, store: Store, evidence: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def told(run: Any) -> None:
        run.data([1, 2], "train")
        run.data(None, "tset")
        run.model("not a model")
        run.model(42)
        run.attest("A.99", by="me", statement="x")
        run.predictions("tset", [])

    ids = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        ids.append(aims.active_run().run_id)
        told(aims.active_run())
        return threshold

    assert train(*frames) is threshold
    assert caplog.text.count("aims could not") == 6
    bundle = evidence(store, ids[0])
    assert not bundle.complete
    problems = [r.problem.reason for r in bundle.results if r.check == "capture"]
    assert len(problems) == 6
    assert all(reason.startswith("could not take") for reason in problems)
    assert "not a model" not in bundle.model_dump_json()


def test_after_the_run_the_handle_warns(
    system: System, frames: Any, threshold: Any, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[TrackedRun] = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        kept.append(aims.active_run())
        return threshold

    train(*frames)
    kept[0].attest("A.6.2.2", by="me", statement="late")
    assert "is over" in caplog.text
    assert active_run().run_id == ""


def test_a_new_thread_has_no_run(system: System, store: Store) -> None:
    found: list[str] = []
    with aims.track(system):
        worker = threading.Thread(target=lambda: found.append(active_run().run_id))
        worker.start()
        worker.join()
    assert found == [""]
