"""What is done in a thread of its own: its answer, its error, and that nobody waits for what hangs."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from aims_mlflow.errand import Errand

ASKED_BY: ContextVar[str] = ContextVar("ASKED_BY", default="nobody")


def test_it_is_done_in_a_thread_and_the_context_of_who_asked() -> None:
    token = ASKED_BY.set("me")
    try:
        done = Errand(lambda: (ASKED_BY.get(), threading.current_thread().name), "aims-x")
    finally:
        ASKED_BY.reset(token)
    assert done.result() == ("me", "aims-x")


@pytest.mark.parametrize("error", [ValueError("it"), SystemExit(3), KeyboardInterrupt()], ids=["error", "exit", "interrupt"])
def test_what_it_raises_is_raised_where_it_is_asked_for(error: BaseException) -> None:
    def do() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        Errand(do, "aims-x").result()
    assert raised.value is error


def test_what_hangs_is_left_behind() -> None:
    go = threading.Event()
    hangs = Errand(go.wait, "aims-x")
    try:
        assert not hangs.wait(0.01)
        assert hangs.is_in("threading")
        assert not hangs.is_in("urllib3.util.retry")
    finally:
        go.set()
    assert hangs.wait(60)
    assert hangs.result()
    hangs._thread.join()
    assert not hangs.is_in("threading")
