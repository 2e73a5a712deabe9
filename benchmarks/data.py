"""The data of the benchmarks: made, seeded, and of the dtypes that real frames have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

GROUPS = {"sex": ["female", "male"], "region": ["east", "north", "south", "west"]}
NUMBERS = tuple(f"x{at}" for at in range(12))
WORDS = tuple(f"t{at}" for at in range(5))


@cache
def mixed(rows: int) -> pd.DataFrame:
    """Return a frame of ``rows`` x 20: 8 floats (one with gaps), 5 whole numbers, 2 booleans, 2 texts, 2 categories, 1 date."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {f"float{at}": random.normal(size=rows) for at in range(8)}
    columns["float7"][random.random(rows) < 0.05] = np.nan
    columns |= {f"int{at}": random.integers(0, 10 ** (at + 2), rows) for at in range(5)}
    columns |= {f"bool{at}": random.random(rows) < 0.3 for at in range(2)}
    columns["text0"] = np.array(["north", "south", "east", "west"])[random.integers(0, 4, rows)]
    columns["text1"] = np.char.add("customer-", random.integers(0, 10**6, rows).astype(str))
    kinds = [pd.Categorical.from_codes(random.integers(0, k, rows), [f"kind {i}" for i in range(k)]) for k in (5, 40)]
    columns |= {f"category{at}": kind for at, kind in enumerate(kinds)}
    columns["date0"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(random.integers(0, 10**7, rows), unit="s")
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier, the frames it was fitted and is tested on (20 columns with the target), and its own columns."""

    model: Any
    train: pd.DataFrame
    test: pd.DataFrame
    features: tuple[str, ...] = (*NUMBERS, *WORDS)


@cache
def applicants(rows: int) -> pd.DataFrame:
    """Return ``rows`` x 20: 12 numbers, 5 texts of few values, two columns of groups, and the target ``paid`` (0, 1)."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({name: random.normal(at, 1 + at, rows).round(3) for at, name in enumerate(NUMBERS)})
    for at, name in enumerate(WORDS):
        frame[name] = np.array([f"{name} {kind}" for kind in "abcdefgh"])[random.integers(0, 3 + at, rows)]
    for name, groups in GROUPS.items():
        frame[name] = np.array(groups)[random.integers(0, len(groups), rows)]
    signal = frame["x0"] + (frame["x1"] - 1) / 2 + (frame["t0"] == "t0 a") + 0.3 * (frame["sex"] == "male")
    frame["paid"] = (signal + random.normal(0, 1, rows) > 0.4).astype(int)
    return frame


@cache
def fitted(rows: int) -> Fitted:
    """Return a logistic regression behind imputation, scaling and one-hot encoding, fitted on 60 % of ``applicants(rows)``."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame, cut = applicants(rows), rows * 6 // 10
    train, test = frame.iloc[:cut].reset_index(drop=True), frame.iloc[cut:].reset_index(drop=True)
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    steps = [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(NUMBERS)), ("words", words, list(WORDS))]
    model = Pipeline([("prepare", ColumnTransformer(steps)), ("classify", LogisticRegression(max_iter=500))])
    model.fit(train[[*NUMBERS, *WORDS]], train["paid"])
    return Fitted(model, train, test)
