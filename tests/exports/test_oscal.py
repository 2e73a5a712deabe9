"""OSCAL: trestle reads all three, every reference resolves, nothing missing is satisfied, and the numbers are the record's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aims_mlflow.controls import controls
from aims_mlflow.evidence import State
from aims_mlflow.exports import Material, make
from aims_mlflow.exports.oscal_parts import OSCAL_VERSION
from aims_mlflow.records.risk_words import Level

NAMES = ("oscal-catalog", "oscal-assessment-results", "oscal-poam")


def written(name: str, about: Material) -> Any:
    return json.loads(make(name, about).content)


def inside(name: str, about: Material) -> Any:
    return next(iter(written(name, about).values()))


def model_of(name: str) -> Any:
    from trestle.oscal.assessment_results import AssessmentResults
    from trestle.oscal.catalog import Catalog
    from trestle.oscal.poam import PlanOfActionAndMilestones

    readers: dict[str, Any] = dict(zip(NAMES, (Catalog, AssessmentResults, PlanOfActionAndMilestones), strict=True))
    return readers[name]


def every(content: Any, key: str) -> Iterator[Any]:
    """Yield the values under a key, wherever it stands."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            yield from every(value, key)
    elif isinstance(content, list):
        for one in content:
            yield from every(one, key)


def property_of(thing: Any, name: str) -> str:
    return str(next(p["value"] for p in thing["props"] if p["name"] == name))


@pytest.mark.parametrize("name", NAMES)
def test_trestle_reads_it(name: str, any_material: Material, tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_bytes(make(name, any_material).content)
    read = model_of(name).oscal_read(path)
    assert read is not None
    assert read.metadata.oscal_version.root.root == OSCAL_VERSION


def test_the_version_is_the_one_that_trestle_supports() -> None:
    from trestle.oscal import OSCAL_VERSION as SUPPORTED

    assert OSCAL_VERSION == SUPPORTED


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_resolves_and_no_identifier_stands_twice(name: str, any_material: Material) -> None:
    content = inside(name, any_material)
    own = list(every(content, "uuid"))
    components = {c["uuid"] for found in every(content, "components") for c in found}
    assert len({u for u in own if u not in components}) == len([u for u in own if u not in components])
    pointing = ("observation-uuid", "risk-uuid", "finding-uuid", "actor-uuid", "component-uuid", "subject-uuid")
    there = set(own)
    for key in pointing:
        assert set(every(content, key)) <= there, key
    assert {u for found in every(content, "party-uuids") for u in found} <= there
    assert {href[1:] for href in every(content, "href") if href.startswith("#")} <= there


def test_the_catalog_has_all_controls_and_none_of_the_standards_text(about: Material) -> None:
    found = [c for g in inside("oscal-catalog", about)["groups"] for c in g["controls"]]
    assert [c["id"] for c in found] == [c.oscal_id for c in controls()]
    assert [next(p["value"] for p in c["props"] if p["name"] == "label") for c in found] == [c.id for c in controls()]
    assert {p["prose"] for c in found for p in c["parts"] if p["name"] == "statement"} == {
        "The text of the control is ISO's and is not here: see ISO/IEC 42001:2023, Annex A."
    }


def test_findings_are_about_objectives_of_the_catalog(about: Material) -> None:
    known = {p["id"] for g in inside("oscal-catalog", about)["groups"] for c in g["controls"] for p in c["parts"]}
    result = inside("oscal-assessment-results", about)["results"][0]
    assert {f["target"]["target-id"] for f in result["findings"]} <= known


def test_only_what_passes_is_satisfied_and_what_is_missing_is_there(any_material: Material) -> None:
    result = inside("oscal-assessment-results", any_material)["results"][0]
    by_state = {line.control: line.state for line in any_material.lines}
    found = {f["title"].split()[0].replace("\\", ""): f for f in result["findings"]}
    assert set(found) == {c for c, state in by_state.items() if state is not State.NOT_APPLICABLE}
    for control, finding in found.items():
        assert property_of(finding, "state") == by_state[control].value
        assert (finding["target"]["status"]["state"] == "satisfied") == (by_state[control] is State.PASS), control
    selected = result["reviewed-controls"]["control-selections"][0]
    left_out = {c["control-id"] for c in selected.get("exclude-controls", [])}
    assert left_out == {c.oscal_id for c in controls() if by_state[c.id] is State.NOT_APPLICABLE}
    assert len(selected["include-controls"]) + len(left_out) == 38


def test_what_does_not_apply_is_excluded_with_its_reason(about: Material) -> None:
    selected = inside("oscal-assessment-results", about)["results"][0]["reviewed-controls"]["control-selections"][0]
    assert selected["exclude-controls"] == [{"control-id": "a.10.4"}]
    assert "there is no customer" in selected["remarks"]


def test_missing_evidence_stands_before_what_is_known(about: Material) -> None:
    states = [property_of(o, "state") for o in inside("oscal-assessment-results", about)["results"][0]["observations"]]
    assert states.count("missing") == sum(e.state is State.MISSING for e in about.evidence.values()) > 0
    assert "missing" not in states[states.count("missing") :]


def test_numbers_are_those_of_the_bundle(about: Material) -> None:
    result = inside("oscal-assessment-results", about)["results"][0]
    one = next(o for o in result["observations"] if o["title"].startswith("performance.roc"))
    assert one["relevant-evidence"][0]["description"] == (
        "roc_auc_score (dataset test): 0.8; interval 0.78 to 0.82 (DeLong); n 1000; asked: at least 0.7"
    )
    for entry, risk in zip(about.record.risks.entries, result["risks"], strict=True):
        facets = {f["name"]: f["value"] for f in risk["characterizations"][0]["facets"]}
        p = entry.likelihood.p
        assert facets["likelihood-p"] == ("unknown" if p is None else repr(p))
        assert facets["level"] == entry.level.value
        if entry.level is Level.UNDETERMINED:
            assert risk["status"] == "investigating"
    assert {r["status"] for r in result["risks"]} >= {"investigating", "remediating"}


def test_peoples_words_are_attestations(about: Material) -> None:
    result = inside("oscal-assessment-results", about)["results"][0]
    titles = [p["title"] for a in result["attestations"] for p in a["parts"]]
    assert len(titles) == len(about.record.persons_words)
    assert any("waiver on A.7.3" in t and "Chief risk officer" in t for t in titles)


def test_the_plan_lists_what_is_open_in_the_records_order(any_material: Material) -> None:
    items = inside("oscal-poam", any_material)["poam-items"]
    weights = [property_of(i, "weight") for i in items if any(p["name"] == "weight" for p in i["props"])]
    assert weights == [i.weight for i in any_material.record.open_items]
    treated = [property_of(i, "risk-id") for i in items[len(weights) :]]
    assert treated == [e.risk_id for e in any_material.record.risks.entries if e.level is not Level.LOW]


def test_the_plan_has_findings_of_what_is_open_only(about: Material) -> None:
    assert {f["target"]["status"]["state"] for f in inside("oscal-poam", about)["findings"]} == {"not-satisfied"}


def test_an_identifier_stays_when_the_record_is_made_again(made: Any) -> None:
    one, other = (inside("oscal-assessment-results", made.material())["results"][0] for _ in range(2))
    assert one == other
    later = made.material(found=made.results()[1:])
    again = inside("oscal-assessment-results", later)["results"][0]
    ids = {o["title"]: o["uuid"] for o in one["observations"]}
    assert all(ids[o["title"]] == o["uuid"] for o in again["observations"] if o["title"] in ids)
