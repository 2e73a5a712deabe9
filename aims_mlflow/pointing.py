"""Which run's evidence a model version is judged by: that of the run that made it, else that of the assessment it points to."""

from __future__ import annotations

from pathlib import Path

from aims_mlflow.bundle import ASSESSMENT, BUNDLE_PATH
from aims_mlflow.errors import StoreError, VerificationError
from aims_mlflow.signing import open_bundle
from aims_mlflow.store import Store, VersionView

MISSING_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers where a run is not there."""


def evidence_run(store: Store, version: VersionView) -> str:
    """Return the id of the run whose evidence counts for the version; "" where no run is known.

    The run that made the version comes first: an assessment counts only where that run has left no evidence, so that nobody gets
    round what was found in training by assessing the model again on other data. The tag only points: the run it names must
    hold signed evidence of an assessment, and the gate then compares the model's files with those in it, byte for byte.

    Raises:
        StoreError: MLflow did not answer.
    """
    pointed = version.tags.get(ASSESSMENT, "").strip()
    if not pointed or pointed == version.run_id or _has_left_evidence(store, version.run_id):
        return version.run_id
    return pointed if _is_assessment(store, pointed) else version.run_id


def _has_left_evidence(store: Store, run_id: str) -> bool:
    """Whether the run has evidence, believable or not, or had it once: its tag stays when the artifact is taken away."""
    if not run_id:
        return False
    try:
        run = store.run(run_id)
    except StoreError as error:
        if getattr(error.__cause__, "error_code", "") in MISSING_THERE:
            return False
        raise
    return "aims.bundle" in run.tags or BUNDLE_PATH in store.artifacts(run_id, str(Path(BUNDLE_PATH).parent))


def _is_assessment(store: Store, run_id: str) -> bool:
    try:
        if BUNDLE_PATH not in store.artifacts(run_id, str(Path(BUNDLE_PATH).parent)):
            return False
        bundle = open_bundle(store.read(run_id, BUNDLE_PATH))[0]
    except VerificationError:
        return False
    except StoreError as error:
        if getattr(error.__cause__, "error_code", "") in MISSING_THERE:
            return False
        raise
    return bundle.run.kind == "assessment" and bundle.run.run_id == run_id
