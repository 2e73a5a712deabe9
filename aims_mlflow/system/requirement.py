"""What the system file asks of a check: a metric, what it is asked of, and one bound."""

from __future__ import annotations

from datetime import date

from pydantic import Field, JsonValue, model_validator

from aims_mlflow.evidence import Severity, digest
from aims_mlflow.system.parts import ObjectiveId, Part, Text


class Expectation(Part):
    """One Great Expectations expectation, in the form its own JSON uses."""

    type: Text = Field(description="its name, such as expect_column_values_to_not_be_null")
    kwargs: dict[str, JsonValue] = Field(default_factory=dict, description="its arguments, such as column, min_value, max_value, mostly")
    meta: dict[str, JsonValue] | None = Field(default=None, description="notes for people and tools; not evaluated")
    notes: str | list[str] | None = Field(default=None, description="notes for people; not evaluated")
    severity: str | None = Field(
        default=None, description="Great Expectations' own severity; the requirement's severity is what counts here"
    )
    id: str | None = Field(default=None, description="Great Expectations' own id; not evaluated")


class Requirement(Part):
    """What is asked of a check: a metric, what it is asked of, and one bound. Quality takes an expectation or a suite instead."""

    check: Text = Field(description="name of the check: performance, fairness, robustness, drift, overlap, quality, or your own")
    metric: str = Field(default="", description="name of the measure")
    column: str = Field(default="", description="the column it is asked of; fairness without one asks it of every sensitive column")
    dataset: str = Field(default="", description="data role; default: test for what is measured on predictions")
    datasets: tuple[str, ...] = Field(default=(), description="two data roles, for overlap")
    reference: str = Field(default="", description="data role to compare with, for drift")
    perturbation: str = Field(
        default="", description="robustness: numeric_noise, missing, worst_slice, search, ... (docs/robustness.md); none: all of them"
    )
    strength: float | None = Field(default=None, ge=0, description="robustness: how strong")
    expectation: Expectation | None = Field(default=None, description="quality: one Great Expectations expectation")
    suite: str = Field(default="", description="quality: path of a Great Expectations suite, beside the system file")
    min: float | None = Field(default=None, description="the measure must be at least this")
    max: float | None = Field(default=None, description="the measure must be at most this")
    equals: float | None = Field(default=None, description="the measure must be this")
    severity: Severity = Field(
        default=Severity.CRITICAL, description="critical can block; major and minor are shown and feed the risk record"
    )
    minimum_n: int | None = Field(
        default=None, ge=1, description="rows (per group, for fairness) below which nothing is decided; default 100"
    )
    because: str = Field(default="", description="why this bound")
    owner: str = Field(default="", description="who stands behind it")
    declared: date | None = Field(default=None, description="when it was set; it must precede the result")
    objective: ObjectiveId | None = Field(
        default=None, description="the Annex C objective it serves, such as C.2.5; default: the check's own"
    )

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Requirement:
        bounds = [b for b in (self.min, self.max, self.equals) if b is not None]
        if self.expectation is not None or self.suite:
            if self.check != "quality":
                raise ValueError("expectation and suite belong to the check quality; write check: quality")
            if bounds or self.metric or (self.expectation is not None and self.suite):
                raise ValueError("a quality requirement asks one thing; give an expectation, or a suite, or a metric with one bound")
        elif not self.metric or len(bounds) != 1:
            raise ValueError("a requirement needs a metric and exactly one bound; add metric: ... and one of min, max or equals")
        return self

    @property
    def id(self) -> str:
        """A readable id, the same for the same question: check.metric[what it is asked of]."""
        name = self.check + (f".{self.metric}" if self.metric else "")
        asked = ", ".join(f"{k}={v}" for k, v in self.scope.items())
        return f"{name}[{asked}]" if asked else name

    @property
    def scope(self) -> dict[str, str]:
        """What it is asked of, with the keys and spellings of ``CheckResult.scope``; only what was given."""
        scope = {
            "dataset": self.dataset,
            "datasets": ",".join(self.datasets),
            "reference": self.reference,
            "column": self.column,
            "perturbation": self.perturbation,
            "strength": "" if self.strength is None else f"{self.strength:g}",
            "expectation": "" if self.expectation is None else expectation_id(self.expectation),
            "suite": self.suite,
        }
        return {key: value for key, value in scope.items() if value}

    @property
    def bound(self) -> str:
        """The bound in words, such as "at least 0.8"."""
        for words, value in (("at least", self.min), ("at most", self.max), ("exactly", self.equals)):
            if value is not None:
                return f"{words} {value:g}"
        return "met in full"


def expectation_id(expectation: Expectation) -> str:
    """Return how an expectation is cited: its type, its column if it has one, and eight digits of its content digest."""
    column = expectation.kwargs.get("column")
    content = digest({"type": expectation.type, "kwargs": expectation.kwargs})[:8]
    return ":".join([expectation.type, *([column] if isinstance(column, str) else []), content])
