"""Whether every run of a system is accounted for: ended, with evidence that verifies, not deleted, not gone; and how many it took."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aims_mlflow.auditing.aliases import Book
from aims_mlflow.auditing.words import Attempts
from aims_mlflow.bundle import BUNDLE_PATH, RECORD_TAG, RunSummary
from aims_mlflow.decision import Blocker, GateDecision
from aims_mlflow.errors import StoreError, VerificationError
from aims_mlflow.ledger import Finding
from aims_mlflow.promotion import DECISIONS, open_decision
from aims_mlflow.signing import Trust, open_bundle
from aims_mlflow.store import Registered, RunView, Store

OVERDUE = timedelta(days=1)
"""A run that has been RUNNING for longer, and has left no evidence, has most likely been killed: MLflow does not notice."""

FOLDER = "aims"
"""The artifact folder of a run in which its evidence and the decisions about its model stand."""

TAGS = ("aims.system", "aims.bundle", RECORD_TAG)
"""Of a run's tags an audit looks at these."""


@dataclass
class Left:
    """What a run has left: what its bundle says of the run, or why that cannot be believed, and the decisions among its artifacts.

    Of the bundle no more is held than is asked here: an audit goes through the runs of years.
    """

    run: RunSummary | None = None
    system_id: str = ""
    sha256: str = ""
    problem: str = ""
    unkeyed: Blocker | None = field(default=None, metadata={"says": "why none of the keys counts that signed the bundle"})
    decisions: dict[str, GateDecision | None] = field(default_factory=dict)
    """Path -> the decision; None where it cannot be believed."""


def left_by(store: Store, runs: Iterable[RunView], trust: Trust) -> dict[str, Left]:
    """Read what many runs have left, several at a time: run id -> what it left; raises StoreError where MLflow does not answer."""
    left: dict[str, Left] = {}
    wanted: list[tuple[RunView, str]] = []
    with_decisions: list[RunView] = []
    for run, found in store.folders(runs, FOLDER):
        left[run.run_id] = Left()
        wanted += [(run, BUNDLE_PATH)] if BUNDLE_PATH in found else []
        with_decisions += [run] if found.get(DECISIONS) else []
    for run, found in store.folders(with_decisions, DECISIONS):
        wanted += [(run, path) for path, is_folder in sorted(found.items()) if not is_folder]
    keyring = trust.keyring()
    for run, path, content in store.fetched(wanted):
        one = left[run.run_id]
        if path != BUNDLE_PATH:
            one.decisions[path] = _decision(content, run.run_id)
            continue
        one.sha256 = hashlib.sha256(content).hexdigest()
        try:
            bundle, verified = open_bundle(content, keyring=keyring)
        except VerificationError as error:
            one.problem = error.what
            continue
        one.run, one.system_id = bundle.run, bundle.system_id
        one.unkeyed = trust.blocker(verified, "evidence", bundle.run.finished, dated=bundle.run.finished)
    return left


def trimmed(runs: Iterable[RunView]) -> list[RunView]:
    """Return runs with no more of each than an audit looks at, since it holds all of them."""
    return [
        replace(run, name="", tags={tag: run.tags[tag] for tag in TAGS if tag in run.tags}, params={}, metrics={}, dataset_inputs=())
        for run in runs
    ]


def _decision(content: bytes, run_id: str) -> GateDecision | None:
    try:
        decision = open_decision(content)[0]
    except VerificationError:
        return None
    return decision if decision.run_id == run_id else None


def is_attempt(run: RunView, left: Left) -> bool:
    """Whether a run counts as an attempt: all do but those that look at a model in operation, and those that only hold records.

    What a run is follows from its evidence; the tag that marks records is believed where there is none.
    """
    return not _of_records(run, left) and (left.run is None or left.run.kind != "monitoring")


def _of_records(run: RunView, left: Left) -> bool:
    return RECORD_TAG in run.tags and not left.sha256


def accounted(run: RunView, left: Left, now: datetime) -> Iterator[Finding]:
    """Yield what is to be said of one run of a system."""
    if _of_records(run, left):
        return
    where = f"run {run.run_id}"
    system = run.tags.get("aims.system", "")
    if run.lifecycle != "active":
        fix = f"mlflow runs restore --run-id {run.run_id}; a run that failed is an attempt that counts"
        yield Finding(code="run_deleted", severity="major", what=f"a run of {system} ({run.status}) has been deleted", where=where, fix=fix)
    if left.problem:
        what = f"the evidence of a run of {system} cannot be believed: {left.problem}"
        yield Finding(code="bundle_bad", severity="critical", what=what, where=where, fix="find out who changed it, and train again")
    if run.status in ("FAILED", "KILLED"):
        said = f": {left.run.outcome}" if left.run else ", and left no evidence"
        what = f"a run of {system} has {'failed' if run.status == 'FAILED' else 'been killed'}{said}"
        yield Finding(code="run_failed", severity="note", what=what, where=where)
    elif not left.sha256 and run.status == "FINISHED":
        fix = "aims sync on the machine that trained; if nothing is there, train again"
        yield Finding(code="no_bundle", severity="major", what=f"a run of {system} ended without evidence", where=where, fix=fix)
    elif not left.sha256 and now - run.started > OVERDUE:
        what = f"a run of {system} is {run.status} since {run.started.isoformat(timespec='seconds')} and has left no evidence: it died"
        fix = "aims sync on the machine that trained, else end it as KILLED with set_terminated of MLflow's client"
        yield Finding(code="run_unfinished", severity="minor", what=what, where=where, fix=fix)
    if left.run is not None:
        yield from _bundle(run, left.run, left)


def _bundle(run: RunView, said: RunSummary, left: Left) -> Iterator[Finding]:
    where, system = f"run {run.run_id}", run.tags.get("aims.system", "")
    if said.run_id != run.run_id or (system and left.system_id != system):
        what = f"the evidence in a run of {system or 'no system'} is of run {said.run_id} of {left.system_id}"
        yield Finding(code="bundle_elsewhere", severity="critical", what=what, where=where, fix="find out who copied it here")
    if left.unkeyed is not None:
        yield Finding(code="bundle_key", severity="major", what=left.unkeyed.reason, where=where, fix=left.unkeyed.fix)
    tagged = run.tags.get("aims.bundle", left.sha256)
    if tagged != left.sha256:
        what = "the tag aims.bundle names other evidence than the run holds: one of the two was changed"
        yield Finding(code="tag_differs", severity="minor", what=what, where=where, fix="compare with a copy; the gate looks at the file")


def named_only(left: Mapping[str, Left], known: set[str], logged: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the runs that later evidence, or the log, names and that a search for the systems has not found, with who names them.

    Args:
        left: what the runs have left, by run id.
        known: the ids of the runs that the search has found.
        logged: run id -> entry, of the decisions in the log.
    """
    named: dict[str, list[str]] = {}
    for run_id, one in left.items():
        for earlier in one.run.earlier if one.run else ():
            if earlier not in known:
                named.setdefault(earlier, []).append(f"run {run_id}")
    for run_id, entry in logged.items():
        if run_id not in known:
            named.setdefault(run_id, []).append(f"log entry {entry[:16]}")
    return named


def looked_for(store: Store, named: Iterable[str]) -> dict[str, RunView]:
    """Ask for each of these runs once; returns those that are there, deleted or not. Raises StoreError where MLflow does not say."""
    found: dict[str, RunView] = {}
    for run_id in named:
        try:
            found[run_id] = store.run(run_id)
        except StoreError as error:
            if getattr(error.__cause__, "error_code", "") not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
    return found


def still_tagged(there: Mapping[str, RunView], remembered: Collection[str]) -> set[str]:
    """Return the runs that an audit before this one has read and that are still what they were: there, and tagged as a system's."""
    return {run_id for run_id, run in there.items() if run_id in remembered and run.tags.get("aims.system")}


def never_tagged(there: Collection[str], named: Mapping[str, Sequence[str]], decisions: Iterable[GateDecision]) -> set[str]:
    """Return the runs that only decisions name which all found no evidence in them: nothing has ever said that they are a system's.

    A decision that could not read the evidence proves nothing of that kind.
    """
    bare: dict[str, bool] = {}
    for decision in decisions:
        found_none = any(blocker.code == "no_bundle" for blocker in decision.blockers)
        bare[decision.run_id] = found_none and bare.get(decision.run_id, True)
    return {run_id for run_id in there if bare.get(run_id, False) and len(named[run_id]) == 1}


def gone(named: Mapping[str, Sequence[str]], there: Mapping[str, RunView]) -> Iterator[Finding]:
    """Yield the runs of ``named_only``: hidden from the search (those of ``looked_for``), or gone for good."""
    for run_id, by in sorted(named.items()):
        who = by[0] + (f" and {len(by) - 1} more" if len(by) > 1 else "")
        if run_id in there:
            what = f"a run that {who} names is no longer tagged as a run of a system: somebody took the tag aims.system away"
            fix = "set the tag aims.system back; the evidence in the run names the system"
            yield Finding(code="run_untagged", severity="major", what=what, where=f"run {run_id}", fix=fix)
        else:
            fix = "restore MLflow's database from a backup, and find out who removed the run for good"
            what = f"a run that {who} names is gone for good"
            yield Finding(code="run_gone", severity="critical", what=what, where=f"run {run_id}", fix=fix)


def attempts(models: Sequence[Registered], runs: Sequence[RunView], book: Book) -> tuple[Attempts, ...]:
    """Count, for each version of a system's, the runs that it took since the version before it that was let through.

    Args:
        models: the registered models with their versions.
        runs: the runs of all systems that count as attempts.
        book: the log.
    """
    by_system: dict[str, list[RunView]] = {}
    for run in sorted(runs, key=lambda r: (r.started, r.run_id)):
        by_system.setdefault(run.tags.get("aims.system", ""), []).append(run)
    made: list[Attempts] = []
    versions: dict[str, list[tuple[str, str]]] = {}
    for model in models:
        for view in model.versions:
            versions.setdefault(view.run_id, []).append((view.name, view.version))
    for system, ones in sorted(by_system.items()):
        since = 0
        for at, run in enumerate(ones):
            through = False
            for name, version in versions.get(run.run_id, ()):
                passed = (name, version) in book.passed
                through |= passed
                tried = ones[since : at + 1]
                made.append(
                    Attempts(
                        system=system,
                        model=name,
                        version=version,
                        run_id=run.run_id,
                        attempts=len(tried),
                        failed=sum(r.status in ("FAILED", "KILLED") for r in tried),
                        deleted=sum(r.lifecycle != "active" for r in tried),
                        let_through=passed,
                    )
                )
            since = at + 1 if through else since
    return tuple(made)
