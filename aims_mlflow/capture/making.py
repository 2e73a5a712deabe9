"""How a model was made that this run did not make, as far as records tell: its source run, that run's evidence, the model's own files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.errors import AimsError, StoreError, VerificationError
from aims_mlflow.observation import Code, Model, RunFacts
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import RunView, Store

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9._+!-]*)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SEED_PARAM = re.compile(r"(^|_)(random_state|seed|random_seed)$")


def as_recorded(facts: RunFacts, model: Model | None, store: Store) -> RunFacts:
    """Return the facts of an assessment: what is recorded of how the model was made, and nothing of the machine that assesses it.

    The signed evidence of the run that made the model comes first, then what that run logged, then the packages that the
    model's own files ask for. What none of them says stays empty: it is never inferred.

    Args:
        facts: as the assessing run saw them.
        model: the model, with its URI.
        store: MLflow.
    """
    empty = dataclasses.replace(facts, code=Code("unknown"), params={}, packages={}, hardware={}, seeds=dict(_of_estimator(facts.seeds)))
    if model is None or not model.uri:
        return empty
    packages = _asked_for(model.uri, store)
    run = source_run(model.uri, store)
    if run is None:
        return dataclasses.replace(empty, packages=packages)
    seeds = {f"run.{name}": value for name, value in run.params.items() if _SEED_PARAM.search(name) and value not in ("", "None")}
    found = dataclasses.replace(
        empty,
        params=dict(run.params),
        packages=packages,
        code=_code_of(run),
        seeds={**empty.seeds, **seeds},
        recorded_by=run.run_id,
        recorded_data={
            i.get("mlflow.data.context") or i.get("name", ""): i.get("aims.sha256") or i.get("digest", "") for i in run.dataset_inputs
        },
    )
    evidence = evidence_of(run.run_id, store)
    return found if evidence is None else _as_evidenced(found, evidence)


def source_run(uri: str, store: Store) -> RunView | None:
    """Return the run that made the model behind a URI, or None where MLflow does not know one that is still there."""
    try:
        if uri.startswith("models:/m-"):
            run_id = store.model_run(uri)
        elif uri.startswith("models:/"):
            run_id = store.version(uri).run_id
        else:
            run_id = uri.removeprefix("runs:/").partition("/")[0] if uri.startswith("runs:/") else ""
        return store.run(run_id) if run_id else None
    except StoreError:
        return None


def evidence_of(run_id: str, store: Store) -> Bundle | None:
    """Return the verified evidence that a run has left about itself, or None."""
    try:
        if BUNDLE_PATH not in store.artifacts(run_id, str(Path(BUNDLE_PATH).parent)):
            return None
        bundle = open_bundle(store.read(run_id, BUNDLE_PATH))[0]
    except (StoreError, VerificationError):
        return None
    return bundle if bundle.run.run_id == run_id else None


def _of_estimator(seeds: Mapping[str, str]) -> dict[str, str]:
    """Keep what the model itself says of its seeds: the process at hand is not the one that trained."""
    return {name: value for name, value in seeds.items() if name.startswith("estimator.")}


def _code_of(run: RunView) -> Code:
    """Return the code that MLflow noted: whether its work tree was clean it does not say."""
    commit = run.tags.get("mlflow.source.git.commit", "")
    entry = run.tags.get("mlflow.source.name", "").rpartition("/")[2]
    return Code("git", commit, None, "", entry) if _COMMIT.fullmatch(commit) else Code("unknown", entry=entry)


def _asked_for(uri: str, store: Store) -> dict[str, str]:
    """Return the packages, with their versions, that the model's own files ask for."""
    try:
        with store.model_folder(uri) as folder:
            listed = folder / "requirements.txt"
            lines = listed.read_text("utf-8", errors="replace").splitlines() if listed.is_file() else []
    except (AimsError, OSError):
        return {}
    return dict(match.groups() for match in map(_PINNED.match, lines) if match)  # type: ignore[misc]  # the pattern has two groups


def _as_evidenced(facts: RunFacts, evidence: Bundle) -> RunFacts:
    """Return the facts with what the signed evidence of the run that made the model says of code, packages, hardware and seeds."""
    design = next((r for r in evidence.results if r.check == "design" and r.problem is None), None)
    told: dict[str, Any] = dict(design.facts) if design is not None else {}
    code = told.get("code")
    if design is not None and isinstance(code, dict) and code.get("kind") in ("git", "distribution"):
        entry = next((subject.name for subject in design.subjects if subject.kind == "code"), facts.code.entry)
        known = Code(code["kind"], str(code.get("reference", "")), code.get("dirty"), str(code.get("source_sha256", "")), entry)
    else:
        known = facts.code
    plain = {name: value for name, value in told.items() if isinstance(value, dict)}
    return dataclasses.replace(
        facts,
        code=known,
        packages={str(k): str(v) for k, v in plain.get("packages", {}).items()} or facts.packages,
        hardware={str(k): v for k, v in plain.get("hardware", {}).items() if isinstance(v, str | int | float)},
        seeds={**facts.seeds, **{str(k): str(v) for k, v in plain.get("seeds", {}).items()}},
        recorded_data={**facts.recorded_data, **{d.role: d.sha256 for d in evidence.datasets}},
    )
