"""The CI examples: they parse, and the commands of their steps run as written, against a real sqlite MLflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from aims_mlflow.promotion import recorded_decisions
from aims_mlflow.signing import new_key
from aims_mlflow.store import Store
from tests.golden import make
from tests.promotion import test_moving as promotion

ROOT = Path(__file__).parents[2]
CI = ROOT / "examples" / "ci"


def github() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CI / "github-actions.yml").read_text())
    return found


def gitlab() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    return found


class Runner:
    """Runs the commands of steps as a CI server does: in bash, in the checkout, with the environment that the file gives."""

    def __init__(self, home: Path, given: dict[str, str]) -> None:
        self.home = home
        self.added = home / "github-env"
        self.added.write_text("")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ENV": str(self.added),
            "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
            "RUNNER_TEMP": str(home / "temp"),
            **given,
        }
        (home / "temp").mkdir()

    def run(self, command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        added = dict(line.split("=", 1) for line in self.added.read_text().splitlines())
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
            cwd=self.home,
            env={**self.environment, **added, **(environment or {})},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def world(mlflow_home: str) -> Any:
    assert mlflow_home
    return promotion.trained(Store())


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the policies of the golden system; its organisation takes it for a low one."""
    folder = tmp_path / "checkout"
    (folder / "policies").mkdir(parents=True)
    content = json.loads(json.dumps(make.SYSTEM))
    content["system"]["model"] = "golden"
    (folder / "policies" / "golden.yaml").write_text(yaml.safe_dump(content))
    (folder / "policies" / "organisation.yaml").write_text("version: 1\nsystems: {golden: low}\n")
    monkeypatch.chdir(folder)
    return folder


def steps(given: dict[str, str], secrets: dict[str, str]) -> list[tuple[str, str, dict[str, str]]]:
    """Return name, command and environment of each step that runs a command, its expressions filled in."""
    job = github()["jobs"]["gate"]
    known = {f"inputs.{k}": v for k, v in given.items()} | {f"secrets.{k}": v for k, v in secrets.items()}

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{\s*([\w.]+)\s*\}\}", lambda found: known.get(found[1], ""), text)

    common = {name: filled(value) for name, value in job["env"].items() if not name.startswith("MLFLOW_")}
    own = [(step["name"], step["run"], step.get("env", {})) for step in job["steps"] if "run" in step]
    return [(name, run, common | {key: filled(value) for key, value in more.items()}) for name, run, more in own]


class TestGitHub:
    def test_what_people_type_never_becomes_part_of_a_command(self) -> None:
        for step in github()["jobs"]["gate"]["steps"]:
            assert "${{" not in step.get("run", "")

    def test_its_steps_promote_a_model_with_evidence(self, world: Any, checkout: Path, tmp_path: Path, mlflow_home: str) -> None:
        key = new_key(tmp_path / "gate.pem")
        runner = Runner(checkout, {"MLFLOW_TRACKING_URI": mlflow_home, "MLFLOW_REGISTRY_URI": mlflow_home})
        ran = []
        secrets = {"AIMS_GATE_KEY": (tmp_path / "gate.pem").read_text()}
        for name, command, environment in steps({"model_uri": world.uri, "alias": "champion"}, secrets):
            if "pip install" not in command:
                done = runner.run(command, environment)
                assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
                ran.append(name)
        assert ran == ["Bring the gate's key", "Check the policies", "Ask the gate", "Promote"]
        assert world.alias() == world.version.version
        (kept,) = recorded_decisions(world.run_id, world.store)
        assert kept.key_ids == (key.id,)
        assert (checkout / "summary.md").read_text().startswith("## ALLOWED: ")
        assert json.loads((checkout / "gate.sarif").read_text())["runs"][0]["results"] == []
        assert ElementTree.parse(checkout / "gate.xml").getroot().get("failures") == "0"  # noqa: S314 - our own file


class TestGitLab:
    def test_its_jobs_extend_one_that_is_there_and_keep_the_reports(self) -> None:
        jobs = gitlab()
        assert jobs["gate"]["extends"] == jobs["promote"]["extends"] == ".aims"
        assert jobs["promote"]["needs"] == ["gate"]
        assert jobs["gate"]["artifacts"]["when"] == "always"
        assert jobs["gate"]["artifacts"]["reports"]["junit"] in jobs["gate"]["script"][1]

    def test_its_gate_stops_a_model_without_evidence_and_still_reports(self, world: Any, checkout: Path, mlflow_home: str) -> None:
        promotion.remove_the_bundle(world)
        jobs = gitlab()
        given = {name: str(value) for name, value in jobs["variables"].items() if name != "PIP_CACHE_DIR"} | {"MODEL_URI": world.uri}
        runner = Runner(checkout, {**given, "MLFLOW_TRACKING_URI": mlflow_home, "MLFLOW_REGISTRY_URI": mlflow_home})
        done = runner.run("\n".join(jobs["gate"]["script"]))
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stdout.startswith("OK  policies: 1 system, organisation.yaml.")
        assert "## DENIED" in (checkout / "gate.md").read_text()
        assert int(ElementTree.parse(checkout / "gate.xml").getroot().get("failures", "0")) >= 11  # noqa: S314 - our own file
        assert world.alias() is None


@pytest.mark.parametrize("path", sorted(CI.glob("*.yml")), ids=lambda path: path.name)
def test_every_aims_command_and_option_that_an_example_uses_is_there(path: Path) -> None:
    from aims_mlflow.cli import main

    used = re.findall(r"aims (validate|gate|promote)\b([^\n]*(?:\n\s+--[^\n]*)*)", path.read_text())
    assert {name for name, _ in used} == {"validate", "gate", "promote"}
    for name, rest in used:
        command = main.get_command(None, name)  # type: ignore[arg-type] - the group does not look at it
        options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[union-attr] - it is there
        assert set(re.findall(r"--[a-z-]+", rest)) <= options


@pytest.mark.parametrize("path", sorted(CI.glob("*.yml")), ids=lambda path: path.name)
def test_no_example_names_an_address(path: Path) -> None:
    assert not re.search(r"https?://|index-url|registry\.", path.read_text())
    assert shutil.which("bash")
