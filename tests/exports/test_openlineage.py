"""OpenLineage events: read into openlineage-python's own classes, with the standard's facets and ours."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from aims_mlflow.errors import ConfigurationError
from aims_mlflow.evidence import State
from aims_mlflow.exports import Material, make

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:openlineage")  # the library's own


def written(about: Material) -> list[Any]:
    return [json.loads(line) for line in make("openlineage", about).content.decode().splitlines()]


def standard_facets() -> dict[str, Any]:
    from openlineage.client.generated import (
        dataset_version_dataset,
        datasource_dataset,
        documentation_job,
        input_statistics_input_dataset,
        job_type_job,
        schema_dataset,
        test_run,
    )

    return {
        "schema": schema_dataset.SchemaDatasetFacet,
        "version": dataset_version_dataset.DatasetVersionDatasetFacet,
        "dataSource": datasource_dataset.DatasourceDatasetFacet,
        "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
        "jobType": job_type_job.JobTypeJobFacet,
        "documentation": documentation_job.DocumentationJobFacet,
        "test": test_run.TestRunFacet,
    }


def facets(given: dict[str, Any]) -> dict[str, Any]:
    """Read facets into the library's classes; those of our own stay as they are."""
    read = {}
    for name, content in given.items():
        fields = {key: value for key, value in content.items() if not key.startswith("_")}
        if name.startswith("aims_"):
            assert content["_schemaURL"].startswith("urn:aims-mlflow:")
            read[name] = fields
        else:
            read[name] = standard_facets()[name](**fields)
            assert content["_schemaURL"] == read[name]._schemaURL, name
        assert content["_producer"]
    return read


def event(content: dict[str, Any]) -> Any:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    inputs = [
        InputDataset(i["namespace"], i["name"], facets=facets(i["facets"]), inputFacets=facets(i["inputFacets"])) for i in content["inputs"]
    ]
    outputs = [OutputDataset(o["namespace"], o["name"], facets=facets(o["facets"])) for o in content["outputs"]]
    return RunEvent(
        eventType=RunState(content["eventType"]),
        eventTime=content["eventTime"],
        run=Run(content["run"]["runId"], facets=facets(content["run"].get("facets", {}))),
        job=Job(content["job"]["namespace"], content["job"]["name"], facets=facets(content["job"]["facets"])),
        inputs=inputs,
        outputs=outputs,
        producer=content["producer"],
    )


def test_the_librarys_classes_take_both_events(about: Material) -> None:
    began, ended = (event(content) for content in written(about))
    assert (began.eventType.value, ended.eventType.value) == ("START", "COMPLETE")
    assert began.eventTime < ended.eventTime
    assert began.run.runId == ended.run.runId
    assert about.bundle is not None
    assert UUID(ended.run.runId).hex == about.bundle.run.run_id
    assert [c["schemaURL"] for c in written(about)] == [ended.schemaURL] * 2


def test_data_go_in_and_the_model_comes_out(about: Material) -> None:
    ended = written(about)[1]
    assert about.bundle is not None
    assert [i["facets"]["aims_fingerprint"]["sha256"] for i in ended["inputs"]] == [d.sha256 for d in about.bundle.datasets]
    assert [i["inputFacets"]["inputStatistics"]["rowCount"] for i in ended["inputs"]] == [1000, 1000]
    assert ended["inputs"][0]["facets"]["dataSource"]["uri"] == "https://example.org/data.csv"
    assert ended["inputs"][1]["facets"]["aims_fingerprint"]["source"] == "unknown"
    assert [(o["namespace"], o["name"]) for o in ended["outputs"]] == [("mlflow.models", "loans")]
    assert written(about)[0]["outputs"] == []


def test_missing_evidence_is_a_skipped_test_and_never_a_pass(about: Material) -> None:
    tests = written(about)[1]["run"]["facets"]["test"]["tests"]
    assert len(tests) == len(about.evidence)
    states = {t["params"]["evidence"]: State(t["params"]["state"]) for t in tests}
    for one in tests:
        state = states[one["params"]["evidence"]]
        expected = "pass" if state is State.PASS else "skip" if state in (State.MISSING, State.NOT_APPLICABLE, State.WAIVED) else "fail"
        assert one["status"] == expected


def test_our_facet_holds_the_whole(about: Material) -> None:
    own = written(about)[1]["run"]["facets"]["aims_evidence"]
    assert [c["control"] for c in own["controls"]] == [line.control for line in about.lines]
    assert own["bundleSha256"] == (about.version.bundle_sha256 if about.version else "")
    assert [i["what"] for i in own["openItems"]] == [i.what for i in about.record.open_items]


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [("finished", "COMPLETE"), ("raised ValueError", "FAIL"), ("raised KeyboardInterrupt", "ABORT")],
    ids=["finished", "raised", "stopped"],
)
def test_a_run_that_did_not_end_well_says_so(about: Material, outcome: str, ending: str) -> None:
    from dataclasses import replace

    assert about.seen is not None
    assert about.bundle is not None
    bundle = about.bundle.model_copy(update={"run": about.bundle.run.model_copy(update={"outcome": outcome})})
    changed = Material(about.record, replace(about.read, counted=replace(about.seen, bundle=bundle)))
    assert written(changed)[1]["eventType"] == ending


@pytest.mark.parametrize("known", [True, False], ids=["declared", "not-declared"])
def test_without_a_run_there_is_nothing_to_tell(made: Any, known: bool) -> None:
    with pytest.raises(ConfigurationError, match=r"no run has left evidence.*Fix: run the training"):
        make("openlineage", made.nothing(known=known))
