"""The input of a management review (clause 9.3) for a period: what the evidence, the gate, the cases and the system file say of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from aims_mlflow.bundle import RECORD_TAG, experiment_of
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import collector
from aims_mlflow.records.due import due_items
from aims_mlflow.records.looking import Looked, count
from aims_mlflow.records.memory import recalled
from aims_mlflow.records.pages import review_files
from aims_mlflow.records.parts import Part
from aims_mlflow.records.plan_words import CaseShown, DueItem
from aims_mlflow.records.publishing import link_to, newest_records, review_card
from aims_mlflow.records.reading import Declared, declared
from aims_mlflow.records.review_words import Change, Decided, ReviewRecord, Unsaid, VersionResult
from aims_mlflow.records.sources import cited_by, sources_of
from aims_mlflow.records.spoken import persons_words
from aims_mlflow.records.summary import gathered, make_record, write_files
from aims_mlflow.records.trends import day_of, measure_trends, risk_trends
from aims_mlflow.records.words import WARNING_DAYS, SystemRecord
from aims_mlflow.scorecard import counts_of
from aims_mlflow.store import Store
from aims_mlflow.system import System

AS_OF_TODAY = (
    "States and levels are judged by the system file and the criteria of today, whatever was asked in the period; "
    "the system file's own changes are listed under Changes."
)
CLAUSE = "Clause 9.3 of ISO/IEC 42001 is named from memory of the text: a pointer, not a finding."


def management_review(
    system: System | str | os.PathLike[str],
    begin: date,
    end: date,
    *,
    store: Store | None = None,
    write: bool = True,
    out: Path | None = None,
    warning_days: int = WARNING_DAYS,
) -> ReviewRecord:
    """Return the input of a management review for a period, both days included.

    Args:
        system: as ``summarise`` takes it.
        begin: the first day (UTC) of the period.
        end: its last day.
        store: the MLflow to read; default: MLflow's own settings.
        write: whether it is written to MLflow, as a run of its own in the system's experiment.
        out: a directory that gets ``review.json``, ``review.md`` and ``review.html``.
        warning_days: how many days after the period something counts as due soon.

    Raises:
        ConfigurationError: the period ends before it begins, or the system file cannot be used.
        StoreError: MLflow cannot be read or written.
    """
    if end < begin:
        raise ConfigurationError(f"the period ends ({end}) before it begins ({begin})", fix="give the first day first")
    said = declared(system)
    store = store or Store()
    store.require()
    looked = gathered(said, store, datetime.now(UTC), recalled(store, said.system.id, newest_records(store, said.system.id)), warning_days)
    made = make_review(looked, begin, end)
    files = review_files(made)
    if out is not None:
        write_files(files, Path(out))
    if write:
        _publish(made, files, store)
    return made


def make_review(looked: Looked, begin: date, end: date) -> ReviewRecord:
    """Return the review's input from what was read. Pure."""
    read, said = looked.read, looked.read.said
    record = make_record(read)
    rows = [row for row in looked.memory.runs if begin <= day_of(row.started) <= end]
    versions = [p for p in read.parts if p.registered and p.version.measured and begin <= day_of(p.version.measured) <= end]
    cases = record.cases.found
    made = ReviewRecord(
        made=read.now,
        collector=collector(),
        system=record.system,
        begin=begin,
        end=end,
        version=record.version,
        state=record.state,
        highest_risk=record.highest_risk,
        earlier_actions=tuple(d for d in record.due if d.kind == "action"),
        done_actions=tuple(_done_actions(said, begin, end)),
        results=tuple(_result(p) for p in versions),
        runs=count(rows, {p.run_id: p.let_through for p in read.parts}),
        measures=measure_trends(record.objectives, begin, end),
        risks=risk_trends(record.risks.entries, read.parts, begin, end),
        cases_reason=record.cases.reason,
        opened=tuple(c for c in cases if c.opened is not None and begin <= day_of(c.opened) <= end),
        closed=tuple(c for c in cases if c.closed is not None and begin <= day_of(c.closed) <= end),
        still_open=tuple(c for c in cases if _was_open(c, end)),
        changes=tuple(sorted(_changes(said, read.parts, begin, end), key=lambda c: (c.on, c.kind, c.what))),
        decisions=tuple(sorted(_decisions(said, read.parts, begin, end), key=lambda d: (d.on, d.what))),
        due=_due(looked, record, end),
        to_do=tuple(i for i in record.open_items if i.weight in ("broken", "blocks", "unknown")),
        unsaid=tuple(_unsaid(said, begin, end)),
        notes=(AS_OF_TODAY, CLAUSE),
    )
    known = (*(read.operation.sources if read.operation else ()), *record.sources, *(s for p in read.parts for s in p.sources))
    return made.model_copy(update={"sources": sources_of(said, (), cited_by(made), known)})


def _result(part: Part) -> VersionResult:
    version = part.version
    near = [line.state for line in version.lines if line.control.startswith(("A.6.", "A.7."))]
    return VersionResult(
        uri=version.uri,
        measured=version.measured or version.created,
        state=version.state,
        counts=counts_of(near),
        decision=version.decision,
        evidence_ids=version.evidence_ids,
    )


def _was_open(case: CaseShown, end: date) -> bool:
    """Return whether a case was open at the end of the period, whatever became of it since."""
    began = case.opened is None or day_of(case.opened) <= end
    return began and (case.closed is None or day_of(case.closed) > end)


def _due(looked: Looked, record: SystemRecord, end: date) -> tuple[DueItem, ...]:
    """Return what was overdue at the end of the period or fell due soon after it, as the system file tells it today."""
    read = looked.read
    dated = tuple(read.operation.dated(read.said)) if read.operation else ()
    items = due_items(read.said, read.counted, persons_words(read.said, read.counted, end), dated, end, record.warning_days)
    return tuple(i for i in items if i.soon and i.kind != "action")


def _done_actions(said: Declared, begin: date, end: date) -> Iterator[str]:
    for review in said.system.reviews:
        for one in review.actions:
            if one.status == "done" and one.done_on is not None and begin <= one.done_on <= end:
                yield f"{one.action} ({one.owner}, done on {one.done_on}; review of {review.on})"


def _changes(said: Declared, parts: Sequence[Part], begin: date, end: date) -> Iterator[Change]:
    yield from _of_versions(parts, begin, end)
    system, cited = said.system, said.citation
    for given in system.attestations:
        if begin <= given.on <= end:
            does = "does not apply" if given.not_applicable else "attested"
            yield Change(
                on=given.on, kind="attestation", what=f"{given.control} {does}: {given.statement}", by=given.by, evidence_ids=cited
            )
    for one in system.risk.consequences:
        if begin <= one.set_on <= end:
            what = f"{one.objective} for {one.party}: C{one.class_}"
            yield Change(on=one.set_on, kind="consequence", what=what, by=one.set_by, evidence_ids=cited)
    for asked in system.requirements:
        if asked.declared is not None and begin <= asked.declared <= end:
            yield Change(on=asked.declared, kind="requirement", what=f"{asked.id} {asked.bound}", by=asked.owner, evidence_ids=cited)
    for treatment in system.risk.treatments:
        if treatment.done_on is not None and begin <= treatment.done_on <= end:
            what = f"done: {treatment.action} ({treatment.objective})"
            yield Change(on=treatment.done_on, kind="treatment", what=what, by=treatment.owner, evidence_ids=cited)


def _of_versions(parts: Sequence[Part], begin: date, end: date) -> Iterator[Change]:
    """Yield the versions that were registered, and where the system file that runs were judged by became another."""
    policy = ""
    for part in sorted(parts, key=lambda p: p.version.created):
        version, on = part.version, day_of(part.version.created)
        if part.registered and begin <= on <= end:
            yield Change(
                on=on, kind="version", what=f"{version.uri} was registered from run {version.run_id}", evidence_ids=version.evidence_ids
            )
        if version.policy_sha256 and version.policy_sha256 != policy:
            if policy and begin <= on <= end:
                what = f"{version.uri} was judged by another system file than the one before: {policy[:12]} -> {version.policy_sha256[:12]}"
                yield Change(on=on, kind="system file", what=what, evidence_ids=version.evidence_ids)
            policy = version.policy_sha256


def _decisions(said: Declared, parts: Sequence[Part], begin: date, end: date) -> Iterator[Decided]:
    for part in parts:
        for word in part.version.decisions:
            if begin <= day_of(word.time) <= end:
                what = f"{part.version.uri} {word.verdict}{f' as {word.alias}' if word.alias else ''}"
                what += f": {'; '.join(word.reasons)}" if word.reasons else ""
                yield Decided(
                    at=word.time, on=day_of(word.time), what=what, by=word.actor, gate=word, evidence_ids=part.version.evidence_ids
                )
    system, cited = said.system, said.citation
    for waiver in system.waivers:
        if begin <= waiver.on <= end:
            what = f"waiver on {waiver.control} until {waiver.expires}: {waiver.reason}"
            yield Decided(on=waiver.on, what=what, by=waiver.approved_by, evidence_ids=cited)
    for one in system.risk.acceptances:
        if begin <= one.on <= end:
            what = f"{one.risk or one.objective} accepted up to {one.up_to.replace('_', ' ')} until {one.expires}: {one.rationale}"
            yield Decided(on=one.on, what=what, by=one.by, evidence_ids=cited)
    for review in system.reviews:
        if begin <= review.on <= end:
            yield from (Decided(on=review.on, what=decision, by=review.by, evidence_ids=cited) for decision in review.decisions)


def _unsaid(said: Declared, begin: date, end: date) -> Iterator[Unsaid]:
    """Yield what clause 9.3 asks for that no run can tell, with what people said of it in reviews of the period."""
    own = [r for r in said.system.reviews if begin <= r.on <= end]
    for topic, name in (
        ("Changes of external and internal issues, and of what interested parties need", "issues"),
        ("Opportunities for improvement", "improvements"),
    ):
        told = [(getattr(r, name), r.by) for r in own if getattr(r, name)]
        yield Unsaid(
            topic=topic,
            said="; ".join(text for text, _ in told),
            by=", ".join(dict.fromkeys(by for _, by in told)),
            fix="" if told else f"say it in the review, and write it down under reviews: {name}",
            evidence_ids=said.citation if told else (),
        )
    yield Unsaid(topic="Results of audits, and of what the organisation measures elsewhere", fix="bring the reports to the review")


def _publish(made: ReviewRecord, files: dict[str, bytes], store: Store) -> None:
    """Write the review's input to a run of its own in the system's experiment."""
    tags = {RECORD_TAG: "review", "aims.system": made.system.id, "aims.review": f"{made.begin}/{made.end}"}
    run_id = store.create_run(experiment_of(made.system.id), f"review of {made.system.id}, {made.begin} to {made.end}", tags)
    try:
        store.write_all(run_id, {f"aims/{name}": content for name, content in files.items()})
    except Exception:
        store.end_run(run_id, "FAILED")
        raise
    link = link_to(store.run(run_id).experiment_id, run_id, "aims/review.html", "The whole of it")
    store.log(run_id, tags={"mlflow.note.content": f"{link}\n\n{review_card(made)}"})
    store.end_run(run_id)
