"""What the checks look at, made of frames and a model without a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System
from benchmarks.data import GROUPS, NUMBERS, WORDS, Fitted

SUITE: list[dict[str, Any]] = [
    *({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}} for name in (*NUMBERS, *WORDS)),
    *({"type": "expect_column_values_to_be_between", "kwargs": {"column": n, "min_value": -20, "max_value": 60}} for n in NUMBERS[:6]),
    *({"type": "expect_column_mean_to_be_between", "kwargs": {"column": n, "min_value": -1, "max_value": 12}} for n in NUMBERS[6:]),
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "paid", "value_set": [0, 1]}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "t0", "value_set": ["t0 a", "t0 b"]}},  # not met
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
]
"""Expectations as a suite file holds them: most are met, one is not."""


def system(folder: Path | None = None, *requirements: dict[str, Any]) -> System:
    """Return the system of the applicants; with a folder, the suite is written there and asked of the training data."""
    asked = list(requirements)
    if folder is not None:
        (folder / "suite.json").write_text(json.dumps({"name": "suite", "expectations": SUITE, "meta": {}}))
        asked.append({"check": "quality", "dataset": "train", "suite": "suite.json"})
    declared = {
        "version": 1,
        "system": {"id": "benchmark"},
        "task": {"kind": "binary_classification", "target": "paid", "positive_label": 1, "favourable_label": 1},
        "data": {"roles": {"train": "train", "test": "test"}, "sensitive": list(GROUPS)},
        "requirements": asked,
    }
    return System.model_validate(declared).at(folder)


def observation(declared: System, frames: dict[str, pd.DataFrame], fitted: Fitted | None = None) -> Observation:
    """Return an observation of these frames, and of the model if there is one."""
    datasets = {role: Dataset(role, frame, fingerprint(frame)) for role, frame in frames.items()}
    model = None
    if fitted is not None:
        one = fitted.model
        model = Model(one.predict, fitted.features, one.predict_proba, tuple(one.classes_), one)
    return Observation(declared, datasets, RunFacts("benchmark", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), model)
