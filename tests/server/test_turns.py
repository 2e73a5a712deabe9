"""Turns of promotions: names that share a lock, and several names at once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy.engine import Engine

from aims_mlflow.errors import StoreError
from aims_mlflow.server.turns import turn

from .serving import database

SOON = 5.0
"""Seconds: nobody who holds a turn here holds it for a thousandth of that."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    uri = f"sqlite:///{tmp_path_factory.mktemp('turns') / 'mlflow.db'}"
    made = sqlalchemy.create_engine(uri if request.param == "sqlite" else database(request.getfixturevalue("postgres"), "turns"))
    yield made
    made.dispose()


def digest(name: str, engine: Engine) -> str:
    """The key of a name's lock."""
    return hashlib.sha256(name.encode()).hexdigest()[: 2 if engine.dialect.name == "sqlite" else 8]


def sharing(engine: Engine) -> tuple[str, str]:
    """Two names that share a lock."""
    seen: dict[str, str] = {}
    for number in range(1_000_000):
        name = f"model-{number}"
        other = seen.setdefault(digest(name, engine), name)
        if other != name:
            return other, name
    raise AssertionError("no two of a million names share a lock")


def test_who_renames_between_names_that_share_a_lock_does_not_wait_for_himself(engine: Engine) -> None:
    one, other = sharing(engine)
    with turn(engine, (one, other), SOON), pytest.raises(StoreError, match="has been under way"), turn(engine, [other], 0.05):
        pass
    with turn(engine, [other], SOON):  # it was given up
        pass


def crossing(engine: Engine) -> tuple[tuple[str, str], tuple[str, str]]:
    """Two pairs of names that have the same two locks: that of the first name of one pair is that of the last of the other."""
    one, other = "model-1", "model-2"
    if engine.dialect.name != "sqlite":  # where no two names share a lock, the names themselves in another order
        return (one, other), (other, one)
    names = [f"other-{number:04}" for number in range(4_000)]
    first = next(name for name in names if digest(name, engine) == digest(other, engine))
    last = next(name for name in names if name > first and digest(name, engine) == digest(one, engine))
    return (one, other), (first, last)


def test_nobody_waits_for_each_other(engine: Engine) -> None:
    up, down = crossing(engine)
    failed: list[BaseException] = []

    def go(pair: tuple[str, str]) -> None:
        try:
            for _ in range(100):
                with turn(engine, pair, SOON):
                    pass
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=go, args=(pair,)) for pair in (up, down) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
