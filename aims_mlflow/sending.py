"""Sending the spool: from parcels on this disk to MLflow, each as often as needed and with the same result, its bundle last."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aims_mlflow import spool
from aims_mlflow.bundle import BUNDLE_PATH, DIED, Bundle
from aims_mlflow.errors import AimsError, ConfigurationError, SpoolError, StoreError
from aims_mlflow.evidence import CheckResult, canonical
from aims_mlflow.signing import open_bundle, seal_bundle, sign, signing_key, strict_json
from aims_mlflow.store import Store, VersionView
from aims_mlflow.store.views import without_password

log = logging.getLogger("aims_mlflow")

OFFLINE_TAG = "aims.spool"
"""Tag on a run that was made when its evidence was sent, with the parcel's id."""


@dataclass(frozen=True)
class Sent:
    """What became of one parcel: the run it went to, or why it is still here."""

    id: str
    run_id: str
    problem: str = ""


def replay(store: Store | None = None) -> list[Sent]:
    """Send every pending parcel and say what became of each; nothing is lost, and sending twice does no harm.

    Args:
        store: for parcels without a run; default: MLflow's own. A parcel with a run goes to the server that has the run.
    """
    spool.take_over()
    return [_replay(entry, store or Store()) for entry in spool.pending()]


def _replay(entry: spool.Entry, store: Store) -> Sent:
    try:
        parcel = entry.read()
        if parcel.run_id and parcel.server and parcel.server != without_password(store.tracking_uri):
            return Sent(entry.id, parcel.run_id, f"its run is on {parcel.server}: set MLFLOW_TRACKING_URI to it and sync again")
        run_id = send(entry, parcel, store)[0]
    except AimsError as problem:
        return Sent(entry.id, "", str(problem))
    except OSError as error:  # of this machine: MLflow's own are StoreErrors
        return Sent(entry.id, "", f"this machine's disk refused: {error.strerror or type(error).__name__}. Fix: free some space")
    return Sent(entry.id, run_id)


def send(entry: spool.Entry | None, parcel: spool.Parcel, store: Store) -> tuple[str, VersionView | None]:
    """Write a parcel to MLflow, the bundle after all that it speaks of, and take it out of the spool.

    Returns the run's id, and the model version where one was asked for. Can be repeated: what is there already is
    written over with the same content, and no second run or version is made.

    Raises:
        StoreError: MLflow did not take all of it; the parcel stays.
        SpoolError: the bundle could not be signed: all but the bundle has arrived, and the parcel stays.
    """
    store.require()
    if not parcel.run_id:
        run_id = _run_for(entry, parcel, store)
        parcel = replace(parcel, run_id=run_id, files=_rebound(parcel, run_id), status=parcel.status or "FINISHED")
    elif _died(parcel) and BUNDLE_PATH in store.artifacts(parcel.run_id, "aims"):  # it had come further than what was kept of it says
        if entry is not None:
            entry.remove()
        return parcel.run_id, None
    files = dict(parcel.files)
    envelope, unsigned, waits = files.pop(BUNDLE_PATH, None), files.pop(spool.UNSIGNED, None), None
    if unsigned is not None:
        try:
            envelope = sign(unsigned)
        except ConfigurationError as error:
            waits = error
    store.write_all(parcel.run_id, files)
    _attach(parcel, store)
    seal = {} if envelope is None else {"aims.bundle": hashlib.sha256(envelope).hexdigest()}
    if waits is not None:
        seal = {"aims.state": "error"}  # what stands in the tags otherwise is the state with the bundle
    store.log(parcel.run_id, metrics=parcel.metrics, tags={**parcel.tags, **seal})
    if envelope is not None:
        store.write(parcel.run_id, BUNDLE_PATH, envelope)
    version = _register(parcel, parcel.registration, store, seal) if parcel.registration else None
    if parcel.status and store.run(parcel.run_id).status in ("RUNNING", "SCHEDULED"):
        store.end_run(parcel.run_id, parcel.status)
    if waits is not None:
        raise SpoolError(f"the evidence could not be signed: {waits.what}", where=waits.where, fix=waits.fix) from waits
    if entry is not None:
        entry.remove()
    return parcel.run_id, version


def _died(parcel: spool.Parcel) -> bool:
    """Whether it is what was known of a run when its process died."""
    statement = parcel.files.get(spool.UNSIGNED)
    return statement is not None and Bundle.from_statement(strict_json(statement, "parcel")).run.outcome == DIED


def _attach(parcel: spool.Parcel, store: Store) -> None:
    """Attach the datasets. MLflow fails where two runs attach the same new dataset at once: the second try finds it there."""
    for tries_left in (2, 1, 0):
        if not parcel.inputs:
            return
        try:
            store.log_inputs(parcel.run_id, parcel.inputs)
        except StoreError:
            if not tries_left:
                raise
        else:
            return


def _register(parcel: spool.Parcel, wanted: spool.Registration, store: Store, seal: Mapping[str, str]) -> VersionView | None:
    """Make the version where none of that name has this source yet; tag and describe every version that has."""
    there = [v for v in store.run_versions(parcel.run_id) if v.source == wanted.model_uri]
    if wanted.name and all(v.name != wanted.name for v in there):
        there.append(store.register(wanted.model_uri, wanted.name, run_id=parcel.run_id))
    for version in there:
        store.tag_version(version, {**wanted.tags, **seal})
        if wanted.description and not version.description:
            store.describe_version(version, wanted.description)
    return there[-1] if there else None


def _run_for(entry: spool.Entry | None, parcel: spool.Parcel, store: Store) -> str:
    """Return the run of a parcel that had none: the one an earlier try has made, else a new one."""
    name = entry.id if entry is not None else parcel.local_id
    earlier = next(iter(store.runs(f"tags.`{OFFLINE_TAG}` = '{name}'")), None)
    run_id = (
        earlier.run_id
        if earlier
        else store.create_run(parcel.experiment or None, parcel.run_name or None, {**parcel.tags, OFFLINE_TAG: name})
    )
    if entry is not None:
        entry.assign(run_id)
    return run_id


def _rebound(parcel: spool.Parcel, run_id: str) -> dict[str, bytes]:
    """Return the files with the bundle issued again for the run that now exists, if this machine's own key had signed it.

    A bundle that names no run of the server could never be told from one that was copied from elsewhere.
    """
    files = dict(parcel.files)
    if spool.UNSIGNED in files and parcel.local_id:
        waiting = Bundle.from_statement(strict_json(files[spool.UNSIGNED], "parcel"))
        files[spool.UNSIGNED] = canonical(_with_run(waiting, parcel.local_id, run_id).statement())
    if BUNDLE_PATH not in files or not parcel.local_id:
        return files
    key = signing_key()
    bundle, verified = open_bundle(files[BUNDLE_PATH])
    if key.id not in verified.key_ids:
        log.warning("the spooled bundle was signed with another key than AIMS_SIGNING_KEY: it is sent as it stands")
        return files
    files[BUNDLE_PATH] = seal_bundle(_with_run(bundle, parcel.local_id, run_id), key)
    return files


def _with_run(bundle: Bundle, local_id: str, run_id: str) -> Bundle:
    """Return the bundle with one run id in place of another, citations of changed results included."""
    renamed: dict[str, str] = {}
    results = []
    for old in bundle.results:
        new = CheckResult.model_validate_json(old.model_dump_json().replace(local_id, run_id))
        renamed[old.id] = new.id
        results.append(new)
    evidence = [
        e.model_copy(
            update={"run_id": run_id, "results": tuple(renamed.get(r, r) for r in e.results), "reason": e.reason.replace(local_id, run_id)}
        )
        for e in bundle.evidence
    ]
    return bundle.model_copy(
        update={"run": bundle.run.model_copy(update={"run_id": run_id}), "results": tuple(results), "evidence": tuple(evidence)}
    )
