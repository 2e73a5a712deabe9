from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aims_mlflow import registry
from aims_mlflow.checks.robustness import INVARIANCES, METRICS, STRENGTHS, robustness
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.measuring.scores.calibration import error_of
from aims_mlflow.measuring.trials import trial as trials
from aims_mlflow.measuring.trials.perturbations import PERTURBATIONS, spreads
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System

USUAL = [(name, f"{s:g}" if s is not None else "") for name, strengths in STRENGTHS.items() for s in strengths or (None,)]
NOT_ON_NUMBERS = [("unseen_category", ""), ("int_as_float", "")]
"""Perturbations that have nothing to do where every column is a float."""


def see(
    frames: dict[str, pd.DataFrame], model: Model | None, *requirements: dict[str, Any], kind: str = "binary_classification", **more: Any
) -> Observation:
    task = {"kind": kind, "target": "target", **({"positive_label": 1} if kind == "binary_classification" else {})}
    asked = [{"check": "robustness", "max": 1, **r} for r in requirements]
    data = {"roles": {"test": "test"}, "sensitive": more.get("sensitive", [])}
    declared = {"version": 1, "system": {"id": "s"}, "task": task, "data": data, "requirements": asked}
    system = System.model_validate(declared | {"robustness": more.get("said", {})})
    datasets = {role: Dataset(role, f, Fingerprint("0" * 64, "none", len(f), ())) for role, f in frames.items()}
    return Observation(system, datasets, RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), model, more.get("given", {}))


def trained(estimator: Any, *requirements: dict[str, Any], kind: str = "binary_classification") -> Observation:
    frame = (load_diabetes if kind == "regression" else load_breast_cancer)(as_frame=True).frame
    train, test = frame.iloc[::2].reset_index(drop=True), frame.iloc[1::2].reset_index(drop=True)
    features = list(frame.columns[:5])
    estimator.fit(train[features], train["target"])
    proba, classes = (None, ()) if kind == "regression" else (estimator.predict_proba, tuple(estimator.classes_))
    return see(
        {"train": train, "test": test}, Model(estimator.predict, tuple(features), proba, classes, estimator), *requirements, kind=kind
    )


def linear(*first: Any) -> Any:
    return make_pipeline(*first, StandardScaler(), LogisticRegression())


def by_scope(results: Any) -> dict[tuple[str, str], CheckResult]:
    return {(r.scope["perturbation"], r.scope.get("strength", "")): r for r in results}


def value(result: CheckResult, name: str) -> Measure:
    found = result.measure(name)
    assert found is not None
    return found


def copies(seen: Observation, name: str, strength: float) -> list[pd.DataFrame]:
    """Perturbed copies made one by one, as a loop would."""
    assert seen.model is not None
    columns = list(seen.model.features or ())
    frame, train = seen.datasets["test"].frame[columns], seen.datasets["train"].frame[columns]
    return [PERTURBATIONS[name].copy(name, frame, strength, spreads(train), seed) for seed in range(5)]


@pytest.mark.parametrize(("estimator", "name", "strength"), [(linear(), "numeric_noise", 0.5), (linear(SimpleImputer()), "missing", 0.2)])
def test_values_are_those_of_a_loop_of_predicts(estimator: Any, name: str, strength: float) -> None:
    seen = trained(estimator, {"perturbation": name, "strength": strength, "metric": "roc_auc_drop"})
    found = by_scope(robustness(seen))[name, f"{strength:g}"]
    test = seen.datasets["test"].frame
    columns = list(seen.model.features)  # type: ignore[union-attr, arg-type]
    clean = estimator.predict(test[columns])
    disturbed = [estimator.predict(copy) for copy in copies(seen, name, strength)]
    drop = accuracy_score(test["target"], clean) - np.mean([accuracy_score(test["target"], d) for d in disturbed])
    assert value(found, "accuracy_drop").value == pytest.approx(drop, abs=1e-12)
    assert value(found, "flip_rate").value == pytest.approx(np.mean([d != clean for d in disturbed]), abs=1e-12)
    areas = [roc_auc_score(test["target"], estimator.predict_proba(copy)[:, 1]) for copy in copies(seen, name, strength)]
    lost = roc_auc_score(test["target"], estimator.predict_proba(test[columns])[:, 1]) - np.mean(areas)
    assert value(found, "roc_auc_drop").value == pytest.approx(lost, abs=1e-12)
    for measure in ("accuracy_drop", "flip_rate", "roc_auc_drop"):
        one = value(found, measure)
        assert one.value is not None
        assert one.ci_low is not None
        assert one.ci_high is not None
        assert one.ci_low <= one.value <= one.ci_high
        assert one.n == len(test)
    assert value(found, "rejected_share").value == value(found, "crashed_share").value == 0


def test_a_regression_has_its_own_measures() -> None:
    seen = trained(LinearRegression(), {"perturbation": "numeric_noise", "metric": "accuracy_drop"}, kind="regression")
    found = by_scope(robustness(seen))["numeric_noise", "0.2"]
    test = seen.datasets["test"].frame
    model = seen.model.estimator  # type: ignore[union-attr]
    clean = model.predict(test[list(model.feature_names_in_)])
    disturbed = [model.predict(copy) for copy in copies(seen, "numeric_noise", 0.2)]
    grown = np.mean([mean_absolute_error(test["target"], d) for d in disturbed]) - mean_absolute_error(test["target"], clean)
    assert value(found, "mean_absolute_error_increase").value == pytest.approx(grown, abs=1e-9)
    lost = r2_score(test["target"], clean) - np.mean([r2_score(test["target"], d) for d in disturbed])
    assert value(found, "r2_drop").value == pytest.approx(lost, abs=1e-9)
    assert value(found, "accuracy_drop").value is None
    assert {m.name for r in robustness(seen) for m in r.measures} <= set(METRICS)


def test_every_default_and_what_is_asked_is_covered() -> None:
    asked = ({"perturbation": "missing", "strength": 0.3, "metric": "flip_rate"}, {"strength": 0.07, "metric": "accuracy_drop"})
    found = by_scope(robustness(trained(linear(SimpleImputer()), *asked)))
    usual = [one for one in USUAL if one not in NOT_ON_NUMBERS]
    assert list(found) == [*usual, ("missing", "0.3"), ("numeric_noise", "0.07"), ("missing", "0.07"), ("numeric_noise", "")]
    assert all(r.problem is None for r in found.values())
    for name in set(INVARIANCES) - {"int_as_float"}:
        flips = value(found[name, ""], "flip_rate")
        assert flips.exact
        assert flips.value == 0


def test_german_credit_without_an_imputer_rejects_missing_values(fitted: Any) -> None:
    frames = {role: f.rename(columns={"credit_risk": "target"}) for role, f in (("train", fitted.train), ("test", fitted.test))}
    model = Model(fitted.pipeline.predict, tuple(fitted.pipeline.feature_names_in_))
    found = by_scope(robustness(see(frames, model, {"perturbation": "missing", "strength": 0.1, "metric": "accuracy_drop"})))
    missing = found["missing", "0.1"]
    assert missing.problem is not None
    assert "rejects missing values" in missing.problem.reason
    assert "imputer" in missing.problem.fix
    assert value(missing, "accuracy_drop").value is None
    assert (value(missing, "rejected_share").value, value(missing, "crashed_share").value) == (1.0, 0.0)
    noise = found["numeric_noise", "0.1"]
    assert noise.problem is None
    assert value(noise, "accuracy_drop").ci_high is not None


def test_that_a_model_rejects_may_be_what_was_asked() -> None:
    asked = {"perturbation": "missing", "strength": 0.1, "metric": "rejected_share", "max": None, "min": 1}
    found = by_scope(robustness(see({"test": simple()}, model(raises(ValueError)), asked)))["missing", "0.1"]
    assert found.problem is None
    assert value(found, "rejected_share").value == 1.0


def simple(n: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=n), "k": random.integers(0, 9, n), "t": ["a", "b"] * (n // 2)})
    return frame.assign(target=(frame["x"] > 0).astype(int))


def above(frame: pd.DataFrame) -> Any:
    return (frame["x"] > 0).astype(int)


def model(predict: Callable[[pd.DataFrame], Any] = above) -> Model:
    return Model(predict, ("x", "k", "t"))


def raises(error: type[Exception]) -> Callable[[pd.DataFrame], Any]:
    def predict(frame: pd.DataFrame) -> Any:
        if frame.isna().any(axis=None) or frame["x"].abs().max() > 6 or not frame["t"].isin(["a", "b"]).all():
            raise error("canary-4711")
        return above(frame)

    return predict


@pytest.mark.parametrize(("error", "share"), [(ValueError, "rejected_share"), (TypeError, "rejected_share"), (KeyError, "crashed_share")])
def test_rejections_and_crashes_are_counted_apart_and_never_quoted(error: type[Exception], share: str) -> None:
    found = by_scope(robustness(see({"test": simple()}, model(raises(error)))))["missing", "0.05"]
    assert value(found, share).value == 1.0
    assert found.problem is not None
    assert error.__name__ in found.problem.reason
    assert "canary" not in found.model_dump_json()


def test_silently_wrong_answers_count_as_flips() -> None:
    def vague(frame: pd.DataFrame) -> Any:
        return [None if np.isnan(x) else int(x > 0) for x in frame["x"]]

    found = by_scope(robustness(see({"test": simple()}, model(vague))))["missing", "0.2"]
    flips = value(found, "flip_rate").value
    assert flips is not None
    assert 0.15 < flips < 0.25


def test_a_model_that_looks_at_its_neighbours_is_found_out() -> None:
    found = by_scope(robustness(see({"test": simple()}, model(lambda f: (f["x"] > f["x"].median()).astype(int)))))
    assert value(found["batch_of_one", ""], "flip_rate").value > 0  # type: ignore[operator]
    ranked = by_scope(robustness(see({"test": simple()}, model(lambda f: f.index.to_numpy() % 2))))
    assert value(ranked["row_order", ""], "flip_rate").value > 0.3  # type: ignore[operator]
    random = np.random.default_rng(0)
    moody = by_scope(robustness(see({"test": simple()}, model(lambda f: random.integers(0, 2, len(f))))))
    assert value(moody["repeat", ""], "flip_rate").value > 0.3  # type: ignore[operator]


def test_no_flip_at_all_still_leaves_room_for_doubt() -> None:
    found = by_scope(robustness(see({"test": simple()}, model(lambda f: f["t"].map({"a": 0}).fillna(1).astype(int)))))[
        "numeric_noise", "0.5"
    ]
    drop = value(found, "accuracy_drop")
    assert drop.value == 0
    assert drop.ci_low is not None
    assert drop.ci_high is not None
    assert drop.ci_low < 0 < drop.ci_high < 0.02


def asks(**requirement: Any) -> Observation:
    return see({"test": simple()}, model(), {"metric": "accuracy_drop", **requirement})


def on(frame: pd.DataFrame, predict: Any = above, **more: Any) -> Observation:
    return see(
        {"test": frame},
        None if predict is None else model(predict),
        {"metric": "accuracy_drop", "perturbation": "missing", "strength": 0.1},
        **more,
    )


BAD: dict[str, tuple[Observation, tuple[str, str], str]] = {
    "unknown perturbation": (asks(perturbation="numeric_nose", strength=0.1), ("numeric_nose", "0.1"), "unknown perturbation"),
    "unknown, no strength": (asks(perturbation="mising"), ("mising", ""), "unknown perturbation"),
    "an order has no strength": (asks(perturbation="row_order", strength=0.1), ("row_order", "0.1"), "has no strength"),
    "strength zero": (asks(perturbation="missing", strength=0), ("missing", "0"), "changes nothing"),
    "strength beyond": (asks(perturbation="missing", strength=1.5), ("missing", "1.5"), "beyond 1"),
    "nothing changed": (asks(perturbation="numeric_noise", strength=1e-300), ("numeric_noise", "1e-300"), "changed no cell"),
    "no numbers": (
        see(
            {"test": simple()[["t", "target"]]},
            Model(lambda f: (f["t"] == "a").astype(int), ("t",)),
            {"perturbation": "numeric_noise", "metric": "flip_rate"},
        ),
        ("numeric_noise", "0.1"),
        "no numeric",
    ),
    "no model": (on(simple(), None, given={"test": [0] * 300}), ("missing", "0.1"), "no model"),
    "zero rows": (on(simple().head(0)), ("missing", "0.1"), "zero rows"),
    "target absent": (on(simple().drop(columns="target")), ("missing", "0.1"), "is not in the data"),
    "target all NaN": (on(simple().assign(target=np.nan)), ("missing", "0.1"), "300 missing values"),
    "feature absent": (on(simple().drop(columns="k")), ("missing", "0.1"), "not in the data: k"),
    "duplicate columns": (on(simple().set_axis(["x", "k", "k", "target"], axis=1)), ("missing", "0.1"), "duplicate"),
    "names that are not text": (on(simple().rename(columns={"t": 0})), ("missing", "0.1"), "not strings"),
    "predict raises": (on(simple(), lambda _: 1 / 0), ("missing", "0.1"), "ZeroDivisionError"),
    "probabilities": (on(simple(), lambda f: np.full(len(f), 0.3)), ("missing", "0.1"), "probabilities"),
    "one answer": (on(simple(), lambda _: [1]), ("missing", "0.1"), "1 predictions for 300 rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_measured_is_a_problem_with_the_fix(case: str) -> None:
    seen, scope, words = BAD[case]
    found = by_scope(registry.get("robustness").run(seen))[scope]
    assert found.problem is not None
    assert words in found.problem.reason
    assert found.problem.fix
    assert found.problem.state == ("missing" if case == "no model" else "error")
    assert not found.measures


def test_regression_answers_that_are_not_finite_are_a_problem() -> None:
    frame = simple().assign(target=lambda f: f["x"])
    found = by_scope(robustness(see({"test": frame}, model(lambda f: f["x"]), kind="regression")))
    assert found["missing", "0.2"].problem is not None
    assert value(found["missing", "0.2"], "mean_absolute_error_increase").value is None
    assert found["numeric_noise", "0.2"].problem is None


def test_no_frame_is_changed_and_the_numbers_are_the_same_each_time() -> None:
    def vandal(frame: pd.DataFrame) -> Any:
        answers = above(frame)
        frame["x"] = 99.0
        return answers

    frame = simple()
    before = frame.copy(deep=True)
    first = list(robustness(see({"test": frame}, model(vandal))))
    pd.testing.assert_frame_equal(frame, before)
    assert first == list(robustness(see({"test": frame}, model())))


def test_large_data_are_sampled_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "ROWS_AT_MOST", 100)
    monkeypatch.setattr(trials, "STACKED_AT_MOST", 250)
    asked: list[int] = []

    def predict(frame: pd.DataFrame) -> Any:
        asked.append(len(frame))
        return above(frame)

    found = by_scope(robustness(see({"test": simple()}, model(predict))))["numeric_noise", "0.1"]
    assert sorted(set(asked))[-2:] == [250, 300]  # all rows once, for what needs no second question; else no more than the bound
    assert value(found, "flip_rate").n == 100
    assert found.notes == ("Measured on a seeded sample of 100 of 300 rows.",)
    assert (found.facts["rows"], found.facts["rows_given"], found.facts["sample_seed"]) == (100, 300, 0)


def test_of_many_rows_each_is_disturbed_by_some_of_the_five_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.checks.robustness.ASKED_AT_MOST", 600)
    found = by_scope(robustness(see({"test": simple()}, model())))["numeric_noise", "0.5"]
    assert (found.facts["copies"], found.facts["asked"], value(found, "flip_rate").n) == (5, 600, 300)
    assert found.facts["seeds"] == [0, 1, 2, 3, 4]
    assert set(found.facts["by_seed"]) == set("01234")  # type: ignore[arg-type]
    whole = by_scope(robustness(see({"test": simple()}, model())))["numeric_noise", "0.5"]
    assert whole.facts["asked"] == 600 or value(found, "flip_rate").value == pytest.approx(value(whole, "flip_rate").value, abs=0.05)


# --- damage: what is rejected, crashes, and is silently wrong --------------------------------------------------------------

DAMAGED = [("out_of_range", "1"), ("unseen_category", ""), ("unit_error", "10"), ("missing_column", "1")]


def guards(error: type[Exception] | None) -> Callable[[pd.DataFrame], Any]:
    """A model of x that refuses, crashes on, or takes what it cannot have seen; k is used and nobody looks after it."""

    def predict(frame: pd.DataFrame) -> Any:
        strange = frame["x"].isna() | (frame["x"].abs() > 5) | ~frame["t"].isin(["a", "b"])
        if error is not None and strange.any():
            raise error("canary-4711")
        return ((frame["x"].fillna(9) > 0) ^ ~frame["t"].isin(["a", "b"])).astype(int)

    return predict


@pytest.mark.parametrize(("perturbation", "strength"), DAMAGED)
@pytest.mark.parametrize(
    ("error", "fate"), [(ValueError, "rejected"), (KeyError, "crashed"), (None, "answered")], ids=["no", "crash", "yes"]
)
def test_refusing_crashing_and_accepting_are_told_apart_by_column(
    perturbation: str, strength: str, error: type[Exception] | None, fate: str
) -> None:
    strong = strength if perturbation != "out_of_range" else "3"
    asked = {"perturbation": perturbation, "metric": "silently_wrong_share"} | ({"strength": float(strong)} if strong else {})
    found = by_scope(robustness(see({"test": simple()}, model(guards(error)), asked)))[perturbation, strong]
    assert found.problem is None
    columns: Any = found.facts["by_column"]
    guarded = "t" if perturbation == "unseen_category" else "x"
    assert set(columns[guarded]) & {"answered", "rejected", "crashed"} == {fate}
    assert columns.get("k", {"answered": 1})["answered"] >= 1
    share = sum(columns[guarded].get("answered", 0) for guarded in columns) / sum(
        columns[c].get(f, 0) for c in columns for f in ("answered", "rejected", "crashed")
    )
    assert value(found, "silent_accept_share").value == pytest.approx(share)
    assert value(found, "rejected_share").value == pytest.approx((1 - share) if fate == "rejected" else 0)
    assert value(found, "crashed_share").value == pytest.approx((1 - share) if fate == "crashed" else 0)
    wrong = value(found, "silently_wrong_share").value
    assert wrong is not None
    assert wrong > 0.1 if error is None and perturbation != "unit_error" else wrong == 0
    assert "canary" not in found.model_dump_json()


def test_of_damage_the_worst_column_stands_beside_the_mean() -> None:
    found = by_scope(robustness(see({"test": simple()}, model(guards(None)))))["out_of_range", "1"]
    mean, worst = value(found, "silently_wrong_share"), value(found, "worst_column_silently_wrong_share")
    assert mean.value == pytest.approx(0.25, abs=0.05)
    assert worst.value == pytest.approx(0.5, abs=0.06)
    assert worst.ci_low is not None
    assert worst.ci_high is not None
    assert worst.value is not None
    assert worst.ci_low < worst.value < worst.ci_high
    by_column: Any = found.facts["by_column"]
    assert by_column["x"]["accuracy_drop"] == pytest.approx(value(found, "worst_column_accuracy_drop").value, abs=1e-6)
    assert by_column["k"]["accuracy_drop"] == 0


def test_damaged_accuracies_are_scikit_learns() -> None:
    seen = trained(linear(SimpleImputer()))
    test, columns = seen.datasets["test"].frame, list(seen.model.features)  # type: ignore[union-attr, arg-type]
    estimator = seen.model.estimator  # type: ignore[union-attr]
    found = by_scope(robustness(seen))
    clean = accuracy_score(test["target"], estimator.predict(test[columns]))
    scaled = [accuracy_score(test["target"], estimator.predict(test[columns].assign(**{c: test[c] * 10}))) for c in columns]
    assert value(found["unit_error", "10"], "accuracy_drop").value == pytest.approx(clean - np.mean(scaled), abs=1e-12)
    assert value(found["unit_error", "10"], "worst_column_accuracy_drop").value == pytest.approx(clean - min(scaled), abs=1e-12)
    empty = [accuracy_score(test["target"], estimator.predict(test[columns].assign(**{c: np.nan}))) for c in columns]
    assert value(found["missing_column", "1"], "accuracy_drop").value == pytest.approx(clean - np.mean(empty), abs=1e-12)


def test_several_labels_are_measured_too() -> None:
    frame = load_wine(as_frame=True).frame
    train, test = frame.iloc[::2].reset_index(drop=True), frame.iloc[1::2].reset_index(drop=True)
    estimator = linear().fit(train.drop(columns="target"), train["target"])
    one = Model(estimator.predict, tuple(train.columns[:-1]), estimator.predict_proba, tuple(estimator.classes_))
    found = by_scope(robustness(see({"train": train, "test": test}, one, kind="multiclass_classification")))
    clean = accuracy_score(test["target"], estimator.predict(test.iloc[:, :-1]))
    doubled = [
        accuracy_score(test["target"], estimator.predict(test.iloc[:, :-1].assign(**{c: test[c] * 1000}))) for c in train.columns[:-1]
    ]
    assert value(found["unit_error", "1000"], "accuracy_drop").value == pytest.approx(clean - np.mean(doubled), abs=1e-12)
    assert value(found["search", "0.2"], "flip_success_share").count is not None
    assert value(found["worst_slice", ""], "loss_cvar").value is not None
    assert found["numeric_noise", "0.1"].measure("calibration_error_increase") is None


# --- scores ----------------------------------------------------------------------------------------------------------------


def test_calibration_under_shift_is_the_growth_of_the_calibration_error() -> None:
    seen = trained(linear(SimpleImputer()))
    test, columns = seen.datasets["test"].frame, list(seen.model.features)  # type: ignore[union-attr, arg-type]
    estimator = seen.model.estimator  # type: ignore[union-attr]
    found = by_scope(robustness(seen))
    truth, clean = test["target"].to_numpy(), estimator.predict_proba(test[columns])[:, 1]
    shifted = np.concatenate([estimator.predict_proba(copy)[:, 1] for copy in copies(seen, "numeric_noise", 0.5)])
    grown = error_of(np.tile(truth, 5), shifted) - error_of(truth, clean)
    one = value(found["numeric_noise", "0.5"], "calibration_error_increase")
    assert one.value == pytest.approx(grown, abs=0.02)  # bins of five times the rows, and of the rows
    assert one.ci_low is not None
    assert one.ci_high is not None
    assert one.value is not None
    assert one.ci_low < one.value < one.ci_high
    kept = value(found["numeric_noise", ""], "accuracy_retention")
    assert kept.value is not None
    assert 0.8 < kept.value <= 1.05


@pytest.mark.parametrize("proba", [None, lambda f: np.full((len(f), 2), np.nan), lambda _: 1 / 0, lambda f: np.full((len(f), 2), 7.0)])
def test_without_usable_scores_the_labels_are_still_on_trial(proba: Any) -> None:
    one = Model(above, ("x", "k", "t"), proba, (0, 1))
    found = by_scope(robustness(see({"test": simple()}, one)))
    noise = found["numeric_noise", "0.1"]
    assert noise.problem is None
    assert noise.measure("calibration_error_increase") is None
    assert value(noise, "flip_rate").value is not None


# --- what does not apply ---------------------------------------------------------------------------------------------------

NOT_THERE = {
    "no category": ({"x": 0.5}, "unseen_category", None, "no column of text"),
    "no number": ({"t": "a"}, "out_of_range", 1.0, "no numeric column"),
    "no neighbours": ({"x": 0.5, "t": "a"}, "swapped_columns", None, "no two neighbouring"),
    "no float": ({"t": "a"}, "float32", None, "rounding to float32"),
    "no whole number": ({"x": 0.5}, "int_as_float", None, "whole numbers"),
}


@pytest.mark.parametrize("case", NOT_THERE)
def test_what_has_nothing_to_do_is_left_out_unless_asked_for(case: str) -> None:
    columns, perturbation, strength, words = NOT_THERE[case]
    frame = pd.DataFrame({"target": [0, 1] * 100}).assign(**columns)
    one = Model(lambda f: [0] * len(f), tuple(columns))
    scope = (perturbation, "" if strength is None else f"{strength:g}")
    assert scope not in by_scope(robustness(see({"test": frame}, one)))
    asked = {"perturbation": perturbation, "metric": "flip_rate"} | ({} if strength is None else {"strength": strength})
    found = by_scope(robustness(see({"test": frame}, one, asked)))[scope]
    assert found.problem is not None
    assert words in found.problem.reason
    assert found.problem.fix


def test_declared_columns_that_are_not_there_are_left_out_of_the_coverage() -> None:
    said = {"swaps": [["x", "k"], ["x", "gone"]], "units": {"x": [2.5], "away": [2.5]}}
    found = by_scope(robustness(see({"test": simple()}, model(), said=said)))
    assert found["swapped_columns", ""].coverage.left_out == ("x <-> gone",)
    assert list(found["swapped_columns", ""].facts["by_column"]) == ["x <-> k"]  # type: ignore[arg-type]
    assert found["unit_error", "2.5"].coverage.left_out == ("away",)
    assert list(found["unit_error", "10"].facts["by_column"]) == ["k"]  # type: ignore[arg-type]


def test_a_model_that_refuses_all_damage_is_a_problem_only_for_what_needs_answers() -> None:
    def strict(frame: pd.DataFrame) -> Any:
        if not frame["k"].between(0, 8).all() or frame["x"].isna().any() or frame["x"].abs().max() > 9:
            raise ValueError("canary")
        return above(frame)

    asked = {"perturbation": "unit_error", "strength": 1000, "metric": "accuracy_drop"}
    found = by_scope(robustness(see({"test": simple()}, model(strict), asked, {"metric": "accuracy_drop"})))
    assert found["unit_error", "1000"].problem is not None
    assert "ask for rejected_share" in found["unit_error", "1000"].problem.fix
    free = by_scope(robustness(see({"test": simple()}, model(strict), {"metric": "accuracy_drop"})))
    assert free["unit_error", "1000"].problem is None
    assert value(free["unit_error", "1000"], "rejected_share").value == 1
    assert value(free["unit_error", "1000"], "silently_wrong_share").value == 0


def test_what_a_model_may_refuse_is_no_problem_of_what_was_asked_elsewhere() -> None:
    frame = simple()

    def strict(asked: pd.DataFrame) -> Any:
        if asked["k"].dtype != "int64" or not asked["x"].dropna().isin(frame["x"]).all():
            raise ValueError("canary")
        return above(asked)

    anywhere = {"metric": "flip_rate"}
    found = by_scope(robustness(see({"test": frame}, model(strict), anywhere)))
    assert found["int_as_float", ""].problem is None
    assert value(found["int_as_float", ""], "rejected_share").value == 1
    assert found["search", "0.2"].problem is None
    assert found["search", "0.2"].notes == ("No search: the model rejects rows within 0.2 interquartile ranges of real ones (ValueError).",)
    named = [{"perturbation": "int_as_float", "metric": "flip_rate"}, {"perturbation": "search", "metric": "flip_success_share"}]
    found = by_scope(robustness(see({"test": frame}, model(strict), *named)))
    assert found["int_as_float", ""].problem is not None
    assert found["search", "0.2"].problem is not None


def test_none_found_is_said_with_the_queries_it_took() -> None:
    flat = model(lambda f: (f["t"] == "a").astype(int))
    frame = simple().assign(target=lambda f: (f["t"] == "a").astype(int))
    found = by_scope(robustness(see({"test": frame}, flat, sensitive=["t"])))["search", "0.2"]
    share = value(found, "flip_success_share")
    assert (share.value, share.n) == (0, 100)
    assert share.ci_high is not None
    assert share.ci_high > 0.03
    assert found.notes == (f"None found in {found.facts['queries']:,} queries: a longer or another search may find some.",)
    assert found.facts["immutable"] == ["t"]


def test_no_value_of_the_data_is_written() -> None:
    frame = simple().assign(x=lambda f: f["x"] * 1_234_567.891, t=["Zorglub", "Tromblon"] * 150)
    written = "".join(r.model_dump_json() for r in robustness(see({"test": frame, "train": frame}, model(), sensitive=["t"])))
    for canary in ("Zorglub", "Tromblon", "aims-unseen", *(f"{x:.3f}"[:6] for x in (frame["x"].min(), frame["x"].max()))):
        assert canary not in written


def test_given_predictions_have_a_worst_slice_though_no_model_can_be_asked() -> None:
    frame = simple(1000)
    found = by_scope(robustness(see({"test": frame}, None, given={"test": above(frame).to_numpy()})))
    assert found["worst_slice", ""].problem is None
    assert value(found["worst_slice", ""], "accuracy_score").value == 1
    assert found["repeat", ""].problem is not None
