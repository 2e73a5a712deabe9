"""What a run stood on: code, packages, machine, seeds."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.capture import environment, ranks


def git(folder: Path, *words: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=folder, env=clean, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def training(tmp_path: Path) -> tuple[Path, Callable[..., Any]]:
    """A git repository with one committed module, and the function in it."""
    git(tmp_path, "init", "-q")
    file = tmp_path / "training_code.py"
    file.write_text("def train(frame):\n    return frame\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    spec = importlib.util.spec_from_file_location("training_code", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return file, module.train


def test_a_committed_file_is_a_clean_commit(training: tuple[Path, Callable[..., Any]]) -> None:
    file, train = training
    code = environment.code_of(train)
    assert (code.kind, code.dirty) == ("git", False)
    assert code.reference == git(file.parent, "rev-parse", "HEAD")
    assert code.source_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert code.entry == "training_code:train"


def test_an_untracked_file_beside_it_leaves_it_clean_and_a_change_makes_it_dirty(training: tuple[Path, Callable[..., Any]]) -> None:
    file, train = training
    (file.parent / "mlflow.db").write_text("")
    assert environment.code_of(train).dirty is False
    file.write_text(file.read_text() + "# changed\n")
    assert environment.code_of(train).dirty is True


def test_code_that_is_not_in_the_commit_is_dirty(training: tuple[Path, Callable[..., Any]]) -> None:
    file, _ = training
    other = file.with_name("scratch.py")
    other.write_text("x = 1\n")
    assert environment.code_of(None, str(other)).dirty is True


def test_partial_functions_and_wrapped_ones_stand_for_the_function_inside(training: tuple[Path, Callable[..., Any]]) -> None:
    _, train = training

    @functools.wraps(train)
    def wrapped(*args: Any) -> Any:
        return train(*args)

    assert environment.code_of(functools.partial(train, 1)) == environment.code_of(train)
    assert environment.code_of(wrapped) == environment.code_of(train)


def test_git_starts_nothing_of_the_repositorys(training: tuple[Path, Callable[..., Any]]) -> None:
    file, train = training
    ran = file.parent / "ran"
    program = file.parent / ".git" / "spy"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    git(file.parent, "config", "core.fsmonitor", str(program))
    git(file.parent, "config", "core.pager", str(program))
    assert environment.code_of(train).kind == "git"
    assert not ran.exists()


def test_variables_of_another_repository_do_not_mislead(
    training: tuple[Path, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file, train = training
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    assert environment.code_of(train).reference == git(file.parent, "rev-parse", "HEAD")


def test_code_of_an_installed_package_is_its_distribution() -> None:
    code = environment.code_of(pytest.raises)
    assert code.kind == "distribution"
    assert code.reference.startswith("pytest==")
    assert code.dirty is None


def test_code_without_repository_or_package_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lone = tmp_path / "lone.py"
    lone.write_text("x = 1\n")
    assert environment.code_of(None, str(lone)).kind == "unknown"
    monkeypatch.setenv("PATH", "")
    assert environment.code_of(test_code_without_repository_or_package_is_unknown).kind == "unknown"
    assert environment.code_of(None).source_sha256 == ""


def test_packages_are_those_imported_and_the_digest_covers_the_rest() -> None:
    found = environment.packages()
    assert found["pytest"] == pytest.__version__
    assert found[environment.ENVIRONMENT_DIGEST].startswith("sha256:")
    assert len(found[environment.ENVIRONMENT_DIGEST]) == len("sha256:") + 64


def test_hardware_names_cores_memory_and_python() -> None:
    found = environment.hardware()
    assert int(found["cores"]) >= 1
    assert int(found["memory_bytes"]) > 1e8
    assert str(found["python"]).endswith(sys.version.split()[0])


def test_seeds_are_those_that_can_be_seen(fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    found = environment.seeds(fitted.pipeline, {"seed": 3, "frame": "x", "my_seed": None})
    assert found["estimator.model__random_state"] == "0"
    assert found["argument.seed"] == "3"
    assert found["PYTHONHASHSEED"] == "7"
    assert "argument.my_seed" not in found
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert "PYTHONHASHSEED" not in environment.seeds()


def test_an_estimator_that_refuses_to_tell_has_no_seeds() -> None:
    class Stubborn:
        def get_params(self) -> dict[str, Any]:
            raise RuntimeError

    assert not any(name.startswith("estimator") for name in environment.seeds(Stubborn()))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, ranks.ALONE),
        ({"RANK": "3", "WORLD_SIZE": "4"}, (3, 4)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, ranks.ALONE),
        ({"RANK": "4", "WORLD_SIZE": "4"}, ranks.ALONE),
        ({"RANK": "first", "WORLD_SIZE": "4"}, ranks.ALONE),
        ({"RANK": "1"}, ranks.ALONE),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2)),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2)),
    ],
    ids=["alone", "torchrun", "one", "too high", "a word", "half", "open mpi", "mpich"],
)
def test_a_launcher_says_which_process_this_is(told: dict[str, str], found: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (name for pair in ranks.VARIABLES for name in pair):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert ranks.rank() == found
    assert environment.hardware().get("processes", 1) == found[1]
