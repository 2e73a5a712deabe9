"""The budget: MLflow's trouble costs a run its seconds and no more, success costs nothing, and a refusal is believed for a while."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any

import mlflow  # noqa: F401 - its import is not what is timed here
import pytest

from aims_mlflow.errors import StoreError
from aims_mlflow.settings import BUDGET_SECONDS
from aims_mlflow.store import Store, patience
from aims_mlflow.store.patience import Budget

SLACK = 2.0
"""Seconds that a busy machine may take for what takes none."""


def never(_: Exception) -> bool:
    return False


def always(_: Exception) -> bool:
    return True


def timed(do: Callable[[], Any]) -> float:
    began = monotonic()
    with pytest.raises(StoreError):
        do()
    return monotonic() - began


@pytest.fixture
def forever() -> Iterator[Callable[[], None]]:
    """A call that does not come back while the test runs."""
    stop = threading.Event()
    yield lambda: stop.wait(60) and None
    stop.set()


class TestBudget:
    def test_what_succeeds_costs_nothing(self) -> None:
        budget, pause = Budget(0.2), threading.Event()
        for _ in range(4):
            assert budget.ask(lambda: pause.wait(0.1) or 7, is_trouble=always) == 7
        assert budget.left == 0.2

    def test_what_is_not_answered_costs_the_budget_once_and_nobody_is_asked_again(self, forever: Callable[[], None]) -> None:
        budget, asked = Budget(0.5), []
        assert 0.4 < timed(lambda: budget.ask(forever, is_trouble=always)) < 0.5 + SLACK
        assert timed(lambda: budget.ask(lambda: asked.append(1), is_trouble=always)) < 0.3
        assert (budget.shut, asked) == (True, [])
        assert not budget.allows(lambda _: True)

    def test_trouble_shuts_and_an_answer_does_not(self) -> None:
        def refused() -> None:
            raise ConnectionResetError

        budget = Budget(5)
        with pytest.raises(ConnectionResetError):
            budget.ask(refused, is_trouble=never)
        assert not budget.shut
        with pytest.raises(ConnectionResetError):
            budget.ask(refused, is_trouble=always)
        assert budget.shut

    def test_after_a_pause_what_is_left_may_be_spent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "PAUSE", 0.0)
        budget = Budget(5)
        budget.refused(1)
        assert budget.ask(lambda: 1, is_trouble=always) == 1
        budget.refused(4)
        assert budget.shut

    def test_a_question_within_a_question_is_one(self) -> None:
        budget = Budget(5)
        assert budget.ask(lambda: budget.ask(threading.get_ident, is_trouble=always), is_trouble=always) != threading.get_ident()

    def test_files_take_their_time_while_the_server_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "LOOK", 0.05)
        budget, pause = Budget(0.2), threading.Event()
        assert budget.ask(lambda: pause.wait(0.6) or 7, is_there=lambda _: True, is_trouble=always) == 7
        assert not budget.shut

    def test_files_are_left_behind_when_it_is_not(self, monkeypatch: pytest.MonkeyPatch, forever: Callable[[], None]) -> None:
        monkeypatch.setattr(patience, "LOOK", 0.05)
        budget = Budget(0.6)
        assert timed(lambda: budget.ask(forever, is_there=lambda _: False, is_trouble=always)) < 0.6 + SLACK
        assert budget.shut

    def test_files_that_are_refused_and_tried_again_are_not_waited_for_though_the_server_is_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from urllib3.util.retry import Retry

        monkeypatch.setattr(patience, "LOOK", 0.02)
        refused = Retry(5, backoff_factor=3).increment("GET", "/").increment("GET", "/")
        assert refused.get_backoff_time() == 6
        budget = Budget(0.3)
        assert timed(lambda: budget.ask(refused.sleep, is_there=lambda _: True, is_trouble=always)) < 0.3 + SLACK
        assert budget.shut

    @pytest.mark.parametrize("setting", ["", "much", "0", "-1", "inf", "nan"])
    def test_a_setting_that_is_no_number_is_passed_over(self, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_BUDGET_SECONDS", setting)
        assert Budget().left == BUDGET_SECONDS.default
        monkeypatch.setenv("AIMS_BUDGET_SECONDS", "1.5")
        assert Budget().left == 1.5


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts a connection, and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield f"http://127.0.0.1:{made.getsockname()[1]}"


class Ill(BaseHTTPRequestHandler):
    """Is well when asked for its health; of all else it says what ``server.say`` says, or nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server: Any = self.server
        if self.path != "/health":
            server.asked.append(self.path)
            if server.say is None:
                server.stop.wait(60)
                return
        self.send_response(200 if self.path == "/health" else server.say)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(params=[None, 500, 503, 429], ids=["hangs", "500", "503", "429"])
def ill(request: pytest.FixtureRequest) -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Ill)
    made.daemon_threads, made.stop, made.say, made.asked = True, threading.Event(), request.param, []
    made.uri = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.stop.set()
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_server_that_accepts_and_hangs_costs_the_budget_in_all(silent: str) -> None:
    store = Store(silent, silent).within_budget(Budget(0.6))
    began = monotonic()
    for do in (store.require, lambda: store.run("0" * 32), lambda: store.log("0" * 32, tags={"a": "b"}), store.require):
        timed(do)
    assert monotonic() - began < 0.6 + SLACK


def test_mlflow_s_own_retries_are_not_waited_for(ill: Any) -> None:
    store = Store(ill.uri, ill.uri).within_budget(Budget(0.6))
    store.require()
    began = monotonic()
    for do in (store.probe, lambda: store.run("0" * 32), lambda: store.log("0" * 32, tags={"a": "b"})):
        timed(do)
    assert monotonic() - began < 0.6 + SLACK
    assert len({path.partition("?")[0] for path in ill.asked}) == 1  # the first question, and none after it


def test_without_a_budget_a_store_is_what_it_was(silent: str) -> None:
    assert Store(silent, silent).reachable()
