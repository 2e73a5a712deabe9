"""From measures and what was asked of them to states: evidence, one piece a question, and one line a control.

A state comes from the interval, never from the point. ``judge`` gives raw evidence: it never says WAIVED, because the same
evidence serves several controls and a waiver holds for one. ``control_lines`` applies waivers, control by control; the gate
and the records read its lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aims_mlflow import controls as catalogue
from aims_mlflow import registry
from aims_mlflow.disparity import DISPARITIES, MINIMUM_N, Verdict, disparity_value, disparity_verdict
from aims_mlflow.errors import UnknownNameError, nearest
from aims_mlflow.evidence import WORST_FIRST, CheckResult, Evidence, Measure, Severity, State, Subject, collector
from aims_mlflow.judging.bounds import IMPLICIT_METRIC, WAIVE, measure_verdict
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.judging.persons import attestation_line, excluded_objectives, latest_local_date, persons_word
from aims_mlflow.judging.questions import Standing
from aims_mlflow.judging.standing import (
    DECLARATION,
    LATER,
    RUN_ALONE,
    expanded,
    gated_controls,
    standing_requirements,
    to_declare,
)
from aims_mlflow.system import Attestation, Requirement, System
from aims_mlflow.worst_group import WORST, groups_of_worst, worst_value, worst_verdict

__all__ = ["IMPLICIT_METRIC", "ControlLine", "control_lines", "expanded", "gated_controls", "judge", "measure_verdict"]

DEFAULT_SCOPES: Mapping[str, Mapping[str, str]] = {
    "performance": {"dataset": "test"},
    "fairness": {"dataset": "test"},
    "robustness": {"dataset": "test"},
    "baseline": {"dataset": "test"},
    "drift": {"dataset": "test", "reference": "train"},
    "overlap": {"datasets": "train,test"},
}
"""What a requirement is asked of where it does not say."""


@dataclass(frozen=True)
class _Run:
    """The run that is judged, as every piece of evidence names it."""

    run_id: str
    now: datetime

    def evidence(self, requirement: Requirement, kind: str, controls: Iterable[str], verdict: Verdict, **more: object) -> Evidence:
        return Evidence.model_validate(
            {
                "check": requirement.check,
                "requirement": requirement.id,
                "kind": kind,
                "controls": tuple(controls),
                "severity": requirement.severity,
                "state": verdict.state,
                "reason": verdict.reason,
                "fix": verdict.fix,
                "run_id": self.run_id,
                "time": self.now,
                "collector": collector(),
                **more,
            }
        )


def judge(
    system: System,
    results: Sequence[CheckResult],
    *,
    run_id: str,
    started: datetime,
    now: datetime,
    attested: Sequence[Attestation] = (),
) -> tuple[Evidence, ...]:
    """Judge what was measured by what the system file and the controls ask.

    Args:
        system: the policy to judge by.
        results: what the checks of one run measured.
        run_id: of that run.
        started: when it began; requirements dated later came after their result.
        now: the time of judging; attestations must hold then.
        attested: attestations given in the run, beside those of the system file.

    Returns:
        One piece of evidence for each declared requirement (for each column or role it is asked of, see ``expanded``), each
        standing question, and each control a person speaks for or must speak for. States are raw: never WAIVED.
    """
    run = _Run(run_id, now)
    found = [_declared(run, system, requirement, results) for requirement in expanded(system, results)]
    found += _standing(run, system, results, attested)
    found += _declarations(run, system)
    found += _dated_after(run, system, started)
    found += [
        run.evidence(_plain(later.check, later.requirement), "standing", (control,), Verdict(State.MISSING, later.reason, later.fix))
        for control, later in LATER.items()
    ]
    concerned = {control for evidence in found for control in evidence.controls}
    return (*found, *_persons(run, system, attested, concerned))


def _declared(run: _Run, system: System, requirement: Requirement, results: Sequence[CheckResult]) -> Evidence:
    try:
        check = registry.get(requirement.check)
    except UnknownNameError as error:
        reason = f"the requirement asks the check {requirement.check!r}, which nobody has registered"
        verdict = Verdict(
            State.ERROR,
            reason,
            f"{error.fix} (in aims.yaml, or install the package that brings the check, or name its module in AIMS_CHECKS)",
        )
        # Nobody knows which controls it would serve: it stands against every one that the gate looks at, however few they are.
        return run.evidence(requirement, "declared", dict.fromkeys(("A.6.2.2", "A.6.2.4", *gated_controls(system))), verdict)
    verdict, used = _answer(requirement, results, check)
    left_out = [name for result in used for name in _left_out(result, requirement.metric or IMPLICIT_METRIC)]
    if left_out and verdict.state in (State.PASS, State.INCONCLUSIVE):
        reason = f"{verdict.reason}; but {len(left_out)} of what was asked could not be evaluated: {_some(left_out)}"
        verdict = replace(verdict, state=State.ERROR, reason=reason, fix=f"make it evaluable, or ask for less, {WAIVE}")
    objectives = (requirement.objective,) if requirement.objective else check.objectives
    return run.evidence(requirement, "declared", check.controls, verdict, objectives=objectives, **_cited(used))


def _left_out(result: CheckResult, metric: str) -> tuple[str, ...]:
    """Return what a result leaves out; where it lists metrics, each one's own measure says whether it could be taken."""
    return () if metric in result.coverage.asked else result.coverage.left_out


def _cited(used: Sequence[CheckResult]) -> dict[str, object]:
    subjects: dict[Subject, None] = {subject: None for result in used for subject in result.subjects}
    return {"results": tuple(dict.fromkeys(result.id for result in used)), "subjects": tuple(subjects)}


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# --- finding what was measured ------------------------------------------------------------------------------------------


def _answer(
    requirement: Requirement, results: Sequence[CheckResult], check: registry.Check | None
) -> tuple[Verdict, tuple[CheckResult, ...]]:
    """Return the worst verdict over the results that answer the requirement, and those results."""
    metric = requirement.metric or IMPLICIT_METRIC
    scope = {**DEFAULT_SCOPES.get(requirement.check, {}), **requirement.scope}
    own = [r for r in results if r.check == requirement.check]
    fitting = [r for r in own if scope.items() <= r.scope.items() and not _narrower(r, scope)]
    # A problem speaks of the whole result, or of the measures that stand beside it.
    answering = [r for r in fitting if any(m.name == metric for m in r.measures) or (r.problem is not None and not r.measures)]
    if not answering:  # a problem with more than was asked about (the whole dataset, the whole check) is the answer then
        answering = [r for r in own if r.problem is not None and all(scope.get(k, v) == v for k, v in r.scope.items())]
    if answering:
        verdicts = [_verdict(requirement, metric, result) for result in answering]
        return min(verdicts, key=lambda v: WORST_FIRST.index(v.state)), tuple(answering)
    if check is not None and metric not in check.metric_names():
        return Verdict(
            State.ERROR, f"the check {requirement.check} has no metric {metric!r}", nearest(metric, check.metric_names())
        ), tuple(fitting)
    where = ", ".join(f"{key}={value}" for key, value in scope.items()) or "this run"
    if fitting:
        reason = f"{metric} was not measured ({where}), though the check {requirement.check} ran"
        return Verdict(State.MISSING, reason, f"look at the notes of the check {requirement.check}, {WAIVE}"), tuple(fitting)
    measured = sorted({r.scope["column"] for r in own if "column" in r.scope})
    hint = f"{nearest(scope['column'], measured)} " if "column" in scope and scope["column"] not in measured and measured else ""
    reason = f"the check {requirement.check} gave no result for {where}"
    return Verdict(State.MISSING, reason, f"{hint}train again so that the check sees it, or correct the requirement in aims.yaml"), ()


def _narrower(result: CheckResult, scope: Mapping[str, str]) -> bool:
    """Return whether a quality result is about a column, expectation or suite that was not asked about: another question."""
    return result.check == "quality" and any(key in result.scope and key not in scope for key in ("column", "expectation", "suite"))


def _verdict(requirement: Requirement, metric: str, result: CheckResult) -> Verdict:
    if result.problem is not None:
        return Verdict(State(result.problem.state), result.problem.reason, result.problem.fix)
    disparity = DISPARITIES.get(metric)
    if disparity is not None and (requirement.check == "fairness" or result.groups(disparity.rates[0])):
        return _disparity(requirement, metric, result)
    if requirement.check == "fairness" and (metric in WORST or (result.measure(metric) is None and requirement.equals is None)):
        return _worst_group(requirement, metric, result)
    everybody = result.measure(metric)
    about = _about(result)
    minimum_n = requirement.minimum_n or MINIMUM_N
    if everybody is not None:
        return measure_verdict(requirement, everybody, about=about, minimum_n=minimum_n, rows=_rows(result), cases=_rarer_cases(result))
    groups = result.groups(metric)
    if requirement.check == "fairness" and len(groups) < 2:
        return Verdict(State.ERROR, f"{metric}{about} cannot be judged: there is a single group", "use test data with at least two groups")
    sizes = {name: int(size.value) for name, size in result.groups("group_size").items() if size.value is not None}
    verdicts = [
        measure_verdict(requirement, m, about=f"{about} for {group}", minimum_n=minimum_n, rows=sizes.get(group))
        for group, m in groups.items()
    ]
    return min(verdicts, key=lambda v: WORST_FIRST.index(v.state))


def _disparity(requirement: Requirement, metric: str, result: CheckResult) -> Verdict:
    disparity = DISPARITIES[metric]
    bound = requirement.min if disparity.kind == "ratio" else requirement.max
    if bound is None:
        way = "min" if disparity.kind == "ratio" else "max"
        reason = f"{metric} is a {disparity.kind} between groups, which must be {'at least' if way == 'min' else 'at most'} something"
        return Verdict(State.ERROR, f"{reason}; asked: {requirement.bound}", f"write {way}: <bound> in the requirement in aims.yaml")
    groups = _by_name(result)
    verdict = disparity_verdict(metric, groups, bound, requirement.minimum_n or MINIMUM_N, by=result.scope.get("column", ""))
    stated, counted = result.measure(metric), disparity_value(metric, groups)
    if stated is not None and stated.value is not None and (counted is None or abs(stated.value - counted) > 1e-9):
        reason = f"{metric}{_about(result)} is given as {stated.value:.6g}, which is not what the groups' own counts give"
        return Verdict(State.ERROR, reason, "mend the check: a disparity must follow from its groups' counts")
    return verdict


def _worst_group(requirement: Requirement, metric: str, result: CheckResult) -> Verdict:
    """Judge a measure of groups, or the worst of them, group by group; from the groups' own measures, whatever is stated."""
    groups, worst = _by_name(result), WORST.get(metric)
    minimum_n, column, bounds = requirement.minimum_n or MINIMUM_N, result.scope.get("column", ""), (requirement.min, requirement.max)
    if worst is None:
        return worst_verdict(metric, metric, groups, least=bounds[0], most=bounds[1], minimum_n=minimum_n, by=column)
    bound = requirement.min if worst.way == "min" else requirement.max
    if bound is None:
        reason = f"{metric} is the worst group's, which must be at {'least' if worst.way == 'min' else 'most'} something"
        fix = f"write {worst.way}: <bound> in the requirement in aims.yaml"
        return Verdict(State.ERROR, f"{reason}; asked: {requirement.bound}", fix)
    stated, found = result.measure(metric), groups_of_worst(metric, groups)
    of = next(iter(found.values())).name if found else worst.measures[0]
    counted = worst_value(metric, groups)
    if stated is not None and stated.value is not None and (counted is None or abs(stated.value - counted) > 1e-9):
        reason = f"{metric}{_about(result)} is given as {stated.value:.6g}, which is not what the groups' own measures give"
        return Verdict(State.ERROR, reason, "mend the check: a worst group must be one of the groups")
    if not found:  # asked for, and not a measure of this task
        return Verdict(
            State.ERROR, f"{metric}{_about(result)} is not defined on these data", "look at the notes of the check for the reason"
        )
    least = bound if worst.kind == "min" else -bound if worst.kind == "furthest" else None
    most = None if worst.kind == "min" else bound
    return worst_verdict(metric, of, groups, least=least, most=most, minimum_n=minimum_n, by=column)


def _by_name(result: CheckResult) -> dict[str, dict[str, Measure]]:
    """Return the measures of groups: name -> group -> measure."""
    return {name: result.groups(name) for name in dict.fromkeys(m.name for m in result.measures if m.group is not None)}


def _about(result: CheckResult) -> str:
    """Return what a result is about, in words: " by sex on test"."""
    words = {
        "column": "by",
        "expectation": "of",
        "suite": "of",
        "perturbation": "under",
        "strength": "at strength",
        "dataset": "on",
        "reference": "against",
    }
    return "".join(f" {word} {result.scope[key]}" for key, word in words.items() if key in result.scope)


def _rows(result: CheckResult) -> int | None:
    """Return the rows that were looked at: as counted, or the largest n of any measure taken on everybody."""
    size = result.measure("rows")
    if size is not None and size.value is not None:
        return int(size.value)
    return max((m.n for m in result.measures if m.group is None and m.n is not None), default=None)


def _rarer_cases(result: CheckResult) -> int | None:
    """Return the positives or the negatives, whichever are fewer, where they or a recall were counted (binary tasks)."""
    counted = [m.value for name in ("positives", "negatives") if (m := result.measure(name)) is not None and m.value is not None]
    if len(counted) == 2:
        return int(min(counted))
    recall, rows = result.measure("recall_score"), _rows(result)
    if recall is None or recall.count is None or recall.n is None or rows is None:
        return None
    return min(recall.n, rows - recall.n)


# --- what every run is asked, and what people say -----------------------------------------------------------------------


def _standing(run: _Run, system: System, results: Sequence[CheckResult], attested: Sequence[Attestation]) -> list[Evidence]:
    known = registry.checks()
    answered = []
    for row, requirement in standing_requirements(system, results):
        verdict, used = _answer(requirement, results, None)
        answered.append((row, requirement, _restated(row, verdict, used), used))
    short = {r.id for _, _, verdict, used in answered for r in used if verdict.state is not State.PASS}
    found = []
    for row, requirement, verdict, used in answered:
        if verdict.state is State.PASS:
            # What a result leaves out must show somewhere: here, unless another question to the same result shows it.
            left_out = [name for r in used if r.id not in short for name in r.coverage.left_out]
            if left_out:
                reason = f"{verdict.reason}; but {len(left_out)} of what was asked could not be looked at: {_some(left_out)}"
                verdict = replace(verdict, state=State.MISSING, reason=reason, fix=row.fix)
        elif verdict.state is State.MISSING and used and row.attestable:
            said = persons_word(row.controls[0], system, attested, run.now)
            if said is not None and said[0] is State.PASS:
                verdict = Verdict(State.PASS, f"the run recorded nothing ({verdict.reason}); {said[1]}")
        objectives = known[row.check].objectives if row.check in known else ()
        found.append(run.evidence(requirement, "standing", row.controls, verdict, objectives=objectives, **_cited(used)))
    return found


def _restated(row: Standing, verdict: Verdict, used: Sequence[CheckResult]) -> Verdict:
    """Put a verdict in the words of a standing question: what it asks, the state where it is unmet, and its own fix."""
    asks = f"it is asked that {row.asks}: " if verdict.state is not State.PASS else ""
    problems = [r.problem for r in used if r.problem is not None]
    if problems or not used:
        if verdict.state is State.FAIL and row.unmet is not State.FAIL:  # what is only not there is less than what went wrong
            worst_of = min(problems, key=lambda p: WORST_FIRST.index(State(p.state)))
            verdict = Verdict(State(worst_of.state), worst_of.reason, worst_of.fix)
        return replace(verdict, reason=f"{asks}{verdict.reason}", fix=verdict.fix or row.fix)
    measure = next((m for r in used for m in r.measures if m.name == row.metric), None)
    state = row.unmet if verdict.state is State.FAIL else verdict.state
    if measure is not None and measure.n == 0 and state is State.ERROR:  # it looked, and there was nothing to look at
        state = State.MISSING
    named = [name for r in used for name in _named(r, row.metric)] if state is not State.PASS else []
    which = f" ({_some(named)})" if named else ""
    return replace(verdict, state=state, reason=f"{asks}{verdict.reason}{which}", fix="" if state is State.PASS else row.fix)


def _named(result: CheckResult, metric: str) -> list[str]:
    """Return what a count counted, where the check lists it in a fact of the measure's name."""
    listed = result.facts.get(metric)
    return [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []


def _plain(check: str, id_: str) -> Requirement:
    """Return a requirement that only carries a name: for questions that no measure answers."""
    return Requirement(check=check, metric=id_.removeprefix(f"{check}."), equals=1)


def _declarations(run: _Run, system: System) -> list[Evidence]:
    found = []
    excluded = excluded_objectives(system, by=latest_local_date(run.now), on=run.now.date())
    for check, (controls, line) in to_declare(system, excluded).items():
        declared = [r for r in system.requirements if r.check == check]
        critical = sum(r.severity is Severity.CRITICAL for r in declared)
        if critical:
            verdict = Verdict(State.PASS, f"{critical} critical {'requirement' if critical == 1 else 'requirements'} of {check} declared")
        elif declared:
            reason = f"none of the {len(declared)} requirements of {check} is critical, so none of them decides anything"
            verdict = Verdict(State.MISSING, reason, f"make one critical, or {line}")
        else:
            verdict = Verdict(State.MISSING, f"no requirement of {check} is declared, so nothing is asked of it", line)
        found.append(run.evidence(_plain(check, DECLARATION), "standing", controls, verdict))
    return found


def _dated_after(run: _Run, system: System, started: datetime) -> list[Evidence]:
    """Return a failure where the policy at hand has requirements of later than the run; nothing where it has none."""
    last = latest_local_date(started)
    late = [r.id for r in system.requirements if r.declared is not None and r.declared > last]
    if not late:
        return []
    reason = f"{len(late)} of {len(system.requirements)} requirements are dated after the run began ({last.isoformat()}): {_some(late)}"
    verdict = Verdict(State.FAIL, reason, "train again under the requirements as they now stand, or correct their `declared` dates")
    return [run.evidence(_plain("policy", "policy.requirements_dated_after_result"), "standing", ("A.6.1.2",), verdict)]


def _persons(run: _Run, system: System, attested: Sequence[Attestation], concerned: set[str]) -> list[Evidence]:
    """Return what people have said, control by control; MISSING where a run has spoken and a person must, too."""
    found = []
    for control in catalogue.control_ids():
        said = persons_word(control, system, attested, run.now)
        if said is None and (control in RUN_ALONE or control not in concerned):
            continue
        if said is not None and said[0] is State.MISSING and control in RUN_ALONE:
            continue
        state, reason = said or (State.MISSING, f"{control} needs a named person's word besides what a run can show, and there is none")
        fix = attestation_line(control) if state is State.MISSING else ""
        question = Requirement(check="attestation", metric=control, equals=1)
        evidence = run.evidence(question, "attestation", (control,), Verdict(state, reason, fix))
        found.append(evidence.model_copy(update={"requirement": f"attestation[{control}]"}))
    return found
