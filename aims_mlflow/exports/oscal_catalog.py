"""OSCAL catalog: the 38 Annex A controls by id and title, with this project's guidance and what counts as evidence for each."""

from __future__ import annotations

from itertools import groupby

from aims_mlflow import controls as catalogue
from aims_mlflow.exports.inert import json_bytes, markup, sentences
from aims_mlflow.exports.material import Material
from aims_mlflow.exports.oscal_parts import NS, Json, metadata, prop

TOLD_BY = {
    "run": "A run shows it.",
    "run and person": "A run shows part of it; a named person must say the rest.",
    "later phase": "Only a later phase can show it.",
    "person": "Only a named person can say it.",
}


def objective_id(control: str) -> str:
    """Return the id of the objective that findings are about: that the evidence meets what the system file asks."""
    return f"{catalogue.control(control).oscal_id}_evidence"


def build(material: Material) -> bytes:
    """Return the catalog as OSCAL JSON. It is the same for every system but for its head."""
    groups = [
        {
            "id": f"{first.lower()}-group",
            "title": markup(f"{first} {found[0].group_title}"),
            "controls": [_control(c) for c in found],
        }
        for first, found in ((name, list(every)) for name, every in groupby(catalogue.controls(), key=lambda c: c.group))
    ]
    head = metadata(material, "ISO/IEC 42001:2023 Annex A, ids and titles, for the evidence of")
    return json_bytes({"catalog": {"uuid": material.id_of("catalog"), "metadata": head, "groups": groups}})


def _control(control: catalogue.Control) -> Json:
    said = control.guidance
    prose = {
        "A run shows": said.shows,
        "A named person says": said.person,
        "Evidence passes when": said.passes,
        "Evidence fails when": said.fails,
        "Evidence is missing when": said.missing,
        "An auditor samples": said.auditor,
    }
    told = sentences(TOLD_BY[said.told_by], *(f"{what}: {text}" for what, text in prose.items() if text))
    pointers = [("nist-ai-rmf", p) for p in control.nist] + [("eu-ai-act", p) for p in control.eu_ai_act]
    pointers += [("iso", p) for p in control.iso]
    return {
        "id": control.oscal_id,
        "title": markup(control.title),
        "props": [
            {"name": "label", "value": control.id},
            {"name": "sort-id", "value": _sortable(control.id)},
            prop("ciso-assistant-urn", control.urn),
            *(prop("clause", clause) for clause in control.clauses),
            *(prop(f"see-also-{book}", str(pointer)) for book, pointer in pointers),
        ],
        "parts": [
            {
                "id": f"{control.oscal_id}_smt",
                "name": "statement",
                "prose": "The text of the control is ISO's and is not here: see ISO/IEC 42001:2023, Annex A.",
            },
            {
                "id": f"{control.oscal_id}_gdn",
                "name": "guidance",
                "prose": markup(told),
            },
            {
                "id": objective_id(control.id),
                "name": "assessment-objective",
                "ns": NS,
                "prose": (
                    "What the system file asks of a model version under this control is met by evidence and by the word of named persons. "
                    "That says nothing about whether an organisation meets the control."
                ),
            },
        ],
    }


def _sortable(id_: str) -> str:
    head, *numbers = id_.split(".")
    return ".".join([head.lower(), *(f"{int(n):02d}" for n in numbers)])
