"""What an audit remembers of runs and entries of the log about which nothing is left to say, so that the next one reads what is new.

The file stands outside MLflow and is the auditor's, as the heads file is: who can write it can mislead the audits that use it. It
saves work for a week; then, or where the keys, this package or MLflow are others, everything is read. Whatever is protected, the
entries that it rests on and their runs always are; and each other entry must still be there, as large as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from aims_mlflow.auditing.entries import Known
from aims_mlflow.auditing.pinning import write
from aims_mlflow.auditing.runs import Left, is_attempt
from aims_mlflow.errors import ConfigurationError, VerificationError
from aims_mlflow.evidence import collector, digest
from aims_mlflow.ledger import Finding, Logged
from aims_mlflow.ledger.entry import Strict
from aims_mlflow.signing import Trust, strict_json
from aims_mlflow.store import RunView, Store
from aims_mlflow.store.views import without_password

WHOLE = timedelta(days=7)
"""After so long everything is read again: what was changed in a run or an entry that had been read is found by then."""

OVERLAP = timedelta(days=1)
"""How far before the last audit runs are looked for again: clocks differ, and evidence can come after a run's end."""

ENDED = ("FINISHED", "FAILED", "KILLED")


class Settled(Strict):
    """A run that has ended, whose evidence and decisions are as they should be: nothing about it changes but by somebody's hand."""

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
    """The runs of all systems, and the log, as an audit has left them. ``open``: ids of the runs that are read each time."""

    format: Literal["aims-audit-memory-v1"] = "aims-audit-memory-v1"
    store: str = Field(description="digest of MLflow's address")
    by: str = Field(description="digest of the keys that count and of this package's version")
    looked: AwareDatetime
    whole: AwareDatetime = Field(description="when everything was last read")
    settled: tuple[Settled, ...]
    open: tuple[str, ...]
    entries: tuple[Known, ...] = ()

    def said(self, runs: int, entries: int) -> str:
        """Return what a reader of the audit should know: how many runs, and entries of the log, were not read again."""
        read, until = (moment.isoformat(timespec="minutes") for moment in (self.whole, self.whole + WHOLE))
        return (
            f"{runs} runs of which nothing was left to say were not read again: they have not begun or ended since the last audit, and are "
            f"not in MLflow's trash; nor were {entries} entries of the log, which are there under their names. Everything was read at "
            f"{read}, and is again after {until}, or without --memory."
        )

    def known(self, held: Collection[tuple[str, str, str]]) -> dict[str, Logged]:
        """Return the entries that need not be read again, by digest: not those about a model, version and alias or stage of ``held``."""
        return {one.sha256: one.logged() for one in self.entries if one.entry.about not in held}


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
    entries: Iterable[Logged],
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
        entries: the log.
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
    memory = Memory(
        store=_place(store),
        by=_by(trust),
        looked=now,
        whole=whole,
        settled=tuple(settled),
        open=tuple(waiting),
        entries=tuple(Known.of(one) for one in entries if one.believed),
    )
    write(path, memory.model_dump_json().encode() + b"\n")


def _is_settled(run: RunView, left: Left, findings: Sequence[Finding]) -> bool:
    """Whether nothing is left to say of a run; of one that has failed, nothing but that."""
    whole = bool(left.sha256 and not left.problem) or not is_attempt(run, left)
    quiet = all(f.code == "run_failed" for f in findings)
    return whole and quiet and run.lifecycle == "active" and run.status in ENDED


def _place(store: Store) -> str:
    return digest([without_password(store.tracking_uri)])


def _by(trust: Trust) -> str:
    return digest([trust.model_dump(mode="json"), collector()])
