"""The table of readers: what each begins with; and what becomes of one content: fine, or a find."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from aims_mlflow.auditing import remembering
from aims_mlflow.auditing.entries import Known
from aims_mlflow.auditing.pinning import Pinned
from aims_mlflow.errors import AimsError
from aims_mlflow.evidence import canonical
from aims_mlflow.ledger import Logged
from aims_mlflow.ledger.entry import content_digest
from aims_mlflow.records import memory
from aims_mlflow.signing import Trust, TrustedKey
from aims_mlflow.signing.trust_file import text
from aims_mlflow.store import Store
from tests.fuzzing.world import NOW, ROOT, World, Wrong
from tests.golden import make

SECONDS = 2.0
"""Of this process's time. No content may keep a reader longer."""

MEGABYTES = 200
"""Nor make it take more memory."""

HANGS = 20
"""Seconds after which a reader that does not come back is told to."""

ORGANISATION = b"""\
version: 1
organisation: {name: Example Bank, owner: {name: Head of AI governance}}
unlisted_models: block
default_tier: high
systems: {credit-scoring: high, churn: low}
gate:
  protects: [champion, production]
  controls: [A.5.4]
  inconclusive: block
  max_age_days: 30
  trusted_keys: []
  longest_waiver_days: 180
requirements:
  - {check: performance, metric: roc_auc_score, min: 0.6}
  - {check: overlap, datasets: [train, test], metric: shared_rows, max: 0}
tiers:
  low: {narrow_controls: [A.6.2.4, A.7.4], must_declare: []}
  limited:
    requirements:
      - {check: performance, metric: roc_auc_score, min: 0.65, because: below this a ranking is of no use}
"""

EVENTS = b"""\
{"time": "2026-03-01T12:00:00+00:00", "kind": "prediction", "id": 1}
{"timestamp": 1772366400.5, "type": "override"}

{"@timestamp": "2026-03-02T12:00:00Z", "event_type": "a person's name"}
not json
[1, 2]
{"ts": 1772366400000, "event": "incident"}
"""


TABLE = b"""\
age,sex,income,paid
31,female,2400.5,1
,male,1800,0
52,female,,1
"""


@dataclass(frozen=True)
class Reader:
    """A reader: its name, good and bad contents to begin with, and what it does with one."""

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]


@dataclass(frozen=True)
class Find:
    """Something that no content may do. ``place`` is where it came from: of several finds at one place one is kept."""

    what: str
    place: str = ""


def readers(folder: Path) -> dict[str, Reader]:
    """Return every reader by name; what they write stands in ``folder``."""
    world = World(folder)
    made, system = world.make, (ROOT / "tests" / "data" / "aims.yaml").read_bytes()
    golden = b"# JSON is YAML, too\n" + json.dumps(made.SYSTEM, indent=1).encode()
    record = _record()
    bundles = world.statements("bundles", "kept")
    table: dict[str, tuple[Callable[[bytes], object], tuple[bytes, ...]]] = {
        "system-file": (world.system_file, (system, golden)),
        "organisation-file": (world.organisation_file, (ORGANISATION, b"version: 1\n")),
        "policy-folder": (world.policy_folder, (golden, ORGANISATION)),
        "keys-file": (world.keys_file, _key_lists(made)),
        "public-key": (world.public_key, tuple(one.encode() for one in _pems(world))),
        "private-key": (world.private_key, _private_keys()),
        "suite": (world.suite, ((ROOT / "tests" / "data" / "expectations" / "train.json").read_bytes(),)),
        "envelope": (world.envelope, world.of("bundles", "decisions", "entries", "events", "kept")),
        "bundle": (world.statement, bundles),
        "decision": (world.statement, world.statements("decisions")),
        "log-entry": (world.statement, world.statements("entries")),
        "case-event": (world.statement, world.statements("events")),
        "log": (world.log_entry, world.statements("entries")),
        "json": (world.json, (*bundles[:3], *world.of("decisions")[:3])),
        "seal": (world.seal, (canonical(_seal()),)),
        "record": (world.record, (record,)),
        "summary-memory": (world.summary_memory, _memories()),
        "audit-memory": (world.audit_memory, (_audit_memory(),)),
        "heads": (world.heads, _heads(world)),
        "parcel": (world.parcel, ((world._spooled.folder / "parcel.json").read_bytes(),)),
        "spooled-statement": (world.spooled_statement, bundles),
        "assigned-run": (world.assigned, (b"1" * 32,)),
        "journal": (world.journal, ((world._spooled.folder / "parcel.json").read_bytes(),)),
        "event-log": (world.event_log, (EVENTS,)),
        "packed-event-log": (world.packed_event_log, (gzip.compress(EVENTS, mtime=0),)),
        "data-file": (world.data_file, (TABLE,)),
        "packed": (world.packed, world.of("bundles")[:8]),
    }
    return {name: Reader(name, seeds, read) for name, (read, seeds) in table.items()}


def tried(reader: Reader, content: bytes) -> tuple[Find | None, str]:
    """Give a content to a reader; return the find, and in a word what became of it: ``read``, or the reason of the refusal."""
    before, began = _peak_from_now_on(), time.process_time()
    said, found = "read", None
    try:
        with _limited():
            reader.read(content)
    except AimsError as refused:
        said = refused.what
        if not refused.what:
            found = Find("an error without a word of what went wrong", reader.name)
    except Exception as error:
        said, found = "a find", Find(f"{type(error).__name__}: {str(error)[:200]}", _place(error))
    took, grown = time.process_time() - began, _peak() - before
    if found is None and took > SECONDS:
        found = Find(f"it took {took:.1f} seconds", f"slow {reader.name}")
    if found is None and grown > MEGABYTES:
        found = Find(f"it took {grown:.0f} MB", f"large {reader.name}")
    return found, said


class _Hangs(Exception):
    """A reader does not come back."""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Hangs(f"it does not come back within {HANGS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _peak_from_now_on() -> float:
    """Forget the most memory that this process has had, so that what others took before hides nothing; return what it has now, in MB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets VmHWM to what is resident
    return _peak()


def _peak() -> float:
    """Return the most memory that this process has had since it was told to forget, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _place(error: BaseException) -> str:
    """Return type and line of an exception, by which one find is told from another."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "aims_mlflow" in f.filename] or frames
    return f"{type(error).__name__} {Path(own[-1].filename).name} {own[-1].name}" if own else type(error).__name__


def _record() -> bytes:
    from tests.exports.made import golden_key, material

    with golden_key():
        return material().record.json_bytes()


def _seal() -> dict[str, Any]:
    return {
        "format": "aims-mlflow record seal 1",
        "system_id": "golden",
        "run_id": "run",
        "record_sha256": hashlib.sha256(b"{}").hexdigest(),
    }


def _key_lists(made: Any) -> tuple[bytes, ...]:
    keys = []
    for words, roles in (("golden", ("evidence",)), ("gate", ("decision", "attestation"))):
        key = made.key(words)
        keys.append(TrustedKey.model_validate({"id": key.id, "public": key.public, "name": words, "roles": roles, "since": "2026-01-01"}))
    revoked = {"until": "2027-01-01", "revoked": {"on": "2026-05-01", "reason": "lost", "from": "2026-04-01"}}
    ended = TrustedKey.model_validate(keys[0].model_dump(by_alias=True) | revoked)
    named = f"version: 1\nkeys:\n- {{id: {keys[0].id}, file: golden.pub, name: a, roles: [evidence], since: 2026-01-01}}\n"
    return (text(Trust(keys=(*keys,))).encode(), text(Trust(keys=(ended, keys[1]))).encode(), named.encode())


def _pems(world: World) -> list[str]:
    found = {s["public_key"] for one in world.of("bundles", "kept") if b'"public_key":"' in one for s in _signatures(one)}
    return sorted(found)


def _signatures(envelope: bytes) -> list[dict[str, str]]:
    try:
        return [s for s in json.loads(envelope)["signatures"] if isinstance(s.get("public_key"), str)]
    except (ValueError, TypeError, AttributeError):
        return []


def _private_keys() -> tuple[bytes, ...]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    kept = (ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32), ec.derive_private_key(7, ec.SECP256R1()))
    return tuple(one.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for one in kept)


def _memories() -> tuple[bytes, ...]:
    runs = (memory.RunRow(run_id="1" * 32, started=NOW, status="FINISHED", lifecycle="active"),)
    return (memory.Memory(system_id="golden", looked=NOW, whole=NOW, runs=runs).model_dump_json().encode(),)


def _audit_memory() -> bytes:
    one = remembering.Settled(run_id="1" * 32, system="golden", started=NOW, status="FINISHED", attempt=True)
    denied = make.denial()
    entries = (make.entry(), make.entry(kind="denial", decision=denied, content_sha256=content_digest(denied)))
    made = remembering.Memory(
        store=remembering._place(Store("sqlite:///x.db")),
        by=remembering._by(Trust()),
        looked=NOW,
        whole=NOW,
        settled=(one,),
        open=("2" * 32,),
        entries=tuple(Known.of(Logged("3" * 64, entry, 9_000)) for entry in entries),
    )
    return made.model_dump_json().encode()


def _heads(world: World) -> tuple[bytes, ...]:
    walk = world._walk
    found = Pinned(registry=walk.registry, heads=walk.heads, entries=len(walk.entries), time=NOW)
    first = Pinned(registry=walk.registry, heads=(), entries=0, time=NOW)
    return found.model_dump_json().encode(), first.model_dump_json().encode()


__all__ = ["Find", "Reader", "Wrong", "readers", "tried"]
