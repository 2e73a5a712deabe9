"""What stands in a small MLflow and in a spool, seen without the package: by SQL, by the files themselves and by the second verifier."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from aims_mlflow.data import verify_standalone as second

BUNDLE = "aims/bundle.dsse.json"
UNSIGNED = "aims/bundle.unsigned.json"

OBITUARY, WHOLE = 1, 2
"""How much a parcel or a bundle tells: what was known of a run when it died, or all of it."""


@dataclass(frozen=True)
class Run:
    """A run as the database has it."""

    id: str
    status: str
    deleted: bool
    folder: Path

    @property
    def bundle(self) -> dict[str, Any] | None:
        """The predicate of its bundle, where there is one that holds."""
        return held(self.folder / BUNDLE)


@dataclass(frozen=True)
class Parcel:
    """A parcel that is whole on disk: of which training (by the time it began), how much it tells, and where it lies."""

    training: str
    tells: int
    folder: Path


def held(path: Path) -> dict[str, Any] | None:
    """Return the predicate of a signed file; None where there is none, or it does not hold."""
    try:
        return _held(path.read_bytes())
    except FileNotFoundError:
        return None


@lru_cache(maxsize=2_000)
def _held(content: bytes) -> dict[str, Any] | None:
    """Verify what is looked at after each step once."""
    try:
        kind_and_told: tuple[str, dict[str, Any]] = second.read(second.opened(content)[0])
    except second.REFUSALS:
        return None
    return kind_and_told[1]


def told_by(statement: dict[str, Any]) -> tuple[str, int]:
    """Return of which training the predicate of a bundle is, and how much it tells."""
    run = statement["run"]
    return str(run["started"]), OBITUARY if run["outcome"] == "died" else WHOLE


class Outside:
    """Looks at an sqlite MLflow and a spool as they lie on disk."""

    def __init__(self, database: Path, spool: Path) -> None:
        self.database, self.spool = database, spool

    def _rows(self, query: str, *given: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query, given).fetchall()

    def runs(self, experiment: str = "tests") -> dict[str, Run]:
        """Return the runs of an experiment, deleted ones too."""
        asked = "SELECT run_uuid, status, r.lifecycle_stage, artifact_uri FROM runs r JOIN experiments e USING (experiment_id)"
        found = self._rows(asked + " WHERE e.name = ? ORDER BY start_time, run_uuid", experiment)
        return {one: Run(one, status, stage != "active", Path(uri.removeprefix("file://"))) for one, status, stage, uri in found}

    def versions(self) -> dict[str, str]:
        """Return version -> run of the versions that are not deleted, oldest first."""
        asked = "SELECT version, run_id FROM model_versions WHERE current_stage != 'Deleted_Internal' ORDER BY version"
        return {str(version): run_id for version, run_id in self._rows(asked)}

    def holder(self, alias: str) -> str | None:
        """Return the version that holds an alias."""
        found = self._rows("SELECT version FROM registered_model_aliases WHERE alias = ?", alias)
        return str(found[0][0]) if found else None

    def weights(self, run_id: str) -> list[Path]:
        """Return the file that is different in each model, of those that a run has logged."""
        found = self._rows("SELECT artifact_location FROM logged_models WHERE source_run_id = ?", run_id)
        return [path for (uri,) in found if (path := Path(uri.removeprefix("file://"), "weights")).exists()]

    def of_run(self, parcel: Path) -> str:
        """Return the run that a parcel in the spool is for, as it is written in it or was assigned to it."""
        assigned = parcel / "run_id"
        return assigned.read_text() if assigned.exists() else str(json.loads((parcel / "parcel.json").read_bytes())["parcel"]["run_id"])

    def waiting(self) -> list[Path]:
        """Return the folders of parcels that are in the spool."""
        return sorted(path for path in self.spool.glob("*") if not path.name.startswith("."))

    def parcels(self) -> Iterator[Parcel]:
        """Yield every parcel that is whole: in the spool, and beside it in the journals of runs that go on or have died."""
        for folder in (*self.waiting(), *self.spool.glob(".running-*/[!.]*/")):
            try:
                told = (folder / "parcel.json").read_bytes()
                files = {path: ((folder / sha256).read_bytes(), sha256) for path, sha256 in json.loads(told)["files"]}
            except (OSError, ValueError, KeyError, TypeError):
                continue
            names = [(told, folder.name), *files.values()]
            if all(hashlib.sha256(content).hexdigest() == sha256 for content, sha256 in names):
                statement = held(folder / files[BUNDLE][1]) if BUNDLE in files else json.loads(files[UNSIGNED][0])["predicate"]
                assert statement is not None
                yield Parcel(*told_by(statement), folder)

    def unproven(self, version: str, alias: str) -> str:
        """Say what lacks for a version to hold an alias, by what stands in MLflow; "" where nothing does."""
        run = self.runs().get(self.versions().get(version, ""))
        if run is None or run.deleted or run.status != "FINISHED":
            return f"its run is {run}"
        bundle = run.bundle
        if bundle is None or not bundle["complete"] or bundle["run"]["outcome"] != "finished" or bundle["run"]["run_id"] != run.id:
            return "there is no complete bundle of its run that holds"
        sha256 = hashlib.sha256((run.folder / BUNDLE).read_bytes()).hexdigest()
        wanted = {"allowed": True, "alias": alias, "model": f"models:/loans/{version}", "run_id": run.id, "bundle_sha256": sha256}
        decisions = [held(path) for path in (run.folder / "aims" / "decisions").glob("*")]
        kept = [one for one in decisions if one is not None and wanted.items() <= one.items()]
        if not kept:
            return "no signed decision in its run lets it through"
        logged = [entry["decision"] for entry in self.log().values() if entry is not None and entry["kind"] == "decision"]
        return "" if any(one in logged for one in kept) else "the decision that lets it through is not in the log"

    def log(self) -> dict[Path, dict[str, Any] | None]:
        """Return the entries of the log by where they lie; None where one does not hold, or is not what its name says.

        What MLflow's writer leaves half-written has another name until it is whole, and MLflow does not list it.
        """
        found: dict[Path, dict[str, Any] | None] = {}
        for run in self.runs("aims.ledger").values():
            for path in run.folder.glob("log/*/[!.]*"):
                named = path.name == f"{hashlib.sha256(path.read_bytes()).hexdigest()}.dsse.json"
                found[path] = held(path) if named else None
        return found
