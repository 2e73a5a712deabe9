"""Write a record to MLflow: a run with the three files in the system's own experiment, tags and scorecards on its models."""

from __future__ import annotations

from collections.abc import Sequence

from aims_mlflow.records.pages import files_of
from aims_mlflow.records.reading import RECORD_TAG, Read, Seen
from aims_mlflow.records.words import SystemRecord, VersionRecord
from aims_mlflow.scorecard import LIMIT, OWN_PART, scorecard, with_own, words
from aims_mlflow.store import Store

NEWEST, SUPERSEDED = "newest", "superseded"


def experiment_of(system_id: str) -> str:
    """Return the name of the experiment that holds a system's record runs."""
    return f"aims/{system_id}"


def publish(record: SystemRecord, read: Read, store: Store) -> str:
    """Write the record and return the id of its run. The tag that calls it the newest is written last.

    Raises:
        StoreError: MLflow refused; whatever was called the newest before still is, unless this one already is.
    """
    experiment = experiment_of(record.system.id)
    before = [r.run_id for r in store.runs(f"tags.`{RECORD_TAG}` = '{NEWEST}'", [store.experiment(experiment)])]
    tags = {RECORD_TAG: "being written", "aims.system": record.system.id}
    run_id = store.create_run(experiment, f"record of {record.system.id}", tags)
    try:
        for name, content in files_of(record).items():
            store.write(run_id, f"aims/{name}", content)
    except Exception:
        store.end_run(run_id, "FAILED")
        raise
    card = run_card(record)
    store.log(run_id, tags={RECORD_TAG: NEWEST, **index_tags(record), "mlflow.note.content": card})
    store.end_run(run_id)
    for old in before:
        store.log(old, tags={RECORD_TAG: SUPERSEDED})
    if read.said.known:  # what a model's index says is not replaced by what is unknown for want of a file
        _models(record, read.versions, store, card)
    return run_id


def index_tags(record: SystemRecord) -> dict[str, str]:
    """Return the tags of a record's run and of the registered model: system, state, highest risk."""
    return {"aims.system": record.system.id, "aims.state": record.state.value, "aims.risk": record.highest_risk.value}


def run_card(record: SystemRecord) -> str:
    """Return the scorecard of the whole system, for the record's run and the registered model."""
    counted = record.counted
    blocking = sum(i.weight in ("broken", "blocks") for i in record.open_items)
    facts = [
        ("Version", record.version or "none"),
        ("Evidence", words(record.state)),
        ("Gate", record.decision),
        ("Highest risk", record.highest_risk.value.replace("_", " ")),
        ("Open", f"{len(record.open_items)} items, {blocking} of them block"),
        ("Runs", record.runs.sentence),
        ("Made", f"{record.made:%Y-%m-%d %H:%M} UTC; the whole record: experiment {experiment_of(record.system.id)}, aims/record.html"),
    ]
    return scorecard(counted.lines if counted else (), heading=f"Record of {record.system.name or record.system.id}", facts=facts)


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
    return scorecard(version.lines, heading=f"Evidence: {version.uri}", facts=facts, limit=LIMIT - len(OWN_PART) - 1)


def _models(record: SystemRecord, seen: Sequence[Seen], store: Store, card: str) -> None:
    """Write tags and descriptions of the registered models and of those versions whose text has changed."""
    by_uri = {v.uri: v for v in record.versions}
    for name in sorted({one.name for one in seen if one.view is not None}):
        store.tag_model(name, index_tags(record))
        store.describe_model(name, with_own(store.model_description(name), card))
    for one in seen:
        if one.view is None:
            continue
        text = with_own(one.view.description, version_card(record, by_uri[one.uri]))
        if text != one.view.description:
            store.describe_version(one.view, text)
