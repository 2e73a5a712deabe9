"""``aims audit --memory``: runs that are settled are not read again, and the findings are those of an audit that reads everything."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from click.testing import CliRunner

from aims_mlflow.auditing import audit
from aims_mlflow.auditing.runs import left_by, trimmed
from aims_mlflow.auditing.words import Audit
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.cli import main
from aims_mlflow.errors import ConfigurationError, PromotionBlocked
from aims_mlflow.ledger import FOLDER, Facts, Ledger, entry_path, walk
from aims_mlflow.signing import Trust, seal_bundle
from aims_mlflow.store import Store
from aims_mlflow.store.connection import Connection
from tests.golden import make
from tests.promotion import test_moving as promotion

DAY = 24 * 3600 * 1000


@pytest.fixture
def world(mlflow_home: str, tmp_path: Path) -> Any:
    """A promoted version, and eight runs of a week ago."""
    (tmp_path / "aims.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(make.SYSTEM))))
    made = promotion.trained(Store())
    made.promote()
    made.old = [run(made) for _ in range(7)] + [run(made, status="FAILED")]
    with sqlite3.connect(mlflow_home.removeprefix("sqlite:///")) as database:
        database.execute("update runs set start_time = start_time - ?, end_time = end_time - ?", (7 * DAY, 7 * DAY))
    database.close()
    return made


def run(world: Any, *, earlier: tuple[str, ...] = (), status: str = "FINISHED", evidence: bool = True) -> str:
    """Make one more run of the system, with evidence and without a model."""
    run_id = str(world.store.create_run("tests", "training", {"aims.system": "golden"}))
    facts = world.bundle.run.model_copy(update={"run_id": run_id, "earlier": earlier})
    if evidence:
        world.store.write(run_id, BUNDLE_PATH, seal_bundle(world.bundle.model_copy(update={"run": facts})))
    world.store.end_run(run_id, status)
    return run_id


def told(found: Audit) -> list[tuple[str, str]]:
    return sorted((f.code, f.where) for f in found.findings)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "runs.json"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the runs whose artifacts are listed, and each call to MLflow as "-"."""
    seen: list[str] = []
    call, folders = Connection._call, Store.folders

    def counted(self: Connection, what: str, do: Callable[[], Any], **how: bool) -> Any:
        seen.append("-")
        return call(self, what, do, **how)

    def listed(self: Store, runs: Any, folder: str) -> Any:
        every = list(runs)
        seen.extend(one.run_id for one in every)
        return folders(self, every, folder)

    monkeypatch.setattr(Connection, "_call", counted)
    monkeypatch.setattr(Store, "folders", listed)
    return seen


def purge(uri: str, run_id: str) -> None:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
            database.execute(f"delete from {table} where run_uuid = ?", (run_id,))  # noqa: S608 - the tables' names are our own
    database.close()


def bundle_file(run_id: str) -> Path:
    return Path(str(mlflow.MlflowClient().get_run(run_id).info.artifact_uri).removeprefix("file://")) / BUNDLE_PATH


class TestCost:
    def test_settled_runs_are_not_read_again(self, world: Any, memory: Path, read: list[str]) -> None:
        first = audit(memory=memory)
        assert set(world.old) <= set(read)
        whole = read.count("-")
        new = run(world)
        read.clear()
        second = audit(memory=memory)
        assert {one for one in read if one != "-"} == {new, world.run_id}  # that one has a decision
        assert read.count("-") < whole
        assert (first.runs, second.runs) == (9, 10)
        assert [c for c, _ in told(first)] == [c for c, _ in told(second)] == ["run_failed"]
        assert "8 runs" in second.notes[-1]

    def test_the_calls_do_not_grow_with_the_settled_runs(self, world: Any, memory: Path, read: list[str], mlflow_home: str) -> None:
        counted = []
        for _ in range(2):
            audit(memory=memory)
            read.clear()
            audit(memory=memory)
            counted.append(read.count("-"))
            for _ in range(8):
                run(world)
            with sqlite3.connect(mlflow_home.removeprefix("sqlite:///")) as database:
                database.execute("update runs set start_time = start_time - ?, end_time = end_time - ?", (2 * DAY, 2 * DAY))
            database.close()
            memory.unlink()
        assert counted[0] == counted[1]

    def test_attempts_are_counted_over_all_runs(self, world: Any, memory: Path) -> None:
        audit(memory=memory)
        second = promotion.trained(world.store)
        assert audit(memory=memory).attempts == audit().attempts
        assert second.run_id in {one.run_id for one in audit(memory=memory).attempts}


def delete(world: Any, uri: str) -> None:
    assert uri
    mlflow.MlflowClient().delete_run(world.old[0])


def remove_for_good(world: Any, uri: str) -> None:
    purge(uri, world.old[0])
    run(world, earlier=(world.old[0], world.old[1]))


def untag(world: Any, uri: str) -> None:
    assert uri
    mlflow.MlflowClient().delete_tag(world.old[0], "aims.system")
    run(world, earlier=(world.old[0], world.old[1]))


def end_without_evidence(world: Any, uri: str) -> None:
    assert uri
    run(world, evidence=False)


def take_the_decision_away(world: Any, uri: str) -> None:
    assert uri
    for path in (bundle_file(world.run_id).parent / "decisions").iterdir():
        path.unlink()


class TestFindings:
    @pytest.mark.parametrize(
        ("do", "code"),
        [
            (delete, "run_deleted"),
            (remove_for_good, "run_gone"),
            (untag, "run_untagged"),
            (end_without_evidence, "no_bundle"),
            (take_the_decision_away, "decision_gone"),
        ],
        ids=["deleted", "gone", "untagged", "no-evidence", "decision-gone"],
    )
    def test_what_happens_later_is_found_as_by_one_that_reads_everything(
        self, world: Any, memory: Path, mlflow_home: str, do: Callable[[Any, str], None], code: str
    ) -> None:
        audit(memory=memory)
        do(world, mlflow_home)
        found = audit(memory=memory)
        assert code in {c for c, _ in told(found)}
        assert told(found) == told(audit())
        assert told(audit(memory=memory)) == told(found)  # and it stays found

    def test_evidence_that_is_changed_is_found_after_a_week(self, world: Any, memory: Path) -> None:
        began = datetime.now(UTC)
        audit(memory=memory, now=began)
        place = bundle_file(world.old[0])
        place.write_bytes(place.read_bytes().replace(b'"sig":"', b'"sig":"A'))
        assert "bundle_bad" not in {c for c, _ in told(audit(memory=memory, now=began + timedelta(days=6)))}
        later = audit(memory=memory, now=began + timedelta(days=7))
        assert "bundle_bad" in {c for c, _ in told(later)}
        assert not any("not read again" in note for note in later.notes)

    def test_a_restored_run_is_read_again(self, world: Any, memory: Path) -> None:
        delete(world, "-")
        audit(memory=memory)
        mlflow.MlflowClient().restore_run(world.old[0])
        assert told(audit(memory=memory)) == told(audit())


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the log's entries that are fetched."""
    seen: list[str] = []
    really = Store.fetched

    def counted(self: Store, wanted: Any) -> Any:
        every = list(wanted)
        seen.extend(path for _, path in every if path.startswith(FOLDER))
        return really(self, every)

    monkeypatch.setattr(Store, "fetched", counted)
    return seen


@pytest.fixture
def log(world: Any) -> dict[str, Path]:
    """The log's entries as files, by kind and version: three versions were let through, one after the other, and a fourth was not."""
    for _ in range(2):
        promotion.trained(world.store).promote()
    with pytest.raises(PromotionBlocked):
        promotion.trained(world.store, complete=False).promote()
    found = walk(world.store)
    (run_id,) = found.run_ids
    root = Path(world.store.run(run_id).artifact_uri.removeprefix("file://"))
    return {f"{one.entry.kind} {one.entry.about[1]}": root / entry_path(one.sha256) for one in found.entries}


def flipped(path: Path) -> None:
    """Change a file without changing its size."""
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def names(paths: Any) -> set[str]:
    return {Path(path).name for path in paths}


class TestTheLog:
    def test_entries_are_read_once_but_for_what_is_protected_now(self, log: dict[str, Path], memory: Path, fetched: list[str]) -> None:
        assert set(log) == {"decision 1", "decision 2", "decision 3", "denial 4"}
        first = audit(memory=memory)
        assert names(fetched) == names(log.values())
        fetched.clear()
        second = audit(memory=memory)
        assert names(fetched) == {log["decision 3"].name}
        assert (told(first), first.entries, first.waivers) == (told(second), second.entries, second.waivers)
        assert "nor were 3 entries of the log" in second.notes[-1]

    def test_an_entry_that_is_new_is_read(self, world: Any, log: dict[str, Path], memory: Path, fetched: list[str]) -> None:
        audit(memory=memory)
        fetched.clear()
        new = Ledger(world.store).append("waiver", Facts(reason="because"), actor="tester")
        assert audit(memory=memory).heads == (new,)
        assert names(fetched) == {log["decision 3"].name, f"{new}.dsse.json"}

    def test_one_that_is_gone_is_found(self, log: dict[str, Path], memory: Path) -> None:
        audit(memory=memory)
        log["decision 2"].unlink()
        found = audit(memory=memory)
        assert {"parent_missing", "decision_unlogged"} <= {code for code, _ in told(found)}
        assert told(found) == told(audit())

    def test_one_of_another_size_is_found(self, log: dict[str, Path], memory: Path) -> None:
        audit(memory=memory)
        with log["decision 2"].open("ab") as file:
            file.write(b" ")
        found = audit(memory=memory)
        assert "entry_altered" in {code for code, _ in told(found)}
        assert told(found) == told(audit()) == told(audit(memory=memory))

    def test_one_that_something_rests_on_is_found_whatever_its_size(self, log: dict[str, Path], memory: Path) -> None:
        audit(memory=memory)
        flipped(log["decision 3"])
        found = audit(memory=memory)
        assert {"entry_altered", "bypass"} <= {code for code, _ in told(found)}
        assert told(found) == told(audit())

    def test_another_one_as_large_as_it_was_is_found_after_a_week(self, log: dict[str, Path], memory: Path) -> None:
        began = datetime.now(UTC)
        audit(memory=memory, now=began)
        flipped(log["decision 2"])
        assert "entry_altered" not in {code for code, _ in told(audit(memory=memory, now=began + timedelta(days=6)))}
        assert "entry_altered" in {code for code, _ in told(audit(memory=memory, now=began + timedelta(days=7)))}

    def test_a_run_that_was_decided_on_is_read_once_if_nothing_rests_on_it(
        self, world: Any, log: dict[str, Path], memory: Path, read: list[str]
    ) -> None:
        audit(memory=memory)
        read.clear()
        audit(memory=memory)
        assert len(log) == 4
        assert world.run_id not in read  # its version has been replaced
        decided = json.loads(memory.read_text())
        assert world.run_id in {one["run_id"] for one in decided["settled"]}

    def test_what_people_read_of_a_decision_is_not_remembered(self, log: dict[str, Path], memory: Path) -> None:
        audit(memory=memory)
        kept = json.loads(memory.read_text())["entries"]
        assert len(kept) == len(log)
        assert all(one["entry"]["decision"]["lines"] == [] for one in kept)
        assert all(len(json.dumps(one)) < log_file.stat().st_size / 3 for one, log_file in zip(kept, log.values(), strict=True))

    def test_a_folder_that_holds_itself_has_an_end(self, log: dict[str, Path], memory: Path) -> None:
        for name in ("once", "more"):
            (log["decision 1"].parents[1] / name).symlink_to(log["decision 1"].parents[1])
        found = audit(memory=memory)
        assert found.entries == len(log)
        assert "not_an_entry" in {code for code, _ in told(found)}

    def test_all_of_it_is_copied_out(self, log: dict[str, Path], memory: Path, tmp_path: Path) -> None:
        for _ in range(2):
            audit(memory=memory, export_to=tmp_path / "copy")
        there = {path.name: path.read_bytes() for path in (tmp_path / "copy" / FOLDER).rglob("*.json")}
        assert there == {path.name: path.read_bytes() for path in log.values()}


class TestFile:
    def test_by_the_command(self, world: Any, memory: Path) -> None:
        assert world
        for _ in range(2):
            said = CliRunner().invoke(main, ["audit", "--memory", str(memory)])
            assert said.exit_code == 0, said.output
        assert "were not read again" in " ".join(said.output.split())

    def test_one_of_another_store_or_other_keys_is_not_used(self, world: Any, memory: Path) -> None:
        audit(memory=memory)
        assert world
        content = json.loads(memory.read_text())
        for field in ("store", "by"):
            memory.write_text(json.dumps(content | {field: "0" * 64}))
            assert not any("not read again" in note for note in audit(memory=memory).notes)

    def test_a_file_that_is_none_is_refused(self, world: Any, memory: Path) -> None:
        assert world
        memory.parent.mkdir()
        memory.write_text('{"format": "aims-heads-v1"}')
        with pytest.raises(ConfigurationError, match="memory of an audit"):
            audit(memory=memory)
        assert memory.read_text() == '{"format": "aims-heads-v1"}'

    def test_with_names_it_is_refused(self, world: Any, memory: Path) -> None:
        assert world
        with pytest.raises(ConfigurationError, match="whole registry"):
            audit(["golden"], memory=memory)
        assert not memory.exists()


def test_no_more_of_a_run_is_held_than_is_looked_at(world: Any) -> None:
    runs = trimmed(world.store.system_runs("golden"))
    left = left_by(world.store, runs, Trust())
    old = [run for run in runs if run.run_id in world.old]
    assert len(old) == 8
    for run in old:
        assert len(pickle.dumps((run, left[run.run_id]))) < 1_500
        assert len(world.store.read(run.run_id, BUNDLE_PATH)) > 5_000
