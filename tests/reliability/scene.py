"""One tracked training in a small world in which something goes wrong at its start, in its middle or at its end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import aims_mlflow as aims
from aims_mlflow import registry, sending, spool
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.decision import GateDecision
from aims_mlflow.promotion import check_promotion
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import RunView, Store
from aims_mlflow.system import System

Stage = Literal["start", "middle", "end"]
STAGES: tuple[Stage, ...] = ("start", "middle", "end")

Outcome = Literal["passes", "arrives", "told"]
"""``passes``: all evidence arrives, and the gate opens. ``arrives``: all of it arrives, and the gate stays closed for what it says, or
for want of a version. ``told``: evidence is missing; it is said in the log and in the run's tag or bundle, and the gate stays closed."""

CHECKS = ("performance", "provenance")

LET_BE = {"reason": "not what is looked at here", "approved_by": "Test", "on": "2026-01-01", "expires": "2999-01-01"}

DECLARED: dict[str, Any] = {
    "version": 1,
    "system": {"id": "small", "model": "loans"},
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["g"], "features": ["x", "z"]},
    "requirements": [{"check": "performance", "metric": "accuracy_score", "min": 0.5}],
    "gate": {"controls": ["A.6.2.4"]},
    "waivers": [{"control": "A.6.2.4", "check": check, **LET_BE} for check in ("overlap", "leakage", "robustness", "fairness")],
}
"""Its gate opens to a run to which nothing happens, so that a closed one says something."""


def drawn(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "g": np.where(np.arange(rows) % 2, "a", "b"), "y": (x > 0).astype(int)})


class Threshold:
    """The smallest model: positive above zero."""

    def __init__(self) -> None:
        self.feature_names_in_ = ["x", "z"]
        self.classes_ = [0, 1]

    def predict(self, frame: Any) -> Any:
        return (frame["x"] > 0).astype(int).to_numpy()


class Heard(logging.Handler):
    """Keeps what our logger says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    ``brought`` brings it about for as long as its context is open. ``comes_to``: what becomes of the evidence, of each stage where it
    is not the same; more than one where it depends on who is quicker. ``lasts``: until the call is over, or only until the next stage.
    """

    name: str
    brought: Callable[[Scene], AbstractContextManager[Any]]
    comes_to: Outcome | tuple[Outcome, ...] | Mapping[Stage, Outcome | tuple[Outcome, ...]]
    stages: tuple[Stage, ...] = STAGES
    http: bool = False
    lasts: Literal["call", "stage"] = "call"
    seconds: float = 30.0
    checks: tuple[str, ...] = CHECKS

    def outcomes(self, stage: Stage) -> tuple[Outcome, ...]:
        found = self.comes_to[stage] if isinstance(self.comes_to, Mapping) else self.comes_to
        return (found,) if isinstance(found, str) else found


@dataclass
class Scene:
    """What a fault can reach, and how far the training has come."""

    fault: Fault
    at: Stage
    folder: Path
    patch: pytest.MonkeyPatch
    uri: str
    experiment: str
    database: Path
    server: Any = None
    """The MLflow server; None where MLflow is a file."""

    system: System = field(default_factory=lambda: System.model_validate(DECLARED))
    train: pd.DataFrame = field(default_factory=lambda: drawn(200, 0))
    test: pd.DataFrame = field(default_factory=lambda: drawn(100, 1))
    model: Any = field(default_factory=Threshold)
    returns: Any = None
    raises: BaseException | None = None
    calls: list[tuple[Any, Any]] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)
    checks: dict[str, registry.Check] = field(default_factory=dict)
    run_id: str = ""
    seconds: float = 0.0
    """What the call took beside the function."""

    def __post_init__(self) -> None:
        self.returns = self.model
        self.checks = {name: one for name, one in registry.checks().items() if name in self.fault.checks}
        self._stack = ExitStack()
        self._over = False

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def system_file(self) -> Path:
        return self.folder / "aims.yaml"

    @property
    def store(self) -> Store:
        return Store(self.uri, self.uri)

    # The training

    def _reach(self, stage: Stage) -> None:
        if stage == self.at:
            self._stack.enter_context(self.fault.brought(self))
        elif self.fault.lasts == "stage":
            self._stack.close()

    def _known_checks(self) -> dict[str, registry.Check]:
        """Be asked for the checks, which is the first thing that is done of a run that is over and has its model logged."""
        if self._over:
            self._over = False
            self._reach("end")
        return self.checks

    def _train(self, train: Any, test: Any) -> Any:
        began = monotonic()
        self.calls.append((train, test))
        self.run_id = aims.active_run().run_id
        try:
            self._reach("middle")
            if self.raises is not None:
                raise self.raises
            return self.returns
        finally:
            if self.fault.lasts == "stage":
                self._stack.close()
            self._over = True
            self._in_function = monotonic() - began

    def play(self) -> None:
        """Train once, and see that whoever called the function notices nothing of it."""
        logger = logging.getLogger("aims_mlflow")
        logger.addHandler(self.heard)
        self._in_function = 0.0
        self.system_file.write_text(json.dumps(DECLARED))
        tracked = aims.track(self.system_file)(lambda train, test: self._train(train, test))
        self.patch.setattr(registry, "checks", self._known_checks)
        error: BaseException | None = None
        returned: Any = None
        began = monotonic()
        try:
            try:
                self._reach("start")
                returned = tracked(self.train, self.test)
            except BaseException as raised:
                error = raised
            self.seconds = monotonic() - began - self._in_function
        finally:
            self._stack.close()
            logger.removeHandler(self.heard)
        if error is not self.raises:
            raise AssertionError("something else came out than the function raised") from error
        assert self.raises is not None or returned is self.returns
        assert len(self.calls) == 1
        assert self.calls[0][0] is self.train
        assert self.calls[0][1] is self.test

    # What came of it

    def run(self) -> RunView | None:
        """Return the run that has the evidence, or is to have it."""
        found = [r for r in self.store.system_runs(self.system.id) if r.lifecycle == "active" and r.experiment_id == self.experiment]
        found.sort(key=lambda r: "aims.bundle" in r.tags)
        return found[-1] if found else None

    def bundle(self) -> Bundle | None:
        run = self.run()
        if run is None or BUNDLE_PATH not in self.store.artifacts(run.run_id, "aims"):
            return None
        bundle = open_bundle(self.store.read(run.run_id, BUNDLE_PATH))[0]
        assert bundle.run.run_id == run.run_id
        return bundle

    def gate(self) -> GateDecision:
        """Ask the gate of the latest version that the training has made; of one that is not there, where it has made none."""
        run = self.run()
        made = self.store.run_versions(run.run_id) if run is not None else []
        return check_promotion(made[-1].uri if made else "models:/loans/999", alias="champion", system=self.system, store=self.store)

    def came_to(self) -> Outcome:
        """Return what has become of the evidence by now, and see that the gate agrees."""
        bundle, gate = self.bundle(), self.gate()
        if bundle is None or not bundle.complete:
            assert not gate.allowed
            return "told"
        return "passes" if gate.allowed else "arrives"

    def see_that_it_is_told(self) -> None:
        """See that whoever looks at the log, and whoever looks at MLflow, is told that evidence is missing."""
        bundle, run = self.bundle(), self.run()
        assert self.heard.said or self.raises is not None
        if bundle is not None:
            assert not bundle.complete
        if run is not None:
            assert run.tags.get("aims.state") in (None, "error", "missing", "fail")

    def replayed(self) -> list[sending.Sent]:
        return sending.replay(self.store)

    def waiting(self) -> list[spool.Entry]:
        return spool.pending()
