from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aims_mlflow import registry
from aims_mlflow.checks.baseline import baseline
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, State
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.judging import judge
from aims_mlflow.measuring.scores.gains import GAINS
from aims_mlflow.measuring.scores.scoring import DEFAULTS, LOSSES
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System

LOADERS = {"binary_classification": load_breast_cancer, "multiclass_classification": load_wine, "regression": load_diabetes}
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
FILES = {"model.skops": (10, "a" * 64)}


def trained(kind: str, columns: int) -> tuple[Any, Model]:
    """A model on the first so many columns, and what the checks see of it."""
    frame = LOADERS[kind](as_frame=True).frame
    features = list(frame.columns[:columns])
    train = frame.iloc[::2]
    estimator = make_pipeline(StandardScaler(), LinearRegression() if kind == "regression" else LogisticRegression())
    estimator.fit(train[features], train["target"])
    proba, classes = (None, ()) if kind == "regression" else (estimator.predict_proba, tuple(estimator.classes_))
    return estimator, Model(estimator.predict, tuple(features), proba, classes, estimator, uri=f"models:/m-{columns}")


def see(
    kind: str, new: Model | None, old: Model | CannotMeasure | None, *asked: dict[str, Any], declared: str = "models:/m@champion"
) -> Observation:
    task = {"kind": kind, "target": "target", **({"positive_label": 1} if kind == "binary_classification" else {})}
    content = {
        "version": 1,
        "system": {"id": "s", **({"baseline": declared} if declared else {})},
        "task": task,
        "data": {"roles": {"test": "test"}},
        "requirements": [{"check": "baseline", **one} for one in asked],
    }
    frame = LOADERS[kind](as_frame=True).frame.iloc[1::2]
    return Observation(
        System.model_validate(content),
        {"test": Dataset("test", frame, fingerprint(frame))},
        RunFacts("r", STARTED, Code("unknown")),
        new,
        baseline=old,
    )


def only(seen: Observation) -> CheckResult:
    (found,) = registry.get("baseline").run(seen)
    return found


def judged(seen: Observation) -> tuple[State, str, str]:
    evidence = judge(seen.system, registry.get("baseline").run(seen), run_id="r", started=STARTED, now=STARTED)
    (one,) = [e for e in evidence if e.check == "baseline" and e.kind == "declared"]
    return one.state, one.reason, one.fix


@pytest.mark.parametrize("kind", LOADERS)
def test_gains_are_the_differences_of_scikit_learns_values(kind: str) -> None:
    (strong, new), (weak, old) = trained(kind, 12), trained(kind, 2)
    seen = see(kind, new, old)
    frame, found = seen.datasets["test"].frame, only(seen)
    assert found.problem is None
    for name in DEFAULTS[kind]:
        gain = found.measure(f"{name}_gain")
        assert gain is not None
        assert gain.value is not None
        assert gain.ci_low is not None
        if name in ("accuracy_score", "mean_absolute_error", "r2_score"):
            values = [getattr(sk, name)(frame["target"], m.predict(frame[list(m.feature_names_in_)])) for m in (strong, weak)]
            assert gain.value == pytest.approx((values[1] - values[0]) if name in LOSSES else values[0] - values[1], abs=1e-12)
    assert found.facts["baseline"] == "models:/m-2"
    assert found.measure("rows").value == len(frame)  # type: ignore[union-attr]


def test_discordant_rows_are_counted_as_mcnemar_does() -> None:
    (strong, new), (weak, old) = trained("binary_classification", 12), trained("binary_classification", 2)
    seen = see("binary_classification", new, old)
    frame, found = seen.datasets["test"].frame, only(seen)
    right = [m.predict(frame[list(m.feature_names_in_)]) == frame["target"] for m in (strong, weak)]
    assert found.facts["only_the_new_is_right"] == int((right[0] & ~right[1]).sum())
    assert found.facts["only_the_baseline_is_right"] == int((right[1] & ~right[0]).sum())
    assert found.measure("positives").value == int(frame["target"].sum())  # type: ignore[union-attr]


def test_predictions_that_were_given_are_the_new_models_alone() -> None:
    _, old = trained("binary_classification", 2)
    seen = see("binary_classification", None, old)
    perfect = Observation(
        seen.system, seen.datasets, seen.run, None, {"test": seen.datasets["test"].frame["target"].to_numpy()}, baseline=old
    )
    found = only(perfect)
    assert found.measure("accuracy_score_gain").value > 0.05  # type: ignore[union-attr, operator]
    assert found.measure("roc_auc_score_gain").value is None  # type: ignore[union-attr]
    assert any("roc_auc_score_gain has no value: the model gives no probabilities" in note for note in found.notes)


REQUIRED = {"metric": "roc_auc_score_gain", "min": -0.01}


def test_without_a_declared_baseline_nothing_is_compared_and_nothing_passes() -> None:
    _, new = trained("binary_classification", 4)
    quiet = only(see("binary_classification", new, None, declared=""))
    assert (quiet.problem, quiet.measures) == (None, ())
    assert "No baseline is declared" in quiet.notes[0]
    asked = see("binary_classification", new, None, REQUIRED, declared="")
    state, reason, fix = judged(asked)
    assert state is State.MISSING
    assert "no baseline is declared" in reason
    assert "system.baseline" in fix


def broken(_: pd.DataFrame) -> Any:
    raise RuntimeError("canary-4711")


PROBLEMS: dict[str, tuple[Callable[[], Model | CannotMeasure | None], State, str]] = {
    "could not be loaded": (lambda: CannotMeasure("the baseline x could not be loaded", state="missing", fix="y"), State.MISSING, "loaded"),
    "was not loaded": (lambda: None, State.MISSING, "was not loaded in this run"),
    "reads columns that are gone": (lambda: Model(lambda f: f, ("nope",)), State.ERROR, "the baseline could not be asked: 1 of the 1"),
    "raises": (lambda: Model(broken, ("mean radius",)), State.ERROR, "the baseline could not be asked: the model's predict raised Runtime"),
    "gives too few": (lambda: Model(lambda _: [0], ("mean radius",)), State.ERROR, "1 predictions"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_baseline_that_cannot_be_asked_is_a_problem_with_the_fix(case: str) -> None:
    old, state, words = PROBLEMS[case]
    _, new = trained("binary_classification", 4)
    seen = see("binary_classification", new, old(), REQUIRED)
    found = judged(seen)
    assert found[0] is state
    assert words in found[1]
    assert found[2]
    assert "canary" not in only(seen).model_dump_json()


def test_a_better_model_passes_and_a_worse_one_fails() -> None:
    (_, strong), (_, weak) = trained("binary_classification", 12), trained("binary_classification", 1)
    guess = Model(lambda f: np.arange(len(f)) % 2, ("mean radius",), lambda f: np.full((len(f), 2), 0.5), (0, 1))
    assert judged(see("binary_classification", strong, weak, REQUIRED))[0] is State.PASS
    assert judged(see("binary_classification", guess, strong, REQUIRED))[0] is State.FAIL


def test_a_model_that_only_answers_alike_is_decided_by_the_rows_there_are() -> None:
    _, model = trained("binary_classification", 12)
    state, reason, _ = judged(see("binary_classification", model, model, REQUIRED))
    assert state is State.INCONCLUSIVE  # 284 rows leave more than a hundredth open
    assert "roc_auc_score_gain on test is 0 " in reason
    assert judged(see("binary_classification", model, model, {**REQUIRED, "min": -0.1}))[0] is State.PASS
    assert judged(see("binary_classification", model, model, {**REQUIRED, "min": 0.05}))[0] is State.FAIL


def test_the_very_same_model_gains_nothing_for_certain() -> None:
    _, model = trained("binary_classification", 12)
    same = Model(**{**model.__dict__, "files": FILES})
    seen = see("binary_classification", same, Model(**{**model.__dict__, "files": dict(FILES)}), REQUIRED)
    found = only(seen)
    assert all(m.exact and m.value == 0 for m in found.measures if m.name.endswith("_gain"))
    assert any("this very model" in note for note in found.notes)
    assert judged(seen)[0] is State.PASS
    noisy = Model(**{**same.__dict__, "predict": lambda f: 1 - np.asarray(model.predict(f))})
    assert not only(see("binary_classification", noisy, same)).measure("accuracy_score_gain").exact  # type: ignore[union-attr]


def test_few_cases_of_a_class_decide_nothing() -> None:
    _, model = trained("binary_classification", 12)
    seen = see("binary_classification", model, model, {**REQUIRED, "min": -0.9})
    frame = seen.datasets["test"].frame
    few = pd.concat([frame[frame["target"] == 1], frame[frame["target"] == 0].head(9)])
    small = Observation(seen.system, {"test": Dataset("test", few, fingerprint(few))}, seen.run, model, baseline=model)
    state, reason, _ = judged(small)
    assert state is State.INCONCLUSIVE
    assert "9 cases" in reason


def test_every_measure_is_among_the_names_a_requirement_may_ask_for() -> None:
    (_, new), (_, old) = trained("binary_classification", 12), trained("binary_classification", 2)
    asked = {"metric": "neg_brier_score_gain", "min": 0}
    (found,) = baseline(see("binary_classification", new, old, asked))  # type: ignore[misc]
    assert {m.name for m in found.measures} - {"rows", "positives", "negatives"} <= set(GAINS)
    assert found.measure("neg_brier_score_gain").value == pytest.approx(found.measure("brier_score_loss_gain").value)
    assert found.subjects
