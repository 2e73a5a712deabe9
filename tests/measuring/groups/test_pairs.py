"""All pairs at once: the same ends as one pair at a time."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.intervals import mover_ratio, newcombe_difference
from aims_mlflow.measuring.groups.pairs import furthest_difference, furthest_ratio

SHARES = st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda pair: (min(pair), pair[1]))


@given(st.lists(SHARES, min_size=2, max_size=6), st.sampled_from([0.8, 0.95, 0.999]))
@settings(max_examples=150)
def test_the_furthest_ends_are_those_of_one_pair_at_a_time(groups, level):
    counted, among = np.array(groups).T
    pairs = [(*one, *other) for one, other in permutations(groups, 2)]
    differences, ratios = ([f(*pair, level) for pair in pairs] for f in (newcombe_difference, mover_ratio))
    close = {"rel": 1e-9, "abs": 1e-9}
    assert furthest_difference(counted, among, level, "low") == pytest.approx(max(low for low, _ in differences), **close)
    assert min(1.0, furthest_difference(counted, among, level, "high")) == pytest.approx(max(high for _, high in differences), **close)
    assert furthest_ratio(counted, among, level, "low") == pytest.approx(min(low for low, _ in ratios), **close)
    highs = [high for _, high in ratios if high is not None]
    assert furthest_ratio(counted, among, level, "high") == pytest.approx(min(highs, default=float("inf")), **close)
