"""The drift check; Evidently's own numbers on the user's own frames are the oracle."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aims_mlflow.checks import drift as module
from aims_mlflow.registry import get


def measured(seen: Any) -> dict[str, Any]:
    return {result.scope.get("column", ""): result for result in get("drift").run(seen) if result.scope["dataset"] == "test"}


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


def evidently(current: Any, reference: Any, numeric: list[str], categorical: list[str]) -> tuple[float, dict[str, float]]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DriftedColumnsCount, ValueDrift

    definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    metrics: list[Any] = [
        DriftedColumnsCount(
            columns=[*numeric, *categorical], num_method="wasserstein", cat_method="jensenshannon", num_threshold=0.1, cat_threshold=0.1
        ),
        *(ValueDrift(column=name, method="wasserstein", threshold=0.1) for name in numeric),
        *(ValueDrift(column=name, method="jensenshannon", threshold=0.1) for name in categorical),
    ]
    sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
    answers = Report(metrics).run(*sides).dict()["metrics"]
    return answers[0]["value"]["share"], {answer["config"]["column"]: float(answer["value"]) for answer in answers[1:]}


@pytest.mark.filterwarnings("ignore")  # the oracle's import and run warn of deprecations of its own
def test_points_are_evidentlys_own(seen_of: Any, german: Any) -> None:
    german["yes"] = german["credit_amount"] > 3000
    german["kind"] = german["housing"].astype("category")
    german["nullable"] = pd.array(german["duration_in_month"], dtype="Int64")
    train, test = german[:600].copy(), german[600:].sort_values("age_in_years")[100:].reset_index(drop=True)
    train.loc[::7, ["purpose", "credit_amount"]] = None
    test.loc[::3, ["purpose", "credit_amount", "nullable"]] = None
    found = measured(seen_of(frames={"train": train, "test": test}))
    numeric = [name for name in german.columns if pd.api.types.is_numeric_dtype(german[name].dtype) and name != "yes"]
    share, distances = evidently(test, train, numeric, [name for name in german.columns if name not in numeric])
    assert found[""].measure("drifted_columns_share").value == share > 0
    assert {name: result.measure("distance").value for name, result in found.items() if name} == pytest.approx(
        distances, rel=1e-9, abs=1e-9
    )
    assert found[""].facts["drifted_columns"] == [name for name in german.columns if distances[name] >= 0.1]


def test_where_nothing_drifted_no_column_is_surely_apart_and_where_something_did_one_is(seen_of: Any, german: Any) -> None:
    """A distance leans upward: of equal populations it is never 0, and an interval around the point would leave 0 out."""
    sure = 0
    for seed in range(6):
        shuffled = german.sample(frac=1, random_state=seed).reset_index(drop=True)
        found = measured(seen_of(frames={"train": shuffled[:600], "test": shuffled[600:].reset_index(drop=True)}))
        distances = [result.measure("distance") for name, result in found.items() if name]
        assert all(m.value > 0 or m.ci_low == 0 for m in distances)
        sure += sum(m.ci_low > 0 for m in distances)
        columns = len(distances)
    assert sure <= 0.1 * 6 * columns  # 2.5 % are expected
    moved = german[600:].assign(age_in_years=german["age_in_years"] + 8).reset_index(drop=True)
    assert measured(seen_of(frames={"test": moved}))["age_in_years"].measure("distance").ci_low > 0.2


def test_every_column_is_evaluated_target_and_sensitive_ones_included(seen_of: Any, german: Any) -> None:
    found = measured(seen_of())
    assert found[""].coverage.asked == found[""].coverage.evaluated == tuple(german.columns)
    assert {"credit_risk", "sex", "age_group"} < set(found)
    share = found[""].measure("drifted_columns_share")
    assert share.ci_low <= share.value <= share.ci_high
    assert (share.n, found[""].measure("rows").value, found[""].measure("columns_evaluated").value) == (400, 400, 23)
    one = found["age_in_years"].measure("distance")
    assert 0 <= one.ci_low < one.value < one.ci_high
    assert "bootstrap" in one.ci_method


def test_certain_and_possible_drift_bound_the_share(seen_of: Any) -> None:
    rng = np.random.default_rng(0)

    def frame(n: int, shift: float) -> pd.DataFrame:
        return pd.DataFrame(
            {"far": rng.normal(shift, 1, n), "near": rng.normal(0.1, 1, n), "same": rng.normal(size=n), "credit_risk": [1, 2] * (n // 2)}
        )

    found = measured(seen_of(frames={"train": frame(4000, 0), "test": frame(4000, 1).assign(near=rng.normal(size=4000))}))
    share = found[""].measure("drifted_columns_share")
    assert (share.ci_low, share.ci_high) == (1 / 4, 2 / 4)
    assert found["far"].measure("distance").ci_low > 0.1
    assert found["near"].measure("distance").ci_low < 0.1 < found["near"].measure("distance").ci_high
    assert found["same"].measure("distance").ci_high < 0.1


def test_columns_without_a_comparable_dtype_are_excluded_by_name(seen_of: Any, german: Any) -> None:
    german["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(german["age_in_years"], unit="D")
    german["person"] = [f"person {n}" for n in range(1000)]
    german["mixed"] = [1, "a"] * 500
    found = measured(seen_of(frames={"train": german[:600], "test": german[600:]}))
    assert set(found[""].facts["excluded_columns"]) == {"when", "person", "mixed"}
    assert not {"when", "person", "mixed"} & set(found[""].coverage.asked)
    assert sum(note.startswith("not compared:") for note in found[""].notes) == 3
    assert found[""].problem is None


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.drop(columns="purpose"),
        lambda f: f.assign(purpose=None),
        lambda f: f.assign(purpose=np.nan),
        lambda f: f.assign(purpose=1.5),
        lambda f: f.assign(purpose=np.inf),
    ],
)
@pytest.mark.parametrize("side", ["train", "test"])
def test_a_column_that_cannot_be_compared_is_a_problem_and_not_left_out(seen_of: Any, german: Any, change: Any, side: str) -> None:
    few = german[["purpose", "credit_amount", "credit_risk", "sex"]]
    frames = {"train": few[:600], "test": few[600:]}
    frames[side] = change(frames[side])
    found = measured(seen_of(frames=frames))
    assert found[""].problem.state == found["purpose"].problem.state == "error"
    assert "purpose" in found[""].problem.reason
    assert found[""].coverage.left_out == ("purpose",)
    assert found[""].measure("columns_evaluated").value == 3


def test_infinite_values_are_left_out_with_a_note(seen_of: Any, german: Any) -> None:
    test = german[600:].astype({"credit_amount": float}).reset_index(drop=True)
    test.loc[0, "credit_amount"] = np.inf
    found = measured(seen_of(frames={"train": german[:600], "test": test}))
    assert any("infinite values of credit_amount" in note for note in found[""].notes)
    assert found["credit_amount"].measure("distance").n == 399


@pytest.mark.parametrize(
    ("frames", "state", "said"),
    [
        ({"test": None}, "missing", "no test data"),
        ({"train": None}, "missing", "no train data"),
        ({"test": pd.DataFrame({"a": []})}, "error", "zero rows"),
        ({"test": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "error", "duplicate column names"),
        ({"train": pd.DataFrame([[1, 2]])}, "error", "not strings"),
        (
            {role: pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}) for role in ("train", "test")},
            "error",
            "no numeric or categorical column",
        ),
    ],
)
def test_bad_frames_are_problems(seen_of: Any, frames: Any, state: str, said: str) -> None:
    found = measured(seen_of(frames=frames))
    assert list(found) == [""]
    assert found[""].problem.state == state
    assert said in found[""].problem.reason
    assert found[""].problem.fix


def test_every_pair_that_is_asked_for_is_measured(seen_of: Any, german: Any) -> None:
    asked = {"check": "drift", "metric": "drifted_columns_share", "max": 0.2}
    both = ({**asked, "dataset": "test", "reference": "reference"}, {**asked, "dataset": "validation"}, {**asked, "dataset": "train"})
    few = german[["purpose", "credit_amount"]]
    seen = seen_of(frames={"train": few[:600], "test": few[600:], "reference": few[:300], "production": few[:9]}, requirements=both)
    found = {(r.scope["dataset"], r.scope["reference"]): r.problem for r in get("drift").run(seen) if "column" not in r.scope}
    assert list(found) == [("test", "train"), ("test", "reference"), ("validation", "train"), ("train", "train")]
    assert found["test", "reference"] is None
    assert found["validation", "train"].state == "missing"
    assert "drift from itself" in found["train", "train"].reason


def test_production_data_without_the_target_are_compared_on_the_rest(seen_of: Any, german: Any) -> None:
    asked = {"check": "drift", "metric": "drifted_columns_share", "max": 0.2, "dataset": "production", "reference": "train"}
    seen = seen_of(frames={"production": german[500:].drop(columns="credit_risk")}, requirements=(asked,))
    (found,) = [r for r in get("drift").run(seen) if r.scope == {"dataset": "production", "reference": "train"}]
    assert found.problem is None
    assert list(found.facts["excluded_columns"]) == ["credit_risk"]


def test_large_frames_are_sampled_and_say_so(seen_of: Any, german: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 500)
    first, second = (measured(seen_of())[""] for _ in range(2))
    assert first == second
    assert first.facts["rows"] == {"test": {"seen": 400, "compared": 400}, "train": {"seen": 600, "compared": 500}}
    assert any("random sample of 500 of 600 rows was compared (seed 0)" in note for note in first.notes)


def test_a_library_that_cannot_be_imported_is_a_problem(seen_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "evidently.metrics", None)
    (found,) = measured(seen_of()).values()
    assert found.problem.state == "error"
    assert "pandas<3.1" in found.problem.fix


def test_the_users_frame_and_random_state_are_left_alone_and_nothing_is_printed(seen_of: Any, capfd: Any) -> None:
    seen, state = seen_of(), np.random.get_state()[1].tolist()
    before = seen.datasets["test"].frame.copy(deep=True)
    measured(seen)
    pd.testing.assert_frame_equal(seen.datasets["test"].frame, before)
    assert np.random.get_state()[1].tolist() == state
    assert capfd.readouterr() == ("", "")


def test_the_rows_that_are_compared_are_the_same_in_any_order_and_dtype(seen_of: Any, german: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 300)
    train, test = german[:600], german[600:]
    turned = train.sample(frac=1, random_state=3).astype({"credit_amount": "float64"})[[*reversed(train.columns)]]
    one, other = (measured(seen_of(frames={"train": frame, "test": test}))[""] for frame in (train, turned))
    assert sorted(one.facts["drifted_columns"]) == sorted(other.facts["drifted_columns"])
    distances = [{(m.name, m.group): m.value for m in found.measures} for found in (one, other)]
    assert distances[0] == pytest.approx(distances[1], abs=1e-12)
