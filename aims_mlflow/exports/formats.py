"""The formats by name, and how one is made: which file it becomes and what it needs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from aims_mlflow.errors import ConfigurationError, UnknownNameError
from aims_mlflow.exports.material import Files, Material, collect
from aims_mlflow.store import Store
from aims_mlflow.system import System


@dataclass(frozen=True)
class Format:
    """One format: the module whose ``build`` makes it, the ending of its file, and what it is in a line."""

    name: str
    module: str
    ending: str
    media_type: str
    what: str
    files: Files = "none"
    binary: bool = False

    def maker(self) -> Callable[[Material], bytes]:
        """Import and return the function that makes it."""
        found: Callable[[Material], bytes] = import_module(f"aims_mlflow.exports.{self.module}").build
        return found


@dataclass(frozen=True)
class Exported:
    """What came out: the bytes, a file name for them, and what they are about."""

    format: str
    content: bytes
    file_name: str
    media_type: str
    system: str
    version: str
    made: str
    binary: bool

    @property
    def sha256(self) -> str:
        """Digest of the bytes."""
        return hashlib.sha256(self.content).hexdigest()


_JSON = "application/json"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format("oscal-catalog", "oscal_catalog", "json", _JSON, "the 38 controls, with what counts as evidence (OSCAL)"),
            Format(
                "oscal-assessment-results",
                "oscal_results",
                "json",
                _JSON,
                "findings, observations and risks of one model version (OSCAL)",
            ),
            Format("oscal-poam", "oscal_poam", "json", _JSON, "what is open and which risks are to be treated (OSCAL)"),
            Format(
                "cyclonedx",
                "cyclonedx",
                "cdx.json",
                "application/vnd.cyclonedx+json; version=1.6",
                "bill of materials of the model, with its model card (CycloneDX 1.6)",
            ),
            Format(
                "in-toto-test-result",
                "in_toto",
                "dsse.json",
                "application/vnd.dsse.envelope.v1+json",
                "signed attestation of what passed and what did not (in-toto test-result v0.1)",
            ),
            Format("openlineage", "openlineage", "jsonl", "application/jsonl", "events of the training run (OpenLineage)"),
            Format("model-card", "hub_card", "md", "text/markdown; charset=utf-8", "model card (Hugging Face form)", files="card"),
            Format("risk-csv", "risk_csv", "csv", "text/csv; charset=utf-8", "the risk register as a table"),
            Format("risk-xlsx", "risk_xlsx", "xlsx", _XLSX, "the risk register as a workbook", binary=True),
            Format(
                "ciso-assistant",
                "ciso_assistant",
                "csv",
                "text/csv; charset=utf-8",
                "requirement assessments by URN, to import into CISO Assistant",
            ),
            Format(
                "audit-pack",
                "audit_pack",
                "zip",
                "application/zip",
                "everything for an auditor, with the means to verify it",
                files="all",
                binary=True,
            ),
        )
    }
)
"""Name -> format, in the order in which they are listed."""


def make(name: str, material: Material) -> Exported:
    """Make a format from what was collected. Pure but for ``in-toto-test-result``, which signs.

    Raises:
        UnknownNameError: there is no such format.
        ConfigurationError: a library that the format needs is not installed, or there is nothing that it could say.
    """
    if name not in FORMATS:
        raise UnknownNameError.among("format", name, FORMATS)
    one, record = FORMATS[name], material.record
    return Exported(
        format=name,
        content=one.maker()(material),
        file_name=f"{record.system.id}-{name}.{one.ending}",
        media_type=one.media_type,
        system=record.system.id,
        version=record.version,
        made=record.made.isoformat(),
        binary=one.binary,
    )


def export(
    name: str,
    system: System | str | os.PathLike[str],
    *,
    version: str | None = None,
    out: Path | None = None,
    store: Store | None = None,
    today: date | None = None,
) -> Exported:
    """Export the record of a system in one of the ``FORMATS``. Nothing is written to MLflow.

    Args:
        name: a name in ``FORMATS``.
        system: a System, the path of a system file, or a system's id, as ``aims.summarise`` takes it.
        version: a model version's number, or ``models:/NAME/NUMBER``; default: the one that the record is about.
        out: the file to write; default: none is written.
        store: the MLflow to read; default: MLflow's own settings.
        today: the day of the record; default: now.

    Raises:
        ConfigurationError: an unknown format or version, a system file that cannot be used, a library that is not installed, or
            a file that cannot be written.
        StoreError: MLflow cannot be read.
    """
    if name not in FORMATS:
        raise UnknownNameError.among("format", name, FORMATS)
    made = make(name, collect(system, version=version, store=store, today=today, files=FORMATS[name].files))
    if out is not None:
        try:
            Path(out).write_bytes(made.content)
        except OSError as error:
            raise ConfigurationError(
                f"the export cannot be written: {error.strerror}", where=str(out), fix="choose a file you may write to"
            ) from None
    return made
