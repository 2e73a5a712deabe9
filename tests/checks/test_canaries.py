"""No raw value leaves the frame: planted names, numbers, categories and dates are in no result of the data checks."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from aims_mlflow.registry import get

NAME, CATEGORY, GROUP, DATE = "Barnabas Quillfeather", "Zorglub", "Tromblon", "1877-03-04"
NUMBER, FLOAT = 918_273_645, 31337.4242
CANARIES = (NAME, "Quillfeather", CATEGORY, GROUP, DATE, "1877", str(NUMBER), "918,273,645", "9.18273645", "31337.4242")


def planted(frame: Any) -> Any:
    frame = frame.astype({"duration_in_month": float}).reset_index(drop=True)
    frame["person"] = ["Jane Doe"] * (len(frame) - 1) + [NAME]
    frame["born"] = pd.to_datetime([*["1970-01-01"] * (len(frame) - 1), DATE])
    frame["born_text"] = [*["1970-01-01"] * (len(frame) - 1), DATE]
    frame["sex"] = frame["sex"].astype(object)
    last = len(frame) - 1
    frame.loc[last, ["credit_amount", "duration_in_month", "purpose", "sex"]] = [NUMBER, FLOAT, CATEGORY, GROUP]
    frame["kind"] = frame["purpose"].astype("category")
    return frame


def asked(folder: Path) -> tuple[dict[str, Any], ...]:
    kinds = [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "credit_amount", "max_value": NUMBER - 1}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "credit_amount", "max_value": 5}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "purpose", "value_set": [CATEGORY]}},
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "purpose", "value_set": ["A40"]}},
        {"type": "expect_column_most_common_value_to_be_in_set", "kwargs": {"column": "person", "value_set": [NAME]}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "purpose", "max_value": NUMBER}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "person", "regex": "Quillfeather("}},
        {"type": "expect_column_values_to_be_betwixt", "kwargs": {"column": "person", "value": NAME}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "purpose", "set": CATEGORY}},
    ]
    (folder / "s.json").write_text(json.dumps({"name": NAME, "expectations": kinds, "meta": {"note": NAME}}))
    return (
        *({"check": "quality", "expectation": kind} for kind in kinds),
        {"check": "quality", "suite": "s.json"},
        {"check": "quality", "column": "purpose", "metric": "completeness", "min": 1},
    )


@pytest.mark.parametrize("check", ["provenance", "quality", "overlap", "preparation", "drift"])
def test_no_planted_value_is_in_any_result(seen_of: Any, german: Any, tmp_path: Path, check: str, caplog: Any) -> None:
    train, test = planted(german[:600]), planted(german[500:])
    words = ColumnTransformer(
        [
            ("one_hot", OneHotEncoder(handle_unknown="ignore"), ["purpose", "person"]),
            ("ordinal", OrdinalEncoder(categories=[sorted([*german["purpose"].unique().tolist(), CATEGORY])]), ["kind"]),
            ("scale", StandardScaler(), ["credit_amount", "duration_in_month"]),
        ]
    )
    features = ["purpose", "person", "kind", "credit_amount", "duration_in_month"]
    model = Pipeline([("words", words), ("model", LogisticRegression(max_iter=3000))]).fit(train[features], train["credit_risk"])
    seen = seen_of(frames={"train": train, "test": test}, requirements=asked(tmp_path), folder=tmp_path, estimator=model)
    with caplog.at_level(logging.CRITICAL):
        found = get(check).run(seen)
    written = json.dumps([result.model_dump(mode="json") for result in found], ensure_ascii=False)
    assert len(found) > 0
    assert any(result.measures for result in found)
    assert [canary for canary in CANARIES if canary in written] == []
