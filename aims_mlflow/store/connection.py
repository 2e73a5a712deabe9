"""The connection to MLflow: which stores, whether they answer, and one form for whatever goes wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from aims_mlflow.errors import AimsError, StoreError
from aims_mlflow.store.views import ungated, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

PAGE = 1_000
"""Rows asked for at a time."""


PROGRESS_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextmanager
def without_progress_bar() -> Iterator[None]:
    """Keep MLflow from drawing a bar for each small file of ours; a setting of the user's stays."""
    if PROGRESS_BAR in os.environ:
        yield
        return
    os.environ[PROGRESS_BAR] = "false"
    try:
        yield
    finally:
        os.environ.pop(PROGRESS_BAR, None)


class Connection:
    """An MLflow tracking store and a registry, by their URIs."""

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        self._given = (tracking_uri, registry_uri)

    @cached_property
    def tracking_uri(self) -> str:
        """The tracking store's URI."""
        import mlflow

        return self._given[0] or mlflow.get_tracking_uri()

    @cached_property
    def _client(self) -> MlflowClient:
        import mlflow

        registry = ungated(self._given[1] or mlflow.get_registry_uri())
        return mlflow.MlflowClient(tracking_uri=self.tracking_uri, registry_uri=registry)

    def reachable(self, seconds: float = 2.0) -> bool:
        """Whether the server accepts a connection within ``seconds``; stores that are not servers always do.

        Asked before the first call, because MLflow's own retries of a refused connection last minutes.
        """
        parts = urlsplit(self.tracking_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return True
        try:
            with socket.create_connection((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)), timeout=seconds):
                return True
        except OSError:
            return False

    def require(self) -> None:
        """Raise StoreError at once where the server does not answer."""
        if not self.reachable():
            raise StoreError(
                "the MLflow server does not answer",
                where=without_password(self.tracking_uri),
                fix="start it, or set MLFLOW_TRACKING_URI to the one that runs",
            )

    def _call(self, what: str, do: Callable[[], T]) -> T:
        """Do it, and turn whatever MLflow raises into a StoreError."""
        from mlflow.exceptions import MlflowException

        try:
            return do()
        except AimsError:
            raise
        except (MlflowException, OSError) as error:
            text = str(getattr(error, "message", None) or error)
            raise StoreError(f"MLflow could not {what}: {text}", where=without_password(self.tracking_uri)) from error

    def _pages(self, what: str, search: Callable[[str | None], Any]) -> Iterator[Any]:
        """Yield every row of a paged search, whatever the number of pages."""
        token: str | None = None
        while True:
            page = self._call(what, lambda at=token: search(at))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            yield from page
            token = page.token
            if not token:
                return
