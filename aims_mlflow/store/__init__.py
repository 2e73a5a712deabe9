"""MLflow, as we use it: the only room that talks to ``MlflowClient``. Everything goes by run id; the fluent state is left alone."""

from __future__ import annotations

from aims_mlflow.store.runs import Runs
from aims_mlflow.store.versions import Versions
from aims_mlflow.store.views import InputView, LoggedModel, RunView, VersionView, moment, visible_cut

__all__ = ["InputView", "LoggedModel", "RunView", "Store", "VersionView", "moment", "visible_cut"]


class Store(Runs, Versions):
    """An MLflow tracking server and registry. Every failure of MLflow's is a StoreError with what, where and the fix.

    Args:
        tracking_uri: default: MLflow's own, at the time of the call.
        registry_uri: default: MLflow's own.
    """
