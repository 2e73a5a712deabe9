"""The gate's decision: allowed only on evidence about this very version, judged by the gate's own policy."""

from __future__ import annotations

import time
from datetime import UTC, date, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aims_mlflow.bundle import Bundle, FileDigest, ModelSummary
from aims_mlflow.decision import Blocker, BlockerCode, GateDecision, VersionFacts
from aims_mlflow.evidence import LETS_THROUGH, CheckResult, Measure, Problem, State, digest
from aims_mlflow.gate import KEY_BLOCKERS, NOT_ABOUT_THIS, TRAIN_AGAIN, decide, file_differences
from aims_mlflow.judging import gated_controls, judge
from aims_mlflow.signing import Trust, Verified
from aims_mlflow.system import Attestation, System
from tests.golden import make

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


def run_of(**changes: Any) -> Bundle:
    return make.bundle(run=make.bundle().run.model_copy(update=changes))


class TestWords:
    """What a reader of a decision goes by, to the letter where a wrong letter would be a wrong answer."""

    def test_blockers_under_which_evidence_is_about_something_else(self) -> None:
        keys = {"missing_key", "unknown_key", "revoked_key", "expired_key", "wrong_role"}
        assert keys == KEY_BLOCKERS
        about = {"no_run", "no_bundle", "bad_bundle", "no_model_files", "other_system", "other_run", "other_model", "not_training"}
        assert keys | about == NOT_ABOUT_THIS
        assert frozenset(get_args(BlockerCode)) >= NOT_ABOUT_THIS

    def test_a_decision_names_all_it_rests_on(self) -> None:
        decision = decided()
        assert (decision.model, decision.alias, decision.system_id, decision.run_id) == (
            "models:/golden/7",
            "champion",
            "golden",
            make.RUN_ID,
        )
        assert (decision.evidence_time, decision.time, decision.actor, decision.replaced) == (make.FINISHED, NOW, "", None)
        assert decision.model_sha256 == digest({path: [size, sha] for path, (size, sha) in make.FILES.items()})
        assert decision.collector.startswith("aims-mlflow ")
        assert [line.control for line in decision.lines if not line.evidence] == []

    def test_a_decision_names_nothing_that_was_not_there(self) -> None:
        blocker = Blocker(code="no_bundle", reason="gone", fix="find it")
        decision = decided(bundle=None, verification=blocker, model_files=Blocker(code="no_model_files", reason="none"), alias=None)
        assert (decision.evidence_time, decision.key_ids, decision.bundle_sha256, decision.model_sha256) == (None, (), None, None)
        assert decision.alias is None
        assert [b.code for b in decision.blockers] == ["no_model_files", "no_bundle"]
        assert decision.notes == ()
        assert {(line.state, line.reason, line.evidence, line.waived) for line in decision.lines} == {(State.MISSING, "none", (), ())}

    def test_the_notes_of_a_plain_decision(self) -> None:
        key = make.key().id
        assert decided().notes == (
            f"gate.trusted_keys is empty, so a signature by any key counts; this one is by {key}",
            "attempts: the run names no earlier run of the system",
        )
        own = Verified(b"", (key,), trusted=False, development=True, sha256=digest("bundle"))
        assert decided(verification=own).notes[0].endswith(f"this one is by {key}, the development key of this machine")
        trusting = decided(system=make.system(gate={"trusted_keys": [f" {key.upper()} "]}))
        assert trusting.notes[0] == f"signed by the trusted key {key}"
        assert trusting.allowed
        beta = decided(alias="beta").notes[1]
        assert beta == "'beta' is not among the aliases that gate.protects names; it was judged in the same way"
        other = make.bundle(policy_sha256="1" * 64)
        own_policy = make.system().sha256[:12]
        assert decided(bundle=other).notes[-1] == (
            f"the run was judged by another policy (111111111111); the gate judged again by its own ({own_policy})"
        )

    def test_a_listed_key_is_named_with_its_roles(self) -> None:
        listed = {
            "id": make.key().id,
            "public": make.key().public,
            "name": "cluster",
            "roles": ("evidence", "decision"),
            "since": "2026-01-01",
        }
        trust = Trust.model_validate({"keys": [listed]})
        assert decided(trust=trust).notes[0] == f"signed by the key {make.key().id}; in the list of keys it is cluster (evidence, decision)"
        stranger = Trust.model_validate({"keys": [listed | {"id": make.key("b").id, "public": make.key("b").public}]})
        decision = decided(trust=stranger)
        assert decision.notes[0].endswith("; in the list of keys it is not named")
        assert codes(decision) == {"unknown_key"}

    @pytest.mark.parametrize(
        ("earlier", "said"),
        [
            (1, "attempts: the run names 1 earlier run of the system; `aims audit` looks for each"),
            (2, "attempts: the run names 2 earlier runs of the system; `aims audit` looks for each"),
            (19, "attempts: the run names 19 earlier runs of the system; `aims audit` looks for each"),
            (20, "attempts: the run names at least 20 earlier runs of the system; `aims audit` looks for each"),
        ],
    )
    def test_earlier_attempts_are_counted(self, earlier: int, said: str) -> None:
        assert said in decided(bundle=run_of(earlier=tuple(f"{i:032}" for i in range(earlier)))).notes

    def test_the_clocks_of_two_machines_may_differ_by_five_minutes(self) -> None:
        assert decided(now=make.FINISHED - timedelta(minutes=5)).allowed
        early = decided(now=make.FINISHED - timedelta(minutes=5, seconds=1))
        assert codes(early) == {"clock"}
        assert {line.state for line in early.lines} == {State.STALE}
        assert decided(bundle=run_of(started=make.FINISHED)).allowed
        assert codes(decided(bundle=run_of(started=make.FINISHED + timedelta(seconds=1)))) == {"clock"}

    def test_evidence_ages_by_the_policys_days(self) -> None:
        week = make.system(gate={"max_age_days": 7})
        assert decided(system=week, now=make.FINISHED + timedelta(days=7)).allowed
        late = decided(system=week, now=make.FINISHED + timedelta(days=9, hours=23))
        assert [b.reason for b in late.blockers] == ["the evidence is 9 days old; the policy allows 7 (gate.max_age_days)"]

    def test_what_the_recorder_could_not_do_is_told(self) -> None:
        def trouble(number: int) -> CheckResult:
            problem = Problem(state="error", reason=f"could not {number}", fix=f"mend {number}" if number else "")
            return CheckResult(check="capture", scope={"what": str(number)}, problem=problem)

        def said(*numbers: int) -> tuple[str, str]:
            results = (*make.results(), *(trouble(n) for n in numbers))
            found = [b for b in decided(bundle=make.bundle(results=results, complete=False)).blockers if b.code == "incomplete"]
            return found[0].reason, found[0].fix

        assert said() == ("the run ended before every check had its turn", TRAIN_AGAIN)
        assert said(1) == ("the evidence is not whole: aims could not 1", "mend 1")
        assert said(2, 1, 3) == ("the evidence is not whole: aims could not 2; and 2 more", "mend 2")
        assert said(0)[1] == TRAIN_AGAIN

    def test_files_are_told_by_what_became_of_them(self) -> None:
        def told(**files: tuple[int, str]) -> str:
            return file_differences(make.bundle().model, files)

        model = make.FILES["MLmodel"]
        skops = make.FILES["model.skops"]
        assert told(**make.FILES) == ""
        assert told(**{"MLmodel": model, "renamed.skops": skops}) == "renamed model.skops to renamed.skops"
        assert told(**{"MLmodel": model, "a.skops": skops, "b.skops": skops}) == "renamed model.skops to a.skops; added b.skops"
        assert told(**{"MLmodel": model, "a.skops": (1, skops[1])}) == "added a.skops; missing model.skops"
        assert told(MLmodel=(1, model[1]), x=(1, "y")) == "changed MLmodel; added x; missing model.skops"
        five = {f"{i}": (1, "x") for i in range(5)}
        assert told(**make.FILES, **five) == "added 0, 1, 2, 3, 4"
        assert told(**make.FILES, **five, **{"5": (1, "x")}) == "added 0, 1, 2, 3, 4 and 1 more"

    @pytest.mark.parametrize(("kind", "code"), [("monitoring", {"not_training"}), ("assessment", set()), ("training", set())])
    def test_a_monitoring_run_shows_nothing_of_how_a_model_was_made(self, kind: str, code: set[str]) -> None:
        decision = decided(bundle=run_of(kind=kind))
        assert codes(decision) == code
        assert any("is of an assessment" in note for note in decision.notes) is (kind == "assessment")

    def test_any_other_state_of_a_run_than_finished_stops_it(self) -> None:
        for status in ("RUNNING", "FAILED", "KILLED", "SCHEDULED", "finished", ""):
            decision = decided(facts=FACTS.model_copy(update={"run_status": status}))
            assert codes(decision) == {"run_not_finished"}
            assert decision.blockers[0].reason == f"run {make.RUN_ID} is {status}, not FINISHED"

    def test_a_manifest_that_cannot_be_made_is_one_blocker_among_others(self) -> None:
        gone = Blocker(code="no_model_files", reason="a link")
        decision = decided(model_files=gone, bundle=make.bundle(system_id="another"))
        assert [b.code for b in decision.blockers] == ["no_model_files", "other_system"]
        assert {line.reason for line in decision.lines} == {"a link"}


def test_a_time_without_a_zone_is_utc_wherever_the_gate_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    naive = {"started": make.STARTED.replace(tzinfo=None), "finished": make.FINISHED.replace(tzinfo=None)}
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Pacific/Kiritimati")
            time.tzset()
            assert codes(decided(bundle=run_of(**naive), now=make.FINISHED - timedelta(minutes=6))) == {"clock"}
            assert decided(bundle=run_of(**naive), now=make.FINISHED - timedelta(minutes=4)).allowed
            assert codes(decided(bundle=run_of(**naive), now=make.FINISHED + timedelta(days=30, seconds=1))) == {"stale"}
    finally:
        time.tzset()
