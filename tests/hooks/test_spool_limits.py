"""A spool that is full, or a disk that refuses, while a model is trained: the training is unharmed, and what is lost is said."""

# ruff: noqa: ARG005 - the functions under test take arguments for their names

from __future__ import annotations

import errno
import logging
import os
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow import spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.signing import signing_key
from aims_mlflow.store import Store
from aims_mlflow.system import System


@pytest.fixture
def other() -> spool.Entry:
    """What an earlier run has left in the spool."""
    return spool.put(spool.Parcel(run_id="run-1", server="http://elsewhere:5000", files={"aims/model_card.md": b"# Card"}))


def test_a_full_spool_refuses_the_evidence_and_keeps_what_it_has(
    system: System,
    frames: Any,
    threshold: Any,
    store: Store,
    other: spool.Entry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIMS_SPOOL_BYTES", "1000")
    with caplog.at_level(logging.WARNING, "aims_mlflow"):
        assert aims.track(system)(lambda train, test: threshold)(*frames) is threshold
    assert [r.levelname for r in caplog.records if "is refused" in r.message] == ["ERROR"]
    assert "AIMS_SPOOL_BYTES" in caplog.text
    (run,) = store.system_runs("small")
    assert (run.status, run.tags["aims.state"]) == ("FINISHED", "error")
    assert BUNDLE_PATH not in store.artifacts(run.run_id, "aims")
    assert [e.id for e in spool.pending()] == [other.id]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.__getitem__)
def test_a_disk_that_refuses_costs_no_training_and_no_earlier_evidence(
    number: int,
    system: System,
    frames: Any,
    threshold: Any,
    store: Store,
    other: spool.Entry,
    evidence: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    calls: list[int] = []

    def train(train: Any, test: Any) -> Any:
        calls.append(1)
        harm.setattr(os, "fsync", refused)
        return threshold

    signing_key()  # its file is there already
    with pytest.MonkeyPatch.context() as harm, caplog.at_level(logging.WARNING, "aims_mlflow"):
        assert aims.track(system)(train)(*frames) is threshold
    assert calls == [1]
    assert os.strerror(number) in caplog.text
    (run,) = store.system_runs("small")
    assert run.status == "FINISHED"
    assert evidence(store, run.run_id).run.run_id == run.run_id  # MLflow was up, and took all of it
    assert [e.id for e in spool.pending()] == [other.id]
    assert other.read().run_id == "run-1"
