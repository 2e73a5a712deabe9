"""What all looks at a version in operation say together: the evidence of A.6.2.6 and A.6.2.8 that a record rests on.

Runs are found by their tags and believed by their bundles: a look counts for a version if its signed evidence names just that version's
files. Everything is judged again by the system file at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from aims_mlflow.bundle import BUNDLE_PATH, KIND, MONITORED, Bundle
from aims_mlflow.decision import Files
from aims_mlflow.disparity import Verdict
from aims_mlflow.errors import StoreError, VerificationError
from aims_mlflow.evidence import Evidence, Severity, State, Subject, collector
from aims_mlflow.gate import file_differences
from aims_mlflow.judging.lines import control_lines
from aims_mlflow.operation import events
from aims_mlflow.operation.asking import PRODUCTION, asked_of_production
from aims_mlflow.operation.casebook import Casebook
from aims_mlflow.operation.cases import Case
from aims_mlflow.operation.nonconformities import judged_again
from aims_mlflow.operation.verdicts import ANSWERED, COMPLETE, GIVE_A_LOG, LOGGED, LOOKED, WATCHED
from aims_mlflow.signing import Trust, open_bundle
from aims_mlflow.store import Store
from aims_mlflow.store.views import quoted
from aims_mlflow.system import System

MOST_LOOKS = 60
"""Looks at one version that are read at most, newest first. What was found before them stands in the cases that it opened."""

AT_A_TIME = 6
"""Looks that are read together; no more are read once each question has an answer."""

LOOK = "look at production data: aims monitor MODEL_URI DATA"


@dataclass(frozen=True)
class Look:
    """One monitoring run whose signed evidence holds."""

    run_id: str
    bundle: Bundle
    sha256: str
    key_ids: tuple[str, ...] = ()

    @property
    def at(self) -> datetime:
        """When it ended."""
        finished = self.bundle.run.finished
        return finished if finished.tzinfo else finished.replace(tzinfo=UTC)

    @property
    def subject(self) -> Subject:
        """The run as the subject of evidence, by the digest of its bundle's envelope."""
        return Subject(kind="run", name=self.run_id, sha256=self.sha256)

    def about(self, files: Files) -> bool:
        """Whether it looked at just the model with these files."""
        model = self.bundle.model
        return bool(files) and model is not None and bool(model.files) and not file_differences(model, files)


@dataclass(frozen=True)
class InOperation:
    """What is known of a system in operation. ``problems``: run -> why its evidence does not count."""

    system: System
    now: datetime
    looks: tuple[Look, ...] = ()
    cases: tuple[Case, ...] = ()
    incidents: tuple[Case, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _judged(self) -> dict[str, tuple[Evidence, ...]]:
        return {}

    def judged(self, look: Look) -> tuple[Evidence, ...]:
        """Return what a look says by the system file at hand; worked out once."""
        if look.run_id not in self._judged:
            found = judged_again(self.system, look.bundle)
            self._judged[look.run_id] = () if isinstance(found, str) else found
        return self._judged[look.run_id]

    def evidence(self, name: str, files: Files) -> tuple[Evidence, ...]:
        """Return the evidence of A.6.2.6 and of A.6.2.8 on a version; it takes the place of what judging a training run says of them.

        Args:
            name: the registered model's name; "" where the model is not registered.
            files: the manifest of the version's files.
        """
        looks = [look for look in self.looks if look.about(files)]
        watched = self._watched(name, looks)
        logged = next((e for e in map(self._logged, looks) if e is not None), None)
        none = Verdict(State.MISSING, "no look at the model in operation was given an event log", GIVE_A_LOG)
        return (watched, logged or _made(COMPLETE, LOGGED, none, looks[:1], self.now))

    def _watched(self, name: str, looks: Sequence[Look]) -> Evidence:
        worst = self._verdict(name, looks)
        return _made(LOOKED, WATCHED, worst, looks, self.now)

    def _verdict(self, name: str, looks: Sequence[Look]) -> Verdict:
        """Judge the looks, newest first: a breach nobody acted on is a failure, whatever came later; then whether somebody looks at all."""
        found = list(self._unanswered_breaches(name, looks))
        if found:
            fix = (
                "say what is done about it: aims nonconformity act SYSTEM ID --by WHO --what ACTION; where there is none yet, open it "
                "from the run: aims nonconformity open SYSTEM --evidence RUN_ID --by WHO --what TEXT"
            )
            return Verdict(State.FAIL, f"a breach in operation has no action: {'; '.join(found[:3])}" + _more(found), fix)
        if not looks:
            return Verdict(State.MISSING, "nobody has looked at this version in operation", LOOK)
        good = {State.PASS, State.INCONCLUSIVE} if self.system.gate.inconclusive == "allow" else {State.PASS}
        seen = [look for look in looks if self._state(look) in good]
        if not seen:
            last = next(e for e in self.judged(looks[0]) if e.requirement == LOOKED)
            return Verdict(last.state, f"no look has come to an answer; the last: {last.reason}", last.fix)
        every = self.system.operation.monitor_every_days if self.system.operation else None
        when = f"the last look that came to an answer was on {seen[0].at:%Y-%m-%d %H:%M} UTC (run {seen[0].run_id})"
        if every is None:
            fix = "declare operation.monitor_every_days in aims.yaml"
            return Verdict(State.MISSING, f"{when}; how often somebody is to look is not declared", fix)
        if self.now - seen[0].at > timedelta(days=every):
            return Verdict(State.STALE, f"{when}, which is longer ago than the {every} days that the plan allows", LOOK)
        never = self._never(looks)
        if never:
            fix = "look again with labels and a reference (--labels, --reference), or record a waiver for monitor.looked under A.6.2.6"
            return Verdict(State.INCONCLUSIVE, f"{when}; never answered in operation: {', '.join(never[:3])}" + _more(never), fix)
        acting = [case.id for case in self._own_cases(name) if case.open]
        being = f"; being acted on: {', '.join(acting[:3])}{_more(acting)}" if acting else ""
        return Verdict(State.PASS, f"{when}, within the {every} days of the plan{being}")

    def _state(self, look: Look) -> State:
        return next((e.state for e in self.judged(look) if e.requirement == LOOKED), State.MISSING)

    def _unanswered_breaches(self, name: str, looks: Sequence[Look]) -> Iterable[str]:
        """Yield the breaches about which nobody has done anything: those of open cases, and those of which there is no case."""
        today = self.now.date()
        own = self._own_cases(name)
        for case in own:
            if case.unacted:
                yield f"{case.id} ({case.breach.requirement if case.breach else case.state})"
            elif case.overdue(today):
                yield f"{case.id} is overdue since {case.due} ({case.breach.requirement if case.breach else case.state})"
        told: set[str] = set()
        for look in looks:
            waived = self._waived(look, today)
            for one in self.judged(look):
                fails = one.state is State.FAIL and one.severity is Severity.CRITICAL and one.id not in waived
                if fails and one.requirement not in told and not self._covered(one, look, own):
                    told.add(one.requirement)
                    yield f"{one.requirement} fails in run {look.run_id}, and there is no nonconformity of it"

    def _covered(self, breach: Evidence, look: Look, own: Sequence[Case]) -> bool:
        """Whether a case tells of the breach: one that was closed covers what was found before it was."""
        for case in own:
            if case.breach is not None and case.breach.requirement == breach.requirement and case.last is not None:
                return case.open or case.last.time >= look.at
        return False

    def _own_cases(self, name: str) -> list[Case]:
        """Return the cases of breaches of a model, and those of which nothing can be believed any more."""
        prefix = f"models:/{name}/"
        return [c for c in self.cases if (c.breach is not None and name and c.breach.model.startswith(prefix)) or c.state == "broken"]

    def _waived(self, look: Look, today: date) -> set[str]:
        lines = control_lines(self.system, self.judged(look), look.bundle.results, today=today)
        return {one for line in lines for one in line.waived}

    def answered(self, looks: Sequence[Look]) -> bool:
        """Whether older looks could not say anything more: each question has an answer, and an event log was looked at."""
        asks_log = self.system.operation is not None and self.system.operation.longest_gap_hours is not None
        logged = not asks_log or any(self._logged(look) is not None for look in looks)
        whole = any(self._state(look) is State.PASS for look in looks)
        return whole and logged and not self._never(looks)

    def _never(self, looks: Sequence[Look]) -> list[str]:
        """Return the critical requirements that hold in operation and that no look has answered."""
        asked = asked_of_production(self.system, labels=True, reference=True).judged.requirements
        waived = {one for look in looks for one in self._waived(look, self.now.date())}
        answered = {e.requirement for look in looks for e in self.judged(look) if e.state in ANSWERED or e.id in waived}
        suites = [r for r in asked if r.suite]
        return [r.id for r in asked if r.severity is Severity.CRITICAL and r.id not in answered and r not in suites]

    def _logged(self, look: Look) -> Evidence | None:
        """Return what a look says of the event log; None where it was given none."""
        if not any(r.check == events.NAME for r in look.bundle.results):
            return None
        said = next(e for e in self.judged(look) if e.requirement == COMPLETE)
        every = (self.system.operation.monitor_every_days if self.system.operation else None) or self.system.gate.max_age_days
        verdict = Verdict(said.state, said.reason, said.fix)
        if said.state is State.PASS and self.now - look.at > timedelta(days=every):
            verdict = Verdict(State.STALE, f"the event log was last looked at on {look.at:%Y-%m-%d}: {said.reason}", GIVE_A_LOG)
        return _made(COMPLETE, LOGGED, verdict, [look], self.now)


def in_operation(system: System, store: Store, *, trust: Trust | None = None, now: datetime | None = None) -> InOperation:
    """Read what MLflow holds of a system in operation: its looks, nonconformities and incidents.

    Args:
        system: the policy.
        store: MLflow.
        trust: which keys count; empty: ``gate.trusted_keys`` counts alone.
        now: the time of the record.

    Raises:
        StoreError: MLflow does not answer.
    """
    trust = trust or Trust()
    trusted = tuple(system.gate.trusted_keys)
    book = Casebook(system.id, store, trusted, trust)
    now = now or datetime.now(UTC)
    looks, problems = read_looks(system, store, trust=trust, now=now)
    return InOperation(
        system=system,
        now=now,
        looks=looks,
        cases=book.cases("nonconformity"),
        incidents=book.cases("incident", again=False),
        problems=problems,
    )


def read_looks(
    system: System, store: Store, *, trust: Trust | None = None, now: datetime | None = None
) -> tuple[tuple[Look, ...], dict[str, str]]:
    """Return a system's looks, newest first, and the runs that say they are looks and cannot be believed, with the reason.

    Of each version so many are read, newest first, that every question has an answer, or ``MOST_LOOKS``.

    Raises:
        StoreError: MLflow does not answer.
    """
    condition = f"tags.`{KIND}` = 'monitoring' and tags.`aims.system` = '{quoted(system.id)}'"
    by_model: dict[str, list[str]] = {}
    for run in sorted(store.runs(condition), key=lambda r: (r.started, r.run_id), reverse=True):
        by_model.setdefault(run.tags.get(MONITORED, ""), []).append(run.run_id)
    looks: list[Look] = []
    problems: dict[str, str] = {}
    for run_ids in by_model.values():
        known = InOperation(system, now or datetime.now(UTC))
        mine: list[Look] = []
        for start in range(0, min(len(run_ids), MOST_LOOKS), AT_A_TIME):
            contents = store.read_each((run_id, BUNDLE_PATH) for run_id in run_ids[start : start + AT_A_TIME])
            for (run_id, _), content in contents.items():
                try:
                    if isinstance(content, StoreError):
                        raise VerificationError("it has left no evidence")
                    mine.append(_look(content, run_id, system, trust or Trust()))
                except VerificationError as error:
                    problems[run_id] = error.what
            if known.answered(mine):
                break
        looks += mine
    return tuple(sorted(looks, key=lambda look: look.at, reverse=True)), problems


def _look(content: bytes, run_id: str, system: System, trust: Trust) -> Look:
    bundle, verified = open_bundle(content, trusted=system.gate.trusted_keys, keyring=trust.keyring())
    blocker = trust.blocker(verified, "evidence", bundle.run.finished, dated=bundle.run.finished)
    if blocker is not None:
        raise VerificationError(blocker.reason)
    if (bundle.run.run_id, bundle.run.kind, bundle.system_id) != (run_id, "monitoring", system.id):
        raise VerificationError("its evidence is of another run or system, or of no monitoring")
    if not any(d.role == PRODUCTION for d in bundle.datasets):
        raise VerificationError("it has seen no production data")
    return Look(run_id, bundle, verified.sha256, verified.key_ids)


def _made(requirement: str, control: str, verdict: Verdict, looks: Sequence[Look], now: datetime) -> Evidence:
    """Return evidence that rests on whole runs, by the digests of their bundles."""
    return Evidence(
        check=requirement.partition(".")[0],
        requirement=requirement,
        kind="standing",
        controls=(control,),
        subjects=tuple(look.subject for look in looks),
        state=verdict.state,
        reason=verdict.reason,
        fix=verdict.fix,
        run_id=looks[0].run_id if looks else "none",
        time=looks[0].at if looks else now,
        collector=collector(),
    )


def _more(items: Sequence[object]) -> str:
    return f" and {len(items) - 3} more" if len(items) > 3 else ""
