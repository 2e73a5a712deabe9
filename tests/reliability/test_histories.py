"""Histories that nobody thought of: a machine tracks, kills, sends, promotes and takes away in any order, and looks at what must hold.

What must hold, looked for after each step in the database and the files themselves:

- the alias ``champion`` came to each version that holds it by a signed and logged decision, from a complete bundle, of a good training;
- what was once whole on disk of a training is on disk still, or in MLflow, unless the machine itself has taken it away;
- a parcel that the machine has spoilt is never sent, is named by each sending, and stays where it was;
- no training has two bundles, and a complete bundle never becomes another;
- taking evidence away turns no denial into a pass;
- the log holds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import mlflow
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from aims_mlflow import spool
from aims_mlflow.errors import StoreError
from aims_mlflow.ledger import walk
from tests.full import FULL, only_full
from tests.reliability.outside import BUNDLE, WHOLE, Run, told_by
from tests.reliability.small_world import Leaving, World, cheap

EXAMPLES = int(os.environ.get("AIMS_HISTORIES", "1000" if FULL else "4"))
STEPS = 14

WHICH = st.integers(0, 6)
"""Which of the runs, versions or parcels there are; counted from the newest, so that 0 is always one."""

STEPS_OF = {"training": 145, "promotion": 95, "sending": 50}
"""How many steps there are at which a process may be killed, about; to send several parcels takes more."""


@pytest.fixture
def world(_mlflow_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose files are in memory where there is room for that: a disk's patience is not what is tried."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    folder = Path(tempfile.mkdtemp(prefix="aims-histories-", dir=memory if memory.is_dir() else None))
    template = folder / "template.db"
    shutil.copy(_mlflow_template, template)
    client = mlflow.MlflowClient(f"sqlite:///{template}", f"sqlite:///{template}")
    client.create_experiment("tests", artifact_location=(folder / "artifacts").as_uri())
    monkeypatch.setenv("AIMS_HOME", str(folder / "home"))
    monkeypatch.chdir(folder)
    made = World(template, folder)
    mlflow.set_tracking_uri(made.uri)
    mlflow.set_registry_uri(made.uri)
    with ExitStack() as stack:
        for one in cheap():
            stack.enter_context(one)
        stack.enter_context(patch.object(spool, "put", made.noting(spool.put)))
        made.begin()
        made.track(True)
        made.track(False)
        made.remember()
        yield made
    shutil.rmtree(folder, ignore_errors=True)


def flip(path: Path, at: int) -> None:
    """Change one byte; not even 255 times more make it what it was."""
    content = bytearray(path.read_bytes())
    if content:
        content[at % len(content)] = (content[at % len(content)] + 101) % 256
        path.write_bytes(content)


class Histories(RuleBasedStateMachine):
    """The machine. A training is known by the time at which it began, which all that is said of it names."""

    world: World
    done: Counter[str] = Counter()  # noqa: RUF012 - over all examples
    """What was done how often, to be seen with ``pytest -s``."""

    @initialize()
    def begin(self) -> None:
        self.world.begin()
        self.seen = self.world.outside
        self.wrong = {told_by(run.bundle)[0] for run in list(self.seen.runs().values())[1:] if run.bundle is not None}
        """Trainings on wrong data: the second of the two that are there."""
        self.known: dict[str, int] = {}
        """How much was whole, on disk or in MLflow, of each training."""
        self.sealed: dict[str, str] = {}
        """Run -> digest of its complete bundle."""
        self.spoilt_parcels: set[str] = set()
        self.spoilt_runs: set[str] = set()
        self.walked: dict[Path, Any] = {}
        self.champion: str | None = None

    # Trainings

    @rule(right=st.booleans())
    def track(self, right: bool) -> None:
        with self._noting(right):
            self.world.track(right)

    @rule(right=st.booleans(), after=st.integers(0, 60))
    def track_while_the_server_leaves(self, right: bool, after: int) -> None:
        with self._noting(right):
            self.world.track(right, Leaving(after))

    @rule(right=st.booleans(), step=st.integers(0, STEPS_OF["training"]))
    def track_and_die(self, right: bool, step: int) -> None:
        with self._noting(right):
            self._dies("training", step, lambda: self.world.track(right))

    @contextmanager
    def _noting(self, right: bool) -> Iterator[None]:
        """Note a training that turns up meanwhile as wrong, if it is."""
        before = self._there()
        yield
        if not right:
            self.wrong |= {*self._there()} - {*before}

    # Sending

    @rule()
    def sync(self) -> None:
        told = self.world.sync()
        for name in self.spoilt_parcels:
            assert told.get(name), "a spoilt parcel was passed over in silence"

    @rule(step=st.integers(0, STEPS_OF["sending"]))
    def sync_and_die(self, step: int) -> None:
        self._dies("sending", step, self.world.sync)

    # The registry

    @rule(which=WHICH)
    def register(self, which: int) -> None:
        run = self._run(which)
        if run is not None and not run.deleted:
            self.world.register(run.id)

    @rule(which=WHICH)
    def promote(self, which: int) -> None:
        version = self._version(which)
        if version is not None:
            given = self.world.promote(version)
            assert (self.seen.holder("champion") == version) >= given
            self.done["promotion " + ("given" if given else "refused")] += 1

    @rule(which=WHICH, step=st.integers(0, STEPS_OF["promotion"]))
    def promote_and_die(self, which: int, step: int) -> None:
        version = self._version(which)
        if version is not None:
            self._dies("promotion", step, lambda: self.world.promote(version))

    @rule(which=WHICH)
    def promote_what_changes_meanwhile(self, which: int) -> None:
        version, before = self._version(which), self.seen.holder("champion")
        if version is None or version == before:
            return
        run = self.seen.runs()[self.seen.versions()[version]]
        spoilt: list[Run] = []

        def change() -> None:
            spoilt.append(run)
            flip(run.folder / BUNDLE, 40)
            self.spoilt_runs.add(run.id)

        assert not self.world.promote(version, Leaving(then=change))
        assert self.seen.holder("champion") == before
        if spoilt:
            self.done["promotion taken back"] += 1
            self._forget(run)

    @rule(which=WHICH, after=st.integers(0, 30))
    def promote_while_the_server_leaves(self, which: int, after: int) -> None:
        version = self._version(which)
        if version is not None:
            with suppress(StoreError):
                self.world.promote(version, Leaving(after))

    @rule()
    def go_back(self) -> None:
        """Promote the version that the champion took the place of."""
        entries = [one["decision"] for one in self.seen.log().values() if one is not None and one["kind"] == "decision"]
        held = [one for one in entries if one["model"] == f"models:/loans/{self.seen.holder('champion')}" and one["replaced"]]
        if held and held[-1]["replaced"] in self.seen.versions():
            self.world.promote(held[-1]["replaced"])

    @rule(which=WHICH)
    def delete_version(self, which: int) -> None:
        version = self._version(which)
        if version is not None:
            self.world.client.delete_model_version("loans", version)

    # Taking away

    @rule(which=WHICH)
    def delete_run(self, which: int) -> None:
        run = self._run(which)
        if run is not None and not run.deleted:
            with self._nothing_is_gained(run):
                self.world.client.delete_run(run.id)

    @rule(which=WHICH)
    def restore_run(self, which: int) -> None:
        gone = [run for run in self.seen.runs().values() if run.deleted]
        if gone:
            self.world.client.restore_run(gone[which % len(gone)].id)

    @rule(which=WHICH, artifact=st.sampled_from(["bundle", "decision", "model"]))
    def delete_artifact(self, which: int, artifact: str) -> None:
        run = self._run(which)
        if run is None:
            return
        with self._nothing_is_gained(run):
            for path in self._artifacts(run, artifact)[:1]:
                path.unlink()
                self.spoilt_runs.add(run.id)
        self._forget(run)

    @rule(which=WHICH, at=st.integers(0, 5_000))
    def spoil_bundle(self, which: int, at: int) -> None:
        run = self._run(which)
        if run is not None and (run.folder / BUNDLE).exists():
            with self._nothing_is_gained(run):
                flip(run.folder / BUNDLE, at)
                self.spoilt_runs.add(run.id)
            self._forget(run)

    @rule(which=WHICH, file=st.integers(0, 9), at=st.integers(0, 5_000))
    def spoil_parcel(self, which: int, file: int, at: int) -> None:
        waiting = self.seen.waiting()
        if waiting:
            folder = waiting[which % len(waiting)]
            files = sorted(folder.iterdir())
            flip(files[file % len(files)], at)
            self.spoilt_parcels.add(folder.name)
            self.done["parcel spoilt"] += 1
            self._forget()

    # What must hold

    @invariant()
    def the_champion_is_proven(self) -> None:
        holder, before = self.seen.holder("champion"), self.champion
        self.champion = holder
        if holder is None or (holder == before and self.seen.versions().get(holder) in self.damaged()):
            return
        assert self.seen.unproven(holder, "champion") == ""
        bundle = self.seen.runs()[self.seen.versions()[holder]].bundle
        assert bundle is not None
        assert told_by(bundle)[0] not in self.wrong

    @invariant()
    def nothing_that_was_on_disk_is_lost(self) -> None:
        there = self._there()
        promised = self.world.promised()
        for training, tells in (*self.known.items(), *promised.items()):
            assert there.get(training, 0) >= tells, f"of the training of {training} was {tells}, and is {there.get(training, 0)}"
        self.known = there
        for name in self.spoilt_parcels:
            assert (self.seen.spool / name).is_dir(), "a spoilt parcel was thrown away"

    @invariant()
    def no_training_has_two_bundles(self) -> None:
        trainings: dict[str, str] = {}
        for run in self.seen.runs().values():
            assert len(list(run.folder.rglob("bundle*"))) <= 1
            bundle = run.bundle
            if bundle is None:
                continue
            training, tells = told_by(bundle)
            assert training not in trainings
            trainings[training] = run.id
            if tells == WHOLE:
                now = hashlib.sha256((run.folder / BUNDLE).read_bytes()).hexdigest()
                assert self.sealed.setdefault(run.id, now) == now

    @invariant()
    def the_log_holds(self) -> None:
        log = self.seen.log()
        assert None not in log.values(), "an entry of the log does not hold"
        names = {path.name.removesuffix(".dsse.json") for path in log}
        assert all(parent in names for entry in log.values() if entry is not None for parent in entry["parents"])
        if log != self.walked:  # it asks MLflow, which takes longer than all the rest
            assert [one for one in walk(self.world.store).findings if one.severity in ("critical", "major")] == []
            self.walked = log

    def look(self) -> None:
        """Look at all that must hold."""
        self.the_champion_is_proven()
        self.nothing_that_was_on_disk_is_lost()
        self.no_training_has_two_bundles()
        self.the_log_holds()

    def teardown(self) -> None:
        """Send all that is left: nothing stays but what cannot be sent, and what is good and undamaged may be promoted."""
        self.world.sync()
        self.nothing_that_was_on_disk_is_lost()
        for folder in self.seen.waiting():
            assert folder.name in self.spoilt_parcels or self.seen.of_run(folder) in self.damaged()
        for version, run_id in list(self.seen.versions().items())[-1:]:
            run = self.seen.runs()[run_id]
            bundle = run.bundle
            good = bundle is not None and bundle["complete"] and told_by(bundle)[0] not in self.wrong
            assert self.world.allowed(version) <= good
            if good and run.id not in self.damaged():
                assert self.world.allowed(version)

    # By which it acts

    def _dies(self, what: str, step: int, do: Callable[[], object]) -> None:
        self.done[f"{what} {'killed' if self.world.dies(step, do) else 'done before the kill'}"] += 1

    def _run(self, which: int) -> Run | None:
        runs = list(self.seen.runs().values())[::-1]
        return runs[which % len(runs)] if runs else None

    def _version(self, which: int) -> str | None:
        versions = list(self.seen.versions())[::-1]
        return versions[which % len(versions)] if versions else None

    def damaged(self) -> set[str]:
        """Return the runs of which the machine has taken something away."""
        return self.spoilt_runs | {run.id for run in self.seen.runs().values() if run.deleted}

    def _there(self) -> dict[str, int]:
        """Return how much is whole of each training, on disk or in MLflow."""
        found: dict[str, int] = {}
        bundles = [run.bundle for run in self.seen.runs().values()]
        told = [told_by(bundle) for bundle in bundles if bundle is not None]
        for training, tells in (*told, *((one.training, one.tells) for one in self.seen.parcels())):
            found[training] = max(tells, found.get(training, 0))
        return found

    def _forget(self, *runs: Run) -> None:
        """Expect no more than is there, since the machine itself has taken something away."""
        self.known = self._there()
        for run in runs:
            self.sealed.pop(run.id, None)

    @contextmanager
    def _nothing_is_gained(self, run: Run) -> Iterator[None]:
        """See that no version of a run is let through after what is done that was not before."""
        versions = [version for version, of in self.seen.versions().items() if of == run.id][-2:]
        before = {version: self.world.allowed(version) for version in versions}
        yield
        for version, allowed in before.items():
            assert self.world.allowed(version) <= allowed, "evidence was taken away, and a denial became a pass"

    def _artifacts(self, run: Run, kind: str) -> list[Path]:
        if kind == "model":
            return self.seen.weights(run.id)
        return sorted(run.folder.glob(BUNDLE if kind == "bundle" else "aims/decisions/*"))


def test_whatever_happens_in_whatever_order(world: World) -> None:
    Histories.world = world
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    phases = [Phase.reuse, Phase.generate, Phase.shrink]  # to explain, Hypothesis traces each line: ten times slower
    chosen = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, suppress_health_check=slow, phases=phases)
    run_state_machine_as_test(Histories, settings=chosen)  # its invariants assert, after each step
    assert Histories.done, "nothing was done in any history"
    print(f"{EXAMPLES} histories of up to {STEPS} steps: {dict(sorted(Histories.done.items()))}")  # noqa: T201 - the figure, shown by -s


@only_full
@pytest.mark.parametrize("what", ["training", "promotion", "sending"])
def test_killed_at_each_of_its_steps_in_turn(what: str, world: World) -> None:
    """The machine draws moments; this takes every one, and goes on afterwards as if nothing had been."""
    Histories.world, step, died = world, 0, True
    while died:
        machine = Histories()
        machine.begin()
        if what == "training":
            died = world.dies(step, lambda: world.track(True))
        elif what == "promotion":
            world.track(True)
            died = world.dies(step, lambda: world.promote("1"))
        else:
            world.dies(40, lambda: world.track(True))
            world.track(True, Leaving(9))
            died = world.dies(step, world.sync)
        machine.look()
        machine.sync()
        machine.promote(0)
        machine.look()
        machine.teardown()
        step += 1
    assert step > 50
