"""The registry: what the decorator refuses, checks of other packages, and checks that raise or return nonsense."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
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


def constructed(**parts: Any) -> CheckResult:
    """Return a result of the check "one" that nobody has validated."""
    return CheckResult.model_construct(**{**CheckResult(check="one").__dict__, **parts})


@pytest.mark.parametrize(
    "made",
    [
        constructed(measures=("high", 3)),
        constructed(measures=(Measure.model_construct(name="rows", value="many"),)),
        constructed(measures=(Measure.model_construct(name="rows", value=float("nan")),)),
        constructed(facts={"when": object()}),
        constructed(facts={"share": float("inf")}),
        constructed(scope=["column"]),
        constructed(problem="it went wrong"),
        CheckResult(check="one", notes=("half a surrogate pair: \ud800",)),
        [CheckResult(check="one"), constructed(subjects=None)],
    ],
    ids=["measures", "a value", "NaN", "facts", "infinity", "scope", "problem", "no UTF-8", "the second"],
)
def test_a_result_that_could_not_be_written_is_an_error_here_and_not_when_the_bundle_is_made(made: Any) -> None:
    result = run(lambda _: made)
    assert result.problem is not None
    assert result.problem.state == "error"
    assert "returned a result that cannot be written" in result.problem.reason
    assert result.problem.fix
    assert result.id.startswith("r-")


@pytest.mark.parametrize(("state", "what"), [("fail", "no data"), ("missing", "half a surrogate pair: \ud800")], ids=["state", "text"])
def test_a_refusal_that_makes_no_sense_is_an_error_too(state: Any, what: str) -> None:
    def cannot(seen: Any) -> CheckResult:
        raise CannotMeasure(what, state=state)

    result = run(cannot)
    assert result.problem is not None
    assert result.problem.state == "error"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(), RecursionError()], ids=repr)
def test_a_check_ends_nobodys_process(error: BaseException) -> None:
    def ends(seen: Any) -> CheckResult:
        raise error

    result = run(ends)
    assert result.problem is not None
    assert result.problem.reason == f"the check raised {type(error).__name__}"


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Something to wait for that comes when the test is over, so that no thread outlives it."""
    event, before = threading.Event(), set(threading.enumerate())
    yield event
    event.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()


def hangs_at_once(released: threading.Event) -> Any:
    """Return a check that does not come back."""

    def hangs(seen: Any) -> CheckResult:
        released.wait()
        return one(seen)

    return hangs


def hangs_midway(released: threading.Event) -> Any:
    """Return a check whose first result comes, and whose second does not."""

    def hangs(seen: Any) -> Iterator[CheckResult]:
        yield one(seen)
        released.wait()

    return hangs


@pytest.mark.parametrize("hanging", [hangs_at_once, hangs_midway])
def test_a_check_that_hangs_is_left_behind_and_is_an_error(
    hanging: Any, released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    (result,) = Check("one", hanging(released), ("A.7.4",), seconds=0.2).run(None)  # type: ignore[arg-type]
    assert result.problem is not None
    assert (result.problem.state, result.problem.reason) == ("error", "the check did not end within 0.2 s")
    assert "seconds=" in result.problem.fix
    assert result.measures == ()
    assert "left behind" in caplog.text


def test_a_check_that_ends_in_time_keeps_its_result() -> None:
    (result,) = Check("one", one, ("A.7.4",), seconds=60).run(None)  # type: ignore[arg-type]
    assert result == one(None)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="seconds"):
        check("one", controls=["A.7.4"], seconds=seconds)
    check("one", controls=["A.7.4"], seconds=7)(one)
    assert registry.get("one").seconds == 7


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


def asked(folder: Path, modules: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Ask for the check of the module above in a process of its own, with AIMS_CHECKS set."""
    here = Path(registry.__file__).parent.parent
    start = f"import sys; sys.path[:0] = {[*map(str, paths), str(here)]!r}\n"
    return subprocess.run(
        [sys.executable, "-c", start + ASK],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "AIMS_CHECKS": modules},
    )


@pytest.mark.parametrize(
    "modules",
    ["tiny_checks", " tiny_checks ,", "nobody_has_this, tiny_checks", "{folder}/tiny_checks.py"],
    ids=["name", "blanks", "two", "file"],
)
def test_a_module_named_in_the_environment_brings_its_checks(modules: str, tmp_path: Path) -> None:
    (tmp_path / "tiny_checks.py").write_text(PACKAGE)
    done = asked(tmp_path, modules.format(folder=tmp_path), tmp_path)
    assert done.stdout == "found\n", done.stderr
    assert ("nobody_has_this, which could not be imported" in done.stderr) == ("nobody" in modules)


@pytest.mark.parametrize(
    "content",
    ["raise SystemExit(3)", "1 +", "import nobody_has_this", PACKAGE.replace("tiny.rows", "lineage")],
    ids=["ends itself", "no Python", "needs another", "takes a name"],
)
def test_a_module_that_cannot_be_imported_leaves_the_other_checks_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(content)
    (tmp_path / "tiny_checks.py").write_text(PACKAGE)
    done = asked(tmp_path, "broken,tiny_checks", tmp_path)
    assert done.stdout == "found\n", done.stderr
    assert "broken, which could not be imported: its checks are missing" in done.stderr
