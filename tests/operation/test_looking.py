"""Looking at a model in operation: what is found, what is unknown, what breaches, and that nothing passes by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aims_mlflow.bundle import BUNDLE_PATH, KIND, MONITORED, RECORD_TAG, experiment_of
from aims_mlflow.errors import AimsError, ConfigurationError, StoreError
from aims_mlflow.evidence import State
from aims_mlflow.operation.looking import Monitoring
from aims_mlflow.pointing import evidence_run
from aims_mlflow.promotion import check_promotion
from aims_mlflow.signing import open_bundle
from aims_mlflow.system import expectation_id

from .world import BATCH, DECLARED, EMPTY_COLUMN, TRAIN, World, declared, unlabelled

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning",  # MLflow's own hints about integer columns and pickles
    "ignore::FutureWarning",
)

FAIRNESS = "fairness.demographic_parity_ratio[dataset=production, column=g]"
PERFORMANCE = "performance.accuracy_score[dataset=production]"
DRIFT = "drift.drifted_columns_share[dataset=production, reference=reference]"


def states(found: Monitoring) -> dict[str, State]:
    return {e.requirement: e.state for e in found.bundle.evidence}


class TestWhatIsFound:
    def test_a_sound_batch_has_no_breach_and_what_was_not_looked_at_is_named(self, world: World) -> None:
        found = world.look(world.uri)
        assert (found.answer, found.exit_code) == ("no breach", 0)
        assert {one.what for one in found.unknown} == {PERFORMANCE, DRIFT}
        assert all(one.reason and one.fix for one in found.unknown)
        assert PERFORMANCE in found.reason
        said = states(found)
        assert (said[FAIRNESS], said["monitor.looked"]) == (State.PASS, State.PASS)
        assert PERFORMANCE not in said
        assert found.cases == {}

    def test_with_labels_and_reference_nothing_is_unknown(self, world: World) -> None:
        found = world.look(world.uri, BATCH, reference=TRAIN)
        assert (found.answer, found.unknown) == ("no breach", ())
        said = states(found)
        assert {said[PERFORMANCE], said[FAIRNESS], said[DRIFT]} == {State.PASS}
        assert said["monitor.reference_known[dataset=reference]"] is State.PASS

    def test_selection_rates_without_labels_are_those_with_them(self, world: World) -> None:
        uri = world.version()
        rates = []
        for data in (BATCH, unlabelled(BATCH)):
            bundle = world.look(uri, data).bundle
            result = next(r for r in bundle.results if r.check == "fairness" and r.scope == {"dataset": "production", "column": "g"})
            rates.append((result.groups("selection_rate"), result.measure("demographic_parity_ratio")))
            assert (result.measure("equalized_odds_difference") is None) == (data is not BATCH)
        assert rates[0] == rates[1]

    def test_the_run_stands_by_itself_and_points_to_the_version(self, world: World) -> None:
        uri = world.version()
        found = world.look(uri)
        run = world.store.run(found.run_id)
        assert (run.tags[KIND], run.tags[MONITORED], run.tags["aims.system"], run.tags[RECORD_TAG]) == (
            "monitoring",
            uri,
            "small",
            "monitoring",
        )
        assert (run.status, run.tags["aims.state"]) == ("FINISHED", "pass")
        assert run.experiment_id == world.store.experiment(experiment_of("small"))
        bundle, _ = open_bundle(world.store.read(found.run_id, BUNDLE_PATH))
        assert (bundle.run.kind, bundle.policy_sha256) == ("monitoring", world.system.sha256)
        assert [d.role for d in bundle.datasets] == ["production"]
        assert bundle.model is not None
        assert {p: f.sha256 for p, f in bundle.model.files.items()} == {p: s for p, (_, s) in world.store.model_files(uri).items()}
        assert {control for e in bundle.evidence for control in e.controls} == {"A.6.2.6", "A.6.2.8"}
        assert world.store.version(uri).tags["aims.monitoring"].startswith("no breach")

    def test_the_bundle_names_what_was_asked_of_production(self, world: World) -> None:
        found = world.look(world.uri, BATCH, reference=TRAIN)
        declared_ = next(r.expectation for r in world.system.requirements if r.expectation is not None)
        quality = f"quality[dataset=production, expectation={expectation_id(declared_)}]"
        assert {r.id for r in found.bundle.requirements} == {PERFORMANCE, FAIRNESS, DRIFT, quality}
        assert states(found)[quality] is State.PASS

    def test_labels_by_a_key_in_another_order(self, world: World) -> None:
        data = unlabelled(BATCH).assign(id=range(len(BATCH)))
        labels = pd.DataFrame({"id": range(len(BATCH)), "y": BATCH["y"]}).sample(frac=1, random_state=0)
        found = world.look(world.uri, data, labels=labels, key="id")
        plain = world.look(world.uri, BATCH)
        wanted = [r.measures for r in plain.bundle.results if r.check == "performance"]
        assert [r.measures for r in found.bundle.results if r.check == "performance"] == wanted

    def test_predictions_that_were_kept_are_looked_at_without_loading_the_model(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def loaded(*_: object) -> None:
            raise AssertionError("the model was loaded")

        monkeypatch.setattr(type(world.store), "load_pyfunc", loaded)
        data = BATCH.assign(said=BATCH["y"])
        found = world.look(world.uri, data, predictions="said")
        assert found.answer == "no breach"
        accuracy = next(m for r in found.bundle.results if r.check == "performance" for m in r.measures if m.name == "accuracy_score")
        assert accuracy.value == 1.0
        assert found.bundle.model is not None
        assert found.bundle.model.files
        assert "said" not in found.bundle.datasets[0].columns

    def test_a_model_without_evidence_is_looked_at_and_what_cannot_be_compared_is_said(self, world: World) -> None:
        import mlflow
        from sklearn.linear_model import LogisticRegression

        with mlflow.start_run():
            model = LogisticRegression().fit(TRAIN[["x", "z"]], TRAIN["y"])
            source = mlflow.sklearn.log_model(model, name="model", pip_requirements=[]).model_uri
        found = world.look(source)
        assert (found.answer, found.version) == ("no breach", "")
        assert any("not possible" in note for note in found.notes)
        assert "monitor.kinds_changed[dataset=production]" not in states(found)

    def test_a_requirement_on_production_stands_in_place_of_the_moved_one(self, world: World) -> None:
        requirements = [
            *DECLARED["requirements"],
            {"check": "performance", "metric": "accuracy_score", "dataset": "production", "min": 0.999},
        ]
        found = world.look(world.uri, BATCH, system=declared(requirements=requirements))
        assert [e.requirement for e in found.breaches] == [PERFORMANCE]


class TestBreaches:
    def test_a_breach_is_written_and_opens_a_case(self, world: World) -> None:
        found = world.look(world.version(), EMPTY_COLUMN)
        assert (found.answer, found.exit_code) == ("breach", 1)
        assert set(found.cases.values()) == {"opened"}
        assert len(found.cases) == len(found.breaches)
        run = world.store.run(found.run_id)
        assert run.tags["aims.state"] == "fail"
        assert run.metrics["aims.breaches"] == len(found.breaches)

    def test_files_that_were_changed_since_are_a_breach(self, world: World) -> None:
        uri = world.version()
        with world.store.model_folder(world.store.version(uri)) as folder:
            extra = folder / "extra.txt"
            extra.write_text("x")
            try:
                found = world.look(uri)
            finally:
                extra.unlink()
        assert "monitor.model_files_changed[dataset=production]" in {e.requirement for e in found.breaches}


def nothing_written(world: World) -> set[str]:
    return {run.run_id for run in world.store.system_runs("small")}


class TestHostile:
    """What cannot be looked at is no pass, ends in words, and never in a traceback."""

    @pytest.mark.parametrize(
        ("data", "more", "words"),
        [
            (unlabelled(BATCH).head(0), {}, "no rows"),
            (BATCH, {"labels": BATCH[["y"]]}, "hold 'y' already"),
            (unlabelled(BATCH), {"labels": BATCH[["y"]].head(399)}, "399 labels for 400 rows"),
            (unlabelled(BATCH), {"labels": BATCH[["x", "z"]]}, "which of the 2 columns"),
            (unlabelled(BATCH), {"target": "yy"}, "no column 'yy'"),
            (BATCH.assign(t=1), {"target": "t"}, "leave one of the two"),
            (unlabelled(BATCH), {"predictions": "said"}, "no column 'said'"),
            (unlabelled(BATCH), {"scores": "x"}, "without predictions"),
            (BATCH.assign(p=1), {"predictions": "p", "scores": "p"}, "two things"),
            (unlabelled(BATCH).assign(id=1), {"labels": BATCH.assign(id=range(400))[["id", "y"]], "key": "id"}, "stand twice"),
            (unlabelled(BATCH).assign(id=range(400)), {"labels": BATCH.assign(id=range(1, 401))[["id", "y"]], "key": "id"}, "no label"),
            (
                unlabelled(BATCH).assign(id=range(400)),
                {"labels": BATCH.assign(id=[str(i) for i in range(400)])[["id", "y"]], "key": "id"},
                "no label",
            ),
            ("nowhere.csv", {}, "no such data file"),
            ({"x": [1]}, {}, "not a table"),
            (pd.concat([BATCH, BATCH], axis=1), {}, "unique columns"),
        ],
        ids=[
            "no rows",
            "labels twice",
            "too few labels",
            "which label",
            "no target",
            "two targets",
            "no predictions",
            "scores alone",
            "one column twice",
            "key twice",
            "no label for a key",
            "keys of another type",
            "no file",
            "no table",
            "columns twice",
        ],
    )
    def test_what_cannot_be_used_is_refused_before_anything_is_written(
        self, world: World, data: Any, more: dict[str, Any], words: str
    ) -> None:
        uri = world.uri
        before = nothing_written(world)
        with pytest.raises(ConfigurationError, match=words):
            world.look(uri, data, **more)
        assert nothing_written(world) == before

    def test_the_evidence_of_another_system_is_refused(self, world: World) -> None:
        with pytest.raises(ConfigurationError, match="of the system 'small'"):
            world.look(world.uri, system=declared(system={"id": "other"}))

    @pytest.mark.parametrize("uri", ["loans", "models:/loans/99", "models:/nobody/1", "runs:/nothing/model"])
    def test_no_such_model(self, world: World, uri: str) -> None:
        with pytest.raises((ConfigurationError, StoreError)):
            world.look(uri)

    def test_a_check_that_breaks_is_no_pass(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        from aims_mlflow.operation import recording

        def broken(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(recording, "shift", broken)
        found = world.look(world.uri)
        assert (found.answer, found.bundle.complete) == ("could not look", False)

    def test_the_callers_frame_is_not_changed(self, world: World) -> None:
        data = BATCH.assign(said=BATCH["y"])
        before = data.copy()
        world.look(world.uri, data, predictions="said", reference=TRAIN)
        pd.testing.assert_frame_equal(data, before)


class TestTheGate:
    def test_a_monitoring_bundle_is_never_taken_for_that_of_a_training(self, world: World) -> None:
        found = world.look(world.version(), BATCH, reference=TRAIN)
        claimed = world.store.register(world.source, "claimed", run_id=found.run_id)
        decision = check_promotion(claimed.uri, system=world.system)
        assert not decision.allowed
        assert "not_training" in {b.code for b in decision.blockers}
        assert {line.state for line in decision.lines} == {State.MISSING}

    def test_a_pointer_to_a_monitoring_run_is_no_assessment(self, world: World) -> None:
        import mlflow
        from sklearn.linear_model import LogisticRegression

        with mlflow.start_run():
            model = LogisticRegression().fit(TRAIN[["x", "z"]], TRAIN["y"])
            source = mlflow.sklearn.log_model(model, name="model", pip_requirements=[]).model_uri
        version = world.store.register(source, "legacy", run_id=world.store.model_run(source))
        found = world.look(version.uri)
        world.store.tag_version(version, {"aims.assessment": found.run_id})
        assert evidence_run(world.store, world.store.version(version.uri)) == version.run_id

    def test_looking_changes_nothing_about_what_the_gate_says(self, world: World) -> None:
        uri = world.version()
        before = check_promotion(uri, system=world.system)
        world.look(uri, EMPTY_COLUMN)
        after = check_promotion(uri, system=world.system)
        assert [(line.control, line.state) for line in after.lines] == [(line.control, line.state) for line in before.lines]
        assert after.run_id == before.run_id


def test_files_of_every_kind_are_read(world: World, tmp_path: Path) -> None:
    uri, data = world.uri, unlabelled(BATCH)
    data.to_csv(tmp_path / "b.csv", index=False)
    data.to_parquet(tmp_path / "b.parquet")
    BATCH[["y"]].to_csv(tmp_path / "labels.csv", index=False)
    for name in ("b.csv", "b.parquet"):
        found = world.look(uri, tmp_path / name, labels=str(tmp_path / "labels.csv"))
        assert found.answer == "no breach"
        assert any("row by row" in note for note in found.notes)


def test_an_error_of_ours_says_what_to_do(world: World) -> None:
    with pytest.raises(AimsError) as raised:
        world.look(world.uri, unlabelled(BATCH).head(0))
    assert raised.value.fix
