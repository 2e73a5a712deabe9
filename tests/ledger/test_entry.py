"""One entry: what it must hold together, and that it is read back as it was written."""

from __future__ import annotations

import json
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import State
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.ledger import Entry, Facts, entry_path
from aims_mlflow.ledger.entry import MOST_PARENTS, content_digest, path_digest

from .conftest import BEGAN, REGISTRY

FACTS = Facts(model="golden", version="1", alias="champion")


def fields(**changes: Any) -> dict[str, Any]:
    content = {
        "registry": REGISTRY,
        "sequence": 2,
        "parents": ("a" * 64,),
        "kind": "withdrawal",
        "time": BEGAN,
        "actor": "tester",
        "collector": "aims-mlflow 0.1.0",
        "content_sha256": content_digest(FACTS),
        "facts": FACTS,
    }
    return content | changes


def decision(**changes: Any) -> Any:
    from aims_mlflow.decision import GateDecision

    line = ControlLine(control="A.7.4", title="Quality", state=State.WAIVED, reason="waived until 2026-12-01 by Head", waived=("e-1",))
    content = {"allowed": True, "model": "models:/golden/3", "alias": "champion", "lines": (line,), "time": BEGAN, "collector": "c"}
    return GateDecision.model_validate(content | changes)


def test_an_entry_is_read_back_as_it_was_written() -> None:
    for entry in (Entry(**fields()), Entry(**decided())):
        assert Entry.from_statement(json.loads(json.dumps(entry.statement()))) == entry


def decided(**changes: Any) -> dict[str, Any]:
    made = decision()
    return fields(kind="decision", facts=None, decision=made, content_sha256=content_digest(made)) | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"registry": "x"},
        {"sequence": 0},
        {"sequence": "2"},
        {"sequence": 1},
        {"parents": ()},
        {"parents": ("b" * 64, "a" * 64)},
        {"parents": ("a" * 64, "a" * 64)},
        {"parents": ("A" * 64,)},
        {"parents": tuple(f"{n:064x}" for n in range(MOST_PARENTS + 1))},
        {"kind": "decision"},
        {"kind": "rollback"},
        {"kind": "something"},
        {"facts": None},
        {"facts": Facts(model="other")},
        {"content_sha256": "0" * 64},
        {"time": datetime(2026, 3, 1)},  # noqa: DTZ001 - a time without a zone is what is refused
        {"undoes": "a" * 64},
        {"verdict": "pass"},
    ],
    ids=lambda changes: f"{next(iter(changes))}-{len(str(changes))}",
)
def test_what_contradicts_itself_is_no_entry(changes: dict[str, Any]) -> None:
    assert Entry(**fields())
    with pytest.raises(ValidationError):
        Entry(**fields(**changes))


@pytest.mark.parametrize(
    "changes", [{"kind": "denial"}, {"kind": "withdrawal"}, {"facts": FACTS}, {"decision": None}], ids=["denial", "facts", "both", "none"]
)
def test_a_decision_stands_under_its_own_kind(changes: dict[str, Any]) -> None:
    assert Entry(**decided())
    with pytest.raises(ValidationError):
        Entry(**decided(**changes))


def test_a_rollback_names_what_it_takes_back(make: ModuleType) -> None:
    denied = decision(allowed=False)
    content = decided(kind="rollback", decision=denied, content_sha256=content_digest(denied))
    with pytest.raises(ValidationError, match="takes back"):
        Entry(**content)
    assert Entry(**content, undoes="a" * 64).undoes == "a" * 64


def test_a_statement_with_other_subjects_is_refused() -> None:
    statement = Entry(**fields()).statement()
    for wrong in (statement | {"subject": statement["subject"][:1]}, statement | {"predicateType": "urn:other"}, [], None):
        with pytest.raises(VerificationError):
            Entry.from_statement(wrong)


def test_it_says_what_it_is_about_and_which_waivers_it_used() -> None:
    entry = Entry(**decided())
    assert entry.about == ("golden", "3", "champion")
    assert [(w.control, w.evidence) for w in entry.waivers] == [("A.7.4", ("e-1",))]
    assert Entry(**fields()).about == ("golden", "1", "champion")
    unknown = decision(allowed=False, decided=False, lines=(), model="models:/golden@nobody", alias="champion")
    asked = Entry(**decided(kind="denial", decision=unknown, content_sha256=content_digest(unknown)))
    assert asked.about == ("golden", "", "champion")


def test_a_path_is_that_of_an_entry_or_not() -> None:
    assert path_digest(entry_path("ab" * 32)) == "ab" * 32
    for path in ("log/ab.txt", f"log/cd/{'ab' * 32}.dsse.json", f"log/ab/{'AB' * 32}.dsse.json", f"x/log/ab/{'ab' * 32}.dsse.json"):
        assert path_digest(path) is None
