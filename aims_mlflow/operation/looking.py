"""Looking at a model in operation: one batch of production data measured, judged, signed and kept, and a nonconformity for each breach."""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from aims_mlflow.assessment import bundle_of, model_of, read_table
from aims_mlflow.bundle import BUNDLE_PATH, KIND, MONITORED, RECORD_TAG, Bundle, experiment_of
from aims_mlflow.errors import AimsError, ConfigurationError, StoreError, VerificationError
from aims_mlflow.evidence import CheckResult, Evidence, Severity, State
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.operation.asking import CONTROLS, PRODUCTION, REFERENCE, asked_of_production
from aims_mlflow.operation.batches import Batch, read_batch
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.events import NAME as EVENT_LOG
from aims_mlflow.operation.events import events_result, read_events
from aims_mlflow.operation.nonconformities import report_breach
from aims_mlflow.operation.recorded import what_was_recorded
from aims_mlflow.operation.recording import MonitoringRecorder
from aims_mlflow.operation.verdicts import COMPLETE, LOOKED
from aims_mlflow.policy.choosing import SystemLike, chosen_policy
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store, VersionView
from aims_mlflow.store.views import quoted
from aims_mlflow.unknowns import Unknown

if TYPE_CHECKING:
    from aims_mlflow.operation.batches import Table
    from aims_mlflow.policy.effective import Policy

MONITORING = "aims.monitoring"
"""Tag on a model version: what the last look found, when, and in which run. An index for people; nothing is decided from it."""

Answer = Literal["no breach", "breach", "could not look"]

CODES: Mapping[Answer, int] = {"no breach": 0, "breach": 1, "could not look": 2}

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Monitoring:
    """What one look found.

    ``unknown``: critical requirements that could not be looked at for want of labels or a reference. ``cases``: nonconformity -> what
    became of it by this look (opened, breached again, reopened). ``version`` is "" where no registered version was named.
    """

    answer: Answer
    reason: str
    model: str
    version: str
    run_id: str
    bundle: Bundle
    lines: tuple[ControlLine, ...]
    breaches: tuple[Evidence, ...]
    unknown: tuple[Unknown, ...]
    cases: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 no breach, 1 a breach, 2 could not look."""
        return CODES[self.answer]


def monitor(
    model_uri: str,
    data: Table,
    *,
    system: SystemLike | None = None,
    labels: Table | None = None,
    target: str = "",
    key: str = "",
    predictions: str = "",
    scores: str = "",
    reference: Table | None = None,
    events: str | os.PathLike[str] | None = None,
    store: Store | None = None,
    by: str = "",
) -> Monitoring:
    """Measure a model on production data, in a run of its own, and open a nonconformity for each breach.

    A breach is a critical requirement that fails on these data. What cannot be looked at without labels or a reference is named as
    unknown, and is no pass.

    Args:
        model_uri: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``models:/m-…`` or ``runs:/RUN_ID/NAME``. Loading it runs its code.
        data: the batch: a file (CSV, Parquet, Feather, JSON lines) or a frame, with the columns that the model reads.
        system: the policy; default: as the gate finds it.
        labels: the outcomes, one a row: a file or a frame.
        target: the column of ``data`` that holds the outcomes, instead of ``labels``.
        key: a column by which labels and rows are matched; default: row by row.
        predictions: the column of ``data`` that holds what the model had answered; then the model is not loaded.
        scores: the column that holds the positive label's probability, beside ``predictions``.
        reference: the frame to compare with: a file or a frame, as a rule the training data.
        events: the event log: a file of JSON lines, or a folder of such files.
        store: MLflow; default: its own settings.
        by: who looks; default: who is logged in.

    Raises:
        ConfigurationError: something that was given cannot be used; nothing has been written then.
        StoreError: MLflow does not answer or has no such model, or the evidence could not be made or written.
    """
    store = store or Store()
    uri, version = model_of(model_uri, store)
    policy = chosen_policy(system, model_name=version.name if version else "")
    if scores and not predictions:
        raise ConfigurationError(
            "scores are given without predictions", fix="name the column of the predictions, too: --predictions COLUMN"
        )
    batch = read_batch(data, policy.system, labels=labels, target=target, key=key, predictions=predictions, scores=scores)
    frames = {PRODUCTION: batch.frame}
    if reference is not None:
        frames[REFERENCE] = read_table(reference) if isinstance(reference, str | os.PathLike) else reference
    known = what_was_recorded(uri, version, policy.system, policy.trust, store)
    extra = (_events(events, policy, store),) if events is not None else ()
    asked = asked_of_production(policy.system, labels=batch.labelled, reference=reference is not None)
    looked_at = version.uri if version else uri
    experiment = experiment_of(policy.system.id)
    tags = {"aims.system": policy.system.id, KIND: "monitoring", RECORD_TAG: "monitoring", MONITORED: looked_at}
    run_id = store.create_run(experiment, f"monitor {version.name}/{version.version}" if version else "monitor", tags)
    recorder = MonitoringRecorder(
        asked,
        policy_sha256=policy.system.sha256,
        known=known,
        store=store,
        run_id=run_id,
        experiment=experiment,
        registered=version.name if version else "",
        extra=extra,
        unloaded=uri if predictions else "",
    )
    _answers(recorder, batch)
    if not predictions:
        recorder.model(uri)
    bundle = bundle_of(recorder, frames)
    lines = tuple(
        line
        for line in control_lines(policy.system, bundle.evidence, bundle.results, today=bundle.run.finished.date())
        if line.control in CONTROLS
    )
    breaches = breaches_of(bundle.evidence, lines)
    allow = policy.system.gate.inconclusive == "allow"
    answer, reason = concluded(bundle.evidence, breaches, complete=bundle.complete, events_given=events is not None, allow=allow)
    cases, troubles = _cases(policy, store, bundle, breaches, looked_at, version, by or _actor())
    _index(store, version, run_id, answer, bundle, breaches)
    return Monitoring(
        answer=answer,
        reason=reason,
        model=uri,
        version=version.uri if version else "",
        run_id=run_id,
        bundle=bundle,
        lines=lines,
        breaches=breaches,
        unknown=asked.unknown,
        cases=cases,
        notes=(
            *batch.notes,
            *([f"compared with what {known.run_id} recorded is not possible: {known.why}"] if known.why else []),
            *troubles,
        ),
    )


def breaches_of(evidence: Sequence[Evidence], lines: Sequence[ControlLine]) -> tuple[Evidence, ...]:
    """Return the critical evidence that fails and that no waiver lets through."""
    waived = {name for line in lines for name in line.waived}
    return tuple(e for e in evidence if e.severity is Severity.CRITICAL and e.state is State.FAIL and e.id not in waived)


def concluded(
    evidence: Sequence[Evidence], breaches: Sequence[Evidence], *, complete: bool = True, events_given: bool = False, allow: bool = False
) -> tuple[Answer, str]:
    """Return what a look says in all, and why.

    Args:
        evidence: what was found.
        breaches: the critical requirements that fail.
        complete: whether every check had its turn.
        events_given: whether an event log was to be looked at.
        allow: whether the policy lets undecided evidence through.
    """
    if breaches:
        names = ", ".join(e.requirement for e in breaches[:3]) + (f" and {len(breaches) - 3} more" if len(breaches) > 3 else "")
        many = "1 critical requirement fails" if len(breaches) == 1 else f"{len(breaches)} critical requirements fail"
        return "breach", f"{many}: {names}"
    said = {e.requirement: e for e in evidence}
    good = {State.PASS, State.INCONCLUSIVE} if allow else {State.PASS}
    wanted = [LOOKED, *([COMPLETE] if events_given else [])]
    for name in wanted:
        if name not in said or said[name].state not in good:
            return "could not look", said[name].reason if name in said else "nothing was judged"
    if not complete:
        return "could not look", "the look did not come to its end"
    return "no breach", said[LOOKED].reason


def _answers(recorder: MonitoringRecorder, batch: Batch) -> None:
    if batch.predictions is not None:
        recorder.predictions(PRODUCTION, batch.predictions, scores=batch.scores)


def _events(path: str | os.PathLike[str], policy: Policy, store: Store) -> CheckResult:
    """Read the event log, and what the last look at it had seen of its beginning."""
    now = datetime.now(UTC)
    operation = policy.system.operation
    counted = read_events(path, now=now, declared=operation.event_kinds if operation else ())
    return events_result(counted, operation, now=now, earliest=_earliest(policy, store))


def _earliest(policy: Policy, store: Store) -> datetime | None:
    """Return the first event that the last look at the system's event log knew of; a look whose evidence does not hold is passed over."""
    condition = f"tags.`{KIND}` = 'monitoring' and tags.`aims.system` = '{quoted(policy.system.id)}'"
    for run in sorted(store.runs(condition), key=lambda r: r.started, reverse=True):
        try:
            bundle = open_bundle(
                store.read(run.run_id, BUNDLE_PATH), trusted=policy.system.gate.trusted_keys, keyring=policy.trust.keyring()
            )[0]
        except (StoreError, VerificationError):
            continue
        for result in bundle.results:
            told = result.facts.get("earliest_known")
            if result.check == EVENT_LOG and isinstance(told, str) and told and bundle.system_id == policy.system.id:
                return datetime.fromisoformat(told)
    return None


def _cases(
    policy: Policy, store: Store, bundle: Bundle, breaches: tuple[Evidence, ...], model: str, version: VersionView | None, by: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Open a nonconformity for each breach, or add to the one that is open; what could not be written is said, and the breach stands."""
    if not breaches:
        return {}, ()
    book = Casebook(policy.system.id, store, tuple(policy.system.gate.trusted_keys), policy.trust)
    found: dict[str, str] = {}
    troubles = []
    sha256 = ""
    for breach in breaches:
        try:
            sha256 = sha256 or hashlib.sha256(store.read(bundle.run.run_id, BUNDLE_PATH)).hexdigest()
            case, became = report_breach(
                book, policy.system, breach, bundle, sha256, model=model, name=version.name if version else model, by=by
            )
            found[case.id] = became
        except AimsError as error:
            log.warning("the nonconformity of %s could not be written: %s", breach.requirement, error)
            troubles.append(f"the nonconformity of {breach.requirement} could NOT be written: {error.what}")
    return found, tuple(troubles)


def _index(store: Store, version: VersionView | None, run_id: str, answer: Answer, bundle: Bundle, breaches: tuple[Evidence, ...]) -> None:
    """Write the look's index for people and filters. A gated registry keeps its own tags; the evidence stands either way."""
    state = {"no breach": State.PASS, "breach": State.FAIL, "could not look": State.MISSING}[answer]
    when = bundle.run.finished.isoformat(timespec="seconds")
    try:
        store.log(run_id, tags={"aims.state": state.value, MONITORING: answer}, metrics={"aims.breaches": float(len(breaches))})
        if version is not None:
            store.tag_version(version, {MONITORING: f"{answer} {when} run {run_id}"})
    except AimsError as error:
        log.debug("the index of the look in run %s could not be written: %s", run_id, error)


def _actor() -> str:
    """Return who is logged in; a container may not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
