"""The four places where MLflow is told of a run's data, models and end: tapped once, so that plain logging feeds the evidence.

Everything of MLflow's own (``log_input``, ``log_model``, the autologging of the libraries, the end of a ``with`` block) comes
down to a few methods of its client. Each is wrapped: the original is called first, with what it was given, and what it returns
or raises passes through; then the listener is told. The listener never raises (``_told``). ``untap`` puts the originals back.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

log = logging.getLogger("aims_mlflow")

CONTEXT = "mlflow.data.context"
"""MLflow's own input tag for what a dataset is used for."""

BY_HAND = ("mlflow.tracking.fluent",)
"""The modules of MLflow's through which people log: any other module of MLflow's that logs data does so by itself."""

LABELS = ("y", "label", "y_true")
"""What MLflow's autologging calls the labels of the data that it logs; of a data frame it logs the features only."""

NEAR = 4
"""How many callers up the labels are looked for."""


@dataclass(frozen=True)
class Logged:
    """A dataset as it was logged: MLflow's own object, the context, and the labels that were beside it where MLflow left them out.

    ``automatic``: some autologging of MLflow's has logged it, not a person.
    """

    dataset: Any
    context: str = ""
    labels: Any = None
    automatic: bool = False


class Listener(Protocol):
    """Who is told what happens to a run, in the thread in which it happens."""

    def begun(self, run_id: str, server: str) -> None:
        """Note that a run was made, on the tracking server with that URI."""

    def data(self, run_id: str, logged: Logged) -> None:
        """Note that a dataset was logged to a run."""

    def model(self, run_id: str) -> None:
        """Note that a model was logged to a run."""

    def ended(self, run_id: str, status: str) -> None:
        """Note that a run has ended, with its status in MLflow's words."""


@dataclass(frozen=True)
class _Tap:
    owner: Any
    name: str
    original: Callable[..., Any]
    ours: Callable[..., Any]


_taps: list[_Tap] = []
_listener: Listener | None = None
_changing = threading.Lock()


def tap(listener: Listener) -> None:
    """Tell ``listener`` from now on, instead of whoever was told before. MLflow is wrapped once, however often this is called."""
    global _listener
    with _changing:
        _listener = listener
        if not _taps:
            _taps.extend(_wrapped())


def untap() -> None:
    """Tell nobody any more, and put MLflow's own methods back, except where somebody else has wrapped ours meanwhile."""
    global _listener
    with _changing:
        _listener = None
        for one in _taps:
            if getattr(one.owner, one.name) is one.ours:
                setattr(one.owner, one.name, one.original)
        _taps.clear()


def _wrapped() -> Iterator[_Tap]:
    from mlflow import MlflowClient
    from mlflow.data.dataset import Dataset
    from mlflow.utils.autologging_utils.client import MlflowAutologgingQueueingClient

    yield _wrap(Dataset, "_to_mlflow_entity", _keep_dataset)
    yield _wrap(MlflowClient, "create_run", _run_begun)
    yield _wrap(MlflowClient, "log_inputs", _inputs_logged)
    yield _wrap(MlflowAutologgingQueueingClient, "log_inputs", _inputs_queued)
    yield _wrap(MlflowClient, "log_outputs", _outputs_logged)
    yield _wrap(MlflowClient, "set_terminated", _run_ended)


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> _Tap:
    original = getattr(owner, name)

    @functools.wraps(original)
    def ours(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(functools.partial(original, self), *args, **kwargs)

    setattr(owner, name, ours)
    return _Tap(owner, name, original, ours)


def _told(tell: Callable[[Listener], None]) -> None:
    """Tell the listener; whatever goes wrong in telling is ours, and never the caller's."""
    listener = _listener
    if listener is None:
        return
    try:
        tell(listener)
    except Exception as error:
        log.warning("aims could not follow a run: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))


def _keep_dataset(original: Callable[..., Any]) -> Any:
    """Let the description of a dataset, which is all that MLflow passes on, hold the dataset itself."""
    entity = original()
    dataset = getattr(original, "args", (None,))[0]
    _told(lambda _: setattr(entity, "_aims_dataset", dataset))
    return entity


def _run_begun(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    run = original(*args, **kwargs)
    client = getattr(original, "args", (None,))[0]
    _told(lambda listener: listener.begun(str(run.info.run_id), str(getattr(client, "tracking_uri", "") or "")))
    return run


def _inputs_logged(original: Callable[..., Any], run_id: Any, datasets: Any = None, *args: Any, **kwargs: Any) -> Any:
    done = original(run_id, datasets, *args, **kwargs)
    caller = sys._getframe(2)
    _told(lambda listener: _tell_data(listener, run_id, datasets, caller))
    return done


def _inputs_queued(original: Callable[..., Any], run_id: Any, datasets: Any = None, *args: Any, **kwargs: Any) -> Any:
    """As above, at the time of the call: the queue is emptied in another thread, when training has gone on already."""
    done = original(run_id, datasets, *args, **kwargs)
    caller = sys._getframe(2)
    _told(lambda listener: _tell_data(listener, run_id, datasets, caller))
    return done


def _outputs_logged(original: Callable[..., Any], run_id: Any, *args: Any, **kwargs: Any) -> Any:
    done = original(run_id, *args, **kwargs)
    _told(lambda listener: listener.model(str(run_id)))
    return done


def _run_ended(original: Callable[..., Any], run_id: Any, status: Any = None, *args: Any, **kwargs: Any) -> Any:
    try:
        return original(run_id, status, *args, **kwargs)
    finally:
        _told(lambda listener: listener.ended(str(run_id), str(status or "FINISHED")))


def _tell_data(listener: Listener, run_id: Any, datasets: Iterable[Any] | None, caller: FrameType | None) -> None:
    for one in datasets or ():
        if getattr(one, "_aims_heard", False):  # it was queued, and is sent now
            continue
        one._aims_heard = True
        dataset = getattr(one.dataset, "_aims_dataset", None)
        if dataset is None or not isinstance(run_id, str):  # not logged as data, or for the trials of a search, whose runs come later
            continue
        context = next((str(tag.value) for tag in one.tags or () if tag.key == CONTEXT), "")
        module = str(caller.f_globals.get("__name__", "")) if caller is not None else ""
        automatic = module.startswith("mlflow.") and module not in BY_HAND
        labels = _labels(dataset, caller) if automatic else None
        listener.data(run_id, Logged(dataset, context, labels, automatic))


def _labels(dataset: Any, caller: FrameType | None) -> Any:
    """Return the labels that MLflow's autologging holds beside the features it logs: of a data frame it leaves them out."""
    features = getattr(dataset, "df", None)
    for _ in range(NEAR):
        if caller is None or features is None or not str(caller.f_globals.get("__name__", "")).startswith("mlflow."):
            return None
        found = next((caller.f_locals[name] for name in LABELS if caller.f_locals.get(name) is not None), None)
        if found is not None and hasattr(found, "__len__") and len(found) == len(features):
            return found
        caller = caller.f_back
    return None
