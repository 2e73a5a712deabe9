"""A server under the gate on PostgreSQL, asked by many clients for minutes: what fails, what each request takes, whether memory grows.

``AIMS_SOAK_MINUTES`` (10), ``AIMS_SOAK_CLIENTS`` (32); with ``AIMS_SOAK_RESTART=1`` the database is restarted in the middle;
``AIMS_SOAK_REQUESTS`` names those to send (``search runs; log metric``), to find out which of them makes memory grow; with
``AIMS_SOAK_PLAIN=1`` the server is MLflow's own, without gate and pages, and is asked what it has itself: what it grows by is not ours.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import gauge

MINUTES, QUICK = 10.0, 0.1
CLIENTS, FEW = 32, 4
PROCESSES = 2
"""Processes that the clients are threads of; what they do is mostly to wait."""

WORKERS = 2
"""Processes of the server: as many as the machine has cores to give."""

MODELS = 4
"""Registered models, each with two versions that may be promoted and one that may not."""

SHOWN = 20
"""Different failures that are shown, the most frequent first."""

MIX = {
    "search runs": 22,
    "log metric": 22,
    "get version and tags": 16,
    "create version": 6,
    "set alias, allowed": 12,
    "set alias, denied": 12,
    "page of the inventory": 5,
    "page of the system": 5,
}
"""How often each request is sent, in a hundred."""

ONLY, PLAIN = "AIMS_SOAK_REQUESTS", "AIMS_SOAK_PLAIN"

OURS = ("set alias, denied", "page of the inventory", "page of the system")
"""What MLflow's own server does not have."""

HEAD = "| Request | asked | p50 | p99 | longest | 5xx | other answers |\n|---|---|---|---|---|---|---|"


def sent_ones() -> dict[str, int]:
    """Return the requests that are sent, and how often: all that the server has, or those that were named."""
    named = [one.strip() for one in os.environ.get(ONLY, "").split(";") if one.strip()]
    there = {what: often for what, often in MIX.items() if not (os.environ.get(PLAIN) and what in OURS)}
    unknown = [one for one in named if one not in there]
    if unknown:
        raise SystemExit(f"{ONLY} names {', '.join(unknown)}; there are {', '.join(there)}")
    return {what: there[what] for what in named or there}


@dataclass(frozen=True)
class Stage:
    """What the clients act on: the server's port, versions by model (two good ones, then a bad one), runs and their experiment."""

    port: int
    models: Mapping[str, tuple[str, str, str]]
    runs: tuple[str, ...]
    experiment: str


@dataclass(frozen=True)
class Told:
    """One request: what, when it was sent, the seconds until its answer, its status (0: none came), and what a 5xx said."""

    what: str
    at: float
    took: float
    status: int
    said: str = ""


class Client:
    """Sends requests over a connection that stays open, as a plain HTTP session does."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.stage, self.chance = stage, random.Random(number)  # noqa: S311 - draws what is asked next, no secret
        self.connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=120)

    def drawn(self) -> tuple[str, str, str, Any]:
        """Return what is asked next: its name, verb, path and body."""
        sent = sent_ones()
        what = self.chance.choices(list(sent), list(sent.values()))[0]
        name = self.chance.choice(list(self.stage.models))
        one, other, bad = self.stage.models[name]
        good = self.chance.choice((one, other))
        run = self.chance.choice(self.stage.runs)
        metric = {"run_id": run, "key": "loss", "value": self.chance.random(), "timestamp": int(time.time() * 1000), "step": 0}
        alias = {"name": name, "alias": "champion"}
        asked: dict[str, tuple[str, str, Any]] = {
            "search runs": ("POST", "runs/search", {"experiment_ids": [self.stage.experiment], "max_results": 20}),
            "log metric": ("POST", "runs/log-metric", metric),
            "get version and tags": ("GET", f"model-versions/get?name={name}&version={good}", None),
            "create version": ("POST", "model-versions/create", {"name": "filled", "source": "s3://bucket/model", "run_id": run}),
            "set alias, allowed": ("POST", "registered-models/alias", {**alias, "version": good}),
            "set alias, denied": ("POST", "registered-models/alias", {**alias, "version": bad}),
            "page of the inventory": ("GET", "/aims/", None),
            "page of the system": ("GET", "/aims/systems/golden/", None),
        }
        return what, *asked[what]

    def ask(self) -> Told:
        """Ask for something. A connection that the server has closed meanwhile is opened again, once."""
        what, verb, path, body = self.drawn()
        whole = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        content = None if body is None else json.dumps(body)
        at, before = time.time(), time.perf_counter()
        status, said = 0, ""
        for _ in range(2):
            try:
                self.connection.request(verb, whole, content, {"Content-Type": "application/json"} if content else {})
                answer = self.connection.getresponse()
                status, said = answer.status, answer.read().decode(errors="replace")
                break
            except (OSError, http.client.HTTPException) as error:
                said = type(error).__name__
                self.connection.close()
        return Told(what, at, time.perf_counter() - before, status, said[:2_000] if not 200 <= status < 500 else "")


def clients(stage: Stage, numbers: Sequence[int], until: float, told: Any) -> None:
    """Let clients ask until then, each in a thread, and hand over what they were told."""
    found: list[list[Told]] = [[] for _ in numbers]

    def go_on(client: Client, mine: list[Told]) -> None:
        while time.time() < until:
            mine.append(client.ask())

    threads = [threading.Thread(target=go_on, args=(Client(stage, n), mine)) for n, mine in zip(numbers, found, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put([one for mine in found for one in mine])


def slope(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope an hour over the last two thirds of the time, by least squares, and its standard error.

    The error is that of independent samples. Memory has a memory: its true one is larger.
    """
    since = samples[0][0] + (samples[-1][0] - samples[0][0]) / 3
    points = [((at - since) / 3600, size) for at, size in samples if at >= since]
    if len(points) < 3:
        return float("nan"), float("nan")
    x, y = zip(*points, strict=True)
    fit = statistics.linear_regression(x, y)
    middle = statistics.fmean(x)
    spread = sum((one - middle) ** 2 for one in x)
    left = sum((b - fit.intercept - fit.slope * a) ** 2 for a, b in points)
    return fit.slope, (left / (len(points) - 2) / spread) ** 0.5


def memory(readings: Mapping[int, Sequence[gauge.Reading]]) -> Iterator[str]:
    """Yield a table of what the processes that answer had in use: as many as there are workers, the largest."""
    largest = sorted(readings, key=lambda pid: readings[pid][-1].resident, reverse=True)[:WORKERS]
    yield "| Memory | at first | at last | an hour, over the last two thirds |\n|---|---|---|---|"
    for number, pid in enumerate(sorted(largest), 1):
        seen = readings[pid]
        for what, unit, values in (
            ("resident", 1e6, [one.resident for one in seen]),
            ("held by malloc", 1e6, [one.held for one in seen]),
            ("in use of it", 1e6, [one.used for one in seen]),
            ("Python's blocks, thousands", 1e3, [one.blocks for one in seen]),
        ):
            samples = [(one.at, value / unit) for one, value in zip(seen, values, strict=True)]
            first, last = (statistics.fmean(value for _, value in part) for part in (samples[:5], samples[-5:]))
            grown, error = slope(samples)
            name = " MB" if unit == 1e6 else ""
            yield f"| worker {number}: {what} | {first:,.1f}{name} | {last:,.1f}{name} | {grown:+.1f} ± {error:.1f}{name} |"


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table, line by line, then memory, the log, and what failed with the words of it."""
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    minutes = QUICK if quick else float(os.environ.get("AIMS_SOAK_MINUTES", MINUTES))
    many = FEW if quick else int(os.environ.get("AIMS_SOAK_CLIENTS", CLIENTS))
    with tempfile.TemporaryDirectory() as made, running(Path(made)) as (cluster, server):
        stage = prepared(server)
        began = time.time()
        told, restart = asked(stage, many, began + 60 * minutes, _restart(cluster))
        took = time.time() - began
        seen = gauge.readings(Path(made, "gauge"), began)
        after = [] if os.environ.get(PLAIN) else list(end(server))
    counted, excused = parted(told, restart)
    yield HEAD
    for what in sent_ones():
        yield line(what, [one for one in counted if one.what == what])
    yield line("all", counted)
    yield ""
    yield f"{len(told):,} requests of {many} clients in {took / 60:.1f} minutes, {len(told) / took:.0f} a second; {WORKERS} workers."
    if restart is not None:
        failed = Counter(one.status for one in excused if one.status == 0 or one.status >= 500)
        away = f"PostgreSQL was away for {restart[1] - restart[0]:.1f} s"
        yield f"{away}; of {len(excused)} requests then failed: {_named(failed)}. They are not counted above."
    yield from after
    yield ""
    yield from memory(seen)
    yield ""
    for when, some in (("", counted), ("while PostgreSQL was away, ", excused)):
        failures = Counter((one.what, one.status, " ".join(one.said.split())[:300]) for one in some if one.said)
        for (what, status, said), times in failures.most_common(SHOWN):
            yield f"{when}{times} x {what}: {status or 'no answer'} {said}"


def parted(told: Sequence[Told], restart: tuple[float, float] | None) -> tuple[list[Told], list[Told]]:
    """Return the requests that count, and those that were under way while the database was away."""
    excused = [one for one in told if restart is not None and restart[0] <= one.at + one.took and one.at <= restart[1]]
    there = set(map(id, excused))
    return [one for one in told if id(one) not in there], excused


def asked(stage: Stage, many: int, until: float, restart: Any) -> tuple[list[Told], tuple[float, float] | None]:
    """Let the clients ask, and restart the database in the middle where that is wished for."""
    spawn = multiprocessing.get_context("spawn")
    told: Any = spawn.Queue()
    half = time.time() + (until - time.time()) / 2
    processes = [spawn.Process(target=clients, args=(stage, range(n, many, PROCESSES), until, told)) for n in range(PROCESSES)]
    for one in processes:
        one.start()
    away: tuple[float, float] | None = None
    if restart is not None:
        time.sleep(max(0.0, half - time.time()))
        away = restart()
    found = [one for _ in processes for one in told.get()]
    for one in processes:
        one.join()
    return found, away


def line(what: str, told: Sequence[Told]) -> str:
    """Return the row of one kind of request."""
    if not told:
        return f"| {what} | 0 | - | - | - | - | - |"
    took = sorted(one.took for one in told)
    p50, p99 = statistics.median(took), took[min(len(took) - 1, int(0.99 * len(took)))]
    wanted = {403} if what == "set alias, denied" else {200, 403} if what == "all" else {200}
    others = Counter(one.status for one in told if one.status not in wanted and one.status < 500)
    failed = sum(one.status >= 500 for one in told)
    times = " | ".join(f"{seconds * 1e3:.0f} ms" for seconds in (p50, p99, took[-1]))
    return f"| {what} | {len(told):,} | {times} | {failed} | {_named(others)} |"


def _named(counted: Mapping[int, int]) -> str:
    return ", ".join(f"{times} x {status or 'no answer'}" for status, times in sorted(counted.items())) or "none"


@contextmanager
def running(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Run a PostgreSQL and a server on it until the block ends: gated, with its pages, or MLflow's own."""
    from tests.server.cluster import Cluster, binaries
    from tests.server.serving import Server, database, policies

    programs = binaries()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed (apt-get install postgresql)")
    cluster = Cluster(programs, safe=True)
    try:
        cluster.start()
        rules = policies(folder / "policies")
        gated = not os.environ.get(PLAIN)
        pages = ("--app-name", "aims") if gated else ()
        env = {"AIMS_POLICY_DIR": str(rules), **gauge.environment(folder / "gauge")}
        server = Server(folder, database(cluster.uri, "soak"), gated=gated, env=env, more=pages, workers=WORKERS)
        try:
            yield cluster, server.start()
        finally:
            server.stop()
    finally:
        cluster.stop()


def _restart(cluster: Any) -> Any:
    """Return what restarts the database and says from when to when it was away; None where that is not wished for."""

    def restart() -> tuple[float, float]:
        began = time.time()
        cluster.down()
        cluster.up()
        return began, time.time()

    return restart if os.environ.get("AIMS_SOAK_RESTART") else None


def prepared(server: Any) -> Stage:
    """Make the models, the runs that metrics are logged to, and a model that is filled with versions."""
    from tests.server import making

    store = server.store()
    models: dict[str, tuple[str, str, str]] = {}
    for n in range(MODELS):
        first = making.trained(store, f"soaked-{n}")
        models[first.name] = (first.version.version, first.again().version.version, first.again(spoilt=making.failing).version.version)
    store._client.create_registered_model("filled")
    runs = tuple(store.create_run("asked", f"run {n}", {}) for n in range(8))
    return Stage(server.port, models, runs, store.experiment("asked"))


def end(server: Any) -> Iterator[str]:
    """Say what an audit finds in the end: all that was promoted under load is proven, and the log holds."""
    from aims_mlflow.auditing.entries import brief
    from aims_mlflow.ledger import walk

    store = server.store()
    found = walk(store, keep=brief)
    grave = [one.code for one in found.findings if one.severity in ("critical", "major")]
    kinds = Counter(one.entry.kind for one in found.entries)
    said = ", ".join(f"{times:,} of {kind}" for kind, times in sorted(kinds.items()))
    yield f"Entries of the log: {said}; wrong with it: {', '.join(grave) or 'nothing'}."
