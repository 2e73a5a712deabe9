"""The race: processes that swap the files of a model's versions while they promote them, each under a registry store of its own.

``python -m tests.server.racing PROCESSES ROUNDS FOLDER DATABASE [FOLDER DATABASE ...]`` writes what happened to FOLDER/told.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

VERSIONS = 4
GOOD, BAD = b"\x00\x01\x02", b"\x00\x01\x03"

HISTORY = """
CREATE TABLE history (seq BIGSERIAL, at DOUBLE PRECISION, who TEXT, was INTEGER, now INTEGER);
CREATE FUNCTION remember() RETURNS trigger AS $$ BEGIN
  INSERT INTO history (at, who, was, now) VALUES (extract(epoch FROM clock_timestamp()), current_setting('application_name'),
    CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD.version END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW.version END);
  RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON registered_model_aliases FOR EACH ROW EXECUTE FUNCTION remember();
"""
"""Keeps every move of an alias, in its order, with who made it (PostgreSQL)."""

NAMELESS_HISTORY = """
CREATE TABLE history (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, who TEXT, was INTEGER, now INTEGER);
CREATE TRIGGER made AFTER INSERT ON registered_model_aliases BEGIN
  INSERT INTO history (at, who, was, now) VALUES (0, '', NULL, NEW.version); END;
CREATE TRIGGER moved AFTER UPDATE ON registered_model_aliases BEGIN
  INSERT INTO history (at, who, was, now) VALUES (0, '', OLD.version, NEW.version); END;
CREATE TRIGGER taken AFTER DELETE ON registered_model_aliases BEGIN
  INSERT INTO history (at, who, was, now) VALUES (0, '', OLD.version, NULL); END;
"""
"""The same for sqlite, which does not know who it is spoken to by."""


def named(database: str, who: str) -> str:
    """Return the database's URI with a name by which the history knows who writes."""
    return f"{database}&application_name={who}" if database.startswith("postgresql") else database


def served(folder: Path, database: str) -> None:
    """Make this process one of an MLflow server's, as the server's own environment does."""
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_TRACKING_URI": database,
        "MLFLOW_REGISTRY_URI": f"aims+{database}",
    }
    os.chdir(folder)


def prepare(folder: Path, database: str) -> None:
    """Make a model with proven versions, and let the database remember where its aliases go."""
    import sqlalchemy

    from aims_mlflow.server.inside import Inside
    from tests.server import making

    served(folder, database)
    store = Inside(database, database)
    first = making.trained(store, "raced")
    versions = [first, *(first.again() for _ in range(VERSIONS - 1))]
    files = {one.version.version: str(next((folder / "artifacts").rglob(f"{one.logged}/artifacts/weights"))) for one in versions}
    (folder / "files.json").write_text(json.dumps(files))
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        if database.startswith("sqlite"):
            raw.executescript(NAMELESS_HISTORY)
        else:
            raw.cursor().execute(HISTORY)
        raw.commit()
    engine.dispose()


def race(folder: Path, database: str, who: str, rounds: int, ready: Any) -> None:
    """Swap and promote, and write down when each was done and what came of it."""
    from mlflow.exceptions import MlflowException

    from aims_mlflow.server.registry_store import GatedSqlStore

    served(folder, named(database, who))
    store = GatedSqlStore(f"aims+{named(database, who)}")
    files = json.loads((folder / "files.json").read_text())
    chance = random.Random(who)  # noqa: S311 - draws what is done next, no secret
    told = []
    ready.wait()
    for _ in range(rounds):
        swapped, promoted = chance.choice(list(files)), chance.choice(list(files))
        content = chance.choice([GOOD, GOOD, BAD])
        before = time.time()
        draft = Path(files[swapped]).parents[1] / f"draft-{who}"
        draft.write_bytes(content)
        draft.replace(files[swapped])
        told.append({"what": "swap", "version": swapped, "good": content == GOOD, "from": before, "to": time.time(), "who": who})
        before, said = time.time(), ""
        try:
            store.set_registered_model_alias("raced", "champion", promoted)
        except MlflowException as error:
            said = str(error.message)
        told.append({"what": "promote", "version": promoted, "said": said, "from": before, "to": time.time(), "who": who})
    (folder / f"told-{who}.json").write_text(json.dumps(told))


def main(folder: Path, database: str, processes: int, rounds: int) -> None:
    """Prepare in a process of its own, so that the racers share nothing that is open; then let them all begin at once."""
    import sqlalchemy

    import aims_mlflow.server.registry_store  # noqa: F401 - all is imported once, before the processes part
    import tests.server.making  # noqa: F401 - likewise

    fork = multiprocessing.get_context("fork")
    preparing = fork.Process(target=prepare, args=(folder, database))
    preparing.start()
    preparing.join()
    assert preparing.exitcode == 0
    ready = fork.Barrier(processes)
    racers = [fork.Process(target=race, args=(folder, database, f"p{i}", rounds, ready)) for i in range(processes)]
    for one in racers:
        one.start()
    for one in racers:
        one.join()
    assert [one.exitcode for one in racers] == [0] * processes
    told = [line for i in range(processes) for line in json.loads((folder / f"told-p{i}.json").read_text())]
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        history = [list(row) for row in connection.execute(sqlalchemy.text("SELECT at, who, was, now FROM history ORDER BY seq"))]
        now = connection.execute(sqlalchemy.text("SELECT version FROM registered_model_aliases WHERE alias = 'champion'")).scalar()
    engine.dispose()
    (folder / "told.json").write_text(json.dumps({"told": told, "history": history, "now": now}))


if __name__ == "__main__":
    for at in range(3, len(sys.argv), 2):
        main(Path(sys.argv[at]), sys.argv[at + 1], int(sys.argv[1]), int(sys.argv[2]))
