"""What the registry protects, who asks, and what a refusal says: verdict, the controls that stop it, and the fix."""

from __future__ import annotations

import logging
import os
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aims_mlflow.decision import Blocker, undecided
from aims_mlflow.errand import Errand
from aims_mlflow.errors import AimsError, StoreError
from aims_mlflow.server.inside import serving
from aims_mlflow.settings import GATE_SECONDS

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

    from aims_mlflow.decision import GateDecision
    from aims_mlflow.promotion import Examined
    from aims_mlflow.store import Store

T = TypeVar("T")

log = logging.getLogger("aims_mlflow")

DEFAULT_PROTECTED = ("champion", "production")
"""What is protected where no policy can be read."""

SAID = "_AIMS_MLFLOW_SAID"
"""Set in the environment once a server's start has been logged, so that its workers do not say it again."""

_advised = False

OURS = "aims."
"""What the keys of our tags begin with."""


def folded(name: str) -> str:
    """Return a name as the least exact of databases compares it: without case, accents and space around it.

    MySQL takes ``Chämpion`` for ``champion`` by default. Where a database does not, an alias that looks so much like a protected
    one is gated for nothing; that is the better mistake.
    """
    spelt = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in spelt if not unicodedata.combining(sign)).casefold().strip()


def is_ours(key: object) -> bool:
    """Whether a tag's key is one of those that we write."""
    return isinstance(key, str) and folded(key).startswith(OURS)


def protected(name: str) -> frozenset[str]:
    """Return the aliases and stages that are protected for a registered model, folded. Where no policy can be read, the defaults."""
    return frozenset(folded(one) for one in _protected(name))


def _protected(name: str) -> frozenset[str] | tuple[str, ...]:
    from aims_mlflow.policy.choosing import POLICY_FILE, policy_at
    from aims_mlflow.policy.folder import Policies

    folder = os.environ.get("AIMS_POLICY_DIR")
    try:
        if folder:
            return Policies.read(folder).protects(name)
        if not serving() and Path(POLICY_FILE).is_file():
            return policy_at(POLICY_FILE).system.gate.protects
    except AimsError as error:
        log.debug("the policy cannot be read, so the defaults are protected: %s", error)
    except Exception:
        log.exception("the policy cannot be read, so the defaults are protected")
    return DEFAULT_PROTECTED


def is_listed(name: str) -> bool:
    """Whether a policy speaks of the registered model by name, or might: then its versions are models, whatever they look like."""
    from aims_mlflow.policy.folder import Policies

    folder = os.environ.get("AIMS_POLICY_DIR")
    if not folder:
        return False
    found = Policies.read(folder)
    return bool(found.broken) or any(file.system.system.model == name for file in found.systems)


def examined(uri: str, holder: str | None, store: Store) -> Examined:
    """Let the gate look at a version, within its patience. A server judges by its own policies only, and not by where it was started."""
    from aims_mlflow.promotion import Examined, examine

    if serving() and not os.environ.get("AIMS_POLICY_DIR"):
        fix = "set AIMS_POLICY_DIR to the directory with the system files, and start the server again"
        reason = "the server has no policy to judge by: AIMS_POLICY_DIR is not set"
        return Examined(undecided(uri, Blocker(code="no_policy", reason=reason, fix=fix), now=datetime.now(UTC), alias=holder))
    return within_patience(lambda: examine(uri, holder, None, store))


def actor() -> str:
    """Return who asks: in a server the user whom MLflow's auth app has authenticated, else "unauthenticated"; elsewhere who is logged in.

    The name is taken from where that app keeps it for the request, never from a header: a header is only a claim.
    """
    if not serving():
        from aims_mlflow.promotion import moving

        return moving._actor()
    from flask import g, has_request_context

    if "mlflow.server.auth" in sys.modules and has_request_context():
        name = g.get("mlflow_authenticated_user")
        if isinstance(name, str) and name:
            return "".join(sign if sign.isprintable() else "?" for sign in name)[:200]
    return "unauthenticated"


def say_once(*, server: bool) -> None:
    """Log how this registry is guarded: once for a server with all its workers, once for a client."""
    global _advised
    if not server:
        if _advised:
            return
        _advised = True
        log.warning(
            "the gate looks before protected aliases and stages move through this client. That is advice: a client without it is not"
            " stopped. To stop it, start the server with --registry-store-uri aims+…"
        )
        return
    if os.environ.get(SAID):
        return
    os.environ[SAID] = "1"
    if os.environ.get("AIMS_POLICY_DIR"):
        log.warning("the gate guards this registry by the policies in %s", os.environ["AIMS_POLICY_DIR"])
    else:
        log.warning(
            "AIMS_POLICY_DIR is not set: the gate has no policy, so every promotion to %s is blocked. Set it to the directory with the"
            " system files and start again",
            " or ".join(DEFAULT_PROTECTED),
        )


def within_patience(do: Callable[[], T]) -> T:
    """Do what only reads, in a thread that is left behind where it takes longer than ``AIMS_GATE_SECONDS``; StoreError then."""
    seconds = GATE_SECONDS.value()
    reading = Errand(do, "aims-gate")
    if reading.wait(seconds):
        return reading.result()
    fix = f"see whether the artifact store answers; {GATE_SECONDS.name} sets the limit"
    raise StoreError(f"the gate had not read everything after {seconds:g} seconds", fix=fix)


def refusal(message: str) -> MlflowException:
    """Return the error that MLflow's server passes on to the client as it stands."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    return MlflowException(message, error_code=PERMISSION_DENIED)


def denied(decision: GateDecision) -> MlflowException:
    """Return the refusal of a promotion: verdict, then a line for each thing that stops it, with what to do."""
    rows = [f"{decision.verdict.upper()}: {decision.summary()}"]
    for blocker in decision.blockers:
        rows.append(_row(f"BLOCKED: {blocker.reason}", blocker.fix))
    for line in decision.stopping:
        rows.append(_row(f"{line.control} {line.title}: {line.state.value}: {line.reason}", line.fix))
    alias = f" --alias {decision.alias}" if decision.alias else ""
    rows.append(f"Every line: aims gate {decision.model}{alias}")
    return refusal("\n".join(rows))


def blocked(what: str, error: Exception) -> MlflowException:
    """Return the refusal where the gate could not look: it blocks, and says why."""
    reason = str(error) if isinstance(error, AimsError) else f"{type(error).__name__}; the server's log has more"
    return refusal(f"UNDECIDED: {what} is blocked, because the gate could not decide: {reason}")


def held(name: str, what: str, holders: dict[str, str]) -> MlflowException:
    """Return the refusal to take away, or to rename, what holds a protected alias or stage."""
    who = ", ".join(f"version {number} holds {holder}" for holder, number in sorted(holders.items()))
    fix = "take the alias away, or move the version out of the stage, first (that is allowed, and logged); then do it again"
    return refusal(f"DENIED: {what} of {name!r} is refused, because it is promoted: {who}. Fix: {fix}")


def _row(text: str, fix: str) -> str:
    return f"  {text}. Fix: {fix}" if fix else f"  {text}"
