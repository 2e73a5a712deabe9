"""The app on real servers: what it answers to whom, by which headers; and that it reads what MLflow would let the same user read."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from aims_mlflow.pages.readers import EVERYTHING
from aims_mlflow.server.app import HEADERS, add_pages, create_app, create_app_with_users

from .world import World, allow, making, server

SYSTEMS = {"loans": "loans", "golden": "golden", "hostile": 'hostile "><img src=x onerror=alert(1)>', "broken": "broken"}
"""Systems with a record, and the registered model of each."""


def addresses(world: World, system: str) -> list[str]:
    """Return the addresses of a system's pages: those of its versions, too."""
    found = [f"systems/{system}/", f"systems/{system}/record/"]
    ids = world.versions.get(system, [])
    found += [f"systems/{system}/versions/{i}/" for i in ids]
    return found + ([f"systems/{system}/differences/{ids[0]}/{ids[1]}/"] if len(ids) > 1 else [])


@dataclass
class Got:
    """An answer with its headers."""

    status: int
    headers: dict[str, str]
    body: str


def get(server: Any, path: str, verb: str = "GET", user: str = "", **headers: str) -> Got:
    """Ask a server, and keep the headers."""
    if user:
        headers["Authorization"] = "Basic " + b64encode(f"{user}:{making.password(user)}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(verb, path, headers=headers)
        answer = connection.getresponse()
        names = [name.lower() for name, _ in answer.getheaders()]
        assert len(names) == len(set(names)) or "/aims/" not in path, names
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode())
    finally:
        connection.close()


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """A Flask app of its own with the pages, in this process."""
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", world.database)
    made = Flask("tests", root_path=str(world.folder))
    add_pages(made, lambda: EVERYTHING)
    return made


class TestAnswers:
    @pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
    @pytest.mark.parametrize("path", ["/aims", "/aims/", "/aims/systems/loans/", "/aims/nothing"])
    def test_there_is_nothing_to_change(self, app: Flask, verb: str, path: str) -> None:
        answer = app.test_client().open(path, method=verb)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("/aims", "./aims/"),
            ("/aims?x=1", "./aims/"),
            ("/aims/systems/loans", "./loans/"),
            ("/aims//evil.invalid", "./evil.invalid/"),
            ("/aims/javascript:alert(1)", "./javascript%3Aalert%281%29/"),
            ("/aims/a%0d%0aSet-Cookie:x", "./a%0D%0ASet-Cookie%3Ax/"),
            ("/aims/..", "./../"),
        ],
    )
    def test_a_path_without_its_slash_leads_to_the_one_with_it(self, app: Flask, path: str, to: str) -> None:
        answer = app.test_client().get(path)
        assert (answer.status_code, answer.headers["Location"]) == (308, to)
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize(
        "path",
        [
            "/aims/systems/",
            "/aims/systems/nobody/",
            "/aims/systems/LOANS/",
            "/aims/systems/loans/versions/",
            "/aims/systems/loans/versions/1/",
            "/aims/systems/loans/versions/v-0000000000000000/",
            "/aims//",
            "/aims/../aims/",
            "/aims/systems/%3Cscript%3Ealert(1)%3C/",
            "/aims/%ff%fe/",
            "/aims/systems/loans%00/",
            f"/aims/{'x' * 8_000}/",
        ],
    )
    def test_what_is_no_page_is_not_found(self, app: Flask, path: str) -> None:
        answer = app.test_client().get(path)
        assert answer.status_code == 404
        assert "alert(1)" not in answer.text

    @pytest.mark.parametrize("path", ["/", "/aimsless", "/aims.html", "/xaims/", "/AIMS/", "/aim/s/"])
    def test_other_paths_are_left_to_mlflow(self, app: Flask, path: str) -> None:
        answer = app.test_client().get(path)
        assert answer.status_code == 404
        assert "Content-Security-Policy" not in answer.headers

    @pytest.mark.parametrize("path", ["/aims", "/aims/", "/aims/systems/loans/", "/aims/systems/nobody/"])
    @pytest.mark.parametrize("verb", ["GET", "POST"])
    def test_every_answer_forbids_scripts_requests_and_frames(self, app: Flask, path: str, verb: str) -> None:
        answer = app.test_client().open(path, method=verb)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS

    def test_a_head_has_the_headers_alone(self, app: Flask) -> None:
        whole, head = app.test_client().get("/aims/"), app.test_client().head("/aims/")
        assert (head.status_code, head.data) == (200, b"")
        assert {**head.headers, "Date": ""} == {**whole.headers, "Date": ""}

    def test_a_page_that_has_not_changed_is_not_sent_again(self, app: Flask) -> None:
        client = app.test_client()
        first = client.get("/aims/systems/loans/")
        again = client.get("/aims/systems/loans/", headers={"If-None-Match": first.headers["ETag"]})
        other = client.get("/aims/", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["Cache-Control"] == "private, no-cache"
        assert other.status_code == 200

    def test_asked_for_twice_they_are_there_once(self, app: Flask) -> None:
        add_pages(app, lambda: pytest.fail("a second reader"))
        assert app.test_client().get("/aims/").status_code == 200

    @pytest.mark.parametrize(
        ("names", "said"),
        [
            ({"_MLFLOW_SERVER_FILE_STORE": None}, "--backend-store-uri names none"),
            ({"_MLFLOW_SERVER_FILE_STORE": "./mlruns"}, "--backend-store-uri names none"),
            ({"_MLFLOW_SERVER_REGISTRY_STORE": "http://other.invalid"}, "--registry-store-uri names none"),
            ({"MLFLOW_ENABLE_WORKSPACES": "true"}, "without --enable-workspaces"),
        ],
    )
    def test_a_server_whose_store_they_cannot_read_is_told_so(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch, names: dict[str, str | None], said: str
    ) -> None:
        for name, value in names.items():
            monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
        answer = app.test_client().get("/aims/")
        assert answer.status_code == 503
        assert said in answer.text

    def test_a_database_that_has_gone_is_said_and_nothing_of_it(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", "sqlite:////proc/secret/none.db")
        answer = app.test_client().get("/aims/")
        assert answer.status_code in (500, 503)
        assert "secret" not in answer.text
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


class TestServed:
    def test_every_page_of_every_system_is_there(self, served: Any, world: World) -> None:
        for system in (*SYSTEMS, "unregistered", "no-record"):
            for address in addresses(world, system):
                if system == "broken" and "/versions/" in address:
                    continue  # it was in the record that cannot be read
                found = get(served, f"/aims/{address}")
                assert found.status == 200, address
                assert {k: found.headers.get(k.lower()) for k in HEADERS if k != "Vary"} == {
                    k: v for k, v in HEADERS.items() if k != "Vary"
                }

    def test_mlflow_is_as_it_was(self, served: Any) -> None:
        assert get(served, "/health").body == "OK"
        assert get(served, "/").body.startswith("<!doctype html>")
        assert served.api("GET", "registered-models/get?name=loans").status == 200

    def test_a_host_that_mlflow_refuses_is_refused(self, served: Any) -> None:
        assert get(served, "/aims/", Host="evil.invalid").status == 403

    def test_gunicorn_serves_them_below_a_prefix(self, world: World) -> None:
        other = server(world, "--app-name", "aims", "--static-prefix", "/ml", "--gunicorn-opts", "--timeout 60")
        other.start()
        try:
            assert other.ask("GET", "/aims/systems/loans/").status == 200
            assert get(other, "/aims/").status == 404
        finally:
            other.stop()

    def test_the_entry_points_name_the_factories(self) -> None:
        from importlib.metadata import entry_points

        found = {e.name: e.load() for e in entry_points(group="mlflow.app") if e.name.startswith("aims")}
        assert found == {"aims": create_app, "aims-basic-auth": create_app_with_users}


GRANTS: dict[str, list[tuple[str, str, str]]] = {
    "all-models": [("registered_model", "*", "READ")],
    "one-model": [("registered_model", "loans", "READ")],
    "all-but-one": [("registered_model", "*", "READ"), ("registered_model", "loans", "DENY")],
    "no-versions": [("registered_model", "*", "READ"), ("registered_model_version", "*", "DENY")],
    "experiments": [("experiment", "*", "READ")],
    "no-runs": [("experiment", "*", "READ"), ("run", "*", "DENY")],
    "uses": [("workspace", "*", "USE")],
    "manages": [("workspace", "*", "MANAGE")],
    "nothing": [],
}
"""Users, and all that they may."""


@pytest.fixture(scope="module")
def users(guarded: Any) -> Any:
    for user, grants in GRANTS.items():
        allow(guarded, user, *grants)
    return guarded


class TestUsers:
    @pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "DELETE"])
    def test_who_has_not_logged_in_reads_nothing(self, guarded: Any, world: World, verb: str) -> None:
        bodies = set()
        for address in ["", "nothing/", *addresses(world, "loans"), *addresses(world, "nobody")]:
            found = get(guarded, f"/ml/aims/{address}", verb)
            assert found.status == 401
            assert found.headers["www-authenticate"].startswith("Basic")
            assert found.headers["content-security-policy"]
            bodies.add(found.body)
        assert len(bodies) == 1

    @pytest.mark.parametrize(
        "given",
        ["Basic bm9ib2R5OndyaADHvbmc=", "Basic !!!", "Bearer x", "Basic YWRtaW46cGFzc3dvcmQxMjM0", "Basic Og==", "Digest username=admin"],
    )
    def test_a_wrong_password_is_no_password(self, guarded: Any, given: str) -> None:
        assert get(guarded, "/ml/aims/systems/loans/", Authorization=given).status == 401

    def test_an_admin_reads_everything(self, guarded: Any, world: World) -> None:
        for system in ("loans", "golden", "unregistered"):
            for address in addresses(world, system):
                assert get(guarded, f"/ml/aims/{address}", user="admin").status == 200, address

    @pytest.mark.parametrize("user", GRANTS)
    def test_a_page_is_there_for_whom_mlflow_gives_the_versions(self, users: Any, world: World, user: str) -> None:
        shown = get(users, "/ml/aims/", user=user)
        assert shown.status == 200
        nothing = get(users, "/ml/aims/systems/nobody/", user=user)
        assert nothing.status == 404
        for system, model in SYSTEMS.items():
            own = users.ask("GET", "/api/2.0/mlflow/model-versions/get?version=1&name=" + _quoted(model), user=user)
            assert own.status in (200, 403), own
            expected = own.status == 200
            assert (f"systems/{system}/" in shown.body) is expected, system
            for address in addresses(world, system)[: 1 if expected else None]:
                found = get(users, f"/ml/aims/{address}", user=user)
                if expected:
                    assert found.status == 200, address
                else:
                    assert (found.status, found.body) == (404, nothing.body), address

    @pytest.mark.parametrize("user", GRANTS)
    def test_without_a_model_the_experiment_says_who_may(self, users: Any, world: World, user: str) -> None:
        run_id = next(r.run_id for r in world.store.system_runs("unregistered") if r.name == "training")
        own = users.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}", user=user)
        assert own.status in (200, 403), own
        assert ("systems/unregistered/" in get(users, "/ml/aims/", user=user).body) is (own.status == 200)
        assert get(users, "/ml/aims/systems/unregistered/", user=user).status == (200 if own.status == 200 else 404)

    def test_what_is_taken_away_is_gone_at_the_next_look(self, users: Any) -> None:
        allow(users, "for-now", ("registered_model", "loans", "READ"))
        before = get(users, "/ml/aims/systems/loans/", user="for-now")
        assert before.status == 200
        roles = json.loads(users.ask("GET", "/api/3.0/mlflow/users/roles/list?username=for-now", user="admin").body)["roles"]
        taken = users.ask("DELETE", "/api/3.0/mlflow/roles/unassign", {"username": "for-now", "role_id": roles[0]["id"]}, user="admin")
        assert taken.status == 200, taken
        after = get(users, "/ml/aims/systems/loans/", user="for-now", **{"If-None-Match": before.headers["etag"]})
        assert after.status == 404

    def test_the_gate_stands_beside_them(self, guarded: Any) -> None:
        asked = {"name": "loans", "alias": "champion", "version": "1"}
        answer = guarded.api("POST", "registered-models/alias", asked, user="editor")
        assert (answer.status, answer.code) == (403, "PERMISSION_DENIED")


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
