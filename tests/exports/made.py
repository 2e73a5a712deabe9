"""A system with fixed dates, keys and numbers, in which every kind of thing that an export has to say occurs; and hostile texts.

``python tests/exports/made.py`` writes the golden file of each format anew (``tests/exports/golden``); the tests hold them
against what is made now. The key is that of ``tests/golden``: it signs nothing but such files.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aims_mlflow.bundle import BUNDLE_PATH, AskedFor, Bundle, DatasetSummary, FileDigest, ModelSummary, RunSummary
from aims_mlflow.decision import GateDecision, VersionFacts
from aims_mlflow.disparity import DISPARITIES, disparity_value
from aims_mlflow.evidence import CheckResult, Measure, canonical, digest
from aims_mlflow.exports import FORMATS, Material
from aims_mlflow.exports.archives import unzipped
from aims_mlflow.exports.inert import json_bytes
from aims_mlflow.gate import decide
from aims_mlflow.intervals import wilson
from aims_mlflow.judging import judge
from aims_mlflow.judging.lines import control_lines
from aims_mlflow.model_card import CARD_PATH
from aims_mlflow.promotion import DECISIONS, Recorded
from aims_mlflow.records.reading import Declared, Read, Seen
from aims_mlflow.records.summary import make_record
from aims_mlflow.records.words import RunCounts
from aims_mlflow.signing import open_bundle, seal_bundle, sign
from aims_mlflow.system import System

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
FINISHED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STARTED = FINISHED - timedelta(minutes=2)
COLLECTOR = "aims-mlflow 0.1.0"
RUN_ID = "0123456789abcdef0123456789abcdef"
CARD = "# Model card: golden\n\nMade from one run.\n\n```sha256\n# not a heading\n```\n"

CONTENT: dict[str, Any] = {
    "version": 1,
    "system": {
        "id": "golden",
        "name": "Loan decisions",
        "owner": {"name": "Head of credit", "contact": "credit@example.org"},
        "purpose": "Rank applicants.",
        "intended_uses": ["Decision support"],
        "prohibited_uses": ["Refusal without a person"],
        "affected_parties": [
            {"name": "applicants", "size": 10_000, "vulnerable": False, "source": "applications in 2025"},
            {"name": "guarantors"},
        ],
        "model": "loans",
    },
    "task": {"kind": "binary_classification", "target": "paid", "positive_label": 1},
    "data": {"roles": {"train": "train", "test": "test", "validation": "validation"}, "sensitive": ["sex"]},
    "requirements": [
        {"check": "fairness", "metric": "demographic_parity_ratio", "column": "sex", "min": 0.8, "declared": "2026-01-10"},
        {
            "check": "robustness",
            "perturbation": "numeric_noise",
            "strength": 0.1,
            "metric": "accuracy_drop",
            "max": 0.05,
            "declared": "2026-01-10",
        },
        {"check": "performance", "metric": "roc_auc_score", "min": 0.7, "declared": "2026-01-10"},
        {"check": "quality", "dataset": "train", "metric": "completeness", "min": 0.99, "declared": "2026-01-10"},
    ],
    "risk": {
        "criteria": {"adopted_by": "Chief risk officer", "adopted_on": "2026-01-15"},
        "consequences": [
            {
                "objective": "C.2.5",
                "party": "applicants",
                "dimension": "rights",
                "class": 3,
                "rationale": "can be appealed",
                "set_by": "Head of credit",
                "set_on": "2026-01-15",
            },
            {"objective": "C.2.8", "party": "applicants", "class": 2, "set_by": "Head of credit", "set_on": "2026-01-15"},
        ],
        "treatments": [
            {
                "objective": "C.2.8",
                "option": "modify",
                "action": "train with noise",
                "owner": "ML team",
                "due": "2026-02-01",
                "status": "in_progress",
                "control": "A.6.2.4",
            },
            {"objective": "C.2.5", "option": "modify", "action": "reweigh", "owner": "ML team", "status": "done", "done_on": "2026-02-10"},
        ],
    },
    "impact": {"answers": {"benefits": {"text": "Faster decisions", "by": "Product owner", "on": "2026-01-20"}}},
    "attestations": [
        {"control": "A.6.2.2", "statement": "approved", "by": "Head of credit", "on": "2026-01-12", "expires": "2026-12-31"},
        {"control": "A.10.4", "statement": "there is no customer", "by": "Head of credit", "on": "2026-01-12", "not_applicable": True},
    ],
    "waivers": [
        {
            "control": "A.7.3",
            "reason": "the licence is being asked for",
            "approved_by": "Chief risk officer",
            "on": "2026-02-01",
            "expires": "2026-06-30",
        }
    ],
}

HOSTILE: tuple[str, ...] = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></textarea><script>alert(1)</script>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "| a | b |\n|---|---|\n# heading",
    "=cmd|'/C calc'!A1",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1＋1",  # noqa: RUF001 - full-width on purpose
    "'=1+1",
    '"",=1+1,""',
    "{{ 7*7 }}{% raw %}${7*7}",
    "\u202etxt.exe\u2066\u2069",
    "a\x1b[31m\x07\x7f",
    "&lt;b&gt; &#x3c;b &amp;",
    "]]><![CDATA[<x>",
    '{"a": "b\\"}',
    "---\nlicense: mit\n---\n",
    "../../etc/passwd\\..\\x:y",
    "_x000D_ _x005F_ \u2028\u2029\ufeff zero\u200bwidth",
    "  שלום أهلا 你好 🎲 e\u0301  ",
    "x" * 10_000,
)
"""Thirty texts: script, attribute, Markdown, CSV formula, template, right-to-left, invisible, entity, JSON, YAML, path, length."""


def system(**changes: Any) -> System:
    """Return the system above with parts replaced, dictionaries key by key."""
    return System.model_validate(merged(CONTENT, changes))


def merged(base: Any, changes: Any) -> Any:
    """Return ``base`` with ``changes`` in it."""
    if isinstance(base, dict) and isinstance(changes, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in changes.items()}}
    return changes


def hostile_system(text: str) -> System:
    """Return a system in which every name and text that a person may write is ``text``."""
    short = text[:200]
    return system(
        system={
            "name": text,
            "owner": {"name": text, "contact": text},
            "purpose": text,
            "intended_uses": [text],
            "prohibited_uses": [text],
            "affected_parties": [{"name": text, "size": 100, "source": text}],
            "deployment": text,
        },
        data={"sensitive": [text]},
        requirements=[
            {"check": "fairness", "metric": "demographic_parity_ratio", "column": text, "min": 0.8, "because": text},
            CONTENT["requirements"][1],
        ],
        risk={
            "consequences": [
                {
                    "objective": "C.2.5",
                    "party": text,
                    "dimension": short,
                    "class": 3,
                    "rationale": text,
                    "set_by": text,
                    "set_on": "2026-01-15",
                }
            ],
            "treatments": [{"objective": "C.2.5", "option": "modify", "action": text, "owner": text, "due": "2026-09-01"}],
        },
        impact={"answers": {"benefits": {"text": text, "by": text, "on": "2026-01-20"}}},
        attestations=[{"control": "A.6.2.2", "statement": text, "by": text, "on": "2026-01-12", "reference": text}],
        waivers=[{"control": "A.7.3", "reason": text, "approved_by": text, "on": "2026-02-01", "expires": "2026-06-30"}],
    )


def fairness(column: str = "sex", groups: dict[str, tuple[int, int]] | None = None) -> CheckResult:
    """Return group rates and the disparities that follow."""
    found = groups or {"female": (300, 500), "male": (330, 500)}
    measures = [Measure.counted("group_size", n, n=n, group=g) for g, (_, n) in found.items()]
    rates: dict[str, Measure] = {}
    for group, (count, n) in found.items():
        low, high = wilson(count, n)
        rates[group] = Measure(
            name="selection_rate", value=count / n, ci_low=low, ci_high=high, ci_method="wilson", n=n, count=count, group=group
        )
    measures += rates.values()
    for name, one in DISPARITIES.items():
        if one.rates == ("selection_rate",):
            measures.append(Measure(name=name, value=disparity_value(name, {"selection_rate": rates}), n=500))
    return CheckResult(check="fairness", scope={"dataset": "test", "column": column}, measures=tuple(measures))


def robustness(value: float = 0.08) -> CheckResult:
    """Return a drop that is too large."""
    drop = Measure(name="accuracy_drop", value=value, ci_low=value - 0.01, ci_high=value + 0.01, ci_method="paired bootstrap", n=1000)
    return CheckResult(check="robustness", scope={"dataset": "test", "perturbation": "numeric_noise", "strength": "0.1"}, measures=(drop,))


def results(*, column: str = "sex", group: str = "female", packages: dict[str, str] | None = None) -> tuple[CheckResult, ...]:
    """Return some of what a run measures: what is not here is missing."""
    auc = Measure(name="roc_auc_score", value=0.8, ci_low=0.78, ci_high=0.82, ci_method="DeLong", n=1000)
    undefined = Measure(name="log_loss", value=None, n=0)
    documented: dict[str, Any] = {"card": CARD_PATH, "card_sha256": digest_of(CARD)}
    designed: dict[str, Any] = {
        "algorithm": "sklearn.linear_model.LogisticRegression",
        "flavour": "sklearn",
        "parameters": {"C": 1.0, "solver": "lbfgs"},
        "signature": {"age": "int64", column: "str"},
        "packages": packages if packages is not None else {"scikit-learn": "1.6.1", "Zope_Interface": "5.0"},
        "hardware": {},
        "seeds": {"random_state": "0"},
        "code": {"kind": "git", "reference": "a" * 40, "dirty": False},
    }
    return (
        fairness(column, {group: (300, 500), "male": (330, 500)}),
        robustness(),
        CheckResult(check="performance", scope={"dataset": "test"}, measures=(auc, undefined)),
        CheckResult(
            check="quality",
            scope={"dataset": "train"},
            measures=(Measure(name="completeness", value=1.0, ci_method="full count", n=1000), Measure.counted("all_null_columns", 0, n=5)),
        ),
        CheckResult(
            check="preparation",
            measures=(Measure.counted("steps_recorded", 3), Measure.counted("fitted_on_other_data", 0, n=3)),
        ),
        CheckResult(
            check="documentation",
            measures=(Measure.counted("empty_fields", 0, n=7), Measure(name="card_matches_model", value=1.0, ci_method="full count", n=2)),
            facts=documented,
        ),
        CheckResult(
            check="design",
            measures=(Measure.counted("undocumented_fields", 1, n=8),),
            facts=designed,
        ),
    )


def digest_of(text: str) -> str:
    """Return the sha256 of a text's bytes."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def bundle(
    policy: System, found: Sequence[CheckResult], column: str = "sex", *, run_id: str = RUN_ID, finished: datetime = FINISHED
) -> Bundle:
    """Return the evidence of one run."""
    started = finished - timedelta(minutes=2)
    return Bundle(
        collector=COLLECTOR,
        system_id=policy.id,
        policy_sha256=policy.sha256,
        run=RunSummary(run_id=run_id, experiment="golden", started=started, finished=finished, outcome="finished"),
        model=ModelSummary(
            uri="models:/m-golden",
            flavour="sklearn",
            serialization="skops",
            registered="loans",
            files={path: FileDigest(size=size, sha256=sha) for path, (size, sha) in FILES.items()},
        ),
        datasets=tuple(
            DatasetSummary(
                role=role,
                sha256=digest(role),
                algorithm="aims-frame-1",
                rows=1000,
                columns=(column, "paid"),
                dtypes=("str", "int64"),
                source="https://user:secret@example.org/data.csv?token=x" if role == "train" else "",
            )
            for role in ("train", "test")
        ),
        requirements=(AskedFor(id="performance.roc_auc_score", bound="at least 0.7", severity="critical", declared="2026-01-10"),),
        results=tuple(found),
        evidence=tuple(
            e.model_copy(update={"collector": COLLECTOR}) for e in judge(policy, tuple(found), run_id=run_id, started=started, now=finished)
        ),
        complete=True,
    )


FILES = {"MLmodel": (812, digest("MLmodel")), "model.skops": (40_960, digest("model.skops"))}


def material(
    policy: System | None = None,
    found: Sequence[CheckResult] | None = None,
    *,
    column: str = "sex",
    name: str = "loans",
    known: bool = True,
) -> Material:
    """Return what exports are made of, without MLflow: one version with a signed bundle and a signed denial."""
    chosen = policy or system()
    said = Declared(chosen, known, "aims.yaml")
    evidence = bundle(chosen, results(column=column) if found is None else found, column)
    envelope = seal_bundle(evidence)
    opened, verified = open_bundle(envelope)
    facts = VersionFacts(name=name, version="3", source="models:/m-golden", run_id=RUN_ID, run_status="FINISHED")
    gate = decide(chosen, opened, facts, now=NOW, verification=verified, model_files=FILES)
    denial = GateDecision.model_validate(gate.model_dump() | {"alias": "champion", "actor": "release bot", "collector": COLLECTOR})
    own = {(e.requirement, e.state): e for e in opened.evidence}
    judged = tuple(
        own.get((e.requirement, e.state), e.model_copy(update={"collector": COLLECTOR}))
        for e in judge(chosen, opened.results, run_id=RUN_ID, started=STARTED, now=NOW)
    )
    path = f"{DECISIONS}/{name_of(name)}-3-champion-20260310T093000.000000Z.dsse.json"
    seen = Seen(
        uri=f"models:/{name}/3",
        name=name,
        version="3",
        run_id=RUN_ID,
        created=FINISHED,
        aliases=(),
        opened=opened,
        bundle=opened,
        verification=verified,
        gate=gate,
        hashed=True,
        judged=judged,
        lines=control_lines(chosen, judged, opened.results, today=NOW.date()),
        decisions=(Recorded(path, denial, verified.key_ids),),
    )
    counts = RunCounts(runs=4, finished=3, failed=1, running=0, deleted=0, sentence="4 runs: 3 finished, 1 failed or killed.")
    read = Read(said, (seen,), seen, counts, NOW)
    record = make_record(read).model_copy(update={"collector": COLLECTOR})
    files = {
        f"{RUN_ID}/{BUNDLE_PATH}": envelope,
        f"{RUN_ID}/{CARD_PATH}": CARD.encode(),
        f"{RUN_ID}/{path}": sign(canonical(denial.statement())),
    }
    return Material(record, read, files)


def name_of(text: str) -> str:
    """Return a model's name as the gate writes it into a file name."""
    import re

    return re.sub(r"[^A-Za-z0-9._-]", "_", text)


def nothing(*, known: bool = True) -> Material:
    """Return a system of which nothing is known but its system file, or not even that."""
    said = Declared(system(), known, "aims.yaml" if known else "no system file was found")
    counts = RunCounts(runs=0, finished=0, failed=0, running=0, deleted=0, sentence="No runs.")
    read = Read(said, (), None, counts, NOW)
    return Material(make_record(read).model_copy(update={"collector": COLLECTOR}), read)


@contextlib.contextmanager
def golden_key() -> Iterator[None]:
    """Sign with the fixed key of golden files."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(digest("aims-mlflow golden files: no secret")))
    before = os.environ.get("AIMS_SIGNING_KEY")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "golden.key")
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        os.environ["AIMS_SIGNING_KEY"] = str(path)
        try:
            yield
        finally:
            os.environ.pop("AIMS_SIGNING_KEY")
            if before is not None:
                os.environ["AIMS_SIGNING_KEY"] = before


def golden() -> dict[str, bytes]:
    """Return the golden files, file name -> bytes.

    Of the workbook the cells are kept, and of the audit pack the paths and the README: how a zip is packed is zlib's affair, and the
    record has golden files of its own.
    """
    from openpyxl import load_workbook

    with golden_key():
        about = material()
        made = {one.name: one.maker()(about) for one in FORMATS.values()}
    files = {f"{name}.{FORMATS[name].ending}": content for name, content in made.items() if not FORMATS[name].binary}
    book = load_workbook(io.BytesIO(made["risk-xlsx"]))
    cells = {sheet.title: [[place.value for place in row] for row in sheet.iter_rows()] for sheet in book}
    inside = unzipped(made["audit-pack"])
    files["risk-xlsx.json"] = json_bytes(cells)
    files["audit-pack.txt"] = "".join(f"{path}\n" for path in inside).encode()
    files["audit-pack-README.md"] = inside["README.md"]
    return files


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    for file_name, written in golden().items():
        (GOLDEN / file_name).write_bytes(written)
