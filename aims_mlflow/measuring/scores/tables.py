"""Metrics that the confusion table determines: values and intervals from counts, at a thousandth of the cost of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aims_mlflow.measuring import resampling

if TYPE_CHECKING:
    import numpy as np

    from aims_mlflow.measuring.scores.scoring import Answers

SEED = 0
WIDEST = 10_000
"""Cells of a confusion table up to which it is resampled as counts."""

OF_TABLES = 20_000_000
"""Cells drawn in all resamples together: wider tables have fewer resamples, but never under ``resampling.FEWEST``."""

PRIOR_BINARY = 0.5
"""Jeffreys' prior, per cell of a table of two classes."""

PRIOR_IN_ALL = 2.0
"""Prior counts in all on a wider table, spread evenly (Perks 1947): a half in each of hundreds of cells would drown the data."""

Statistic = Callable[["np.ndarray"], "np.ndarray"]
"""Takes tables (resamples, truth, prediction) and returns the metric of each, (resamples,); NaN where it is not defined."""


def table_of(answers: Answers) -> np.ndarray | None:
    """Return the counts (classes, classes) of truth and prediction; None for a regression, or of too many classes."""
    import numpy as np

    if answers.kind == "regression":
        return None
    if answers.kind == "binary_classification":
        return np.bincount(answers.y_true * 2 + answers.y_pred, answers.weights, minlength=4).astype(np.int64).reshape(2, 2)
    labels, codes = np.unique(np.concatenate([answers.y_true, answers.y_pred]), return_inverse=True)
    k = len(labels)
    if k * k > WIDEST:
        return None
    n = len(answers.y_true)
    return np.bincount(codes[:n] * k + codes[n:], answers.weights, minlength=k * k).astype(np.int64).reshape(k, k)


def statistic_of(base: str, kind: str) -> Statistic | None:
    """Return the metric as a function of tables, by scikit-learn's name; None where the table does not determine it.

    In binary tasks f1, jaccard, precision and recall are the positive label's; in multiclass ones, macro averages.
    """
    if kind == "regression":
        return None
    binary = kind == "binary_classification"
    if base in _PLAIN:
        return _PLAIN[base]
    if binary and base in _LIKELIHOODS:
        return _LIKELIHOODS[base]
    name, _, how = base.rpartition("_")
    if how == "score":
        how = "positive" if binary else "macro"
    if name not in _PARTS or how not in ("positive", "macro", "micro", "weighted"):
        return None
    return lambda draws: _averaged(_PARTS[name](*_sums(draws)), _sums(draws), how)


def by_counts(
    table: np.ndarray, statistics: Mapping[str, Statistic], times: int | None = None
) -> dict[str, tuple[float, float, str] | None]:
    """Return the interval of each statistic: percentiles of its posterior given the counts, all on the same draws.

    The percentile bootstrap (multinomial resampling) takes what was never seen for impossible. Of a rare class that is nearly
    always recognised it draws intervals far too short: in simulations half of those of balanced accuracy lay above the truth. The
    posterior of a vague prior covers (benchmarks/coverage.py), and differs from it by little where every cell has some rows.
    None where the statistic is not defined on more than 5 % of the draws.

    Args:
        table: counts (classes, classes).
        statistics: by name.
        times: how many draws; default ``draws_of`` the table.
    """
    times = draws_of(table.size) if times is None else times
    draws = posterior(table, times)
    found: dict[str, tuple[float, float, str] | None] = {}
    for name, statistic in statistics.items():
        ends = resampling.ends(_quietly(statistic, draws))
        value = float(_quietly(statistic, table[None])[0])
        method = f"dirichlet posterior, vague prior, {times} draws"
        found[name] = None if ends is None else (min(ends[0], value), max(ends[1], value), method)
    return found


def draws_of(cells: int, in_all: int = OF_TABLES) -> int:
    """Return how many resamples are drawn of a table of so many cells, drawing about ``in_all`` cells."""
    return max(resampling.FEWEST, min(resampling.RESAMPLES, in_all // max(cells, 1)))


def posterior(table: np.ndarray, times: int) -> np.ndarray:
    """Return draws (times, shape of the table) of the cells' shares, from the posterior of Jeffreys' or Perks's prior.

    The first axis is the truth. A class that is no row's truth has none in the draws either: averages over the classes leave it
    out as they do in the value.
    """
    import numpy as np

    prior = PRIOR_BINARY if table.size <= 8 else PRIOR_IN_ALL / table.size
    occurs = table.reshape(len(table), -1).sum(axis=1) > 0
    open_ = occurs if occurs.any() else ~occurs
    likely = table + prior * open_.reshape(-1, *[1] * (table.ndim - 1))
    draws = np.random.default_rng(SEED).standard_gamma(likely.ravel(), size=(times, table.size))
    return _array((draws / draws.sum(axis=1, keepdims=True)).reshape(-1, *table.shape))


def _quietly(statistic: Statistic, draws: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return statistic(draws)


def _sums(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits, truths and predictions of each class, (resamples, classes)."""
    import numpy as np

    return np.einsum("bii->bi", draws), draws.sum(axis=2), draws.sum(axis=1)


_Sums = tuple["np.ndarray", "np.ndarray", "np.ndarray"]

_PARTS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "f1": lambda hits, truths, said: (2 * hits, truths + said),
    "jaccard": lambda hits, truths, said: (hits, truths + said - hits),
    "precision": lambda hits, _truths, said: (hits, said),
    "recall": lambda hits, truths, _said: (hits, truths),
}
"""Metric of one class -> numerator and denominator."""


def _averaged(parts: tuple[np.ndarray, np.ndarray], sums: _Sums, how: str) -> np.ndarray:
    """Return scikit-learn's average over the classes that occur; a class with no case of the metric counts 0 in it."""
    import numpy as np

    above, below = parts
    if how == "positive":
        return _array(above[:, 1] / below[:, 1])
    if how == "micro":
        return _array(above.sum(axis=1) / below.sum(axis=1))
    weight = sums[1] if how == "weighted" else (sums[1] + sums[2] > 0)
    each = np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)
    return _array((each * weight).sum(axis=1) / weight.sum(axis=1))


def _array(values: Any) -> np.ndarray:
    """Return an array as what it is: numpy's operators lose the type."""
    found: np.ndarray = values
    return found


def _accuracy(draws: np.ndarray) -> np.ndarray:
    return _array(_sums(draws)[0].sum(axis=1) / draws.sum(axis=(1, 2)))


def _wrong(draws: np.ndarray) -> np.ndarray:
    return _array(1 - _accuracy(draws))


def _balanced(draws: np.ndarray) -> np.ndarray:
    import numpy as np

    hits, truths, _ = _sums(draws)
    each = np.where(truths > 0, hits / np.where(truths > 0, truths, 1), 0.0)
    return _array(each.sum(axis=1) / (truths > 0).sum(axis=1))


def _kappa(draws: np.ndarray) -> np.ndarray:
    hits, truths, said = (part / draws.sum(axis=(1, 2))[:, None] for part in _sums(draws))
    chance = (truths * said).sum(axis=1)
    return _array((hits.sum(axis=1) - chance) / (1 - chance))


def _matthews(draws: np.ndarray) -> np.ndarray:
    """Gorodkin's (2004) correlation of several classes, which for two is Matthews's."""
    hits, truths, said = (part / draws.sum(axis=(1, 2))[:, None] for part in _sums(draws))
    spread = (1 - (truths**2).sum(axis=1)) * (1 - (said**2).sum(axis=1))
    return _array((hits.sum(axis=1) - (truths * said).sum(axis=1)) / spread**0.5)


def _likelihood(draws: np.ndarray, said: int) -> np.ndarray:
    """Return the share of positives that are predicted ``said`` over that of negatives: a likelihood ratio of a test."""
    truths = draws.sum(axis=2)
    return _array((draws[:, 1, said] / truths[:, 1]) / (draws[:, 0, said] / truths[:, 0]))


_PLAIN: dict[str, Statistic] = {
    "accuracy_score": _accuracy,
    "zero_one_loss": _wrong,
    "hamming_loss": _wrong,
    "balanced_accuracy_score": _balanced,
    "cohen_kappa_score": _kappa,
    "matthews_corrcoef": _matthews,
}

_LIKELIHOODS: dict[str, Statistic] = {
    "positive_likelihood_ratio": lambda draws: _likelihood(draws, 1),
    "neg_negative_likelihood_ratio": lambda draws: -_likelihood(draws, 0),
}
