"""MLflow as it is configured here: whether it answers, of which kind it is, where the gate stands, what its clock says."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from aims_mlflow.describing import address
from aims_mlflow.diagnosing.words import Area, Finding, State
from aims_mlflow.errors import StoreError
from aims_mlflow.store import GATED, ungated
from aims_mlflow.store.answering import SECONDS, Answer, ask, within

PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}

CLOCK_NOTE, CLOCK_PROBLEM = 30.0, 300.0
"""Seconds between two clocks. Logins by signed requests (AWS SigV4, Kerberos) are refused from five minutes on, and the order in which
runs, decisions and revoked keys are read is no longer what happened."""

SERVER_INFO = "/api/3.0/mlflow/server-info"


@dataclass(frozen=True)
class Seen:
    """What was seen of MLflow. ``version`` is the server's, "" where it is not known."""

    findings: list[Finding] = field(default_factory=list)
    version: str = ""


def look(tracking_uri: str, registry_uri: str) -> Seen:
    """Look at the tracking store, and at the registry where that is another one. Nobody else is spoken to, and nothing is written."""
    tracking, registry = _clean(tracking_uri), _clean(registry_uri)
    seen = _place(tracking, "tracking store")
    if registry != tracking:
        other = _place(registry, "registry")
        seen = Seen([*seen.findings, *other.findings], seen.version)
    return Seen([*seen.findings, _gate(registry_uri)], seen.version)


def _clean(uri: str) -> str:
    return ungated(uri).rstrip("/")


def _place(uri: str, what: str) -> Seen:
    """Look at one place where MLflow keeps something."""
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme in ("http", "https"):
        return _server(uri, what)
    if scheme == "sqlite":
        return Seen([_sqlite(uri, what)])
    if scheme in PORTS:
        return Seen([_database(uri, scheme, what)])
    if scheme in ("", "file"):
        return Seen([_folder(uri, what)])
    said = f"the {what} is of the kind {scheme!r}, which is looked at by its own tools only"
    return Seen([_found("server", "kind", "note", said, address(uri))])


def _server(uri: str, what: str) -> Seen:
    """Ask a server over HTTP: is it up, which MLflow is it, does it let us in, what is its clock."""
    where = address(uri)
    fix = "start it, or set MLFLOW_TRACKING_URI to the one that runs"
    began = monotonic()
    try:
        health = ask(uri, "/health")
    except StoreError as error:
        return Seen([_found("server", "unreachable", "problem", f"the {what} cannot be reached: {error.what}", where, fix)])
    took = monotonic() - began
    found = [*_clock(health, where)]
    if 300 <= health.status < 400:
        said = f"the {what} points to another address (status {health.status}), which was not followed"
        return Seen([*found, _found("server", "redirects", "note", said, where, "set MLFLOW_TRACKING_URI to the final address")])
    if health.status != 200:
        said = f"the {what} answers, and is not well (status {health.status})"
        return Seen([*found, _found("server", "unwell", "problem", said, where, "see the server's log")])
    found.append(_found("server", "reachable", "ok", f"the {what} answers in {took:.1f} s: {_kind(uri)}", where))
    try:
        told = ask(uri, "/version")
    except StoreError as error:
        said = f"the {what} is up and does not say its version: {error.what}"
        return Seen([*found, _found("server", "version", "note", said, where, "see the server's log")])
    if told.status in (401, 403):
        given = bool(os.environ.get("MLFLOW_TRACKING_USERNAME") or os.environ.get("MLFLOW_TRACKING_TOKEN") or urlsplit(uri).username)
        said = "does not accept the login it was given" if given else "asks for a login, and none is set"
        fix = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        return Seen([*found, _found("server", "login", "problem", f"the {what} {said}", where, fix)])
    if not told.version:
        said = f"what answers as the {what} does not say that it is MLflow"
        return Seen([*found, _found("server", "not_mlflow", "problem", said, where, fix)])
    return Seen(found, told.version)


def _kind(uri: str) -> str:
    """Return what kind of server it is, as far as it says so without a login."""
    try:
        told = ask(uri, SERVER_INFO)
        info = json.loads(told.body) if told.status == 200 else {}
    except (StoreError, ValueError):
        info = {}
    kind = info.get("store_type") if isinstance(info, dict) else None
    kinds = {"SqlStore": "a server on a database", "FileStore": "a server on a folder of files"}
    return kinds.get(kind, "a server that does not say on what") if isinstance(kind, str) else "a server that does not say on what"


def _clock(answer: Answer, where: str) -> list[Finding]:
    """Compare the clocks; the server's tells whole seconds."""
    if answer.date is None:
        return [_found("clock", "clock", "note", "the server sends no Date, so the clocks cannot be compared", where)]
    apart = (answer.at.astimezone(UTC) - answer.date).total_seconds()
    seconds = max(abs(apart) - 1.0, 0.0)
    said = f"this machine's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the server's"
    fix = "set both by NTP (timedatectl set-ntp true)"
    if seconds > CLOCK_PROBLEM:
        return [_found("clock", "clock", "problem", said, where, fix)]
    if seconds > CLOCK_NOTE:
        return [_found("clock", "clock", "note", said, where, fix)]
    return [_found("clock", "clock", "ok", "this machine's clock and the server's agree", where)]


def _sqlite(uri: str, what: str) -> Finding:
    """Look at a database file without opening it: MLflow would make it, or change its tables."""
    path = Path(uri.partition(":///")[2].partition("?")[0])
    if not path.name or path.name == ":memory:":
        return _found("server", "memory", "problem", f"the {what} is in memory: what is written is gone with the process", "sqlite")
    parent = path.absolute().parent
    fix = "correct MLFLOW_TRACKING_URI"
    if not path.exists():
        if parent.is_dir() and os.access(parent, os.W_OK):
            said = f"the {what} is a database file that is not there yet; MLflow makes it on first use"
            return _found("server", "new", "note", said, str(path), "set MLFLOW_TRACKING_URI, if another was meant")
        return _found("server", "unreachable", "problem", f"the {what} is a database file in a folder that cannot be used", str(path), fix)
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK) or not os.access(parent, os.W_OK):
        said = f"the {what} is a database file that cannot be written"
        return _found("server", "unreachable", "problem", said, str(path), "let it and its folder be writable")
    return _found("server", "reachable", "ok", f"the {what} is a database file on this machine", str(path))


def _database(uri: str, scheme: str, what: str) -> Finding:
    """See whether a database accepts a connection; it is not logged in to."""
    parts = urlsplit(uri)
    where, kind = address(uri), f"the {what} is a {scheme} database that this process writes to itself"
    try:
        host, port = parts.hostname, parts.port or PORTS[scheme]
    except ValueError:
        return _found("server", "unreachable", "problem", f"{kind}, and its port is no number", where, "correct MLFLOW_TRACKING_URI")
    if not host:
        return _found("server", "kind", "note", f"{kind}, by a socket that was not tried", where)
    try:
        within(SECONDS, lambda: socket.create_connection((host, port), timeout=SECONDS).close())
    except StoreError as error:
        said = f"{kind}, and it does not accept a connection: {error.what}"
        return _found("server", "unreachable", "problem", said, where, "start it, or correct MLFLOW_TRACKING_URI")
    return _found("server", "reachable", "ok", f"{kind}; it accepts connections", where)


def _folder(uri: str, what: str) -> Finding:
    path = Path(uri.removeprefix("file:").removeprefix("//") or "mlruns")
    place = path if path.exists() else path.absolute().parent
    if place.is_dir() and os.access(place, os.W_OK):
        said = f"the {what} is a folder of files, which MLflow no longer develops and which has no gate"
        return _found("server", "files", "note", said, str(path), "use a server, or sqlite:///mlflow.db")
    return _found(
        "server", "unreachable", "problem", f"the {what} is a folder that cannot be written", str(path), "set MLFLOW_TRACKING_URI"
    )


def _gate(registry_uri: str) -> Finding:
    """Say where the gate stands, as far as this side can know."""
    where, remote = address(registry_uri), urlsplit(ungated(registry_uri)).scheme in ("http", "https")
    server = "start the server with --registry-store-uri aims+…"
    if registry_uri.startswith(GATED) and remote:
        said = "the gate is advice: it looks before this client promotes, and a client without it is not stopped by that"
        return _found("server", "gate", "note", said, where, server)
    if registry_uri.startswith(GATED):
        said = "the gate stands before this registry in this process; whoever may write to the database can go around it"
        return _found("server", "gate", "ok", said, where)
    if remote:
        said = (
            "the server does not say whether it is gated; its own log does, at its start. Without that, only `aims promote` asks the gate"
        )
        return _found("server", "gate", "note", said, where, server)
    said = "no gate stands before this registry: it is asked by `aims promote` only, and MLflow's own calls go past it"
    return _found("server", "gate", "note", said, where, f"set MLFLOW_REGISTRY_URI to {GATED}…, or use a gated server")


def _found(area: Area, code: str, state: State, what: str, where: str, fix: str = "") -> Finding:
    return Finding(area=area, code=code, state=state, what=what, where=where, fix=fix)
