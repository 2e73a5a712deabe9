"""MLflow's active run of this thread: ours is put there for the length of a plain function, so that ``mlflow.log_…`` lands in it.

A training function may well call ``mlflow.start_run()`` itself, which MLflow refuses while a run is active. Such a call is let
through: the first one enters our run; one that asks for another run or experiment gets a nested run of its own.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

from aims_mlflow.errors import StoreError

_ours = threading.local()
_patching = threading.Lock()


def active_run_id() -> str:
    """Return the id of MLflow's active run in this thread, or ""."""
    import mlflow

    active = mlflow.active_run()
    return str(active.info.run_id) if active is not None else ""


def start(experiment_id: str | None, run_name: str | None, tags: Mapping[str, str]) -> str:
    """Start a run as MLflow's active run of this thread (nested where there is one) and return its id.

    Raises:
        StoreError: what answered for MLflow named no run; nothing is left on the stack.
    """
    import mlflow

    _let_functions_start_runs()
    run = _original()(experiment_id=experiment_id, run_name=run_name, nested=mlflow.active_run() is not None, tags=dict(tags))
    if not run.info.run_id:
        leave(run.info.run_id)
        raise StoreError("MLflow answered without naming a run", fix="see what answers at MLFLOW_TRACKING_URI")
    _pushed().append(run.info.run_id)
    return str(run.info.run_id)


def leave(run_id: str) -> None:
    """Take the run off this thread's stack. It is not ended: nothing is sent, since the server may be down by now."""
    from mlflow.tracking import fluent

    stack = _stack()
    stack[:] = [run for run in stack if run.info.run_id != run_id]
    last: Any = fluent._last_active_run_id
    last.set(run_id)
    monitor = fluent.run_id_to_system_metrics_monitor.pop(run_id, None)
    if monitor is not None:
        monitor.finish()
    _pushed()[:] = [pushed for pushed in _pushed() if pushed != run_id]


def names_start_run(function: Callable[..., Any]) -> bool:
    """Whether the function, or another of its module, calls ``start_run`` by a name of its own, where it cannot be let through."""
    original = _original()
    module: Mapping[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    names = {name for name, value in module.items() if value is original}
    if not names:
        return False
    near = [f for f in module.values() if getattr(f, "__globals__", None) is module]
    codes = [inspect.unwrap(f).__code__ for f in (function, *near) if hasattr(inspect.unwrap(f), "__code__")]
    return any(names & set(code.co_names) for code in _with_inner(codes))


def _with_inner(codes: Iterable[CodeType]) -> Iterator[CodeType]:
    """Yield the code objects and those of the functions inside them."""
    for code in codes:
        yield code
        yield from _with_inner(c for c in code.co_consts if isinstance(c, CodeType))


def _pushed() -> list[str]:
    """Return the ids of the runs that we have put on this thread's stack."""
    if not hasattr(_ours, "pushed"):
        _ours.pushed = []
    pushed: list[str] = _ours.pushed
    return pushed


def _stack() -> list[Any]:
    """Return this thread's own stack of MLflow's active runs."""
    from mlflow.tracking import fluent

    kept: Any = fluent._active_run_stack
    stack: list[Any] = kept.get()
    return stack


def _original() -> Callable[..., Any]:
    import mlflow

    found: Callable[..., Any] = getattr(mlflow.start_run, "_aims_original", mlflow.start_run)
    return found


def _let_functions_start_runs() -> None:
    """Put our ``start_run`` before MLflow's, once a process. It differs only where our run is the active one."""
    import mlflow
    from mlflow.tracking import fluent

    with _patching:
        if hasattr(mlflow.start_run, "_aims_original"):
            return
        original = mlflow.start_run
        signature = inspect.signature(original)

        @functools.wraps(original)
        def start_run(*args: Any, **kwargs: Any) -> Any:
            active = mlflow.active_run()
            if active is None or active.info.run_id not in _pushed():
                return original(*args, **kwargs)
            asked = signature.bind(*args, **kwargs).arguments
            if asked.get("nested") or asked.get("parent_run_id"):
                return original(*args, **kwargs)
            own, experiment = active.info.run_id, active.info.experiment_id
            elsewhere = [e for e in (asked.get("experiment_id"), fluent._active_experiment_id) if e is not None and str(e) != experiment]
            if asked.get("run_id") not in (None, own) or elsewhere:
                return original(**{**asked, "nested": True})
            _stack().pop()
            _pushed().remove(own)
            return original(**{**asked, "run_id": own})

        start_run._aims_original = original  # type: ignore[attr-defined]  # how it is recognised
        mlflow.start_run = start_run
        fluent.start_run = start_run
