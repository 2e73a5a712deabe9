"""The audit pack: one zip with the record, the signed evidence and decisions byte for byte, the log, and the means to verify them.

The same record gives the same bytes: fixed dates, sorted names. ``MANIFEST.sha256`` is read by ``sha256sum -c``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

import aims_mlflow
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import StoreError
from aims_mlflow.evidence import canonical
from aims_mlflow.exports import risk_csv
from aims_mlflow.exports.archives import zipped
from aims_mlflow.exports.audit_readme import VERIFIER, readme
from aims_mlflow.exports.inert import path_part
from aims_mlflow.exports.material import Material
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.records.pages import files_of
from aims_mlflow.signing import PUBLIC_KEY_FIELD
from aims_mlflow.system import System

README, MANIFEST = "README.md", "MANIFEST.sha256"
ENDING = ".dsse.json"
"""How the names of signed files end."""


def build(material: Material) -> bytes:
    """Return the zip.

    Raises:
        StoreError: a bundle changed while it was read.
    """
    files = contents(material)
    files[README] = readme(material, files).encode()
    files[MANIFEST] = manifest(files)
    return zipped(files, first=(README, MANIFEST))


def contents(material: Material) -> dict[str, bytes]:
    """Return everything but the README and the manifest, path -> bytes."""
    files = {f"record/{name}": content for name, content in files_of(material.record).items()}
    files["record/risk-register.csv"] = risk_csv.build(material)
    files |= dict(_evidence(material))
    files |= {f"ledger/{path}": content for path, content in material.ledger.items()}
    files |= _keys(files)
    files |= {f"schemas/{name}": content for name, content in schemas().items()}
    if material.system is not None:
        files["policy/system.json"] = policy_bytes(material.system)
    verifier = standalone_verifier()
    return files | ({VERIFIER: verifier} if verifier is not None else {})


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return a line for each file: its sha256, two spaces, its path."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in sorted(files.items())).encode()


def policy_bytes(system: System) -> bytes:
    """Return the system file's content as canonical JSON: the sha256 of these bytes is the policy digest that evidence names."""
    return canonical(system.content)


def schemas() -> dict[str, bytes]:
    """Return the JSON Schemas of what the package reads and writes, by file name."""
    folder = resources.files("aims_mlflow.data")
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(".schema.json")}


def standalone_verifier() -> bytes | None:
    """Return the second verifier, which needs nothing of this package; None where this installation does not have it."""
    packed = resources.files("aims_mlflow.data").joinpath("verify_standalone.py")
    if packed.is_file():
        return packed.read_bytes()
    checkout = Path(aims_mlflow.__file__).resolve().parents[1] / "docs" / "verify_standalone.py"
    return checkout.read_bytes() if checkout.is_file() else None


def _evidence(material: Material) -> Iterator[tuple[str, bytes]]:
    """Yield bundles, decisions and cards as the runs hold them, and beside each envelope what it says, decoded for reading."""
    expected = {v.run_id: v.bundle_sha256 for v in material.record.versions if v.bundle_sha256}
    for key, content in material.files.items():
        run_id, _, path = key.partition("/")
        if path == BUNDLE_PATH and expected.get(run_id, "") not in ("", hashlib.sha256(content).hexdigest()):
            raise StoreError("the bundle changed while it was read", where=f"run {run_id}", fix="export again, and find out who changed it")
        folder = "evidence" if path in (BUNDLE_PATH, CARD_PATH) else "decisions"
        place = f"{folder}/{path_part(run_id)}/{path_part(Path(path).name, ENDING)}"
        yield place, content
        said = _payload(content) if place.endswith(ENDING) else None
        if said is not None:
            yield f"{place.removesuffix(ENDING)}.decoded.json", said


def _payload(envelope: bytes) -> bytes | None:
    """Return what an envelope says; None where it says nothing that can be decoded."""
    try:
        return base64.b64decode(json.loads(envelope)["payload"], validate=True)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _keys(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the public keys that the envelopes carry, by key id. They give no trust: whose they are must be known by another way."""
    found: dict[str, bytes] = {}
    for path, content in files.items():
        if not path.endswith(ENDING):
            continue
        try:
            signatures = json.loads(content)["signatures"]
            found |= {
                f"keys/{path_part(str(s['keyid']))}.pub": str(s[PUBLIC_KEY_FIELD]).encode() for s in signatures if PUBLIC_KEY_FIELD in s
            }
        except (KeyError, TypeError, ValueError, RecursionError):  # foreign bytes; also a key that UTF-8 cannot hold
            continue
    return found
