"""What a run is given, sound at first: three small tasks for which every check has a requirement that is met; cases spoil one thing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Code, Dataset, Model, Observation, Parent, RunFacts
from aims_mlflow.system import System

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRAIN_ROWS, TEST_ROWS = 150, 160
FEATURES = ("x", "z", "k")
CANARY = "canary"
"""Stands in every text value that must not be written: in notes, in undeclared labels, in what models raise."""

KINDS = {"binary": "binary_classification", "multiclass": "multiclass_classification", "regression": "regression"}


@dataclass
class Given:
    """What one run is given. A case spoils one thing of it."""

    frames: dict[str, Any]
    declared: dict[str, Any]
    model: Model | None
    predictions: dict[str, Any] = field(default_factory=dict)
    baseline: Model | CannotMeasure | None = None
    run: dict[str, Any] = field(default_factory=dict)


Spoil = Callable[[Given], None]


@dataclass(frozen=True)
class Case:
    """One thing that is wrong, and the questions whose answer would then mean nothing.

    A concern is the beginning of a requirement's id, then perhaps ``@`` and a part of its scope: "fairness", "performance.log_loss",
    "quality.rows@dataset=test".
    """

    name: str
    spoil: Spoil
    concerns: tuple[str, ...]
    task: str = "binary"


# --- sound data and models ---------------------------------------------------------------------------------------------------


def _drawn(task: str, rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    truth = {
        "binary": lambda: (x + random.normal(scale=0.7, size=rows) > 0).astype(int),
        "multiclass": lambda: np.digitize(x + random.normal(scale=0.4, size=rows), [-0.5, 0.5]),
        "regression": lambda: 2 * x + 1 + random.normal(scale=0.3, size=rows),
    }[task]()
    first = pd.Timestamp("2024-01-01") if seed == 0 else pd.Timestamp("2025-01-01")
    return pd.DataFrame(
        {
            "x": x,
            "z": random.normal(size=rows),
            "k": random.choice(["red", "green", "blue"], rows),
            "g": np.where(np.arange(rows) % 2, "left", "right"),
            "y": truth,
            "when": first + pd.to_timedelta(np.arange(rows), unit="h"),
            "note": [f"{CANARY}-{seed}-{at}" for at in range(rows)],
        }
    )


def numbers(column: Any) -> np.ndarray:
    """Return a column as floats, whatever it holds: a model that never refuses its input, so that the checks have to."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub":
        return np.nan_to_num(column.to_numpy().astype(float))
    return np.array([float(cell) if isinstance(cell, int | float) and -1e300 < cell < 1e300 else 0.0 for cell in column.tolist()])


def says(task: str, frame: Any) -> np.ndarray:
    """Return the model's answer (rows,): labels 0/1, labels 0/1/2, or numbers."""
    x = numbers(frame["x"])
    if task == "regression":
        return np.asarray(2 * x + 1)
    return (x > 0).astype(int) if task == "binary" else np.digitize(x, [-0.5, 0.5])


def scores(task: str, frame: Any) -> np.ndarray:
    """Return the model's probabilities (rows, classes)."""
    x = numbers(frame["x"])
    middles = np.array([-1.0, 1.0] if task == "binary" else [-1.2, 0.0, 1.2])
    near = np.exp(-1.5 * (np.clip(x, -5, 5)[:, None] - middles) ** 2)
    return np.asarray(near / near.sum(axis=1, keepdims=True))


@cache
def _estimator(task: str) -> Any:
    frame = _drawn(task, TRAIN_ROWS, 0)
    prepared = ColumnTransformer([("scale", StandardScaler(), ["x", "z"]), ("words", OneHotEncoder(handle_unknown="ignore"), ["k"])])
    last = LinearRegression() if task == "regression" else LogisticRegression(random_state=0)
    return Pipeline([("prepare", prepared), ("model", last)]).fit(frame[list(FEATURES)], frame["y"])


def sound_model(task: str) -> Model:
    """Return a model that answers whatever it is asked."""
    return Model(
        predict=lambda frame: says(task, frame),
        predict_proba=None if task == "regression" else lambda frame: scores(task, frame),
        features=FEATURES,
        classes={"binary": (0, 1), "multiclass": (0, 1, 2)}.get(task, ()),
        estimator=_estimator(task),
        flavour="sklearn",
        serialization="skops",
        uri="models:/m-0123",
        files={"MLmodel": (10, "a" * 64), "model.skops": (20, "b" * 64)},
    )


def earlier_model(task: str) -> Model:
    """Return the baseline: a model that answers a little otherwise."""

    def moved(frame: Any) -> Any:
        return frame.assign(x=numbers(frame["x"]) + 0.5 * numbers(frame["z"]))

    return replace(
        sound_model(task),
        predict=lambda frame: says(task, moved(frame)),
        predict_proba=None if task == "regression" else lambda frame: scores(task, moved(frame)),
        uri="models:/m-0001",
        files={"MLmodel": (10, "c" * 64)},
    )


# --- what is asked: as little as can be, so that whatever gives a number passes ----------------------------------------------

_HIGH = 1e9
_LOW = -1e9


def _of_predictions(task: str) -> list[dict[str, Any]]:
    smallest = {"minimum_n": 20}
    if task == "regression":
        metrics = {"mean_absolute_error": "max", "root_mean_squared_error": "max", "r2_score": "min"}
        gaps = {"mean_absolute_error_difference": "max"}
        drops = {"mean_absolute_error_increase": "max", "r2_drop": "max"}
    else:
        metrics = dict.fromkeys(("accuracy_score", "balanced_accuracy_score", "roc_auc_score", "f1_score", "recall_score"), "min")
        metrics |= {"precision_score": "min", "log_loss": "max"}
        gaps = {"accuracy_score_difference": "max"}
        drops = {"accuracy_drop": "max", "flip_rate": "max"}
    if task == "binary":
        metrics |= {"brier_score_loss": "max", "expected_calibration_error": "max", "matthews_corrcoef": "min"}
        gaps |= {"demographic_parity_difference": "max", "demographic_parity_ratio": "min", "equal_opportunity_difference": "max"}
        gaps |= {"equalized_odds_difference": "max", "false_positive_rate_difference": "max", "precision_difference": "max"}
        drops |= {"roc_auc_drop": "max"}
    if task == "multiclass":
        gaps |= {"selection_rate_difference_class_max": "max", "true_positive_rate_difference_class_max": "max"}
    ends = {"min": _LOW, "max": _HIGH}
    asked: list[dict[str, Any]] = [{"check": "performance", "metric": name, end: ends[end]} for name, end in metrics.items()]
    asked += [{"check": "fairness", "metric": name, "column": "g", end: ends[end]} for name, end in gaps.items()]
    gains = {"r2_score_gain": "min"} if task == "regression" else {"accuracy_score_gain": "min", "roc_auc_score_gain": "min"}
    disturbed = [("numeric_noise", 0.1), ("missing", 0.1), ("out_of_range", 1.0), ("missing_column", 1.0)]
    asked += [{"check": "baseline", "metric": name, end: ends[end]} for name, end in gains.items()]
    if task != "regression":
        searched = {"perturbation": "search", "strength": 0.2, "metric": "flip_success_share", "max": 1, "minimum_n": 5}
        asked.append({"check": "robustness", **searched})
    asked += [
        {"check": "robustness", "perturbation": how, "strength": strength, "metric": name, end: ends[end]}
        for how, strength in disturbed
        for name, end in drops.items()
    ]
    asked += [
        {"check": "robustness", "perturbation": how, "metric": "flip_rate", "max": 0} for how in ("row_order", "repeat", "batch_of_one")
    ]
    return [smallest | one for one in asked]


_DATA: list[dict[str, Any]] = [
    {"check": "drift", "metric": "drifted_columns_share", "max": 1},
    *({"check": "drift", "metric": "distance", "column": name, "max": _HIGH} for name in ("x", "k")),
    {"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 0},
    {"check": "overlap", "datasets": ["train", "test"], "metric": "identical", "max": 0},
    *(
        {"check": "quality", "dataset": role, **asked}
        for role in ("train", "test")
        for asked in (
            {"metric": "completeness", "min": 0},
            {"metric": "all_null_columns", "max": 0},
            {"metric": "constant_columns", "max": 0},
            {"metric": "missing_labels", "max": 0},
            {"metric": "smallest_group", "column": "g", "min": 1},
            {"expectation": {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "y"}}},
            {"expectation": {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}}},
        )
    ),
    *(
        {"check": "provenance", "dataset": role, **asked}
        for role in ("train", "test")
        for asked in ({"metric": "fingerprinted", "equals": 1}, {"metric": "digest_mismatch", "max": 0}, {"metric": "rows", "min": 1})
    ),
    *(
        {"check": check, "dataset": role, **asked}
        for role in ("train", "test")
        for check, asked in (
            ("characteristics", {"metric": "completeness", "min": 0}),
            ("characteristics", {"metric": "row_uniqueness", "min": 0}),
            ("characteristics", {"metric": "currentness_days", "max": _HIGH}),
            ("characteristics", {"metric": "diversity", "min": 0}),
            ("personal_data", {"metric": "undeclared_suspected_columns", "max": 0}),
            ("personal_data", {"metric": "columns_scanned", "min": 1}),
        )
    ),
    *(
        {"check": "leakage", "datasets": ["train", "test"], "metric": name, "max": 0}
        for name in ("near_duplicate_rows", "conflicting_label_rows", "out_of_order_rows")
    ),
    {"check": "leakage", "metric": "leaking_features", "max": 0},
    {"check": "representativeness", "column": "g", "metric": "smallest_ratio", "min": 0},
    {"check": "representativeness", "column": "g", "metric": "absent_groups", "max": 0},
    {"check": "upstream", "metric": "upstream_undigested", "max": 0},
    {"check": "provenance", "metric": "roles_missing", "max": 0},
    {"check": "acquisition", "dataset": "train", "metric": "undeclared_fields", "max": 0},
    {"check": "acquisition", "dataset": "test", "metric": "undeclared_fields", "max": 0},
    {"check": "preparation", "metric": "steps_recorded", "min": 1},
    {"check": "preparation", "metric": "fitted_on_other_data", "max": 0},
    {"check": "lineage", "metric": "broken_links", "max": 0},
    {"check": "design", "metric": "undocumented_fields", "max": 0},
    {"check": "documentation", "metric": "empty_fields", "max": 0},
    {"check": "documentation", "metric": "card_matches_model", "equals": 1},
    {"check": "objectives", "metric": "requirements_declared", "min": 1},
    {"check": "process", "metric": "checks_not_run", "max": 0},
    {"check": "specification", "metric": "requirements_without_test", "max": 0},
]

_SOURCE = {
    "uri": "https://example.org/data",
    "licence": "CC-BY-4.0",
    "owner": "A bank",
    "acquired": "2025-01-31",
    "collection": "Loan records",
    "legal_basis": "contract",
    "personal_data": True,
    "special_categories": False,
}


def _declared(task: str) -> dict[str, Any]:
    label = {"positive_label": 1} if task == "binary" else {}
    balance = [
        {"check": check, "dataset": role, "metric": "minority_share", "min": 0}
        for check in ("quality", "characteristics")
        for role in ("train", "test")
        if task != "regression"
    ]
    return {
        "version": 1,
        "system": {
            "id": "bad-frames",
            "name": "Loans",
            "description": "Ranks applicants by the chance that they repay",
            "owner": {"name": "Head of loans", "contact": "loans@example.org"},
            "purpose": "Rank applicants",
            "intended_uses": ["Decision support"],
            "prohibited_uses": ["Refusing without a person"],
            "affected_parties": [{"name": "applicants", "size": 1000}],
            "deployment": "One country, in its language",
        },
        "task": {"kind": KINDS[task], "target": "y", **label},
        "data": {
            "roles": {"train": "train", "test": "test"},
            "sensitive": ["g"],
            "time": "when",
            "populations": [{"column": "g", "shares": {"left": 0.5, "right": 0.5}, "source": "a census"}],
            "sources": {"train": _SOURCE},
        },
        "robustness": {"queries": 100},
        "requirements": [*_of_predictions(task), *_DATA, *balance],
    }


def given(task: str) -> Given:
    """Return what a sound run of the task is given."""
    return Given(
        frames={"train": _drawn(task, TRAIN_ROWS, 0), "test": _drawn(task, TEST_ROWS, 1)},
        declared=copy.deepcopy(_declared(task)),
        model=sound_model(task),
        baseline=earlier_model(task),
        run={
            "code": Code("git", "c0ffee", False, "d" * 64, "train:main"),
            "packages": {"scikit-learn": "1.9.1"},
            "hardware": {"cores": 2},
            "params": {"C": "1.0"},
            "seeds": {"random_state": "0"},
            "parents": (Parent("models:/base/1", "tuned from", "e" * 64),),
        },
    )


def observed(given: Given, *, forced: bool = False) -> Observation:
    """Return what the checks see of it: as a recorder hands it over, or, ``forced``, with frames that a recorder refuses."""
    datasets: dict[str, Dataset] = {}
    refused: dict[str, CannotMeasure] = {}
    for role, frame in given.frames.items():
        try:
            known = fingerprint(frame)
        except CannotMeasure as problem:
            refused[role] = problem
            if not forced or not isinstance(frame, pd.DataFrame):
                continue
            known = fingerprint(pd.DataFrame())
        datasets[role] = Dataset(role, frame.copy(deep=False), known)
    return Observation(
        system=System.model_validate(given.declared),
        datasets=datasets,
        run=RunFacts(run_id="r1", started=STARTED, **given.run),
        model=given.model,
        given_predictions=given.predictions,
        refused={} if forced else refused,
        baseline=given.baseline,
    )
