"""What the store reads, as plain words: runs, versions, inputs, logged models; and how MLflow's entities become them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

TAG_LIMIT = 8_000
"""MLflow cuts longer run tags without a word; ours are cut before, visibly."""

GATED = "aims+"
"""What a registry URI begins with where writes are to go through the gate (``aims_mlflow.server``)."""


@dataclass(frozen=True)
class RunView:
    """One run, read once. Times are in UTC."""

    run_id: str
    experiment_id: str
    status: str
    started: datetime
    finished: datetime | None
    name: str = ""
    lifecycle: str = "active"
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset_inputs: tuple[Mapping[str, str], ...] = ()
    artifact_uri: str = ""


@dataclass(frozen=True)
class VersionView:
    """One version of a registered model, read once. ``model_uri`` is ``models:/m-…`` where the source is a logged model."""

    name: str
    version: str
    run_id: str
    source: str
    created: datetime
    stage: str = "None"
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def uri(self) -> str:
        """``models:/NAME/VERSION``."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class InputView:
    """A dataset as an MLflow run input: no value of it, its content sha256 in a tag."""

    name: str
    role: str
    sha256: str
    source: str
    rows: int
    columns: Mapping[str, str]


@dataclass(frozen=True)
class LoggedModel:
    """A model as it was logged: ``models:/m-…``, its flavour and serialisation."""

    uri: str
    flavour: str
    serialization: str


def moment(milliseconds: int | None) -> datetime:
    """Return MLflow's milliseconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp((milliseconds or 0) / 1000, tz=UTC)


def visible_cut(text: str, limit: int = TAG_LIMIT) -> str:
    """Return the text, cut with a sign of it where it is longer than MLflow keeps."""
    sign = " … (cut; the whole is in the bundle)"
    return text if len(text) <= limit else text[: limit - len(sign)] + sign


def run_view(run: Any) -> RunView:
    """Return one of MLflow's runs as ours."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return RunView(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        status=run.info.status,
        started=moment(run.info.start_time),
        finished=moment(run.info.end_time) if run.info.end_time else None,
        name=run.info.run_name or "",
        lifecycle=run.info.lifecycle_stage,
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        dataset_inputs=tuple({"name": i.dataset.name, "digest": i.dataset.digest, **{t.key: t.value for t in i.tags}} for i in inputs),
        artifact_uri=run.info.artifact_uri or "",
    )


def quoted(text: str) -> str:
    """Return text fit to stand between quotes in a filter of MLflow's."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def ungated(uri: str) -> str:
    """Return a registry's URI without the ``aims+`` that asks for the gate before each write: our own promotion asks it already."""
    return uri.removeprefix(GATED)


def without_password(uri: str) -> str:
    """Return a URI fit to be shown."""
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":***@") if parts.password else uri
