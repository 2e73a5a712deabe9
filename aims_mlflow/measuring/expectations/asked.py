"""The expectations and suites that the system file asks of a dataset, with their answers: taken once for all checks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.expectations.evaluating import Outcome, Suite, evaluate, read_suite
from aims_mlflow.measuring.expectations.on_spark import OnSpark, on_spark
from aims_mlflow.observation import Observation
from aims_mlflow.system import Expectation, Requirement, expectation_id

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Answers:
    """What was asked of one dataset: single expectations by id, suites by path (or why they cannot be read), and the outcomes."""

    single: dict[str, tuple[Expectation, Outcome]] = field(default_factory=dict)
    suites: dict[str, tuple[Suite, list[Outcome]]] = field(default_factory=dict)
    unreadable: dict[str, CannotMeasure] = field(default_factory=dict)
    over_all_rows: bool = False
    """Whether the checks see a sample of the data, and the engine that holds them answered over all rows."""

    def all(self) -> Iterator[tuple[Expectation, Outcome]]:
        """Yield every expectation with its outcome, those of suites too; the same one asked twice comes twice."""
        yield from self.single.values()
        for suite, outcomes in self.suites.values():
            yield from zip(suite.expectations, outcomes, strict=True)


def questions(seen: Observation, role: str) -> list[Requirement]:
    """Return the requirements that ask an expectation or a suite of the data in ``role``; one without a role asks it of all."""
    return [r for r in seen.asked("quality") if (r.expectation is not None or r.suite) and r.dataset in ("", role)]


def answers(seen: Observation, role: str) -> Answers:
    """Return what Great Expectations says of the data in ``role``, everything in one pass; asked again, the same answers."""
    key = f"expectations of {role}"
    if key not in seen.kept:
        seen.kept[key] = _answered(seen, role)
    found: Answers = seen.kept[key]
    return found


def _answered(seen: Observation, role: str) -> Answers:
    asked = questions(seen, role)
    single = {expectation_id(r.expectation): r.expectation for r in asked if r.expectation is not None}
    suites: dict[str, Suite] = {}
    unreadable: dict[str, CannotMeasure] = {}
    for path in dict.fromkeys(r.suite for r in asked if r.suite):
        try:
            suites[path] = read_suite(path, seen.system.base_dir)
        except CannotMeasure as problem:
            unreadable[path] = problem
    every = [*single.values(), *(one for suite in suites.values() for one in suite.expectations)]
    spark = None
    try:
        dataset = seen.dataset(role)
        spark = on_spark(dataset)
        outcomes = iter(_evaluated(dataset.frame, every, spark) if every else [])
    except CannotMeasure as problem:
        outcomes = iter([Outcome(problem=problem)] * len(every))
    return Answers(
        single={name: (one, next(outcomes)) for name, one in single.items()},
        suites={path: (suite, [next(outcomes) for _ in suite.expectations]) for path, suite in suites.items()},
        unreadable=unreadable,
        over_all_rows=spark is not None,
    )


def _evaluated(frame: pd.DataFrame, every: list[Expectation], spark: OnSpark | None) -> list[Outcome]:
    """Evaluate on the frame, or on Spark, whose trouble is an error of all that was asked."""
    if spark is None:
        return evaluate(frame, every)
    try:
        return evaluate(frame, every, spark)
    except CannotMeasure:
        raise
    except Exception as error:
        log.warning("Great Expectations could not ask Spark: %s: %s", type(error).__name__, error)
        raise CannotMeasure(
            f"Great Expectations could not ask Spark ({type(error).__name__})",
            fix="keep the Spark session open until the run is over; the log of the training process has the exception's own text",
        ) from None
