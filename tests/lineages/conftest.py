"""Models in a real sqlite MLflow, with signed evidence whose lineage check was fed by hand, and what can be done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.bundle import BUNDLE_PATH, Bundle, FileDigest, ModelSummary
from aims_mlflow.decision import manifest_digest
from aims_mlflow.evidence import CheckResult, digest
from aims_mlflow.signing import seal_bundle
from aims_mlflow.store import Store, VersionView
from tests import drawn
from tests.golden import make as golden

Edge = tuple[str, str, str, str, str]


def result_of(edges: list[Edge], broken: list[tuple[str, str, str, str]] = []) -> CheckResult:  # noqa: B006 - read only
    """The lineage check's result with these links: (start, end, kind, strength, why)."""
    facts: dict[str, Any] = {
        "edges": [list(edge[:3]) for edge in edges],
        "strength": [edge[3] for edge in edges],
        "why": [edge[4] for edge in edges],
        "broken_edges": [list(edge) for edge in broken],
    }
    return CheckResult(check="lineage", facts=facts)


@dataclass
class Trained:
    """A version with its run, its model and where its files lie."""

    version: VersionView
    run_id: str
    model: str
    folder: Path
    sha256: str


@dataclass
class World:
    """A real store, and how models get into it."""

    store: Store
    client: Any

    def train(
        self,
        name: str = "credit",
        *,
        parents: tuple[tuple[str, str, str], ...] = (),
        alter: Callable[[Bundle], Bundle] = lambda bundle: bundle,
        evidence: bool = True,
        facts: bool = True,
        tags: dict[str, str] | None = None,
    ) -> Trained:
        """Do what the recorder does; ``parents`` are (uri, relation, sha256)."""
        run_id = self.store.create_run("tests", "training", {"aims.system": "golden", **(tags or {})})
        logged = self.client.create_logged_model(self.store.run(run_id).experiment_id, name="model", source_run_id=run_id)
        folder = Path(logged.artifact_location.removeprefix("file://"))
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text(f"run_id: {run_id}\n")
        (folder / "weights").write_bytes(b"\x00\x01\x02")
        self.client.finalize_logged_model(logged.model_id, "READY")
        uri = f"models:/{logged.model_id}"
        manifest = self.store.model_files(uri)
        sha256 = manifest_digest(manifest)
        node, run = f"model:{uri}@sha256:{sha256}", f"run:{run_id}"
        edges: list[Edge] = [
            (f"dataset:train@sha256:{digest('train')}", run, "train data", "strong", "by the digest of its whole content"),
            (
                "source:https://example.org/loans",
                f"dataset:train@sha256:{digest('train')}",
                "source of train",
                "weak",
                "by the address only",
            ),
            ("code:git:c0ffee", run, "code", "strong", "by commit"),
            (run, node, "model", "strong", "by the digests of all its files"),
            *(
                (f"model:{parent}{f'@sha256:{sha}' if sha else ''}", node, relation, "strong" if sha else "weak", "as the run saw it")
                for parent, relation, sha in parents
            ),
            (node, f"version:{name}", "registered as", "weak", "by name"),
        ]
        now = datetime.now(UTC)
        bundle = golden.bundle()
        bundle = bundle.model_copy(
            update={
                "run": bundle.run.model_copy(update={"run_id": run_id, "started": now - timedelta(minutes=1), "finished": now}),
                "model": ModelSummary(uri=uri, files={p: FileDigest(size=s, sha256=d) for p, (s, d) in manifest.items()}),
                "evidence": tuple(e.model_copy(update={"run_id": run_id}) for e in bundle.evidence),
                "results": (result_of(edges),) if facts else (),
            }
        )
        if evidence:
            self.store.write(run_id, BUNDLE_PATH, seal_bundle(alter(bundle)))
        self.store.end_run(run_id)
        version = self.store.register(uri, name, run_id=run_id)
        return Trained(version, run_id, uri, folder, sha256)

    def artifact(self, run_id: str, path: str) -> Path:
        """Where an artifact of a run lies on this disk."""
        return Path(str(self.client.get_run(run_id).info.artifact_uri).removeprefix("file://")) / path


@pytest.fixture
def world(mlflow_home: str) -> World:
    import mlflow

    return World(Store(), mlflow.MlflowClient())


@pytest.fixture(scope="session")
def read() -> Callable[..., Any]:
    """Reads a drawn picture back."""
    return drawn.read


@pytest.fixture(scope="session")
def edges() -> Callable[..., CheckResult]:
    """Makes a lineage result of links."""
    return result_of


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The golden bundle."""
    made: Bundle = golden.bundle()
    return made
