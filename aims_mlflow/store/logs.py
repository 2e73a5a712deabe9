"""The log's place in MLflow: one experiment with the registry's id, one run with the entries as artifacts, heads as tags."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from aims_mlflow.errors import StoreError
from aims_mlflow.store import connection
from aims_mlflow.store.connection import without_progress_bar
from aims_mlflow.store.runs import Runs
from aims_mlflow.store.views import RunView, run_view

K = TypeVar("K")
T = TypeVar("T")

LEDGER = "aims.ledger"
"""The experiment that holds the log; and the tag, on it and on its run, with the registry's id."""

HEAD = "aims.head."
"""Run tags that begin so name the log's heads: the rest is the entry's digest, the value its sequence. They are a hint, no truth."""

SERVER_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""Where a process of an MLflow server finds the root of its artifacts: ``mlflow.server.constants.ARTIFACT_ROOT_ENV_VAR``, whose
import costs a client the whole server. A test holds the two against each other."""

READERS = 8
"""Threads that fetch artifacts at the same time."""

AT_ONCE = 256
"""Artifacts at most that are fetched before they are taken: a pool of threads runs ahead, and would hold those of all runs."""

DEEPEST = 4
"""Levels of folders that are listed: ours have two, and a link to a folder above itself would have no end."""


@dataclass(frozen=True)
class LogPlace:
    """Where the log stands. ``runs`` are all runs of its experiment, deleted ones too, oldest first."""

    experiment_id: str
    registry: str
    deleted: bool
    runs: tuple[RunView, ...]

    @property
    def run(self) -> RunView | None:
        """The run to write to: the oldest one that is the log's. A second one is there only where two writers began at once."""
        return next((r for r in self.runs if self.registry and r.tags.get(LEDGER) == self.registry), None)

    @property
    def hints(self) -> dict[str, tuple[str, str]]:
        """The heads that the hint names: digest -> the run that names it, and its sequence as it is written there."""
        return {key.removeprefix(HEAD): (r.run_id, value) for r in self.runs for key, value in r.tags.items() if key.startswith(HEAD)}


class Logs(Runs):
    """What the store does with the log."""

    def log_place(self) -> LogPlace | None:
        """Return where the log stands, deleted or not; None where none was ever begun."""

        def find() -> LogPlace | None:
            found = self._client.get_experiment_by_name(LEDGER)
            if found is None:
                return None
            return LogPlace(str(found.experiment_id), found.tags.get(LEDGER, ""), found.lifecycle_stage != "active", ())

        place = self._call("find the log", find)
        return None if place is None else self.log_again(place)

    def log_again(self, place: LogPlace) -> LogPlace:
        """Return the log's place with its runs as they are now, in one call. That its experiment is deleted shows in its runs."""
        from mlflow.entities import ViewType

        def search() -> tuple[RunView, ...]:
            order = ["attributes.start_time ASC"]
            found = self._client.search_runs([place.experiment_id], run_view_type=ViewType.ALL, max_results=connection.PAGE, order_by=order)
            return tuple(sorted((run_view(r) for r in found), key=lambda r: (r.started, r.run_id)))

        return replace(place, runs=self._call("find the log", search))

    def begin_log(self, registry: str | None = None) -> LogPlace:
        """Make what of the log's place is not there yet, and return it. Several at once end with the same experiment and id.

        The registry's id is random and is written with the experiment in one call: MLflow lets only one of two experiments of
        a name be made, so that whoever comes second reads the id of the first.
        """
        from mlflow.exceptions import MlflowException

        def begin() -> None:
            try:
                made = registry or secrets.token_hex(16)
                self._client.create_experiment(LEDGER, artifact_location=_location(made), tags={LEDGER: made})
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

        place = self.log_place()
        if place is None:
            self._call("begin the log", begin)
            place = self.log_place()
        if place is None:
            raise StoreError(f"the experiment {LEDGER} was made and is not there", fix="look at the MLflow server's log")
        if place.run or place.deleted or not place.registry:
            return place

        def begin_run() -> None:
            note = "The log of the gate. Each artifact is a signed entry; see `aims audit`. Do not delete this run."
            tags = {LEDGER: place.registry, "mlflow.note.content": note}
            made = self._client.create_run(place.experiment_id, tags=tags, run_name="log")
            self._client.update_run(made.info.run_id, status="FINISHED")  # set_terminated would print its address

        self._call("begin the log's run", begin_run)
        return self.log_place() or place

    def move_heads(self, run_id: str, add: Mapping[str, str], remove: Iterable[tuple[str, str]]) -> None:
        """Name new heads of the log in tags of its run, and take those away that they follow. A head gone already is no trouble.

        Args:
            run_id: the run that names the new ones.
            add: digest -> sequence.
            remove: the run that names it, and the digest.
        """
        from mlflow.exceptions import MlflowException

        def take(named_by: str, sha256: str) -> None:
            try:
                self._client.delete_tag(named_by, HEAD + sha256)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise

        for sha256, sequence in add.items():
            self._call("name the log's head", lambda s=sha256, n=sequence: self._client.set_tag(run_id, HEAD + s, n, synchronous=True))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for named_by, sha256 in remove:
            self._call("take an old head of the log away", lambda r=named_by, s=sha256: take(r, s))  # type: ignore[misc]  # as above

    def download(self, run_id: str, folder: str) -> dict[str, bytes]:
        """Return every file below an artifact folder of the run: path -> bytes. A folder that is not there is empty."""
        listed = self._call(f"list the artifacts of run {run_id}", lambda: self._client.list_artifacts(run_id))
        if folder not in {f.path for f in listed if f.is_dir}:
            return {}
        with tempfile.TemporaryDirectory() as into, without_progress_bar():
            local = self._call(
                f"read {folder} of run {run_id}", lambda: Path(self._client.download_artifacts(run_id, folder, into)).resolve()
            )
            files = [p for p in local.rglob("*") if p.is_file() and not p.is_symlink()]
            return {f"{folder}/{p.relative_to(local).as_posix()}": p.read_bytes() for p in files}

    def files_below(self, run: RunView, folder: str) -> dict[str, int | None]:
        """List the files below an artifact folder of a run, down to ``DEEPEST``: path -> bytes, None where MLflow does not say.

        A folder that is not there is an empty one.
        """

        def one(path: str) -> list[Any]:
            return list(_repository(run, self.tracking_uri).list_artifacts(path))

        found: dict[str, int | None] = {}
        open_ones = [folder]
        for _ in range(DEEPEST):
            listed = [file for _, files in self._each(open_ones, "list artifacts", one) for file in files]
            found |= {file.path: file.file_size for file in listed if not file.is_dir}
            open_ones = [file.path for file in listed if file.is_dir]
        return found

    def read_each(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes | StoreError]:
        """Read artifacts of many runs, several at a time: (run id, path) -> bytes, or why it could not be read."""

        def one(key: tuple[str, str]) -> tuple[tuple[str, str], bytes | StoreError]:
            try:
                return key, self.read(*key)
            except StoreError as error:
                return key, error

        with without_progress_bar(), ThreadPoolExecutor(READERS) as pool:
            return dict(pool.map(one, list(wanted)))

    def fetched(self, wanted: Iterable[tuple[RunView, str]]) -> Iterator[tuple[RunView, str, bytes]]:
        """Read artifacts of many runs that a search has found, several at a time; raises StoreError where one cannot be read."""

        def one(run: RunView, path: str) -> bytes:
            with tempfile.TemporaryDirectory() as into:
                return Path(_repository(run, self.tracking_uri).download_artifacts(path, into)).read_bytes()

        for (run, path), content in self._each(wanted, "read artifacts", lambda key: one(*key)):
            yield run, path, content

    def folders(self, runs: Iterable[RunView], folder: str) -> Iterator[tuple[RunView, dict[str, bool]]]:
        """List an artifact folder of many runs, several at a time: path -> whether it is a folder; raises StoreError."""

        def one(run: RunView) -> dict[str, bool]:
            return {f.path: bool(f.is_dir) for f in _repository(run, self.tracking_uri).list_artifacts(folder)}

        yield from self._each(runs, "list artifacts", one)

    def _each(self, keys: Iterable[K], what: str, do: Callable[[K], T]) -> Iterator[tuple[K, T]]:
        left = iter(keys)
        with without_progress_bar(), ThreadPoolExecutor(READERS) as pool:
            while some := list(islice(left, AT_ONCE)):
                yield from pool.map(lambda key: (key, self._call(what, lambda: do(key))), some)


def _repository(run: RunView, tracking_uri: str) -> Any:
    """Return where the artifacts of a run stand. The search has said it already: the run need not be read again."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(run.artifact_uri, tracking_uri=tracking_uri)


def _location(registry: str) -> str | None:
    """Return where the log's artifacts go; None: where MLflow puts them. A server's own process must say it: its default is its folder."""
    root = os.environ.get(SERVER_ROOT)
    if not root:
        return None
    from mlflow.utils.uri import append_to_uri_path

    return str(append_to_uri_path(root, f"{LEDGER}-{registry[:16]}"))
