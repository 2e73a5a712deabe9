"""Signing and verifying: DSSE envelopes, the key that signs, and how a public key is found again.

The envelope is DSSE v1 (https://github.com/secure-systems-lab/dsse) as securesystemslib writes it. Each signature carries
the public key that belongs to it, in a field that DSSE lets verifiers ignore, so that a bundle can be checked anywhere.
That field gives no trust: a key's id is computed from the key itself, and only ``gate.trusted_keys`` says whose word counts.
"""

# securesystemslib.signer re-exports its face without saying so to type checkers:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.bundle import PAYLOAD_TYPE, Bundle
from aims_mlflow.errors import ConfigurationError, VerificationError
from aims_mlflow.evidence import canonical

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

DEVELOPMENT = "development"
"""The name of the key that is made on first use, and of its two files ``development.key`` and ``development.pub``."""

PUBLIC_KEY_FIELD = "public_key"
"""Where a signature carries its public key (PEM) inside the envelope."""

LARGEST_ENVELOPE = 64 * 2**20
"""Envelopes above this many bytes are refused unread."""

MOST_SIGNATURES = 16


@dataclass(frozen=True)
class Key:
    """A private key to sign with. ``id`` is derived from the public key; ``public`` is the public key in PEM."""

    id: str
    public: str
    development: bool
    path: Path
    signer: CryptoSigner = field(repr=False, compare=False)


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


def home() -> Path:
    """Return the directory of keys and spool: ``AIMS_HOME``, by default ``~/.aims``."""
    return Path(os.environ.get("AIMS_HOME") or Path.home() / ".aims").expanduser()


def signing_key() -> Key:
    """Return the key to sign with: the PEM file that ``AIMS_SIGNING_KEY`` names, else the development key, made on first use.

    Raises:
        ConfigurationError: the file cannot be read, is no unencrypted PEM private key, or others may read it.
    """
    named = os.environ.get("AIMS_SIGNING_KEY")
    if named:
        return load_key(Path(named).expanduser())
    path = home() / "keys" / f"{DEVELOPMENT}.key"
    if not path.exists():
        _create(path)
    key = load_key(path, development=True)
    public = path.with_suffix(".pub")
    if not public.exists():
        _write_once(public, key.public.encode(), 0o644)
    return key


def new_key(path: Path) -> Key:
    """Make an Ed25519 key pair: the private key at ``path`` (mode 0600), the public one beside it with the suffix ``.pub``.

    Raises:
        ConfigurationError: one of the files exists already, or the directory cannot be written.
    """
    public = path.with_name(path.name + ".pub")
    for taken in (path, public):
        if taken.exists():
            raise ConfigurationError(f"{taken} exists already", fix="choose another path: a key is never overwritten")
    _create(path)
    key = load_key(path)
    _write_once(public, key.public.encode(), 0o644)
    return key


def load_key(path: Path, *, development: bool = False) -> Key:
    """Read an unencrypted PEM private key (Ed25519, ECDSA or RSA) that nobody else may read.

    Raises:
        ConfigurationError: the file cannot be read, is no such key, or its permissions are wider than 0600.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(1_000_000)
    except OSError as error:
        raise ConfigurationError(
            f"the signing key cannot be read: {error.strerror}", where=str(path), fix="set AIMS_SIGNING_KEY to a PEM file that you may read"
        ) from None
    if os.name == "posix" and mode & 0o177:  # other systems do not keep these bits
        raise ConfigurationError(f"the signing key can be read by others (mode {mode:04o})", where=str(path), fix=f"chmod 600 {path}")
    try:
        private = load_pem_private_key(pem, None)
        signer = CryptoSigner(private)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # their texts may quote the key
        raise ConfigurationError(
            "the signing key is not an unencrypted PEM private key", where=str(path), fix="make one with `aims keys new PATH`"
        ) from None
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return Key(signer.public_key.keyid, public, development, path, signer)


def sign(payload: bytes, payload_type: str = PAYLOAD_TYPE, key: Key | None = None) -> bytes:
    """Return the bytes (canonical JSON) of a DSSE envelope around ``payload``, signed with ``key`` (default: ``signing_key()``)."""
    from securesystemslib.dsse import Envelope

    key = key or signing_key()
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(key.signer).unrecognized_fields[PUBLIC_KEY_FIELD] = key.public
    return canonical(envelope.to_dict())


def verify(envelope: bytes, *, trusted: Iterable[str] = (), payload_type: str = PAYLOAD_TYPE) -> Verified:
    """Check the signatures of a DSSE envelope and return what it holds.

    Every signature whose key is known must hold, and at least one must: by one of the ``trusted`` key ids where any are
    given, else by any key. A public key is found beside the signature or in ``AIMS_HOME/keys/*.pub``; its id is computed
    from the key and must be the one the signature names.

    Raises:
        VerificationError: it is no envelope, of another payload type, unsigned, signed by unknown or untrusted keys only,
            or what was signed has been altered.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    content = _envelope(envelope, payload_type)
    keyring = public_keys()
    signed = Envelope(_decoded(content["payload"], "payload"), payload_type, {})
    message = signed.pae()
    holds: list[str] = []
    unknown: list[str] = []
    for signature in content["signatures"]:
        name = signature["keyid"]
        key = _public_key(signature, keyring)
        if key is None:
            unknown.append(name)
            continue
        try:
            key.verify_signature(Signature(name, _decoded(signature["sig"], "signature").hex()), message)
        except UnverifiedSignatureError:
            raise VerificationError(
                "the signature does not hold: what was signed, or the signature, has been altered",
                where=f"key {name[:16]}",
                fix="run the training again, and find out who changed the artifact",
            ) from None
        holds.append(name)
    allowed = {t.strip().lower() for t in trusted}
    counted = [name for name in holds if not allowed or name in allowed]
    if not holds:
        raise VerificationError(
            f"signed by an unknown key ({', '.join(n[:16] for n in unknown)})",
            where="signatures",
            fix=f"put its public key (PEM) into {home() / 'keys'} as a .pub file",
        )
    if not counted:
        raise VerificationError(
            f"signed by a key that the policy does not trust ({', '.join(n[:16] for n in holds)})",
            where="gate.trusted_keys",
            fix="sign with a trusted key (AIMS_SIGNING_KEY), or add the full key id to gate.trusted_keys",
        )
    own = _read_public_file(home() / "keys" / f"{DEVELOPMENT}.pub")
    return Verified(
        signed.payload,
        tuple(counted),
        trusted=bool(allowed),
        development=own is not None and own.keyid in counted,
        sha256=hashlib.sha256(envelope).hexdigest(),
    )


def seal_bundle(bundle: Bundle, key: Key | None = None) -> bytes:
    """Return the signed envelope of a bundle, as it is written to ``BUNDLE_PATH``."""
    return sign(canonical(bundle.statement()), PAYLOAD_TYPE, key)


def open_bundle(envelope: bytes, *, trusted: Iterable[str] = ()) -> tuple[Bundle, Verified]:
    """Verify a bundle's envelope and read the bundle; raises VerificationError."""
    verified = verify(envelope, trusted=trusted)
    return Bundle.from_statement(strict_json(verified.payload, "payload")), verified


def public_keys() -> dict[str, SSlibKey]:
    """Return the public keys in ``AIMS_HOME/keys/*.pub`` by key id; a file's name says nothing about its key.

    Files that hold no public key are passed over: they can leave a signature unknown, never make it valid.
    """
    keys = (_read_public_file(path) for path in sorted((home() / "keys").glob("*.pub")))
    return {key.keyid: key for key in keys if key is not None}


def strict_json(content: bytes, what: str) -> Any:
    """Parse JSON in which nothing is ambiguous: no repeated key, no NaN or infinity; raises VerificationError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise VerificationError(f"the {what} has a repeated JSON key", where=what, fix="pass the file as aims wrote it")
        return made

    def no_constant(name: str) -> Any:
        raise ValueError(name)

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise VerificationError(f"the {what} is not JSON", where=what, fix="pass the file as aims wrote it") from None


def _envelope(content: bytes, payload_type: str) -> dict[str, Any]:
    """Return the envelope as a dict whose shape has been checked."""
    fix = "pass the envelope (*.dsse.json) as aims wrote it"
    if len(content) > LARGEST_ENVELOPE:
        raise VerificationError(f"the envelope has more than {LARGEST_ENVELOPE} bytes", fix=fix)
    envelope = strict_json(content, "envelope")
    if not isinstance(envelope, dict) or not isinstance(envelope.get("payload"), str) or not isinstance(envelope.get("signatures"), list):
        raise VerificationError("the file is not a DSSE envelope", fix=fix)
    if envelope.get("payloadType") != payload_type:
        raise VerificationError(f"the payload type is not {payload_type}", where="payloadType", fix=fix)
    signatures = envelope["signatures"]
    if not signatures:
        raise VerificationError("the envelope is not signed", where="signatures", fix="write the bundle with a signing key")
    if len(signatures) > MOST_SIGNATURES:
        raise VerificationError(f"the envelope has more than {MOST_SIGNATURES} signatures", where="signatures", fix=fix)
    if not all(isinstance(s, dict) and isinstance(s.get("keyid"), str) and isinstance(s.get("sig"), str) for s in signatures):
        raise VerificationError("a signature has no keyid or no sig", where="signatures", fix=fix)
    if len({s["keyid"] for s in signatures}) != len(signatures):
        raise VerificationError("two signatures name the same key", where="signatures", fix=fix)
    if not all(re.fullmatch(r"[0-9a-f]{64}", s["keyid"]) for s in signatures):
        raise VerificationError("a key id is not 64 hex digits", where="signatures", fix=fix)
    return envelope


def _decoded(text: str, what: str) -> bytes:
    """Return the bytes of standard or URL-safe base64, both of which DSSE allows."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise VerificationError(f"the {what} is not base64", where=what, fix="pass the envelope as aims wrote it") from None


def _public_key(signature: Mapping[str, Any], keyring: Mapping[str, SSlibKey]) -> SSlibKey | None:
    """Return the key that made a signature: the one it carries, if that is the one it names, else one of the keyring."""
    carried = signature.get(PUBLIC_KEY_FIELD)
    if carried is None:
        return keyring.get(signature["keyid"])
    key = _read_public(carried) if isinstance(carried, str) else None
    if key is None or key.keyid != signature["keyid"]:
        raise VerificationError(
            "the public key beside the signature is not the one that the signature names",
            where=f"key {signature['keyid'][:16]}",
            fix="pass the envelope as aims wrote it",
        )
    return key


def _read_public_file(path: Path) -> SSlibKey | None:
    try:
        return _read_public(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _read_public(pem: str) -> SSlibKey | None:
    """Return the key with the id that follows from it, or None where the text is no public key of a kind we know."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        key: SSlibKey = SSlibKey.from_crypto(load_pem_public_key(pem.encode()))
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None
    return key


def _create(path: Path) -> None:
    """Write a new Ed25519 private key; where another process was faster, its key stands."""
    from securesystemslib.signer import CryptoSigner

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_once(path, CryptoSigner.generate_ed25519().private_bytes, 0o600)


def _write_once(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, and never over another: readers see no half-written key and no key changes."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    except OSError as error:
        raise ConfigurationError(
            f"a key file cannot be written: {error.strerror}", where=str(path), fix="set AIMS_HOME to a local directory you may write to"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
