"""What may be said in writing about a model, its code and its sources: names, types and settings, never a value of the data."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aims_mlflow.evidence import digest
from aims_mlflow.system import Source

if TYPE_CHECKING:
    from aims_mlflow.observation import Model, Observation

Setting = str | int | float | bool | None

WITHHELD = "withheld"
"""Stands for a parameter's value that could hold data: free text, lists, arrays, and whatever ``_HOLDS_DATA`` names."""

PLACEHOLDERS = frozenset({"", "?", "-", "...", "todo", "tbd", "fixme", "xxx", "unknown", "fill in", "to do", "to be done"})
"""Words that stand in a file where nobody has said anything yet."""

_DATA_PARAMETERS = """
base_score categories class_prior class_weight classes constant encoded_missing_value fill_value initial labels missing missing_values
neg_label pos_label priors threshold unknown_value values
"""
_HOLDS_DATA = frozenset(_DATA_PARAMETERS.split())
"""Parameters whose value is, or can be, a value of the data, even as a number."""

_OPTION_WORDS = """
absolute_error adam approx auto balanced best binary binary:logistic cosine dart deprecated distance drop elasticnet entropy error
euclidean exact first friedman_mse gbdt gblinear gbtree gini goss hinge hist huber identity ignore infrequent_if_exist kernel l1 l2 lbfgs
liblinear linear log2 log_loss logistic manhattan mean median minkowski most_frequent mse multi:softmax multi:softprob multiclass
multinomial newton-cg newton-cholesky onehot ordinal ovo ovr passthrough poisson poly quantile random rbf reg:squarederror regression relu
sag saga sgd sigmoid softmax sqrt squared_error squared_hinge tanh uniform warn
"""
_OPTIONS = frozenset(_OPTION_WORDS.split())
"""Option words of the common libraries; a text parameter is written only if it is one of these or its own class names it."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_CLASS_NAME = re.compile(r"[A-Za-z_][\w.]{0,119}")
_ALGORITHM_PARAMS = ("algorithm", "estimator_class", "estimator_name", "model_class", "model_type")
_SEED_PARAMS = ("random_state", "seed", "random_seed")

_NEEDS_NO_SEED: Mapping[str, tuple[str, frozenset[Any]]] = {
    "LogisticRegression": ("solver", frozenset({"lbfgs", "newton-cg", "newton-cholesky"})),
    "LogisticRegressionCV": ("solver", frozenset({"lbfgs", "newton-cg", "newton-cholesky"})),
    "Ridge": ("solver", frozenset({"svd", "cholesky", "lsqr", "sparse_cg", "lbfgs"})),
    "RidgeClassifier": ("solver", frozenset({"svd", "cholesky", "lsqr", "sparse_cg", "lbfgs"})),
    "SVC": ("probability", frozenset({False, "deprecated"})),
    "LinearSVC": ("dual", frozenset({False})),
    "Lasso": ("selection", frozenset({"cyclic"})),
    "ElasticNet": ("selection", frozenset({"cyclic"})),
    "PCA": ("svd_solver", frozenset({"full", "covariance_eigh"})),
}
"""Classes that do not use their random_state when a setting has one of these values (scikit-learn's documentation of random_state)."""


def said(text: str | None) -> bool:
    """Return whether somebody has said something: not empty, and no placeholder such as TODO."""
    return text is not None and text.strip().strip(".").casefold() not in PLACEHOLDERS


def address(uri: str) -> str:
    """Return a URI as it may be written: without user, password, query, fragment and options, which can be secrets."""
    return re.split(r"[?#;]", re.sub(r"//[^/\s]*@", "//", uri), maxsplit=1)[0]


def class_name(thing: Any) -> str:
    """Return the public name of the thing's class: ``sklearn.linear_model.LogisticRegression``."""
    kind = type(thing)
    parts = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return ".".join([*parts, kind.__name__])


def algorithm(seen: Observation) -> str:
    """Return the class of the model, and of what it wraps: ``sklearn.pipeline.Pipeline > sklearn.svm.SVC``; "" if unknown.

    A model that is known only by its URI has no class to look at; then the run's parameters are asked.
    """
    model = seen.model
    if model is not None and model.estimator is not None and not class_name(model.estimator).startswith("mlflow.pyfunc."):
        return " > ".join(class_name(part) for part in _wrapped(model.estimator))
    for name in _ALGORITHM_PARAMS:
        value = seen.run.params.get(name, "")
        if said(value) and _CLASS_NAME.fullmatch(value):
            return value
    return ""


def _wrapped(estimator: Any) -> Iterator[Any]:
    """Yield the estimator, then its last step or what it was searched or built around, inwards."""
    for _ in range(8):  # a wrapper that holds itself must not hold us
        yield estimator
        steps = getattr(estimator, "steps", None)
        if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
            inner = steps[-1][1]
        else:
            inner = getattr(estimator, "best_estimator_", None) or getattr(estimator, "estimator", None)
        if inner is None or isinstance(inner, str) or not hasattr(inner, "get_params"):
            return
        estimator = inner


def parameters(seen: Observation) -> dict[str, Setting] | None:
    """Return the settings of the estimator and the parameters of the run by name, sorted; None where none are known.

    Numbers, truth values, None and option words stand as they are; any other value reads ``WITHHELD``, since it can hold data.
    The run's own parameters are prefixed ``run:``.
    """
    settings = _settings(seen.model)
    logged = {f"run:{name}": _logged(name, value) for name, value in seen.run.params.items()}
    if settings is None and not logged:
        return None
    return dict(sorted({**(settings or {}), **logged}.items()))


def _own_parameters(estimator: Any) -> dict[str, Any] | None:
    """Return the deep parameters of the estimator, or None where it does not tell."""
    ask: Any = getattr(estimator, "get_params", None)
    if ask is None or isinstance(estimator, type):
        return None
    try:
        return {str(name): value for name, value in ask().items()}
    except Exception:  # an estimator of the user's may do anything; not to tell is an answer
        return None


def _settings(model: Model | None) -> dict[str, Setting] | None:
    found = None if model is None else _own_parameters(model.estimator)
    if found is None or model is None:
        return None
    return {name: _setting(found.get(name.rpartition("__")[0], model.estimator), name, value) for name, value in found.items()}


def _setting(owner: Any, name: str, value: Any) -> Setting:
    """Return a parameter's value as it may be written."""
    key = name.rpartition("__")[2]
    if value is None or isinstance(value, bool):
        return value
    if hasattr(value, "get_params"):
        return class_name(value)
    if key in _HOLDS_DATA:
        return value if isinstance(value, str) and value in _options(owner, key) else WITHHELD
    if isinstance(value, str):
        return value if value in _OPTIONS or value in _options(owner, key) else WITHHELD
    plain = value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value
    if isinstance(plain, bool | int) or (isinstance(plain, float) and math.isfinite(plain)):
        return plain
    return WITHHELD


def _options(owner: Any, key: str) -> set[str]:
    """Return the words that the owner's class itself offers for a parameter: its default, and scikit-learn's StrOptions."""
    words: set[str] = set()
    for constraint in _offered(getattr(type(owner), "_parameter_constraints", {}), key):
        words.update(option for option in getattr(constraint, "options", ()) if isinstance(option, str))
    try:
        default = inspect.signature(type(owner)).parameters[key].default
    except (KeyError, TypeError, ValueError):
        return words
    return words | {default} if isinstance(default, str) else words


def _offered(constraints: Any, key: str) -> tuple[Any, ...]:
    """Return the constraints that scikit-learn declares for a parameter; the attribute is private, so anything may be there."""
    found = constraints.get(key) if isinstance(constraints, Mapping) else None
    return tuple(found) if isinstance(found, list | tuple) else ()


def _logged(name: str, value: str) -> Setting:
    """Return a parameter of the MLflow run as it may be written; MLflow keeps all of them as text."""
    key = name.rpartition("__")[2]
    if value in ("True", "False", "None", "true", "false", "null"):
        return value
    return value if key not in _HOLDS_DATA and (_NUMBER.fullmatch(value) or value in _OPTIONS) else WITHHELD


def seeds(seen: Observation) -> dict[str, str]:
    """Return the known seeds by name: those of the run, and the random states of the estimator and its parts."""
    found = {str(name): str(value) for name, value in seen.run.seeds.items()}
    own = _own_parameters(seen.model.estimator) if seen.model is not None else None
    for name, value in (own or {}).items():
        if name.rpartition("__")[2] in _SEED_PARAMS and isinstance(value, int) and not isinstance(value, bool):
            found.setdefault(f"estimator.{name}", str(value))
    return dict(sorted(found.items()))


def seed_is_known(seen: Observation) -> bool:
    """Return whether a second run could draw the same random numbers, or draws none.

    A seed passed to the function counts for every part, since it may have set the library's generator; the hash seed counts
    for nothing, and the random state of one part not for another.
    """
    given = {name for name in seen.run.seeds if name != "PYTHONHASHSEED"}
    parts = unseeded(seen)
    if parts is None:
        return bool(given)
    return not parts or any(not name.startswith("estimator.") and name != "torch" for name in given)


def unseeded(seen: Observation) -> tuple[str, ...] | None:
    """Return the parts of the model that draw random numbers from a seed that nobody set; None where the model does not tell.

    A part is asked by its ``random_state`` (or ``seed``); one that is None counts unless the part is known not to use it
    with its settings (``_NEEDS_NO_SEED``), such as a logistic regression solved by lbfgs.
    """
    own = _own_parameters(seen.model.estimator) if seen.model is not None else None
    if own is None or seen.model is None:
        return None
    found = []
    for name, value in own.items():
        prefix, _, key = name.rpartition("__")
        if key not in _SEED_PARAMS or isinstance(value, int):
            continue
        owner = own.get(prefix, seen.model.estimator)
        setting, harmless = _NEEDS_NO_SEED.get(type(owner).__name__, ("", frozenset()))
        sibling = own.get(f"{prefix}__{setting}" if prefix else setting)
        if not (isinstance(sibling, str | bool) and sibling in harmless):
            found.append(name)
    return tuple(sorted(found))


def features(seen: Observation) -> tuple[str, ...] | None:
    """Return the columns the model reads: as the model says, else as the system file declares; None where nobody says."""
    model = seen.model
    if model is not None and model.features:
        return model.features
    named = getattr(model.estimator, "feature_names_in_", None) if model is not None else None
    if named is not None and len(named):
        return tuple(str(name) for name in named)
    return seen.system.data.features or None


def signature(seen: Observation) -> dict[str, str] | None:
    """Return feature -> dtype, as seen in the first frame that has them all; None where no frame has."""
    names = features(seen)
    if not names:
        return None
    for dataset in seen.datasets.values():
        dtypes = dataset.fingerprint.dtypes
        if all(name in dtypes for name in names):
            return {name: dtypes[name] for name in names}
    return None


def source_of(seen: Observation, role: str) -> Source:
    """Return where the data in ``role`` came from: what was said when it was handed over, completed by the system file."""
    dataset = seen.datasets.get(role)
    known: dict[str, Any] = {}
    for source in (declared_source(seen, role), dataset.source if dataset is not None else None):
        if source is not None:
            known |= {name: value for name, value in source if value not in ("", None, ())}
    return Source(**known)


def source_role(seen: Observation, role: str) -> str:
    """Return the role whose declaration counts: its own, but that of the train data for test data without one.

    Most test data are split off from the train data, so where the one came from the other did.
    """
    dataset = seen.datasets.get(role)
    stated = (dataset is not None and dataset.source is not None) or declared_source(seen, role) is not None
    return "train" if role == "test" and not stated else role


def declared_source(seen: Observation, role: str) -> Source | None:
    """Return what the system file declares of the data in ``role``."""
    return next((source for name, source in seen.system.data.sources.items() if name == role), None)


def model_digest(model: Model | None) -> str:
    """Return the sha256 over the manifest (path, size, sha256) of the logged model's files; "" where there is none."""
    if model is None or not model.files:
        return ""
    return digest({path: [size, sha256] for path, (size, sha256) in model.files.items()})
