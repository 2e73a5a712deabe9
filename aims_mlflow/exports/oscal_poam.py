"""OSCAL plan of action and milestones: what is open on the system, what to do about it, and the risks that are to be treated."""

from __future__ import annotations

from aims_mlflow.evidence import State
from aims_mlflow.exports.inert import json_bytes, markup, sentences, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.exports.oscal_parts import (
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
from aims_mlflow.exports.oscal_results import finding_id, findings
from aims_mlflow.exports.risk_rows import in_words
from aims_mlflow.records.risk_words import Level, RiskRecord
from aims_mlflow.records.words import OpenItem


def build(material: Material) -> bytes:
    """Return the plan as OSCAL JSON: open items in the record's order (what is broken or blocks first), then risks to be treated."""
    made: Json = {
        "uuid": material.id_of("poam", material.record.version),
        "metadata": metadata(material, "What is open"),
        "system-id": {"identifier-type": "urn:aims-mlflow:system", "id": material.record.system.id},
        "local-definitions": {"components": tool(material)["components"], "assessment-assets": tool(material)},
        "observations": _cited(material),
        "risks": risks(material),
        "findings": findings(material, only_open=True),
        "poam-items": _items(material),
        "back-matter": back_matter(material),
    }
    return json_bytes({"plan-of-action-and-milestones": {key: value for key, value in made.items() if value != []}})


def _cited(material: Material) -> list[Json]:
    """Return the observations that an item, a risk or a finding of the plan rests on."""
    wanted = {
        related["observation-uuid"]
        for one in (*_items(material), *risks(material), *findings(material, only_open=True))
        for related in one.get("related-observations", [])
    }
    return [one for one in observations(material) if one["uuid"] in wanted]


def _items(material: Material) -> list[Json]:
    found = [_open(material, item, number) for number, item in enumerate(material.record.open_items)]
    found += [_treated(material, entry) for entry in material.record.risks.entries if entry.level is not Level.LOW]
    nothing = {
        "uuid": material.id_of("nothing open"),
        "title": "Nothing is open",
        "description": "The record lists no open item and no risk above low. OSCAL asks for at least one item.",
    }
    return found or [nothing]


def _open(material: Material, item: OpenItem, number: int) -> Json:
    cited = [material.evidence[i] for i in item.evidence_ids if i in material.evidence]
    controls = {control for evidence in cited for control in evidence.controls}
    earlier = sum((i.weight, i.what) == (item.weight, item.what) for i in material.record.open_items[:number])
    related = [line for line in material.lines if line.control in controls and line.state not in (State.PASS, State.NOT_APPLICABLE)]
    made: Json = {
        "uuid": material.id_of("open", item.weight, item.what, *([str(earlier)] if earlier else [])),
        "title": title(item.what),
        "description": title(sentences(item.why, f"To do: {item.fix}" if item.fix else ""), "Nobody has said more."),
        "props": [prop("weight", item.weight), prop("order", str(number + 1)), *(prop("evidence-id", i) for i in item.evidence_ids)],
        "origins": [origin(material)],
        "related-findings": [{"finding-uuid": finding_id(material, line.control)} for line in related],
        "related-observations": [{"observation-uuid": uuid} for uuid in material.uuids(item.evidence_ids)],
    }
    return {key: value for key, value in made.items() if value != []}


def _treated(material: Material, entry: RiskRecord) -> Json:
    due = [a.due for a in entry.treatment_actions if a.due and a.status != "done"]
    actions = "; ".join(map(in_words, entry.treatment_actions))
    made: Json = {
        "uuid": material.id_of("treat", entry.risk_id),
        "title": title(entry.event),
        "description": title(
            f"Level {entry.level.value.replace('_', ' ')}, {entry.state.value}. Treatment: {entry.treatment or 'none declared'}. "
            f"Actions: {actions or 'none declared'}. Owner: {entry.owner or 'unknown'}." + (f" To do: {entry.fix}" if entry.fix else "")
        ),
        "props": [prop("level", entry.level.value), prop("risk-id", entry.risk_id), *([prop("due", stamp(min(due)))] if due else [])],
        "origins": [origin(material)],
        "related-risks": [{"risk-uuid": risk_id(material, entry)}],
        "remarks": markup(material.record.risks.sentence),
    }
    return made
