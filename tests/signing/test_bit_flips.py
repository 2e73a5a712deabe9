"""Single-bit flips, over 10,000 of them: of envelopes, of the manifest in them, of model files and of their names.

What detected means here:

- of an envelope: ``verify`` raises. Not one flip is let pass because it would mean the same: an envelope has one way to be written.
- of the manifest (sizes, digests and paths in the bundle's predicate), signed anew by the same key, as only its owner could: the
  statement is refused, since its subjects no longer follow from it, or the comparison with the model's files names a difference.
- of a model's file, byte by byte, and of the files' names: the comparison with the bundle names a difference.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from aims_mlflow import signing
from aims_mlflow.errors import VerificationError
from aims_mlflow.evidence import canonical
from aims_mlflow.fingerprint import manifest
from aims_mlflow.gate import file_differences
from docs import verify_standalone as second
from tests.golden import make

ROOT = Path(__file__).parents[2]


PAYLOAD_FLIPS = 4_000
"""So many bits of a payload are drawn, of some 40,000; every bit of everything else is flipped."""


def flipped(content: bytes, bits: Iterator[int] | list[int] | range) -> Iterator[bytes]:
    for bit in bits:
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        yield bytes(spoilt)


def bits_of(envelope: bytes) -> list[int]:
    """Return every bit outside the payload, its first and last 32 characters, and a draw of those within."""
    payload = json.loads(envelope)["payload"].encode()
    start = envelope.index(payload)
    within = range((start + 32) * 8, (start + len(payload) - 32) * 8)
    outside = [bit for bit in range(len(envelope) * 8) if bit not in within]
    return outside + random.Random(4).sample(within, min(PAYLOAD_FLIPS, len(within)))  # noqa: S311 - no secret


def accepted(envelope: bytes) -> bool:
    try:
        signing.verify(envelope)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("name", ["bundles/good-bundle", "bundles/good-two-signatures", "decisions/good-denied", "kept/good-ecdsa"])
def test_no_flip_of_an_envelope_is_accepted(name: str) -> None:
    envelope = (ROOT / "tests" / "golden" / f"{name}.dsse.json").read_bytes()
    assert accepted(envelope)
    bits = bits_of(envelope)
    assert len(bits) >= 5_000
    assert [spoilt for spoilt in flipped(envelope, bits) if accepted(spoilt)] == []


def test_the_second_verifier_accepts_none_either() -> None:
    envelope = (ROOT / "tests" / "golden" / "bundles" / "good-bundle.dsse.json").read_bytes()
    bits = random.Random(5).sample(bits_of(envelope), 2_000)  # noqa: S311 - no secret
    for spoilt in flipped(envelope, bits):
        with pytest.raises(second.REFUSALS):
            second.read(second.opened(spoilt)[0])


def test_no_flip_of_the_manifest_agrees_with_the_model() -> None:
    """Whoever has the key can sign another manifest; it is then about other files, and says so."""
    statement = canonical(make.of_files().statement())
    present = {path: (len(said), make.hashlib.sha256(said).hexdigest()) for path, said in make.MODEL.items()}
    text = canonical(make.of_files().statement()["predicate"]["model"]["files"])
    start = statement.index(text)
    seen = 0
    for spoilt in flipped(statement, range(start * 8, (start + len(text)) * 8)):
        seen += 1
        try:
            bundle, _ = signing.open_bundle(signing.sign(spoilt, key=make.key()))
        except VerificationError:
            continue
        assert bundle.model is not None
        assert file_differences(bundle.model, present)
    assert seen >= 1_000


def test_no_flip_of_a_models_file_or_of_its_name_goes_unseen(tmp_path: Path) -> None:
    model = make.of_files().model
    for path, said in make.MODEL.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(said)
    assert file_differences(model, manifest(tmp_path)) == ""
    for path, said in make.MODEL.items():
        for spoilt in flipped(said, range(len(said) * 8)):
            (tmp_path / path).write_bytes(spoilt)
            assert file_differences(model, manifest(tmp_path)) == f"changed {path}"
        (tmp_path / path).write_bytes(said)
    for spoilt in flipped(b"MLmodel", range(7 * 8)):
        if b"/" in spoilt or not spoilt.decode("latin-1").isprintable() or max(spoilt) > 126:
            continue  # names that a file cannot have here, or that the manifest refuses
        other = tmp_path / spoilt.decode()
        (tmp_path / "MLmodel").rename(other)
        assert file_differences(model, manifest(tmp_path)) == f"renamed MLmodel to {spoilt.decode()}"
        other.rename(tmp_path / "MLmodel")
