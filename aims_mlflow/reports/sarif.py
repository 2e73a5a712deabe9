"""A decision as SARIF 2.1.0 (OASIS), for code scanning: one rule a control, one result for each thing that stops the version.

What passes is a rule without a result: code scanning shows every result as an alert, whatever its kind.
"""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from aims_mlflow.decision import GateDecision
from aims_mlflow.evidence import LETS_THROUGH, State, digest
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.reports.facts import facts_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
"""The address by which tools know the schema; nothing is read from it."""


def sarif(decision: GateDecision, *, file: str = "aims.yaml") -> str:
    """Return the decision as one SARIF log.

    Args:
        decision: what the gate said.
        file: the system file's path in the repository, at which the results are shown: code scanning wants a place.
    """
    results = [_result(decision, file, blocker.code, blocker.reason, blocker.fix) for blocker in decision.blockers]
    results += [_of_line(decision, file, line) for line in decision.lines if line.state not in (State.PASS, State.NOT_APPLICABLE)]
    if not decision.allowed and not any(one["kind"] == "fail" for one in results):
        results.append(_result(decision, file, "decision", decision.summary(), ""))
    name, _, version = decision.collector.partition(" ")
    when = decision.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = {
        "tool": {
            "driver": {
                "name": name,
                **({"version": version} if version else {}),
                "rules": _rules(decision, [str(one["ruleId"]) for one in results]),
            }
        },
        "automationDetails": {"id": f"aims-gate/{decision.system_id or 'unknown'}/"},
        "invocations": [
            {"executionSuccessful": decision.decided, "exitCode": decision.exit_code, "endTimeUtc": when, **_notifications(decision)}
        ],
        "results": results,
        "columnKind": "utf16CodeUnits",
        "properties": facts_of(decision),
    }
    text = json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair, which UTF-8 has no bytes for


def _rules(decision: GateDecision, cited: list[str]) -> list[dict[str, Any]]:
    """Return a rule for each control that was looked at, and for each blocker that was found."""
    controls = {line.control: (line.title, line.state.value) for line in decision.lines}
    found: list[dict[str, Any]] = [
        {"id": control, "shortDescription": {"text": title}, "properties": {"state": state}} for control, (title, state) in controls.items()
    ]
    others = [code for code in dict.fromkeys(cited) if code not in controls]
    return found + [{"id": code, "shortDescription": {"text": f"The gate: {code.replace('_', ' ')}"}} for code in others]


def _of_line(decision: GateDecision, file: str, line: ControlLine) -> dict[str, Any]:
    result = _result(decision, file, line.control, f"{line.state.value}: {line.reason}", line.fix)
    if line.state is State.WAIVED:
        waived = {"kind": "external", "status": "accepted", "justification": line.reason}
        return result | {"kind": "review", "level": "none", "suppressions": [waived]}
    if line.state not in LETS_THROUGH and decision.allowed:  # undecided evidence that the policy lets through
        return result | {"kind": "review", "level": "none"}
    return result


def _result(decision: GateDecision, file: str, rule: str, reason: str, fix: str) -> dict[str, Any]:
    place = {"physicalLocation": {"artifactLocation": {"uri": quote(PurePath(file).as_posix())}, "region": {"startLine": 1}}}
    model = {"logicalLocations": [{"fullyQualifiedName": decision.model, "kind": "resource"}]}
    name = decision.model.rpartition("/")[0] or decision.model
    return {
        "ruleId": rule,
        "kind": "fail",
        "level": "error",
        "message": {"text": f"{decision.model}: {reason}" + (f". Fix: {fix}" if fix else "")},
        "locations": [place | model],
        "partialFingerprints": {"aimsGate/v1": digest([name, decision.alias or "", rule])},
    }


def _notifications(decision: GateDecision) -> dict[str, Any]:
    """Return the decision's notes as the tool's own; an undecided gate says why it could not look."""
    told = [{"level": "note", "message": {"text": note}} for note in decision.notes]
    if not decision.decided:
        told += [{"level": "error", "message": {"text": blocker.reason}} for blocker in decision.blockers]
    return {"toolExecutionNotifications": told} if told else {}
