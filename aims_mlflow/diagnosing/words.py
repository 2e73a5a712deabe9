"""The words of a diagnosis: what was looked at, how it is, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from aims_mlflow.evidence import Word

State = Literal["ok", "note", "problem"]
"""``problem``: evidence is, or will be, lost, stuck or not believed. ``note``: seen, and no fault by itself."""

STATES: tuple[State, ...] = ("problem", "note", "ok")

Area = Literal["spool", "versions", "telemetry", "keys", "server", "clock", "policies", "disk", "settings"]


class Finding(Word):
    """One thing that was looked at. ``where`` is a path, a variable or an address, never with a password or a key in it."""

    area: Area
    code: str
    state: State
    what: str
    where: str = ""
    fix: str = ""


class Waiting(Word):
    """The evidence of one run that has not reached MLflow."""

    id: str = Field(description="the parcel's id, which is the name of its folder")
    run_id: str = Field(description="empty where MLflow could not give one")
    bytes: int = Field(ge=0)
    since: datetime
    why: str
    whole: bool = Field(description="whether each of its bytes and signatures holds")


class Diagnosis(Word):
    """What was found. ``blind`` names the areas that could not be looked at, and why."""

    time: datetime
    findings: tuple[Finding, ...]
    waiting: tuple[Waiting, ...] = ()
    blind: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: nothing is wrong, 1: something is, 2: it could not be looked at everything, and nothing wrong was seen elsewhere."""
        if any(f.state == "problem" for f in self.findings):
            return 1
        return 2 if self.blind else 0

    def counted(self) -> dict[State, int]:
        """Return how many findings there are of each state."""
        return {state: sum(f.state == state for f in self.findings) for state in STATES}
