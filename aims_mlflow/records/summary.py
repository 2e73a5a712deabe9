"""The summariser: all runs and versions of a system rolled up into one record, with every claim citing its evidence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from aims_mlflow.decision import GateDecision
from aims_mlflow.disparity import DISPARITIES, MINIMUM_N, disparity_verdict
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import CheckResult, Evidence, State, collector, worst
from aims_mlflow.judging import gated_controls
from aims_mlflow.judging.bounds import IMPLICIT_METRIC
from aims_mlflow.pictures import figures
from aims_mlflow.records.hazards import questions
from aims_mlflow.records.impact import impact_record
from aims_mlflow.records.openitems import open_items
from aims_mlflow.records.reading import RECORD_TAG, Declared, Read, Seen, clock, count_runs, declared, read_versions
from aims_mlflow.records.risk import risk_register
from aims_mlflow.records.sources import cited_by, sources_of
from aims_mlflow.records.words import CoverageLine, MeasureShown, PersonsWord, SystemFacts, SystemRecord, VersionRecord
from aims_mlflow.signing import Verified
from aims_mlflow.store import Store
from aims_mlflow.system import Requirement, System


def summarise(
    system: System | str | os.PathLike[str],
    *,
    store: Store | None = None,
    write: bool = True,
    out: Path | None = None,
    today: date | None = None,
) -> SystemRecord:
    """Roll everything that MLflow holds of a system into its impact and risk records.

    The version that holds a protected alias counts, else the newest; the others are listed. Evidence whose signature or
    digests do not hold is reported first and not used. All evidence is judged again by the system file at hand.

    Args:
        system: a System, the path of a system file, or a system's id (looked up in ``AIMS_POLICY_DIR``, then ``./aims.yaml``;
            without a file, whatever the file would declare is unknown).
        store: the MLflow to read; default: MLflow's own settings.
        write: whether the record is written to MLflow (run, artifacts, tags, descriptions).
        out: a directory that gets ``record.json``, ``record.md`` and ``record.html`` as well.
        today: the day of the record; default: now.

    Raises:
        ConfigurationError: the system file cannot be used, or the name is neither a file nor an id.
        StoreError: MLflow cannot be read or written.
    """
    said = declared(system)
    store = store or Store()
    store.require()
    record, read = gather(said, store, clock(today))
    if out is not None:
        _write_files(record, Path(out))
    if write:
        from aims_mlflow.records.publishing import publish

        publish(record, read, store)
    return record


def gather(said: Declared, store: Store, now: datetime) -> tuple[SystemRecord, Read]:
    """Read MLflow and make the record; writes nothing."""
    runs = [run for run in store.system_runs(said.system.id) if RECORD_TAG not in run.tags]
    versions = read_versions(store, said, runs, now)
    read = Read(said, versions, _counted(versions, said), count_runs(runs, versions), now)
    return make_record(read), read


def _counted(versions: Sequence[Seen], said: Declared) -> Seen | None:
    """Return the version the record is about, as ``reading.counted`` chose it."""
    from aims_mlflow.records.reading import counted

    views = [v.view for v in versions if v.view is not None]
    chosen = counted(views, said.system.gate.protects)
    return next((v for v in versions if v.view is not None and v.view is chosen), versions[0] if versions else None)


def make_record(read: Read) -> SystemRecord:
    """Return the record of what was read. Pure."""
    said, seen, today = read.said, read.counted, read.now.date()
    gated = gated_controls(said.system)
    older = [v for v in read.versions if v is not seen]
    risks = risk_register(said, seen, older, read.now)
    impact = impact_record(said, seen, risks.entries)
    spoken = _persons_words(said, seen, today)
    record = SystemRecord(
        made=read.now,
        collector=collector(),
        open_items=open_items(said, seen, read.versions, gated, risks, impact, spoken, read.runs, today),
        system=_facts(said),
        version=seen.uri if seen else "",
        state=_state(seen, gated),
        decision=_decision(seen),
        highest_risk=risks.highest,
        runs=read.runs,
        impact=impact,
        risks=risks,
        measures=_measures(said, seen),
        figures=figures(seen.bundle.results, said.system.requirements) if seen is not None and seen.bundle is not None else (),
        persons_words=spoken,
        versions=tuple(_version(v, v is seen, gated) for v in read.versions),
    )
    return record.model_copy(update={"sources": sources_of(said, read.versions, cited_by(record))})


def _facts(said: Declared) -> SystemFacts:
    about = said.system.system
    return SystemFacts(
        id=about.id,
        name=about.name,
        owner=about.owner.name if about.owner else "",
        contact=about.owner.contact if about.owner else "",
        purpose=about.purpose,
        intended_uses=about.intended_uses,
        prohibited_uses=about.prohibited_uses,
        policy=said.where,
        policy_sha256=said.system.sha256 if said.known else "",
        evidence_ids=said.citation,
    )


def _state(seen: Seen | None, gated: Sequence[str]) -> State:
    """Return the worst state over the gated controls."""
    return worst(tuple(line.state for line in seen.lines if line.control in gated)) if seen else State.MISSING


def _decision(seen: Seen | None) -> str:
    """Return the newest decision of the gate that holds, in words."""
    if seen is None:
        return "there is no version to decide on"
    found = [r.decision for r in seen.decisions if r.decision is not None and r.decision.model in (seen.uri, seen.gate.model)]
    if not found:
        return "no decision is recorded"
    last: GateDecision = max(found, key=lambda d: d.time)
    by = f" by {last.actor}" if last.actor else ""
    return f"{last.verdict}{f' as {last.alias}' if last.alias else ''} on {last.time:%Y-%m-%d %H:%M} UTC{by}"


def _version(seen: Seen, is_counted: bool, gated: Sequence[str]) -> VersionRecord:
    held = seen.verification
    return VersionRecord(
        id=seen.id,
        name=seen.name,
        version=seen.version,
        uri=seen.uri,
        run_id=seen.run_id,
        created=seen.created,
        aliases=seen.aliases,
        counted=is_counted,
        state=_state(seen, gated),
        verified=seen.bundle is not None,
        verification=_verification(seen),
        bundle_sha256=held.sha256 if isinstance(held, Verified) else "",
        key_ids=held.key_ids if isinstance(held, Verified) else (),
        policy_sha256=seen.bundle.policy_sha256 if seen.bundle else "",
        measured=seen.bundle.run.finished if seen.bundle else None,
        decision=_decision(seen),
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


def _verification(seen: Seen) -> str:
    if not isinstance(seen.verification, Verified):
        return seen.verification.reason
    whose = "a key that the system file trusts" if seen.verification.trusted else "a key that nobody vouched for"
    files = "the model's files were hashed again and match" if seen.hashed else "the model's files were not hashed again"
    return f"signed by {whose}{' (development key)' if seen.verification.development else ''}; the signature holds; {files}"


def _persons_words(said: Declared, seen: Seen | None, today: date) -> tuple[PersonsWord, ...]:
    """Return attestations and waivers: those of the system file, and attestations given in the run."""
    made = []
    in_run = seen.bundle.attestations if seen is not None and seen.bundle is not None else ()
    from_run = (seen.bundle_id,) if seen is not None and seen.bundle_id else ()
    for given, cited, where in [(a, said.citation, "system file") for a in said.system.attestations] + [
        (a, from_run, "run") for a in in_run
    ]:
        about = f"does not apply ({where})" if given.not_applicable else where
        text = f"{given.statement} [{given.reference}]" if given.reference else given.statement
        made.append(_word("attestation", given.control, about, text, given.by, given.on, given.expires, cited, today))
    for waiver in said.system.waivers:
        about = ", ".join(filter(None, (waiver.requirement, waiver.check, waiver.metric, waiver.column))) or "the whole control"
        made.append(
            _word("waiver", waiver.control, about, waiver.reason, waiver.approved_by, waiver.on, waiver.expires, said.citation, today)
        )
    return tuple(sorted(made, key=lambda w: (w.expires or date.max, w.control)))


def _word(
    kind: str, control: str, about: str, text: str, by: str, on: date, expires: date | None, cited: tuple[str, ...], today: date
) -> PersonsWord:
    left = (expires - today).days if expires else None
    return PersonsWord.model_validate(
        {
            "kind": kind,
            "control": control,
            "about": about,
            "text": text,
            "by": by,
            "on": on,
            "expires": expires,
            "expired": left is not None and left < 0,
            "days_left": left,
            "evidence_ids": cited,
        }
    )


def _measures(said: Declared, seen: Seen | None) -> tuple[MeasureShown, ...]:
    """Return each declared requirement's measure with its interval and bound, and the group rates behind a disparity."""
    if seen is None:
        return ()
    requirements = questions(said, seen)
    shown: dict[tuple[str, str, str, str | None], MeasureShown] = {}
    for evidence in seen.judged:
        requirement = requirements.get(evidence.requirement)
        if evidence.kind != "declared" or requirement is None:
            continue
        for result in (seen.results[i] for i in evidence.results if i in seen.results):
            for one in _rows(requirement, evidence, result):
                shown.setdefault((one.requirement if one.bound else "", one.metric, str(sorted(one.scope.items())), one.group), one)
    return tuple(shown.values())


def _rows(requirement: Requirement, evidence: Evidence, result: CheckResult) -> list[MeasureShown]:
    metric = requirement.metric or IMPLICIT_METRIC
    measure = result.measure(metric)
    low, high = (measure.ci_low, measure.ci_high) if measure else (None, None)
    method, n = ((measure.ci_method or "") if measure else "", measure.n if measure else None)
    rates = {rate: result.groups(rate) for rate in DISPARITIES[metric].rates} if metric in DISPARITIES else {}
    bound = requirement.max if requirement.min is None else requirement.min
    if rates and bound is not None:
        verdict = disparity_verdict(metric, {**rates, "group_size": result.groups("group_size")}, bound, requirement.minimum_n or MINIMUM_N)
        decided = verdict.low is not None and verdict.high is not None
        low, high = verdict.low, verdict.high
        method = (
            "smallest group; the two one-sided 95 % bounds that decide"
            if decided
            else "smallest group; too few cases for bounds that could decide"
        )
    cited = (evidence.id, result.id)
    first = MeasureShown(
        check=requirement.check,
        requirement=requirement.id,
        metric=metric,
        scope=dict(result.scope),
        value=measure.value if measure else None,
        low=low,
        high=high,
        method=method,
        n=n,
        bound=requirement.bound,
        least=requirement.min,
        most=requirement.max,
        exactly=requirement.equals,
        state=evidence.state,
        reason=evidence.reason,
        evidence_ids=cited,
    )
    groups = [
        MeasureShown(
            check=requirement.check,
            requirement=requirement.id,
            metric=rate,
            scope=dict(result.scope),
            group=group,
            value=m.value,
            low=m.ci_low,
            high=m.ci_high,
            method=m.ci_method or "",
            n=m.n,
            evidence_ids=(result.id,),
        )
        for rate, found in rates.items()
        for group, m in found.items()
    ]
    return [first, *groups]


def _write_files(record: SystemRecord, folder: Path) -> None:
    from aims_mlflow.records.pages import files_of

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files_of(record).items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigurationError(
            f"the record cannot be written: {error.strerror}", where=str(folder), fix="choose a directory you may write to"
        ) from None
