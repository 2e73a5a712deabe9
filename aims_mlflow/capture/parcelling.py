"""What one run has to send to MLflow, as one parcel: when it is over, and, while it goes on, what would be sent if it died now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aims_mlflow import spool
from aims_mlflow.bundle import BUNDLE_PATH, DIED, FINISHED, Bundle
from aims_mlflow.capture import publication
from aims_mlflow.evidence import LETS_THROUGH, canonical
from aims_mlflow.judging.lines import ControlLine
from aims_mlflow.judging.standing import gated_controls
from aims_mlflow.observation import Observation
from aims_mlflow.scorecard import scorecard

DEATH = "the process ended before the run did (killed, out of memory, or the machine went down): nothing was measured"
DEATH_FIX = "train again; what a model logged by then was trained on is in this bundle, and nothing about how good it is"


@dataclass(frozen=True)
class Run:
    """The run as MLflow knows it, or is to: "offline" where MLflow gave it no id; ``note`` is its description so far."""

    run_id: str
    offline: bool
    server: str
    experiment: str
    run_name: str
    ends_run: bool
    registered: str
    note: str = ""


def parcel(
    run: Run,
    seen: Observation,
    bundle: Bundle,
    lines: Sequence[ControlLine],
    files: Mapping[str, bytes],
    *,
    envelope: bytes = b"",
    unsigned: bytes = b"",
    seconds: float = 0.0,
) -> spool.Parcel:
    """Return everything that the run has to write.

    Args:
        run: the run.
        seen: what the checks looked at.
        bundle: the evidence.
        lines: the state of each control.
        files: more artifacts: path -> content.
        envelope: the bundle, signed.
        unsigned: else the bundle's statement, where it is to be signed when it is sent; with neither there is no evidence.
        seconds: what was spent beside the user's function.
    """
    system = seen.system
    tags = publication.tags(system, lines, gated_controls(system))
    if not (envelope or unsigned) or (not bundle.complete and tags["aims.state"] in LETS_THROUGH):
        tags["aims.state"] = "error"  # what the gate would not let through does not look well in MLflow
    facts = [("System", system.system.name or system.id), ("Run", run.run_id)]
    if envelope:
        facts.append(("Bundle", f"sha256 {hashlib.sha256(envelope).hexdigest()[:16]}…"))
    card = scorecard(lines, heading=f"Evidence: {system.system.name or system.id}", facts=facts)
    wanted = None
    made_here = bundle.run.kind == "training" and bundle.run.outcome == FINISHED  # an assessed model was registered, or not, before
    if seen.model is not None and seen.model.uri.startswith("models:/m-") and made_here:
        wanted = spool.Registration(seen.model.uri, run.registered, publication.version_tags(tags), card)
    note = {} if bundle.run.outcome == DIED else {publication.NOTE: publication.note(card, run.note)}  # it may have been written since
    return spool.Parcel(
        run_id="" if run.offline else run.run_id,
        local_id=run.run_id if run.offline else "",
        server=run.server,
        files={**files, **({BUNDLE_PATH: envelope} if envelope else {}), **({spool.UNSIGNED: unsigned} if unsigned else {})},
        tags={**tags, **note},
        metrics={**publication.metrics(bundle.results, system.requirements), "aims.overhead_seconds": seconds},
        inputs=publication.inputs(seen.datasets),
        registration=wanted,
        status=status(bundle.run.outcome) if run.ends_run else "",
        experiment=run.experiment,
        run_name=run.run_name,
    )


def obituary(run: Run, seen: Observation, bundle: Bundle, lines: Sequence[ControlLine]) -> spool.Parcel:
    """Return what is to be sent if the process dies now. It is signed by whoever sends it."""
    return parcel(run, seen, bundle, lines, {}, unsigned=canonical(bundle.statement()))


def status(outcome: str) -> str:
    """Return the run's final status in MLflow's words."""
    if outcome == FINISHED:
        return "FINISHED"
    return "KILLED" if outcome.endswith((DIED, " KeyboardInterrupt", " SystemExit", " GeneratorExit", " CancelledError")) else "FAILED"
