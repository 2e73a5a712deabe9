"""The gate: from evidence already read to a decision, one line of reason per control. Pure: reads nothing, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aims_mlflow.bundle import CAPTURE, MOST_EARLIER, Bundle, ModelSummary
from aims_mlflow.decision import Blocker, Files, GateDecision, VersionFacts, manifest_digest
from aims_mlflow.evidence import LETS_THROUGH, State, collector
from aims_mlflow.judging import gated_controls
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.judging.remembered import judged_lines
from aims_mlflow.signing import Trust, Verified
from aims_mlflow.system import System

__all__ = ["NOT_ABOUT_THIS", "TRAIN_AGAIN", "Blocker", "Files", "GateDecision", "VersionFacts", "collector", "decide", "file_differences"]

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of the gate's clock evidence may be dated: the clocks of two machines that keep time."""

NAMED_FILES = 5
"""How many differing files of a model a blocker names of each kind; the rest are counted."""

NO_TRUST = Trust()
"""No list of keys: ``gate.trusted_keys`` counts alone."""

TRAIN_AGAIN = "run the training again under @aims.track and register its model"

KEY_BLOCKERS = frozenset({"missing_key", "unknown_key", "revoked_key", "expired_key", "wrong_role"})
"""Blockers under which nobody whose word counts has signed the evidence."""

NOT_ABOUT_THIS = KEY_BLOCKERS | {
    "no_run",
    "no_bundle",
    "bad_bundle",
    "no_model_files",
    "other_system",
    "other_run",
    "other_model",
    "not_training",
}
"""Blockers under which the evidence, whatever it says, says nothing about this version: every control reads MISSING."""


def decide(
    system: System,
    bundle: Bundle | None,
    facts: VersionFacts,
    *,
    now: datetime,
    verification: Verified | Blocker,
    model_files: Files | Blocker,
    alias: str | None = None,
    trust: Trust = NO_TRUST,
) -> GateDecision:
    """Decide whether a version may be promoted, by the gate's own policy and what its training run left.

    The bundle's measures are judged again; what the run concluded from them is not looked at.

    Args:
        system: the gate's own copy of the system file.
        bundle: the evidence, or None where there is none to believe.
        facts: what the registry says of the version.
        now: the gate's time (aware).
        verification: what verifying the bundle's signature gave, or why there is no bundle.
        model_files: the manifest of the version's files as they are now, or why it could not be made.
        alias: the alias that is wished for.
        trust: which keys may sign evidence; without any key in it, ``gate.trusted_keys`` counts alone, and where that is empty any key.
    """
    blockers = list(_blockers(system, bundle, facts, now, verification, model_files, trust))
    age = [b for b in blockers if b.code in ("stale", "clock")]
    unbelieved = next((b for b in blockers if b.code in NOT_ABOUT_THIS), None)
    gated = gated_controls(system)
    if bundle is None or unbelieved is not None:
        lines = _gated(control_lines(system, (), today=now.date()), gated)
        why = unbelieved or Blocker(code="no_bundle", reason="the run left no evidence", fix=TRAIN_AGAIN)
        lines = [_restated(line, State.MISSING, why) for line in lines]
    else:
        lines = _gated(judged_lines(system, bundle, now), gated)
        if age:
            lines = [_restated(line, State.STALE, age[0]) if line.state in (*LETS_THROUGH, State.INCONCLUSIVE) else line for line in lines]
    if not gated or {line.control for line in lines} != set(gated):
        blockers.append(Blocker(code="no_controls", reason="the policy gates no control", fix="leave gate.controls out, or name controls"))
    lets_through = LETS_THROUGH | ({State.INCONCLUSIVE} if system.gate.inconclusive == "allow" else set())
    return GateDecision(
        allowed=not blockers and bundle is not None and all(line.state in lets_through for line in lines),
        model=facts.uri,
        alias=alias,
        system_id=system.id,
        run_id=facts.run_id,
        lines=tuple(lines),
        blockers=tuple(blockers),
        notes=tuple(_notes(system, bundle, alias, verification, trust)),
        evidence_time=bundle.run.finished if bundle else None,
        key_ids=verification.key_ids if isinstance(verification, Verified) else (),
        policy_sha256=system.sha256,
        bundle_sha256=verification.sha256 if isinstance(verification, Verified) else None,
        model_sha256=None if isinstance(model_files, Blocker) else manifest_digest(model_files),
        time=now,
        collector=collector(),
    )


def file_differences(model: ModelSummary, present: Files) -> str:
    """Return which of the model's files were changed, renamed, added or taken away since it was evaluated, by name; "" if none."""
    evaluated = {path: (file.size, file.sha256) for path, file in model.files.items()}
    added, missing = sorted(set(present) - set(evaluated)), sorted(set(evaluated) - set(present))
    same: dict[tuple[int, str], list[str]] = {}
    for path in added:
        size, sha256 = present[path]
        same.setdefault((size, sha256), []).append(path)
    renamed = {old: same[evaluated[old]].pop(0) for old in missing if same.get(evaluated[old])}
    kinds = {
        "changed": sorted(p for p in evaluated if p in present and evaluated[p] != tuple(present[p])),
        "renamed": [f"{old} to {new}" for old, new in renamed.items()],
        "added": sorted({*added} - {*renamed.values()}),
        "missing": [path for path in missing if path not in renamed],
    }
    return "; ".join(
        f"{kind} {', '.join(paths[:NAMED_FILES])}" + (f" and {len(paths) - NAMED_FILES} more" if len(paths) > NAMED_FILES else "")
        for kind, paths in kinds.items()
        if paths
    )


def _blockers(
    system: System,
    bundle: Bundle | None,
    facts: VersionFacts,
    now: datetime,
    verification: Verified | Blocker,
    model_files: Files | Blocker,
    trust: Trust,
) -> list[Blocker]:
    """Return what stops the version whatever its controls say, in the order in which to mend it."""
    found: list[Blocker] = []
    if not facts.run_id or facts.run_status is None or facts.run_deleted:
        said = f"run {facts.run_id} has been deleted" if facts.run_deleted else "the version belongs to no run that can be found"
        found.append(Blocker(code="no_run", reason=said, fix=TRAIN_AGAIN))
    elif facts.run_status != "FINISHED":
        reason = f"run {facts.run_id} is {facts.run_status}, not FINISHED"
        found.append(Blocker(code="run_not_finished", reason=reason, fix="let a run come to its end, then register its model"))
    if isinstance(model_files, Blocker):
        found.append(model_files)
    if isinstance(verification, Blocker):
        return [*found, verification]
    if bundle is None:
        return [*found, Blocker(code="no_bundle", reason="the run left no evidence", fix=TRAIN_AGAIN)]
    found += _keys(system, bundle, now, verification, trust)
    found += _mismatches(system, bundle, facts, model_files)
    found += _shortcomings(bundle)
    return found + _dates(system, bundle, now)


def _keys(system: System, bundle: Bundle, now: datetime, verification: Verified, trust: Trust) -> list[Blocker]:
    """Return why the word of those who signed does not count: a key must be named by the system, where it names any, and by the list."""
    trusted = {t.strip().lower() for t in system.gate.trusted_keys}
    counted = tuple(key for key in verification.key_ids if not trusted or key in trusted)
    if not counted:
        reason = f"no key that the policy trusts has signed the evidence, but {', '.join(k[:16] for k in verification.key_ids) or 'none'}"
        fix = "train with AIMS_SIGNING_KEY naming a trusted key, or add the full key id to gate.trusted_keys"
        return [Blocker(code="bad_bundle", reason=reason, fix=fix)]
    blocker = trust.blocker_of(counted, "evidence", now, dated=_aware(bundle.run.finished))
    return [] if blocker is None else [blocker]


def _mismatches(system: System, bundle: Bundle, facts: VersionFacts, model_files: Files | Blocker) -> list[Blocker]:
    """Return where the bundle is about something else: another system, run or model."""
    found: list[Blocker] = []
    if bundle.system_id != system.id:
        reason = f"the evidence is of the system {bundle.system_id!r}, the policy of {system.id!r}"
        found.append(Blocker(code="other_system", reason=reason, fix="pass the system file of the system that was trained"))
    if bundle.run.run_id != facts.run_id:
        reason = f"the evidence is of run {bundle.run.run_id}, the version of run {facts.run_id or 'none'}"
        found.append(Blocker(code="other_run", reason=reason, fix=TRAIN_AGAIN))
    if bundle.run.kind == "monitoring":
        reason = f"the evidence is of a monitoring run ({bundle.run.run_id}): it says how the model does in operation, not how it was made"
        found.append(Blocker(code="not_training", reason=reason, fix=TRAIN_AGAIN))
    strangers = {e.run_id for e in bundle.evidence} - {bundle.run.run_id}
    if strangers:
        found.append(Blocker(code="other_run", reason=f"the evidence cites {len(strangers)} other run(s)", fix=TRAIN_AGAIN))
    if bundle.model is None or not bundle.model.files:
        found.append(Blocker(code="other_model", reason="the evidence is of a run without a model", fix=TRAIN_AGAIN))
    elif not isinstance(model_files, Blocker):
        differences = file_differences(bundle.model, model_files)
        if differences:
            reason = f"the model's files are not those that were evaluated: {differences}"
            found.append(Blocker(code="other_model", reason=reason, fix="find out who changed them, then train and register again"))
    return found


def _shortcomings(bundle: Bundle) -> list[Blocker]:
    """Return what the run itself left undone."""
    found: list[Blocker] = []
    if bundle.run.outcome != "finished":
        reason = f"the training function did not come to its end: {bundle.run.outcome}"
        found.append(Blocker(code="run_not_finished", reason=reason, fix=TRAIN_AGAIN))
    if not bundle.complete:
        found.append(_incomplete(bundle))
    here = {result.id for result in bundle.results}
    gone = {cited for evidence in bundle.evidence for cited in evidence.results} - here
    if gone:
        reason = f"{len(gone)} result(s) that the evidence rests on are not in the bundle"
        found.append(Blocker(code="incomplete", reason=reason, fix=TRAIN_AGAIN))
    unmeasured = sorted({d.role for d in bundle.datasets} - {result.scope.get("dataset") for result in bundle.results})
    if unmeasured:
        reason = f"nothing was measured on the {', '.join(unmeasured)} data that the run saw"
        found.append(Blocker(code="incomplete", reason=reason, fix=TRAIN_AGAIN))
    if not any(d.role == "test" and d.rows > 0 for d in bundle.datasets):
        found.append(_no_test_data(bundle))
    return found


def _incomplete(bundle: Bundle) -> Blocker:
    """Say why the evidence is not whole: what the recorder could not do, else that the run ended too early."""
    troubles = [result.problem for result in bundle.results if result.check == CAPTURE and result.problem is not None]
    if not troubles:
        return Blocker(code="incomplete", reason="the run ended before every check had its turn", fix=TRAIN_AGAIN)
    more = f"; and {len(troubles) - 1} more" if len(troubles) > 1 else ""
    reason = f"the evidence is not whole: aims {troubles[0].reason}{more}"
    return Blocker(code="incomplete", reason=reason, fix=troubles[0].fix or TRAIN_AGAIN)


def _no_test_data(bundle: Bundle) -> Blocker:
    """Say why there are no test data: what was wrong with the frame, else that there was none."""
    given = [r.problem for r in bundle.results if r.check == "provenance" and r.scope == {"dataset": "test"} and r.problem is not None]
    if given:
        return Blocker(code="no_test_data", reason=f"the run has no usable test data: {given[0].reason}", fix=given[0].fix)
    fix = "declare data.roles.test in the system file and pass that frame to the tracked function"
    return Blocker(code="no_test_data", reason="the run saw no test data", fix=fix)


def _dates(system: System, bundle: Bundle, now: datetime) -> list[Blocker]:
    """Return what is wrong with the time of the evidence."""
    started, finished = _aware(bundle.run.started), _aware(bundle.run.finished)
    if finished > now + CLOCK_SKEW or finished < started:
        reason = f"the evidence is dated {finished.isoformat(timespec='seconds')}, which cannot be: a clock is wrong"
        return [Blocker(code="clock", reason=reason, fix="set the clocks of the training machine and of the gate, then train again")]
    if now - finished > timedelta(days=system.gate.max_age_days):
        reason = f"the evidence is {(now - finished).days} days old; the policy allows {system.gate.max_age_days} (gate.max_age_days)"
        return [Blocker(code="stale", reason=reason, fix=TRAIN_AGAIN)]
    return []


def _notes(system: System, bundle: Bundle | None, alias: str | None, verification: Verified | Blocker, trust: Trust) -> list[str]:
    """Return what a reader of the decision should know besides."""
    notes: list[str] = []
    if isinstance(verification, Verified):
        keys = ", ".join(verification.key_ids)
        kind = ", the development key of this machine" if verification.development else ""
        if trust.keys:
            named = [f"{key.name} ({', '.join(key.roles)})" for key in map(trust.key, verification.key_ids) if key is not None]
            notes.append(f"signed by the key {keys}{kind}; in the list of keys it is {' and '.join(named) or 'not named'}")
        elif system.gate.trusted_keys:
            notes.append(f"signed by the trusted key {keys}{kind}")
        else:
            notes.append(f"gate.trusted_keys is empty, so a signature by any key counts; this one is by {keys}{kind}")
    if alias is not None and alias.casefold() not in {p.casefold() for p in system.gate.protects}:
        notes.append(f"{alias!r} is not among the aliases that gate.protects names; it was judged in the same way")
    if bundle is None:
        return notes
    notes.append(_attempts(bundle))
    if bundle.run.kind == "assessment":
        notes.append(f"the evidence is of an assessment (run {bundle.run.run_id}): the model was made before it, or elsewhere")
    if bundle.policy_sha256 != system.sha256:
        notes.append(
            f"the run was judged by another policy ({bundle.policy_sha256[:12]}); the gate judged again by its own ({system.sha256[:12]})"
        )
    for given in bundle.attestations:
        claim = "said not to apply" if given.not_applicable else "attested"
        notes.append(f"{given.control}: {claim} in the run by {given.by} on {given.on.isoformat()}")
    return notes


def _attempts(bundle: Bundle) -> str:
    """Say how many runs of the system the run saw before it: attempts that count, whether or not anybody shows them."""
    seen = len(bundle.run.earlier)
    if not seen:
        return "attempts: the run names no earlier run of the system"
    many = f"at least {seen}" if seen >= MOST_EARLIER else str(seen)
    return f"attempts: the run names {many} earlier run{'s' if seen > 1 else ''} of the system; `aims audit` looks for each"


def _gated(lines: Sequence[ControlLine], gated: Sequence[str]) -> list[ControlLine]:
    return [line for line in lines if line.control in gated]


def _restated(line: ControlLine, state: State, why: Blocker) -> ControlLine:
    return ControlLine(control=line.control, title=line.title, state=state, reason=why.reason, fix=why.fix, evidence=())


def _aware(time: datetime) -> datetime:
    """Return the time with a zone; one without is UTC, as the recorder writes it."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)
