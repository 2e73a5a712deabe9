"""Models with evidence on a server, made as the recorder makes them, but of two plain files and in a moment."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aims_mlflow.bundle import BUNDLE_PATH, Bundle, FileDigest, ModelSummary
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import Store, VersionView
from tests.golden import make

SYSTEM: dict[str, Any] = make.SYSTEM
"""The golden system: it names no model, so that it speaks for every model whose evidence is of it."""

_numbers = itertools.count(1)


def password(user: str) -> str:
    """Return a user's password in these tests."""
    return f"{user}-has-a-password"


@dataclass
class Trained:
    """A version of a registered model with its evidence."""

    store: Store
    version: VersionView
    bundle: Bundle
    logged: str

    @property
    def name(self) -> str:
        return self.version.name

    @property
    def uri(self) -> str:
        return self.version.uri

    def again(self, **given: Any) -> Trained:
        """Make another version of the same model."""
        return trained(self.store, self.name, **given)


def good() -> dict[str, Any]:
    """Change nothing: the version may be promoted."""
    return {}


def failing() -> dict[str, Any]:
    """Return the changes under which performance misses its requirement."""
    results = tuple(
        r if r.check != "performance" else r.model_copy(update={"measures": (make.interval("roc_auc_score", 0.6, 0.02, 4_000),)})
        for r in make.results()
    )
    cited = tuple(r.id for r in results if r.check == "performance")
    return {"results": results, "evidence": tuple(e.model_copy(update={"results": cited}) for e in make.bundle().evidence)}


def of_another_system() -> dict[str, Any]:
    """Return the changes under which the evidence is of a system that no policy knows."""
    return {"system_id": "another"}


def trained(store: Store, name: str = "", *, spoilt: Callable[[], dict[str, Any]] = good, evidence: bool = True, size: int = 0) -> Trained:
    """Do what the recorder does: a finished run with a logged model, its bundle, and a registered version.

    Args:
        store: the server.
        name: the registered model; default: a new one.
        spoilt: changes to the bundle.
        evidence: whether the run leaves any.
        size: bytes of its larger file, where that matters.
    """
    name = name or f"model-{next(_numbers)}"
    client = store._client
    run_id = store.create_run("tests", "training", {"aims.system": "golden"})
    logged = client.create_logged_model(store.run(run_id).experiment_id, name="model", source_run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MLmodel").write_text(f"run_id: {run_id}\n")
        Path(folder, "weights").write_bytes(bytes(size) or b"\x00\x01\x02")
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    uri = f"models:/{logged.model_id}"
    files = {path: FileDigest(size=size, sha256=sha) for path, (size, sha) in store.model_files(uri).items()}
    now = datetime.now(UTC)
    content = {
        "run": make.bundle().run.model_copy(update={"run_id": run_id, "started": now - timedelta(minutes=1), "finished": now}),
        "model": ModelSummary(uri=uri, files=files),
    }
    changes = {"evidence": make.bundle().evidence} | spoilt()
    changes["evidence"] = tuple(e.model_copy(update={"run_id": run_id}) for e in changes["evidence"])
    bundle = make.bundle(**(content | changes))
    if evidence:
        store.write(run_id, BUNDLE_PATH, seal_bundle(bundle))
    store.end_run(run_id)
    return Trained(store, store.register(uri, name, run_id=run_id), bundle, logged.model_id)
