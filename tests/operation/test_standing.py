"""What all looks together say for the record: A.6.2.6 and A.6.2.8, judged again by the system file at hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from aims_mlflow.bundle import KIND
from aims_mlflow.evidence import CheckResult, Evidence, State
from aims_mlflow.judging import judge
from aims_mlflow.judging.lines import control_lines
from aims_mlflow.operation.cases import Breach, Case, CaseEvent, Cited, EventKind, Kept, breach_case_id, case_of, due_after
from aims_mlflow.operation.events import EventLog, events_result
from aims_mlflow.operation.nonconformities import act
from aims_mlflow.operation.standing import AT_A_TIME, InOperation, Look, in_operation, read_looks
from aims_mlflow.system import System

from .world import (
    BATCH,
    DECLARED,
    EMPTY_COLUMN,
    SYSTEM,
    THEN,
    TRAIN,
    Desk,
    World,
    at_desk,
    declared,
    drawn,
    requirements,
    trained,
    unlabelled,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles
    "ignore::FutureWarning",
)

FILES = trained().files
BARE = unlabelled(BATCH)
WRONG = BATCH.assign(y=1 - BATCH["y"])
ORDER = [State.PASS, State.INCONCLUSIVE, State.STALE, State.MISSING, State.ERROR, State.FAIL]

_ids = (f"{number:064x}" for number in itertools.count(1))


def look(data: Any = None, *, day: float = 0, reference: bool = True, system: System = SYSTEM, log: CheckResult | None = None) -> Look:
    desk = at_desk(BATCH if data is None else data, reference=TRAIN if reference else None, system=system, log=log)
    return _looked(desk, THEN + timedelta(days=day))


def _looked(desk: Desk, at: datetime) -> Look:
    sha256 = next(_ids)
    return Look(sha256[-8:], desk.bundle(sha256[-8:], at), sha256)


def case(requirement: str, *kinds: EventKind, day: float = 0, name: str = "loans") -> Case:
    """Return a case of a breach that was opened on that day, and what happened in each hour that followed."""
    kept: list[Kept] = []
    for hour, kind in enumerate(("opened", *kinds)):
        breach: dict[str, Any] = (
            {
                "breach": Breach(requirement=requirement, model=f"models:/{name}/1"),
                "evidence": Cited(run_id="r", bundle_sha256="0" * 64),
                "due": due_after(THEN + timedelta(days=day), 10),
            }
            if kind == "opened"
            else {}
        )
        more: dict[str, Any] = {"without_evidence": "x"} if kind == "closed" else {}
        event = CaseEvent(
            case=breach_case_id("small", name, requirement),
            system_id="small",
            kind=kind,
            time=THEN + timedelta(days=day, hours=hour),
            by="a",
            what="b",
            collector="test",
            parents=(kept[-1].sha256,) if kept else (),
            **breach,
            **more,
        )
        kept.append(Kept(next(_ids), event))
    return case_of(kept[0].event.case, kept)


def said(looks: Sequence[Look], cases: Sequence[Case] = (), *, day: float = 1, system: System = SYSTEM) -> dict[str, Evidence]:
    newest = tuple(sorted(looks, key=lambda one: one.at, reverse=True))
    known = InOperation(system, THEN + timedelta(days=day), newest, tuple(cases))
    return {e.controls[0]: e for e in known.evidence("loans", FILES)}


def watched(looks: Sequence[Look], cases: Sequence[Case] = (), **more: Any) -> Evidence:
    return said(looks, cases, **more)["A.6.2.6"]


EMPTY = "quality.all_null_columns[dataset=production]"


class TestWatched:
    def test_nobody_has_looked(self) -> None:
        assert {e.state for e in said([]).values()} == {State.MISSING}

    def test_a_whole_look_within_the_plan_passes_and_an_old_one_is_stale(self) -> None:
        one = look()
        found = watched([one])
        assert (found.state, found.requirement, found.run_id) == (State.PASS, "monitor.looked", one.run_id)
        assert [(s.kind, s.name, s.sha256) for s in found.subjects] == [("run", one.run_id, one.sha256)]
        assert watched([one], day=8).state is State.STALE

    def test_without_a_plan_it_is_missing(self) -> None:
        assert watched([look()], system=declared(operation=None)).state is State.MISSING

    def test_what_no_look_has_answered_leaves_it_undecided(self) -> None:
        first = look(BARE, reference=False)
        alone = watched([first])
        assert alone.state is State.INCONCLUSIVE
        assert "accuracy_score" in alone.reason
        assert watched([first, look(day=-1)]).state is State.PASS

    @pytest.mark.parametrize(
        ("kinds", "state"),
        [
            ((), State.FAIL),
            (("cause",), State.FAIL),
            (("action",), State.PASS),
            (("action", "closed"), State.PASS),
            (("closed", "reopened"), State.FAIL),
        ],
        ids=["opened", "cause", "action", "closed", "reopened"],
    )
    def test_a_breach_fails_until_somebody_acts(self, kinds: tuple[EventKind, ...], state: State) -> None:
        looks = [look(EMPTY_COLUMN, reference=False, day=-0.5), look()]
        found = watched(looks, [case(EMPTY, *kinds, day=-0.5)])
        assert found.state is state
        if kinds == ("action",):
            assert "being acted on: nc-" in found.reason

    def test_what_is_overdue_fails_though_somebody_acted(self) -> None:
        late = watched([look(day=11)], [case(EMPTY, "action")], day=11)
        assert late.state is State.FAIL
        assert "overdue" in late.reason

    def test_a_breach_of_which_there_is_no_case_fails(self) -> None:
        found = watched([look(day=-1), look(EMPTY_COLUMN, reference=False)])
        assert found.state is State.FAIL
        assert "no nonconformity" in found.reason

    def test_a_later_good_look_does_not_make_up_for_it(self) -> None:
        assert watched([look(EMPTY_COLUMN, reference=False, day=-1), look()]).state is State.FAIL

    def test_a_case_that_was_closed_before_a_breach_does_not_cover_it(self) -> None:
        closed = case(EMPTY, "closed", day=-2)
        assert watched([look(day=-1), look(EMPTY_COLUMN, reference=False)], [closed]).state is State.FAIL

    def test_a_case_that_cannot_be_believed_fails(self) -> None:
        whole = case(EMPTY, "action", "closed")
        assert watched([look()], [case_of(whole.id, whole.events[1:])]).state is State.FAIL
        assert watched([look()], [whole]).state is State.PASS

    def test_a_case_of_another_model_is_not_held_against_this_one(self) -> None:
        assert watched([look()], [case(EMPTY, name="other")]).state is State.PASS

    def test_a_weaker_policy_at_the_look_changes_nothing(self) -> None:
        weak = declared(requirements=requirements(performance=0.01))
        found = watched([look(WRONG, system=weak)])
        assert found.state is State.FAIL
        assert "accuracy_score" in found.reason

    def test_a_look_at_another_model_says_nothing_of_this_one(self) -> None:
        one = look()
        assert one.about(FILES)
        assert not one.about({"other": (1, "0" * 64)})
        assert not one.about({})

    def test_a_waiver_lets_a_breach_be(self) -> None:
        waiver = {"reason": "known", "approved_by": "CRO", "on": "2026-01-01", "expires": "2099-01-01"}
        system = declared(waivers=[{"control": "A.6.2.6", "requirement": EMPTY, **waiver}])
        looks = [look(day=-1), look(EMPTY_COLUMN, reference=False)]
        assert watched(looks, system=system).state is State.PASS
        assert watched(looks).state is State.FAIL

    def test_it_takes_the_place_of_what_a_training_run_cannot_show(self) -> None:
        attested = {"control": "A.6.2.6", "statement": "somebody watches", "by": "CRO", "on": "2026-01-01"}
        system = declared(attestations=[attested], requirements=requirements()[:2])  # drift is asked of the training under A.6.2.6, too
        now = THEN + timedelta(days=1)
        judged = judge(system, (), run_id="none", started=now, now=now)
        lines = {e.control: e for e in control_lines(system, (*judged, *said([look()], system=system).values()), (), today=now.date())}
        assert (lines["A.6.2.6"].state, lines["A.6.2.8"].state) == (State.PASS, State.MISSING)

    def test_more_breaches_never_make_it_better(self) -> None:
        looks, worst = [look(day=-1)], 0
        for day, data in enumerate((drawn(400, 8), EMPTY_COLUMN, WRONG, BATCH)):
            looks.append(look(data, day=day / 10))
            state = ORDER.index(watched(looks).state)
            assert state >= worst
            worst = state
        assert worst == ORDER.index(State.FAIL)


class TestLogged:
    def log(self, gap: float, **more: Any) -> CheckResult:
        kept = EventLog(files=1, events=3, first=THEN - timedelta(days=3), last=THEN, gap=timedelta(hours=gap), **more)
        kept.kinds["prediction"] = 3
        return events_result(kept, SYSTEM.operation, now=THEN)

    def test_a_whole_log_passes_and_grows_stale(self) -> None:
        one = look(log=self.log(20))
        found = said([one])["A.6.2.8"]
        assert (found.state, found.requirement, found.run_id) == (State.PASS, "event_log.complete", one.run_id)
        assert said([one], day=8)["A.6.2.8"].state is State.STALE

    def test_a_gap_is_a_breach(self) -> None:
        assert [e.requirement for e in at_desk(BATCH, reference=TRAIN, log=self.log(49)).breaches] == ["event_log.complete"]
        assert said([look(log=self.log(49))])["A.6.2.8"].state is State.FAIL

    def test_a_log_that_cannot_be_judged_is_no_pass(self) -> None:
        vague = declared(operation=DECLARED["operation"] | {"longest_gap_hours": None})
        assert at_desk(BATCH, reference=TRAIN, log=self.log(1), system=vague).answer == "could not look"
        assert at_desk(BATCH, reference=TRAIN, log=self.log(1, unreadable=1)).answer == "could not look"

    def test_the_newest_look_that_was_given_a_log_counts(self) -> None:
        assert said([look(log=self.log(49), day=-1), look(log=self.log(1))])["A.6.2.8"].state is State.PASS
        assert said([look(log=self.log(1), day=-1), look()])["A.6.2.8"].state is State.PASS


class TestInMlflow:
    def test_it_reads_looks_cases_and_what_cannot_be_believed(self, world: World) -> None:
        bad = world.look(world.uri, EMPTY_COLUMN)
        claimed = world.store.create_run("aims/small", "claimed", {KIND: "monitoring", "aims.system": "small"})
        found = in_operation(SYSTEM, world.store)
        assert bad.run_id in {one.run_id for one in found.looks}
        assert set(found.problems) >= {claimed}
        assert set(bad.cases) <= {c.id for c in found.cases}
        files = world.store.model_files(world.source)
        assert found.evidence("loans", files)[0].state is State.FAIL
        for case_id in bad.cases:
            act(world.book, case_id, by="a", what="b")
        after = in_operation(SYSTEM, world.store).evidence("loans", files)[0]
        assert not any(case_id in after.reason for case_id in bad.cases)  # other tests have left breaches of their own

    def test_no_more_is_read_than_answers_every_question(self, world: World) -> None:
        world_system = declared(system={"id": "quick"}, operation={"monitor_every_days": 7})
        desk = at_desk(BATCH, reference=TRAIN, system=world_system)
        for day in range(AT_A_TIME + 2):
            world.kept(desk, THEN + timedelta(days=day))
        looks, problems = read_looks(world_system, world.store)
        assert len(looks) == AT_A_TIME
        assert problems == {}
