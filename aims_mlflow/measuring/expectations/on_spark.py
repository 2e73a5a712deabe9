"""Great Expectations' own Spark engine: expectations about a Spark frame are evaluated over all its rows, where they stand.

The user's frame and session are left as they are: nothing is persisted, no setting is written, no view is made. A missing number is
what it is to every other engine: Spark tells NaN from null, so NaN is asked about as null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.observation import Dataset
from aims_mlflow.system import Expectation

_BY_ORDER = ("expect_column_values_to_be_decreasing", "expect_column_values_to_be_increasing")
_ACROSS_COLUMNS = (
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_to_be_in_set",
    "expect_multicolumn_sum_to_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
)
_LEAVES_MISSING_OUT = ("either_value_is_missing", "any_value_is_missing")


@dataclass(frozen=True)
class OnSpark:
    """A Spark frame that expectations are asked of, and how many rows and missing cells it has."""

    frame: Any
    rows: int
    missing: Mapping[str, int]

    def engine(self) -> Any:
        """Return Great Expectations' engine on the frame, in the frame's own session."""
        from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine

        return SparkDFExecutionEngine(persist=False, spark=self.frame.sparkSession, batch_data_dict={"aims": self._without_nan()})

    def _without_nan(self) -> Any:
        from pyspark.sql import functions as f  # pyright: ignore[reportMissingImports] # an extra
        from pyspark.sql.types import DoubleType, FloatType  # pyright: ignore[reportMissingImports] # an extra

        columns = []
        for field in self.frame.schema.fields:
            if field.name not in self.missing:  # a column of predictions, which is not of the data
                continue
            name = f"`{field.name.replace('`', '``')}`"
            fraction = isinstance(field.dataType, DoubleType | FloatType)
            columns.append(f.nanvl(f.col(name), f.lit(None).cast(field.dataType)).alias(field.name) if fraction else f.col(name))
        return self.frame.select(*columns)

    def refused(self, one: Expectation, columns: list[str]) -> CannotMeasure | None:
        """Return why an expectation about ``columns`` cannot be asked of Spark, where its answer would say something else; else None."""
        if one.type in _BY_ORDER:
            return CannotMeasure(
                f"{one.type} asks about the order of rows, and the rows of a Spark frame have none",
                fix="ask it of the data before they go to Spark, or compare two columns with each other",
            )
        if one.type in _ACROSS_COLUMNS and one.kwargs.get("ignore_row_if") not in _LEAVES_MISSING_OUT:
            empty = [name for name in columns if self.missing.get(name)]
            if empty:
                either = _LEAVES_MISSING_OUT["column_pair" not in one.type]
                return CannotMeasure(
                    f"on Spark, {one.type} takes rows without a value in {', '.join(empty)} for met, and other engines do not",
                    fix=f"add ignore_row_if: {either}, and ask for missing values with expect_column_values_to_not_be_null",
                )
        return None

    def counted(self, column: str) -> tuple[bool | None, dict[str, int]]:
        """Return what a question for missing values of ``column`` would say: it is known already."""
        return None, {"element_count": self.rows, "unexpected_count": self.missing[column]}


def on_spark(dataset: Dataset) -> OnSpark | None:
    """Return the Spark frame of a dataset of which the checks see a sample; None for any other dataset."""
    whole = dataset.whole
    if whole is None or whole.complete or whole.engine != "spark" or dataset.held is None:
        return None
    return OnSpark(dataset.held, whole.rows, whole.missing)
