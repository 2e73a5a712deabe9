"""What ``mlflow.pyfunc.spark_udf`` makes of a model on Spark's workers is measured over all rows, if it is what the model says."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.evidence import CheckResult
from aims_mlflow.hooks.tracking import track
from aims_mlflow.settings import SAMPLE_ROWS
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import System

ROWS = 1200
SYSTEM = System.model_validate(
    {
        "version": 1,
        "system": {"id": "asked-by-spark"},
        "task": {"kind": "binary_classification", "target": "y", "positive_label": 1, "favourable_label": 1},
        "data": {"roles": {"test": "test"}, "sensitive": ["sex"], "features": ["x", "z"]},
        "requirements": [
            {"check": "performance", "metric": "accuracy_score", "min": 0.5},
            {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.1},
        ],
    }
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # the libraries' own


def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=ROWS)
    y = (x + random.normal(0, 0.5, ROWS) > 0).astype("int32")
    return pd.DataFrame({"x": x, "z": random.normal(size=ROWS), "sex": random.choice(["f", "m"], ROWS), "y": y})


def results(bundle: Bundle, check: str) -> list[CheckResult]:
    return [r for r in bundle.results if r.check == check and r.scope.get("dataset") == "test"]


def test_its_answers_are_the_model_s_and_counted_over_all_rows(
    spark: Any, mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from pyspark.sql.functions import lit, struct

    monkeypatch.setenv(SAMPLE_ROWS.name, "300")
    few = {name: registry.get(name) for name in ("performance", "fairness")}
    monkeypatch.setattr(registry, "checks", lambda: few)
    frame = rows()
    model = LogisticRegression().fit(frame[["x", "z"]], frame["y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's, of a model without a signature
        mlflow.sklearn.save_model(model, str(tmp_path / "model"), serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
        asked = mlflow.pyfunc.spark_udf(spark, str(tmp_path / "model"), result_type="int", env_manager="local")
    test = spark.createDataFrame(frame)
    scored = test.withColumn("said", asked(struct("x", "z")))
    for told in (scored, test.withColumn("said", lit(1))):
        with track(SYSTEM) as run:
            run.model(model)
            run.data(told, "test")
            run.predictions("test", "said")
    store = Store()
    other, own = (open_bundle(store.read(made.run_id, BUNDLE_PATH))[0] for made in store.latest_runs("asked-by-spark", 5))
    accuracy = results(own, "performance")[0].measure("accuracy_score")
    assert accuracy is not None
    assert (accuracy.n, accuracy.count) == (ROWS, int((model.predict(frame[["x", "z"]]) == frame["y"]).sum()))
    (fairness,) = [r for r in results(own, "fairness") if r.scope.get("column") == "sex"]
    assert sum(m.n or 0 for m in fairness.measures if m.name == "selection_rate" and m.group) == ROWS
    for check in ("performance", "fairness"):
        for result in results(other, check):
            assert result.measures == ()
            assert result.problem is not None
            assert "are not the model's own" in result.problem.reason
