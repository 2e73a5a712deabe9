"""Rows: none, one, not there at all, the same ones twice, in other columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .given import Case, Given
from .spoiling import all_of, on, on_both, put

PREDICTED = ("performance", "fairness", "robustness", "baseline")
"""Everything that is measured on predictions for the test data."""

OF_TEST = ("quality@dataset=test", "characteristics@dataset=test", "personal_data@dataset=test", "provenance.fingerprinted[dataset=test]")
TEST = (*PREDICTED, "drift", "overlap", "leakage", *OF_TEST)
"""Everything that cannot be known without test data."""

OF_TRAIN = ("quality@dataset=train", "characteristics@dataset=train", "personal_data@dataset=train")
TRAIN = ("drift", "overlap", "leakage", *OF_TRAIN, "representativeness", "preparation.fitted_on_other_data")
"""Everything that cannot be known without train data."""


FEW = ("performance", "fairness", "baseline", "robustness.accuracy_drop", "robustness.roc_auc_drop")
"""What has an interval and a minimum of rows: everything measured on predictions but full counts."""


def without(*roles: str) -> Any:
    """Leave roles out."""

    def spoil(given: Given) -> None:
        for role in roles:
            given.frames.pop(role, None)

    return spoil


def same_rows(given: Given) -> None:
    """Test on what was trained on."""
    given.frames["test"] = given.frames["train"].copy()


def shuffled_rows(given: Given) -> None:
    """Test on what was trained on, in another order."""
    given.frames["test"] = given.frames["train"].sample(frac=1, random_state=0).reset_index(drop=True)


def same_object(given: Given) -> None:
    """Give one frame in both roles."""
    given.frames["test"] = given.frames["train"]


def one_shared(given: Given) -> None:
    """Put a single train row among the test rows."""
    given.frames["test"] = pd.concat([given.frames["test"], given.frames["train"].head(1)], ignore_index=True)


def as_floats(given: Given) -> None:
    """Test on the train rows with their whole numbers as floats and their text as categories."""
    given.frames["test"] = given.frames["train"].astype({"y": float, "k": "category", "g": "category"})


def with_a_gap(given: Given) -> None:
    """Test on the train rows, both with the same cells missing."""
    for role in ("train", "test"):
        given.frames[role] = put(
            given.frames["train"], "z", given.frames["train"]["z"].mask(np.arange(len(given.frames["train"])) % 7 == 0)
        )


def near(**changes: Any) -> Any:
    """Test on the train rows, with a little added to a column: a number, or another text, or the other label."""

    def spoil(given: Given) -> None:
        test = given.frames["train"].copy()
        for name, change in changes.items():
            test[name] = change - test[name] if name == "y" else change if isinstance(change, str) else test[name] + change
        given.frames["test"] = test

    return spoil


def in_time(start: str | None) -> Any:
    """Let the test rows begin at another time, or at none."""

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        return put(frame, "when", pd.NaT if start is None else frame["when"] - frame["when"].min() + pd.Timestamp(start))

    return on("test", changed)


CASES = (
    Case("no test rows", on("test", lambda f: f.head(0)), TEST),
    Case("no train rows", on("train", lambda f: f.head(0)), TRAIN),
    Case("no rows at all", on_both(lambda f: f.head(0)), (*TEST, *TRAIN)),
    Case(
        "one test row",
        on("test", lambda f: f.head(1)),
        (*FEW, "drift", "leakage.leaking", "robustness@row_order", "robustness@batch_of_one"),
    ),
    Case(
        "one train row",
        on("train", lambda f: f.head(1)),
        ("drift", "preparation.fitted", "quality.constant_columns[dataset=train]", "leakage.leaking", "representativeness.smallest_ratio"),
    ),
    Case("two test rows, one a class", on("test", lambda f: f.groupby("y").head(1)), (*FEW, "drift")),
    Case("nine test rows", on("test", lambda f: f.head(9)), (*FEW, "drift")),
    Case("no test columns", on("test", lambda f: f[[]]), (*TEST[:-2], "robustness@repeat")),
    Case("no train columns", on("train", lambda f: f[[]]), TRAIN),
    Case("a test frame without rows and columns", on("test", lambda _: pd.DataFrame()), TEST),
    Case("columns without rows or dtypes", on("test", lambda f: pd.DataFrame(columns=list(f.columns))), TEST),
    Case("no test data", without("test"), (*TEST, "provenance.roles_missing")),
    Case("no train data", without("train"), (*TRAIN, "provenance.roles_missing", "lineage.broken_links")),
    Case("no data", without("train", "test"), (*TEST, *TRAIN, "provenance.roles_missing", "lineage.broken_links")),
    Case("the test data are a Series", on("test", lambda f: f["x"]), TEST),
    Case("the test data are an array", on("test", lambda f: f.to_numpy()), TEST),
    Case("the test data are a dict", on("test", lambda f: f.to_dict("list")), TEST),
    Case("the test data are None", on("test", lambda _: None), TEST),
    Case("the train data are a list", on("train", lambda f: f.values.tolist()), TRAIN),
    Case("tested on the train rows", same_rows, ("overlap",)),
    Case("tested on the train frame itself", same_object, ("overlap",)),
    Case("tested on the train rows in another order", shuffled_rows, ("overlap",)),
    Case("tested on the train rows in other dtypes", as_floats, ("overlap",)),
    Case("tested on train rows with gaps", with_a_gap, ("overlap",)),
    Case("a single train row in the test data", one_shared, ("overlap.shared_rows",)),
    Case("tested on part of the train rows", all_of(same_rows, on("test", lambda f: f.head(100))), ("overlap.shared_rows",)),
    Case("test rows twice, from the train rows", all_of(same_rows, on("test", lambda f: pd.concat([f, f]))), ("overlap.shared_rows",)),
    Case("tested on train rows with a trace of noise", near(z=1e-9), ("leakage.near_duplicate_rows",)),
    Case("tested on train rows with another note", near(note="edited"), ("leakage.near_duplicate_rows",)),
    Case("tested on train rows with the other label", near(y=1), ("leakage.conflicting_label_rows",)),
    Case("test rows from before the train rows", in_time("2023-01-01"), ("leakage.out_of_order_rows",)),
    Case("test rows from among the train rows", in_time("2024-01-02"), ("leakage.out_of_order_rows",)),
    Case("rows from after the run", in_time("2030-01-01"), ("characteristics.currentness_days[dataset=test]",)),
    Case("test rows without a time", in_time(None), ("leakage.out_of_order_rows", "characteristics.currentness_days[dataset=test]")),
    Case(
        "times as text that is none",
        on_both(lambda f: put(f, "when", "soon")),
        ("leakage.out_of_order_rows", "characteristics.currentness"),
    ),
    Case(
        "no column of times",
        on("test", lambda f: f.drop(columns="when")),
        ("leakage.out_of_order_rows", "characteristics.currentness_days[dataset=test]"),
    ),
    Case(
        "every test row the same",
        on("test", lambda f: f.iloc[[0] * len(f)].reset_index(drop=True)),
        ("performance.roc_auc_score", "fairness"),
    ),
    Case(
        "every train row the same",
        on("train", lambda f: f.iloc[[0] * len(f)]),
        ("quality.constant_columns[dataset=train]", "preparation.fitted"),
    ),
    Case(
        "one row a thousand times, with a second class", on("test", lambda f: f.groupby("y").head(1).iloc[[0] * 999 + [1]]), ("fairness",)
    ),
)
