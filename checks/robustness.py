"""Robustness (A.6.2.4): how the model's answers hold when its input is disturbed, damaged, reordered, or searched for a flaw.

Everything is learned from predictions alone. That is statistical testing in the sense of ISO/IEC TR 24029-1, which is written
for neural networks; for other models it is an analogy. Refused (the model says no to the input), crashed and silently wrong
answers are told apart. Every number is conditional on the seeds it names; intervals are over rows, paired: the same rows
undisturbed and disturbed. No norm says what is robust enough: bounds come from the system's own objectives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from aims_mlflow.errors import CannotMeasure, nearest
from aims_mlflow.evidence import CheckResult, Coverage, Measure, Problem
from aims_mlflow.measuring import asking
from aims_mlflow.measuring.trials import damage, searching, steadiness
from aims_mlflow.measuring.trials.damage import DAMAGES, SEEDS, Damage, Found
from aims_mlflow.measuring.trials.paired import SCORED_AT_MOST, WORST, Paired
from aims_mlflow.measuring.trials.perturbations import PERTURBATIONS, Changed, Perturbation
from aims_mlflow.measuring.trials.sliced import SLICE, sliced
from aims_mlflow.measuring.trials.steadiness import INVARIANCES
from aims_mlflow.measuring.trials.trial import SAMPLE_SEED, Copy, DoesNotApply, Reply, Trial, on_trial, stacked
from aims_mlflow.observation import Observation
from aims_mlflow.registry import check

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NAME = "robustness"

ASKED_AT_MOST = 10_000
"""Rows that are asked about for one strength of noise or of missing cells, over all seeds: of more than 2,000 rows on trial,
each is disturbed by some of the five seeds, because another row says more than the same one disturbed again."""

SEARCH = "search"
SEARCH_STRENGTHS = (0.2,)
SEARCH_STRONGEST = 10.0

FATES = ("rejected_share", "crashed_share", "silent_accept_share")
SHARES = (*FATES, "changed_share", "silently_wrong_share", f"{WORST}silently_wrong_share", "non_finite_share")
"""Measures that a model which refuses everything has, too."""

METRICS = (
    *("accuracy_drop", "flip_rate", "roc_auc_drop", "calibration_error_increase", "accuracy_retention"),
    *("mean_absolute_error_increase", "mean_absolute_change", "r2_drop", "max_absolute_change"),
    *SHARES,
    *(f"{WORST}{name}" for name in ("accuracy_drop", "flip_rate", "mean_absolute_error_increase")),
    *("accuracy_score", "loss_cvar", "flip_success_share", "median_flip_distance"),
)
"""What a requirement may ask for. Drops are undisturbed minus disturbed: above zero is worse. Mean absolute ... are for regressions."""

STRENGTHS: Mapping[str, tuple[float, ...]] = {
    **{name: kind.strengths for name, kind in PERTURBATIONS.items()},
    **{name: kind.strengths for name, kind in DAMAGES.items()},
    **dict.fromkeys((*INVARIANCES, SLICE), ()),
    SEARCH: SEARCH_STRENGTHS,
}
"""Every perturbation, with the strengths that are measured without being asked for; none: it has no strength."""

Wanted = tuple[str, float | None]


@dataclass
class Session:
    """One role's data: the trial, its intervals, and the rows that stayed right under noise, by strength."""

    seen: Observation
    role: str
    trial: Trial
    paired: Paired
    right: dict[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@check(NAME, controls=["A.6.2.4"], objectives=["C.2.8"], metrics=METRICS)
def robustness(seen: Observation) -> Iterator[CheckResult]:
    """Measure every perturbation at its default strengths and those asked for, on test and the data that requirements name.

    What has nothing to do on these data (no category column, no scores) is left out, and a problem only where it was asked for.
    """
    for role in asking.roles(seen, NAME):
        session: Session | None = None
        problem: CannotMeasure | None = None
        try:
            trial = on_trial(seen, role)
            session = Session(seen, role, trial, Paired(trial))
        except CannotMeasure as raised:
            problem = raised
        for wanted in _wanted(seen, role):
            try:
                if wanted[0] == SLICE and wanted[1] is None:
                    yield sliced(seen, NAME, _scope(role, wanted), _named(seen, role, wanted))
                elif session is not None:
                    yield _measured(session, wanted)
                elif problem is not None:
                    raise problem
            except DoesNotApply as raised:
                if _named(seen, role, wanted):
                    yield _failed(_scope(role, wanted), raised)
            except CannotMeasure as raised:
                yield _failed(_scope(role, wanted), raised)
        if session is not None and set(PERTURBATIONS["numeric_noise"].strengths) <= set(session.right):
            yield _retention(session)


def _wanted(seen: Observation, role: str) -> list[Wanted]:
    """Return (perturbation, strength) of the defaults, of the declared unit errors, then of the requirements."""
    wanted: list[Wanted] = [(name, strength) for name, strengths in STRENGTHS.items() for strength in strengths or (None,)]
    wanted += [("unit_error", factor) for factors in seen.system.robustness.units.values() for factor in factors]
    for requirement in seen.asked(NAME):
        if (requirement.dataset or asking.DEFAULT_ROLE) != role:
            continue
        if requirement.strength is not None:  # a strength alone is asked of what disturbs every cell: elsewhere it means another thing
            names = [requirement.perturbation] if requirement.perturbation else list(PERTURBATIONS)
            wanted += [(name, requirement.strength) for name in names]
        elif requirement.perturbation and requirement.perturbation not in STRENGTHS:
            wanted.append((requirement.perturbation, None))
    return list({tuple(_scope(role, one).items()): one for one in wanted}.values())


def _scope(role: str, wanted: Wanted) -> dict[str, str]:
    name, strength = wanted
    return {"dataset": role, "perturbation": name} | ({} if strength is None else {"strength": f"{strength:g}"})


def _named(seen: Observation, role: str, wanted: Wanted) -> tuple[str, ...]:
    """Return the metrics that requirements ask for which name this perturbation."""
    scope = _scope(role, wanted)
    asked = (r for r in seen.asked(NAME) if r.perturbation and {"dataset": asking.DEFAULT_ROLE, **r.scope}.items() <= scope.items())
    return tuple(dict.fromkeys(r.metric for r in asked))


def _measured(session: Session, wanted: Wanted) -> CheckResult:
    name, strength = wanted
    _require_known(name, strength)
    if name in INVARIANCES:
        return _steady(session, wanted)
    if name == SEARCH:
        return _searched(session, wanted)
    if name in DAMAGES:
        return _damaged(session, wanted, damage.find(session.trial, name, strength or 0.0))
    return _disturbed(session, wanted)


def _require_known(name: str, strength: float | None) -> None:
    """Raise CannotMeasure for a perturbation that nobody knows, or a strength that it cannot have."""
    if name not in STRENGTHS:
        raise CannotMeasure(f"unknown perturbation {name!r}", fix=nearest(name, STRENGTHS))
    usual = STRENGTHS[name]
    if not usual and strength is not None:
        raise CannotMeasure(f"perturbation {name!r} has no strength", fix="leave strength out of the requirement")
    kind: Perturbation | Damage | None = PERTURBATIONS.get(name) or DAMAGES.get(name)
    strongest = SEARCH_STRONGEST if kind is None else kind.strongest
    if strength is not None and not 0 < strength <= strongest:
        raise CannotMeasure(
            f"{name} at strength {strength:g} " + ("changes nothing" if strength == 0 else f"is beyond {strongest:g}"),
            fix=f"ask for a strength above 0 and at most {strongest:g}, such as {usual[min(1, len(usual) - 1)]:g}",
        )


# --- noise and missing cells: every cell, five seeds -----------------------------------------------------------------------


def _disturbed(session: Session, wanted: Wanted) -> CheckResult:
    trial, (name, strength) = session.trial, wanted
    kind, strength = PERTURBATIONS[name], strength or 0.0
    if kind.numeric_only and not trial.spread:
        raise DoesNotApply(
            "the model reads no numeric column with any spread, so there is nothing to add noise to", fix="drop the requirement"
        )
    replies = stacked(trial, seeded_copies(trial, name, kind, strength), _scores_wanted(session, wanted))
    if not sum(reply.changed for reply in replies):
        raise CannotMeasure(
            f"{name} at strength {strength:g} changed no cell of {trial.n} rows", fix="ask for more strength, or give more rows"
        )
    answered = all(reply.said is not None for reply in replies)
    measures = _lost(session, replies) if answered else []
    if answered and name == "numeric_noise" and trial.labels is not None:
        session.right[strength] = session.paired.hits(replies)
    if name == "missing":
        measures += session.paired.silent(replies)
    facts = {"seeds": list(range(SEEDS)), "by_seed": session.paired.by(replies, lambda reply: str(reply.copy.seed))}
    asked = asking.metrics(session.seen, NAME, _scope(session.role, wanted))
    needed = not asked or bool(set(asked) - set(SHARES))  # that it refuses may be the very thing that was asked
    return _result(session, wanted, replies, measures, facts=facts, asked=asked, needed=needed, silent_on=not answered)


def seeded_copies(trial: Trial, name: str, kind: Perturbation, strength: float) -> list[Copy]:
    """Return five copies, one a seed; of many rows each copy has a part, so that every row is in as many copies."""
    import numpy as np

    def change(seed: int, frame: pd.DataFrame) -> Changed:
        return kind.changes(name, frame, strength, trial.spread, seed)

    times = min(SEEDS, max(1, ASKED_AT_MOST // trial.n))
    parts = [None if times == SEEDS else np.flatnonzero((np.arange(trial.n) - seed) % SEEDS < times) for seed in range(SEEDS)]
    return [Copy(partial(change, seed), rows, seed=seed) for seed, rows in enumerate(parts) if rows is None or len(rows)]


def _scores_wanted(session: Session, wanted: Wanted) -> int | None:
    asked = asking.metrics(session.seen, NAME, _scope(session.role, wanted))
    return None if "roc_auc_drop" in asked else SCORED_AT_MOST


def _lost(session: Session, replies: list[Reply]) -> list[Measure]:
    return [*session.paired.losses(replies), *session.paired.area_drop(replies), *session.paired.calibration(replies)]


def _refusal(name: str, replies: list[Reply]) -> Problem:
    what = {"missing": "missing values", "numeric_noise": "noise on its numbers"}.get(name, f"the same rows under {name}")
    verb = "crashes on" if any(reply.fate == "crashed" for reply in replies) else "rejects"
    fix = "put an imputer into the pipeline" if name.startswith("missing") else "call predict on such rows yourself"
    raised = ", ".join(sorted({reply.raised for reply in replies if reply.raised}))
    return Problem(
        state="error",
        reason=f"the model {verb} {what} ({raised}), so its answers cannot be compared",
        fix=f"{fix}; where a refusal is the right answer, ask for rejected_share at this strength instead, or record a waiver",
    )


# --- damage to one column at a time ----------------------------------------------------------------------------------------


def _damaged(session: Session, wanted: Wanted, found: Found) -> CheckResult:
    name, paired = wanted[0], session.paired
    replies = stacked(session.trial, damage.copies_of(session.trial, found), _scores_wanted(session, wanted))
    replies = [reply for reply in replies if reply.changed]
    if not replies:
        raise DoesNotApply(f"{name} changed no cell of {session.trial.n} rows", fix="drop the requirement")
    answered = sum(reply.said is not None for reply in replies)
    measures = [*_lost(session, replies), *paired.silent(replies), *paired.worst(replies)]
    columns = paired.by(replies, lambda reply: reply.copy.group)
    kinds = f"{DAMAGES[name].of}s"
    seeds = sorted({reply.copy.seed for reply in replies if reply.copy.seed is not None})
    facts = {
        "seeds": seeds,
        "by_column": columns,
        "damaged": len(columns),
        "could_be_damaged": found.candidates,
        "rows_a_copy": len(replies[0].rows),
    }
    notes = [f"The mean over {len(columns)} {kinds}, each damaged on rows of its own; worst_column_ is the worst of them."]
    if len(columns) < found.candidates:
        notes.append(f"A seeded choice: {len(columns)} of {found.candidates} {kinds}.")
    if 0 < answered < len(replies):
        notes.append(f"{len(replies) - answered} of {len(replies)} copies got no answer: what is lost is over the others.")
    asked = _named(session.seen, session.role, wanted)
    coverage = Coverage(asked=found.declared, evaluated=tuple(one for one in found.declared if one not in found.absent))
    needed = bool(set(asked) - set(SHARES))  # to refuse what is damaged is no fault
    return _result(
        session,
        wanted,
        replies,
        measures,
        facts=facts,
        notes=notes,
        asked=asked,
        needed=needed,
        silent_on=not answered,
        coverage=coverage,
    )


# --- what must not change anything, the search, and what noise leaves ------------------------------------------------------


def _steady(session: Session, wanted: Wanted) -> CheckResult:
    name, named = wanted[0], _named(session.seen, session.role, wanted)
    if session.trial.n == 1 and name in ("row_order", "batch_of_one"):
        raise CannotMeasure("a single row has no order, and is a batch of one as it is", fix="give more rows")
    # The same rows have the same scores: they are asked for again only where somebody wants to know.
    scored = name not in ("row_order", "repeat") or {"max_absolute_change", "calibration_error_increase"} & set(named)
    replies = steadiness.asked(session.trial, name, SCORED_AT_MOST if scored else 0)
    measures = [*steadiness.counts(session.paired, replies[0]), *session.paired.calibration(replies)]
    always = name in ("row_order", "repeat", "batch_of_one")  # the others may be refused: a model may insist on a type
    asked = asking.metrics(session.seen, NAME, _scope(session.role, wanted)) if always else named
    needed = bool(set(asked) - set(SHARES)) or (always and not asked)
    return _result(session, wanted, replies, measures, asked=asked, needed=needed, silent_on=replies[0].said is None)


def _searched(session: Session, wanted: Wanted) -> CheckResult:
    named = _named(session.seen, session.role, wanted)
    try:
        measures, facts = searching.search(session.trial, wanted[1] or 0.0, session.seen.system.robustness.queries)
    except DoesNotApply:
        raise
    except CannotMeasure as problem:  # nobody asked: then it is worth a note, and no answer to what was asked
        if named:
            raise
        return _result(session, wanted, [], [], notes=[f"No search: {problem.what}."], asked=())
    none = f"None found in {facts['queries']:,} queries: a longer or another search may find some."
    some = f"{facts['flips']} of {facts['rows_tried']} rows flipped in {facts['queries']:,} queries; a longer search can only find more."
    notes = [some if facts["flips"] else none]
    return _result(session, wanted, [], measures, facts=facts, notes=notes, asked=named)


def _retention(session: Session) -> CheckResult:
    """Return the share of the undisturbed accuracy that is kept over all strengths of noise: the area under S_d / S_0."""
    import numpy as np

    trial, usual = session.trial, sorted(PERTURBATIONS["numeric_noise"].strengths)
    rows, _ = session.right[usual[0]]
    before = (trial.clean[rows] == trial.y_true[rows]).astype(float)
    kept = np.array([before, *(session.right[strength][1] for strength in usual)])
    area = np.trapezoid(kept, [0.0, *usual], axis=0) / usual[-1]
    measures = [session.paired.ratio("accuracy_retention", area, before)] if before.any() else []
    wanted: Wanted = ("numeric_noise", None)
    asked = [m for m in _named(session.seen, session.role, wanted) if m == "accuracy_retention"]
    return _result(session, wanted, [], measures, facts={"strengths": usual}, asked=tuple(asked))


# --- the result ------------------------------------------------------------------------------------------------------------


def _result(
    session: Session,
    wanted: Wanted,
    replies: list[Reply],
    measures: list[Measure],
    *,
    facts: Mapping[str, Any] | None = None,
    notes: list[str] | None = None,
    asked: tuple[str, ...],
    needed: bool = False,
    silent_on: bool = False,
    coverage: Coverage | None = None,
) -> CheckResult:
    """Return the result with how many copies were refused and crashed, what was asked and has no value, and how it was sampled.

    ``needed``: that there are no answers (``silent_on``), or none that are numbers, is a problem.
    """
    trial = session.trial
    if replies:
        counted = {fate: sum(reply.fate == fate for reply in replies) / len(replies) for fate in ("rejected", "crashed")}
        measures = [*measures, *(_counted(f"{fate}_share", share, len(replies)) for fate, share in counted.items())]
        touched = sum(reply.touched for reply in replies)
        measures += [_counted("changed_share", sum(r.changed for r in replies) / touched, touched)] if touched else []
    unmeasured = asking.undefined(asked, measures)
    notes = [*([] if trial.n == trial.rows_given else [_sampled(trial)]), *(notes or ())]
    notes += [f"{m.name} has no value: the model did not answer, or it is not a measure of this task." for m in unmeasured]
    problem = None
    if needed and silent_on:
        problem = _refusal(wanted[0], replies)
    elif needed and trial.labels is None and any(m.value is None for m in measures):
        problem = Problem(state="error", reason="the model answers disturbed input with numbers that are not finite", fix="mend the model")
    said: dict[str, Any] = {"rows": trial.n, "rows_given": trial.rows_given, "sample_seed": SAMPLE_SEED}
    if replies:
        said |= {"copies": len(replies), "asked": sum(len(reply.rows) for reply in replies)}
        said |= {"spread_from": trial.reference_role, "raised": sorted({reply.raised for reply in replies if reply.raised})}
    return CheckResult(
        check=NAME,
        scope=_scope(session.role, wanted),
        measures=(*measures, *unmeasured),
        facts={**said, **(facts or {})},
        notes=tuple(notes),
        coverage=coverage or Coverage(),
        subjects=asking.subjects(session.seen, session.role),
        problem=problem,
    )


def _sampled(trial: Trial) -> str:
    return f"Measured on a seeded sample of {trial.n} of {trial.rows_given} rows."


def _counted(name: str, value: float, n: int) -> Measure:
    return Measure.counted(name, value, n=n, unit="share")


def _failed(scope: dict[str, str], problem: CannotMeasure) -> CheckResult:
    return CheckResult(check=NAME, scope=scope, problem=Problem.of(problem))
