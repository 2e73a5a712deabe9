"""Move an alias (or a stage) under the gate: decide, keep and log the decision, move, look again, and put it back if anything changed."""

from __future__ import annotations

import getpass
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aims_mlflow.bundle import BUNDLE_PATH
from aims_mlflow.decision import Blocker, BlockerCode, GateDecision, manifest_digest
from aims_mlflow.errors import AimsError, ConfigurationError, PromotionBlocked, StoreError, VerificationError
from aims_mlflow.ledger import Ledger
from aims_mlflow.policy.choosing import SystemLike
from aims_mlflow.promotion.examining import Examined, examine
from aims_mlflow.promotion.keeping import index, keep, keep_denial
from aims_mlflow.signing import Trust, gate_key
from aims_mlflow.store import Store, VersionView

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Move:
    """What is to happen in the registry if the gate agrees.

    ``holder`` returns the number of the version that holds the alias (or stage) now, or None; ``do`` points it at the version;
    ``undo`` is given the holder from before and puts it back, where the version still holds it. All raise ``StoreError``.
    """

    holder: Callable[[], str | None]
    do: Callable[[], None]
    undo: Callable[[str | None], None]


def promote(model_uri: str, alias: str, *, system: SystemLike | None = None, store: Store | None = None) -> GateDecision:
    """Point ``alias`` at the version if the gate allows it, and keep the signed decision in the version's run.

    The decision is written to the run and to the log before the alias is moved. Afterwards the model's files, the bundle and the
    version are read once more: if anything has changed since the gate looked, the alias goes back to where it was.

    Args:
        model_uri: ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
        alias: the alias it is to get.
        system: as for ``check_promotion``.
        store: as for ``check_promotion``.

    Raises:
        PromotionBlocked: the gate said no or could not decide, its decision could not be logged, or the model changed meanwhile;
            ``decision`` has the lines.
        StoreError: MLflow did not say who holds the alias now; it has not been moved.
    """
    store = store or Store()
    examined = examine(model_uri, alias, system, store)
    return move(examined, _of_alias(store, examined.version, alias), store, actor=_actor())


def move(examined: Examined, wish: Move, store: Store, *, actor: str) -> GateDecision:
    """Do ``wish`` if the gate has allowed it; raises as ``promote`` does. ``actor``: who asks for it."""
    version = examined.version
    decision = examined.decision.model_copy(update={"actor": actor})
    if version is None or not decision.allowed:
        keep_denial(store, version, decision)
        raise _blocked(decision)
    before = wish.holder()
    decision = decision.model_copy(update={"replaced": before if before != version.version else None})
    barred = _barred(examined.trust, decision.time)
    if barred is not None:
        uncounted = _against(decision, barred.code, barred.reason, barred.fix)
        keep_denial(store, version, uncounted)
        raise _blocked(uncounted)
    try:
        keep(store, decision)
        logged = Ledger(store).append("decision", decision)
    except AimsError as error:
        reason = f"the decision could not be signed and written to the run and the log: {error.what}"
        unlogged = _against(decision, "no_log", reason, error.fix or "see that MLflow takes artifacts, then promote again")
        keep_denial(store, version, unlogged)
        raise _blocked(unlogged) from error
    try:
        wish.do()
    except StoreError as error:
        refused = _against(decision, "no_answer", error.what, "see whether MLflow allows this alias, then promote again")
        keep_denial(store, version, refused, undoes=logged)
        raise _blocked(refused) from error
    changed = _changed_since(store, version, decision)
    if changed:
        raise _blocked(_roll_back(store, version, decision, wish, before, changed, logged))
    try:
        index(store, version, decision)
    except StoreError as error:  # the signed decision is the truth and it stands; the index is for people
        log.warning("the decision on %s stands, but its tags could not be written: %s", version.uri, error)
    return decision


def _barred(trust: Trust, at: datetime) -> Blocker | None:
    """Say why the gate's own signature would not count: an audit would then find the alias without a decision."""
    try:
        return trust.blocker_of((gate_key().id,), "decision", at) if trust.keys else None
    except ConfigurationError:  # keeping the decision fails for the same reason, and says so
        return None


def _of_alias(store: Store, version: VersionView | None, alias: str) -> Move:
    """Return the move of an alias of a registered model."""
    name, number = (version.name, version.version) if version else ("", "")

    def undo(before: str | None) -> None:
        if store.alias_version(name, alias) != number:  # somebody has moved it on: theirs stands
            return
        if before is None:
            store.delete_alias(name, alias)
        else:
            store.set_alias(name, alias, before)

    return Move(lambda: store.alias_version(name, alias), lambda: store.set_alias(name, alias, number), undo)


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


def _roll_back(
    store: Store, version: VersionView, decision: GateDecision, wish: Move, before: str | None, changed: str, logged: str
) -> GateDecision:
    """Put the alias back where it was and keep a decision that says so."""
    alias, fix = str(decision.alias), "find out who changed it, then train and register again"
    try:
        wish.undo(before)
    except StoreError as error:
        changed = f"{changed}, and the alias could NOT be put back ({error.what})"
        fix = f"set the alias {alias} back to version {before} by hand" if before else f"delete the alias {alias} by hand"
    denied = _against(decision, "model_changed", changed, fix)
    keep_denial(store, version, denied, undoes=logged)
    return denied


def _against(decision: GateDecision, code: BlockerCode, reason: str, fix: str) -> GateDecision:
    """Return the denial that takes the place of an allowed decision."""
    blocker = Blocker(code=code, reason=reason, fix=fix)
    content = decision.model_dump() | {"allowed": False, "blockers": [blocker], "time": datetime.now(UTC)}
    return GateDecision.model_validate(content)


def _blocked(decision: GateDecision) -> PromotionBlocked:
    alias = f" --alias {decision.alias}" if decision.alias else ""
    return PromotionBlocked(decision.summary(), decision=decision, fix=f"see every line and what to do: aims gate {decision.model}{alias}")


def _actor() -> str:
    """Return who is logged in; a container may not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
