"""The index of a bundle in MLflow: names, limits, what stays of the user's own description."""

from __future__ import annotations

import pytest

from aims_mlflow.capture import publication
from aims_mlflow.evidence import CheckResult, Measure, State
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.system import Requirement, System


def result(check: str, *names: str, **scope: str) -> CheckResult:
    return CheckResult(check=check, scope=scope, measures=tuple(Measure(name=name, value=0.5) for name in names))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (result("performance", "roc_auc_score", dataset="test"), "aims.performance.roc_auc_score"),
        (result("performance", "roc_auc_score", dataset="train"), "aims.performance.roc_auc_score.train"),
        (
            result("fairness", "selection_rate_ratio", dataset="test", column="sex & age/group"),
            "aims.fairness.selection_rate_ratio.sex_age_group",
        ),
        (
            result("robustness", "accuracy_drop", dataset="test", perturbation="noise", strength="0.1"),
            "aims.robustness.accuracy_drop.noise.0.1",
        ),
        (result("quality", "completeness", dataset="test"), "aims.quality.completeness.test"),
        (result("own", "x", column="c" * 400), "aims.own.x." + "c" * 239),
    ],
)
def test_a_metric_is_named_by_check_measure_and_scope(given: CheckResult, name: str) -> None:
    assert publication.metrics([given]) == {name: 0.5}


def test_groups_and_undefined_values_are_left_to_the_bundle() -> None:
    given = CheckResult(check="fairness", measures=(Measure(name="a", value=0.1, group="female"), Measure(name="b", value=None)))
    assert publication.metrics([given]) == {}


def test_what_a_requirement_asks_comes_first_and_the_number_is_bounded() -> None:
    many = [result(f"check{c}", *(f"m{n}" for n in range(40))) for c in range(20)]
    asked = [Requirement(check="check19", metric="m39", min=0)]
    found = publication.metrics(many, asked)
    assert len(found) == publication.METRICS_AT_MOST
    assert next(iter(found)) == "aims.check19.m39"
    assert sum(name.startswith("aims.check0.") for name in found) == publication.METRICS_A_CHECK


def test_tags_are_the_worst_of_the_gated_and_one_a_control() -> None:
    system = System.model_validate(
        {
            "version": 1,
            "system": {"id": "small"},
            "task": {"kind": "regression", "target": "y"},
            "data": {"roles": {"test": "test"}},
        }
    )
    lines = [
        ControlLine(control="A.2.2", title="", state=State.MISSING, reason=""),
        ControlLine(control="A.4.3", title="", state=State.PASS, reason="", evidence=("e-1",)),
        ControlLine(control="A.6.2.5", title="", state=State.MISSING, reason=""),
        ControlLine(control="A.7.4", title="", state=State.INCONCLUSIVE, reason="", evidence=("e-2",)),
    ]
    assert publication.tags(system, lines, ["A.4.3", "A.7.4"]) == {
        "aims.system": "small",
        "aims.state": "inconclusive",
        "aims.A.4.3": "pass",
        "aims.A.6.2.5": "missing",
        "aims.A.7.4": "inconclusive",
    }


def test_the_users_description_stays_and_ours_is_replaced() -> None:
    once = publication.note("card 1", "my own words")
    assert once.startswith("my own words\n")
    again = publication.note("card 2", once)
    assert again.startswith("my own words\n")
    assert "card 1" not in again
    assert publication.note("card", "").startswith(publication.NOTE_MARK)


def test_a_secret_in_the_address_of_a_source_is_not_written() -> None:
    import pandas as pd

    from aims_mlflow.fingerprint import fingerprint
    from aims_mlflow.observation import Dataset
    from aims_mlflow.system import Source

    frame = pd.DataFrame({"a": [1.0, 2.0]})
    source = Source(uri="s3://user:hunter2@bucket/loans.csv?token=abc123")
    summary = publication._dataset_summary(Dataset("train", frame, fingerprint(frame), source=source))
    assert summary.source == "s3://bucket/loans.csv"
