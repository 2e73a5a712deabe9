"""Rates of groups and the gaps between them, against fairlearn's MetricFrame with the same metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from aims_mlflow.evidence import Measure
from aims_mlflow.measuring.groups.grouping import groups_of
from aims_mlflow.measuring.groups.rates import RATES, count_table, disparity_measures, rate_measures
from benchmarks.comparing import Comparison


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield one: 1,000,000 rows in four groups, eight rates, their differences and ratios."""
    rows = 10_000 if quick else 1_000_000
    frame = answers(rows)
    theirs, ours = (lambda: by_metric_frame(frame["truth"], frame["said"], frame["region"])), (lambda: by_counts(frame))
    yield Comparison(f"group rates, {rows:,} rows", "fairlearn `MetricFrame`, same 8 metrics", theirs, ours, agree, "less", 300)


def answers(rows: int) -> pd.DataFrame:
    """Return groups (text), truth and prediction (0, 1)."""
    random = np.random.default_rng(2)
    group = np.array(["east", "north", "south", "west"])[random.integers(0, 4, rows)]
    truth = (random.random(rows) < 0.4).astype(int)
    said = np.where(random.random(rows) < 0.8 - 0.05 * (group == "east"), truth, 1 - truth)
    return pd.DataFrame({"region": group, "truth": truth, "said": said})


def by_counts(frame: pd.DataFrame) -> list[Measure]:
    """Return what the fairness check writes: rates with Wilson's intervals, and the gaps between groups with theirs."""
    groups = groups_of(frame, "region")
    table = count_table(groups.codes, len(groups), frame["truth"].to_numpy(), frame["said"].to_numpy())
    rates = rate_measures(table, groups.names)
    return [*rates, *disparity_measures(rates)]


def by_metric_frame(truth: pd.Series[Any], said: pd.Series[Any], groups: pd.Series[Any]) -> tuple[Any, Any, Any]:
    """Return by_group, difference and ratio of the same metrics."""
    from fairlearn import metrics as f
    from sklearn.metrics import accuracy_score, precision_score, zero_one_loss

    functions = {name: getattr(f, name) for name in RATES if hasattr(f, name)} | {
        "precision": precision_score,
        "accuracy_score": accuracy_score,
        "zero_one_loss": zero_one_loss,
    }
    made = f.MetricFrame(metrics=functions, y_true=truth, y_pred=said, sensitive_features=groups)
    return made.by_group, made.difference(), made.ratio()


def agree(theirs: tuple[Any, Any, Any], ours: list[Measure]) -> str:
    """Compare every rate of every group, and every difference and ratio."""
    by_group, difference, ratio = theirs
    assert set(by_group.columns) == set(RATES)
    for measure in ours:
        name, _, kind = measure.name.rpartition("_")
        if measure.group is not None:
            expected = by_group.loc[measure.group, measure.name]
        elif name in RATES and kind in ("difference", "ratio"):
            expected = (difference if kind == "difference" else ratio)[name]
        else:
            continue  # a second name of one of these, or the larger of two
        assert measure.value is not None
        assert abs(measure.value - expected) < 1e-12, measure.name
        assert measure.ci_low is not None, "ours has an interval too"
    return "yes: every rate, difference and ratio, to 1e-12; ours also have intervals"
