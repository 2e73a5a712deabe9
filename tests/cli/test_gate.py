"""``aims gate``, ``promote``, ``verify`` and ``keys`` on the command line: words, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.cli import main
from aims_mlflow.decision import GateDecision
from aims_mlflow.promotion import recorded_decisions
from aims_mlflow.signing import signing_key
from aims_mlflow.store import Store
from tests.golden import make
from tests.promotion import test_moving as promotion

TESTS = Path(__file__).parents[1]


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def world(mlflow_home: str, tmp_path: Path) -> Any:
    (tmp_path / "aims.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(make.SYSTEM))))
    return promotion.trained(Store())


class TestGate:
    def test_yes(self, world: Any) -> None:
        said = aims("gate", world.uri, "--alias", "champion")
        assert said.exit_code == 0, said.output
        assert said.stdout.startswith(f"ALLOWED  {world.uri} as champion")
        assert world.run_id in said.output
        for control in ("A.6.1.2", "A.6.2.4", "A.7.6"):
            assert control in said.output
        assert "any key counts" in said.output
        assert world.alias() is None

    def test_no(self, world: Any) -> None:
        promotion.edit_a_file(world)
        said = aims("gate", world.uri)
        assert said.exit_code == 1
        assert said.stdout.startswith("DENIED")
        assert "changed weights" in said.output
        assert "do: find out who changed them" in said.output

    def test_no_for_lack_of_a_persons_word_says_what_to_do(self, world: Any, tmp_path: Path) -> None:
        content = json.loads(json.dumps(make.SYSTEM)) | {"attestations": []}
        (tmp_path / "other.yaml").write_text(yaml.safe_dump(content))
        said = aims("gate", world.uri, "--system", str(tmp_path / "other.yaml"))
        assert said.exit_code == 1
        assert "MISSING" in said.output
        assert "attestations" in said.output

    def test_could_not_decide(self, world: Any, tmp_path: Path) -> None:
        assert aims("gate", "models:/golden/99").exit_code == 2
        (tmp_path / "aims.yaml").unlink()
        said = aims("gate", world.uri)
        assert said.exit_code == 2
        assert "no policy to judge by" in said.output

    def test_a_server_that_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        said = aims("gate", "models:/golden/1")
        assert said.exit_code == 2
        assert "does not answer" in said.output

    def test_json_is_the_decision(self, world: Any) -> None:
        said = aims("gate", world.uri, "--json")
        content = json.loads(said.stdout)
        assert (content.pop("verdict"), content.pop("exit_code")) == ("allowed", 0)
        assert GateDecision.model_validate_json(json.dumps(content)).allowed


class TestReports:
    """The decision as JUnit XML, SARIF and Markdown; what they say is tested in tests/reports."""

    def gate(self, uri: str, folder: Path, *more: str) -> Result:
        return aims(
            "gate",
            uri,
            *("--junit", str(folder / "gate.xml"), "--sarif", str(folder / "gate.sarif"), "--markdown", str(folder / "gate.md")),
            *more,
        )

    def test_they_are_written_whatever_the_answer_is(self, world: Any, tmp_path: Path) -> None:
        for uri, code, verdict in ((world.uri, 0, "ALLOWED"), ("models:/golden/99", 2, "UNDECIDED")):
            said = self.gate(uri, tmp_path)
            assert said.exit_code == code, said.output
            assert (tmp_path / "gate.md").read_text().startswith(f"## {verdict}: ")
            assert json.loads((tmp_path / "gate.sarif").read_text())["runs"][0]["invocations"][0]["exitCode"] == code
            assert "<testsuites" in (tmp_path / "gate.xml").read_text()
        promotion.remove_the_bundle(world)
        assert self.gate(world.uri, tmp_path, "--json").exit_code == 1
        assert (tmp_path / "gate.md").read_text().startswith("## DENIED: ")

    def test_alerts_stand_at_the_system_file_as_the_repository_knows_it(self, world: Any, tmp_path: Path) -> None:
        (tmp_path / "policies").mkdir()
        content = json.loads(json.dumps(make.SYSTEM)) | {"attestations": []}
        (tmp_path / "policies" / "mine.yaml").write_text(yaml.safe_dump(content))
        assert self.gate(world.uri, tmp_path, "--system", "policies/mine.yaml").exit_code == 1
        result = json.loads((tmp_path / "gate.sarif").read_text())["runs"][0]["results"][0]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "policies/mine.yaml"

    def test_a_report_that_cannot_be_written_is_no_yes(self, world: Any, tmp_path: Path) -> None:
        said = self.gate(world.uri, tmp_path / "nowhere")
        assert said.exit_code == 2
        assert "the report cannot be written" in said.output


class TestPolicyFolder:
    def test_a_model_that_no_system_names_is_told_what_to_do(self, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "policies").mkdir()
        monkeypatch.setenv("AIMS_POLICY_DIR", str(tmp_path / "policies"))
        for said_, words in (("block", "unlisted models are blocked"), ("allow", "leaves unlisted models alone")):
            (tmp_path / "policies" / "organisation.yaml").write_text(f"version: 1\nunlisted_models: {said_}\n")
            content = json.loads(aims("gate", world.uri, "--json").stdout)
            assert (content["verdict"], content["blockers"][0]["code"]) == ("undecided", "no_system")
            assert words in content["blockers"][0]["reason"]
            assert "system.model: golden" in content["blockers"][0]["fix"]
            assert aims("promote", world.uri, "champion").exit_code == 2
        assert world.alias() is None

    def test_the_organisation_tightens_what_the_system_allows(self, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "policies"
        folder.mkdir()
        content = json.loads(json.dumps(make.SYSTEM))
        content["system"]["model"] = "golden"
        (folder / "golden.yaml").write_text(yaml.safe_dump(content))
        monkeypatch.setenv("AIMS_POLICY_DIR", str(folder))
        (folder / "organisation.yaml").write_text("version: 1\ndefault_tier: low\n")
        assert aims("gate", world.uri).exit_code == 0
        asked = "requirements: [{check: performance, metric: roc_auc_score, max: 0.5}]"
        (folder / "organisation.yaml").write_text(f"version: 1\ndefault_tier: low\n{asked}\n")
        said = aims("gate", world.uri, "--json")
        assert said.exit_code == 1
        assert "asked: at most 0.5" in said.output


class TestPromote:
    def test_yes(self, world: Any) -> None:
        said = aims("promote", world.uri, "champion", "--json")
        assert said.exit_code == 0, said.output
        assert json.loads(said.stdout)["verdict"] == "allowed"
        assert world.alias() == world.version.version

    def test_no_shows_every_line(self, world: Any) -> None:
        promotion.remove_the_bundle(world)
        said = aims("promote", world.uri, "champion")
        assert said.exit_code == 1
        assert said.output.count("MISSING") >= 11
        assert world.alias() is None


class TestVerify:
    def test_a_file_needs_no_server(self) -> None:
        said = aims("verify", str(TESTS / "golden" / "bundles" / "good-bundle.dsse.json"), "--key", make.key().id)
        assert said.exit_code == 0, said.output
        assert said.stdout.startswith("HOLDS")
        assert make.key().id in said.output

    @pytest.mark.parametrize("path", sorted((TESTS / "golden" / "bundles").glob("bad-*")), ids=lambda p: p.name)
    def test_each_bad_file_is_a_no(self, path: Path) -> None:
        said = aims("verify", str(path), "--json")
        assert said.exit_code == 1
        assert json.loads(said.stdout)["holds"] is False

    def test_another_key_than_asked_for_is_a_no(self) -> None:
        assert aims("verify", str(TESTS / "golden" / "bundles" / "good-bundle.dsse.json"), "--key", "a" * 64).exit_code == 1

    def test_a_run_is_compared_with_its_model(self, world: Any) -> None:
        said = aims("verify", world.run_id)
        assert said.exit_code == 0, said.output
        assert "2 files as evaluated" in said.output
        promotion.add_a_file(world)
        said = aims("verify", world.run_id)
        assert said.exit_code == 1
        assert "added extra.py" in said.output

    def test_a_bundle_of_another_run_is_a_no(self, world: Any) -> None:
        other = promotion.trained(world.store)
        world.store.write(world.run_id, BUNDLE_PATH, other.store.read(other.run_id, BUNDLE_PATH))
        said = aims("verify", world.run_id)
        assert said.exit_code == 1
        assert "not of this one" in said.output

    def test_a_decision_is_verified_too(self, world: Any, tmp_path: Path) -> None:
        world.promote()
        (recorded,) = recorded_decisions(world.run_id, world.store)
        (tmp_path / "decision.json").write_bytes(world.store.read(world.run_id, recorded.path))
        content = json.loads(aims("verify", str(tmp_path / "decision.json"), "--json").stdout)
        assert (content["kind"], content["holds"]) == ("decision", True)

    def test_what_is_not_there_could_not_be_read(self, mlflow_home: str) -> None:
        assert mlflow_home
        assert aims("verify", "0" * 32).exit_code == 2
        assert aims("verify", "./no/such/file").exit_code == 2


class TestKeys:
    def test_show_names_the_development_key(self) -> None:
        said = aims("keys", "show")
        assert said.exit_code == 0
        assert signing_key().id in said.output
        assert "development key" in said.output
        assert json.loads(aims("keys", "show", "--json").stdout)["signing"]["development"] is True

    def test_new_makes_a_pair_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "release.pem"
        said = aims("keys", "new", str(path))
        assert said.exit_code == 0
        monkeypatch.setenv("AIMS_SIGNING_KEY", str(path))
        assert signing_key().id in said.output
        assert "PRIVATE" not in said.output
        again = aims("keys", "new", str(path))
        assert again.exit_code == 2
        assert "exists already" in again.output
