"""The index of citations: what each id in a record stands for, and in which run and file it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from pydantic import BaseModel

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.words import Source

CITING = frozenset({"evidence_ids", "after_evidence_ids"})
"""The fields of the records' words that hold citations."""

IN_USE = frozenset({"monitor", "event_log"})
"""Checks of a model in operation: their evidence stands in the runs that looked at it, not in that of its training."""


def cited_by(word: object) -> Iterator[str]:
    """Yield every id that a record, or a part of one, cites; as often as it does."""
    if isinstance(word, BaseModel):
        for name in type(word).model_fields:
            value = getattr(word, name)
            if name in CITING:
                yield from value
            else:
                yield from cited_by(value)
    elif isinstance(word, (tuple, dict)):
        for one in word.values() if isinstance(word, dict) else word:
            yield from cited_by(one)


def sources_of(said: Declared, seen: Iterable[Seen], cited: Iterable[str], known: Iterable[Source] = ()) -> tuple[Source, ...]:
    """Return the cited sources and what they rest on, in the order of their kinds and ids; an id nobody knows is left out.

    Args:
        said: the system file.
        seen: versions whose bundles were read.
        cited: the ids that are cited.
        known: sources that are known already, such as those of versions that were not read again.
    """
    index = {**{one.id: one for one in known}, **_index(said, tuple(seen))}
    wanted: dict[str, Source] = {}
    queue = list(dict.fromkeys(cited))
    while queue:
        source = index.get(queue.pop())
        if source is not None and source.id not in wanted:
            wanted[source.id] = source
            queue += source.rests_on
    kinds = ("system file", "version", "bundle", "case", "evidence", "result")
    return tuple(sorted(wanted.values(), key=lambda s: (kinds.index(s.kind), s.title, s.id)))


def _index(said: Declared, seen: Sequence[Seen]) -> dict[str, Source]:
    index: dict[str, Source] = {}

    def add(source: Source) -> None:
        index.setdefault(source.id, source)

    for id_ in said.citation:
        add(
            Source(
                id=id_,
                kind="system file",
                title=f"system file of {said.system.id}",
                reason=f"sha256 {said.system.sha256}",
                where=said.where,
            )
        )
    for one in seen:
        _add_version(one, said, add)
    return index


def _add_version(one: Seen, said: Declared, add: Callable[[Source], None]) -> None:
    place = f"runs:/{one.run_id}/{BUNDLE_PATH}"
    add(Source(id=one.id, kind="version", title=one.uri, reason=f"made by run {one.run_id or 'none'}", where=one.uri))
    if one.bundle_id is not None:
        add(Source(id=one.bundle_id, kind="bundle", title=f"evidence of run {one.run_id}", reason="signature holds", where=place))
    own = {e.id for e in one.bundle.evidence} if one.bundle else set()
    for evidence in one.judged:
        again = "" if evidence.id in own else " (judged again by the system file at hand)"
        rests = tuple(i for i in evidence.results if i in one.results)
        if evidence.kind == "attestation":
            rests += said.citation
        in_use = evidence.check in IN_USE and evidence.id not in own
        if evidence.check == "gate" or in_use:
            rests += (one.id,)
        add(
            Source(
                id=evidence.id,
                kind="evidence",
                title=evidence.requirement,
                state=evidence.state,
                reason=evidence.reason,
                where=(f"runs:/{evidence.run_id}/{BUNDLE_PATH}" if evidence.run_id != one.run_id else one.uri) if in_use else place + again,
                rests_on=rests or tuple(filter(None, (one.bundle_id,))) or said.citation,
            )
        )
    for result in one.results.values():
        scope = ", ".join(f"{k}={v}" for k, v in result.scope.items())
        said_why = result.problem.reason if result.problem else f"{len(result.measures)} measures"
        add(Source(id=result.id, kind="result", title=f"{result.check}[{scope}]" if scope else result.check, reason=said_why, where=place))
