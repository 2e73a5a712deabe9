"""A real small package of somebody else's with a check of its own: installed with pip, asked for in aims.yaml, judged by the gate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.full import only_full

pytestmark = only_full  # test_writing_a_check goes a similar way with a package of somebody else's

PACKAGE = Path(__file__).parent / "third_party" / "aims_check_k_anonymity"

POLICY = """
version: 1
system: {{id: towns, model: towns}}
task: {{kind: binary_classification, target: y, positive_label: 1}}
data: {{roles: {{train: train, test: test}}, sensitive: [age]}}
requirements:
  - {{check: privacy.k_anonymity, metric: smallest_class, column: age & town, min: {k}}}
  - {{check: quality, metric: completeness, min: 1}}
gate: {{controls: [A.7.4]}}
"""

TRAIN = """
import aims_mlflow as aims
import pandas as pd

class Threshold:
    feature_names_in_ = ("x",)
    classes_ = (0, 1)

    def predict(self, frame):
        return (frame["x"] > 0).astype(int).to_numpy()

def drawn(rows, first):
    x = [(-1) ** at * (first + at + 1.0) for at in range(rows)]
    town = ["canary-one", "canary-two", "canary-three"]
    return pd.DataFrame(
        {"x": x, "y": [int(one > 0) for one in x], "age": [at % 2 for at in range(rows)], "town": [town[at % 3] for at in range(rows)]}
    )

@aims.track("aims.yaml")
def train(train, test):
    return Threshold()

assert isinstance(train(drawn(120, 0), drawn(60, 200)), Threshold)
"""
"""Trains on 120 rows in six classes of 20 people: twenty-anonymous, and no more."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has put the package into, with its metadata, out of reach of any index."""
    source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source)  # setuptools leaves its build folders beside what it builds
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    done = subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in target.glob("*.py")) == ["aims_check_k_anonymity.py"]
    assert len(list(target.glob("*.dist-info/entry_points.txt"))) == 1
    return target


class Project:
    """A folder with an aims.yaml and an MLflow of its own, where commands run with or without the package."""

    def __init__(self, folder: Path, template: Path, site: Path) -> None:
        self.folder, self.site = folder, site
        shutil.copy(template, folder / "mlflow.db")
        (folder / "train.py").write_text(TRAIN)
        self.policy(10)

    def policy(self, k: int) -> None:
        (self.folder / "aims.yaml").write_text(POLICY.format(k=k))

    def run(self, *command: str, package: bool = True) -> subprocess.CompletedProcess[str]:
        uri = f"sqlite:///{self.folder / 'mlflow.db'}"
        ours = {"AIMS_HOME": str(self.folder / "home"), "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "AIMS_CHECKS")}
        path = {"PYTHONPATH": str(self.site)} if package else {}
        return subprocess.run([sys.executable, *command], cwd=self.folder, capture_output=True, text=True, env={**clean, **ours, **path})

    def gate(self, *, package: bool = True) -> tuple[int, Any]:
        """Return the exit code of ``aims gate --json`` and what it says."""
        done = self.run("-m", "aims_mlflow.cli", "gate", "models:/towns/1", "--json", package=package)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path, installed: Path) -> Project:
    """The project, trained once."""
    made = Project(tmp_path_factory.mktemp("project"), _mlflow_template, installed)
    done = made.run("train.py")
    assert done.returncode == 0, done.stderr
    assert "beyond training" in done.stderr
    return made


def lines(said: Any) -> dict[str, Any]:
    return {line["control"]: line for line in said["lines"]}


def test_a_requirement_on_its_check_is_met(project: Project) -> None:
    project.policy(10)
    code, said = project.gate()
    assert (code, said["verdict"]) == (0, "allowed"), said
    assert lines(said)["A.7.4"]["state"] == "pass"
    assert "canary" not in json.dumps(said)


def test_a_stricter_policy_at_the_gate_is_not_met_by_the_same_evidence(project: Project) -> None:
    project.policy(21)
    code, said = project.gate()
    assert (code, said["verdict"]) == (1, "denied")
    line = lines(said)["A.7.4"]
    assert line["state"] == "fail"
    assert "smallest_class by age & town on train is 20 (full count), asked: at least 21" in line["reason"]


def test_without_the_package_the_gate_blocks_and_says_why(project: Project) -> None:
    project.policy(10)
    code, said = project.gate(package=False)
    assert code != 0
    assert said["verdict"] != "allowed"
    told = json.dumps(said)
    assert "privacy.k_anonymity" in told
    assert "install" in told
    assert "AIMS_CHECKS" in told


def test_its_own_file_is_enough_where_the_environment_names_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same module, not installed: a file that AIMS_CHECKS names at the gate."""
    project.policy(10)
    done = project.run(
        "-c",
        "import os; os.environ['AIMS_CHECKS'] = "
        f"{str(PACKAGE / 'aims_check_k_anonymity.py')!r}; from aims_mlflow.cli import main; main(['gate', 'models:/towns/1', '--json'])",
        package=False,
    )
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "allowed"), done.stdout + done.stderr
