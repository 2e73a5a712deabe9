"""Envelopes: how content is signed, and how an envelope is verified, to the last bit.

The envelope is DSSE v1 (https://github.com/secure-systems-lab/dsse) as securesystemslib signs it, written as canonical JSON. Each
signature carries the public key that belongs to it, in a field that DSSE lets verifiers ignore, so that a bundle can be checked
anywhere. That field gives no trust: a key's id is computed from the key itself, and the gate's policy says whose word counts.

One content has one envelope: what is not written exactly as ``sign`` writes it is refused, so that no bit of the file can be another.
"""

# securesystemslib.signer re-exports its face without saying so to type checkers:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aims_mlflow.bundle import PAYLOAD_TYPE, Bundle
from aims_mlflow.errors import MissingKeyError, VerificationError
from aims_mlflow.evidence import canonical
from aims_mlflow.signing.keys import (
    DEVELOPMENT,
    PUBLIC_KEY_FIELD,
    Key,
    canonical_pem,
    home,
    public_keys,
    read_public,
    read_public_file,
    signing_key,
)

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

LARGEST_ENVELOPE = 64 * 2**20
"""Envelopes above this many bytes are refused unread."""

LARGEST_REMEMBERED = 2**20
"""Bundles above this many bytes are read anew each time."""

MOST_SIGNATURES = 16

_AS_WRITTEN = "pass the envelope (*.dsse.json) as aims wrote it"


@dataclass(frozen=True)
class Verified:
    """What a verified envelope holds.

    ``key_ids`` are the keys whose signatures hold (with trusted keys given, only those of them), ``trusted`` says whether
    trusted keys were given, ``development`` whether one of them is the development key of this machine, and ``sha256`` is
    the digest of the envelope's bytes.
    """

    payload: bytes
    key_ids: tuple[str, ...]
    trusted: bool
    development: bool
    sha256: str


def sign(payload: bytes, payload_type: str = PAYLOAD_TYPE, key: Key | None = None) -> bytes:
    """Return the bytes (canonical JSON) of a DSSE envelope around ``payload``, signed with ``key`` (default: ``signing_key()``).

    Raises:
        ConfigurationError: there is no such key, or the key service that keeps it fails.
    """
    from securesystemslib.dsse import Envelope

    key = key or signing_key()
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(key.signer).unrecognized_fields[PUBLIC_KEY_FIELD] = key.public
    return canonical(envelope.to_dict())


def verify(
    envelope: bytes,
    *,
    trusted: Iterable[str] = (),
    payload_type: str = PAYLOAD_TYPE,
    keyring: Mapping[str, SSlibKey] | None = None,
) -> Verified:
    """Check the signatures of a DSSE envelope and return what it holds.

    Every signature must hold, by a key that is at hand, and with ``trusted`` key ids given one of them must have made one. A public
    key is found beside the signature, in ``keyring`` or in ``AIMS_HOME/keys/*.pub``; its id is computed from the key and must be
    the one the signature names.

    Args:
        envelope: the bytes of the file.
        trusted: ids of the keys whose signatures count; none: any key's.
        payload_type: what the envelope must say that it holds.
        keyring: further public keys by id, such as ``Trust.keyring()``.

    Raises:
        MissingKeyError: a public key is not at hand.
        VerificationError: it is no envelope, not written as ``sign`` writes it, of another payload type, unsigned, signed by untrusted
            keys only, or what was signed has been altered.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    content = _envelope(envelope, payload_type)
    known = {**public_keys(), **(keyring or {})}
    signed = Envelope(_decoded(content["payload"], "payload"), payload_type, {})
    message = signed.pae()
    holds: list[str] = []
    for signature in content["signatures"]:
        name = signature["keyid"]
        key = _public_key(signature, known)
        try:
            key.verify_signature(Signature(name, _decoded(signature["sig"], "signature").hex()), message)
        except UnverifiedSignatureError:  # of which its VerificationError, an unknown failure, is a kind
            raise VerificationError(
                "the signature does not hold: what was signed, or the signature, has been altered",
                where=f"key {name[:16]}",
                fix="run the training again, and find out who changed the artifact",
            ) from None
        holds.append(name)
    allowed = {t.strip().lower() for t in trusted}
    counted = [name for name in holds if not allowed or name in allowed]
    if not counted:
        raise VerificationError(
            f"signed by a key that the policy does not trust ({', '.join(n[:16] for n in holds)})",
            where="gate.trusted_keys",
            fix="sign with a trusted key (AIMS_SIGNING_KEY), or add the full key id to gate.trusted_keys",
        )
    own = read_public_file(home() / "keys" / f"{DEVELOPMENT}.pub")
    return Verified(
        signed.payload,
        tuple(counted),
        trusted=bool(allowed),
        development=own is not None and own.keyid in counted,
        sha256=hashlib.sha256(envelope).hexdigest(),
    )


def seal_bundle(bundle: Bundle, key: Key | None = None) -> bytes:
    """Return the signed envelope of a bundle, as it is written to ``BUNDLE_PATH``; raises as ``sign``."""
    return sign(canonical(bundle.statement()), PAYLOAD_TYPE, key)


def open_bundle(envelope: bytes, *, trusted: Iterable[str] = (), keyring: Mapping[str, SSlibKey] | None = None) -> tuple[Bundle, Verified]:
    """Verify a bundle's envelope and read the bundle; raises VerificationError as ``verify``."""
    verified = verify(envelope, trusted=trusted, keyring=keyring)
    small = len(verified.payload) <= LARGEST_REMEMBERED
    return (_remembered if small else _bundle)(verified.payload), verified


def _bundle(payload: bytes) -> Bundle:
    return Bundle.from_statement(strict_json(payload, "payload"))


_remembered = lru_cache(maxsize=64)(_bundle)
"""The bundles that were read last, by their bytes: a server reads the same one again and again. The signature is verified each time."""


def strict_json(content: bytes, what: str) -> Any:
    """Parse JSON in which nothing is ambiguous: no repeated key, no NaN or infinity; raises VerificationError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise VerificationError(f"the {what} has a repeated JSON key", where=what, fix="pass the file as aims wrote it")
        return made

    def no_constant(name: str) -> Any:
        raise ValueError(name)

    def finite(digits: str) -> float:
        if math.isinf(number := float(digits)):
            raise ValueError("too large")
        return number

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant, parse_float=finite)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise VerificationError(f"the {what} is not JSON", where=what, fix="pass the file as aims wrote it") from None


def _envelope(content: bytes, payload_type: str) -> dict[str, Any]:
    """Return the envelope as a dict whose shape has been checked, and of which the bytes are the only way to write it."""
    if len(content) > LARGEST_ENVELOPE:
        raise VerificationError(f"the envelope has more than {LARGEST_ENVELOPE} bytes", fix=_AS_WRITTEN)
    envelope = strict_json(content, "envelope")
    if not isinstance(envelope, dict) or not isinstance(envelope.get("payload"), str) or not isinstance(envelope.get("signatures"), list):
        raise VerificationError("the file is not a DSSE envelope", fix=_AS_WRITTEN)
    if envelope.get("payloadType") != payload_type:
        raise VerificationError(f"the payload type is not {payload_type}", where="payloadType", fix=_AS_WRITTEN)
    signatures = envelope["signatures"]
    if not signatures:
        raise VerificationError("the envelope is not signed", where="signatures", fix="write the bundle with a signing key")
    if len(signatures) > MOST_SIGNATURES:
        raise VerificationError(f"the envelope has more than {MOST_SIGNATURES} signatures", where="signatures", fix=_AS_WRITTEN)
    if not all(isinstance(s, dict) and isinstance(s.get("keyid"), str) and isinstance(s.get("sig"), str) for s in signatures):
        raise VerificationError("a signature has no keyid or no sig", where="signatures", fix=_AS_WRITTEN)
    if len({s["keyid"] for s in signatures}) != len(signatures):
        raise VerificationError("two signatures name the same key", where="signatures", fix=_AS_WRITTEN)
    if not all(re.fullmatch(r"[0-9a-f]{64}", s["keyid"]) for s in signatures):
        raise VerificationError("a key id is not 64 hex digits", where="signatures", fix=_AS_WRITTEN)
    strangers = {*envelope} - {"payload", "payloadType", "signatures"} | {k for s in signatures for k in s} - {
        "keyid",
        "sig",
        PUBLIC_KEY_FIELD,
    }
    if strangers:
        raise VerificationError("the envelope has a field that does not belong there, which nobody has signed", fix=_AS_WRITTEN)
    if not _is_canonical(envelope, content):
        raise VerificationError("the envelope is not written as canonical JSON: somebody has touched it", fix=_AS_WRITTEN)
    return envelope


def _is_canonical(envelope: Mapping[str, Any], content: bytes) -> bool:
    try:
        return canonical(envelope) == content
    except ValueError:  # half of a surrogate pair, which UTF-8 cannot hold
        return False


def _decoded(text: str, what: str) -> bytes:
    """Return the bytes of standard base64, written in the one way there is: no spare bit set, padded, nothing else in it."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise VerificationError(f"the {what} is not base64", where=what, fix=_AS_WRITTEN) from None
    if base64.b64encode(decoded) != text.encode():
        raise VerificationError(f"the {what} is not base64 as it is written: somebody has touched it", where=what, fix=_AS_WRITTEN)
    return decoded


def _public_key(signature: Mapping[str, Any], keyring: Mapping[str, SSlibKey]) -> SSlibKey:
    """Return the key that made a signature: the one it carries, if that is the one it names, else one of the keyring."""
    name = signature["keyid"]
    if PUBLIC_KEY_FIELD not in signature:
        if name not in keyring:
            raise MissingKeyError(
                f"signed by an unknown key ({name[:16]}): its public key is nowhere to be found",
                where="signatures",
                fix=f"put its public key (PEM) into {home() / 'keys'} as a .pub file",
            )
        return keyring[name]
    carried = signature[PUBLIC_KEY_FIELD]
    key = read_public(carried) if isinstance(carried, str) else None
    if key is None or key.keyid != name:
        what = "the public key beside the signature is not the one that the signature names"
        raise VerificationError(what, where=f"key {name[:16]}", fix=_AS_WRITTEN)
    if canonical_pem(carried) != carried:
        what = "the public key beside the signature is not PEM as it is written: somebody has touched it"
        raise VerificationError(what, where=f"key {name[:16]}", fix=_AS_WRITTEN)
    return key
