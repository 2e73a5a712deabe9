"""Running tests against mutants: which tests reach which line, then a forked process for each mutant, in which its source is imported.

No mutated file is ever written. A mutant meets the tests that reach its line, quickest first, until one fails.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]

TESTS = (
    "tests/judging",
    "tests/signing",
    "tests/test_gate.py",
    "tests/test_decision.py",
    "tests/test_verifying.py",
    "tests/test_bundle.py",
    "tests/test_evidence.py",
    "tests/ledger/test_entry.py",
    "tests/cli/test_keys.py",
    "tests/cli/test_verify.py",
)

SLOW = 1.0
"""Seconds above which a test is not asked: whom only such a test would kill, survives."""

PATIENCE = 15.0
"""Seconds that a mutant gets besides ten times what its tests take otherwise: one that hangs is as dead as one that fails."""

Fate = Literal["killed", "timed out", "survived", "not reached"]


@dataclass(frozen=True)
class Reach:
    """What the unchanged tests did: seconds by test, tests by file and line, and the libraries that they imported."""

    seconds: Mapping[str, float]
    lines: Mapping[str, Mapping[int, tuple[str, ...]]]
    libraries: tuple[str, ...]

    def tests(self, path: Path, line: int) -> list[str]:
        """Return the tests that reach a line, quickest first.

        A line that is run while its module is imported (a table, a field, a default) speaks to every test in a file that has one which
        reaches the module.
        """
        of_file = self.lines.get(str(path), {})
        found = set(of_file.get(line, ())) - {""}
        if "" in of_file.get(line, ()) or not found:
            files = {test.partition("::")[0] for tests in of_file.values() for test in tests} - {""}
            found = {test for test in self.seconds if test.partition("::")[0] in files}
        return sorted((t for t in found if self.seconds.get(t, SLOW) < SLOW), key=lambda t: (self.seconds[t], t))


class _Plugin:
    """What is asked of pytest: which tests, in which order; how long each took; and whom coverage is to credit."""

    def __init__(self, chosen: Sequence[str] = (), known: Collection[str] = (), credit: Callable[[str], object] | None = None) -> None:
        self.place = {name: number for number, name in enumerate(chosen)}
        self.known = known
        self.functions = {name.partition("[")[0] for name in chosen}
        self.credit = credit
        self.seconds: dict[str, float] = {}

    def pytest_configure(self) -> None:
        """Let Hypothesis fail at once: nobody reads the smallest example of a mutant."""
        from hypothesis import Phase, settings

        settings.register_profile("mutants", parent=settings.default, phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the chosen tests, in their order, and after them the cases that a mutant has given other names."""
        if self.place:
            kept = [i for i in items if i.nodeid in self.place or (i.nodeid not in self.known and self._is_renamed(i.nodeid))]
            items[:] = sorted(kept, key=lambda i: self.place.get(i.nodeid, len(self.place)))

    def _is_renamed(self, name: str) -> bool:
        return name.partition("[")[0] in self.functions

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Credit what is reached from now on to this test."""
        if self.credit is not None:
            self.credit(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up a test's time."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration


def reach(paths: Iterable[Path], kept: Path | None = None) -> Reach:
    """Run all tests once, in a process of its own, and see which lines of these files each reaches.

    Args:
        paths: the files that are mutated.
        kept: where what was seen is kept; what stands there is believed.

    Raises:
        RuntimeError: a test fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = kept or Path(folder, "reach.json")
        if not told.exists() and _forked(lambda: _observed(told, Path(folder), [*paths]), 3_600) != 0:
            told.unlink(missing_ok=True)
            raise RuntimeError("the tests do not pass as they are: mend that first")
        content = json.loads(told.read_text())
    lines = {path: {int(line): tuple(tests) for line, tests in of.items()} for path, of in content["lines"].items()}
    return Reach(content["seconds"], lines, tuple(content["libraries"]))


def _observed(told: Path, folder: Path, paths: list[Path]) -> int:
    from coverage import Coverage

    coverage = Coverage(data_file=str(folder / "coverage"), include=[str(path) for path in paths], config_file=False)
    plugin = _Plugin(credit=coverage.switch_context)
    coverage.start()
    code = _pytest([*(t for t in TESTS if (ROOT / t).exists())], plugin, folder, quiet=False)
    coverage.stop()
    data = coverage.get_data()
    lines = {str(path): data.contexts_by_lineno(str(path)) for path in paths}
    ours = ("aims_mlflow", "tests", "conftest", "__main__", "test_", "coverage")
    libraries = [name for name in sys.modules if not name.startswith(ours)]
    told.write_text(json.dumps({"seconds": plugin.seconds, "lines": lines, "libraries": libraries}))
    return code


def _pytest(what: Sequence[str], plugin: _Plugin, folder: Path, *, quiet: bool) -> int:
    import pytest

    arguments = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", f"--basetemp={folder / 'base'}", "--tb=no" if quiet else "--tb=short"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # its plugins have been imported before
    return int(pytest.main([*arguments, *what], plugins=[plugin]))


def prepare(libraries: Iterable[str]) -> None:
    """Import what every test needs and no mutant changes, so that each process is born with it."""
    for name in libraries:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def fate(mutant: Mutant, known: Reach) -> Fate:
    """Return what becomes of a mutant."""
    tests = known.tests(mutant.path, mutant.line)
    if not tests:
        return "not reached"
    limit = PATIENCE + 10 * sum(known.seconds[t] for t in tests)
    with tempfile.TemporaryDirectory() as folder:
        code = _forked(lambda: _met(mutant, tests, known, Path(folder)), limit)
    if code is None:
        return "timed out"
    return "survived" if code in (0, 5) else "killed"  # 4: not even conftest.py can be imported; 5: there was no test left to fail


def _met(mutant: Mutant, tests: list[str], known: Reach, folder: Path) -> int:
    with Path(os.environ.get("AIMS_MUTATION_LOG", os.devnull)).open("a") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    sys.meta_path.insert(0, _Finder(mutant))
    return _pytest(list(dict.fromkeys(t.partition("::")[0] for t in tests)), _Plugin(tests, known.seconds.keys()), folder, quiet=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the mutated module before Python finds the file."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:  # noqa: ARG002 - importlib's
        """Return the spec of the mutated module; None for every other."""
        if fullname != self.mutant.module:
            return None
        inside = [str(self.mutant.path.parent)] if self.mutant.path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self.mutant.path, loader=_Loader(fullname, str(self.mutant.path), self.mutant), submodule_search_locations=inside
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, mutant: Mutant) -> None:
        super().__init__(fullname, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002 - importlib's
        return compile(self.mutant.source(), self.path, "exec", dont_inherit=True)


def _forked(work: Callable[[], int], limit: float) -> int | None:
    """Return the exit code of a function in a process of its own; None where that took more seconds of a processor, and was killed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 1))
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    until = time.monotonic() + 10 * limit  # of a machine that has other work
    pause = 0.005
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
