"""Promotion: read what the gate needs, let it decide, sign and keep the decision, move the alias, and look again."""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aims_mlflow.bundle import BUNDLE_PATH, Bundle
from aims_mlflow.decision import Blocker, BlockerCode, Files, GateDecision, VersionFacts, manifest_digest, undecided
from aims_mlflow.errors import AimsError, ConfigurationError, PromotionBlocked, StoreError, VerificationError
from aims_mlflow.evidence import canonical, worst
from aims_mlflow.gate import TRAIN_AGAIN, decide
from aims_mlflow.pointing import evidence_run
from aims_mlflow.scorecard import scorecard, with_own
from aims_mlflow.signing import Verified, open_bundle, sign, strict_json, verify
from aims_mlflow.store import RunView, Store, VersionView
from aims_mlflow.system import System

DECISIONS = "aims/decisions"
"""The artifact folder of a run in which the gate's signed decisions on its model stand."""

POLICY_FILE = "aims.yaml"
"""The system file that the gate takes where none is named, in the working directory."""

SystemLike = System | str | os.PathLike[str]

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Recorded:
    """A decision as it stands among the artifacts of a run; ``problem`` says why it cannot be believed."""

    path: str
    decision: GateDecision | None = None
    key_ids: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class _Examined:
    """A decision and the version it is about, where one was found."""

    decision: GateDecision
    version: VersionView | None = None


def check_promotion(
    model_uri: str, *, alias: str | None = None, system: SystemLike | None = None, store: Store | None = None
) -> GateDecision:
    """Decide whether a model version may be promoted; changes nothing.

    Args:
        model_uri: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        alias: the alias it is to get.
        system: the gate's own copy of the system file: a ``System`` or a path. Default: the file for this model in the
            directory ``AIMS_POLICY_DIR``, else ``./aims.yaml``.
        store: the MLflow to look at; default: MLflow's own settings.

    Returns:
        The decision. Where the policy or MLflow cannot be read it is undecided, which blocks; nothing is raised for that.
    """
    return _examine(model_uri, alias, system, store or Store()).decision


def promote(model_uri: str, alias: str, *, system: SystemLike | None = None, store: Store | None = None) -> GateDecision:
    """Point ``alias`` at the version if the gate allows it, and keep the signed decision in the version's run.

    The decision is written before the alias is moved. Afterwards the model's files, the bundle and the version are read
    once more: if anything has changed since the gate looked, the alias goes back to where it was.

    Args:
        model_uri: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        alias: the alias it is to get.
        system: as for ``check_promotion``.
        store: as for ``check_promotion``.

    Raises:
        PromotionBlocked: the gate said no or could not decide, or the model changed meanwhile; ``decision`` has the lines.
        StoreError: the decision could not be written; the alias has not been moved.
    """
    store = store or Store()
    examined = _examine(model_uri, alias, system, store)
    version = examined.version
    decision = examined.decision.model_copy(update={"actor": _actor()})
    if version is None or not decision.allowed:
        if version is not None and decision.decided:
            _keep_denial(store, version, decision)
        raise _blocked(decision)
    before = store.alias_version(version.name, alias)
    decision = decision.model_copy(update={"replaced": before if before != version.version else None})
    _write_decision(store, decision)
    try:
        store.set_alias(version.name, alias, version.version)
    except StoreError as error:
        refused = _against(decision, "no_answer", error.what, "see whether MLflow allows this alias, then promote again")
        _keep_denial(store, version, refused)
        raise _blocked(refused) from error
    changed = _changed_since(store, version, decision)
    if changed:
        raise _blocked(_roll_back(store, version, decision, before, changed))
    try:
        _index(store, version, decision)
    except StoreError as error:  # the signed decision is the truth and it stands; the index is for people
        log.warning("the decision on %s stands, but its tags could not be written: %s", version.uri, error)
    return decision


def recorded_decisions(run_id: str, store: Store | None = None) -> tuple[Recorded, ...]:
    """Return the gate's decisions among the artifacts of a run, oldest first, each verified; raises StoreError."""
    store = store or Store()
    found: list[tuple[str, Recorded]] = []
    for path in store.artifacts(run_id, DECISIONS):
        try:
            decision, verified = open_decision(store.read(run_id, path))
            if decision.run_id != run_id:
                raise VerificationError(f"it is about run {decision.run_id or 'none'}")
            found.append((decision.time.isoformat(), Recorded(path, decision, verified.key_ids)))
        except VerificationError as error:
            found.append(("", Recorded(path, problem=error.what)))
    return tuple(one for _, one in sorted(found, key=lambda pair: (pair[0], pair[1].path)))


def open_decision(envelope: bytes) -> tuple[GateDecision, Verified]:
    """Verify a decision's envelope and read the decision; raises VerificationError."""
    verified = verify(envelope)
    return GateDecision.from_statement(strict_json(verified.payload, "payload")), verified


def policy_for(system: SystemLike | None, *, model_name: str, system_id: str = "") -> System:
    """Return the gate's policy: what was passed, else the file in ``AIMS_POLICY_DIR`` for this model, else ``./aims.yaml``.

    In ``AIMS_POLICY_DIR`` every ``<system id>.yaml`` is read. The one whose ``system.model`` is ``model_name`` is taken;
    where none is, the one of ``system_id`` that names no model. So the training side cannot choose a weaker file by
    calling its system by another id, and a file that cannot be read is never passed over.

    Raises:
        ConfigurationError: there is no such file, more than one, or one that cannot be read.
    """
    from aims_mlflow.system_file import load_system

    if isinstance(system, System):
        return system
    if system is not None:
        return load_system(Path(system))
    folder = os.environ.get("AIMS_POLICY_DIR")
    if not folder:
        if Path(POLICY_FILE).is_file():
            return load_system(Path(POLICY_FILE))
        fix = f"pass the system file (--system FILE), set AIMS_POLICY_DIR, or go to the directory with {POLICY_FILE}"
        raise ConfigurationError("the gate has no policy to judge by", fix=fix)
    policies = []
    for path in sorted(Path(folder).glob("*.yaml")):
        policy = load_system(path)
        if path.stem != policy.id:
            raise ConfigurationError(f"the policy declares the system {policy.id!r}", where=str(path), fix=f"call it {policy.id}.yaml")
        policies.append(policy)
    own = [p for p in policies if p.system.model == model_name] or [p for p in policies if p.id == system_id and not p.system.model]
    if len(own) != 1:
        names = ", ".join(p.id for p in own)
        what = f"more than one policy names the model {model_name!r}: {names}" if own else f"no policy for the model {model_name!r}"
        raise ConfigurationError(what, where=folder, fix=f"let exactly one <system id>.yaml there say system.model: {model_name}")
    return own[0]


def _examine(model_uri: str, alias: str | None, system: SystemLike | None, store: Store) -> _Examined:
    """Read everything the gate looks at and let it decide. What cannot be read leaves it undecided."""
    now = datetime.now(UTC)
    version: VersionView | None = None
    policy: System | None = None

    def could_not(code: BlockerCode, error: AimsError, fix: str) -> _Examined:
        blocker = Blocker(code=code, reason=f"{error.what} ({error.where})" if error.where else error.what, fix=error.fix or fix)
        return _Examined(undecided(version.uri if version else model_uri, blocker, now=now, alias=alias, system=policy), version)

    try:
        store.require()
        version = store.version(model_uri)
        run_id = evidence_run(store, version)
        run = _run(store, run_id)
        bundle, verification = _bundle(store, run)
        tagged = run.tags.get("aims.system", "") if run else ""  # finds a policy to print lines by; without a bundle nothing is let through
        policy = policy_for(system, model_name=version.name, system_id=bundle.system_id if bundle else tagged)
        facts = VersionFacts(
            name=version.name,
            version=version.version,
            source=version.source,
            run_id=run_id,
            run_status=run.status if run else None,
            run_deleted=run is not None and run.lifecycle != "active",
        )
        decision = decide(policy, bundle, facts, now=now, alias=alias, verification=verification, model_files=_model_files(store, version))
    except StoreError as error:
        return could_not("no_answer" if version else "no_version", error, "see that MLflow is up and that the model and its run are there")
    except ConfigurationError as error:
        return could_not("no_policy", error, "pass a system file that `aims validate` accepts")
    return _Examined(decision, version)


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


def _bundle(store: Store, run: RunView | None) -> tuple[Bundle | None, Verified | Blocker]:
    """Return the run's evidence with the outcome of verifying it, or why there is none to believe."""
    if run is None or BUNDLE_PATH not in store.artifacts(run.run_id, str(Path(BUNDLE_PATH).parent)):
        return None, Blocker(code="no_bundle", reason="the run left no evidence", fix=TRAIN_AGAIN)
    try:
        return open_bundle(store.read(run.run_id, BUNDLE_PATH))
    except VerificationError as error:
        return None, Blocker(code="bad_bundle", reason=f"the evidence cannot be believed: {error.what}", fix=error.fix)


def _model_files(store: Store, version: VersionView) -> Files | Blocker:
    try:
        return store.model_files(version)
    except VerificationError as error:
        return Blocker(code="no_model_files", reason=f"the model's files cannot be believed: {error.what}", fix=error.fix)


def _changed_since(store: Store, version: VersionView, decision: GateDecision) -> str:
    """Return what is no longer as it was when the gate looked, or ""."""
    try:
        again = store.version(version.uri)
        if (again.source, again.run_id) != (version.source, version.run_id):
            return "the version points at another model than the gate looked at"
        if manifest_digest(store.model_files(version)) != decision.model_sha256:
            return "the model's files changed while it was being promoted"
        if hashlib.sha256(store.read(decision.run_id, BUNDLE_PATH)).hexdigest() != decision.bundle_sha256:
            return "the evidence changed while the model was being promoted"
    except (StoreError, VerificationError) as error:
        return f"the model could not be looked at again: {error.what}"
    return ""


def _roll_back(store: Store, version: VersionView, decision: GateDecision, before: str | None, changed: str) -> GateDecision:
    """Put the alias back where it was and keep a decision that says so."""
    alias = str(decision.alias)
    fix = "find out who changed it, then train and register again"
    try:
        if store.alias_version(version.name, alias) == version.version:  # else somebody has moved it on: theirs stands
            if before is None:
                store.delete_alias(version.name, alias)
            else:
                store.set_alias(version.name, alias, before)
    except StoreError as error:
        changed = f"{changed}, and the alias could NOT be put back ({error.what})"
        fix = f"set the alias {alias} back to version {before} by hand" if before else f"delete the alias {alias} by hand"
    denied = _against(decision, "model_changed", changed, fix)
    _keep_denial(store, version, denied)
    return denied


def _against(decision: GateDecision, code: BlockerCode, reason: str, fix: str) -> GateDecision:
    """Return the denial that takes the place of an allowed decision."""
    blocker = Blocker(code=code, reason=reason, fix=fix)
    content = decision.model_dump() | {"allowed": False, "blockers": [blocker], "time": datetime.now(UTC)}
    return GateDecision.model_validate(content)


def _keep_denial(store: Store, version: VersionView, decision: GateDecision) -> None:
    """Write down a denial as far as MLflow lets us: it stands whether or not it can be written."""
    try:
        if decision.run_id and not any(b.code == "no_run" for b in decision.blockers):
            _write_decision(store, decision)
        _index(store, version, decision)
    except AimsError as error:
        log.warning("the denial of %s could not be written to MLflow: %s", version.uri, error)


def _write_decision(store: Store, decision: GateDecision) -> str:
    """Sign the decision and write it to the run; returns the artifact's path."""
    stamp = decision.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    model = decision.model.removeprefix("models:/").replace("/", "-")
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{model}-{decision.alias or 'none'}-{stamp}")
    path = f"{DECISIONS}/{name}.dsse.json"
    store.write(decision.run_id, path, sign(canonical(decision.statement())))
    return path


def _index(store: Store, version: VersionView, decision: GateDecision) -> None:
    """Write the decision's index for people and filters: tags and a scorecard on the version."""
    when = decision.time.astimezone(UTC).isoformat(timespec="seconds")
    tags = {"aims.decision": f"{decision.verdict} {decision.alias or ''} {when}".replace("  ", " ")}
    if decision.system_id:
        tags["aims.system"] = decision.system_id
    if decision.lines:
        tags["aims.state"] = worst(tuple(line.state for line in decision.lines)).value
    if decision.bundle_sha256:
        tags["aims.bundle"] = decision.bundle_sha256
    tags |= {f"aims.{line.control}": line.state.value for line in decision.lines}
    store.tag_version(version, tags)
    facts = [("Decision", f"{decision.verdict}{f' as {decision.alias}' if decision.alias else ''}, {when}"), ("Run", decision.run_id)]
    facts += [("Blocked", blocker.reason) for blocker in decision.blockers]
    card = scorecard(decision.lines, heading=f"Gate: {decision.model}", facts=facts)
    store.describe_version(version, with_own(version.description, card))


def _blocked(decision: GateDecision) -> PromotionBlocked:
    alias = f" --alias {decision.alias}" if decision.alias else ""
    return PromotionBlocked(decision.summary(), decision=decision, fix=f"see every line and what to do: aims gate {decision.model}{alias}")


def _actor() -> str:
    """Return who is logged in; a container may not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
