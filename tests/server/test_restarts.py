"""A database that is restarted cuts every connection: what is asked afterwards gets a new one, and an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException

from aims_mlflow.server import turns
from aims_mlflow.server.registry_store import GatedSqlStore

from .cluster import Cluster, binaries
from .serving import database


@pytest.fixture
def cluster(postgres: str) -> Iterator[Cluster]:
    """A PostgreSQL that may be restarted: the session's own is asked for to skip, or fail, where there is none."""
    programs = binaries()
    assert programs is not None
    made = Cluster(programs)
    try:
        yield made.start()
    finally:
        made.stop()


def test_a_turn_is_had_after_the_database_was_restarted(cluster: Cluster) -> None:
    engine = sqlalchemy.create_engine(cluster.uri.format("postgres"), poolclass=sqlalchemy.NullPool)
    with turns.turn(engine, ["credit"], seconds=5):
        pass
    cluster.down()
    cluster.up()
    with turns.turn(engine, ["credit"], seconds=5):
        pass
    turns._engines.pop(engine.url.render_as_string(hide_password=False)).dispose()


def test_a_protected_alias_is_answered_while_the_database_is_away(cluster: Cluster) -> None:
    uri = database(cluster.uri, "restarted")
    store = GatedSqlStore(f"aims+{uri}", uri)
    store.create_registered_model("credit")
    store.create_model_version("credit", "s3://bucket/model")
    cluster.down()
    with pytest.raises(MlflowException, match="database") as refused:
        store.set_registered_model_alias("credit", "champion", "1")
    assert refused.value.error_code == "TEMPORARILY_UNAVAILABLE"
    cluster.up()
    with pytest.raises(MlflowException, match="models:/credit/1 ") as denied:
        store.set_registered_model_alias("credit", "champion", "1")
    assert denied.value.error_code == "PERMISSION_DENIED"
    store.engine.dispose()
