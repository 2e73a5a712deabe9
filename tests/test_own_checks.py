"""A check of the user's own in a whole run: what it does wrong is its own evidence, and nobody else's trouble."""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

import aims_mlflow as aims
from aims_mlflow import registry, spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Measure, State
from aims_mlflow.judging import control_lines, judge
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import Gate, Requirement, System

NAME = "privacy.small_groups"
CANARY = "canary-4711"
BESIDE = ("performance", "provenance")
"""Our own checks that run beside it: enough to see that theirs is left alone, and fast."""

Measuring = Callable[[Any], Any]


class Threshold:
    """A model that needs no fitting."""

    feature_names_in_ = ("x",)
    classes_ = (0, 1)

    def predict(self, frame: Any) -> Any:
        return (frame["x"] > 0).astype(int).to_numpy()


SYSTEM = System.model_validate(
    {
        "version": 1,
        "system": {"id": "own-checks"},
        "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
        "data": {"roles": {"train": "train", "test": "test"}},
        "requirements": [
            {"check": "performance", "metric": "accuracy_score", "min": 0.5},
            {"check": NAME, "metric": "smallest_group", "min": 5, "declared": "2026-01-01"},
        ],
    }
)


@pytest.fixture(autouse=True)
def _few_checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few of our own checks, no imports in the background, and a registry as it was when the test is over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's model room warns about its own type hints while it is imported
        importlib.import_module("mlflow.pyfunc")
    registry.discover()
    before = dict(registry._checks)
    for name in set(registry._checks) - set(BESIDE):
        del registry._checks[name]
    yield
    registry._checks.clear()
    registry._checks.update(before)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Something to wait for that comes when the test is over, so that no thread outlives it."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == f"aims-check-{NAME}":
            thread.join()


def frame(rows: int) -> pd.DataFrame:
    x = [(-1) ** at * (at + 1.0) for at in range(rows)]
    return pd.DataFrame({"x": x, "y": [int(one > 0) for one in x], "town": [f"{CANARY}-{at % 20}" for at in range(rows)]})


def bundle_of_a_run(measure: Measuring, **options: Any) -> Any:
    """Register the check, train once under it, and return the run's bundle; the training must not notice."""
    options = {"controls": ["A.7.4"], "metrics": ["smallest_group"], **options}
    aims.check(NAME, **options)(measure)
    model, train_frame, test_frame = Threshold(), frame(140), frame(160)
    before = train_frame.copy(), test_frame.copy()

    @aims.track(SYSTEM)
    def train(train: Any, test: Any) -> Any:
        return model

    assert train(train_frame, test_frame) is model
    pd.testing.assert_frame_equal(train_frame, before[0])
    pd.testing.assert_frame_equal(test_frame, before[1])
    (run,) = Store().system_runs("own-checks")
    assert run.status == "FINISHED"
    assert spool.pending() == []
    raw = Store().read(run.run_id, BUNDLE_PATH)
    bundle, verified = open_bundle(raw)
    assert CANARY.encode() not in verified.payload
    return bundle


def state_of(bundle: Any, check: str) -> Any:
    (evidence,) = [e for e in bundle.evidence if e.check == check and e.kind == "declared"]
    return evidence


def small_groups(seen: Any) -> CheckResult:
    """Count the people of the smallest town in the train data."""
    smallest = int(seen.dataset("train").frame["town"].value_counts().min())
    return CheckResult(check=NAME, scope={"dataset": "train"}, measures=(Measure.counted("smallest_group", smallest, n=140),))


def test_a_check_of_ones_own_is_evidence_like_any_other(mlflow_home: str) -> None:
    bundle = bundle_of_a_run(small_groups)
    evidence = state_of(bundle, NAME)
    assert (evidence.state, evidence.controls) == (State.PASS, ("A.7.4",))
    assert evidence.results == tuple(r.id for r in bundle.results if r.check == NAME)
    assert bundle.complete


def raises(seen: Any) -> CheckResult:
    return CheckResult(check=NAME, notes=(seen.dataset("train").frame["town"].iloc[0].nothing,))


def raises_with_a_value(seen: Any) -> CheckResult:
    raise ValueError(f"cannot use {seen.dataset('train').frame['town'].iloc[0]}")


def raises_midway(seen: Any) -> Iterator[CheckResult]:
    yield small_groups(seen)
    raise ValueError(f"cannot use {seen.dataset('train').frame['town'].iloc[0]}")


def exits(seen: Any) -> CheckResult:
    raise SystemExit(3)


def as_another(seen: Any) -> CheckResult:
    return CheckResult(check="performance", scope={"dataset": "test"}, measures=(Measure.counted("accuracy_score", 1, n=160),))


def of_no_measures(seen: Any) -> CheckResult:
    return small_groups(seen).model_copy(update={"measures": ("many", 7)})


def of_no_utf8(seen: Any) -> CheckResult:
    return small_groups(seen).model_copy(update={"notes": ("\ud800",)})


def of_another_metric(seen: Any) -> CheckResult:
    return CheckResult(check=NAME, measures=(Measure.counted("smallest", 7),))


def of_nothing_counted(seen: Any) -> CheckResult:
    return CheckResult(check=NAME, measures=(Measure.counted("smallest_group", 7, n=0),))


def without_interval(seen: Any) -> CheckResult:
    return CheckResult(check=NAME, measures=(Measure(name="smallest_group", value=7.0, n=140),))


def without_value(seen: Any) -> CheckResult:
    return CheckResult(check=NAME, measures=(Measure(name="smallest_group", value=None),))


def refuses(seen: Any) -> CheckResult:
    raise CannotMeasure("no town is known", state="missing", fix="pass the towns")


def spoils_its_input(seen: Any) -> CheckResult:
    found = small_groups(seen)
    seen.dataset("train").frame.drop(columns=["x", "y"], inplace=True)
    return found


def of_very_many_measures(seen: Any) -> CheckResult:
    groups = (Measure.counted("smallest_group", at, n=1, group=f"town {at}") for at in range(20_000))
    return CheckResult(check=NAME, measures=tuple(groups))


CASES: dict[str, tuple[Measuring, State, str]] = {
    "raises": (raises, State.ERROR, "raised AttributeError"),
    "raises with a value": (raises_with_a_value, State.ERROR, "raised ValueError"),
    "raises midway": (raises_midway, State.ERROR, "raised ValueError"),
    "ends the process": (exits, State.ERROR, "raised SystemExit"),
    "returns None": (lambda _: None, State.ERROR, "raised TypeError"),
    "returns a number": (lambda _: 3, State.ERROR, "raised TypeError"),
    "returns text": (lambda _: "pass", State.ERROR, "not a CheckResult"),
    "returns nothing": (lambda _: [], State.ERROR, "returned nothing"),
    "speaks for another check": (as_another, State.ERROR, "not a CheckResult of its own"),
    "returns no measures": (of_no_measures, State.ERROR, "cannot be written"),
    "returns no UTF-8": (of_no_utf8, State.ERROR, "cannot be written"),
    "returns another metric": (of_another_metric, State.MISSING, "was not measured"),
    "counts nothing": (of_nothing_counted, State.ERROR, "taken on nothing"),
    "gives no interval": (without_interval, State.INCONCLUSIVE, "no interval"),
    "gives no value": (without_value, State.ERROR, "not defined"),
    "refuses": (refuses, State.MISSING, "no town is known"),
    "returns very many measures": (of_very_many_measures, State.FAIL, "smallest_group"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_goes_wrong_in_a_check_is_its_own_evidence(case: str, mlflow_home: str) -> None:
    measure, state, words = CASES[case]
    bundle = bundle_of_a_run(measure)
    evidence = state_of(bundle, NAME)
    assert evidence.state is state
    assert words in evidence.reason
    assert evidence.fix
    assert state_of(bundle, "performance").state is State.PASS
    assert {r.check for r in bundle.results} == {*BESIDE, NAME}
    assert bundle.complete


def test_a_check_that_hangs_is_waited_for_only_as_long_as_it_may_take(
    mlflow_home: str, released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    def hangs(seen: Any) -> CheckResult:
        released.wait()
        return small_groups(seen)

    with caplog.at_level(logging.WARNING, logger="aims_mlflow"):
        bundle = bundle_of_a_run(hangs, seconds=0.2)
    evidence = state_of(bundle, NAME)
    assert (evidence.state, evidence.reason) == (State.ERROR, "the check did not end within 0.2 s")
    assert "left behind" in caplog.text
    assert state_of(bundle, "performance").state is State.PASS


def test_a_check_that_changes_what_it_is_shown_does_not_change_the_users_frame(mlflow_home: str) -> None:
    """The frame it is shown is a handle of its own; the checks after it must not pass on what is left, either."""
    bundle = bundle_of_a_run(spoils_its_input)
    assert state_of(bundle, NAME).state is State.PASS
    (provenance,) = [r for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "train"}]
    assert provenance.measure("digest_mismatch").value in (0, 1)


def test_a_policy_that_asks_an_unknown_check_stands_against_every_control_of_the_gate() -> None:
    """However few controls the gate looks at: the package of the check may only have gone."""
    now = datetime.now(UTC)
    asked = [*SYSTEM.requirements, Requirement(check="no.such", metric="a", min=0)]
    policy = SYSTEM.model_copy(update={"requirements": tuple(asked), "gate": Gate(controls=("A.7.6",))})
    evidence = judge(policy, (), run_id="r", started=now, now=now)
    (unknown,) = [e for e in evidence if e.check == "no.such"]
    assert unknown.state is State.ERROR
    assert "A.7.6" in unknown.controls
    assert "AIMS_CHECKS" in unknown.fix
    assert {line.control: line.state for line in control_lines(policy, evidence, (), today=now.date())}["A.7.6"] is State.ERROR
