"""What is written of a run: its bundle, and the bundle's index in MLflow (tags, metrics, inputs, a description), which decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from aims_mlflow import describing
from aims_mlflow.bundle import AskedFor, Bundle, DatasetSummary, FileDigest, ModelSummary, RunSummary
from aims_mlflow.evidence import CheckResult, Evidence, State, collector, worst
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.observation import Dataset, Model, Observation
from aims_mlflow.store import InputView
from aims_mlflow.system import Attestation, Requirement, System

METRICS_AT_MOST = 200
"""A run's metrics page is for reading; the bundle holds every measure."""

METRICS_A_CHECK = 30
KEY_LIMIT = 250
NOTE = "mlflow.note.content"
NOTE_MARK = "<!-- aims -->"
"""Where our part of a run's description begins."""

_UNFIT = re.compile(r"[^0-9A-Za-z_.\-]+")


def bundle(
    seen: Observation,
    run: RunSummary,
    results: Iterable[CheckResult],
    evidence: Iterable[Evidence],
    *,
    attested: Iterable[Attestation] = (),
    complete: bool = True,
) -> Bundle:
    """Return the bundle of a run: what was asked for, seen, measured and judged."""
    return Bundle(
        collector=collector(),
        system_id=seen.system.id,
        policy_sha256=seen.system.sha256,
        run=run,
        model=None if seen.model is None else _model_summary(seen.model, seen.run.registered),
        datasets=tuple(_dataset_summary(d) for d in seen.datasets.values()),
        requirements=tuple(
            AskedFor(
                id=r.id,
                bound=r.bound,
                severity=r.severity,
                because=r.because,
                owner=r.owner,
                declared=r.declared.isoformat() if r.declared else run.started.isoformat(),
            )
            for r in seen.system.requirements
        ),
        results=tuple(results),
        attestations=tuple(attested),
        evidence=tuple(evidence),
        complete=complete,
    )


def tags(system: System, lines: Iterable[ControlLine], gated: Iterable[str]) -> dict[str, str]:
    """Return the tags ``aims.system``, ``aims.state`` (the worst over the gated controls) and one per control.

    A control is tagged if it is of A.6 or A.7, or if there is evidence about it.
    """
    by_control = {line.control: line for line in lines}
    states = tuple(by_control[control].state for control in gated if control in by_control)
    shown = {c: line for c, line in by_control.items() if c.startswith(("A.6.", "A.7.")) or line.evidence}
    return {
        "aims.system": system.id,
        "aims.state": worst(states).value,
        **{f"aims.{control}": line.state.value for control, line in shown.items()},
    }


def metrics(results: Sequence[CheckResult], asked: Iterable[Requirement] = ()) -> dict[str, float]:
    """Return ``aims.<check>.<measure>[.<scope>]`` -> value for the measures taken on everybody (no group).

    What a requirement asks for comes first; of the rest of a check, ``METRICS_A_CHECK`` at most; ``METRICS_AT_MOST`` in all.
    """
    wanted = {(r.check, r.metric) for r in asked}
    first: dict[str, float] = {}
    rest: dict[str, dict[str, float]] = {}
    for result in results:
        for measure in result.measures:
            if measure.value is not None and measure.group is None:
                place = first if (result.check, measure.name) in wanted else rest.setdefault(result.check, {})
                place.setdefault(_metric_name(result, measure.name), measure.value)
    others = [item for check in rest.values() for item in list(check.items())[:METRICS_A_CHECK]]
    return dict([*first.items(), *others][:METRICS_AT_MOST])


def inputs(datasets: Mapping[str, Dataset]) -> tuple[InputView, ...]:
    """Return the datasets as MLflow run inputs."""
    return tuple(
        InputView(
            name=role,
            role=role,
            sha256=seen.fingerprint.sha256,
            source=(describing.address(seen.source.uri) if seen.source else "") or "in memory",
            rows=seen.fingerprint.rows,
            columns=dict(seen.fingerprint.dtypes),
        )
        for role, seen in datasets.items()
    )


def version_tags(run_tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of the model version that the run has made: those of the run."""
    return {key: value for key, value in run_tags.items() if key.startswith("aims.")}


def note(card: str, written: str) -> str:
    """Return a run's description with the scorecard; what the user had ``written`` there stays above it."""
    own = written.partition(NOTE_MARK)[0].rstrip()
    return f"{own}\n\n{NOTE_MARK}\n{card}" if own else f"{NOTE_MARK}\n{card}"


def counted(lines: Iterable[ControlLine], gated: Iterable[str]) -> str:
    """Return how many of the gated controls are in which state, in words: ``9 pass, 2 missing``."""
    among = set(gated)
    states = [line.state for line in lines if line.control in among]
    return ", ".join(f"{states.count(s)} {s.value.replace('_', ' ')}" for s in State if s in states) or "none gated"


def _metric_name(result: CheckResult, measure: str) -> str:
    """Join check, measure and what it was taken on; the usual dataset of what rests on predictions (test) goes without saying."""
    scope = [value for key, value in result.scope.items() if not (key == "dataset" and value == "test" and result.check != "quality")]
    return _UNFIT.sub("_", ".".join(["aims", result.check, measure, *scope]))[:KEY_LIMIT]


def _model_summary(model: Model, registered: str) -> ModelSummary:
    return ModelSummary(
        uri=model.uri,
        flavour=model.flavour,
        serialization=model.serialization,
        registered=registered,
        files={path: FileDigest(size=size, sha256=sha256) for path, (size, sha256) in model.files.items()},
    )


def _dataset_summary(dataset: Dataset) -> DatasetSummary:
    found = dataset.fingerprint
    return DatasetSummary(
        role=dataset.role,
        sha256=found.sha256,
        algorithm=found.algorithm,
        rows=found.rows,
        columns=found.columns,
        dtypes=tuple(found.dtypes[c] for c in found.columns),
        source=describing.address(dataset.source.uri) if dataset.source else "",
    )
