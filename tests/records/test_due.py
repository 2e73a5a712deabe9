"""What is due: one list of everything with a date, overdue first, warned of in time, by the record's own day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_mlflow.records.due import NOBODY, Dated, due_items, owner_of, treatment_plan
from aims_mlflow.records.plan_words import DueItem, PlannedTreatment
from aims_mlflow.records.reading import Declared
from aims_mlflow.records.risk import risk_register
from aims_mlflow.records.spoken import persons_words
from aims_mlflow.system import System

NOW = datetime.now(UTC)
TODAY = NOW.date()
BARE = Declared(
    System.model_validate(
        {"version": 1, "system": {"id": "bare"}, "task": {"kind": "regression", "target": "y"}, "data": {"roles": {"train": "train"}}}
    ),
    True,
    "aims.yaml",
)


def day(days: int) -> str:
    return str(TODAY + timedelta(days=days))


def due(system: Any, seen: Any = None, today: date = TODAY, warning: int = 30) -> tuple[DueItem, ...]:
    said = Declared(system, True, "aims.yaml")
    return due_items(said, seen, persons_words(said, seen, today), (), today, warning)


def everything(make: Any) -> Any:
    word = {"control": "A.2.2", "reason": "r", "approved_by": "Board", "on": "2026-01-01", "expires": day(-3)}
    return make.system(
        risk={
            "treatments": [
                {"objective": "C.2.5", "option": "modify", "action": "weigh", "owner": "Ada", "due": day(40)},
                {"objective": "C.2.5", "option": "modify", "action": "review", "owner": "Bea", "due": day(-40)},
                {"objective": "C.2.5", "option": "modify", "action": "done it", "owner": "Bea", "due": day(-50), "status": "done"},
            ],
            "acceptances": [
                {"objective": "C.2.5", "up_to": "high", "rationale": "we live with it", "by": "Cy", "on": "2026-01-01", "expires": day(5)}
            ],
            "review_due": day(60),
        },
        impact={"review_due": day(20)},
        attestations=[{"control": "A.6.2.2", "statement": "approved", "by": "Di", "on": "2026-01-12", "expires": day(10)}],
        waivers=[word],
        reviews=[
            {"on": "2026-01-05", "by": "Board", "next_due": day(90), "actions": [{"action": "hire", "owner": "Eve", "due": day(-1)}]},
            {"on": "2025-01-05", "by": "Board", "next_due": "2025-02-02"},
        ],
    )


def test_everything_with_a_date_is_there_overdue_first(make: Any, seen: Any) -> None:
    found = due(everything(make), seen(everything(make)))
    assert [i.due for i in found] == sorted(i.due for i in found)
    assert [(i.kind, i.who) for i in found if i.overdue] == [("treatment", "Bea"), ("waiver", "Board"), ("action", "Eve")]
    assert {i.kind for i in found} == {
        *("treatment", "waiver", "attestation", "acceptance", "evidence"),
        *("risk review", "impact review", "management review", "action"),
    }
    assert [i.days_left for i in found if i.kind == "acceptance"] == [5]
    assert all(i.evidence_ids and i.fix and i.who for i in found)
    assert not any("done it" in i.what for i in found), "what is done is not due"
    assert not any(str(i.due) == "2025-02-02" for i in found), "the newest review says when the next one is"


def test_warning_comes_so_many_days_before(make: Any) -> None:
    system = everything(make)
    assert {i.kind for i in due(system) if i.soon and not i.overdue} == {"attestation", "acceptance", "impact review"}
    assert {i.kind for i in due(system, warning=6) if i.soon and not i.overdue} == {"acceptance"}
    assert {i.kind for i in due(system, warning=0) if i.soon} == {i.kind for i in due(system) if i.overdue}


def test_the_records_own_day_counts(make: Any) -> None:
    system = everything(make)
    assert [i.kind for i in due(system, today=TODAY - timedelta(days=60)) if i.overdue] == []
    assert all(i.overdue for i in due(system, today=TODAY + timedelta(days=400)))


def test_evidence_that_counts_for_a_month_is_not_due_from_its_first_day(make: Any, seen: Any) -> None:
    system = make.system()
    (fresh,) = [i for i in due(system, seen(system)) if i.kind == "evidence"]
    assert not fresh.soon
    (old,) = [i for i in due(system, seen(system, started=NOW - timedelta(days=25))) if i.kind == "evidence"]
    assert old.soon
    assert old.evidence_ids[0].startswith("v-")


def test_nobody_is_invented(make: Any) -> None:
    bare = make.system(system={"owner": None}, risk={"review_due": day(1)})
    assert [i.who for i in due(bare)] == [NOBODY]
    assert owner_of(make.declared()) == "Head of credit (owner of the system)"


@given(st.lists(st.tuples(st.integers(-900, 900), st.integers(0, 60)), max_size=12), st.integers(0, 90))
def test_the_list_is_whole_and_in_order(dates: list[tuple[int, int]], warning: int) -> None:

    given_ = [Dated("treatment", f"{at}", TODAY + timedelta(days=days), "w", "f", ("s-1",)) for at, (days, _) in enumerate(dates)]
    found = due_items(BARE, None, (), given_, TODAY, warning)
    assert len(found) == len(given_)
    assert [i.due for i in found] == sorted(d.due for d in given_)
    assert all(i.overdue == (i.days_left < 0) and i.soon == (i.days_left <= warning) for i in found)


class TestTreatmentPlan:
    def plan(self, make: Any, seen: Any, treatments: list[dict[str, Any]], started: datetime | None = None) -> Any:
        system = make.system(risk={"treatments": treatments})
        said = Declared(system, True, "aims.yaml")
        risks = risk_register(said, seen(system, started=started), [], NOW)
        return treatment_plan(said, risks.entries, TODAY)

    def test_overdue_comes_first_and_done_last(self, make: Any, seen: Any) -> None:
        one = {"objective": "C.2.5", "option": "modify", "owner": "Ada"}
        plan = self.plan(
            make,
            seen,
            [
                {**one, "action": "done", "due": day(-9), "status": "done", "done_on": day(-10)},
                {**one, "action": "some day"},
                {**one, "action": "next month", "due": day(30)},
                {**one, "action": "late", "due": day(-1)},
            ],
        )
        assert [p.action for p in plan] == ["late", "next month", "some day", "done"]
        assert [p.overdue for p in plan] == [True, False, False, False]
        assert all(p.risk_ids for p in plan)

    def test_what_remains_comes_only_from_evidence_after_the_treatment(self, make: Any, seen: Any) -> None:
        one = {"objective": "C.2.8", "option": "modify", "owner": "Ada", "action": "a", "status": "done"}
        (after,) = self.plan(make, seen, [{**one, "done_on": day(-3)}])
        assert "low" in after.remains
        assert len(after.evidence_ids) > 1
        (before,) = self.plan(make, seen, [{**one, "done_on": day(0)}])
        assert "no evidence yet from after" in before.remains
        (open_,) = self.plan(make, seen, [{**one, "status": "planned"}])
        assert "not done yet" in open_.remains

    def test_a_treatment_of_what_is_not_in_the_register_says_so(self, make: Any, seen: Any) -> None:
        (found,) = self.plan(make, seen, [{"objective": "C.2.4", "option": "avoid", "action": "less power", "owner": "Ada"}])
        assert found.risk_ids, "an objective with a treatment always has an entry"


@pytest.mark.parametrize("status", ["planned", "in_progress"])
def test_a_treatment_without_a_date_is_planned_and_never_due(make: Any, status: str) -> None:
    system = make.system(
        risk={"treatments": [{"objective": "C.2.5", "option": "share", "action": "insure", "owner": "A", "status": status}]}
    )
    assert [i for i in due(system) if i.kind == "treatment"] == []


def test_what_is_overdue_says_by_how_many_days() -> None:
    told = {"action": "a", "option": "o", "objective": "C.2.5", "owner": "w", "status": "planned", "remains": "r"}
    with pytest.raises(ValueError, match="overdue by nobody knows how many days"):
        PlannedTreatment.model_validate({**told, "overdue": True})
    assert PlannedTreatment.model_validate({**told, "overdue": True, "days_left": -3}).days_left == -3
