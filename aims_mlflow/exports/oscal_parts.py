"""What the three OSCAL exports share: metadata, people, observations, risks and the resources that they point to.

OSCAL (https://pages.nist.gov/OSCAL) as compliance-trestle 5.2 reads it: version 1.2.1. Titles, descriptions and remarks are Markdown
there, so every text of anybody's is escaped for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.evidence import Evidence, State
from aims_mlflow.exports.inert import figure, markup, sentences, stamp, token
from aims_mlflow.exports.material import Material
from aims_mlflow.records.risk_words import Level, RiskRecord
from aims_mlflow.records.words import MeasureShown
from aims_mlflow.scorecard import words

OSCAL_VERSION = "1.2.1"
NS = "urn:aims-mlflow:oscal"
"""The namespace of our properties and of the facets of risks."""

Json = dict[str, Any]


def title(text: str, otherwise: str = "not named") -> str:
    """Return a title, which may not be empty."""
    return markup(text) or otherwise


def prop(name: str, value: str) -> Json:
    """Return a property of our namespace; its value is one line without invisible characters."""
    return {"name": name, "ns": NS, "value": token(value)}


def metadata(material: Material, heading: str) -> Json:
    """Return the head of a document: whose it is, and the time of the record as its version."""
    record = material.record
    made = stamp(record.made)
    owner = [material.id_of("person", record.system.owner)] if record.system.owner else []
    remarks = [
        f"Made by {record.collector} from the record of {made}. System: {material.name} ({record.system.id}). "
        f"Version: {record.version or 'none'}. Owner: {record.system.owner or 'unknown'}.",
        "Evidence is present, passing, failing, missing or undecided. Nothing here says that anybody conforms to a standard.",
    ]
    return {
        "title": title(f"{heading}: {material.name}"),
        "last-modified": made,
        "version": made,
        "oscal-version": OSCAL_VERSION,
        "props": [prop("system-id", record.system.id), prop("policy-sha256", record.system.policy_sha256)],
        "roles": [{"id": "owner", "title": "Answers for the system"}, {"id": "attester", "title": "Gave their word"}],
        "parties": [_party(material, name) for name in people(material)],
        "responsible-parties": [{"role-id": "owner", "party-uuids": owner}] if owner else [],
        "remarks": markup(" ".join(remarks)),
    }


def people(material: Material) -> tuple[str, ...]:
    """Return everybody whom the document names, once."""
    record = material.record
    named = [record.system.owner, *(w.by for w in record.persons_words)]
    named += [a.owner for e in record.risks.entries for a in e.treatment_actions]
    return tuple(dict.fromkeys(name for name in named if name)) or ("unknown",)


def _party(material: Material, name: str) -> Json:
    return {"uuid": material.id_of("person", name), "type": "person", "name": token(name), "remarks": title(name, "unknown")}


def tool(material: Material) -> Json:
    """Return this package as what did the assessing, with the platform that OSCAL asks for."""
    made_by = material.id_of("tool")
    return {
        "components": [
            {
                "uuid": made_by,
                "type": "software",
                "title": markup(material.record.collector),
                "description": "Measures models and data in MLflow runs, judges them by the system file, and signs what it found.",
                "status": {"state": "operational"},
            }
        ],
        "assessment-platforms": [{"uuid": material.id_of("platform"), "uses-components": [{"component-uuid": made_by}]}],
    }


def origin(material: Material) -> Json:
    """Return the origin of what this package found."""
    return {"actors": [{"type": "tool", "actor-uuid": material.id_of("tool")}]}


def observations(material: Material) -> list[Json]:
    """Return one observation for each piece of evidence on the version, missing ones first, and one for each risk that was not raised."""
    missing_first = sorted(material.evidence.items(), key=lambda pair: pair[1].state is not State.MISSING)
    every = [_observation(material, id_, evidence) for id_, evidence in missing_first]
    return every + [_not_raised(material, number) for number in range(len(material.record.risks.not_raised))] or [_nothing(material)]


def _observation(material: Material, id_: str, evidence: Evidence) -> Json:
    shown = material.measures_of(evidence)
    resource = f"#{material.id_of('bundle')}" if material.bundle else f"#{material.id_of('policy')}"
    proof = [{"href": resource, "description": markup(said_of(m))} for m in shown]
    return {
        "uuid": material.evidence_uuids[id_],
        "title": title(evidence.requirement),
        "description": title(sentences(f"Evidence {words(evidence.state)}", evidence.reason)),
        "props": [
            prop("state", evidence.state.value),
            prop("evidence-id", id_),
            prop("check", evidence.check),
            prop("kind", evidence.kind),
            prop("severity", evidence.severity.value),
            *(prop("control", c) for c in evidence.controls),
            *(prop("objective", o) for o in evidence.objectives),
            *(prop("result-id", r) for r in evidence.results),
        ],
        "methods": [_method(evidence)],
        "types": ["control-objective"],
        "origins": [origin(material)],
        "subjects": [
            {"subject-uuid": material.id_of("version"), "type": "resource", "title": title(material.record.version, "no version")}
        ],
        "relevant-evidence": proof or [{"href": resource, "description": title(evidence.reason)}],
        "collected": stamp(evidence.time),
        **({"remarks": markup(f"To do: {evidence.fix}")} if evidence.fix else {}),
    }


def _method(evidence: Evidence) -> str:
    if evidence.results:
        return "TEST"
    return "UNKNOWN" if evidence.state is State.MISSING else "EXAMINE"


def said_of(measure: MeasureShown) -> str:
    """Return a measure in words: its value, its interval and how many it rests on."""
    where = ", ".join(f"{key} {value}" for key, value in measure.scope.items())
    parts = [
        f"{measure.metric}{f' of group {measure.group}' if measure.group else ''}{f' ({where})' if where else ''}: {figure(measure.value)}"
    ]
    if measure.low is not None or measure.high is not None:
        parts.append(f"interval {figure(measure.low)} to {figure(measure.high)} ({measure.method or 'method not said'})")
    elif measure.method:
        parts.append(measure.method)
    parts.append(f"n {measure.n if measure.n is not None else 'unknown'}")
    parts += [f"asked: {measure.bound}"] if measure.bound else []
    return "; ".join(parts)


def _not_raised(material: Material, number: int) -> Json:
    one = material.record.risks.not_raised[number]
    return {
        "uuid": material.id_of("not raised", material.record.version, one.event, str(number)),
        "title": title(one.event),
        "description": title(sentences("Looked for and not shown by the evidence", one.reason)),
        "props": [prop("state", "not_raised"), *(prop("objective", o) for o in one.objective)],
        "methods": ["TEST"],
        "types": ["historic"],
        "collected": stamp(material.record.made),
    }


def _nothing(material: Material) -> Json:
    return {
        "uuid": material.id_of("no evidence"),
        "title": "No evidence",
        "description": "No run has left evidence of this system: everything that is asked is missing.",
        "props": [prop("state", State.MISSING.value)],
        "methods": ["UNKNOWN"],
        "collected": stamp(material.record.made),
    }


def risks(material: Material) -> list[Json]:
    """Return the entries of the risk register, in its order: what is undetermined first."""
    return [_risk(material, entry) for entry in material.record.risks.entries]


def risk_id(material: Material, entry: RiskRecord) -> str:
    """Return the identifier of a risk."""
    return material.id_of("risk", entry.risk_id)


def _risk(material: Material, entry: RiskRecord) -> Json:
    chance, harm = entry.likelihood, entry.consequence
    facets: Mapping[str, str] = {
        "level": entry.level.value,
        "likelihood-class": chance.class_ or "unknown",
        "likelihood-p": figure(chance.p),
        "likelihood-p-low": figure(chance.p_low),
        "likelihood-p-high": figure(chance.p_high),
        "evidence-grade": chance.evidence_grade,
        "consequence-class": harm.class_ or "unknown",
        "level-range": " to ".join(level.value for level in entry.level_range),
    }
    why = (entry.state_reason, chance.reason, harm.reason, entry.residual_reason)
    cited = material.uuids((*chance.evidence_ids, *entry.evidence_ids))
    due = [a.due for a in entry.treatment_actions if a.due and a.status != "done"] + ([entry.review_due] if entry.review_due else [])
    made: Json = {
        "uuid": risk_id(material, entry),
        "title": title(entry.event),
        "description": title(entry.cause, "The cause is not known."),
        "statement": title(entry.consequence_description, "What would follow is not known: nobody has said it."),
        "props": [
            prop("risk-id", entry.risk_id),
            prop("state", entry.state.value),
            *(prop("risk-source", s) for s in entry.risk_source),
            *(prop("objective", o) for o in entry.objective),
        ],
        "status": _status(entry),
        "origins": [origin(material)],
        "characterizations": [
            {
                "origin": origin(material),
                "facets": [{"name": name, "system": NS, "value": value} for name, value in facets.items()],
            }
        ],
        "mitigating-factors": [
            {
                "uuid": material.id_of("mitigating", entry.risk_id, control),
                "description": markup(f"The evidence of {control} passes and bears on this risk."),
            }
            for control in entry.existing_controls
        ],
        "remediations": [_remediation(material, entry, number) for number in range(len(entry.treatment_actions))],
        "risk-log": _log(material, entry, why),
        "related-observations": [{"observation-uuid": uuid} for uuid in cited],
    }
    if due:
        made["deadline"] = stamp(min(due))
    return {key: value for key, value in made.items() if value != []}


def _status(entry: RiskRecord) -> str:
    if entry.level is Level.UNDETERMINED:
        return "investigating"
    if entry.acceptance is not None:
        return "deviation-approved"
    return "remediating" if any(a.status != "done" for a in entry.treatment_actions) else "open"


def _remediation(material: Material, entry: RiskRecord, number: int) -> Json:
    action = entry.treatment_actions[number]
    lifecycle = "completed" if action.status == "done" else "planned"
    late = " It is overdue." if action.overdue else ""
    return {
        "uuid": material.id_of("treatment", entry.risk_id, str(number), action.action),
        "lifecycle": lifecycle,
        "title": title(action.action),
        "description": markup(
            f"{action.option.replace('_', ' ')}, by {action.owner or 'nobody named'}, {action.status.replace('_', ' ')}, "
            f"due {_day(action.due)}, done {_day(action.done_on)}, control {action.control_id or 'not named'}.{late}"
        ),
    }


def _day(day: date | None) -> str:
    return day.isoformat() if day else "no day named"


def _log(material: Material, entry: RiskRecord, why: Iterable[str]) -> Json:
    """Return the risk's log: what it reads now and why, who accepted it, and what it read on earlier versions."""
    now = sentences(*why)
    entries: list[Json] = [
        {
            "uuid": material.id_of("risk log", entry.risk_id, material.record.version),
            "title": markup(f"{entry.state.value}, level {entry.level.value.replace('_', ' ')}"),
            "start": stamp(material.record.made),
            "description": markup(f"{now} Likelihood: {entry.likelihood.method or 'no method'}. {material.record.risks.sentence}".strip()),
        }
    ]
    if entry.acceptance is not None:
        given = entry.acceptance
        entries.append(
            {
                "uuid": material.id_of("acceptance", entry.risk_id, given.by),
                "title": title(f"Accepted by {given.by} until {given.expires}"),
                "start": stamp(given.at),
                "end": stamp(given.expires),
                "description": title(given.rationale, "No reason is given."),
            }
        )
    entries += [
        {
            "uuid": material.id_of("risk log", entry.risk_id, step.version, step.run_id),
            "title": title(f"Earlier version {step.version}"),
            "start": stamp(step.measured),
            "description": markup(
                f"Level {step.level.value.replace('_', ' ')}, likelihood {step.likelihood or 'unknown'}, p {figure(step.p)}."
            ),
        }
        for step in entry.history
    ]
    return {"entries": entries}


def back_matter(material: Material) -> Json:
    """Return what the document points to, with digests: the version, the system file, the bundle and the model's files."""
    record, bundle = material.record, material.bundle
    resources: list[Json] = [
        {
            "uuid": material.id_of("version"),
            "title": title(f"Model version {record.version}" if record.version else "No model version"),
            "description": title(material.version.verification if material.version else "no run has left evidence"),
        },
        {
            "uuid": material.id_of("policy"),
            "title": "System file: what is asked of the system",
            "description": title(f"{record.system.policy}; sha256 of its content {record.system.policy_sha256 or 'unknown'}"),
        },
    ]
    if bundle is not None and material.version is not None:
        where = f"runs:/{bundle.run.run_id}/{BUNDLE_PATH}"
        sha256 = material.version.bundle_sha256
        hashes = {"hashes": [{"algorithm": "SHA-256", "value": sha256}]} if sha256 else {}
        resources.append(
            {
                "uuid": material.id_of("bundle"),
                "title": title(f"Signed evidence of run {bundle.run.run_id}"),
                "description": title(f"in-toto statement in a DSSE envelope; key ids {', '.join(material.version.key_ids) or 'unknown'}"),
                "rlinks": [{"href": quote(where, safe=":/"), "media-type": "application/vnd.in-toto+json", **hashes}],
            }
        )
        if bundle.model is not None and bundle.model.files:
            files = [
                {"href": quote(f"{bundle.model.uri}/{path}", safe=":/"), "hashes": [{"algorithm": "SHA-256", "value": f.sha256}]}
                for path, f in sorted(bundle.model.files.items())
            ]
            resources.append({"uuid": material.id_of("model files"), "title": "Files of the model", "rlinks": files})
    return {"resources": resources}
