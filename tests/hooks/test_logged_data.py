"""MLflow datasets as frames in roles: contexts, kinds of dataset, and labels put back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.data import from_numpy, from_pandas
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
    assert (found.note, found.source, found.predictions) == ("", "", None)


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


def test_predictions_in_a_column_are_the_models_and_no_feature(system: System, frames: Any) -> None:
    found = given(Logged(from_pandas(frames.test.assign(said=1), targets="y", predictions="said")), system)
    assert "said" not in found.frame.columns
    assert found.predictions.tolist() == [1] * len(frames.test)


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
