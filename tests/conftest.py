"""Fixtures that everyone uses: the German credit data, its system file, a fitted pipeline, and a fresh sqlite MLflow."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

import aims_mlflow  # noqa: F401 - switches the libraries' telemetry off before any of them is imported
from tests.full import LONGEST, part

HERE = Path(__file__).parent

# No deadline: how long an example takes is the machine's affair. CI draws the same examples each time; at a desk they are new ones.
settings.register_profile("aims", deadline=None, derandomize=bool(os.environ.get("CI")), max_examples=part(100, 2))
settings.load_profile("aims")


class Fitted(NamedTuple):
    """A fitted pipeline and the frames it was fitted and is tested on."""

    pipeline: Any
    train: Any
    test: Any


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest begin first; the order is else as it was."""
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Spare each garbage collection the million objects that tests and libraries keep anyway: a tenth of the time was that."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and spool of each test stand in a directory of its own."""
    monkeypatch.setenv("AIMS_HOME", str(tmp_path_factory.mktemp("aims-home")))
    for name in ("AIMS_POLICY_DIR", "AIMS_SIGNING_KEY", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def _mlflow_of_its_own() -> Iterator[None]:
    """What the tests of one file told MLflow of where it is ends with that file."""
    yield
    mlflow: Any = sys.modules.get("mlflow")
    if mlflow is not None:
        mlflow.set_tracking_uri(None)  # not "": that is a folder
        mlflow.set_registry_uri("")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def _german() -> Any:
    import pandas as pd

    import aims_mlflow.data

    frame = pd.read_csv(Path(aims_mlflow.data.__file__).parent / "german_credit.csv")
    frame["sex"] = (frame["personal_status_and_sex"] == "A92").map({True: "female", False: "male"})
    frame["age_group"] = (frame["age_in_years"] <= 25).map({True: "25 and under", False: "over 25"})
    return frame


@pytest.fixture
def german(_german: Any) -> Any:
    """The German credit data with the derived columns sex and age_group."""
    return _german.copy()


@pytest.fixture
def example_system() -> Any:
    """The example system file."""
    from aims_mlflow.system_file import load_system

    return load_system(HERE / "data" / "aims.yaml")


@pytest.fixture(scope="session")
def _fitted(_german: Any) -> Fitted:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, test = train_test_split(_german, test_size=400, random_state=0, stratify=_german["credit_risk"])
    features = [c for c in _german.columns if c not in ("credit_risk", "sex", "age_group")]
    numeric = [c for c in features if _german[c].dtype.kind in "if"]
    steps = ColumnTransformer(
        [
            ("numeric", StandardScaler(), numeric),
            ("categorical", OneHotEncoder(handle_unknown="ignore"), [c for c in features if c not in numeric]),
        ]
    )
    pipeline = Pipeline([("prepare", steps), ("model", LogisticRegression(max_iter=1000, random_state=0))])
    pipeline.fit(train[features], train["credit_risk"])
    return Fitted(pipeline, train.reset_index(drop=True), test.reset_index(drop=True))


@pytest.fixture
def fitted(_fitted: Fitted) -> Fitted:
    """A fitted pipeline with copies of its train (600 rows) and test (400 rows) frames."""
    return Fitted(_fitted.pipeline, _fitted.train.copy(), _fitted.test.copy())


@pytest.fixture(scope="session")
def _mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite store with MLflow's tables made once: making them takes seconds."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow-template") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def mlflow_home(_mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh sqlite MLflow in ``tmp_path``, set as tracking and registry store; gives its uri."""
    import mlflow

    shutil.copy(_mlflow_template, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.chdir(tmp_path)
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.create_experiment("tests", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("tests")
    yield uri
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri("")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    if before is not None:
        os.environ["MLFLOW_TRACKING_URI"] = before
