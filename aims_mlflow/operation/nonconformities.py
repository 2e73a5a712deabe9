"""Nonconformities and corrective action (clause 10.2): opened by a breach or a person, acted on, closed with evidence that it worked."""

from __future__ import annotations

from datetime import UTC, date, datetime

from aims_mlflow.bundle import BUNDLE_PATH, MONITORED, Bundle
from aims_mlflow.errors import ConfigurationError, StoreError, VerificationError
from aims_mlflow.evidence import Evidence, Severity, State, collector
from aims_mlflow.judging import expanded, judge
from aims_mlflow.operation.asking import asked_in
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.cases import Breach, Case, CaseEvent, Cited, EventKind, breach_case_id, due_after, new_case_id
from aims_mlflow.operation.verdicts import judge_operation
from aims_mlflow.signing import Verified, open_bundle
from aims_mlflow.system import Requirement, System

SORT = "nonconformity"

_BOUNDS = {
    "monitor.completeness_shift": "largest_shift",
    "monitor.group_share_shift": "largest_shift",
    "monitor.selection_rate_shift": "largest_shift",
    "event_log.complete": "longest_gap_hours",
}
"""Standing questions -> the key of ``operation`` in the system file that bounds them."""

DAYS = 30
"""Days after which a nonconformity is overdue where the system file does not say (``operation.act_within_days``)."""


def report_breach(
    book: Casebook, system: System, evidence: Evidence, bundle: Bundle, bundle_sha256: str, *, model: str, name: str, by: str
) -> tuple[Case, str]:
    """Open a nonconformity for a breach, or add the breach to the one that is open; a closed one is opened again.

    Args:
        book: the system's cases.
        system: the policy.
        evidence: the critical requirement that failed.
        bundle: of the monitoring run.
        bundle_sha256: digest of its envelope.
        model: ``models:/NAME/VERSION``, or the logged model.
        name: what the case is kept under: the registered model's name, or the logged model.
        by: who looked.

    Returns:
        The case, and ``opened``, ``breached`` or ``reopened``.
    """
    case_id = breach_case_id(system.id, name, evidence.requirement)
    before = book.find(case_id)
    kind: EventKind = "opened" if before is None or not before.events else "breached" if before.open else "reopened"
    asked = asked_in(system, bundle)
    requirement = next((r for r in asked.judged.requirements if r.id == evidence.requirement), None)
    days = system.operation.act_within_days if system.operation else DAYS
    event = CaseEvent(
        case=case_id,
        system_id=system.id,
        kind=kind,
        time=bundle.run.finished,
        by=by,
        what=_breached(evidence, model),
        collector=collector(),
        evidence=Cited(run_id=bundle.run.run_id, bundle_sha256=bundle_sha256, requirement=evidence.requirement, state=evidence.state.value),
        breach=Breach(
            requirement=evidence.requirement,
            declared=asked.origins.get(evidence.requirement, ""),
            reason=evidence.reason[:2_000],
            model=model,
            evidence_id=evidence.id,
            minimum=requirement.min if requirement else None,
            maximum=requirement.max if requirement else _bound_of(system, evidence.requirement),
            exactly=requirement.equals if requirement else None,
            minimum_n=requirement.minimum_n if requirement else None,
        ),
        due=due_after(bundle.run.finished, days) if kind != "breached" else None,
    )
    return book.append(event, before), kind


def open_nonconformity(book: Casebook, *, by: str, what: str, due: date | None = None, days: int = DAYS) -> Case:
    """Open a nonconformity that a person has found.

    Args:
        book: the system's cases.
        by: who found it.
        what: what does not conform, and to what.
        due: by when it is to be closed; default: in ``days``.
        days: see ``due``.
    """
    now = datetime.now(UTC)
    case_id = new_case_id(SORT, book.system_id, by, what, now)
    return book.append(_event(book, case_id, "opened", by, what, now, due=due or due_after(now, days)))


def open_from_run(book: Casebook, system: System, run_id: str, *, by: str) -> tuple[Case, ...]:
    """Open a nonconformity for each breach that a monitoring run has found, judged anew; or add to those that are open.

    Args:
        book: the system's cases.
        system: the policy.
        run_id: the monitoring run.
        by: who says so.

    Raises:
        VerificationError: the run's evidence cannot be believed, is of another system or of no monitoring, or shows no breach.
        StoreError: the run has left no evidence.
    """
    content = book.store.read(run_id, BUNDLE_PATH)
    bundle, verified = open_bundle(content, trusted=book.trusted, keyring=book.trust.keyring())
    blocker = book.trust.blocker(verified, "evidence", bundle.run.finished, dated=bundle.run.finished)
    if blocker is not None:
        raise VerificationError(blocker.reason, where=f"run {run_id}", fix=blocker.fix)
    if (bundle.run.run_id, bundle.run.kind, bundle.system_id) != (run_id, "monitoring", system.id):
        what = "the run's evidence is of another run or system, or of no monitoring"
        raise VerificationError(what, where=f"run {run_id}", fix="name a run of aims monitor")
    judged = judged_again(system, bundle)
    breaches = [] if isinstance(judged, str) else [e for e in judged if e.state is State.FAIL and e.severity is Severity.CRITICAL]
    if not breaches:
        raise VerificationError("no critical requirement fails in the run", where=f"run {run_id}", fix="leave out --evidence")
    name = bundle.model.registered if bundle.model else ""
    tagged = book.store.run(run_id).tags.get(MONITORED, "")
    model = tagged or (bundle.model.uri if bundle.model else "")
    sha256 = verified.sha256
    return tuple(report_breach(book, system, one, bundle, sha256, model=model, name=name or model, by=by)[0] for one in breaches)


def add_cause(book: Casebook, case_id: str, *, by: str, what: str) -> Case:
    """Say why it came about; raises ConfigurationError where there is no such case, or it is closed."""
    case = _opened_case(book, case_id)
    return book.append(_event(book, case_id, "cause", by, what), case)


def act(book: Casebook, case_id: str, *, by: str, what: str, due: date | None = None) -> Case:
    """Say what was done about it; ``due``: a new day by which it is to be closed. Raises as ``add_cause``."""
    case = _opened_case(book, case_id)
    return book.append(_event(book, case_id, "action", by, what, due=due), case)


def review(book: Casebook, case_id: str, *, by: str, what: str, effective: bool) -> Case:
    """Say whether what was done has worked; raises as ``add_cause``."""
    case = _opened_case(book, case_id)
    return book.append(_event(book, case_id, "reviewed", by, what, effective=effective), case)


def reopen(book: Casebook, case_id: str, *, by: str, what: str) -> Case:
    """Open a closed case again; raises ConfigurationError where it is open."""
    case = book.case(case_id)
    if case.open:
        raise ConfigurationError(f"{case_id} is open", fix=f"say what is done about it: aims {case_sort(case_id)} act")
    return book.append(_event(book, case_id, "reopened", by, what), case)


def close(
    book: Casebook, case_id: str, *, by: str, what: str, system: System | None = None, evidence: str = "", without_evidence: str = ""
) -> Case:
    """Close a nonconformity, with evidence that what was done has worked.

    Args:
        book: the system's cases.
        case_id: which.
        by: who closes it.
        what: in words, why it can be closed.
        system: the policy that the evidence is judged by; needed with ``evidence``.
        evidence: id of a later monitoring or training run whose signed bundle shows that the requirement passes.
        without_evidence: why there is none; the case shows it for ever.

    Raises:
        VerificationError: the evidence does not show it.
        ConfigurationError: no such case, or neither (or both) of evidence and a reason.
    """
    case = _opened_case(book, case_id)
    if bool(evidence) == bool(without_evidence):
        fix = "name a later run in which the requirement passes (--evidence RUN_ID), or say why there is none (--without-evidence REASON)"
        raise ConfigurationError(
            "a nonconformity is closed with evidence that the action worked, or with the reason why there is none", fix=fix
        )
    if without_evidence:
        return book.append(_event(book, case_id, "closed", by, what, without_evidence=without_evidence), case)
    if case.state == "open":
        fix = f"say what was done: aims nonconformity act {book.system_id} {case_id} --by WHO --what ACTION"
        raise VerificationError("nobody has done anything about it yet, so that nothing can have worked", where=case_id, fix=fix)
    if case.state == "broken":
        fix = "find out who changed its events; a named person can close it with --without-evidence REASON"
        raise VerificationError(f"the case itself cannot be believed: {'; '.join(case.problems)}", where=case_id, fix=fix)
    if system is None:
        raise ConfigurationError("without the system file the evidence cannot be judged", fix="pass the path of the system file as SYSTEM")
    return book.append(_event(book, case_id, "closed", by, what, evidence=proof(book, case, system, evidence)), case)


def proof(book: Casebook, case: Case, system: System, run_id: str) -> Cited:
    """Return the evidence in a run that a requirement which had been breached is met again.

    The run's signed measures are judged anew, by the system file at hand or by the bounds as they stood at the breach, whichever
    are stricter.

    Raises:
        VerificationError: there is no such evidence in the run, with the reason.
    """
    fix = "name a later monitoring run (aims monitor) or training run in which the requirement passes, or close with --without-evidence"

    def refused(why: str) -> VerificationError:
        return VerificationError(f"run {run_id} does not show that it worked: {why}", where=case.id, fix=fix)

    breach = case.breach
    if breach is None:
        raise refused("the case is about no requirement that a run measures")
    try:
        bundle, verified = open_bundle(book.store.read(run_id, BUNDLE_PATH), trusted=book.trusted, keyring=book.trust.keyring())
    except StoreError as error:
        raise refused(f"it has left no evidence ({error.what})") from None
    except VerificationError as error:
        raise refused(f"its evidence cannot be believed: {error.what}") from None
    problem = _not_about(book, case, bundle, verified, run_id)
    if problem:
        raise refused(problem)
    found = passing(system, bundle, breach)
    if isinstance(found, str):
        raise refused(found)
    return Cited(run_id=run_id, bundle_sha256=verified.sha256, requirement=found.requirement, state=found.state.value)


def _not_about(book: Casebook, case: Case, bundle: Bundle, verified: Verified, run_id: str) -> str:
    """Return why a bundle cannot be evidence on a case at all, or ""."""
    blocker = book.trust.blocker(verified, "evidence", bundle.run.finished, dated=bundle.run.finished)
    if blocker is not None:
        return f"its evidence cannot be believed: {blocker.reason}"
    if bundle.run.run_id != run_id:
        return f"its evidence is that of run {bundle.run.run_id}"
    if bundle.system_id != case_system(case):
        return f"it is of the system {bundle.system_id!r}"
    if bundle.run.outcome != "finished" or not bundle.complete:
        return "it did not come to its end"
    if bundle.run.kind == "assessment":
        return "it assessed a model of before; a monitoring or a training run is asked for"
    last = max(event.time for event in case.breaches)
    if _aware(bundle.run.started) <= last:
        return (
            f"it began at {bundle.run.started.isoformat(timespec='seconds')}, before the last breach ({last.isoformat(timespec='seconds')})"
        )
    return ""


def passing(system: System, bundle: Bundle, breach: Breach) -> Evidence | str:
    """Return the evidence in a bundle that the breached requirement is met, judged anew; or why there is none."""
    judged = judged_again(system, bundle, breach)
    if isinstance(judged, str):
        return judged
    wanted = breach.requirement if bundle.run.kind == "monitoring" else breach.declared
    found = [e for e in judged if e.requirement == wanted]
    if not found or not wanted:
        return f"{wanted or breach.requirement} was not judged in it"
    failing = next((e for e in found if e.state is not State.PASS), None)
    return found[0] if failing is None else f"{failing.requirement} is {failing.state.value} there: {failing.reason}"


def judged_again(system: System, bundle: Bundle, breach: Breach | None = None) -> tuple[Evidence, ...] | str:
    """Judge a bundle's measures by the system file at hand.

    Args:
        system: the policy.
        bundle: of a training or a monitoring run.
        breach: whose bounds are kept where they are stricter; "" never loosens them.

    Returns:
        The evidence; or why the breached requirement cannot be judged any more.
    """
    if breach is not None:
        tightened = _tightened(system, breach)
        if isinstance(tightened, str):
            return tightened
        system = tightened
    run, results, given = bundle.run, bundle.results, bundle.attestations
    if run.kind != "monitoring":
        return judge(system, results, run_id=run.run_id, started=_aware(run.started), now=_aware(run.finished), attested=given)
    return judge_operation(
        asked_in(system, bundle),
        results,
        run_id=run.run_id,
        started=_aware(run.started),
        now=_aware(run.finished),
        attested=given,
        complete=bundle.complete,
    )


def case_system(case: Case) -> str:
    """Return the id of the system that a case belongs to."""
    return case.first.system_id if case.first else ""


def case_sort(case_id: str) -> str:
    """Return ``incident`` or ``nonconformity``."""
    return "incident" if case_id.startswith("in-") else SORT


def _tightened(system: System, breach: Breach) -> System | str:
    """Return the system with what was breached at least as strict as it was then; or why it cannot be judged any more."""
    if not breach.declared:
        return _tightened_operation(system, breach)
    changed: dict[int, Requirement] = {}
    asked = False
    for at, requirement in enumerate(system.requirements):
        alone = system.model_copy(update={"requirements": (requirement,)})
        if breach.declared not in (one.id for one in expanded(alone)):
            continue
        asked = True
        was, now = (breach.minimum, breach.maximum, breach.exactly), (requirement.min, requirement.max, requirement.equals)
        if [bound is None for bound in was] == [bound is None for bound in now] and was[2] == now[2]:
            stricter = {
                "min": None if was[0] is None or now[0] is None else max(was[0], now[0]),
                "max": None if was[1] is None or now[1] is None else min(was[1], now[1]),
                "minimum_n": max(filter(None, (breach.minimum_n, requirement.minimum_n)), default=None),
            }
            changed[at] = requirement.model_copy(update=stricter)
    if not changed:
        what = "is bounded in another way than it was at the breach" if asked else "is no longer asked by the system file"
        return f"{breach.declared} {what}, so that nothing shows that it is met"
    return system.model_copy(update={"requirements": tuple(changed.get(at, r) for at, r in enumerate(system.requirements))})


def _tightened_operation(system: System, breach: Breach) -> System:
    """Return the system with the bound of a standing question at least as strict as it was."""
    field = _BOUNDS.get(breach.requirement.partition("[")[0])
    now = getattr(system.operation, field or "", None)
    if system.operation is None or field is None or now is None or breach.maximum is None:
        return system
    return system.model_copy(update={"operation": system.operation.model_copy(update={field: min(now, breach.maximum)})})


def _bound_of(system: System, asked: str) -> float | None:
    """Return the bound that the system file sets for a standing question, or None."""
    bound: float | None = getattr(system.operation, _BOUNDS.get(asked.partition("[")[0], ""), None)
    return bound


def _breached(evidence: Evidence, model: str) -> str:
    return f"{evidence.requirement} fails on production data of {model}: {evidence.reason}"[:9_000]


def _opened_case(book: Casebook, case_id: str) -> Case:
    case = book.case(case_id)
    if not case.open:
        raise ConfigurationError(f"{case_id} is closed", fix=f"open it again first: aims {case_sort(case_id)} reopen")
    return case


def _event(
    book: Casebook,
    case_id: str,
    kind: EventKind,
    by: str,
    what: str,
    time: datetime | None = None,
    *,
    due: date | None = None,
    effective: bool | None = None,
    evidence: Cited | None = None,
    without_evidence: str = "",
) -> CaseEvent:
    for name, said in (("--by", by), ("--what", what)):
        if not said.strip():
            raise ConfigurationError("an event says who and what", fix=f"give {name}")
    return CaseEvent(
        case=case_id,
        system_id=book.system_id,
        kind=kind,
        time=time or datetime.now(UTC),
        by=by,
        what=what,
        collector=collector(),
        due=due,
        effective=effective,
        evidence=evidence,
        without_evidence=without_evidence,
    )


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
