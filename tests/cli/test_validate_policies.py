"""``aims validate`` on what belongs together: a system under its organisation, an organisation file, a whole policy folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aims_mlflow.cli import main
from aims_mlflow.policy.schema import organisation_schema_text

EXAMPLE = Path(__file__).parents[2] / "examples" / "aims.yaml"
ORGANISATION = """\
version: 1
organisation: {name: Example Bank}
systems: {credit-example: limited}
gate: {protects: [canary]}
requirements: [{check: performance, metric: accuracy_score, min: 0.6}]
"""


def aims(*args: str) -> Result:
    return CliRunner().invoke(main, ["validate", *args])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy folder: the example's system file and an organisation file."""
    (tmp_path / "credit-example.yaml").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "organisation.yaml").write_text(ORGANISATION)
    return tmp_path


def lines_of(content: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {line["line"]: (line["value"], line["origin"]) for line in content["effective"]}


class TestSystem:
    def test_the_effective_policy_is_shown_with_the_origin_of_each_line(self, folder: Path) -> None:
        done = aims(str(folder / "credit-example.yaml"))
        assert (done.exit_code, done.stderr) == (0, "")
        assert f"The effective policy, under {folder / 'organisation.yaml'}" in done.stdout
        for words in ("organisation.yaml line 5", "credit-example.yaml line", "tier limited", "default", "accuracy_score"):
            assert words in done.stdout

    def test_machines_get_the_lines_and_the_digest_that_decisions_carry(self, folder: Path) -> None:
        content = json.loads(aims(str(folder / "credit-example.yaml"), "--json").stdout)
        lines = lines_of(content)
        assert (content["tier"], content["organisation"]) == ("limited", str(folder / "organisation.yaml"))
        assert lines["gate.protects"][0] == "champion, production, canary"
        assert lines["performance.accuracy_score"] == ("at least 0.6 (critical)", "organisation.yaml line 5")
        assert lines["tier"] == ("limited", "organisation.yaml line 3")
        alone = json.loads(aims(str(EXAMPLE), "--json").stdout)
        assert alone["organisation"] is None
        assert alone["sha256"] != content["sha256"]
        assert all("organisation.yaml" not in origin for _, origin in lines_of(alone).values())

    def test_another_organisation_file_can_be_named(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        other = tmp_path_factory.mktemp("other") / "group.yaml"
        other.write_text("version: 1\ndefault_tier: low\n")
        content = json.loads(aims(str(folder / "credit-example.yaml"), "--organisation", str(other), "--json").stdout)
        assert (content["tier"], content["organisation"]) == ("low", str(other))

    def test_the_policy_folder_of_the_environment_comes_first(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path_factory.mktemp("other")
        (other / "organisation.yaml").write_text("version: 1\ndefault_tier: low\n")
        monkeypatch.setenv("AIMS_POLICY_DIR", str(other))
        assert json.loads(aims(str(folder / "credit-example.yaml"), "--json").stdout)["tier"] == "low"

    def test_a_looser_line_is_a_mistake_in_the_system_file(self, folder: Path) -> None:
        (folder / "organisation.yaml").write_text(ORGANISATION.replace("accuracy_score, min: 0.6", "roc_auc_score, min: 0.9"))
        done = aims(str(folder / "credit-example.yaml"))
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"{folder / 'credit-example.yaml'}:39:5" in done.stderr
        assert "organisation.yaml line 5" in done.stderr
        assert json.loads(aims(str(folder / "credit-example.yaml"), "--json").stdout)["mistakes"][0]["line"] == 39

    def test_a_mistake_of_the_organisations_is_told_as_such(self, folder: Path) -> None:
        (folder / "organisation.yaml").write_text("version: 1\nteirs: {}\n")
        done = aims(str(folder / "credit-example.yaml"), "--json")
        assert done.exit_code == 1
        assert json.loads(done.stdout)["file"] == str(folder / "organisation.yaml")

    def test_an_organisation_file_that_is_not_there_is_undecided(self, folder: Path) -> None:
        assert aims(str(folder / "credit-example.yaml"), "--organisation", str(folder / "gone.yaml")).exit_code == 2


class TestOrganisation:
    @pytest.mark.parametrize("name", ["organisation.yaml", "group.yaml"], ids=["by-name", "by-its-keys"])
    def test_it_is_known_and_its_tiers_are_shown(self, folder: Path, name: str) -> None:
        (folder / name).write_text(ORGANISATION)
        done = aims(str(folder / name))
        assert (done.exit_code, done.stderr) == (0, "")
        for words in ("Example Bank", "limited", "system.owner", "at most 365 (tier low)", "performance.accuracy_score"):
            assert words in done.stdout
        content = json.loads(aims(str(folder / name), "--json").stdout)
        assert content["valid"] is True
        assert set(content["tiers"]) == {"low", "limited", "high"}

    def test_its_mistakes_are_listed(self, folder: Path) -> None:
        (folder / "organisation.yaml").write_text("version: 1\nteirs: {}\n")
        done = aims(str(folder / "organisation.yaml"))
        assert done.exit_code == 1
        assert "the organisation file has a mistake" in done.stderr
        assert "did you mean 'tiers'?" in done.stderr

    def test_its_schema_is_printed(self) -> None:
        assert aims("--organisation-schema").stdout == organisation_schema_text()


class TestFolder:
    def test_a_right_one_lists_its_systems(self, folder: Path) -> None:
        done = aims(str(folder))
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout.startswith(f"OK  {folder}: 1 system, organisation.yaml.")
        assert "credit-example" in done.stdout
        content = json.loads(aims(str(folder), "--json").stdout)
        assert (content["valid"], content["wrong"], content["unlisted_models"]) == (True, [], "block")
        assert lines_of(content["systems"]["credit-example"])["gate.protects"][0] == "champion, production, canary"

    def test_everything_that_is_wrong_is_told(self, folder: Path) -> None:
        (folder / "broken.yaml").write_text("version: [")
        (folder / "overlooked.yml").write_text("version: 1")
        done = aims(str(folder))
        assert done.exit_code == 1
        assert "broken.yaml" in done.stderr
        assert "overlooked.yml" in done.stderr
        wrong = json.loads(aims(str(folder), "--json").stdout)["wrong"]
        assert [Path(one["file"]).name for one in wrong] == ["broken.yaml", "overlooked.yml"]
        assert wrong[0]["mistakes"]

    def test_a_system_that_contradicts_its_organisation_is_told(self, folder: Path) -> None:
        (folder / "organisation.yaml").write_text(ORGANISATION.replace("accuracy_score, min: 0.6", "roc_auc_score, min: 0.9"))
        done = aims(str(folder))
        assert done.exit_code == 1
        assert "at least 0.7 is looser than at least 0.9" in done.stderr

    def test_two_systems_of_one_model_are_told(self, folder: Path) -> None:
        (folder / "twin.yaml").write_text(EXAMPLE.read_text().replace("id: credit-example", "id: twin"))
        done = aims(str(folder))
        assert done.exit_code == 1
        assert "the model 'credit-example' is named by credit-example.yaml, twin.yaml" in done.stderr

    def test_what_looks_like_a_slip_is_noted(self, folder: Path) -> None:
        (folder / "organisation.yaml").write_text("version: 1\nunlisted_models: allow\nsystems: {credit-exampel: low}\n")
        (folder / "credit-example.yaml").write_text(EXAMPLE.read_text().replace("  model: credit-example\n", ""))
        notes = json.loads(aims(str(folder), "--json").stdout)["notes"]
        assert "organisation.yaml line 3: no system file here declares the system credit-exampel" in notes[0]
        assert "credit-example.yaml: name no model" in notes[1]

    def test_an_empty_one_and_one_that_is_not_there_are_undecided(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "gone"):
            done = aims(str(path))
            assert done.exit_code == 2
            assert done.stderr.startswith("Error: ")
