"""What a summary remembers: it saves reading and changes nothing, is believed where this machine signed it, and never over a bundle."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.errors import StoreError
from aims_mlflow.promotion import promote
from aims_mlflow.records import looking, summary
from aims_mlflow.records.looking import look
from aims_mlflow.records.memory import PATH, REREAD, Memory, recalled, sealed, until_of
from aims_mlflow.records.publishing import newest_records
from aims_mlflow.records.sources import cited_by
from aims_mlflow.records.summary import make_record, summarise
from aims_mlflow.records.words import SystemRecord
from aims_mlflow.signing import Trust, signing_key
from aims_mlflow.signing.trust import TrustedKey
from aims_mlflow.store import Store, connection

LONG_AGO = datetime.now(UTC) - timedelta(days=9)


class Counting(Store):
    """A real store that counts which bundles it read."""

    def __init__(self) -> None:
        super().__init__()
        self.bundles: list[str] = []

    def read(self, run_id: str, path: str) -> bytes:
        if path == BUNDLE_PATH:
            self.bundles.append(run_id)
        return super().read(run_id, path)


def told(record: SystemRecord) -> dict[str, Any]:
    """What a record says, whenever it was made and however much was read again."""
    content = record.model_dump(mode="json", exclude={"made"})
    for version in content["versions"]:
        del version["read"], version["verification"]  # whose files were hashed again is said as of the last reading
    return content


def tagged(world: Any, system: Any, **given: Any) -> Any:
    """A version with the index tags that a tracked run has."""
    version = world.version(system, **given)
    digest = hashlib.sha256(world.store.read(version.run_id, BUNDLE_PATH)).hexdigest()
    world.store.log(version.run_id, tags={"aims.bundle": digest})
    world.store.tag_version(version, {"aims.bundle": digest})
    return world.store.version(version.uri)


def memory_of(world: Any, system_id: str = "loans") -> Memory:
    found = recalled(world.store, system_id, newest_records(world.store, system_id))
    assert found is not None
    return found


def read_by(system: Any, **given: Any) -> list[str]:
    store = Counting()
    summarise(system, store=store, **given)
    return store.bundles


@pytest.fixture
def versions(world: Any, make: Any) -> list[Any]:
    """Two versions, both summarised."""
    made = [tagged(world, make.system(), started=LONG_AGO + timedelta(days=at)) for at in range(2)]
    summarise(make.system(), store=world.store)
    return made


class TestReading:
    def test_after_one_new_version_one_bundle_is_read_and_the_record_is_whole(self, world: Any, make: Any, versions: list[Any]) -> None:
        assert read_by(make.system()) == [versions[-1].run_id], "the version that the record is about is always read"
        new = tagged(world, make.system(), results=make.results(make.robustness(0.2)))
        assert read_by(make.system(), write=False) == [new.run_id]
        remembered, fresh = (summarise(make.system(), store=world.store, write=False, fresh=f) for f in (False, True))
        assert told(remembered) == told(fresh)
        assert len(remembered.versions) == 3
        assert all(v.read is not None and v.read < remembered.made for v in remembered.versions if not v.counted)
        assert {v.read for v in fresh.versions} == {fresh.made}
        noise = next(e for e in remembered.risks.entries if "disturbed" in e.event)
        assert [h.likelihood for h in noise.history] == ["L1", "L1"]

    def test_what_has_changed_is_read_again(self, world: Any, make: Any, versions: list[Any]) -> None:
        every = sorted(v.run_id for v in versions)
        assert sorted(read_by(make.system(), fresh=True, write=False)) == every
        assert sorted(read_by(make.system(), today=make.today, write=False)) == every, "for another day nothing is remembered"
        assert sorted(read_by(make.system(gate={"max_age_days": 31}), write=False)) == every, "another system file judges anew"
        world.store.tag_version(versions[0], {"aims.bundle": "f" * 64})
        assert sorted(read_by(make.system(), write=False)) == every, "its index says something else"
        world.store.tag_version(world.store.version(versions[0].uri), {"aims.bundle": versions[0].tags["aims.bundle"]})
        assert read_by(make.system(), write=False) == [versions[-1].run_id]
        mlflow.MlflowClient().delete_run(versions[0].run_id)
        assert sorted(read_by(make.system(), write=False)) == every, "its run is deleted"

    def test_a_promotion_of_an_older_version_is_noticed(self, world: Any, make: Any, versions: list[Any]) -> None:
        system = make.system(gate={"controls": ["A.7.6"], "protects": ["challenger"]})
        summarise(system, store=world.store)
        promote(versions[0].uri, "shadow", system=system, store=world.store)
        record = summarise(system, store=world.store, write=False)
        assert next(v for v in record.versions if v.uri == versions[0].uri).decisions[-1].alias == "shadow"

    def test_a_date_that_passes_judges_again(self, world: Any, make: Any) -> None:
        waiver = {"control": "A.6.2.4", "reason": "r", "approved_by": "b", "on": "2026-01-01", "expires": str(make.today)}
        said = make.declared(make.system(waivers=[waiver]))
        older, newest = (tagged(world, said.system, results=make.results(make.robustness(0.2))) for _ in range(2))
        now = datetime.now(UTC)
        memory = look(world.store, said, now).memory

        def line(at: datetime) -> str:
            read = look(world.store, said, at, memory).read
            part = next(p for p in read.parts if p.version.uri == older.uri)
            return next(str(x.state) for x in part.version.lines if x.control == "A.6.2.4")

        assert (line(now), line(now + timedelta(days=2))) == ("waived", "fail")
        assert newest.uri != older.uri


class TestBelieving:
    def harm(self, world: Any, version: Any) -> None:
        """Damage a bundle without touching any index."""
        path = world.artifact(version.run_id, BUNDLE_PATH)
        path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"AA', 1))

    def test_the_version_at_hand_is_read_and_an_older_one_after_a_week(self, world: Any, make: Any, versions: list[Any]) -> None:
        memory, said, now = memory_of(world), make.declared(), datetime.now(UTC)

        def broken(remembered: Memory | None) -> set[str]:
            return {p.version.uri for p in look(world.store, said, now, remembered).read.parts if p.broken}

        self.harm(world, versions[-1])
        assert broken(memory) == {versions[-1].uri}, "the version that the record is about is never taken from memory"
        self.harm(world, versions[0])
        assert broken(memory) == {versions[-1].uri}, "the record says when the older one was read and verified"
        aged = memory.model_copy(update={"whole": memory.whole - REREAD})
        assert broken(aged) == broken(None) == {v.uri for v in versions}

    def test_a_memory_that_is_not_ours_is_not_used(
        self, world: Any, make: Any, versions: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (run_id,) = newest_records(world.store, "loans")
        artifact, memory = world.artifact(run_id, PATH), memory_of(world)
        ours, lie = artifact.read_bytes(), memory.model_copy(update={"runs": ()})
        home = os.environ["AIMS_HOME"]
        monkeypatch.setenv("AIMS_HOME", str(tmp_path / "stranger"))
        strangers = sealed(lie) or b""
        monkeypatch.setenv("AIMS_HOME", home)
        others = sealed(lie.model_copy(update={"system_id": "other"})) or b""
        for content in (strangers, others, b"{}", b"", ours[:-20] + b"0" + ours[-19:]):
            artifact.write_bytes(content)
            assert recalled(world.store, "loans", [run_id]) is None
        store = Counting()
        record = summarise(make.system(), store=store, write=False)
        assert (record.runs.runs, sorted(store.bundles)) == (2, sorted(v.run_id for v in versions))
        artifact.write_bytes(ours)
        assert recalled(world.store, "loans", [run_id]) == memory

    def test_without_a_key_the_record_is_written_and_the_next_one_reads_all(
        self, world: Any, make: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        run_id = world.version(make.system()).run_id
        monkeypatch.setenv("AIMS_SIGNING_KEY", "/nowhere/key.pem")
        summarise(make.system(), store=world.store)
        assert "cannot be kept for the next one" in caplog.text
        (record_run,) = newest_records(world.store, "loans")
        with pytest.raises(StoreError):
            world.store.read(record_run, PATH)
        monkeypatch.delenv("AIMS_SIGNING_KEY")
        assert read_by(make.system(), write=False) == [run_id]


class TestCounting:
    @pytest.fixture
    def attempts(self, world: Any, make: Any) -> Callable[[], tuple[int, ...]]:
        """Counts the runs as one summary after the other does."""
        remembered: list[Memory | None] = [None]

        def counted() -> tuple[int, ...]:
            looked = look(world.store, make.declared(), datetime.now(UTC), remembered[0])
            remembered[0] = Memory.model_validate_json(looked.memory.model_dump_json())
            assert remembered[0] == looked.memory
            runs = looked.read.runs
            return runs.runs, runs.finished, runs.failed, runs.running, runs.deleted, runs.gone

        return counted

    def test_runs_that_come_end_are_deleted_and_restored_are_noticed(self, world: Any, attempts: Any) -> None:
        store, client = world.store, mlflow.MlflowClient()
        one = store.create_run("tests", "a", {"aims.system": "loans"})
        assert attempts() == (1, 0, 0, 1, 0, 0)
        store.end_run(one, "FAILED")
        two = store.create_run("tests", "b", {"aims.system": "loans"})
        assert attempts() == (2, 0, 1, 1, 0, 0)
        store.end_run(two)
        client.delete_run(one)
        assert attempts() == (2, 1, 1, 0, 1, 0)
        client.restore_run(one)
        assert attempts() == (2, 1, 1, 0, 0, 0)

    def test_a_clock_that_lags_within_a_day_drops_no_run(self, attempts: Any) -> None:
        assert attempts()[0] == 0
        client = mlflow.MlflowClient()
        hours_ago = int((datetime.now(UTC) - timedelta(hours=20)).timestamp() * 1000)
        experiment = client.get_experiment_by_name("tests").experiment_id
        client.create_run(experiment, start_time=hours_ago, tags={"aims.system": "loans"})
        assert attempts()[0] == 1

    def test_a_long_run_that_ends_is_noticed(self, attempts: Any) -> None:
        client = mlflow.MlflowClient()
        days_ago = int((datetime.now(UTC) - timedelta(days=6)).timestamp() * 1000)
        run = client.create_run(client.get_experiment_by_name("tests").experiment_id, start_time=days_ago, tags={"aims.system": "loans"})
        assert attempts()[:4] == (1, 0, 0, 1)
        client.set_terminated(run.info.run_id, "FINISHED")
        assert attempts()[:4] == (1, 1, 0, 0)

    def test_a_run_that_is_gone_for_good_leaves_a_gap(self, world: Any, make: Any) -> None:
        run_id = world.store.create_run("tests", "a", {"aims.system": "loans"})
        world.store.end_run(run_id, "FAILED")
        memory = look(world.store, make.declared(), datetime.now(UTC)).memory
        with sqlite3.connect(world.folder / "mlflow.db") as database:
            for table in ("tags", "runs"):
                database.execute(f"delete from {table} where run_uuid = ?", (run_id,))  # noqa: S608 - our own names
        database.close()
        aged = memory.model_copy(update={"whole": memory.whole - REREAD})
        looked = look(world.store, make.declared(), datetime.now(UTC), aged)
        assert (looked.read.runs.runs, looked.read.runs.gone) == (0, 1)
        assert "1 more that an earlier record counted and that cannot be found any more" in looked.read.runs.sentence
        again = look(world.store, make.declared(), datetime.now(UTC), looked.memory)
        assert again.read.runs.gone == 1, "and it is not forgotten"

    def test_no_paging_limit_drops_a_run(self, world: Any, attempts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "PAGE", 2)
        for at in range(5):
            run_id = world.store.create_run("tests", f"{at}", {"aims.system": "loans"})
            world.store.end_run(run_id, "FAILED" if at % 2 else "FINISHED")
        mlflow.MlflowClient().delete_run(run_id)
        assert attempts() == (5, 3, 2, 0, 1, 0)
        for at in range(3):
            world.store.create_run("tests", f"more {at}", {"aims.system": "loans"})
        assert attempts() == (8, 3, 2, 3, 1, 0)


class TestTriedRuns:
    def test_runs_with_evidence_and_without_a_version_give_values_and_no_versions(self, world: Any, make: Any) -> None:
        system = make.system()
        run_id = world.run(system, make.results(make.robustness(0.2)), register=False, started=datetime.now(UTC) - timedelta(days=2))
        world.store.log(run_id, tags={"aims.bundle": "index"})
        version = tagged(world, system)
        record = summarise(system, store=world.store)
        assert [v.uri for v in record.versions] == [version.uri]
        (series,) = [s for o in record.objectives if o.objective == "C.2.8" for s in o.series if s.metric == "accuracy_drop"]
        assert [(p.version, p.value) for p in series.points] == [(f"runs:/{run_id}", 0.2), (version.uri, 0.01)]
        cited = {i for p in series.points for i in p.evidence_ids}
        assert cited <= {s.id for s in record.sources}
        assert read_by(system, write=False) == [version.run_id]


def test_what_is_judged_holds_until_the_next_date_that_matters(make: Any, seen: Any) -> None:
    version = seen(make.system())
    said = make.declared()
    finished = version.bundle.run.finished
    assert until_of(said, version) == finished + timedelta(days=30)
    waiver = {"control": "A.2.2", "reason": "r", "approved_by": "a", "on": "2026-01-01", "expires": str(make.today + timedelta(days=3))}
    soon = make.declared(make.system(waivers=[waiver]))
    midnight = datetime.combine(make.today + timedelta(days=4), datetime.min.time(), tzinfo=UTC)
    assert until_of(soon, version) == midnight
    nothing = replace(version, bundle=None)
    assert until_of(make.declared(make.system(attestations=[])), nothing) is None


def test_of_many_versions_the_older_are_kept_without_their_lines(world: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (looking, summary):
        monkeypatch.setattr(room, "DETAILED", 1)
    for at in range(3):
        tagged(world, make.system(), started=LONG_AGO + timedelta(days=at))
    first = summarise(make.system(), store=world.store)
    assert [len(v.lines) for v in first.versions] == [38, 0, 0]
    memory = memory_of(world)
    assert [len(k.part.version.lines) for k in memory.parts] == [38, 0, 0]
    for kept in memory.parts:
        assert set(cited_by(kept.part)) <= {s.id for s in kept.part.sources}
    remembered, fresh = (summarise(make.system(), store=world.store, write=False, fresh=f) for f in (False, True))
    assert set(cited_by(fresh)) <= {s.id for s in fresh.sources}
    assert told(remembered) == told(fresh)
    assert len(next(s for o in fresh.objectives for s in o.series).points) == 3
    monkeypatch.setattr(looking, "DETAILED", 2)
    monkeypatch.setattr(summary, "DETAILED", 2)
    assert [len(v.lines) for v in summarise(make.system(), store=world.store, write=False).versions] == [38, 38, 0]


@pytest.mark.parametrize("role", ["evidence", "decision"])
def test_whose_keys_count_is_what_the_list_of_keys_says(world: Any, make: Any, role: str) -> None:
    version = world.version(make.system())
    key = signing_key()
    trust = Trust(keys=(TrustedKey(id=key.id, name="this desk", public=key.public, roles=(role,), since=date(2020, 1, 1)),))
    said = replace(make.declared(), trust=trust)
    seen = look(world.store, said, datetime.now(UTC)).read.counted
    assert seen is not None
    assert (seen.bundle is not None) == (role == "evidence")
    if role == "decision":
        record = make_record(look(world.store, said, datetime.now(UTC)).read)
        assert record.open_items[0].weight == "broken"
        assert version.uri in record.open_items[0].what
        integrity = next(e for e in record.risks.entries if "C.2.10" in e.objective)
        assert integrity.likelihood.p is None, "a stranger's word is not a change that was seen"
