"""Every way in gives the same bundle for the same data and model; what differs is in the table of docs/ways-in.md, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store

EVERY = registry.checks()
"""Every check, looked up before the fixture of this folder leaves only a few."""

DOCS = Path(__file__).parents[2] / "docs" / "ways-in.md"
WAYS = ("log_input", "sklearn autolog", "evaluate", "assess")

TRAINING = """
import mlflow
import aims_mlflow as aims


def track(system, train, test, fit):
    seen = []

    @aims.track(system)
    def training(train, test):
        seen.append(aims.active_run().run_id)
        return fit()

    training(train, test)
    return seen[0]


def log_input(system, train, test, fit):
    aims.autolog(system)
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(train, targets="credit_risk"), context="training")
        mlflow.log_input(mlflow.data.from_pandas(test, targets="credit_risk"), context="test")
        mlflow.sklearn.log_model(fit(), name="model", pip_requirements=[], skops_trusted_types=["numpy.dtype"])
    aims.autolog(disable=True)
    return run.info.run_id


def sklearn_autolog(system, train, test, fit):
    aims.autolog(system)
    mlflow.sklearn.autolog()
    with mlflow.start_run() as run:
        fit()
        mlflow.log_input(mlflow.data.from_pandas(test, targets="credit_risk"), context="test")
    mlflow.sklearn.autolog(disable=True)
    aims.autolog(disable=True)
    return run.info.run_id
"""
"""The code that trains, in one file under version control: so that every way in knows it."""

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles, which autologging turns on
    "ignore::FutureWarning",
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)


def documented() -> dict[str, set[str]]:
    """Return way -> the parts of results that differ from the decorator's, as the table in the docs has them."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    found: dict[str, set[str]] = {way: set() for way in WAYS}
    for check, part, marks in rows:
        for way, mark in zip(WAYS, [cell.strip() for cell in marks.split("|")][: len(WAYS)], strict=True):
            if mark == "x":
                found[way].add(f"{check}.{part}")
    return found


@pytest.fixture(scope="module")
def bundles(
    _fitted: Any, _mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[dict[str, Bundle]]:
    """The bundle of each way in, for the same frames and the same kind of model."""
    import mlflow

    from aims_mlflow.system_file import load_system

    here = tmp_path_factory.mktemp("ways")
    shutil.copy(_mlflow_template, here / "mlflow.db")
    module_patch.chdir(here)
    module_patch.setenv("AIMS_HOME", str(here / "home"))
    module_patch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")  # MLflow imports the model in a subprocess to find out, for 20 s
    module_patch.setattr(registry, "checks", lambda: dict(EVERY))
    uri = f"sqlite:///{here / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.create_experiment("ways", artifact_location=(here / "artifacts").as_uri())
    mlflow.set_experiment("ways")
    features = [c for c in _fitted.train.columns if c not in ("credit_risk", "sex", "age_group")]
    # The train frame as scikit-learn's autologging sees it: features, then labels. So the data allow every way in.
    train, test = _fitted.train[[*features, "credit_risk"]], _fitted.test[[*features, "sex", "age_group", "credit_risk"]]
    declared = load_system(Path(__file__).parents[1] / "data" / "aims.yaml")
    system = declared.model_copy(update={"robustness": type(declared.robustness)(queries=100)})  # as few as may be: it is asked five times
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield _made(here, system, _fitted.pipeline, train, test)
    mlflow.sklearn.autolog(disable=True)
    aims.autolog(disable=True)


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def _committed(folder: Path) -> Any:
    """Return the training code as a module of a git checkout without changes."""
    folder.mkdir()
    (folder / "training.py").write_text(TRAINING)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "-m", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    spec = importlib.util.spec_from_file_location("training", folder / "training.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _made(here: Path, system: Any, pipeline: Any, train: Any, test: Any) -> dict[str, Bundle]:
    """Go each way in once."""
    import mlflow
    from sklearn.base import clone

    from aims_mlflow.assessment import assess

    training, store = _committed(here / "code"), Store()
    features = [c for c in train.columns if c != "credit_risk"]

    def fit() -> Any:
        return clone(pipeline).fit(train[features], train["credit_risk"])

    runs = {
        "track": training.track(system, train, test, fit),
        "log_input": training.log_input(system, train, test, fit),
        "sklearn autolog": training.sklearn_autolog(system, train, test, fit),
    }
    (uri,) = store.logged_models(runs["log_input"])
    with mlflow.start_run() as run:
        config = {"system": system, "train": train}
        mlflow.models.evaluate(uri, test, targets="credit_risk", model_type="classifier", evaluators="aims", evaluator_config=config)
    runs["evaluate"] = run.info.run_id
    train.to_parquet("train.parquet")
    test.to_csv("test.csv", index=False)
    runs["assess"] = assess(uri, {"train": "train.parquet", "test": "test.csv"}, system=system).run_id
    return {name: open_bundle(store.read(run_id, BUNDLE_PATH))[0] for name, run_id in runs.items()}


def plain(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle without what no two runs share: ids, times, the packages imported by then, and digests that hold one of these."""
    text = bundle.model_dump_json().replace(bundle.run.run_id, "RUN").replace(bundle.model.uri if bundle.model else "none", "MODEL")
    content: dict[str, Any] = json.loads(text)
    for result in content["results"]:
        result["subjects"] = [s for s in result["subjects"] if s["kind"] != "model"]
        result["facts"].get("hardware", {}).pop("training_seconds", None)
        result["facts"].pop("packages", None)
    return content


def differing(one: Bundle, other: Bundle) -> set[str]:
    """Return ``check.part`` for every part of a result that is not the same in both bundles."""
    found = set()
    mine, theirs = _grouped(plain(one)), _grouped(plain(other))
    for key in {*mine, *theirs}:
        check = key[0]
        if len(mine.get(key, ())) != len(theirs.get(key, ())):
            found.add(f"{check}.results")
        for a, b in zip(mine.get(key, ()), theirs.get(key, ()), strict=False):
            found |= {f"{check}.{part}" for part in a if a[part] != b[part]}
    return found


def _grouped(content: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in content["results"]:
        found.setdefault((result["check"], json.dumps(result["scope"], sort_keys=True)), []).append(result)
    return found


def test_the_docs_have_the_table() -> None:
    listed = documented()
    assert all(listed[way] for way in WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_differs_but_what_the_docs_list(bundles: dict[str, Bundle], way: str) -> None:
    assert differing(bundles["track"], bundles[way]) == documented()[way]


@pytest.mark.parametrize("way", WAYS)
def test_the_bundle_speaks_of_the_same_data_system_and_requirements(bundles: dict[str, Bundle], way: str) -> None:
    one, other = plain(bundles["track"]), plain(bundles[way])
    for part in ("system_id", "policy_sha256", "datasets", "attestations", "complete"):
        assert one[part] == other[part], part
    assert [r["id"] for r in one["requirements"]] == [r["id"] for r in other["requirements"]]
    assert bundles[way].complete
    assert bundles[way].model is not None


@pytest.mark.parametrize("way", WAYS)
def test_every_check_has_measured(bundles: dict[str, Bundle], way: str) -> None:
    checks = {r.check for r in bundles["track"].results}
    assert {"performance", "fairness", "robustness", "drift", "quality", "provenance"} <= checks
    assert {r.check for r in bundles[way].results} == checks


@pytest.mark.parametrize("way", ["evaluate", "assess"])
def test_an_assessment_says_as_recorded_by_which_run(bundles: dict[str, Bundle], way: str) -> None:
    bundle = bundles[way]
    assert bundle.run.kind == "assessment"
    told = next(r.facts for r in bundle.results if r.check == "upstream")
    assert told["as_recorded_by"] == bundles["log_input"].run.run_id
    assert told["data_as_recorded"] == ["train", "test"]
    code = next(r.facts["code"] for r in bundle.results if r.check == "design")
    assert code == next(r.facts["code"] for r in bundles["log_input"].results if r.check == "design")
