"""``track``: the decorator, and context manager, that turns a training run into evidence.

On a plain function, method or ``with`` block the run is also MLflow's active run of the thread. A coroutine or a generator
shares its thread with other code while it waits, and so would MLflow's active run: there it is left alone. Log to the
run by its id instead, with ``mlflow.MlflowClient`` and ``aims.active_run().run_id``.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar, copy_context
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast, final

from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.hooks.context import TrackedRun
from aims_mlflow.hooks.lifecycle import Live, Settings, configured
from aims_mlflow.system import ROLES, System
from aims_mlflow.system.identity import registrable

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_Entered = tuple[Live, Any]
_entered: ContextVar[tuple[_Entered, ...]] = ContextVar("aims_mlflow_entered", default=())
"""The ``with`` blocks that the code at hand is in, innermost last."""


def track(
    system: str | os.PathLike[str] | System,
    *,
    register: str | None = None,
    experiment: str | None = None,
    run_name: str | None = None,
    roles: Mapping[str, str] | None = None,
) -> Tracker:
    """Track each call of a function, or a ``with`` block, as a training run of an AI system.

    Frames among the arguments are matched to data roles by the system file; the returned model (anything with ``predict``,
    a ``models:/`` or ``runs:/`` URI, or one that was logged inside) is logged if it was not, evaluated, and registered if a
    name is given. The function is called once; its result and its exceptions pass unchanged. After decoration nothing of
    this raises: what fails is logged to ``aims_mlflow`` and the evidence says so.

    Args:
        system: path of the system file, or a ``System``.
        register: name to register the model under; default: ``system.model`` of the system file.
        experiment: MLflow experiment; default: the one MLflow would use.
        run_name: name of the MLflow run.
        roles: data role -> name of the function's argument; default: ``data.roles`` of the system file.

    Raises:
        ConfigurationError: the system file cannot be used, a role or argument does not exist, AIMS_SIGNING_KEY names no file,
            or MLflow would refuse the name.
    """
    declared = configured(system)
    for role in roles or {}:
        if role not in ROLES:
            raise UnknownNameError.among("data role", role, ROLES, where="track(roles=…)")
    chosen = dict(declared.data.roles) if roles is None else dict(roles)
    settings = Settings(declared, registrable(register), experiment, run_name, {str(r): a for r, a in chosen.items()})
    return Tracker(settings, roles is not None)


@final
class Tracker:
    """What ``track`` gives: a decorator and a context manager, to be used as often as one likes, nested and in any thread."""

    def __init__(self, settings: Settings, roles_are_given: bool = False) -> None:
        self._settings = settings
        self._roles_are_given = roles_are_given

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function, tracked: the same signature and kind (plain, coroutine, generator, async generator)."""
        if isinstance(function, classmethod | staticmethod):
            inner: Any = self(function.__func__)
            return cast(Callable[P, R], type(function)(inner))
        if not callable(function) or inspect.isclass(function):
            raise ConfigurationError(
                "track decorates functions and methods", where=repr(function)[:100], fix="put it above the def that trains"
            )
        call = _Call(self._settings, function)
        if self._roles_are_given:
            call.require_arguments()
        made = cast(Any, function)
        if _is(inspect.isasyncgenfunction, function):
            return cast(Callable[P, R], _async_generator(call, made))
        if _is(inspect.isgeneratorfunction, function):
            return cast(Callable[P, R], _generator(call, made))
        if _is(inspect.iscoroutinefunction, function):
            return cast(Callable[P, R], _coroutine(call, made))
        return _plain(call, function)

    def __enter__(self) -> TrackedRun:
        """Begin a run, as MLflow's active run too, and return its handle."""
        live = Live(self._settings, None, {}, file=_callers_file())
        _entered.set((*_entered.get(), (live, live.enter())))
        return live.handle

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the run; an exception passes."""
        live = _leave_block()
        if live is not None:
            live.end(error=error)

    async def __aenter__(self) -> TrackedRun:
        """Begin a run, without touching MLflow's active run, and return its handle."""
        file = _callers_file()
        live = await _aside(lambda: Live(self._settings, None, {}, file=file, own_thread=False, may_join=False))
        _entered.set((*_entered.get(), (live, live.enter())))
        return live.handle

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the run; an exception passes."""
        live = _leave_block()
        if live is not None and error is not None:
            live.end(error=error)  # quick, and the task may have been cancelled
        elif live is not None:
            await _aside(lambda: live.end())


class _Call:
    """How a call of one function becomes a live run."""

    def __init__(self, settings: Settings, function: Callable[..., Any]) -> None:
        self.settings = settings
        self.function = function
        try:
            self.signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):  # some callables of C do not tell
            self.signature = None

    def require_arguments(self) -> None:
        """Raise where a role was given by hand for an argument that the function does not have."""
        if self.signature is None or any(p.kind is p.VAR_KEYWORD for p in self.signature.parameters.values()):
            return
        for argument in self.settings.roles.values():
            if argument not in self.signature.parameters:
                raise UnknownNameError.among("argument", argument, self.signature.parameters, where="track(roles=…)")

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, own_thread: bool = True, may_join: bool = True) -> Live:
        """Begin a run for a call with these arguments."""
        return Live(self.settings, self.function, self._bound(args, kwargs), own_thread=own_thread, may_join=may_join)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, defaults applied; none where the call does not fit (its own error will say so)."""
        if self.signature is None:
            return dict(kwargs)
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            return {}
        bound.apply_defaults()
        named = dict(bound.arguments)
        for parameter in self.signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                named |= named.pop(parameter.name)
        return named


def _plain(call: _Call, function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
        live = call.begin(args, kwargs)
        token = live.enter()
        try:
            returned = function(*args, **kwargs)
        except BaseException as error:
            live.leave(token)
            live.end(error=error)
            raise
        live.leave(token)
        live.end(returned)
        return returned

    return tracked


def _coroutine(call: _Call, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        live = await _begun(call, args, kwargs)
        token = live.enter()
        try:
            returned = await function(*args, **kwargs)
        except BaseException as error:
            live.leave(token)
            live.end(error=error)
            raise
        live.leave(token)
        await _aside(lambda: live.end(returned))
        return returned

    return tracked


def _generator(call: _Call, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(function)
    def tracked(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        live = call.begin(args, kwargs, own_thread=False)
        try:
            returned = yield from _steps(live, function(*args, **kwargs))
        except BaseException as error:
            live.end(error=error)
            raise
        live.end(returned)
        return returned

    return tracked


def _steps(live: Live, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Drive a generator so that its code, and only its code, runs inside the tracked run."""
    step: Callable[[], Any] = lambda: next(inner)  # noqa: E731 - the next step is chosen anew each time round
    while True:
        token = live.enter()
        try:
            item = step()
        except StopIteration as stop:
            return stop.value
        finally:
            live.leave(token)
        try:
            sent = yield item
        except GeneratorExit:
            token = live.enter()
            try:
                inner.close()
            finally:
                live.leave(token)
            raise
        except BaseException as thrown:
            step = functools.partial(inner.throw, thrown)
        else:
            step = functools.partial(inner.send, sent)


def _async_generator(call: _Call, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(function)
    async def tracked(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        live = await _begun(call, args, kwargs)
        try:
            inner = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(inner.asend, None)
            while True:
                token = live.enter()
                try:
                    item = await step()
                except StopAsyncIteration:
                    break
                finally:
                    live.leave(token)
                try:
                    sent = yield item
                except GeneratorExit:
                    token = live.enter()
                    try:
                        await inner.aclose()
                    finally:
                        live.leave(token)
                    raise
                except BaseException as thrown:
                    step = functools.partial(inner.athrow, thrown)
                else:
                    step = functools.partial(inner.asend, sent)
        except BaseException as error:
            live.end(error=error)
            raise
        await _aside(lambda: live.end())

    return tracked


async def _begun(call: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Live:
    return await _aside(
        lambda: call.begin(args, kwargs, own_thread=False, may_join=False), lambda live: live.end(error=asyncio.CancelledError())
    )


async def _aside(do: Callable[[], T], undo: Callable[[T], None] | None = None) -> T:
    """Do it in a thread, so that the event loop goes on; here, where the loop is not asyncio's.

    Where the task is cancelled meanwhile, ``undo`` is called with the result once it is there.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return do()
    future = loop.run_in_executor(None, copy_context().run, do)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if undo is not None:
            future.add_done_callback(lambda done: undo(done.result()))
        raise


def _leave_block() -> Live | None:
    """Leave the innermost ``with`` block and return its run."""
    blocks = _entered.get()
    if not blocks:
        return None
    _entered.set(blocks[:-1])
    live, token = blocks[-1]
    live.leave(token)
    return live


def _callers_file() -> str:
    """Return the file of the code that holds the ``with`` block."""
    return sys._getframe(2).f_code.co_filename


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    """Whether the function, or the ``__call__`` of an object, is of that kind."""
    return kind(function) or kind(getattr(type(function), "__call__", None))  # noqa: B004 - its kind is asked, not whether it is there
