"""The risk register as a workbook (openpyxl): every text a string cell that no spreadsheet runs, the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.exports.archives import unzipped, zipped
from aims_mlflow.exports.inert import LONGEST_CELL, cell, figure, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.exports.risk_rows import COLUMNS, Row, day, risk_rows

if TYPE_CHECKING:
    from openpyxl import Workbook  # type: ignore[import-untyped]  # openpyxl ships no types

CUT = " … (cut here: a cell holds no more; the record has it all)"
WIDE = frozenset(
    ("event", "cause", "consequence_description", "likelihood_reason", "treatment_actions", "indicators", "to_do", "what", "why")
)
"""Columns that hold sentences."""


def build(material: Material) -> bytes:
    """Return the workbook: the register, what is open, the treatments, and what the sheets are.

    Raises:
        ConfigurationError: openpyxl is not installed.
    """
    book = _workbook()
    book.remove(book.worksheets[0])
    _sheet(book, "Risk register", COLUMNS, risk_rows(material))
    _sheet(book, "Open items", ("weight", "what", "why", "to_do", "evidence_ids"), _open(material))
    _sheet(book, "Treatment", ("due", "overdue", "action", "option", "owner", "status", "done_on", "control", "risk"), _treatment(material))
    _sheet(book, "About", ("what", "value"), _about(material))
    made = material.record.made.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    book.properties.creator = "aims-mlflow"
    book.properties.created = book.properties.modified = made
    content = io.BytesIO()
    book.save(content)
    files = unzipped(content.getvalue())
    core = "docProps/core.xml"  # openpyxl writes the time of saving there
    time = rb"(<dcterms:modified[^>]*>)[^<]*"
    files[core] = re.sub(time, rb"\g<1>" + stamp(material.record.made).encode(), files[core])
    return zipped(files, first=("[Content_Types].xml",))


def _workbook() -> Workbook:
    try:
        from openpyxl import Workbook
    except ImportError:
        raise ConfigurationError(
            "openpyxl is not installed, which writes workbooks",
            where="risk-xlsx",
            fix="pip install 'aims-mlflow[exports]', or take risk-csv, which has the same rows",
        ) from None
    return Workbook()


def _sheet(book: Workbook, name: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    from openpyxl.styles import Alignment, Font  # type: ignore[import-untyped]  # as above
    from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]  # as above

    sheet: Any = book.create_sheet(name)
    for across, column in enumerate(columns, 1):
        _write(sheet.cell(1, across), column)
        sheet.cell(1, across).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(across)].width = 48 if column in WIDE else 18
    for down, row in enumerate(rows, 2):
        for across, column in enumerate(columns, 1):
            _write(sheet.cell(down, across), row[column])
            sheet.cell(down, across).alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions


def _write(place: Any, value: str | float) -> None:
    """Write a number as a number and any text as a string, whatever it begins with."""
    place.value = fitting(value) if isinstance(value, str) else figure(value)  # openpyxl cuts a number to 16 digits
    place.data_type = "s" if isinstance(value, str) else "n"  # not what openpyxl guesses, which may be a formula or an error
    if isinstance(value, str):
        place.number_format = "@"


def fitting(text: str) -> str:
    """Return a text as a cell of a workbook: no formula, what XML cannot hold escaped as the format does it, cut visibly if too long.

    ``openpyxl.utils.escape.unescape`` and ``inert.read_cell`` take it back (ECMA-376, 22.9.2.19 ST_Xstring).
    """
    whole = re.sub("_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", cell(text))
    whole = re.sub("[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda found: f"_x{ord(found[0]):04X}_", whole)
    return whole if len(whole) <= LONGEST_CELL else whole[: LONGEST_CELL - len(CUT)] + CUT


def _open(material: Material) -> list[Row]:
    return [
        {
            "weight": item.weight,
            "what": item.what,
            "why": item.why or "none",
            "to_do": item.fix or "none",
            "evidence_ids": "; ".join(item.evidence_ids) or "none",
        }
        for item in material.record.open_items
    ]


def _treatment(material: Material) -> list[Row]:
    rows = [
        {
            "due": day(action.due, "unknown"),
            "overdue": "yes" if action.overdue else "no",
            "action": action.action,
            "option": action.option,
            "owner": action.owner or "unknown",
            "status": action.status,
            "done_on": day(action.done_on),
            "control": action.control_id or "none",
            "risk": entry.event,
        }
        for entry in material.record.risks.entries
        for action in entry.treatment_actions
    ]
    return sorted(rows, key=lambda row: row["due"])


def _about(material: Material) -> list[Row]:
    record = material.record
    facts = {
        "system": material.name,
        "system id": record.system.id,
        "owner": record.system.owner or "unknown",
        "version": record.version or "none",
        "highest risk": record.highest_risk.value,
        "gate": record.decision,
        "criteria": record.risks.criteria_ref,
        "criteria adopted by": record.risks.criteria_adopted_by or "nobody",
        "record made": stamp(record.made),
        "made by": record.collector,
        "how to read likelihood": record.risks.sentence,
        "cells": "A text that could be run as a formula, or that begins with an apostrophe, has an apostrophe before it.",
    }
    return [{"what": name, "value": value} for name, value in facts.items()]
