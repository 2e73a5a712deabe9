"""``aims validate``: 0 for a file that is right, 1 with every mistake, 2 for one that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aims_mlflow.cli import main
from aims_mlflow.system_file.schema import schema_text

EXAMPLE = Path(__file__).parents[1] / "data" / "aims.yaml"
WRONG = "version: 1\nsytem: {id: a}\ntask: {kind: regression, target: y}\ndata: {roles: {train: [x]}}\n"


def aims(*args: str) -> Result:
    return CliRunner().invoke(main, ["validate", *args])


def test_a_right_file_is_summed_up() -> None:
    done = aims(str(EXAMPLE))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("OK")
    assert "credit-scoring" in done.stdout
    assert "requirements: 9, of which 9 can block" in done.stdout


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    file.write_text("version: 1\nsystem: {id: a}\ntask: {kind: regression, target: y}\ndata: {roles: {train: x}}\n")
    done = aims(str(file))
    assert done.exit_code == 0
    assert "left out, and so missing evidence: system.owner" in done.stdout


def test_every_mistake_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    file.write_text(WRONG)
    done = aims(str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has 3 mistakes" in done.stderr
    assert f"{file}:2:1  sytem: unknown key 'sytem'. Fix: did you mean 'system'?" in done.stderr
    assert f"{file}:4:23  data.roles.train: text is expected here" in done.stderr


def test_the_usual_name_needs_not_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert aims().exit_code == 2
    (tmp_path / "aims.yaml").write_text(WRONG)
    assert aims().exit_code == 1


def test_a_file_that_cannot_be_read_is_undecided(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.yaml", tmp_path):
        done = aims(str(path))
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: ")
        assert "Traceback" not in done.output


def test_machines_get_json(tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    file.write_text(WRONG)
    wrong = aims(str(file), "--json")
    assert wrong.exit_code == 1
    report = json.loads(wrong.stdout)
    assert report["valid"] is False
    assert report["mistakes"][1] == {
        "line": 2,
        "column": 1,
        "path": "sytem",
        "what": "unknown key 'sytem'",
        "fix": "did you mean 'system'?",
    }
    right = json.loads(aims(str(EXAMPLE), "--json").stdout)
    assert right["valid"] is True
    assert len(right["sha256"]) == 64


def test_answers_that_nobody_asks_for_are_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    answer = "{text: a, by: b, on: 2026-01-01}"
    file.write_text(
        "version: 1\nsystem: {id: a}\ntask: {kind: regression, target: y}\ndata: {roles: {train: x}}\n"
        f"impact: {{answers: {{benefits: {answer}, benifits: {answer}}}}}\n"
    )
    done = aims(str(file))
    assert done.exit_code == 0
    assert "benifits (did you mean 'benefits'?)" in done.stdout
    assert json.loads(aims(str(file), "--json").stdout)["notes"] == [
        "impact.answers: the record asks no question benifits (did you mean 'benefits'?)"
    ]


def test_the_schema_is_printed_for_editors() -> None:
    done = aims("--schema")
    assert done.exit_code == 0
    assert done.stdout == schema_text()
