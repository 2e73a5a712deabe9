"""Every robustness measure, worked out apart from the check by scikit-learn and numpy from what the model was asked and said.

The model keeps every frame that it is asked about. Between two results these are the copies that the result is about, whole ones
one after the other, so that row ``i`` of what was asked is row ``i`` modulo n of the test data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from aims_mlflow.checks.robustness import METRICS, robustness
from aims_mlflow.evidence import CheckResult

from .cases import CASES, Case
from .fairness import OF_SCORES
from .test_fairness import same

ROWS = 400
OURS = {
    "flip_success_share": ("trials/test_searching.py", "test_flips_are_found_at_their_known_distance_and_none_in_a_smaller_ball"),
    "median_flip_distance": ("trials/test_searching.py", "test_flips_are_found_at_their_known_distance_and_none_in_a_smaller_ball"),
}
"""What no library searches like this, and where it is recomputed on a model whose border is known."""

NO_LIBRARY = {
    "calibration_error_increase": "two calibration errors, each by the oracle of performance",
    "loss_cvar": "the mean of the worst tenth, by sorting",
    "accuracy_retention": "numpy's trapezoid under scikit-learn's accuracies",
    "changed_share": "cells that differ, counted by numpy",
    "silently_wrong_share": "answers that were right and are wrong, counted by numpy",
}
"""Measures that no library has, and how they are worked out here; the others are scikit-learn's, before less after."""


@dataclass
class Asked:
    """What the model was asked since the last result: frames for labels or numbers, and for scores."""

    case: Case
    labels: list[pd.DataFrame] = field(default_factory=list)
    scores: list[pd.DataFrame] = field(default_factory=list)

    def predict(self, frame: pd.DataFrame) -> Any:
        self.labels.append(frame.copy())
        return self.case.model.predict(frame[list(self.case.features)])

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        self.scores.append(frame.copy())
        return self.case.model.predict_proba(frame[list(self.case.features)])


def hardy(case: Case) -> Case:
    """Return the case with a tree, which takes missing values, and a test set of which every copy is asked in whole."""
    columns, regression = list(case.features), case.kind == "regression"
    tree = DecisionTreeRegressor(max_depth=5, random_state=0) if regression else DecisionTreeClassifier(max_depth=5, random_state=0)
    tree.fit(case.train[columns], case.train["y"])
    return replace(case, model=tree, earlier=tree, test=case.test[:ROWS].reset_index(drop=True))


def results(case: Case) -> Iterator[tuple[CheckResult, Asked]]:
    """Yield each result with what the model was asked for it."""
    seen, asked = case.observation(), Asked(case)
    assert seen.model is not None
    proba = asked.predict_proba if case.kind != "regression" else None
    watched = replace(seen, model=replace(seen.model, predict=asked.predict, predict_proba=proba))
    for result in robustness(watched):
        if result.scope["perturbation"] == "numeric_noise" and result.scope.get("strength") == "0.05":
            asked.labels = asked.labels[-1:]  # before it, the undisturbed rows
            asked.scores = asked.scores[-1:]
        yield result, asked
        asked.labels, asked.scores = [], []


class Oracle:
    """The measures of one result from the frames that were asked."""

    def __init__(self, case: Case, asked: Asked, scope: dict[str, str]) -> None:
        self.case, self.scope, self.n = case, scope, len(case.test)
        self.original, self.frame = case.x, pd.concat([f[list(case.features)] for f in asked.labels], ignore_index=True)
        self.said = case.model.predict(self.frame)
        whole = scope["perturbation"] not in ("row_order", "batch_of_one")
        places = {row.tobytes(): at for at, row in enumerate(self.original.to_numpy(dtype=float))}
        told = np.arange(len(self.frame)) % self.n
        self.rows = told if whole else np.array([places[row.tobytes()] for row in self.frame.to_numpy(dtype=float)])
        self.y, self.clean = case.y[self.rows], case.predicted[self.rows]
        self.copies = [slice(at, at + self.n) for at in range(0, len(self.frame), self.n)] if whole else []
        if asked.scores:
            some = pd.concat([f[list(case.features)] for f in asked.scores], ignore_index=True)
            self.scored = self.rows[self._found(some, self.frame)]
            self.score = case.model.predict_proba(some)[:, 1]

    @staticmethod
    def _found(some: pd.DataFrame, among: pd.DataFrame) -> np.ndarray:
        """Return where the rows of a part stand in the whole, in order."""
        at, found, whole = 0, [], among.to_numpy(dtype=float)
        for row in some.to_numpy(dtype=float):
            while not np.array_equal(whole[at], row, equal_nan=True):
                at += 1
            found.append(at)
            at += 1
        return np.array(found)

    def damaged(self) -> dict[tuple[str, ...], list[slice]]:
        """Return the copies by the columns that differ in them."""
        found: dict[tuple[str, ...], list[slice]] = {}
        for copy in self.copies:
            part = self.frame[copy].to_numpy(dtype=float)
            differs = ~((part == self.original.to_numpy(dtype=float)) | (np.isnan(part) & np.isnan(self.original.to_numpy(dtype=float))))
            found.setdefault(tuple(self.original.columns[differs.any(axis=0)]), []).append(copy)
        return found

    def value(self, name: str) -> float:
        """Return a measure by name; KeyError where no oracle knows it."""
        if name.startswith("worst_column_"):
            parts = (np.concatenate([np.arange(len(self.frame))[copy] for copy in copies]) for copies in self.damaged().values())
            return max(self.plain(name.removeprefix("worst_column_"), part) for part in parts)
        if name == "changed_share":
            return self.changed()
        if name in ("max_absolute_change", "calibration_error_increase", "roc_auc_drop"):
            return self.of_scores(name)
        if name == "r2_drop":
            return sk.r2_score(self.case.y, self.case.predicted) - float(
                np.mean([sk.r2_score(self.case.y, self.said[c]) for c in self.copies])
            )
        return self.plain(name, np.arange(len(self.frame)))

    def plain(self, name: str, part: np.ndarray) -> float:
        y, clean, said, regression = self.y[part], self.clean[part], self.said[part], self.case.kind == "regression"
        differs = ~np.isclose(clean, said, rtol=1e-6, atol=1e-9) if regression else clean != said
        if name in ("rejected_share", "crashed_share", "non_finite_share"):
            return 0.0
        if name == "silent_accept_share":
            return 1.0
        if name == "flip_rate":
            return float(differs.mean())
        if name == "silently_wrong_share":
            return float((differs & (abs(y - said) > abs(y - clean) if regression else clean == y)).mean())
        return {
            "accuracy_drop": lambda: sk.accuracy_score(y, clean) - sk.accuracy_score(y, said),
            "mean_absolute_error_increase": lambda: sk.mean_absolute_error(y, said) - sk.mean_absolute_error(y, clean),
            "mean_absolute_change": lambda: sk.mean_absolute_error(clean, said),
        }[name]()

    def of_scores(self, name: str) -> float:
        if self.case.kind == "regression":
            return float(abs(self.said - self.clean).max())
        before, y = self.case.model.predict_proba(self.original)[:, 1], self.case.y
        if name == "max_absolute_change":
            return float(abs(self.score - before[self.scored]).max())
        if name == "calibration_error_increase":
            ece = OF_SCORES["expected_calibration_error"][0]
            return ece(y[self.scored], self.score) - ece(y[self.scored], before[self.scored])
        assert len(self.score) == len(self.frame)
        return sk.roc_auc_score(y, before) - float(np.mean([sk.roc_auc_score(y, self.score[copy]) for copy in self.copies]))

    def changed(self) -> float:
        """Return the share of cells that differ, of those that were to be disturbed: all, or the columns that differ anywhere."""
        kind = self.scope["perturbation"]
        changed = touched = 0
        for columns, copies in self.damaged().items():
            for copy in copies:
                part, whole = (f.to_numpy(dtype=float) for f in (self.frame[copy], self.original))
                changed += int((~((part == whole) | (np.isnan(part) & np.isnan(whole)))).sum())
                touched += self.n * (self.original.shape[1] if kind in ("numeric_noise", "missing", "int_as_float") else len(columns))
        return changed / touched


def in_slice(case: Case, name: str) -> np.ndarray:
    """Return which rows a slice of that name holds, by the quartiles of the train data; or the most frequent values there."""
    inside = np.ones(len(case.test), dtype=bool)
    bands = {
        "lowest quarter": (0, 1), "second quarter": (1, 2), "third quarter": (2, 3), "highest quarter": (3, 4),
        "lowest half": (0, 2), "middle half": (1, 3), "highest half": (2, 4),
        "lowest three quarters": (0, 3), "highest three quarters": (1, 4),
    }  # fmt: skip
    for part in name.split(" & "):
        column, _, where = part.partition(": ")
        values, train = case.test[column], case.train[column]
        if where in bands:
            edges = [-np.inf, *np.quantile(train, [0.25, 0.5, 0.75]), np.inf]
            low, high = bands[where]
            inside &= ((values > edges[low]) & (values <= edges[high])).to_numpy()
        else:
            ranks = ["most frequent", "2nd most frequent", "3rd most frequent"]
            inside &= (values == train.value_counts().index[ranks.index(where)]).to_numpy()
    return inside


def sliced(case: Case, result: CheckResult) -> dict[str, float]:
    """Return the measures of the worst slice, on the half of the rows that it was not found on, and of the worst tenth."""
    second = np.sort(np.random.default_rng(0).permutation(len(case.test))[len(case.test) // 2 :])
    y, p, regression = case.y[second], case.predicted[second], case.kind == "regression"
    found: dict[str, float] = {}
    if "slice" in result.facts:
        inside = in_slice(case, str(result.facts["slice"]))[second]
        if regression:
            found["mean_absolute_error_increase"] = sk.mean_absolute_error(y[inside], p[inside]) - sk.mean_absolute_error(y, p)
        else:
            found["accuracy_score"] = sk.accuracy_score(y[inside], p[inside])
            found["accuracy_drop"] = sk.accuracy_score(y, p) - found["accuracy_score"]
    if regression:
        losses = abs(case.y - case.predicted)
    else:
        own = case.model.predict_proba(case.x)[np.arange(len(case.test)), case.y]
        losses = -np.log(np.clip(own, np.finfo(float).eps, 1 - np.finfo(float).eps))
    ordered, room = np.sort(losses)[::-1], len(losses) / 10
    whole = int(room)
    found["loss_cvar"] = (ordered[:whole].sum() + (room - whole) * ordered[whole]) / room
    return found


def test_every_measure_is_scikit_learns_before_less_after() -> None:
    compared: set[str] = set()
    for make in (CASES["loans"], CASES["wages"]):
        case = hardy(make())
        accuracies = [sk.accuracy_score(case.y, case.predicted)] if case.kind != "regression" else []
        for result, asked in results(case):
            assert result.problem is None, (result.scope, result.problem)
            kind = result.scope["perturbation"]
            if kind == "search":
                expected: Any = {}
            elif kind == "worst_slice":
                expected = sliced(case, result)
            elif kind == "numeric_noise" and "strength" not in result.scope:
                area = np.trapezoid(accuracies, [0.0, 0.05, 0.1, 0.2, 0.5])
                expected = {"accuracy_retention": area / 0.5 / accuracies[0]}
            else:
                oracle = Oracle(case, asked, result.scope)
                expected = {m.name: oracle.value(m.name) for m in result.measures}
                if kind == "numeric_noise" and accuracies:
                    accuracies.append(sk.accuracy_score(oracle.y, oracle.said))
            for measure in result.measures:
                if measure.name in OURS:
                    continue
                compared.add(measure.name)
                assert same(measure.value, float(expected[measure.name])), (case.name, result.scope, measure.name, measure.value, expected)
    assert compared == set(METRICS) - set(OURS), "a measure that nothing was compared with"


@pytest.mark.parametrize("name", OURS)
def test_what_is_left_out_is_recomputed_where_it_says(name: str) -> None:
    file, test = OURS[name]
    assert f"def {test}(" in (Path(__file__).parents[1] / "measuring" / file).read_text()
