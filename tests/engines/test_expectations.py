"""Great Expectations on its Spark engine: over all rows, with the answers that pandas gives, and an error where Spark would say another."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from aims_mlflow import registry
from aims_mlflow.capture.intake import Intake
from aims_mlflow.engines.restating import ON_A_SAMPLE, restated
from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult
from aims_mlflow.measuring.expectations import asked
from aims_mlflow.measuring.expectations.on_spark import OnSpark
from aims_mlflow.observation import Code, Dataset, Observation, RunFacts
from aims_mlflow.settings import SAMPLE_ROWS
from aims_mlflow.system import Expectation, Requirement, System, expectation_id

from .conftest import on

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # the library's own

ROWS = 600
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def one(type_: str, /, **kwargs: Any) -> Expectation:
    return Expectation(type=type_, kwargs=kwargs)


ALIKE: dict[str, Expectation] = {
    "missing numbers, NaN too": one("expect_column_values_to_not_be_null", column="fraction"),
    "enough are there": one("expect_column_values_to_not_be_null", column="fraction", mostly=0.9),
    "a range, failed": one("expect_column_values_to_be_between", column="number", min_value=0, max_value=50),
    "a range, met": one("expect_column_values_to_be_between", column="number", min_value=0, max_value=96),
    "a set, failed by one row": one("expect_column_values_to_be_in_set", column="text", value_set=["a", "b", "cc"]),
    "a pattern": one("expect_column_values_to_match_regex", column="text", regex="^[abc]+$", mostly=0.6),
    "lengths": one("expect_column_value_lengths_to_be_between", column="text", max_value=1),
    "no value twice": one("expect_column_values_to_be_unique", column="id"),
    "a mean": one("expect_column_mean_to_be_between", column="fraction", min_value=0, max_value=200),
    "a mean, failed": one("expect_column_mean_to_be_between", column="fraction", max_value=1),
    "a maximum": one("expect_column_max_to_be_between", column="number", max_value=95),
    "a median": one("expect_column_median_to_be_between", column="number", min_value=40, max_value=55),
    "how many rows": one("expect_table_row_count_to_equal", value=ROWS),
    "how many rows, failed": one("expect_table_row_count_to_be_between", max_value=ROWS - 1),
    "how many values": one("expect_column_unique_value_count_to_be_between", column="text", min_value=4, max_value=4),
    "some rows": one(
        "expect_column_values_to_be_between",
        column="number",
        max_value=50,
        row_condition='col("text")=="a"',
        condition_parser="great_expectations",
    ),
    "no such rows": one(
        "expect_column_mean_to_be_between",
        column="number",
        max_value=50,
        row_condition='col("text")=="x"',
        condition_parser="great_expectations",
    ),
    "nothing but missing": one("expect_column_mean_to_be_between", column="empty", max_value=50),
    "two columns": one(
        "expect_column_pair_values_a_to_be_greater_than_b",
        column_A="id",
        column_B="fraction",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    "a dot in a name": one("expect_column_values_to_be_between", column="a.b", max_value=3),
    "a column that is not there": one("expect_column_to_exist", column="nowhere"),
    "values of one that is not there": one("expect_column_values_to_not_be_null", column="nowhere"),
    "SQL": one("unexpected_rows_expectation", unexpected_rows_query="select 1"),
}
ONLY_PANDAS: dict[str, tuple[Expectation, str]] = {
    "a type of pandas": (one("expect_column_values_to_be_of_type", column="text", type_="str"), "could not evaluate"),
    "an order": (one("expect_column_values_to_be_increasing", column="id"), "the rows of a Spark frame have none"),
    "a missing one of two": (
        one("expect_column_pair_values_a_to_be_greater_than_b", column_A="id", column_B="fraction", or_equal=True),
        "takes rows without a value in fraction for met",
    ),
}


def table() -> pa.Table:
    """One row of the last ones breaks what the others keep: a sample of half of them need not show it."""
    at = range(ROWS)
    columns = {
        "number": pa.array([None if k % 50 == 0 else k % 97 for k in at]),
        "fraction": pa.array([float("nan") if k % 40 == 3 else k * 0.5 for k in at]),
        "text": pa.array(["dd" if k == ROWS - 7 else ["a", "b", "cc"][k % 3] for k in at]),
        "id": pa.array(at),
        "a.b": pa.array([k % 5 for k in at]),
        "empty": pa.array([None] * ROWS, pa.float64()),
        "label": pa.array([k % 2 for k in at]),
    }
    return pa.table(columns)


def system(folder: Path) -> System:
    suite = {"name": "all", "expectations": [{"type": e.type, "kwargs": e.kwargs} for e in list(ALIKE.values())[:6]]}
    (folder / "suite.json").write_text(json.dumps(suite))
    every = [*ALIKE.values(), *(e for e, _ in ONLY_PANDAS.values())]
    asks = [Requirement(check="quality", dataset="train", expectation=e) for e in every]
    content = {
        "version": 1,
        "system": {"id": "counted"},
        "task": {"kind": "binary_classification", "target": "label", "positive_label": 1},
        "data": {"roles": {"train": "train"}},
    }
    made = System.model_validate(content)
    suites = [Requirement(check="quality", dataset="train", suite="suite.json")]
    return made.model_copy(update={"requirements": (*asks, *suites)}).at(folder)


def taken(declared: System, frame: Any) -> Dataset:
    intake = Intake(declared)
    intake.data(frame, "train")
    return intake._seen["train"].dataset


def found(declared: System, frame: Any) -> dict[str, CheckResult]:
    return results(declared, taken(declared, frame))


def results(declared: System, dataset: Dataset) -> dict[str, CheckResult]:
    seen = Observation(declared, {"train": dataset}, RunFacts("run", AT, Code("unknown")))
    wholes = {} if dataset.whole is None else {"train": dataset.whole}
    every = [restated(r, wholes, declared) for name in ("quality", "characteristics") for r in registry.get(name).run(seen)]
    return {r.check if r.check != "quality" else r.scope.get("expectation", r.scope.get("suite", "")): r for r in every}


class Both:
    """The same questions about the same rows, on pandas and on Spark; and what the session was before and after."""

    def __init__(self, folder: Path, spark: Any) -> None:
        self.system = system(folder)
        frame = on("spark", table(), folder, spark)
        before = self.state(spark, frame)
        jobs = spark.sparkContext.statusTracker().getJobIdsForGroup
        self.on_pandas, started = found(self.system, table().to_pandas()), len(jobs(None))
        dataset = taken(self.system, frame)
        self.jobs_to_take = len(jobs(None)) - started
        self.on_spark = results(self.system, dataset)
        self.changed = self.state(spark, frame) != before

    @staticmethod
    def state(spark: Any, frame: Any) -> tuple[Any, ...]:
        conf = {row["key"]: row["value"] for row in spark.sql("set").collect()}
        plan = frame._jdf.queryExecution().analyzed().toString()
        return conf, plan, frame.is_cached, spark.sparkContext._jsc.getPersistentRDDs().size(), spark.catalog.listTables()


@pytest.fixture(scope="module")
def both(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SAMPLE_ROWS.name, "300")
        yield Both(tmp_path_factory.mktemp("expectations"), spark)


@pytest.mark.parametrize("name", list(ALIKE))
def test_an_expectation_has_the_answer_of_pandas(name: str, both: Both) -> None:
    ours, theirs = (side[expectation_id(ALIKE[name])] for side in (both.on_pandas, both.on_spark))
    assert theirs.problem == ours.problem
    assert theirs.measures == ours.measures  # exact: counts, and no word of a sample
    assert theirs.notes == ours.notes
    assert "sample" not in theirs.facts
    assert theirs.facts[OVER_ALL_ROWS] == [m.name for m in ours.measures]


@pytest.mark.parametrize("name", list(ONLY_PANDAS))
def test_what_spark_would_answer_otherwise_is_an_error(name: str, both: Both) -> None:
    expectation, reason = ONLY_PANDAS[name]
    assert both.on_pandas[expectation_id(expectation)].problem is None
    result = both.on_spark[expectation_id(expectation)]
    assert result.problem is not None
    assert result.problem.state == "error"
    assert reason in result.problem.reason
    assert result.measures == result.notes == ()


def test_a_suite_is_summed_up_over_all_rows(both: Both) -> None:
    ours, theirs = both.on_pandas["suite.json"], both.on_spark["suite.json"]
    assert theirs.measures == ours.measures
    assert theirs.facts["expectations"] == ours.facts["expectations"]
    failed = theirs.measure("expectations_failed")
    assert failed is not None
    assert (failed.value, failed.exact) == (3, True)
    assert not any("sample" in note for note in theirs.notes)


def test_rules_by_characteristic_are_of_all_rows_and_the_rest_is_not(both: Both) -> None:
    theirs = both.on_spark["characteristics"]
    rules = [m for m in theirs.measures if m.name.endswith("_rules_met") and m.value is not None]
    assert rules
    assert [(m.name, m.value, m.exact) for m in rules] == [
        (m.name, m.value, True) for m in both.on_pandas["characteristics"].measures if m.name in {one.name for one in rules}
    ]
    diversity = theirs.measure("diversity")
    assert diversity is not None
    assert diversity.ci_method == ON_A_SAMPLE
    assert any("a sample of" in note for note in theirs.notes)


def test_frame_and_session_are_left_as_they_were(both: Both) -> None:
    assert not both.changed
    assert both.jobs_to_take <= 10


def test_a_session_that_is_gone_is_an_error() -> None:
    class Gone:
        """Stands for a frame whose session was stopped: whatever is asked of it raises."""

        @property
        def schema(self) -> Any:
            raise ConnectionRefusedError("a secret value")

        sparkSession = None  # noqa: N815 - Spark's name

    with pytest.raises(CannotMeasure, match=r"could not ask Spark \(ConnectionRefusedError\)"):
        asked._evaluated(table().to_pandas(), [ALIKE["a range, met"]], OnSpark(Gone(), ROWS, {"number": 12}))
