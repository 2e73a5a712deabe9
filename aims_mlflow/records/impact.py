"""The impact record: ISO/IEC 42005's headings as questions, each answered by a person, by the system file, by evidence, or by nobody.

The headings are pointers from memory of the text, never a finding. Nothing is inferred: an answer is what a named person
wrote under ``impact.answers``, what another field of the system file declares, or what evidence shows; else it is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aims_mlflow.evidence import CheckResult, Evidence
from aims_mlflow.records.impacts import impacts_of
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.risk_words import RiskRecord
from aims_mlflow.records.words import AnswerState, ImpactRecord, Question
from aims_mlflow.scorecard import counts_of, words
from aims_mlflow.system import Party


@dataclass(frozen=True)
class Said:
    """An answer that stands elsewhere than under ``impact.answers``: its text and what it cites."""

    text: str
    evidence_ids: tuple[str, ...]
    from_evidence: bool = False
    by: str = ""


Elsewhere = Callable[[Declared, Seen | None], Said | None]


def _field(read: Callable[[Declared], str]) -> Elsewhere:
    """Answer from a field of the system file."""

    def answer(said: Declared, seen: Seen | None) -> Said | None:
        del seen
        text = read(said) if said.known else ""
        return Said(text, said.citation) if text else None

    return answer


def _nowhere(said: Declared, seen: Seen | None) -> Said | None:
    """Only a person can answer."""
    del said, seen
    return None


def _version(said: Declared, seen: Seen | None) -> Said | None:
    return None if seen is None else Said(f"{said.system.system.name or said.system.id}, {seen.uri}", (seen.id, *said.citation), True)


def _data(said: Declared, seen: Seen | None) -> Said | None:
    del said
    if seen is None or seen.bundle is None or not seen.bundle.datasets:
        return None
    text = "; ".join(
        f"{d.role}: {d.rows:,} rows, {len(d.columns)} columns, content sha256 {d.sha256[:12]}" + (f", from {d.source}" if d.source else "")
        for d in seen.bundle.datasets
    )
    cited = [r.id for r in seen.bundle.results if r.check == "provenance" and r.problem is None]
    return Said(text, tuple(cited) or _bundle_of(seen), True)


def _quality(said: Declared, seen: Seen | None) -> Said | None:
    del said
    return None if seen is None else _of_evidence(tuple(e for e in seen.judged if "A.7.4" in e.controls and e.results))


def _disparity(said: Declared, seen: Seen | None) -> Said | None:
    del said
    return None if seen is None else _of_evidence(tuple(e for e in seen.of_check("fairness") if e.results))


def _of_evidence(found: tuple[Evidence, ...]) -> Said | None:
    if not found:
        return None
    reasons = "; ".join(f"{words(e.state)}: {e.reason}" for e in found)
    return Said(f"{counts_of(e.state for e in found)}. {reasons}", tuple(e.id for e in found), True)


def _algorithm(said: Declared, seen: Seen | None) -> Said | None:
    del said
    if seen is None or seen.bundle is None:
        return None
    design = next((r for r in seen.bundle.results if r.check == "design" and r.problem is None), None)
    facts = [f"{name.replace('_', ' ')}: {value}" for name, value in _facts(design).items()]
    if seen.bundle.model and seen.bundle.model.flavour:
        facts.append(f"MLflow flavour: {seen.bundle.model.flavour}")
    return Said("; ".join(facts), (design.id,) if design else _bundle_of(seen), True) if facts else None


def _facts(design: CheckResult | None) -> dict[str, str]:
    wanted = ("algorithm", "estimator", "serialization", "features", "code")
    facts = design.facts if design else {}
    return {
        name: f"{len(value)} of them" if isinstance(value, list) else str(value)
        for name in wanted
        if isinstance(value := facts.get(name), (str, int, list)) and value != ""
    }


def _bundle_of(seen: Seen) -> tuple[str, ...]:
    return (seen.bundle_id,) if seen.bundle_id else ()


def _parties(said: Declared) -> str:
    return "; ".join(_party(p) for p in said.system.system.affected_parties)


def _party(party: Party) -> str:
    size = f"{party.size:,} a year" if party.size is not None else "number not said"
    return f"{party.name} ({size}{f', {party.source}' if party.source else ''})"


def _vulnerable(said: Declared) -> str:
    parties = said.system.system.affected_parties
    if not parties or any(p.vulnerable is None for p in parties):
        return ""
    return "; ".join(f"{p.name}: {'vulnerable' if p.vulnerable else 'not vulnerable'}" for p in parties)


def _consequences(said: Declared) -> str:
    return "; ".join(
        f"{c.party}, {c.dimension or 'dimension not said'}, C{c.class_} ({c.objective}): "
        f"{c.rationale or 'no rationale given'} (set by {c.set_by})"
        for c in said.system.risk.consequences
    )


def _impacts(kind: Literal["benefit", "harm"], arises_from: tuple[str, ...] = ("use", "failure", "misuse")) -> Callable[[Declared], str]:
    """Return what reads the declared impacts of a kind, in words."""

    def read(said: Declared) -> str:
        found = [i for i in said.system.impact.impacts if i.kind == kind and i.arises_from in arises_from]
        return "; ".join(f"{i.party}: {i.description} (by {i.by})" for i in found)

    return read


def _harms(said: Declared) -> str:
    return "; ".join(filter(None, (_consequences(said), _impacts("harm")(said))))


def _undone(said: Declared) -> str:
    """Return whether each harm can be undone, where that is said of every one."""
    consequences, impacts = said.system.risk.consequences, [i for i in said.system.impact.impacts if i.kind == "harm"]
    given = [(c.party, c.irremediability) for c in consequences] + [(i.party, i.irremediability) for i in impacts]
    return "; ".join(f"{party}: {text}" for party, text in given) if given and all(text for _, text in given) else ""


def _sure(said: Declared) -> str:
    """Return how sure people are of each impact, where that is said of every one."""
    given = [(c.party, c.confidence) for c in said.system.risk.consequences] + [(i.party, i.confidence) for i in said.system.impact.impacts]
    return "; ".join(f"{party}: {sure}" for party, sure in given) if given and all(sure for _, sure in given) else ""


def _again(said: Declared) -> str:
    due = said.system.impact.review_due
    return f"assessed again by {due}" if due else ""


def _treatments(said: Declared) -> str:
    return "; ".join(
        f"{t.action} ({t.option.replace('_', ' ')}, {t.owner}, {t.status.replace('_', ' ')})" for t in said.system.risk.treatments
    )


def _criteria(said: Declared) -> str:
    risk = said.system.risk
    if risk.criteria is None:
        return ""
    table = "own level table" if risk.matrix else "default level table"
    points = ", ".join(f"C{c} from {n:g} excess adverse decisions a year" for c, n in risk.breakpoints.excess_adverse_decisions.items())
    return f"{table}, adopted by {risk.criteria.adopted_by} on {risk.criteria.adopted_on}" + (
        f"; {points}" if points else "; no breakpoints"
    )


@dataclass(frozen=True)
class Asked:
    """A question of the record: its key in the system file, the clause and heading it points to, and where else it may be answered."""

    key: str
    clause: str
    heading: str
    question: str
    elsewhere: Elsewhere = _nowhere


QUESTIONS: tuple[Asked, ...] = (
    Asked("version", "6.2", "Scope", "Which system and which version are assessed?", _version),
    Asked("trigger", "6.2", "Scope", "What set off this assessment?"),
    Asked("assessor", "6.2", "Scope", "Who assesses, and when?"),
    Asked("description", "6.3", "System", "What does the system do?", _field(lambda s: s.system.system.description)),
    Asked("functions", "6.3", "System", "Which functions does it offer?"),
    Asked("purpose", "6.3", "System", "What is it for?", _field(lambda s: s.system.system.purpose)),
    Asked("intended_uses", "6.3", "System", "Which uses was it made for?", _field(lambda s: "; ".join(s.system.system.intended_uses))),
    Asked(
        "unintended_uses",
        "6.3",
        "System",
        "Which uses are ruled out or restricted?",
        _field(lambda s: "; ".join(s.system.system.prohibited_uses)),
    ),
    Asked("data", "6.4", "Data", "Which data were used, and where do they come from?", _data),
    Asked("data_quality", "6.4", "Data", "How good are the data for this purpose?", _quality),
    Asked("algorithm", "6.5", "Algorithm and model", "Which algorithm and model are used, and how were they developed?", _algorithm),
    Asked(
        "deployment",
        "6.6",
        "Deployment environment",
        "Where does it run: geography, languages, constraints?",
        _field(lambda s: s.system.system.deployment),
    ),
    Asked("interested_parties", "6.7", "Interested parties", "Who is affected, and how many?", _field(_parties)),
    Asked("vulnerable", "6.7", "Interested parties", "Are there people among them who need special care?", _field(_vulnerable)),
    Asked("benefits", "6.8", "Benefits and harms", "What good does it do, and to whom?", _field(_impacts("benefit"))),
    Asked("harms", "6.8", "Benefits and harms", "What harm can it do, and to whom?", _field(_harms)),
    Asked("disparity", "6.8", "Benefits and harms", "How do outcomes differ between groups of people?", _disparity),
    Asked("society", "6.8", "Benefits and harms", "What may it do to society and the environment?"),
    Asked(
        "failures",
        "6.8",
        "Benefits and harms",
        "How can it fail, and what follows for each party?",
        _field(_impacts("harm", ("failure",))),
    ),
    Asked("misuse", "6.8", "Benefits and harms", "How can it be misused?", _field(_impacts("harm", ("misuse",)))),
    Asked("irremediability", "6.8", "Benefits and harms", "Can the harm be undone?", _field(_undone)),
    Asked("confidence", "6.8", "Benefits and harms", "How sure are the assessors of these impacts?", _field(_sure)),
    Asked("measures", "6.9", "Measures", "What is done about the harms?", _field(_treatments)),
    Asked("oversight", "6.9", "Measures", "Who oversees it, and how can they step in?"),
    Asked("explanation", "6.9", "Measures", "What are affected people told, and how is an outcome explained to them?"),
    Asked("timing", "5.4", "Process", "When is the assessment made, and when again?", _field(_again)),
    Asked("responsibilities", "5.6", "Process", "Who is responsible for the assessment?"),
    Asked("thresholds", "5.7", "Process", "Which thresholds and scales decide what is serious?", _field(_criteria)),
    Asked("sensitive_uses", "5.7", "Process", "Does the use count as sensitive or restricted?"),
    Asked("analysis", "5.9", "Process", "How were the impacts analysed?"),
    Asked("reporting", "5.10", "Process", "Who gets the results?"),
    Asked("approval", "5.11", "Process", "Who approved the assessment?"),
    Asked("monitoring", "5.12", "Process", "How is the assessment kept up to date?"),
)
"""Every question, in the order of the headings. Clause numbers are pointers from memory of ISO/IEC 42005."""


def impact_record(said: Declared, seen: Seen | None, risks: tuple[RiskRecord, ...]) -> ImpactRecord:
    """Return the impact record of a system, unanswered questions first."""
    given = said.system.impact.answers
    known = {asked.key for asked in QUESTIONS}
    questions = [_question(asked, said, seen) for asked in QUESTIONS]
    further = [Asked(key, "", "Further answers", key.replace("_", " ")) for key in given if key not in known]
    questions += [_question(asked, said, seen) for asked in further]
    order = (AnswerState.UNKNOWN, AnswerState.ANSWERED, AnswerState.NA)
    impacts = impacts_of(said, risks)
    assessor = given.get("assessor")
    return ImpactRecord(
        system=said.system.id,
        version=seen.uri if seen else "",
        trigger=given["trigger"].text if "trigger" in given else "",
        assessor=assessor.text if assessor else "",
        assessed_on=assessor.on if assessor else None,
        review_due=said.system.impact.review_due,
        questions=tuple(sorted(questions, key=lambda q: order.index(q.state))),
        impacts=tuple(sorted(impacts, key=lambda i: order.index(i.state))),
    )


def _question(asked: Asked, said: Declared, seen: Seen | None) -> Question:
    """Return the question with a person's answer, else with what stands elsewhere, else as unknown with the line to add."""
    open_ = Question(key=asked.key, clause=asked.clause, heading=asked.heading, question=asked.question, state=AnswerState.UNKNOWN)
    answer = said.system.impact.answers.get(asked.key)
    found = asked.elsewhere(said, seen) if answer is None else None
    told: dict[str, object]
    if answer is not None:
        told = {
            "state": AnswerState.NA if answer.not_applicable else AnswerState.ANSWERED,
            "answer": answer.text,
            "answered_by": answer.by,
            "answered_on": answer.on,
            "basis": "person",
            "evidence_ids": said.citation,
        }
    elif found is not None:
        told = {
            "state": AnswerState.ANSWERED,
            "answer": found.text,
            "answered_by": "measured" if found.from_evidence else "declared in the system file",
            "basis": "evidence" if found.from_evidence else "system file",
            "evidence_ids": found.evidence_ids,
        }
    else:
        line = f"add under impact.answers:  {asked.key}: {{text: …, by: …, on: YYYY-MM-DD}}"
        told = {"fix": line if said.known else "pass the system file (--system FILE)"}
    return open_.model_copy(update=told)
