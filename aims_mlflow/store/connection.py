"""The connection to MLflow: which stores, whether they answer, and one form for whatever goes wrong."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from aims_mlflow.errors import AimsError, StoreError
from aims_mlflow.store.answering import is_there
from aims_mlflow.store.patience import Budget
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

    budget: Budget | None = None
    """What MLflow's trouble may cost the training that waits for it; None where nobody trains: as long as MLflow takes."""

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

        Asked before the first call, because MLflow's own retries of a refused connection last minutes. Within a budget it has to
        answer, too: one that accepts and says nothing is no help to a training.
        """
        parts = urlsplit(self.tracking_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return True
        if self.budget is not None:
            return self.budget.allows(lambda within: is_there(self.tracking_uri, within))
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

    def _call(self, what: str, do: Callable[[], T], *, patient: float = 0.0, here: bool = False) -> T:
        """Do it, within the budget where there is one, and turn whatever MLflow raises into a StoreError.

        Args:
            what: in words, for the message.
            do: the call.
            patient: the seconds it may take beyond the budget while the server is there: files are sent, or it looks at some itself.
            here: it must be done in this thread, since it runs code of the user's: its own calls are within the budget, not it.
        """
        from mlflow.exceptions import MlflowException

        try:
            if self.budget is None or here:
                return do()
            if not self.tracking_uri.startswith(("http://", "https://")):
                return self.budget.ask_here(do, is_trouble=_is_trouble)
            _ = self._client  # made before the clock runs: what is imported for it is not MLflow's trouble
            there = (lambda within: is_there(self.tracking_uri, within)) if patient else None
            return self.budget.ask(do, is_there=there, is_trouble=_is_trouble, longest=patient)
        except AimsError:
            raise
        except (MlflowException, OSError) as error:
            text = str(getattr(error, "message", None) or error)
            raise StoreError(f"MLflow could not {what}: {text}", where=without_password(self.tracking_uri)) from error

    def probe(self) -> None:
        """Ask the server a real question, where there is a budget to ask within; raises StoreError where it is not answered."""
        if self.budget is not None and self.tracking_uri.startswith(("http://", "https://")):
            self._call("look at the server", lambda: self._client.search_experiments(max_results=1))

    def within_budget(self, budget: Budget | None = None) -> Self:
        """Give this store a budget, from now on: a training waits for it. Returns the store."""
        self.budget = budget or Budget()
        return self

    def _pages(self, what: str, search: Callable[[str | None], Any]) -> Iterator[Any]:
        """Yield every row of a paged search, whatever the number of pages."""
        token: str | None = None
        while True:
            page = self._call(what, lambda at=token: search(at))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            yield from page
            token = page.token
            if not token:
                return


def _is_trouble(error: Exception) -> bool:
    """Whether an error is the server's trouble (it is gone, or has too much to do) and not its answer to what was asked."""
    from mlflow.exceptions import MlflowException

    cause = error.__cause__ if isinstance(error, AimsError) else error
    if isinstance(cause, MlflowException):
        status = int(cause.get_http_status_code())
        return status == 429 or status >= 500
    return isinstance(cause, OSError)
