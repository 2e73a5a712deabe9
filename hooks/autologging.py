"""``autolog``: evidence with no code of one's own in the training: what is logged to MLflow anyway feeds the same recorder.

``mlflow.log_input``, ``mlflow.log_model`` and the autologging of the libraries (``mlflow.sklearn.autolog()`` and its like) are
followed; a run's evidence is made when the run ends. See docs/ways-in.md for what this way in cannot see.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable

from aims_mlflow.hooks import tapping
from aims_mlflow.hooks.lifecycle import configured
from aims_mlflow.hooks.sessions import Sessions
from aims_mlflow.system import System
from aims_mlflow.system.identity import registrable

_sessions: Sessions | None = None
_changing = threading.Lock()
_at_exit = False


def autolog(system: str | os.PathLike[str] | System = "aims.yaml", *, register: str | None = None, disable: bool = False) -> None:
    """Make evidence of every MLflow run of this process from here on that logs a dataset or a model.

    The run is the user's: it is neither started nor ended here. Datasets are taken in the role that their context means
    (``train``, ``validation``, ``test``, ``reference``, ``production`` and their usual synonyms), the model is the last one that
    the run has logged. Runs under ``@aims.track`` are that one's. Nothing of this raises into the code that trains, and nothing
    that MLflow returns is changed. Calling it again takes the new system file for the runs that begin after it.

    Args:
        system: path of the system file, or a ``System``.
        register: name to register each run's model under; default: ``system.model`` of the system file.
        disable: stop, and put MLflow's own methods back. Runs that are open then get no evidence.

    Raises:
        ConfigurationError: the system file cannot be used, or AIMS_SIGNING_KEY names no file, or MLflow would refuse the name.
    """
    global _sessions, _at_exit
    if disable:
        with _changing:
            tapping.untap()
            dropped, _sessions = _sessions, None
        if dropped is not None:
            dropped.drop()
        return
    declared, name = configured(system), registrable(register)
    with _changing:
        if _sessions is None:
            _sessions = Sessions(declared, name)
        _sessions.configure(declared, name)
        tapping.tap(_sessions)
        if not _at_exit:
            _before_exit(_close)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_forget)
            _at_exit = True


def follows(run_id: str) -> bool:
    """Return whether data or a model of that run were seen, so that its evidence is made when it ends."""
    return _sessions is not None and _sessions.has_seen(run_id)


def _close() -> None:
    if _sessions is not None:
        _sessions.close()


def _forget() -> None:
    if _sessions is not None:
        _sessions.forget()


def _before_exit(do: Callable[[], None]) -> None:
    """Have it done when the main thread ends, while threads can still be started, which the checks do; else as late as ``atexit``."""
    register = getattr(threading, "_register_atexit", None)
    (register or atexit.register)(do)
