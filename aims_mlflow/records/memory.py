"""What a summary remembers for the next one: which runs it has counted, and what it took of each version, under the digests it rests on.

It stands, signed, as an artifact of the record's run, and saves work only. It is read where this machine's own key signed it; a
part of it counts only as long as its run's bundle has the same sha256, the system file and this package are the same, and no
date has passed that could change a judgement. It is never believed over a bundle: what is read takes its place.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO

from pydantic import Field, ValidationError

from aims_mlflow.errors import AimsError
from aims_mlflow.evidence import Word, collector, digest
from aims_mlflow.records.parts import Part
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.signing import sign, signing_key, verify
from aims_mlflow.store import Store

PATH = "aims/memory/memory.dsse.json"
"""Where the memory stands among the artifacts of a record's run."""

TYPE = "application/vnd.aims-mlflow.memory.v1+gzip"
"""The payload type of its envelope: gzipped JSON of ``Memory``."""

LARGEST = 512 * 2**20
"""Bytes of JSON above which a memory is not unpacked."""

REREAD = timedelta(days=7)
"""After so long everything is read again: a bundle that was changed since is found by then, whatever is remembered."""

TIME_ZONES = timedelta(hours=14)
"""A date in a file is local to whoever wrote it: up to fourteen hours ahead of UTC (as ``judging.persons``)."""

log = logging.getLogger("aims_mlflow")


class RunRow(Word):
    """A run as it was counted. ``state`` and ``bundle`` are the run's own index tags, for counting and finding; they decide nothing."""

    run_id: str
    started: datetime
    status: str
    lifecycle: str
    state: str = ""
    bundle: str = ""


class Kept(Word):
    """A part, and what it rests on."""

    part: Part
    hints: str = Field(description="digest of what MLflow said of the version and its run when it was read")
    judged_by: str = Field(description="digest of the system file, the keys and this package's version")
    judged: datetime
    until: datetime | None = Field(description="the first moment at which a date could change the judgement; null: none")


class Memory(Word):
    """What a summary remembers of one system."""

    system_id: str
    looked: datetime = Field(description="when the look at MLflow began")
    whole: datetime = Field(description="when everything was last read")
    runs: tuple[RunRow, ...]
    gone: tuple[str, ...] = Field(default=(), description="ids of runs that were counted once and cannot be found any more")
    parts: tuple[Kept, ...] = ()


def judged_by(said: Declared) -> str:
    """Return the digest of everything but the evidence that a judgement rests on."""
    return digest([said.system.sha256, said.known, said.trust.model_dump(mode="json"), collector()])


def until_of(said: Declared, seen: Seen) -> datetime | None:
    """Return the first moment after now at which a date changes what is judged of a version; None where there is none.

    These are the days on which attestations and waivers begin and end, and the age from which evidence is stale.
    """
    given = (*said.system.attestations, *(seen.bundle.attestations if seen.bundle else ()))
    moments = [_midnight(a.on) - TIME_ZONES for a in given]
    moments += [_midnight(a.expires) + timedelta(days=1) for a in given if a.expires is not None]
    for waiver in said.system.waivers:
        moments += [_midnight(waiver.on), _midnight(waiver.expires) + timedelta(days=1)]
    for key in said.trust.keys:
        moments += [_midnight(day) for day in (key.since, *((key.until + timedelta(days=1),) if key.until is not None else ()))]
    if seen.bundle is not None:
        finished = seen.bundle.run.finished
        aware = finished if finished.tzinfo else finished.replace(tzinfo=UTC)
        moments += [aware - timedelta(minutes=5), aware + timedelta(days=said.system.gate.max_age_days)]
    return min((m for m in moments if m > seen.gate.time), default=None)


def holds(kept: Kept, hints: str, by: str, now: datetime) -> bool:
    """Return whether what is remembered of a version can stand for reading it."""
    in_time = kept.judged <= now and (kept.until is None or now < kept.until)
    return in_time and kept.hints == hints and kept.judged_by == by


def keep(said: Declared, seen: Seen, part: Part, hints: str, by: str) -> Kept:
    """Return a part with what it rests on."""
    return Kept(part=part, hints=hints, judged_by=by, judged=seen.gate.time, until=until_of(said, seen))


def sealed(memory: Memory) -> bytes | None:
    """Return the memory as it is written, signed; None where no key is at hand, so that the next summary reads everything."""
    try:
        return sign(gzip.compress(memory.model_dump_json().encode(), compresslevel=1, mtime=0), TYPE)
    except (AimsError, OSError) as error:
        log.warning("what this summary has read cannot be kept for the next one: %s", error)
        return None


def recalled(store: Store, system_id: str, record_runs: Iterable[str]) -> Memory | None:
    """Return the newest memory of a system that this machine's own key signed; None where there is none that can be used.

    Args:
        store: the MLflow that holds it.
        system_id: whose memory.
        record_runs: ids of the runs that hold newest records of that system.
    """
    found = [memory for run_id in record_runs if (memory := _opened(store, run_id)) is not None and memory.system_id == system_id]
    return max(found, key=lambda m: m.looked, default=None)


def _opened(store: Store, run_id: str) -> Memory | None:
    try:
        verified = verify(store.read(run_id, PATH), trusted=[signing_key().id], payload_type=TYPE)
        with gzip.GzipFile(fileobj=BytesIO(verified.payload)) as packed:
            content = packed.read(LARGEST + 1)
        return None if len(content) > LARGEST else Memory.model_validate_json(content)
    except (AimsError, ValidationError, OSError, EOFError) as error:  # a bad memory costs time, nothing else
        log.debug("the memory of run %s is not used: %s", run_id, error)
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def hints_of(*facts: object, tags: Mapping[str, str] | None = None) -> str:
    """Return the digest of what MLflow says of a version and its run, by which a change is noticed; it decides nothing else."""
    own = {key: value for key, value in sorted((tags or {}).items()) if key.casefold().startswith("aims.")}
    return digest([*map(str, facts), own])
