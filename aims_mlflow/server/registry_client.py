"""The gated registry on a server's REST interface: ``mlflow.set_registry_uri("aims+http://…")``. Advice, not a guard.

Every process that uses it asks the gate before a protected alias or stage moves. A process that does not is not stopped: a
server that is to stop it takes ``registry_store``. A registry URI only: MLflow's tracking URI stays ``http://…``.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds

from aims_mlflow.server import guarding
from aims_mlflow.server.gated import Gated
from aims_mlflow.store import Store, ungated


class GatedRestStore(Gated, RestStore):
    """MLflow's REST registry store with the gate asked first.

    Args:
        store_uri: the server, as ``aims+http://…`` or ``aims+https://…``.
        tracking_uri: where runs are read; default: MLflow's own setting.
    """

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        self._given = (tracking_uri, ungated(store_uri))
        super().__init__(partial(get_default_host_creds, ungated(store_uri)))
        guarding.say_once(server=False)

    @cached_property
    def _store(self) -> Store:
        tracking, registry = self._given
        return Store(ungated(tracking) if tracking else None, registry)

    def _reader(self) -> Store:
        return self._store

    def _aliases(self, name: str) -> dict[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            found: Any = self.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: str(number) for alias, number in found.aliases.items()}

    def _stages(self, name: str) -> dict[str, str]:
        found: list[Any] = []
        token: str | None = None
        quote = name.replace("\\", "\\\\").replace("'", "\\'")
        while True:
            page: Any = self.search_model_versions(f"name = '{quote}'", max_results=1_000, page_token=token)
            found += page
            token = page.token
            if not token:
                return {str(v.version): v.current_stage for v in found if v.current_stage not in (None, "None")}
