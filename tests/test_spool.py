"""The local spool: whole or not at all, checked on reading, sent once however often it is tried."""

# ruff: noqa: ARG002 - the functions under test take arguments for their names

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow import sending, spool
from aims_mlflow.bundle import BUNDLE_PATH, Bundle, RunSummary
from aims_mlflow.errors import SpoolError, SpoolFullError, StoreError
from aims_mlflow.evidence import CheckResult, Evidence, Measure, State
from aims_mlflow.signing import new_key, open_bundle, seal_bundle
from aims_mlflow.store import InputView, Store
from aims_mlflow.store.views import without_password

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def bundle(run_id: str) -> Bundle:
    result = CheckResult(check="lineage", measures=(Measure.counted("broken_links", 0),), facts={"edges": [["data", run_id, "trained on"]]})
    evidence = Evidence(
        check="lineage",
        requirement="lineage.broken_links",
        kind="standing",
        controls=("A.7.5",),
        results=(result.id,),
        state=State.PASS,
        reason=f"0 in {run_id}",
        run_id=run_id,
        time=NOW,
        collector="test",
    )
    return Bundle(
        collector="test",
        system_id="credit-scoring",
        policy_sha256="0" * 64,
        run=RunSummary(run_id=run_id, started=NOW, finished=NOW, outcome="finished"),
        model=None,
        datasets=(),
        requirements=(),
        results=(result,),
        evidence=(evidence,),
        complete=True,
    )


def parcel(run_id: str = "", server: str = "", **changes: Any) -> spool.Parcel:
    content = {
        "run_id": run_id,
        "server": server,
        "files": {BUNDLE_PATH: seal_bundle(bundle(run_id or "offline-1")), "aims/model_card.md": b"# Card\n"},
        "tags": {"aims.system": "credit-scoring", "aims.state": "pass"},
        "metrics": {"aims.lineage.broken_links": 0.0},
        "inputs": (InputView("train", "train", "a" * 64, "in memory", 3, {"x": "int64"}),),
        "local_id": "" if run_id else "offline-1",
        "status": "FINISHED",
    }
    return spool.Parcel(**{**content, **changes})


@pytest.fixture
def store(mlflow_home: str) -> Store:
    return Store()


def made_run(store: Store) -> str:
    return store.create_run(None, None, {"aims.system": "credit-scoring"})


def test_what_was_put_is_read_back() -> None:
    given = parcel("run-1")
    entry = spool.put(given)
    assert [e.id for e in spool.pending()] == [entry.id]
    assert entry.read() == given
    assert entry.id == hashlib.sha256((entry.folder / spool.PARCEL).read_bytes()).hexdigest()


def test_putting_twice_is_one_parcel() -> None:
    given = parcel("run-1")
    assert spool.put(given) == spool.put(given)
    assert len(spool.pending()) == 1


def test_the_bundle_is_listed_last() -> None:
    entry = spool.put(parcel("run-1"))
    listed = [path for path, _ in json.loads((entry.folder / spool.PARCEL).read_text())["files"]]
    assert listed == ["aims/model_card.md", BUNDLE_PATH]


def test_nobody_else_may_read_it() -> None:
    entry = spool.put(parcel("run-1"))
    assert entry.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in entry.folder.iterdir())


def drop_a_file(folder: Path) -> None:
    next(path for path in folder.iterdir() if path.name != spool.PARCEL).unlink()


def change_a_file(folder: Path) -> None:
    next(path for path in folder.iterdir() if path.name != spool.PARCEL).write_bytes(b"other")


def change_the_list(folder: Path) -> None:
    path = folder / spool.PARCEL
    path.write_text(path.read_text().replace('"aims.state":"pass"', '"aims.state":"PASS"'))


@pytest.mark.parametrize("harm", [drop_a_file, change_a_file, change_the_list])
def test_a_changed_parcel_is_not_sent(harm: Callable[[Path], None], store: Store) -> None:
    run_id = made_run(store)
    entry = spool.put(parcel(run_id, without_password(store.tracking_uri)))
    harm(entry.folder)
    with pytest.raises(SpoolError, match="Fix: "):
        entry.read()
    sent = sending.replay(store)
    assert [bool(s.problem) for s in sent] == [True]
    assert "aims.state" not in store.run(run_id).tags
    assert len(spool.pending()) == 1


def test_a_half_written_parcel_is_not_seen() -> None:
    draft = spool.folder() / ".draft-0"
    draft.mkdir(parents=True)
    (draft / spool.PARCEL).write_text("{")
    assert spool.pending() == []


def test_a_disk_that_refuses_is_an_error_that_names_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = parcel("run-1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AIMS_HOME", str(tmp_path / "file"))
    with pytest.raises(SpoolError, match="AIMS_HOME"):
        spool.put(given)


def test_everything_arrives_and_the_parcel_goes(store: Store) -> None:
    run_id = made_run(store)
    given = parcel(run_id, without_password(store.tracking_uri))
    spool.put(given)
    assert [(s.run_id, s.problem) for s in sending.replay(store)] == [(run_id, "")]
    run = store.run(run_id)
    assert store.read(run_id, BUNDLE_PATH) == given.files[BUNDLE_PATH]
    assert store.read(run_id, "aims/model_card.md") == b"# Card\n"
    assert run.tags["aims.bundle"] == hashlib.sha256(given.files[BUNDLE_PATH]).hexdigest()
    assert run.metrics["aims.lineage.broken_links"] == 0
    assert [(i["aims.sha256"], i["mlflow.data.context"]) for i in run.dataset_inputs] == [("a" * 64, "train")]
    assert run.status == "FINISHED"
    assert spool.pending() == []


def test_sending_twice_changes_nothing(store: Store) -> None:
    run_id = made_run(store)
    given = parcel(run_id, without_password(store.tracking_uri))
    sending.send(None, given, store)
    first = store.run(run_id)
    spool.put(given)
    sending.replay(store)
    second = store.run(run_id)
    assert (first.tags, first.metrics, first.dataset_inputs, first.finished) == (
        second.tags,
        second.metrics,
        second.dataset_inputs,
        second.finished,
    )
    assert len(list(store.system_runs("credit-scoring"))) == 1


def test_a_server_that_is_down_keeps_the_parcel() -> None:
    spool.put(parcel())
    sent = sending.replay(Store("http://127.0.0.1:9"))
    assert "does not answer" in sent[0].problem
    assert len(spool.pending()) == 1


def test_a_parcel_of_another_server_waits_for_it(store: Store) -> None:
    spool.put(parcel("run-1", "http://elsewhere:5000"))
    assert "http://elsewhere:5000" in sending.replay(store)[0].problem
    assert len(spool.pending()) == 1


def test_evidence_without_a_run_gets_one_and_the_bundle_names_it(store: Store) -> None:
    spool.put(parcel(server="http://127.0.0.1:9"))
    run_id = sending.replay(store)[0].run_id
    made, verified = open_bundle(store.read(run_id, BUNDLE_PATH))
    assert made.run.run_id == run_id
    assert {e.run_id for e in made.evidence} == {run_id}
    assert made.results[0].facts["edges"] == [["data", run_id, "trained on"]]
    assert made.evidence[0].results == (made.results[0].id,)
    assert "offline-1" not in made.model_dump_json()
    assert store.run(run_id).tags["aims.bundle"] == verified.sha256
    assert store.run(run_id).status == "FINISHED"


def test_a_second_try_makes_no_second_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.put(parcel())

    class FullDisk(Store):
        def write(self, run_id: str, path: str, content: bytes) -> None:
            raise StoreError("the artifact store is full")

    assert "full" in sending.replay(FullDisk())[0].problem
    (spool.pending()[0].folder / spool.ASSIGNED).unlink()  # as if the process had died before it wrote the id down
    assert sending.replay(store)[0].problem == ""
    assert len(list(store.system_runs("credit-scoring"))) == 1


def test_a_bundle_signed_with_another_key_is_not_signed_again(store: Store, tmp_path: Path) -> None:
    envelope = seal_bundle(bundle("offline-1"), new_key(tmp_path / "other"))
    spool.put(parcel(files={BUNDLE_PATH: envelope}))
    run_id = sending.replay(store)[0].run_id
    assert store.read(run_id, BUNDLE_PATH) == envelope


def test_passwords_are_not_kept() -> None:
    entry = spool.put(parcel("run-1", without_password("postgresql://me:secret@host/db")))
    assert b"secret" not in (entry.folder / spool.PARCEL).read_bytes()


def other(number: int) -> spool.Parcel:
    """Return a parcel of about 10,000 bytes."""
    return spool.Parcel(run_id=f"run-{number}", server="", files={"aims/model_card.md": bytes([number]) * 10_000})


class TestLimits:
    def test_what_has_not_arrived_is_never_deleted_to_make_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SPOOL_BYTES", "25000")
        first, second = spool.put(other(1)), spool.put(other(2))
        os.utime(first.folder, (1e9, 1e9))
        with pytest.raises(SpoolFullError, match="aims sync"):
            spool.put(other(3))
        assert {e.id for e in spool.pending()} == {first.id, second.id}
        assert first.read() == other(1)
        assert spool.put(other(2)) == second  # what is there already needs no room
        assert list(spool.folder().glob(".*")) == []

    def test_when_some_has_arrived_there_is_room(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SPOOL_BYTES", "25000")
        for number in (1, 2):
            spool.put(replace(other(number), run_id=made_run(store)))
        with pytest.raises(SpoolFullError):
            spool.put(other(3))
        sending.replay(store)
        assert spool.put(other(3)).read() == other(3)

    def test_what_has_arrived_goes_first_the_oldest_before_others_and_no_more_than_is_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SPOOL_BYTES", "25000")
        now = time.time()
        for name, age in ((".gone-new", 1.0), (".gone-old", 3600.0), (".draft-live", 3600.0)):
            (spool.folder() / name).mkdir(parents=True)
            (spool.folder() / name / "file").write_bytes(b"x" * 7_000)
            os.utime(spool.folder() / name, (now - age, now - age))
        spool.put(other(1))
        assert {p.name for p in spool.folder().glob(".*")} == {".gone-new", ".draft-live"}
        with pytest.raises(SpoolFullError):
            spool.put(other(2))
        assert {p.name for p in spool.folder().glob(".*")} == {".draft-live"}  # somebody may be writing it
        os.utime(spool.folder() / ".draft-live", (now - 2 * 86_400, now - 2 * 86_400))
        spool.put(other(2))
        assert list(spool.folder().glob(".*")) == []

    @pytest.mark.parametrize(("days", "left"), [("0.5", 0), ("3", 1)])
    def test_what_has_arrived_goes_after_some_days_in_any_case(self, days: str, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SPOOL_DAYS", days)
        gone = spool.folder() / ".gone-1"
        gone.mkdir(parents=True)
        os.utime(gone, (time.time() - 2 * 86_400,) * 2)
        kept = spool.put(other(1))
        os.utime(kept.folder, (1e9, 1e9))
        spool.put(other(2))
        assert len(list(spool.folder().glob(".*"))) == left
        assert len(spool.pending()) == 2  # age alone deletes nothing that has not arrived

    @pytest.mark.parametrize("setting", ["", "much", "-1", "0", "nan", "inf"])
    def test_a_limit_that_is_no_number_costs_no_evidence(self, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_SPOOL_BYTES", setting)
        spool.put(other(1))
        assert len(spool.pending()) == 1


def refuse(monkeypatch: pytest.MonkeyPatch, number: int, call: str) -> None:
    """Let a call to the system be refused; what is only read can still be opened."""
    real = getattr(os, call)

    def refused(*args: Any, **more: Any) -> Any:
        if call == "open" and not args[1] & os.O_CREAT:
            return real(*args, **more)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refused)


@pytest.mark.parametrize("call", ["open", "fsync", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO], ids=errno.errorcode.__getitem__)
def test_a_disk_that_refuses_leaves_nothing_half_written(number: int, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = spool.put(other(1))
    with monkeypatch.context() as harm:
        refuse(harm, number, call)
        with pytest.raises(SpoolError, match=re.escape(os.strerror(number))):
            spool.put(other(2))
    assert [e.id for e in spool.pending()] == [kept.id]
    assert kept.read() == other(1)
    assert list(spool.folder().glob(".*")) == []
    assert spool.put(other(2)).read() == other(2)


FULL_DISK = """
import sys
from pathlib import Path
from aims_mlflow import sending, spool, spool_limits
from aims_mlflow.errors import SpoolError
written = 0
for number in range(1000):
    try:
        spool.put(spool.Parcel(run_id=f"run-{number}", server="", files={"card": bytes([number % 256]) * 20_000 + str(number).encode()}))
    except SpoolError as error:
        assert "No space left" in str(error), error
        break
    written += 1
assert 0 < written < 60, written
assert len(spool.pending()) == written
assert all(len(entry.read().files) == 1 for entry in spool.pending())
assert not list(spool.folder().glob(".*"))
print("held")
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a file system of a megabyte of its own, where the kernel lets us make one."""
    mount = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"',
        str(tmp_path),
    ]
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system: the refusals are simulated above")
    env = {**os.environ, "AIMS_HOME": str(tmp_path / "home")}
    done = subprocess.run([*mount, sys.executable, "-c", FULL_DISK], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "held", done.stderr


def test_a_disk_that_refuses_while_it_is_sent_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.put(parcel())
    with monkeypatch.context() as harm:
        refuse(harm, errno.ENOSPC, "fsync")
        (sent,) = sending.replay(store)
    assert "No space left" in sent.problem
    assert [s.problem for s in sending.replay(store)] == [""]
    assert len(list(store.system_runs("credit-scoring"))) == 1


def test_a_spool_that_cannot_be_listed_is_an_error_that_names_the_place() -> None:
    spool.folder().parent.mkdir(parents=True, exist_ok=True)
    spool.folder().write_text("")
    with pytest.raises(SpoolError, match="AIMS_HOME"):
        spool.pending()


def test_trying_the_disk_leaves_nothing(tmp_path: Path) -> None:
    spool.try_disk(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No such file"):
        spool.try_disk(tmp_path / "nowhere")
