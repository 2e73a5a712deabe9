"""Two thousand made frames of 2 to 60 rows, with ties, rare classes, absent groups and every legal dtype, against the libraries.

That many with ``make full``; a quarter of them otherwise.
Rows are read from one string of bytes, which Hypothesis draws fast and shrinks well. Libraries are called directly; each family
counts the frames that came to their end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import config_context

from aims_mlflow import registry
from aims_mlflow.evidence import CheckResult
from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.measuring.frames.distances import jensen_shannon, wasserstein_normed
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System
from tests.full import part

from .data import overlap_of, quality_of
from .fairness import OF_SCORES, Answered, fairness_of
from .test_fairness import same

RUN = RunFacts("r", datetime(2026, 3, 1, tzinfo=UTC), Code("unknown"))
BLANK = Fingerprint("0" * 64, "none", 0, ())
ROWS = st.integers(2, 60)
Check = Callable[[st.DataObject], None]


def system(kind: str, **task: Any) -> System:
    named = {"positive_label": 1} if kind == "binary_classification" else {}
    data = {"roles": {"test": "test"}, "sensitive": ["g"]}
    return System.model_validate(
        {"version": 1, "system": {"id": "s"}, "task": {"kind": kind, "target": "y", **named, **task}, "data": data}
    )


SYSTEMS = {
    "binary": system("binary_classification", favourable_label=1),
    "other": system("binary_classification", favourable_label=0),
    "several": system("multiclass_classification"),
    "numbers": system("regression"),
}


def drawn(data: st.DataObject, columns: int, rows: int | None = None) -> np.ndarray:
    """Draw a table of bytes, (rows, columns)."""
    n = data.draw(ROWS) if rows is None else rows
    return np.frombuffer(data.draw(st.binary(min_size=n * columns, max_size=n * columns)), dtype=np.uint8).reshape(n, columns).astype(int)


def asked(name: str, frame: pd.DataFrame, said: Any, score: Any = None, classes: tuple[Any, ...] = ()) -> Observation:
    dataset = Dataset("test", frame, BLANK)
    model = Model(lambda _: said, ("x",), None if score is None else lambda _: score, classes)
    return Observation(SYSTEMS[name], {"test": dataset}, RUN, model)


def result_of(check: str, seen: Observation) -> CheckResult:
    (found,) = registry.get(check).run(seen)
    assert found.problem is None, found.problem
    return found


def groups(codes: np.ndarray, kind: str) -> pd.Series[Any]:
    """Return groups of one kind of dtype; the second is always there, and so is the first."""
    codes = np.r_[0, 1, codes[2:]]
    texts = np.array(["a", "b & c", "", "ß"], dtype=object)
    return {
        "text": lambda: pd.Series(texts[codes]),
        "category": lambda: pd.Series(pd.Categorical.from_codes(codes, [*texts, "never seen"])),
        "integer": lambda: pd.Series(codes),
        "nullable": lambda: pd.Series(codes, dtype="Int64"),
        "float": lambda: pd.Series(codes.astype(float)),
        "bool": lambda: pd.Series(codes % 2 == 0),
    }[kind]()


def written(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return each row's group as it may be written, by pandas: groups under ten rows go by number, in their order."""
    values = column.astype(object).map(lambda v: int(v) if isinstance(v, float) else v)
    sizes = values.value_counts()
    small = sorted(v for v in sizes.index if sizes[v] < 10)
    names = {v: f"withheld-{at} (under 10 rows)" for at, v in enumerate(small, start=1)}
    return values.map(lambda v: names.get(v, str(v)))


KINDS = st.sampled_from(["text", "category", "integer", "nullable", "float", "bool"])
LABELS: dict[str, Callable[[np.ndarray], Any]] = {
    "int": lambda y: y,
    "bool": lambda y: y.astype(bool),
    "float": lambda y: y.astype(float),
    "nullable": lambda y: pd.array(y, dtype="Int64"),
    "object": lambda y: y.astype(object),
    "small": lambda y: y.astype(np.int8),
}
"""Zeros and ones as any dtype may hold them."""


def outcomes(data: st.DataObject, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truth, prediction and score: rare or frequent outcomes, and few or many different scores."""
    rare, levels = data.draw(st.sampled_from([10, 64, 128, 250])), data.draw(st.sampled_from([2, 5, 256]))
    y, p = (cells[:, 0] < rare).astype(int), (cells[:, 1] < rare).astype(int)
    y[0] = 1  # the positive label stands in the data
    return y, p, np.floor(cells[:, 2] * levels / 256) / max(levels - 1, 1)


def speed(data: st.DataObject) -> dict[str, bool]:
    """Return how fairlearn is asked: one frame in twenty by its MetricFrame, which takes a third of a second."""
    return {"by_name": False, "quick": data.draw(st.integers(0, 10_000)) % 20 != 13}


def fair_of_two(data: st.DataObject) -> None:
    cells = drawn(data, 4)
    (y, p, score), column = outcomes(data, cells), groups(cells[:, 3] % 4, data.draw(KINDS))
    wanted, labels = data.draw(st.sampled_from([0, 1])), data.draw(st.sampled_from(list(LABELS)))
    y[1] = 0  # so does the other one, which may be the favourable one
    frame = pd.DataFrame({"x": score, "g": column, "y": LABELS[labels](y)})
    found = result_of("fairness", asked("binary" if wanted else "other", frame, p, np.c_[1 - score, score], (0, 1)))
    own = score if wanted else 1 - score
    compare(found, Answered("binary_classification", y, p, written(column), own, wanted, **speed(data)))


def fair_of_several(data: st.DataObject) -> None:
    cells = drawn(data, 3)
    y, p, column = cells[:, 0] % 3, cells[:, 1] % 3, groups(cells[:, 2] % 3, data.draw(KINDS))
    y[0], y[-1] = 0, 2
    classes = np.unique(np.r_[y, p])
    names = data.draw(st.sampled_from([np.array(["x", "y", "z"], dtype=object), np.array([1, 5, 9]), np.array([0.5, 1.0, 2.0])]))
    found = result_of(
        "fairness", asked("several", pd.DataFrame({"x": y, "g": column, "y": names[y]}), names[p], None, tuple(names[classes]))
    )
    compare(
        found,
        Answered(
            "multiclass_classification",
            y,
            p,
            written(column),
            classes=tuple(classes.tolist()),
            by_name=False,
            quick=data.draw(st.integers(0, 19)) > 0,
        ),
    )


def fair_of_numbers(data: st.DataObject) -> None:
    y, p, column = numbers(data)
    found = result_of("fairness", asked("numbers", pd.DataFrame({"x": 0, "g": column, "y": y}), p))
    truth, said = (np.asarray(side, dtype=float) for side in (y, p))
    compare(found, Answered("regression", truth, said, written(column), **speed(data)))


def compare(found: CheckResult, oracle: Answered) -> None:
    assert len(found.measures) > 5
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")  # the libraries' own, of groups without a case
        for measure in found.measures:
            expected = fairness_of(oracle, measure.name, measure.group)
            assert same(measure.value, expected), (measure.name, measure.group, measure.value, expected)


def numbers(data: st.DataObject) -> tuple[Any, Any, pd.Series[Any]]:
    """Return truth and prediction as numbers of any dtype, often equal ones, and groups."""
    cells = drawn(data, 3)
    step, dtype = (
        data.draw(st.sampled_from([0.25, 1, 1e6])),
        data.draw(st.sampled_from(["float64", "float32", "int64", "Int64", "Float64"])),
    )
    y, p = (cells[:, at] % data.draw(st.sampled_from([1, 3, 256])) * step for at in (0, 1))
    whole = "nt" in dtype
    return pd.Series(np.floor(y) if whole else y).astype(dtype), np.asarray(p - 3.5 * step), groups(cells[:, 2] % 3, data.draw(KINDS))


def performs_of_two(data: st.DataObject) -> None:
    cells = drawn(data, 3)
    y, p, score = outcomes(data, cells)
    frame = pd.DataFrame({"x": score, "y": LABELS[data.draw(st.sampled_from(list(LABELS)))](y)})
    found = result_of(
        "performance", asked("binary", frame, LABELS[data.draw(st.sampled_from(list(LABELS)))](p), np.c_[1 - score, score], (0, 1))
    )
    both = len(set(y)) == 2
    with config_context(skip_parameter_validation=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y, p, average="binary", zero_division=np.nan)
    agree(
        found,
        {
            "accuracy_score": lambda: sk.accuracy_score(y, p),
            "balanced_accuracy_score": lambda: sk.balanced_accuracy_score(y, p) if both else None,
            "roc_auc_score": lambda: sk.roc_auc_score(y, score) if both else None,
            "f1_score": lambda: f1,
            "precision_score": lambda: precision,
            "recall_score": lambda: recall,
            "brier_score_loss": lambda: sk.brier_score_loss(y, score, pos_label=1, labels=[0, 1]),
            "log_loss": lambda: sk.log_loss(y, score, labels=[0, 1]),
            "average_precision_score": lambda: sk.average_precision_score(y, score) if both else None,
            "expected_calibration_error": lambda: OF_SCORES["expected_calibration_error"][0](y, score),
            "rows": lambda: len(y),
        },
    )


def performs_of_several(data: st.DataObject) -> None:
    cells = drawn(data, 5)
    y, p = cells[:, 0] % 3, cells[:, 1] % 3
    y[0], score = 0, (cells[:, 2:] + 1) / (cells[:, 2:] + 1).sum(axis=1, keepdims=True)
    names = data.draw(st.sampled_from([np.array(["x", "y", "z"], dtype=object), np.array([1, 5, 9])]))
    found = result_of("performance", asked("several", pd.DataFrame({"x": 0, "y": names[y]}), names[p], score, tuple(names)))
    several, every = len(set(y)) > 1, len(set(y)) == 3
    macro: Any = {"average": "macro", "zero_division": 0}
    agree(
        found,
        {
            "accuracy_score": lambda: sk.accuracy_score(y, p),
            "balanced_accuracy_score": lambda: sk.recall_score(y, p, labels=np.unique(y), **macro) if several else None,
            "f1_score": lambda: sk.f1_score(y, p, **macro),
            "precision_score": lambda: sk.precision_score(y, p, **macro),
            "recall_score": lambda: sk.recall_score(y, p, **macro),
            "roc_auc_score": lambda: sk.roc_auc_score(y, score, multi_class="ovr", labels=[0, 1, 2]) if every else None,
            "log_loss": lambda: sk.log_loss(y, score, labels=[0, 1, 2]),
            "rows": lambda: len(y),
        },
    )


def performs_of_numbers(data: st.DataObject) -> None:
    y, p, _ = numbers(data)
    found = result_of("performance", asked("numbers", pd.DataFrame({"x": 0, "y": y}), p))
    truth = np.asarray(y, dtype=float)
    agree(
        found,
        {
            "mean_absolute_error": lambda: sk.mean_absolute_error(truth, p),
            "mean_squared_error": lambda: sk.mean_squared_error(truth, p),
            "root_mean_squared_error": lambda: sk.root_mean_squared_error(truth, p),
            "r2_score": lambda: sk.r2_score(truth, p) if len(set(truth)) > 1 else None,
            "rows": lambda: len(truth),
        },
    )


def agree(found: CheckResult, oracles: Mapping[str, Callable[[], Any]]) -> None:
    """Compare every measure; one that no oracle knows is a KeyError, one that is not there leaves a name over."""
    assert {m.name for m in found.measures} == set(oracles)
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")  # scikit-learn's own, of classes without a case
        for measure in found.measures:
            expected = oracles[measure.name]()
            expected = None if expected is None or np.isnan(expected) else float(expected)
            assert same(measure.value, expected), (measure.name, measure.value, expected)


def drifts(data: st.DataObject) -> None:
    """To 1e-9: Evidently's (scipy's) sums run over sorted samples, ours over counts."""
    from evidently.legacy.calculations.stattests.jensenshannon import jensenshannon_stat_test
    from evidently.legacy.calculations.stattests.wasserstein_distance_norm import wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    sides = [drawn(data, 1)[:, 0] % data.draw(st.sampled_from([1, 3, 256])) for _ in range(2)]
    series = [pd.Series(side * data.draw(st.sampled_from([0.1, 1.0, 1e5])) if at else side * 1.0) for at, side in enumerate(sides)]
    theirs = wasserstein_stat_test.func(*series, ColumnType.Numerical, 0.1)
    assert wasserstein_normed(*(one.to_numpy() for one in series)) == pytest.approx(theirs[0], rel=1e-9, abs=1e-9)
    theirs = jensenshannon_stat_test.func(*(pd.Series(side) for side in sides), ColumnType.Categorical, 0.1)
    codes = pd.factorize(np.concatenate(sides))[0]
    assert jensen_shannon(codes[: len(sides[0])], codes[len(sides[0]) :]) == pytest.approx(theirs[0], rel=1e-9, abs=1e-7)


def mixed(data: st.DataObject, rows: int | None = None) -> pd.DataFrame:
    """Return a frame of every dtype, with gaps and repeated rows."""
    cells, levels = drawn(data, 7, rows), data.draw(st.sampled_from([1, 2, 40]))
    c = cells * levels // 256
    gap = cells < data.draw(st.sampled_from([0, 20, 256]))
    return pd.DataFrame(
        {
            "number": np.where(gap[:, 0], np.nan, c[:, 0] / 3),
            "text": pd.Series(np.array(["", "a", "ä b", *map(str, range(40))], dtype=object)[c[:, 1]]).mask(gap[:, 1]),
            "nullable": pd.Series(c[:, 2], dtype="Int64").mask(gap[:, 2]),
            "flag": c[:, 3] % 2 == 0,
            "kind": pd.Categorical.from_codes(np.where(gap[:, 4], -1, c[:, 4] % 3), ["k", "l", "m"]),
            "time": pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(c[:, 5], unit="D")).mask(gap[:, 5]),
            "g": groups(cells[:, 6] % 3, data.draw(KINDS)),
        }
    )


def quality(data: st.DataObject) -> None:
    frame = mixed(data)
    frame["y"] = np.r_[1, 0, (np.arange(len(frame)) % 3 == 0)[2:]]
    seen, own = asked("binary", frame, None), {"g": written(frame["g"])}
    for result in registry.get("quality").run(seen):
        assert result.problem is None, result.problem
        column = result.scope.get("column")
        for measure in result.measures:
            expected = quality_of(frame, measure.name, column, measure.group, positive=1, groups=own)
            assert same(measure.value, expected), (measure.name, measure.group, measure.value, expected)


def overlaps(data: st.DataObject) -> None:
    levels, gap = data.draw(st.sampled_from([1, 2, 6, 256])), data.draw(st.sampled_from([0, 30]))

    def made() -> pd.DataFrame:
        cells = drawn(data, 3)
        c, texts = cells * levels // 256, np.array(["", "a", "ä b", *map(str, range(256))], dtype=object)
        text = pd.Series(texts[c[:, 1]]).mask(cells[:, 1] < gap)
        return pd.DataFrame({"number": np.where(cells[:, 0] < gap, np.nan, c[:, 0] / 3), "text": text, "flag": c[:, 2] % 2 == 0})

    first = made()
    second = pd.concat([made(), first[: data.draw(st.integers(0, 5))]], ignore_index=True)
    second = data.draw(st.sampled_from([second, first.sample(frac=1, random_state=1)]))
    datasets = {role: Dataset(role, frame, BLANK) for role, frame in (("train", first), ("test", second))}
    found = result_of("overlap", Observation(SYSTEMS["binary"], datasets, RUN))
    merged = overlap_of(first, second)
    for measure in found.measures:
        assert same(measure.value, merged[measure.name]), measure.name


FAMILIES: dict[str, tuple[Check, int]] = {
    "fairness, two classes": (fair_of_two, 80),
    "fairness, several classes": (fair_of_several, 30),
    "fairness, regression": (fair_of_numbers, 90),
    "performance, two classes": (performs_of_two, 250),
    "performance, several classes": (performs_of_several, 60),
    "performance, regression": (performs_of_numbers, 400),
    "drift": (drifts, 650),
    "quality": (quality, 120),
    "overlap": (overlaps, 320),
}


def test_they_are_two_thousand() -> None:
    assert sum(frames for _, frames in FAMILIES.values()) == 2_000


@pytest.mark.filterwarnings("ignore")  # Evidently's import warns of its own dependencies
@pytest.mark.parametrize("family", FAMILIES)
def test_made_frames_give_the_libraries_values(family: str) -> None:
    check, frames = FAMILIES[family]
    frames = part(frames, 8)
    finished = 0

    @given(st.data())
    @settings(max_examples=frames, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    def every(data: st.DataObject) -> None:
        nonlocal finished
        check(data)
        finished += 1

    every()
    assert finished >= frames
