"""Whether a tracking server answers, and what it says of itself: one short question at a time, without MLflow's retries."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from aims_mlflow.errand import Errand
from aims_mlflow.errors import StoreError

T = TypeVar("T")

SECONDS = 5.0
"""How long a server may take to answer, from the first byte sent to the last one read."""

LARGEST_ANSWER = 64_000
"""Of an answer never more than so many bytes are read."""

_VERSION = re.compile(r"\d+\.\d+[0-9A-Za-z.+\-]*")


@dataclass(frozen=True)
class Answer:
    """What a server answered. ``date``: its clock, by the Date header, None where there is none; ``at``: ours, halfway through the call."""

    status: int
    body: bytes
    date: datetime | None
    at: datetime

    @property
    def version(self) -> str:
        """The version of MLflow that the body is; "" where it is something else."""
        text = self.body.decode("ascii", errors="replace").strip()
        return text if len(text) <= 40 and _VERSION.fullmatch(text) else ""


def ask(uri: str, path: str, seconds: float = SECONDS) -> Answer:
    """Get a path of a server, with the login and the certificates that MLflow would use; never another server's, wherever it points to.

    Raises:
        StoreError: no whole answer came in time. The message names the kind of trouble and quotes nothing of it.
    """
    from mlflow.utils import credentials, rest_utils  # noqa: F401 - imported here, since the first time takes longer than an answer may

    return within(seconds, lambda: _get(uri, path, seconds))


def is_there(uri: str, seconds: float) -> bool:
    """Whether a server answers anything in time that does not say that it is unwell."""
    try:
        return ask(uri, "/health", seconds).status < 500
    except StoreError:
        return False


def within(seconds: float, do: Callable[[], T]) -> T:
    """Do what only reads, in a thread that is left behind where it takes longer; StoreError then, and for whatever it raises."""
    asking = Errand(do, "aims-asking")
    if not asking.wait(seconds):
        raise StoreError(f"there was no answer in {seconds:g} seconds")
    try:
        return asking.result()
    except BaseException as error:
        raise StoreError(f"there was no answer ({_kind(error)})") from error


def _get(uri: str, path: str, seconds: float) -> Answer:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    sent = datetime.now(UTC)
    response: Any = http_request(
        get_default_host_creds(uri),
        path,
        "GET",
        max_retries=0,
        timeout=seconds,
        retry_codes=frozenset(),
        raise_on_status=False,
        allow_redirects=False,
        stream=True,
    )
    received = datetime.now(UTC)
    try:
        body = response.raw.read(LARGEST_ANSWER, decode_content=True)
    finally:
        response.close()
    return Answer(int(response.status_code), body, _date(response.headers.get("Date")), sent + (received - sent) / 2)


def _date(header: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _kind(error: BaseException) -> str:
    """Return what kind of trouble it was: the last cause's type, never its text, which quotes addresses and headers."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or error.__context__ or error
    return type(error).__name__
