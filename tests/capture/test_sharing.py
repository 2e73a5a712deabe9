"""Ranks meet by launch, name and call; what one was given is told by digest; what is unlike rank 0's is never passed over."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aims_mlflow.capture import sharing
from aims_mlflow.capture.ranks import Rank
from aims_mlflow.errors import CannotMeasure, UnknownNameError
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.observation import Dataset
from aims_mlflow.system import System

SYSTEM = System.model_validate(
    {
        "version": 1,
        "system": {"id": "small"},
        "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
        "data": {"roles": {"train": "train"}},
    }
)
LAUNCH = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "PMIX_NAMESPACE")


@pytest.fixture(autouse=True)
def _launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMS_HOME", str(tmp_path))
    for name in LAUNCH:
        monkeypatch.delenv(name, raising=False)


def frame(canary: str = "secret") -> pd.DataFrame:
    return pd.DataFrame({"x": [1, 2, 3], "name": [canary, "b", "c"], "y": [0, 1, 0]})


def place(number: int, of: int = 3, name: str = "train") -> sharing.Meeting:
    """Return where a rank meets the others, as the first call of its process."""
    sharing._calls.clear()
    return sharing.meeting(Rank(number, of), name)


def dataset(given: pd.DataFrame, role: str = "train") -> dict[str, Dataset]:
    return {role: Dataset(role, given, fingerprint(given))}


def told(number: int, role: str, given: Any, of: int = 3) -> sharing.Meeting:
    at = place(number, of)
    sharing.Share(SYSTEM, at).data(given, role)
    return at


def test_ranks_meet_by_launch_name_and_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place(0).folder == place(1).folder
    assert place(0).folder != place(0, name="other").folder
    assert place(0).folder != place(0, of=4).folder
    first, second = place(0), sharing.meeting(Rank(0, 3), "train")
    assert first.folder != second.folder
    found = set()
    for name, value in [("MASTER_ADDR", "a"), ("MASTER_PORT", "1"), ("TORCHELASTIC_RUN_ID", "r"), ("TORCHELASTIC_RESTART_COUNT", "1")]:
        monkeypatch.setenv(name, value)
        found.add(place(0).folder)
    assert len(found) == 4  # the parent alone while only one of address and port is known, then one more for each
    monkeypatch.delenv("MASTER_ADDR")
    monkeypatch.setenv("PMIX_NAMESPACE", "job")
    assert place(0).folder not in found


def test_the_same_data_on_each_rank_are_alike_and_nothing_of_them_is_written() -> None:
    at = told(1, "train", frame())
    told(2, "train", frame())
    heard = at.heard()
    assert [*heard] == [1, 2]
    assert heard[1].datasets["train"] == sharing.Given(rows=3, algorithm="aims-arrow-sha256-v1", sha256=fingerprint(frame()).sha256)
    assert sharing.unlike(dataset(frame()), heard) == {}
    assert b"secret" not in b"".join(path.read_bytes() for path in at.folder.iterdir())


def test_other_data_on_a_rank_are_named_with_the_fix() -> None:
    at = told(1, "train", frame().iloc[:2])
    told(2, "train", frame())
    (problem,) = sharing.unlike(dataset(frame()), at.heard()).values()
    assert problem.what.startswith("1 of the other ranks were given other train data than rank 0 (3 rows; rank 1: 2)")
    assert "on every rank" in problem.fix


def test_data_that_only_another_rank_was_given_count_as_other_data() -> None:
    assert "(none; rank 1: 3)" in sharing.unlike({}, told(1, "test", frame()).heard())["test"].what


def test_data_that_a_rank_could_not_take_count_as_other_data() -> None:
    at = place(1)
    with pytest.raises(CannotMeasure):
        sharing.Share(SYSTEM, at).data(object(), "train")
    assert [*sharing.unlike(dataset(frame()), at.heard())] == ["train"]


def test_what_rank_0_alone_was_given_is_its_own() -> None:
    both = {**dataset(frame()), **dataset(frame(), "test")}
    assert sharing.unlike(both, told(1, "train", frame()).heard()) == {}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"rank": 2, "datasets": {}}', b'{"rank": 1}', b" " * (sharing.LARGEST + 1)])
def test_what_cannot_be_read_is_as_good_as_silent(content: bytes) -> None:
    at = told(1, "train", frame())
    (at.folder / "1.json").write_bytes(content)
    assert at.heard() == {}


def test_what_was_told_twice_is_told_last() -> None:
    at = place(1)
    share = sharing.Share(SYSTEM, at)
    share.data(frame(), "train")
    share.data(frame().iloc[:1], "train")
    share.data(frame(), "test")
    assert {role: one.rows for role, one in at.heard()[1].datasets.items()} == {"train": 1, "test": 3}


def test_nothing_stays_behind() -> None:
    at = told(1, "train", frame())
    old, young = at.folder.parent / "old", at.folder.parent / "young"
    for path in (old, young):
        path.mkdir()
    long_ago = time.time() - sharing.KEPT_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    at.end()
    assert [*at.folder.parent.iterdir()] == [young]
    at.end()


def test_a_role_that_there_is_not_is_refused_and_not_told() -> None:
    at = place(1)
    with pytest.raises(UnknownNameError):
        sharing.Share(SYSTEM, at).data(frame(), "trian")
    assert at.heard() == {}
