"""The words of evidence: they come back from JSON as they went, hold no NaN, and the worst state wins."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aims_mlflow.evidence import (
    LETS_THROUGH,
    WORST_FIRST,
    CheckResult,
    Coverage,
    Evidence,
    Measure,
    Problem,
    Severity,
    State,
    Subject,
    canonical,
    digest,
    same,
    worst,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**9)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
subjects = st.builds(Subject, kind=st.sampled_from(["dataset", "model", "run", "code", "system"]), name=texts, sha256=sha256s)
measures = st.builds(
    Measure,
    name=texts,
    value=st.none() | numbers,
    ci_low=st.none() | numbers,
    ci_high=st.none() | numbers,
    ci_method=st.none() | texts,
    n=st.none() | counts,
    count=st.none() | counts,
    group=st.none() | texts,
    unit=st.none() | texts,
)
results = st.builds(
    CheckResult,
    check=texts,
    scope=st.dictionaries(texts, texts, max_size=3),
    measures=st.lists(measures, max_size=3).map(tuple),
    facts=st.dictionaries(texts, json_values, max_size=3),
    notes=st.lists(texts, max_size=2).map(tuple),
    coverage=st.builds(Coverage, asked=st.lists(texts, max_size=3).map(tuple), evaluated=st.lists(texts, max_size=3).map(tuple)),
    subjects=st.lists(subjects, max_size=2).map(tuple),
    problem=st.none() | st.builds(Problem, state=st.sampled_from(["missing", "error"]), reason=texts, fix=texts),
)
evidence = st.builds(
    Evidence,
    check=texts,
    requirement=texts,
    kind=st.sampled_from(["declared", "standing", "attestation"]),
    controls=st.lists(texts, max_size=2).map(tuple),
    severity=st.sampled_from(Severity),
    subjects=st.lists(subjects, max_size=2).map(tuple),
    results=st.lists(texts, max_size=2).map(tuple),
    state=st.sampled_from(State),
    reason=texts,
    fix=texts,
    run_id=texts,
    time=st.datetimes(timezones=st.just(UTC)),
    collector=texts,
)


@settings(deadline=None)  # machines of CI are busy
@given(results)
def test_a_result_comes_back_as_it_went(result: CheckResult) -> None:
    again = CheckResult.model_validate_json(result.model_dump_json())
    assert again == result
    assert again.id == result.id


@settings(deadline=None)  # machines of CI are busy
@given(evidence)
def test_evidence_comes_back_as_it_went(piece: Evidence) -> None:
    again = Evidence.model_validate_json(piece.model_dump_json())
    assert again == piece
    assert again.id == piece.id


@settings(deadline=None)  # machines of CI are busy
@given(json_values)
def test_canonical_json_is_json_and_does_not_depend_on_order(content: Any) -> None:
    assert json.loads(canonical(content)) == content
    if isinstance(content, dict):
        assert digest(dict(reversed(content.items()))) == digest(content)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_everywhere(number: float) -> None:
    for field in ("value", "ci_low", "ci_high", "ci_level"):
        with pytest.raises(ValidationError):
            Measure.model_validate({"name": "m", "value": 1.0, field: number})
    with pytest.raises(ValidationError):
        Measure.counted("m", number)
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"x": number})


@pytest.mark.parametrize(
    "wrong",
    [{"n": -1}, {"count": -1}, {"unknown": 1}, {"value": "many"}],
)
def test_a_wrong_measure_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Measure.model_validate({"name": "m", "value": 1.0, **wrong})


@pytest.mark.parametrize("sha256", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 65])
def test_a_subject_needs_a_whole_digest(sha256: str) -> None:
    with pytest.raises(ValidationError):
        Subject(kind="model", name="MLmodel", sha256=sha256)


def test_words_are_frozen() -> None:
    measure = Measure.counted("rows", 3)
    with pytest.raises(ValidationError, match="frozen"):
        measure.value = 4  # type: ignore[misc]
    assert measure.exact
    assert not Measure(name="rate", value=0.5).exact


@settings(deadline=None)  # machines of CI are busy
@given(st.lists(st.sampled_from(State), min_size=1))
def test_the_worst_state_is_the_first_in_the_order(states: list[State]) -> None:
    found = worst(tuple(states))
    assert found in states
    assert all(WORST_FIRST.index(found) <= WORST_FIRST.index(state) for state in states)
    assert worst(dict(enumerate(states))) is found


def test_nothing_is_missing_and_the_order_is_whole() -> None:
    assert worst(()) is State.MISSING
    assert worst({}) is State.MISSING
    assert sorted(WORST_FIRST) == sorted(State)
    assert {State.PASS, State.NOT_APPLICABLE, State.WAIVED} == LETS_THROUGH


@pytest.mark.parametrize(("bad", "good"), list(itertools.product(sorted(set(State) - LETS_THROUGH), sorted(LETS_THROUGH))))
def test_what_lets_through_never_hides_what_does_not(bad: State, good: State) -> None:
    assert worst((good, bad)) is bad


def test_measures_are_found_by_name_and_group() -> None:
    rate = [Measure(name="rate", value=v, group=g) for v, g in ((0.5, None), (0.4, "a"), (0.6, "b"))]
    result = CheckResult(check="c", measures=tuple(rate), coverage=Coverage(asked=("a", "b", "c"), evaluated=("b",)))
    assert result.measure("rate") is rate[0]
    assert result.measure("rate", "b") is rate[2]
    assert result.measure("other") is None
    assert result.groups("rate") == {"a": rate[1], "b": rate[2]}
    assert result.coverage.left_out == ("a", "c")


def test_ids_are_of_the_content() -> None:
    one, two = CheckResult(check="c"), CheckResult(check="d")
    assert one.id == CheckResult(check="c").id != two.id
    assert one.id.startswith("r-")
    made = {
        "check": "c",
        "requirement": "c.m",
        "kind": "declared",
        "controls": ("A.7.4",),
        "state": State.PASS,
        "reason": "",
        "run_id": "r",
    }
    time = datetime(2026, 3, 1, tzinfo=UTC)
    assert Evidence(**made, time=time, collector="x").id != Evidence(**made, time=time, collector="y").id


@pytest.mark.parametrize(("one", "other"), [(False, 0), (False, -0.0), (True, 1), (1, 1.0), (0.0, -0.0), ([], {})])
def test_what_is_not_written_alike_is_not_the_same(one: object, other: object) -> None:
    assert same({"allowed": one, "more": 1}, {"more": 1, "allowed": one})
    assert not same({"allowed": one}, {"allowed": other})


def test_what_cannot_be_written_is_the_same_as_nothing() -> None:
    assert not same("\ud800", "\ud800")
    assert not same(math.nan, math.nan)
