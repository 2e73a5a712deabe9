"""Turns: one promotion of a model after another, in whatever process of whatever machine, so that each can put back what it found.

The lock is the database's own (PostgreSQL's advisory locks, MySQL's named ones); for sqlite, which lives on one machine, a
locked file beside the database. A process that dies gives its turn up.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

PATIENCE = 60.0
"""Seconds that a promotion waits for its turn."""

PAUSE = 0.004
"""Seconds between two looks at a locked file: POSIX has no waiting with a limit."""

CLASS = 0x61696D73
"""The first half of our advisory locks' key in PostgreSQL ("aims"), so that they meet nobody else's."""

LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code of an error: a lock was not to be had in time."""

_threads: dict[str, threading.Lock] = {}
_engines: dict[str, Engine] = {}
_making = threading.Lock()


@contextmanager
def turn(engine: Engine, names: Iterable[str], seconds: float = PATIENCE) -> Iterator[None]:
    """Hold the turn of the registered models ``names``; raises StoreError where it does not come within ``seconds``.

    Names that share a lock take it once, and locks are taken in the order of their keys: nobody waits for himself, and no two for each
    other.
    """
    locks = {_key(engine, name): name for name in sorted(set(names), reverse=True)}
    with ExitStack() as held:
        for key, name in sorted(locks.items()):
            held.enter_context(_one(engine, key, name, seconds))
        yield


def _key(engine: Engine, name: str) -> str:
    """Return the key of a model's lock: 32 bits, and 8 for sqlite, of which each key is a file."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[: 2 if engine.dialect.name == "sqlite" else 8]


@contextmanager
def _one(engine: Engine, key: str, name: str, seconds: float) -> Iterator[None]:
    """Wait among the threads of this process first, so that each process asks the database once."""
    with _making:
        lock = _threads.setdefault(f"{engine.url} {key}", threading.Lock())
    if not lock.acquire(timeout=seconds):
        raise _too_long(name, seconds)
    try:
        among = {"sqlite": _file, "postgresql": _advisory, "mysql": _named}.get(engine.dialect.name)
        if among is None:
            yield
        else:
            with among(engine, key, lambda: _too_long(name, seconds), seconds):
                yield
    finally:
        lock.release()


def _too_long(name: str, seconds: float) -> StoreError:
    return StoreError(f"another promotion of {name!r} has been under way for {seconds:g} seconds", fix="try again when it has ended")


def _away() -> StoreError:
    return StoreError("the database does not answer", fix="see that it is up")


@contextmanager
def _file(engine: Engine, key: str, late: Callable[[], StoreError], seconds: float) -> Iterator[None]:
    """Lock a file beside the sqlite database: one of 256, so that few models share one."""
    try:
        import fcntl
    except ImportError:  # Windows: MLflow serves in one process there
        yield
        return
    database = engine.url.database
    if not database or database == ":memory:" or engine.url.query.get("mode") == "memory":
        yield
        return
    folder = Path(database.removeprefix("file:") + ".turns")
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / key).open("ab")
    except OSError as error:
        raise StoreError(
            f"the turns of promotions cannot be kept: {error.strerror}", where=str(folder), fix="see that the server may write there"
        ) from None
    with file:
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise late() from None
                time.sleep(PAUSE)
        yield  # closing the file gives the lock up


@contextmanager
def _advisory(engine: Engine, key: str, late: Callable[[], StoreError], seconds: float) -> Iterator[None]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    asked = {"a": CLASS, "b": int(key, 16) - 2**31}
    with _connection(engine) as connection:
        try:
            connection.execute(text("SELECT set_config('lock_timeout', :t, false)"), {"t": f"{max(1, round(seconds * 1000))}ms"})
            connection.execute(text("SELECT pg_advisory_lock(:a, :b)"), asked)
        except SQLAlchemyError as error:
            told = getattr(error, "orig", None)
            waited = LOCK_NOT_AVAILABLE in (getattr(told, "pgcode", ""), getattr(told, "sqlstate", ""))  # psycopg2 and psycopg
            raise (late() if waited else _away()) from error
        try:
            yield
        finally:
            with suppress(SQLAlchemyError):  # a connection that is gone holds no lock
                connection.execute(text("SELECT pg_advisory_unlock(:a, :b)"), asked)


@contextmanager
def _named(engine: Engine, key: str, late: Callable[[], StoreError], seconds: float) -> Iterator[None]:
    from sqlalchemy import text

    with _connection(engine) as connection:
        if connection.execute(text("SELECT GET_LOCK(:n, :t)"), {"n": f"aims.{key}", "t": seconds}).scalar() != 1:
            raise late()
        try:
            yield
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:n)"), {"n": f"aims.{key}"})


@contextmanager
def _connection(engine: Engine) -> Iterator[Any]:
    """Give a connection from a pool of its own: who waits for a turn never keeps the one who has it from writing."""
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    address = engine.url.render_as_string(hide_password=False)
    with _making:
        if address not in _engines:
            how: dict[str, Any] = {"pool_size": 2, "max_overflow": 30, "pool_pre_ping": True}  # a restart cuts them all
            _engines[address] = sqlalchemy.create_engine(engine.url, isolation_level="AUTOCOMMIT", **how)
        own = _engines[address]
    try:
        connection = own.connect()
    except SQLAlchemyError as error:
        raise _away() from error
    with connection:
        yield connection
