"""Keep the gate's decisions: in the log, signed among the artifacts of the run, and their index on the version. And read them again."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC

from aims_mlflow.decision import GateDecision
from aims_mlflow.errors import AimsError, VerificationError
from aims_mlflow.evidence import canonical, worst
from aims_mlflow.ledger import Ledger
from aims_mlflow.scorecard import scorecard, with_own
from aims_mlflow.signing import Verified, gate_key, sign, strict_json, verify
from aims_mlflow.store import Store, VersionView

DECISIONS = "aims/decisions"
"""The artifact folder of a run in which the gate's signed decisions on its model stand."""

log = logging.getLogger("aims_mlflow")


@dataclass(frozen=True)
class Recorded:
    """A decision as it stands among the artifacts of a run; ``problem`` says why it cannot be believed."""

    path: str
    decision: GateDecision | None = None
    key_ids: tuple[str, ...] = ()
    problem: str = ""


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


def keep_denial(store: Store, version: VersionView | None, decision: GateDecision, *, undoes: str = "") -> None:
    """Write down a denial as far as MLflow lets us: it stands whether or not it can be written.

    Args:
        store: the MLflow to write to.
        version: the version it is about; None where there is none, so that only the log can keep it.
        decision: the denial.
        undoes: the log entry of the decision that it takes back, which makes it a rollback.
    """
    try:
        if version is not None and decision.decided and _has_run(decision):
            keep(store, decision)
    except AimsError as error:
        log.warning("the denial of %s could not be written to its run: %s", decision.model, error)
    try:
        Ledger(store).append("rollback" if undoes else "denial", decision, undoes=undoes)
    except AimsError as error:
        log.warning("the denial of %s could not be written to the log: %s", decision.model, error)
    try:
        if version is not None and decision.decided:
            index(store, version, decision)
    except AimsError as error:
        log.warning("the denial of %s could not be written to its tags: %s", decision.model, error)


def _has_run(decision: GateDecision) -> bool:
    return bool(decision.run_id) and not any(b.code == "no_run" for b in decision.blockers)


def keep(store: Store, decision: GateDecision) -> str:
    """Sign the decision with the gate's key and write it to the run; returns the artifact's path. Raises AimsError."""
    stamp = decision.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    model = decision.model.removeprefix("models:/").replace("/", "-")
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{model}-{decision.alias or 'none'}-{stamp}")
    path = f"{DECISIONS}/{name}.dsse.json"
    store.write(decision.run_id, path, sign(canonical(decision.statement()), key=gate_key()))
    return path


def index_tags(decision: GateDecision) -> dict[str, str]:
    """Return the tags in which a decision's evidence can be filtered: system, state, bundle and one per control."""
    tags = {"aims.system": decision.system_id} if decision.system_id else {}
    if decision.lines:
        tags["aims.state"] = worst(tuple(line.state for line in decision.lines)).value
    if decision.bundle_sha256:
        tags["aims.bundle"] = decision.bundle_sha256
    return tags | {f"aims.{line.control}": line.state.value for line in decision.lines}


def index(store: Store, version: VersionView, decision: GateDecision) -> None:
    """Write the decision's index for people and filters: tags and a scorecard on the version."""
    when = decision.time.astimezone(UTC).isoformat(timespec="seconds")
    said = f"{decision.verdict} {decision.alias or ''} {when}".replace("  ", " ")
    facts = [("Decision", f"{decision.verdict}{f' as {decision.alias}' if decision.alias else ''}, {when}"), ("Run", decision.run_id)]
    facts += [("Blocked", blocker.reason) for blocker in decision.blockers]
    card = scorecard(decision.lines, heading=f"Gate: {decision.model}", facts=facts)
    store.index_version(version, {"aims.decision": said, **index_tags(decision)}, with_own(version.description, card))
