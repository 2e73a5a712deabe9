"""Where the gate cannot look, sign or write: what is protected is blocked, with the reason, and the rest is as usable as ever."""

from __future__ import annotations

import logging
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException

from aims_mlflow.errors import StoreError
from aims_mlflow.server import guarding, turns
from aims_mlflow.server.inside import Inside, here
from aims_mlflow.server.registry_store import GatedSqlStore
from aims_mlflow.signing import new_key

from . import making
from .serving import Answer, Gated, database, policies


def set_alias(gated: Gated, made: making.Trained, alias: str) -> Answer:
    return gated.post("registered-models/alias", {"name": made.name, "alias": alias, "version": made.version.version})


def usable(gated: Gated, made: making.Trained) -> None:
    """The registry does what is not protected."""
    assert set_alias(gated, made, "candidate").status == 200
    assert gated.post("registered-models/alias", {"name": made.name, "alias": "candidate"}, "DELETE").status == 200
    assert gated.post("model-versions/set-tag", {"name": made.name, "version": "1", "key": "team", "value": "red"}).status == 200
    assert gated.post("registered-models/create", {"name": f"{made.name}-beside"}).status == 200
    assert gated.post("registered-models/delete", {"name": f"{made.name}-beside"}, "DELETE").status == 200


class TestOnTheServer:
    @pytest.mark.parametrize(
        ("name", "content"),
        [("golden.yaml", "system: {"), ("organisation.yaml", "nonsense: 1\n"), ("keys.yaml", "keys: 7\n"), ("other.yml", "")],
        ids=["system", "organisation", "keys", "ending"],
    )
    def test_a_policy_that_cannot_be_read(self, postgresql: Gated, name: str, content: str) -> None:
        good = postgresql.model()
        file = postgresql.policies / name
        before = file.read_text() if file.exists() else None
        file.write_text(content)
        try:
            answer = set_alias(postgresql, good, "champion")
            assert answer.status == 403
            assert answer.message.startswith("UNDECIDED: ")
            assert "the policy folder cannot be used" in answer.message
            usable(postgresql, good)
        finally:
            file.write_text(before) if before is not None else file.unlink()
        assert set_alias(postgresql, good, "champion").status == 200

    def test_a_disk_that_is_full(self, postgresql: Gated) -> None:
        """No file of the server's may grow: a real limit of the kernel's, on the running process."""
        good, other = postgresql.model(), postgresql.model()
        assert set_alias(postgresql, other, "champion").status == 200
        ids = workers(postgresql)
        before = {one: resource.prlimit(one, resource.RLIMIT_FSIZE) for one in ids}
        for one in ids:
            resource.prlimit(one, resource.RLIMIT_FSIZE, (0, before[one][1]))
        try:
            answer = set_alias(postgresql, good, "champion")
            assert answer.status == 403
            assert "the decision could not be signed and written" in answer.message
            assert "File too large" in answer.message
            usable(postgresql, good)
            assert postgresql.post("registered-models/alias", {"name": other.name, "alias": "champion"}, "DELETE").status == 200
        finally:
            for one in ids:
                resource.prlimit(one, resource.RLIMIT_FSIZE, before[one])
        assert good.store.alias_version(good.name, "champion") is None
        assert set_alias(postgresql, good, "champion").status == 200

    def test_a_log_that_has_been_taken_away(self, postgresql: Gated) -> None:
        good = postgresql.model()
        assert set_alias(postgresql, good, "champion").status == 200
        log = postgresql.client.get_experiment_by_name("aims.ledger")
        postgresql.client.delete_experiment(log.experiment_id)
        try:
            answer = set_alias(postgresql, postgresql.model(), "champion")
            assert answer.status == 403
            assert "the log has been deleted" in answer.message
            usable(postgresql, good)
        finally:
            postgresql.client.restore_experiment(log.experiment_id)
        assert set_alias(postgresql, postgresql.model(), "champion").status == 200


def workers(gated: Gated) -> list[int]:
    """Return the ids of the server's processes."""
    found = [gated.server.pid]
    for one in found:
        children = Path(f"/proc/{one}/task/{one}/children")
        found += [int(child) for child in children.read_text().split()] if children.exists() else []
    return found


@pytest.fixture
def within(tmp_path: Path, _mlflow_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This process as one of a server's: a database and artifacts of its own, and policies; gives the database's URI."""
    shutil.copy(_mlflow_template, tmp_path / "mlflow.db")
    where = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("AIMS_POLICY_DIR", str(policies(tmp_path / "policies")))
    with monkeypatch.context() as patch:
        yield as_server(patch, tmp_path, where)


def as_server(patch: pytest.MonkeyPatch, folder: Path, where: str) -> str:
    patch.chdir(folder)
    for name, value in {
        "_MLFLOW_SERVER_FILE_STORE": where,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_TRACKING_URI": where,
        "MLFLOW_REGISTRY_URI": f"aims+{where}",
        guarding.SAID: "1",
    }.items():
        patch.setenv(name, value)
    return where


def refused(store: GatedSqlStore, name: str = "m", alias: str = "champion") -> str:
    with pytest.raises(MlflowException) as raised:
        store.set_registered_model_alias(name, alias, "1")
    assert raised.value.error_code == "PERMISSION_DENIED"
    assert store.get_registered_model(name).aliases.get(alias) is None
    store.set_registered_model_alias(name, "candidate", "1")
    store.delete_registered_model_alias(name, "candidate")
    return str(raised.value.message)


class TestWithin:
    def test_no_policies(self, within: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        making.trained(Inside(within, within), "m")
        monkeypatch.delenv("AIMS_POLICY_DIR")
        monkeypatch.delenv(guarding.SAID)
        Path("aims.yaml").write_text((Path("policies") / "golden.yaml").read_text())  # a server does not judge by where it was started
        with caplog.at_level(logging.WARNING, "aims_mlflow"):
            store, _ = GatedSqlStore(f"aims+{within}"), GatedSqlStore(f"aims+{within}")
        assert [one.getMessage() for one in caplog.records if "AIMS_POLICY_DIR is not set" in one.getMessage()] == [caplog.messages[0]]
        assert "AIMS_POLICY_DIR is not set" in refused(store)
        for alias in ("Champion", "PRODUCTION"):
            refused(store, alias=alias)
        monkeypatch.setenv("AIMS_POLICY_DIR", str(Path("policies").resolve()))
        store.set_registered_model_alias("m", "champion", "1")

    @pytest.mark.parametrize("named", ["{folder}/none.key", "{folder}/wide.key", "nobody:knows/this"], ids=["gone", "readable", "unknown"])
    def test_no_key_to_sign_with(self, within: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
        making.trained(Inside(within, within), "m")
        store = GatedSqlStore(f"aims+{within}")
        new_key(tmp_path / "wide.key")
        (tmp_path / "wide.key").chmod(0o644)
        monkeypatch.setenv("AIMS_GATE_KEY", named.format(folder=tmp_path))
        assert "could not be signed" in refused(store)
        monkeypatch.delenv("AIMS_GATE_KEY")
        store.set_registered_model_alias("m", "champion", "1")

    def test_a_key_service_that_is_dead(self, within: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service that takes the call and never answers."""
        from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, Signer  # pyright: ignore[reportPrivateImportUsage]  # its face

        from aims_mlflow.signing import signers

        never = threading.Event()

        class Silent(Signer):
            @classmethod
            def from_priv_key_uri(cls, *_: Any, **__: Any) -> Signer:
                return cls()

            @property
            def public_key(self) -> Any:
                return new_key(tmp_path / "other.key").signer.public_key

            def sign(self, payload: bytes) -> Any:  # noqa: ARG002 - its signature is the interface
                never.wait()

        making.trained(Inside(within, within), "m")
        store = GatedSqlStore(f"aims+{within}")
        monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "silent", Silent)
        monkeypatch.setattr(signers, "SECONDS", 0.2)
        key = new_key(tmp_path / "service.key")
        (tmp_path / "service.pem").write_text(key.public)
        monkeypatch.setenv("AIMS_GATE_KEY", "silent:key")
        monkeypatch.setenv("AIMS_GATE_PUBLIC_KEY", str(tmp_path / "service.pem"))
        try:
            assert "could not be signed" in refused(store)
        finally:
            never.set()

    def test_artifacts_that_cannot_be_written(self, within: str) -> None:
        """A file stands where the decisions should: real, and the same for every user."""
        made = making.trained(Inside(within, within), "m")
        store = GatedSqlStore(f"aims+{within}")
        (evidence,) = Path("artifacts").rglob(f"{made.version.run_id}/artifacts/aims")
        (evidence / "decisions").write_text("in the way")
        assert "could not be signed and written" in refused(store)

    def test_a_store_that_does_not_answer(self, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Somebody holds the table of runs: the gate reads it, the rest of the registry does not."""
        monkeypatch.setenv("AIMS_POLICY_DIR", str(policies(tmp_path / "policies")))
        where = as_server(monkeypatch, tmp_path, database(postgres, "silent"))
        store = GatedSqlStore(f"aims+{where}")
        making.trained(Inside(where, where), "m")
        monkeypatch.setenv("AIMS_GATE_SECONDS", "0.5")
        engine = sqlalchemy.create_engine(where)
        with engine.connect() as holder:
            holder.execute(sqlalchemy.text("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE"))
            assert "had not read everything after 0.5 seconds" in refused(store)
        engine.dispose()
        monkeypatch.delenv("AIMS_GATE_SECONDS")
        store.set_registered_model_alias("m", "champion", "1")

    def test_workspaces_are_said_not_to_be_known(self, within: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        with pytest.raises(MlflowException, match="start the server without --enable-workspaces"):
            GatedSqlStore(f"aims+{within}")

    @pytest.mark.parametrize(
        ("location", "said"),
        [
            ("mlflow-artifacts://elsewhere:5000/1/models/m-1/artifacts", "another host"),
            ("http://elsewhere/api/2.0/mlflow-artifacts/artifacts/1", "another host"),
            ("ftp://elsewhere/1", "another host"),
            ("mlflow-artifacts:/1/models/m-1/%61rtifacts", "one place only"),
            ("mlflow-artifacts:/1/../2", "one place only"),
            ("mlflow-artifacts:/1?a=b", "one place only"),
            ("mlflow-artifacts:/", "one place only"),
        ],
    )
    @pytest.mark.usefixtures("within")
    def test_a_location_that_clients_might_read_otherwise(self, location: str, said: str) -> None:
        with pytest.raises(StoreError, match=said):
            here(location)

    def test_a_source_that_every_machine_reads_otherwise(self, within: str) -> None:
        made = making.trained(Inside(within, within), "m")
        store = GatedSqlStore(f"aims+{within}")
        store.create_registered_model("relative")
        store.create_model_version("relative", "model", made.version.run_id)
        assert "not an absolute path" in refused(store, "relative")


class TestTurns:
    @pytest.fixture(params=["sqlite", "postgresql"])
    def engine(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
        where = f"sqlite:///{tmp_path}/turns.db"
        made = sqlalchemy.create_engine(where if request.param == "sqlite" else request.getfixturevalue("postgres").format("postgres"))
        yield made
        made.dispose()

    def test_one_after_the_other_and_other_models_beside(self, engine: sqlalchemy.Engine) -> None:
        with turns.turn(engine, ["a", "b"]):
            done = threading.Event()

            def other() -> None:
                with turns.turn(engine, ["c"]):
                    done.set()

            threading.Thread(target=other).start()
            assert done.wait(30)
            failed: list[str] = []

            def same() -> None:
                try:
                    with turns.turn(engine, ["b"], 0.1):
                        pass
                except StoreError as error:
                    failed.append(error.what)

            thread = threading.Thread(target=same)
            thread.start()
            thread.join()
            assert failed == ["another promotion of 'b' has been under way for 0.1 seconds"]
        with turns.turn(engine, ["b"], 1):
            pass

    def test_another_process_waits_and_one_that_dies_gives_its_turn_up(self, engine: sqlalchemy.Engine) -> None:
        where = engine.url.render_as_string(hide_password=False)
        code = (
            "import sys, sqlalchemy\nfrom aims_mlflow.server.turns import turn\n"
            "with turn(sqlalchemy.create_engine(sys.argv[1]), ['a']):\n    print('mine', flush=True)\n    sys.stdin.read()\n"
        )
        command = [sys.executable, "-c", code, where]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "mine\n"
            with pytest.raises(StoreError, match="has been under way"), turns.turn(engine, ["a"], 0.3):
                pass
            holder.kill()
            holder.wait()
        with turns.turn(engine, ["a"], 30):
            pass

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "x.db.turns").write_text("in the way")
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/x.db")
        with pytest.raises(StoreError, match="cannot be kept"), turns.turn(engine, ["a"]):
            pass


class TestGuarding:
    @pytest.mark.parametrize(
        "spelt", ["champion", "CHAMPION", "Chämpion", " champion ", "champion\n", "cha\u0301mpion", "\uff23hampion"], ids=ascii
    )
    def test_what_looks_alike_is_alike(self, spelt: str) -> None:
        assert guarding.folded(spelt) == "champion"

    @pytest.mark.usefixtures("within")
    def test_the_actor_is_never_taken_from_a_header(self) -> None:
        from flask import Flask, g

        app = Flask("tests", root_path=".")
        with app.test_request_context(headers={"Authorization": "Basic YWRtaW46eA==", "X-Remote-User": "admin"}):
            assert guarding.actor() == "unauthenticated"
            g.mlflow_authenticated_user = "ada\n"
            sys.modules.setdefault("mlflow.server.auth", sys.modules[__name__])
            try:
                assert guarding.actor() == "ada?"
            finally:
                if sys.modules["mlflow.server.auth"] is sys.modules[__name__]:
                    del sys.modules["mlflow.server.auth"]
        assert guarding.actor() == "unauthenticated"

    def test_an_error_of_a_kind_that_nobody_thought_of_blocks(self, within: str, monkeypatch: pytest.MonkeyPatch) -> None:
        making.trained(Inside(within, within), "m")

        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("aims_mlflow.promotion.examining.decide", broken)
        assert "ZeroDivisionError" in refused(GatedSqlStore(f"aims+{within}"))
