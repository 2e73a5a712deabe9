"""Read all that the gate looks at (version, run, evidence, model files, policy) and let it decide. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.decision import Blocker, BlockerCode, Files, GateDecision, VersionFacts, undecided
from aims_mlflow.errors import AimsError, ConfigurationError, MissingKeyError, NoSystemError, StoreError, VerificationError
from aims_mlflow.gate import NO_TRUST, TRAIN_AGAIN, decide
from aims_mlflow.pointing import evidence_run
from aims_mlflow.policy.choosing import SystemLike, chosen_policy
from aims_mlflow.signing import Trust, Verified, open_bundle
from aims_mlflow.store import RunView, Store, VersionView
from aims_mlflow.system import System


@dataclass(frozen=True)
class Examined:
    """A decision, the version it is about, where one was found, and the keys that the gate's policy trusts."""

    decision: GateDecision
    version: VersionView | None = None
    trust: Trust = NO_TRUST


def check_promotion(
    model_uri: str, *, alias: str | None = None, system: SystemLike | None = None, store: Store | None = None
) -> GateDecision:
    """Decide whether a model version may be promoted; changes nothing.

    Args:
        model_uri: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        alias: the alias it is to get.
        system: the gate's own copy of the system file: a path, or a ``System`` or ``Policy`` as it is. Default: the file for this
            model in the directory ``AIMS_POLICY_DIR``, else ``./aims.yaml``. A file is merged with the organisation's.
        store: the MLflow to look at; default: MLflow's own settings.

    Returns:
        The decision. Where the policy or MLflow cannot be read it is undecided, which blocks; nothing is raised for that.
    """
    return examine(model_uri, alias, system, store or Store()).decision


def examine(model_uri: str, alias: str | None, system: SystemLike | None, store: Store) -> Examined:
    """Read everything the gate looks at and let it decide. What cannot be read leaves it undecided."""
    now = datetime.now(UTC)
    version: VersionView | None = None
    policy: System | None = None

    def could_not(code: BlockerCode, error: AimsError, fix: str) -> Examined:
        blocker = Blocker(code=code, reason=f"{error.what} ({error.where})" if error.where else error.what, fix=error.fix or fix)
        return Examined(undecided(version.uri if version else model_uri, blocker, now=now, alias=alias, system=policy), version)

    try:
        store.require()
        version = store.version(model_uri)
        run_id = evidence_run(store, version)
        run = _run(store, run_id)
        bundle, verification = _bundle(store, run)
        tagged = run.tags.get("aims.system", "") if run else ""  # finds a policy to print lines by; without a bundle nothing is let through
        chosen = chosen_policy(system, model_name=version.name, system_id=bundle.system_id if bundle else tagged)
        policy = chosen.system
        if isinstance(verification, Blocker) and verification.code == "missing_key" and run is not None:
            bundle, verification = _bundle(store, run, chosen.trust)
        facts = VersionFacts(
            name=version.name,
            version=version.version,
            source=version.source,
            run_id=run_id,
            run_status=run.status if run else None,
            run_deleted=run is not None and run.lifecycle != "active",
        )
        files = _model_files(store, version)
        decision = decide(policy, bundle, facts, now=now, alias=alias, verification=verification, model_files=files, trust=chosen.trust)
    except StoreError as error:
        return could_not("no_answer" if version else "no_version", error, "see that MLflow is up and that the model and its run are there")
    except NoSystemError as error:
        return could_not("no_system", error, "add a system file for this model to the policy folder")
    except ConfigurationError as error:
        return could_not("no_policy", error, "pass a system file that `aims validate` accepts")
    return Examined(decision, version, chosen.trust)


def _run(store: Store, run_id: str) -> RunView | None:
    """Return the run, or None where MLflow says there is none."""
    if not run_id:
        return None
    try:
        return store.run(run_id)
    except StoreError as error:
        if getattr(error.__cause__, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _bundle(store: Store, run: RunView | None, trust: Trust = NO_TRUST) -> tuple[Bundle | None, Verified | Blocker]:
    """Return the run's evidence with the outcome of verifying it, or why there is none to believe."""
    if run is None or BUNDLE_PATH not in store.artifacts(run.run_id, str(Path(BUNDLE_PATH).parent)):
        return None, Blocker(code="no_bundle", reason="the run left no evidence", fix=TRAIN_AGAIN)
    try:
        return open_bundle(store.read(run.run_id, BUNDLE_PATH), keyring=trust.keyring())
    except VerificationError as error:
        code: BlockerCode = "missing_key" if isinstance(error, MissingKeyError) else "bad_bundle"
        return None, Blocker(code=code, reason=f"the evidence cannot be believed: {error.what}", fix=error.fix)


def _model_files(store: Store, version: VersionView) -> Files | Blocker:
    try:
        return store.model_files(version)
    except VerificationError as error:
        return Blocker(code="no_model_files", reason=f"the model's files cannot be believed: {error.what}", fix=error.fix)
