"""Keys: where they stand, who may read them, and what is told of them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aims_mlflow import signing
from aims_mlflow.errors import ConfigurationError

PAYLOAD = b'{"said": "as it was"}'


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

    def test_the_gate_has_a_key_of_its_own_where_one_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert signing.gate_key() == signing.signing_key()
        monkeypatch.setenv("AIMS_SIGNING_KEY", str(signing.new_key(tmp_path / "train.pem").path))
        assert signing.gate_key() == signing.signing_key()
        gate = signing.new_key(tmp_path / "gate.pem")
        monkeypatch.setenv("AIMS_GATE_KEY", str(gate.path))
        assert signing.gate_key() == gate
        assert signing.signing_key() != gate

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
