"""The registry: what the decorator refuses, checks of other packages, and checks that raise or return nonsense."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow import registry
from aims_mlflow.errors import CannotMeasure, ConfigurationError, UnknownNameError
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.registry import Check, check

OURS = "acquisition design documentation lineage objectives process specification".split()  # noqa: SIM905 - a list of words


@pytest.fixture(autouse=True)
def _registry_as_it_was() -> Iterator[None]:
    """Checks registered by a test are forgotten after it; our own are known before."""
    registry.discover()
    before = dict(registry._checks)
    yield
    registry._checks.clear()
    registry._checks.update(before)


def one(seen: Any) -> CheckResult:
    """Measure nothing much."""
    return CheckResult(check="one", measures=(Measure.counted("rows", 1),))


def test_a_function_comes_back_unchanged_and_is_known() -> None:
    assert check("one", controls=["A.7.4"], objectives=["C.2.3"], metrics=["rows"])(one) is one
    known = registry.get("one")
    assert (known.controls, known.objectives, known.metric_names()) == (("A.7.4",), ("C.2.3",), ("rows",))
    assert list(registry.checks()) == sorted(registry.checks())


def test_metric_names_can_be_asked_for_late() -> None:
    check("one", controls=["A.7.4"], metrics=lambda: ("a", "b"))(one)
    assert registry.get("one").metric_names() == ("a", "b")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"controls": []}, ConfigurationError, "names no control"),
        ({"controls": ["A.7.44"]}, UnknownNameError, "unknown control 'A.7.44'"),
        ({"controls": ["A.6.1.1"]}, UnknownNameError, "did you mean"),
        ({"controls": ["A.7.4"], "objectives": ["C.2.12"]}, UnknownNameError, "unknown objective 'C.2.12'"),
        ({"controls": ["A.7.4"], "objectives": ["A.7.4"]}, UnknownNameError, "unknown objective"),
    ],
)
def test_the_decorator_refuses_what_the_catalogue_does_not_know(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        check("one", **given)
    assert "one" not in registry.checks()


def test_a_name_is_given_once() -> None:
    check("one", controls=["A.7.4"])(one)
    check("one", controls=["A.7.4"])(one)  # the same function again: a module that was loaded anew

    def other(seen: Any) -> CheckResult:
        return CheckResult(check="one")

    with pytest.raises(ConfigurationError, match="two checks are called 'one'"):
        check("one", controls=["A.7.4"])(other)
    assert registry.get("one").measure is one


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'lineage'"):
        registry.get("linage")


def test_our_own_checks_are_found() -> None:
    assert set(OURS) <= set(registry.checks())


def run(measure: Any) -> CheckResult:
    """Run a check made of ``measure`` on nothing and return its one result."""
    (result,) = Check("one", measure, ("A.7.4",)).run(None)  # type: ignore[arg-type]
    return result


def test_a_result_and_several_results_are_kept() -> None:
    assert run(one).measure("rows")
    two = (CheckResult(check="one", scope={"column": "a"}), CheckResult(check="one", scope={"column": "b"}))
    assert Check("one", lambda _: iter(two), ("A.7.4",)).run(None) == two  # type: ignore[arg-type]


def test_an_exception_becomes_an_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def raises(seen: Any) -> CheckResult:
        raise ValueError("could not convert Zanzibar to float")

    with caplog.at_level(logging.WARNING, logger="aims_mlflow"):
        result = run(raises)
    assert result.problem is not None
    assert result.problem.state == "error"
    assert result.problem.reason == "the check raised ValueError"
    assert "Zanzibar" not in result.model_dump_json()
    assert "Zanzibar" in caplog.text  # the log of the user's own process is where it belongs


def test_an_exception_after_the_first_result_is_an_error_too() -> None:
    def breaks(seen: Any) -> Iterator[CheckResult]:
        yield CheckResult(check="one")
        raise KeyError("Zanzibar")

    result = run(breaks)
    assert result.problem is not None
    assert result.problem.reason == "the check raised KeyError"


@pytest.mark.parametrize("state", ["missing", "error"])
def test_what_cannot_be_measured_keeps_its_state_and_fix(state: Any) -> None:
    def cannot(seen: Any) -> CheckResult:
        raise CannotMeasure("no test data", state=state, fix="pass it")

    result = run(cannot)
    assert result.problem is not None
    assert (result.problem.state, result.problem.reason, result.problem.fix) == (state, "no test data", "pass it")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "raised TypeError"),
        ((), "returned nothing"),
        ("pass", "not a CheckResult of its own"),
        ([1.0], "not a CheckResult of its own"),
        ([CheckResult(check="one"), None], "not a CheckResult of its own"),
        (CheckResult(check="another"), "not a CheckResult of its own"),
        ({"state": "pass"}, "not a CheckResult of its own"),
    ],
    ids=["None", "nothing", "text", "number", "one of two", "another's", "dict"],
)
def test_nonsense_becomes_an_error(made: Any, said: str) -> None:
    result = run(lambda _: made)
    assert result.check == "one"
    assert result.problem is not None
    assert result.problem.state == "error"
    assert said in result.problem.reason
    assert result.measures == ()


PACKAGE = """
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.registry import check


@check("tiny.rows", controls=["A.7.4"], metrics=["rows"])
def rows(seen):
    return CheckResult(check="tiny.rows", measures=(Measure.counted("rows", 7),))
"""
ASK = """
import logging; logging.basicConfig(level=logging.ERROR)
from aims_mlflow import registry
(result,) = registry.get("tiny.rows").run(None)
assert result.measure("rows").value == 7
assert "lineage" in registry.checks()
print("found")
"""


def test_a_package_brings_its_checks_by_entry_point(tmp_path: Path) -> None:
    (tmp_path / "tiny_checks.py").write_text(PACKAGE)
    info = tmp_path / "tiny_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-checks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aims_mlflow.checks]\nbroken = tiny_checks_gone\ntiny = tiny_checks\n")
    here = Path(registry.__file__).parent.parent
    start = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(here)!r}]\n"
    done = subprocess.run([sys.executable, "-c", start + ASK], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "found\n", done.stderr
    assert "entry point broken could not be imported" in done.stderr
