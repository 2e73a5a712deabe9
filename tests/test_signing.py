"""Envelopes and keys: what is accepted, and that nothing that was touched is."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from aims_mlflow import signing
from aims_mlflow.bundle import PAYLOAD_TYPE
from aims_mlflow.errors import ConfigurationError, VerificationError

PAYLOAD = b'{"said": "as it was"}'


@pytest.fixture
def envelope() -> bytes:
    return signing.sign(PAYLOAD)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return signing.sign(PAYLOAD, key=signing.new_key(tmp_path_factory.mktemp("kept") / "key.pem"))


def changed(envelope: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(envelope) | changes).encode()


def signature(envelope: bytes, **changes: Any) -> bytes:
    first, *rest = json.loads(envelope)["signatures"]
    return changed(envelope, signatures=[{k: v for k, v in (first | changes).items() if v is not None}, *rest])


class TestEnvelope:
    def test_what_was_signed_comes_back(self, envelope: bytes) -> None:
        verified = signing.verify(envelope)
        assert verified.payload == PAYLOAD
        assert verified.key_ids == (signing.signing_key().id,)
        assert verified.sha256 == hashlib.sha256(envelope).hexdigest()
        assert not verified.trusted
        assert verified.development

    def test_securesystemslib_reads_it(self, envelope: bytes) -> None:
        key = signing.signing_key()
        public = key.signer.public_key
        assert isinstance(public, SSlibKey)
        assert Envelope.from_dict(json.loads(envelope)).verify([public], 1) == {key.id: public}

    def test_what_securesystemslib_signs_is_accepted_with_its_key_in_the_key_directory(self) -> None:
        signer = CryptoSigner.generate_ecdsa()
        foreign = Envelope(PAYLOAD, PAYLOAD_TYPE, {})
        foreign.sign(signer)
        content = json.dumps(foreign.to_dict()).encode()
        with pytest.raises(VerificationError, match="unknown key"):
            signing.verify(content)
        folder = signing.home() / "keys"
        folder.mkdir(parents=True)
        (folder / "theirs.pub").write_text(signer.public_key.keyval["public"])
        assert signing.verify(content).key_ids == (signer.public_key.keyid,)
        assert not signing.verify(content).development

    def test_bytes_that_are_not_canonical_do_not_matter(self, envelope: bytes) -> None:
        content = json.loads(envelope)
        content["signatures"][0]["sig"] = content["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
        spread = json.dumps(dict(reversed(content.items())), indent=3).encode() + b"\n"
        assert signing.verify(spread).payload == PAYLOAD

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda _: b"not json", "is not JSON"),
            (lambda e: b"\xff\xfe" + e, "is not JSON"),
            (lambda _: b"[" * 100_000, "is not JSON"),
            (lambda e: e.replace(b'"payload":', b'"x": NaN, "payload":', 1), "is not JSON"),
            (lambda _: b"[]", "not a DSSE envelope"),
            (lambda e: changed(e, payload=None), "not a DSSE envelope"),
            (lambda e: changed(e, signatures="none"), "not a DSSE envelope"),
            (lambda e: e.replace(b'"payload":', b'"payload": "eyJ9", "payload":', 1), "repeated JSON key"),
            (lambda e: e.replace(b'"keyid":', b'"keyid": "0", "keyid":', 1), "repeated JSON key"),
            (lambda e: changed(e, payloadType="application/json"), "payload type is not"),
            (lambda e: changed(e, signatures=[]), "is not signed"),
            (lambda e: changed(e, signatures=[{"keyid": "a" * 64}]), "no keyid or no sig"),
            (lambda e: changed(e, signatures=["x"]), "no keyid or no sig"),
            (lambda e: changed(e, signatures=json.loads(e)["signatures"] * 2), "name the same key"),
            (lambda e: changed(e, signatures=json.loads(e)["signatures"] * 17), "more than 16 signatures"),
            (lambda e: signature(e, keyid="../../etc"), "not 64 hex digits"),
            (lambda e: signature(e, keyid="0" * 64), "not the one that the signature names"),
            (lambda e: signature(e, keyid="0" * 64, public_key=None), "unknown key"),
            (lambda e: signature(e, public_key=7), "not the one that the signature names"),
            (lambda e: signature(e, public_key="-----BEGIN NONSENSE-----"), "not the one that the signature names"),
            (lambda e: signature(e, sig="***"), "is not base64"),
            (lambda e: signature(e, sig=""), "has been altered"),
            (lambda e: changed(e, payload="***"), "is not base64"),
            (lambda e: changed(e, payload=base64.b64encode(b"{}").decode()), "has been altered"),
            (lambda e: signature(e, sig=base64.b64encode(b"0" * 64).decode()), "has been altered"),
            (lambda _: b" " * (signing.LARGEST_ENVELOPE + 1), "more than"),
        ],
    )
    def test_each_spoilt_envelope_is_refused_in_its_own_words(self, envelope: bytes, spoil: Any, said: str) -> None:
        with pytest.raises(VerificationError, match=said) as refused:
            signing.verify(spoil(envelope))
        assert refused.value.fix

    def test_the_payload_type_is_part_of_what_is_signed(self) -> None:
        other = signing.sign(PAYLOAD, "application/x-other")
        assert signing.verify(other, payload_type="application/x-other").payload == PAYLOAD
        with pytest.raises(VerificationError, match="altered"):
            signing.verify(changed(other, payloadType=PAYLOAD_TYPE))

    def test_another_persons_key_beside_the_signature_is_refused(self, envelope: bytes, tmp_path: Path) -> None:
        stranger = signing.new_key(tmp_path / "stranger.pem")
        with pytest.raises(VerificationError, match="not the one that the signature names"):
            signing.verify(signature(envelope, public_key=stranger.public))

    def test_a_bad_signature_beside_a_good_one_is_refused(self, envelope: bytes, tmp_path: Path) -> None:
        other = json.loads(signing.sign(b"something else", key=signing.new_key(tmp_path / "other.pem")))["signatures"]
        with pytest.raises(VerificationError, match="altered"):
            signing.verify(changed(envelope, signatures=json.loads(envelope)["signatures"] + other))

    def test_every_single_bit_of_payload_and_signature_counts(self, envelope: bytes) -> None:
        content = json.loads(envelope)
        for place in ("payload", "sig"):
            whole = base64.b64decode(content["payload"] if place == "payload" else content["signatures"][0]["sig"])
            for bit in range(len(whole) * 8):
                flipped = bytearray(whole)
                flipped[bit // 8] ^= 1 << bit % 8
                text = base64.b64encode(bytes(flipped)).decode()
                with pytest.raises(VerificationError):
                    signing.verify(changed(envelope, payload=text) if place == "payload" else signature(envelope, sig=text))
        assert signing.verify(envelope).payload == PAYLOAD

    @given(data=st.data())
    def test_no_flipped_bit_of_the_file_changes_what_is_read(self, kept: bytes, data: st.DataObject) -> None:
        envelope = kept
        flipped = bytearray(envelope)
        bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
        flipped[bit // 8] ^= 1 << bit % 8
        try:  # a flip in what DSSE leaves open (a spare bit of base64, white space) may be harmless: then the same is read
            verified = signing.verify(bytes(flipped))
        except VerificationError:
            return
        assert verified.payload == PAYLOAD
        assert verified.key_ids == (json.loads(envelope)["signatures"][0]["keyid"],)


class TestTrust:
    def test_only_trusted_keys_count_where_any_are_named(self, envelope: bytes, tmp_path: Path) -> None:
        own = signing.signing_key().id
        stranger = signing.new_key(tmp_path / "stranger.pem").id
        assert signing.verify(envelope, trusted=[stranger, own.upper()]).trusted
        for trusted in ([stranger], [own[:16]], [""], ["*"]):
            with pytest.raises(VerificationError, match="does not trust"):
                signing.verify(envelope, trusted=trusted)

    def test_of_two_signatures_the_trusted_one_counts(self, tmp_path: Path) -> None:
        first, second = (signing.new_key(tmp_path / name) for name in ("first", "second"))
        both = changed(
            signing.sign(PAYLOAD, key=first),
            signatures=[json.loads(signing.sign(PAYLOAD, key=k))["signatures"][0] for k in (first, second)],
        )
        assert set(signing.verify(both).key_ids) == {first.id, second.id}
        assert signing.verify(both, trusted=[second.id]).key_ids == (second.id,)

    def test_a_key_file_named_after_another_key_gives_it_nothing(self, tmp_path: Path) -> None:
        own, forger = signing.signing_key(), signing.new_key(tmp_path / "forger.pem")
        forged = json.loads(signing.sign(b"forged", key=forger))
        forged["signatures"] = [{"keyid": own.id, "sig": forged["signatures"][0]["sig"]}]
        (signing.home() / "keys" / "development.pub").unlink()
        (signing.home() / "keys" / f"{own.id}.pub").write_text(forger.public)
        with pytest.raises(VerificationError, match="unknown key"):
            signing.verify(json.dumps(forged).encode(), trusted=[own.id])


class TestKeys:
    def test_the_development_key_is_made_once_and_named_as_such(self) -> None:
        key = signing.signing_key()
        assert key.development
        assert key.path == signing.home() / "keys" / "development.key"
        assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.path.parent.stat().st_mode) == 0o700
        assert signing.signing_key() == key
        assert "PRIVATE" not in repr(key)
        assert sorted(p.name for p in key.path.parent.iterdir()) == ["development.key", "development.pub"]

    def test_a_race_for_the_first_key_has_one_winner(self) -> None:
        code = "from aims_mlflow import signing; print(signing.signing_key().id)"
        racers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
        ids = {racer.communicate()[0].strip() for racer in racers}
        assert ids == {signing.signing_key().id}

    def test_the_key_id_follows_from_the_public_key(self) -> None:
        key = signing.signing_key()
        assert key.id == key.signer.public_key.keyid
        assert key.id in signing.public_keys()

    def test_the_environment_names_the_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = signing.new_key(tmp_path / "release.pem")
        monkeypatch.setenv("AIMS_SIGNING_KEY", str(made.path))
        key = signing.signing_key()
        assert (key.id, key.development) == (made.id, False)
        assert (tmp_path / "release.pem.pub").read_text() == key.public
        assert not (signing.home() / "keys").exists()
        assert not signing.verify(signing.sign(PAYLOAD)).development

    def test_a_key_is_never_overwritten(self, tmp_path: Path) -> None:
        made = signing.new_key(tmp_path / "release.pem")
        with pytest.raises(ConfigurationError, match="exists already"):
            signing.new_key(made.path)
        assert signing.load_key(made.path) == made

    @pytest.mark.skipif(os.name != "posix", reason="only POSIX keeps these bits")
    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o700, 0o620])
    def test_a_key_that_others_can_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        made = signing.new_key(tmp_path / "release.pem")
        made.path.chmod(mode)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            signing.load_key(made.path)
        made.path.chmod(0o400)
        assert signing.load_key(made.path) == made

    @pytest.mark.parametrize("content", [b"", b"secret words", b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"])
    def test_what_is_no_key_is_refused_without_quoting_it(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "bad.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match="aims keys new") as refused:
            signing.load_key(path)
        assert "secret" not in str(refused.value)

    def test_a_key_that_is_not_there_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", str(tmp_path / "gone.pem"))
        with pytest.raises(ConfigurationError, match=r"gone\.pem"):
            signing.signing_key()

    def test_an_encrypted_key_is_refused(self, tmp_path: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

        path = tmp_path / "locked.pem"
        path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")))
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match="unencrypted"):
            signing.load_key(path)
