"""The checks that are known: the ``@check`` decorator, their discovery, and how one is run without ever raising."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from aims_mlflow import controls as catalogue
from aims_mlflow.errors import CannotMeasure, ConfigurationError, UnknownNameError
from aims_mlflow.evidence import CheckResult, Problem
from aims_mlflow.observation import Observation

ENTRY_POINTS = "aims_mlflow.checks"
"""The entry-point group, and the package of our own checks."""

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

    def metric_names(self) -> tuple[str, ...]:
        """Return the metric names that a requirement of this check may ask for."""
        return self.metrics() if callable(self.metrics) else self.metrics

    def run(self, seen: Observation) -> tuple[CheckResult, ...]:
        """Measure. Whatever goes wrong becomes a result that says so; nothing is raised.

        An exception's own text can quote data, so only its type is kept; the text goes to the log of the process.
        """
        try:
            made = self.measure(seen)
            results = (made,) if isinstance(made, CheckResult) else tuple(made)
            strangers = [r for r in results if not isinstance(r, CheckResult) or r.check != self.name]
            if strangers or not results:
                raise CannotMeasure(
                    f"check {self.name} returned {'something that is not a CheckResult of its own' if strangers else 'nothing'}",
                    fix="return one CheckResult, or several, with check set to the check's name",
                )
            return results
        except CannotMeasure as problem:
            return (self.failed(problem.state, problem.what, problem.fix),)
        except Exception as error:
            log.warning("check %s raised %s: %s", self.name, type(error).__name__, error, exc_info=log.isEnabledFor(logging.DEBUG))
            return (
                self.failed(
                    "error",
                    f"the check raised {type(error).__name__}",
                    "the text of the exception is in the log of the training process (it may quote data, so it is not kept)",
                ),
            )

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
) -> Callable[[Measuring], Measuring]:
    """Register a function as the check ``name``; the function itself comes back unchanged.

    Args:
        name: as requirements name it; dots are welcome (``privacy.k_anonymity``).
        controls: Annex A ids that its evidence serves; at least one.
        objectives: Annex C ids (``C.2.x``).
        metrics: names of the measures that a requirement may ask for.

    Raises:
        ConfigurationError: a control or objective that the catalogue does not know, or a name that is taken.
    """
    control_ids, objective_ids = tuple(controls), tuple(objectives)
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
        _checks[name] = Check(name, function, control_ids, objective_ids, metrics if callable(metrics) else tuple(metrics))
        return function

    return register


@cache
def discover() -> None:
    """Import our own checks, then those of other packages (entry-point group ``aims_mlflow.checks``), once."""
    package = importlib.import_module(ENTRY_POINTS)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{ENTRY_POINTS}.{module.name}")
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception:
            log.exception("the check package behind entry point %s could not be imported: its checks are missing", point.name)


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
