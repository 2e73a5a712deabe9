"""The store as the gate reads it within the MLflow server: the plain databases, and the artifacts where they lie; no HTTP to itself."""

from __future__ import annotations

import logging
import os
import posixpath
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aims_mlflow.bundle import RECORD_TAG
from aims_mlflow.errors import StoreError
from aims_mlflow.server import rows
from aims_mlflow.store import RunView, Store, VersionView
from aims_mlflow.store.logs import HEAD, LogPlace

log = logging.getLogger("aims_mlflow")

MOST_MANIFESTS = 1_000
"""Manifests that are remembered at most."""


def serving() -> bool:
    """Whether this process works for an MLflow server (or for a job that one has started)."""
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR

    return bool(os.environ.get(BACKEND_STORE_URI_ENV_VAR))


def here(location: str) -> str:
    """Return where an artifact location lies as seen from the server: a proxied one (``mlflow-artifacts:``) in its destination.

    Raises:
        StoreError: the location is of another server, or is written so that a client might read other files there than we do.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.server.constants import ARTIFACTS_DESTINATION_ENV_VAR, SERVE_ARTIFACTS_ENV_VAR
    from mlflow.store.artifact.host_policy import validate_artifact_uri_host

    try:
        validate_artifact_uri_host(location)  # MLflow's own rule for servers: connect to no host that a client has named
    except MlflowException as error:
        raise StoreError(f"the files lie on another host: {error.message}", fix="log the model to this server's artifact store") from None
    parts = urlsplit(location)
    if parts.scheme != "mlflow-artifacts":
        return location
    root = os.environ.get(ARTIFACTS_DESTINATION_ENV_VAR)
    if not root or os.environ.get(SERVE_ARTIFACTS_ENV_VAR) != "true":
        raise StoreError(f"{location} is proxied, and this server serves no artifacts", fix="start it with --serve-artifacts")
    path = parts.path.strip("/")
    odd = parts.query or parts.fragment or any(sign in location for sign in ("%", "\\", "\0")) or ".." in path.split("/")
    if odd or not path:
        raise StoreError(f"{location!r} does not name one place only", fix="register the model from models:/m-…, as MLflow logs it")
    return posixpath.join(root, path)


def folder_of(location: str) -> Path | None:
    """Return the local folder that a resolved location means, or None where it is remote."""
    from mlflow.utils.file_utils import local_file_uri_to_path
    from mlflow.utils.uri import is_local_uri

    if not is_local_uri(location):
        return None
    path = Path(local_file_uri_to_path(location))
    if not path.is_absolute():
        raise StoreError(f"{location!r} is not an absolute path: every machine would read other files there", fix="log the model to MLflow")
    return path


class Inside(Store):
    """A ``Store`` on the server's own databases. Local artifacts are read and written as files, remote ones by MLflow's repositories.

    Args:
        tracking_uri: the server's backend store, a database.
        registry_uri: the registry's database, without ``aims+``.
        remember: take a local file whose size, times and place have not changed for the one that was hashed before. For tags only:
            who may write the file may set its times.
    """

    def __init__(self, tracking_uri: str, registry_uri: str, *, remember: bool = False) -> None:
        super().__init__(tracking_uri, registry_uri)
        self._places: dict[str, str] = {}
        self._remember = remember
        self._mine = threading.local()
        self._manifests: dict[Path, tuple[object, dict[str, tuple[int, str]]]] = {}

    @cached_property
    def _client(self) -> Any:
        client = super()._client
        client._tracking_client = _tracking_client(self.tracking_uri, self._place)
        return client

    def require(self) -> None:
        """Do nothing: a database that does not answer says so at the first question."""

    def _place(self, run_id: str) -> str:
        """Return where the artifacts of a run lie. A run's place never changes."""
        if run_id not in self._places:
            self.run(run_id)
        return self._places[run_id]

    def _file(self, run_id: str, path: str) -> Path | None:
        """Return the local file or folder that an artifact of a run is, or None where artifacts are remote."""
        folder = folder_of(self._place(run_id))
        if folder is None:
            return None
        if path.startswith("/") or ".." in path.split("/"):
            raise StoreError(f"{path!r} is not the path of an artifact")
        return folder / path

    def read(self, run_id: str, path: str) -> bytes:
        """Return the bytes of one artifact of the run; raises StoreError where it is not there."""
        file = self._file(run_id, path)
        return super().read(run_id, path) if file is None else self._call(f"read {path} of run {run_id}", file.read_bytes)

    def artifacts(self, run_id: str, folder: str) -> list[str]:
        """Return the paths of the files in an artifact folder of the run (not below it)."""
        there = self._file(run_id, folder)
        if there is None:
            return super().artifacts(run_id, folder)

        def names() -> list[str]:
            try:
                with os.scandir(there) as entries:
                    return sorted(e.name for e in entries if e.is_file() and not e.name.startswith(".aims-"))
            except (FileNotFoundError, NotADirectoryError):
                return []

        return [posixpath.join(folder, name) for name in self._call(f"list {folder} of run {run_id}", names)]

    def stamps(self, run_id: str, folder: str) -> object:
        """Return what tells whether files of an artifact folder have changed, without reading them; None: they have to be read."""
        there = self._file(run_id, folder)
        return None if there is None else self._call(f"look at {folder} of run {run_id}", lambda: _stamp(there))

    def all_systems_runs(self, since: datetime | None = None) -> Iterator[RunView]:
        """Yield the runs of all systems, deleted ones too; with ``since``, those that began or ended then or later.

        Their tags are those that say of which system a run is, and whether it is a record; MLflow's search would read every metric.
        """
        after = None if since is None else int(since.timestamp() * 1000)

        def find() -> list[RunView]:
            with rows.reading(self._tracking.engine) as connection:
                return list(rows.marked_runs(connection, ("aims.system", RECORD_TAG), after))

        yield from self._call("search runs", find)

    def write(self, run_id: str, path: str, content: bytes) -> None:
        """Write one artifact of the run, whole or not at all."""
        file = self._file(run_id, path)
        if file is None:
            super().write(run_id, path, content)
            return

        def put() -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".aims-{secrets.token_hex(8)}")
            try:
                draft.write_bytes(content)
                draft.replace(file)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise

        self._call(f"write {path}", put)

    def write_all(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Write several artifacts of the run, path -> content."""
        if files and self._file(run_id, "") is None:
            super().write_all(run_id, files)
            return
        for path, content in files.items():
            self.write(run_id, path, content)

    def _location(self, where: str | VersionView) -> str:
        uri = where.uri if isinstance(where, VersionView) else where
        read, self._mine.read = getattr(self._mine, "read", None), None
        if read is not None and read[0] == uri:  # with the version itself, a moment ago in this thread; good for one look
            return here(super()._location(read[1]))
        found = self._row(uri)
        return here(super()._location(found[1] if found else where))

    def model_files(self, where: str | VersionView) -> dict[str, tuple[int, str]]:
        """Return the manifest of a model's files: path -> (bytes, sha256). Raises VerificationError on links."""
        folder = folder_of(self._location(where)) if self._remember else None
        if folder is None:
            return super().model_files(where)
        stamp = _stamp(folder)
        kept = self._manifests.get(folder)
        if kept is None or kept[0] != stamp:
            kept = (stamp, super().model_files(where))
            self._manifests[folder] = kept
            while len(self._manifests) > MOST_MANIFESTS:
                self._manifests.pop(next(iter(self._manifests)), None)
        return kept[1]

    def version(self, uri: str) -> VersionView:
        """Return the version behind ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``; StoreError where there is none."""
        found = self._row(uri)
        if found is None:
            return super().version(uri)
        self._mine.read = (found[0].uri, found[1])
        return replace(found[0], run_id=found[0].run_id or self.model_run(found[0].source))

    def run(self, run_id: str) -> RunView:
        """Return the run with its tags, without params, metrics and inputs; raises StoreError where there is none."""
        found = self._call(f"read run {run_id}", lambda: self._runs(run_id=run_id)).get(run_id)
        if found is None:
            return super().run(run_id)
        self._places[run_id] = here(found[1])
        return found[0]

    def log_again(self, place: LogPlace) -> LogPlace:
        """Return the log's place with its runs as they are now."""
        self._settle_heads()
        found = self._call("find the log", lambda: self._runs(experiment_id=place.experiment_id))
        self._places.update({run_id: here(location) for run_id, (_, location) in found.items()})
        views = (view for view, _ in found.values())
        return replace(place, runs=tuple(sorted(views, key=lambda r: (r.started, r.run_id))))

    def move_heads(self, run_id: str, add: Mapping[str, str], remove: Iterable[tuple[str, str]]) -> None:
        """Name new heads of the log in tags of its run, and take those away that they follow, in one transaction."""
        gone = list(remove)
        moves = []
        for one in {run_id, *(named_by for named_by, _ in gone)}:
            named = {HEAD + sha256: sequence for sha256, sequence in add.items()} if one == run_id else {}
            moves.append((one, named, [HEAD + sha256 for named_by, sha256 in gone if named_by == one]))
        if getattr(self._mine, "gathering", False):
            self._mine.heads = moves
        else:
            self._put_heads(moves)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Write the hint to the log's heads together with the next index of a version, where one database holds both.

        The hint may come late: an entry is in the log without it. It is written at the latest at the end, or before the next entry.
        """
        self._mine.gathering = self.tracking_uri == self._given[1]
        try:
            yield
        finally:
            self._mine.gathering = False
            try:
                self._settle_heads()
            except StoreError as error:
                log.warning("the hint to the log's heads could not be written: %s", error)

    def _settle_heads(self) -> None:
        moves, self._mine.heads = getattr(self._mine, "heads", None), None
        if moves:
            self._put_heads(moves)

    def _put_heads(self, moves: list[tuple[str, dict[str, str], list[str]]]) -> None:
        def put() -> None:
            with self._tracking.ManagedSessionMaker(read_only=False) as session:
                for one, named, gone in moves:
                    rows.tag_run(session, one, named, gone)

        self._call("name the log's heads", put)

    def index_version(self, view: VersionView, tags: Mapping[str, str], text: str) -> None:
        """Set tags and the description of a version, in one transaction."""
        moves, self._mine.heads = getattr(self._mine, "heads", None) or [], None

        def put() -> None:
            with self._registry.ManagedSessionMaker(read_only=False) as session:
                rows.tag_version(session, view.name, view.version, tags, description=text)
                for one, named, gone in moves:
                    rows.tag_run(session, one, named, gone)

        try:
            self._call(f"tag {view.uri}", put)
        except StoreError:
            self._mine.heads = moves  # they are written by themselves then
            raise

    def _row(self, uri: str) -> tuple[VersionView, str] | None:
        """Return a version and where it is loaded from, or None where the URI names none by its number."""
        name, _, number = uri.removeprefix("models:/").rpartition("/")
        if not uri.startswith("models:/") or not name or not number.isdecimal():
            return None

        def find() -> tuple[VersionView, str] | None:
            with rows.reading(self._registry.engine) as connection:
                return rows.version(connection, name, number)

        return self._call(f"find {uri}", find)

    @cached_property
    def _registry(self) -> Any:
        return self._client._get_registry_client().store

    @cached_property
    def _tracking(self) -> Any:
        return self._client._tracking_client.store

    def _runs(self, **which: str) -> dict[str, tuple[RunView, str]]:
        with rows.reading(self._tracking.engine) as connection:
            return rows.runs(connection, **which)

    @contextmanager
    def model_folder(self, where: str | VersionView) -> Iterator[Path]:
        """Give the folder with the files of a model, fetched where it is remote. Nothing is unpickled."""
        folder = folder_of(self._location(where))
        if folder is not None:
            yield folder
            return
        with super().model_folder(where) as fetched:
            yield fetched


def _stamp(folder: Path) -> object:
    """Return what tells whether anything below a folder has changed."""
    seen = (os.lstat(Path(here, name)) for here, folders, files in os.walk(folder) for name in (*folders, *files))
    return sorted((s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in seen)


def _tracking_client(uri: str, place: Any) -> Any:
    """Return MLflow's tracking client with the artifacts of runs read where ``place`` says they lie."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracking._tracking_service.client import TrackingServiceClient

    class Tracking(TrackingServiceClient):
        def _get_artifact_repo(self, resource_id: str, *, resource: str = "run") -> Any:
            location = place(resource_id) if resource == "run" else here(str(self.get_logged_model(resource_id).artifact_location))
            return get_artifact_repository(location)

        def list_artifacts(self, run_id: str, path: str | None = None) -> Any:
            return self._get_artifact_repo(run_id).list_artifacts(path)

        def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> Any:
            return self._get_artifact_repo(run_id).download_artifacts(path, dst_path)

    made: Any = Tracking
    return made(uri)
