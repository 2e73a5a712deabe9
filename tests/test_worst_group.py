from __future__ import annotations

import fairlearn.metrics as fair
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.evidence import Measure, State
from aims_mlflow.intervals import wilson
from aims_mlflow.worst_group import LEANS, WORST, worst_measures, worst_value, worst_verdict

Groups = dict[str, dict[str, Measure]]


def share(name: str, count: int, n: int, group: str) -> Measure:
    low, high = wilson(count, n)
    return Measure(name=name, value=count / n if n else None, count=count, n=n, ci_low=low, ci_high=high, ci_method="wilson", group=group)


def accuracies(**groups: tuple[int, int]) -> Groups:
    return {
        "accuracy_score": {g: share("accuracy_score", x, n, g) for g, (x, n) in groups.items()},
        "group_size": {g: Measure.counted("group_size", n, group=g) for g, (_, n) in groups.items()},
    }


def recalls(rows: int, **groups: tuple[int, int]) -> Groups:
    return {
        "true_positive_rate": {g: share("true_positive_rate", x, n, g) for g, (x, n) in groups.items()},
        "group_size": {g: Measure.counted("group_size", rows, group=g) for g in groups},
    }


def areas(*, positives: int = 50, **groups: tuple[float, float]) -> Groups:
    """Areas as (value, half of the interval), 200 rows a group."""
    found = {
        g: Measure(name="roc_auc_score", value=v, ci_low=v - h, ci_high=v + h, ci_method="delong", n=200, group=g)
        for g, (v, h) in groups.items()
    }
    cases = {g: Measure.counted("group_positives", positives, group=g) for g in groups}
    return {"roc_auc_score": found, "group_positives": cases}


CASES: dict[str, tuple[Groups, dict[str, float], State, str]] = {
    "all within": (accuracies(a=(950, 1000), b=(940, 1000)), {"least": 0.9}, State.PASS, "worst for b"),
    "one below": (accuracies(a=(950, 1000), b=(600, 1000)), {"least": 0.9}, State.FAIL, "worst for b"),
    "both below": (accuracies(a=(500, 1000), b=(600, 1000)), {"least": 0.9}, State.FAIL, "missed by a, b"),
    "the point meets, the interval does not": (accuracies(a=(950, 1000), b=(91, 100)), {"least": 0.9}, State.INCONCLUSIVE, "worst for b"),
    "the point misses, the interval does not": (accuracies(a=(950, 1000), b=(89, 100)), {"least": 0.9}, State.INCONCLUSIVE, "worst for b"),
    "one is small": (accuracies(a=(950, 1000), b=(50, 50)), {"least": 0.9}, State.INCONCLUSIVE, "b has n=50"),
    "one is small and another fails": (accuracies(a=(500, 1000), b=(50, 50)), {"least": 0.9}, State.FAIL, "b has n=50"),
    "a small one cannot fail": (accuracies(a=(950, 1000), b=(0, 50)), {"least": 0.9}, State.INCONCLUSIVE, "b has n=50"),
    "all are small": (accuracies(a=(9, 9), b=(5, 5)), {"least": 0.9}, State.INCONCLUSIVE, "too small to decide"),
    "few cases": (recalls(500, a=(300, 310), b=(9, 9)), {"least": 0.5}, State.INCONCLUSIVE, "b has 9 positives"),
    "no cases": (recalls(500, a=(300, 310), b=(0, 0)), {"least": 0.5}, State.INCONCLUSIVE, "b has 0 positives"),
    "single": (accuracies(a=(950, 1000)), {"least": 0.9}, State.ERROR, "single group"),
    "none": ({}, {"least": 0.9}, State.MISSING, "no group"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_worst_group_is_judged_by_intervals(case: str) -> None:
    groups, bounds, state, words = CASES[case]
    measure = next(iter(groups), "accuracy_score")
    found = worst_verdict("the worst", measure, groups, **bounds, by="sex")  # type: ignore[arg-type]
    assert found.state is state
    assert words in found.reason
    assert "the worst by sex" in found.reason
    assert bool(found.fix) == (state is not State.PASS)


@pytest.mark.parametrize(
    ("groups", "state"),
    [
        (areas(a=(0.9, 0.02), b=(0.85, 0.02)), State.PASS),
        (areas(a=(0.9, 0.02), b=(0.75, 0.02)), State.FAIL),
        (areas(a=(0.9, 0.02), b=(0.8, 0.02)), State.INCONCLUSIVE),
        (areas(a=(0.9, 0.02), b=(0.85, 0.02), positives=9), State.INCONCLUSIVE),
    ],
    ids=["within", "beyond", "between", "few positives"],
)
def test_an_interval_without_counts_is_judged_too(groups: Groups, state: State) -> None:
    assert worst_verdict("roc_auc_score_group_min", "roc_auc_score", groups, least=0.8).state is state


def test_a_point_without_an_interval_never_passes() -> None:
    groups = areas(a=(0.9, 0.02), b=(0.99, 0.0))
    groups["roc_auc_score"]["b"] = Measure(name="roc_auc_score", value=0.99, n=200, group="b")
    found = worst_verdict("x", "roc_auc_score", groups, least=0.5)
    assert found.state is State.INCONCLUSIVE
    assert "b has no interval" in found.reason


def test_a_large_group_without_a_value_is_an_error() -> None:
    groups = areas(a=(0.9, 0.02), b=(0.9, 0.02))
    groups["roc_auc_score"]["b"] = Measure(name="roc_auc_score", value=None, n=200, group="b")
    assert worst_verdict("x", "roc_auc_score", groups, least=0.5).state is State.ERROR


def test_both_bounds_hold_for_a_gap_that_may_go_either_way() -> None:
    def gap(value: float) -> Groups:
        made = {"a": 0.0, "b": value}
        return {
            "mean_calibration_gap": {
                g: Measure(name="mean_calibration_gap", value=v, ci_low=v - 0.02, ci_high=v + 0.02, ci_method="student t", n=900, group=g)
                for g, v in made.items()
            }
        }

    for value, state in ((0.1, State.FAIL), (-0.1, State.FAIL), (0.01, State.PASS), (-0.04, State.INCONCLUSIVE)):
        assert worst_verdict("x", "mean_calibration_gap", gap(value), least=-0.05, most=0.05).state is state
    (worst,) = worst_measures([m for g in gap(-0.1).values() for m in g.values()])
    assert (worst.name, worst.value) == ("mean_calibration_gap_group_max", 0.1)
    assert worst.ci_low is not None
    assert worst.ci_low <= 0.08
    assert worst.ci_high == pytest.approx(0.12)


def test_counted_measures_are_exact() -> None:
    sizes = {"group_size": {g: Measure.counted("group_size", n, n=n, group=g) for g, n in (("a", 40), ("b", 50))}}
    assert worst_verdict("x", "group_size", sizes, least=40).state is State.PASS
    assert worst_verdict("x", "group_size", sizes, least=41).state is State.FAIL


def test_many_groups_are_corrected_for_before_one_fails() -> None:
    two = worst_verdict("x", "accuracy_score", accuracies(a=(500, 1000), b=(468, 1000)), least=0.5)
    many = worst_verdict(
        "x",
        "accuracy_score",
        accuracies(**{f"g{n}": (500, 1000) for n in range(60)}, b=(468, 1000)),
        least=0.5,  # type: ignore[arg-type]
    )
    assert two.state is State.FAIL
    assert many.state is State.INCONCLUSIVE
    assert LEANS in many.reason


def test_equal_groups_at_the_bound_are_rarely_decided_wrongly() -> None:
    random = np.random.default_rng(0)
    draws = random.binomial(400, 0.8, size=(600, 4))
    found = [
        worst_verdict("x", "accuracy_score", accuracies(**{f"g{g}": (int(x), 400) for g, x in enumerate(row)}), least=0.8) for row in draws
    ]  # type: ignore[arg-type]
    assert sum(v.state is State.PASS for v in found) <= 15
    assert sum(v.state is State.FAIL for v in found) <= 45


rows = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=12, max_size=60)


@given(rows)
@settings(max_examples=8, deadline=None)
def test_values_are_fairlearns_and_lie_in_their_intervals(drawn: list[tuple[int, bool, bool]]) -> None:
    from aims_mlflow.measuring.groups.rates import count_table, mean_measures, rate_measures

    groups, y_true, y_pred = np.array(drawn, dtype=int).T
    present, codes = np.unique(groups, return_inverse=True)
    if len(present) < 2:
        return
    table, names = count_table(codes, len(present), y_true, y_pred), [str(g) for g in present]
    measures = [*rate_measures(table, names), *mean_measures(table, names)]
    for found in worst_measures(measures):
        assert (found.ci_low is None) == (found.value is None)
        if found.value is None or not hasattr(fair, found.name):
            continue
        assert found.value == pytest.approx(getattr(fair, found.name)(y_true, y_pred, sensitive_features=groups), abs=1e-12)
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert found.ci_low <= found.value <= found.ci_high


def test_one_undefined_group_leaves_the_worst_open() -> None:
    groups = recalls(100, a=(5, 10), b=(0, 0))
    assert worst_value("recall_score_group_min", groups) is None
    assert worst_value("accuracy_score_group_min", groups) is None
    (found,) = worst_measures(groups["true_positive_rate"].values())
    assert (found.name, found.value) == ("recall_score_group_min", None)


def test_every_name_says_which_way_is_worse() -> None:
    for name, worst in WORST.items():
        assert name.endswith("_group_min" if worst.way == "min" else "_group_max")
    assert {name for name in fair.__all__ if name.endswith(("_group_min", "_group_max"))} <= set(WORST)
