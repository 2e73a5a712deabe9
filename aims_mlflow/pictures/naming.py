"""What pictures are called: names that stay the same for the same question, fit for any file system, and never collide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aims_mlflow.evidence import CheckResult, digest
from aims_mlflow.judging import DEFAULT_SCOPES
from aims_mlflow.pictures.words import Limit
from aims_mlflow.system import Requirement

LONGEST = 60
"""Characters of a name, before its digest."""


def file_name(*words: str) -> str:
    """Return a name of letters, digits, dots, hyphens and underscores; where that loses something, a digest keeps it apart."""
    whole = "-".join(words)
    fit = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9_-]+", "-", whole.lower())).strip("-")[:LONGEST].strip("-")
    return fit if fit == whole else f"{fit}-{digest(list(words))[:8]}".lstrip("-")


def spaced(name: str) -> str:
    """Return the name of a metric or perturbation as people read it."""
    return name.replace("_", " ")


def asked_of(result: CheckResult, requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Return the requirements that a result answers: those of its check whose scope is part of its own."""
    found = []
    for requirement in requirements:
        if requirement.check == result.check and scope_of(requirement).items() <= result.scope.items():
            found.append(requirement)
    return tuple(found)


def limits_of(requirements: Iterable[Requirement], metric: str) -> tuple[Limit, ...]:
    """Return the lines that requirements on a metric draw on its own axis, each once."""
    bounds = [
        (side, b) for r in requirements if r.metric == metric for side, b in (("least", r.min), ("most", r.max), ("exactly", r.equals))
    ]
    return tuple(Limit.model_validate({"value": b, "side": side}) for side, b in dict.fromkeys(bounds) if b is not None)


def scope_of(requirement: Requirement) -> Mapping[str, str]:
    """Return what a requirement is asked of, with what goes without saying."""
    return {**DEFAULT_SCOPES.get(requirement.check, {}), **requirement.scope}
