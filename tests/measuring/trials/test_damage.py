from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.fingerprint import Fingerprint
from aims_mlflow.measuring.trials import damage
from aims_mlflow.measuring.trials.damage import DAMAGES, copies_of, find
from aims_mlflow.measuring.trials.trial import DoesNotApply, Trial, on_trial
from aims_mlflow.observation import Code, Dataset, Model, Observation, RunFacts
from aims_mlflow.system import System


def mixed(n: int = 200) -> pd.DataFrame:
    at = np.arange(n)
    return pd.DataFrame(
        {
            "f": at / 7.0,
            "f32": (at / 3).astype("float32"),
            "i": at,
            "u8": (at % 200 + 20).astype("uint8"),
            "Int": pd.array([None, *range(1, n)], dtype="Int64"),
            "arrow": pd.Series(at).astype("int64[pyarrow]"),
            "flag": at % 2 == 0,
            "text": np.where(at % 3 == 0, "a", "b"),
            "object": pd.Series(["x", None] * (n // 2), dtype=object),
            "kind": pd.Categorical(np.where(at % 3 == 0, "a", "b")),
            "level": pd.Categorical(at % 4),
            "when": pd.date_range("2020-01-01", periods=n),
            "flat": 1.0,
            "target": at % 2,
        }
    )


def put(frame: pd.DataFrame, **said: Any) -> Trial:
    system = System.model_validate(
        {
            "version": 1,
            "system": {"id": "s"},
            "task": {"kind": "binary_classification", "target": "target", "positive_label": 1},
            "data": {"roles": {"test": "test"}},
            "robustness": said,
        }
    )
    datasets = {role: Dataset(role, frame, Fingerprint("0" * 64, "none", len(frame), ())) for role in ("train", "test")}
    model = Model(lambda f: [0] * len(f), tuple(frame.columns.drop("target")))
    return on_trial(Observation(system, datasets, RunFacts("r", datetime(2026, 1, 1, tzinfo=UTC), Code("unknown")), model), "test")


def columns(trial: Trial, name: str, strength: float = 1.0) -> list[tuple[str, dict[str, pd.Series[Any]]]]:
    return [(copy.group, copy.change(trial.rows(copy.rows))) for copy in copies_of(trial, find(trial, name, strength))]


def test_out_of_range_lies_as_far_out_as_asked_and_keeps_the_dtype() -> None:
    frame = mixed()
    made = columns(put(frame), "out_of_range", 0.5)
    for name in ("f", "f32", "i", "Int", "arrow"):
        low, high = float(frame[name].min()), float(frame[name].max())
        values = [float(changed[name].iloc[0]) for group, changed in made if group == name]
        assert values == pytest.approx(
            [low - (high - low) / 2, high + (high - low) / 2], abs=0.51 if name in ("i", "Int", "arrow") else 1e-4
        )
        assert all(changed[name].dtype == frame[name].dtype and changed[name].nunique() == 1 for group, changed in made if group == name)
    assert [float(changed["u8"].iloc[0]) for group, changed in made if group == "u8"] == []  # 0 to 255 hold neither end
    assert {group for group, _ in made} == {"f", "f32", "i", "Int", "arrow"}


def test_a_declared_range_counts_instead_of_the_data() -> None:
    made = [changed["i"].iloc[0] for group, changed in columns(put(mixed(), ranges={"i": (0, 1000)}), "out_of_range") if group == "i"]
    assert made == [-1000, 2000]


def test_an_unseen_category_is_in_no_data_and_keeps_the_kind() -> None:
    frame = mixed().assign(text=lambda f: f["text"].where(f["text"] != "a", damage.NEW_CATEGORY))
    made = dict(columns(put(frame), "unseen_category"))
    assert set(made) == {"text", "object", "kind", "level"}
    for name, changed in made.items():
        assert changed[name].nunique() == 1
        assert not changed[name].iloc[:1].isin(frame[name].dropna().unique().tolist()).any()
    assert made["text"]["text"].dtype == frame["text"].dtype
    assert set(made["kind"]["kind"].cat.categories) > set(frame["kind"].cat.categories)
    assert made["level"]["level"].iloc[0] == 4


def test_a_unit_error_multiplies_one_column_and_stays_within_its_dtype() -> None:
    frame = mixed()
    made = dict(columns(put(frame), "unit_error", 10))
    assert set(made) == {"f", "f32", "i", "u8", "Int", "arrow", "flat"}
    assert made["f"]["f"].tolist() == (frame["f"] * 10).tolist()
    assert made["i"]["i"].tolist() == (frame["i"] * 10).tolist()
    assert made["u8"]["u8"].max() == 255
    assert made["Int"]["Int"].isna().tolist() == frame["Int"].isna().tolist()
    assert all(changed[name].dtype == frame[name].dtype for name, changed in made.items())


def test_a_columns_own_units_count_instead_of_the_usual_ones() -> None:
    trial = put(mixed(), units={"f": [2.54], "gone": [2.54]})
    assert "f" not in dict(columns(trial, "unit_error", 10))
    assert "f" in dict(columns(trial, "unit_error", 2.54))
    assert find(trial, "unit_error", 2.54).absent == ("gone",)


def test_swaps_are_those_declared_else_neighbours_of_a_kind() -> None:
    trial = put(mixed())
    made = dict(columns(trial, "swapped_columns"))
    assert set(made) == {"f <-> f32", "i <-> u8", "u8 <-> Int", "Int <-> arrow", "text <-> object", "object <-> kind", "kind <-> level"}
    assert made["f <-> f32"]["f"].tolist() == mixed()["f32"].tolist()
    assert made["f <-> f32"]["f32"].name == "f32"
    assert set(dict(columns(put(mixed(), swaps=[["i", "flag"]]), "swapped_columns"))) == {"i <-> flag"}


def test_a_column_goes_missing_whole_or_in_part() -> None:
    made = dict(columns(put(mixed()), "missing_column"))
    assert len(made) == 13
    assert all(changed[name].isna().all() for name, changed in made.items())
    part = columns(put(mixed()), "missing_column", 0.3)
    assert [group for group, _ in part].count("f") == 5  # seeds
    assert np.mean([changed["f"].isna().mean() for group, changed in part if group == "f"]) == pytest.approx(0.3, abs=0.06)


def test_many_columns_are_sampled_and_rows_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "DAMAGED_AT_MOST", 2_000)
    wide = pd.DataFrame({f"x{at}": np.arange(500.0) for at in range(80)}).assign(target=[0, 1] * 250)
    trial = put(wide)
    found = find(trial, "unit_error", 10)
    assert (len(found.damaged), found.candidates) == (50, 80)
    copies = copies_of(trial, found)
    assert {copy.size(500) for copy in copies} == {100}
    assert len({int(row) for copy in copies for row in copy.rows}) == 500  # type: ignore[union-attr]
    assert [c.group for c in copies_of(trial, find(trial, "unit_error", 10))] == [c.group for c in copies]


@pytest.mark.parametrize("name", DAMAGES)
def test_no_frame_is_changed_and_a_row_is_damaged_in_one_column_or_pair(name: str) -> None:
    trial = put(mixed())
    before = trial.frame.copy(deep=True)
    for group, changed in columns(trial, name):
        assert set(changed) == set(group.split(" <-> "))
        assert all(len(column) == trial.n for column in changed.values())
    pd.testing.assert_frame_equal(trial.frame, before)


@pytest.mark.parametrize("name", sorted(set(DAMAGES) - {"missing_column"}))
def test_what_has_nothing_to_damage_says_so(name: str) -> None:
    trial = put(pd.DataFrame({"when": pd.date_range("2020", periods=4), "target": [0, 1, 0, 1]}))
    with pytest.raises(DoesNotApply, match="the model reads no"):
        find(trial, name, 10.0)


@given(
    st.sampled_from(["int8", "uint16", "int64", "uint64", "float32", "float64", "Int64"]),
    st.lists(st.integers(0, 120), min_size=2, max_size=30),
    st.sampled_from([1e-3, 1.0, 1e6]),
)
@settings(max_examples=60)
def test_damage_never_raises_nor_leaves_the_dtype(dtype: str, values: list[int], strength: float) -> None:
    frame = pd.DataFrame({"x": pd.Series(values).astype(dtype), "target": [0, 1] * (len(values) // 2) + [1] * (len(values) % 2)})
    trial = put(frame)
    for name in ("out_of_range", "unit_error"):
        for damaged in DAMAGES[name].find(trial, strength).damaged:
            assert damaged.change(trial.frame)["x"].dtype == frame["x"].dtype
    for damaged in DAMAGES["out_of_range"].find(trial, strength).damaged:
        (value,) = set(damaged.change(trial.frame)["x"])
        assert not min(values) <= value <= max(values)
