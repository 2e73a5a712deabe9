"""A database that is restarted cuts every connection: what is asked afterwards gets a new one, and an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy

from aims_mlflow.server import turns

from .cluster import Cluster, binaries


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
