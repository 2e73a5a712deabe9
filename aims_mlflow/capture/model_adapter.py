"""Whatever a training function gives as its model - an object, an MLflow URI, a loaded model - as the one ``observation.Model``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from aims_mlflow.errand import Errand
from aims_mlflow.errors import AimsError, CannotMeasure
from aims_mlflow.evidence import digest
from aims_mlflow.observation import Dataset, Model
from aims_mlflow.store.flavours import SECONDS, flavour_name
from aims_mlflow.system import ROLES, System

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.store import LoggedModel, Store

URI_SCHEMES = ("models:/", "runs:/")
COMPARED_ROWS = 200
"""Rows on which two models must agree before they count as the same one."""


def find_model(returned: Any) -> Any:
    """Return the model in what a function returned: itself, or the first in a tuple, list, dict or dataclass; None without one.

    A model is an object with ``predict``, a torch module, an MLflow ``ModelInfo`` or a ``models:/`` or ``runs:/`` URI.
    """
    return next((uri_of(value) or value for value in _candidates(returned) if uri_of(value) or is_model(value)), None)


def is_model(value: Any) -> bool:
    """Whether ``value`` is an object that predicts."""
    if isinstance(value, type):
        return False
    return callable(getattr(value, "predict", None)) or (callable(value) and flavour_name(value) == "torch")


def uri_of(value: Any) -> str:
    """Return the MLflow URI that ``value`` is or stands for (a string, a ModelInfo, a LoggedModel, a loaded pyfunc), or ""."""
    if isinstance(value, str):
        return value if value.startswith(URI_SCHEMES) else ""
    if not type(value).__module__.startswith("mlflow."):
        return ""
    uri = getattr(value, "model_uri", None)
    if isinstance(uri, str) and uri.startswith(URI_SCHEMES):
        return uri
    model_id = getattr(value, "model_id", None)
    return f"models:/{model_id}" if isinstance(model_id, str) and model_id.startswith("m-") else ""


def frame_for_columns(datasets: Mapping[str, Dataset]) -> pd.DataFrame | None:
    """Return a frame that shows which columns there are; None where no data were seen."""
    return next((datasets[role].frame for role in ("train", "test", *ROLES) if role in datasets), None)


def feature_columns(estimator: Any, system: System, frame: pd.DataFrame | None) -> tuple[str, ...] | None:
    """Return the columns the model takes: those it was fitted on, else the system file's, else all but target and sensitive ones.

    None where nothing tells.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return tuple(str(name) for name in names)
    if system.data.features is not None:
        return tuple(system.data.features)
    if frame is None:
        return None
    left_out = {system.task.target, *system.data.sensitive_columns}
    return tuple(str(name) for name in frame.columns if name not in left_out)


def from_object(estimator: Any, system: System, frame: pd.DataFrame | None) -> Model:
    """Return the model that the object is, seen through its own ``predict`` and ``predict_proba``."""
    features = feature_columns(estimator, system, frame)
    proba = getattr(estimator, "predict_proba", None)
    unnamed = getattr(estimator, "feature_names_in_", None) is None and hasattr(estimator, "n_features_in_")
    return Model(
        predict=_on_features(estimator.predict, features, as_array=unnamed),
        features=features,
        predict_proba=_on_features(proba, features, as_array=unnamed) if callable(proba) else None,
        classes=_classes(estimator),
        estimator=estimator,
        flavour=flavour_name(estimator),
    )


def from_uri(uri: str, system: System, frame: pd.DataFrame | None, store: Store) -> Model:
    """Load a logged model and return it with the manifest of its files. Labels come from the pyfunc, as they would be served.

    Raises:
        StoreError: MLflow does not have it, or it cannot be loaded.
    """
    loaded = store.load_pyfunc(uri)
    raw = _raw(loaded)
    schema = loaded.metadata.get_input_schema()
    names = schema.input_names() if schema is not None and schema.has_input_names() else []
    features = tuple(str(n) for n in names) or feature_columns(raw, system, frame)
    proba = getattr(raw, "predict_proba", None)
    flavours = [name for name in loaded.metadata.flavors if name != "python_function"]
    flavour = flavours[0] if flavours else "python_function"
    return Model(
        predict=_on_features(loaded.predict, features),
        features=features,
        predict_proba=_on_features(proba, features) if callable(proba) else None,
        classes=_classes(raw),
        estimator=raw if is_model(raw) else None,
        flavour=flavour,
        serialization=str(loaded.metadata.flavors.get(flavour, {}).get("serialization_format", "")),
        uri=uri,
        files=store.model_files(uri),
    )


def logged_as(model: Model, logged: LoggedModel, store: Store) -> Model:
    """Return the model with where it was logged, and the manifest of its files."""
    return dataclasses.replace(
        model, uri=logged.uri, flavour=logged.flavour, serialization=logged.serialization, files=store.model_files(logged.uri)
    )


def settle(
    found: Any, system: System, frame: pd.DataFrame | None, store: Store, *, run_id: str, name: str
) -> tuple[Model | None, Exception | None]:
    """Return the model to evaluate, as it is logged, and why it could not be logged, if so.

    An object that was logged in the run already (it says the same as the logged one) is not logged again.

    Args:
        found: an object, a URI, or None: then the last model that the run has logged, if any.
        system: for the feature columns where the model does not tell.
        frame: a frame with the feature columns, for the signature; its values are not kept.
        store: MLflow.
        run_id: the run; "" where MLflow is out of reach, so that only an object can be evaluated, and nothing logged.
        name: name of the logged model.

    Raises:
        StoreError: MLflow is out of reach, or does not have the model behind a URI, or it cannot be loaded.
    """
    inside = store.logged_models(run_id) if run_id else []
    if found is None and inside:
        found = inside[-1]
    if found is None:
        return None, None
    if isinstance(found, str) or needs_pyfunc(found):
        store.require()
    if isinstance(found, str):
        return from_uri(settled_uri(found, store), system, frame, store), None
    if needs_pyfunc(found) and run_id:
        return from_uri(store.log_model(found, run_id=run_id, name=name, frame=None).uri, system, frame, store), None
    model = from_object(found, system, frame)
    if not run_id:
        return model, None
    for uri in reversed(inside):
        logged = from_uri(uri, system, frame, store)
        agreeing = Errand(partial(same, model, logged, frame), "aims-same-model")
        if agreeing.wait(SECONDS) and agreeing.result():
            return dataclasses.replace(model, uri=uri, files=logged.files, flavour=logged.flavour, serialization=logged.serialization), None
    try:
        features = None if frame is None or model.features is None else frame[_present(frame, model.features)]
        return logged_as(model, store.log_model(found, run_id=run_id, name=name, frame=features), store), None
    except Exception as error:  # a model that cannot be saved can still be measured; it cannot be promoted
        return model, error


def needs_pyfunc(estimator: Any) -> bool:
    """Whether the object takes something else than a frame, so that only its logged form can be asked."""
    if any(base.__module__ == "mlflow.pyfunc.model" for base in type(estimator).__mro__):  # its predict takes a context, too
        return True
    return not callable(getattr(estimator, "predict", None)) or type(estimator).__module__.startswith("xgboost.core")


def settled_uri(uri: str, store: Store) -> str:
    """Return the URI of the logged model (``models:/m-…``) behind a registered version or a run's path, where there is one."""
    if uri.startswith("models:/") and not uri.startswith("models:/m-"):
        source = store.version(uri).source
        return source if source.startswith("models:/m-") else uri
    if uri.startswith("runs:/"):
        logged = store.logged_models(uri.removeprefix("runs:/").partition("/")[0])
        return logged[0] if len(logged) == 1 else uri
    return uri


def files_digest(uri: str, store: Store) -> str:
    """Return the digest over the files of a model that MLflow has; "" for any other URI, and where it cannot be read."""
    if not uri.startswith(URI_SCHEMES):
        return ""
    try:
        store.require()
        files = store.model_files(uri)
    except AimsError:
        return ""
    return digest({path: [size, sha256] for path, (size, sha256) in files.items()}) if files else ""


def same(one: Model, other: Model, frame: pd.DataFrame | None) -> bool:
    """Whether two models say the same about the first ``COMPARED_ROWS`` rows; False where one of them cannot be asked."""
    import numpy as np

    if frame is None or len(frame) == 0:
        return False
    head = frame.head(COMPARED_ROWS)
    try:
        if not np.array_equal(np.asarray(one.predict(head)), np.asarray(other.predict(head))):
            return False
        if one.predict_proba is None or other.predict_proba is None:
            return True
        return bool(np.allclose(one.predict_proba(head), other.predict_proba(head), rtol=1e-9, atol=1e-12))
    except (Exception, SystemExit):  # a model of the user's: whatever it raises, it did not agree
        return False


def _candidates(returned: Any) -> Iterator[Any]:
    yield returned
    if isinstance(returned, tuple | list):
        yield from returned
    elif isinstance(returned, Mapping):
        yield from returned.values()
    elif dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        yield from (getattr(returned, f.name) for f in dataclasses.fields(returned))


def _raw(loaded: Any) -> Any:
    """Return the library's own object inside a loaded pyfunc, or None."""
    try:
        return loaded.get_raw_model()
    except Exception:  # flavours without one raise what they like
        return None


def _classes(estimator: Any) -> tuple[Any, ...]:
    found = getattr(estimator, "classes_", None)
    if found is None:
        return ()
    return tuple(found.tolist() if hasattr(found, "tolist") else found)


def _on_features(ask: Callable[[Any], Any], features: tuple[str, ...] | None, *, as_array: bool = False) -> Callable[[pd.DataFrame], Any]:
    """Return a function of a whole frame that asks with the feature columns only."""

    def asked(frame: pd.DataFrame) -> Any:
        given = frame if features is None else frame[_present(frame, features)]
        answer = ask(given.to_numpy() if as_array else given)
        one_column = getattr(answer, "ndim", 1) == 2 and answer.shape[1] == 1
        return (answer.to_numpy() if hasattr(answer, "to_numpy") else answer).reshape(-1) if one_column else answer

    return asked


def _present(frame: pd.DataFrame, features: tuple[str, ...]) -> list[str]:
    absent = [name for name in features if name not in frame.columns]
    if absent:
        raise CannotMeasure(
            f"{len(absent)} of the model's {len(features)} columns are not in the data: {', '.join(absent[:5])}",
            fix="pass the frame with the columns that the model was fitted on, or list them under data.features",
        )
    return list(features)
