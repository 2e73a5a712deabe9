"""Appending on a real MLflow: one log to a registry, every entry in it, whoever writes and whatever was taken away meanwhile."""

from __future__ import annotations

import logging
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import mlflow
import pytest

from aims_mlflow.decision import Blocker, undecided
from aims_mlflow.errors import ConfigurationError, PromotionBlocked, StoreError
from aims_mlflow.ledger import Facts, Ledger, Walk, entry_path
from aims_mlflow.promotion import promote, recorded_decisions
from aims_mlflow.signing import new_key
from aims_mlflow.store import Store
from aims_mlflow.store.logs import HEAD, LEDGER

from .conftest import BEGAN

FACTS = Facts(model="golden", version="1", alias="champion")


@pytest.fixture
def ledger(mlflow_home: str) -> Ledger:
    return Ledger(Store())


def log_run(store: Store) -> Any:
    place = store.log_place()
    assert place is not None
    assert place.run is not None
    return place.run


def log_file(store: Store, sha256: str) -> Path:
    location = mlflow.MlflowClient().get_run(log_run(store).run_id).info.artifact_uri
    assert location is not None
    return Path(location.removeprefix("file://"), entry_path(sha256))


def kinds(found: Walk) -> list[str]:
    return [one.entry.kind for one in found.entries]


class TestAppend:
    def test_entries_follow_each_other(self, ledger: Ledger) -> None:
        written = [ledger.withdraw("golden", "champion", str(n), actor="somebody") for n in range(3)]
        found = ledger.walk()
        assert found.findings == ()
        assert [one.sha256 for one in found.entries] == written
        assert [one.entry.sequence for one in found.entries] == [1, 2, 3]
        assert [one.entry.parents for one in found.entries] == [(), (written[0],), (written[1],)]
        assert found.heads == (written[2],)
        assert {one.entry.registry for one in found.entries} == {found.registry}
        assert {one.entry.actor for one in found.entries} == {"somebody"}

    def test_what_a_head_holds_is_not_written_again(self, ledger: Ledger) -> None:
        again = Ledger(Store())  # another process would know no more
        denial = undecided("models:/golden/9", Blocker(code="no_version", reason="there is none"), now=BEGAN)
        first = ledger.append("denial", denial)
        assert ledger.append("denial", denial) == again.append("denial", denial) == first
        facts = ledger.append("withdrawal", FACTS, time=BEGAN)
        assert again.append("withdrawal", FACTS, time=BEGAN) == facts
        assert again.append("withdrawal", FACTS) != facts
        assert kinds(ledger.walk()) == ["denial", "withdrawal", "withdrawal"]

    def test_another_store_goes_on_where_this_one_stopped(self, ledger: Ledger) -> None:
        first = ledger.append("withdrawal", FACTS)
        second = Ledger(Store()).append("withdrawal", FACTS)
        third = ledger.append("withdrawal", FACTS)
        assert [one.entry.parents for one in ledger.entries()] == [(), (first,), (second,)]
        assert ledger.walk().heads == (third,)

    def test_the_run_has_ended_and_names_only_the_heads(self, ledger: Ledger) -> None:
        for _ in range(3):
            last = ledger.append("withdrawal", FACTS)
        run = log_run(ledger.store)
        assert run.status == "FINISHED"
        assert {key: value for key, value in run.tags.items() if key.startswith(HEAD)} == {HEAD + last: "3"}

    def test_it_takes_the_same_few_calls_however_long_the_log_is(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        def calls() -> int:
            made: list[str] = []
            real = Store._call

            def counted(self: Store, what: str, do: Any, **given: Any) -> Any:
                made.append(what)
                return real(self, what, do, **given)

            with monkeypatch.context() as patch:
                patch.setattr(Store, "_call", counted)
                ledger.append("withdrawal", FACTS)
            return len(made)

        calls()
        few = calls()
        for _ in range(10):
            ledger.append("withdrawal", FACTS)
        assert calls() == few <= 4

    def test_facts_are_checked(self, ledger: Ledger) -> None:
        assert ledger.append("withdrawal", {"model": "golden", "version": "1"})
        for kind, content in (("withdrawal", {"modell": "golden"}), ("withdrawal", {"version": 1}), ("decision", FACTS)):
            with pytest.raises(ConfigurationError):
                ledger.append(kind, content)  # type: ignore[arg-type]  # a kind as somebody might pass it
        assert kinds(ledger.walk()) == ["withdrawal"]

    def test_the_gate_signs_with_its_own_key(self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = new_key(tmp_path / "gate.pem")
        monkeypatch.setenv("AIMS_GATE_KEY", str(tmp_path / "gate.pem"))
        ledger.append("withdrawal", FACTS)
        assert [one.key_ids for one in ledger.entries()] == [(gate.id,)]


class TestHint:
    def test_without_the_hint_the_whole_log_is_looked_at(self, ledger: Ledger) -> None:
        last = [ledger.append("withdrawal", FACTS) for _ in range(3)][-1]
        mlflow.MlflowClient().delete_tag(log_run(ledger.store).run_id, HEAD + last)
        new = Ledger(Store()).append("withdrawal", FACTS)
        assert [one.entry.parents for one in ledger.entries() if one.sha256 == new] == [(last,)]
        assert ledger.walk().findings == ()

    def test_a_head_that_is_gone_is_named_as_a_parent_all_the_same(self, ledger: Ledger) -> None:
        last = [ledger.append("withdrawal", FACTS) for _ in range(3)][-1]
        log_file(ledger.store, last).unlink()
        Ledger(Store()).append("withdrawal", FACTS)
        assert {f.code for f in ledger.walk().findings if f.severity != "note"} == {"parent_missing"}

    def test_an_altered_head_is_found(self, ledger: Ledger) -> None:
        last = [ledger.append("withdrawal", FACTS) for _ in range(2)][-1]
        path = log_file(ledger.store, last)
        path.write_bytes(path.read_bytes()[:-1])
        Ledger(Store()).append("withdrawal", FACTS)
        assert {f.code for f in ledger.walk().findings if f.severity != "note"} == {"entry_altered"}

    @pytest.mark.parametrize("hint", ["nonsense", "0" * 64], ids=["no digest", "no entry"])
    def test_a_forged_hint_does_not_stop_the_log(self, ledger: Ledger, hint: str) -> None:
        ledger.append("withdrawal", FACTS)
        mlflow.MlflowClient().set_tag(log_run(ledger.store).run_id, HEAD + hint, "7")
        assert ledger.append("withdrawal", FACTS)
        assert {f.code for f in ledger.walk().findings} <= {"parent_missing", "head_gone"}

    def test_a_fork_that_no_hint_names_is_taken_up_after_a_walk(self, ledger: Ledger) -> None:
        base = ledger.append("withdrawal", FACTS)
        cut_off = ledger.append("withdrawal", FACTS)
        ledger.store.move_heads(log_run(ledger.store).run_id, {base: "1"}, [(log_run(ledger.store).run_id, cut_off)])
        other = ledger.append("withdrawal", FACTS)
        assert set(ledger.walk().heads) == {cut_off, other}
        ledger.merge(ledger.walk())
        last = ledger.append("withdrawal", FACTS)
        assert ledger.walk().heads == (last,)
        assert ledger.walk().findings == ()


class TestPlace:
    def test_within_a_server_the_log_stands_with_its_artifacts(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR

        monkeypatch.setenv(ARTIFACT_ROOT_ENV_VAR, (tmp_path / "root").as_uri())
        sha256 = ledger.append("withdrawal", FACTS)
        assert log_file(ledger.store, sha256).is_relative_to(tmp_path / "root")

    @pytest.mark.usefixtures("mlflow_home")
    def test_there_is_no_log_before_the_first_entry(self) -> None:
        store = Store()
        assert store.log_place() is None
        assert Ledger(store).walk() == Walk()

    @pytest.mark.usefixtures("mlflow_home")
    def test_several_that_begin_at_once_begin_one(self) -> None:
        first = Store().begin_log()
        assert Store().begin_log("f" * 32) == first
        mlflow.MlflowClient().create_run(first.experiment_id, tags={LEDGER: first.registry})  # what a race might leave
        stores = [Store(), Store()]
        written = [Ledger(store).append("withdrawal", FACTS) for store in stores]
        found = Ledger(Store()).walk()
        assert {one.sha256 for one in found.entries} == set(written)
        assert found.findings == ()

    def test_a_deleted_log_is_not_begun_anew(self, ledger: Ledger) -> None:
        ledger.append("withdrawal", FACTS)
        run_id = log_run(ledger.store).run_id
        mlflow.MlflowClient().delete_run(run_id)
        for one in (ledger, Ledger(Store())):
            with pytest.raises(StoreError, match="restore"):
                one.append("withdrawal", FACTS)
        assert [f.code for f in ledger.walk().findings] == ["log_deleted"]
        mlflow.MlflowClient().restore_run(run_id)
        assert ledger.append("withdrawal", FACTS)
        mlflow.MlflowClient().delete_experiment(log_run(ledger.store).experiment_id)
        with pytest.raises(StoreError, match="restore"):
            Ledger(Store()).append("withdrawal", FACTS)
        assert {f.code for f in ledger.walk().findings} == {"log_deleted"}

    def test_a_lost_registry_id_is_said(self, ledger: Ledger) -> None:
        ledger.append("withdrawal", FACTS)
        mlflow.MlflowClient().set_experiment_tag(log_run(ledger.store).experiment_id, LEDGER, "another")
        with pytest.raises(StoreError, match="registry's id"):
            Ledger(Store()).append("withdrawal", FACTS)
        assert {f.code for f in ledger.walk().findings} == {"entry_of_another_log"}

    @pytest.mark.filterwarnings("ignore::ResourceWarning")  # the probe of a closed port
    def test_a_server_that_is_down_is_an_error_at_once(self) -> None:
        with pytest.raises(StoreError, match="does not answer"):
            Ledger(Store("http://127.0.0.1:9")).append("withdrawal", FACTS)


def write_many(uri: str, home: str, many: int, gate: Any) -> None:
    import os

    os.environ["AIMS_HOME"] = home
    store = Store(uri, uri)
    gate.wait()
    for n in range(many):
        Ledger(store).withdraw("golden", "champion", str(n), actor=f"process {os.getpid()}")


def test_four_processes_at_once_lose_nothing(mlflow_home: str, tmp_path: Path) -> None:
    many = 5
    context = multiprocessing.get_context("forkserver")  # what all of them import is imported once
    context.set_forkserver_preload(["mlflow", "mlflow.store.tracking.sqlalchemy_store", "aims_mlflow.ledger"])
    gate = context.Barrier(4)
    writers = [context.Process(target=write_many, args=(mlflow_home, str(tmp_path / "home"), many, gate)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 4
    ledger = Ledger(Store())
    last = ledger.append("withdrawal", FACTS)
    found = ledger.walk()
    assert len(found.entries) == 4 * many + 1
    assert found.findings == ()
    assert found.heads == (last,)
    by = {one.entry.actor: 0 for one in found.entries}
    for one in found.entries:
        by[one.entry.actor] += 1
    assert sorted(by.values()) == [1, *[many] * 4]


class TestPromotion:
    def test_a_decision_is_in_the_log_before_the_alias_moves(self, world: Any) -> None:
        decision = world.promote()
        (one,) = Ledger(world.store).entries()
        assert (one.entry.kind, one.entry.decision, one.entry.actor) == ("decision", decision, decision.actor)

    def test_denials_are_logged_also_where_no_run_can_keep_them(self, world: Any, promotion: Any) -> None:
        system = promotion.make.system()
        for uri, policy in (("models:/golden/99", system), ("models:/none@x", system), (world.uri, "gone.yaml")):
            with pytest.raises(PromotionBlocked):
                promote(uri, "champion", system=policy, store=world.store)
        mlflow.MlflowClient().delete_run(world.run_id)
        with pytest.raises(PromotionBlocked):
            world.promote()
        found = Ledger(world.store).walk()
        assert kinds(found) == ["denial"] * 4
        assert [one.entry.about[:2] for one in found.entries] == [("golden", "99"), ("none", ""), ("golden", "1"), ("golden", "1")]
        assert [one.entry.decision.decided for one in found.entries if one.entry.decision] == [False, False, False, True]
        assert found.findings == ()

    def test_what_is_taken_back_names_the_decision(self, world: Any, promotion: Any) -> None:
        from dataclasses import replace

        swapping = promotion.Swapping()
        swapping.attack = lambda: promotion.edit_a_file(world)
        with pytest.raises(PromotionBlocked):
            replace(world, store=swapping).promote()
        let, back = Ledger(world.store).entries()
        assert (let.entry.kind, back.entry.kind, back.entry.undoes) == ("decision", "rollback", let.sha256)
        assert world.alias() is None

    def test_an_alias_that_mlflow_refuses_is_taken_back_in_the_log(self, world: Any) -> None:
        with pytest.raises(PromotionBlocked):
            world.promote("latest")
        assert kinds(Ledger(world.store).walk()) == ["decision", "rollback"]

    def test_what_cannot_be_logged_is_not_done(self, world: Any, caplog: pytest.LogCaptureFixture) -> None:
        Ledger(world.store).append("withdrawal", FACTS)
        mlflow.MlflowClient().delete_run(log_run(world.store).run_id)
        with caplog.at_level(logging.WARNING, "aims_mlflow"), pytest.raises(PromotionBlocked, match="log") as blocked:
            world.promote()
        assert [b.code for b in blocked.value.decision.blockers] == ["no_log"]  # type: ignore[attr-defined]  # a GateDecision
        assert "mlflow runs restore" in str(blocked.value.decision.blockers[0].fix)  # type: ignore[attr-defined]  # as above
        assert world.alias() is None
        assert [r.decision.allowed for r in recorded_decisions(world.run_id, world.store) if r.decision] == [True, False]
        assert "could not be written to the log" in caplog.text

    def test_a_denial_that_cannot_be_logged_stands(self, world: Any, promotion: Any, caplog: pytest.LogCaptureFixture) -> None:
        Ledger(world.store).append("withdrawal", FACTS)
        mlflow.MlflowClient().delete_run(log_run(world.store).run_id)
        promotion.edit_a_file(world)
        with caplog.at_level(logging.WARNING, "aims_mlflow"), pytest.raises(PromotionBlocked, match="changed"):
            world.promote()
        assert "could not be written to the log" in caplog.text
        (kept,) = recorded_decisions(world.run_id, world.store)
        assert kept.decision is not None
        assert not kept.decision.allowed

    def test_a_key_that_cannot_be_used_blocks(self, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        new_key(tmp_path / "gate.pem")
        (tmp_path / "gate.pem").chmod(stat.S_IRUSR | stat.S_IRGRP)
        monkeypatch.setenv("AIMS_GATE_KEY", str(tmp_path / "gate.pem"))
        with pytest.raises(PromotionBlocked, match="read by others"):
            world.promote()
        assert world.alias() is None
