"""``aims summarise``: by id and by file, for people and machines, and what it does where there is nothing."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
from click.testing import CliRunner, Result

from aims_mlflow.cli import main

FILE = """
version: 1
system: {id: loans, name: Loan decisions}
task: {kind: binary_classification, target: y, positive_label: 1}
data: {roles: {train: train, test: test}, sensitive: [sex]}
"""


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["summarise", *arguments])


@pytest.fixture
def file(mlflow_home: str, tmp_path: Path) -> Path:
    path = tmp_path / "aims.yaml"
    path.write_text(FILE)
    return path


def test_by_id_and_by_file_are_the_same(file: Path) -> None:
    by_id, by_file = aims("loans", "--json"), aims(str(file), "--json")
    assert by_id.exit_code == by_file.exit_code == 0, by_id.output
    one, other = (json.loads(result.stdout) for result in (by_id, by_file))
    assert one["system"]["name"] == other["system"]["name"] == "Loan decisions"
    assert [i["what"] for i in one["open_items"]] == [i["what"] for i in other["open_items"]]


def test_people_see_what_is_open_and_where_the_rest_is(file: Path, tmp_path: Path) -> None:
    result = aims("loans", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    for words in ("Loan decisions", "MISSING", "UNDETERMINED", "No run has left evidence", "experiment aims/loans", "not the chance that"):
        assert words in result.stdout, words
    assert (tmp_path / "out" / "record.html").read_text().startswith("<!doctype html>")
    assert mlflow.MlflowClient().get_experiment_by_name("aims/loans") is not None


def test_another_file_can_be_named(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(FILE.replace("Loan decisions", "Other name"))
    assert "Other name" in aims("loans", "--system", str(other)).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("No System!",), "neither a file nor the id"),
        (("nothing.yaml",), "no such system file"),
        (("cards", "--system", "aims.yaml"), "declares the system 'loans'"),
    ],
)
def test_what_cannot_be_made_is_said_with_the_fix(file: Path, arguments: tuple[str, ...], words: str) -> None:
    result = aims(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Fix:" in result.stderr


def test_the_table_of_commands_has_it() -> None:
    found: Any = CliRunner().invoke(main, ["--help"])
    assert "summarise" in found.stdout


def test_days_of_warning_can_be_set(file: Path, tmp_path: Path) -> None:
    due = (date.today() + timedelta(days=40)).isoformat()  # noqa: DTZ011 - a date in a file is local
    file.write_text(FILE + f"impact: {{review_due: {due}}}\n")
    assert "0 overdue, 0 within 30 days" in aims("loans").stdout
    assert "0 overdue, 1 within 50 days" in aims("loans", "--soon", "50").stdout
    assert aims("loans", "--soon", "-1").exit_code == 2


def test_everything_can_be_read_again(file: Path) -> None:
    assert aims("loans", "--fresh").exit_code == 0


def test_a_review_is_written_and_shown(file: Path, tmp_path: Path) -> None:
    result = aims("loans", "--review", "2026-01-01", "2026-03-31", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    for words in ("2026-01-01 to 2026-03-31", "0 versions measured", "none recorded", "not said", "review of loans, 2026-01-01"):
        assert words in result.stdout, words
    assert (tmp_path / "out" / "review.html").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "out" / "record.html").exists()


def test_machines_get_a_review_as_json(file: Path) -> None:
    made = json.loads(aims("loans", "--review", "2026-01-01", "2026-03-31", "--json").stdout)
    assert (made["begin"], made["end"], made["format"]) == ("2026-01-01", "2026-03-31", "aims-mlflow review input 1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("2026-03-31", "2026-01-01"), "before it begins"),
        (("spring", "2026-01-01"), "does not match the format"),
        (("2026-01-01",), "2 arg"),
    ],
    ids=["backwards", "no date", "one date"],
)
def test_a_period_that_is_none_is_refused(file: Path, arguments: tuple[str, ...], words: str) -> None:
    result = aims("loans", "--review", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
