"""``aims init``: a file that is right at once, whatever is passed or asked; no data value in it; nothing overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aims_mlflow.cli import main
from aims_mlflow.system import BinnedColumn
from aims_mlflow.system_file import load_system


@pytest.fixture
def data(german: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    german["group, odd: name"] = german["sex"]
    german.to_csv("german.csv", index=False)
    return "german.csv"


def aims(*args: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(main, ["init", *args], input=answers)


PASSED = ("--target", "credit_risk", "--sensitive", "sex,age_group", "--positive-label", "1", "--id", "credit")


def test_what_init_writes_is_valid(data: str) -> None:
    done = aims(data, *PASSED, "--out", "my.yaml")
    assert done.exit_code == 0, done.output
    checked = CliRunner().invoke(main, ["validate", "my.yaml"])
    assert checked.exit_code == 0, checked.output
    system = load_system("my.yaml")
    assert system.id == "credit"
    assert system.task.kind == "binary_classification"
    assert system.task.positive_label == 1
    assert system.data.sensitive == ("sex", "age_group")
    assert "taken for binary_classification" in done.stdout


def test_what_is_not_passed_is_asked(data: str) -> None:
    done = aims(data, answers="my-system\ncredit_risk\n2\nforeign_worker, age_in_years\n25,40\n")
    assert done.exit_code == 0, done.output
    system = load_system("aims.yaml")
    assert system.id == "my-system"
    assert system.task.positive_label == 2
    assert system.data.sensitive == ("foreign_worker", BinnedColumn(column="age_in_years", bins=(25, 40)))


def test_the_positive_label_is_never_guessed(data: str) -> None:
    done = aims(data, "--target", "credit_risk", "--sensitive", "", "--id", "a")
    assert done.exit_code == 2
    assert "pass --positive-label" in done.stderr
    assert not Path("aims.yaml").exists()


def test_a_parquet_file_does_as_well(german: Any, tmp_path: Path) -> None:
    german["good"] = german["credit_risk"] == 1
    german.to_parquet(tmp_path / "german.parquet")
    out = tmp_path / "aims.yaml"
    options = ("--target", "good", "--sensitive", "sex", "--positive-label", "true", "--id", "a", "--out", str(out))
    done = aims(str(tmp_path / "german.parquet"), *options)
    assert done.exit_code == 0, done.output
    assert load_system(out).task.positive_label is True


def test_bins_are_passed_for_numbers(data: str) -> None:
    done = aims(data, "--target", "credit_amount", "--sensitive", "age_in_years", "--bins", "age_in_years=30", "--id", "a")
    assert done.exit_code == 0, done.output
    assert load_system("aims.yaml").data.sensitive == (BinnedColumn(column="age_in_years", bins=(30,)),)
    assert load_system("aims.yaml").task.kind == "regression"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "credit_rsik"), "did you mean 'credit_risk'?"),
        (("--sensitive", "sx"), "did you mean 'sex'?"),
        (("--positive-label", "good"), "does not occur"),
        (("--favourable-label", "3"), "does not occur"),
        (("--sensitive", "age_in_years"), "pass --bins age_in_years=25,40"),
        (("--bins", "sex=1"), "not numeric"),
        (("--bins", "credit_amount=1"), "which --sensitive does not"),
        (("--bins", "sex=a"), "write it as age=25,40"),
        (("--sensitive", "age_in_years", "--bins", "age_in_years=40,25"), "not rising numbers"),
        (("--sensitive", "credit_risk"), "is the target"),
        (("--id", "Not An Id"), "lower-case letters"),
        (("--kind", "regression"), "has no positive label"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_option_is_told_with_the_fix_and_nothing_is_written(data: str, options: tuple[str, ...], words: str) -> None:
    done = aims(data, *PASSED, *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not Path("aims.yaml").exists()


def test_a_file_that_is_there_is_kept_unless_forced(data: str) -> None:
    Path("aims.yaml").write_text("mine")
    kept = aims(data, *PASSED)
    assert kept.exit_code == 2
    assert "--force" in kept.stderr
    assert Path("aims.yaml").read_text() == "mine"
    assert aims(data, *PASSED, "--force").exit_code == 0
    assert load_system("aims.yaml").id == "credit"


def test_odd_names_of_columns_are_kept(data: str) -> None:
    done = aims(data, *PASSED, "--sensitive", "group, odd: name")
    assert done.exit_code == 0, done.output
    assert load_system("aims.yaml").data.sensitive == ("group, odd: name",)


def test_missing_values_of_a_group_are_pointed_out(german: Any, tmp_path: Path) -> None:
    german.loc[:4, "sex"] = None
    german.to_csv(tmp_path / "g.csv", index=False)
    done = aims(str(tmp_path / "g.csv"), *PASSED, "--out", str(tmp_path / "aims.yaml"))
    assert done.exit_code == 0
    assert "'sex' has 5 missing values" in done.stderr


def test_no_value_of_the_data_is_written(german: Any, tmp_path: Path) -> None:
    german["sex"] = german["sex"].map({"female": "canary-one", "male": "canary-two"})
    german["credit_amount"] = german["credit_amount"] + 7_654_321
    german.to_csv(tmp_path / "g.csv", index=False)
    done = aims(str(tmp_path / "g.csv"), *PASSED, "--out", str(tmp_path / "aims.yaml"))
    written = (tmp_path / "aims.yaml").read_text() + done.output
    assert done.exit_code == 0
    assert "canary" not in written
    assert "765" not in written
