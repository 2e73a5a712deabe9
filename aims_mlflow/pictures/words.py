"""The words of a picture: numbers with their intervals, what is asked of them, and the plain texts around them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aims_mlflow.evidence import Word

Side = Literal["least", "most", "exactly"]

HUGE = 1e9
"""From here on, and below its inverse, numbers are written with an exponent."""


class Limit(Word):
    """A line on the axis: the values that are met lie at or above it (``least``), at or below it (``most``), or on it."""

    value: float
    side: Side
    words: str = Field(default="", description="where the line comes from, such as: 0.8 x the best rate (male)")


class Row(Word):
    """One number with its interval. ``small`` marks what is too small to decide; it is drawn hollow, and its remark says why."""

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    limits: tuple[Limit, ...] = Field(default=(), description="lines of this row alone")
    small: bool = False
    remark: str = ""


class Panel(Word):
    """Rows on one axis, under the lines that hold for all of them. ``most`` is the end of the axis; beyond it an arrow points."""

    title: str
    unit: str = Field(default="", description="what the axis counts, and in what")
    rows: tuple[Row, ...] = ()
    limits: tuple[Limit, ...] = ()
    most: float | None = None


class Figure(Word):
    """One picture of one question: what was measured, with intervals, what is asked, and n. No value of the data stands in it."""

    check: str
    name: str = Field(description="a stable name, fit for a file, unique within the check")
    title: str
    about: str = ""
    panels: tuple[Panel, ...] = ()
    notes: tuple[str, ...] = ()
    requirements: tuple[str, ...] = Field(default=(), description="ids of the requirements that it shows the bounds of")
    evidence_ids: tuple[str, ...] = Field(default=(), description="ids of the check results it is drawn from")

    @property
    def id(self) -> str:
        """An id within a page: letters, digits, dots, hyphens and underscores only."""
        return f"plot-{self.check}-{self.name}"

    @property
    def path(self) -> str:
        """Where the picture stands among the artifacts of its run."""
        return f"aims/plots/{self.check}/{self.name}.svg"


def number(x: float | None) -> str:
    """Return a number as people read it: three significant digits, none of them lost on counts."""
    if x is None:
        return "?"
    size = abs(x)
    if size >= HUGE or 0 < size < 1 / HUGE:
        return f"{x:.3g}"
    if size >= 100 or (size >= 1 and x == int(x)):
        return f"{x:,.0f}"
    return "0" if size == 0 else f"{x:.3g}"


def in_numbers(row: Row) -> str:
    """Return a row in numbers: value, interval, n."""
    if row.value is None:
        return "no value" if row.n is None else f"no value, n = {row.n:,}"
    ends = f" ({number(row.low)} to {number(row.high)})" if row.low is not None and row.high is not None else ""
    n = f", n = {row.n:,}" if row.n is not None else ""
    return f"{number(row.value)}{ends}{n}"


def limit_words(limit: Limit) -> str:
    """Return a line in words: at least 0.57 (0.8 x the best rate)."""
    how = {"least": "at least", "most": "at most", "exactly": "exactly"}[limit.side]
    return f"{how} {number(limit.value)}" + (f" ({limit.words})" if limit.words else "")
