"""The expectations and suites that the system file asks of a dataset, with their answers: taken once for all checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.measuring.expectations.evaluating import Outcome, Suite, evaluate, read_suite
from aims_mlflow.observation import Observation
from aims_mlflow.system import Expectation, Requirement, expectation_id


@dataclass(frozen=True)
class Answers:
    """What was asked of one dataset: single expectations by id, suites by path (or why they cannot be read), and the outcomes."""

    single: dict[str, tuple[Expectation, Outcome]] = field(default_factory=dict)
    suites: dict[str, tuple[Suite, list[Outcome]]] = field(default_factory=dict)
    unreadable: dict[str, CannotMeasure] = field(default_factory=dict)

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
    try:
        outcomes = iter(evaluate(seen.dataset(role).frame, every) if every else [])
    except CannotMeasure as problem:
        outcomes = iter([Outcome(problem=problem)] * len(every))
    return Answers(
        single={name: (one, next(outcomes)) for name, one in single.items()},
        suites={path: (suite, [next(outcomes) for _ in suite.expectations]) for path, suite in suites.items()},
        unreadable=unreadable,
    )
