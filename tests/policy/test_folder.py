"""The policy folder: which policy judges a model, what is protected, what a broken file does, and when it is read anew."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.errors import ConfigurationError, NoSystemError, SystemFileError
from aims_mlflow.policy import folder as folder_module
from aims_mlflow.policy.choosing import chosen_policy, policy_for
from aims_mlflow.policy.effective import Policy
from aims_mlflow.policy.folder import Policies
from aims_mlflow.policy.organisation_file import OrganisationFile
from aims_mlflow.signing import new_key
from aims_mlflow.system_file import load_system

Written = Any  # tests/policy/conftest.py


def settle(folder: Path) -> None:
    """Date every file back, as if it had been written a while ago: what was just written is not kept."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60))


class TestForModel:
    def test_the_model_chooses_and_the_policy_is_the_merged_one(self, written: Written) -> None:
        written.system("golden", system={"model": "credit"})
        written.system("other", system={"model": "churn"})
        written.organisation("gate: {max_age_days: 3}\n")
        policy = Policies.read(written.folder).for_model("credit")
        assert (policy.system.id, policy.system.gate.max_age_days, policy.tier) == ("golden", 3, "high")
        assert policy.origins["gate.max_age_days"] == "organisation.yaml line 2"
        assert policy.trust.keys == ()

    def test_a_system_without_a_model_is_found_by_the_id_that_the_evidence_names(self, written: Written) -> None:
        written.system("golden")
        written.system("strict", system={"model": "credit"})
        found = Policies.read(written.folder)
        assert found.for_model("anything", "golden").system.id == "golden"
        assert found.for_model("credit", "golden").system.id == "strict"
        for name, system_id in (("anything", "strict"), ("anything", ""), ("anything", "../golden")):
            with pytest.raises(NoSystemError):
                found.for_model(name, system_id)

    def test_two_systems_of_one_model_stop_that_model_only(self, written: Written) -> None:
        for name, model in (("one", "credit"), ("two", "credit"), ("three", "churn")):
            written.system(name, system={"model": model})
        found = Policies.read(written.folder)
        with pytest.raises(ConfigurationError, match="more than one policy names the model 'credit': one, two"):
            found.for_model("credit")
        assert found.for_model("churn").system.id == "three"
        assert found.protects("credit") == {"champion", "production"}

    def test_a_system_looser_than_its_organisation_stops_its_own_model_only(self, written: Written) -> None:
        written.system("golden", system={"model": "credit"}, gate={"protects": ["live"]})
        written.system("other", system={"model": "churn"}, requirements=[])
        written.organisation("requirements: [{check: performance, metric: roc_auc_score, min: 0.9}]\n")
        found = Policies.read(written.folder)
        with pytest.raises(SystemFileError, match=r"at least 0.7 is looser than at least 0.9") as caught:
            found.for_model("credit")
        assert caught.value.where.endswith("golden.yaml")
        assert found.refused["golden"].__traceback__ is not caught.value.__traceback__
        assert str(caught.value) == str(found.refused["golden"])
        assert found.for_model("churn").system.id == "other"
        assert found.protects("credit") == {"live", "champion", "production"}

    def test_keys_are_read_beside_the_policies(self, written: Written, tmp_path: Path) -> None:
        key = new_key(tmp_path / "release.pem")
        written.system("golden", system={"model": "credit"})
        (written.folder / "release.pub").write_bytes((tmp_path / "release.pem.pub").read_bytes())
        listed = f"version: 1\nkeys:\n- {{id: {key.id}, name: CI, file: release.pub, roles: [evidence], since: 2026-01-01}}\n"
        (written.folder / "keys.yaml").write_text(listed)
        assert [one.name for one in Policies.read(written.folder).for_model("credit").trust.keys] == ["CI"]


class TestUnlisted:
    @pytest.mark.parametrize("organisation", [None, "", "unlisted_models: block\n"], ids=["no-file", "default", "said"])
    def test_a_model_without_a_system_is_blocked_by_default(self, written: Written, organisation: str | None) -> None:
        written.system("golden", system={"model": "credit"})
        if organisation is not None:
            written.organisation(organisation)
        found = Policies.read(written.folder)
        assert (found.unlisted, found.judges("stranger")) == ("block", True)
        assert found.protects("stranger") == {"champion", "production"}
        with pytest.raises(NoSystemError, match="no policy for the model 'stranger'") as caught:
            found.for_model("stranger")
        assert "system.model: stranger" in caught.value.fix

    def test_its_protected_aliases_are_the_organisations(self, written: Written) -> None:
        written.system("golden", system={"model": "credit"}, gate={"protects": ["live"]})
        written.organisation("gate: {protects: [Canary]}\n")
        found = Policies.read(written.folder)
        assert found.protects("stranger") == {"canary"}
        assert found.protects("credit") == {"canary", "live"}

    def test_allow_leaves_it_alone(self, written: Written) -> None:
        written.system("golden", system={"model": "credit"})
        written.organisation("unlisted_models: allow\n")
        found = Policies.read(written.folder)
        assert (found.unlisted, found.judges("stranger"), found.judges("credit")) == ("allow", False, True)
        assert found.protects("stranger") == frozenset()
        assert "champion" in found.protects("credit")
        with pytest.raises(NoSystemError, match=r"leaves unlisted models alone \(organisation.yaml line 2\)"):
            found.for_model("stranger")

    def test_allow_judges_every_model_that_a_nameless_system_could_mean(self, written: Written) -> None:
        written.system("golden")
        written.organisation("unlisted_models: allow\n")
        found = Policies.read(written.folder)
        assert found.judges("stranger")
        assert found.protects("stranger") == {"champion", "production"}


BROKEN = {
    "a-system": ("golden.yaml", "version: ["),
    "a-system-that-is-empty": ("golden.yaml", ""),
    "a-misnamed-system": ("another.yaml", None),
    "the-organisation": ("organisation.yaml", "version: 1\ntiers: {hihg: {}}\n"),
    "the-keys": ("keys.yaml", "version: 1\nkeys: 5\n"),
    "a-file-that-would-be-overlooked": ("credit.yml", "version: 1\n"),
}


class TestBroken:
    @pytest.mark.parametrize(("name", "text"), BROKEN.values(), ids=BROKEN.keys())
    def test_a_broken_file_stops_all_that_is_protected(self, written: Written, name: str, text: str | None) -> None:
        written.system("other", system={"model": "churn"}, gate={"protects": ["live"]})
        written.organisation("unlisted_models: allow\ngate: {protects: [canary]}\n")
        (written.folder / name).write_text((written.folder / "other.yaml").read_text() if text is None else text)
        found = Policies.read(written.folder)
        assert len(found.broken) == 1
        assert found.broken[0].where.endswith(name)
        assert found.broken[0].fix or isinstance(found.broken[0], SystemFileError)
        assert found.unlisted == "block"
        expected = {"live", "champion", "production"} | ({"canary"} if name != "organisation.yaml" else set())
        for model in ("churn", "stranger"):
            assert found.protects(model) == expected
            with pytest.raises(ConfigurationError, match="the policy folder cannot be used") as caught:
                found.for_model(model)
            assert "aims validate" in caught.value.fix

    @pytest.mark.parametrize("path", ["nowhere", "a\x00b", "file"])
    def test_a_folder_that_cannot_be_read_protects_the_usual(self, tmp_path: Path, path: str) -> None:
        (tmp_path / "file").write_text("")
        found = Policies.read(f"{tmp_path}/{path}")
        assert found.protects("any") == {"champion", "production"}
        with pytest.raises(ConfigurationError, match="the policy folder cannot be read"):
            found.for_model("any")

    def test_a_link_that_leads_nowhere_and_a_pipe_are_not_passed_over(self, written: Written) -> None:
        (written.folder / "organisation.yaml").symlink_to("gone.yaml")
        os.mkfifo(written.folder / "golden.yaml")
        assert len(Policies.read(written.folder).broken) == 2

    def test_hidden_files_and_other_files_are_no_policies(self, written: Written) -> None:
        written.system("golden", system={"model": "credit"})
        for name in (".golden.yaml.swp", ".draft.yaml", "README.md", "golden.yaml.bak"):
            (written.folder / name).write_text("{")
        assert Policies.read(written.folder).for_model("credit").system.id == "golden"


class TestReadAnew:
    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """Every folder that was really read."""
        seen: list[Path] = []
        real = folder_module.read_folder

        def counted(path: Path, **more: Any) -> Policies:
            seen.append(path)
            return real(path, **more)

        monkeypatch.setattr(folder_module, "read_folder", counted)
        return seen

    def test_what_has_not_changed_is_read_once(self, written: Written, reads: list[Path]) -> None:
        written.system("golden", system={"model": "credit"})
        settle(written.folder)
        assert Policies.read(written.folder) is Policies.read(str(written.folder))
        assert len(reads) == 1

    def test_what_was_just_written_is_not_kept_yet(self, written: Written, reads: list[Path]) -> None:
        written.system("golden", system={"model": "credit"})
        now = time.time() + 5  # a clock ahead of ours, as on a network disk
        os.utime(written.folder / "golden.yaml", (now, now))
        Policies.read(written.folder)
        Policies.read(written.folder)
        assert len(reads) == 2

    @pytest.mark.parametrize("change", ["edit", "edit-of-the-same-size-and-time", "replace", "add", "remove", "suite", "key"])
    def test_any_change_is_seen(self, written: Written, reads: list[Path], change: str) -> None:
        path = written.folder / "golden.yaml"
        written.system("golden", system={"model": "credit"}, gate={"max_age_days": 11})
        (written.folder / "suites").mkdir()
        (written.folder / "suites" / "train.json").write_text("{}")
        (written.folder / "release.pub").write_text("a")
        settle(written.folder)
        Policies.read(written.folder)
        before = path.stat()
        text = path.read_text().replace("max_age_days: 11", "max_age_days: 12")
        if change.startswith("edit"):
            path.write_text(text if change != "edit" else text + "\n# more\n")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif change == "replace":
            (written.folder / ".new").write_text(text)
            (written.folder / ".new").replace(path)
        elif change == "add":
            written.system("other")
        elif change == "remove":
            path.unlink()
        else:
            other = written.folder / ("suites/train.json" if change == "suite" else "release.pub")
            other.write_text("[]" if change == "suite" else "b")
        Policies.read(written.folder)
        assert len(reads) == 2

    def test_a_mounted_volume_that_is_swapped_by_a_link_is_seen(self, written: Written) -> None:
        """As Kubernetes mounts a ConfigMap: the files are links through ``..data``, which is swapped in one step."""
        for number, days in ((1, 11), (2, 22)):
            (written.folder / f"..{number}").mkdir()
            written.system("golden", system={"model": "credit"}, gate={"max_age_days": days})
            (written.folder / "golden.yaml").rename(written.folder / f"..{number}" / "golden.yaml")
        (written.folder / "..data").symlink_to("..1")
        (written.folder / "golden.yaml").symlink_to("..data/golden.yaml")
        settle(written.folder)
        assert Policies.read(written.folder).for_model("credit").system.gate.max_age_days == 11
        (written.folder / "..data_tmp").symlink_to("..2")
        (written.folder / "..data_tmp").replace(written.folder / "..data")
        assert Policies.read(written.folder).for_model("credit").system.gate.max_age_days == 22

    def test_asking_for_what_is_known_costs_less_than_a_tenth_of_reading_it(self, written: Written) -> None:
        for number in range(8):
            written.system(f"system-{number}", system={"model": f"model-{number}"})
        settle(written.folder)
        began = time.perf_counter()
        Policies.read(written.folder)
        reading = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(20):
            Policies.read(written.folder).protects("model-3")
        assert (time.perf_counter() - began) / 20 < reading / 10


class TestChoosing:
    def test_a_declaration_or_a_policy_is_taken_as_it_is(self, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
        system = written.system().system
        written.organisation("gate: {max_age_days: 3}\n")
        monkeypatch.setenv("AIMS_POLICY_DIR", str(written.folder))
        assert policy_for(system, model_name="x") is system
        policy = Policies.read(written.folder).for_model("x", "golden")
        assert chosen_policy(policy, model_name="x") is policy
        assert isinstance(policy, Policy)

    def test_a_path_is_merged_with_the_organisation_file_beside_it(self, written: Written) -> None:
        path = written.folder / "golden.yaml"
        written.system()
        assert policy_for(path, model_name="x").gate.max_age_days == 30
        written.organisation("gate: {max_age_days: 3}\n")
        assert policy_for(path, model_name="x").gate.max_age_days == 3

    def test_the_organisation_file_of_the_policy_folder_comes_first(
        self, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written.system()
        own = tmp_path / "aims.yaml"
        own.write_text((written.folder / "golden.yaml").read_text())
        (tmp_path / "organisation.yaml").write_text("version: 1\ngate: {max_age_days: 9}\n")
        assert policy_for(own, model_name="x").gate.max_age_days == 9
        written.organisation("gate: {max_age_days: 3}\n")
        monkeypatch.setenv("AIMS_POLICY_DIR", str(written.folder))
        assert policy_for(own, model_name="x").gate.max_age_days == 3

    def test_the_folder_comes_before_the_file_in_the_working_directory(
        self, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written.system("golden", gate={"max_age_days": 4})
        monkeypatch.chdir(tmp_path)
        (tmp_path / "aims.yaml").write_text((written.folder / "golden.yaml").read_text())
        monkeypatch.setenv("AIMS_POLICY_DIR", str(written.folder))
        assert policy_for(None, model_name="x", system_id="golden").gate.max_age_days == 4
        with pytest.raises(NoSystemError):
            policy_for(None, model_name="x", system_id="another")
        monkeypatch.delenv("AIMS_POLICY_DIR")
        assert policy_for(None, model_name="x").sha256 == load_system("aims.yaml").sha256

    def test_with_neither_it_says_what_to_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigurationError, match="the gate has no policy to judge by") as caught:
            policy_for(None, model_name="x")
        assert "--system FILE" in caught.value.fix


def test_latest_cannot_be_protected(written: Written) -> None:
    with pytest.raises(SystemFileError, match="latest moves with every registration"):
        written.system(gate={"protects": ["champion", " LATEST"]})


def test_an_organisation_file_is_typed(written: Written) -> None:
    assert isinstance(written.organisation(""), OrganisationFile)
