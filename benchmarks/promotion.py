"""Setting an alias under the gate against MLflow's own: two servers of one kind, asked in turns; and denied against allowed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROUNDS, QUICK = 300, 10
"""How often each request is sent; with --quick, to see that it works."""

MODEL_BYTES = 50_000_000
"""The size of the model's larger file in the row that shows what hashing costs."""

TARGET = 1.2
"""At most so many times MLflow's own, plus the hashing of the model's bytes."""

HEAD = "| Request | p50 | p99 | of stock (p50) | less hashing | Target |\n|---|---|---|---|---|---|"


@dataclass
class Running:
    """A server and what is asked of it."""

    port: int
    folder: Path

    @property
    def uri(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def set_alias(self, connection: http.client.HTTPConnection, name: str, alias: str, version: str) -> int:
        """Send the request and return the answer's status."""
        body = json.dumps({"name": name, "alias": alias, "version": version})
        connection.request("POST", "/api/2.0/mlflow/registered-models/alias", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table, line by line: what set-alias takes at p50 and p99 on a stock server and under the gate, and what denial takes."""
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    making = _making()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with _server(folder / "stock", gated=False) as stock, _server(folder / "gated", gated=True) as gated:
            asked = dict(_asked(making, stock, gated))
            seconds = _in_turns(asked, QUICK if quick else ROUNDS)
            hashing = _hashing(gated.folder)
    yield HEAD
    base = statistics.median(seconds["stock"])
    for name, took in seconds.items():
        yield _line(name, took, base, hashing if "50 MB" in name else 0.0)
    denied, allowed = (statistics.median(seconds[f"gated: protected, {name}"]) for name in ("denied", "allowed"))
    yield ""
    yield f"Denied takes {denied / allowed:.2f} of allowed. Hashing 50 MB twice, as a promotion does, takes {hashing * 1e3:.0f} ms here."


def _asked(making: ModuleType, stock: Running, gated: Running) -> Iterator[tuple[str, Callable[[], int]]]:
    """Yield each request by name; each has a connection of its own that stays open, and models of its own."""
    from aims_mlflow.store import Store

    for server, rows in (
        (stock, [("stock", "champion", 200, {}, 0)]),
        (
            gated,
            [
                ("gated: not protected", "candidate", 200, {}, 0),
                ("gated: protected, allowed", "champion", 200, {}, 0),
                ("gated: protected, denied", "champion", 403, {"spoilt": making.failing}, 0),
                ("gated: protected, allowed, 50 MB", "champion", 200, {}, MODEL_BYTES),
            ],
        ),
    ):
        store = Store(server.uri, server.uri)
        for name, alias, status, given, size in rows:
            first = making.trained(store, size=size, **given)
            second = first.again(size=size, **given)
            yield name, _request(server, first.name, alias, (first.version.version, second.version.version), status)


def _request(server: Running, name: str, alias: str, versions: tuple[str, str], status: int) -> Callable[[], int]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    turn = [0]

    def ask() -> int:
        turn[0] += 1  # to and fro between two versions, so that each request writes
        found = server.set_alias(connection, name, alias, versions[turn[0] % 2])
        assert found == status, (name, alias, found)
        return found

    return ask


def _in_turns(asked: dict[str, Callable[[], int]], rounds: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in asked}
    for ask in asked.values():
        for _ in range(3):
            ask()
    for _ in range(rounds):
        for name, ask in asked.items():
            started = time.perf_counter()
            ask()
            took[name].append(time.perf_counter() - started)
    return took


def _hashing(folder: Path) -> float:
    """Return the seconds that the model's bytes take to hash twice, as is done at a promotion."""
    from aims_mlflow.fingerprint import manifest

    file = next(f for f in (folder / "artifacts").rglob("weights") if f.stat().st_size == MODEL_BYTES)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        manifest(file.parent)
        took.append(time.perf_counter() - started)
    return 2 * statistics.median(took)


def _line(name: str, took: list[float], base: float, hashing: float) -> str:
    ordered = sorted(took)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    ratio, without = p50 / base, (p50 - hashing) / base
    aim = "-" if name == "stock" or "denied" in name else f"at most {TARGET}x{'' if without <= TARGET else ' (missed)'}"
    return f"| {name} | {p50 * 1e3:.1f} ms | {p99 * 1e3:.1f} ms | {ratio:.2f} | {without:.2f} | {aim} |"


@contextmanager
def _server(folder: Path, *, gated: bool) -> Iterator[Running]:
    """Run a server on sqlite with one worker, until the block ends."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        running = Running(free.getsockname()[1], folder)
    database = f"sqlite:///{folder / 'mlflow.db'}"
    env: dict[str, Any] = {
        **os.environ,
        "AIMS_HOME": str(folder / "home"),
        "AIMS_POLICY_DIR": str(_policies(folder / "policies")),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(running.port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    command += ["--registry-store-uri", f"aims+{database}"] if gated else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own
    try:
        _wait(running, process)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(running: Running, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError((running.folder / "log").read_text()[-2000:])


def _policies(folder: Path) -> Path:
    import yaml

    folder.mkdir()
    (folder / "golden.yaml").write_text(yaml.safe_dump(_making().SYSTEM))
    return folder


def _making() -> ModuleType:
    """Return the tests' module that makes models with evidence in a moment."""
    from tests.server import making

    return making
