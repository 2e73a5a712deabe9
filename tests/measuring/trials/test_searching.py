from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.measuring.trials import searching
from aims_mlflow.measuring.trials.searching import ball, changed_rows, search
from aims_mlflow.measuring.trials.trial import DoesNotApply, Trial, on_trial
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System


def data(n: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": random.uniform(-1, 1, n),
            "y": random.normal(0, 3, n),
            "whole": random.integers(0, 40, n),
            "Int": pd.array(random.integers(0, 40, n), dtype="Int64"),
            "t": random.choice(["a", "b", "c"], n),
            "kind": pd.Categorical(random.choice(["u", "v"], n)),
            "flag": random.random(n) < 0.5,
        }
    )
    return frame.assign(target=(frame["x"] > 0).astype(int))


def put(predict: Any, frame: pd.DataFrame | None = None, *, kind: str = "binary_classification", sensitive: Any = (), **said: Any) -> Trial:
    frame = data() if frame is None else frame
    task = {"kind": kind, "target": "target"} | ({"positive_label": 1} if kind.startswith("binary") else {})
    declared = {"version": 1, "system": {"id": "s"}, "task": task, "data": {"roles": {"test": "test"}, "sensitive": sensitive}}
    system = System.model_validate(declared | {"robustness": said})
    datasets = {role: Dataset(role, frame, Fingerprint("0" * 64, "none", len(frame), ())) for role in ("train", "test")}
    model = Model(predict, tuple(frame.columns.drop("target")))
    return on_trial(Observation(system, datasets, RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), model), "test")


def above(frame: pd.DataFrame) -> Any:
    return (frame["x"] > 0).astype(int)


def numbers(trial: Trial, radius: float, queries: int = 1000) -> tuple[Any, Any, dict[str, Any]]:
    measures, facts = search(trial, radius, queries)
    return measures[0], measures[1], facts


def test_flips_are_found_at_their_known_distance_and_none_in_a_smaller_ball() -> None:
    trial = put(above)
    radius, queries = 0.3, 4000
    share, distance, facts = numbers(trial, radius, queries)
    tried = ball(trial, radius, tried_rows(trial, queries))
    near = abs(trial.frame["x"].to_numpy()[tried.rows]) / trial.spread["x"]
    assert share.count == int((near < radius).sum())  # every row that can flip does, and no other
    assert share.n == facts["rows_tried"] == len(near) == 400
    assert distance.value == pytest.approx(np.median(near[near < radius]), abs=0.01)
    assert distance.value >= np.median(near[near < radius]) - 1e-9  # a found flip is never nearer than the boundary
    assert distance.ci_low <= distance.value <= distance.ci_high
    assert facts["queries"] <= queries
    closest = float(near.min())
    none, unknown, _ = numbers(trial, closest * 0.99, queries)
    assert (none.value, none.count, unknown.value) == (0.0, 0, None)
    assert 0 < none.ci_high < 0.01  # none found is not none there


def tried_rows(trial: Trial, queries: int) -> np.ndarray:
    right = np.flatnonzero(trial.clean == trial.y_true)
    size = min(len(right), queries // searching.QUERIES_A_ROW, searching.TRIED_AT_MOST)
    return np.sort(np.random.default_rng(searching.SEED).choice(right, size, replace=False))


def test_several_columns_together_are_used() -> None:
    frame = data()
    weights = {"x": 1.0, "y": -0.2, "whole": 0.02}
    bent = sum(frame[name] * weight for name, weight in weights.items())
    frame["target"] = (bent > bent.median()).astype(int)
    cut = float(bent.median())
    trial = put(lambda f: (sum(f[n] * w for n, w in weights.items()) > cut).astype(int), frame)
    share, distance, _ = numbers(trial, 0.2, 4000)
    reach = sum(abs(w) * trial.spread[n] for n, w in weights.items())
    least = abs(bent - cut).to_numpy()[tried_rows(trial, 4000)] / reach  # of a linear model, were whole numbers not whole
    assert share.count >= 0.9 * (least < 0.17).sum()
    assert share.count <= (least < 0.2).sum()
    assert distance.value >= np.median(np.sort(least)[: share.count]) - 0.01


def test_a_category_alone_can_flip_and_counts_as_the_whole_radius() -> None:
    frame = data().assign(target=lambda f: (f["t"] == "a").astype(int))
    share, distance, facts = numbers(put(lambda f: (f["t"] == "a").astype(int), frame), 0.2)
    assert share.value > 0.5
    assert distance.value == 0.2
    assert facts["flips_by_a_category"] == facts["flips"] == share.count


def test_what_is_immutable_or_sensitive_does_not_flip() -> None:
    for trial in (put(above, immutable=["x"]), put(above, sensitive=["x"])):
        share, _, facts = numbers(trial, 5.0)
        assert share.value == 0
        assert facts["immutable"] == ["x"]
    assert numbers(put(above, ranges={"x": (0.5, 0.6)}), 5.0)[0].value > 0.3  # of the negative rows, which may rise
    assert numbers(put(above), 5.0)[0].value == 1.0


@pytest.mark.parametrize("queries", [100, 1000, 5000])
def test_queries_are_counted_and_never_more_than_allowed(queries: int) -> None:
    asked: list[int] = []

    def predict(frame: pd.DataFrame) -> Any:
        asked.append(len(frame))
        return above(frame)

    trial = put(predict)
    del asked[:]
    _, _, facts = numbers(trial, 0.5, queries)
    assert sum(asked) == facts["queries"] <= queries
    assert facts["rows_tried"] == min(queries // 10, 400)


def test_the_same_seed_finds_the_same() -> None:
    assert search(put(above), 0.3, 1000) == search(put(above), 0.3, 1000)


@given(
    st.floats(0.01, 20),
    st.sets(st.sampled_from(["x", "y", "whole", "Int", "t", "kind", "flag"]), max_size=6),
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, (-0.5, 0.5), (5.0, 9.0)]),
)
@settings(max_examples=40)
def test_no_candidate_leaves_the_ball(radius: float, fixed: set[str], seed: int, limits: Any) -> None:
    frame = data(60)
    said = {"immutable": sorted(fixed)} | ({"ranges": {"x": limits}} if limits else {})
    trial = put(above, frame, **said)
    space = ball(trial, radius, np.arange(60))
    random = np.random.default_rng(seed)
    rows = np.repeat(np.arange(60), 2)
    moves = space.moved(rows, random.choice([-1.0, 1.0, 0.3], size=(120, len(space.numbers))))
    category = random.integers(-1, max(len(space.known), 1), 120) if space.known else np.full(120, -1)
    sizes = np.array([len(kinds) for kinds in space.known.values()] or [1])
    choice = random.integers(0, sizes[np.maximum(category, 0)])
    before = trial.frame.copy(deep=True)
    made = changed_rows(trial.frame, space, rows, moves, category, choice)
    pd.testing.assert_frame_equal(trial.frame, before)
    old = trial.frame.iloc[rows].reset_index(drop=True)
    assert (made.dtypes == old.dtypes).all()
    for name in fixed:
        pd.testing.assert_series_equal(made[name], old[name])
    for name in {"x", "y", "whole", "Int"} - fixed:
        step = (made[name] - old[name]).to_numpy(dtype=float)
        assert (abs(step) <= radius * trial.spread[name] * (1 + 1e-9) + 1e-12).all()
        low, high = limits if limits and name == "x" else (frame[name].min(), frame[name].max())
        inside = ((old[name] >= low) & (old[name] <= high)).to_numpy(dtype=bool)
        assert made[name][inside].between(low - 1e-9, high + 1e-9).all()
        assert (step[old[name].to_numpy(dtype=float) > high] <= 0).all()
    for name in {"t", "kind", "flag"} - fixed:
        assert made[name].isin(frame[name].unique().tolist()).all()
    assert ((made[["t", "kind", "flag"]] != old[["t", "kind", "flag"]]).sum(axis=1) <= 1).all()


def test_missing_cells_stay_missing() -> None:
    frame = data().assign(x=lambda f: f["x"].where(f.index % 2 == 0))
    trial = put(lambda f: (f["x"].fillna(1) > 0).astype(int), frame.assign(target=(frame["x"].fillna(1) > 0).astype(int)))
    space = ball(trial, 1.0, np.arange(400))
    made = changed_rows(trial.frame, space, np.arange(400), space.moved(np.arange(400), np.ones((400, 4))), *[np.full(400, -1)] * 2)
    assert made["x"].isna().tolist() == frame["x"].isna().tolist()


def test_a_model_that_raises_within_the_ball_is_a_problem_without_its_words() -> None:
    frame = data()

    def picky(asked: pd.DataFrame) -> Any:
        if not asked["x"].isin(frame["x"]).all():
            raise ValueError("canary")
        return above(asked)

    with pytest.raises(CannotMeasure, match=r"the model rejects rows within 0\.5 interquartile ranges.*ValueError") as raised:
        search(put(picky), 0.5, 1000)
    assert "canary" not in str(raised.value)


def test_what_cannot_be_searched_says_so() -> None:
    with pytest.raises(DoesNotApply, match="a regression has none"):
        search(put(lambda f: f["x"], data().assign(target=lambda f: f["x"]), kind="regression"), 0.2, 1000)
    with pytest.raises(DoesNotApply, match="immutable"):
        search(put(above, immutable=["x", "y", "whole", "Int", "t", "kind", "flag"]), 0.2, 1000)
    with pytest.raises(CannotMeasure, match="no row is answered rightly"):
        search(put(lambda f: 1 - above(f)), 0.2, 1000)
