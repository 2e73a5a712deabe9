"""A store with several systems, and servers with their pages, for the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import world as worlds


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path) -> worlds.World:
    """Systems in a real sqlite MLflow."""
    return worlds.filled(tmp_path_factory.mktemp("pages"), _mlflow_template)


@pytest.fixture(scope="session")
def served(world: worlds.World) -> Iterator[Any]:
    """A running ``mlflow server --app-name aims``."""
    server = worlds.server(world, "--app-name", "aims")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def guarded(world: worlds.World) -> Iterator[Any]:
    """A running ``mlflow server --app-name aims-basic-auth`` with users, a static prefix, and its registry under the gate."""
    server = worlds.with_users(world)
    yield server
    server.stop()
