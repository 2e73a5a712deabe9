"""The chain of frames: what is followed, and where it breaks."""

from __future__ import annotations

import pytest

from aims_mlflow.measuring.frames.digest_chain import follow
from aims_mlflow.observation import FrameFacts, PreparationStep


def frame(name: str | None) -> FrameFacts | None:
    return None if name is None else FrameFacts(1, ("a",), name)


def steps(*pairs: tuple[str | None, str | None]) -> list[PreparationStep]:
    return [PreparationStep("said", frame(before), frame(after)) for before, after in pairs]


@pytest.mark.parametrize(
    ("pairs", "links", "gaps", "reached"),
    [
        pytest.param([], 0, 0, [], id="nothing said"),
        pytest.param([(None, None), (None, None)], 0, 0, [], id="words only"),
        pytest.param([("raw", "train")], 1, 0, ["train"], id="one step"),
        pytest.param([("raw", "clean"), ("clean", "train")], 2, 0, ["train"], id="two steps"),
        pytest.param([("raw", "clean"), ("clean", "train"), ("clean", "test")], 4, 0, ["train", "test"], id="a split"),
        pytest.param([("raw", "clean"), (None, None), ("clean", "train")], 2, 0, ["train"], id="a step without frames between"),
        pytest.param([("raw", "train"), ("other", "test")], 2, 1, ["test"], id="a dropped digest"),
        pytest.param([("raw", "clean"), ("clear", "train")], 2, 1, ["train"], id="changed between steps"),
        pytest.param([("raw", "clean")], 1, 1, [], id="ends at no data of the run"),
        pytest.param([("raw", "train"), ("raw", "lost")], 3, 1, ["train"], id="a branch that is lost"),
        pytest.param([("raw", None), (None, "train")], 1, 0, ["train"], id="half shown"),
    ],
)
def test_links_and_gaps(pairs: list[tuple[str | None, str | None]], links: int, gaps: int, reached: list[str]) -> None:
    found = follow(steps(*pairs), {"train": "train", "test": "test"})
    assert (found.links, len(found.gaps), found.reached) == (links, gaps, reached)


def test_a_gap_says_at_which_step() -> None:
    found = follow(steps(("raw", "clean"), ("other", "train")), {"train": "train"})
    assert found.gaps == ["step 2 begins with a frame that no earlier step began or ended with"]
