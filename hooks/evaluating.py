"""The model evaluator ``aims`` of ``mlflow.models.evaluate``: the same evidence, from a model and the data it is evaluated on.

``mlflow.models.evaluate(model, frame, targets="y", model_type="classifier", evaluators="aims", evaluator_config={"system": "aims.yaml"})``
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models.evaluation import EvaluationArtifact, EvaluationResult, ModelEvaluator

from aims_mlflow.errors import ConfigurationError, StoreError, UnknownNameError
from aims_mlflow.system.identity import registrable

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.recorder import Recorder
    from aims_mlflow.store import Store
    from aims_mlflow.system import System

log = logging.getLogger("aims_mlflow")

TASKS = {"classifier": ("binary_classification", "multiclass_classification"), "regressor": ("regression",)}
"""MLflow's model type -> the task kinds of the system file that it can be."""

ASKED_BY_NAME = "_evaluate"
"""The function of MLflow's that asks an evaluator which somebody named; one that nobody named is asked elsewhere, and passed over."""


class BundleArtifact(EvaluationArtifact):
    """The signed bundle as an artifact of the evaluation; its content is the envelope's bytes."""

    def _load_content_from_file(self, local_artifact_path: str) -> Any:
        return Path(local_artifact_path).read_bytes()

    def _save(self, output_artifact_path: str) -> None:
        content: Any = self.content
        Path(output_artifact_path).write_bytes(content)


class AimsEvaluator(ModelEvaluator):
    """Evidence of an AI system for a classifier or a regressor.

    ``evaluator_config``: ``system`` (path of the system file, or a ``System``; needed), ``role`` of the data (default ``test``),
    further frames under the names of their roles (``train``, ``validation``, ``reference``, ``production``), ``scores`` (the
    column with the positive label's probability, for predictions that were made elsewhere), ``register`` (name to register a
    model under that this run has logged).
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str, evaluator_config: Mapping[str, Any] | None, **kwargs: Any) -> bool:  # noqa: ARG003 - MLflow's form
        """Return whether there is a system to evaluate for.

        Raises:
            ConfigurationError: the evaluator was asked for by name and not told of which system.
        """
        if "system" in (evaluator_config or {}):
            return model_type in TASKS
        if sys._getframe(1).f_code.co_name == ASKED_BY_NAME:
            raise ConfigurationError(
                "the evaluator aims was not told which system the model is of", fix='pass evaluator_config={"system": "aims.yaml"}'
            )
        return False

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,
        run_id: str,
        evaluator_config: Mapping[str, Any],
        model: Any = None,
        predictions: str | None = None,
        **kwargs: Any,  # noqa: ARG002 - MLflow's form
    ) -> Any:
        """Measure, judge and sign; the bundle goes into the run, or into a child of it where the run has evidence already.

        Returns:
            MLflow's ``EvaluationResult``: metrics ``aims.<check>.<measure>``, and the bundle as the artifact ``aims_bundle``.

        Raises:
            ConfigurationError: the system file cannot be used, does not fit the model type, or a role is unknown.
            StoreError: the evidence could not be made; the log says why.
        """
        from aims_mlflow.bundle import BUNDLE_PATH
        from aims_mlflow.capture import publication
        from aims_mlflow.hooks.lifecycle import configured
        from aims_mlflow.store import Store

        system = configured(evaluator_config["system"])
        role, others = _roles(evaluator_config)
        if system.task.kind not in TASKS.get(model_type, ()):
            known = " or ".join(TASKS.get(model_type, ("nothing that is known",)))
            what = f"the model type {model_type!r} means {known}, the system file says {system.task.kind}"
            raise ConfigurationError(what, fix="correct model_type, or task.kind in aims.yaml")
        if predictions is not None:
            raise ConfigurationError(
                "the column of a model's output cannot be chosen",
                fix="leave `predictions` out, or evaluate the predictions without a model",
            )
        store = Store()
        recorder = _recorder(system, store, run_id, model, evaluator_config)
        _tell(recorder, dataset, role, others, evaluator_config.get("scores"))
        bundle = recorder.finish()
        if bundle is None:
            raise StoreError(
                "the evidence could not be made", where=f"run {recorder.run_id}", fix="see the log of aims_mlflow for the reason"
            )
        content = store.read(recorder.run_id, BUNDLE_PATH)
        artifact: Any = BundleArtifact  # MLflow's constructors have no types
        result: Any = EvaluationResult
        made = {"aims_bundle": artifact(f"runs:/{recorder.run_id}/{BUNDLE_PATH}", content)}
        return result(publication.metrics(bundle.results, system.requirements), made, run_id=recorder.run_id)


def _roles(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the role of the evaluated data, and the further frames by role."""
    from aims_mlflow.system import ROLES

    role = str(config.get("role", "test"))
    frames = {str(name): value for name, value in config.items() if hasattr(value, "columns")}
    for name in (role, *frames):
        if name not in ROLES:
            raise UnknownNameError.among("data role", name, ROLES, where="evaluator_config")
    if role in frames:
        raise ConfigurationError(f"the {role} data were given twice", where="evaluator_config", fix="leave one out, or name another role")
    return role, frames


def _recorder(system: System, store: Store, run_id: str, model: Any, config: Mapping[str, Any]) -> Recorder:
    """Return a recorder for the run, or for a child of it where the run has one; of an assessment where another run made the model."""
    from aims_mlflow.capture.model_adapter import uri_of
    from aims_mlflow.hooks.autologging import follows
    from aims_mlflow.hooks.lifecycle import claim
    from aims_mlflow.hooks.sessions import training_file
    from aims_mlflow.recorder import Recorder

    uri = uri_of(model)
    made_here = model is not None and (not uri or store.model_run(uri) == run_id)
    joined = not follows(run_id) and claim(run_id)
    if not joined:
        run_id = store.create_run(None, None, {"aims.system": system.id, "mlflow.parentRunId": run_id})
        claim(run_id)
    recorder = Recorder(
        system,
        store=store,
        run_id=run_id,
        file=training_file() if made_here else "",
        register=registrable(config.get("register")),
        ends_run=not joined,
        kind="training" if made_here else "assessment",
    )
    if model is not None:
        with recorder.guarded("take the model"):
            recorder.model(uri or model)
    return recorder


def _tell(recorder: Recorder, dataset: Any, role: str, others: Mapping[str, Any], scores: str | None) -> None:
    for name, frame in others.items():
        with recorder.guarded(f"take the {name} data"):
            recorder.data(frame, name)
    frame = _whole(dataset, recorder.system.task.target, others)
    said = None
    if scores is not None:
        if scores not in frame.columns:
            raise UnknownNameError.among("column", str(scores), [str(c) for c in frame.columns], where="evaluator_config, scores")
        said, frame = frame[scores].to_numpy(), frame.drop(columns=[scores])
    with recorder.guarded(f"take the {role} data"):
        recorder.data(frame, role)
    if dataset.predictions_data is not None:
        recorder.predictions(role, dataset.predictions_data, scores=said)


def _whole(dataset: Any, target: str, others: Mapping[str, Any]) -> pd.DataFrame:
    """Return the evaluated data as one frame: MLflow has taken the targets out, and does not say from where.

    The target is put last, and the columns into the order of another frame that has the same ones.
    """
    import pandas as pd

    features = dataset.features_data
    frame = features.copy(deep=False) if hasattr(features, "iloc") else pd.DataFrame(features, columns=list(dataset.feature_names))
    if dataset.labels_data is not None and target not in frame.columns:
        frame = frame.assign(**{target: pd.Series(dataset.labels_data, index=frame.index)})
    for other in others.values():
        if len(other.columns) == len(frame.columns) and set(other.columns) == set(frame.columns):
            return frame[list(other.columns)]
    return frame
