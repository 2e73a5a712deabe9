"""Rows of MLflow's databases, as the gate needs them: read and written in few statements, each in one transaction of its caller's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from aims_mlflow.errors import StoreError
from aims_mlflow.store import RunView, VersionView, moment


def version(session: Any, name: str, number: str) -> tuple[VersionView, str] | None:
    """Return a version and where MLflow loads it from; None where there is none. Two statements.

    Args:
        session: an open session of, or connection to, the registry's database.
        name: the registered model.
        number: the version.
    """
    statement, aliased = _version_statements()
    asked = {"of_name": name, "of_version": int(number)}
    rows = session.execute(statement, asked).all()
    if not rows:
        return None
    first = rows[0]
    view = VersionView(
        name=first.name,
        version=str(first.version),
        run_id=first.run_id or "",
        source=first.source or "",
        created=moment(first.creation_time),
        stage=first.current_stage or "None",
        aliases=tuple(sorted(session.execute(aliased, asked).scalars())),
        tags={row.key: row.value for row in rows if row.key is not None},
        description=first.description or "",
    )
    return view, str(first.storage_location or first.source or "")


@cache
def _version_statements() -> tuple[Any, Any]:
    """Return the statements for a version with its tags, and for its aliases. Made once: making them costs more than the database does."""
    from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlModelVersionTag, SqlRegisteredModelAlias
    from sqlalchemy import and_, bindparam, select

    mine, tag, alias = _table(SqlModelVersion), _table(SqlModelVersionTag), _table(SqlRegisteredModelAlias)
    name: Any = bindparam("of_name")
    number: Any = bindparam("of_version")
    columns = ("name", "version", "run_id", "source", "storage_location", "creation_time", "current_stage", "description")
    together = and_(tag.c.name == mine.c.name, tag.c.version == mine.c.version, tag.c.workspace == mine.c.workspace)
    asked = select(*(mine.c[column] for column in columns), tag.c.key, tag.c.value).select_from(mine.outerjoin(tag, together))
    asked = asked.where(mine.c.name == name, mine.c.version == number, mine.c.current_stage != STAGE_DELETED_INTERNAL)
    return asked, select(alias.c.alias).where(alias.c.name == name, alias.c.version == number)


def holder(session: Any, name: str, alias: str) -> str | None:
    """Return the number of the version that holds an alias, as the database compares names, or None."""
    found = session.execute(_holder_statement(), {"of_name": name, "of_alias": alias}).scalar()
    return None if found is None else str(found)


@cache
def _holder_statement() -> Any:
    from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias
    from sqlalchemy import bindparam, select

    table = _table(SqlRegisteredModelAlias)
    return select(table.c.version).where(table.c.name == bindparam("of_name"), table.c.alias == bindparam("of_alias"))


@contextmanager
def reading(engine: Any) -> Iterator[Any]:
    """Give a connection to read by; StoreError where the database does not answer."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StoreError(f"the database does not answer ({type(error).__name__})", fix="see that it is up, then try again") from error


def runs(session: Any, *, run_id: str = "", experiment_id: str = "") -> dict[str, tuple[RunView, str]]:
    """Return runs with their tags, without params, metrics and inputs, and where their artifacts lie. One statement.

    Args:
        session: an open session of, or connection to, the tracking database.
        run_id: the one run that is asked for.
        experiment_id: or all runs of an experiment, deleted ones too.
    """
    one, several = _run_statements()
    rows = session.execute(one, {"of_run": run_id}) if run_id else session.execute(several, {"of_experiment": int(experiment_id)})
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.run_uuid, []).append(row)
    return {of: (_run_view(rows), str(rows[0].artifact_uri)) for of, rows in found.items()}


def marked_runs(session: Any, keys: Collection[str], since: int | None) -> Iterator[RunView]:
    """Yield every run that has the first of these tags, deleted ones too, with these tags alone and without all else. One statement.

    Args:
        session: an open session of, or connection to, the tracking database.
        keys: the tags' keys.
        since: only those that began or ended at this time (milliseconds) or later.
    """
    every, new = _marked_statements()
    first, *_ = keys
    asked = {"of_first": first, "of_keys": list(keys)}
    rows = session.execute(every, asked) if since is None else session.execute(new, {**asked, "since": since})
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.run_uuid, []).append(row)
    for own in found.values():
        yield _run_view(own)


@cache
def _marked_statements() -> tuple[Any, Any]:
    """Return the statements for all runs with a tag, and for those that are new."""
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
    from sqlalchemy import bindparam, or_, select

    run, tag = _table(SqlRun), _table(SqlTag)
    first = tag.alias()
    columns = ("run_uuid", "experiment_id", "status", "start_time", "end_time", "name", "lifecycle_stage")
    joined = first.join(run, run.c.run_uuid == first.c.run_uuid).join(tag, tag.c.run_uuid == run.c.run_uuid)
    every = select(*(run.c[column] for column in columns), tag.c.key, tag.c.value).select_from(joined)
    every = every.where(first.c.key == bindparam("of_first"), tag.c.key.in_(bindparam("of_keys", expanding=True)))
    since: Any = bindparam("since")
    return every, every.where(or_(run.c.start_time >= since, run.c.end_time >= since))


@cache
def _run_statements() -> tuple[Any, Any]:
    """Return the statements for one run with its tags, and for all of an experiment."""
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
    from sqlalchemy import bindparam, select

    run, tag = _table(SqlRun), _table(SqlTag)
    columns = ("run_uuid", "experiment_id", "status", "start_time", "end_time", "name", "lifecycle_stage", "artifact_uri")
    joined = run.outerjoin(tag, tag.c.run_uuid == run.c.run_uuid)
    asked = select(*(run.c[column] for column in columns), tag.c.key, tag.c.value).select_from(joined)
    return asked.where(run.c.run_uuid == bindparam("of_run")), asked.where(run.c.experiment_id == bindparam("of_experiment"))


def _run_view(rows: list[Any]) -> RunView:
    first = rows[0]
    return RunView(
        run_id=first.run_uuid,
        experiment_id=str(first.experiment_id),
        status=first.status,
        started=moment(first.start_time),
        finished=moment(first.end_time) if first.end_time else None,
        name=first.name or "",
        lifecycle=first.lifecycle_stage,
        tags={row.key: row.value for row in rows if row.key is not None},
    )


def tag_version(
    session: Any, name: str, number: str, tags: Mapping[str, str], *, remove: Collection[str] = (), description: str | None = None
) -> None:
    """Set and remove tags of a version, and set its description where one is given. At most five statements, however many tags.

    Args:
        session: an open session of the registry's database; the caller commits.
        name: the registered model, as the registry writes it.
        number: the version.
        tags: key -> value.
        remove: keys to take away, where they are there.
        description: the new description; None leaves the old one.
    """
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlModelVersionTag
    from mlflow.utils.time import get_current_time_millis
    from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

    of = {"workspace": DEFAULT_WORKSPACE_NAME, "name": name, "version": int(number)}
    _settle(session, SqlModelVersionTag, of, tags, remove)
    if description is not None:
        asked = {"to": description, "at": get_current_time_millis(), **{f"of_{column}": value for column, value in of.items()}}
        session.connection().execute(_description_statement(SqlModelVersion), asked)  # pyright: ignore[reportArgumentType] # a cache takes any class


def tag_run(session: Any, run_id: str, tags: Mapping[str, str], remove: Collection[str]) -> None:
    """Set and remove tags of a run. At most four statements."""
    from mlflow.store.tracking.dbmodels.models import SqlTag

    _settle(session, SqlTag, {"run_uuid": run_id}, tags, remove)


def _settle(session: Any, model: Any, of: Mapping[str, Any], tags: Mapping[str, str], remove: Iterable[str]) -> None:
    """Make the tags of one thing what they should be. ``of``: the columns that say whose they are."""
    gone = [key for key in remove if key not in tags]
    if not tags and not gone:
        return
    find, add, change, drop = _tag_statements(model, tuple(of))
    asked = {f"of_{column}": value for column, value in of.items()}
    connection = session.connection()
    there = {row.key: row.value for row in connection.execute(find, asked | {"keys": [*tags, *gone]})}
    new = [{**of, "key": key, "value": value} for key, value in tags.items() if key not in there]
    changed = [{**asked, "of_key": key, "to": value} for key, value in tags.items() if key in there and there[key] != value]
    here = [key for key in gone if key in there]
    if new:
        connection.execute(add, new)
    if changed:
        connection.execute(change, changed)
    if here:
        connection.execute(drop, asked | {"keys": here})


@cache
def _tag_statements(model: Any, columns: tuple[str, ...]) -> tuple[Any, Any, Any, Any]:
    """Return the statements that find, add, change and drop tags of what ``columns`` name."""
    from sqlalchemy import bindparam, delete, insert, select, update

    table = _table(model)
    whose = [table.c[column] == bindparam(f"of_{column}") for column in columns]
    among = table.c.key.in_(bindparam("keys", expanding=True))
    return (
        select(table.c.key, table.c.value).where(*whose, among),
        insert(table),
        update(table).where(*whose, table.c.key == bindparam("of_key")).values(value=bindparam("to")),
        delete(table).where(*whose, among),
    )


@cache
def _description_statement(model: Any) -> Any:
    from sqlalchemy import bindparam, update

    table = _table(model)
    whose = [table.c[column] == bindparam(f"of_{column}") for column in ("workspace", "name", "version")]
    return update(table).where(*whose).values(description=bindparam("to"), last_updated_time=bindparam("at"))


def _table(model: Any) -> Any:
    return model.__table__
