"""The robustness check, against a plain loop of predicts over the same perturbed copies."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from aims_mlflow.checks.robustness import SEEDS, SINGLE_ROWS
from aims_mlflow.evidence import CheckResult
from aims_mlflow.measuring.perturbations import PERTURBATIONS, spreads
from aims_mlflow.registry import get
from benchmarks.comparing import Comparison
from benchmarks.data import Fitted, fitted
from benchmarks.observing import observation, system


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield one: 40,000 test rows, every default perturbation and strength, five seeds."""
    rows = 2_000 if quick else 100_000
    given = fitted(rows)
    check = get("robustness")

    def ours() -> tuple[CheckResult, ...]:
        # a new observation each time, so that nothing is kept from the run before
        return check.run(observation(declared, {"train": given.train, "test": given.test}, given))

    declared = system()
    theirs = partial(loop, given)

    def remark() -> str:
        return f"Peak memory {peak(theirs):.0f} MB (loop), {peak(ours):.0f} MB (ours)"

    name = f"robustness check, {len(given.test):,} rows"
    yield Comparison(name, "loop of predicts, same perturbations", theirs, ours, agree, "of", 1.0, remark=remark)


def loop(given: Fitted) -> dict[tuple[str, str], float]:
    """Return the accuracy lost to each perturbation and strength, and to another order, repetition and single rows."""
    columns, model = list(given.features), given.model
    frame, truth = given.test[columns], given.test["paid"].to_numpy()
    spread = spreads(given.train[columns])
    right = model.predict(frame) == truth
    clean = right.mean()
    lost: dict[tuple[str, str], float] = {}
    for name, kind in PERTURBATIONS.items():
        for strength in kind.strengths:
            hits = [(model.predict(kind.copy(name, frame, strength, spread, seed)) == truth).mean() for seed in range(SEEDS)]
            lost[name, f"{strength:g}"] = float(clean - np.mean(hits))
    random = np.random.default_rng(0)
    order = random.permutation(len(frame))
    lost["row_order", ""] = float(clean - (model.predict(frame.iloc[order]) == truth[order]).mean())
    lost["repeat", ""] = float(clean - (model.predict(frame) == truth).mean())
    some = np.sort(np.random.default_rng(0).choice(len(frame), min(SINGLE_ROWS, len(frame)), replace=False))
    alone = np.array([model.predict(frame.iloc[[at]])[0] == truth[at] for at in some])
    lost["batch_of_one", ""] = float(right[some].mean() - alone.mean())
    return lost


def agree(theirs: dict[tuple[str, str], float], ours: tuple[CheckResult, ...]) -> str:
    """Compare every accuracy drop."""
    found = {(r.scope["perturbation"], r.scope.get("strength", "")): r for r in ours}
    assert set(found) == set(theirs)
    for scope, result in found.items():
        drop = result.measure("accuracy_drop")
        assert drop is not None, scope
        assert drop.value is not None, scope
        assert abs(drop.value - theirs[scope]) < 1e-12, scope
    return "yes: every accuracy drop, to 1e-12; ours also has flips, refusals and intervals"


def peak(run: Callable[[], Any]) -> float:
    """Return the most memory that a run held beyond what was held before, in MB (10^6 bytes)."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
