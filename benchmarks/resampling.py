"""The bootstrap of a gap between groups, a resample of the count table against a resample of the rows by MetricFrame."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from aims_mlflow.intervals import multinomial_bootstrap
from aims_mlflow.measuring.groups.grouping import groups_of
from aims_mlflow.measuring.groups.rates import count_table
from benchmarks.comparing import Comparison
from benchmarks.groups import answers

RESAMPLES = 1000


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield one: 10,000 rows, the demographic parity difference of four groups."""
    from fairlearn.metrics import MetricFrame, selection_rate

    rows, boots = (2_000, 40) if quick else (10_000, 200)
    frame = answers(rows)

    def theirs() -> tuple[float, float]:
        given = {"y_true": frame["truth"], "y_pred": frame["said"], "sensitive_features": frame["region"]}
        made = MetricFrame(metrics=selection_rate, n_boot=boots, ci_quantiles=[0.025, 0.975], random_state=0, **given)
        low, high = made.difference_ci()
        return float(low), float(high)

    def ours() -> tuple[float | None, float | None]:
        groups = groups_of(frame, "region")
        table = count_table(groups.codes, len(groups), frame["truth"].to_numpy(), frame["said"].to_numpy())
        return multinomial_bootstrap(table, gap, resamples=RESAMPLES)

    def agree(their: tuple[float, float], our: tuple[float | None, float | None]) -> str:
        # An extreme quantile of few normal draws has a standard error of about 2.7 sd / sqrt(draws); sd is a quarter of the interval.
        assert our[0] is not None
        assert our[1] is not None
        room = 4 * 2.7 * (our[1] - our[0]) / 4 * math.sqrt(1 / boots + 1 / RESAMPLES)
        for mine, other in zip(our, their, strict=True):
            assert abs(mine - other) <= room, (our, their)
        far = max(abs(a - b) for a, b in zip(our, their, strict=True))
        return f"the same distribution, other draws: both ends within {far:.2g} (Monte Carlo error allows {room:.2g})"

    instead = f"`MetricFrame(n_boot={boots})`, per resample"
    yield Comparison(f"{RESAMPLES:,} resamples, {rows:,} rows", instead, theirs, ours, agree, "less", 5000, units=(boots, RESAMPLES))


def gap(draws: np.ndarray) -> np.ndarray:
    """Return the demographic parity difference of draws (resamples, groups, truth, prediction)."""
    rates = draws[:, :, :, 1].sum(axis=2) / draws.sum(axis=(2, 3))
    return np.asarray(rates.max(axis=1) - rates.min(axis=1))
