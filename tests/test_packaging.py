"""The wheel: one top-level package with both wings, and a demo that runs where nothing else of ours is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files of a checkout as git knows them."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().split("\0"):
        origin = ROOT / name
        if name and (origin.is_file() or origin.is_symlink()):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            if origin.is_symlink():
                (source / name).symlink_to(os.readlink(origin))
            else:
                (source / name).write_bytes(origin.read_bytes())
    made = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return next(out.glob("*.whl"))


def test_the_only_top_level_package_is_aims_mlflow_with_both_wings(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"aims_mlflow"}
    for wanted in (
        "aims_mlflow/py.typed",
        "aims_mlflow/checks/fairness.py",
        "aims_mlflow/hooks/tracking.py",
        "aims_mlflow/data/german_credit.csv",
        "aims_mlflow/data/aims.schema.json",
        "aims_mlflow/data/bundle.schema.json",
        "aims_mlflow/demo/aims.yaml",
    ):
        assert wanted in names
    modules = {str(p.relative_to(ROOT)) for folder in ("aims_mlflow", "checks", "hooks") for p in (ROOT / folder).rglob("*.py")}
    expected = {("aims_mlflow/" + m) if not m.startswith("aims_mlflow/") else m for m in modules}
    assert expected == {name for name in names if name.endswith(".py")}


def test_every_data_file_of_the_tree_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "aims_mlflow"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    missing = [name for name in tracked if name and not (ROOT / name).is_symlink() and name not in names]
    assert missing == []


def test_the_wheel_runs_the_demo_in_an_environment_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """A new environment gets the wheel by pip; the libraries it depends on are lent from this one, without our own checkout."""
    home = tmp_path / "env"
    venv.create(home, with_pip=True, symlinks=True)
    python = home / "bin" / "python"
    site = next((home / "lib").glob("python*/site-packages"))
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")  # its own .pth files, and so our checkout, are not read
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MLFLOW", "AIMS"))}
    where = subprocess.run(
        [str(python), "-c", "import aims_mlflow; print(aims_mlflow.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=clean,
    )
    assert str(home) in where.stdout
    ran = subprocess.run(
        [str(home / "bin" / "aims"), "demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**clean, "AIMS_HOME": str(tmp_path / "aims")},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "aims-demo" / "record.html").exists()


def test_the_import_loads_no_library(tmp_path: Path) -> None:
    heavy = ["mlflow", "pandas", "numpy", "sklearn", "great_expectations", "evidently", "fairlearn", "scipy", "pydantic"]
    script = f"import sys, aims_mlflow; print(sorted(set({heavy}) & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.strip() == "[]"


def test_every_name_of_the_face_can_be_had() -> None:
    import aims_mlflow

    assert set(aims_mlflow.__all__) <= set(dir(aims_mlflow))
    for name in aims_mlflow.__all__:
        assert getattr(aims_mlflow, name) is not None
    with pytest.raises(AttributeError, match="nobody"):
        _ = aims_mlflow.nobody


def test_no_exported_name_is_also_a_module() -> None:
    import pkgutil

    import aims_mlflow

    modules = {m.name for m in pkgutil.iter_modules(aims_mlflow.__path__)}
    assert modules & set(aims_mlflow.__all__) == set()


@pytest.mark.parametrize("first", ["mlflow", "aims_mlflow"])
@pytest.mark.parametrize(
    ("said", "on"), [({}, False), ({"MLFLOW_DISABLE_TELEMETRY": "false", "DO_NOT_TRACK": "false"}, True)], ids=["unset", "wanted"]
)
def test_mlflows_telemetry_is_off_whatever_is_imported_first(first: str, said: dict[str, str], on: bool, tmp_path: Path) -> None:
    """MLflow reads its switch when it is imported, and is silent by itself in CI and under pytest: neither shows here."""
    quiet = ("CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "MLFLOW_TESTING")
    env = {name: value for name, value in os.environ.items() if name not in quiet} | said
    second = {"mlflow": "aims_mlflow", "aims_mlflow": "mlflow"}[first]
    script = (
        f"import {first}, {second}; from mlflow.telemetry.client import get_telemetry_client; print(get_telemetry_client() is not None)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    assert ran.stdout.strip() == str(on)
