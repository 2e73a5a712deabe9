"""The exception tree: what, where and the fix in one message, and the nearest known name."""

from __future__ import annotations

import inspect
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow import errors
from aims_mlflow.errors import AimsError, CannotMeasure, ConfigurationError, PromotionBlocked, UnknownNameError, nearest

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, AimsError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_message_says_what_where_and_the_fix(kind: type[AimsError]) -> None:
    error = kind("the file is not there", where="aims.yaml, line 3", fix="write it")
    assert str(error) == "the file is not there (aims.yaml, line 3) Fix: write it"
    assert (error.what, error.where, error.fix) == ("the file is not there", "aims.yaml, line 3", "write it")


@pytest.mark.parametrize(
    ("where", "fix", "message"),
    [("", "", "broken"), ("here", "", "broken (here)"), ("", "mend it", "broken Fix: mend it")],
)
def test_what_is_not_known_is_left_out(where: str, fix: str, message: str) -> None:
    assert str(AimsError("broken", where=where, fix=fix)) == message


def test_the_tree_is_as_its_picture() -> None:
    assert {c.__name__ for c in CLASSES if c is not AimsError} == {
        line.split("── ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "── " in line
    }
    assert {c.__name__ for c in CLASSES if issubclass(c, ConfigurationError)} == {
        "ConfigurationError",
        "NoSystemError",
        "SystemFileError",
        "UnknownNameError",
    }


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("fairnes", ["fairness", "drift"], "did you mean 'fairness'?"),
        ("zzz", ["fairness", "drift"], "known: drift, fairness"),
        ("zzz", [], "nothing is known here yet"),
    ],
)
def test_the_nearest_known_name(name: str, known: list[str], said: str) -> None:
    assert nearest(name, known) == said
    error = UnknownNameError.among("check", name, known, where="aims.yaml")
    assert str(error) == f"unknown check {name!r} (aims.yaml) Fix: {said}"


@settings(deadline=None)  # machines of CI are busy
@given(st.text(), st.lists(st.text(), min_size=1))
def test_some_known_name_is_always_in_the_fix(name: str, known: list[str]) -> None:
    assert any(one in nearest(name, known) or repr(one) in nearest(name, known) for one in known)


@pytest.mark.parametrize(("state", "given_state"), [("error", {}), ("missing", {"state": "missing"})])
def test_what_cannot_be_measured_says_which_state_follows(state: str, given_state: dict[str, str]) -> None:
    assert CannotMeasure("no test data", **given_state).state == state  # type: ignore[arg-type]


def test_a_block_carries_its_decision() -> None:
    decision = object()
    assert PromotionBlocked("the gate said no", decision=decision).decision is decision
    assert PromotionBlocked("the gate said no").decision is None


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_another_process(kind: type[AimsError]) -> None:
    error = pickle.loads(pickle.dumps(kind("broken", where="here", fix="mend it")))  # noqa: S301 - our own bytes
    assert (error.what, error.where, error.fix) == ("broken", "here", "mend it")
