from __future__ import annotations

import pytest

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import CheckResult, Measure, State
from aims_mlflow.judging.questions import STANDING
from aims_mlflow.judging.standing import (
    GATED,
    LATER,
    RUN_ALONE,
    expanded,
    expected_roles,
    gated_controls,
    standing_requirements,
    to_declare,
)
from aims_mlflow.system import Requirement, System


def system(**more) -> System:
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": "s"},
            "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
            "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["sex", "age"]},
            **more,
        }
    )


def ids(of: System, results: tuple[CheckResult, ...] = ()) -> list[str]:
    return [requirement.id for _, requirement in standing_requirements(of, results)]


def test_every_row_names_known_controls_and_one_bound_and_says_what_to_do():
    for row in STANDING:
        assert set(row.controls) <= set(catalogue.control_ids())
        assert row.unmet in (State.FAIL, State.MISSING, State.INCONCLUSIVE)
        assert row.asks
        assert row.fix
        assert len([b for b in (row.min, row.max, row.equals) if b is not None]) == 1


def test_every_control_of_a6_and_a7_asks_something_of_a_run_or_of_a_later_phase():
    asked = (
        {control for row in STANDING for control in row.controls} | set(LATER) | {c for cs, _ in to_declare(system()).values() for c in cs}
    )
    a6_and_a7 = {control for control in catalogue.control_ids() if control.startswith(("A.6.", "A.7."))}
    assert len(a6_and_a7) == 14
    assert a6_and_a7 <= asked
    assert set(GATED) == a6_and_a7 - set(LATER)
    assert set(GATED) >= RUN_ALONE


def test_rows_name_checks_and_metrics_that_are_registered():
    from aims_mlflow import registry

    for row in STANDING:
        assert row.metric in registry.get(row.check).metric_names(), row
        assert set(row.controls) <= set(registry.get(row.check).controls), row


def test_a_row_is_asked_of_each_role_that_is_declared_or_was_seen():
    assert "provenance.fingerprinted[dataset=train]" in ids(system())
    assert "provenance.fingerprinted[dataset=test]" in ids(system())
    assert "provenance.source_declared[dataset=test]" not in ids(system())
    assert "provenance.fingerprinted[dataset=validation]" not in ids(system())
    seen = CheckResult(check="quality", scope={"dataset": "validation"})
    assert "provenance.fingerprinted[dataset=validation]" in ids(system(), (seen,))
    assert "overlap.shared_rows[datasets=train,test]" in ids(system())
    assert len(ids(system())) == len(set(ids(system())))


def test_test_data_are_asked_for_even_where_nobody_declares_them():
    alone = system(data={"roles": {"train": "train"}})
    assert "provenance.fingerprinted[dataset=test]" in ids(alone)
    assert expected_roles(alone, ()) == ("train",)
    assert expected_roles(system(data={"roles": {"train": "a", "production": "b"}}), ()) == ("train",)


def test_a_digest_is_asked_of_every_model_that_was_taken_over_and_only_where_there_is_one():
    def took(models: int) -> CheckResult:
        return CheckResult(check="upstream", measures=(Measure.counted("upstream_models", models),))

    asked = "upstream.upstream_undigested"
    assert asked not in ids(system())
    assert asked not in ids(system(), (took(0),))
    assert asked in ids(system(), (took(2),))


def test_the_order_of_time_is_asked_where_a_column_of_times_is_declared():
    assert not [one for one in ids(system()) if "out_of_order" in one]
    dated = system(data={"roles": {"train": "train", "test": "test"}, "time": "applied"})
    assert [one for one in ids(dated) if "out_of_order" in one] == ["leakage.out_of_order_rows[datasets=train,test, column=applied]"]
    assert "leakage.leaking_features[dataset=test, reference=train]" in ids(system())


@pytest.mark.parametrize(
    ("declared", "replaced"),
    [
        ({"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 5}, True),
        ({"check": "overlap", "metric": "shared_rows", "equals": 0}, True),
        ({"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "max": 5, "severity": "minor"}, False),
        ({"check": "overlap", "datasets": ["train", "test"], "metric": "shared_rows", "min": 0}, False),
        ({"check": "overlap", "datasets": ["train", "validation"], "metric": "shared_rows", "max": 5}, False),
        ({"check": "overlap", "datasets": ["train", "test"], "metric": "shared_share", "max": 0}, False),
    ],
)
def test_a_critical_declared_requirement_of_the_same_kind_takes_the_place_of_the_standing_one(declared, replaced):
    assert ("overlap.shared_rows[datasets=train,test]" not in ids(system(requirements=[declared]))) is replaced


def test_what_must_be_declared_goes_by_the_task_and_by_what_a_person_has_excluded():
    everything = {"performance", "fairness", "robustness", "quality"}
    assert set(to_declare(system())) == everything
    regression = system(task={"kind": "regression", "target": "y"}, data={"roles": {"train": "train"}})
    assert set(to_declare(regression)) == everything
    assert "data.sensitive" in to_declare(regression)["fairness"][1]
    assert set(to_declare(regression, {"C.2.5"})) == everything - {"fairness"}
    assert "r2_score" in to_declare(regression)["performance"][1]


def test_the_lines_to_add_are_lines_that_the_system_file_accepts():
    import yaml

    from aims_mlflow import registry

    for of in (system(), system(task={"kind": "regression", "target": "y"})):
        for check, (_, line) in to_declare(of).items():
            text = (
                line.split("aims.yaml: - ")[1]
                .replace("<bound>", "0.5")
                .replace("<why>", "why")
                .replace("<path of a Great Expectations suite>", "a.json")
            )
            requirement = Requirement.model_validate(yaml.safe_load(text))
            assert requirement.check == check
            if requirement.metric:
                assert requirement.metric in registry.get(check).metric_names()


def test_requirements_are_expanded_to_each_thing_they_are_asked_of():
    of = system(
        requirements=[
            {"check": "fairness", "metric": "demographic_parity_ratio", "min": 0.8},
            {"check": "quality", "metric": "completeness", "min": 0.9},
            {"check": "performance", "metric": "accuracy_score", "min": 0.7},
        ]
    )
    assert [r.id for r in expanded(of)] == [
        "fairness.demographic_parity_ratio[column=sex]",
        "fairness.demographic_parity_ratio[column=age]",
        "quality.completeness[dataset=train]",
        "quality.completeness[dataset=test]",
        "performance.accuracy_score",
    ]


def test_the_gate_looks_at_the_eleven_unless_told_otherwise():
    assert gated_controls(system()) == GATED
    assert gated_controls(system(gate={"controls": ["A.7.4", "A.7.4", "A.2.2"]})) == ("A.7.4", "A.2.2")


def test_the_order_of_time_is_asked_of_the_validation_data_too():
    roles = {"train": "train", "test": "test", "validation": "valid"}
    dated = system(data={"roles": roles, "time": "applied"})
    asked = [one for one in ids(dated) if "out_of_order" in one]
    assert asked == [f"leakage.out_of_order_rows[datasets=train,{role}, column=applied]" for role in ("test", "validation")]


@pytest.mark.parametrize(
    ("question", "asked_of"),
    [
        ("provenance.fingerprinted", ["train", "test", "validation", "reference", "production"]),
        ("acquisition.undeclared_fields", ["train", "test", "validation", "reference"]),
        ("provenance.source_declared", ["train", "validation"]),
    ],
)
def test_each_question_is_asked_of_its_roles(question, asked_of):
    of = system(data={"roles": {role: role for role in ("train", "validation", "test", "reference", "production")}})
    seen = CheckResult(check="quality", scope={"dataset": "production"})
    assert sorted(ids(of, (seen,))) == sorted({*ids(of, (seen,))})
    assert {one for one in ids(of, (seen,)) if one.startswith(question)} == {f"{question}[dataset={role}]" for role in asked_of}


def test_gaps_between_steps_are_asked_about_where_steps_were_shown():
    shown = CheckResult(check="preparation", measures=(Measure.counted("digest_gaps", 0),))
    other = CheckResult(check="preparation", measures=(Measure.counted("steps_recorded", 2),))
    elsewhere = CheckResult(check="lineage", measures=(Measure.counted("digest_gaps", 0),))
    assert "preparation.digest_gaps" in ids(system(), (shown,))
    assert "preparation.digest_gaps" not in ids(system(), (other,))
    assert "preparation.digest_gaps" not in ids(system(), (elsewhere,))


def test_controls_of_a_later_phase_name_who_will_give_their_evidence():
    assert {control: (later.check, later.requirement) for control, later in LATER.items()} == {
        "A.6.2.5": ("gate", "gate.decision"),
        "A.6.2.6": ("monitor", "monitor.looked"),
        "A.6.2.8": ("event_log", "event_log.complete"),
    }
    assert all(" " in later.reason and " " in later.fix for later in LATER.values())
    assert (*("A.6.1.2", "A.6.1.3", "A.6.2.2", "A.6.2.3", "A.6.2.4", "A.6.2.7"), *("A.7.2", "A.7.3", "A.7.4", "A.7.5", "A.7.6")) == GATED
    assert set(GATED) - RUN_ALONE == {"A.6.1.2", "A.6.1.3", "A.6.2.2"}


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("binary_classification", ("roc_auc_score, min:", "accuracy_drop, max:", "demographic_parity_ratio, column: sex, min:")),
        (
            "multiclass_classification",
            ("balanced_accuracy_score, min:", "accuracy_drop, max:", "demographic_parity_ratio, column: sex, min:"),
        ),
        ("regression", ("r2_score, min:", "r2_drop, max:", "mean_absolute_error_difference, column: sex, max:")),
    ],
)
def test_the_lines_to_add_go_by_the_task_and_serve_their_controls(kind, lines):
    task = {"kind": kind, "target": "y"} | ({"positive_label": 1} if kind == "binary_classification" else {})
    asked = to_declare(system(task=task))
    assert {check: controls for check, (controls, _) in asked.items()} == {
        "performance": ("A.6.2.4",),
        "robustness": ("A.6.2.4",),
        "quality": ("A.7.4",),
        "fairness": ("A.6.2.4", "A.5.4"),
    }
    for check, words in zip(("performance", "robustness", "fairness"), lines, strict=True):
        assert words in asked[check][1]
        assert asked[check][1].startswith("add to requirements in aims.yaml: - {check: ")


def test_what_is_expanded_keeps_what_it_names_itself():
    of = system(
        requirements=[
            {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8},
            {"check": "quality", "dataset": "test", "metric": "completeness", "min": 0.9},
        ]
    )
    assert expanded(of) == of.requirements
    nobody = system(data={"roles": {"train": "t"}}, requirements=[{"check": "fairness", "metric": "demographic_parity_ratio", "min": 0.8}])
    assert expanded(nobody) == nobody.requirements
    seen = CheckResult(check="drift", scope={"dataset": "validation"})
    quality = system(requirements=[{"check": "quality", "metric": "completeness", "min": 0.9}])
    assert [r.dataset for r in expanded(quality, (seen,))] == ["train", "validation", "test"]
