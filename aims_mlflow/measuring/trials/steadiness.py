"""Changes that must not change any answer: another order, the same call again, one row at a time, another type of number.

Invariance tests in the sense of Ribeiro et al. (2020, CheckList); a relation between inputs that must hold between outputs
is also called metamorphic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from aims_mlflow.evidence import Measure
from aims_mlflow.measuring.frames.columns import numbers
from aims_mlflow.measuring.trials.paired import Paired
from aims_mlflow.measuring.trials.perturbations import Changed, is_number, number_dtype
from aims_mlflow.measuring.trials.trial import Copy, DoesNotApply, Reply, Said, Trial, differs, refuses, stacked

if TYPE_CHECKING:
    import pandas as pd

SINGLE_ROWS = 10
"""Rows that are asked about one by one."""

WHOLE_IN_FLOATS = 2.0**53
"""Up to here every whole number is a float of its own."""


def _same(_: pd.DataFrame) -> Changed:
    return {}


def _row_order(trial: Trial) -> list[Copy]:
    import numpy as np

    return [Copy(_same, np.random.default_rng(0).permutation(trial.n))]


def _repeat(trial: Trial) -> list[Copy]:  # noqa: ARG001 - every invariance takes the trial
    return [Copy(_same)]


def _float32(trial: Trial) -> list[Copy]:

    names = [str(n) for n in trial.frame.columns if is_number(trial.frame[n]) and number_dtype(trial.frame[n]).kind == "f"]
    changed = [name for name in names if _rounding_shows(trial.frame, name)]
    if not changed:
        raise DoesNotApply("no column holds a number that rounding to float32 changes", fix="drop the requirement")
    return [Copy(partial(_rounded, changed))]


def _rounding_shows(frame: pd.DataFrame, name: str) -> bool:
    import numpy as np

    return not np.array_equal(numbers(frame[name]), numbers(_rounded([name], frame)[name]), equal_nan=True)


def _rounded(names: list[str], frame: pd.DataFrame) -> Changed:
    import numpy as np

    with np.errstate(over="ignore"):
        return {name: frame[name].astype(_like(frame[name], "float32")).astype(frame[name].dtype) for name in names}


def _int_as_float(trial: Trial) -> list[Copy]:
    names = [str(n) for n in trial.frame.columns if is_number(trial.frame[n]) and number_dtype(trial.frame[n]).kind in "iu"]
    names = [name for name in names if not (abs(numbers(trial.frame[name])) > WHOLE_IN_FLOATS).any()]
    if not names:
        raise DoesNotApply("no column holds whole numbers in a type of their own", fix="drop the requirement")
    return [Copy(partial(_as_float, names))]


def _as_float(names: list[str], frame: pd.DataFrame) -> Changed:
    return {name: frame[name].astype(_like(frame[name], "float64")) for name in names}


def _like(column: pd.Series[Any], name: str) -> Any:
    """Return the float dtype of that name in the column's own family: numpy's, pandas' nullable, or Arrow's."""
    import numpy as np
    import pandas as pd

    if isinstance(column.dtype, np.dtype):
        return name
    if isinstance(column.dtype, pd.ArrowDtype):
        return f"{'float' if name == 'float32' else 'double'}[pyarrow]"
    return name.capitalize()


INVARIANCES: dict[str, Callable[[Trial], list[Copy]] | None] = {
    "row_order": _row_order,
    "repeat": _repeat,
    "batch_of_one": None,
    "float32": _float32,
    "int_as_float": _int_as_float,
}
"""``float32``: numbers rounded to float32 and back. ``int_as_float``: whole numbers given as floats, their values unchanged."""


def asked(trial: Trial, name: str, scored: int | None) -> list[Reply]:
    """Ask under a change that must not change anything; raises DoesNotApply where there is nothing to change."""
    make = INVARIANCES[name]
    return _one_by_one(trial) if make is None else stacked(trial, make(trial), scored)


def _one_by_one(trial: Trial) -> list[Reply]:
    import numpy as np

    rows = np.sort(np.random.default_rng(0).choice(trial.n, min(SINGLE_ROWS, trial.n), replace=False))
    whole, said, crashed = Reply(Copy(_same, rows), rows, 0), list[Said](), ""
    for row in rows:
        try:
            said.append(trial.ask(trial.rows(row[None])))
        except Exception as error:
            whole.raised, whole.refused = type(error).__name__, refuses(error)
            crashed = crashed or ("" if whole.refused else whole.raised)
    if crashed:  # a crash is the worse of the two
        whole.raised, whole.refused = crashed, False
    if len(said) == len(rows):
        whole.said = Said(np.concatenate([s.answers for s in said]), np.concatenate([s.blank for s in said]))
    return [whole]


def counts(paired: Paired, reply: Reply) -> list[Measure]:
    """Return what became of the answers: full counts over the rows asked."""
    import numpy as np

    trial, rows, said = paired.trial, reply.rows, reply.said
    if said is None:
        return []
    truth, clean = trial.y_true[rows], trial.clean[rows]
    found = [_counted("flip_rate", float(differs(trial, said.answers, clean).mean()), len(rows))]
    found.append(_counted("non_finite_share", float(said.blank.mean()), len(rows)))
    if trial.labels is not None:
        found.append(_counted("accuracy_drop", float((clean == truth).mean() - (said.answers == truth).mean()), len(rows)))
    elif said.blank.any():
        found += [Measure(name=name, value=None, n=len(rows)) for name in ("mean_absolute_error_increase", "max_absolute_change")]
    else:
        grown = float((abs(truth - said.answers) - abs(truth - clean)).mean())
        moved = float(np.max(abs(said.answers - clean)))
        found.append(_counted("mean_absolute_error_increase", grown, len(rows)))
        found.append(Measure.counted("max_absolute_change", moved, n=len(rows), unit="target"))
    if trial.score is not None and reply.score is not None and reply.scored is not None and not reply.score.blank.any():
        moved = float(np.max(abs(reply.score.answers - trial.score[reply.scored])))
        found.append(Measure.counted("max_absolute_change", moved, n=len(reply.scored), unit="probability"))
    return found


def _counted(name: str, value: float, n: int) -> Measure:
    return Measure.counted(name, value, n=n, unit="share")
