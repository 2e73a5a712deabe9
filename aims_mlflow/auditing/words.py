"""The words of an audit: what was looked at, what it found, and how many attempts each version took."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from aims_mlflow.evidence import Word
from aims_mlflow.ledger import GRAVEST_FIRST, Finding, Gravity, Waived


class Held(Word):
    """A protected alias (or stage) and the version that holds it. ``decision``: the log entry that lets it, or ""."""

    model: str
    holder: str
    stage: bool = False
    version: str
    decision: str = ""
    decided: datetime | None = None
    actor: str = ""
    code: str = Field(default="", description="what is wrong with it; empty: nothing")


class Attempts(Word):
    """How many runs of its system a version took since the one before it was let through, itself included."""

    system: str
    model: str
    version: str
    run_id: str
    attempts: int = Field(ge=1)
    failed: int = Field(ge=0, description="of them, failed or killed")
    deleted: int = Field(ge=0, description="of them, deleted since")
    let_through: bool = Field(description="whether the log has a decision that lets the version through")


class WaiverUse(Word):
    """A waiver that a decision in the log rests on."""

    model: str
    version: str
    holder: str
    entry: str
    time: datetime
    waived: Waived


class Audit(Word):
    """What an audit of a registry found."""

    time: datetime
    registry: str = Field(description="the registry's id; empty where there is no log")
    models: int = Field(ge=0)
    runs: int = Field(ge=0)
    entries: int = Field(ge=0)
    heads: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()
    attempts: tuple[Attempts, ...] = ()
    waivers: tuple[WaiverUse, ...] = ()
    findings: tuple[Finding, ...] = Field(default=(), description="the gravest first")
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing but notes was found."""
        return all(f.severity == "note" for f in self.findings)

    def counted(self) -> dict[Gravity, int]:
        """Return how many findings there are of each gravity."""
        return {gravity: sum(f.severity == gravity for f in self.findings) for gravity in GRAVEST_FIRST}


def ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings, the gravest first, each once."""
    return tuple(dict.fromkeys(sorted(findings, key=lambda f: (GRAVEST_FIRST.index(f.severity), f.code, f.where, f.what))))
