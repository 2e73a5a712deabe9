"""What is asked of a dataset, answered once; files that cannot be read are told apart from answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.measuring.expectations.asked import answers, questions
from aims_mlflow.observation import Code, Dataset, Observation, RunFacts
from aims_mlflow.system import System

EXISTS = {"type": "expect_column_to_exist", "kwargs": {"column": "y"}}
ABSENT = {"type": "expect_column_to_exist", "kwargs": {"column": "z"}}


def seen_with(folder: Path, *requirements: dict[str, Any]) -> Observation:
    content = {
        "version": 1,
        "system": {"id": "s"},
        "task": {"kind": "regression", "target": "y"},
        "data": {"roles": {"train": "train"}},
        "requirements": [{"check": "quality", **one} for one in requirements],
    }
    frame = pd.DataFrame({"y": [1.0, 2.0]})
    run = RunFacts(run_id="r", started=datetime(2026, 3, 1, tzinfo=UTC), code=Code("unknown"))
    return Observation(System.model_validate(content).at(folder), {"train": Dataset("train", frame, fingerprint(frame))}, run)


def test_what_is_asked_is_answered_once(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"name": "s", "expectations": [EXISTS, ABSENT]}))
    seen = seen_with(tmp_path, {"expectation": EXISTS}, {"suite": "s.json", "dataset": "train"}, {"suite": "none.json"})
    found = answers(seen, "train")
    assert [outcome.met for _, outcome in found.all()] == [True, True, False]
    assert list(found.unreadable) == ["none.json"]
    assert answers(seen, "train") is found


def test_what_is_asked_of_another_role_is_not_asked_of_this_one(tmp_path: Path) -> None:
    seen = seen_with(tmp_path, {"expectation": EXISTS, "dataset": "test"}, {"metric": "completeness", "min": 1})
    assert questions(seen, "train") == []
    assert list(answers(seen, "train").all()) == []
