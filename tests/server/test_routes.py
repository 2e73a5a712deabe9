"""Whatever can change something on a server is known: every route, every mutation of GraphQL, and every method of the registry stores."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from mlflow.store.model_registry.abstract_store import AbstractStore

from aims_mlflow.server.gated import Gated
from aims_mlflow.server.registry_store import GatedSqlStore

from .routes import ELSEWHERE, ROUTES

LISTING = """
import json, re, sys
from mlflow.server.auth import create_app

def plain(path):
    return re.sub(r"<(?:\\w+:)?(\\w+)>|{(\\w+)(?::\\w+)?}", lambda m: f"<{m[1] or m[2]}>", path)

found = []

def walk(routes, prefix=""):
    for route in routes:
        inner = getattr(route, "effective_candidates", None)  # what FastAPI makes of an included router
        if inner is not None:
            walk(inner(), prefix)
        elif getattr(route, "methods", None):
            found.extend((method, plain(prefix + route.path)) for method in route.methods)
        elif hasattr(getattr(route, "app", None), "routes"):
            walk(route.app.routes, prefix + route.path)
        elif type(getattr(route, "app", None)).__name__ != "_EfficientWSGIMiddleware":
            found.append(("UNKNOWN", repr(route)))

app = create_app()
walk(app.routes)
from mlflow.server import app as flask_app

found += [(method, plain(rule.rule)) for rule in flask_app.url_map.iter_rules() for method in rule.methods]
from mlflow.server.graphql.graphql_schema_extensions import schema

print(json.dumps({"routes": found, "mutations": sorted(schema.graphql_schema.mutation_type.fields)}))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the app of a server with users answers to, asked in a process of its own."""
    folder = tmp_path_factory.mktemp("app")
    env = {
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests",
        "MLFLOW_AUTH_ADMIN_PASSWORD": "admin-has-a-password",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run([sys.executable, "-c", LISTING], cwd=folder, env={**os.environ, **env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def changing(app: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the routes that can change something, without what stands before them."""
    found = set()
    for verb, path in app["routes"]:
        if verb in ("GET", "HEAD", "OPTIONS"):
            continue
        for prefix in ("/ajax-api/2.0", "/ajax-api/3.0", "/api/2.0", "/api/3.0"):
            if path.startswith(prefix):
                path = path.removeprefix(prefix).removeprefix("/")
                break
        found.add((verb, path))
    return found


def test_every_route_that_changes_something_has_been_thought_of(app: dict[str, Any]) -> None:
    found = changing(app)
    assert len(found) > 100  # they are seen at all: those of Flask and of FastAPI
    assert {("PUT", "mlflow-artifacts/artifacts/<artifact_path>"), ("POST", "mlflow/registered-models/alias")} <= found
    unknown = sorted(one for one in found if one not in ROUTES and not one[1].startswith(tuple(ELSEWHERE)))
    assert not unknown, f"say in tests/server/routes.py what these can do: {unknown}"


def test_the_table_speaks_of_nothing_that_is_gone(app: dict[str, Any]) -> None:
    found = changing(app)
    assert set(ROUTES) - found == set()
    assert [prefix for prefix in ELSEWHERE if not any(path.startswith(prefix) for _, path in found)] == []


def test_graphql_only_reads(app: dict[str, Any]) -> None:
    assert app["mutations"] == ["mlflowSearchDatasets", "mlflowSearchRuns", "testMutation"]


METHODS = {
    "gated": {
        "set_registered_model_alias",
        "delete_registered_model_alias",
        "transition_model_version_stage",
        "rename_registered_model",
        "delete_registered_model",
        "delete_model_version",
    },
    "tags": {
        "create_registered_model",
        "create_model_version",
        "set_registered_model_tag",
        "delete_registered_model_tag",
        "set_model_version_tag",
        "delete_model_version_tag",
    },
    "by way of those": {
        "copy_model_version",
        "create_prompt",
        "create_prompt_version",
        "delete_prompt",
        "delete_prompt_alias",
        "delete_prompt_tag",
        "delete_prompt_version",
        "delete_prompt_version_tag",
        "set_prompt_alias",
        "set_prompt_tag",
        "set_prompt_version_tag",
    },
    "elsewhere": {
        "update_registered_model",
        "update_model_version",
        "link_prompt_version_to_model",
        "link_prompt_version_to_run",
        "link_prompts_to_trace",
        "create_webhook",
        "update_webhook",
        "delete_webhook",
        "test_webhook",
    },
    "reads": {
        "get_latest_versions",
        "get_model_version",
        "get_model_version_by_alias",
        "get_model_version_download_uri",
        "get_prompt",
        "get_prompt_version",
        "get_prompt_version_by_alias",
        "get_registered_model",
        "get_webhook",
        "list_webhooks",
        "list_webhooks_by_event",
        "search_model_versions",
        "search_prompt_versions",
        "search_prompts",
        "search_registered_models",
        "supports_workspaces",
    },
}
"""Every public method of MLflow's registry stores."""


def test_every_method_of_the_store_has_been_thought_of() -> None:
    from mlflow.store.model_registry.rest_store import RestStore
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    public = {
        n
        for store in (AbstractStore, RestStore, SqlAlchemyStore)
        for n in dir(store)
        if not n.startswith("_") and callable(getattr(store, n))
    }
    public -= {"ManagedSessionMaker"}
    known = set().union(*METHODS.values())
    assert public - known == set(), "say here what these methods can do, and gate them if they can promote"
    assert known - public - {"supports_workspaces", "list_webhooks_by_event"} == set()


@pytest.mark.parametrize("name", sorted(METHODS["gated"] | METHODS["tags"]))
def test_what_is_decided_takes_what_mlflows_method_takes(name: str) -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    ours, theirs = (inspect.signature(getattr(store, name)).parameters for store in (GatedSqlStore, SqlAlchemyStore))
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [(p.name, p.kind, p.default) for p in theirs.values()]
    assert name in vars(Gated) or name in vars(GatedSqlStore)


def test_prompts_and_copies_end_in_the_methods_that_are_decided() -> None:
    """MLflow writes them by those methods; a version that had tables of its own for prompts would have to be thought of anew."""
    for name in METHODS["by way of those"]:
        source = inspect.getsource(getattr(AbstractStore, name))
        assert any(f"self.{decided}(" in source for decided in METHODS["gated"] | METHODS["tags"]), name
        assert getattr(GatedSqlStore, name) is getattr(AbstractStore, name)


def test_the_schemes_lead_to_our_stores() -> None:
    from importlib.metadata import entry_points

    found = {e.name: e.load().__name__ for e in entry_points(group="mlflow.model_registry_store") if e.name.startswith("aims+")}
    assert {"aims+sqlite", "aims+postgresql", "aims+mysql"} <= {n for n, store in found.items() if store == "GatedSqlStore"}
    assert {n for n, store in found.items() if store == "GatedRestStore"} == {"aims+http", "aims+https"}
