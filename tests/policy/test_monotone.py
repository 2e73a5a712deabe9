"""What an organisation file can never do: turn a no of the gate into a yes. Drawn systems, organisations, evidence and times.

One no it may turn: that nobody has said what is good enough. Where a system declares no critical requirement of a check at all
(performance, fairness, robustness, quality), the organisation's own requirement is what is asked then, and the evidence must meet it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from aims_mlflow.decision import GateDecision, VersionFacts
from aims_mlflow.errors import SystemFileError
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Severity, State, digest
from aims_mlflow.gate import decide
from aims_mlflow.judging import control_lines, gated_controls, judge
from aims_mlflow.judging.questions import STANDING, Standing
from aims_mlflow.judging.standing import DECLARATION, GATED
from aims_mlflow.policy.effective import effective
from aims_mlflow.policy.floor import Floor, floor_of
from aims_mlflow.policy.organisation_file import OrganisationFile, parse_organisation
from aims_mlflow.policy.strictness import as_asked, asked_anyway, covers, looser
from aims_mlflow.signing import Verified
from aims_mlflow.system import TIERS, Requirement, System
from aims_mlflow.system_file import SystemFile
from aims_mlflow.system_file.strict_yaml import Node, Place
from tests.golden import make

FACTS = VersionFacts(name="golden", version="7", source="models:/m-golden", run_id=make.RUN_ID, run_status="FINISHED")
KEY = make.key().id
SIGNED = Verified(b"", (KEY,), trusted=False, development=False, sha256=digest("bundle"))
RESULTS: tuple[CheckResult, ...] = make.results()

ASKED: list[tuple[dict[str, Any], str, list[float]]] = [
    ({"check": "performance", "metric": "roc_auc_score"}, "min", [0.5, 0.6, 0.7, 0.79]),
    ({"check": "performance", "metric": "roc_auc_score", "dataset": "test"}, "min", [0.6, 0.7, 0.9]),
    ({"check": "performance", "metric": "roc_auc_score"}, "max", [0.81, 0.99, 0.99]),
    ({"check": "fairness", "metric": "demographic_parity_ratio"}, "min", [0.5, 0.8, 0.8, 0.99]),
    ({"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex"}, "min", [0.7, 0.8]),
    ({"check": "robustness", "metric": "accuracy_drop", "perturbation": "numeric_noise", "strength": 0.1}, "max", [0.01, 0.05, 0.05]),
    ({"check": "robustness", "metric": "accuracy_drop"}, "max", [0.02, 0.05]),
    ({"check": "quality", "metric": "completeness", "dataset": "train"}, "min", [0.9, 1]),
    ({"check": "quality", "metric": "completeness"}, "min", [0.95]),
    ({"check": "overlap", "metric": "shared_rows"}, "max", [0, 3]),
    ({"check": "overlap", "metric": "shared_rows"}, "equals", [0, 3]),
    ({"check": "preparation", "metric": "steps_recorded"}, "min", [1, 0]),
    ({"check": "provenance", "metric": "fingerprinted"}, "equals", [1, 0]),
    ({"check": "drift", "metric": "drifted_columns_share"}, "max", [0, 0.2]),
]
"""What requirements are drawn from: some meet the golden results, some do not, some ask what every run is asked anyway."""


@st.composite
def requirement(draw: st.DrawFn) -> dict[str, Any]:
    asked, kind, bounds = draw(st.sampled_from(ASKED))
    more: dict[str, Any] = {"minimum_n": draw(st.sampled_from([None, None, None, None, 50, 500, 500, 10_000]))}
    return asked | {kind: draw(st.sampled_from(bounds)), "severity": draw(st.sampled_from(["critical", "critical", "major"])), **more}


requirements = st.lists(requirement(), max_size=3)
keys = st.sampled_from([[], [], [], [KEY], ["a" * 64, KEY]])
controls = st.lists(st.sampled_from([*GATED, "A.5.4"]), max_size=2, unique=True)


def consistent(drawn: list[tuple[str, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Leave out, part by part, what an organisation file could not say: it would be refused, which is tested elsewhere."""
    kept: list[tuple[str, Requirement, dict[str, Any]]] = []
    for part, content in drawn:
        one = Requirement.model_validate(content)
        standing = asked_anyway(one)
        against = [
            other for _, other, _ in kept if (covers(other, one) and looser(one, other)) or (covers(one, other) and looser(other, one))
        ]
        if (standing is None or as_asked(one, standing)) and not against:
            kept.append((part, one, content))
    return {part: [content for other, _, content in kept if other == part] for part, _ in drawn}


@st.composite
def organisation(draw: st.DrawFn, *, narrowing: bool = False) -> OrganisationFile:
    """An organisation file that reads: general lines and three tiers."""
    asked = consistent([(part, one) for part in ("", *TIERS) for one in draw(requirements)])

    def part(name: str, **more: Any) -> dict[str, Any]:
        gate = {
            "controls": draw(controls),
            "inconclusive": draw(st.sampled_from([None, "allow", "block"])),
            "max_age_days": draw(st.sampled_from([None, None, 5, 60, 1_000])),
            "trusted_keys": draw(keys),
        }
        return {"gate": gate, "requirements": asked.get(name, []), **more}

    tiers = {tier: part(tier, must_declare=draw(st.sampled_from([None, [], ["system.owner"]]))) for tier in TIERS}
    if narrowing:
        tiers["low"]["narrow_controls"] = draw(st.lists(st.sampled_from([*GATED, "A.5.4"]), min_size=1, max_size=3, unique=True))
    content = {"version": 1, "default_tier": draw(st.sampled_from(TIERS)), "tiers": tiers, **part("")}
    return parse_organisation(json.dumps(content))


@st.composite
def own(draw: st.DrawFn) -> SystemFile:
    """A system's own file: the golden one with all or some of its requirements, others, and a gate of its own."""
    gate = {
        "protects": draw(st.sampled_from([["champion"], ["live"]])),
        "controls": draw(st.sampled_from([None, None, None, [], ["A.7.4"], ["A.6.2.4"]])),
        "inconclusive": draw(st.sampled_from(["block", "allow"])),
        "max_age_days": draw(st.sampled_from([1, 30, 400])),
        "trusted_keys": draw(keys),
    }
    whole = make.SYSTEM["requirements"]
    kept = draw(st.one_of(st.just(whole), st.sets(st.integers(0, len(whole) - 1)).map(lambda at: [whole[i] for i in sorted(at)])))
    content = json.loads(json.dumps(make.SYSTEM)) | {"gate": gate, "requirements": [*kept, *draw(requirements)]}
    content["system"] |= {"owner": {"name": "a"}, "affected_parties": [{"name": "b"}]}
    content["risk"] = {"criteria": {"adopted_by": "a", "adopted_on": "2026-01-15"}}
    speaks = [{"control": "A.5.4", "statement": "a", "by": "b", "on": "2026-01-12"}] if draw(st.booleans()) else []
    content["attestations"] = [*content["attestations"], *speaks]
    return SystemFile(Node(Place(1, 1), {}), "golden.yaml", System.model_validate(content))


def mended(file: SystemFile, above: OrganisationFile) -> SystemFile:
    """The system's own file without the requirements that its organisation would refuse at the highest tier."""
    floor = floor_of(above, "high").requirements
    kept = [own for own in file.system.requirements if not any(covers(s.value, own) and looser(own, s.value) for s in floor)]
    return SystemFile(file.root, file.where, file.system.model_copy(update={"requirements": tuple(kept)}))


@st.composite
def results(draw: st.DrawFn) -> tuple[CheckResult, ...]:
    """The golden results, whole or with some left out or emptied."""
    found = list(RESULTS)
    for at in draw(st.lists(st.integers(0, len(found) - 1), max_size=2, unique=True)):
        found[at] = found[at].model_copy(update={"measures": found[at].measures[draw(st.integers(1, 3)) :]})
    gone = draw(st.sets(st.integers(0, len(found) - 1), max_size=1))
    return tuple(one for at, one in enumerate(found) if at not in gone)


evidence = st.one_of(st.just(RESULTS), st.just(RESULTS), st.just(RESULTS), results())
times = st.sampled_from([make.FINISHED + timedelta(days=days) for days in (1, 1, 1, 20, 100, 350)])


def decided(system: System, found: tuple[CheckResult, ...], now: datetime) -> GateDecision:
    bundle = make.bundle(results=found, evidence=judge(system, found, run_id=make.RUN_ID, started=make.STARTED, now=make.FINISHED))
    return decide(system, bundle, FACTS, now=now, verification=SIGNED, model_files=make.FILES)


def would_pass(system: System, found: tuple[CheckResult, ...], now: datetime, said_elsewhere: set[str]) -> bool:
    """Whether the gate's answer is a yes, but for checks of which the system asks nothing and somebody else asks something."""
    decision = decided(system, found, now)
    if decision.allowed or decision.blockers:
        return decision.allowed
    pieces = judge(system, found, run_id=make.RUN_ID, started=make.STARTED, now=now)
    left = [e for e in pieces if not (e.requirement.endswith(f".{DECLARATION}") and e.check in said_elsewhere)]
    lets = LETS_THROUGH | ({State.INCONCLUSIVE} if system.gate.inconclusive == "allow" else set())
    lines = control_lines(system, left, found, today=now.date())
    return all(line.state in lets for line in lines if line.control in gated_controls(system))


def critical(asked: tuple[Requirement, ...]) -> set[str]:
    return {one.check for one in asked if one.severity is Severity.CRITICAL}


def merged(file: SystemFile, above: OrganisationFile) -> System | None:
    """The effective declaration; None where it cannot be used, which blocks."""
    try:
        return effective(file, above)[0]
    except SystemFileError:
        return None


@settings(max_examples=80)
@given(file=own(), above=organisation(), found=evidence, now=times)
def test_an_organisation_file_never_turns_a_no_into_a_yes(
    file: SystemFile, above: OrganisationFile, found: tuple[CheckResult, ...], now: datetime
) -> None:
    for one in (file, mended(file, above)):
        system = merged(one, above)
        yes = system is not None and decided(system, found, now).allowed
        event("yes" if yes else "no" if system else "refused")
        if system is not None and yes:
            assert would_pass(one.system, found, now, critical(system.requirements))


@settings(max_examples=60)
@given(file=own(), above=organisation(narrowing=True), found=evidence, now=times)
def test_a_higher_tier_never_turns_a_no_into_a_yes(
    file: SystemFile, above: OrganisationFile, found: tuple[CheckResult, ...], now: datetime
) -> None:
    declared = mended(file, above).system
    lower: System | None = None
    for at, tier in enumerate(TIERS):
        identity = declared.system.model_copy(update={"tier": tier})
        system = merged(SystemFile(file.root, file.where, declared.model_copy(update={"system": identity})), above)
        yes = system is not None and decided(system, found, now).allowed
        event(f"{tier}: {'yes' if yes else 'no' if system else 'refused'}")
        if system is not None and yes:
            assert at == 0 or lower is not None
            assert lower is None or would_pass(lower, found, now, critical(system.requirements))
        lower = system


def meets(system: System, floor: Floor) -> None:
    """Assert that an effective declaration is at least as strict as the organisation's for its tier."""
    gate = system.gate
    assert {said.value.casefold() for said in floor.protects} <= {name.casefold() for name in gate.protects}
    assert {said.value for said in floor.controls} <= set(gated_controls(system)) or gate.controls == ()
    assert floor.inconclusive is None or gate.inconclusive == "block"
    assert all(gate.max_age_days <= said.value for said in floor.max_age_days)
    for said in floor.trusted_keys:
        assert gate.trusted_keys
        assert {key.strip().lower() for key in gate.trusted_keys} <= said.value
    for said in floor.inherited:
        same = [one for one in system.requirements if covers(said.value, one) and covers(one, said.value)]
        assert any(not looser(one, said.value) for one in same)
    for said in floor.requirements:
        assert not any(looser(one, said.value) for one in system.requirements if covers(said.value, one))


@settings(max_examples=60)
@given(file=own(), above=organisation(narrowing=True), data=st.data())
def test_taking_a_line_of_its_own_away_never_makes_a_system_less_strict_than_its_organisation(
    file: SystemFile, above: OrganisationFile, data: st.DataObject
) -> None:
    all_ = mended(file, above).system.requirements
    kept = [one for one in all_ if data.draw(st.booleans())]
    keys_ = data.draw(st.sets(st.sampled_from(["protects", "controls", "inconclusive", "max_age_days", "trusted_keys"])))
    gate = type(file.system.gate).model_validate({k: v for k, v in file.system.gate.model_dump().items() if k not in keys_})
    fewer = mended(file, above).system.model_copy(update={"requirements": tuple(kept), "gate": gate})
    try:
        system, _, tier = effective(SystemFile(file.root, file.where, fewer), above)
    except SystemFileError:
        return
    assert tier is not None
    meets(system, floor_of(above, tier))


@pytest.mark.parametrize("row", STANDING, ids=lambda row: f"{row.check}.{row.metric}")
def test_asking_what_every_run_is_asked_anyway_never_asks_less(row: Standing) -> None:
    """An organisation's line never takes a standing question's place: that one knows each role, and which controls it serves."""
    bound = {kind: getattr(row, kind) for kind in ("min", "max", "equals") if getattr(row, kind) is not None}
    line = json.dumps({"check": row.check, "metric": row.metric, **bound})
    above = parse_organisation(f"version: 1\ndefault_tier: low\nrequirements: [{line}]\n")
    file = SystemFile(Node(Place(1, 1), {}), "golden.yaml", System.model_validate(make.SYSTEM))
    system = merged(file, above)
    assert system is not None
    now = make.FINISHED + timedelta(days=1)
    assert decided(system, RESULTS, now).allowed
    for at, result in enumerate(RESULTS):
        if result.check == row.check and result.measure(row.metric) is not None:
            without = (*RESULTS[:at], *RESULTS[at + 1 :])
            before, after = decided(file.system, without, now), decided(system, without, now)
            assert not before.allowed
            assert [line.state for line in after.lines] == [line.state for line in before.lines]


def test_what_is_drawn_is_not_all_of_one_kind() -> None:
    """The golden system passes, and passes under an organisation that asks what it has: the properties above say something."""
    file = SystemFile(Node(Place(1, 1), {}), "golden.yaml", System.model_validate(make.SYSTEM))
    above = parse_organisation("version: 1\ndefault_tier: low\nrequirements: [{check: performance, metric: roc_auc_score, min: 0.6}]\n")
    stricter = parse_organisation("version: 1\ndefault_tier: low\nrequirements: [{check: performance, metric: roc_auc_score, max: 0.7}]\n")
    now = make.FINISHED + timedelta(days=1)
    system, too_strict = merged(file, above), merged(file, stricter)
    assert system is not None
    assert too_strict is not None
    assert decided(file.system, RESULTS, now).allowed
    assert decided(system, RESULTS, now).allowed
    assert not decided(too_strict, RESULTS, now).allowed
