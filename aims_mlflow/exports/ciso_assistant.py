"""Requirement assessments for CISO Assistant: one row a control, by the URN of its library ``iso42001-2023``, to import as an audit.

Columns and values are those of its data import wizard (docs/guide/data-import-wizard.md, Audits) and of its command line's
``import-audit``, as they stood in 2026. Its positive result is never filled in: that a control is met is for a person to say.
"""

from __future__ import annotations

from aims_mlflow import controls as catalogue
from aims_mlflow.evidence import State
from aims_mlflow.exports.inert import stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.exports.risk_csv import csv_bytes
from aims_mlflow.exports.risk_rows import Row
from aims_mlflow.records.words import CoverageLine
from aims_mlflow.scorecard import words

COLUMNS = ("urn", "assessable", "ref_id", "name", "description", "compliance_result", "requirement_progress", "score", "observations")

RESULTS = {State.FAIL: "non_compliant", State.NOT_APPLICABLE: "not_applicable"}
"""What evidence can say in CISO Assistant's words; everything else is ``not_assessed`` until a person has looked."""

PROGRESS = {State.PASS: "in_review", State.WAIVED: "in_review", State.NOT_APPLICABLE: "done", State.MISSING: "to_do"}
"""How far it is; whatever is not named here is ``in_progress``."""


def build(material: Material) -> bytes:
    """Return the rows as CSV, in the catalogue's order, all 38 of them."""
    return csv_bytes(COLUMNS, [_row(material, line) for line in material.lines], mark=False)


def _row(material: Material, line: CoverageLine) -> Row:
    control = catalogue.control(line.control)
    return {
        "urn": control.urn,
        "assessable": "true",
        "ref_id": control.id,
        "name": control.title,
        "description": "",
        "compliance_result": RESULTS.get(line.state, "not_assessed"),
        "requirement_progress": PROGRESS.get(line.state, "in_progress"),
        "score": "",  # evidence has no maturity
        "observations": _observations(material, line),
    }


def _observations(material: Material, line: CoverageLine) -> str:
    parts = [
        f"Evidence {words(line.state)}: {line.reason or 'no reason is given'}",
        f"To do: {line.fix}" if line.fix else "",
        f"System {material.name} ({material.record.system.id}), version {material.record.version or 'none'}, "
        f"record of {stamp(material.record.made)}",
        f"Evidence ids: {', '.join(line.evidence_ids)}" if line.evidence_ids else "No evidence is cited",
    ]
    return "\n".join(part for part in parts if part)
