"""Runs: made, written to in batches, read, searched."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aims_mlflow.store import connection
from aims_mlflow.store.connection import Connection, without_progress_bar
from aims_mlflow.store.patience import SLOWEST
from aims_mlflow.store.views import InputView, RunView, quoted, run_view, visible_cut

DIGEST_LIMIT = 36
"""MLflow's dataset digest field holds 36 characters; the whole sha256 goes into an input tag."""


class Runs(Connection):
    """What the store does with runs."""

    def experiment(self, name: str) -> str:
        """Return the id of the experiment of that name, made where it is not there yet."""

        def find() -> str:
            found = self._client.get_experiment_by_name(name)
            return found.experiment_id if found else self._client.create_experiment(name)

        return self._call(f"find the experiment {name!r}", find)

    def create_run(self, experiment: str | None, run_name: str | None, tags: Mapping[str, str]) -> str:
        """Start a run and return its id; ``experiment`` None: the one that MLflow would use."""
        from mlflow.tracking.context.registry import resolve_tags
        from mlflow.tracking.fluent import _get_experiment_id

        def create() -> str:
            experiment_id = self.experiment(experiment) if experiment else str(_get_experiment_id())
            run = self._client.create_run(experiment_id, tags=resolve_tags(dict(tags)), run_name=run_name)
            return str(run.info.run_id)

        return self._call("create a run", create)

    def end_run(self, run_id: str, status: str = "FINISHED") -> None:
        """Set the run's final status: FINISHED, FAILED or KILLED."""
        self._call("end the run", lambda: self._client.set_terminated(run_id, status))

    def run(self, run_id: str) -> RunView:
        """Return the run; raises StoreError where there is none."""
        return self._call(f"read run {run_id}", lambda: run_view(self._client.get_run(run_id)))

    def log(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write metrics, params and tags in as few calls as MLflow allows; long tags are cut with a sign of it."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        made_metrics = [Metric(k, float(v), now, 0) for k, v in (metrics or {}).items()]
        made_params = [Param(k, v) for k, v in (params or {}).items()]
        made_tags = [RunTag(k, visible_cut(v)) for k, v in (tags or {}).items()]

        def write() -> None:
            for start in range(0, max(len(made_metrics), len(made_params), len(made_tags), 1), 100):
                chunk = slice(start, start + 100)
                self._client.log_batch(run_id, metrics=made_metrics[chunk], params=made_params[chunk], tags=made_tags[chunk])

        self._call("write metrics and tags", write)

    def log_inputs(self, run_id: str, inputs: Sequence[InputView]) -> None:
        """Attach datasets to the run, in one call, with their role as context and their sha256 as input tag."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag

        def made(one: InputView) -> DatasetInput:
            dataset = Dataset(
                name=one.name,
                digest=one.sha256[:DIGEST_LIMIT],
                source_type="http" if one.source.startswith("http") else "code",
                source=json.dumps({"url": one.source} if one.source.startswith("http") else {"tags": {"aims.source": one.source}}),
                schema=json.dumps(
                    {"mlflow_colspec": [{"type": dtype, "name": name, "required": True} for name, dtype in one.columns.items()]}
                ),
                profile=json.dumps({"num_rows": one.rows, "num_elements": one.rows * len(one.columns)}),
            )
            return DatasetInput(dataset, [InputTag("mlflow.data.context", one.role), InputTag("aims.sha256", one.sha256)])

        self._call("attach datasets to the run", lambda: self._client.log_inputs(run_id, datasets=[made(i) for i in inputs]))

    def write(self, run_id: str, path: str, content: bytes) -> None:
        """Write one artifact of the run."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, Path(path).name)
            local.write_bytes(content)
            parent = str(Path(path).parent)
            into = None if parent == "." else parent
            self._call(f"write {path}", lambda: self._client.log_artifact(run_id, str(local), into), patient=len(content) / SLOWEST)

    def write_all(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write several artifacts of the run, path -> content, in one call."""
        if not files:
            return
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                local = Path(folder, path)
                local.parent.mkdir(parents=True, exist_ok=True)
                local.write_bytes(content)
            most = sum(map(len, files.values())) / SLOWEST
            self._call(f"write {len(files)} files", lambda: self._client.log_artifacts(run_id, folder), patient=most)

    def read(self, run_id: str, path: str) -> bytes:
        """Return the bytes of one artifact of the run; raises StoreError where it is not there."""
        with tempfile.TemporaryDirectory() as folder, without_progress_bar():
            read = partial(self._client.download_artifacts, run_id, path, folder)
            local = self._call(f"read {path} of run {run_id}", read, patient=float("inf"))
            return Path(local).read_bytes()

    def artifacts(self, run_id: str, folder: str) -> list[str]:
        """Return the paths of the files in an artifact folder of the run (not below it)."""
        found = self._call(f"list {folder} of run {run_id}", lambda: self._client.list_artifacts(run_id, folder))
        return [f.path for f in found if not f.is_dir]

    def runs(self, condition: str, experiment_ids: Sequence[str] | None = None) -> Iterator[RunView]:
        """Yield every run that meets the filter, newest first, whatever the number of pages."""
        from mlflow.entities import ViewType

        where = list(experiment_ids) if experiment_ids is not None else self._experiment_ids()
        if not where:
            return

        def search(token: str | None) -> Any:
            return self._client.search_runs(where, condition, run_view_type=ViewType.ALL, max_results=connection.PAGE, page_token=token)

        yield from map(run_view, self._pages("search runs", search))

    def system_runs(self, system_id: str) -> Iterator[RunView]:
        """Yield every run tagged with the system, deleted ones too."""
        return self.runs(f"tags.`aims.system` = '{quoted(system_id)}'")

    def latest_runs(self, system_id: str, limit: int) -> list[RunView]:
        """Return the system's latest runs, newest first, deleted ones too, by one search."""
        from mlflow.entities import ViewType

        where, condition = self._experiment_ids(), f"tags.`aims.system` = '{quoted(system_id)}'"
        if not where:
            return []

        def search() -> list[Any]:
            order = ["attributes.start_time DESC"]
            return list(self._client.search_runs(where, condition, run_view_type=ViewType.ALL, max_results=limit, order_by=order))

        return [run_view(run) for run in self._call("search runs", search)]

    def _experiment_ids(self) -> list[str]:
        from mlflow.entities import ViewType

        def search(token: str | None) -> Any:
            return self._client.search_experiments(view_type=ViewType.ALL, max_results=connection.PAGE, page_token=token)

        return [str(e.experiment_id) for e in self._pages("list experiments", search)]
