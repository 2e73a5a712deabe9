"""The bill of materials: valid by CycloneDX's own strict schema, the bundle's numbers, and unknown where nobody knows."""

from __future__ import annotations

import json
from typing import Any

from aims_mlflow.exports import Material, make


def written(about: Material) -> Any:
    return json.loads(make("cyclonedx", about).content)


def facts(thing: Any) -> dict[str, str]:
    return {p["name"]: p["value"] for p in thing["properties"]}


def test_the_strict_validator_takes_it(any_material: Material) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(make("cyclonedx", any_material).content.decode()) is None


def test_references_are_unique_and_resolve(any_material: Material) -> None:
    bill = written(any_material)
    model = bill["metadata"]["component"]
    refs = [model["bom-ref"], *(c["bom-ref"] for c in bill["components"])]
    assert len(refs) == len(set(refs))
    assert {d["ref"] for d in bill["dependencies"]} | {r for d in bill["dependencies"] for r in d.get("dependsOn", [])} == set(refs)
    assert {d["ref"] for d in model["modelCard"]["modelParameters"]["datasets"]} <= set(refs)


def test_metrics_have_their_intervals_and_the_bundles_values(about: Material) -> None:
    metrics = written(about)["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    auc = [m for m in metrics if m["type"] == "performance.roc_auc_score"]
    assert auc[0]["value"] == "0.8"
    assert auc[0]["confidenceInterval"] == {"lowerBound": "0.78", "upperBound": "0.82"}
    assert "passing, asked at least 0.7" in auc[0]["slice"]
    undefined = next(m for m in metrics if m["type"] == "performance.log_loss")
    assert undefined["value"] == "unknown", "a measure without a value is there, and says so"
    groups = [m for m in metrics if m["type"] == "fairness.selection_rate"]
    assert {m["value"] for m in groups} == {"0.6", "0.66"}
    assert all("confidenceInterval" in m for m in groups)
    drop = [m for m in metrics if m["type"] == "robustness.accuracy_drop"]
    assert "failing" in drop[0]["slice"]


def test_fairness_names_who_is_at_risk(about: Material) -> None:
    said = written(about)["metadata"]["component"]["modelCard"]["considerations"]["fairnessAssessments"]
    assert [a["groupAtRisk"] for a in said[:2]] == ["guarantors (number unknown)", "applicants (10000 a year)"]
    assert said[0]["harms"] == "unknown"
    assert any("demographic_parity_ratio" in a["groupAtRisk"] for a in said)


def test_data_are_named_by_digest_and_what_was_not_seen_is_unknown(about: Material) -> None:
    data = {c["name"]: c for c in written(about)["components"] if c["type"] == "data"}
    train = next(d for d in about.bundle.datasets if d.role == "train") if about.bundle else None
    assert train is not None
    assert facts(data["train"])["aims:content-sha256"] == train.sha256
    assert facts(data["train"])["aims:source"] == "https://example.org/data.csv", "no password, no query"
    assert data["validation"]["version"] == "unknown"
    assert "hashes" not in data["train"], "the fingerprint is of the content: no file has this hash"


def test_files_and_packages(about: Material) -> None:
    bill = written(about)
    files = {c["name"]: c["hashes"][0]["content"] for c in bill["metadata"]["component"]["components"]}
    assert about.bundle is not None
    assert about.bundle.model is not None
    assert files == {path: f.sha256 for path, f in about.bundle.model.files.items()}
    assert [c["purl"] for c in bill["components"] if c["type"] == "library"] == [
        "pkg:pypi/zope-interface@5.0",
        "pkg:pypi/scikit-learn@1.6.1",
    ]


def test_packageurl_reads_each_purl(made: Any) -> None:
    from packageurl import PackageURL

    odd = made.results(packages={"a b/c@d": "1+2?x#y", "Plain": "1.0"})
    bill = written(made.material(found=odd))
    read = [PackageURL.from_string(c["purl"]) for c in bill["components"] if c["type"] == "library"]
    assert {(p.name, p.version) for p in read} == {("plain", "1.0"), ("a b/c@d", "1+2?x#y")}


def test_unknown_things_stand_first(any_material: Material) -> None:
    names = [p["name"] for p in written(any_material)["metadata"]["properties"]]
    assert names[0] == "aims:unknown"
    assert sum(name.startswith("aims:control:") for name in names) == 38


def test_nothing_known_is_said_so(made: Any) -> None:
    model = written(made.nothing(known=False))["metadata"]["component"]
    assert model["version"] == "unknown"
    assert model["modelCard"]["modelParameters"]["task"] == "unknown"
    assert facts(model)["aims:files"] == "unknown"
    assert model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == []
