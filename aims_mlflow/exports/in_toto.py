"""in-toto attestation of test results: what passed and what did not, about the model's files and the data, signed.

Predicate: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md, in a DSSE envelope.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aims_mlflow.bundle import BUNDLE_PATH, STATEMENT_TYPE
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import Evidence, Severity, State, canonical
from aims_mlflow.exports.inert import stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.records.words import CoverageLine
from aims_mlflow.signing import sign

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
DETAILS = "urn:aims-mlflow:test-result-details:v1"
"""An extension of the predicate: the state of each test in our own words, since the predicate has only three."""

Json = dict[str, Any]


def build(material: Material) -> bytes:
    """Return the envelope, signed with the key of this machine (``AIMS_SIGNING_KEY``)."""
    return sign(canonical(statement(material)))


def statement(material: Material) -> Json:
    """Return the statement: a test is a gated control or a piece of evidence.

    Whatever stops a version failed, missing evidence too; what does not pass and cannot stop it is a warning, and so is what was
    waived. ``PASSED`` is said only where a bundle was verified and every gated control passes.
    """
    gated = {line.control for line in material.lines if line.gated}
    tests = [_of_control(line) for line in material.lines] + [_of_evidence(e, gated) for e in material.evidence.values()]
    for number, test in enumerate(tests):
        before = sum(t["name"] == test["name"] for t in tests[:number])
        test["name"] += f" ({before + 1})" if before else ""
    by = {verdict: [t["name"] for t in tests if t["verdict"] == verdict] for verdict in ("passed", "warned", "failed")}
    result = "FAILED" if by["failed"] or material.bundle is None else "WARNED" if by["warned"] else "PASSED"
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(material),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": result,
            "configuration": _configuration(material),
            "passedTests": by["passed"],
            "warnedTests": by["warned"],
            "failedTests": by["failed"],
            DETAILS: {
                "system": material.record.system.id,
                "version": material.record.version or "none",
                "state": material.record.state.value,
                "decision": material.record.decision,
                "collector": material.record.collector,
                "made": stamp(material.record.made),
                "tests": tests,
            },
        },
    }


def _of_control(line: CoverageLine) -> Json:
    """A gated control is a test; one that is not gated can only warn."""
    return {
        "name": f"control {line.control} {line.title}",
        "verdict": _verdict(line.state, can_fail=line.gated),
        "state": line.state.value,
        "reason": line.reason,
        "controls": [line.control],
    }


def _of_evidence(evidence: Evidence, gated: Collection[str]) -> Json:
    """Evidence that is missing fails where a gated control asks for it; what is there and does not pass fails in any case."""
    there = evidence.state is not State.MISSING or any(control in gated for control in evidence.controls)
    return {
        "name": f"{evidence.kind} {evidence.requirement}",
        "verdict": _verdict(evidence.state, can_fail=evidence.severity is Severity.CRITICAL and there),
        "state": evidence.state.value,
        "reason": evidence.reason,
        "controls": list(evidence.controls),
        "evidence": evidence.id,
    }


def _verdict(state: State, *, can_fail: bool) -> str:
    if state is State.PASS:
        return "passed"
    if state in (State.WAIVED, State.NOT_APPLICABLE) or not can_fail:
        return "warned"
    return "failed"


def _subjects(material: Material) -> list[Json]:
    """Return the model's files and the data; where there is no evidence, the system file stands for what was asked in vain."""
    if material.bundle is not None:
        subjects: list[Json] = material.bundle.statement()["subject"]
        return subjects
    sha256 = material.record.system.policy_sha256
    if sha256:
        return [{"name": f"system/{material.record.system.id}", "digest": {"sha256": sha256}}]
    raise ConfigurationError(
        "there is neither verified evidence nor a system file, so nothing has a digest that a statement could be about",
        where=material.record.system.id,
        fix="pass the system file (--system FILE), or run the training under @aims.track",
    )


def _configuration(material: Material) -> list[Json]:
    """Return what the tests went by and rest on: the system file and the bundle."""
    found: list[Json] = []
    if material.record.system.policy_sha256:
        found.append({"name": "system file", "digest": {"sha256": material.record.system.policy_sha256}})
    version = material.version
    if version is not None and version.bundle_sha256 and version.verified:
        found.append({"name": BUNDLE_PATH, "uri": f"runs:/{version.run_id}/{BUNDLE_PATH}", "digest": {"sha256": version.bundle_sha256}})
    return found
