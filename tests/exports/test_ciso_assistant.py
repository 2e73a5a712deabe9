"""Requirement assessments for CISO Assistant: its columns and values, all controls by URN, and never its positive result."""

from __future__ import annotations

import csv
import io

import pandas as pd

from aims_mlflow.controls import controls
from aims_mlflow.evidence import State
from aims_mlflow.exports import Material, make

RESULTS = {"not_assessed", "partially_compliant", "non_compliant", "not_applicable"}
"""The values that its import takes, without the positive one."""

PROGRESS = {"to_do", "in_progress", "in_review", "done"}


def rows(about: Material) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(make("ciso-assistant", about).content.decode(), newline="")))


def test_all_controls_are_there_by_urn(any_material: Material) -> None:
    found = rows(any_material)
    assert [(r["urn"], r["ref_id"]) for r in found] == [(c.urn, c.id) for c in controls()]
    assert all(r["urn"] == f"urn:intuitem:risk:req_node:iso42001-2023:{r['ref_id'].lower()}" for r in found)
    assert {r["assessable"] for r in found} == {"true"}


def test_results_are_those_that_evidence_can_say(any_material: Material) -> None:
    for row, line in zip(rows(any_material), any_material.lines, strict=True):
        assert row["compliance_result"] in RESULTS
        assert row["requirement_progress"] in PROGRESS
        assert (row["compliance_result"] == "non_compliant") == (line.state is State.FAIL)
        assert (row["requirement_progress"] == "to_do") == (line.state is State.MISSING)
        assert row["score"] == ""
        assert line.reason in row["observations"]


def test_it_is_read_as_its_command_line_reads_it(about: Material) -> None:
    """It tries semicolons first, then commas, and looks for the columns ``urn`` and ``ref_id``."""
    content = make("ciso-assistant", about).content
    first = pd.read_csv(io.BytesIO(content), delimiter=";", on_bad_lines="skip")
    assert "urn" not in first.columns
    frame = pd.read_csv(io.BytesIO(content))
    assert {"urn", "ref_id", "compliance_result", "requirement_progress", "observations", "score"} <= set(frame.columns)
    assert len(frame) == 38
    assert frame["score"].isna().all()
