"""The representativeness check: groups against declared shares, and what is not declared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aims_mlflow.intervals import wilson
from aims_mlflow.judging import judge
from aims_mlflow.registry import get

SEX = {"column": "sex", "shares": {"female": 0.5, "male": 0.5}, "source": "a census"}


def results(seen: Any) -> list[Any]:
    return list(get("representativeness").run(seen))


def at(seen: Any, **scope: str) -> Any:
    (found,) = [result for result in results(seen) if result.scope == scope]
    return found


def judged(seen: Any) -> list[str]:
    evidence = judge(seen.system, results(seen), run_id="r", started=seen.run.started, now=datetime(2026, 3, 2, tzinfo=UTC))
    return [str(one.state) for one in evidence if one.check == "representativeness"]


def value(result: Any, name: str) -> float | None:
    measured: float | None = result.measure(name).value
    return measured


def test_shares_are_compared_with_the_declared_ones(seen_of: Any, german: Any) -> None:
    found = at(seen_of(frames={"train": german}, data={"populations": [SEX]}), dataset="train", column="sex")
    women = int((german["sex"] == "female").sum())
    assert value(found, "smallest_ratio") == pytest.approx(women / 1000 / 0.5)
    assert value(found, "total_variation") == pytest.approx(0.5 - women / 1000)
    assert (value(found, "absent_groups"), value(found, "undeclared_groups"), value(found, "undeclared_rows_share")) == (0, 0, 0)
    share = found.groups("group_share")["female"]
    assert (share.value, share.ci_low, share.ci_high, share.count, share.n) == (women / 1000, *wilson(women, 1000), women, 1000)
    assert found.facts["source"] == "a census"
    assert found.problem is None


@pytest.mark.parametrize(("bound", "state"), [(0.5, "pass"), (0.9, "fail"), (0.62, "inconclusive")])
def test_the_interval_decides(seen_of: Any, german: Any, bound: float, state: str) -> None:
    asked = {"check": "representativeness", "metric": "smallest_ratio", "column": "sex", "min": bound}
    assert judged(seen_of(frames={"train": german}, data={"populations": [SEX]}, requirements=(asked,))) == [state]


def test_groups_that_one_side_lacks_are_counted(seen_of: Any, german: Any) -> None:
    german.loc[:19, "sex"], german.loc[20:24, "sex"], german.loc[25:27, "sex"] = "diverse", "Zorglub", None
    other = {"column": "sex", "shares": {"female": 0.5, "male": 0.4, "unknown": 0.1}}
    found = at(seen_of(frames={"train": german}, data={"populations": [other]}), dataset="train", column="sex")
    assert value(found, "absent_groups") == 1
    assert found.facts["absent_groups"] == ["unknown"]
    assert value(found, "undeclared_groups") == 2
    assert value(found, "undeclared_rows") == 28
    assert value(found, "undeclared_rows_share") == 0.028
    assert value(found, "smallest_ratio") == 0
    assert found.facts["undeclared_groups"] == ["withheld-1 (under 10 rows)", "diverse"]
    assert "Zorglub" not in found.model_dump_json()
    assert any("without any row: unknown" in note for note in found.notes)


def test_groups_of_a_column_that_is_not_sensitive_are_not_named(seen_of: Any, german: Any) -> None:
    shares = {"column": "housing", "shares": {"A151": 0.5, "A152": 0.5}}
    found = at(seen_of(frames={"train": german}, data={"populations": [shares]}), dataset="train", column="housing")
    assert found.facts["undeclared_groups"] == 1
    assert "A153" not in found.model_dump_json()


def test_declared_groups_of_few_rows_are_withheld(seen_of: Any, german: Any) -> None:
    german["sex"] = ["female"] * 4 + ["male"] * 996
    found = at(seen_of(frames={"train": german}, data={"populations": [SEX]}), dataset="train", column="sex")
    assert set(found.groups("group_share")) == {"withheld-1 (under 10 rows)", "male"}


def test_binned_columns_are_compared_by_bin(seen_of: Any, german: Any) -> None:
    ages = {"column": "age_in_years", "shares": {"under 25": 0.2, "25 to under 40": 0.5, "40 and over": 0.3}}
    data = {"populations": [ages], "sensitive": [{"column": "age_in_years", "bins": [25, 40]}]}
    found = at(seen_of(frames={"train": german}, data=data), dataset="train", column="age_in_years")
    assert value(found, "undeclared_groups") == 0
    assert found.groups("group_share")["under 25"].count == (german["age_in_years"] < 25).sum()


def test_data_of_a_single_group_are_measured(seen_of: Any, german: Any) -> None:
    found = at(seen_of(frames={"train": german.assign(sex="male")}, data={"populations": [SEX]}), dataset="train", column="sex")
    assert (value(found, "smallest_ratio"), value(found, "total_variation")) == (0, 0.5)


def test_roles_that_are_asked_for_are_measured_besides_train(seen_of: Any) -> None:
    asked = {"check": "representativeness", "metric": "total_variation", "column": "sex", "dataset": "test", "max": 0.5}
    seen = seen_of(data={"populations": [SEX]}, requirements=(asked,))
    assert [result.scope["dataset"] for result in results(seen)] == ["train", "test"]
    assert judged(seen) == ["pass"]


def test_where_nothing_is_declared_nothing_unasked_is_held_against_a_run(seen_of: Any) -> None:
    (found,) = results(seen_of())
    assert (found.scope, found.problem.state, found.measures) == ({}, "missing", ())
    assert "populations: [{column:" in found.problem.fix
    assert judged(seen_of()) == []


@pytest.mark.parametrize("populations", [[], [{"column": "housing", "shares": {"A151": 0.5, "A152": 0.5}}]], ids=["none", "another"])
def test_what_is_asked_and_not_declared_is_missing(seen_of: Any, populations: Any) -> None:
    asked = {"check": "representativeness", "metric": "smallest_ratio", "column": "sex", "min": 0.8}
    seen = seen_of(data={"populations": populations}, requirements=(asked,))
    assert judged(seen) == ["missing"]
    assert at(seen, dataset="train", column="sex").problem.fix.startswith("add to data in aims.yaml: populations:")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        pytest.param(lambda f: f.drop(columns="sex"), "not in the train data", id="no column"),
        pytest.param(lambda f: f.assign(sex=None), "every value", id="no values"),
        pytest.param(lambda f: f[:0], "zero rows", id="no rows"),
        pytest.param(lambda f: f.assign(sex=[f"{at}" for at in range(1000)]), "more than 100", id="an identifier"),
        pytest.param(lambda f: f.assign(sex=[[1]] * 1000), "not single values", id="lists"),
    ],
)
def test_columns_that_cannot_be_grouped_are_errors(seen_of: Any, german: Any, frame: Any, said: str) -> None:
    found = at(seen_of(frames={"train": frame(german)}, data={"populations": [SEX]}), dataset="train", column="sex")
    assert found.problem.state == "error"
    assert said in found.problem.reason


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["female", "male", "other", None]), min_size=1, max_size=80).filter(lambda cells: any(cells)))
def test_shares_sum_to_one(seen_of: Any, cells: list[str | None]) -> None:
    frame = pd.DataFrame({"sex": pd.Series(cells, dtype=object), "credit_risk": 1})
    found = at(seen_of(frames={"train": frame}, data={"populations": [SEX]}), dataset="train", column="sex")
    shares = [measure.value for measure in found.groups("group_share").values()]
    assert sum(shares) + value(found, "undeclared_rows_share") == pytest.approx(1)
    for name in ("smallest_ratio", "total_variation"):
        measure = found.measure(name)
        assert measure.ci_low <= measure.value <= measure.ci_high
        assert measure.ci_low < measure.ci_high
