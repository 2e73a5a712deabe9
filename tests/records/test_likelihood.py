"""Likelihood: the classes' limits, each kind of evidence against an independent calculation, and nothing invented."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from aims_mlflow.disparity import probability_beyond
from aims_mlflow.evidence import FULL_COUNT, CheckResult, Measure, Problem
from aims_mlflow.records.likelihood import DRAWS, certain, likelihood_class, of_drift, of_requirement, unknown
from aims_mlflow.records.risk_words import Likelihood
from aims_mlflow.system import Requirement


def asked(**bound: Any) -> Requirement:
    return Requirement.model_validate({"check": "performance", "metric": "m", **bound})


def result(**measure: Any) -> CheckResult:
    return CheckResult(check="performance", measures=(Measure.model_validate({"name": "m", **measure}),))


def likelihood(requirement: Requirement, found: CheckResult, minimum_n: int = 100) -> Likelihood:
    return of_requirement(requirement, found, minimum_n=minimum_n, evidence_ids=("e-1",))


@pytest.mark.parametrize(
    ("p", "name"),
    [
        (0, "L1"),
        (0.0999, "L1"),
        (0.10, "L2"),
        (0.3299, "L2"),
        (0.33, "L3"),
        (0.6599, "L3"),
        (0.66, "L4"),
        (0.8999, "L4"),
        (0.90, "L5"),
        (1, "L5"),
    ],
)
def test_limits_of_the_classes(p: float, name: str) -> None:
    assert likelihood_class(p) == name


class TestCounts:
    @pytest.mark.parametrize(
        ("bound", "value", "name"),
        [
            ({"max": 0}, 0.0, "L1"),
            ({"max": 0}, 1.0, "L5"),
            ({"min": 0.99}, 0.99, "L1"),
            ({"min": 0.99}, 0.98, "L5"),
            ({"equals": 1}, 1.0, "L1"),
            ({"equals": 1}, 0.999, "L5"),
        ],
    )
    def test_a_full_count_is_certain(self, bound: dict[str, float], value: float, name: str) -> None:
        found = likelihood(asked(**bound), result(value=value, ci_method=FULL_COUNT, n=10))
        assert (found.class_, found.evidence_grade) == (name, "exact")
        assert found.p == found.p_low == found.p_high

    def test_a_suite_is_asked_to_be_met_in_full(self) -> None:
        requirement = Requirement(check="quality", suite="s.json")
        for share, name in ((1.0, "L1"), (0.75, "L5")):
            met = CheckResult(check="quality", measures=(Measure(name="met_share", value=share, ci_method=FULL_COUNT, n=4),))
            assert likelihood(requirement, met).class_ == name


class TestIntervals:
    def test_it_is_the_normal_tail(self) -> None:
        found = likelihood(asked(max=0.05), result(value=0.03, ci_low=0.01, ci_high=0.05, ci_method="bootstrap", n=400))
        assert found.p == pytest.approx(norm.sf(0.05, 0.03, 0.02 / norm.ppf(0.975)))
        assert found.p == pytest.approx(0.025)
        assert (found.class_, found.evidence_grade) == ("L1", "estimated")

    def test_the_half_towards_the_bound_counts_and_the_other_is_the_range(self) -> None:
        found = likelihood(asked(min=0.7), result(value=0.75, ci_low=0.65, ci_high=0.79, ci_method="delong", n=400))
        z = norm.ppf(0.975)
        assert found.p == pytest.approx(norm.cdf(0.70, 0.75, 0.10 / z))
        assert found.p_low == pytest.approx(norm.cdf(0.70, 0.75, 0.04 / z))
        assert found.p_high == pytest.approx(found.p)

    def test_at_the_bound_it_is_even(self) -> None:
        found = likelihood(asked(max=0.05), result(value=0.05, ci_low=0.01, ci_high=0.09, ci_method="b", n=400))
        assert found.p == pytest.approx(0.5)

    def test_few_rows_are_weak(self) -> None:
        found = likelihood(asked(max=0.05), result(value=0.03, ci_low=0.01, ci_high=0.05, ci_method="b", n=40))
        assert found.evidence_grade == "weak"
        assert "n=40" in found.reason

    @given(st.floats(0.01, 0.5), st.floats(0.001, 0.3), st.floats(0.001, 0.3), st.floats(0, 1))
    def test_invariants(self, value: float, below: float, above: float, bound: float) -> None:
        least, most = (
            likelihood(asked(**{kind: bound}), result(value=value, ci_low=value - below, ci_high=value + above, ci_method="b", n=400))
            for kind in ("min", "max")
        )
        for one in (least, most):
            assert one.p is not None
            assert one.p_low is not None
            assert one.p_high is not None
            assert 0 <= one.p_low <= one.p <= one.p_high <= 1
            assert one.class_ == likelihood_class(one.p)
        assert math.isclose((least.p or 0) + (most.p or 0), 1, abs_tol=1e-9)


class TestNothingIsInvented:
    @pytest.mark.parametrize(
        ("requirement", "found"),
        [
            (asked(max=0.05), result(value=0.03, n=400)),
            (asked(max=0.05), result(value=0.03, ci_low=0.01, n=400)),
            (asked(max=0.05), result(value=None)),
            (asked(max=0.05), CheckResult(check="performance")),
            (asked(max=0.05), CheckResult(check="performance", problem=Problem(state="missing", reason="no test data"))),
            (asked(equals=0.05), result(value=0.05, ci_low=0.01, ci_high=0.09, ci_method="b", n=400)),
        ],
        ids=["no interval", "half an interval", "undefined", "not measured", "problem", "equals"],
    )
    def test_no_probability_follows(self, requirement: Requirement, found: CheckResult) -> None:
        chance = likelihood(requirement, found)
        assert (chance.class_, chance.p, chance.evidence_grade) == (None, None, "none")
        assert chance.reason
        assert chance.evidence_ids == ("e-1",)

    def test_unknown_and_certain(self) -> None:
        assert unknown("why").p is None
        assert certain(True, "changed", ()).class_ == "L5"


class TestDisparities:
    requirement = Requirement(check="fairness", metric="demographic_parity_ratio", column="sex", min=0.8)

    def test_it_is_the_posterior_probability(self, make: Any) -> None:
        found = make.fairness(groups={"a": (60, 200), "b": (80, 200)})
        chance = likelihood(self.requirement, found)
        assert chance.p == probability_beyond(
            "demographic_parity_ratio", {"selection_rate": found.groups("selection_rate")}, 0.8, draws=DRAWS
        )
        random = np.random.default_rng(7)
        a, b = random.beta(60.5, 140.5, 400_000), random.beta(80.5, 120.5, 400_000)
        assert chance.p == pytest.approx((np.minimum(a, b) / np.maximum(a, b) < 0.8).mean(), abs=0.015)
        assert chance.p_low is not None
        assert chance.p_low < chance.p < (chance.p_high or 0)

    def test_equal_large_groups_are_unlikely_and_small_ones_are_weak(self, make: Any) -> None:
        large = likelihood(self.requirement, make.fairness(groups={"a": (600, 1000), "b": (600, 1000)}))
        small = likelihood(self.requirement, make.fairness(groups={"a": (12, 20), "b": (600, 1000)}))
        assert (large.class_, large.evidence_grade) == ("L1", "estimated")
        assert small.evidence_grade == "weak"
        assert (small.p or 0) > (large.p or 0)

    def test_one_group_is_unknown(self, make: Any) -> None:
        assert likelihood(self.requirement, make.fairness(groups={"a": (60, 200)})).p is None

    def test_a_bound_on_the_wrong_side_is_unknown(self, make: Any) -> None:
        wrong = Requirement(check="fairness", metric="demographic_parity_ratio", column="sex", max=0.8)
        assert likelihood(wrong, make.fairness()).p is None


class TestDrift:
    def test_it_is_poisson_binomial(self, make: Any) -> None:
        pair, *columns = make.drift([(0.1, 0.02)] * 6)  # each column drifts with probability one half
        requirement = Requirement(check="drift", dataset="test", reference="train", metric="drifted_columns_share", max=0.5)
        chance = of_drift(requirement, pair, columns, evidence_ids=())
        assert chance.p == pytest.approx(binom.sf(3, 6, 0.5))

    def test_far_from_the_threshold(self, make: Any) -> None:
        requirement = Requirement(check="drift", dataset="test", reference="train", metric="drifted_columns_share", max=0.2)
        for distance, name in ((0.02, "L1"), (0.5, "L5")):
            pair, *columns = make.drift([(distance, 0.01)] * 4)
            assert of_drift(requirement, pair, columns, evidence_ids=()).class_ == name

    def test_without_columns_the_share_decides(self, make: Any) -> None:
        requirement = Requirement(check="drift", dataset="test", reference="train", metric="drifted_columns_share", max=0.9)
        pair, *_ = make.drift()
        assert "normal approximation" in of_drift(requirement, pair, [], evidence_ids=()).method
