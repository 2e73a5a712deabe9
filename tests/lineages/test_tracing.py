"""Following models back on a real MLflow: what is strong, weak and broken, and what is said where evidence is missing or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.bundle import ASSESSMENT, BUNDLE_PATH, FileDigest, ModelSummary
from aims_mlflow.errors import ConfigurationError, StoreError
from aims_mlflow.lineages import Lineage
from aims_mlflow.lineages.tracing import DEEPEST, trace
from aims_mlflow.signing import new_key, seal_bundle, signing_key
from aims_mlflow.store import InputView


def links(lineage: Lineage, kind: str) -> list[tuple[str, str, str]]:
    return [(lineage.node(e.start).label, lineage.node(e.end).label, e.strength) for e in lineage.edges if e.kind == kind]


def test_a_whole_lineage(world: Any) -> None:
    made = world.train()
    found = trace(made.version.uri)
    assert found.whole
    assert found.counts == {"strong": 4, "weak": 1, "broken": 0, "noted": 0}
    assert found.subject == "version:models:/credit/1"
    assert links(found, "registered as") == [(made.model, "models:/credit/1", "strong")]
    assert links(found, "model") == [(made.run_id, made.model, "strong")]
    assert links(found, "train data") == [("train", made.run_id, "strong")]
    assert links(found, "source of train") == [("https://example.org/loans", "train", "weak")]
    assert found.node(f"model:{made.model}").sha256 == made.sha256
    assert any("signed by a key that nobody vouched for" in note for note in found.notes)


def test_the_same_model_by_any_name(world: Any) -> None:
    from mlflow.entities import LoggedModelOutput

    made = world.train()
    world.store.set_alias("credit", "champion", "1")
    world.client.log_outputs(made.run_id, [LoggedModelOutput(made.model.removeprefix("models:/"), 0)])  # as MLflow lists a run's models
    for uri in (made.version.uri, "models:/credit@champion", made.model, f"runs:/{made.run_id}", f"runs:/{made.run_id}/model"):
        found = trace(uri)
        assert found.whole, uri
        assert links(found, "train data") == [("train", made.run_id, "strong")]
        assert links(found, "registered as") == [(made.model, "models:/credit/1", "strong")]
        assert found.node(found.subject).kind == ("version" if "credit" in uri else "model")


def test_other_versions_of_the_same_run_are_named(world: Any) -> None:
    made = world.train()
    world.store.register(made.model, "other", run_id=made.run_id)
    found = trace(made.version.uri)
    assert (made.model, "models:/other/1", "strong") in links(found, "registered as")


class TestParents:
    def test_a_parent_is_drawn_with_its_own_lineage(self, world: Any) -> None:
        base = world.train("base")
        tuned = world.train("tuned", parents=((base.version.uri, "tuned from", base.sha256),))
        found = trace(tuned.version.uri)
        assert found.whole
        assert links(found, "tuned from") == [("models:/base/1", tuned.model, "strong")]
        assert len(links(found, "code")) == 2
        assert (base.model, "models:/base/1", "strong") in links(found, "registered as")

    def test_a_parent_that_changed_since_is_broken(self, world: Any) -> None:
        base = world.train("base")
        tuned = world.train("tuned", parents=((base.version.uri, "base model", base.sha256),))
        (base.folder / "weights").write_bytes(b"other")
        found = trace(tuned.version.uri)
        assert links(found, "base model") == [("models:/base/1", tuned.model, "broken")]
        assert (base.model, "models:/base/1", "broken") in links(found, "registered as")

    def test_a_parent_known_by_name_is_weak(self, world: Any) -> None:
        base = world.train("base")
        found = trace(world.train("tuned", parents=((base.version.uri, "tuned from", ""),)).version.uri)
        assert [strength for *_, strength in links(found, "tuned from")] == ["weak"]
        assert found.whole

    def test_a_parent_without_evidence_is_weak_and_breaks_nothing(self, world: Any) -> None:
        base = world.train("base", evidence=False)
        found = trace(world.train("tuned", parents=((base.version.uri, "tuned from", ""),)).version.uri)
        assert found.whole
        assert (base.run_id, base.model, "weak") in links(found, "model")
        assert any("only MLflow's own word is shown" in note and "models:/base/1" in note for note in found.notes)

    def test_a_parent_whose_evidence_does_not_hold_breaks_the_lineage(self, world: Any) -> None:
        base = world.train("base")
        path = world.artifact(base.run_id, BUNDLE_PATH)
        path.write_bytes(path.read_bytes().replace(b'"payload":"', b'"payload":"A'))
        found = trace(world.train("tuned", parents=((base.version.uri, "tuned from", ""),)).version.uri)
        assert [e.kind for e in found.of("broken")] == ["evidence"]

    @pytest.mark.parametrize("uri", ["hf://org/model", "models:/elsewhere/3"])
    def test_a_parent_from_elsewhere_is_named(self, world: Any, uri: str) -> None:
        found = trace(world.train(parents=((uri, "base model", ""),)).version.uri)
        assert found.whole
        assert [(start, strength) for start, _, strength in links(found, "base model")] == [(uri, "weak")]

    def test_two_parents_with_one_grandparent(self, world: Any) -> None:
        root = world.train("root")
        sides = [world.train(name, parents=((root.version.uri, "tuned from", root.sha256),)) for name in ("left", "right")]
        merged = world.train("merged", parents=tuple((s.version.uri, "merged from", s.sha256) for s in sides))
        found = trace(merged.version.uri)
        assert found.whole
        assert len([n for n in found.nodes if n.id == "version:models:/root/1"]) == 1
        assert len(links(found, "tuned from")) == 2

    def test_a_circle_ends_and_is_broken(self, world: Any) -> None:
        world.train("a", parents=(("models:/b/1", "tuned from", ""),))
        world.train("b", parents=(("models:/a/1", "tuned from", ""),))
        found = trace("models:/a/1")
        assert [e.why for e in found.of("broken")] == ["the models it was made from lead back to itself"]

    def test_generations_end_somewhere(self, world: Any) -> None:
        for at in range(1, 4):
            world.train("chain", parents=((f"models:/chain/{at - 1}", "tuned from", ""),) if at > 1 else ())
        found = trace("models:/chain/3", deepest=1)
        assert [n.label for n in found.nodes if n.kind == "version"] == ["models:/chain/3", "models:/chain/2"]
        assert any("more than 1 generations back" in note for note in found.notes)
        assert DEEPEST > 3


class TestWhatIsWrong:
    def test_without_evidence_mlflows_word_is_shown_as_weak(self, world: Any) -> None:
        made = world.train(evidence=False, tags={"mlflow.source.git.commit": "c0ffee"})
        inputs = [InputView("train", "train", "a" * 64, "s3://b/k", 10, {"x": "int64"})]
        world.store.log_inputs(made.run_id, inputs)
        found = trace(made.version.uri)
        assert not found.whole
        assert [(e.kind, e.why) for e in found.of("broken")] == [("evidence", "the run left no evidence")]
        assert not found.of("strong")
        assert links(found, "model") == [(made.run_id, made.model, "weak")]
        assert links(found, "train data") == [("train", made.run_id, "weak")]
        assert links(found, "code") == [("git:c0ffee", made.run_id, "weak")]

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            (lambda b: b.model_copy(update={"run": b.run.model_copy(update={"run_id": "0" * 32})}), "of run 0000"),
            (
                lambda b: b.model_copy(update={"model": b.model.model_copy(update={"uri": "models:/m-other", "files": {}})}),
                "without a model",
            ),
            (lambda b: b.model_copy(update={"model": None}), "without a model"),
        ],
        ids=["another run", "no files", "no model"],
    )
    def test_evidence_about_something_else(self, world: Any, wrong: Any, words: str) -> None:
        found = trace(world.train(alter=wrong).version.uri)
        assert not found.whole
        assert any(words in e.why for e in found.of("broken"))

    def test_evidence_of_another_model_of_the_run(self, world: Any) -> None:
        made = world.train()
        other = world.client.create_logged_model(world.store.run(made.run_id).experiment_id, name="other", source_run_id=made.run_id)
        folder = Path(other.artifact_location.removeprefix("file://"))
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text("other")
        world.client.finalize_logged_model(other.model_id, "READY")
        version = world.store.register(f"models:/{other.model_id}", "other", run_id=made.run_id)
        found = trace(version.uri)
        assert any("not about this one" in e.why for e in found.of("broken"))
        assert not found.of("strong")

    def test_an_edited_bundle(self, world: Any) -> None:
        made = world.train()
        path = world.artifact(made.run_id, BUNDLE_PATH)
        path.write_bytes(path.read_bytes()[:-40])
        found = trace(made.version.uri)
        assert [e.kind for e in found.of("broken")] == ["evidence"]
        assert any("cannot be believed" in note for note in found.notes)

    def test_changed_files(self, world: Any) -> None:
        made = world.train()
        (made.folder / "weights").write_bytes(b"other")
        found = trace(made.version.uri)
        assert [(e.kind, "changed weights" in e.why) for e in found.of("broken")] == [("registered as", True)]
        assert any("changed weights" in e.why for e in trace(made.model).of("broken"))

    def test_keys_that_were_asked_for(self, world: Any, tmp_path: Any) -> None:
        made = world.train()
        assert trace(made.version.uri, keys=[signing_key().id]).whole
        found = trace(made.version.uri, keys=[new_key(tmp_path / "another").id])
        assert not found.whole
        assert not found.of("strong")

    def test_a_deleted_run(self, world: Any) -> None:
        made = world.train()
        world.client.delete_run(made.run_id)
        found = trace(made.version.uri)
        assert found.asked == made.version.uri
        assert any(n.id == f"run:{made.run_id}" for n in found.nodes)

    def test_evidence_without_links_shows_data_and_model(self, world: Any) -> None:
        found = trace(world.train(facts=False).version.uri)
        assert found.whole
        assert len(links(found, "train data")) == 1
        assert any("has no links" in note for note in found.notes)

    @pytest.mark.usefixtures("mlflow_home")
    def test_what_cannot_be_read(self) -> None:
        cases = {
            "models:/nobody/1": StoreError,
            "models:/m-nobody": StoreError,
            "runs:/nobody": StoreError,
            "models:/credit": StoreError,
            "credit": ConfigurationError,
            "s3://bucket/model": ConfigurationError,
        }
        for uri, error in cases.items():
            with pytest.raises(error):
                trace(uri)

    def test_a_run_with_several_models_asks_which(self, world: Any) -> None:
        from mlflow.entities import LoggedModelOutput

        made, other = world.train(), world.train("b")
        ids = [m.model.removeprefix("models:/") for m in (made, other)]
        world.client.log_outputs(made.run_id, [LoggedModelOutput(i, 0) for i in ids])
        with pytest.raises(ConfigurationError, match="has logged 2 models"):
            trace(f"runs:/{made.run_id}")


def test_a_copied_version_leads_to_the_model_it_was_copied_from(world: Any) -> None:
    made = world.train()
    world.client.create_registered_model("production")
    world.client.copy_model_version(made.version.uri, "production")
    found = trace("models:/production/1")
    assert (made.model, "models:/production/1", "strong") in links(found, "registered as")
    assert links(found, "train data") == [("train", made.run_id, "strong")]


def test_an_assessed_model_shows_who_made_it_and_who_looked(world: Any, bundle: Any, edges: Any) -> None:
    """A model made without evidence, and an assessment that it points to."""
    made = world.train(evidence=False)
    run_id = world.store.create_run("tests", "assessment", {"aims.system": "golden"})
    node, run = f"model:{made.model}@sha256:{made.sha256}", f"run:{run_id}"
    result = edges([(node, run, "assessed model", "strong", "by digest"), ("run:unknown", node, "training run", "weak", "made before")])
    files = {p: FileDigest(size=s, sha256=d) for p, (s, d) in world.store.model_files(made.model).items()}

    def assessed(b: Any) -> Any:
        run_ = b.run.model_copy(update={"run_id": run_id, "kind": "assessment"})
        return b.model_copy(
            update={
                "run": run_,
                "model": ModelSummary(uri=made.model, files=files),
                "results": (result,),
                "evidence": tuple(e.model_copy(update={"run_id": run_id}) for e in b.evidence),
            }
        )

    world.store.write(run_id, BUNDLE_PATH, seal_bundle(assessed(bundle)))
    world.store.end_run(run_id)
    world.store.tag_version(made.version, {ASSESSMENT: run_id})
    found = trace(made.version.uri)
    assert found.whole
    assert links(found, "assessed model") == [(made.model, run_id, "strong")]
    assert links(found, "model") == [(made.run_id, made.model, "weak")]
    assert not links(found, "training run"), "MLflow knows which run it was"
    assert any("only looked at" in note for note in found.notes)
