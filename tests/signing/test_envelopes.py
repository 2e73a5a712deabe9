"""Envelopes and keys: what is accepted, and that nothing that was touched is."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from aims_mlflow import signing
from aims_mlflow.bundle import PAYLOAD_TYPE
from aims_mlflow.errors import MissingKeyError, VerificationError
from aims_mlflow.evidence import canonical

PAYLOAD = b'{"said": "as it was"}'

SPOILABLE = b'{"said": "a\xff\xfe\xfb?>~~"}'
"""Of a length and with bytes whose base64 has padding, spare bits and both characters of which there are two."""


def urlsafe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


def spare_bit(text: str) -> str:
    """Return the same base64 with a bit set that stands for nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    last = alphabet[alphabet.index(bare[-1]) + 1]
    return bare[:-1] + last + "=" * (len(text) - len(bare))


@pytest.fixture
def envelope() -> bytes:
    return signing.sign(PAYLOAD)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return signing.sign(PAYLOAD, key=signing.new_key(tmp_path_factory.mktemp("kept") / "key.pem"))


def changed(envelope: bytes, **changes: Any) -> bytes:
    return canonical(json.loads(envelope) | changes)


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
        content = canonical(foreign.to_dict())
        with pytest.raises(VerificationError, match="unknown key"):
            signing.verify(content)
        folder = signing.home() / "keys"
        folder.mkdir(parents=True)
        (folder / "theirs.pub").write_text(signer.public_key.keyval["public"])
        assert signing.verify(content).key_ids == (signer.public_key.keyid,)
        assert not signing.verify(content).development

    @pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa", "rsa"])
    def test_a_signature_of_each_kind_of_key_holds_and_a_flipped_bit_of_it_does_not(self, algorithm: str, tmp_path: Path) -> None:
        signer = {"ed25519": CryptoSigner.generate_ed25519, "ecdsa": CryptoSigner.generate_ecdsa, "rsa": CryptoSigner.generate_rsa}[
            algorithm
        ]()
        path = tmp_path / "key.pem"
        path.write_bytes(signer.private_bytes)
        path.chmod(0o600)
        made = signing.sign(PAYLOAD, key=signing.load_key(path))
        assert signing.verify(made).key_ids == (signer.public_key.keyid,)
        assert Envelope.from_dict(json.loads(made)).verify([signer.public_key], 1)
        whole = bytearray(base64.b64decode(json.loads(made)["signatures"][0]["sig"]))
        whole[len(whole) // 2] ^= 1
        with pytest.raises(VerificationError, match="altered"):
            signing.verify(signature(made, sig=base64.b64encode(bytes(whole)).decode()))

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda e: json.dumps(json.loads(e), indent=1).encode(), "not written as canonical JSON"),
            (lambda e: json.dumps(dict(reversed(json.loads(e).items())), separators=(",", ":")).encode(), "not written as canonical JSON"),
            (lambda e: e + b"\n", "not written as canonical JSON"),
            (lambda e: e.replace(b'"payload"', b'"p\\u0061yload"', 1), "not written as canonical JSON"),
            (lambda e: changed(e, note="unsigned words"), "a field that does not belong there"),
            (lambda e: signature(e, cert="unsigned words"), "a field that does not belong there"),
            (lambda e: changed(e, payload=json.loads(e)["payload"].replace("=", "")), "is not base64"),
            (lambda e: changed(e, payload=urlsafe(json.loads(e)["payload"])), "is not base64"),
            (lambda e: changed(e, payload=spare_bit(json.loads(e)["payload"])), "not base64 as it is written"),
            (lambda e: signature(e, sig=spare_bit(json.loads(e)["signatures"][0]["sig"])), "not base64 as it is written"),
            (lambda e: signature(e, public_key=json.loads(e)["signatures"][0]["public_key"].strip()), "not PEM as it is written"),
            (lambda e: signature(e, public_key="words\n" + json.loads(e)["signatures"][0]["public_key"]), "not PEM as it is written"),
            (lambda e: e.replace(b"-----BEGIN", b"\\ud800-----BEGIN", 1), "not written as canonical JSON"),
        ],
        ids=[
            "spaced",
            "reordered",
            "line-end",
            "escaped",
            "field",
            "signature-field",
            "padding",
            "urlsafe",
            "spare-bit",
            "spare-bit-of-signature",
            "pem-line-end",
            "words-before-pem",
            "half-a-character",
        ],
    )
    def test_there_is_one_way_to_write_an_envelope(self, spoil: Any, said: str) -> None:
        envelope = signing.sign(SPOILABLE)
        with pytest.raises(VerificationError, match=said):
            signing.verify(spoil(envelope))

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

    def test_a_signature_that_nobody_can_check_beside_a_good_one_is_refused(self, envelope: bytes, tmp_path: Path) -> None:
        (other,) = json.loads(signing.sign(PAYLOAD, key=signing.new_key(tmp_path / "other.pem")))["signatures"]
        del other["public_key"]
        with pytest.raises(MissingKeyError, match="nowhere to be found"):
            signing.verify(changed(envelope, signatures=[*json.loads(envelope)["signatures"], other]))

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
    def test_no_flipped_bit_of_the_file_is_accepted(self, kept: bytes, data: st.DataObject) -> None:
        flipped = bytearray(kept)
        bit = data.draw(st.integers(0, len(kept) * 8 - 1))
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationError):
            signing.verify(bytes(flipped))


class TestTrusted:
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
            signing.verify(canonical(forged), trusted=[own.id])
