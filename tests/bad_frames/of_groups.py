"""Groups of people: none, one, unknown, too many, too small, or not told apart by anything that can be compared."""

# ruff: noqa: ARG005 - functions in tables take arguments for their form

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from .given import CANARY, Case, Given, Spoil
from .spoiling import all_of, declares, filled, on, on_both, put, requires

FAIR = ("fairness",)


def group(cells: Callable[[int], Any]) -> Spoil:
    """Put each row into a group, by its number."""
    return on_both(filled("g", cells))


def values(of: Callable[[pd.DataFrame], Any]) -> Spoil:
    """Put another group column in."""
    return on_both(lambda frame: put(frame, "g", of(frame)))


def binned(*bins: float) -> Spoil:
    """Declare bins for the group column."""
    return declares(data_sensitive=[{"column": "g", "bins": list(bins)}])


def no_positives_on_the_left(given: Given) -> None:
    """Leave one group without a positive."""
    frame = given.frames["test"]
    given.frames["test"] = put(frame, "y", frame["y"].where(frame["g"] != "left", 0))


def ten_thousand_groups(given: Given) -> None:
    """Put each of ten thousand test rows into a group of its own."""
    frame = given.frames["test"]
    many = frame.iloc[np.arange(10_000) % len(frame)].reset_index(drop=True)
    given.frames["test"] = put(
        put(many, "g", [f"{CANARY}-{at}" for at in range(len(many))]), "note", [f"{CANARY}-n{at}" for at in range(10_000)]
    )
    given.predictions["test"] = many["y"].to_numpy()  # so that no model has to answer for all of them
    given.model = None


OTHER = {"check": "fairness", "metric": "demographic_parity_difference", "max": 1}

CASES = (
    Case("no sensitive column in test", on("test", lambda f: f.drop(columns="g")), (*FAIR, "quality@column=g@dataset=test", "overlap")),
    Case(
        "no sensitive column in train",
        on("train", lambda f: f.drop(columns="g")),
        ("quality@column=g@dataset=train", "overlap", "drift.drifted"),
    ),
    Case("no sensitive column at all", on_both(lambda f: f.drop(columns="g")), (*FAIR, "quality@column=g")),
    Case("no sensitive column declared", declares(data_sensitive=[]), FAIR),
    Case("another sensitive column declared", declares(data_sensitive=["h"]), FAIR),
    Case("a single group", group(lambda _: "left"), (*FAIR, "quality@column=g", "quality.constant_columns")),
    Case("a single group in test", on("test", filled("g", lambda _: "left")), (*FAIR, "quality@column=g@dataset=test")),
    Case("groups of NaN", values(lambda f: np.nan), (*FAIR, "quality@column=g", "quality.all_null")),
    Case("groups of None", group(lambda _: None), (*FAIR, "quality@column=g", "quality.all_null")),
    Case("a NaN among the groups", on("test", lambda f: put(f, "g", f["g"].where(f.index != 3))), FAIR),
    Case("an NA among nullable groups", on("test", lambda f: put(f, "g", f["g"].astype("string").where(f.index != 3))), FAIR),
    Case("a NaN category", on("test", lambda f: put(f, "g", f["g"].where(f.index != 3).astype("category"))), FAIR),
    Case("one group, other categories unused", values(lambda f: pd.Categorical(["left"] * len(f), ["left", "right"])), FAIR),
    Case("floats without bins", values(lambda f: f["x"]), FAIR),
    Case("nullable floats without bins", values(lambda f: f["x"].astype("Float64")), FAIR),
    Case("the same float for everybody", values(lambda f: f["x"].iloc[0]), (*FAIR, "quality.constant_columns")),
    Case("a group a row", group(lambda at: f"{CANARY}-{at}"), FAIR),
    Case("ten thousand groups", ten_thousand_groups, (*FAIR, "robustness@numeric_noise")),
    Case("eighty groups of three", group(lambda at: f"group {at % 80}"), FAIR),
    Case(
        "a group of one person",
        group(lambda at: f"{CANARY}-one" if at == 3 else ["left", "right"][at % 2]),
        ("fairness.demographic", "fairness.equal"),
    ),
    Case("two groups of one person", group(lambda at: f"{CANARY}-{at}" if at in (3, 4) else ["left", "right"][at % 2]), FAIR),
    Case("a group without positives", no_positives_on_the_left, ("fairness.equal", "fairness.equalized")),
    Case("numbers and text as groups", group(lambda at: [1, "1"][at % 2]), ()),
    Case("lists as groups", group(lambda at: [at % 2]), FAIR),
    Case("dicts as groups", group(lambda at: {"group": at % 2}), FAIR),
    Case("sets as groups", group(lambda at: {at % 2}), FAIR),
    Case("frames as groups", group(lambda at: pd.DataFrame({"a": [at % 2]}) if at % 50 == 0 else at % 2), FAIR),
    Case("complex groups", values(lambda f: np.where(f.index % 2, 1j, 2j)), ()),
    Case("instants as groups", values(lambda f: f["when"]), FAIR),
    Case("zones mixed among the groups", group(lambda at: pd.Timestamp("2024-01-01", tz=["UTC", "Asia/Tokyo"][at % 2])), ()),
    Case("empty text as a group", group(lambda at: ["", "left"][at % 2]), ()),
    Case("groups that differ by a blank", group(lambda at: ["left", "left "][at % 2]), ()),
    Case("infinite groups in bins", all_of(values(lambda f: f["x"].where(f.index != 3, np.inf)), binned(0.0)), ()),
    Case("NaN in bins", all_of(on("test", lambda f: put(f, "g", f["x"].where(f.index != 3))), binned(0.0)), FAIR),
    Case("everybody in one bin", all_of(values(lambda f: f["x"]), binned(100.0)), FAIR),
    Case("text in bins", binned(0.0), FAIR),
    Case("complex numbers in bins", all_of(values(lambda f: f["x"] * 1j), binned(0.0)), FAIR),
    Case("instants in bins", all_of(values(lambda f: f["when"]), binned(0.0)), FAIR),
    Case(
        "the group column twice",
        on("test", lambda f: f.rename(columns={"z": "g"})),
        (*FAIR, "performance", "robustness", "overlap", "drift"),
    ),
    Case("the target as sensitive column", declares(data_sensitive=["y"]), FAIR),
    Case(
        "a crossing of many",
        all_of(declares(data_sensitive=["g", "note"]), requires({**OTHER, "column": "g & note"})),
        ("fairness@g & note",),
    ),
    Case("eighty groups of three, multiclass", group(lambda at: f"group {at % 80}"), FAIR, "multiclass"),
    Case("a single group, multiclass", group(lambda _: "left"), FAIR, "multiclass"),
    Case("groups of NaN, multiclass", values(lambda f: np.nan), FAIR, "multiclass"),
    Case("a single group, regression", group(lambda _: "left"), FAIR, "regression"),
    Case("a group a row, regression", group(lambda at: f"{CANARY}-{at}"), FAIR, "regression"),
    Case("groups of NaN, regression", values(lambda f: np.nan), FAIR, "regression"),
)
