"""``aims controls``: the catalogue on the screen and for machines."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from aims_mlflow import controls as catalogue
from aims_mlflow.cli import main


def aims(*args: str) -> Result:
    return CliRunner().invoke(main, ["controls", *args])


def test_all_controls_are_listed_and_the_fourteen_explained() -> None:
    done = aims()
    assert done.exit_code == 0
    for one in catalogue.controls():
        assert one.id in done.stdout
        assert one.short_title in done.stdout
    for words in ("A run shows", "A person must say", "PASS means", "FAIL means", "MISSING means"):
        assert done.stdout.count(words) == 14


@pytest.mark.parametrize("id_", catalogue.control_ids())
def test_one_control_is_explained(id_: str) -> None:
    done = aims(id_)
    one = catalogue.control(id_)
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    for said in (one.title, one.guidance.person, one.guidance.passes, one.guidance.missing, one.guidance.auditor):
        assert all(word in text for word in said.split())


def test_the_id_may_be_written_small() -> None:
    assert aims("a.7.4").stdout == aims("A.7.4").stdout


def test_an_unknown_id_is_answered_with_the_nearest() -> None:
    done = aims("A.7.44")
    assert done.exit_code == 2
    assert "did you mean 'A.7.4'?" in done.stderr
    assert done.stdout == ""


def test_machines_get_json() -> None:
    everything = json.loads(aims("--json").stdout)
    assert {key: len(rows) for key, rows in everything.items()} == {"controls": 38, "objectives": 11, "risk_sources": 7, "clauses": 23}
    one = json.loads(aims("A.6.2.7", "--json").stdout)
    assert one["nist"][0] == {"id": "MAP 2.2", "official": True}
    assert one["guidance"]["told_by"] == "run"
