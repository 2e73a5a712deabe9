from __future__ import annotations

import fairlearn.metrics as fairlearn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution
from sklearn.metrics import accuracy_score, precision_score

from aims_mlflow.disparity import DISPARITIES, UPWARD_BIAS, disparity_value, disparity_verdict, probability_beyond
from aims_mlflow.evidence import Measure, State
from aims_mlflow.intervals import wilson

COUNTS = ("tp", "fp", "fn", "tn")


def share(name: str, count: int, n: int, group: str) -> Measure:
    low, high = wilson(count, n)
    return Measure(
        name=name, value=count / n if n else None, count=count, n=n, ci_low=low, ci_high=high, ci_method="wilson", group=group, unit="share"
    )


def measured(tables: dict[str, tuple[int, int, int, int]]) -> dict[str, dict[str, Measure]]:
    """Group measures as the fairness check gives them, from each group's (tp, fp, fn, tn)."""
    rates: dict[str, dict[str, Measure]] = {}
    for group, (tp, fp, fn, tn) in tables.items():
        parts = {
            "selection_rate": (tp + fp, tp + fp + fn + tn),
            "true_positive_rate": (tp, tp + fn),
            "false_negative_rate": (fn, tp + fn),
            "false_positive_rate": (fp, fp + tn),
            "true_negative_rate": (tn, fp + tn),
            "precision": (tp, tp + fp),
            "accuracy_score": (tp + tn, tp + fp + fn + tn),
            "zero_one_loss": (fp + fn, tp + fp + fn + tn),
        }
        for name, (count, n) in parts.items():
            rates.setdefault(name, {})[group] = share(name, count, n, group)
        rates.setdefault("group_size", {})[group] = Measure.counted("group_size", tp + fp + fn + tn, group=group)
    return rates


def rows(tables: dict[str, tuple[int, int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth, predicted, group = [], [], []
    for name, counts in tables.items():
        for (y, y_hat), count in zip(((1, 1), (0, 1), (1, 0), (0, 0)), counts, strict=True):
            truth += [y] * count
            predicted += [y_hat] * count
            group += [name] * count
    return np.array(truth), np.array(predicted), np.array(group)


def selected(**groups: tuple[int, int]) -> dict[str, dict[str, Measure]]:
    """Selection rates alone: group = (selected, n)."""
    return {
        "selection_rate": {g: share("selection_rate", x, n, g) for g, (x, n) in groups.items()},
        "group_size": {g: Measure.counted("group_size", n, group=g) for g, (_, n) in groups.items()},
    }


tables_of_counts = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.tuples(*[st.integers(1, 30)] * 4), min_size=2, max_size=4)


@given(tables_of_counts)
@settings(max_examples=5, deadline=None)
def test_every_value_is_fairlearns(tables):
    truth, predicted, group = rows(tables)
    rates = measured(tables)
    for name in DISPARITIES:
        if name.startswith("precision"):
            frame = fairlearn.MetricFrame(metrics=precision_score, y_true=truth, y_pred=predicted, sensitive_features=group)
            theirs = getattr(frame, name.rsplit("_", 1)[1])()
        else:
            theirs = getattr(fairlearn, name)(truth, predicted, sensitive_features=group)
        assert disparity_value(name, rates) == pytest.approx(theirs, abs=1e-12), name
    assert rates["accuracy_score"]["a" if "a" in tables else next(iter(tables))].value == pytest.approx(
        accuracy_score(*(side[group == ("a" if "a" in tables else next(iter(tables)))] for side in (truth, predicted)))
    )


def test_zero_rates_are_fairlearns_too():
    tables = {"a": (5, 0, 5, 10), "b": (8, 0, 2, 10)}  # nobody is falsely positive: 0/0 in one of two rates
    truth, predicted, group = rows(tables)
    rates = measured(tables)
    for name in ("equalized_odds_ratio", "equalized_odds_difference", "false_positive_rate_difference"):
        theirs = getattr(fairlearn, name)(truth, predicted, sensitive_features=group)
        assert disparity_value(name, rates) == pytest.approx(theirs, abs=1e-12)
    assert np.isnan(fairlearn.false_positive_rate_ratio(truth, predicted, sensitive_features=group))
    assert disparity_value("false_positive_rate_ratio", rates) is None


def test_a_group_without_cases_has_no_rate_where_fairlearn_reads_zero():
    rates = measured({"a": (5, 5, 5, 5), "b": (0, 5, 0, 5)})
    assert disparity_value("equal_opportunity_difference", rates) is None
    assert disparity_value("demographic_parity_difference", rates) == 0


@pytest.mark.parametrize(
    ("groups", "bound", "state"),
    [
        ({"f": (500, 1000), "m": (500, 1000)}, 0.8, State.PASS),
        ({"f": (300, 1000), "m": (500, 1000)}, 0.8, State.FAIL),
        ({"f": (90, 130), "m": (200, 270)}, 0.8, State.PASS),
        ({"f": (45, 100), "m": (50, 100)}, 0.8, State.INCONCLUSIVE),
        ({"f": (0, 100), "m": (50, 100)}, 0.8, State.FAIL),
    ],
)
def test_a_ratio_is_judged_by_its_bounds(groups, bound, state):
    verdict = disparity_verdict("demographic_parity_ratio", selected(**groups), bound, by="sex")
    assert verdict.state is state
    assert verdict.low is not None
    assert verdict.high is not None
    assert 0 <= verdict.low <= verdict.value <= verdict.high <= 1
    assert (verdict.low >= bound) == (state is State.PASS)
    assert (verdict.high < bound) == (state is State.FAIL)
    assert verdict.reason.startswith("demographic_parity_ratio by sex is ")
    assert "asked: at least 0.8" in verdict.reason
    assert bool(verdict.fix) == (state is not State.PASS)
    assert (verdict.p < 0.05) == (state is State.FAIL)


@pytest.mark.parametrize(
    ("groups", "state"),
    [
        ({"f": (500, 1000), "m": (500, 1000)}, State.PASS),
        ({"f": (300, 1000), "m": (500, 1000)}, State.FAIL),
        ({"f": (45, 100), "m": (50, 100)}, State.INCONCLUSIVE),
    ],
)
def test_a_difference_is_judged_by_its_bounds(groups, state):
    verdict = disparity_verdict("demographic_parity_difference", selected(**groups), 0.1)
    assert verdict.state is state
    assert (verdict.high <= 0.1) == (state is State.PASS)
    assert (verdict.low > 0.1) == (state is State.FAIL)
    assert 0 <= verdict.low <= verdict.value <= verdict.high


@pytest.mark.parametrize(
    ("name", "groups", "state", "words"),
    [
        ("demographic_parity_ratio", {}, State.MISSING, "no selection_rate"),
        ("demographic_parity_ratio", selected(f=(500, 1000)), State.ERROR, "single group"),
        ("demographic_parity_ratio", selected(f=(0, 1000), m=(0, 1000)), State.ERROR, "not defined"),
        ("demographic_parity_ratio", selected(f=(9, 10), m=(90, 99)), State.INCONCLUSIVE, "f has n=10, asked: 100"),
        ("equalized_odds_difference", selected(f=(500, 1000), m=(1, 2)), State.MISSING, "no true_positive_rate"),
    ],
)
def test_nothing_passes_by_default(name, groups, state, words):
    verdict = disparity_verdict(name, groups, 0.0 if name.endswith("ratio") else 1.0)
    assert verdict.state is state
    assert words in verdict.reason
    assert verdict.fix


def test_measures_whose_counts_do_not_give_their_value_are_an_error():
    groups = selected(f=(300, 1000), m=(500, 1000))
    groups["selection_rate"]["f"] = groups["selection_rate"]["f"].model_copy(update={"value": 0.5})
    assert disparity_verdict("demographic_parity_ratio", groups, 0.8).state is State.ERROR
    groups["selection_rate"]["f"] = groups["selection_rate"]["f"].model_copy(update={"value": 0.3, "count": None})
    assert disparity_verdict("demographic_parity_ratio", groups, 0.8).state is State.ERROR


def test_a_small_group_keeps_others_from_passing_and_is_named_with_its_n():
    verdict = disparity_verdict("demographic_parity_ratio", selected(f=(500, 1000), m=(500, 1000), x=(42, 84)), 0.8, by="sex")
    assert verdict.state is State.INCONCLUSIVE
    assert "x has n=84, asked: 100" in verdict.reason
    assert UPWARD_BIAS in verdict.reason
    assert "x" in verdict.fix
    looser = disparity_verdict("demographic_parity_ratio", selected(f=(500, 1000), m=(500, 1000), x=(42, 84)), 0.7, 84)
    assert looser.state is State.PASS


def test_a_small_group_does_not_hide_a_failure_among_the_others():
    verdict = disparity_verdict("demographic_parity_ratio", selected(f=(200, 1000), m=(500, 1000), x=(42, 84)), 0.8)
    assert verdict.state is State.FAIL
    assert verdict.worst == (("f", "m"),)
    assert "x has n=84" in verdict.reason


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("equal_opportunity_ratio", (9, 50, 0, 100), "9 positives"),
        ("false_negative_rate_difference", (9, 50, 0, 100), "9 positives"),
        ("false_positive_rate_ratio", (100, 4, 50, 5), "9 negatives"),
        ("true_negative_rate_difference", (100, 4, 50, 5), "9 negatives"),
        ("equalized_odds_difference", (100, 4, 50, 5), "9 negatives"),
        ("precision_ratio", (5, 4, 100, 100), "9 selected cases"),
        ("equal_opportunity_ratio", (40, 5, 10, 5), "n=60"),
    ],
)
def test_conditional_rates_need_ten_cases_and_the_rows(name, table, words):
    rates = measured({"large": (100, 100, 100, 100), "small": table})
    verdict = disparity_verdict(name, rates, 0.01 if name.endswith("ratio") else 0.99)
    assert verdict.state is State.INCONCLUSIVE
    assert f"small has {words}" in verdict.reason


def test_the_size_of_a_group_is_found_without_group_size_or_is_unknown():
    tables = {"a": (300, 100, 100, 300), "b": (300, 100, 100, 300)}
    rates = measured(tables)
    for kept, state in (
        (("true_positive_rate", "selection_rate"), State.PASS),
        (("true_positive_rate", "false_positive_rate"), State.PASS),
        (("true_positive_rate",), State.INCONCLUSIVE),
    ):
        verdict = disparity_verdict("equal_opportunity_ratio", {rate: rates[rate] for rate in kept}, 0.8)
        assert verdict.state is state, kept
    assert "of unknown size" in verdict.reason


def test_equalized_odds_fails_by_either_rate():
    same = (300, 100, 100, 300)
    for other in ((150, 100, 250, 300), (300, 250, 100, 150)):
        verdict = disparity_verdict("equalized_odds_difference", measured({"a": same, "b": other}), 0.1)
        assert verdict.state is State.FAIL
    assert disparity_verdict("equalized_odds_difference", measured({"a": same, "b": same}), 0.2).state is State.PASS


def test_more_groups_make_a_failure_harder_and_never_a_pass_easier():
    two = selected(a=(378, 1000), b=(500, 1000))
    four = selected(a=(378, 1000), b=(500, 1000), c=(500, 1000), d=(500, 1000))
    lesser, greater = (disparity_verdict("demographic_parity_ratio", g, 0.8) for g in (two, four))
    assert lesser.p < greater.p
    assert lesser.high < greater.high
    assert greater.low <= lesser.low


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=2, max_size=4), st.sampled_from([0.5, 0.8, 0.95]))
@settings(max_examples=60, deadline=None)
def test_a_pass_or_fail_agrees_with_the_point_and_survives_renaming(counts, bound):
    groups = {f"g{i}": (min(c), max(c)) for i, c in enumerate(counts)}
    verdict = disparity_verdict("demographic_parity_ratio", selected(**groups), bound)
    value = disparity_value("demographic_parity_ratio", selected(**groups))
    if verdict.state is State.PASS:
        assert value is not None
        assert value >= bound
        assert all(n >= 100 for _, n in groups.values())
    if verdict.state is State.FAIL:
        assert value is None or value < bound
    renamed = selected(**{f"h{i}": g for i, g in reversed(list(enumerate(groups.values())))})
    assert disparity_verdict("demographic_parity_ratio", renamed, bound).state is verdict.state


def _wrong(name: str, bound: float, true: tuple[float, ...], n: int, draws: int, seed: int) -> tuple[float, float]:
    """Share of PASS and of FAIL over simulated draws of groups of ``n`` with these true rates."""
    random = np.random.default_rng(seed)
    states = [
        disparity_verdict(name, selected(**{f"g{i}": (int(random.binomial(n, p)), n) for i, p in enumerate(true)}), bound).state
        for _ in range(draws)
    ]
    return states.count(State.PASS) / draws, states.count(State.FAIL) / draws


@pytest.mark.parametrize(
    ("name", "bound", "true", "n", "most_pass", "most_fail"),
    [
        ("demographic_parity_ratio", 0.8, (0.4, 0.5), 1000, 0.075, 0.05),  # nominal 5 % and 2.5 %
        ("demographic_parity_difference", 0.1, (0.4, 0.5), 1000, 0.075, 0.05),
        ("demographic_parity_ratio", 0.8, (0.4, 0.5, 0.5, 0.5), 500, 0.075, 0.05),
        ("demographic_parity_ratio", 0.8, (0.3, 0.3), 100, 1.0, 0.02),  # equal groups hardly ever fail
    ],
)
def test_errors_at_the_bound_are_as_rare_as_the_levels_say(name, bound, true, n, most_pass, most_fail):
    passed, failed = _wrong(name, bound, true, n, draws=1000, seed=11)
    assert passed <= most_pass
    assert failed <= most_fail


def test_equal_groups_of_a_thousand_pass():
    passed, failed = _wrong("demographic_parity_ratio", 0.8, (0.5, 0.5), 1000, draws=500, seed=12)
    assert passed >= 0.98
    assert failed == 0


def test_the_fix_says_how_many_times_as_many_rows_would_decide():
    verdict = disparity_verdict("demographic_parity_ratio", selected(f=(45, 100), m=(50, 100)), 0.8)
    assert "times as many test rows in each group" in verdict.fix
    times = float(verdict.fix.split("about ")[1].split(" ")[0])
    more = int(times * 1.1 * 100)
    grown = selected(f=(round(0.45 * more), more), m=(round(0.5 * more), more))
    assert disparity_verdict("demographic_parity_ratio", grown, 0.8).state is State.PASS
    near = disparity_verdict("demographic_parity_ratio", selected(f=(401, 1000), m=(500, 1000)), 0.8)
    assert "too near the bound" in near.fix


def test_probability_beyond_is_the_posterior_and_is_seeded():
    groups = selected(f=(40, 100), m=(50, 100))
    p = probability_beyond("demographic_parity_difference", groups, 0.1)
    random = np.random.default_rng(99)
    one, other = (beta_distribution(x + 0.5, 100 - x + 0.5).rvs(200_000, random_state=random) for x in (40, 50))
    assert p == pytest.approx(np.mean(abs(one - other) > 0.1), abs=0.012)
    assert p == probability_beyond("demographic_parity_difference", groups, 0.1)
    assert probability_beyond("demographic_parity_ratio", selected(f=(100, 1000), m=(900, 1000)), 0.8) == 1
    assert probability_beyond("demographic_parity_ratio", selected(f=(900, 1000), m=(900, 1000)), 0.5) == 0


def test_probability_beyond_is_unknown_without_two_groups_that_have_cases():
    assert probability_beyond("demographic_parity_ratio", selected(f=(1, 2)), 0.8) is None
    assert probability_beyond("equal_opportunity_ratio", measured({"a": (5, 5, 5, 5), "b": (0, 5, 0, 5)}), 0.8) is None
