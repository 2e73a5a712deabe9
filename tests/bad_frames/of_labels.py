"""Labels: missing, of another type, all alike, too many, not single values, or written a little differently."""

# ruff: noqa: ARG005 - functions in tables take arguments for their form

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .given import CANARY, Case, Spoil
from .of_rows import PREDICTED
from .spoiling import all_of, declares, filled, on, on_both, put, says_instead

CURVES = ("performance.roc_auc_score", "performance.balanced_accuracy_score", "performance.matthews_corrcoef")
"""Measures that need both classes."""


def labels(change: Callable[[Any], Any], *, test_only: bool = False) -> Spoil:
    """Write each label differently."""

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        return put(frame, "y", pd.Series([change(one) for one in frame["y"].tolist()], index=frame.index, dtype=object))

    return on("test", changed) if test_only else on_both(changed)


def column(values: Callable[[pd.DataFrame], Any], role: str = "") -> Spoil:
    """Put another target in."""

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        return put(frame, "y", values(frame))

    return on(role, changed) if role else on_both(changed)


def words(no: str, yes: str, declared: Any) -> Spoil:
    """Use text labels, in the data and the model's answers, with another spelling declared."""
    both = np.array([no, yes], dtype=object)
    return all_of(labels(lambda one: both[one]), says_instead(lambda said, _: both[said]), declares(task_positive_label=declared))


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "prét") for form in ("NFC", "NFD"))
GAPS = (
    "performance",
    "fairness",
    "robustness",
    "baseline",
    "quality.missing_labels[dataset=test]",
    "quality@not_be_null:y@dataset=test",
    "leakage.leaking",
)

CASES = (
    Case("a target of NaN", column(lambda f: np.nan, "test"), (*PREDICTED, "quality@not_be_null:y@dataset=test", "drift.drifted")),
    Case(
        "a train target of NaN",
        column(lambda f: np.nan, "train"),
        ("quality@not_be_null:y@dataset=train", "drift.drifted", "leakage.leaking"),
    ),
    Case("a NaN in the target", column(lambda f: f["y"].where(f.index != 3), "test"), GAPS),
    Case("a None among the labels", labels(lambda one: None if one else one, test_only=True), GAPS),
    Case("an NA in a nullable target", column(lambda f: f["y"].astype("Int64").where(f.index != 3), "test"), GAPS),
    Case("a target of None", labels(lambda _: None), PREDICTED),
    Case("only negatives", column(lambda f: 0, "test"), (*PREDICTED, *CURVES)),
    Case(
        "only positives",
        column(lambda f: 1, "test"),
        (*CURVES, "performance.matthews", "fairness.equalized_odds", "fairness.false_positive", "robustness.roc_auc_drop"),
    ),
    Case("only positives, in train too", column(lambda f: 1), (*CURVES, "fairness.equalized_odds", "quality.constant_columns")),
    Case(
        "two positives", column(lambda f: (f.index < 2).astype(int), "test"), (*CURVES, "performance.recall", "fairness.equal_opportunity")
    ),
    Case("labels as text, declared as a number", labels(str), PREDICTED),
    Case("labels as numbers, declared as text", declares(task_positive_label="1"), PREDICTED),
    Case("labels as text with a fraction", labels(lambda one: f"{one}.0"), PREDICTED),
    Case("true and false, declared as text", all_of(labels(bool), declares(task_positive_label="True")), PREDICTED),
    Case("true and false as text", labels(lambda one: str(bool(one))), PREDICTED),
    Case("text labels in test only", labels(str, test_only=True), (*PREDICTED, "drift.drifted")),
    Case("bytes", labels(lambda one: str(one).encode()), PREDICTED),
    Case("lists", labels(lambda one: [one]), PREDICTED),
    Case("tuples", labels(lambda one: (one,)), PREDICTED),
    Case("dicts", labels(lambda one: {"label": one}), PREDICTED),
    Case("sets", labels(lambda one: {one}), PREDICTED),
    Case("arrays", labels(lambda one: np.array([one])), PREDICTED),
    Case("frames in cells", on_both(filled("y", lambda at: pd.DataFrame({"a": [at % 2]}) if at % 50 == 0 else at % 2)), PREDICTED),
    Case("functions in cells", labels(lambda one: lambda: one), PREDICTED),
    Case("complex labels", column(lambda f: f["y"].astype(complex)), PREDICTED),
    Case("decimal labels", labels(Decimal), PREDICTED),
    Case("infinite labels", column(lambda f: f["y"].replace({0: np.inf}).astype(float)), PREDICTED),
    Case("labels of both signs of infinity", column(lambda f: np.where(f["y"] == 1, np.inf, -np.inf)), PREDICTED),
    Case("dates as labels", column(lambda f: pd.to_datetime(f["y"], unit="D")), PREDICTED),
    Case("durations as labels", column(lambda f: pd.to_timedelta(f["y"], unit="D")), PREDICTED),
    Case("periods as labels", column(lambda f: pd.PeriodIndex(pd.to_datetime(f["y"], unit="D"), freq="D")), PREDICTED),
    Case("intervals as labels", column(lambda f: pd.arrays.IntervalArray.from_arrays(f["y"], f["y"] + 1)), PREDICTED),
    Case("numbers and text mixed", on_both(filled("y", lambda at: 1 if at % 2 else "0")), PREDICTED),
    Case("a number and the same as text", on_both(filled("y", lambda at: [0, 1, "1"][at % 3])), PREDICTED),
    Case("three labels", column(lambda f: f.index % 3), PREDICTED),
    Case("a label a row", column(lambda f: f.index), PREDICTED),
    Case("a continuous target", column(lambda f: f["x"]), PREDICTED),
    Case("labels nobody declared", labels(lambda one: f"{CANARY}-{one}"), PREDICTED),
    Case("other numbers", column(lambda f: f["y"] + 41), PREDICTED),
    Case("numbers beyond 64 bits", labels(lambda one: 2**70 + one), PREDICTED),
    Case("labels close to one", column(lambda f: f["y"] * (1 + 1e-9)), PREDICTED),
    Case("empty text as a label", words("", "yes", 1), PREDICTED),
    Case("a blank behind the label", words("no", "yes ", "yes"), PREDICTED),
    Case(
        "a blank behind some labels",
        all_of(words("no", "yes", "yes"), on("test", filled("y", lambda at: ["no", "yes", "yes "][at % 3]))),
        PREDICTED,
    ),
    Case("a capital letter", words("no", "Yes", "yes"), PREDICTED),
    Case("a lookalike letter", words("no", "y\u0435s", "yes"), PREDICTED),
    Case("another Unicode form", words("non", DECOMPOSED, COMPOSED), PREDICTED),
    Case("a zero-width space", words("no", "yes\u200b", "yes"), PREDICTED),
    Case("no target in test", on("test", lambda f: f.drop(columns="y")), (*PREDICTED, "drift.drifted", "overlap")),
    Case(
        "no target in train",
        on("train", lambda f: f.drop(columns="y")),
        ("drift.drifted", "overlap", "leakage", "quality@not_be_null:y@dataset=train"),
    ),
    Case(
        "no target at all",
        on_both(lambda f: f.drop(columns="y")),
        (*PREDICTED, "quality@not_be_null:y", "leakage.leaking", "leakage.conflicting"),
    ),
    Case("a target in capitals", on_both(lambda f: f.rename(columns={"y": "Y"})), PREDICTED),
    # multiclass
    Case("one class only, multiclass", column(lambda f: 0, "test"), (*CURVES[:2], "fairness.true_positive"), "multiclass"),
    Case(
        "classes that the model does not know",
        column(lambda f: f["y"] + 10, "test"),
        ("performance", "fairness", "baseline", "leakage.leaking"),
        "multiclass",
    ),
    Case("classes as text, multiclass", labels(str), PREDICTED, "multiclass"),
    Case("classes as text in test only", labels(str, test_only=True), (*PREDICTED, "drift.drifted"), "multiclass"),
    Case("numbers and text as classes", on_both(filled("y", lambda at: [0, "1", 2][at % 3])), PREDICTED, "multiclass"),
    Case("a class a row", column(lambda f: f.index), (*CURVES[:2], "fairness", "performance.log_loss"), "multiclass"),
    Case("lists as classes", labels(lambda one: [one, one]), PREDICTED, "multiclass"),
    Case("NaN among the classes", column(lambda f: f["y"].where(f.index % 5 != 0), "test"), GAPS, "multiclass"),
    # regression
    Case("a text target, regression", labels(str), PREDICTED, "regression"),
    Case("numbers as text, a few", on("test", filled("y", lambda at: "1.5" if at == 3 else 1.5)), PREDICTED, "regression"),
    Case("an infinite target", column(lambda f: f["y"].where(f.index != 3, np.inf), "test"), PREDICTED, "regression"),
    Case("a missing target value", column(lambda f: f["y"].where(f.index != 3), "test"), GAPS, "regression"),
    Case("a constant target", column(lambda f: 1.0, "test"), ("performance.r2_score", "robustness.r2_drop"), "regression"),
    Case("a complex target", column(lambda f: f["y"] * 1j), PREDICTED, "regression"),
    Case("a target of dates", column(lambda f: f["when"]), PREDICTED, "regression"),
    Case("a target of durations", column(lambda f: f["when"] - f["when"].min()), PREDICTED, "regression"),
    Case("a target of categories", column(lambda f: f["k"].astype("category")), PREDICTED, "regression"),
    Case("a target of lists", labels(lambda one: [one]), PREDICTED, "regression"),
    Case(
        "a target whose square overflows",
        column(lambda f: f["y"] * 1e200),
        ("performance.root_mean_squared", "performance.r2"),
        "regression",
    ),
)
