"""The statement of applicability: all 38 controls, none excluded but by a named person's reason that holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State
from aims_mlflow.judging import gated_controls
from aims_mlflow.records.applicability import NOBODY, applicability
from aims_mlflow.records.plan_words import Applicability
from aims_mlflow.records.reading import Declared
from aims_mlflow.records.risk import risk_register

NOW = datetime.now(UTC)
TODAY = NOW.date()


def statement(system: Any, seen: Any = None, *, known: bool = True) -> dict[str, Applicability]:
    said = Declared(system, known, "aims.yaml")
    version = seen(system) if seen is not None else None
    risks = risk_register(said, version, [], NOW).entries
    made = applicability(said, version, gated_controls(system), risks, NOW)
    assert [a.control for a in made] == list(catalogue.control_ids()), "all 38, in the standard's order"
    return {a.control: a for a in made}


def excusing(control: str = "A.10.4", **more: Any) -> dict[str, Any]:
    given = {"control": control, "statement": "we have no customers", "by": "Board", "on": "2026-01-01", "not_applicable": True, **more}
    return {"attestations": [given]}


@pytest.mark.parametrize("looked", [False, True], ids=["no version", "a version"])
def test_without_a_persons_reason_every_control_is_included(make: Any, seen: Any, looked: bool) -> None:
    made = statement(make.system(attestations=[]), seen if looked else None)
    assert all(a.included for a in made.values())
    assert {a.justification for a in made.values()} == {NOBODY}
    assert not any(a.justified_by for a in made.values())
    assert "the gate looks at it before a promotion" in made["A.7.4"].reasons


@pytest.mark.parametrize("looked", [False, True], ids=["no version", "a version"])
def test_a_named_persons_reason_excludes(make: Any, seen: Any, looked: bool) -> None:
    system = make.system(**excusing(expires=str(TODAY + timedelta(days=9)), reference="minutes 4"))
    found = statement(system, seen if looked else None)["A.10.4"]
    assert (found.included, found.state) == (False, State.NOT_APPLICABLE)
    assert (found.justification, found.justified_by) == ("we have no customers [minutes 4]", "Board")
    assert found.until == TODAY + timedelta(days=9)
    assert Declared(system, True, "").citation[0] in found.evidence_ids


@pytest.mark.parametrize(
    "more",
    [{"expires": str(TODAY - timedelta(days=1)), "on": "2025-01-01"}, {"on": str(TODAY + timedelta(days=5))}],
    ids=["ended", "dated in the future"],
)
def test_what_does_not_hold_today_excludes_nothing_and_is_told(make: Any, seen: Any, more: dict[str, str]) -> None:
    found = statement(make.system(**excusing(**more)), seen)["A.10.4"]
    assert found.included
    assert any("does not hold on the day" in r for r in found.reasons)


def test_what_the_evidence_does_not_bear_out_excludes_nothing(make: Any, seen: Any) -> None:
    failing = statement(make.system(**excusing("A.6.2.4"), waivers=[]), lambda s: seen(s, make.results(make.robustness(0.2))))["A.6.2.4"]
    assert failing.included
    assert failing.state is State.FAIL
    assert any("the evidence does not bear it out" in r for r in failing.reasons)


def test_an_excluded_objective_excludes_no_control(make: Any, seen: Any) -> None:
    given = {"control": "A.6.1.2", "statement": "C.2.4 does not apply", "by": "Board", "on": "2026-01-01", "not_applicable": True}
    assert statement(make.system(attestations=[given]), seen)["A.6.1.2"].included


def test_inclusion_is_justified_by_whoever_attests_and_by_risks_and_treatments(make: Any, seen: Any) -> None:
    treatment = {"objective": "C.2.5", "option": "modify", "action": "weigh groups", "owner": "A", "control": "A.7.6"}
    made = statement(make.system(risk={"treatments": [treatment]}), seen)
    assert (made["A.6.2.2"].justified_by, made["A.6.2.2"].justification) == ("Head of credit", "approved")
    assert any("weigh groups" in r for r in made["A.7.6"].reasons)
    assert made["A.7.6"].risk_ids
    assert made["A.6.2.4"].risk_ids, "its evidence bears on risks"


def test_without_a_file_nothing_is_excluded(make: Any) -> None:
    assert all(a.included for a in statement(make.system(**excusing()), known=False).values())


def test_every_entry_that_rests_on_evidence_cites_it(make: Any, seen: Any) -> None:
    version = seen(make.system())
    there = {e.id for e in version.judged} | set(Declared(make.system(), True, "").citation)
    made = statement(make.system(), lambda _: version)
    assert all(set(a.evidence_ids) <= there for a in made.values())
    assert all(a.evidence_ids for a in made.values() if a.state is State.PASS)
