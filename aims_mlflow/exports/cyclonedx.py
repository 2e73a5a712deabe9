"""CycloneDX 1.6 ML-BOM: the model with its card, files, data and packages.

Written as JSON here, not through cyclonedx-python-lib, which drops ``modelCard`` when it reads and writes back.
Schema: https://cyclonedx.org/schema/bom-1.6.schema.json
"""

from __future__ import annotations

from typing import Any

from aims_mlflow.describing import address
from aims_mlflow.evidence import Measure, State
from aims_mlflow.exports.inert import figure, json_bytes, stamp
from aims_mlflow.exports.material import Material
from aims_mlflow.records.words import AnswerState, MeasureShown
from aims_mlflow.scorecard import words

Json = dict[str, Any]

UNKNOWN = "unknown"
PERFORMANCE = ("performance", "robustness", "drift", "baseline")
"""Checks whose measures stand under performance metrics whether or not a requirement asks for them."""


def build(material: Material) -> bytes:
    """Return the bill of materials."""
    data, packages = _datasets(material), _packages(material)
    tool, _, number = material.record.collector.rpartition(" ")
    uses = [part["bom-ref"] for part in (*data, *packages)]
    return json_bytes(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{material.id_of('cyclonedx', material.record.version)}",
            "version": 1,
            "metadata": {
                "timestamp": stamp(material.record.made),
                "tools": {"components": [{"type": "application", "name": tool, "version": number}]},
                "component": _model(material),
                "properties": _facts(material),
            },
            "components": [*data, *packages],
            "dependencies": [{"ref": "model", "dependsOn": uses}, *({"ref": ref} for ref in uses)],
            "compositions": [{"aggregate": "incomplete_first_party_only" if packages else "unknown", "assemblies": ["model"]}],
        }
    )


def _property(name: str, value: str) -> Json:
    return {"name": f"aims:{name}", "value": value}


def _facts(material: Material) -> list[Json]:
    """Return what the record says as a whole: unknown things first, then a state for each control."""
    record = material.record
    unknown = [q.question for q in record.impact.questions if q.state is AnswerState.UNKNOWN]
    return [
        *(_property("unknown", text) for text in unknown),
        *(_property("open", f"{item.weight}: {item.what}") for item in record.open_items),
        _property("system-id", record.system.id),
        _property("state", record.state.value),
        _property("decision", record.decision),
        _property("highest-risk", record.highest_risk.value),
        _property("policy-sha256", record.system.policy_sha256 or UNKNOWN),
        _property("bundle-sha256", (material.version.bundle_sha256 if material.version else "") or UNKNOWN),
        _property("run-id", (material.version.run_id if material.version else "") or UNKNOWN),
        _property("verification", material.version.verification if material.version else "no run has left evidence"),
        *(_property(f"control:{line.control}", f"{line.state.value}: {line.reason}") for line in material.lines),
    ]


def _model(material: Material) -> Json:
    bundle, version = material.bundle, material.version
    files = bundle.model.files if bundle and bundle.model else {}
    made: Json = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": (version.name if version else "") or material.name,
        "version": (version.version if version else "") or UNKNOWN,
        "description": material.record.system.purpose or "purpose unknown: nobody has declared it",
        "modelCard": _card(material),
        "properties": [_property("uri", material.record.version or UNKNOWN), _property("files", str(len(files)) if files else UNKNOWN)],
    }
    if files:
        made["components"] = [
            {"type": "file", "bom-ref": f"file-{n}", "name": path, "hashes": [{"alg": "SHA-256", "content": f.sha256}]}
            for n, (path, f) in enumerate(sorted(files.items()), 1)
        ]
    return made


def _card(material: Material) -> Json:
    system = material.system
    task = system.task if system else None
    return {
        "bom-ref": "model-card",
        "modelParameters": {
            **({"approach": {"type": "supervised"}} if task else {}),
            "task": task.kind.replace("_", " ") if task else UNKNOWN,
            "modelArchitecture": str(material.fact("design", "algorithm") or UNKNOWN),
            "datasets": [{"ref": part["bom-ref"]} for part in _datasets(material)],
            "inputs": [{"format": _signature(material)}],
            "outputs": [{"format": f"{task.kind.replace('_', ' ')} of column {task.target}" if task else UNKNOWN}],
        },
        "quantitativeAnalysis": {"performanceMetrics": _metrics(material)},
        "considerations": _considerations(material),
        "properties": [
            _property("missing-evidence", f"{one.requirement}: {one.reason}")
            for one in material.evidence.values()
            if one.state is State.MISSING
        ]
        + _settings(material),
    }


def _settings(material: Material) -> list[Json]:
    """Return parameters, seeds and hardware as the run recorded them; withheld values are named as such."""
    found = []
    for name in ("flavour", "serialization", "parameters", "seeds", "hardware", "code"):
        fact = material.fact("design", name)
        pairs = fact.items() if isinstance(fact, dict) else [("", fact)] if fact is not None else []
        found += [_property(f"{name}:{key}" if key else name, str(value)) for key, value in pairs] or [_property(name, UNKNOWN)]
    return found


def _signature(material: Material) -> str:
    columns = material.fact("design", "signature")
    return ", ".join(f"{name}: {dtype}" for name, dtype in columns.items()) if isinstance(columns, dict) else UNKNOWN


def _metrics(material: Material) -> list[Json]:
    """Return what requirements ask for, as judged, then what else was measured of performance; no value is ``unknown``."""
    shown = [_shown(one) for one in material.record.measures]
    said = {(m["type"], m["slice"]) for m in shown}
    rest = [_measured(check, result.scope, m) for check in PERFORMANCE for result in material.results(check) for m in result.measures]
    return shown + [m for m in rest if (m["type"], m["slice"]) not in said]


def _shown(one: MeasureShown) -> Json:
    state = f"; {words(one.state)}, asked {one.bound}" if one.state is not None else ""
    made = {"type": f"{one.check}.{one.metric}", "value": figure(one.value), "slice": _slice(one.scope, one.group, one.n) + state}
    return made | _interval(one.low, one.high)


def _measured(check: str, scope: dict[str, str], measure: Measure) -> Json:
    made = {"type": f"{check}.{measure.name}", "value": figure(measure.value), "slice": _slice(scope, measure.group, measure.n)}
    return made | _interval(measure.ci_low, measure.ci_high)


def _slice(scope: dict[str, str], group: str | None, n: int | None) -> str:
    where = [f"{key}={value}" for key, value in scope.items()] + ([f"group={group}"] if group is not None else [])
    return ", ".join([*where, f"n={n if n is not None else UNKNOWN}"])


def _interval(low: float | None, high: float | None) -> Json:
    if low is None and high is None:
        return {}
    return {"confidenceInterval": {"lowerBound": figure(low), "upperBound": figure(high)}}


def _considerations(material: Material) -> Json:
    record = material.record
    harms = [i for i in record.impact.impacts if i.harm_or_benefit == "harm"]
    good = "; ".join(i.description for i in record.impact.impacts if i.harm_or_benefit == "benefit") or UNKNOWN
    treated = "; ".join(a.action for e in record.risks.entries for a in e.treatment_actions) or UNKNOWN
    fairness = [e for e in material.evidence.values() if e.check == "fairness"]
    return {
        "users": list(dict.fromkeys(i.party for i in harms if i.party)) or [UNKNOWN],
        "useCases": list(record.system.intended_uses) or [UNKNOWN],
        "technicalLimitations": [f"ruled out: {use}" for use in record.system.prohibited_uses] or [UNKNOWN],
        "ethicalConsiderations": [
            {
                "name": f"{e.event} (level {e.level.value.replace('_', ' ')}, {e.state.value}: {e.state_reason or e.likelihood.reason})",
                "mitigationStrategy": "; ".join(a.action for a in e.treatment_actions) or UNKNOWN,
            }
            for e in record.risks.entries
        ],
        "fairnessAssessments": [
            {
                "groupAtRisk": f"{i.party} ({'number unknown' if i.affected is None else f'{i.affected} a year'})",
                "benefits": good,
                "harms": i.description or UNKNOWN,
                "mitigationStrategy": treated,
            }
            for i in harms
        ]
        + [
            {"groupAtRisk": f"groups of {e.requirement}", "harms": f"evidence {words(e.state)}: {e.reason}", "mitigationStrategy": treated}
            for e in fairness
        ]
        or [{"groupAtRisk": UNKNOWN, "harms": UNKNOWN, "benefits": good, "mitigationStrategy": treated}],
    }


def _datasets(material: Material) -> list[Json]:
    """Return the data in their roles; roles that the system file declares and no evidence shows are there as unknown."""
    seen = {d.role: d for d in material.bundle.datasets} if material.bundle else {}
    declared = list(material.system.data.roles) if material.system else []
    sensitive = list(material.system.data.sensitive_columns) if material.system else []
    found = []
    for n, role in enumerate(dict.fromkeys([*seen, *declared]), 1):
        one = seen.get(role)
        content: Json = {
            "type": "dataset",
            "name": role,
            "description": f"{one.rows} rows, {len(one.columns)} columns" if one else "declared, and not seen by the run",
        }
        if sensitive:
            content["sensitiveData"] = [f"sensitive column: {column}" for column in sensitive]
        found.append(
            {
                "type": "data",
                "bom-ref": f"data-{n}",
                "name": role,
                "version": f"{one.algorithm}:{one.sha256}" if one else UNKNOWN,
                "data": [content],
                "properties": [
                    _property("content-sha256", one.sha256 if one else UNKNOWN),
                    _property("fingerprint", f"{one.algorithm}: of the content, not of a file" if one else UNKNOWN),
                    _property("source", (address(one.source) if one else "") or UNKNOWN),
                    *(_property(f"column:{name}", dtype) for name, dtype in (zip(one.columns, one.dtypes, strict=True) if one else ())),
                ],
            }
        )
    return found


def _packages(material: Material) -> list[Json]:
    packages = material.fact("design", "packages")
    if not isinstance(packages, dict):
        return []
    return [
        {"type": "library", "bom-ref": f"package-{n}", "name": name, "version": str(version), "purl": _purl(name, str(version))}
        for n, (name, version) in enumerate(sorted(packages.items()), 1)
    ]


def _purl(name: str, version: str) -> str:
    """Return the package URL (https://github.com/package-url/purl-spec, type pypi: lower case, hyphens)."""
    from urllib.parse import quote

    return f"pkg:pypi/{quote(name.lower().replace('_', '-'), safe='')}@{quote(version, safe='')}"
