"""A registry without anything protected in it answers as MLflow's own: the same session on the stock store and on ours."""

from __future__ import annotations

import itertools
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event

from aims_mlflow.server.registry_store import GatedSqlStore

from .serving import database

NAMES = st.sampled_from(["credit", "Credit", "mañana", "a b", "x@y", "", "a/b", "none", None])
NUMBERS = st.sampled_from([1, "1", 2, "02", "3", 99, "one", None, ""])
ALIASES = st.sampled_from(["blue", "Blue", "candidate", "latest", "v1", "a b", "", None])
STAGES = st.sampled_from(["None", "staging", "Staging", "archived", "live", ""])
TAGS = st.tuples(st.sampled_from(["team", "mlflow.prompt.is_prompt", "aim", "", "a" * 300]), st.sampled_from(["red", "true", "", None]))
SOURCES = st.sampled_from(
    ["models:/credit/1", "models:/credit@blue", "s3://bucket/model", "/data/model", "models:/m-none", "prompt-template"]
)
FILTERS = st.sampled_from(["", None, "name = 'credit'", "name LIKE 'c%'", "tags.team = 'red'", "nonsense", "run_id = 'r'"])
ORDERS = st.sampled_from([None, ["name DESC"], ["last_updated_timestamp ASC"], ["nothing"]])

OPERATIONS = st.one_of(
    st.tuples(st.just("create_registered_model"), NAMES, st.lists(TAGS, max_size=2), st.sampled_from([None, "words"])),
    st.tuples(st.just("create_registered_model"), st.sampled_from(["credit", "a b"])),
    st.tuples(st.just("create_model_version"), NAMES, SOURCES, st.sampled_from([None, "r"]), st.lists(TAGS, max_size=2)),
    st.tuples(st.just("create_model_version"), st.just("credit"), st.just("s3://bucket/model"), st.just("r"), st.just([])),
    st.tuples(st.just("set_registered_model_alias"), NAMES, ALIASES, NUMBERS),
    st.tuples(st.just("set_registered_model_alias"), st.just("credit"), st.just("blue"), st.just(1)),
    st.tuples(st.just("delete_registered_model_alias"), NAMES, ALIASES),
    st.tuples(st.just("get_model_version_by_alias"), NAMES, ALIASES),
    st.tuples(st.just("transition_model_version_stage"), st.just("credit"), NUMBERS, STAGES, st.booleans()),
    st.tuples(st.just("set_registered_model_tag"), NAMES, TAGS),
    st.tuples(st.just("set_model_version_tag"), NAMES, NUMBERS, TAGS),
    st.tuples(st.just("delete_registered_model_tag"), NAMES, st.sampled_from(["team", "aim", ""])),
    st.tuples(st.just("delete_model_version_tag"), NAMES, NUMBERS, st.sampled_from(["team", "aim", ""])),
    st.tuples(st.just("update_registered_model"), NAMES, st.sampled_from(["words", ""])),
    st.tuples(st.just("update_model_version"), NAMES, NUMBERS, st.sampled_from(["words", ""])),
    st.tuples(st.just("rename_registered_model"), NAMES, NAMES),
    st.tuples(st.just("copy"), st.sampled_from(["credit", "a b"]), NUMBERS, st.sampled_from(["mañana", "credit"])),
    st.tuples(st.just("delete_model_version"), NAMES, NUMBERS),
    st.tuples(st.just("delete_registered_model"), NAMES),
    st.tuples(st.just("get_registered_model"), NAMES),
    st.tuples(st.just("get_model_version"), NAMES, NUMBERS),
    st.tuples(st.just("get_model_version_download_uri"), NAMES, NUMBERS),
    st.tuples(st.just("get_latest_versions"), NAMES, st.sampled_from([None, ["Staging"], ["nothing"]])),
    st.tuples(st.just("search_registered_models"), FILTERS, st.just(100), ORDERS),
    st.tuples(st.just("search_model_versions"), FILTERS, st.just(100), ORDERS),
    st.tuples(st.just("create_prompt"), st.sampled_from(["say", "credit"])),
    st.tuples(st.just("create_prompt_version"), st.sampled_from(["say", "credit"]), st.just("Say {{this}}")),
    st.tuples(st.just("set_prompt_alias"), st.just("say"), st.sampled_from(["blue", "champion", "production"]), st.just(1)),
    st.tuples(st.just("search_prompts")),
)
"""What a session may do: much of it is refused by MLflow, and then it must be refused in the same words."""

SESSIONS, LENGTH = 10, 45
"""10 sessions of up to 45 operations, each after 15 that always come: over 500 in all with those on PostgreSQL, which a test counts."""

counted: list[int] = []


class Pair:
    """The stock store and ours, each on an empty database of its own, with one clock for both."""

    def __init__(self, stock: SqlAlchemyStore, ours: GatedSqlStore) -> None:
        self.stock, self.ours = stock, ours

    def empty(self) -> None:
        for store in (self.stock, self.ours):
            for model in SqlAlchemyStore.search_registered_models(store, max_results=1000) + store.search_prompts(max_results=1000):
                SqlAlchemyStore.delete_registered_model(store, model.name)

    def same(self, operation: tuple[Any, ...]) -> None:
        theirs, ours = (answer(store, operation) for store in (self.stock, self.ours))
        assert ours == theirs, operation
        counted.append(1)


def answer(store: Any, operation: tuple[Any, ...]) -> Any:
    """Return what the store answers, as plain values, or the error that it raises."""
    method, *arguments = operation
    try:
        if method == "copy":
            name, number, to = arguments
            return plain(store.copy_model_version(store.get_model_version(name, number), to))
        if method.startswith("create_registered_model") and len(arguments) > 1:
            arguments[1] = [RegisteredModelTag(*tag) for tag in arguments[1]]
        if method == "create_model_version":
            arguments[3] = [ModelVersionTag(*tag) for tag in arguments[3]]
        if method == "set_registered_model_tag":
            arguments[1] = RegisteredModelTag(*arguments[1])
        if method == "set_model_version_tag":
            arguments[2] = ModelVersionTag(*arguments[2])
        return plain(getattr(store, method)(*arguments))
    except MlflowException as error:
        return type(error), error.error_code, re.sub(r"sqlite3?|psycopg2|0x[0-9a-f]+|\d{13}", "", str(error.message))
    except (TypeError, AttributeError, ValueError) as error:
        return type(error), str(error)


def plain(value: Any) -> Any:
    """Return what an answer says, without when it was said."""
    if isinstance(value, list):
        return [plain(one) for one in value], getattr(value, "token", None)
    if hasattr(value, "__dict__"):
        return {k: plain(v) for k, v in vars(value).items() if not k.endswith(("timestamp", "_time"))}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path) -> Iterator[None]:
    """Let every millisecond come once, so that what is ordered by time has one order; and look up logged models in an empty store."""
    ticks = itertools.count(int(time.time() * 1000))
    empty = tmp_path_factory.mktemp("runs") / "mlflow.db"
    shutil.copy(_mlflow_template, empty)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.store.model_registry.sqlalchemy_store.get_current_time_millis", lambda: next(ticks))
        patch.chdir(empty.parent)
        mlflow.set_tracking_uri(f"sqlite:///{empty}")
        yield
        mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType]  # "" would be a folder
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)


def in_haste(connection: Any, _: Any) -> None:
    """Do not wait for the disk: what the stores answer does not hang on it."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path, clock: None) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    for name in ("stock", "ours"):
        shutil.copy(_mlflow_template, folder / f"{name}.db")
        event.listen(SqlAlchemyStore._get_or_create_engine(f"sqlite:///{folder}/{name}.db"), "connect", in_haste)
    return Pair(SqlAlchemyStore(f"sqlite:///{folder}/stock.db"), GatedSqlStore(f"aims+sqlite:///{folder}/ours.db"))


@pytest.fixture(scope="module")
def postgres_pair(postgres: str, clock: None) -> Pair:
    stock, ours = database(postgres, "stock"), database(postgres, "ours")
    return Pair(SqlAlchemyStore(stock), GatedSqlStore(f"aims+{ours}"))


ALWAYS: tuple[tuple[Any, ...], ...] = (
    ("create_registered_model", "credit", [("team", "red")], "words"),
    ("create_model_version", "credit", "s3://bucket/model", "r", [("team", "red")]),
    ("create_model_version", "credit", "models:/credit/1", "r", []),
    ("set_registered_model_alias", "credit", "blue", 1),
    ("set_registered_model_alias", "credit", "blue", "2"),
    ("get_model_version_by_alias", "credit", "blue"),
    ("transition_model_version_stage", "credit", "1", "staging", True),
    ("transition_model_version_stage", "credit", 2, "Staging", True),
    ("copy", "credit", 1, "a b"),
    ("rename_registered_model", "a b", "mañana"),
    ("delete_model_version", "credit", "2"),
    ("get_registered_model", "credit"),
    ("search_model_versions", "name = 'credit'", 100, None),
    ("search_registered_models", None, 100, None),
    ("delete_registered_model", "mañana"),
)


def session(pair: Pair, operations: list[tuple[Any, ...]]) -> None:
    pair.empty()
    for operation in (*ALWAYS, *operations):
        pair.same(operation)


@settings(max_examples=SESSIONS, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(OPERATIONS, min_size=LENGTH - 10, max_size=LENGTH))
def test_every_answer_is_mlflows(pair: Pair, operations: list[tuple[Any, ...]]) -> None:
    session(pair, operations)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(OPERATIONS, min_size=LENGTH, max_size=LENGTH))
def test_on_postgresql_too(postgres_pair: Pair, operations: list[tuple[Any, ...]]) -> None:
    session(postgres_pair, operations)


def test_there_were_enough_of_them() -> None:
    if not counted:
        pytest.skip("the sessions are run by the tests before this one")
    assert len(counted) >= 500
