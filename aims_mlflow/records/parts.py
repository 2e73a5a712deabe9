"""What a record takes of one version or run: its lines, its measures, what each risk read on it, and what these cite.

A part is all that is needed of a version that the record is not about, so that it can be kept and need not be read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import Field

from aims_mlflow.decision import GateDecision
from aims_mlflow.evidence import State, Word, worst
from aims_mlflow.records.hazards import Hazards, find_hazards
from aims_mlflow.records.measured import measures_of
from aims_mlflow.records.openitems import broken_items
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk import steps_of
from aims_mlflow.records.risk_words import Step
from aims_mlflow.records.sources import cited_by, sources_of
from aims_mlflow.records.words import CoverageLine, GateWord, MeasureShown, OpenItem, Source, VersionRecord
from aims_mlflow.signing import Verified

DETAILED = 60
"""Newest versions whose control lines are kept; of earlier ones the state, and each risk's and each objective's values."""


class Part(Word):
    """What a record takes of one version, or of one run from which none was registered."""

    version: VersionRecord
    registered: bool
    measures: tuple[MeasureShown, ...] = Field(default=(), description="one for each declared requirement and scope; no group rates")
    steps: dict[str, Step] = Field(default_factory=dict, description="risk id: what the entry read on this version")
    broken: tuple[OpenItem, ...] = ()
    sources: tuple[Source, ...] = Field(default=(), description="what the ids in all this stand for")
    let_through: bool = Field(description="whether its evidence would be let through today, or the gate has let it through")

    @property
    def run_id(self) -> str:
        """The run whose evidence this is."""
        return self.version.run_id


def part_of(said: Declared, seen: Seen, gated: Sequence[str], now: datetime, hazards: Hazards | None = None) -> Part:
    """Return what a record takes of a version that was read.

    Args:
        said: the system file.
        seen: the version as it was read.
        gated: the controls that the gate looks at.
        now: the time of the record.
        hazards: what ``find_hazards`` gives for it, where it is at hand.
    """
    made = Part(
        version=version_record(seen, gated, now),
        registered=seen.view is not None,
        measures=tuple(m for m in measures_of(said, seen) if m.group is None),
        steps=steps_of(said, seen, find_hazards(said, seen, now.date()) if hazards is None else hazards),
        broken=tuple(broken_items(seen)),
        let_through=seen.let_through,
    )
    return made.model_copy(update={"sources": sources_of(said, (seen,), cited_by(made))})


def light(part: Part) -> Part:
    """Return a part without its control lines and whatever only they cite."""
    made = part.model_copy(update={"version": part.version.model_copy(update={"lines": ()}), "sources": ()})
    known = {source.id: source for source in part.sources}
    wanted = [i for i in cited_by(made) if i in known]
    for id_ in wanted:
        wanted += [i for i in known[id_].rests_on if i in known and i not in wanted]
    return made.model_copy(update={"sources": tuple(s for s in part.sources if s.id in set(wanted))})


def version_record(seen: Seen, gated: Sequence[str], now: datetime) -> VersionRecord:
    """Return the version as the record lists it; whether it is the one that counts is said later."""
    held = seen.verification
    return VersionRecord(
        id=seen.id,
        name=seen.name,
        version=seen.version,
        uri=seen.uri,
        run_id=seen.run_id,
        created=seen.created,
        aliases=seen.aliases,
        state=state_of(seen, gated),
        verified=seen.bundle is not None,
        verification=_verification(seen),
        bundle_sha256=held.sha256 if isinstance(held, Verified) else "",
        key_ids=held.key_ids if isinstance(held, Verified) else (),
        policy_sha256=seen.bundle.policy_sha256 if seen.bundle else "",
        measured=seen.bundle.run.finished if seen.bundle else None,
        decision=decision_of(seen),
        decisions=tuple(_gate_words(seen)),
        read=now,
        lines=tuple(
            CoverageLine(
                control=line.control,
                title=line.title,
                state=line.state,
                reason=line.reason,
                fix=line.fix,
                gated=line.control in gated,
                evidence_ids=line.evidence,
            )
            for line in seen.lines
        ),
        evidence_ids=(seen.id, *((seen.bundle_id,) if seen.bundle_id else ())),
    )


def state_of(seen: Seen | None, gated: Sequence[str]) -> State:
    """Return the worst state over the gated controls."""
    return worst(tuple(line.state for line in seen.lines if line.control in gated)) if seen else State.MISSING


def decision_of(seen: Seen | None) -> str:
    """Return the newest decision of the gate that holds, in words."""
    if seen is None:
        return "there is no version to decide on"
    found = _holding(seen)
    if not found:
        return "no decision is recorded"
    last = max(found.values(), key=lambda d: d.time)
    by = f" by {last.actor}" if last.actor else ""
    return f"{last.verdict}{f' as {last.alias}' if last.alias else ''} on {last.time:%Y-%m-%d %H:%M} UTC{by}"


def steps_by_version(parts: Sequence[Part]) -> list[Mapping[str, Step]]:
    """Return what each risk read on these versions, in their order."""
    return [part.steps for part in parts if part.steps]


def _holding(seen: Seen) -> dict[str, GateDecision]:
    """Return the recorded decisions on exactly this version that hold: path -> decision."""
    return {r.path: r.decision for r in seen.decisions if r.decision is not None and r.decision.model in (seen.uri, seen.gate.model)}


def _gate_words(seen: Seen) -> list[GateWord]:
    return [
        GateWord(
            time=one.time,
            verdict=one.verdict,
            allowed=one.allowed,
            alias=one.alias or "",
            actor=one.actor,
            reasons=tuple(b.reason for b in one.blockers),
            path=path,
            evidence_ids=(seen.id,),
        )
        for path, one in sorted(_holding(seen).items(), key=lambda item: item[1].time)
    ]


def _verification(seen: Seen) -> str:
    if not isinstance(seen.verification, Verified):
        return seen.verification.reason
    whose = "a key that the system file trusts" if seen.verification.trusted else "a key that nobody vouched for"
    files = "the model's files were hashed again and match" if seen.hashed else "the model's files were not hashed again"
    return f"signed by {whose}{' (development key)' if seen.verification.development else ''}; the signature holds; {files}"
