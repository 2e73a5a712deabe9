"""Every fairness measure on the real data sets against fairlearn and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aims_mlflow import registry
from aims_mlflow.checks.fairness import METRICS

from .cases import CASES, Case
from .fairness import Answered, fairness_of


def answered(case: Case, column: str) -> Answered:
    classes = tuple(sorted(np.unique(np.concatenate([case.train["y"], case.test["y"]])).tolist()))
    score = None
    if case.score is not None and case.wanted is not None:
        score = case.score[:, list(case.model.classes_).index(case.wanted)]
    classes = classes if case.kind == "multiclass_classification" else ()
    return Answered(case.kind, case.y, case.predicted, case.crossed(column), score, case.wanted, classes, by_name=column == "sex")


def same(value: float | None, expected: float | None) -> bool:
    if value is None or expected is None:
        return value is None and expected is None
    return value == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_every_measure_of_nine_data_sets_is_fairlearns_or_scikit_learns() -> None:
    compared: dict[str, int] = {}
    wrong: list[Any] = []
    for make in CASES.values():
        case = make()
        for result in registry.get("fairness").run(case.observation()):
            assert result.problem is None, (case.name, result.problem)
            oracle = answered(case, result.scope["column"])
            for measure in result.measures:
                expected = fairness_of(oracle, measure.name, measure.group)
                compared[measure.name] = compared.get(measure.name, 0) + (expected is not None)
                if not same(measure.value, expected):
                    wrong.append((case.name, result.scope["column"], measure.name, measure.group, measure.value, expected))
    assert not wrong
    assert {name for name, times in compared.items() if times} == set(METRICS), "a measure that nothing was compared with"
    assert sum(compared.values()) > 1_000
