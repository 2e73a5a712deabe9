"""``aims lineage`` on the command line: the tree, JSON and SVG, files, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from aims_mlflow.cli import main
from aims_mlflow.store import Store
from tests.lineages import conftest as lineages


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def world(mlflow_home: str) -> Any:
    import mlflow

    return lineages.World(Store(), mlflow.MlflowClient())


def test_the_tree_says_how_each_link_holds(world: Any) -> None:
    base = world.train("base")
    made = world.train("credit", parents=((base.version.uri, "tuned from", base.sha256),))
    world.store.set_alias("credit", "champion", "1")
    said = aims("lineage", "models:/credit@champion")
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert lines[0] == "version models:/credit/1 (holds champion)"
    assert any("registered as STRONG: model " + made.model in line for line in lines)
    assert any("source of train WEAK: source https://example.org/loans" in line and "by the address only" in line for line in lines)
    assert any("tuned from STRONG: version models:/base/1" in line for line in lines)
    assert "10 links: 9 strong, 1 weak. No link is broken." in lines
    assert "\x1b" not in said.stdout, "no colours where nobody looks at a terminal"


def test_broken_links_end_with_one(world: Any) -> None:
    made = world.train()
    (made.folder / "weights").write_bytes(b"other")
    said = aims("lineage", made.version.uri)
    assert said.exit_code == 1
    assert "registered as BROKEN" in said.stdout
    assert "changed weights" in said.stdout
    assert "The lineage is broken." in said.stdout


def test_what_cannot_be_read_ends_with_two(mlflow_home: str) -> None:
    for uri in ("models:/nobody/1", "nobody"):
        said = aims("lineage", uri)
        assert said.exit_code == 2
        assert said.stderr.startswith("Error: ")
        assert not said.stdout


def test_json_and_svg_are_one_document_each(world: Any, tmp_path: Path) -> None:
    made = world.train()
    content = json.loads(aims("lineage", made.version.uri, "--json").stdout)
    assert content == json.loads(aims("lineage", made.version.uri, "--format", "json").stdout)
    assert content["format"] == "aims-mlflow lineage 1"
    assert {node["id"] for node in content["nodes"]} >= {edge[end] for edge in content["edges"] for end in ("start", "end")}
    assert content["subject"] in {node["id"] for node in content["nodes"]}
    drawn = aims("lineage", made.version.uri, "--format", "svg").stdout
    lineages.drawn.read(drawn, plain=12.0)
    for form in ("json", "svg", "tree"):
        out = tmp_path / f"lineage.{form}"
        said = aims("lineage", made.version.uri, "--format", form, "--out", str(out))
        assert (said.exit_code, said.stdout) == (0, "")
    assert json.loads((tmp_path / "lineage.json").read_text()) == content
    assert ElementTree.parse(tmp_path / "lineage.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file
    assert (tmp_path / "lineage.tree").read_text() == aims("lineage", made.version.uri).stdout


def test_keys_and_files_that_do_not_do(world: Any, tmp_path: Path) -> None:
    made = world.train()
    assert aims("lineage", made.version.uri, "--key", "0" * 64).exit_code == 1
    said = aims("lineage", made.version.uri, "--out", str(tmp_path / "no" / "such" / "folder"))
    assert said.exit_code == 2
    assert "choose a file you may write" in said.stderr


def test_hostile_names_are_spelled_out(world: Any) -> None:
    made = world.train(parents=(("hf://\x1b[31mred\u202e", "tuned\x1b[0m from", ""),))
    said = aims("lineage", made.version.uri)
    assert "\x1b" not in said.stdout
    assert "\u202e" not in said.stdout
    assert "\\u001b[31mred\\u202e" in said.stdout
