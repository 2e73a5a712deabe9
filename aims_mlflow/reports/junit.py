"""A decision as JUnit XML: one test case a control and one for each blocker, in the form that Jenkins, GitLab and others read.

The form is that of the XSD of Jenkins' xunit plugin (junit-10.xsd): ``testsuites``, one ``testsuite`` with its ``properties`` first,
then ``testcase``, each with at most one of ``skipped``, ``error`` and ``failure``.
"""

from __future__ import annotations

from datetime import UTC
from xml.etree import ElementTree  # writes only: nothing is parsed

from aims_mlflow.decision import Blocker, GateDecision
from aims_mlflow.evidence import State
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.reports.facts import facts_of, printable

CLASS = "aims.gate"
"""The class name of the test cases: blockers stand directly under it, controls under ``aims.gate.controls``."""


def junit(decision: GateDecision) -> str:
    """Return the decision as one JUnit XML document.

    What lets a control through without showing it (waived, not applicable, undecided evidence that the policy allows) is
    ``skipped`` with its reason, what stops the version ``failure``, and ``error`` where nobody could tell.
    """
    cases = [_of_blocker(blocker, decision.decided) for blocker in decision.blockers]
    cases += [_of_line(line, decision.allowed) for line in decision.lines]
    if not decision.allowed and not any(_bad(case) for case in cases):  # no report of a no may read as a yes
        cases.append(_case("decision", CLASS, "failure", decision.verdict, decision.summary(), ""))
    to = f" as {decision.alias}" if decision.alias else ""
    counted = {"tests": len(cases), **{f"{kind}s": sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error")}}
    numbers = {name: str(number) for name, number in counted.items()}
    suites = ElementTree.Element("testsuites", {"name": "aims gate", **numbers, "time": "0"})
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        {
            "name": printable(f"aims gate {decision.model}{to}"),
            **numbers,
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "time": "0",
            "timestamp": decision.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in facts_of(decision).items():
        ElementTree.SubElement(properties, "property", {"name": f"aims.{name}", "value": printable(value)})
    suite.extend(cases)
    if decision.notes:
        ElementTree.SubElement(suite, "system-out").text = printable("\n".join(f"note: {note}" for note in decision.notes))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _of_blocker(blocker: Blocker, decided: bool) -> ElementTree.Element:
    return _case(blocker.code, CLASS, "failure" if decided else "error", blocker.code, blocker.reason, blocker.fix)


def _of_line(line: ControlLine, allowed: bool) -> ElementTree.Element:
    name = f"{line.control} {line.title}"
    if line.state is State.PASS:
        return _case(name, f"{CLASS}.controls", "", line.state.value, line.reason, "")
    if line.state in (State.WAIVED, State.NOT_APPLICABLE) or allowed:
        return _case(name, f"{CLASS}.controls", "skipped", line.state.value, line.reason, "")
    kind = "error" if line.state is State.ERROR else "failure"
    return _case(name, f"{CLASS}.controls", kind, line.state.value, line.reason, line.fix)


def _case(name: str, within: str, kind: str, word: str, reason: str, fix: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"name": printable(name), "classname": within, "time": "0"})
    text = printable(f"{word}: {reason}" + (f"\ndo: {fix}" if fix else ""))
    if kind == "skipped":
        ElementTree.SubElement(case, kind, {"message": printable(f"{word}: {reason}")})
    elif kind:
        ElementTree.SubElement(case, kind, {"type": word, "message": printable(reason)}).text = text
    else:
        ElementTree.SubElement(case, "system-out").text = text
    return case


def _bad(case: ElementTree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None
