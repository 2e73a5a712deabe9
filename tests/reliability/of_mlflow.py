"""Faults of MLflow: its server, its database, its files, and what others do to the run meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from .scene import Fault, Scene
from .serving import Asked, Illness

# The server


def ill(illness: Illness) -> Callable[[Scene], AbstractContextManager[None]]:
    return lambda scene: scene.server.ill(illness)


def on(path: str, illness: Illness) -> Illness:
    """Be ill only where the address has this in it."""
    return lambda asked: path in asked.path and illness(asked)


def says(status: int, body: bytes = b'{"error_code": "INTERNAL_ERROR"}', **headers: str) -> Illness:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked: asked.say(status, body, {"Content-Type": "application/json", **told})


def hangs(asked: Asked) -> bool:
    asked.wait(60)
    return asked.end_connection()


def drips(asked: Asked) -> bool:
    asked.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n")
    for _ in range(60):
        asked.wfile.write(b" ")
        asked.wfile.flush()
        if asked.wait(1):
            break
    return asked.end_connection()


def half(asked: Asked) -> bool:
    asked.wfile.write(b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n{"run": {')
    return asked.end_connection()


def resets(asked: Asked) -> bool:
    return asked.end_connection(reset=True)


def rubbish(asked: Asked) -> bool:
    asked.wfile.write(b"\x00\x01\x02 no such protocol\r\n\r\n")
    return asked.end_connection()


def slow(asked: Asked) -> bool:
    asked.wait(1.5)
    return False


def answers_and_resets(asked: Asked) -> bool:
    """Do what was asked, and let nobody know."""
    server: Any = asked.server
    server.client.open(asked.path, method=asked.command, data=asked.body, headers=[("Content-Type", "application/json")])
    return asked.end_connection(reset=True)


def not_health(illness: Illness) -> Illness:
    """Be well when asked for its health, as a proxy says it whose server is dead."""
    return lambda asked: asked.path != "/health" and illness(asked)


HTML = b"<html><body>Sign in to the company's network</body></html>"
REFUSAL = b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "too long"}'
UNKNOWN = b'{"error_code": "ENDPOINT_NOT_FOUND", "message": "no such endpoint"}'
DENIED = b'{"error_code": "PERMISSION_DENIED", "message": "no"}'

AWAY = {"start": "arrives", "middle": ("arrives", "told"), "end": "passes"}
"""A server that is no help. At the start there is no run to log a model to; in the middle the model cannot be logged, and the bundle
says that it is incomplete; at the end everything waits in the spool."""


ANY = ("passes", "arrives", "told")
"""A server whose trouble MLflow may get over by itself: what is not whole is told, which is what is looked at."""

BACK = {"start": "arrives", "middle": "passes", "end": "passes"}


def served(name: str, illness: Illness, comes_to: Any = ANY, **more: Any) -> Fault:
    return Fault(f"server {name}", ill(illness), comes_to, http=True, **more)


SERVER: tuple[Fault, ...] = (
    Fault("server refuses connections", lambda scene: scene.server.gone(), AWAY, http=True),
    Fault("server goes away and comes back", lambda scene: scene.server.gone(), BACK, http=True, lasts="stage"),
    served("accepts and hangs", hangs),
    served("hangs and comes back", hangs, BACK, lasts="stage"),
    served("drips a byte a second", drips),
    served("half answers", half),
    served("resets the connection", resets),
    served("does what it is asked and resets", not_health(answers_and_resets)),
    served("answers in another protocol", rubbish),
    served("500", says(500)),
    served("500 behind a healthy proxy", not_health(says(500))),
    served("502", says(502, HTML)),
    served("503", says(503)),
    served("503 with Retry-After", says(503, Retry_After="3600")),
    served("429", not_health(says(429))),
    served("429 with Retry-After", not_health(says(429, Retry_After="3600"))),
    served("401", says(401, b"")),
    served("403", says(403, DENIED)),
    served("answers HTML", says(200, HTML, Content_Type="text/html")),
    served("answers nothing", says(200, b"")),
    served("answers half of a JSON", says(200, b'{"run": {"info"')),
    served("answers another JSON", says(200, b"[]")),
    served("answers a JSON without what was asked for", says(200, b"{}")),
    served("redirects to nowhere", says(302, b"", Location="http://127.0.0.1:9/elsewhere")),
    served("redirects in a circle", lambda asked: asked.say(302, b"", {"Location": asked.path})),
    served("is slower than the budget", slow),
    served("knows no log-batch", on("/runs/log-batch", says(404, UNKNOWN))),
    served("knows no logged models", on("/logged-models", says(404, UNKNOWN))),
    served("refuses a tag or metric", on("/runs/log-batch", says(400, REFUSAL))),
    served("refuses the inputs", on("/runs/log-inputs", says(400, REFUSAL))),
    served("refuses the registered name", on("/registered-models/create", says(400, REFUSAL))),
    served("refuses the version", on("/model-versions/create", says(400, REFUSAL))),
    served("refuses to end the run", on("/runs/update", says(500))),
    served("has a full artifact store", on("/mlflow-artifacts/", says(507))),
    served("has a read-only artifact store", on("/mlflow-artifacts/", says(403, DENIED))),
    served("hangs on artifacts", on("/mlflow-artifacts/", hangs)),
    served("loses the end of artifacts", on("/mlflow-artifacts/", half)),
)

# Where MLflow is a file


@contextmanager
def read_only_database(_: Scene) -> Iterator[None]:
    """Make SQLite refuse to write, as on a disk that is mounted read-only."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def refuse(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    def allow(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA query_only=OFF")

    event.listen(Engine, "begin", refuse)
    try:
        yield
    finally:
        event.remove(Engine, "begin", refuse)
        event.listen(Engine, "begin", allow)  # the setting stays with connections that are kept


@contextmanager
def locked_database(scene: Scene) -> Iterator[None]:
    with closing(sqlite3.connect(scene.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def moved_away(path: Path, instead: Callable[[Path], Any] | None = None) -> Iterator[None]:
    away = path.with_name(f"{path.name}-away")
    path.mkdir(parents=True, exist_ok=True) if not path.exists() else None
    path.rename(away)
    if instead is not None:
        instead(path)
    try:
        yield
    finally:
        if path.is_dir():  # what was written meanwhile stands beside what was there
            shutil.copytree(path, away, dirs_exist_ok=True)
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        away.rename(path)


def artifacts(scene: Scene) -> Path:
    return scene.folder / "artifacts"


@contextmanager
def full_artifacts(scene: Scene) -> Iterator[None]:
    """Let no file be copied into the artifact store: the disk has no room."""
    from errno import ENOSPC

    with scene.patch.context() as patch:
        copying = shutil.copyfile

        def copyfile(source: Any, target: Any, **more: Any) -> Any:
            if str(artifacts(scene)) in str(target):
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(target))
            return copying(source, target, **more)

        patch.setattr(shutil, "copyfile", copyfile)
        yield


@contextmanager
def deleted_run(scene: Scene) -> Iterator[None]:
    import mlflow

    client = mlflow.MlflowClient(scene.uri)
    client.delete_run(scene.run_id)
    yield
    client.restore_run(scene.run_id)


@contextmanager
def deleted_experiment(scene: Scene) -> Iterator[None]:
    import mlflow

    client = mlflow.MlflowClient(scene.uri)
    client.delete_experiment(scene.experiment)
    yield
    client.restore_experiment(scene.experiment)


@contextmanager
def ended_run(scene: Scene) -> Iterator[None]:
    import mlflow

    mlflow.MlflowClient(scene.uri).set_terminated(scene.run_id, "FAILED")
    yield


FILES: tuple[Fault, ...] = (
    Fault("database is read-only", read_only_database, ANY),
    Fault("database is locked", locked_database, ANY, seconds=90),
    Fault(  # at the start, MLflow's own pool would stay with the empty file that SQLite makes instead
        "database is removed", lambda scene: moved_away(scene.database), ANY, stages=("middle", "end")
    ),
    Fault("artifact store is a file", lambda scene: moved_away(artifacts(scene), Path.touch), ANY),
    Fault("artifact store is absent", lambda scene: moved_away(artifacts(scene)), "passes"),
    Fault("artifact store is full", full_artifacts, ("told", "passes")),
    Fault("run is deleted", deleted_run, ANY, stages=("middle", "end")),
    Fault("run is ended by another", ended_run, ANY, stages=("middle", "end")),
    Fault("experiment is deleted", deleted_experiment, ANY),
)
MLFLOW = (*SERVER, *FILES)
