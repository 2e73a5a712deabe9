"""Intervals of performance metrics: in closed form where there is one, from resampled counts or rows where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import NormalDist
from typing import TYPE_CHECKING

from aims_mlflow.evidence import Measure
from aims_mlflow.intervals import delong, wilson
from aims_mlflow.measuring import resampling
from aims_mlflow.measuring.scoring import ALIASES, CALIBRATION_ERROR, Answers, calibration_bins

if TYPE_CHECKING:
    import numpy as np

_LEVEL = 0.95
_COUNTS_SEED = 0
_WIDEST_TABLE = 10_000
"""Cells of a confusion table up to which it is resampled as counts."""


def measured(answers: Answers, names: Iterable[str]) -> list[Measure]:
    """Return the metrics by name with 95 % intervals; one that is not defined has no value.

    Wilson for shares of rows (precision's denominator is itself random, so there it is approximate); DeLong for the area under
    the ROC curve; multinomial resampling of the confusion table for what it determines; else the seeded bootstrap over rows.
    """
    wanted = {name: ALIASES[answers.kind].get(name, name) for name in dict.fromkeys(names)}
    values = {name: answers.value(name) for name in wanted}
    bases = dict.fromkeys(base for name, base in wanted.items() if values[name] is not None)
    statistics = {base: found for base in bases if (found := _by_weights(base, answers)) is not None}
    resampled = resampling.bootstrap(statistics, answers.n)
    known = {base: _interval(base, answers, resampled) for base in bases}
    return [_measure(name, values[name], answers, known.get(base)) for name, base in wanted.items()]


Interval = tuple[float, float, str, int | None, int | None]
"""low, high, method, and where the metric is a share its count and n."""


def _measure(name: str, value: float | None, answers: Answers, interval: Interval | None) -> Measure:
    if value is None or interval is None:
        return Measure(name=name, value=value, n=answers.n)
    low, high, method, count, n = interval
    if name.startswith("neg_") and value <= 0 and high > 0:
        low, high = -high, -low
    return Measure(name=name, value=value, ci_low=low, ci_high=high, ci_method=method, n=answers.n if n is None else n, count=count)


def _interval(base: str, answers: Answers, resampled: dict[str, tuple[float, float] | None]) -> Interval | None:
    counted = _share(base, answers)
    if counted is not None:
        count, n, method = counted
        return *wilson(count, n), method, count, n
    if base == "roc_auc_score":
        return _area(answers)
    statistic = (_OF_BINARY_TABLE if answers.kind == "binary_classification" else _OF_TABLE).get(base)
    table = _confusion(answers) if statistic is not None and answers.kind != "regression" else None
    if table is not None and statistic is not None:
        return _of_counts(table, statistic)
    ends = resampled[base] if base in resampled else _by_calls(base, answers)
    return None if ends is None else (*ends, resampling.method(answers.n), None, None)


def _share(base: str, answers: Answers) -> tuple[int, int, str] | None:
    """Return count, n and method of a metric that is a share of rows."""
    if answers.kind == "regression":
        return None
    hit = answers.y_true == answers.y_pred
    if base == "accuracy_score":
        return int(hit.sum()), answers.n, "wilson"
    if base in ("zero_one_loss", "hamming_loss"):
        return int((~hit).sum()), answers.n, "wilson"
    if answers.kind == "binary_classification" and base in ("recall_score", "precision_score"):
        among = answers.y_true if base == "recall_score" else answers.y_pred
        caught = int(((answers.y_true == 1) & (answers.y_pred == 1)).sum())
        return caught, int(among.sum()), "wilson" if base == "recall_score" else "wilson, approximate: the denominator is random"
    return None


def _area(answers: Answers) -> Interval | None:
    import numpy as np

    if answers.kind == "binary_classification":
        _, low, high = delong(answers.y_true, answers.score)
        return low, high, "delong", None, None
    score = np.asarray(answers.score)
    parts = [area_influence(answers.y_true == one, score[:, at]) for at, one in enumerate(answers.classes)]
    area, influence = np.mean([a for a, _ in parts]), np.mean([i for _, i in parts], axis=0)
    error = math.sqrt(float((influence**2).sum())) / answers.n
    if not error > 0 or not 0 < area < 1:
        return None
    logit, half = math.log(area / (1 - area)), NormalDist().inv_cdf((1 + _LEVEL) / 2) * error / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(logit + sign * half))) for sign in (-1, 1))
    return low, high, "delong, macro average", None, None


def area_influence(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve and each row's influence on it (n,), whose mean square over n is its variance.

    These are DeLong's (1988) placements, centred and scaled to the share of the row's class.

    Args:
        positive: booleans, (n,), of both kinds.
        score: (n,).
    """
    import numpy as np
    from scipy.stats import rankdata

    m, n = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(score)
    place = np.empty(len(score))
    place[positive] = (ranks[positive] - rankdata(score[positive])) / n
    place[~positive] = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    area = float(place[positive].mean())
    return area, np.where(positive, (place - area) * (m + n) / m, (place - area) * (m + n) / n)


def _confusion(answers: Answers) -> np.ndarray | None:
    """Return the counts (classes, classes) of truth and prediction; None where there are too many classes."""
    import numpy as np

    labels, codes = np.unique(np.concatenate([answers.y_true, answers.y_pred]), return_inverse=True)
    k = 2 if answers.kind == "binary_classification" else len(labels)
    if k * k > _WIDEST_TABLE:
        return None
    if answers.kind == "binary_classification":
        codes = np.concatenate([answers.y_true, answers.y_pred])
    return np.bincount(codes[: answers.n] * k + codes[answers.n :], minlength=k * k).reshape(k, k)


def _of_counts(table: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> Interval | None:
    """Resample the confusion table. Where every draw is alike, Jeffreys' prior says what the rows leave open."""
    import numpy as np

    random, n = np.random.default_rng(_COUNTS_SEED), int(table.sum())
    draws = random.multinomial(n, table.ravel() / n, size=resampling.RESAMPLES).reshape(-1, *table.shape)
    method = f"multinomial, {resampling.RESAMPLES} resamples"
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = resampling.ends(statistic(draws))
        if ends is None:
            likely = random.dirichlet(table.ravel() + 0.5, size=resampling.RESAMPLES).reshape(-1, *table.shape)
            ends = resampling.ends(statistic(likely))
            method = "dirichlet posterior, jeffreys prior"
    return None if ends is None else (*ends, method, None, None)


def _parts(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits, truths and predictions of each class, (resamples, classes)."""
    import numpy as np

    return np.einsum("bii->bi", draws), draws.sum(axis=2), draws.sum(axis=1)


def _f1(draws: np.ndarray) -> np.ndarray:
    hits, truths, said = _parts(draws)
    found: np.ndarray = 2 * hits[:, 1] / (truths + said)[:, 1]
    return found


def _macro_f1(draws: np.ndarray) -> np.ndarray:
    import numpy as np

    hits, truths, said = _parts(draws)
    found: np.ndarray = np.nanmean(2 * hits / (truths + said), axis=1)
    return found


def _balanced(draws: np.ndarray) -> np.ndarray:
    import numpy as np

    hits, truths, _ = _parts(draws)
    found: np.ndarray = np.nanmean(hits / truths, axis=1)
    return found


def _macro(which: int) -> Callable[[np.ndarray], np.ndarray]:
    def statistic(draws: np.ndarray) -> np.ndarray:
        import numpy as np

        parts = _parts(draws)
        present = parts[1] + parts[2] > 0
        each = np.where(parts[which] > 0, parts[0] / np.maximum(parts[which], 1e-300), 0.0)
        found: np.ndarray = (each * present).sum(axis=1) / present.sum(axis=1)
        return found

    return statistic


def _jaccard(draws: np.ndarray) -> np.ndarray:

    hits, truths, said = _parts(draws)
    found: np.ndarray = hits[:, 1] / (truths + said - hits)[:, 1]
    return found


def _macro_jaccard(draws: np.ndarray) -> np.ndarray:
    import numpy as np

    hits, truths, said = _parts(draws)
    found: np.ndarray = np.nanmean(hits / (truths + said - hits), axis=1)
    return found


def _kappa(draws: np.ndarray) -> np.ndarray:
    hits, truths, said = (part / draws.sum(axis=(1, 2))[:, None] for part in _parts(draws))
    chance = (truths * said).sum(axis=1)
    found: np.ndarray = (hits.sum(axis=1) - chance) / (1 - chance)
    return found


def _matthews(draws: np.ndarray) -> np.ndarray:
    """Gorodkin's (2004) correlation of several classes, which for two is Matthews's."""
    import numpy as np

    hits, truths, said = (part / draws.sum(axis=(1, 2))[:, None] for part in _parts(draws))
    spread = (1 - (truths**2).sum(axis=1)) * (1 - (said**2).sum(axis=1))
    found: np.ndarray = (hits.sum(axis=1) - (truths * said).sum(axis=1)) / np.sqrt(spread)
    return found


_OF_TABLE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "cohen_kappa_score": _kappa,
    "f1_score": _macro_f1,
    "jaccard_score": _macro_jaccard,
    "matthews_corrcoef": _matthews,
    "balanced_accuracy_score": _balanced,
    "recall_score": _macro(1),
    "precision_score": _macro(2),
}
"""Metrics that the confusion table determines: taken on draws (resamples, classes, classes)."""

_OF_BINARY_TABLE = {**_OF_TABLE, "f1_score": _f1, "jaccard_score": _jaccard}
"""The same for binary tasks, where some are the positive label's own instead of an average over both."""


def _by_weights(base: str, answers: Answers) -> resampling.Weighted | None:
    """Return the metric as a statistic of how often each row was drawn, where it is one."""
    import numpy as np

    y, p, score = answers.y_true, answers.y_pred, answers.score
    if answers.kind == "regression":
        error = y - p
        mean = {"mean_absolute_error": abs(error), "mean_squared_error": error**2}.get(base)
        if mean is not None:
            return resampling.mean_of(mean)
        if base == "root_mean_squared_error":
            return lambda w: np.sqrt(w @ error**2 / w.sum(axis=1))
        if base == "r2_score":
            centred = y - y.mean()
            return lambda w: 1 - (w @ error**2) / (w @ centred**2 - (w @ centred) ** 2 / w.sum(axis=1))
        return None
    if score is None:
        return None
    if base == "log_loss":
        own = np.where(y == 1, score, 1 - score) if score.ndim == 1 else score[np.arange(len(y)), np.searchsorted(answers.classes, y)]
        return resampling.mean_of(-np.log(np.clip(own, np.finfo(float).eps, 1)))
    if score.ndim == 1:
        if base == "brier_score_loss":
            return resampling.mean_of((y - score) ** 2)
        if base == CALIBRATION_ERROR:
            columns = np.eye(int(calibration_bins(score).max()) + 1)[calibration_bins(score)] * (score - y)[:, None]
            return lambda w: np.abs(w @ columns).sum(axis=1) / w.sum(axis=1)
        if base == "average_precision_score":
            return _average_precision(y, score)
    return None


def _average_precision(y: np.ndarray, score: np.ndarray) -> resampling.Weighted:
    import numpy as np

    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # equal scores share one threshold

    def statistic(weights: np.ndarray) -> np.ndarray:
        ordered = weights[:, order]
        hits, seen = np.cumsum(ordered * y[order], axis=1)[:, last], np.cumsum(ordered, axis=1)[:, last]
        gained = np.diff(hits, axis=1, prepend=0.0)
        found: np.ndarray = (gained * hits / np.maximum(seen, 1)).sum(axis=1) / hits[:, -1]
        return found

    return statistic


def _by_calls(base: str, answers: Answers) -> tuple[float, float] | None:
    """Bootstrap a metric by calling scikit-learn on every resample."""
    import numpy as np

    positions = np.arange(answers.n)
    values = [answers.rows(np.repeat(positions, row.astype(int))).value(base) for weights in resampling.drawn(answers.n) for row in weights]
    return resampling.ends(np.array([math.nan if v is None else v for v in values]))
