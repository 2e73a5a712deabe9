"""Requests as somebody would send them who means to get round the gate: what is protected stays where it was, whatever they look like."""

from __future__ import annotations

import itertools
import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

import pytest

from aims_mlflow.server.guarding import folded

from . import making
from .serving import Answer, Gated

PROTECTED = {"champion", "production"}

FORMS = {
    "plain": "{api}/2.0/mlflow/{route}",
    "two slashes first": "/{api}/2.0/mlflow/{route}",
    "two slashes within": "{api}/2.0//mlflow/{route}",
    "a slash after": "{api}/2.0/mlflow/{route}/",
    "percent": "{api}/2.0/mlflow/{percent}",
    "percent slash": "{api}/2.0/mlflow%2F{route}",
    "double percent": "{api}/2.0/mlflow/{double}",
    "a dot": "{api}/2.0/mlflow/./{route}",
    "up and down": "{api}/2.0/mlflow/runs/../{route}",
    "encoded up and down": "{api}/2.0/mlflow/runs/%2e%2e/{route}",
    "capitals": "{api}/2.0/MLFLOW/{route}",
    "a parameter": "{api}/2.0/mlflow/{route};a=b",
    "a query": "{api}/2.0/mlflow/{route}?alias=blue&stage=None&version=1",
    "another version": "{api}/3.0/mlflow/{route}",
    "whole": "http://127.0.0.1{api}/2.0/mlflow/{route}",
}
"""How a path can be written."""

KINDS = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "",
    "multipart/form-data",
]


@dataclass
class World:
    """A model whose first version is promoted, and whose second nobody has proven."""

    gated: Gated
    name: str
    sent: list[Answer] = field(default_factory=list)
    before: Any = None

    @property
    def attacks(self) -> dict[str, tuple[str, str, dict[str, Any]]]:
        """What is tried: verb, route, body."""
        return {
            "alias": ("POST", "registered-models/alias", {"name": self.name, "alias": "champion", "version": "2"}),
            "alias by case": ("POST", "registered-models/alias", {"name": self.name, "alias": "Champion", "version": "2"}),
            "stage": (
                "POST",
                "model-versions/transition-stage",
                {"name": self.name, "version": "2", "stage": "Production", "archive_existing_versions": True},
            ),
            "rename": ("POST", "registered-models/rename", {"name": self.name, "new_name": f"{self.name}-new"}),
            "delete": ("DELETE", "registered-models/delete", {"name": self.name}),
            "delete version": ("DELETE", "model-versions/delete", {"name": self.name, "version": "1"}),
            "tag": ("POST", "model-versions/set-tag", {"name": self.name, "version": "2", "key": "aims.state", "value": "pass"}),
            "tag by case": ("POST", "model-versions/set-tag", {"name": self.name, "version": "2", "key": "AIMS.state", "value": "pass"}),
            "no tag": ("DELETE", "model-versions/delete-tag", {"name": self.name, "version": "1", "key": "aims.decision"}),
        }

    def send(self, verb: str, path: str, body: Any, *, kind: str = "application/json", user: str = "editor") -> Answer:
        """Send it, and look whether everything is where it was."""
        answer = self.gated.server.ask(verb, path, body, kind=kind, user=user)
        self.sent.append(answer)
        assert self.state() == self.before, (verb, path, body, kind, user, answer)
        assert answer.status < 500 or answer.status == 501, (verb, path, answer)
        return answer

    def state(self) -> Any:
        """Return everything protected in the whole registry, and our tags of this model: read from the database itself."""
        with sqlite3.connect(self.gated.server.folder / "mlflow.db") as database:
            aliases = database.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall()
            stages = database.execute("SELECT name, version, current_stage FROM model_versions").fetchall()
            tags = database.execute(
                "SELECT version, key, value FROM model_version_tags WHERE name = ? ORDER BY 1, 2", [self.name]
            ).fetchall()
        database.close()
        held = [(n, a, v) for n, a, v in aliases if folded(a) in PROTECTED] + [(n, s, v) for n, v, s in stages if folded(s) in PROTECTED]
        kept = [one for one in tags if folded(one[1]).startswith("aims.") and not (one[0] == 2 and one[1] == "aims.decision")]
        return sorted(held), [one for one in kept if one[0] == 1], [one for one in kept if one[0] == 2]


@pytest.fixture(scope="module")
def world(_sqlite: Gated) -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", making.password("admin"))
        good = _sqlite.model()
        good.again(evidence=False)
    found = World(_sqlite, good.name)
    for path, body in (
        ("registered-models/alias", {"name": good.name, "alias": "champion", "version": "1"}),
        ("model-versions/transition-stage", {"name": good.name, "version": "1", "stage": "Production"}),
    ):
        assert _sqlite.server.api("POST", path, body, user="editor").status == 200
    denied = _sqlite.server.api("POST", "registered-models/alias", found.attacks["alias"][2], user="editor")
    assert denied.status == 403  # and its decision is in the tags now
    found.before = found.state()
    assert {(found.name, "champion", 1), (found.name, "Production", 1)} <= set(found.before[0])
    return found


def encoded(route: str) -> str:
    return "".join(f"%{ord(sign):02X}" if sign in "aeiou-" else sign for sign in route)


@pytest.mark.parametrize("form", FORMS)
def test_however_the_path_is_written(world: World, form: str) -> None:
    for (verb, route, body), api in itertools.product(world.attacks.values(), ("/api", "/ajax-api")):
        path = FORMS[form].format(api=api, route=route, percent=encoded(route), double=encoded(route).replace("%", "%25"))
        answer = world.send(verb, path, body)
        if form in ("plain", "percent", "a query"):  # these arrive, and it is the gate that says no
            assert (answer.status, answer.code) == (403, "PERMISSION_DENIED"), (path, answer)
            assert answer.message.startswith("DENIED: ")


def test_these_paths_do_arrive(world: World) -> None:
    body = {"name": world.name, "alias": "blue", "version": "2"}
    paths = [
        form.format(api="/api", route="registered-models/alias", percent=encoded("registered-models/alias"), double="")
        for form in FORMS.values()
    ]
    assert sum(world.send("POST", path, body).status == 200 for path in paths) >= 3


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"])
def test_whatever_the_verb(world: World, verb: str) -> None:
    for name, (_, route, body) in world.attacks.items():
        if (verb, name) in (("DELETE", "alias"), ("DELETE", "alias by case")):
            continue  # taking an alias away is allowed
        for api in ("/api", "/ajax-api"):
            world.send(verb, f"{api}/2.0/mlflow/{route}", body)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "none")
def test_whatever_the_content_is_said_to_be(world: World, kind: str) -> None:
    from urllib.parse import urlencode

    for verb, route, body in world.attacks.values():
        content = json.dumps(body).encode("utf-16" if "utf-16" in kind else "utf-8")
        world.send(verb, f"/api/2.0/mlflow/{route}", content, kind=kind)
        world.send(verb, f"/api/2.0/mlflow/{route}", urlencode(body).encode(), kind=kind)
        world.send(verb, f"/api/2.0/mlflow/{route}?{urlencode(body)}", None, kind=kind)


@pytest.mark.parametrize("user", ["admin", "editor", "reader", "nobody", "stranger", ""], ids=lambda user: user or "no name")
def test_whoever_asks(world: World, user: str) -> None:
    for name, (verb, route, body) in world.attacks.items():
        for api in ("/api", "/ajax-api"):
            answer = world.send(verb, f"{api}/2.0/mlflow/{route}", body, user=user)
            expected = 403 if user in ("admin", "editor", "reader", "nobody") else 401
            assert answer.status == expected, (name, answer)
            assert ("DENIED: " in answer.body) == (user in ("admin", "editor"))  # others do not even come to the gate


VERSIONS = ["2", 2, "02", " 2", "2 ", "+2", "2_0", "\uff12", "2.0", 2.0, True, ["2"], "2\n", "0x2"]
ALIASES = [
    "champion",
    "CHAMPION",
    "Champion",
    "champion\n",
    "chämpion",
    "\uff23\uff28\uff21\uff2d\uff30\uff29\uff2f\uff2e",
    "champion ",
    "production",
    "pro\u0301duction",
    "ⓒhampion",
]


@pytest.mark.parametrize("version", VERSIONS, ids=ascii)
def test_however_the_version_is_written(world: World, version: Any) -> None:
    for name in ("alias", "stage"):
        verb, route, body = world.attacks[name]
        world.send(verb, f"/api/2.0/mlflow/{route}", body | {"version": version})


@pytest.mark.parametrize("alias", ALIASES, ids=ascii)
def test_however_the_alias_is_written(world: World, alias: str) -> None:
    body = world.attacks["alias"][2] | {"alias": alias}
    for content in (json.dumps(body).encode(), json.dumps(body, ensure_ascii=False).encode()):
        world.send("POST", "/api/2.0/mlflow/registered-models/alias", content)


def test_a_key_that_comes_twice_or_by_another_name(world: World) -> None:
    first = json.dumps(world.attacks["alias"][2] | {"alias": "blue"})
    for more in ('"alias": "champion"', '"ALIAS": "champion"', '"json_name": "champion"', '"3": "champion"', '"alias_": "champion"'):
        world.send("POST", "/api/2.0/mlflow/registered-models/alias", f"{first[:-1]}, {more}}}".encode())
        world.send("POST", "/api/2.0/mlflow/registered-models/alias", f"{{{more}, {first[1:]}".encode())
    stage = json.dumps(world.attacks["stage"][2])
    for spelt in ('"archiveExistingVersions": true', '"stage": "production"', '"stage": "Production "'):
        world.send("POST", "/api/2.0/mlflow/model-versions/transition-stage", f"{stage[:-1]}, {spelt}}}".encode())


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-MLflow-Workspace", "X-Forwarded-User", "X-Remote-User"])
def test_no_header_gives_leave(world: World, header: str) -> None:
    import http.client
    from base64 import b64encode

    body = json.dumps(world.attacks["alias"][2])
    signed = "Basic " + b64encode(f"editor:{making.password('editor')}".encode()).decode()
    for value in ("POST", "admin", "default"):
        connection = http.client.HTTPConnection("127.0.0.1", world.gated.server.port, timeout=60)
        connection.request(
            "POST",
            "/api/2.0/mlflow/registered-models/alias",
            body,
            {"Authorization": signed, "Content-Type": "application/json", header: value},
        )
        assert connection.getresponse().status >= 400
        connection.close()
        assert world.state() == world.before


def test_there_are_enough_of_them(world: World) -> None:
    """Counted from what the tests above ask, because they may be run by several workers."""
    assert len(world.attacks) * 2 * len(FORMS) >= 150
