"""The preparation steps inside a scikit-learn model, flattened; and whether a step is what fitting it again on a frame gives."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-6
"""Relative difference up to which two fitted numbers are the same: sums in another order differ by about 1e-12."""

DEPTH = 12
"""Nesting beyond which nothing is compared."""

_COSTLY = ("IterativeImputer", "KNNImputer", "MissForest", "TSNE", "UMAP", "KernelPCA", "SpectralEmbedding", "Isomap")
"""Steps whose fitting or transforming grows faster than the rows."""

_SCHEMA = ("n_features_in_", "feature_names_in_")


@dataclass(frozen=True)
class Step:
    """One step of the preparation, in the order data flow through it.

    ``name`` is its path as in ``get_params`` (``prepare__numeric``). ``select`` are the columns a column transformer hands it,
    None for all. ``before`` are fitted steps that the data pass first. ``transformer`` is None for "drop" and "passthrough".
    """

    name: str
    transformer: Any
    kind: str
    select: Any = None
    before: tuple[Any, ...] = ()
    first: bool = True


def unwrapped(estimator: Any) -> Any:
    """Return what a search refitted (``best_estimator_``), and what an MLflow wrapper holds (``get_raw_model``)."""
    for _ in range(DEPTH):
        raw = getattr(estimator, "get_raw_model", None)
        inner = raw() if callable(raw) else getattr(estimator, "best_estimator_", None)
        if inner is None:
            break
        estimator = inner
    return estimator


def steps_of(estimator: Any) -> tuple[Step, ...]:
    """Return the preparation steps of a fitted estimator: every transformer in its pipelines, column transformers and unions.

    The last step of the whole is left out where it predicts. An estimator that is no pipeline, union or column transformer
    has no steps.
    """
    return tuple(_flattened(unwrapped(estimator), "", None, (), last=True))


def _flattened(part: Any, name: str, select: Any, before: tuple[Any, ...], *, last: bool = False) -> Iterator[Step]:
    """Yield the steps of a part of a model; ``last``: nothing follows it, so that it may be the model itself."""
    steps, columns, union = (getattr(part, key, None) for key in ("steps", "transformers_", "transformer_list"))
    if isinstance(steps, list):
        for position, (label, inner) in enumerate(steps):
            ends = last and position == len(steps) - 1
            held = unwrapped(inner) if ends else inner
            if ends and _predicts(held) and not isinstance(getattr(held, "steps", None), list):
                continue
            yield from _flattened(held, _path(name, label), select, before, last=ends)
            before = (*before, _Passing(select, inner))
            select = None
    elif isinstance(columns, list):
        for label, inner, chosen in columns:
            if not hasattr(chosen, "__len__") or len(chosen):
                yield from _flattened(inner, _path(name, label), chosen, (*before, *([] if select is None else [_Passing(select, None)])))
    elif isinstance(union, list):
        for label, inner in union:
            yield from _flattened(inner, _path(name, label), select, before)
    elif name:
        kind = part if isinstance(part, str) else "passthrough" if part is None else type(part).__name__
        yield Step(name, None if isinstance(part, str) or part is None else part, kind, select, before, first=not before)


def _path(name: str, label: str) -> str:
    return f"{name}__{label}" if name else str(label)


def _predicts(part: Any) -> bool:
    """Return whether the last step of a pipeline is its model rather than one more preparation."""
    if part is None or isinstance(part, str):
        return False
    return hasattr(part, "predict") or not any(hasattr(part, method) for method in ("transform", "fit_transform"))


@dataclass(frozen=True)
class _Passing:
    """A fitted step that data pass: it is handed the columns ``select`` and transforms them; None only selects."""

    select: Any
    fitted: Any

    def __call__(self, data: Any) -> Any:
        chosen = selected(data, self.select)
        return chosen if self.fitted is None or isinstance(self.fitted, str) else self.fitted.transform(chosen)


def selected(data: Any, select: Any) -> Any:
    """Return the columns of a frame or array that a column transformer names, as it would hand them to its step."""
    if select is None:
        return data
    from sklearn.utils import _safe_indexing

    return _safe_indexing(data, select, axis=1)


def column_names_of(step: Step, columns: Sequence[str]) -> list[str] | None:
    """Return which of the frame's own ``columns`` a step works on; None where it works on what an earlier step made.

    Names of made columns are not given: an encoder's carry the categories.
    """
    import numpy as np

    if not step.first:
        return None
    if step.select is None:
        return list(columns)
    names = np.asarray([str(name) for name in columns], dtype=object)
    if isinstance(step.select, str):
        return [step.select] if step.select in columns else None
    if isinstance(step.select, slice):
        if isinstance(step.select.start, str) or isinstance(step.select.stop, str):
            return None
        return [str(name) for name in names[step.select]]
    chosen = list(step.select)
    if all(isinstance(one, str) for one in chosen):
        return [one for one in chosen if one in columns]
    return [str(name) for name in names[np.asarray(chosen)]]


def refitted_alike(step: Step, data: Any, target: Any) -> bool | None:
    """Return whether fitting a fresh copy of the step on ``data`` gives what the step holds; None where that cannot be told.

    Neither the step, the data nor numpy's random state are changed. A step that two fits make differently (it draws random
    numbers without a fixed seed) can be shown alike, never different. ``data`` are the model's input columns (frame or array),
    ``target`` the labels or None.
    """
    if not learns(step):
        return True
    import numpy as np

    state = np.random.get_state()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for passed in step.before:
                data = passed(data)
            given = selected(data, step.select)
            held, fresh = learnt(step.transformer), _fitted_again(step.transformer, given, target)
            same = _alike(held, fresh, 0) if held else None
            if same is False and not _alike(fresh, _fitted_again(step.transformer, given, target), 0):
                return None
            return same
    except Exception:  # a transformer of the user's may refuse for any reason; then nothing is known
        return None
    finally:
        np.random.set_state(state)


def _fitted_again(transformer: Any, given: Any, target: Any) -> dict[str, Any]:
    """Return what a fresh copy of the transformer learns."""
    from sklearn.base import clone

    fresh: Any = clone(transformer)
    fresh.fit(given) if target is None else fresh.fit(given, target)
    return learnt(fresh)


def learns(step: Step) -> bool:
    """Return whether the step can learn from data: it does unless it says that it need not be fitted (scikit-learn's tag)."""
    if step.transformer is None:
        return False
    try:
        return step.transformer.__sklearn_tags__().requires_fit or bool(learnt(step.transformer))
    except Exception:  # no tags, or tags of another kind: then it may learn
        return True


def costly(step: Step) -> bool:
    """Return whether the step, or one that data pass before it, takes much longer than in proportion to the rows."""
    return any(type(part).__name__ in _COSTLY for part in (step.transformer, *(passing.fitted for passing in step.before)))


def counted_rows(transformer: Any) -> int | None:
    """Return how many rows the step says it was fitted on (``n_samples_seen_``), None where it does not say."""
    import numpy as np

    seen = getattr(transformer, "n_samples_seen_", None)
    return None if seen is None else int(np.max(seen))


def learnt(fitted: Any) -> dict[str, Any]:
    """Return the attributes that fitting sets and data decide: none of the constructor's, and no schema among them.

    Private ones are scikit-learn's bookkeeping, but for those that keep the data of the fit (``_fit_X`` of neighbours) and those
    that are fitted themselves (``_tfidf`` of a vectorizer).
    """
    held: Mapping[str, Any] = getattr(fitted, "__dict__", {})
    given = set(fitted.get_params(deep=False)) if hasattr(fitted, "get_params") else set()
    return {
        name: value
        for name, value in held.items()
        if name not in (*given, *_SCHEMA) and (not name.startswith("_") or name.startswith("_fit") or hasattr(value, "get_params"))
    }


def _alike(left: Any, right: Any, depth: int) -> bool | None:
    """Return whether two fitted values are the same to ``TOLERANCE``; None where they are of a kind that is not compared."""
    import numpy as np

    if depth > DEPTH or type(left) is not type(right):
        both_numbers = isinstance(left, int | float | np.number) and isinstance(right, int | float | np.number)
        return None if depth > DEPTH else (_close(left, right) if both_numbers else False)
    if left is None or isinstance(left, str | bytes | bool):
        return bool(left == right)
    if isinstance(left, int | float | np.number | np.bool_):
        return _close(left, right)
    if isinstance(left, np.ndarray):
        return _arrays_alike(left, right, depth)
    if isinstance(left, Mapping):
        if set(left) != set(right):
            return False
        return _all(_alike(left[key], right[key], depth + 1) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and _all(_alike(a, b, depth + 1) for a, b in zip(left, right, strict=True))
    if isinstance(left, set | frozenset | slice):
        return bool(left == right)
    if hasattr(left, "tocoo"):
        return left.shape == right.shape and bool(abs(left - right).max() <= TOLERANCE * max(1.0, abs(left).max()))
    if hasattr(left, "to_numpy"):
        return _alike(left.to_numpy(), right.to_numpy(), depth + 1)
    if hasattr(left, "get_params"):
        return _alike(learnt(left), learnt(right), depth + 1)
    return _states_alike(left, right, depth)


def _states_alike(left: Any, right: Any, depth: int) -> bool | None:
    """Compare what two objects would be pickled with, such as scikit-learn's trees; None for functions and what has no state."""
    try:
        reduced = [one.__reduce_ex__(4) for one in (left, right)]
    except TypeError:  # objects of other languages that refuse
        return None
    states = [one[2] if isinstance(one, tuple) and len(one) > 2 else None for one in reduced]
    return None if states[0] is None else _alike(states[0], states[1], depth + 1)


def _arrays_alike(left: Any, right: Any, depth: int) -> bool | None:
    import numpy as np

    if left.shape != right.shape:
        return False
    if left.dtype.names and left.dtype == right.dtype:
        return _all(_arrays_alike(left[name], right[name], depth) for name in left.dtype.names)
    if left.dtype.kind in "fiubc" and right.dtype.kind in "fiubc":
        scale = float(np.nanmax(np.abs(left), initial=0.0, where=np.isfinite(left))) if left.size else 0.0
        return bool(np.allclose(left, right, rtol=TOLERANCE, atol=TOLERANCE * max(scale, 1e-12), equal_nan=True))
    return _all(_alike(a, b, depth + 1) for a, b in zip(left.ravel().tolist(), right.ravel().tolist(), strict=True))


def _close(left: Any, right: Any) -> bool:
    a, b = float(left), float(right)
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)


def _all(parts: Iterator[bool | None]) -> bool | None:
    """Return False where one is, else None where one could not be compared, else True."""
    found = list(parts)
    if any(one is False for one in found):
        return False
    return None if any(one is None for one in found) else True


def model_input(frame: pd.DataFrame, estimator: Any, features: Sequence[str]) -> Any:
    """Return the columns of ``frame`` that the estimator was fitted on, as frame or, where it knows no names, as array.

    ``features`` are used where the estimator names none. None where they are not all there, or are not as many.
    """
    named = getattr(estimator, "feature_names_in_", None)
    names = [str(name) for name in named] if named is not None else list(features)
    if any(name not in frame.columns for name in names):
        return None
    if named is not None:
        return frame[names]
    count = getattr(estimator, "n_features_in_", None)
    return frame[names].to_numpy() if count in (None, len(names)) else None
