"""The readers of bytes that come from outside, each as a method of ``World``: it returns, or raises one of our own errors.

``Wrong`` says that it accepted what it must not.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from aims_mlflow import sending, spool
from aims_mlflow.auditing import pinning, remembering
from aims_mlflow.auditing.aliases import Book
from aims_mlflow.bundle import Bundle
from aims_mlflow.decision import GateDecision, VersionFacts
from aims_mlflow.errors import AimsError, VerificationError
from aims_mlflow.evidence import canonical
from aims_mlflow.exports import audit_pack
from aims_mlflow.gate import decide
from aims_mlflow.ledger import walking
from aims_mlflow.ledger.entry import entry_path
from aims_mlflow.measuring.expectations.evaluating import read_suite
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.operation import events
from aims_mlflow.policy.folder import read_folder
from aims_mlflow.policy.organisation_file import load_organisation
from aims_mlflow.records import memory, sealing
from aims_mlflow.records.pages import files_of
from aims_mlflow.records.reading import Declared
from aims_mlflow.records.words import SystemRecord
from aims_mlflow.signing import Trust, sign, strict_json, verify
from aims_mlflow.signing.keys import canonical_pem, load_key, read_public
from aims_mlflow.signing.trust_file import text
from aims_mlflow.store import Store
from aims_mlflow.system import System
from aims_mlflow.system_file import load_system, parse_system
from aims_mlflow.system_file.drafting import DataFile, Draft, likely_kind
from aims_mlflow.verifying import checked
from docs import verify_standalone
from tests.golden import make

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
NOW = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


class Wrong(Exception):
    """A reader has accepted what it must not, or says something else of it than what stands there."""


class Shelf(Store):
    """A store that holds one file, so that what reads from MLflow can be fed ten thousand times a minute."""

    content = b""

    def read(self, run_id: str, path: str) -> bytes:  # noqa: ARG002 - the store's signature
        return self.content


class World:
    """What the readers need beside the bytes: a folder, the golden files and their key, a policy, a log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.environ["AIMS_HOME"] = str(folder / "home")
        self.make = make
        self.key = self.make.key()
        self.system = System.model_validate(self.make.SYSTEM)
        self.standalone = verify_standalone
        files = sorted(GOLDEN.glob("*/*.dsse.json"))
        self.envelopes = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in files}
        self.payloads = {_payload(content) for name, content in self.envelopes.items() if "/good-" in name}
        self.said = Declared(self.system, True, "aims.yaml")

    def of(self, *folders: str) -> tuple[bytes, ...]:
        """Return the golden envelopes of these folders, good and bad."""
        return tuple(content for name, content in self.envelopes.items() if name.partition("/")[0] in folders)

    def statements(self, *folders: str) -> tuple[bytes, ...]:
        """Return what the golden envelopes of these folders hold, good and bad."""
        return tuple(sorted({payload for one in self.of(*folders) if (payload := _payload(one)) is not None}))

    def file(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    # what people write

    def system_file(self, content: bytes) -> None:
        """``aims.yaml``: what is accepted says the same when it is read again, and its digest is one."""
        path = self.file("system/aims.yaml", content)
        if load_system(path).sha256 != load_system(path).sha256:
            raise Wrong("one system file has two digests")

    def organisation_file(self, content: bytes) -> None:
        """``organisation.yaml``."""
        load_organisation(self.file("organisation/organisation.yaml", content))

    def policy_folder(self, content: bytes) -> None:
        """A policy folder with one file more: it is never raised from, and while a file is broken nothing loses its protection."""
        folder = self.file("policies/golden.yaml", content).parent
        policies = read_folder(folder)
        if policies.broken and not {"champion", "production"} <= policies.protects("loans"):
            raise Wrong("a broken file takes protection away")
        policies.for_model("loans", "golden")

    def keys_file(self, content: bytes) -> None:
        """``keys.yaml``: what is accepted comes back from the text that is written of it."""
        trust = Trust.read(self.file("keys/keys.yaml", content))
        again = Trust.read(self.file("keys/again.yaml", text(trust).encode()))
        if again.sha256 != trust.sha256:
            raise Wrong("the key list says something else when it is written and read")

    def public_key(self, content: bytes) -> None:
        """A public key in PEM: one that is read has one canonical text, which is the same key."""
        pem = content.decode("utf-8", "replace")
        key = read_public(pem)
        if key is not None and getattr(read_public(canonical_pem(pem)), "keyid", "") != key.keyid:
            raise Wrong("the canonical text of a key is another key")

    def private_key(self, content: bytes) -> None:
        """A signing key in PEM."""
        load_key(self.file("private.key", content))

    def suite(self, content: bytes) -> None:
        """A suite of Great Expectations beside the system file."""
        read_suite("suite.json", self.file("suites/suite.json", content).parent)

    def data_file(self, content: bytes) -> None:
        """A CSV file for which a system file is drafted: a draft is one that loads, whatever the columns are called."""
        table = DataFile(self.file("data.csv", content))
        target, *others = table.columns
        kind = likely_kind(table.column(target))
        sensitive = {name: (1.0, 2.0) if table.column(name).needs_bins else None for name in others[:2]}
        text = Draft("golden", target, kind, positive_label=1, favourable_label=None, sensitive=sensitive).text()
        if set(parse_system(text).data.sensitive_columns) != {*sensitive}:
            raise Wrong("a draft names other columns")

    # what is signed

    def envelope(self, content: bytes) -> None:
        """An envelope, whatever it holds: it holds only what a good one holds, and the second verifier agrees."""
        try:
            found = checked(content)
        except VerificationError:
            if _opens(self.standalone, content):
                self._agreed(content)
            raise
        if found.verified.payload not in self.payloads:
            raise Wrong("an envelope verifies that nobody has signed")
        if not _opens(self.standalone, content):
            raise Wrong("the second verifier refuses it")

    def _agreed(self, content: bytes) -> None:
        try:
            verify(content)
        except VerificationError as error:
            raise Wrong(f"the second verifier accepts the signatures: {error.what}") from None

    def statement(self, content: bytes) -> None:
        """A statement that somebody has signed: what is read says the same when it is written and read again."""
        found = checked(sign(content, key=self.key))
        one: Any = found.content
        if type(one).from_statement(strict_json(canonical(one.statement()), "again")) != one:
            raise Wrong("a statement says something else when it is read again")
        if strict_json(canonical(one.statement()), "again")["predicate"].keys() != one.model_dump(mode="json").keys():
            raise Wrong("a statement loses a field")
        try:
            self.standalone.read(content)
        except self.standalone.REFUSALS as error:
            raise Wrong(f"the second verifier refuses a {found.kind}: {error}") from None
        if isinstance(one, Bundle):
            self.gate(one)

    def gate(self, bundle: Bundle) -> None:
        """The gate decides on whatever bundle is signed, and lets none through that is of another model, run or system."""
        verified = verify(sign(b"{}", key=self.key))
        facts = VersionFacts(name="loans", version="3", run_id=self.make.RUN_ID, run_status="FINISHED")
        decision = decide(self.system, bundle, facts, now=NOW, verification=verified, model_files=self.make.FILES)
        if not isinstance(GateDecision.from_statement(json.loads(canonical(decision.statement()))), GateDecision):
            raise Wrong("a decision cannot be read back")
        same = (bundle.system_id, bundle.run.run_id, bundle.run.outcome, bundle.complete) == ("golden", self.make.RUN_ID, "finished", True)
        if decision.allowed and not same:
            raise Wrong("the gate lets evidence of something else through")

    def json(self, content: bytes) -> None:
        """Strict JSON: what is accepted is what Python reads, and has no key twice."""
        said = strict_json(content, "text")
        try:
            written = canonical(said)
        except ValueError:  # half of a surrogate pair
            return
        if strict_json(written, "again") != said:
            raise Wrong("JSON says something else when it is written and read")

    def log_entry(self, content: bytes) -> None:
        """A log that holds one more signed entry, or one more file: the walk ends and never raises."""
        signed = sign(content, key=self.key)
        files = {entry_path(hashlib.sha256(one).hexdigest()): one for one in (*self._entries, signed)}
        files[entry_path("0" * 64)] = content
        found = walking.read(files, registry="0" * 32, now=NOW)
        if "entry_altered" not in {one.code for one in found.findings}:
            raise Wrong("a file under another's name is no finding")

    @cached_property
    def _entries(self) -> tuple[bytes, ...]:
        return tuple(content for name, content in self.envelopes.items() if name.startswith("entries/good-"))

    def seal(self, content: bytes) -> None:
        """What a record's seal holds: only the very record, system and run are accepted."""
        envelope = sign(content, sealing.TYPE, self.key)
        sealing.unseal(envelope, b"{}", "golden", "run", self.said, NOW)
        wanted = {"system_id": "golden", "run_id": "run", "record_sha256": hashlib.sha256(b"{}").hexdigest()}
        if not wanted.items() <= json.loads(content).items():
            raise Wrong("a seal of something else counts")

    # what lies on disks and in MLflow

    def record(self, content: bytes) -> None:
        """A published record, as the pages read it, and the pages that are made of it."""
        try:
            record = SystemRecord.model_validate_json(content)
        except ValidationError:
            raise AimsError("the record cannot be parsed") from None
        files_of(record)

    def summary_memory(self, content: bytes) -> None:
        """What a summary remembers: used, or passed over with a line for the log."""
        shelf = Shelf()
        for packed in (content, gzip.compress(content, 1)):
            shelf.content = sign(packed, memory.TYPE)
            memory.recalled(shelf, "golden", ["run"])

    def audit_memory(self, content: bytes) -> None:
        """What an audit remembers."""
        memory = remembering.recalled(self.file("audit.json", content), Store("sqlite:///x.db"), Trust(), NOW)
        if memory is not None:
            known = {entry_path(one.sha256): one for one in memory.known({("golden", "7", "champion")}).values()}
            Book.of(walking.read(known, registry="0" * 32, now=NOW).entries)

    def heads(self, content: bytes) -> None:
        """The heads that an earlier audit has pinned, held against the log as it is."""
        before = pinning.pinned(self.file("heads.json", content))
        if before is not None:
            list(pinning.cut(before, self._walk))

    @cached_property
    def _walk(self) -> walking.Walk:
        files = {entry_path(hashlib.sha256(one).hexdigest()): one for one in self._entries}
        return walking.read(files, registry="0" * 32, now=NOW)

    def parcel(self, content: bytes) -> None:
        """A parcel of the spool whose name is the digest of what it says: read, or refused with a reason."""
        folder = self.file(f"parcels/{spool.PARCEL}", content).parent
        for path, inside in self._parcel.files.items():
            self.file(f"parcels/{hashlib.sha256(inside).hexdigest()}", inside)
            assert path
        read = spool.Entry(hashlib.sha256(content).hexdigest(), folder).read()
        sending._died(read)

    def spooled_statement(self, content: bytes) -> None:
        """A bundle in a parcel that waits for its run and its signature."""
        waiting = replace(self._parcel, files={spool.UNSIGNED: content}, local_id="offline-1")
        sending._died(waiting)
        sending._rebound(waiting, "0" * 32)

    def assigned(self, content: bytes) -> None:
        """The file that names a parcel's run."""
        entry = self._spooled
        (entry.folder / spool.ASSIGNED).write_bytes(content)
        try:
            entry.read()
        finally:
            (entry.folder / spool.ASSIGNED).unlink()

    def journal(self, content: bytes) -> None:
        """What a dead process has left of its run is taken over or thrown away, and stops nobody."""
        running = spool.folder() / ".running-0123"
        inside = running / hashlib.sha256(content).hexdigest()
        inside.mkdir(parents=True, exist_ok=True)
        (inside / spool.PARCEL).write_bytes(content)
        (running / "lock").write_bytes(b"")
        spool.take_over()
        for entry in spool.pending():
            entry.remove()

    @cached_property
    def _parcel(self) -> spool.Parcel:
        statement = canonical(self.make.small().statement())
        return spool.Parcel(
            run_id="1" * 32,
            server="sqlite:///mlflow.db",
            files={"aims/model_card.md": b"# A card\n", spool.UNSIGNED: statement},
            tags={"aims.system": "golden"},
            metrics={"aims.auc": 0.75},
            registration=spool.Registration("models:/m-1", "loans", {"aims.state": "pass"}),
            status="FINISHED",
            local_id="offline-1",
        )

    @cached_property
    def _spooled(self) -> spool.Entry:
        return spool.put(self._parcel, self.folder / "spooled")

    def event_log(self, content: bytes) -> None:
        """The event log of a model in operation, plain and packed: what is counted adds up."""
        found = events.read_events(self.file("events.jsonl", content), now=NOW)
        if found.events > content.count(b"\n") + 1:
            raise Wrong("more events than lines")
        events.events_result(found, None, now=NOW, earliest=NOW - timedelta(days=9))

    def packed_event_log(self, content: bytes) -> None:
        """The same, gzipped by somebody else."""
        events.read_events(self.file("events.jsonl.gz", content), now=NOW)

    def packed(self, content: bytes) -> None:
        """Files of runs as an audit pack takes them up, whatever stands in them."""
        audit_pack._keys({"evidence/x.dsse.json": content, CARD_PATH: content})
        audit_pack._payload(content)


def _payload(envelope: bytes) -> bytes | None:
    try:
        return base64.b64decode(json.loads(envelope)["payload"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _opens(standalone: ModuleType, content: bytes) -> bool:
    try:
        standalone.opened(content)
    except standalone.REFUSALS:
        return False
    return True
