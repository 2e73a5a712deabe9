"""A small MLflow and a home to act on, where one action takes a tenth of a second: tracking, dying at any step, taking evidence away.

A run is made as ``hooks/lifecycle.py`` makes it and recorded by the real recorder. What it saves on: the model is fitted before, its
files are two plain ones (the gate loads none), and a version gets three tags instead of twenty, each of which MLflow writes by itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlflow

from aims_mlflow import registry, sending, spool
from aims_mlflow.capture import publication
from aims_mlflow.errors import PromotionBlocked, StoreError
from aims_mlflow.recorder import Recorder
from aims_mlflow.store import Store, flavours
from aims_mlflow.store.connection import Connection
from aims_mlflow.system import System
from tests.reliability.dying import DECLARED, drawn
from tests.reliability.outside import Outside

SYSTEM = System.model_validate(DECLARED | {"requirements": DECLARED["requirements"][1:]})
"""A system whose gate asks for one thing: that no label is missing in the train data."""

TRAIN, TEST = drawn(60, 0), drawn(40, 1)
WRONG = TRAIN.assign(y=TRAIN["y"].astype("Int64").mask(TRAIN.index == 7))


class Rule:
    """A model that says whether ``x`` is above 0, as the label does."""

    def predict(self, frame: Any) -> Any:
        return (frame["x"] > 0).astype(int)


def saved(model: Rule, folder: Path, *_: Any, **__: Any) -> flavours.Saved:
    """Save two plain files in place of a flavour's."""
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights").write_bytes(os.urandom(8))
    return flavours.Saved("none", "none")


def few_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in ("aims.system", "aims.state", "aims.A.7.4")}


class Leaving(Store):
    """The store of a server that goes away at its ``after``-th call and stays away; and one before which something happens at a call."""

    def __init__(self, after: int | None = None, then: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.left, self.then = after, then

    def reachable(self, seconds: float = 2.0) -> bool:  # noqa: ARG002 - the store's
        return self.left is None or self.left > 0

    def _call(self, what: str, do: Callable[[], Any], **how: Any) -> Any:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise StoreError(f"MLflow could not {what}: it has gone away")
        return super()._call(what, do, **how)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        super().set_alias(name, alias, version)
        if self.then is not None:
            self.then()


class World:
    """An sqlite MLflow and an ``AIMS_HOME`` in a folder, made new by ``begin``: with what there is when ``remember`` is called."""

    def __init__(self, template: Path, folder: Path) -> None:
        self.folder, self.uri = folder, f"sqlite:///{folder / 'mlflow.db'}"
        self.start = folder / "start"
        (self.start / "artifacts").mkdir(parents=True)
        shutil.copy(template, self.start / "mlflow.db")
        self.outside = Outside(folder / "mlflow.db", folder / "home" / "spool")
        self.store = Store()

    def begin(self) -> None:
        """Forget all that was done, keys apart."""
        self._let_go()
        for path in ("artifacts", "home/spool"):
            shutil.rmtree(self.folder / path, ignore_errors=True)
        shutil.copytree(self.start, self.folder, dirs_exist_ok=True)
        self.promised()
        self.store = Store()  # the log is remembered with the store

    def remember(self) -> None:
        """Begin with what is there now from here on."""
        self._let_go()
        shutil.rmtree(self.start)
        self.start.mkdir()
        shutil.copy(self.folder / "mlflow.db", self.start)
        shutil.copytree(self.folder / "artifacts", self.start / "artifacts")

    def _let_go(self) -> None:
        """Close what is open of the database: neither a copy over it nor a fork leaves that whole."""
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Versions
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

        for engines in (Versions._engine_map, Runs._engine_map):
            if self.uri in engines:
                engines[self.uri].dispose()

    def noting(self, put: Callable[..., spool.Entry]) -> Callable[..., spool.Entry]:
        """Return ``put`` with a note of each parcel that it has made whole: one that is lost again at once is missed by it."""

        def noted(parcel: spool.Parcel, place: Path | None = None) -> spool.Entry:
            entry = put(parcel, place)
            told = next((one for one in self.outside.parcels() if one.folder == entry.folder), None)
            assert told is not None, "a parcel is not whole where it was put"
            with (self.folder / "promised").open("a") as file:
                file.write(f"{told.training} {told.tells}\n")
            return entry

        return noted

    def promised(self) -> dict[str, int]:
        """Return how much was whole on disk of each training, at some time since this was asked last."""
        path = self.folder / "promised"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        found: dict[str, int] = {}
        for training, tells in (line.split() for line in lines if line.count(" ") == 1):
            found[training] = max(int(tells), found.get(training, 0))
        return found

    # What people do

    def track(self, right: bool, store: Store | None = None) -> None:
        """Track a training whose data are right, or wrong."""
        store = store or self.store
        try:
            store.require()
            run_id = store.create_run("tests", "small", {"aims.system": SYSTEM.id})
        except StoreError:  # as where the server is away: what is recorded waits for a run
            run_id = ""
        recorder = Recorder(SYSTEM, store=store, run_id=run_id, experiment="tests")
        for frame, role in ((TRAIN if right else WRONG, "train"), (TEST, "test")):
            recorder.data(frame, role)
        recorder.keep()
        recorder.finish(Rule())

    def sync(self) -> dict[str, str]:
        """Send what waits; returns parcel -> why it is still here, or ""."""
        return {one.id: one.problem for one in sending.replay(self.store)}

    def promote(self, version: str, store: Store | None = None) -> bool:
        """Ask for the alias champion; returns whether it was given."""
        from aims_mlflow.promotion import promote

        try:
            promote(f"models:/loans/{version}", "champion", system=SYSTEM, store=store or self.store)
        except PromotionBlocked:
            return False
        return True

    def allowed(self, version: str) -> bool:
        """Whether the gate would let a version through."""
        from aims_mlflow.promotion import check_promotion

        return check_promotion(f"models:/loans/{version}", alias="champion", system=SYSTEM, store=self.store).allowed

    def register(self, run_id: str) -> None:
        """Make another version of the model that a run has logged, as somebody may by hand."""
        for uri in self.store.logged_models(run_id)[-1:]:
            self.store.register(uri, "loans", run_id=run_id)

    @property
    def client(self) -> Any:
        """MLflow's own client, past the gate."""
        return mlflow.MlflowClient(self.uri, self.uri)

    def dies(self, step: int, do: Callable[[], object]) -> bool:
        """Do it in a process that is killed at a step of its own: before a change to a file, or around a call of MLflow, or amid a copy.

        Returns whether it came so far; what it does takes fewer steps otherwise.
        """
        self._let_go()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            code = 1
            try:
                _kill_at(step)
                do()
                code = 0
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "what was to be killed has failed by itself"
        return os.WIFSIGNALED(status)


CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.copyfile", "shutil.copymode", "shutil.copystat", "sqlite3.connect"}
"""Audit events of Python that come before something changes on disk."""


def _kill_at(step: int) -> None:
    """Let this process be killed at its ``step``-th step."""
    left = step

    def one_more() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGES:
            one_more()

    call = Connection._call

    def called(connection: Connection, what: str, do: Callable[[], Any], **how: Any) -> Any:
        one_more()
        try:
            return call(connection, what, do, **how)
        finally:
            one_more()

    def in_halves(source: Any, target: Any, length: int = 0) -> None:
        content = source.read()
        for half in (content[: len(content) // 2], content[len(content) // 2 :]):
            target.write(half)
            target.flush()
            one_more()

    shutil._USE_CP_SENDFILE = False  # type: ignore[attr-defined]  # else a copy is one call of the kernel's
    shutil.copyfileobj = in_halves  # type: ignore[assignment]  # as above
    Connection._call = called  # type: ignore[method-assign]  # in this process, which is about to die
    sys.addaudithook(hook)


def cheap() -> Any:
    """Return the patches under which a training is small."""
    every = registry.checks()
    few = {name: every[name] for name in ("provenance", "quality")}
    return (
        patch.object(registry, "checks", lambda: few),
        patch.object(flavours, "save", saved),
        patch.object(publication, "version_tags", few_tags),
    )
