"""Something done in a thread of its own, so that whoever asked for it can stop waiting: a thread cannot be ended, only left behind."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Generic, TypeVar

T = TypeVar("T")

doing: ContextVar[object] = ContextVar("aims_mlflow_errand", default=None)
"""The errand that the code at hand is done in; None outside of any."""


class Errand(Generic[T]):
    """Does ``do`` at once, in the context variables of whoever asked, in a daemon thread called ``name``."""

    def __init__(self, do: Callable[[], T], name: str) -> None:
        self._do = do
        self._made: list[T] = []
        self._failed: list[BaseException] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name=name, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait that long at most; return whether it is over."""
        return self._over.wait(seconds)

    def is_in(self, module: str) -> bool:
        """Whether it is in a function of this module at the moment, or in something that such a function has called."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        while frame is not None:
            if frame.f_globals.get("__name__") == module:
                return True
            frame = frame.f_back
        return False

    def result(self) -> T:
        """Return what ``do`` returned, or raise what it raised, SystemExit too; waits until it is over."""
        self._over.wait()
        if self._failed:
            raise self._failed[0]
        return self._made[0]

    def _run(self) -> None:
        doing.set(self)
        try:
            self._made.append(self._do())
        except BaseException as error:
            self._failed.append(error)
        finally:
            self._over.set()
