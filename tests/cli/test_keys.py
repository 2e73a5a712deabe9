"""``aims keys`` and ``aims verify`` with a list of keys: words, JSON, exit codes, and nothing overwritten silently."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.cli import main
from aims_mlflow.cli.keys import role_choice
from aims_mlflow.errors import PromotionBlocked
from aims_mlflow.evidence import canonical
from aims_mlflow.promotion import check_promotion, recorded_decisions
from aims_mlflow.signing import ROLES, Trust, gate_key, new_key, signing_key
from aims_mlflow.store import Store
from tests.golden import make
from tests.promotion import test_moving as promotion

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"


def aims(*arguments: str | Path, given: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], input=given)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "golden.pub"
    path.write_text(make.key().public)
    return path


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    monkeypatch.setenv("AIMS_POLICY_DIR", str(folder))
    return folder


class TestTrust:
    def test_a_key_is_listed_and_counts(self, policies: Path, pem: Path) -> None:
        said = aims("keys", "trust", pem, "--role", "evidence", "--name", "training cluster")
        assert said.exit_code == 0, said.output
        (key,) = Trust.read(policies / "keys.yaml").keys
        assert (key.id, key.name, key.roles, key.since) == (make.key().id, "training cluster", ("evidence",), datetime.now(UTC).date())
        listed = aims("keys", "list")
        assert listed.exit_code == 0
        assert "training cluster" in listed.output
        assert make.key().id in listed.output
        told = json.loads(aims("keys", "list", "--json").stdout)
        assert [(k["id"], k["state"]) for k in told["keys"]] == [(make.key().id, "valid")]

    def test_the_key_may_be_read_or_named_by_its_id(self, policies: Path) -> None:
        own = signing_key()
        assert aims("keys", "trust", own.id[:12], "--role", "decision", "--name", "gate").exit_code == 0
        said = aims("keys", "trust", "-", "--role", "evidence", "--role", "attestation", "--name", "desk", given=make.key("other").public)
        assert said.exit_code == 0, said.output
        listed = {k.id: k.roles for k in Trust.read(policies / "keys.yaml").keys}
        assert listed == {own.id: ("decision",), make.key("other").id: ("evidence", "attestation")}

    def test_dates_are_taken(self, pem: Path, tmp_path: Path) -> None:
        file = tmp_path / "list.yaml"
        said = aims(
            "keys",
            "trust",
            pem,
            "--role",
            "evidence",
            "--name",
            "x",
            "--since",
            "2020-01-01",
            "--until",
            "2020-12-31",
            "--file",
            file,
            "--json",
        )
        assert json.loads(said.stdout)["key"]["state"] == "expired"
        assert aims("keys", "trust", pem, "--role", "evidence", "--name", "x", "--until", "31.12.2020", "--file", file).exit_code == 2

    def test_nothing_is_overwritten_silently(self, policies: Path, pem: Path) -> None:
        assert aims("keys", "trust", pem, "--role", "evidence", "--name", "one", "--until", "2090-01-01").exit_code == 0
        before = (policies / "keys.yaml").read_bytes()
        again = aims("keys", "trust", pem, "--role", "decision", "--name", "two")
        assert again.exit_code == 2
        assert "in the list already, as 'one' for evidence" in again.output
        assert (policies / "keys.yaml").read_bytes() == before
        assert aims("keys", "trust", pem, "--role", "decision", "--name", "two", "--replace").exit_code == 0
        (key,) = Trust.read(policies / "keys.yaml").keys
        assert (key.name, key.roles, str(key.until)) == ("two", ("decision",), "2090-01-01")

    def test_a_list_with_a_mistake_is_not_written_over(self, policies: Path, pem: Path) -> None:
        (policies / "keys.yaml").write_text("version: 1\nkees: []\n")
        said = aims("keys", "trust", pem, "--role", "evidence", "--name", "x")
        assert said.exit_code == 2
        assert "did you mean 'keys'" in said.output
        assert (policies / "keys.yaml").read_text() == "version: 1\nkees: []\n"

    def test_a_private_key_is_refused(self, policies: Path, tmp_path: Path) -> None:
        made = new_key(tmp_path / "key.pem")
        said = aims("keys", "trust", made.place, "--role", "evidence", "--name", "x")
        assert said.exit_code == 2
        assert "PRIVATE key" in said.output
        assert not (policies / "keys.yaml").exists()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["absent.pub", "--role", "evidence", "--name", "x"], "neither a public key nor a file"),
            (["{pem}", "--role", "evidense", "--name", "x"], "evidense"),
            (["{pem}", "--name", "x"], "--role"),
            (["{pem}", "--role", "evidence"], "--name"),
            (["{pem}", "--role", "evidence", "--name", ""], "at least 1"),
        ],
        ids=["absent", "role", "no-role", "no-name", "empty-name"],
    )
    def test_what_is_missing_is_named(self, arguments: list[str], said: str, policies: Path, pem: Path) -> None:
        done = aims("keys", "trust", *(a.format(pem=pem) for a in arguments))
        assert done.exit_code == 2
        assert said in done.output
        assert not (policies / "keys.yaml").exists()

    def test_without_a_folder_the_list_must_be_named(self, pem: Path) -> None:
        said = aims("keys", "trust", pem, "--role", "evidence", "--name", "x")
        assert said.exit_code == 2
        assert "AIMS_POLICY_DIR" in said.output

    def test_the_roles_are_those_of_the_list(self) -> None:
        assert tuple(role_choice.choices) == ROLES


class TestRevoke:
    def test_a_revoked_key_stays_in_the_list_and_does_not_come_back(self, policies: Path, pem: Path) -> None:
        aims("keys", "trust", pem, "--role", "evidence", "--name", "laptop")
        aims("keys", "trust", "-", "--role", "evidence", "--name", "desk", given=make.key("other").public)
        said = aims("keys", "revoke", make.key().id[:10], "--reason", "stolen", "--from", "2026-02-01")
        assert said.exit_code == 0, said.output
        key, other = Trust.read(policies / "keys.yaml").keys
        assert key.revoked is not None
        assert (key.revoked.reason, str(key.revoked.since), key.revoked.on) == ("stolen", "2026-02-01", datetime.now(UTC).date())
        assert other.revoked is None
        assert "revoked: stolen" in aims("keys", "list").output
        for again in (
            ("revoke", make.key().id, "--reason", "again"),
            ("trust", str(pem), "--role", "evidence", "--name", "x", "--replace"),
        ):
            refused = aims("keys", *again)
            assert refused.exit_code == 2
            assert "stolen" in refused.output

    @pytest.mark.parametrize("key_id", ["", "0", "f" * 64, "67020317"[:7]], ids=["empty", "one", "unknown", "seven"])
    def test_a_key_that_is_not_in_the_list_is_named(self, key_id: str, policies: Path, pem: Path) -> None:
        assert policies
        aims("keys", "trust", pem, "--role", "evidence", "--name", "laptop")
        said = aims("keys", "revoke", key_id, "--reason", "stolen")
        assert said.exit_code == 2
        assert "the list has no key" in said.output


class TestShow:
    def test_both_keys_are_shown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = new_key(tmp_path / "gate.pem")
        monkeypatch.setenv("AIMS_GATE_KEY", str(gate.path))
        told = json.loads(aims("keys", "show", "--json").stdout)
        assert (told["gate"]["id"], told["gate"]["development"], told["signing"]["development"]) == (gate.id, False, True)
        assert "named by AIMS_GATE_KEY" in aims("keys", "show").output


class TestVerify:
    @pytest.fixture
    def listed(self, tmp_path: Path, pem: Path) -> Path:
        file = tmp_path / "keys.yaml"
        assert aims("keys", "trust", pem, "--role", "evidence", "--name", "cluster", "--since", "2026-01-01", "--file", file).exit_code == 0
        return file

    @pytest.mark.parametrize(
        ("name", "kind", "role", "code"),
        [
            ("bundles/good-bundle", "bundle", None, None),
            ("bundles/good-bundle", "bundle", "decision", "wrong_role"),
            ("bundles/good-of-another-key", "bundle", None, "unknown_key"),
            ("decisions/good-denied", "decision", None, "wrong_role"),
            ("decisions/good-denied", "decision", "evidence", None),
            ("entries/good-second", "log entry", None, "wrong_role"),
        ],
    )
    def test_the_list_says_whether_the_signature_counts(
        self, name: str, kind: str, role: str | None, code: str | None, listed: Path
    ) -> None:
        wanted = ("--role", role) if role else ()
        done = aims("verify", GOLDEN / f"{name}.dsse.json", "--trust", listed, *wanted, "--json")
        told = json.loads(done.stdout)
        assert (told["kind"], told["holds"], told.get("code")) == (kind, code is None, code)
        assert done.exit_code == (0 if code is None else 1)

    def test_a_key_that_stands_only_in_the_list_is_enough(self, listed: Path) -> None:
        bare = GOLDEN / "bundles" / "bad-unknown-key.dsse.json"
        assert aims("verify", bare).exit_code == 1
        done = aims("verify", bare, "--trust", listed)
        assert done.exit_code == 0, done.output
        assert "names            cluster" in done.output

    def test_a_model_folder_is_compared(self, tmp_path: Path) -> None:
        bundle = GOLDEN / "bundles" / "good-of-files.dsse.json"
        assert "2 files as evaluated" in aims("verify", bundle, "--model", GOLDEN / "model").output
        shutil.copytree(GOLDEN / "model", tmp_path / "model")
        (tmp_path / "model" / "MLmodel").rename(tmp_path / "model" / "other")
        (tmp_path / "model" / "extra").write_text("")
        done = aims("verify", bundle, "--model", tmp_path / "model")
        assert done.exit_code == 1
        assert "renamed MLmodel to other; added extra" in done.output

    def test_a_role_needs_a_list_and_a_list_must_be_right(self, tmp_path: Path) -> None:
        bundle = GOLDEN / "bundles" / "good-bundle.dsse.json"
        assert aims("verify", bundle, "--role", "evidence").exit_code == 2
        assert aims("verify", bundle, "--trust", tmp_path / "absent.yaml").exit_code == 2


class TestPromotion:
    """The whole way: a policy folder with a list of keys, real MLflow, evidence and decisions by keys of their own."""

    @pytest.fixture
    def world(self, mlflow_home: str, policies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        assert mlflow_home
        content = json.loads(json.dumps(make.SYSTEM))
        content["system"]["model"] = "golden"
        (policies / "golden.yaml").write_text(yaml.safe_dump(content))
        monkeypatch.setenv("AIMS_SIGNING_KEY", str(new_key(tmp_path / "train.pem").path))
        monkeypatch.setenv("AIMS_GATE_KEY", str(new_key(tmp_path / "gate.pem").path))
        world = promotion.trained(Store())
        self.trust(tmp_path / "train.pem.pub", "evidence")
        return world

    def trust(self, path: Path, role: str, *more: str) -> None:
        done = aims("keys", "trust", path, "--role", role, "--name", path.name, "--since", "2026-01-01", *more)
        assert done.exit_code == 0, done.output

    def codes(self, world: Any) -> list[str]:
        return [b.code for b in check_promotion(world.uri, alias="champion", store=world.store).blockers]

    def promote(self, world: Any) -> Any:
        return promotion.promote(world.uri, "champion", store=world.store)

    def test_the_gates_own_key_must_be_listed_for_decisions(self, world: Any, tmp_path: Path) -> None:
        assert self.codes(world) == []
        with pytest.raises(PromotionBlocked, match=r"decision is signed by the key \w+, which keys\.yaml does not list"):
            self.promote(world)
        assert world.alias() is None
        self.trust(tmp_path / "gate.pem.pub", "evidence")
        with pytest.raises(PromotionBlocked, match="may sign evidence and not decision"):
            self.promote(world)
        self.trust(tmp_path / "gate.pem.pub", "decision", "--replace")
        assert self.promote(world).allowed
        assert world.alias() == world.version.version
        kept = [r for r in recorded_decisions(world.run_id, world.store) if r.decision is not None and r.decision.allowed]
        assert [r.key_ids for r in kept] == [(gate_key().id,)]

    @pytest.mark.parametrize(
        ("change", "code"),
        [("revoke", "revoked_key"), ("role", "wrong_role"), ("end", "expired_key"), ("other", "unknown_key"), ("bare", "missing_key")],
    )
    def test_evidence_by_a_key_that_does_not_count_is_stopped(
        self, world: Any, change: str, code: str, tmp_path: Path, policies: Path
    ) -> None:
        own = tmp_path / "train.pem.pub"
        if change == "revoke":
            key_id = Trust.read(policies / "keys.yaml").keys[0].id
            assert aims("keys", "revoke", key_id, "--reason", "lost").exit_code == 0
        elif change == "role":
            self.trust(own, "attestation", "--replace")
        elif change == "end":
            self.trust(own, "evidence", "--replace", "--until", "2026-01-02")
        else:
            (policies / "keys.yaml").unlink()
            self.trust(tmp_path / "gate.pem.pub", "evidence")
        if change == "bare":
            content = json.loads(world.store.read(world.run_id, BUNDLE_PATH))
            del content["signatures"][0]["public_key"]
            world.store.write(world.run_id, BUNDLE_PATH, canonical(content))
        assert self.codes(world) == [code]
        with pytest.raises(PromotionBlocked):
            self.promote(world)
        assert world.alias() is None

    def test_evidence_that_carries_no_key_is_read_with_the_lists(self, world: Any) -> None:
        content = json.loads(world.store.read(world.run_id, BUNDLE_PATH))
        del content["signatures"][0]["public_key"]
        world.store.write(world.run_id, BUNDLE_PATH, canonical(content))
        assert self.codes(world) == []
