"""Real signers behind a URI scheme of their own: one that works, one that hangs, and some that fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signature, Signer

from aims_mlflow.signing import signers
from aims_mlflow.signing.keys import pem_of


class Service(Signer):
    """A key service: ``vaulttest:<how>``. It keeps one key and signs in the way that the URI asks for."""

    private: ClassVar[Any] = Ed25519PrivateKey.generate()
    released: ClassVar[threading.Event] = threading.Event()
    calls: ClassVar[int] = 0

    def __init__(self, how: str, public_key: Key) -> None:
        self._how = how
        self._public_key = public_key

    @property
    def public_key(self) -> Key:
        return self._public_key

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: Any = None) -> Service:
        how = priv_key_uri.partition(":")[2]
        if how == "asks" and secrets_handler("pin") != "1234":
            raise PermissionError("wrong pin")
        if how == "closed":
            raise PermissionError("the token secret-4711 has expired")
        return cls(how, public_key)

    def sign(self, payload: bytes) -> Signature:
        Service.calls += 1
        if self._how == "hangs":
            Service.released.wait(60)
        if self._how == "raises":
            raise ConnectionError("no route to secret-4711")
        if self._how == "exits":
            raise SystemExit(3)
        if self._how == "nonsense":
            return "no signature"  # type: ignore[return-value]
        private = Ed25519PrivateKey.generate() if self._how == "other" else self.private
        return CryptoSigner(private).sign(payload)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Service]]:
    """The service is known to securesystemslib, its public key is named, and the time limit is short."""
    public = tmp_path / "service.pub"
    public.write_text(pem_of(Service.private.public_key()))
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "vaulttest", Service)
    monkeypatch.setenv("AIMS_SIGNING_PUBLIC_KEY", str(public))
    monkeypatch.setattr(signers, "SECONDS", 0.3)
    monkeypatch.setattr(signers, "_silent_until", {})
    Service.released.clear()
    Service.calls = 0
    yield Service
    Service.released.set()
