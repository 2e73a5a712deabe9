"""Thirty hostile texts as every name and word that a person or a run may write: nothing runs, nothing is lost, everything is valid."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from aims_mlflow.exports import FORMATS, Material, make
from aims_mlflow.exports.inert import FORMULA_STARTS, markup, read_cell
from aims_mlflow.scorecard import plain, visible
from aims_mlflow.signing import verify

JSON = ("oscal-catalog", "oscal-assessment-results", "oscal-poam", "cyclonedx")


def texts(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [t for key, value in content.items() for t in (key, *texts(value))]
    if isinstance(content, list):
        return [t for one in content for t in texts(one)]
    return [content] if isinstance(content, str) else []


def test_there_are_thirty(made: Any) -> None:
    assert len(set(made.HOSTILE)) == 30


def test_json_is_valid_by_the_formats_own_readers_and_holds_the_text(spoilt: Material, hostile: str, tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from trestle.oscal.assessment_results import AssessmentResults
    from trestle.oscal.poam import PlanOfActionAndMilestones

    written = {name: make(name, spoilt).content for name in JSON}
    for content in written.values():
        assert not re.search(rb"[<>&]", content), "safe within a page"
    readers: dict[str, Any] = {"oscal-assessment-results": AssessmentResults, "oscal-poam": PlanOfActionAndMilestones}
    for name, reader in readers.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(written[name])
        assert reader.oscal_read(path) is not None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written["cyclonedx"].decode()) is None

    bill = json.loads(written["cyclonedx"])
    assert hostile in bill["metadata"]["component"]["modelCard"]["considerations"]["useCases"]
    assert bill["metadata"]["component"]["description"] == hostile
    assert any(p["name"] == f"aims:column:{hostile}" for c in bill["components"] for p in c.get("properties", []))
    for name in ("oscal-assessment-results", "oscal-poam"):
        assert any(markup(hostile) in text for text in texts(json.loads(written[name]))), name


def test_the_attestation_and_the_events_hold_the_text(spoilt: Material, hostile: str) -> None:
    payload = json.loads(verify(make("in-toto-test-result", spoilt).content).payload)
    assert any(hostile in text for text in texts(payload["predicate"]))
    lines = make("openlineage", spoilt).content.decode().split("\n")
    assert len(lines) == 3, "two events and the end: no text breaks a line"
    events = [json.loads(line) for line in lines[:2]]
    assert {f["name"] for e in events for i in e["inputs"] for f in i["facets"]["schema"]["fields"]} == {hostile, "paid"}


def test_no_cell_is_a_formula_and_every_cell_reads_back(spoilt: Material, hostile: str) -> None:
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    content = make("risk-csv", spoilt).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content, newline="")))
    assert len({len(row) for row in rows}) == 1, "no text makes a cell or a row of its own"
    cells = [value for row in rows for value in row]
    assert not [value for value in cells if value.startswith(FORMULA_STARTS)]
    assert hostile in {read_cell(value) for value in cells}

    with zipfile.ZipFile(io.BytesIO(make("risk-xlsx", spoilt).content)) as archive:
        sheets = b"".join(archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/"))
        assert b"<f>" not in sheets
        assert b"<f " not in sheets
    book = load_workbook(io.BytesIO(make("risk-xlsx", spoilt).content))
    values = [place.value for sheet in book for row in sheet.iter_rows() for place in row]
    assert {place.data_type for sheet in book for row in sheet.iter_rows() for place in row} <= {"s", "n"}
    assert not [value for value in values if isinstance(value, str) and value.startswith(FORMULA_STARTS)]
    assert hostile in {read_cell(unescape(value)) for value in values if isinstance(value, str)}

    assessed = list(csv.reader(io.StringIO(make("ciso-assistant", spoilt).content.decode(), newline="")))
    assert len(assessed) == 39
    assert not [value for row in assessed for value in row if value.startswith(FORMULA_STARTS)]
    assert any(hostile in value for row in assessed for value in row)


def test_the_card_shows_the_text_and_its_metadata_hold_it(spoilt: Material, hostile: str) -> None:
    from huggingface_hub import ModelCard

    text = make("model-card", spoilt).content.decode()
    card = ModelCard(text)
    data: Any = card.data
    assert data.model_name == hostile
    assert card.data.to_dict()["license"] == "unknown", "no text becomes metadata"
    body = text.split("\n---\n", 1)[1]
    assert plain(hostile) in body
    assert "<" not in body.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\]\(", body)


def test_the_pack_has_safe_paths_and_shows_the_text(spoilt: Material, hostile: str) -> None:
    content = make("audit-pack", spoilt).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", name)
            assert ".." not in name.split("/")
        readme = archive.read("README.md").decode()
        assert plain(hostile) in readme
        assert "<" not in readme.replace("&lt;", "")
        record = json.loads(archive.read("record/record.json"))
        assert record["system"]["name"] == hostile
        assert visible(hostile) or hostile == ""


def test_every_format_is_looked_at_here() -> None:
    others = {"in-toto-test-result", "openlineage", "risk-csv", "risk-xlsx", "ciso-assistant", "model-card", "audit-pack"}
    assert set(FORMATS) == {*JSON, *others}
