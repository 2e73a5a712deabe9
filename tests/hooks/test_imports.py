"""Nothing is imported, and no thread of ours runs, while a training does: half an import is visible to every thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TRAINING = """
import json, sys, threading
import pandas as pd
import aims_mlflow as aims
from aims_mlflow.system import System

HEAVY = {"great_expectations", "evidently"}
system = System.model_validate({
    "version": 1,
    "system": {"id": "small", "affected_parties": [{"name": "applicants"}]},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"test": "test"}, "sensitive": ["g"]},
    "requirements": [
        {"check": "performance", "metric": "accuracy_score", "min": 0.1},
        {"check": "quality", "dataset": "test", "expectation": {
            "type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "min_value": 0}}},
    ],
})
threads = set(threading.enumerate())
seen = {}

@aims.track(system)
def train(test):
    seen["threads"] = sorted(one.name for one in set(threading.enumerate()) - threads if "aims" in one.name)
    seen["meanwhile"] = sorted(HEAVY & set(sys.modules))
    from sklearn.dummy import DummyClassifier  # as many trainings do: inside the function
    return DummyClassifier(strategy="prior").fit(test[["x"]], test["y"])

train(pd.DataFrame({"x": range(40), "g": ["a"] * 20 + ["b"] * 20, "y": [0, 1] * 20}))
seen["afterwards"] = sorted(HEAVY & set(sys.modules))
print(json.dumps(seen))
"""


def test_the_heavy_libraries_come_after_the_function_and_no_thread_of_ours_runs_beside_it(tmp_path: Path, mlflow_home: str) -> None:
    home = {
        "AIMS_HOME": str(tmp_path / "home"),
        "MLFLOW_TRACKING_URI": mlflow_home,
        "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT": "1",  # MLflow imports the model in a subprocess to find out, for 20 s
    }
    done = subprocess.run(
        [sys.executable, "-c", TRAINING],
        cwd=tmp_path,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["threads"] == []
    assert seen["meanwhile"] == []
    assert seen["afterwards"] == ["great_expectations"]
