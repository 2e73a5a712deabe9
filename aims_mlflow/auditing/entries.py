"""An entry of the log as an audit holds and remembers it: what is asked of it and no more, since all of them are held at once."""

from __future__ import annotations

from dataclasses import replace

from pydantic import AwareDatetime, Field, model_validator

from aims_mlflow.decision import GateDecision
from aims_mlflow.evidence import State
from aims_mlflow.ledger import Entry, Logged
from aims_mlflow.ledger.entry import SHA256, Strict


class BriefDecision(GateDecision):
    """A decision without the lines that no waiver let through, and without what only people read."""

    time: AwareDatetime

    @model_validator(mode="after")
    def _yes_is_consistent(self) -> BriefDecision:
        return self  # it was, when all of it was read


class BriefEntry(Entry):
    """An entry with a brief decision: ``content_sha256`` is still the digest of the whole one."""

    decision: BriefDecision | None = None  # pyright: ignore[reportIncompatibleVariableOverride] # words are frozen

    @model_validator(mode="after")
    def _is_of_what_it_holds(self) -> BriefEntry:
        return self  # it was, when all of it was read


class Known(Strict):
    """An entry that an audit has read and verified, and of which nothing was left to say."""

    sha256: str = Field(pattern=SHA256)
    size: int = Field(ge=0)
    key_ids: tuple[str, ...]
    entry: BriefEntry

    @classmethod
    def of(cls, one: Logged) -> Known:
        """Remember an entry; one with a problem is to be read again."""
        return cls(sha256=one.sha256, size=one.size, key_ids=one.key_ids, entry=_brief(one.entry))

    def logged(self) -> Logged:
        """Return it as a walk of the log takes it."""
        return Logged(self.sha256, self.entry, self.size, key_ids=self.key_ids)


def brief(one: Logged) -> Logged:
    """Return an entry without its bytes, with a brief decision."""
    return replace(one, entry=_brief(one.entry), content=b"")


def _brief(entry: Entry) -> BriefEntry:
    if isinstance(entry, BriefEntry):
        return entry
    decision = entry.decision
    if decision is not None:
        lines = tuple(line for line in decision.lines if line.waived or line.state is State.WAIVED)
        less = {"lines": lines, "notes": (), "key_ids": (), "collector": ""}
        decision = BriefDecision.model_construct(None, **(dict(decision) | less))
    return BriefEntry.model_construct(None, **(dict(entry) | {"decision": decision}))
