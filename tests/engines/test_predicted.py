"""Predictions in a column of the data: on every engine what pandas says of the same arrays, exact where counts of all rows suffice."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.capture.intake import Intake
from aims_mlflow.engines import counting
from aims_mlflow.engines.predicted import resolved
from aims_mlflow.engines.restating import restated
from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult
from aims_mlflow.hooks.tracking import track
from aims_mlflow.judging import judge
from aims_mlflow.measuring.predicting import feature_frame
from aims_mlflow.observation import Code, Observation, RunFacts
from aims_mlflow.settings import CELLS_IN_MEMORY, SAMPLE_ROWS, SAMPLE_SEED
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import Requirement, System

from .conftest import on

ROWS = 1500
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CHECKS = ("provenance", "quality", "overlap", "performance", "fairness")
BIG = ("polars", "polars lazy", "pyarrow", "pyarrow dataset", "duckdb", "spark")
SCORED = ("roc_auc_score", "brier_score_loss", "log_loss", "average_precision_score", "expected_calibration_error")


def system(kind: str = "binary_classification") -> System:
    task: dict[str, Any] = {"kind": kind, "target": "y"}
    if kind != "regression":
        task |= {"positive_label": 1, "favourable_label": 0} if kind.startswith("binary") else {"favourable_label": 2}
    sensitive = ["sex", "region", {"column": "age", "bins": [30, 50]}]
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": "predicted"},
            "task": task,
            "data": {"roles": {"test": "test"}, "sensitive": sensitive, "intersections": True},
            "requirements": [
                {"check": "performance", "metric": name, "min": 0.5}
                for name in ("matthews_corrcoef", "jaccard_score", "f1_weighted", "positive_likelihood_ratio", "cohen_kappa_score")
            ],
        }
    )


def rows(classes: int = 2, seed: int = 0) -> pd.DataFrame:
    """Data with answers in them; the region "isle" has seven rows, fewer than may be named, and a row stands twice."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, ROWS)
    y = (score + random.normal(0, 0.3, ROWS) > 0.5).astype(int) if classes == 2 else random.integers(0, classes, ROWS)
    said = (score > 0.5).astype(int) if classes == 2 else np.where(random.random(ROWS) < 0.6, y, random.integers(0, classes, ROWS))
    made = pd.DataFrame(
        {
            "x": random.normal(size=ROWS),
            "sex": random.choice(["f", "m"], ROWS),
            "region": np.where(np.arange(ROWS) < 7, "isle", random.choice(["north", "south"], ROWS)),
            "age": random.integers(18, 70, ROWS),
            "y": y,
            "said.by": said,
            "score": score,
        }
    )
    made.loc[1] = made.loc[0]
    return made


def found(
    declared: System, frames: dict[str, Any], said: Any, scores: Any = None, names: tuple[str, ...] = CHECKS
) -> dict[Any, CheckResult]:
    """What the checks say of frames and of predictions on the test data, taken as a run takes them."""
    seen = observed(declared, frames, said, scores)
    wholes = {role: one.whole for role, one in seen.datasets.items() if one.whole is not None}
    results = [restated(r, wholes, declared) for name in names for r in registry.get(name).run(seen)]
    return {(r.check, *sorted(r.scope.items())): r for r in results}


def observed(declared: System, frames: dict[str, Any], said: Any, scores: Any = None) -> Observation:
    intake = Intake(declared)
    intake.predictions("test", said, scores=scores)
    for role, frame in frames.items():
        intake.data(frame, role)
    datasets, given, counted = resolved({role: one.dataset for role, one in intake._seen.items()}, intake._predictions, declared)
    return Observation(declared, datasets, RunFacts("run", AT, Code("unknown")), given_predictions=given, counted=counted)


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAMPLE_ROWS.name, "300")
    monkeypatch.setenv(CELLS_IN_MEMORY.name, "0")


def apart(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[Any], pd.Series[Any]]:
    return frame.drop(columns=["said.by", "score"]), frame["said.by"], frame["score"]


def test_in_memory_a_column_is_the_same_as_an_array() -> None:
    frame = rows()
    train, (test, said, scores) = rows(seed=1).drop(columns=["said.by", "score"]), apart(frame)
    wanted = found(system(), {"train": train, "test": test}, said.to_numpy(), scores.to_numpy())
    got = found(system(), {"train": train, "test": frame}, "said.by", "score")
    assert got.keys() == wanted.keys()
    for key, result in wanted.items():
        if result.check == "provenance":  # the frame as it was given has the columns
            continue
        assert (got[key].measures, got[key].problem, got[key].notes) == (result.measures, result.problem, result.notes), key
    traced = got["provenance", ("dataset", "test")]
    assert {m.name: m.value for m in traced.measures}["digest_mismatch"] == 0
    assert {m.name: m.value for m in traced.measures}["columns"] == 7


@pytest.mark.parametrize("engine", BIG, ids=[name.replace(" ", "-") for name in BIG])
def test_what_counts_determine_is_exact_on_every_engine(
    engine: str, tmp_path: Path, small_samples: None, request: pytest.FixtureRequest
) -> None:
    spark = request.getfixturevalue("spark") if engine == "spark" else None
    test, said, scores = apart(rows())
    train = rows(seed=1).drop(columns=["said.by", "score"])
    foreign = on(engine, pa.Table.from_pandas(rows(), preserve_index=False), tmp_path, spark)
    wanted = found(system(), {"train": train, "test": test}, said, scores)
    got = found(system(), {"train": train, "test": foreign}, "said.by", "score")
    assert got.keys() == wanted.keys()
    for key, result in wanted.items():
        names = got[key].facts.get(OVER_ALL_ROWS, [])
        assert isinstance(names, list)
        ours = {(m.name, m.group): m for m in result.measures}
        theirs = {(m.name, m.group): m for m in got[key].measures}
        assert theirs.keys() == ours.keys()
        if result.check in ("performance", "fairness", "overlap"):
            assert {m.name for m in result.measures} - set(names) <= set(scored(result)), key
            assert [theirs[at] for at in ours if at[0] in names] == [ours[at] for at in ours if at[0] in names], key
    performance = got["performance", ("dataset", "test")]
    sizes = {m.name: m.n for m in performance.measures}
    assert (sizes["accuracy_score"], sizes["rows"], sizes["positive_likelihood_ratio"]) == (ROWS, ROWS, ROWS)
    assert all(0 < (sizes[name] or 0) <= 300 for name in SCORED)
    assert any("exact, counted over all rows by the engine: accuracy_score, balanced_accuracy_score" in note for note in performance.notes)
    table, plain = got["quality", ("dataset", "test")], wanted["quality", ("dataset", "test")]
    assert [m for m in table.measures if m.exact] == [m for m in plain.measures if m.exact]  # the answers are no columns of the data


def scored(result: CheckResult) -> list[str]:
    """The names of measures that need scores."""
    words = (*SCORED, "roc_auc", "calibration", "log_loss", "brier")
    return [m.name for m in result.measures if any(word in m.name for word in words)]


def test_several_classes_are_counted_too(tmp_path: Path, small_samples: None) -> None:
    declared, frame = system("multiclass_classification"), rows(classes=3)
    test, said, _ = apart(frame)
    foreign = on("duckdb", pa.Table.from_pandas(frame.drop(columns="score"), preserve_index=False), tmp_path)
    wanted = found(declared, {"test": test}, said, names=("performance", "fairness"))
    got = found(declared, {"test": foreign}, "said.by", names=("performance", "fairness"))
    for ours, theirs in zip(wanted.values(), got.values(), strict=True):
        of_labels = [[m for m in side.measures if m.name not in ("roc_auc_score", "log_loss")] for side in (theirs, ours)]
        assert of_labels[0] == of_labels[1]
    assert all(r.problem is None for r in got.values())


def test_categories_are_groups_and_labels_too(tmp_path: Path, small_samples: None) -> None:
    frame = rows().astype({"sex": "category", "y": bool, "said.by": bool})
    test, said, _ = apart(frame)
    wanted = found(system(), {"test": test}, said, names=("fairness",))
    for engine in ("pyarrow dataset", "polars lazy"):
        foreign = on(engine, pa.Table.from_pandas(frame.drop(columns="score"), preserve_index=False), tmp_path)
        got = found(system(), {"test": foreign}, "said.by", names=("fairness",))
        assert [r.measures for r in got.values()] == [r.measures for r in wanted.values()]
        assert all(r.problem is None for r in got.values())


def test_data_that_did_not_stand_still_have_no_counts(small_samples: None) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.register("given", rows())
    connection.execute("create table answers as select * from given")
    intake = Intake(system())
    intake.data(connection.table("answers"), "test")
    intake.predictions("test", "said.by")
    connection.execute("delete from answers where sex = 'f'")
    _, given, _ = resolved({role: one.dataset for role, one in intake._seen.items()}, intake._predictions, system())
    assert isinstance(given["test"], CannotMeasure)
    assert "had 1500 rows when it was taken" in given["test"].what


def test_a_regression_stays_on_the_sample(tmp_path: Path, small_samples: None) -> None:
    foreign = on("polars lazy", pa.Table.from_pandas(rows(), preserve_index=False), tmp_path)
    (result,) = found(system("regression"), {"test": foreign}, "score", names=("performance",)).values()
    measure = result.measure("rows")
    assert measure is not None
    assert measure.value is not None
    assert measure.value <= 300
    assert OVER_ALL_ROWS not in result.facts


def test_too_many_combinations_leave_the_sample_and_say_so(tmp_path: Path, small_samples: None, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = on("duckdb", pa.Table.from_pandas(rows(), preserve_index=False), tmp_path)
    intake_first = observed(system(), {"test": foreign}, "said.by")
    assert len(intake_first.counted) == 1
    monkeypatch.setattr(counting, "GROUPS_AT_MOST", 20)
    results = found(system(), {"test": foreign}, "said.by", names=("performance", "fairness"))
    for result in results.values():
        assert OVER_ALL_ROWS not in result.facts
        assert any("were not counted over all rows: there are more than 20 different combinations" in note for note in result.notes)


def test_a_group_that_the_sample_has_not_leaves_scores_undecided(
    tmp_path: Path, small_samples: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven rows of 1500: with this seed none of them is drawn. What all groups must meet is not met by those that were seen."""
    asked = Requirement(check="fairness", metric="roc_auc_score_group_min", column="region", min=0.1, minimum_n=1)
    declared = system().model_copy(update={"requirements": (asked,)})
    foreign = on("duckdb", pa.Table.from_pandas(rows(), preserve_index=False), tmp_path)
    for seed in range(100):
        monkeypatch.setenv(SAMPLE_SEED.name, str(seed))
        seen = observed(declared, {"test": foreign}, "said.by", "score")
        if "isle" not in set(seen.datasets["test"].frame["region"]):
            break
    results = found(declared, {"test": foreign}, "said.by", "score", names=("fairness",))
    result = results["fairness", ("column", "region"), ("dataset", "test")]
    areas = {m.group: (m.value is None, m.n) for m in result.measures if m.name == "roc_auc_score"}
    assert areas.pop("withheld-1 (under 10 rows)") == (True, 0)
    assert not any(none for none, _ in areas.values())
    evidence = judge(declared, [result], run_id="run", started=AT, now=AT)
    (verdict,) = [one for one in evidence if one.check == "fairness" and one.kind == "declared"]
    assert verdict.state.value == "inconclusive"


def test_a_tracked_run_takes_the_names_in_any_order(mlflow_home: str, tmp_path: Path, small_samples: None) -> None:
    foreign = on("polars lazy", pa.Table.from_pandas(rows(), preserve_index=False), tmp_path)
    with track(system()) as run:
        run.predictions("test", "said.by", scores="score")
        run.data(foreign, "test")
    store = Store()
    (made,) = store.latest_runs("predicted", 5)
    bundle = open_bundle(store.read(made.run_id, BUNDLE_PATH))[0]
    assert bundle.complete
    (result,) = [r for r in bundle.results if r.check == "performance" and r.scope == {"dataset": "test"}]
    accuracy = result.measure("accuracy_score")
    assert accuracy is not None
    assert (accuracy.n, accuracy.count) == (ROWS, int((rows()["y"] == rows()["said.by"]).sum()))
    traced = next(r for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "test"})
    mismatch = traced.measure("digest_mismatch")
    assert mismatch is not None
    assert mismatch.value == 0


# What cannot be taken


@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
@pytest.mark.parametrize(
    ("said", "scores", "told"),
    [
        ("sayd", None, "the column 'sayd' of predictions is not in the data"),
        ("said.by", "skore", "the column 'skore' of predictions is not in the data"),
        ("y", None, "the column 'y' of predictions is declared as something else"),
        ("sex", None, "the column 'sex' of predictions is declared as something else"),
        ("holes", None, r"1 of (\d+) predictions are missing"),
        ("said.by", "gaps", r"1( of \d+)? scores are missing"),
    ],
    ids=["no such labels", "no such scores", "the target", "a sensitive column", "a missing label", "a missing score"],
)
def test_what_is_no_prediction_is_an_error_and_no_pass(
    engine: str, said: str, scores: str | None, told: str, tmp_path: Path, small_samples: None
) -> None:
    frame = rows()
    frame["holes"], frame["gaps"] = frame["said.by"].astype("float"), frame["score"]
    frame.loc[ROWS - 1, ["holes", "gaps"]] = np.nan  # one row of 1500: few samples have it
    given = on(engine, pa.Table.from_pandas(frame, preserve_index=False), tmp_path)
    results = found(system(), {"test": given}, said, scores, names=("performance", "fairness"))
    assert results
    for result in results.values():
        assert result.measures == ()
        assert result.problem is not None
        assert result.problem.state == "error"
        assert re.search(told, result.problem.reason)


def test_a_name_and_an_array_do_not_go_together() -> None:
    with pytest.raises(CannotMeasure, match="name of a column, and scores are none"):
        Intake(system()).predictions("test", "said.by", scores=[0.5])
    with pytest.raises(CannotMeasure, match="name of a column, and scores are none"):
        Intake(system()).predictions("test", [1], scores="score")


def test_no_data_for_the_role_is_missing_evidence() -> None:
    results = found(system(), {}, "said.by", names=("performance",))
    assert [r.problem.state for r in results.values() if r.problem] == ["missing"]


def test_the_columns_are_no_features() -> None:
    seen = observed(system(), {"test": rows()}, "said.by", "score")
    assert list(feature_frame(seen, "test").columns) == ["x"]


def test_an_engine_that_is_closed_is_an_error(small_samples: None) -> None:
    import duckdb

    connection = duckdb.connect()
    intake = Intake(system())
    intake.data(connection.from_arrow(pa.Table.from_pandas(rows(), preserve_index=False)), "test")
    intake.predictions("test", "said.by")
    connection.close()
    _, given, counted = resolved({role: one.dataset for role, one in intake._seen.items()}, intake._predictions, system())
    assert counted == {}
    assert isinstance(given["test"], CannotMeasure)
    assert "engine that holds the test data failed" in given["test"].what
