"""What was measured of each declared requirement: value, interval, bound and state, and the group rates behind a disparity."""

from __future__ import annotations

from collections.abc import Mapping

from aims_mlflow.disparity import DISPARITIES, MINIMUM_N, disparity_verdict
from aims_mlflow.evidence import CheckResult, Evidence
from aims_mlflow.judging.bounds import IMPLICIT_METRIC
from aims_mlflow.records.hazards import questions
from aims_mlflow.records.reading import Declared, Seen
from aims_mlflow.records.words import MeasureShown
from aims_mlflow.system import Requirement


def measures_of(said: Declared, seen: Seen | None) -> tuple[MeasureShown, ...]:
    """Return each declared requirement's measure with its interval and bound, and the group rates behind a disparity."""
    return () if seen is None else shown_of(questions(said, seen), seen)


def shown_of(requirements: Mapping[str, Requirement], seen: Seen) -> tuple[MeasureShown, ...]:
    """Return what was measured of these requirements, by id, on a version; as ``measures_of``."""
    shown: dict[tuple[str, str, str, str | None], MeasureShown] = {}
    for evidence in seen.judged:
        requirement = requirements.get(evidence.requirement)
        if evidence.kind != "declared" or requirement is None:
            continue
        for result in (seen.results[i] for i in evidence.results if i in seen.results):
            for one in _rows(requirement, evidence, result):
                shown.setdefault((one.requirement if one.bound else "", one.metric, str(sorted(one.scope.items())), one.group), one)
    return tuple(shown.values())


def _rows(requirement: Requirement, evidence: Evidence, result: CheckResult) -> list[MeasureShown]:
    metric = requirement.metric or IMPLICIT_METRIC
    measure = result.measure(metric)
    low, high = (measure.ci_low, measure.ci_high) if measure else (None, None)
    method, n = ((measure.ci_method or "") if measure else "", measure.n if measure else None)
    rates = {rate: result.groups(rate) for rate in DISPARITIES[metric].rates} if metric in DISPARITIES else {}
    bound = requirement.max if requirement.min is None else requirement.min
    if rates and bound is not None:
        verdict = disparity_verdict(metric, {**rates, "group_size": result.groups("group_size")}, bound, requirement.minimum_n or MINIMUM_N)
        decided = verdict.low is not None and verdict.high is not None
        low, high = verdict.low, verdict.high
        method = (
            "smallest group; the two one-sided 95 % bounds that decide"
            if decided
            else "smallest group; too few cases for bounds that could decide"
        )
    cited = (evidence.id, result.id)
    first = MeasureShown(
        check=requirement.check,
        requirement=requirement.id,
        metric=metric,
        scope=dict(result.scope),
        objectives=evidence.objectives,
        value=measure.value if measure else None,
        low=low,
        high=high,
        method=method,
        n=n,
        bound=requirement.bound,
        least=requirement.min,
        most=requirement.max,
        exactly=requirement.equals,
        state=evidence.state,
        reason=evidence.reason,
        evidence_ids=cited,
    )
    groups = [
        MeasureShown(
            check=requirement.check,
            requirement=requirement.id,
            metric=rate,
            scope=dict(result.scope),
            group=group,
            value=m.value,
            low=m.ci_low,
            high=m.ci_high,
            method=m.ci_method or "",
            n=m.n,
            evidence_ids=(result.id,),
        )
        for rate, found in rates.items()
        for group, m in found.items()
    ]
    return [first, *groups]
