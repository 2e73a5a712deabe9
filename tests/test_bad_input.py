"""Bad input, from the decorator to the gate: never a pass, never an exception of ours, always a reason in plain words."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import aims_mlflow as aims
from aims_mlflow import spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import LETS_THROUGH
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import System

NAME = "bad-input"
SECONDS = 20.0
"""What a user may have to wait for beyond training while the server is down: far more than it takes, on a slow machine too."""

CONCERNED = ("A.5.4", "A.6.2.4", "A.7.2", "A.7.4")
"""The controls that the cases are about: they pass where nothing is wrong, so that each case shows what one mistake does."""


class Threshold:
    """A model of one column. It keeps to labels 0 and 1, needs no fitting, and does not mind what else is in the frame."""

    feature_names_in_ = ("x",)
    classes_ = (0, 1)

    def predict(self, frame: Any) -> Any:
        return (frame["x"] > 0).astype(int).to_numpy()


class Raises(Threshold):
    def predict(self, frame: Any) -> Any:
        raise ValueError(f"could not convert string to float: 'canary {frame['x'].iloc[0]}'")


class Nans(Threshold):
    def predict(self, frame: Any) -> Any:
        return np.full(len(frame), np.nan)


class Short(Threshold):
    def predict(self, frame: Any) -> Any:
        return super().predict(frame)[:-1]


@dataclass
class Given:
    """What a training run is given; a case spoils one thing in it."""

    train: pd.DataFrame
    test: pd.DataFrame
    model: Any = field(default_factory=Threshold)


def drawn(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    y = np.where(random.random(rows) < 0.9, x > 0, x <= 0).astype(int)
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "g": np.where(np.arange(rows) % 2, "left", "right"), "y": y}).assign(
        code=[f"canary-{seed}-{i}" for i in range(rows)]
    )


def system() -> System:
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": NAME, "model": NAME},
            "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
            "data": {
                "roles": {"train": "train", "test": "test"},
                "sensitive": ["g"],
                "features": ["x", "z"],
                "sources": {"train": {"uri": "https://example.org/data", "acquired": "2026-01-01"}},
            },
            "requirements": [
                {"check": "performance", "metric": "accuracy_score", "min": 0.5},
                {"check": "fairness", "metric": "demographic_parity_difference", "column": "g", "max": 0.5},
                {"check": "fairness", "metric": "true_positive_rate_difference", "column": "g", "max": 0.5},
                {"check": "robustness", "perturbation": "numeric_noise", "strength": 0.1, "metric": "accuracy_drop", "max": 0.5},
                {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.5},
                {"check": "quality", "dataset": "test", "metric": "completeness", "min": 0.5},
            ],
            "gate": {"controls": list(CONCERNED)},
            "attestations": [{"control": "A.5.4", "statement": "the assessment was read", "by": "a lead", "on": "2026-01-01"}],
        }
    )


def tracked(given: Given) -> float:
    """Train under ``track``; the function is called once and its result comes back as it is. Returns the seconds it took."""
    calls = []

    @aims.track(system())
    def train(train: Any, test: Any) -> Any:
        calls.append((train, test))
        return given.model

    began = time.perf_counter()
    assert train(given.train, given.test) is given.model
    assert len(calls) == 1
    assert calls[0][0] is given.train
    assert calls[0][1] is given.test
    return time.perf_counter() - began


def bundle_text() -> str:
    """Return the payload of the one run's signed bundle."""
    (run,) = Store().system_runs(NAME)
    return open_bundle(Store().read(run.run_id, BUNDLE_PATH))[1].payload.decode()


def assert_no_value(given: Given, *texts: str) -> None:
    """No value of the frames stands in the texts: neither planted text nor a number with a fraction."""
    for frame in (given.train, given.test):
        columns = [frame.iloc[:, at] for at, dtype in enumerate(frame.dtypes) if dtype.kind == "f"]
        values = {repr(float(value)) for column in columns for value in column.dropna()}
        for text in texts:
            assert "canary" not in text
            assert not [value for value in values if value in text]


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """Import MLflow's model room once: it warns about its own type hints, which as an error would break the import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("mlflow.pyfunc")


def test_nothing_is_wrong(mlflow_home: str) -> None:
    given = Given(drawn(300, 0), drawn(300, 1))
    tracked(given)
    decision = aims.check_promotion(f"models:/{NAME}/1", system=system())
    assert {line.control: line.state.value for line in decision.lines} == dict.fromkeys(CONCERNED, "pass"), decision.text()
    assert decision.exit_code == 0


def with_gaps(frame: pd.DataFrame, column: str, rows: int) -> pd.DataFrame:
    return frame.assign(**{column: frame[column].where(np.arange(len(frame)) >= rows)})


@dataclass(frozen=True)
class Case:
    """What is spoilt, and which control then says which words of it."""

    name: str
    spoil: Callable[[Given], Any]
    control: str
    words: str


def on(part: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Given], None]:
    return lambda given: setattr(given, part, change(getattr(given, part)))


def on_each(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Given], None]:
    def spoil(given: Given) -> None:
        given.train, given.test = change(given.train), change(given.test)

    return spoil


def with_model(model: Any) -> Callable[[Given], None]:
    return lambda given: setattr(given, "model", model)


CASES = (
    Case("no test rows", on("test", lambda f: f.head(0)), "A.6.2.4", "test data has zero rows"),
    Case("no train rows", on("train", lambda f: f.head(0)), "A.7.4", "train data has zero rows"),
    Case("an empty column", on_each(lambda f: f.assign(z=np.nan)), "A.7.4", "no column is empty: all_null_columns on train is 1"),
    Case("a single group", on("test", lambda f: f.assign(g="left")), "A.6.2.4", "'g' has a single group"),
    Case(
        "a group without positives", on("test", lambda f: f.assign(y=f["y"].where(f["g"] == "left", 0))), "A.6.2.4", "right has 0 positives"
    ),
    Case("no sensitive column", on_each(lambda f: f.drop(columns="g")), "A.5.4", "'g' is not in the data"),
    Case("gaps in the sensitive column", on_each(lambda f: with_gaps(f, "g", 30)), "A.5.4", "'g' has 30 missing values"),
    Case("no target", on_each(lambda f: f.drop(columns="y")), "A.6.2.4", "the target 'y' is not in the data"),
    Case(
        "labels of another type",
        on_each(lambda f: f.assign(y=f["y"].map({0: "canary-no", 1: "canary-yes"}))),
        "A.6.2.4",
        "positive label is not in the data",
    ),
    Case("labels that were not declared", on_each(lambda f: f.assign(y=f["y"] + 41)), "A.6.2.4", "positive label is not in the data"),
    Case("predict raises", with_model(Raises()), "A.6.2.4", "predict raised ValueError"),
    Case("predict gives NaN", with_model(Nans()), "A.6.2.4", "300 of 300 predictions are missing"),
    Case("predict leaves a row out", with_model(Short()), "A.6.2.4", "299 predictions for 300 rows"),
    Case("two columns of one name", on_each(lambda f: f.rename(columns={"code": "z"})), "A.7.2", "duplicate column names: z"),
    Case("a number as column name", on_each(lambda f: f.rename(columns={"code": 7})), "A.6.2.4", "column names are not strings"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_never_a_pass(case: Case, mlflow_home: str) -> None:
    given = Given(drawn(300, 0), drawn(300, 1))
    case.spoil(given)
    tracked(given)
    decision = aims.check_promotion(f"models:/{NAME}/1", system=system())
    line = {line.control: line for line in decision.lines}[case.control]
    assert not decision.allowed
    assert decision.exit_code == 1
    assert line.state not in LETS_THROUGH
    assert case.words in line.reason
    assert line.fix
    assert_no_value(given, decision.text(), bundle_text())


REQUIREMENTS = (
    ("{check: performance, metric: rocauc_score, min: 0.7}", "'rocauc_score'", "did you mean 'roc_auc_score'"),
    ("{check: fairness, metric: demografic_parity_ratio, column: g, min: 0.8}", "demografic", "did you mean 'demographic_parity_ratio'"),
    ("{check: quality, dataset: train, suite: suites/train.json}", "suites/train.json", "Fix:"),
)


@pytest.mark.parametrize(("requirement", "what", "fix"), REQUIREMENTS, ids=["unknown metric", "misspelt metric", "missing suite"])
def test_a_requirement_that_cannot_be_met_is_refused_before_training(requirement: str, what: str, fix: str, tmp_path: Path) -> None:
    file = tmp_path / "aims.yaml"
    file.write_text(
        f"""
version: 1
system: {{id: {NAME}}}
task: {{kind: binary_classification, target: y, positive_label: 1}}
data: {{roles: {{train: train, test: test}}, sensitive: [g]}}
requirements: [{requirement}]
"""
    )
    with pytest.raises(ConfigurationError) as refused:
        aims.track(file)
    assert what in str(refused.value)
    assert fix in str(refused.value)
    assert "aims.yaml:6:" in str(refused.value)


def test_a_server_that_is_down_costs_neither_result_nor_evidence(mlflow_home: str) -> None:
    import mlflow

    mlflow.set_tracking_uri("http://127.0.0.1:9")
    mlflow.set_registry_uri("http://127.0.0.1:9")
    given = Given(drawn(300, 0), drawn(300, 1))
    seconds = tracked(given)
    assert seconds < SECONDS
    (entry,) = spool.pending()
    files = entry.read().files
    bundle, verified = open_bundle(files[BUNDLE_PATH])
    assert {d.role for d in bundle.datasets} == {"train", "test"}
    assert any(r.check == "performance" and r.measures for r in bundle.results)
    decision = aims.check_promotion(f"models:/{NAME}/1", system=system())
    assert (decision.verdict, decision.exit_code) == ("undecided", 2)
    assert "127.0.0.1" in decision.text()
    assert_no_value(given, verified.payload.decode(), *(content.decode() for content in files.values()))
