from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.evidence import FULL_COUNT, Measure, State
from aims_mlflow.judging.bounds import measure_verdict
from aims_mlflow.system import Requirement

P, F, U, E = State.PASS, State.FAIL, State.INCONCLUSIVE, State.ERROR


def asked(**bound: float) -> Requirement:
    return Requirement(check="performance", metric="m", **bound)


def measure(value, low=None, high=None, *, n=400, **more) -> Measure:
    return Measure(**{"name": "m", "value": value, "ci_low": low, "ci_high": high, "ci_method": "some", "n": n, **more})


@pytest.mark.parametrize(
    ("bound", "given_measure", "state", "words"),
    [
        ({"min": 0.7}, measure(0.8, 0.70, 0.9), P, "m is 0.8 (95 % interval 0.7 to 0.9, n=400), asked: at least 0.7"),
        ({"min": 0.7}, measure(0.8, 0.69, 0.9), U, "asked: at least 0.7"),
        ({"min": 0.7}, measure(0.6, 0.5, 0.7), U, ""),
        ({"min": 0.7}, measure(0.6, 0.5, 0.699), F, ""),
        ({"min": 0.7}, measure(0.6, None, 0.65), F, "unbounded"),
        ({"min": 0.7}, measure(0.8, None, 0.9), U, ""),
        ({"min": 0.7}, measure(0.8, 0.75, None), P, ""),
        ({"max": 0.1}, measure(0.05, 0.0, 0.1), P, ""),
        ({"max": 0.1}, measure(0.05, 0.0, 0.11), U, ""),
        ({"max": 0.1}, measure(0.2, 0.11, 0.3), F, ""),
        ({"max": 0.1}, measure(0.05, 0.0, None), U, ""),
        ({"equals": 0.5}, measure(0.5, 0.4, 0.6), U, ""),
        ({"equals": 0.5}, measure(0.7, 0.6, 0.8), F, ""),
        ({"min": 0.7}, measure(None), E, "not defined"),
        ({"min": 0.7}, measure(0.9), U, "no interval"),
        ({"min": 0.7}, measure(0.9, 0.95, 0.85), E, "wrong way round"),
        ({"min": 0.7}, measure(0.9, 0.85, 0.95, n=99), U, "99 rows are fewer than the 100 asked for"),
        ({"min": 0.7}, measure(0.9, 0.85, 0.95, n=None), U, "not recorded"),
        ({"min": 0.7}, measure(0.9, 0.89, 0.91, ci_level=0.5), U, "below 90 %"),
        ({"min": 0.7}, measure(0.9, 0.85, 0.95, ci_level=0.9), P, "90 % interval"),
        ({"max": 0}, Measure.counted("m", 0), P, "m is 0 (full count), asked: at most 0"),
        ({"max": 0}, Measure.counted("m", 1), F, "m is 1 (full count)"),
        ({"min": 1}, Measure.counted("m", 1), P, ""),
        ({"equals": 0.3}, Measure.counted("m", 0.1 + 0.2), P, ""),
        ({"equals": 0.3}, Measure.counted("m", 0.3 + 1e-9), F, ""),
        ({"max": 0.3}, Measure.counted("m", 0.30001), F, ""),
        ({"max": 0}, Measure.counted("m", 0, n=0), E, "taken on nothing"),
        ({"min": 0}, measure(None, ci_method=FULL_COUNT), E, "not defined"),
    ],
)
def test_a_state_comes_from_the_interval(bound, given_measure, state, words):
    verdict = measure_verdict(asked(**bound), given_measure)
    assert verdict.state is state
    assert words in verdict.reason
    assert bool(verdict.fix) is (state is not P)


def test_a_requirement_without_a_bound_asks_for_all_of_it():
    suite = Requirement(check="quality", suite="a.json")
    assert measure_verdict(suite, Measure.counted("met_share", 1.0, n=5)).state is P
    assert measure_verdict(suite, Measure.counted("met_share", 0.8, n=5)).state is F
    assert measure_verdict(suite, Measure.counted("met_share", 1.0, n=0)).state is E


@pytest.mark.parametrize(
    ("name", "n", "rows", "cases", "state"),
    [
        ("recall_score", 40, 400, None, P),
        ("recall_score", 9, 400, None, U),
        ("recall_score", 40, 99, None, U),
        ("recall_score", 40, None, None, U),
        ("accuracy_score", 40, 400, None, U),
        ("roc_auc_score", 400, 400, 9, U),
        ("roc_auc_score", 400, 400, 10, P),
        ("roc_auc_score", 400, 400, None, P),
        ("drifted_columns_share", 5, 400, None, P),
        ("drifted_columns_share", 5, 99, None, U),
    ],
)
def test_what_is_enough_depends_on_what_n_counts(name, n, rows, cases, state):
    assert measure_verdict(asked(min=0.5), measure(0.9, 0.8, 0.95, n=n, name=name), rows=rows, cases=cases).state is state


def test_the_fix_says_about_how_many_rows_would_decide():
    assert re.search(r"about 1,60[01] rows \(now 400\) would decide it", measure_verdict(asked(min=0.7), measure(0.75, 0.65, 0.85)).fix)
    assert "most likely as a failure" in measure_verdict(asked(min=0.7), measure(0.65, 0.55, 0.75)).fix
    assert "too near the bound" in measure_verdict(asked(min=0.7), measure(0.7001, 0.6, 0.8)).fix
    assert "ask for min or max" in measure_verdict(asked(equals=0.7), measure(0.7, 0.6, 0.8)).fix


number = st.floats(-1e6, 1e6)


@given(st.lists(number, min_size=3, max_size=3), number, st.sampled_from(["min", "max", "equals"]))
def test_pass_and_fail_never_contradict_the_point_and_wider_intervals_never_decide_more(ends, bound, kind):
    low, value, high = sorted(ends)
    narrow = measure_verdict(asked(**{kind: bound}), measure(value, low, high)).state
    wide = measure_verdict(asked(**{kind: bound}), measure(value, low - 1, high + 1)).state
    exact = measure_verdict(asked(**{kind: bound}), Measure.counted("m", value)).state
    if narrow in (P, F):
        assert exact is narrow
    if wide in (P, F):
        assert narrow is wide


@pytest.mark.parametrize(
    ("given_measure", "told"),
    [
        (measure(0.8, 0.75, 0.9), (P, 0.8, 0.75, 0.9)),
        (measure(0.6, 0.5, 0.65), (F, 0.6, 0.5, 0.65)),
        (measure(0.7, 0.6, 0.8), (U, 0.7, 0.6, 0.8)),
        (measure(0.9, 0.85, 0.95, n=99), (U, 0.9, 0.85, 0.95)),
        (measure(0.9, 0.89, 0.91, ci_level=0.5), (U, 0.9, None, None)),
        (measure(0.9), (U, 0.9, None, None)),
        (measure(0.9, 0.95, 0.85), (E, 0.9, None, None)),
        (measure(None), (E, None, None, None)),
        (Measure.counted("m", 0.9, n=4), (P, 0.9, None, None)),
        (Measure.counted("m", 0.6, n=4), (F, 0.6, None, None)),
    ],
    ids=["pass", "fail", "undecided", "few", "narrow", "no-interval", "wrong-way", "undefined", "counted", "counted-fail"],
)
def test_a_verdict_hands_on_the_value_and_the_ends_it_rests_on(given_measure, told):
    verdict = measure_verdict(asked(min=0.7), given_measure)
    assert (verdict.state, verdict.value, verdict.low, verdict.high) == told


@pytest.mark.parametrize("name", ["recall_score", "precision_score", "recall_score_gain", "true_positive_rate", "false_positive_rate"])
def test_of_a_rate_among_cases_nine_cases_decide_nothing(name):
    assert measure_verdict(asked(min=0.5), measure(0.9, 0.8, 0.95, n=10, name=name), rows=400).state is P
    few = measure_verdict(asked(min=0.5), measure(0.9, 0.8, 0.95, n=9, name=name), rows=400)
    assert few.state is U
    assert "9 cases are fewer than the 10 asked for" in few.reason


@pytest.mark.parametrize(
    "name",
    [
        *("roc_auc_score", "average_precision_score", "balanced_accuracy_score", "f1_score", "matthews_corrcoef", "cohen_kappa_score"),
        *("jaccard_score", "roc_auc_score_gain", "average_precision_score_gain", "balanced_accuracy_score_gain", "f1_score_gain"),
        *("matthews_corrcoef_gain", "cohen_kappa_score_gain", "precision_score_gain"),
    ],
)
def test_what_needs_both_classes_needs_ten_cases_of_the_rarer_one(name):
    assert measure_verdict(asked(min=0.5), measure(0.9, 0.8, 0.95, name=name), rows=400, cases=10).state is P
    assert measure_verdict(asked(min=0.5), measure(0.9, 0.8, 0.95, name=name), rows=400, cases=9).state is U


@pytest.mark.parametrize("check", ["objectives", "process", "specification", "lineage", "provenance"])
def test_some_checks_may_count_none_at_all(check):
    none = Requirement(check=check, metric="m", max=0)
    assert measure_verdict(none, Measure.counted("m", 0, n=0)).state is P
    assert measure_verdict(asked(max=0), Measure.counted("m", 0, n=0)).state is E


def test_columns_are_not_told_to_be_more_rows():
    for name in ("drifted_columns", "drifted_columns_share"):
        verdict = measure_verdict(asked(max=0.2), measure(0.15, 0.05, 0.3, n=5, name=name), rows=400)
        assert verdict.state is U
        assert verdict.fix.startswith("compare more rows, or mend the columns")


def test_the_number_of_rows_follows_from_the_end_that_is_in_the_way():
    assert "about 6,400 rows (now 400) would decide it, or" in measure_verdict(asked(max=0.8), measure(0.75, 0.70, 0.95)).fix
    below = measure_verdict(asked(min=0.8), measure(0.75, 0.70, 0.95)).fix
    assert "about 6,400 rows (now 400) would decide it, most likely as a failure" in below
    assert "too near the bound" in measure_verdict(asked(min=0.7), measure(0.7, 0.6, 0.8)).fix
    assert "about 401 rows" in measure_verdict(asked(min=0.7), measure(0.8, 0.69999999, 0.9)).fix
