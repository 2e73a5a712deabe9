"""A decision as JUnit XML, SARIF and Markdown: whole, well-formed, and no report of a no that reads as a yes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.decision import Blocker, GateDecision, VersionFacts, undecided
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import State, digest
from aims_mlflow.gate import decide
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.reports import junit, markdown, sarif, write_report
from aims_mlflow.signing import Verified
from tests.golden import make

NOW = make.FINISHED + timedelta(days=1)
FACTS = VersionFacts(name="golden", version="7", source="models:/m-golden", run_id=make.RUN_ID, run_status="FINISHED")
SIGNED = Verified(b"", (make.key().id,), trusted=False, development=False, sha256=digest("bundle"))


def decided(system: Any = None, files: Any = None, results: Any = None) -> GateDecision:
    bundle = make.bundle() if results is None else make.bundle(results=results, evidence=())
    return decide(
        system or make.system(),
        bundle,
        FACTS,
        now=NOW,
        verification=SIGNED,
        model_files=make.FILES if files is None else files,
        alias="champion",
    )


YES = decided()
WAIVED = decided(
    make.system(
        requirements=[],
        waivers=[
            {"control": c, "reason": "a", "approved_by": "b", "on": "2026-01-01", "expires": "2026-12-01"}
            for c in ("A.6.2.4", "A.7.4", "A.6.2.2")
        ],
    )
)
NO = decided(files={})
FAILING = decided(make.system(attestations=[], requirements=[]))
UNDECIDED = undecided("models:/golden/7", Blocker(code="no_policy", reason="no policy", fix="pass one"), now=NOW)
LETTERS = YES.model_copy(update={"notes": ("control \x00\x1b[31m, ]]> & <b>, \ud800",), "alias": "a|b\nc"})
DECISIONS = {"yes": YES, "waived": WAIVED, "other-model": NO, "failing": FAILING, "undecided": UNDECIDED, "letters": LETTERS}
every = pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS.keys())


def test_the_decisions_are_what_they_are_called() -> None:
    assert [d.verdict for d in DECISIONS.values()] == ["allowed", "allowed", "denied", "denied", "undecided", "allowed"]
    assert State.WAIVED in {line.state for line in WAIVED.lines}


ELEMENTS: dict[str, tuple[set[str], set[str], set[str]]] = {
    # element: attributes it must have, those it may have, children it may have (the XSD of Jenkins' xunit plugin)
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests"},
        {"failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"assertions", "time", "classname", "status"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "skipped": (set(), {"message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}


def suite_of(decision: GateDecision) -> ElementTree.Element:
    root = ElementTree.fromstring(junit(decision).encode())  # noqa: S314 - our own bytes, which this tests
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, allowed, children = ELEMENTS[element.tag]
        assert needed <= set(element.keys()) <= needed | allowed, element.tag
        assert {child.tag for child in element} <= children, element.tag
    (suite,) = root
    assert suite[0].tag == "properties"
    return suite


class TestJUnit:
    @every
    def test_it_has_a_case_for_each_control_and_blocker_and_counts_them(self, decision: GateDecision) -> None:
        suite = suite_of(decision)
        cases = suite.findall("testcase")
        assert len(cases) == len(decision.lines) + len(decision.blockers)
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name, "")) == sum(case.find(kind) is not None for case in cases)
        assert int(suite.get("tests", "")) == len(cases)
        for case in cases:
            assert sum(case.find(kind) is not None for kind in ("failure", "error", "skipped", "system-out")) == 1

    @every
    def test_it_fails_exactly_where_the_decision_is_no_yes(self, decision: GateDecision) -> None:
        suite = suite_of(decision)
        assert (int(suite.get("failures", "")) + int(suite.get("errors", "")) == 0) is decision.allowed

    @every
    def test_its_properties_are_the_digests(self, decision: GateDecision) -> None:
        found = {p.get("name"): p.get("value") for p in suite_of(decision).iter("property")}
        assert found["aims.verdict"] == decision.verdict
        assert found.get("aims.bundle_sha256") == decision.bundle_sha256
        assert found.get("aims.model_sha256") == decision.model_sha256
        assert found.get("aims.policy_sha256") == decision.policy_sha256

    def test_what_stops_says_why_and_what_to_do(self) -> None:
        (failure,) = suite_of(NO).findall("testcase[@name='other_model']/failure")
        assert "missing MLmodel, model.skops" in failure.get("message", "")
        assert failure.text is not None
        assert "do: find out who changed them" in failure.text

    def test_what_is_waived_is_skipped_with_its_reason(self) -> None:
        case = next(c for c in suite_of(WAIVED).iter("testcase") if c.get("name", "").startswith("A.7.4 "))
        skipped = case.find("skipped")
        assert skipped is not None
        assert "waived until 2026-12-01 by b" in skipped.get("message", "")

    def test_a_no_without_any_reason_is_still_a_no(self) -> None:
        bare = GateDecision(allowed=False, model="models:/a/1", time=NOW, collector="aims-mlflow 0.1.0")
        assert suite_of(bare).get("failures") == "1"
        assert [one["ruleId"] for one in log_of(bare)["results"]] == ["decision"]


def log_of(decision: GateDecision) -> dict[str, Any]:
    log = json.loads(sarif(decision, file="policies/golden file.yaml"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["message"]["text"]
        assert result["kind"] in ("fail", "review")
        assert (result["level"] == "none") is (result["kind"] != "fail")  # SARIF 2.1.0, 3.27.10: only a failure has a level
        (place,) = result["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"] == "policies/golden%20file.yaml"
        assert place["physicalLocation"]["region"]["startLine"] == 1
        assert list(result["partialFingerprints"]) == ["aimsGate/v1"]
    assert run["invocations"][0]["executionSuccessful"] is decision.decided
    assert run["invocations"][0]["exitCode"] == decision.exit_code
    found: dict[str, Any] = run
    return found


class TestSarif:
    @every
    def test_it_has_a_failure_exactly_where_the_decision_is_no_yes(self, decision: GateDecision) -> None:
        run = log_of(decision)
        assert any(result["kind"] == "fail" for result in run["results"]) is not decision.allowed
        assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} >= {line.control for line in decision.lines}

    def test_what_passes_is_no_alert(self) -> None:
        assert log_of(YES)["results"] == []

    def test_what_is_waived_is_suppressed_with_the_reason(self) -> None:
        run = log_of(WAIVED)
        assert {r["ruleId"] for r in run["results"]} == {line.control for line in WAIVED.lines if line.state is State.WAIVED}
        assert all(r["suppressions"][0]["status"] == "accepted" for r in run["results"])

    def test_an_alert_is_the_same_for_the_next_version(self) -> None:
        later = NO.model_copy(update={"model": "models:/golden/8"})
        first, second = ({r["ruleId"]: r["partialFingerprints"] for r in log_of(one)["results"]} for one in (NO, later))
        assert first == second
        assert len({json.dumps(one) for one in first.values()}) == len(first)

    def test_an_undecided_gate_says_so_as_the_tool(self) -> None:
        told = log_of(UNDECIDED)["invocations"][0]["toolExecutionNotifications"]
        assert {"level": "error", "message": {"text": "no policy"}} in told


class TestMarkdown:
    @every
    def test_it_names_the_verdict_and_every_control_and_blocker(self, decision: GateDecision) -> None:
        text = markdown(decision)
        assert text.startswith(f"## {decision.verdict.upper()}: ")
        rows = [row for row in text.splitlines() if row.startswith("| ")]
        for line in decision.lines:
            assert any(row.startswith(f"| {line.control} ") for row in rows)
        for blocker in decision.blockers:
            assert any(row.startswith(f"| {blocker.code.replace('_', chr(92) + '_')} |") for row in rows)
        assert str(decision.policy_sha256 or "") in text

    def test_every_row_has_as_many_cells_as_its_head_and_nothing_of_ours_is_markup(self) -> None:
        hostile = "a | b\n| c | [x](javascript:1) <img src=x onerror=1> `d` </details>"
        line = ControlLine(control="A.7.4", title="Quality", state=State.FAIL, reason=hostile, fix=hostile)
        blocker = Blocker(code="stale", reason=hostile, fix=hostile)
        content = {"allowed": False, "model": f"models:/{hostile}/1", "alias": hostile, "lines": (line,), "blockers": (blocker,)}
        decision = GateDecision.model_validate(content | {"notes": (hostile,), "time": NOW, "collector": "a"})
        text = markdown(decision)
        assert "<img" not in text
        assert text.count("</details>") == 1
        assert "javascript:" not in text
        width = 0
        for row in text.splitlines():
            if row.startswith("|"):
                cells = row.replace("\\|", "").count("|") - 1
                width = width or cells
                assert cells == width, row
            else:
                width = 0


@settings(max_examples=40)
@given(reason=st.text(max_size=60), fix=st.text(max_size=30), state=st.sampled_from(State))
def test_any_text_makes_reports_that_can_be_read(reason: str, fix: str, state: State) -> None:
    line = ControlLine(control="A.7.4", title="Quality of data", state=state, reason=reason, fix=fix)
    decision = GateDecision(allowed=False, model="models:/a/1", lines=(line,), time=NOW, collector="aims-mlflow 0.1.0")
    suite_of(decision)
    json.loads(sarif(decision).encode())
    markdown(decision)


class TestWriting:
    def test_a_report_takes_the_place_of_an_older_one(self, tmp_path: Path) -> None:
        for text in ("one", "two"):
            write_report(tmp_path / "report.xml", text)
        assert (tmp_path / "report.xml").read_text() == "two"
        assert [path.name for path in tmp_path.iterdir()] == ["report.xml"]

    def test_a_steps_summary_is_added_to(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        summary = tmp_path / "summary"
        summary.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        write_report(summary, "after\n")
        assert summary.read_text() == "before\nafter\n"

    def test_a_path_that_cannot_be_written_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="the report cannot be written"):
            write_report(tmp_path / "no" / "folder", "x")

    @every
    def test_every_report_can_be_written(self, decision: GateDecision, tmp_path: Path) -> None:
        for name, text in (("a.xml", junit(decision)), ("a.sarif", sarif(decision)), ("a.md", markdown(decision))):
            write_report(tmp_path / name, text)
            assert (tmp_path / name).read_bytes()
