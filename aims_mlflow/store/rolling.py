"""What a roll-up asks of MLflow: runs that have changed since it last looked, runs that are deleted, and the place of its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from aims_mlflow.store import connection
from aims_mlflow.store.runs import Runs
from aims_mlflow.store.views import RunView, quoted, run_view, visible_cut

NOTE = "mlflow.note.content"
"""The tag that holds the description of a run or of an experiment."""

EXPERIMENT_TAG_LIMIT = 5_000
"""MLflow refuses longer tags of experiments."""


class Rolling(Runs):
    """What the store does for roll-ups."""

    def changed_runs(self, system_id: str, since: datetime) -> Iterator[RunView]:
        """Yield the system's runs that began or ended at ``since`` or later, deleted ones too; each once."""
        after = int(since.timestamp() * 1000)
        yielded: set[str] = set()
        for when in ("start_time", "end_time"):
            for run in self.runs(f"tags.`aims.system` = '{quoted(system_id)}' and attributes.{when} >= {after}"):
                if run.run_id not in yielded:
                    yielded.add(run.run_id)
                    yield run

    def deleted_runs(self, system_id: str) -> Iterator[RunView]:
        """Yield the system's runs that are deleted now."""
        return self._deleted(f"tags.`aims.system` = '{quoted(system_id)}'")

    def _deleted(self, condition: str) -> Iterator[RunView]:
        from mlflow.entities import ViewType

        where = self._experiment_ids()
        if not where:
            return

        def search(token: str | None) -> Any:
            return self._client.search_runs(
                where, condition, run_view_type=ViewType.DELETED_ONLY, max_results=connection.PAGE, page_token=token
            )

        yield from map(run_view, self._pages("search deleted runs", search))

    def listed(self, run_id: str, folder: str) -> dict[str, bool]:
        """Return what stands in an artifact folder of the run: path -> whether it is a folder."""
        found: list[Any] = self._call(f"list {folder} of run {run_id}", lambda: self._client.list_artifacts(run_id, folder))
        return {f.path: bool(f.is_dir) for f in found}

    def experiment_named(self, name: str) -> str | None:
        """Return the id of the experiment of that name; None where there is none. Makes nothing."""
        found = self._call(f"find the experiment {name!r}", lambda: self._client.get_experiment_by_name(name))
        return None if found is None else str(found.experiment_id)

    def describe_experiment(self, experiment_id: str, tags: Mapping[str, str], describe: Callable[[str], str]) -> None:
        """Set tags of an experiment and its description, made from the one it has; what is so already is not written again."""
        found = self._call("read the experiment", lambda: self._client.get_experiment(experiment_id))
        wanted = {**tags, NOTE: visible_cut(describe(found.tags.get(NOTE, "")), EXPERIMENT_TAG_LIMIT)}
        for key, value in wanted.items():
            if found.tags.get(key) != value:
                self._call("tag the experiment", lambda k=key, v=value: self._client.set_experiment_tag(experiment_id, k, v))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
