"""The decision as a word: it says all it rests on, comes back from its statement, and cannot say yes without grounds."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from aims_mlflow.decision import Blocker, GateDecision, VersionFacts, undecided
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import State, canonical, digest
from aims_mlflow.gate import decide
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.signing import Verified
from tests.golden import make

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


def test_what_is_not_known_is_not_written() -> None:
    decision = undecided("models:/golden/7", Blocker(code="no_policy", reason="no policy"), now=NOW, alias="champion")
    assert decision.model_dump(mode="json") == {
        "allowed": False,
        "decided": False,
        "model": "models:/golden/7",
        "alias": "champion",
        "system_id": None,
        "run_id": "",
        "lines": [],
        "blockers": [{"code": "no_policy", "reason": "no policy", "fix": ""}],
        "notes": [],
        "evidence_time": None,
        "key_ids": [],
        "policy_sha256": None,
        "bundle_sha256": None,
        "model_sha256": None,
        "time": "2026-03-02T12:00:00Z",
        "collector": decision.collector,
        "actor": "",
        "replaced": None,
    }
    assert decision.statement()["subject"] == []
    known = undecided("m", Blocker(code="no_policy", reason="r"), now=NOW, system=make.system())
    assert (known.system_id, known.policy_sha256, known.alias) == ("golden", make.system().sha256, None)
    assert known.collector.startswith("aims-mlflow ")


def test_its_subjects_are_model_bundle_and_policy_by_their_digests() -> None:
    decision = decided()
    assert decision.statement()["subject"] == [
        {"name": "models:/golden/7", "digest": {"sha256": decision.model_sha256}},
        {"name": "bundle", "digest": {"sha256": digest("bundle")}},
        {"name": "policy/golden", "digest": {"sha256": make.system().sha256}},
    ]


def test_the_evidence_of_a_promotion_names_the_model_and_what_it_took_the_place_of() -> None:
    decision = decided()
    evidence = decision.evidence()
    assert evidence is not None
    assert [(s.kind, s.name, s.sha256) for s in evidence.subjects] == [("model", "models:/golden/7", decision.model_sha256)]
    assert (evidence.check, evidence.requirement, evidence.kind, evidence.time) == ("gate", "gate.decision", "standing", NOW)
    became = "models:/golden/7 became champion by a signed decision of the gate, with the model's files as evaluated"
    assert evidence.reason == f"{became}; no version held the alias before"
    assert evidence.collector == decision.collector


def line(control: str, state: State) -> ControlLine:
    return ControlLine(control=control, title=f"title {control}", state=state, reason=f"why {control}", fix=f"do {control}")


@pytest.mark.parametrize("state", list(State), ids=[state.value for state in State])
def test_only_what_lets_through_and_what_the_policy_may_let_through_can_stand_in_a_yes(state: State) -> None:
    content = decided().model_dump() | {"lines": (line("A.7.2", State.PASS), line("A.7.4", state))}
    if state in (State.PASS, State.NOT_APPLICABLE, State.WAIVED, State.INCONCLUSIVE):
        assert GateDecision.model_validate(content).allowed
    else:
        with pytest.raises(ValidationError, match="no line that stops"):
            GateDecision.model_validate(content)
    assert not GateDecision.model_validate(content | {"allowed": False}).allowed


def test_its_words_are_the_verdict_the_first_reasons_and_what_to_do() -> None:
    lines = (line("A.7.2", State.PASS), *(line(f"A.7.{n}", State.FAIL) for n in (3, 4, 5, 6)))
    denied = decided().model_copy(update={"allowed": False, "lines": lines, "run_id": "", "notes": ("a note",)})
    assert (denied.verdict, denied.exit_code) == ("denied", 1)
    assert [one.control for one in denied.stopping] == ["A.7.3", "A.7.4", "A.7.5", "A.7.6"]
    said = (
        "models:/golden/7 may not be promoted as champion: A.7.3 fail: why A.7.3; A.7.4 fail: why A.7.4; A.7.5 fail: why A.7.5; and 1 more"
    )
    assert denied.summary() == said
    assert denied.model_copy(update={"lines": lines[:4]}).summary() == said.removesuffix("; and 1 more")
    assert denied.text().splitlines() == [
        f"DENIED: {said}",
        "run none, at 2026-03-02T12:00:00+00:00",
        "  PASS           A.7.2    title A.7.2: why A.7.2",
        *(
            text
            for n in (3, 4, 5, 6)
            for text in (f"  FAIL           A.7.{n}    title A.7.{n}: why A.7.{n}", f"                 do: do A.7.{n}")
        ),
        "  note: a note",
    ]
    blocked = denied.model_copy(
        update={"alias": None, "blockers": (Blocker(code="stale", reason="old", fix="train"), Blocker(code="clock", reason="ahead"))}
    )
    assert blocked.summary() == "models:/golden/7 may not be promoted: old; ahead"
    assert blocked.text().splitlines()[2:5] == ["  BLOCKED  old", "           do: train", "  BLOCKED  ahead"]
    allowed = decided().model_copy(update={"alias": None})
    assert allowed.summary() == "models:/golden/7 may be promoted: 11 controls have the evidence that the policy asks for"


def test_a_version_has_no_past_until_it_is_known() -> None:
    facts = VersionFacts(name="loans", version="3")
    assert (facts.uri, facts.source, facts.run_id, facts.run_status, facts.run_deleted) == ("models:/loans/3", "", "", None, False)


def test_what_contradicts_itself_is_told_from_what_has_another_shape() -> None:
    statement = json.loads(canonical(decided().statement()))
    otherwise = "the decision's subjects are not those it speaks of, or a value is of another type"
    spoilt = [
        ({"decided": False}, "the decision contradicts itself: a decision that allows has lines, no blocker, and was decided"),
        ({"key_ids": 3}, "the decision does not have the shape of urn:aims-mlflow:decision:v1"),
        ({"model": "models:/other/1"}, otherwise),
        ({"allowed": 1}, otherwise),  # pydantic reads it as true
    ]
    for changes, words in spoilt:
        with pytest.raises(VerificationError) as caught:
            GateDecision.from_statement(statement | {"predicate": statement["predicate"] | changes})
        assert caught.value.what == words
        assert caught.value.fix == "pass the decision as aims wrote it"
