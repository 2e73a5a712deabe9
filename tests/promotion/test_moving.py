"""Promotion on a real MLflow: what the gate finds there, what it keeps, and what it undoes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

import aims_mlflow
from aims_mlflow.bundle import BUNDLE_PATH, Bundle, FileDigest, ModelSummary
from aims_mlflow.decision import GateDecision
from aims_mlflow.errors import PromotionBlocked
from aims_mlflow.evidence import State
from aims_mlflow.promotion import DECISIONS, check_promotion, promote, recorded_decisions
from aims_mlflow.signing import new_key, seal_bundle
from aims_mlflow.store import Store, VersionView
from tests.golden import make


@dataclass
class World:
    """A trained and registered model with its evidence, in a sqlite MLflow. The model is two plain files: the gate loads none."""

    store: Store
    run_id: str
    version: VersionView
    folder: Path
    bundle: Bundle

    @property
    def uri(self) -> str:
        return self.version.uri

    def check(self, **given: Any) -> GateDecision:
        return check_promotion(self.uri, **({"alias": "champion", "system": make.system(), "store": self.store} | given))

    def promote(self, alias: str = "champion", **given: Any) -> GateDecision:
        return promote(self.uri, alias, **({"system": make.system(), "store": self.store} | given))

    def alias(self, alias: str = "champion") -> str | None:
        return self.store.alias_version("golden", alias)


def trained(store: Store, model: str = "golden", **changes: Any) -> World:
    """Do what the recorder does: a finished run with a logged model, its bundle, and a registered version."""
    client = mlflow.MlflowClient()
    run_id = store.create_run("tests", "training", {"aims.system": "golden"})
    experiment = store.run(run_id).experiment_id
    logged = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    folder = Path(logged.artifact_location.removeprefix("file://"))
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(f"run_id: {run_id}\n")
    (folder / "weights").write_bytes(b"\x00\x01\x02")
    client.finalize_logged_model(logged.model_id, "READY")
    uri = f"models:/{logged.model_id}"
    files = {path: FileDigest(size=size, sha256=sha) for path, (size, sha) in store.model_files(uri).items()}
    now = datetime.now(UTC)
    evidence = tuple(e.model_copy(update={"run_id": run_id}) for e in make.bundle().evidence)
    content = {
        "run": make.bundle().run.model_copy(update={"run_id": run_id, "started": now - timedelta(minutes=1), "finished": now}),
        "model": ModelSummary(uri=uri, files=files),
        "evidence": evidence,
    }
    bundle = make.bundle(**(content | changes))
    store.write(run_id, BUNDLE_PATH, seal_bundle(bundle))
    store.end_run(run_id)
    return World(store, run_id, store.register(uri, model, run_id=run_id), folder, bundle)


@pytest.fixture
def world(mlflow_home: str) -> World:
    return trained(Store())


def artifact(world: World, path: str) -> Path:
    location = mlflow.MlflowClient().get_run(world.run_id).info.artifact_uri
    assert location is not None
    return Path(location.removeprefix("file://")) / path


def codes(decision: object) -> set[str]:
    assert isinstance(decision, GateDecision)
    return {b.code for b in decision.blockers}


class TestCheck:
    def test_good_evidence_is_let_through_and_nothing_changes(self, world: World) -> None:
        before = world.store.version(world.uri)
        decision = world.check()
        assert decision.allowed, decision.text()
        assert (decision.model, decision.run_id) == (world.uri, world.run_id)
        assert world.store.version(world.uri) == before
        assert world.alias() is None
        assert world.store.artifacts(world.run_id, DECISIONS) == []

    def test_a_version_is_found_by_alias(self, world: World) -> None:
        world.store.set_alias("golden", "candidate", world.version.version)
        decision = check_promotion("models:/golden@candidate", alias="champion", system=make.system(), store=world.store)
        assert decision.allowed
        assert decision.model == world.uri

    @pytest.mark.parametrize(
        "uri", ["models:/golden/99", "models:/golden@nobody", "models:/none/1", "golden", "models:/golden", "runs:/x/y"]
    )
    def test_a_version_that_is_not_there_leaves_it_undecided(self, world: World, uri: str) -> None:
        decision = check_promotion(uri, system=make.system(), store=world.store)
        assert (decision.verdict, decision.exit_code) == ("undecided", 2)
        assert decision.blockers[0].fix

    @pytest.mark.filterwarnings("ignore::ResourceWarning")  # the probe of a closed port
    def test_a_server_that_is_down_leaves_it_undecided_at_once(self) -> None:
        began = time.monotonic()
        decision = check_promotion("models:/golden/1", system=make.system(), store=Store("http://127.0.0.1:9"))
        assert decision.exit_code == 2
        assert "does not answer (http://127.0.0.1:9)" in decision.blockers[0].reason
        assert time.monotonic() - began < 5


def edit_a_file(world: World) -> None:
    (world.folder / "weights").write_bytes(b"\x00\x01\x03")


def add_a_file(world: World) -> None:
    (world.folder / "extra.py").write_text("import os\n")


def remove_a_file(world: World) -> None:
    (world.folder / "weights").unlink()


def link_a_file(world: World) -> None:
    (world.folder / "weights").unlink()
    (world.folder / "weights").symlink_to("/etc/hostname")


def remove_the_bundle(world: World) -> None:
    artifact(world, BUNDLE_PATH).unlink()


def edit_the_bundle(world: World) -> None:
    path = artifact(world, BUNDLE_PATH)
    content = json.loads(path.read_bytes())
    content["payload"] = "A" + content["payload"][1:]
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")))


def empty_the_bundle(world: World) -> None:
    artifact(world, BUNDLE_PATH).write_bytes(b"")


def replay_a_bundle(world: World) -> None:
    other = trained(world.store)
    artifact(world, BUNDLE_PATH).write_bytes(artifact(other, BUNDLE_PATH).read_bytes())


def replay_with_the_same_run(world: World) -> None:
    """Another model of the same run: its bundle is about the first."""
    other = trained(world.store)
    artifact(world, BUNDLE_PATH).write_bytes(seal_bundle(world.bundle.model_copy(update={"model": other.bundle.model})))


def delete_the_run(world: World) -> None:
    mlflow.MlflowClient().delete_run(world.run_id)


def reopen_the_run(world: World) -> None:
    mlflow.MlflowClient().update_run(world.run_id, status="RUNNING")


def fail_the_run(world: World) -> None:
    mlflow.MlflowClient().set_terminated(world.run_id, "FAILED")


class TestThreats:
    @pytest.mark.parametrize(
        ("attack", "code", "said"),
        [
            (edit_a_file, "other_model", "changed weights"),
            (add_a_file, "other_model", "added extra.py"),
            (remove_a_file, "other_model", "missing weights"),
            (link_a_file, "no_model_files", "symbolic link"),
            (remove_the_bundle, "no_bundle", "no evidence"),
            (edit_the_bundle, "bad_bundle", "altered"),
            (empty_the_bundle, "bad_bundle", "not JSON"),
            (replay_a_bundle, "other_run", "of run"),
            (replay_with_the_same_run, "other_model", "changed MLmodel"),
            (delete_the_run, "no_run", "deleted"),
            (reopen_the_run, "run_not_finished", "RUNNING"),
            (fail_the_run, "run_not_finished", "FAILED"),
        ],
    )
    def test_each_attack_is_a_no_that_names_it(self, world: World, attack: Callable[[World], None], code: str, said: str) -> None:
        assert world.check().allowed
        attack(world)
        decision = world.check()
        assert decision.exit_code == 1
        assert code in codes(decision)
        assert said in decision.text()
        with pytest.raises(PromotionBlocked):
            world.promote()
        assert world.alias() is None

    def test_edited_tags_and_metrics_open_nothing(self, world: World) -> None:
        (world.folder / "weights").write_bytes(b"other")
        client = mlflow.MlflowClient()
        for key, value in {"aims.state": "pass", "aims.decision": "allowed", "aims.A.6.2.4": "pass"}.items():
            client.set_tag(world.run_id, key, value)
            client.set_model_version_tag("golden", world.version.version, key, value)
        assert not world.check().allowed

    def test_a_version_without_a_run_is_a_no(self, world: World) -> None:
        made = mlflow.MlflowClient().create_model_version("golden", world.folder.as_uri())
        decision = check_promotion(f"models:/golden/{made.version}", system=make.system(), store=world.store)
        assert decision.exit_code == 1
        assert "no_run" in codes(decision)

    def test_a_forger_with_a_key_of_his_own_is_stopped_by_trusted_keys(self, world: World, tmp_path: Path) -> None:
        release, forger = new_key(tmp_path / "release.pem"), new_key(tmp_path / "forger.pem")
        policy = make.system(gate={"trusted_keys": [release.id]})
        artifact(world, BUNDLE_PATH).write_bytes(seal_bundle(world.bundle, forger))
        assert codes(world.check(system=policy)) == {"bad_bundle"}
        assert world.check().allowed
        artifact(world, BUNDLE_PATH).write_bytes(seal_bundle(world.bundle, release))
        assert world.check(system=policy).allowed

    def test_a_copied_version_is_judged_by_the_same_evidence(self, world: World) -> None:
        client = mlflow.MlflowClient()
        copy = client.copy_model_version(world.uri, "golden-prod")
        assert check_promotion(f"models:/golden-prod/{copy.version}", system=make.system(), store=world.store).allowed
        edit_a_file(world)
        assert not check_promotion(f"models:/golden-prod/{copy.version}", system=make.system(), store=world.store).allowed


class TestPromote:
    def test_it_moves_the_alias_and_keeps_the_signed_decision(self, world: World) -> None:
        decision = world.promote()
        assert decision.allowed
        assert world.alias() == world.version.version
        (recorded,) = recorded_decisions(world.run_id, world.store)
        assert recorded.decision == decision
        assert recorded.key_ids
        assert decision.actor
        view = world.store.version(world.uri)
        assert view.tags["aims.decision"].startswith("allowed champion ")
        assert view.tags["aims.A.6.2.4"] == "pass"
        assert view.tags["aims.state"] == "pass"
        assert view.tags["aims.bundle"] == decision.bundle_sha256
        assert "A.6 and A.7" in view.description

    def test_what_a_person_wrote_in_the_description_stays(self, world: World) -> None:
        world.store.describe_version(world.version, "Trained for the pilot.")
        world.promote()
        world.promote()
        said = world.store.version(world.uri).description
        assert said.startswith("Trained for the pilot.")
        assert said.count("### Gate") == 1

    def test_it_says_which_version_to_go_back_to(self, world: World) -> None:
        world.promote()
        assert world.promote().replaced is None
        second = trained(world.store)
        assert second.promote().replaced == world.version.version
        assert second.alias() == second.version.version

    def test_a_no_is_kept_too_and_moves_nothing(self, world: World) -> None:
        world.promote()
        second = trained(world.store, complete=False)
        with pytest.raises(PromotionBlocked, match="every check") as blocked:
            second.promote()
        assert "aims gate" in str(blocked.value)
        assert codes(blocked.value.decision) == {"incomplete"}
        assert second.alias() == world.version.version
        (recorded,) = recorded_decisions(second.run_id, world.store)
        assert recorded.decision == blocked.value.decision
        assert second.store.version(second.uri).tags["aims.decision"].startswith("denied champion ")

    def test_without_a_policy_nothing_moves(self, world: World, tmp_path: Path) -> None:
        with pytest.raises(PromotionBlocked, match="could not be decided") as blocked:
            world.promote(system=tmp_path / "gone.yaml")
        assert codes(blocked.value.decision) == {"no_policy"}
        assert world.alias() is None

    def test_an_alias_that_mlflow_refuses_leaves_a_denial(self, world: World) -> None:
        with pytest.raises(PromotionBlocked):
            world.promote("latest")
        assert [r.decision.allowed for r in recorded_decisions(world.run_id, world.store) if r.decision] == [True, False]

    def test_an_altered_decision_is_not_believed(self, world: World) -> None:
        world.promote()
        (path,) = artifact(world, DECISIONS).iterdir()
        path.write_bytes(path.read_bytes().replace(b'"keyid":"', b'"keyid":"0', 1))
        (recorded,) = recorded_decisions(world.run_id, world.store)
        assert recorded.decision is None
        assert recorded.problem

    def test_a_decision_copied_from_another_run_is_not_believed(self, world: World) -> None:
        world.promote()
        other = trained(world.store)
        for path in artifact(world, DECISIONS).iterdir():
            other.store.write(other.run_id, f"{DECISIONS}/{path.name}", path.read_bytes())
        (recorded,) = recorded_decisions(other.run_id, other.store)
        assert recorded.problem == f"it is about run {world.run_id}"


class Swapping(Store):
    """MLflow while somebody changes the model in the moment the alias is moved."""

    attack: Callable[[], None]

    def set_alias(self, name: str, alias: str, version: str) -> None:
        super().set_alias(name, alias, version)
        attack, self.attack = self.attack, lambda: None
        attack()


class TestSwappedMeanwhile:
    @pytest.mark.parametrize(
        ("attack", "had_one"), [(edit_a_file, True), (add_a_file, False), (remove_the_bundle, True), (edit_the_bundle, False)]
    )
    def test_the_alias_goes_back_to_where_it_was(self, world: World, attack: Callable[[World], None], had_one: bool) -> None:
        if had_one:
            world.promote()
        second = trained(world.store)
        swapping = Swapping()
        swapping.attack = lambda: attack(second)
        with pytest.raises(PromotionBlocked) as blocked:
            replace(second, store=swapping).promote()
        assert codes(blocked.value.decision) == {"model_changed"}
        assert world.alias() == (world.version.version if had_one else None)
        assert second.store.version(second.uri).tags["aims.decision"].startswith("denied")
        *_, last = recorded_decisions(second.run_id, world.store)
        assert last.decision == blocked.value.decision

    def test_an_alias_that_somebody_else_has_moved_on_is_left_alone(self, world: World) -> None:
        second, third = trained(world.store), trained(world.store)
        swapping = Swapping()

        def race() -> None:
            edit_a_file(second)
            third.store.set_alias("golden", "champion", third.version.version)

        swapping.attack = race
        with pytest.raises(PromotionBlocked):
            replace(second, store=swapping).promote()
        assert world.alias() == third.version.version


class TestPolicy:
    @pytest.fixture
    def policies(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "policies"
        folder.mkdir()
        monkeypatch.setenv("AIMS_POLICY_DIR", str(folder))
        return folder

    def put(self, path: Path, **changes: Any) -> None:
        content = json.loads(json.dumps(make.SYSTEM)) | changes
        path.write_text(yaml.safe_dump(content))

    def test_the_file_in_the_working_directory_is_the_last_resort(self, world: World, tmp_path: Path) -> None:
        assert codes(world.check(system=None)) == {"no_policy"}
        self.put(tmp_path / "aims.yaml")  # the fixture's working directory
        assert world.check(system=None).allowed

    def test_a_path_is_read(self, world: World, tmp_path: Path) -> None:
        self.put(tmp_path / "mine.yaml")
        assert world.check(system=tmp_path / "mine.yaml").allowed
        assert world.check(system=str(tmp_path / "mine.yaml")).allowed

    def test_a_policy_that_cannot_be_read_leaves_it_undecided(self, world: World, tmp_path: Path) -> None:
        for content in ("", "version: 1", "version: 1\nversion: 1", "&a [*a]", "\x00"):
            (tmp_path / "mine.yaml").write_text(content)
            decision = world.check(system=tmp_path / "mine.yaml")
            assert decision.exit_code == 2
            assert codes(decision) == {"no_policy"}

    def test_the_directory_gives_the_file_of_the_system(self, world: World, policies: Path) -> None:
        self.put(policies / "golden.yaml")
        assert world.check(system=None).allowed

    def test_the_model_chooses_before_the_name_that_training_gave(self, world: World, policies: Path) -> None:
        strict = {"system": {"id": "strict", "model": "golden"}}
        self.put(policies / "strict.yaml", **strict)
        self.put(policies / "golden.yaml")
        decision = world.check(system=None)
        assert decision.system_id == "strict"
        assert "other_system" in codes(decision)

    @pytest.mark.parametrize(
        ("files", "code"),
        [
            ({}, "no_system"),
            ({"other": {"id": "other"}}, "no_system"),
            ({"golden": {"id": "another"}}, "no_policy"),
            ({"golden": {"id": "golden", "model": "another"}}, "no_system"),
            ({"one": {"id": "one", "model": "golden"}, "two": {"id": "two", "model": "golden"}}, "no_policy"),
        ],
        ids=["none", "only another", "misnamed", "of another model", "two of one model"],
    )
    def test_a_directory_without_exactly_one_leaves_it_undecided(
        self, world: World, policies: Path, files: dict[str, Any], code: str
    ) -> None:
        for name, identity in files.items():
            self.put(policies / f"{name}.yaml", system=identity)
        decision = world.check(system=None)
        assert (codes(decision), decision.exit_code) == ({code}, 2)
        assert decision.blockers[0].fix

    def test_a_broken_file_in_the_directory_is_never_passed_over(self, world: World, policies: Path) -> None:
        self.put(policies / "golden.yaml")
        (policies / "broken.yaml").write_text("version: [")
        assert codes(world.check(system=None)) == {"no_policy"}

    @pytest.mark.usefixtures("mlflow_home", "policies")
    def test_the_system_that_training_names_cannot_leave_the_directory(self, tmp_path: Path) -> None:
        self.put(tmp_path / "golden.yaml")
        world = trained(Store(), system_id="../golden")
        assert codes(world.check(system=None)) == {"no_system"}


class TestRecorded:
    def test_what_a_tracked_run_leaves_is_believed_until_it_is_touched(self, mlflow_home: str, fitted: Any, example_system: Any) -> None:
        @aims_mlflow.track(example_system)
        def train(train: Any, test: Any) -> Any:
            return fitted.pipeline

        assert train(fitted.train, fitted.test) is fitted.pipeline
        store = Store(mlflow_home)
        (version,) = store.system_versions(example_system.id) or [_registered(store, example_system.id)]
        decision = check_promotion(version.uri, alias="champion", system=example_system, store=store)
        assert decision.blockers == ()
        assert decision.decided
        assert {line.control: line.state for line in decision.lines}["A.7.2"] is State.PASS
        assert version.uri in decision.text()
        path = store.read(version.run_id, BUNDLE_PATH).replace(b"e", b"f", 1)
        store.write(version.run_id, BUNDLE_PATH, path)
        assert check_promotion(version.uri, system=example_system, store=store).exit_code == 1


def _registered(store: Store, system_id: str) -> VersionView:
    run = next(store.system_runs(system_id))
    return store.register(store.logged_models(run.run_id)[0], "german", run_id=run.run_id)
