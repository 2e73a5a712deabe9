"""One tracked run from its beginning to its end: which MLflow run it is, and who ends it. Nothing here raises."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextvars import Token
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aims_mlflow.capture.ranks import Rank, rank
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.hooks.context import TrackedRun, current
from aims_mlflow.system import System
from aims_mlflow.system_file import load_system

if TYPE_CHECKING:
    from aims_mlflow.recorder import Recorder
    from aims_mlflow.store import Store

log = logging.getLogger("aims_mlflow")


class _Heard(logging.Logger):
    """Our logger: a handler of the user's that raises, or a stderr that is closed, costs a line of the log and no training."""

    def handle(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            super().handle(record)


if type(log) is logging.Logger:
    log.__class__ = _Heard

_claimed: set[str] = set()
_claiming = threading.Lock()


def _name(function: Callable[..., Any] | None, file: str) -> str:
    """Return what every rank calls the same training: the function with its module, else the file of the ``with`` block."""
    return file if function is None else f"{function.__module__}.{getattr(function, '__qualname__', '')}"


@dataclass(frozen=True)
class Settings:
    """What ``track`` was told. ``roles`` is role -> name of the function's argument."""

    system: System
    register: str | None = None
    experiment: str | None = None
    run_name: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)


class Live:
    """A tracked run while it goes on.

    Args:
        settings: what ``track`` was told.
        function: the tracked function; None for a ``with`` block, whose file is ``file``.
        arguments: the arguments by name, defaults applied.
        own_thread: whether the code runs in this thread from its beginning to its end (a plain function, a ``with``
            block), so that MLflow's active run can be its run. A coroutine shares its thread with others, and MLflow's
            active run with them: it is neither joined nor set.
        may_join: whether MLflow's active run of this thread is joined, if there is one that no tracked run has joined yet.
    """

    def __init__(
        self,
        settings: Settings,
        function: Callable[..., Any] | None,
        arguments: Mapping[str, Any],
        *,
        file: str = "",
        own_thread: bool = True,
        may_join: bool = True,
    ) -> None:
        began = perf_counter()
        self.handle = TrackedRun()
        self._settings = settings
        self._recorder: Recorder | None = None
        self._on_stack = ""
        self._abandoned: tuple[Store, str] | None = None
        self._outer = current.get()
        self._pid = os.getpid()
        try:
            here = rank()
            if here.is_first:
                self._begin(function, arguments, file, own_thread, may_join, here)
            else:
                self._take_part(function, arguments, file, here)
        except Exception as error:  # training goes on without evidence, and says so
            log.warning("aims could not begin to track: %s: %s", type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))
        if self._recorder is not None:
            self._recorder.seconds = perf_counter() - began

    def enter(self) -> Token[TrackedRun | None]:
        """Make it the run that ``active_run()`` gives; ``leave`` undoes it."""
        return current.set(self.handle)

    @staticmethod
    def leave(token: Token[TrackedRun | None]) -> None:
        """Make the outer run, if any, the one that ``active_run()`` gives again."""
        try:
            current.reset(token)
        except ValueError:  # a generator that was closed in another context than it was begun in
            current.set(None)

    def end(self, returned: Any = None, error: BaseException | None = None) -> None:
        """Turn the run into evidence. With an error nothing is measured, so that it is seen at once.

        A process that was forked off while the run went on has a copy of it, and leaves it to the process that it is a copy of.
        """
        if os.getpid() != self._pid:
            return
        try:
            if self._on_stack:
                from aims_mlflow.hooks import fluent

                fluent.leave(self._on_stack)
        except Exception as trouble:
            log.warning("aims could not take its run off MLflow's stack: %s", type(trouble).__name__)
        if self._recorder is None:
            self._end_untracked(error)
            return
        try:
            self._recorder.finish(returned, outcome="finished" if error is None else f"raised {type(error).__name__}")
        except KeyboardInterrupt as interrupt:
            if error is not None:
                raise
            # The function is done: its result must not be lost because somebody will not wait for the evidence.
            log.warning("interrupted while evidence was made: there is none for this run, and its result is returned")
            self._end_untracked(interrupt)
        except (Exception, SystemExit, GeneratorExit) as trouble:  # a model of the user's may raise these, too
            log.warning("aims could not turn the run into evidence: %s", type(trouble).__name__, exc_info=log.isEnabledFor(logging.DEBUG))

    def _end_untracked(self, error: BaseException | None) -> None:
        """End a run that was begun and could not be recorded."""
        if self._abandoned is None:
            return
        store, run_id = self._abandoned
        try:
            store.require()
            store.log(run_id, tags={"aims.state": "error"})
            store.end_run(run_id, "FINISHED" if error is None else "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        except Exception as trouble:
            log.warning("aims could not end run %s: %s", run_id, type(trouble).__name__)

    def _take_part(self, function: Callable[..., Any] | None, arguments: Mapping[str, Any], file: str, here: Rank) -> None:
        """Tell rank 0, which makes the run and its evidence, what this rank was given."""
        from aims_mlflow.capture import sharing

        self.handle = TrackedRun(share=sharing.Share(self._settings.system, sharing.meeting(here, _name(function, file))))
        log.info("this is rank %d of %d: rank 0 makes the run and its evidence", *here)
        for role, argument in self._settings.roles.items():
            if arguments.get(argument) is not None:
                self.handle.data(arguments[argument], role)

    def _begin(
        self,
        function: Callable[..., Any] | None,
        arguments: Mapping[str, Any],
        file: str,
        own_thread: bool,
        may_join: bool,
        here: Rank,
    ) -> None:
        from aims_mlflow.capture import sharing
        from aims_mlflow.recorder import Recorder
        from aims_mlflow.store import Store

        store = Store().within_budget()
        run_id, joined = self._find_run(store, function, own_thread, may_join)
        self._abandoned = None if joined or not run_id else (store, run_id)
        self._recorder = Recorder(
            self._settings.system,
            store=store,
            run_id=run_id,
            function=function,
            file=file,
            arguments=arguments,
            register=self._settings.register,
            experiment=self._settings.experiment or "",
            run_name=self._settings.run_name or "",
            ends_run=not joined,
            others=sharing.meeting(here, _name(function, file)) if here.of > 1 else None,
        )
        self.handle = TrackedRun(self._recorder)
        if not run_id:
            log.warning("no MLflow run could be started: the evidence of this run is kept on this machine; send it with `aims sync`")
        for role, argument in self._settings.roles.items():
            if arguments.get(argument) is not None:
                with self._recorder.guarded(f"take the {role} data"):
                    self._recorder.data(arguments[argument], role)
        self._recorder.keep()

    def _find_run(self, store: Store, function: Callable[..., Any] | None, own_thread: bool, may_join: bool) -> tuple[str, bool]:
        """Return the MLflow run of this call, and whether it was there before; "" where MLflow cannot give one."""
        from aims_mlflow.errors import AimsError
        from aims_mlflow.hooks import fluent

        tags = {"aims.system": self._settings.system.id}
        try:
            store.require()
            store.probe()  # what MLflow does itself below is not within the budget
            active = fluent.active_run_id() if may_join else ""
            if active and claim(active):
                store.log(active, tags=tags)
                return active, True
            if own_thread and not (function is not None and fluent.names_start_run(function)):
                try:
                    return self._start_active(store, tags), False
                except Exception as error:
                    log.warning("aims could not make its run MLflow's active run: %s: %s", type(error).__name__, error)
            run_id = store.create_run(self._settings.experiment, self._settings.run_name, {**tags, **self._parent(active)})
            claim(run_id)
            return run_id, False
        except Exception as error:
            log.warning("%s", error if isinstance(error, AimsError) else f"MLflow could not start a run: {type(error).__name__}")
            return "", False

    def _start_active(self, store: Store, tags: Mapping[str, str]) -> str:
        from aims_mlflow.hooks import fluent

        experiment = self._settings.experiment
        run_id = fluent.start(store.experiment(experiment) if experiment else None, self._settings.run_name, {**tags, **self._parent("")})
        self._on_stack = run_id
        claim(run_id)
        return run_id

    def _parent(self, active: str) -> dict[str, str]:
        """Return the tag that makes the run a child of the tracked run it was called in, or of the active run."""
        outer = self._outer.run_id if self._outer is not None else ""
        parent = active or ("" if outer.startswith("offline-") else outer)
        return {"mlflow.parentRunId": parent} if parent else {}


def claim(run_id: str) -> bool:
    """Whether no recorder of this process had this MLflow run yet; from now on, one has."""
    with _claiming:
        if run_id in _claimed:
            return False
        _claimed.add(run_id)
        return True


def is_claimed(run_id: str) -> bool:
    """Whether some recorder of this process has this MLflow run."""
    with _claiming:
        return run_id in _claimed


def configured(system: str | os.PathLike[str] | System) -> System:
    """Return the system that a way in is given, by itself or by its file.

    Raises:
        ConfigurationError: the system file cannot be used, or AIMS_SIGNING_KEY names neither a file nor a kind of key service.
    """
    from aims_mlflow.signing.signers import is_uri, signer_for

    declared = system if isinstance(system, System) else load_system(system)
    key = os.environ.get("AIMS_SIGNING_KEY")
    if key and is_uri(key):
        signer_for(key, "AIMS_SIGNING_KEY")
    elif key and not Path(key).expanduser().is_file():
        raise ConfigurationError(
            "AIMS_SIGNING_KEY names no file", where=key, fix="set it to your PEM key, or unset it to use a development key"
        )
    return declared
