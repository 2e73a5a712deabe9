"""The risk register as CSV and as a workbook: every value of the record, unknown where it is, and no cell a formula."""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from typing import Any

import pytest

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.exports import Material, make
from aims_mlflow.exports.inert import FORMULA_STARTS, read_cell
from aims_mlflow.exports.risk_rows import COLUMNS, risk_rows

OF_THE_REGISTER = {
    *("risk_id", "system_id", "model_version", "risk_source", "objective", "event", "cause", "consequence_description", "parties"),
    *("existing_controls", "criteria_ref", "owner", "treatment", "treatment_actions", "review_due", "history"),
}


def rows_of_csv(about: Material) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(make("risk-csv", about).content.decode("utf-8-sig"), newline="")))


def book(about: Material) -> Any:
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(make("risk-xlsx", about).content))


def test_every_entry_is_a_row_with_the_records_values(about: Material) -> None:
    rows = rows_of_csv(about)
    entries = about.record.risks.entries
    assert len(rows) == len(entries) + len(about.record.risks.not_raised)
    for row, entry in zip(rows, entries, strict=False):
        assert read_cell(row["event"]) == entry.event
        assert row["level"] == entry.level.value
        assert row["likelihood_p"] == ("unknown" if entry.likelihood.p is None else repr(entry.likelihood.p))
        assert row["evidence_ids"] == ("; ".join(entry.evidence_ids) or "none")
    assert {row["state"] for row in rows[len(entries) :]} <= {"not raised"}


def test_the_columns_are_those_of_a_register(about: Material) -> None:
    assert set(COLUMNS) >= OF_THE_REGISTER
    assert all(tuple(row) == COLUMNS for row in risk_rows(about))
    assert all(row[name] not in ("", None) for row in risk_rows(about) for name in COLUMNS), "unknown and none are written out"


def test_the_workbook_has_the_same_rows(about: Material) -> None:
    sheet = book(about)["Risk register"]
    read = [[c.value if c.data_type == "s" else float(c.value) for c in row] for row in sheet.iter_rows(min_row=2)]
    numbers = [name for name in COLUMNS if name.startswith("likelihood_p")]
    expected = [[float(row[n]) if n in numbers and row[n][0].isdigit() else row[n] for n in COLUMNS] for row in rows_of_csv(about)]
    assert read == expected


def test_the_workbook_shows_treatments_and_what_is_open(about: Material) -> None:
    made = book(about)
    assert made.sheetnames == ["Risk register", "Open items", "Treatment", "About"]
    assert [c.value for c in made["Open items"]["A"]][1:] == [i.weight for i in about.record.open_items]
    treatments = [[c.value for c in row] for row in made["Treatment"].iter_rows(min_row=2)]
    assert ["2026-02-01", "yes", "train with noise"] in [row[:3] for row in treatments]
    assert any(about.record.risks.sentence == row[1].value for row in made["About"].iter_rows())


def test_numbers_are_numbers_and_texts_are_strings(about: Material) -> None:
    for sheet in book(about):
        for row in sheet.iter_rows():
            for place in row:
                assert place.data_type in ("s", "n")
                assert not (isinstance(place.value, str) and place.value.startswith(FORMULA_STARTS))


def test_the_same_record_gives_the_same_bytes(made: Any, any_material: Material) -> None:
    for name in ("risk-csv", "risk-xlsx"):
        assert make(name, any_material).content == make(name, any_material).content
    archive = zipfile.ZipFile(io.BytesIO(make("risk-xlsx", made.material()).content))
    assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert b"2026-03-10T09:30:00Z</dcterms:modified>" in archive.read("docProps/core.xml")


def test_without_openpyxl_it_is_said_what_to_install(about: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigurationError, match=r"openpyxl is not installed.*Fix: pip install 'aims-mlflow\[exports\]'"):
        make("risk-xlsx", about)


def test_a_system_without_evidence_has_risks_that_nobody_knows(made: Any) -> None:
    rows = rows_of_csv(made.nothing())
    assert rows
    assert {row["level"] for row in rows if row["state"] != "not raised"} == {"undetermined"}
