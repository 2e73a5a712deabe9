"""Records and bundles that somebody has touched: shown as broken with the fix, never used, and never an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.bundle import BUNDLE_PATH, RECORD_TAG
from aims_mlflow.pages import addresses
from aims_mlflow.pages.addresses import Address
from aims_mlflow.pages.site import Site
from aims_mlflow.records import sealing
from aims_mlflow.records.summary import summarise
from aims_mlflow.signing import new_key
from aims_mlflow.store import Store

from . import world as worlds
from .reading import read


@dataclass
class Desk:
    """A store with one system, its record, and the files of the record's run."""

    store: Store
    folder: Path
    run: str
    home: Path
    bundle_run: str
    version: str

    @property
    def record(self) -> Path:
        return self.place(self.run) / sealing.RECORD

    @property
    def seal(self) -> Path:
        return self.place(self.run) / sealing.PATH

    def place(self, run_id: str) -> Path:
        return Path(self.store.run(run_id).artifact_uri.removeprefix("file://"))

    def text(self, address: Address | None = None) -> str:
        page = Site(self.store).page(address or addresses.system("loans"))
        assert page.status == 200
        return read(page.html).text


@pytest.fixture(scope="module")
def kept(_mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    import shutil

    folder = tmp_path_factory.mktemp("tampering")
    shutil.copy(_mlflow_template, folder / "mlflow.db")
    database = f"sqlite:///{folder / 'mlflow.db'}"
    world = worlds.World(folder, Store(database, database))
    with worlds.at_home(world):
        view = worlds.rolled.World(world.store, folder).version(worlds.loans())
        made = world.record(worlds.loans())
        run = next(r.run_id for r in world.store.system_runs("loans") if r.tags.get(RECORD_TAG) == "newest")
    return Desk(world.store, folder, run, world.home, view.run_id, made.versions[0].id)


@pytest.fixture
def desk(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The desk, with its files as they were put back afterwards."""
    monkeypatch.setenv("AIMS_HOME", str(kept.home))
    monkeypatch.chdir(kept.folder)
    files = [kept.record, kept.seal, kept.place(kept.bundle_run) / BUNDLE_PATH]
    before = {path: path.read_bytes() for path in files}
    tag = kept.store.run(kept.run).tags[RECORD_TAG]
    yield kept
    for path, content in before.items():
        path.write_bytes(content)
    kept.store.log(kept.run, tags={RECORD_TAG: tag})


def test_a_record_as_it_was_made_is_shown_and_says_whose_word_it_is(desk: Desk) -> None:
    text = desk.text()
    assert "Open items" in text
    assert "the signature holds, by a key that nobody vouched for (the development key of this machine)" in text


def _one_word(desk: Desk) -> None:
    content = desk.record.read_bytes()
    assert content.count(b"Rank applicants.")
    desk.record.write_bytes(content.replace(b"Rank applicants.", b"Rank everybody.."))


def _nothing(desk: Desk) -> None:
    desk.record.write_bytes(b"")


def _gone(desk: Desk) -> None:
    desk.record.unlink()


def _no_json(desk: Desk) -> None:
    desk.record.write_bytes(b"\xff\xfe[[[[")
    desk.seal.unlink()


def _another_shape(desk: Desk) -> None:
    desk.record.write_bytes(b'{"format": "aims-mlflow system record 9"}')
    desk.seal.unlink()


def _another_system(desk: Desk) -> None:
    content = json.loads(desk.record.read_bytes())
    content["system"]["id"] = "other"
    desk.record.write_bytes(json.dumps(content).encode())
    desk.seal.unlink()


def _seal_of_another_run(desk: Desk) -> None:
    made = sealing.seal(desk.record.read_bytes(), "loans", "0" * 32)
    assert made
    desk.seal.write_bytes(made)


def _seal_of_another_system(desk: Desk) -> None:
    made = sealing.seal(desk.record.read_bytes(), "other", desk.run)
    assert made
    desk.seal.write_bytes(made)


def _flipped_seal(desk: Desk) -> None:
    content = json.loads(desk.seal.read_bytes())
    content["signatures"][0]["sig"] = content["signatures"][0]["sig"][::-1]
    desk.seal.write_bytes(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _bundle_as_seal(desk: Desk) -> None:
    desk.seal.write_bytes((desk.place(desk.bundle_run) / BUNDLE_PATH).read_bytes())


TOUCHED = {
    "one word of the record": (_one_word, "it has been altered since"),
    "an empty record": (_nothing, "it has been altered since"),
    "no record": (_gone, "the record cannot be read"),
    "no JSON": (_no_json, "the record cannot be parsed"),
    "another shape": (_another_shape, "the record cannot be parsed"),
    "another system's record": (_another_system, "the record is another system's"),
    "a seal of another run": (_seal_of_another_run, "of another run"),
    "a seal of another system": (_seal_of_another_system, "another system's record"),
    "a flipped signature": (_flipped_seal, "the record cannot be believed"),
    "another envelope as seal": (_bundle_as_seal, "the payload type is not"),
}


@pytest.mark.parametrize("name", TOUCHED)
def test_a_record_that_somebody_touched_is_shown_as_broken_with_the_fix(desk: Desk, name: str) -> None:
    touch, said = TOUCHED[name]
    touch(desk)
    for text in (
        desk.text(),
        desk.text(Address()),
        desk.text(addresses.record("loans")),
        desk.text(addresses.version("loans", desk.version)),
    ):
        assert said.casefold() in text.casefold()
        assert "aims summarise loans" in text
        assert "Rank" not in text


def test_a_record_without_a_seal_is_shown_and_says_that_nobody_can_tell(desk: Desk) -> None:
    desk.seal.unlink()
    assert "not signed: nobody can say whether it is as it was made" in desk.text()
    assert "not signed" in desk.text(Address())


def test_a_key_that_the_policy_does_not_list_is_named(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = new_key(tmp_path / "listed.pem")
    policy = worlds.loans(gate={"trusted_keys": [listed.id]})
    monkeypatch.setattr("aims_mlflow.pages.opening.declared", lambda _: worlds.rolled.make_declared(policy))
    assert "none of gate.trusted_keys" in desk.text()
    monkeypatch.setenv("AIMS_SIGNING_KEY", str(tmp_path / "listed.pem"))
    made = sealing.seal(desk.record.read_bytes(), "loans", desk.run)
    assert made
    desk.seal.write_bytes(made)
    text = desk.text()
    assert "the signature holds, by a key that the policy lists" in text
    assert "Whose word this record is" not in text


def test_two_records_that_call_themselves_the_newest_are_both_named(desk: Desk) -> None:
    other = desk.store.create_run("aims/loans", "record of loans", {RECORD_TAG: "newest", "aims.system": "loans"})
    text = desk.text()
    assert "2 records call themselves the newest" in text
    assert desk.run in text
    assert other in text
    desk.store.log(other, tags={RECORD_TAG: "superseded"})
    assert "Open items" in desk.text()


def test_a_record_in_another_experiment_is_nobodys(desk: Desk) -> None:
    desk.store.create_run("elsewhere", "record of loans", {RECORD_TAG: "newest", "aims.system": "loans"})
    assert "Open items" in desk.text()


def test_what_came_after_the_record_is_counted(desk: Desk) -> None:
    site = Site(desk.store)
    before = read(site.page(addresses.system("loans")).html).text
    desk.store.end_run(desk.store.create_run("tests", "training", {"aims.system": "loans"}))
    after = read(site.page(addresses.system("loans")).html).text
    assert "1 run since" in after
    assert "1 run since" not in before
    assert "1 run since" in read(site.page(Address()).html).text


def _other_bundle(desk: Desk) -> Callable[[], Any]:
    from aims_mlflow.signing import open_bundle, seal_bundle

    path = desk.place(desk.bundle_run) / BUNDLE_PATH
    bundle, _ = open_bundle(path.read_bytes())
    other = bundle.model_copy(update={"results": bundle.results[:-1]})
    return lambda: path.write_bytes(seal_bundle(other))


def test_a_bundle_that_is_not_the_one_of_the_record_is_said_at_the_top(desk: Desk) -> None:
    address = addresses.version("loans", desk.version)
    assert "What is here now is not what the record says" not in desk.text(address)
    _other_bundle(desk)()
    text = desk.text(address)
    assert "the record rests on the bundle" in text
    assert text.index("What is here now is not what the record says") < text.index("Evidence, worst of what the gate looks at")


def test_a_bundle_that_does_not_verify_is_not_used(desk: Desk) -> None:
    path = desk.place(desk.bundle_run) / BUNDLE_PATH
    path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"A', 1))
    text = desk.text(addresses.version("loans", desk.version))
    assert "What is here now is not what the record says" in text
    assert "There is no bundle to believe" in text


def test_a_deleted_record_run_is_broken_and_a_new_record_mends_it(desk: Desk) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=desk.store.tracking_uri)
    client.delete_run(desk.run)
    try:
        assert "The run of the newest record has been deleted" in desk.text()
    finally:
        client.restore_run(desk.run)
    assert summarise(worlds.loans(), store=desk.store, write=False).system.id == "loans"
