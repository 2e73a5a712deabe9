"""``aims.autolog``: what is logged to MLflow anyway becomes evidence when the run ends, and the user's code notices nothing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.hooks import autologging
from aims_mlflow.store import Store

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles, which autologging turns on
    "ignore::FutureWarning",
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    aims.autolog(disable=True)


@pytest.fixture
def sklearn_autolog(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow's own autologging of scikit-learn."""
    import mlflow

    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")  # else MLflow imports the model in a subprocess, for 20 s
    mlflow.sklearn.autolog(silent=True)
    yield
    mlflow.sklearn.autolog(disable=True)


def log_data(frame: Any, context: str, **named: Any) -> None:
    import mlflow

    mlflow.log_input(mlflow.data.from_pandas(frame, targets="y", **named), context=context)


def fitted(frames: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(frames.train[["x", "z"]], frames.train["y"])


def log_model(model: Any) -> str:
    import mlflow

    return str(mlflow.sklearn.log_model(model, name="model", pip_requirements=[]).model_uri)


def _raising_in_a_run(frame: Any) -> Any:
    import mlflow

    kept: list[Any] = []

    def train() -> None:
        with mlflow.start_run() as run:
            kept.append(run)
            log_data(frame, "train")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    return kept[0]


def has_evidence(store: Store, run_id: str) -> bool:
    return BUNDLE_PATH in store.artifacts(run_id, "aims")


def results(bundle: Bundle, check: str) -> dict[str, Any]:
    return {r.scope.get("dataset", ""): r for r in bundle.results if r.check == check}


class TestARun:
    def test_data_and_model_become_evidence_when_it_ends(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system, register="loans")
        with mlflow.start_run() as run:
            log_data(frames.train, "training")
            log_data(frames.test, "eval")
            uri = log_model(fitted(frames))
            assert not has_evidence(store, run.info.run_id)
        bundle = evidence(store, run.info.run_id)
        assert {d.role: (d.rows, d.columns) for d in bundle.datasets} == {
            "train": (200, ("x", "z", "g", "y")),
            "test": (100, ("x", "z", "g", "y")),
        }
        assert bundle.complete
        assert bundle.model is not None
        assert bundle.model.uri == uri
        assert results(bundle, "performance")["test"].measure("accuracy_score").value > 0.9
        assert [v.run_id for v in store.versions("loans")] == [run.info.run_id]
        assert store.run(run.info.run_id).status == "FINISHED"
        assert store.run(run.info.run_id).tags["aims.system"] == "small"

    def test_with_neither_data_nor_model_is_left_alone(self, store: Store, system: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            mlflow.log_param("depth", 3)
        assert not has_evidence(store, run.info.run_id)
        assert not {t for t in store.run(run.info.run_id).tags if t.startswith("aims.")}

    def test_with_a_model_only_has_evidence_that_no_data_were_seen(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            log_model(fitted(frames))
        bundle = evidence(store, run.info.run_id)
        assert bundle.datasets == ()
        assert bundle.model is not None
        assert results(bundle, "performance")["test"].problem.state == "missing"

    def test_the_last_model_counts(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            log_data(frames.test, "test")
            log_model(fitted(frames))
            last = log_model(fitted(frames))
        assert evidence(store, run.info.run_id).model.uri == last

    @pytest.mark.parametrize("way", ["raises", "end_run", "client"])
    def test_that_fails_says_so_and_measures_nothing(self, store: Store, system: Any, frames: Any, evidence: Any, way: str) -> None:
        import mlflow

        aims.autolog(system)
        if way == "raises":
            run = _raising_in_a_run(frames.train)
        else:
            run = mlflow.start_run()
            log_data(frames.train, "train")
            mlflow.end_run("FAILED") if way == "end_run" else mlflow.MlflowClient().set_terminated(run.info.run_id, "FAILED")
        bundle = evidence(store, run.info.run_id)
        assert bundle.run.outcome == ("raised ZeroDivisionError" if way == "raises" else "ended as FAILED")
        assert not bundle.complete
        assert results(bundle, "performance") == {}
        assert store.run(run.info.run_id).status == "FAILED"
        while mlflow.active_run() is not None:
            mlflow.end_run("FAILED")

    def test_taken_off_the_stack_without_an_end_goes_on(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        run = mlflow.start_run()
        log_data(frames.train, "train")
        mlflow.end_run("RUNNING")
        assert not has_evidence(store, run.info.run_id)
        with mlflow.start_run(run_id=run.info.run_id):
            log_data(frames.test, "test")
        assert {d.role for d in evidence(store, run.info.run_id).datasets} == {"train", "test"}

    def test_nested_runs_have_evidence_of_their_own(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as outer:
            log_data(frames.train, "train")
            with mlflow.start_run(nested=True) as inner:
                log_data(frames.test, "test")
            with mlflow.start_run(nested=True) as empty:
                mlflow.log_metric("loss", 1.0)
        assert [d.role for d in evidence(store, outer.info.run_id).datasets] == ["train"]
        assert [d.role for d in evidence(store, inner.info.run_id).datasets] == ["test"]
        assert not has_evidence(store, empty.info.run_id)

    def test_runs_in_threads_do_not_mix(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        runs: dict[int, str] = {}
        together = threading.Barrier(3)

        def work(rows: int) -> None:
            with mlflow.start_run(run_name=str(rows)) as run:
                together.wait(30)
                log_data(frames.train.head(rows), "train")
                log_data(frames.test.head(rows), "test")
                runs[rows] = run.info.run_id

        threads = [threading.Thread(target=work, args=(rows,)) for rows in (40, 50, 60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {rows: {d.rows for d in evidence(store, run_id).datasets} for rows, run_id in runs.items()} == {r: {r} for r in (40, 50, 60)}

    def test_under_track_is_that_ones(self, store: Store, system: Any, frames: Any, evidence: Any, threshold: Any) -> None:
        aims.autolog(system)
        seen = []

        @aims.track(system)
        def train(train: Any, test: Any) -> Any:
            log_data(frames.test.head(50), "test")
            seen.append(aims.active_run().run_id)
            return threshold

        train(frames.train, frames.test)
        assert {d.role: d.rows for d in evidence(store, seen[0]).datasets} == {"train": 200, "test": 100}
        assert len(list(store.system_runs("small"))) == 1

    def test_that_track_joins_is_that_ones(self, store: Store, system: Any, frames: Any, evidence: Any, threshold: Any) -> None:
        import mlflow

        @aims.track(system)
        def train(train: Any, test: Any) -> Any:
            return threshold

        aims.autolog(system)
        with mlflow.start_run() as run:
            log_data(frames.test.head(50), "test")
            train(frames.train, frames.test)
        assert {d.role: d.rows for d in evidence(store, run.info.run_id).datasets} == {"train": 200, "test": 100}
        assert len(list(store.system_runs("small"))) == 1


class TestData:
    def test_of_an_unknown_context_are_not_seen_and_a_warning_says_which_are_known(
        self, store: Store, system: Any, frames: Any, evidence: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        import mlflow

        aims.autolog(system)
        with caplog.at_level(logging.WARNING, "aims_mlflow"), mlflow.start_run() as run:
            log_data(frames.train, "train")
            log_data(frames.test, "tset")
        assert "did you mean 'test'?" in caplog.text
        bundle = evidence(store, run.info.run_id)
        assert [d.role for d in bundle.datasets] == ["train"]
        assert bundle.complete
        assert results(bundle, "performance")["test"].problem.reason == "no test data was seen in this run"

    def test_without_a_context_are_known_by_their_name(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            mlflow.log_input(mlflow.data.from_pandas(frames.test, name="test"))
        assert [d.role for d in evidence(store, run.info.run_id).datasets] == ["test"]

    def test_that_cannot_be_taken_are_an_error_in_the_evidence_and_nowhere_else(
        self, store: Store, system: Any, frames: Any, evidence: Any
    ) -> None:
        import mlflow

        twice = frames.train.set_axis(["x", "x", "g", "y"], axis=1)
        aims.autolog(system)
        with mlflow.start_run() as run:
            log_data(twice, "train")
        bundle = evidence(store, run.info.run_id)
        assert not bundle.complete
        assert results(bundle, "provenance")["train"].problem.state == "error"

    def test_changed_after_they_were_logged_are_measured_as_they_were(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            log_data(frames.test, "test")
            frames.test["x"] = 0.0
        (seen,) = evidence(store, run.info.run_id).datasets
        assert "changed in place" in " ".join(results(evidence(store, run.info.run_id), "provenance")["test"].notes)
        assert seen.rows == 100

    def test_after_the_end_are_too_late_and_a_warning_says_so_once(
        self, store: Store, system: Any, frames: Any, evidence: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            log_data(frames.train, "train")
        with caplog.at_level(logging.WARNING, "aims_mlflow"), mlflow.start_run(run_id=run.info.run_id):
            log_data(frames.test, "test")
            log_data(frames.test, "test")
        assert caplog.text.count("after its end") == 1
        assert [d.role for d in evidence(store, run.info.run_id).datasets] == ["train"]

    def test_come_from_where_they_say_unless_the_system_file_does(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow
        from mlflow.data.http_dataset_source import HTTPDatasetSource

        declared = system.model_validate(
            {
                **system.model_dump(mode="json", exclude={"sha256"}),
                "data": {"roles": {"train": "a", "test": "b"}, "sources": {"train": {"uri": "s3://ours"}}},
            }
        )
        aims.autolog(declared)
        with mlflow.start_run() as run:
            for role, frame in (("train", frames.train), ("test", frames.test)):
                log_data(frame, role, source=HTTPDatasetSource("https://example.org/loans.csv"))
        sources = {d.role: d.source for d in evidence(store, run.info.run_id).datasets}
        assert sources == {"train": "s3://ours", "test": "https://example.org/loans.csv"}


@pytest.mark.usefixtures("sklearn_autolog")
class TestSklearnAutolog:
    def test_training_data_get_their_labels_back_and_test_data_are_logged_by_hand(
        self, store: Store, system: Any, frames: Any, evidence: Any
    ) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            model = fitted(frames)
            log_data(frames.test, "test")
            model.predict(frames.train[["x", "z"]])
            model.predict(frames.test[["x", "z"]])
        bundle = evidence(store, run.info.run_id)
        assert {d.role: d.columns for d in bundle.datasets} == {"train": ("x", "z", "y"), "test": ("x", "z", "g", "y")}
        assert "put under y" in " ".join(results(bundle, "provenance")["train"].notes)
        assert results(bundle, "performance")["test"].measure("accuracy_score").value > 0.9
        assert bundle.model is not None
        assert bundle.model.serialization == "cloudpickle"

    def test_a_run_of_its_own_ends_with_fit(
        self, store: Store, system: Any, frames: Any, evidence: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        import mlflow

        aims.autolog(system)
        model = fitted(frames)
        run = mlflow.last_active_run()
        assert [d.role for d in evidence(store, run.info.run_id).datasets] == ["train"]
        with caplog.at_level(logging.WARNING, "aims_mlflow"):
            model.predict(frames.test[["x", "z"]])
        assert "after its end" in caplog.text

    def test_a_model_asked_about_its_training_data_has_no_test_data(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            fitted(frames).predict(frames.train[["x", "z"]])
        assert [d.role for d in evidence(store, run.info.run_id).datasets] == ["train"]

    def test_evaluation_data_without_labels_say_that_the_target_is_not_there(
        self, store: Store, system: Any, frames: Any, evidence: Any
    ) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            fitted(frames).predict(frames.test[["x", "z"]])
        bundle = evidence(store, run.info.run_id)
        assert {d.role: d.columns for d in bundle.datasets}["test"] == ("x", "z")
        assert "target 'y' is not in the data" in results(bundle, "performance")["test"].problem.reason

    def test_our_own_questions_to_the_model_are_not_logged(self, store: Store, system: Any, frames: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            fitted(frames)
            log_data(frames.test, "test")
        inputs = store.run(run.info.run_id).dataset_inputs
        assert sorted(i["mlflow.data.context"] for i in inputs) == ["test", "test", "train", "train"]  # MLflow's, and ours by content
        assert len(list(store.runs(""))) == 1

    def test_the_trials_of_a_search_are_no_runs_of_the_system(self, store: Store, system: Any, frames: Any, evidence: Any) -> None:
        import mlflow
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV

        aims.autolog(system)
        with mlflow.start_run() as run:
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(frames.train[["x", "z"]], frames.train["y"])
        assert [d.role for d in evidence(store, run.info.run_id).datasets] == ["train"]
        assert [r.run_id for r in store.system_runs("small")] == [run.info.run_id]


class TestSwitch:
    def test_off_leaves_mlflow_as_it_was_and_open_runs_without_evidence(
        self, store: Store, system: Any, frames: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        import mlflow

        before = mlflow.MlflowClient.log_inputs
        aims.autolog(system)
        aims.autolog(system)
        with caplog.at_level(logging.WARNING, "aims_mlflow"), mlflow.start_run() as run:
            log_data(frames.train, "train")
            aims.autolog(disable=True)
            assert mlflow.MlflowClient.log_inputs is before
        assert "switched off" in caplog.text
        assert not has_evidence(store, run.info.run_id)
        aims.autolog(disable=True)

    def test_again_takes_the_new_system_for_the_runs_that_begin_after_it(
        self, store: Store, system: Any, frames: Any, evidence: Any
    ) -> None:
        import mlflow

        other = system.model_copy(update={"system": system.system.model_copy(update={"id": "other"})})
        aims.autolog(system)
        with mlflow.start_run() as first:
            aims.autolog(other)
            log_data(frames.train, "train")
        with mlflow.start_run() as second:
            log_data(frames.train, "train")
        assert evidence(store, first.info.run_id).system_id == "small"
        assert evidence(store, second.info.run_id).system_id == "other"

    def test_a_forked_process_begins_without_its_parents_runs(self, store: Store, system: Any, frames: Any) -> None:
        import mlflow

        aims.autolog(system)
        with mlflow.start_run() as run:
            log_data(frames.train, "train")
            child = os.fork()
            if child == 0:  # nothing of the parent's run is this one's to finish
                os._exit(int(autologging.follows(run.info.run_id)))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert autologging.follows(run.info.run_id)
        assert has_evidence(store, run.info.run_id)

    def test_a_system_file_that_is_not_there_is_said_at_once(self) -> None:
        with pytest.raises(ConfigurationError):
            aims.autolog("nowhere.yaml")


SCRIPT = """
import sys
import numpy, pandas, mlflow
import aims_mlflow as aims
from aims_mlflow import registry

every = registry.checks()
registry.checks = lambda: {"provenance": every["provenance"]}
aims.autolog(aims.System.model_validate(
    {"version": 1, "system": {"id": "small"}, "task": {"kind": "regression", "target": "y"}, "data": {"roles": {"train": "train"}}}
))
run = mlflow.start_run()
mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})), context="train")
print(run.info.run_id)
if sys.argv[1:] == ["raise"]:
    raise LookupError
"""


def test_a_run_that_is_open_when_the_process_ends_gets_its_evidence(
    store: Store, mlflow_home: str, evidence: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_home)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tests")
    (tmp_path / "script.py").write_text(SCRIPT)
    outcomes = {}
    for ending in ([], ["raise"]):  # one after the other: MLflow fails where two runs attach the same new dataset at once
        script = [sys.executable, "-W", "ignore", "script.py", *ending]
        ended = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.stdout, ended.stderr
        bundle = evidence(store, ended.stdout.split()[-1])
        assert [d.role for d in bundle.datasets] == ["train"], ended.stderr
        outcomes[ended.returncode] = bundle.run.outcome
    assert outcomes == {0: "finished", 1: "raised LookupError"}
