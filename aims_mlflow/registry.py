"""The checks that are known: the ``@check`` decorator, their discovery, and how one is run without ever raising or hanging."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from aims_mlflow import controls as catalogue
from aims_mlflow.errand import Errand
from aims_mlflow.errors import CannotMeasure, ConfigurationError, UnknownNameError
from aims_mlflow.evidence import CheckResult, Problem, canonical
from aims_mlflow.observation import Observation

ENTRY_POINTS = "aims_mlflow.checks"
"""The entry-point group, and the package of our own checks."""

MODULES = "AIMS_CHECKS"
"""The environment variable that names modules (or .py files) with checks of the user's own, separated by commas."""

SECONDS = 600.0
"""How long a check may take by default. One that takes longer is left behind, and its evidence is an error."""

log = logging.getLogger("aims_mlflow")

Measuring = Callable[[Observation], CheckResult | Iterable[CheckResult]]


@dataclass(frozen=True)
class Check:
    """A registered check: its name, its function, and the controls and objectives its evidence serves.

    ``metrics`` are the names a requirement may ask for: a tuple, or a function that returns it where the names come
    from a library that is slow to import.
    """

    name: str
    measure: Measuring
    controls: tuple[str, ...]
    objectives: tuple[str, ...] = ()
    metrics: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    seconds: float = SECONDS

    def metric_names(self) -> tuple[str, ...]:
        """Return the metric names that a requirement of this check may ask for."""
        return self.metrics() if callable(self.metrics) else self.metrics

    def run(self, seen: Observation) -> tuple[CheckResult, ...]:
        """Measure. Whatever goes wrong, or takes longer than ``seconds``, becomes a result that says so; nothing is raised.

        The check runs in a thread of its own: one that hangs is left behind (a thread cannot be stopped), and nobody waits for it.
        """
        measuring = Errand(lambda: self._measured(seen), f"aims-check-{self.name}")
        if measuring.wait(self.seconds):
            return measuring.result()
        log.warning("check %s did not end within %g s and is left behind", self.name, self.seconds)
        reason = f"the check did not end within {self.seconds:g} s"
        return (self.failed("error", reason, f"make it faster, or allow it more: @check({self.name!r}, …, seconds=…)"),)

    def _measured(self, seen: Observation) -> tuple[CheckResult, ...]:
        """Measure, and put every exception into words; its own text can quote data, so only its type is kept."""
        try:
            try:
                return self._sound(self.measure(seen))
            except CannotMeasure as problem:
                return self._sound(self.failed(problem.state, problem.what, problem.fix))
        except BaseException as error:  # SystemExit too: a check ends nobody's process
            log.warning("check %s raised %s: %s", self.name, type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))
            return (
                self.failed(
                    "error",
                    f"the check raised {type(error).__name__}",
                    "the text of the exception is in the log of the training process (it may quote data, so it is not kept)",
                ),
            )

    def _sound(self, made: CheckResult | Iterable[CheckResult]) -> tuple[CheckResult, ...]:
        """Return what a check made, validated anew: what cannot be judged or written must not take the other evidence with it."""
        results = (made,) if isinstance(made, CheckResult) else tuple(made)
        strangers = [r for r in results if not isinstance(r, CheckResult) or r.check != self.name]
        if strangers or not results:
            raise CannotMeasure(
                f"check {self.name} returned {'something that is not a CheckResult of its own' if strangers else 'nothing'}",
                fix="return one CheckResult, or several, with check set to the check's name",
            )
        try:
            sound = tuple(CheckResult.model_validate(r.model_dump(mode="json", warnings=False)) for r in results)
            for result in sound:
                canonical(result.model_dump(mode="json"))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:  # pydantic's are ValueErrors
            log.warning("check %s returned a result that cannot be written: %s", self.name, error)
            raise CannotMeasure(
                f"check {self.name} returned a result that cannot be written",
                fix="give measures, facts and notes of the declared types: finite numbers, and text that UTF-8 can hold",
            ) from None
        return sound

    def failed(self, state: str, reason: str, fix: str = "", scope: Mapping[str, str] | None = None) -> CheckResult:
        """Build the result of a check that has nothing to say."""
        return CheckResult.model_validate(
            {
                "check": self.name,
                "scope": dict(scope or {}),
                "problem": Problem.model_validate({"state": state, "reason": reason, "fix": fix}),
            }
        )


_checks: dict[str, Check] = {}


def check(
    name: str,
    *,
    controls: Iterable[str],
    objectives: Iterable[str] = (),
    metrics: Iterable[str] | Callable[[], tuple[str, ...]] = (),
    seconds: float = SECONDS,
) -> Callable[[Measuring], Measuring]:
    """Register a function as the check ``name``; the function itself comes back unchanged.

    Args:
        name: as requirements name it; dots are welcome (``privacy.k_anonymity``).
        controls: Annex A ids that its evidence serves; at least one.
        objectives: Annex C ids (``C.2.x``).
        metrics: names of the measures that a requirement may ask for.
        seconds: how long it may take; evidence of one that takes longer is an error.

    Raises:
        ConfigurationError: no time, a control or objective that the catalogue does not know, or a name that is taken.
    """
    control_ids, objective_ids = tuple(controls), tuple(objectives)
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(
            f"check {name!r} is given {seconds} seconds", fix="give it a number of seconds above 0, such as seconds=60"
        )
    if not control_ids:
        raise ConfigurationError(f"check {name!r} names no control", fix='pass controls=["A.7.4"] or whichever it serves')
    for given, known, kind in (
        (control_ids, catalogue.control_ids(), "control"),
        (objective_ids, catalogue.objective_ids(), "objective"),
    ):
        for one in given:
            if one not in known:
                raise UnknownNameError.among(kind, one, known, where=f"check {name!r}")

    def register(function: Measuring) -> Measuring:
        taken = _checks.get(name)
        if taken is not None and (taken.measure.__module__, taken.measure.__qualname__) != (function.__module__, function.__qualname__):
            raise ConfigurationError(
                f"two checks are called {name!r}: {taken.measure.__module__} and {function.__module__}", fix="rename one of them"
            )
        _checks[name] = Check(name, function, control_ids, objective_ids, metrics if callable(metrics) else tuple(metrics), seconds)
        return function

    return register


@cache
def discover() -> None:
    """Import our own checks, those of other packages (entry-point group ``aims_mlflow.checks``) and those AIMS_CHECKS names, once."""
    package = importlib.import_module(ENTRY_POINTS)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{ENTRY_POINTS}.{module.name}")
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except (Exception, SystemExit):  # a script may end itself when it is imported
            log.exception("the check package behind entry point %s could not be imported: its checks are missing", point.name)
    for name in filter(None, (part.strip() for part in os.environ.get(MODULES, "").split(","))):
        try:
            _import(name)
        except (Exception, SystemExit):
            log.exception("%s names %s, which could not be imported: its checks are missing", MODULES, name)


def _import(name: str) -> None:
    """Import a module by its name, or by its .py file, which then has the name that a script beside it would import it by."""
    if not name.endswith(".py"):
        importlib.import_module(name)
        return
    path = Path(name).expanduser().resolve()
    known = sys.modules.get(path.stem)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() == path:
        return
    called = path.stem if known is None else f"aims_checks_in_{path.stem}"
    spec = importlib.util.spec_from_file_location(called, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python module")
    module = sys.modules[called] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[called]
        raise


def checks() -> Mapping[str, Check]:
    """Return every known check by name."""
    discover()
    return dict(sorted(_checks.items()))


def get(name: str) -> Check:
    """Return the check of that name; raises UnknownNameError with the nearest known one."""
    discover()
    try:
        return _checks[name]
    except KeyError:
        raise UnknownNameError.among("check", name, _checks) from None
