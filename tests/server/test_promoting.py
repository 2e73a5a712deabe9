"""What a gated server decides: promotion by alias and by stage, and all that could get round it by another name."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from mlflow.exceptions import RestException

import aims_mlflow as aims
from aims_mlflow.errors import PromotionBlocked
from aims_mlflow.ledger import Ledger, walk
from aims_mlflow.promotion import recorded_decisions

from . import making
from .serving import Answer, Gated

ALIAS = "registered-models/alias"


def set_alias(gated: Gated, name: str, alias: str, version: str = "1") -> Answer:
    return gated.post(ALIAS, {"name": name, "alias": alias, "version": version})


def stage(gated: Gated, name: str, stage: str, version: str = "1", archive: bool = False) -> Answer:
    body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
    return gated.post("model-versions/transition-stage", body)


def logged(made: making.Trained, kind: str) -> list[tuple[str, str, str, str]]:
    """Return (version, holder, actor, run of the decision) of the log's entries about this model."""
    entries = [one.entry for one in Ledger(made.store).entries() if one.entry.kind == kind and one.entry.about[0] == made.name]
    return [(e.about[1], e.about[2], e.actor, e.decision.run_id if e.decision else "") for e in entries]


class TestAliases:
    def test_a_proven_version_gets_it_and_the_decision_is_kept(self, gated: Gated) -> None:
        good = gated.model()
        assert set_alias(gated, good.name, "champion").status == 200
        assert good.store.alias_version(good.name, "champion") == "1"
        (kept,) = recorded_decisions(good.version.run_id, good.store)
        assert kept.decision is not None
        actor = gated.user or "unauthenticated"
        assert (kept.decision.allowed, kept.decision.alias, kept.decision.actor) == (True, "champion", actor)
        assert logged(good, "decision") == [("1", "champion", actor, good.version.run_id)]
        tags = good.store.version(good.uri).tags
        assert tags["aims.decision"].startswith("allowed champion ")
        assert (tags["aims.state"], tags["aims.A.6.2.4"], tags["aims.system"]) == ("pass", "pass", "golden")

    def test_an_entry_that_was_read_is_not_fetched_again(self, gated: Gated) -> None:
        good = gated.model()
        assert set_alias(gated, good.name, "champion").status == 200
        known = {one.sha256: one for one in walk(good.store).entries}
        assert set_alias(gated, good.name, "champion", good.again().version.version).status == 200
        (new,) = [one for one in walk(good.store, known=known).entries if known.get(one.sha256) is not one]
        assert new.entry.about == (good.name, "2", "champion")

    def test_an_unproven_one_does_not_and_the_client_is_told_why(self, gated: Gated) -> None:
        bad = gated.model(spoilt=making.failing)
        with pytest.raises(RestException) as refused:
            gated.client.set_registered_model_alias(bad.name, "champion", "1")
        said = str(refused.value)
        assert said.startswith(f"PERMISSION_DENIED: DENIED: {bad.uri} may not be promoted as champion")
        (line,) = [one for one in said.splitlines() if one.startswith("  A.")]
        assert re.match(r"  A\.6\.2\.4 .*: fail: roc_auc_score .* Fix: ", line)
        assert bad.store.alias_version(bad.name, "champion") is None
        assert bad.store.version(bad.uri).tags["aims.decision"].startswith("denied champion ")
        assert [(version, alias) for version, alias, *_ in logged(bad, "denial")] == [("1", "champion")]

    @pytest.mark.parametrize("alias", ["Champion", "CHAMPION", "production", "Production", "chämpion", "champion\n"], ids=ascii)
    def test_a_name_that_looks_like_a_protected_one_is_one(self, postgresql: Gated, alias: str) -> None:
        bad = postgresql.model(evidence=False)
        answer = set_alias(postgresql, bad.name, alias)
        assert (answer.status, answer.code) == (403, "PERMISSION_DENIED")
        assert postgresql.client.get_registered_model(bad.name).aliases == {}

    def test_what_is_not_protected_is_nobodys_business(self, postgresql: Gated) -> None:
        bad = postgresql.model(evidence=False)
        for alias in ("candidate", "champion2", "championn"):
            assert set_alias(postgresql, bad.name, alias).status == 200
        assert set(postgresql.client.get_registered_model(bad.name).aliases) == {"candidate", "champion2", "championn"}
        assert postgresql.post(ALIAS, {"name": bad.name, "alias": "candidate"}, "DELETE").status == 200
        assert logged(bad, "withdrawal") == []

    def test_a_model_whose_evidence_is_of_an_unknown_system_is_blocked(self, postgresql: Gated) -> None:
        stranger = postgresql.model(spoilt=making.of_another_system)
        answer = set_alias(postgresql, stranger.name, "champion")
        assert answer.status == 403
        assert "no policy for the model" in answer.message

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"version": "99"}, 404),
            ({"name": "no such model"}, 404),
            ({"alias": ""}, 400),
            ({"version": "one"}, 400),
            ({"alias": "latest"}, 400),
            ({"alias": "v1"}, 400),
            ({"alias": None}, 400),
        ],
        ids=str,
    )
    def test_what_mlflow_would_refuse_is_refused_as_mlflow_does(self, postgresql: Gated, body: dict[str, Any], status: int) -> None:
        good = postgresql.model()
        answer = postgresql.post(ALIAS, {"name": good.name, "alias": "champion", "version": "1"} | body)
        assert answer.status == status
        assert "DENIED" not in answer.body

    def test_a_swapped_file_is_found(self, postgresql: Gated) -> None:
        good = postgresql.model()
        (file,) = postgresql.server.artifacts.rglob(f"{good.logged}/artifacts/weights")
        file.write_bytes(b"\x00\x01\x03")
        answer = set_alias(postgresql, good.name, "champion")
        assert answer.status == 403
        assert "changed weights" in answer.message

    def test_a_link_in_the_models_folder_is_refused(self, sqlite: Gated) -> None:
        good = sqlite.model()
        (file,) = sqlite.server.artifacts.rglob(f"{good.logged}/artifacts/weights")
        file.unlink()
        file.symlink_to("/etc/hostname")
        assert "symbolic link" in set_alias(sqlite, good.name, "champion").message

    def test_taking_it_away_is_quick_and_logged(self, gated: Gated) -> None:
        good = gated.model()
        assert set_alias(gated, good.name, "Champion").status == 200
        for alias in ("champion", "Champion"):  # the first is none that is there
            assert gated.post(ALIAS, {"name": good.name, "alias": alias}, "DELETE").status == 200
        assert gated.client.get_registered_model(good.name).aliases == {}
        assert logged(good, "withdrawal") == [("1", "Champion", gated.user or "unauthenticated", "")]

    def test_the_next_version_says_which_it_replaces(self, sqlite: Gated) -> None:
        first = sqlite.model()
        second = first.again()
        for number in ("1", "2"):
            assert set_alias(sqlite, first.name, "champion", number).status == 200
        (kept,) = recorded_decisions(second.version.run_id, second.store)
        assert kept.decision is not None
        assert kept.decision.replaced == "1"

    def test_the_log_says_once_that_the_gate_is_there(self, gated: Gated) -> None:
        assert gated.server.log.count("the gate guards this registry by the policies in") == 1


class TestStages:
    def test_a_protected_stage_is_for_proven_versions(self, gated: Gated) -> None:
        good, bad = gated.model(), gated.model(evidence=False)
        assert stage(gated, bad.name, "production").status == 403
        assert stage(gated, bad.name, "Staging").status == 200
        assert gated.client.get_model_version(bad.name, "1").current_stage == "Staging"
        answer = stage(gated, good.name, "production")
        assert answer.status == 200
        assert '"current_stage": "Production"' in answer.body
        assert [(version, holder) for version, holder, *_ in logged(good, "decision")] == [("1", "Production")]

    def test_what_was_there_is_archived_with_the_new_one_or_not_at_all(self, gated: Gated) -> None:
        first = gated.model()
        bad, second = first.again(evidence=False), first.again()
        assert stage(gated, first.name, "Production").status == 200
        assert stage(gated, first.name, "Production", bad.version.version, archive=True).status == 403
        assert gated.client.get_model_version(first.name, "1").current_stage == "Production"
        assert stage(gated, first.name, "Production", second.version.version, archive=True).status == 200
        stages = {v.version: v.current_stage for v in gated.client.search_model_versions(f"name = '{first.name}'")}
        assert {str(k): v for k, v in stages.items()} == {"1": "Archived", "2": "None", "3": "Production"}
        assert [(version, holder) for version, holder, *_ in logged(first, "withdrawal")] == [("1", "Production")]

    def test_leaving_it_is_logged(self, postgresql: Gated) -> None:
        good = postgresql.model()
        assert stage(postgresql, good.name, "Production").status == 200
        assert stage(postgresql, good.name, "Archived").status == 200
        assert [(version, holder) for version, holder, *_ in logged(good, "withdrawal")] == [("1", "Production")]

    def test_an_unknown_stage_is_mlflows_to_refuse(self, sqlite: Gated) -> None:
        answer = stage(sqlite, sqlite.model().name, "Live")
        assert (answer.status, answer.code) == (400, "INVALID_PARAMETER_VALUE")


class TestOtherWays:
    def test_a_copy_brings_no_proof_along(self, postgresql: Gated) -> None:
        bad = postgresql.model(evidence=False)
        postgresql.client.copy_model_version(bad.uri, f"{bad.name}-copy")
        assert set_alias(postgresql, f"{bad.name}-copy", "champion").status == 403

    def test_a_copy_of_a_proven_version_is_as_good_as_it(self, postgresql: Gated) -> None:
        good = postgresql.model()
        assert set_alias(postgresql, good.name, "champion").status == 200
        copied = postgresql.client.copy_model_version(good.uri, f"{good.name}-copy")
        assert set_alias(postgresql, copied.name, "champion").status == 200

    def test_the_files_that_are_loaded_count_and_not_those_that_the_source_has_come_to_mean(self, postgresql: Gated) -> None:
        """A version is copied from a bad model; the bad model is deleted, and a good one gets its name."""
        good, bad = postgresql.model(), postgresql.model()
        (file,) = postgresql.server.artifacts.rglob(f"{bad.logged}/artifacts/weights")
        file.write_bytes(b"bad")
        copied = postgresql.client.copy_model_version(bad.uri, good.name)
        assert postgresql.post("registered-models/delete", {"name": bad.name}, "DELETE").status == 200
        postgresql.client.copy_model_version(good.uri, bad.name)
        answer = set_alias(postgresql, good.name, "champion", copied.version)
        assert answer.status == 403
        assert "changed weights" in answer.message

    @pytest.mark.parametrize("holder", ["alias", "stage"])
    def test_what_is_promoted_is_neither_deleted_nor_renamed(self, gated: Gated, holder: str) -> None:
        good = gated.model()
        assert (set_alias(gated, good.name, "champion") if holder == "alias" else stage(gated, good.name, "Production")).status == 200
        other = good.again(evidence=False)
        for path, verb, body in (
            ("registered-models/delete", "DELETE", {"name": good.name}),
            ("registered-models/rename", "POST", {"name": good.name, "new_name": f"{good.name}-new"}),
            ("model-versions/delete", "DELETE", {"name": good.name, "version": "1"}),
            ("model-versions/delete", "DELETE", {"name": good.name, "version": "01"}),
        ):
            answer = gated.post(path, body, verb)
            assert answer.status == 403, (path, answer)
            assert "version 1 holds" in answer.message
            assert "Fix: " in answer.message
        assert gated.post("model-versions/delete", {"name": good.name, "version": other.version.version}, "DELETE").status == 200
        assert gated.client.get_model_version(good.name, "1").status == "READY"

    def test_a_model_is_not_renamed_into_a_policy_that_protects_what_it_holds(self, postgresql: Gated) -> None:
        bad = postgresql.model(evidence=False)
        listed = f"listed-{bad.name}"
        rule = dict(making.SYSTEM, gate={"protects": ["live"]})
        rule["system"] = rule["system"] | {"id": listed, "model": listed}
        file = postgresql.policies / f"{listed}.yaml"
        file.write_text(yaml.safe_dump(rule))
        try:
            assert set_alias(postgresql, bad.name, "LIVE").status == 200
            answer = postgresql.post("registered-models/rename", {"name": bad.name, "new_name": listed})
            assert answer.status == 403
            assert "version 1 holds LIVE" in answer.message
            assert bad.store.alias_version(bad.name, "LIVE") == "1"
        finally:
            file.unlink()
        assert postgresql.post("registered-models/rename", {"name": bad.name, "new_name": listed}).status == 200

    def test_names_with_odd_signs_are_gated_like_others(self, postgresql: Gated) -> None:
        for name in ("a b%2Fc", "ünïcode", "models@home", "it's"):
            bad = postgresql.model(f"{name}-{next(making._numbers)}", evidence=False)
            assert set_alias(postgresql, bad.name, "champion").status == 403
            assert postgresql.client.get_registered_model(bad.name).aliases == {}

    def test_a_prompt_is_no_model_and_a_model_is_no_prompt(self, gated: Gated) -> None:
        name = f"prompt-{next(making._numbers)}"
        gated.client.create_prompt(name)
        gated.client.create_prompt_version(name, "Say {{this}}")
        gated.client.set_prompt_alias(name, "production", 1)
        assert gated.client.get_prompt_version_by_alias(name, "production").version == 1
        bad = gated.model(evidence=False)
        for path, key in (("registered-models/set-tag", {}), ("model-versions/set-tag", {"version": "1"})):
            assert gated.post(path, {"name": bad.name, **key, "key": "mlflow.prompt.is_prompt", "value": "true"}).status == 200
        assert set_alias(gated, bad.name, "production").status == 403
        seen = gated.post(f"registered-models/get?name={bad.name}", None, "GET")  # MLflow's own client no longer finds it by that name
        assert seen.status == 200
        assert "aliases" not in seen.body


class TestOurOwnClient:
    def test_promotes_through_the_gate_as_well_as_before(self, gated: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_POLICY_DIR", str(gated.policies))
        good, bad = gated.model(), gated.model(evidence=False)
        assert aims.promote(good.uri, "champion", store=good.store).allowed
        assert good.store.alias_version(good.name, "champion") == "1"
        kept = recorded_decisions(good.version.run_id, good.store)
        assert [one.decision.actor for one in kept if one.decision] != []
        assert len(kept) == 2  # ours and the server's
        with pytest.raises(PromotionBlocked):
            aims.promote(bad.uri, "champion", store=bad.store)
        assert bad.store.alias_version(bad.name, "champion") is None

    def test_a_server_that_says_no_is_heard(self, postgresql: Gated) -> None:
        bad = postgresql.model(spoilt=making.failing)
        weaker = making.make.system(requirements=[], gate={"controls": ["A.6.1.2"]})
        with pytest.raises(PromotionBlocked, match="roc_auc_score"):
            aims.promote(bad.uri, "champion", system=weaker, store=bad.store)
        assert bad.store.alias_version(bad.name, "champion") is None
