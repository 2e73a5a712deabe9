"""Faults of the user's own doing: with the frames, the model, the run, the process, and with what the function raises."""

# ruff: noqa: ARG002 - what is broken on purpose takes arguments for their names

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from .of_machine import patched
from .scene import Fault, Scene, Stage, Threshold

INSIDE: tuple[Stage, ...] = ("middle",)


def does(do: Callable[[Scene], Any]) -> Callable[[Scene], AbstractContextManager[None]]:
    """Make a fault of what the function does."""

    @contextmanager
    def brought(scene: Scene) -> Iterator[None]:
        do(scene)
        yield

    return brought


def inside(name: str, do: Callable[[Scene], Any], comes_to: Any, **more: Any) -> Fault:
    return Fault(name, does(do), comes_to, stages=INSIDE, **more)


# The model


class Raising(Threshold):
    def predict(self, frame: Any) -> Any:
        raise ValueError("no")


class Ending(Threshold):
    def predict(self, frame: Any) -> Any:
        raise SystemExit(3)


class Printing(Threshold):
    def predict(self, frame: Any) -> Any:
        print("predicting", flush=True)  # noqa: T201 - what the fault is
        return super().predict(frame)


class Changing(Threshold):
    def predict(self, frame: Any) -> Any:
        answer = super().predict(frame)
        frame.loc[:, "x"] = 0.0
        return answer


class Hanging(Threshold):
    def predict(self, frame: Any) -> Any:
        threading.Event().wait(25)
        raise ValueError


class Unpicklable(Threshold):
    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle this")


class EndingWhenSaved(Threshold):
    def __reduce__(self) -> Any:
        raise SystemExit(4)


class Elusive(Threshold):
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise SystemExit(5)


def returns(make: Callable[[], Any]) -> Callable[[Scene], None]:
    def do(scene: Scene) -> None:
        scene.returns = make()

    return do


@contextmanager
def hanging_model(scene: Scene) -> Iterator[None]:
    """Return a model that hangs when it is asked, where a check may take less than half a second."""
    from dataclasses import replace

    from aims_mlflow.store import flavours

    scene.returns = Hanging()
    scene.checks["performance"] = replace(scene.checks["performance"], seconds=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flavours, "SECONDS", 0.3)
        yield


# What the function raises


class Own(BaseException):
    """An exception of the user's own that is no Exception."""


def raises(make: Callable[[], BaseException]) -> Callable[[Scene], None]:
    def do(scene: Scene) -> None:
        scene.raises = make()

    return do


# The run


def ends_the_run(_: Scene) -> None:
    import mlflow

    mlflow.end_run()


def starts_another(_: Scene) -> None:
    import mlflow

    mlflow.end_run()
    mlflow.start_run(run_name="another")
    mlflow.end_run()


@contextmanager
def elsewhere(scene: Scene) -> Iterator[None]:
    """Tell MLflow that it is at another place."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{scene.folder / 'elsewhere.db'}")
    mlflow.set_registry_uri(f"sqlite:///{scene.folder / 'elsewhere.db'}")
    yield
    mlflow.set_tracking_uri(scene.uri)
    mlflow.set_registry_uri(scene.uri)


# The process


@contextmanager
def elsewhere_in_the_tree(scene: Scene) -> Iterator[None]:
    (scene.folder / "another").mkdir()
    with contextlib.chdir(scene.folder / "another"):
        yield


@contextmanager
def nowhere(scene: Scene) -> Iterator[None]:
    """Delete the working directory."""
    (scene.folder / "another").mkdir()
    with contextlib.chdir(scene.folder / "another"):
        (scene.folder / "another").rmdir()
        try:
            yield
        finally:
            os.chdir(scene.folder)
            (scene.folder / "another").mkdir()
            os.chdir(scene.folder / "another")


@contextmanager
def home_is_relative(scene: Scene) -> Iterator[None]:
    """Change the directory where AIMS_HOME is named relative to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(scene.folder)
        patch.setenv("AIMS_HOME", "home")
        yield


def environment_cleared(_: Scene, patch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name not in ("AIMS_HOME", "PYTEST_CURRENT_TEST"):
            patch.delenv(name)


def closed(name: str) -> Callable[[Scene], AbstractContextManager[None]]:
    def do(_: Scene, patch: pytest.MonkeyPatch) -> None:
        stream = open(os.devnull, "w")  # noqa: SIM115 - it is closed in the next line
        stream.close()
        patch.setattr(sys, name, stream)
        patch.setattr(
            logging.getLogger("aims_mlflow"), "handlers", [*logging.getLogger("aims_mlflow").handlers, logging.StreamHandler(stream)]
        )

    return patched(do)


def no_stream(name: str) -> Callable[[Scene], AbstractContextManager[None]]:
    return patched(lambda _, patch: patch.setattr(sys, name, None))


@contextmanager
def warnings_are_errors(_: Scene) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the log server is down")


@contextmanager
def broken_handler(_: Scene) -> Iterator[None]:
    handler = Broken()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)


def time_stands_still(_: Scene, patch: pytest.MonkeyPatch) -> None:
    for name in ("time", "perf_counter", "monotonic"):
        patch.setattr(time, name, lambda: 0.0)


def time_is_broken(_: Scene, patch: pytest.MonkeyPatch) -> None:
    def unknown() -> float:
        raise OSError("no clock")

    for name in ("perf_counter", "monotonic"):
        patch.setattr(time, name, unknown)


def uses_threads(_: Scene) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(int, "1234")) == 10


@contextmanager
def start_method(_: Scene) -> Iterator[None]:
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def deletes_the_system_file(scene: Scene) -> None:
    scene.system_file.unlink()


def empties(scene: Scene) -> None:
    for frame in (scene.train, scene.test):
        frame.drop(frame.index, inplace=True)


def drops_the_columns(scene: Scene) -> None:
    for frame in (scene.train, scene.test):
        frame.drop(columns=list(frame.columns), inplace=True)


@contextmanager
def no_rows(scene: Scene) -> Iterator[None]:
    scene.train, scene.test = scene.train.head(0), scene.test.head(0)
    yield


@contextmanager
def frames_of_another_kind(scene: Scene) -> Iterator[None]:
    scene.train, scene.test = object(), [1, 2, 3]  # type: ignore[assignment]
    yield


class Hostile:
    """Something that looks like a frame, and raises when it is converted."""

    def to_pandas(self) -> Any:
        raise MemoryError


@contextmanager
def hostile_frames(scene: Scene) -> Iterator[None]:
    scene.train, scene.test = Hostile(), Hostile()  # type: ignore[assignment]
    yield


USER: tuple[Fault, ...] = (
    inside("frames changed in place", lambda scene: scene.train.insert(0, "new", 1), "passes"),
    inside("frames emptied in place", empties, "passes"),
    inside("columns dropped in place", drops_the_columns, "passes"),
    Fault("frames without rows", no_rows, "arrives", stages=("start",)),
    Fault("frames that are none", frames_of_another_kind, "told", stages=("start",)),
    Fault("frames that raise when they are taken", hostile_frames, "told", stages=("start",)),
    inside("model raises", returns(Raising), "arrives"),
    inside("model ends the process", returns(Ending), ("arrives", "told")),
    inside("model prints", returns(Printing), "passes"),
    inside("model changes what it is given", returns(Changing), ("passes", "arrives")),
    Fault("model hangs", hanging_model, "arrives", stages=INSIDE),
    inside("model cannot be pickled", returns(Unpicklable), "told"),
    inside("model ends the process when it is saved", returns(EndingWhenSaved), "told"),
    inside("model ends the process when it is looked at", returns(Elusive), "told"),
    inside("function raises an Exception", raises(ValueError), "told"),
    inside("function raises KeyboardInterrupt", raises(KeyboardInterrupt), "told"),
    inside("function raises SystemExit", raises(lambda: SystemExit(2)), "told"),
    inside("function raises GeneratorExit", raises(GeneratorExit), "told"),
    inside("function raises a BaseException of its own", raises(Own), "told"),
    inside("function raises MemoryError", raises(MemoryError), "told"),
    inside("function returns nothing", returns(lambda: None), "arrives"),
    inside("function returns what cannot be pickled", returns(threading.Lock), "arrives"),
    inside("function ends the run", ends_the_run, "passes"),
    inside("function starts another run", starts_another, "passes"),
    Fault("MLflow is told of another place", elsewhere, "passes", stages=("middle", "end")),
    Fault("working directory changes", elsewhere_in_the_tree, "passes"),
    Fault("working directory is deleted", nowhere, ("told", "passes")),
    Fault("AIMS_HOME is relative", home_is_relative, "passes"),
    inside("system file is deleted", deletes_the_system_file, "passes"),
    Fault("environment is cleared", patched(environment_cleared), "passes", stages=("middle", "end")),
    Fault("stderr is closed", closed("stderr"), ("told", "passes")),
    Fault("stdout is closed", closed("stdout"), ("told", "passes")),
    Fault("no stderr", no_stream("stderr"), "passes"),
    Fault("no stdout", no_stream("stdout"), "passes"),
    Fault("warnings are errors", warnings_are_errors, "passes"),
    Fault("logging handler raises", broken_handler, "passes"),
    Fault("time stands still", patched(time_stands_still), "passes"),
    Fault("time raises", patched(time_is_broken), "passes"),
    inside("function uses threads", uses_threads, "passes"),
    Fault("start method changes", start_method, "passes"),
)
