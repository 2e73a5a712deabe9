"""The risk register: the table of levels, what raises and never lowers, what is unknown, treated and accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.evidence import State
from aims_mlflow.intervals import newcombe_difference
from aims_mlflow.records.consequence import excess_decisions
from aims_mlflow.records.hazards import find_hazards
from aims_mlflow.records.risk import DEFAULT_MATRIX, RISING, highest, level_of, risk_register, steps_of
from aims_mlflow.records.risk_words import CLASSES, LIKELIHOOD_SENTENCE, Level, RiskRecord, RiskRegister, RiskState

NOW = datetime.now(UTC)

TABLE = """
L1 low low low moderate high
L2 low low moderate moderate high
L3 low moderate moderate high very_high
L4 low moderate high high very_high
L5 moderate moderate high very_high very_high
"""


def register(seen: Any, system: Any, results: Any = None, earlier: Any = (), make: Any = None, **given_: Any) -> RiskRegister:
    from aims_mlflow.records.reading import Declared

    said = Declared(system, True, "aims.yaml")
    past = [steps_of(said, one, find_hazards(said, one, NOW.date())) for one in earlier]
    return risk_register(said, seen(system, results, **given_), past, NOW)


def entry(found: RiskRegister, words: str) -> RiskRecord:
    return next(e for e in found.entries if words in e.event)


class TestLevels:
    def test_the_table_is_the_designs(self) -> None:
        for row in TABLE.strip().splitlines():
            name, *levels = row.split()
            assert [level.value for level in DEFAULT_MATRIX[name]] == levels  # type: ignore[index]  # the names are the table's

    def test_it_never_falls_as_likelihood_or_consequence_rises(self) -> None:
        for (i, a), (j, b) in product(enumerate(DEFAULT_MATRIX), repeat=2):
            for c, d in product(range(5), repeat=2):
                if i <= j and c <= d:
                    assert RISING.index(DEFAULT_MATRIX[a][c]) <= RISING.index(DEFAULT_MATRIX[b][d])

    @pytest.mark.parametrize(("likelihood", "consequence"), [(None, "C1"), ("L1", None), (None, None)])
    def test_what_is_missing_is_undetermined(self, likelihood: Any, consequence: Any) -> None:
        assert level_of(DEFAULT_MATRIX, likelihood, consequence) is Level.UNDETERMINED

    @given(st.lists(st.sampled_from(Level), min_size=1))
    def test_the_roll_up_is_the_maximum_and_undetermined_is_above_all(self, levels: list[Level]) -> None:
        assert highest(levels) is max(levels, key=RISING.index)
        assert highest([*levels, Level.UNDETERMINED]) is Level.UNDETERMINED

    def test_nothing_at_all_is_undetermined(self) -> None:
        assert highest([]) is Level.UNDETERMINED

    def test_the_organisation_may_replace_it(self, seen: Any, make: Any) -> None:
        own = {f"L{i}": ["very_high"] * 5 for i in range(1, 6)}
        found = register(seen, make.system(risk={"matrix": own}))
        assert found.matrix_source == "system file"
        assert entry(found, "disturbed").level is Level.VERY_HIGH


class TestAssessment:
    def test_a_known_system_is_assessed_and_says_what_likelihood_is_not(self, seen: Any, make: Any) -> None:
        found = register(seen, make.system())
        assert "It is not the chance that someone is harmed" in found.sentence == LIKELIHOOD_SENTENCE
        fairness = entry(found, "groups of sex")
        assert (fairness.likelihood.class_, fairness.consequence.class_, fairness.level) == ("L1", "C3", Level.LOW)
        assert fairness.state is RiskState.ASSESSED
        assert (fairness.objective, fairness.risk_source) == (("C.2.5",), ("C.3.4",))

    def test_without_adopted_criteria_nothing_is_assessed(self, seen: Any, make: Any) -> None:
        found = register(seen, make.system(risk={"criteria": None}))
        assert all(e.state is not RiskState.ASSESSED for e in found.entries)
        assert "adopted by nobody" in found.criteria_ref

    def test_old_evidence_is_stale(self, seen: Any, make: Any) -> None:
        found = register(seen, make.system(), started=NOW - timedelta(days=40))
        assert entry(found, "disturbed").state is RiskState.STALE

    def test_without_a_consequence_it_is_undetermined_and_first(self, seen: Any, make: Any) -> None:
        system = make.system(risk={"consequences": []})
        found = register(seen, system)
        assert found.highest is Level.UNDETERMINED
        assert all(e.level is Level.UNDETERMINED for e in found.entries)
        assert all("risk.consequences" in e.fix for e in found.entries)

    def test_undetermined_entries_lead(self, seen: Any, make: Any) -> None:
        found = register(seen, make.system(data={"sensitive": ["sex", "age"]}))
        levels = [RISING.index(e.level) for e in found.entries]
        assert levels == sorted(levels, reverse=True)
        unasked = entry(found, "groups of age")
        assert unasked.level is Level.UNDETERMINED
        assert "no tolerance is declared for age" in unasked.likelihood.reason
        assert "column: age" in unasked.fix

    def test_no_sensitive_column_is_not_a_pass(self, seen: Any, make: Any) -> None:
        system = make.system(data={"sensitive": []}, requirements=[])
        assert entry(register(seen, system), "groups of people").level is Level.UNDETERMINED

    def test_nothing_to_look_at_leaves_everything_undetermined(self, make: Any) -> None:
        found = risk_register(make.declared(), None, (), NOW)
        assert found.entries
        assert {e.likelihood.class_ for e in found.entries} == {None}
        assert found.highest is Level.UNDETERMINED

    def test_the_worst_indicator_counts(self, seen: Any, make: Any) -> None:
        ask = {"check": "fairness", "column": "sex", "declared": "2026-01-10"}
        system = make.system(
            requirements=[
                {**ask, "metric": "demographic_parity_ratio", "min": 0.8},
                {**ask, "metric": "demographic_parity_difference", "max": 0.001},
            ]
        )
        found = entry(register(seen, system), "groups of sex")
        assert len(found.indicators) == 2
        assert found.likelihood.p == max(i.likelihood.p or 0 for i in found.indicators)
        assert found.likelihood.class_ == "L5"

    def test_an_unmeasured_indicator_makes_the_entry_unknown_and_says_what_is_known(self, seen: Any, make: Any) -> None:
        ask = {"check": "fairness", "column": "sex", "declared": "2026-01-10"}
        system = make.system(
            requirements=[
                {**ask, "metric": "demographic_parity_ratio", "min": 0.8},
                {**ask, "metric": "equal_opportunity_difference", "max": 0.1},
            ]
        )
        found = entry(register(seen, system), "groups of sex")
        assert found.level is Level.UNDETERMINED
        assert "otherwise L1" in found.likelihood.reason

    def test_the_range_of_levels_holds_the_level(self, seen: Any, make: Any) -> None:
        for one in register(seen, make.system(), make.results(make.fairness(groups={"a": (60, 200), "b": (80, 200)}))).entries:
            low, high = (RISING.index(level) for level in one.level_range)
            assert low <= high
            if one.level is not Level.UNDETERMINED:
                assert low <= RISING.index(one.level) <= high

    def test_ids_stay_the_same_over_versions(self, seen: Any, make: Any) -> None:
        one, other = (register(seen, make.system(), make.results(make.robustness(x))) for x in (0.0, 0.2))
        assert {e.risk_id for e in one.entries} == {e.risk_id for e in other.entries}

    def test_every_objective_somebody_spoke_of_is_there(self, seen: Any, make: Any) -> None:
        said = {"objective": "C.2.9", "party": "applicants", "class": 5, "set_by": "Safety officer", "set_on": "2026-01-15"}
        found = register(seen, make.system(risk={"consequences": [said]}))
        assert next(e for e in found.entries if e.objective == ("C.2.9",)).level is Level.UNDETERMINED


class TestExcessDecisions:
    groups: ClassVar = {"female": (150, 300), "male": (420, 700)}

    def test_group_size_times_the_upper_end_of_the_gap(self, make: Any) -> None:
        (found,), why = excess_decisions(make.declared(), [make.fairness(groups=self.groups)])
        high = newcombe_difference(420, 700, 150, 300)[1]
        assert found.group == "female"
        assert found.group_size == pytest.approx(10_000 * 300 / 1000)
        assert found.decisions == pytest.approx(3000 * high)
        assert found.gap == pytest.approx(0.1)
        assert "share of the test data" in found.size_source
        assert why == ""

    def test_a_small_group_is_not_the_measure_of_the_others(self, make: Any) -> None:
        found, _ = excess_decisions(make.declared(), [make.fairness(groups={"tiny": (9, 9), "female": (150, 300), "male": (420, 700)})])
        assert {f.group for f in found} == {"tiny", "female"}
        assert next(f for f in found if f.group == "female").gap == pytest.approx(0.1)

    @pytest.mark.parametrize(
        ("points", "expected"),
        [({}, "C3"), ({4: 200}, "C4"), ({4: 200, 5: 400}, "C5"), ({4: 100_000}, "C3"), ({2: 1}, "C3")],
        ids=["no breakpoints", "raised once", "raised twice", "out of reach", "never lowered"],
    )
    def test_it_raises_and_never_lowers(self, seen: Any, make: Any, points: dict[int, float], expected: str) -> None:
        system = make.system(risk={"breakpoints": {"excess_adverse_decisions": points}})
        found = entry(register(seen, system, make.results(make.fairness(groups=self.groups))), "groups of sex").consequence
        assert (found.class_, found.declared) == (expected, "C3")
        assert ("raised from C3" in found.reason) == (expected != "C3")

    def test_an_unknown_size_is_said_and_widens_the_range(self, seen: Any, make: Any) -> None:
        nobody_counted = {"affected_parties": [{"name": "applicants"}]}
        system = make.system(system=nobody_counted, risk={"breakpoints": {"excess_adverse_decisions": {5: 50}}})
        found = entry(register(seen, system), "groups of sex")
        assert "number of applicants a year is not declared" in found.consequence.reason
        assert found.consequence.class_ == "C3"
        assert found.level_range == (Level.LOW, Level.HIGH)

    def test_the_classes_are_five(self) -> None:
        assert CLASSES == ("C1", "C2", "C3", "C4", "C5")


class TestTreatment:
    def treated(self, make: Any, **changes: Any) -> Any:
        treatment = {"objective": "C.2.5", "option": "modify", "action": "review by hand", "owner": "Operations", **changes}
        return make.system(risk={"treatments": [treatment]})

    def test_no_residual_before_it_is_done(self, seen: Any, make: Any) -> None:
        found = entry(register(seen, self.treated(make, due="2020-01-01")), "groups of sex")
        assert found.residual is None
        assert "1 of 1 treatments not done" in found.residual_reason
        assert found.treatment == "modify"
        assert found.treatment_actions[0].overdue

    @pytest.mark.parametrize(("days", "there"), [(-10, True), (0, False), (10, False)])
    def test_only_evidence_from_after_it_counts(self, seen: Any, make: Any, days: int, there: bool) -> None:
        started = NOW - timedelta(days=1)
        done = (started + timedelta(days=days)).date()
        found = entry(register(seen, self.treated(make, status="done", done_on=str(done)), started=started), "groups of sex")
        assert (found.residual is not None) == there
        if found.residual is not None:
            assert set(found.residual.after_evidence_ids) <= set(found.evidence_ids)

    def test_done_without_a_date_is_not_enough(self, seen: Any, make: Any) -> None:
        assert "when it was done" in entry(register(seen, self.treated(make, status="done")), "groups of sex").residual_reason

    def test_a_waiver_is_an_acceptance_while_it_holds(self, seen: Any, make: Any) -> None:
        waiver = {
            "control": "A.6.2.4",
            "check": "fairness",
            "column": "sex",
            "reason": "too few",
            "approved_by": "Chief risk officer",
            "on": "2026-01-01",
            "expires": str(make.today + timedelta(days=5)),
        }
        undecided = make.results(make.fairness(groups={"a": (12, 20), "b": (600, 1000)}))
        found = entry(register(seen, make.system(waivers=[waiver]), undecided), "groups of sex")
        assert found.acceptance is not None
        assert (found.acceptance.by, found.review_due) == ("Chief risk officer", make.today + timedelta(days=5))
        assert found.likelihood.p is not None, "a waiver changes who answers, not what is likely"
        over = make.system(waivers=[{**waiver, "expires": "2026-02-01"}])
        assert entry(register(seen, over, undecided), "groups of sex").acceptance is None

    @pytest.mark.parametrize(
        ("up_to", "drop", "holds"),
        [("high", 0.2, True), ("very_high", 0.2, True), ("moderate", 0.2, False), ("low", 0.01, True)],
        ids=["as it reads", "above it", "below it", "low"],
    )
    def test_a_person_accepts_up_to_a_level(self, seen: Any, make: Any, up_to: str, drop: float, holds: bool) -> None:
        given_ = {"objective": "C.2.8", "up_to": up_to, "rationale": "r", "by": "CRO", "on": "2026-01-01", "expires": "2099-01-01"}
        system = make.system(risk={"acceptances": [given_]})
        found = entry(register(seen, system, make.results(make.robustness(drop))), "disturbed")
        assert found.acceptance is not None
        assert (found.acceptance.by, found.acceptance.basis, found.acceptance.holds) == ("CRO", "acceptance", holds)
        assert bool(found.acceptance.reason) != holds
        assert found.acceptance.evidence_ids
        assert entry(register(seen, system), "groups of sex").acceptance is None, "it is about another objective"

    def test_what_is_unknown_cannot_be_accepted(self, seen: Any, make: Any) -> None:
        given_ = {"objective": "C.2.1", "up_to": "very_high", "rationale": "r", "by": "CRO", "on": "2026-01-01", "expires": "2099-01-01"}
        found = entry(register(seen, make.system(risk={"acceptances": [given_]})), "where the data came from")
        assert found.level is Level.UNDETERMINED
        assert found.acceptance is not None
        assert not found.acceptance.holds
        assert "not known cannot be accepted" in found.acceptance.reason

    @pytest.mark.parametrize("dates", [("2025-01-01", "2026-01-01"), ("2098-01-01", "2099-01-01")], ids=["ended", "not yet"])
    def test_an_acceptance_counts_between_its_days(self, seen: Any, make: Any, dates: tuple[str, str]) -> None:
        given_ = {"objective": "C.2.8", "up_to": "high", "rationale": "r", "by": "CRO", "on": dates[0], "expires": dates[1]}
        assert entry(register(seen, make.system(risk={"acceptances": [given_]})), "disturbed").acceptance is None

    def test_one_entry_can_be_accepted_by_its_id_and_goes_before_a_waiver(self, seen: Any, make: Any) -> None:
        waiver = {"control": "A.6.2.4", "reason": "r", "approved_by": "w", "on": "2026-01-01", "expires": "2099-01-01"}
        undecided = make.results(make.fairness(groups={"a": (12, 20), "b": (600, 1000)}))
        name = entry(register(seen, make.system(waivers=[waiver]), undecided), "groups of sex").risk_id
        for up_to in ("very_high", "low"):
            given_ = {"risk": name, "up_to": up_to, "rationale": "r", "by": "CRO", "on": "2026-01-01", "expires": "2099-12-31"}
            both = make.system(waivers=[waiver], risk={"acceptances": [given_]})
            found = entry(register(seen, both, undecided), "groups of sex")
            assert found.acceptance is not None
            assert (found.acceptance.basis, found.acceptance.by) == ("acceptance", "CRO")
            assert found.acceptance.holds == (up_to == "very_high"), "a waiver accepts no risk that somebody has limited"

    def test_a_risk_has_the_owner_that_the_file_names(self, seen: Any, make: Any) -> None:
        found = register(seen, make.system(risk={"owners": {"C.2.5": "Fairness board"}, "review_due": str(make.today)}))
        assert entry(found, "groups of sex").owner == "Fairness board"
        assert entry(found, "disturbed").owner == "Head of credit"
        assert {e.review_due for e in found.entries} == {make.today}

    def test_history_shows_earlier_versions(self, seen: Any, make: Any) -> None:
        system = make.system()
        before = seen(system, make.results(make.robustness(0.2)), started=NOW - timedelta(days=3))
        found = entry(register(seen, system, earlier=[before]), "disturbed")
        assert [(s.likelihood, s.consequence, s.level) for s in found.history] == [("L5", "C3", Level.HIGH)]
        assert found.likelihood.class_ == "L1"


class TestDocumentsAndDigests:
    def test_missing_origin_has_no_probability(self, seen: Any, make: Any) -> None:
        found = entry(register(seen, make.system()), "where the data came from")
        assert (found.likelihood.p, found.likelihood.class_) == (None, None)
        assert (found.risk_source, found.objective) == (("C.3.6",), ("C.2.1",))

    def test_a_changed_digest_is_certain(self, seen: Any, make: Any) -> None:
        from aims_mlflow.evidence import CheckResult, Measure

        changed = CheckResult(check="provenance", scope={"dataset": "train"}, measures=(Measure.counted("digest_mismatch", 1, n=1),))
        found = entry(register(seen, make.system(), make.results(changed)), "were changed by someone")
        assert (found.likelihood.class_, found.objective) == ("L5", ("C.2.10",))

    def test_a_whole_signature_is_not_a_risk_entry(self, seen: Any, make: Any) -> None:
        found = register(seen, make.system())
        assert any("signature holds" in n.reason for n in found.not_raised)

    @pytest.mark.parametrize("how", ["answer", "attestation"])
    def test_explanations_are_a_persons_to_say(self, seen: Any, make: Any, how: str) -> None:
        assert entry(register(seen, make.system()), "explained to them").likelihood.p is None
        said = {
            "answer": {"impact": {"answers": {"explanation": {"text": "letters", "by": "Operations", "on": "2026-01-01"}}}},
            "attestation": {"attestations": [{"control": "A.8.2", "statement": "letters", "by": "Operations", "on": "2026-01-01"}]},
        }[how]
        assert any("Operations has said" in n.reason for n in register(seen, make.system(**said)).not_raised)

    def test_controls_that_pass_are_named(self, seen: Any, make: Any) -> None:
        version = seen(make.system())
        passing = {line.control for line in version.lines if line.state is State.PASS}
        for one in risk_register(make.declared(), version, (), NOW).entries:
            assert set(one.existing_controls) <= passing


def test_a_matrix_with_a_row_too_long_is_refused() -> None:
    row = (Level.LOW,) * 6
    with pytest.raises(ValueError, match="one level for each consequence class"):
        RiskRegister(highest=Level.LOW, entries=(), criteria_ref="x", matrix={**DEFAULT_MATRIX, "L3": row})
