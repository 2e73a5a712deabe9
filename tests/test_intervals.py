from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import beta, skew, ttest_1samp
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from aims_mlflow import intervals
from aims_mlflow.intervals import (
    delong,
    difference_above_p,
    holm,
    jeffreys,
    mover_ratio,
    multinomial_bootstrap,
    newcombe_difference,
    one_sided,
    paired_bootstrap,
    ratio_below_p,
    skewed_mean,
    tango_difference,
    wilson,
)

LEVELS = (0.8, 0.9, 0.95, 0.99)


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 2000))
    return draw(st.integers(0, n)), n


def test_importing_it_imports_nothing_heavy():
    code = "import sys; import aims_mlflow.intervals; print({'numpy', 'scipy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_one_sided_bounds_are_the_ends_of_a_narrower_interval():
    assert one_sided(0.95) == pytest.approx(0.90)
    with pytest.raises(ValueError, match="one-sided"):
        one_sided(0.5)


@given(shares(), st.sampled_from(LEVELS))
@settings(max_examples=60, deadline=None)
def test_wilson_is_statsmodels(share, level):
    count, n = share
    ours = wilson(count, n, level)
    assert ours == pytest.approx(proportion_confint(count, n, alpha=1 - level, method="wilson"), abs=1e-12)
    assert 0 <= ours[0] <= count / n <= ours[1] <= 1


@given(shares(), st.sampled_from(LEVELS))
@settings(max_examples=30, deadline=None)
def test_jeffreys_is_the_beta_posterior(share, level):
    count, n = share
    low, high = jeffreys(count, n, level)
    expected = beta(count + 0.5, n - count + 0.5).ppf([(1 - level) / 2, (1 + level) / 2])
    assert low == (0 if count == 0 else pytest.approx(expected[0], abs=1e-10))
    assert high == (1 if count == n else pytest.approx(expected[1], abs=1e-10))


@given(shares(), shares(), st.sampled_from(LEVELS))
@settings(max_examples=60, deadline=None)
def test_newcombe_is_statsmodels(one, other, level):
    ours = newcombe_difference(*one, *other, level)
    theirs = confint_proportions_2indep(*one, *other, compare="diff", method="newcomb", alpha=1 - level)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_newcombe_gives_the_published_example():
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10: 56/70 and 48/80
    assert newcombe_difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(shares(), shares(), st.sampled_from(LEVELS))
@settings(max_examples=80, deadline=None)
def test_mover_is_the_root_of_its_defining_equation(one, other, level):
    """Donner and Zou's ends are the ratios r at which the MOVER interval of p1 - r p2 just touches zero."""
    (x1, n1), (x2, n2) = one, other
    p1, p2 = x1 / n1, x2 / n2
    (l1, u1), (l2, u2) = wilson(x1, n1, level), wilson(x2, n2, level)
    low, high = mover_ratio(x1, n1, x2, n2, level)

    def lower(r: float) -> float:
        return p1 - r * p2 - math.hypot(p1 - l1, r * (u2 - p2))

    def upper(r: float) -> float:
        return p1 - r * p2 + math.hypot(u1 - p1, r * (p2 - l2))

    assert low == pytest.approx(0 if x1 == 0 else brentq(lower, 0, 1e7, xtol=1e-14), rel=1e-6, abs=1e-9)
    if x2 == 0:
        assert high is None
    else:
        assert high == pytest.approx(brentq(upper, 0, 1e9, xtol=1e-12), rel=1e-6)
        assert low <= p1 / p2 <= high


def test_mover_survives_the_plain_input_on_which_statsmodels_raises_and_all_zero_cells():
    low, high = mover_ratio(18, 100, 30, 100)
    assert low == pytest.approx(0.358, abs=5e-3)
    assert high == pytest.approx(1.0, abs=0.01)
    assert mover_ratio(0, 50, 0, 50) == (0.0, None)
    assert mover_ratio(5, 50, 0, 50)[1] is None
    assert mover_ratio(0, 50, 5, 50)[0] == 0.0
    assert mover_ratio(0, 0, 5, 50) == (0.0, None)
    assert mover_ratio(50, 50, 50, 50)[0] < 1 < mover_ratio(50, 50, 50, 50)[1]


def test_coverage_is_about_what_the_level_says():
    """Exact coverage by summing over every outcome, no simulation: Wilson, Newcombe, MOVER at n = 60 and 80."""
    from scipy.stats import binom

    n1, n2, p1, p2 = 60, 80, 0.4, 0.5
    one, other = binom.pmf(range(n1 + 1), n1, p1), binom.pmf(range(n2 + 1), n2, p2)
    wilsons = sum(w for x, w in enumerate(one) if wilson(x, n1)[0] <= p1 <= wilson(x, n1)[1])
    newcombes = movers = too_high = 0.0
    for x in range(n1 + 1):
        for y in range(n2 + 1):
            weight = one[x] * other[y]
            if weight < 1e-6:
                continue
            low, high = newcombe_difference(x, n1, y, n2)
            newcombes += weight * (low <= p1 - p2 <= high)
            low, unbounded = mover_ratio(x, n1, y, n2)
            movers += weight * (low <= p1 / p2 <= (math.inf if unbounded is None else unbounded))
            too_high += weight * (mover_ratio(x, n1, y, n2, one_sided(0.95))[0] > p1 / p2)
    assert 0.93 < wilsons < 0.98
    assert 0.94 < newcombes < 0.97
    assert 0.94 < movers < 0.97
    assert 0.03 < too_high < 0.06


@given(shares(), shares(), st.floats(0.1, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_p_value_below_alpha_is_an_interval_beyond_the_bound(one, other, bound):
    for alpha in (0.05, 0.01):
        level = 1 - 2 * alpha
        high = mover_ratio(*one, *other, level)[1]
        p = ratio_below_p(*one, *other, bound)
        if abs(p - alpha) > 1e-9:
            assert (p < alpha) == (high is not None and high < bound)
        low = newcombe_difference(*one, *other, level)[0]
        q = difference_above_p(*one, *other, bound)
        if abs(q - alpha) > 1e-9:
            assert (q < alpha) == (low > bound)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(2, 40), st.sampled_from([1, 3, 1000]))
@settings(max_examples=60, deadline=None)
def test_delong_point_is_sklearn_and_its_ends_are_the_textbooks(seed, m, n, distinct):
    random = np.random.default_rng(seed)
    truth = np.r_[np.ones(m, int), np.zeros(n, int)]
    score = random.integers(0, distinct + 1, m + n) / distinct + (truth * 0.2 if distinct > 3 else 0)
    auc, low, high = delong(truth, score)
    assert auc == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert 0 <= low <= auc <= high <= 1
    kernel = (score[:m, None] > score[None, m:]) + 0.5 * (score[:m, None] == score[None, m:])
    variance = kernel.mean(1).var(ddof=1) / m + kernel.mean(0).var(ddof=1) / n
    if variance > 1e-12 and 0 < auc < 1:
        quantile = student.ppf(0.975, min(m, n) - 1)
        area, inner, outer = (auc, low, high) if auc >= 0.5 else (1 - auc, 1 - high, 1 - low)
        m, n = (m, n) if auc >= 0.5 else (n, m)
        logit, error = math.log(area / (1 - area)), math.sqrt(variance) / (area * (1 - area))
        assert outer == pytest.approx(1 / (1 + math.exp(-(logit + quantile * error))), abs=1e-9)
        size = variance / hanley_mcneil(area, m, n)
        drawn = (min(m, n) * size + 50 * max(1, size)) / (min(m, n) + 50)
        assert area - inner == pytest.approx(quantile * math.sqrt(drawn * hanley_mcneil(inner, m, n)), abs=1e-6)


def hanley_mcneil(area, m, n):
    """Hanley and McNeil (1982, Radiology 143, 29-36), formula 2."""
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    return (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n)


@pytest.mark.parametrize(("positives", "negatives"), [(50, 950), (20, 180)])
def test_a_very_good_area_is_rarely_passed_by_accident(positives, negatives):
    """Two normal scores whose true area is 0.98: the end that a requirement of "at least" reads lies above it in 1 of 25 at most."""
    random, apart, above = np.random.default_rng(5), 2.0537489 * math.sqrt(2), 0
    truth = np.r_[np.ones(positives, int), np.zeros(negatives, int)]
    for _ in range(400):
        above += delong(truth, random.normal(size=len(truth)) + apart * truth)[1] > 0.98
    assert above <= 16


@pytest.mark.parametrize(
    ("score", "auc"),
    [([1, 2, 3, 4, 5, 6], 1.0), ([6, 5, 4, 3, 2, 1], 0.0), ([1, 1, 1, 1, 1, 1], 0.5)],
    ids=["perfect", "reversed", "constant"],
)
def test_a_degenerate_area_is_not_certain(score, auc):
    found, low, high = delong([0, 0, 0, 1, 1, 1], score)
    assert found == auc
    assert (low, high) == pytest.approx(wilson(auc * 3, 3))
    assert high - low > 0.5


@pytest.mark.parametrize(
    ("truth", "score"),
    [([1, 1], [0.1, 0.2]), ([0, 0], [0.1, 0.2]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, math.nan]), ([0, 1, 1], [0.1, 0.2])],
)
def test_delong_refuses_what_has_no_area(truth, score):
    with pytest.raises(ValueError, match=r"needs|must"):
        delong(truth, score)


def test_one_positive_alone_says_nothing_on_its_spread():
    auc, low, high = delong([0, 0, 0, 1], [1, 2, 4, 3])
    assert (auc, low, high) == (pytest.approx(2 / 3), 0.0, 1.0)


@given(st.integers(0, 10_000), st.integers(3, 60), st.sampled_from(LEVELS))
@settings(max_examples=40, deadline=None)
def test_a_skewed_mean_has_ends_at_which_halls_statistic_is_students_quantile(seed, n, level):
    """Hall (1992, J. R. Statist. Soc. B 54, 221-228): T + g T^2 / 3 + g^2 T^3 / 27 + g / 6 with g = skewness / sqrt(n)."""
    rows = np.random.default_rng(seed).exponential(size=n)
    low, high = skewed_mean(rows, level)
    g, quantile = skew(rows) / math.sqrt(n), student.ppf((1 + level) / 2, n - 1)
    for end, sign in ((low, 1), (high, -1)):
        t = (rows.mean() - end) / (rows.std(ddof=1) / math.sqrt(n))
        if end not in (rows.mean(),):
            assert t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6 == pytest.approx(sign * quantile, rel=1e-6)
    assert low <= rows.mean() <= high


def test_a_mean_of_even_rows_has_students_interval_and_one_of_equal_rows_has_none():
    rows = np.array([-3.0, -1, 0, 1, 3])
    assert skewed_mean(rows) == pytest.approx(tuple(ttest_1samp(rows, 0).confidence_interval(0.95)))
    for none in ([2.0, 2, 2], [1.0], [], [0.1] * 9):
        assert skewed_mean(none) is None


def test_a_tail_to_the_right_opens_the_upper_end():
    rows = np.r_[np.zeros(48), 1.0, 3.0]
    plain = ttest_1samp(rows, 0).confidence_interval(0.95)
    low, high = skewed_mean(rows)
    assert high > 1.3 * plain.high
    assert low > plain.low


def test_paired_bootstrap_is_seeded_pairs_rows_and_says_when_it_cannot_tell():
    random = np.random.default_rng(3)
    x = random.normal(size=200)
    y = x + 0.1
    first = paired_bootstrap(lambda a, b: float(np.mean(b - a)), (x, y), seed=1)
    assert first == pytest.approx((0.1, 0.1), abs=1e-12)
    spread = paired_bootstrap(lambda a: float(a.mean()), (x,), seed=1)
    assert spread == paired_bootstrap(lambda a: float(a.mean()), (x,), seed=1)
    assert spread != paired_bootstrap(lambda a: float(a.mean()), (x,), seed=2)
    error = 1.96 * x.std() / math.sqrt(200)
    assert spread == pytest.approx((x.mean() - error, x.mean() + error), abs=0.03)
    assert paired_bootstrap(lambda *_: math.nan, (x,)) == (None, None)
    with pytest.raises(ValueError, match="one length"):
        paired_bootstrap(lambda *_: 0.0, (x, y[:-1]))
    with pytest.raises(ValueError, match="at least one row"):
        paired_bootstrap(lambda *_: 0.0, (x[:0],))


def test_multinomial_bootstrap_is_the_row_bootstrap():
    counts = np.array([[40, 60], [30, 70]])

    def gap(draws: np.ndarray) -> np.ndarray:
        shares = draws[..., 1] / draws.sum(axis=-1)
        return np.abs(shares[..., 0] - shares[..., 1])

    group, outcome = np.repeat([0, 0, 1, 1], counts.ravel()), np.repeat([0, 1, 0, 1], counts.ravel())
    fast = multinomial_bootstrap(counts, gap, seed=5, resamples=4000)
    slow = paired_bootstrap(lambda g, y: abs(float(y[g == 0].mean() - y[g == 1].mean())), (group, outcome), seed=5, resamples=2000)
    assert fast == pytest.approx(slow, abs=0.02)
    assert fast == multinomial_bootstrap(counts, gap, seed=5, resamples=4000)
    assert multinomial_bootstrap([[5, 0], [0, 0]], gap) == (None, None)
    with pytest.raises(ValueError, match="not all zero"):
        multinomial_bootstrap([0, 0], gap)


@pytest.mark.parametrize("bad", [(-1, 5), (6, 5)])
def test_a_share_beyond_one_is_refused(bad):
    with pytest.raises(ValueError, match="count"):
        wilson(*bad)
    with pytest.raises(ValueError, match="count"):
        jeffreys(*bad)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="level"):
        intervals.wilson(1, 2, 1.0)


def test_tangos_interval_inverts_his_score_test() -> None:
    for won, lost, n in ((26, 7, 91), (1, 2, 16), (5, 1, 43), (40, 40, 200)):
        low, high = tango_difference(won, lost, n)
        assert low < (won - lost) / n < high
        swapped = tango_difference(lost, won, n)
        assert swapped == pytest.approx((-high, -low), abs=1e-9)
        for end in (low, high):  # at the ends the score statistic, with the nuisance share at its most likely, is the normal quantile
            shares = [(s, s + end) for s in np.linspace(max(0.0, -end), (1 - end) / 2, 200_001)[1:-1]]
            lost_share, won_share = np.array(shares).T
            likelihood = lost * np.log(lost_share) + won * np.log(won_share) + (n - won - lost) * np.log1p(-lost_share - won_share)
            best = lost_share[np.argmax(likelihood)]
            statistic = (won - lost - n * end) / np.sqrt(n * (2 * best + end * (1 - end)))
            assert abs(statistic) == pytest.approx(1.959964, abs=2e-3)


def test_tangos_interval_without_a_discordant_pair_is_wilsons_on_both_sides() -> None:
    low, high = tango_difference(0, 0, 150)
    assert (-low, high) == pytest.approx((wilson(0, 150)[1],) * 2, abs=1e-9)
    assert tango_difference(0, 0, 0) == (-1.0, 1.0)
    with pytest.raises(ValueError, match="among the 3 pairs"):
        tango_difference(2, 2, 3)


@pytest.mark.parametrize(("n", "shares"), [(50, (0.02, 0.02)), (50, (0.3, 0.1)), (200, (0.1, 0.05))])
def test_tangos_interval_covers(n: int, shares: tuple[float, float]) -> None:
    draws = np.random.default_rng(0).multinomial(n, [*shares, 1 - sum(shares)], 1500)
    ends = [tango_difference(int(won), int(lost), n) for won, lost, _ in draws]
    covered = np.mean([low <= shares[0] - shares[1] <= high for low, high in ends])
    assert 0.93 <= covered <= 0.995
