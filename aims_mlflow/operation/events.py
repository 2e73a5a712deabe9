"""The event log of a model in operation (A.6.2.8): JSON lines read for what was logged, when, and where nothing was; never for values.

An event is a JSON object with a time and a kind, under the names that logs use (CloudEvents, Elastic, plain): see ``TIMES`` and
``KINDS``. Nothing else of it is looked at. Kinds are named only where the system file declares them, or where they are among
``USUAL``: what else stands in such a field can be anything, a person's name too, and is counted as ``other``.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem
from aims_mlflow.system import Operation

NAME = "event_log"
"""The check name under which bundles keep what was counted."""

TIMES = ("time", "timestamp", "ts", "@timestamp", "datetime")
"""Fields in which an event's time is looked for: ISO 8601 with a zone, or seconds, milli-, micro- or nanoseconds since 1970."""

KINDS = ("kind", "type", "event", "event_type")
"""Fields in which an event's kind is looked for."""

ENDINGS = (".jsonl", ".ndjson", ".log", ".jsonl.gz", ".ndjson.gz", ".log.gz")
"""Files that are read in a folder."""

USUAL = frozenset(
    (
        *("access", "alert", "complaint", "decision", "deployment", "error", "explanation", "fallback", "feedback", "incident"),
        *("inference", "input", "login", "output", "override", "prediction", "promotion", "request", "response", "rollback"),
        *("start", "stop", "training", "update", "warning"),
    )
)
"""Kinds that are named even where the system file declares none."""

LONGEST_LINE = 1_000_000
"""A longer line is counted as unreadable and passed over."""

SKEW = timedelta(minutes=5)
"""How far ahead of the reader's clock an event may be dated."""


@dataclass
class EventLog:
    """What was counted. ``gap``: the longest time without an event, up to the moment of reading; None without two moments."""

    files: int = 0
    events: int = 0
    unreadable: int = 0
    undated: int = 0
    unkinded: int = 0
    ahead: int = 0
    disordered: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    gap: timedelta | None = None


def read_events(path: str | os.PathLike[str], *, now: datetime, declared: Sequence[str] = ()) -> EventLog:
    """Count the events of a file, or of the files in a folder.

    Args:
        path: a file of JSON lines (also gzipped), or a folder that has some.
        now: the moment of reading: what has passed since the last event is a gap, too.
        declared: kinds that may be named.

    Raises:
        ConfigurationError: there is no such file or folder, it has no log, or it cannot be read.
    """
    log = EventLog()
    named = USUAL | frozenset(declared)
    found = array("d")
    for file in _files(Path(path)):
        log.files += 1
        before: float | None = None
        for line in _lines(file):
            before = _count(line, log, named, found, before, now)
    moments = sorted(found)
    if moments:
        log.first, log.last = (datetime.fromtimestamp(one, UTC) for one in (moments[0], moments[-1]))
        ends = [*moments, max(now.timestamp(), moments[-1])]
        log.gap = timedelta(seconds=max((later - sooner for sooner, later in pairwise(ends)), default=0.0))
    return log


def events_result(log: EventLog, operation: Operation | None, *, now: datetime, earliest: datetime | None = None) -> CheckResult:
    """Return what was counted as a result.

    Args:
        log: as ``read_events`` gives it.
        operation: what the system file asks.
        now: the moment of reading.
        earliest: the first event that an earlier look had seen; what the log has lost since is counted against the declared retention.
    """
    asked = operation or Operation()
    absent = [kind for kind in asked.event_kinds if not log.kinds[kind]]
    known_first = min((one for one in (log.first, earliest) if one is not None), default=None)
    facts: dict[str, JsonValue] = {
        "kinds": dict(sorted(log.kinds.items())),
        "kinds_missing": [*absent],
        "first": _iso(log.first),
        "last": _iso(log.last),
        "read": _iso(now),
        "earliest_known": _iso(known_first),
        "longest_gap_hours_declared": asked.longest_gap_hours,
        "retention_days_declared": asked.retention_days,
    }
    lost = _lost_days(log, asked, earliest, now)
    measures = [
        Measure.counted("events", log.events),
        Measure.counted("files", log.files),
        Measure.counted("unreadable_lines", log.unreadable, n=log.events + log.unreadable),
        Measure.counted("undated_events", log.undated, n=log.events),
        Measure.counted("unkinded_events", log.unkinded, n=log.events),
        Measure.counted("events_ahead_of_time", log.ahead, n=log.events),
        Measure.counted("events_out_of_order", log.disordered, n=log.events),
        *([Measure.counted("kinds_missing", len(absent), n=len(asked.event_kinds))] if asked.event_kinds else []),
        *([Measure.counted("longest_gap_hours", round(log.gap.total_seconds() / 3600, 4), unit="hours")] if log.gap is not None else []),
        *([Measure.counted("days_lost_early", lost, unit="days")] if lost is not None else []),
    ]
    problem = None
    if log.events == 0:
        problem = Problem(state="missing", reason="the event log holds no event", fix="log what the model does, one JSON object a line")
    return CheckResult(
        check=NAME,
        measures=tuple(measures),
        facts=facts,
        notes=("kinds of events are named where the system file declares them, or where they are usual; others are counted as other",),
        coverage=Coverage(asked=asked.event_kinds, evaluated=asked.event_kinds),
        problem=problem,
    )


def _lost_days(log: EventLog, asked: Operation, earliest: datetime | None, now: datetime) -> float | None:
    """Return how many days of events, which should still be kept, an earlier look had seen and this one does not; None: not to be told."""
    if asked.retention_days is None or earliest is None or log.first is None:
        return None
    due = max(earliest, now - timedelta(days=asked.retention_days))
    allowed = timedelta(hours=asked.longest_gap_hours or 0)  # that long there need not have been an event
    lost = log.first - due - (allowed if due != earliest else timedelta())
    return round(max(lost.total_seconds(), 0.0) / 86_400, 4)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigurationError("there is no such event log", where=str(path), fix="check the path")
    found = sorted(p for p in path.iterdir() if p.is_file() and p.name.casefold().endswith(ENDINGS))
    if not found:
        raise ConfigurationError("the folder has no event log", where=str(path), fix=f"its files end in {', '.join(ENDINGS)}")
    return found


def _lines(file: Path) -> Iterator[bytes | None]:
    """Yield the lines of a file that say anything; None for one that is too long."""
    try:
        with _opened(file) as stream:
            while line := stream.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    while line and not line.endswith(b"\n"):
                        line = stream.readline(LONGEST_LINE)
                    yield None
                elif line.strip():
                    yield line
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigurationError(f"the event log cannot be read: {reason}", where=str(file), fix="check the file") from None


def _opened(file: Path) -> Any:
    return gzip.open(file, "rb") if file.suffix.casefold() == ".gz" else file.open("rb")


def _count(
    line: bytes | None, log: EventLog, named: frozenset[str], moments: array[float], before: float | None, now: datetime
) -> float | None:
    """Count one line, and return the moment of the last event of its file."""
    event = None if line is None else _parsed(line)
    if not isinstance(event, dict):
        log.unreadable += 1
        return before
    log.events += 1
    kind = next((event[name] for name in KINDS if name in event), None)
    if isinstance(kind, str) and kind:
        log.kinds[kind if kind in named else "other"] += 1
    else:
        log.unkinded += 1
    moment = _moment(next((event[name] for name in TIMES if name in event), None))
    if moment is None:
        log.undated += 1
        return before
    if moment > (now + SKEW).timestamp():
        log.ahead += 1  # no word on when anything happened
        return before
    log.disordered += before is not None and moment < before
    moments.append(moment)
    return moment


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _moment(said: Any) -> float | None:
    """Return seconds since 1970; None where it is no time, or one without a zone."""
    if isinstance(said, bool):
        return None
    if isinstance(said, int | float):
        try:
            seconds = float(said)
        except OverflowError:
            return None
        for factor in (1.0, 1e3, 1e6, 1e9):
            if math.isfinite(seconds) and 1e8 <= seconds / factor < 1e10:  # 1973 to 2286
                return seconds / factor
        return None
    if not isinstance(said, str) or len(said) > 40:
        return None
    try:
        moment = datetime.fromisoformat(said)
        return moment.timestamp() if moment.tzinfo is not None and moment.year > 1970 else None
    except (ValueError, OverflowError):
        return None


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
