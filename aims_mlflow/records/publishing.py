"""Write a record to MLflow: a run with the three files and their seal in the system's own experiment, tags and scorecards on its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aims_mlflow.bundle import RECORD_TAG, experiment_of
from aims_mlflow.records import sealing
from aims_mlflow.records.memory import PATH, Memory, sealed
from aims_mlflow.records.pages import files_of
from aims_mlflow.records.reading import Read, Seen
from aims_mlflow.records.review_words import ReviewRecord
from aims_mlflow.records.words import SystemRecord, VersionRecord
from aims_mlflow.scorecard import LIMIT, plain, scorecard, shortened, with_own, words
from aims_mlflow.store import Store

NEWEST, SUPERSEDED = "newest", "superseded"

EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Lets MLflow's pages open the experiment at its runs; else they take it for one of traces and prompts."""


def newest_records(store: Store, system_id: str) -> list[str]:
    """Return the ids of the runs that hold a system's newest record: one, or none yet, or several where two were made at once."""
    experiment = store.experiment_named(experiment_of(system_id))
    return [] if experiment is None else [r.run_id for r in store.runs(f"tags.`{RECORD_TAG}` = '{NEWEST}'", [experiment])]


def publish(record: SystemRecord, read: Read, store: Store, memory: Memory | None = None, files: Mapping[str, bytes] | None = None) -> str:
    """Write the record and return the id of its run. The tag that calls it the newest is written last.

    Args:
        record: the record.
        read: what it was made of.
        store: the MLflow to write to.
        memory: what the next summary may know of this one.
        files: the record as files, where they are made already.

    Raises:
        StoreError: MLflow refused; whatever was called the newest before still is, unless this one already is.
    """
    before = newest_records(store, record.system.id)
    tags = {RECORD_TAG: "being written", "aims.system": record.system.id}
    run_id = store.create_run(experiment_of(record.system.id), f"record of {record.system.id}", tags)
    experiment = store.experiment(experiment_of(record.system.id))
    link = link_to(experiment, run_id, "aims/record.html", "The whole record")
    written = {f"aims/{name}": content for name, content in (files or files_of(record)).items()}
    signed = {
        PATH: sealed(memory) if memory is not None else None,
        sealing.PATH: sealing.seal(written[sealing.RECORD], record.system.id, run_id),
    }
    written |= {path: envelope for path, envelope in signed.items() if envelope is not None}
    try:
        store.write_all(run_id, written)
    except Exception:
        store.end_run(run_id, "FAILED")
        raise
    card, summary = run_card(record), f"{summary_of(record)}. {link}"
    store.log(run_id, tags={RECORD_TAG: NEWEST, **index_tags(record), "mlflow.note.content": f"{summary}\n\n{card}"})
    store.end_run(run_id)
    for old in before:
        store.log(old, tags={RECORD_TAG: SUPERSEDED})
    store.describe_experiment(experiment, EXPERIMENT_KIND | index_tags(record), lambda written: with_own(written, card, summary))
    if read.said.known:  # what a model's index says is not replaced by what is unknown for want of a file
        _models(record, read.versions, store, card, summary, link)
    return run_id


def link_to(experiment: str, run_id: str, path: str, words: str) -> str:
    """Return a Markdown link to an artifact as MLflow's own pages show it; it leads there from any of them. Ids and our own words only."""
    return f"[{words}](#/experiments/{experiment}/runs/{run_id}/artifacts/{path})"


def index_tags(record: SystemRecord) -> dict[str, str]:
    """Return the tags of a record's run and of the registered model: system, state, highest risk."""
    return {"aims.system": record.system.id, "aims.state": record.state.value, "aims.risk": record.highest_risk.value}


def run_card(record: SystemRecord) -> str:
    """Return the scorecard of the whole system, for the record's run, its experiment and the registered model."""
    counted = record.counted
    blocking = sum(i.weight in ("broken", "blocks") for i in record.open_items)
    facts = [
        ("Version", record.version or "none"),
        ("Evidence", words(record.state)),
        ("Gate", record.decision),
        ("Highest risk", record.highest_risk.value.replace("_", " ")),
        ("Open", f"{len(record.open_items)} items, {blocking} of them block"),
        ("Due", _due(record)),
        ("Runs", record.runs.sentence),
        ("Made", f"{record.made:%Y-%m-%d %H:%M} UTC; the whole record: experiment {experiment_of(record.system.id)}, aims/record.html"),
    ]
    heading = f"Record of {record.system.name or record.system.id}"
    card = scorecard(counted.lines if counted else (), heading=heading, facts=facts, limit=LIMIT - 600)
    return _with_blocks(card, [i.what for i in record.open_items if i.weight in ("broken", "blocks")])


def summary_of(record: SystemRecord) -> str:
    """Return the record in one line, as lists of MLflow's pages show it. No word of anybody's stands in it."""
    blocking = sum(i.weight in ("broken", "blocks") for i in record.open_items)
    risk = record.highest_risk.value.replace("_", " ")
    late = sum(d.overdue for d in record.due)
    return f"Evidence {words(record.state)}, highest risk {risk}, {blocking} of {len(record.open_items)} open items block, {late} overdue"


def _due(record: SystemRecord) -> str:
    overdue = [d for d in record.due if d.overdue]
    soon = [d for d in record.due if d.soon and not d.overdue]
    nearest = f"; next: {soon[0].due} {soon[0].what}" if soon else ""
    return f"{len(overdue)} overdue, {len(soon)} within {record.warning_days} days{nearest}"


def _with_blocks(card: str, blocks: Sequence[str]) -> str:
    """Return a card with the first things that block below its heading."""
    if not blocks:
        return card
    heading, _, rest = card.partition("\n")
    told = "; ".join(plain(shortened(one, 120)) for one in blocks[:2])
    more = f" and {len(blocks) - 2} more" if len(blocks) > 2 else ""
    return f"{heading}\n\n**Blocks**: {told}{more}\n{rest}"


def review_card(made: ReviewRecord) -> str:
    """Return the description of a review's run: the period at a glance."""
    worse = [m.requirement for m in made.measures if m.way == "worse"] + [t.event for t in made.risks if t.way == "worse"]
    facts = [
        ("Period", f"{made.begin} to {made.end}"),
        ("Versions measured", str(len(made.results))),
        ("Went worse", "; ".join(worse) or "nothing that was measured"),
        (
            "Nonconformities",
            made.cases_reason or f"{len(made.opened)} opened, {len(made.closed)} closed, {len(made.still_open)} open at the end",
        ),
        ("Decisions", str(len(made.decisions))),
        ("Made", f"{made.made:%Y-%m-%d %H:%M} UTC; the whole of it: aims/review.html"),
    ]
    rows = [f"- **{plain(label)}**: {plain(shortened(value, 600))}" for label, value in facts]
    return "\n".join([f"### Management review of {plain(shortened(made.system.name or made.system.id, 200))}", "", *rows]) + "\n"


def version_card(record: SystemRecord, version: VersionRecord) -> str:
    """Return the scorecard of one version."""
    facts = [
        ("System", record.system.name or record.system.id),
        ("Gate", version.decision),
        ("Signature", version.verification),
        ("Run", version.run_id or "none"),
        ("Judged", f"{record.made:%Y-%m-%d %H:%M} UTC by the system file {record.system.policy_sha256[:12] or '(none)'}"),
    ]
    if version.counted:
        facts.insert(1, ("Highest risk", record.highest_risk.value.replace("_", " ")))
    return scorecard(version.lines, heading=f"Evidence: {version.uri}", facts=facts, limit=LIMIT - 400)


def _models(record: SystemRecord, seen: Sequence[Seen], store: Store, card: str, summary: str, link: str) -> None:
    """Write tags and descriptions of the registered models and of those versions that were read and whose text has changed."""
    by_uri = {v.uri: v for v in record.versions}
    for name in sorted({one.name for one in seen if one.view is not None}):
        store.tag_model(name, index_tags(record))
        store.describe_model(name, with_own(store.model_description(name), card, summary))
    for one in seen:
        if one.view is None:
            continue
        version = by_uri[one.uri]
        told = f"Evidence {words(version.state)}, gate: {plain(shortened(version.decision, 120))}. {link}"
        text = with_own(one.view.description, version_card(record, version), told)
        if text != one.view.description:
            store.describe_version(one.view, text)
