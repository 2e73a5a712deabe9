"""One version as MLflow holds it now: its bundle and its decisions verified and judged, beside what the record says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aims_mlflow.bundle import AskedFor, Bundle
from aims_mlflow.decision import VersionFacts
from aims_mlflow.errors import AimsError, StoreError
from aims_mlflow.evidence import WORST_FIRST, CheckResult, Evidence, State
from aims_mlflow.judging import gated_controls
from aims_mlflow.pictures import Figure, figures
from aims_mlflow.pointing import evidence_run
from aims_mlflow.records.hazards import questions
from aims_mlflow.records.measured import shown_of
from aims_mlflow.records.operating import operation_of
from aims_mlflow.records.parts import version_record
from aims_mlflow.records.reading import Declared, Seen, see
from aims_mlflow.records.words import MeasureShown, SystemRecord, VersionRecord
from aims_mlflow.scorecard import words
from aims_mlflow.store import RunView, Store, VersionView
from aims_mlflow.system import Requirement

MOST_HASHED = 64 * 2**20
"""Bytes of a model up to which its files are hashed whenever somebody looks; above, the page says that they were not."""

_ID = re.compile(r"(?s)(?P<check>[^.\[]+)\.(?P<metric>[^\[]+)(\[(?P<scope>.*)\])?")
_BOUND = re.compile(r"(?P<side>at least|at most|exactly) (?P<value>\S+)")
_SIDES = {"at least": "min", "at most": "max", "exactly": "equals"}


@dataclass(frozen=True)
class Piece:
    """One piece of evidence with what was measured for it."""

    evidence: Evidence
    measures: tuple[MeasureShown, ...]
    pictures: tuple[Figure, ...]
    rests_on: tuple[str, ...] = field(metadata={"says": "ids of results of the bundle; those of other runs stand in the record"})
    own: bool = field(metadata={"says": "whether it is the bundle's own, word for word, rather than judged again now"})


@dataclass(frozen=True)
class Live:
    """A version as it is now. ``seen`` is None where MLflow does not show it any more, and ``problem`` says why."""

    seen: Seen | None
    said: Declared
    problem: str = ""
    run: RunView | None = None
    line: VersionRecord | None = None
    pieces: tuple[Piece, ...] = ()
    figures: tuple[Figure, ...] = ()
    differences: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """The check results of the bundle that is believed."""
        return self.seen.bundle.results if self.seen is not None and self.seen.bundle is not None else ()

    @property
    def ids(self) -> frozenset[str]:
        """The ids that stand on the version's own page."""
        return frozenset((*(p.evidence.id for p in self.pieces), *(r.id for r in self.results)))

    @property
    def rates(self) -> tuple[CheckResult, ...]:
        """The results that measured something or say why not, in the order of their checks."""
        return tuple(sorted(self.results, key=lambda r: (r.check, sorted(r.scope.items()))))


def look_at(store: Store, said: Declared, record: SystemRecord, shown: VersionRecord, now: datetime) -> Live:
    """Read a version that a record lists, now.

    Args:
        store: the MLflow that holds it.
        said: the system file at hand; where there is none, what the run concluded stands.
        record: the record.
        shown: what it says of the version.
        now: the time of the look.
    """
    try:
        view = store.version(shown.uri) if shown.uri.startswith("models:/") else None
        run_id = evidence_run(store, view) if view is not None else shown.run_id
        run = _run(store, run_id)
        facts = VersionFacts(
            name=view.name if view else "run", version=view.version if view else run_id, source=view.source if view else "", run_id=run_id
        )
        seen = _seen(store, said, facts, view, run, now)
        if shown.counted:  # as the record does it: with what is known of it in operation
            seen = operation_of(store, said, now).on(said, seen, now)
    except AimsError as error:
        return Live(None, said, problem=f"it cannot be read now: {error}")
    asked = asked_of(said, seen)
    drawn = figures(seen.bundle.results, tuple(asked.values())) if seen.bundle is not None else ()
    measured = shown_of(asked, seen)
    line = version_record(seen, gated_controls(said.system), now)
    return Live(
        seen,
        said,
        run=run,
        line=line,
        pieces=tuple(_pieces(seen, measured, drawn)),
        figures=drawn,
        differences=tuple(_differences(shown, line, record, said)),
        later=tuple(_later(shown, line)),
    )


def asked_of(said: Declared, seen: Seen) -> Mapping[str, Requirement]:
    """Return what is asked, by id: by the system file at hand, else as the run's own bundle tells it."""
    if said.known:
        return questions(said, seen)
    return told_by(seen.bundle) if seen.bundle is not None else {}


def told_by(bundle: Bundle) -> Mapping[str, Requirement]:
    """Return what was asked of a run, by id, as far as its bundle tells: metric, scope and bound, in words."""
    told = {e.requirement: _told(e.requirement, bundle) for e in bundle.evidence if e.kind == "declared"}
    return {id_: one for id_, one in told.items() if one is not None}


def _told(id_: str, bundle: Bundle) -> Requirement | None:
    """Return a requirement as its id and its bound in words tell it; None where they do not tell a metric and a bound."""
    named = _ID.fullmatch(id_)
    asked = next((r for r in bundle.requirements if r.id == id_), None) or _general(id_, bundle.requirements)
    bound = _BOUND.fullmatch(asked.bound) if asked is not None else None
    if named is None or asked is None or bound is None:
        return None
    scope: dict[str, Any] = {key: value for key, _, value in (part.partition("=") for part in (named["scope"] or "").split(", ") if part)}
    if "datasets" in scope:
        scope["datasets"] = scope["datasets"].split(",")
    content = {"check": named["check"], "metric": named["metric"], **scope, _SIDES[bound["side"]]: bound["value"]}
    try:
        return Requirement.model_validate(content | {"severity": asked.severity}, strict=False)
    except ValueError:
        return None


def _general(id_: str, asked: tuple[AskedFor, ...]) -> AskedFor | None:
    """Return the one requirement that was asked of everything, and of which this id names one thing."""
    head = id_.partition("[")[0]
    found = [r for r in asked if r.id.partition("[")[0] == head]
    return found[0] if len(found) == 1 else None


def _run(store: Store, run_id: str) -> RunView | None:
    try:
        return store.run(run_id) if run_id else None
    except StoreError:
        return None


def _seen(store: Store, said: Declared, facts: VersionFacts, view: VersionView | None, run: RunView | None, now: datetime) -> Seen:
    """Read a version; its model's files are hashed where that is quickly done."""
    seen = see(store, said, facts, view, run, now, hash_files=False)
    if view is None or seen.opened is None or size_of(seen.opened) > MOST_HASHED:
        return seen
    return see(store, said, facts, view, run, now, hash_files=True)


def size_of(bundle: Bundle) -> int:
    """Return how many bytes a bundle's model has."""
    return sum(f.size for f in bundle.model.files.values()) if bundle.model is not None else 0


def _pieces(seen: Seen, measured: tuple[MeasureShown, ...], drawn: tuple[Figure, ...]) -> Iterator[Piece]:
    """Yield every piece of evidence, what is wrong or not known first."""
    own = {e.id for e in seen.bundle.evidence} if seen.bundle is not None else set()
    weights = list(type(seen.judged[0].severity)) if seen.judged else []
    order = (State.MISSING, State.INCONCLUSIVE, *WORST_FIRST)
    for evidence in sorted(seen.judged, key=lambda e: (order.index(e.state), weights.index(e.severity), e.kind, e.requirement)):
        shown = tuple(m for m in measured if m.bound and evidence.id in m.evidence_ids)
        results = {i for m in shown for i in m.evidence_ids}
        pictures = tuple(f for f in drawn if evidence.requirement in f.requirements and results & set(f.evidence_ids))
        yield Piece(evidence, shown, pictures, tuple(i for i in evidence.results if i in seen.results), evidence.id in own)


def _differences(shown: VersionRecord, line: VersionRecord, record: SystemRecord, said: Declared) -> Iterator[str]:
    """Yield what the record says of a version and what is not so now."""
    if shown.run_id != line.run_id:
        yield f"the record took its evidence from run {shown.run_id or 'none'}; now that of run {line.run_id or 'none'} counts"
    if shown.bundle_sha256 != line.bundle_sha256:
        before, now = shown.bundle_sha256[:16] or "none that verified", line.bundle_sha256[:16] or "none that verifies"
        yield f"the record rests on the bundle {before}; there is {now} now: {line.verification}"
    elif shown.verified != line.verified:
        yield f"the record: {shown.verification}; now: {line.verification}"
    if not said.known or said.system.sha256 != record.system.policy_sha256:
        return
    if shown.state is not line.state:
        yield f"the evidence reads {words(shown.state)} in the record, and {words(line.state)} now"
    now_of = {one.control: one.state for one in line.lines}
    turned = [one for one in shown.lines if one.control in now_of and now_of[one.control] is not one.state]
    for one in turned:
        yield f"{one.control} reads {words(one.state)} in the record, and {words(now_of[one.control])} now"


def _later(shown: VersionRecord, line: VersionRecord) -> Iterator[str]:
    """Yield what came after the record."""
    known = {d.path for d in shown.decisions}
    for one in line.decisions:
        if one.path not in known:
            to = f" as {one.alias}" if one.alias else ""
            by = f" by {one.actor}" if one.actor else ""
            yield f"the gate said {one.verdict}{to} on {one.time:%Y-%m-%d %H:%M} UTC{by}"
    gone = known - {d.path for d in line.decisions}
    if gone:
        yield f"{len(gone)} decision{'s' if len(gone) > 1 else ''} that the record knows cannot be found, or verified, any more"
    if set(shown.aliases) != set(line.aliases):
        yield f"it held {', '.join(shown.aliases) or 'no alias'}, and holds {', '.join(line.aliases) or 'none'} now"
