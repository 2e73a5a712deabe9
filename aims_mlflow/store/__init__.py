"""MLflow, as we use it: the only room that talks to ``MlflowClient``. Everything goes by run id; the fluent state is left alone."""

from __future__ import annotations

from aims_mlflow.store.browsing import Browsing
from aims_mlflow.store.sweeping import Registered
from aims_mlflow.store.views import GATED, InputView, LoggedModel, RunView, VersionView, moment, ungated, visible_cut

__all__ = ["GATED", "InputView", "LoggedModel", "Registered", "RunView", "Store", "VersionView", "moment", "ungated", "visible_cut"]


class Store(Browsing):
    """An MLflow tracking server and registry. Every failure of MLflow's is a StoreError with what, where and the fix.

    Args:
        tracking_uri: default: MLflow's own, at the time of the call.
        registry_uri: default: MLflow's own.
    """
