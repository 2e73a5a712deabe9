"""Great Expectations answered in counts; its own public interface is the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.expectations.evaluating import evaluate, read_suite
from aims_mlflow.system import Expectation


def asked(type_: str, **kwargs: Any) -> Expectation:
    return Expectation(type=type_, kwargs=kwargs)


def between(column: str, low: float | None = 1, high: float | None = 2, **more: Any) -> Expectation:
    return asked("expect_column_values_to_be_between", column=column, min_value=low, max_value=high, **more)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2, 3, None], "b": ["x", "y", "z", "q"], "n": [None] * 4})


def oracle(frame: pd.DataFrame, expectations: list[Expectation]) -> list[Any]:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
    batch = asset.add_batch_definition_whole_dataframe("w").get_batch({"dataframe": frame})
    return [batch.validate(ExpectationConfiguration(type=one.type, kwargs=one.kwargs).to_domain_obj()) for one in expectations]


@pytest.mark.filterwarnings("ignore")  # Great Expectations' own calls warn of its own deprecations
def test_answers_and_counts_are_great_expectations_own(german: Any) -> None:
    german.loc[:9, "age_in_years"] = None
    expectations = [
        between("age_in_years", 18, 60),
        between("age_in_years", 18, 60, mostly=0.9),
        between("age_in_years", 18, 60, row_condition="credit_amount > 5000", condition_parser="pandas"),
        asked("expect_column_values_to_be_in_set", column="sex", value_set=["female"]),
        asked("expect_column_values_to_not_be_null", column="age_in_years"),
        asked("expect_column_values_to_be_unique", column="credit_amount"),
        asked("expect_column_mean_to_be_between", column="credit_amount", min_value=0, max_value=10_000),
        asked("expect_table_row_count_to_be_between", min_value=1, max_value=10),
        asked("expect_compound_columns_to_be_unique", column_list=["sex", "purpose"]),
        asked(
            "expect_column_pair_values_a_to_be_greater_than_b",
            column_A="credit_amount",
            column_B="age_in_years",
            ignore_row_if="either_value_is_missing",
        ),
        asked("expect_column_to_exist", column="nowhere"),
        asked("expect_column_proportion_of_non_null_values_to_be_between", column="age_in_years", min_value=0.995),
    ]
    ours, theirs = evaluate(german, expectations), oracle(german, expectations)
    assert [o.problem for o in ours] == [None] * len(expectations)
    assert [o.met for o in ours] == [t.success for t in theirs]
    for our, their in zip(ours, theirs, strict=True):
        expected = {key: their.result[key] for key in ("element_count", "unexpected_count", "missing_count") if key in their.result}
        assert dict(our.counts or {}) == (expected if "element_count" in expected else {})
    assert {o.met for o in ours} == {True, False}


@pytest.mark.parametrize(
    ("expectation", "said", "fix"),
    [
        (between("n"), "evaluated nothing", "not_be_null"),
        (asked("expect_column_values_to_be_unique", column="n"), "evaluated nothing", ""),
        (asked("expect_column_unique_value_count_to_be_between", column="n", max_value=9), "evaluated nothing", ""),
        (asked("expect_column_mean_to_be_between", column="n", min_value=0), "evaluated nothing", ""),
        (between("a", row_condition="a > 99", condition_parser="pandas"), "evaluated nothing", "row condition"),
        (
            asked("expect_column_max_to_be_between", column="a", max_value=9, row_condition="a > 99", condition_parser="pandas"),
            "evaluated nothing",
            "",
        ),
        (asked("expect_column_values_to_be_between", column="a", min_value=99, mostly=0), "asks nothing", "mostly above 0"),
        (asked("expect_table_row_count_to_be_between"), "asks nothing", "a bound"),
        (asked("expect_column_mean_to_be_between", column="a"), "asks nothing", "a bound"),
        (between("aa"), "column 'aa', which is not in the data", "did you mean 'a'"),
        (
            asked("expect_column_values_to_be_betwen", column="a"),
            "knows no expectation",
            "did you mean 'expect_column_values_to_be_between'",
        ),
        (
            asked("expect_column_values_to_be_between", column="a", minvalue=4711),
            r"does not take these arguments \(look at minvalue\)",
            "kwargs",
        ),
        (asked("expect_column_values_to_be_between"), r"look at column", ""),
        (between("b"), "could not evaluate", "dtype"),
        (asked("expect_column_values_to_match_regex", column="b", regex="("), "could not evaluate", ""),
        (between("a", row_condition="nonsense ==", condition_parser="pandas"), "could not evaluate", ""),
    ],
)
def test_no_answer_is_never_a_pass(frame: pd.DataFrame, expectation: Expectation, said: str, fix: str) -> None:
    (outcome,) = evaluate(frame, [expectation])
    assert outcome.met is None
    assert outcome.problem is not None
    with pytest.raises(CannotMeasure, match=said):
        raise outcome.problem
    assert fix in outcome.problem.fix
    assert outcome.problem.state == "error"
    assert "4711" not in str(outcome.problem)


def test_missing_values_are_what_null_expectations_look_at(frame: pd.DataFrame) -> None:
    outcomes = evaluate(
        frame,
        [
            asked("expect_column_values_to_not_be_null", column="n"),
            asked("expect_column_values_to_be_null", column="n"),
            asked("expect_column_proportion_of_non_null_values_to_be_between", column="n", max_value=0.5),
        ],
    )
    assert [outcome.met for outcome in outcomes] == [False, True, True]


def test_one_bad_question_does_not_spoil_the_others_and_their_order_stays(frame: pd.DataFrame) -> None:
    outcomes = evaluate(frame, [between("nowhere"), between("a"), between("b"), between("a", 1, 3), asked("what_is_this")])
    assert [outcome.met for outcome in outcomes] == [None, False, None, True, None]
    assert dict(outcomes[1].counts or {}) == {"element_count": 4, "unexpected_count": 1, "missing_count": 1}


def test_a_question_cannot_ask_for_values(frame: pd.DataFrame) -> None:
    (outcome,) = evaluate(frame, [between("a", result_format="COMPLETE", catch_exceptions=False)])
    assert outcome.met is False
    assert set(outcome.counts or {}) == {"element_count", "unexpected_count", "missing_count"}


def test_the_frame_and_the_users_own_context_are_left_alone(frame: pd.DataFrame, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    from great_expectations.data_context.data_context import context_factory

    monkeypatch.chdir(tmp_path)
    before, project = frame.copy(deep=True), vars(context_factory.project_manager).copy()
    evaluate(frame, [between("a"), between("b"), asked("expect_table_row_count_to_be_between", min_value=1)] * 5)
    pd.testing.assert_frame_equal(frame, before)
    assert vars(context_factory.project_manager) == project
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def written(folder: Path, content: Any) -> Path:
    (folder / "s.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_a_suite_is_read_as_great_expectations_writes_it(tmp_path: Path) -> None:
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    configuration = ExpectationConfiguration(type="expect_column_values_to_be_between", kwargs={"column": "a", "min_value": 1})
    suite = ExpectationSuite(name="s", expectations=[configuration.to_domain_obj()])
    found = read_suite("s.json", written(tmp_path, suite.to_json_dict()))
    assert [one.type for one in found.expectations] == ["expect_column_values_to_be_between"]
    assert found.expectations[0].kwargs["column"] == "a"
    assert len(found.sha256) == 64


@pytest.mark.parametrize(
    ("content", "said", "state"),
    [
        ({"name": "s", "expectations": []}, "is empty", "missing"),
        ({"name": "s"}, "no list of expectations", "error"),
        ([], "no list of expectations", "error"),
        ("{", "not JSON", "error"),
        ('{"expectations": [NaN]}', "not JSON", "error"),
        ("[" * 100_000, "not JSON", "error"),
        ({"expectations": [{"expectation_type": "expect_x", "kwargs": {}}]}, "Great Expectations 0.x", "error"),
        ({"expectations": [{"type": "expect_x"}, 7]}, "expectation 2 of the suite", "error"),
        (" " * 5_000_000, "larger than", "error"),
    ],
)
def test_what_is_no_suite_is_refused(tmp_path: Path, content: Any, said: str, state: str) -> None:
    with pytest.raises(CannotMeasure, match=said) as refused:
        read_suite("s.json", written(tmp_path, content))
    assert refused.value.state == state
    assert refused.value.fix


@pytest.mark.parametrize(
    ("path", "said"),
    [("absent.json", "is not there"), ("../s.json", "outside the folder"), ("/etc/hostname", "outside the folder"), (".", "is not there")],
)
def test_a_suite_that_is_not_beside_the_system_file_is_refused(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(CannotMeasure, match=said):
        read_suite(path, tmp_path)
    with pytest.raises(CannotMeasure, match="not read from a file"):
        read_suite(path, None)
