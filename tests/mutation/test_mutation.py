"""The driver of the mutants: what it changes and what it leaves, which tests it asks, and that it can tell a change from none."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="mutants are made with mutmut's operators")

from tests.mutation.__main__ import drawn, modules, table
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.running import Reach

SOURCE = '''\
"""A module."""

from __future__ import annotations

LIMIT: int = 3
TABLE = {"a": 1}


class Thing:
    @property
    def large(self) -> bool:
        """Whether it is large."""
        return self.size > LIMIT


def refuse(given: str, found: bool) -> str:
    log.debug("looked at %s", given)
    if found:
        raise ValueError("a message for people", fix="what to do")
    return f"{given} is fine"
'''


@pytest.fixture
def made(tmp_path: Path) -> list[Mutant]:
    path = tmp_path / "thing.py"
    path.write_text(SOURCE)
    return mutants_of("thing", path)


def test_tables_properties_conditions_raises_and_results_are_changed(made: list[Mutant]) -> None:
    changes = {(one.was, one.now) for one in made}
    assert ("3", "4") in changes
    assert ('"a"', '"XXaXX"') in changes
    assert ("> LIMIT", ">= LIMIT") in changes
    lines = {one.line for one in made}
    assert {5, 6, 13, 18, 19, 20} <= lines
    assert any("not (found)" in one.now for one in made)
    assert any(one.now == "pass" for one in made)
    assert any(one.now == "return None" for one in made)


def test_types_docstrings_log_lines_and_words_for_people_are_left(made: list[Mutant]) -> None:
    assert not {1, 3, 10, 12, 16} & {one.line for one in made}
    assert not [one for one in made if "message for people" in one.was and one.line == 19 and "None" in one.now]
    for one in made:
        assert "a message for people" in one.source() or one.now == "pass"


def test_every_mutant_is_a_module_that_differs(made: list[Mutant]) -> None:
    for one in made:
        assert one.source() != SOURCE
        compile(one.source(), "thing.py", "exec")
        assert one.unchanged().source() == SOURCE
    assert len({one.id for one in made}) == len(made)


def test_a_line_is_met_by_the_tests_that_reach_it_and_a_table_by_its_files() -> None:
    seconds = {"a.py::one": 0.5, "a.py::two": 0.1, "b.py::three": 0.2, "a.py::slow": 9.0}
    reach = Reach(seconds, {"thing.py": {5: ("",), 13: ("a.py::one", "a.py::slow"), 18: ("a.py::one",)}}, ())
    assert reach.tests(Path("thing.py"), 13) == ["a.py::one"]
    assert reach.tests(Path("thing.py"), 5) == ["a.py::two", "a.py::one"]
    assert reach.tests(Path("other.py"), 1) == []


def test_a_seed_draws_the_same_mutants_and_the_table_counts_them(made: list[Mutant]) -> None:
    assert drawn({"thing": made}, 5, 1, None) == drawn({"thing": made}, 5, 1, None)
    assert drawn({"thing": made}, None, 1, made[3].id) == [made[3]]
    told = table({made[0]: "killed", made[1]: "timed out", made[2]: "survived"}, 60)
    assert "| `thing` | 3 | 1 | 1 | 1 | 0 |" in told
    assert "2 of 3 died: 66.7% (95 % Wilson interval 20.8% to 93.9%), in 1 minutes" in told


def test_what_decides_is_mutated() -> None:
    assert {"aims_mlflow.gate", "aims_mlflow.decision", "aims_mlflow.verifying", "aims_mlflow.judging", "aims_mlflow.signing.trust"} <= {
        *modules()
    }
