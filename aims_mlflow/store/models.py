"""Logged models: saved with their own flavour, and their files read without unpickling anything."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.fingerprint import manifest
from aims_mlflow.store.connection import Connection, without_progress_bar
from aims_mlflow.store.patience import SLOWEST
from aims_mlflow.store.views import LoggedModel, VersionView

if TYPE_CHECKING:
    import pandas as pd


LOADED_NOTE = "registered_model_meta"
"""The file in which MLflow notes, in a local store in the model's own folder, as which version a model was loaded."""

_LOADED_NOTE = re.compile(rb"(model_(name|version): [^\n]{0,500}\n){1,2}")
"""What MLflow writes there. A file of that name with anything else in it counts as any other."""


class Models(Connection):
    """What the store does with logged models."""

    def log_model(self, model: Any, *, run_id: str, name: str, frame: pd.DataFrame | None) -> LoggedModel:
        """Log ``model`` with its own flavour as an output of the run, and return how it is known.

        Args:
            model: anything with ``predict``.
            run_id: the run that made it.
            name: name of the logged model.
            frame: feature columns, for the signature; its values are not kept.
        """
        import mlflow.models
        from mlflow.entities import LoggedModelOutput

        from aims_mlflow.store import flavours

        def log_it() -> LoggedModel:
            run = self._call(f"read run {run_id}", lambda: self._client.get_run(run_id))
            begin = partial(self._client.create_logged_model, run.info.experiment_id, name=name, source_run_id=run_id)
            logged = self._call("begin the model", begin)
            with tempfile.TemporaryDirectory() as folder:
                described = mlflow.models.Model(
                    artifact_path=logged.artifact_location, run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id
                )
                saved = flavours.save(model, Path(folder, "model"), described, frame=frame)
                for cache in Path(folder).rglob("__pycache__"):
                    flavours.empty(cache)
                size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
                send = partial(self._client.log_model_artifacts, logged.model_id, str(Path(folder, "model")))
                self._call("send the model's files", send, patient=size / SLOWEST)
            self._call("end the model", lambda: self._client.finalize_logged_model(logged.model_id, "READY"))
            self._call("name the model", lambda: self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)]))
            return LoggedModel(f"models:/{logged.model_id}", saved.flavour, saved.serialization)

        return self._call("log the model", log_it, here=True)

    def logged_models(self, run_id: str) -> list[str]:
        """Return the ``models:/m-…`` URIs of the models that the run has logged, in their order."""
        run = self._call(f"read run {run_id}", lambda: self._client.get_run(run_id))
        outputs = [o.model_id for o in run.outputs.model_outputs] if run.outputs else []
        if len(outputs) > 1:  # MLflow gives them in no order
            models = self._call(f"read the models of run {run_id}", lambda: [self._client.get_logged_model(o) for o in outputs])
            outputs = [m.model_id for m in sorted(models, key=lambda m: m.creation_timestamp)]
        return [f"models:/{o}" for o in outputs]

    def model_run(self, uri: str) -> str:
        """Return the id of the run that made a logged model (``models:/m-…``), or ""."""
        if not uri.startswith("models:/m-"):
            return ""
        model = self._call(f"read {uri}", lambda: self._client.get_logged_model(uri.removeprefix("models:/")))
        return str(model.source_run_id or "")

    @contextmanager
    def model_folder(self, where: str | VersionView) -> Iterator[Path]:
        """Give the folder with the files of a model, fetched where it is remote. Nothing is unpickled."""
        import mlflow.artifacts

        with tempfile.TemporaryDirectory() as folder:
            uri = self._location(where)
            # A local store's own folder is looked at as it stands, so that links in it are seen.
            into = None if uri.startswith(("file:", "/")) else folder
            with without_progress_bar():
                path = self._call(
                    f"read the files of {uri}",
                    lambda: mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=into, tracking_uri=self.tracking_uri),
                    patient=float("inf"),  # nobody knows how large it is
                )
            yield Path(path)

    def _location(self, where: str | VersionView) -> str:
        """Return where the model's files lie: for a version, where MLflow loads it from, which its source need not be.

        MLflow looks a source up once, when the version is made. Who deletes or renames the model that a version was copied from
        can let the source's name mean another model later; what is loaded stays what it was.
        """
        if isinstance(where, VersionView):
            where = where.uri
        if where.startswith("models:/m-"):
            model = self._call(f"read {where}", lambda: self._client.get_logged_model(where.removeprefix("models:/")))
            return str(model.artifact_location)  # where it is proxied (mlflow-artifacts:), MLflow reads it through our tracking URI
        name, _, number = where.removeprefix("models:/").rpartition("/")
        if where.startswith("models:/") and number.isdecimal():
            return self._call(f"find the files of {where}", lambda: str(self._client.get_model_version_download_uri(name, number)))
        return where

    def model_files(self, where: str | VersionView) -> dict[str, tuple[int, str]]:
        """Return the manifest of a model's files: path -> (bytes, sha256). Raises VerificationError on links.

        The note that MLflow leaves beside a model of a local store when somebody loads it is no file of the model.
        """
        with self.model_folder(where) as folder:
            found = manifest(folder)
            if LOADED_NOTE in found and _LOADED_NOTE.fullmatch((folder / LOADED_NOTE).read_bytes()):
                del found[LOADED_NOTE]
            return found

    def load_pyfunc(self, uri: str) -> Any:
        """Load a model to evaluate it. This runs code of the model's: for the capturing side only, never for the gate."""
        import mlflow.pyfunc

        return self._call(f"load {uri}", lambda: mlflow.pyfunc.load_model(uri), here=True)
