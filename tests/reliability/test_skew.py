"""A server of the oldest MLflow that is claimed and a client of the newest, and the other way round: evidence, gate, log and pages work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server.serving import Server, policies

from .dying import DECLARED

ROOT = Path(__file__).parents[2]
LOCKS = {age: ROOT / f"requirements-mlflow-{age}.lock" for age in ("oldest", "newest")}
FOLDERS = {age: Path(sys.prefix) / f"mlflow-{age}" for age in LOCKS}
"""Where ``make`` puts MLflow's packages, and nothing that they need: that is the environment's own."""

MISMATCH = "ignore:Versions of mlflow"
"""Of the newest, whose small packages were not published when it was locked, MLflow's whole package is taken alone; it says so."""


def wanted(age: str) -> str:
    """Return the version that a lock names."""
    return next(line.split("==")[1].split()[0] for line in LOCKS[age].read_text().splitlines() if line.startswith("mlflow=="))


def path_of(age: str) -> str:
    """Return the path on which that MLflow comes first."""
    assert FOLDERS[age].is_dir(), f"MLflow {wanted(age)} is not installed beside the other: make .venv/ready"
    return os.pathsep.join([str(FOLDERS[age]), str(ROOT)])


def test_the_oldest_is_the_one_that_is_claimed() -> None:
    claimed = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if '"mlflow>=' in line)
    assert f'"mlflow>={wanted("oldest").removesuffix(".0")},<4"' in claimed


@pytest.mark.parametrize(("server_age", "client_age"), [("oldest", "newest"), ("newest", "oldest")], ids=["old server", "new server"])
def test_a_server_and_a_client_of_other_versions(server_age: str, client_age: str, tmp_path: Path) -> None:
    rules = policies(tmp_path / "policies", small={**DECLARED})
    home = {"AIMS_HOME": str(tmp_path / "home")}  # one key for both: the server's gate knows who signed
    env = {"AIMS_POLICY_DIR": str(rules), "PYTHONPATH": path_of(server_age), "PYTHONWARNINGS": MISMATCH, **home}
    server = Server(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", env=env, more=("--app-name", "aims"))
    server.start()
    try:
        told = client(server.uri, client_age, tmp_path, home)
        assert server.ask("GET", "/version").body == wanted(server_age)
        page = server.ask("GET", "/aims/systems/small/")
    finally:
        server.stop()
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
    assert told["mlflow"] == wanted(client_age)
    assert told["tags"]["aims.A.7.4"] == "pass"
    assert told["allowed"] == "set"
    assert told["denied"].startswith("PERMISSION_DENIED")
    assert "left no evidence" in told["denied"]
    assert told["champion"] == "1"
    assert told["autologged"]["aims.system"] == "small"
    assert len(told["found"]) == 2
    assert told["pending"] == 0
    exit_code, audit = told["audit"]
    assert exit_code == 0, audit
    assert page.status == 200
    assert "loans" in page.body


def client(uri: str, age: str, folder: Path, more: dict[str, str]) -> dict[str, Any]:
    """Let a process with the MLflow of that age do everything, and return what it says became of it."""
    here = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    env = {**here, "PYTHONPATH": path_of(age), "PYTHONWARNINGS": MISMATCH, **more}
    command = [sys.executable, "-m", "tests.reliability.skewed", uri]
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told
