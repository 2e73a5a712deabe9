from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aims_mlflow import registry
from aims_mlflow.disparity import disparity_value
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Coverage, Evidence, Measure, Problem, Severity, State
from aims_mlflow.intervals import wilson
from aims_mlflow.judging import control_lines, gated_controls, judge
from aims_mlflow.judging.standing import GATED, standing_requirements
from aims_mlflow.system import Attestation, System

STARTED = datetime(2026, 3, 1, 10, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()

REQUIREMENTS = (
    {"check": "performance", "metric": "roc_auc_score", "min": 0.7},
    {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8},
    {"check": "robustness", "perturbation": "missing", "strength": 0.1, "metric": "accuracy_drop", "max": 0.1},
    {"check": "quality", "dataset": "train", "suite": "a.json"},
)
WORDS = tuple(
    {"control": control, "statement": "It is so", "by": "the owner", "on": "2026-02-01"} for control in ("A.6.1.2", "A.6.1.3", "A.6.2.2")
)


def system(**more) -> System:
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": "s"},
            "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
            "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["sex", "age"]},
            "requirements": REQUIREMENTS,
            "attestations": WORDS,
            **more,
        }
    )


def rates(**groups: tuple[int, int]) -> tuple[Measure, ...]:
    made = []
    for group, (count, n) in groups.items():
        low, high = wilson(count, n)
        made += [
            Measure(name="selection_rate", value=count / n, count=count, n=n, ci_low=low, ci_high=high, ci_method="wilson", group=group),
            Measure.counted("group_size", n, n=n, group=group),
        ]
    shares = {m.group: m for m in made if m.name == "selection_rate" and m.group}
    value = disparity_value("demographic_parity_ratio", {"selection_rate": shares})
    return (*made, Measure(name="demographic_parity_ratio", value=value, n=min(n for _, n in groups.values())))


def fairness(column: str = "sex", **groups: tuple[int, int]) -> CheckResult:
    found = groups or {"female": (500, 1000), "male": (500, 1000)}
    return CheckResult(check="fairness", scope={"dataset": "test", "column": column}, measures=rates(**found))


def interval(name: str, value: float, low: float, high: float, n: int = 400) -> Measure:
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method="some", n=n)


PERFORMANCE = CheckResult(check="performance", scope={"dataset": "test"}, measures=(interval("roc_auc_score", 0.8, 0.75, 0.85),))
ROBUSTNESS = CheckResult(
    check="robustness",
    scope={"dataset": "test", "perturbation": "missing", "strength": "0.1"},
    measures=(interval("accuracy_drop", 0.02, 0.0, 0.04),),
)
SUITE = CheckResult(check="quality", scope={"dataset": "train", "suite": "a.json"}, measures=(Measure.counted("met_share", 1, n=4),))


def standing(of: System) -> tuple[CheckResult, ...]:
    """Results that meet every standing question."""
    scopes: dict[tuple[str, str], list[Measure]] = {}
    for row, requirement in standing_requirements(of, ()):
        value = next(b for b in (row.min, row.max, row.equals) if b is not None)
        scopes.setdefault((row.check, str(sorted(requirement.scope.items()))), []).append(Measure.counted(row.metric, value, n=1))
    at = {(row.check, str(sorted(r.scope.items()))): r.scope for row, r in standing_requirements(of, ())}
    return tuple(CheckResult(check=key[0], scope=at[key], measures=tuple(measures)) for key, measures in scopes.items())


def good(of: System | None = None) -> tuple[CheckResult, ...]:
    return (*standing(of or system()), PERFORMANCE, fairness(), ROBUSTNESS, SUITE)


def judged(of: System, results: tuple[CheckResult, ...], **more) -> tuple[Evidence, ...]:
    return judge(of, results, **{"run_id": "r1", "started": STARTED, "now": NOW, **more})


def lines_of(of: System, results: tuple[CheckResult, ...], *, today: date = TODAY, **more) -> dict[str, object]:
    evidence = judged(of, results, **more)
    return {line.control: line for line in control_lines(of, evidence, results, today=today)}


def piece(evidence: tuple[Evidence, ...], requirement: str) -> Evidence:
    (found,) = [e for e in evidence if e.requirement == requirement]
    return found


# --- the whole ----------------------------------------------------------------------------------------------------------


def test_good_evidence_lets_every_gated_control_through():
    lines = lines_of(system(), good())
    assert len(lines) == 38
    assert {c: lines[c].state for c in GATED} == dict.fromkeys(GATED, State.PASS), {c: lines[c].reason for c in GATED}
    assert all(line.fix for line in lines.values() if line.state not in LETS_THROUGH)
    assert all(line.reason for line in lines.values())
    assert not any(line.state is State.PASS for c, line in lines.items() if c not in GATED)


def test_no_results_and_no_declarations_pass_nothing():
    for of in (system(), system(requirements=(), attestations=())):
        lines = lines_of(of, ())
        assert not [c for c, line in lines.items() if line.state in LETS_THROUGH]
        assert all(line.fix for line in lines.values())
        assert {line.state for line in control_lines(of, (), today=TODAY)} == {State.MISSING}


def test_every_piece_that_is_not_a_pass_says_what_to_do_and_none_is_waived():
    for results in ((), good()[:-2], good()):
        for e in judged(system(), results):
            assert e.state is not State.WAIVED
            assert e.reason
            assert e.run_id == "r1"
            assert e.time == NOW
            assert e.collector.startswith("aims-mlflow ")
            if e.state is not State.PASS:
                assert e.fix, e


def test_evidence_cites_its_results_controls_and_objectives():
    e = piece(judged(system(), good()), "fairness.demographic_parity_ratio[column=sex]")
    assert e.results == (fairness().id,)
    assert set(e.controls) == {"A.6.2.4", "A.5.4"}
    assert e.objectives == ("C.2.5",)
    named = system(requirements=({**REQUIREMENTS[1], "objective": "C.2.9"},))
    assert piece(judged(named, good()), "fairness.demographic_parity_ratio[column=sex]").objectives == ("C.2.9",)


# --- finding what was measured ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requirement", "results", "state", "words"),
    [
        (
            REQUIREMENTS[0],
            (PERFORMANCE,),
            State.PASS,
            "roc_auc_score on test is 0.8 (95 % interval 0.75 to 0.85, n=400), asked: at least 0.7",
        ),
        (REQUIREMENTS[0], (), State.MISSING, "gave no result for dataset=test"),
        ({**REQUIREMENTS[0], "dataset": "validation"}, (PERFORMANCE,), State.MISSING, "dataset=validation"),
        ({**REQUIREMENTS[0], "metric": "f1_score"}, (PERFORMANCE,), State.MISSING, "was not measured"),
        ({**REQUIREMENTS[0], "metric": "roc_auc_scor"}, (PERFORMANCE,), State.ERROR, "no metric 'roc_auc_scor'"),
        ({**REQUIREMENTS[0], "check": "performence"}, (PERFORMANCE,), State.ERROR, "nobody has registered"),
        (REQUIREMENTS[1], (fairness(),), State.PASS, "demographic_parity_ratio by sex is 1"),
        (REQUIREMENTS[1], (fairness("age"),), State.MISSING, "column=sex"),
        (REQUIREMENTS[1], (fairness(female=(500, 1000)),), State.ERROR, "single group"),
        (REQUIREMENTS[1], (fairness(female=(42, 84), male=(500, 1000)),), State.INCONCLUSIVE, "female has n=84"),
        ({**REQUIREMENTS[1], "minimum_n": 2000}, (fairness(),), State.INCONCLUSIVE, "asked: 2000"),
        ({"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "max": 0.8}, (fairness(),), State.ERROR, "at least"),
        ({"check": "fairness", "metric": "selection_rate", "column": "sex", "min": 0.4}, (fairness(),), State.PASS, "for "),
        ({"check": "fairness", "metric": "selection_rate", "column": "sex", "min": 0.49}, (fairness(),), State.INCONCLUSIVE, "for "),
        (
            {"check": "fairness", "metric": "selection_rate", "column": "sex", "min": 0.1},
            (fairness(f=(9, 10)),),
            State.ERROR,
            "single group",
        ),
        (REQUIREMENTS[2], (ROBUSTNESS,), State.PASS, "accuracy_drop under missing at strength 0.1 on test"),
        ({**REQUIREMENTS[2], "strength": 0.2}, (ROBUSTNESS,), State.MISSING, "strength=0.2"),
        (REQUIREMENTS[3], (SUITE,), State.PASS, "met_share of a.json on train is 1 (full count), asked: met in full"),
        ({"check": "quality", "dataset": "train", "metric": "met_share", "min": 1}, (SUITE,), State.MISSING, "no result"),
    ],
)
def test_a_requirement_is_answered_by_what_was_measured_in_its_scope(requirement, results, state, words):
    of = system(requirements=(requirement,))
    found = next(e for e in judged(of, results) if e.kind == "declared")
    assert found.state is state
    assert words in found.reason
    assert bool(found.fix) is (state is not State.PASS)


def test_unknown_names_get_the_nearest_known_one():
    of = system(requirements=({**REQUIREMENTS[0], "metric": "roc_auc_scor"}, {**REQUIREMENTS[1], "column": "sexx"}))
    evidence = judged(of, good())
    assert "did you mean 'roc_auc_score'" in piece(evidence, "performance.roc_auc_scor").fix
    assert "did you mean 'sex'" in piece(evidence, "fairness.demographic_parity_ratio[column=sexx]").fix


def test_an_unknown_check_counts_against_specification_and_verification():
    of = system(requirements=(*REQUIREMENTS, {"check": "no.such_check", "metric": "m", "max": 0}))
    lines = lines_of(of, good())
    assert lines["A.6.2.2"].state is State.ERROR
    assert lines["A.6.2.4"].state is State.ERROR


def test_several_matching_results_give_the_worst():
    strong = ROBUSTNESS.model_copy(
        update={"scope": {**ROBUSTNESS.scope, "strength": "0.5"}, "measures": (interval("accuracy_drop", 0.3, 0.2, 0.4),)}
    )
    of = system(requirements=({**REQUIREMENTS[2], "strength": None},))
    found = next(e for e in judged(of, (ROBUSTNESS, strong)) if e.kind == "declared")
    assert found.state is State.FAIL
    assert "at strength 0.5" in found.reason
    assert len(found.results) == 2


@pytest.mark.parametrize(
    ("scope", "state"),
    [
        ({"dataset": "test", "column": "sex"}, State.ERROR),
        ({"dataset": "test"}, State.ERROR),
        ({}, State.ERROR),
        ({"dataset": "test", "column": "age"}, State.MISSING),
        ({"dataset": "train"}, State.MISSING),
    ],
)
def test_a_problem_answers_for_whatever_lies_within_it(scope, state):
    problem = CheckResult(check="fairness", scope=scope, problem=Problem(state="error", reason="predict raised", fix="mend the model"))
    found = piece(judged(system(), (problem,)), "fairness.demographic_parity_ratio[column=sex]")
    assert found.state is state
    assert ("predict raised" in found.reason) is (state is State.ERROR)


def test_a_wider_problem_does_not_undo_a_proper_answer():
    problem = CheckResult(check="fairness", problem=Problem(state="error", reason="elsewhere"))
    assert piece(judged(system(), (problem, fairness())), "fairness.demographic_parity_ratio[column=sex]").state is State.PASS


def test_what_a_result_leaves_out_is_never_a_pass():
    partly = SUITE.model_copy(update={"coverage": Coverage(asked=("a", "b"), evaluated=("a",))})
    found = piece(judged(system(), (partly,)), "quality[dataset=train, suite=a.json]")
    assert found.state is State.ERROR
    assert "b" in found.reason
    failing = partly.model_copy(update={"measures": (Measure.counted("met_share", 0.5, n=2),)})
    assert piece(judged(system(), (failing,)), "quality[dataset=train, suite=a.json]").state is State.FAIL


def test_another_metric_that_was_left_out_is_another_requirements_matter():
    both = PERFORMANCE.model_copy(update={"coverage": Coverage(asked=("roc_auc_score", "log_loss"), evaluated=("roc_auc_score",))})
    assert piece(judged(system(), (both,)), "performance.roc_auc_score").state is State.PASS


def test_a_disparity_that_its_groups_do_not_bear_out_is_an_error():
    result = fairness()
    changed = tuple(m.model_copy(update={"value": 0.99}) if m.name == "demographic_parity_ratio" else m for m in result.measures)
    found = piece(judged(system(), (result.model_copy(update={"measures": changed}),)), "fairness.demographic_parity_ratio[column=sex]")
    assert found.state is State.ERROR


def test_fairness_without_a_column_is_asked_of_every_sensitive_one_and_not_of_crossings():
    of = system(requirements=({"check": "fairness", "metric": "demographic_parity_ratio", "min": 0.8},))
    crossing = fairness("sex & age", a=(1, 9), b=(2, 9))
    evidence = judged(of, (fairness(), crossing))
    assert piece(evidence, "fairness.demographic_parity_ratio[column=sex]").state is State.PASS
    assert piece(evidence, "fairness.demographic_parity_ratio[column=age]").state is State.MISSING
    assert sum(e.kind == "declared" for e in evidence) == 2


@pytest.fixture
def own_check() -> Iterator[str]:
    @registry.check("own.count", controls=["A.7.4"], objectives=["C.2.7"], metrics=["k"])
    def own_count(seen):
        return CheckResult(check="own.count", measures=(Measure.counted("k", 5),))

    yield "own.count"
    del registry._checks["own.count"]


def test_a_check_of_ones_own_is_judged_like_ours(own_check):
    of = system(requirements=(*REQUIREMENTS, {"check": own_check, "metric": "k", "min": 6}))
    lines = lines_of(of, (*good(), CheckResult(check=own_check, measures=(Measure.counted("k", 5),))))
    assert lines["A.7.4"].state is State.FAIL
    assert "k is 5 (full count), asked: at least 6 (requirement own.count.k)" in lines["A.7.4"].reason


# --- what every run is asked --------------------------------------------------------------------------------------------


def changed(results: tuple[CheckResult, ...], check: str, metric: str, value: float | None, **more) -> tuple[CheckResult, ...]:
    """The results with one measure of one check changed, wherever it stands."""
    made = []
    for result in results:
        if result.check == check and result.measure(metric) is not None:
            measures = tuple(m.model_copy(update={"value": value, **more}) if m.name == metric else m for m in result.measures)
            result = result.model_copy(update={"measures": measures})
        made.append(result)
    assert tuple(made) != results
    return tuple(made)


@pytest.mark.parametrize(
    ("check", "metric", "value", "controls", "state"),
    [
        ("overlap", "shared_rows", 3, ("A.7.2", "A.6.2.4"), State.FAIL),
        ("overlap", "identical", 1, ("A.7.2", "A.6.2.4"), State.FAIL),
        ("provenance", "fingerprinted", 0, ("A.7.5", "A.7.2"), State.MISSING),
        ("provenance", "digest_mismatch", 1, ("A.7.5",), State.FAIL),
        ("provenance", "roles_missing", 1, ("A.7.2",), State.MISSING),
        ("acquisition", "undeclared_fields", 2, ("A.7.3",), State.MISSING),
        ("quality", "all_null_columns", 1, ("A.7.4",), State.FAIL),
        ("quality", "all_null_columns", None, ("A.7.4",), State.ERROR),
        ("preparation", "fitted_on_other_data", 1, ("A.7.6",), State.FAIL),
        ("preparation", "steps_recorded", 0, ("A.7.6",), State.MISSING),
        ("design", "code_dirty", 1, ("A.6.2.3",), State.FAIL),
        ("lineage", "broken_links", 1, ("A.7.5", "A.6.2.3"), State.MISSING),
        ("documentation", "empty_fields", 1, ("A.6.2.7",), State.MISSING),
        ("documentation", "card_matches_model", 0, ("A.6.2.7",), State.FAIL),
        ("specification", "requirements_without_test", 1, ("A.6.2.2",), State.FAIL),
        ("process", "gate_declared", 0, ("A.6.1.3",), State.MISSING),
        ("objectives", "requirements_dated_after_result", 1, ("A.6.1.2",), State.FAIL),
    ],
)
def test_an_unmet_standing_question_shows_in_its_controls_and_nowhere_else(check, metric, value, controls, state):
    lines = lines_of(system(), changed(good(), check, metric, value))
    for control in GATED:
        assert lines[control].state is (state if control in controls else State.PASS), lines[control]
        if control in controls:
            assert lines[control].fix
            assert f"{check}.{metric}" in lines[control].reason


def test_a_standing_count_names_what_it_counted():
    results = changed(good(), "design", "undocumented_fields", 1)
    results = tuple(r.model_copy(update={"facts": {"undocumented_fields": ["seed"]}}) if r.check == "design" else r for r in results)
    assert "(seed)" in lines_of(system(), results)["A.6.2.3"].reason


def test_left_out_items_show_once():
    def leaving_out(results: tuple[CheckResult, ...], name: str) -> tuple[CheckResult, ...]:
        return tuple(r.model_copy(update={"coverage": Coverage(asked=("x",))}) if r.check == name else r for r in results)

    shown = judged(system(), leaving_out(changed(good(), "specification", "undeclared_fields", 1), "specification"))
    assert [e.requirement for e in shown if e.check == "specification" and e.state is not State.PASS] == ["specification.undeclared_fields"]
    hidden = lines_of(system(), leaving_out(good(), "specification"))["A.6.2.2"]
    assert hidden.state is State.MISSING
    assert "x" in hidden.reason


@pytest.mark.parametrize("check", ["performance", "fairness", "robustness", "quality"])
def test_a_check_without_a_critical_requirement_is_missing_with_the_line_to_add(check):
    control = "A.7.4" if check == "quality" else "A.6.2.4"
    without = tuple(r for r in REQUIREMENTS if r["check"] != check)
    lines = lines_of(system(requirements=without), good())
    assert lines[control].state is State.MISSING
    assert f"- {{check: {check}" in lines[control].fix
    minor = (*without, {**next(r for r in REQUIREMENTS if r["check"] == check), "severity": "minor"})
    assert lines_of(system(requirements=minor), good())[control].state is State.MISSING


def test_requirements_dated_after_the_run_fail_the_objectives_of_the_policy_at_hand():
    late = system(requirements=({**REQUIREMENTS[0], "declared": "2026-03-09"}, *REQUIREMENTS[1:]))
    lines = lines_of(late, good())
    assert lines["A.6.1.2"].state is State.FAIL
    assert "performance.roc_auc_score" in lines["A.6.1.2"].reason
    same_day = system(requirements=({**REQUIREMENTS[0], "declared": "2026-03-01"}, *REQUIREMENTS[1:]))
    assert lines_of(same_day, good())["A.6.1.2"].state is State.PASS


def test_minor_failures_are_shown_and_do_not_count():
    of = system(requirements=(*REQUIREMENTS, {"check": "performance", "metric": "roc_auc_score", "min": 0.99, "severity": "major"}))
    lines = lines_of(of, good())
    assert lines["A.6.2.4"].state is State.PASS
    assert "not counted, because not critical: performance.roc_auc_score fail" in lines["A.6.2.4"].reason
    assert any(e.severity is Severity.MAJOR and e.state is State.FAIL for e in judged(of, good()))


# --- what people say ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["A.6.1.2", "A.6.1.3", "A.6.2.2"])
def test_some_controls_need_a_person_besides_the_run(control):
    without = tuple(w for w in WORDS if w["control"] != control)
    line = lines_of(system(attestations=without), good())[control]
    assert line.state is State.MISSING
    assert f"control: {control}" in line.fix
    given = Attestation(control=control, statement="It is so", by="the engineer", on=TODAY)
    assert lines_of(system(attestations=without), good(), attested=(given,))[control].state is State.PASS
    expired = system(
        attestations=(*without, {"control": control, "statement": "s", "by": "b", "on": "2025-01-01", "expires": "2026-01-01"})
    )
    assert "expired on 2026-01-01" in lines_of(expired, good())[control].reason


def attesting(control: str, **more) -> System:
    return system(attestations=(*WORDS, {"control": control, "statement": "It is so", "by": "the owner", "on": "2026-02-01", **more}))


@pytest.mark.parametrize("control", ["A.6.2.5", "A.6.2.6", "A.6.2.8"])
def test_later_phases_are_not_passed_by_a_persons_word_alone(control):
    assert lines_of(system(), good())[control].state is State.MISSING
    line = lines_of(attesting(control), good())[control]
    assert line.state is State.MISSING
    assert "come" in line.reason
    assert "alone is not enough" in line.reason


def test_a_decision_of_the_gate_and_a_release_approval_show_deployment():
    of = attesting("A.6.2.5")
    decision = Evidence(
        check="gate", requirement="gate.decision", kind="standing", controls=("A.6.2.5",), state=State.PASS, reason="promoted", run_id="r1",
        time=NOW, collector="aims-mlflow 0",
    )  # fmt: skip
    for evidence, state in (((*judged(of, good()), decision), State.PASS), ((*judged(system(), good()), decision), State.MISSING)):
        line = next(x for x in control_lines(of, evidence, good(), today=TODAY) if x.control == "A.6.2.5")
        assert line.state is state


def test_an_attestation_only_control_passes_with_an_attestation_only():
    assert lines_of(system(), good())["A.2.2"].state is State.MISSING
    assert lines_of(attesting("A.2.2"), good())["A.2.2"].state is State.PASS
    assert lines_of(attesting("A.2.2", not_applicable=True), good())["A.2.2"].state is State.NOT_APPLICABLE


def test_attestations_make_up_for_nothing_that_was_measured_or_left_out():
    for metric, value in (("shared_rows", 3), ("shared_rows", None)):
        results = changed(good(), "overlap", metric, value)
        for more in ({}, {"not_applicable": True}):
            assert lines_of(attesting("A.7.2", **more), results)["A.7.2"].state in (State.FAIL, State.ERROR)
    without = tuple(r for r in good() if r.check != "overlap")
    for more in ({}, {"not_applicable": True}):
        assert lines_of(attesting("A.7.2", **more), without)["A.7.2"].state is State.MISSING


def test_not_applicable_stands_where_the_checks_looked_and_found_nothing():
    results = changed(good(), "acquisition", "undeclared_fields", 8)
    assert lines_of(attesting("A.7.3", not_applicable=True), results)["A.7.3"].state is State.NOT_APPLICABLE


def test_a_person_can_attest_preparation_that_a_run_could_not_see_but_not_what_it_saw():
    unseen = changed(changed(good(), "preparation", "steps_recorded", 0), "preparation", "fitted_on_other_data", None, n=0)
    assert lines_of(system(), unseen)["A.7.6"].state is State.MISSING
    line = lines_of(attesting("A.7.6"), unseen)["A.7.6"]
    assert line.state is State.PASS
    assert any("attested in the system file" in e.reason for e in judged(attesting("A.7.6"), unseen) if e.check == "preparation")
    wrong = changed(good(), "preparation", "fitted_on_other_data", 1)
    assert lines_of(attesting("A.7.6"), wrong)["A.7.6"].state is State.FAIL
    gone = tuple(r for r in good() if r.check != "preparation")
    assert lines_of(attesting("A.7.6"), gone)["A.7.6"].state is State.MISSING


# --- waivers ------------------------------------------------------------------------------------------------------------


def waiving(control: str, **named) -> System:
    entry = {"control": control, "reason": "too few", "approved_by": "the officer", "on": "2026-02-01", "expires": "2026-08-01", **named}
    return system(waivers=(entry,))


SMALL = fairness(female=(42, 84), male=(500, 1000))
UNDECIDED = (*(r for r in good() if r.check != "fairness"), SMALL)


def test_a_waiver_lets_one_requirement_through_under_its_control_alone():
    of = waiving("A.6.2.4", check="fairness", column="sex")
    lines = lines_of(of, UNDECIDED)
    assert lines["A.6.2.4"].state is State.WAIVED
    assert "waived until 2026-08-01 by the officer (too few); it was inconclusive" in lines["A.6.2.4"].reason
    assert len(lines["A.6.2.4"].waived) == 1
    assert lines["A.5.4"].state in (State.MISSING, State.INCONCLUSIVE)
    assert not lines["A.5.4"].waived
    assert piece(judged(of, UNDECIDED), "fairness.demographic_parity_ratio[column=sex]").state is State.INCONCLUSIVE


@pytest.mark.parametrize(
    "named", [{"check": "fairness", "column": "age"}, {"check": "robustness"}, {"on": "2026-03-02"}, {"expires": "2026-02-28"}]
)
def test_a_waiver_that_does_not_fit_lets_nothing_through(named):
    assert lines_of(waiving("A.6.2.4", **named), UNDECIDED)["A.6.2.4"].state is State.INCONCLUSIVE


def test_an_expired_waiver_is_told():
    assert "expired on 2026-02-28" in lines_of(waiving("A.6.2.4", check="fairness", expires="2026-02-28"), UNDECIDED)["A.6.2.4"].reason


def test_a_waiver_of_a_whole_control_lets_through_what_is_missing_too():
    assert lines_of(waiving("A.7.3"), ())["A.7.3"].state is State.WAIVED
    assert lines_of(waiving("A.2.2"), ())["A.2.2"].state is State.WAIVED
    assert lines_of(waiving("A.7.3"), good())["A.7.3"].state is State.PASS


def test_a_waiver_leaves_other_failures_standing():
    results = changed(UNDECIDED, "overlap", "shared_rows", 2)
    assert lines_of(waiving("A.6.2.4", check="fairness"), results)["A.6.2.4"].state is State.FAIL
    both = lines_of(waiving("A.6.2.4", metric="shared_rows"), changed(good(), "overlap", "shared_rows", 2))
    assert both["A.6.2.4"].state is State.WAIVED
    assert both["A.7.2"].state is State.FAIL


def test_a_waiver_of_a_column_reaches_the_expectation_of_that_column():
    expectation = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "income"}}
    entry = {"control": "A.7.4", "column": "income", "reason": "r", "approved_by": "a", "on": "2026-02-01", "expires": "2026-08-01"}
    of = system(requirements=(*REQUIREMENTS, {"check": "quality", "dataset": "train", "expectation": expectation}), waivers=(entry,))
    assert lines_of(of, good())["A.7.4"].state is State.WAIVED


# --- invariants ---------------------------------------------------------------------------------------------------------


def test_evidence_that_rests_on_results_that_are_not_there_is_an_error():
    evidence = judged(system(), good())
    lines = {x.control: x for x in control_lines(system(), evidence, (), today=TODAY)}
    assert lines["A.7.2"].state is State.ERROR


POLICIES = (
    system(),
    waiving("A.6.2.4", check="fairness"),
    waiving("A.7.2"),
    attesting("A.7.6"),
    attesting("A.7.3", not_applicable=True),
    attesting("A.7.2", not_applicable=True),
    attesting("A.2.2"),
)
SPOILT = (
    ("overlap", "shared_rows", 3),
    ("preparation", "steps_recorded", 0),
    ("preparation", "fitted_on_other_data", 1),
    ("acquisition", "undeclared_fields", 4),
    ("quality", "all_null_columns", None),
    ("performance", "roc_auc_score", None),
)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_leaving_out_a_result_never_lets_a_control_through_that_was_stopped(data):
    of = data.draw(st.sampled_from(POLICIES))
    results = data.draw(st.sampled_from([good(of), UNDECIDED]))
    for spoil in data.draw(st.lists(st.sampled_from(SPOILT), max_size=3, unique=True)):
        results = changed(results, *spoil)
    problem = data.draw(st.sampled_from([None, *results]))
    if problem is not None:
        state = data.draw(st.sampled_from(["missing", "error"]))
        spoilt = problem.model_copy(update={"measures": (), "problem": Problem(state=state, reason="r")})
        results = tuple(spoilt if r is problem else r for r in results)
    removed = data.draw(st.sets(st.integers(0, len(results) - 1), min_size=1, max_size=4))
    before, after = lines_of(of, results), lines_of(of, tuple(r for i, r in enumerate(results) if i not in removed))
    for control, line in after.items():
        if line.state in LETS_THROUGH:
            assert before[control].state in LETS_THROUGH, (control, before[control], line)


@given(st.sampled_from(range(len(good()))))
@settings(max_examples=20, deadline=None)
def test_every_result_bears_on_some_gated_control(at):
    lines = lines_of(system(), tuple(r for i, r in enumerate(good()) if i != at))
    assert any(lines[control].state not in LETS_THROUGH for control in gated_controls(system()))


def test_judging_is_a_function_of_its_input():
    assert judged(system(), good()) == judged(system(), good())
    assert {e.id for e in judged(system(), good())} == {e.id for e in judged(system(), tuple(reversed(good())))}


@pytest.mark.parametrize(
    ("attestation", "state"),
    [
        (None, State.MISSING),
        ({"statement": "C.2.5 does not apply: it sorts screws"}, State.PASS),
        ({"statement": "C.2.5 does not apply: it sorts screws", "not_applicable": False}, State.MISSING),
        ({"statement": "C.2.5 does not apply: it sorts screws", "expires": "2026-01-02"}, State.MISSING),
        ({"statement": "C.2.5 does not apply: it sorts screws", "on": "2099-01-01"}, State.MISSING),
        ({"statement": "C.2.8 does not apply"}, State.MISSING),
    ],
)
def test_fairness_is_asked_for_unless_a_person_says_that_nobody_is_touched(attestation, state):
    said = {"control": "A.6.1.2", "by": "Ada", "on": "2026-01-01", "not_applicable": True, **(attestation or {})}
    declared = {"data": {"roles": {"train": "train", "test": "test"}}, "requirements": [], "attestations": [said] if attestation else []}
    evidence = judge(system(**declared), (), run_id="r", started=NOW, now=NOW)
    found = [e for e in evidence if e.requirement == "fairness.requirement_declared"]
    if state is State.PASS:
        assert found == []
    else:
        assert [e.state for e in found] == [state]
        assert "data.sensitive" in found[0].fix


# --- what a wrong answer would look like --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requirement", "scope"),
    [
        ({"check": "performance", "metric": "accuracy_score", "min": 0.7}, {"dataset": "test"}),
        ({"check": "fairness", "metric": "selection_rate", "column": "sex", "min": 0.1}, {"dataset": "test", "column": "sex"}),
        ({"check": "robustness", "metric": "accuracy_drop", "max": 0.1}, {"dataset": "test"}),
        ({"check": "baseline", "metric": "accuracy_score_gain", "min": 0.01}, {"dataset": "test"}),
        ({"check": "drift", "metric": "drifted_columns_share", "max": 0.2}, {"dataset": "test", "reference": "train"}),
        ({"check": "overlap", "metric": "shared_share", "max": 0}, {"datasets": "train,test"}),
    ],
    ids=["performance", "fairness", "robustness", "baseline", "drift", "overlap"],
)
def test_a_requirement_that_does_not_say_of_what_is_asked_of_the_test_data(requirement, scope):
    of = system(requirements=(requirement,))
    bound = next(requirement[kind] for kind in ("min", "max") if kind in requirement)
    measures = tuple(Measure.counted(requirement["metric"], bound, n=9, group=group) for group in (None, "f", "m"))
    there = CheckResult(check=requirement["check"], scope=scope, measures=measures)
    found = next(e for e in judged(of, (there,)) if e.kind == "declared")
    assert (found.state, found.results) == (State.PASS, (there.id,)), found.reason
    for key, value in scope.items():
        elsewhere = there.model_copy(update={"scope": {**scope, key: "validation" if value != "train,test" else "train,validation"}})
        found = next(e for e in judged(of, (elsewhere,)) if e.kind == "declared")
        assert (found.state, found.results) == (State.MISSING, ()), found.reason


@pytest.mark.parametrize("key", ["column", "expectation", "suite"])
def test_quality_of_a_part_is_no_answer_about_the_whole(key):
    of = system(requirements=({"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.9},))
    whole = CheckResult(check="quality", scope={"dataset": "train"}, measures=(Measure.counted("completeness", 0.95, n=9),))
    part = CheckResult(check="quality", scope={"dataset": "train", key: "x"}, measures=(Measure.counted("completeness", 0.1, n=9),))
    found = next(e for e in judged(of, (whole, part)) if e.kind == "declared")
    assert (found.state, found.results) == (State.PASS, (whole.id,))
    assert next(e for e in judged(of, (part,)) if e.kind == "declared").state is State.MISSING
    other = part.model_copy(update={"check": "drift"})
    drift = system(requirements=({"check": "drift", "dataset": "train", "reference": "a", "metric": "drifted_columns", "max": 0},))
    measured = other.model_copy(
        update={"scope": {"dataset": "train", "reference": "a", key: "x"}, "measures": (Measure.counted("drifted_columns", 0, n=9),)}
    )
    assert next(e for e in judged(drift, (measured,)) if e.kind == "declared").state is State.PASS


def of_groups(check: str, size: int, *groups: str) -> CheckResult:
    recalls = tuple(interval("recall_score", 0.9, 0.8, 0.95, n=40).model_copy(update={"group": group}) for group in groups)
    sizes = tuple(Measure.counted("group_size", size, group=group) for group in groups)
    return CheckResult(check=check, scope={"dataset": "test"}, measures=(*recalls, *sizes))


def test_groups_of_a_check_that_is_not_about_fairness_are_judged_one_by_one_by_their_own_rows():
    of = system(requirements=({"check": "performance", "metric": "recall_score", "min": 0.7},))

    def state(result: CheckResult) -> Evidence:
        return next(e for e in judged(of, (result,)) if e.kind == "declared")

    assert state(of_groups("performance", 400, "f", "m")).state is State.PASS
    assert state(of_groups("performance", 400, "f")).state is State.PASS
    few = state(of_groups("performance", 99, "f", "m"))
    assert few.state is State.INCONCLUSIVE
    assert "for f is 0.9" in few.reason
    assert "99 rows are fewer than the 100" in few.reason


@pytest.mark.parametrize(
    ("metric", "bound", "words", "way"),
    [
        ("demographic_parity_ratio", {"max": 0.8}, "is a ratio between groups, which must be at least something", "min"),
        ("demographic_parity_difference", {"min": 0.8}, "is a difference between groups, which must be at most something", "max"),
        ("accuracy_score_group_min", {"max": 0.8}, "is the worst group's, which must be at least something", "min"),
        ("zero_one_loss_group_max", {"min": 0.8}, "is the worst group's, which must be at most something", "max"),
    ],
)
def test_a_bound_on_the_wrong_side_decides_nothing(metric, bound, words, way):
    of = system(requirements=({"check": "fairness", "metric": metric, "column": "sex", **bound},))
    given = fairness()
    given = given.model_copy(update={"measures": (*given.measures, Measure(name=metric, value=0.5, n=9))})
    found = next(e for e in judged(of, (given,)) if e.kind == "declared")
    assert found.state is State.ERROR
    assert f"{metric} {words}; asked: at {'most' if 'max' in bound else 'least'} 0.8" in found.reason
    assert found.fix == f"write {way}: <bound> in the requirement in aims.yaml"


def worst(value: float, **groups: tuple[float, float, float]) -> CheckResult:
    made = tuple(interval("accuracy_score", *ends, n=200).model_copy(update={"group": group}) for group, ends in groups.items())
    stated = Measure(name="accuracy_score_group_min", value=value, n=200)
    return CheckResult(check="fairness", scope={"dataset": "test", "column": "sex"}, measures=(*made, stated))


@pytest.mark.parametrize(
    ("asked", "result", "state", "words"),
    [
        ({"min": 0.7}, worst(0.8, f=(0.8, 0.75, 0.85), m=(0.9, 0.85, 0.95)), State.PASS, "accuracy_score"),
        ({"min": 0.7, "minimum_n": 201}, worst(0.8, f=(0.8, 0.75, 0.85), m=(0.9, 0.85, 0.95)), State.INCONCLUSIVE, "201"),
        ({"min": 0.78}, worst(0.8, f=(0.8, 0.75, 0.85), m=(0.9, 0.85, 0.95)), State.INCONCLUSIVE, ""),
        ({"min": 0.7}, worst(0.9, f=(0.8, 0.75, 0.85), m=(0.9, 0.85, 0.95)), State.ERROR, "is given as 0.9, which is not what"),
        ({"min": 0.7}, worst(0.8 + 1e-8, f=(0.8, 0.75, 0.85), m=(0.9, 0.85, 0.95)), State.ERROR, "is not what"),
        ({"min": 0.7}, worst(0.8 + 1e-10, f=(0.8, 0.75, 0.85), m=(0.9, 0.85, 0.95)), State.PASS, ""),
        ({"min": 0.7}, worst(0.8), State.ERROR, "is not what the groups' own measures give"),
    ],
    ids=["pass", "minimum", "undecided", "stated-better", "just-off", "rounding", "no-groups"],
)
def test_the_worst_group_is_judged_by_the_groups_and_not_by_what_is_stated(asked, result, state, words):
    of = system(requirements=({"check": "fairness", "metric": "accuracy_score_group_min", "column": "sex", **asked},))
    found = next(e for e in judged(of, (result,)) if e.kind == "declared")
    assert found.state is state, found.reason
    assert words in found.reason


@pytest.mark.parametrize(("value", "state"), [(0.05, State.PASS), (-0.05, State.PASS), (0.2, State.FAIL), (-0.2, State.FAIL)])
def test_what_is_furthest_from_zero_is_bounded_on_both_sides(value, state):
    at = {"f": value, "m": 0.0}
    groups = tuple(interval("mean_residual", x, x - 0.02, x + 0.02).model_copy(update={"group": group}) for group, x in at.items())
    stated = Measure(name="mean_residual_group_max", value=abs(value), n=400)
    result = CheckResult(check="fairness", scope={"dataset": "test", "column": "sex"}, measures=(*groups, stated))
    of = system(requirements=({"check": "fairness", "metric": "mean_residual_group_max", "column": "sex", "max": 0.1},))
    assert next(e for e in judged(of, (result,)) if e.kind == "declared").state is state


def test_a_reason_says_of_what_it_speaks():
    scope = {"dataset": "test", "reference": "train"}
    drift = CheckResult(check="drift", scope=scope, measures=(Measure.counted("drifted_columns", 0, n=3),))
    of = system(requirements=({"check": "drift", "metric": "drifted_columns", "max": 0},))
    found = next(e for e in judged(of, (drift,)) if e.kind == "declared")
    assert found.reason == "drifted_columns on test against train is 0 (full count), asked: at most 0"
    one = {"check": "quality", "dataset": "train", "column": "age", "metric": "completeness", "min": 0.9}
    quality = CheckResult(check="quality", scope={"dataset": "train", "column": "age"}, measures=(Measure.counted("completeness", 1, n=3),))
    found = next(e for e in judged(system(requirements=(one,)), (quality,)) if e.kind == "declared")
    assert found.reason == "completeness by age on train is 1 (full count), asked: at least 0.9"


def counted(**sides: int) -> tuple[Measure, ...]:
    return tuple(Measure.counted(name, count) for name, count in sides.items())


def recalled(n: int, count: int | None = 9) -> tuple[Measure, ...]:
    return (interval("recall_score", 1, 1, 1, n).model_copy(update={"count": count}),)


@pytest.mark.parametrize(
    ("more", "state"),
    [
        (counted(positives=9, negatives=391), State.INCONCLUSIVE),
        (counted(positives=391, negatives=9), State.INCONCLUSIVE),
        (counted(positives=10, negatives=390), State.PASS),
        (counted(positives=9), State.PASS),
        (recalled(9), State.INCONCLUSIVE),
        (recalled(391), State.INCONCLUSIVE),
        (recalled(390), State.PASS),
        (recalled(9, None), State.PASS),
    ],
    ids=["positives", "negatives", "ten", "one-side", "recall", "recall-of-others", "recall-ten", "recall-uncounted"],
)
def test_a_ranking_needs_ten_cases_of_the_rarer_class(more, state):
    result = CheckResult(check="performance", scope={"dataset": "test"}, measures=(*PERFORMANCE.measures, *more))
    assert piece(judged(system(), (result,)), "performance.roc_auc_score").state is state


def test_rows_are_counted_or_else_the_largest_n_of_everybody():
    recall = interval("recall_score", 0.9, 0.8, 0.95, n=40)
    of = system(requirements=({"check": "performance", "metric": "recall_score", "min": 0.7},))

    def state(*more: Measure) -> State:
        result = CheckResult(check="performance", scope={"dataset": "test"}, measures=(recall, *more))
        return next(e for e in judged(of, (result,)) if e.kind == "declared").state

    assert state() is State.INCONCLUSIVE
    assert state(interval("accuracy_score", 0.9, 0.8, 0.95, n=100)) is State.PASS
    assert state(interval("accuracy_score", 0.9, 0.8, 0.95, n=100).model_copy(update={"group": "f"})) is State.INCONCLUSIVE
    assert state(Measure.counted("rows", 100)) is State.PASS
    assert state(Measure.counted("rows", 99), interval("accuracy_score", 0.9, 0.8, 0.95, n=100)) is State.INCONCLUSIVE


def test_where_a_check_failed_beside_what_it_measured_the_failure_of_the_check_is_told():
    """A question about something that should be there: what is said is why it could not be looked at, and not that it is not there."""
    scope = {"dataset": "train"}
    unmet = CheckResult(check="provenance", scope=scope, measures=(Measure.counted("source_declared", 0, n=1),))
    broken = CheckResult(check="provenance", scope=scope, problem=Problem(state="missing", reason="no frame", fix="give one"))
    found = piece(judged(system(), (unmet, broken)), "provenance.source_declared[dataset=train]")
    assert found.state is State.MISSING
    assert found.reason == "it is asked that the first hop is declared: no frame"
    assert found.fix == "give one"


def test_a_persons_word_that_does_not_count_does_not_keep_others_from_being_heard():
    expired = {"control": "A.6.2.4", "statement": "tested", "by": "a", "on": "2026-01-01", "expires": "2026-01-02"}
    heard = {"control": "A.10.2", "statement": "agreed", "by": "b", "on": "2026-01-01"}
    evidence = judged(system(attestations=(*WORDS, expired, heard)), good())
    words = {e.requirement: e for e in evidence if e.kind == "attestation"}
    assert words["attestation[A.10.2]"].state is State.PASS
    assert words["attestation[A.10.2]"].controls == ("A.10.2",)
    assert words["attestation[A.10.2]"].fix == ""
    assert "attestation[A.6.2.4]" not in words


def test_requirements_of_the_day_on_which_the_run_began_are_in_time():
    def dated(day: str) -> list[Evidence]:
        of = system(requirements=({**REQUIREMENTS[0], "declared": day}, *REQUIREMENTS[1:]))
        return [e for e in judged(of, good()) if e.requirement == "policy.requirements_dated_after_result"]

    assert dated("2026-03-02") == []  # it can be that date already, east of here
    (late,) = dated("2026-03-03")
    assert (late.state, late.kind, late.controls) == (State.FAIL, "standing", ("A.6.1.2",))
    assert late.reason == "1 of 4 requirements are dated after the run began (2026-03-02): performance.roc_auc_score"


def test_how_many_of_the_requirements_are_critical_is_told():
    one = piece(judged(system(), good()), "performance.requirement_declared")
    assert (one.state, one.reason) == (State.PASS, "1 critical requirement of performance declared")
    more = system(requirements=(*REQUIREMENTS, {**REQUIREMENTS[0], "metric": "f1_score"}))
    assert piece(judged(more, good()), "performance.requirement_declared").reason == "2 critical requirements of performance declared"
    minor = system(requirements=({**REQUIREMENTS[0], "severity": "minor"}, *REQUIREMENTS[1:]))
    light = piece(judged(minor, good()), "performance.requirement_declared")
    assert light.state is State.MISSING
    assert light.reason.startswith("none of the 1 requirements of performance is critical")
    assert light.fix.startswith("make one critical, or add to requirements in aims.yaml: - {check: performance")
