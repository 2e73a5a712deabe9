"""``aims assess`` on the command line: words, JSON, exit codes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from aims_mlflow import registry
from aims_mlflow.cli import main
from aims_mlflow.cli.assess import exit_code
from aims_mlflow.evidence import State
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.store import Store

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles
    "ignore::FutureWarning",
)

DECLARED: dict[str, Any] = {
    "version": 1,
    "system": {"id": "small"},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}},
    "gate": {"controls": ["A.6.2.3", "A.7.2"], "protects": ["champion"]},
}
WAIVERS = [
    {"control": control, "reason": "bought", "approved_by": "CRO", "on": "2026-01-01", "expires": "2099-01-01"}
    for control in ("A.6.2.3", "A.7.2")
]
ROWS = pd.DataFrame({"x": [-2.0, -1.0, 1.0, 2.0] * 30, "z": range(120), "y": [0, 0, 1, 1] * 30})


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def uri(mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registered model, its data files and its system file in the working directory; few checks."""
    import mlflow
    from sklearn.linear_model import LogisticRegression

    every = registry.checks()
    kept = ("performance", "provenance", "design", "lineage", "upstream", "overlap", "leakage")
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in kept})
    ROWS.to_csv("test.csv", index=False)
    ROWS.head(20).to_parquet("train.parquet")
    Path("aims.yaml").write_text(yaml.safe_dump(DECLARED))
    model = LogisticRegression().fit(ROWS[["x", "z"]], ROWS["y"])
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="model", pip_requirements=[]).model_uri
    return Store().register(logged, "loans", run_id=Store().model_run(logged)).uri


def test_no_with_a_line_a_control_and_what_can_no_longer_be_known(uri: str) -> None:
    said = aims("assess", uri, "--data", "test=test.csv")
    assert said.exit_code == 1, said.output
    assert said.stdout.startswith(f"NOT LET THROUGH  {uri}")
    for words in (
        "A.6.2.3",
        "A.7.2",
        "Can no longer be known",
        "training data",
        "--data train=FILE",
        "as recorded by run",
        "the gate goes by this",
    ):
        assert words in said.output, words


def test_json_is_one_document(uri: str) -> None:
    said = aims("assess", uri, "--data", "test=test.csv", "--data", "train=train.parquet", "--json")
    content = json.loads(said.stdout)
    assert (content["verdict"], content["exit_code"], content["version"]) == ("denied", 1, uri)
    assert [line["control"] for line in content["lines"]] == ["A.6.2.3", "A.7.2"]
    assert {one["what"] for one in content["unknown"]} >= {"code", "hardware"}
    assert all(set(one) == {"what", "reason", "fix"} for one in content["unknown"])
    assert content["recorded_by"] == Store().version(uri).run_id


def test_yes_where_a_person_has_waived_what_is_gone_and_then_the_gate_too(uri: str) -> None:
    Path("aims.yaml").write_text(yaml.safe_dump(DECLARED | {"waivers": WAIVERS}))
    said = aims("assess", uri, "--data", "test=test.csv")
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("LET THROUGH")
    assert aims("gate", uri).exit_code == 0


def test_a_model_that_is_not_registered_can_be_registered(uri: str) -> None:
    said = aims("assess", Store().version(uri).source, "--data", "test=test.csv", "--register", "bought", "--json")
    assert json.loads(said.stdout)["version"] == "models:/bought/1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("models:/loans/99", "--data", "test=test.csv"), "models:/loans/99"),
        (("{uri}", "--data", "train=train.parquet"), "no test data"),
        (("{uri}", "--data", "tset=test.csv"), "did you mean 'test'?"),
        (("{uri}", "--data", "test.csv"), "is not ROLE=FILE"),
        (("{uri}", "--data", "test=test.csv", "--data", "test=test.csv"), "names test twice"),
        (("{uri}", "--data", "test=nowhere.csv"), "no such data file"),
        (("{uri}", "--data", "test=test.csv", "--system", "nowhere.yaml"), "nowhere.yaml"),
        (("{uri}",), "--data"),
    ],
    ids=["no version", "no test", "misspelt role", "no file", "twice", "no such file", "no system", "no data"],
)
def test_what_cannot_be_measured_is_exit_code_2(uri: str, arguments: tuple[str, ...], words: str) -> None:
    said = aims("assess", *(a.replace("{uri}", uri) for a in arguments))
    assert said.exit_code == 2, said.output
    assert words in said.output


@pytest.mark.parametrize(
    ("states", "complete", "code"),
    [
        ((State.PASS, State.WAIVED, State.NOT_APPLICABLE), True, 0),
        ((State.PASS, State.FAIL), True, 1),
        ((State.MISSING, State.ERROR), True, 1),
        ((State.PASS, State.INCONCLUSIVE), True, 2),
        ((State.ERROR,), True, 2),
        ((State.PASS,), False, 2),
        ((), True, 2),
    ],
    ids=["all through", "a failure", "missing and error", "undecided", "error", "not whole", "nothing gated"],
)
def test_exit_codes(states: tuple[State, ...], complete: bool, code: int) -> None:
    lines = [ControlLine(control="A.7.2", title="", state=state, reason="") for state in states]
    assert exit_code(lines, complete) == code


def test_undecided_evidence_is_let_through_where_the_policy_says_so() -> None:
    line = ControlLine(control="A.7.2", title="", state=State.INCONCLUSIVE, reason="")
    assert exit_code([line], True, allow_undecided=True) == 0
    assert exit_code([line.model_copy(update={"state": State.ERROR})], True, allow_undecided=True) == 2
