"""The examples, run as a newcomer runs them: scripts in a folder of their own, under version control."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.full import only_full

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the examples, committed to git."""
    here = tmp_path_factory.mktemp("examples")
    for file in EXAMPLES.iterdir():
        if file.suffix in (".py", ".yaml"):
            shutil.copy(file, here)
    (here / ".gitignore").write_text("mlflow.db*\nmlruns/\nrecord.*\nhome/\n__pycache__/\n")
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "start"],
    ):
        subprocess.run(["git", *command], cwd=here, check=True)
    return here


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    ours = {"AIMS_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}
    return subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, env={**os.environ, **ours})


@only_full  # the demo, which test_packaging runs, goes the same way
def test_train_promote_and_summarise(folder: Path) -> None:
    trained = run(folder, "01_train.py")
    assert trained.returncode == 0, trained.stderr
    assert "beyond training" in trained.stdout + trained.stderr
    promoted = run(folder, "02_promote.py")
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    assert "is champion now" in promoted.stdout
    summarised = run(folder, "03_summarise.py")
    assert summarised.returncode == 0, summarised.stderr
    assert (folder / "record.html").exists()


@only_full
def test_without_the_decorator(folder: Path) -> None:
    logged = run(folder, "04_without_the_decorator.py")
    assert logged.returncode == 0, logged.stderr
    assert "beyond training" in logged.stderr
    assert "under aims/" in logged.stdout


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_is_under_forty_lines(script: Path) -> None:
    assert len(script.read_text().splitlines()) < 40
