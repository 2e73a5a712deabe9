"""Frames of any engine through the recorder: the same evidence where all rows are seen, and honest words where a sample is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.capture.intake import Intake
from aims_mlflow.checks import drift
from aims_mlflow.engines import taking
from aims_mlflow.engines.content import ALGORITHM, content_fingerprint
from aims_mlflow.engines.restating import AT_LEAST, ON_A_SAMPLE, restated
from aims_mlflow.engines.shared import BY_KEYS
from aims_mlflow.engines.whole import OVER_ALL_ROWS
from aims_mlflow.errors import CannotMeasure, ConfigurationError
from aims_mlflow.evidence import CheckResult, Measure
from aims_mlflow.fingerprint import fingerprint
from aims_mlflow.hooks.tracking import track
from aims_mlflow.judging.bounds import measure_verdict
from aims_mlflow.observation import Code, Model, Observation, RunFacts
from aims_mlflow.settings import CELLS_IN_MEMORY, SAMPLE_ROWS, SAMPLE_SEED
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store
from aims_mlflow.system import Requirement, System

from .conftest import on

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # the libraries' own

CHECKS = ("provenance", "quality", "overlap", "characteristics", "performance", "fairness", "representativeness", "drift")
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def declared(example_system: System) -> System:
    """The example system without what Great Expectations is asked: it is slow to import, and sees the same pandas frame."""
    kept = tuple(r for r in example_system.requirements if r.expectation is None and not r.suite)
    return example_system.model_copy(update={"requirements": kept})


def measured(system: System, frames: Mapping[str, Any], pipeline: Any, names: tuple[str, ...] = CHECKS) -> dict[Any, CheckResult]:
    """What the checks measure on frames that were taken as a run takes them, by check and scope."""
    intake = Intake(system)
    for role, frame in frames.items():
        intake.data(frame, role)
    model = Model(
        pipeline.predict, tuple(pipeline.feature_names_in_), pipeline.predict_proba, classes=tuple(pipeline.classes_), estimator=pipeline
    )
    datasets = {role: seen.dataset for role, seen in intake._seen.items()}
    seen = Observation(system, datasets, RunFacts("run", AT, Code("unknown")), model)
    wholes = {role: dataset.whole for role, dataset in datasets.items() if dataset.whole is not None}
    found = [restated(r, wholes, system) for name in names for r in registry.get(name).run(seen)]
    return {(r.check, *sorted(r.scope.items())): r for r in found}


def plain(result: CheckResult) -> dict[tuple[str, str | None], tuple[Any, ...]]:
    return {(m.name, m.group): (m.value, m.count, m.n, m.exact) for m in result.measures}


@pytest.fixture(scope="module")
def on_pandas() -> dict[str, dict[Any, CheckResult]]:
    """What the checks measure on pandas, measured once: by what was asked."""
    return {}


def test_all_rows_give_the_same_measures_on_every_engine(
    engine: str, fitted: Any, declared: System, tmp_path: Path, on_pandas: Any, request: pytest.FixtureRequest, monkeypatch: Any
) -> None:
    monkeypatch.setattr(drift, "MOST_ROWS", 300)  # so that it compares a sample of the 600 and the 400
    spark = request.getfixturevalue("spark") if engine == "spark" else None
    frames = {"train": fitted.train, "test": fitted.test}
    foreign = {role: on(engine, pa.Table.from_pandas(f, preserve_index=False), tmp_path, spark) for role, f in frames.items()}
    if spark is not None:  # its jobs are dear: one of the two roles will do
        foreign["train"] = fitted.train
    if "whole" not in on_pandas:
        on_pandas["whole"] = measured(declared, frames, fitted.pipeline)
    ours, theirs = on_pandas["whole"], measured(declared, foreign, fitted.pipeline)
    assert set(ours) == set(theirs)
    for key, result in ours.items():
        assert result.problem == theirs[key].problem
        wanted, got = plain(result), plain(theirs[key])
        assert wanted.keys() == got.keys()
        for name, values in wanted.items():
            assert got[name][1:] == values[1:], (key, name)
            assert got[name][0] == pytest.approx(values[0], rel=1e-9), (key, name)
        if engine in ("polars", "pyarrow"):
            assert result.measures == theirs[key].measures  # to the last end of each interval


def test_small_frames_in_memory_have_the_ordered_fingerprint(german: Any, declared: System) -> None:
    table = pa.Table.from_pandas(german, preserve_index=False)
    taken = taking.take(table, declared)
    assert taken.whole is None
    assert taken.fingerprint == fingerprint(german)


# By a sample


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of 300 rows at most, and nothing taken whole because it stands in memory."""
    monkeypatch.setenv(SAMPLE_ROWS.name, "300")
    monkeypatch.setenv(CELLS_IN_MEMORY.name, "0")
    monkeypatch.setenv(SAMPLE_SEED.name, "4")


def test_counts_over_all_rows_stay_exact_and_the_rest_is_approximate(
    engine: str,
    german: Any,
    fitted: Any,
    declared: System,
    tmp_path: Path,
    small_samples: None,
    on_pandas: Any,
    request: pytest.FixtureRequest,
) -> None:
    spark = request.getfixturevalue("spark") if engine == "spark" else None
    whole = pd.concat([german, german.head(50)], ignore_index=True)
    whole.loc[whole.index[:37], "savings_account/bonds"] = None
    foreign = on(engine, pa.Table.from_pandas(whole, preserve_index=False), tmp_path, spark)
    if "more" not in on_pandas:
        on_pandas["more"] = measured(declared, {"train": whole, "test": fitted.test}, fitted.pipeline)
    ours, theirs = on_pandas["more"], measured(declared, {"train": foreign, "test": fitted.test}, fitted.pipeline)
    if engine == "pandas":
        assert ours.keys() == theirs.keys()
        return
    table, wanted = theirs["quality", ("dataset", "train")], ours["quality", ("dataset", "train")]
    assert {k: v for k, v in plain(table).items() if v[3]} == plain(wanted)
    assert table.facts["missing_by_column"] == wanted.facts["missing_by_column"] == {"savings_account/bonds": 37}
    assert table.facts["sample"] == {"train": {"engine": engine, "rows": _rows(table), "of": 1050, "seed": 4}}
    assert any("of 1050 rows, each drawn with the same chance by its content and seed 4" in note for note in table.notes)
    for column in ("sex", "age_group"):
        key = ("quality", ("column", column), ("dataset", "train"))
        assert plain(theirs[key]) == plain(ours[key])
    content = plain(theirs["characteristics", ("dataset", "train")])
    for name in ("completeness", "row_uniqueness", "balance", "minority_share"):
        assert content[name, None] == plain(ours["characteristics", ("dataset", "train")])[name, None]
    assert not content["diversity", None][3]
    shared = theirs["overlap", ("datasets", "train,test")]
    assert plain(shared) == plain(ours["overlap", ("datasets", "train,test")])
    assert plain(shared)["shared_rows", None][0] == 400
    assert BY_KEYS in shared.notes
    traced = theirs["provenance", ("dataset", "train")]
    assert traced.facts["algorithm"] == ALGORITHM
    assert traced.facts["sha256"] == content_fingerprint(whole).sha256 == traced.subjects[0].sha256
    assert plain(traced)["digest_mismatch", None][0] == 0
    assert plain(traced)["rows", None][0] == 1050
    assert plain(theirs["performance", ("dataset", "test")]) == plain(ours["performance", ("dataset", "test")])


def _rows(result: CheckResult) -> Any:
    return result.facts["sample"]["train"]["rows"]  # type: ignore[index,call-overload]  # JSON


def test_the_same_sample_gives_the_same_evidence_on_every_engine(
    german: Any, fitted: Any, declared: System, tmp_path: Path, small_samples: None
) -> None:
    table = pa.Table.from_pandas(german, preserve_index=False)
    first = measured(declared, {"test": on("duckdb", table, tmp_path)}, fitted.pipeline, ("performance", "fairness"))
    second = measured(declared, {"test": on("polars lazy", table, tmp_path)}, fitted.pipeline, ("performance", "fairness"))
    assert [r.measures for r in first.values()] == [r.measures for r in second.values()]


def test_what_was_a_full_count_of_a_sample_decides_nothing() -> None:
    """The requirement is met to the letter on the sample, and still is not passed."""
    counted = Measure.counted("met_share", 1, n=300, unit="share").model_copy(update={"ci_method": ON_A_SAMPLE})
    assert measure_verdict(Requirement(check="quality", metric="met_share", equals=1), counted).state.value == "inconclusive"
    none, some = (Measure.counted("shared_rows", n, n=300).model_copy(update={"ci_method": AT_LEAST, "ci_low": float(n)}) for n in (0, 3))
    asked = Requirement(check="overlap", metric="shared_rows", max=0)
    assert [measure_verdict(asked, one).state.value for one in (none, some)] == ["inconclusive", "fail"]


def test_no_full_count_of_a_sample_is_left(german: Any, fitted: Any, declared: System, tmp_path: Path, small_samples: None) -> None:
    """Every check there is, on samples in both roles: what still says full count is known of all rows, or of no rows at all."""
    from aims_mlflow.engines.restating import NOT_OF_ROWS, OF_COLUMNS, OF_MODELS, SIZES

    table = pa.Table.from_pandas(german, preserve_index=False)
    frames = {role: on("polars lazy", table, tmp_path) for role in ("train", "test")}
    names = tuple(name for name in registry.checks() if name not in ("drift", "robustness"))
    exact = {"quality": None, "characteristics": {"completeness", "row_uniqueness", "balance", "minority_share"}}
    for (check, *_), result in measured(declared, frames, fitted.pipeline, names).items():
        if check in NOT_OF_ROWS or not result.scope:
            assert check in NOT_OF_ROWS or not result.measures or "sample" in result.facts
            continue
        if check == "overlap":
            assert OVER_ALL_ROWS in result.facts
            continue
        assert "sample" in result.facts
        for m in result.measures:
            known = m.name in OF_COLUMNS or (check in OF_MODELS and m.name in SIZES)
            counted = check in exact and (exact[check] is None or m.name in (exact[check] or ()))
            assert not m.exact or known or counted, (check, result.scope, m)


# Through the decorator, and what goes wrong


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in ("provenance", "performance")})


@pytest.mark.parametrize("name", ["polars lazy", "duckdb", "pyarrow"], ids=["polars-lazy", "duckdb", "pyarrow"])
def test_decorated_arguments_of_any_engine(
    name: str, fitted: Any, declared: System, mlflow_home: str, tmp_path: Path, few_checks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAMPLE_ROWS.name, "200")
    seen: list[Any] = []

    @track(declared)
    def training(train: Any, test: Any) -> Any:
        seen.extend((train, test))
        return fitted.pipeline

    frames = [on(name, pa.Table.from_pandas(f, preserve_index=False), tmp_path) for f in (fitted.train, fitted.test)]
    assert training(*frames) is fitted.pipeline
    assert seen[0] is frames[0]
    assert seen[1] is frames[1]
    store = Store()
    (run,) = store.latest_runs(declared.id, 5)
    bundle = open_bundle(store.read(run.run_id, BUNDLE_PATH))[0]
    assert bundle.complete
    assert {d.role: d.rows for d in bundle.datasets} == {"train": 600, "test": 400}
    (result,) = [r for r in bundle.results if r.check == "performance"]
    assert ("sample" in result.facts) == (name != "pyarrow")


def test_an_engine_that_fails_is_evidence_of_an_error_and_no_exception(
    declared: System, fitted: Any, few_checks: None, mlflow_home: str
) -> None:
    """An engine that fails while it is read: the training goes on, and provenance says why there is nothing."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("create table numbers as select range n from range(5)")
    broken = connection.sql("select 1 / (n - n) as x, error('a secret value') as y from numbers")

    @track(declared)
    def training(train: Any) -> Any:
        return fitted.pipeline

    assert training(broken) is fitted.pipeline
    store = Store()
    (run,) = store.latest_runs(declared.id, 5)
    envelope = store.read(run.run_id, BUNDLE_PATH)
    (result,) = [r for r in open_bundle(envelope)[0].results if r.check == "provenance" and r.scope == {"dataset": "train"}]
    assert result.problem is not None
    assert result.problem.state == "error"
    assert "the duckdb frame could not be read" in result.problem.reason
    assert b"secret value" not in envelope


def test_data_that_change_while_the_run_goes_on_are_noted(declared: System, fitted: Any, few_checks: None, mlflow_home: str) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.register("given", fitted.train)
    connection.execute("create table train as select * from given")

    @track(declared)
    def training(train: Any) -> Any:
        connection.execute("delete from train where age_in_years > 60")
        return fitted.pipeline

    training(connection.table("train"))
    store = Store()
    (run,) = store.latest_runs(declared.id, 5)
    bundle = open_bundle(store.read(run.run_id, BUNDLE_PATH))[0]
    (result,) = [r for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "train"}]
    assert any("changed in place by the run" in note for note in result.notes)
    assert {d.role: d.rows for d in bundle.datasets} == {"train": 600}


@pytest.mark.parametrize("said", ["many", "-1", "1.5", "50"], ids=["a word", "negative", "a fraction", "too few"])
def test_a_wrong_setting_says_how_to_mend_it(said: str, declared: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAMPLE_ROWS.name, said)
    with pytest.raises(ConfigurationError, match=r"AIMS_SAMPLE_ROWS is not a whole number of at least 100 .*set it to such as 100000"):
        taking.take(pa.table({"a": [1]}), declared)


def test_rows_that_come_and_go_while_they_are_read_are_refused(declared: System) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("create sequence calls")
    restless = connection.sql("select range n from range(1000) where random() < 0.5")
    with pytest.raises(CannotMeasure, match="stand still"):
        taking.take(restless, declared)
