"""The environment variables that are read here: those that hold a number, each with what it may be, and the names of all others."""

from __future__ import annotations

import os
from dataclasses import dataclass

from aims_mlflow.errors import ConfigurationError

NAMES = (
    "AIMS_CHECKS",
    "AIMS_DEBUG",
    "AIMS_GATE_KEY",
    "AIMS_GATE_PUBLIC_KEY",
    "AIMS_HOME",
    "AIMS_POLICY_DIR",
    "AIMS_SIGNING_KEY",
    "AIMS_SIGNING_PUBLIC_KEY",
)
"""Variables that hold a path, a URI or a list."""


@dataclass(frozen=True)
class Number:
    """A variable that holds a number above ``above`` and below ``below``; a whole one where ``whole``."""

    name: str
    default: float
    above: float = 0.0
    below: float = 1e9  # seconds and days beyond that are more than Python's own clocks take
    whole: bool = False

    @property
    def usual(self) -> str:
        """The default as one would write it."""
        return str(int(self.default))

    def strictly(self) -> float:
        """Return what it is set to, else the default; raises ConfigurationError where it is set to no number that it may be."""
        said = os.environ.get(self.name, "").strip()
        if not said:
            return self.default
        try:
            value = int(said) if self.whole else float(said)
        except ValueError:
            value = float("nan")
        if self.above < value < self.below:
            return value
        kind, least = ("whole number", f"at least {self.above + 1:g}") if self.whole else ("number", f"more than {self.above:g}")
        raise ConfigurationError(
            f"{self.name} is not a {kind} of {least} (and less than {self.below:.2g})", fix=f"set it to such as {self.usual}, or unset it"
        )

    def value(self) -> float:
        """Return what it is set to where it may be that, else the default: for what must never cost a run its evidence."""
        try:
            return self.strictly()
        except ConfigurationError:
            return self.default


BUDGET_SECONDS = Number("AIMS_BUDGET_SECONDS", 5.0)
"""How long MLflow's trouble may hold up one run in all."""

GATE_SECONDS = Number("AIMS_GATE_SECONDS", 300.0)
"""How long the gate on a server may take to read and decide."""

SPOOL_BYTES = Number("AIMS_SPOOL_BYTES", 2 * 2**30, below=2.0**62)
"""How much the spool may hold."""

SPOOL_DAYS = Number("AIMS_SPOOL_DAYS", 30.0)
"""After how many days what waits in the spool is overdue."""

CELLS_IN_MEMORY = Number("AIMS_CELLS_IN_MEMORY", 50_000_000, -1, 2.0**62, whole=True)
"""Cells of a frame in memory up to which the checks see all of it."""

SAMPLE_ROWS = Number("AIMS_SAMPLE_ROWS", 100_000, 99, whole=True)
"""Rows of a sample at most."""

SAMPLE_SEED = Number("AIMS_SAMPLE_SEED", 0, -1, 2.0**62, whole=True)
"""The sample's seed."""

NUMBERS = (BUDGET_SECONDS, GATE_SECONDS, SPOOL_BYTES, SPOOL_DAYS, CELLS_IN_MEMORY, SAMPLE_ROWS, SAMPLE_SEED)
