"""Servers under the gate for the session: on sqlite with users, on a PostgreSQL of our own without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import making
from .cluster import Cluster, binaries
from .serving import AUTH, Gated, Server, database, policies, with_users


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL of our own on a socket of its own: its URI, in which a database's name is to be put. Fails where there is none."""
    programs = binaries()
    if programs is None:
        if os.environ.get("AIMS_TESTS_WITHOUT_POSTGRESQL"):
            pytest.skip("AIMS_TESTS_WITHOUT_POSTGRESQL says that this machine has no PostgreSQL")
        pytest.fail("PostgreSQL is not installed (apt-get install postgresql), or set AIMS_TESTS_WITHOUT_POSTGRESQL=1")
    cluster = Cluster(programs)
    try:
        yield cluster.start().uri
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def _sqlite(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path) -> Iterator[Gated]:
    folder = tmp_path_factory.mktemp("gated")
    shutil.copy(_mlflow_template, folder / "mlflow.db")
    rules = policies(folder / "policies")
    (folder / "auth.ini").write_text(AUTH.format(folder=folder, password=making.password("admin")))
    env = {"AIMS_POLICY_DIR": str(rules), "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests"}
    server = Server(folder, f"sqlite:///{folder / 'mlflow.db'}", env=env, more=("--app-name", "basic-auth"))
    with_users(server.start())
    yield Gated(server, rules)
    server.stop()


@pytest.fixture(scope="session")
def _postgresql(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Gated]:
    folder = tmp_path_factory.mktemp("gated-pg")
    rules = policies(folder / "policies")
    server = Server(folder, database(postgres, "gated"), env={"AIMS_POLICY_DIR": str(rules)})
    yield Gated(server.start(), rules)
    server.stop()


@pytest.fixture
def _as_admin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let MLflow's client, which the tests' own work goes through, sign in; a server without users does not look at it."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", making.password("admin"))
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def gated(request: pytest.FixtureRequest, _as_admin: None) -> Gated:
    """A running server under the gate: with users on sqlite, without them on PostgreSQL."""
    found: Gated = request.getfixturevalue(f"_{request.param}")
    return found


@pytest.fixture
def sqlite(_sqlite: Gated, _as_admin: None) -> Gated:
    """A running server under the gate, on sqlite, with users."""
    return _sqlite


@pytest.fixture
def postgresql(_postgresql: Gated, _as_admin: None) -> Gated:
    """A running server under the gate, on PostgreSQL, without users."""
    return _postgresql
