"""The local spool: evidence is on this machine's disk before any of it goes to MLflow, and stays until all of it has arrived.

``AIMS_HOME/spool/<id>/`` holds one parcel: ``parcel.json`` and its files, each named by the sha256 of its bytes. ``<id>`` is the
sha256 of ``parcel.json``, which lists the files' digests: the name of the folder vouches for everything in it. A parcel is
written beside its place, synced to disk, and renamed into it, so that one is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.errors import AimsError, ConfigurationError, SpoolError, StoreError
from aims_mlflow.evidence import CheckResult, canonical
from aims_mlflow.signing import home, open_bundle, seal_bundle, sign, signing_key, strict_json
from aims_mlflow.spool_limits import DRAFT, GONE, make_room
from aims_mlflow.store import InputView, Store, VersionView
from aims_mlflow.store.views import without_password

log = logging.getLogger("aims_mlflow")

FORMAT = "aims-spool-v1"
PARCEL = "parcel.json"
ASSIGNED = "run_id"
"""The file in a parcel's folder that keeps the run which was made for it, so that a second try makes no second run."""

UNSIGNED = "aims/bundle.unsigned.json"
"""In a parcel, the statement of a bundle that waits for its signature. It is signed when it is sent, and never sent without."""

OFFLINE_TAG = "aims.spool"
"""Tag on a run that was made when its evidence was sent, with the parcel's id."""


@dataclass(frozen=True)
class Registration:
    """A model version to make, tag and describe: the logged model's URI and the registered model's name.

    Without a name, only the versions that the user's own code has made are tagged and described.
    """

    model_uri: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Parcel:
    """Everything that one run has to write to MLflow.

    ``run_id`` is "" where the server was down when the run started; ``local_id`` then stands for it in the bundle.
    ``status`` is the final status of the run, "" where somebody else ends it. ``server`` is the tracking URI, without
    a password.
    """

    run_id: str
    server: str
    files: Mapping[str, bytes]
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    inputs: tuple[InputView, ...] = ()
    registration: Registration | None = None
    status: str = ""
    experiment: str = ""
    run_name: str = ""
    local_id: str = ""


@dataclass(frozen=True)
class Entry:
    """A parcel in the spool that has not arrived yet."""

    id: str
    folder: Path

    def read(self) -> Parcel:
        """Read the parcel back; raises SpoolError where a byte of it is not what was written."""
        told = self._bytes(PARCEL, self.id)
        content = json.loads(told)
        if content.get("format") != FORMAT:
            raise SpoolError(
                f"the parcel is not of the format {FORMAT}", where=str(self.folder), fix="send it with the version that wrote it"
            )
        made = content["parcel"]
        made["files"] = {path: self._bytes(sha256, sha256) for path, sha256 in content["files"]}
        made["inputs"] = tuple(InputView(**i) for i in made["inputs"])
        made["registration"] = Registration(**made["registration"]) if made["registration"] else None
        parcel = Parcel(**made)
        assigned = self.folder / ASSIGNED
        return replace(parcel, run_id=assigned.read_text(encoding="ascii")) if assigned.exists() else parcel

    def _bytes(self, name: str, sha256: str) -> bytes:
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise SpoolError(
                f"a file of the parcel cannot be read: {error.strerror}", where=str(self.folder / name), fix="restore it"
            ) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SpoolError(
                "a file of the parcel is not what was written",
                where=str(self.folder / name),
                fix="find out who changed it; run the training again",
            )
        return content

    def assign(self, run_id: str) -> None:
        """Keep the run that was made for the parcel."""
        _write(self.folder / ASSIGNED, run_id.encode("ascii"))

    def remove(self) -> None:
        """Take the parcel out of the spool: it has arrived."""
        gone = self.folder.with_name(f"{GONE}{self.id}-{secrets.token_hex(4)}")
        try:
            self.folder.rename(gone)
        except FileNotFoundError:  # another process sent it, too
            return
        shutil.rmtree(gone, ignore_errors=True)


@dataclass(frozen=True)
class Sent:
    """What became of one parcel: the run it went to, or why it is still here."""

    id: str
    run_id: str
    problem: str = ""


def folder() -> Path:
    """Return the folder of the spool."""
    return home() / "spool"


def put(parcel: Parcel) -> Entry:
    """Write a parcel to disk, durably, and return its entry.

    Raises:
        SpoolFullError: what waits there already leaves no room (``spool_limits``).
        SpoolError: the disk refused: it is full, read-only, or not ours to write to.
    """
    digests = [(path, hashlib.sha256(content).hexdigest()) for path, content in _bundle_last(parcel.files)]
    told = canonical({"format": FORMAT, "files": digests, "parcel": asdict(replace(parcel, files={}))})
    entry = Entry(hashlib.sha256(told).hexdigest(), folder() / hashlib.sha256(told).hexdigest())
    draft = folder() / f"{DRAFT}{secrets.token_hex(8)}"
    if not entry.folder.exists():
        make_room(folder(), len(told) + sum(map(len, {*parcel.files.values()})))
    try:
        draft.mkdir(parents=True, mode=0o700)
        for content in {*parcel.files.values()}:
            _write(draft / hashlib.sha256(content).hexdigest(), content)
        _write(draft / PARCEL, told)
        _sync(draft)
        if not entry.folder.exists():
            draft.rename(entry.folder)
            _sync(folder())
    except OSError as error:
        raise SpoolError(
            f"evidence could not be written to disk: {error.strerror}",
            where=str(folder()),
            fix="free some space, or set AIMS_HOME to another disk",
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return entry


def pending() -> list[Entry]:
    """Return the parcels that have not arrived yet, in the order in which they were written; raises SpoolError where it cannot look."""
    try:
        found = [path for path in folder().iterdir() if path.is_dir() and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SpoolError(
            f"the spool cannot be read: {error.strerror}", where=str(folder()), fix="set AIMS_HOME to a directory you may read"
        ) from None
    return [Entry(path.name, path) for path in sorted(found, key=lambda p: (_written(p), p.name))]


def replay(store: Store | None = None) -> list[Sent]:
    """Send every pending parcel and say what became of each; nothing is lost, and sending twice does no harm.

    Args:
        store: for parcels without a run; default: MLflow's own. A parcel with a run goes to the server that has the run.
    """
    return [_replay(entry, store or Store()) for entry in pending()]


def _replay(entry: Entry, store: Store) -> Sent:
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


def send(entry: Entry | None, parcel: Parcel, store: Store) -> tuple[str, VersionView | None]:
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
    files = dict(parcel.files)
    envelope, unsigned, waits = files.pop(BUNDLE_PATH, None), files.pop(UNSIGNED, None), None
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


def _attach(parcel: Parcel, store: Store) -> None:
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


def _register(parcel: Parcel, wanted: Registration, store: Store, seal: Mapping[str, str]) -> VersionView | None:
    """Make the version where none of that name has this source yet; tag and describe every version that has."""
    there = [v for v in store.run_versions(parcel.run_id) if v.source == wanted.model_uri]
    if wanted.name and all(v.name != wanted.name for v in there):
        there.append(store.register(wanted.model_uri, wanted.name, run_id=parcel.run_id))
    for version in there:
        store.tag_version(version, {**wanted.tags, **seal})
        if wanted.description and not version.description:
            store.describe_version(version, wanted.description)
    return there[-1] if there else None


def _run_for(entry: Entry | None, parcel: Parcel, store: Store) -> str:
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


def _rebound(parcel: Parcel, run_id: str) -> dict[str, bytes]:
    """Return the files with the bundle issued again for the run that now exists, if this machine's own key had signed it.

    A bundle that names no run of the server could never be told from one that was copied from elsewhere.
    """
    files = dict(parcel.files)
    if UNSIGNED in files and parcel.local_id:
        waiting = Bundle.from_statement(strict_json(files[UNSIGNED], "parcel"))
        files[UNSIGNED] = canonical(_with_run(waiting, parcel.local_id, run_id).statement())
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


def _bundle_last(files: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    return sorted(files.items(), key=lambda item: (item[0] == BUNDLE_PATH, item[0]))


def try_disk(place: Path) -> None:
    """Write, sync and rename in a folder exactly as ``put`` does, and leave nothing there; raises OSError where that does not work."""
    draft = place / f"{DRAFT}{secrets.token_hex(8)}"
    gone = draft.with_name(draft.name.replace(DRAFT, GONE))
    try:
        draft.mkdir(mode=0o700)
        _write(draft / PARCEL, b"{}")
        _sync(draft)
        draft.rename(gone)
        _sync(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(gone, ignore_errors=True)


def _written(path: Path) -> int:
    """Return when a parcel was written; one that another process has sent meanwhile comes first, and is not found when it is read."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _write(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _sync(directory: Path) -> None:
    """Wait until the disk has the directory's entries."""
    if os.name != "posix":  # Windows cannot open a directory
        return
    handle: Any = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
