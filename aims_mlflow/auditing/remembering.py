"""What an audit remembers of the runs about which nothing is left to say, so that the next one reads what is new; outside MLflow.

The file is the auditor's, as the heads file is: who can write it can hide a run from the audits that use it. It saves work for a week;
then, or where the keys, this package or MLflow are others, everything is read. The log and whatever is protected always are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from aims_mlflow.auditing.pinning import write
from aims_mlflow.auditing.runs import Left, is_attempt
from aims_mlflow.errors import ConfigurationError, VerificationError
from aims_mlflow.evidence import collector, digest
from aims_mlflow.ledger import Finding
from aims_mlflow.ledger.entry import Strict
from aims_mlflow.signing import Trust, strict_json
from aims_mlflow.store import RunView, Store
from aims_mlflow.store.views import without_password

WHOLE = timedelta(days=7)
"""After so long every run is read again: what was changed in one that had been read is found by then."""

OVERLAP = timedelta(days=1)
"""How far before the last audit runs are looked for again: clocks differ, and evidence can come after a run's end."""

ENDED = ("FINISHED", "FAILED", "KILLED")


class Settled(Strict):
    """A run that has ended, whose evidence verified, and that has no decisions: nothing about it changes but by somebody's hand."""

    run_id: str
    system: str
    started: datetime
    status: str
    attempt: bool
    findings: tuple[Finding, ...] = Field(default=(), description="notes only: that it failed")

    def view(self) -> RunView:
        """Return the run as far as it is counted."""
        return RunView(self.run_id, "", self.status, self.started, None, tags={"aims.system": self.system})


class Memory(Strict):
    """The runs of all systems as an audit has left them. ``open``: ids of those that are read each time."""

    format: Literal["aims-audit-memory-v1"] = "aims-audit-memory-v1"
    store: str = Field(description="digest of MLflow's address")
    by: str = Field(description="digest of the keys that count and of this package's version")
    looked: AwareDatetime
    whole: AwareDatetime = Field(description="when every run was last read")
    settled: tuple[Settled, ...]
    open: tuple[str, ...]

    @property
    def said(self) -> str:
        """What a reader of the audit should know."""
        read, until = (moment.isoformat(timespec="minutes") for moment in (self.whole, self.whole + WHOLE))
        return (
            f"{len(self.settled)} runs of which nothing was left to say were not read again: they have not begun or ended since the last "
            f"audit, and are not in MLflow's trash. Every run was read at {read}, and is again after {until}, or without --memory."
        )


def recalled(path: Path, store: Store, trust: Trust, now: datetime) -> Memory | None:
    """Return what an earlier audit of this MLflow remembers; None where everything has to be read. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"the memory cannot be read: {error.strerror}", where=str(path), fix="pass a file you may read") from None
    try:
        strict_json(content, "memory")
        memory = Memory.model_validate_json(content)
    except (ValidationError, VerificationError):
        raise ConfigurationError(
            "the file does not hold the memory of an audit",
            where=str(path),
            fix="pass the file that aims audit --memory wrote, or a new path",
        ) from None
    holds = (memory.store, memory.by) == (_place(store), _by(trust)) and memory.whole <= memory.looked <= now < memory.whole + WHOLE
    return memory if holds else None


def remember(
    path: Path,
    store: Store,
    trust: Trust,
    now: datetime,
    before: Memory | None,
    kept: Iterable[Settled],
    read: Sequence[RunView],
    left: Mapping[str, Left],
    findings: Mapping[str, Sequence[Finding]],
) -> None:
    """Write what the next audit may know; raises ConfigurationError.

    Args:
        path: the file.
        store: the MLflow that was looked at.
        trust: which keys count.
        now: when the look began.
        before: what was remembered before it; None: everything was read.
        kept: the runs that were not read.
        read: the runs that were.
        left: what those have left, by run id.
        findings: what was said of each of them, by run id.
    """
    settled, waiting = list(kept), []
    for run in read:
        own, said = left[run.run_id], tuple(findings.get(run.run_id, ()))
        if _is_settled(run, own, said):
            system, attempt = run.tags.get("aims.system", ""), is_attempt(run, own)
            one = Settled(run_id=run.run_id, system=system, started=run.started, status=run.status, attempt=attempt, findings=said)
            settled.append(one)
        else:
            waiting.append(run.run_id)
    whole = before.whole if before is not None else now
    memory = Memory(store=_place(store), by=_by(trust), looked=now, whole=whole, settled=tuple(settled), open=tuple(waiting))
    write(path, memory.model_dump_json().encode() + b"\n")


def _is_settled(run: RunView, left: Left, findings: Sequence[Finding]) -> bool:
    """Whether nothing is left to say of a run; of one that has failed, nothing but that."""
    whole = bool(left.sha256 and not left.problem) or not is_attempt(run, left)
    quiet = all(f.code == "run_failed" for f in findings)
    return whole and quiet and not left.decisions and run.lifecycle == "active" and run.status in ENDED


def _place(store: Store) -> str:
    return digest([without_password(store.tracking_uri)])


def _by(trust: Trust) -> str:
    return digest([trust.model_dump(mode="json"), collector()])
