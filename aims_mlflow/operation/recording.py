"""The recorder of a look at production data: the checks that apply there, measured and judged as operation asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from aims_mlflow import registry
from aims_mlflow.bundle import CAPTURE, Bundle, RunSummary
from aims_mlflow.describing import features
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Evidence, Problem
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.observation import Dataset, Model, Observation
from aims_mlflow.operation.asking import CONTROLS, PRODUCTION, REFERENCE, Asked
from aims_mlflow.operation.recorded import Recorded
from aims_mlflow.operation.shifting import reference_result, shift
from aims_mlflow.operation.verdicts import judge_operation
from aims_mlflow.recorder import Recorder
from aims_mlflow.store import RunView, Store

OURS = ("drift", "fairness", "performance", "provenance", "quality")
"""Checks that always look at production data; others do where a requirement on the role production names them."""


class MonitoringRecorder(Recorder):
    """Records one look at production data; it makes no model and registers none.

    Args:
        asked: what is asked of production data.
        policy_sha256: digest of the whole policy, of which ``asked`` is a part.
        known: what the training recorded.
        store: MLflow.
        run_id: the monitoring run.
        experiment: its experiment's name.
        registered: the registered model's name, or "".
        extra: results that were made beside the data, such as of the event log.
        unloaded: the model's URI where predictions are given and the model is not loaded.
    """

    def __init__(
        self,
        asked: Asked,
        *,
        policy_sha256: str,
        known: Recorded,
        store: Store,
        run_id: str,
        experiment: str,
        registered: str = "",
        extra: Sequence[CheckResult] = (),
        unloaded: str = "",
    ) -> None:
        super().__init__(asked.judged, store=store, run_id=run_id, register=registered, experiment=experiment, kind="monitoring")
        self._asked, self._policy, self._known = asked, policy_sha256, known
        self._extra, self._unloaded = tuple(extra), unloaded

    def _observe(self, returned: Any, view: RunView | None, training_seconds: float, whole: bool) -> Observation:
        return replace(super()._observe(returned, view, training_seconds, whole), system=self._asked.looking)

    def _settle_model(self, returned: Any, datasets: Mapping[str, Dataset], run_id: str) -> Model | None:
        if not self._unloaded:
            return super()._settle_model(returned, datasets, run_id)
        others = (self.system.task.target, *self.system.data.sensitive_columns)
        recorded = tuple(c for c in self._known.columns if c not in others)
        return Model(
            predict=_not_loaded,
            features=tuple(self.system.data.features or recorded) or None,
            uri=self._unloaded,
            files=self.store.model_files(self._unloaded),
        )

    def _measure(self, seen: Observation) -> tuple[CheckResult, ...]:
        known = {(p.check, tuple(p.scope.items())) for p in self._problems}
        found = measure_operation(seen, self._asked, self._known, self.digests(REFERENCE), guarded=self.guarded)
        return (*(r for r in found if (r.check, tuple(r.scope.items())) not in known), *self._extra)

    def _judge(self, results: Sequence[CheckResult], now: datetime) -> tuple[Evidence, ...]:
        return judge_operation(
            self._asked,
            results,
            run_id=self.run_id,
            started=self._started,
            now=now,
            attested=tuple(self._attestations),
            complete=not any(p.check == CAPTURE for p in self._problems),
        )

    def _lines(self, evidence: Sequence[Evidence], results: Sequence[CheckResult], now: datetime) -> tuple[ControlLine, ...]:
        return tuple(line for line in super()._lines(evidence, results, now) if line.control in CONTROLS)

    def _bundle(
        self, seen: Observation, run: RunSummary, results: Sequence[CheckResult], evidence: Sequence[Evidence], *, complete: bool
    ) -> Bundle:
        made = super()._bundle(replace(seen, system=self._asked.judged), run, results, evidence, complete=complete)
        return made.model_copy(update={"policy_sha256": self._policy})

    def _card(self, seen: Observation) -> dict[str, bytes]:  # noqa: ARG002 - the card is the training's
        return {}


def measure_operation(
    seen: Observation,
    asked: Asked,
    known: Recorded,
    reference: Mapping[str, str],
    *,
    guarded: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> list[CheckResult]:
    """Return what the checks measure on production data, and how far these lie from what training recorded.

    Args:
        seen: with the data in the role production, and in the role reference where there is one.
        asked: what is asked of them.
        known: what training recorded.
        reference: column -> sha256 of the reference; empty where there is none.
        guarded: what a step is done in, so that its failure does not end the others.
    """
    names = {*OURS, *(r.check for r in asked.judged.requirements)}
    results: list[CheckResult] = []
    for name, one in registry.checks().items():
        if name in names:
            with guarded(f"run the check {name}"):
                results += [r for r in one.run(seen) if _of_operation(r, seen)]
    with guarded("compare with what training recorded"):
        results += shift(seen, results, known, columns_read(seen))
    if REFERENCE in seen.datasets or REFERENCE in seen.refused:
        with guarded("look at the reference"):
            said = reference_result(seen, known, reference)
            results = [_nothing_drifts(r, said.problem) for r in results] if said.problem is not None else results
            results.append(said)
    return results


def columns_read(seen: Observation) -> tuple[str, ...]:
    """Return the columns that must be there: those that the model reads, and the sensitive ones."""
    return tuple(dict.fromkeys([*(features(seen) or ()), *seen.system.data.sensitive_columns]))


def _of_operation(result: CheckResult, seen: Observation) -> bool:
    """Return whether a result is about data that monitoring sees."""
    named = {result.scope.get(key, "") for key in ("dataset", "reference")} - {""}
    if result.check in OURS and result.scope.get("dataset") != PRODUCTION:
        return False
    return all(role in seen.datasets or role in seen.refused for role in named)


def _nothing_drifts(result: CheckResult, problem: Problem | None) -> CheckResult:
    """Replace a comparison with a reference that cannot be one."""
    if result.check != "drift":
        return result
    return CheckResult(check="drift", scope=result.scope, problem=problem)


def _not_loaded(frame: Any) -> Any:  # noqa: ARG001 - the form of predict
    raise CannotMeasure("the model was not loaded: its answers were given with --predictions", fix="leave out --predictions")
