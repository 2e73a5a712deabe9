"""The direction of imports, and the words we do not use: what the layout promises, read off the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WINGS = ("hooks", "checks")


def sources(folder: str) -> Iterator[Path]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        if not any((ROOT / "aims_mlflow" / wing) in path.parents for wing in WINGS):  # links to the wings
            yield path


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return names | {f.module or "" for f in froms} | {f"{f.module}.{a.name}" for f in froms for a in f.names}


CORE = [p for p in sources("aims_mlflow") if p != ROOT / "aims_mlflow" / "__init__.py"]


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_imports_no_wing_and_only_the_store_knows_the_client(path: Path) -> None:
    names = imported(path)
    assert not {n for n in names if n.startswith(("aims_mlflow.hooks", "aims_mlflow.checks"))}
    if (ROOT / "aims_mlflow" / "store") not in path.parents:
        assert "MlflowClient" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", [*sources("checks"), *sources("aims_mlflow/measuring")], ids=lambda p: str(p.relative_to(ROOT)))
def test_checks_know_neither_mlflow_nor_hooks(path: Path) -> None:
    assert not {n for n in imported(path) if n.split(".")[0] == "mlflow" or n.startswith(("aims_mlflow.hooks", "aims_mlflow.store"))}


@pytest.mark.parametrize("path", list(sources("hooks")), ids=lambda p: p.name)
def test_hooks_know_no_check(path: Path) -> None:
    assert not {n for n in imported(path) if n.startswith("aims_mlflow.checks") or n.split(".")[0] in WINGS}


@pytest.mark.parametrize("path", [*CORE, *sources("checks"), *sources("hooks")], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_is_one_room(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}


@pytest.mark.parametrize(
    "path",
    [p for p in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "aims_mlflow").rglob("*.j2"), *CORE] if p.is_file()],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_nothing_claims_that_anybody_conforms(path: Path) -> None:
    assert not re.search(r"\bcompliant\b", path.read_text("utf-8"), re.IGNORECASE)
