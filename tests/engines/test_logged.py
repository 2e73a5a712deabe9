"""``mlflow.log_input`` of frames that do not stand in pandas: what MLflow is told of anyway is evidence, wherever its rows are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.engines.content import content_fingerprint
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.hooks.logged_data import given
from aims_mlflow.hooks.tapping import Logged
from aims_mlflow.settings import CELLS_IN_MEMORY, SAMPLE_ROWS
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import System

from .conftest import on

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # the libraries' own


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    aims.autolog(disable=True)


@pytest.fixture
def declared(example_system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """The example system without what Great Expectations is asked, which is slow to import; of its checks the quick ones."""
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in ("provenance", "quality", "performance")})
    kept = tuple(r for r in example_system.requirements if r.expectation is None and not r.suite)
    return example_system.model_copy(update={"requirements": kept})


def logged(declared: System, dataset: Any) -> Bundle:
    """The evidence of a run to which a dataset was logged, as it stands in MLflow."""
    import mlflow

    aims.autolog(declared)
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="test")
    bundle, _ = open_bundle(Store().read(run.info.run_id, BUNDLE_PATH))
    return bundle


@pytest.mark.parametrize("engine", ["polars", "spark"])
def test_what_is_logged_of_another_engine_is_counted_by_it(
    engine: str,
    german: Any,
    declared: System,
    mlflow_home: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    import mlflow

    monkeypatch.setenv(SAMPLE_ROWS.name, "300")
    monkeypatch.setenv(CELLS_IN_MEMORY.name, "0")
    target = declared.task.target
    table = pa.Table.from_pandas(german.assign(said=german[target]).rename(columns={target: "outcome"}), preserve_index=False)
    frame = on(engine, table, tmp_path, request.getfixturevalue("spark") if engine == "spark" else None)
    made = mlflow.data.from_spark if engine == "spark" else mlflow.data.from_polars

    bundle = logged(declared, made(frame, targets="outcome", predictions="said"))

    (data,) = bundle.datasets
    renamed = table.rename_columns([target if name == "outcome" else name for name in table.column_names])
    assert (data.role, data.rows, data.sha256) == ("test", len(german), content_fingerprint(renamed).sha256)
    quality = next(r for r in bundle.results if r.check == "quality" and r.scope.get("dataset") == "test")
    assert quality.measure("rows").value == len(german)
    performance = next(r for r in bundle.results if r.check == "performance" and r.scope.get("dataset") == "test")
    accuracy = performance.measure("accuracy_score")
    assert (accuracy.value, accuracy.n) == (1.0, len(german))  # of all rows, though 300 at most were drawn


def test_what_autologging_logs_of_spark_costs_no_queries(declared: System, spark: Any) -> None:
    import mlflow

    frame = spark.range(3).toDF("x")
    with pytest.raises(CannotMeasure, match="autologging") as caught:
        given(Logged(mlflow.data.from_spark(frame), automatic=True), declared)
    assert "from_spark" in caught.value.fix
    assert given(Logged(mlflow.data.from_spark(frame)), declared).frame is frame
