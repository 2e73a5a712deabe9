"""Makes the golden files again: bundles, decisions, log entries and events of cases, good and bad, and the published schema of the bundle.

``python tests/golden/make.py`` writes them; the tests hold what is committed against what this makes. The key and the
times are fixed, so that the same bytes come out each time. The key signs nothing but these files.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner

import aims_mlflow.data
from aims_mlflow.bundle import AskedFor, Bundle, DatasetSummary, FileDigest, ModelSummary, RunSummary
from aims_mlflow.decision import Blocker, GateDecision, VersionFacts, undecided
from aims_mlflow.evidence import CheckResult, Evidence, Measure, State, canonical, digest
from aims_mlflow.gate import decide
from aims_mlflow.ledger.entry import Entry, Facts, content_digest
from aims_mlflow.operation.cases import INCIDENT_TYPE, Breach, CaseEvent, Cited, Incident, Told
from aims_mlflow.signing import PUBLIC_KEY_FIELD, Key, Verified, seal_bundle, sign
from aims_mlflow.system import System

GOLDEN = Path(__file__).parent
KEPT = "kept"
"""The folder of files that no one makes again: by keys whose signatures come out differently each time, and of earlier versions."""
SCHEMA = Path(aims_mlflow.data.__file__).parent / "bundle.schema.json"
MODEL = {"MLmodel": b"flavors: {}\n", "data/weights.txt": b"0.25 0.5 0.125\n"}
"""A model to compare with: what its files hold, by path."""
FINISHED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DECIDED = FINISHED + timedelta(days=1)
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


def decision(**changes: Any) -> GateDecision:
    """Return the decision of the gate on the golden bundle, a day later; with what the gate was given replaced."""
    given: dict[str, Any] = {
        "now": DECIDED,
        "alias": "champion",
        "model_files": FILES,
        "verification": Verified(b"", (key().id,), trusted=False, development=False, sha256=digest("bundle")),
    }
    facts = VersionFacts(name="golden", version="7", source="models:/m-golden", run_id=RUN_ID, run_status="FINISHED")
    made = decide(changes.pop("system", system()), changes.pop("bundle", bundle()), facts, **(given | changes))
    return made.model_copy(update={"collector": "aims-mlflow 0.1.0", "actor": "the golden files"})


def denial() -> GateDecision:
    """Return a decision that denies: the run did not come to its end, and a line stops."""
    return decision(bundle=bundle(complete=False, results=small().results))


def entry(**changes: Any) -> Entry:
    """Return an entry of the log that holds the decision, with fields replaced."""
    held = changes.get("decision", decision()) or changes["facts"]
    content: dict[str, Any] = {
        "registry": "0" * 32,
        "sequence": 1,
        "kind": "decision",
        "time": DECIDED,
        "actor": "the golden files",
        "collector": "aims-mlflow 0.1.0",
        "content_sha256": content_digest(held),
        "decision": decision(),
    }
    return Entry.model_validate(content | changes)


def small() -> Bundle:
    """Return the bundle of the golden files: two results are enough to show the format."""
    return bundle(results=tuple(r for r in results() if r.check in ("performance", "overlap")))


def of_files() -> Bundle:
    """Return a bundle about the files in the folder ``model``."""
    files = {path: FileDigest(size=len(said), sha256=hashlib.sha256(said).hexdigest()) for path, said in MODEL.items()}
    return small().model_copy(update={"model": ModelSummary(uri="models:/m-golden", flavour="none", files=files)})


def sealed(statement: Any, words: str = "golden") -> bytes:
    """Return the envelope of a statement, or of bytes as they are."""
    return sign(statement if isinstance(statement, bytes) else canonical(statement), key=key(words))


def bundles() -> dict[str, bytes]:
    """Return the golden bundles by name: ``good-…`` verify and are read, ``bad-…`` must be refused."""
    good = seal_bundle(small(), key())
    content = json.loads(good)
    statement = small().statement()
    altered = json.loads(base64.b64decode(content["payload"]))
    altered["predicate"]["complete"] = False
    stranger = json.loads(seal_bundle(small(), key("other")))["signatures"][0]
    of_something_else = json.loads(sealed(b"{}", "other"))["signatures"][0]
    first = content["signatures"][0]
    without_key = {k: v for k, v in first.items() if k != PUBLIC_KEY_FIELD}

    def spoilt(**changes: Any) -> bytes:
        return canonical(content | changes)

    def signature(**changes: Any) -> bytes:
        return spoilt(signatures=[first | changes])

    def predicate(**changes: Any) -> bytes:
        return sealed(statement | {"predicate": statement["predicate"] | changes})

    def model(**files: Any) -> dict[str, Any]:
        return statement["predicate"]["model"] | {"files": statement["predicate"]["model"]["files"] | files}

    def text(old: bytes, new: bytes) -> bytes:
        assert old in canonical(statement)
        return sealed(canonical(statement).replace(old, new, 1))

    subjects = statement["subject"]
    renamed = {"pytorch" if path == "MLmodel" else path: one for path, one in statement["predicate"]["model"]["files"].items()}
    letters = seal_bundle(small().model_copy(update={"system_id": "größe-信用-\U0001f600" + "?>~" * 4}), key())
    url_safe = letters.replace(b"+", b"-").replace(b"/", b"_").replace(b"application_vnd.in-toto-json", b"application/vnd.in-toto+json")
    padded = next(json.loads(one) for one in (good, letters, seal_bundle(bundle(), key())) if b'=","payloadType' in one)
    return {
        "good-bundle": good,
        "good-two-signatures": spoilt(signatures=[first, stranger]),
        "good-of-another-key": seal_bundle(small(), key("other")),
        "good-no-model-and-no-data": seal_bundle(bundle(model=None, datasets=()), key()),
        "good-assessment": seal_bundle(small().model_copy(update={"run": small().run.model_copy(update={"kind": "assessment"})}), key()),
        "good-other-letters": letters,
        "good-every-result": seal_bundle(bundle(), key()),
        "good-of-files": seal_bundle(of_files(), key()),
        # the envelope
        "bad-altered-payload": spoilt(payload=base64.b64encode(canonical(altered)).decode()),
        "bad-another-payload-type": spoilt(payloadType="application/json"),
        "bad-duplicate-key": good.replace(b'{"payload"', b'{"payload":"","payload"', 1),
        "bad-empty": b"",
        "bad-list": b"[]",
        "bad-text": b"all is well",
        "bad-nan-in-envelope": good.replace(b'{"payload"', b'{"note":NaN,"payload"', 1),
        "bad-field-in-envelope": spoilt(note="nobody has signed this"),
        "bad-field-in-signature": signature(note="nobody has signed this"),
        "bad-spread-out": json.dumps(content, indent=2).encode(),
        "bad-reordered": json.dumps(dict(reversed(content.items())), separators=(",", ":")).encode(),
        "bad-line-end": good + b"\n",
        "bad-byte-order-mark": b"\xef\xbb\xbf" + good,
        "bad-escaped": good.replace(b'"payload"', b'"p\\u0061yload"', 1),
        "bad-truncated": good[:-40],
        "bad-payload-not-base64": spoilt(payload="***"),
        "bad-payload-url-safe-base64": url_safe,
        "bad-payload-without-padding": canonical(padded | {"payload": padded["payload"].rstrip("=")}),
        "bad-payload-truncated": spoilt(payload=content["payload"][:-400]),
        # the signatures
        "bad-not-signed": spoilt(signatures=[]),
        "bad-unknown-key": spoilt(signatures=[without_key]),
        "bad-unknown-key-beside-a-good-one": spoilt(signatures=[{k: v for k, v in stranger.items() if k != PUBLIC_KEY_FIELD}, first]),
        "bad-key-of-another": signature(**{PUBLIC_KEY_FIELD: stranger[PUBLIC_KEY_FIELD]}),
        "bad-key-id-of-another": signature(keyid=stranger["keyid"]),
        "bad-key-id-short": signature(keyid=first["keyid"][:16]),
        "bad-key-that-is-none": signature(**{PUBLIC_KEY_FIELD: "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n-----END PUBLIC KEY-----\n"}),
        "bad-key-in-other-lines": signature(**{PUBLIC_KEY_FIELD: first[PUBLIC_KEY_FIELD].replace("KEY-----\n", "KEY-----\n\n", 1)}),
        "bad-signature-of-another": signature(sig=stranger["sig"]),
        "bad-signature-of-something-else": spoilt(signatures=[of_something_else]),
        "bad-signature-empty": signature(sig=""),
        "bad-signature-not-base64": signature(sig="***"),
        "bad-signature-spare-bit": signature(sig=_spare_bit(first["sig"])),
        "bad-signature-twice": spoilt(signatures=[first, first]),
        "bad-two-signatures-one-of-something-else": spoilt(signatures=[first, of_something_else]),
        # the statement: signed, and wrong all the same
        "bad-payload-not-json": sealed(b"all is well"),
        "bad-payload-list": sealed([]),
        "bad-duplicate-key-in-payload": text(b'"complete":true', b'"complete":false,"complete":true'),
        "bad-nan-in-payload": text(b'"value":0.8', b'"value":NaN'),
        "bad-too-large-a-number": text(b'"value":0.8', b'"value":1e999'),
        "bad-another-statement-type": sealed(statement | {"_type": "https://in-toto.io/Statement/v0.1"}),
        "bad-another-predicate": sealed(statement | {"predicateType": "https://example.org/other/v1"}),
        "bad-predicate-type-list": sealed(statement | {"predicateType": [statement["predicateType"]]}),
        "bad-no-predicate": sealed({k: v for k, v in statement.items() if k != "predicate"}),
        "bad-unknown-field": predicate(verdict="pass"),
        "bad-missing-field": sealed(statement | {"predicate": {k: v for k, v in statement["predicate"].items() if k != "run"}}),
        # the subjects and the manifest
        "bad-missing-subject": sealed(statement | {"subject": subjects[:-1]}),
        "bad-no-subject": sealed(statement | {"subject": []}),
        "bad-extra-subject": sealed(statement | {"subject": [*subjects, {"name": "model/extra.py", "digest": {"sha256": "0" * 64}}]}),
        "bad-another-digest": sealed(statement | {"subject": [subjects[0] | {"digest": {"sha256": "0" * 64}}, *subjects[1:]]}),
        "bad-replaced-manifest-entry": predicate(model=model(MLmodel={"size": 812, "sha256": "0" * 64})),
        "bad-added-manifest-entry": predicate(model=model(**{"extra.py": {"size": 1, "sha256": "0" * 64}})),
        "bad-renamed-manifest-entry": predicate(model=statement["predicate"]["model"] | {"files": renamed}),
        "bad-negative-size": predicate(model=model(MLmodel=statement["predicate"]["model"]["files"]["MLmodel"] | {"size": -1})),
    }


def decisions() -> dict[str, bytes]:
    """Return the golden decisions by name, as ``bundles``."""
    yes, no = decision().statement(), denial().statement()
    unable = undecided("models:/golden/7", Blocker(code="no_policy", reason="no policy", fix="pass one"), now=DECIDED, alias="champion")
    could_not = unable.model_copy(update={"collector": "aims-mlflow 0.1.0"}).statement()
    good = sealed(yes)
    content = json.loads(good)
    stopping = [line | {"state": "fail"} if line["control"] == "A.7.4" else line for line in yes["predicate"]["lines"]]

    def predicate(statement: dict[str, Any] = yes, **changes: Any) -> bytes:
        return sealed(statement | {"predicate": statement["predicate"] | changes})

    changed = json.loads(base64.b64decode(json.loads(sealed(no))["payload"]))
    changed["predicate"] |= {"allowed": True, "blockers": []}
    return {
        "good-allowed": good,
        "good-denied": sealed(no),
        "good-undecided": sealed(could_not),
        "bad-denied-made-allowed": canonical(json.loads(sealed(no)) | {"payload": base64.b64encode(canonical(changed)).decode()}),
        "bad-not-signed": canonical(content | {"signatures": []}),
        "bad-allowed-with-a-blocker": predicate(blockers=no["predicate"]["blockers"]),
        "bad-allowed-without-lines": predicate(lines=[]),
        "bad-allowed-undecided": predicate(decided=False),
        "bad-allowed-with-a-failing-line": predicate(lines=stopping),
        "bad-allowed-in-words": predicate(no, allowed="yes", blockers=[]),
        "bad-another-model": predicate(model="models:/golden/8"),
        "bad-another-bundle": predicate(bundle_sha256="0" * 64),
        "bad-another-policy": predicate(policy_sha256="0" * 64),
        "bad-missing-subject": sealed(yes | {"subject": yes["subject"][:-1]}),
        "bad-extra-subject": sealed(yes | {"subject": [*yes["subject"], yes["subject"][0]]}),
        "bad-field-in-statement": sealed(yes | {"note": "also"}),
        "bad-unknown-field": predicate(approved=True),
        "bad-missing-field": sealed(yes | {"predicate": {k: v for k, v in yes["predicate"].items() if k != "time"}}),
    }


def entries() -> dict[str, bytes]:
    """Return the golden entries of the log by name, as ``bundles``."""
    first = sealed(entry().statement())
    parent = hashlib.sha256(first).hexdigest()
    told = Facts(model="golden", version="7", alias="champion", reason="an emergency")
    second = entry(sequence=2, parents=(parent,), kind="withdrawal", facts=told, decision=None).statement()
    denied = entry(kind="denial", decision=denial()).statement()
    taken_back = entry(sequence=2, parents=(parent,), kind="rollback", decision=denial(), undoes=parent).statement()

    def predicate(statement: dict[str, Any], **changes: Any) -> bytes:
        return sealed(statement | {"predicate": statement["predicate"] | changes})

    return {
        "good-first": first,
        "good-second": sealed(second),
        "good-denial": sealed(denied),
        "good-rollback": sealed(taken_back),
        "bad-rollback-of-nothing": predicate(taken_back, undoes=""),
        "bad-denial-that-undoes": predicate(denied, undoes=parent),
        "bad-another-kind": predicate(denied, kind="decision"),
        "bad-another-decision": predicate(entry().statement(), decision=decision(alias="production").model_dump(mode="json")),
        "bad-other-facts": predicate(second, facts=told.model_copy(update={"version": "8"}).model_dump(mode="json")),
        "bad-parent-taken-away": predicate(second, parents=[]),
        "bad-parent-without-subject": sealed(second | {"subject": second["subject"][:-1]}),
        "bad-first-with-a-later-number": predicate(entry().statement(), sequence=2),
        "bad-facts-in-place-of-a-decision": predicate(entry().statement(), decision=None, facts=told.model_dump(mode="json")),
    }


def event(**changes: Any) -> CaseEvent:
    """Return the event that opens a nonconformity because of a breach, with fields replaced."""
    content: dict[str, Any] = {
        "case": "nc-0123456789ab",
        "system_id": "golden",
        "kind": "opened",
        "time": DECIDED,
        "by": "the golden files",
        "what": "performance.roc_auc_score is 0.6 in production",
        "collector": "aims-mlflow 0.1.0",
        "evidence": Cited(run_id=RUN_ID, bundle_sha256=digest("bundle"), requirement="performance.roc_auc_score", state="fail"),
        "breach": Breach(requirement="performance.roc_auc_score", minimum=0.7, reason="0.6 (0.58 to 0.62) is below 0.7"),
    }
    return CaseEvent.model_validate(content | changes)


def events() -> dict[str, bytes]:
    """Return the golden events of cases by name, as ``bundles``."""
    first = sealed(event().statement())
    parent = hashlib.sha256(first).hexdigest()
    word = {"parents": (parent,), "breach": None, "by": "Head of the golden files"}
    cited = event().evidence
    acted = event(kind="action", what="trained again", evidence=None, **word).statement()
    closed = event(kind="closed", what="the new version holds", **word).statement()
    fell = {"case": "in-0123456789ab", "what": "the service was down", "evidence": None, "breach": None}
    incident = event(incident=Incident(severity="major", since=FINISHED.date()), **fell).statement()
    told = event(**fell | {"kind": "told", "told": Told(who="the users", on=DECIDED.date()), "parents": (parent,)}).statement()

    def predicate(statement: dict[str, Any], **changes: Any) -> bytes:
        return sealed(statement | {"predicate": statement["predicate"] | changes})

    assert cited is not None
    return {
        "good-opened": first,
        "good-action": sealed(acted),
        "good-closed": sealed(closed),
        "good-incident": sealed(incident),
        "good-told": sealed(told),
        "bad-other-words": predicate(acted, what="nothing was done"),
        "bad-other-evidence": predicate(closed, evidence=cited.model_dump(mode="json") | {"run_id": "f" * 32}),
        "bad-parent-taken-away": predicate(acted, parents=[]),
        "bad-parent-without-subject": sealed(acted | {"subject": acted["subject"][:-1]}),
        "bad-closed-without-grounds": sealed(_changed(closed, evidence=None)),
        "bad-of-the-other-sort": sealed(acted | {"predicateType": INCIDENT_TYPE}),
        "bad-unknown-field": sealed(_changed(acted, note="more")),
    }


def _changed(statement: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an event's statement with fields replaced and its subjects made to fit again."""
    told = statement["predicate"] | changes
    subjects = [{"name": f"{told['case']}/{told['kind']}", "digest": {"sha256": digest(told)}}]
    subjects += [one for one in statement["subject"][1:] if told["evidence"] or not one["name"].startswith("runs/")]
    return statement | {"subject": subjects, "predicate": told}


def envelopes() -> dict[str, bytes]:
    """Return every golden file by folder and name: ``good-…`` verify and are read, ``bad-…`` must be refused."""
    folders = {"bundles": bundles(), "decisions": decisions(), "entries": entries(), "events": events()}
    return {f"{folder}/{name}": content for folder, made in folders.items() for name, content in made.items()}


def kept() -> dict[str, bytes]:
    """Return files by new keys, for where there are none yet."""
    made = {}
    for name, signer in (("good-ecdsa", CryptoSigner.generate_ecdsa()), ("good-rsa", CryptoSigner.generate_rsa())):
        public = str(signer.public_key.keyval["public"])
        made[name] = seal_bundle(small(), Key(signer.public_key.keyid, public, False, None, signer))
    return made


def _spare_bit(text: str) -> str:
    """Return the same base64 with a bit set that stands for nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    assert len(bare) < len(text)
    return bare[:-1] + alphabet[alphabet.index(bare[-1]) + 1] + "=" * (len(text) - len(bare))


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
    for stale in GOLDEN.glob("*/*.dsse.json"):
        if stale.parent.name != KEPT:
            stale.unlink()
    for name, envelope in envelopes().items():
        (GOLDEN / name).parent.mkdir(exist_ok=True)
        (GOLDEN / f"{name}.dsse.json").write_bytes(envelope)
    for name, envelope in kept().items():
        if not (GOLDEN / KEPT / f"{name}.dsse.json").exists():
            (GOLDEN / KEPT).mkdir(exist_ok=True)
            (GOLDEN / KEPT / f"{name}.dsse.json").write_bytes(envelope)
    for path, said in MODEL.items():
        (GOLDEN / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (GOLDEN / "model" / path).write_bytes(said)
