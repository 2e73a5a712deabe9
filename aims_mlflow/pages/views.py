"""What the templates of the pages use: a record, a version or two of them, in the order and the groups in which to show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State
from aims_mlflow.lineages import Lineage
from aims_mlflow.lineages.words import STRENGTHS
from aims_mlflow.pages import addresses
from aims_mlflow.pages.addresses import Address
from aims_mlflow.pages.comparing import BAD, Compared
from aims_mlflow.pages.linking import Links
from aims_mlflow.pages.live import Live, Piece
from aims_mlflow.pages.opening import Broken, Glance, Opened
from aims_mlflow.pages.shelf import Holding
from aims_mlflow.pages.tracing import Traced
from aims_mlflow.records.accepting import RISING
from aims_mlflow.records.viewing import VERSIONS, view
from aims_mlflow.records.words import CoverageLine, SystemRecord, VersionRecord
from aims_mlflow.scorecard import counts_of
from aims_mlflow.signing import Verified

NAMED = 20
"""Versions that are named where there is no record."""


def inventory(found: Sequence[tuple[Holding, Glance | Broken | None]], links: Links) -> dict[str, Any]:
    """Return what the inventory shows: systems without a record first, then broken ones, then the rest, highest risk first.

    Args:
        found: every system that the reader may see, with what is known of its record; None: it has none.
        links: from the inventory.
    """
    rows = [(h, g) for h, g in found if isinstance(g, Glance)]
    broken = [(h, b) for h, b in found if isinstance(b, Broken)]
    glances = [g for _, g in rows]
    rows.sort(key=lambda row: (-RISING.index(row[1].risk), -row[1].blocking, row[1].name.casefold(), row[0].system))
    risks = Counter(g.risk for g in glances)
    return {
        "total": len(found),
        "without": [
            {"system": h.system, "link": links.to(addresses.system(h.system)), "runs": len(h.runs), "versions": len(h.versions)}
            for h, g in found
            if g is None
        ],
        "broken": [
            {"system": h.system, "link": links.to(addresses.system(h.system)), "problem": b.problem, "fix": b.fix} for h, b in broken
        ],
        "rows": [_row(h, g, links) for h, g in rows],
        "risky": sum(g.risk in BAD for g in glances),
        "by_risk": ", ".join(f"{risks[one]} {one.value.replace('_', ' ')}" for one in reversed(RISING) if risks[one]),
        "passing": sum(g.state is State.PASS for g in glances),
        "by_state": counts_of(g.state for g in glances),
        "blocking": sum(g.blocking for g in glances),
        "blocked": sum(g.blocking > 0 for g in glances),
        "overdue": sum(g.overdue for g in glances),
        "soon": sum(g.soon for g in glances),
    }


def _row(holding: Holding, glance: Glance, links: Links) -> dict[str, Any]:
    there = addresses.system(holding.system)
    return {
        "system": holding.system,
        "g": glance,
        "link": links.to(there),
        "link_open": links.to(there, "open"),
        "link_due": links.to(there, "due"),
        "newer": newer_of(holding, glance.made),
    }


def newer_of(holding: Holding, made: Any) -> str:
    """Return in words what came after a record; "" where nothing did."""
    runs, versions = holding.runs_since(made), holding.versions_since(made)
    said = [f"{runs} run{'s' if runs != 1 else ''}"] if runs else []
    said += [f"{versions} version{'s' if versions != 1 else ''}"] if versions else []
    return f"{' and '.join(said)} since" if said else ""


def no_record(holding: Holding, broken: Broken | None) -> dict[str, Any]:
    """Return what the page of a system shows that has no record, or one that does not hold."""
    newest = sorted(holding.versions, key=lambda uri: (holding.versions[uri], uri), reverse=True)[:NAMED]
    return {"system": holding.system, "broken": broken, "holding": holding, "newest": newest}


def about(opened: Opened, holding: Holding, links: Links) -> dict[str, Any]:
    """Return what every page of a system with a record uses."""
    record = opened.record
    return {
        "o": opened,
        "r": record,
        "holding": holding,
        "newer": newer_of(holding, record.made),
        "record_link": links.to(addresses.record(record.system.id)),
        "link_of": {v.id: links.to(addresses.version(record.system.id, v.id)) for v in record.versions},
    }


def system(opened: Opened, holding: Holding, links: Links) -> dict[str, Any]:
    """Return what a system's page shows."""
    record = opened.record
    columns = record.versions[:VERSIONS]
    counted = record.counted
    if counted is not None and counted not in columns:
        columns = (*columns[:-1], counted)
    lines = counted.lines if counted is not None else ()
    history = [(v, d) for v in record.versions for d in v.decisions]
    return {
        **view(record),
        **about(opened, holding, links),
        "columns": columns,
        "states_by": {v.id: {line.control: line.state for line in v.lines} for v in columns},
        "all_lines": lines,
        "line_groups": grouped(lines),
        "history": sorted(history, key=lambda pair: pair[1].time, reverse=True),
        "differences": {v.id: differences_of(record, v, links) for v in record.versions},
    }


def differences_of(record: SystemRecord, version: VersionRecord, links: Links) -> list[tuple[str, str]]:
    """Return the comparisons of a version that are worth a link: with the one before it, and with the one that counts."""
    return [
        (f"{word}, {short(one)}", links.to(addresses.difference(record.system.id, *_in_time(one, version))))
        for word, one in _others(record, version)
    ]


def pairs_of(record: SystemRecord, version: VersionRecord) -> list[tuple[str, str]]:
    """Return the ids of those comparisons, the older version first."""
    return [_in_time(one, version) for _, one in _others(record, version)]


def _others(record: SystemRecord, version: VersionRecord) -> list[tuple[str, VersionRecord]]:
    versions = record.versions
    at = next((n for n, v in enumerate(versions) if v.id == version.id), len(versions))
    others = [("the one before", versions[at + 1])] if at + 1 < len(versions) else []
    counted = record.counted
    if counted is not None and counted.id != version.id and all(o.id != counted.id for _, o in others):
        others.append(("the one that counts", counted))
    return others


def _in_time(one: VersionRecord, other: VersionRecord) -> tuple[str, str]:
    first, last = sorted((one, other), key=lambda v: (v.created, int(v.version) if v.version.isdecimal() else 0))
    return first.id, last.id


def short(version: VersionRecord) -> str:
    """Return how a version is called on its system's pages."""
    return f"version {version.version}" if version.version else f"run {version.run_id[:8]}"


def grouped(lines: Iterable[CoverageLine]) -> list[tuple[str, list[CoverageLine]]]:
    """Return control lines by their groups in Annex A."""
    groups = {c.id: f"{c.group} {c.group_title}" for c in catalogue.controls()}
    return [(name, list(found)) for name, found in groupby(lines, key=lambda line: groups.get(line.control, "Others"))]


def version(opened: Opened, holding: Holding, shown: VersionRecord, live: Live, traced: Traced, links: Links) -> dict[str, Any]:
    """Return what a version's page shows."""
    from aims_mlflow.lineages.picture import in_words, svg

    record, now, lineage = opened.record, live.line, traced.lineage
    lines = shown.lines or (now.lines if now is not None else ())
    same = live.said.known and live.said.system.sha256 == record.system.policy_sha256
    seen = live.seen
    return {
        **about(opened, holding, links),
        "v": shown,
        "now": now,
        "live": live,
        "experiment": live.run.experiment_id if live.run is not None else "",
        "bundle": seen.bundle if seen is not None else None,
        "groups": [(state, *_parted(some)) for state, some in groupby(live.pieces, key=lambda p: p.evidence.state)],
        "decided": _decided(live),
        "lines": lines,
        "line_groups": grouped(lines),
        "from_record": bool(shown.lines),
        "compared": same and now is not None,
        "now_of": {line.control: line.state for line in now.lines} if now is not None else {},
        "hashed": _hashed(live),
        "lineage": lineage,
        "lineage_problem": traced.problem,
        "lineage_words": in_words(lineage) if lineage is not None else "",
        "lineage_svg": Markup(svg(lineage, alone=False)) if lineage is not None else "",  # noqa: S704 - the picture escapes every text
        "links": _ordered(lineage),
        "checks": list(_checks(shown, live)),
        "result_groups": [(check, list(some)) for check, some in groupby(live.rates, key=lambda x: x.check)],
        "differences": [(f"different from {word}", link) for word, link in differences_of(record, shown, links)],
    }


def _parted(pieces: Iterable[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Return what was measured, and what people say."""
    every = list(pieces)
    return [p for p in every if p.evidence.kind != "attestation"], [p for p in every if p.evidence.kind == "attestation"]


def _ordered(lineage: Lineage | None) -> list[Any]:
    order = {name: at for at, name in enumerate(sorted(STRENGTHS, key=("broken", "weak", "strong", "noted").index))}
    return sorted(lineage.edges, key=lambda e: order[e.strength]) if lineage is not None else []


def _decided(live: Live) -> list[Mapping[str, Any]]:
    """Return the decisions among the run's artifacts, newest first, those that are not believed at the top."""
    if live.seen is None:
        return []
    mine = (live.seen.uri, live.seen.gate.model)
    made = [
        {
            "decision": one.decision,
            "path": one.path,
            "key_ids": one.key_ids,
            "problem": one.problem,
            "about_other": one.decision is not None and one.decision.model not in mine,
        }
        for one in reversed(live.seen.decisions)
    ]
    return sorted(made, key=lambda one: one["decision"] is not None)


def _hashed(live: Live) -> str:
    if live.seen is None or not live.seen.hashed:
        return "the model's files were not hashed again for this page"
    return "the model's files were hashed again for this page"


def _checks(shown: VersionRecord, live: Live) -> Iterable[tuple[str, str, str]]:
    """Yield what was checked: what, as it is now, and as the record has it."""
    now, seen = live.line, live.seen
    unknown = "could not be read"
    yield "Signature and files", now.verification if now else unknown, shown.verification
    yield "Bundle, sha256", (now.bundle_sha256 or "none") if now else unknown, shown.bundle_sha256 or "none"
    yield "Keys that signed", (", ".join(now.key_ids) or "none") if now else unknown, ", ".join(shown.key_ids) or "none"
    yield "System file it was judged by", (now.policy_sha256 or "none") if now else unknown, shown.policy_sha256 or "none"
    yield "Run", (now.run_id or "none") if now else unknown, shown.run_id or "none"
    run = live.run
    yield "State of the run", f"{run.status.lower()}, {run.lifecycle}" if run is not None else "not there", ""
    if seen is not None and seen.bundle is not None:
        bundle = seen.bundle
        yield "Kind of run", f"{bundle.run.kind}, {bundle.run.outcome}; every check had its turn: {'yes' if bundle.complete else 'no'}", ""
        yield "Measured by", bundle.collector, ""
    if seen is not None and isinstance(seen.verification, Verified):
        yield "Development key", "yes: nobody vouches for it" if seen.verification.development else "no", ""
    yield "Bundle last read", "for this page", f"{shown.read:%Y-%m-%d %H:%M} UTC" if shown.read else "when the record was made"


def difference(
    opened: Opened,
    holding: Holding,
    pair: tuple[VersionRecord, VersionRecord],
    lives: tuple[Live, Live],
    compared: Compared,
    links: Links,
) -> dict[str, Any]:
    """Return what the page of a difference shows."""
    before, after = pair
    return {
        **about(opened, holding, links),
        "before": before,
        "after": after,
        "older": lives[0],
        "newer_one": lives[1],
        "c": compared,
        "short": short,
        "lost": sum(s.lost for s in compared.states),
        "gained": sum(s.gained for s in compared.states),
        "reopened": sum(k.word == "reopened" for k in compared.risks),
        "closed": sum(k.word == "closed" for k in compared.risks),
        "reverse": links.to(Address("difference", opened.record.system.id, before.id, after.id)),
    }
