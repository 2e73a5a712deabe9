"""Whether the log and the decisions among the runs' artifacts tell the same, both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aims_mlflow.auditing.runs import Left
from aims_mlflow.decision import GateDecision
from aims_mlflow.ledger import Finding, Gravity, Logged
from aims_mlflow.ledger.entry import content_digest


def agreement(entries: Sequence[Logged], wanted: Sequence[Logged], left: Mapping[str, Left]) -> Iterator[Finding]:
    """Yield each decision that stands in a run and not in the log, and each that the log has and its run has no longer.

    Args:
        entries: the whole log.
        wanted: those of its entries that are looked for in the runs.
        left: what the runs have left, by run id.
    """
    logged = {one.entry.content_sha256 for one in entries if one.entry.decision is not None}
    kept: set[str] = set()
    unlogged = 0
    for run_id, one in left.items():
        for path, decision in one.decisions.items():
            if decision is None:
                what = "a decision among the artifacts of a run cannot be believed"
                yield Finding(code="decision_bad", severity="major", what=what, where=f"run {run_id}, {path}", fix="see aims verify")
                continue
            sha256 = content_digest(decision)
            kept.add(sha256)
            if sha256 not in logged:
                unlogged += 1
                what = f"a decision that stands in its run is not in the log: {_said(decision)}"
                fix = "find out who took it out of the log"
                if not decision.allowed or _was_refused(decision, one):
                    fix = "none if MLflow failed at that time: nothing was promoted by it; else find out who took it out of the log"
                severity: Gravity = "minor" if not decision.allowed or _was_refused(decision, one) else "major"
                yield Finding(code="decision_unlogged", severity=severity, what=what, where=f"run {run_id}, {path}", fix=fix)
    if unlogged and not entries:
        what = f"there is no log, though {unlogged} decisions stand in runs: the log has been removed, or was never written"
        fix = "restore MLflow's database and artifacts from a backup; promote again what is to stay promoted"
        yield Finding(code="log_missing", severity="critical", what=what, where="experiment aims.ledger", fix=fix)
    for entry in wanted:
        decision = entry.entry.decision
        if decision is None or decision.run_id not in left or entry.entry.content_sha256 in kept or not _was_kept(entry):
            continue
        what = f"the log has a decision that its run no longer has: {_said(decision)}"
        where = f"run {decision.run_id}, log entry {entry.sha256[:16]}"
        fix = "find out who took it away; the log holds the whole decision"
        yield Finding(code="decision_gone", severity="major", what=what, where=where, fix=fix)


def _said(decision: GateDecision) -> str:
    return f"{decision.verdict}, {decision.model} as {decision.alias or 'none'}"


def _was_refused(decision: GateDecision, left: Left) -> bool:
    """Whether a denial in the same run says that this decision could not be logged, so that nothing was moved by it."""
    return any(
        other is not None
        and any(b.code == "no_log" for b in other.blockers)
        and (other.model, other.alias, other.policy_sha256) == (decision.model, decision.alias, decision.policy_sha256)
        and other.time >= decision.time
        for other in left.decisions.values()
    )


def _was_kept(entry: Logged) -> bool:
    """Whether a decision in the log was written to its run, too: what was allowed always is, a denial as far as there was a run."""
    decision = entry.entry.decision
    return decision is not None and decision.decided and not any(b.code in ("no_run", "no_log") for b in decision.blockers)
