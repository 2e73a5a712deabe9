"""OSCAL assessment results: what the evidence says about each control of one model version, with observations, risks and people's words."""

from __future__ import annotations

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State
from aims_mlflow.exports.inert import json_bytes, markup, sentences, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.exports.oscal_catalog import objective_id
from aims_mlflow.exports.oscal_parts import (
    NS,
    Json,
    back_matter,
    metadata,
    observations,
    origin,
    prop,
    risk_id,
    risks,
    title,
    tool,
)
from aims_mlflow.records.words import CoverageLine
from aims_mlflow.scorecard import words


def build(material: Material) -> bytes:
    """Return the assessment results as OSCAL JSON."""
    return json_bytes(
        {
            "assessment-results": {
                "uuid": material.id_of("assessment results", material.record.version),
                "metadata": metadata(material, "Evidence on a model version"),
                "import-ap": {
                    "href": f"#{material.id_of('policy')}",
                    "remarks": "There is no assessment plan in OSCAL: what is asked, and by which bounds, stands in the system file.",
                },
                "results": [_result(material)],
                "back-matter": back_matter(material),
            }
        }
    )


def findings(material: Material, *, only_open: bool = False) -> list[Json]:
    """Return one finding for each control that applies, in the catalogue's order; ``only_open``: without those whose evidence passes."""
    wanted = [line for line in material.lines if line.state is not State.NOT_APPLICABLE]
    return [_finding(material, line) for line in wanted if not only_open or line.state is not State.PASS]


def finding_id(material: Material, control: str) -> str:
    """Return the identifier of the finding on a control."""
    return material.id_of("finding", material.record.version, control)


def _result(material: Material) -> Json:
    run = material.bundle.run if material.bundle else None
    made: Json = {
        "uuid": material.id_of("result", material.record.version),
        "title": title(material.record.version, "No model version"),
        "description": title(f"Evidence {words(material.record.state)} over the gated controls. Gate: {material.record.decision}."),
        "start": stamp(run.started if run else material.record.made),
        "end": stamp(run.finished if run else material.record.made),
        "props": [
            prop("state", material.record.state.value),
            prop("highest-risk", material.record.highest_risk.value),
            prop("verified", str(bool(material.version and material.version.verified)).lower()),
        ],
        "local-definitions": {"assessment-assets": tool(material)},
        "reviewed-controls": _reviewed(material),
        "attestations": [_attestation(material, number) for number in range(len(material.record.persons_words))],
        "observations": observations(material),
        "risks": risks(material),
        "findings": findings(material),
        "remarks": markup(material.record.runs.sentence),
    }
    return {key: value for key, value in made.items() if value != []}


def _reviewed(material: Material) -> Json:
    """Return which controls were looked at; those that a named person said do not apply are excluded, with their reason."""
    excluded = [line for line in material.lines if line.state is State.NOT_APPLICABLE]
    selected: Json = {
        "include-controls": [
            {"control-id": catalogue.control(line.control).oscal_id} for line in material.lines if line.state is not State.NOT_APPLICABLE
        ]
    }
    if excluded:
        selected["exclude-controls"] = [{"control-id": catalogue.control(line.control).oscal_id} for line in excluded]
        selected["remarks"] = markup(sentences(*(f"{line.control} does not apply: {line.reason}" for line in excluded)))
    return {"control-selections": [selected]}


def _attestation(material: Material, number: int) -> Json:
    said = material.record.persons_words[number]
    until = f", until {said.expires}" if said.expires else ""
    ended = "; it has expired" if said.expired else ""
    return {
        "responsible-parties": [{"role-id": "attester", "party-uuids": [material.id_of("person", said.by)]}],
        "parts": [
            {
                "uuid": material.id_of("word", str(number), said.kind, said.control, said.by),
                "name": "statement",
                "ns": NS,
                "title": title(f"{said.kind} on {said.control} ({said.about}) by {said.by} on {said.on}{until}{ended}"),
                "prose": title(said.text, "Nothing is said."),
            }
        ],
    }


def _finding(material: Material, line: CoverageLine) -> Json:
    about = material.uuids([*(i for i, e in material.evidence.items() if line.control in e.controls), *line.evidence_ids])
    raised = [e for e in material.record.risks.entries if set(e.evidence_ids) & set(line.evidence_ids)]
    reason = {State.PASS: "pass", State.FAIL: "fail"}.get(line.state, "other")
    made: Json = {
        "uuid": finding_id(material, line.control),
        "title": markup(f"{line.control} {line.title}: evidence {words(line.state)}"),
        "description": title(line.reason, "No reason is given."),
        "props": [prop("state", line.state.value), prop("gated", str(line.gated).lower())],
        "origins": [origin(material)],
        "target": {
            "type": "objective-id",
            "target-id": objective_id(line.control),
            "status": {
                "state": "satisfied" if line.state is State.PASS else "not-satisfied",
                "reason": reason,
                "remarks": markup(f"Evidence {words(line.state)}."),
            },
        },
        "related-observations": [{"observation-uuid": uuid} for uuid in about],
        "related-risks": [{"risk-uuid": risk_id(material, e)} for e in raised],
    }
    if line.fix:
        made["remarks"] = markup(f"To do: {line.fix}")
    return {key: value for key, value in made.items() if value != []}
