"""Every measure of quality, overlap and drift on the real data sets against pandas, Great Expectations and Evidently."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow import registry
from aims_mlflow.evidence import CheckResult
from aims_mlflow.system import Expectation, expectation_id

from .cases import CASES, Case
from .data import evidently, great_expectations, overlap_of, quality_of
from .test_fairness import same

EXPECTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_be_between", {"column": "credit_amount", "min_value": 500, "max_value": 9000}),
    ("expect_column_values_to_be_between", {"column": "credit_amount", "min_value": 500, "max_value": 9000, "mostly": 0.5}),
    ("expect_column_values_to_not_be_null", {"column": "credit_amount"}),
    ("expect_column_values_to_be_in_set", {"column": "housing", "value_set": ["A152"]}),
    ("expect_column_values_to_match_regex", {"column": "purpose", "regex": "^A4"}),
    ("expect_column_values_to_be_unique", {"column": "duration_in_month"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["credit_amount", "duration_in_month"]}),
    ("expect_table_row_count_to_be_between", {"min_value": 1000}),
]
SUMS = ("expectations_evaluated", "expectations_failed")
"""Ours, no library has them for these: counts of a suite's answers, compared with Great Expectations' success by success."""


def damaged(case: Case) -> pd.DataFrame:
    """The German credit data with gaps, duplicates, an empty column and a constant one."""
    frame = pd.concat([case.test, case.test[:30]], ignore_index=True)
    frame["credit_amount"] = frame["credit_amount"].astype("Int64")
    frame.loc[::7, ["purpose", "credit_amount"]] = None
    frame["y"] = frame["y"].astype(object)
    frame.loc[::11, "y"] = None
    frame["sex"] = frame["sex"].mask(frame.index % 13 == 0)
    return frame.assign(nothing=np.nan, same="x")


def at(results: tuple[CheckResult, ...], **scope: str) -> CheckResult:
    return next(result for result in results if result.scope == scope)


def test_quality_of_nine_data_sets_is_pandas_and_great_expectations() -> None:
    compared: set[str] = set()
    for make in CASES.values():
        case = make()
        frames = {"train": case.train, "test": damaged(case) if case.name == "german credit" else case.test}
        asked: list[dict[str, Any]] = [{"check": "quality", "metric": "completeness", "column": case.features[0], "min": 0}]
        if case.name == "german credit":
            written = [Expectation(type=kind, kwargs=kwargs) for kind, kwargs in EXPECTATIONS]
            asked += [{"check": "quality", "dataset": "test", "expectation": {"type": e.type, "kwargs": e.kwargs}} for e in written]
            outcomes = dict(zip(map(expectation_id, written), great_expectations(frames["test"], EXPECTATIONS), strict=True))
        for result in registry.get("quality").run(case.observation(asked, **frames)):
            assert result.problem is None, (case.name, result.scope, result.problem)
            role, column = result.scope["dataset"], result.scope.get("column")
            for measure in result.measures:
                if "expectation" in result.scope:
                    expected: float | None = outcomes[result.scope["expectation"]][measure.name]
                else:
                    groups = case.groups_in(frames[role])
                    expected = quality_of(frames[role], measure.name, column, measure.group, positive=1, groups=groups)
                compared.add(measure.name)
                assert same(measure.value, expected), (case.name, result.scope, measure.name, measure.group)
    assert compared == set(registry.get("quality").metric_names()) - set(SUMS)


def test_a_suite_counts_what_great_expectations_answers(tmp_path: Path) -> None:
    case = CASES["german"]()
    frame = damaged(case)
    suite = {"name": "s", "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in EXPECTATIONS]}
    (tmp_path / "s.json").write_text(json.dumps(suite))
    seen = case.observation([{"check": "quality", "dataset": "test", "suite": "s.json"}], test=frame)
    found = at(registry.get("quality").run(replace(seen, system=seen.system.at(tmp_path))), dataset="test", suite="s.json")
    met = [answer["met_share"] for answer in great_expectations(frame, EXPECTATIONS)]
    assert 0 < sum(met) < len(met)
    expected = {"met_share": sum(met) / len(met), "expectations_evaluated": len(met), "expectations_failed": met.count(0.0)}
    assert {m.name: m.value for m in found.measures} == expected


def test_overlap_of_nine_data_sets_is_a_merge() -> None:
    compared: set[str] = set()
    shared = 0.0
    for make in CASES.values():
        case = make()
        leaked = pd.concat([case.test, case.train[:25], case.train[5:10]], ignore_index=True)
        for test in (case.test, leaked, case.train.sample(frac=1, random_state=0)):
            (found,) = registry.get("overlap").run(case.observation(test=test))
            merged = overlap_of(case.train, test)
            shared += merged["shared_rows"]
            for measure in found.measures:
                compared.add(measure.name)
                assert same(measure.value, merged[measure.name]), (case.name, measure.name)
    assert shared > 1_000
    assert compared == set(registry.get("overlap").metric_names())


def test_drift_of_nine_data_sets_is_evidentlys() -> None:
    """To 1e-9: Evidently's Wasserstein distance adds up other partial sums than ours, which come from counts."""
    compared: set[str] = set()
    drifted = 0.0
    for make in CASES.values():
        case = make()
        if case.name == "german credit":
            frames = {"train": case.train.assign(same="x"), "test": damaged(case).drop(columns="nothing")}
            frames["test"]["y"] = frames["test"]["y"].astype(float)
        else:
            frames = {"train": case.train, "test": case.test.assign(**{case.features[0]: case.test[case.features[0]] * 1.3})}
        results = registry.get("drift").run(case.observation(**frames))
        counts, distances = evidently(frames["test"], frames["train"])
        drifted += counts["drifted_columns"]
        known = min(int(frame[name].notna().sum()) for frame in frames.values() for name in frame)
        for result in results:
            assert result.problem is None, (case.name, result.problem)
            for measure in result.measures:
                compared.add(measure.name)
                ours = {"columns_evaluated": float(len(distances)), "rows": float(known)}
                expected = distances[result.scope["column"]] if measure.name == "distance" else {**counts, **ours}[measure.name]
                assert measure.value == pytest.approx(expected, rel=1e-9, abs=1e-9), (case.name, result.scope, measure.name)
    assert drifted > 5
    assert compared == set(registry.get("drift").metric_names())
