"""What the tests of the log share: a registry on a real sqlite MLflow, and logs made without one, signed with fixed keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from aims_mlflow.evidence import canonical, collector
from aims_mlflow.ledger import Entry, Facts, entry_path
from aims_mlflow.ledger.entry import content_digest
from aims_mlflow.signing import Key, sign
from aims_mlflow.store import Store
from tests.golden import make as golden
from tests.promotion import test_moving

REGISTRY = "0123456789abcdef" * 2
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Paper:
    """A log on paper: entries written after each other without MLflow, as ``read`` takes them."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.files: dict[str, bytes] = {}
        self.sequences: dict[str, int] = {}

    def write(self, parents: Sequence[str] = (), **changes: Any) -> str:
        """Write an entry after these parents, or one that is wrong in some way, and return its digest."""
        facts = Facts(model="golden", version=str(len(self.files) + 1), alias="champion")
        key = changes.pop("key", self.key)
        content = {
            "registry": REGISTRY,
            "sequence": 1 + max((self.sequences[p] for p in parents), default=0),
            "parents": tuple(sorted(parents)),
            "kind": "withdrawal",
            "time": BEGAN + timedelta(minutes=len(self.files)),
            "actor": "tester",
            "collector": collector(),
            "content_sha256": content_digest(facts),
            "facts": facts,
        }
        entry = Entry.model_validate(content | changes)
        envelope = sign(canonical(entry.statement()), key=key)
        sha256 = hashlib.sha256(envelope).hexdigest()
        self.files[entry_path(sha256)] = envelope
        self.sequences[sha256] = entry.sequence
        return sha256


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The maker of the golden files: its keys, its system, its bundle."""
    return golden


@pytest.fixture(scope="session")
def promotion() -> ModuleType:
    """The tests of promotion, for their world: a trained and registered model with its evidence."""
    return test_moving


@pytest.fixture
def paper(make: ModuleType) -> Paper:
    """An empty log on paper."""
    return Paper(make.key())


@pytest.fixture(scope="session")
def forked(make: ModuleType) -> Paper:
    """A log on paper of 12 entries: a chain, a fork of three, a merge, a chain, a fork that is not merged yet."""
    log = Paper(make.key())
    one = log.write()
    two = log.write([one])
    branches = [log.write([two]) for _ in range(3)]
    longer = log.write([branches[0]])
    merged = log.write([longer, *branches[1:]])
    for _ in range(3):
        merged = log.write([merged])
    log.write([merged])
    log.write([merged])
    return log


@pytest.fixture
def world(mlflow_home: str, promotion: ModuleType) -> Any:
    """A trained and registered model with its evidence, in a sqlite MLflow."""
    return promotion.trained(Store())
