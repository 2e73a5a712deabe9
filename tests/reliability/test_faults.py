"""Whatever goes wrong around a training: it is not changed, its evidence arrives or is told to be missing, and the gate knows."""

from __future__ import annotations

import importlib
import itertools
import shutil
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from aims_mlflow.signing import signing_key
from tests.full import only_full

from .faults import CASES, FAULTS
from .scene import Fault, Scene, Stage
from .serving import Server

BUDGET = "1"

NOTHING = Fault("nothing", lambda _: nullcontext(), "passes")

_numbers = itertools.count()


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """Import what warns of itself when it is imported, which as an error would be a fault that is not in the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("mlflow.pyfunc", "mlflow.sklearn", "mlflow.server.handlers", "sklearn.metrics", "skops.io"):
            importlib.import_module(name)


def opened(fault: Fault, stage: Stage, folder: Path, patch: pytest.MonkeyPatch, database: Path, served: Server | None) -> Scene:
    """Return a scene of its own: home, experiment and, where MLflow is a file, database."""
    import mlflow

    for name, value in {"AIMS_HOME": str(folder / "home"), "NO_PROXY": "127.0.0.1"}.items():
        patch.setenv(name, value)
    patch.setenv("AIMS_BUDGET_SECONDS", BUDGET if fault.name != NOTHING.name else "60")
    patch.chdir(folder)
    if served is None:
        shutil.copy(database, folder / "mlflow.db")
    uri = served.uri if served else f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment = mlflow.create_experiment(f"tests-{next(_numbers)}", artifact_location=None if served else (folder / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id=experiment)
    signing_key()  # made long before
    return Scene(fault, stage, folder, patch, uri, experiment, folder / "mlflow.db", served)


@pytest.fixture(scope="module")
def _database(tmp_path_factory: pytest.TempPathFactory, _mlflow_template: Path, _imported: None) -> Path:
    """Train once where nothing goes wrong: what is done for the first time takes longer than a budget of a second."""
    with pytest.MonkeyPatch.context() as patch:
        scene = opened(NOTHING, "start", tmp_path_factory.mktemp("first"), patch, _mlflow_template, None)
        scene.play()
        assert scene.came_to() == "passes"
    return _mlflow_template


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(_database, folder / "mlflow.db")
    made = Server(folder, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        scene = opened(NOTHING, "start", folder, patch, _database, made)
        scene.play()
        assert scene.came_to() == "passes"
    yield made
    made.stop()


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path, _database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    import mlflow

    fault, stage = request.param
    yield opened(fault, stage, tmp_path, monkeypatch, _database, request.getfixturevalue("server") if fault.http else None)
    while mlflow.active_run() is not None:
        mlflow.end_run()


def named(case: object) -> str:
    fault, stage = case if isinstance(case, tuple) else (case, "")
    return f"{fault.name}-{stage}" if isinstance(fault, Fault) else str(case)


@only_full
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # the libraries' own
@pytest.mark.parametrize("scene", CASES, ids=named, indirect=True)
def test_whatever_goes_wrong_costs_at_most_evidence_and_never_unseen(scene: Scene) -> None:
    expected = scene.fault.outcomes(scene.at)
    scene.play()
    assert scene.seconds < scene.fault.seconds
    before = scene.came_to()  # with the fault gone, and before anything is sent again
    waiting = scene.waiting()
    sent = scene.replayed()
    after = scene.came_to()
    assert after in expected, (before, after, sent, scene.heard.said)
    if before != "told" and not waiting:
        assert before == after
    if after == "told":
        scene.see_that_it_is_told()
    else:
        assert not any(s.problem for s in sent)
        assert scene.waiting() == []


def test_there_are_enough_of_them_and_each_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 60
    stages: set[Stage] = {stage for _, stage in CASES}
    assert stages == {"start", "middle", "end"}
