"""The gated stores on the client: the same decisions before the call, said to be advice, and our own promotion asks but once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from mlflow.exceptions import MlflowException

import aims_mlflow as aims
from aims_mlflow.errors import PromotionBlocked
from aims_mlflow.promotion import recorded_decisions
from aims_mlflow.server import guarding
from aims_mlflow.store import Store

from . import making
from .serving import Gated


@pytest.fixture
def stricter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy of the client's own, which protects what the server does not."""
    folder = tmp_path / "stricter"
    folder.mkdir()
    (folder / "golden.yaml").write_text(yaml.safe_dump(making.SYSTEM | {"gate": {"protects": ["live", "Staging"]}}))
    monkeypatch.setenv("AIMS_POLICY_DIR", str(folder))
    monkeypatch.setattr(guarding, "_advised", False)
    return folder


@pytest.fixture
def set_uris() -> Iterator[Any]:
    """Set MLflow's tracking and registry URIs, and take them back."""

    def to(tracking: str, registry: str) -> None:
        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(registry)

    yield to
    mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType]  # "" would be a folder
    mlflow.set_registry_uri("")


class TestRest:
    @pytest.mark.usefixtures("stricter")
    def test_it_asks_before_the_call(self, postgresql: Gated, set_uris: Any, caplog: pytest.LogCaptureFixture) -> None:
        good, bad = postgresql.model(), postgresql.model(spoilt=making.failing)
        set_uris(postgresql.server.uri, f"aims+{postgresql.server.uri}")
        with caplog.at_level(logging.WARNING, "aims_mlflow"):
            client = mlflow.MlflowClient()
            client.set_registered_model_alias(good.name, "live", "1")
            mlflow.MlflowClient(registry_uri=f"aims+{postgresql.server.uri}/").search_registered_models()
        assert len([one for one in caplog.messages if "That is advice" in one]) == 1
        assert good.store.alias_version(good.name, "live") == "1"
        with pytest.raises(MlflowException, match="roc_auc_score"):
            client.set_registered_model_alias(bad.name, "Live", "1")
        assert bad.store.alias_version(bad.name, "Live") is None
        client.set_registered_model_alias(bad.name, "candidate", "1")

        plain = postgresql.client  # who does not ask is not stopped here: the server does not protect this one
        plain.set_registered_model_alias(bad.name, "Live", "1")
        with pytest.raises(MlflowException, match="version 1 holds Live"):
            client.delete_registered_model(bad.name)
        with pytest.raises(MlflowException, match="version 1 holds Live"):
            client.rename_registered_model(bad.name, f"{bad.name}-new")
        with pytest.raises(MlflowException, match="version 1 holds Live"):
            client.delete_model_version(bad.name, "1")
        client.delete_registered_model_alias(bad.name, "Live")
        client.delete_registered_model(bad.name)

    @pytest.mark.usefixtures("stricter")
    @pytest.mark.filterwarnings("ignore::FutureWarning")  # MLflow's, of stages
    def test_stages_too(self, postgresql: Gated, set_uris: Any) -> None:
        good, bad = postgresql.model(), postgresql.model(evidence=False)
        set_uris(postgresql.server.uri, f"aims+{postgresql.server.uri}")
        client = mlflow.MlflowClient()
        assert client.transition_model_version_stage(good.name, "1", "Staging").current_stage == "Staging"
        with pytest.raises(MlflowException, match="may not be promoted as Staging"):
            client.transition_model_version_stage(bad.name, "1", "staging")
        assert postgresql.client.get_model_version(bad.name, "1").current_stage == "None"
        with pytest.raises(MlflowException, match="holds the stage Staging"):
            client.delete_model_version(good.name, "1")
        assert client.transition_model_version_stage(good.name, "1", "None").current_stage == "None"

    def test_our_own_promotion_asks_once_on_each_side(self, postgresql: Gated, set_uris: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIMS_POLICY_DIR", str(postgresql.policies))
        good = postgresql.model()
        set_uris(postgresql.server.uri, f"aims+{postgresql.server.uri}")
        assert aims.promote(good.uri, "champion").allowed
        kept = recorded_decisions(good.version.run_id, good.store)
        assert sorted(one.decision.actor == "unauthenticated" for one in kept if one.decision) == [False, True]

    @pytest.mark.usefixtures("stricter")
    def test_a_server_that_is_gone_is_said_to_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from aims_mlflow.server.registry_client import GatedRestStore

        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        store = GatedRestStore("aims+http://127.0.0.1:9", "http://127.0.0.1:9")
        with pytest.raises(MlflowException, match=r"127\.0\.0\.1"):
            store.set_registered_model_alias("m", "live", "1")


@pytest.mark.usefixtures("stricter")
class TestSqlite:
    @pytest.fixture
    def world(self, mlflow_home: str) -> making.Trained:
        made = making.trained(Store(mlflow_home, mlflow_home), "m")
        mlflow.set_registry_uri(f"aims+{mlflow_home}")
        return made

    def test_it_asks_before_it_writes(self, world: making.Trained) -> None:
        bad = world.again(evidence=False)
        client = mlflow.MlflowClient()
        client.set_registered_model_alias("m", "live", "1")
        with pytest.raises(MlflowException, match="the run left no evidence"):
            client.set_registered_model_alias("m", "live", bad.version.version)
        assert world.store.alias_version("m", "live") == "1"
        with pytest.raises(MlflowException, match="version 1 holds live"):
            client.delete_model_version("m", "1")

    def test_our_own_promotion_asks_once(self, world: making.Trained) -> None:
        assert aims.promote("models:/m/1", "live").allowed
        (kept,) = recorded_decisions(world.version.run_id, world.store)
        assert kept.decision is not None
        assert kept.decision.allowed
        bad = world.again(evidence=False)
        with pytest.raises(PromotionBlocked):
            aims.promote(bad.uri, "live")
        assert Store().alias_version("m", "live") == "1"

    def test_a_system_file_in_the_working_directory_counts_as_ever(
        self, mlflow_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AIMS_POLICY_DIR")
        made = making.trained(Store(mlflow_home, mlflow_home), "m")
        (tmp_path / "aims.yaml").write_text(yaml.safe_dump(making.SYSTEM | {"gate": {"protects": ["live"]}}))
        mlflow.set_registry_uri(f"aims+{mlflow_home}")
        client = mlflow.MlflowClient()
        client.set_registered_model_alias("m", "live", "1")
        (kept,) = recorded_decisions(made.version.run_id)
        assert kept.decision is not None
        client.set_registered_model_alias("m", "champion", "1")  # this system does not protect it
        assert len(recorded_decisions(made.version.run_id)) == 1
