"""A key service that is dead while a model is trained: the training is unharmed, and the evidence waits in the spool for its signature."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signature, Signer

import aims_mlflow as aims
from aims_mlflow import sending, signing, spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.signing.keys import pem_of
from aims_mlflow.store import Store
from aims_mlflow.system import System

PRIVATE = Ed25519PrivateKey.generate()


class Service(Signer):
    """Signs while it is up."""

    up = False

    def __init__(self, public_key: Key) -> None:
        self._public_key = public_key

    @property
    def public_key(self) -> Key:
        return self._public_key

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: Any = None) -> Service:  # noqa: ARG003 - its signature
        return cls(public_key)

    def sign(self, payload: bytes) -> Signature:
        if not self.up:
            raise ConnectionError("no route to host")
        return CryptoSigner(PRIVATE).sign(payload)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "service.pub").write_text(pem_of(PRIVATE.public_key()))
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "vaulttest", Service)
    monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:training")
    monkeypatch.setenv("AIMS_SIGNING_PUBLIC_KEY", str(tmp_path / "service.pub"))


def test_training_is_unharmed_and_the_evidence_waits(
    service: None,
    system: System,
    frames: Any,
    threshold: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @aims.track(system)
    def train(train: Any, test: Any) -> Any:
        return threshold

    with caplog.at_level(logging.WARNING, "aims_mlflow"):
        assert train(*frames) is threshold
    assert "not signed yet: the key service could not sign (ConnectionError)" in caplog.text
    assert "aims sync" in caplog.text
    (run,) = store.runs("attributes.status = 'FINISHED'")
    assert run.tags["aims.state"] == "error"
    assert "aims.bundle" not in run.tags
    assert BUNDLE_PATH not in store.artifacts(run.run_id, "aims")
    assert [sent.problem.partition(":")[0] for sent in sending.replay(store)] == ["the evidence could not be signed"]
    monkeypatch.setattr(Service, "up", True)
    assert [sent.problem for sent in sending.replay(store)] == [""]
    assert spool.pending() == []
    bundle, verified = signing.open_bundle(store.read(run.run_id, BUNDLE_PATH))
    assert bundle.run.run_id == run.run_id
    assert verified.key_ids == (CryptoSigner(PRIVATE).public_key.keyid,)
    assert store.run(run.run_id).tags["aims.bundle"] == verified.sha256
    assert store.run(run.run_id).tags["aims.state"] != "error"


def test_a_key_service_that_nobody_knows_raises_at_decoration(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIMS_SIGNING_KEY", "gcpkm:projects/p")
    with pytest.raises(ConfigurationError, match="did you mean 'gcpkms'"):
        aims.track(system)
