"""docs/writing-a-check.md, followed word by word: every block of code in it is a file that is written or a command that is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.full import only_full

PAGE = Path(__file__).parents[1] / "docs" / "writing-a-check.md"
FILES = ["label_agreement.py", "aims.yaml", "train.py", "test_label_agreement.py", "pyproject.toml"]


class Block(NamedTuple):
    """One block of code of the page."""

    language: str
    text: str

    @property
    def file(self) -> str:
        """The name that its first line gives it, "" for commands."""
        return self.text.splitlines()[0].removeprefix("# ") if self.language != "sh" else ""


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)]


class Reader:
    """Somebody who does what the page says, in a folder of their own, offline."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        shutil.copy(template, folder / "mlflow.db")
        for block in BLOCKS:
            if block.file:
                (folder / block.file).write_text(block.text, encoding="utf-8")
        random = np.random.default_rng(0)
        income, debt = random.normal(3, 1, 600), random.normal(1, 1, 600)
        repaid = (income - debt + random.normal(size=600) > 1.5).astype(int)
        second = np.where(np.arange(600) % 40 == 0, 1 - repaid, repaid).astype(float)
        second[np.arange(600) % 2 == 1] = np.nan
        pd.DataFrame({"income": income, "debt": debt, "repaid": repaid, "second_label": second}).to_csv(folder / "loans.csv", index=False)

    def does(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands as they stand; pip installs beside the project, from nowhere but the disk."""
        uri = f"sqlite:///{self.folder / 'mlflow.db'}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIMS", "MLFLOW", "PYTHON", "PYTEST", "PIP"))}
        ours = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AIMS_HOME": str(self.folder / "home"),
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_REGISTRY_URI": uri,
            "PYTHONPATH": str(self.site),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_TARGET": str(self.site),
            "PIP_QUIET": "1",
        }
        return subprocess.run(["sh", "-eu", "-c", commands], cwd=self.folder, env={**kept, **ours}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path) -> Reader:
    """Somebody at the beginning of the page."""
    return Reader(tmp_path_factory.mktemp("reader"), _mlflow_template)


def test_every_block_is_a_file_or_a_command() -> None:
    assert [block.file for block in BLOCKS if block.file] == FILES
    assert [block.language for block in BLOCKS] == ["python", "yaml", "python", "sh", "python", "sh", "toml", "sh"]


@only_full
def test_the_page_can_be_followed(reader: Reader) -> None:
    training, testing, sharing = (block.text for block in BLOCKS if block.language == "sh")
    done = reader.does(training)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ALLOWED" in done.stdout
    assert "A.7.4" in done.stdout
    done = reader.does(testing)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    without = reader.does("aims gate models:/loans/1")
    assert without.returncode == 2
    assert "there is no check 'labels.agreement'" in without.stdout
    assert "AIMS_CHECKS" in without.stdout
    done = reader.does(sharing)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ALLOWED" in done.stdout
