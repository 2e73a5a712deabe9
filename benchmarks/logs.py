"""The gate's log as it grows: what one entry more costs, what an audit of all of it costs, and one that remembers what it has read.

Entries are made as the gate makes them, half of them decisions and half denials, and written straight among the artifacts of the
log's run. ``AIMS_LOGS_ENTRIES`` is the largest log (10,000). Each size is read in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.comparing import resident
from benchmarks.many import counting

ENTRIES, QUICK = 10_000, 20
SIZE = "AIMS_LOGS_ENTRIES"

HEAD = (
    "| Entries of the log | each | one more | audit, all read | peak (before) | audit `--memory` after two more | its peak | file |\n"
    "|---|---|---|---|---|---|---|---|"
)


def report(quick: bool = False) -> Iterator[str]:
    """Yield the table, one size a line."""
    most = QUICK if quick else int(os.environ.get(SIZE, ENTRIES))
    yield HEAD
    for many in (most // 10, most):
        with tempfile.TemporaryDirectory() as made:
            size = write(Path(made), many)
            first, again = _told(made), _told(made)
        assert first["entries"] + 2 == again["entries"] == many + 4, (first, again)
        cells = [
            f"{many:,}",
            f"{size / many / 1e3:.1f} kB",
            f"{again['append'][0] * 1e3:.0f} ms, {again['append'][1]} calls",
            f"{first['audit'][0]:.1f} s, {first['audit'][1]:,} calls",
            f"{first['peak'] / 1e6:,.0f} MB ({first['before'] / 1e6:,.0f})",
            f"{again['audit'][0]:.1f} s, {again['audit'][1]:,} calls",
            f"{again['peak'] / 1e6:,.0f} MB",
            f"{first['file'] / 1e6:.1f} MB",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "Processor seconds of one process, with MLflow's sqlite store and a local folder of artifacts in it; one measurement each."


def _told(folder: str) -> Any:
    command, root = [sys.executable, "-m", "benchmarks.logs", folder], Path(__file__).parents[1]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True)  # noqa: S603 - our own words
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return json.loads(ran.stdout.splitlines()[-1])


def write(folder: Path, many: int) -> int:
    """Write a log of so many entries, each after the one before it, into an MLflow in a folder; returns its bytes."""
    from aims_mlflow.evidence import canonical
    from aims_mlflow.ledger.entry import content_digest, entry_path
    from aims_mlflow.signing import gate_key, sign
    from tests.golden import make

    _at_home(folder)
    from aims_mlflow.store import Store

    store, key, size = Store(), gate_key(), 0
    place = store.begin_log()
    assert place.run is not None
    root = Path(place.run.artifact_uri.removeprefix("file://"))
    parents: tuple[str, ...] = ()
    allowed, denied = make.decision(), make.denial()
    for number in range(1, many + 1):
        held = (allowed, denied)[number % 2].model_copy(update={"run_id": "", "model": f"models:/golden/{number}"})
        entry = make.entry(
            registry=place.registry,
            sequence=number,
            parents=parents,
            kind="decision" if held.allowed else "denial",
            time=make.DECIDED + timedelta(seconds=number),
            content_sha256=content_digest(held),
            decision=held,
        )
        envelope = sign(canonical(entry.statement()), key=key)
        sha256 = hashlib.sha256(envelope).hexdigest()
        file = root / entry_path(sha256)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(envelope)
        parents, size = (sha256,), size + len(envelope)
    store.move_heads(place.run.run_id, {parents[0]: str(many)}, ())
    return size


def _at_home(folder: Path) -> None:
    """Let MLflow and our keys stand in a folder."""
    import mlflow

    os.environ["AIMS_HOME"] = str(folder / "home")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    os.chdir(folder)


def _child(folder: Path) -> None:
    """Append to the log in a folder, audit it with a memory, and print what each took."""
    _at_home(folder)
    from aims_mlflow.auditing import audit
    from aims_mlflow.ledger import Facts, Ledger
    from aims_mlflow.store import Store

    store, memory = Store(), folder / "memory.json"
    Ledger(store).append("export", Facts(reason="to import what is needed"), actor="benchmark")
    with counting() as calls:
        began = time.process_time()
        Ledger(store).append("withdrawal", Facts(model="golden", version="1", alias="champion"), actor="benchmark")
        append = time.process_time() - began, calls[0]
    before = resident(os.getpid(), "VmRSS")
    with counting() as calls:
        began = time.process_time()
        found = audit(store=store, memory=memory)
        audited = time.process_time() - began, calls[0]
    grave = [one.code for one in found.findings if one.severity == "critical"]
    assert not grave, grave[:3]
    told = {"entries": found.entries, "append": append, "audit": audited, "peak": resident(os.getpid(), "VmHWM"), "before": before}
    print(json.dumps(told | {"file": memory.stat().st_size}))


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
