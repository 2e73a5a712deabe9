"""Makes the golden files again: bundles and a decision, good and bad, and the published schema of the bundle.

``python tests/golden/make.py`` writes them; the tests hold what is committed against what this makes. The key and the
times are fixed, so that the same bytes come out each time. The key signs nothing but these files.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner

import aims_mlflow.data
from aims_mlflow.bundle import AskedFor, Bundle, DatasetSummary, FileDigest, ModelSummary, RunSummary
from aims_mlflow.evidence import CheckResult, Evidence, Measure, State, canonical, digest
from aims_mlflow.signing import PUBLIC_KEY_FIELD, Key, seal_bundle, sign
from aims_mlflow.system import System

BUNDLES = Path(__file__).parent / "bundles"
SCHEMA = Path(aims_mlflow.data.__file__).parent / "bundle.schema.json"
FINISHED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
STARTED = FINISHED - timedelta(minutes=2)
RUN_ID = "0123456789abcdef0123456789abcdef"
FILES = {"MLmodel": (812, digest("MLmodel")), "model.skops": (40_960, digest("model.skops"))}

SYSTEM: dict[str, Any] = {
    "version": 1,
    "system": {"id": "golden", "purpose": "Show the format", "intended_uses": ["tests"], "prohibited_uses": ["anything else"]},
    "task": {"kind": "binary_classification", "target": "paid", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test"}, "sensitive": ["sex"], "intersections": False},
    "requirements": [
        {"check": "performance", "metric": "roc_auc_score", "min": 0.7, "declared": "2026-01-10"},
        {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8, "declared": "2026-01-10"},
        {
            "check": "robustness",
            "perturbation": "numeric_noise",
            "strength": 0.1,
            "metric": "accuracy_drop",
            "max": 0.05,
            "declared": "2026-01-10",
        },
        {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.99, "declared": "2026-01-10"},
        {
            "check": "drift",
            "dataset": "test",
            "reference": "train",
            "metric": "drifted_columns_share",
            "max": 0.2,
            "declared": "2026-01-10",
        },
    ],
    "attestations": [
        {"control": c, "statement": "approved", "by": "Head of the golden files", "on": "2026-01-12", "expires": "2036-01-12"}
        for c in ("A.6.1.2", "A.6.1.3", "A.6.2.2")
    ],
}


def key(words: str = "golden") -> Key:
    """Return the fixed key of these files, or another one for other words."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(digest(f"aims-mlflow {words} files: no secret")))
    signer = CryptoSigner(private)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return Key(signer.public_key.keyid, public, False, Path("golden.key"), signer)


def system(**changes: Any) -> System:
    """Return the golden system, with parts replaced."""
    return System.model_validate(SYSTEM | changes)


def counted(check: str, scope: dict[str, str], facts: dict[str, Any] | None = None, **values: float) -> CheckResult:
    """Return a result of full counts."""
    measures = tuple(Measure.counted(name, value) for name, value in values.items())
    return CheckResult(check=check, scope=scope, measures=measures, facts=facts or {})


def rate(name: str, count: int, n: int, group: str | None = None) -> Measure:
    """Return a proportion with a rough interval (that of the normal distribution)."""
    value = count / n
    half = 1.96 * (value * (1 - value) / n) ** 0.5
    return Measure(
        name=name,
        value=value,
        ci_low=max(0.0, value - half),
        ci_high=min(1.0, value + half),
        ci_method="wilson",
        n=n,
        count=count,
        group=group,
    )


def interval(name: str, value: float, half: float, n: int) -> Measure:
    """Return a number with a symmetric bootstrap interval."""
    return Measure(name=name, value=value, ci_low=value - half, ci_high=value + half, ci_method="paired bootstrap", n=n)


def fairness() -> CheckResult:
    """Return group rates that are the same for two large groups."""
    measures: list[Measure] = [
        Measure(name="demographic_parity_ratio", value=1.0, n=4_000),
        Measure(name="demographic_parity_difference", value=0.0, n=4_000),
    ]
    for group in ("female", "male"):
        measures += [rate("selection_rate", 1_000, 2_000, group)]
        measures += [
            Measure.counted("group_size", 2_000, group=group),
            Measure.counted("group_positives", 1_000, group=group),
            Measure.counted("group_negatives", 1_000, group=group),
        ]
    return CheckResult(check="fairness", scope={"dataset": "test", "column": "sex"}, measures=tuple(measures))


def results() -> tuple[CheckResult, ...]:
    """Return results that meet every requirement of the golden system."""
    test = {"dataset": "test"}
    made = [
        counted("objectives", {}, requirements_declared=5, requirements_dated_after_result=0, objectives_without_requirement=0),
        counted("process", {}, gate_declared=1, checks_not_run=0),
        counted("specification", {}, requirements_without_test=0, undeclared_fields=0),
        counted("design", {}, undocumented_fields=0, code_unknown=0, code_dirty=0),
        counted("lineage", {}, broken_links=0, weak_links=0),
        counted("documentation", {}, empty_fields=0, card_matches_model=1),
        counted("provenance", {}, roles_missing=0),
        counted("overlap", {"datasets": "train,test"}, shared_rows=0, shared_share=0, identical=0),
        counted("leakage", {"dataset": "test", "reference": "train"}, leaking_features=0),
        counted("preparation", {}, steps_recorded=2, fitted_on_other_data=0, steps_unverified=0),
        counted("drift", test | {"reference": "train"}, drifted_columns_share=0.0),
        CheckResult(check="performance", scope=test, measures=(interval("roc_auc_score", 0.8, 0.02, 4_000),)),
        CheckResult(
            check="robustness",
            scope=test | {"perturbation": "numeric_noise", "strength": "0.1"},
            measures=(interval("accuracy_drop", 0.01, 0.005, 4_000),),
        ),
        fairness(),
    ]
    for role in ("train", "test"):
        here = {"dataset": role}
        source = {"source_declared": 1.0} if role == "train" else {}
        made += [
            counted("acquisition", here, undeclared_fields=0),
            counted("provenance", here, fingerprinted=1, digest_mismatch=0, **source),
            counted("quality", here, completeness=1.0, missing_cells=0, all_null_columns=0, constant_columns=0, rows=4_000),
        ]
    return tuple(made)


def bundle(**changes: Any) -> Bundle:
    """Return the golden bundle, with fields replaced."""
    measured = changes.get("results", results())
    run = RunSummary(run_id=RUN_ID, experiment="golden", started=STARTED, finished=FINISHED, outcome="finished")
    evidence = Evidence(
        check="performance",
        requirement="performance.roc_auc_score",
        kind="declared",
        controls=("A.6.2.4",),
        results=tuple(r.id for r in measured if r.check == "performance"),
        state=State.PASS,
        reason="0.8 (0.78 to 0.82) is at least 0.7",
        run_id=RUN_ID,
        time=FINISHED,
        collector="aims-mlflow 0.1.0",
    )
    content: dict[str, Any] = {
        "collector": "aims-mlflow 0.1.0",
        "system_id": "golden",
        "policy_sha256": system().sha256,
        "run": run,
        "model": ModelSummary(
            uri="models:/m-golden",
            flavour="sklearn",
            serialization="skops",
            files={path: FileDigest(size=size, sha256=sha) for path, (size, sha) in FILES.items()},
        ),
        "datasets": tuple(
            DatasetSummary(
                role=role, sha256=digest(role), algorithm="aims-frame-1", rows=4_000, columns=("sex", "paid"), dtypes=("str", "int64")
            )
            for role in ("train", "test")
        ),
        "requirements": (
            AskedFor(id="performance.roc_auc_score", bound="at least 0.7", severity="critical", because="", declared="2026-01-10"),
        ),
        "results": measured,
        "evidence": (evidence,),
        "complete": True,
    }
    return Bundle.model_validate(content | changes)


def small() -> Bundle:
    """Return the bundle of the golden files: two results are enough to show the format."""
    return bundle(results=tuple(r for r in results() if r.check in ("performance", "overlap")))


def envelopes() -> dict[str, bytes]:
    """Return the golden files by name: ``good-…`` verify and are read, ``bad-…`` must be refused."""
    good = seal_bundle(small(), key())
    content = json.loads(good)
    statement = small().statement()
    altered = json.loads(base64.b64decode(content["payload"]))
    altered["predicate"]["complete"] = False
    stranger = json.loads(seal_bundle(small(), key("other")))["signatures"][0]
    first = content["signatures"][0]
    without_key = {k: v for k, v in first.items() if k != PUBLIC_KEY_FIELD}

    twice = canonical(statement).replace(b'"complete":true', b'"complete":false,"complete":true')

    def spoilt(**changes: Any) -> bytes:
        return canonical(content | changes)

    return {
        "good-bundle": good,
        "good-spread-out": json.dumps(dict(reversed(content.items())), indent=2).encode() + b"\n",
        "good-two-signatures": spoilt(signatures=[first, stranger]),
        "bad-altered-payload": spoilt(payload=base64.b64encode(canonical(altered)).decode()),
        "bad-another-payload-type": spoilt(payloadType="application/json"),
        "bad-duplicate-key": good.replace(b'{"payload"', b'{"payload":"","payload"', 1),
        "bad-duplicate-key-in-payload": sign(twice, key=key()),
        "bad-not-signed": spoilt(signatures=[]),
        "bad-unknown-key": spoilt(signatures=[without_key]),
        "bad-key-of-another": spoilt(signatures=[first | {PUBLIC_KEY_FIELD: stranger[PUBLIC_KEY_FIELD]}]),
        "bad-signature-of-another": spoilt(signatures=[first | {"sig": stranger["sig"]}]),
        "bad-another-predicate": sign(canonical(statement | {"predicateType": "https://example.org/other/v1"}), key=key()),
        "bad-another-subject": sign(canonical(statement | {"subject": statement["subject"][:-1]}), key=key()),
        "bad-unknown-field": sign(canonical(statement | {"predicate": statement["predicate"] | {"verdict": "pass"}}), key=key()),
        "bad-truncated": good[:-40],
    }


def schema() -> str:
    """Return the JSON Schema of the bundle (the predicate of the statement), made from the typed model."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:aims-mlflow:evidence:v1",
    }
    made = Bundle.model_json_schema(mode="serialization") | {"title": "The evidence of one run: predicate urn:aims-mlflow:evidence:v1"}
    return json.dumps(head | made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
    BUNDLES.mkdir(exist_ok=True)
    for stale in BUNDLES.glob("*.dsse.json"):
        stale.unlink()
    for name, envelope in envelopes().items():
        (BUNDLES / f"{name}.dsse.json").write_bytes(envelope)
