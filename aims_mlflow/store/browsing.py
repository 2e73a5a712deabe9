"""What pages over all systems ask of MLflow: which experiments there are, and every system's runs and versions, or those that are new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from aims_mlflow.store import connection
from aims_mlflow.store.rolling import Rolling
from aims_mlflow.store.sweeping import Sweep, registry_view
from aims_mlflow.store.views import RunView, VersionView, moment, quoted

ANY_SYSTEM = "tags.`aims.system` LIKE '%'"
"""A filter: the tag is there, whatever it says."""


class Browsing(Sweep, Rolling):
    """What the store does for pages."""

    def experiments_like(self, pattern: str) -> dict[str, str]:
        """Return the experiments whose names match (``%`` stands for anything): name -> id. Deleted ones are not there."""

        def search(token: str | None) -> Any:
            condition = f"name LIKE '{quoted(pattern)}'"
            return self._client.search_experiments(filter_string=condition, max_results=connection.PAGE, page_token=token)

        return {str(e.name): str(e.experiment_id) for e in self._pages("list experiments", search)}

    def all_systems_runs(self, since: datetime | None = None) -> Iterator[RunView]:
        """Yield the runs of all systems, deleted ones too; with ``since``, those that began or ended then or later, some of them twice."""
        if since is None:
            yield from self.runs(ANY_SYSTEM)
            return
        after = int(since.timestamp() * 1000)
        for when in ("start_time", "end_time"):
            yield from self.runs(f"{ANY_SYSTEM} and attributes.{when} >= {after}")

    def all_systems_deleted(self) -> Iterator[RunView]:
        """Yield the runs of all systems that are deleted now."""
        yield from self._deleted(ANY_SYSTEM)

    def all_systems_versions(self, since: datetime | None = None) -> Iterator[VersionView]:
        """Yield the versions of all systems, the last changed first; with ``since``, those that changed then or later.

        Their ``aliases`` are left out, and ``run_id`` is what the registry says.
        """
        order = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]

        def search(token: str | None) -> Any:
            most = connection.PAGE if since is None else 100
            return self._client.search_model_versions(ANY_SYSTEM, max_results=most, order_by=order, page_token=token)

        for found in self._pages("search model versions", search):
            if since is not None and moment(found.last_updated_timestamp) < since:
                return
            yield registry_view(found)

    def marked_runs(self, key: str, value: str, experiment_ids: Sequence[str]) -> Iterator[RunView]:
        """Yield the runs of these experiments that have a tag of this value, newest first, deleted ones too."""
        return self.runs(f"tags.`{key}` = '{quoted(value)}'", experiment_ids)

    def params(self, run_id: str) -> dict[str, str]:
        """Return the parameters that MLflow holds of a run."""
        return dict(self._call(f"read run {run_id}", lambda: self._client.get_run(run_id)).data.params)

    def stamps(self, run_id: str, folder: str) -> object:  # noqa: ARG002 - a store that lies nearer can say more
        """Return what tells whether files of an artifact folder have changed, without reading them; None: they have to be read."""
        return None
