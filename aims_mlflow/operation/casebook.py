"""The casebook of a system: its nonconformities and incidents among the artifacts of one run in the system's own experiment."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aims_mlflow.bundle import RECORD_TAG, experiment_of
from aims_mlflow.errors import ConfigurationError, StoreError, VerificationError, nearest
from aims_mlflow.evidence import canonical
from aims_mlflow.operation.cases import (
    CASE_ID,
    FOLDERS,
    MOST_PARENTS,
    Case,
    CaseEvent,
    Kept,
    case_of,
    envelope_digest,
    event_path,
    path_parts,
)
from aims_mlflow.signing import Trust, sign, strict_json, verify
from aims_mlflow.store import RunView, Store
from aims_mlflow.store.views import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOOK = "cases"
"""The value of the tag ``aims.record`` on the run that keeps the cases."""

HEAD = "aims.case."
"""Run tags that begin so name a case's newest events. They are a hint that shows what was taken away; nothing is believed of them."""

NOTE = (
    "Nonconformities and incidents of this system: each artifact is a signed event. See `aims nonconformity list` and "
    "`aims incident list`. Do not delete this run."
)

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Casebook:
    """The cases of one system.

    Args:
        system_id: the system.
        store: MLflow.
        trusted: key ids whose signatures count; none: any key's.
        trust: which keys count, from when to when; empty: ``trusted`` counts alone.
    """

    system_id: str
    store: Store
    trusted: tuple[str, ...] = ()
    trust: Trust = field(default_factory=Trust)
    _seen: list[RunView] = field(default_factory=list, init=False, repr=False, compare=False)
    """The runs that keep the cases, as they were last read."""

    def cases(self, sort: str, *, again: bool = True) -> tuple[Case, ...]:
        """Return every case of a sort (nonconformity, incident), the newest first.

        Args:
            sort: which.
            again: whether the runs that keep them are looked for again; False where that was just done.

        Raises:
            StoreError: MLflow did not answer.
        """
        files: dict[str, bytes] = {}
        hinted: dict[str, set[str]] = {}
        prefix = "nc-" if sort == "nonconformity" else "in-"
        for run in self._runs() if again else self._seen:
            files |= self.store.download(run.run_id, FOLDERS[sort])
            for case_id, heads in _hints(run).items():
                if case_id.startswith(prefix):
                    hinted.setdefault(case_id, set()).update(heads)
        found = self._cases(files, hinted)
        return tuple(sorted(found.values(), key=_newest_first))

    def case(self, case_id: str) -> Case:
        """Return one case.

        Raises:
            ConfigurationError: there is no such case.
            StoreError: MLflow did not answer.
        """
        found = self.find(case_id)
        if found is not None:
            return found
        sort = "incident" if case_id.startswith("in-") else "nonconformity"
        known = [case.id for case in self.cases(sort)]
        raise ConfigurationError(f"{self.system_id} has no {sort} {case_id!r}", fix=nearest(case_id, known))

    def append(self, event: CaseEvent, after: Case | None = None) -> Case:
        """Write an event after the newest ones of its case, and return the case as it is then.

        ``parents`` are filled in here. The signature is made with ``AIMS_SIGNING_KEY`` (or the development key).

        Args:
            event: what happened.
            after: the case as it was just read; default: it is read now.

        Raises:
            StoreError: MLflow did not take it.
            ConfigurationError: there is no key to sign with.
        """
        before = after or self.find(event.case)
        heads = before.heads[:MOST_PARENTS] if before is not None else ()
        event = event.model_copy(update={"parents": tuple(sorted(heads))})
        envelope = sign(canonical(event.statement()))
        sha256 = envelope_digest(envelope)
        try:
            kept = self._opened(event.case, sha256, envelope)
        except VerificationError as error:
            fix = error.fix or "sign with a key that may (AIMS_SIGNING_KEY)"
            raise ConfigurationError(f"the event would not count, and is not written: {error.what}", where=event.case, fix=fix) from None
        run = self._run()
        self.store.write(run.run_id, event_path(event.case, sha256), envelope)
        try:
            self.store.log(run.run_id, tags={HEAD + event.case: " ".join([sha256, *_strangers(run, event.case, heads)])})
        except StoreError as error:  # the event stands; the hint only shows what is taken away later
            log.warning("the hint to the newest event of %s could not be written: %s", event.case, error)
        return case_of(event.case, [*(before.events if before else ()), kept], before.problems if before else ())

    def find(self, case_id: str) -> Case | None:
        """Return one case, or None where there is none; raises StoreError."""
        if not re.fullmatch(CASE_ID, case_id):
            return None
        folder = event_path(case_id, "").rpartition("/")[0]
        files: dict[str, bytes] = {}
        hinted: set[str] = set()
        for run in self._runs():
            paths = self.store.artifacts(run.run_id, folder)
            read = self.store.read_each((run.run_id, path) for path in paths)
            for (_, path), content in read.items():
                if isinstance(content, StoreError):
                    raise content
                files[path] = content
            hinted |= set(_hints(run).get(case_id, ()))
        return self._cases(files, {case_id: hinted} if hinted else {}).get(case_id)

    def _cases(self, files: Mapping[str, bytes], hinted: Mapping[str, Iterable[str]]) -> dict[str, Case]:
        kept: dict[str, list[Kept]] = {case_id: [] for case_id in hinted}
        problems: dict[str, list[str]] = {}
        for path, content in sorted(files.items()):
            parts = path_parts(path)
            if parts is None:
                log.warning("a file that is no event stands among the cases of %s: %r", self.system_id, path)
                continue
            case_id, sha256 = parts
            kept.setdefault(case_id, [])
            try:
                kept[case_id].append(self._opened(case_id, sha256, content))
            except VerificationError as error:
                problems.setdefault(case_id, []).append(f"an event cannot be believed: {error.what} ({sha256[:12]})")
        known = {k.sha256 for events in kept.values() for k in events}
        seen = {parts[1] for path in files if (parts := path_parts(path)) is not None}
        return {
            case_id: case_of(
                case_id, events, problems.get(case_id, ()), [h for h in hinted.get(case_id, ()) if h in known or h not in seen]
            )
            for case_id, events in kept.items()
        }

    def _opened(self, case_id: str, sha256: str, content: bytes) -> Kept:
        if envelope_digest(content) != sha256:
            raise VerificationError("its bytes are not those it is named by")
        verified = verify(content, trusted=self.trusted, keyring=self.trust.keyring())
        event = CaseEvent.from_statement(strict_json(verified.payload, "payload"))
        if (event.case, event.system_id) != (case_id, self.system_id):
            raise VerificationError("it is an event of another case or system")
        blocker = self.trust.blocker(verified, event.role, event.time, dated=event.time)
        if blocker is not None:
            raise VerificationError(blocker.reason)
        return Kept(sha256, event, verified.key_ids)

    def _runs(self) -> Sequence[RunView]:
        """Return the runs that keep cases, oldest first, deleted ones too; there are several only where two writers began at once."""
        self.store.require()
        condition = f"tags.`{RECORD_TAG}` = '{BOOK}' and tags.`aims.system` = '{quoted(self.system_id)}'"
        self._seen[:] = sorted(self.store.runs(condition), key=lambda run: (run.started, run.run_id))
        return self._seen

    def _run(self) -> RunView:
        """Return the run to write to, made where there is none yet."""
        found = next((run for run in self._seen or self._runs() if run.lifecycle == "active"), None)
        if found is not None:
            return found
        tags = {RECORD_TAG: BOOK, "aims.system": self.system_id, "mlflow.note.content": NOTE}
        made = self.store.create_run(experiment_of(self.system_id), "nonconformities and incidents", tags)
        self.store.end_run(made)
        return self.store.run(made)


def _hints(run: RunView) -> dict[str, tuple[str, ...]]:
    """Return case -> digests of its newest events, as the run's tags name them."""
    named = {key.removeprefix(HEAD): value.split() for key, value in run.tags.items() if key.startswith(HEAD)}
    return {c: tuple(h for h in heads if re.fullmatch(r"[0-9a-f]{64}", h)) for c, heads in named.items() if re.fullmatch(CASE_ID, c)}


def _strangers(run: RunView, case_id: str, followed: Iterable[str]) -> list[str]:
    """Return hinted events that the new one does not follow: gone ones, so that it stays visible that they were there."""
    return [head for head in _hints(run).get(case_id, ()) if head not in set(followed)][:8]


def _newest_first(case: Case) -> tuple[bool, float, str]:
    last = case.last
    return last is not None, -(last.time if last else datetime.fromtimestamp(0, UTC)).timestamp(), case.id
