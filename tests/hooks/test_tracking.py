"""``track`` on every kind of function: one run a call, the result and the exception untouched, nothing of ours raised."""

# ruff: noqa: ARG002, ARG003, ARG004, ARG005 - the functions under test take arguments for their names

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow import sending, spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import ConfigurationError, SystemFileError
from aims_mlflow.store import Store
from aims_mlflow.system import System

SMALL = """
version: 1
system: {id: small}
task: {kind: binary_classification, target: y, positive_label: 1}
data: {roles: {train: train, test: test}}
"""


def runs(store: Store) -> list[Any]:
    """Return the runs of the system, oldest first."""
    return sorted(store.system_runs("small"), key=lambda r: (r.started, r.run_id))


# Configuration


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda s: aims.track("no-such.yaml"), ConfigurationError, "aims init"),
        (lambda s: aims.track(s, roles={"tset": "test"}), ConfigurationError, "did you mean 'test'"),
        (lambda s: aims.track(s, roles={"test": "tset"})(lambda test: None), ConfigurationError, "did you mean 'test'"),
        (lambda s: aims.track(s, register="a/b:c"), ConfigurationError, "without / and :"),
        (lambda s: aims.track(s, register="n" * 257), ConfigurationError, "at most 256 characters"),
        (lambda s: aims.track(s)(42), ConfigurationError, "functions"),
        (lambda s: aims.track(s)(dict), ConfigurationError, "functions"),
    ],
    ids=["no file", "unknown role", "unknown argument", "register-form", "register-long", "not a function", "a class"],
)
def test_configuration_errors_raise_at_decoration(make: Any, error: type[Exception], told: str, system: System) -> None:
    with pytest.raises(error, match=told):
        make(system)


def test_a_wrong_system_file_raises_at_decoration(tmp_path: Path) -> None:
    (tmp_path / "aims.yaml").write_text(SMALL.replace("task:", "tsak:"))
    with pytest.raises(SystemFileError, match="task"):
        aims.track(tmp_path / "aims.yaml")


def test_a_signing_key_that_is_not_there_raises_at_decoration(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMS_SIGNING_KEY", "/no/such/key")
    with pytest.raises(ConfigurationError, match="AIMS_SIGNING_KEY"):
        aims.track(system)


def test_the_system_can_be_a_path_as_text_or_path(tmp_path: Path, system: System) -> None:
    (tmp_path / "aims.yaml").write_text(SMALL)
    assert aims.track(str(tmp_path / "aims.yaml"))
    assert aims.track(tmp_path / "aims.yaml")
    assert aims.track(system)


# The plain function


def test_a_plain_function_leaves_a_run_with_signed_evidence(
    system: System, frames: Any, threshold: Any, store: Store, evidence: Any
) -> None:
    calls = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        calls.append(1)
        return threshold

    assert train(frames.train, test=frames.test) is threshold
    assert calls == [1]
    (run,) = runs(store)
    bundle = evidence(store, run.run_id)
    assert run.status == "FINISHED"
    assert run.tags["aims.system"] == "small"
    assert set(run.tags) >= {"aims.state", "aims.bundle", "aims.A.6.2.4", "aims.A.7.5", "mlflow.note.content"}
    assert bundle.complete
    assert bundle.run.outcome == "finished"
    assert bundle.run.run_id == run.run_id
    assert [d.role for d in bundle.datasets] == ["train", "test"]
    assert {i["mlflow.data.context"]: i["aims.sha256"] for i in run.dataset_inputs} == {d.role: d.sha256 for d in bundle.datasets}
    assert bundle.model.files
    assert {p: (f.size, f.sha256) for p, f in bundle.model.files.items()} == store.model_files(bundle.model.uri)
    assert run.metrics["aims.overhead_seconds"] > 0
    assert any(name.startswith("aims.performance.") for name in run.metrics)
    assert spool.pending() == []


def test_the_function_keeps_its_name_signature_and_docs(system: System) -> None:
    def train(train: int, test: int = 2) -> str:
        """Train it."""
        return "done"

    tracked = aims.track(system)(train)
    assert (tracked.__name__, tracked.__doc__) == ("train", "Train it.")
    assert inspect.signature(tracked) == inspect.signature(train)


def test_the_frames_are_not_changed(system: System, frames: Any, threshold: Any, store: Store) -> None:
    before = [f.copy(deep=True) for f in frames]
    aims.track(system)(lambda train, test: threshold)(*frames)
    assert all(a.equals(b) and a.dtypes.equals(b.dtypes) for a, b in zip(before, frames, strict=True))


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)], ids=lambda e: type(e).__name__)
def test_an_exception_passes_as_the_same_object(error: BaseException, system: System, frames: Any, store: Store, evidence: Any) -> None:
    @aims.track(system)
    def train(train: Any, test: Any) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        train(*frames)
    assert caught.value is error
    assert caught.value.__context__ is None
    (run,) = runs(store)
    assert run.status == ("FAILED" if isinstance(error, ValueError) else "KILLED")
    bundle = evidence(store, run.run_id)
    assert bundle.run.outcome == f"raised {type(error).__name__}"
    assert not bundle.complete
    assert bundle.model is None
    assert run.tags["aims.state"] not in ("pass", "waived")


def test_a_call_that_does_not_fit_raises_its_own_error(system: System, store: Store) -> None:
    @aims.track(system)
    def train(train: Any) -> None: ...

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'train'"):
        train()  # type: ignore[call-arg]  # on purpose


def test_methods_static_and_class_methods(system: System, frames: Any, threshold: Any, store: Store) -> None:
    class Trainer:
        @aims.track(system)
        def fit(self, train: Any, test: Any) -> Any:
            return self, threshold

        @aims.track(system)
        @staticmethod
        def fit_static(train: Any, test: Any) -> Any:
            return threshold

        @aims.track(system)
        @classmethod
        def fit_class(cls, train: Any, test: Any) -> Any:
            return cls, threshold

    trainer = Trainer()
    assert trainer.fit(*frames) == (trainer, threshold)
    assert Trainer.fit_static(*frames) is threshold
    assert Trainer.fit_class(*frames) == (Trainer, threshold)
    assert all(len(r.dataset_inputs) == 2 for r in runs(store))
    assert len(runs(store)) == 3


@dataclass
class Outcome:
    score: float
    model: Any


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: (0.5, m),
        lambda m: Outcome(0.5, m),
    ],
    ids=["tuple", "dataclass"],
)
def test_the_model_is_found_in_what_is_returned(
    wrap: Any, system: System, frames: Any, threshold: Any, store: Store, evidence: Any
) -> None:
    made = wrap(threshold)
    assert aims.track(system)(lambda train, test: made)(*frames) is made
    assert evidence(store, runs(store)[0].run_id).model is not None


def test_arguments_by_default_and_by_keyword_count(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    default = frames.test

    @aims.track(system)
    def train(test: Any = default, **more: Any) -> Any:
        return threshold

    train(train=frames.train)
    assert [d.role for d in evidence(store, runs(store)[0].run_id).datasets] == ["train", "test"]


def test_roles_can_be_given_by_hand(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    @aims.track(system, roles={"train": "a", "test": "b"})
    def train(a: Any, b: Any) -> Any:
        return threshold

    train(*frames)
    assert [d.role for d in evidence(store, runs(store)[0].run_id).datasets] == ["train", "test"]


def test_data_that_is_not_given_is_missing_evidence(system: System, frames: Any, threshold: Any, store: Store) -> None:
    aims.track(system)(lambda train: threshold)(frames.train)
    (run,) = runs(store)
    assert run.tags["aims.A.6.2.4"] in ("missing", "error", "fail")


def test_a_frame_changed_in_place_is_measured_as_it_was(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        test["y"] = 1 - test["y"]
        return threshold

    train(*frames)
    bundle = evidence(store, runs(store)[0].run_id)
    performance = next(r for r in bundle.results if r.check == "performance" and r.scope.get("dataset") == "test")
    assert performance.measure("accuracy_score").value == 1.0
    provenance = next(r for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "test"})
    assert any("changed in place" in note for note in provenance.notes)


# MLflow's active run


def test_the_run_is_mlflows_active_run_inside(system: System, frames: Any, threshold: Any, store: Store) -> None:
    import mlflow

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == aims.active_run().run_id
        mlflow.log_param("depth", 3)
        mlflow.log_metric("loss", 0.5)
        return threshold

    train(*frames)
    (run,) = runs(store)
    assert (run.params["depth"], run.metrics["loss"]) == ("3", 0.5)
    assert mlflow.active_run() is None
    assert mlflow.last_active_run().info.run_id == run.run_id


def test_an_active_run_is_joined_and_not_ended(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    with mlflow.start_run(description="mine") as mine:
        aims.track(system)(lambda train, test: threshold)(*frames)
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == mine.info.run_id
        mlflow.log_param("after", 1)
        assert store.run(mine.info.run_id).status == "RUNNING"
    (run,) = runs(store)
    assert run.run_id == mine.info.run_id
    assert evidence(store, run.run_id).complete
    assert run.tags["mlflow.note.content"].startswith("mine\n")
    assert "Evidence" in run.tags["mlflow.note.content"]


def test_a_second_call_in_the_same_active_run_has_a_run_of_its_own(system: System, frames: Any, threshold: Any, store: Store) -> None:
    import mlflow

    train = aims.track(system)(lambda train, test: threshold)
    with mlflow.start_run() as mine:
        train(*frames)
        train(*frames)
    assert len(runs(store)) == 2
    (child,) = [r for r in runs(store) if r.run_id != mine.info.run_id]
    assert child.tags["mlflow.parentRunId"] == mine.info.run_id


def test_nested_calls_have_nested_runs(system: System, frames: Any, threshold: Any, store: Store) -> None:
    ids = []

    @aims.track(system)
    def inner(train: Any, test: Any) -> Any:
        ids.append(aims.active_run().run_id)
        return threshold

    @aims.track(system)
    def outer(train: Any, test: Any) -> Any:
        ids.append(aims.active_run().run_id)
        model = inner(train, test)
        ids.append(aims.active_run().run_id)
        return model

    outer(*frames)
    assert ids[0] == ids[2] != ids[1]
    assert store.run(ids[1]).tags["mlflow.parentRunId"] == ids[0]


def test_recursion_is_nesting(system: System, frames: Any, threshold: Any, store: Store) -> None:
    @aims.track(system)
    def train(train: Any, test: Any, depth: int = 0) -> Any:
        return threshold if depth == 2 else again(train, test, depth + 1)

    again = train
    assert train(*frames) is threshold
    assert len(runs(store)) == 3
    assert sum("mlflow.parentRunId" in r.tags for r in runs(store)) == 2


def test_a_function_may_start_the_run_itself(system: System, frames: Any, threshold: Any, store: Store) -> None:
    import mlflow

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        with mlflow.start_run(run_name="by hand", tags={"own": "tag"}) as mine:
            mlflow.log_param("depth", 3)
            assert mine.info.run_id == aims.active_run().run_id
        return threshold

    train(*frames)
    (run,) = runs(store)
    assert (run.name, run.tags["own"], run.params["depth"]) == ("by hand", "tag", "3")
    assert run.status == "FINISHED"
    assert "aims.bundle" in run.tags
    assert mlflow.active_run() is None


def test_a_run_that_the_function_starts_elsewhere_is_nested(system: System, frames: Any, threshold: Any, store: Store) -> None:
    import mlflow

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        mlflow.set_experiment("elsewhere")
        with mlflow.start_run() as mine:
            assert mine.info.run_id != aims.active_run().run_id
        return threshold

    train(*frames)
    assert len(runs(store)) == 1
    with mlflow.start_run() as after:
        assert after.info.run_id
    assert "aims.bundle" in runs(store)[0].tags


def test_a_function_that_holds_start_run_under_its_own_name_is_left_alone(
    system: System, frames: Any, threshold: Any, store: Store
) -> None:
    space: dict[str, Any] = {"threshold": threshold}
    exec("""
from mlflow import start_run as begin
def train(train, test):
    with begin():
        return threshold
""", space)  # fmt: skip  # noqa: S102 - a module of its own
    assert aims.track(system)(space["train"])(*frames) is threshold
    assert "aims.bundle" in runs(store)[0].tags


def test_start_run_outside_is_mlflows_own(system: System, frames: Any, threshold: Any, store: Store) -> None:
    import mlflow

    aims.track(system)(lambda train, test: threshold)(*frames)
    with mlflow.start_run(), pytest.raises(Exception, match="already active"):
        mlflow.start_run()


def test_experiment_and_run_name(system: System, frames: Any, threshold: Any, store: Store) -> None:
    aims.track(system, experiment="credit", run_name="first")(lambda train, test: threshold)(*frames)
    (run,) = runs(store)
    assert run.name == "first"
    assert run.experiment_id == store.experiment("credit")


# Models


def test_the_model_is_registered_with_its_evidence(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    aims.track(system, register="credit")(lambda train, test: threshold)(*frames)
    (version,) = store.versions("credit")
    (run,) = runs(store)
    bundle = evidence(store, run.run_id)
    assert version.run_id == run.run_id
    assert version.source == bundle.model.uri
    assert bundle.model.registered == "credit"
    assert version.tags["aims.bundle"] == run.tags["aims.bundle"]
    assert version.tags["aims.state"] == run.tags["aims.state"]
    assert "Evidence" in version.description


def test_the_system_file_can_name_the_registered_model(system: System, frames: Any, threshold: Any, store: Store) -> None:
    named = system.model_copy(update={"system": system.system.model_copy(update={"model": "named"})})
    aims.track(named)(lambda train, test: threshold)(*frames)
    assert len(store.versions("named")) == 1


def test_a_run_that_raised_registers_nothing(system: System, frames: Any, store: Store) -> None:
    def train(train: Any, test: Any) -> None:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        aims.track(system, register="credit")(train)(*frames)
    assert store.versions("credit") == []


def fitted_on(frame: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=0).fit(frame[["x", "z"]], frame["y"])


@pytest.mark.filterwarnings("ignore:Saving scikit-learn models:UserWarning")  # MLflow's advice to the user, who logs in these tests
@pytest.mark.filterwarnings("ignore:.*integer column:UserWarning")
class TestLoggedInside:
    def log(self, model: Any) -> Any:
        import mlflow

        return mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"])

    @pytest.mark.parametrize("give", ["nothing", "the model", "the info", "the uri", "a loaded model"])
    def test_it_is_evaluated_and_not_logged_again(self, give: str, system: System, frames: Any, store: Store, evidence: Any) -> None:
        import mlflow

        @aims.track(system)
        def train(train: Any, test: Any) -> Any:
            model = fitted_on(train)
            info = self.log(model)
            return {
                "nothing": None,
                "the model": model,
                "the info": info,
                "the uri": info.model_uri,
                "a loaded model": mlflow.pyfunc.load_model(info.model_uri) if give == "a loaded model" else None,
            }[give]

        train(*frames)
        (run,) = runs(store)
        bundle = evidence(store, run.run_id)
        assert store.logged_models(run.run_id) == [bundle.model.uri]
        assert bundle.model.flavour == "sklearn"
        performance = next(r for r in bundle.results if r.check == "performance" and r.scope.get("dataset") == "test")
        assert performance.measure("roc_auc_score").value > 0.9

    def test_a_version_that_the_function_registered_is_tagged(self, system: System, frames: Any, store: Store) -> None:
        import mlflow

        @aims.track(system)
        def train(train: Any, test: Any) -> Any:
            info = self.log(fitted_on(train))
            mlflow.register_model(info.model_uri, "by-hand")
            return info

        train(*frames)
        (version,) = store.versions("by-hand")
        assert version.tags["aims.bundle"] == runs(store)[0].tags["aims.bundle"]

    def test_another_model_than_the_logged_one_is_logged_as_well(
        self, system: System, frames: Any, threshold: Any, store: Store, evidence: Any
    ) -> None:
        @aims.track(system)
        def train(train: Any, test: Any) -> Any:
            self.log(fitted_on(train.assign(y=1 - train["y"])))
            return fitted_on(train)

        train(*frames)
        (run,) = runs(store)
        first, second = store.logged_models(run.run_id)
        assert evidence(store, run.run_id).model.uri == second != first


def test_a_sklearn_model_is_logged_with_its_flavour_signature_and_requirements(
    system: System, frames: Any, store: Store, evidence: Any
) -> None:
    import mlflow

    aims.track(system)(lambda train, test: fitted_on(train))(*frames)
    uri = evidence(store, runs(store)[0].run_id).model.uri
    info = mlflow.models.get_model_info(uri)
    assert "sklearn" in info.flavors
    assert info.signature.inputs.input_names() == ["x", "z"]
    assert info.saved_input_example_info is None
    requirements = next(p for p in store.model_files(uri) if p.endswith("requirements.txt"))
    with store.model_folder(uri) as folder:
        assert all("==" in line for line in (folder / requirements).read_text().split())


def test_a_model_whose_predict_raises_is_an_error_and_nothing_else(system: System, frames: Any, store: Store, evidence: Any) -> None:
    class Broken:
        def predict(self, frame: Any) -> Any:
            raise RuntimeError("secret-4711")

    broken = Broken()
    assert aims.track(system)(lambda train, test: broken)(*frames) is broken
    bundle = evidence(store, runs(store)[0].run_id)
    assert any(r.check == "performance" and r.problem is not None and r.problem.state == "error" for r in bundle.results)
    assert "secret-4711" not in bundle.model_dump_json()


# Coroutines, generators, async generators


async def test_a_coroutine(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    @aims.track(system)
    async def train(train: Any, test: Any) -> Any:
        assert mlflow.active_run() is None
        await asyncio.sleep(0)
        return threshold

    assert inspect.iscoroutinefunction(train)
    assert await train(*frames) is threshold
    (run,) = runs(store)
    assert run.status == "FINISHED"
    assert evidence(store, run.run_id).complete


async def test_tasks_never_mix_their_runs(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    gate = asyncio.Event()
    ids: dict[int, set[str]] = {}

    @aims.track(system)
    async def train(number: int, train: Any, test: Any) -> Any:
        for _ in range(3):
            ids.setdefault(number, set()).add(aims.active_run().run_id)
            await asyncio.sleep(0)
        aims.active_run().preparation(f"task {number}")
        if number == 3:
            gate.set()
        await gate.wait()
        ids[number].add(aims.active_run().run_id)
        return threshold

    with mlflow.start_run() as mine:
        await asyncio.gather(*(train(n, frames.train, frames.test.head(50 + n)) for n in range(4)))
    assert all(len(found) == 1 for found in ids.values())
    assert len(set.union(*ids.values())) == 4
    assert mine.info.run_id not in set.union(*ids.values())
    for number, (run_id,) in ids.items():
        assert {d.role: d.rows for d in evidence(store, run_id).datasets}["test"] == 50 + number


async def test_a_coroutine_that_raises_or_is_cancelled(system: System, frames: Any, store: Store) -> None:
    error = ValueError("x")

    @aims.track(system)
    async def train(train: Any, test: Any, wait: bool) -> None:
        if not wait:
            raise error
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="x") as caught:
        await train(*frames, wait=False)
    assert caught.value is error
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(train(*frames, wait=True), 1.5)
    assert [r.status for r in runs(store)] == ["FAILED", "KILLED"]


async def test_the_event_loop_goes_on_while_the_evidence_is_made(system: System, frames: Any, threshold: Any, store: Store) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    @aims.track(system)
    async def train(train: Any, test: Any) -> Any:
        return threshold

    ticking = asyncio.create_task(tick())
    await train(*frames)
    ticking.cancel()
    assert ticks > 10


def test_a_generator(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    @aims.track(system)
    def train(train: Any, test: Any) -> Iterator[str]:
        got = yield aims.active_run().run_id
        assert got == "sent"
        try:
            yield "second"
        except KeyError:
            yield aims.active_run().run_id
        return threshold

    def drive() -> Any:
        return (yield from steps)

    steps: Any = train(*frames)
    assert inspect.isgeneratorfunction(train)
    first = next(steps)
    assert aims.active_run().run_id == ""
    assert mlflow.active_run() is None
    assert steps.send("sent") == "second"
    assert steps.throw(KeyError()) == first
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value is threshold
    assert evidence(store, first).model is not None
    assert drive


def test_generators_in_turns_have_their_own_runs(system: System, frames: Any, store: Store) -> None:
    @aims.track(system)
    def train(train: Any, test: Any) -> Iterator[str]:
        for _ in range(3):
            yield aims.active_run().run_id

    pairs = list(zip(train(*frames), train(*frames), strict=True))
    assert len(set(pairs)) == 1
    assert len(set(pairs[0])) == 2


def test_a_generator_that_is_given_up_or_raises(system: System, frames: Any, store: Store) -> None:
    closed = []
    error = ValueError("x")

    @aims.track(system)
    def train(train: Any, test: Any, wrong: bool) -> Iterator[int]:
        try:
            yield 1
            if wrong:
                raise error
            yield 2
        finally:
            closed.append(aims.active_run().run_id)

    steps: Any = train(*frames, wrong=False)
    next(steps)
    steps.close()
    with pytest.raises(ValueError, match="x") as caught:
        list(train(*frames, wrong=True))
    assert caught.value is error
    assert [r.status for r in runs(store)] == ["KILLED", "FAILED"]
    assert set(closed) == {r.run_id for r in runs(store)}


async def test_an_async_generator(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    @aims.track(system)
    async def train(train: Any, test: Any) -> AsyncIterator[str]:
        aims.active_run().model(threshold)
        for _ in range(3):
            await asyncio.sleep(0)
            yield aims.active_run().run_id

    assert inspect.isasyncgenfunction(train)
    seen = []
    async for run_id in train(*frames):
        seen.append(run_id)
        assert aims.active_run().run_id == ""
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert evidence(store, seen[0]).model is not None


async def test_an_async_generator_that_is_given_up_or_raises(system: System, frames: Any, store: Store) -> None:
    error = ValueError("x")

    @aims.track(system)
    async def train(train: Any, test: Any, wrong: bool) -> AsyncIterator[int]:
        yield 1
        if wrong:
            raise error
        yield 2

    steps: Any = train(*frames, wrong=False)
    await anext(steps)
    await steps.aclose()
    with pytest.raises(ValueError, match="x") as caught:
        async for _ in train(*frames, wrong=True):
            pass
    assert caught.value is error
    assert [r.status for r in runs(store)] == ["KILLED", "FAILED"]


# Context managers and threads


def test_a_with_block(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    with aims.track(system, register="credit") as run:
        assert aims.active_run() is run
        run.data(frames.train, role="train")
        run.data(frames.test, role="test")
        mlflow.log_param("depth", 3)
        run.model(threshold)
    (found,) = runs(store)
    assert found.run_id == run.run_id
    assert found.params["depth"] == "3"
    assert evidence(store, run.run_id).model.registered == "credit"
    assert mlflow.active_run() is None


def test_one_tracker_many_nested_blocks(system: System, store: Store) -> None:
    tracker = aims.track(system)
    with tracker as outer:
        with tracker as inner:
            assert aims.active_run() is inner
        assert aims.active_run() is outer
    assert store.run(inner.run_id).tags["mlflow.parentRunId"] == outer.run_id
    assert {r.status for r in runs(store)} == {"FINISHED"}


def test_an_exception_leaves_a_with_block(system: System, store: Store) -> None:
    error = ValueError("x")

    def block() -> None:
        with aims.track(system):
            raise error

    with pytest.raises(ValueError, match="x") as caught:
        block()
    assert caught.value is error
    assert runs(store)[0].status == "FAILED"


async def test_an_async_with_block(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    async with aims.track(system) as run:
        assert mlflow.active_run() is None
        assert aims.active_run() is run
        run.data(frames.test, role="test")
        run.model(threshold)
    assert evidence(store, run.run_id).model is not None


def test_threads_have_their_own_runs(system: System, frames: Any, threshold: Any, store: Store, evidence: Any) -> None:
    import mlflow

    together = threading.Barrier(3)

    @aims.track(system)
    def train(number: int, train: Any, test: Any) -> Any:
        together.wait(30)
        mlflow.log_param("number", number)
        assert mlflow.active_run().info.run_id == aims.active_run().run_id
        together.wait(30)
        return threshold

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: train(n, frames.train, frames.test.head(50 + n)), range(3)))
    found = runs(store)
    assert sorted(r.params["number"] for r in found) == ["0", "1", "2"]
    for run in found:
        assert {d.role: d.rows for d in evidence(store, run.run_id).datasets}["test"] == 50 + int(run.params["number"])


# What goes wrong on our side


@pytest.fixture
def server_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import mlflow

    mlflow.set_tracking_uri("http://127.0.0.1:9")
    mlflow.set_registry_uri("http://127.0.0.1:9")
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri("")


def test_a_server_that_is_down_costs_seconds_and_no_result(
    server_down: None, system: System, frames: Any, threshold: Any, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.perf_counter()
    assert aims.track(system)(lambda train, test: threshold)(*frames) is threshold
    assert time.perf_counter() - began < 30
    assert "aims sync" in caplog.text
    (entry,) = spool.pending()
    assert BUNDLE_PATH in entry.read().files


def test_evidence_that_waited_is_sent_by_sync(
    server_down: None, system: System, frames: Any, threshold: Any, mlflow_home: str, evidence: Any
) -> None:
    import mlflow

    mlflow.set_tracking_uri("http://127.0.0.1:9")
    aims.track(system)(lambda train, test: threshold)(*frames)
    mlflow.set_tracking_uri(mlflow_home)
    mlflow.set_registry_uri(mlflow_home)
    (sent,) = sending.replay()
    assert sent.problem == ""
    assert evidence(Store(), sent.run_id).run.run_id == sent.run_id
    assert spool.pending() == []


def break_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.recorder.fingerprint", _raise)


def break_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.recorder.judge", _raise)


def break_signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.recorder.seal_bundle", _raise)


def break_the_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMS_HOME", "/proc/no-such-place")


def break_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "write", _raise)


def break_logging_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "log_model", _raise)


def break_starting_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "create_run", _raise)
    monkeypatch.setattr("aims_mlflow.hooks.fluent.start", _raise)


def break_the_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.recorder.Recorder.__init__", _raise)


def _raise(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("broken on purpose")


@pytest.mark.parametrize(
    "harm",
    [
        break_fingerprints,
        break_the_judge,
        break_signing,
        break_the_spool,
        break_the_store,
        break_logging_models,
        break_starting_runs,
        break_the_recorder,
    ],
)
def test_nothing_of_ours_breaks_training(
    harm: Callable[[pytest.MonkeyPatch], None],
    system: System,
    frames: Any,
    threshold: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harm(monkeypatch)
    calls = []

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        calls.append(aims.active_run().run_id)
        return threshold

    with caplog.at_level(logging.WARNING, "aims_mlflow"):
        assert train(*frames) is threshold
    assert len(calls) == 1
    assert any(r.name == "aims_mlflow" for r in caplog.records)
    assert all(r.tags.get("aims.state") != "pass" for r in runs(store))


def test_who_will_not_wait_for_the_evidence_still_gets_the_result(
    system: System, frames: Any, threshold: Any, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    def train(train: Any, test: Any) -> Any:
        monkeypatch.setattr("aims_mlflow.recorder.judge", interrupted)
        return threshold

    assert aims.track(system)(train)(*frames) is threshold
    assert "interrupted" in caplog.text
    assert runs(store)[0].status == "KILLED"


@pytest.mark.parametrize("given", ["models:/credit/1", "runs:/0123456789abcdef0123456789abcdef/model"])
def test_a_uri_while_the_server_is_down_does_not_wait_for_it(server_down: None, given: str, system: System, frames: Any) -> None:
    began = time.perf_counter()
    assert aims.track(system)(lambda train, test: given)(*frames) == given
    assert time.perf_counter() - began < 30


def test_a_server_that_goes_away_while_training(
    system: System, frames: Any, threshold: Any, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [True]
    monkeypatch.setattr(Store, "reachable", lambda self, seconds=2.0: answers[-1])

    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        answers.append(False)
        return threshold

    assert train(*frames) is threshold
    assert "aims sync" in caplog.text
    answers.append(True)
    (entry,) = spool.pending()
    assert entry.read().run_id == runs(store)[0].run_id
    assert [s.problem for s in sending.replay(store)] == [""]
    assert runs(store)[0].status == "FINISHED"
    assert "aims.bundle" in runs(store)[0].tags
