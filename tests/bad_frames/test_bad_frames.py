"""No vacuous pass: every bad case through every check and the judge. Nothing is raised, nothing passes, nothing is changed or quoted."""

from __future__ import annotations

import importlib
import json
import re
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, note, settings
from hypothesis import given as drawn_from
from hypothesis import strategies as st

from aims_mlflow import registry
from aims_mlflow.evidence import CheckResult, Evidence, State
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.judging import judge
from aims_mlflow.observation import Model, Observation
from tests.full import FULL, part

from . import of_columns, of_declarations, of_groups, of_labels, of_models, of_rows
from .given import CANARY, FEATURES, KINDS, STARTED, Case, Given, given, observed

CASES = tuple(case for module in (of_rows, of_labels, of_groups, of_columns, of_models, of_declarations) for case in module.CASES)
TOGETHER = of_declarations.TOGETHER
RUN = CASES if FULL else CASES[::6]
"""The cases that are run one by one: all of them with ``make full``, each third otherwise."""

NOT_PASSED = {State.MISSING, State.ERROR, State.INCONCLUSIVE, State.FAIL}

OF_DATA = ("acquisition", "characteristics", "drift", "leakage", "overlap", "personal_data", "provenance", "quality", "representativeness")
"""Checks that look at nothing but data, system file and which columns the model reads, as a test asserts: run once for the same."""

AS_THEY_WERE = "as they were"
"""The note on data that no case has touched."""


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """Import the libraries behind the checks once: what they warn about while being imported is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry.discover()
        importlib.import_module("great_expectations")
        importlib.import_module("evidently.metrics")


_remembered: dict[Any, tuple[CheckResult, ...]] = {}


def results(seen: Observation) -> list[CheckResult]:
    """Run every check, or remember what those that look at nothing but data said of the same data."""
    reads = seen.model.features if seen.model is not None else None
    known = not seen.refused and all(data.note == AS_THEY_WERE for data in seen.datasets.values())
    key = (seen.system.sha256, reads, *(data.fingerprint.sha256 for data in seen.datasets.values())) if known else None
    found: list[CheckResult] = []
    for name, check in registry.checks().items():
        if key is None or name not in OF_DATA:
            found += check.run(seen)
        else:
            if (name, key) not in _remembered:
                _remembered[name, key] = check.run(seen)
            found += _remembered[name, key]
    return found


def measured(seen: Observation, *, foreseen: bool = True) -> tuple[Evidence, ...]:
    """Run every check, judge, and assert what holds whatever was given: all of it is JSON, and quotes nothing.

    ``foreseen``: no check may have raised anything; that an exception becomes an error is for what nobody could think of.
    """
    found = results(seen)
    if foreseen:
        assert [f"{r.check}: {r.problem.reason}" for r in found if r.problem is not None and "the check raised" in r.problem.reason] == []
    evidence = judge(seen.system, found, run_id="r1", started=STARTED, now=STARTED)
    written = json.dumps([one.model_dump(mode="json") for one in (*found, *evidence)], allow_nan=False, ensure_ascii=False)
    assert_nothing_quoted(seen, written)
    return evidence


def assert_nothing_quoted(seen: Observation, written: str) -> None:
    """Neither planted text nor a number of the frames with its fraction stands in what is written."""
    assert CANARY not in written
    numbers = set(re.findall(r"\d\.\d{8,}", written))
    for dataset in seen.datasets.values():
        for at, dtype in enumerate(dataset.frame.dtypes):
            if getattr(dtype, "kind", "") == "f":
                held = {repr(abs(value)) for value in dataset.frame.iloc[:, at].dropna().tolist()}
                assert not {one for one in numbers if one in held}


def content(frame: Any) -> str:
    """Return everything a frame holds, as text: names, dtypes, rows and cells."""
    if not isinstance(frame, pd.DataFrame):
        return repr(frame)
    return repr((list(frame.columns), [str(kind) for kind in frame.dtypes], frame.index.tolist(), frame.to_numpy(dtype=object).tolist()))


def assert_no_pass(concerns: tuple[str, ...], evidence: tuple[Evidence, ...]) -> None:
    for concern in concerns:
        beginning, *parts = concern.split("@")
        declared = [one for one in evidence if one.kind == "declared" and one.requirement.startswith(beginning)]
        found = [one for one in declared if all(part in one.requirement for part in parts)]
        assert found, f"no requirement is meant by {concern!r}"
        assert [f"{one.requirement}: {one.reason}" for one in found if one.state not in NOT_PASSED] == [], concern
        assert [one.requirement for one in found if not one.fix] == []


@cache
def _sound(task: str) -> dict[str, str]:
    return {role: fingerprint(frame).sha256 for role, frame in given(task).frames.items()}


def remembering(seen: Observation) -> Observation:
    """Return the observation with a note on the data that no case has touched: what was said of them can be remembered."""
    task = next(name for name, kind in KINDS.items() if kind == seen.system.task.kind)
    datasets = dict(seen.datasets)
    if {role: data.fingerprint.sha256 for role, data in datasets.items()} == _sound(task):
        plain = all(type(data.frame.index) is pd.RangeIndex and data.frame.index.name is None for data in datasets.values())
        datasets = {role: replace(data, note=AS_THEY_WERE if plain else "") for role, data in datasets.items()}
    return replace(seen, datasets=datasets)


@pytest.mark.parametrize("task", list(KINDS))
def test_where_nothing_is_wrong_every_requirement_passes(task: str) -> None:
    """So that each case shows what one mistake does."""
    evidence = measured(remembering(observed(given(task))))
    assert [f"{e.requirement}: {e.state} {e.reason}" for e in evidence if e.kind == "declared" and e.state is not State.PASS] == []


def test_every_check_is_asked_something_and_cases_are_many() -> None:
    asked = {one["check"] for task in KINDS for one in given(task).declared["requirements"]}
    assert asked == set(registry.checks()) == set(of_declarations.CHECKS)
    names = [case.name for case in (*CASES, *TOGETHER)]
    assert sorted(names) == sorted(set(names))
    assert sum(bool(case.concerns) for case in (*CASES, *TOGETHER)) >= 300
    assert sum(bool(case.concerns) for case in (*RUN, *TOGETHER)) >= 120


@pytest.mark.parametrize("check", OF_DATA)
def test_what_is_remembered_of_data_has_nothing_to_do_with_the_model(check: str) -> None:
    seen = observed(given("binary"))
    other = Model(predict=lambda _: [], features=FEATURES)
    without = replace(seen, model=other, baseline=None, given_predictions={"test": [7]})
    assert registry.get(check).run(seen) == registry.get(check).run(without)


@pytest.mark.parametrize("case", RUN, ids=lambda case: case.name)
def test_a_bad_case_is_never_a_pass(case: Case) -> None:
    spoilt = given(case.task)
    case.spoil(spoilt)
    before = {role: content(frame) for role, frame in spoilt.frames.items()}
    seen = remembering(observed(spoilt))
    assert_no_pass(case.concerns, measured(seen))
    if seen.refused:  # as a careless caller would hand over what a recorder refuses: it may fail in any way but raise, pass or quote
        measured(observed(spoilt, forced=True), foreseen=False)
    assert {role: content(frame) for role, frame in spoilt.frames.items()} == before


@pytest.fixture(scope="module")
def asked_together() -> tuple[Evidence, ...]:
    """The evidence of one sound run of which everything is asked that cannot be answered."""
    spoilt = given("binary")
    for case in TOGETHER:
        case.spoil(spoilt)
    return measured(observed(spoilt))


@pytest.mark.parametrize("case", TOGETHER, ids=lambda case: case.name)
def test_a_bad_question_is_never_a_pass(case: Case, asked_together: tuple[Evidence, ...]) -> None:
    assert_no_pass(case.concerns, asked_together)


def mixes(case: Case) -> bool:
    """Whether a case can stand beside others: where it gives predictions, nobody asks a model what is wrong with it."""
    return case.task == "binary" and case.spoil is not of_groups.ten_thousand_groups


BINARY = [[case for case in module.CASES if mixes(case)] for module in (of_columns, of_groups, of_labels, of_rows, of_models)]
"""The cases of one task, in an order in which the later ones do not mend what the earlier ones have spoilt."""


@settings(max_examples=part(25, 3))
@drawn_from(st.lists(st.integers(0, len(BINARY) - 1), min_size=2, max_size=3, unique=True).map(sorted), st.data())
def test_several_things_wrong_at_once_are_never_a_pass(kinds: list[int], data: st.DataObject) -> None:
    """Whatever else is wrong, the last thing that was spoilt is not a pass for it."""
    spoilt = given("binary")
    cases = [data.draw(st.sampled_from(BINARY[kind]), label="case") for kind in kinds]
    note(" and ".join(case.name for case in cases))
    for case in cases:
        assume(_applied(case, spoilt))
    before = {role: content(frame) for role, frame in spoilt.frames.items()}
    seen = remembering(observed(spoilt))
    assert_no_pass(cases[-1].concerns, measured(seen))
    assert {role: content(frame) for role, frame in spoilt.frames.items()} == before


def _applied(case: Case, spoilt: Given) -> bool:
    """Return whether there was still something to spoil."""
    try:
        case.spoil(spoilt)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # a column that an earlier case took away, and so on
        return False
    return True
