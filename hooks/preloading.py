"""The heavy libraries, imported in the background while the training runs, so that nobody waits for them afterwards.

``AIMS_PRELOAD=0`` switches it off. Python's import system makes a thread that needs a module wait for the one that is
importing it. A process forked in the middle of an import would inherit a lock that nobody opens again, so a fork waits for the
module at hand.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading

log = logging.getLogger("aims_mlflow")

HEAVY = ("pandas", "pyarrow", "mlflow", "scipy.stats", "sklearn.metrics", "fairlearn.metrics", "great_expectations", "evidently")

FORK_SECONDS = 20.0
"""How long a fork waits for the import at hand."""

_importing = threading.Lock()
_start = threading.Lock()
_stop = threading.Event()
_thread: threading.Thread | None = None


def preload() -> None:
    """Begin to import the heavy libraries in a daemon thread, once a process."""
    global _thread
    if os.environ.get("AIMS_PRELOAD") == "0":
        return
    with _start:
        if _thread is None:
            thread = threading.Thread(target=_import_all, name="aims-preload", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left: they are imported when they are needed
                return
            _thread = thread
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def wait() -> None:
    """Wait until the background imports are done."""
    if _thread is not None and _thread is not threading.current_thread():
        _thread.join()


def _import_all() -> None:
    for name in HEAVY:
        if _stop.is_set():
            return
        with _importing:
            try:
                importlib.import_module(name)
            except Exception as error:  # the check that needs it will say so in the evidence
                log.debug("%s could not be imported in advance: %s", name, type(error).__name__)


def _before_fork() -> None:
    _importing.acquire(timeout=FORK_SECONDS)


def _after_fork() -> None:
    if _importing.locked():
        _importing.release()


threading_atexit = getattr(threading, "_register_atexit", None)
if threading_atexit is not None:  # before the interpreter is taken down, so that no import is begun then
    threading_atexit(_stop.set)
