"""The recorder, by hand: what it is told, and what it makes of it."""

# ruff: noqa: ARG005 - functions in tables take arguments for their form

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.errors import CannotMeasure, UnknownNameError
from aims_mlflow.evidence import State
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.recorder import Recorder
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import Source, System

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # the libraries' own


@pytest.fixture
def store(mlflow_home: str) -> Store:
    return Store()


@pytest.fixture
def declared(example_system: System, tmp_path: Path) -> System:
    """The example system, with the suite it names beside it."""
    (tmp_path / "expectations").mkdir()
    not_null = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age_in_years"}}
    (tmp_path / "expectations" / "train.json").write_text(json.dumps({"name": "train", "expectations": [not_null]}))
    return example_system.at(tmp_path)


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the two quickest checks, for tests that are about something else."""
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in ("provenance", "objectives")})


def recorder(store: Store, system: System, **options: Any) -> Recorder:
    return Recorder(system, store=store, run_id=store.create_run(None, None, {"aims.system": system.id}), **options)


def opened(store: Store, run_id: str) -> Bundle:
    return open_bundle(store.read(run_id, BUNDLE_PATH))[0]


def test_everything_on_real_data(store: Store, declared: System, fitted: Any) -> None:
    recording = recorder(store, declared, register="credit")
    recording.data(fitted.train, "train")
    recording.data(fitted.test, "test", source="s3://bucket/test.parquet")
    bundle = recording.finish(fitted.pipeline)
    assert bundle is not None
    assert opened(store, recording.run_id) == bundle
    assert bundle.complete
    assert {r.check for r in bundle.results} == set(registry.checks())
    assert {e.requirement for e in bundle.evidence} >= {r.id for r in declared.requirements}
    assert b"Consumer credit scoring" in store.read(recording.run_id, CARD_PATH)
    run = store.run(recording.run_id)
    assert run.status == "FINISHED"
    assert {f"aims.A.{c}" for c in ("6.1.2", "6.1.3", "6.2.2", "6.2.3", "6.2.4", "6.2.5", "6.2.6", "6.2.7", "6.2.8")} <= set(run.tags)
    assert {f"aims.A.7.{n}" for n in range(2, 7)} <= set(run.tags)
    assert run.metrics["aims.performance.roc_auc_score"] > 0.7
    assert "aims.fairness.demographic_parity_ratio.sex" in run.metrics
    assert len(run.metrics) <= 202
    (version,) = store.versions("credit")
    assert version.tags["aims.bundle"] == run.tags["aims.bundle"]

    from aims_mlflow.promotion import check_promotion

    decision = check_promotion(version.uri, alias="champion", system=declared, store=store)
    assert decision.decided
    assert not decision.blockers
    states = {line.control: line.state.value for line in decision.lines}
    assert states == {control: run.tags[f"aims.{control}"] for control in states}


# What it is told


def test_a_source_completes_what_the_system_file_declares(store: Store, declared: System, fitted: Any, few_checks: None) -> None:
    recording = recorder(store, declared)
    recording.data(fitted.train, "train", source="s3://bucket/train.parquet")
    recording.data(fitted.test, "test", source=Source(uri="s3://bucket/test.parquet", licence="CC0-1.0"))
    seen = recording._seen
    assert seen["train"].dataset.source == declared.data.sources["train"].model_copy(update={"uri": "s3://bucket/train.parquet"})
    assert seen["test"].dataset.source == Source(uri="s3://bucket/test.parquet", licence="CC0-1.0")


def test_wrong_use_is_an_error_with_the_fix(store: Store, declared: System, fitted: Any) -> None:
    recording = recorder(store, declared)
    with pytest.raises(UnknownNameError, match="did you mean 'test'"):
        recording.data(fitted.test, "tset")
    with pytest.raises(UnknownNameError, match="did you mean 'test'"):
        recording.predictions("tset", [])
    with pytest.raises(CannotMeasure, match="no predict"):
        recording.model(42)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda f: f.rename(columns={"job": "housing"}), "duplicate column names"),
        (lambda f: f.rename(columns={"job": 7}), "not strings"),
        (lambda f: [1, 2, 3], "not a pandas DataFrame"),
    ],
    ids=["duplicate names", "a number as name", "a list"],
)
def test_a_frame_without_a_fingerprint_is_a_provenance_problem(
    harm: Any, told: str, store: Store, declared: System, fitted: Any, few_checks: None
) -> None:
    recording = recorder(store, declared)
    with pytest.raises(CannotMeasure, match=told):
        recording.data(harm(fitted.test), "test")
    bundle = recording.finish(fitted.pipeline)
    assert bundle is not None
    (result,) = [r for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "test"}]
    assert result.problem is not None
    assert told in result.problem.reason
    assert store.run(recording.run_id).tags["aims.A.7.5"] != "pass"
    (seen,) = [e for e in bundle.evidence if e.requirement == "provenance.roles_missing"]
    assert told in seen.reason
    assert seen.state is State.ERROR


def test_every_check_says_why_a_frame_was_refused(store: Store, declared: System, fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {"performance": every["performance"]})
    recording = recorder(store, declared)
    with pytest.raises(CannotMeasure):
        recording.data(fitted.test.rename(columns={"job": "housing"}), "test")
    bundle = recording.finish(fitted.pipeline)
    assert bundle is not None
    (result,) = [r for r in bundle.results if r.check == "performance"]
    assert result.problem is not None
    assert "duplicate column names: housing" in result.problem.reason
    assert "frame.columns.duplicated()" in result.problem.fix


def test_bytes_changed_beneath_the_frame_are_an_error(store: Store, declared: System, fitted: Any, few_checks: None) -> None:
    recording = recorder(store, declared)
    recording.data(fitted.test, "test")
    column = fitted.test["age_in_years"].array
    column._ndarray.flags.writeable = True
    column._ndarray[0] += 1  # as an older pandas, or numpy, changes a frame in place
    bundle = recording.finish(fitted.pipeline)
    assert bundle is not None
    (result,) = [r for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "test"}]
    assert result.problem is not None
    assert "changed in place" in result.problem.reason


def test_a_frame_of_another_library_is_converted(store: Store, declared: System, fitted: Any) -> None:
    import pyarrow as pa

    recording = recorder(store, declared)
    recording.data(fitted.test, "test")
    other = recorder(store, declared)
    other.data(pa.Table.from_pandas(fitted.test, preserve_index=False), "test")  # type: ignore[arg-type]  # on purpose
    assert recording._seen["test"].dataset.fingerprint.sha256 == other._seen["test"].dataset.fingerprint.sha256


def test_a_run_that_raised_has_a_bundle_that_says_so(store: Store, declared: System, fitted: Any) -> None:
    recording = recorder(store, declared, register="credit")
    recording.data(fitted.train, "train")
    bundle = recording.finish(outcome="raised ValueError")
    assert bundle is not None
    assert not bundle.complete
    assert [r.check for r in bundle.results] == []
    assert store.run(recording.run_id).status == "FAILED"
    assert store.run(recording.run_id).tags["aims.state"] != "pass"
    assert store.versions("credit") == []


def test_the_end_of_a_joined_run_is_not_ours(store: Store, declared: System, few_checks: None) -> None:
    recording = recorder(store, declared, ends_run=False)
    recording.finish()
    assert store.run(recording.run_id).status == "RUNNING"


def test_what_was_said_in_the_run_is_in_the_bundle(store: Store, declared: System, few_checks: None) -> None:
    recording = recorder(store, declared)
    recording.attest("A.6.1.2", by="Chief risk officer", statement="The objectives were approved", reference="doc/1")
    bundle = recording.finish()
    assert bundle is not None
    assert [(a.control, a.by) for a in bundle.attestations] == [("A.6.1.2", "Chief risk officer")]
