"""Who reads a page on a server with MLflow's basic-auth app, and what they may read: asked of MLflow, by its own rules."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aims_mlflow.pages.readers import EVERYTHING, Reader

if TYPE_CHECKING:
    from flask import Response

log = logging.getLogger("aims_mlflow")


def who() -> Reader | Response:
    """Return the reader of the request at hand, or MLflow's own answer to somebody who has not logged in.

    The user is authenticated here, by the function that the server is configured with, whatever else has looked at the request.
    """
    from flask import Response, g, request
    from mlflow.exceptions import MlflowException
    from mlflow.server import auth
    from mlflow.server.auth.config import DEFAULT_AUTHORIZATION_FUNCTION
    from werkzeug.datastructures import Authorization

    given = request.authorization
    if auth.auth_config.authorization_function == DEFAULT_AUTHORIZATION_FUNCTION and (
        given is None or given.username is None or given.password is None
    ):
        return auth.make_basic_auth_response()  # MLflow's own function stumbles over what is no name and password
    found = auth.authenticate_request()
    if isinstance(found, Response):
        return found
    name = found.username if isinstance(found, Authorization) else None
    if not isinstance(name, str) or not name:
        log.error("%s says neither who asks nor that nobody does: no page is shown", auth.auth_config.authorization_function)
        return auth.make_forbidden_response()
    try:
        user = auth.store.get_user(name)
    except MlflowException as error:
        log.warning("no page is shown to a user whom MLflow does not know: %s", error.message)
        return auth.make_forbidden_response()
    g.mlflow_authenticated_user = name
    return EVERYTHING if user.is_admin else Permitted(name)


class Permitted:
    """What a user may read: what MLflow would let them read of a model version, or of an experiment's runs, by its own routes.

    Args:
        username: who has logged in.
    """

    def __init__(self, username: str) -> None:
        self.username = username
        self._experiments: dict[str, bool] = {}

    @cached_property
    def _models(self) -> Any:
        """The user's grants on models, read once for the request: MLflow's own means for a listing, with a version's requirements."""
        from mlflow.server.auth import retention_gate
        from mlflow.server.auth.permissions import (
            RESOURCE_TYPE_REGISTERED_MODEL,
            RESOURCE_TYPE_REGISTERED_MODEL_VERSION,
            RESOURCE_TYPE_WORKSPACE,
        )
        from mlflow.server.auth.requirements import ACTION_NOT_DENIED, Requirement

        asked = [
            Requirement(RESOURCE_TYPE_REGISTERED_MODEL, "*", "read"),
            Requirement(RESOURCE_TYPE_REGISTERED_MODEL_VERSION, "*", ACTION_NOT_DENIED),
        ]
        return retention_gate(self.username, (RESOURCE_TYPE_WORKSPACE, "*"), asked)

    def may_read_model(self, name: str) -> bool:
        """Whether they may read the versions of the registered model of that name."""
        from mlflow.server.auth.permissions import RESOURCE_TYPE_REGISTERED_MODEL, RESOURCE_TYPE_REGISTERED_MODEL_VERSION

        gate = self._models
        return bool(gate.retains(RESOURCE_TYPE_REGISTERED_MODEL, name) and gate.retains(RESOURCE_TYPE_REGISTERED_MODEL_VERSION, "*"))

    def may_read_experiment(self, experiment_id: str) -> bool:
        """Whether they may read the runs of the experiment of that id."""
        from mlflow.server.auth import authorize
        from mlflow.server.auth.permissions import RESOURCE_TYPE_EXPERIMENT, RESOURCE_TYPE_RUN
        from mlflow.server.auth.requirements import Requirement

        if experiment_id not in self._experiments:
            experiment = (RESOURCE_TYPE_EXPERIMENT, experiment_id)
            asked = [
                Requirement(RESOURCE_TYPE_EXPERIMENT, experiment_id, "read"),
                Requirement(RESOURCE_TYPE_RUN, "*", "read", fallback_if_no_grant=(experiment,)),
            ]
            self._experiments[experiment_id] = bool(authorize(self.username, experiment, asked))
        return self._experiments[experiment_id]
