from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.errors import StoreError, VerificationError
from aims_mlflow.store import InputView, Store, visible_cut
from aims_mlflow.store.flavours import flavour_name, requirements
from aims_mlflow.store.logs import AT_ONCE


class Constant:
    """A model of no library."""

    def predict(self, frame: Any) -> Any:
        return [1] * len(frame)


def features(fitted: Any) -> Any:
    return fitted.test[list(fitted.pipeline.feature_names_in_)]


def test_a_run_is_written_and_read_back(mlflow_home: str) -> None:
    store = Store()
    run_id = store.create_run(None, "first", {"aims.system": "s"})
    store.log(run_id, metrics={f"m{i}": i for i in range(250)}, params={"p": "1"}, tags={"long": "x" * 9000, "aims.A.7.4": "pass"})
    store.log_inputs(run_id, [InputView("train", "train", "a" * 64, "https://example.org/d", 3, {"x": "long"})])
    store.write(run_id, "aims/a.json", b"{}")
    store.end_run(run_id)
    run = store.run(run_id)
    assert run.status == "FINISHED"
    assert len(run.metrics) == 250
    assert run.tags["aims.A.7.4"] == "pass"
    assert run.tags["long"].endswith("(cut; the whole is in the bundle)")
    assert run.dataset_inputs[0]["aims.sha256"] == "a" * 64
    assert store.read(run_id, "aims/a.json") == b"{}"
    assert store.artifacts(run_id, "aims") == ["aims/a.json"]
    assert [r.run_id for r in store.system_runs("s")] == [run_id]


def test_no_paging_limit_drops_a_run(mlflow_home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_mlflow.store.connection.PAGE", 2)
    store = Store()
    made = {store.create_run(None, f"r{i}", {"aims.system": "s"}) for i in range(5)}
    assert {r.run_id for r in store.system_runs("s")} == made


def test_a_model_is_logged_with_its_flavour_registered_and_found(mlflow_home: str, fitted: Any) -> None:
    store = Store()
    run_id = store.create_run(None, None, {})
    logged = store.log_model(fitted.pipeline, run_id=run_id, name="model", frame=features(fitted))
    assert (logged.flavour, logged.serialization) == ("sklearn", "skops")
    assert store.logged_models(run_id) == [logged.uri]
    assert store.model_run(logged.uri) == run_id
    version = store.register(logged.uri, "credit", run_id=run_id, tags={"aims.system": "s"})
    files = store.model_files(version)
    assert "MLmodel" in files
    assert files == store.model_files(logged.uri)
    assert (version.uri, version.run_id) == ("models:/credit/1", run_id)
    store.set_alias("credit", "champion", "1")
    assert store.version("models:/credit@champion").aliases == ("champion",)
    assert store.alias_version("credit", "champion") == "1"
    assert store.alias_version("credit", "Champion") is None
    store.tag_version(version, {"aims.state": "pass"})
    store.describe_version(version, "words")
    store.tag_model("credit", {"aims.system": "s"})
    store.describe_model("credit", "words")
    found = store.system_versions("s")
    assert [(v.version, v.aliases, v.tags["aims.state"], v.description) for v in found] == [("1", ("champion",), "pass", "words")]
    store.delete_alias("credit", "champion")
    assert store.versions("credit")[0].aliases == ()
    predicted = store.load_pyfunc(logged.uri).predict(features(fitted))
    assert list(predicted) == list(fitted.pipeline.predict(features(fitted)))


def test_a_type_that_skops_refuses_is_pickled_and_named_so(mlflow_home: str, fitted: Any) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    numeric = fitted.train[["credit_amount", "age_in_years"]]
    model = HistGradientBoostingClassifier(max_iter=2).fit(numeric, fitted.train["credit_risk"])
    store = Store()
    run_id = store.create_run(None, None, {})
    logged = store.log_model(model, run_id=run_id, name="m", frame=numeric)
    assert (logged.flavour, logged.serialization) == ("sklearn", "cloudpickle")


def test_anything_that_predicts_can_be_logged(mlflow_home: str, fitted: Any) -> None:
    store = Store()
    run_id = store.create_run(None, None, {})
    logged = store.log_model(Constant(), run_id=run_id, name="m", frame=features(fitted))
    assert logged.flavour == "python_function"
    assert list(store.load_pyfunc(logged.uri).predict(features(fitted).head(2))) == [1, 1]


def test_a_link_among_the_model_files_is_refused(mlflow_home: str, fitted: Any, tmp_path: Path) -> None:
    store = Store()
    run_id = store.create_run(None, None, {})
    logged = store.log_model(fitted.pipeline, run_id=run_id, name="m", frame=None)
    with store.model_folder(logged.uri) as folder:
        (folder / "link").symlink_to("MLmodel")
    with pytest.raises(VerificationError, match="link"):
        store.model_files(logged.uri)


@pytest.mark.parametrize("uri", ["credit/7", "models:/credit", "models:/credit/latest", "models:/nobody/1", "models:/nobody@champion"])
def test_a_version_that_is_not_there_is_a_clear_error(mlflow_home: str, uri: str) -> None:
    with pytest.raises(StoreError, match="models:/"):
        Store().version(uri)


def test_a_run_or_artifact_that_is_not_there_is_a_store_error(mlflow_home: str) -> None:
    store = Store()
    with pytest.raises(StoreError, match="nothing"):
        store.run("nothing")
    run_id = store.create_run(None, None, {})
    with pytest.raises(StoreError, match="aims/none"):
        store.read(run_id, "aims/none")


def test_a_server_that_is_down_is_noticed_at_once() -> None:
    store = Store("http://user:secret@127.0.0.1:9", "http://127.0.0.1:9")
    assert not store.reachable()
    with pytest.raises(StoreError, match="does not answer") as caught:
        store.require()
    assert "secret" not in str(caught.value)


def test_flavours_and_requirements(fitted: Any) -> None:
    assert flavour_name(fitted.pipeline) == "sklearn"
    assert flavour_name(Constant()) == "python_function"
    assert any(r.startswith("mlflow==") for r in requirements(("no-such-distribution",)))


def test_visible_cut_keeps_short_text_and_the_limit() -> None:
    assert visible_cut("short") == "short"
    assert len(visible_cut("x" * 10_000)) == 8_000


def test_artifacts_are_not_fetched_far_ahead_of_who_takes_them(mlflow_home: str) -> None:
    done: list[int] = []
    keys = range(3 * AT_ONCE)
    each = Store()._each(keys, "read", lambda key: done.append(key) or -key)  # type: ignore[func-returns-value]
    assert next(each) == (0, 0)
    assert len(done) <= AT_ONCE
    assert [*each] == [(key, -key) for key in keys[1:]]
    assert sorted(done) == [*keys]
