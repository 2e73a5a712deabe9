"""MLflow datasets as frames in roles: contexts, kinds of dataset, and labels put back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from mlflow.data import from_numpy, from_pandas, from_polars
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.hooks.logged_data import CONTEXTS, given, role_of
from aims_mlflow.hooks.tapping import Logged
from aims_mlflow.system import ROLES, System

pytestmark = pytest.mark.filterwarnings(
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)


@pytest.mark.parametrize(("context", "role"), sorted(CONTEXTS.items()))
def test_every_listed_context_means_its_role(system: System, context: str, role: str) -> None:
    assert role in ROLES
    assert role_of(context, system) == role
    assert role_of(context.upper(), system) == role


@pytest.mark.parametrize(
    ("context", "role"),
    [
        ("Training", "train"),
        (" test ", "test"),
        ("hold-out", "test"),
        ("train set", "train"),
        ("test_data", "test"),
        ("validation-set", "validation"),
    ],
)
def test_case_blanks_and_hyphens_do_not_matter(system: System, context: str, role: str) -> None:
    assert role_of(context, system) == role


def test_a_name_under_data_roles_means_its_role(system: System) -> None:
    named = system.model_copy(update={"data": system.data.model_copy(update={"roles": {"train": "loans_2024", "test": "Loans_2025"}})})
    assert role_of("loans_2024", named) == "train"
    assert role_of("loans_2025", named) == "test"


@pytest.mark.parametrize("context", ["tset", "calibration", ""], ids=["misspelt", "unknown", "none"])
def test_any_other_context_is_refused_and_the_known_ones_named(system: System, context: str) -> None:
    with pytest.raises(CannotMeasure, match="no data role") as caught:
        role_of(context, system)
    assert "training" in caught.value.fix
    assert caught.value.state == "missing"
    assert ("did you mean 'test'?" in caught.value.fix) == (context == "tset")


def test_a_frame_with_named_targets_is_taken_as_it_is_and_not_changed(system: System, frames: Any) -> None:
    before = frames.train.copy()
    found = given(Logged(from_pandas(frames.train, targets="y")), system)
    pd.testing.assert_frame_equal(found.frame, before)
    assert (found.note, found.source, found.predictions) == ("", "", "")


def test_targets_under_another_name_are_taken_as_the_target(system: System, frames: Any) -> None:
    found = given(Logged(from_pandas(frames.train.rename(columns={"y": "paid"}), targets="paid")), system)
    assert found.frame["y"].equals(frames.train["y"])
    assert "paid" in found.note


LABELS = {
    "series": lambda y: y,
    "series with another index": lambda y: y.set_axis(y.index + 1000),
    "array": lambda y: y.to_numpy(),
    "list": lambda y: y.tolist(),
    "column": lambda y: y.to_frame(),
    "array of one column": lambda y: y.to_numpy().reshape(-1, 1),
}


@pytest.mark.parametrize("form", list(LABELS))
def test_labels_that_were_logged_apart_are_put_back_last(system: System, frames: Any, form: str) -> None:
    features = frames.train.drop(columns=["y"])
    found = given(Logged(from_pandas(features), labels=LABELS[form](frames.train["y"])), system)
    assert list(found.frame.columns) == [*features.columns, "y"]
    assert found.frame["y"].tolist() == frames.train["y"].tolist()
    assert "last column" in found.note
    assert list(features.columns) == ["x", "z", "g"]


@pytest.mark.parametrize("labels", [[1, 0], np.zeros((200, 2))], ids=["too few", "two columns"])
def test_labels_that_are_not_one_a_row_are_left_out_and_the_note_says_so(system: System, frames: Any, labels: Any) -> None:
    found = given(Logged(from_pandas(frames.train[["x"]]), labels=labels), system)
    assert list(found.frame.columns) == ["x"]
    assert "not one a row" in found.note


def test_a_target_that_is_there_is_not_overwritten(system: System, frames: Any) -> None:
    found = given(Logged(from_pandas(frames.train), labels=np.zeros(len(frames.train))), system)
    assert found.frame["y"].equals(frames.train["y"])


def test_arrays_are_named_by_declared_features_where_they_are_as_many(system: System, frames: Any) -> None:
    array, y = frames.train[["x", "z"]].to_numpy(), frames.train["y"].to_numpy()
    found = given(Logged(from_numpy(array, targets=y)), system)
    assert list(found.frame.columns) == ["column_0", "column_1", "y"]
    named = system.model_copy(update={"data": system.data.model_copy(update={"features": ("x", "z")})})
    assert list(given(Logged(from_numpy(array, targets=y)), named).frame.columns) == ["x", "z", "y"]


def test_a_dict_of_arrays_is_a_frame(system: System, frames: Any) -> None:
    found = given(Logged(from_numpy({"x": frames.train["x"].to_numpy()}, targets=frames.train["y"].to_numpy())), system)
    assert list(found.frame.columns) == ["x", "y"]


def test_predictions_in_a_column_are_named_and_the_frame_is_as_it_was(system: System, frames: Any) -> None:
    logged = frames.test.assign(said=1)
    found = given(Logged(from_pandas(logged, targets="y", predictions="said")), system)
    assert found.predictions == "said"
    assert "said" in found.note
    pd.testing.assert_frame_equal(found.frame, logged)


class TestAFrameOfAnotherEngine:
    """In any dataset of MLflow's, or of one of its plugins."""

    def test_is_the_very_one_that_was_logged(self, system: System, frames: Any) -> None:
        for frame in (pl.from_pandas(frames.test), pl.from_pandas(frames.test).lazy(), pa.Table.from_pandas(frames.test)):
            found = given(Logged(SimpleNamespace(df=frame, targets="y", predictions=None)), system)
            assert found.frame is frame
            assert (found.note, found.predictions) == ("", "")

    def test_has_its_targets_renamed_where_it_stands(self, system: System, frames: Any) -> None:
        lazy = pl.from_pandas(frames.train.rename(columns={"y": "paid"})).lazy()
        found = given(Logged(SimpleNamespace(df=lazy, targets="paid", predictions=None)), system)
        assert isinstance(found.frame, pl.LazyFrame)
        assert found.frame.collect_schema().names() == ["x", "z", "g", "y"]
        assert lazy.collect_schema().names() == ["x", "z", "g", "paid"]

    def test_that_cannot_be_renamed_says_what_to_do(self, system: System, frames: Any) -> None:
        held = ds.dataset(pa.Table.from_pandas(frames.train.rename(columns={"y": "paid"})))
        with pytest.raises(CannotMeasure, match="paid") as caught:
            given(Logged(SimpleNamespace(df=held, targets="paid", predictions=None)), system)
        assert "task.target" in caught.value.fix
        assert given(Logged(SimpleNamespace(df=held, targets=None, predictions="paid")), system).predictions == "paid"

    def test_in_memory_has_labels_put_back(self, system: System, frames: Any) -> None:
        features, y = pl.from_pandas(frames.train[["x", "z"]]), frames.train["y"].to_numpy()
        found = given(Logged(from_polars(features), labels=y), system)
        assert list(found.frame.columns) == ["x", "z", "y"]
        assert found.frame["y"].tolist() == y.tolist()

    def test_that_is_lazy_has_no_place_for_labels(self, system: System, frames: Any) -> None:
        lazy = pl.from_pandas(frames.train[["x"]]).lazy()
        found = given(Logged(SimpleNamespace(df=lazy), labels=frames.train["y"]), system)
        assert found.frame is lazy
        assert "cannot be put beside" in found.note

    def test_that_is_known_to_nobody_is_refused_unless_it_turns_into_one(self, system: System, frames: Any) -> None:
        known = given(Logged(SimpleNamespace(df=None, ds=SimpleNamespace(to_pandas=lambda: frames.test))), system)
        assert known.frame is frames.test
        with pytest.raises(CannotMeasure, match="no rows"):  # such as pandas on Spark: all of it would be collected
            given(Logged(SimpleNamespace(df=SimpleNamespace(iloc=None, to_pandas=lambda: frames.test))), system)


@pytest.mark.parametrize(
    "dataset",
    [MetaDataset(CodeDatasetSource({}), name="elsewhere"), from_numpy(np.zeros((2, 2, 2)))],
    ids=["description only", "three dimensions"],
)
def test_what_holds_no_rows_is_refused(system: System, dataset: Any) -> None:
    with pytest.raises(CannotMeasure, match=r"no rows|dimensions") as caught:
        given(Logged(dataset), system)
    assert "from_pandas" in caught.value.fix


@pytest.mark.filterwarnings("ignore:The specified dataset source can be interpreted in multiple ways")  # MLflow's, of a path
def test_an_address_is_told_and_a_file_of_this_machine_is_not(system: System, frames: Any) -> None:
    there = from_pandas(frames.train, source=HTTPDatasetSource("https://example.org/loans.csv"))
    assert given(Logged(there), system).source == "https://example.org/loans.csv"
    assert given(Logged(from_pandas(frames.train, source="/loans/2026.csv")), system).source == ""
