"""One recorder for each MLflow run that nobody tracks: opened when the run begins, fed by what is logged to it, finished when it ends."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aims_mlflow.capture.steps import as_frame
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.hooks import logged_data
from aims_mlflow.hooks.lifecycle import claim, is_claimed
from aims_mlflow.hooks.tapping import Logged
from aims_mlflow.system import System

if TYPE_CHECKING:
    from aims_mlflow.recorder import Recorder

log = logging.getLogger("aims_mlflow")

GOING_ON = ("RUNNING", "SCHEDULED", "UNFINISHED")
"""What MLflow calls runs that are not over: such an "end" only takes a run off the stack."""

LIBRARIES = frozenset(
    {
        "aims_mlflow",
        "catboost",
        "joblib",
        "keras",
        "lightgbm",
        "lightning",
        "mlflow",
        "numpy",
        "pandas",
        "pytorch_lightning",
        "sklearn",
        "statsmodels",
        "tensorflow",
        "torch",
        "transformers",
        "xgboost",
    }
)
"""Packages whose code is not the training code, though it may be what calls MLflow."""


@dataclass
class _Session:
    """A run that goes on, as far as anything was seen of it."""

    recorder: Recorder
    seen: bool = False
    by_hand: set[str] = field(default_factory=set)
    """The roles whose data a person has logged: nothing that is logged by itself takes their place."""
    lock: threading.RLock = field(default_factory=threading.RLock)


class Sessions:
    """The listener that turns what is logged to runs into evidence of ``system``. Thread-safe; a fork begins with ``forget``."""

    def __init__(self, system: System, register: str | None = None) -> None:
        self.configure(system, register)
        self._open: dict[str, _Session] = {}
        self._over: set[str] = set()
        self._late: set[str] = set()
        self._lock = threading.Lock()

    def configure(self, system: System, register: str | None = None) -> None:
        """Take another system for the runs that begin from here on."""
        self._system, self._register = system, register

    def begun(self, run_id: str, server: str) -> None:
        """Open a recorder; it is dropped again where nothing comes."""
        self._session(run_id, server)

    def data(self, run_id: str, logged: Logged) -> None:
        """Take a dataset in the role that its context means. One without rows, or without a role, is a warning."""
        if logged.automatic and not logged.context:  # mlflow.models.evaluate, which says nothing of what the data are for
            return
        session = self._listening(run_id, "data")
        if session is None:
            return
        began = time.perf_counter()
        system = session.recorder.system
        try:
            role = logged_data.role_of(logged.context or str(getattr(logged.dataset, "name", "")), system)
        except CannotMeasure as unknown:
            log.warning("%s", unknown)
            return
        with session.lock, session.recorder.guarded(f"take the {role} data that were logged"):
            _take(session, logged, role)
        session.recorder.seconds += time.perf_counter() - began

    def model(self, run_id: str) -> None:
        """Note that there is a model; which one, the run itself says at its end."""
        session = self._listening(run_id, "a model")
        if session is not None:
            session.seen = True

    def ended(self, run_id: str, status: str) -> None:
        """Turn what was seen of the run into evidence; with nothing seen, leave the run alone."""
        if status in GOING_ON:
            return
        kind = sys.exc_info()[0]
        why = "finished" if status == "FINISHED" else f"raised {kind.__name__}" if kind is not None else f"ended as {status}"
        self._finish(run_id, why)

    def has_seen(self, run_id: str) -> bool:
        """Return whether anything of an open run was seen."""
        session = self._open.get(run_id)
        return session is not None and session.seen and not is_claimed(run_id)

    def close(self) -> None:
        """Finish what is still open when the process ends: MLflow ends the active run then, and no other."""
        from mlflow.tracking import fluent

        stack: Any = fluent._active_run_stack
        active = {run.info.run_id for run in stack.get()}
        kind = getattr(sys, "last_type", None)
        for run_id in reversed(list(self._open)):
            ended = "finished" if run_id in active else "left open when the process ended"
            self._finish(run_id, ended if kind is None or hasattr(sys, "ps1") else f"raised {kind.__name__}")

    def forget(self) -> None:
        """Begin anew in a forked process: the runs that were open are the parent's, and so is their evidence."""
        self._open, self._lock = {}, threading.Lock()

    def drop(self) -> None:
        """Forget what is open: those runs get no evidence."""
        with self._lock:
            dropped = sorted(run_id for run_id, session in self._open.items() if session.seen)
            self._open.clear()
        for run_id in dropped:
            log.warning("aims.autolog was switched off while run %s was going on: there is no evidence of it", run_id)

    def _session(self, run_id: str, server: str = "") -> _Session | None:
        """Return the run's session, made where it has none; None for a run that somebody tracks."""
        from aims_mlflow.recorder import Recorder
        from aims_mlflow.store import Store

        with self._lock:
            if is_claimed(run_id):
                self._open.pop(run_id, None)
                return None
            if run_id not in self._open:
                store, file = Store(server or None), training_file()
                recorder = Recorder(self._system, store=store, run_id=run_id, file=file, register=self._register, ends_run=False)
                self._open[run_id] = _Session(recorder)
            return self._open[run_id]

    def _listening(self, run_id: str, what: str) -> _Session | None:
        """Return the run's session; None, with a warning the first time, where the evidence of the run is made already."""
        if run_id not in self._over:
            return self._session(run_id)
        if run_id not in self._late:
            self._late.add(run_id)
            log.warning(
                "%s was logged to run %s after its end, and is not in its evidence; put training and evaluation into one"
                " `with mlflow.start_run():`",
                what,
                run_id,
            )
        return None

    def _finish(self, run_id: str, outcome: str) -> None:
        with self._lock:
            session = self._open.pop(run_id, None)
        if session is None:
            return
        if not session.seen:
            log.debug("run %s has logged neither data nor a model: it is left alone", run_id)
            return
        if not claim(run_id):
            return
        self._over.add(run_id)
        with session.lock:
            try:
                session.recorder.finish(outcome=outcome)
            except KeyboardInterrupt:
                # The run is over and its end was recorded: what waits is only the evidence, and whoever waits will not.
                log.warning("interrupted while evidence was made: there is none for run %s", run_id)


def _take(session: _Session, logged: Logged, role: str) -> None:
    """Give the recorder a dataset in its role. What a person has logged is never replaced by what was logged by itself."""
    recorder = session.recorder
    if logged.automatic and role in session.by_hand:
        return
    found = logged_data.given(logged, recorder.system)
    if logged.automatic and role == "test" and _shown_before(recorder, found.frame):
        return
    session.seen = True
    if not logged.automatic:
        session.by_hand.add(role)
    declared = any(name == role and source.uri for name, source in recorder.system.data.sources.items())
    recorder.data(found.frame, role, source=None if declared or not found.source else found.source, note=found.note)
    if found.predictions:
        recorder.predictions(role, found.predictions)


def _shown_before(recorder: Recorder, frame: Any) -> bool:
    """Whether a model was asked about its own training data: autologging calls them evaluation data, which they are not."""
    trained_on = recorder.digests("train")
    return bool(trained_on) and fingerprint(as_frame(frame)).column_digests.items() <= trained_on.items()


def training_file() -> str:
    """Return the file of the code that has led here: of the nearest caller that belongs to no library, else of the main script."""
    for frame_file, package in _callers():
        if package not in LIBRARIES and package not in sys.stdlib_module_names:
            return frame_file
    return str(getattr(sys.modules.get("__main__"), "__file__", "") or "")


def _callers() -> Iterator[tuple[str, str]]:
    frame = sys._getframe(2)
    while frame is not None:
        yield frame.f_code.co_filename, str(frame.f_globals.get("__name__", "")).partition(".")[0]
        frame = frame.f_back  # type: ignore[assignment]  # None at the end of the stack
