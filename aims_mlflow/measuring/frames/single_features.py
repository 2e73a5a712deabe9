"""Models of one feature: how well each column alone predicts the target on held-out rows, which shows a target that leaks.

A feature that holds the target, or is made from it, predicts it alone almost without error (Kapoor and Narayanan 2023, L2:
illegitimate features). Numbers and times go to a decision tree of scikit-learn's, of at most ``DEPTH`` levels, with missing
values as they are; categories to the share of each class (regression: the mean) that their train rows have. Both are fitted on
train rows and scored on test rows, so that an identifier, whose values do not come again, scores like guessing.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from aims_mlflow.measuring.frames.columns import instants, kind_of, numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST_ROWS = 4_000
"""Rows of each side that are used at most; a seeded sample beyond."""

FEWEST_ROWS = 1_000
"""Rows that are used at least (where there are as many), however many columns there are."""

CELLS = 200_000
"""Rows times columns beyond which fewer rows are used, so that wide frames do not take minutes."""

DEPTH = 8
SEED = 0


def rows_for(columns: int) -> int:
    """Return how many rows of each side are used for so many columns."""
    return max(FEWEST_ROWS, min(MOST_ROWS, CELLS // max(columns, 1)))


def drawn(y: np.ndarray, most: int, classes: int | None) -> np.ndarray:
    """Return the positions of the rows that are used, in their order: all, or a seeded sample of about ``most``.

    Of each class as many are drawn, as far as there are, so that a rare one is not lost; the area under the ROC curve does not
    depend on how many there are of each.
    """
    import numpy as np

    random = np.random.default_rng(SEED)
    groups = [np.arange(len(y))] if classes is None else [np.flatnonzero(y == code) for code in range(classes)]
    held = [group for group in groups if len(group)]
    if len(y) <= most:
        return np.arange(len(y))
    chosen = [group if len(group) <= most // len(held) else random.choice(group, most // len(held), replace=False) for group in held]
    return np.sort(np.concatenate(chosen))


def ranked(y: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return which share of ``among`` is below each number (ties by half): ranks, so that few huge numbers do not decide."""
    import numpy as np

    ordered = np.sort(among)
    places = [np.searchsorted(ordered, y, side=side) for side in ("left", "right")]
    share: np.ndarray = (places[0] + places[1]) / (2 * len(ordered))
    return share


def score(train: pd.Series[Any], test: pd.Series[Any], y_train: np.ndarray, y_test: np.ndarray, classes: int | None) -> float | None:
    """Return how well one column predicts the target on the test rows; None for a column of other than numbers, times, categories.

    Args:
        train: the column on the train rows.
        test: the column on the test rows.
        y_train: the target there, codes 0 to ``classes`` - 1, or numbers (``ranked``).
        y_test: the same on the test rows.
        classes: how many classes the target has; None for a regression.

    Returns:
        The area under the ROC curve (two classes), the mean of the one-against-the-rest areas over the classes that the test
        rows hold and are not alone in (more), or R squared (regression), which can be negative.
    """
    kinds = {kind_of(column) for column in (train, test) if not column.isna().all()}
    if kinds == {"number"}:
        said = _tree(numbers(train), numbers(test), y_train, classes)
    elif kinds == {"time"}:
        said = _tree(instants(train), instants(test), y_train, classes)
    elif kinds == {"category"}:
        said = _rates(train, test, y_train, classes)
    else:
        return None
    if classes is None:
        return r_squared(y_test, said[:, 0])
    asked = [1] if classes == 2 else range(classes)
    areas = [area(y_test == code, said[:, code]) for code in asked if 0 < (y_test == code).sum() < len(y_test)]
    return sum(areas) / len(areas) if areas else None


def _tree(train: np.ndarray, test: np.ndarray, y_train: np.ndarray, classes: int | None) -> np.ndarray:
    """Return what a decision tree of one column says of the test rows: (m, classes) shares, or (m, 1) means."""
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    with np.errstate(invalid="ignore", over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of sums that overflow, and of about as many classes as rows
        middle = np.nanmedian(train[np.isfinite(train)]) if np.isfinite(train).any() else 0.0
        # Trees hold 32-bit floats: large numbers that lie close together would become one, and too large ones infinite.
        largest = float(np.finfo(np.float32).max)
        x_train, x_test = (np.clip(side - middle, -largest, largest)[:, None] for side in (train, test))
        if classes is None:
            regressor = DecisionTreeRegressor(max_depth=DEPTH, random_state=SEED).fit(x_train, y_train)
            return np.asarray(regressor.predict(x_test))[:, None]
        tree: Any = DecisionTreeClassifier(max_depth=DEPTH, random_state=SEED).fit(x_train, y_train)
        shares = np.zeros((len(test), classes))
        shares[:, tree.classes_] = tree.predict_proba(x_test)
        return shares


def _rates(train: pd.Series[Any], test: pd.Series[Any], y_train: np.ndarray, classes: int | None) -> np.ndarray:
    """Return the same for categories: what the train rows of each have, that of all of them for one that they do not have."""
    import numpy as np
    import pandas as pd

    n = len(train)
    together = pd.concat([column.astype(object) for column in (train, test)], ignore_index=True)
    codes, categories = pd.factorize(together, use_na_sentinel=False)
    rows = np.bincount(codes[:n], minlength=len(categories))
    wanted = [y_train] if classes is None else [y_train == code for code in range(classes)]
    columns = []
    for values in wanted:
        sums = np.bincount(codes[:n], weights=values, minlength=len(categories))
        means = np.divide(sums, rows, out=np.full(len(categories), values.mean()), where=rows > 0)
        columns.append(means[codes[n:]])
    return np.column_stack(columns)


def area(positive: np.ndarray, said: np.ndarray) -> float:
    """Return the area under the ROC curve, as scikit-learn's ``roc_auc_score`` gives it, from the ranks (Mann and Whitney 1947)."""
    import numpy as np

    _, codes, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def r_squared(truth: np.ndarray, said: np.ndarray) -> float | None:
    """Return R squared, as scikit-learn's ``r2_score`` gives it; None where the truth does not vary."""
    import numpy as np

    spread = float(((truth - truth.mean()) ** 2).sum())
    found = 1 - float(((truth - said) ** 2).sum()) / spread if spread > 0 else np.nan
    return found if np.isfinite(found) else None
