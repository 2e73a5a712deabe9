"""Keys behind a URI: a service that works signs as a file does; one that is dead stops the promotion and never the training."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner

from aims_mlflow import sending, signing, spool
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import ConfigurationError, PromotionBlocked
from aims_mlflow.evidence import canonical
from aims_mlflow.signing import signers
from aims_mlflow.store import Store
from tests.promotion import test_moving as promotion

PAYLOAD = b'{"said": "as it was"}'
TESTS = Path(__file__).parents[1]


class TestService:
    def test_what_it_signs_verifies_and_names_its_key(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:works")
        key = signing.signing_key()
        assert (key.path, key.place, key.development) == (None, "vaulttest:works", False)
        verified = signing.verify(signing.sign(PAYLOAD), trusted=[key.id])
        assert verified.key_ids == (CryptoSigner(service.private).public_key.keyid,)
        assert service.calls == 1

    def test_the_gate_may_have_a_service_of_its_own(self, service: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        assert service
        monkeypatch.setenv("AIMS_GATE_KEY", "vaulttest:works")
        with pytest.raises(ConfigurationError, match="AIMS_GATE_PUBLIC_KEY"):
            signing.gate_key()
        monkeypatch.setenv("AIMS_GATE_PUBLIC_KEY", str(tmp_path / "service.pub"))
        assert signing.gate_key().uri == "vaulttest:works"
        assert signing.signing_key().development

    @pytest.mark.parametrize(
        ("how", "said"),
        [
            ("closed", r"could not be opened \(PermissionError\)"),
            ("raises", r"could not sign \(ConnectionError\)"),
            ("exits", r"could not sign \(SystemExit\)"),
            ("hangs", r"could not sign: no answer in 0\.3 seconds"),
            ("other", "does not verify with the public key"),
            ("nonsense", "does not verify with the public key"),
        ],
    )
    def test_one_that_fails_says_so_in_time_and_quotes_nothing(
        self, service: Any, how: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert service
        monkeypatch.setenv("AIMS_SIGNING_KEY", f"vaulttest:{how}")
        began = time.monotonic()
        with pytest.raises(ConfigurationError, match=said) as refused:
            signing.sign(PAYLOAD)
        assert time.monotonic() - began < 5
        assert "4711" not in str(refused.value)
        assert refused.value.where == "AIMS_SIGNING_KEY=vaulttest:…"

    def test_one_that_asks_for_a_secret_gets_it_from_the_environment(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert service
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:asks")
        with pytest.raises(ConfigurationError, match=r"asks for its pin .* set AIMS_SIGNING_KEY_PIN"):
            signing.sign(PAYLOAD)
        monkeypatch.setenv("AIMS_SIGNING_KEY_PIN", "1235")
        with pytest.raises(ConfigurationError, match="PermissionError"):
            signing.sign(PAYLOAD)
        monkeypatch.setenv("AIMS_SIGNING_KEY_PIN", "1234")
        assert signing.verify(signing.sign(PAYLOAD)).payload == PAYLOAD

    def test_one_that_was_silent_is_not_asked_again_at_once(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:hangs")
        with pytest.raises(ConfigurationError, match="no answer"):
            signing.sign(PAYLOAD)
        monkeypatch.setattr(signers, "SECONDS", 30.0)
        with pytest.raises(ConfigurationError, match="did not answer a moment ago"):
            signing.sign(PAYLOAD)
        assert service.calls == 1
        monkeypatch.setattr(signers, "_silent_until", {})
        service.released.set()
        assert signing.verify(signing.sign(PAYLOAD)).payload == PAYLOAD

    def test_a_dead_service_does_not_fill_the_process_with_threads(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:hangs")
        monkeypatch.setattr(signers, "SECONDS", 0.01)
        for _ in range(signers.MOST_WAITING + 2):
            signers._silent_until.clear()
            with pytest.raises(ConfigurationError) as refused:
                signing.sign(PAYLOAD)
        assert "unanswered" in str(refused.value)
        assert service.calls <= signers.MOST_WAITING

    @pytest.mark.parametrize("content", [None, "no key", "private"], ids=["absent", "no-key", "private-key"])
    def test_a_public_key_that_cannot_be_read_is_named(
        self, service: Any, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert service
        path = tmp_path / "named.pub"
        if content == "private":
            path.write_bytes(CryptoSigner.generate_ed25519().private_bytes)
        elif content is not None:
            path.write_text(content)
        monkeypatch.setenv("AIMS_SIGNING_PUBLIC_KEY", str(path))
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:works")
        with pytest.raises(ConfigurationError, match="no public key in the file"):
            signing.signing_key()

    def test_a_scheme_that_nobody_knows_is_refused_with_the_nearest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", "awskm:alias/training")
        with pytest.raises(ConfigurationError, match="did you mean 'awskms'"):
            signing.signing_key()

    @pytest.mark.parametrize("scheme", ["awskms", "azurekms", "gcpkms", "hsm"])
    def test_a_scheme_whose_library_is_not_installed_is_dead_and_says_which_it_was(
        self, service: Any, scheme: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What can be seen of the real services where none is at hand: they fail closed, and quickly."""
        assert service
        monkeypatch.setattr(signers, "SECONDS", 20.0)
        monkeypatch.setenv("AIMS_SIGNING_KEY", f"{scheme}:no-such-key")
        with pytest.raises(ConfigurationError, match=f"AIMS_SIGNING_KEY={scheme}:"):
            signing.sign(PAYLOAD)


class TestFile:
    def test_a_file_uri_is_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = signing.new_key(tmp_path / "release.pem")
        monkeypatch.setenv("AIMS_SIGNING_KEY", f"file2:{made.path}")
        assert signing.signing_key() == made
        monkeypatch.setenv("CRYPTO_SIGNER_PATH_PREFIX", str(tmp_path))
        monkeypatch.setenv("AIMS_SIGNING_KEY", "file2:release.pem")
        assert signing.signing_key().id == made.id

    @pytest.mark.skipif(os.name != "posix", reason="only POSIX keeps these bits")
    def test_a_file_uri_does_not_get_round_the_permissions(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = signing.new_key(tmp_path / "release.pem")
        (tmp_path / "release.pem").chmod(0o644)
        monkeypatch.setenv("AIMS_SIGNING_KEY", f"file2:{made.path}")
        with pytest.raises(ConfigurationError, match="chmod 600"):
            signing.signing_key()

    @pytest.mark.parametrize("named", ["hsm:", "vaulttest:x", "awskms:alias/a b?c#d"])
    def test_what_is_a_uri(self, named: str) -> None:
        assert signers.is_uri(named)

    @pytest.mark.parametrize("named", ["key.pem", "./awskms:x", "/etc/key:2", r"C:\keys\key.pem", "~/key.pem", ""])
    def test_what_is_a_path(self, named: str) -> None:
        assert not signers.is_uri(named)

    def test_a_file_whose_name_looks_like_a_uri_is_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        made = signing.new_key(Path("awskms:mine"))
        monkeypatch.setenv("AIMS_SIGNING_KEY", "awskms:mine")
        assert signing.signing_key() == made


@pytest.fixture
def world(mlflow_home: str) -> Any:
    assert mlflow_home
    return promotion.trained(Store())


class TestDead:
    @pytest.mark.parametrize("how", ["raises", "hangs", "closed"])
    def test_a_promotion_is_blocked_with_the_reason(self, service: Any, world: Any, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SIGNING_KEY", f"vaulttest:{how}")
        with pytest.raises(PromotionBlocked, match="the key service could not"):
            world.promote()
        assert world.alias() is None
        assert service.calls <= 4  # the decision, the denial and their log: a service that fails at once is asked each time

    def test_evidence_waits_in_the_spool_until_it_can_be_signed(
        self, service: Any, mlflow_home: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert mlflow_home
        assert service
        store = Store()
        run_id = store.create_run("tests", "training", {})
        statement = promotion.make.bundle(
            run=promotion.make.bundle().run.model_copy(update={"run_id": run_id}),
            evidence=tuple(e.model_copy(update={"run_id": run_id}) for e in promotion.make.bundle().evidence),
        ).statement()
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:raises")
        spool.put(
            spool.Parcel(
                run_id=run_id,
                server=store.tracking_uri,
                files={"aims/model_card.md": b"# Card\n", spool.UNSIGNED: canonical(statement)},
                tags={"aims.state": "pass"},
                status="FINISHED",
            )
        )
        (sent,) = sending.replay(store)
        assert "could not be signed" in sent.problem
        assert len(spool.pending()) == 1
        assert store.artifacts(run_id, "aims") == ["aims/model_card.md"]
        run = store.run(run_id)
        assert (run.status, run.tags["aims.state"]) == ("FINISHED", "error")
        assert "aims.bundle" not in run.tags
        monkeypatch.setenv("AIMS_SIGNING_KEY", "vaulttest:works")
        (sent,) = sending.replay(store)
        assert (sent.problem, spool.pending()) == ("", [])
        bundle, verified = signing.open_bundle(store.read(run_id, BUNDLE_PATH))
        assert bundle.run.run_id == run_id
        assert verified.key_ids == (signing.signing_key().id,)
        assert store.run(run_id).tags["aims.state"] == "pass"
        assert store.run(run_id).tags["aims.bundle"] == verified.sha256
