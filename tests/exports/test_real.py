"""Exports from a real MLflow: what the command writes, that it changes nothing, and that the bytes are the runs' own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.cli import main
from aims_mlflow.errors import ConfigurationError, PromotionBlocked
from aims_mlflow.exports import FORMATS, collect, export, make
from aims_mlflow.exports.archives import unzipped
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.promotion import DECISIONS, promote
from aims_mlflow.signing import seal_bundle, verify
from aims_mlflow.store import Store
from aims_mlflow.system import System

TODAY = datetime.now(UTC).date()


@dataclass(frozen=True)
class Home:
    """A store with two versions of a system, a denial of the newer one, and its system file."""

    store: Store
    system: System
    file: Path
    runs: tuple[str, str]


@pytest.fixture(scope="module")
def home(_mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory, made: Any) -> Iterator[Home]:
    """One for all tests here: making the tables and the versions takes seconds, and nothing of an export changes them."""
    import mlflow
    import yaml

    folder = tmp_path_factory.mktemp("exports")
    shutil.copy(_mlflow_template, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "AIMS_HOME")}
    os.environ["AIMS_HOME"] = str(folder / "aims")
    os.environ.pop("AIMS_POLICY_DIR", None)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.create_experiment("tests", artifact_location=(folder / "artifacts").as_uri())
    store = Store(uri, uri)
    content = made.CONTENT | {"gate": {"protects": ["champion"]}}
    system = System.model_validate(content)
    file = folder / "aims.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    runs = tuple(version(store, system, made) for _ in range(2))
    with pytest.raises(PromotionBlocked):
        promote("models:/loans/2", "champion", system=system, store=store)
    yield Home(store, system, file, (runs[0], runs[1]))
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def version(store: Store, system: System, made: Any) -> str:
    """Do what the recorder does, with results made by hand; returns the run."""
    import mlflow

    client = mlflow.MlflowClient()
    run_id = store.create_run("tests", "training", {"aims.system": system.id})
    logged = client.create_logged_model(store.run(run_id).experiment_id, name="model", source_run_id=run_id)
    place = Path(logged.artifact_location.removeprefix("file://"))
    place.mkdir(parents=True)
    (place / "MLmodel").write_text(f"run_id: {run_id}\n")
    client.finalize_logged_model(logged.model_id, "READY")
    uri = f"models:/{logged.model_id}"
    files = {path: {"size": size, "sha256": sha} for path, (size, sha) in store.model_files(uri).items()}
    golden: Bundle = made.bundle(system, made.results(), run_id=run_id, finished=datetime.now(UTC) - timedelta(minutes=1))
    bundle = Bundle.model_validate(golden.model_dump() | {"model": {"uri": uri, "flavour": "sklearn", "files": files}})
    store.write(run_id, CARD_PATH, made.CARD.encode())
    store.write(run_id, BUNDLE_PATH, seal_bundle(bundle))
    store.end_run(run_id)
    store.register(uri, "loans", run_id=run_id, tags={"aims.system": system.id})
    return run_id


def aims(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_writes_every_format(home: Home, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = aims(name, str(home.file), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"{name} of models:/loans/2" in result.stderr
    assert out.stat().st_size > 500


def test_nothing_is_written_to_mlflow(home: Home) -> None:
    def everything() -> list[tuple[str, Any]]:
        runs = [(r.run_id, tuple(sorted(r.tags.items()))) for r in home.store.runs("")]
        return runs + [(v.uri, (v.description, tuple(sorted(v.tags.items())))) for v in home.store.versions("loans")]

    before = everything()
    about = collect(home.system, store=home.store, files="all")
    for name in FORMATS:
        make(name, about)
    assert everything() == before


def test_two_exports_of_a_day_are_the_same_bytes(home: Home) -> None:
    one, other = (collect(home.system, store=home.store, today=TODAY, files="all") for _ in range(2))
    assert [name for name in FORMATS if make(name, one).sha256 != make(name, other).sha256] == []


def test_standard_output_is_the_content(home: Home) -> None:
    result = aims("risk-csv", str(home.file))
    assert result.stdout_bytes.startswith(b'\xef\xbb\xbf"risk_id"')
    assert result.stderr == ""
    binary = aims("audit-pack", str(home.file))
    assert binary.stdout_bytes.startswith(b"PK")


def test_json_describes_what_was_made(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "bill.json"
    described = json.loads(aims("cyclonedx", str(home.file), "--out", str(out), "--json").stdout)
    assert described["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (described["system"], described["version"], described["file"]) == ("golden", "models:/loans/2", str(out))
    assert "content" not in described
    inline = json.loads(aims("model-card", str(home.file), "--json").stdout)
    assert inline["content"].startswith("---\n")
    packed = json.loads(aims("audit-pack", str(home.file), "--json").stdout)
    assert base64.b64decode(packed["content_base64"]).startswith(b"PK")
    assert packed["file_name"] == "golden-audit-pack.zip"


@pytest.mark.parametrize("asked", ["1", "models:/loans/1"])
def test_another_version_can_be_asked_for(home: Home, asked: str) -> None:
    made = json.loads(aims("cyclonedx", str(home.file), "--version", asked).stdout)
    facts = {p["name"]: p["value"] for p in made["metadata"]["properties"] if not p["name"].startswith("aims:open")}
    assert facts["aims:run-id"] == home.runs[0]
    assert "the model's files were hashed again and match" in facts["aims:verification"]
    assert made["metadata"]["component"]["version"] == "1"


def test_by_id_with_the_file_beside_it(home: Home) -> None:
    result = aims("ciso-assistant", "golden", "--system", str(home.file))
    assert result.exit_code == 0, result.output
    assert "Loan decisions" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("oscal", "aims.yaml"), "unknown format 'oscal'"),
        (("cyclone-dx", "aims.yaml"), "did you mean 'cyclonedx'?"),
        (("cyclonedx", "aims.yaml", "--version", "9"), "unknown version '9' Fix: known: 1, 2"),
        (("cyclonedx", "other", "--system", "aims.yaml"), "declares the system 'golden', not 'other'"),
        (("cyclonedx", "No System!"), "neither a file nor the id"),
        (("cyclonedx", "aims.yaml", "--out", "no/such/folder/x"), "the export cannot be written"),
    ],
    ids=["unknown-format", "nearly-a-format", "unknown-version", "other-system", "no-system", "no-folder"],
)
def test_what_cannot_be_exported_is_said(home: Home, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str) -> None:
    monkeypatch.chdir(home.file.parent)
    result = aims(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr, result.stderr
    assert result.stdout == ""


def test_help_lists_the_formats() -> None:
    shown = " ".join(aims("--help").stdout.split())
    for one in FORMATS.values():
        assert one.name in shown
        assert one.what in shown


def test_an_unknown_format_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigurationError, match="unknown format"):
        export("pdf", "no such system")


def test_the_pack_holds_the_runs_own_bytes_and_the_log(home: Home, tmp_path: Path) -> None:
    files = unzipped(export("audit-pack", home.system, store=home.store).content)
    for run_id in home.runs:
        assert files[f"evidence/{run_id}/bundle.dsse.json"] == home.store.read(run_id, BUNDLE_PATH)
        assert files[f"evidence/{run_id}/model_card.md"] == home.store.read(run_id, CARD_PATH)
    for path in home.store.artifacts(home.runs[1], DECISIONS):
        assert files[f"decisions/{home.runs[1]}/{Path(path).name}"] == home.store.read(home.runs[1], path)
    entries = [path for path in files if path.startswith("ledger/log/")]
    assert len(entries) == 1, "the denial is in the log"
    assert Path(entries[0]).name.partition(".")[0] == hashlib.sha256(files[entries[0]]).hexdigest()
    assert json.loads(files["ledger/findings.json"]) == []
    assert b"denial" in files["ledger/INDEX.md"]


def test_an_auditor_verifies_the_pack_without_this_package(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    export("audit-pack", home.system, store=home.store, out=path)
    zipfile.ZipFile(path).extractall(tmp_path)
    envelopes = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.dsse.json"))
    assert {p.parts[0] for p in envelopes} == {"evidence", "decisions", "ledger"}
    for envelope in envelopes:
        command = [sys.executable, "-I", "verify/verify_standalone.py", str(envelope)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{envelope}: {done.stdout}{done.stderr}"


def test_altered_evidence_is_in_the_pack_and_is_not_used(home: Home) -> None:
    """What an administrator changed in the artifact store: the record says so first, and no format takes a number from it."""
    import mlflow

    run_id = home.runs[1]
    place = Path(str(mlflow.MlflowClient().get_run(run_id).info.artifact_uri).removeprefix("file://")) / BUNDLE_PATH
    good = place.read_bytes()
    content = json.loads(good)
    payload = base64.b64decode(content["payload"]).replace(b'"value":0.08', b'"value":0.01')
    place.write_bytes(json.dumps(content | {"payload": base64.b64encode(payload).decode()}, sort_keys=True, separators=(",", ":")).encode())
    try:
        about = collect(home.system, store=home.store, files="all")
        assert about.bundle is None
        files = unzipped(make("audit-pack", about).content)
        assert files[f"evidence/{run_id}/bundle.dsse.json"] == place.read_bytes()
        assert "**broken**" in files["README.md"].decode() or "no signed evidence that could be read" in files["README.md"].decode()
        bill = json.loads(make("cyclonedx", about).content)
        assert bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == []
        attested = json.loads(verify(make("in-toto-test-result", about).content).payload)
        assert attested["predicate"]["result"] == "FAILED"
        assert attested["subject"][0]["name"] == "system/golden"
        with pytest.raises(ConfigurationError, match="no run with believable evidence"):
            make("openlineage", about)
        results = json.loads(make("oscal-assessment-results", about).content)["assessment-results"]["results"][0]
        assert results["props"][2]["value"] == "false"
    finally:
        place.write_bytes(good)
