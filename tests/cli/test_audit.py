"""``aims audit`` on a real MLflow: everything that goes around the gate, or goes missing, is found, and nothing else is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from click.testing import CliRunner, Result

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.cli import main
from aims_mlflow.errors import PromotionBlocked
from aims_mlflow.evidence import State
from aims_mlflow.ledger import Facts, Ledger, entry_path, read
from aims_mlflow.promotion import Move, examine, move, promote
from aims_mlflow.signing import open_bundle, seal_bundle, signing_key
from aims_mlflow.store import Store
from aims_mlflow.store.logs import HEAD
from aims_mlflow.system import System
from tests.golden import make
from tests.promotion import test_moving as promotion


@pytest.fixture
def world(mlflow_home: str, tmp_path: Path) -> Any:
    (tmp_path / "aims.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(make.SYSTEM))))
    return promotion.trained(Store())


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments])


def audit(*arguments: str) -> dict[str, Any]:
    """Run an audit; its answer, its exit code among it."""
    said = aims(*arguments, "--json")
    assert said.exit_code in (0, 1), said.output
    found: dict[str, Any] = json.loads(said.stdout)
    assert found["clean"] is (said.exit_code == 0)
    return found


def codes(found: dict[str, Any], *, notes: bool = False) -> list[str]:
    return [f["code"] for f in found["findings"] if notes or f["severity"] != "note"]


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient()


def log_run(store: Store) -> Any:
    place = store.log_place()
    assert place is not None
    assert place.run is not None
    return place.run


def log_folder(store: Store) -> Path:
    return Path(str(client().get_run(log_run(store).run_id).info.artifact_uri).removeprefix("file://"))


def purge(run_id: str, store: Store) -> None:
    """Remove a run for good, as ``mlflow gc`` does, or somebody at the database."""
    path = store.tracking_uri.removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        for table in ("tags", "params", "metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608 - the tables' names are our own
        database.execute("DELETE FROM runs WHERE run_uuid = ?", (run_id,))
    database.close()


class TestClean:
    def test_an_empty_registry(self, mlflow_home: str) -> None:
        assert mlflow_home
        found = audit()
        assert (codes(found, notes=True), found["models"], found["entries"], found["registry"]) == ([], 0, 0, "")

    def test_a_promoted_version(self, world: Any) -> None:
        decision = world.promote()
        found = audit()
        assert codes(found, notes=True) == []
        (held,) = found["held"]
        assert (held["model"], held["holder"], held["version"], held["code"]) == ("golden", "champion", "1", "")
        assert held["actor"] == decision.actor
        assert (found["models"], found["runs"], found["entries"]) == (1, 1, 1)
        assert found["heads"] == [held["decision"]]

    def test_what_is_not_protected_is_let_alone(self, world: Any) -> None:
        world.store.set_alias("golden", "candidate", "1")
        assert audit()["held"] == []

    def test_the_next_version_and_the_one_before(self, world: Any) -> None:
        world.promote()
        second = promotion.trained(world.store)
        second.promote()
        assert codes(audit(), notes=True) == []
        world.promote()  # back, through the gate
        assert codes(audit(), notes=True) == []

    def test_a_stage_under_the_gate(self, world: Any) -> None:
        def transition() -> None:
            with pytest.warns(FutureWarning, match="stages"):
                client().transition_model_version_stage("golden", "1", "Production")

        examined = examine(world.uri, "Production", make.system(), world.store)
        move(examined, Move(lambda: None, transition, lambda _: None), world.store, actor="somebody")
        found = audit()
        assert codes(found, notes=True) == []
        assert [(h["holder"], h["stage"], h["actor"]) for h in found["held"]] == [("Production", True, "somebody")]
        Ledger(world.store).withdraw("golden", "Production", "1", actor="somebody", stage=True)
        assert codes(audit()) == ["withdrawn"]

    def test_a_denial_is_no_finding(self, world: Any) -> None:
        world.promote()
        second = promotion.trained(world.store, complete=False)
        with pytest.raises(PromotionBlocked):
            second.promote()
        with pytest.raises(PromotionBlocked):
            promote("models:/golden/77", "champion", system=make.system(), store=world.store)
        assert codes(audit(), notes=True) == []


def set_by_a_plain_client(world: Any) -> None:
    client().set_registered_model_alias("golden", "champion", promotion.trained(world.store).version.version)


def set_in_another_case(world: Any) -> None:
    client().set_registered_model_alias("golden", "Champion", "1")


def stage_by_a_plain_client(world: Any) -> None:
    with pytest.warns(FutureWarning, match="stages"):
        client().transition_model_version_stage("golden", "1", "Production")


def swap_files(world: Any) -> None:
    (world.folder / "weights").write_bytes(b"\x00\x01\x03")


def unreadable_files(world: Any) -> None:
    shutil.rmtree(world.folder)


def copied_under_an_alias(world: Any) -> None:
    made = client().copy_model_version(world.uri, "golden-prod")
    client().set_registered_model_alias("golden-prod", "champion", made.version)


def set_again_after_a_withdrawal(world: Any) -> None:
    Ledger(world.store).withdraw("golden", "champion", "1", actor="somebody")


def set_again_after_a_rollback(world: Any) -> None:
    (one,) = Ledger(world.store).entries()
    assert one.entry.decision is not None
    content = one.entry.decision.model_dump() | {"allowed": False}
    Ledger(world.store).append("rollback", type(one.entry.decision).model_validate(content), undoes=one.sha256)


def denied_and_set_all_the_same(world: Any) -> None:
    second = promotion.trained(world.store, complete=False)
    with pytest.raises(PromotionBlocked):
        second.promote()
    client().set_registered_model_alias("golden", "champion", second.version.version)


class TestProtected:
    @pytest.mark.parametrize(
        ("attack", "code", "said"),
        [
            (set_by_a_plain_client, "bypass", "no decision"),
            (set_in_another_case, "bypass", "no decision"),
            (stage_by_a_plain_client, "bypass", "the stage"),
            (copied_under_an_alias, "bypass", "no decision"),
            (denied_and_set_all_the_same, "bypass", "has denied it"),
            (swap_files, "other_bytes", "not those that the gate let through"),
            (unreadable_files, "no_files", "cannot be read"),
            (set_again_after_a_withdrawal, "withdrawn", "without a new decision"),
            (set_again_after_a_rollback, "rolled_back", "taken back"),
        ],
    )
    def test_each_way_around_the_gate_is_found_and_recorded_once(
        self, world: Any, attack: Callable[[Any], None], code: str, said: str
    ) -> None:
        world.promote()
        attack(world)
        found = audit("--record")
        (finding,) = [f for f in found["findings"] if f["code"] == code]
        assert finding["severity"] == "critical"
        assert said in finding["what"]
        assert finding["fix"]
        assert [h["code"] for h in found["held"] if h["code"]] == [code]
        audit("--record")
        bypasses = [one.entry for one in Ledger(world.store).entries() if one.entry.kind == "bypass"]
        assert [(b.facts.code, b.actor) for b in bypasses if b.facts] == [(code, "aims audit")]
        assert Ledger(world.store).walk().findings == ()

    def test_without_record_nothing_is_written(self, world: Any) -> None:
        world.promote()
        set_by_a_plain_client(world)
        assert audit()["entries"] == audit()["entries"] == 1

    def test_an_older_version_put_back_around_the_gate(self, world: Any) -> None:
        world.promote()
        promotion.trained(world.store).promote()
        client().set_registered_model_alias("golden", "champion", "1")
        (finding,) = [f for f in audit()["findings"] if f["code"] == "superseded"]
        assert finding["severity"] == "note"  # within minutes, two promotions at once look the same

    def test_an_alias_taken_away_around_the_gate_is_a_note(self, world: Any) -> None:
        world.promote()
        world.store.delete_alias("golden", "champion")
        found = audit()
        assert (codes(found), codes(found, notes=True)) == ([], ["gone_unlogged"])
        Ledger(world.store).withdraw("golden", "champion", "1", actor="somebody")
        assert codes(audit(), notes=True) == []

    def test_only_the_named_models_are_looked_at(self, world: Any) -> None:
        world.promote()
        copied_under_an_alias(world)
        assert codes(audit("golden")) == []
        assert codes(audit("golden-prod")) == ["bypass"]
        said = aims("no-such-model")
        assert (said.exit_code, "no-such-model" in said.output) == (2, True)


class TestPolicy:
    @pytest.fixture
    def policies(self, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        world.promote()
        folder = tmp_path / "policies"
        folder.mkdir()
        monkeypatch.setenv("AIMS_POLICY_DIR", str(folder))
        self.put(folder, gate={"protects": ["champion"]}, system=make.SYSTEM["system"] | {"model": "golden", "tier": "low"})
        return folder

    def put(self, folder: Path, **changes: Any) -> None:
        (folder / "golden.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(make.SYSTEM | changes))))

    def test_the_folder_says_what_is_protected(self, policies: Path) -> None:
        client().set_registered_model_alias("golden", "production", "1")
        client().set_registered_model_alias("golden", "release", "1")
        assert codes(audit("golden")) in ([], ["bypass"])  # whether the general names count besides a system's own is the policy's affair
        self.put(policies, gate={"protects": ["champion", "release"]}, system=make.SYSTEM["system"] | {"model": "golden", "tier": "low"})
        assert "models:/golden/1 as release" in [f["where"] for f in audit("golden")["findings"]]

    def test_models_of_no_system_are_as_the_organisation_says(self, policies: Path, world: Any) -> None:
        client().create_registered_model("stranger")
        client().create_model_version("stranger", world.folder.as_uri())
        client().set_registered_model_alias("stranger", "champion", "1")
        assert codes(audit()) == ["bypass"]
        (policies / "organisation.yaml").write_text("version: 1\nunlisted_models: allow\n")
        assert codes(audit()) == []

    def test_a_broken_file_is_a_finding(self, policies: Path) -> None:
        (policies / "other.yaml").write_text("version: [")
        assert "policy_broken" in codes(audit())

    @pytest.mark.parametrize(("roles", "proves"), [(["evidence"], False), (["evidence", "decision"], True)], ids=["evidence", "both"])
    def test_a_key_without_the_role_proves_nothing(self, policies: Path, roles: list[str], proves: bool) -> None:
        key = signing_key()
        listed = {"id": key.id, "name": "the gate", "public": key.public, "roles": roles, "since": "2020-01-01"}
        (policies / "keys.yaml").write_text(yaml.safe_dump({"version": 1, "keys": [listed]}))
        assert codes(audit()) == ([] if proves else ["decision_key", "entry_key"])


class TestLog:
    @pytest.fixture
    def long(self, world: Any) -> list[str]:
        world.promote()
        for n in range(3):
            Ledger(world.store).append("export", Facts(reason=str(n)))
        return [one.sha256 for one in Ledger(world.store).entries()]

    def test_an_entry_edited(self, world: Any, long: list[str]) -> None:
        path = log_folder(world.store) / entry_path(long[0])
        path.write_bytes(path.read_bytes().replace(b'"keyid":"', b'"keyid":"0', 1))
        assert set(codes(audit())) == {"entry_altered", "bypass", "decision_unlogged"}

    def test_an_entry_removed_in_the_middle(self, world: Any, long: list[str]) -> None:
        (log_folder(world.store) / entry_path(long[1])).unlink()
        assert codes(audit()) == ["parent_missing"]

    def test_the_last_entry_removed_shows_by_the_hint_and_by_the_heads_file(self, world: Any, long: list[str], tmp_path: Path) -> None:
        heads = tmp_path / "heads.json"
        assert codes(audit("--heads", str(heads))) == []
        pinned = heads.read_bytes()
        (log_folder(world.store) / entry_path(long[-1])).unlink()
        assert codes(audit()) == ["head_gone"]
        client().delete_tag(log_run(world.store).run_id, HEAD + long[-1])
        assert codes(audit()) == []  # nothing inside MLflow says so any more
        for _ in range(2):
            assert codes(audit("--heads", str(heads))) == ["tail_cut"]
        assert heads.read_bytes() == pinned

    def test_a_longer_log_holds_the_heads_of_a_shorter_one(self, world: Any, long: list[str], tmp_path: Path) -> None:
        heads = tmp_path / "heads.json"
        audit("--heads", str(heads))
        Ledger(world.store).append("export", Facts(reason="later"))
        assert codes(audit("--heads", str(heads))) == []
        assert json.loads(heads.read_bytes())["entries"] == len(long) + 1

    def test_an_entry_dated_back_is_found_by_the_heads_file(self, world: Any, tmp_path: Path) -> None:
        world.promote()
        heads = tmp_path / "heads.json"
        audit("--heads", str(heads))
        ledger = Ledger(world.store)
        ledger.append("export", Facts(reason="back"), time=datetime.now(UTC) - timedelta(hours=2))
        assert set(codes(audit("--heads", str(heads)))) == {"clock", "dated_back"}

    @pytest.mark.parametrize("content", [b"", b"{}", b'{"format":"aims-heads-v1"}', b"\xff"], ids=["empty", "nothing", "half", "no text"])
    @pytest.mark.usefixtures("mlflow_home")
    def test_a_heads_file_that_is_none_stops_the_audit(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "heads.json").write_bytes(content)
        assert aims("--heads", str(tmp_path / "heads.json")).exit_code == 2
        assert (tmp_path / "heads.json").read_bytes() == content

    def test_entries_that_changed_places(self, world: Any, long: list[str]) -> None:
        first, second = (log_folder(world.store) / entry_path(sha256) for sha256 in long[:2])
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
        assert codes(audit()).count("entry_altered") == 2

    def test_the_log_deleted(self, world: Any) -> None:
        world.promote()
        client().delete_run(log_run(world.store).run_id)
        assert codes(audit()) == ["log_deleted"]

    def test_the_log_gone_for_good(self, world: Any, tmp_path: Path) -> None:
        world.promote()
        heads = tmp_path / "heads.json"
        audit("--heads", str(heads))
        run = log_run(world.store)
        purge(run.run_id, world.store)
        assert set(codes(audit())) == {"bypass", "decision_unlogged", "log_missing"}
        assert "tail_cut" in codes(audit("--heads", str(heads)))

    def test_a_decision_taken_out_of_its_run(self, world: Any) -> None:
        world.promote()
        for path in promotion.artifact(world, promotion.DECISIONS).iterdir():
            path.unlink()
        assert codes(audit()) == ["decision_gone"]

    def test_a_decision_that_could_not_be_logged_is_minor(self, world: Any) -> None:
        Ledger(world.store).append("export", Facts())
        run_id = log_run(world.store).run_id
        client().delete_run(run_id)
        with pytest.raises(PromotionBlocked):
            world.promote()
        client().restore_run(run_id)
        found = audit()
        assert [(f["code"], f["severity"]) for f in found["findings"]] == [("decision_unlogged", "minor")] * 2

    def test_the_export_is_the_log_byte_for_byte(self, world: Any, long: list[str], tmp_path: Path) -> None:
        audit("--export", str(tmp_path / "out"))
        for sha256 in long:
            assert (tmp_path / "out" / entry_path(sha256)).read_bytes() == (log_folder(world.store) / entry_path(sha256)).read_bytes()
        index = (tmp_path / "out" / "INDEX.md").read_text("utf-8")
        assert all(f"]({entry_path(sha256)})" in index for sha256 in long)
        assert json.loads((tmp_path / "out" / "heads.json").read_bytes())["heads"] == long[-1:]

    def test_each_exported_entry_verifies_without_a_server(self, world: Any, tmp_path: Path) -> None:
        world.promote()
        with pytest.raises(PromotionBlocked):
            promote("models:/golden/77", "champion", system=make.system(), store=world.store)
        Ledger(world.store).withdraw("golden", "champion", "1", actor="somebody")
        audit("--export", str(tmp_path / "out"))
        files = sorted((tmp_path / "out" / "log").rglob("*.dsse.json"))
        said = [CliRunner().invoke(main, ["verify", str(path), "--json"]) for path in files]
        assert [s.exit_code for s in said] == [0] * 3
        assert {json.loads(s.stdout)["kind"] for s in said} == {"log entry"}
        pinned = json.loads((tmp_path / "out" / "heads.json").read_bytes())
        contents = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files}
        assert read(contents, registry=pinned["registry"], hints=pinned["heads"]).findings == ()

    def test_hostile_names_stay_text_in_the_index(self, world: Any, tmp_path: Path) -> None:
        Ledger(world.store).append("withdrawal", Facts(model="a|b](javascript:x)<script>\u202e", version="1"), actor="`x` **y**")
        audit("--export", str(tmp_path / "out"))
        line = (tmp_path / "out" / "INDEX.md").read_text("utf-8").splitlines()[-1]
        assert line.count("|") == 10
        assert not any(sign in line for sign in ("<script", "`", "**", "\u202e", "](javascript"))


class TestRuns:
    def test_a_failed_run_is_reported_and_no_fault(self, world: Any) -> None:
        world.store.end_run(world.store.create_run("tests", "x", {"aims.system": "golden"}), "FAILED")
        found = audit()
        assert (codes(found), codes(found, notes=True)) == ([], ["run_failed"])

    def test_a_deleted_run(self, world: Any) -> None:
        failed = world.store.create_run("tests", "x", {"aims.system": "golden"})
        world.store.end_run(failed, "FAILED")
        client().delete_run(failed)
        found = audit()
        assert codes(found) == ["run_deleted"]
        assert f"restore --run-id {failed}" in found["findings"][0]["fix"]

    def test_a_failing_run_deleted_and_purged_leaves_a_gap(self, world: Any) -> None:
        failed = world.store.create_run("tests", "x", {"aims.system": "golden"})
        world.store.end_run(failed, "FAILED")
        later = promotion.trained(world.store, complete=False)
        bundle = later.bundle.model_copy(update={"run": later.bundle.run.model_copy(update={"earlier": (failed, world.run_id)})})
        world.store.write(later.run_id, BUNDLE_PATH, seal_bundle(bundle))
        assert codes(audit()) == []
        client().delete_run(failed)
        purge(failed, world.store)
        (finding,) = [f for f in audit()["findings"] if f["severity"] != "note"]
        assert (finding["code"], finding["severity"], finding["where"]) == ("run_gone", "critical", f"run {failed}")
        assert later.run_id in finding["what"]

    def test_a_run_hidden_by_taking_its_tag_away(self, world: Any) -> None:
        later = promotion.trained(world.store)
        bundle = later.bundle.model_copy(update={"run": later.bundle.run.model_copy(update={"earlier": (world.run_id,)})})
        world.store.write(later.run_id, BUNDLE_PATH, seal_bundle(bundle))
        client().delete_tag(world.run_id, "aims.system")
        assert codes(audit()) == ["run_untagged"]

    def test_a_run_that_never_had_evidence_and_was_denied_is_not_called_hidden(self, world: Any) -> None:
        run_id = world.store.create_run("tests", "by hand", {})
        client().log_text(run_id, "a model", "model/MLmodel")
        world.store.end_run(run_id)
        bare = client().create_model_version("golden", f"{client().get_run(run_id).info.artifact_uri}/model", run_id)
        with pytest.raises(PromotionBlocked, match="left no evidence"):
            promote(f"models:/golden/{bare.version}", alias="champion", system=System.model_validate(make.SYSTEM), store=world.store)
        assert codes(audit()) == []

    def test_a_run_whose_evidence_could_not_be_read_is_still_called_hidden(self, world: Any) -> None:
        later = promotion.trained(world.store)
        world.store.write(later.run_id, BUNDLE_PATH, b"no bundle")
        client().delete_tag(later.run_id, "aims.system")
        with pytest.raises(PromotionBlocked):
            later.promote()
        assert "run_untagged" in codes(audit())

    def test_a_promoted_run_gone_for_good(self, world: Any) -> None:
        world.promote()
        purge(world.run_id, world.store)
        assert "run_gone" in codes(audit())

    def test_a_finished_run_without_evidence(self, world: Any) -> None:
        world.store.end_run(world.store.create_run("tests", "x", {"aims.system": "golden"}))
        assert codes(audit()) == ["no_bundle"]

    def test_a_run_that_never_ends(self, world: Any) -> None:
        run_id = world.store.create_run("tests", "x", {"aims.system": "golden"})
        assert codes(audit()) == []  # it may still be training
        path = world.store.tracking_uri.removeprefix("sqlite:///")
        with sqlite3.connect(path) as database:
            database.execute("UPDATE runs SET start_time = start_time - 90000000 WHERE run_uuid = ?", (run_id,))
        database.close()
        assert codes(audit()) == ["run_unfinished"]

    @pytest.mark.parametrize(
        ("attack", "code"), [("edit_the_bundle", "bundle_bad"), ("empty_the_bundle", "bundle_bad"), ("replay_a_bundle", "bundle_elsewhere")]
    )
    def test_evidence_that_is_not_what_it_was(self, world: Any, attack: str, code: str) -> None:
        getattr(promotion, attack)(world)
        assert code in codes(audit())

    def test_a_tag_that_names_other_evidence(self, world: Any) -> None:
        client().set_tag(world.run_id, "aims.bundle", "0" * 64)
        assert codes(audit()) == ["tag_differs"]

    def test_records_are_no_attempts_unless_they_hide_evidence(self, world: Any) -> None:
        world.store.end_run(world.store.create_run("tests", "record", {"aims.system": "golden", "aims.record": "newest"}))
        client().set_tag(world.run_id, "aims.record", "newest")
        found = audit()
        assert codes(found, notes=True) == []
        assert [a["attempts"] for a in found["attempts"]] == [1]

    def test_looking_at_a_model_in_operation_is_no_attempt(self, world: Any) -> None:
        later = promotion.trained(world.store)
        bundle = later.bundle.model_copy(update={"run": later.bundle.run.model_copy(update={"kind": "monitoring"})})
        world.store.write(later.run_id, BUNDLE_PATH, seal_bundle(bundle))
        assert [(a["version"], a["attempts"]) for a in audit()["attempts"]] == [("1", 1)]

    def test_attempts_are_counted_from_one_pass_to_the_next(self, world: Any) -> None:
        world.promote()
        failed = world.store.create_run("tests", "x", {"aims.system": "golden"})
        world.store.end_run(failed, "FAILED")
        client().delete_run(failed)
        promotion.trained(world.store, complete=False)
        fourth = promotion.trained(world.store)
        fourth.promote()
        made = [(a["version"], a["attempts"], a["failed"], a["deleted"], a["let_through"]) for a in audit()["attempts"]]
        assert made == [("1", 1, 0, 0, True), ("2", 2, 1, 1, False), ("3", 3, 1, 1, True)]


class TestWords:
    def test_it_says_what_was_found_and_what_to_do(self, world: Any) -> None:
        world.promote()
        set_in_another_case(world)
        said = aims()
        assert said.exit_code == 1
        assert said.stdout.startswith("FINDINGS")
        for word in ("CRITICAL", "models:/golden/1 as Champion", "do: somebody went around the gate", "Protected", "Attempts"):
            assert word in said.output
        client().delete_registered_model_alias("golden", "Champion")
        said = aims()
        assert (said.exit_code, said.stdout.startswith("CLEAN")) == (0, True)

    def test_waivers_that_decisions_rest_on_are_listed(self, world: Any) -> None:
        waiver = {"control": "A.6.1.2", "reason": "pilot", "approved_by": "Head", "on": "2026-01-01", "expires": "2036-01-01"}
        policy = make.system(waivers=[waiver], attestations=make.SYSTEM["attestations"][1:])
        decision = promote(world.uri, "champion", system=policy, store=world.store)
        assert State.WAIVED in {line.state for line in decision.lines}
        (use,) = audit()["waivers"]
        assert (use["model"], use["version"], use["holder"], use["waived"]["control"]) == ("golden", "1", "champion", "A.6.1.2")
        assert "Head" in use["waived"]["reason"]
        assert "pilot" in aims().output

    @pytest.mark.filterwarnings("ignore::ResourceWarning")  # the probe of a closed port
    def test_a_server_that_is_down_could_not_be_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        said = aims()
        assert (said.exit_code, "does not answer" in said.output) == (2, True)


def test_the_bundle_is_read_back_with_and_without_earlier_runs() -> None:
    bundle = make.small()
    named = bundle.model_copy(update={"run": bundle.run.model_copy(update={"earlier": ("a", "b")})})
    assert open_bundle(seal_bundle(named, make.key()))[0].run.earlier == ("a", "b")
    statement = bundle.statement()
    del statement["predicate"]["run"]["earlier"]  # as it was written before
    assert type(bundle).from_statement(statement) == bundle
