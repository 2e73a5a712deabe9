"""``aims``: help without imports, errors without tracebacks, and the exit codes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner

import aims_mlflow
from aims_mlflow.cli import COMMANDS, main
from aims_mlflow.errors import PromotionBlocked, StoreError


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from aims_mlflow.cli import main;"
        "print(CliRunner().invoke(main, ['--help']).stdout);"
        "heavy = {'pandas', 'mlflow', 'sklearn', 'rich', 'pydantic', 'great_expectations'};"
        "print('imported:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.rstrip().endswith("imported: []")
    for name, what in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert what.split()[0] in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_it_does(name: str) -> None:
    command = importlib.import_module(f"aims_mlflow.cli.{name}").command
    assert isinstance(command, click.Command)
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: main {name} ")


def test_no_command_is_left_out_of_the_table() -> None:
    modules = {path.stem for path in (Path(aims_mlflow.__file__).parent / "cli").glob("*.py") if not path.stem.startswith("_")}
    assert modules == set(COMMANDS)


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    done = CliRunner().invoke(main, ["valdiate"])
    assert done.exit_code == 2
    assert "did you mean 'validate'?" in done.stderr


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"aims, version {aims_mlflow.__version__}\n"


class Decision:
    def __init__(self, decided: bool) -> None:
        self.decided = decided


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (StoreError("MLflow did not answer", where="http://x", fix="start it"), 2, "Error: MLflow did not answer (http://x) Fix: start it"),
        (PromotionBlocked("no", decision=Decision(True)), 1, "Error: no"),
        (PromotionBlocked("cannot tell", decision=Decision(False)), 2, "Error: cannot tell"),
        (PromotionBlocked("cannot tell"), 2, "Error: cannot tell"),
        (KeyError("secret"), 2, "something unforeseen happened (KeyError)"),
        (KeyboardInterrupt(), 2, "stopped before there was an answer"),
        (click.Abort(), 2, "stopped before there was an answer"),
    ],
)
def test_what_is_raised_becomes_a_line_and_an_exit_code(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aims_mlflow.cli import controls

    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.delenv("AIMS_DEBUG", raising=False)
    monkeypatch.setattr(controls.command, "callback", fails)
    done = CliRunner().invoke(main, ["controls"])
    assert done.exit_code == code
    assert words in done.stderr
    assert "secret" not in done.output
    assert "Traceback" not in done.output


def test_the_module_runs_as_the_program_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aims_mlflow.cli", "controls", "A.99"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: unknown control 'A.99'")
