"""The system of ``made.py``, as fixtures: with evidence, with none, and not even declared."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from aims_mlflow.exports import Material


def _made() -> ModuleType:
    name = "exports_made"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("made.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


MADE = _made()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each hostile text to a test that asks for ``hostile``, under a stable id."""
    if "hostile" in metafunc.fixturenames:
        metafunc.parametrize("hostile", MADE.HOSTILE, ids=[f"hostile-{n}" for n in range(len(MADE.HOSTILE))])


@pytest.fixture(scope="session")
def made() -> ModuleType:
    return MADE


@cache
def _whole() -> Material:
    found: Material = MADE.material()
    return found


@cache
def _spoilt(text: str) -> Material:
    policy = MADE.hostile_system(text)
    found = MADE.results(column=text, group=text[:200], packages={text[:60]: text[:60]})
    material: Material = MADE.material(policy, found, column=text, name=MADE.name_of(text)[:60])
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
        "no evidence": MADE.nothing,
        "no system file": lambda: MADE.nothing(known=False),
    }
    found: Material = makers[request.param]()
    return found
