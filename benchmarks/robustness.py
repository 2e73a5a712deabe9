"""The robustness check, against a plain loop that asks the model about the same disturbed copies one by one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from aims_mlflow.checks.robustness import seeded_copies
from aims_mlflow.evidence import CheckResult
from aims_mlflow.measuring.trials.damage import DAMAGES, copies_of, find
from aims_mlflow.measuring.trials.perturbations import PERTURBATIONS, with_columns
from aims_mlflow.measuring.trials.steadiness import SINGLE_ROWS
from aims_mlflow.measuring.trials.trial import Copy, Trial, on_trial
from aims_mlflow.registry import get
from benchmarks.comparing import Comparison
from benchmarks.data import Fitted, fitted
from benchmarks.observing import observation, system


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield one: 40,000 test rows, of which 10,000 are put on trial; every default perturbation and strength."""
    rows = 2_000 if quick else 100_000
    given = fitted(rows)
    check = get("robustness")

    def seen() -> Any:
        # a new observation each time, so that nothing is kept from the run before
        return observation(system(), {"train": given.train, "test": given.test}, given)

    def ours() -> tuple[CheckResult, ...]:
        return check.run(seen())

    def theirs() -> dict[tuple[str, str], float]:
        return loop(given, on_trial(seen(), "test"))

    def remark() -> str:
        return f"Peak memory {peak(theirs):.0f} MB (loop), {peak(ours):.0f} MB (ours)"

    name = f"robustness check, {len(given.test):,} rows"
    yield Comparison(name, "loop of predicts, same copies, accuracy only", theirs, ours, agree, "of", 1.0, remark=remark)


def loop(given: Fitted, trial: Trial) -> dict[tuple[str, str], float]:
    """Return the accuracy lost to each perturbation and strength, and to another order, repetition and single rows."""
    model, frame, truth = given.model, trial.frame, trial.y_true
    right = model.predict(frame) == truth

    def lost(copies: Sequence[Copy]) -> float:
        times, kept = np.zeros(len(frame)), np.zeros(len(frame))
        for copy in copies:
            rows = np.arange(len(frame)) if copy.rows is None else copy.rows
            before = frame.iloc[rows].reset_index(drop=True)
            times[rows] += 1
            kept[rows] += model.predict(with_columns(before, copy.change(before))) == truth[rows]
        asked = times > 0
        return float(right[asked].mean() - (kept[asked] / times[asked]).mean())

    found: dict[tuple[str, str], float] = {}
    for name, kind in PERTURBATIONS.items():
        for strength in kind.strengths:
            found[name, f"{strength:g}"] = lost(seeded_copies(trial, name, kind, strength))
    for name, damage in DAMAGES.items():
        for strength in damage.strengths or (0.0,):
            found[name, f"{strength:g}" if strength else ""] = lost(copies_of(trial, find(trial, name, strength)))
    order = np.random.default_rng(0).permutation(len(frame))
    found["row_order", ""] = float(right.mean() - (model.predict(frame.iloc[order]) == truth[order]).mean())
    found["repeat", ""] = float(right.mean() - (model.predict(frame) == truth).mean())
    some = np.sort(np.random.default_rng(0).choice(len(frame), min(SINGLE_ROWS, len(frame)), replace=False))
    alone = np.array([model.predict(frame.iloc[[at]])[0] == truth[at] for at in some])
    found["batch_of_one", ""] = float(right[some].mean() - alone.mean())
    return found


def agree(theirs: dict[tuple[str, str], float], ours: tuple[CheckResult, ...]) -> str:
    """Compare every accuracy drop."""
    found = {(r.scope["perturbation"], r.scope.get("strength", "")): r for r in ours}
    for scope, lost in theirs.items():
        drop = found[scope].measure("accuracy_drop")
        assert drop is not None, scope
        assert drop.value is not None, scope
        assert abs(drop.value - lost) < 1e-12, scope
    return "yes: every accuracy drop, to 1e-12; ours also has scores, intervals, refusals, the worst slice, a search"


def peak(run: Callable[[], Any]) -> float:
    """Return the most memory that a run held beyond what was held before, in MB (10^6 bytes)."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
