"""Columns: not there, twice, of names that are none, of dtypes that few expect, of one value or none."""

# ruff: noqa: ARG005 - functions in tables take arguments for their form

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .given import CANARY, Case, Given, Spoil, numbers
from .of_rows import PREDICTED, TEST, TRAIN
from .spoiling import all_of, asks, declares, filled, on, on_both, put

REFUSED = (*TEST, *TRAIN)
EVERYWHERE = ("drift.drifted", "overlap")


def feature(values: Callable[[pd.DataFrame], Any], role: str = "", name: str = "x") -> Spoil:
    """Put another feature column in."""

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        return put(frame, name, values(frame))

    return on(role, changed) if role else on_both(changed)


def named(**names: Any) -> Spoil:
    """Rename columns in both frames."""
    return on_both(lambda frame: frame.rename(columns=names))


def reads(name: str) -> Spoil:
    """Rename the feature x, and let the model read it by that name."""
    task_answer = asks(
        predict=lambda frame: (numbers(frame[name]) > 0).astype(int),
        predict_proba=lambda frame: np.column_stack([numbers(frame[name]) <= 0, numbers(frame[name]) > 0]).astype(float),
        features=(name, "z", "k"),
    )
    return all_of(named(x=name), task_answer)


def cells(of: Callable[[int], Any], name: str = "x") -> Spoil:
    """Fill a column of both frames with objects."""
    return on_both(filled(name, of))


def with_names(*names: Any) -> Spoil:
    """Name the first columns otherwise, whatever is a name."""

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        made = frame.copy()
        made.columns = pd.Index([*names, *frame.columns[len(names) :]], dtype=object)
        return made

    return on_both(changed)


def levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the columns a second level."""
    made = frame.copy()
    made.columns = pd.MultiIndex.from_product([["a"], frame.columns])
    return made


def mails(given: Given) -> None:
    """Put mail addresses into both frames, and declare that the data are not personal."""
    on_both(filled("note", lambda at: f"{CANARY}.{at}@example.org"))(given)
    given.declared["data"]["sources"]["train"]["personal_data"] = False


ZONES = ("UTC", "Asia/Tokyo")
WORDS = ("self", "columns", "axis", "index", "frame", "role", "subset", "keys", "name", "level_0", "predictions on test", "c0")

CASES = (
    Case(
        "a feature missing in test",
        on("test", lambda f: f.drop(columns="x")),
        (*PREDICTED, *EVERYWHERE, "quality@not_be_null:x@dataset=test"),
    ),
    Case(
        "a feature missing in train",
        on("train", lambda f: f.drop(columns="x")),
        (*EVERYWHERE, "quality@not_be_null:x@dataset=train", "preparation.fitted"),
    ),
    Case(
        "a feature missing in both",
        on_both(lambda f: f.drop(columns="x")),
        (*PREDICTED, "quality@not_be_null:x", "drift.distance[column=x]", "preparation.fitted"),
    ),
    Case("more columns in test", on("test", lambda f: put(f, "more", 1)), EVERYWHERE),
    Case("entirely other columns in test", on("test", lambda f: f.rename(columns=str.upper)), (*PREDICTED, *EVERYWHERE)),
    Case("columns in another order", on("test", lambda f: f[f.columns[::-1]]), ()),
    Case("a constant column", feature(lambda f: 1.0, name="z"), ("quality.constant_columns",)),
    Case("a constant text column", feature(lambda f: "red", name="k"), ("quality.constant_columns",)),
    Case(
        "every feature constant",
        all_of(feature(lambda f: 1.0), feature(lambda f: 1.0, name="z"), feature(lambda f: "red", name="k")),
        ("quality.constant_columns", "robustness@numeric_noise"),
    ),
    Case(
        "a column of NaN",
        feature(lambda f: np.nan),
        ("quality.all_null_columns", "drift.drifted", "drift.distance[column=x]", "quality@not_be_null:x"),
    ),
    Case(
        "a column of NaN in test",
        feature(lambda f: np.nan, "test"),
        ("quality.all_null_columns[dataset=test]", "drift.drifted", "drift.distance[column=x]"),
    ),
    Case("a column of None", cells(lambda _: None), ("quality.all_null_columns", "drift.distance[column=x]")),
    Case(
        "a column of NA",
        feature(lambda f: pd.array([pd.NA] * len(f), dtype="Int64")),
        ("quality.all_null_columns", "drift.distance[column=x]"),
    ),
    Case("a column of NaT", feature(lambda f: pd.NaT), ("quality.all_null_columns", "drift.distance[column=x]")),
    Case("infinities", feature(lambda f: f["x"].where(f.index % 2 == 0, np.inf)), ()),
    Case("infinities only", feature(lambda f: np.inf), ("drift.distance[column=x]", "drift.drifted", "quality.constant_columns")),
    Case(
        "infinities of both signs only",
        feature(lambda f: np.where(f.index % 2, np.inf, -np.inf)),
        ("drift.distance[column=x]", "drift.drifted"),
    ),
    Case("infinities in test only", feature(lambda f: np.inf, "test"), ("drift.distance[column=x]", "drift.drifted")),
    Case("floats that overflow when squared", feature(lambda f: f["x"] * 1e200), ()),
    Case("floats near the largest", feature(lambda f: np.sign(f["x"]) * 1.7e308), ()),
    Case("complex features", feature(lambda f: f["x"] * 1j), ("drift.distance[column=x]",)),
    Case("decimal features", cells(lambda at: Decimal(at) / 7), ()),
    Case("numbers and text", cells(lambda at: at if at % 2 else str(at)), ("drift.distance[column=x]",)),
    Case("numbers in train, text in test", feature(lambda f: f["x"].astype(str), "test"), ("drift.distance[column=x]", "drift.drifted")),
    Case("lists as features", cells(lambda at: [at, at]), ("drift.distance[column=x]",)),
    Case("lists of uneven length", cells(lambda at: [at] * (at % 3)), ("drift.distance[column=x]",)),
    Case("dicts as features", cells(lambda at: {"a": at}), ("drift.distance[column=x]",)),
    Case("sets as features", cells(lambda at: {at}), REFUSED),
    Case("bytes as features", cells(lambda at: bytes([at % 256])), ("drift.distance[column=x]",)),
    Case("arrays as features", cells(lambda at: np.arange(3) + at), ("drift.distance[column=x]",)),
    Case("frames as features", cells(lambda at: pd.DataFrame({"a": [at]}) if at % 50 == 0 else at), REFUSED),
    Case("functions as features", cells(lambda _: len), REFUSED),
    Case("modules and classes as features", cells(lambda at: [np, int][at % 2]), REFUSED),
    Case("a feature that holds itself", cells(lambda at: _knot()), REFUSED),
    Case(
        "narrow floats, tiny floats, text held by Arrow",
        all_of(
            feature(lambda f: f["x"].astype("float16")),
            feature(lambda f: f["x"] * 5e-324, name="z"),
            feature(lambda f: f["k"].astype("string[pyarrow]"), name="k"),
        ),
        (),
    ),
    Case(
        "numbers beyond 63 and 64 bits, categories of numbers",
        all_of(
            feature(lambda f: np.arange(len(f), dtype=np.uint64) + np.uint64(2**63)),
            cells(lambda at: 2**70 + at, "z"),
            feature(lambda f: pd.Categorical(f.index % 3), name="k"),
        ),
        (),
    ),
    Case(
        "sparse numbers, nullable numbers, categories that nobody has",
        all_of(
            feature(lambda f: pd.arrays.SparseArray(f["x"].where(f["x"] > 1, 0.0))),
            feature(lambda f: f["z"].astype("Float64").where(f.index != 3), name="z"),
            feature(lambda f: pd.Categorical(f["k"], ["red", "green", "blue", f"{CANARY}-pink"]), name="k"),
        ),
        (),
    ),
    Case(
        "text with half a surrogate pair, and with null bytes",
        all_of(cells(lambda at: f"\ud800{at}", "note"), cells(lambda at: f"a\0{at % 3}", "k")),
        (),
    ),
    Case(
        "zones mixed, and some without one",
        all_of(
            cells(lambda at: pd.Timestamp("2024-01-01", tz=[None, "UTC"][at % 2]), "z"),
            cells(lambda at: pd.Timestamp("2024-01-01", tz=ZONES[at % 2]), "note"),
        ),
        (),
    ),
    Case("zones mixed", cells(lambda at: pd.Timestamp("2024-01-01", tz=ZONES[at % 2]), name="when"), ()),
    Case("another zone in test", feature(lambda f: f["when"].dt.tz_localize("Asia/Tokyo"), "test", "when"), ()),
    Case("periods", feature(lambda f: pd.PeriodIndex(f["when"], freq="D")), ("drift.distance[column=x]",)),
    Case("intervals", feature(lambda f: pd.arrays.IntervalArray.from_arrays(f["x"], f["x"] + 1)), ("drift.distance[column=x]",)),
    Case(
        "sparse numbers of NaN",
        feature(lambda f: pd.arrays.SparseArray([np.nan] * len(f))),
        ("quality.all_null_columns", "drift.distance[column=x]"),
    ),
    Case("categories of lists of text", feature(lambda f: pd.Categorical(pd.Series([("a", "b")] * len(f), dtype=object)), name="k"), ()),
    Case(
        "no category at all",
        feature(lambda f: pd.Categorical([None] * len(f)), name="k"),
        ("quality.all_null_columns", "drift.distance[column=k]"),
    ),
    Case("other categories in test", feature(lambda f: "violet", "test", "k"), ("quality.constant_columns[dataset=test]",)),
    Case("a name twice", on("test", lambda f: f.rename(columns={"z": "x"})), TEST),
    Case("a name twice in train", on("train", lambda f: f.rename(columns={"z": "x"})), TRAIN),
    Case("the target twice", on_both(lambda f: f.rename(columns={"z": "y"})), REFUSED),
    Case("every column of one name", on("test", lambda f: f.set_axis(["x"] * f.shape[1], axis=1)), TEST),
    Case("numbers as names", on("test", lambda f: f.set_axis(range(f.shape[1]), axis=1)), TEST),
    Case("one number among the names", named(note=7), REFUSED),
    Case("the name NaN", with_names(np.nan), REFUSED),
    Case("the name None", with_names(None), REFUSED),
    Case("names of bytes", with_names(b"x", b"z"), REFUSED),
    Case("names that are tuples", with_names(("x", 1)), REFUSED),
    Case("names that are dates", with_names(pd.Timestamp("2024-01-01")), REFUSED),
    Case("names that are truth values", with_names(True), REFUSED),
    Case("two levels of names", on_both(levels), REFUSED),
    Case("categorical names", on_both(lambda f: f.set_axis(pd.CategoricalIndex(f.columns), axis=1)), ()),
    Case("the empty name", named(z=""), (*PREDICTED, "preparation.fitted")),
    *(Case(f"a feature called {word!r}", reads(word), ()) for word in WORDS[:3]),
    Case(
        "words of ours as names",
        on_both(lambda f: f.join(pd.DataFrame(1.0, index=f.index, columns=list(WORDS)))),
        ("quality.constant_columns",),
    ),
    Case("a name with half a surrogate pair", with_names("\ud800"), REFUSED),
    Case("a blank and a very long text as names", all_of(reads(" "), on_both(lambda f: f.rename(columns={"note": "n" * 10_000}))), ()),
    Case(
        "names with line breaks, quotes and marks of ours",
        all_of(reads("a\n\"'`<b>,|&;"), on_both(lambda f: f.rename(columns={"note": "g & x"}))),
        (),
    ),
    Case("names that differ by their Unicode form", named(z="e\u0301", note="\u00e9"), (*PREDICTED, "preparation.fitted")),
    Case(
        "rows of one name, in an index called like the target",
        on_both(lambda f: f.set_axis([np.nan] * len(f), axis=0).rename_axis("y")),
        (),
    ),
    Case("rows of two levels", on_both(lambda f: f.set_index(["k", "note"], drop=False)), ()),
    Case(
        "features that are not there declared",
        all_of(asks(features=None, estimator=None), declares(data_features=["x", "nobody"])),
        PREDICTED,
    ),
    Case("only target and groups", all_of(asks(features=None, estimator=None), on_both(lambda f: f[["g", "y"]])), PREDICTED),
    Case("a feature that is the target", feature(lambda f: f["y"].astype(float)), ("leakage.leaking_features",)),
    Case("a feature that is the target turned round", feature(lambda f: -f["y"] * 1000.0), ("leakage.leaking_features",)),
    Case(
        "a feature that spells the target",
        feature(lambda f: np.where(f["y"] == 1, "paid", "late"), name="k"),
        ("leakage.leaking_features",),
    ),
    Case(
        "a feature that is the target, regression", feature(lambda f: f["y"] * 2 + 1, name="z"), ("leakage.leaking_features",), "regression"
    ),
    Case("mail addresses that nobody declared", mails, ("personal_data.undeclared",)),
    Case("a column of NaN, regression", feature(lambda f: np.nan), ("quality.all_null_columns", "drift.distance[column=x]"), "regression"),
    Case("a feature missing in test, regression", on("test", lambda f: f.drop(columns="x")), PREDICTED, "regression"),
    Case("a feature missing in test, multiclass", on("test", lambda f: f.drop(columns="x")), PREDICTED, "multiclass"),
    Case("a name twice, multiclass", on("test", lambda f: f.rename(columns={"z": "x"})), TEST, "multiclass"),
)


def _knot() -> list[Any]:
    """Return a list that holds itself."""
    knot: list[Any] = []
    knot.append(knot)
    return knot
