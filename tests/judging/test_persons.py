from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
import yaml

from aims_mlflow.evidence import State
from aims_mlflow.judging.persons import (
    Asked,
    attestation_line,
    excluded_objectives,
    lapsed_waiver,
    latest_local_date,
    persons_word,
    waiver_of,
)
from aims_mlflow.system import Attestation, System

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()


def system(**more) -> System:
    task = {"kind": "regression", "target": "y"}
    return System.model_validate({"version": 1, "system": {"id": "s"}, "task": task, "data": {"roles": {"train": "t"}}, **more})


def said(**more) -> dict:
    return {"control": "A.6.2.2", "statement": "It was approved", "by": "the owner", "on": "2026-02-01", **more}


@pytest.mark.parametrize(
    ("attestation", "state", "words"),
    [
        (said(), State.PASS, "attested in the system file by the owner on 2026-02-01: It was approved"),
        (said(expires="2026-03-01"), State.PASS, "the owner"),
        (said(expires="2026-02-28"), State.MISSING, "expired on 2026-02-28"),
        (said(on="2026-03-02"), State.PASS, "the owner"),  # it can be that date already, east of here
        (said(on="2026-03-03"), State.MISSING, "dated in the future"),
        (said(not_applicable=True), State.NOT_APPLICABLE, "declared not applicable"),
    ],
)
def test_an_attestation_counts_from_its_date_until_it_expires(attestation, state, words):
    found = persons_word("A.6.2.2", system(attestations=[attestation]), (), NOW)
    assert found is not None
    assert found[0] is state
    assert words in found[1]
    assert persons_word("A.6.1.3", system(attestations=[attestation]), (), NOW) is None


def test_a_run_can_attest_but_not_excuse_itself():
    given = Attestation.model_validate(said())
    assert persons_word("A.6.2.2", system(), (given,), NOW)[1].startswith("attested in the run by the owner")
    excuse = given.model_copy(update={"not_applicable": True})
    state, reason = persons_word("A.6.2.2", system(), (excuse,), NOW)
    assert state is State.MISSING
    assert "only be said in the system file" in reason


def test_what_is_stated_outweighs_that_it_does_not_apply():
    both = system(attestations=[said(), said(not_applicable=True, on="2026-02-20")])
    assert persons_word("A.6.2.2", both, (), NOW)[0] is State.PASS


def test_excluding_an_objective_does_not_excuse_the_control():
    exclusion = {**said(not_applicable=True), "control": "A.6.1.2", "statement": "C.2.8 does not apply: the model is a table"}
    assert persons_word("A.6.1.2", system(attestations=[exclusion]), (), NOW) is None


def test_the_line_to_add_is_an_attestation():
    text = attestation_line("A.6.2.2").split("aims.yaml: - ")[1].replace("<date>", "2026-01-01")
    read = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - strings only; YAML 1.1 reads the key `on` as true
    assert Attestation.model_validate(read).control == "A.6.2.2"


def test_dates_are_generous_by_the_time_zones_and_no_more():
    assert latest_local_date(datetime(2026, 1, 1, 9, 59, tzinfo=UTC)) == date(2026, 1, 1)
    assert latest_local_date(datetime(2026, 1, 1, 10, 0)) == date(2026, 1, 2)  # noqa: DTZ001 - naive on purpose: read as UTC


ABOUT = Asked("fairness", "demographic_parity_ratio", "sex", "fairness.demographic_parity_ratio[column=sex]")


@pytest.mark.parametrize(
    ("named", "fits"),
    [
        ({}, True),
        ({"check": "fairness"}, True),
        ({"check": "fairness", "column": "sex"}, True),
        ({"metric": "demographic_parity_ratio"}, True),
        ({"requirement": ABOUT.requirement}, True),
        ({"check": "fairness", "column": "age"}, False),
        ({"check": "robustness"}, False),
        ({"requirement": "fairness.demographic_parity_ratio"}, False),
        ({"control": "A.5.4"}, False),
        ({"on": "2026-03-02"}, False),
        ({"expires": "2026-03-01"}, True),
        ({"expires": "2026-02-28"}, False),
    ],
)
def test_a_waiver_fits_where_all_that_it_names_fits_and_it_is_in_force(named, fits):
    waiver = {"control": "A.6.2.4", "reason": "r", "approved_by": "a", "on": "2026-02-01", "expires": "2026-08-01", **named}
    of = system(waivers=[waiver])
    assert (waiver_of(of, "A.6.2.4", ABOUT, TODAY) is not None) is fits
    assert (waiver_of(of, "A.6.2.4", None, TODAY) is not None) is (fits and not named.keys() & {"check", "column", "metric", "requirement"})
    assert (lapsed_waiver(of, "A.6.2.4", ABOUT, TODAY) is not None) is (named.get("expires") == "2026-02-28")


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time is fourteen hours ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")
        time.tzset()
        yield
    time.tzset()


def test_a_moment_without_a_zone_is_utc_wherever_the_machine_stands(far_east):
    assert latest_local_date(datetime(2026, 3, 1, 9, 59)) == date(2026, 3, 1)  # noqa: DTZ001 - without a zone
    assert latest_local_date(datetime(2026, 3, 1, 10)) == date(2026, 3, 2)  # noqa: DTZ001 - without a zone


def test_of_several_waivers_the_one_that_holds_longest_is_told():
    def waiver(expires: str) -> dict:
        return {"control": "A.6.2.4", "reason": "few", "approved_by": "the officer", "on": "2026-01-01", "expires": expires}

    of = system(waivers=[waiver("2026-01-20"), waiver("2026-02-20"), waiver("2026-02-10")])
    assert lapsed_waiver(of, "A.6.2.4", None, TODAY).expires == date(2026, 2, 20)
    assert waiver_of(of, "A.6.2.4", None, date(2026, 1, 15)).expires == date(2026, 2, 20)
    assert waiver_of(of, "A.6.2.4", None, date(2025, 12, 31)) is None
    assert lapsed_waiver(of, "A.6.2.4", None, date(2026, 1, 20)) is None


def test_of_several_attestations_the_latest_that_counts_is_told():
    of = system(
        attestations=[said(on="2026-02-01"), said(on="2026-02-20", reference="doc/7"), said(on="2026-02-10"), said(on="2027-01-01")]
    )
    assert persons_word("A.6.2.2", of, (), NOW) == (
        State.PASS,
        "attested in the system file by the owner on 2026-02-20: It was approved (doc/7)",
    )
    none = system(attestations=[said(expires="2026-02-02"), said(on="2027-01-01")])
    state, why = persons_word("A.6.2.2", none, (), NOW)
    assert state is State.MISSING
    assert why == "no attestation counts: that of the owner expired on 2026-02-02; that of the owner is dated in the future (2027-01-01)"


def test_an_objective_is_excluded_on_the_days_on_which_the_attestation_holds():
    out = {"statement": "C.2.5 does not apply, nor C.2.11", "not_applicable": True, "on": "2026-02-01", "expires": "2026-03-01"}
    of = system(attestations=[{"control": "A.6.1.2", "by": "the owner", **out}])
    assert excluded_objectives(of, by=TODAY, on=TODAY) == {"C.2.5", "C.2.11"}
    assert excluded_objectives(of, by=date(2026, 2, 1), on=date(2026, 2, 1)) == {"C.2.5", "C.2.11"}
    assert excluded_objectives(of, by=date(2026, 1, 31), on=date(2026, 1, 31)) == frozenset()
    assert excluded_objectives(of, by=date(2026, 3, 2), on=date(2026, 3, 2)) == frozenset()
    elsewhere = system(attestations=[{"control": "A.6.1.3", "by": "the owner", **out}])
    assert excluded_objectives(elsewhere, by=TODAY, on=TODAY) == frozenset()
    stated = system(attestations=[{"control": "A.6.1.2", "by": "the owner", **out, "not_applicable": False}])
    assert excluded_objectives(stated, by=TODAY, on=TODAY) == frozenset()
