"""The impacts on people, one by one: what named people declared, and each party of whom nobody has said anything."""

from __future__ import annotations

from collections.abc import Iterator

from aims_mlflow.records.reading import Declared
from aims_mlflow.records.risk_words import CLASSES, RiskRecord
from aims_mlflow.records.words import AnswerState, Impact
from aims_mlflow.system import Consequence, DeclaredImpact, Party


def impacts_of(said: Declared, risks: tuple[RiskRecord, ...]) -> list[Impact]:
    """Return the declared benefits and harms, and one unknown for each party without any; each names what it leaves unsaid.

    Harms come from ``risk.consequences`` and ``impact.impacts``, benefits from ``impact.impacts`` and, where there are none
    there, from the answer ``benefits``, which names no party.
    """
    system = said.system
    parties = {p.name: p for p in system.system.affected_parties}
    found = [_of_consequence(said, one, parties.get(one.party), risks) for one in system.risk.consequences]
    found += [_declared(said, one, parties.get(one.party)) for one in system.impact.impacts]
    spoken_for = {one.party for one in found}
    found += [_unknown(said, party) for name, party in parties.items() if name not in spoken_for]
    if not any(one.kind == "benefit" for one in system.impact.impacts):
        found += _answered_benefits(said)
    return [_with_gaps(one) for one in found]


def _of_consequence(said: Declared, one: Consequence, party: Party | None, risks: tuple[RiskRecord, ...]) -> Impact:
    """Return the harm that a consequence speaks of; its scale is raised where the evidence raised the consequence."""
    answers = said.system.impact.answers
    cited = tuple(dict.fromkeys(i for r in risks if one.objective in r.objective for i in r.evidence_ids))
    own = [r.consequence for r in risks if one.objective in r.objective and r.consequence.party == one.party]
    classes = [one.class_ - 1, *(CLASSES.index(c.class_) for c in own if c.class_ is not None)]
    return Impact(
        state=AnswerState.ANSWERED,
        party=one.party,
        is_vulnerable=party.vulnerable if party else None,
        harm_or_benefit="harm",
        dimension=one.dimension,
        description=one.rationale,
        scale=CLASSES[max(classes)],
        affected=party.size if party else None,
        affected_source=party.source if party else "",
        irremediability=one.irremediability or (answers["irremediability"].text if "irremediability" in answers else ""),
        evidence_ids=tuple(dict.fromkeys((*said.citation, *cited))),
        answered_by=one.set_by,
        answered_on=one.set_on,
        confidence=one.confidence or (answers["confidence"].text if "confidence" in answers else ""),
    )


def _declared(said: Declared, one: DeclaredImpact, party: Party | None) -> Impact:
    own_number = one.affected is not None
    return Impact(
        state=AnswerState.ANSWERED,
        party=one.party,
        is_vulnerable=party.vulnerable if party else None,
        harm_or_benefit=one.kind,
        arises_from=one.arises_from,
        dimension=one.dimension,
        description=one.description,
        scale=CLASSES[one.scale - 1] if one.scale is not None else None,
        affected=one.affected if own_number else party.size if party else None,
        affected_source=one.affected_source if own_number else party.source if party else "",
        irremediability=one.irremediability,
        evidence_ids=said.citation,
        answered_by=one.by,
        answered_on=one.on,
        confidence=one.confidence or "",
    )


def _unknown(said: Declared, party: Party) -> Impact:
    return Impact(
        state=AnswerState.UNKNOWN,
        party=party.name,
        is_vulnerable=party.vulnerable,
        harm_or_benefit="harm",
        affected=party.size,
        affected_source=party.source,
        evidence_ids=said.citation,
    )


def _answered_benefits(said: Declared) -> Iterator[Impact]:
    good = said.system.impact.answers.get("benefits")
    if good is not None and not good.not_applicable:
        yield Impact(
            state=AnswerState.ANSWERED,
            party="",
            harm_or_benefit="benefit",
            description=good.text,
            evidence_ids=said.citation,
            answered_by=good.by,
            answered_on=good.on,
        )


def _with_gaps(impact: Impact) -> Impact:
    """Name the fields that nobody has answered."""
    fields = {
        "party": impact.party,
        "vulnerability": impact.is_vulnerable,
        "dimension": impact.dimension,
        "description": impact.description,
        "scale": impact.scale,
        "number affected": impact.affected,
        "source of that number": impact.affected_source,
        "irremediability": impact.irremediability if impact.harm_or_benefit == "harm" else "not asked of a benefit",
        "who answers": impact.answered_by,
        "confidence": impact.confidence,
    }
    return impact.model_copy(update={"unknown": tuple(name for name, value in fields.items() if value is None or value == "")})
