"""The words of evidence: what a check measured, what was asked of it, and the state that follows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

import aims_mlflow
from aims_mlflow.errors import CannotMeasure

FULL_COUNT = "full count"
"""The ``ci_method`` of a measure that counted everything there was to count: exact, without an interval."""


class Word(BaseModel):
    """Base of the frozen words: unknown fields refused, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


RunKind = Literal["training", "assessment", "monitoring"]
"""What a run is evidence of: a model that it made, one that was made before or elsewhere, or one in operation."""


class State(StrEnum):
    """What a piece of evidence, or a control, says."""

    PASS = "pass"  # noqa: S105 - a state, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    MISSING = "missing"
    STALE = "stale"
    ERROR = "error"
    NOT_APPLICABLE = "not_applicable"
    WAIVED = "waived"


WORST_FIRST: tuple[State, ...] = (
    State.FAIL,
    State.ERROR,
    State.STALE,
    State.MISSING,
    State.INCONCLUSIVE,
    State.WAIVED,
    State.PASS,
    State.NOT_APPLICABLE,
)
"""The order in which the state of a control is the worst of its critical evidence."""

LETS_THROUGH: frozenset[State] = frozenset({State.PASS, State.NOT_APPLICABLE, State.WAIVED})
"""The only states that let a model through the gate."""


class Severity(StrEnum):
    """How much a requirement weighs. Only ``critical`` ones can block."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class Subject(Word):
    """What evidence is about, by the sha256 (64 hex digits) of its bytes or content."""

    kind: Literal["dataset", "model", "run", "code", "system"]
    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Measure(Word):
    """One number, with what is known about its uncertainty.

    ``n`` is the denominator, ``count`` the numerator where the measure is a proportion, ``group`` the group it was
    taken on (None: everybody). ``ci_low`` and ``ci_high`` are the ends of the two-sided ``ci_level`` interval, of the
    method named in ``ci_method``; a measure whose ``ci_method`` is ``FULL_COUNT`` is exact. ``value`` is None where
    the measure is not defined on these data.
    """

    name: str
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_method: str | None = None
    ci_level: float = 0.95
    n: int | None = Field(default=None, ge=0)
    count: int | None = Field(default=None, ge=0)
    group: str | None = None
    unit: str | None = None

    @property
    def exact(self) -> bool:
        """Whether everything there was to count has been counted."""
        return self.ci_method == FULL_COUNT

    @classmethod
    def counted(cls, name: str, value: float, *, n: int | None = None, group: str | None = None, unit: str = "count") -> Measure:
        """Build an exact measure from a full count."""
        return cls(name=name, value=float(value), ci_method=FULL_COUNT, n=n, group=group, unit=unit)


class Coverage(Word):
    """What a check was asked to look at, and what it could look at."""

    asked: tuple[str, ...] = ()
    evaluated: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was asked for and not evaluated."""
        return tuple(name for name in self.asked if name not in self.evaluated)


class Problem(Word):
    """Why a check has nothing to say: ``missing`` (not given) or ``error`` (given, not usable), and the fix."""

    state: Literal["missing", "error"]
    reason: str
    fix: str = ""

    @classmethod
    def of(cls, error: CannotMeasure) -> Problem:
        """Put a check's own exception into words of evidence."""
        return cls(state=error.state, reason=f"{error.what} ({error.where})" if error.where else error.what, fix=error.fix)


class CheckResult(Word):
    """What one check measured within one scope. A check measures; it does not judge.

    ``scope`` says what was looked at, with the keys of a requirement: ``dataset``, ``datasets`` ("train,test"),
    ``reference``, ``column``, ``perturbation``, ``strength``, ``expectation`` (digest), ``suite`` (path). ``facts``
    are descriptions that are not numbers (digests, steps, versions); no data value may stand in them.
    """

    check: str
    scope: dict[str, str] = Field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    coverage: Coverage = Coverage()
    subjects: tuple[Subject, ...] = ()
    problem: Problem | None = None

    @property
    def id(self) -> str:
        """A short content digest, by which evidence and records cite this result."""
        return "r-" + digest(self.model_dump(mode="json"))[:16]

    def measure(self, name: str, group: str | None = None) -> Measure | None:
        """Return the measure of that name and group, or None."""
        return next((m for m in self.measures if m.name == name and m.group == group), None)

    def groups(self, name: str) -> dict[str, Measure]:
        """Return the measures of that name taken on groups, by group."""
        return {m.group: m for m in self.measures if m.name == name and m.group is not None}


class Evidence(Word):
    """A judged requirement: the state, the reason in words, and where it comes from."""

    check: str
    requirement: str = Field(description="the id of the requirement that was judged")
    kind: Literal["declared", "standing", "attestation"]
    controls: tuple[str, ...]
    objectives: tuple[str, ...] = ()
    severity: Severity = Severity.CRITICAL
    subjects: tuple[Subject, ...] = ()
    results: tuple[str, ...] = Field(default=(), description="ids of the check results it rests on")
    state: State
    reason: str
    fix: str = ""
    run_id: str
    time: datetime
    collector: str = Field(description="name and version of the package that judged")

    @property
    def id(self) -> str:
        """A short content digest, by which records cite this piece of evidence."""
        return "e-" + digest(self.model_dump(mode="json"))[:16]


def collector() -> str:
    """Return the name and version of this package, as evidence, bundles, decisions and records name what made them."""
    return f"aims-mlflow {aims_mlflow.__version__}"


def canonical(content: Any) -> bytes:
    """Return the canonical JSON bytes of ``content``: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON documents are written alike. Python's own comparison takes ``false``, ``0`` and ``-0.0`` for one another."""
    try:
        return canonical(one) == canonical(other)
    except ValueError:  # half of a surrogate pair, which nothing of ours has
        return False


def digest(content: Any) -> str:
    """Return the sha256 (64 hex digits) of the canonical JSON of ``content``."""
    return hashlib.sha256(canonical(content)).hexdigest()


def worst(states: Mapping[Any, State] | tuple[State, ...]) -> State:
    """Return the worst of the states; no state at all is MISSING."""
    present = set(states.values()) if isinstance(states, Mapping) else set(states)
    return next((state for state in WORST_FIRST if state in present), State.MISSING)
