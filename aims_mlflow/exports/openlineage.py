"""OpenLineage events of the run that gave the evidence: its data go in, its model comes out, and what was found stands in facets.

Spec 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json); one event a line, START and then COMPLETE, FAIL or ABORT.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aims_mlflow.bundle import DatasetSummary, RunSummary
from aims_mlflow.describing import address
from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import Evidence, Severity, State
from aims_mlflow.exports.inert import figure, json_bytes, stamp
from aims_mlflow.exports.material import Material

PRODUCER = "https://pypi.org/project/aims-mlflow"
SPEC = "https://openlineage.io/spec"
SCHEMA = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
OWN = "urn:aims-mlflow:openlineage:v1"
"""Stands where a facet of ours names its schema."""

Json = dict[str, Any]


def build(material: Material) -> bytes:
    """Return the events as JSON lines.

    Raises:
        ConfigurationError: no version has evidence that can be believed, so there is no run to tell of.
    """
    return b"".join(json_bytes(event, indent=None) for event in events(material))


def events(material: Material) -> list[Json]:
    """Return the events of the run."""
    bundle = material.bundle
    if bundle is None:
        why = material.version.verification if material.version else "no run has left evidence"
        raise ConfigurationError(
            f"there is no run with believable evidence to tell of: {why}",
            where=material.record.version or material.record.system.id,
            fix="run the training under @aims.track; the other formats say what is missing",
        )
    job = {
        "namespace": "mlflow",
        "name": f"aims.{material.record.system.id}.{bundle.run.kind}",
        "facets": {
            "jobType": _facet(
                "facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
                processingType="BATCH",
                integration="MLFLOW",
                jobType=bundle.run.kind.upper(),
            ),
            "documentation": _facet(
                "facets/1-1-0/DocumentationJobFacet.json#/$defs/DocumentationJobFacet",
                description=material.record.system.purpose or "purpose unknown: nobody has declared it",
            ),
        },
    }
    begun = {"runId": _run_id(material, bundle.run)}
    inputs = [_input(material, d) for d in bundle.datasets]
    shared = {"job": job, "inputs": inputs, "producer": PRODUCER, "schemaURL": SCHEMA}
    return [
        {"eventType": "START", "eventTime": stamp(bundle.run.started), "run": begun, "outputs": [], **shared},
        {
            "eventType": _ending(bundle.run),
            "eventTime": stamp(bundle.run.finished),
            "run": begun | {"facets": _run_facets(material)},
            "outputs": _outputs(material),
            **shared,
        },
    ]


def _facet(schema: str, **fields: Any) -> Json:
    """Return a facet of the standard's; with no schema, one of ours."""
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/{schema}" if schema else OWN, **fields}


def _run_id(material: Material, run: RunSummary) -> str:
    """Return MLflow's run id as the UUID that it is; another kind of id gets one that follows from it."""
    try:
        return str(UUID(hex=run.run_id))
    except ValueError:
        return material.id_of("run", run.run_id)


def _ending(run: RunSummary) -> str:
    if run.outcome == "finished":
        return "COMPLETE"
    return "ABORT" if run.outcome.endswith(("KeyboardInterrupt", "SystemExit", "GeneratorExit", "CancelledError")) else "FAIL"


def _run_facets(material: Material) -> Json:
    """Return the evidence twice: as test executions of the standard's, and whole as a facet of ours."""
    record, bundle = material.record, material.bundle
    version = material.version
    return {
        "test": _facet(
            "facets/1-0-1/TestRunFacet.json#/$defs/TestRunFacet", tests=[_test(material, e) for e in material.evidence.values()]
        ),
        "aims_evidence": _facet(
            "",
            mlflowRunId=bundle.run.run_id if bundle else "",
            mlflowExperiment=bundle.run.experiment if bundle else "",
            outcome=bundle.run.outcome if bundle else "",
            system=record.system.id,
            state=record.state.value,
            decision=record.decision,
            highestRisk=record.highest_risk.value,
            bundleSha256=version.bundle_sha256 if version else "",
            policySha256=record.system.policy_sha256,
            verification=version.verification if version else "",
            keyIds=list(version.key_ids) if version else [],
            controls=[{"control": i.control, "title": i.title, "state": i.state.value, "reason": i.reason} for i in material.lines],
            measures=[m.model_dump(mode="json") for m in record.measures],
            openItems=[{"weight": i.weight, "what": i.what, "fix": i.fix} for i in record.open_items],
        ),
    }


def _test(material: Material, evidence: Evidence) -> Json:
    """A test that nobody could run is skipped, which is not a pass; only critical requirements can stop a version."""
    measured = next((m for m in material.measures_of(evidence) if m.group is None), None)
    skipped = evidence.state in (State.MISSING, State.NOT_APPLICABLE, State.WAIVED)
    return {
        "name": evidence.requirement,
        "status": "pass" if evidence.state is State.PASS else "skip" if skipped else "fail",
        "severity": "error" if evidence.severity is Severity.CRITICAL else "warn",
        "type": evidence.check,
        "description": f"{evidence.state.value}: {evidence.reason}",
        "expected": measured.bound if measured else "not a measured requirement",
        "actual": figure(measured.value) if measured else "not measured",
        "params": {"evidence": evidence.id, "state": evidence.state.value, "controls": list(evidence.controls), "kind": evidence.kind},
    }


def _input(material: Material, data: DatasetSummary) -> Json:
    source = address(data.source)
    facets = {
        "schema": _facet(
            "facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
            fields=[{"name": name, "type": dtype} for name, dtype in zip(data.columns, data.dtypes, strict=True)],
        ),
        "version": _facet(
            "facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
            datasetVersion=f"{data.algorithm}:{data.sha256}",
        ),
        "aims_fingerprint": _facet(
            "", role=data.role, sha256=data.sha256, algorithm=data.algorithm, rows=data.rows, source=source or "unknown"
        ),
    }
    if source:
        facets["dataSource"] = _facet("facets/1-0-1/DatasourceDatasetFacet.json#/$defs/DatasourceDatasetFacet", name=source, uri=source)
    return {
        "namespace": f"aims.{material.record.system.id}",
        "name": f"{data.role}:{data.sha256}",
        "facets": facets,
        "inputFacets": {
            "inputStatistics": _facet(
                "facets/1-0-0/InputStatisticsInputDatasetFacet.json#/$defs/InputStatisticsInputDatasetFacet", rowCount=data.rows
            )
        },
    }


def _outputs(material: Material) -> list[Json]:
    """Return the model, by its registered version where there is one."""
    bundle, seen = material.bundle, material.seen
    if bundle is None or bundle.model is None or seen is None:
        return []
    model = bundle.model
    return [
        {
            "namespace": "mlflow.models",
            "name": seen.name or model.registered or model.uri,
            "facets": {
                "version": _facet(
                    "facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
                    datasetVersion=seen.version or model.uri,
                ),
                "aims_model": _facet(
                    "",
                    uri=model.uri,
                    version=seen.uri,
                    flavour=model.flavour or "unknown",
                    serialization=model.serialization or "unknown",
                    files=[{"path": path, "size": f.size, "sha256": f.sha256} for path, f in sorted(model.files.items())],
                ),
            },
            "outputFacets": {},
        }
    ]
