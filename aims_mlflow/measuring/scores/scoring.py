"""Scikit-learn's metrics by name, on predictions that were made: which there are for a task, and their values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from aims_mlflow.measuring.scores.calibration import error_of
from aims_mlflow.observation import Predictions

if TYPE_CHECKING:
    import numpy as np

CALIBRATION_ERROR = "expected_calibration_error"

DEFAULTS: dict[str, tuple[str, ...]] = {
    "binary_classification": (
        "accuracy_score",
        "balanced_accuracy_score",
        "roc_auc_score",
        "f1_score",
        "precision_score",
        "recall_score",
        "brier_score_loss",
        "log_loss",
        "average_precision_score",
        CALIBRATION_ERROR,
    ),
    "multiclass_classification": (
        "accuracy_score",
        "balanced_accuracy_score",
        "f1_score",
        "precision_score",
        "recall_score",
        "roc_auc_score",
        "log_loss",
    ),
    "regression": ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score"),
}
"""Task kind -> what is measured without being asked for."""

OF_LABELS = (
    "accuracy_score",
    "balanced_accuracy_score",
    "cohen_kappa_score",
    "f1_score",
    "hamming_loss",
    "jaccard_score",
    "matthews_corrcoef",
    "precision_score",
    "recall_score",
    "zero_one_loss",
)
"""Functions of truth and predicted labels. In multiclass tasks f1, jaccard, precision and recall are macro averages."""

OF_SCORES = (
    "average_precision_score",
    "brier_score_loss",
    "d2_brier_score",
    "d2_log_loss_score",
    "log_loss",
    "roc_auc_score",
    "top_k_accuracy_score",
)
"""Functions of truth and probabilities. In multiclass tasks roc_auc_score is one-vs-rest, macro average."""

OF_NUMBERS = (
    "d2_absolute_error_score",
    "explained_variance_score",
    "max_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_gamma_deviance",
    "mean_pinball_loss",
    "mean_poisson_deviance",
    "mean_squared_error",
    "mean_squared_log_error",
    "median_absolute_error",
    "r2_score",
    "root_mean_squared_error",
    "root_mean_squared_log_error",
)
"""Functions of truth and predicted numbers."""

_BY_CLASS = tuple(f"{name}_{how}" for name in ("f1", "jaccard", "precision", "recall") for how in ("macro", "micro", "weighted"))
SCORERS: dict[str, tuple[str, ...]] = {
    "classification": (
        *(
            "accuracy",
            "average_precision",
            "balanced_accuracy",
            "d2_brier_score",
            "d2_log_loss_score",
            "f1",
            "jaccard",
            "matthews_corrcoef",
        ),
        *(
            "neg_brier_score",
            "neg_log_loss",
            "neg_negative_likelihood_ratio",
            "positive_likelihood_ratio",
            "precision",
            "recall",
            "roc_auc",
        ),
        *("roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted", "top_k_accuracy"),
        *_BY_CLASS,
    ),
    "regression": (
        *(
            "d2_absolute_error_score",
            "explained_variance",
            "neg_max_error",
            "neg_mean_absolute_error",
            "neg_mean_absolute_percentage_error",
        ),
        *("neg_mean_gamma_deviance", "neg_mean_poisson_deviance", "neg_mean_squared_error", "neg_mean_squared_log_error"),
        *("neg_median_absolute_error", "neg_root_mean_squared_error", "neg_root_mean_squared_log_error", "r2"),
    ),
}
"""Names of scikit-learn's scorers; higher is better, so losses are negative. Scores are always the probabilities."""

NAMES = tuple(dict.fromkeys([*OF_LABELS, *OF_SCORES, *OF_NUMBERS, CALIBRATION_ERROR, *SCORERS["classification"], *SCORERS["regression"]]))
"""Every metric name that a requirement may ask for."""

LOSSES = frozenset(
    {"brier_score_loss", "hamming_loss", "log_loss", "zero_one_loss", CALIBRATION_ERROR}
    | {name for name in OF_NUMBERS if not name.endswith(("_score",))}
)
"""Functions that are better when lower; scorers are always better when higher."""

_CLUSTERING = "it compares clusterings, whose labels have no meaning; this tool judges predictions of a target"
_MULTILABEL = "it averages over rows of several labels each; a target here has one label a row"
NOT_SCORED: dict[str, str] = {
    **dict.fromkeys(("adjusted_mutual_info_score", "adjusted_rand_score", "completeness_score", "fowlkes_mallows_score"), _CLUSTERING),
    **dict.fromkeys(
        ("homogeneity_score", "mutual_info_score", "normalized_mutual_info_score", "rand_score", "v_measure_score"), _CLUSTERING
    ),
    **dict.fromkeys(("f1_samples", "jaccard_samples", "precision_samples", "recall_samples"), _MULTILABEL),
}
"""Scikit-learn's scorers that are not measured, and why: no task kind here has what they ask for."""

_SAME_AS = {"accuracy": "accuracy_score", "balanced_accuracy": "balanced_accuracy_score", "neg_log_loss": "log_loss"}
ALIASES: dict[str, dict[str, str]] = {
    "binary_classification": _SAME_AS
    | {name: f"{name}_score" for name in ("f1", "jaccard", "precision", "recall", "average_precision", "roc_auc")}
    | {"neg_brier_score": "brier_score_loss"}
    | dict.fromkeys(("roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted"), "roc_auc_score"),
    "multiclass_classification": _SAME_AS
    | {"average_precision": "average_precision_score"}
    | {f"{name}_macro": f"{name}_score" for name in ("f1", "jaccard", "precision", "recall")}
    | {"roc_auc_ovr": "roc_auc_score"},
    "regression": {"r2": "r2_score", "explained_variance": "explained_variance_score"}
    | {name: name.removeprefix("neg_") for name in SCORERS["regression"] if name.startswith("neg_")},
}
"""Scorers that are a function under another name; those that begin with neg_ are its negative."""

_NEEDS_TWO_VALUES = frozenset(
    {"balanced_accuracy_score", "cohen_kappa_score", "matthews_corrcoef", "roc_auc_score", "average_precision_score"}
    | {"r2_score", "explained_variance_score", "d2_absolute_error_score", "d2_brier_score", "d2_log_loss_score"}
)
"""Metrics to which scikit-learn gives a number by convention, or a warning, where all truths are alike: here they have no value."""

_SCORERS_OF_SCORES = frozenset(
    name for name in SCORERS["classification"] if name.startswith(("roc_auc", "top_k", "average_precision", "d2_", "neg_brier", "neg_log"))
)

TAKES_NO_WEIGHTS = frozenset({"positive_likelihood_ratio", "neg_negative_likelihood_ratio"})
"""Scorers to which scikit-learn passes no weights of rows."""

_NEEDS_PROBABILITIES = frozenset({"brier_score_loss", "d2_brier_score", "d2_log_loss_score", "log_loss", CALIBRATION_ERROR})


@dataclass(frozen=True)
class Answers:
    """Truths and predictions of one task, and what scikit-learn's functions say about them."""

    kind: str
    y_true: np.ndarray
    y_pred: np.ndarray
    score: np.ndarray | None
    classes: tuple[Any, ...]
    weights: np.ndarray | None = None
    """How many rows each of them stands for (n,); None: one. Only what ``needs_no_score`` can be taken on such answers."""

    @classmethod
    def of(cls, predictions: Predictions, kind: str) -> Answers:
        """Take over predictions for a task of that kind."""
        return cls(kind, predictions.y_true, predictions.y_pred, predictions.score, predictions.classes)

    def rows(self, positions: np.ndarray) -> Answers:
        """Return the answers on some rows."""
        score = None if self.score is None else self.score[positions]
        return replace(self, y_true=self.y_true[positions], y_pred=self.y_pred[positions], score=score)

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.y_true) if self.weights is None else int(self.weights.sum())

    def value(self, name: str) -> float | None:
        """Return the metric's value, scikit-learn's own; None where it is not defined on these answers."""
        import math

        from sklearn.exceptions import UndefinedMetricWarning

        base = ALIASES[self.kind].get(name, name)
        if self.why_not(name):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", UndefinedMetricWarning)
            try:
                found = float(self._function(base)())
            except (UndefinedMetricWarning, ValueError, TypeError):
                return None
        if not math.isfinite(found):
            return None
        return -found if base != name and name.startswith("neg_") else found

    def why_not(self, name: str) -> str:
        """Return why a metric cannot be taken on these answers, or "" where nothing is known to stand against it."""
        base = ALIASES[self.kind].get(name, name)
        if base in NOT_SCORED:
            return NOT_SCORED[base]
        regression = self.kind == "regression"
        if base not in (OF_NUMBERS if regression else (*OF_LABELS, *OF_SCORES, CALIBRATION_ERROR)) and (
            base not in SCORERS["regression" if regression else "classification"]
        ):
            return f"it is not a metric for {self.kind}"
        if self.kind == "multiclass_classification" and base == CALIBRATION_ERROR:
            return "it is measured on binary tasks only"
        if (base in (*OF_SCORES, CALIBRATION_ERROR) or base.startswith(("roc_auc", "top_k"))) and self.score is None:
            return "the model gives no probabilities"
        if base in _NEEDS_PROBABILITIES and self.score is not None and (self.score.min() < 0 or self.score.max() > 1):
            return "the scores are not probabilities"
        if base in _NEEDS_TWO_VALUES and (self.y_true == self.y_true[0]).all():
            return "every row has the same truth"
        return ""

    def _function(self, name: str) -> Callable[[], Any]:
        """Return the call that gives the value."""
        import numpy as np
        import sklearn.metrics as known

        if name == CALIBRATION_ERROR:
            return lambda: error_of(self.y_true, np.asarray(self.score))
        several = self.kind == "multiclass_classification"
        options: dict[str, Any] = {}
        if name in ("f1_score", "jaccard_score", "precision_score", "recall_score"):
            # A class nobody predicts counts 0 in a macro average, as scikit-learn does; on its own the rate is not defined.
            options = {"average": "macro", "zero_division": 0} if several else {"zero_division": float("nan")}
            if name == "jaccard_score" and not several:
                options = {}  # its zero_division takes no NaN; it warns instead
        elif name == "roc_auc_score" and several:
            options = {"multi_class": "ovr", "labels": list(self.classes)}
        elif name in ("log_loss", "top_k_accuracy_score", "d2_log_loss_score", "d2_brier_score") or (
            name == "brier_score_loss" and several
        ):
            options = {"labels": list(self.classes)}
        if name in OF_SCORES:
            return lambda: getattr(known, name)(self.y_true, self.score, **options)
        if self.weights is not None:
            options["sample_weight"] = self.weights
        if name in (OF_NUMBERS if self.kind == "regression" else OF_LABELS):
            return lambda: getattr(known, name)(self.y_true, self.y_pred, **options)
        weighted = {} if self.weights is None else {"sample_weight": self.weights}
        return lambda: known.get_scorer(name)(_said(self), np.arange(len(self.y_true)).reshape(-1, 1), self.y_true, **weighted)


def needs_no_score(name: str, kind: str) -> bool:
    """Return whether a metric follows from how often each truth met each predicted label."""
    base = ALIASES[kind].get(name, name)
    return kind != "regression" and base not in (*OF_SCORES, CALIBRATION_ERROR) and base not in _SCORERS_OF_SCORES


@cache
def _recalling() -> Any:
    """Return a classifier class that recalls answers by row number, because scikit-learn's scorers ask an estimator."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    class Recalling(BaseEstimator):  # type: ignore[misc]
        def __init__(self, answers: Any = None) -> None:
            self.answers = answers

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return self.answers.y_pred[X[:, 0]]

    class Classifier(ClassifierMixin, Recalling):  # type: ignore[misc]
        @property
        def classes_(self) -> Any:
            import numpy as np

            return np.array(self.answers.classes)

        def predict_proba(self, X: Any) -> Any:  # noqa: N803
            import numpy as np

            score = self.answers.score[X[:, 0]]
            return np.column_stack([1 - score, score]) if score.ndim == 1 else score

    class Regressor(RegressorMixin, Recalling):  # type: ignore[misc]
        pass

    return Classifier, Regressor


def _said(answers: Answers) -> Any:
    classifier, regressor = _recalling()
    return regressor(answers) if answers.kind == "regression" else classifier(answers)
