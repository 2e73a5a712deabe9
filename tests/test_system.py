"""The system file's words, typed: what a part refuses by itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.system import Population, Robustness
from aims_mlflow.system.identity import Identity, registrable


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"ranges": {"age": (100, 18)}}, "does not rise"),
        ({"swaps": (("age", "age"),)}, "cannot be swapped with itself"),
        ({"units": {"income": ()}}, "change nothing"),
        ({"units": {"income": (12, 1)}}, "change nothing"),
        ({"units": {"income": (0,)}}, "greater than 0"),
        ({"queries": 1}, "greater than or equal to 100"),
        ({"immutable": ("",)}, "at least 1"),
    ],
)
def test_what_a_trial_may_assume_makes_sense(content: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Robustness.model_validate(content)


@pytest.mark.parametrize(
    ("shares", "why"),
    [({"f": 0.5, "m": 0.6}, "add up to 1.1"), ({"f": 1.0}, "at least 2"), ({"f": -0.5, "m": 1.5}, "greater than or equal to 0")],
)
def test_a_population_is_whole(shares: dict[str, float], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Population(column="sex", shares=shares)


def test_published_shares_may_be_rounded() -> None:
    assert Population(column="region", shares={"a": 0.333, "b": 0.333, "c": 0.333}).shares["a"] == 0.333


@pytest.mark.parametrize("name", ["", "credit scoring", "main.risk.credit", "n" * 256])
def test_a_registered_name_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_model_name

    assert registrable(name) == name
    assert Identity(id="small", model=name).model == name
    if name:
        _validate_model_name(name)


@pytest.mark.parametrize("name", ["a/b", "a:b", "n" * 257, "a\nb/"])
def test_a_registered_name_that_mlflow_refuses(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a registered model"):
        registrable(name)
    with pytest.raises(ValidationError, match="pattern"):
        Identity(id="small", model=name)
