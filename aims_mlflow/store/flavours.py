"""Saving a model with its own MLflow flavour: which flavour an object has, its signature and its pinned requirements."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.errand import Errand

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("aims_mlflow")


SECONDS = 60.0
"""How long a model may take for the few rows that are asked of it before any check; one that hangs must not hold up the training."""


@dataclass(frozen=True)
class Flavour:
    """How objects of a library are saved: the MLflow module, the name of its model argument, and what to pin."""

    module: str
    argument: str
    distributions: tuple[str, ...]


FLAVOURS: dict[str, Flavour] = {
    "catboost": Flavour("mlflow.catboost", "cb_model", ("catboost", "pandas")),
    "keras": Flavour("mlflow.keras", "model", ("keras", "numpy")),
    "lightgbm": Flavour("mlflow.lightgbm", "lgb_model", ("lightgbm", "scikit-learn", "pandas")),
    "sklearn": Flavour("mlflow.sklearn", "sk_model", ("scikit-learn", "numpy", "pandas", "skops")),
    "statsmodels": Flavour("mlflow.statsmodels", "statsmodels_model", ("statsmodels", "pandas")),
    "torch": Flavour("mlflow.pytorch", "pytorch_model", ("torch", "numpy")),
    "xgboost": Flavour("mlflow.xgboost", "xgb_model", ("xgboost", "scikit-learn", "pandas")),
}
"""Library -> flavour, by the package that the object's class, or a base of it, comes from."""

GENERIC = Flavour("mlflow.pyfunc", "python_model", ("cloudpickle", "numpy", "pandas"))
"""For whatever has ``predict`` and no flavour of its own."""


TRUSTED = ["numpy.dtype"]
"""What skops may load beyond its own list: imputers keep the dtype they were fitted on, and a dtype holds no code."""


@dataclass(frozen=True)
class Saved:
    """What was saved: flavour and serialisation format (``skops``, ``cloudpickle``, or the flavour's own)."""

    flavour: str
    serialization: str


def flavour_name(model: Any) -> str:
    """Return the key in ``FLAVOURS`` of the library that ``model`` belongs to, or ``python_function``."""
    for base in type(model).__mro__:
        package = base.__module__.partition(".")[0]
        if package in FLAVOURS:
            return package
    return "python_function"


def requirements(names: tuple[str, ...]) -> list[str]:
    """Return ``name==version`` for mlflow and each of the distributions that is installed.

    Given to MLflow because its own inference imports the model in a subprocess, which takes tens of seconds.
    """

    def pinned() -> Iterator[str]:
        for name in ("mlflow", *names):
            try:
                yield f"{name}=={version(name)}"
            except PackageNotFoundError:
                log.debug("%s is not installed: left out of the model's requirements", name)

    return list(pinned())


def save(model: Any, folder: Path, mlflow_model: Any, *, frame: pd.DataFrame | None) -> Saved:
    """Save ``model`` into ``folder`` with its flavour.

    scikit-learn models are saved with skops, which unpickles nothing it does not trust; where skops refuses a type,
    cloudpickle is used and the result says so.

    Args:
        model: anything with ``predict``.
        folder: must not exist yet.
        mlflow_model: the ``mlflow.models.Model`` that names run and model id.
        frame: feature columns only, for the signature; None leaves the model without one.
    """
    name = flavour_name(model)
    flavour = FLAVOURS.get(name, GENERIC)
    arguments: dict[str, Any] = {"pip_requirements": requirements(flavour.distributions), "mlflow_model": mlflow_model}
    module = importlib.import_module(flavour.module)
    with warnings.catch_warnings(record=True):  # MLflow forces some of its warnings through filters
        warnings.simplefilter("ignore")  # MLflow's hints about formats and integer columns are not for the user's training log
        if frame is not None:
            arguments["signature"] = _signature(model, frame)
        given = _as_python_model(model) if name == "python_function" else model
        if name == "torch":  # MLflow's default, a traced graph, wants example rows and a tensor signature
            arguments = {k: v for k, v in arguments.items() if k != "signature"} | {"serialization_format": "pickle"}
        if name != "sklearn":
            module.save_model(**{flavour.argument: given}, path=str(folder), **arguments)
            return Saved(name, {"python_function": "cloudpickle", "torch": "pickle"}.get(name, name))
        try:
            module.save_model(given, path=str(folder), serialization_format="skops", skops_trusted_types=TRUSTED, **arguments)
        except Exception as refused:
            log.debug("skops refused the model (%s): saved with cloudpickle", type(refused).__name__)
            empty(folder)
            module.save_model(given, path=str(folder), serialization_format="cloudpickle", **arguments)
            return Saved(name, "cloudpickle")
        return Saved(name, "skops")


def empty(folder: Path) -> None:
    """Remove a folder that a failed or careless save has left."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _signature(model: Any, frame: pd.DataFrame) -> Any:
    """Infer the signature from column types and one prediction's type; no value of the frame is kept."""
    from mlflow.models import infer_signature

    head = frame.head(5)
    asked = Errand(lambda: model.predict(head), "aims-signature")  # a model that hangs hangs there
    try:
        if not asked.wait(SECONDS):
            log.warning("the model did not predict %s rows within %g s: it is saved without what it returns", len(head), SECONDS)
            return infer_signature(head)
        return infer_signature(head, asked.result())
    except (Exception, SystemExit) as error:
        log.debug("the model could not predict for its signature: %s", type(error).__name__)
        return infer_signature(head)


def _as_python_model(model: Any) -> Any:
    from mlflow.pyfunc.model import PythonModel

    if isinstance(model, PythonModel):
        return model

    class Predicting(PythonModel):
        """Any object with ``predict`` as a python_function model."""

        # Without type hints: MLflow reads them as a schema.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - MLflow's form
            return model.predict(model_input)

    return Predicting()
