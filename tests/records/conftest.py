"""A small system, results made by hand with known numbers, and runs that hold them, signed, in a real sqlite MLflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.bundle import BUNDLE_PATH, Bundle, DatasetSummary, FileDigest, ModelSummary, RunSummary
from aims_mlflow.disparity import DISPARITIES, disparity_value
from aims_mlflow.evidence import CheckResult, Measure, digest
from aims_mlflow.intervals import wilson
from aims_mlflow.judging import judge
from aims_mlflow.records.reading import Declared
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import Store, VersionView
from aims_mlflow.system import System

TODAY = datetime.now(UTC).date()

CONTENT: dict[str, Any] = {
    "version": 1,
    "system": {
        "id": "loans",
        "name": "Loan decisions",
        "owner": {"name": "Head of credit"},
        "purpose": "Rank applicants.",
        "intended_uses": ["Decision support"],
        "prohibited_uses": ["Refusal without a person"],
        "affected_parties": [{"name": "applicants", "size": 10_000, "vulnerable": False, "source": "applications in 2025"}],
        "model": "loans",
    },
    "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["sex"]},
    "requirements": [
        {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8, "declared": "2026-01-10"},
        {
            "check": "robustness",
            "perturbation": "numeric_noise",
            "strength": 0.1,
            "metric": "accuracy_drop",
            "max": 0.05,
            "declared": "2026-01-10",
        },
        {
            "check": "drift",
            "dataset": "test",
            "reference": "train",
            "metric": "drifted_columns_share",
            "max": 0.5,
            "declared": "2026-01-10",
        },
        {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.99, "declared": "2026-01-10"},
    ],
    "risk": {
        "criteria": {"adopted_by": "Chief risk officer", "adopted_on": "2026-01-15"},
        "consequences": [
            {
                "objective": o,
                "party": "applicants",
                "dimension": "rights",
                "class": 3,
                "rationale": "can be appealed",
                "set_by": "Head of credit",
                "set_on": "2026-01-15",
            }
            for o in ("C.2.5", "C.2.8", "C.2.3", "C.2.1", "C.2.10", "C.2.11")
        ],
    },
    "impact": {"answers": {"benefits": {"text": "Faster decisions", "by": "Product owner", "on": "2026-01-20"}}},
    "attestations": [{"control": "A.6.2.2", "statement": "approved", "by": "Head of credit", "on": "2026-01-12"}],
}


def merged(base: Any, changes: Any) -> Any:
    if isinstance(base, dict) and isinstance(changes, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in changes.items()}}
    return changes


def make_system(**changes: Any) -> System:
    """The system above with parts replaced, dictionaries key by key."""
    return System.model_validate(merged(CONTENT, changes))


def make_declared(system: System | None = None) -> Declared:
    return Declared(system or make_system(), True, "aims.yaml")


def make_rates(groups: dict[str, tuple[int, int]], rate: str = "selection_rate") -> list[Measure]:
    made = [Measure.counted("group_size", n, n=n, group=g) for g, (_, n) in groups.items()]
    for group, (count, n) in groups.items():
        low, high = wilson(count, n)
        made.append(Measure(name=rate, value=count / n, ci_low=low, ci_high=high, ci_method="wilson", n=n, count=count, group=group))
    return made


def make_fairness(column: str = "sex", groups: dict[str, tuple[int, int]] | None = None) -> CheckResult:
    measures = make_rates(groups or {"female": (300, 500), "male": (310, 500)})
    rates = {"selection_rate": {m.group: m for m in measures if m.name == "selection_rate" and m.group}}
    measures += [
        Measure(name=name, value=disparity_value(name, rates), n=min(m.n or 0 for m in rates["selection_rate"].values()))
        for name, disparity in DISPARITIES.items()
        if disparity.rates == ("selection_rate",)
    ]
    return CheckResult(check="fairness", scope={"dataset": "test", "column": column}, measures=tuple(measures))


def make_robustness(value: float = 0.01, half: float = 0.01, n: int = 1000) -> CheckResult:
    drop = Measure(name="accuracy_drop", value=value, ci_low=value - half, ci_high=value + half, ci_method="paired bootstrap", n=n)
    return CheckResult(check="robustness", scope={"dataset": "test", "perturbation": "numeric_noise", "strength": "0.1"}, measures=(drop,))


def make_drift(distances: Sequence[tuple[float, float]] = ((0.02, 0.01), (0.03, 0.01))) -> tuple[CheckResult, ...]:
    scope = {"dataset": "test", "reference": "train"}
    drifted = sum(d > 0.1 for d, _ in distances)
    share = Measure(
        name="drifted_columns_share", value=drifted / len(distances), ci_low=0, ci_high=0.5, ci_method="columns", n=len(distances)
    )
    columns = tuple(
        CheckResult(
            check="drift",
            scope={**scope, "column": f"x{i}"},
            measures=(
                Measure(name="distance", value=d, ci_low=max(0.0, d - 1.96 * e), ci_high=d + 1.96 * e, ci_method="bootstrap", n=500),
            ),
            facts={"threshold": 0.1},
        )
        for i, (d, e) in enumerate(distances)
    )
    return CheckResult(check="drift", scope=scope, measures=(share,), facts={"threshold": 0.1}), *columns


def make_quality(share: float = 1.0) -> CheckResult:
    return CheckResult(
        check="quality",
        scope={"dataset": "train"},
        measures=(Measure(name="completeness", value=share, ci_method="full count", n=1000), Measure.counted("all_null_columns", 0, n=5)),
    )


def make_preparation() -> CheckResult:
    measures = (Measure.counted("steps_recorded", 3), Measure.counted("fitted_on_other_data", 0, n=3))
    return CheckResult(check="preparation", measures=measures)


def make_results(*others: CheckResult) -> tuple[CheckResult, ...]:
    """One result of each kind; those given take the place of those with the same check."""
    known: list[CheckResult] = [make_fairness(), make_robustness(), *make_drift(), make_quality(), make_preparation()]
    named = {one.check for one in others}
    return tuple(one for one in known if one.check not in named) + others


@dataclass
class World:
    """A real store, and how runs with evidence get into it."""

    store: Store
    folder: Path

    def run(
        self,
        system: System,
        results: Sequence[CheckResult] | None = None,
        *,
        register: bool = True,
        started: datetime | None = None,
        alter: Callable[[Bundle], Bundle] = lambda bundle: bundle,
        model: str = "loans",
    ) -> VersionView | str:
        """Do what the recorder does, with results made by hand; returns the version, or the run's id."""
        import mlflow

        client = mlflow.MlflowClient()
        run_id = self.store.create_run("tests", "training", {"aims.system": system.id})
        logged = client.create_logged_model(self.store.run(run_id).experiment_id, name="model", source_run_id=run_id)
        place = Path(logged.artifact_location.removeprefix("file://"))
        place.mkdir(parents=True)
        (place / "MLmodel").write_text(f"run_id: {run_id}\n")
        (place / "weights").write_bytes(b"\x00\x01")
        client.finalize_logged_model(logged.model_id, "READY")
        uri = f"models:/{logged.model_id}"
        files = {path: FileDigest(size=size, sha256=sha) for path, (size, sha) in self.store.model_files(uri).items()}
        bundle = alter(
            make_bundle(system, results, run_id=run_id, model=ModelSummary(uri=uri, flavour="sklearn", files=files), started=started)
        )
        self.store.write(run_id, BUNDLE_PATH, seal_bundle(bundle))
        self.store.end_run(run_id)
        if not register:
            return run_id
        return self.store.register(uri, model, run_id=run_id, tags={"aims.system": system.id})

    def version(self, system: System, results: Sequence[CheckResult] | None = None, **given: Any) -> VersionView:
        made = self.run(system, results, **given)
        assert isinstance(made, VersionView)
        return made

    def files_of(self, version: VersionView) -> Path:
        with self.store.model_folder(version) as folder:
            return folder

    def artifact(self, run_id: str, path: str) -> Path:
        import mlflow

        return Path(str(mlflow.MlflowClient().get_run(run_id).info.artifact_uri).removeprefix("file://")) / path


def make_bundle(
    system: System,
    results: Sequence[CheckResult] | None = None,
    *,
    run_id: str = "0" * 32,
    model: ModelSummary | None = None,
    started: datetime | None = None,
) -> Bundle:
    began = started or datetime.now(UTC) - timedelta(minutes=5)
    finished = began + timedelta(minutes=1)
    measured = make_results() if results is None else tuple(results)
    return Bundle(
        collector="aims-mlflow test",
        system_id=system.id,
        policy_sha256=system.sha256,
        run=RunSummary(run_id=run_id, started=began, finished=finished, outcome="finished"),
        model=model,
        datasets=tuple(
            DatasetSummary(role=role, sha256=digest(role), algorithm="sha256", rows=1000, columns=("x", "y"), dtypes=("float64", "int64"))
            for role in ("train", "test")
        ),
        requirements=(),
        results=measured,
        evidence=judge(system, measured, run_id=run_id, started=began, now=finished),
        complete=True,
    )


@pytest.fixture
def world(mlflow_home: str, tmp_path: Path) -> World:
    return World(Store(), tmp_path)


@dataclass(frozen=True)
class Makers:
    """The builders above, as test modules get them."""

    system: Callable[..., System] = make_system
    declared: Callable[..., Declared] = make_declared
    fairness: Callable[..., CheckResult] = make_fairness
    robustness: Callable[..., CheckResult] = make_robustness
    drift: Callable[..., tuple[CheckResult, ...]] = make_drift
    quality: Callable[..., CheckResult] = make_quality
    results: Callable[..., tuple[CheckResult, ...]] = make_results
    bundle: Callable[..., Bundle] = make_bundle
    today: date = TODAY


@pytest.fixture
def make() -> Makers:
    return Makers()


@pytest.fixture
def seen(make: Makers) -> Callable[..., Any]:
    """Returns a version as ``reading`` gives it, without MLflow."""
    from aims_mlflow.decision import VersionFacts
    from aims_mlflow.gate import decide
    from aims_mlflow.judging.lines import control_lines
    from aims_mlflow.records.reading import Seen
    from aims_mlflow.signing import Verified

    def build(system: System | None = None, results: Sequence[CheckResult] | None = None, started: datetime | None = None) -> Seen:
        policy = system or make.system()
        files = {"weights": FileDigest(size=2, sha256="a" * 64)}
        bundle = make_bundle(policy, results, started=started, model=ModelSummary(uri="models:/m-1", flavour="sklearn", files=files))
        verified = Verified(b"", ("k" * 64,), trusted=False, development=False, sha256="b" * 64)
        now = datetime.now(UTC)
        facts = VersionFacts(name="loans", version="1", run_id=bundle.run.run_id, run_status="FINISHED")
        gate = decide(policy, bundle, facts, now=now, verification=verified, model_files={"weights": (2, "a" * 64)})
        judged = judge(policy, bundle.results, run_id=bundle.run.run_id, started=bundle.run.started, now=now)
        return Seen(
            uri="models:/loans/1",
            name="loans",
            version="1",
            run_id=bundle.run.run_id,
            created=bundle.run.finished,
            aliases=(),
            opened=bundle,
            bundle=bundle,
            verification=verified,
            gate=gate,
            hashed=True,
            judged=judged,
            lines=control_lines(policy, judged, bundle.results, today=now.date()),
            decisions=(),
        )

    return build
