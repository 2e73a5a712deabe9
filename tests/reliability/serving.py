"""An MLflow server in this process that falls ill: MLflow's own application behind sockets that hang, drip, reset and answer nonsense."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Illness = Callable[["Asked"], bool]
"""Answers a request, or leaves it unanswered; whether it has done so: False lets MLflow answer."""


class Asked(BaseHTTPRequestHandler):
    """One question, which MLflow answers unless the server is ill."""

    def _answer(self) -> None:
        server: Any = self.server
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if server.illness is not None and server.illness(self):
            return
        self.by_mlflow()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of http.server

    def by_mlflow(self) -> None:
        server: Any = self.server
        headers = [(k, v) for k, v in self.headers.items() if k.lower() not in ("content-length", "transfer-encoding")]
        answer = server.client.open(self.path, method=self.command, data=self.body, headers=headers)
        self.say(answer.status_code, answer.get_data(), dict(answer.headers))

    def say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bool:
        self.send_response(status)
        for name, value in (headers or {}).items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def end_connection(self, *, reset: bool = False) -> bool:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait that long, unless the server gets well before; return whether it has."""
        server: Any = self.server
        return bool(server.well.wait(seconds))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Listening(ThreadingHTTPServer):
    """Listens again on a port that was in use a moment ago, and leaves hanging connections behind."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    client: Any = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of those who hang up."""


class Server:
    """MLflow's tracking and registry server with its artifacts, at ``uri``."""

    def __init__(self, folder: Path, database: Path) -> None:
        from mlflow.server import handlers

        root = folder / "artifacts"
        self._handlers: Any = handlers
        self._before = (handlers._tracking_store, handlers._model_registry_store, handlers._artifact_repo)
        handlers._tracking_store = handlers._model_registry_store = handlers._artifact_repo = None
        self._settings = {
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{database}",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(root),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        os.environ.update(self._settings)
        handlers._get_tracking_store()
        handlers._get_model_registry_store()
        handlers._get_artifact_repo_mlflow_artifacts()
        self._port = 0
        self._listen()
        self.uri = f"http://127.0.0.1:{self._port}"

    def _listen(self) -> None:
        from mlflow.server import app
        from werkzeug.test import Client

        self._http: Any = Listening(("127.0.0.1", self._port), Asked)
        self._http.client, self._http.illness, self._http.well = Client(app), None, threading.Event()
        self._port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def _deaf(self) -> None:
        self._http.well.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @contextmanager
    def ill(self, illness: Illness) -> Iterator[None]:
        """Fall ill for the while."""
        self._http.well.clear()
        self._http.illness = illness
        try:
            yield
        finally:
            self._http.illness = None
            self._http.well.set()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Not listen for the while."""
        self._deaf()
        try:
            yield
        finally:
            self._listen()

    def stop(self) -> None:
        self._deaf()
        for name in self._settings:
            os.environ.pop(name, None)
        self._handlers._tracking_store, self._handlers._model_registry_store, self._handlers._artifact_repo = self._before
