"""A client of a gated server, with whatever MLflow is first on its path: it trains, registers, asks for aliases and audits."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import mlflow
import mlflow.sklearn
import pandas as pd
from click.testing import CliRunner
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

import aims_mlflow as aims
from aims_mlflow import registry, spool
from aims_mlflow.cli import main
from aims_mlflow.store import Store
from aims_mlflow.system import System

from .dying import CHECKS, DECLARED, drawn, fitted


def tracked() -> None:
    """Train under the decorator."""

    @aims.track(System.model_validate(DECLARED))
    def training(train: pd.DataFrame, test: pd.DataFrame) -> Any:
        return fitted(train)

    training(drawn(300, 0), drawn(200, 1))


def autologged() -> str:
    """Train as MLflow's own autologging sees it; returns the run."""
    mlflow.sklearn.autolog(log_models=False, log_datasets=True)
    aims.autolog(System.model_validate(DECLARED))
    with mlflow.start_run() as run:
        train = drawn(300, 2)
        LogisticRegression(random_state=0).fit(train[["x", "z"]], train["y"].to_numpy())
    aims.autolog(disable=True)
    return str(run.info.run_id)


def answered(version: str) -> str:
    """Ask for the protected alias by MLflow's plain client; return what came of it."""
    try:
        mlflow.MlflowClient().set_registered_model_alias("loans", "champion", version)
    except MlflowException as refused:
        return f"{refused.error_code}: {refused.message}"
    return "set"


def everything(uri: str) -> dict[str, Any]:
    """Return what became of each step."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    every = registry.checks()
    registry.checks = lambda: {name: every[name] for name in CHECKS if name in every}  # type: ignore[assignment]  # few: this is not about them
    told: dict[str, Any] = {"mlflow": mlflow.__version__}
    tracked()
    (version,) = client.search_model_versions("name = 'loans'")
    told["tags"] = dict(client.get_run(version.run_id).data.tags)
    told["allowed"] = answered(version.version)
    without = client.create_run("0")
    client.log_text(without.info.run_id, "a model", "model/MLmodel")
    client.set_terminated(without.info.run_id)
    bare = client.create_model_version("loans", f"{without.info.artifact_uri}/model", without.info.run_id)
    told["denied"] = answered(bare.version)
    told["champion"] = client.get_model_version_by_alias("loans", "champion").version
    told["autologged"] = dict(client.get_run(autologged()).data.tags)
    told["found"] = [run.run_id for run in Store(uri, uri).latest_runs("small", 5)]
    told["pending"] = len(spool.pending())
    audit = CliRunner().invoke(main, ["audit", "--json"])
    told["audit"] = [audit.exit_code, json.loads(audit.stdout) if audit.stdout.startswith("{") else audit.output]
    return told


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own
        print(json.dumps(everything(sys.argv[1])))  # noqa: T201 - the answer
