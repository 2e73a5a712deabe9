"""Published records, opened: read from their run, verified by their seal, parsed; or what is broken about them, and the fix."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from aims_mlflow.errors import ConfigurationError, MissingKeyError, StoreError, VerificationError
from aims_mlflow.evidence import State
from aims_mlflow.records import sealing
from aims_mlflow.records.reading import Declared, bare, declared
from aims_mlflow.records.risk_words import Level
from aims_mlflow.records.words import SystemRecord
from aims_mlflow.store import RunView, Store

WHOLE_RECORDS = 8
"""Records that are kept parsed; of all others what the inventory shows."""

GLANCES = 5_000

LARGEST = 256 * 2**20
"""Bytes above which a record is not read."""


@dataclass(frozen=True)
class Standing:
    """What is known of a record's seal, in words, and ``doubt`` where a reader should know of one."""

    words: str
    doubt: str = ""
    key_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A record that holds, the run it stands in, and what is known of its seal."""

    run: RunView
    record: SystemRecord
    sha256: str
    standing: Standing


@dataclass(frozen=True)
class Broken:
    """A record that cannot be shown: what is wrong, and what to do."""

    problem: str
    fix: str
    run_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glance:
    """What the inventory says of a record, so that it need not be kept whole."""

    run_id: str
    name: str
    owner: str
    purpose: str
    version: str
    aliases: tuple[str, ...]
    state: State
    decision: str
    risk: Level
    open_items: int
    blocking: int
    unanswered: int
    overdue: int
    soon: int
    made: datetime
    doubt: str
    models: frozenset[str]


def said_of(system_id: str) -> tuple[Declared, str]:
    """Return the system file at hand and why there is none that can be used ("" where there is one, or simply none).

    Raises:
        ConfigurationError: the id is none.
    """
    try:
        return declared(system_id), ""
    except ConfigurationError as error:
        return Declared(bare(system_id), False, "the system file cannot be used"), f"the system file cannot be used: {error.what}"


class Desk:
    """Opens records, and remembers what it has read of them. Safe to be asked by several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = Lock()
        self._whole: OrderedDict[str, Opened] = OrderedDict()
        self._glances: OrderedDict[str, tuple[object, Glance | Broken]] = OrderedDict()

    def open(self, system_id: str, runs: Sequence[RunView], now: datetime) -> Opened | Broken:
        """Return a system's newest record, read and verified now; the bytes are parsed only where they are not those of before.

        Raises:
            StoreError: never for a record: what cannot be read is broken.
        """
        again = f"aims summarise {system_id}"
        if len(runs) != 1:
            return Broken(f"{len(runs)} records call themselves the newest", f"{again} makes one that replaces them all", _ids(runs))
        run = runs[0]
        if run.lifecycle != "active":
            fix = f"restore the run in MLflow, or make the record again: {again}"
            return Broken("the run of the newest record has been deleted", fix, _ids(runs))
        try:
            content = self._store.read(run.run_id, sealing.RECORD)
            envelope = self._envelope(run.run_id)
        except (StoreError, OSError) as error:
            fix = f"see that its run's artifacts are there, or make it again: {again}"
            return Broken(f"the record cannot be read: {getattr(error, 'what', error)}", fix, _ids(runs))
        if len(content) > LARGEST:
            return Broken(f"the record has more than {LARGEST} bytes", again, _ids(runs))
        try:
            standing = _standing(envelope, content, system_id, run, now)
        except VerificationError as error:
            return Broken(f"the record cannot be believed: {error.what}", sealing.AGAIN.format(system_id), _ids(runs))
        sha256 = hashlib.sha256(content).hexdigest()
        with self._turn:
            kept = self._whole.get(run.run_id)
        try:
            record = kept.record if kept is not None and kept.sha256 == sha256 else SystemRecord.model_validate_json(content)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, e["loc"])) for e in error.errors()[:3])
            return Broken(f"the record cannot be parsed ({places})", f"it may be of another version of this package: {again}", _ids(runs))
        if record.system.id != system_id:
            return Broken("the record is another system's", again, _ids(runs))
        opened = Opened(run, record, sha256, standing)
        with self._turn:
            self._whole[run.run_id] = opened
            self._whole.move_to_end(run.run_id)
            while len(self._whole) > WHOLE_RECORDS:
                self._whole.popitem(last=False)
        return opened

    def glance(self, system_id: str, runs: Sequence[RunView], now: datetime) -> Glance | Broken:
        """Return what the inventory says of a system's newest record; read again only where its files or the day are others."""
        stamp = self._stamp(runs, now)
        key = system_id
        with self._turn:
            kept = self._glances.get(key)
        if kept is not None and stamp is not None and kept[0] == stamp:
            return kept[1]
        opened = self.open(system_id, runs, now)
        made = opened if isinstance(opened, Broken) else glance_of(opened)
        with self._turn:
            self._glances[key] = (stamp, made)
            self._glances.move_to_end(key)
            while len(self._glances) > GLANCES:
                self._glances.popitem(last=False)
        return made

    def _envelope(self, run_id: str) -> bytes | None:
        if sealing.PATH not in self._store.artifacts(run_id, str(Path(sealing.PATH).parent)):
            return None
        return self._store.read(run_id, sealing.PATH)

    def _stamp(self, runs: Sequence[RunView], now: datetime) -> object:
        """Return what tells whether a record has changed; None where it has to be read to know."""
        if len(runs) != 1:
            return None
        files = self._store.stamps(runs[0].run_id, str(Path(sealing.RECORD).parent))
        return None if files is None else (runs[0].run_id, runs[0].lifecycle, files, now.date())


def glance_of(opened: Opened) -> Glance:
    """Return what the inventory says of a record."""
    record = opened.record
    late = sum(d.overdue for d in record.due)
    return Glance(
        run_id=opened.run.run_id,
        name=record.system.name,
        owner=record.system.owner,
        purpose=record.system.purpose,
        version=record.version,
        aliases=record.counted.aliases if record.counted else (),
        state=record.state,
        decision=record.decision,
        risk=record.highest_risk,
        open_items=len(record.open_items),
        blocking=sum(i.weight in ("broken", "blocks") for i in record.open_items),
        unanswered=sum(q.state.value == "unknown" for q in record.impact.questions),
        overdue=late,
        soon=sum(d.soon for d in record.due) - late,
        made=record.made,
        doubt=opened.standing.doubt,
        models=models_of(record),
    )


def models_of(record: SystemRecord) -> frozenset[str]:
    """Return the registered models that a record speaks of."""
    return frozenset(v.name for v in record.versions if v.name)


def _ids(runs: Sequence[RunView]) -> tuple[str, ...]:
    return tuple(r.run_id for r in runs)


def _standing(envelope: bytes | None, content: bytes, system_id: str, run: RunView, now: datetime) -> Standing:
    """Return what is known of a record's seal; raises VerificationError where it does not hold."""
    if envelope is None:
        words = "not signed: nobody can say whether it is as it was made"
        return Standing(words, f"the record is {words}; aims summarise {system_id} makes one that is signed, where a key is at hand")
    said, trouble = said_of(system_id)
    try:
        sealed = sealing.unseal(envelope, content, system_id, run.run_id, said, now)
    except MissingKeyError as error:
        return Standing("signed by an unknown key", f"{error.what}; {error.fix}")
    keys = sealed.verified.key_ids
    whose = "a key that the policy lists" if sealed.listed else "a key that nobody vouched for"
    own = " (the development key of this machine)" if sealed.verified.development else ""
    return Standing(f"the signature holds, by {whose}{own}", sealed.doubt or trouble, keys)
