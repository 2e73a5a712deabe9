"""What could go wrong, as far as the evidence tells: from a version's judged evidence to hazards with their likelihoods.

One hazard per sensitive column (fairness), perturbation (robustness), pair of datasets (drift) and dataset (quality); one each
for origin, explanation and integrity; one for every objective that somebody gave a consequence or a treatment and that
nothing else bears on. Where no tolerance is declared, the hazard is there all the same, and its likelihood is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from aims_mlflow.decision import Blocker
from aims_mlflow.disparity import MINIMUM_N
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Evidence, State
from aims_mlflow.gate import KEY_BLOCKERS
from aims_mlflow.judging.bounds import IMPLICIT_METRIC
from aims_mlflow.judging.standing import expanded
from aims_mlflow.records import likelihood
from aims_mlflow.records.families import EVENTS, FAMILIES, OTHERS, Family
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import Indicator, Likelihood, NotRaised
from aims_mlflow.system import Requirement

ORIGIN = ("provenance", "lineage", "acquisition")
"""The checks whose evidence says where the data came from."""


@dataclass(frozen=True)
class Hazard:
    """Something that could go wrong, what bears on it, and how likely its indicator lies beyond tolerance."""

    kind: str
    key: tuple[str, ...]
    sources: tuple[str, ...]
    objectives: tuple[str, ...]
    event: str
    cause: str
    likelihood: Likelihood
    indicators: tuple[Indicator, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    results: tuple[CheckResult, ...] = ()
    fix: str = ""
    cited: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hazards:
    """What was found, what was looked for and not found, and what to know besides."""

    found: tuple[Hazard, ...]
    not_raised: tuple[NotRaised, ...]
    notes: tuple[str, ...]


def find_hazards(said: Declared, seen: Seen | None, today: date) -> Hazards:
    """Return every hazard of a system, as the evidence of one version (or none) shows it."""
    found: list[Hazard] = []
    for family in FAMILIES:
        found += _measured(family, said, seen)
    found += _others(said, seen)
    looked_for = [_origin(seen), _integrity(said, seen), _explanation(said, today)]
    found += [one for one in looked_for if isinstance(one, Hazard)]
    found += _spoken_of(said, {o for hazard in found for o in hazard.objectives})
    notes = tuple(
        f"{r.id} names no objective (objective: C.2.x), so it feeds no risk entry"
        for r in said.system.requirements
        if seen is not None and r.check not in {f.check for f in FAMILIES} and r.objective is None and not _objectives(seen, r)
    )
    return Hazards(tuple(found), tuple(one for one in looked_for if isinstance(one, NotRaised)), notes)


def _measured(family: Family, said: Declared, seen: Seen | None) -> Iterator[Hazard]:
    """Yield the hazards of a family: one per key that a requirement or a sensitive column names."""
    groups: dict[tuple[str, ...], list[tuple[Indicator, Evidence, CheckResult | None]]] = {}
    for indicator, evidence, result in _indicators(family.check, said, seen):
        groups.setdefault(tuple(indicator.scope.get(k, "") for k in family.by), []).append((indicator, evidence, result))
    for key, members in sorted(groups.items()):
        yield _hazard(family, key, members)
    if family.check == "fairness":
        spoken_for = {part for (column,) in groups for part in (column, *column.split(" & "))}
        for column in said.system.data.sensitive_columns:
            if column not in spoken_for:
                yield _without_tolerance(family, (column,), f"no tolerance is declared for {column}", said, seen)
        if not said.system.data.sensitive_columns and not groups:
            yield _without_tolerance(family, ("",), "no sensitive column is declared", said, seen)
    elif not groups:
        yield _without_tolerance(family, ("",) * len(family.by), f"no tolerance of {family.check} is declared", said, seen)


def _hazard(family: Family, key: tuple[str, ...], members: list[tuple[Indicator, Evidence, CheckResult | None]]) -> Hazard:
    evidence = tuple({e.id: e for _, e, _ in members}.values())
    results = tuple({r.id: r for _, _, r in members if r is not None}.values())
    indicators = tuple(sorted((i for i, _, _ in members), key=lambda i: _order(i.likelihood), reverse=True))
    names = {k: v or "all" for k, v in zip(family.by, key, strict=True)} | {"check": family.check or members[0][1].check}
    return Hazard(
        kind=family.check or members[0][1].check,
        key=key,
        sources=family.sources,
        objectives=family.objectives or tuple(dict.fromkeys(o for e in evidence for o in e.objectives)),
        event=family.event_of(names),
        cause=family.cause,
        likelihood=_worst(indicators),
        indicators=indicators,
        evidence=evidence,
        results=results,
        fix=next((e.fix for e in evidence if e.state not in LETS_THROUGH and e.fix), ""),
    )


def _order(one: Likelihood) -> float:
    """Order likelihoods, the unknown one above all."""
    return 2.0 if one.p is None else one.p


def _worst(indicators: tuple[Indicator, ...]) -> Likelihood:
    """Return the likelihood of the worst indicator; one that is unknown makes the whole unknown, and says what is known."""
    first = indicators[0].likelihood
    known = [i for i in indicators if i.likelihood.p is not None]
    if first.p is not None or not known:
        return first
    unknown = ", ".join(dict.fromkeys(i.requirement for i in indicators if i.likelihood.p is None))
    best = known[0].likelihood
    return first.model_copy(
        update={"reason": f"{first.reason}; unknown for {unknown}, otherwise {best.class_}", "p_low": best.p_low, "p_high": 1.0}
    )


def _indicators(check: str, said: Declared, seen: Seen | None) -> Iterator[tuple[Indicator, Evidence, CheckResult | None]]:
    """Yield each declared requirement of a check against each result it was judged on."""
    if seen is None:
        return
    requirements = questions(said, seen)
    for evidence in seen.of_check(check):
        requirement = requirements.get(evidence.requirement)
        if evidence.kind != "declared" or requirement is None:
            continue
        own = [seen.results[i] for i in evidence.results if i in seen.results]
        found: list[CheckResult | None] = [*own] or [None]
        for result in found:
            yield _indicator(requirement, evidence, result, seen), evidence, result


def questions(said: Declared, seen: Seen) -> dict[str, Requirement]:
    """Return the declared requirements by id, one for each thing they are asked of."""
    return {r.id: r for r in expanded(said.system, tuple(seen.results.values()))}


def _indicator(requirement: Requirement, evidence: Evidence, result: CheckResult | None, seen: Seen) -> Indicator:
    metric = requirement.metric or IMPLICIT_METRIC
    cited = (evidence.id, *((result.id,) if result else ()))
    if result is None:
        chance = likelihood.unknown(evidence.reason, cited)
    elif requirement.check == "drift":
        columns = [
            r for r in seen.results.values() if r.check == "drift" and "column" in r.scope and result.scope.items() < r.scope.items()
        ]
        chance = likelihood.of_drift(requirement, result, columns, evidence_ids=(*cited, *(r.id for r in columns)))
    else:
        chance = likelihood.of_requirement(requirement, result, minimum_n=requirement.minimum_n or MINIMUM_N, evidence_ids=cited)
    measure = result.measure(metric) if result else None
    return Indicator(
        requirement=requirement.id,
        metric=metric,
        scope=dict(result.scope) if result else requirement.scope,
        tolerance=requirement.bound,
        value=measure.value if measure else None,
        low=measure.ci_low if measure else None,
        high=measure.ci_high if measure else None,
        n=measure.n if measure else None,
        state=evidence.state,
        reason=evidence.reason,
        likelihood=chance,
    )


def _without_tolerance(family: Family, key: tuple[str, ...], reason: str, said: Declared, seen: Seen | None) -> Hazard:
    """Return the hazard that nobody has set a tolerance for: it may be there, and nothing says how likely."""
    about = "column" if family.check == "fairness" and key[0] else ""
    results = () if seen is None else tuple(seen.results.values())
    measured = tuple(r for r in results if r.check == family.check and (not about or r.scope.get(about) == key[0]))
    why = (
        f"{reason}, so there is nothing that a measure could lie beyond"
        if said.known
        else "no system file was found, so no tolerance is known"
    )
    names = dict(zip(family.by, key, strict=True)) if any(key) else {"column": "<column>"}
    return Hazard(
        kind=family.check,
        key=key,
        sources=family.sources,
        objectives=family.objectives,
        event=family.event_of(names) if any(key) else family.anywhere,
        cause=family.cause,
        likelihood=likelihood.unknown(why, tuple(r.id for r in measured[:5])),
        results=measured[:5],
        fix=f"add under requirements:  - {family.example.format_map(names)}" if said.known else "pass the system file (--system FILE)",
    )


def _others(said: Declared, seen: Seen | None) -> Iterator[Hazard]:
    """Yield hazards from declared requirements of other checks, as far as they serve an objective."""
    named = {f.check for f in FAMILIES}
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[Indicator, Evidence, CheckResult | None]]] = {}
    for other in dict.fromkeys(r.check for r in said.system.requirements if r.check not in named):
        for member in _indicators(other, said, seen):
            if member[1].objectives:
                groups.setdefault((other, member[1].objectives), []).append(member)
    for (check, objectives), members in groups.items():
        hazard = _hazard(OTHERS, (), members)
        yield replace(hazard, objectives=objectives, key=objectives, event=EVENTS.get(check, hazard.event))


def _objectives(seen: Seen | None, requirement: Requirement) -> tuple[str, ...]:
    return () if seen is None else tuple(o for e in seen.judged if e.requirement == requirement.id for o in e.objectives)


def _origin(seen: Seen | None) -> Hazard | NotRaised:
    """Return what is known of where the data came from. No probability is invented for what is missing."""
    event = "it cannot be shown where the data came from and on what terms they are used"
    evidence = () if seen is None else seen.of_check(*ORIGIN)
    bad = tuple(e for e in evidence if e.state not in LETS_THROUGH)
    if evidence and not bad:
        return NotRaised(
            risk_source=("C.3.6",),
            objective=("C.2.1",),
            event=event,
            reason="all evidence of origin passes",
            evidence_ids=tuple(e.id for e in evidence),
        )
    reason = "; ".join(dict.fromkeys(e.reason for e in bad[:3])) if bad else "there is no evidence of origin"
    return Hazard(
        kind="origin",
        key=(),
        sources=("C.3.6",),
        objectives=("C.2.1",),
        event=event,
        cause="data taken in without a record of their origin",
        likelihood=likelihood.unknown(f"{reason}; no probability follows from what is missing", tuple(e.id for e in bad)),
        evidence=bad,
        fix=next((e.fix for e in bad if e.fix), "run the training under @aims.track and declare data.sources"),
    )


def _integrity(said: Declared, seen: Seen | None) -> Hazard | NotRaised:
    """Return whether evidence, model or data were changed (known: L5), or nobody can tell (unsigned: unknown)."""
    sources, objectives = ("C.3.6",), ("C.2.10",)
    event = "the model, its data or its evidence were changed by someone"
    mismatch = (
        ()
        if seen is None
        else tuple(e for e in seen.of_check("provenance") if "digest_mismatch" in e.requirement and e.state is State.FAIL)
    )
    blocker = seen.verification if seen is not None and isinstance(seen.verification, Blocker) else None
    cause = "a digest or a signature that does not hold"
    if seen is not None and (mismatch or (blocker is not None and _was_changed(blocker))):
        reason = mismatch[0].reason if mismatch else blocker.reason if blocker else ""
        cited = tuple(e.id for e in mismatch) or (seen.id,)
        chance = likelihood.certain(True, reason, cited)
        fix = mismatch[0].fix if mismatch else blocker.fix if blocker else ""
        return Hazard("integrity", (), sources, objectives, event, cause, chance, evidence=mismatch, fix=fix, cited=cited)
    if seen is None or blocker is not None or seen.bundle_id is None:
        reason = blocker.reason if blocker else "no signed evidence was found"
        chance = likelihood.unknown(f"{reason}: nobody can tell", (seen.id,) if seen else ())
        fix = (blocker.fix if blocker else "") or "run the training under @aims.track"
        return Hazard("integrity", (), sources, objectives, event, "evidence that nobody signed", chance, fix=fix)
    vouched = (
        "by a key that the system file trusts"
        if said.system.gate.trusted_keys
        else "by a key that nobody vouched for (gate.trusted_keys is empty)"
    )
    hashed = (
        "the model's files were hashed again and are those that were evaluated"
        if seen.hashed
        else "the model's files were not hashed again"
    )
    return NotRaised(
        risk_source=sources,
        objective=objectives,
        event=event,
        reason=f"the evidence is signed {vouched} and the signature holds; {hashed}",
        evidence_ids=(seen.bundle_id, seen.id),
    )


def _was_changed(blocker: Blocker) -> bool:
    """Whether the blocker is a change that was seen; what is unsigned or signed by a stranger is not known to be changed."""
    if blocker.code in KEY_BLOCKERS | {"no_run", "no_bundle", "no_model_files"}:
        return False
    stranger = ("not signed", "unknown key", "no key that the policy trusts", "does not trust", "without a model")
    return not any(words in blocker.reason for words in stranger)


def _explanation(said: Declared, today: date) -> Hazard | NotRaised:
    """Return whether a person has said how outcomes are explained; a run cannot tell."""
    event = "affected people and users cannot have an outcome explained to them"
    answer = said.system.impact.answers.get("explanation")
    attested = [a for a in said.system.attestations if a.control == "A.8.2" and (a.expires is None or a.expires >= today)]
    if answer is not None or attested:
        by = answer.by if answer else attested[0].by
        return NotRaised(
            risk_source=("C.3.2",),
            objective=("C.2.11",),
            event=event,
            reason=f"{by} has said how outcomes are explained",
            evidence_ids=said.citation,
        )
    return Hazard(
        kind="explanation",
        key=(),
        sources=("C.3.2",),
        objectives=("C.2.11",),
        event=event,
        cause="no documentation of explanations",
        likelihood=likelihood.unknown("nobody has said how outcomes are explained, and a run cannot tell", said.citation),
        fix="add under impact.answers:  explanation: {text: …, by: …, on: YYYY-MM-DD}, or an attestation of A.8.2",
    )


def _spoken_of(said: Declared, covered: set[str]) -> Iterator[Hazard]:
    """Yield objectives that somebody gave a consequence or a treatment and that no other hazard is about."""
    risk = said.system.risk
    for objective in dict.fromkeys((*(c.objective for c in risk.consequences), *(t.objective for t in risk.treatments))):
        if objective not in covered:
            yield Hazard(
                kind="declared",
                key=(objective,),
                sources=(),
                objectives=(objective,),
                event=f"the objective {objective} is not met",
                cause="not said",
                likelihood=likelihood.unknown(f"no evidence bears on {objective}", said.citation),
                fix=f"add a requirement with objective: {objective}, or an own check that serves it",
            )
