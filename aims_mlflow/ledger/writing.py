"""Append to the log: an entry that names all heads its writer sees, signed, under the digest of its bytes. No lock is needed."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from aims_mlflow.decision import GateDecision
from aims_mlflow.errors import ConfigurationError, StoreError, VerificationError
from aims_mlflow.evidence import canonical, collector
from aims_mlflow.ledger.entry import ENTRY_TYPE, FOLDER, MOST_PARENTS, OF_THE_GATE, SHA256, Entry, Facts, Kind, content_digest, entry_path
from aims_mlflow.ledger.walking import Logged, Walk, opened, walk
from aims_mlflow.signing import gate_key, sign
from aims_mlflow.store import RunView, Store
from aims_mlflow.store.logs import LEDGER, LogPlace

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class _Head:
    """What must be known of a head to write after it. ``content``: kind, digest of what it holds and, for facts, when."""

    sequence: int
    content: tuple[str, ...]


@dataclass
class _Known:
    """What has been learnt of a store's log; nothing of it is believed that could have changed."""

    place: LogPlace | None = None
    heads: dict[str, _Head] = field(default_factory=dict)


_known: WeakKeyDictionary[Store, _Known] = WeakKeyDictionary()

REMEMBERED = 1_000
"""Heads of which the sequence is remembered, so that a writer does not read its own entries again."""


class Ledger:
    """The log of a registry.

    Args:
        store: the MLflow that keeps it; the log is one to a tracking store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._learnt = _known.setdefault(store, _Known())

    def append(
        self,
        kind: Kind,
        content: GateDecision | Facts | Mapping[str, Any],
        *,
        actor: str = "",
        time: datetime | None = None,
        undoes: str = "",
    ) -> str:
        """Write an entry after all heads that are known, and return its digest. Takes a constant number of calls to MLflow.

        What a head holds already (the same decision; the same facts at the same ``time``) is not written again: its digest is
        returned. So a call may be repeated.

        Args:
            kind: what happened.
            content: the gate's decision (decision, denial, rollback), or facts with the fields of ``Facts``.
            actor: who asked for it; default: the decision's actor.
            time: when; default: now.
            undoes: of a rollback: the digest of the entry that it takes back.

        Raises:
            StoreError: MLflow did not take it, or the log has been deleted.
            ConfigurationError: there is no key to sign with, or the content has no such fields.
        """
        held = _content(kind, content)
        self.store.require()
        place, run = self._place()
        heads = self._heads(place)
        when = time or _now()
        same = _same(kind, content_digest(held), when)
        for sha256, head in heads.items():
            if head.content == same:
                return sha256
        return self._write(place, run.run_id, kind, held, heads, actor, when, undoes)

    def withdraw(self, name: str, holder: str, version: str, *, actor: str, stage: bool = False, reason: str = "") -> str:
        """Append that a protected alias was deleted, or that a version left a protected stage; as ``append``.

        Args:
            name: the registered model's name.
            holder: the alias, or the stage.
            version: the number of the version that held it.
            actor: who did it.
            stage: whether ``holder`` is a stage.
            reason: why, where somebody said so.
        """
        facts = Facts(model=name, version=version, alias="" if stage else holder, stage=holder if stage else "", reason=reason)
        return self.append("withdrawal", facts, actor=actor)

    def walk(self, trust: Any = None) -> Walk:
        """Read the whole log and say what is wrong with it; raises StoreError. ``trust``: whose signatures count."""
        return walk(self.store, trust=trust)

    def entries(self) -> tuple[Logged, ...]:
        """Return every entry that can be read, parents before children; raises StoreError."""
        return self.walk().entries

    def merge(self, found: Walk) -> None:
        """Name all heads that a walk has found in the hint, so that the next entry takes up those that no entry follows yet."""
        place, run = self._place()
        sequences = {one.sha256: str(one.entry.sequence) for one in found.entries}
        self.store.move_heads(run.run_id, {h: sequences[h] for h in found.heads if h not in place.hints}, ())

    def _write(
        self,
        place: LogPlace,
        run_id: str,
        kind: Kind,
        held: GateDecision | Facts,
        heads: Mapping[str, _Head],
        actor: str,
        time: datetime,
        undoes: str,
    ) -> str:
        parents = tuple(sorted(sorted(heads, key=lambda h: heads[h].sequence)[:MOST_PARENTS]))
        decision = held if isinstance(held, GateDecision) else None
        entry = Entry(
            registry=place.registry,
            sequence=1 + max((heads[p].sequence for p in parents), default=0),
            parents=parents,
            kind=kind,
            time=time,
            actor=actor or (decision.actor if decision else "") or "unknown",
            collector=collector(),
            content_sha256=content_digest(held),
            decision=decision,
            facts=held if isinstance(held, Facts) else None,
            undoes=undoes,
        )
        envelope = sign(canonical(entry.statement()), key=gate_key())
        sha256 = hashlib.sha256(envelope).hexdigest()
        self.store.write(run_id, entry_path(sha256), envelope)
        self._remember(sha256, _head(entry))
        try:
            self.store.move_heads(run_id, {sha256: str(entry.sequence)}, [(place.hints[p][0], p) for p in parents if p in place.hints])
        except StoreError as error:  # the entry is in the log; the next walk finds it as a head
            log.warning("the entry %s is in the log, but the hint to it could not be written: %s", sha256[:16], error)
        return sha256

    def _place(self) -> tuple[LogPlace, RunView]:
        """Return where the log stands, with the hint as it is now, and the run to write to."""
        known = self._learnt.place
        place = self.store.log_again(known) if known is not None else None
        if place is None or place.run is None:  # not begun, or gone for good with its runs
            place = self.store.begin_log()
        run = _written(place)
        self._learnt.place = place
        return place, run

    def _heads(self, place: LogPlace) -> dict[str, _Head]:
        """Return the log's heads: those of the hint; where it names none, those of the whole log.

        A head that cannot be read any more is named as a parent all the same: so it stays visible that it was there.
        """
        named = {sha256: hint for sha256, (_, hint) in place.hints.items() if re.fullmatch(SHA256, sha256)}
        if named:
            return {sha256: self._head(place, sha256, hint) for sha256, hint in named.items()}
        found = walk(self.store).entries
        followed = {parent for one in found for parent in one.entry.parents}
        return {one.sha256: _head(one.entry) for one in found if one.sha256 not in followed}

    def _head(self, place: LogPlace, sha256: str, hint: str) -> _Head:
        known = self._learnt.heads.get(sha256)
        if known is not None:
            return known
        for run_id in dict.fromkeys([place.hints[sha256][0], *(run.run_id for run in place.runs)]):
            try:
                known = _head(opened(sha256, self.store.read(run_id, entry_path(sha256)))[0])
            except VerificationError:
                break
            except StoreError:
                if entry_path(sha256) in self.store.artifacts(run_id, f"{FOLDER}/{sha256[:2]}"):
                    raise
            else:
                self._remember(sha256, known)
                return known
        return _Head(_number(hint), ())

    def _remember(self, sha256: str, head: _Head) -> None:
        heads = self._learnt.heads
        heads[sha256] = head
        if len(heads) > REMEMBERED:
            for old in list(heads)[: len(heads) - REMEMBERED]:
                heads.pop(old, None)


def recorded_facts(found: Iterable[Logged], kind: Kind) -> set[str]:
    """Return the digests of what the entries of a kind hold, so that nothing is written twice."""
    return {one.entry.content_sha256 for one in found if one.entry.kind == kind}


def _content(kind: Kind, content: GateDecision | Facts | Mapping[str, Any]) -> GateDecision | Facts:
    if isinstance(content, (GateDecision, Facts)):
        held: GateDecision | Facts = content
    else:
        try:
            held = Facts.model_validate(dict(content))
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, e["loc"])) for e in error.errors()[:5])
            fix = f"the fields are text: {', '.join(Facts.model_fields)}"
            raise ConfigurationError(f"a log entry cannot hold {wrong}", where=ENTRY_TYPE, fix=fix) from None
    if isinstance(held, GateDecision) != (kind in OF_THE_GATE):
        what = "a decision" if kind in OF_THE_GATE else "facts"
        raise ConfigurationError(f"a log entry of the kind {kind} holds {what}", where=ENTRY_TYPE, fix=f"pass {what}")
    return held


def _written(place: LogPlace) -> RunView:
    """Return the run of the log to write to; raises StoreError where it has been deleted or its id taken away."""
    if place.deleted:
        raise StoreError(
            f"the experiment {LEDGER}, which holds the log, has been deleted",
            where=f"experiment {place.experiment_id}",
            fix=f"restore it: mlflow experiments restore --experiment-id {place.experiment_id}",
        )
    if not re.fullmatch(r"[0-9a-f]{32}", place.registry) or place.run is None:
        raise StoreError(
            f"the experiment {LEDGER} has lost its tag {LEDGER}, the registry's id",
            where=f"experiment {place.experiment_id}",
            fix="set the tag back: every entry of the log names the id as registry",
        )
    return _active(place.run)


def _active(run: RunView) -> RunView:
    if run.lifecycle != "active":
        fix = f"restore it: mlflow runs restore --run-id {run.run_id}"
        raise StoreError("the run that holds the log has been deleted", where=f"run {run.run_id}", fix=fix)
    return run


def _head(entry: Entry) -> _Head:
    return _Head(entry.sequence, _same(entry.kind, entry.content_sha256, entry.time))


def _same(kind: str, content_sha256: str, time: datetime) -> tuple[str, ...]:
    """Return what makes two entries tell the same: a decision has its time in itself, facts have not."""
    return (kind, content_sha256) if kind in OF_THE_GATE else (kind, content_sha256, time.isoformat())


def _number(hint: str) -> int:
    """Return the sequence that a hint gives, if it can be one."""
    return int(hint) if re.fullmatch(r"[1-9]\d{0,8}", hint) else 1


def _now() -> datetime:
    return datetime.now(UTC)
