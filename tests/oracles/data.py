"""What pandas, Great Expectations and Evidently say of frames: every name that quality, overlap and drift write."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api import types


def quality_of(
    frame: pd.DataFrame, name: str, column: str | None, group: str | None, *, positive: Any, groups: Mapping[str, pd.Series[Any]]
) -> float | None:
    """Return a measure of a frame, or of one of its columns, by pandas; None: it is not defined.

    Raises:
        KeyError: no oracle knows the name.
    """
    part = frame if column is None else frame[[column]]
    labels = frame["y"] if "y" in frame else pd.Series(dtype=object)
    known = groups[column][frame[column].notna()] if column in groups else pd.Series(dtype=object)
    whole = {
        "rows": lambda: len(frame),
        "columns": lambda: frame.shape[1],
        "completeness": lambda: part.notna().to_numpy().mean(),
        "missing_cells": lambda: part.isna().to_numpy().sum(),
        "duplicate_rows": lambda: frame.duplicated().sum(),
        "duplicate_share": lambda: frame.duplicated().mean(),
        "all_null_columns": lambda: frame.isna().all().sum(),
        "constant_columns": lambda: sum(frame[c].notna().all() and frame[c].nunique() == 1 for c in frame),
        "missing_labels": lambda: labels.isna().sum(),
        "classes": labels.nunique,
        "minority_share": lambda: labels.value_counts(normalize=True).min(),
        "positive_share": lambda: (labels.dropna() == positive).mean(),
        "groups": known.nunique,
        "smallest_group": lambda: known.value_counts().min(),
        "missing_group": lambda: frame[str(column)].isna().sum(),
        "group_size": lambda: known.value_counts()[str(group)],
    }
    return float(whole[name]())


def great_expectations(frame: pd.DataFrame, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, float]]:
    """Return the counts of Great Expectations' own answers, and 1 or 0 for whether the expectation is met."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own deprecations, and its import's
        import great_expectations as gx
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        context = gx.get_context(mode="ephemeral")
        asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
        batch = asset.add_batch_definition_whole_dataframe("w").get_batch({"dataframe": frame.copy()})
        answers = [batch.validate(ExpectationConfiguration(type=kind, kwargs=dict(kwargs)).to_domain_obj()) for kind, kwargs in asked]
    counts = ("element_count", "unexpected_count", "missing_count")
    return [{"met_share": float(a.success)} | {name: float(a.result[name]) for name in counts if name in a.result} for a in answers]


def overlap_of(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    """Return the measures of two frames of the same columns: how many rows of the second a merge finds in the first."""
    columns = list(first.columns)
    shared = second.merge(first.drop_duplicates(), on=columns, how="left", indicator=True)["_merge"] == "both"
    ordered = [side.sort_values(columns, ignore_index=True) for side in (first, second)]
    return {
        "shared_rows": float(shared.sum()),
        "shared_share": float(shared.mean()),
        "identical": float(ordered[0].equals(ordered[1])),
    }


def evidently(current: pd.DataFrame, reference: pd.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    """Return Evidently's own count and share of drifted columns, and the distance of each column.

    Numbers by the normed Wasserstein distance, the rest by Jensen-Shannon's, both with the threshold 0.1.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import DriftedColumnsCount, ValueDrift

        numeric = [name for name in current if types.is_numeric_dtype(current[name].dtype) and not types.is_bool_dtype(current[name].dtype)]
        others = [str(name) for name in current if name not in numeric]
        definition = DataDefinition(numerical_columns=numeric, categorical_columns=others)
        methods = {**dict.fromkeys(numeric, "wasserstein"), **dict.fromkeys(others, "jensenshannon")}
        count = DriftedColumnsCount(
            columns=list(methods), num_method="wasserstein", cat_method="jensenshannon", num_threshold=0.1, cat_threshold=0.1
        )
        metrics: list[Any] = [count, *(ValueDrift(column=name, method=method, threshold=0.1) for name, method in methods.items())]
        sides = [Dataset.from_pandas(side.copy(), data_definition=definition) for side in (current, reference)]
        told = Report(metrics).run(*sides).dict()["metrics"]
    found = {"drifted_columns": float(told[0]["value"]["count"]), "drifted_columns_share": float(told[0]["value"]["share"])}
    return found, {one["config"]["column"]: float(one["value"]) for one in told[1:]}
