"""The system of ``made.py``, as fixtures: with evidence, with none, and not even declared."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import pytest

from aims_mlflow.exports import Material
from tests.exports import made as system


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each hostile text to a test that asks for ``hostile``, under a stable id."""
    if "hostile" in metafunc.fixturenames:
        metafunc.parametrize("hostile", system.HOSTILE, ids=[f"hostile-{n}" for n in range(len(system.HOSTILE))])


@pytest.fixture(scope="session")
def made() -> ModuleType:
    return system


@cache
def _whole() -> Material:
    found: Material = system.material()
    return found


@cache
def _spoilt(text: str) -> Material:
    policy = system.hostile_system(text)
    found = system.results(column=text, group=text[:200], packages={text[:60]: text[:60]})
    material: Material = system.material(policy, found, column=text, name=system.name_of(text)[:60])
    return material


@pytest.fixture
def about() -> Material:
    """A version with evidence of every state, a denial, risks, treatments, attestations and a waiver. Nothing can change it."""
    return _whole()


@pytest.fixture
def spoilt(hostile: str) -> Material:
    """The text as column, group, system, party, person, statement, action and package, and in the model's name."""
    return _spoilt(hostile)


@pytest.fixture(params=["evidence", "no evidence", "no system file"])
def any_material(request: pytest.FixtureRequest) -> Material:
    """Each of: a version with evidence; a declared system without a run; an id and nothing else."""
    makers = {
        "evidence": _whole,
        "no evidence": system.nothing,
        "no system file": lambda: system.nothing(known=False),
    }
    found: Material = makers[request.param]()
    return found
