"""Read the log and walk its entries from parents to children: which can be believed, which are heads, and what is wrong."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aims_mlflow.errors import VerificationError
from aims_mlflow.gate import CLOCK_SKEW
from aims_mlflow.ledger.entry import FOLDER, Entry, path_digest
from aims_mlflow.ledger.finding import Finding
from aims_mlflow.signing import Verified, strict_json, verify
from aims_mlflow.store.logs import HEAD, LEDGER

if TYPE_CHECKING:
    from aims_mlflow.signing import Trust
    from aims_mlflow.store import RunView, Store
    from aims_mlflow.store.logs import LogPlace

WHO = "find out who changed the log, and restore it from a backup or from the last export (aims audit --export)"


@dataclass(frozen=True)
class Logged:
    """An entry as it stands in the log, under the digest of its bytes. ``problem``: why its signature does not count, or "".

    ``size``: bytes of its envelope. ``content``: those bytes, where whoever walked the log has kept them.
    """

    sha256: str
    entry: Entry
    size: int
    content: bytes = field(default=b"", repr=False)
    key_ids: tuple[str, ...] = ()
    problem: str = ""

    @property
    def believed(self) -> bool:
        """Whether its signature holds, and by a key that may sign decisions."""
        return not self.problem


@dataclass(frozen=True)
class Walk:
    """The log as it was read. ``entries``: parents before children; ``heads``: those that no entry follows yet, sorted."""

    registry: str = ""
    run_ids: tuple[str, ...] = ()
    entries: tuple[Logged, ...] = ()
    heads: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether there is a log at all."""
        return bool(self.registry)


Keep = Callable[[Logged], Logged]
"""Returns what is kept of an entry while the rest of the log is read."""


def walk(store: Store, *, trust: Trust | None = None, known: Mapping[str, Logged] | None = None, keep: Keep | None = None) -> Walk:
    """Read the whole log from MLflow; what is wrong with it is in the findings.

    Args:
        store: the MLflow that keeps it.
        trust: which keys may sign decisions; None or empty: any key counts.
        known: entries by digest, without a problem under the same trust, that need not be read again where a file of their name and
            size is there.
        keep: what is kept of each entry that is read; default: all of it.

    Raises:
        StoreError: MLflow did not answer.
    """
    place = store.log_place()
    if place is None:
        return Walk()
    files = (one for run in place.runs for one in _files(store, run, known or {}))
    found = _read(files, registry=place.registry, hints=place.hints, trust=trust, keep=keep)
    return Walk(found.registry, tuple(r.run_id for r in place.runs), found.entries, found.heads, (*_place(place), *found.findings))


def _files(store: Store, run: RunView, known: Mapping[str, Logged]) -> Iterator[tuple[str, bytes | Logged]]:
    """Yield what stands in a run of the log, path by path: its bytes, or the entry that is known."""
    new: list[tuple[RunView, str]] = []
    for path, size in sorted(store.files_below(run, FOLDER).items()):
        one = known.get(path_digest(path) or "")
        if one is not None and one.size == size:
            yield path, one
        else:
            new.append((run, path))
    for _, path, content in store.fetched(new):
        yield path, content


def read(
    files: Mapping[str, bytes | Logged],
    *,
    registry: str,
    hints: Iterable[str] = (),
    trust: Trust | None = None,
    now: datetime | None = None,
) -> Walk:
    """Walk a log that has been fetched, or exported: no server is asked.

    Args:
        files: path below the log's run (``log/ab/ab….dsse.json``) -> bytes, or an entry that was read before.
        registry: the id of the registry whose log it should be.
        hints: digests of the heads as the hint names them.
        trust: which keys may sign decisions; None or empty: any key counts.
        now: the reader's time; default: now.
    """
    return _read(sorted(files.items()), registry=registry, hints=hints, trust=trust, now=now)


def _read(
    files: Iterable[tuple[str, bytes | Logged]],
    *,
    registry: str,
    hints: Iterable[str],
    trust: Trust | None,
    now: datetime | None = None,
    keep: Keep | None = None,
) -> Walk:
    findings: list[Finding] = []
    found: dict[str, Logged] = {}
    seen: set[str] = set()
    for path, content in files:
        sha256 = path_digest(path)
        if sha256 is None:
            findings.append(Finding(code="not_an_entry", severity="minor", what="a file that is no entry stands in the log", where=path))
            continue
        seen.add(sha256)
        if isinstance(content, Logged):
            found[sha256] = content
            continue
        try:
            entry, verified = opened(sha256, content, trust)
        except VerificationError as error:
            code = "entry_altered" if _altered(sha256, content) else "entry_bad"
            what = f"an entry of the log cannot be believed: {error.what}"
            findings.append(Finding(code=code, severity="critical", what=what, where=path, fix=WHO))
            continue
        problem = _key_problem(verified, entry, trust)
        if problem is not None:
            findings.append(problem.model_copy(update={"where": path}))
        one = Logged(sha256, entry, len(content), content, verified.key_ids, problem.what if problem else "")
        found[sha256] = one if keep is None else keep(one)
    read_ones = dict(sorted(found.items()))
    followed = {parent for one in read_ones.values() for parent in one.entry.parents}
    heads = tuple(sorted(set(read_ones) - followed))
    findings += _links(read_ones, seen, registry, now or datetime.now(UTC))
    findings += _hinted(set(hints), seen, heads)
    ordered, stuck = _in_order(read_ones)
    if stuck:
        what = f"{len(stuck)} entries of the log follow each other in a circle"
        findings.append(Finding(code="cycle", severity="critical", what=what, where=", ".join(s[:16] for s in stuck[:5]), fix=WHO))
    return Walk(registry, (), (*ordered, *(read_ones[s] for s in stuck)), heads, tuple(findings))


def opened(sha256: str, content: bytes, trust: Trust | None = None) -> tuple[Entry, Verified]:
    """Return the entry of that digest and what its signature says; raises VerificationError where it is not that entry."""
    if _altered(sha256, content):
        raise VerificationError("its bytes are not those it is named by", where=sha256[:16], fix=WHO)
    verified = verify(content) if trust is None else verify(content, keyring=trust.keyring())
    return Entry.from_statement(strict_json(verified.payload, "payload")), verified


def _altered(sha256: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() != sha256


def _key_problem(verified: Verified, entry: Entry, trust: Trust | None) -> Finding | None:
    """Say why the key that signed an entry may not, or None.

    It must have counted when the entry was written: a key that has come to its end does not undo what it signed. That the entry's
    own date can be believed follows from its parents, and from the heads that an earlier audit has pinned.
    """
    blocker = trust.blocker(verified, "decision", entry.time, dated=entry.time) if trust is not None else None
    if blocker is None:
        return None
    return Finding(code="entry_key", severity="critical", what=f"an entry of the log does not count: {blocker.reason}", where="", fix=WHO)


def _links(entries: Mapping[str, Logged], seen: set[str], registry: str, now: datetime) -> Iterator[Finding]:
    """Find what is wrong between entries: parents that are gone, numbers that do not follow, clocks that run back, another log's."""
    roots = sorted((one for one in entries.values() if not one.entry.parents), key=lambda one: (one.entry.time, one.sha256))
    for one in entries.values():
        where = f"entry {one.sha256[:16]}, number {one.entry.sequence}"
        if one.entry.registry != registry:
            what = f"an entry belongs to the log of another registry ({one.entry.registry})"
            yield Finding(code="entry_of_another_log", severity="critical", what=what, where=where, fix=WHO)
        for parent in one.entry.parents:
            if parent not in seen:
                what = f"the entry {parent[:16]}, which a later one follows, is gone from the log"
                yield Finding(code="parent_missing", severity="critical", what=what, where=where, fix=WHO)
        parents = [entries[p].entry for p in one.entry.parents if p in entries]
        highest = max((p.sequence for p in parents), default=0)
        whole = len(parents) == len(one.entry.parents)
        if one.entry.sequence <= highest or (whole and one.entry.sequence != highest + 1):
            what = f"an entry has the number {one.entry.sequence}, and its parents go up to {highest}"
            yield Finding(code="sequence", severity="critical", what=what, where=where, fix=WHO)
        if any(p.time - one.entry.time > CLOCK_SKEW for p in parents) or one.entry.time - now > CLOCK_SKEW:
            what = f"an entry is dated {one.entry.time.isoformat(timespec='seconds')}, which cannot be"
            fix = "set the clocks of the machines that promote; the order of the entries follows from their parents, not from their dates"
            yield Finding(code="clock", severity="minor", what=what, where=where, fix=fix)
    for late in roots[1:]:
        if late.entry.time - roots[0].entry.time > CLOCK_SKEW:
            what = "an entry begins the log anew, though it had begun before"
            yield Finding(code="second_beginning", severity="major", what=what, where=f"entry {late.sha256[:16]}", fix=WHO)


def _hinted(hints: set[str], seen: set[str], heads: tuple[str, ...]) -> Iterator[Finding]:
    """Compare the heads of the hint with those that are there."""
    for gone in sorted(hints - seen):
        what = f"the entry {gone[:16]}, a head of the log, is gone"
        yield Finding(code="head_gone", severity="critical", what=what, where=f"tag {HEAD}{gone[:16]}…", fix=WHO)
    unnamed = sorted(set(heads) - hints)
    if unnamed and hints:
        what = f"{len(unnamed)} entries that nothing follows yet are not named as heads: a writer was cut off, or a tag was taken away"
        fix = "aims audit --record names them, so that the next entry follows them"
        yield Finding(code="head_unnamed", severity="note", what=what, where=", ".join(u[:16] for u in unnamed[:5]), fix=fix)


def _place(place: LogPlace) -> Iterator[Finding]:
    """Find what is wrong with where the log stands."""
    if place.deleted:
        fix = f"mlflow experiments restore --experiment-id {place.experiment_id}"
        what = f"the experiment {LEDGER}, which holds the log, has been deleted"
        yield Finding(code="log_deleted", severity="critical", what=what, where=f"experiment {place.experiment_id}", fix=fix)
    for run in place.runs:
        if run.lifecycle != "active" and not place.deleted:
            fix = f"mlflow runs restore --run-id {run.run_id}"
            what = "the run that holds the log has been deleted"
            yield Finding(code="log_deleted", severity="critical", what=what, where=f"run {run.run_id}", fix=fix)


def _in_order(entries: Mapping[str, Logged]) -> tuple[list[Logged], list[str]]:
    """Return the entries, parents before children (by number and time where the order is open), and those that form circles."""
    waits = {sha256: sum(p in entries for p in one.entry.parents) for sha256, one in entries.items()}
    children: dict[str, list[str]] = {}
    for sha256, one in entries.items():
        for parent in one.entry.parents:
            children.setdefault(parent, []).append(sha256)

    def rank(sha256: str) -> tuple[int, datetime, str]:
        return entries[sha256].entry.sequence, entries[sha256].entry.time, sha256

    ready = [rank(sha256) for sha256, left in waits.items() if not left]
    heapq.heapify(ready)
    ordered: list[Logged] = []
    while ready:
        sha256 = heapq.heappop(ready)[2]
        ordered.append(entries[sha256])
        for child in children.get(sha256, ()):
            waits[child] -= 1
            if not waits[child]:
                heapq.heappush(ready, rank(child))
    return ordered, sorted(sha256 for sha256, left in waits.items() if left)
