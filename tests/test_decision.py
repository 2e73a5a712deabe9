"""The decision as a word: it says all it rests on, comes back from its statement, and cannot say yes without grounds."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aims_mlflow.decision import Blocker, GateDecision, VersionFacts, undecided
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import State, canonical, digest
from aims_mlflow.gate import decide
from aims_mlflow.signing import Verified

_spec = importlib.util.spec_from_file_location("golden_make", Path(__file__).parent / "golden" / "make.py")
assert _spec is not None
assert _spec.loader is not None
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)

NOW = make.FINISHED + timedelta(days=1)


def decided(**given: Any) -> GateDecision:
    """Let the gate decide on the golden bundle, with parts replaced."""
    content: dict[str, Any] = {
        "now": NOW,
        "alias": "champion",
        "model_files": make.FILES,
        "verification": Verified(b"", (make.key().id,), trusted=False, development=False, sha256=digest("bundle")),
    }
    facts = VersionFacts(name="golden", version="7", run_id=make.RUN_ID, run_status="FINISHED")
    return decide(make.system(), given.pop("bundle", make.bundle()), facts, **(content | given))


def test_it_comes_back_from_its_statement() -> None:
    decision = decided()
    statement = json.loads(canonical(decision.statement()))
    assert GateDecision.from_statement(statement) == decision
    assert {s["name"] for s in statement["subject"]} == {"models:/golden/7", "bundle", "policy/golden"}


def test_an_altered_statement_is_refused() -> None:
    statement = decided().statement()
    bundle = make.bundle().statement()
    for spoilt in (statement | {"subject": []}, statement | {"predicate": {}}, bundle, None, statement | {"predicateType": "x"}):
        with pytest.raises(VerificationError):
            GateDecision.from_statement(spoilt)


@pytest.mark.parametrize("changes", [{"blockers": [Blocker(code="stale", reason="old")]}, {"lines": ()}, {"decided": False}])
def test_a_yes_without_grounds_cannot_be_said(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GateDecision.model_validate(decided().model_dump() | changes)


def test_undecided_blocks() -> None:
    decision = undecided("models:/golden/7", Blocker(code="no_policy", reason="no policy", fix="pass one"), now=NOW)
    assert (decision.allowed, decision.verdict, decision.exit_code) == (False, "undecided", 2)
    assert "pass one" in decision.text()


def test_the_text_has_every_line_and_what_to_do() -> None:
    decision = decided(bundle=make.bundle(complete=False, results=(), evidence=()))
    text = decision.text()
    assert all(line.control in text for line in decision.lines)
    assert all(line.fix in text for line in decision.stopping)
    assert "compliant" not in text


def test_an_allowed_promotion_is_evidence_of_deployment() -> None:
    evidence = decided().model_copy(update={"replaced": "6"}).evidence()
    assert evidence is not None
    assert (evidence.controls, evidence.state, evidence.run_id) == (("A.6.2.5",), State.PASS, make.RUN_ID)
    assert "before it was 6" in evidence.reason
    assert decided(model_files={}).evidence() is None
    assert decided(alias=None).evidence() is None
