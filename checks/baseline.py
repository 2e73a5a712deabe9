"""Against the baseline (A.6.2.4): what the new model gains over the declared earlier version, both asked about the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from aims_mlflow.errors import CannotMeasure
from aims_mlflow.evidence import CheckResult, Measure, Problem, digest
from aims_mlflow.measuring import asking
from aims_mlflow.measuring.predicting import predict_on, predictions
from aims_mlflow.measuring.scores.gains import GAIN, GAINS, gains
from aims_mlflow.measuring.scores.scoring import DEFAULTS, Answers
from aims_mlflow.observation import Model, Observation
from aims_mlflow.registry import check

NAME = "baseline"
FIX = "set system.baseline in aims.yaml to the version to compare with, such as models:/<name>@champion"


@check(NAME, controls=["A.6.2.4"], metrics=GAINS)
def baseline(seen: Observation) -> Iterator[CheckResult]:
    """Measure the gains in the task's usual metrics and in those that requirements ask for, on test and the data they name.

    Above zero is better, for scores and for losses. Without a declared baseline there is nothing to measure: a note, unless a
    requirement asks for it, which is then answered by what is missing.
    """
    for role in asking.roles(seen, NAME):
        scope = {"dataset": role}
        if seen.baseline is None and not seen.system.system.baseline and not asking.metrics(seen, NAME, scope):
            yield CheckResult(check=NAME, scope=scope, notes=(f"No baseline is declared, so nothing was compared; {FIX}.",))
            continue
        try:
            yield _on(seen, role, _model(seen))
        except CannotMeasure as problem:
            yield CheckResult(check=NAME, scope=scope, problem=Problem.of(problem))


def _model(seen: Observation) -> Model:
    if isinstance(seen.baseline, CannotMeasure):
        raise seen.baseline
    if seen.baseline is None and seen.system.system.baseline:
        raise CannotMeasure("the declared baseline was not loaded in this run", state="missing", fix="train again, or run aims assess")
    if seen.baseline is None:
        raise CannotMeasure("there is no earlier model to compare with: no baseline is declared", state="missing", fix=FIX)
    return seen.baseline


def _on(seen: Observation, role: str, earlier: Model) -> CheckResult:
    kind, scope = seen.system.task.kind, {"dataset": role}
    new = Answers.of(predictions(seen, role), kind)
    try:
        old = Answers.of(predict_on(replace(seen, model=earlier, given_predictions={}), role), kind)
    except CannotMeasure as problem:
        raise CannotMeasure(
            f"the baseline could not be asked: {problem.what}", where=problem.where, state=problem.state, fix=problem.fix
        ) from None
    asked = [name.removesuffix(GAIN) for name in asking.metrics(seen, NAME, scope) if name.endswith(GAIN)]
    measures = gains(new, old, (*DEFAULTS[kind], *asked))
    notes, same = [], _same(seen.model, earlier) and _agree(new, old)
    if same:
        measures = [m if m.value is None else Measure.counted(m.name, 0.0, n=new.n, unit="difference") for m in measures]
        notes.append("The baseline is this very model, by its files: its gain over itself is zero, whatever the data.")
    undefined = {m.name: why for m in measures if m.value is None for why in [_why_not(m.name, new, old)]}
    notes += [f"{name} has no value: {why}." for name, why in undefined.items()]
    unsure = [m.name for m in measures if m.value is not None and m.ci_low is None and not m.exact]
    if unsure:
        notes.append(f"Without an interval, because the rows do not say how far they could lie apart: {', '.join(unsure)}.")
    return CheckResult(
        check=NAME,
        scope=scope,
        measures=(*measures, *_counts(new)),
        facts={"baseline": earlier.uri, "baseline_files": digest({k: v[1] for k, v in earlier.files.items()}), **_apart(new, old)},
        notes=tuple(notes),
        subjects=asking.subjects(seen, role),
    )


def _same(model: Model | None, earlier: Model) -> bool:
    """Whether both are one logged model: the same files, of which there are some."""
    return model is not None and bool(model.files) and dict(model.files) == dict(earlier.files)


def _agree(new: Answers, old: Answers) -> bool:
    """Whether all answers are the same: labels or numbers, and scores."""
    import numpy as np

    one, other = new.score, old.score
    scores = one is other or (one is not None and other is not None and np.array_equal(one, other))
    return bool((new.y_pred == old.y_pred).all()) and scores


def _why_not(name: str, new: Answers, old: Answers) -> str:
    metric = name.removesuffix(GAIN)
    return new.why_not(metric) or (f"of the baseline, {why}" if (why := old.why_not(metric)) else "it is not defined on these data")


def _counts(new: Answers) -> list[Measure]:
    """Return the rows, and in binary tasks how many are of either label: what a verdict asks a minimum of."""
    counts = {"rows": new.n}
    if new.kind == "binary_classification":
        counts |= {"positives": int(new.y_true.sum()), "negatives": new.n - int(new.y_true.sum())}
    return [Measure.counted(name, count, n=new.n) for name, count in counts.items()]


def _apart(new: Answers, old: Answers) -> dict[str, int]:
    """Return on how many rows the two answer differently, and (McNemar 1947) on how many only one of them is right."""
    apart = {"rows_that_differ": int((new.y_pred != old.y_pred).sum())}
    if new.kind == "regression":
        return apart
    right = new.y_pred == new.y_true, old.y_pred == old.y_true
    return apart | {
        "only_the_new_is_right": int((right[0] & ~right[1]).sum()),
        "only_the_baseline_is_right": int((right[1] & ~right[0]).sum()),
    }
