"""What the checks look at, built by hand: ``observe`` makes an observation of a small run, with any part of it replaced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECLARED: dict[str, Any] = {
    "version": 1,
    "system": {
        "id": "loans",
        "name": "Loans",
        "owner": {"name": "Head of loans", "contact": "loans@example.org"},
        "purpose": "Rank applicants",
        "intended_uses": ["Decision support"],
        "prohibited_uses": ["Refusing without a person"],
    },
    "task": {"kind": "binary_classification", "target": "paid", "positive_label": 1},
    "data": {
        "roles": {"train": "train", "test": "test"},
        "sensitive": ["sex"],
        "sources": {
            "train": {
                "uri": "https://example.org/loans",
                "licence": "CC-BY-4.0",
                "owner": "A bank",
                "acquired": "2025-01-31",
                "collection": "Loan records",
                "legal_basis": "contract",
                "personal_data": True,
                "special_categories": False,
            }
        },
    },
    "requirements": [
        {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8, "declared": "2026-01-01"},
        {"check": "robustness", "perturbation": "missing", "strength": 0.1, "metric": "accuracy_drop", "max": 0.1},
        {"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 0},
    ],
}

Observe = Callable[..., Any]


@pytest.fixture
def observe() -> Observe:
    """Return a function that builds an Observation.

    ``declared`` replaces parts of the system file by dotted path (None deletes), ``run`` fields of RunFacts, ``model`` fields of
    Model; ``model=None`` and ``roles=()`` leave them out.
    """
    import copy

    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from aims_mlflow.fingerprint import fingerprint
    from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
    from aims_mlflow.system import System

    def make(
        *,
        declared: dict[str, Any] | None = None,
        run: dict[str, Any] | None = None,
        model: dict[str, Any] | bool | None = True,
        roles: tuple[str, ...] = ("train", "test"),
        given: dict[str, Any] | None = None,
    ) -> Observation:
        content = copy.deepcopy(DECLARED)
        for path, value in (declared or {}).items():
            *above, last = path.split(".")
            part = content
            for key in above:
                part = part.setdefault(key, {})
            part.pop(last, None) if value is None else part.__setitem__(last, value)
        frames = {
            role: pd.DataFrame({"age": [20, 30, 40, 50 + n], "income": [1.5, 2.5, 3.5, 9.5], "paid": [0, 1, 0, 1]})
            for n, role in enumerate(roles)
        }
        estimator = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
        seen_model: dict[str, Any] = {
            "predict": lambda frame: [0] * len(frame),
            "features": ("age", "income"),
            "estimator": estimator,
            "flavour": "sklearn",
            "serialization": "skops",
            "uri": "models:/m-0123",
            "files": {"MLmodel": (10, "a" * 64), "model.skops": (20, "b" * 64)},
        }
        facts: dict[str, Any] = {
            "run_id": "r1",
            "started": STARTED,
            "code": Code("git", "c0ffee", False, "d" * 64, "train:main"),
            "packages": {"scikit-learn": "1.9.1"},
            "hardware": {"cores": 2},
        }
        return Observation(
            system=System.model_validate(content),
            datasets={role: Dataset(role, frame, fingerprint(frame), (given or {}).get(role)) for role, frame in frames.items()},
            run=RunFacts(**{**facts, **(run or {})}),
            model=Model(**{**seen_model, **(model if isinstance(model, dict) else {})}) if model else None,
        )

    return make


@pytest.fixture
def seen_of(german: Any) -> Callable[..., Any]:
    """Return a function that builds an Observation of German credit frames: 600 train and 400 test rows, or the frames given.

    ``frames`` replaces or adds roles (None leaves one out); a frame that has no fingerprint gets that of an empty one.
    """
    import pandas as pd

    from aims_mlflow.errors import CannotMeasure
    from aims_mlflow.fingerprint import fingerprint
    from aims_mlflow.observation import Code, Dataset, Model, Observation, PreparationStep, RunFacts
    from aims_mlflow.system import System

    def known(frame: Any) -> Any:
        try:
            return fingerprint(frame)
        except CannotMeasure:
            return fingerprint(pd.DataFrame())

    def make(
        *,
        frames: dict[str, Any] | None = None,
        requirements: tuple[dict[str, Any], ...] = (),
        task: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        folder: Any = None,
        estimator: Any = None,
        features: tuple[str, ...] | None = None,
        preparation: tuple[Any, ...] = (),
    ) -> Any:
        shuffled = german.sample(frac=1, random_state=0).reset_index(drop=True)
        given = {"train": shuffled[:600], "test": shuffled[600:].reset_index(drop=True), **(frames or {})}
        system = System.model_validate(
            {
                "version": 1,
                "system": {"id": "credit"},
                "task": {"kind": "binary_classification", "target": "credit_risk", "positive_label": 1, **(task or {})},
                "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["sex", "age_group"], **(data or {})},
                "requirements": list(requirements),
            }
        ).at(folder)
        datasets = {role: Dataset(role, frame, known(frame)) for role, frame in given.items() if frame is not None}
        steps = tuple(PreparationStep(one) if isinstance(one, str) else one for one in preparation)
        run = RunFacts(run_id="r", started=STARTED, code=Code("unknown"), preparation=steps)
        model = None if estimator is None else Model(predict=lambda _: [], features=features, estimator=estimator)
        return Observation(system, datasets, run, model)

    return make
