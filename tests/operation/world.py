"""A small model in operation, and frames to look at it with."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH, KIND, MONITORED, RECORD_TAG, Bundle, RunSummary, experiment_of
from aims_mlflow.capture import model_adapter, publication
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Evidence, State
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.judging.lines import control_lines
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.operation.asking import asked_of_production
from aims_mlflow.operation.batches import read_batch
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.looking import Monitoring, breaches_of, concluded, monitor
from aims_mlflow.operation.recorded import Recorded, facts_of
from aims_mlflow.operation.recording import measure_operation
from aims_mlflow.operation.verdicts import judge_operation
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import System

CHECKS = ("performance", "fairness", "quality", "provenance", "drift", "overlap")

DECLARED: dict[str, Any] = {
    "version": 1,
    "system": {"id": "small", "model": "loans", "affected_parties": [{"name": "applicants"}]},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["g"]},
    "requirements": [
        {"check": "performance", "metric": "accuracy_score", "min": 0.8},
        {"check": "fairness", "metric": "demographic_parity_ratio", "min": 0.5},
        {"check": "drift", "metric": "drifted_columns_share", "max": 0.6},
        {
            "check": "quality",
            "dataset": "train",
            "expectation": {"type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "min_value": -9, "max_value": 9}},
        },
    ],
    "operation": {
        "monitor_every_days": 7,
        "act_within_days": 10,
        "largest_shift": 0.3,
        "longest_gap_hours": 48,
        "event_kinds": ["prediction"],
    },
}


def drawn(rows: int, seed: int, *, shift: float = 0.0, noise: float = 0.2) -> pd.DataFrame:
    """Draw rows: what is asked follows ``x``, ``z`` is noise, ``g`` names two groups."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows) + shift
    group = np.where(np.arange(rows) % 2, "a", "b")
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "g": group, "y": (x + noise * random.normal(size=rows) > 0).astype(int)})


def unlabelled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="y")


TRAIN, TEST, BATCH = drawn(500, 0), drawn(400, 1), drawn(400, 2)
EMPTY_COLUMN = unlabelled(BATCH).assign(z=np.nan)
"""A batch that breaches: a column that the model reads is empty."""


def fit(train: pd.DataFrame, test: pd.DataFrame) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    imputer = SimpleImputer(keep_empty_features=True)
    return make_pipeline(imputer, LogisticRegression(random_state=0)).fit(train[["x", "z"]].to_numpy(), train["y"])


SYSTEM = System.model_validate(DECLARED)
THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)


def declared(**changed: Any) -> System:
    """Return the system file with other parts."""
    return System.model_validate(DECLARED | changed)


def requirements(**bounds: float) -> list[dict[str, Any]]:
    """Return the declared requirements, those of the named checks with another ``min`` or ``max``."""
    return [{**r, ("max" if "max" in r else "min"): bounds[r["check"]]} if r["check"] in bounds else r for r in DECLARED["requirements"]]


@dataclass(frozen=True)
class Desk:
    """What a look finds, without an MLflow: the same checks, comparison, judgement and conclusion."""

    system: System
    seen: Observation
    results: tuple[CheckResult, ...]
    evidence: tuple[Evidence, ...]
    breaches: tuple[Evidence, ...]
    answer: str
    reason: str

    @property
    def states(self) -> dict[str, State]:
        return {e.requirement: e.state for e in self.evidence}

    def bundle(self, run_id: str = "r", at: datetime = THEN) -> Bundle:
        """Return the bundle of a monitoring run that found this."""
        run = RunSummary(run_id=run_id, started=at - timedelta(minutes=1), finished=at, outcome="finished", kind="monitoring")
        evidence = [e.model_copy(update={"run_id": run_id}) for e in self.evidence]
        return publication.bundle(self.seen, run, self.results, evidence).model_copy(update={"policy_sha256": self.system.sha256})


def observed(system: System, frames: Mapping[str, pd.DataFrame], **more: Any) -> Observation:
    kept, refused = {}, {}
    for role, frame in frames.items():
        try:
            kept[role] = Dataset(role, frame, fingerprint(frame))
        except CannotMeasure as problem:
            refused[role] = problem
    return Observation(system, kept, RunFacts("r", THEN, Code("unknown"), **more.pop("facts", {})), trained(), refused=refused, **more)


@cache
def trained() -> Model:
    made = model_adapter.from_object(fit(TRAIN, TEST), SYSTEM, TRAIN)
    return replace(made, features=("x", "z"), uri="models:/m-1", files={"model.skops": (1, "1" * 64)})


@cache
def remembered() -> Recorded:
    """What the training of the model recorded."""
    seen = observed(SYSTEM, {"train": TRAIN, "test": TEST})
    results = [r for name in ("quality", "provenance", "fairness") for r in registry.get(name).run(seen)]
    run = RunSummary(run_id="t", started=THEN, finished=THEN, outcome="finished")
    return facts_of(publication.bundle(seen, run, results, ()))


_measured: dict[tuple[Any, ...], tuple[Any, ...]] = {}
"""What was measured already: the frames of these tests do not change."""


def at_desk(
    data: Any, *, system: System = SYSTEM, reference: pd.DataFrame | None = None, log: CheckResult | None = None, **given: Any
) -> Desk:
    key = (id(data), system.sha256, id(reference), *sorted((name, str(value)[:80]) for name, value in given.items()))
    if key not in _measured:
        batch = read_batch(data, system, **given)
        asked = asked_of_production(system, labels=batch.labelled, reference=reference is not None)
        frames = {"production": batch.frame} | ({} if reference is None else {"reference": reference})
        said = {} if batch.predictions is None else {"production": batch.predictions}
        seen = observed(asked.looking, frames, given_predictions=said, facts={"kind": "monitoring"})
        digests = seen.datasets["reference"].fingerprint.column_digests if "reference" in seen.datasets else {}
        _measured[key] = asked, seen, measure_operation(seen, asked, remembered(), digests), (data, reference)
    asked, seen, measured, _ = _measured[key]
    results = [*measured, *([log] if log is not None else [])]
    evidence = judge_operation(asked, results, run_id="r", started=THEN, now=THEN)
    breaches = breaches_of(evidence, control_lines(system, evidence, results, today=THEN.date()))
    answer, reason = concluded(evidence, breaches, events_given=log is not None)
    return Desk(system, replace(seen, system=asked.judged), tuple(results), evidence, breaches, answer, reason)


_names = (f"loans-{number}" for number in itertools.count())


@dataclass(frozen=True)
class World:
    """An MLflow with a trained model; each ``version()`` is the model under a registered name of its own."""

    store: Store
    system: System
    source: str
    run_id: str
    book: Casebook

    uri = "models:/loans/1"
    """The version that the training has registered: for looks of which no case is asked."""

    def version(self) -> str:
        return self.store.register(self.source, next(_names), run_id=self.run_id).uri

    def look(self, uri: str, data: Any = None, **more: Any) -> Monitoring:
        return monitor(uri, unlabelled(BATCH) if data is None else data, **{"system": self.system, "store": self.store, **more})

    def kept(self, desk: Desk, at: datetime) -> str:
        """Keep what was found at a desk as a monitoring run of this MLflow; return its id."""
        tags = {KIND: "monitoring", RECORD_TAG: "monitoring", "aims.system": desk.system.id, MONITORED: self.uri}
        run_id = self.store.create_run(experiment_of(desk.system.id), "kept", tags)
        self.store.write(run_id, BUNDLE_PATH, seal_bundle(desk.bundle(run_id, at)))
        self.store.end_run(run_id)
        return run_id
