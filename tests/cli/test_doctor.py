"""``aims doctor``: what is wrong is named with its fix, nothing is changed, nothing secret is printed."""

# ruff: noqa: ARG002 - fixtures are asked for by name

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

import aims_mlflow
from aims_mlflow import journal, spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.cli import main
from aims_mlflow.diagnosing import libraries, servers
from aims_mlflow.errors import StoreError
from aims_mlflow.signing import home, new_key, sign
from aims_mlflow.signing.keys import read_public_file
from aims_mlflow.store.answering import ask as servers_ask

IMPORT_TROUBLE = libraries._import_trouble

SECRET = "correct-horse-battery"  # noqa: S105 - what must not be printed


class Said(NamedTuple):
    """What the command answered."""

    code: int
    findings: dict[str, dict[str, str]]
    """By ``area.code``; of several of one code, the gravest."""
    waiting: list[dict[str, Any]]
    text: str


def doctor() -> Said:
    done = CliRunner().invoke(main, ["doctor", "--json"])
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.exit_code
    assert told["blind"] == []
    found = {f"{f['area']}.{f['code']}": f for f in reversed(told["findings"])}
    assert all(f["fix"] for f in found.values() if f["state"] == "problem")
    return Said(done.exit_code, found, told["waiting"], done.output)


def problems(said: Said) -> set[str]:
    return {name for name, f in said.findings.items() if f["state"] == "problem"}


@pytest.fixture(autouse=True)
def _without_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the import of every library, which takes seconds and is no business of these tests."""
    monkeypatch.setattr(libraries, "_import_trouble", lambda _: "")


@pytest.fixture
def sound(mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set-up in which nothing is wrong: keys that are listed, a policy folder, a database."""
    key = new_key(tmp_path / "run.key")
    monkeypatch.setenv("AIMS_SIGNING_KEY", str(tmp_path / "run.key"))
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "small.yaml").write_text(
        "version: 1\nsystem: {id: small}\ntask: {kind: binary_classification, target: y, positive_label: 1}\n"
        "data: {roles: {train: train, test: test}}\n"
    )
    listed = {"id": key.id, "name": "training", "public": key.public, "roles": ["evidence", "decision"], "since": "2026-01-01"}
    (policies / "keys.yaml").write_text(yaml.safe_dump({"version": 1, "keys": [listed]}))
    monkeypatch.setenv("AIMS_POLICY_DIR", str(policies))
    return tmp_path


def waiting(**changes: Any) -> spool.Entry:
    content = {"run_id": "run-1", "server": "", "files": {"aims/model_card.md": b"# Card"}, "tags": {"aims.system": "small"}}
    return spool.put(spool.Parcel(**{**content, **changes}))


def everything(folder: Path) -> dict[str, tuple[str, int]]:
    """Return each file with digest and mode, and each folder."""
    paths = [path for path in folder.rglob("*") if path.suffix not in (".db-wal", ".db-shm")]
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "", path.stat().st_mode) for path in sorted(paths)
    }


def test_a_sound_set_up_has_no_problem(sound: Path) -> None:
    said = doctor()
    assert (said.code, problems(said)) == (0, set())
    for name in ("keys.evidence_trust", "keys.decision_trust", "spool.pending", "disk.trial", "policies.folder", "server.reachable"):
        assert said.findings[name]["state"] == "ok", name
    assert {f["area"] for f in said.findings.values()} >= {"spool", "versions", "telemetry", "keys", "server", "policies", "disk"}


def test_nothing_is_changed_and_no_key_is_made(mlflow_home: str, tmp_path: Path) -> None:
    before = (everything(home()), everything(tmp_path))
    said = doctor()
    assert (everything(home()), everything(tmp_path)) == before
    assert said.findings["keys.evidence_key"]["state"] == "note"
    assert "made on first use" in said.findings["keys.evidence_key"]["what"]
    assert not (home() / "keys").exists()


def test_a_home_that_is_not_there_is_not_made(mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMS_HOME", str(tmp_path / "far" / "away"))
    before = everything(tmp_path)
    assert doctor().findings["disk.trial"]["where"] == str(tmp_path)
    assert everything(tmp_path) == before


def test_the_text_says_what_the_json_says(sound: Path) -> None:
    waiting()
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0
    assert "do: aims sync" in done.stdout
    assert "In the spool" in done.stdout
    assert "OK" in done.stdout


class TestSpool:
    def test_what_waits_is_counted_with_the_reason(self, sound: Path) -> None:
        waiting(run_id="", local_id="offline-1")
        waiting(server="http://elsewhere:5000")
        waiting(files={spool.UNSIGNED: b"{}"})
        waiting(tags={"aims.system": "other"})
        said = doctor()
        assert said.code == 0
        assert said.findings["spool.pending"]["what"].startswith("the evidence of 4 runs waits to be sent")
        whys = " / ".join(one["why"] for one in said.waiting)
        for part in ("down when the run started", "on http://elsewhere:5000", "waits for its signature", "when the run ended"):
            assert part in whys
        assert all(one["bytes"] > 0 and one["whole"] for one in said.waiting)

    def test_what_has_waited_too_long_is_a_problem(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = waiting()
        then = (datetime.now(UTC) - timedelta(days=3)).timestamp()
        os.utime(entry.folder, (then, then))
        assert doctor().code == 0
        monkeypatch.setenv("AIMS_SPOOL_DAYS", "2")
        said = doctor()
        assert problems(said) == {"spool.overdue"}
        assert "for 3 days" in said.findings["spool.overdue"]["what"]

    @pytest.mark.parametrize(
        ("harm", "code"),
        [
            pytest.param(
                lambda e: next(p for p in e.folder.iterdir() if p.name != spool.PARCEL).unlink(), "corrupt_parcel", id="file-gone"
            ),
            pytest.param(
                lambda e: next(p for p in e.folder.iterdir() if p.name != spool.PARCEL).write_bytes(b"x"),
                "corrupt_parcel",
                id="file-changed",
            ),
            pytest.param(lambda e: (e.folder / spool.PARCEL).write_bytes(b"{}"), "corrupt_parcel", id="list-changed"),
            pytest.param(lambda e: (e.folder / spool.PARCEL).unlink(), "partial_parcel", id="list-gone"),
        ],
    )
    def test_a_harmed_parcel_is_named_and_hides_no_other(self, harm: Callable[[spool.Entry], None], code: str, sound: Path) -> None:
        entry, other = waiting(), waiting(run_id="run-2")
        harm(entry)
        said = doctor()
        assert problems(said) == {f"spool.{code}"}
        assert said.findings[f"spool.{code}"]["where"] == str(entry.folder)
        assert {one["id"]: one["whole"] for one in said.waiting} == {entry.id: False, other.id: True}

    def test_a_signature_that_does_not_hold_is_named(self, sound: Path) -> None:
        good = sign(b"{}")
        bad = json.loads(good)
        bad["payload"] = "e30K"
        envelope = json.dumps(bad, sort_keys=True, separators=(",", ":")).encode()
        waiting(files={"aims/decisions/1.dsse.json": good})
        assert doctor().code == 0
        waiting(files={"aims/decisions/1.dsse.json": envelope})
        said = doctor()
        assert problems(said) == {"spool.bad_signature"}
        assert "aims/decisions/1.dsse.json" in said.findings["spool.bad_signature"]["what"]

    def test_a_bundle_that_is_none_is_named(self, sound: Path) -> None:
        waiting(files={BUNDLE_PATH: sign(b'{"a": 1}')})
        assert problems(doctor()) == {"spool.bad_signature"}

    def test_a_full_quota_is_a_problem_and_a_setting_that_is_no_number_too(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        waiting()
        monkeypatch.setenv("AIMS_SPOOL_BYTES", "10")
        assert problems(doctor()) == {"spool.quota"}
        monkeypatch.setenv("AIMS_SPOOL_BYTES", "much")
        said = doctor()
        assert problems(said) == {"settings.number"}
        assert said.findings["settings.number"]["where"] == "AIMS_SPOOL_BYTES"

    @pytest.mark.parametrize(
        "variable", ["AIMS_BUDGET_SECONDS", "AIMS_GATE_SECONDS", "AIMS_SPOOL_DAYS", "AIMS_SAMPLE_ROWS", "AIMS_SAMPLE_SEED"]
    )
    def test_each_number_is_looked_at(self, variable: str, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "settings.number" not in doctor().findings
        monkeypatch.setenv(variable, "-7")
        found = doctor().findings["settings.number"]
        assert (found["state"], found["where"]) == ("problem", variable)
        assert "unset it" in found["fix"]

    def test_a_name_that_nothing_reads_is_a_note_with_the_nearest(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_POLICY_DIRS", SECRET)
        said = doctor()
        found = said.findings["settings.stranger"]
        assert (found["state"], found["where"], found["fix"]) == ("note", "AIMS_POLICY_DIRS", "did you mean 'AIMS_POLICY_DIR'?")
        assert SECRET not in str(said.findings)

    def test_what_a_dead_process_left_is_a_note(self, sound: Path) -> None:
        draft = spool.folder() / ".draft-0"
        draft.mkdir(parents=True)
        assert "spool.leftover" not in doctor().findings
        os.utime(draft, (1e9, 1e9))
        assert doctor().findings["spool.leftover"]["state"] == "note"

    def test_runs_that_go_on_and_runs_that_never_will_are_told_apart(self, sound: Path) -> None:
        held = journal.begin(spool.folder())
        assert held is not None
        (spool.folder() / f"{journal.RUNNING}0").mkdir()
        (spool.folder() / f"{journal.RUNNING}0" / journal.LOCK).touch()  # nobody holds it
        found = doctor().findings
        held.end()
        assert found["spool.going_on"]["what"] == "1 run of this machine goes on now"
        assert found["spool.died"]["what"].startswith("the process of 1 run died")
        assert "spool.going_on" not in doctor().findings

    def test_a_spool_that_cannot_be_read_is_said_and_the_rest_is_looked_at(self, sound: Path) -> None:
        spool.folder().parent.mkdir(parents=True, exist_ok=True)
        spool.folder().write_text("")
        done = CliRunner().invoke(main, ["doctor", "--json"])
        told = json.loads(done.stdout)
        assert done.exit_code == 1
        assert [line.partition(":")[0] for line in told["blind"]] == ["spool"]
        assert {f["code"] for f in told["findings"] if f["state"] == "problem"} == {"trial"}


class TestKeys:
    def test_a_key_that_others_may_read(self, sound: Path) -> None:
        (sound / "run.key").chmod(0o644)
        assert problems(doctor()) == {"keys.unusable_key"}

    def test_another_private_key_that_others_may_read(self, sound: Path) -> None:
        new_key(home() / "keys" / "old.key")
        assert doctor().code == 0
        (home() / "keys" / "old.key").chmod(0o640)
        said = doctor()
        assert problems(said) == {"keys.key_mode"}
        assert said.findings["keys.key_mode"]["where"].endswith("old.key")

    def test_a_key_that_is_not_listed(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        new_key(sound / "other.key")
        monkeypatch.setenv("AIMS_GATE_KEY", str(sound / "other.key"))
        said = doctor()
        assert problems(said) == {"keys.decision_trust"}
        assert "does not list" in said.findings["keys.decision_trust"]["what"]

    def test_a_key_listed_for_another_role(self, sound: Path) -> None:
        path = sound / "policies" / "keys.yaml"
        listed = yaml.safe_load(path.read_text())
        listed["keys"][0]["roles"] = ["evidence"]
        path.write_text(yaml.safe_dump(listed))
        assert problems(doctor()) == {"keys.decision_trust"}

    def test_the_development_key_where_keys_are_listed(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AIMS_SIGNING_KEY")
        assert problems(doctor()) == {"keys.evidence_trust", "keys.decision_trust"}

    def test_a_key_service_is_not_asked_and_its_uri_is_not_shown(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", f"hv:{SECRET}")
        monkeypatch.setenv("AIMS_SIGNING_PUBLIC_KEY", str(sound / "run.key.pub"))
        said = doctor()
        assert said.code == 0
        assert "was not asked" in said.findings["keys.evidence_key"]["what"]
        assert SECRET not in said.text

    @pytest.mark.parametrize("pasted", ["pem", "line"])
    def test_a_key_pasted_where_its_path_belongs_is_not_shown(self, pasted: str, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = (sound / "run.key").read_text()
        body = text.splitlines()[1]
        monkeypatch.setenv("AIMS_SIGNING_KEY", text if pasted == "pem" else body)
        said = doctor()
        assert problems(said) == {"keys.unusable_key"}
        assert body not in said.text

    def test_no_private_key_is_printed(self, sound: Path) -> None:
        said = doctor()
        key = read_public_file(sound / "run.key.pub")
        assert key is not None
        assert key.keyid[:16] in said.text
        assert (sound / "run.key").read_text().splitlines()[1] not in said.text


class TestPolicies:
    def test_a_broken_file(self, sound: Path) -> None:
        (sound / "policies" / "small.yaml").write_text("version: [")
        said = doctor()
        assert "policies.broken" in problems(said)
        assert said.findings["policies.broken"]["where"].endswith("small.yaml")

    def test_a_folder_that_is_not_there(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_POLICY_DIR", str(sound / "nowhere"))
        assert problems(doctor()) == {"policies.broken"}

    def test_a_folder_without_systems(self, sound: Path) -> None:
        (sound / "policies" / "small.yaml").unlink()
        assert problems(doctor()) == {"policies.no_system"}

    def test_no_folder(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AIMS_POLICY_DIR")
        assert doctor().findings["policies.no_folder"]["state"] == "note"
        (sound / "aims.yaml").write_text((sound / "policies" / "small.yaml").read_text())
        assert doctor().findings["policies.file"]["state"] == "ok"
        (sound / "aims.yaml").write_text("version: 7")
        assert problems(doctor()) == {"policies.broken"}


class TestMachine:
    def test_a_disk_that_refuses(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_HOME", "/proc")
        said = doctor()
        assert "disk.trial" in problems(said)

    def test_telemetry_that_is_on(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DO_NOT_TRACK")
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
        monkeypatch.setenv("GX_ANALYTICS_ENABLED", "true")
        done = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
        on = {f["where"] for f in done["findings"] if f["code"] == "telemetry" and f["state"] == "problem"}
        assert on >= {"mlflow", "evidently", "great-expectations"}

    def test_another_version_is_running_than_is_installed(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(aims_mlflow, "__version__", "9.9.9")
        assert problems(doctor()) == {"versions.aims"}


class TestLibraries:
    def test_every_requirement_is_looked_at(self) -> None:
        found = {f.where: f for f in libraries.look()}
        assert {"mlflow", "evidently", "PyYAML", "scikit-learn"} <= set(found)
        assert "(supported: " in found["mlflow"].what
        assert [f.what for f in found.values() if f.state == "problem"] == []

    def test_one_outside_its_range_and_one_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.metadata.requires", lambda _: ["click>=99", "no-such-library>=1", "rich; extra == 'none-such'"])
        found = {f.code: f for f in libraries.look() if f.state == "problem"}
        assert set(found) == {"range", "missing"}
        assert found["range"].fix == "pip install 'click>=99'"

    def test_what_an_import_raises_is_named_by_its_kind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(libraries, "_import_trouble", IMPORT_TROUBLE)
        monkeypatch.syspath_prepend(tmp_path)
        for name, line in (
            ("aims_t_raises", f"raise RuntimeError({SECRET!r})"),
            ("aims_t_exits", "raise SystemExit"),
            ("aims_t_needs", "import aims_t_no"),
        ):
            (tmp_path / f"{name}.py").write_text(line)
        assert libraries._import_trouble("aims_t_raises") == "RuntimeError"
        assert libraries._import_trouble("aims_t_exits") == "SystemExit"
        assert libraries._import_trouble("aims_t_needs") == "the module aims_t_no is missing"
        assert libraries._import_trouble("json") == ""
        monkeypatch.setattr("importlib.metadata.requires", lambda _: ["json", "aims-t-raises>=1"])
        monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
        assert {f.where: (f.code, f.state) for f in libraries.look() if f.code in ("library", "import")} == {
            "json": ("library", "ok"),
            "aims-t-raises": ("import", "problem"),
        }

    @pytest.mark.parametrize(
        ("version", "state"), [("3.17.2", "ok"), ("3.18.0", "note"), ("2.22.0", "problem"), ("4.0.0", "problem")], ids=str
    )
    def test_the_server_is_compared_with_what_is_supported(self, version: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(libraries, "_installed", lambda _: "3.17.2")
        (found,) = (f for f in libraries.look(version) if f.code == "server")
        assert found.state == state


class Web(BaseHTTPRequestHandler):
    """Answers as a server on one of its bad days would: what is asked of it is in ``answers``, path -> (status, body)."""

    def do_GET(self) -> None:
        status, body = self.server.answers.get(self.path, (404, b""))  # type: ignore[attr-defined]  # set by the fixture
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response_only(status)
        date = self.server.date  # type: ignore[attr-defined]
        if date is not None:
            self.send_header("Date", date)
        if 300 <= status < 400:
            self.send_header("Location", "http://192.0.2.1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    made.daemon_threads = True
    made.asked = []
    made.date = format_datetime(datetime.now(UTC), usegmt=True)
    made.answers = {
        "/health": (200, b"OK"),
        "/version": (200, b"3.17.2"),
        servers.SERVER_INFO: (200, b'{"store_type": "SqlStore"}'),
    }
    made.uri = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def seen(uri: str, registry: str = "") -> dict[str, Any]:
    return {f"{f.area}.{f.code}": f for f in servers.look(uri, registry or uri).findings}


class TestServer:
    def test_one_that_is_well(self, web: Any) -> None:
        found = seen(web.uri)
        assert {name: f.state for name, f in found.items()} == {"clock.clock": "ok", "server.reachable": "ok", "server.gate": "note"}
        assert "a server on a database" in found["server.reachable"].what
        assert servers.look(web.uri, web.uri).version == "3.17.2"

    def test_mlflow_itself_answers_so(self, mlflow_home: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The real app behind a real socket: the paths that are asked are there, and say what is read from them."""
        from werkzeug.serving import make_server

        monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", mlflow_home)
        monkeypatch.setenv("_MLFLOW_SERVER_REGISTRY_STORE", mlflow_home)
        from mlflow import __version__
        from mlflow.server import app

        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            told = servers.look(uri := f"http://127.0.0.1:{server.server_port}", uri)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        assert told.version == __version__
        found = {f.code: f for f in told.findings}
        assert "a server on a database" in found["reachable"].what
        assert found["clock"].state == "ok"

    def test_nobody_there(self) -> None:
        found = seen("http://127.0.0.1:9")
        assert found["server.unreachable"].state == "problem"

    def test_one_that_accepts_and_hangs_is_waited_for_five_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "ask", lambda uri, path: servers_ask(uri, path, 0.3))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = monotonic()
            found = seen(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert monotonic() - began < 3
        assert found["server.unreachable"].state == "problem"

    def test_one_that_drips_is_not_waited_for(self) -> None:
        stop = threading.Event()

        def drip() -> None:
            peer, _ = slow.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not stop.wait(0.05):
                    peer.sendall(b".")

        with socket.create_server(("127.0.0.1", 0)) as slow:
            thread = threading.Thread(target=drip, daemon=True)
            thread.start()
            began = monotonic()
            with pytest.raises(StoreError, match=r"0\.4 seconds"):
                servers_ask(f"http://127.0.0.1:{slow.getsockname()[1]}", "/health", 0.4)
            assert monotonic() - began < 3
            stop.set()
            thread.join()

    @pytest.mark.parametrize(
        ("path", "status", "body", "code", "state"),
        [
            pytest.param("/health", 500, b"", "unwell", "problem", id="500"),
            pytest.param("/health", 302, b"", "redirects", "note", id="redirect"),
            pytest.param("/version", 401, b"", "login", "problem", id="no-login"),
            pytest.param("/version", 200, b"<html>", "not_mlflow", "problem", id="not-mlflow"),
        ],
    )
    def test_one_that_answers_otherwise(self, path: str, status: int, body: bytes, code: str, state: str, web: Any) -> None:
        web.answers[path] = (status, body)
        assert seen(web.uri)[f"server.{code}"].state == state

    @pytest.mark.parametrize(("minutes", "state"), [(0, "ok"), (1, "note"), (-1, "note"), (30, "problem"), (-30, "problem")], ids=str)
    def test_clocks_apart(self, minutes: int, state: str, web: Any) -> None:
        web.date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
        found = seen(web.uri)["clock.clock"]
        assert found.state == state
        assert ("behind" if minutes > 0 else "ahead" if minutes < 0 else "agree") in found.what

    def test_a_server_without_a_clock(self, web: Any) -> None:
        web.date = None
        assert seen(web.uri)["clock.clock"].state == "note"

    @pytest.mark.parametrize(
        ("registry", "state", "words"),
        [
            ("aims+{}", "note", "the gate is advice"),
            ("{}", "note", "does not say whether it is gated"),
            ("aims+sqlite:////tmp/r.db", "ok", "in this process"),
            ("sqlite:////tmp/r.db", "note", "no gate stands"),
        ],
        ids=["advised", "unknown", "gated", "ungated"],
    )
    def test_where_the_gate_stands(self, registry: str, state: str, words: str, web: Any) -> None:
        found = seen(web.uri, registry.format(web.uri))["server.gate"]
        assert found.state == state
        assert words in found.what

    @pytest.mark.parametrize(
        "uri",
        [
            f"http://me:{SECRET}@127.0.0.1:9",
            f"http://{SECRET}@127.0.0.1:9/x?token={SECRET}",
            f"postgresql://me:{SECRET}@127.0.0.1:9/db?password={SECRET}",
            f"postgresql+psycopg2://{SECRET}@127.0.0.1:9/db",
            f"mysql+pymysql://me:{SECRET}@127.0.0.1:nine/db",
            f"weird://me:{SECRET}@host/",
        ],
        ids=["http", "token", "postgresql", "user", "mysql", "unknown"],
    )
    def test_no_credential_is_printed(self, uri: str, sound: Path) -> None:
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri("aims+" + uri if uri.startswith("http") else uri)
        waiting(server=uri)
        said = CliRunner().invoke(main, ["doctor", "--json"])
        assert SECRET not in said.output
        assert "Traceback" not in said.output

    def test_a_login_goes_to_no_other_server(self, web: Any) -> None:
        web.answers["/health"] = (301, b"")
        seen(web.uri)
        assert web.asked == ["/health"]

    @pytest.mark.parametrize("kind", ["new", "lost", "locked"])
    def test_a_database_file_is_not_made(self, kind: str, tmp_path: Path) -> None:
        path = {"new": tmp_path / "new.db", "lost": tmp_path / "lost" / "x.db", "locked": tmp_path}[kind]
        found = seen(f"sqlite:///{path}")
        assert {"new": "server.new", "lost": "server.unreachable", "locked": "server.unreachable"}[kind] in found
        assert list(tmp_path.iterdir()) == []
