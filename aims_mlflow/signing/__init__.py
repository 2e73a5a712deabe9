"""Signing and verifying: DSSE envelopes, the keys that sign, and whose signatures count.

- ``envelopes``: what is signed and how it is verified, to the last bit
- ``keys``: key files, the development key, and how a public key is found again
- ``signers``: keys that live in a key service or a hardware module, reached by a URI, with a time limit
- ``trust``: which keys count, for what and from when to when: the words of ``keys.yaml``
- ``trust_file``: ``keys.yaml`` read strictly and written whole
"""

from __future__ import annotations

from aims_mlflow.signing.envelopes import (
    LARGEST_ENVELOPE,
    MOST_SIGNATURES,
    Verified,
    open_bundle,
    seal_bundle,
    sign,
    strict_json,
    verify,
)
from aims_mlflow.signing.keys import DEVELOPMENT, PUBLIC_KEY_FIELD, Key, gate_key, home, load_key, new_key, public_keys, signing_key
from aims_mlflow.signing.trust import ROLES, Revocation, Role, Trust, TrustedKey

__all__ = [
    "DEVELOPMENT",
    "LARGEST_ENVELOPE",
    "MOST_SIGNATURES",
    "PUBLIC_KEY_FIELD",
    "ROLES",
    "Key",
    "Revocation",
    "Role",
    "Trust",
    "TrustedKey",
    "Verified",
    "gate_key",
    "home",
    "load_key",
    "new_key",
    "open_bundle",
    "public_keys",
    "seal_bundle",
    "sign",
    "signing_key",
    "strict_json",
    "verify",
]
