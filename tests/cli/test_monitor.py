"""``aims monitor``, ``aims nonconformity`` and ``aims incident`` on the command line: words, JSON, exit codes, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

import aims_mlflow as aims_
from aims_mlflow import registry
from aims_mlflow.cli import main
from aims_mlflow.store import Store

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles
    "ignore::FutureWarning",
)

HOSTILE = "<script>alert(1)</script> \x1b[31m\u202ered =1+1"

DECLARED: dict[str, Any] = {
    "version": 1,
    "system": {"id": "small", "model": "loans", "affected_parties": [{"name": "applicants"}]},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["g"]},
    "requirements": [
        {"check": "performance", "metric": "accuracy_score", "min": 0.8},
        {"check": "fairness", "metric": "demographic_parity_ratio", "min": 0.5},
    ],
    "operation": {"monitor_every_days": 7, "act_within_days": 10},
}


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def drawn(rows: int, seed: int) -> pd.DataFrame:
    x = np.random.default_rng(seed).normal(size=rows)
    return pd.DataFrame({"x": x, "z": x[::-1], "g": np.where(np.arange(rows) % 2, "a", "b"), "y": (x > 0).astype(int)})


def fit(train: pd.DataFrame, test: pd.DataFrame) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=0).fit(train[["x", "z"]], train["y"])


@pytest.fixture
def uri(mlflow_home: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tracked model, its system file and production data in the working directory; few checks."""
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {n: every[n] for n in ("performance", "fairness", "quality", "provenance")})
    Path("aims.yaml").write_text(yaml.safe_dump(DECLARED))
    aims_.track("aims.yaml")(fit)(drawn(300, 0), drawn(300, 1))
    batch = drawn(300, 2)
    batch.drop(columns="y").to_csv("batch.csv", index=False)
    batch.drop(columns="y").assign(z=np.nan).to_parquet("empty.parquet")
    batch.head(0).to_csv("none.csv", index=False)
    batch[["y"]].to_csv("labels.csv", index=False)
    batch.assign(y=1 - batch["y"]).to_csv("wrong.csv", index=False)
    (version,) = Store().versions("loans")
    return version.uri


def test_a_model_in_operation_from_its_first_look_to_a_closed_nonconformity(uri: str) -> None:
    said = aims("monitor", uri, "batch.csv")
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith(f"NO BREACH, 1 REQUIREMENT NOT LOOKED AT  {uri}")
    assert said.stdout.index("Not looked at") < said.stdout.index("What to do")  # unknown before known
    assert aims("monitor", uri, "batch.csv", "--strict").exit_code == 2
    whole = aims("monitor", uri, "batch.csv", "--labels", "labels.csv", "--strict", "--json")
    content = json.loads(whole.stdout)
    assert (whole.exit_code, content["answer"], content["unknown"]) == (0, "no breach", [])
    assert {e["requirement"] for e in content["evidence"]} >= {"monitor.looked", "performance.accuracy_score[dataset=production]"}

    broken = aims("monitor", uri, "wrong.csv", "--json")
    assert broken.exit_code == 1
    (case,) = json.loads(broken.stdout)["nonconformities"]
    shown = aims("monitor", uri, "wrong.csv")
    assert f"nonconformity {case} is open already" in shown.stdout
    listed = aims("nonconformity", "list", "small")
    assert case in listed.stdout
    assert "OPEN, due" in listed.stdout

    refused = aims("nonconformity", "close", "small", case, "--by", "a", "--what", "b", "--evidence", content["run_id"])
    assert refused.exit_code == 1
    assert "nobody has done anything" in refused.output
    acted = aims("nonconformity", "act", "small", case, "--by", "Operator", "--what", HOSTILE)
    assert acted.exit_code == 0, acted.output
    assert "\x1b" not in acted.output
    assert "\u202e" not in acted.output
    early = aims("nonconformity", "close", "small", case, "--by", "a", "--what", "b", "--evidence", content["run_id"])
    assert early.exit_code == 1
    assert "before the last breach" in early.output
    again = json.loads(aims("monitor", uri, "batch.csv", "--labels", "labels.csv", "--json").stdout)
    closed = aims("nonconformity", "close", "small", case, "--by", "Auditor", "--what", "it works", "--evidence", again["run_id"], "--json")
    assert closed.exit_code == 0, closed.output
    content = json.loads(closed.stdout)
    assert (content["state"], content["events"][-1]["evidence"]["run_id"]) == ("closed", again["run_id"])
    assert HOSTILE in [e["what"] for e in content["events"]]
    assert aims("nonconformity", "list", "small", "--open").stdout.startswith("small has no nonconformity")
    again_open = aims("nonconformity", "reopen", "small", case, "--by", "a", "--what", "not so")
    assert "opened again" in again_open.stdout


REFUSED: dict[str, tuple[str, ...]] = {
    "models:/loans/99": ("models:/loans/99", "batch.csv"),
    "no such data file": ("{uri}", "nowhere.csv"),
    "no rows": ("{uri}", "none.csv"),
    "nowhere-labels.csv": ("{uri}", "batch.csv", "--labels", "nowhere-labels.csv"),
    "--labels is empty": ("{uri}", "batch.csv", "--labels", ""),
    "--target is empty": ("{uri}", "batch.csv", "--target", "  "),
    "no column 'yy'": ("{uri}", "batch.csv", "--target", "yy"),
    "no such event log": ("{uri}", "batch.csv", "--events", "nowhere"),
    "nowhere.yaml": ("{uri}", "batch.csv", "--system", "nowhere.yaml"),
    "DATA": ("{uri}",),
}
"""What is said -> what was asked."""


def test_what_cannot_be_looked_at_is_exit_code_2(uri: str) -> None:
    for words, arguments in REFUSED.items():
        said = aims("monitor", *(a.replace("{uri}", uri) for a in arguments))
        assert said.exit_code == 2, said.output
        assert words in said.output
        assert "Traceback" not in said.output


def test_an_empty_column_opens_a_case_and_says_what_to_do(uri: str) -> None:
    said = aims("monitor", uri, "empty.parquet")
    assert said.exit_code == 1, said.output
    assert said.stdout.startswith("BREACH")
    assert "do: aims nonconformity act small nc-" in said.stdout


@pytest.mark.usefixtures("mlflow_home")
class TestNonconformity:
    def test_one_that_a_person_has_found_and_closes_without_evidence(self) -> None:
        Path("aims.yaml").write_text(yaml.safe_dump(DECLARED))
        opened = json.loads(
            aims("nonconformity", "open", "aims.yaml", "--by", "CRO", "--what", "no owner", "--due", "2026-01-31", "--json").stdout
        )
        case = opened["id"]
        assert (opened["state"], opened["due"], opened["overdue"]) == ("open", "2026-01-31", True)
        for command in (("cause",), ("act", "--due", "2026-02-28"), ("review", "--did-not-work"), ("act",), ("review", "--worked")):
            said = aims("nonconformity", command[0], "small", case, "--by", "CRO", "--what", "x", *command[1:])
            assert said.exit_code == 0, said.output
        neither = aims("nonconformity", "close", "small", case, "--by", "CRO", "--what", "x")
        assert neither.exit_code == 2
        closed = aims("nonconformity", "close", "small", case, "--by", "CRO", "--what", "x", "--without-evidence", "nothing measures it")
        assert closed.exit_code == 0, closed.output
        shown = aims("nonconformity", "show", "small", case).stdout
        assert "CLOSED WITHOUT EVIDENCE" in shown
        assert "nothing measures it" in shown
        assert "CLOSED WITHOUT EVIDENCE" in aims("nonconformity", "list", "small").stdout

    def test_what_is_not_there(self) -> None:
        assert aims("nonconformity", "list", "small").stdout.startswith("small has no nonconformity")
        assert json.loads(aims("nonconformity", "list", "small", "--json").stdout) == {"system": "small", "nonconformity": []}
        for arguments in (("show", "small", "nc-000000000000"), ("act", "small", "x", "--by", "a", "--what", "b"), ("list", "No Such!")):
            said = aims("nonconformity", *arguments)
            assert said.exit_code == 2, said.output
            assert "Fix:" in said.output

    def test_a_run_that_found_no_breach_opens_nothing(self, uri: str) -> None:
        run_id = json.loads(aims("monitor", uri, "batch.csv", "--json").stdout)["run_id"]
        said = aims("nonconformity", "open", "small", "--by", "a", "--what", "b", "--evidence", run_id)
        assert said.exit_code == 1, said.output
        assert "no critical requirement fails" in said.output


def test_an_incident_from_its_opening_to_its_end(mlflow_home: str) -> None:
    Path("aims.yaml").write_text(yaml.safe_dump(DECLARED))
    who = ("--by", "Operator")
    since = ("--severity", "major", "--since", "2026-01-02", "--affected", "applicants")
    opened = aims("incident", "open", "small", *who, "--what", HOSTILE, *since, "--json")
    assert opened.exit_code == 0, opened.output
    case = json.loads(opened.stdout)["id"]
    assert aims("incident", "tell", "small", case, *who, "--who", "the authority", "--on", "2026-01-03").exit_code == 0
    assert aims("incident", "close", "small", case, *who, "--what", "put right").exit_code == 0
    shown = aims("incident", "show", "small", case).stdout
    for words in ("CLOSED", "major, since 2026-01-02, affected: applicants", "told: the authority, on 2026-01-03", "put right"):
        assert words in shown, words
    assert "\x1b" not in shown
    assert case in aims("incident", "list", "small").stdout
    assert aims("incident", "open", "small", *who, "--what", "x", "--severity", "bad").exit_code == 2
    unknown = aims("incident", "open", "small", *who, "--what", "x", "--severity", "minor", "--affected", "aplicants")
    assert unknown.exit_code == 2
    assert "did you mean 'applicants'" in unknown.output
    nobody = aims("incident", "open", "other", *who, "--what", "x", "--severity", "minor", "--affected", "applicants")
    assert nobody.exit_code == 2
