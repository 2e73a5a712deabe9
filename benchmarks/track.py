"""Everything that aims.track does around a model, against the same evidence made by hand from four libraries."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aims_mlflow as aims
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.signing import open_bundle
from benchmarks.comparing import Comparison
from benchmarks.data import GROUPS, NUMBERS, WORDS, Fitted, fitted
from benchmarks.groups import by_metric_frame
from benchmarks.observing import SUITE, system
from benchmarks.quality import validated


@dataclass(frozen=True)
class ByHand:
    """What the four libraries said: drifted columns, the expectations met, the accuracy, and rates by sex."""

    drifted: int
    met: list[bool]
    accuracy: float
    rates: Any


def comparisons(quick: bool = False) -> Iterator[Comparison]:
    """Yield one: 100,000 x 20 in all, 60,000 of them for training; wall time, libraries warm, MLflow on sqlite."""
    rows = 2_000 if quick else 100_000
    given = fitted(rows)
    with store() as folder:
        declared = system(folder)

        @aims.track(declared)
        def train(train: Any, test: Any) -> Any:  # noqa: ARG001 - frames are for the decorator; fitting is not what is compared
            return given.model

        def ours() -> Bundle:
            train(given.train, given.test)
            return last_bundle()

        name = f"all of `@aims.track`, {rows:,} x 20, wall time"
        instead = "Evidently drift and classification presets, Great Expectations, `MetricFrame` by hand"
        yield Comparison(name, instead, lambda: by_hand(given), ours, agree, "of", 0.7, clock=time.perf_counter)


@contextlib.contextmanager
def store() -> Iterator[Path]:
    """Set MLflow to a fresh sqlite store in a temporary folder, and keep keys and spool there too."""
    import mlflow

    names = ("AIMS_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = {name: os.environ.get(name) for name in names}
    uris = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with tempfile.TemporaryDirectory() as made, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(made)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        os.environ |= {"AIMS_HOME": str(folder / "home")}
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        mlflow.create_experiment("benchmark", artifact_location=(folder / "artifacts").as_uri())
        mlflow.set_experiment("benchmark")
        try:
            yield folder
        finally:
            mlflow.set_tracking_uri(uris[0])
            mlflow.set_registry_uri(uris[1])
            os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def last_bundle() -> Bundle:
    """Return the bundle of the newest run, as it was logged."""
    import mlflow

    (run,) = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("benchmark").experiment_id], max_results=1)
    return open_bundle(Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=BUNDLE_PATH)).read_bytes())[0]


def by_hand(given: Fitted) -> ByHand:
    """Return what a user would ask of each library. Nothing is logged, signed or judged."""
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset, DataDriftPreset

    features = list(given.features)
    frames = {
        name: frame.assign(said=given.model.predict(frame[features])) for name, frame in (("train", given.train), ("test", given.test))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = DataDefinition(
            numerical_columns=list(NUMBERS),
            categorical_columns=[*WORDS, *GROUPS, "paid", "said"],
            classification=[BinaryClassification(target="paid", prediction_labels="said", pos_label=1)],
        )
        train, test = (Dataset.from_pandas(frames[name], data_definition=columns) for name in ("train", "test"))
        drift = [*NUMBERS, *WORDS, *GROUPS, "paid"]
        report = Report([DataDriftPreset(columns=drift), ClassificationPreset()]).run(test, train).dict()
        met = validated(given.train)
    values = {one["metric_name"].partition("(")[0]: one["value"] for one in report["metrics"]}
    rates = {name: by_metric_frame(frames["test"]["paid"], frames["test"]["said"], frames["test"][name])[0] for name in GROUPS}
    return ByHand(int(values["DriftedColumnsCount"]["count"]), met, float(values["Accuracy"]), rates)


def agree(theirs: ByHand, ours: Bundle) -> str:
    """Compare drifted columns, expectations, accuracy, and every rate of every group."""
    found = {(r.check, tuple(sorted(r.scope.items()))): r for r in ours.results}

    def value(check: str, name: str, group: str | None = None, **scope: str) -> float:
        measures = found[check, tuple(sorted(scope.items()))].measures
        (one,) = [m for m in measures if m.name == name and m.group == group]
        assert one.value is not None
        return one.value

    assert value("drift", "drifted_columns", dataset="test", reference="train") == theirs.drifted
    assert value("quality", "expectations_failed", dataset="train", suite="suite.json") == theirs.met.count(False)
    assert value("quality", "expectations_evaluated", dataset="train", suite="suite.json") == len(SUITE)
    assert abs(value("performance", "accuracy_score", dataset="test") - theirs.accuracy) < 1e-9
    for column, groups in GROUPS.items():
        for group in groups:
            for rate, expected in theirs.rates[column].loc[group].items():
                assert abs(value("fairness", str(rate), group, dataset="test", column=column) - expected) < 1e-9
    checks = len({r.check for r in ours.results})
    same = f"drifted columns, expectations, accuracy, every rate by {' and '.join(GROUPS)}"
    return f"yes: {same}; ours is {checks} checks, logged, judged, signed"
