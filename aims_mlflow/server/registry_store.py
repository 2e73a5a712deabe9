"""The gated registry on a database: ``mlflow server --registry-store-uri aims+sqlite:///…`` (aims+postgresql, aims+mysql).

A subclass of MLflow's own store, because MLflow asks for that class; ``Gated`` says what is decided, this says how it is read and
written in a database, and keeps the ``aims.*`` tags true.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from aims_mlflow.bundle import ASSESSMENT
from aims_mlflow.errors import StoreError
from aims_mlflow.server import guarding, rows, truth, turns
from aims_mlflow.server.gated import Gated
from aims_mlflow.server.guarding import is_ours
from aims_mlflow.server.inside import Inside, serving
from aims_mlflow.store import Store, ungated
from aims_mlflow.store.versions import SERVER_KEEPS_TAGS

log = logging.getLogger("aims_mlflow")


class GatedSqlStore(Gated, SqlAlchemyStore):
    """MLflow's SQL registry store with the gate before what the policy protects.

    Args:
        store_uri: the database, as ``aims+`` and SQLAlchemy's URI.
        tracking_uri: where runs are read, for a client; a server reads its own backend store.
    """

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
        from mlflow.server.constants import READ_REPLICA_BACKEND_STORE_URI_ENV_VAR

        if MLFLOW_ENABLE_WORKSPACES.get():
            raise guarding.refusal(
                "The gate does not know MLflow's workspaces yet: a registry under it cannot be started with them. Fix: start the server"
                " without --enable-workspaces, or without aims+ in --registry-store-uri (then nothing is gated)."
            )
        self._given = (tracking_uri, ungated(store_uri))
        self._within = threading.local()
        super().__init__(ungated(store_uri), os.environ.get(READ_REPLICA_BACKEND_STORE_URI_ENV_VAR) if serving() else None)
        self._sessions = self.ManagedSessionMaker
        self.ManagedSessionMaker = self._session
        guarding.say_once(server=serving() or "mlflow.server.handlers" in sys.modules)  # the latter: the command that starts one

    # a transaction around several of MLflow's own

    @contextmanager
    def _session(self, read_only: bool = True) -> Iterator[Any]:
        """Give the session of the transaction that this thread is within, else one of MLflow's as it would be."""
        outer = getattr(self._within, "session", None)
        if outer is None:
            with self._sessions(read_only=read_only) as session:
                yield session
            return
        yield outer
        outer.flush()

    @contextmanager
    def _together(self) -> Iterator[None]:
        if getattr(self._within, "session", None) is not None:
            yield
            return
        with self._sessions(read_only=False) as session:
            self._within.session = session
            try:
                yield
            finally:
                self._within.session = None

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """Give the session of the transaction that this thread is within, else a connection to read by (never to a replica)."""
        outer = getattr(self._within, "session", None)
        if outer is not None:
            yield outer
            return
        try:
            with rows.reading(self.engine) as connection:
                yield connection
        except StoreError as error:  # the code with which MLflow answers where its own session finds no database
            raise MlflowException(str(error), TEMPORARILY_UNAVAILABLE) from error

    @contextmanager
    def _turn(self, *names: str) -> Iterator[None]:
        with turns.turn(self.engine, names):
            yield

    @contextmanager
    def _gathering(self) -> Iterator[None]:
        if isinstance(self._store, Inside):
            with self._store.gathering():
                yield
        else:
            yield

    # what is read

    @cached_property
    def _store(self) -> Store:
        from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR

        tracking, registry = self._given
        return Inside(os.environ[BACKEND_STORE_URI_ENV_VAR], registry) if serving() else Store(tracking, registry)

    @cached_property
    def _glance(self) -> Store:
        """The store for tags: it does not hash a local file again whose size, times and place are as before."""
        from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR

        return Inside(os.environ[BACKEND_STORE_URI_ENV_VAR], self._given[1], remember=True) if serving() else self._store

    def _reader(self) -> Store:
        return self._store

    def _known_as(self, name: str) -> str:
        """Return the name as it stands in a database that compares names without case; in others it is the one given."""
        if self.engine.dialect.name != "mysql":
            return name
        from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModel
        from sqlalchemy import select

        with self._reading() as session:
            return session.execute(select(SqlRegisteredModel.name).where(SqlRegisteredModel.name == name)).scalar() or name

    def _there(self, name: str, number: int) -> Any:
        with self._reading() as session:
            found = rows.version(session, name, str(number))
        if found is None:
            self.get_model_version(name, number)  # MLflow's own error
            raise guarding.refusal(f"models:/{name}/{number} was not there a moment ago. Fix: try again")
        return found[0]

    def _aliases(self, name: str) -> dict[str, str]:
        from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias as Row
        from sqlalchemy import select

        with self._reading() as session:
            rows = session.execute(select(Row.alias, Row.version).where(Row.name == name)).all()
        return {row.alias: str(row.version) for row in rows}

    def _stages(self, name: str) -> dict[str, str]:
        from mlflow.entities.model_registry.model_version_stages import ALL_STAGES, STAGE_NONE
        from mlflow.store.model_registry.dbmodels.models import SqlModelVersion as Row
        from sqlalchemy import select

        staged = [stage for stage in ALL_STAGES if stage != STAGE_NONE]
        with self._reading() as session:
            rows = session.execute(select(Row.version, Row.current_stage).where(Row.name == name, Row.current_stage.in_(staged))).all()
        return {str(row.version): row.current_stage for row in rows}

    def _holder(self, name: str, alias: str) -> str | None:
        with self._reading() as session:
            return rows.holder(session, name, alias)

    # the tags

    def create_registered_model(self, name: Any, tags: Any = None, description: Any = None, deployment_job_id: Any = None) -> Any:
        """Create a registered model; ``aims.*`` tags of the client's are left out."""
        return super().create_registered_model(name, _not_ours(tags), description, deployment_job_id)

    def create_model_version(
        self,
        name: Any,
        source: Any,
        run_id: Any = None,
        tags: Any = None,
        run_link: Any = None,
        description: Any = None,
        local_model_path: Any = None,
        model_id: Any = None,
    ) -> Any:
        """Create a version; ``aims.*`` tags of the client's are left out, and the true ones written."""
        made = super().create_model_version(name, source, run_id, _not_ours(tags), run_link, description, local_model_path, model_id)
        if self._is_a_text(made.name, made):
            return made
        try:
            if self._write_truth(made.name, str(made.version)).tags:
                with self._together():
                    return self.get_model_version(made.name, str(made.version))
        except Exception as error:  # the version is there; its index can follow
            log.warning(
                "models:/%s/%s was made; what its evidence says could not be written to its tags: %s", made.name, made.version, error
            )
        return made

    def set_model_version_tag(self, name: Any, version: Any, tag: Any) -> None:
        """Set a tag of a version; an ``aims.*`` tag only to what its evidence says."""
        if not is_ours(tag.key):
            super().set_model_version_tag(name, version, tag)
            return
        from mlflow.utils import validation

        validation._validate_model_version_tag(tag.key, tag.value)
        number = str(self._asked(name, version, None).version)
        with self._refusing("the tag"):
            name = self._known_as(name)
            claimed = {ASSESSMENT: tag.value} if tag.key == ASSESSMENT else {}
            found = self._write_truth(name, number, claimed)
        if found.tags.get(tag.key) != tag.value:
            raise _untrue(tag.key, f"models:/{name}/{number}", found)

    def delete_model_version_tag(self, name: Any, version: Any, key: Any) -> None:
        """Delete a tag of a version; an ``aims.*`` tag only where it is not true."""
        if is_ours(key):
            number = str(self._asked(name, version, None).version)
            with self._refusing("the tag"):
                found = self._true_of(self._known_as(name), number)
            if not found.known or key in found.tags:
                raise _untrue(key, f"models:/{name}/{number}", found)
        super().delete_model_version_tag(name, version, key)

    def set_registered_model_tag(self, name: Any, tag: Any) -> None:
        """Set a tag of a registered model; an ``aims.*`` tag only to what the policy and the newest record say."""
        if is_ours(tag.key):
            found = self._true_of_model(name)
            if found.tags.get(tag.key) != tag.value:
                raise _untrue(tag.key, name, found)
        super().set_registered_model_tag(name, tag)

    def delete_registered_model_tag(self, name: Any, key: Any) -> None:
        """Delete a tag of a registered model; an ``aims.*`` tag only where it is not true."""
        if is_ours(key):
            found = self._true_of_model(name)
            with self._together():
                there = {tag.key: tag.value for tag in self._rows_of_model(name)}
            if key in found.tags and there.get(key) == found.tags[key]:
                raise _untrue(key, name, found)
        super().delete_registered_model_tag(name, key)

    def _true_of_model(self, name: Any) -> truth.Truth:
        with self._together():
            self.get_registered_model(name)  # MLflow's own error where there is none
        with self._refusing("the tag"):
            return guarding.within_patience(lambda: truth.of_model(self._known_as(name), self._store))

    def _rows_of_model(self, name: str) -> Collection[Any]:
        with self.ManagedSessionMaker(read_only=False) as session:
            return list(self._get_registered_model(session, name).registered_model_tags)

    def _true_of(self, name: str, number: str, claimed: dict[str, str] | None = None) -> truth.Truth:
        uri = f"models:/{name}/{number}"
        examined = guarding.examined(uri, None, self._glance)
        view = examined.version or self._glance.version(uri)
        return truth.of_version(examined.decision, {**view.tags, **(claimed or {})}, self._glance, view)

    def _write_truth(self, name: str, number: str, claimed: dict[str, str] | None = None) -> truth.Truth:
        """Write what is true of a version in the place of whatever else its ``aims.*`` tags say, and return it."""
        found = self._true_of(name, number, claimed)
        if found.known:
            with self._together(), self.ManagedSessionMaker(read_only=False) as session:
                there = self._get_sql_model_version(session, name, number, eager=True).model_version_tags
                untrue = {tag.key for tag in there if is_ours(tag.key)} - set(found.tags)
                rows.tag_version(session, name, number, found.tags, remove=untrue)
        return found


def _not_ours(given: Any) -> Any:
    """Return the tags without those that only evidence can give; what is no list of tags is MLflow's to refuse."""
    try:
        kept = [tag for tag in given or [] if not is_ours(tag.key)]
    except (TypeError, AttributeError):
        return given
    return given if len(kept) == len(given or []) else kept


def _untrue(key: str, of: str, found: truth.Truth) -> Exception:
    says = f"the evidence says {found.tags[key]!r}" if key in found.tags else "nothing proves it"
    why = f" ({found.why})" if found.why else ""
    return guarding.refusal(
        f"DENIED: {SERVER_KEEPS_TAGS}: the tag {key} of {of} is not what was sent; {says}{why}. Fix: send no {guarding.OURS}* tags"
    )
