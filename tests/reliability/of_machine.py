"""Faults of this machine: its disk, clock, keys, settings, threads and libraries, and checks that go wrong."""

# ruff: noqa: ARG005, RUF005 - what is broken on purpose takes arguments for their names

from __future__ import annotations

import builtins
import errno
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.evidence import CheckResult

from .scene import CHECKS, Fault, Scene

Patching = Callable[[Scene, pytest.MonkeyPatch], Any]


def patched(do: Patching) -> Callable[[Scene], AbstractContextManager[None]]:
    """Make a fault of what is patched for the while."""

    @contextmanager
    def brought(scene: Scene) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            do(scene, patch)
            yield

    return brought


# The disk


def refusing(number: int, *calls: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """Let the operating system refuse these calls below AIMS_HOME."""

    def do(scene: Scene, patch: pytest.MonkeyPatch) -> None:
        scene.home.mkdir(exist_ok=True)
        ours: dict[int, bool] = {}

        def wrap(name: str) -> None:
            real = getattr(os, name)

            def call(path: Any, *args: Any, **more: Any) -> Any:
                writes = name != "open" or bool(args and args[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
                below = str(scene.home) in str(path) if not isinstance(path, int) else ours.get(path, True)
                if writes and below:
                    raise OSError(number, os.strerror(number), path)
                return real(path, *args, **more)

            patch.setattr(os, name, call)

        for name in calls:
            wrap(name)

    return patched(do)


@contextmanager
def home_is_a_file(scene: Scene) -> Iterator[None]:
    away = scene.folder / "home-away"
    scene.home.mkdir(exist_ok=True)
    scene.home.rename(away)
    scene.home.touch()
    try:
        yield
    finally:
        scene.home.unlink()
        away.rename(scene.home)


def setting(name: str, value: str) -> Callable[[Scene], AbstractContextManager[None]]:
    return patched(lambda _, patch: patch.setenv(name, value))


def no_locks(_: Scene, patch: pytest.MonkeyPatch) -> None:
    import fcntl

    def lockf(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    patch.setattr(fcntl, "lockf", lockf)


def no_home(_: Scene, patch: pytest.MonkeyPatch) -> None:
    def unknown(_: Any) -> Path:
        raise RuntimeError("Could not determine home directory.")

    patch.delenv("AIMS_HOME")
    patch.setattr(Path, "home", classmethod(unknown))


def no_temporary_folder(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tempfile, "tempdir", str(scene.folder / "not-there"))


def no_proc(_: Scene, patch: pytest.MonkeyPatch) -> None:
    opening = builtins.open

    def opened(file: Any, *args: Any, **more: Any) -> Any:
        if str(file).startswith(("/proc/", "/sys/")):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
        return opening(file, *args, **more)

    patch.setattr(builtins, "open", opened)
    patch.delattr(os, "sched_getaffinity", raising=False)
    patch.setattr(os, "sysconf_names", {})


def git_hangs(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    from aims_mlflow.capture import environment

    git = scene.folder / "bin" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\nexec sleep 60\n")
    git.chmod(0o755)
    patch.setenv("PATH", str(git.parent), prepend=os.pathsep)
    patch.setattr(environment, "GIT_SECONDS", 0.2)


# The clock


def clock(seconds: float) -> Callable[[Scene], AbstractContextManager[None]]:
    """Set the wall clock, as whoever corrects a machine's time does; the monotonic one goes on."""
    import datetime as there
    import time

    from aims_mlflow import recorder
    from aims_mlflow.capture import intake

    class Set(there.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return there.datetime.now(tz) + there.timedelta(seconds=seconds)

    def do(_: Scene, patch: pytest.MonkeyPatch) -> None:
        real = time.time
        patch.setattr(time, "time", lambda: real() + seconds)
        for module in (recorder, intake):
            patch.setattr(module, "datetime", Set)

    return patched(do)


# The keys


def key(make: Callable[[Path], Any]) -> Callable[[Scene], AbstractContextManager[None]]:
    """Let AIMS_SIGNING_KEY name a file that was sound when the function was decorated."""

    def do(scene: Scene, patch: pytest.MonkeyPatch) -> None:
        path = scene.folder / "signing.key"
        make(path)
        patch.setenv("AIMS_SIGNING_KEY", str(path))

    return patched(do)


def seen_by_others(path: Path) -> None:
    from aims_mlflow.signing import new_key

    new_key(path)
    path.chmod(0o644)


def key_service(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """Let the key stand in a service that does not answer."""
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME

    from aims_mlflow.signing import new_key, signers

    class Silent:
        @classmethod
        def from_priv_key_uri(cls, *_: Any) -> Any:
            threading.Event().wait(20)

    new_key(scene.folder / "service.key")
    patch.setitem(SIGNER_FOR_URI_SCHEME, "silent", Silent)
    patch.setattr(signers, "SECONDS", 0.3)
    patch.setenv("AIMS_SIGNING_KEY", "silent:key")
    patch.setenv("AIMS_SIGNING_PUBLIC_KEY", str(scene.folder / "service.key.pub"))


# The process


@contextmanager
def interrupted(_: Scene) -> Iterator[None]:
    """Press Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts with & ignore it
    try:
        signal.raise_signal(signal.SIGINT)
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def shallow(_: Scene, patch: pytest.MonkeyPatch) -> None:
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    limit = sys.getrecursionlimit()
    patch.setattr(sys, "getrecursionlimit", lambda: limit)
    sys.setrecursionlimit(depth + 40)


@contextmanager
def low_recursion_limit(scene: Scene) -> Iterator[None]:
    before = sys.getrecursionlimit()
    with pytest.MonkeyPatch.context() as patch:
        shallow(scene, patch)
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


def no_threads(_: Scene, patch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    patch.setattr(threading.Thread, "start", start)


def broken(library: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """Let a library fail when it is imported, as where a part of it is missing."""

    def do(_: Scene, patch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == library]:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, library, None)

    return patched(do)


# Checks


def check_that(measure: Callable[[Any], Any], seconds: float = 60.0) -> Callable[[Scene], AbstractContextManager[None]]:
    """Let the check that the gate asks for go wrong."""

    def do(scene: Scene, patch: pytest.MonkeyPatch) -> None:
        patch.setitem(scene.checks, "performance", replace(scene.checks["performance"], measure=measure, seconds=seconds))

    return patched(do)


def raising(error: type[BaseException]) -> Callable[[Any], Any]:
    def measure(_: Any) -> Any:
        raise error

    return measure


def hanging(_: Any) -> Any:
    threading.Event().wait(20)


AT_ANY = "passes"
UNSIGNED = "told"
DISK = ("open", "mkdir")

MACHINE: tuple[Fault, ...] = (
    Fault("AIMS_HOME is read-only", refusing(errno.EROFS, *DISK, "rename", "link"), AT_ANY),
    Fault("AIMS_HOME is full", refusing(errno.ENOSPC, *DISK), AT_ANY),
    Fault("AIMS_HOME is over the user's quota", refusing(errno.EDQUOT, "fsync"), AT_ANY),
    Fault("AIMS_HOME has a broken disk", refusing(errno.EIO, "fsync"), AT_ANY),
    Fault("AIMS_HOME does not rename", refusing(errno.EXDEV, "rename"), AT_ANY),
    Fault("AIMS_HOME is a file", home_is_a_file, ("told", "passes")),
    Fault("spool is over its quota", setting("AIMS_SPOOL_BYTES", "1"), "told"),
    Fault("disk has no locks", patched(no_locks), "passes"),
    Fault("no home directory", patched(no_home), "told"),
    Fault("no temporary folder", patched(no_temporary_folder), {"start": "told", "middle": "told", "end": ("told", "passes")}),
    Fault("no /proc", patched(no_proc), "passes"),
    Fault("no git", setting("PATH", "/nowhere"), "passes"),
    Fault("git hangs", patched(git_hangs), "passes"),
    Fault("clock a year back", clock(-365 * 86400), "arrives"),
    Fault("clock a year ahead", clock(365 * 86400), "arrives"),
    Fault("key missing", key(lambda path: None), "passes", stages=("middle", "end")),
    Fault("key unreadable", key(lambda path: path.mkdir()), "passes", stages=("middle", "end")),
    Fault("key of another kind", key(lambda path: path.write_text("-----BEGIN CERTIFICATE-----")), "passes"),
    Fault("key readable by everybody", key(seen_by_others), "passes"),
    Fault("key service hangs", patched(key_service), "passes", stages=("middle", "end")),
    Fault("Ctrl-C", interrupted, "told", stages=("end",)),
    Fault("low recursion limit", low_recursion_limit, "told"),
    Fault("no threads left", patched(no_threads), "told"),
    Fault("great_expectations does not import", broken("great_expectations"), "passes", checks=(*CHECKS, "quality")),
    Fault("evidently does not import", broken("evidently"), "passes", checks=(*CHECKS, "drift")),
    Fault("fairlearn does not import", broken("fairlearn"), "passes", checks=(*CHECKS, "fairness")),
    Fault("check raises", check_that(raising(ValueError)), "arrives", stages=("end",)),
    Fault("check has no memory", check_that(raising(MemoryError)), "arrives", stages=("end",)),
    Fault("check recurses", check_that(raising(RecursionError)), "arrives", stages=("end",)),
    Fault("check ends the process", check_that(raising(SystemExit)), "arrives", stages=("end",)),
    Fault("check is interrupted", check_that(raising(KeyboardInterrupt)), "arrives", stages=("end",)),
    Fault("check hangs", check_that(hanging, 0.3), "arrives", stages=("end",)),
    Fault("check returns nothing", check_that(lambda _: None), "arrives", stages=("end",)),
    Fault("check returns nonsense", check_that(lambda _: [object()]), "arrives", stages=("end",)),
    Fault(
        "check answers for another",
        check_that(lambda _: CheckResult.model_construct(check="provenance")),
        "arrives",
        stages=("end",),
    ),
)

NONSENSE = "no {such} thing://%"

SETTINGS: tuple[Fault, ...] = tuple(
    Fault(f"nonsense in {name}", setting(name, NONSENSE), "passes")
    for name in (
        "AIMS_BUDGET_SECONDS",
        "AIMS_CELLS_IN_MEMORY",
        "AIMS_CHECKS",
        "AIMS_DEBUG",
        "AIMS_GATE_KEY",
        "AIMS_GATE_PUBLIC_KEY",
        "AIMS_GATE_SECONDS",
        "AIMS_POLICY_DIR",
        "AIMS_SAMPLE_ROWS",
        "AIMS_SAMPLE_SEED",
        "AIMS_SIGNING_PUBLIC_KEY",
        "AIMS_SPOOL_BYTES",
        "AIMS_SPOOL_DAYS",
    )
) + (
    Fault("nonsense in AIMS_SIGNING_KEY", setting("AIMS_SIGNING_KEY", NONSENSE), "passes", stages=("middle", "end")),
    Fault("nonsense in AIMS_HOME", setting("AIMS_HOME", "/dev/null/no such"), "told"),
)
