"""The gate's decision: allowed only on evidence about this very version, judged by the gate's own policy."""

from __future__ import annotations

import importlib.util
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.bundle import Bundle, FileDigest, ModelSummary
from aims_mlflow.decision import Blocker, GateDecision, VersionFacts
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Measure, Problem, State, digest
from aims_mlflow.gate import decide
from aims_mlflow.judging import gated_controls, judge
from aims_mlflow.signing import Verified
from aims_mlflow.system import Attestation, System

_spec = importlib.util.spec_from_file_location("golden_make", Path(__file__).parent / "golden" / "make.py")
assert _spec is not None
assert _spec.loader is not None
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)

NOW = make.FINISHED + timedelta(days=1)
FACTS = VersionFacts(name="golden", version="7", source="models:/m-golden", run_id=make.RUN_ID, run_status="FINISHED")
SIGNED = Verified(b"", (make.key().id,), trusted=False, development=False, sha256=digest("bundle"))


def decided(**given_: Any) -> GateDecision:
    """Let the gate decide on the golden bundle, with parts replaced."""
    content: dict[str, Any] = {
        "system": make.system(),
        "bundle": make.bundle(),
        "facts": FACTS,
        "now": NOW,
        "verification": SIGNED,
        "model_files": make.FILES,
        "alias": "champion",
    }
    content |= given_
    return decide(content.pop("system"), content.pop("bundle"), content.pop("facts"), **content)


def judged(system: System, results: tuple[CheckResult, ...]) -> Bundle:
    """Return the golden bundle with these results and the evidence that follows from them."""
    evidence = judge(system, results, run_id=make.RUN_ID, started=make.STARTED, now=make.FINISHED)
    return make.bundle(results=results, evidence=evidence)


def without(check: str) -> tuple[CheckResult, ...]:
    return tuple(r for r in make.results() if r.check != check)


def codes(decision: GateDecision) -> set[str]:
    return {b.code for b in decision.blockers}


class TestAllowed:
    def test_evidence_for_every_gated_control_lets_a_version_through(self) -> None:
        decision = decided()
        assert {line.control: line.reason for line in decision.lines if line.state not in LETS_THROUGH} == {}
        assert decision.blockers == ()
        assert decision.allowed
        assert (decision.verdict, decision.exit_code) == ("allowed", 0)
        assert tuple(line.control for line in decision.lines) == gated_controls(make.system())
        assert decision.bundle_sha256 == SIGNED.sha256
        assert decision.policy_sha256 == make.system().sha256
        assert decision.key_ids == SIGNED.key_ids

    def test_it_says_whose_word_it_took(self) -> None:
        assert any("any key counts" in note and make.key().id in note for note in decided().notes)
        own = Verified(b"", (make.key().id,), trusted=False, development=True, sha256=digest("bundle"))
        assert any("development key" in note for note in decided(verification=own).notes)
        trusting = make.system(gate={"trusted_keys": [make.key().id]})
        assert any("trusted key" in note and "any key" not in note for note in decided(system=trusting).notes)

    def test_an_alias_that_is_not_protected_is_judged_in_the_same_way_and_noted(self) -> None:
        assert any("'beta'" in note for note in decided(alias="beta").notes)
        assert not any("protects" in note for note in decided(alias="CHAMPION").notes)
        assert not decided(alias="beta", bundle=None, verification=Blocker(code="no_bundle", reason="none")).allowed


BLOCKED: list[tuple[str, dict[str, Any], str]] = [
    ("no_run", {"facts": FACTS.model_copy(update={"run_id": "", "run_status": None})}, "no run"),
    ("no_run", {"facts": FACTS.model_copy(update={"run_status": None})}, "no run"),
    ("no_run", {"facts": FACTS.model_copy(update={"run_deleted": True})}, "deleted"),
    ("run_not_finished", {"facts": FACTS.model_copy(update={"run_status": "RUNNING"})}, "RUNNING"),
    ("run_not_finished", {"facts": FACTS.model_copy(update={"run_status": "FAILED"})}, "FAILED"),
    ("no_bundle", {"bundle": None, "verification": Blocker(code="no_bundle", reason="the run left no evidence")}, "no evidence"),
    ("no_bundle", {"bundle": None}, "no evidence"),
    ("bad_bundle", {"bundle": None, "verification": Blocker(code="bad_bundle", reason="altered")}, "altered"),
    ("bad_bundle", {"verification": Verified(b"", (), trusted=False, development=False, sha256=digest("x"))}, "no key"),
    ("bad_bundle", {"system": make.system(gate={"trusted_keys": ["a" * 64]})}, "no key that the policy trusts"),
    ("no_model_files", {"model_files": Blocker(code="no_model_files", reason="a symbolic link")}, "symbolic link"),
    ("other_system", {"bundle": make.bundle(system_id="another")}, "another"),
    ("other_run", {"facts": FACTS.model_copy(update={"run_id": "f" * 32})}, "of run 0123"),
    ("other_model", {"bundle": make.bundle(model=None)}, "without a model"),
    ("other_model", {"bundle": make.bundle(model=ModelSummary(uri="models:/m-golden")), "model_files": {}}, "without a model"),
    ("other_model", {"model_files": {}}, "missing MLmodel, model.skops"),
    ("other_model", {"model_files": make.FILES | {"code/evil.py": (1, digest("evil"))}}, "added code/evil.py"),
    ("other_model", {"model_files": make.FILES | {"model.skops": (40_960, digest("other"))}}, "changed model.skops"),
    ("other_model", {"model_files": make.FILES | {"model.skops": (1, make.FILES["model.skops"][1])}}, "changed model.skops"),
    ("other_model", {"model_files": {"MLmodel": make.FILES["MLmodel"]}}, "missing model.skops"),
    ("incomplete", {"bundle": make.bundle(complete=False)}, "every check"),
    ("incomplete", {"bundle": make.bundle(evidence=make.bundle().evidence, results=without("performance"))}, "not in the bundle"),
    ("no_test_data", {"bundle": make.bundle(datasets=())}, "no test data"),
    ("stale", {"now": make.FINISHED + timedelta(days=30, seconds=1)}, "30 days old"),
    ("clock", {"now": make.FINISHED - timedelta(minutes=6)}, "clock"),
    ("no_controls", {"system": make.system(gate={"controls": []})}, "gates no control"),
]


class TestBlocked:
    @pytest.mark.parametrize(("code", "given_", "said"), BLOCKED, ids=[f"{i}-{code}" for i, (code, *_) in enumerate(BLOCKED)])
    def test_each_is_a_no_with_its_reason(self, code: str, given_: dict[str, Any], said: str) -> None:
        decision = decided(**given_)
        assert not decision.allowed
        assert decision.decided
        assert decision.exit_code == 1
        assert code in codes(decision)
        assert said in " ".join(b.reason for b in decision.blockers if b.code == code)
        assert said in decision.text()

    def test_a_run_that_raised_is_blocked(self) -> None:
        run = make.bundle().run.model_copy(update={"outcome": "raised ValueError"})
        assert codes(decided(bundle=make.bundle(run=run))) == {"run_not_finished"}

    def test_evidence_that_ends_before_it_began_is_a_clock_that_lies(self) -> None:
        run = make.bundle().run.model_copy(update={"started": make.FINISHED + timedelta(hours=1)})
        assert "clock" in codes(decided(bundle=make.bundle(run=run)))

    def test_data_on_which_nothing_was_measured_leave_the_evidence_incomplete(self) -> None:
        validation = make.bundle().datasets[0].model_copy(update={"role": "validation"})
        decision = decided(bundle=make.bundle(datasets=(*make.bundle().datasets, validation)))
        assert codes(decision) == {"incomplete"}
        assert "validation" in decision.summary()

    def test_test_data_without_rows_is_no_test_data(self) -> None:
        empty = tuple(d.model_copy(update={"rows": 0}) for d in make.bundle().datasets)
        assert codes(decided(bundle=make.bundle(datasets=empty))) == {"no_test_data"}

    def test_a_test_frame_that_was_refused_is_named_with_what_was_wrong(self) -> None:
        problem = Problem(state="error", reason="duplicate column names: z", fix="rename them")
        refused = CheckResult(check="provenance", scope={"dataset": "test"}, problem=problem)
        trouble = CheckResult(check="capture", problem=problem.model_copy(update={"reason": "could not take the test data"}))
        bundle = make.bundle(datasets=(), results=(*make.bundle().results, refused, trouble), complete=False)
        said = {b.code: b for b in decided(bundle=bundle).blockers}
        assert "duplicate column names: z" in said["no_test_data"].reason
        assert "could not take the test data" in said["incomplete"].reason
        assert {b.fix for b in said.values()} == {"rename them"}

    def test_evidence_that_cites_another_run_is_blocked(self) -> None:
        foreign = make.bundle().evidence[0].model_copy(update={"run_id": "e" * 32})
        assert codes(decided(bundle=make.bundle(evidence=(foreign,)))) == {"other_run"}

    def test_evidence_about_something_else_leaves_every_control_missing(self) -> None:
        lines = decided(model_files={}).lines
        assert {line.state for line in lines} == {State.MISSING}
        assert all("files are not those" in line.reason and line.fix for line in lines)

    def test_old_evidence_makes_what_passed_stale(self) -> None:
        assert {line.state for line in decided(now=make.FINISHED + timedelta(days=31)).lines} == {State.STALE}

    def test_the_last_allowed_day_counts(self) -> None:
        assert decided(now=make.FINISHED + timedelta(days=30)).allowed
        assert decided(now=make.FINISHED - timedelta(minutes=4)).allowed

    def test_only_a_trusted_key_counts_where_any_is_named(self) -> None:
        assert decided(system=make.system(gate={"trusted_keys": ["b" * 64, make.key().id]})).allowed
        assert codes(decided(system=make.system(gate={"trusted_keys": [make.key().id[:16]]}))) == {"bad_bundle"}

    @pytest.mark.parametrize("check", sorted({r.check for r in make.results()}))
    def test_without_the_results_of_a_check_the_answer_is_no(self, check: str) -> None:
        decision = decided(bundle=judged(make.system(), without(check)))
        assert not decision.allowed
        assert all(line.fix for line in decision.stopping)
        assert decision.stopping

    @pytest.mark.parametrize("control", ["A.6.1.2", "A.6.1.3", "A.6.2.2"])
    def test_what_only_a_person_can_say_must_be_said_and_not_have_expired(self, control: str) -> None:
        said = [a for a in make.SYSTEM["attestations"] if a["control"] != control]
        assert [line.control for line in decided(system=make.system(attestations=said)).stopping] == [control]
        expired = {"control": control, "statement": "approved", "by": "Head", "on": "2026-01-01", "expires": "2026-02-01"}
        assert [line.control for line in decided(system=make.system(attestations=[*said, expired])).stopping] == [control]

    def test_many_differing_files_are_counted(self) -> None:
        many = make.FILES | {f"extra/{i:02}": (1, digest(i)) for i in range(20)}
        assert "extra/04 and 15 more" in decided(model_files=many).blockers[0].reason


class TestFacts:
    def test_a_time_without_a_zone_is_utc(self) -> None:
        run = make.bundle().run
        naive = run.model_copy(update={"started": run.started.replace(tzinfo=None), "finished": run.finished.replace(tzinfo=None)})
        assert decided(bundle=make.bundle(run=naive), now=NOW.astimezone(UTC)).allowed

    def test_the_manifest_decides_not_the_order_of_its_files(self) -> None:
        turned = dict(reversed(make.FILES.items()))
        assert decided(model_files=turned).model_sha256 == decided().model_sha256
        files = {path: FileDigest(size=size, sha256=sha) for path, (size, sha) in turned.items()}
        assert decided(bundle=make.bundle(model=ModelSummary(uri="models:/m-golden", files=files))).allowed


class TestPolicy:
    def test_a_weaker_policy_on_the_training_side_changes_nothing(self) -> None:
        weak = make.system(requirements=[], gate={"controls": ["A.6.2.4"]})
        strict = make.system(requirements=[*make.SYSTEM["requirements"], {"check": "performance", "metric": "f1_score", "min": 0.9}])
        trained_under_weak = make.bundle(policy_sha256=weak.sha256, requirements=())
        decision = decided(bundle=trained_under_weak, system=strict)
        assert [line.control for line in decision.stopping] == ["A.6.2.4"]
        assert any("another policy" in note for note in decision.notes)

    def test_undecided_evidence_blocks_unless_the_policy_lets_it(self) -> None:
        narrow = make.interval("roc_auc_score", 0.71, 0.05, 400)
        results = (*without("performance"), CheckResult(check="performance", scope={"dataset": "test"}, measures=(narrow,)))
        undecidable = judged(make.system(), results)
        assert {line.state for line in decided(bundle=undecidable).stopping} == {State.INCONCLUSIVE}
        assert decided(bundle=undecidable, system=make.system(gate={"inconclusive": "allow"})).allowed

    def test_a_waiver_lets_through_until_it_expires_and_is_shown(self) -> None:
        failing = make.interval("roc_auc_score", 0.5, 0.05, 400)
        results = (*without("performance"), CheckResult(check="performance", scope={"dataset": "test"}, measures=(failing,)))
        waiver = {"control": "A.6.2.4", "check": "performance", "reason": "pilot", "approved_by": "CRO", "on": "2026-02-01"}
        bundle = judged(make.system(), results)
        assert not decided(bundle=bundle).allowed
        waived = decided(bundle=bundle, system=make.system(waivers=[waiver | {"expires": "2026-06-01"}]))
        assert waived.allowed
        assert [line.state for line in waived.lines if line.control == "A.6.2.4"] == [State.WAIVED]
        assert not decided(bundle=bundle, system=make.system(waivers=[waiver | {"expires": "2026-02-20"}])).allowed

    def test_a_persons_word_given_in_the_run_counts_and_is_named_as_such(self) -> None:
        said = [a for a in make.SYSTEM["attestations"] if a["control"] != "A.6.2.2"]
        word = Attestation(control="A.6.2.2", statement="approved", by="Product owner", on=date(2026, 2, 28))
        decision = decided(system=make.system(attestations=said), bundle=make.bundle(attestations=(word,)))
        assert decision.allowed
        assert "A.6.2.2: attested in the run by Product owner on 2026-02-28" in decision.notes

    def test_only_the_policy_can_say_that_a_control_does_not_apply(self) -> None:
        word = Attestation(control="A.7.6", statement="no preparation", by="Engineer", on=date(2026, 2, 28), not_applicable=True)
        bundle = make.bundle(results=without("preparation"), attestations=(word,))
        decision = decided(bundle=bundle)
        assert "A.7.6" in [line.control for line in decision.stopping]
        assert "A.7.6: said not to apply in the run by Engineer on 2026-02-28" in decision.notes


class TestMonotone:
    """Taking evidence away never opens the gate."""

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_a_closed_gate_stays_closed(self, data: st.DataObject) -> None:
        results = list(make.results())
        spoilt = data.draw(st.integers(0, len(results) - 1))
        results[spoilt] = _failing(results[spoilt])
        system = make.system()
        whole = judged(system, tuple(results))
        assert not decided(bundle=whole).allowed
        kept = data.draw(st.lists(st.sampled_from(range(len(results))), unique=True))
        cited = data.draw(st.booleans())
        fewer = tuple(results[i] for i in sorted(kept))
        less = judged(system, fewer) if cited else make.bundle(results=fewer, evidence=whole.evidence)
        assert not decided(bundle=less).allowed

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_a_missing_word_or_document_never_opens_it(self, data: st.DataObject) -> None:
        said = [a for a in make.SYSTEM["attestations"] if a["control"] != "A.6.1.2"]
        closed = make.system(attestations=said)
        evidence = make.bundle().evidence
        less = make.bundle(
            evidence=tuple(data.draw(st.lists(st.sampled_from(evidence), max_size=1))),
            datasets=tuple(data.draw(st.lists(st.sampled_from(make.bundle().datasets), unique=True))),
        )
        fewer = make.system(attestations=data.draw(st.lists(st.sampled_from(said), max_size=2)))
        assert not decided(bundle=less, system=closed).allowed
        assert not decided(bundle=less, system=fewer).allowed

    def test_taking_one_measure_away_closes_it(self) -> None:
        results = make.results()
        for at, result in enumerate(results):
            bare = result.model_copy(update={"measures": ()})
            assert not decided(bundle=judged(make.system(), (*results[:at], bare, *results[at + 1 :]))).allowed, result.check


def _failing(result: CheckResult) -> CheckResult:
    """Return the result with measures that miss every bound asked of it here."""
    least = {
        "requirements_declared",
        "gate_declared",
        "steps_recorded",
        "fingerprinted",
        "source_declared",
        "card_matches_model",
        "completeness",
    }

    def worse(measure: Measure) -> Measure:
        if measure.name == "roc_auc_score":
            return make.interval(measure.name, 0.4, 0.02, 4_000)
        if measure.name == "accuracy_drop":
            return make.interval(measure.name, 0.4, 0.02, 4_000)
        if measure.name == "selection_rate":
            return make.rate(measure.name, 100 if measure.group == "male" else 1_900, 2_000, measure.group)
        if not measure.exact or measure.group is not None:
            return measure
        return Measure.counted(measure.name, 0.0 if measure.name in least else 7.0)

    return result.model_copy(update={"measures": tuple(map(worse, result.measures))})
