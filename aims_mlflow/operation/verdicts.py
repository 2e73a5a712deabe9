"""What monitoring concludes: evidence for A.6.2.6 and A.6.2.8 from what was measured on production data and counted in the event log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aims_mlflow.disparity import Verdict
from aims_mlflow.evidence import WORST_FIRST, CheckResult, Evidence, Severity, State, Subject, collector, worst
from aims_mlflow.judging import judge
from aims_mlflow.judging.bounds import measure_verdict
from aims_mlflow.judging.lines import control_lines
from aims_mlflow.judging.standing import standing_requirements
from aims_mlflow.operation import events, shifting
from aims_mlflow.operation.asking import PRODUCTION, REFERENCE, Asked
from aims_mlflow.system import Attestation, Operation, Requirement, System

LOOKED, COMPLETE = "monitor.looked", "event_log.complete"
"""The requirements that a control's evidence in operation answers (``judging.standing.LATER``)."""

WATCHED, LOGGED = "A.6.2.6", "A.6.2.8"

ANSWERED = frozenset({State.PASS, State.FAIL})

GIVE_A_LOG = "log the deployed model's events as JSON lines, and look at them: aims monitor … --events FILE"


@dataclass(frozen=True)
class Question:
    """A standing question of monitoring: a counted measure of the check ``monitor`` with one bound."""

    metric: str
    asks: str
    fix: str
    unmet: State = State.FAIL
    least: float | None = None
    most: float | None = None
    severity: Severity = Severity.CRITICAL
    of: str = PRODUCTION

    @property
    def requirement(self) -> Requirement:
        """The question as a requirement."""
        return Requirement(
            check=shifting.NAME,
            metric=self.metric,
            dataset=self.of,
            min=self.least,
            max=self.most,
            severity=self.severity,
            because=self.asks,
        )


QUESTIONS: tuple[Question, ...] = (
    Question("columns_missing", "every column that the model reads is there", "give the data as the model gets them", most=0),
    Question(
        "kinds_changed",
        "columns hold what they held in training: numbers, text or times",
        "find out where their type changed: a number that became text is read as another value",
        most=0,
    ),
    Question(
        "model_files_changed",
        "the model in operation is the one that was evaluated",
        "find out who changed the model's files, then train and register again",
        most=0,
    ),
    Question(
        "reference_known",
        "the reference is a frame that the training recorded",
        "give the training data as they were given to the run",
        State.MISSING,
        least=1,
        severity=Severity.MINOR,
        of=REFERENCE,
    ),
)


def judge_operation(
    asked: Asked,
    results: Sequence[CheckResult],
    *,
    run_id: str,
    started: datetime,
    now: datetime,
    attested: Sequence[Attestation] = (),
    complete: bool = True,
) -> tuple[Evidence, ...]:
    """Judge what one look measured; everything in it is evidence for A.6.2.6 or A.6.2.8, and for no control of the training.

    Args:
        asked: what is asked of production data.
        results: what was measured.
        run_id: of the monitoring run.
        started: when it began.
        now: the time of judging.
        attested: attestations given in the run.
        complete: whether every check had its turn.
    """
    system = asked.judged
    judged = judge(system, results, run_id=run_id, started=started, now=now, attested=attested)
    standing = {r.id for _, r in standing_requirements(system, results) if r.dataset == PRODUCTION and r.check == "quality"}
    kept = [e for e in judged if e.kind == "declared" or e.requirement in standing]
    found = [e.model_copy(update={"controls": (WATCHED,)}) for e in kept]
    maker = _Maker(run_id, now)
    found += maker.questions(results)
    found += maker.shifts(system, results)
    found.append(maker.looked(asked, found, results, complete=complete))
    found.append(maker.logged(system.operation, results))
    return (*found, *(e for e in judged if e.kind == "attestation" and set(e.controls) & {WATCHED, LOGGED}))


@dataclass(frozen=True)
class _Maker:
    """Makes evidence of one run."""

    run_id: str
    now: datetime

    def made(
        self,
        requirement: Requirement | str,
        verdict: Verdict,
        used: Sequence[CheckResult] = (),
        *,
        control: str = WATCHED,
        severity: Severity = Severity.CRITICAL,
    ) -> Evidence:
        name = requirement if isinstance(requirement, str) else requirement.id
        subjects: dict[Subject, None] = {subject: None for result in used for subject in result.subjects}
        return Evidence(
            check=name.partition(".")[0],
            requirement=name,
            kind="standing",
            controls=(control,),
            severity=severity,
            subjects=tuple(subjects),
            results=tuple(dict.fromkeys(result.id for result in used)),
            state=verdict.state,
            reason=verdict.reason,
            fix=verdict.fix,
            run_id=self.run_id,
            time=self.now,
            collector=collector(),
        )

    def questions(self, results: Sequence[CheckResult]) -> Iterator[Evidence]:
        """Answer the standing questions for which something was measured; a problem answers for all of its scope."""
        own = [r for r in results if r.check == shifting.NAME and set(r.scope) == {"dataset"}]
        for one in QUESTIONS:
            requirement = one.requirement
            for result in (r for r in own if r.scope["dataset"] == one.of):
                measure = result.measure(one.metric)
                if result.problem is not None:
                    verdict = Verdict(State(result.problem.state), result.problem.reason, result.problem.fix)
                elif measure is None:
                    continue
                elif measure.n == 0:
                    fix = "declare data.features in aims.yaml"
                    verdict = Verdict(State.MISSING, f"it is asked that {one.asks}: which columns the model reads is not known", fix)
                else:
                    verdict = self._worded(one, measure_verdict(requirement, measure, about=f" on {one.of}"), result)
                yield self.made(requirement, verdict, [result], severity=one.severity)
                break

    def _worded(self, question: Question, verdict: Verdict, result: CheckResult) -> Verdict:
        if verdict.state is State.PASS:
            return verdict
        named = result.facts.get(question.metric)
        names = [str(one) for one in named] if isinstance(named, list) else []
        which = f" ({', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''})" if names else ""
        state = question.unmet if verdict.state is State.FAIL else verdict.state
        return Verdict(state, f"it is asked that {question.asks}: {verdict.reason}{which}", question.fix)

    def shifts(self, system: System, results: Sequence[CheckResult]) -> Iterator[Evidence]:
        """Judge how far shares lie from what training recorded, where the system file says how far they may."""
        bound = system.operation.largest_shift if system.operation is not None else None
        if bound is None:
            return
        for result in (r for r in results if r.check == shifting.NAME and r.problem is None):
            for metric in dict.fromkeys(m.name for m in result.measures if m.name in shifting.SHIFTS):
                requirement = Requirement(
                    check=shifting.NAME, metric=metric, dataset=PRODUCTION, column=result.scope.get("column", ""), max=bound
                )
                about = f" of {requirement.column}" if requirement.column else ""
                verdicts = [
                    measure_verdict(requirement, m, about=f"{about}{f' for {m.group}' if m.group else ''}")
                    for m in result.measures
                    if m.name == metric
                ]
                yield self.made(requirement, min(verdicts, key=lambda v: WORST_FIRST.index(v.state)), [result])

    def looked(self, asked: Asked, found: Sequence[Evidence], results: Sequence[CheckResult], *, complete: bool) -> Evidence:
        """Say whether this look looked: a critical requirement was answered, and none that could be answered was left open."""
        mine = [r for r in results if r.check == shifting.NAME and r.scope == {"dataset": PRODUCTION}]
        critical = [e for e in found if e.severity is Severity.CRITICAL]
        lines = control_lines(asked.judged, found, results, today=self.now.date())
        waived = {one for line in lines for one in line.waived}
        open_ones = [e for e in critical if e.state not in ANSWERED and e.id not in waived]
        answered = [e for e in critical if e.kind == "declared" and e.state in ANSWERED]
        unseen = f"; not looked at: {', '.join(one.what for one in asked.unknown)}" if asked.unknown else ""
        left = [e.requirement for e in critical if e.state not in ANSWERED and e.id in waived]
        unseen += f"; waived: {', '.join(left)}" if left else ""
        if not complete:
            verdict = Verdict(State.ERROR, "the look did not come to its end", "see the log of aims_mlflow, then look again")
        elif open_ones:
            state = worst(tuple(e.state for e in open_ones))
            first = next(e for e in open_ones if e.state is state)
            many = "1 question was" if len(open_ones) == 1 else f"{len(open_ones)} questions were"
            others = f"; and {len(open_ones) - 1} more" if len(open_ones) > 1 else ""
            verdict = Verdict(state, f"{many} left open: {first.requirement}: {first.reason}{others}", first.fix)
        elif not answered:
            reason = f"no requirement of the system file could be looked at on these data{unseen}"
            verdict = Verdict(State.MISSING, reason, "add requirements for what is measured in operation, or give labels and a reference")
        else:
            verdict = Verdict(State.PASS, f"{len(answered)} requirements were answered on production data{unseen}")
        return self.made(LOOKED, verdict, mine)

    def logged(self, operation: Operation | None, results: Sequence[CheckResult]) -> Evidence:
        """Say whether the event log is whole."""
        own = [r for r in results if r.check == events.NAME]
        if not own:
            return self.made(COMPLETE, Verdict(State.MISSING, "no event log was looked at", GIVE_A_LOG), control=LOGGED)
        return self.made(COMPLETE, log_verdict(operation, own[0]), own[:1], control=LOGGED)


def log_verdict(operation: Operation | None, result: CheckResult) -> Verdict:
    """Judge what was counted in an event log by what the system file declares."""
    count = {m.name: m.value for m in result.measures if m.value is not None}
    facts: Mapping[str, object] = result.facts
    if operation is None or operation.longest_gap_hours is None:
        fix = "declare operation.longest_gap_hours, event_kinds and retention_days in aims.yaml"
        return Verdict(State.MISSING, f"{count.get('events', 0):g} events are logged, and how long a gap may be is not declared", fix)
    wrong = list(_wrong(operation, result, count))
    if wrong:
        return Verdict(State.FAIL, "; ".join(wrong), "find out why events are not there, and mend the logging")
    unsure = [
        f"{count[name]:g} {words}"
        for name, words in (
            ("unreadable_lines", "lines are no JSON objects"),
            ("undated_events", "events have no time with a zone"),
            ("events_ahead_of_time", "events are dated in the future"),
        )
        if count.get(name)
    ]
    if unsure or "longest_gap_hours" not in count:
        why = "; ".join(unsure) or "no event has a time with a zone"
        return Verdict(State.ERROR, f"whether the event log is whole cannot be told: {why}", "write one JSON object a line, with its time")
    kept = (
        f", kept {operation.retention_days} days as far as can be told"
        if operation.retention_days
        else ", how long it is kept is not declared"
    )
    reason = (
        f"{count['events']:g} events from {facts.get('first')} to {facts.get('last')}, the longest gap "
        f"{count['longest_gap_hours']:.4g} h of at most {operation.longest_gap_hours:g} h{kept}"
    )
    return Verdict(State.PASS, reason)


def _wrong(operation: Operation, result: CheckResult, count: Mapping[str, float]) -> Iterator[str]:
    if not count.get("events"):
        yield "the event log holds no event"
    gap = count.get("longest_gap_hours")
    if gap is not None and operation.longest_gap_hours is not None and gap > operation.longest_gap_hours:
        yield f"for {gap:.4g} h nothing was logged; at most {operation.longest_gap_hours:g} h are allowed (operation.longest_gap_hours)"
    kinds = result.facts.get("kinds")
    present = kinds if isinstance(kinds, dict) else {}
    absent = [kind for kind in operation.event_kinds if not present.get(kind)]
    if absent:
        yield f"no event of the kind {', '.join(absent)} is logged"
    lost = count.get("days_lost_early")
    if lost and operation.retention_days:
        yield f"{lost:.4g} days of events that were there before are gone within the {operation.retention_days} days of retention"
