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
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from aims_mlflow import journal
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import AimsError, SpoolError
from aims_mlflow.evidence import canonical
from aims_mlflow.signing import home
from aims_mlflow.spool_limits import DRAFT, GONE, make_room
from aims_mlflow.store import InputView

log = logging.getLogger("aims_mlflow")

FORMAT = "aims-spool-v1"
PARCEL = "parcel.json"
ASSIGNED = "run_id"
"""The file in a parcel's folder that keeps the run which was made for it, so that a second try makes no second run."""

UNSIGNED = "aims/bundle.unsigned.json"
"""In a parcel, the statement of a bundle that waits for its signature. It is signed when it is sent, and never sent without."""


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


@cache
def _shape() -> TypeAdapter[Parcel]:
    """Return what holds a parcel's fields against their types."""
    return TypeAdapter(Parcel)


@dataclass(frozen=True)
class Entry:
    """A parcel in the spool that has not arrived yet."""

    id: str
    folder: Path

    def read(self) -> Parcel:
        """Read the parcel back; raises SpoolError where a byte of it is not what was written, or it has not the form that we write."""
        told = self._bytes(PARCEL, self.id)
        try:
            content = json.loads(told)
            if content.get("format") != FORMAT:
                raise SpoolError(
                    f"the parcel is not of the format {FORMAT}", where=str(self.folder), fix="send it with the version that wrote it"
                )
            files = {str(path): self._bytes(str(sha256), str(sha256)) for path, sha256 in content["files"]}
            parcel = _shape().validate_python(content["parcel"] | {"files": files})
            assigned = self.folder / ASSIGNED
            return replace(parcel, run_id=assigned.read_text(encoding="ascii")) if assigned.exists() else parcel
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # of JSON, of text, and of what JSON did not hold
            fix = "find out who wrote it; take the folder away, and run the training again"
            raise SpoolError("the parcel does not have the form in which aims writes it", where=str(self.folder), fix=fix) from None

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


def folder() -> Path:
    """Return the folder of the spool."""
    return home() / "spool"


def put(parcel: Parcel, place: Path | None = None) -> Entry:
    """Write a parcel to disk, durably, and return its entry. ``place``: another folder of this disk than the spool's.

    Raises:
        SpoolFullError: what waits there already leaves no room (``spool_limits``).
        SpoolError: the disk refused: it is full, read-only, or not ours to write to.
    """
    digests = [(path, hashlib.sha256(content).hexdigest()) for path, content in _bundle_last(parcel.files)]
    told = canonical({"format": FORMAT, "files": digests, "parcel": asdict(replace(parcel, files={}))})
    place = place or folder()
    entry = Entry(hashlib.sha256(told).hexdigest(), place / hashlib.sha256(told).hexdigest())
    draft = place / f"{DRAFT}{secrets.token_hex(8)}"
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
            _sync(place)
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


def take_over() -> None:
    """Put into the spool what dead processes had written down of their runs, unless they had come further than that."""
    for running in journal.ongoing(folder()):
        with journal.taken_over(running) as held:
            if not held:
                continue
            waiting = {name for entry in pending() for name in _run_names(entry)}
            drawn_up = [path for path in running.iterdir() if path.is_dir() and not path.name.startswith(".")]
            for path in sorted(drawn_up, key=_written)[-1:]:
                if not waiting & {*_run_names(Entry(path.name, path))} and not (folder() / path.name).exists():
                    path.rename(folder() / path.name)
                    _sync(folder())


def _run_names(entry: Entry) -> list[str]:
    """Return the ids of a parcel's run; none where it cannot be read."""
    try:
        parcel = entry.read()
    except (AimsError, OSError, TypeError, ValueError, KeyError, AttributeError):
        return []
    return [name for name in (parcel.run_id, parcel.local_id) if name]


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
