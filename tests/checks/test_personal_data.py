"""The personal data check: suspected columns against the declaration; a heuristic that says so, and quotes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from aims_mlflow.judging import judge
from aims_mlflow.registry import get

PEOPLE = pd.DataFrame(
    {
        "contact": [f"barnabas{at}@quillfeather.example" for at in range(100)],
        "iban": ["DE89370400440532013000", "GB29NWBK60161331926819", "NL91ABNA0417164300", "none"] * 25,
        "birth_date": pd.date_range("1877-03-04", periods=100),
        "amount": range(100),
        "telephone": ["yes", "no"] * 50,
        "credit_risk": [1, 2] * 50,
    }
)


def results(seen: Any) -> list[Any]:
    return list(get("personal_data").run(seen))


def at(seen: Any, role: str = "train") -> Any:
    (found,) = [result for result in results(seen) if result.scope == {"dataset": role}]
    return found


def values(result: Any) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in result.measures}


@pytest.mark.parametrize(("declared", "undeclared"), [(False, 3), (None, 3), (True, 0)])
def test_suspected_columns_against_the_declaration(seen_of: Any, declared: bool | None, undeclared: int) -> None:
    sources = {"sources": {"train": {"personal_data": declared}}} if declared is not None else {}
    asked = {"check": "personal_data", "metric": "undeclared_suspected_columns", "max": 0, "dataset": "train"}
    seen = seen_of(frames={"train": PEOPLE}, data=sources, requirements=(asked,))
    found = at(seen)
    assert values(found) == {"suspected_columns": 3, "columns_scanned": 6, "undeclared_suspected_columns": undeclared}
    assert set(found.facts["suspected"]) == {"contact", "iban", "birth_date"}
    assert found.facts["suspected"]["birth_date"] == [{"kind": "date of birth", "by": "name"}]
    assert {"kind": "e-mail address", "by": "cells", "share": 1.0} in found.facts["suspected"]["contact"]
    assert found.facts["declared_personal_data"] is declared
    evidence = judge(seen.system, results(seen), run_id="r", started=seen.run.started, now=datetime(2026, 3, 2, tzinfo=UTC))
    states = [str(one.state) for one in evidence if one.check == "personal_data" and one.kind == "declared"]
    assert states == ["pass" if not undeclared else "fail"]


def test_it_says_in_every_result_that_it_is_a_heuristic(seen_of: Any) -> None:
    for seen in (seen_of(), seen_of(frames={"train": PEOPLE})):
        for found in results(seen):
            assert "heuristic" in found.notes[0]
            assert "heuristic" in found.facts["how"]


def test_test_data_take_the_declaration_of_train(seen_of: Any) -> None:
    declared = {"sources": {"train": {"personal_data": True}}}
    assert values(at(seen_of(frames={"test": PEOPLE}, data=declared), "test"))["undeclared_suspected_columns"] == 0
    own = {"sources": {"train": {"personal_data": True}, "test": {"personal_data": False}}}
    assert values(at(seen_of(frames={"test": PEOPLE}, data=own), "test"))["undeclared_suspected_columns"] == 3


def test_german_credit_has_none_and_a_declaration_is_not_doubted_for_it(seen_of: Any) -> None:
    found = at(seen_of(data={"sources": {"train": {"personal_data": True}}}))
    assert values(found)["suspected_columns"] == 0
    assert "which shows nothing" in found.notes[1]


def test_no_cell_is_written_and_no_frame_changed(seen_of: Any) -> None:
    before = PEOPLE.copy(deep=True)
    written = "".join(result.model_dump_json() for result in results(seen_of(frames={"train": PEOPLE})))
    cells = ["quillfeather", "barnabas", "DE8937", "GB29", "1877"]
    assert [cell for cell in cells if cell in written] == []
    pd.testing.assert_frame_equal(PEOPLE, before)


@pytest.mark.parametrize(
    ("frames", "scope", "state", "said"),
    [
        pytest.param({"train": pd.DataFrame({"a": []})}, {"dataset": "train"}, "error", "zero rows", id="no rows"),
        pytest.param({"train": pd.DataFrame([[1, 2]])}, {"dataset": "train"}, "error", "not strings", id="names"),
        pytest.param({"train": None, "test": None}, {}, "missing", "no data", id="no data"),
    ],
)
def test_what_cannot_be_looked_at_is_a_problem(seen_of: Any, frames: Any, scope: Any, state: str, said: str) -> None:
    (found,) = [result for result in results(seen_of(frames=frames)) if result.scope == scope]
    assert found.problem.state == state
    assert said in found.problem.reason


def test_data_that_are_asked_about_and_not_there_are_missing(seen_of: Any) -> None:
    asked = {"check": "personal_data", "metric": "suspected_columns", "max": 0, "dataset": "validation"}
    (found,) = [r for r in results(seen_of(requirements=(asked,))) if r.scope == {"dataset": "validation"}]
    assert found.problem.state == "missing"
