"""The audit pack: signed files byte for byte, a README that leads with what is missing, and verification by what is in it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import StoreError
from aims_mlflow.exports import Material, make
from aims_mlflow.exports.archives import unzipped
from aims_mlflow.exports.audit_pack import schemas
from aims_mlflow.records.words import SystemRecord


def packed(about: Material) -> dict[str, bytes]:
    return unzipped(make("audit-pack", about).content)


def test_the_same_record_gives_the_same_bytes_with_one_date(any_material: Material) -> None:
    content = make("audit-pack", any_material).content
    assert content == make("audit-pack", any_material).content
    entries = zipfile.ZipFile(io.BytesIO(content)).infolist()
    assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert [e.filename for e in entries][:2] == ["README.md", "MANIFEST.sha256"]
    assert [e.filename for e in entries][2:] == sorted(e.filename for e in entries[2:])


def test_signed_files_are_there_byte_for_byte(about: Material) -> None:
    files = packed(about)
    run = about.version.run_id if about.version else ""
    assert files[f"evidence/{run}/bundle.dsse.json"] == about.file(run, BUNDLE_PATH)
    decisions = [path for path in files if path.startswith("decisions/") and path.endswith(".dsse.json")]
    assert len(decisions) == 1
    assert files[decisions[0]] in about.files.values()
    assert json.loads(files[f"evidence/{run}/bundle.decoded.json"])["predicate"]["system_id"] == "golden"


def test_the_record_is_there_in_three_forms(any_material: Material) -> None:
    files = packed(any_material)
    assert SystemRecord.model_validate_json(files["record/record.json"]) == any_material.record
    assert files["record/record.html"].startswith(b"<!doctype html>")
    assert files["record/record.md"].startswith(b"#")


def test_the_manifest_covers_everything(any_material: Material, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(make("audit-pack", any_material).content)).extractall(tmp_path)
    done = subprocess.run(["sha256sum", "-c", "--strict", "MANIFEST.sha256"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = {line.split("  ", 1)[1] for line in (tmp_path / "MANIFEST.sha256").read_text().splitlines()}
    assert listed == set(packed(any_material)) - {"MANIFEST.sha256"}


def test_the_policy_is_the_one_that_evidence_names(about: Material) -> None:
    assert about.bundle is not None
    assert hashlib.sha256(packed(about)["policy/system.json"]).hexdigest() == about.bundle.policy_sha256


def test_the_schemas_are_those_of_the_package(about: Material) -> None:
    import jsonschema

    files = packed(about)
    assert {f"schemas/{name}" for name in schemas()} == {p for p in files if p.startswith("schemas/")}
    run = about.version.run_id if about.version else ""
    statement = json.loads(files[f"evidence/{run}/bundle.decoded.json"])
    for content, name in ((json.loads(files["record/record.json"]), "record"), (statement["predicate"], "bundle")):
        validator = jsonschema.Draft202012Validator(json.loads(files[f"schemas/{name}.schema.json"]))
        assert [f"{error.json_path}: {error.validator}" for error in validator.iter_errors(content)] == []


def test_an_auditor_verifies_with_what_is_in_the_pack(about: Material, tmp_path: Path) -> None:
    """As the README says: unpack, run the standalone verifier, without this package on the path."""
    zipfile.ZipFile(io.BytesIO(make("audit-pack", about).content)).extractall(tmp_path)
    for path in sorted(tmp_path.rglob("*.dsse.json")):
        command = [sys.executable, "-I", "verify/verify_standalone.py", str(path.relative_to(tmp_path))]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "HOLDS" in done.stdout
        assert any(key.stem in done.stdout for key in (tmp_path / "keys").iterdir())


def test_the_readme_leads_with_what_is_missing(about: Material) -> None:
    text = packed(about)["README.md"].decode()
    assert text.index("## 1. What is missing") < text.index("## 2. Which file says what") < text.index("## 4. How to verify")
    for item in about.record.open_items:
        assert f"- **{item.weight}**: " in text
    assert "this registry has no log" in text
    assert "python3 verify/verify_standalone.py evidence/" in text


def test_every_file_that_the_readme_names_is_there_or_said_to_be_absent(any_material: Material) -> None:
    files = packed(any_material)
    for line in files["README.md"].decode().splitlines():
        if line.startswith("| `"):
            path, says = line.split("`")[1], line
            there = path in files or any(p.startswith(path) for p in files if path.endswith("/"))
            assert there != ("not in this pack" in says), line


def test_without_anything_the_pack_says_so(made: Any) -> None:
    text = packed(made.nothing(known=False))["README.md"].decode()
    assert "no system file was found" in text
    assert "no run has left evidence; there is no bundle in this pack" in text
    assert "no decision of the gate is recorded" in text


def test_the_log_is_in_it(about: Material) -> None:
    given = Material(about.record, about.read, about.files, {"INDEX.md": b"# log", "log/ab/x.dsse.json": b"{}", "findings.json": b"[]"})
    files = packed(given)
    assert files["ledger/INDEX.md"] == b"# log"
    assert files["ledger/log/ab/x.dsse.json"] == b"{}"
    assert "it speaks of other systems as well" in files["README.md"].decode()


def test_a_bundle_that_changed_while_it_was_read_is_refused(about: Material) -> None:
    run = about.version.run_id if about.version else ""
    files = {**about.files, f"{run}/{BUNDLE_PATH}": about.files[f"{run}/{BUNDLE_PATH}"] + b" "}
    with pytest.raises(StoreError, match="changed while it was read"):
        packed(Material(about.record, about.read, files))


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a\\..\\b", "C:x", "..", "x" * 400, "\u202e"], ids=range(7))
def test_paths_are_safe_whatever_the_files_are_called(about: Material, name: str) -> None:
    files = {**about.files, f"{name}/aims/decisions/{name}.dsse.json": b"{}"}
    for path in packed(Material(about.record, about.read, files)):
        parts = path.split("/")
        assert all(part and part not in (".", "..") and not part.startswith(".") for part in parts), path
        assert path.isascii()
        assert not any(c in path for c in '\\:*?"<>|')
