"""Assessing models of before and elsewhere: what is measured, recorded and missing, and what the gate makes of it."""

from __future__ import annotations

import importlib.metadata
import itertools
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aims_mlflow as aims
from aims_mlflow import registry
from aims_mlflow.assessment import Assessment, assess, read_table
from aims_mlflow.bundle import ASSESSMENT, BUNDLE_PATH, KIND
from aims_mlflow.errors import ConfigurationError, StoreError, UnknownNameError
from aims_mlflow.evidence import State
from aims_mlflow.pointing import evidence_run
from aims_mlflow.promotion import check_promotion, promote
from aims_mlflow.store import Store, VersionView
from aims_mlflow.store.models import LOADED_NOTE
from aims_mlflow.system import System

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles
    "ignore::FutureWarning",
    "ignore:Starting with pandas version 4.0:DeprecationWarning",  # MLflow's digest of a data frame calls pandas the old way
)

KEPT = ("performance", "provenance", "design", "lineage", "upstream", "preparation", "overlap", "acquisition", "leakage")
FEATURES = ["x", "z"]


@pytest.fixture(autouse=True)
def _few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the checks that take seconds and have nothing to do with how a model came."""
    every = registry.checks()
    monkeypatch.setattr(registry, "checks", lambda: {name: every[name] for name in KEPT})


def drawn(rows: int, seed: int) -> pd.DataFrame:
    import numpy as np

    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "g": random.choice(["a", "b"], rows), "y": (x > 0).astype(int)})


TRAIN, TEST = drawn(400, 0), drawn(300, 1)


@pytest.fixture
def system() -> System:
    return System.model_validate(
        {
            "version": 1,
            "system": {"id": "small"},
            "task": {"kind": "binary_classification", "target": "y", "positive_label": 1},
            "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ("g",)},
            "requirements": [{"check": "performance", "metric": "accuracy_score", "min": 0.5}],
            "gate": {"controls": ["A.6.2.3", "A.7.2"]},
        }
    )


@pytest.fixture(scope="module")
def store(_mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One sqlite MLflow for all of this: what is assessed has a registered name of its own in each test."""
    import mlflow

    here = tmp_path_factory.mktemp("assessment")
    shutil.copy(_mlflow_template, here / "mlflow.db")
    uri = f"sqlite:///{here / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.create_experiment("assessment", artifact_location=(here / "artifacts").as_uri())
    mlflow.set_experiment("assessment")
    yield Store()
    _logged.cache_clear()


@cache
def _logged(**tags: str) -> str:
    """Log a model as people did before: in a run with a parameter."""
    import mlflow
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0)).fit(TRAIN[FEATURES], TRAIN["y"])
    with mlflow.start_run(tags=tags):
        mlflow.log_param("depth", 3)
        return str(mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn==1.0.2"]).model_uri)


_names = (f"loans-{number}" for number in itertools.count())


def registered(uri: str) -> str:
    """Register a logged model as the first version of a new name."""
    store = Store()
    return store.register(uri, next(_names), run_id=store.model_run(uri)).uri


def legacy(**tags: str) -> str:
    """Return the version of a model of before, registered under a name of its own."""
    return registered(_logged(**tags))


def tracked(system: System, train: pd.DataFrame, test: pd.DataFrame) -> VersionView:
    """Return the version that a tracked training has registered."""
    name = next(_names)
    aims.track(system, register=name)(_trained)(train, test)
    (version,) = Store().versions(name)
    return version


def unknown(found: Assessment) -> set[str]:
    return {one.what for one in found.unknown}


def states(found: Assessment, check: str) -> dict[str, State]:
    return {e.requirement.partition(".")[2]: e.state for e in found.bundle.evidence if e.check == check and e.kind == "standing"}


@pytest.mark.usefixtures("store")
class TestWhatIsFound:
    def test_it_measures_the_assessed_model_in_a_run_of_its_own(self, store: Store, system: System) -> None:
        uri = legacy()
        found = assess(uri, {"test": TEST}, system=system)
        version = store.version(uri)
        assert found.bundle.run.kind == "assessment"
        assert found.run_id != version.run_id
        assert found.bundle.model is not None
        assert {p: f.sha256 for p, f in found.bundle.model.files.items()} == {p: s for p, (_, s) in store.model_files(version).items()}
        run = store.run(found.run_id)
        assert (run.tags[KIND], run.tags["aims.assessed"], run.status) == ("assessment", uri, "FINISHED")
        assert [v.uri for v in store.versions(version.name)] == [uri]

    def test_what_nobody_recorded_is_missing_with_a_reason_and_a_fix(self, system: System) -> None:
        found = assess(legacy(), {"test": TEST}, system=system)
        assert unknown(found) == {"training data", "code", "hardware"}
        assert all(one.reason and one.fix for one in found.unknown)
        asked = {**states(found, "design"), **states(found, "lineage"), **states(found, "provenance"), **states(found, "overlap")}
        for requirement in ("code_unknown", "code_dirty", "undocumented_fields", "broken_links", "roles_missing"):
            assert asked[requirement] is State.MISSING, requirement
        assert State.FAIL not in {e.state for e in found.bundle.evidence}

    def test_nothing_is_taken_from_the_machine_that_assesses(self, system: System) -> None:
        found = assess(legacy(), {"test": TEST, "train": TRAIN}, system=system)
        design = next(r.facts for r in found.bundle.results if r.check == "design" and r.problem is None)
        assert design["packages"] == {"scikit-learn": "1.0.2", "mlflow": importlib.metadata.version("mlflow")}  # what its own files ask for
        assert design["hardware"] == {}
        assert design["code"] == {"kind": "unknown", "reference": "", "dirty": None, "source_sha256": ""}
        assert isinstance(design["parameters"], dict)
        assert design["parameters"]["run:depth"] == "3"

    def test_a_commit_that_mlflow_noted_is_known_and_whether_it_was_clean_is_not(self, store: Store, system: System) -> None:
        uri = legacy(**{"mlflow.source.git.commit": "a" * 40})
        found = assess(uri, {"test": TEST}, system=system)
        code = states(found, "design")
        assert code["code_unknown"] is State.PASS
        assert code["code_dirty"] is State.MISSING
        assert "not whether anything differed" in next(one.reason for one in found.unknown if one.what == "code")
        assert found.recorded_by == store.version(uri).run_id

    def test_a_commit_that_is_none_is_not_believed(self, system: System) -> None:
        found = assess(legacy(**{"mlflow.source.git.commit": "main; rm -rf /"}), {"test": TEST}, system=system)
        assert states(found, "design")["code_unknown"] is State.MISSING

    def test_given_training_data_are_no_longer_missing(self, system: System) -> None:
        found = assess(legacy(), {"test": TEST, "train": TRAIN}, system=system)
        assert unknown(found) == {"code", "hardware"}
        assert states(found, "provenance")["roles_missing"] is State.PASS
        assert states(found, "preparation")["fitted_on_other_data"] is State.PASS

    def test_a_tracked_model_is_described_by_its_own_evidence(self, system: System) -> None:
        version = tracked(system, TRAIN, TEST)
        found = assess(version.uri, {"test": TEST, "train": drawn(100, 5)}, system=system)
        upstream = next(r.facts for r in found.bundle.results if r.check == "upstream")
        assert upstream["as_recorded_by"] == version.run_id
        assert (upstream["data_as_recorded"], upstream["data_not_as_recorded"]) == (["test"], ["train"])
        design = next(r.facts for r in found.bundle.results if r.check == "design" and r.problem is None)
        assert design["hardware"]

    def test_a_model_whose_run_is_gone(self, store: Store, system: System) -> None:
        import mlflow

        uri = legacy(whose="gone")
        mlflow.delete_run(store.version(uri).run_id)
        assert assess(uri, {"test": TEST}, system=system).bundle.complete

    def test_the_model_that_was_taken_over_is_named_with_its_digest(self, system: System) -> None:
        found = assess(legacy(), {"test": TEST}, system=system)
        upstream = next(r for r in found.bundle.results if r.check == "upstream")
        (taken,) = upstream.facts["models"]  # type: ignore[misc]
        assert isinstance(taken, dict)
        assert (taken["relation"], len(str(taken["sha256"]))) == ("assessed", 64)
        assert upstream.measure("upstream_undigested").value == 0  # type: ignore[union-attr]

    @pytest.mark.parametrize("form", ["logged model", "run", "alias"])
    def test_every_form_of_uri(self, store: Store, system: System, form: str) -> None:
        uri = legacy()
        version = store.version(uri)
        store.set_alias(version.name, "old", version.version)
        asked = {"logged model": version.source, "run": f"runs:/{version.run_id}/model", "alias": f"models:/{version.name}@old"}[form]
        found = assess(asked, {"test": TEST}, system=system)
        assert found.model == version.source
        assert found.version == (uri if form == "alias" else "")

    def test_a_model_that_is_not_registered_can_be(self, store: Store, system: System) -> None:
        found = assess(_logged(), {"test": TEST}, system=system, register="bought")
        (version,) = store.versions("bought")
        assert found.version == version.uri
        assert version.run_id == store.model_run(version.source)
        assert evidence_run(store, version) == found.run_id


def _trained(train: pd.DataFrame, test: pd.DataFrame) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=0).fit(train[FEATURES], train["y"])


@pytest.mark.usefixtures("store")
class TestGate:
    """What the gate makes of it. The system gates two controls: one that an assessment cannot show, and one that it can."""

    @pytest.fixture
    def lenient(self, system: System) -> System:
        """The gate's own copy, in which a person has waived what cannot be known."""
        waiver = {"control": "A.6.2.3", "reason": "bought", "approved_by": "CRO", "on": "2026-01-01", "expires": "2099-01-01"}
        content = system.model_dump(mode="json", exclude={"sha256"}, by_alias=True)
        return System.model_validate(content | {"waivers": [waiver], "gate": {"controls": ["A.6.2.3", "A.7.2"], "protects": ["champion"]}})

    def test_it_finds_the_evidence_and_blocks_what_is_missing(self, system: System) -> None:
        uri = legacy()
        before = check_promotion(uri, system=system)
        assert {line.reason for line in before.lines} == {"the run left no evidence"}
        found = assess(uri, {"test": TEST, "train": TRAIN}, system=system)
        decision = check_promotion(uri, system=system)
        assert decision.run_id == found.run_id
        assert {line.control: line.state for line in decision.lines} == {"A.6.2.3": State.MISSING, "A.7.2": State.PASS}
        assert not decision.allowed
        assert any("evidence is of an assessment" in note for note in decision.notes)

    def test_with_a_persons_waiver_it_lets_the_assessed_version_through(self, store: Store, lenient: System) -> None:
        uri = legacy()
        found = assess(uri, {"test": TEST, "train": TRAIN}, system=lenient)
        decision = promote(uri, "champion", system=lenient)
        assert decision.allowed
        assert decision.run_id == found.run_id
        assert store.alias_version(store.version(uri).name, "champion") == "1"

    def test_a_tag_that_points_elsewhere_lets_nothing_through(self, store: Store, lenient: System) -> None:
        uri, other = legacy(), legacy(whose="another's")
        found = assess(other, {"test": TEST, "train": TRAIN}, system=lenient)
        store.tag_version(store.version(uri), {ASSESSMENT: found.run_id, "aims.A.6.2.3": "pass", "aims.state": "pass"})
        decision = check_promotion(uri, system=lenient)
        assert not decision.allowed
        assert [b.code for b in decision.blockers] == ["other_model"]

    @pytest.mark.parametrize("pointer", ["", "0" * 32, "../../x", "own"], ids=["empty", "no run", "no id", "its own run"])
    def test_a_pointer_to_nothing_reads_as_no_evidence(self, store: Store, lenient: System, pointer: str) -> None:
        uri = legacy()
        version = store.version(uri)
        store.tag_version(version, {ASSESSMENT: version.run_id if pointer == "own" else pointer})
        decision = check_promotion(uri, system=lenient)
        assert not decision.allowed
        assert "no_bundle" in {b.code for b in decision.blockers}

    def test_a_changed_file_blocks_as_ever(self, store: Store, lenient: System) -> None:
        uri = legacy(whose="to change")
        assess(uri, {"test": TEST, "train": TRAIN}, system=lenient)
        with store.model_folder(store.version(uri)) as folder:
            (folder / "extra.py").write_text("print()")
        decision = check_promotion(uri, system=lenient)
        assert [b.code for b in decision.blockers] == ["other_model"]

    def test_loading_a_model_is_no_change_of_it_and_anything_else_beside_it_is(self, system: System, store: Store) -> None:
        import mlflow

        version = tracked(system, TRAIN, TEST)
        before = store.model_files(version)
        mlflow.pyfunc.load_model(version.uri)  # which leaves a note in the folder of a local store
        assert store.model_files(version) == before
        with store.model_folder(version) as folder:
            (folder / LOADED_NOTE).write_text("model_name: loans\ncode: evil\n")
        assert set(store.model_files(version)) - set(before) == {LOADED_NOTE}
        assert [b.code for b in check_promotion(version.uri, system=system).blockers] == ["other_model"]

    def test_what_training_found_is_not_got_round_by_assessing_again(self, system: System, lenient: System) -> None:
        version = tracked(system, TRAIN, TRAIN)  # tested on what it was trained on
        found = assess(version.uri, {"test": TEST, "train": TRAIN}, system=lenient)
        assert "has left evidence of its own" in found.notes[0]
        decision = check_promotion(version.uri, system=lenient)
        assert decision.run_id == version.run_id
        assert not decision.allowed

    def test_not_even_when_the_bundle_was_taken_away(
        self, system: System, lenient: System, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        version = tracked(system, TRAIN, TRAIN)
        assess(version.uri, {"test": TEST, "train": TRAIN}, system=lenient)
        (file,) = (p for p in tmp_path_factory.getbasetemp().rglob(Path(BUNDLE_PATH).name) if version.run_id in str(p))
        file.unlink()
        decision = check_promotion(version.uri, system=lenient)
        assert decision.run_id == version.run_id
        assert "no_bundle" in {b.code for b in decision.blockers}

    def test_a_training_run_is_no_assessment_to_point_at(self, store: Store, system: System) -> None:
        uri = legacy()
        store.tag_version(store.version(uri), {ASSESSMENT: tracked(system, TRAIN, TEST).run_id})
        assert evidence_run(store, store.version(uri)) == store.version(uri).run_id


class TestFiles:
    @pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".pq", ".feather", ".jsonl", ".ndjson"])
    def test_each_kind_gives_the_same_rows(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"rows{ending}"
        write = {
            ".csv": lambda: TEST.to_csv(path, index=False),
            ".csv.gz": lambda: TEST.to_csv(path, index=False),
            ".parquet": lambda: TEST.to_parquet(path),
            ".pq": lambda: TEST.to_parquet(path),
            ".feather": lambda: TEST.to_feather(path),
            ".jsonl": lambda: TEST.to_json(path, orient="records", lines=True, double_precision=15),
            ".ndjson": lambda: TEST.to_json(path, orient="records", lines=True, double_precision=15),
        }
        write[ending]()
        pd.testing.assert_frame_equal(read_table(path), TEST, check_dtype=False)

    @settings(max_examples=50)
    @given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
    def test_fractions_in_csv_are_read_to_the_last_bit(self, values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.getbasetemp() / "fractions.csv"
        pd.DataFrame({"x": values}).to_csv(path, index=False)
        assert read_table(path)["x"].tolist() == values

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("rows.xlsx", b"x", "not read"),
            ("rows", b"x", "ends in nothing"),
            ("rows.parquet", b"secret-value", "cannot be read as parquet"),
            ("rows.jsonl", b"{secret-value", "cannot be read as json lines"),
            ("rows.csv", b"\xff\xfe\x00secret-value", "cannot be read as csv"),
        ],
        ids=["excel", "no ending", "parquet", "json", "csv"],
    )
    def test_what_cannot_be_read_is_said_without_quoting_it(self, tmp_path: Path, name: str, content: bytes, words: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigurationError, match=words) as caught:
            read_table(tmp_path / name)
        assert "secret-value" not in str(caught.value)

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="no such data file"):
            read_table(tmp_path / "rows.csv")


@pytest.mark.usefixtures("store")
class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "error"),
        [({}, ConfigurationError), ({"train": TRAIN}, ConfigurationError), ({"tset": TEST}, UnknownNameError)],
        ids=["none", "no test", "misspelt"],
    )
    def test_data(self, system: System, data: dict[str, Any], error: type[Exception]) -> None:
        with pytest.raises(error):
            assess("models:/loans/1", data, system=system)

    @pytest.mark.parametrize(
        ("uri", "error"),
        [
            ("loans", ConfigurationError),
            ("models:/loans/99", StoreError),
            ("models:/m-0", StoreError),
            ("models:/loans", StoreError),
            (f"runs:/{'0' * 32}/model", StoreError),
        ],
        ids=["no uri", "no version", "no model", "no number", "no run"],
    )
    def test_uris_that_name_no_model_make_no_run(self, store: Store, system: System, uri: str, error: type[Exception]) -> None:
        before = len(list(store.runs("")))
        with pytest.raises(error):
            assess(uri, {"test": TEST}, system=system)
        assert len(list(store.runs(""))) == before

    def test_a_model_that_cannot_be_asked_is_an_error_and_not_a_pass(self, system: System) -> None:
        found = assess(legacy(), {"test": TEST.drop(columns=["x"])}, system=system)
        performance = next(r for r in found.bundle.results if r.check == "performance")
        assert performance.problem is not None
        assert performance.problem.state == "error"
