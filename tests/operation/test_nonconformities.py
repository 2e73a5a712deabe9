"""Breaches and what is done about them: one case for the same breach, closed only by evidence that it worked."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import ConfigurationError, VerificationError
from aims_mlflow.operation.cases import Case
from aims_mlflow.operation.nonconformities import act, close, open_from_run, open_nonconformity, passing, report_breach
from aims_mlflow.signing import open_bundle
from aims_mlflow.system import System

from .world import BATCH, DECLARED, EMPTY_COLUMN, SYSTEM, THEN, Desk, World, at_desk, declared, requirements, unlabelled

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles
    "ignore::FutureWarning",
)

WRONG = BATCH.assign(y=1 - BATCH["y"])
"""A batch on which the model is wrong nearly always."""
HALF = BATCH.assign(y=[1 - y if at % 3 == 0 else y for at, y in enumerate(BATCH["y"])])
"""A batch on which it is wrong a third of the time."""
BARE = unlabelled(BATCH)
LATER = THEN + timedelta(days=1)

_names = (f"model-{number}" for number in itertools.count())


def reported(world: World, desk: Desk, name: str, at: datetime = THEN) -> tuple[Case, str]:
    """Keep a look and report its first breach."""
    run_id = world.kept(desk, at)
    bundle, verified = open_bundle(world.store.read(run_id, BUNDLE_PATH))
    breach = next(e for e in bundle.evidence if e.requirement == desk.breaches[0].requirement)
    return report_breach(world.book, desk.system, breach, bundle, verified.sha256, model=f"models:/{name}/1", name=name, by="cron")


def breached(world: World, data: Any = WRONG) -> Case:
    return reported(world, at_desk(data), next(_names))[0]


def acted(world: World, data: Any = WRONG) -> Case:
    return act(world.book, breached(world, data).id, by="Operator", what="trained anew")


def closed(world: World, case: Case, run_id: str, system: System = SYSTEM) -> Case:
    return close(world.book, case.id, by="Auditor", what="it works", system=system, evidence=run_id)


class TestOpening:
    def test_a_breach_opens_a_case_that_says_what_failed_where(self, world: World) -> None:
        case, became = reported(world, at_desk(WRONG), "first")
        assert case.first is not None
        assert case.breach is not None
        assert (became, case.state, case.breach.model, case.breach.minimum) == ("opened", "open", "models:/first/1", 0.8)
        assert (case.breach.requirement, case.breach.declared) == (
            "performance.accuracy_score[dataset=production]",
            "performance.accuracy_score",
        )
        assert case.due == (THEN + timedelta(days=10)).date()
        assert case.first.evidence is not None
        assert case.first.by == "cron"

    def test_the_same_breach_is_added_and_after_closing_opens_the_case_again(self, world: World) -> None:
        name, desk = next(_names), at_desk(WRONG)
        first, _ = reported(world, desk, name)
        second, became = reported(world, desk, name, LATER)
        assert (second.id, became, len(second.breaches)) == (first.id, "breached", 2)
        close(world.book, first.id, by="a", what="b", without_evidence="c")
        third, became = reported(world, desk, name, LATER + timedelta(days=1))
        assert (third.id, became, third.state) == (first.id, "reopened", "open")
        assert reported(world, desk, next(_names))[0].id != first.id

    def test_a_case_that_cannot_be_written_leaves_the_breach_a_breach(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        from aims_mlflow.operation import looking

        def refuse(*_: object, **__: object) -> None:
            raise ConfigurationError("no key")

        monkeypatch.setattr(looking, "report_breach", refuse)
        found = world.look(world.uri, EMPTY_COLUMN)
        assert (found.exit_code, found.cases) == (1, {})
        assert any("could NOT be written" in note for note in found.notes)

    def test_an_expectation_that_quotes_a_value_is_named_by_its_digest(self, world: World) -> None:
        wanted = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "g", "value_set": ["Zorglubbing"]}}
        system = declared(requirements=[*DECLARED["requirements"], {"check": "quality", "dataset": "train", "expectation": wanted}])
        case, _ = reported(world, at_desk(BARE, system=system), next(_names))
        content = next(Path().rglob(f"{case.events[0].sha256}.dsse.json")).read_bytes()
        assert b"Zorglubbing" not in content
        assert "Zorglubbing" not in case.events[0].event.model_dump_json()

    def test_cases_that_could_not_be_written_are_opened_from_the_run(self, world: World) -> None:
        run_id = world.kept(at_desk(EMPTY_COLUMN), THEN)
        (case,) = open_from_run(world.book, SYSTEM, run_id, by="Operator")
        assert case.breach is not None
        assert case.breach.requirement == "quality.all_null_columns[dataset=production]"
        for refused, words in ((world.kept(at_desk(BATCH), THEN), "no critical requirement fails"), (world.run_id, "no monitoring")):
            with pytest.raises(VerificationError, match=words):
                open_from_run(world.book, SYSTEM, refused, by="Operator")


class TestClosing:
    def test_a_later_look_in_which_the_requirement_passes_closes_it(self, world: World) -> None:
        case = acted(world)
        later = world.kept(at_desk(BATCH), LATER)
        done = closed(world, case, later)
        assert (done.state, done.open) == ("closed", False)
        assert done.last is not None
        assert done.last.evidence is not None
        assert (done.last.evidence.run_id, done.last.evidence.state) == (later, "pass")

    def test_a_later_training_run_closes_it_too(self, world: World) -> None:
        case = acted(world)  # the model of these tests was trained today, which is after the breach
        assert closed(world, case, world.run_id).state == "closed"

    def test_nothing_is_closed_before_anything_was_done(self, world: World) -> None:
        case = breached(world)
        with pytest.raises(VerificationError, match="nobody has done anything"):
            closed(world, case, world.kept(at_desk(BATCH), LATER))

    def test_what_does_not_show_it_is_refused(self, world: World) -> None:
        case = acted(world)
        bundle = at_desk(BATCH).bundle("r", LATER)
        refused = {
            "0" * 32: "left no evidence",
            world.kept(at_desk(BATCH), THEN): "before the last breach",
            world.kept(at_desk(BATCH), THEN - timedelta(days=9)): "before the last breach",
            world.kept(at_desk(WRONG), LATER): "is fail there",
            world.kept(at_desk(BARE), LATER): "was not judged",
            world.kept(at_desk(BATCH.head(40)), LATER): "is inconclusive there",
            world.kept(at_desk(BATCH, system=declared(system={"id": "other"})), LATER): "of the system 'other'",
        }
        for run_id, words in refused.items():
            with pytest.raises(VerificationError, match=words):
                closed(world, case, run_id)
        assert world.book.case(case.id).open
        assert case.breach is not None
        assert not isinstance(passing(SYSTEM, bundle, case.breach), str)

    def test_evidence_that_was_edited_or_copied_is_refused(self, world: World) -> None:
        case = acted(world)
        later, other = world.kept(at_desk(BATCH), LATER), world.kept(at_desk(BARE), LATER)
        envelope = world.store.read(later, BUNDLE_PATH)
        world.store.write(other, BUNDLE_PATH, envelope)
        with pytest.raises(VerificationError, match="that of run"):
            closed(world, case, other)
        world.store.write(later, BUNDLE_PATH, envelope[:-20] + b"A" * 20)
        with pytest.raises(VerificationError, match="cannot be believed"):
            closed(world, case, later)

    def test_a_bound_that_was_lowered_since_closes_nothing(self, world: World) -> None:
        case = acted(world, HALF)
        lowered = declared(requirements=requirements(performance=0.3))
        desk = at_desk(HALF, system=lowered)
        assert desk.answer == "no breach"
        later = world.kept(desk, LATER)
        turned = [r.model_copy(update={"min": None, "max": 1.0}) if r.check == "performance" else r for r in SYSTEM.requirements]
        weaker = {
            "is fail there": lowered,
            "bounded in another way": SYSTEM.model_copy(update={"requirements": tuple(turned)}),
            "no longer asked": declared(requirements=DECLARED["requirements"][1:]),
        }
        for words, system in weaker.items():
            with pytest.raises(VerificationError, match=words):
                closed(world, case, later, system)

    def test_a_bound_that_was_raised_since_counts(self, world: World) -> None:
        case = acted(world)
        with pytest.raises(VerificationError, match="is fail there"):
            closed(world, case, world.kept(at_desk(BATCH), LATER), declared(requirements=requirements(performance=0.99)))

    def test_a_shift_that_is_allowed_since_closes_nothing(self, world: World) -> None:
        half = unlabelled(BATCH).assign(z=[None] * 200 + list(BATCH["z"][200:]))
        case = acted(world, half)
        assert case.breach is not None
        assert (case.breach.requirement.partition("[")[0], case.breach.maximum) == ("monitor.completeness_shift", 0.3)
        wide = declared(operation=DECLARED["operation"] | {"largest_shift": 0.9})
        with pytest.raises(VerificationError, match="is fail there"):
            closed(world, case, world.kept(at_desk(half, system=wide), LATER), wide)
        assert closed(world, case, world.kept(at_desk(BATCH), LATER)).state == "closed"

    def test_a_person_may_close_without_and_it_shows(self, world: World) -> None:
        done = close(world.book, breached(world).id, by="CRO", what="it is switched off", without_evidence="nothing runs any more")
        assert done.last is not None
        assert (done.state, done.last.without_evidence, done.last.by) == ("closed", "nothing runs any more", "CRO")

    @pytest.mark.parametrize("more", [{}, {"evidence": "x", "without_evidence": "y"}], ids=["neither", "both"])
    def test_neither_or_both_is_refused(self, world: World, more: dict[str, str]) -> None:
        case = open_nonconformity(world.book, by="a", what="b")
        with pytest.raises(ConfigurationError, match="closed with evidence"):
            close(world.book, case.id, by="a", what="b", system=SYSTEM, **more)

    def test_a_case_of_no_requirement_has_no_evidence(self, world: World) -> None:
        case = open_nonconformity(world.book, by="a", what="a document is out of date")
        act(world.book, case.id, by="a", what="written anew")
        with pytest.raises(VerificationError, match="about no requirement"):
            closed(world, case, world.run_id)

    def test_a_standing_question_is_answered_by_a_look_only(self, world: World) -> None:
        case = acted(world, EMPTY_COLUMN)
        with pytest.raises(VerificationError, match="was not judged"):
            closed(world, case, world.run_id)
        assert closed(world, case, world.kept(at_desk(BARE), LATER)).state == "closed"
