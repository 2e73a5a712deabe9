"""The spool: what waits there and why, whether each byte and each signature of it holds, and how much room is left."""

# securesystemslib.signer re-exports its face without saying so to type checkers:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow import journal, spool, spool_limits
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.describing import address
from aims_mlflow.diagnosing.words import Finding, Waiting
from aims_mlflow.errors import AimsError
from aims_mlflow.settings import SPOOL_BYTES, SPOOL_DAYS
from aims_mlflow.signing import open_bundle, verify
from aims_mlflow.store.views import without_password

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

SEALED = ".dsse.json"
"""What the names of envelopes end with."""

NEARLY = 0.8
"""From this part of the quota on it is said that the spool is filling up."""


def look(tracking_uri: str, keyring: Mapping[str, SSlibKey]) -> tuple[list[Finding], list[Waiting]]:
    """Look at everything in the spool.

    Args:
        tracking_uri: where MLflow is now; evidence whose run is elsewhere waits for that place.
        keyring: the public keys of ``keys.yaml``.

    Raises:
        SpoolError: the spool cannot be read.
    """
    found: list[Finding] = []
    waiting: list[Waiting] = []
    for entry in spool.pending():
        try:
            since = datetime.fromtimestamp(entry.folder.stat().st_mtime, UTC)
        except FileNotFoundError:  # it was sent while we looked
            continue
        parcel, wrong = _read(entry, keyring)
        if wrong and not entry.folder.exists():
            continue
        for code, what, fix in wrong:
            found.append(Finding(area="spool", code=code, state="problem", what=what, where=str(entry.folder), fix=fix))
        why = _why(parcel, tracking_uri) if parcel is not None else "it cannot be read, and is not sent"
        run_id = parcel.run_id if parcel is not None else ""
        waiting.append(Waiting(id=entry.id, run_id=run_id, bytes=spool_limits.size(entry.folder), since=since, why=why, whole=not wrong))
    return [*_summary(waiting), *found, *_going_on(), *_room(), *_left_behind()], waiting


def _read(entry: spool.Entry, keyring: Mapping[str, SSlibKey]) -> tuple[spool.Parcel | None, list[tuple[str, str, str]]]:
    """Return a parcel and what is wrong with it; None where it cannot be read at all."""
    if not (entry.folder / spool.PARCEL).is_file():
        fix = "run the training again; then move the folder away"
        return None, [("partial_parcel", f"the parcel {entry.id[:16]} is partial: {spool.PARCEL} is missing", fix)]
    try:
        parcel = entry.read()
    except AimsError as error:
        where = Path(error.where).name[:16]
        what = f"the parcel {entry.id[:16]} is corrupt or partial: {error.what} ({where})"
        return None, [("corrupt_parcel", what, "find out who changed it; run the training again, then move the folder away")]
    except (OSError, TypeError, ValueError, KeyError, AttributeError) as error:  # digests hold: another version's words
        what = f"the parcel {entry.id[:16]} cannot be understood ({type(error).__name__})"
        return None, [("corrupt_parcel", what, "send it with the version of aims-mlflow that wrote it")]
    return parcel, list(_signatures(entry, parcel, keyring))


def _signatures(entry: spool.Entry, parcel: spool.Parcel, keyring: Mapping[str, SSlibKey]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the envelopes in a parcel."""
    for path, content in parcel.files.items():
        if not path.endswith(SEALED):
            continue
        named = f"{path} in the parcel {entry.id[:16]}"
        try:
            if path == BUNDLE_PATH:
                bundle, _ = open_bundle(content, keyring=keyring)
                if bundle.run.run_id not in (parcel.run_id, parcel.local_id):
                    yield "foreign_bundle", f"{named} speaks of another run, {bundle.run.run_id}", "run the training again"
            else:
                verify(content, keyring=keyring)
        except AimsError as error:
            yield "bad_signature", f"{named} does not verify: {error.what}", error.fix or "run the training again"
        except ValueError as error:  # pydantic's: the signature holds, the words are another version's
            yield "bad_signature", f"{named} cannot be understood ({type(error).__name__})", "send it with the version that wrote it"


def _why(parcel: spool.Parcel, tracking_uri: str) -> str:
    """Return why a parcel is still here, as far as it shows."""
    if spool.UNSIGNED in parcel.files:
        return "it waits for its signature: the signing key was not at hand"
    if parcel.run_id and parcel.server and parcel.server != without_password(tracking_uri):
        return f"its run is on {address(parcel.server)}, and MLFLOW_TRACKING_URI names another"
    if not parcel.run_id:
        return "MLflow could not give its run an id: it was down when the run started"
    return "MLflow did not answer when the run ended, or did not take all of it"


def _summary(waiting: list[Waiting]) -> Iterator[Finding]:
    place = str(spool.folder())
    if not waiting:
        yield _found("pending", "ok", "nothing waits to be sent", place)
        return
    now, days = datetime.now(UTC), SPOOL_DAYS.value()
    oldest = min(one.since for one in waiting)
    late = sum(now - one.since > timedelta(days=days) for one in waiting)
    total = sum(one.bytes for one in waiting)
    runs = f"the evidence of {_runs(len(waiting))} waits to be sent: {total} bytes, the oldest for {_span(now - oldest)}"
    fix = "aims sync"
    if late:
        fix = "aims sync; what it cannot send, it says why"
        yield _found("overdue", "problem", f"{runs}; {late} of them longer than {days:g} days ({SPOOL_DAYS.name})", place, fix)
    else:
        yield _found("pending", "note", runs, place, fix)
    if any(one.whole for one in waiting):
        whole = sum(one.whole for one in waiting)
        yield _found("checksums", "ok", f"checksums and signatures hold for {whole} of {len(waiting)}", place)


def _going_on() -> Iterator[Finding]:
    """Say how many runs go on, and how many never will."""
    place = spool.folder()
    dead = [journal.is_dead(one) for one in journal.ongoing(place)]
    died, alive = dead.count(True), dead.count(False)
    if died:
        what = f"the process of {_runs(died)} died: what was captured by then waits to be sent, marked incomplete"
        yield _found("died", "note", what, str(place), "aims sync; then train again")
    if alive:
        yield _found("going_on", "ok", f"{_runs(alive)} of this machine {'go' if alive != 1 else 'goes'} on now", str(place))


def _runs(number: int) -> str:
    return f"{number} run{'s' * (number != 1)}"


def _room() -> Iterator[Finding]:
    """Say how much of the quota is used."""
    most, place = int(SPOOL_BYTES.value()), spool.folder()
    held = spool_limits.size(place)
    said = f"the spool holds {held} of {most} bytes ({SPOOL_BYTES.name})"
    if held >= most:
        fix = f"aims sync; or set {SPOOL_BYTES.name} to more. Until then the evidence of new runs is refused and the gate stays closed"
        yield _found("quota", "problem", f"{said}: it is full", str(place), fix)
    elif held >= NEARLY * most:
        yield _found("quota", "note", f"{said}: it is filling up", str(place), "aims sync")
    else:
        yield _found("quota", "ok", said, str(place))


def _left_behind() -> Iterator[Finding]:
    for path in spool_limits.leftovers(spool.folder()):
        try:
            old = time.time() - path.stat().st_mtime
        except OSError:
            continue
        if old < 60:  # another process is at it
            continue
        arrived = path.name.startswith(spool_limits.GONE)
        kind = (
            "has arrived and was not deleted to the end" if arrived else "was left half-written by a process that died: no run counts on it"
        )
        fix = f"nothing: it goes when room is needed, or after {SPOOL_DAYS.name}"
        yield _found("leftover", "note", f"{os.path.basename(path)[:24]} {kind}", str(path), fix)


def _found(code: str, state: Any, what: str, where: str, fix: str = "") -> Finding:
    return Finding(area="spool", code=code, state=state, what=what, where=where, fix=fix)


def _span(time_passed: timedelta) -> str:
    """Return how long, in the largest unit that fits."""
    seconds = max(time_passed.total_seconds(), 0.0)
    for unit, long in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * long:
            return f"{seconds // long:.0f} {unit}"
    return f"{seconds:.0f} seconds"
