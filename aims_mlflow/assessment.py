"""Assessing a model that was made before, or elsewhere: the same measures and the same evidence, and what can no longer be known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_mlflow.bundle import ASSESSMENT, BUNDLE_PATH, KIND, Bundle
from aims_mlflow.errors import ConfigurationError, StoreError, UnknownNameError
from aims_mlflow.judging.lines import ControlLine, control_lines
from aims_mlflow.pointing import evidence_run
from aims_mlflow.store import Store, VersionView
from aims_mlflow.system import ROLES, System
from aims_mlflow.unknowns import Unknown

if TYPE_CHECKING:
    import pandas as pd

    from aims_mlflow.recorder import Recorder

READERS: Mapping[str, str] = {
    ".csv": "csv",
    ".gz": "csv",
    ".bz2": "csv",
    ".xz": "csv",
    ".zip": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
}
"""Ending of a data file: how it is read."""


@dataclass(frozen=True)
class Assessment:
    """What came of an assessment. ``version`` is "" where the model is not registered; ``notes`` are for the reader."""

    model: str
    version: str
    run_id: str
    bundle: Bundle
    lines: tuple[ControlLine, ...]
    unknown: tuple[Unknown, ...]
    recorded_by: str
    notes: tuple[str, ...]


def assess(
    model_uri: str,
    data: Mapping[str, str | os.PathLike[str] | pd.DataFrame],
    *,
    system: System,
    register: str | None = None,
    experiment: str | None = None,
    store: Store | None = None,
) -> Assessment:
    """Measure a model on data, in a run of its own, and let its version point to the evidence.

    How the model was made is taken from the run that made it, as far as MLflow has it, and said to be so ("as recorded by run
    X"); what nothing records is missing evidence with the reason, never a guess. The gate takes the assessment where the run that
    made the version has left no evidence of its own (see ``pointing``).

    Args:
        model_uri: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``models:/m-…`` or ``runs:/RUN_ID/NAME``. Loading it runs its code.
        data: role -> file (CSV, Parquet, Feather, JSON lines) or frame; ``test`` at least.
        system: the system that the model is, or is to be, a version of.
        register: name to register the model under where it is not registered yet.
        experiment: MLflow experiment of the run; default: the one MLflow would use.
        store: MLflow; default: its own settings.

    Raises:
        ConfigurationError: no such role, no test data, a file that cannot be read, or a URI of no known form.
        StoreError: MLflow does not answer or has no such model, or the evidence could not be made or written.
    """
    from aims_mlflow.capture.making import source_run
    from aims_mlflow.recorder import Recorder

    frames = _frames(data)
    store = store or Store()
    uri, version = model_of(model_uri, store)
    if version is None and register:
        made_by = source_run(uri, store)
        version = store.register(uri, register, run_id=made_by.run_id if made_by else "", tags={"aims.system": system.id})
    tags = {"aims.system": system.id, KIND: "assessment", "aims.assessed": version.uri if version else uri}
    run_id = store.create_run(experiment, f"assess {version.name}/{version.version}" if version else "assess", tags)
    recorder = Recorder(
        system, store=store, run_id=run_id, register=version.name if version else None, experiment=experiment or "", kind="assessment"
    )
    recorder.model(uri)
    bundle = bundle_of(recorder, frames)
    notes = () if version is None else _point(store, version, run_id)
    now = datetime.now(UTC)
    told = _facts(bundle)
    return Assessment(
        model=uri,
        version=version.uri if version else "",
        run_id=run_id,
        bundle=bundle,
        lines=control_lines(system, bundle.evidence, bundle.results, today=now.date()),
        unknown=tuple(Unknown(**one) for one in told.get("unknown", ())),
        recorded_by=str(told.get("as_recorded_by", "")),
        notes=notes,
    )


def model_of(model_uri: str, store: Store) -> tuple[str, VersionView | None]:
    """Return the URI of the logged model behind one of MLflow's model URIs, and the version that it names, if it names one.

    Raises:
        ConfigurationError: it is no URI of a model.
        StoreError: MLflow does not answer, or has no such model.
    """
    from aims_mlflow.capture.model_adapter import URI_SCHEMES, settled_uri

    if not model_uri.startswith(URI_SCHEMES):
        raise ConfigurationError(
            f"{model_uri!r} is not the URI of a model in MLflow",
            fix="log or register it there first, and write models:/NAME/VERSION, models:/m-… or runs:/RUN_ID/NAME",
        )
    store.require()
    version = store.version(model_uri) if _names_a_version(model_uri) else None
    uri = settled_uri(version.uri if version else model_uri, store)
    store.model_files(uri)  # raises where there is no such model, before anything is made
    return uri, version


def bundle_of(recorder: Recorder, frames: Mapping[str, pd.DataFrame]) -> Bundle:
    """Let the recorder take the frames, role by role, and finish; return its bundle, which stands in MLflow then.

    Raises:
        StoreError: the evidence could not be made, or MLflow did not take it.
    """
    for role, frame in frames.items():
        with recorder.guarded(f"take the {role} data"):
            recorder.data(frame, role)
    bundle = recorder.finish()
    if bundle is None or BUNDLE_PATH not in recorder.store.artifacts(recorder.run_id, str(Path(BUNDLE_PATH).parent)):
        raise StoreError(
            "the evidence could not be made, or did not reach MLflow",
            where=f"run {recorder.run_id}",
            fix="see the log of aims_mlflow for the reason; `aims sync` sends what is kept on this machine",
        )
    return bundle


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the rows of a data file, by its ending; fractions in CSV are read to their last bit.

    Raises:
        ConfigurationError: no such file, an unknown ending, or content that is not what the ending says.
    """
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise ConfigurationError("there is no such data file", where=str(path), fix="check the path")
    kind = READERS.get(file.suffix.casefold())
    if kind is None:
        endings = ", ".join(READERS)
        raise ConfigurationError(
            f"a file that ends in {file.suffix or 'nothing'} is not read", where=str(path), fix=f"give one of {endings}"
        )
    try:
        if kind == "csv":
            return pd.read_csv(file, float_precision="round_trip")
        if kind == "parquet":
            return pd.read_parquet(file)
        if kind == "feather":
            return pd.read_feather(file)
        return pd.read_json(file, lines=True)
    except Exception as error:  # the libraries raise all sorts of errors here, and their texts quote data
        raise ConfigurationError(
            f"the data file cannot be read as {kind} ({type(error).__name__})", where=str(path), fix="check what it holds"
        ) from None


def _frames(data: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    for role in data:
        if role not in ROLES:
            raise UnknownNameError.among("data role", role, ROLES)
    if "test" not in data:
        raise ConfigurationError("there are no test data to assess the model on", fix="give them: --data test=FILE")
    return {role: given if hasattr(given, "columns") else read_table(given) for role, given in data.items()}


def _names_a_version(uri: str) -> bool:
    return uri.startswith("models:/") and not uri.startswith("models:/m-")


def _point(store: Store, version: VersionView, run_id: str) -> tuple[str, ...]:
    """Let the version point to the assessment, index its evidence there where the version has none, and say what the gate will do."""
    store.tag_version(version, {ASSESSMENT: run_id})
    if evidence_run(store, store.version(version.uri)) != run_id:
        said = (
            f"run {version.run_id}, which made {version.uri}, has left evidence of its own: the gate goes by that, not by this assessment"
        )
        return (said,)
    run = store.run(run_id)
    store.tag_version(version, {key: value for key, value in run.tags.items() if key.startswith(("aims.A.", "aims.state", "aims.bundle"))})
    return (f"the gate goes by this assessment for {version.uri}: the run that made it has left no evidence of its own",)


def _facts(bundle: Bundle) -> dict[str, Any]:
    return next((dict(result.facts) for result in bundle.results if result.check == "upstream"), {})
