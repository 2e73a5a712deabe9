"""A real MLflow server under the gate, its policies and its users; and how a request is sent to it as it stands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml

from aims_mlflow.server import guarding
from aims_mlflow.store import Store

from . import making

UP_WITHIN = 120.0
"""Seconds: a server imports for several, and longer where other tests run beside it."""


@dataclass
class Answer:
    """What a server answered."""

    status: int
    body: str

    @property
    def code(self) -> str:
        """MLflow's error code, or ""."""
        try:
            return str(json.loads(self.body).get("error_code", ""))
        except (ValueError, AttributeError):
            return ""

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


class Server:
    """An ``mlflow server`` on a port of its own, with its registry under the gate unless ``gated`` is False."""

    def __init__(
        self,
        folder: Path,
        database: str,
        *,
        gated: bool = True,
        env: Mapping[str, str | None] | None = None,
        more: tuple[str, ...] = (),
        workers: int = 1,
    ) -> None:
        self.folder, self.database, self.gated, self.more, self.workers = folder, database, gated, more, workers
        self.env = dict(env or {})
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> Server:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", str(self.workers)]
        command += ["--backend-store-uri", self.database, "--artifacts-destination", str(self.artifacts), *self.more]
        if self.gated:
            command += ["--registry-store-uri", f"aims+{self.database}"]
        ours = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes, for nothing that is asked of it here
            "AIMS_HOME": str(self.folder / "home"),
            guarding.SAID: None,
            **self.env,
        }
        env = {
            k: v
            for k, v in {**os.environ, **ours}.items()
            if v is not None and k not in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PYTEST_CURRENT_TEST")
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self) -> None:
        assert self._process is not None
        until, pause = monotonic() + UP_WITHIN, threading.Event()
        while monotonic() < until and self._process.poll() is None:
            try:
                if self.ask("GET", "/health").body == "OK":
                    return
            except OSError:
                pause.wait(0.1)
        pytest.fail(f"the server does not answer:\n{self.log[-3000:]}")

    def stop(self) -> None:
        """Stop it at once, with the processes that it has started."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it may have died by itself: what is asked for then is why, in its log
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def ask(self, verb: str, path: str, body: Any = None, *, kind: str = "application/json", user: str = "") -> Answer:
        """Send a request as it stands; nothing of aims or of MLflow's client comes between."""
        import http.client
        from base64 import b64encode

        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Content-Type": kind} if content is not None else {}
        if user:
            headers["Authorization"] = "Basic " + b64encode(f"{user}:{making.password(user)}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(verb, path, skip_accept_encoding=True)
            for key, value in headers.items():
                connection.putheader(key, value)
            if content is not None:
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            got = connection.getresponse()
            return Answer(got.status, got.read().decode(errors="replace"))
        finally:
            connection.close()

    def api(self, verb: str, path: str, body: Any = None, *, user: str = "") -> Answer:
        return self.ask(verb, f"/api/2.0/mlflow/{path}", body, user=user)

    def store(self) -> Store:
        return Store(self.uri, self.uri)


def policies(folder: Path, **more: Any) -> Path:
    """Write a policy folder with the golden system, and further systems by id."""
    folder.mkdir(exist_ok=True)
    for name, content in {"golden": making.SYSTEM, **more}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return folder


TEMPLATE = "mlflow-tables"
"""A database with MLflow's tables, made once: making them takes seconds."""


def database(postgres: str, name: str) -> str:
    """Make a database with MLflow's tables, and return its URI."""
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    engine = sqlalchemy.create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        known = connection.execute(sqlalchemy.text("SELECT datname FROM pg_database")).scalars().all()
        if TEMPLATE not in known:
            connection.execute(sqlalchemy.text(f'CREATE DATABASE "{TEMPLATE}"'))
            first = sqlalchemy.create_engine(postgres.format(TEMPLATE))
            _initialize_tables(first)
            first.dispose()
        connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"'))
    engine.dispose()
    return postgres.format(name)


@dataclass
class Gated:
    """A server under the gate, and its policies."""

    server: Server
    policies: Path

    @property
    def user(self) -> str:
        """Who sends the requests: a server without users knows nobody."""
        return "editor" if "basic-auth" in self.server.more else ""

    @property
    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(self.server.uri, self.server.uri)

    def model(self, *given: Any, **more: Any) -> making.Trained:
        """Make a registered model with one version that may be promoted, unless ``given`` spoils it."""
        return making.trained(self.server.store(), *given, **more)

    def post(self, path: str, body: Any, verb: str = "POST") -> Answer:
        return self.server.api(verb, path, body, user=self.user)


AUTH = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{folder}/auth.db
admin_username = admin
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""
"""Nobody may do anything that no role allows; a password is hashed once, for these requests are many."""

ROLES = {
    "editor": [("registered_model", "MANAGE"), ("registered_model_version", "MANAGE"), ("experiment", "MANAGE"), ("prompt", "MANAGE")],
    "reader": [("registered_model", "READ"), ("registered_model_version", "READ"), ("experiment", "READ"), ("prompt", "READ")],
    "nobody": [],
}


def with_users(server: Server) -> None:
    """Make users who may do everything with models, may read them, and may do nothing."""
    for user, may in ROLES.items():
        made = server.ask("POST", "/api/2.0/mlflow/users/create", {"username": user, "password": making.password(user)}, user="admin")
        assert made.status == 200, made
        role = server.ask("POST", "/api/3.0/mlflow/roles/create", {"workspace": "default", "name": f"{user}s"}, user="admin")
        role_id = json.loads(role.body)["role"]["id"]
        for kind, permission in may:
            body = {"role_id": role_id, "resource_type": kind, "resource_pattern": "*", "permission": permission}
            added = server.ask("POST", "/api/3.0/mlflow/roles/permissions/add", body, user="admin")
            assert added.status == 200, added
        given = server.ask("POST", "/api/3.0/mlflow/roles/assign", {"username": user, "role_id": role_id}, user="admin")
        assert given.status == 200, given
