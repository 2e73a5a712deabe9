"""The summariser on a real MLflow: which version counts, what is believed, and that every claim can be followed to its source."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import mlflow
import pytest

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import ConfigurationError, StoreError
from aims_mlflow.evidence import State
from aims_mlflow.records.risk_words import Level, RiskState
from aims_mlflow.records.schema import schema_of_words, schema_text
from aims_mlflow.records.sources import cited_by
from aims_mlflow.records.summary import summarise
from aims_mlflow.records.words import AnswerState, SystemRecord
from aims_mlflow.scorecard import LIMIT, OWN_PART, SUMMARY_END, with_own
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store


def test_the_shipped_schema_is_that_of_the_words() -> None:
    assert schema_text() == schema_of_words(), "run: python -m aims_mlflow.records.schema"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_every_claim_can_be_followed_to_a_signed_bundle(world: Any, make: Any) -> None:
    system = make.system(risk={"breakpoints": {"excess_adverse_decisions": {4: 200}}})
    world.version(system, make.results(make.robustness(0.2)))
    world.version(system)
    record = summarise(system, store=world.store, write=False)

    cited = set(cited_by(record))
    assert cited
    assert cited <= {s.id for s in record.sources}, "every cited id is a source"

    there: set[str] = {f"s-{record.system.policy_sha256[:16]}"}
    for version in record.versions:
        bundle, verified = open_bundle(world.store.read(version.run_id, BUNDLE_PATH))
        there |= {r.id for r in bundle.results} | {e.id for e in bundle.evidence} | {f"b-{verified.sha256[:16]}", version.id}
    for source in record.sources:
        assert source.id in there or (source.rests_on and set(source.rests_on) <= {s.id for s in record.sources}), source
    in_use = [s for s in record.sources if s.title in ("monitor.looked", "event_log.complete") and s.id not in there]
    assert {s.where for s in in_use} == {record.version}, "nobody has looked at it in operation, which rests on the version itself"
    evidence = [s.id for s in record.sources if s.kind == "evidence" and s not in in_use]
    assert evidence
    assert set(evidence) <= there, "judged as the run judged it, evidence is cited by the bundle's own id"

    claims = [
        *record.risks.entries,
        *record.risks.not_raised,
        *record.measures,
        *record.persons_words,
        *record.versions,
        *(q for q in record.impact.questions if q.state is not AnswerState.UNKNOWN),
        *(i for i in record.impact.impacts if i.state is not AnswerState.UNKNOWN),
        *(line for v in record.versions for line in v.lines if line.state is not State.MISSING),
    ]
    assert [c for c in claims if not c.evidence_ids] == [], "every line that claims something cites"


def test_the_json_meets_the_schema_reads_back_and_begins_with_what_is_open(world: Any, make: Any) -> None:
    world.version(make.system())
    record = summarise(make.system(), store=world.store, write=False)
    written = json.loads(record.json_bytes())
    jsonschema.Draft202012Validator(json.loads(schema_text()), format_checker=jsonschema.FormatChecker()).validate(written)
    assert SystemRecord.model_validate_json(record.json_bytes()) == record
    chance = written["risks"]["entries"][0]["likelihood"]
    assert {"class", "p", "p_low", "p_high", "method", "evidence_ids", "evidence_grade"} <= set(chance)
    names = list(written)
    assert names.index("open_items") < names.index("impact") < names.index("risks")
    weights = [i.weight for i in record.open_items]
    assert weights == sorted(weights, key=["broken", "blocks", "unknown", "due", "gap", "note"].index)


class TestWhichVersion:
    def test_the_newest_counts_and_all_are_listed(self, world: Any, make: Any) -> None:
        system = make.system()
        world.version(system)
        newest = world.version(system)
        record = summarise(system, store=world.store, write=False)
        assert record.version == newest.uri
        assert [v.version for v in record.versions] == ["2", "1"]
        assert [v.counted for v in record.versions] == [True, False]

    @pytest.mark.parametrize("alias", ["champion", "Champion"])
    def test_the_one_that_holds_a_protected_alias_goes_first(self, world: Any, make: Any, alias: str) -> None:
        system = make.system()
        older = world.version(system)
        world.version(system)
        world.store.set_alias("loans", alias, older.version)
        assert summarise(system, store=world.store, write=False).version == older.uri

    def test_an_alias_that_protects_nothing_does_not(self, world: Any, make: Any) -> None:
        system = make.system()
        older, newest = world.version(system), world.version(system)
        world.store.set_alias("loans", "challenger", older.version)
        assert summarise(system, store=world.store, write=False).version == newest.uri

    def test_history_shows_the_earlier_version(self, world: Any, make: Any) -> None:
        system = make.system()
        before = world.version(system, make.results(make.robustness(0.2)))
        world.version(system)
        record = summarise(system, store=world.store, write=False)
        noise = next(e for e in record.risks.entries if "disturbed" in e.event)
        assert [(h.version, h.likelihood) for h in noise.history] == [(before.uri, "L5")]

    def test_without_a_registered_model_the_newest_run_counts(self, world: Any, make: Any) -> None:
        run_id = world.run(make.system(), register=False)
        record = summarise(make.system(), store=world.store, write=False)
        assert record.version == f"runs:/{run_id}"
        assert any(e.likelihood.p is not None for e in record.risks.entries)

    def test_nothing_at_all_is_said(self, world: Any, make: Any) -> None:
        record = summarise(make.system(), store=world.store)
        assert (record.version, record.state, record.highest_risk) == ("", State.MISSING, Level.UNDETERMINED)
        assert "No run has left evidence" in record.open_items[0].what


class TestRuns:
    def test_failed_deleted_and_open_runs_are_counted(self, world: Any, make: Any) -> None:
        store = world.store
        for status in ("FAILED", "KILLED", None):
            run_id = store.create_run("tests", "attempt", {"aims.system": "loans"})
            if status:
                store.end_run(run_id, status)
        gone = world.run(make.system(), register=False)
        mlflow.MlflowClient().delete_run(gone)
        world.version(make.system())
        runs = summarise(make.system(), store=store).runs
        assert (runs.runs, runs.finished, runs.failed, runs.running, runs.deleted) == (5, 2, 2, 1, 1)
        assert runs.attempts_until_pass is None
        assert "5 runs: 2 finished, 2 failed or killed, 1 not ended, 1 of all deleted since" in runs.sentence

    def test_records_are_not_attempts(self, world: Any, make: Any) -> None:
        world.version(make.system())
        first, second = (summarise(make.system(), store=world.store) for _ in range(2))
        assert first.runs.runs == second.runs.runs == 1


def alter_a_byte(world: Any, version: Any) -> None:
    path = world.artifact(version.run_id, BUNDLE_PATH)
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"AA', 1))


def alter_the_model(world: Any, version: Any) -> None:
    (world.files_of(version) / "weights").write_bytes(b"\x00\x02")


class TestWhatIsBelieved:
    @pytest.mark.parametrize("harm", [alter_a_byte, alter_the_model])
    def test_what_does_not_hold_comes_first_and_is_not_used(self, world: Any, make: Any, harm: Any) -> None:
        version = world.version(make.system())
        harm(world, version)
        record = summarise(make.system(), store=world.store, write=False)
        assert record.open_items[0].weight == "broken"
        assert version.uri in record.open_items[0].what
        assert record.counted is not None
        assert not record.counted.verified
        assert record.measures == ()
        assert not any(s.kind == "result" for s in record.sources)
        assert {line.state for line in record.counted.lines if line.gated} == {State.MISSING}
        integrity = next(e for e in record.risks.entries if "C.2.10" in e.objective)
        assert integrity.likelihood.class_ == "L5"

    def test_a_bundle_of_another_system_is_not_used(self, world: Any, make: Any) -> None:
        world.version(make.system(), alter=lambda b: b.model_copy(update={"system_id": "other"}))
        record = summarise(make.system(), store=world.store, write=False)
        assert record.open_items[0].weight == "broken"
        assert "'other'" in record.open_items[0].why

    def test_an_unsigned_run_is_unknown_not_changed(self, world: Any, make: Any) -> None:
        store = world.store
        run_id = store.create_run("tests", "plain", {"aims.system": "loans"})
        store.end_run(run_id)
        mlflow.MlflowClient().create_registered_model("loans")
        mlflow.MlflowClient().create_model_version("loans", str(world.folder), run_id=run_id, tags={"aims.system": "loans"})
        record = summarise(make.system(), store=store, write=False)
        integrity = next(e for e in record.risks.entries if "C.2.10" in e.objective)
        assert integrity.likelihood.p is None
        assert integrity.level is Level.UNDETERMINED

    def test_a_key_that_the_file_does_not_trust_is_not_believed(self, world: Any, make: Any) -> None:
        world.version(make.system())
        record = summarise(make.system(gate={"trusted_keys": ["a" * 64]}), store=world.store, write=False)
        assert "does not trust" in record.open_items[0].why
        integrity = next(e for e in record.risks.entries if "C.2.10" in e.objective)
        assert integrity.likelihood.p is None

    def test_old_evidence_is_stale(self, world: Any, make: Any) -> None:
        world.version(make.system(), started=datetime.now(UTC) - timedelta(days=50))
        record = summarise(make.system(), store=world.store, write=False)
        assert record.counted is not None
        assert State.STALE in {line.state for line in record.counted.lines}
        assert State.PASS not in {line.state for line in record.counted.lines if line.gated}
        assert RiskState.STALE in {e.state for e in record.risks.entries}

    def test_a_stricter_file_judges_again(self, world: Any, make: Any) -> None:
        world.version(make.system())
        strict = make.system(
            requirements=[{"check": "quality", "dataset": "train", "metric": "completeness", "min": 1.0, "declared": "2026-01-10"}]
        )
        world_quality = next(e for e in summarise(strict, store=world.store, write=False).risks.entries if "train data" in e.event)
        assert world_quality.likelihood.class_ == "L1"
        notes = [i.what for i in summarise(strict, store=world.store, write=False).open_items]
        assert "The run was judged by another version of the system file" in notes


class TestSystemFile:
    def test_an_id_finds_the_file_in_the_policy_directory(
        self, world: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = make.system().model_dump_json(by_alias=True, exclude_defaults=True)
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "loans.yaml").write_text(text)
        monkeypatch.setenv("AIMS_POLICY_DIR", str(tmp_path / "policies"))
        world.version(make.system())
        record = summarise("loans", store=world.store, write=False)
        assert record.system.policy == "loans.yaml"
        assert record.system.owner == "Head of credit"

    def test_an_id_finds_the_file_here_only_if_it_is_its_own(self, world: Any, make: Any, tmp_path: Path) -> None:
        (tmp_path / "aims.yaml").write_text(make.system().model_dump_json(by_alias=True, exclude_defaults=True))
        assert summarise("loans", store=world.store, write=False).system.policy == "aims.yaml"
        assert summarise("other", store=world.store, write=False).system.policy == "no system file was found"

    def test_without_a_file_what_it_would_say_is_unknown(self, world: Any, make: Any) -> None:
        version = world.version(make.system())
        record = summarise("loans", store=world.store)
        assert record.version == version.uri
        assert "The system file is missing" in record.open_items[0].what
        assert {e.level for e in record.risks.entries} == {Level.UNDETERMINED}
        assert {e.state for e in record.risks.entries} == {RiskState.UNKNOWN}
        assert record.system.owner == record.system.purpose == ""
        assert "unknown" not in {t.value for t in record.risks.entries[0].level_range}
        assert record.counted is not None
        assert any(line.state is State.PASS for line in record.counted.lines), "what the run concluded is shown"
        assert mlflow.MlflowClient().get_registered_model("loans").tags == {}, "the index is left as it was"

    @pytest.mark.parametrize("name", ["No Such System!", "", "a/b"])
    def test_what_is_neither_a_file_nor_an_id_is_refused(self, world: Any, name: str) -> None:
        with pytest.raises(ConfigurationError, match="neither a file nor the id"):
            summarise(name, store=world.store)

    @pytest.mark.filterwarnings("ignore::ResourceWarning")  # the probe of a closed port
    def test_a_server_that_is_down_is_said_at_once(self, make: Any) -> None:
        with pytest.raises(StoreError, match="does not answer"):
            summarise(make.system(), store=Store("http://127.0.0.1:9"))


class TestWriting:
    def test_the_record_stands_in_the_systems_own_experiment(self, world: Any, make: Any) -> None:
        version = world.version(make.system())
        summarise(make.system(), store=world.store)
        record = summarise(make.system(), store=world.store)
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("aims/loans")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        assert {r.info.run_name for r in runs} == {"record of loans"}
        assert sorted(r.data.tags["aims.record"] for r in runs) == ["newest", "superseded"]
        newest = next(r for r in runs if r.data.tags["aims.record"] == "newest")
        assert newest.info.status == "FINISHED"
        assert newest.data.tags["aims.risk"] == record.highest_risk.value
        for name in ("record.json", "record.md", "record.html"):
            assert world.store.read(newest.info.run_id, f"aims/{name}")
        link = f"(#/experiments/{experiment.experiment_id}/runs/{newest.info.run_id}/artifacts/aims/record.html)"
        described = client.get_experiment_by_name("aims/loans").tags
        assert (
            described.items() >= {"aims.system": "loans", "aims.state": record.state.value, "aims.risk": record.highest_risk.value}.items()
        )
        assert described["mlflow.experimentKind"] == "custom_model_development"
        assert json.loads(world.store.read(newest.info.run_id, "aims/record.json")) == json.loads(record.json_bytes())
        model = client.get_registered_model("loans")
        assert model.tags == {"aims.system": "loans", "aims.state": record.state.value, "aims.risk": record.highest_risk.value}
        own = (model.description, world.store.version(version.uri).description, described["mlflow.note.content"])
        for text in (*own, newest.data.tags["mlflow.note.content"]):
            assert "A.6 and A.7" in text
            assert len(text) <= LIMIT + 50
            first = text.splitlines()[0]
            assert first.startswith("Evidence "), "lists show the first words as they are written"
            assert link in first, "the record is one click away from whatever describes it"

    def test_nothing_is_written_if_it_shall_not_be(self, world: Any, make: Any) -> None:
        world.version(make.system())
        summarise(make.system(), store=world.store, write=False)
        assert mlflow.MlflowClient().get_experiment_by_name("aims/loans") is None

    def test_a_description_of_a_persons_stays(self, world: Any, make: Any) -> None:
        version = world.version(make.system())
        client = mlflow.MlflowClient()
        client.update_registered_model("loans", "Ask Ada before use.")
        client.update_model_version("loans", version.version, "Trained on Tuesday.")
        for _ in range(2):
            summarise(make.system(), store=world.store)
        for text, own in (
            (client.get_registered_model("loans").description, "Ask Ada before use."),
            (client.get_model_version("loans", version.version).description, "Trained on Tuesday."),
        ):
            assert text.startswith(f"{own}\n\nEvidence missing, ")
            assert text.count(OWN_PART) == text.count(f"{SUMMARY_END}\n{OWN_PART}\n###") == 1

    def test_our_own_text_is_replaced(self) -> None:
        assert with_own("### Gate: x\n…", "card") == f"{OWN_PART}\ncard"
        assert with_own("", "card") == f"{OWN_PART}\ncard"
        first = with_own("by hand", "card", "in one line")
        assert first == f"by hand\n\nin one line (aims)\n{OWN_PART}\ncard"
        assert with_own(first, "new", "another line") == f"by hand\n\nanother line (aims)\n{OWN_PART}\nnew"
        assert with_own(with_own("", "card", "in one line"), "new") == f"{OWN_PART}\nnew"

    def test_files_are_written_where_asked(self, world: Any, make: Any, tmp_path: Path) -> None:
        summarise(make.system(), store=world.store, write=False, out=tmp_path / "new" / "folder")
        assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == ["record.html", "record.json", "record.md"]

    def test_a_folder_that_cannot_be_made_is_said(self, world: Any, make: Any, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match="cannot be written"):
            summarise(make.system(), store=world.store, write=False, out=tmp_path / "file")


def test_a_promotion_is_evidence_and_ends_the_attempts(world: Any, make: Any) -> None:
    from aims_mlflow.promotion import promote

    system = make.system(gate={"controls": ["A.7.6"]})
    version = world.version(system)
    promote(version.uri, "champion", system=system, store=world.store)
    record = summarise(system, store=world.store, write=False)
    assert record.decision.startswith("allowed as champion")
    assert record.runs.attempts_until_pass == 1
    assert record.counted is not None
    line = next(x for x in record.counted.lines if x.control == "A.6.2.5")
    cited = {s.id: s for s in record.sources}
    assert any(cited[i].title == "gate.decision" and cited[i].state is State.PASS for i in line.evidence_ids)


def test_the_day_can_be_given(world: Any, make: Any) -> None:
    waiver = {"control": "A.2.2", "reason": "r", "approved_by": "a", "on": "2026-01-01", "expires": str(make.today + timedelta(days=10))}
    system = make.system(waivers=[waiver])
    world.version(system)
    now = summarise(system, store=world.store, write=False)
    later = summarise(system, store=world.store, write=False, today=make.today + timedelta(days=20))
    assert [w.days_left for w in now.persons_words if w.kind == "waiver"] == [10]
    assert [w.expired for w in later.persons_words if w.kind == "waiver"] == [True]
    assert any(i.weight == "due" and "ended on" in i.why for i in later.open_items)
