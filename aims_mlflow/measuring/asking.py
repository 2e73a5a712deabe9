"""What the system file asks of a check that looks at predictions: on which data, and which metrics within a scope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aims_mlflow.evidence import Measure, Subject
from aims_mlflow.observation import Observation

DEFAULT_ROLE = "test"
"""The data role of a requirement that names none."""


def roles(seen: Observation, check: str) -> tuple[str, ...]:
    """Return the data roles to measure on: test, and what requirements name."""
    return tuple(dict.fromkeys([DEFAULT_ROLE, *(r.dataset for r in seen.asked(check) if r.dataset)]))


def metrics(seen: Observation, check: str, scope: Mapping[str, str]) -> tuple[str, ...]:
    """Return the metrics that requirements ask for within ``scope``, each once."""
    matching = (r for r in seen.asked(check) if {"dataset": DEFAULT_ROLE, **r.scope}.items() <= dict(scope).items())
    return tuple(dict.fromkeys(r.metric for r in matching if r.metric))


def undefined(asked: Iterable[str], measures: Iterable[Measure]) -> tuple[Measure, ...]:
    """Return a measure without a value for each asked name that was not measured, so that nobody can take it for met."""
    present = {m.name for m in measures}
    return tuple(Measure(name=name, value=None) for name in asked if name not in present)


def subjects(seen: Observation, role: str) -> tuple[Subject, ...]:
    """Return what a measure on predictions is about: the data in ``role``, and the model's files where the model was seen."""
    return (seen.datasets[role].subject, *(seen.model.subjects if seen.model is not None else ()))
